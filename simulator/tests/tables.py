"""Reads the tables of a run with programs that nobody here wrote, and holds them against each other and the figures.

usage: tables.py RESULTS
"""

import json
import sys

import duckdb
import pandas
import polars

results = sys.argv[1]
summary = json.load(open(f"{results}/summary.json"))
energy = summary["energy"]


def only(query):
    return duckdb.execute(query).fetchone()


# DuckDB: what is bought is sold in every interval, and what members pay, they earn or the operator gains.
lines, intervals = f"'{results}/lines.parquet'", f"'{results}/intervals.parquet'"
count, apart = only(f"""
    SELECT count(*), count(*) FILTER (bought != sold) FROM (
        SELECT sum(bought_wh) AS bought, sum(sold_wh) AS sold FROM {lines} GROUP BY interval)""")
assert (count, apart) == (summary["intervals"], 0), (count, apart)
(apart,) = only(f"""
    SELECT count(*) FROM {intervals} i JOIN (
        SELECT interval, sum(bought_wh) AS bought, sum(imported_wh) AS imported, sum(exported_wh) AS exported,
               sum(consumption_wh) AS consumption, sum(production_wh) AS production,
               sum(paid_nano) AS paid, sum(earned_nano) AS earned
        FROM {lines} GROUP BY interval) l USING (interval)
    WHERE i.traded_wh != l.bought OR i.imported_wh != l.imported OR i.exported_wh != l.exported
       OR i.consumption_wh != l.consumption OR i.production_wh != l.production
       OR i.paid_nano != l.paid OR i.earned_nano != l.earned OR l.paid != l.earned + i.operator_nano
       OR i.consumption_wh + i.charged_wh + i.exported_wh != i.production_wh + i.discharged_wh + i.imported_wh""")
assert apart == 0, apart
(kind,) = only(f"SELECT typeof(interval) FROM {lines} LIMIT 1")
assert kind == "TIMESTAMP WITH TIME ZONE", kind

# Polars: members and their days add up to the same.
members = polars.read_parquet(f"{results}/members.parquet")
days = polars.read_parquet(f"{results}/member_days.parquet")
assert members.height == summary["members"]
columns = ["consumption_wh", "production_wh", "bought_wh", "sold_wh", "imported_wh", "exported_wh", "cost_nano", "alone_nano"]
by_day = days.group_by("member").agg(polars.col(columns).sum()).sort("member")
assert by_day.select(columns).equals(members.sort("member").select(columns))
assert members["consumption_wh"].sum() == energy["consumption_wh"]
assert members["cost_nano"].sum() == summary["money"]["cost_nano"]
assert members["saving_nano"].sum() == summary["money"]["saving_nano"]
assert members["bought_wh"].sum() == energy["traded_wh"] == members["sold_wh"].sum()
assert days["day"].dtype == polars.Datetime("ms", "UTC"), days["day"].dtype

# pandas: CSV and Parquet say the same.
for table in ["intervals", "members"]:
    parquet, text = pandas.read_parquet(f"{results}/{table}.parquet"), pandas.read_csv(f"{results}/{table}.csv")
    for column in text.columns:
        one, other = parquet[column], text[column]
        if column == "interval":
            one, other = one.dt.tz_convert("UTC"), pandas.to_datetime(other, utc=True)
            assert (one == other).all(), column
        else:
            assert (one.fillna("") == other.fillna("")).all(), (table, column)
print("DuckDB, polars and pandas agree on", len(text), "members")
