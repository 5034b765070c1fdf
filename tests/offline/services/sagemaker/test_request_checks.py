"""Requests are checked as AWS checks them, in its words, before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from moto.sagemaker.exceptions import AWSValidationException

from infra.offline import patching, shapes
from infra.offline.services.sagemaker.validation import Only, Support, check

EVERYTHING: Support = {"DomainId": None, "SpaceName": None, "AppType": None, "AppName": None}
APP = {"DomainId": "d-0123456789ab", "AppType": "JupyterLab", "AppName": "default"}


def refused(operation: str, request: dict[str, Any], support: Support) -> str:
    with pytest.raises(AWSValidationException) as error:
        check(operation, request, support)
    assert error.value.code == "ValidationException"
    return str(error.value.message)


def test_a_request_that_is_right_passes() -> None:
    check("DeleteApp", {**APP, "SpaceName": "ana"}, EVERYTHING)


def test_every_error_is_told_at_once_in_aws_words() -> None:
    told = refused("DeleteApp", {"DomainId": "D!", "AppType": "Emacs"}, EVERYTHING)
    assert told.startswith("3 validation errors detected: ")
    assert "Value null at 'appName' failed to satisfy constraint: Member must not be null" in told
    assert "Value 'D!' at 'domainId' failed to satisfy constraint: Member must satisfy regular" in (
        told
    )
    assert "Value 'Emacs' at 'appType' failed to satisfy constraint: Member must satisfy enum" in (
        told
    )


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("DomainId", 7, "Member must be of type string"),
        ("DomainId", True, "Member must be of type string"),
        ("AppName", "x" * 64, "length less than or equal to 63"),
        ("Colour", "green", "AWS knows no such member"),
    ],
)
def test_types_lengths_and_names_are_checked(member: str, value: Any, says: str) -> None:
    assert says in refused("DeleteApp", {**APP, member: value}, EVERYTHING)


def test_items_of_lists_and_maps_are_checked_where_they_stand() -> None:
    request = {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:x/y", "Tags": [{"Key": ""}]}
    told = refused("AddTags", request, {"ResourceArn": None, "Tags": None})
    assert "at 'tags.1.member.value'" in told
    assert "at 'tags.1.member.key'" in told


def test_a_number_outside_its_range_is_refused() -> None:
    request = {"DomainId": APP["DomainId"], "UserProfileName": "ana", "ExpiresInSeconds": 301}
    told = refused("CreatePresignedDomainUrl", request, dict.fromkeys(request))
    assert "Value '301' at 'expiresInSeconds'" in told
    assert "value less than or equal to 300" in told


def test_what_is_not_emulated_is_named_with_its_path() -> None:
    request = {**APP, "ResourceSpec": {"InstanceType": "ml.t3.medium", "TrainingPlanArn": "None"}}
    support: Support = {**EVERYTHING, "ResourceSpec": {"InstanceType": None}}
    told = refused("CreateApp", request, support)
    assert "does not emulate ResourceSpec.TrainingPlanArn of CreateApp" in told


def test_a_value_that_is_not_emulated_is_named_with_the_reason() -> None:
    support: Support = {**EVERYTHING, "AppType": Only(("CodeEditor",), "nothing else is here")}
    told = refused("DeleteApp", APP, support)
    assert "AppType of DeleteApp as 'JupyterLab': nothing else is here" in told


def _emulated() -> list[str]:
    model = shapes.model("sagemaker")
    methods = {
        change.target.rsplit(".", 1)[-1]
        for change in patching.changes()
        if change.target.startswith("moto.sagemaker.responses:")
    }
    from botocore import xform_name

    return sorted(name for name in model.operation_names if xform_name(name) in methods)


def test_the_emulated_operations_are_those_of_studio_images_and_training() -> None:
    kinds = ("Domain", "UserProfile", "Space", "Image", "ImageVersion", "AppImageConfig")
    expected = {
        *(f"{verb}{kind}" for verb in ("Create", "Describe", "Update", "Delete") for kind in kinds),
        *(f"{verb}App" for verb in ("Create", "Describe", "Delete")),
        *(f"{verb}StudioLifecycleConfig" for verb in ("Create", "Describe", "Delete")),
        *("ListDomains", "ListUserProfiles", "ListSpaces", "ListApps"),
        *("ListStudioLifecycleConfigs", "CreatePresignedDomainUrl"),
        *("ListImages", "ListImageVersions", "ListAppImageConfigs"),
        *(f"{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")),
        "ListTrainingJobs",
    }
    assert set(_emulated()) == expected


@pytest.mark.parametrize("operation", _emulated())
def test_every_pattern_of_an_emulated_operation_is_understood(operation: str) -> None:
    shape = shapes.model("sagemaker").operation_model(operation).input_shape
    patterns = set(_patterns(shape, set()))
    assert all(shapes.pattern(text) for text in patterns)


def _patterns(shape: Any, seen: set[str]) -> Any:
    if shape.name in seen:
        return
    seen.add(shape.name)
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    inner: list[Any] = []
    if shape.type_name == "structure":
        inner = list(shape.members.values())
    elif shape.type_name == "list":
        inner = [shape.member]
    elif shape.type_name == "map":
        inner = [shape.key, shape.value]
    for member in inner:
        yield from _patterns(member, seen)
