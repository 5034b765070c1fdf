"""Every type that our templates use, in the stacks that use it: what it is, and what changes it.

The set of types and properties is read from the synthesized templates, so that a new one has to
find its place in the tables here.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.offline import inside, runtime
from infra.offline.server import Cloud
from infra.offline.services import chatbot
from infra.offline.services.cloudformation.stack import Resource, Stack
from infra.offline.services.cloudformation.types import find
from tests.offline.services.cloudformation import academy_stacks, snapshot
from tests.offline.services.cloudformation.academy_stacks import ACCOUNT, REGION, Deployer, Template
from tests.offline.services.cloudformation.test_rolls_back_exactly import without_retention

pytestmark = pytest.mark.exhaustive

#: Needs container images that were pushed; tried in test_resource_types.py.
FROM_CONTAINERS = {
    "AWS::SageMaker::AppImageConfig",
    "AWS::SageMaker::Image",
    "AWS::SageMaker::ImageVersion",
}


@dataclass
class Academy:
    """A cloud with every stack on it, and the templates that they have."""

    deployer: Deployer
    templates: dict[str, Template]

    def stack(self, name: str) -> Stack:
        return self.deployer.engine.stack(name)

    def of_type(self, kind: str, having: str | None = None) -> tuple[str, str]:
        """The first (stack, logical id) of a type, with a property if one is named."""
        return next(
            (name, logical_id)
            for name, template in self.templates.items()
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == kind
            and (having is None or having in resource.get("Properties", {}))
            and logical_id in self.stack(name).resources
        )

    def restore(self, name: str, logical_id: str) -> None:
        """Bring a resource back to its template, by making it anew if it cannot be changed."""
        if self.deploy(name, self.templates[name]).status == "UPDATE_COMPLETE":
            return
        self.deployer.delete(name)
        assert self.deploy(name, self.templates[name]).status == "CREATE_COMPLETE", logical_id

    def deploy(self, name: str, template: Template) -> Stack:
        return self.deployer.deploy(name, template)


@pytest.fixture(scope="module")
def academy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Academy]:
    templates = {
        "CDKToolkit": academy_stacks.bootstrap_template(),
        **academy_stacks.templates("teams"),
        "Academy-Images-Build": academy_stacks.image_templates(1, 2)["Academy-Images-Build"],
    }
    free = {name: without_retention(template) for name, template in templates.items()}
    logging.disable(logging.ERROR)
    with Cloud(state=tmp_path_factory.mktemp("cloud")):
        deployer = Deployer()
        deployer.keep_secret()
        (booted, *others) = free
        assert deployer.deploy(booted, free[booted]).status == "CREATE_COMPLETE"
        deployer.assets(*free.values())
        for name in others:
            assert deployer.deploy(name, free[name]).status == "CREATE_COMPLETE"
        yield Academy(deployer, free)
    logging.disable(logging.NOTSET)


def used_types() -> dict[str, set[str]]:
    """Every type of our templates, and the properties that they set."""
    used: dict[str, set[str]] = {}
    for template in academy_stacks.every_template().values():
        for resource in template["Resources"].values():
            used.setdefault(resource["Type"], set()).update(resource.get("Properties", {}))
    return used


# --- Ref and GetAtt -------------------------------------------------------------------------------
def _client(service: str) -> Any:
    return inside.client(service, REGION)


def _vpc(resource: Resource) -> dict[str, Any]:
    (vpc,) = _client("ec2").describe_vpcs(VpcIds=[resource.physical_id])["Vpcs"]
    mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    groups = _client("ec2").describe_security_groups(Filters=mine)["SecurityGroups"]
    acls = _client("ec2").describe_network_acls(Filters=mine)["NetworkAcls"]
    return {
        "Ref": vpc["VpcId"],
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [each["AssociationId"] for each in vpc["CidrBlockAssociationSet"]],
        "DefaultNetworkAcl": next(each["NetworkAclId"] for each in acls if each["IsDefault"]),
        "DefaultSecurityGroup": next(
            each["GroupId"] for each in groups if each["GroupName"] == "default"
        ),
        "Ipv6CidrBlocks": [],
        "VpcId": vpc["VpcId"],
    }


def _subnet(resource: Resource) -> dict[str, Any]:
    (subnet,) = _client("ec2").describe_subnets(SubnetIds=[resource.physical_id])["Subnets"]
    acls = _client("ec2").describe_network_acls()["NetworkAcls"]
    association = next(
        each["NetworkAclAssociationId"]
        for acl in acls
        for each in acl["Associations"]
        if each["SubnetId"] == subnet["SubnetId"]
    )
    return {
        "Ref": subnet["SubnetId"],
        "Ipv6CidrBlocks": [],
        "NetworkAclAssociationId": association,
        **{
            name: subnet[name]
            for name in ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "SubnetId", "VpcId")
        },
    }


def _endpoint(resource: Resource) -> dict[str, Any]:
    (found,) = _client("ec2").describe_vpc_endpoints(VpcEndpointIds=[resource.physical_id])[
        "VpcEndpoints"
    ]
    return {
        "Ref": found["VpcEndpointId"],
        "CreationTimestamp": str(found["CreationTimestamp"]),
        "DnsEntries": found.get("DnsEntries", []),
        "Id": found["VpcEndpointId"],
        "NetworkInterfaceIds": found.get("NetworkInterfaceIds", []),
    }


def _association(resource: Resource) -> dict[str, Any]:
    tables = _client("ec2").describe_route_tables()["RouteTables"]
    found = [
        each["RouteTableAssociationId"]
        for table in tables
        for each in table["Associations"]
        if each.get("SubnetId") == resource.properties["SubnetId"]
    ]
    return {"Ref": found[0], "Id": found[0]}


def _bucket(resource: Resource) -> dict[str, Any]:
    name = resource.properties["BucketName"]
    listed = [each["Name"] for each in _client("s3").list_buckets()["Buckets"]]
    assert name in listed
    return {
        "Ref": name,
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{REGION}.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
    }


def _managed_policy(resource: Resource) -> dict[str, Any]:
    policy = _client("iam").get_policy(PolicyArn=resource.physical_id)["Policy"]
    # What attaches to it later is not noticed by CloudFormation, on AWS either.
    return {
        "Ref": policy["Arn"],
        "AttachmentCount": 0,
        "CreateDate": policy["CreateDate"].isoformat(),
        "DefaultVersionId": policy["DefaultVersionId"],
        "IsAttachable": policy["IsAttachable"],
        "PermissionsBoundaryUsageCount": 0,
        "PolicyArn": policy["Arn"],
        "PolicyId": policy["PolicyId"],
        "UpdateDate": policy["UpdateDate"].isoformat(),
    }


def _role(resource: Resource) -> dict[str, Any]:
    role = _client("iam").get_role(RoleName=resource.properties["RoleName"])["Role"]
    return {"Ref": role["RoleName"], "Arn": role["Arn"], "RoleId": role["RoleId"]}


def _queue(resource: Resource) -> dict[str, Any]:
    name = resource.properties["QueueName"]
    # A URL has the host by which it was asked for; in this process there is none.
    asked = _client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    url = runtime.current().endpoint + urlsplit(asked).path
    attributes = _client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    return {"Ref": url, "Arn": arn, "QueueName": name, "QueueUrl": url}


def _domain(resource: Resource) -> dict[str, Any]:
    found = _client("sagemaker").describe_domain(DomainId=resource.physical_id)
    told = ("DomainArn", "DomainId", "Url", "SecurityGroupIdForDomainBoundary")
    return {"Ref": found["DomainId"], **{name: found[name] for name in told if name in found}}


def _profile(resource: Resource) -> dict[str, Any]:
    name, domain = resource.properties["UserProfileName"], resource.properties["DomainId"]
    found = _client("sagemaker").describe_user_profile(DomainId=domain, UserProfileName=name)
    return {"Ref": f"{name}|{domain}", "UserProfileArn": found["UserProfileArn"]}


def _space(resource: Resource) -> dict[str, Any]:
    name, domain = resource.properties["SpaceName"], resource.properties["DomainId"]
    found = _client("sagemaker").describe_space(DomainId=domain, SpaceName=name)
    told = {each: found[each] for each in ("SpaceArn", "Url") if each in found}
    return {"Ref": f"{domain}|{name}", **told}


def _alarm(resource: Resource) -> dict[str, Any]:
    name = resource.properties["AlarmName"]
    (found,) = _client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return {"Ref": found["AlarmName"], "Arn": found["AlarmArn"]}


def _table(resource: Resource) -> dict[str, Any]:
    name = resource.properties["TableName"]
    found = _client("dynamodb").describe_table(TableName=name)["Table"]
    return {"Ref": found["TableName"], "Arn": found["TableArn"]}


def _function(resource: Resource) -> dict[str, Any]:
    name = resource.properties["FunctionName"]
    found = _client("lambda").get_function(FunctionName=name)["Configuration"]
    return {"Ref": found["FunctionName"], "Arn": found["FunctionArn"]}


def _alias(resource: Resource) -> dict[str, Any]:
    names = {each: resource.properties[each] for each in ("FunctionName", "Name")}
    arn = _client("lambda").get_alias(**names)["AliasArn"]
    return {"Ref": arn, "AliasArn": arn}


def _statement(resource: Resource) -> dict[str, Any]:
    name = resource.properties["FunctionName"]
    text = _client("lambda").get_policy(FunctionName=name)["Policy"]
    arn = resource.properties.get("SourceArn")
    (sid,) = [
        each["Sid"]
        for each in json.loads(text)["Statement"]
        if each["Principal"]["Service"] == resource.properties["Principal"]
        and arn in str(each.get("Condition"))
    ]
    return {"Ref": sid, "Id": sid}


def _api(resource: Resource) -> dict[str, Any]:
    found = _client("apigatewayv2").get_api(ApiId=resource.physical_id)
    return {"Ref": found["ApiId"], "ApiEndpoint": found["ApiEndpoint"], "ApiId": found["ApiId"]}


def _integration(resource: Resource) -> dict[str, Any]:
    named = {"ApiId": resource.properties["ApiId"], "IntegrationId": resource.physical_id}
    found = _client("apigatewayv2").get_integration(**named)["IntegrationId"]
    return {"Ref": found, "IntegrationId": found}


def _route(resource: Resource) -> dict[str, Any]:
    found = _client("apigatewayv2").get_routes(ApiId=resource.properties["ApiId"])["Items"]
    key = resource.properties["RouteKey"]
    (mine,) = [each["RouteId"] for each in found if each["RouteKey"] == key]
    return {"Ref": mine, "RouteId": mine}


def _stage(resource: Resource) -> dict[str, Any]:
    (found,) = _client("apigatewayv2").get_stages(ApiId=resource.properties["ApiId"])["Items"]
    return {"Ref": found["StageName"]}


def _group(resource: Resource) -> dict[str, Any]:
    name = resource.properties["LogGroupName"]
    (found,) = _client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {"Ref": found["logGroupName"], "Arn": found["arn"]}


def _rule(resource: Resource) -> dict[str, Any]:
    found = _client("events").describe_rule(Name=resource.properties["Name"])
    return {"Ref": found["Name"], "Arn": found["Arn"]}


def _schedule_group(resource: Resource) -> dict[str, Any]:
    found = _client("scheduler").get_schedule_group(Name=resource.properties["Name"])
    return {
        "Ref": found["Name"],
        "Arn": found["Arn"],
        "CreationDate": found["CreationDate"].isoformat(),
        "LastModificationDate": found["LastModificationDate"].isoformat(),
        "State": found["State"],
    }


def _key(resource: Resource) -> dict[str, Any]:
    found = _client("kms").describe_key(KeyId=resource.physical_id)["KeyMetadata"]
    return {"Ref": found["KeyId"], "Arn": found["Arn"], "KeyId": found["KeyId"]}


def _repository(resource: Resource) -> dict[str, Any]:
    name = resource.properties["RepositoryName"]
    (found,) = _client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    return {"Ref": name, "Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]}


def _topic(resource: Resource) -> dict[str, Any]:
    name = resource.properties["TopicName"]
    (arn,) = [
        each["TopicArn"]
        for each in _client("sns").list_topics()["Topics"]
        if each["TopicArn"].endswith(f":{name}")
    ]
    return {"Ref": arn, "TopicArn": arn}


def _subscription(resource: Resource) -> dict[str, Any]:
    (arn,) = [
        each["SubscriptionArn"]
        for each in _client("sns").list_subscriptions()["Subscriptions"]
        if each["Endpoint"] == resource.properties["Endpoint"]
    ]
    return {"Ref": arn, "Arn": arn}


def _parameter(resource: Resource) -> dict[str, Any]:
    found = _client("ssm").get_parameter(Name=resource.properties["Name"])["Parameter"]
    return {"Ref": found["Name"], "Type": found["Type"], "Value": found["Value"]}


def _user_pool(resource: Resource) -> dict[str, Any]:
    found = _client("cognito-idp").describe_user_pool(UserPoolId=resource.physical_id)["UserPool"]
    provider = f"cognito-idp.{REGION}.amazonaws.com/{found['Id']}"
    return {
        "Ref": found["Id"],
        "Arn": found["Arn"],
        "ProviderName": provider,
        "ProviderURL": f"https://{provider}",
        "UserPoolId": found["Id"],
    }


def _in_pool(resource: Resource, operation: str, **named: str) -> dict[str, Any]:
    call = getattr(_client("cognito-idp"), operation)
    return dict(call(UserPoolId=resource.properties["UserPoolId"], **named))


def _user_pool_client(resource: Resource) -> dict[str, Any]:
    named = {"ClientId": resource.physical_id}
    found = _in_pool(resource, "describe_user_pool_client", **named)["UserPoolClient"]
    return {"Ref": found["ClientId"], "ClientId": found["ClientId"], "Name": found["ClientName"]}


def _identity_provider(resource: Resource) -> dict[str, Any]:
    found = _in_pool(
        resource, "describe_identity_provider", ProviderName=resource.properties["ProviderName"]
    )
    return {"Ref": found["IdentityProvider"]["ProviderName"]}


def _pool_domain(resource: Resource) -> dict[str, Any]:
    found = _client("cognito-idp").describe_user_pool_domain(Domain=resource.properties["Domain"])
    assert found["DomainDescription"]["UserPoolId"] == resource.properties["UserPoolId"]
    return {"Ref": found["DomainDescription"]["Domain"]}


def _user_group(resource: Resource) -> dict[str, Any]:
    name = resource.properties["GroupName"]
    return {"Ref": _in_pool(resource, "get_group", GroupName=name)["Group"]["GroupName"]}


def _user(resource: Resource) -> dict[str, Any]:
    name = resource.properties["Username"]
    return {"Ref": _in_pool(resource, "admin_get_user", Username=name)["Username"]}


def _in_group(resource: Resource) -> dict[str, Any]:
    name, group = resource.properties["Username"], resource.properties["GroupName"]
    found = _in_pool(resource, "list_users_in_group", GroupName=group)["Users"]
    assert name in [each["Username"] for each in found]
    return {"Ref": resource.physical_id}


def _script(resource: Resource) -> dict[str, Any]:
    name = resource.properties["StudioLifecycleConfigName"]
    found = _client("sagemaker").describe_studio_lifecycle_config(StudioLifecycleConfigName=name)
    return {"Ref": name, "StudioLifecycleConfigArn": found["StudioLifecycleConfigArn"]}


def _project(resource: Resource) -> dict[str, Any]:
    name = resource.properties["Name"]
    (found,) = _client("codebuild").batch_get_projects(names=[name])["projects"]
    return {"Ref": found["name"], "Arn": found["arn"], "Id": found["name"]}


def _channel(resource: Resource) -> dict[str, Any]:
    name = resource.properties["ConfigurationName"]
    assert name in chatbot.channels()
    arn = f"arn:aws:chatbot::{ACCOUNT}:chat-configuration/microsoft-teams-channel/{name}"
    return {"Ref": arn, "Arn": arn}


def _route_table(resource: Resource) -> dict[str, Any]:
    (found,) = _client("ec2").describe_route_tables(RouteTableIds=[resource.physical_id])[
        "RouteTables"
    ]
    return {"Ref": found["RouteTableId"], "RouteTableId": found["RouteTableId"]}


def _security_group(resource: Resource) -> dict[str, Any]:
    (found,) = _client("ec2").describe_security_groups(GroupIds=[resource.physical_id])[
        "SecurityGroups"
    ]
    assert found["Description"] == resource.properties["GroupDescription"]
    return {"Ref": found["GroupId"], "GroupId": found["GroupId"], "Id": found["GroupId"]}


def _made_up(resource: Resource) -> dict[str, Any]:
    """Known to CloudFormation alone: no service tells it."""
    assert resource.physical_id
    return {"Ref": resource.physical_id, "Id": resource.physical_id}


def _plain(name: str) -> Callable[[Resource], dict[str, Any]]:
    """`Ref` gives a property, and there is no attribute."""
    return lambda resource: {"Ref": resource.properties[name]}


#: type: Ref and every attribute of it, as the services tell them.
TOLD: dict[str, Callable[[Resource], dict[str, Any]]] = {
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::ApiGatewayV2::Route": _route,
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::Budgets::Budget": lambda resource: {"Ref": resource.properties["Budget"]["BudgetName"]},
    "AWS::CDK::Metadata": lambda resource: {"Ref": resource.physical_id},
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": _channel,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CodeBuild::Project": _project,
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::Cognito::UserPoolClient": _user_pool_client,
    "AWS::Cognito::UserPoolDomain": _pool_domain,
    "AWS::Cognito::UserPoolGroup": _user_group,
    "AWS::Cognito::UserPoolIdentityProvider": _identity_provider,
    "AWS::Cognito::UserPoolUser": _user,
    "AWS::Cognito::UserPoolUserToGroupAttachment": _in_group,
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::RouteTable": _route_table,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::SubnetRouteTableAssociation": _association,
    "AWS::EC2::VPC": _vpc,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECR::Repository": _repository,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Policy": _made_up,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": _plain("AliasName"),
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventInvokeConfig": lambda resource: {
        "Ref": f"{resource.properties['FunctionName']}|$LATEST"
    },
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _statement,
    "AWS::Logs::LogGroup": _group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _plain("Bucket"),
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _made_up,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _made_up,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SageMaker::Domain": _domain,
    "AWS::SageMaker::Space": _space,
    "AWS::SageMaker::StudioLifecycleConfig": _script,
    "AWS::SageMaker::UserProfile": _profile,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
}


def test_the_tables_have_every_type_that_our_templates_use():
    used = set(used_types())
    assert used - FROM_CONTAINERS == set(TOLD) - {"AWS::CDK::Metadata"}
    assert all(find(kind) for kind in used)


@pytest.mark.parametrize("kind", sorted(set(TOLD) - {"AWS::CDK::Metadata"}))
def test_ref_and_attributes_are_what_the_service_says(academy, kind):
    name, logical_id = academy.of_type(kind)
    resource = academy.stack(name).resources[logical_id]
    told = TOLD[kind](resource)
    assert {"Ref": resource.physical_id, **resource.attributes} == told
    assert set(resource.attributes) <= set(find(kind).attributes)
    events = [
        (event.status, bool(event.physical_id), event.reason)
        for event in academy.stack(name).events
        if event.logical_id == logical_id
    ]
    assert events[:3] == [
        ("CREATE_IN_PROGRESS", False, None),
        ("CREATE_IN_PROGRESS", True, "Resource creation Initiated"),
        ("CREATE_COMPLETE", True, None),
    ]


# --- changes in place -----------------------------------------------------------------------------
def _statement_more(document: dict[str, Any]) -> dict[str, Any]:
    return {
        **document,
        "Statement": [*document["Statement"], {**document["Statement"][0], "Sid": "Mutated"}],
    }


Change = Callable[[Any], Any]
_TOKEN = "mutated"
#: type: property: (its new value from the old, what the service then shows).
CHANGES: dict[str, dict[str, tuple[Change, str]]] = {
    "AWS::ApiGatewayV2::Api": {
        "Description": (lambda _: _TOKEN, _TOKEN),
        "Name": (lambda _: _TOKEN, _TOKEN),
    },
    "AWS::ApiGatewayV2::Integration": {
        "TimeoutInMillis": (lambda _: 7777, "'TimeoutInMillis': 7777"),
    },
    "AWS::ApiGatewayV2::Route": {"RouteKey": (lambda _: f"GET /{_TOKEN}", _TOKEN)},
    "AWS::ApiGatewayV2::Stage": {
        "AccessLogSettings": (
            lambda old: {**old, "Format": f"$context.requestId {_TOKEN}"},
            _TOKEN,
        ),
        "DefaultRouteSettings": (
            lambda _: {"ThrottlingBurstLimit": 77, "ThrottlingRateLimit": 7},
            "'ThrottlingBurstLimit': 77",
        ),
        "RouteSettings": (lambda _: {}, "'RouteSettings': {}"),
    },
    "AWS::Budgets::Budget": {
        "Budget": (lambda old: {**old, "BudgetLimit": {"Amount": 987, "Unit": "USD"}}, "987"),
    },
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": {
        "GuardrailPolicies": (
            lambda _: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "ReadOnlyAccess",
        ),
        "LoggingLevel": (lambda _: "NONE", "NONE"),
        "SnsTopicArns": (lambda _: [], "'topics': []"),
        "TeamsChannelId": (lambda _: "19%3Amutated%40thread.tacv2", _TOKEN),
        "UserRoleRequired": (lambda old: not old, "'user_role_required': "),
    },
    "AWS::CloudWatch::Alarm": {
        "AlarmActions": (lambda _: [], "'AlarmActions': []"),
        "AlarmDescription": (lambda _: _TOKEN, _TOKEN),
        "ComparisonOperator": (lambda _: "LessThanThreshold", "LessThanThreshold"),
        "Dimensions": (lambda _: [{"Name": "FunctionName", "Value": _TOKEN}], _TOKEN),
        "EvaluationPeriods": (lambda _: 4, "'EvaluationPeriods': 4"),
        "MetricName": (lambda _: "Throttles", "Throttles"),
        "Namespace": (lambda _: "Academy/Mutated", "Academy/Mutated"),
        "OKActions": (lambda _: [], "'OKActions': []"),
        "Period": (lambda _: 120, "'Period': 120"),
        "Statistic": (lambda _: "Minimum", "Minimum"),
        "Threshold": (lambda _: 77, "77.0"),
        "TreatMissingData": (
            lambda old: "breaching" if old == "notBreaching" else "notBreaching",
            "reaching",
        ),
    },
    "AWS::CodeBuild::Project": {
        "Description": (lambda _: _TOKEN, _TOKEN),
        "EncryptionKey": (lambda _: f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/{_TOKEN}", _TOKEN),
        "Environment": (lambda old: {**old, "PrivilegedMode": False}, "'privilegedMode': False"),
        "LogsConfig": (
            lambda _: {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": _TOKEN}},
            _TOKEN,
        ),
        "QueuedTimeoutInMinutes": (lambda _: 77, "77"),
        "TimeoutInMinutes": (lambda _: 78, "78"),
    },
    "AWS::Cognito::UserPool": {
        "AccountRecoverySetting": (
            lambda _: {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "verified_email",
        ),
        "DeletionProtection": (lambda _: "ACTIVE", "'DeletionProtection': 'ACTIVE'"),
        "EmailAuthenticationMessage": (lambda _: f"{_TOKEN} {{####}}", _TOKEN),
        "EmailAuthenticationSubject": (lambda _: _TOKEN, _TOKEN),
        "EmailConfiguration": (lambda old: {**old, "From": f"{_TOKEN}@example.org"}, _TOKEN),
        "Policies": (
            lambda old: {**old, "PasswordPolicy": {**old["PasswordPolicy"], "MinimumLength": 77}},
            "'MinimumLength': 77",
        ),
        "UserPoolName": (lambda _: _TOKEN, _TOKEN),
    },
    "AWS::Cognito::UserPoolClient": {
        "AccessTokenValidity": (lambda _: 7, "'AccessTokenValidity': 7"),
        "AllowedOAuthFlowsUserPoolClient": (
            lambda _: False,
            "'AllowedOAuthFlowsUserPoolClient': False",
        ),
        "AllowedOAuthScopes": (lambda _: ["openid", "phone"], "phone"),
        "CallbackURLs": (lambda _: [f"https://{_TOKEN}.example.org/"], _TOKEN),
        "AuthSessionValidity": (lambda _: 7, "'AuthSessionValidity': 7"),
        "ClientName": (lambda _: _TOKEN, _TOKEN),
        "EnableTokenRevocation": (lambda _: False, "'EnableTokenRevocation': False"),
        "IdTokenValidity": (lambda _: 7, "'IdTokenValidity': 7"),
        "PreventUserExistenceErrors": (lambda _: "LEGACY", "LEGACY"),
        "ReadAttributes": (lambda _: ["nickname"], "nickname"),
        "RefreshTokenValidity": (lambda _: 77, "'RefreshTokenValidity': 77"),
        "TokenValidityUnits": (lambda old: {**old, "RefreshToken": "days"}, "days"),
        "WriteAttributes": (lambda _: ["nickname"], "nickname"),
    },
    "AWS::Cognito::UserPoolGroup": {"Description": (lambda _: _TOKEN, _TOKEN)},
    "AWS::Cognito::UserPoolIdentityProvider": {
        "AttributeMapping": (lambda old: {**old, "nickname": _TOKEN}, _TOKEN),
        "ProviderDetails": (
            lambda old: {**old, "oidc_issuer": f"https://{_TOKEN}.example.org"},
            _TOKEN,
        ),
    },
    "AWS::DynamoDB::Table": {
        "DeletionProtectionEnabled": (lambda old: not old, "'DeletionProtectionEnabled': "),
        "PointInTimeRecoverySpecification": (
            lambda _: {"PointInTimeRecoveryEnabled": False},
            "'PointInTimeRecoveryStatus': 'DISABLED'",
        ),
        "SSESpecification": (lambda _: {"SSEEnabled": False}, "dynamodb"),
        "GlobalSecondaryIndexes": (
            lambda old: [{**index, "IndexName": f"{index['IndexName']}-{_TOKEN}"} for index in old],
            _TOKEN,
        ),
    },
    "AWS::EC2::RouteTable": {"Tags": (lambda _: [{"Key": _TOKEN, "Value": "1"}], _TOKEN)},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupEgress": (lambda old: [{**old[0], "CidrIp": "10.9.0.0/16"}], "10.9.0.0/16"),
        "SecurityGroupIngress": (
            lambda _: [{"IpProtocol": "tcp", "FromPort": 7, "ToPort": 7, "CidrIp": "10.9.0.0/16"}],
            "10.9.0.0/16",
        ),
    },
    "AWS::EC2::Subnet": {
        "MapPublicIpOnLaunch": (lambda _: True, "'MapPublicIpOnLaunch': True"),
        "Tags": (lambda _: [{"Key": _TOKEN, "Value": "1"}], _TOKEN),
    },
    "AWS::EC2::VPC": {
        "EnableDnsHostnames": (lambda _: False, "'EnableDnsHostnames': {'Value': False}"),
        "EnableDnsSupport": (lambda _: False, "'EnableDnsSupport': {'Value': False}"),
        "Tags": (lambda _: [{"Key": _TOKEN, "Value": "1"}], _TOKEN),
    },
    "AWS::EC2::VPCEndpoint": {
        "PolicyDocument": (_statement_more, "Mutated"),
        "RouteTableIds": (lambda old: old[:1], "rtb-"),
        "Tags": (lambda _: [{"Key": _TOKEN, "Value": "1"}], _TOKEN),
    },
    "AWS::ECR::Repository": {
        "ImageScanningConfiguration": (lambda _: {"ScanOnPush": False}, "'scanOnPush': False"),
        "ImageTagMutability": (
            lambda old: "MUTABLE" if old == "IMMUTABLE" else "IMMUTABLE",
            "MUTABLE",
        ),
        "LifecyclePolicy": (
            lambda old: {
                "LifecyclePolicyText": json.dumps(
                    {
                        "rules": [
                            {**rule, "description": _TOKEN}
                            for rule in json.loads(old["LifecyclePolicyText"])["rules"]
                        ]
                    }
                )
            },
            _TOKEN,
        ),
        "RepositoryPolicyText": (_statement_more, "Mutated"),
    },
    "AWS::Events::Rule": {
        "Description": (lambda _: _TOKEN, _TOKEN),
        "EventPattern": (lambda old: {**old, "account": ["111122223333"]}, "111122223333"),
        "ScheduleExpression": (lambda _: "rate(77 minutes)", "rate(77 minutes)"),
        "State": (lambda _: "DISABLED", "DISABLED"),
        "Targets": (lambda old: [{**each, "Id": _TOKEN} for each in old], _TOKEN),
    },
    "AWS::IAM::ManagedPolicy": {"PolicyDocument": (_statement_more, "Mutated")},
    "AWS::IAM::Policy": {
        "PolicyDocument": (_statement_more, "Mutated"),
        "PolicyName": (lambda _: _TOKEN, _TOKEN),
    },
    "AWS::IAM::Role": {
        "AssumeRolePolicyDocument": (_statement_more, "Mutated"),
        "Description": (lambda _: _TOKEN, _TOKEN),
        "ManagedPolicyArns": (
            lambda _: ["arn:aws:iam::aws:policy/job-function/Billing"],
            "Billing",
        ),
        "PermissionsBoundary": (lambda _: "arn:aws:iam::aws:policy/ReadOnlyAccess", "ReadOnly"),
        "Policies": (lambda old: [{**old[0], "PolicyName": _TOKEN}, *old[1:]], _TOKEN),
        "Tags": (lambda _: [{"Key": _TOKEN, "Value": "1"}], _TOKEN),
    },
    "AWS::KMS::Key": {
        "Description": (lambda _: _TOKEN, _TOKEN),
        "EnableKeyRotation": (lambda _: False, "'rotation': False"),
        "KeyPolicy": (_statement_more, "Mutated"),
    },
    "AWS::Lambda::Alias": {"Description": (lambda _: _TOKEN, _TOKEN)},
    "AWS::Lambda::EventInvokeConfig": {
        "DestinationConfig": (lambda _: {}, "'asynchronous'"),
        "MaximumRetryAttempts": (lambda old: 0 if old else 1, "'MaximumRetryAttempts'"),
    },
    "AWS::Lambda::Function": {
        "Code": (
            lambda _: {"ZipFile": "def handle(event, context):\n    return 'mutated'\n"},
            "CodeSha256",
        ),
        "Description": (lambda _: _TOKEN, _TOKEN),
        "Environment": (lambda _: {"Variables": {"MUTATED": "1"}}, "MUTATED"),
        "Handler": (lambda _: f"{_TOKEN}.handle", _TOKEN),
        "MemorySize": (lambda _: 1777, "1777"),
        "Runtime": (lambda old: "python3.12" if old == "python3.11" else "python3.11", "python3.1"),
        "Timeout": (lambda _: 77, "77"),
    },
    "AWS::Logs::LogGroup": {"RetentionInDays": (lambda _: 3653, "3653")},
    "AWS::S3::Bucket": {
        "BucketEncryption": (
            lambda _: {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                ]
            },
            "AES256",
        ),
        "LifecycleConfiguration": (
            lambda _: {"Rules": [{"Id": _TOKEN, "Status": "Enabled", "ExpirationInDays": 7}]},
            _TOKEN,
        ),
        "NotificationConfiguration": (
            lambda _: {},
            "'get_bucket_notification_configuration': {}",
        ),
        "OwnershipControls": (
            lambda _: {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
            "ObjectWriter",
        ),
        "PublicAccessBlockConfiguration": (
            lambda _: {"BlockPublicAcls": True, "IgnorePublicAcls": False},
            "'IgnorePublicAcls': False",
        ),
        "VersioningConfiguration": (lambda _: {"Status": "Suspended"}, "get_bucket_versioning"),
    },
    "AWS::S3::BucketPolicy": {"PolicyDocument": (_statement_more, "Mutated")},
    "AWS::SNS::Topic": {
        "DisplayName": (lambda _: _TOKEN, _TOKEN),
        "KmsMasterKeyId": (lambda _: f"alias/{_TOKEN}", _TOKEN),
    },
    "AWS::SNS::TopicPolicy": {"PolicyDocument": (_statement_more, "Mutated")},
    "AWS::SQS::Queue": {
        "MessageRetentionPeriod": (lambda _: 77_777, "77777"),
        "SqsManagedSseEnabled": (lambda _: False, "'SqsManagedSseEnabled': 'false'"),
    },
    "AWS::SQS::QueuePolicy": {"PolicyDocument": (_statement_more, "Mutated")},
    "AWS::SSM::Parameter": {
        "Description": (lambda _: _TOKEN, _TOKEN),
        "Value": (lambda _: _TOKEN, _TOKEN),
    },
    "AWS::SageMaker::Domain": {
        "AppNetworkAccessType": (lambda _: "PublicInternetOnly", "PublicInternetOnly"),
        "DefaultUserSettings": (
            lambda old: {**old, "DefaultLandingUri": "app:JupyterLab:"},
            "app:JupyterLab:",
        ),
    },
    "AWS::SageMaker::Space": {
        "SpaceSettings": (
            lambda old: {
                **old,
                "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.m5.xlarge"}},
            },
            "ml.m5.xlarge",
        ),
    },
}

#: Set by our templates and not changed here alone, each with its reason.
NOT_ALONE = {
    "AWS::ApiGatewayV2::Integration": {
        "IntegrationType",  # one value is modelled
        "IntegrationUri",  # follows its function
        "PayloadFormatVersion",  # one value is modelled
    },
    "AWS::ApiGatewayV2::Route": {
        "AuthorizationType",  # one value is modelled
        "Target",  # follows its integration
    },
    "AWS::ApiGatewayV2::Stage": {"AutoDeploy"},  # one value is modelled
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": {"IamRoleArn"},  # another role, as Role
    "AWS::CodeBuild::Project": {"Artifacts", "ServiceRole", "Source"},  # one value is modelled
    "AWS::Cognito::UserPool": {
        *("AdminCreateUserConfig", "MfaConfiguration", "UserPoolTier"),  # one value is modelled
        *("AliasAttributes", "UsernameConfiguration"),  # cannot be changed
    },
    "AWS::Cognito::UserPoolClient": {
        "AllowedOAuthFlows",  # one value is modelled
        *("ExplicitAuthFlows", "SupportedIdentityProviders"),  # each client of ours has its own
    },
    "AWS::Cognito::UserPoolDomain": {"ManagedLoginVersion"},  # one value is modelled
    "AWS::DynamoDB::Table": {"AttributeDefinitions", "BillingMode"},  # belong to the keys
    "AWS::EC2::VPCEndpoint": {
        "PrivateDnsEnabled",  # one value of our templates' is modelled
        "SecurityGroupIds",  # follow their groups: test_resource_types.py
        "SubnetIds",  # follow the network
    },
    "AWS::IAM::Policy": {"Roles"},  # follows its role: test_resource_types.py
    "AWS::KMS::Alias": {"TargetKeyId"},  # follows its key: test_resource_types.py
    "AWS::KMS::Key": {"PendingWindowInDays"},  # used when it is deleted
    "AWS::Lambda::Alias": {"FunctionVersion"},  # one value is modelled: $LATEST
    "AWS::Lambda::Function": {"Role"},  # follows its role
    "AWS::S3::Bucket": {"AccessControl"},  # one value is modelled: Private
    "AWS::SNS::TopicPolicy": {"Topics"},
    "AWS::SQS::QueuePolicy": {"Queues"},
    "AWS::SSM::Parameter": {"Type"},  # SSM refuses: a hierarchy's type cannot change
    "AWS::SageMaker::Domain": {
        "HomeEfsFileSystemCreation",  # cannot be changed
        "SubnetIds",  # follow the network
    },
    "AWS::SageMaker::UserProfile": {"UserSettings"},  # one role a learner
}


def test_the_table_has_every_mutable_property_that_our_templates_set():
    for kind, properties in used_types().items():
        if kind in FROM_CONTAINERS:
            continue
        mutable = properties - set(find(kind).replaced_by)
        assert mutable == set(CHANGES.get(kind, {})) | NOT_ALONE.get(kind, set()), kind


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, changes in CHANGES.items() for name in changes]
)
def test_a_property_changes_in_place_and_back(academy, kind, name):
    change, shown = CHANGES[kind][name]
    stack_name, logical_id = academy.of_type(kind, name)
    template = academy.templates[stack_name]
    before = snapshot.snapshot()
    resource = academy.stack(stack_name).resources[logical_id]

    mutated = copy.deepcopy(template)
    properties = mutated["Resources"][logical_id]["Properties"]
    properties[name] = change(properties[name])
    stack = academy.deploy(stack_name, mutated)
    assert stack.status == "UPDATE_COMPLETE", _reasons(stack)
    assert stack.resources[logical_id].physical_id == resource.physical_id
    events = [
        (event.status, event.reason)
        for event in stack.events[_last_update(stack) :]
        if event.logical_id == logical_id
    ]
    assert events == [("UPDATE_IN_PROGRESS", None), ("UPDATE_COMPLETE", None)]
    differing = snapshot.differences(before, snapshot.snapshot())
    if name not in ("VersioningConfiguration",):  # suspended counts as never versioned there
        assert any(shown in str(after) for _, after in differing.values()), differing

    back = academy.deploy(stack_name, template)
    assert back.status == "UPDATE_COMPLETE", _reasons(back)
    assert snapshot.differences(before, snapshot.snapshot()) == {}


# --- below the top level --------------------------------------------------------------------------
def _node(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """A node of a type's schema without references and lists around it."""
    while "$ref" in node or "items" in node:
        if "items" in node:
            node = node["items"]
        else:
            found: Any = schema
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
    return node


def _structures(
    schema: dict[str, Any], node: dict[str, Any], value: Any
) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Every structure in a property's value, and the members that the type's schema gives it."""
    node = _node(schema, node)
    if isinstance(value, list):
        for item in value[:1]:
            yield from _structures(schema, node, item)
    elif isinstance(value, dict) and "properties" in node:
        if "Ref" in value or any(name.startswith("Fn::") for name in value):
            return
        yield value, set(node["properties"])
        for name, inner in value.items():
            yield from _structures(schema, node["properties"][name], inner)


@pytest.mark.parametrize("kind", sorted(set(TOLD) - {"AWS::CDK::Metadata"}))
def test_a_member_beyond_the_model_fails_the_stack_and_is_named(academy, kind):
    """Every member that the schema has and our templates do not set, and one that nobody has."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    name, logical_id = academy.of_type(kind)
    # What is create-only says of a named resource that it cannot be replaced, and nothing else.
    model = find(kind)
    skipped = model.replaced_by if model.named_by else ()
    properties = academy.templates[name]["Resources"][logical_id]["Properties"]
    taken = []
    places = [
        (position, member)
        for position, (value, members) in enumerate(_all_structures(schema, properties, skipped))
        for member in sorted({"AcademyOwn", *members} - set(value))
    ]
    for position, member in places:
        mutated = copy.deepcopy(academy.templates[name])
        mine = mutated["Resources"][logical_id]["Properties"]
        structure, _ = list(_all_structures(schema, mine, skipped))[position]
        structure[member] = "mutated"
        stack = academy.deploy(name, mutated)
        if stack.status == "UPDATE_COMPLETE":
            taken.append(member)
            academy.restore(name, logical_id)
            continue
        reasons = dict(_reasons(stack))
        assert next(iter(reasons)) == logical_id, (member, reasons)
        named = (member, member.removesuffix("InDays"))  # S3 calls ExpirationInDays Expiration.Days
        said = str(reasons[logical_id]).lower()
        assert any(each.lower() in said for each in named), (member, reasons)
    assert set(taken) <= TAKEN.get(kind, set()), taken


#: Members that are modelled though our templates do not set them, and take any text.
TAKEN: dict[str, set[str]] = {
    "AWS::CodeBuild::Project": {"BuildSpec", "StreamName"},
    "AWS::Events::Rule": {"Input"},
    "AWS::S3::Bucket": {"Id", "KMSMasterKeyID", "Prefix"},
    "AWS::SageMaker::UserProfile": {"DefaultLandingUri"},
}


def _all_structures(
    schema: dict[str, Any], properties: dict[str, Any], skipped: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], set[str]]]:
    for name, value in properties.items():
        if name in skipped:
            continue
        yield from _structures(schema, schema["properties"][name], value)


def _last_update(stack: Stack) -> int:
    return max(
        place
        for place, event in enumerate(stack.events)
        if event.logical_id == stack.name and event.status == "UPDATE_IN_PROGRESS"
    )


def _reasons(stack: Stack) -> list[tuple[str, str | None]]:
    return [
        (event.logical_id, event.reason)
        for event in stack.events[_last_update(stack) :]
        if event.status.endswith("FAILED")
    ]
