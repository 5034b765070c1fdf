"""Services other than S3 behind enforcement: every mapped operation both ways."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from moto.sagemaker.models import sagemaker_backends

from infra.offline.authorization import requests

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/academy/earth/training/earth--training--falcon"

#: What services call a denial; SNS has a word of its own.
DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError")


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


TABLE = arn("dynamodb", "table/earth-ledger")
KEY = {"pk": {"S": "learner#ana"}, "sk": {"S": "account"}}
JOB = arn("sagemaker", "training-job/earth--falcon--ana--0a1b2c3d")
APP = arn("sagemaker", "app/d-abc123abc123/earth--ana/jupyterlab/default")
PROFILE = arn("sagemaker", "user-profile/d-abc123abc123/earth--ana")
GROUP = arn("logs", "log-group:/aws/sagemaker/TrainingJobs:log-stream:")
TOPIC = arn("sns", "earth-notices")
QUEUE = arn("sqs", "earth-dead-letters")
QUEUE_URL = f"http://127.0.0.1:1/{ACCOUNT}/earth-dead-letters"
STACK = arn("cloudformation", "stack/earth-Guard/*")
SCHEDULE = arn("scheduler", "schedule/earth--stops/ana--stop-app")
STOPPER = f"arn:aws:iam::{ACCOUNT}:role/academy/earth/service/earth--service--stopper"

TRAINING: dict[str, Any] = {
    "TrainingJobName": "earth--falcon--ana--0a1b2c3d",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://work/teams/falcon/jobs/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
THE_APP = {
    "DomainId": "d-abc123abc123",
    "SpaceName": "earth--ana",
    "AppType": "JupyterLab",
    "AppName": "default",
}
SCHEDULED: dict[str, Any] = {
    "Name": "ana--stop-app",
    "GroupName": "earth--stops",
    "ScheduleExpression": "at(2026-12-01T00:00:00)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp", "RoleArn": STOPPER},
}
PASS_TRAINING = ("iam:PassRole", ROLE)
PASS_STOPPER = ("iam:PassRole", STOPPER)
LOGS = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
STREAM = {**LOGS, "logStreamName": "earth--falcon--ana--0a1b2c3d/algo-1-1"}
IMAGE = arn("sagemaker", "image/academy-x")
USER_POOL = arn("cognito-idp", "userpool/us-east-1_AbCdEfGhI")
IN_POOL = {"UserPoolId": "us-east-1_AbCdEfGhI"}
ANA: dict[str, Any] = {"Username": "ana"}
API_GATEWAY = "arn:aws:apigateway:us-east-1::"
IN_API = {"ApiId": "a1"}
IMAGE_VERSION = arn("sagemaker", "image-version/academy-x/3")
IMAGE_CONFIG = arn("sagemaker", "app-image-config/academy-x")
REPOSITORY = arn("ecr", "repository/academy/x")
IN_REPOSITORY = {"repositoryName": "academy/x"}
BUILDS = arn("codebuild", "project/academy-images")
CODEBUILD_PROJECT: dict[str, Any] = {
    "name": "academy-images",
    "source": {"type": "S3", "location": "b/k.zip"},
    "artifacts": {"type": "NO_ARTIFACTS"},
    "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    "serviceRole": ROLE,
}
EVENTS = [{"timestamp": 1, "message": "x"}]
TAGS = [{"Key": "academy:team", "Value": "falcon"}]


def op(service: str, method: str, *needs: tuple[str, str], **params: Any) -> Any:
    return pytest.param(
        service,
        lambda client: getattr(client, method)(**params),
        list(needs),
        id=f"{service} {method}",
    )


OPERATIONS = [
    op(
        "lambda",
        "invoke",
        ("lambda:InvokeFunction", arn("lambda", "function:earth-broker:ana")),
        FunctionName="earth-broker",
        Qualifier="ana",
        Payload=b"{}",
    ),
    op(
        "lambda",
        "get_function",
        ("lambda:GetFunction", arn("lambda", "function:f")),
        FunctionName="f",
    ),
    op(
        "lambda",
        "get_function_configuration",
        ("lambda:GetFunctionConfiguration", arn("lambda", "function:f:a")),
        FunctionName="f:a",
    ),
    op(
        "lambda",
        "get_alias",
        ("lambda:GetAlias", arn("lambda", "function:f")),
        FunctionName="f",
        Name="a",
    ),
    op(
        "ssm",
        "get_parameter",
        ("ssm:GetParameter", arn("ssm", "parameter/academy/workspaces/earth--ana")),
        Name="/academy/workspaces/earth--ana",
    ),
    op(
        "ssm",
        "get_parameter_history",
        ("ssm:GetParameterHistory", arn("ssm", "parameter/plain")),
        Name="plain",
    ),
    op(
        "ssm",
        "get_parameters",
        ("ssm:GetParameters", arn("ssm", "parameter/a")),
        ("ssm:GetParameters", arn("ssm", "parameter/b")),
        Names=["/a", "/b:3"],
    ),
    op(
        "ssm",
        "get_parameters_by_path",
        ("ssm:GetParametersByPath", arn("ssm", "parameter/academy")),
        Path="/academy/",
    ),
    op("ssm", "put_parameter", ("ssm:PutParameter", arn("ssm", "parameter/a")),
       Name="/a", Value="x", Type="String"),
    op("ssm", "delete_parameter", ("ssm:DeleteParameter", arn("ssm", "parameter/a")), Name="/a"),
    op("ssm", "describe_parameters", ("ssm:DescribeParameters", arn("ssm", "*"))),
    op("dynamodb", "get_item", ("dynamodb:GetItem", TABLE), TableName="earth-ledger", Key=KEY),
    op("dynamodb", "put_item", ("dynamodb:PutItem", TABLE), TableName="earth-ledger", Item=KEY),
    op("dynamodb", "update_item", ("dynamodb:UpdateItem", TABLE),
       TableName="earth-ledger", Key=KEY),
    op("dynamodb", "delete_item", ("dynamodb:DeleteItem", TABLE),
       TableName="earth-ledger", Key=KEY),
    op("dynamodb", "query", ("dynamodb:Query", TABLE), TableName="earth-ledger"),
    op("dynamodb", "query", ("dynamodb:Query", f"{TABLE}/index/open"),
       TableName="earth-ledger", IndexName="open"),
    op("dynamodb", "scan", ("dynamodb:Scan", TABLE), TableName="earth-ledger"),
    op("dynamodb", "describe_table", ("dynamodb:DescribeTable", TABLE), TableName="earth-ledger"),
    op("dynamodb", "batch_get_item", ("dynamodb:BatchGetItem", TABLE),
       RequestItems={"earth-ledger": {"Keys": [KEY]}}),
    op("dynamodb", "batch_write_item", ("dynamodb:BatchWriteItem", TABLE),
       RequestItems={"earth-ledger": [{"DeleteRequest": {"Key": KEY}}]}),
    op(
        "dynamodb",
        "transact_write_items",
        ("dynamodb:UpdateItem", TABLE),
        ("dynamodb:PutItem", arn("dynamodb", "table/other")),
        ("dynamodb:ConditionCheckItem", TABLE),
        ("dynamodb:DeleteItem", TABLE),
        TransactItems=[
            {"Update": {"TableName": "earth-ledger", "Key": KEY, "UpdateExpression": "SET a = :a"}},
            {"Put": {"TableName": "other", "Item": KEY}},
            {
                "ConditionCheck": {
                    "TableName": "earth-ledger",
                    "Key": KEY,
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
            {"Delete": {"TableName": "earth-ledger", "Key": KEY}},
        ],
    ),
    op("dynamodb", "transact_get_items", ("dynamodb:GetItem", TABLE),
       TransactItems=[{"Get": {"TableName": "earth-ledger", "Key": KEY}}]),
    op("sagemaker", "create_training_job", ("sagemaker:CreateTrainingJob", JOB), PASS_TRAINING,
       **TRAINING),
    op("sagemaker", "create_training_job", ("sagemaker:CreateTrainingJob", JOB), PASS_TRAINING,
       ("sagemaker:AddTags", JOB), **TRAINING, Tags=TAGS),
    op("sagemaker", "update_training_job", ("sagemaker:UpdateTrainingJob", JOB),
       TrainingJobName=TRAINING["TrainingJobName"]),
    *(
        op("sagemaker", f"{verb}_training_job", (f"sagemaker:{verb.title()}TrainingJob", JOB),
           TrainingJobName=TRAINING["TrainingJobName"])
        for verb in ("describe", "stop", "delete")
    ),
    op("sagemaker", "create_app", ("sagemaker:CreateApp", APP), **THE_APP),
    op("sagemaker", "create_app", ("sagemaker:CreateApp", APP), ("sagemaker:AddTags", APP),
       **THE_APP, Tags=TAGS),
    op("sagemaker", "describe_app", ("sagemaker:DescribeApp", APP), **THE_APP),
    op("sagemaker", "delete_app", ("sagemaker:DeleteApp", APP), **THE_APP),
    op("sagemaker", "create_presigned_domain_url", ("sagemaker:CreatePresignedDomainUrl", PROFILE),
       DomainId="d-abc123abc123", UserProfileName="earth--ana", SpaceName="earth--ana"),
    op("sagemaker", "describe_domain",
       ("sagemaker:DescribeDomain", arn("sagemaker", "domain/d-abc123abc123")),
       DomainId="d-abc123abc123"),
    op("sagemaker", "describe_user_profile", ("sagemaker:DescribeUserProfile", PROFILE),
       DomainId="d-abc123abc123", UserProfileName="earth--ana"),
    op("sagemaker", "describe_space",
       ("sagemaker:DescribeSpace", arn("sagemaker", "space/d-abc123abc123/earth--ana")),
       DomainId="d-abc123abc123", SpaceName="earth--ana"),
    op("sagemaker", "describe_studio_lifecycle_config",
       ("sagemaker:DescribeStudioLifecycleConfig", arn("sagemaker", "studio-lifecycle-config/s-1")),
       StudioLifecycleConfigName="s-1"),
    op("sagemaker", "create_image", ("sagemaker:CreateImage", IMAGE), PASS_TRAINING,
       ImageName="academy-x", RoleArn=ROLE),
    op("sagemaker", "create_image", ("sagemaker:CreateImage", IMAGE), PASS_TRAINING,
       ("sagemaker:AddTags", IMAGE), ImageName="academy-x", RoleArn=ROLE, Tags=TAGS),
    op("sagemaker", "update_image", ("sagemaker:UpdateImage", IMAGE), ImageName="academy-x"),
    op("sagemaker", "update_image", ("sagemaker:UpdateImage", IMAGE), PASS_TRAINING,
       ImageName="academy-x", RoleArn=ROLE),
    op("sagemaker", "describe_image", ("sagemaker:DescribeImage", IMAGE), ImageName="academy-x"),
    op("sagemaker", "delete_image", ("sagemaker:DeleteImage", IMAGE), ImageName="academy-x"),
    op("sagemaker", "create_image_version", ("sagemaker:CreateImageVersion", IMAGE),
       ImageName="academy-x", BaseImage="i", ClientToken="t"),
    op("sagemaker", "list_image_versions", ("sagemaker:ListImageVersions", IMAGE),
       ImageName="academy-x"),
    *(
        op("sagemaker", f"{verb}_image_version",
           (f"sagemaker:{verb.title()}ImageVersion", IMAGE_VERSION),
           ImageName="academy-x", Version=3)
        for verb in ("describe", "update", "delete")
    ),
    *(
        op("sagemaker", f"{verb}_app_image_config",
           (f"sagemaker:{verb.title()}AppImageConfig", IMAGE_CONFIG),
           AppImageConfigName="academy-x")
        for verb in ("create", "update", "describe", "delete")
    ),
    *(
        op("ecr", method, (f"ecr:{action}", REPOSITORY), **IN_REPOSITORY, **params)
        for method, action, params in (
            ("batch_check_layer_availability", "BatchCheckLayerAvailability",
             {"layerDigests": ["sha256:0"]}),
            ("batch_delete_image", "BatchDeleteImage", {"imageIds": [{"imageTag": "x"}]}),
            ("batch_get_image", "BatchGetImage", {"imageIds": [{"imageTag": "x"}]}),
            ("complete_layer_upload", "CompleteLayerUpload",
             {"uploadId": "u", "layerDigests": ["sha256:0"]}),
            ("describe_images", "DescribeImages", {}),
            ("get_lifecycle_policy", "GetLifecyclePolicy", {}),
            ("get_repository_policy", "GetRepositoryPolicy", {}),
            ("initiate_layer_upload", "InitiateLayerUpload", {}),
            ("list_images", "ListImages", {}),
            ("put_image", "PutImage", {"imageManifest": "{}"}),
            ("upload_layer_part", "UploadLayerPart",
             {"uploadId": "u", "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b"x"}),
        )
    ),
    op("ecr", "get_authorization_token", ("ecr:GetAuthorizationToken", "*")),
    op("ecr", "describe_repositories", ("ecr:DescribeRepositories", arn("ecr", "repository/*"))),
    op("ecr", "describe_repositories", ("ecr:DescribeRepositories", REPOSITORY),
       ("ecr:DescribeRepositories", arn("ecr", "repository/other")),
       repositoryNames=["academy/x", "other"]),
    op("codebuild", "create_project", ("codebuild:CreateProject", BUILDS),
       ("iam:PassRole", ROLE), **CODEBUILD_PROJECT),
    op("codebuild", "update_project", ("codebuild:UpdateProject", BUILDS), name="academy-images"),
    op("codebuild", "delete_project", ("codebuild:DeleteProject", BUILDS), name="academy-images"),
    op("codebuild", "batch_get_projects", ("codebuild:BatchGetProjects", BUILDS),
       names=["academy-images"]),
    op("codebuild", "start_build", ("codebuild:StartBuild", BUILDS), projectName="academy-images"),
    op("codebuild", "stop_build", ("codebuild:StopBuild", BUILDS), id="academy-images:0a1b"),
    op("codebuild", "batch_get_builds", ("codebuild:BatchGetBuilds", BUILDS),
       ("codebuild:BatchGetBuilds", arn("codebuild", "project/other")),
       ids=["academy-images:0a1b", "other:0a1b"]),
    op("codebuild", "list_builds_for_project", ("codebuild:ListBuildsForProject", BUILDS),
       projectName="academy-images"),
    op("sagemaker", "add_tags", ("sagemaker:AddTags", JOB), ResourceArn=JOB, Tags=TAGS),
    op("sagemaker", "delete_tags", ("sagemaker:DeleteTags", JOB), ResourceArn=JOB, TagKeys=["a"]),
    op("sagemaker", "list_tags", ("sagemaker:ListTags", JOB), ResourceArn=JOB),
    *(
        op("sagemaker", f"list_{what}", (f"sagemaker:{action}", "*"))
        for what, action in (
            ("app_image_configs", "ListAppImageConfigs"),
            ("apps", "ListApps"),
            ("domains", "ListDomains"),
            ("images", "ListImages"),
            ("spaces", "ListSpaces"),
            ("studio_lifecycle_configs", "ListStudioLifecycleConfigs"),
            ("training_jobs", "ListTrainingJobs"),
            ("user_profiles", "ListUserProfiles"),
        )
    ),
    op("logs", "create_log_group", ("logs:CreateLogGroup", GROUP), **LOGS),
    op("logs", "describe_log_streams", ("logs:DescribeLogStreams", GROUP), **LOGS),
    op("logs", "filter_log_events", ("logs:FilterLogEvents", GROUP), **LOGS),
    op("logs", "describe_log_groups", ("logs:DescribeLogGroups",
       arn("logs", "log-group:/aws:log-stream:")), logGroupNamePrefix="/aws"),
    op("logs", "create_log_stream",
       ("logs:CreateLogStream", GROUP + STREAM["logStreamName"]), **STREAM),
    op("logs", "get_log_events", ("logs:GetLogEvents", GROUP + STREAM["logStreamName"]), **STREAM),
    op("logs", "put_log_events", ("logs:PutLogEvents", GROUP + STREAM["logStreamName"]),
       **STREAM, logEvents=EVENTS),
    op("scheduler", "create_schedule", ("scheduler:CreateSchedule", SCHEDULE), PASS_STOPPER,
       **SCHEDULED),
    op("scheduler", "update_schedule", ("scheduler:UpdateSchedule", SCHEDULE), PASS_STOPPER,
       **SCHEDULED),
    op("scheduler", "get_schedule", ("scheduler:GetSchedule", SCHEDULE),
       Name="ana--stop-app", GroupName="earth--stops"),
    op("scheduler", "delete_schedule", ("scheduler:DeleteSchedule", SCHEDULE),
       Name="ana--stop-app", GroupName="earth--stops"),
    op("scheduler", "delete_schedule",
       ("scheduler:DeleteSchedule", arn("scheduler", "schedule/default/x")), Name="x"),
    op("scheduler", "get_schedule_group",
       ("scheduler:GetScheduleGroup", arn("scheduler", "schedule-group/g")), Name="g"),
    op("sns", "publish", ("sns:Publish", TOPIC), TopicArn=TOPIC, Message="m"),
    op("sqs", "send_message", ("sqs:SendMessage", QUEUE), QueueUrl=QUEUE_URL, MessageBody="m"),
    op("sqs", "send_message_batch", ("sqs:SendMessage", QUEUE),
       QueueUrl=QUEUE_URL, Entries=[{"Id": "1", "MessageBody": "m"}]),
    op("sqs", "receive_message", ("sqs:ReceiveMessage", QUEUE), QueueUrl=QUEUE_URL),
    op("sqs", "delete_message", ("sqs:DeleteMessage", QUEUE),
       QueueUrl=QUEUE_URL, ReceiptHandle="h"),
    op("sqs", "delete_message_batch", ("sqs:DeleteMessage", QUEUE),
       QueueUrl=QUEUE_URL, Entries=[{"Id": "1", "ReceiptHandle": "h"}]),
    op("sqs", "change_message_visibility", ("sqs:ChangeMessageVisibility", QUEUE),
       QueueUrl=QUEUE_URL, ReceiptHandle="h", VisibilityTimeout=1),
    op("sqs", "get_queue_attributes", ("sqs:GetQueueAttributes", QUEUE), QueueUrl=QUEUE_URL),
    op("sqs", "get_queue_url", ("sqs:GetQueueUrl", QUEUE), QueueName="earth-dead-letters"),
    op("scheduler", "list_schedules", ("scheduler:ListSchedules", "*")),
    op("scheduler", "list_schedule_groups", ("scheduler:ListScheduleGroups", "*")),
    op("events", "put_events",
       ("events:PutEvents", arn("events", "event-bus/default")),
       ("events:PutEvents", arn("events", "event-bus/other")),
       Entries=[
           {"Source": "a", "DetailType": "b", "Detail": "{}"},
           {"Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": "other"},
       ]),
    *(
        op("iam", method, (f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/nobody"), **params)
        for method, action, params in (
            ("get_role", "GetRole", {"RoleName": "nobody"}),
            ("get_role_policy", "GetRolePolicy", {"RoleName": "nobody", "PolicyName": "p"}),
            ("list_role_policies", "ListRolePolicies", {"RoleName": "nobody"}),
            ("list_attached_role_policies", "ListAttachedRolePolicies", {"RoleName": "nobody"}),
        )
    ),
    op("iam", "simulate_principal_policy", ("iam:SimulatePrincipalPolicy", ROLE),
       PolicySourceArn=ROLE, ActionNames=["s3:GetObject"]),
    op("iam", "simulate_custom_policy", ("iam:SimulateCustomPolicy", "*"),
       PolicyInputList=["{}"], ActionNames=["s3:GetObject"]),
    op("cloudformation", "describe_stacks", ("cloudformation:DescribeStacks", STACK),
       StackName="earth-Guard"),
    op("cloudformation", "describe_stacks", ("cloudformation:DescribeStacks", "*")),
    op("cloudformation", "create_change_set", ("cloudformation:CreateChangeSet", STACK),
       ("iam:PassRole", ROLE), StackName="earth-Guard", ChangeSetName="c", RoleARN=ROLE,
       TemplateBody="{}"),
    op("cloudformation", "delete_stack", ("cloudformation:DeleteStack", STACK),
       ("iam:PassRole", ROLE), StackName="earth-Guard", RoleARN=ROLE),
    op("cloudformation", "list_stacks", ("cloudformation:ListStacks", "*")),
    op("cloudtrail", "lookup_events", ("cloudtrail:LookupEvents", "*")),
    *(
        op("cognito-idp", method, (f"cognito-idp:{action}", USER_POOL), **IN_POOL, **params)
        for method, action, params in (
            ("admin_disable_user", "AdminDisableUser", ANA),
            ("admin_enable_user", "AdminEnableUser", ANA),
            ("admin_get_user", "AdminGetUser", ANA),
            ("admin_list_groups_for_user", "AdminListGroupsForUser", ANA),
            ("admin_update_user_attributes", "AdminUpdateUserAttributes",
             {**ANA, "UserAttributes": []}),
            ("admin_user_global_sign_out", "AdminUserGlobalSignOut", ANA),
            ("describe_user_pool", "DescribeUserPool", {}),
            ("describe_user_pool_client", "DescribeUserPoolClient", {"ClientId": "door"}),
            ("list_groups", "ListGroups", {}),
            ("list_user_pool_clients", "ListUserPoolClients", {}),
            ("list_users", "ListUsers", {}),
            ("list_users_in_group", "ListUsersInGroup", {"GroupName": "learners"}),
        )
    ),
    op("cognito-idp", "list_user_pools", ("cognito-idp:ListUserPools", "*"), MaxResults=1),
    *(
        op("apigatewayv2", method, (f"apigateway:{verb}", f"{API_GATEWAY}{path}"), **params)
        for method, verb, path, params in (
            ("create_api", "POST", "/apis", {"Name": "door", "ProtocolType": "HTTP"}),
            ("get_apis", "GET", "/apis", {}),
            ("delete_api", "DELETE", "/apis/a1", IN_API),
            ("get_api", "GET", "/apis/a1", IN_API),
            ("update_api", "PATCH", "/apis/a1", IN_API),
            ("get_tags", "GET", f"/tags/{API_GATEWAY}%2Fapis%2Fa1",
             {"ResourceArn": f"{API_GATEWAY}/apis/a1"}),
        )
    ),
    *(
        op("apigatewayv2", method, (f"apigateway:{verb}", f"{API_GATEWAY}{path}"), **params)
        for part, member, wanted in (
            ("integration", "IntegrationId", {"IntegrationType": "AWS_PROXY"}),
            ("route", "RouteId", {"RouteKey": "$default"}),
            ("stage", "StageName", {"StageName": "b2"}),
        )
        for method, verb, path, params in (
            (f"create_{part}", "POST", f"/apis/a1/{part}s", {**IN_API, **wanted}),
            (f"get_{part}s", "GET", f"/apis/a1/{part}s", IN_API),
            (f"delete_{part}", "DELETE", f"/apis/a1/{part}s/b2", {**IN_API, member: "b2"}),
            (f"get_{part}", "GET", f"/apis/a1/{part}s/b2", {**IN_API, member: "b2"}),
            (f"update_{part}", "PATCH", f"/apis/a1/{part}s/b2", {**IN_API, member: "b2"}),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("service", "call", "needs"), OPERATIONS)
def test_an_operation_needs_exactly_its_permissions(
    cloud: Any, service: str, call: Callable[[Any], Any], needs: list[tuple[str, str]]
) -> None:
    cloud.behind.stub = False
    full = cloud.role(*(allow(action, on) for action, on in needs))
    poorer = [
        (one, cloud.role(*(allow(a, r) for a, r in needs if (a, r) != one), allow("kinesis:*")))
        for one in needs
    ]
    # From here on a recorder stands behind: what reaches it was let through.
    cloud.behind.stub = True
    for (action, on), keys in poorer:
        cloud.behind.passed.clear()
        with pytest.raises(ClientError) as caught:
            call(cloud.client(service, keys))
        error = caught.value.response
        assert error["Error"]["Code"] in DENIED
        said = error["Error"].get("Message") or error.get("message")
        on_resource = "" if on == "*" else f" on resource: {on}"
        assert f"is not authorized to perform: {action}{on_resource} because no identity" in said
        assert cloud.behind.passed == []
    cloud.behind.passed.clear()
    # The recorder's {} is no answer of a query service, which is the client's problem alone.
    with contextlib.suppress(ClientError, ResponseParserError):
        call(cloud.client(service, full))
    assert len(cloud.behind.passed) == 1


def test_every_mapped_operation_is_tried_here_or_in_the_tests_of_its_service() -> None:
    from botocore import xform_name

    tried = {tuple(str(case.id).split(" ")) for case in OPERATIONS}
    elsewhere = {"s3", "sts", "kms"}
    mapped = {
        (service, xform_name(operation))
        for service, operations in requests.mapped().items()
        for operation in operations
        if service not in elsewhere
    }
    cloudformation = {one for one in mapped if one[0] == "cloudformation"}
    assert mapped - tried - cloudformation == set()


# --- SageMaker's conditions -----------------------------------------------------------------------
def keys_of(cloud: Any, *statements: dict[str, Any]) -> dict[str, str]:
    cloud.behind.stub = False
    made = cloud.role(*statements)
    cloud.behind.stub = True
    return made


LISTED = {
    "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.m5.large", "system"]},
    "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "14400"},
    "Null": {"sagemaker:InstanceTypes": "false", "sagemaker:KeepAlivePeriod": "true"},
}


def resources(**changed: Any) -> dict[str, Any]:
    return {"ResourceConfig": {**TRAINING["ResourceConfig"], **changed}}


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({}, True),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 14400}}, True),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 14401}}, False),
        ({"StoppingCondition": {}}, False),
        (resources(InstanceType="ml.p5.48xlarge"), False),
        (resources(KeepAlivePeriodInSeconds=60), False),
        (
            {
                "ResourceConfig": {
                    "VolumeSizeInGB": 1,
                    "InstanceGroups": [
                        {
                            "InstanceType": "ml.m5.large",
                            "InstanceCount": 1,
                            "InstanceGroupName": "a",
                        }
                    ],
                }
            },
            True,
        ),
        (
            resources(
                InstanceGroups=[
                    {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 1, "InstanceGroupName": "a"}
                ]
            ),
            False,
        ),
        ({"ResourceConfig": {"VolumeSizeInGB": 1}}, False),
        ({"RoleArn": ROLE + "-2"}, False),
        ({"TrainingJobName": "earth--eagle--eve--0a1b2c3d"}, False),
    ],
)
def test_a_job_is_held_to_types_and_runtime(
    cloud: Any, refused: Any, changed: dict[str, Any], passes: bool
) -> None:
    keys = keys_of(
        cloud,
        allow(
            "sagemaker:CreateTrainingJob",
            arn("sagemaker", "training-job/earth--falcon--*"),
            **LISTED,
        ),
        allow(
            "iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}
        ),
    )
    client = cloud.client("sagemaker", keys)
    request = {**TRAINING, **changed}
    if passes:
        client.create_training_job(**request)
        assert json.loads(cloud.behind.passed[0]["body"]) == request
    else:
        refused(lambda: client.create_training_job(**request), "AccessDeniedException")
        assert cloud.behind.passed == []


def test_a_role_is_passed_to_the_named_service_alone(cloud: Any, refused: Any) -> None:
    keys = keys_of(
        cloud,
        allow(["scheduler:*", "sagemaker:*"]),
        allow(
            "iam:PassRole", STOPPER, StringEquals={"iam:PassedToService": "scheduler.amazonaws.com"}
        ),
    )
    cloud.client("scheduler", keys).create_schedule(**SCHEDULED)
    other = {**TRAINING, "RoleArn": STOPPER}
    message = refused(
        lambda: cloud.client("sagemaker", keys).create_training_job(**other),
        "AccessDeniedException",
    )
    assert "iam:PassRole" in message


@pytest.mark.parametrize(
    ("spec", "passes"),
    [
        ({"InstanceType": "ml.m5.large"}, True),
        ({"InstanceType": "ml.g5.xlarge"}, False),
        (None, False),
        ({"LifecycleConfigArn": arn("sagemaker", "studio-lifecycle-config/x")}, False),
    ],
)
def test_an_app_is_held_to_its_types(cloud: Any, refused: Any, spec: Any, passes: bool) -> None:
    only = {k: v for k, v in LISTED.items() if k.startswith("ForAll")}
    only["Null"] = {"sagemaker:InstanceTypes": "false"}
    keys = keys_of(cloud, allow("sagemaker:CreateApp", APP, **only))
    request = {**THE_APP, **({"ResourceSpec": spec} if spec else {})}
    client = cloud.client("sagemaker", keys)
    if passes:
        client.create_app(**request)
    else:
        refused(lambda: client.create_app(**request), "AccessDeniedException")


def test_an_app_of_a_space_has_the_spaces_owner(cloud: Any, refused: Any) -> None:
    operations = pytest.importorskip("infra.offline.services.sagemaker.operations")
    from types import SimpleNamespace

    state = operations.state(sagemaker_backends[ACCOUNT][REGION])
    state.spaces["d-abc123abc123", "earth--ana"] = SimpleNamespace(
        owner="earth--ana", settings={"SpaceSharingSettings": {"SharingType": "Private"}}
    )
    own = {
        "ArnEquals": {"sagemaker:OwnerUserProfileArn": PROFILE},
        "StringEquals": {"sagemaker:SpaceSharingType": "Private"},
    }
    keys = keys_of(cloud, allow("sagemaker:DeleteApp", "*", **own))
    cloud.client("sagemaker", keys).delete_app(**THE_APP)
    other = {**THE_APP, "SpaceName": "earth--ben"}
    refused(lambda: cloud.client("sagemaker", keys).delete_app(**other), "AccessDeniedException")


def test_tags_come_with_the_creation_alone(cloud: Any, refused: Any) -> None:
    keys = keys_of(
        cloud,
        allow(["sagemaker:CreateTrainingJob", "iam:PassRole"]),
        allow(
            "sagemaker:AddTags",
            "*",
            **{
                "StringEquals": {"sagemaker:TaggingAction": "CreateTrainingJob"},
                "ForAllValues:StringLike": {"aws:TagKeys": "academy:*"},
            },
        ),
    )
    client = cloud.client("sagemaker", keys)
    client.create_training_job(**TRAINING, Tags=TAGS)
    refused(
        lambda: client.create_training_job(**TRAINING, Tags=[{"Key": "owner", "Value": "x"}]),
        "AccessDeniedException",
    )
    refused(lambda: client.add_tags(ResourceArn=JOB, Tags=TAGS), "AccessDeniedException")


def test_an_image_of_sagemaker_takes_roles_for_sagemaker_alone(cloud: Any, refused: Any) -> None:
    keys = keys_of(
        cloud,
        allow(["sagemaker:*", "codebuild:*"]),
        allow(
            "iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "codebuild.amazonaws.com"}
        ),
    )
    cloud.client("codebuild", keys).create_project(**CODEBUILD_PROJECT)
    sagemaker = cloud.client("sagemaker", keys)
    message = refused(
        lambda: sagemaker.create_image(ImageName="academy-x", RoleArn=ROLE),
        "AccessDeniedException",
    )
    assert "iam:PassRole" in message


def test_an_app_is_held_to_its_images(cloud: Any, refused: Any) -> None:
    keys = keys_of(
        cloud,
        allow(
            "sagemaker:CreateApp",
            APP,
            **{
                "ForAllValues:ArnLike": {
                    "sagemaker:ImageArns": IMAGE,
                    "sagemaker:ImageVersionArns": arn("sagemaker", "image-version/academy-x/*"),
                },
                "Null": {"sagemaker:ImageVersionArns": "false"},
            },
        ),
    )
    client = cloud.client("sagemaker", keys)
    spec = {"SageMakerImageArn": IMAGE, "SageMakerImageVersionArn": IMAGE_VERSION}
    client.create_app(**THE_APP, ResourceSpec=spec)
    for other in (
        {"SageMakerImageArn": IMAGE},
        {**spec, "SageMakerImageVersionArn": arn("sagemaker", "image-version/other/3")},
        {**spec, "SageMakerImageArn": arn("sagemaker", "image/other")},
    ):
        refused(
            lambda other=other: client.create_app(**THE_APP, ResourceSpec=other),
            "AccessDeniedException",
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.batch_get_image(
            **IN_REPOSITORY, imageIds=[{"imageTag": "x"}], registryId="111122223333"
        ),
        lambda c: c.get_authorization_token(registryIds=["111122223333"]),
        lambda c: c.delete_repository(**IN_REPOSITORY),
        lambda c: c.get_download_url_for_layer(**IN_REPOSITORY, layerDigest="sha256:0"),
    ],
)
def test_other_registries_and_operations_are_refused(
    cloud: Any, refused: Any, call: Callable[[Any], Any]
) -> None:
    client = cloud.client("ecr", keys_of(cloud, allow("*")))
    assert "not modelled" in refused(lambda: call(client), "AccessDeniedException", 400)
    assert cloud.behind.passed == []


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.create_processing_job(
            ProcessingJobName="x",
            RoleArn=ROLE,
            AppSpecification={"ImageUri": "x"},
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        ),
        lambda c: c.create_domain(
            DomainName="x", AuthMode="IAM", DefaultUserSettings={"ExecutionRole": ROLE}
        ),
        lambda c: c.create_space(DomainId="d-abc123abc123", SpaceName="s"),
        lambda c: c.search(Resource="TrainingJob"),
    ],
)
def test_other_operations_are_refused_even_to_who_may_all(
    cloud: Any, refused: Any, call: Callable[[Any], Any]
) -> None:
    client = cloud.client("sagemaker", keys_of(cloud, allow("*")))
    assert "not modelled" in refused(lambda: call(client), "AccessDeniedException", 400)
    assert cloud.behind.passed == []


# --- Lambda's aliases -----------------------------------------------------------------------------
BROKER = arn("lambda", "function:earth-broker")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"FunctionName": "earth-broker", "Qualifier": "ana"}, None),
        ({"FunctionName": "earth-broker:ana"}, None),
        ({"FunctionName": f"{BROKER}:ana"}, None),
        ({"FunctionName": BROKER, "Qualifier": "ana"}, None),
        ({"FunctionName": f"{ACCOUNT}:function:earth-broker:ana"}, None),
        ({"FunctionName": f"{BROKER}:ana", "Qualifier": "ana"}, None),
        ({"FunctionName": "earth-broker"}, "AccessDeniedException"),
        ({"FunctionName": BROKER}, "AccessDeniedException"),
        ({"FunctionName": "earth-broker", "Qualifier": "ben"}, "AccessDeniedException"),
        ({"FunctionName": "earth-broker", "Qualifier": "$LATEST"}, "AccessDeniedException"),
        ({"FunctionName": "earth-broker:1"}, "AccessDeniedException"),
        ({"FunctionName": "earth-broker", "Qualifier": "ANA"}, "AccessDeniedException"),
        (
            {"FunctionName": "earth-broker:ana", "Qualifier": "ben"},
            "InvalidParameterValueException",
        ),
        ({"FunctionName": f"{BROKER}:ana", "Qualifier": "ben"}, "InvalidParameterValueException"),
        (
            {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:earth-broker:ana"},
            "ResourceNotFoundException",
        ),
        (
            {"FunctionName": "arn:aws:lambda:us-east-1:111122223333:function:earth-broker:ana"},
            "ResourceNotFoundException",
        ),
    ],
)
def test_a_learner_reaches_her_own_alias_however_it_is_named(
    cloud: Any, refused: Any, request_: dict[str, str], code: str | None
) -> None:
    keys = keys_of(cloud, allow("lambda:InvokeFunction", f"{BROKER}:ana"))
    client = cloud.client("lambda", keys)
    # The body looks like a form that names another alias; moto would read it.
    body = b"Qualifier=ben&FunctionName=other"
    if code is not None:
        refused(lambda: client.invoke(**request_, Payload=body), code)
        assert cloud.behind.passed == []
        return
    client.invoke(**request_, Payload=body)
    (passed,) = cloud.behind.passed
    assert passed["PATH_INFO"] == "/2015-03-31/functions/earth-broker/invocations"
    assert passed["QUERY_STRING"] == "Qualifier=ana&x-id=Invoke"
    assert passed["body"] == body


def test_an_unqualified_call_cannot_be_qualified_by_its_body(cloud: Any) -> None:
    keys = keys_of(cloud, allow("lambda:InvokeFunction", BROKER))
    cloud.client("lambda", keys).invoke(FunctionName="earth-broker", Payload=b"Qualifier=ana")
    (passed,) = cloud.behind.passed
    assert passed["QUERY_STRING"] == "x-id=Invoke"
    assert passed["CONTENT_TYPE"] == "application/json"


# --- DynamoDB and its key -------------------------------------------------------------------------
def ledger(cloud: Any, **extra: Any) -> None:
    cloud.client("dynamodb").create_table(
        TableName="earth-ledger",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
        **extra,
    )


def test_items_are_held_to_their_leading_key(cloud: Any, refused: Any) -> None:
    ledger(cloud)
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "learner#ana"},
           "Null": {"dynamodb:LeadingKeys": "false"}}  # fmt: skip
    client = cloud.client("dynamodb", cloud.role(allow("dynamodb:*", TABLE, **own)))
    other = {"pk": {"S": "learner#ben"}, "sk": {"S": "account"}}
    client.put_item(TableName="earth-ledger", Item=KEY)
    refused(lambda: client.put_item(TableName="earth-ledger", Item=other), "AccessDeniedException")
    refused(
        lambda: client.batch_get_item(RequestItems={"earth-ledger": {"Keys": [KEY, other]}}),
        "AccessDeniedException",
    )
    refused(lambda: client.scan(TableName="earth-ledger"), "AccessDeniedException")
    query = {
        "TableName": "earth-ledger",
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": "pk"},
    }
    found = client.query(**query, ExpressionAttributeValues={":p": KEY["pk"]})
    assert found["Count"] == 1
    refused(
        lambda: client.query(**query, ExpressionAttributeValues={":p": other["pk"]}),
        "AccessDeniedException",
    )


def test_a_transaction_is_refused_whole(cloud: Any, refused: Any) -> None:
    ledger(cloud)
    client = cloud.client("dynamodb", cloud.role(allow("dynamodb:PutItem", TABLE)))
    put = {"Put": {"TableName": "earth-ledger", "Item": KEY}}
    client.transact_write_items(TransactItems=[put])
    refused(
        lambda: client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "earth-ledger", "Item": {**KEY, "sk": {"S": "2"}}}},
                {"Delete": {"TableName": "earth-ledger", "Key": KEY}},
            ]
        ),
        "AccessDeniedException",
    )
    assert cloud.client("dynamodb").scan(TableName="earth-ledger")["Count"] == 1


def test_a_table_under_a_customer_key_needs_the_key(cloud: Any, refused: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]
    ledger(
        cloud,
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key["Arn"]},
    )
    poor = cloud.client("dynamodb", cloud.role(allow("dynamodb:*")))
    assert "kms:Decrypt" in refused(
        lambda: poor.put_item(TableName="earth-ledger", Item=KEY), "AccessDeniedException"
    )
    via = {"StringEquals": {"kms:ViaService": "dynamodb.us-east-1.amazonaws.com"}}
    keys = cloud.role(allow("dynamodb:*"), allow("kms:Decrypt", key["Arn"], **via))
    cloud.client("dynamodb", keys).put_item(TableName="earth-ledger", Item=KEY)


# --- KMS ------------------------------------------------------------------------------------------
def test_a_key_is_found_by_each_of_its_names(cloud: Any, refused: Any) -> None:
    admin = cloud.client("kms")
    key = admin.create_key()["KeyMetadata"]
    other = admin.create_key()["KeyMetadata"]
    admin.create_alias(AliasName="alias/mine", TargetKeyId=key["KeyId"])
    kms = cloud.client("kms", cloud.role(allow(["kms:Encrypt", "kms:DescribeKey"], key["Arn"])))
    for name in (key["KeyId"], key["Arn"], "alias/mine", arn("kms", "alias/mine")):
        kms.encrypt(KeyId=name, Plaintext=b"x")
        kms.describe_key(KeyId=name)
    blob = kms.encrypt(KeyId="alias/mine", Plaintext=b"x")["CiphertextBlob"]
    refused(lambda: kms.encrypt(KeyId=other["KeyId"], Plaintext=b"x"), "AccessDeniedException")
    refused(lambda: kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=blob), "AccessDeniedException")
    refused(lambda: kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256"),
            "AccessDeniedException")  # fmt: skip
    refused(lambda: kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy="{}"),
            "AccessDeniedException")  # fmt: skip


def test_secret_parameters_are_refused(cloud: Any, refused: Any) -> None:
    cloud.client("ssm").put_parameter(Name="/secret", Value="x", Type="SecureString")
    ssm = cloud.client("ssm", cloud.role(allow("*")))
    message = refused(
        lambda: ssm.get_parameter(Name="/secret", WithDecryption=True), "AccessDeniedException"
    )
    assert "SecureString" in message
