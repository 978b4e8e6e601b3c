"""VisionLoRA: low-rank adapters for pretrained convolutional networks."""
