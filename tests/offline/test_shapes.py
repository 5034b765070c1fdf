"""Values are held against botocore's models, in both forms, and every mistake is told at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from infra.offline import shapes
from infra.offline.authorization import wire
from infra.offline.conformance import RULES
from infra.offline.shapes import ECR, JSON, PYTHON, Reading, problems
from tests.offline import model_requests


def input_of(service: str, operation: str) -> Any:
    model = shapes.operation_model(service, operation)
    assert model is not None
    return model.input_shape


def test_a_time_is_a_number_in_json_and_a_datetime_in_python() -> None:
    shape = input_of("sagemaker", "ListImages")
    moment = datetime(2027, 1, 31, tzinfo=UTC)
    assert not problems(shape, {"CreationTimeAfter": 1_800_000_000.5}, Reading(JSON))
    assert not problems(shape, {"CreationTimeAfter": moment}, Reading(PYTHON))
    assert problems(shape, {"CreationTimeAfter": "soon"}, Reading(JSON))
    assert problems(shape, {"CreationTimeAfter": True}, Reading(JSON))


def test_bytes_are_base64_in_json() -> None:
    shape = input_of("kms", "Encrypt")
    assert not problems(shape, {"KeyId": "k", "Plaintext": "bWFw"}, Reading(JSON))
    assert not problems(shape, {"KeyId": "k", "Plaintext": b"map"}, Reading(PYTHON))
    assert problems(shape, {"KeyId": "k", "Plaintext": "not base64!"}, Reading(JSON))


def test_a_value_that_is_secret_is_not_repeated() -> None:
    shape = input_of("kms", "Encrypt")
    found = problems(shape, {"KeyId": "k", "Plaintext": "%%secret%%"}, Reading(JSON))
    assert found == [
        "Value at 'plaintext' failed to satisfy constraint: Member must be of type blob"
    ]


def test_keys_and_values_of_maps_are_checked() -> None:
    shape = input_of("sagemaker", "CreateTrainingJob")
    found = problems(shape.members["Environment"], {"1 a": "b", "ok": "x" * 600}, Reading(PYTHON))
    assert any("at '.key'" in each for each in found)
    assert any("at '.ok.member'" in each and "512" in each for each in found)


def test_ecr_words_it_its_own_way() -> None:
    shape = input_of("ecr", "CreateRepository")
    assert problems(shape, {"repositoryName": "a"}, Reading(wording=ECR))[0] == (
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have length "
        "greater than or equal to 2'"
    )


def test_a_document_may_hold_anything() -> None:
    model = shapes.model("bedrock-runtime")
    shape = model.shape_for("Document")
    assert not problems(shape, {"any": ["thing", 1]}, Reading(JSON))


@pytest.mark.parametrize("service", sorted({*RULES, *wire.SERVICES.values()} - {"cloudtrail"}))
def test_every_pattern_of_every_service_is_understood(service: str) -> None:
    model = shapes.model(service)
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names}
    for text in patterns - {None}:
        shapes.pattern(text)


@pytest.mark.parametrize(
    ("java", "fits", "does_not"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Équipe 1", "a\u2603"),
        (
            r"^arn:aws[a-z0-9-]*:iam::\d{12}:role\/[\w-\/.@+=,]{1,1017}$",
            "arn:aws:iam::123456789012:role/a-b",
            "role/a",
        ),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\U0001f30d", "a\n"),
        (
            r"^(?![^:\\]*/action/|(?i).*<script>.*</script>.*)[^:\\]+$",
            "team budget",
            "<SCRIPT>x</script>",
        ),
    ],
)
def test_javas_patterns_mean_the_same_here(java: str, fits: str, does_not: str) -> None:
    assert shapes.pattern(java).fullmatch(fits)
    assert not shapes.pattern(java).fullmatch(does_not)


@pytest.mark.slow
@pytest.mark.parametrize(("service", "operation"), model_requests.ours())
def test_each_mistake_is_found_where_it_is(service: str, operation: str) -> None:
    shape = input_of(service, operation)
    if shape is None:
        return

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(model_requests.requests(shape))
    def held(request: dict[str, Any]) -> None:
        assert shapes.request_problem(service, operation, request) is None
        for each in model_requests.broken(shape, request):
            told = shapes.request_problem(service, operation, each.request)
            assert told is not None
            assert f"at '{each.path}'" in told

    held()
