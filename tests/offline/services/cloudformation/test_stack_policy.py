"""A stack policy holds updates, by action, resource and type; a deletion it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.services.cloudformation.stack_policy import StackPolicy

ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def parameter(name: str, value: str = "x") -> dict[str, Any]:
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": value},
    }


def topic(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}


def deny(action: str | list[str], **where: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Principal": "*", "Resource": "*"} | where


def body(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": list(statements)})


@pytest.fixture
def stack(stacks: Any) -> Any:
    stacks.deploy("held", {"P": parameter("/p"), "T": topic("t")})
    return stacks


def test_replacing_is_refused_and_nothing_is_touched(stack: Any) -> None:
    stack.api.set_stack_policy(
        StackName="held", StackPolicyBody=body(ALLOW, deny("Update:Replace"))
    )
    failed = stack.deploy("held", {"P": parameter("/q"), "T": topic("t")})
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert failed.reasons["P"] == (
        "Action denied by stack policy: Statement [#1] does not allow [Update:Replace] for "
        "resource [LogicalResourceId/P]"
    )
    assert stack.resource("held", "P") == "/p"


def test_what_changes_in_place_goes_on(stack: Any) -> None:
    stack.api.set_stack_policy(
        StackName="held", StackPolicyBody=body(ALLOW, deny("Update:Replace"))
    )
    done = stack.deploy("held", {"P": parameter("/p", "y"), "T": topic("t")})
    assert done.status == "UPDATE_COMPLETE"


def test_deleting_is_refused_by_type(stack: Any) -> None:
    where = {"Condition": {"StringEquals": {"ResourceType": ["AWS::SNS::Topic"]}}}
    text = body(ALLOW, deny(["Update:Delete"], **where))
    stack.api.set_stack_policy(StackName="held", StackPolicyBody=text)
    assert stack.api.get_stack_policy(StackName="held")["StackPolicyBody"] == text
    failed = stack.deploy("held", {"P": parameter("/p")})
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Update:Delete" in failed.reasons["T"]
    assert stack.deploy("held", {"T": topic("t")}).status == "UPDATE_COMPLETE"


def test_what_is_not_named_is_left_out_of_a_deny(stack: Any) -> None:
    statement = deny("Update:Delete", NotResource="LogicalResourceId/T")
    del statement["Resource"]
    stack.api.set_stack_policy(StackName="held", StackPolicyBody=body(ALLOW, statement))
    assert stack.deploy("held", {"T": topic("t")}).status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.deploy("held", {"P": parameter("/p")}).status == "UPDATE_COMPLETE"


def test_with_a_policy_nothing_is_allowed_but_what_it_says(stack: Any) -> None:
    only = ALLOW | {"Resource": "LogicalResourceId/T"}
    stack.api.set_stack_policy(StackName="held", StackPolicyBody=body(only))
    failed = stack.deploy("held", {"P": parameter("/p", "y"), "T": topic("t")})
    assert failed.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Action not allowed by stack policy" in failed.reasons["P"]


def test_an_empty_policy_says_nothing(stack: Any) -> None:
    assert "StackPolicyBody" not in stack.api.get_stack_policy(StackName="held")
    stack.api.set_stack_policy(StackName="held", StackPolicyBody="{}")
    assert stack.deploy("held", {"P": parameter("/p")}).status == "UPDATE_COMPLETE"


def test_a_whole_stack_is_deleted_all_the_same(stack: Any) -> None:
    stack.api.set_stack_policy(StackName="held", StackPolicyBody=body(deny("Update:*")))
    assert stack.delete("held").status == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        body(ALLOW | {"Principal": "ana"}),
        body(ALLOW | {"Action": "Delete:*"}),
        body(ALLOW | {"Effect": "Perhaps"}),
        body({name: each for name, each in ALLOW.items() if name != "Resource"}),
        body(ALLOW | {"Sid": "One"}),
        body(ALLOW | {"Condition": {"StringNotLike": {"ResourceType": "AWS::*"}}}),
        body(ALLOW | {"Condition": {"StringLike": {"Other": "AWS::*"}}}),
    ],
)
def test_what_is_no_policy_or_not_modelled_is_refused(stack: Any, text: str) -> None:
    with pytest.raises(ClientError):
        stack.api.set_stack_policy(StackName="held", StackPolicyBody=text)
    assert "StackPolicyBody" not in stack.api.get_stack_policy(StackName="held")


def test_a_policy_by_address_is_refused(stack: Any) -> None:
    with pytest.raises(ClientError, match="StackPolicyURL"):
        stack.api.set_stack_policy(StackName="held", StackPolicyURL="https://example.org/p")


@pytest.mark.parametrize("first", [True, False])
def test_a_deny_wins_wherever_it_stands(first: bool) -> None:
    statements = [deny("Update:Delete"), ALLOW] if first else [ALLOW, deny("Update:Delete")]
    policy = StackPolicy.read(body(*statements))
    assert policy.refuses("Update:Delete", "P", "AWS::SSM::Parameter")
    assert policy.refuses("Update:Modify", "P", "AWS::SSM::Parameter") is None


def test_wildcards_in_resources_and_types() -> None:
    where = {
        "Resource": "LogicalResourceId/Learner*",
        "Condition": {"StringLike": {"ResourceType": "AWS::SageMaker::*"}},
    }
    policy = StackPolicy.read(body(ALLOW, deny("Update:*", **where)))
    assert policy.refuses("Update:Replace", "LearneranaSpace", "AWS::SageMaker::Space")
    assert policy.refuses("Update:Replace", "LearneranaSpace", "AWS::S3::Bucket") is None
    assert policy.refuses("Update:Replace", "Space", "AWS::SageMaker::Space") is None
