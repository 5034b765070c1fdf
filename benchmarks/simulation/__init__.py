"""The guard's real logic on simulated learner-days, and other guards on the same ones."""
