"""What the door asks of AWS, and what it makes of the answers."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody
from botocore.stub import Stubber

from infra.services.door.aws import JOB_LOGS, AwsCloud, AwsLedger, understood
from infra.services.door.context import Listed, Stored, Unavailable
from infra.services.guard.problems import Refusal

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
JOB = "earth--falcon--ana--0123abcd"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> AwsCloud:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return AwsCloud(cohort="earth", broker="earth-broker", work="earth-work", site="earth-site")


def stub(cloud: AwsCloud, service: str) -> Stubber:
    made = Stubber(cloud._lambda if service == "lambda" else cloud._client(service))
    made.activate()
    return made


def body(content: bytes) -> StreamingBody:
    return StreamingBody(io.BytesIO(content), len(content))


def test_the_broker_is_asked_by_the_persons_alias(cloud: AwsCloud) -> None:
    asked = stub(cloud, "lambda")
    asked.add_response(
        "invoke",
        {"StatusCode": 200, "Payload": body(b'{"ok": true, "status": "Closed"}')},
        {"FunctionName": "earth-broker", "Qualifier": "ana", "Payload": b'{"op": "space"}'},
    )
    assert cloud.ask("ana", {"op": "space"}) == {"status": "Closed"}


def test_a_person_without_an_alias_gets_no_answer(cloud: AwsCloud) -> None:
    stub(cloud, "lambda").add_client_error("invoke", "ResourceNotFoundException")
    with pytest.raises(Unavailable):
        cloud.ask("ana", {"op": "space"})


def test_a_broker_that_failed_gave_no_answer(cloud: AwsCloud) -> None:
    stub(cloud, "lambda").add_response(
        "invoke",
        {
            "StatusCode": 200,
            "FunctionError": "Unhandled",
            "Payload": body(b'{"errorMessage": "x"}'),
        },
    )
    with pytest.raises(Unavailable):
        cloud.ask("ana", {"op": "space"})


def test_what_the_broker_refuses_is_refused_in_its_words() -> None:
    text = json.dumps({"ok": False, "error": {"code": "budget", "message": "Your budget…"}})
    with pytest.raises(Refusal) as error:
        understood(text.encode())
    assert (error.value.code, error.value.message) == ("budget", "Your budget…")


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{}", b'{"ok": 1}', b'{"ok": false}'])
def test_what_is_no_answer_of_the_brokers_is_none(text: bytes) -> None:
    with pytest.raises(Unavailable):
        understood(text)


def test_of_a_file_no_more_is_read_than_was_asked_for(cloud: AwsCloud) -> None:
    stub(cloud, "s3").add_response(
        "get_object",
        {"Body": body(b"12345"), "LastModified": AT},
        {"Bucket": "earth-work", "Key": "teams/falcon/x"},
    )
    assert cloud.work("teams/falcon/x", 3) == Stored(b"123", AT, whole=False)


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied", "InvalidObjectState"])
def test_a_file_that_cannot_be_read_is_none(cloud: AwsCloud, code: str) -> None:
    stub(cloud, "s3").add_client_error("get_object", code)
    assert cloud.site("boards/x.json") is None


def test_a_listing_goes_on_over_its_pages_and_ends_at_the_limit(cloud: AwsCloud) -> None:
    def row(number: int) -> dict[str, Any]:
        return {"Key": f"teams/falcon/{number}", "Size": number, "LastModified": AT}

    s3 = stub(cloud, "s3")
    s3.add_response(
        "list_objects_v2",
        {"Contents": [row(1), row(2)], "IsTruncated": True, "NextContinuationToken": "t"},
        {"Bucket": "earth-work", "Prefix": "teams/falcon/", "MaxKeys": 3},
    )
    s3.add_response(
        "list_objects_v2",
        {"Contents": [row(3), row(4)], "IsTruncated": True, "NextContinuationToken": "u"},
        {
            "Bucket": "earth-work",
            "Prefix": "teams/falcon/",
            "MaxKeys": 3,
            "ContinuationToken": "t",
        },
    )
    found = cloud.listing("teams/falcon/", 3)
    assert found == [Listed(f"teams/falcon/{n}", n, AT) for n in (1, 2, 3)]


def test_a_job_of_another_cohort_is_not_asked_about(cloud: AwsCloud) -> None:
    for name in ("mars--falcon--ana--0123abcd", "x", JOB + "\n", "a" * 100):
        assert cloud.job(name) is None
        assert cloud.log_tail(name) == []


def test_a_job_is_told_as_sagemaker_has_it(cloud: AwsCloud) -> None:
    stub(cloud, "sagemaker").add_response(
        "describe_training_job",
        {
            "TrainingJobName": JOB,
            "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/" + JOB,
            "ModelArtifacts": {"S3ModelArtifacts": "s3://x/y"},
            "TrainingJobStatus": "Failed",
            "SecondaryStatus": "Failed",
            "FailureReason": "ValueError",
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 2,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {},
            "CreationTime": AT,
            "BillableTimeInSeconds": 60,
        },
        {"TrainingJobName": JOB},
    )
    found = cloud.job(JOB)
    assert found is not None
    assert (found.status, found.instance, found.count) == ("Failed", "ml.m5.large", 2)
    assert (found.billable_seconds, found.failure, found.started_at) == (60, "ValueError", None)


def test_a_job_that_there_is_not_is_none(cloud: AwsCloud) -> None:
    stub(cloud, "sagemaker").add_client_error(
        "describe_training_job", "ValidationException", "Requested resource not found."
    )
    assert cloud.job(JOB) is None


def test_of_a_log_the_end_is_read(cloud: AwsCloud) -> None:
    logs = stub(cloud, "logs")
    logs.add_response(
        "describe_log_streams",
        {"logStreams": [{"logStreamName": f"{JOB}/algo-1-1"}]},
        {"logGroupName": JOB_LOGS, "logStreamNamePrefix": f"{JOB}/", "limit": 1},
    )
    logs.add_response(
        "get_log_events",
        {"events": [{"message": "one"}, {"message": "two"}]},
        {
            "logGroupName": JOB_LOGS,
            "logStreamName": f"{JOB}/algo-1-1",
            "limit": 2,
            "startFromHead": False,
        },
    )
    assert cloud.log_tail(JOB, 2) == ["one", "two"]


def test_a_job_that_has_printed_nothing_has_no_log(cloud: AwsCloud) -> None:
    stub(cloud, "logs").add_client_error("describe_log_streams", "ResourceNotFoundException")
    assert cloud.log_tail(JOB) == []


def test_a_note_is_added_and_never_written_over(cloud: AwsCloud) -> None:
    asked = stub(cloud, "s3")
    note = {
        "Bucket": "earth-work",
        "Key": "notes/falcon/x.json",
        "Body": b"{}",
        "ContentType": "application/json",
        "IfNoneMatch": "*",
    }
    asked.add_response("put_object", {}, note)
    cloud.put_note("notes/falcon/x.json", b"{}")
    asked.add_client_error("put_object", "PreconditionFailed", expected_params=note)
    cloud.put_note("notes/falcon/x.json", b"{}")
    asked.assert_no_pending_responses()


def test_what_aws_does_not_answer_is_unavailable(cloud: AwsCloud) -> None:
    stub(cloud, "s3").add_client_error("put_object", "InternalError")
    with pytest.raises(Unavailable):
        cloud.put_note("notes/falcon/x.json", b"{}")


@pytest.mark.parametrize(
    "read",
    [
        lambda ledger: ledger.seen("ana"),
        lambda ledger: ledger.find("ana", "space"),
        lambda ledger: ledger.open_of("ana"),
        lambda ledger: ledger.entries("ana", 3),
        lambda ledger: ledger.entries_since("ana", AT),
    ],
)
def test_a_ledger_that_does_not_answer_is_unavailable(
    cloud: AwsCloud, read: Callable[[AwsLedger], Any]
) -> None:
    # Not "something broke", which is a page without the menu and a fault in the admin's log.
    ledger = AwsLedger("earth-ledger")
    ledger._table._client.meta.events.register(
        "before-call.dynamodb",
        lambda **_: (
            AWSResponse("", 400, {}, None),
            {"Error": {"Code": "ThrottlingException", "Message": ""}},
        ),
    )
    with pytest.raises(Unavailable):
        read(ledger)
