"""Trains the baseline on the project's scenes. The same script runs here, as a training job, and
in several processes:

    python train.py --sampler biased --loss ce+dice
    torchrun --standalone --nproc-per-node 2 train.py        (2 CPU processes, or 2 GPUs)

As a job on a machine with several GPUs it starts itself under torchrun. On a spot instance it goes
on where it was interrupted. It keeps the model that is best on scenes it does not learn from.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from academy.land_cover.classes import NAMES
from academy.land_cover.inference import evaluate
from academy.land_cover.project import LandCover
from academy.land_cover.training import Settings, fit
from academy.training import checkpoints, ranks

ranks.one_process_per_gpu()

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--validation", type=int, default=4, help="scenes to validate on (4)")
Settings.add_options(parser)
options = parser.parse_args()
settings = Settings.from_options(options)

data = LandCover(os.environ["SM_CHANNEL_DATA"])
train, validation = data.split(validation=options.validation)
if ranks.is_first():
    print(f"Learning from {len(train)} scenes, validating on {len(validation)}")
try:
    trained = fit(train, validation, settings)
except checkpoints.Interrupted as problem:
    print(problem)
    sys.exit(checkpoints.EXIT_CODE)

if ranks.is_first():
    scores = evaluate(trained, validation).scores()
    print(f"On the validation scenes, which chose this model (expect less elsewhere):\n{scores}")
    trained.save(os.environ["SM_MODEL_DIR"])
    metrics = {
        "validation": {
            "macro_f1": scores.macro_f1,
            "accuracy": scores.accuracy,
            "f1": dict(zip(NAMES, scores.f1.tolist(), strict=True)),
        },
        "history": trained.history.as_json(),
        "settings": settings.as_json(),
        "device": str(trained.device),
    }
    output = Path(os.environ["SM_OUTPUT_DATA_DIR"])
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(f"Kept the model of step {trained.history.best_step}, trained on {trained.device}")
