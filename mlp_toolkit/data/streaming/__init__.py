"""How are rows read that do not fit the memory?

Parquet or CSV files come in; pieces of rows go out, epoch by epoch.

stream: row groups of Parquet files, read piece by piece.
scan: one pass over all rows: counts, checks, fits, samples.
csv_to_parquet: CSV files kept as Parquet.
row_cache: encoded rows in a temporary file, from the second epoch on.
"""
