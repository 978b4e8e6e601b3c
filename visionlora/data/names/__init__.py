"""Names of classes and splits, and what they mean."""
