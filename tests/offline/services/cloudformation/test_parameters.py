"""Parameters of a template: given, from SSM, hidden, and held to what the template says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore.exceptions import ClientError

from infra.offline.services.cloudformation.errors import TemplateError
from infra.offline.services.cloudformation.parameters import Parameters, resolve_parameters
from infra.offline.services.cloudformation.template import Template

STORED = {"/one": "alpha", "/list": "a,b, c", "/number": "7"}


def store(names: list[str]) -> Mapping[str, str]:
    return {name: STORED[name] for name in names if name in STORED}


def resolved(declared: dict, **given: str) -> Parameters:
    resources = "Resources: {P: {Type: 'AWS::SSM::Parameter'}}"
    template = Template.read(resources)
    return resolve_parameters(
        Template(**{**vars(template), "parameters": {"P": declared}}), given, store
    )


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ({"Type": "String"}, "x", "x"),
        ({"Type": "Number"}, "1.5", "1.5"),
        ({"Type": "CommaDelimitedList"}, "a, b,c", ["a", "b", "c"]),
        ({"Type": "List<Number>"}, "1,2", ["1", "2"]),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-1", "vpc-1"),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, "s-1,s-2", ["s-1", "s-2"]),
        ({"Type": "AWS::SSM::Parameter::Name"}, "/one", "/one"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/one", "alpha"),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>"}, "/list", ["a", "b", "c"]),
        ({"Type": "AWS::SSM::Parameter::Value<AWS::EC2::VPC::Id>"}, "/one", "alpha"),
    ],
)
def test_a_value_becomes_what_its_type_says(declared, value, expected):
    assert resolved(declared, P=value).values["P"] == expected


@pytest.mark.parametrize(
    ("declared", "value", "says"),
    [
        ({"AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues"),
        ({"AllowedPattern": "[a-z]+"}, "a1", "Parameter 'P' must match pattern [a-z]+"),
        ({"MinLength": 3}, "ab", "Parameter 'P' must contain at least 3 characters"),
        ({"MaxLength": "3"}, "abcd", "Parameter 'P' must contain at most 3 characters"),
        (
            {"Type": "Number", "MinValue": 3},
            "2",
            "Parameter 'P' must be a number not less than 3",
        ),
        (
            {"Type": "Number", "MaxValue": 3},
            "4",
            "Parameter 'P' must be a number not greater than 3",
        ),
        ({"Type": "Number"}, "four", "Parameter 'P' must be a number."),
        ({"Type": "List<Number>"}, "1,x", "Parameter 'P' must be a list of numbers."),
        (
            {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]},
            "a,c",
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            {"AllowedPattern": "[a-z]+", "ConstraintDescription": "letters only"},
            "a1",
            "Parameter P failed to satisfy constraint: letters only",
        ),
        (
            {"Type": "Imaginary"},
            "x",
            "Template format error: Unrecognized parameter type: Imaginary",
        ),
        (
            {"Type": "AWS::SSM::Parameter::Value<String>"},
            "/absent",
            "Unable to fetch parameters [/absent] from parameter store for this account.",
        ),
    ],
)
def test_a_value_outside_is_refused_in_cloudformations_words(declared, value, says):
    with pytest.raises(TemplateError) as refused:
        resolved({"Type": "String", **declared}, P=value)
    assert str(refused.value) == says


def test_the_ends_of_a_range_are_inside():
    for value in ("3", "5"):
        assert resolved({"Type": "Number", "MinValue": 3, "MaxValue": 5}, P=value).values


def test_a_missing_and_an_unknown_one_are_named():
    with pytest.raises(TemplateError, match=r"Parameters: \[P\] must have values"):
        resolved({"Type": "String"})
    with pytest.raises(TemplateError, match=r"Parameters: \[Q\] do not exist in the template"):
        resolved({"Type": "String"}, P="x", Q="y")


def test_all_that_ssm_lacks_is_named_on_the_wire_and_makes_no_stack(client):
    stored = {"Type": "AWS::SSM::Parameter::Value<String>"}
    body = {
        "Parameters": {
            "A": {**stored, "Default": "/no/a"},
            "B": {**stored, "Default": "/no/b"},
        },
        "Resources": {"P": {"Type": "AWS::SSM::Parameter"}},
    }
    with pytest.raises(ClientError, match=r"Unable to fetch parameters \[/no/a,/no/b\]"):
        client("cloudformation").create_stack(StackName="lacking", TemplateBody=str(body))
    assert client("cloudformation").list_stacks()["StackSummaries"] == []


def test_a_secure_string_is_not_read(client):
    client("ssm").put_parameter(Name="/secret", Value="x", Type="SecureString")
    body = {
        "Parameters": {
            "A": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/secret"},
        },
        "Resources": {"P": {"Type": "AWS::SSM::Parameter"}},
    }
    with pytest.raises(ClientError, match="types not supported by CloudFormation"):
        client("cloudformation").create_stack(StackName="secret", TemplateBody=str(body))


def test_what_is_hidden_is_not_echoed_and_reaches_the_resource(stacks, client):
    stacks.deploy(
        "hidden",
        {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": "/hidden/p", "Type": "String", "Value": {"Ref": "Word"}},
            }
        },
        Parameters={"Word": {"Type": "String", "NoEcho": True}},
        given={"Word": "sesame"},
    )
    api = client("cloudformation")
    (stack,) = api.describe_stacks(StackName="hidden")["Stacks"]
    assert stack["Parameters"] == [{"ParameterKey": "Word", "ParameterValue": "****"}]
    summary = api.get_template_summary(StackName="hidden")
    assert summary["Parameters"][0]["NoEcho"] is True
    assert client("ssm").get_parameter(Name="/hidden/p")["Parameter"]["Value"] == "sesame"


def test_a_value_from_ssm_is_read_again_at_every_update(stacks, client):
    client("ssm").put_parameter(Name="/moving", Value="1", Type="String")
    resources = {
        "P": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/moved/p", "Type": "String", "Value": {"Ref": "From"}},
        }
    }
    declared = {"From": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/moving"}}
    stacks.deploy("moving", resources, Parameters=declared)
    client("ssm").put_parameter(Name="/moving", Value="2", Type="String", Overwrite=True)
    stacks.deploy("moving", resources, Parameters=declared)
    assert client("ssm").get_parameter(Name="/moved/p")["Parameter"]["Value"] == "2"
    (stack,) = client("cloudformation").describe_stacks(StackName="moving")["Stacks"]
    assert stack["Parameters"][0]["ResolvedValue"] == "2"
