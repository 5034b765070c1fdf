"""Other shapes of a template: every resource changed in place, replaced, gone, or joined by one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from infra.offline.services.cloudformation.types import find

Template = dict[str, Any]


def _statement(document: dict[str, Any]) -> None:
    first = document["Statement"][0]
    document["Statement"].append({**first, "Sid": "Another"})


def _budget(properties: dict[str, Any]) -> None:
    properties["Budget"]["BudgetLimit"]["Amount"] = 987


def _function(properties: dict[str, Any]) -> None:
    properties["MemorySize"] = 640
    properties.setdefault("Environment", {}).setdefault("Variables", {})["MUTATED"] = "1"


#: type: changes properties so that the resource is changed in place.
IN_PLACE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "AWS::ApiGatewayV2::Api": lambda p: p.update(Description="mutated"),
    "AWS::ApiGatewayV2::Integration": lambda p: p.update(TimeoutInMillis=7777),
    "AWS::ApiGatewayV2::Route": lambda p: p.update(OperationName="mutated"),
    "AWS::ApiGatewayV2::Stage": lambda p: p.update(Description="mutated"),
    "AWS::Budgets::Budget": _budget,
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": lambda p: p.update(LoggingLevel="INFO"),
    "AWS::CloudWatch::Alarm": lambda p: p.update(AlarmDescription="mutated", Threshold=7),
    "AWS::CodeBuild::Project": lambda p: p.update(TimeoutInMinutes=77, Description="mutated"),
    "AWS::Cognito::UserPool": lambda p: p["Policies"]["PasswordPolicy"].update(MinimumLength=77),
    "AWS::Cognito::UserPoolClient": lambda p: p.update(AccessTokenValidity=7),
    "AWS::Cognito::UserPoolGroup": lambda p: p.update(Description="mutated"),
    "AWS::Cognito::UserPoolIdentityProvider": lambda p: p["AttributeMapping"].update(
        nickname="mutated"
    ),
    "AWS::DynamoDB::Table": lambda p: p.update(
        DeletionProtectionEnabled=False,
        TimeToLiveSpecification={"AttributeName": "mutated", "Enabled": True},
        Tags=[{"Key": "mutated", "Value": "1"}],
    ),
    "AWS::EC2::SecurityGroup": lambda p: p["SecurityGroupEgress"][0].update(
        CidrIp="10.9.0.0/16", FromPort=77, ToPort=77
    ),
    "AWS::EC2::VPC": lambda p: p.update(EnableDnsHostnames=False),
    "AWS::EC2::Subnet": lambda p: p.update(MapPublicIpOnLaunch=True),
    "AWS::EC2::RouteTable": lambda p: p.update(Tags=[{"Key": "mutated", "Value": "1"}]),
    "AWS::EC2::VPCEndpoint": lambda p: p.update(Tags=[{"Key": "mutated", "Value": "1"}]),
    "AWS::ECR::Repository": lambda p: p.update(ImageTagMutability="MUTABLE"),
    "AWS::Events::Rule": lambda p: p.update(Description="mutated", State="DISABLED"),
    "AWS::IAM::ManagedPolicy": lambda p: _statement(p["PolicyDocument"]),
    "AWS::IAM::Policy": lambda p: _statement(p["PolicyDocument"]),
    "AWS::IAM::Role": lambda p: p.update(Description="mutated", MaxSessionDuration=7200),
    "AWS::KMS::Key": lambda p: p.update(Description="mutated", EnableKeyRotation=False),
    "AWS::Lambda::Alias": lambda p: p.update(Description="mutated"),
    "AWS::Lambda::EventInvokeConfig": lambda p: p.update(MaximumRetryAttempts=1),
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": lambda p: p.update(RetentionInDays=3),
    "AWS::S3::Bucket": lambda p: p.update(
        Tags=[{"Key": "mutated", "Value": "1"}],
        LifecycleConfiguration={"Rules": [{"Id": "m", "Status": "Enabled", "ExpirationInDays": 9}]},
    ),
    "AWS::S3::BucketPolicy": lambda p: _statement(p["PolicyDocument"]),
    "AWS::SNS::Topic": lambda p: p.update(DisplayName="mutated"),
    "AWS::SNS::TopicPolicy": lambda p: _statement(p["PolicyDocument"]),
    "AWS::SNS::Subscription": lambda p: p.update(FilterPolicy={"mutated": ["1"]}),
    "AWS::SQS::Queue": lambda p: p.update(MessageRetentionPeriod=3600, VisibilityTimeout=77),
    "AWS::SQS::QueuePolicy": lambda p: _statement(p["PolicyDocument"]),
    "AWS::SSM::Parameter": lambda p: p.update(Value="{}", Description="mutated"),
    "AWS::SageMaker::AppImageConfig": lambda p: p.update(
        JupyterLabAppImageConfig={"ContainerConfig": {"ContainerArguments": ["mutated"]}}
    ),
    "AWS::SageMaker::Domain": lambda p: p["DefaultUserSettings"].update(StudioWebPortal="DISABLED"),
    "AWS::SageMaker::Image": lambda p: p.update(ImageDescription="mutated"),
    "AWS::SageMaker::ImageVersion": lambda p: p.update(ReleaseNotes="mutated"),
    "AWS::SageMaker::Space": lambda p: p["SpaceSettings"]["JupyterLabAppSettings"][
        "DefaultResourceSpec"
    ].update(InstanceType="ml.m5.xlarge"),
    "AWS::SageMaker::UserProfile": lambda p: p.update(Tags=[{"Key": "mutated", "Value": "1"}]),
    "AWS::Scheduler::ScheduleGroup": lambda p: p.update(Tags=[{"Key": "mutated", "Value": "1"}]),
}

#: type: the property that makes another resource of it, where a new name alone does not.
REPLACED_BY: dict[str, Callable[[dict[str, Any]], Any]] = {
    "AWS::Budgets::Budget": lambda p: p["Budget"].update(BudgetName="mutated"),
    "AWS::EC2::Subnet": lambda p: p.update(AvailabilityZone="us-east-1f"),
    "AWS::Lambda::Permission": lambda p: p.update(SourceAccount="123456789012"),
    "AWS::SNS::Subscription": lambda p: p.update(Endpoint="mutated@example.org"),
}
#: Not replaced: others of the template name them by the letter, not by reference, or no other name
#: is emulated (a stage's), or there is but one of them (a pool's domain).
NAMED_BY_THE_LETTER = (
    "AWS::ApiGatewayV2::Stage",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::Cognito::UserPoolIdentityProvider",
    "AWS::Cognito::UserPoolUser",
    "AWS::EC2::Subnet",
    "AWS::Lambda::Function",
    "AWS::SageMaker::Image",
    "AWS::SageMaker::UserProfile",
)

ADDED = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Name": "/mutated/added", "Type": "String", "Value": "added"},
}


def changed(template: Template, *, replace: bool) -> Template:
    """`template` with one resource more, and each other one changed in place or replaced.

    What needs no other and nobody needs, an alarm or a parameter, goes: every fifth of them.

    Args:
        replace: resources are replaced where that can be, else changed in place.
    """
    mutated = copy.deepcopy(template)
    resources = mutated["Resources"]
    for resource in resources.values():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if not (replace and _renamed(kind, properties)) and kind in IN_PLACE:
            IN_PLACE[kind](properties)
    for logical_id in _loose(mutated)[::5]:
        del resources[logical_id]
    return {**mutated, "Resources": {"Added": ADDED, **resources, "AddedLast": _last(resources)}}


def _last(resources: dict[str, Any]) -> dict[str, Any]:
    """A resource that comes after every other one."""
    parameter = copy.deepcopy(ADDED)
    parameter["Properties"]["Name"] = "/mutated/last"
    return {**parameter, "DependsOn": list(resources)}


def _renamed(kind: str, properties: dict[str, Any]) -> bool:
    """Whether `properties` now make another resource."""
    if kind in NAMED_BY_THE_LETTER:
        return False
    if kind in REPLACED_BY:
        REPLACED_BY[kind](properties)
        return True
    model = find(kind)
    named_by = model.named_by if model else None
    if named_by and isinstance(properties.get(named_by), str):
        properties[named_by] += "-m"
        return True
    return False


def _loose(template: Template) -> list[str]:
    """Alarms, rules' permissions and parameters that nothing refers to."""
    text = str(template)
    return [
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"]
        in ("AWS::CloudWatch::Alarm", "AWS::Lambda::Permission", "AWS::SSM::Parameter")
        and text.count(f"'{logical_id}'") == 1
    ]
