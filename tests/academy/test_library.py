"""What a learner calls, against a cohort in moto: data, jobs, submissions, board, budget."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import threading
import time

import academy
import numpy as np
import pandas as pd
import pytest
from academy import cloud as cloud_module
from academy import money
from academy.board import Budget, Leaderboard
from academy.connection import Connection
from academy.errors import (
    AcademyError,
    CloudError,
    DatasetError,
    JobFailed,
    NotInAWorkspace,
    Refused,
    SourceError,
    SubmissionError,
)
from academy.forecasting.submission import as_csv
from academy.progress import Progress
from botocore import exceptions

from tests.academy import fake_academy
from tests.academy.conftest import DATA

PROJECT = "climate-series"
GOOD = {"a": [1.0, 2.0], "b": [3.0, 4.0]}


# --- who am I ------------------------------------------------------------------------------------
def test_a_space_knows_its_learner_from_studios_metadata(fake, tmp_path):
    metadata = tmp_path / "resource-metadata.json"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:app/d-a/earth--ana/jupyterlab/default"
    metadata.write_text(json.dumps({"ResourceArn": arn, "SpaceName": "earth--ana"}))
    me = Connection.open(environ={"ACADEMY_RESOURCE_METADATA": str(metadata)}, clients=fake.clients)
    assert (me.workspace.learner, me.workspace.team) == ("ana", "falcon")


def test_outside_studio_a_file_says_who_i_am(fake, tmp_path):
    file = tmp_path / "me.json"
    file.write_text(json.dumps(fake_academy.WORKSPACE))
    me = Connection.open(environ={"ACADEMY_WORKSPACE": str(file)}, clients=fake.clients)
    assert me.workspace.learner == "ana"


def test_nowhere_is_told_with_what_to_do(tmp_path):
    with pytest.raises(NotInAWorkspace, match="Open your space, or set ACADEMY_WORKSPACE"):
        Connection.open(environ={"ACADEMY_RESOURCE_METADATA": str(tmp_path / "none")})


def test_an_unknown_workspace_is_named(fake):
    with pytest.raises(NotInAWorkspace, match="earth--eve"):
        Connection.open(
            environ={"ACADEMY_WORKSPACE": "/academy/workspaces/earth--eve"}, clients=fake.clients
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "reads version 1"),
        ({"buckets": {}}, "not a workspace config"),
        ({"training": None}, "not a workspace config"),
    ],
)
def test_a_config_that_cannot_be_read_says_so(fake, tmp_path, change, message):
    file = tmp_path / "me.json"
    file.write_text(json.dumps({**fake_academy.WORKSPACE, **change}))
    with pytest.raises(NotInAWorkspace, match=message):
        Connection.open(environ={"ACADEMY_WORKSPACE": str(file)}, clients=fake.clients)


def test_the_connection_greets_with_team_limits_and_budget(me):
    text = repr(me)
    for part in ("Hello ana!", "falcon (with ben)", "ml.m5.large", "5 a day", "$17.50 left"):
        assert part in text
    assert "Hello ana!" in me._repr_html_()


def test_the_module_uses_one_connection(fake, monkeypatch):
    monkeypatch.setenv("ACADEMY_WORKSPACE", fake_academy.PARAMETER)
    monkeypatch.setattr(cloud_module, "_boto3_client", fake.clients)
    assert academy.connect() is academy.connect()
    assert academy.budget().available_micro_usd == 17_500_000
    assert academy.dataset().task.horizon == 2


# --- data ----------------------------------------------------------------------------------------
def test_a_dataset_is_arrays_task_and_sample(me):
    data = me.dataset(PROJECT)
    assert data.history["a"].shape == (36,)
    assert data.history["b"][13] == pytest.approx(10 + 1 + 6.5)
    assert data.task.first_step == {"a": 36, "b": 36}
    assert data.sample_submission[0] == ("a", 36, 1.0)
    assert data.practice["p"][0] == ["1990-01"]
    assert "2 series of 36 steps, forecast the next 2" in repr(data)


def test_data_are_downloaded_once_and_again_only_when_they_change(me, fake, monkeypatch):
    read: list[str] = []
    original = me._cloud.download
    monkeypatch.setattr(
        me._cloud, "download", lambda b, key, to: read.append(key) or original(b, key, to)
    )
    folder = me.dataset(PROJECT).folder
    assert sorted(read) == sorted(DATA)
    read.clear()
    me.dataset(PROJECT)
    assert read == []
    key = "datasets/climate-series/practice/p.csv"
    fake.publish({key: b"series,month,value\np,1990-01,2.5\n"})
    assert me.dataset(PROJECT).practice["p"][1].tolist() == [2.5]
    assert read == [key]
    fake.s3.delete_object(Bucket="earth-data", Key=key)
    assert me.dataset(PROJECT).practice == {}
    assert not [f for f in folder.rglob("*") if f.name.startswith(".downloading")]


def test_an_edited_file_is_restored(me):
    file = me.dataset(PROJECT).folder / "task.json"
    good = file.read_bytes()
    file.write_bytes(good.replace(b"2", b"3"))
    assert me.dataset(PROJECT).task.horizon == 2
    file.unlink()
    assert me.dataset(PROJECT).task.horizon == 2


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "a\\b", "a//b"])
def test_a_published_name_that_climbs_out_is_refused(me, fake, tmp_path, name):
    fake.publish({f"datasets/climate-series/{name}": b"x"})
    with pytest.raises(DatasetError, match="not safe"):
        me.dataset(PROJECT)
    assert not list(tmp_path.rglob("evil.txt"))


def test_no_data_and_no_project_are_told(me, fake):
    with pytest.raises(SourceError, match="There is no project 'land-cover'"):
        me.dataset("land-cover")
    for key in DATA:
        fake.s3.delete_object(Bucket="earth-data", Key=key)
    with pytest.raises(DatasetError, match="published yet"):
        me.dataset(PROJECT)


# --- jobs ----------------------------------------------------------------------------------------
SCRIPT = """
import argparse, json, os
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
epochs = parser.parse_args().epochs
for epoch in range(epochs):
    print("epoch", epoch)
history = (Path(os.environ["SM_CHANNEL_DATA"]) / "history.csv").read_text()
(Path(os.environ["SM_MODEL_DIR"]) / "model.txt").write_text(str(len(history.splitlines())))
metrics = {"epochs": epochs}
(Path(os.environ["SM_OUTPUT_DATA_DIR"]) / "metrics.json").write_text(json.dumps(metrics))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(folder)
    return folder / "train.py"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("academy.jobs.CloudJob._pause", lambda *_: 0.01)


@pytest.mark.parametrize("where", ["here", "cloud"])
def test_the_same_script_runs_here_and_in_the_cloud(me, script, where, impatient, capsys):
    job = me.train("train.py", where=where, hyperparameters={"epochs": 3})
    assert job.status == "Completed"
    assert (job.model() / "model.txt").read_text() == "73"
    assert job.metrics == {"epochs": 3}
    assert "epoch 2" in job.log
    said = capsys.readouterr().out
    assert "| epoch 2" in said
    assert "Completed" in said


def test_the_broker_is_asked_for_what_was_meant(me, fake, script, impatient):
    hyperparameters = {"epochs": 1, "x": True}
    me.train(
        "train.py",
        instance="ml.g5.xlarge",
        hours=0.5,
        hyperparameters=hyperparameters,
        wait=False,
    )
    asked = next(request for request in fake.broker.asked if request["op"] == "train")
    token = asked.pop("token")
    assert asked == {
        "op": "train",
        "project": PROJECT,
        "instance": "ml.g5.xlarge",
        "count": 1,
        "hours": 0.5,
        "script": "train.py",
        "hyperparameters": {"epochs": "1", "x": "true"},
    }
    assert len(bytes.fromhex(token)) == 16
    fake.s3.head_object(Bucket="earth-work", Key=f"teams/falcon/code/{token}/source.tar.gz")


def test_a_job_over_the_budget_is_refused_in_the_brokers_words(me, fake, script):
    fake.broker.refusal = {
        "code": "budget",
        "message": "Your budget has $3.20 left; this job could cost $5.63.",
        "available_micro_usd": 3_200_000,
    }
    with pytest.raises(Refused, match=r"\$3\.20 left; this job could cost \$5\.63") as refused:
        me.train("train.py")
    assert refused.value.code == "budget"
    assert refused.value.figures == {"available_micro_usd": 3_200_000}


@pytest.mark.parametrize("where", ["here", "cloud"])
def test_a_script_that_fails_says_why(me, script, where, impatient):
    script.write_text('raise RuntimeError("the loss is nan")')
    with pytest.raises(JobFailed, match="RuntimeError: the loss is nan"):
        me.train("train.py", where=where)


def test_a_cloud_job_tells_its_cost_and_can_be_found_again(me, fake, script, impatient):
    job = me.train("train.py", hyperparameters={"epochs": 1}, wait=False)
    assert "InProgress" in repr(job)
    again = me.attach(job.name)
    assert again.wait().status == "Completed"
    assert again.cost_micro_usd == 700
    with pytest.raises(SourceError, match="no job's name"):
        me.attach("../x")


def test_a_job_that_saved_nothing_says_how_to(me, script, impatient):
    script.write_text("print(1)")
    job = me.train("train.py")
    assert job.metrics == {}
    with pytest.raises(JobFailed, match="SM_MODEL_DIR"):
        job.model()


def test_a_job_here_can_be_stopped_and_leaves_no_process(me, script):
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)")
    job = me.train("train.py", where="here", wait=False)
    with pytest.raises(JobFailed, match="not ended yet"):
        job.model()
    deadline = time.monotonic() + 20
    while not job.log.strip() and time.monotonic() < deadline:
        time.sleep(0.05)
    job.stop()
    assert job.status == "Stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(int(job.log.split()[0]), 0)


def test_a_job_here_ends_when_its_hours_are_over(me, script):
    script.write_text("import time\ntime.sleep(60)")
    assert me.train("train.py", where="here", hours=0.5 / 3600).status == "Stopped"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"script": "trian.py"}, r"There is no script .*trian\.py\. The folder has: train\.py"),
        ({"script": "notes.txt"}, "no Python script"),
        ({"where": "moon"}, "'cloud' or 'here'"),
        ({"hours": 0}, "hours is 0"),
        ({"hours": "2"}, "hours is '2'; expected a number"),
        ({"script": None}, "script is None; expected a path"),
        ({"hyperparameters": ["epochs"]}, "expected names and values"),
        ({"hours": True}, "hours is True"),
        ({"hyperparameters": {"a b": 1}}, "Hyperparameter 'a b'"),
        ({"hyperparameters": {"academy_x": 1}}, "are taken"),
        ({"hyperparameters": {"sizes": [1, 2]}}, "Write lists as text"),
        ({"project": "land-cover"}, "There is no project 'land-cover'"),
    ],
)
def test_a_request_that_cannot_work_is_told_before_anything_is_sent(
    me, fake, script, arguments, message
):
    (script.parent / "notes.txt").write_text("x")
    with pytest.raises(SourceError, match=message):
        me.train(**{"script": "train.py", **arguments})
    assert fake.broker.asked == []


def test_what_stays_behind_is_told(me, script, impatient, capsys):
    with (script.parent / "big.bin").open("wb") as file:
        file.truncate(11 * 2**20)
    me.train("train.py", hyperparameters={"epochs": 1})
    assert "Stays behind: big.bin (11 MB" in capsys.readouterr().out


def test_a_log_that_cannot_be_read_does_not_end_the_wait(me, script, impatient, monkeypatch):
    def denied(*_):
        raise CloudError("no")

    monkeypatch.setattr(me._cloud, "log", denied)
    assert me.train("train.py", hyperparameters={"epochs": 1}).status == "Completed"


# --- submissions ---------------------------------------------------------------------------------
def scored(fake, message="Scored 0.4200", status="scored", score=0.42):
    """A scorer that answers the first submission; gives the thread."""

    def work():
        deadline = time.monotonic() + 20
        while not fake.submissions() and time.monotonic() < deadline:
            time.sleep(0.02)
        key = fake.submissions()[0]
        receipt = {
            "submission": key,
            "status": status,
            "message": message,
            "public_score": score,
            "received": "2026-12-01T10:00:00Z",
            "counted": True,
        }
        name = key.replace("submissions/", "receipts/") + ".json"
        fake.s3.put_object(Bucket="earth-work", Key=name, Body=json.dumps(receipt))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


ROWS = [("a", 36, 1.0), ("a", 37, 2.0), ("b", 36, 3.0), ("b", 37, 4.0)]


def as_file(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_bytes(as_csv(ROWS))
    return file


FORMS = {
    "dictionary": lambda _: {name: np.array(values) for name, values in GOOD.items()},
    "rows in any order": lambda _: ROWS[::-1],
    "rows by name": lambda _: [
        dict(zip(("series", "step", "value"), r, strict=True)) for r in ROWS
    ],
    "table": lambda _: pd.DataFrame(ROWS, columns=["series", "step", "value"]),
    "file": as_file,
    "file by name": lambda tmp_path: str(as_file(tmp_path)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_forecast_is_sent_as_the_same_file(me, fake, tmp_path, form):
    thread = scored(fake)
    receipt = me.submit(PROJECT, form(tmp_path))
    thread.join()
    (key,) = fake.submissions()
    content = fake.s3.get_object(Bucket="earth-work", Key=key)["Body"].read()
    assert content == b"series,step,value\na,36,1.0\na,37,2.0\nb,36,3.0\nb,37,4.0\n"
    name = key.removeprefix("submissions/climate-series/falcon/")
    stamp, digest = name.removesuffix(".csv").split("-")
    dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
    assert digest == hashlib.sha256(content).hexdigest()[:12]
    assert receipt.public_score == 0.42
    assert receipt.submission == name


def test_note_learner_and_job_travel_along(me, fake):
    me.submit(PROJECT, GOOD, "größer, 50 %", job="earth--falcon--ana--1", wait_seconds=0)
    head = fake.s3.head_object(Bucket="earth-work", Key=fake.submissions()[0])
    assert head["Metadata"] == {
        "note": "gr%C3%B6%C3%9Fer%2C%2050%20%25",
        "learner": "ana",
        "job": "earth--falcon--ana--1",
    }


def test_a_slow_scorer_is_not_a_failure(me):
    receipt = me.submit(PROJECT, GOOD, wait_seconds=0)
    assert receipt.status == "waiting"
    assert "no need to send it again" in repr(receipt)


def test_the_scorers_refusal_is_shown(me, fake):
    thread = scored(fake, "Your team has used its 5 submissions of today.", "refused", None)
    receipt = me.submit(PROJECT, GOOD)
    thread.join()
    assert "used its 5 submissions" in repr(receipt)
    assert "refused" in receipt._repr_html_()


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({"a": [1, 2]}, "forecast of b is missing"),
        ({**GOOD, "c": [1, 2]}, "No series is called c; they are a, b"),
        ({**GOOD, "a": [1, 2, 3]}, r"shape \(3,\); expected \(2,\)"),
        ({**GOOD, "a": [1, float("nan")]}, "a at step 37 is nan"),
        ({**GOOD, "a": [1, float("inf")]}, "a at step 37 is inf"),
        ({**GOOD, "a": [1, 1e12]}, "Did you undo your scaling"),
        ({**GOOD, "a": ["x", "y"]}, "no numbers"),
        (ROWS[:-1], "1 of 4 rows are missing, the first is b, step 37"),
        ([*ROWS, ROWS[0]], "a, step 36 is there twice"),
        ([*ROWS, ("a", 38, 1.0)], "Steps of a are 36 to 37"),
        ([*ROWS, ("z", 36, 1.0)], "Series are a, b"),
        ([("a", 36.5, 1.0)], "step 36.5 is no whole number"),
        ([("a", 36, None)], "value None is no number"),
        (["abc"], "expected \\(series, step, value\\)"),
        ("nowhere.csv", r"There is no file .*nowhere\.csv"),
        (3, "3 is no forecast"),
        (pd.DataFrame({"series": ["a"]}), "no column step, value"),
    ],
)
def test_a_forecast_that_cannot_be_scored_is_not_sent(me, fake, predictions, message):
    with pytest.raises(SubmissionError, match=message):
        me.submit(PROJECT, predictions)
    assert fake.submissions() == []


def test_a_file_of_another_shape_is_told_with_its_header(me, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("name,value\na,1\n")
    with pytest.raises(SubmissionError, match="must begin with the line series,step,value"):
        me.submit(PROJECT, file)


def test_numbers_survive_the_way_exactly():
    values = [0.1 + 0.2, 1 / 3, 1e-300, -123456.789]
    lines = as_csv([("a", n, v) for n, v in enumerate(values)]).decode().splitlines()[1:]
    assert [float(line.split(",")[2]) for line in lines] == values


# --- board and budget ----------------------------------------------------------------------------
BOARD = {
    "project": PROJECT,
    "metric": "MASE",
    "better": "lower",
    "updated": "2026-12-01T10:00:00Z",
    "lines": [{"name": "floor: seasonal naive", "score": 1.0}],
    "entries": [
        {"rank": 1, "team": "falcon", "score": 0.42, "submissions": 2, "submitted": "", "note": ""},
        {
            "rank": 2,
            "team": "heron",
            "score": 1.2,
            "submissions": 1,
            "submitted": "2026-12-01T10:00:00Z",
            "note": "<script>alert(1)</script>",
        },
    ],
}


def test_the_board_stands_by_score_with_the_floor_between(me, fake):
    fake.s3.put_object(
        Bucket="earth-site", Key="boards/climate-series.json", Body=json.dumps(BOARD)
    )
    board = me.leaderboard()
    lines = repr(board).splitlines()[3:]
    assert [line.split()[0] for line in lines] == ["1", "floor:", "2"]
    assert "falcon (you)" in lines[0]
    page = board._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_before_the_first_submission_the_board_is_empty(me):
    assert "Nobody has submitted yet" in repr(me.leaderboard(PROJECT))


def test_the_budget_shows_what_is_left_and_open(me):
    text = repr(me.budget())
    assert text.startswith("[######+++.....................] $17.50 left of $25.00")
    assert (
        "space earth--ana on ml.t3.medium: $0.40 so far, up to $2.10 more, "
        "ends 2026-12-01 12:30 UTC at the latest, in 1 h 20 min" in text
    )
    assert "academy.stay(hours=2)" in text
    assert "20.0%" in me.budget()._repr_html_()


def test_a_budget_of_nothing_can_be_shown():
    empty = Budget.from_document(
        {f"{part}_micro_usd": 0 for part in ("cap", "spent", "reserved", "available")}
    )
    assert "$0.00 left of $0.00" in repr(empty)
    assert Leaderboard("p", "m", "", (), ())._repr_html_()


def test_a_budget_of_an_older_broker_is_shown_as_far_as_it_goes():
    budget = Budget.from_document(
        {
            **{f"{part}_micro_usd": 0 for part in ("cap", "spent", "reserved", "available")},
            "open": [{"kind": "job", "name": "j", "reserved_micro_usd": 10_000, "ends_at": "soon"}],
        }
    )
    assert "job j: up to $0.01, ends soon UTC at the latest" in repr(budget)
    assert "academy.stay" not in repr(budget)


def test_a_frozen_account_and_a_closing_space_are_told():
    amounts = {f"{part}_micro_usd": 0 for part in ("cap", "spent", "reserved", "available")}
    entry = {
        "kind": "space",
        "name": "s",
        "reserved_micro_usd": 1,
        "ends_at": "2026-12-01T12:00:00Z",
    }
    budget = Budget.from_document(
        {**amounts, "open": [entry], "frozen": True, "now": "2026-12-01T11:48:00Z"}
    )
    assert "in 12 min" in repr(budget)
    assert "your account is frozen" in budget._repr_html_()


def test_staying_tells_until_when(me, capsys):
    assert me.stay(1) == "2026-12-01T14:00:00Z"
    assert "until 2026-12-01 14:00 UTC" in capsys.readouterr().out


def test_dollars_are_rounded_to_the_cent():
    amounts = (0, 1, 9_999, 10_000, 14_999, 15_000, -3_200_000)
    assert [money.dollars(a) for a in amounts] == [
        *("$0.00", "under $0.01", "under $0.01", "$0.01", "$0.01", "$0.02", "-$3.20")
    ]


# --- errors --------------------------------------------------------------------------------------
def client_error(code):
    return exceptions.ClientError({"Error": {"Code": code, "Message": "m"}}, "GetObject")


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (client_error("AccessDenied"), "your role may not do this"),
        (client_error("ExpiredToken"), "Restart your space"),
        (client_error("UnrecognizedClientException"), "not valid here"),
        (client_error("ThrottlingException"), "Wait a minute"),
        (client_error("Surprise"), "Surprise: m"),
        (exceptions.NoCredentialsError(), "no credentials"),
        (exceptions.NoRegionError(), "AWS_REGION"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), "no connection"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), "no connection"),
    ],
)
def test_no_failure_of_the_cloud_shows_boto3(problem, message):
    with pytest.raises(CloudError, match=message) as caught, cloud_module.plainly("Reading"):
        raise problem
    assert caught.value.__suppress_context__
    assert caught.value._render_traceback_() == [f"{type(caught.value).__name__}: {caught.value}"]


def test_a_broken_broker_is_told_as_such(me, monkeypatch):
    class Broken:
        def invoke(self, **_):
            import io

            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "x"}')}

    me._cloud._made["lambda"] = Broken()
    with pytest.raises(CloudError, match="The broker did not answer"):
        me.budget()
    assert "broker did not answer" in repr(me)


def test_every_error_is_an_academy_error():
    for name in academy.__all__:
        thing = getattr(academy, name)
        if isinstance(thing, type):
            assert issubclass(thing, AcademyError)


# --- progress ------------------------------------------------------------------------------------
def test_a_terminal_rewrites_its_line_and_a_file_does_not():
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown, filed = Terminal(), io.StringIO()
    for stream in (shown, filed):
        progress = Progress("job-1", stream)
        progress.update("Starting", [])
        progress.update("Training", ["epoch 1"])
        progress.update("Training", [])
        progress.update("Completed", ["done"])
    assert shown.getvalue().count("\r\x1b[K") == 3
    assert filed.getvalue().splitlines() == [
        "job-1 · Starting · 0 s",
        "  | epoch 1",
        "job-1 · Training · 0 s",
        "  | done",
        "job-1 · Completed · 0 s",
    ]
