"""What a panel is made of beside its values: checked labels and descriptions; how it is shown."""

from __future__ import annotations

import difflib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from academy.forecasting.data import panel_files
from academy.forecasting.data.series import (
    SEASONS,
    Frequency,
    SeriesError,
    shown,
    step_label,
    step_number,
    stride,
)

ROWS_SHOWN = 12
_HEADER = ("series", "steps", "from - to", "unit")
_Some = TypeVar("_Some", bound=npt.NDArray[Any])


@dataclass(frozen=True)
class About:
    """What a series is: its unit, who made it, and what one may do with it."""

    unit: str = ""
    source: str = ""
    licence: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        for name, text in vars(self).items():
            if not isinstance(text, str) or len(text) > panel_files.MOST_TEXT:
                raise SeriesError(
                    f"About's {name} is {shown(text)}; it must be text of at most "
                    f"{panel_files.MOST_TEXT} characters."
                )


class MissingSeries(SeriesError, KeyError):
    """The panel has no series of that name. A KeyError, too, as a mapping's must be."""

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


def missing_series(name: object, names: Sequence[str]) -> MissingSeries:
    """What to raise when `name` is none of `names`; those near it are named."""
    near = difflib.get_close_matches(str(name), names[:5000], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there is {_some(names)}."
    return MissingSeries(f"There is no series {shown(name)}; {hint}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def read_only(array: _Some) -> _Some:
    view = array.view()
    view.flags.writeable = False
    return view


def bounds_of(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
    return np.column_stack([ends - lengths, ends])


def season_of(season: int | None, frequency: Frequency | None) -> int:
    if season is None:
        return SEASONS[frequency] if frequency else 1
    if isinstance(season, bool) or season != int(season) or season < 1:
        raise SeriesError(f"season is {shown(season)}; it must be a whole number, 1 or more.")
    return int(season)


def starts_of(
    names: Sequence[str],
    lengths: Sequence[int],
    starts: str | Mapping[str, str] | None,
    frequency: Frequency | None,
    *,
    partly: bool = False,
) -> list[str | None]:
    if starts is None:
        return [None] * len(names)
    given = dict.fromkeys(names, starts) if isinstance(starts, str) else dict(starts)
    if not given:
        return [None] * len(names)
    if frequency is None:
        raise SeriesError("starts without a frequency: say frequency='month', for example.")
    unknown = [name for name in given if name not in set(names)]
    if unknown:
        raise missing_series(unknown[0], names)
    found: list[str | None] = []
    for name, length in zip(names, lengths, strict=True):
        if name not in given:
            if not partly:
                raise SeriesError(f"starts says nothing of {name}.")
            found.append(None)
            continue
        try:
            first = step_number(given[name], frequency)
            step_label(first + stride(frequency) * (length - 1), frequency)
        except SeriesError as problem:
            raise SeriesError(f"The start of {name}: {problem}") from None
        found.append(given[name])
    return found


def abouts_of(names: Sequence[str], about: About | Mapping[str, About] | None) -> list[About]:
    if isinstance(about, About):
        return [about] * len(names)
    given = dict(about or {})
    unknown = [name for name in given if name not in set(names)]
    if unknown:
        raise missing_series(unknown[0], names)
    return [given.get(name, About(title=name)) for name in names]


def as_text(headline: str, rows: Sequence[Sequence[str]], left_out: int) -> str:
    """A table in plain text: what ``print(panel)`` shows."""
    table = [_HEADER, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEADER))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join([headline, *lines, *_more(left_out)])


def as_html(headline: str, rows: Sequence[Sequence[str]], left_out: int) -> str:
    """The same for a notebook; names are a stranger's text and are escaped."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in _HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    more = "".join(f"<p>{line}</p>" for line in _more(left_out))
    return f"<p>{html.escape(headline)}</p><table><tr>{head}</tr>{body}</table>{more}"


def _more(left_out: int) -> list[str]:
    return [f"… and {left_out} more"] if left_out > 0 else []
