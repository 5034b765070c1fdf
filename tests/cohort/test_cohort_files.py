"""Cohort files that work, and files that do not with the paths their errors must name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.cli.main import cohort as command
from infra.cohort.loading import CohortFileError, load

FILES = Path(__file__).parent / "files"
HAPPY = sorted(FILES.glob("*.happy.yaml"))
WRONG = sorted(FILES.glob("*.error.*.yaml"))


def expected_paths(path: Path) -> set[str]:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# expect: ")
    return set(first.removeprefix("# expect: ").split(", "))


def test_there_are_files_of_both_kinds() -> None:
    assert len(HAPPY) >= 3
    assert len(WRONG) >= 12


@pytest.mark.parametrize("path", HAPPY, ids=lambda p: p.name)
def test_a_good_file_is_read(path: Path) -> None:
    cohort = load(path)
    assert cohort.learners


@pytest.mark.parametrize("path", WRONG, ids=lambda p: p.name)
def test_a_wrong_file_names_every_place_and_only_those(path: Path) -> None:
    with pytest.raises(CohortFileError) as caught:
        load(path)
    assert {finding.path for finding in caught.value.findings} == expected_paths(path)
    for finding in caught.value.findings:
        assert finding.message
        assert finding.remedy
        assert finding.remedy != "see cohorts/example.yaml", "every error has a remedy of its own"


@pytest.mark.parametrize("path", WRONG, ids=lambda p: p.name)
def test_check_exits_with_1_and_no_traceback(path: Path) -> None:
    result = CliRunner().invoke(command, ["check", str(path)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    # Rich may wrap a long path over two lines.
    squeezed = "".join(result.output.split())
    for place in expected_paths(path):
        assert "".join(place.split()) in squeezed


def test_check_says_that_a_good_file_is_good() -> None:
    result = CliRunner().invoke(command, ["check", str(FILES / "example.happy.yaml")])
    assert result.exit_code == 0
    assert "earth-2026-fall" in result.output


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"a: " * 2000, b"[" * 5000, b"name: " + b"x" * 2_000_000]
)
def test_bytes_that_are_no_cohort_file_are_an_error_and_no_traceback(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(CohortFileError):
        load(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(CohortFileError):
            load(path)


def test_what_is_hardly_meant_is_a_warning(tmp_path: Path) -> None:
    text = (FILES / "example.happy.yaml").read_text(encoding="utf-8")
    path = tmp_path / "past.yaml"
    path.write_text(
        text.replace("2027-", "2025-")
        .replace("starts: 2026-", "starts: 2025-")
        .replace("starts: 2025-11", "starts: 2025-01")
        .replace("per_learner_usd: 25", "per_learner_usd: 0.01"),
        encoding="utf-8",
    )
    result = CliRunner().invoke(command, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert "ended on 2025-03-31" in result.output
    assert "does not pay for an hour" in result.output
