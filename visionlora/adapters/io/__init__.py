"""Adapter directories and other file formats."""
