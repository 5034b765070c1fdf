"""Climate series: the rivals, the library's baseline and the advisors' expert, horizon by horizon.

    python -m benchmarks.climate_series [--parts monthly,grid,sealed] [--seeds 3] [--table]

Three parts:

- *monthly*: CO2 at Mauna Loa, Niño 1+2 and Darwin's pressure, the last 240 origins of each, one
  month apart; the history ends at each origin's date for all three.
- *grid*: 56 cells of a climate model's North America, the last 60 origins, one year apart.
- *sealed*: the eight series of the competition under each of 12 keys, one origin each.

The expert's recipe was settled on what lies before those origins (the 60 before for monthly and
grid), and on keys from 100; the keys 1 to 12 and the last origins were kept for the run that
counts. The baseline is fitted anew every 60 origins (dates, for monthly); its settings are the
library's. The slow classical models are chosen and fitted every 12th origin (5th on the grid) and
carried forward between, which costs them up to 5 % on CO2 and Niño: a ratio within that is not to
be relied on (`climate_series_parts.classical`). Sealed series have a fit of their own each.

Figures: the error relative to the seasonal naive's (geometric mean over the series), the 19
quantiles' loss over the seasonal naive's error, and the share of the truth in the 80 % interval,
over all leads up to a horizon. Ratios are to the classical model that is best *at that horizon, on
these very origins*: picked afterwards, which flatters it. Their intervals are those of
`academy.forecasting.evaluation.comparing`; of sealed series, Student's over the keys. What is done
is kept in files, model by model: a run that broke off goes on, and `--table` prints what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project_templates" / "academy"))

from academy.forecasting.evaluation.backtesting import Backtest
from academy.forecasting.evaluation.comparing import compare, coverage_interval
from academy.forecasting.evaluation.metrics import LEVELS
from academy.forecasting.rivals import RIVALS

from benchmarks.climate_series_parts import panels, sealed

OUT = Path(__file__).resolve().parents[1] / "out" / "climate_series_benchmark"
#: The models that are compared with the classical ones.
LEARNT = ("baseline", "expert")
Array = npt.NDArray[np.float64]


# --- running --------------------------------------------------------------------------------------
def run_panel(part: panels.Part, out: Path, seeds: int) -> None:
    """All models of a part that have no result yet."""
    for name, made in panels.models(part, out, seeds):
        file = _file(out, part.name, name)
        if file.is_file():
            continue
        start = time.monotonic()
        try:
            found = made()
        except Exception as problem:
            # One model less is no reason to lose the others.
            _told(part.name, f"{name} FAILED: {problem}")
            continue
        seconds = time.monotonic() - start
        file.parent.mkdir(parents=True, exist_ok=True)
        found.save(file)
        _note(file, seconds)
        figures = " ".join(
            f"{found.scores(slice(0, each)).relative_mase:.3f}" for each in part.horizons
        )
        _told(part.name, f"{name}: {figures}; {seconds:.0f} s")


def run_sealed(out: Path, seeds: int, keys: int) -> None:
    """All models on the sealed series of all keys."""
    worlds = sealed.worlds(keys)
    mark = sealed.digest(worlds)
    tasks = [(name, 0) for name in RIVALS]
    tasks += [(name, seed) for name in LEARNT for seed in range(1, seeds + 1)]
    for model, seed in [*tasks, ("expert without AutoARIMA", 1)]:
        name = f"{model}, seed {seed}" if model in LEARNT else model
        file = _file(out, f"sealed-{mark}", name).with_suffix(".npy")
        if file.is_file():
            continue
        start = time.monotonic()
        found = np.stack([sealed.forecast(model, history, seed) for history, _ in worlds])
        seconds = time.monotonic() - start
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found)
        _note(file, seconds)
        relative = np.exp(np.log(sealed.measures(found, worlds)["relative"]).mean(axis=(0, 1)))
        figures = " ".join(f"{each:.3f}" for each in relative)
        _told("sealed", f"{name}: {figures}; {seconds:.0f} s")


def _file(out: Path, part: str, name: str) -> Path:
    return out / part / f"{name.replace(' ', '_').replace(',', '')}.npz"


def _note(file: Path, seconds: float) -> None:
    file.with_suffix(".json").write_text(json.dumps({"seconds": round(seconds, 1)}))


def _seconds(file: Path) -> float:
    return float(json.loads(file.with_suffix(".json").read_text())["seconds"])


def _told(part: str, what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {part}: {what}", flush=True)


# --- telling --------------------------------------------------------------------------------------
def tell_panel(part: panels.Part, out: Path, console: Console) -> None:
    """The tables of a part, from the files that are there."""
    found: dict[str, Backtest] = {}
    seconds: dict[str, float] = {}
    names = [*RIVALS, *(f"{each}, seed {seed}" for each in LEARNT for seed in range(1, 10))]
    for name in [*names, "expert without AutoARIMA"]:
        file = _file(out, part.name, name)
        if file.is_file():
            found[name], seconds[name] = Backtest.load(file), _seconds(file)
    if not found:
        return
    table = _table(
        f"{part.name}: {len(part.panel)} series, {part.origins} origins; error relative to the "
        "seasonal naive (loss of 19 quantiles over its error; share in the 80 % interval)",
        ["model", *map(str, part.horizons), "seconds"],
    )
    for label, members in _grouped(found).items():
        cells = []
        for each in part.horizons:
            leads = slice(0, each)
            scores = [found[name].scores(leads).relative_mase for name in members]
            loss = [_loss(found[name], each) for name in members]
            share = [coverage_interval(found[name], 0.8, leads=leads).share for name in members]
            cells.append(f"{_mean(scores)} ({_mean(loss)}; {100 * np.mean(share):.0f})")
        table.add_row(label, *cells, f"{np.mean([seconds[name] for name in members]):.0f}")
    console.print(table)
    _tell_ratios(part, found, console)
    if len(part.panel) <= 4:
        _tell_series(part, found, console)


def _tell_ratios(part: panels.Part, found: Mapping[str, Backtest], console: Console) -> None:
    classical = [name for name in RIVALS if name in found]
    table = _table(
        f"{part.name}: first seed against the classical model that is best at the horizon (95 %)",
        ["horizon", "best classical", "model", "error", "19 quantiles", "80 % interval holds"],
    )
    for each in part.horizons:
        leads = slice(0, each)
        best = min(classical, key=lambda name: found[name].scores(leads).relative_mase)
        sharpest = min(classical, key=lambda name: _loss(found[name], each))
        for name in ("baseline, seed 1", "expert, seed 1", "expert without AutoARIMA"):
            if name not in found:
                continue
            point = compare(found[name], found[best], leads=leads)
            wide = compare(found[name], found[sharpest], leads=leads, measure="wql")
            share = coverage_interval(found[name], 0.8, leads=leads)
            table.add_row(
                str(each),
                best,
                name,
                f"{point.ratio:.3f} ({point.low:.3f} to {point.high:.3f}) {point.verdict}",
                f"{wide.ratio:.3f} ({wide.low:.3f} to {wide.high:.3f}) {wide.verdict}, {sharpest}",
                f"{share.share:.3f} ({share.low:.3f} to {share.high:.3f})",
            )
    console.print(table)


def _tell_series(part: panels.Part, found: Mapping[str, Backtest], console: Console) -> None:
    for series in part.panel:
        table = _table(
            f"{series}: error relative to the seasonal naive (share in the 80 % interval)",
            ["model", *map(str, part.horizons)],
        )
        for label, members in _grouped(found).items():
            cells = []
            for each in part.horizons:
                leads = slice(0, each)
                rows = [found[name].only(series).scores(leads)[series] for name in members]
                share = np.mean([row["coverage of 80 %"] for row in rows])
                cells.append(
                    f"{np.mean([row['relative MASE'] for row in rows]):.3f} ({100 * share:.0f})"
                )
            table.add_row(label, *cells)
        classical = [name for name in RIVALS if name in found]
        for name in ("baseline, seed 1", "expert, seed 1"):
            if name not in found:
                continue
            cells = []
            for each in part.horizons:
                leads = slice(0, each)
                alone = {one: found[one].only(series) for one in [*classical, name]}
                best = min(classical, key=lambda one: alone[one].scores(leads).relative_mase)
                ratio = compare(alone[name], alone[best], leads=leads)
                told = f"{ratio.ratio:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
                cells.append(f"{told} {ratio.verdict}, {best}")
            table.add_row(f"{name} / best classical", *cells)
        console.print(table)


def tell_sealed(out: Path, keys: int, console: Console) -> None:
    """The tables of the sealed series."""
    worlds = sealed.worlds(keys)
    folder = f"sealed-{sealed.digest(worlds)}"
    found: dict[str, dict[str, Array]] = {}
    seconds: dict[str, float] = {}
    names = [*RIVALS, *(f"{each}, seed {seed}" for each in LEARNT for seed in range(1, 10))]
    for name in [*names, "expert without AutoARIMA"]:
        file = _file(out, folder, name).with_suffix(".npy")
        if file.is_file():
            found[name] = sealed.measures(np.load(file), worlds)
            seconds[name] = _seconds(file) / keys
    if not found:
        return
    series = list(worlds[0][0])
    kinds = {"all eight": slice(None)}
    kinds |= {
        kind: [at for at, name in enumerate(series) if name.startswith(kind)]  # type: ignore[misc]
        for kind in ("carbon", "ocean")
    }
    for kind, rows in kinds.items():
        table = _table(
            f"sealed, {kind}, {keys} keys: error relative to the seasonal naive (loss of 19 "
            "quantiles over its error; share in the 80 % interval)",
            ["model", *map(str, sealed.HORIZONS), "seconds a key"],
        )
        logs = {
            name: np.log(each["relative"][:, rows]).mean(axis=1) for name, each in found.items()
        }
        for label, members in _grouped(found).items():
            cells = []
            for at in range(len(sealed.HORIZONS)):
                score = [float(np.exp(logs[name][:, at].mean())) for name in members]
                loss = [
                    float(np.exp(np.log(found[name]["loss"][:, rows, at]).mean()))
                    for name in members
                ]
                share = [found[name]["inside"][:, rows, at].mean() for name in members]
                cells.append(f"{_mean(score)} ({_mean(loss)}; {100 * np.mean(share):.0f})")
            table.add_row(label, *cells, f"{np.mean([seconds[name] for name in members]):.1f}")
        classical = [name for name in RIVALS if name in found]
        for name in ("baseline, seed 1", "expert, seed 1", "expert without AutoARIMA"):
            if name not in found:
                continue
            cells = []
            for at in range(len(sealed.HORIZONS)):
                best = min(classical, key=lambda one: logs[one][:, at].mean())
                apart = logs[name][:, at] - logs[best][:, at]
                half = stats.t.ppf(0.975, keys - 1) * apart.std(ddof=1) / np.sqrt(keys)
                low, middle, high = np.exp(apart.mean() + np.array([-half, 0, half]))
                cells.append(f"{middle:.3f} ({low:.3f} to {high:.3f}), {best}")
            table.add_row(f"{name} / best classical", *cells, "")
        console.print(table)


def _loss(found: Backtest, horizon: int) -> float:
    """The 19 quantiles' mean loss over the seasonal naive's error, geometric mean over series."""
    if found.quantiles is None:
        return float("nan")
    truth, floor = found.truth[..., :horizon], found.naive[..., :horizon]
    error = truth[..., None] - found.quantiles[:, :, :horizon]
    level = np.array(LEVELS)
    loss = 2 * np.maximum(level * error, (level - 1) * error).mean(axis=-1)
    scale = found.scale[:, :, None]
    ratio = (loss / scale).mean(axis=(1, 2)) / (np.abs(truth - floor) / scale).mean(axis=(1, 2))
    return float(np.exp(np.log(ratio).mean()))


def _grouped(found: Iterable[str]) -> dict[str, list[str]]:
    """Names by what a row of a table is called: seeds together."""
    groups: dict[str, list[str]] = {}
    for name in found:
        groups.setdefault(name.split(", seed")[0], []).append(name)
    return {
        label if len(each) == 1 else f"{label}, {len(each)} seeds": each
        for label, each in groups.items()
    }


def _mean(values: Sequence[float]) -> str:
    """The mean, and how far seeds are apart if that is to be seen."""
    apart = (max(values) - min(values)) / 2
    return f"{np.mean(values):.3f}" + (f"±{apart:.3f}" if apart >= 0.0005 else "")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def main() -> None:
    """Runs what is not done, and tells."""
    parser = argparse.ArgumentParser(description="Measures forecasters on the climate series.")
    parser.add_argument("--parts", default="monthly,grid,sealed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--origins", type=int, default=240, help="of the monthly records")
    parser.add_argument("--years", type=int, default=60, help="origins of the grid")
    parser.add_argument("--keys", type=int, default=12)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    arguments: Any = parser.parse_args()
    os.environ.setdefault("ACADEMY_CACHE", str(arguments.out / "rivals"))
    console = Console(width=200 if not sys.stdout.isatty() else None)
    makers = {
        "grid": lambda: panels.grid(arguments.years),
        "monthly": lambda: panels.monthly(arguments.origins),
    }
    for name in arguments.parts.split(","):
        if name == "sealed":
            if not arguments.table:
                run_sealed(arguments.out, arguments.seeds, arguments.keys)
            tell_sealed(arguments.out, arguments.keys, console)
        else:
            part = makers[name]()
            if not arguments.table:
                run_panel(part, arguments.out, arguments.seeds)
            tell_panel(part, arguments.out, console)


if __name__ == "__main__":
    main()
