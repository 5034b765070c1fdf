"""Real scenes from Digital Earth Africa: Sentinel-1 backscatter with CGLS land cover.

`load` searches a STAC catalogue, reads with odc-stac on Dask, and writes scene folders as
`academy.land_cover.scene` has them. ``python -m academy.data.deafrica --help`` is the same for a
terminal, with examples. Needs ``pip install 'academy[deafrica]'``.
"""

from academy.data.deafrica.errors import (
    BrokenAsset,
    CatalogueError,
    LoadingError,
    NoLabels,
    NoScenes,
    OutsideAfrica,
    TooFewDates,
    YearError,
)
from academy.data.deafrica.loading import load

__all__ = [
    "BrokenAsset",
    "CatalogueError",
    "LoadingError",
    "NoLabels",
    "NoScenes",
    "OutsideAfrica",
    "TooFewDates",
    "YearError",
    "load",
]
