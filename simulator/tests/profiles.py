"""Writes the profile of a data set as Parquet, with programs that nobody here wrote.

usage: profiles.py CSV DIR
"""

import sys

import duckdb
import pandas
import polars

source, out = sys.argv[1:]

duckdb.execute("SET TimeZone = 'UTC'")
query = f"""SELECT "timestamp"::TIMESTAMPTZ AS "timestamp", * EXCLUDE "timestamp" FROM read_csv('{source}')"""
duckdb.execute(f"COPY ({query}) TO '{out}/duckdb.parquet' (ROW_GROUP_SIZE 2048)")

table = polars.read_csv(source)
table = table.with_columns(polars.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms", time_zone="UTC"))
table = table.with_columns(polars.col("consumption_wh").cast(polars.UInt32))
table.write_parquet(f"{out}/polars.parquet", compression="snappy")
table.write_parquet(f"{out}/zstd.parquet", compression="zstd")
table.with_columns(polars.col("timestamp").dt.replace_time_zone(None)).write_parquet(f"{out}/naive.parquet", compression="snappy")

frame = pandas.read_csv(source, parse_dates=["timestamp"])
frame = frame.sample(frac=1, random_state=1).astype({"participant_id": "category"})
frame.to_parquet(f"{out}/pandas.parquet", compression=None, index=False)
frame.astype({"production_wh": "float64"}).to_parquet(f"{out}/doubles.parquet", compression=None, index=False)
