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

# DuckDB: trades add up to the lines, and are within the limits that stood; orders are what was lacking and to spare.
trades, orders, flows, soc = (f"'{results}/{table}.parquet'" for table in ["trades", "orders", "flows", "soc"])
apart, count = only(f"""
    WITH bought AS (SELECT interval, buyer AS member, sum(energy_wh) AS wh, sum(energy_wh * paid_micro_per_kwh) AS nano
                    FROM {trades} GROUP BY ALL),
         sold AS (SELECT interval, seller AS member, sum(energy_wh) AS wh, sum(energy_wh * received_micro_per_kwh) AS nano
                  FROM {trades} GROUP BY ALL)
    SELECT count(*) FILTER (coalesce(b.wh, 0) != bought_wh OR coalesce(b.nano, 0) != paid_nano
                         OR coalesce(s.wh, 0) != sold_wh OR coalesce(s.nano, 0) != earned_nano),
           count(b.wh)
    FROM {lines} l LEFT JOIN bought b USING (interval, member) LEFT JOIN sold s USING (interval, member)""")
assert apart == 0 and count > 1000, (apart, count)
apart, count = only(f"""
    SELECT count(*) FILTER (asked_wh != bought_wh + imported_wh OR offered_wh != sold_wh + exported_wh), count(*)
    FROM {orders} JOIN {lines} USING (interval, member)""")
(lacking,) = only(f"SELECT count(*) FROM {lines} WHERE bought_wh + imported_wh + sold_wh + exported_wh > 0")
assert apart == 0 and count == lacking, (apart, count, lacking)
beyond, apart = only(f"""
    SELECT count(*) FILTER (paid_micro_per_kwh > b.limit_micro_per_kwh OR received_micro_per_kwh < s.limit_micro_per_kwh
                         OR b.asked_wh = 0 OR s.offered_wh = 0),
           count(*) FILTER (paid_micro_per_kwh != received_micro_per_kwh)
    FROM {trades} t JOIN {orders} b ON t.interval = b.interval AND t.buyer = b.member
                    JOIN {orders} s ON t.interval = s.interval AND t.seller = s.member""")
assert beyond == 0 and apart > 0, (beyond, apart)

# DuckDB: what the transformer carried is what all drew, and the largest flows are those of the summary.
(apart,) = only(f"""
    SELECT count(*) FROM {intervals} i
    JOIN {flows} f ON f.interval = i.interval AND f.line = '{summary["grid"]["lines"][0]["line"]}'
    WHERE f.flow_wh != i.net_wh""")
assert apart == 0, apart
loadings = dict(duckdb.execute(f"SELECT line, max(loading_ppm) FROM {flows} GROUP BY line").fetchall())
assert loadings == {line["line"]: round(line["loading"] * 1e6) for line in summary["grid"]["lines"]}

# Polars: what a battery holds changes by what it takes and gives, with √0.9 on either way, to the µWh.
batteries = polars.read_parquet(f"{results}/soc.parquet").sort("member", "interval")
efficiency = 948_683
change = polars.col("stored_uwh") - polars.col("stored_uwh").shift(1, fill_value=0).over("member")
taken = -((-polars.col("discharged_wh").cast(polars.Int64) * 10**12) // efficiency)
expected = polars.col("charged_wh").cast(polars.Int64) * efficiency - taken
assert batteries.filter(change != expected).height == 0, batteries.filter(change != expected)
stored = batteries.group_by("interval").agg(polars.col("charged_wh", "discharged_wh", "stored_uwh").sum()).sort("interval")
of_all = polars.read_parquet(f"{results}/intervals.parquet").sort("interval")
assert (stored["charged_wh"] == of_all["charged_wh"]).all() and stored["charged_wh"].sum() > 0
assert (stored["discharged_wh"] == of_all["discharged_wh"]).all()
assert (stored["stored_uwh"] // 10**6 == of_all["stored_wh"]).all()

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
