"""The first step: run lengths, quantiles and selections from hostile files, and the canonical
form that the scorer reads."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from academy import kaggle as form
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from benchmarks import scoring
from infra.services.competition import checking
from infra.services.competition.aws import AwsFiles
from infra.services.competition.checking import (
    canonical,
    climate_series,
    forecast_rows,
    land_cover,
    rle,
)
from infra.services.competition.checking import selection as selections
from infra.services.competition.checking.canonical import Header
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects.climate_series import COVERAGE, WQL, Answers, coverage, wql
from infra.services.competition.projects.land_cover import LandCover
from tests.services.test_competition_land_cover import RIGHT as MAPS
from tests.services.test_competition_land_cover import SHAPES, guesses, saved, scored, vault
from tests.services.test_competition_land_cover import TASK as MAP_TASK
from tests.services.test_competition_scoring import ANSWERS, RIGHT, STEPS, TASK
from tests.services.test_competition_scoring import scored as scored_series

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)


# --- run lengths ----------------------------------------------------------------------------------
def rows(changes: dict[str, str | None] | None = None) -> list[str]:
    """A right file's lines, some of them, by their id, changed or left out."""
    lines = ["row_id,rle"]
    for scene in SHAPES:
        for name, runs in form.class_rows(scene, guesses()[scene]):
            found = (changes or {}).get(name, runs)
            if found is not None:
                lines.append(f"{name},{found}")
    return lines


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def check(content: bytes) -> canonical.Content:
    return checking.check("land-cover", "x.csv", content, MAP_TASK)


def test_run_lengths_of_the_same_maps_are_the_same_entry() -> None:
    ours = checking.check("land-cover", "x.npz", MAPS, MAP_TASK)
    assert check(text(rows())) == ours
    assert scored(text(rows())) == scored(MAPS)
    other = guesses(held_out_01=(guesses()["held-out-01"] + 1) % 9)
    assert checking.check("land-cover", "x.npz", saved(other), MAP_TASK).digest != ours.digest


def test_order_quotes_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    head, *body = rows()
    random.Random(1).shuffle(body)  # noqa: S311
    quoted = [f'"{name}","{runs}"' for name, runs in (line.split(",") for line in body)]
    expected = check(text(rows()))
    assert check(text([head, *body])) == expected
    assert check(text(['"row_id","rle"', *quoted])) == expected
    assert check("\r\n".join([head, *body]).encode()) == expected
    assert check(b"\xef\xbb\xbf" + text([head, *body])) == expected
    assert check(text(["row_id,rle", *body]).replace(b",-\n", b",\n")) == expected


def only(runs: str, number: int = 0) -> bytes:
    """A file whose scene held-out-04, of 9 cells, has nothing but these runs."""
    nothing: dict[str, str | None] = {f"held-out-04_{each}": "-" for each in range(9)}
    return text(rows(nothing | {f"held-out-04_{number}": runs}))


WRONG = {
    "another header": (b"row_id,value\n", "The first line is 'row_id,value'; expected exactly"),
    "columns turned": (b'"row_id";"rle"\n', "expected exactly row_id,rle."),
    "no rows": (b"row_id,rle\n", "36 of 36 rows are missing; the first is held-out-01_0."),
    "a row missing": (
        text(rows({"held-out-02_3": None})),
        "1 of 36 rows are missing; the first is held-out-02_3.",
    ),
    "a row twice": (text([*rows(), rows()[1]]), "Row held-out-01_0 is there twice."),
    "an unknown row": (text([*rows(), "lake_0,1 2"]), "row 37: 'lake_0' is no row that is asked"),
    "a tenth class": (text([*rows(), "held-out-01_9,-"]), "'held-out-01_9' is no row"),
    "markup": (text([*rows(), "<b>\x1b_0,-"]), r"row 37: '<b>\x1b_0' is no row"),
    "no comma": (text([*rows(), "held-out-01_0"]), "row 37: 'held-out-01_0' has no comma"),
    "an empty line": (text([*rows(), ""]), "row 37: '' has no comma"),
    "a long line": (text([*rows(), "x" * 100_000]), "has no comma"),
    "a third column": (text([*rows()[:-1], rows()[-1] + ",1"]), "are no runs"),
    "a beginning cut off": (only("1"), "Row held-out-04_0: the last run has a start but no length"),
    "zero": (only("0 9"), "'0 9' are no runs"),
    "negative": (only("-1 9"), "'-1 9' are no runs"),
    "two spaces": (only("1  9"), "are no runs"),
    "a space at the end": (only("1 9 "), "are no runs"),
    "a fraction": (only("1.0 9"), "are no runs"),
    "other digits": (only("١ ٩"), "are no runs"),
    "a formula": (only("=1+1"), "'=1+1' are no runs"),
    "a number of ten thousand digits": (only("1" * 10_000), "are no runs"),
    "a number longer than a piece": (only("1" * 200_000), "are no runs"),
    "beyond the end": (only("1 10"), "the run 1 10 ends at cell 10; the scene has 9 cells."),
    "far beyond": (only("9999999999 9999999999"), "ends at cell 19999999997"),
    "descending": (only("5 5 1 4"), "the run 1 4 begins before the one before it ends"),
    "overlapping": (only("1 5 5 5"), "the run 5 5 begins before the one before it ends"),
    "a cell twice": (
        text(rows({f"held-out-04_{n}": {0: "1 9", 3: "4 1"}.get(n, "-") for n in range(9)})),
        "Row held-out-04_3: cell 4 has class 0 already.",
    ),
    "a cell missing": (only("1 8"), "Scene held-out-04: 1 of 9 cells have no class, the first is"),
}


@pytest.mark.parametrize(("content", "words"), WRONG.values(), ids=WRONG)
def test_wrong_run_lengths_are_refused_with_the_row(content: bytes, words: str) -> None:
    with pytest.raises(Fault) as fault:
        check(content)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 300
    assert str(fault.value).isascii()
    assert str(fault.value).isprintable()


def test_a_row_of_many_runs_is_read_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = 5000
    runs = {"a_0": form.run_lengths(np.arange(cells) % 2 == 0)}
    runs |= {"a_1": form.run_lengths(np.arange(cells) % 2 == 1)}
    lines = [f"a_{n},{runs.get(f'a_{n}', '-')}" for n in range(9)]
    content = text(["row_id,rle", *lines])
    whole = b"".join(block for _, block in rle.blocks(content, {"a": cells}, 9, 999))
    assert whole == bytes(at % 2 for at in range(cells))
    for size in (12, 13, 14, 37, 1000):
        monkeypatch.setattr(rle, "_PIECE", size)
        assert b"".join(b for _, b in rle.blocks(content, {"a": cells}, 9)) == whole
        with pytest.raises(Fault, match="are no runs"):
            list(rle.blocks(content.replace(b"4997 1", b"4997 x"), {"a": cells}, 9))


@given(st.text(alphabet="0123456789 -\"',x", max_size=40), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
@example("1 9", 0)
def test_any_runs_are_read_or_refused(runs: str, number: int) -> None:
    refusal, found = "", b""
    try:
        maps = land_cover.maps(only(runs, number), SHAPES)
        found = b"".join(block for name, block in maps if name == "held-out-04")
    except Fault as fault:
        refusal = str(fault)
    # Either a word on what is wrong, or every cell has the class.
    assert (found == bytes([number] * 9)) != (0 < len(refusal) < 300)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_noise_after_a_right_header_takes_the_checker_down(content: bytes) -> None:
    with pytest.raises(Fault):
        check(b"row_id,rle\n" + content)


# --- quantiles ------------------------------------------------------------------------------------
def wide(change: dict[tuple[int, int], str] | None = None, *, value: bool = True) -> bytes:
    """RIGHT with quantiles around its values, some cells by row and column changed."""
    head = ["series", "step", *(["value"] if value else []), *forecast_rows.QUANTILES]
    lines = [head]
    for line in RIGHT.strip().split("\n")[1:]:
        series, step, text_ = line.split(",")
        center = float(text_)
        quantiles = [repr(center + (level - 0.5) * 4) for level in forecast_rows.LEVELS]
        lines.append([series, step, *([text_] if value else []), *quantiles])
    for (row, column), cell in (change or {}).items():
        lines[row][column] = cell
    return text([",".join(line) for line in lines])


def test_the_columns_of_quantiles_are_named_by_their_levels() -> None:
    assert forecast_rows.QUANTILES[:3] == ["0.05", "0.1", "0.15"]
    assert forecast_rows.QUANTILES[-2:] == ["0.9", "0.95"]
    assert len(forecast_rows.QUANTILES) == 19
    assert forecast_rows.LEVELS[forecast_rows.MEDIAN] == 0.5


def test_without_a_value_the_median_is_it() -> None:
    both, without = wide(), wide(value=False)
    assert climate_series.check(without, TASK) == climate_series.check(both, TASK)
    assert scored_series(without).public == scored_series(RIGHT.encode()).public
    other = wide({(1, 2): "2.5"})
    assert climate_series.check(other, TASK).digest != climate_series.check(both, TASK).digest


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            wide({(3, 9): "99"}),
            "row 3: the quantile 0.35 is 99.0, above",
        ),
        (wide({(2, 3): "nan"}), "row 2: quantile 0.05 'nan' is not a number."),
        (wide({(2, 21): "1e10"}), "row 2: quantile 0.95 '1e10' is beyond 1e+09."),
        (wide({(0, 3): "0.050"}), "The first line is"),
        (wide({(0, 3): "q05"}), "or with the 19 quantiles 0.05,0.1,0.15 and so on"),
        (wide().replace(b",0.95\n", b"\n"), "The first line is"),
        (wide().replace(b"co2,10,2,", b"co2,10,"), "row 1: 21 values; expected 22: series, step"),
    ],
)
def test_wrong_quantiles_are_refused_with_the_place(content: bytes, words: str) -> None:
    with pytest.raises(Fault) as fault:
        climate_series.check(content, TASK)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 300
    assert str(fault.value).isascii()


def test_the_order_and_the_writing_of_numbers_do_not_make_another_entry() -> None:
    expected = climate_series.check(RIGHT.encode(), TASK)
    head, *body = RIGHT.strip().split("\n")
    turned = "\r\n".join([head, *body[::-1]]).replace("co2,10,2", "co2,10,2.00e0")
    assert climate_series.check(turned.encode(), TASK) == expected
    nothing = RIGHT.replace("sst,20,0", "sst,20,-0.0")
    assert climate_series.check(nothing.encode(), TASK) == expected


def test_a_forecast_without_quantiles_has_them_all_at_its_value() -> None:
    found = climate_series.forecasts(RIGHT.encode(), STEPS)
    # co2: errors 1 and 1 of 1 and 2; sst: an error of 1 of 1. Half of each is lost at a median.
    assert wql(found, ANSWERS, "public") == pytest.approx((2 / 3 + 1) / 2)
    assert coverage(found, ANSWERS, "public") is None
    assert set(scored_series(RIGHT.encode()).also) == {WQL}


def test_the_weighted_quantile_loss_is_what_numpy_says() -> None:
    found = climate_series.forecasts(wide(), STEPS)
    of_series = []
    for name in ANSWERS.scales:
        points = [p for p, (_, part) in ANSWERS.points.items() if p[0] == name and part == "public"]
        truth = np.array([ANSWERS.points[p][0] for p in points])[:, None]
        given_ = np.array([found[p].quantiles for p in points])
        level = np.array(forecast_rows.LEVELS)
        loss = np.maximum(level * (truth - given_), (level - 1) * (truth - given_))
        of_series.append(2 * loss.sum() / (19 * np.abs(truth).sum()))
    result = scored_series(wide())
    assert result.also[WQL] == pytest.approx(np.mean(of_series), rel=1e-12)
    assert result.also[COVERAGE] == 1.0
    narrow = climate_series.forecasts(wide(), STEPS) | {
        ("co2", 10): forecast_rows.Forecast(5.0, (5.0,) * 19)
    }
    assert coverage(narrow, ANSWERS, "public") == pytest.approx(2 / 3)


def test_a_series_that_is_zero_throughout_has_no_weighted_loss() -> None:
    points = {p: (0.0 if p[0] == "sst" else v, part) for p, (v, part) in ANSWERS.points.items()}
    found = climate_series.forecasts(RIGHT.encode(), STEPS)
    assert wql(found, Answers(points, ANSWERS.scales), "public") == pytest.approx(2 / 3)
    none = {p: (0.0, part) for p, (_, part) in ANSWERS.points.items()}
    assert wql(found, Answers(none, ANSWERS.scales), "public") is None


# --- selections -----------------------------------------------------------------------------------
A, B = "0123456789ab", "ba9876543210"


def test_a_selection_is_one_or_two_entries_in_any_order() -> None:
    one = selections.check(json.dumps({"entries": [B, A]}).encode())
    assert one == selections.check(json.dumps({"entries": [A, B]}).encode())
    assert selections.entries(one.members) == (A, B)
    assert checking.check("land-cover", "x.selection.json", b'{"entries":["%s"]}' % A.encode(), b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[" * 9000, "is no JSON"),
        (b"{}" + b" " * 10_000, "larger than 10,000 bytes"),
        (b"[]", "exactly the member entries"),
        (b'{"entries": []}', "names 0 entries; expected 1 to 2"),
        (b'{"entries": ["%s"], "team": "owl"}' % A.encode(), "exactly the member entries"),
        (json.dumps({"entries": [A, B, "c" * 12]}).encode(), "names 3 entries"),
        (json.dumps({"entries": [A[:11]]}).encode(), "expected an entry's id, the 12 digits"),
        (json.dumps({"entries": [A.upper()]}).encode(), "expected an entry's id"),
        (json.dumps({"entries": [A, A]}).encode(), "twice"),
        (json.dumps({"entries": [A, A + "0"]}).encode(), "twice"),
        (json.dumps({"entries": [["x" * 5000]]}).encode(), "expected an entry's id"),
        (json.dumps({"entries": {"a": A}}).encode(), "exactly the member entries"),
    ],
)
def test_a_wrong_selection_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(Fault) as fault:
        selections.check(content)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 200
    assert str(fault.value).isascii()


# --- the canonical form ---------------------------------------------------------------------------
HEADER = Header(
    kind="predictions",
    project="land-cover",
    team="falcon",
    name="x.npz",
    key="submissions/land-cover/falcon/x.npz",
    received=AT,
    version_id="v1",
    note="naïve, and \n a line",
    learner="ana",
    digest="a" * 64,
    members={"scenes": [["s", [1, 2]]]},
)


def test_a_checked_object_comes_back_as_it_was_written() -> None:
    body = bytes(range(256)) * 1000
    header, rest = canonical.read(io.BytesIO(HEADER.line() + body))
    assert header == HEADER
    assert b"".join(iter(lambda: rest.read(1000), b"")) == body


def damaged(**change: Any) -> bytes:
    document = json.loads(HEADER.line()) | change
    return json.dumps({k: v for k, v in document.items() if v is not ...}).encode() + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\xff\n",
        b"[]\n",
        b"x" * 1_100_000,
        damaged(version=2),
        damaged(team=...),
        damaged(team=7),
        damaged(kind="code"),
        damaged(received="2026-12-01T09:00:00"),
        damaged(received=5),
        damaged(digest=""),
        damaged(digest="a" * 63),
        damaged(kind="fault"),
    ],
)
def test_what_is_no_checked_object_is_a_fault_of_the_deployment(line: bytes) -> None:
    with pytest.raises(Misconfigured):
        canonical.read(io.BytesIO(line))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-8],
        lambda body: body + b"x",
        lambda body: b"x" + body,
        lambda body: body[:0],
    ],
)
def test_a_damaged_body_is_never_scored(change: Any) -> None:
    content = check(MAPS)
    for members in (content.members, {"scenes": "x"}, {}, {"scenes": [["a", [1, True]]]}):
        with pytest.raises(Misconfigured):
            LandCover().score(members, io.BytesIO(change(content.body)), vault)


def test_a_body_of_other_scenes_or_with_no_classes_is_never_scored() -> None:
    members = dict(check(MAPS).members)
    cells = sum(math.prod(shape) for shape in SHAPES.values())
    for body in (bytes(cells - 1), bytes(cells + 1), bytes([9]) * cells):
        with pytest.raises(Misconfigured):
            LandCover().score(members, io.BytesIO(zlib.compress(body)), vault)
    with pytest.raises(Misconfigured, match="other scenes"):
        LandCover().score({"scenes": members["scenes"][:3]}, io.BytesIO(b""), vault)


def test_another_task_than_held_out_data_is_a_fault_of_the_deployment() -> None:
    for task in (b"", b"[]", b'{"classes": [], "held_out": {}}', MAP_TASK.replace(b"[7,", b"[0,")):
        with pytest.raises(Misconfigured, match="published task"):
            checking.check("land-cover", "x.npz", MAPS, task)
    for task in (b"", b"[]", b'{"horizon": 0, "series": ["a"], "first_step": {"a": 1}}'):
        with pytest.raises(Misconfigured, match="published task"):
            checking.check("climate-series", "x.csv", RIGHT.encode(), task)


def test_what_checks_knows_nothing_of_answers() -> None:
    """A process that has loaded the checks has loaded nothing that reads the vault's files."""
    program = (
        "import sys, infra.services.competition.checking as c;"
        "print([m for m in sys.modules if '.projects' in m or 'boto' in m])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


# --- in the bucket --------------------------------------------------------------------------------
KEY = "submissions/land-cover/falcon/x.npz"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsFiles]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="work")
        yield AwsFiles(work="work")


@pytest.mark.parametrize("kind", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_file_is_a_fault_of_its_sender(files: AwsFiles, kind: str) -> None:
    boto3.client("s3").put_object(Bucket="work", Key=KEY, Body=MAPS, StorageClass=kind)
    upload = files.upload(KEY, None, 1000)
    assert upload is not None
    assert (upload.key, upload.content, upload.version) == (KEY, b"", "")
    assert "send it again with academy.submit" in upload.fault


def test_what_can_be_read_has_no_fault(files: AwsFiles) -> None:
    boto3.client("s3").put_object(Bucket="work", Key=KEY, Body=MAPS)
    upload = files.upload(KEY, None, len(MAPS))
    assert upload is not None
    assert (upload.content, upload.fault) == (MAPS, "")


def test_a_file_under_a_key_of_its_senders_own_is_a_fault_too(files: AwsFiles) -> None:
    # moto gives such a file out; S3 answers this.
    with Stubber(files._s3) as s3:
        s3.add_client_error("get_object", "InvalidRequest", "The object was stored using a form of")
        upload = files.upload(KEY, "v1", 1000)
        assert upload is not None
        assert (upload.content, upload.version) == (b"", "v1")
        assert "cannot be read" in upload.fault
        s3.add_client_error("get_object", "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            files.upload(KEY, "v1", 1000)


# --- memory ---------------------------------------------------------------------------------------
def test_ten_million_cells_are_checked_and_scored_in_little_memory() -> None:
    """Each step in a process of its own, which has 30 MB before it begins: of the 512 MB that a
    hundred million cells may take, a tenth of the rest."""
    for step, megabytes in scoring.peaks(10_000_000).items():
        assert megabytes < 78, step
