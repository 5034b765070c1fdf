"""The advisor's side of the library: how teams are, what they have, and nothing that writes."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from academy import advising
from academy.connection import Connection
from academy.errors import JobFailed, Refused, SourceError
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.academy import fake_academy, hostile

PARAMETER = "/academy/workspaces/earth--shelley"
ROSTER = ["/academy/earth/roster/1", "/academy/earth/roster/2"]
CONFIG: dict[str, Any] = {
    **fake_academy.WORKSPACE,
    "kind": "advisor",
    "learner": "shelley",
    "team": "",
    "teammates": [],
    "training_role": "",
    "roster": ROSTER,
    "gpus": {"ml.g5.xlarge": 1, "ml.g5.12xlarge": 4},
    "prefixes": {
        **fake_academy.WORKSPACE["prefixes"],
        "team": "teams/{team}/",
        "submissions": "submissions/{project}/{team}/",
        "receipts": "receipts/{project}/{team}/",
    },
}
JOB = "earth--falcon--ana--aaaaaaaa"
BEGAN = dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)


class Jobs:
    """SageMaker and CloudWatch Logs, as far as an advisor asks them."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def add(self, name: str, instance: str, seconds: int | None, **more: Any) -> None:
        done = {} if seconds is None else {"BillableTimeInSeconds": seconds}
        self.known[name] = {
            "TrainingJobName": name,
            "TrainingJobStatus": "InProgress" if seconds is None else "Completed",
            "ResourceConfig": {"InstanceType": instance, "InstanceCount": 1},
            "CreationTime": BEGAN + len(self.known) * dt.timedelta(minutes=1),
            **done,
            **more,
        }

    def describe_training_job(self, *, TrainingJobName: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(TrainingJobName)
        if TrainingJobName not in self.known:
            error = {"Code": "ValidationException", "Message": "Requested resource not found."}
            raise ClientError({"Error": error}, "DescribeTrainingJob")
        return self.known[TrainingJobName]

    def get_paginator(self, _operation: str) -> Jobs:
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        for name, job in self.known.items():
            if name.startswith(asked["logStreamNamePrefix"]):
                began = int(job["CreationTime"].timestamp() * 1000)
                stream = {"logStreamName": f"{name}/algo-1-1", "creationTime": began}
                yield {"logStreams": [stream]}

    def describe_log_streams(self, **asked: Any) -> dict[str, Any]:
        return {"logStreams": [{"logStreamName": f"{asked['logStreamNamePrefix']}algo-1-1"}]}

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        events = [] if "nextToken" in asked else [{"message": "epoch 1\n"}]
        return {"events": events, "nextForwardToken": "same"}


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[fake_academy.FakeAcademy]:
    with mock_aws():
        made = fake_academy.build(tmp_path / "jobs")
        made.ssm.put_parameter(Name=PARAMETER, Value=json.dumps(CONFIG), Type="String")
        for name, page in zip(
            ROSTER, ({"falcon": ["ana", "ben"]}, {"heron": ["chi"]}), strict=True
        ):
            made.ssm.put_parameter(Name=name, Value=json.dumps(page), Type="String")
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def shelley(fake: fake_academy.FakeAcademy, jobs: Jobs, home: Path) -> Connection:
    def clients(service: str, region: str | None) -> Any:
        return jobs if service in ("sagemaker", "logs") else fake.clients(service, region)

    return Connection.open(environ={"ACADEMY_WORKSPACE": PARAMETER}, clients=clients)


@pytest.fixture
def ana(fake: fake_academy.FakeAcademy) -> Connection:
    return Connection.open(
        environ={"ACADEMY_WORKSPACE": fake_academy.PARAMETER}, clients=fake.clients
    )


def put(fake: fake_academy.FakeAcademy, key: str, content: bytes, bucket: str = "work") -> None:
    fake.s3.put_object(Bucket=f"earth-{bucket}", Key=key, Body=content)


# --- how teams are --------------------------------------------------------------------------------
def test_every_team_is_shown_also_one_that_has_done_nothing(
    fake: fake_academy.FakeAcademy, shelley: Connection, jobs: Jobs
) -> None:
    jobs.add(JOB, "ml.g5.xlarge", 1800)
    jobs.add("earth--falcon--ben--bbbbbbbb", "ml.g5.12xlarge", 900)
    jobs.add("earth--falcon--ben--cccccccc", "ml.m5.large", 3600)
    jobs.add("earth--falcon--ben--dddddddd", "ml.g5.xlarge", None)
    for name in ("20261201T100203Z-0123456789ab.csv", "20261203T080000Z-0123456789ab.csv"):
        put(fake, f"submissions/climate-series/falcon/{name}", b"x")
    board = {"entries": [{"team": "falcon", "score": 0.4321, "rank": 1}]}
    put(fake, "boards/climate-series.json", json.dumps(board).encode(), "site")

    teams = shelley.teams()

    falcon, heron = teams
    assert falcon == {
        "team": "falcon",
        "learners": ["ana", "ben"],
        "jobs": 4,
        "gpu_hours": pytest.approx(0.5 + 1.0),
        "last": {"climate-series": "2026-12-03T08:00:00Z"},
        "score": {"climate-series": 0.4321},
    }
    assert (heron["jobs"], heron["gpu_hours"], heron["last"], heron["score"]) == (0, None, {}, {})
    lines = repr(teams).splitlines()
    assert lines[2].split() == [
        *("falcon", "ana,", "ben", "2026-12-03", "08:00", "0.432", "4", "1.5")
    ]
    assert "heron" in teams._repr_html_()


def test_what_has_ended_is_asked_for_once(shelley: Connection, jobs: Jobs) -> None:
    jobs.add(JOB, "ml.m5.large", 60)
    jobs.add("earth--heron--chi--bbbbbbbb", "ml.m5.large", None)
    shelley.teams()
    shelley.teams()
    assert sorted(jobs.asked) == [JOB, *["earth--heron--chi--bbbbbbbb"] * 2]


def test_gpus_of_a_type_that_nobody_counted_are_not_guessed(
    shelley: Connection, jobs: Jobs
) -> None:
    jobs.add(JOB, "ml.p9.xlarge", 3600)
    assert shelley.teams()[0]["gpu_hours"] is None


def test_of_very_many_jobs_the_newest_are_asked_for_and_that_is_said(
    shelley: Connection, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advising, "MAX_JOBS", 2)
    for number in range(5):
        jobs.add(f"earth--falcon--ana--{number:08x}", "ml.m5.large", 60)
    teams = shelley.teams()
    assert teams[0]["jobs"] == 5
    assert sorted(jobs.asked) == ["earth--falcon--ana--00000003", "earth--falcon--ana--00000004"]
    assert "the newest 2 of 5 jobs" in repr(teams)


def test_hostile_words_in_a_table_are_text(
    fake: fake_academy.FakeAcademy, shelley: Connection, jobs: Jobs
) -> None:
    put(fake, f"teams/falcon/{hostile.MARKUP[0]}", b"x")
    jobs.add(JOB, hostile.MARKUP[1], 1, FailureReason=hostile.MARKUP[0])
    shown = shelley.look("falcon")._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown


# --- one team -------------------------------------------------------------------------------------
def test_a_look_shows_entries_jobs_and_files_of_one_team(
    fake: fake_academy.FakeAcademy, shelley: Connection, jobs: Jobs
) -> None:
    jobs.add(JOB, "ml.m5.large", 1800)
    jobs.add("earth--heron--chi--bbbbbbbb", "ml.m5.large", 60)
    put(fake, "teams/falcon/shared/mine.ipynb", hostile.notebook())
    put(fake, "teams/heron/shared/theirs.ipynb", b"{}")
    sent = "20261201T100203Z-0123456789ab.csv"
    put(fake, f"submissions/climate-series/falcon/{sent}", b"x")
    look = shelley.look("falcon")
    assert [each.key for each in look.files] == ["shared/mine.ipynb"]
    assert [(each.name, each.hours) for each in look.jobs] == [(JOB, 0.5)]
    assert [(each.project, each.total) for each in look.entries] == [("climate-series", 1)]
    assert "shared/mine.ipynb" in repr(look)
    assert sent in look._repr_html_()
    assert "climate-series: 0 sent\n  nothing yet" in repr(shelley.look("heron"))


@pytest.mark.parametrize("team", ["", "..", "falcon/", "nobody", "falcon/../heron", "{project}"])
def test_a_team_that_there_is_not_is_refused_by_name(shelley: Connection, team: str) -> None:
    for call in (shelley.look, lambda each: shelley.read(each, "x")):
        with pytest.raises(SourceError, match="falcon, heron"):
            call(team)


def test_an_advisor_attaches_to_any_job_for_its_status_and_log(
    shelley: Connection, jobs: Jobs
) -> None:
    jobs.add(JOB, "ml.m5.large", 60, TrainingJobStatus="Failed", FailureReason="a bug")
    job = shelley.attach(JOB)
    assert (job.status, job.failure, job.log) == ("Failed", "a bug", "epoch 1")
    with pytest.raises(Refused, match="stop no job"):
        job.stop()
    for left in (job.model, job.output):
        with pytest.raises(JobFailed, match=r"academy\.read\('falcon', 'jobs/"):
            left()
    assert job.metrics == {}


# --- files ----------------------------------------------------------------------------------------
def test_a_notebook_is_kept_as_a_page_under_a_name_of_ours(
    fake: fake_academy.FakeAcademy, shelley: Connection, home: Path
) -> None:
    put(fake, "teams/falcon/shared/mine.ipynb", hostile.notebook())
    page = shelley.read("falcon", "shared/mine.ipynb")
    assert page.title == "falcon: shared/mine.ipynb"
    assert page.file.startswith("teams/falcon/shared-mine-ipynb-")
    kept = home / page.file
    assert kept.read_text(encoding="utf-8") == page.html
    assert kept.stat().st_mode & 0o777 == 0o600


def test_no_name_of_theirs_becomes_one_that_python_or_jupyter_looks_for(
    fake: fake_academy.FakeAcademy, shelley: Connection, home: Path, tmp_path: Path
) -> None:
    code = b"open(__import__('os').environ['MARK'], 'w').write('ran')\n"
    for name in hostile.NAMES:
        put(fake, f"teams/falcon/{name}", code)
        shelley.read("falcon", name)
    put(fake, "teams/falcon/code/a/source.tar.gz", hostile.tar(*[(n, code) for n in hostile.NAMES]))
    for name in hostile.NAMES:
        shelley.read("falcon", f"code/a/source.tar.gz/{name}")
    written = [each for each in home.rglob("*") if each.is_file()]
    assert len(written) == 2 * len(hostile.NAMES)
    assert {each.suffix for each in written} == {".html"}
    assert {each.parent for each in written} == {home / "teams" / "falcon"}
    # Python and IPython started there, with the home as theirs, run none of it.
    mark = tmp_path / "mark"
    where = home / "teams" / "falcon"
    environment = {**os.environ, "HOME": str(home), "MARK": str(mark), "PYTHONPATH": str(where)}
    for command in (
        ["-c", "import site"],
        ["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", str(where)],
        ["-m", "IPython", "-c", "pass"],
    ):
        subprocess.run(
            [sys.executable, *command], cwd=where, env=environment, capture_output=True, timeout=60
        )
        assert not mark.exists(), command


def test_a_sitecustomize_under_its_own_name_would_have_run(tmp_path: Path) -> None:
    """What the test before would see."""
    mark = tmp_path / "mark"
    (tmp_path / "sitecustomize.py").write_text(f"open({str(mark)!r}, 'w').write('ran')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "pass"], env=environment, check=True, timeout=60)
    assert mark.exists()


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "..", "../heron/x", "shared/../../heron/x", "a//b", "./a", "a/.", "a\\b"),
        *("a\nb", "a\x00b", "code/a/source.tar.gz/../../x", "x" * 901, "/etc/passwd"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(
    fake: fake_academy.FakeAcademy, shelley: Connection, path: str, home: Path
) -> None:
    put(fake, "teams/heron/x", b"of heron")
    with pytest.raises(SourceError, match="no path in a team's folder"):
        shelley.read("falcon", path)
    assert list(home.iterdir()) == []


def test_a_key_that_climbs_out_by_its_own_name_is_not_read(
    fake: fake_academy.FakeAcademy, shelley: Connection
) -> None:
    put(fake, "teams/falcon/../../../etc/x", b"x")
    [file] = shelley.look("falcon").files
    with pytest.raises(SourceError, match="no path"):
        shelley.read("falcon", file.key)


def test_an_archive_is_listed_and_a_file_in_it_shown(
    fake: fake_academy.FakeAcademy, shelley: Connection
) -> None:
    content = hostile.tar(("train.py", b"import torch"), (hostile.link("l", "/etc/passwd"), b""))
    put(fake, "teams/falcon/code/ab/source.tar.gz", content)
    assert "train.py" in shelley.read("falcon", "code/ab/source.tar.gz").text
    assert shelley.read("falcon", "code/ab/source.tar.gz/train.py").text == "import torch"
    with pytest.raises(SourceError, match="no plain file l in the archive"):
        shelley.read("falcon", "code/ab/source.tar.gz/l")


def test_what_is_not_there_or_too_large_is_said_before_it_is_fetched(
    fake: fake_academy.FakeAcademy, shelley: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match=r"no file shared/x\.py"):
        shelley.read("falcon", "shared/x.py")
    put(fake, "teams/falcon/big.csv", b"1" * 1001)
    monkeypatch.setattr(advising.showing, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(shelley._cloud, "read", lambda *_: pytest.fail("it was fetched"))
    with pytest.raises(SourceError, match=r"big\.csv has"):
        shelley.read("falcon", "big.csv")


def test_a_page_is_never_written_through_a_link(
    fake: fake_academy.FakeAcademy, shelley: Connection, home: Path, tmp_path: Path
) -> None:
    put(fake, "teams/falcon/a.py", b"1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "teams").symlink_to(elsewhere)
    with pytest.raises(SourceError, match="is no folder"):
        shelley.read("falcon", "a.py")
    assert list(elsewhere.iterdir()) == []


# --- who may what ---------------------------------------------------------------------------------
def test_an_advisor_is_greeted_as_one(shelley: Connection) -> None:
    assert "Hello shelley!" in repr(shelley)
    assert "academy.teams()" in repr(shelley)
    assert "advisor of" in shelley._repr_html_()


def test_what_only_a_team_does_is_refused_in_words_before_anything_is_sent(
    fake: fake_academy.FakeAcademy, shelley: Connection, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text("")
    for call in (
        lambda: shelley.train(script, project="climate-series"),
        lambda: shelley.submit("climate-series", {}),
        lambda: shelley.select("climate-series", "0" * 12),
        lambda: shelley.entries("climate-series"),
        lambda: shelley.share(script),
        lambda: shelley.sagemaker_session("climate-series"),
    ):
        with pytest.raises(Refused, match="You advise and are in no team"):
            call()
    assert "Contents" not in fake.s3.list_objects_v2(Bucket="earth-work")


def test_a_learner_sees_no_other_teams_work(ana: Connection) -> None:
    for call in (ana.teams, lambda: ana.look("falcon"), lambda: ana.read("falcon", "x")):
        with pytest.raises(Refused, match="Only advisors"):
            call()


# --- what a learner shares ------------------------------------------------------------------------
def test_what_a_learner_shares_an_advisor_reads(
    ana: Connection, shelley: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my notebook.ipynb"
    for code in ("first = 1", "second = 2"):
        cells = [{"cell_type": "code", "source": code, "outputs": []}]
        file.write_text(json.dumps({"cells": cells}))
        assert ana.share(file) == "shared/my notebook.ipynb"
    assert "can read my notebook.ipynb now" in capsys.readouterr().out
    assert shelley.read("falcon", "shared/my notebook.ipynb").text == "second = 2"


def test_what_cannot_be_shared_says_why(
    ana: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, big, linked = tmp_path / ".secret", tmp_path / "big.ipynb", tmp_path / "link.py"
    hidden.write_text("")
    big.write_bytes(b"x" * 20)
    linked.symlink_to(big)
    monkeypatch.setattr("academy.sharing.MAX_FILE_BYTES", 10)
    for file, why in (
        (tmp_path / "none.py", "no file here"),
        (linked, "no file here"),
        (hidden, "does not begin with a dot"),
        (big, "Clear Outputs"),
    ):
        with pytest.raises(SourceError, match=why):
            ana.share(file)
