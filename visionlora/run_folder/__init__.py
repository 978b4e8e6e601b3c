"""A run's folder: who may write into it, what the run decided, its checkpoints, how it continues."""
