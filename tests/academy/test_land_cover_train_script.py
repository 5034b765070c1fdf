"""The training script of the template, run as a job runs it and under torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from academy.data.simulator import simulate
from academy.land_cover import training
from academy.land_cover.classes import NAMES
from academy.land_cover.inference import predict
from academy.land_cover.project import LandCover
from academy.land_cover.training import Trained

LIBRARY = Path(training.__file__).parents[2]
SCRIPT = LIBRARY.parent / "land_cover" / "train.py"
SHORT = {"steps": 8, "batch": 2, "crop": 32, "width": 8, "depth": 2, "evaluate_every": 4}

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    names = [f"train-{number}" for number in range(4)]
    for seed, name in enumerate(names, start=101):
        scene = simulate(seed, height=64, width=64)
        scene.name = name
        scene.write(folder / "train" / name)
    held_out = simulate(110, height=64, width=64).sealed("held-1")
    held_out.write(folder / "held_out" / "held-1")
    task = {
        "project": "land-cover",
        "metric": "macro-F1",
        "better": "higher",
        "classes": list(NAMES),
        "train": names,
        "held_out": {"held-1": list(held_out.label_shape)},
    }
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def container(root: Path, data: Path) -> Path:
    """A folder as a training container has it."""
    for part in ("input/config", "input/data/code", "model", "output/data", "checkpoints"):
        (root / part).mkdir(parents=True)
    with tarfile.open(root / "input/data/code/source.tar.gz", "w:gz") as archive:
        archive.add(SCRIPT, "train.py")
    (root / "input/data/data").symlink_to(data, target_is_directory=True)
    (root / "input/config/inputdataconfig.json").write_text('{"code": {}, "data": {}}')
    return root


def start(root: Path, **changes) -> subprocess.Popen[str]:
    words = {name: str(value) for name, value in {**SHORT, "validation": 1, **changes}.items()}
    given = {**words, "academy_script": "train.py"}
    (root / "input/config/hyperparameters.json").write_text(json.dumps(given))
    environ = {
        **os.environ,
        "ML_ROOT": str(root),
        "PYTHONPATH": str(LIBRARY),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "academy.job"],
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=180)[0]
    finally:
        process.kill()


def test_a_job_leaves_a_model_and_figures_and_goes_on_after_an_interruption(tmp_path, data):
    job = container(tmp_path / "first", data)
    stopped = start(job, steps=300, evaluate_every=150, checkpoint_seconds=0)
    checkpoint = job / "checkpoints" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and stopped.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    stopped.send_signal(signal.SIGTERM)
    said = finish(stopped)
    assert stopped.returncode == 143, said
    assert "the same call goes on from the checkpoint" in said
    assert "stopped (signal 15)" in (job / "output/failure").read_text()
    assert not (job / "output/data/metrics.json").exists()

    # A new machine has nothing of the old one but the checkpoints.
    fresh = container(tmp_path / "fresh", data)
    (fresh / "checkpoints").rmdir()
    (job / "checkpoints").rename(fresh / "checkpoints")
    done = start(fresh, steps=300, evaluate_every=150)
    said = finish(done)
    assert done.returncode == 0, said
    assert "Learning from 3 scenes, validating on 1" in said
    assert "going on after step" in said
    metrics = json.loads((fresh / "output/data/metrics.json").read_text())
    assert len(metrics["history"]["loss"]) == 300
    assert metrics["history"]["evaluated"] == [150, 300]
    assert set(metrics["validation"]["f1"]) == set(NAMES)
    assert metrics["settings"]["width"] == 8
    trained = Trained.load(fresh / "model")
    held_out = LandCover(data).held_out[0]
    assert predict(trained, held_out).shape == held_out.label_shape


@pytest.mark.slow
def test_under_torchrun_two_processes_leave_one_model_with_the_same_curve(data, tmp_path):
    def run(*launch: str) -> dict:
        out = tmp_path / ("many" if launch else "one")
        (out / "model").mkdir(parents=True)
        environ = {
            **os.environ,
            "PYTHONPATH": str(LIBRARY),
            "ML_ROOT": str(out),
            "SM_CHANNEL_DATA": str(data),
            "SM_MODEL_DIR": str(out / "model"),
            "SM_OUTPUT_DATA_DIR": str(out),
            "OMP_NUM_THREADS": "1",
        }
        words = [f"--{name}={value}" for name, value in SHORT.items()]
        command = [sys.executable, *launch, str(SCRIPT), "--validation=2", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Kept the model of step") == 1
        return json.loads((out / "metrics.json").read_text())

    alone = run()["history"]
    both = run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")["history"]
    np.testing.assert_allclose(both["loss"], alone["loss"], rtol=1e-3)
    np.testing.assert_allclose(both["validation_loss"], alone["validation_loss"], rtol=1e-3)
