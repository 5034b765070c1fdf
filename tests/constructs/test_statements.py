"""Statements as data: a wildcard needs a reason, and the reason reaches the review rules."""

from __future__ import annotations

import pytest

from infra.constructs.statements import Statement, document, reasons, trust


def test_a_wildcard_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="ReadAll"):
        Statement("ReadAll", ("s3:GetObject",), ("arn:aws:s3:::b/*",))


def test_a_denial_needs_no_reason():
    assert reasons([Statement("Never", ("s3:*",), ("*",), effect="Deny")]) == {}


def test_each_wildcard_is_acknowledged_with_its_statements_reason():
    statement = Statement(
        "ReadTeam", ("s3:GetObject",), ("arn:aws:s3:::b/teams/a/*",), why="the prefix is exact"
    )
    assert reasons([statement]) == {
        "AwsSolutions-IAM5[Resource::arn:aws:s3:::b/teams/a/*]": "ReadTeam: the prefix is exact"
    }


def test_two_statements_with_one_wildcard_give_both_reasons():
    def read(sid: str, why: str) -> Statement:
        return Statement(sid, ("s3:GetObject",), ("arn:aws:s3:::b/*",), why=why)

    (reason,) = reasons([read("One", "because of one."), read("Two", "because of two.")]).values()
    assert reason == "One: because of one. Two: because of two."


def test_the_document_keeps_statements_apart_and_in_order():
    first = Statement("A", ("s3:ListBucket",), ("arn:aws:s3:::b",), when={"Bool": {"k": "true"}})
    second = Statement("B", ("ssm:GetParameter",), ("arn:aws:ssm:r:1:parameter/p",))
    assert document([first, second]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "A",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::b"],
                "Condition": {"Bool": {"k": "true"}},
            },
            {
                "Sid": "B",
                "Effect": "Allow",
                "Action": ["ssm:GetParameter"],
                "Resource": ["arn:aws:ssm:r:1:parameter/p"],
            },
        ],
    }


def test_trust_names_one_service():
    (statement,) = trust("sagemaker.amazonaws.com")["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
