"""Loads areas as scenes: searches, averages, filters, reprojects, labels, writes, and goes on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.data.deafrica import areas, labels, plan, reading
from academy.data.deafrica.areas import Grid
from academy.data.deafrica.catalogue import (
    DEAFRICA,
    LABELS,
    ORBITS,
    RELATIVE_ORBITS,
    S1,
    S1_BANDS,
    Catalogue,
    Passes,
    choose_passes,
    labels_of,
)
from academy.data.deafrica.errors import (
    BrokenAsset,
    LoadingError,
    NoLabels,
    NoScenes,
    TooFewDates,
    check_packages,
)
from academy.land_cover.classes import IGNORE, NAMES
from academy.land_cover.cog import write_cog, write_cogs
from academy.land_cover.scene import Scene
from academy.land_cover.speckle import estimate_looks, gamma_map, kuan, lee, refined_lee
from academy.progress import Progress

FILTERS = {"lee": lee, "kuan": kuan, "gamma_map": gamma_map, "refined_lee": refined_lee}

#: Four months: with one satellite, which is the rule over Africa, 10 dates [choice].
SEASON = ("06-01", "09-30")
#: Pixels trimmed off the edges of each pass: there the archive has noise that its mask keeps.
EDGE = 10
LEAST_DATES = 8
SCENE_SIZE = 600
#: A scene with a smaller part of valid pixels is left out [choice].
LEAST_VALID = 0.05
#: Pixels that looks are estimated from at most; 10,000 windows.
_ENOUGH_FOR_LOOKS = 2_000_000
_STRIP = 150
#: Of the archive's two float bands and its mask, unpacked.
BYTES_A_PIXEL = 9
#: Degrees around a scene that are searched too, so that no edge is seen where two tiles meet.
_AROUND = 0.01

ATTRIBUTION = (
    "Contains modified Copernicus Sentinel data, processed by Digital Earth Africa (CC BY 4.0), "
    "and land cover of the Copernicus Global Land Service (CC BY 4.0)"
)


@dataclass(frozen=True)
class Settings:
    """How scenes are made; the same for all in a folder."""

    year: int
    season: tuple[str, str]
    orbit: str | None
    relative_orbit: int | None
    catalogue: str
    scene_size: int
    min_dates: int
    edge: int
    speckle: str | None

    def __post_init__(self) -> None:
        if self.orbit not in (None, *ORBITS):
            raise LoadingError(f"orbit is {self.orbit!r}; it is ascending, descending or None")
        if self.relative_orbit not in (None, *RELATIVE_ORBITS):
            raise LoadingError(f"relative_orbit is {self.relative_orbit}; they go from 1 to 175")
        if self.speckle not in (None, *FILTERS):
            raise LoadingError(
                f"speckle is {self.speckle!r}; the filters are {', '.join(FILTERS)}, or None"
            )
        if self.min_dates < 1:
            raise LoadingError(f"min_dates is {self.min_dates}; it must be 1 or more")
        if not 0 <= self.edge <= 200:
            raise LoadingError(f"edge is {self.edge} pixels; it must be 0 to 200")

    def as_json(self) -> dict[str, Any]:
        """As the plan keeps them."""
        return {**self.__dict__, "season": list(self.season)}


def load(
    area: Sequence[float] | Sequence[Sequence[float]],
    year: int = 2019,
    season: tuple[str, str] = SEASON,
    orbit: str | None = None,
    relative_orbit: int | None = None,
    *,
    out: str | Path,
    catalogue: str | Path | None = None,
    dask: reading.Cluster = None,
    scene_size: int = SCENE_SIZE,
    min_dates: int = LEAST_DATES,
    edge: int = EDGE,
    speckle: str | None = None,
    skip_broken: bool = False,
    progress: bool = True,
) -> list[Scene]:
    """Scenes of one area or several, written to a folder; goes on where it stopped.

    Scenes that are finished are read, half ones are made again, those without data are left out.

    Parameters
    ----------
    area
        (west, south, east, north) in degrees, or a list of such.
    year
        Of radar and of labels: 2019, or 2018 from July on.
    season
        First and last day, such as ``("06-01", "09-30")``, within one year.
    orbit
        "ascending", "descending", or None: for each scene the one with the most dates.
    relative_orbit
        1 to 175, or None likewise. A scene is always of one relative orbit.
    out
        The folder: a scene folder each, and plan.json, which has their places.
    catalogue
        A STAC API, or a static catalogue's path; Digital Earth Africa's API by default.
    dask
        None: threads of this process; (processes, threads of each): processes on this machine; an
        address, such as ``tcp://10.0.0.5:8786``: that cluster; or a `distributed.Client`. Workers
        read the archive, so they need odc-stac and a way to it.
    scene_size
        The most rows and columns of 20 m pixels; a larger area becomes several scenes.
    min_dates
        Dates that a pixel's mean needs; pixels with fewer are nodata.
    edge
        Native pixels trimmed off the edges of each pass.
    speckle
        None, or a filter on the mean, on the archive's grid before reprojection: "lee", "kuan",
        "gamma_map", "refined_lee".
    skip_broken
        Leave out items whose files cannot be read, instead of stopping.
    progress
        Whether to show how far it is.

    Returns
    -------
    list of Scene
        In the areas' order, by rows; memory-mapped.

    Raises
    ------
    OutsideAfrica, YearError, NoScenes, TooFewDates, NoLabels, BrokenAsset, CatalogueError
        What their names say; all are `LoadingError`. For a scene without data among others only
        if there is none with.

    Examples
    --------
    >>> scenes = load((36.7, -1.4, 37.0, -1.1), out="scenes")  # doctest: +SKIP
    """
    check_packages()
    settings = _settings(
        year, season, orbit, relative_orbit, catalogue, scene_size, min_dates, edge, speckle
    )
    wanted = areas.check_areas(area)
    areas.check_season(year, settings.season)
    grids = [grid for each in wanted for grid in areas.tiles(each, scene_size)]
    planned = plan.Plan(Path(out), settings.as_json())
    scenes = planned.add(grids)
    with ExitStack() as stack:
        loader = _Loader(settings, planned, dask, skip_broken, stack, _Bar(scenes, progress))
        found = [loader.scene(each) for each in scenes]
    return loader.result(found)


def survey(
    area: Sequence[float] | Sequence[Sequence[float]],
    year: int = 2019,
    season: tuple[str, str] = SEASON,
    orbit: str | None = None,
    relative_orbit: int | None = None,
    *,
    catalogue: str | Path | None = None,
    scene_size: int = SCENE_SIZE,
) -> Iterator[tuple[Grid, Passes | NoScenes]]:
    """What `load` would load: each scene's grid, and its passes or why there are none.

    Parameters and errors as `load`; only the catalogue is read, nothing is written.
    """
    check_packages()
    settings = _settings(
        year, season, orbit, relative_orbit, catalogue, scene_size, LEAST_DATES, EDGE, None
    )
    wanted = areas.check_areas(area)
    areas.check_season(year, settings.season)
    grids = [grid for each in wanted for grid in areas.tiles(each, scene_size)]
    stac = Catalogue(settings.catalogue)
    for grid in grids:
        try:
            yield grid, _search_passes(stac, settings, grid)[0]
        except NoScenes as error:
            yield grid, error


def _settings(
    year: int,
    season: tuple[str, str],
    orbit: str | None,
    relative_orbit: int | None,
    address: str | Path | None,
    *more: Any,
) -> Settings:
    days = (str(season[0]), str(season[1])) if len(season) == 2 else season
    told = str(DEAFRICA if address is None else address)
    return Settings(year, days, orbit, relative_orbit, told, *more)


def _around(grid: Grid) -> areas.Area:
    west, south, east, north = grid.lonlat()
    return west - _AROUND, south - _AROUND, east + _AROUND, north + _AROUND


def _search_passes(stac: Catalogue, settings: Settings, grid: Grid) -> tuple[Passes, str]:
    """A scene's passes, and in words where they were searched for."""
    start, end = areas.check_season(settings.year, settings.season)
    items = stac.search(S1, _around(grid), start, end)
    place = ", ".join(f"{value:.3f}" for value in grid.lonlat())
    searched = (
        f"searched collection {S1} of {stac.address} from {start.date()} to {end.date()} in "
        f"west, south, east, north {place}"
    )
    passes = choose_passes(items, grid, settings.orbit, settings.relative_orbit, searched)
    return passes, searched


class _Loader:
    """One call of `load`: opens the catalogue and the cluster when they are first needed."""

    def __init__(
        self,
        settings: Settings,
        planned: plan.Plan,
        dask: reading.Cluster,
        skip_broken: bool,
        stack: ExitStack,
        bar: _Bar,
    ) -> None:
        self._settings = settings
        self._plan = planned
        self._dask = dask
        self._skip_broken = skip_broken
        self._stack = stack
        self._bar = bar
        self._opened: tuple[Catalogue, Any] | None = None
        self._without: list[LoadingError] = []

    def scene(self, planned: plan.Planned) -> Scene | None:
        """The scene, loaded if it is not there yet; None if there is nothing to load."""
        there = self._plan.finished(planned)
        if there is not None:
            self._bar.scene("there already")
            return there
        folder = self._plan.folder / planned.name
        if folder.is_dir():
            shutil.rmtree(folder)  # half a scene
        try:
            self._write(planned, folder)
        except (NoScenes, TooFewDates, NoLabels) as error:
            self._without.append(error)
            self._plan.skip(planned, f"{type(error).__name__}: {error}")
            self._bar.scene("nothing to load")
            return None
        self._plan.skip(planned, "")
        self._bar.scene("loaded")
        return Scene.read(folder)

    def result(self, found: Sequence[Scene | None]) -> list[Scene]:
        """What was found; if that is nothing, why."""
        scenes = [each for each in found if each is not None]
        if not scenes:
            raise self._without[0]
        self._bar.end(len(found) - len(scenes))
        return scenes

    def _open(self) -> tuple[Catalogue, Any]:
        if self._opened is None:
            opened = Catalogue(self._settings.catalogue)
            client = self._stack.enter_context(reading.cluster(self._dask))
            self._opened = opened, client
        return self._opened

    def _write(self, planned: plan.Planned, folder: Path) -> None:
        stac, client = self._open()
        grid = planned.grid
        self._bar.step("searching")
        found = stac.search(LABELS, _around(grid))
        label_items = labels_of(found, self._settings.year, stac.address)
        passes, searched = _search_passes(stac, self._settings, grid)
        self._check_dates(passes, searched)
        # Labels first: over open sea nothing else need be read.
        cells = labels.read_labels(label_items, grid)
        if (cells.labels == IGNORE).all():
            raise NoLabels("the land cover has no class here: open sea, or no input")
        mean, passes, left_out = self._average(passes, grid, client)
        filtered, native_looks = self._filtered(mean)
        gamma0, dates = _reproject(mean, filtered, grid)
        valid = np.isfinite(gamma0[0])
        if valid.mean() < LEAST_VALID:
            raise TooFewDates(
                f"{valid.mean():.0%} of the pixels have {self._settings.min_dates} valid dates "
                f"of the {len(passes.groups)} passes; try a longer season, another orbit, or "
                "min_dates below 8, which leaves more speckle"
            )
        cells.ignore_unseen(grid, valid)
        if (cells.labels == IGNORE).all():
            raise NoLabels("no label cell with a class lies where the radar image is valid")
        scene = Scene(
            planned.name,
            gamma0,
            cells.cells,
            cells.labels,
            cells.probability,
            metadata=self._metadata(grid, passes, cells, dates[valid], left_out),
        )
        scene.metadata["native_looks"] = native_looks
        scene.metadata["looks"] = _looks(gamma0)
        scene.check()
        folder.mkdir(parents=True)
        # The metadata come last: without them the folder is no scene, and is made again.
        write_cogs(scene, folder)
        write_cog(folder / "dates.tif", dates[None], 0, grid.crs, grid.transform, ("dates",))
        scene.write(folder)

    def _check_dates(self, passes: Passes, searched: str) -> None:
        if len(passes.groups) < self._settings.min_dates:
            raise TooFewDates(
                f"{len(passes.groups)} dates of {passes.orbit_state}, relative orbit "
                f"{passes.relative_orbit or 'not told'}, and a mean needs "
                f"{self._settings.min_dates}: {searched}. Try a longer season, another orbit, "
                "or min_dates below 8, which leaves more speckle"
            )

    def _average(
        self, passes: Passes, grid: Grid, client: Any
    ) -> tuple[reading.NativeMean, Passes, list[str]]:
        """The mean, the passes it is of, and the items that were left out as broken."""
        left_out: list[str] = []
        while True:
            try:
                return self._mean(passes, grid, client), passes, left_out
            except BrokenAsset as error:
                if not self._skip_broken:
                    raise
                left_out.append(error.item)
                passes = passes.without(error.item)
                self._check_dates(passes, f"after {len(left_out)} broken items were left out")

    def _mean(self, passes: Passes, grid: Grid, client: Any) -> reading.NativeMean:
        reading.check_assets(passes.items, S1_BANDS)
        native = reading.window(reading.grid_of(passes.items[0], "vv"), grid, reading.MARGIN)
        self._bar.blocks(len(reading.blocks((native.height, native.width))))
        return reading.mean_of_passes(
            passes,
            native,
            client,
            edge=self._settings.edge,
            least_dates=self._settings.min_dates,
            progressed=lambda: self._bar.block(f"{len(passes.groups)} dates"),
        )

    def _filtered(self, mean: reading.NativeMean) -> tuple[npt.NDArray[np.float32], float | None]:
        """The mean, filtered if asked for, and its looks before that."""
        looks = _looks(mean.power)
        name = self._settings.speckle
        if name is None:
            return mean.power, looks
        if looks is None:
            raise LoadingError(
                f"the speckle filter {name} needs the number of looks, and too little of the "
                "scene is even and valid to measure it; load without speckle, or a larger scene"
            )
        kernel: Any = FILTERS[name]
        return kernel(mean.power, looks), looks

    def _metadata(
        self,
        grid: Grid,
        passes: Passes,
        cells: labels.CellLabels,
        dates: npt.NDArray[np.uint16],
        left_out: list[str],
    ) -> dict[str, Any]:
        settings = self._settings
        return {
            "source": f"Digital Earth Africa {S1}, {LABELS}",
            "attribution": ATTRIBUTION,
            "pixel_m": float(areas.PIXEL_M),
            "label_m": 100.0,
            "classes": list(NAMES),
            "label_shape": [cells.grid.height, cells.grid.width],
            "dates_averaged": len(passes.groups),
            "dates_per_pixel": {
                "least": int(dates.min()),
                "median": float(np.median(dates)),
                "most": int(dates.max()),
            },
            "edge_pixels": settings.edge,
            "speckle_filter": settings.speckle,
            # What follows tells where and when: `Scene.sealed` takes all of it off.
            "catalogue": settings.catalogue,
            "crs": grid.crs,
            "transform": list(grid.transform),
            "bounds": list(grid.lonlat()),
            "label_crs": cells.grid.crs,
            "label_transform": list(cells.grid.transform),
            "year": settings.year,
            "season": list(settings.season),
            "dates": passes.dates,
            "orbit_state": passes.orbit_state,
            "relative_orbit": passes.relative_orbit,
            "items": [item.id for item in passes.items],
            "items_left_out": left_out,
        }


def _reproject(
    mean: reading.NativeMean, power: npt.NDArray[np.float32], grid: Grid
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    """Linear power and the count of dates on the scene's grid."""
    from rasterio.warp import Resampling, reproject

    place = {
        "src_transform": mean.grid.affine(),
        "src_crs": mean.grid.crs,
        "dst_transform": grid.affine(),
        "dst_crs": grid.crs,
    }
    gamma0 = np.full((2, grid.height, grid.width), np.nan, np.float32)
    reproject(
        power,
        gamma0,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        resampling=Resampling.average,
        **place,
    )
    dates = np.zeros((grid.height, grid.width), np.uint16)
    reproject(mean.dates, dates, resampling=Resampling.nearest, **place)
    dates[np.isnan(gamma0[0])] = 0
    return gamma0, dates


def _looks(power: npt.NDArray[np.float32]) -> float | None:
    """The estimated looks; None where too little of the scene is valid."""
    # Of a large scene every so many strips will do. Their height is a multiple of the windows'.
    every = -(-power[0].size // _ENOUGH_FOR_LOOKS)
    strips = [power[:, top : top + _STRIP] for top in range(0, power.shape[1], _STRIP)]
    try:
        return round(estimate_looks(np.concatenate(strips[::every], axis=1)).looks, 2)
    except ValueError:
        return None


class _Bar:
    """How far a download is: a bar over all blocks of all scenes."""

    _WIDE = 24

    def __init__(self, scenes: Sequence[Any], shown: bool) -> None:
        self._progress = Progress("Digital Earth Africa") if shown else None
        self._scenes = len(scenes)
        self._done = 0
        self._of_scene = (0, 1)
        self._last = -1.0
        self._live = shown and (sys.stdout.isatty() or "ipykernel" in sys.modules)

    def scene(self, how: str) -> None:
        """A scene is done."""
        self._done += 1
        self._of_scene = (0, 1)
        self._show(how, always=self._done == self._scenes)

    def blocks(self, count: int) -> None:
        """The scene at hand has this many blocks."""
        self._of_scene = (0, count)

    def block(self, what: str) -> None:
        """One more is done."""
        self._of_scene = (self._of_scene[0] + 1, self._of_scene[1])
        self._show(what)

    def step(self, what: str) -> None:
        """Another part of the work begins."""
        self._show(what)

    def end(self, skipped: int) -> None:
        """All is done."""
        if self._progress is not None:
            note = f"{skipped} without data, left out" if skipped else ""
            self._progress.update("Completed", [], note)

    def _show(self, what: str, always: bool = False) -> None:
        if self._progress is None:
            return
        part = (self._done + self._of_scene[0] / self._of_scene[1]) / self._scenes
        # A log file gets a line every tenth, not one a block.
        if not (self._live or always or part >= self._last + 0.1):
            return
        self._last = part
        filled = round(part * self._WIDE)
        at = min(self._done + 1, self._scenes)
        bar = "█" * filled + "░" * (self._WIDE - filled)
        self._progress.update(f"{bar} scene {at} of {self._scenes}", [], what)
