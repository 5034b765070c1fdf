"""The mean of many dates on the radar's own grid, read with odc-stac on Dask, block by block.

Each pass is masked and trimmed before it is added, in linear power; no more than a few blocks of a
few dates are in memory at a time, however large a scene or long a season.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.data.deafrica.areas import Grid
from academy.data.deafrica.catalogue import LABELS, S1, S1_BANDS, Passes
from academy.data.deafrica.errors import BrokenAsset, LoadingError

#: Rows and columns of a block, without its halo. The archive's files are tiled by 512.
BLOCK = 1024
#: Native pixels around a scene that reprojection may look at.
MARGIN = 4
#: A gap in the data counts as the edge of a scene if it holds a square of this many pixels; a
#: smaller one is a speck, and only itself is left out [choice].
GAP = 5

#: Seconds for a Dask scheduler to answer.
CONNECT_S = 20

#: What the archive's items do not tell of their files (product definitions of
#: github.com/digitalearthafrica/config).
STAC_CFG = {
    S1: {
        "assets": {
            "vv": {"data_type": "float32", "nodata": "nan"},
            "vh": {"data_type": "float32", "nodata": "nan"},
            "mask": {"data_type": "uint8", "nodata": 0},
        }
    },
    LABELS: {"assets": {"*": {"data_type": "uint8", "nodata": 255}}},
    "*": {"warnings": "ignore"},
}

#: Digital Earth Africa's buckets are public, in Cape Town: read without credentials.
_BUCKETS = "s3://deafrica-"
_ENDPOINT = "https://s3.af-south-1.amazonaws.com/"

Cluster = str | tuple[int, int] | Any | None
"""None, an address, (processes, threads of each), or a `distributed.Client`."""


@dataclass(frozen=True)
class NativeMean:
    """The mean of the dates on the grid of the archive.

    Attributes
    ----------
    grid
        Its place.
    power
        float32 (2, h, w), linear gamma0, VV and VH; NaN where fewer dates than asked for are valid.
    dates
        uint16 (h, w), how many dates each mean is of.
    """

    grid: Grid
    power: npt.NDArray[np.float32]
    dates: npt.NDArray[np.uint16]


def public(href: str) -> str:
    """An address that GDAL reads without credentials, for the archive's own buckets."""
    return _ENDPOINT + href.removeprefix("s3://") if href.startswith(_BUCKETS) else href


@contextmanager
def cluster(wanted: Cluster) -> Iterator[Any]:
    """A Dask client: of the cluster at an address, or of a new one on this machine.

    Raises
    ------
    LoadingError
        No scheduler answers at that address.
    """
    import distributed

    if isinstance(wanted, distributed.Client):
        yield wanted
        return
    if isinstance(wanted, str):
        try:
            client = distributed.Client(wanted, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise LoadingError(
                f"no Dask scheduler answers at {wanted!r} ({error}); an address is such as "
                "tcp://10.0.0.5:8786. Without one, a cluster is started on this machine"
            ) from None
        with client:
            yield client
        return
    processes, threads = (0, _threads()) if wanted is None else wanted
    # Threads of this process by default: reading waits for the network and for GDAL, both of which
    # let go of the interpreter, and a script needs no guard against being started anew.
    with (
        distributed.LocalCluster(
            n_workers=max(1, processes),
            threads_per_worker=max(1, threads),
            processes=processes > 0,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def quiet() -> Iterator[None]:
    """Without notices of what odc-geo uses of other packages, which nobody here can act on, and
    without odc-loader's log of broken files: they are raised, with their names.
    """
    log = logging.getLogger("odc.loader")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            for kind in (DeprecationWarning, PendingDeprecationWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        log.setLevel(level)


def _threads() -> int:
    return max(4, min(16, 2 * (os.cpu_count() or 1)))


def grid_of(item: Any, asset: str) -> Grid:
    """The grid of one of an item's files, from the file itself: metadata may be rounded.

    Raises
    ------
    BrokenAsset
        The file cannot be opened.
    """
    import rasterio

    href = public(item.assets[asset].href)
    try:
        with rasterio.open(href) as file:
            return Grid(str(file.crs), tuple(file.transform)[:6], file.height, file.width)
    except rasterio.errors.RasterioError as error:
        raise BrokenAsset(item.id, asset, href, str(error)) from None


def window(source: Grid, scene: Grid, margin: int) -> Grid:
    """The part of an endless grid like `source` that covers a scene, with a margin in pixels."""
    from rasterio.warp import transform_bounds

    across, _, left, _, down, top = source.transform
    west, south, east, north = transform_bounds(scene.crs, source.crs, *scene.bounds)
    first_column = math.floor((west - left) / across) - margin
    last_column = math.ceil((east - left) / across) + margin
    first_row = math.floor((north - top) / down) - margin
    last_row = math.ceil((south - top) / down) + margin
    height, width = last_row - first_row, last_column - first_column
    return source.part(first_row, first_column, height, width)


def check_assets(items: Sequence[Any], bands: Sequence[str]) -> None:
    """Raises the first item that lacks a band.

    Raises
    ------
    BrokenAsset
        Say, an image of one polarisation.
    """
    for item in items:
        for band in bands:
            if band not in item.assets:
                raise BrokenAsset(item.id, band, "no file", "the item does not have it")


def blocks(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The blocks that a scene is read in."""
    size = BLOCK
    return [
        (slice(row, min(row + size, shape[0])), slice(column, min(column + size, shape[1])))
        for row in range(0, shape[0], size)
        for column in range(0, shape[1], size)
    ]


def mean_of_passes(
    passes: Passes,
    native: Grid,
    client: Any,
    *,
    edge: int,
    least_dates: int,
    progressed: Callable[[], None] = lambda: None,
) -> NativeMean:
    """The mean of all passes, in linear power, of the pixels that are valid.

    Parameters
    ----------
    passes
        Of one orbit.
    native
        The window of the archive's grid.
    client
        A `distributed.Client`.
    edge
        How many pixels to trim off the edges of a pass.
    least_dates
        Pixels with fewer valid dates become NaN.
    progressed
        Called after each block.

    Raises
    ------
    BrokenAsset
        A file cannot be read; which one is found out.
    """
    import distributed

    check_assets(passes.items, S1_BANDS)
    shape = (native.height, native.width)
    power = np.full((2, *shape), np.nan, np.float32)
    dates = np.zeros(shape, np.uint16)
    left = blocks(shape)
    running: dict[Any, tuple[slice, slice]] = {}
    threads = sum(client.nthreads().values())
    try:
        while left or running:
            # Two blocks at a time keep few threads busy; a large cluster takes more.
            while left and len(running) < max(2, threads // len(passes.groups)):
                block = left.pop(0)
                running[client.compute(_block(passes, native, block, edge, least_dates))] = block
            with client.as_current(), quiet():
                ready = next(iter(distributed.as_completed(list(running))))
            block = running.pop(ready)
            power[:, block[0], block[1]], dates[block] = ready.result()
            ready.release()
            progressed()
    except Exception as error:
        client.cancel(list(running))
        broken = which_is_broken(passes.items, S1_BANDS, native, error)
        if broken is None:
            raise LoadingError(
                f"the radar images could not be averaged: {type(error).__name__}: {error}"
            ) from error
        raise broken from None
    return NativeMean(native, power, dates)


def _block(
    passes: Passes, native: Grid, block: tuple[slice, slice], edge: int, least_dates: int
) -> Any:
    """A delayed (power, dates) of one block."""
    import dask
    import odc.stac
    from odc.geo.geobox import GeoBox

    halo = edge + GAP
    rows, columns = block
    height, width = rows.stop - rows.start + 2 * halo, columns.stop - columns.start + 2 * halo
    part = native.part(rows.start - halo, columns.start - halo, height, width)
    # Each item by itself, not by day: what is valid is decided before items of a pass are joined.
    with quiet():
        loaded = odc.stac.load(
            passes.items,
            bands=list(S1_BANDS),
            geobox=GeoBox((height, width), part.affine(), part.crs),
            groupby="id",
            chunks={"time": 1, "x": -1, "y": -1},
            stac_cfg=STAC_CFG,
            patch_url=public,
        )
    images = [loaded[band].data.to_delayed()[:, 0, 0] for band in S1_BANDS]
    see, add, finish = _tasks()
    total = None
    for group in passes.groups:
        of_pass = [[band[at] for at in group] for band in images]
        total = dask.delayed(add)(total, dask.delayed(see)(*of_pass, edge, GAP))
    return dask.delayed(finish)(total, halo, least_dates)


def _tasks() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The work on pixels, as functions that Dask sends whole: workers need not have `academy`."""
    import numpy as np

    def any_within(flags: Any, reach: int) -> Any:
        """Where a flag is set no farther than `reach` rows and columns away."""
        for axis in (0, 1):
            wide = [(reach + 1, reach) if each == axis else (0, 0) for each in (0, 1)]
            counts = np.pad(flags, wide, mode="edge").cumsum(axis, dtype=np.int32)
            if axis == 0:
                flags = counts[2 * reach + 1 :] != counts[: -2 * reach - 1]
            else:
                flags = counts[:, 2 * reach + 1 :] != counts[:, : -2 * reach - 1]
        return flags

    def see(vv: Any, vh: Any, mask: Any, edge: int, gap: int) -> Any:
        """One pass: (2, h, w) linear power, NaN where it is not valid or near the pass's edge."""
        shape = vv[0].shape[1:]
        power = np.full((2, *shape), np.nan, np.float32)
        nothing = np.ones(shape, bool)
        for one, other, flag in zip(vv, vh, mask, strict=True):
            there = np.isfinite(one[0]) & np.isfinite(other[0]) & (flag[0] != 0)
            there &= (one[0] != 0) & (other[0] != 0)
            valid = there & (flag[0] == 1) & (one[0] > 0) & (other[0] > 0)
            new = valid & np.isnan(power[0])
            power[0][new], power[1][new] = one[0][new], other[0][new]
            nothing &= ~there
        if edge > 0:
            reach = gap // 2
            core = ~any_within(~nothing, reach)
            power[:, any_within(core, edge + reach)] = np.nan
        return power

    def add(total: Any, power: Any) -> Any:
        valid = np.isfinite(power[0])
        values = np.where(valid, power, np.float32(0))
        if total is None:
            return values.astype(np.float64), valid.astype(np.uint16)
        return total[0] + values, total[1] + valid

    def finish(total: Any, halo: int, least_dates: int) -> Any:
        inner = (slice(halo, -halo or None), slice(halo, -halo or None))
        dates = total[1][inner]
        with np.errstate(invalid="ignore", divide="ignore"):
            power = total[0][:, inner[0], inner[1]] / dates
        power[:, dates < max(1, least_dates)] = np.nan
        return power.astype(np.float32), dates

    return see, add, finish


def which_is_broken(
    items: Sequence[Any], bands: Sequence[str], grid: Grid, error: Exception
) -> BrokenAsset | None:
    """The file that an error is about; if it does not tell, the first that cannot be read."""
    said = str(error)
    for item in items:
        for band in bands:
            href = public(item.assets[band].href)
            if href in said:
                return BrokenAsset(item.id, band, href, said.splitlines()[0][:300])
    for item in items:
        for band in bands:
            reason = _unreadable(public(item.assets[band].href), grid)
            if reason:
                return BrokenAsset(item.id, band, public(item.assets[band].href), reason)
    return None


def _unreadable(href: str, grid: Grid) -> str:
    import rasterio
    from rasterio.warp import transform_bounds
    from rasterio.windows import from_bounds

    try:
        with rasterio.open(href) as file:
            bounds = transform_bounds(grid.crs, file.crs, *grid.bounds)
            file.read(1, window=from_bounds(*bounds, file.transform), boundless=False)
    except rasterio.errors.WindowError:
        return ""  # beside the scene
    except rasterio.errors.RasterioError as error:
        return str(error.__cause__ or error).splitlines()[0][:300]
    return ""
