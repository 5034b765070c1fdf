"""What the guard sends to AWS and how it reads the answers, against botocore's own models."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from infra.services.guard.aws import AwsCloud
from infra.services.guard.cloud import InUse, LiveApp, TurnedDown, Unclear, Versions, Workspace
from infra.services.guard.problems import Misconfigured
from infra.services.guard.requests import parse
from infra.services.guard.training import training_request
from tests.services.guard_cloud import TRAIN, images, settings

AT = dt.datetime(2026, 12, 1, 11, 0, 30, tzinfo=dt.UTC)
APP = {
    "DomainId": "d-abc",
    "SpaceName": "earth--ana",
    "AppType": "JupyterLab",
    "AppName": "default",
}
LIFECYCLE = "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/earth--start-00000000"
WORKSPACE = Workspace(
    cohort="earth",
    learner="ana",
    team="falcon",
    account="123456789012",
    domain="d-abc",
    profile="earth--ana",
    space="earth--ana",
    training_role="arn:aws:iam::123456789012:role/academy/earth/training/earth--training--falcon",
    lifecycle_config=LIFECYCLE,
)
NOT_FOUND = {"code": "ValidationException", "message": "Requested resource not found."}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def cloud() -> AwsCloud:
    return AwsCloud()


@pytest.fixture
def stubs(cloud: AwsCloud) -> Iterator[dict[str, Stubber]]:
    """A stub for each client; it checks every request against the service's model."""
    clients = {
        name: Stubber(getattr(cloud, f"_{name}"))
        for name in ("sagemaker", "starter", "scheduler", "parameters")
    }
    for stub in clients.values():
        stub.activate()
    yield clients
    for stub in clients.values():
        stub.assert_no_pending_responses()


def fail(stub: Stubber, operation: str, code: str, message: str = "", status: int = 400) -> None:
    stub.add_client_error(operation, code, message, http_status_code=status)


def test_a_space_is_started_on_the_type_with_the_start_script_and_its_tags(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    of = {"academy:cohort": "earth", "academy:team": "falcon", "academy:learner": "ana"}
    tags = [{"Key": key, "Value": value} for key, value in of.items()]
    resources = {"InstanceType": "ml.t3.medium", "LifecycleConfigArn": LIFECYCLE}
    stubs["starter"].add_response(
        "create_app",
        {"AppArn": "arn:aws:sagemaker:us-east-1:123456789012:app/d-abc/earth--ana/jupyterlab/x"},
        {**APP, "ResourceSpec": resources, "Tags": tags},
    )
    cloud.create_app(WORKSPACE, "ml.t3.medium")


def test_a_space_on_an_image_names_the_image_and_its_version(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    prefix = "arn:aws:sagemaker:us-east-1:123456789012"
    version = f"{prefix}:image-version/academy-segmentation-cpu/3"
    resources = {
        "InstanceType": "ml.t3.medium",
        "LifecycleConfigArn": LIFECYCLE,
        "SageMakerImageArn": f"{prefix}:image/academy-segmentation-cpu",
        "SageMakerImageVersionArn": version,
    }
    stubs["starter"].add_response(
        "create_app",
        {"AppArn": f"{prefix}:app/d-abc/earth--ana/jupyterlab/x"},
        {**APP, "ResourceSpec": resources, "Tags": WORKSPACE.tags},
    )
    cloud.create_app(WORKSPACE, "ml.t3.medium", version)


def test_the_stop_is_a_one_time_schedule_that_deletes_the_app(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    schedule: dict[str, Any] = {
        "GroupName": "earth--stops",
        "Name": "ana--stop-app-00000001",
        "ScheduleExpression": "at(2026-12-01T11:00:30)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
            "RoleArn": "arn:aws:iam::123456789012:role/stopper",
            "Input": json.dumps(APP),
        },
    }
    stubs["scheduler"].add_client_error(
        "create_schedule", "ConflictException", expected_params=None
    )
    stubs["scheduler"].add_response("update_schedule", {"ScheduleArn": "arn:x"}, schedule)
    where = ("earth--stops", "ana--stop-app-00000001", "arn:aws:iam::123456789012:role/stopper")
    plus_two = dt.timezone(dt.timedelta(hours=2))
    cloud.put_stop(*where, AT.astimezone(plus_two), "d-abc", "earth--ana")


@pytest.mark.parametrize("images", [None, images()])
def test_the_training_request_is_legal(
    cloud: AwsCloud, stubs: dict[str, Stubber], images: Any
) -> None:
    rules = settings(images=images)
    asked = parse({**TRAIN, "token": "0" * 32}, rules)
    from infra.cohort.naming import Names

    request = training_request(asked, WORKSPACE, rules, Names("earth"))  # type: ignore[arg-type]
    stubs["starter"].add_response(
        "create_training_job",
        {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x"},
        request,
    )
    cloud.create_job(request)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ResourceInUse", 400, InUse),
        ("ResourceLimitExceeded", 400, TurnedDown),
        ("ThrottlingException", 400, TurnedDown),
        ("InternalFailure", 500, Unclear),
        ("ServiceUnavailable", 503, Unclear),
    ],
)
def test_what_a_failed_start_means(
    cloud: AwsCloud, stubs: dict[str, Stubber], code: str, status: int, kind: type[Exception]
) -> None:
    fail(stubs["starter"], "create_app", code, status=status)
    with pytest.raises(kind) as raised:
        cloud.create_app(WORKSPACE, "ml.t3.medium")
    assert type(raised.value) is kind


def test_a_start_whose_answer_is_lost_is_unclear_and_not_repeated(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[object] = []

    def lost(*request: object, **_: object) -> None:
        attempts.append(request)
        raise ReadTimeoutError(endpoint_url="https://api.sagemaker")

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", lost)
    with pytest.raises(Unclear):
        cloud.create_app(WORKSPACE, "ml.t3.medium")
    assert len(attempts) == 1


def test_an_app_is_read(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    found = {"Status": "Failed", "CreationTime": AT, "FailureReason": "script"}
    stubs["sagemaker"].add_response("describe_app", found, APP)
    app = cloud.app("d-abc", "earth--ana")
    assert app is not None
    assert (app.status, app.created_at, app.failure) == ("Failed", AT, "script")
    fail(stubs["sagemaker"], "describe_app", "ResourceNotFound")
    assert cloud.app("d-abc", "earth--ana") is None
    fail(stubs["sagemaker"], "describe_app", "AccessDeniedException")
    with pytest.raises(TurnedDown):
        cloud.app("d-abc", "earth--ana")


def test_deleting_what_is_gone_or_going_is_no_error(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    for code in ("ResourceNotFound", "ResourceInUse", "ValidationException"):
        fail(stubs["sagemaker"], "delete_app", code, "App has already been deleted.")
        cloud.delete_app("d-abc", "earth--ana")
    fail(stubs["scheduler"], "delete_schedule", "ResourceNotFoundException")
    cloud.delete_stop("earth--stops", "ana--stop-app-00000001")
    fail(stubs["sagemaker"], "delete_app", "AccessDeniedException")
    with pytest.raises(TurnedDown):
        cloud.delete_app("d-abc", "earth--ana")


def test_a_job_is_read(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    found: dict[str, Any] = {
        "TrainingJobName": "j",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/j",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://x"},
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "x@sha256:0"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": AT,
        "TrainingStartTime": AT,
        "TrainingEndTime": AT,
        "BillableTimeInSeconds": 61,
        "InputDataConfig": [
            {
                "ChannelName": "code",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://w/c/"}},
            }
        ],
    }
    stubs["sagemaker"].add_response("describe_training_job", found, {"TrainingJobName": "j"})
    job = cloud.job("j")
    assert job is not None
    assert (job.ended, job.code, job.billable_seconds) == (True, "s3://w/c/", 61)
    assert job.image == "x@sha256:0"
    fail(stubs["sagemaker"], "describe_training_job", NOT_FOUND["code"], NOT_FOUND["message"])
    assert cloud.job("j") is None


def test_a_workspace_is_read(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    stub = stubs["parameters"]
    stub.add_response("get_parameter", {"Parameter": {"Value": '{"version": 1}'}}, {"Name": "/a"})
    assert cloud.workspace("/a") == {"version": 1}
    fail(stub, "get_parameter", "ParameterNotFound")
    assert cloud.workspace("/a") is None
    for value in ("{", "[]"):
        stub.add_response("get_parameter", {"Parameter": {"Value": value}})
        with pytest.raises(Misconfigured):
            cloud.workspace("/a")


def test_the_link_is_into_the_space_and_lasts_five_minutes(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    stubs["sagemaker"].add_response(
        "create_presigned_domain_url",
        {"AuthorizedUrl": "https://link"},
        {
            "DomainId": "d-abc",
            "UserProfileName": "earth--ana",
            "SpaceName": "earth--ana",
            "ExpiresInSeconds": 300,
        },
    )
    assert cloud.presigned_url(WORKSPACE) == "https://link"


def test_a_job_that_ended_before_the_stop_is_no_error(
    cloud: AwsCloud, stubs: dict[str, Stubber]
) -> None:
    fail(stubs["sagemaker"], "stop_training_job", "ValidationException", "cannot be stopped")
    cloud.stop_job("j")


# --- what the sweep looks through --------------------------------------------------------------


def test_listings_are_read_page_by_page(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    stub = stubs["sagemaker"]
    domain = {"DomainId": "d-abc", "DomainName": "earth--ana"}
    stub.add_response("list_domains", {"Domains": [domain], "NextToken": "t"}, {"MaxResults": 100})
    assert cloud.domains("") == ([("d-abc", "earth--ana")], "t")
    asked: dict[str, Any] = {"MaxResults": 100, "NextToken": "t"}
    stub.add_response("list_domains", {"Domains": []}, asked)
    assert cloud.domains("t") == ([], "")
    job = {
        "TrainingJobName": "earth--falcon--ana--00000000",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x",
        "CreationTime": AT,
        "TrainingJobStatus": "InProgress",
    }
    asked |= {"NameContains": "earth--", "StatusEquals": "InProgress"}
    stub.add_response("list_training_jobs", {"TrainingJobSummaries": [job]}, asked)
    assert cloud.live_jobs("earth--", "t") == (["earth--falcon--ana--00000000"], "")


def test_only_apps_that_bill_are_listed(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    def app(status: str, **owner: str) -> dict[str, Any]:
        named = {"DomainId": "d-abc", "AppType": "JupyterLab", "AppName": "default"}
        return {**named, **owner, "Status": status, "CreationTime": AT}

    apps = [
        app("InService", SpaceName="earth--ana"),
        app("Pending", UserProfileName="earth--ben"),
        *(app(status, SpaceName="s") for status in ("Deleted", "Deleting", "Failed")),
    ]
    stubs["sagemaker"].add_response("list_apps", {"Apps": apps}, {"MaxResults": 100})
    mine = LiveApp("d-abc", "earth--ana", "", "JupyterLab", "default", AT)
    theirs = LiveApp("d-abc", "", "earth--ben", "JupyterLab", "default", AT)
    assert cloud.live_apps("") == ([mine, theirs], "")
    stubs["sagemaker"].add_response("delete_app", {}, APP)
    cloud.end_app(mine)
    owner = {"UserProfileName": "earth--ben"}
    asked = {"DomainId": "d-abc", "AppType": "JupyterLab", "AppName": "default", **owner}
    stubs["sagemaker"].add_response("delete_app", {}, asked)
    cloud.end_app(theirs)


def test_the_disks_of_spaces_are_read(cloud: AwsCloud, stubs: dict[str, Stubber]) -> None:
    size = {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 20}}}
    spaces = [
        {"DomainId": "d-abc", "SpaceName": "earth--ana", "SpaceSettingsSummary": size},
        {"DomainId": "d-abc", "SpaceName": "shared"},
    ]
    stubs["sagemaker"].add_response("list_spaces", {"Spaces": spaces})
    assert cloud.disks("") == ([("d-abc", "earth--ana", 20)], "")


def test_versions_are_read_with_what_was_deleted(cloud: AwsCloud) -> None:
    with Stubber(cloud._client("s3")) as stub:
        stub.add_response(
            "list_object_versions",
            {
                "Versions": [{"Key": "teams/a/x", "Size": 7, "IsLatest": False}],
                "DeleteMarkers": [{"Key": "teams/a/x", "IsLatest": True}],
                "IsTruncated": True,
                "NextKeyMarker": "teams/a/x",
                "NextVersionIdMarker": "v",
            },
            {"Bucket": "earth-work", "Prefix": "teams/"},
        )
        rows = (("teams/a/x", 7, False), ("teams/a/x", 0, True))
        assert cloud.versions("earth-work", "teams/", "", "") == Versions(rows, "teams/a/x", "v")
        stub.add_client_error(
            "list_object_versions",
            "SlowDown",
            http_status_code=503,
            expected_params={
                "Bucket": "earth-work",
                "Prefix": "teams/",
                "KeyMarker": "teams/a/x",
                "VersionIdMarker": "v",
            },
        )
        with pytest.raises(TurnedDown) as refused:
            cloud.versions("earth-work", "teams/", "teams/a/x", "v")
        assert refused.value.throttled


def test_a_notice_goes_to_the_topic(cloud: AwsCloud) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:earth-notices"
    with Stubber(cloud._client("sns")) as stub:
        stub.add_response(
            "publish",
            {"MessageId": "m"},
            {
                "TopicArn": topic,
                "Subject": "soon",
                "Message": "text",
                "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "ends"}},
            },
        )
        cloud.publish(topic, "soon", "text", {"kind": "ends"})


def test_storage_prices_are_those_of_the_plan() -> None:
    from infra.assurance.standing_cost import PriceTable
    from infra.cohort.prices import PriceList, UnknownPrice, micro_usd
    from infra.services.guard.storage_prices import storage_prices

    for region in PriceList.snapshot().regions():
        table = PriceTable.of(region).prices
        prices = storage_prices(region)
        assert prices.training_disk == micro_usd(table["training_disk"].usd)
        assert prices.space_disk == micro_usd(table["space_disk"].usd)
        assert prices.objects == micro_usd(table["s3_stored"].usd)
    with pytest.raises(UnknownPrice, match="eu-north-9"):
        storage_prices("eu-north-9")
