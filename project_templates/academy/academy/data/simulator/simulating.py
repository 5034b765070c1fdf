"""Simulated Sentinel-1 scenes with land-cover labels, seeded; physical where it matters.

Three presets turn three dials: `texture` (how far a class departs from one number: K texture,
fields, seasons, shifts of a whole scene), `label_noise` (the part of labels that is wrong) and
`imbalance` (0: all classes alike; 1: one has up to 95 % of a scene). All else is the same in all.

>>> scene = simulate(seed=7, preset="clean", height=128, width=128)
>>> scene.gamma0.shape, scene.label_shape
((2, 128, 128), (27, 26))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.data.simulator import backscatter
from academy.data.simulator.fields import Field, stream
from academy.data.simulator.label_noise import CellLabels, draw_labels
from academy.data.simulator.mosaic import Mosaic, draw_mosaic, draw_shares
from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.scene import Cells, Scene, label_grid

PIXEL_M = 20.0
#: A CGLS cell's side over an s1_rtc pixel's: .000992063° / .0002°. The grids drift against each
#: other by a pixel every 126.
CELL_PIXELS = 4.96


@dataclass(frozen=True)
class Settings:
    """What a simulated scene is like.

    Parameters
    ----------
    texture
        0 or more; 1 is as the radar's literature has it.
    label_noise
        The part of the label cells that is wrong, 0 to .5.
    imbalance
        0 to 1.
    height, width
        Pixels of 20 m.
    looks
        Equivalent number of looks of one date.
    dates
        Dates that are averaged, of the same land with new speckle. One by default, so that speckle
        is met (a choice; the loader of real scenes averages at least eight).
    nodata
        How often a scene has a border beyond the swath's edge, with 2 to 15 % of its pixels.
    """

    texture: float = 1.0
    label_noise: float = 0.17
    imbalance: float = 0.7
    height: int = 600
    width: int = 600
    looks: float = 4.4
    dates: int = 1
    nodata: float = 0.35

    def __post_init__(self) -> None:
        for name, low, high in (
            ("texture", 0, 4),
            ("label_noise", 0, 0.5),
            ("imbalance", 0, 1),
            ("nodata", 0, 1),
            ("looks", 1, 500),
            ("dates", 1, 500),
            ("height", 32, 30_000),
            ("width", 32, 30_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it goes from {low} to {high}")


PRESETS = {
    "clean": Settings(texture=0.0, label_noise=0.0, imbalance=0.3),
    "realistic": Settings(texture=1.0, label_noise=0.17, imbalance=0.7),
    "hard": Settings(texture=1.5, label_noise=0.20, imbalance=1.0),
}


def simulate(
    seed: int,
    preset: str | Settings = "realistic",
    *,
    name: str | None = None,
    required: Iterable[int] = (),
    **changes: Any,
) -> Scene:
    """One scene.

    Parameters
    ----------
    seed
        0 to 2**128 - 1; the same seed and settings make the same scene, bit by bit.
    preset
        ``clean``, ``realistic`` or ``hard``, or `Settings`.
    name
        The scene's name; from the seed by default.
    required
        Classes that must have a patch in this scene.
    changes
        Settings that differ from the preset's, such as ``looks=60``.

    Returns
    -------
    Scene
        With labels, their stated probability, and the truth at 20 m.

    Raises
    ------
    ValueError
        There is no such preset, or a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> one = simulate(1, height=64, width=64)
    >>> np.array_equal(one.labels, simulate(1, height=64, width=64).labels)
    True
    """
    ground = draw_ground(seed, settings_of(preset, **changes), required)
    return observe(ground, name)


def settings_of(preset: str | Settings, **changes: Any) -> Settings:
    """The settings of a preset, or those given, with `changes`."""
    if isinstance(preset, Settings):
        return replace(preset, **changes)
    if preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **changes)


@dataclass(frozen=True)
class Ground:
    """A land, how the satellite passes over it, and its labels: all but the radar image."""

    seed: int
    settings: Settings
    land: Mosaic
    geometry: backscatter.Geometry
    incidence: Field
    nodata: npt.NDArray[np.bool_]
    cells: Cells
    labels: CellLabels


def draw_ground(seed: int, settings: Settings, required: Iterable[int] = ()) -> Ground:
    """The first half of `simulate`, which takes a fraction of its time."""
    shape = (settings.height, settings.width)
    needed = sorted(set(required))
    if needed and not 0 <= needed[0] <= needed[-1] < COUNT:
        raise ValueError(f"required has {needed}; classes go from 0 to {COUNT - 1}")

    land_rng = stream(seed, "land")
    # A required class gets about 30 label cells at least, which is more on a small scene.
    least = max(0.004, 30 * CELL_PIXELS**2 / (shape[0] * shape[1])) if needed else 0.004
    shares = draw_shares(land_rng, settings.imbalance, needed, min(least, 0.8 / COUNT))
    land = draw_mosaic(land_rng, shape, shares)

    view = stream(seed, "view")
    geometry = backscatter.draw_geometry(view, shape, PIXEL_M)
    incidence = backscatter.draw_incidence(view, geometry)
    border = view.random() < settings.nodata
    nodata = backscatter.draw_nodata(view, geometry, view.uniform(0.02, 0.15) if border else 0.0)

    grid = stream(seed, "grid")
    offset = (float(grid.uniform(0, CELL_PIXELS)), float(grid.uniform(0, CELL_PIXELS)))
    cells, label_shape = label_grid(*shape, CELL_PIXELS, offset)
    labels = draw_labels(
        stream(seed, "labels"), land.truth, cells, label_shape, ~nodata, settings.label_noise
    )
    return Ground(seed, settings, land, geometry, incidence, nodata, cells, labels)


def observe(ground: Ground, name: str | None = None) -> Scene:
    """The second half of `simulate`: the radar image of `ground`."""
    settings, geometry = ground.settings, ground.geometry
    rng = stream(ground.seed, "ground")
    power = backscatter.mean_gamma0(rng, ground.land, ground.incidence, settings.texture)
    power *= backscatter.draw_texture(rng, ground.land, settings.texture)
    power += backscatter.from_db(backscatter.NOISE_FLOOR_DB)
    native = backscatter.to_native(power, geometry)

    waves = stream(ground.seed, "speckle")
    speckle = np.zeros_like(native)
    for _ in range(settings.dates):
        for band in speckle:
            # Between VV and VH speckle is independent over land that is alike left and right.
            band += backscatter.draw_speckle(waves, geometry.native, settings.looks)
    speckle /= np.float32(settings.dates)
    gamma0 = backscatter.to_map(native * speckle, geometry)
    gamma0[:, ground.nodata] = np.nan
    # What an estimator would find on a large even patch: speckle alone, resampled.
    even = backscatter.to_map(speckle[:1], geometry)
    looks = float(even.mean() ** 2 / even.var())
    incidence = ground.incidence
    return Scene(
        name or f"simulated-{ground.seed:032x}",
        gamma0,
        ground.cells,
        ground.labels.labels,
        ground.labels.probability,
        ground.land.truth,
        {
            "source": "academy simulator",
            "simulator": asdict(settings),
            "seed": f"{ground.seed:032x}",
            "pixel_m": PIXEL_M,
            "label_m": PIXEL_M * CELL_PIXELS,
            "classes": list(NAMES),
            "label_shape": list(ground.labels.labels.shape),
            "looks": round(looks, 2),
            "dates_averaged": settings.dates,
            "incidence_deg": [round(float(incidence.min()), 2), round(float(incidence.max()), 2)],
        },
    )
