"""What every project's training shares: processes, precision, checkpoints, settings, weights."""
