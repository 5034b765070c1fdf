"""Cutting series into what is known and what is to be forecast, without copying."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Flat, Panel
from academy.forecasting.data.series import Array, SeriesError, as_series


def windows(
    series: npt.ArrayLike, context: int, horizon: int, step: int = 1
) -> tuple[Array, Array]:
    """Every (past, future) pair that fits into `series`.

    Parameters
    ----------
    series
        Shape (n,).
    context, horizon
        Lengths of past and future; context + horizon <= n.
    step
        Distance between the starts of two windows.

    Returns
    -------
    past, future
        Shapes (count, context) and (count, horizon): read-only views on `series`, so a thousand
        windows cost no memory. count = (n - context - horizon) // step + 1.

    Raises
    ------
    SeriesError
        A length is not positive, or the series is too short for one window.

    Examples
    --------
    >>> past, future = windows([1.0, 2.0, 3.0, 4.0, 5.0], context=3, horizon=1)
    >>> past
    array([[1., 2., 3.],
           [2., 3., 4.]])
    >>> future
    array([[4.],
           [5.]])
    """
    values = as_series(series)
    _positive(context=context, horizon=horizon, step=step)
    if values.size < context + horizon:
        raise SeriesError(
            f"series has {values.size} values; context {context} and horizon {horizon} "
            f"need {context + horizon}"
        )
    whole = np.lib.stride_tricks.sliding_window_view(values, context + horizon)[::step]
    return whole[:, :context], whole[:, context:]


class Window(NamedTuple):
    """A past, what followed it, whose it is, and how many steps of the series came before it."""

    past: Flat
    future: Flat
    name: str
    position: int


class Windows(Sequence[Window]):
    """All windows of all series of a panel: a sequence that holds none of them.

    A window is made when it is asked for, as two views into the panel's buffer; if the panel was
    opened from a folder, that buffer is on disk and only the window's values are read. Ten million
    windows cost as much memory as ten. Series may be of any length; those that are too short for
    one window are listed in `left_out`.

    It is a map-style dataset as PyTorch's ``DataLoader`` takes them (`collate` makes its batches),
    and `gather` gives many windows at once as arrays, which is faster.

    Parameters
    ----------
    panel
        A `Panel`, or series by name.
    context, horizon
        Lengths of past and future, in steps.
    step
        Distance between the starts of two windows of a series; the last window of each series ends
        with the series, so that the newest values are never left out.

    Attributes
    ----------
    left_out : dict
        Lengths, by name, of the series that have no window.

    Raises
    ------
    SeriesError
        A length is not positive, or no series is long enough.

    Examples
    --------
    >>> found = Windows({"a": [1, 2, 3, 4], "b": [5, 6]}, context=2, horizon=1)
    >>> len(found), found.left_out
    (2, {'b': 2})
    >>> found[0]
    Window(past=array([1., 2.]), future=array([3.]), name='a', position=0)
    >>> past, future = found.gather([1, 0])
    >>> past
    array([[2., 3.],
           [1., 2.]])
    """

    def __init__(
        self, panel: Mapping[str, npt.ArrayLike], context: int, horizon: int, step: int = 1
    ) -> None:
        _positive(context=context, horizon=horizon, step=step)
        self.panel = Panel.of(panel)
        self.context, self.horizon, self.step = context, horizon, step
        room = self.panel.lengths - (context + horizon)
        counts = np.where(room >= 0, room // step + 1, 0)
        #: Windows of the series before each, shape (k + 1,): all that is kept of them.
        self._before = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # The first window begins where the last one ends with the series.
        self._first = np.where(room >= 0, room % step, 0).astype(np.int64)
        self.left_out: dict[str, int] = {
            self.panel.names[place]: int(self.panel.lengths[place])
            for place in np.flatnonzero(counts == 0)
        }
        if not len(self):
            name, length = max(self.left_out.items(), key=operator.itemgetter(1))
            raise SeriesError(
                f"No series is long enough: context {context} and horizon {horizon} need "
                f"{context + horizon} values, and the longest, {name}, has {length}."
            )

    def __len__(self) -> int:
        return int(self._before[-1])

    @overload
    def __getitem__(self, index: int) -> Window: ...

    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...

    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"window {number} of {len(self)}")
        places, positions = self._found(np.array([number]))
        place, position = int(places[0]), int(positions[0])
        start = int(self.panel.bounds[place, 0]) + position
        middle, buffer = start + self.context, self.panel.buffer
        return Window(
            buffer[start:middle],
            buffer[middle : middle + self.horizon],
            self.panel.names[place],
            position,
        )

    def __iter__(self) -> Iterator[Window]:
        return (self[number] for number in range(len(self)))

    def gather(self, indices: npt.ArrayLike) -> tuple[Flat, Flat]:
        """Many windows at once: past (b, context) and future (b, horizon), copied.

        Raises
        ------
        IndexError
            There is no such window.
        """
        numbers = np.asarray(indices)
        if numbers.dtype.kind not in "iu" and numbers.size:
            raise IndexError(f"windows are counted in whole numbers, not in {numbers.dtype}")
        wrong = numbers[(numbers < -len(self)) | (numbers >= len(self))]
        if wrong.size:
            raise IndexError(f"window {wrong.flat[0]} of {len(self)}")
        places, positions = self._found(numbers.astype(np.int64).ravel())
        starts = self.panel.bounds[places, 0] + positions
        values = self.panel.buffer[starts[:, None] + np.arange(self.context + self.horizon)]
        # Plain arrays, also of a memory map: the values are in memory now, and may be changed.
        whole = np.asarray(values)
        return whole[:, : self.context], whole[:, self.context :]

    def where(self, indices: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Of each window the series' place in `panel.names`, and its first step in the series."""
        return self._found(np.atleast_1d(np.asarray(indices, dtype=np.int64)))

    def _found(
        self, numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        places = np.searchsorted(self._before, numbers, side="right") - 1
        positions = self._first[places] + (numbers - self._before[places]) * self.step
        return places, positions

    def __repr__(self) -> str:
        return (
            f"Windows: {len(self)} of {len(self.panel) - len(self.left_out)} series, "
            f"{self.context} steps and the {self.horizon} after them"
        )


def collate(samples: Sequence[Window]) -> dict[str, Any]:
    """A batch of windows for PyTorch: ``DataLoader(windows, collate_fn=collate)``.

    Returns
    -------
    ``past`` and ``future``, tensors (b, context) and (b, horizon); ``name``, a list; ``position``,
    a tensor (b,).
    """
    import torch

    return {
        # Stacking copies: PyTorch warns of tensors over read-only arrays.
        "past": torch.from_numpy(np.stack([each.past for each in samples])),
        "future": torch.from_numpy(np.stack([each.future for each in samples])),
        "name": [each.name for each in samples],
        "position": torch.tensor([each.position for each in samples]),
    }


def holdout(
    history: Mapping[str, npt.ArrayLike], horizon: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Splits the last `horizon` values off each series: (what a model may see, what it must not).

    Raises
    ------
    SeriesError
        The horizon is not positive, or nothing would be left of a series.

    Examples
    --------
    >>> known, held_out = holdout({"a": [1.0, 2.0, 3.0]}, horizon=1)
    >>> known["a"], held_out["a"]
    (array([1., 2.]), array([3.]))
    """
    _positive(horizon=horizon)
    known: dict[str, Array] = {}
    held_out: dict[str, Array] = {}
    for name, series in history.items():
        values = as_series(series, name)
        if values.size <= horizon:
            raise SeriesError(f"{name} has {values.size} values; more than {horizon} needed")
        known[name], held_out[name] = values[:-horizon], values[-horizon:]
    return known, held_out


def _positive(**lengths: int) -> None:
    for name, length in lengths.items():
        if length < 1:
            raise SeriesError(f"{name} is {length}; it must be at least 1")
