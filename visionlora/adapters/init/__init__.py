"""How adapters start."""
