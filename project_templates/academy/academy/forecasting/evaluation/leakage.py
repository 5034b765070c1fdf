"""Leakage guards: whether something that should know only the past has seen the future.

The future is changed, and what stands in the past must stay as it was: `check_transform` asks that
of a scaler, a feature or a decomposition, `check_pipeline` of all that was prepared from the data,
`check_forecaster` of a forecaster. `check_split` looks for what is held out in what is trained on.

A guard that finds nothing has not proved that there is nothing: it looks at some places, with some
changes. What it does find is real.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import Array, SeriesError, as_series
from academy.forecasting.evaluation.backtesting import Forecaster, Known, Model, is_model
from academy.forecasting.evaluation.leak_report import LeakError, LeakReport
from academy.forecasting.evaluation.sources import changed_to, fixed
from academy.forecasting.evaluation.splits import check_split

__all__ = [
    "LeakError",
    "LeakReport",
    "check_forecaster",
    "check_pipeline",
    "check_split",
    "check_transform",
]

#: A change smaller than this share of the output's size is rounding.
TOLERANCE = 1e-6
#: How many times its own spread the future is moved by.
_SHIFTS = (7.0, -7.0)
_SEED = 20


def check_transform(
    transform: Callable[[Array], Any],
    series: npt.ArrayLike,
    *,
    places: int = 24,
    name: str = "",
) -> LeakReport:
    """Whether a scaler, a feature or a decomposition uses values that come later.

    From some step on the series is changed. All that `transform` gives for earlier steps must stay
    the same. A mean over all values, a centred moving average, `interpolate()` and a lag with the
    wrong sign do not pass.

    Parameters
    ----------
    transform
        Takes (n,) and gives (n,) or (n, features), a row a step; or a tuple of such arrays. It must
        give the same for the same input.
    series
        Shape (n,), real or made up. Values may be missing (NaN): what fills gaps is looked at just
        there.
    places
        How many steps are tried; all of them if the series has no more.

    Raises
    ------
    SeriesError
        The series has fewer than 3 values, or `transform` gives another number of rows, or another
        result every time.

    Examples
    --------
    >>> series = np.arange(50.0) % 7
    >>> check_transform(lambda x: (x - x.mean()) / x.std(), series, name="standardise")
    LEAK: standardise. Step 0 knows the value of step 49, 49 steps later.
    >>> check_transform(lambda x: np.diff(x, prepend=0.0), series, name="difference")
    No leak found: difference. 24 places were tried.
    """
    what = name or _name_of(transform)
    values = as_series(series, "series", least=3, missing=True)
    out = _rows(transform, values, what)
    if not _same(out, _rows(transform, values, what)).all():
        raise SeriesError(f"{what} gives another result every time: fix its seed first")
    draw = np.random.default_rng(_SEED)
    cuts = _cuts(values, places, draw)
    seen: list[tuple[int, int]] = []
    for cut in cuts:
        changed = _changed_rows(transform, values, out, cut, what, draw)
        changed = changed[changed < cut]
        if changed.size:
            seen.append((int(changed[0]), cut))
    if not seen:
        return LeakReport(what, False, f"{len(cuts)} places were tried.", places=len(cuts))
    step, least = min(seen)
    furthest = _furthest(transform, values, out, step, least, what, draw)
    return LeakReport(
        what,
        True,
        f"Step {step} knows the value of step {furthest}, {_count(furthest - step, 'step')} later.",
        step=step,
        ahead=furthest - step,
        places=len(cuts),
    )


def check_pipeline(
    build: Callable[[Mapping[str, Array]], Forecaster],
    data: Mapping[str, npt.ArrayLike],
    horizon: int,
    *,
    origins: int = 60,
    places: int = 4,
    name: str = "",
) -> LeakReport:
    """Whether what was prepared from the data carries the future into the forecasts.

    `build` gets all data and gives a forecaster, as a notebook does that scales first and splits
    later. What comes after an origin is changed; the forecast from that origin must stay the same.

    Parameters
    ----------
    build
        Takes series by name, gives a `Forecaster`. It may learn from what lies before the first of
        the `origins`, and must give the same for the same input.
    data
        Series by name: a `Panel` or a dict.
    horizon
        Steps that are forecast.
    origins
        How many origins the backtest would have; `places` of them are tried.

    Examples
    --------
    >>> def build(data):
    ...     mean = {name: series.mean() for name, series in data.items()}  # of all there is
    ...     return lambda history, horizon: {n: np.full(horizon, mean[n]) for n in history}
    >>> check_pipeline(build, {"a": np.arange(60.0) % 5}, horizon=2, origins=20, name="mine").leaks
    True
    """
    what = name or _name_of(build)
    series = _series(data)
    draw = np.random.default_rng(_SEED)
    whole = build(_like(data, series))
    tried = 0
    for back in _backs(series, horizon, origins, places):
        known = _known(data, series, back)
        said = _said(whole, known, horizon, what)
        _must_repeat(said, _said(whole, known, horizon, what), what)
        for shift in _SHIFTS:
            changed = {n: _disturbed(v, v.size - back, shift, draw) for n, v in series.items()}
            other = _said(build(_like(data, changed)), known, horizon, what)
            if found := _first_difference(said, other, series, back, what):
                return found
        tried += 1
    return LeakReport(what, False, f"{tried} origins were tried.", places=tried)


def check_forecaster(
    forecaster: Forecaster | Model,
    data: Mapping[str, npt.ArrayLike],
    horizon: int,
    *,
    origins: int = 60,
    places: int = 4,
    name: str = "",
) -> LeakReport:
    """Whether a forecaster knows more than the history it is given.

    What lies in memory behind the history is changed; so is `data` itself, a panel, arrays or
    lists, and put back whatever happens: a forecaster that looks into the notebook's own data sees
    that. Of what cannot be changed, such as a tuple, the report says "not looked at". Its forecasts
    are held beside what came: who gives just that, and gives it still when its history is another
    one, has it from a copy. Then it is asked again after it was asked about a later origin: what it
    kept from there must not matter. A model is fitted anew each time; a `fit` that goes on from an
    earlier one, on later values, does not pass.

    What was computed from all data *before* the forecaster was made cannot be seen from outside:
    give `check_pipeline` the function that does it.

    Parameters
    ----------
    forecaster
        A `Forecaster`, or an object with `fit` and `predict`. It must give the same for the same
        input.
    data, horizon, origins, places
        As for `check_pipeline`.

    Examples
    --------
    >>> data = {"a": np.arange(60.0) % 5}
    >>> peek = lambda history, horizon: {"a": data["a"][len(history["a"]):][:horizon]}
    >>> check_forecaster(peek, data, horizon=2, origins=20, name="mine").step
    38
    """
    what = name or _name_of(forecaster)
    series = {each: values.copy() for each, values in _series(data).items()}
    draw = np.random.default_rng(_SEED)
    ask = _asked(forecaster)
    backs = _backs(series, horizon, origins, places)
    shown: dict[int, dict[str, Array]] = {}
    for back in backs:
        known = _known(data, series, back)
        said = shown[back] = _said(ask, known, horizon, what)
        _must_repeat(said, _said(ask, known, horizon, what), what)
        for shift in _SHIFTS:
            changed = {n: _disturbed(v, v.size - back, shift, draw) for n, v in series.items()}
            with changed_to(data, changed):
                other = _said(ask, _known(data, changed, back), horizon, what)
            if found := _first_difference(said, other, series, back, what):
                return found
    if found := _told_by_heart(ask, data, series, shown, horizon, what):
        return found
    for back, said in shown.items():
        # A later origin, and then this one again.
        known = _known(data, series, back)
        later = max(0, back - horizon)
        _said(ask, _known(data, series, later), horizon, what)
        again = _said(ask, known, horizon, what)
        if found := _first_difference(said, again, series, back, what, kept=True):
            return found
        if is_model(forecaster):
            again = _said(_asked(forecaster, _known(data, series, later)), known, horizon, what)
            if found := _first_difference(said, again, series, back, what, kept=True):
                return found
    tried = f"{_count(len(backs), 'origin')} {'was' if len(backs) == 1 else 'were'} tried."
    if unchanged := fixed(data):
        return LeakReport(
            what,
            False,
            f"{tried} Whether it looks into {unchanged[0]} itself is not known: that cannot be "
            "changed. Give an array that may be written to, a list, or a Panel.",
            series=unchanged[0],
            places=len(backs),
            blind=True,
        )
    return LeakReport(what, False, tried, places=len(backs))


# --- the future, changed --------------------------------------------------------------------------
def _disturbed(values: Array, cut: int, shift: float, draw: np.random.Generator) -> Array:
    """The values from `cut` on moved far away, and shuffled by noise; what is missing stays so."""
    spread = float(np.nanstd(values)) or max(1.0, abs(float(np.nanmean(values))))
    changed = values.copy()
    changed[cut:] += spread * (shift + draw.normal(size=values.size - cut))
    return changed


def _cuts(values: Array, places: int, draw: np.random.Generator) -> list[int]:
    """Steps from which on the series is changed: drawn, so that no season hides behind a rhythm."""
    every = np.arange(1, values.size)
    if every.size <= places:
        return [int(cut) for cut in every]
    chosen = set(draw.choice(every, size=places, replace=False).tolist())
    # Where a gap ends: what fills it is tempted to look there.
    lacking = np.isnan(values)
    ends = np.flatnonzero(lacking[:-1] & ~lacking[1:]) + 1
    return sorted({*chosen, *ends[:places].tolist(), values.size - 1})


def _rows(transform: Callable[[Array], Any], values: Array, what: str) -> Array:
    given = transform(values.copy())
    parts = given if isinstance(given, tuple) else (given,)
    columns = []
    for part in parts:
        array = np.asarray(part, dtype=np.float64)
        if array.ndim == 0 or array.shape[0] != values.size:
            raise SeriesError(
                f"{what} gives the shape {array.shape} for {values.size} values; it must "
                "give a row for each step"
            )
        columns.append(array.reshape(values.size, -1))
    return np.concatenate(columns, axis=1)


def _same(one: Array, other: Array) -> npt.NDArray[np.bool_]:
    """Row by row; missing equals missing. Each column in its own size: one may be a time stamp."""
    size = np.abs(np.where(np.isfinite(one), one, 0.0)).max(axis=0, initial=0.0)
    close = np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
    return np.asarray(close.all(axis=1))


def _changed_rows(
    transform: Callable[[Array], Any],
    values: Array,
    out: Array,
    cut: int,
    what: str,
    draw: np.random.Generator,
) -> npt.NDArray[np.int64]:
    changed = np.zeros(values.size, dtype=bool)
    for shift in _SHIFTS:
        changed |= ~_same(out, _rows(transform, _disturbed(values, cut, shift, draw), what))
    return np.flatnonzero(changed)


def _furthest(
    transform: Callable[[Array], Any],
    values: Array,
    out: Array,
    step: int,
    seen: int,
    what: str,
    draw: np.random.Generator,
) -> int:
    """The last step from which on a change reaches `step`, by halving; `seen` is one that does."""
    low, high = seen, values.size
    while high - low > 1:
        middle = (low + high) // 2
        reached = step in _changed_rows(transform, values, out, middle, what, draw)
        low, high = (middle, high) if reached else (low, middle)
    return low


# --- forecasters ----------------------------------------------------------------------------------
def _series(data: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    series = {name: as_series(values, name) for name, values in data.items()}
    if not series:
        raise SeriesError("no series to look at")
    return series


def _backs(series: Mapping[str, Array], horizon: int, origins: int, places: int) -> list[int]:
    """Steps back from the end at which is tried: the first and last origin, and some between."""
    if horizon < 1 or origins < 1 or places < 1:
        raise SeriesError(f"horizon {horizon}, origins {origins}, places {places}: 1 at least")
    name, shortest = min(((n, v.size) for n, v in series.items()), key=lambda pair: pair[1])
    if shortest <= horizon + origins:
        raise SeriesError(
            f"{name} has {shortest} values; {origins} origins and a horizon of {horizon} need more "
            f"than {horizon + origins}: ask for fewer origins"
        )
    every = np.linspace(horizon + origins - 1, horizon, min(places, origins))
    return [int(back) for back in dict.fromkeys(every.astype(int).tolist())]


def _like(data: Mapping[str, Any], series: Mapping[str, Array]) -> Mapping[str, Array]:
    """`series` in the form of `data`: a panel stays one."""
    if not isinstance(data, Panel):
        return Known({name: values.copy() for name, values in series.items()}, _season(data))
    starts = {n: s for n in series if (s := data.start(n)) is not None}
    return Panel.of(
        series,
        frequency=data.frequency,
        starts=starts or None,
        about={name: data.about(name) for name in series},
        season=data.season,
    )


def _known(data: Mapping[str, Any], series: Mapping[str, Array], back: int) -> Mapping[str, Array]:
    """What was known `back` steps ago, as views: who looks behind their ends sees `series`."""
    whole = _like(data, series)
    if isinstance(whole, Panel):
        return whole.until(back)
    known = Known({name: values[: values.size - back] for name, values in whole.items()}, 1)
    known.season = _season(data)
    for values in known.values():
        values.flags.writeable = False
    return known


def _season(data: Mapping[str, Any]) -> int:
    return int(getattr(data, "season", 12))


def _asked(forecaster: Forecaster | Model, before: Mapping[str, Array] | None = None) -> Forecaster:
    """As a function; a model is copied and fitted each time, maybe after a fit on `before`."""
    if not is_model(forecaster):
        return forecaster  # type: ignore[return-value]

    def fitted(history: Mapping[str, Array], _: int) -> Mapping[str, Array]:
        model = copy.deepcopy(forecaster)
        if before is not None:
            model.fit(before)
        model.fit(history)
        return model.predict(history)

    return fitted


def _said(ask: Forecaster, known: Mapping[str, Array], horizon: int, what: str) -> dict[str, Array]:
    given = ask(known, horizon)
    for name in known:
        if name not in given:
            raise SeriesError(f"{what}: there is no forecast for {name}")
    return {name: np.array(given[name], dtype=np.float64)[:horizon] for name in known}


def _must_repeat(said: Mapping[str, Array], again: Mapping[str, Array], what: str) -> None:
    for name, values in said.items():
        if _differs(values, again[name]):
            raise SeriesError(
                f"{what} gives another forecast of {name} every time: fix its seed first"
            )


def _differs(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return True
    rows = (each.reshape(each.shape[0], -1) if each.size else each for each in (one, other))
    return one.size > 0 and not bool(_same(*rows).all())


def _first_difference(
    said: Mapping[str, Array],
    other: Mapping[str, Array],
    series: Mapping[str, Array],
    back: int,
    what: str,
    *,
    kept: bool = False,
) -> LeakReport | None:
    for name, values in said.items():
        if _differs(values, other[name]):
            origin = series[name].size - back
            why = (
                "is another one once it was shown later values: it keeps what it saw"
                if kept
                else "changes with values that come after it"
            )
            return LeakReport(
                what,
                True,
                f"The forecast of {name} from step {origin - 1} {why}.",
                step=origin - 1,
                series=name,
                places=1,
            )
    return None


def _told_by_heart(
    ask: Forecaster,
    data: Mapping[str, Any],
    series: Mapping[str, Array],
    shown: Mapping[int, Mapping[str, Array]],
    horizon: int,
    what: str,
) -> LeakReport | None:
    """Whether what came is told, whatever the history was; `shown` are the forecasts by steps back.

    Only values count that had never been before: any forecast meets a zero of a dry month. And one
    that follows from the past, on a line, does not come again from another past.
    """
    met: dict[str, set[float]] = defaultdict(set)
    first: dict[str, int] = {}
    for back, said in shown.items():
        hits = _new_and_met(said, series, back, horizon)
        if not any(each.any() for each in hits.values()):
            continue
        draw = np.random.default_rng(_SEED)
        other = {
            name: _disturbed(values, 0, 0.0, draw)[: values.size - back]
            for name, values in series.items()
        }
        try:
            told = _said(ask, _known(data, other, 0), horizon, what)
        except Exception:
            # Who cannot forecast from another past has not shown to know it by heart.
            told = {name: np.full(horizon, np.nan) for name in series}
        still = _new_and_met(told, series, back, horizon)
        for name, values in series.items():
            both = hits[name] & still[name]
            met[name] |= set(values[values.size - back :][:horizon][both].tolist())
            if both.any():
                first.setdefault(name, values.size - back)
    for name, values_met in met.items():
        if len(values_met) > 1:
            return LeakReport(
                what,
                True,
                f"The forecast of {name} from step {first[name] - 1} is what came, whatever the "
                "history: it comes from elsewhere.",
                step=first[name] - 1,
                series=name,
                places=len(shown),
            )
    return None


def _new_and_met(
    said: Mapping[str, Array], series: Mapping[str, Array], back: int, horizon: int
) -> dict[str, npt.NDArray[np.bool_]]:
    """At which steps a forecast is what came, to the last digits, and that had never been before.

    Of quantiles the median is looked at.
    """
    found = {}
    for name, values in series.items():
        known, came = values[: values.size - back], values[values.size - back :][:horizon]
        point = said[name] if said[name].ndim == 1 else said[name][:, said[name].shape[1] // 2]
        spread = float(known.std()) or 1.0
        new = np.abs(came[:, None] - known).min(axis=1) > 1e-9 * spread
        met = np.zeros(came.size, dtype=bool)
        if point.shape == came.shape:
            met = np.abs(point - came) <= 1e-9 * spread
        found[name] = new & met
    return found


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _name_of(thing: Any) -> str:
    named = getattr(thing, "__name__", "") or type(thing).__name__
    return "the function" if named == "<lambda>" else str(named)
