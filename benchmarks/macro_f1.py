"""Macro-F1 of many pixels: seconds and extra memory, beside scikit-learn and torchmetrics.

    python -m benchmarks.macro_f1 [--pixels 100000000] [--rounds 3]

Rivals that are not installed are left out and named (`pip install scikit-learn torchmetrics`).
Each tool runs in a process of its own; its memory is the peak above what the two images take.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

LIBRARY = Path(__file__).resolve().parents[1] / "project_templates" / "academy"
CLASSES = 10


def academy(truth: Any, prediction: Any) -> float:
    from academy.land_cover.metrics import macro_f1

    return macro_f1(truth, prediction, CLASSES)


def scikit_learn(truth: Any, prediction: Any) -> float:
    from sklearn.metrics import f1_score

    return float(
        f1_score(truth, prediction, labels=range(CLASSES), average="macro", zero_division=0)
    )


def torchmetrics(truth: Any, prediction: Any) -> float:
    import torch
    from torchmetrics.functional.classification import multiclass_f1_score

    one, other = torch.from_numpy(truth), torch.from_numpy(prediction)
    return float(multiclass_f1_score(other, one, CLASSES, average="macro"))


TOOLS: dict[str, tuple[Callable[[Any, Any], float], str]] = {
    "academy": (academy, "numpy"),
    "scikit-learn": (scikit_learn, "sklearn"),
    "torchmetrics": (torchmetrics, "torchmetrics"),
}


def images(pixels: int) -> tuple[Any, Any]:
    """Labels as steep as land cover, right four times in five; uint8."""
    rng = np.random.default_rng(0)
    shares = 0.5 ** np.arange(1, CLASSES + 1)
    tile = rng.choice(CLASSES, 1 << 20, p=shares / shares.sum()).astype(np.uint8)
    wrong = np.where(rng.random(tile.size) < 0.2, rng.integers(0, CLASSES, tile.size), tile)
    return np.resize(tile, pixels), np.resize(wrong.astype(np.uint8), pixels)


def memory(line: str) -> int:
    """A line of this process's status, bytes; 0 where the system has none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    values = dict(row.split(":", 1) for row in status.read_text().splitlines())
    return int(values[line].split()[0]) * 1024


def measure(name: str, pixels: int, rounds: int, results: Any) -> None:
    sys.path.insert(0, str(LIBRARY))
    tool, _ = TOOLS[name]
    truth, prediction = images(pixels)
    score = tool(truth[:1000], prediction[:1000])  # imports are not what is measured
    peak_reset = Path("/proc/self/clear_refs")
    if peak_reset.exists():
        peak_reset.write_text("5")
    before = memory("VmRSS")
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        score = tool(truth, prediction)
        times.append(time.perf_counter() - start)
    results.put((name, min(times), memory("VmHWM") - before, score))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    console = Console()
    context = multiprocessing.get_context("spawn")
    found, absent = [], []
    for name, (_, module) in TOOLS.items():
        if importlib.util.find_spec(module) is None:
            absent.append(name)
            continue
        results = context.Queue()
        rounds = settings.rounds if name == "academy" else 1
        process = context.Process(target=measure, args=(name, settings.pixels, rounds, results))
        process.start()
        process.join()
        if process.exitcode:
            console.print(f"{name} failed (exit status {process.exitcode}), left out")
            continue
        found.append(results.get())
    table = Table(title=f"macro-F1 of {settings.pixels:,} pixels, {CLASSES} classes")
    for column in ("", "seconds", "times as long", "extra MiB", "macro-F1"):
        table.add_column(column, justify="left" if not column else "right")
    ours = next((row[1] for row in found if row[0] == "academy"), float("nan"))
    for name, seconds, extra, score in found:
        ratio = f"{seconds / ours:.1f}"
        table.add_row(name, f"{seconds:.2f}", ratio, f"{extra / 2**20:,.0f}", f"{score:.9f}")
    console.print(table)
    if absent:
        console.print("Not installed, left out:", ", ".join(absent))


if __name__ == "__main__":
    main()
