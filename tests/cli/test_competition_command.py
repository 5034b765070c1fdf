"""`cohort competition export kaggle` and `import kaggle`, on the cohort's own buckets."""

from __future__ import annotations

import functools
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from moto import mock_aws

from infra.cli import publish
from infra.cli.account import Site
from infra.cli.main import cohort as command
from infra.cohort.loading import load
from infra.services.competition.projects.climate_series import Answers

ROOT = Path(__file__).resolve().parents[2]
HEADER = "Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames"
BOARD = {
    "metric": "MASE",
    "better": "lower",
    "entries": [
        {
            "rank": 1,
            "team": "falcon",
            "score": 0.6,
            "submissions": 3,
            "submitted": "2027-01-02T03:04:05Z",
        }
    ],
    "lines": [{"name": "floor: seasonal naive", "score": 1.0}],
}


class Cohort:
    """A cohort with buckets, published, and its file."""

    def __init__(self, folder: Path) -> None:
        document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
        self.file = folder / "cohort.yaml"
        self.file.write_text(yaml.safe_dump(document | {"projects": ["climate-series"]}))
        self.site = Site(load(self.file))
        self.s3 = self.site.client("s3")
        for purpose in ("data", "vault", "site"):
            self.s3.create_bucket(Bucket=self.site.bucket(purpose))

    def board(self, document: Any) -> None:
        self.s3.put_object(
            Bucket=self.site.bucket("site"),
            Key="boards/climate-series.json",
            Body=document if isinstance(document, bytes) else json.dumps(document).encode(),
        )

    def run(self, verb: str, *arguments: str, project: str = "climate-series") -> Result:
        line = ["competition", verb, "kaggle", project, *arguments, "--file", str(self.file)]
        return CliRunner().invoke(command, line)


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cohort]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Cohort(tmp_path)


@pytest.fixture
def published(cohort: Cohort) -> Cohort:
    quiet = functools.partial(publish._Line, False, None)
    list(publish._climate_series(cohort.site, slow_rivals=False, progress=quiet))
    return cohort


def one_line(text: str) -> str:
    return " ".join(text.split())


# --- export ---------------------------------------------------------------------------------------
def test_what_is_published_and_sealed_is_exported(published: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "kaggle"
    result = published.run("export", "--out", str(out))
    assert result.exit_code == 0, result.output
    said = one_line(result.output)
    assert f"{out / 'solution.csv'} holds the held-out answers. It must never be shown to" in said
    assert "the mean of the last 3 years" in said
    assert stat.S_IMODE((out / "solution.csv").stat().st_mode) == 0o600
    vault = published.site.bucket("vault")

    def sealed(name: str) -> str:
        found = published.s3.get_object(Bucket=vault, Key=f"answers/climate-series/{name}")
        return str(found["Body"].read().decode())

    answers = Answers.read(sealed("answers.csv"), sealed("scales.json"))
    solution = pd.read_csv(out / "solution.csv").set_index("row_id")
    assert len(solution) == len(answers.points)
    for (series, step), (value, part) in answers.points.items():
        row = solution.loc[f"{series}_{step}"]
        assert (row["value"], row["Usage"]) == (value, part.title())
    # No answer is on the terminal, whose output is kept in histories and logs.
    assert not any(f"{value:.3f}" in result.output for value, _ in answers.points.values())
    data = published.s3.list_objects_v2(Bucket=published.site.bucket("data"))["Contents"]
    names = {item["Key"].removeprefix("datasets/climate-series/") for item in data}
    there = {p.relative_to(out / "data").as_posix() for p in out.rglob("data/**/*") if p.is_file()}
    assert there == names


def test_nothing_is_written_where_nothing_is_published(cohort: Cohort, tmp_path: Path) -> None:
    before = os.listdir(tmp_path)
    result = cohort.run("export", "--out", str(tmp_path / "kaggle"))
    assert result.exit_code == 1
    assert "Nothing is published for climate-series: run cohort publish" in one_line(result.output)
    assert os.listdir(tmp_path) == before


def test_nothing_is_written_where_nothing_is_sealed(published: Cohort, tmp_path: Path) -> None:
    key = "answers/climate-series/answers.csv"
    published.s3.delete_object(Bucket=published.site.bucket("vault"), Key=key)
    before = os.listdir(tmp_path)
    result = published.run("export", "--out", str(tmp_path / "kaggle"))
    assert result.exit_code == 1
    assert "Nothing is sealed for climate-series: run cohort publish" in one_line(result.output)
    assert os.listdir(tmp_path) == before


def test_a_taken_folder_and_another_project_are_refused(published: Cohort, tmp_path: Path) -> None:
    result = published.run("export", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "is taken: name a folder that is new or empty" in one_line(result.output)
    result = published.run("export", "--out", str(tmp_path / "x"), project="land-cover")
    assert result.exit_code == 1
    assert "'land-cover' is no project of earth-2026-fall: climate-series" in result.output


def test_an_object_that_points_outside_is_refused(published: Cohort, tmp_path: Path) -> None:
    published.s3.put_object(
        Bucket=published.site.bucket("data"),
        Key="datasets/climate-series/../../escaped.txt",
        Body=b"x",
    )
    result = published.run("export", "--out", str(tmp_path / "a" / "kaggle"))
    assert result.exit_code == 1
    assert "remove it" in one_line(result.output)
    assert not list(tmp_path.rglob("escaped.txt"))


# --- import ---------------------------------------------------------------------------------------
def leaderboard(folder: Path, *rows: str) -> str:
    file = folder / "board.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8-sig")
    return str(file)


def test_both_boards_stand_in_one_table(cohort: Cohort, tmp_path: Path) -> None:
    cohort.board(BOARD)
    file = leaderboard(tmp_path, "1,7,owls,2027-01-02 03:04:05,0.5,4,a", "2,8,ann,,0.9,1,b")
    result = cohort.run("import", file)
    assert result.exit_code == 0, result.output
    order = [result.output.index(name) for name in ("owls", "falcon", "ann", "floor: seasonal")]
    assert order == sorted(order)
    assert "Teams: 2 on Kaggle, 1 here; lower is better" in one_line(result.output)


def test_a_team_that_is_called_something_evil_is_shown(cohort: Cohort, tmp_path: Path) -> None:
    cohort.board(BOARD)
    file = leaderboard(
        tmp_path,
        "1,7,\x1b[2J\x1b]0;x\x07owls,,0.5,4,a",
        '2,8,"=HYPERLINK(""http://x"")",,0.6,4,a',
        "3,9,<script>alert(1)</script>,,0.7,4,a",
        "4,9,[bold red]ann[/bold red],,0.8,4,a",
        "5,9,[/],,0.9,4,a",
        "6,9,a\u202eb,,0.95,4,a",
    )
    result = cohort.run("import", file)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert "\u202e" not in result.output
    for text in ('=HYPERLINK("http://x")', "<script>alert(1)</script>", "[bold red]ann[/bold red]"):
        assert text in result.output


def test_before_the_first_submission_kaggle_stands_alone(cohort: Cohort, tmp_path: Path) -> None:
    result = cohort.run("import", leaderboard(tmp_path, "1,7,owls,,0.5,4,a"))
    assert result.exit_code == 0, result.output
    assert "Teams: 1 on Kaggle, 0 here; lower is better" in one_line(result.output)


def test_a_file_that_is_none_is_refused_by_its_name(cohort: Cohort, tmp_path: Path) -> None:
    file = leaderboard(tmp_path, "1,7,owls,,=1+1,4,a")
    result = cohort.run("import", file)
    assert result.exit_code == 1
    assert f"{file}: row 1: the score '=1+1' is not a number" in result.output
    result = cohort.run("import", str(tmp_path / "nowhere.csv"))
    assert result.exit_code == 1
    assert "nowhere.csv cannot be read: No such file" in result.output
    result = cohort.run("import", str(tmp_path))
    assert result.exit_code == 1
    assert "cannot be read: Is a directory" in result.output


@pytest.mark.parametrize("board", [b"{", b"[]", b"{}", b'{"entries": [{}], "lines": []}'])
def test_a_board_that_cannot_be_read_is_told(cohort: Cohort, tmp_path: Path, board: bytes) -> None:
    cohort.board(board)
    result = cohort.run("import", leaderboard(tmp_path, "1,7,owls,,0.5,4,a"))
    assert result.exit_code == 1
    assert "the academy's board" in one_line(result.output)
