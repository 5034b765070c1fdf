"""SageMaker: training jobs, tags and lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    TAG_KEYS,
    Question,
    Unmodelled,
    arn_of,
    keys_of,
    mapping_at,
    maps,
    member_of,
    name_of,
    need,
    pass_role,
    some,
    tags_of,
)
from infra.offline.authorization.wire import Call

_JOB_KEYS = TAG_KEYS | keys_of(
    "sagemaker",
    "EnableRemoteDebug",
    "FileSystemAccessMode",
    "FileSystemDirectoryPath",
    "FileSystemId",
    "FileSystemType",
    "InstanceTypes",
    "InterContainerTrafficEncryption",
    "KeepAlivePeriod",
    "MaxRuntimeInSeconds",
    "NetworkIsolation",
    "OutputKmsKeyArn",
    "VolumeKmsKeyArn",
    "VpcSecurityGroupIds",
    "VpcSubnets",
)


def sagemaker_arn(call: Call, account: str, resource: str) -> str:
    return arn_of(call, account, "sagemaker", resource)


def tagging_on_creation(call: Call, arn: str, tags: Mapping[str, Value]) -> Iterator[Question]:
    """Creating with tags needs sagemaker:AddTags on the new resource."""
    if tags:
        context = {**tags, "sagemaker:TaggingAction": call.operation}
        keys = TAG_KEYS | keys_of("sagemaker", "TaggingAction")
        yield Question("sagemaker:AddTags", arn, context, keys)


@maps("sagemaker", "CreateTrainingJob", "UpdateTrainingJob")
def _training(call: Call, account: str) -> Iterator[Question]:
    arn = sagemaker_arn(call, account, f"training-job/{name_of(call, 'TrainingJobName')}")
    resources = call.params.get("ResourceConfig") or {}
    groups = [group for group in resources.get("InstanceGroups") or () if group]
    types = [resources.get("InstanceType"), *(group.get("InstanceType") for group in groups)]
    systems = [
        source
        for channel in call.params.get("InputDataConfig") or ()
        if (source := mapping_at(channel, "DataSource", "FileSystemDataSource"))
    ]
    if len(systems) > 1:
        raise Unmodelled("more than one file system in a training job")
    system = systems[0] if systems else {}
    context = some(
        sagemaker__InstanceTypes=[t for t in types if t],
        sagemaker__MaxRuntimeInSeconds=member_of(call, "StoppingCondition", "MaxRuntimeInSeconds"),
        sagemaker__KeepAlivePeriod=resources.get("KeepAlivePeriodInSeconds"),
        sagemaker__VolumeKmsKeyArn=_key_arn(call, account, resources.get("VolumeKmsKeyId")),
        sagemaker__OutputKmsKeyArn=_key_arn(
            call, account, member_of(call, "OutputDataConfig", "KmsKeyId")
        ),
        sagemaker__EnableRemoteDebug=member_of(call, "RemoteDebugConfig", "EnableRemoteDebug"),
        sagemaker__NetworkIsolation=call.params.get("EnableNetworkIsolation"),
        sagemaker__InterContainerTrafficEncryption=call.params.get(
            "EnableInterContainerTrafficEncryption"
        ),
        sagemaker__VpcSubnets=member_of(call, "VpcConfig", "Subnets"),
        sagemaker__VpcSecurityGroupIds=member_of(call, "VpcConfig", "SecurityGroupIds"),
        sagemaker__FileSystemId=system.get("FileSystemId"),
        sagemaker__FileSystemType=system.get("FileSystemType"),
        sagemaker__FileSystemAccessMode=system.get("FileSystemAccessMode"),
        sagemaker__FileSystemDirectoryPath=system.get("DirectoryPath"),
    )
    tags = tags_of(call.params.get("Tags"))
    yield Question(f"sagemaker:{call.operation}", arn, context | tags, _JOB_KEYS)
    if call.operation == "CreateTrainingJob":
        yield from tagging_on_creation(call, arn, tags)
        yield from pass_role(need(call, "RoleArn"), "sagemaker.amazonaws.com")


def _key_arn(call: Call, account: str, named: object) -> str | None:
    """A key is compared by its ARN, however the request names it."""
    if not isinstance(named, str) or not named:
        return None
    return state.key_arn(account, call.region, named) or named


@maps("sagemaker", "DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob")
def _job(call: Call, account: str) -> Iterator[Question]:
    arn = sagemaker_arn(call, account, f"training-job/{name_of(call, 'TrainingJobName')}")
    yield Question(f"sagemaker:{call.operation}", arn)


@maps("sagemaker", "AddTags", "DeleteTags", "ListTags")
def _sagemaker_tags(call: Call, _account: str) -> Iterator[Question]:
    arn = name_of(call, "ResourceArn", r"arn:aws:sagemaker:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.\-/]+")
    context: dict[str, Value] = {}
    if call.operation == "AddTags":
        context = tags_of(call.params.get("Tags"))
    elif call.operation == "DeleteTags":
        context = some(aws__TagKeys=call.params.get("TagKeys"))
    # TaggingAction is there only when a creating action adds the tags.
    keys = TAG_KEYS | keys_of("sagemaker", "TaggingAction")
    yield Question(f"sagemaker:{call.operation}", arn, context, keys)


@maps(
    "sagemaker",
    "ListAppImageConfigs",
    "ListApps",
    "ListDomains",
    "ListImages",
    "ListSpaces",
    "ListStudioLifecycleConfigs",
    "ListTrainingJobs",
    "ListUserProfiles",
)
def _sagemaker_lists(call: Call, _account: str) -> Iterator[Question]:
    # None of these can be scoped by resource.
    yield Question(f"sagemaker:{call.operation}", "*")
