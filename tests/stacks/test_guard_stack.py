"""Guard: the functions that keep the ledger, what they may do, and what wakes them."""

from __future__ import annotations

import json

import pytest
from aws_cdk.assertions import Match

from infra.services.guard.settings import Settings


@pytest.fixture(scope="module")
def template(academy):
    return academy.template(academy.names.guard_stack)


@pytest.fixture(scope="module")
def statements(permissions):
    """service -> Sid -> statement."""
    prefix = "earth-2026-fall--service--"
    return {
        name.removeprefix(prefix): by_sid
        for name, by_sid in permissions.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize("service", ["broker", "settler", "sweep"])
def test_a_service_runs_its_handler_with_its_environment(template, academy, service):
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "FunctionName": academy.names.function(service),
            "Handler": f"infra.services.guard.handler.{service}",
            "Runtime": "python3.11",
            "Environment": {
                "Variables": {
                    "COHORT": "earth-2026-fall",
                    "LEDGER_TABLE": academy.names.ledger_table,
                    "SETTINGS_PARAMETER": "/academy/earth-2026-fall/settings",
                }
            },
            "ReservedConcurrentExecutions": Match.absent(),
        },
    )


@pytest.mark.parametrize("service", ["broker", "settler", "sweep"])
def test_a_services_log_has_a_retention_and_goes_last(template, academy, service):
    (log_id,) = template.find_resources(
        "AWS::Logs::LogGroup",
        {"Properties": {"LogGroupName": academy.names.log_group(service), "RetentionInDays": 90}},
    )
    template.has_resource(
        "AWS::Lambda::Function",
        {
            "Properties": {"FunctionName": academy.names.function(service)},
            # And it starts after the settings that it reads are as they shall be.
            "DependsOn": [log_id, "Settings"],
        },
    )


def test_the_settings_are_the_cohort_files(template, academy):
    parameters = template.find_resources(
        "AWS::SSM::Parameter",
        {"Properties": {"Name": "/academy/earth-2026-fall/settings"}},
    )
    (parameter,) = parameters.values()
    settings = Settings.from_json(parameter["Properties"]["Value"])
    cohort = academy.cohort
    assert settings.cap_micro_usd == 25_000_000
    assert (settings.starts, settings.ends) == (cohort.starts, cohort.ends)
    assert list(settings.training_instances) == cohort.training.instances
    assert list(settings.studio_instances) == cohort.studio.instances
    assert settings.stopper_role_arn == academy.arns.role("service", "stopper")
    assert settings.schedule_group == academy.names.schedule_group
    assert settings.work_bucket == academy.arns.bucket_name("work")


def test_the_end_of_a_job_wakes_the_settler(template, academy):
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "Name": academy.names.rule("settler"),
            "EventPattern": {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Training Job State Change"],
                "detail": {
                    "TrainingJobName": [{"prefix": "earth-2026-fall--"}],
                    "TrainingJobStatus": ["Completed", "Failed", "Stopped"],
                },
            },
            "State": "ENABLED",
        },
    )


def test_the_sweep_comes_round_every_quarter_of_an_hour(template, academy):
    template.has_resource_properties(
        "AWS::Events::Rule",
        {"Name": academy.names.rule("sweep"), "ScheduleExpression": "rate(15 minutes)"},
    )


def test_each_rule_may_invoke_its_own_function_only(template, academy):
    permissions = template.find_resources("AWS::Lambda::Permission")
    rules = {
        logical_id: rule["Properties"]["Targets"][0]["Arn"]
        for logical_id, rule in template.find_resources("AWS::Events::Rule").items()
    }
    seen = {}
    for permission in permissions.values():
        properties = permission["Properties"]
        assert properties["Principal"] == "events.amazonaws.com"
        assert properties["Action"] == "lambda:InvokeFunction"
        seen[properties["SourceArn"]["Fn::GetAtt"][0]] = properties["FunctionName"]
    assert seen == rules


def test_jobs_start_only_with_listed_types_and_within_the_longest_run(statements):
    start = statements["broker"]["StartJobs"]
    assert start["Action"] == ["sagemaker:CreateTrainingJob"]
    assert start["Resource"] == [
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/earth-2026-fall--*"
    ]
    assert start["Condition"] == {
        "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.g5.xlarge"]},
        "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "14400"},
        "Null": {"sagemaker:InstanceTypes": "false", "sagemaker:KeepAlivePeriod": "true"},
        "BoolIfExists": {"sagemaker:EnableRemoteDebug": "false"},
    }


def test_nothing_that_bills_starts_outside_the_cohorts_dates(statements):
    for sid, when in (
        ("NotBeforeTheStart", {"DateLessThan": {"aws:CurrentTime": "2026-11-16T00:00:00Z"}}),
        ("NotAfterTheEnd", {"DateGreaterThanEquals": {"aws:CurrentTime": "2027-04-01T00:00:00Z"}}),
    ):
        denial = statements["broker"][sid]
        assert denial["Effect"] == "Deny"
        assert denial["Action"] == ["sagemaker:CreateApp", "sagemaker:CreateTrainingJob"]
        assert denial["Condition"] == when


def test_spaces_start_only_with_listed_types(statements):
    start = statements["broker"]["StartSpaces"]
    assert start["Action"] == ["sagemaker:CreateApp"]
    assert start["Condition"] == {
        "ForAllValues:StringEquals": {
            "sagemaker:InstanceTypes": ["ml.t3.medium", "ml.g4dn.xlarge", "system"]
        },
        "Null": {"sagemaker:InstanceTypes": "false"},
    }


def test_forallvalues_never_stands_without_null(statements):
    for role, by_sid in statements.items():
        for sid, statement in by_sid.items():
            condition = statement.get("Condition", {})
            for operator, keys in condition.items():
                for key in keys if operator.startswith("ForAllValues:") else ():
                    assert condition["Null"][key] == "false", (role, sid)


def test_only_the_broker_starts_what_bills(statements):
    starts = ("sagemaker:Create", "iam:PassRole", "scheduler:CreateSchedule")
    for role, by_sid in statements.items():
        actions = [a for s in by_sid.values() for a in s["Action"] if a.startswith(starts)]
        assert bool(actions) == (role == "broker"), role


def test_roles_are_passed_to_one_service_each(statements, academy):
    passes = {
        tuple(s["Resource"]): s["Condition"]
        for s in statements["broker"].values()
        if s["Action"] == ["iam:PassRole"]
    }
    assert passes == {
        (academy.arns.role("service", "stopper"),): {
            "StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}
        },
        ("arn:aws:iam::123456789012:role/academy/earth-2026-fall/training/*",): {
            "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
        },
    }


def test_the_stopper_can_delete_the_cohorts_apps_and_nothing_else(statements, template, academy):
    assert {tuple(s["Action"]) for s in statements["stopper"].values()} == {
        ("sagemaker:DeleteApp",)
    }
    (statement,) = statements["stopper"].values()
    assert statement["Resource"] == [academy.arns.apps]
    template.has_resource_properties(
        "AWS::IAM::Role",
        {
            "RoleName": academy.names.role("service", "stopper"),
            "AssumeRolePolicyDocument": Match.object_like(
                {
                    "Statement": [
                        {
                            "Action": "sts:AssumeRole",
                            "Effect": "Allow",
                            "Principal": {"Service": "scheduler.amazonaws.com"},
                            "Condition": {
                                "StringEquals": {"aws:SourceAccount": "123456789012"},
                                "ArnEquals": {"aws:SourceArn": academy.arns.schedule_group},
                            },
                        }
                    ]
                }
            ),
        },
    )


def test_no_service_but_the_scorer_may_touch_the_vault(statements, academy):
    vault = academy.arns.bucket("vault")
    assert {role for role, by_sid in statements.items() if vault in json.dumps(by_sid)} == {
        "scorer"
    }


def test_keys_are_used_by_alias_and_through_one_service(statements):
    for role, by_sid in statements.items():
        for sid, statement in by_sid.items():
            if any(action.startswith("kms:") for action in statement["Action"]):
                condition = statement["Condition"]
                assert "kms:ResourceAliases" in condition["ForAnyValue:StringEquals"], (role, sid)
                assert "kms:ViaService" in condition["StringEquals"], (role, sid)
