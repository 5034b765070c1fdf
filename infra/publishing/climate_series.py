"""Seals the climate-series project: real monthly records in, history and held-out answers out.

The records are CO2 at Mauna Loa (``carbon``) and the sea surface temperature of the region Niño
1+2 (``ocean``): see `infra.publishing.climate_records`. Sealed series come from the longest run
without an absent month, May 1964 to December 2001 of carbon. Nothing is interpolated. The records
themselves are published beside the sealed series, to practise on: ``practice/`` and ``panel/``.

Both are public, so a competition on them as they are would be a look-up. A sealed series is
made from a window of a record like this, every draw from the vault's key:

1. *origin*: the window's first month is drawn (one window from each of four equal parts of the
   record's possible origins);
2. *decomposition*: linear trend + mean season + anomaly, over the window;
3. *perturbation*: the anomaly becomes ``sqrt(1-p) real + sqrt(p) simulated``. The simulated part
   is an autoregression fitted to the real anomalies (Yule-Walker) and driven by the key's noise,
   with the same variance and autocorrelation. ``p`` is `PERTURBATION`;
4. *scale*: the window is standardised, then gets a drawn positive spread and a drawn level.

What the seal does: the answers are in no public file, and nothing that is published determines
them: the noise that drives the simulated part is independent from month to month.

What it does not do: correlation finds a window in the public record, and who has found it knows
trend, season and 1-p of the anomalies' variance of the months to come. What that is worth,
measured over 20 keys, all 24 months, as the error relative to the seasonal naive (geometric mean;
standard errors about .05):

============================================  ======  =====
forecast                                      carbon  ocean
============================================  ======  =====
who found the windows and knows this module     .16    .58
damped anomaly on a linear climatology          .23    .72
linear climatology                              .26    .75
============================================  ======  =====

With p = .5 the first line was .13 and .48, with p = 1 nothing of the anomalies would be real.
Rounds on months that are not yet published are the only complete remedy.

Drawing is by HMAC-SHA256 of the key, one stream a purpose. The same key gives the same bytes
under the same numpy; what counts afterwards are the published files.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.publishing import climate_records
from infra.publishing.climate_records import Record, records
from infra.publishing.keys import KeyKind, SealingError

Values = npt.NDArray[np.float64]

PROJECT = "climate-series"
SEASON = 12
#: Months of each sealed series that are published, and months that are held out.
HISTORY = 240
HORIZON = 24
WINDOWS_PER_RECORD = 4
#: Share of the anomalies' variance that is drawn from the key.
PERTURBATION = 0.7
AUTOREGRESSION_ORDER = 13
#: Held-out months are public or private by blocks of this many.
BLOCK = 3
DECIMALS = 3
KEY = KeyKind(PROJECT, 32)
#: Part of every stream's name: a change of the method must change the draws.
VERSION = "1"

METRIC = "MASE relative to the seasonal naive, geometric mean over series"


@dataclass(frozen=True)
class Sealed:
    """Object keys and bytes, by bucket. `vault` holds the answers and the key."""

    data: dict[str, bytes]
    vault: dict[str, bytes]


def build(
    key: bytes,
    *,
    public_fraction: Decimal | float,
    sources: Sequence[Record] | None = None,
) -> Sealed:
    """Every file of the project, sealed with `key`.

    Parameters
    ----------
    key
        32 bytes that never leave the vault.
    public_fraction
        Share of the held-out months that the public board scores, 0 < fraction < 1.
    sources
        Records to seal; those of `climate_records.records` by default.

    Raises
    ------
    SealingError
        The key has another length, the fraction leaves a part empty, or a record is too short.
    """
    if len(key) != KEY.size:
        raise SealingError(f"the key has {len(key)} bytes; it must have {KEY.size}")
    public = records() if sources is None else sources
    practice = climate_records.practice_records() if sources is None else sources
    parts: dict[str, list[str]] = {}
    series: dict[str, Values] = {}
    for record in public:
        for name, values in _sealed_windows(key, record):
            series[name] = values
            parts[name] = _parts(key, name, float(public_fraction))

    history = [(n, t, v[t]) for n, v in series.items() for t in range(HISTORY)]
    steps = range(HISTORY, HISTORY + HORIZON)
    naive = {name: seasonal_naive(values[:HISTORY], HORIZON) for name, values in series.items()}
    sample = [(n, t, naive[n][t - HISTORY]) for n in series for t in steps]
    answers = [(n, t, v[t], parts[n][t - HISTORY]) for n, v in series.items() for t in steps]
    scales = {
        name: _scales(values, naive[name], np.array(parts[name])) for name, values in series.items()
    }
    task = {
        "project": PROJECT,
        "horizon": HORIZON,
        "season": SEASON,
        "metric": METRIC,
        "series": list(series),
        "first_step": dict.fromkeys(series, HISTORY),
    }
    data = f"datasets/{PROJECT}"
    files = {
        f"{data}/history.csv": _table(("series", "step", "value"), history),
        f"{data}/sample_submission.csv": _table(("series", "step", "value"), sample),
        f"{data}/task.json": _document(task),
        f"{data}/practice/README.txt": climate_records.note(practice),
        **{f"{data}/{name}": content for name, content in climate_records.panel_files().items()},
    }
    for record in practice:
        rows = zip([record.name] * len(record.months), record.months, record.values, strict=True)
        files[f"{data}/practice/{record.name}.csv"] = _table(("series", "month", "value"), rows)
    return Sealed(
        data=files,
        vault={
            f"answers/{PROJECT}/answers.csv": _table(("series", "step", "value", "part"), answers),
            f"answers/{PROJECT}/scales.json": _document(scales),
            KEY.name: KEY.format(key),
        },
    )


def seasonal_naive(history: Values, horizon: int) -> Values:
    """The value of the same month one year earlier, repeated over the horizon."""
    return np.resize(history[-SEASON:], horizon)


def _sealed_windows(key: bytes, record: Record) -> Iterable[tuple[str, Values]]:
    _, values = record.longest_run()
    length = HISTORY + HORIZON
    origins = len(values) - length + 1
    if origins < WINDOWS_PER_RECORD:
        raise SealingError(
            f"{record.name} has {len(values)} months without a gap; "
            f"{length + WINDOWS_PER_RECORD - 1} are needed"
        )
    # Names must not give the origins' order away, so the four windows are shuffled.
    order = stream(key, f"{record.name}/order").permutation(WINDOWS_PER_RECORD)
    for number, part in enumerate(order, start=1):
        name = f"{record.name}-{number}"
        first = origins * part // WINDOWS_PER_RECORD
        last = origins * (part + 1) // WINDOWS_PER_RECORD
        origin = int(stream(key, f"{name}/origin").integers(first, last))
        yield name, _seal(key, name, values[origin : origin + length])


def _seal(key: bytes, name: str, window: Values) -> Values:
    trend, season, anomaly = decompose(window)
    simulated = _simulate(stream(key, f"{name}/perturbation"), anomaly)
    mixed = trend + season
    mixed = mixed + math.sqrt(1 - PERTURBATION) * anomaly + math.sqrt(PERTURBATION) * simulated
    draw = stream(key, f"{name}/scale")
    level = draw.uniform(50, 500)
    spread = level * draw.uniform(0.05, 0.2)
    sealed: Values = np.round(level + spread * (mixed - window.mean()) / window.std(), DECIMALS)
    return sealed


def decompose(window: Values) -> tuple[Values, Values, Values]:
    """Linear trend, mean season and the rest, each of the window's shape; they add up to it."""
    time = np.linspace(-1, 1, len(window))
    month = np.arange(len(window)) % SEASON
    design = np.column_stack([time, *(month == m for m in range(SEASON))]).astype(float)
    fitted, *_ = np.linalg.lstsq(design, window, rcond=None)
    trend = design[:, :1] @ fitted[:1]
    season = design[:, 1:] @ fitted[1:]
    return trend, season, window - trend - season


def _simulate(draw: np.random.Generator, anomaly: Values) -> Values:
    """A new draw of the process that `anomaly` looks like, with its variance.

    Yule-Walker with the biased autocovariances always gives a stable autoregression
    (Brockwell and Davis 1991, section 8.1).
    """
    n, order = len(anomaly), AUTOREGRESSION_ORDER
    if anomaly.std() <= 1e-9 * max(1.0, float(np.abs(anomaly).max())):
        raise SealingError("a window is nothing but trend and season: there is nothing to seal")
    covariance = np.array([anomaly[: n - lag] @ anomaly[lag:] / n for lag in range(order + 1)])
    toeplitz = covariance[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
    weights = np.linalg.solve(toeplitz, covariance[1:])
    sigma = math.sqrt(covariance[0] - weights @ covariance[1:])
    warm_up = 50 * SEASON
    noise = draw.normal(0.0, sigma, warm_up + n)
    values = np.zeros(warm_up + n + order)
    for step in range(warm_up + n):
        values[order + step] = weights @ values[step : order + step][::-1] + noise[step]
    return values[-n:]


def _parts(key: bytes, name: str, public_fraction: float) -> list[str]:
    """public or private for each held-out month, by blocks, so that both see all leads."""
    blocks = math.ceil(HORIZON / BLOCK)
    if not 0 < public_fraction < 1:
        raise SealingError(f"public_fraction is {public_fraction}; it must be between 0 and 1")
    count = min(max(round(blocks * public_fraction), 1), blocks - 1)
    chosen = set(stream(key, f"{name}/parts").permutation(blocks)[:count].tolist())
    return ["public" if t // BLOCK in chosen else "private" for t in range(HORIZON)]


def _scales(values: Values, naive: Values, part: npt.NDArray[np.str_]) -> dict[str, float]:
    past, future = values[:HISTORY], values[HISTORY:]
    scale = float(np.mean(np.abs(past[SEASON:] - past[:-SEASON])))
    error = np.abs(future - naive) / scale
    document = {"mase_scale": scale}
    for name in ("public", "private"):
        document[f"naive_mase_{name}"] = float(error[part == name].mean())
        if document[f"naive_mase_{name}"] == 0:
            raise SealingError("the seasonal naive is exact: a relative score has no meaning")
    return document


def stream(key: bytes, purpose: str) -> np.random.Generator:
    """Random numbers that only the key's holder can draw; streams of two purposes are unrelated."""
    name = f"academy/{PROJECT}/{VERSION}/{purpose}"
    seed = hmac.new(key, name.encode(), hashlib.sha256).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([f"{c:.{DECIMALS}f}" if isinstance(c, float) else c for c in row])
    return text.getvalue().encode()


def _document(content: object) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
