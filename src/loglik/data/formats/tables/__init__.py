"""Tables of named columns: CSV and its kin, Parquet, DataFrames."""
