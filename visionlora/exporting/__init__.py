"""Trained networks as files for other runtimes, compared with PyTorch before they are kept."""
