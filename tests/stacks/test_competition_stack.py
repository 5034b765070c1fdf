"""Competition: the scorer and the board's table."""

from __future__ import annotations

import pytest
from aws_cdk.assertions import Match


@pytest.fixture(scope="module")
def template(academy):
    return academy.template(academy.names.competition_stack)


def test_the_scorer_knows_where_everything_is(template, academy):
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "FunctionName": academy.names.function("scorer"),
            "Handler": "infra.services.competition.handler.scorer",
            "Environment": {
                "Variables": {
                    "COHORT": "earth-2026-fall",
                    "SETTINGS_PARAMETER": "/academy/earth-2026-fall/settings",
                    "BOARD_TABLE": academy.names.board_table,
                    "WORK_BUCKET": academy.arns.bucket_name("work"),
                    "VAULT_BUCKET": academy.arns.bucket_name("vault"),
                    "SITE_BUCKET": academy.arns.bucket_name("site"),
                }
            },
        },
    )


def test_a_submission_wakes_the_scorer(template, academy):
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "Name": academy.names.rule("scorer"),
            "EventPattern": {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [academy.arns.bucket_name("work")]},
                    "object": {"key": [{"prefix": "submissions/"}]},
                },
            },
        },
    )


def test_the_board_is_encrypted_with_the_records_key_found_by_its_alias(template, academy):
    template.has_resource_properties(
        "AWS::DynamoDB::Table",
        {
            "TableName": academy.names.board_table,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "SSESpecification": {
                "SSEEnabled": True,
                "SSEType": "KMS",
                "KMSMasterKeyId": Match.any_value(),
            },
        },
    )
    (table,) = template.find_resources("AWS::DynamoDB::Table").values()
    key = table["Properties"]["SSESpecification"]["KMSMasterKeyId"]
    assert str(key).count(academy.names.key_alias("records")) == 1


def test_the_scorer_sees_the_cohorts_jobs_by_name_and_starts_and_stops_none(academy, permissions):
    scorer = permissions[academy.names.role("service", "scorer")]
    statements = [s for s in scorer.values() if any("sagemaker" in a for a in s["Action"])]
    assert [(s["Action"], s["Resource"]) for s in statements] == [
        (
            ["sagemaker:DescribeTrainingJob"],
            ["arn:aws:sagemaker:us-east-1:123456789012:training-job/earth-2026-fall--*"],
        )
    ]


def test_the_scorer_writes_receipts_and_boards_and_no_submission(academy, permissions):
    written = {
        name
        for statement in permissions[academy.names.role("service", "scorer")].values()
        if "s3:PutObject" in statement["Action"]
        for name in statement["Resource"]
    }
    assert written == {
        f"{academy.arns.bucket('work')}/receipts/*",
        f"{academy.arns.bucket('site')}/*",
    }
