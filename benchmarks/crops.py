"""Crops a second: biased to rare classes and not, by this library and by rivals; prints ratios.

    python -m benchmarks.crops [--pixels 4096] [--crop 128] [--seconds 3]

Rivals: drawing again until a rare class is in the crop, which is what one does without an index;
and torchgeo's RandomGeoSampler over a GeoTIFF, which has no bias, where torchgeo is installed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from academy.data.simulator.fields import fractal
from academy.land_cover.augmentation import Augmentation
from academy.land_cover.classes import COUNT
from academy.land_cover.cog import write_cogs
from academy.land_cover.dataset import Crops, Normalisation, loader
from academy.land_cover.sampling import BiasedCrops, ClassIndex, RandomCrops
from academy.land_cover.scene import Scene, label_grid

RARE = COUNT - 1


def make_scene(pixels: int, folder: Path) -> Scene:
    """A large scene, quickly: the file's size and the labels' shape matter here, not physics."""
    rng = np.random.default_rng(0)
    cells, shape = label_grid(pixels, pixels, 4.96, (1.0, 2.0))
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


def torchgeo_rate(scene: Scene, folder: Path, size: int, seconds: float) -> float | None:
    """torchgeo's random crops of the same pixels as GeoTIFF; None where it is not installed."""
    try:
        from torchgeo.datasets import RasterDataset  # type: ignore[import-not-found]
        from torchgeo.samplers import RandomGeoSampler  # type: ignore[import-not-found]
    except ImportError:
        return None
    scene.metadata |= {"crs": "EPSG:32733", "transform": [20, 0, 500_000, 0, -20, 9_000_000]}
    write_cogs(scene, folder)

    class Image(RasterDataset):  # type: ignore[misc]
        filename_glob = "gamma0.tif"

    dataset = Image(str(folder))
    places = iter(RandomGeoSampler(dataset, size=size, length=1_000_000))
    return rate(lambda _: dataset[next(places)], seconds)


def main() -> None:
    """Measures, and prints crops a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pixels", type=int, default=4096, help="side of the scene")
    parser.add_argument("--crop", type=int, default=128, help="side of a crop")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
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
        print(f"scene {arguments.pixels}², crops of {size}²; the rarest class has {rare:.3%}")
        print(f"index of {index.pixels.sum():,} pixels: {built:.2f} s, {held / 2**20:.1f} MiB")

        biased = BiasedCrops(index, size, seed=1)
        anywhere = RandomCrops([scene], size, seed=1)
        normalise = Normalisation((-11.0, -11.0), (2.3, 2.3))
        plain = Crops([scene], biased, normalise)
        augmented = Crops([scene], biased, normalise, Augmentation())

        def window(crop: Any) -> None:
            scene.window(crop.row, crop.column, size, size)

        results = {
            "places drawn, biased": rate(biased.crop, seconds),
            "crops read, at random": rate(lambda n: window(anywhere.crop(n)), seconds),
            "crops read, biased": rate(lambda n: window(biased.crop(n)), seconds),
            "torch items, biased, with probability": rate(plain.__getitem__, seconds),
            "the same, augmented with speckle": rate(augmented.__getitem__, seconds),
            "DataLoader, 0 workers": loader_rate(plain, 0, seconds),
            "DataLoader, 2 workers": loader_rate(plain, 2, seconds),
        }
        rejection = by_rejection(scene, size)
        only_rare = BiasedCrops(index, size, seed=2, bias={RARE: 1})
        results["rare class only, by index"] = rate(lambda n: window(only_rare.crop(n)), seconds)
        results["rare class only, by rejection"] = rate(lambda _: next(rejection), seconds)
        rival = torchgeo_rate(scene, Path(folder) / "geotiff", size, seconds)
        for name, value in results.items():
            print(f"  {name:<40}{value:>10,.0f} a second")
        ratio = results["rare class only, by index"] / results["rare class only, by rejection"]
        print(f"ratio, rare class by index over by rejection: {ratio:.1f}x")
        bias_cost = results["crops read, biased"] / results["crops read, at random"]
        print(f"ratio, biased over random crops: {bias_cost:.2f}x")
        if rival is None:
            print("ratio over torchgeo's RandomGeoSampler: skipped, torchgeo is not installed")
        else:
            print(f"  torchgeo RandomGeoSampler, no bias {rival:>16,.0f} a second")
            ratio = results["torch items, biased, with probability"] / rival
            print(f"ratio over torchgeo: {ratio:.1f}x")


if __name__ == "__main__":
    main()
