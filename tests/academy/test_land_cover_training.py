"""Training: one curve on one process or two, interrupted or not; what is kept, and what is said."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover import training
from academy.land_cover.losses import CrossEntropy, Dice
from academy.land_cover.metrics import macro_f1
from academy.land_cover.reporting import Display
from academy.land_cover.scene import SceneError
from academy.land_cover.training import (
    CheckpointError,
    Interrupted,
    Settings,
    SettingsError,
    TrainingError,
    fit,
    learning_rate,
    make_loss,
    silent,
)
from academy.training.checkpoints import checkpoint_folder
from torch import nn

torch.set_num_threads(1)

SHORT = Settings(
    steps=20,
    batch=4,
    crop=32,
    width=8,
    depth=2,
    loss="ce",
    sampler="random",
    calibrate=False,
    learning_rate=0.003,
    evaluate_every=10,
    checkpoint_seconds=1e6,
)
LIBRARY = Path(training.__file__).parents[2]


@pytest.fixture(scope="module")
def scenes():
    return [simulate(seed, height=80, width=72) for seed in (101, 102, 103, 104)]


@pytest.fixture(autouse=True)
def no_job(monkeypatch, tmp_path):
    monkeypatch.setenv("ML_ROOT", str(tmp_path / "no-job"))


def run(scenes, settings=SHORT, **more):
    return fit(scenes[:2], scenes[2:], settings, report=more.pop("report", silent), **more)


def weights(trained):
    return torch.cat([each.detach().flatten() for each in trained.model.parameters()])


class Stop(Exception):
    """As a lost machine: nothing of the training's own."""


def at_step(number, act):
    def report(moment):
        if moment.step == number:
            act()

    return report


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def lose():
    raise Stop


# -- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["cell", "pixel"])
def test_a_network_learns_what_is_there_to_learn(scenes, level):
    settings = replace(SHORT, steps=60, level=level, learning_rate=0.01)
    history = run(scenes, settings).history
    assert len(history.loss) == len(history.learning_rate) == 60
    assert np.mean(history.loss[-10:]) < 0.75 * np.mean(history.loss[:3])
    truth = np.concatenate([scene.labels.ravel() for scene in scenes[2:]])
    majority = [macro_f1(truth, np.full_like(truth, each), 9) for each in range(9)]
    assert history.macro_f1[-1] > 1.2 * max(majority)
    assert history.validation_loss[-1] < history.validation_loss[0]


def test_the_same_settings_give_the_same_model(scenes):
    first, second = run(scenes), run(scenes)
    assert first.history.loss == second.history.loss
    assert torch.equal(weights(first), weights(second))
    assert run(scenes, replace(SHORT, seed=1)).history.loss != first.history.loss


def test_training_does_not_touch_the_callers_random_numbers(scenes):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(scenes)
    assert torch.equal(torch.rand(3), expected)


def test_workers_change_nothing(scenes):
    alone, helped = run(scenes), run(scenes, replace(SHORT, workers=1))
    assert alone.history.loss == helped.history.loss


def test_the_best_model_on_the_validation_scenes_is_kept(scenes):
    settings = replace(SHORT, steps=40, evaluate_every=5)
    trained = run(scenes, settings)
    history = trained.history
    best = int(np.argmax(history.macro_f1))
    assert history.evaluated == list(range(5, 41, 5))
    assert history.best_step == history.evaluated[best]
    found = training_score(trained, scenes[2:])
    assert found == pytest.approx(history.macro_f1[best], abs=1e-12)
    assert np.mean(history.f1[best]) == pytest.approx(history.macro_f1[best])


def training_score(trained, scenes):
    """As training looks at them: windows that overlap by a quarter."""
    from academy.land_cover.inference import evaluate

    return evaluate(trained, scenes, overlap=0.25).scores().macro_f1


def test_training_stops_early_when_nothing_gets_better(scenes):
    settings = replace(SHORT, steps=400, evaluate_every=2, patience=3, learning_rate=1e-9, ema=0.0)
    history = run(scenes, settings).history
    assert history.evaluated[-1] < 40
    assert history.evaluated[-1] == history.best_step + 3 * 2
    assert len(history.loss) == history.evaluated[-1]


def test_without_validation_scenes_the_last_model_is_kept(scenes):
    trained = fit(scenes[:2], [], replace(SHORT, ema=0.0), report=silent)
    assert trained.history.macro_f1 == []
    shorter = fit(scenes[:2], [], replace(SHORT, steps=10, ema=0.0), report=silent)
    assert not torch.equal(weights(trained), weights(shorter))


def test_averaged_weights_are_others_than_the_last(scenes):
    averaged = fit(scenes[:2], [], replace(SHORT, ema=0.9), report=silent)
    last = fit(scenes[:2], [], replace(SHORT, ema=0.0), report=silent)
    assert averaged.history.loss == last.history.loss
    assert not torch.equal(weights(averaged), weights(last))


def test_the_learning_rate_goes_up_and_down():
    settings = Settings(steps=100, warmup=0.1, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 1e-3


def test_unsure_labels_are_not_learnt_from(scenes):
    unsure = [
        replace(s, probability=np.full_like(s.labels, 50), metadata=dict(s.metadata))
        for s in scenes
    ]
    with pytest.raises(SceneError, match="least_probability is 60"):
        run(unsure, replace(SHORT, least_probability=60))
    assert (
        run(unsure, replace(SHORT, least_probability=50)).history.loss == run(scenes).history.loss
    )
    partly = [
        replace(s, probability=np.where(s.labels < 2, 50, 90).astype(np.uint8)) for s in scenes
    ]
    ignored = [
        replace(s, labels=np.where(s.labels < 2, 255, s.labels).astype(np.uint8)) for s in scenes
    ]
    sure = fit(partly[:2], [], replace(SHORT, least_probability=60), report=silent)
    same = fit(ignored[:2], [], SHORT, report=silent)
    assert sure.history.loss == same.history.loss


def test_a_shift_is_tuned_on_the_validation_scenes_if_asked(scenes):
    plain = run(scenes)
    shifted = run(scenes, replace(SHORT, calibrate=True))
    assert plain.shift is None
    from academy.land_cover.calibration import tuned
    from academy.land_cover.inference import evaluate

    cells = np.sum([scene.cell_counts() for scene in scenes[:2]], axis=0)
    assert shifted.shift == pytest.approx(tuned(plain, scenes[2:], prior=cells))
    before = evaluate(plain, scenes[2:]).scores().macro_f1
    assert evaluate(shifted, scenes[2:]).scores().macro_f1 >= before


# -- parts of one's own ---------------------------------------------------------------------------


def test_an_own_network_loss_and_features_take_the_places_of_the_librarys(scenes):
    asked = []

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 9, 1)

        def forward(self, image):
            asked.append(tuple(image.shape[1:]))
            return self.layer(image)

    def features(image):
        return torch.cat([image, image[:, :1] - image[:, 1:]], dim=1)

    trained = run(scenes, loss=Dice(), model=lambda _: Own(), features=features)
    assert set(asked) == {(3, 32, 32)}
    assert isinstance(trained.model, Own)
    assert 0 < trained.history.loss[0] < 1
    widened = run(scenes, features=features)
    assert widened.model.channels == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "focal", "weights": "effective"},
        {"loss": "ce", "weights": "inverse", "sampler": "biased"},
        {"loss": "dice", "level": "pixel"},
        {"loss": "lovasz"},
        {"loss": "ce+dice", "weights": "root"},
        {"loss": "logit-adjusted", "sampler": "biased", "bias": 0.5},
    ],
)
def test_every_loss_trains(scenes, changes):
    history = run(scenes, replace(SHORT, steps=4, evaluate_every=4, **changes)).history
    assert np.isfinite(history.loss).all()
    assert history.loss[0] > 0


def test_weights_are_of_label_cells():
    loss = make_loss(Settings(loss="ce", weights="inverse"), [900, 100, 0, 0, 0, 0, 0, 0, 0])
    assert isinstance(loss, CrossEntropy)
    assert loss.weight[:3].tolist() == pytest.approx([5 / 9, 5, 0])


# -- interruptions --------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_to_the_same_model(scenes, tmp_path):
    settings = replace(SHORT, sampler="biased", calibrate=True)
    whole = run(scenes, settings)
    with pytest.raises(Interrupted, match=r"after 10 of 20 steps; the same call goes on") as caught:
        run(scenes, settings, out=tmp_path, report=at_step(10, terminate))
    assert str(tmp_path) in str(caught.value)
    steps = []
    again = run(scenes, settings, out=tmp_path, report=lambda moment: steps.append(moment.step))
    assert min(steps) > 10
    assert again.history.loss == whole.history.loss
    assert again.history.macro_f1 == whole.history.macro_f1
    assert again.history.learning_rate == whole.history.learning_rate
    assert torch.equal(weights(again), weights(whole))
    assert again.shift == whole.shift


def test_a_machine_that_is_lost_costs_what_came_after_the_checkpoint(scenes, tmp_path):
    settings = replace(SHORT, checkpoint_seconds=0)
    whole = run(scenes, SHORT)
    with pytest.raises(Stop):
        run(scenes, settings, out=tmp_path, report=at_step(10, lose))
    again = run(scenes, settings, out=tmp_path)
    assert again.history.loss == whole.history.loss
    assert torch.equal(weights(again), weights(whole))


def test_early_stopping_counts_across_an_interruption(scenes, tmp_path):
    settings = replace(SHORT, steps=200, evaluate_every=5, patience=4, learning_rate=1e-9, ema=0.0)
    whole = run(scenes, settings)
    assert whole.history.evaluated[-1] > 10
    with pytest.raises(Interrupted):
        run(scenes, settings, out=tmp_path, report=at_step(10, terminate))
    assert run(scenes, settings, out=tmp_path).history.evaluated == whole.history.evaluated


def test_a_finished_run_is_read_and_not_repeated(scenes, tmp_path):
    first = run(scenes, out=tmp_path)
    again = run(scenes, out=tmp_path, report=at_step(20, lose))
    assert torch.equal(weights(first), weights(again))
    assert again.history == first.history


def test_another_run_does_not_go_on_from_a_checkpoint(scenes, tmp_path):
    run(scenes, out=tmp_path)
    with pytest.raises(CheckpointError, match=r"learning_rate was 0\.003 and is 0\.001"):
        run(scenes, replace(SHORT, learning_rate=0.001), out=tmp_path)
    with pytest.raises(CheckpointError, match="other training scenes"):
        fit(scenes[:1], scenes[2:], SHORT, out=tmp_path, report=silent)
    run(scenes, replace(SHORT, workers=1), out=tmp_path)
    started = run(scenes, replace(SHORT, learning_rate=0.001), out=tmp_path, resume=False)
    assert started.settings.learning_rate == 0.001


def test_a_checkpoint_is_whole_or_not_there(scenes, tmp_path, monkeypatch):
    settings = replace(SHORT, checkpoint_seconds=0)
    with pytest.raises(Stop):
        run(scenes, settings, out=tmp_path, report=at_step(10, lose))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    real = torch.save

    def torn(state, file):
        real(state, file)
        file.truncate(1000)
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="no space"):
        run(scenes, settings, out=tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("ML_ROOT", str(tmp_path / "no-job"))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert len(run(scenes, settings, out=tmp_path).history.loss) == 20


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_a_damaged_checkpoint_is_named(scenes, tmp_path, content):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt .*to start over"):
        run(scenes, out=tmp_path)


def test_a_jobs_checkpoints_go_where_they_outlive_it(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ROOT", str(tmp_path))
    assert checkpoint_folder() is None
    run(scenes)
    (tmp_path / "checkpoints").mkdir()
    run(scenes)
    assert [each.name for each in (tmp_path / "checkpoints").iterdir()] == ["checkpoint.pt"]


def test_sigterm_means_again_what_it_meant_before(scenes, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="must start over"):
        run(scenes, report=at_step(10, terminate))
    assert signal.getsignal(signal.SIGTERM) is before


def test_training_runs_in_a_thread_too(scenes):
    found = []
    thread = threading.Thread(target=lambda: found.append(run(scenes)))
    thread.start()
    thread.join()
    assert len(found[0].history.loss) == 20


# -- several processes ----------------------------------------------------------------------------

_WORKER = """
import json, os, sys
import torch
torch.set_num_threads(1)
from academy.data.simulator import simulate
from academy.land_cover.training import Interrupted, Settings, fit, silent

folder, settings = sys.argv[1], Settings.from_json(json.loads(sys.argv[2]))
scenes = [simulate(seed, height=80, width=72) for seed in (101, 102, 103, 104)]

def report(moment):
    # Only one of the processes is told to stop.
    if moment.step == 10 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), 15)

try:
    fit(scenes[:2], scenes[2:], settings, report=report, out=folder)
except Interrupted as stopped:
    print(stopped)
trained = fit(scenes[:2], scenes[2:], settings, report=silent, out=folder)
total = sum(float(each.double().sum()) for each in trained.model.state_dict().values())
with open(f"{folder}/{os.environ['RANK']}.json", "w") as file:
    json.dump({"history": trained.history.as_json(), "weights": total}, file)
"""


def launch(folder: Path, settings: Settings) -> list[str]:
    """Two processes with the environment that torchrun gives them; what they print."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = [str(folder), json.dumps(settings.as_json())]
    shared = {
        **os.environ,
        "PYTHONPATH": str(LIBRARY),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": "1",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, *arguments],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [each.communicate(timeout=120)[0] for each in started]
        assert [each.returncode for each in started] == [0, 0]
        return said
    finally:
        for each in started:
            each.kill()


def test_two_processes_stop_together_and_have_the_curve_of_one(scenes, tmp_path):
    """Weighted, so that a mean of the two processes' means would be another loss."""
    settings = replace(
        SHORT, steps=12, evaluate_every=6, loss="ce+dice", weights="root", sampler="biased"
    )
    alone = run(scenes, settings)
    for said in launch(tmp_path, settings):
        assert "stopped (SIGTERM) after 10 of 12 steps" in said
    both = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    history = both[0]["history"]
    np.testing.assert_allclose(history["loss"], alone.history.loss, rtol=2e-3)
    np.testing.assert_allclose(history["loss"][:2], alone.history.loss[:2], rtol=1e-5)
    assert history["macro_f1"] == pytest.approx(alone.history.macro_f1, abs=0.01)
    assert history["validation_loss"] == pytest.approx(alone.history.validation_loss, rel=2e-3)
    assert {k: v for k, v in history.items() if k != "seconds"} == {
        k: v for k, v in both[1]["history"].items() if k != "seconds"
    }
    assert both[0]["weights"] == both[1]["weights"]


# -- what is refused ------------------------------------------------------------------------------


def test_a_batch_that_processes_cannot_share_is_refused(scenes):
    from academy.training.ranks import Ranks

    parts = training._Parts(training._default_model(None), None, None)
    three = Ranks(0, 3, torch.device("cpu"))
    with pytest.raises(SettingsError, match="batch is 4, which 3 processes cannot share"):
        training._Run(scenes, [], SHORT, parts, three, None, training.Bell())


def test_a_loss_that_is_no_number_ends_training_with_advice(scenes):
    class Wild(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(2, 9, 1)

        def forward(self, image):
            return self.layer(image) * float("nan")

    with pytest.raises(TrainingError, match=r"at step 1; .*lower learning_rate"):
        run(scenes, model=lambda _: Wild())


def test_scenes_that_cannot_train_are_refused(scenes):
    with pytest.raises(SceneError, match="no scenes to train on"):
        fit([], scenes, SHORT)
    with pytest.raises(SceneError, match="x1 is held out"):
        fit([scenes[0].sealed("x1")], [], SHORT)
    with pytest.raises(SceneError, match="among the training and the validation scenes"):
        fit(scenes[:2], scenes[1:], SHORT)
    with pytest.raises(ValueError, match="crops of 96 do not fit"):
        run(scenes, replace(SHORT, crop=96))


def test_half_precision_that_needs_a_gpu_says_so(scenes):
    with pytest.raises(SettingsError, match="needs a GPU"):
        run(scenes, replace(SHORT, precision="float16"), device="cpu")


def test_bfloat16_trains_close_to_float32(scenes):
    half = run(scenes, replace(SHORT, precision="bfloat16"), device="cpu").history.loss
    full = run(scenes, device="cpu").history.loss
    assert half != full
    np.testing.assert_allclose(half, full, rtol=0.1)


# -- what is shown --------------------------------------------------------------------------------


def test_a_log_has_a_line_for_each_look_at_the_validation_scenes(scenes, capsys):
    fit(scenes[:2], scenes[2:], SHORT)
    lines = capsys.readouterr().out.splitlines()
    looks = [line for line in lines if "validation macro-F1" in line]
    assert len(looks) == 2
    assert "step 10 of 20: loss" in looks[0]
    assert lines[-1].startswith("training · Completed")


def test_the_bar_tells_speed_and_time_left():
    moment = training.Moment(step=50, steps=200, loss=1.5, learning_rate=1e-3, seconds=5.0)
    display = Display(200)
    display._begun = (0, 0.0)
    assert display._note(moment).startswith("█" * 6 + "░" * 18)
    assert "10.0 steps/s · 15 s left" in display._note(moment)
