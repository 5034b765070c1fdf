"""What a learner trains with SageMaker's SDK: reads a channel and saves what it was given."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import greeting
from steps import halved

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--rate", type=float, required=True)
parser.add_argument("--seconds", type=float, default=0)
parser.add_argument("--fail", default="no")
asked = parser.parse_args()

time.sleep(asked.seconds)
if asked.fail == "yes":
    raise ValueError("the loss is not a number")
series = Path(os.environ["SM_CHANNEL_TRAIN"])
model = {
    "said": greeting.WORDS,
    "rates": halved(asked.rate, asked.epochs),
    "hyperparameters": json.loads(os.environ["SM_HPS"]),
    "files": sorted(file.name for file in series.iterdir()),
    "season": os.environ["SEASON"],
    "entry": os.environ["SM_ENTRY_SCRIPT"],
}
Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
print("saved the model")
