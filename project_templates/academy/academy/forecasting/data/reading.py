"""Reads the learner's own data as a panel: a CSV table, or a grid (NetCDF, Zarr).

Both are strict: what cannot be read without guessing is refused, in words. Nothing is interpolated:
see `read_csv` for why.
"""

from academy.forecasting.data.reading_grid import position, read_grid
from academy.forecasting.data.reading_table import read_csv

__all__ = ["position", "read_csv", "read_grid"]
