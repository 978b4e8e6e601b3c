"""Figures, tables, image sheets, the model card and metrics.json: plain data in, files out."""
