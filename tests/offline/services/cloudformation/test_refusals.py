"""What lies outside the model fails the stack, and is named with its logical id."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::CloudFormation::CustomResource",
        "AWS::CloudFormation::Macro",
        "AWS::CloudFormation::Stack",
        "AWS::CloudFormation::WaitCondition",
        "AWS::Kinesis::Stream",
        "AWS::SageMaker::App",
        "Custom::Cleaner",
        "Academy::Own::Type",
    ],
)
def test_a_type(stacks, client, kind):
    failed = stacks.deploy("refused", {"Beyond": {"Type": kind}, "P": PARAMETER})
    assert failed.status == "ROLLBACK_COMPLETE"
    assert f"Resource type {kind} is not modelled by the embedded cloud" in failed.reasons["Beyond"]
    assert client("ssm").describe_parameters()["Parameters"] == []


def test_a_log_that_is_not_the_functions_own(stacks):
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "elsewhere",
            "Role": "arn:aws:iam::123456789012:role/any",
            "Handler": "index.handle",
            "Runtime": "python3.11",
            "Code": {"ZipFile": "def handle(event, context): pass"},
            "LoggingConfig": {"LogGroup": "/other"},
        },
    }
    failed = stacks.deploy("elsewhere", {"F": function})
    assert failed.status == "ROLLBACK_COMPLETE"
    assert "LoggingConfig/LogGroup /other of elsewhere is not modelled" in failed.reasons["F"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"Transform": "AWS::Serverless-2016-10-31"}, "Transform 'AWS::Serverless-2016-10-31'"),
        ({"Hooks": {}}, "Hooks"),
        ({"Modules": {}}, "Modules"),
    ],
)
def test_a_section_refuses_the_template(client, more, says):
    body = json.dumps({"Resources": {"P": PARAMETER}, **more})
    with pytest.raises(ClientError, match=says):
        client("cloudformation").create_stack(StackName="section", TemplateBody=body)


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ({**PARAMETER, "CreationPolicy": {}}, "CreationPolicy of P is not modelled"),
        ({**PARAMETER, "UpdatePolicy": {}}, "UpdatePolicy of P is not modelled"),
        ({**PARAMETER, "DeletionPolicy": "Snapshot"}, "P of type .* DeletionPolicy Snapshot"),
        ({**PARAMETER, "UpdateReplacePolicy": "Snapshot"}, "P .* UpdateReplacePolicy Snapshot"),
        ({**PARAMETER, "UpdateReplacePolicy": "RetainExceptOnCreate"}, "of resource P is"),
        (
            {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Fn::Transform": {"Name": "AWS::Include"}},
            },
            "Fn::Transform is not modelled",
        ),
        (
            {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": "{{resolve:ssm:/other}}"},
            },
            "resolve:ssm:/other.* is not modelled",
        ),
        (
            {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::Cidr": ["10.0.0.0/16", 2, 8]}},
            },
            "Fn::Cidr is not modelled",
        ),
    ],
)
def test_a_part_of_a_resource_refuses_the_template(client, resource, says):
    body = json.dumps({"Resources": {"P": resource}})
    with pytest.raises(ClientError, match=says):
        client("cloudformation").create_stack(StackName="part", TemplateBody=body)


@pytest.mark.parametrize(
    ("operation", "given", "named"),
    [
        ("create_stack", {"TimeoutInMinutes": 5}, "TimeoutInMinutes"),
        ("create_stack", {"StackPolicyBody": "{}"}, "StackPolicyBody"),
        ("create_stack", {"ResourceTypes": ["AWS::SSM::*"]}, "ResourceTypes"),
        ("create_stack", {"RollbackConfiguration": {"MonitoringTimeInMinutes": 1}}, "Rollback"),
        (
            "create_stack",
            {"DeploymentConfig": {"Mode": "EXPRESS"}},
            "DeploymentConfig.Mode",
        ),
        (
            "create_change_set",
            {"ChangeSetName": "c", "ChangeSetType": "IMPORT"},
            "ChangeSetType=IMPORT",
        ),
    ],
)
def test_a_member_of_a_request(client, operation, given, named):
    body = json.dumps({"Resources": {"P": PARAMETER}})
    with pytest.raises(ClientError, match=named):
        getattr(client("cloudformation"), operation)(StackName="member", TemplateBody=body, **given)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("detect_stack_drift", {"StackName": "x"}),
        ("create_stack_set", {"StackSetName": "x"}),
        ("cancel_update_stack", {"StackName": "x"}),
        ("create_generated_template", {"GeneratedTemplateName": "x"}),
    ],
)
def test_an_operation(client, operation, given):
    with pytest.raises(ClientError, match="is not modelled by the embedded cloud"):
        getattr(client("cloudformation"), operation)(**given)


@pytest.mark.parametrize(
    ("properties", "capability"),
    [
        ({}, "CAPABILITY_IAM"),
        ({"RoleName": "named"}, "CAPABILITY_NAMED_IAM"),
    ],
)
def test_a_template_that_grants_rights_must_be_acknowledged(client, properties, capability):
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": []}, **properties},
    }
    body = json.dumps({"Resources": {"R": role}})
    api = client("cloudformation")
    with pytest.raises(ClientError, match=rf"Requires capabilities : \[{capability}\]") as refused:
        api.create_stack(
            StackName="rights",
            TemplateBody=body,
            Capabilities=["CAPABILITY_IAM"] if properties else [],
        )
    assert refused.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"
