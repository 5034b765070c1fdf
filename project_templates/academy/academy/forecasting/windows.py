"""Cutting series into what is known and what is to be forecast, without copying."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from academy.forecasting.naive import as_series

Array = npt.NDArray[np.float64]


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
    for name, length in (("context", context), ("horizon", horizon), ("step", step)):
        if length < 1:
            raise ValueError(f"{name} is {length}; it must be at least 1")
    if values.size < context + horizon:
        raise ValueError(
            f"series has {values.size} values; context {context} and horizon {horizon} "
            f"need {context + horizon}"
        )
    whole = np.lib.stride_tricks.sliding_window_view(values, context + horizon)[::step]
    return whole[:, :context], whole[:, context:]


def holdout(
    history: Mapping[str, npt.ArrayLike], horizon: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Splits the last `horizon` values off each series: (what a model may see, what it must not).

    Examples
    --------
    >>> known, held_out = holdout({"a": [1.0, 2.0, 3.0]}, horizon=1)
    >>> known["a"], held_out["a"]
    (array([1., 2.]), array([3.]))
    """
    known: dict[str, Array] = {}
    held_out: dict[str, Array] = {}
    for name, series in history.items():
        values = as_series(series, name)
        if values.size <= horizon:
            raise ValueError(f"{name} has {values.size} values; more than {horizon} needed")
        known[name], held_out[name] = values[:-horizon], values[-horizon:]
    return known, held_out
