"""Crops a second: biased to rare classes and not, by this library and by rivals; prints ratios.

    python -m benchmarks.crops [--pixels 4096] [--crop 128] [--seconds 1] [--rounds 3]

Tools take turns within a round, and the best of the rounds counts: on a busy machine all suffer
alike.

Rivals: drawing again until a rare class is in the crop, which is what one does without an index;
and torchgeo's RandomGeoSampler, which has no bias, over the same scene as GeoTIFF. torchgeo brings
some seventy packages, so it has an environment of its own, and the benchmark is run by that one:

    python3.11 -m venv ../beside
    ../beside/bin/pip install torch==2.13.0 torchvision      # of one build: both CPU or both CUDA
    ../beside/bin/pip install torchgeo requests
    ../beside/bin/python -m benchmarks.crops

Where torchgeo cannot be imported, its part is left out, with the reason. A torchvision that was
built for CUDA does not import beside a torch that was not; its two operators are then declared
without a body, because cutting crops calls neither.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project_templates" / "academy"))

from academy.data.simulator.fields import fractal
from academy.land_cover.augmentation import Augmentation
from academy.land_cover.classes import COUNT
from academy.land_cover.dataset import Crops, Normalisation, loader
from academy.land_cover.sampling import BiasedCrops, ClassIndex, RandomCrops
from academy.land_cover.scene import Scene, label_grid

RARE = COUNT - 1
ITEMS = "torch items, biased, with probability"
#: Metres a pixel, and pixels a label cell: 100 m labels do not repeat on the pixels' grid.
PIXEL, CELL = 20.0, 4.96
LABELS_FROM = (1.0, 2.0)


def make_scene(pixels: int, folder: Path) -> Scene:
    """A large scene, quickly: the file's size and the labels' shape matter here, not physics."""
    rng = np.random.default_rng(0)
    cells, shape = label_grid(pixels, pixels, CELL, LABELS_FROM)
    surface = fractal(rng, shape, 2.8)
    parts = np.array([0.75, 0.1, 0.06, 0.04, 0.025, 0.015, 0.007, 0.0027])
    labels = np.searchsorted(np.quantile(surface, np.cumsum(parts)), surface).astype(np.uint8)
    gamma0 = rng.standard_gamma(np.float32(4.4), (2, pixels, pixels), dtype=np.float32)
    gamma0 *= np.float32(0.02)
    gamma0[:, : pixels // 50] = np.nan
    return Scene.read(Scene("large", gamma0, cells, labels).write(folder))


def rate(draw: Callable[[int], Any], seconds: float) -> float:
    """Calls a second of `draw(0)`, `draw(1)` and so on."""
    draw(0)
    start = time.perf_counter()
    for number in count(1):
        draw(number)
        spent = time.perf_counter() - start
        if spent > seconds:
            return number / spent
    raise AssertionError


def loader_rate(crops: Crops, workers: int, seconds: float) -> float:
    """Crops a second out of a DataLoader, after its workers have started."""
    batch = 32
    batches = iter(loader(crops, range(2_000_000), batch_size=batch, workers=workers))
    for _ in range(2 + 2 * workers):
        next(batches)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(batches)
        done += batch
    spent = time.perf_counter() - start
    del batches
    return done / spent


def by_rejection(scene: Scene, size: int) -> Iterator[int]:
    """Random crops until one has the rare class in it; gives how many were looked at."""
    rng = np.random.default_rng(1)
    while True:
        for looked in count(1):
            row, column = (int(rng.integers(length - size + 1)) for length in scene.shape)
            _, labels = scene.window(row, column, size, size)
            if (labels == RARE).any():
                yield looked
                break


def import_torchgeo() -> Any:
    """torchgeo's modules of datasets and samplers, as a pair.

    Raises
    ------
    ImportError
        It is not installed, or not whole.
    """
    if importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            # Kept in the function's attribute: when the library object goes, its operators go.
            declared = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                declared.define(
                    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
            import_torchgeo.__dict__["declared"] = declared
    return tuple(importlib.import_module(f"torchgeo.{part}") for part in ("datasets", "samplers"))


#: How a scene lies in GeoTIFF: as one gets it, and as torchgeo likes it best.
LAYOUTS: dict[str, dict[str, Any]] = {
    "COG, DEFLATE": {"driver": "COG", "compress": "DEFLATE"},
    "GeoTIFF, tiles of 256, raw": {"driver": "GTiff", "tiled": True},
}


def write_geotiffs(scene: Scene, folder: Path, layout: dict[str, Any]) -> None:
    """image.tif and labels.tif into `folder`, each on its own grid, as torchgeo wants them."""
    import rasterio

    west, north, cell = 500_000.0, 9_000_000.0, CELL * PIXEL
    before_down, before_right = (part * PIXEL for part in LABELS_FROM)
    assert scene.labels is not None
    bands = {
        "image": (scene.gamma0, np.nan, rasterio.Affine(PIXEL, 0, west, 0, -PIXEL, north)),
        "labels": (
            scene.labels[None],
            255,
            rasterio.Affine(cell, 0, west - before_right, 0, -cell, north + before_down),
        ),
    }
    folder.mkdir()
    for name, (array, nodata, transform) in bands.items():
        profile = {
            "count": array.shape[0],
            "height": array.shape[1],
            "width": array.shape[2],
            "dtype": array.dtype.name,
            "nodata": nodata,
            "crs": "EPSG:32733",
            "transform": transform,
        }
        with rasterio.open(folder / f"{name}.tif", "w", **profile, **layout) as file:
            file.write(np.asarray(array))


def torchgeo_crops(scene: Scene, folder: Path, size: int) -> dict[str, Callable[[int], Any]]:
    """torchgeo's crops, by layout and by what is read; they have no bias.

    Raises
    ------
    ImportError
        torchgeo is not installed, or not whole.
    """
    datasets, samplers = import_torchgeo()

    class Image(datasets.RasterDataset):  # type: ignore[misc,name-defined]
        filename_glob = "image.tif"

    class Labels(datasets.RasterDataset):  # type: ignore[misc,name-defined]
        filename_glob = "labels.tif"
        is_image = False

    found = {}
    for layout, profile in LAYOUTS.items():
        where = folder / layout.split(",")[0]
        write_geotiffs(scene, where, profile)
        image = Image(str(where))
        for what, dataset in ("image", image), ("image and labels", image & Labels(str(where))):
            places = iter(samplers.RandomGeoSampler(dataset, size=size, length=10_000_000))
            item = dataset[next(places)]
            if item["image"].shape != (2, size, size):
                raise RuntimeError(f"torchgeo's crop is {tuple(item['image'].shape)}")
            found[f"{layout}: {what}"] = lambda _, d=dataset, p=places: d[next(p)]
    return found


def main() -> None:
    """Measures, and prints crops a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pixels", type=int, default=4096, help="side of the scene")
    parser.add_argument("--crop", type=int, default=128, help="side of a crop")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size, seconds = arguments.crop, arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(arguments.pixels, Path(folder) / "scene")
        start = time.perf_counter()
        index = ClassIndex([scene])
        built = time.perf_counter() - start
        held = sum(runs.start.nbytes + runs.end.nbytes for runs in index.runs)
        rare = index.pixels[RARE] / index.pixels.sum()
        print(f"Python {platform.python_version()}, torch {torch.__version__}, one thread")
        print(f"scene {arguments.pixels}², crops of {size}²; the rarest class has {rare:.3%}")
        print(f"index of {index.pixels.sum():,} pixels: {built:.2f} s, {held / 2**20:.1f} MiB")

        biased = BiasedCrops(index, size, seed=1)
        anywhere = RandomCrops([scene], size, seed=1)
        normalise = Normalisation((-11.0, -11.0), (2.3, 2.3))
        plain = Crops([scene], biased, normalise)
        augmented = Crops([scene], biased, normalise, Augmentation())

        def window(crop: Any) -> None:
            scene.window(crop.row, crop.column, size, size)

        # Both kinds of crop then read a file that the system has in memory, as in a second epoch.
        np.nansum(scene.gamma0)
        rejection = by_rejection(scene, size)
        only_rare = BiasedCrops(index, size, seed=2, bias={RARE: 1})
        ours: dict[str, Callable[[int], Any]] = {
            "places drawn, biased": biased.crop,
            "crops read, at random": lambda n: window(anywhere.crop(n)),
            "crops read, biased": lambda n: window(biased.crop(n)),
            ITEMS: plain.__getitem__,
            "the same, augmented with speckle": augmented.__getitem__,
            "rare class only, by index": lambda n: window(only_rare.crop(n)),
            "rare class only, by rejection": lambda _: next(rejection),
        }
        loaders = {f"DataLoader, {workers} workers": workers for workers in (0, 2)}
        rivals: dict[str, Callable[[int], Any]] = {}
        try:
            rivals = torchgeo_crops(scene, Path(folder), size)
            absent = ""
        except ImportError as error:
            absent = str(error)
        best: dict[str, float] = dict.fromkeys([*ours, *loaders, *rivals], 0.0)
        for _ in range(arguments.rounds):
            for name, draw in {**ours, **rivals}.items():
                best[name] = max(best[name], rate(draw, seconds))
            for name, workers in loaders.items():
                best[name] = max(best[name], loader_rate(plain, workers, seconds))
        for name in (*ours, *loaders):
            print(f"  {name:<58}{best[name]:>10,.0f} a second")
        if rivals:
            print(f"torchgeo {version('torchgeo')}, RandomGeoSampler, no bias, rasterio's windows:")
        for name in rivals:
            print(f"  {name:<58}{best[name]:>10,.0f} a second")
        ratio = best["rare class only, by index"] / best["rare class only, by rejection"]
        print(f"ratio, rare class by index over by rejection: {ratio:.1f}x")
        ratio = best["crops read, biased"] / best["crops read, at random"]
        print(f"ratio, biased over random crops: {ratio:.2f}x")
        # Items against items: both give tensors; ours are normalised, too, and have a probability.
        for name in rivals:
            ratio = best[ITEMS] / best[name]
            print(f"ratio, our biased items over torchgeo's, {name}: {ratio:.1f}x")
        if absent:
            print(f"ratio over torchgeo's RandomGeoSampler: left out ({absent})")


if __name__ == "__main__":
    main()
