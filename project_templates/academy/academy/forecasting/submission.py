"""A forecast of the sealed series: read in any of its forms, checked, and written as it is sent."""

from __future__ import annotations

import csv
import itertools
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.datasets import Dataset, Task
from academy.errors import SubmissionError, install

#: The checker reads no more, and no larger values.
MAX_BYTES = 1_000_000
MAX_MAGNITUDE = 1e9
INDEX = ("series", "step")
COLUMNS = (*INDEX, "value")
QUANTILES = tuple(f"{n / 20:g}" for n in range(1, 20))

#: A series, a step, its value, and then the 19 quantiles or nothing.
Row = tuple[Any, ...]


def rows_of(predictions: Any, task: Task) -> list[Row]:
    """A forecast in any of its forms as rows (series, step, value), with quantiles if it has any.

    A path is a CSV or Parquet file with the columns series, step, value. A dictionary has the
    values of each series over the horizon, first step first. A table with those three columns
    (pandas) or a list of such rows, tuples or dictionaries, is taken as it is.

    Quantiles are 19 more columns, "0.05" to "0.95"; value may then be missing, and is the median.
    Rows have them as dictionaries only. In a dictionary of series each has an array of shape
    (horizon, 19), or such columns by name.
    """
    if isinstance(predictions, str | Path):
        file = Path(predictions).expanduser()
        if not file.is_file():
            raise SubmissionError(f"There is no file {file.absolute()}.")
        if file.stat().st_size > 4 * MAX_BYTES:
            raise SubmissionError(f"{file} has more than {4 * MAX_BYTES:,} bytes.")
        with file.open("rb") as opened:
            parquet = opened.read(4) == b"PAR1"
        return _from_table(_parquet(file)) if parquet else _from_csv(file)
    if isinstance(predictions, Mapping):
        return _from_series(predictions, task)
    if all(hasattr(predictions, name) for name in ("columns", "itertuples")):
        return _from_table(predictions)
    if isinstance(predictions, Iterable):
        return _from_rows(predictions)
    raise SubmissionError(
        f"{predictions!r:.60} is no forecast. Give the path of a CSV or Parquet file, a dictionary "
        "series -> values, a table, or rows (series, step, value)."
    )


def _parquet(file: Path) -> Any:
    try:
        import pandas as pd

        return pd.read_parquet(file)
    except ImportError:
        raise SubmissionError(
            f"{file} is Parquet, which needs the packages pandas and pyarrow. "
            f"{install('%pip install pandas pyarrow')}, or write a CSV file: "
            "table.to_csv(path, index=False)."
        ) from None
    # Arrow raises errors of its own, which are no ValueErrors.
    except Exception as problem:
        raise SubmissionError(f"{file} cannot be read as Parquet ({problem}).") from None


def _from_csv(file: Path) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise SubmissionError(f"{file} cannot be read as CSV ({problem}).") from None
    head = [cell.strip() for cell in rows[0]] if rows else []
    if not set(INDEX) <= set(head):
        raise SubmissionError(
            f"{file} must begin with the line {','.join(COLUMNS)}, and the quantiles if you have "
            f"them; " + (f"it begins with {','.join(head)[:80]}." if rows else "it is empty.")
        )
    places, names = _columns(head, str(file))
    found: list[Row] = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise SubmissionError(f"{file}: row {number} has {len(row)} cells, not {len(head)}.")
        try:
            numbers = tuple(float(row[place]) for place in places)
            found.append(
                _row(row[head.index("series")], int(row[head.index("step")]), numbers, names)
            )
        except ValueError:
            raise SubmissionError(
                f"{file}: the row {','.join(row)[:80]} has a step that is no whole number or a "
                "value that is no number."
            ) from None
    return found


def _columns(head: Sequence[Any], where: str) -> tuple[list[int], list[str]]:
    """Where the numbers stand, and what they are: value, or the quantiles, or both."""
    known = [_quantile_name(name) for name in head]
    if len(set(known)) != len(known):
        raise SubmissionError(f"{where} has a column twice: {', '.join(map(str, head))[:200]}.")
    quantiles = [name for name in QUANTILES if name in known]
    missing = [name for name in QUANTILES if name not in known]
    if quantiles and missing:
        raise SubmissionError(
            f"{where} has {len(quantiles)} of 19 quantiles; {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} missing. They are 0.05, 0.1, … 0.95."
        )
    names = (["value"] if "value" in known else []) + quantiles
    if not names:
        raise SubmissionError(f"{where} has no column value.")
    return [known.index(name) for name in names], names


def _quantile_name(name: object) -> str:
    """A column's name; 0.10, "0.1" and the number 0.1 are the same quantile.

    >>> _quantile_name(0.1), _quantile_name("0.10"), _quantile_name("value")
    ('0.1', '0.1', 'value')
    """
    text = str(name).strip()
    try:
        return f"{round(float(text), 6):g}" if not isinstance(name, bool) else text
    except ValueError:
        return text


def _row(series: str, step: int, numbers: Sequence[float], names: Sequence[str]) -> Row:
    if names[0] == "value":
        return (series, step, *numbers)
    return (series, step, numbers[QUANTILES.index("0.5")], *numbers)


def _from_table(table: Any) -> list[Row]:
    return _from_columns({name: list(table[name]) for name in table.columns})


def _from_columns(table: Mapping[Any, Sequence[Any]]) -> list[Row]:
    head = list(table)
    missing = [name for name in INDEX if name not in head]
    if not any(_quantile_name(name) in ("value", *QUANTILES) for name in head):
        missing.append("value")
    if missing:
        raise SubmissionError(f"The table has no column {', '.join(missing)}.")
    places, names = _columns(head, "The table")
    columns = [table[head[place]] for place in places]
    found = []
    rows = zip(table["series"], table["step"], zip(*columns, strict=True), strict=True)
    for number, (series, step, values) in enumerate(rows, start=1):
        found.append(_row(*_checked(number, series, step, values), names))
    return found


def _from_series(predictions: Mapping[Any, Any], task: Task) -> list[Row]:
    unknown = [str(name) for name in predictions if name not in task.series]
    if unknown:
        raise SubmissionError(
            f"No series is called {', '.join(unknown[:3])}; they are {', '.join(task.series)}."
        )
    rows: list[Row] = []
    for name in task.series:
        if name not in predictions:
            raise SubmissionError(
                f"The forecast of {name} is missing; needed are {', '.join(task.series)}."
            )
        values, names = _values(name, predictions[name], task)
        first = task.first_step[name]
        rows += [
            _row(name, first + lead, [float(each) for each in numbers], names)
            for lead, numbers in enumerate(values)
        ]
    return rows


def _values(name: str, given: Any, task: Task) -> tuple[npt.NDArray[np.float64], list[str]]:
    """What is given for one series, shape (horizon, n), and what its n columns are."""
    horizon, count = task.horizon, len(QUANTILES)
    if isinstance(given, Mapping):
        places, names = _columns(list(given), f"The forecast of {name}")
        keys = list(given)
        columns = [_numbers(name, given[keys[place]]) for place in places]
        for key, column in zip((keys[place] for place in places), columns, strict=True):
            if column.shape != (horizon,):
                raise SubmissionError(
                    f"The forecast of {name} has {key} of shape {column.shape}; expected "
                    f"({horizon},), one value for each month."
                )
        return np.stack(columns, axis=1), names
    values = _numbers(name, given)
    if values.shape == (horizon,):
        return values[:, None], ["value"]
    if values.shape == (horizon, count):
        return values, list(QUANTILES)
    turned = " It looks transposed: months first." if values.shape == (count, horizon) else ""
    raise SubmissionError(
        f"The forecast of {name} has shape {values.shape}; expected ({horizon},), one value for "
        f"each month, or ({horizon}, {count}), its quantiles 0.05, 0.1, … 0.95.{turned}"
    )


def _numbers(name: str, given: Any) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise SubmissionError(f"The forecast of {name} has values that are no numbers.") from None


def _from_rows(predictions: Iterable[Any]) -> list[Row]:
    given = list(predictions)
    if given and all(isinstance(row, Mapping) for row in given):
        names = dict.fromkeys(name for row in given for name in row)
        return _from_columns({name: [row.get(name) for row in given] for name in names})
    rows: list[Row] = []
    for number, row in enumerate(given, start=1):
        if isinstance(row, str | bytes) or not isinstance(row, Sequence) or len(row) != 3:
            raise SubmissionError(f"Row {number} is {row!r}; expected (series, step, value).")
        name, step, value = row
        rows.append(_row(*_checked(number, name, step, (value,)), ["value"]))
    return rows


def _checked(
    number: int, name: Any, step: Any, values: Sequence[Any]
) -> tuple[str, int, tuple[float, ...]]:
    whole = isinstance(step, numbers.Real) and float(step).is_integer()
    if not whole or isinstance(step, bool):
        raise SubmissionError(f"Row {number}: step {step!r} is no whole number.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise SubmissionError(f"Row {number}: value {value!r} is no number.")
    return str(name), int(step), tuple(float(value) for value in values)


def check(rows: Sequence[Row], sample: Sequence[tuple[str, int, float]]) -> list[Row]:
    """The rows in the sample's order, if they are exactly those that are asked for.

    Raises
    ------
    SubmissionError
        Rows are missing, unknown or there twice, a value cannot be scored, or quantiles cross.
    """
    found: dict[tuple[str, int], Row] = {}
    wanted = {(name, step) for name, step, _ in sample}
    for row in rows:
        name, step, *values = row
        if (name, step) in found:
            raise SubmissionError(f"{name}, step {step} is there twice.")
        if (name, step) not in wanted:
            raise SubmissionError(
                f"{name}, step {step} is not asked for. {_asked(name, wanted)} The file "
                "sample_submission.csv of the data shows all rows."
            )
        for value in values:
            if not math.isfinite(value):
                raise SubmissionError(
                    f"The forecast of {name} at step {step} is {value}. Every value must be a "
                    "finite number: look for a division by zero, or a training loss that is nan."
                )
            if abs(value) > MAX_MAGNITUDE:
                raise SubmissionError(
                    f"The forecast of {name} at step {step} is {value:g}: beyond {MAX_MAGNITUDE:g} "
                    "nothing is scored. Did you undo your scaling?"
                )
        _check_order(name, step, values[1:])
        found[name, step] = row
    missing = [(name, step) for name, step, _ in sample if (name, step) not in found]
    if missing:
        name, step = missing[0]
        raise SubmissionError(
            f"{len(missing)} of {len(sample)} rows are missing, the first is {name}, step {step}."
        )
    ordered = [found[name, step] for name, step, _ in sample]
    if len({len(row) for row in ordered}) > 1:
        plain = next(row for row in ordered if len(row) == 3)
        raise SubmissionError(
            f"Some series have quantiles and {plain[0]} has none. Give them for all, or for none."
        )
    return ordered


def _check_order(name: str, step: int, quantiles: Sequence[float]) -> None:
    for at, (low, high) in enumerate(itertools.pairwise(quantiles)):
        if low > high:
            raise SubmissionError(
                f"The quantiles of {name} at step {step} cross: {QUANTILES[at]} is {low:g}, above "
                f"{QUANTILES[at + 1]}, which is {high:g}. np.sort(quantiles, axis=-1) puts them in "
                "order."
            )


def _asked(name: str, wanted: set[tuple[str, int]]) -> str:
    steps = [step for series, step in wanted if series == name]
    if steps:
        return f"Steps of {name} are {min(steps)} to {max(steps)}."
    return f"Series are {', '.join(sorted({series for series, _ in wanted}))}."


def as_csv(rows: Sequence[Row]) -> bytes:
    """The file that is sent: the shortest decimal numbers that keep every value as it is."""
    head = COLUMNS if not rows or len(rows[0]) == len(COLUMNS) else (*COLUMNS, *QUANTILES)
    lines = [",".join(head)]
    lines += [
        f"{name},{step},{','.join(repr(float(value)) for value in values)}"
        for name, step, *values in rows
    ]
    return ("\n".join(lines) + "\n").encode()


def packed(forecast: Any, data: Dataset) -> bytes:
    """The file that is sent.

    Raises
    ------
    SubmissionError
        The forecast is not complete, or cannot be scored.
    """
    content = as_csv(check(rows_of(forecast, data.task), data.sample_submission))
    if len(content) > MAX_BYTES:
        raise SubmissionError(f"The forecast has {len(content):,} bytes; at most {MAX_BYTES:,}.")
    return content
