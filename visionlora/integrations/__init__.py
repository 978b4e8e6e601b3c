"""Checkpoints of other trainers that hold the adapter alone."""
