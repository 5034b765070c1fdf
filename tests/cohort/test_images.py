"""The images' names, and the record: what it refuses, and that it only ever changes as a whole."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cohort import images
from infra.cohort.images import (
    DEFAULT,
    FLAVOURS,
    Built,
    ImageVersion,
    Record,
    RecordError,
    UnknownVersion,
    load_record,
    save_record,
)
from infra.cohort.loading import load
from infra.cohort.model import PROJECTS
from infra.services.guard import training

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
PLACE = f"{ACCOUNT}/{REGION}"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def a_version(number: int, *flavours: str, letter: str = "a") -> ImageVersion:
    workspace, other = digest(letter), digest(chr(ord(letter) + 1))
    built = Built(workspace=workspace, training=other, bytes=5_000_000_000)
    return ImageVersion(
        number,
        built=dt.datetime(2026, 11, 28, 14, number, tzinfo=dt.UTC),
        source=f"{number:x}" * 64,
        images=dict.fromkeys(flavours or FLAVOURS, built),
    )


def a_document() -> dict[str, Any]:
    return Record().with_version(ACCOUNT, REGION, a_version(1)).to_document()


# --- vocabulary ---------------------------------------------------------------------------------
def test_every_project_of_a_cohort_file_has_an_image() -> None:
    assert {images.image_of(project) for project in PROJECTS} == set(images.IMAGES)
    for project in PROJECTS:
        assert project in images.projects_of(images.image_of(project))


def test_an_instances_accelerator_is_the_one_that_jobs_get_their_container_for() -> None:
    from infra.cohort.prices import PriceList

    prices = PriceList.snapshot()
    for region in prices.regions():
        for instance in (*prices.types(region, "studio"), *prices.types(region, "training")):
            gpu = training.image(region, instance).endswith(training.GPU_IMAGE)
            assert images.accelerator_of(instance) == ("gpu" if gpu else "cpu"), instance


@pytest.mark.parametrize(
    "wrong", ["", "g5.xlarge", "ml..xlarge", "ml.g5", "ml.g5.xlarge\n", "ml.g5.*", "ml.G5.xlarge"]
)
def test_what_is_no_instance_type_has_no_accelerator(wrong: str) -> None:
    with pytest.raises(ValueError, match="no instance type"):
        images.accelerator_of(wrong)


def test_an_unknown_image_project_or_accelerator_is_named() -> None:
    with pytest.raises(ValueError, match=r"'music'.*land-cover"):
        images.image_of("music")
    with pytest.raises(ValueError, match="'tpu'"):
        images.flavour("segmentation", "tpu")
    with pytest.raises(ValueError, match=r"'land-cover'.*segmentation"):
        images.flavour("land-cover", "cpu")


def test_a_cohort_needs_a_flavour_for_each_project_and_kind_of_instance() -> None:
    cohort = load(ROOT / "cohorts" / "example.yaml")
    assert images.flavours_of(cohort) == FLAVOURS
    one = cohort.model_copy(update={"projects": ["climate-series"]})
    assert images.flavours_of(one) == ("forecasting-cpu", "forecasting-gpu")
    assert images.flavours_for(["land-cover"], ["ml.m5.large"]) == ("segmentation-cpu",)
    assert images.flavours_for([], ["ml.m5.large"]) == ()


def test_names_are_those_that_the_parts_of_the_academy_agreed_on() -> None:
    assert images.repository("segmentation-gpu") == "academy/segmentation-gpu"
    assert images.studio_image("segmentation-gpu") == "academy-segmentation-gpu"
    assert images.version_parameter("forecasting-cpu", 3) == "/academy-images/forecasting-cpu/v3"
    assert images.training_image_uri(ACCOUNT, REGION, "forecasting-cpu", digest("a")) == (
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/academy/forecasting-cpu@{digest('a')}"
    )
    assert images.build_tag("0123456789abcdef" * 4) == "build-0123456789abcdef"


def test_aws_accepts_every_name() -> None:
    def accepts(service: str, shape: str, name: str) -> bool:
        limits = botocore.session.get_session().get_service_model(service).shape_for(shape).metadata
        fits = len(name) <= limits.get("max", len(name))
        return fits and bool(re.fullmatch(limits.get("pattern", ".*"), name))

    # The longest of each.
    tag = images.kept_tag(999_999, "workspace")
    base = images.image_uri(ACCOUNT, "ap-southeast-1", "segmentation-gpu", digest("a"))
    for flavour in FLAVOURS:
        assert accepts("ecr", "RepositoryName", images.repository(flavour))
        assert accepts("sagemaker", "ImageName", images.studio_image(flavour))
        assert accepts("sagemaker", "AppImageConfigName", images.studio_image(flavour))
        assert accepts("ssm", "PSParameterName", images.version_parameter(flavour, 999_999))
    assert accepts("ecr", "ImageTag", tag)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", tag)
    assert accepts("sagemaker", "ImageBaseImage", base)
    assert accepts("sagemaker", "AlgorithmImage", base)
    assert accepts("codebuild", "ProjectName", images.BUILD_PROJECT)
    assert accepts("logs", "LogGroupName", images.BUILD_LOGS)
    for role in (images.BUILD_ROLE, images.STUDIO_ROLE):
        assert accepts("iam", "roleNameType", role)
    assert accepts("iam", "pathType", images.ROLE_PATH)


@given(st.integers(1, 999_999), st.sampled_from(images.STAGES))
def test_a_kept_tag_says_which_version_it_keeps(number: int, stage: str) -> None:
    assert images.version_of_tag(images.kept_tag(number, stage)) == number


@pytest.mark.parametrize(
    "tag", ["kept-v0-workspace", "kept-v01-training", "kept-v1", "kept-v1-other", "v1-workspace"]
)
def test_another_tag_keeps_no_version(tag: str) -> None:
    assert images.version_of_tag(tag) is None


# --- the record ---------------------------------------------------------------------------------
def test_the_repositorys_own_record_can_be_read() -> None:
    assert DEFAULT == ROOT / "workspace_images" / "versions.json"
    load_record()


def test_an_empty_record_means_awss_own_images(tmp_path: Path) -> None:
    path = tmp_path / "versions.json"
    path.write_text("{}")
    assert load_record(path).current(ACCOUNT, REGION) is None
    assert load_record(path).versions(ACCOUNT, REGION) == []


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(1))
    record = record.with_version(ACCOUNT, REGION, a_version(12, "segmentation-cpu", letter="c"))
    record = record.with_version("111122223333", "eu-west-1", a_version(2))
    path = tmp_path / "versions.json"
    save_record(record, path)
    assert load_record(path) == record
    first = path.read_bytes()
    save_record(load_record(path), path)
    assert path.read_bytes() == first, "the same record is the same bytes"
    assert [each.name for each in tmp_path.iterdir()] == ["versions.json"]


def test_the_order_of_the_file_does_not_depend_on_the_order_of_what_was_done() -> None:
    one = Record().with_version(ACCOUNT, REGION, a_version(2))
    one = one.with_version(ACCOUNT, REGION, a_version(10))
    other = Record().with_version(ACCOUNT, REGION, a_version(10))
    other = other.with_version(ACCOUNT, REGION, a_version(2)).using(ACCOUNT, REGION, 10)
    assert json.dumps(one.to_document()) == json.dumps(other.to_document())
    assert [each.number for each in other.versions(ACCOUNT, REGION)] == [2, 10]


def test_a_new_version_is_used_and_one_can_go_back_and_forth() -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(1))
    record = record.with_version(ACCOUNT, REGION, a_version(2, letter="c"))
    assert record.current(ACCOUNT, REGION) == a_version(2, letter="c")
    back = record.using(ACCOUNT, REGION, 1)
    assert back.current(ACCOUNT, REGION) == a_version(1)
    assert back.using(ACCOUNT, REGION, None).current(ACCOUNT, REGION) is None
    assert back.using(ACCOUNT, REGION, 2) == record
    assert record.current(ACCOUNT, "eu-west-1") is None
    assert record.current("111122223333", REGION) is None


def test_what_a_number_means_never_changes() -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(1))
    with pytest.raises(ValueError, match="version 1 is recorded already"):
        record.with_version(ACCOUNT, REGION, a_version(1, letter="c"))
    assert record.with_version(ACCOUNT, REGION, a_version(1)) == record
    later = replace(a_version(1), built=dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(ValueError, match="recorded already"):
        record.with_version(ACCOUNT, REGION, later)


def test_a_change_leaves_the_record_it_was_made_from_alone() -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(1))
    before = json.dumps(record.to_document())
    record.with_version(ACCOUNT, REGION, a_version(2))
    record.using(ACCOUNT, REGION, None)
    record.using(ACCOUNT, REGION, None).without(ACCOUNT, REGION, 1)
    assert json.dumps(record.to_document()) == before


def test_an_unknown_version_is_answered_with_those_that_there_are() -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(2))
    record = record.with_version(ACCOUNT, REGION, a_version(10))
    for change in (
        lambda: record.using(ACCOUNT, REGION, 3),
        lambda: record.without(ACCOUNT, REGION, 3),
        lambda: record.version(ACCOUNT, REGION, 3),
    ):
        with pytest.raises(UnknownVersion, match=r"no version 3 .*us-east-1; there are: 2, 10"):
            change()
    with pytest.raises(UnknownVersion, match="none was built yet"):
        record.using(ACCOUNT, "eu-west-1", 1)


def test_a_version_is_forgotten_unless_it_is_used() -> None:
    record = Record().with_version(ACCOUNT, REGION, a_version(1))
    record = record.with_version(ACCOUNT, REGION, a_version(2))
    with pytest.raises(ValueError, match="in use"):
        record.without(ACCOUNT, REGION, 2)
    assert [
        each.number for each in record.without(ACCOUNT, REGION, 1).versions(ACCOUNT, REGION)
    ] == [2]


def test_a_version_says_which_flavours_it_lacks() -> None:
    version = a_version(1, "segmentation-cpu")
    assert version.missing(FLAVOURS[:2]) == ("segmentation-gpu",)
    assert version.missing(["segmentation-cpu"]) == ()


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "versions.json"
    path.write_text("{}")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_record(Record().with_version(ACCOUNT, REGION, a_version(1)), path)
    assert path.read_text() == "{}"
    assert [each.name for each in tmp_path.iterdir()] == ["versions.json"]


# --- files that are damaged, or hostile -----------------------------------------------------------
def refused(path: Path) -> RecordError:
    with pytest.raises(RecordError) as caught:
        load_record(path)
    assert str(path) in str(caught.value)
    return caught.value


def edited(path: Path, place: str, value: Any) -> RecordError:
    """What is said of the record whose member at `place` is `value`."""
    document: Any = a_document()
    *parents, last = place.split("|")
    inner = document
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    path.write_text(json.dumps(document))
    return refused(path)


VERSION = f"{PLACE}|versions|1"
BUILT = f"{VERSION}|images|segmentation-gpu"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("1234/us-east-1", {"use": None, "versions": {}}, "an account and a region"),
        (f"{PLACE}/../x", {"use": None, "versions": {}}, "an account and a region"),
        ("123456789012/us-east-1\n", {"use": None, "versions": {}}, "an account and a region"),
        ("١٢٣٤٥٦٧٨٩٠١٢/us-east-1", {"use": None, "versions": {}}, "an account and a region"),
        (PLACE, [], "should be a JSON object"),
        (f"{PLACE}|use", 7, "none of its versions (1)"),
        (f"{PLACE}|use", "1", "integer"),
        (f"{PLACE}|use", True, "integer"),
        (f"{PLACE}|use", 1.0, "integer"),
        (f"{PLACE}|more", 1, "no such member"),
        (f"{PLACE}|versions|01", {}, "number of a version"),
        (f"{PLACE}|versions|0", {}, "number of a version"),
        (f"{PLACE}|versions|2", {}, "2.built: is missing"),
        (f"{VERSION}|built", "2026-11-28", "an instant in UTC"),
        (f"{VERSION}|built", "2026-13-28T14:00:00Z", "like 2026-11-28T14:00:00Z"),
        (f"{VERSION}|built", 5, "string"),
        (f"{VERSION}|source", "A" * 64, "64 hexadecimal digits"),
        (f"{VERSION}|source", "a" * 64 + "\n", "64 hexadecimal digits"),
        (f"{VERSION}|images", {}, "at least 1"),
        (f"{VERSION}|images|segmentation", {}, "one of segmentation-cpu"),
        (f"{VERSION}|sourc", "", "no such member"),
        (BUILT, None, "images.segmentation-gpu"),
        (f"{BUILT}|training", digest("a"), "same digest"),
        (f"{BUILT}|training", "sha256:abc", "a digest"),
        (f"{BUILT}|workspace", "latest", "a digest"),
        (f"{BUILT}|bytes", 0, "greater than 0"),
        (f"{BUILT}|bytes", "5", "integer"),
        (f"{BUILT}|layers", [], "no such member"),
    ],
)
def test_a_member_that_cannot_be_is_named_with_its_place(
    tmp_path: Path, place: str, value: Any, problem: str
) -> None:
    error = edited(tmp_path / "versions.json", place, value)
    assert problem in str(error)
    assert ".".join(place.split("|")[:-1]) in str(error), "its place is named"


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    document = a_document()
    version = document[PLACE]["versions"]["1"]
    version["source"] = "short"
    version["images"]["forecasting-cpu"]["training"] = "latest"
    path = tmp_path / "versions.json"
    path.write_text(json.dumps(document))
    assert len(refused(path).problems) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1: not readable as JSON"),
        (b'{"123456789012/us-east-1"', "line 1: not readable"),
        (b"[]", "JSON object"),
        (b"null", "JSON object"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5_000, "digits"),
        (b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n", "keep the versions of both"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "versions.json"
    path.write_bytes(content)
    assert problem in str(refused(path))


def test_a_missing_or_endless_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "start one that contains {}" in str(refused(tmp_path / "nowhere.json"))
    assert "directory" in str(refused(tmp_path)).lower()
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    path = tmp_path / "large.json"
    path.write_text(" " * 11 + "{}")
    assert "at most 10" in str(refused(path))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([PLACE, "use", "versions", "1", "images", "built"]) | st.text(),
                inner,
            )
        ),
        max_leaves=10,
    )
)
def test_any_document_is_a_record_or_refused(document: Any) -> None:
    try:
        record = Record.from_document(document)
    except RecordError:
        return
    assert Record.from_document(record.to_document()) == record
