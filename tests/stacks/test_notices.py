"""What the admin is told, by whom, and what stands behind the ledger."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from aws_cdk.assertions import Match

from infra.cohort.naming import ALARMS, SERVICES
from infra.stacks.guard import SWEEP_MINUTES

ACCOUNT = {"aws:SourceAccount": "123456789012"}


@pytest.fixture(scope="module")
def foundation(academy):
    return academy.template(academy.names.foundation_stack)


@pytest.fixture(scope="module")
def guard(academy):
    return academy.template(academy.names.guard_stack)


@pytest.fixture(scope="module")
def alarms(academy) -> dict[str, dict[str, Any]]:
    return {
        resource["Properties"]["AlarmName"]: resource["Properties"]
        for _, resource in academy.resources("AWS::CloudWatch::Alarm")
    }


def statements(template, kind: str, key: str) -> list[dict[str, Any]]:
    return [
        statement
        for resource in template.find_resources(kind).values()
        for statement in resource["Properties"][key]["Statement"]
    ]


def test_the_topic_is_encrypted_by_the_records_key(foundation, academy):
    foundation.has_resource_properties(
        "AWS::SNS::Topic",
        {
            "TopicName": academy.names.topic("notices"),
            "KmsMasterKeyId": {"Fn::GetAtt": [Match.string_like_regexp("^RecordsKey"), "Arn"]},
        },
    )


def test_alarms_and_budgets_of_this_account_publish_and_no_other_service_does(foundation, academy):
    allowed = {
        statement["Principal"]["Service"]: statement
        for statement in statements(foundation, "AWS::SNS::TopicPolicy", "PolicyDocument")
        if statement["Effect"] == "Allow"
    }
    assert set(allowed) == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    for statement in allowed.values():
        assert statement["Action"] == "sns:Publish"
        assert statement["Condition"]["StringEquals"] == ACCOUNT
    sources = {
        service: statement["Condition"]["ArnLike"]["aws:SourceArn"]
        for service, statement in allowed.items()
    }
    assert sources["cloudwatch.amazonaws.com"] == academy.arns.alarms
    assert sources["budgets.amazonaws.com"] == "arn:aws:budgets::123456789012:*"


def test_those_services_use_the_key_for_this_account_alone(foundation):
    services = {
        statement["Principal"]["Service"]: statement
        for statement in statements(foundation, "AWS::KMS::Key", "KeyPolicy")
        if "Service" in statement["Principal"]
    }
    assert set(services) == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    for statement in services.values():
        assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
        assert statement["Condition"] == {"StringEquals": ACCOUNT}


@pytest.mark.parametrize(
    ("kind", "action"),
    [("AWS::SNS::TopicPolicy", "sns:Publish"), ("AWS::SQS::QueuePolicy", "sqs:*")],
)
def test_topic_and_queue_answer_over_tls_only(foundation, kind, action):
    [denial] = [s for s in statements(foundation, kind, "PolicyDocument") if s["Effect"] == "Deny"]
    assert denial["Action"] == action
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_admin_is_subscribed_by_the_files_address(foundation, academy):
    foundation.has_resource_properties(
        "AWS::SNS::Subscription",
        {"Protocol": "email", "Endpoint": academy.cohort.notify.email},
    )


def test_without_an_address_nobody_is_subscribed(cohort, synthesis, tmp_path):
    quiet = cohort.model_copy(update={"notify": cohort.notify.model_copy(update={"email": None})})
    made = synthesis(quiet, tmp_path)
    assert list(made.resources("AWS::SNS::Subscription")) == []
    assert len(list(made.resources("AWS::SNS::Topic"))) == 2


def test_the_dead_letters_are_encrypted_and_kept_for_two_weeks(foundation, academy):
    foundation.has_resource_properties(
        "AWS::SQS::Queue",
        {
            "QueueName": academy.names.dead_letters,
            "SqsManagedSseEnabled": True,
            "MessageRetentionPeriod": 14 * 24 * 3600,
        },
    )


def test_of_the_services_only_the_cohorts_rules_write_dead_letters(foundation, academy):
    [writes] = [
        s
        for s in statements(foundation, "AWS::SQS::QueuePolicy", "PolicyDocument")
        if s["Effect"] == "Allow"
    ]
    assert writes["Principal"] == {"Service": "events.amazonaws.com"}
    assert writes["Action"] == "sqs:SendMessage"
    assert writes["Condition"] == {
        "StringEquals": ACCOUNT,
        "ArnLike": {"aws:SourceArn": academy.arns.rules},
    }


def test_whatever_is_called_by_events_keeps_its_lost_events(academy):
    kept = {
        resource["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]
        for _, resource in academy.resources("AWS::Lambda::EventInvokeConfig")
    }
    assert kept == {academy.arns.dead_letters}
    assert len(list(academy.resources("AWS::Lambda::EventInvokeConfig"))) == 5


@pytest.mark.parametrize("service", ["settler", "sweep", "checker", "scorer", "steward"])
def test_their_roles_may_write_there_and_nothing_else_of_sqs(permissions, academy, service):
    role = permissions[academy.names.role("service", service)]
    of_sqs = [s for s in role.values() if any(a.startswith("sqs:") for a in s["Action"])]
    assert [(s["Action"], s["Resource"]) for s in of_sqs] == [
        (["sqs:SendMessage"], [academy.arns.dead_letters])
    ]


def test_every_rule_has_the_dead_letter_queue(academy):
    rules = list(academy.resources("AWS::Events::Rule"))
    assert len(rules) == 5
    for path, rule in rules:
        for target in rule["Properties"]["Targets"]:
            assert target["DeadLetterConfig"] == {"Arn": academy.arns.dead_letters}, path


def test_each_alarm_is_there_once_and_tells_begin_and_end(alarms, academy):
    assert set(alarms) == {academy.names.alarm(purpose) for purpose in ALARMS}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [academy.arns.topic("notices")]
        assert alarm["AlarmDescription"].startswith("Deep Learning Academy ")


@pytest.mark.parametrize("service", ["broker", "checker", "scorer", "steward"])
def test_one_failed_call_of_a_service_is_told(alarms, academy, service):
    alarm = alarms[academy.names.alarm(f"{service}-errors")]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    assert alarm["Dimensions"] == [
        {"Name": "FunctionName", "Value": academy.names.function(service)}
    ]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_each_service_has_an_alarm_of_its_own_or_tells_the_dead_letters(alarms, academy):
    told = {
        resource["Properties"]["FunctionName"]["Ref"]
        for _, resource in academy.resources("AWS::Lambda::EventInvokeConfig")
    }
    by_events = {
        resource["Properties"]["FunctionName"]
        for path, resource in academy.resources("AWS::Lambda::Function")
        if path.rsplit("/", 1)[-1] in told
    }
    for service in SERVICES:
        function = academy.names.function(service)
        assert academy.names.alarm(f"{service}-errors") in alarms or function in by_events


def test_two_intervals_without_a_sweep_are_told(alarms, academy):
    alarm = alarms[academy.names.alarm("sweep-silent")]
    assert alarm["MetricName"] == "Invocations"
    assert alarm["Period"] == SWEEP_MINUTES * 60
    assert alarm["EvaluationPeriods"] == 2
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert alarm["TreatMissingData"] == "breaching"


def test_one_dead_letter_is_told(alarms, academy):
    alarm = alarms[academy.names.alarm("dead-letters")]
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": academy.names.dead_letters}]
    assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Maximum")


def test_the_back_stop_is_the_sum_of_the_caps_over_the_whole_account(guard, academy):
    start = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    [budget] = guard.find_resources("AWS::Budgets::Budget").values()
    name = budget["Properties"]["Budget"].pop("BudgetName")
    assert name.startswith(f"{academy.names.cohort}-back-stop-")
    assert budget["Properties"]["Budget"] == {
        "BudgetType": "COST",
        "BudgetLimit": {"Amount": 4 * 25, "Unit": "USD"},
        "TimeUnit": "ANNUALLY",
        "TimePeriod": {"Start": str(int(start.timestamp()))},
    }


def test_with_tags_active_for_cost_allocation_it_watches_the_cohort_alone(
    cohort, synthesis, tmp_path
):
    tagged = cohort.model_copy(
        update={"budget": cohort.budget.model_copy(update={"cost_allocation_tags": True})}
    )
    resources = synthesis(tagged, tmp_path).resources("AWS::Budgets::Budget")
    [(_, budget)] = resources
    assert budget["Properties"]["Budget"]["CostFilters"] == {
        "TagKeyValue": [f"user:academy:cohort${cohort.name}"]
    }


def test_spaces_and_jobs_carry_the_tag_that_the_budget_reads(permissions, academy):
    broker = permissions[academy.names.role("service", "broker")]
    actions = {
        broker[sid]["Condition"]["StringEquals"]["sagemaker:TaggingAction"]
        for sid in ("TagSpaces", "TagJobs")
    }
    assert actions == {"CreateApp", "CreateTrainingJob"}


def test_it_alerts_at_each_percentage_and_acts_on_nothing(guard, academy):
    [budget] = guard.find_resources("AWS::Budgets::Budget").values()
    told = budget["Properties"]["NotificationsWithSubscribers"]
    assert [each["Notification"]["Threshold"] for each in told] == [50, 80, 100]
    for each in told:
        assert each["Notification"]["NotificationType"] == "ACTUAL"
        assert each["Subscribers"] == [
            {"SubscriptionType": "SNS", "Address": academy.arns.topic("notices")}
        ]
    assert list(academy.resources("AWS::Budgets::BudgetsAction")) == []


def test_the_sweep_publishes_notices_and_uses_the_key_through_sns_alone(permissions, academy):
    role = permissions[academy.names.role("service", "sweep")]
    assert role["SendNotices"]["Resource"] == [academy.arns.topic("notices")]
    key = role["EncryptNotices"]
    assert set(key["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "sns.us-east-1.amazonaws.com"}


def test_the_sweep_alone_may_find_and_stop_what_nobody_reserved(permissions, academy):
    listing = "sagemaker:ListTrainingJobs"
    assert [
        role
        for role, own in permissions.items()
        if any(listing in s["Action"] for s in own.values())
    ] == [academy.names.role("service", "sweep")]
    sweep = permissions[academy.names.role("service", "sweep")]
    assert sweep["StopJobs"]["Resource"] == [academy.arns.jobs()]
    assert sweep["WeighStorage"]["Condition"] == {
        "StringLike": {"s3:prefix": ["teams/*", "submissions/*"]}
    }


def test_the_sweep_knows_its_topic(guard, academy):
    guard.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "FunctionName": academy.names.function("sweep"),
            "Environment": {
                "Variables": Match.object_like({"NOTICES_TOPIC": academy.arns.topic("notices")})
            },
        },
    )
