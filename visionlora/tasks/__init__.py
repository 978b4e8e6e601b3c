"""What is learned: losses and decoding."""
