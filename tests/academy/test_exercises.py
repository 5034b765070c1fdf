"""Exercises: predictions are kept and shown beside outcomes; checks are on properties."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from academy import exercises
from academy.exercises import Exercise, Property, journal


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "predictions.json"
    monkeypatch.setenv("ACADEMY_JOURNAL", str(path))
    monkeypatch.setattr(exercises, "_unwritten_entries", {})
    return path


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What a notebook would show."""
    shown: list[dict[str, str]] = []
    monkeypatch.setattr(exercises, "_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    return shown


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_the_examples_run():
    result = doctest.testmod(exercises)
    assert result.attempted > 8
    assert result.failed == 0


@pytest.mark.parametrize("blank", [..., None, "", "...", [], [1, ...], {"a": ...}, float("nan")])
def test_a_blank_is_no_prediction_and_says_so(blank, kept, capsys):
    Exercise("bet", "How many?").predict(blank)
    assert "no prediction yet" in said(capsys)
    assert not kept.exists()


def test_a_prediction_survives_a_restart_and_is_shown_beside_the_outcome(capsys):
    Exercise("bet", "How much?", unit="%").predict(93, because="forest is everywhere")
    said(capsys)
    again = Exercise("bet", "How much?", unit="%")
    assert again.prediction == 93
    again.reveal(np.float32(47.5), note="Only nine classes.")
    text = said(capsys)
    assert "you said 93 %, it is 47.5 %; off by 45.5 points" in text
    assert "Because: forest is everywhere" in text
    assert "Only nine classes." in text


def test_who_has_seen_the_outcome_keeps_the_first_prediction(capsys):
    bet = Exercise("bet", "How many?")
    bet.predict(5)
    bet.predict(6)  # before the outcome one may think again
    bet.reveal(40)
    bet.predict(40)
    assert "your first prediction stands: 6" in said(capsys)
    assert bet.prediction == 6
    bet.start_over()
    assert bet.prediction is None


def test_a_prediction_after_the_outcome_is_marked_as_late(capsys):
    bet = Exercise("bet", "How many?")
    bet.reveal(40)
    assert "You made no prediction" in said(capsys)
    bet.predict(39)
    assert "shown before" in said(capsys)
    assert "39 (late)" in str(journal())


def test_a_ranking_is_compared_by_its_pairs(capsys):
    bet = Exercise("order", "Best first?", choices=["forest", "net", "majority"])
    bet.predict(["net", "net"])
    assert "named twice" in said(capsys)
    bet.predict(["net", "tree"])
    assert "'tree' is none of them" in said(capsys)
    bet.predict(["net", "forest", "majority"])
    bet.reveal(["forest", "net", "majority"])
    assert "2 of 3 pairs in the right order" in said(capsys)


def test_a_choice_that_is_none_is_refused_without_an_error(capsys, kept):
    bet = Exercise("bet", "Which?", choices=("yes", "no"))
    bet.predict("maybe")
    assert "'maybe' is none of yes, no" in said(capsys)
    assert not kept.exists()
    bet.predict("yes")
    bet.reveal("no")
    assert "not as you said" in said(capsys)


@pytest.mark.parametrize(
    ("predicted", "outcome", "remark"),
    [
        (100, 103, "close"),
        (True, True, "as you said"),
        (True, False, "not as you said"),
        ({"a": 1, "b": 4}, {"a": 2.0, "b": 2.0}, "off by 1.5 on average"),
        ("water", 3, "not as you said"),
        (np.array([1, 2]), [1, 2], "1 of 1 pairs"),
    ],
)
def test_numbers_texts_and_tables_can_be_predicted(predicted, outcome, remark, capsys):
    bet = Exercise("bet", "What?")
    bet.predict(predicted)
    bet.reveal(outcome)
    assert remark in said(capsys)


@pytest.mark.parametrize("broken", ["", "[1]", "{", '{"bet": 3}'])
def test_a_broken_journal_costs_no_lesson(broken, kept, capsys):
    kept.parent.mkdir()
    kept.write_text(broken)
    bet = Exercise("bet", "How many?")
    bet.predict(1)
    bet.reveal(2)
    assert "off by 1" in said(capsys)
    assert json.loads(kept.read_text())["bet"]["outcome"] == 2


def test_where_nothing_can_be_written_the_kernel_remembers(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACADEMY_JOURNAL", str(tmp_path / "file" / "predictions.json"))
    bet = Exercise("bet", "How many?")
    bet.predict(1)
    bet.reveal(2)
    assert "you said 1, it is 2" in said(capsys)
    bet.start_over()
    assert bet.prediction is None


def test_the_journal_lists_everything_in_the_order_made():
    assert str(journal()) == "No predictions yet."
    Exercise("one", "?", unit="%").predict(1, because="<b>")
    Exercise("two", "?").reveal(2)
    lines = str(journal()).splitlines()
    assert [line.split()[0] for line in lines] == ["exercise", "one", "two"]
    assert "1 %" in lines[1]
    assert "&lt;b&gt;" in journal()._repr_html_()


def halving() -> Exercise:
    exercise = Exercise("half", "Halve.", hints=("n", "d", "c"))

    @exercise.property("doubling takes it back")
    def _(function: Any) -> tuple[bool, str]:
        return function(3.0) * 2 == 3.0, f"3 became {function(3.0)}"

    exercise.checks.append(Property("of nothing is nothing", lambda function: function(0) == 0))
    return exercise


def empty(x): ...


def documented(x):
    """Halves x."""


def dotted(x):
    """Halves x."""
    return ...


@pytest.mark.parametrize("made", [..., None, empty, documented, dotted, lambda _: ...])
def test_what_is_not_written_yet_is_not_wrong(made, capsys):
    exercise = halving()
    exercise.check(made)
    assert "not done yet. Halve." in said(capsys)
    assert not exercise.passed


@pytest.mark.parametrize(
    "made", [lambda x: x, lambda _: 0, lambda x: [x], SimpleNamespace(), print, 3]
)
def test_what_is_written_is_tried_however_strange(made, capsys):
    exercise = halving()
    exercise.check(made)
    assert "of 2 hold" in said(capsys)
    assert not exercise.passed


def test_properties_that_hold_and_do_not_are_told_apart(capsys):
    exercise = halving()
    exercise.check(lambda x: x / 3)
    text = said(capsys)
    assert "1 of 2 hold" in text
    assert "- doubling takes it back: not yet; 3 became 1.0" in text
    assert "+ of nothing is nothing" in text
    exercise.check(lambda x: x / 2)
    assert exercise.passed
    exercise.check(...)
    assert not exercise.passed


def test_an_error_in_a_learners_function_is_told_and_not_raised(capsys):
    def wrong(x):
        raise KeyError("vv")

    halving().check(wrong)
    assert "it stopped with KeyError: 'vv'" in said(capsys)


def test_hints_come_one_after_another_and_end(capsys):
    exercise = halving()
    shown = []
    for _ in range(4):
        exercise.hint()
        shown.append(said(capsys).strip())
    assert shown[:3] == ["half, a nudge: n", "half, a direction: d", "half, nearly there: c"]
    assert "all the hints" in shown[3]
    Exercise("bare", "?").hint()
    assert "no hint" in said(capsys)


def test_who_writes_an_exercise_is_told_of_mistakes():
    with pytest.raises(ValueError, match="needs a name"):
        Exercise(" ", "?")
    with pytest.raises(ValueError, match="up to 3"):
        Exercise("a", "?", hints=("1", "2", "3", "4"))
    with pytest.raises(ValueError, match="list of up to 3"):
        Exercise("a", "?", hints="one")


def test_a_page_escapes_what_learners_write(pages):
    bet = Exercise("bet", "Is `1 < 2`?")
    bet.predict("<script>", because="<img>")
    bet.reveal("no", note="**Never.**")
    text = "".join(page["text/html"] for page in pages)
    assert "<script>" not in text
    assert "<img>" not in text
    assert "<b>Never.</b>" in text
    assert all(page["text/plain"].startswith("bet: ") for page in pages)


def test_a_page_folds_each_hint_into_the_one_before_it(pages):
    halving().check(lambda x: x)
    page = pages[0]["text/html"]
    order = [page.index(text) for text in ("a nudge", "a direction", "nearly there")]
    assert order == sorted(order)
    # Nothing closes before the last has opened.
    assert page.index("</details>") > order[-1]
    assert page.count("<details") == page.count("</details>") == 3


def test_without_a_prediction_a_page_folds_the_outcome_away(pages):
    Exercise("bet", "How many?").reveal(123)
    page = pages[0]["text/html"]
    assert page.index("<details>") < page.index("123") < page.index("</details>")
    summary = re.search(r"<summary>(.*?)</summary>", page)
    assert summary is not None
    assert "123" not in summary[1]


def test_a_ranking_stands_in_two_columns(pages):
    bet = Exercise("order", "Best first?")
    bet.predict(["a", "b"])
    bet.reveal(["b", "a"])
    page = pages[-1]["text/html"]
    assert "1. a<br>2. b" in page
    assert "1. b<br>2. a" in page
