"""Does the proof see? Mistakes of every kind are made in our templates and put to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.assurance.isolation.mutants import Bench, Verdict, sample
from tests.assurance.isolation.operators import (
    RESOURCE_OPERATORS,
    STATEMENT_OPERATORS,
    Mutant,
)

#: Of each operator, in `make test-slow`; `make test-exhaustive` takes all.
EACH = 3

#: Why a mistake allows nobody anything that was refused before: where it stands, and the reason.
#: Each is computed, not believed (`mutants.gained`); the reason is for people.
EQUIVALENT: tuple[tuple[str, str], ...] = (
    (
        r"Team-\w+/(Learner\w+Role|Training)\w* Policies",
        "the boundary is an allow-list of its own, and refuses what the role's policy has too much",
    ),
    (
        r"BoundaryPolicy",
        "the boundary only takes away, and no role's own policy has what it lets through more; or "
        "bucket and key refuse it themselves",
    ),
    (
        r"KeyPolicy 1",
        "the key hands the decision to identity policies, and none has it",
    ),
    (
        r'other principal: .*("AWS": "\d|"AWS": "arn:aws:iam|: \*|ec2)',
        "the statement's condition names the caller's account or resource, which only a call by "
        "an AWS service has; or it hands the decision to identity policies, and none has it",
    ),
    (
        r"narrower denial: .*(only for the account|only \{)",
        "nobody but the account's own roles and services is allowed anything there, and of these "
        "nobody the rest",
    ),
    (
        r"(wider glob|without the slash): .*:kms:",
        "keys and aliases are all that KMS has ARNs of, and the condition names the alias",
    ),
    (
        r"wider event: .*JobEnded",
        "the settler asks SageMaker about whatever it hears of, and settles its own cohort's jobs",
    ),
    (
        r"other alias",
        "who may invoke an alias is decided by its name, and the broker knows no alias without a "
        "workspace",
    ),
    (r"looser operator|one more value|drop a condition", "another condition holds the same line"),
    (r"(drop a deny|deny becomes allow|narrower denial)", "others refuse the same: see above"),
)


def reason(verdict: Verdict) -> str | None:
    """Why a mutant that gains nothing gains nothing."""
    return next((why for where, why in EQUIVALENT if re.search(where, verdict.mutant.id)), None)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.of_the_example()


def judged(bench: Bench, mutants: list[Mutant]) -> list[Verdict]:
    return [bench.judge(mutant) for mutant in mutants]


@pytest.mark.slow
@pytest.mark.parametrize("choose", [lambda found: sample(found, EACH)], ids=["some"])
def test_every_kind_of_mistake_is_seen(
    bench: Bench, choose: Callable[[list[Mutant]], list[Mutant]]
) -> None:
    verdicts = judged(bench, choose(list(bench.mutants())))
    unseen = [f"{v.mutant.id}: {v.gained}" for v in verdicts if not v.caught and v.gained]
    assert not unseen
    unexplained = [v.mutant.id for v in verdicts if not v.caught and reason(v) is None]
    assert not unexplained
    caught = Counter(v.mutant.operator for v in verdicts if v.caught)
    assert caught.total() >= 2 * len(caught)
    everything = {*STATEMENT_OPERATORS, *RESOURCE_OPERATORS}
    assert {v.mutant.operator for v in verdicts} == everything
    # Of the rest no mutant gains anything; see EQUIVALENT.
    assert everything - set(caught) == {"other alias"}


@pytest.mark.exhaustive
def test_every_mistake_at_every_place_is_seen(bench: Bench) -> None:
    verdicts = judged(bench, list(bench.mutants()))
    assert sum(v.caught for v in verdicts) >= 100
    assert not [v.mutant.id for v in verdicts if not v.caught and v.gained]
    assert not [v.mutant.id for v in verdicts if not v.caught and reason(v) is None]


def test_a_mistake_is_told_as_a_request(bench: Bench) -> None:
    [mutant] = [
        each
        for each in bench.mutants()
        if each.operator == "without the slash"
        and "Learnerana" in each.where
        and "TeamFolder" in each.where
    ]
    verdict = bench.judge(mutant)
    assert "teams-apart" in verdict.broken
    assert verdict.words.startswith("ana (learner, team falcon) may s3:")
    assert "TeamFolder" in verdict.words


def test_what_changes_nothing_is_told_apart_from_what_is_not_seen(bench: Bench) -> None:
    """A learner's policy that is too wide, within a boundary that is not: nothing is gained."""
    [mutant] = [
        each
        for each in bench.mutants()
        if each.operator == "one more action"
        and "Learnerana" in each.where
        and "AskTheBroker" in each.where
    ]
    verdict = bench.judge(mutant)
    assert not verdict.caught
    assert verdict.gained is None
