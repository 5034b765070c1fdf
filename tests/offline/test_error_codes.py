"""What is absent, taken or too much is answered with AWS's code for exactly that operation.

The codes are those of the service models' error lists. Where AWS is known to answer otherwise, a
comment says from where that is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.offline import conformance, runtime, shapes
from infra.offline.server import Cloud
from infra.offline.services import quotas
from tests.offline import model_requests
from tests.offline.services.sagemaker.studio_cloud import (
    IMAGE,
    domain_request,
    in_service,
    make,
    space_request,
)
from tests.offline.small_cloud import SmallCloud
from tests.offline.whole_cloud import role

ACCOUNT = "123456789012"
ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
CONFIG = {
    "StudioLifecycleConfigName": "start",
    "StudioLifecycleConfigContent": "dHJ1ZQ==",
    "StudioLifecycleConfigAppType": "JupyterLab",
}
WINDOW = {"Mode": "OFF"}
BUDGET = {
    "BudgetName": "academy",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "10", "Unit": "USD"},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Callable[[str], Any]:
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
                config=Config(retries={"max_attempts": 0}),
            )
        return made[service]

    return client


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(conformance.STRICT, "1")


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    told = error.value.response["Error"]
    return str(told["Code"]), str(told["Message"])


# --- there is no such thing -----------------------------------------------------------------------
DOMAIN = {"DomainId": "d-nowhere"}
APP = {**DOMAIN, "SpaceName": "ana", "AppType": "JupyterLab", "AppName": "default"}
TARGET = {
    "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody",
}
SCHEDULE = {
    "Name": "nothing",
    "ScheduleExpression": "at(2037-01-01T00:00:00)",
    "FlexibleTimeWindow": WINDOW,
    "Target": TARGET,
}
NOTIFICATION = {
    "NotificationType": "ACTUAL",
    "ComparisonOperator": "GREATER_THAN",
    "Threshold": 80.0,
}
REPOSITORY = {"repositoryName": "academy/nothing"}
UPLOAD = "11112222-3333-4444-5555-666677778888"
MANIFEST = json.dumps({"schemaVersion": 2, "config": {}, "layers": []})

#: (service, operation, request) -> the code.
ABSENT: list[tuple[str, str, dict[str, Any], str]] = [
    *(
        ("sagemaker", operation, request, "ResourceNotFound")
        for operation, request in (
            ("DescribeDomain", DOMAIN),
            ("UpdateDomain", DOMAIN),
            ("DeleteDomain", DOMAIN),
            ("CreateUserProfile", {**DOMAIN, "UserProfileName": "ana"}),
            ("DescribeUserProfile", {**DOMAIN, "UserProfileName": "ana"}),
            ("UpdateUserProfile", {**DOMAIN, "UserProfileName": "ana"}),
            ("DeleteUserProfile", {**DOMAIN, "UserProfileName": "ana"}),
            ("CreateSpace", space_request("d-nowhere", "ana")),
            ("DescribeSpace", {**DOMAIN, "SpaceName": "ana"}),
            ("UpdateSpace", {**DOMAIN, "SpaceName": "ana"}),
            ("DeleteSpace", {**DOMAIN, "SpaceName": "ana"}),
            ("CreateApp", APP),
            ("DescribeApp", APP),
            ("DeleteApp", APP),
            (
                "CreatePresignedDomainUrl",
                {**DOMAIN, "UserProfileName": "ana", "SpaceName": "ana"},
            ),
            ("DescribeImage", {"ImageName": "nothing"}),
            ("UpdateImage", {"ImageName": "nothing"}),
            ("DeleteImage", {"ImageName": "nothing"}),
            ("CreateImageVersion", {"ImageName": "nothing", "BaseImage": "x", "ClientToken": "t"}),
            ("DescribeImageVersion", {"ImageName": "nothing"}),
            ("UpdateImageVersion", {"ImageName": "nothing", "Version": 1}),
            ("DeleteImageVersion", {"ImageName": "nothing", "Version": 1}),
            ("ListImageVersions", {"ImageName": "nothing"}),
            ("DescribeAppImageConfig", {"AppImageConfigName": "nothing"}),
            ("UpdateAppImageConfig", {"AppImageConfigName": "nothing"}),
            ("DeleteAppImageConfig", {"AppImageConfigName": "nothing"}),
            ("DescribeStudioLifecycleConfig", {"StudioLifecycleConfigName": "nothing"}),
            ("DeleteStudioLifecycleConfig", {"StudioLifecycleConfigName": "nothing"}),
            ("AddTags", {"ResourceArn": f"{ARN}:domain/d-nowhere", "Tags": []}),
        )
    ),
    # The model says ResourceNotFound: aws/aws-sdk issue 165.
    ("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "nothing"}, "ValidationException"),
    ("sagemaker", "StopTrainingJob", {"TrainingJobName": "nothing"}, "ValidationException"),
    ("scheduler", "GetSchedule", {"Name": "nothing"}, "ResourceNotFoundException"),
    ("scheduler", "UpdateSchedule", SCHEDULE, "ResourceNotFoundException"),
    ("scheduler", "DeleteSchedule", {"Name": "nothing"}, "ResourceNotFoundException"),
    (
        "scheduler",
        "CreateSchedule",
        {**SCHEDULE, "GroupName": "nothing"},
        "ResourceNotFoundException",
    ),
    ("scheduler", "DeleteScheduleGroup", {"Name": "nothing"}, "ResourceNotFoundException"),
    *(
        ("budgets", operation, {"AccountId": ACCOUNT, **request}, "NotFoundException")
        for operation, request in (
            ("DescribeBudget", {"BudgetName": "nothing"}),
            ("UpdateBudget", {"NewBudget": {**BUDGET, "BudgetName": "nothing"}}),
            ("DeleteBudget", {"BudgetName": "nothing"}),
            ("DescribeNotificationsForBudget", {"BudgetName": "nothing"}),
            (
                "DescribeSubscribersForNotification",
                {"BudgetName": "nothing", "Notification": NOTIFICATION},
            ),
        )
    ),
    ("codebuild", "StartBuild", {"projectName": "nothing"}, "ResourceNotFoundException"),
    ("codebuild", "StopBuild", {"id": "nothing:1"}, "ResourceNotFoundException"),
    ("codebuild", "UpdateProject", {"name": "nothing"}, "ResourceNotFoundException"),
    ("codebuild", "ListBuildsForProject", {"projectName": "nothing"}, "ResourceNotFoundException"),
    *(
        ("ecr", operation, {**REPOSITORY, **request}, "RepositoryNotFoundException")
        for operation, request in (
            ("PutImage", {"imageManifest": MANIFEST}),
            ("CompleteLayerUpload", {"uploadId": UPLOAD, "layerDigests": ["sha256:" + "0" * 64]}),
            ("PutLifecyclePolicy", {"lifecyclePolicyText": json.dumps({"rules": []}) + " " * 100}),
            ("DescribeImages", {}),
            ("ListImages", {}),
        )
    ),
    (
        "ecr",
        "DescribeRepositories",
        {"repositoryNames": ["nothing"]},
        "RepositoryNotFoundException",
    ),
    (
        "cloudwatch",
        "SetAlarmState",
        {"AlarmName": "nothing", "StateValue": "OK", "StateReason": "a test"},
        "ResourceNotFound",
    ),
    ("events", "ListTargetsByRule", {"Rule": "nothing"}, "ResourceNotFoundException"),
    (
        "events",
        "PutTargets",
        {
            "Rule": "nothing",
            "Targets": [{"Id": "1", "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"}],
        },
        "ResourceNotFoundException",
    ),
    *(
        ("lambda", operation, {"FunctionName": "nothing", **request}, "ResourceNotFoundException")
        for operation, request in (
            ("Invoke", {}),
            ("ListAliases", {}),
            ("ListVersionsByFunction", {}),
            ("PutFunctionEventInvokeConfig", {"MaximumRetryAttempts": 1}),
        )
    ),
    (
        "sns",
        "Publish",
        {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:nothing", "Message": "m"},
        "NotFound",
    ),
    (
        "sns",
        "Subscribe",
        {
            "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:nothing",
            "Protocol": "email",
            "Endpoint": "ana@example.org",
        },
        "NotFound",
    ),
    (
        "sns",
        "SetSubscriptionAttributes",
        {
            "SubscriptionArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:nothing:1",
            "AttributeName": "FilterPolicy",
        },
        "NotFound",
    ),
    # SQS speaks JSON and keeps the code that its older protocol had.
    (
        "sqs",
        "SetQueueAttributes",
        {"QueueUrl": f"http://127.0.0.1/{ACCOUNT}/nothing", "Attributes": {"DelaySeconds": "1"}},
        "AWS.SimpleQueueService.NonExistentQueue",
    ),
    (
        "dynamodb",
        "TagResource",
        {"ResourceArn": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/nothing", "Tags": []},
        "ResourceNotFoundException",
    ),
    (
        "service-quotas",
        "GetServiceQuota",
        {"ServiceCode": "sagemaker", "QuotaCode": "L-00000000"},
        "NoSuchResourceException",
    ),
    ("service-quotas", "ListServiceQuotas", {"ServiceCode": "nothing"}, "NoSuchResourceException"),
    (
        "service-quotas",
        "RequestServiceQuotaIncrease",
        {"ServiceCode": "sagemaker", "QuotaCode": "L-00000000", "DesiredValue": 5.0},
        "NoSuchResourceException",
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "request_", "code"),
    ABSENT,
    ids=[f"{service}-{operation}" for service, operation, _, _ in ABSENT],
)
def test_what_is_not_there_is_answered_as_aws_does(
    api: Callable[[str], Any], service: str, operation: str, request_: dict[str, Any], code: str
) -> None:
    found, message = refusal(lambda: getattr(api(service), xform_name(operation))(**request_))
    assert found == code
    assert message


#: Operations of ours that name a thing and do not mind that it is not there, or name none.
NAMES_NOTHING = {
    "CreateAppImageConfig",
    "CreateDomain",
    "CreateImage",
    "CreateStudioLifecycleConfig",
    "CreateTrainingJob",
    "Search",
}


def test_every_studio_operation_that_names_a_thing_is_in_the_table() -> None:
    tried = {operation for service, operation, _, _ in ABSENT if service == "sagemaker"}
    ours = {name for service, name in model_requests.ours() if service == "sagemaker"}
    lists = {name for name in ours if name.startswith("List") and name != "ListImageVersions"}
    assert ours - lists - NAMES_NOTHING == tried


def test_the_codes_are_in_the_models_where_aws_is_not_known_to_differ() -> None:
    for service, operation, _, code in ABSENT:
        model = shapes.operation_model(service, operation)
        assert model is not None
        listed = {shape.error_code for shape in model.error_shapes}
        listed |= {shape.name for shape in model.error_shapes}
        if service == "sagemaker" and code == "ResourceNotFound" and code not in listed:
            # What it is made in is missing; these models list no code for that.
            assert operation in {"CreateApp", "CreateSpace", "CreateUserProfile", "AddTags"}
        elif code != "ValidationException" and service != "sqs":
            assert code in listed, (operation, listed)


# --- it is there already --------------------------------------------------------------------------
@pytest.fixture(scope="module")
def studio(cloud: Cloud, api: Callable[[str], Any]) -> dict[str, Any]:
    execution = role(cloud, "ana", "sagemaker")
    request = domain_request(SmallCloud(runtime.current()), "ana", execution)
    return {"request": request, "id": make(api("sagemaker"), request, "ana"), "role": execution}


def test_a_second_studio_resource_of_one_name_is_in_use(
    api: Callable[[str], Any], studio: dict[str, Any]
) -> None:
    client, where = api("sagemaker"), {"DomainId": studio["id"]}
    image = {"ImageName": "twice", "RoleArn": studio["role"]}
    config = {"AppImageConfigName": "twice"}
    client.create_image(**image)
    client.create_app_image_config(**config)
    client.create_studio_lifecycle_config(**CONFIG)
    for call in (
        lambda: client.create_domain(**studio["request"]),
        lambda: client.create_user_profile(**where, UserProfileName="ana"),
        lambda: client.create_space(**space_request(studio["id"], "ana")),
        lambda: client.create_image(**image),
        lambda: client.create_app_image_config(**config),
        lambda: client.create_studio_lifecycle_config(**CONFIG),
    ):
        assert refusal(call)[0] == "ResourceInUse"


def test_a_second_one_elsewhere_is_refused_in_each_services_words(
    cloud: Cloud, api: Callable[[str], Any]
) -> None:
    scheduler = role(cloud, "scheduler", "scheduler")
    target = {**TARGET, "RoleArn": scheduler, "Input": json.dumps(APP)}
    schedule = {**SCHEDULE, "Name": "twice", "Target": target}
    project = {
        "name": "twice",
        "source": {"type": "S3", "location": "bucket/key.zip"},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        "serviceRole": role(cloud, "builder", "codebuild"),
    }
    budget = {"AccountId": ACCOUNT, "Budget": BUDGET}
    for service, method, request, code in (
        ("scheduler", "create_schedule", schedule, "ConflictException"),
        ("scheduler", "create_schedule_group", {"Name": "twice"}, "ConflictException"),
        ("budgets", "create_budget", budget, "DuplicateRecordException"),
        ("codebuild", "create_project", project, "ResourceAlreadyExistsException"),
        (
            "ecr",
            "create_repository",
            {"repositoryName": "academy/twice"},
            "RepositoryAlreadyExistsException",
        ),
    ):
        create = getattr(api(service), method)
        create(**request)
        assert refusal(lambda: create(**request))[0] == code, method  # noqa: B023


# --- it is more than the account may have ---------------------------------------------------------
@pytest.mark.parametrize(
    ("quota", "unit", "make_one_more"),
    [
        (
            quotas.DOMAINS,
            "Domains",
            lambda client, studio: client.create_domain(
                **{**studio["request"], "DomainName": "one-more"}
            ),
        ),
        (
            quotas.PROFILES,
            "UserProfiles",
            lambda client, studio: client.create_user_profile(
                DomainId=studio["id"], UserProfileName="one-more"
            ),
        ),
        (
            quotas.SPACES,
            "Spaces",
            lambda client, studio: client.create_space(
                **{**space_request(studio["id"], "ana"), "SpaceName": "one-more"}
            ),
        ),
    ],
)
def test_one_more_than_the_quota_is_too_many(
    api: Callable[[str], Any], studio: dict[str, Any], quota: str, unit: str, make_one_more: Any
) -> None:
    before = quotas.value(quota)
    quotas.set_value(quota, 1)
    try:
        code, message = refusal(lambda: make_one_more(api("sagemaker"), studio))
    finally:
        quotas.set_value(quota, before)
    assert code == "ResourceLimitExceeded"
    assert message.startswith(
        f"The account-level service limit '{quota}' is 1 {unit}, with current utilization of 1 "
        f"{unit} and a request delta of 1 {unit}."
    )


@pytest.mark.parametrize(
    ("quota", "unit"),
    [(quotas.APPS, "Apps"), (quotas.apps_on("ml.t3.medium"), "Instances")],
)
def test_one_more_app_than_the_quota_is_too_many(
    api: Callable[[str], Any], studio: dict[str, Any], quota: str, unit: str
) -> None:
    before = quotas.value(quota)
    quotas.set_value(quota, 0)
    try:
        app = {**APP, "DomainId": studio["id"]}
        code, message = refusal(lambda: api("sagemaker").create_app(**app))
    finally:
        quotas.set_value(quota, before)
    assert (code, f"'{quota}' is 0 {unit}" in message) == ("ResourceLimitExceeded", True)


def test_a_failed_domain_counts(api: Callable[[str], Any], studio: dict[str, Any]) -> None:
    client = api("sagemaker")
    request = {**studio["request"], "DomainName": "lost", "VpcId": "vpc-0123456789abcdef0"}
    lost = client.create_domain(**request)["DomainId"]
    with pytest.raises(AssertionError, match="could not be found"):
        in_service(client, lost)
    before = quotas.value(quotas.DOMAINS)
    quotas.set_value(quotas.DOMAINS, 2)
    try:
        more = {**studio["request"], "DomainName": "one-more"}
        assert refusal(lambda: client.create_domain(**more))[0] == "ResourceLimitExceeded"
    finally:
        quotas.set_value(quotas.DOMAINS, before)
        client.delete_domain(DomainId=lost)


@pytest.mark.parametrize("quota", [quotas.TRAINING_INSTANCES, quotas.training_on("ml.m5.large")])
def test_one_more_training_instance_than_the_quota_is_too_many(
    api: Callable[[str], Any], studio: dict[str, Any], quota: str
) -> None:
    job = {
        "TrainingJobName": "one-more",
        "RoleArn": studio["role"],
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["true"],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://work/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    before = quotas.value(quota)
    quotas.set_value(quota, 0)
    try:
        code, message = refusal(lambda: api("sagemaker").create_training_job(**job))
    finally:
        quotas.set_value(quota, before)
    assert (code, f"'{quota}' is 0 Instances" in message) == ("ResourceLimitExceeded", True)
    assert api("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
