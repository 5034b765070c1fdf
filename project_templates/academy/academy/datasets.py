"""A project's data on this machine: its folder, checked, and given as numpy arrays.

Each project has a class of its own: `Dataset` for series, `academy.land_cover.project.LandCover`
for scenes. What downloads the folder is `academy.downloads`.
"""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from academy.errors import DatasetError

if TYPE_CHECKING:
    from academy.forecasting.data.panel import Panel
    from academy.land_cover.project import LandCover

Array = npt.NDArray[np.float64]


def opened(project: str, folder: Path) -> Dataset | LandCover:
    """The folder of `project`'s data as what the project calls for."""
    if project == "land-cover":
        from academy.land_cover.project import LandCover

        return LandCover(folder)
    return Dataset(folder)


@dataclass(frozen=True)
class Task:
    """What is asked: `horizon` values of each of `series`, the first at `first_step`."""

    project: str
    horizon: int
    season: int
    metric: str
    series: tuple[str, ...]
    first_step: Mapping[str, int]

    @classmethod
    def read(cls, file: Path) -> Task:
        """From ``task.json``."""
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            return cls(
                project=document["project"],
                horizon=int(document["horizon"]),
                season=int(document["season"]),
                metric=document["metric"],
                series=tuple(document["series"]),
                first_step={name: int(document["first_step"][name]) for name in document["series"]},
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DatasetError(f"{file} cannot be read as a task ({problem}).") from None


@dataclass(frozen=True)
class Dataset:
    """A project's folder of data, and what is in it.

    A training script gets one from ``Dataset(os.environ["SM_CHANNEL_DATA"])``, a notebook from
    `academy.dataset`: both see the same.
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", Path(folder))
        if not self.folder.is_dir():
            raise DatasetError(f"{self.folder} is no folder.")

    @functools.cached_property
    def task(self) -> Task:
        """What is asked."""
        return Task.read(self.folder / "task.json")

    @functools.cached_property
    def history(self) -> dict[str, Array]:
        """Each series' known past, shape (n,), oldest first."""
        return read_series(self.folder / "history.csv")

    @functools.cached_property
    def sample_submission(self) -> list[tuple[str, int, float]]:
        """A complete forecast, the seasonal naive: rows of (series, step, value)."""
        return read_rows(self.folder / "sample_submission.csv")

    @functools.cached_property
    def practice(self) -> dict[str, tuple[list[str], Array]]:
        """Public records to practise on: (months ``YYYY-MM``, values) by name. Gaps are absent."""
        found: dict[str, tuple[list[str], Array]] = {}
        for file in sorted((self.folder / "practice").glob("*.csv")):
            months: list[str] = []
            values: list[float] = []
            for row in _table(file, ("series", "month", "value")):
                months.append(row[1])
                values.append(_number(file, row[2]))
            found[file.stem] = (months, np.array(values))
        return found

    @functools.cached_property
    def panel(self) -> dict[str, Panel]:
        """Public records as panels by name: ``monthly``, and ``grid``, a climate model's cells.

        Their values stay on disk until they are looked at. Each series says its unit, source and
        licence: ``data.panel["monthly"].about("ocean")``.
        """
        from academy.forecasting.data.panel import Panel

        found = {
            table.parent.name: Panel.open(table.parent)
            for table in sorted((self.folder / "panel").glob("*/panel.json"))
        }
        if not found:
            raise DatasetError(
                f"There is no panel in {self.folder}: it was published before there were any. "
                "Ask your admin to publish the project's data again."
            )
        return found

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        if not (self.folder / "task.json").is_file():
            return f"Dataset in {self.folder}"
        lengths = {len(series) for series in self.history.values()}
        months = f"{min(lengths)}" if len(lengths) == 1 else f"{min(lengths)} to {max(lengths)}"
        return (
            f"{self.task.project}: {len(self.history)} series of {months} steps, "
            f"forecast the next {self.task.horizon}. In {_short(self.folder)}"
        )


def _short(folder: Path) -> str:
    """The folder as a shell would show it."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def read_series(file: Path) -> dict[str, Array]:
    """Series by name from columns series, step, value; steps must be 0, 1, 2, …"""
    values: dict[str, list[float]] = {}
    for name, step, value in read_rows(file):
        series = values.setdefault(name, [])
        if step != len(series):
            raise DatasetError(f"{file}: {name} has step {step} where {len(series)} was expected.")
        series.append(value)
    return {name: np.array(series) for name, series in values.items()}


def read_rows(file: Path) -> list[tuple[str, int, float]]:
    """Rows of columns series, step, value."""
    rows = []
    for name, step, value in _table(file, ("series", "step", "value")):
        try:
            rows.append((name, int(step), float(value)))
        except ValueError:
            raise DatasetError(
                f"{file}: the row {name},{step},{value} has a step that is no whole number or a "
                "value that is no number."
            ) from None
    return rows


def _number(file: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DatasetError(f"{file}: {text!r} is no number.") from None


def _table(file: Path, columns: Sequence[str]) -> list[list[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
    except FileNotFoundError:
        raise DatasetError(f"There is no {file.name} in {file.parent}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DatasetError(f"{file} cannot be read as CSV ({problem}).") from None
    if not rows or [cell.strip() for cell in rows[0]] != list(columns):
        raise DatasetError(
            f"{file} must begin with the line {','.join(columns)}"
            + (f"; it begins with {','.join(rows[0])[:80]}" if rows else "; it is empty")
            + "."
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns):
            raise DatasetError(f"{file}: row {number} has {len(row)} cells, not {len(columns)}.")
    return rows[1:]
