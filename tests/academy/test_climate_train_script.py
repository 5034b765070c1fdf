"""The climate-series template's training script: run here, as a job runs it, and under torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import academy
import numpy as np
import pytest
from academy.datasets import Dataset
from academy.forecasting.data.panel import Panel
from academy.forecasting.models.baseline import Baseline
from academy.training import checkpoints

LIBRARY = Path(academy.__file__).parents[1]
SCRIPT = LIBRARY.parent / "climate_series" / "train.py"
MONTHS, HORIZON = 200, 6
SHORT = {"epochs": 2, "networks": 1, "width": 8, "origins": 10}

pytestmark = pytest.mark.end_to_end


def wave(seed: int, months: int = MONTHS) -> np.ndarray:
    draw, time_ = np.random.default_rng(seed), np.arange(months)
    return 10 + np.sin(time_ * np.pi / 6) + 0.1 * draw.normal(size=months).cumsum()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """The project's folder, in small: sealed histories, and a panel of series that end apart."""
    folder = tmp_path_factory.mktemp("data")
    series = {f"series-{number}": wave(number) for number in range(3)}
    rows = [
        f"{name},{step},{value:.6f}"
        for name, values in series.items()
        for step, value in enumerate(values)
    ]
    (folder / "history.csv").write_text("\n".join(["series,step,value", *rows]))
    task = {
        "project": "climate-series",
        "metric": "relative MASE",
        "better": "lower",
        "horizon": HORIZON,
        "season": 12,
        "series": list(series),
        "first_step": dict.fromkeys(series, MONTHS),
    }
    (folder / "task.json").write_text(json.dumps(task))
    monthly = {"early": wave(7, 180), "late": wave(8, 240)}
    Panel.of(monthly, frequency="month", starts="1980-01").save(folder / "panel" / "monthly")
    return folder


def run(out: Path, data: Path, *words: str, launch: tuple[str, ...] = ()) -> tuple[dict, str]:
    """The script by hand; its metrics, and what it says."""
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
    short = [f"--{name}={value}" for name, value in SHORT.items()]
    command = [sys.executable, *launch, str(SCRIPT), *short, *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((out / "metrics.json").read_text()), done.stdout


def test_it_tests_points_and_quantiles_beside_the_rivals_and_leaves_a_model(tmp_path, data):
    metrics, said = run(tmp_path, data)
    found = metrics["backtest"]
    assert found["origins"] == 10
    assert found["horizon"] == HORIZON
    assert set(found["series"]) == {"series-0", "series-1", "series-2"}
    assert found["score"] == found["summary"]["relative MASE"] > 0
    assert found["summary"]["WQL"] > 0
    assert 0 < found["summary"]["coverage of 80 %"] <= 1
    assert found["rivals"]["seasonal naive"]["relative MASE"] == pytest.approx(1)
    assert {"drift", "climatology", "damped anomaly"} < set(found["rivals"])
    assert found["against"]["climatology"]["verdict"] in said
    assert len(found["by_lead"]) == HORIZON
    assert len(found["reliability"]) == 19
    assert (np.diff(found["reliability"]) >= 0).all()
    assert len(metrics["losses"]) == len(metrics["losses_everything"]) == 2
    assert metrics["settings"]["width"] == 8
    model = Baseline.load(tmp_path / "model")
    history = Dataset(data).history
    assert model.season == 12
    assert {fan.shape for fan in model.predict_quantiles(history).values()} == {(HORIZON, 19)}


def test_it_learns_from_a_public_panel_as_far_as_its_earliest_origin(tmp_path, data):
    """Here it ends where the first of the series has its first origin, at the end of 1993."""
    metrics, said = run(tmp_path, data, "--series=monthly", "--horizon=3", "--origins=4")
    assert "Backtest of 2 series" in said
    assert set(metrics["backtest"]["series"]) == {"early", "late"}
    assert metrics["backtest"]["horizon"] == 3
    # The longer series' last five years are not learnt from, so the panel cut by date gives this.
    panel = Panel.open(data / "panel" / "monthly").between(last="1994-06")
    assert {values.size for values in panel.values()} == {174}
    settings = Baseline.load(tmp_path / "model").settings
    assert Baseline(settings, "cpu").fit(panel).losses == pytest.approx(metrics["losses"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--horizon=300",), "series-0 359 steps back: it has 200 values"),
        (("--networks=0",), "networks is 0; it must be at least 1"),
        (("--mirror=perhaps",), "neither true nor false"),
        (("--series=grid",), "has no panel grid; there is monthly"),
        (("--origins=0",), "origins is 0; it must be at least 1"),
    ],
    ids=["horizon too long", "setting out of range", "no truth", "no such panel", "no origins"],
)
def test_what_cannot_be_is_said_in_a_line(tmp_path, data, words, said):
    environ = {
        **os.environ,
        "PYTHONPATH": str(LIBRARY),
        "ML_ROOT": str(tmp_path),
        "SM_CHANNEL_DATA": str(data),
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=environ, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# -- as a job -----------------------------------------------------------------------------------


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
    words = {name: str(value) for name, value in {**SHORT, **changes}.items()}
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


def test_a_job_goes_on_after_an_interruption_and_repeats_nothing(tmp_path, data):
    job = container(tmp_path / "first", data)
    stopped = start(job, epochs=100, checkpoint_seconds=0)
    # The first run is over when the second has a checkpoint.
    second = job / "checkpoints" / "everything" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not second.exists() and stopped.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    said = finish(stopped)
    assert stopped.returncode == checkpoints.EXIT_CODE, said
    assert "the same call goes on from the checkpoint" in said
    assert "stopped (signal 15)" in (job / "output/failure").read_text()
    assert not (job / "output/data/metrics.json").exists()

    # A new machine has nothing of the old one but the checkpoints.
    fresh = container(tmp_path / "fresh", data)
    (fresh / "checkpoints").rmdir()
    (job / "checkpoints").rename(fresh / "checkpoints")
    done = start(fresh, epochs=100)
    said = finish(done)
    assert done.returncode == 0, said
    before, after = said.split("Learning from everything")
    assert "epoch" not in before
    assert "epoch 100 of 100" in after
    assert "epoch   4 of" not in after or "epoch   8 of" in after
    metrics = json.loads((fresh / "output/data/metrics.json").read_text())
    assert len(metrics["losses"]) == len(metrics["losses_everything"]) == 100
    history = Dataset(data).history
    found = Baseline.load(fresh / "model").predict(history)
    # The model of a run in one go, bit for bit.
    whole = Baseline(Baseline.load(fresh / "model").settings, "cpu")
    expected = whole.fit(Panel.of(history, season=12)).predict(history)
    assert all(np.array_equal(found[name], expected[name]) for name in history)


@pytest.mark.slow
def test_under_torchrun_two_processes_leave_one_model_with_the_same_curve(tmp_path, data):
    """Batches that two cannot share evenly: no process may weigh more, or less (20 s)."""
    words = ("--batch=9", "--networks=2", "--epochs=3")
    alone, _ = run(tmp_path / "one", data, *words)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    both, said = run(tmp_path / "two", data, *words, launch=launch)
    assert said.count("Learning from everything") == said.count("Done in") == 1
    for name in ("losses", "losses_everything"):
        np.testing.assert_allclose(both[name], alone[name], rtol=1e-5)
    assert both["backtest"]["score"] == pytest.approx(alone["backtest"]["score"], rel=1e-4)
    history = Dataset(data).history
    models = [Baseline.load(tmp_path / name / "model") for name in ("one", "two")]
    one, two = (model.predict_quantiles(history) for model in models)
    for name in history:
        assert two[name] == pytest.approx(one[name], rel=1e-4)
