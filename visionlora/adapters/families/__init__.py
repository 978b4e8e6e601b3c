"""Adapter families, one file each."""
