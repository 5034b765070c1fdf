"""The competition: checks, scores and ranks what teams submit."""
