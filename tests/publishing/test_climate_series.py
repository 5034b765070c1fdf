"""The sealed series: complete, keyed, scored as the scorer scores, and not to be looked up."""

from __future__ import annotations

import csv
import io
import json
from functools import cache

import numpy as np
import pytest
from academy.forecasting import climatology, damped_anomaly, evaluate
from academy.forecasting.models.baseline import Baseline
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.publishing import climate_series as sealing
from infra.services.competition.projects.climate_series import METRIC, Answers, score

KEY = bytes(range(32))
DATA, ANSWERS = "datasets/climate-series/", "answers/climate-series/"


@cache
def sealed(key: bytes = KEY, public_fraction: float = 0.3) -> sealing.Sealed:
    return sealing.build(key, public_fraction=public_fraction)


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def series(content: bytes) -> dict[str, np.ndarray]:
    found: dict[str, list[float]] = {}
    for row in table(content):
        found.setdefault(row["series"], []).append(float(row["value"]))
    return {name: np.array(values) for name, values in found.items()}


def history(files: sealing.Sealed) -> dict[str, np.ndarray]:
    return series(files.data[f"{DATA}history.csv"])


def held_out(files: sealing.Sealed) -> dict[str, np.ndarray]:
    return series(files.vault[f"{ANSWERS}answers.csv"])


def scorers_answers(files: sealing.Sealed) -> Answers:
    return Answers.read(
        files.vault[f"{ANSWERS}answers.csv"].decode(),
        files.vault[f"{ANSWERS}scales.json"].decode(),
    )


# --- the files -----------------------------------------------------------------------------------
def test_every_file_is_there_and_no_other():
    files = sealed()
    assert set(files.data) == {
        f"{DATA}{name}"
        for name in (
            *("history.csv", "task.json", "sample_submission.csv"),
            *(f"practice/{name}" for name in ("carbon.csv", "ocean.csv", "darwin.csv")),
            "practice/README.txt",
            *(f"panel/{name}/panel.json" for name in ("monthly", "grid")),
            *(f"panel/{name}/values.npy" for name in ("monthly", "grid")),
        )
    }
    assert set(files.vault) == {
        f"{ANSWERS}answers.csv",
        f"{ANSWERS}scales.json",
        "keys/climate-series.key",
    }


def test_the_task_describes_the_files():
    files = sealed()
    task = json.loads(files.data[f"{DATA}task.json"])
    past, sample = history(files), table(files.data[f"{DATA}sample_submission.csv"])
    assert task["project"] == "climate-series"
    assert task["metric"] == METRIC
    assert task["series"] == list(past)
    assert len(past) == 8
    for name, values in past.items():
        assert task["first_step"][name] == len(values) == 240
        steps = [int(row["step"]) for row in sample if row["series"] == name]
        assert steps == list(range(240, 240 + task["horizon"]))
    steps = [int(row["step"]) for row in table(files.data[f"{DATA}history.csv"])]
    assert steps == list(range(240)) * 8


def test_answers_continue_the_history_for_exactly_the_samples_rows():
    files = sealed()
    answers = table(files.vault[f"{ANSWERS}answers.csv"])
    sample = table(files.data[f"{DATA}sample_submission.csv"])
    assert [(r["series"], r["step"]) for r in answers] == [(r["series"], r["step"]) for r in sample]
    for name, past in history(files).items():
        jump = held_out(files)[name][0] - past[-1]
        assert abs(jump) <= 2 * np.abs(np.diff(past)).max()


def test_no_answer_stands_in_a_data_file():
    files = sealed()
    for name, values in held_out(files).items():
        rows = {f"{name},{240 + lead},{value:.3f}" for lead, value in enumerate(values)}
        for key, content in files.data.items():
            # values.npy is no text; what stands in it is public and has no such rows
            assert not rows & set(content.decode(errors="replace").splitlines()), key
        runs = history(files)[name]
        windows = np.lib.stride_tricks.sliding_window_view(runs, len(values))
        assert np.abs(windows - values).mean(axis=1).min() > 0
    for content in files.data.values():
        assert KEY.hex().encode() not in content
        assert KEY not in content


# --- scored as the scorer scores -----------------------------------------------------------------
@pytest.mark.parametrize("part", ["public", "private"])
def test_the_sample_submission_scores_one(part):
    files = sealed()
    sample = {
        (row["series"], int(row["step"])): float(row["value"])
        for row in table(files.data[f"{DATA}sample_submission.csv"])
    }
    assert score(sample, scorers_answers(files), part) == pytest.approx(1.0, abs=1e-12)


def test_the_library_and_the_scorer_give_the_same_score():
    files = sealed()
    answers, past, truth = scorers_answers(files), history(files), held_out(files)
    forecast = {name: climatology(values, 24) for name, values in past.items()}
    points = {
        (name, 240 + lead): float(value)
        for name, values in forecast.items()
        for lead, value in enumerate(values)
    }
    # All months at once: a scale for the whole horizon, and every point public.
    whole = {name: evaluate(truth, forecast, past)[name] for name in past}
    ratios = []
    for name in past:
        public = [lead for lead in range(24) if answers.points[name, 240 + lead][1] == "public"]
        naive = np.resize(past[name][-12:], 24)
        error = np.abs(truth[name] - forecast[name])[public].mean()
        ratios.append(error / np.abs(truth[name] - naive)[public].mean())
    assert score(points, answers, "public") == pytest.approx(np.exp(np.mean(np.log(ratios))))
    assert evaluate(truth, forecast, past)["score"] == pytest.approx(
        np.exp(np.mean(np.log(list(whole.values()))))
    )


@given(st.binary(min_size=32, max_size=32), st.floats(0.05, 0.95))
@settings(max_examples=15, deadline=None)
def test_every_key_gives_both_parts_by_blocks_over_all_leads(key, fraction):
    files = sealing.build(key, public_fraction=fraction)
    scorers_answers(files)
    rows = table(files.vault[f"{ANSWERS}answers.csv"])
    for name in history(files):
        parts = [row["part"] for row in rows if row["series"] == name]
        blocks = [set(parts[start : start + 3]) for start in range(0, 24, 3)]
        assert all(len(block) == 1 for block in blocks)
        public = sum(block == {"public"} for block in blocks)
        assert public == min(max(round(8 * fraction), 1), 7)


# --- keyed ---------------------------------------------------------------------------------------
def test_the_same_key_gives_the_same_bytes():
    assert sealing.build(KEY, public_fraction=0.3) == sealed()


def test_a_key_gives_the_series_that_it_gave_to_earlier_cohorts():
    """A cohort that publishes again must not find its answers changed. Drawn in version 1."""
    files = sealed()
    assert history(files)["carbon-1"][:3] == pytest.approx([231.873, 226.862, 219.274], abs=2e-3)
    assert held_out(files)["ocean-4"][-3:] == pytest.approx([153.740, 158.588, 165.671], abs=2e-3)


def test_another_key_gives_other_series():
    one, two = sealed(), sealed(bytes(32))
    for name, values in history(one).items():
        other = history(two)[name]
        fit = np.polyfit(values, other, 1)
        assert np.abs(np.polyval(fit, values) - other).mean() > 0.01 * other.std()
    assert one.vault.keys() == two.vault.keys()
    assert held_out(one)["ocean-1"].tolist() != held_out(two)["ocean-1"].tolist()


def test_the_public_fraction_changes_nothing_that_learners_see():
    assert sealed(KEY, 0.3).data == sealed(KEY, 0.6).data


def test_streams_of_two_purposes_are_unrelated():
    one, two = (sealing.stream(KEY, name).normal(size=2000) for name in ("a", "b"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1


def test_the_key_can_be_stored_and_read():
    key = sealing.KEY.new()
    assert sealing.KEY.parse(sealing.KEY.format(key)) == key
    assert key != sealing.KEY.new()
    for broken in (b"xyz", b"00", b"\xff\xfe"):
        with pytest.raises(sealing.SealingError, match=r"climate-series\.key"):
            sealing.KEY.parse(broken)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": b"short", "public_fraction": 0.3}, "5 bytes; it must have 32"),
        ({"key": KEY, "public_fraction": 0}, "between 0 and 1"),
        ({"key": KEY, "public_fraction": 1}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_sealed_is_told(arguments, message):
    with pytest.raises(sealing.SealingError, match=message):
        sealing.build(**arguments)


def test_a_record_that_is_too_short_is_told():
    months = tuple(f"{1990 + n // 12}-{n % 12 + 1:02}" for n in range(100))
    short = sealing.Record("short", months, np.arange(100.0), "m", "nowhere")
    with pytest.raises(sealing.SealingError, match="short has 100 months without a gap; 267"):
        sealing.build(KEY, public_fraction=0.3, sources=[short])


# --- what the seal is worth ----------------------------------------------------------------------
def test_the_simulated_part_has_the_strength_and_memory_of_the_real_one():
    _, ocean = sealing.records()
    *_, anomaly = sealing.decompose(ocean.values[:264])
    ratios, memories = [], []
    for number in range(40):
        draw = sealing._simulate(sealing.stream(KEY, f"test/{number}"), anomaly)
        ratios.append(draw.std() / anomaly.std())
        memories.append(np.corrcoef(draw[1:], draw[:-1])[0, 1])
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)
    real = np.corrcoef(anomaly[1:], anomaly[:-1])[0, 1]
    assert np.mean(memories) == pytest.approx(real, abs=0.05)


def aligned(past: np.ndarray, record: np.ndarray) -> np.ndarray:
    """The held-out months of someone who fits every window of the public record to the history."""
    best, forecast = np.inf, np.zeros(24)
    for origin in range(len(record) - 264 + 1):
        window = record[origin : origin + 264]
        design = np.column_stack([window, np.arange(264), np.ones(264)])
        fitted, *_ = np.linalg.lstsq(design[:240], past, rcond=None)
        error = float(((design[:240] @ fitted - past) ** 2).sum())
        if error < best:
            best, forecast = error, design[240:] @ fitted
    return forecast


def test_aligning_the_public_records_does_not_give_the_answers():
    """The best window, scaled, shifted and tilted at will, misses by more than rounding could."""
    files = sealed()
    records = {record.name: record.longest_run()[1] for record in sealing.records()}
    past, truth = history(files), held_out(files)
    guess = {name: aligned(values, records[name.split("-")[0]]) for name, values in past.items()}
    scores = evaluate(truth, guess, past)
    for name in past:
        assert np.abs(guess[name] - truth[name]).mean() > 100 * 10**-sealing.DECIMALS
        assert scores[name] > 0.05
    honest = {name: damped_anomaly(values, 24) for name, values in past.items()}
    assert scores["score"] > 0.4 * evaluate(truth, honest, past)["score"]


def test_the_baseline_beats_the_floor_clearly_and_ties_with_the_best_simple_forecast():
    """Three cohorts: twenty-four series. The margins are wide because two years are two years."""
    logs: dict[str, list[float]] = {"baseline": [], "damped": [], "climatology": []}
    for number in range(3):
        files = sealed(bytes([number]) * 32)
        past, truth = history(files), held_out(files)
        forecasts = {
            "baseline": Baseline().fit(past).predict(past),
            "damped": {name: damped_anomaly(values, 24) for name, values in past.items()},
            "climatology": {name: climatology(values, 24) for name, values in past.items()},
        }
        for name, forecast in forecasts.items():
            logs[name].append(np.log(evaluate(truth, forecast, past)["score"]))
    scores = {name: float(np.exp(np.mean(values))) for name, values in logs.items()}
    assert scores["baseline"] < 0.7
    assert scores["baseline"] < 1.15 * scores["damped"]
