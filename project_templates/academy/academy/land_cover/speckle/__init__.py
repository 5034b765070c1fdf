"""Speckle: how much of it there is, and filters against it, on linear power with gaps.

All take numpy arrays or torch tensors, on any device, and give the same kind back.
"""

from academy.land_cover.speckle.filters import gamma_map, kuan, lee, refined_lee
from academy.land_cover.speckle.looks import Looks, estimate_looks
from academy.land_cover.speckle.temporal import TemporalMean, temporal_mean

__all__ = [
    "Looks",
    "TemporalMean",
    "estimate_looks",
    "gamma_map",
    "kuan",
    "lee",
    "refined_lee",
    "temporal_mean",
]
