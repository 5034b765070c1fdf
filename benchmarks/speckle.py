"""Speckle filters: seconds, bias and looks, ours beside scipy's building blocks and Orfeo ToolBox.

    python -m benchmarks.speckle [--size 2048] [--rounds 3]

Rivals that are not installed are left out and named (`pip install scipy pillow`,
`apt-get install otb-bin`). Tools take turns within a round, and the best of the rounds counts: on a
busy machine all suffer alike. Orfeo ToolBox is measured as a command on the image, less the same
command on an image of 8x8 pixels: without process start, but with reading and writing a file.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project_templates" / "academy"))

from academy.land_cover import speckle

LOOKS, WINDOW = 4.4, 7
Image = np.ndarray[Any, np.dtype[np.float32]]


def by_scipy(kuan: bool) -> Callable[[Image], Image]:
    """What a tutorial does: three lines around uniform_filter, blind to nodata."""

    def filtered(image: Image) -> Image:
        from scipy.ndimage import uniform_filter

        mean = uniform_filter(image, WINDOW)
        variance = uniform_filter(image * image, WINDOW) - mean * mean
        weight = np.clip(1 - mean * mean / (LOOKS * np.maximum(variance, 1e-12)), 0, None)
        if kuan:
            weight /= 1 + 1 / LOOKS
        return mean + weight * (image - mean)

    return filtered


class Orfeo:
    """One of its filters; `seconds` is what the last call took, without process start."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.seconds = 0.0

    def __call__(self, image: Image) -> Image:
        from PIL import Image as Files

        small = self._run(image[:8, :8])
        self.seconds = max(self._run(image) - small, 0.0)
        return np.asarray(Files.open(self.folder / "out.tif"))

    def _run(self, image: Image) -> float:
        from PIL import Image as Files

        Files.fromarray(np.ascontiguousarray(image)).save(self.folder / "in.tif")
        command = ["otbcli_Despeckle", "-in", "in.tif", "-out", "out.tif", "float"]
        command += ["-filter", self.name, f"-filter.{self.name}.rad", str(WINDOW // 2)]
        command += [f"-filter.{self.name}.nblooks", str(LOOKS)]
        start = time.perf_counter()
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    console = Console()
    shape = (settings.size, settings.size)
    image = np.random.default_rng(0).gamma(LOOKS, 1 / LOOKS, shape).astype(np.float32)

    tools: dict[str, Callable[[Image], Image]] = {
        "academy lee": lambda z: speckle.lee(z, LOOKS),
        "academy kuan": lambda z: speckle.kuan(z, LOOKS),
        "academy gamma_map": lambda z: speckle.gamma_map(z, LOOKS),
        "academy refined_lee": lambda z: speckle.refined_lee(z, LOOKS),
    }
    absent = []
    if importlib.util.find_spec("scipy"):
        tools |= {"scipy lee": by_scipy(kuan=False), "scipy kuan": by_scipy(kuan=True)}
    else:
        absent.append("scipy")
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("otbcli_Despeckle") and importlib.util.find_spec("PIL"):
            for name in ("lee", "kuan", "gammamap"):
                tools[f"Orfeo {name}"] = Orfeo(name, Path(folder))
        else:
            absent.append("Orfeo ToolBox (otb-bin, pillow)")
        seconds = dict.fromkeys(tools, float("inf"))
        results: dict[str, Image] = {}
        for _ in track(range(settings.rounds), "rounds", console=console, transient=True):
            for name, tool in tools.items():
                start = time.perf_counter()
                results[name] = tool(image)
                took = tool.seconds if isinstance(tool, Orfeo) else time.perf_counter() - start
                seconds[name] = min(seconds[name], took)

    table = Table(title=f"{settings.size}x{settings.size} float32, {LOOKS} looks, 7x7 window")
    for column in ("", "seconds", "of our lee", "mean", "ENL", "RMSE dB"):
        table.add_column(column, justify="left" if not column else "right")
    inside = (slice(WINDOW, -WINDOW),) * 2
    for name, result in results.items():
        values = result[inside].astype(np.float64)
        decibels = np.sqrt(np.mean((10 * np.log10(np.maximum(values, 1e-9))) ** 2))
        table.add_row(
            name,
            f"{seconds[name]:.3f}",
            f"{seconds[name] / seconds['academy lee']:.2f}",
            f"{values.mean():.3f}",
            f"{values.mean() ** 2 / values.var():.0f}",
            f"{decibels:.2f}",
        )
    console.print(table)
    if "Orfeo lee" in seconds:
        for ours, theirs in (("lee", "lee"), ("kuan", "kuan"), ("gamma_map", "gammamap")):
            ratio = seconds[f"academy {ours}"] / seconds[f"Orfeo {theirs}"]
            console.print(f"{ours}: {ratio:.2f} of Orfeo's time without process start")
    if absent:
        console.print("Not installed, left out:", ", ".join(absent))


if __name__ == "__main__":
    main()
