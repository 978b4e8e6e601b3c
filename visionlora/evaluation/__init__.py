"""What a run is judged by: predictions, metrics, forgetting, strength selection."""
