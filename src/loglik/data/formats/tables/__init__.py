"""Tables of named columns: CSV, Parquet, DataFrames."""
