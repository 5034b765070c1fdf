"""The plan of real stacks: the targets for standing cost, and sums that follow from the file."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest

from infra.assurance.plan import (
    ISOLATION,
    NETWORK,
    Assumptions,
    Plan,
    amount,
    make_plan,
    number,
    to_document,
)
from infra.assurance.quotas import needs, without_account
from infra.assurance.standing_cost import Bill, Unpriced
from infra.assurance.templates import Templates
from infra.cli.plan import synthesized
from infra.cohort.model import Cohort
from infra.cohort.prices import PriceList, Reading
from tests.offline.services.cloudformation import academy_stacks

#: Issue 3: what a cohort may cost a month with nobody working, besides stored gigabytes and
#: back-stop budgets.
TARGETS_USD = {20: Decimal(3), 100: Decimal(5)}

#: Prices of our own, so that sums can be worked out by hand.
PRICES = PriceList(
    {
        "us-east-1": {
            "studio": {"ml.t3.medium": 50_000, "ml.g4dn.xlarge": 700_000},
            "training": {"ml.m5.large": 100_000, "ml.g5.xlarge": 1_400_000},
        }
    },
    {"us-east-1": Reading("a test", "2026-11-23", verified=True)},
)


def a_cohort(teams: int, size: int, *, cap: str = "150", **more: Any) -> Cohort:
    learners = [
        [{"id": f"l{team}-{i}", "email": f"l{team}-{i}@example.org"} for i in range(size)]
        for team in range(teams)
    ]
    document = {
        "name": "earth",
        "region": "us-east-1",
        "starts": "2026-11-02",
        "ends": "2027-03-07",
        "teams": [{"id": f"t{i}", "learners": each} for i, each in enumerate(learners)],
        "projects": ["climate-series", "land-cover"],
        "studio": {"instances": ["ml.g4dn.xlarge", "ml.t3.medium"], "storage_gb": 30},
        "training": {"instances": ["ml.m5.large", "ml.g5.xlarge"]},
        "budget": {"per_learner_usd": cap},
        "competition": {"closes": "2027-03-01"},
        **more,
    }
    return Cohort.model_validate(document)


@pytest.fixture(scope="module")
def stacks() -> Templates:
    """The stacks of one team of four, and those that all teams share."""
    return synthesized(a_cohort(1, 4), account="123456789012")


def cohort_of(stacks: Templates, teams: int, **more: Any) -> tuple[Cohort, Templates]:
    """A cohort of `teams` teams of four with its stacks: the first team's once for each.

    A synth of 100 learners takes long and says the same: teams differ in names alone, and what
    they share knows no team.
    """
    cohort = a_cohort(teams, 4, **more)
    [one] = [name for name in stacks.stacks if "-Team-" in name]
    shared = {name: each for name, each in stacks.stacks.items() if name != one}
    own = {cohort.names.team_stack(team.id): stacks.stacks[one] for team in cohort.teams}
    return cohort, Templates({**shared, **own})


def plan_of(cohort: Cohort, templates: Templates, **more: Any) -> Plan:
    quotas = without_account(needs(cohort, templates))
    return make_plan(cohort, templates, quotas, prices=PRICES, **more)


@pytest.fixture(scope="module")
def twenty(stacks: Templates) -> Plan:
    return plan_of(*cohort_of(stacks, 5))


def amounts(bill: Bill) -> dict[str, Decimal]:
    return {line.what: line.usd for line in bill.lines}


@pytest.mark.parametrize("learners", sorted(TARGETS_USD))
def test_the_standing_cost_is_under_its_target(stacks: Templates, learners: int) -> None:
    cohort, templates = cohort_of(stacks, learners // 4)
    standing = plan_of(cohort, templates).standing
    assert len(cohort.learners) == learners
    assert templates.counts()["AWS::SageMaker::Domain"] == learners
    assert 0 < standing.services.usd < TARGETS_USD[learners], [
        f"{line.what}: {line.usd}" for line in standing.services.lines
    ]


def test_a_door_stands_for_less_than_half_a_dollar_a_month(stacks: Templates) -> None:
    """Issue 10's goal; what it costs beside that, people cause who use it."""
    cohort = a_cohort(1, 4, door={"from": "academy@example.org"})
    opened = plan_of(cohort, synthesized(cohort, account="123456789012"))
    without = plan_of(*cohort_of(stacks, 1))
    more = opened.standing.services.usd - without.standing.services.usd
    assert 0 < more < Decimal("0.50")
    for bill in (opened.worst, opened.likely):
        assert amounts(bill)["people who sign in"] == 4 * opened.months * Decimal("0.015")
    assert "people who sign in" not in amounts(without.likely)


def test_a_provider_adds_nothing_that_stands_and_a_price_for_who_comes_by_it() -> None:
    by_code = a_cohort(1, 4, door={"from": "academy@example.org"})
    by_provider = a_cohort(1, 4, door=academy_stacks.DOOR)
    one, other = (
        plan_of(each, synthesized(each, account="123456789012")) for each in (by_code, by_provider)
    )
    assert one.standing.services.usd == other.standing.services.usd
    price = 4 * other.months * Decimal("0.015")
    assert amounts(other.likely)["people who sign in by the provider"] == price
    assert "people who sign in by the provider" not in amounts(one.likely)


def test_every_resource_of_the_stacks_is_accounted_for(twenty: Plan) -> None:
    # What has no price is an error, so a plan that exists has looked at them all.
    assert sum(twenty.resources().values()) > 100
    nat = {"Resources": {"Nat": {"Type": "AWS::EC2::NatGateway"}}}
    with pytest.raises(Unpriced):
        plan_of(twenty.cohort, Templates({"S": nat}))


def test_keys_are_most_of_the_standing_cost(twenty: Plan) -> None:
    assert amounts(twenty.standing.services)["customer-managed keys"] == 2


def test_disks_follow_from_the_file_and_stand_apart(twenty: Plan) -> None:
    assert amounts(twenty.standing.stored)["spaces' disks"] == 20 * 30 * Decimal("0.112")


def test_the_quotas_count_what_the_stacks_hold(twenty: Plan) -> None:
    needed = {finding.need.name: finding.need.full for finding in twenty.quotas.findings}
    assert needed["Total domains"] == 20
    assert needed["VPCs per Region"] == 1
    assert needed["Roles per account"] == twenty.resources()["AWS::IAM::Role"] > 25


def test_the_worst_case_is_every_cap_and_what_stands(twenty: Plan) -> None:
    lines = amounts(twenty.worst)
    assert lines["every learner's cap"] == 20 * 150
    months = Decimal(126) / Decimal("30.4375")
    assert twenty.days == 126
    assert lines["standing cost"] == months * twenty.standing.services.usd
    assert lines["stored gigabytes"] == months * twenty.standing.stored.usd
    assert twenty.worst.usd == sum(lines.values())


def test_advisors_with_spaces_are_in_the_sums_and_the_quotas(stacks: Templates) -> None:
    advisors = [{"id": each, "email": "a@example.org"} for each in ("shelley", "mary")]
    budget = {"per_learner_usd": "150", "per_advisor_usd": "12.50"}
    cohort = a_cohort(1, 4, advisors=advisors, budget=budget)
    made = plan_of(cohort, stacks)
    assert amounts(made.worst)["every advisor's cap"] == 25
    assert amounts(made.worst)["every learner's cap"] == 4 * 150
    assert amounts(made.likely)["advisors' spaces on ml.t3.medium"] == 2 * 18 * 5 * Decimal("0.05")
    needed = {finding.need.name: finding.need for finding in made.quotas.findings}
    apps = needed["Maximum number of running Studio apps allowed per account"]
    assert (apps.full, "2 advisors" in apps.why) == (6, True)
    assert needed["ml.m5.large for training job usage"].full == 4, "advisors start no jobs"
    assert to_document(made)["advisors_with_spaces"] == 2


def test_the_likely_case_is_worked_out_from_its_assumptions(twenty: Plan) -> None:
    lines = amounts(twenty.likely)
    # 126 days are 18 weeks; prices are the test's, cheapest and dearest whatever their order.
    learner_weeks = 20 * 18
    assert lines["spaces on ml.t3.medium"] == learner_weeks * 5 * Decimal("0.05")
    assert lines["spaces on ml.g4dn.xlarge"] == learner_weeks * 1 * Decimal("0.7")
    assert lines["jobs on ml.m5.large"] == learner_weeks * 2 * Decimal("0.1")
    assert lines["jobs on ml.g5.xlarge"] == learner_weeks * 1 * Decimal("1.4")
    assert "beyond the caps" not in lines
    assert twenty.likely.usd < twenty.worst.usd


def test_other_assumptions_give_another_likely_case(stacks: Templates) -> None:
    idle = Assumptions(*[Decimal(0)] * 4, job_hours=Decimal(1), job_disk_gb=Decimal(10))
    made = plan_of(*cohort_of(stacks, 1), assumptions=idle)
    months = Decimal(126) / Decimal("30.4375")
    monthly = made.standing.services.usd + made.standing.stored.usd
    assert abs(made.likely.usd - months * monthly) < Decimal("1E-20")


def test_the_likely_case_never_passes_the_worst(stacks: Templates) -> None:
    made = plan_of(*cohort_of(stacks, 1, cap="1"))
    assert amounts(made.likely)["beyond the caps"] < 0
    assert made.likely.usd == made.worst.usd


def test_jobs_are_assumed_no_longer_than_the_file_allows(stacks: Templates) -> None:
    long = Assumptions(job_hours=Decimal(100))
    made = plan_of(*cohort_of(stacks, 1), assumptions=long)
    assert made.cohort.training.max_hours == 4
    quantity = {line.what: line.quantity for line in made.likely.lines}
    assert quantity["jobs on ml.m5.large"] == 4 * 18 * 2 * 4


def strings(value: Any) -> list[Any]:
    """Every leaf of a JSON document."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in strings(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in strings(each)]
    return [value]


def test_the_document_is_json_without_floats_and_has_all_parts(twenty: Plan) -> None:
    document = json.loads(json.dumps(to_document(twenty)))
    assert document["version"] == 1
    assert set(document) == {
        *("version", "cohort", "region", "learners", "teams", "starts", "ends", "months"),
        *("advisors_with_spaces", "isolation", "network"),
        *("stacks", "resources", "quotas", "standing", "stored", "backstop", "worst", "likely"),
        *("instance_prices", "unverified"),
    }
    assert not [leaf for leaf in strings(document) if isinstance(leaf, float)]
    assert Decimal(document["standing"]["usd"]) < 3
    for bill in ("standing", "stored", "worst", "likely"):
        total = sum(Decimal(line["usd"]) for line in document[bill]["lines"])
        # Each line is rounded up by at most a hundredth of a cent.
        lines = len(document[bill]["lines"])
        assert 0 <= total - Decimal(document[bill]["usd"]) <= lines * Decimal("0.0001")
    assumed = document["likely"]["assumptions_per_learner_and_week"]
    assert assumed["space_hours_on_cheapest"] == "5"


def test_prices_that_nobody_verified_are_said(stacks: Templates) -> None:
    made = plan_of(*cohort_of(stacks, 1))
    assert [each.partition(":")[0] for each in made.unverified()] == ["everything else"]
    cohort, templates = cohort_of(stacks, 1)
    hearsay = PriceList(PRICES.table, {"us-east-1": Reading("hearsay", "2020", verified=False)})
    quotas = without_account(needs(cohort, templates))
    made = make_plan(cohort, templates, quotas, prices=hearsay)
    assert "instances: hearsay (read 2020)" in made.unverified()


@pytest.mark.parametrize(
    ("value", "text"),
    [("2E-7", "0.0000002"), ("20.00", "20"), ("1E+2", "100"), ("0", "0"), ("-1.50", "-1.5")],
)
def test_numbers_are_written_without_exponents(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_amounts_are_rounded_up() -> None:
    assert amount(Decimal("2.00001")) == "2.0001"
    assert amount(Decimal("2")) == "2.0000"


# --- isolation and network ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def private() -> Plan:
    """Four learners in two teams who share a domain, in a private network."""
    cohort = a_cohort(2, 2, isolation="cohort", network="private")
    return plan_of(cohort, synthesized(cohort, account="123456789012"))


def test_a_private_network_shows_its_price(private: Plan, twenty: Plan) -> None:
    """Seven endpoints in two zones, at a cent an hour each."""
    assert "interface endpoints" not in amounts(twenty.standing.services)
    (line,) = (x for x in private.standing.services.lines if x.what == "interface endpoints")
    assert line.quantity == 7 * 2 * 730
    assert line.usd == Decimal("102.20")
    assert line.price.source == "https://aws.amazon.com/privatelink/pricing/"
    assert not line.price.verified
    # For as long as the cohort lasts, whoever works.
    (standing,) = (line for line in private.worst.lines if line.what == "standing cost")
    assert standing.usd > 100 * private.months


def test_a_shared_domain_is_one(private: Plan) -> None:
    needed = {finding.need.name: finding.need.full for finding in private.quotas.findings}
    assert needed["Total domains"] == 1
    assert needed["Maximum number of Studio user profiles allowed per account"] == 4


def test_the_document_says_isolation_and_network(private: Plan, twenty: Plan) -> None:
    both = [
        (to_document(each)["isolation"], to_document(each)["network"]) for each in (private, twenty)
    ]
    assert both == [("cohort", "private"), ("learner", "public")]


def test_every_isolation_and_network_is_explained() -> None:
    for field, explained in (("isolation", ISOLATION), ("network", NETWORK)):
        assert set(explained) == set(get_args(Cohort.model_fields[field].annotation))
