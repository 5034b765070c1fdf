"""What learns: the baseline in PyTorch, its settings, its training and its quantiles."""
