"""The nine land-cover classes of the project: their numbers, names, colours and CGLS codes.

The legend is that of the Copernicus Global Land Service's 100 m map (CGLS-LC100, [1]_) with its 23
codes joined to nine. Open sea is not scored: it is easy, and would flatter every model's water.

.. [1] Buchhorn, M. et al. (2020). Copernicus Global Land Cover Layers, Collection 2. Remote
   Sensing 12, 1044. doi:10.3390/rs12061044
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]

#: The label of everything that is neither learnt from nor scored.
IGNORE = 255


@dataclass(frozen=True)
class LandCover:
    """A class: its colour in every figure, and the CGLS-LC100 codes that are joined in it."""

    name: str
    colour: str
    cgls: tuple[int, ...]


CLASSES = (
    LandCover("closed forest", "#1f5c2e", (111, 112, 113, 114, 115, 116)),
    LandCover("open forest", "#7fa650", (121, 122, 123, 124, 125, 126)),
    LandCover("shrub", "#c9a227", (20,)),
    LandCover("herbaceous", "#e8dd8a", (30, 100)),
    LandCover("crops", "#e07fc0", (40,)),
    LandCover("urban", "#d7301f", (50,)),
    LandCover("bare", "#b9b2a7", (60, 70)),
    LandCover("water", "#2166ac", (80,)),
    LandCover("wetland", "#35b7a8", (90,)),
)
NAMES = tuple(each.name for each in CLASSES)
COUNT = len(CLASSES)
(
    CLOSED_FOREST,
    OPEN_FOREST,
    SHRUB,
    HERBACEOUS,
    CROPS,
    URBAN,
    BARE,
    WATER,
    WETLAND,
) = range(COUNT)

#: CGLS codes without a class: no input (0), open sea (200), nodata (255).
IGNORED_CGLS = (0, 200, 255)


def index(name: str) -> int:
    """A class's number by its name.

    Raises
    ------
    ValueError
        There is no such class.

    Examples
    --------
    >>> index("water")
    7
    """
    if name not in NAMES:
        raise ValueError(f"there is no class {name!r}; the classes are {', '.join(NAMES)}")
    return NAMES.index(name)


def from_cgls(codes: npt.ArrayLike) -> Labels:
    """Class numbers for codes of CGLS-LC100.

    Parameters
    ----------
    codes
        Any shape, whole numbers.

    Returns
    -------
    uint8 of the same shape; `IGNORE` for no input, open sea and nodata.

    Raises
    ------
    ValueError
        A code is not of the CGLS-LC100 legend: another product, or another version.

    Examples
    --------
    >>> from_cgls([111, 80, 200])
    array([  0,   7, 255], dtype=uint8)
    """
    given = np.asarray(codes)
    table = np.full(256, 254, np.uint8)
    table[list(IGNORED_CGLS)] = IGNORE
    for number, each in enumerate(CLASSES):
        table[list(each.cgls)] = number
    if given.size and (given.min() < 0 or given.max() > 255):
        raise ValueError(f"{given.min()}..{given.max()} are not codes of CGLS-LC100")
    labels = table[given.astype(np.uint8)]
    if (labels == 254).any():
        unknown = sorted({int(code) for code in given[labels == 254].ravel()})
        raise ValueError(f"{unknown} are not codes of CGLS-LC100")
    return labels


def colour_map(labels: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Labels of shape (H, W) as a picture of shape (H, W, 3), uint8; what is ignored is white.

    Raises
    ------
    ValueError
        A label is neither a class nor `IGNORE`.
    """
    given = np.asarray(labels)
    wrong = (given >= COUNT) & (given != IGNORE)
    if wrong.any():
        raise ValueError(
            f"label {given[wrong].ravel()[0]} is no class; they go from 0 to {COUNT - 1}"
        )
    table = np.full((256, 3), 255, np.uint8)
    for number, each in enumerate(CLASSES):
        table[number] = [int(each.colour[at : at + 2], 16) for at in (1, 3, 5)]
    return table[given.astype(np.uint8)]
