"""What a month with nobody working costs: every resource has a price or a reason, or is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from infra.assurance.standing_cost import (
    PRICES,
    Bill,
    StandingCost,
    Unpriced,
    runs_per_month,
    standing_cost,
)
from infra.assurance.templates import Templates
from infra.cohort.prices import PriceList

REGION = "us-east-1"


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def cost(*resources: dict[str, Any], learners: int = 10, days: int = 120) -> StandingCost:
    """The cost of one stack with these resources, called R0, R1, ..."""
    template = {"Resources": {f"R{i}": each for i, each in enumerate(resources)}}
    return standing_cost(Templates({"S": template}), learners=learners, days=days, region=REGION)


def line(bill: Bill, what: str) -> tuple[Decimal, Decimal]:
    """Quantity and dollars of the bill's one line on `what`."""
    [found] = [each for each in bill.lines if each.what == what]
    return found.quantity, found.usd


KEY = resource("KMS::Key", EnableKeyRotation=True)
SWEEP = resource("Lambda::Function", FunctionName="earth-sweep", MemorySize=512)


def rule(expression: str, **more: Any) -> dict[str, Any]:
    target = {"Arn": {"Fn::GetAtt": ["R1", "Arn"]}, "Id": "0"}
    return resource("Events::Rule", ScheduleExpression=expression, Targets=[target], **more)


def test_a_key_costs_a_dollar() -> None:
    assert line(cost(KEY, KEY).services, "customer-managed keys") == (2, 2)


def test_a_key_of_a_cohort_longer_than_a_year_costs_its_rotations_and_at_most_two() -> None:
    assert cost(KEY, days=364).services.usd == 1
    assert cost(KEY, days=365).services.usd == 2
    assert cost(KEY, days=4 * 365).services.usd == 3
    assert cost(resource("KMS::Key"), days=4 * 365).services.usd == 1


def test_what_bills_by_use_is_listed_at_nothing() -> None:
    found = cost(resource("S3::Bucket"), resource("S3::Bucket"), resource("IAM::Role"))
    assert found.services.usd == 0
    assert line(found.services, "buckets") == (2, 0)
    assert line(found.services, "roles and policies") == (1, 0)


def test_a_type_without_a_price_is_an_error_that_names_it() -> None:
    with pytest.raises(Unpriced, match=r"S/R0 \(AWS::EC2::NatGateway\)"):
        cost(resource("EC2::NatGateway"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (resource("DynamoDB::Table", BillingMode="PROVISIONED"), "not on demand"),
        (resource("DynamoDB::Table"), "not on demand"),
        (resource("SageMaker::Domain"), "EFS volume"),
        (resource("SageMaker::Domain", HomeEfsFileSystemCreation="Enabled"), "EFS volume"),
        (resource("SageMaker::Space"), "no disk size"),
        (resource("KMS::Key", KeySpec="RSA_4096"), "no symmetric key"),
        (resource("EC2::VPCEndpoint", VpcEndpointType="GatewayLoadBalancer"), "no price here"),
    ],
)
def test_a_resource_set_up_so_that_it_bills_otherwise_is_an_error(
    bad: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unpriced, match=why):
        cost(bad)


def test_endpoints_are_free_as_gateways_and_billed_by_zone_and_hour_as_interfaces() -> None:
    assert cost(resource("EC2::VPCEndpoint", VpcEndpointType="Gateway")).services.usd == 0
    interface = resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"])
    assert cost(interface).services.usd == 2 * 730 * Decimal("0.01")


def test_only_advanced_parameters_bill() -> None:
    found = cost(resource("SSM::Parameter"), resource("SSM::Parameter", Tier="Advanced"))
    assert line(found.services, "advanced parameters") == (1, Decimal("0.05"))
    assert line(found.services, "standard parameters") == (1, 0)


def test_alarms_bill_by_the_metric_that_they_watch() -> None:
    plain = resource("CloudWatch::Alarm", Namespace="AWS/Lambda", MetricName="Errors", Period=300)
    stats = [
        {"Id": name, "MetricStat": {"Metric": {"Namespace": "AWS/SQS", "MetricName": name}}}
        for name in ("a", "b")
    ]
    math = resource("CloudWatch::Alarm", Metrics=[{"Id": "c", "Expression": "a+b"}, *stats])
    assert line(cost(plain, math).services, "alarms") == (3, Decimal("0.30"))
    fast = resource("CloudWatch::Alarm", Namespace="AWS/Lambda", MetricName="Errors", Period=10)
    assert cost(fast).services.usd == Decimal("0.30")


def test_a_metric_of_our_own_bills_once_however_often_it_is_watched() -> None:
    ours = resource("CloudWatch::Alarm", Namespace="Academy", MetricName="Refused", Period=300)
    by_filter = resource(
        "Logs::MetricFilter",
        MetricTransformations=[{"MetricNamespace": "Academy", "MetricName": "Refused"}],
    )
    found = cost(ours, ours, by_filter)
    assert line(found.services, "metrics of our own") == (1, Decimal("0.30"))


def test_budgets_stand_apart_and_only_their_actions_bill() -> None:
    found = cost(resource("Budgets::Budget", Budget={}), KEY)
    assert found.services.usd == 1
    assert found.backstop.usd == 0
    assert line(found.backstop, "back-stop budgets") == (1, 0)
    acting = cost(resource("Budgets::BudgetsAction"))
    assert acting.services.usd == 0
    assert acting.backstop.usd == Decimal("3.04375")


def test_a_scheduled_function_bills_for_every_run() -> None:
    found = cost(rule("rate(15 minutes)"), SWEEP, learners=10).services
    # 2,920 runs of 3 s at half a gigabyte.
    assert line(found, "scheduled functions: compute")[0] == 2_920 * 3 * Decimal("0.5")
    assert line(found, "scheduled functions: requests")[0] == 2_920
    assert line(found, "scheduled functions: table reads")[0] == 2_920 * 30


def test_twice_as_often_costs_twice_as_much() -> None:
    seldom = cost(rule("rate(10 minutes)"), SWEEP).services.usd
    assert cost(rule("rate(5 minutes)"), SWEEP).services.usd == 2 * seldom


def test_a_disabled_rule_and_one_for_events_run_nothing() -> None:
    pattern = resource("Events::Rule", EventPattern={"source": ["aws.s3"]})
    assert cost(rule("rate(1 minute)", State="DISABLED"), SWEEP).services.usd == 0
    assert cost(pattern, SWEEP).services.usd == 0


def test_a_schedule_for_something_else_than_a_function_of_its_stack_is_an_error() -> None:
    with pytest.raises(Unpriced, match="no function of its stack"):
        cost(rule("rate(1 hour)"), resource("SQS::Queue"))


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 minute)", 43_800),
        ("rate(15 minutes)", 2_920),
        ("rate(1 hour)", 730),
        ("rate(7 days)", 5),
        ("cron(0 6 * * ? *)", 31),
        ("cron(0/15 * * * ? *)", 4 * 24 * 31),
        ("cron(*/5 8-17 ? * MON-FRI *)", 12 * 10 * 31),
        ("cron(0,30 6 * * ? *)", 2 * 31),
    ],
)
def test_how_often_a_schedule_fires(expression: str, runs: int) -> None:
    assert runs_per_month(expression, "here") == runs


@pytest.mark.parametrize("expression", ["rate(0 minutes)", "rate(5)", "cron(x 6 * * ? *)", "at(2)"])
def test_a_schedule_that_is_not_understood_is_an_error(expression: str) -> None:
    with pytest.raises(Unpriced, match="here"):
        runs_per_month(expression, "here")


def test_each_projects_board_is_written_by_the_hour_at_the_scorers_price() -> None:
    steward = resource(
        "Lambda::Function",
        FunctionName="earth-steward",
        MemorySize=256,
        Environment={"Variables": {"SCORER": "earth-scorer"}},
    )
    scorer = resource("Lambda::Function", FunctionName="earth-scorer", MemorySize=2048)
    template = {"Resources": {"R0": rule("rate(1 hour)"), "R1": steward, "R2": scorer}}

    def month(projects: int) -> Bill:
        stacks = Templates({"S": template})
        return standing_cost(
            stacks, learners=20, days=120, region=REGION, projects=projects
        ).services

    # 730 hours, two projects, 2.4 s each at two gigabytes.
    assert line(month(2), "boards: compute")[0] == 730 * 2 * Decimal("2.4") * 2
    # 100 submissions of each of 20 learners are two pages, and so are their receipts.
    listed = "boards: pages written, submissions and receipts listed"
    assert line(month(2), listed)[0] == 730 * 2 * (6 + 4)
    assert line(month(1), listed)[0] == 730 * (6 + 4)


def test_a_function_that_is_called_and_not_there_is_an_error() -> None:
    steward = resource(
        "Lambda::Function",
        FunctionName="earth-steward",
        Environment={"Variables": {"SCORER": "earth-scorer"}},
    )
    with pytest.raises(Unpriced, match="earth-scorer called, which is no function"):
        cost(rule("rate(1 hour)"), steward)


def test_disks_are_stored_gigabytes_and_not_standing_cost() -> None:
    settings = {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 20}}}
    found = cost(resource("SageMaker::Space", SpaceSettings=settings))
    assert found.services.usd == 0
    assert line(found.stored, "spaces' disks") == (20, Decimal("2.24"))


def test_a_region_without_standing_prices_is_an_error_that_names_the_file() -> None:
    with pytest.raises(Unpriced, match=r"eu-west-1.*standing_prices\.json"):
        standing_cost(Templates({}), learners=1, days=1, region="eu-west-1")


def test_every_price_says_where_and_when_it_was_read() -> None:
    document = json.loads(PRICES.read_text(encoding="utf-8"))
    entries = [*document["free"]]
    for prices in document["regions"].values():
        entries += prices.values()
        assert all(Decimal(price["usd"]) > 0 for price in prices.values())
    for entry in entries:
        assert entry["source"].startswith("https://"), entry
        assert entry["read"].startswith("20"), entry
        assert isinstance(entry["verified"], bool)


def test_no_type_is_free_for_two_reasons() -> None:
    free = [kind for entry in json.loads(PRICES.read_text())["free"] for kind in entry["types"]]
    assert len(free) == len(set(free))


def test_the_shipped_regions_of_instances_have_standing_prices() -> None:
    # A region added by `cohort prices refresh` needs standing prices before it can be planned.
    known = set(json.loads(PRICES.read_text())["regions"])
    assert set(PriceList.snapshot().regions()) <= known
