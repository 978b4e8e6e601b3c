"""Folders, tables and archives as people have them, with what the user should be told."""
