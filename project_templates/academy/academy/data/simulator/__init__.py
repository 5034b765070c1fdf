"""Simulated Sentinel-1 scenes with land-cover labels; see `academy.data.simulator.simulating`."""

from academy.data.simulator.simulating import PRESETS, Settings, settings_of, simulate

__all__ = ["PRESETS", "Settings", "settings_of", "simulate"]
