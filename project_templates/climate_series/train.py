"""Trains the baseline on the project's series. The same script runs here, as a training job, and
in several processes:

    python train.py --epochs 12 --networks 5
    python train.py --series monthly --horizon 12             (the public records instead)
    torchrun --standalone --nproc-per-node 2 train.py         (2 CPU processes, or 2 GPUs)

It first learns from what was known before the last `origins` months in which a forecast could have
been made, and is tested at each of them beside forecasts without learning; then it learns from
everything and saves that model. As a job on a machine with several GPUs it starts itself under
torchrun. On a spot instance it goes on where it was interrupted.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from academy.datasets import Dataset
from academy.errors import AcademyError
from academy.forecasting import RIVALS, Panel, backtest, compare
from academy.forecasting.models.baseline import Baseline, Settings
from academy.forecasting.rivals import QUICK
from academy.training import checkpoints, ranks

ranks.one_process_per_gpu()

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument(
    "--series",
    choices=("history", "monthly", "grid"),
    default="history",
    help="what to learn from: the sealed histories, or one of the public panels (%(default)s)",
)
parser.add_argument("--most", type=int, default=60, help="series at most, evenly chosen (60)")
parser.add_argument("--origins", type=int, default=60, help="forecasts of each series to test (60)")
Settings.add_options(parser)
# The sealed histories' task says how far; the public panels are for you to ask.
parser.set_defaults(horizon=0)
options = parser.parse_args()
if options.origins < 1:
    parser.error(f"origins is {options.origins}; it must be at least 1")


def chosen():
    """The series to learn from, and the settings that fit them."""
    data = Dataset(os.environ["SM_CHANNEL_DATA"])
    if options.series == "history":
        panel = Panel.of(data.history, season=data.task.season)
    elif options.series in data.panel:
        panel = data.panel[options.series]
    else:
        parser.error(f"this data has no panel {options.series}; there is {', '.join(data.panel)}")
    options.horizon = options.horizon or data.task.horizon
    settings = replace(Settings.from_options(options), season=options.season or panel.season)
    return panel.select(panel.names[:: -(-len(panel) // max(1, options.most))]), settings


try:
    panel, settings = chosen()
except AcademyError as problem:
    sys.exit(str(problem))
horizon, origins = settings.horizon, options.origins
folder, first = checkpoints.checkpoint_folder(), ranks.is_first()
started = time.perf_counter()


def say(text):
    """One of several processes speaks for all."""
    if first:
        print(text, flush=True)


def learn(known, name):
    """A baseline that has learnt from `known`; it goes on if it was interrupted."""

    def report(epoch, loss):
        if epoch % 4 == 0 or epoch == settings.epochs:
            say(f"  epoch {epoch:3d} of {settings.epochs}: loss {loss:.4f}")

    return Baseline(settings).fit(known, report=report, out=folder and folder / name)


def known_at_first():
    """What was known at the oldest origin: also of series that go on for longer than others."""
    back = horizon + origins - 1
    cut = panel.until(back)
    if panel.frequency is None:
        return cut
    return panel.between(last=min(cut.times(name)[-1] for name in cut))


def tested(forecaster, name):
    """Quantiles made at each origin, with what was known there, beside what came."""
    return backtest(forecaster, panel, horizon, origins=origins, refit_every=origins, name=name)


try:
    past = known_at_first()
    say(f"Backtest of {len(panel)} series: learning from what was known at the first of {origins}")
    early = learn(past, "backtest")
    say("Learning from everything")
    model = learn(panel, "everything")
except checkpoints.Interrupted as problem:
    print(problem)
    sys.exit(checkpoints.EXIT_CODE)
except AcademyError as problem:
    sys.exit(str(problem))

if first:
    model.save(os.environ["SM_MODEL_DIR"])
    mine = tested(lambda known, _: early.predict_quantiles(known), "this model")
    results = {"this model": mine}
    for name in QUICK:
        # The default argument keeps this turn's rival.
        def rival(known, steps, rival=RIVALS[name]):
            return rival(known, steps, quantiles=True)

        try:
            results[name] = tested(rival, name)
        except AcademyError as problem:
            print(f"  {name}: {problem}")
    scores = {name: found.scores() for name, found in results.items()}
    print(f"\n{origins} origins, {horizon} steps each; relative MASE: lower is better")
    for name, found in scores.items():
        summary = found.summary
        print(
            f"  {name:22s} {found.relative_mase:6.3f}   "
            f"80 % interval covers {summary['coverage of 80 %']:.0%}"
        )
    print()
    against = {}
    for name, found in results.items():
        if name != "this model":
            try:
                pair = compare(mine, found)
            except AcademyError as problem:
                print(f"  {name}: {problem}")
                continue
            against[name] = {k: getattr(pair, k) for k in ("ratio", "low", "high", "verdict")}
            print(f"  {pair}")
    metrics = {
        "backtest": {
            "score": scores["this model"].relative_mase,
            "summary": scores["this model"].summary,
            "series": {name: dict(row) for name, row in scores["this model"].series.items()},
            "rivals": {name: found.summary for name, found in scores.items() if name in QUICK},
            "against": against,
            "by_lead": mine.by_lead().tolist(),
            "reliability": mine.reliability().tolist(),
            "origins": origins,
            "horizon": horizon,
        },
        "losses": early.losses,
        "losses_everything": model.losses,
        "left_out": model.left_out,
        "settings": settings.as_json(),
        "device": str(model.device),
        "seconds": round(time.perf_counter() - started, 1),
    }
    output = Path(os.environ["SM_OUTPUT_DATA_DIR"])
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(f"Done in {metrics['seconds']} s on {metrics['device']}")
