"""What two runs of a job left behind, read and compared: honest, damaged and hostile."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.cli.competition.results import Results, compared, read_results

KEY = "teams/falcon/jobs/x/output/output.tar.gz"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket="work")
        client.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
        yield client


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read(s3: Any, content: bytes) -> Results:
    s3.put_object(Bucket="work", Key=KEY, Body=content)
    return read_results(s3, "work", KEY)


def test_metrics_and_predictions_are_found(s3: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in {
            "metrics.json": b'{"mase": 0.8}',
            "maps/predictions.npz": b"x",
            "log.txt": b"y",
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    found = read(s3, packed.getvalue())
    assert found.metrics == {"mase": 0.8}
    assert found.predictions == {"maps/predictions.npz": b"x"}
    assert found.remarks == ()


def test_what_the_team_wrote_over_it_later_is_not_read(s3: Any) -> None:
    read(s3, archive(metrics_json=b'{"mase": 0.8}'))
    found = read(s3, archive(metrics_json=b'{"mase": 0.1}'))
    assert found.metrics == {"mase": 0.8}
    assert "written 2 times" in found.remarks[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "cannot be unpacked"),
        (archive(x=b"y"), "it wrote no metrics.json"),
        (archive(metrics_json=b"{"), "is not JSON"),
        (archive(metrics_json=b"[" * 200_000), "is not JSON"),
        (archive(metrics_json=b"\xff"), "is not JSON"),
    ],
    # An archive holds the second it was made in, and test processes must agree on names.
    ids=["no archive", "another file", "cut short", "too deep", "no text"],
)
def test_an_output_that_is_none_is_said(s3: Any, content: bytes, words: str) -> None:
    found = read(s3, content)
    assert found.metrics is None
    assert words in found.remarks[0]


def test_an_output_that_is_not_there_is_said(s3: Any) -> None:
    assert "left no output" in read_results(s3, "work", KEY).remarks[0]


def test_an_archive_that_leads_out_of_its_folder_is_not_unpacked(s3: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        link = tarfile.TarInfo("metrics.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    found = read(s3, packed.getvalue())
    assert found.metrics is None
    assert "not safe to unpack" in found.remarks[0]


def test_a_link_to_another_file_of_the_output_is_no_metrics(s3: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("x")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"{}"))
        link = tarfile.TarInfo("metrics.json")
        link.type, link.linkname = tarfile.SYMTYPE, "x"
        tar.addfile(link)
    assert read(s3, packed.getvalue()).metrics is None


# --- comparing ------------------------------------------------------------------------------------
def outcome(first: Any, second: Any, tolerance: float = 1e-6) -> dict[str, bool]:
    found = compared(first, second, tolerance)
    assert found is not None
    return {each.name: each.same for each in found}


def test_values_are_compared_one_by_one_within_the_tolerance() -> None:
    first = {"mase": 0.8, "by": {"co2": [1.0, 2.0]}, "model": "n-beats", "best": None}
    second = {"mase": 0.8000001, "by": {"co2": [1.0, 2.1]}, "model": "n-beats", "best": None}
    assert outcome(first, second) == {
        "mase": True,
        "by.co2.0": True,
        "by.co2.1": False,
        "model": True,
        "best": True,
    }
    assert outcome(first, second, 0.1)["by.co2.1"]
    assert not outcome(first, second, 0)["mase"]


def test_what_only_one_has_differs() -> None:
    assert outcome({"a": 1}, {"b": 1}) == {"a": False, "b": False}
    assert outcome({"a": {"x": 1}}, {"a": 1}) == {"a.x": False, "a": False}
    assert compared(None, {"a": 1}, 0) is None


def test_numbers_that_are_none_or_too_large_are_compared_too() -> None:
    nan, huge = float("nan"), json.loads("1" + "0" * 400)
    assert outcome({"a": nan, "b": 1.0}, {"a": nan, "b": nan}) == {"a": True, "b": False}
    assert outcome({"a": huge, "b": huge}, {"a": huge, "b": 1.5}) == {"a": True, "b": False}
    assert outcome({"a": float("inf")}, {"a": float("inf")}) == {"a": True}
    assert outcome({"a": float("inf")}, {"a": 1.0}) == {"a": False}
    assert outcome({"a": True}, {"a": 1}) == {"a": False}, "a truth is no number"


def test_how_long_it_took_is_shown_and_not_judged() -> None:
    found = compared({"seconds": 1.0, "mase": 1.0}, {"seconds": 2.0, "mase": 1.0}, 1e-6)
    assert found is not None
    assert [(each.name, each.same, each.aside) for each in found] == [
        ("seconds", False, True),
        ("mase", True, False),
    ]


def test_a_document_of_any_size_is_compared_as_far_as_it_is_shown() -> None:
    found = compared([0.5] * 1_000_000, [0.5] * 1_000_000, 0)
    assert found is not None
    assert len(found) == 20_000
    assert all(each.same for each in found)
