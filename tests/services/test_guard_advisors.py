"""What the broker does for an advisor: a space within a cap of her own kind, and no job."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any

import pytest

from infra.cohort.naming import Names
from infra.services.guard import ledger
from infra.services.guard.broker import workspace_of
from infra.services.guard.problems import Misconfigured
from infra.services.guard.settings import Settings
from tests.services.guard_cloud import CAP, TRAIN, Academy, Crash, Trouble, settings, settings_text

ADVISOR_CAP = 3_000_000
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


def advised(trouble: Trouble | None = None, **changes: Any) -> Academy:
    """A cohort that shelley advises."""
    given = {"advisors": ["shelley"], "advisor_cap_micro_usd": ADVISOR_CAP, **changes}
    academy = Academy(trouble, **given)
    academy.cloud.workspaces[Names("earth").workspace_parameter("shelley")] = {
        "version": 1,
        "kind": "advisor",
        "cohort": "earth",
        "learner": "shelley",
        "team": "",
        "account": "123456789012",
        "domain_id": "d-shelley",
        "profile": "earth--shelley",
        "space": "earth--shelley",
        "training_role": "",
        "lifecycle_config": "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-c/x",
    }
    return academy


@pytest.fixture
def academy() -> Academy:
    return advised()


# --- settings -------------------------------------------------------------------------------------
def test_settings_without_advisors_are_as_they_were() -> None:
    assert "advisors" not in json.loads(settings_text())
    assert settings().advisors == frozenset()
    assert settings().cap_of("ana") == CAP


def test_each_kind_has_its_cap(academy: Academy) -> None:
    assert academy.guard.settings.cap_of("shelley") == ADVISOR_CAP
    assert academy.guard.settings.cap_of("ana") == CAP


@pytest.mark.parametrize("cap", [-1, "3", 1.5, True, None])
def test_a_cap_of_advisors_that_is_no_amount_is_refused(cap: Any) -> None:
    document = json.loads(settings_text())
    document["advisors"] = {"ids": ["shelley"], "cap_micro_usd": cap}
    with pytest.raises(Misconfigured, match="cap_micro_usd"):
        Settings.from_json(json.dumps(document))


# --- her space ------------------------------------------------------------------------------------
def test_her_space_opens_within_her_own_cap_and_ends_with_its_reservation(
    academy: Academy,
) -> None:
    opened = academy.ask("shelley", op="open_space", hours=2)
    assert opened["ok"], opened
    budget = academy.ask("shelley", op="budget")
    assert budget["cap_micro_usd"] == ADVISOR_CAP
    assert budget["reserved_micro_usd"] == opened["reserved_micro_usd"] > 0
    academy.cloud.move(MINUTE)
    space = academy.ask("shelley", op="space", link=True)
    assert (space["status"], space["url"]) == ("InService", "https://d-shelley/auth")
    assert academy.ask("shelley", op="stay", hours=3)["ok"]
    # Nobody asks again: the stop that was written before the start ends it.
    academy.cloud.move(4 * HOUR)
    academy.full_sweep()
    books = academy.account("shelley")
    assert books.reserved == 0
    assert 0 < academy.true_cost("shelley") <= books.spent <= ADVISOR_CAP
    academy.check()


def test_the_stop_precedes_her_start(academy: Academy) -> None:
    academy.ask("shelley", op="open_space", hours=1)
    calls = academy.cloud.trouble.calls
    assert calls.index("ledger.apply") < calls.index("put_stop") < calls.index("create_app")


def test_what_exceeds_her_cap_is_refused_though_a_learner_could(academy: Academy) -> None:
    """ml.g4dn.xlarge for four hours and its grace is more than three dollars."""
    refused = academy.ask("shelley", op="open_space", instance="ml.g4dn.xlarge", hours=4)
    assert refused["error"]["code"] == "budget"
    assert refused["error"]["cap_micro_usd"] == ADVISOR_CAP
    assert academy.ask("ana", op="open_space", instance="ml.g4dn.xlarge", hours=4)["ok"]
    academy.check()


def test_she_never_passes_her_cap_however_often_she_opens(academy: Academy) -> None:
    for _ in range(12):
        academy.ask("shelley", op="open_space", instance="ml.g4dn.xlarge", hours=1)
        academy.cloud.move(HOUR)
        academy.ask("shelley", op="close_space")
        academy.cloud.move(MINUTE)
        academy.full_sweep()
        academy.check()
        books = academy.account("shelley")
        assert books.spent + books.reserved <= books.cap == ADVISOR_CAP
    assert academy.true_cost("shelley") <= ADVISOR_CAP
    assert academy.account("shelley").spent > ADVISOR_CAP // 2, "it opened, and more than once"
    dear = academy.ask("shelley", op="open_space", instance="ml.g4dn.xlarge", hours=4)
    assert dear["error"]["code"] == "budget"


@pytest.mark.parametrize("how", ["before", "after", "lost_before", "lost_after", "down"])
def test_wherever_her_opening_breaks_the_books_stay_true(how: str) -> None:
    calls = advised()
    calls.ask("shelley", op="open_space", hours=1)
    for at in range(len(calls.cloud.trouble.calls)):
        academy = advised(Trouble(at, how))
        with contextlib.suppress(Crash):
            academy.ask("shelley", op="open_space", hours=1)
        academy.cloud.trouble.at = None
        academy.cloud.move(3 * HOUR)
        academy.full_sweep()
        academy.full_sweep()
        academy.check()
        account = academy.ledger.accounts.get("shelley")
        spent = account.spent if account else 0
        assert academy.true_cost("shelley") <= spent <= ADVISOR_CAP, (how, at)
        assert account is None or account.reserved == 0


def test_a_frozen_advisor_opens_nothing(academy: Academy) -> None:
    account = academy.ledger.account("shelley", ADVISOR_CAP)
    academy.ledger.record(ledger.freeze(account, at=academy.cloud.now, who="admin", why="a test"))
    assert academy.ask("shelley", op="open_space")["error"]["code"] == "frozen"


def test_a_new_cap_in_the_file_reaches_her_account(academy: Academy) -> None:
    academy.ask("shelley", op="budget")
    academy.configure(advisors=["shelley"], advisor_cap_micro_usd=5_000_000)
    assert academy.ask("shelley", op="budget")["cap_micro_usd"] == 5_000_000


def test_her_space_is_tagged_as_an_advisors(academy: Academy) -> None:
    tags = workspace_of(academy.guard, "shelley").tags
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "academy:cohort": "earth",
        "academy:advisor": "shelley",
    }


# --- no jobs --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "asked",
    [
        {**TRAIN, "token": "a" * 32},
        {"op": "training_job", "token": "a" * 32, "project": "climate-series", "request": {}},
        {"op": "job", "job": "earth--falcon--ana--aaaaaaaa"},
        {"op": "stop_job", "job": "earth--falcon--ana--aaaaaaaa"},
    ],
    ids=lambda asked: asked["op"],
)
def test_jobs_are_refused_in_words_and_nothing_happens(
    academy: Academy, asked: dict[str, Any]
) -> None:
    academy.train()
    before = dict(academy.cloud.jobs)
    refused = academy.ask("shelley", **asked)
    assert refused["error"]["code"] == "input"
    assert "an advisor has no team" in refused["error"]["message"]
    assert academy.cloud.jobs == before
    assert academy.cloud.jobs["earth--falcon--ana--aaaaaaaa"].stopped is None
    assert "shelley" not in academy.ledger.accounts


# --- who is what ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "advisors"),
    [
        ({}, []),
        ({"kind": "learner", "team": "falcon"}, ["shelley"]),
        ({"team": "falcon"}, ["shelley"]),
    ],
    ids=["of old settings", "of an old workspace", "with a team"],
)
def test_while_a_deploy_turns_one_kind_into_the_other_nothing_starts(
    change: dict[str, str], advisors: list[str]
) -> None:
    academy = advised(advisors=advisors)
    parameter = Names("earth").workspace_parameter("shelley")
    document = academy.cloud.workspaces[parameter]
    assert document is not None
    academy.cloud.workspaces[parameter] = {**document, **change}
    for asked in ({"op": "open_space"}, {**TRAIN, "token": "a" * 32}):
        answer = academy.ask("shelley", **asked)
        assert not answer["ok"]
    assert not academy.cloud.apps
    assert not academy.cloud.jobs


def test_a_learner_without_a_team_is_no_learner(academy: Academy) -> None:
    parameter = Names("earth").workspace_parameter("ana")
    document = academy.cloud.workspaces[parameter]
    assert document is not None
    academy.cloud.workspaces[parameter] = {**document, "team": ""}
    assert academy.ask("ana", op="open_space")["error"]["code"] == "unavailable"


def test_the_sweep_lets_an_advisors_paid_space_run(academy: Academy) -> None:
    academy.ask("shelley", op="open_space", hours=2)
    academy.cloud.move(5 * MINUTE)
    counts = academy.full_sweep()
    assert counts["orphans"] == 0
    assert not academy.cloud.ended
    assert academy.account("shelley").reserved > 0
