"""The modelled types against CloudFormation's own schemas, which cfn-lint carries."""

from __future__ import annotations

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.offline.services.cloudformation.types import find, modelled

#: Differences on purpose, each with its reason.
STRICTER_REQUIRED = {
    "AWS::EC2::VPC": {"CidrBlock"},  # no IPAM here
    "AWS::EC2::Subnet": {"CidrBlock"},  # no IPAM, no IPv6 here
    "AWS::EC2::SecurityGroup": {"VpcId"},  # no default VPC here
    "AWS::EC2::VPCEndpoint": {"ServiceName"},  # no service networks here
    "AWS::IAM::Policy": {"Roles"},  # no users and groups here
    "AWS::Lambda::Function": {"Handler", "Runtime"},  # no container images here
}
#: Create-only under some values only ("conditionalCreateOnlyProperties"): taken as always.
CONDITIONALLY_REPLACED = {
    "AWS::DynamoDB::Table": {"KeySchema"},
    "AWS::EC2::VPC": {"InstanceTenancy"},
    "AWS::Events::Rule": {"EventBusName"},
    "AWS::SageMaker::Domain": {"VpcId"},
}
#: The service cannot change them though CloudFormation's schema is silent.
REPLACED_BESIDES = {"AWS::DynamoDB::Table": {"LocalSecondaryIndexes"}}
#: Attributes that only the older documentation has.
ATTRIBUTES_BESIDES = {
    "AWS::EC2::Subnet": {"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"},
    "AWS::EC2::VPC": {"CidrBlock"},
    "AWS::SQS::Queue": {"QueueName"},
    "AWS::SSM::Parameter": {"Type", "Value"},
}


def _schema(kind: str) -> dict:
    return PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema


def _named(schema: dict, key: str) -> set[str]:
    """Top-level properties of a list of JSON pointers."""
    pointers = (pointer.split("/")[2:] for pointer in schema.get(key, ()))
    return {path[0] for path in pointers if len(path) == 1}


@pytest.mark.parametrize("kind", modelled())
def test_every_property_and_attribute_is_cloudformations(kind):
    model, schema = find(kind), _schema(kind)
    read_only = _named(schema, "readOnlyProperties")
    assert set(model.properties) <= set(schema["properties"]) - read_only
    assert set(model.attributes) <= read_only | ATTRIBUTES_BESIDES.get(kind, set())
    assert set(model.required) == set(schema.get("required", ())) | STRICTER_REQUIRED.get(
        kind, set()
    )


@pytest.mark.parametrize("kind", modelled())
def test_what_makes_a_new_resource_is_what_makes_one_on_aws(kind):
    model, schema = find(kind), _schema(kind)
    expected = _named(schema, "createOnlyProperties") & set(model.properties)
    expected |= CONDITIONALLY_REPLACED.get(kind, set()) | REPLACED_BESIDES.get(kind, set())
    assert set(model.replaced_by) == expected


@pytest.mark.parametrize("kind", modelled())
def test_a_type_names_no_property_twice(kind):
    model = find(kind)
    assert len(set(model.properties)) == len(model.properties)
    assert set(model.replaced_by) <= set(model.properties)
    assert model.named_by is None or model.named_by in model.properties
