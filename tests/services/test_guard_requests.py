"""Who is asking, and what may be asked."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cohort.images import accelerator_of
from infra.cohort.prices import PriceList
from infra.services.guard.problems import Misconfigured, Refusal
from infra.services.guard.requests import BudgetOf, OpenSpace, Train, learner_of, parse
from infra.services.guard.settings import Image, Settings, accelerator
from tests.services.guard_cloud import TRAIN, image_of, images, settings, settings_text

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:earth-broker"
ASKED = {**TRAIN, "token": "0" * 32}
DOCUMENT = json.loads(settings_text())


def test_the_alias_is_the_learner() -> None:
    assert learner_of(f"{FUNCTION}:ana", "earth") == "ana"


@pytest.mark.parametrize(
    "arn",
    [
        FUNCTION,
        f"{FUNCTION}:$LATEST",
        f"{FUNCTION}:7",
        f"{FUNCTION}:",
        f"{FUNCTION}:Ana",
        f"{FUNCTION}:ana:ben",
        f"{FUNCTION}:ana\n",
        f"{FUNCTION}:ana--ben",
        f"{FUNCTION}:{'a' * 17}",
        "arn:aws:lambda:us-east-1:123456789012:function:mars-broker:ana",
        "arn:aws:lambda:us-east-1:123456789012:function:earth-broker2:ana",
        "ana",
        "",
    ],
)
def test_any_other_call_has_no_learner(arn: str) -> None:
    with pytest.raises(Refusal, match="own alias"):
        learner_of(arn, "earth")


def test_a_full_request_is_read() -> None:
    asked = parse({**ASKED, "hours": 1.5, "count": 2, "volume_gb": 30}, settings())
    assert asked == Train(
        token="0" * 32,
        project="climate-series",
        instance="ml.m5.large",
        count=2,
        seconds=5400,
        script="train.py",
        hyperparameters={"epochs": "20"},
        volume_gb=30,
    )


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"instance": "ml.p5.48xlarge"}, "instance", "ml.m5.large, ml.g5.xlarge"),
        ({"instance": "ml.*"}, "instance", "instance is 'ml.*'"),
        ({"instance": "ml.m5.large "}, "instance", "expected one of"),
        ({"instance": ["ml.m5.large"]}, "instance", "expected one of"),
        ({"instance": "ml.t3.medium"}, "instance", "expected one of"),  # of studio, not training
        ({"hours": 0}, "hours", "at most 4"),
        ({"hours": -1}, "hours", "hours is -1"),
        ({"hours": 4.01}, "hours", "at most 4"),
        ({"hours": math.nan}, "hours", "nan"),
        ({"hours": math.inf}, "hours", "inf"),
        ({"hours": 10**400}, "hours", "very large"),
        ({"hours": True}, "hours", "True"),
        ({"hours": "1"}, "hours", "'1'"),
        ({"hours": None}, "hours", "missing"),
        ({"count": 3}, "count", "between 1 and 2"),
        ({"count": 1.0}, "count", "between 1 and 2"),
        ({"count": -1}, "count", "between 1 and 2"),
        ({"count": True}, "count", "between 1 and 2"),
        ({"token": "0" * 31}, "input", "32 hexadecimal"),
        ({"token": "A" * 32}, "input", "32 hexadecimal"),
        ({"token": "0" * 32 + "\n"}, "input", "32 hexadecimal"),
        ({"token": 7}, "input", "32 hexadecimal"),
        ({"project": "land-cover"}, "input", "climate-series"),
        ({"project": "../climate-series"}, "input", "climate-series"),
        ({"script": "../train.py"}, "input", "path of a .py file"),
        ({"script": "/etc/train.py"}, "input", "path of a .py file"),
        ({"script": "a/../../train.py"}, "input", "path of a .py file"),
        ({"script": "train.py; rm -rf /"}, "input", "path of a .py file"),
        ({"script": "-c.py"}, "input", "path of a .py file"),
        ({"script": "a" * 300 + ".py"}, "input", "path of a .py file"),
        ({"hyperparameters": {"academy_script": "x.py"}}, "input", "academy_"),
        ({"hyperparameters": {"sagemaker_program": "x"}}, "input", "sagemaker_"),
        ({"hyperparameters": {"--rate": "1"}}, "input", "letters, digits"),
        ({"hyperparameters": {"rate": 1}}, "input", "printable text"),
        ({"hyperparameters": {"rate": "a\nb"}}, "input", "printable text"),
        ({"hyperparameters": {"rate": "\ud800"}}, "input", "printable text"),
        ({"hyperparameters": {"rate": "x" * 3000}}, "input", "printable text"),
        ({"hyperparameters": {f"h{i}": "1" for i in range(91)}}, "input", "at most 90"),
        ({"hyperparameters": ["rate"]}, "input", "at most 90"),
        ({"volume_gb": 5000}, "input", "between 1 and 50"),
        ({"ResourceConfig": {"InstanceCount": 50}}, "input", "'ResourceConfig'"),
        ({"KeepAlivePeriodInSeconds": 3600}, "input", "'KeepAlivePeriodInSeconds'"),
        ({"learner": "ben"}, "input", "does not know 'learner'"),
        ({"\u202egnp.exe": 1}, "input", "\\u202e"),
        ({"op": "Train"}, "input", "expected one of open_space"),
        ({"op": {"$ne": 1}}, "input", "expected one of open_space"),
        ({"op": "__class__"}, "input", "expected one of open_space"),
        ({"script": "x" * 70_000}, "input", "at most 65536"),
    ],
)
def test_a_wrong_member_is_refused_by_name(change: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse({**ASKED, **change}, settings())
    assert refused.value.code == code
    assert words in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("payload", [None, [], "budget", 7, {}, {"op": None}])
def test_what_is_no_request_is_refused(payload: Any) -> None:
    with pytest.raises(Refusal):
        parse(payload, settings())


def test_deep_nesting_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Refusal, match="nested too deeply"):
        parse({"op": "budget", "x": deep}, settings())


@pytest.mark.parametrize(
    "job",
    [
        "earth--falcon--ana--0000000",
        "mars--falcon--ana--00000000",
        "*",
        "earth--*",
        "",
        5,
        "a" * 99,
    ],
)
def test_a_name_that_no_job_can_have_is_refused(job: Any) -> None:
    with pytest.raises(Refusal, match="as train"):
        parse({"op": "job", "job": job}, settings())


def test_a_space_may_be_asked_for_a_project() -> None:
    asked = parse({"op": "open_space", "project": "climate-series"}, settings())
    assert asked == OpenSpace("ml.t3.medium", None, "climate-series")
    assert parse({"op": "open_space"}, settings()) == OpenSpace("ml.t3.medium", None, None)


@pytest.mark.parametrize(
    "project",
    ["land-cover", "", "*", "climate-series\n", "climate-series/../x", ["climate-series"], 7, True],
)
@pytest.mark.parametrize("asked", [ASKED, {"op": "open_space"}])
def test_a_project_that_the_cohort_does_not_have_is_refused(
    asked: dict[str, Any], project: Any
) -> None:
    with pytest.raises(Refusal, match="expected one of climate-series") as refused:
        parse({**asked, "project": project}, settings())
    assert refused.value.code == "input"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(ASKED)), json_values)
def test_anything_in_any_member_is_read_or_refused(member: str, value: Any) -> None:
    try:
        asked = parse({**ASKED, member: value}, settings())
    except Refusal as error:
        refusal = error
    else:
        assert not isinstance(asked, Train) or 60 <= asked.seconds <= 4 * 3600
        return
    assert refusal.message.isascii()
    assert "\n" not in refusal.message


def test_a_member_without_a_value_is_as_if_it_were_not_there() -> None:
    assert parse({"op": "budget", "hours": None}, settings()) == BudgetOf()


def test_settings_that_cannot_be_read_name_their_fault() -> None:
    with pytest.raises(Misconfigured, match="starts"):
        Settings.from_json('{"version": 1, "cap_micro_usd": 1, "cohort": "earth", "region": "x"}')
    with pytest.raises(Misconfigured, match="whole number"):
        Settings.from_json('{"version": 1, "cap_micro_usd": 1.5}')
    with pytest.raises(Misconfigured, match="version 2"):
        Settings.from_json('{"version": 2}')


def test_settings_from_before_there_were_images_are_read() -> None:
    """The function and its settings change in one deploy, one after the other."""
    before = {name: value for name, value in DOCUMENT.items() if name != "images"}
    found = Settings.from_json(json.dumps(before))
    assert found == settings()
    assert found.image("climate-series", "ml.m5.large") is None


def test_an_image_is_found_by_project_and_what_the_instance_computes_on() -> None:
    found = settings(projects=["land-cover", "climate-series"], images=images())
    image = found.image("land-cover", "ml.g5.xlarge")
    assert image == Image(**image_of("land-cover", "gpu"))
    assert image.app_image == (
        "arn:aws:sagemaker:us-east-1:123456789012:image/academy-segmentation-gpu"
    )


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"app": image_of("x", "cpu")["app"]},
        {**image_of("x", "cpu"), "app": image_of("x", "cpu")["app"].replace("-version", "")},
        {**image_of("x", "cpu"), "app": "$" + "{Token[TOKEN.1]}"},
        # By a tag: what it names could change.
        {**image_of("x", "cpu"), "job": image_of("x", "cpu")["job"].split("@")[0] + ":latest"},
        {**image_of("x", "cpu"), "job": "elsewhere.example.org/x@sha256:" + "0" * 64},
        {**image_of("x", "cpu"), "job": image_of("x", "cpu")["job"] + "\n"},
        "arn",
        None,
    ],
)
def test_settings_with_an_image_that_is_none_are_refused(image: Any) -> None:
    with pytest.raises(Misconfigured, match="settings"):
        Settings.from_json(json.dumps({**DOCUMENT, "images": {"climate-series": {"cpu": image}}}))


@pytest.mark.parametrize("images", [["x"], {"climate-series": "x"}, "x", 7])
def test_settings_whose_images_are_no_mapping_are_refused(images: Any) -> None:
    with pytest.raises(Misconfigured):
        Settings.from_json(json.dumps({**DOCUMENT, "images": images}))


def test_services_and_the_admins_side_agree_on_what_an_instance_computes_on() -> None:
    types = {
        kind for of_kind in PriceList.snapshot().table["us-east-1"].values() for kind in of_kind
    }
    assert len(types) > 10
    assert {each: accelerator(each) for each in types} == {
        each: accelerator_of(each) for each in types
    }
