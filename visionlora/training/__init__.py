"""A training run: setup, LightningModule, trainer, callbacks, precision, feature cache, outputs."""
