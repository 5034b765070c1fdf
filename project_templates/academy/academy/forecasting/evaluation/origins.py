"""Where a backtest's origins stand, and what was known at each: a part of `backtesting`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, step_label, step_number, stride
from academy.forecasting.evaluation.results import Places


class Known(dict[str, Array]):
    """Series as they are known at an origin, and their season in steps."""

    def __init__(self, series: Mapping[str, Array], season: int) -> None:
        super().__init__(series)
        self.season = season


@dataclass(frozen=True)
class Frame:
    """What came, (series, origins, horizon), what the seasonal naive says, and the MASE's scale.

    `places` says how many values of each series were known at each origin: (series, origins).
    """

    truth: Array
    naive: Array
    scale: Array
    places: Places


@dataclass(frozen=True)
class Moment:
    """A time at which forecasts are made.

    Attributes
    ----------
    when
        In steps, for the distance between two.
    label
        For errors.
    history
        All that was known.
    asked
        Which origins of which series stand here: (place of the series, number of the origin).
    """

    when: int
    label: str
    history: Mapping[str, Array]
    asked: tuple[tuple[int, int], ...]


def frame(series: Mapping[str, Array], horizon: int, origins: int, step: int, season: int) -> Frame:
    """Of all series; the last origin is `horizon` steps before the end of each.

    Raises
    ------
    SeriesError
        A series is too short for the first origin, or repeats exactly until there.
    """
    back = horizon + step * np.arange(origins - 1, -1, -1)
    truth = np.empty((len(series), origins, horizon))
    naive, scale = np.empty_like(truth), np.empty((len(series), origins))
    places = np.empty((len(series), origins), dtype=np.int64)
    ahead = np.arange(horizon)
    for number, (name, values) in enumerate(series.items()):
        known = values.size - back
        if known[0] <= season:
            fits = (values.size - season - 1 - horizon) // step + 1
            advice = f"at most {fits} origins fit" if fits > 0 else "leave it out"
            raise SeriesError(
                f"{name} has {values.size} values: {origins} origins, {step} apart, and a horizon "
                f"of {horizon} leave {max(0, int(known[0]))} before the first, where more than one "
                f"season ({season}) must be known; {advice}."
            )
        change = np.abs(values[season:] - values[:-season])
        sums = np.cumsum(change)[known - season - 1]
        if sums[0] == 0:
            raise SeriesError(
                f"{name} repeats exactly from season to season ({season}) in its first {known[0]} "
                "values: there is nothing to scale errors by; leave it out."
            )
        places[number] = known
        truth[number] = values[known[:, None] + ahead]
        naive[number] = values[known[:, None] - season + ahead % season]
        scale[number] = sums / (known - season)
    return Frame(truth, naive, scale, places)


def ends_that_differ(panel: Mapping[str, Any]) -> list[int]:
    """The numbers of the series' last steps, if it is a panel with dates that end differently."""
    if not isinstance(panel, Panel) or panel.frequency is None:
        return []
    width, lasts = stride(panel.frequency), []
    for name, length in zip(panel.names, panel.lengths, strict=True):
        start = panel.start(name)
        if start is None:
            return []
        lasts.append(step_number(start, panel.frequency) + width * (int(length) - 1))
    return lasts if len(set(lasts)) > 1 else []


def moments(
    panel: Mapping[str, npt.ArrayLike],
    series: Mapping[str, Array],
    places: Places,
    season: int,
) -> tuple[int, Iterator[Moment]]:
    """When forecasts are made: how many moments, and they, in the order of time.

    Of series that end together, or have no dates, origin by origin. Of a panel whose series end at
    different dates, date by date: a series that goes on to 2012 must not tell in 1997 what it will
    be in 2008, however many steps from its own end that is. `history` then has an attribute
    `wanted`, the names of the series whose forecasts count at this date.
    """
    if isinstance(panel, Panel) and (lasts := ends_that_differ(panel)):
        found = list(_by_date(panel, places, lasts, season))
        return len(found), iter(found)
    return places.shape[1], _by_origin(panel, series, places, season)


def in_season(cut: Panel, season: int) -> Panel:
    """A cut, which is no one else's, with the season that is tested with: forecasters ask for it.

    >>> in_season(Panel.of({"a": [1.0, 2.0, 3.0]}).until(1), 4).season
    4
    """
    cut.season = season
    return cut


def _by_origin(
    panel: Mapping[str, npt.ArrayLike],
    series: Mapping[str, Array],
    places: Places,
    season: int,
) -> Iterator[Moment]:
    last = next(iter(series.values())).size
    for number in range(places.shape[1]):
        back = last - int(places[0, number])
        history: Mapping[str, Array]
        if isinstance(panel, Panel):
            history = in_season(panel.until(back), season)
        else:
            history = Known({}, season)
            for at, (name, values) in enumerate(series.items()):
                # A copy: from a view its `base` would lead on to what came later.
                history[name] = values[: places[at, number]].copy()
                history[name].flags.writeable = False
        asked = tuple((at, number) for at in range(len(series)))
        yield Moment(-back, f"origin {number}", history, asked)


def _by_date(panel: Panel, places: Places, lasts: list[int], season: int) -> Iterator[Moment]:
    frequency = panel.frequency
    if frequency is None:
        return
    width = stride(frequency)
    # The number of the last known step, (series, origins).
    dates = np.array(lasts)[:, None] - width * (panel.lengths[:, None] - places)
    asked: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (at, number), date in np.ndenumerate(dates):
        asked[int(date)].append((at, number))
    for date, pairs in sorted(asked.items()):
        label = step_label(date, frequency)
        history = in_season(panel.between(last=label), season)
        # Who forecasts series by series need not do so for the others.
        history.wanted = tuple(panel.names[at] for at, _ in pairs)  # type: ignore[attr-defined]
        yield Moment(date // width, f"known until {label}", history, tuple(pairs))
