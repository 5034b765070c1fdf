"""Every call on the wire fits its service's model, or is refused as the service refuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, given, settings
from werkzeug.wrappers import Response

from infra.offline import conformance, dispatch, shapes
from infra.offline.conformance import RULES
from infra.offline.server import Cloud
from tests.offline import model_requests

#: What is not held against a model, or is no request in JSON or a form.
UNCHECKED = {"s3", "ec2"}
#: AssumeRole is decided by IAM before it reaches its service.
OPERATIONS = [
    each
    for each in model_requests.ours()
    if each[0] not in UNCHECKED and each != ("sts", "AssumeRole")
]
#: Without a body that is looked at.
UNCHANGED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Callable[[str], Any]:
    """Clients that send whatever they are given."""
    keys = cloud.client_environment()
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(
                service,
                endpoint_url=cloud.endpoint,
                region_name="us-east-1",
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                config=Config(parameter_validation=False, retries={"max_attempts": 0}),
            )
        return made[service]

    return client


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The services that were asked to do something: nothing changes where none was."""
    asked: list[str] = []
    original = dispatch._Services._answer

    def answer(self: Any, service: str, environ: Any) -> Response:
        asked.append(service)
        return original(self, service, environ)

    monkeypatch.setattr(dispatch._Services, "_answer", answer)
    return asked


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    told = error.value.response["Error"]
    return str(told["Code"]), str(told["Message"])


# --- what each service says -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("service", "method", "request_", "code", "says"),
    [
        (
            "sagemaker",
            "create_space",
            {"DomainId": "D!", "SpaceName": "ana"},
            "ValidationException",
            "1 validation error detected: Value 'D!' at 'domainId' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: d-(-*[a-z0-9]){1,61}",
        ),
        (
            "sagemaker",
            "add_tags",
            {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:space/d-1/ana"},
            "ValidationException",
            "1 validation error detected: Value null at 'tags' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "scheduler",
            "list_schedules",
            {"MaxResults": 101},
            "ValidationException",
            "1 validation error detected: Value '101' at 'maxResults' failed to satisfy "
            "constraint: Member must have value less than or equal to 100",
        ),
        (
            "scheduler",
            "create_schedule",
            {
                "Name": "once",
                "ScheduleExpression": "at(2030-01-01T00:00:00)",
                "FlexibleTimeWindow": {"Mode": "SOMETIMES"},
                "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp"},
            },
            "ValidationException",
            "2 validation errors detected: Value 'SOMETIMES' at 'flexibleTimeWindow.mode' failed "
            "to satisfy constraint: Member must satisfy enum value set: [OFF, FLEXIBLE]; Value "
            "null at 'target.roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            "budgets",
            "describe_budgets",
            {"AccountId": "12"},
            "InvalidParameterException",
            "Value '12' at 'accountId' failed to satisfy constraint: Member must have length "
            "greater than or equal to 12",
        ),
        (
            "codebuild",
            "start_build",
            {"projectName": ""},
            "InvalidInputException",
            "Value '' at 'projectName' failed to satisfy constraint: Member must have length "
            "greater than or equal to 1",
        ),
        (
            "ecr",
            "create_repository",
            {"repositoryName": "a"},
            "InvalidParameterException",
            "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must have "
            "length greater than or equal to 2'",
        ),
        (
            "cloudwatch",
            "put_metric_alarm",
            {"AlarmName": "x", "EvaluationPeriods": 1, "ComparisonOperator": "SurgeQueueLength"},
            "ValidationError",
            "Value 'SurgeQueueLength' at 'comparisonOperator' failed to satisfy constraint: "
            "Member must satisfy enum value set: [",
        ),
        (
            "events",
            "put_rule",
            {"Name": "two words"},
            "ValidationException",
            "Value 'two words' at 'name' failed to satisfy constraint",
        ),
        (
            "lambda",
            "put_function_event_invoke_config",
            {"FunctionName": "guard", "MaximumRetryAttempts": 3},
            "ValidationException",
            "Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have "
            "value less than or equal to 2",
        ),
        (
            "sns",
            "subscribe",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news"},
            "InvalidParameter",
            "Value null at 'protocol' failed to satisfy constraint: Member must not be null",
        ),
        (
            "sqs",
            "send_message",
            {"QueueUrl": "http://127.0.0.1/123456789012/dead"},
            "InvalidParameterValue",
            "Value null at 'messageBody' failed to satisfy constraint: Member must not be null",
        ),
        (
            "cloudformation",
            "create_stack",
            {"StackName": "s", "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_FLY"]},
            "ValidationError",
            "1 validation error detected: Value 'CAPABILITY_FLY' at 'capabilities.2.member' failed "
            "to satisfy constraint: Member must satisfy enum value set: [CAPABILITY_IAM, "
            "CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND]",
        ),
        (
            "logs",
            "put_log_events",
            {"logGroupName": "g", "logStreamName": "s", "logEvents": []},
            "InvalidParameterException",
            "Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length "
            "greater than or equal to 1",
        ),
    ],
)
def test_a_service_says_what_is_wrong_in_its_own_words(
    api: Callable[[str], Any],
    served: list[str],
    service: str,
    method: str,
    request_: dict[str, Any],
    code: str,
    says: str,
) -> None:
    told = refusal(lambda: getattr(api(service), method)(**request_))
    assert told[0] == code
    assert says in told[1]
    assert not served


def test_a_body_that_is_no_json_is_refused(api: Callable[[str], Any], served: list[str]) -> None:
    client = api("sagemaker")

    def spoil(request: Any, **_: Any) -> None:
        request.data = b"{"

    client.meta.events.register("before-sign.sagemaker.ListApps", spoil)
    try:
        told = refusal(client.list_apps)
    finally:
        client.meta.events.unregister("before-sign.sagemaker.ListApps", spoil)
    assert told == ("SerializationException", "the body is not JSON")
    assert not served


#: The code of what botocore itself cannot write down as a request.
UNSENT = "(not sent)"


# --- every operation of ours ----------------------------------------------------------------------
def call(client: Any, operation: str, request: dict[str, Any]) -> tuple[str, str] | None:
    """How an operation was refused; None if it was not."""
    try:
        getattr(client, xform_name(operation))(**request)
    except ClientError as error:
        told = error.response["Error"]
        return str(told["Code"]), str(told["Message"])
    except (BotoCoreError, ExceptionGroup, KeyError) as error:
        return UNSENT, str(error)
    return None


def _hold(api: Callable[[str], Any], served: list[str], examples: int, mistakes: int) -> None:
    """Right requests are served or refused for a reason; broken ones are refused by name."""
    wrong: list[str] = []
    for service, operation in OPERATIONS:
        model = shapes.operation_model(service, operation)
        assert model is not None
        if model.input_shape is None or model.has_streaming_input:
            continue

        def right_and_broken(request: dict[str, Any]) -> None:
            wrong.extend(_served_rightly(api, service, operation, request))  # noqa: B023
            for each in _breaking(service, operation, request)[:mistakes]:  # noqa: B023
                served.clear()
                wrong.extend(_refused_rightly(api, service, operation, each))  # noqa: B023
                wrong.extend(f"{operation} reached {one}: {each}" for one in served)  # noqa: B023

        looked = given(model_requests.requests(model.input_shape))(right_and_broken)
        settings(UNCHANGED, max_examples=examples)(looked)()
    assert not wrong, "\n".join(wrong)


def _served_rightly(
    api: Callable[[str], Any], service: str, operation: str, request: dict[str, Any]
) -> list[str]:
    told = call(api(service), operation, request)
    if told is None:
        return []
    broke = told[0] in ("InternalFailure", "AnswerBreaksModel") or "validation error" in told[1]
    return [f"{service} {operation} {request}: {told}"] if broke else []


def _breaking(service: str, operation: str, request: dict[str, Any]) -> list[model_requests.Broken]:
    model, rule = shapes.operation_model(service, operation), RULES[service]
    assert model is not None
    return [
        each
        for each in model_requests.broken(model.input_shape, request)
        if rule.reading.constraints or each.how == "absent"
    ]


def _refused_rightly(
    api: Callable[[str], Any], service: str, operation: str, each: model_requests.Broken
) -> list[str]:
    told = call(api(service), operation, each.request)
    if told and told[0] == UNSENT:
        return []
    if told and told[0] == RULES[service].code and f"at '{each.path}'" in told[1]:
        return []
    return [f"{service} {operation} {each}: {told}"]


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(conformance.STRICT, "1")


def test_every_operation_of_ours_refuses_what_breaks_its_model(
    api: Callable[[str], Any], served: list[str]
) -> None:
    assert len(OPERATIONS) > 100
    _hold(api, served, examples=1, mistakes=2)


@pytest.mark.slow
def test_every_operation_of_ours_refuses_much_that_breaks_its_model(
    api: Callable[[str], Any], served: list[str]
) -> None:
    _hold(api, served, examples=15, mistakes=50)


# --- answers --------------------------------------------------------------------------------------
def misfit(body: bytes, *, operation: str = "DescribeSpace") -> list[str]:
    model = shapes.operation_model("sagemaker", operation)
    assert model is not None
    return conformance.Call("sagemaker", "json", model).misfits(200, {}, body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"Status": "Ready"}', "at 'status'"),
        (b'{"Colour": "green"}', "at 'colour': AWS knows no such member"),
        (b'{"CreationTime": "yesterday"}', "at 'creationTime'"),
        (b'{"DomainId": 7}', "at 'domainId'"),
        (b"[]", "not a JSON object"),
    ],
)
def test_an_answer_that_breaks_the_model_is_found(body: bytes, says: str) -> None:
    found = misfit(body)
    assert len(found) == 1
    assert says in found[0]


def test_an_answer_that_fits_is_let_go() -> None:
    assert not misfit(b'{"Status": "Pending", "CreationTime": 1800000000.5, "DomainId": "d-1"}')


def test_a_required_member_of_an_answer_must_be_there() -> None:
    assert misfit(b'{"TrainingJobSummaries": null}', operation="ListTrainingJobs") == [
        "Value null at 'trainingJobSummaries' failed to satisfy constraint: Member must not be null"
    ]


def test_a_misfit_fails_the_call_where_that_is_asked_for(
    api: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Response(b'{"Domains": 7}', 200, content_type="application/x-amz-json-1.1")
    monkeypatch.setattr(dispatch._Services, "_answer", lambda *_: wrong)
    code, message = refusal(api("sagemaker").list_domains)
    assert code == "AnswerBreaksModel"
    assert "sagemaker:ListDomains" in message
    assert "'domains'" in message


def test_a_misfit_is_logged_and_let_go_otherwise(
    api: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(conformance.STRICT)
    body = b'{"Domains": [], "Colour": "green"}'
    wrong = Response(body, 200, content_type="application/x-amz-json-1.1")
    monkeypatch.setattr(dispatch._Services, "_answer", lambda *_: wrong)
    assert api("sagemaker").list_domains()["Domains"] == []
    assert "sagemaker:ListDomains breaks its model" in caplog.text


def test_parameters_that_are_all_there_are_answered(api: Callable[[str], Any]) -> None:
    api("ssm").put_parameter(Name="/there", Value="1", Type="String")
    answer = api("ssm").get_parameters(Names=["/there"])
    assert [each["Value"] for each in answer["Parameters"]] == ["1"]
    assert not answer.get("InvalidParameters")


def test_what_is_tolerated_names_operations_that_exist() -> None:
    for each in conformance.TOLERATED:
        assert each.operation == "*" or shapes.operation_model(each.service, each.operation)
        assert len(each.because) > 20


def test_the_tests_of_this_repository_are_strict() -> None:
    conftest = Path(__file__).parents[1] / "conftest.py"
    assert f'"{conformance.STRICT}", "1"' in conftest.read_text()
