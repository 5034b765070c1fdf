"""A saved model comes back as it was, and files from others cannot do harm."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from academy.data.simulator import simulate
from academy.land_cover.dataset import Normalisation
from academy.land_cover.inference import predict, predict_pixels
from academy.land_cover.settings import Settings
from academy.land_cover.trained import History, Trained, build
from academy.training.weights import ModelError
from torch import nn

torch.set_num_threads(1)
SETTINGS = Settings(width=8, depth=2, crop=32)
NORMALISATION = Normalisation((-10.25, -17.5), (4.125, 5.0))


@pytest.fixture(scope="module")
def scene():
    return simulate(101, height=48, width=48)


@pytest.fixture
def trained():
    torch.manual_seed(0)
    history = History(loss=[1.0, 0.5], evaluated=[2], macro_f1=[0.3], f1=[[0.3] * 9], best_step=2)
    return Trained(build(SETTINGS).eval(), NORMALISATION, SETTINGS, history, (0.0,) * 8 + (1.5,))


@pytest.fixture
def folder(trained, tmp_path):
    return trained.save(tmp_path / "deep" / "model")


def change(folder, **values):
    file = folder / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_a_model_comes_back_with_all_that_belongs_to_it(trained, folder, scene):
    again = Trained.load(folder)
    assert again.settings == trained.settings
    assert again.normalisation == trained.normalisation
    assert again.history == trained.history
    assert again.shift == trained.shift
    assert not again.model.training
    np.testing.assert_array_equal(predict_pixels(again, scene), predict_pixels(trained, scene))
    np.testing.assert_array_equal(predict(again, scene), predict(trained, scene))


def test_a_loaded_model_can_be_trained_on(folder):
    model = Trained.load(folder).model
    model(torch.randn(1, 2, 32, 32)).sum().backward()
    assert all(each.grad is not None for each in model.parameters())


def test_a_network_with_more_channels_comes_back(tmp_path, scene):
    def features(image):
        return torch.cat([image, image], dim=1)

    first = Trained(build(SETTINGS, 4).eval(), NORMALISATION, SETTINGS, features=features)
    again = Trained.load(first.save(tmp_path), features=features)
    np.testing.assert_array_equal(predict(again, scene), predict(first, scene))


def test_an_own_network_is_made_by_the_function_that_made_it(tmp_path):
    def own(settings):
        return nn.Conv2d(2, 9, 1)

    first = Trained(own(SETTINGS), NORMALISATION, SETTINGS)
    first.save(tmp_path)
    with pytest.raises(ModelError, match=r"Conv2d.*Trained\.load\(folder, model=\.\.\.\)"):
        Trained.load(tmp_path)
    assert torch.equal(Trained.load(tmp_path, model=own).model.weight, first.model.weight)


def test_what_is_not_there_is_named(tmp_path, folder):
    with pytest.raises(ModelError, match=r"holds no model: it has no model\.json"):
        Trained.load(tmp_path)
    (folder / "weights.pt").unlink()
    with pytest.raises(ModelError, match=r"it has no weights\.pt"):
        Trained.load(folder)


def test_no_code_in_a_file_is_run(folder, tmp_path):
    mark = tmp_path / "was-run"

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    torch.save({"stem.0.weight": Bomb()}, folder / "weights.pt")
    with pytest.raises(ModelError, match="holds more than numbers"):
        Trained.load(folder)
    (folder / "weights.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match="damaged or no model"):
        Trained.load(folder)
    assert not mark.exists()


def test_a_file_that_unpacks_to_more_than_it_is_is_refused(folder):
    plain = folder / "weights.pt"
    packed = folder / "packed.pt"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for each in old.namelist():
            new.writestr(each, old.read(each))
    packed.replace(plain)
    with pytest.raises(ModelError, match="its parts are compressed"):
        Trained.load(folder)


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_a_torn_file_is_refused(folder, keep):
    file = folder / "weights.pt"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"weights\.pt is damaged"):
        Trained.load(folder)


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ([1, 2], "something else than a table"),
        ({"stem.0.weight": 3}, "something else than weights"),
        ({"stem.0.weight": torch.zeros(3)}, "does not fit the network"),
        ({}, "does not fit the network"),
        ({1: torch.zeros(2)}, "something else than weights"),
        ({"stem.0.weight": torch.zeros(2, dtype=torch.float64)}, "not float32"),
        ({"stem.0.weight": torch.zeros(4).to_sparse()}, "not float32"),
        ({"stem.0.weight": torch.full((4,), float("nan"))}, "not finite"),
        ({"stem.0.weight": torch.zeros(1).expand(10**9)}, "more numbers than it does"),
    ],
)
def test_other_content_is_refused(folder, saved, said):
    torch.save(saved, folder / "weights.pt")
    with pytest.raises(ModelError, match=said):
        Trained.load(folder)


def test_a_vast_network_is_not_made_before_its_weights_are_seen(folder):
    """Of 512 channels and 8 levels: a hundred times what the file holds."""
    change(folder, settings={**SETTINGS.as_json(), "width": 512, "depth": 8})
    with pytest.raises(ModelError, match="does not fit the network"):
        Trained.load(folder)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": 9}, "of format 9"),
        ({"classes": ["a", "b"]}, "this project's are"),
        ({"settings": {"wdth": 8}}, "there is no setting wdth"),
        ({"settings": {"width": 1e9}}, "width is"),
        ({"settings": []}, "must be a JSON object"),
        ({"normalisation": {"mean_db": [1.0, 2.0], "std_db": [0.0, 1.0]}}, "cannot normalise"),
        ({"normalisation": None}, "cannot be used"),
        ({"normalisation": {"mean": 1}}, "cannot be used"),
        ({"shift": [1, 2]}, "must be 9 finite numbers"),
        ({"shift": [float("nan")] * 9}, "finite"),
        ({"shift": "abc"}, "cannot be used"),
        ({"network": {"a": 1}}, "does not know"),
    ],
)
def test_a_description_that_is_wrong_says_where(folder, values, said):
    change(folder, **values)
    with pytest.raises(ModelError, match=said):
        Trained.load(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100000])
def test_a_description_that_is_no_json_object_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json"):
        Trained.load(folder)


def test_a_history_that_is_none_is_refused(folder):
    (folder / "history.json").write_text('{"loss": 3}')
    with pytest.raises(ModelError, match=r"history\.json"):
        Trained.load(folder)
    (folder / "history.json").unlink()
    assert Trained.load(folder).history == History()
