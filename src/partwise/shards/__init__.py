"""Predict any number of photos in shards: Parquet parts, a table of faults, and one manifest that allows to resume."""
