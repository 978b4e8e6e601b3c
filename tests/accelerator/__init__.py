"""Whole jobs on an accelerator, or on one that is imitated where there is none."""
