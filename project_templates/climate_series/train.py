"""Trains the baseline on the project's series. The same script runs here and as a training job.

    --epochs 12      passes over the data
    --width 64       size of each network
    --networks 5     networks that are averaged
    --memory 24      months that a network looks back
    --seed 0         the same seed gives the same model on the same machine

It first learns without each series' last months and forecasts those, so that the score it prints
is one of months it has not seen; then it learns from everything and saves that model.
"""

import argparse
import json
import os
import time
from dataclasses import fields
from pathlib import Path

from academy.datasets import Dataset
from academy.forecasting import climatology, damped_anomaly, evaluate, holdout, seasonal_naive
from academy.forecasting.baseline import Baseline, Settings

parser = argparse.ArgumentParser(description=__doc__)
for name in ("epochs", "width", "networks", "memory", "seed"):
    default = next(field.default for field in fields(Settings) if field.name == name)
    parser.add_argument(f"--{name}", type=int, default=default)
options = parser.parse_args()

data = Dataset(os.environ["SM_CHANNEL_DATA"])
horizon, season = data.task.horizon, data.task.season
settings = Settings(horizon=horizon, season=season, **vars(options))


def report(epoch, loss):
    if epoch % 4 == 0 or epoch == settings.epochs:
        print(f"  epoch {epoch:3d} of {settings.epochs}: loss {loss:.4f}")


known, held_out = holdout(data.history, horizon)
print(f"Backtest: learning from all but the last {horizon} months of {len(known)} series")
started = time.perf_counter()
backtest = Baseline(settings).fit(known, report=report)
scores = evaluate(held_out, backtest.predict(known), known, season)
rivals = {
    "seasonal naive": {n: seasonal_naive(s, horizon, season) for n, s in known.items()},
    "climatology": {n: climatology(s, horizon, season) for n, s in known.items()},
    "damped anomaly": {n: damped_anomaly(s, horizon, season) for n, s in known.items()},
}
for name, forecast in rivals.items():
    print(f"  {name:15s} {evaluate(held_out, forecast, known, season)['score']:.3f}")
print(f"  {'this model':15s} {scores['score']:.3f}   (lower is better)")

print("Learning from everything")
model = Baseline(settings).fit(data.history, report=report)
model.save(os.environ["SM_MODEL_DIR"])
metrics = {
    "backtest": scores,
    "losses": backtest.losses,
    "device": str(model.device),
    "seconds": round(time.perf_counter() - started, 1),
}
output = Path(os.environ["SM_OUTPUT_DATA_DIR"])
(output / "metrics.json").write_text(json.dumps(metrics, indent=2))
print(f"Done in {metrics['seconds']} s on {metrics['device']}")
