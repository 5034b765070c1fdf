"""What moto forgot or refused when a stack went back to what it was, held over the wire."""

from __future__ import annotations

import json

TRUST = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        }
    ]
}


def table(client, name):
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return name


def test_an_expiry_that_is_turned_off_names_no_attribute(client):
    api, name = client("dynamodb"), table(client, "expiring")
    for enabled in (True, False):
        setting = {"AttributeName": "until", "Enabled": enabled}
        api.update_time_to_live(TableName=name, TimeToLiveSpecification=setting)
    described = api.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "DISABLED"}


def test_a_tables_encryption_can_be_changed(client):
    api, name = client("dynamodb"), table(client, "sealed")
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    setting = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    changed = api.update_table(TableName=name, SSESpecification=setting)["TableDescription"]
    assert changed["SSEDescription"]["KMSMasterKeyArn"] == key
    api.update_table(TableName=name, SSESpecification={"Enabled": True})
    described = api.describe_table(TableName=name)["Table"]["SSEDescription"]
    assert described["KMSMasterKeyArn"] != key
    api.update_table(TableName=name, SSESpecification={"Enabled": False})
    assert "SSEDescription" not in api.describe_table(TableName=name)["Table"]


def test_a_trust_policy_without_a_version_can_be_changed(client):
    iam = client("iam")
    text = json.dumps(TRUST)
    iam.create_role(RoleName="unversioned", AssumeRolePolicyDocument=text)
    iam.update_assume_role_policy(RoleName="unversioned", PolicyDocument=text)
    assert iam.get_role(RoleName="unversioned")["Role"]["AssumeRolePolicyDocument"] == TRUST


def test_an_empty_filter_is_none(client):
    sns = client("sns")
    topic = sns.create_topic(Name="filtered")["TopicArn"]
    own = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="ana@example.org", ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    before = sns.get_subscription_attributes(SubscriptionArn=own)["Attributes"]
    for policy in ({"team": ["falcon"]}, {}):
        sns.set_subscription_attributes(
            SubscriptionArn=own, AttributeName="FilterPolicy", AttributeValue=json.dumps(policy)
        )
    assert sns.get_subscription_attributes(SubscriptionArn=own)["Attributes"] == before


def test_a_parameter_loses_its_description_with_the_template(stacks, client):
    def parameter(**more):
        properties = {"Name": "/mended/p", "Type": "String", "Value": "x", **more}
        return {"P": {"Type": "AWS::SSM::Parameter", "Properties": properties}}

    stacks.deploy("described", parameter(Description="of the template"))
    stacks.deploy("described", parameter())
    (found,) = client("ssm").describe_parameters()["Parameters"]
    assert not found.get("Description")


def test_a_half_made_index_is_made_again(stacks, client):
    def template(name, projection="ALL"):
        index = {
            "IndexName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": projection},
        }
        properties = {
            "TableName": "indexed",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [index],
        }
        return {"T": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}

    stacks.deploy("indexed", template("one"))
    failed = stacks.deploy("indexed", template("one", "NONSENSE"))
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE", failed.reasons
    described = client("dynamodb").describe_table(TableName="indexed")["Table"]
    (index,) = described["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]) == ("one", {"ProjectionType": "ALL"})


def test_a_member_that_studio_refused_need_not_be_taken_away(stacks, client):
    """The way back of an update that was refused finds nothing to unset."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                **TRUST,
                "Statement": [
                    {**TRUST["Statement"][0], "Principal": {"Service": "sagemaker.amazonaws.com"}}
                ],
            }
        },
    }

    def template(**settings):
        return {
            "Role": role,
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"CidrBlock": "10.0.0.0/24", "VpcId": {"Ref": "Vpc"}},
            },
            "Domain": {
                "Type": "AWS::SageMaker::Domain",
                "Properties": {
                    "DomainName": "mended",
                    "AuthMode": "IAM",
                    "AppNetworkAccessType": "PublicInternetOnly",
                    "HomeEfsFileSystemCreation": "Disabled",
                    "VpcId": {"Ref": "Vpc"},
                    "SubnetIds": [{"Ref": "Subnet"}],
                    "DefaultUserSettings": {
                        "ExecutionRole": {"Fn::GetAtt": ["Role", "Arn"]},
                        **settings,
                    },
                },
            },
        }

    stacks.deploy("studio", template())
    refused = stacks.deploy("studio", template(StudioWebPortal="SOMETIMES"))
    assert refused.status == "UPDATE_ROLLBACK_COMPLETE", refused.reasons
    assert stacks.deploy("studio", template(StudioWebPortal="ENABLED")).status == "UPDATE_COMPLETE"
    gone = stacks.deploy("studio", template())
    assert gone.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Removing DefaultUserSettings/StudioWebPortal is not modelled" in gone.reasons["Domain"]
