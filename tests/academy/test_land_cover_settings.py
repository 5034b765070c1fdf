"""Settings: checked when made, the same from JSON and from a command line."""

from __future__ import annotations

import argparse
import dataclasses
import doctest
import json

import pytest
from academy.land_cover import settings as module
from academy.land_cover.settings import Settings
from academy.training.settings import SettingsError


def parsed(*words: str) -> Settings:
    parser = argparse.ArgumentParser(exit_on_error=False)
    Settings.add_options(parser)
    return Settings.from_options(parser.parse_args(words))


def test_examples_in_the_documentation_are_right():
    assert doctest.testmod(module).failed == 0


def test_settings_come_back_from_json():
    given = Settings(loss="focal", weights="root", flips=False, learning_rate=1e-3)
    assert Settings.from_json(json.loads(json.dumps(given.as_json()))) == given


def test_an_older_file_keeps_the_defaults_of_what_it_does_not_name():
    assert Settings.from_json({"width": 32}) == Settings(width=32)


def test_a_command_line_without_words_is_the_defaults():
    assert parsed() == Settings()


def test_options_take_hyphens_underscores_and_a_jobs_words():
    assert parsed("--learning-rate=0.01", "--flips=False", "--ema=0", "--loss=dice") == Settings(
        learning_rate=0.01, flips=False, ema=0, loss="dice"
    )
    assert parsed("--learning_rate", "0.01") == Settings(learning_rate=0.01)


def test_every_setting_has_an_option_and_says_what_it_does(capsys):
    parser = argparse.ArgumentParser()
    Settings.add_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    for each in dataclasses.fields(Settings):
        assert f"--{each.name.replace('_', '-')}" in told
        assert len(each.metadata["help"]) > 10
        assert each.name in Settings.describe()


@pytest.mark.parametrize("words", [("--flips=perhaps",), ("--steps=many",)])
def test_a_word_that_is_no_value_is_refused(words):
    with pytest.raises(argparse.ArgumentError):
        parsed(*words)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"steps": 1.5}, "steps is 1.5; it must be a whole number"),
        ({"steps": True}, "a whole number"),
        ({"flips": 1}, "true or false"),
        ({"learning_rate": "fast"}, "a number"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"learning_rate": 0.0}, "try 0.003"),
        ({"loss": "mse"}, "one of ce, focal, dice"),
        ({"weights": "inverse", "loss": "dice"}, "takes none"),
        ({"sampler": "grid"}, "random, biased"),
        ({"width": 12}, "multiple of 8"),
        ({"width": 4096}, "at most 1024"),
        ({"depth": 20}, "at most 8"),
        ({"crop": 4}, "at least 8 pixels"),
        ({"bias": 1.1}, "from 0 to 1"),
        ({"ema": 1.0}, "below 1"),
        ({"warmup": 1.0}, "share of the steps"),
        ({"least_probability": 101}, "percentage"),
        ({"speckle_looks": 0.5}, "or 0 for no speckle"),
        ({"seed": -1}, "at least 0"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(wrong, said):
    with pytest.raises(SettingsError) as caught:
        Settings(**wrong)
    assert said in str(caught.value)


def test_a_name_that_is_no_setting_is_refused():
    with pytest.raises(SettingsError, match=r"no setting epochs; there are .*steps"):
        Settings.from_json({"epochs": 3})
