"""Land cover from radar: scenes, speckle, losses, metrics, models."""
