"""A learned start of adapters: where gradients of a class agree, and many small tasks (Reptile, MAML)."""
