"""What does a file hold?

A path or a data frame comes in; a table of raw columns goes out.

tables: files of all kinds, and bundled data sets.
frames: data frames of any types as columns of numbers and of text.
in_memory: rows given in Python, in whichever form, as a data frame.
first_rows: whether the first targets of a file fit the task.
csv_files: CSV files.
csv_dialects: CSV that does not follow the common form.
npz_files: NPZ files.
parquet_files: Parquet files.
"""
