"""What moves the trained parameters: its settings, and PyTorch's optimizers by their names."""
