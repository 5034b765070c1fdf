"""Several series that belong together: names, values, times, and where each comes from.

All values of a panel lie one after the other in one array. A series, a panel without its last year
and a panel of some of the series are views into it; in a panel that was opened from a folder the
array stays on disk (`numpy.memmap`) and only what is looked at is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data import panel_files
from academy.forecasting.data.panel_parts import (
    ROWS_SHOWN,
    About,
    MissingSeries,
    abouts_of,
    as_html,
    as_text,
    bounds_of,
    missing_series,
    read_only,
    season_of,
    starts_of,
)
from academy.forecasting.data.series import (
    Array,
    Frequency,
    SeriesError,
    as_frequency,
    as_series,
    shown,
    step_label,
    step_number,
    stride,
    times,
)
from academy.tables import untypeset

__all__ = ["About", "MissingSeries", "Panel"]

#: float64, or float32 where a folder holds it so.
Flat = npt.NDArray[np.floating[Any]]


class Panel(Mapping[str, Array]):
    """Series by name, each without a gap, at equal steps; they need not be equally long.

    ``panel["ocean"]`` is a series: float64, shape (n,), read-only, oldest first. A panel never
    holds a missing value: what has gaps is split or refused when it is read
    (`academy.forecasting.data.reading`), and never filled in.

    Make one from a dictionary with `Panel.of`, from a folder with `Panel.open`, from a file of your
    own with `academy.forecasting.data.reading.read_csv` or ``read_grid``.

    Examples
    --------
    >>> panel = Panel.of({"a": [1, 2, 3], "b": [5, 6]}, frequency="month", starts="1999-11")
    >>> panel["a"]
    array([1., 2., 3.])
    >>> panel.times("a")
    ['1999-11', '1999-12', '2000-01']
    >>> panel.season
    12
    >>> dict(panel.until(1))
    {'a': array([1., 2.]), 'b': array([5.])}
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        buffer: Flat,
        bounds: npt.NDArray[np.int64],
        names: Sequence[str],
        starts: Sequence[str | None],
        about: Sequence[About],
        frequency: Frequency | None,
        season: int,
    ) -> None:
        """For this package: nothing is checked. `Panel.of` is what notebooks call."""
        #: Where the values lie: one array of one dimension, shared by every view of the panel.
        self.buffer = read_only(buffer)
        #: Shape (k, 2): series i is ``buffer[bounds[i, 0] : bounds[i, 1]]``.
        self.bounds = read_only(bounds)
        self.names = tuple(names)
        self.frequency = frequency
        #: Steps after which the pattern comes again: 12 for months.
        self.season = season
        self._starts = tuple(starts)
        self._about = tuple(about)
        self._place = {name: place for place, name in enumerate(self.names)}

    @classmethod
    def of(
        cls,
        series: Mapping[str, npt.ArrayLike],
        *,
        frequency: str | None = None,
        starts: str | Mapping[str, str] | None = None,
        about: About | Mapping[str, About] | None = None,
        season: int | None = None,
    ) -> Panel:
        """A panel from any mapping; a panel comes back as it is.

        Parameters
        ----------
        series
            Values by name, each of shape (n,), finite.
        frequency
            ``month``, ``year``, ``week``, ``day``, or None if the steps have no dates.
        starts
            The label of each series' first step, or one for all: ``YYYY-MM`` for months, ``YYYY``
            for years, ``YYYY-MM-DD`` for weeks and days.
        about
            What each series is, or one for all.
        season
            Steps after which the pattern comes again; by default what `frequency` says
            (12, 1, 52, 7; 1 without).

        Raises
        ------
        SeriesError
            No series, a series that `as_series` refuses, a label that is no step of the frequency.
        """
        if isinstance(series, Panel):
            return series
        if not series:
            raise SeriesError("There are no series: a panel needs at least one.")
        arrays = {panel_files.checked_name(name): as_series(v, name) for name, v in series.items()}
        known = as_frequency(frequency)
        lengths = [values.size for values in arrays.values()]
        return cls(
            np.concatenate(list(arrays.values())),
            bounds_of(lengths),
            list(arrays),
            starts_of(list(arrays), lengths, starts, known),
            abouts_of(list(arrays), about),
            known,
            season_of(season, known),
        )

    # --- a mapping -------------------------------------------------------------------------------
    def __getitem__(self, name: str) -> Array:
        first, last = self.bounds[self._at(name)]
        # float32 on disk is widened here: sums over a series should not lose digits.
        return read_only(np.asarray(self.buffer[first:last], dtype=np.float64))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Panel):
            return NotImplemented
        return (
            (self.names, self._starts, self._about, self.frequency, self.season)
            == (other.names, other._starts, other._about, other.frequency, other.season)
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.flat, other.flat)
        )

    # --- what is known of a series ---------------------------------------------------------------
    def start(self, name: str) -> str | None:
        """The label of the first step of `name`; None if it is not known."""
        return self._starts[self._at(name)]

    def times(self, name: str) -> list[str]:
        """The label of each step of `name`; without dates the steps' numbers: 0, 1, 2, …"""
        place = self._at(name)
        start, count = self._starts[place], int(self.lengths[place])
        if start is None or self.frequency is None:
            return [str(step) for step in range(count)]
        return times(start, count, self.frequency)

    def about(self, name: str) -> About:
        """Unit, source, licence and title of `name`."""
        return self._about[self._at(name)]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Steps of each series, shape (k,)."""
        return np.asarray(self.bounds[:, 1] - self.bounds[:, 0], dtype=np.int64)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each series begins in `flat`, and at last where the last one ends: shape (k+1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    @property
    def flat(self) -> Flat:
        """All values one after the other, shape (sum of lengths,); no copy unless this is a cut.

        Series i is ``flat[offsets[i] : offsets[i + 1]]``. Of a cut (`until`, `between`, `select`)
        this is a copy, so that it never holds what was cut away; `buffer` and `bounds` are the
        view without a copy.
        """
        whole = self.offsets
        if np.array_equal(self.bounds[:, 0] - self.bounds[0, 0], whole[:-1]):
            return self.buffer[self.bounds[0, 0] : self.bounds[-1, 1]]
        return read_only(np.concatenate([self.buffer[a:b] for a, b in self.bounds]))

    # --- cuts: views, no copies ------------------------------------------------------------------
    def until(self, steps_back: int) -> Panel:
        """All series without their last `steps_back` values: what was known that long ago.

        Raises
        ------
        SeriesError
            `steps_back` is negative, or nothing is left of a series.
        """
        if steps_back < 0:
            raise SeriesError(f"steps_back is {steps_back}; it must not be negative.")
        short = np.flatnonzero(self.lengths <= steps_back)
        if short.size:
            name, count = self.names[short[0]], self.lengths[short[0]]
            raise SeriesError(
                f"Nothing is left of {name} {steps_back} steps back: it has {count} values. "
                f"Leave it out: panel.select(lambda name: len(panel[name]) > {steps_back})."
            )
        return self._cut(self.bounds - np.array([0, steps_back]), self._starts)

    def select(self, names: str | Iterable[str] | Callable[[str], bool]) -> Panel:
        """Some of the series: one name, names in the order given, or a function that says which.

        Raises
        ------
        SeriesError
            A name that is not there (or twice), or no series is left.

        Examples
        --------
        >>> panel = Panel.of({"a": [1.0], "b": [2.0]})
        >>> list(panel.select(lambda name: name > "a"))
        ['b']
        """
        if callable(names):
            chosen = [name for name in self.names if names(name)]
        else:
            chosen = [names] if isinstance(names, str) else list(names)
        if not chosen:
            raise SeriesError("No series is left; a panel needs at least one.")
        if len(set(chosen)) < len(chosen):
            twice = next(name for name in chosen if chosen.count(name) > 1)
            raise SeriesError(f"{shown(twice)} is chosen twice.")
        places = [self._at(name) for name in chosen]
        return Panel(
            self.buffer,
            self.bounds[places],
            chosen,
            [self._starts[place] for place in places],
            [self._about[place] for place in places],
            self.frequency,
            self.season,
        )

    def between(self, first: str | None = None, last: str | None = None) -> Panel:
        """The steps from `first` to `last`, both included; series with none of them are left out.

        Parameters
        ----------
        first, last
            Labels such as ``start`` gives; None: no limit on that side.

        Raises
        ------
        SeriesError
            The steps have no dates, a label is wrong, or no series has a step in between.

        Examples
        --------
        >>> panel = Panel.of({"a": [1, 2, 3]}, frequency="year", starts="1999")
        >>> panel.between("2000")["a"]
        array([2., 3.])
        """
        if self.frequency is None or None in self._starts:
            raise SeriesError("These series have no dates: say frequency and starts (Panel.of).")
        low = None if first is None else step_number(first, self.frequency)
        high = None if last is None else step_number(last, self.frequency)
        if low is not None and high is not None and low > high:
            raise SeriesError(f"The first step, {first}, comes after the last one, {last}.")
        width, rows = stride(self.frequency), []
        for place, (begin, end) in enumerate(self.bounds):
            start = step_number(str(self._starts[place]), self.frequency)
            # Whole steps only: a week counts if its first day lies in between.
            skipped = 0 if low is None else max(0, -(-(low - start) // width))
            kept = end - begin if high is None else min(end - begin, (high - start) // width + 1)
            if skipped < kept:
                label = step_label(start + width * skipped, self.frequency)
                rows.append((place, begin + skipped, begin + kept, label))
        if not rows:
            raise SeriesError(
                f"No series has a step from {first or 'the beginning'} to {last or 'the end'}; "
                f"they reach from {self._reach()}."
            )
        kept_panel = self.select([self.names[row[0]] for row in rows])
        return kept_panel._cut(
            np.array([row[1:3] for row in rows], dtype=np.int64), [row[3] for row in rows]
        )

    def _cut(self, bounds: npt.NDArray[np.int64], starts: Sequence[str | None]) -> Panel:
        return Panel(
            self.buffer, bounds, self.names, starts, self._about, self.frequency, self.season
        )

    # --- to disk and back ------------------------------------------------------------------------
    def save(self, folder: str | Path, dtype: panel_files.Width | None = None) -> None:
        """Writes ``values.npy`` and ``panel.json`` into `folder`, which is made if need be.

        Parameters
        ----------
        dtype
            float64, or float32 for half the size and seven digits; by default as it is.
        """
        panel_files.write(Path(folder), self._description(), self.flat, dtype)

    @classmethod
    def open(cls, folder: str | Path) -> Panel:
        """The panel that `save` wrote; its values stay on disk until they are looked at.

        Nothing of the files is run: ``values.npy`` may hold plain numbers only (no pickle), and
        the two must agree.

        Raises
        ------
        SeriesError
            There is no panel, or the files are broken, too large or do not agree.
        """
        values, found = panel_files.read(Path(folder))
        frequency = as_frequency(found.frequency)
        starts = starts_of(
            found.names,
            found.lengths,
            {n: s for n, s in zip(found.names, found.starts, strict=True) if s is not None},
            frequency,
            partly=True,
        )
        about = [About(**found.about[number]) for number in found.about_of]
        season = season_of(found.season, frequency)
        return cls(values, bounds_of(found.lengths), found.names, starts, about, frequency, season)

    def files(self, dtype: panel_files.Width | None = None) -> dict[str, bytes]:
        """What `save` would write, as bytes by file name."""
        return panel_files.as_bytes(self._description(), self.flat, dtype)

    def _description(self) -> panel_files.Description:
        kinds = list(dict.fromkeys(self._about))
        number = {about: place for place, about in enumerate(kinds)}
        return panel_files.Description(
            frequency=self.frequency,
            season=self.season,
            names=list(self.names),
            lengths=[int(length) for length in self.lengths],
            starts=list(self._starts),
            about_of=[number[about] for about in self._about],
            about=[vars(about) for about in kinds],
        )

    # --- shown -----------------------------------------------------------------------------------
    def _at(self, name: str) -> int:
        try:
            return self._place[name]
        except (KeyError, TypeError):
            raise missing_series(name, self.names) from None

    def _span(self, place: int) -> tuple[str, str]:
        start, count = self._starts[place], int(self.lengths[place])
        if start is None or self.frequency is None:
            return "0", str(count - 1)
        last = step_number(start, self.frequency) + stride(self.frequency) * (count - 1)
        return start, step_label(last, self.frequency)

    def _reach(self) -> str:
        spans = [self._span(place) for place in range(len(self))]
        return f"{min(first for first, _ in spans)} to {max(last for _, last in spans)}"

    def _shown(self) -> tuple[str, list[tuple[str, str, str, str]]]:
        by = f", one value a {self.frequency}" if self.frequency else ""
        total = "" if len(self) == 1 else " in all"
        rows = [
            (name, str(self.lengths[place]), " to ".join(self._span(place)), about.unit)
            for place, (name, about) in enumerate(zip(self.names, self._about, strict=True))
            if place < ROWS_SHOWN
        ]
        return f"{len(self)} series{by}, {int(self.lengths.sum())} values{total}", rows

    def __repr__(self) -> str:
        return as_text(*self._shown(), left_out=len(self) - ROWS_SHOWN)

    @untypeset
    def _repr_html_(self) -> str:
        return as_html(*self._shown(), left_out=len(self) - ROWS_SHOWN)
