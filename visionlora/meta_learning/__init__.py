"""A learned start of adapters: many small tasks teach it (Reptile, first-order MAML)."""
