"""The sealed series, whose answers are known here: eight series a key, one origin each."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from academy.forecasting import RIVALS, naive
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN

from infra.publishing.climate_records import records
from infra.publishing.climate_series import HORIZON, SEASON, build

Array = npt.NDArray[np.float64]
HORIZONS = (3, 6, 12, 24)


def worlds(keys: int) -> list[tuple[dict[str, Array], dict[str, Array]]]:
    """History and answers by series, for each of the keys numbered from 1."""
    sources, found = records(), []
    for number in range(1, keys + 1):
        sealed = build(bytes([number]) * 32, public_fraction=0.5, sources=sources)
        found.append(
            (
                _read(sealed.data["datasets/climate-series/history.csv"]),
                _read(sealed.vault["answers/climate-series/answers.csv"]),
            )
        )
    return found


def _read(content: bytes) -> dict[str, Array]:
    rows: dict[str, list[float]] = {}
    for row in csv.DictReader(io.StringIO(content.decode())):
        rows.setdefault(row["series"], []).append(float(row["value"]))
    return {name: np.array(values) for name, values in rows.items()}


def digest(worlds: list[tuple[dict[str, Array], dict[str, Array]]]) -> str:
    """Of all histories."""
    found = hashlib.sha256()
    for history, _ in worlds:
        for values in history.values():
            found.update(values.tobytes())
    return found.hexdigest()[:16]


def forecast(model: str, history: Mapping[str, Array], seed: int = 0) -> Array:
    """Quantiles of all series of a key, (series, horizon, 19)."""
    from academy.forecasting.models.baseline import Baseline, Settings

    from advisors.climate_series.expert import Expert, Recipe, arima

    if model in RIVALS:
        made = RIVALS[model](history, HORIZON, season=SEASON, quantiles=True)
    elif model == "baseline":
        fitted = Baseline(Settings(horizon=HORIZON, seed=seed), device="cpu").fit(history)
        made = fitted.predict_quantiles(history)
    else:
        made = Expert(Recipe(seed=seed), arima if model == "expert" else None)(history, HORIZON)
    return np.stack([made[name] for name in history])


def measures(
    found: Array, worlds: list[tuple[dict[str, Array], dict[str, Array]]]
) -> dict[str, Array]:
    """Of forecasts (keys, series, horizon, 19): errors relative to the seasonal naive's, a key and
    series, at each of `HORIZONS` (keys, series, 4); the same of the 19 quantiles' loss; and whether
    the truth lies in the 80 % interval."""
    truth = np.stack([np.stack(list(answers.values())) for _, answers in worlds])
    floor = np.stack(
        [
            np.stack([naive.seasonal_naive(values, HORIZON) for values in history.values()])
            for history, _ in worlds
        ]
    )
    errors = np.abs(found[..., MEDIAN] - truth)
    base = np.abs(floor - truth)
    above = truth[..., None] - found
    level = np.array(LEVELS)
    loss = 2 * np.maximum(level * above, (level - 1) * above).mean(axis=-1)
    inside = (found[..., 1] <= truth) & (truth <= found[..., -2])

    def until(values: Array) -> Array:
        return np.stack([values[..., :h].mean(axis=-1) for h in HORIZONS], axis=-1)

    return {
        "relative": until(errors) / until(base),
        "loss": until(loss) / until(base),
        "inside": until(inside.astype(np.float64)),
    }
