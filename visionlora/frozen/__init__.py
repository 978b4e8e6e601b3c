"""The frozen base network: freezing, folding, splitting."""
