"""The live round as learners have it: what is forecast, what is sent, the board."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import academy
import numpy as np
import pandas as pd
import pytest
from academy import live, receipts
from academy.connection import Connection
from academy.errors import DatasetError, SubmissionError
from academy.live_board import LiveBoard
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cli.competition.archive import observed_csv
from infra.services.competition.checking import forecast_rows
from infra.services.competition.live import reading, sealing
from infra.services.competition.live.page import page
from tests.academy.conftest import DATA
from tests.academy.fake_academy import FakeAcademy
from tests.services.live_world import AT, START, TRUTH, Course, a_round, right, truth

PROJECT = "climate-series"
ROUND = a_round()
TASK = json.dumps(ROUND.task()).encode()
FILES = {
    "datasets/climate-series/live/task.json": TASK,
    "datasets/climate-series/live/history.csv": ROUND.history().encode(),
    "datasets/climate-series/live/observed.csv": b"series,month,value\n",
}
MONTHS = [live.month_name(month) for month in ROUND.asked(AT)]


@pytest.fixture
def there(tmp_path: Path) -> live.LiveRound:
    return read(tmp_path)


def read(folder: Path, **files: bytes) -> live.LiveRound:
    for key, content in FILES.items():
        file = folder / key.removeprefix("datasets/climate-series/")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(files.get(file.stem, content))
    found = live.read_round(folder)
    assert found is not None
    return found


def values(off: float = 0.0) -> dict[str, np.ndarray]:
    return {
        name: np.array([truth(name, month) + off for month in ROUND.asked(AT)]) for name in TRUTH
    }


def table(wide: bool = False) -> pd.DataFrame:
    rows = []
    for name, own in values().items():
        for month, value in zip(MONTHS, own, strict=True):
            more = {q: value + float(q) - 0.5 for q in forecast_rows.QUANTILES} if wide else {}
            rows.append({"series": name, "month": month, "value": value, **more})
    return pd.DataFrame(rows)


# --- the round ------------------------------------------------------------------------------------
def test_a_round_has_what_is_known_by_now(tmp_path: Path) -> None:
    course = Course()
    course.pass_months(2, names=("co2",))
    found = read(tmp_path, observed=observed_csv(course.observed.values()))
    assert found.open
    assert found.names == ("nino12", "co2")
    assert [len(found.known[name]) for name in found.names] == [420, 422]
    assert found.known["co2"][-1] == truth("co2", START + 1)
    assert found.starts["co2"] == "1991-12"
    assert list(found.months(AT)) == MONTHS
    # From the last known value on there are months in between.
    assert found.steps_ahead("nino12", AT) == 7
    assert found.steps_ahead("co2", AT) == 5
    for shown in (repr(found), found._repr_html_()):
        assert "1991-12 to 2026-11" in shown
        assert "1991-12 to 2027-01" in shown


def test_a_project_without_a_round_has_none(tmp_path: Path) -> None:
    assert live.read_round(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("task", b"{}", id="task"),
        pytest.param("task", b"\xff", id="bytes"),
        pytest.param("history", b"a,b\n", id="head"),
        pytest.param("history", b"series,month,value\nco2,2026-01,x\n", id="value"),
        pytest.param("observed", b"series,month,value\nco2,2030-01,1\n", id="gap"),
        pytest.param("observed", b"series,month,value\nsoi,2030-01,1\n", id="series"),
    ],
)
def test_damaged_files_are_told_of_in_words(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read(tmp_path, **{name: content})


# --- what is sent ---------------------------------------------------------------------------------
def forms(folder: Path, wide: bool) -> list[Any]:
    frame = table(wide)
    file = folder / "forecast.csv"
    frame.sample(frac=1, random_state=1).to_csv(file, index=False)
    dated = frame.assign(month=pd.PeriodIndex(frame["month"], freq="M"))
    found: list[Any] = [frame, dated, file, str(file)]
    if wide:
        off = np.array(forecast_rows.LEVELS) - 0.5
        return [*found, {name: own[:, None] + off for name, own in values().items()}]
    rows = [tuple(row) for row in frame.itertuples(index=False)]
    return [*found, values(), rows]


@pytest.mark.parametrize("wide", [False, True], ids=["points", "quantiles"])
def test_every_form_is_what_the_checker_takes_and_the_same(
    there: live.LiveRound, tmp_path: Path, wide: bool
) -> None:
    found = [
        reading.check(live.packed(form, there, AT), TASK, AT) for form in forms(tmp_path, wide)
    ]
    assert len({each.digest for each in found}) == 1
    read_back = reading.read(found[0].body)
    assert {point: each.value for point, each in read_back.items()} == pytest.approx(
        {point: each.value for point, each in right(AT).items()}
    )
    assert all(bool(each.quantiles) == wide for each in read_back.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda f: f.iloc[1:], "1 of 12 rows are missing, the first is", id="missing"),
        pytest.param(lambda f: pd.concat([f, f.iloc[:1]]), "is there twice", id="twice"),
        pytest.param(lambda f: f.assign(month="2026-12"), "month 2026-12", id="begun"),
        pytest.param(lambda f: f.assign(month="soon"), "is no month", id="month"),
        pytest.param(lambda f: f.assign(value=np.nan), "finite", id="nan"),
        pytest.param(lambda f: f.assign(value=1e12), "undo your scaling", id="large"),
        pytest.param(lambda f: f.assign(series="soi"), "not asked for", id="series"),
        pytest.param(lambda f: f.drop(columns="month"), "no column month", id="column"),
        pytest.param(lambda f: f.drop(columns="value"), "no column value", id="value"),
        pytest.param(lambda f: f.assign(**{"0.05": 1.0}), "1 of 19 quantiles", id="quantiles"),
        pytest.param(lambda _: {"nino12": [1.0] * 6}, "co2 is missing", id="one-series"),
        pytest.param(lambda _: {"nino12": [1.0], "co2": [1.0]}, "has shape", id="shape"),
        pytest.param(lambda _: 3, "is no forecast", id="number"),
        pytest.param(lambda _: [("co2", "2027-01")], "expected .series, month, value", id="row"),
        pytest.param(lambda _: "nowhere.csv", "There is no file", id="file"),
    ],
)
def test_what_cannot_be_scored_is_told_in_months_before_it_is_sent(
    there: live.LiveRound, change: Any, said: str
) -> None:
    with pytest.raises(SubmissionError, match=said) as caught:
        live.packed(change(table()), there, AT)
    assert "step" not in str(caught.value)
    assert "sample_submission" not in str(caught.value)


def test_a_file_with_a_fault_says_where(there: live.LiveRound, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    for text, said in (
        ("", "must begin"),
        ("series,step,value\n", "must begin"),
        ("series,month,value,value\n", "a column twice"),
        ("series,month,value\nco2,2027-01\n", "row 2 has 2 cells"),
        ("series,month,value\nco2,2027-01,x\n", "value 'x' is no number"),
        ("series,month,value\n" + "x" * 1_000_000, "more than"),
    ):
        file.write_text(text)
        with pytest.raises(SubmissionError, match=said):
            live.packed(file, there, AT)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SubmissionError, match="cannot be read"):
        live.packed(file, there, AT)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_no_text_is_taken_for_a_month_that_it_is_not(text: str) -> None:
    try:
        found = live.month_index(text)
    except SubmissionError:
        return
    assert live.month_name(found) == text.strip()


# --- seals ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("wide", [False, True], ids=["points", "quantiles"])
def test_a_team_computes_its_own_hash_from_what_it_sent(there: live.LiveRound, wide: bool) -> None:
    content = live.packed(table(wide), there, AT)
    body = reading.check(content, TASK, AT).body
    assert live.canonical(content) == body
    narrow = table(True).drop(columns="value").to_csv(index=False).encode()
    assert live.canonical(narrow) == reading.check(narrow, TASK, AT).body
    salt = "0123456789abcdef" * 2
    for text in (body, body.decode()):
        assert live.sealed(
            text, project=PROJECT, round="winter", team="falcon", salt=salt
        ) == sealing.hash_of(PROJECT, "winter", "falcon", salt, body)


# --- in a space -----------------------------------------------------------------------------------
@pytest.fixture
def open_round(fake: FakeAcademy) -> FakeAcademy:
    fake.publish({**DATA, **FILES})
    return fake


def test_a_live_forecast_goes_where_entries_go_and_is_told_by_its_name(
    open_round: FakeAcademy, me: Connection
) -> None:
    given = me.live_round(PROJECT)
    assert given is not None
    forecast = {name: np.zeros(6) for name in given.names}
    receipt = me.submit(PROJECT, forecast, "a try", live=True, wait_seconds=0)
    assert receipt.status == "waiting"
    [key] = open_round.submissions()
    assert key.startswith("submissions/climate-series/falcon/")
    assert key.endswith(".live.csv")
    sent = open_round.s3.get_object(Bucket="earth-work", Key=key)
    first = sent["Body"].read().decode().splitlines()[1]
    assert first.split(",")[1] == given.months(dt.datetime.now(dt.UTC))[0]
    assert sent["Metadata"]["note"] == "a%20try"


def test_without_an_open_round_nothing_is_sent(fake: FakeAcademy, me: Connection) -> None:
    assert me.live_round(PROJECT) is None
    with pytest.raises(SubmissionError, match="no live round that takes forecasts"):
        me.submit(PROJECT, values(), live=True)
    stopped = json.dumps({**ROUND.task(), "stopped": AT.isoformat()}).encode()
    fake.publish({**DATA, **FILES, "datasets/climate-series/live/task.json": stopped})
    found = me.live_round(PROJECT)
    assert found is not None
    assert not found.open
    assert "takes no forecasts since" in repr(found)
    with pytest.raises(SubmissionError, match="no live round that takes forecasts"):
        me.submit(PROJECT, values(), live=True)
    with pytest.raises(SubmissionError, match="leave `to` out"):
        me.submit(PROJECT, values(), live=True, to="kaggle")
    fake.publish({**DATA, **FILES})
    with pytest.raises(SubmissionError, match="shape"):
        me.submit(PROJECT, {name: [1.0] for name in TRUTH}, live=True)
    assert fake.submissions() == []


def test_the_round_does_not_disturb_the_practice_data(
    open_round: FakeAcademy, me: Connection
) -> None:
    assert list(me.dataset(PROJECT).history) == ["a", "b"]


def test_a_receipt_tells_hash_and_months_and_keeps_its_salt_out_of_sight() -> None:
    document = {
        "status": "sealed",
        "message": "Sealed 0123, counts for 2027-01 to 2027-06.",
        "public_score": None,
        "received": "2026-12-03T00:00:00Z",
        "counted": True,
        "hash": "0123" * 16,
        "salt": "f" * 32,
        "months": ["2027-01", "2027-06"],
    }
    found = receipts.read("x.live.csv", json.dumps(document).encode())
    assert found.months == ("2027-01", "2027-06")
    assert found.salt == "f" * 32
    for shown in (repr(found), found._repr_html_()):
        assert "0123" * 16 in shown
        # A notebook is shared and shown about.
        assert "f" * 32 not in shown


# --- the board ------------------------------------------------------------------------------------
def a_board(months: int = 4) -> dict[str, Any]:
    course = Course()
    course.send("falcon", AT, right(AT, off=0.5, wide=True))
    course.send("heron", AT, right(AT, off=1.0))
    course.pass_months(months)
    return course.board()


def test_the_board_is_read_from_the_site(fake: FakeAcademy, me: Connection) -> None:
    empty = me.live_board(PROJECT)
    assert "no live round" in repr(empty)
    assert "academy.submit(…, live=True)" in empty._repr_html_()
    fake.s3.put_object(
        Bucket="earth-site", Key="boards/climate-series.live.json", Body=json.dumps(a_board())
    )
    found = me.live_board(PROJECT)
    assert [each["team"] for each in found.entries] == ["falcon", "heron"]
    assert "climate-series.live.html" in found.link
    [own] = [each["hash"] for each in found.seals if each["team"] == "falcon"]
    for shown in (repr(found), found._repr_html_()):
        assert "falcon (you)" in shown
        assert "1–2" in shown
        assert "all teams are tied" in shown
        assert "4 months scored" in shown
        assert own[:12] in shown
    fake.s3.put_object(Bucket="earth-site", Key="boards/climate-series.live.json", Body=b"[]")
    with pytest.raises(academy.CloudError, match="cannot be read"):
        me.live_board(PROJECT)


def test_names_on_the_board_move_nothing() -> None:
    document = a_board()
    document["round"]["title"] = "<b>\x1b[31m"
    document["lines"][0]["name"] = "\u202e<script>"
    found = LiveBoard.from_document(document, "falcon", link="javascript:alert(1)")
    assert "\x1b" not in repr(found)
    assert "\u202e" not in repr(found)
    shown = found._repr_html_()
    assert "<script>" not in shown
    assert "javascript" not in shown
    assert page(document, "earth")
