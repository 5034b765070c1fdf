"""The embedded cloud is held to the transcripts of `cohort probe`, and the comparison sees what
differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.cli.probe import golden
from infra.cli.probe.command import check

GOLDEN = Path(__file__).parent / "golden"
RUNS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
#: Quick to replay: no Studio, no job, no function.
QUICK = ("annual-budget", "if-none-match", "storage-class", "customer-key", "missing-object")


def test_there_are_transcripts_and_they_say_where_they_are_from():
    assert RUNS
    for run in RUNS:
        source, lines = golden.read(run)
        assert source == ("embedded" if run.name == "embedded" else "aws")
        assert lines


@pytest.mark.clients
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_embedded_cloud_answers_as_the_transcripts_say(run):
    found = check(run)
    assert [str(each) for each in found.differences] == []
    assert found.calls > 50


# --- the comparison -------------------------------------------------------------------------------
def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text("utf-8").splitlines()]


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A few transcripts, with what they share of the bucket alone."""
    for name in QUICK:
        shutil.copy(GOLDEN / "embedded" / f"{name}.jsonl", tmp_path)
    header, *shared = lines_of(GOLDEN / "embedded" / "shared.jsonl")
    wanted = [line for line in shared if line.get("service") == "s3"]
    write(tmp_path / "shared.jsonl", [header, *wanted])
    return tmp_path


Change = Callable[[dict[str, Any]], None]


def changed(folder: Path, name: str, operation: str, change: Change) -> None:
    """Change the first call of `operation` as if AWS had answered so."""
    path = folder / f"{name}.jsonl"
    lines = lines_of(path)
    change(next(line for line in lines if line.get("operation") == operation))
    write(path, lines)


@pytest.mark.clients
def test_a_few_transcripts_are_answered_alike(quick):
    found = check(quick)
    assert [str(each) for each in found.differences] == []
    assert found.calls >= 15


def _status(line: dict[str, Any]) -> None:
    line["response"]["status"] = 409


def _error(line: dict[str, Any]) -> None:
    line["response"]["status"] = 403
    line["error"] = {"code": "AccessDenied", "message": "…"}


def _more(line: dict[str, Any]) -> None:
    line["response"]["parsed"]["Budget"]["HealthStatus"] = {"Status": "HEALTHY"}


def _less(line: dict[str, Any]) -> None:
    del line["response"]["parsed"]["Budget"]["TimePeriod"]["Start"]


def _enumeration(line: dict[str, Any]) -> None:
    line["response"]["parsed"]["Budget"]["TimeUnit"] = "MONTHLY"


def _form(line: dict[str, Any]) -> None:
    line["response"]["parsed"]["Budget"]["TimePeriod"]["Start"] = "the first"


@pytest.mark.parametrize(
    ("operation", "change", "said"),
    [
        ("CreateBudget", _status, "200, was 409"),
        ("CreateBudget", _error, "200, was 403 AccessDenied"),
        ("DescribeBudget", _more, "Budget.HealthStatus: is not there"),
        ("DescribeBudget", _less, "Budget.TimePeriod.Start: was not there"),
        ("DescribeBudget", _enumeration, "Budget.TimeUnit: is 'ANNUALLY', was 'MONTHLY'"),
        ("DescribeBudget", _form, "Budget.TimePeriod.Start: is a time, was a text"),
    ],
)
def test_what_is_answered_otherwise_is_named(tmp_path, monkeypatch, operation, change, said):
    monkeypatch.setattr(golden, "WAIT_SECONDS", 0)
    shutil.copy(GOLDEN / "embedded" / "annual-budget.jsonl", tmp_path)
    changed(tmp_path, "annual-budget", operation, change)
    differences = check(tmp_path).differences
    assert [said in str(each) for each in differences] == [True]
    assert differences[0].file == "annual-budget.jsonl"


def test_what_may_differ_is_listed_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "WAIT_SECONDS", 0)
    shutil.copy(GOLDEN / "embedded" / "annual-budget.jsonl", tmp_path)
    changed(tmp_path, "annual-budget", "DescribeBudget", _more)
    monkeypatch.setitem(
        golden.ALLOWED, ("budgets", "DescribeBudget", "Budget.HealthStatus"), "newer than moto"
    )
    assert check(tmp_path).differences == []
    assert all(reason for reason in golden.ALLOWED.values())


def test_a_transcript_without_what_it_stands_on_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "WAIT_SECONDS", 0)
    shutil.copy(GOLDEN / "embedded" / "missing-object.jsonl", tmp_path)
    differences = [str(each) for each in check(tmp_path).differences]
    assert any("s3:PutObject: 404 NoSuchBucket" in each for each in differences)


def test_ids_that_the_cloud_makes_are_bound_and_put_into_later_calls():
    there = "arn:aws:sagemaker:us-east-1:123456789012:domain/d-000000000001"
    here = "arn:aws:sagemaker:us-east-1:123456789012:domain/d-abcdefghijkl"
    assert dict(golden._bindings(there, here)) == {"d-000000000001": "d-abcdefghijkl"}
    assert dict(golden._bindings(there, "something else")) == {}


def test_a_folder_without_transcripts_is_refused(tmp_path):
    with pytest.raises(golden.NoTranscript, match="no source"):
        check(tmp_path)


def test_transcripts_of_two_sources_are_not_mixed(quick):
    path = quick / "annual-budget.jsonl"
    header, *calls = lines_of(path)
    write(path, [{**header, "source": "aws"}, *calls])
    with pytest.raises(golden.NoTranscript, match=r"aws.*embedded"):
        golden.read(quick)
