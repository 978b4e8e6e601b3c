"""Batches of images: the same for the same seed, in any process."""
