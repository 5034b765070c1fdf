"""Data that is someone else's, changed for a while and put back: a part of `leakage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.panel_parts import read_only
from academy.forecasting.data.series import Array


@contextmanager
def changed_to(data: Mapping[str, Any], changed: Mapping[str, Array]) -> Iterator[None]:
    """`data` itself has other values for a while, as far as it can be changed (see `fixed`).

    Whole numbers stay whole, and inside what their type holds. What is put back is what was there,
    to the last bit, whatever happens.
    """
    with ExitStack() as stack:
        if isinstance(data, Panel):
            stack.enter_context(_panel(data, changed))
        else:
            for name, values in changed.items():
                stack.enter_context(_one(data[name], values))
        yield


def fixed(data: Mapping[str, Any]) -> list[str]:
    """The names of what cannot be changed: tuples, what a file lends, what is made when asked for.

    >>> fixed({"a": [1.0, 2.0], "b": (1.0, 2.0), "c": np.ones(2)})
    ['b']
    """
    if isinstance(data, Panel):
        return []
    return [
        name
        for name in data
        if not isinstance(data[name], list)
        and (
            (found := _memory(data[name])) is None
            or not np.shares_memory(found, np.asarray(data[name]))
        )
    ]


@contextmanager
def _panel(panel: Panel, changed: Mapping[str, Array]) -> Iterator[None]:
    """In place, so that its cuts and its series change, too; a panel on the disk by another one."""
    if _memory(panel.buffer) is not None:
        with ExitStack() as stack:
            for (first, last), name in zip(panel.bounds, panel.names, strict=True):
                stack.enter_context(_one(panel.buffer[first:last], changed[name]))
            yield
        return
    before = panel.buffer
    buffer = np.array(before)
    for (first, last), name in zip(panel.bounds, panel.names, strict=True):
        buffer[first:last] = changed[name]
    try:
        panel.buffer = read_only(buffer)
        yield
    finally:
        panel.buffer = before


@contextmanager
def _one(own: Any, values: Array) -> Iterator[None]:
    if isinstance(own, list):
        before = own.copy()
        whole = all(isinstance(each, (int, np.integer)) for each in before)
        try:
            own[:] = (np.rint(values).astype(int) if whole else values).tolist()
            yield
        finally:
            own[:] = before
        return
    array = _memory(own)
    if array is None:
        yield
        return
    kept = array.copy()
    try:
        with _open(array):
            array[...] = _as_kind(values, array.dtype)
        yield
    finally:
        with _open(array):
            array[...] = kept


def _memory(own: Any) -> npt.NDArray[Any] | None:
    """The array in which `own` has its numbers, if they may be changed there; None if not."""
    array = np.asarray(own)
    # Two looks at one memory; of a list or a tuple each is a copy.
    if array.ndim != 1 or array.dtype.kind not in "biufO":
        return None
    if not np.shares_memory(array, np.asarray(own)) or 0 in array.strides:
        return None
    root = _root(array)
    # A file's memory is not ours to change, not even for a while.
    if isinstance(root, np.memmap) or not (root.flags.writeable or root.flags.owndata):
        return None
    return array


def _root(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


@contextmanager
def _open(array: npt.NDArray[Any]) -> Iterator[None]:
    """A read-only view may be written to for a moment; so must be all that it is a view of."""
    chain = [array]
    while isinstance(chain[-1].base, np.ndarray):
        chain.append(chain[-1].base)
    closed = [each for each in reversed(chain) if not each.flags.writeable]
    for each in closed:
        each.flags.writeable = True
    try:
        yield
    finally:
        for each in closed:
            each.flags.writeable = False


def _as_kind(values: Array, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """`values` as `dtype` can hold them."""
    if dtype.kind == "b":
        return np.asarray(values > np.median(values))
    if dtype.kind in "iu":
        # What float64 holds of an integer's last digits is enough here.
        limits = np.iinfo(dtype)
        bounded = np.clip(np.rint(values), float(limits.min), float(limits.max))
        if dtype.itemsize == 8:
            bounded = np.clip(bounded, -(2.0**62), 2.0**62)
        return np.asarray(bounded.astype(dtype))
    return np.asarray(values)
