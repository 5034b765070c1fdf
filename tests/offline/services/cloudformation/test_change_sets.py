"""Change sets as the CDK CLI uses them."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

TEMPLATE = {
    "Parameters": {"Size": {"Type": "Number", "Default": 1}},
    "Resources": {
        "P": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": "/sets/p", "Value": {"Ref": "Size"}},
        }
    },
}


def propose(api, stack, name, kind, template=TEMPLATE, **more):
    return api.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType=kind,
        TemplateBody=json.dumps(template),
        **more,
    )


@pytest.fixture
def api(client):
    return client("cloudformation")


def test_a_change_set_for_a_new_stack_puts_it_under_review(api, stacks):
    stacks.names.append("reviewed")
    made = propose(api, "reviewed", "first", "CREATE")
    described = api.describe_change_set(StackName="reviewed", ChangeSetName="first")
    assert described["Status"] == "CREATE_COMPLETE"
    assert described["ExecutionStatus"] == "AVAILABLE"
    assert [each["ResourceChange"]["Action"] for each in described["Changes"]] == ["Add"]
    assert stacks.describe(made["StackId"]).status == "REVIEW_IN_PROGRESS"


def test_without_changes_it_fails_with_the_words_that_the_cli_knows(api, stacks):
    stacks.deploy("same", TEMPLATE["Resources"], Parameters=TEMPLATE["Parameters"])
    propose(api, "same", "again", "UPDATE")
    described = api.describe_change_set(StackName="same", ChangeSetName="again")
    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ClientError, match="cannot be executed in its current status"):
        api.execute_change_set(StackName="same", ChangeSetName="again")


def test_a_parameter_alone_can_be_the_change(api, stacks, client):
    stacks.deploy("sized", TEMPLATE["Resources"], Parameters=TEMPLATE["Parameters"])
    given = [{"ParameterKey": "Size", "ParameterValue": "2"}]
    propose(api, "sized", "bigger", "UPDATE", Parameters=given)
    described = api.describe_change_set(StackName="sized", ChangeSetName="bigger")
    (change,) = described["Changes"]
    assert change["ResourceChange"]["Action"] == "Modify"
    assert change["ResourceChange"]["Replacement"] == "False"
    api.execute_change_set(StackName="sized", ChangeSetName="bigger")
    assert client("ssm").get_parameter(Name="/sets/p")["Parameter"]["Value"] == "2"
    kept = [{"ParameterKey": "Size", "UsePreviousValue": True}]
    propose(api, "sized", "kept", "UPDATE", Parameters=kept)
    assert api.describe_change_set(StackName="sized", ChangeSetName="kept")["Status"] == "FAILED"


def test_the_stacks_tags_are_handed_to_what_can_be_tagged(api, stacks, client):
    stacks.names.append("tagged")
    template = json.loads(json.dumps(TEMPLATE))
    template["Resources"]["P"]["Properties"]["Tags"] = {"own": "1", "both": "resource"}
    template["Resources"]["R"] = {
        "Type": "AWS::EC2::VPC",
        "Properties": {"CidrBlock": "10.0.0.0/16"},
    }

    def deploy(name, kind, **tags):
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = propose(api, "tagged", name, kind, template, Tags=given)
        listed = api.describe_change_set(ChangeSetName=made["Id"])["Changes"]
        api.execute_change_set(ChangeSetName=made["Id"])
        parameter = client("ssm").list_tags_for_resource(
            ResourceType="Parameter", ResourceId="/sets/p"
        )["TagList"]
        (vpc,) = client("ec2").describe_vpcs(VpcIds=[stacks.resource("tagged", "R")])["Vpcs"]
        return (
            len(listed),
            {tag["Key"]: tag["Value"] for tag in parameter},
            {tag["Key"]: tag["Value"] for tag in vpc["Tags"]},
        )

    assert deploy("one", "CREATE", cohort="earth", both="stack") == (
        2,
        {"cohort": "earth", "own": "1", "both": "resource"},
        {"cohort": "earth", "both": "stack"},
    )
    assert deploy("two", "UPDATE", cohort="mars") == (
        2,
        {"cohort": "mars", "own": "1", "both": "resource"},
        {"cohort": "mars"},
    )


def test_a_replacement_is_announced(api, stacks):
    stacks.deploy("renamed", TEMPLATE["Resources"], Parameters=TEMPLATE["Parameters"])
    moved = json.loads(json.dumps(TEMPLATE))
    moved["Resources"]["P"]["Properties"]["Name"] = "/sets/q"
    propose(api, "renamed", "moved", "UPDATE", moved)
    (change,) = api.describe_change_set(StackName="renamed", ChangeSetName="moved")["Changes"]
    assert change["ResourceChange"]["Replacement"] == "True"
    assert change["ResourceChange"]["PolicyAction"] == "ReplaceAndDelete"
    assert change["ResourceChange"]["Details"][0]["Target"]["Name"] == "Name"


def test_two_stacks_may_have_change_sets_of_one_name(api, stacks):
    stacks.names += ["left", "right"]
    left, right = (propose(api, stack, "deploy", "CREATE") for stack in ("left", "right"))
    described = api.describe_change_set(StackName="right", ChangeSetName="deploy")
    assert described["ChangeSetId"] == right["Id"] != left["Id"]


def test_describing_one_that_is_not_there_is_change_set_not_found(api, stacks):
    with pytest.raises(ClientError) as refused:
        api.describe_change_set(StackName="nowhere", ChangeSetName="none")
    assert refused.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_deleting_one_that_is_not_there_succeeds(api, stacks):
    api.delete_change_set(StackName="nowhere", ChangeSetName="none")


def test_a_template_comes_from_a_bucket_by_its_path_style_url(api, stacks, client, cloud):
    client("s3").create_bucket(Bucket="templates")
    client("s3").put_object(Bucket="templates", Key="a/b.json", Body=json.dumps(TEMPLATE).encode())
    stacks.names.append("linked")
    api.create_stack(StackName="linked", TemplateURL=f"{cloud.endpoint}/templates/a/b.json")
    assert stacks.describe("linked").status == "CREATE_COMPLETE"
    body = api.get_template(StackName="linked")["TemplateBody"]
    assert body == TEMPLATE


def test_a_value_from_ssm_is_read_when_the_change_set_is_made(api, stacks, client):
    client("ssm").put_parameter(Name="/sets/version", Value="33", Type="String")
    stored = {"Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/sets/version"}}
    resources = {
        "P": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Ref": "Version"}},
        }
    }
    stacks.deploy("stored", resources, Parameters=stored)
    (parameter,) = api.describe_stacks(StackName="stored")["Stacks"][0]["Parameters"]
    assert parameter["ParameterValue"] == "/sets/version"
    assert parameter["ResolvedValue"] == "33"
    template = {"Parameters": stored, "Resources": resources}
    propose(api, "stored", "same", "UPDATE", template)
    assert api.describe_change_set(StackName="stored", ChangeSetName="same")["Status"] == "FAILED"
    client("ssm").put_parameter(Name="/sets/version", Value="34", Type="String", Overwrite=True)
    propose(api, "stored", "newer", "UPDATE", template)
    changed = api.describe_change_set(StackName="stored", ChangeSetName="newer")
    assert changed["Status"] == "CREATE_COMPLETE"


def test_a_rule_that_is_violated_refuses_the_change_set(api, stacks):
    rules = {
        "CheckVersion": {
            "Assertions": [
                {
                    "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2"], {"Ref": "Size"}]}]},
                    "AssertDescription": "Size 3 is required.",
                }
            ]
        }
    }
    with pytest.raises(ClientError, match="Size 3 is required"):
        propose(api, "ruled", "first", "CREATE", TEMPLATE | {"Rules": rules})
    assert not stacks.exists("ruled")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Template format error"),
        ("Resources: {}", "At least one Resources member"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {A: {Type: T}}", "Transform"),
        ("Resources: {A: {Type: T, CreationPolicy: {}}}", "CreationPolicy of A is not modelled"),
        ("Resources: {A: {Type: T, Properties: {P: !Ref B}}}", "dependencies \\[B\\]"),
        ("Resources: {A: {Type: T, DependsOn: A}}", "Circular dependency"),
        ("Parameters: {P: {Type: String}}\nResources: {A: {Type: T}}", "P\\] must have values"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused_before_there_is_a_stack(
    api, stacks, body, words
):
    with pytest.raises(ClientError, match=words) as refused:
        api.create_change_set(
            StackName="nonsense", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=body
        )
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert not stacks.exists("nonsense")


def test_an_operation_that_is_not_modelled_is_refused_by_name(api):
    with pytest.raises(ClientError, match="cloudformation:DetectStackDrift is not modelled"):
        api.detect_stack_drift(StackName="any")
