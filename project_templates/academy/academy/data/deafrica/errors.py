"""What can go wrong while real scenes are loaded, and the check that its packages are there."""

from __future__ import annotations

import importlib.util

from academy.errors import DatasetError

#: Module to what pip calls it.
PACKAGES = {
    "odc.stac": "odc-stac",
    "pystac_client": "pystac-client",
    "rasterio": "rasterio",
    "distributed": "distributed",
}


class LoadingError(DatasetError):
    """Real scenes cannot be loaded; the message says why, and what to change."""


class OutsideAfrica(LoadingError):
    """The area is not one that Digital Earth Africa has."""


class YearError(LoadingError):
    """Radar and labels of that year do not both exist, or the season is not in one year."""


class CatalogueError(LoadingError):
    """The STAC catalogue does not answer, or is none."""


class NoScenes(LoadingError):
    """Nothing was found in that place, season and orbit."""


class TooFewDates(LoadingError):
    """Fewer dates than a mean needs."""


class NoLabels(LoadingError):
    """There is land cover of that year, but no class in it here: open sea, or no input."""


class BrokenAsset(LoadingError):
    """A file of the archive is missing or cannot be read.

    Attributes
    ----------
    item, asset : str
        Which.
    """

    def __init__(self, item: str, asset: str, href: str, reason: str) -> None:
        super().__init__(
            f"item {item}, asset {asset} cannot be read: {href} ({reason}). Try again later; "
            "if it stays so, leave such items out with skip_broken=True (--skip-broken)"
        )
        self.item, self.asset = item, asset


def check_packages() -> None:
    """Raises what to install if a package is missing.

    Raises
    ------
    LoadingError
        With the missing packages' names.
    """
    missing = [name for module, name in PACKAGES.items() if not _is_there(module)]
    if missing:
        raise LoadingError(
            f"loading real scenes needs {', '.join(missing)}, not installed here; "
            "install all it needs with: pip install 'academy[deafrica]'"
        )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False
