"""Tables in the files that shops export: text, workbooks, JSON and Parquet, read as they are or refused."""
