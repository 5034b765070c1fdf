"""Competition: checker, scorer and steward, the board's table, the news."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk.assertions import Match
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint

from infra.cohort.model import Notify, TeamsChannel


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
                    "NEWS_TOPIC": academy.arns.topic("news"),
                }
            },
        },
    )


@pytest.mark.parametrize(
    ("service", "prefix"), [("checker", "submissions/"), ("scorer", "checked/")]
)
def test_an_object_under_its_prefix_wakes_it(template, academy, service, prefix):
    rule = named(template, "AWS::Events::Rule", "Name", academy.names.rule(service))
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [academy.arns.bucket_name("work")]},
            "object": {"key": [{"prefix": prefix}]},
        },
    }
    assert calls(template, rule) == [academy.names.function(service)]


def test_the_steward_comes_every_hour(template, academy):
    rule = named(template, "AWS::Events::Rule", "Name", academy.names.rule("steward"))
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert rule["State"] == "ENABLED"
    assert calls(template, rule) == [academy.names.function("steward")]


def named(template, kind: str, member: str, name: str) -> dict[str, Any]:
    [found] = template.find_resources(kind, {"Properties": {member: name}}).values()
    return found["Properties"]


def calls(template, rule: dict[str, Any]) -> list[str]:
    functions = template.find_resources("AWS::Lambda::Function")
    return [
        functions[target["Arn"]["Fn::GetAtt"][0]]["Properties"]["FunctionName"]
        for target in rule["Targets"]
    ]


@pytest.mark.parametrize(
    ("service", "seconds", "memory"),
    [("checker", 60, 1769), ("scorer", 120, 1769), ("steward", 300, 256)],
)
def test_each_function_has_its_handler_time_and_memory(template, academy, service, seconds, memory):
    made = named(template, "AWS::Lambda::Function", "FunctionName", academy.names.function(service))
    assert made["Handler"] == f"infra.services.competition.handler.{service}"
    assert (made["Timeout"], made["MemorySize"]) == (seconds, memory)


def test_the_steward_alone_is_not_tried_again_at_once(template, academy):
    """Its hand-overs are counted, and an hour lies between two of them."""
    tries = {
        config["Properties"]["FunctionName"]["Ref"]: config["Properties"].get(
            "MaximumRetryAttempts"
        )
        for config in template.find_resources("AWS::Lambda::EventInvokeConfig").values()
    }
    functions = template.find_resources("AWS::Lambda::Function")
    found = {functions[ref]["Properties"]["FunctionName"]: many for ref, many in tries.items()}
    assert found == {
        academy.names.function("checker"): None,
        academy.names.function("scorer"): None,
        academy.names.function("steward"): 0,
    }


def test_the_checker_is_told_of_neither_table_nor_vault(template, academy):
    made = named(
        template, "AWS::Lambda::Function", "FunctionName", academy.names.function("checker")
    )
    assert made["Environment"]["Variables"] == {
        "COHORT": "earth-2026-fall",
        "SETTINGS_PARAMETER": "/academy/earth-2026-fall/settings",
        "WORK_BUCKET": academy.arns.bucket_name("work"),
        "DATA_BUCKET": academy.arns.bucket_name("data"),
    }


def test_the_steward_knows_whom_it_calls(template, academy):
    made = named(
        template, "AWS::Lambda::Function", "FunctionName", academy.names.function("steward")
    )
    assert made["Environment"]["Variables"] == {
        "COHORT": "earth-2026-fall",
        "SETTINGS_PARAMETER": "/academy/earth-2026-fall/settings",
        "BOARD_TABLE": academy.names.board_table,
        "WORK_BUCKET": academy.arns.bucket_name("work"),
        "CHECKER": academy.names.function("checker"),
        "SCORER": academy.names.function("scorer"),
        "NOTICES_TOPIC": academy.arns.topic("notices"),
    }


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


def test_a_protected_board_is_not_deleted_even_by_hand(academy, protected):
    """A live round stands in it alone: what is sealed, and the salts."""
    for cohort, held, policy in (
        (academy, False, "Delete"),
        (protected, True, "RetainExceptOnCreate"),
    ):
        made = cohort.template(cohort.names.competition_stack)
        (table,) = made.find_resources("AWS::DynamoDB::Table").values()
        assert table["Properties"].get("DeletionProtectionEnabled", False) is held
        assert table["DeletionPolicy"] == policy
        assert table["UpdateReplacePolicy"] == ("Retain" if held else "Delete")


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


def may(permissions, academy, service: str) -> dict[str, set[str]]:
    """Action -> resources of a service's role."""
    found: dict[str, set[str]] = {}
    for statement in permissions[academy.names.role("service", service)].values():
        for action in statement["Action"]:
            found.setdefault(action, set()).update(statement["Resource"])
    return found


def test_the_checker_reads_what_was_sent_and_what_was_asked_for_and_nothing_else(
    permissions, academy
):
    checker = may(permissions, academy, "checker")
    work, data = academy.arns.bucket("work"), academy.arns.bucket("data")
    assert checker["s3:GetObject"] == {f"{work}/submissions/*", f"{data}/datasets/*"}
    assert checker["s3:PutObject"] == {f"{work}/checked/*", f"{work}/receipts/*"}
    assert set(checker) == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sqs:SendMessage",
        "ssm:GetParameter",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
    }


def test_the_scorer_reads_no_file_as_it_was_sent(permissions, academy):
    work, vault = academy.arns.bucket("work"), academy.arns.bucket("vault")
    read = may(permissions, academy, "scorer")
    assert read["s3:GetObject"] == {f"{work}/checked/*", f"{vault}/answers/*"}
    assert read["s3:GetObjectVersion"] == {f"{work}/checked/*"}


def test_who_reads_submissions_reads_no_answers(permissions):
    """The two steps: no role has both."""
    for role, statements in permissions.items():
        read = {
            resource
            for statement in statements.values()
            if "s3:GetObject" in statement["Action"] and statement["Effect"] == "Allow"
            for resource in statement["Resource"]
        }
        sent = any("/submissions/" in resource for resource in read)
        assert not (sent and any("-vault/" in resource for resource in read)), role


def test_the_checker_alone_writes_what_the_scorer_believes(permissions, academy):
    checked = f"{academy.arns.bucket('work')}/checked/*"
    assert [
        role
        for role, statements in permissions.items()
        if any(
            "s3:PutObject" in s["Action"] and checked in s["Resource"] for s in statements.values()
        )
    ] == [academy.names.role("service", "checker")]


def test_the_steward_reads_neither_submissions_nor_answers(permissions, academy):
    steward = may(permissions, academy, "steward")
    receipts = {f"{academy.arns.bucket('work')}/receipts/*"}
    assert steward["s3:GetObject"] == steward["s3:PutObject"] == receipts
    assert "s3:GetObjectVersion" not in steward
    assert steward["lambda:InvokeFunction"] == {
        academy.arns.function("checker"),
        academy.arns.function("scorer"),
    }
    assert steward["sns:Publish"] == {academy.arns.topic("notices")}
    [listing] = [
        s
        for s in permissions[academy.names.role("service", "steward")].values()
        if "s3:ListBucket" in s["Action"]
    ]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["submissions/*", "receipts/*"]}}


def test_news_are_told_by_the_scorer_alone(permissions, academy):
    topic = academy.arns.topic("news")
    assert [
        role
        for role, statements in permissions.items()
        if any("sns:Publish" in s["Action"] and topic in s["Resource"] for s in statements.values())
    ] == [academy.names.role("service", "scorer")]


def test_the_news_are_encrypted_and_answer_over_tls_only(template, academy):
    news = named(template, "AWS::SNS::Topic", "TopicName", academy.names.topic("news"))
    assert str(news["KmsMasterKeyId"]).count(academy.names.key_alias("records")) == 1
    [policy] = template.find_resources("AWS::SNS::TopicPolicy").values()
    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_without_a_channel_there_is_nothing_of_chat(academy):
    kinds = {resource["Type"] for _, resource in academy.resources()}
    assert not {kind for kind in kinds if "Chatbot" in kind}
    assert not [p for p, _ in academy.resources("AWS::IAM::Role") if "Chat" in p]


@pytest.fixture(scope="module")
def chatty(cohort, synthesis, tmp_path_factory):
    """The example cohort with a channel and two readers of news."""
    notify = Notify(
        email="academy@example.org",
        news=["earth@example.org", "board@example.org"],
        teams=TeamsChannel(
            tenant="11111111-2222-3333-4444-555555555555",
            team="66666666-7777-8888-9999-aaaaaaaaaaaa",
            channel="19%3a0123456789abcdef%40thread.tacv2",
        ),
    )
    made = cohort.model_copy(update={"notify": notify})
    return synthesis(made, tmp_path_factory.mktemp("chatty"))


def test_a_channel_hears_the_news_and_no_notice(chatty):
    template = chatty.template(chatty.names.competition_stack)
    [(topic, _)] = template.find_resources("AWS::SNS::Topic").items()
    [channel] = template.find_resources("AWS::Chatbot::MicrosoftTeamsChannelConfiguration").values()
    assert channel["Properties"]["SnsTopicArns"] == [{"Ref": topic}]
    assert channel["Properties"]["TeamsTenantId"] == "11111111-2222-3333-4444-555555555555"
    assert "AWS::Chatbot" not in json.dumps(chatty.templates[chatty.names.foundation_stack])


def test_a_channel_may_do_nothing_by_role_and_by_guardrail(chatty):
    template = chatty.template(chatty.names.competition_stack)
    nothing = {"Sid": "Nothing", "Effect": "Deny", "Action": "*", "Resource": "*"}
    [(guardrail, policy)] = template.find_resources("AWS::IAM::ManagedPolicy").items()
    [channel] = template.find_resources("AWS::Chatbot::MicrosoftTeamsChannelConfiguration").values()
    assert channel["Properties"]["GuardrailPolicies"] == [{"Ref": guardrail}]
    [denial] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert {**denial, "Action": denial["Action"][0], "Resource": denial["Resource"][0]} == nothing
    role = named(template, "AWS::IAM::Role", "RoleName", chatty.names.role("service", "chat"))
    [own] = role["Policies"]
    assert own["PolicyDocument"]["Statement"] == [nothing]
    assert "ManagedPolicyArns" not in role
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "chatbot.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_readers_of_news_are_subscribed_to_news_and_the_admin_to_notices(chatty):
    def readers(stack: str) -> set[str]:
        found = chatty.template(stack).find_resources("AWS::SNS::Subscription").values()
        return {each["Properties"]["Endpoint"] for each in found}

    assert readers(chatty.names.competition_stack) == {"earth@example.org", "board@example.org"}
    assert readers(chatty.names.foundation_stack) == {"academy@example.org"}


def test_review_rules_and_schemas_take_the_channel(chatty):
    report = AwsSolutionsChecks(chatty.app).validate_scope(chatty.app)
    assert [violation.rule_name for violation in report.violations] == []
    stack = chatty.templates[chatty.names.competition_stack]
    assert lint(json.dumps(stack), regions=["us-east-1"]) == []
