"""The rivals' forecasts of the sealed series: made once, and scored as the library scores them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from academy.errors import AcademyError
from academy.forecasting.evaluation import metrics
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from academy.forecasting.rivals import roster as library
from academy.forecasting.rivals import statsforecast_models

from infra.publishing import climate_series, rivals
from infra.publishing.climate_series import HISTORY, HORIZON, Sealed
from infra.services.competition.projects.climate_series import (
    COVERAGE,
    WQL,
    Answers,
    ClimateSeries,
)
from infra.services.competition.projects.project import Line

HISTORY_CSV, ANSWERS_CSV = "datasets/climate-series/history.csv", "answers/climate-series/"


@pytest.fixture(autouse=True)
def _away_from_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACADEMY_CACHE", str(tmp_path / "cache"))


@cache
def sealed(fraction: float = 0.3) -> Sealed:
    return climate_series.build(bytes(range(32)), public_fraction=fraction)


@cache
def quick() -> rivals.Lines:
    return rivals.build(sealed(), slow=False)


def lines(document: bytes, of: Sealed | None = None) -> list[Line]:
    vault = {**(of or sealed()).vault, rivals.KEY: document}
    return ClimateSeries().lines(lambda name: vault[ANSWERS_CSV + name])


class Statsforecast:
    """Stands for the slow three: says something at once, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.asked: list[str] = []
        self.is_of("1")
        monkeypatch.setattr(statsforecast_models, "forecast", self)
        # In this process, so that the counting is seen.
        monkeypatch.setattr(library.cache, "fill", lambda *_, **__: 0)

    def is_of(self, version: str) -> None:
        self.monkeypatch.setattr(statsforecast_models, "versions", lambda: f"s {version}")

    def is_gone(self) -> None:
        def missing() -> str:
            raise statsforecast_models.MissingPackage("statsforecast is not installed")

        self.monkeypatch.setattr(statsforecast_models, "versions", missing)

    def __call__(self, name: str, past: Any, horizon: int, _: int) -> Any:
        self.asked.append(name)
        return past.mean() + np.linspace(-9, 9, 19) + np.zeros((horizon, 1))


@pytest.fixture
def statsforecast(monkeypatch: pytest.MonkeyPatch) -> Statsforecast:
    return Statsforecast(monkeypatch)


# --- what is left for the scorer ------------------------------------------------------------------
def test_each_line_is_what_the_library_says_of_the_same_forecast():
    answers = Answers.read(
        *(sealed().vault[ANSWERS_CSV + name].decode() for name in ("answers.csv", "scales.json"))
    )
    history = rivals.read_history(sealed().data[HISTORY_CSV])
    found = lines(quick().content)
    assert [line.name for line in found] == [
        "floor: seasonal naive",
        *(f"rival: {name}" for name in library.QUICK[1:]),
    ]
    for name, line in zip(library.QUICK, found, strict=True):
        made = library.RIVALS[name](history, HORIZON, quantiles=True)
        for part in ("public", "private"):
            logs, losses, inside = {}, [], []
            for series, past in history.items():
                at = np.array(
                    [answers.points[series, HISTORY + step][1] == part for step in range(HORIZON)]
                )
                truth = np.array(
                    [answers.points[series, HISTORY + step][0] for step in range(HORIZON)]
                )
                fan = made[series][at]
                naive = np.resize(past[-12:], HORIZON)[at]
                ratio = metrics.mae(truth[at], fan[:, MEDIAN]) / metrics.mae(truth[at], naive)
                logs[series] = np.log(min(2.0, ratio))
                losses.append(metrics.wql(truth[at], fan))
                inside += list((fan[:, 1] <= truth[at]) & (truth[at] <= fan[:, 17]))
            units = line.units if part == "public" else line.private_units
            value = line.score if part == "public" else line.private
            # The forecasts are kept with four digits.
            assert value == pytest.approx(np.exp(np.mean(list(logs.values()))), rel=1e-4)
            assert {unit: each[0] for unit, each in units.items()} == pytest.approx(logs, abs=1e-3)
            if part == "public":
                assert line.also[WQL] == pytest.approx(np.mean(losses), rel=1e-3)
                assert line.also[COVERAGE] == pytest.approx(np.mean(inside))
    assert (found[0].score, found[0].private) == (1.0, 1.0)


def test_the_document_says_whose_forecasts_it_has():
    document = json.loads(quick().content)
    assert list(document["rivals"]) == list(library.QUICK)
    assert document["levels"] == list(LEVELS)
    for given in document["rivals"].values():
        assert "numpy" in given["made_by"]
        assert len(given["forecasts"]) == 8
        for of_series in given["forecasts"].values():
            assert of_series["first"] == HISTORY
            fan = np.array(of_series["quantiles"])
            assert fan.shape == (HORIZON, 19)
            assert (np.diff(fan, axis=1) >= 0).all()
            assert of_series["value"] == fan[:, MEDIAN].tolist()


def test_the_forecasts_need_the_public_history_alone():
    """Another choice of what is public changes the answers' digest, and no forecast."""
    other = sealed(0.6)
    assert other.vault[f"{ANSWERS_CSV}answers.csv"] != sealed().vault[f"{ANSWERS_CSV}answers.csv"]
    made = rivals.build(other, slow=False)
    assert json.loads(made.content)["rivals"] == json.loads(quick().content)["rivals"]
    # And the scorer takes no document for that of other answers.
    assert len(lines(made.content, other)) == 5
    assert lines(quick().content, other) == [Line("floor: seasonal naive", 1.0, private=1.0)]


# --- once -----------------------------------------------------------------------------------------
def test_a_second_time_nothing_is_computed(statsforecast: Statsforecast, monkeypatch: Any):
    first = rivals.build(sealed())
    assert first.rivals == first.computed == tuple(library.RIVALS)
    assert len(statsforecast.asked) == 3 * 8
    monkeypatch.setattr(library, "RIVALS", dict.fromkeys(library.RIVALS))
    again = rivals.build(sealed(), first.content)
    assert (again.computed, again.content) == ((), first.content)
    assert rivals.build(sealed(), first.content, slow=False).content == first.content


def test_another_public_fraction_computes_nothing(statsforecast: Statsforecast):
    first = rivals.build(sealed())
    again = rivals.build(sealed(0.6), first.content)
    assert again.computed == ()
    assert len(lines(again.content, sealed(0.6))) == 8


def test_a_new_version_of_the_packages_computes_theirs_again(statsforecast: Statsforecast):
    first = rivals.build(sealed())
    statsforecast.is_of("2")
    again = rivals.build(sealed(), first.content)
    assert (again.computed, again.rivals) == (library.SLOW, tuple(library.RIVALS))
    made_by = {name: each["made_by"] for name, each in json.loads(again.content)["rivals"].items()}
    assert {made_by[name] for name in library.SLOW} == {"s 2"}


def test_another_history_computes_all_again(statsforecast: Statsforecast):
    first = rivals.build(sealed())
    content = sealed().data[HISTORY_CSV].replace(b"carbon-1,3,", b"carbon-1,3,1")
    other = replace(sealed(), data={**sealed().data, HISTORY_CSV: content})
    assert rivals.build(other, first.content).computed == tuple(library.RIVALS)


@pytest.mark.parametrize(
    "before",
    [b"", b"\xff", b"[]", b"{}", b'{"version": 1}', b'{"version": 0, "history": "x"}'],
    ids=["nothing", "no-text", "a-list", "an-object", "no-history", "of-old"],
)
def test_what_cannot_be_read_is_made_anew(before: bytes):
    assert rivals.build(sealed(), before, slow=False) == quick()


@pytest.mark.parametrize(
    "damage",
    [
        lambda drift: drift.pop("forecasts"),
        lambda drift: drift["forecasts"].popitem(),
        lambda drift: drift["forecasts"]["ocean-1"]["value"].pop(),
        lambda drift: drift["forecasts"]["ocean-1"]["quantiles"][3].reverse(),
        lambda drift: drift["forecasts"]["ocean-1"].update(first=HISTORY + 1),
        lambda drift: drift.update(made_by=None),
    ],
    ids=["forecasts", "a-series", "a-step", "crossing", "other-steps", "versions"],
)
def test_a_rival_that_cannot_be_scored_is_made_anew_and_no_other(damage: Any):
    document = json.loads(quick().content)
    damage(document["rivals"]["drift"])
    again = rivals.build(sealed(), json.dumps(document).encode(), slow=False)
    assert again.computed == ("drift",)
    assert again.content == quick().content


# --- without statsforecast ------------------------------------------------------------------------
def test_without_statsforecast_a_sentence_says_so_and_the_others_stand(
    statsforecast: Statsforecast,
):
    statsforecast.is_gone()
    found = rivals.build(sealed())
    assert found.rivals == library.QUICK
    assert found.remarks == (
        "AutoETS, AutoTheta and AutoARIMA: no lines on the board. They need statsforecast, which "
        "is not installed here. Install it and publish again",
    )
    assert found.content == quick().content


def test_without_statsforecast_what_another_admin_computed_stays(statsforecast: Statsforecast):
    first = rivals.build(sealed())
    statsforecast.is_gone()
    again = rivals.build(sealed(), first.content)
    assert (again.content, again.computed, again.remarks) == (first.content, (), ())


def test_what_fails_is_told_and_the_others_stand(
    statsforecast: Statsforecast, monkeypatch: pytest.MonkeyPatch
):
    def fill(*_: Any, **__: Any) -> int:
        raise AcademyError("A rival could not be computed: it is so")

    monkeypatch.setattr(library.cache, "fill", fill)
    found = rivals.build(sealed())
    assert found.rivals == library.QUICK
    [remark] = found.remarks
    assert remark == (
        "AutoETS, AutoTheta and AutoARIMA: no lines on the board. "
        "A rival could not be computed: it is so"
    )


@pytest.mark.parametrize("known_before", [False, True])
def test_what_fails_of_one_rival_takes_no_other_with_it(
    known_before: bool, statsforecast: Statsforecast, monkeypatch: pytest.MonkeyPatch
):
    before = rivals.build(sealed()).content if known_before else None
    statsforecast.is_of("2")

    def fill(tasks: Any, **_: Any) -> int:
        if any(task.rival == "AutoARIMA" for task in tasks):
            raise AcademyError("AutoARIMA finds no model")
        return 0

    monkeypatch.setattr(library.cache, "fill", fill)
    found = rivals.build(sealed(), before)
    made_by = {name: each["made_by"] for name, each in json.loads(found.content)["rivals"].items()}
    assert (made_by["AutoETS"], made_by["AutoTheta"]) == ("s 2", "s 2")
    assert "AutoARIMA" not in found.computed
    [remark] = found.remarks
    if known_before:
        assert found.rivals == tuple(library.RIVALS)
        assert made_by["AutoARIMA"] == "s 1"
        assert remark == (
            "AutoARIMA: as computed before, by other versions. AutoARIMA finds no model"
        )
    else:
        assert found.rivals == (*library.QUICK, "AutoETS", "AutoTheta")
        assert remark == "AutoARIMA: no lines on the board. AutoARIMA finds no model"


def test_left_out_they_are_not_missed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    assert rivals.build(sealed(), slow=False).remarks == ()


@pytest.mark.slow
def test_all_eight_of_the_sealed_series():
    """Takes 25 s on two cores that have nothing else to do."""
    pytest.importorskip("statsforecast")
    told: list[tuple[int, int]] = []
    found = rivals.build(sealed(), report=lambda *n: told.append(n))
    assert told[-1] == (24, 24)
    scores = {line.name: line.score for line in lines(found.content)}
    assert len(scores) == 8
    assert all(scores[f"rival: {name}"] < 0.6 for name in library.SLOW)
    assert all(0.6 < line.also[COVERAGE] < 0.95 for line in lines(found.content)[5:])
    assert rivals.build(sealed(), found.content).computed == ()
