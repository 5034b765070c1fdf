"""What is sent in each form, what the checker makes of it, and what becomes of it."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
import time
import urllib.parse
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from academy import kaggle, submissions
from academy.errors import CloudError, SubmissionError
from academy.forecasting import submission as forecasts
from academy.land_cover import submission
from academy.land_cover.project import Task
from academy.receipts import Receipt, read, stamped

from infra.services.competition import checking
from infra.services.competition.submission import sender_of
from tests.academy.conftest import TASK

PROJECT = "climate-series"
SHAPES = {"held-out-01": (9, 8), "held-out-02": (4, 5)}
LAND_COVER = Task("land-cover", "macro-F1", "higher", ("a",), (), SHAPES)
RNG = np.random.default_rng(5)
MAPS = {name: RNG.integers(0, 9, shape).astype(np.uint8) for name, shape in SHAPES.items()}


# --- maps as runs ---------------------------------------------------------------------------------
def runs_table(maps: dict[str, np.ndarray] = MAPS) -> pd.DataFrame:
    rows = [row for name, array in maps.items() for row in kaggle.class_rows(name, array)]
    return pd.DataFrame(rows, columns=["row_id", "rle"])


def test_runs_are_sent_as_the_maps_that_they_paint(tmp_path) -> None:
    content = submission.packed(MAPS, LAND_COVER)
    table = runs_table()
    file = tmp_path / "runs.csv"
    table.to_csv(file, index=False)
    assert submission.packed(file, LAND_COVER) == content
    assert submission.packed(str(file), LAND_COVER) == content
    assert submission.packed(table.sample(frac=1, random_state=1), LAND_COVER) == content
    # As a spreadsheet may write it.
    file.write_text("\ufeff" + table.to_csv(index=False, quoting=1, lineterminator="\r\n"))
    assert submission.packed(file, LAND_COVER) == content


def test_a_table_that_was_read_with_empty_cells_is_taken(tmp_path) -> None:
    empty = {name: np.zeros(shape, np.uint8) for name, shape in SHAPES.items()}
    file = tmp_path / "runs.csv"
    runs_table(empty).replace("-", "").to_csv(file, index=False)
    assert submission.packed(pd.read_csv(file), LAND_COVER) == submission.packed(empty, LAND_COVER)
    assert submission.packed(file, LAND_COVER) == submission.packed(empty, LAND_COVER)


def test_an_npz_is_one_whatever_it_is_called(tmp_path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_bytes(submission.packed(MAPS, LAND_COVER))
    assert submission.packed(file, LAND_COVER) == submission.packed(MAPS, LAND_COVER)


def with_row(name: str, runs: Any) -> pd.DataFrame:
    zeros = runs_table({n: np.zeros(shape, np.uint8) for n, shape in SHAPES.items()})
    zeros = zeros.astype(object)
    zeros.loc[zeros["row_id"] == name, "rle"] = runs
    return zeros


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (runs_table().iloc[1:], "1 of 18 rows are missing, the first is held-out-01_0. A class"),
        (pd.concat([runs_table(), runs_table().iloc[:1]]), "Row held-out-01_0 is there twice"),
        (runs_table().rename(columns={"rle": "runs"}), "The table has no column rle"),
        (with_row("held-out-01_0", "1 71"), "1 of 72 cells of held-out-01 have no class, the fir"),
        (with_row("held-out-01_3", "5 2"), "Row held-out-01_3: cell 5 has class 0 already"),
        (with_row("held-out-01_0", "1 73"), "the run 1 73 ends at cell 73; the scene has 72 cells"),
        (
            with_row("held-out-01_0", "9 3 10 2"),
            "the run 10 2 begins before the one before it ends",
        ),
        (with_row("held-out-01_0", "0 72"), "'0 72' are no runs. Expected start and length"),
        (with_row("held-out-01_0", "1 72 5"), "are no runs"),
        (with_row("held-out-01_0", "1 99999999999999999999"), "are no runs"),
        (with_row("held-out-01_0", 7), "'7' are no runs"),
        (
            runs_table().assign(row_id=lambda t: t["row_id"].str.replace("held-out-02", "train")),
            "Row 'train_0' is not asked for. Rows are called <scene>_<class>, such as held-out",
        ),
    ],
)
def test_runs_that_cannot_be_scored_are_told(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(SubmissionError) as caught:
        submission.packed(table, LAND_COVER)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"row,runs\na,1 2\n", r"must begin with the line row_id,rle, and hold"),
        (b"row_id,runs\na,1 2\n", r"must begin with the line row_id,rle; it begins with row_id,ru"),
        (b"row_id,rle\na,1,2\n", "line 2 has 3 cells, not 2"),
        (b"row_id,rle\n\xff\xfe,1 2\n", "must begin with the line row_id,rle, and hold"),
        (b"", "must begin with the line row_id,rle, and hold"),
    ],
)
def test_a_csv_file_that_holds_no_runs_is_told(tmp_path, content: bytes, message: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(SubmissionError, match=message):
        submission.packed(file, LAND_COVER)


# --- quantiles ------------------------------------------------------------------------------------
LEVELS = [f"{n / 20:g}" for n in range(1, 20)]
SPREAD = np.linspace(-1, 1, 19)
CENTRES = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
ARRAYS = {name: centre[:, None] + SPREAD for name, centre in CENTRES.items()}


def quantile_table(names: Any = LEVELS, *, value: bool = True) -> pd.DataFrame:
    rows = [
        (name, 36 + lead, *([centre] if value else []), *ARRAYS[name][lead])
        for name, values in CENTRES.items()
        for lead, centre in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["series", "step", *(["value"] if value else []), *names])


def parquet(tmp_path, table: pd.DataFrame) -> Any:
    pytest.importorskip("pyarrow", reason="Parquet is read by pyarrow, which an image may lack")
    file = tmp_path / "mine.data"
    table.columns = [str(name) for name in table.columns]
    table.to_parquet(file)
    return file


def csv_file(tmp_path, table: pd.DataFrame) -> Any:
    file = tmp_path / "mine.csv"
    table.to_csv(file, index=False)
    return file


QUANTILE_FORMS = {
    "arrays": lambda _: ARRAYS,
    "columns by name": lambda _: {
        name: {"value": CENTRES[name], **dict(zip(LEVELS, array.T, strict=True))}
        for name, array in ARRAYS.items()
    },
    "columns by level": lambda _: {
        name: {n / 20: array[:, n - 1] for n in range(19, 0, -1)} for name, array in ARRAYS.items()
    },
    "table": lambda _: quantile_table(),
    "rows": lambda _: quantile_table().to_dict("records"),
    "rows by level": lambda _: quantile_table([n / 20 for n in range(1, 20)], value=False).to_dict(
        "records"
    ),
    "table by level": lambda _: quantile_table([n / 20 for n in range(1, 20)], value=False),
    "table with 0.10": lambda _: quantile_table([f"{n / 20:.2f}" for n in range(1, 20)]),
    "csv": lambda tmp_path: csv_file(tmp_path, quantile_table()),
    "csv without value": lambda tmp_path: csv_file(tmp_path, quantile_table(value=False)),
    "csv in any order": lambda tmp_path: csv_file(tmp_path, quantile_table().iloc[::-1, ::-1]),
    "parquet": lambda tmp_path: parquet(tmp_path, quantile_table()),
    "parquet without value": lambda tmp_path: parquet(tmp_path, quantile_table(value=False)),
}


@pytest.mark.parametrize("form", QUANTILE_FORMS.values(), ids=QUANTILE_FORMS.keys())
def test_every_form_of_quantiles_is_sent_as_the_same_file(me, tmp_path, form) -> None:
    content, ending = submissions.packed(form(tmp_path), me.dataset(PROJECT))
    assert ending == "csv"
    lines = content.decode().splitlines()
    assert lines[0] == ",".join(["series", "step", "value", *LEVELS])
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["a", "36", "1.0"],
        ["a", "37", "2.0"],
        ["b", "36", "3.0"],
        ["b", "37", "4.0"],
    ]
    found = np.array([[float(x) for x in line.split(",")[3:]] for line in lines[1:]])
    assert (found == np.concatenate(list(ARRAYS.values()))).all()


def test_a_point_forecast_in_parquet_is_sent_as_any_other(me, tmp_path) -> None:
    table = quantile_table()[["series", "step", "value"]]
    content, _ = submissions.packed(parquet(tmp_path, table), me.dataset(PROJECT))
    assert content == b"series,step,value\na,36,1.0\na,37,2.0\nb,36,3.0\nb,37,4.0\n"


def test_what_is_called_parquet_and_is_none_is_told(me, tmp_path) -> None:
    file = tmp_path / "mine.parquet"
    file.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(
        SubmissionError, match=r"cannot be read as Parquet|%pip install pandas pyarr"
    ):
        submissions.packed(file, me.dataset(PROJECT))


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({**ARRAYS, "a": ARRAYS["a"][:, ::-1]}, r"a at step 36 cross: 0\.05 is 2, above 0\.1, whi"),
        ({**ARRAYS, "a": ARRAYS["a"].T}, r"\(19, 2\); expected .* It looks transposed"),
        ({**ARRAYS, "a": CENTRES["a"]}, "Some series have quantiles and a has none"),
        ({**ARRAYS, "a": ARRAYS["a"] * np.nan}, "a at step 36 is nan"),
        (
            {**ARRAYS, "a": {"value": [1, 2], "0.1": [1, 2]}},
            "1 of 19 quantiles; 0.05, 0.15, 0.2 ar",
        ),
        ({**ARRAYS, "a": {}}, "The forecast of a has no column value"),
        ({**ARRAYS, "a": {"value": [1, 2, 3]}}, r"has value of shape \(3,\); expected \(2,\)"),
        ({**ARRAYS, "a": {0.1: [1, 2], "0.10": [1, 2]}}, "has a column twice: 0.1, 0.10"),
        (quantile_table().drop(columns="0.5"), "18 of 19 quantiles; 0.5 is missing"),
        (quantile_table().assign(**{"0.05": 9.0}), "cross: 0.05 is 9, above 0.1"),
    ],
)
def test_quantiles_that_cannot_be_scored_are_told(me, fake, predictions, message) -> None:
    with pytest.raises(SubmissionError, match=message):
        me.submit(PROJECT, predictions)
    assert fake.submissions() == []


def test_kaggle_gets_the_value_of_a_quantile_forecast(me) -> None:
    data = me.dataset(PROJECT)
    content, _ = submissions.packed(ARRAYS, data)
    assert kaggle.converted(content, data) == (
        b"row_id,value\na_36,1.0\na_37,2.0\nb_36,3.0\nb_37,4.0\n"
    )


# --- the checker takes what the library sends -----------------------------------------------------
def test_the_checker_finds_in_every_form_the_same_entry(me, tmp_path) -> None:
    data = me.dataset(PROJECT)
    task = TASK.encode()
    wide = [f(tmp_path) for name, f in QUANTILE_FORMS.items() if "parquet" not in name]
    found = {
        checking.climate_series.check(submissions.packed(form, data)[0], task).digest
        for form in wide
    }
    assert len(found) == 1
    plain = checking.climate_series.check(submissions.packed(CENTRES, data)[0], task)
    assert plain.digest not in found


def test_the_checker_knows_the_librarys_limits_and_columns() -> None:
    assert forecasts.MAX_BYTES == checking.forecast_rows.MAX_BYTES
    assert submission.MAX_BYTES == checking.land_cover.MAX_BYTES
    assert list(forecasts.QUANTILES) == checking.forecast_rows.QUANTILES
    assert forecasts.MAX_MAGNITUDE == checking.forecast_rows.MAX_MAGNITUDE


# --- receipts -------------------------------------------------------------------------------------
def document(**changed: Any) -> dict[str, Any]:
    return {
        "status": "scored",
        "message": "Scored 0.4200.",
        "public_score": 0.42,
        "received": "2026-12-01T10:00:00Z",
        "counted": True,
        **changed,
    }


def receipt(name: str = "x.csv", **changed: Any) -> Receipt:
    return read(name, json.dumps(document(**changed)).encode())


def test_a_receipt_tells_entry_what_is_left_and_further_metrics() -> None:
    found = receipt(entry="0123456789ab", left_today=3, also={"WQL": 0.07}, late=False)
    assert repr(found).splitlines()[1:] == [
        "  WQL 0.070",
        "  entry 0123456789ab",
        "  3 left today (UTC)",
    ]
    assert "3 left today (UTC)" in found._repr_html_()
    assert (found.entry, found.left_today, found.also) == ("0123456789ab", 3, {"WQL": 0.07})


def test_a_late_entry_says_so_with_its_private_score() -> None:
    found = receipt(late=True, private_score=0.5, left_today=0)
    assert repr(found).splitlines() == [
        "Receipt scored late 0.420 · Scored 0.4200.",
        "  0.500 on the private part",
        "  0 left today (UTC)",
    ]
    assert "<b>scored late</b>" in found._repr_html_()


def test_a_receipt_from_before_lacks_what_there_was_not() -> None:
    found = receipt()
    assert (found.entry, found.late, found.left_today, found.private_score) == (
        "",
        False,
        None,
        None,
    )
    assert repr(found) == "Receipt scored 0.420 · Scored 0.4200."


@pytest.mark.parametrize("change", [{"also": [1]}, {"left_today": "x"}, {"private_score": {}}])
def test_a_receipt_that_cannot_be_read_says_so(change: dict[str, Any]) -> None:
    with pytest.raises(CloudError, match="Your submission was received; ask your advisor"):
        receipt(**change)


# --- entries and choices --------------------------------------------------------------------------
NAMES = [f"2026120{day}T100000Z-{day:012x}.csv" for day in range(1, 5)]
IDS = [f"{day:x}" * 12 for day in range(1, 5)]


def put(fake, prefix: str, name: str, content: Any) -> None:
    key = f"{prefix}/{PROJECT}/falcon/{name}"
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fake.s3.put_object(Bucket="earth-work", Key=key, Body=body)


@pytest.fixture
def sent(fake) -> None:
    """Three entries with receipts, and one that waits."""
    for day, (name, own) in enumerate(zip(NAMES, IDS, strict=True), start=1):
        put(fake, "submissions", name, b"x")
        if day < 4:
            received = f"2026-12-0{day}T10:00:05Z"
            members = document(entry=own, public_score=day / 10, received=received)
            put(fake, "receipts", f"{name}.json", members)


def choose(fake, stamp: str, ids: list[str], status: str = "noted", received: str = "") -> None:
    name = f"{stamp}-{'e' * 12}.selection.json"
    put(fake, "submissions", name, {"entries": ids})
    members = document(status=status, public_score=None, received=received or stamp)
    put(fake, "receipts", f"{name}.json", members)


def test_entries_are_the_teams_newest_first(me, sent) -> None:
    found = me.entries(PROJECT)
    assert [each.submission for each in found] == NAMES[::-1]
    assert [each.status for each in found] == ["waiting", "scored", "scored", "scored"]
    assert found[0].received == "2026-12-04T10:00:00Z"
    assert found[1].public_score == 0.3
    assert len(found) == 4
    text = repr(found)
    assert text.splitlines()[0] == "climate-series · 4 sent"
    assert "At the close your best two public scores count; academy.select('climate-series'" in text


def test_no_more_than_asked_for_is_read(me, sent, monkeypatch) -> None:
    keys: list[str] = []
    original = me._cloud.read
    monkeypatch.setattr(me._cloud, "read", lambda b, key: keys.append(key) or original(b, key))
    found = me.entries(PROJECT, limit=2)
    assert [each.submission for each in found] == NAMES[:1:-1]
    assert len(keys) == 1
    assert "The newest 2 are shown; limit=… shows more." in repr(found)


def test_a_team_that_sent_nothing_is_told_so(me) -> None:
    assert repr(me.entries()) == "climate-series · 0 sent\nYour team has sent nothing yet."
    assert "Your team has sent nothing yet." in me.entries()._repr_html_()


def test_the_choice_that_was_noted_last_is_marked(me, fake, sent) -> None:
    choose(fake, "20261204T110000Z", [IDS[0], IDS[1]])
    choose(fake, "20261204T120000Z", [IDS[2]])
    choose(fake, "20261204T130000Z", [IDS[1]], status="refused")
    found = me.entries(PROJECT)
    assert found.selected == (IDS[2],)
    assert [each.submission for each in found if found.is_selected(each)] == [NAMES[2]]
    row = next(line for line in repr(found).splitlines() if NAMES[2] in line)
    assert "yes" in row
    assert len(found) == 4, "a choice is no entry"


def selection_of(fake) -> dict[str, Any]:
    [key] = [key for key in fake.submissions() if key.endswith(".selection.json")]
    sender = sender_of(key)
    assert sender is not None
    assert (sender.project, sender.team) == (PROJECT, "falcon")
    content = fake.s3.get_object(Bucket="earth-work", Key=key)["Body"].read()
    # The checker takes it, too.
    checking.selection.check(content)
    found: dict[str, Any] = json.loads(content)
    return found


def test_a_choice_is_sent_as_ids_whatever_it_is_given_as(me, fake, sent) -> None:
    given = me.entries(PROJECT)[1]
    chosen = me.select(PROJECT, given, NAMES[1], wait_seconds=0)
    assert selection_of(fake) == {"entries": [IDS[2], IDS[1]]}
    assert chosen.status == "waiting"


def test_a_choice_of_one_by_its_id(me, fake, sent) -> None:
    me.select(PROJECT, "0123456789abcdef", wait_seconds=0)
    assert selection_of(fake) == {"entries": ["0123456789abcdef"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "0 entries are given; choose one or two"),
        ((IDS[0], IDS[1], IDS[2]), "3 entries are given"),
        ((IDS[0], IDS[0] + "f" * 52), "These are the same entry"),
        (("nothing.csv",), "There is no entry 'nothing.csv' of your team"),
        ((NAMES[3],), "or it has no receipt yet"),
        (("../../x",), "'../../x' is no entry. Give a receipt"),
        ((3,), "3 is no entry"),
        ((receipt(status="refused", message="NaN."),), "its receipt says refused. NaN."),
    ],
)
def test_what_cannot_be_chosen_is_told_and_not_sent(me, fake, sent, given, message) -> None:
    with pytest.raises(SubmissionError) as caught:
        me.select(PROJECT, *given, wait_seconds=0)
    assert message in str(caught.value)
    assert not any(key.endswith(".selection.json") for key in fake.submissions())


def test_the_instant_of_a_name() -> None:
    assert stamped("20261201T100203Z-0123456789ab.npz") == "2026-12-01T10:02:03Z"
    assert stamped("mine.csv") == ""


# --- on the way -----------------------------------------------------------------------------------
def test_sending_shows_how_far_it_is(me, fake, capsys) -> None:
    def answer() -> None:
        deadline = time.monotonic() + 20
        while not fake.submissions() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        put(fake, "receipts", f"{fake.submissions()[0].rsplit('/', 1)[1]}.json", document())

    thread = threading.Thread(target=answer)
    thread.start()
    assert me.submit(PROJECT, CENTRES).status == "scored"
    thread.join()
    lines = [line.split(" · ") for line in capsys.readouterr().out.splitlines()]
    assert [state for state, _ in itertools.groupby(line[1] for line in lines)] == [
        "sending",
        "sent, waiting for its score",
        "scored",
    ]


def test_a_large_file_tells_its_share_in_a_notebook(me, fake, monkeypatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(
        "academy.progress.Progress.update",
        lambda _self, state, _lines, note="": notes.append(note) if state == "sending" else None,
    )
    content = RNG.bytes(3_000_000)
    key = "submissions/climate-series/falcon/x.npz"
    submissions._put(
        me._cloud, me.workspace, "x.npz", content, project=PROJECT, note="", job="",
        now=dt.datetime(2026, 12, 1, tzinfo=dt.UTC), wait_seconds=0,
    )  # fmt: skip
    assert fake.s3.get_object(Bucket="earth-work", Key=key)["Body"].read() == content
    shares = [int(note.split()[0]) for note in notes if note.endswith("%")]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert 2 <= len(shares) <= 10


def test_what_is_there_is_not_written_again(me, fake) -> None:
    fake.s3.put_object(Bucket="earth-work", Key="k", Body=b"old")
    with pytest.raises(CloudError, match="it is there already"):
        me._cloud.create("earth-work", "k", b"new", {}, lambda _: None)
    assert fake.s3.get_object(Bucket="earth-work", Key="k")["Body"].read() == b"old"


# --- the board's page -----------------------------------------------------------------------------
def test_the_boards_link_opens_its_page(me, fake) -> None:
    empty = {"project": PROJECT, "entries": [], "lines": []}
    for key, content in (
        ("boards/climate-series.json", json.dumps(empty)),
        ("climate-series.html", "<p>the page"),
    ):
        fake.s3.put_object(Bucket="earth-site", Key=key, Body=content)
    assert requests.get(me.leaderboard().link, timeout=10).text == "<p>the page"


def test_without_a_board_there_is_no_link(me) -> None:
    assert me.leaderboard().link == ""


def test_links_of_a_space_are_of_signature_version_4(monkeypatch) -> None:
    from academy.cloud import Cloud, _boto3_client

    cloud = Cloud("eu-central-1", _boto3_client)
    asked = urllib.parse.parse_qs(
        urllib.parse.urlsplit(cloud.link("b-ucket", "k.html", 3600)).query
    )
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert asked["X-Amz-Expires"] == ["3600"]
