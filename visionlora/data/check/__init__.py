"""Everything that may be wrong with images, found before training."""
