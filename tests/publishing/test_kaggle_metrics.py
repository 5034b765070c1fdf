"""Kaggle's metrics: what our scorers say of what is right; a clear word for what is not."""

from __future__ import annotations

import base64
import doctest
import inspect
import io
import json
import math
import types
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from academy import kaggle as form
from academy.forecasting import submission as forecasts
from academy.land_cover import submission as maps_of
from academy.land_cover.classes import NAMES
from academy.land_cover.project import Task
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.publishing.kaggle.checking import PARTS, kaggle_scores, our_score
from infra.publishing.kaggle.metrics import climate_series, land_cover

ROW = form.ROW_ID
masks = st.integers(1, 120).flatmap(
    lambda cells: st.lists(st.booleans(), min_size=cells, max_size=cells)
)


def csv(header: str, rows: list[Any]) -> pd.DataFrame:
    """A table as it is after the way through a file."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    return pd.read_csv(io.StringIO("\n".join(lines) + "\n"))


# --- Kaggle's contract ----------------------------------------------------------------------------
@pytest.mark.parametrize("metric", [land_cover, climate_series])
def test_a_metric_is_as_kaggle_wants_it(metric: types.ModuleType) -> None:
    parameters = inspect.signature(metric.score).parameters
    assert list(parameters) == ["solution", "submission", "row_id_column_name"]
    # Types, not their names: Kaggle reads them.
    assert [each.annotation for each in parameters.values()] == [pd.DataFrame, pd.DataFrame, str]
    assert inspect.signature(metric.score).return_annotation is float
    assert issubclass(metric.ParticipantVisibleError, Exception)
    ran = doctest.testmod(metric)
    assert ran.attempted > 2
    assert ran.failed == 0


@pytest.mark.parametrize("metric", [land_cover, climate_series])
def test_a_metric_stands_alone(metric: types.ModuleType) -> None:
    source = inspect.getsource(metric)
    imported = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= {"math", "re", "typing", "numpy", "pandas"}


# --- run lengths ----------------------------------------------------------------------------------
@given(masks)
@example([True])
@example([False])
@example([True] * 7)
@example([False, True])
def test_run_lengths_come_back_as_they_were(mask: list[bool]) -> None:
    text = form.run_lengths(mask)
    assert land_cover._cells("a_0", text, len(mask)).tolist() == mask
    # As few runs as there can be, so that the same map is the same file.
    runs = 0 if text == "-" else len(text.split()) // 2
    assert runs == sum(
        now and not before for before, now in zip([False, *mask], mask, strict=False)
    )


def test_cells_are_numbered_by_rows_from_one() -> None:
    assert form.run_lengths([[0, 1, 1], [1, 0, 1]]) == "2 3 6 1"


@given(st.text(max_size=60) | st.text(alphabet="0123456789 -", max_size=40), st.integers(1, 40))
@settings(max_examples=400)
def test_any_text_is_read_or_refused_with_the_row(text: str, cells: int) -> None:
    refusal = None
    found = np.zeros(0, bool)
    try:
        found = land_cover._cells("lake_3", text, cells)
    except land_cover.ParticipantVisibleError as error:
        refusal = str(error)
    if refusal is None:
        numbers = [int(number) for number in text.split(" ")] if text not in ("", "-") else []
        # Nothing is taken but what it says: every run counted once, none outside.
        assert found.shape == (cells,)
        assert found.sum() == sum(numbers[1::2])
    else:
        assert refusal.startswith("Row lake_3: ")
        assert len(refusal) < 250
        assert refusal.isascii()
        assert refusal.isprintable()


def scene(*runs: Any, cells: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A solution of one scene, all of class 0, and a submission with these runs, class by class."""
    ids = [f"lake_{number}" for number in range(9)]
    texts = [*runs, *["-"] * (9 - len(runs))]
    solution = pd.DataFrame({ROW: ids, "rle": [f"1 {cells}", *["-"] * 8], "cells": cells})
    return solution, pd.DataFrame({ROW: ids, "rle": pd.Series(texts, dtype=object)})


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (["1 4 3 2"], "Row lake_0: the run 3 2 begins before the one before it ends"),
        (["1 3 3 4"], "Row lake_0: the run 3 4 begins before the one before it ends"),
        (["4 3 1 2"], "Row lake_0: the run 1 2 begins before the one before it ends"),
        (["1 3 1 3"], "begins before the one before it ends. Runs are in ascending order"),
        (["1 7"], "Row lake_0: the run 1 7 ends at cell 7; the scene has 6 cells"),
        (["7 1"], "the run 7 1 ends at cell 7; the scene has 6 cells"),
        (["1 9999999999"], "the run 1 9999999999 ends at cell 9999999999"),
        (["9999999999 9999999999"], "ends at cell 19999999997; the scene has 6 cells"),
        (["1 99999999999"], "are no runs. Expected start and length"),
        (["1 2 3"], "the last run has a start but no length"),
        (["0 3"], "'0 3' are no runs"),
        (["1 0"], "'1 0' are no runs"),
        (["-1 3"], "'-1 3' are no runs"),
        (["1  6"], "are no runs"),
        (["1.0 6"], "are no runs"),
        (["1 6 "], "are no runs"),
        (["١ ٦"], "are no runs"),
        (["1 6\n"], "are no runs"),
        (["=1+1"], "'=1+1' are no runs"),
        (["<b>1 6</b>"], "are no runs"),
        (["\x1b[31m1 6"], r"'\x1b[31m1 6' are no runs"),
        ([5], "Row lake_0: '5' has no runs"),
        (["1 6", "6 1"], "Row lake_1: cell 6 has class 0 already. Every cell has one class"),
        (["1 5"], "Scene lake: 1 of 6 cells have no class, the first is cell 6"),
        ([float("nan")], "Scene lake: 6 of 6 cells have no class, the first is cell 1"),
    ],
)
def test_wrong_run_lengths_are_told_to_the_participant(runs: list[Any], message: str) -> None:
    solution, submission = scene(*runs)
    with pytest.raises(land_cover.ParticipantVisibleError) as caught:
        land_cover.score(solution, submission, ROW)
    assert message in str(caught.value)


def test_the_empty_cell_and_the_dash_are_no_run() -> None:
    solution, submission = scene("1 6", "-", "", float("nan"))
    assert land_cover.score(solution, submission, ROW) == pytest.approx(1 / 9)


def test_enormous_texts_are_refused_without_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # Matching and splitting them takes seconds and gigabytes.
    monkeypatch.setattr(land_cover, "_RUNS", None)
    with pytest.raises(land_cover.ParticipantVisibleError, match="characters, more than 6 cells"):
        land_cover._cells("lake_0", "1 1 " * 1_000_000, 6)


def test_runs_that_touch_are_one_after_the_other() -> None:
    solution, submission = scene("1 3 4 3")
    assert land_cover.score(solution, submission, ROW) == pytest.approx(1 / 9)


def test_the_longest_right_text_is_read() -> None:
    cells = 100_000
    each = " ".join(f"{number} 1" for number in range(1, cells + 1))
    assert land_cover._cells("a_0", each, cells).all()


def without(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table.drop(columns=column)


def test_missing_and_doubled_rows_and_columns_are_told() -> None:
    solution, submission = scene("1 6")
    for wrong, message in (
        (submission.iloc[1:], "1 rows are missing, lake_0 among them"),
        (submission.iloc[:0], "9 rows are missing"),
        (pd.concat([submission, submission.iloc[:1]]), "Row lake_0 is there twice"),
        (without(submission, "rle"), "The column rle is missing"),
        (without(submission, ROW), "The column row_id is missing"),
    ):
        with pytest.raises(land_cover.ParticipantVisibleError, match=message):
            land_cover.score(solution, wrong, ROW)


def test_an_error_of_the_host_is_not_shown_to_participants() -> None:
    solution, submission = scene("1 6")
    with pytest.raises(ValueError, match="nine rows") as caught:
        land_cover.score(solution.iloc[1:], submission, ROW)
    assert not isinstance(caught.value, land_cover.ParticipantVisibleError)
    damaged = solution.assign(rle=["1 4 2 9", *["-"] * 8])
    with pytest.raises(ValueError, match="the solution: Row lake_0") as caught:
        land_cover.score(damaged, submission, ROW)
    assert not isinstance(caught.value, land_cover.ParticipantVisibleError)


# --- land-cover beside our scorer -----------------------------------------------------------------
def land_cover_case(shapes: list[tuple[int, int]], seed: int, classes: int) -> tuple[Any, ...]:
    """Answers, the solution, and a submission in both forms, drawn at random."""
    rng = np.random.default_rng(seed)
    names = [f"held_out-{number}" for number in range(len(shapes))]
    labels = {
        name: rng.choice([*range(classes), 255], shape).astype(np.uint8)
        for name, shape in zip(names, shapes, strict=True)
    }
    guess = {
        name: np.where(rng.random(truth.shape) < 0.5, truth % 9, rng.integers(0, 9, truth.shape))
        for name, truth in labels.items()
    }
    parts = {name: ("public", "private")[number % 2] for number, name in enumerate(names)}
    document = {
        "version": 1,
        "classes": NAMES,
        "lines": [],
        "scenes": {
            name: {
                "part": parts[name],
                "shape": list(truth.shape),
                "labels": base64.b64encode(zlib.compress(truth.tobytes())).decode(),
            }
            for name, truth in labels.items()
        },
    }
    rows = [
        (row, runs, truth.size, parts[name].title())
        for name, truth in labels.items()
        for row, runs in form.class_rows(name, truth)
    ]
    task = Task("land-cover", "", "higher", NAMES, (), {n: t.shape for n, t in labels.items()})
    ours = maps_of.packed(guess, task)
    with np.load(io.BytesIO(ours)) as arrays:
        given_rows = [row for name in names for row in form.class_rows(name, arrays[name])]
    solution = csv(f"{ROW},rle,cells,Usage", rows)
    held_out = {name: truth.shape for name, truth in labels.items()}
    published = json.dumps({"classes": NAMES, "held_out": held_out}).encode()
    given_table = csv(f"{ROW},rle", given_rows)
    return json.dumps(document).encode(), solution, ours, given_table, published


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=2, max_size=5),
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_the_metric_is_our_scorer_on_random_maps(
    shapes: list[tuple[int, int]], seed: int, classes: int
) -> None:
    answers, solution, ours, submission, task = land_cover_case(shapes, seed, classes)
    result = our_score("land-cover", ours, task, lambda _: answers)
    as_runs = submission.to_csv(index=False).encode()
    assert our_score("land-cover", as_runs, task, lambda _: answers) == result
    for part, score in zip(PARTS, (result.public, result.private), strict=True):
        assert abs(kaggle_scores(land_cover, solution, submission, part) - score) <= 1e-9


def test_the_order_of_rows_and_columns_does_not_matter() -> None:
    _, solution, _, submission, _ = land_cover_case([(5, 7), (6, 4), (3, 9)], 1, 9)
    mixed = submission.sample(frac=1, random_state=3)[["rle", ROW]]
    for part in PARTS:
        expected = kaggle_scores(land_cover, solution, submission, part)
        shuffled = solution.sample(frac=1, random_state=4)
        assert kaggle_scores(land_cover, shuffled, mixed, part) == expected


# --- climate-series beside our scorer -------------------------------------------------------------
def climate_case(seed: int, series: int, scale: float) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    names = [f"carbon-{number}" for number in range(series)]
    answers, rows, ours = ["series,step,value,part"], [], []
    scales = {
        name: {
            "mase_scale": float(rng.uniform(0.01, 9)),
            "naive_mase_public": float(rng.uniform(0.01, 9)),
            "naive_mase_private": float(rng.uniform(0.01, 9)),
        }
        for name in names
    }
    for name in names:
        for step in range(240, 250):
            part = ("public", "private")[step // 3 % 2]
            value = round(float(rng.normal(300, 40)), 3)
            answers.append(f"{name},{step},{value},{part}")
            given_value = value if rng.random() < 0.2 else value + scale * float(rng.normal())
            ours.append((name, step, given_value))
            rows.append(
                (
                    f"{name}_{step}",
                    value,
                    name,
                    scales[name]["mase_scale"],
                    scales[name][f"naive_mase_{part}"],
                    part.title(),
                )
            )
    files = {"answers.csv": "\n".join(answers).encode(), "scales.json": json.dumps(scales).encode()}
    solution = csv(f"{ROW},value,series,mase_scale,naive_mase,Usage", rows)
    submission = csv(f"{ROW},value", [(f"{n}_{s}", repr(v)) for n, s, v in ours])
    task = {"horizon": 10, "series": names, "first_step": dict.fromkeys(names, 240)}
    return files, solution, forecasts.as_csv(ours), submission, json.dumps(task).encode()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
@settings(max_examples=150, deadline=None)
def test_the_metric_is_our_scorer_on_random_forecasts(seed: int, series: int, scale: float) -> None:
    files, solution, ours, submission, task = climate_case(seed, series, scale)
    result = our_score("climate-series", ours, task, files.__getitem__)
    for part, score in zip(PARTS, (result.public, result.private), strict=True):
        found = kaggle_scores(climate_series, solution, submission, part)
        assert abs(found - score) <= 1e-9 * max(1.0, score)


@pytest.mark.parametrize(
    "value",
    [
        *("=1+1", "1e400", "inf", "nan", "", "0x10", "1_0", "1,5", "<b>", "\x1b[31m", "٣"),
        *(True, np.True_, float("nan"), math.inf, -math.inf, 1.1e9, "1" * 61, None, [1.0]),
    ],
)
def test_values_that_are_no_forecast_are_told_to_the_participant(value: Any) -> None:
    solution = pd.DataFrame(
        {ROW: ["a_1", "a_2"], "value": 1.0, "series": "a", "mase_scale": 1.0, "naive_mase": 1.0}
    )
    submission = pd.DataFrame({ROW: ["a_1", "a_2"], "value": pd.Series([1.0, value], dtype=object)})
    with pytest.raises(climate_series.ParticipantVisibleError) as caught:
        climate_series.score(solution, submission, ROW)
    assert str(caught.value).startswith("Row a_2: ")
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120


def test_missing_and_doubled_forecasts_are_told() -> None:
    _, solution, _, submission, _ = climate_case(1, 2, 1.0)
    rows = solution[solution["Usage"] == "Public"]
    for wrong, message in (
        (submission.iloc[1:], "1 rows are missing, carbon-0_240 among them"),
        (pd.concat([submission, submission.iloc[:1]]), "Row carbon-0_240 is there twice"),
        (without(submission, "value"), "The column value is missing"),
    ):
        with pytest.raises(climate_series.ParticipantVisibleError, match=message):
            climate_series.score(rows, wrong, ROW)
