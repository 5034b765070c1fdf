"""boto3's waiters over every operation that is served: each comes to its end, and fails as its
configuration says that AWS fails.

Where a waiter has no answer that it fails by, it gives up after its attempts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from infra.offline.server import Cloud
from tests.offline.clients.filled_site import NAMES, Site, template
from tests.offline.clients.served import served_operations
from tests.offline.services.sagemaker.studio_cloud import IMAGE
from tests.offline.whole_cloud import PULL, REGION, role

pytestmark = pytest.mark.clients

#: Seconds between attempts: AWS's are made for AWS.
DELAY = 1
Params = dict[str, Any]
GIVES_UP = "Max attempts exceeded"


@dataclass(frozen=True)
class Wait:
    """What the waiter is called with when it succeeds and when it fails, and why it fails."""

    reached: Callable[[Site], Params]
    failed: Callable[[Site], Params]
    because: str = "terminal failure state"


_waits: dict[tuple[str, str], Wait] = {}


def waits(
    service: str,
    waiter: str,
    reached: Callable[[Site], Params],
    failed: Callable[[Site], Params],
    because: str = "terminal failure state",
) -> None:
    _waits[service, waiter] = Wait(reached, failed, because)


def given(**params: Any) -> Callable[[Site], Params]:
    return lambda _site: params


# --- CloudFormation -------------------------------------------------------------------------------
#: The second parameter cannot be made: the name is taken by the first.
BROKEN = json.dumps(
    {
        "Resources": {
            name: {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Name": "/broken", "Value": name},
                **({"DependsOn": "P0"} if name == "P1" else {}),
            }
            for name in ("P0", "P1")
        }
    }
)


def stack(name: str, body: str | None = None) -> Callable[[Site], Params]:
    """A stack that was begun; how it ends is what the waiter waits for."""

    def make(site: Site) -> Params:
        text = body or template(name, 1)
        site.once(
            f"stack {name}",
            lambda: site.client("cloudformation").create_stack(StackName=name, TemplateBody=text),
        )
        return {"StackName": name}

    return make


def updated(name: str, body: str) -> Callable[[Site], Params]:
    """A stack that was complete and is being changed."""

    def make(site: Site) -> Params:
        api = site.client("cloudformation")
        params = stack(name)(site)
        wait(site, "cloudformation", "stack_create_complete", params)
        api.update_stack(StackName=name, TemplateBody=body)
        return params

    return make


def deleted(site: Site) -> Params:
    params = stack("deleted")(site)
    wait(site, "cloudformation", "stack_create_complete", params)
    site.client("cloudformation").delete_stack(**params)
    return params


def kept(site: Site) -> Params:
    """A stack whose end was not asked for."""
    params = stack("kept")(site)
    wait(site, "cloudformation", "stack_create_complete", params)
    site.client("cloudformation").update_stack(**params, TemplateBody=template("kept", 2))
    wait(site, "cloudformation", "stack_update_complete", params)
    return params


def change_set(name: str, body: str) -> Callable[[Site], Params]:
    def make(site: Site) -> Params:
        named = {"StackName": name, "ChangeSetName": "first"}
        site.client("cloudformation").create_change_set(
            **named, ChangeSetType="CREATE", TemplateBody=body
        )
        return named

    return make


def no_changes(site: Site) -> Params:
    """A change set that changes nothing fails."""
    params = stack("same")(site)
    wait(site, "cloudformation", "stack_create_complete", params)
    named = {**params, "ChangeSetName": "none"}
    site.client("cloudformation").create_change_set(
        **named, ChangeSetType="UPDATE", TemplateBody=template("same", 1)
    )
    return named


waits(
    "cloudformation",
    "change_set_create_complete",
    change_set("reviewed", template("reviewed", 1)),
    no_changes,
)
waits("cloudformation", "stack_create_complete", stack("made"), stack("broken", BROKEN))
waits("cloudformation", "stack_delete_complete", deleted, kept)
waits("cloudformation", "stack_exists", stack("made"), given(StackName="never"), GIVES_UP)
waits(
    "cloudformation",
    "stack_rollback_complete",
    updated("returns", BROKEN),
    given(StackName="never"),
)
waits(
    "cloudformation",
    "stack_update_complete",
    updated("grows", template("grows", 2)),
    updated("stays", BROKEN),
)


# --- CloudWatch, DynamoDB, EC2, IAM ---------------------------------------------------------------
def alarm(site: Site) -> Params:
    site.client("cloudwatch").put_metric_alarm(
        AlarmName="watched",
        Namespace="Academy",
        MetricName="Ran",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="notBreaching",
    )
    return {"AlarmNames": ["watched"]}


waits("cloudwatch", "alarm_exists", alarm, given(AlarmNames=["never"]), GIVES_UP)


def vpc(site: Site) -> str:
    return str(site.subnet["VpcId"])


def interface(site: Site) -> Params:
    made = site.client("ec2").create_network_interface(SubnetId=site.subnet["SubnetIds"][0])
    return {"NetworkInterfaceIds": [made["NetworkInterface"]["NetworkInterfaceId"]]}


def security_group(site: Site) -> Params:
    made = site.client("ec2").create_security_group(
        GroupName="waited", Description="waited", VpcId=vpc(site)
    )
    return {"GroupIds": [made["GroupId"]]}


waits(
    "dynamodb",
    "table_exists",
    lambda site: {"TableName": site.table},
    given(TableName="never"),
    GIVES_UP,
)
waits(
    "dynamodb",
    "table_not_exists",
    given(TableName="never"),
    lambda site: {"TableName": site.table},
    GIVES_UP,
)
waits(
    "ec2",
    "network_interface_available",
    interface,
    given(NetworkInterfaceIds=["eni-0123456789abcdef0"]),
    "InvalidNetworkInterfaceID.NotFound",
)
waits(
    "ec2",
    "security_group_exists",
    security_group,
    given(GroupIds=["sg-0123456789abcdef0"]),
    GIVES_UP,
)
waits(
    "ec2",
    "subnet_available",
    lambda site: {"SubnetIds": site.subnet["SubnetIds"]},
    given(SubnetIds=["subnet-0123456789abcdef0"]),
    "InvalidSubnetID.NotFound",
)
waits(
    "ec2",
    "vpc_available",
    lambda site: {"VpcIds": [vpc(site)]},
    given(VpcIds=["vpc-0123456789abcdef0"]),
    "InvalidVpcID.NotFound",
)
waits(
    "ec2",
    "vpc_exists",
    lambda site: {"VpcIds": [vpc(site)]},
    given(VpcIds=["vpc-0123456789abcdef0"]),
    GIVES_UP,
)
waits(
    "iam",
    "role_exists",
    lambda site: {"RoleName": site.studio_role.rsplit("/", 1)[-1]},
    given(RoleName="never"),
    GIVES_UP,
)


# --- Lambda ---------------------------------------------------------------------------------------
def changed(site: Site) -> Params:
    """A function whose configuration was just changed."""
    name = site.function
    site.client("lambda").update_function_configuration(FunctionName=name, Timeout=9)
    return {"FunctionName": name}


def made(site: Site) -> Params:
    return {"FunctionName": site.function}


NEVER = given(FunctionName="never")
waits("lambda", "function_exists", made, NEVER, GIVES_UP)
for _waiter, _ready in (
    ("function_active", made),
    ("function_active_v2", made),
    ("function_updated", changed),
    ("function_updated_v2", changed),
):
    waits("lambda", _waiter, _ready, NEVER, "ResourceNotFoundException")
waits(
    "lambda",
    "published_version_active",
    lambda site: {**made(site), "Qualifier": "1"},
    lambda site: {**made(site), "Qualifier": "9"},
    "ResourceNotFoundException",
)


# --- S3 -------------------------------------------------------------------------------------------
def here(key: str) -> Callable[[Site], Params]:
    return lambda site: {"Bucket": site.bucket, "Key": key}


def bucket(site: Site) -> Params:
    return {"Bucket": site.bucket}


THERE, ABSENT = here(f"folder/{NAMES[1]}"), here("never")
waits("s3", "bucket_exists", bucket, given(Bucket="never"), GIVES_UP)
waits("s3", "bucket_not_exists", given(Bucket="never"), bucket, GIVES_UP)
waits("s3", "object_exists", THERE, ABSENT, GIVES_UP)
waits("s3", "object_not_exists", ABSENT, THERE, GIVES_UP)


# --- SageMaker ------------------------------------------------------------------------------------
def image(name: str) -> Callable[[Site], Params]:
    def make(site: Site) -> Params:
        params = {"ImageName": name}
        site.once(
            f"image {name}",
            lambda: site.client("sagemaker").create_image(**params, RoleArn=puller(site)),
        )
        return params

    return make


def puller(site: Site) -> str:
    """A role that may pull the site's images."""
    allowed = tuple((actions, "*") for actions, _ in PULL)
    return str(site.once("puller", lambda: role(site.cloud, "puller", "sagemaker", *allowed)))


def updated_image(site: Site) -> Params:
    params = image("updated")(site)
    wait(site, "sagemaker", "image_created", params)
    site.client("sagemaker").update_image(**params, DisplayName="Academy")
    return params


def deleted_image(site: Site) -> Params:
    params = image("deleted")(site)
    wait(site, "sagemaker", "image_created", params)
    site.client("sagemaker").delete_image(**params)
    return params


def version(site: Site, base: str = "") -> Params:
    params = image("versioned")(site)
    wait(site, "sagemaker", "image_created", params)
    made_by = site.client("sagemaker").create_image_version(
        **params, BaseImage=base or base_image(site)
    )
    number = int(made_by["ImageVersionArn"].rsplit("/", 1)[-1])
    return {**params, "Version": number}


def base_image(site: Site) -> str:
    registry = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    return f"{registry}/{site.repository}:{NAMES[0]}"


def version_of_nothing(site: Site) -> Params:
    return version(site, f"{base_image(site)}-never-pushed")


def deleted_version(site: Site) -> Params:
    params = version(site)
    wait(site, "sagemaker", "image_version_created", params)
    site.client("sagemaker").delete_image_version(**params)
    return params


WRONG_NAME = given(ImageName="not_a_name")
waits("sagemaker", "image_created", image("created"), WRONG_NAME, "ValidationException")
waits("sagemaker", "image_updated", updated_image, WRONG_NAME, "ValidationException")
waits("sagemaker", "image_deleted", deleted_image, WRONG_NAME, "ValidationException")
waits("sagemaker", "image_version_created", version, version_of_nothing)
waits("sagemaker", "image_version_deleted", deleted_version, WRONG_NAME, "ValidationException")


def job(name: str, command: str) -> Callable[[Site], Params]:
    def make(site: Site) -> Params:
        site.once("jobs bucket", lambda: site.client("s3").create_bucket(Bucket="jobs"))
        writer = site.once(
            "writer",
            lambda: role(
                site.cloud, "writer", "sagemaker", (["s3:PutObject"], "arn:aws:s3:::jobs/*")
            ),
        )
        site.client("sagemaker").create_training_job(
            TrainingJobName=name,
            RoleArn=writer,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/bash", "-c", command],
            },
            OutputDataConfig={"S3OutputPath": "s3://jobs/"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        return {"TrainingJobName": name}

    return make


waits(
    "sagemaker",
    "training_job_completed_or_stopped",
    job("completes", "true"),
    job("fails", "exit 3"),
)

# --- the tests ------------------------------------------------------------------------------------
#: Waiters for what the cloud refuses to do, so that there is nothing to wait for.
OUTSIDE = {
    ("cloudformation", "stack_import_complete"): "imports",
    ("cloudwatch", "composite_alarm_exists"): "composite alarms",
    ("cloudwatch", "log_alarm_exists"): "alarms on logs",
    ("ecr", "lifecycle_policy_preview_complete"): "previews of life cycles",
}


def waiters() -> set[tuple[str, str]]:
    """Every waiter whose operation is served."""
    found = set()
    for service, operations in served_operations().items():
        api = boto3.client(service, region_name=REGION)
        found |= {
            (service, name)
            for name in api.waiter_names
            if api.get_waiter(name).config.operation in operations
        }
    return found


def wait(site: Site, service: str, name: str, params: Params, attempts: int = 60) -> None:
    site.client(service).get_waiter(name).wait(
        **params, WaiterConfig={"Delay": DELAY, "MaxAttempts": attempts}
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        yield Site(cloud)


def test_every_waiter_of_what_is_served_is_tried() -> None:
    assert waiters() == set(_waits) | set(OUTSIDE)


@pytest.mark.parametrize(("service", "waiter"), _waits)
def test_it_comes_to_its_end(site: Site, service: str, waiter: str) -> None:
    wait(site, service, waiter, _waits[service, waiter].reached(site))


@pytest.mark.parametrize(("service", "waiter"), _waits)
def test_it_fails_as_aws_says(site: Site, service: str, waiter: str) -> None:
    case = _waits[service, waiter]
    attempts = 2 if case.because == GIVES_UP else 60
    params = case.failed(site)
    with pytest.raises((WaiterError, ClientError)) as error:
        wait(site, service, waiter, params, attempts)
    assert case.because in str(error.value)
