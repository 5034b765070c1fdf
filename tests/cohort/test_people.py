"""Who has a workspace, and what the file lets each spend."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from infra.cohort.checks import warnings
from infra.cohort.loading import load
from infra.cohort.naming import Names

FILES = Path(__file__).parent / "files"
LEARNERS = ["ana", "ben", "chi", "dov"]
TODAY = dt.date(2026, 12, 1)


def test_advisors_have_no_workspace_unless_the_budget_pays_for_one() -> None:
    without, paid = load(FILES / "notify.happy.yaml"), load(FILES / "advisors.happy.yaml")
    assert [each.id for each in without.advisors] == ["shelley"]
    assert [each.id for each in without.people] == LEARNERS
    assert [each.id for each in paid.people] == [*LEARNERS, "shelley"]


def test_each_is_held_to_the_cap_of_their_kind() -> None:
    paid = load(FILES / "advisors.happy.yaml")
    assert paid.cap_usd("shelley") == Decimal("12.50")
    assert paid.cap_usd("ana") == 25


def test_names_are_promised_only_of_advisors_with_spaces() -> None:
    names = Names("earth")
    without = set(names.every([("falcon", ["ana"])]))
    there = set(names.every([("falcon", ["ana"])], advisors=["shelley"])) - without
    assert ("role", "earth--advisor--shelley") in there
    assert ("domain", "earth--shelley") in there
    assert ("stack", "earth-Advisors") in there
    shared = set(names.every([("falcon", ["ana"])], advisors=["shelley"], isolation="cohort"))
    assert ("domain", "earth--shelley") not in shared


def test_names_of_the_door_are_promised_only_where_there_is_one() -> None:
    names = Names("earth")
    without = set(names.every([("falcon", ["ana"])]))
    there = set(names.every([("falcon", ["ana"])], door=True)) - without
    assert {
        ("stack", "earth-Door"),
        ("function", "earth-door"),
        ("user pool", "earth-door"),
    } <= there
    assert not {each for each in without if "door" in each[1]}


def test_a_budget_for_nobody_or_for_less_than_an_hour_is_warned_of() -> None:
    paid = load(FILES / "advisors.happy.yaml")
    assert warnings(paid, today=TODAY) == []
    nobody = paid.model_copy(update={"advisors": []})
    [said] = warnings(nobody, today=TODAY)
    assert "pays for nobody" in said
    budget = paid.budget.model_copy(update={"per_advisor_usd": Decimal("0.01")})
    [said] = warnings(paid.model_copy(update={"budget": budget}), today=TODAY)
    assert "budget.per_advisor_usd (0.01) does not pay for an hour" in said
