"""What a deploy does to each resource, from the templates before and after."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from infra.assurance.changes import REPLACING, Change, changes, leaving, removal
from infra.assurance.templates import Templates

Stack = dict[str, Any]


def bucket(**more: Any) -> Stack:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "work"}, **more}


def of(*found: Change) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.action, each.resource.logical_id, each.because) for each in found]


def templates(**stacks: Stack) -> Templates:
    return Templates({name: {"Resources": resources} for name, resources in stacks.items()})


@pytest.mark.parametrize("kind", REPLACING)
def test_the_table_is_what_cloudformations_schema_says(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    table = REPLACING[kind]

    def paths(member: str) -> set[str]:
        return {path.removeprefix("/properties/") for path in schema.get(member, [])}

    assert set(table.always) == paths("createOnlyProperties")
    assert set(table.perhaps) == paths("conditionalCreateOnlyProperties")


def test_nothing_changes_when_nothing_does() -> None:
    now = templates(S={"B": bucket()})
    assert changes(now, copy.deepcopy(now)) == []


def test_made_changed_replaced_and_gone() -> None:
    before = templates(S={"Old": bucket(), "Named": bucket(), "Loud": bucket()})
    renamed = bucket(Properties={"BucketName": "else"})
    loud = bucket(Properties={"BucketName": "work", "Tags": []})
    after = templates(S={"New": bucket(), "Named": renamed, "Loud": loud})
    assert of(*changes(before, after)) == [
        ("create", "New", ()),
        ("replace", "Named", ("BucketName",)),
        ("update", "Loud", ("Tags",)),
        ("delete", "Old", ()),
    ]


def test_another_type_under_the_same_id_is_a_replacement() -> None:
    after = templates(S={"B": {"Type": "AWS::SNS::Topic", "Properties": {}}})
    assert of(*changes(templates(S={"B": bucket()}), after)) == [("replace", "B", ("Type",))]


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_a_policy_to_stay_is_the_one_that_was_deployed(policy: str) -> None:
    [gone] = changes(templates(S={"B": bucket(DeletionPolicy=policy)}), templates(S={}))
    assert gone.stays
    [gone] = changes(templates(S={"B": bucket(DeletionPolicy="Delete")}), templates(S={}))
    assert not gone.stays


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [("Retain", "Retain", True), ("Retain", "Delete", False), ("Delete", "Retain", False)],
)
def test_what_is_replaced_stays_only_if_both_templates_say_so(
    before: str, after: str, stays: bool
) -> None:
    [change] = changes(
        templates(S={"B": bucket(UpdateReplacePolicy=before)}),
        templates(S={"B": bucket(Properties={"BucketName": "x"}, UpdateReplacePolicy=after)}),
    )
    assert change.stays is stays


def test_a_changed_policy_is_an_update() -> None:
    [change] = changes(
        templates(S={"B": bucket(DeletionPolicy="Retain")}), templates(S={"B": bucket()})
    )
    assert change.action == "update"


def test_numbers_and_truths_are_compared_as_cloudformation_reads_them() -> None:
    one = bucket(Properties={"BucketName": "work", "A": 20, "B": True})
    other = bucket(Properties={"BucketName": "work", "A": "20", "B": "true"})
    assert changes(templates(S={"B": one}), templates(S={"B": other})) == []


def test_stacks_that_left_are_left_alone_and_deleting_one_is_told() -> None:
    before = templates(S={"B": bucket()}, T={"C": bucket(DeletionPolicy="Retain")})
    after = templates(S={"B": bucket()})
    assert changes(before, after) == []
    assert leaving(before, after) == ["T"]
    assert [(each.resource.logical_id, each.stays) for each in removal(before, ["T"])] == [
        ("C", True)
    ]


# --- one change that follows from another --------------------------------------------------------


def world(cidr: str = "10.0.0.0/24", key: Any = None) -> Templates:
    """A network whose id goes to another stack by SSM, a domain in it, a profile and a space."""
    network = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}},
        "Where": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/vpc", "Value": {"Ref": "Vpc"}},
        },
    }
    parameters = {"At": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/vpc"}}
    domain = {"Fn::GetAtt": ["Domain", "DomainId"]}
    team = {
        "Domain": {
            "Type": "AWS::SageMaker::Domain",
            "Properties": {
                "VpcId": {"Ref": "At"},
                "AuthMode": "IAM",
                **({"KmsKeyId": key} if key else {}),
            },
        },
        "Space": {
            "Type": "AWS::SageMaker::Space",
            "Properties": {"DomainId": domain, "SpaceName": "ana"},
        },
        "Config": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/c", "Value": {"Fn::Sub": "in ${Domain.DomainId}"}},
        },
    }
    return Templates(
        {"F": {"Resources": network}, "T": {"Resources": team, "Parameters": parameters}}
    )


def test_a_network_that_is_replaced_takes_the_homes_of_other_stacks_with_it() -> None:
    found = changes(world(), world(cidr="10.1.0.0/24"))
    assert of(*found) == [
        ("replace", "Vpc", ("CidrBlock",)),
        ("update", "Where", ("Value",)),
        ("replace", "Domain", ("VpcId",)),
        ("replace", "Space", ("DomainId",)),
        ("update", "Config", ("Value",)),
    ]
    certain = {each.resource.logical_id: each.certain for each in found}
    assert certain["Vpc"], "a VPC's range is create-only"
    assert not certain["Domain"], "a domain's VpcId is so under conditions"
    assert not certain["Space"], "and what follows from it is no surer"


def test_what_follows_from_a_sure_replacement_is_sure() -> None:
    found = changes(world(), world(key="arn:aws:kms:us-east-1:123456789012:key/1"))
    assert [(each.resource.logical_id, each.certain) for each in found if each.gone] == [
        ("Domain", True),
        ("Space", True),
    ]


def _set(path: str) -> Callable[[dict[str, Any]], None]:
    def change(properties: dict[str, Any]) -> None:
        *above, last = path.split("/")
        for name in above:
            properties = properties.setdefault(name, {})
        properties[last] = "another"

    return change


def _each() -> Iterator[Any]:
    for kind, table in REPLACING.items():
        for path in table.always:
            yield pytest.param(kind, path, True, id=f"{kind} {path}")
        for path in (*table.perhaps, *table.reported):
            yield pytest.param(kind, path, False, id=f"{kind} {path}")


@pytest.mark.parametrize(("kind", "path", "certain"), list(_each()))
def test_every_property_of_the_table_replaces(kind: str, path: str, certain: bool) -> None:
    before: dict[str, Any] = {"Type": kind, "Properties": {"Description": "x"}}
    after = copy.deepcopy(before)
    _set(path)(after["Properties"])
    [change] = changes(templates(S={"R": before}), templates(S={"R": after}))
    assert (change.action, change.because[0], change.certain) == ("replace", path, certain)
