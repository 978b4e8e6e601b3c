"""Images, tables and files that a person reads, made from plain data."""
