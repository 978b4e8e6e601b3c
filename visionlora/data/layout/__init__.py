"""How a folder of labelled images is laid out, and what it holds."""
