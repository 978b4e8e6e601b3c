"""Which images train, which validate, which test."""
