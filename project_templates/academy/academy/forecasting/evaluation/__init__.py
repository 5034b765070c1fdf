"""What a forecast is worth: measures, rolling origins, comparisons, and guards against leaks."""
