"""Measurements that print ratios, side by side; docs/measurements.md keeps the results."""
