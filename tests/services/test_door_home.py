"""Home: the workspace in each of its states, and what the forms do."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest

from infra.services.guard.ledger import Act, Standing
from tests.services.door_world import World, lively


def opened(world: World, minutes: int = 5) -> None:
    world.academy.ask("ana", op="open_space", instance="ml.t3.medium", hours=2)
    world.move(minutes=minutes)


def test_a_closed_workspace_says_what_each_machine_costs() -> None:
    page = World().browser("ana").get("/")
    assert "ml.t3.medium $0.05 an hour" in page.plain
    assert "ml.g4dn.xlarge" in page.plain
    assert "of your $25.00" in page.plain


def test_a_press_opens_the_workspace_on_the_chosen_machine() -> None:
    world = World()
    browser = world.browser("ana")
    browser.get("/")
    page = browser.send("/open", instance="ml.g4dn.xlarge", project="land-cover", hours="1")
    assert "Starting" in page.plain
    assert world.asked[1] == (
        "ana",
        {"op": "open_space", "instance": "ml.g4dn.xlarge", "project": "land-cover", "hours": 1},
    )


def test_a_start_tells_for_how_long_it_has_been_going_on() -> None:
    world = World()
    world.academy.ask("ana", op="open_space")
    world.studio.now += dt.timedelta(seconds=35)
    page = world.browser("ana").get("/")
    assert "35 s so far" in page.plain
    assert page.has_form("/close")
    assert not page.has_form("/enter")


def test_a_browser_without_javascript_asks_again_while_something_moves() -> None:
    world = World()
    browser = world.browser("ana")
    assert "http-equiv" not in browser.get("/").text
    world.academy.ask("ana", op="open_space")
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in browser.get("/").text


def test_a_start_that_takes_too_long_says_what_to_do() -> None:
    world = World()
    world.academy.ask("ana", op="open_space")
    place = ("d-ana", "earth--ana")
    world.studio.apps[place][-1].created += dt.timedelta(hours=1)
    world.studio.now += dt.timedelta(minutes=15)
    assert "longer than it should" in world.browser("ana").get("/").plain


def test_an_open_workspace_can_be_entered_kept_and_closed() -> None:
    world = World()
    opened(world)
    page = world.browser("ana").get("/")
    assert "It ends" in page.plain
    for action in ("/enter", "/stay", "/close"):
        assert page.has_form(action)
    assert not page.has_form("/open")


def test_only_a_page_that_leads_into_studio_may_lead_out_of_the_door() -> None:
    world = World()
    browser = world.browser("ana")
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert "form-action 'self';" in policy
    opened(world)
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert "form-action 'self' https:;" in policy


def test_entering_leads_into_studio_by_a_link_that_stands_nowhere_else() -> None:
    world = World()
    opened(world)
    browser = world.browser("ana")
    assert "secret-" not in browser.get("/").text
    answer = browser.post("/enter")
    assert answer.status == 303
    assert answer.headers["Location"].endswith("sagemaker.aws/auth?token=secret-1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "secret" not in answer.text


def test_each_entering_has_a_link_of_its_own() -> None:
    world = World()
    opened(world)
    browser = world.browser("ana")
    browser.get("/")
    home = browser.page
    first = browser.post("/enter").headers["Location"]
    browser.page = home
    assert browser.post("/enter").headers["Location"] != first


def test_a_workspace_that_is_not_open_yet_cannot_be_entered() -> None:
    world = World()
    opened(world)
    browser = world.browser("ana")
    browser.get("/")
    form = {"csrf": browser.page.csrf("/enter")}
    world.academy.ask("ana", op="close_space")
    world.move(minutes=5)
    answer = browser.ask("POST", "/enter", form)
    assert answer.headers["Location"] == "/"


def test_a_link_that_leads_elsewhere_is_not_followed() -> None:
    world = World()
    opened(world)
    world.studio.base = "https://evil.example/{domain}-{number}"
    browser = world.browser("ana")
    browser.get("/")
    answer = browser.post("/enter")
    assert answer.status == 503
    assert "Location" not in answer.headers


def test_staying_longer_moves_the_end() -> None:
    world = World()
    opened(world)
    browser = world.browser("ana")
    browser.get("/")
    assert browser.send("/stay", hours="4").status == 200
    held = world.ledger.find("ana", "space")
    assert held is not None
    assert held.ends_at == world.now + dt.timedelta(hours=4)


def test_closing_closes() -> None:
    world = World()
    opened(world)
    browser = world.browser("ana")
    browser.get("/")
    assert "Closing" in browser.send("/close").plain
    world.move(minutes=2)
    assert "Closed" in browser.get("/").plain


def test_a_start_that_failed_says_why_and_can_be_tried_again() -> None:
    world = World()
    world.studio.app_fails = "InternalServerError: no <capacity>"
    world.academy.ask("ana", op="open_space")
    page = world.browser("ana").get("/")
    assert "It did not start" in page.plain
    assert "no <capacity>" in page.plain
    assert page.has_form("/open")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"instance": "ml.p4d.24xlarge"}, "instance is 'ml.p4d.24xlarge'"),
        ({"instance": "ml.t3.medium", "hours": "99"}, "hours is 99"),
        ({"instance": "ml.t3.medium", "hours": "<b>"}, "hours is '<b>'"),
        ({"instance": "ml.t3.medium", "hours": "²"}, "hours is"),
        ({"instance": "ml.t3.medium", "project": "x"}, "project is 'x'"),
    ],
)
def test_what_the_broker_refuses_stands_on_home_in_its_words(
    sent: dict[str, str], said: str
) -> None:
    browser = World().browser("ana")
    browser.get("/")
    page = browser.send("/open", **sent)
    assert page.status == 409
    assert said in page.plain
    assert "Your workspace" in page.plain


def test_a_form_says_no_more_to_the_broker_than_the_door_asks() -> None:
    world = World()
    browser = world.browser("ana")
    browser.get("/")
    browser.send("/open", instance="ml.t3.medium", learner="ben", op="close_space", link="1")
    assert world.asked[1] == ("ana", {"op": "open_space", "instance": "ml.t3.medium"})


def test_a_machine_that_the_budget_does_not_reach_cannot_be_chosen() -> None:
    page = World(cap_micro_usd=200_000).browser("ana").get("/")
    assert 'value="ml.g4dn.xlarge" disabled' in " ".join(page.text.split())
    assert "more than you have left" in page.plain


def test_a_machine_is_offered_for_as_long_as_the_budget_reaches() -> None:
    page = World(cap_micro_usd=130_000).browser("ana").get("/")
    assert "choose fewer hours" in page.plain
    assert '<option value="2" selected>' in page.text


def test_a_frozen_account_is_told() -> None:
    world = World()
    account = world.ledger.account("ana", 25_000_000)
    world.ledger.record(
        Act("ana", "1", world.now, "freeze", "admin", "why", account.standing,
            Standing(account.cap, False, True))
    )  # fmt: skip
    browser = world.browser("ana")
    assert "frozen" in browser.get("/").plain
    page = browser.send("/open", instance="ml.t3.medium")
    assert page.status == 409
    assert "Your account is frozen" in page.plain


def test_before_the_first_day_and_after_the_last_nothing_can_be_opened() -> None:
    early = World(starts=dt.date(2026, 12, 24)).browser("ana").get("/")
    assert "opens on 24 Dec 2026" in early.plain
    assert not early.has_form("/open")
    late = World(starts=dt.date(2026, 11, 1), ends=dt.date(2026, 11, 30)).browser("ana").get("/")
    assert "ended on 30 Nov 2026" in late.plain
    assert not late.has_form("/open")


def test_while_the_broker_does_not_answer_home_says_so_and_shows_the_rest() -> None:
    world = World()
    world.broker_down = True
    page = world.browser("ana").get("/")
    assert page.status == 200
    assert "cannot be told just now" in page.plain
    assert "$25.00" in page.plain
    assert not page.has_form("/open")


def test_what_was_asked_for_while_the_broker_did_not_answer_is_told() -> None:
    world = World()
    browser = world.browser("ana")
    browser.get("/")
    world.broker_down = True
    page = browser.send("/open", instance="ml.t3.medium")
    assert page.status == 503


def test_reloading_the_answer_to_a_form_leads_home() -> None:
    browser = World().browser("ana")
    for path in ("/open", "/stay", "/close", "/enter", "/sign-in", "/sign-out"):
        assert browser.ask("GET", path).headers["Location"] == "/"


def test_the_script_is_told_how_the_workspace_is() -> None:
    world = World()
    browser = world.browser("ana")
    assert json.loads(browser.get("/space.json").text)["status"] == "Closed"
    opened(world)
    told = json.loads(browser.get("/space.json").text)
    assert told["status"] == "InService"
    assert told["can_enter"] is True
    assert told["ends_at"] == "2026-12-01T11:00:00Z"
    assert "secret" not in browser.page.text


def test_the_script_is_told_nothing_when_nobody_is_signed_in() -> None:
    answer = World().browser().ask("GET", "/space.json")
    assert (answer.status, json.loads(answer.text)) == (401, {"error": "signed out"})


def test_home_shows_what_the_team_runs() -> None:
    world = lively()
    page = world.browser("ben").get("/")
    assert "Job of ana" in page.plain
    assert "With you in falcon : ana" in page.plain
    assert "Job of ana" not in world.browser("chi").get("/").plain


def test_an_advisor_without_a_space_has_none_on_home() -> None:
    world = World()
    browser = world.browser("shelley")
    page = browser.get("/")
    assert "See the teams" in page.plain
    assert "workspace" not in page.plain
    assert browser.ask("GET", "/space.json").status == 404
    assert browser.ask("GET", "/budget").status == 404
    assert 'href="/budget"' not in page.text


def test_an_advisor_with_a_space_opens_it_as_a_learner_does() -> None:
    world = World(advisors=["shelley"], advisor_cap_micro_usd=10_000_000)
    world.studio.workspaces[world.door.names.workspace_parameter("shelley")] = {
        **(world.studio.workspaces[world.door.names.workspace_parameter("ana")] or {}),
        "learner": "shelley",
        "team": "",
        "kind": "advisor",
        "domain_id": "d-shelley",
        "space": "earth--shelley",
    }
    browser = world.browser("shelley")
    assert "of your $10.00" in browser.get("/").plain
    assert "Starting" in browser.send("/open", instance="ml.t3.medium").plain


def test_a_cap_that_the_ledger_has_not_heard_of_counts_already() -> None:
    world = World()
    world.ledger.account("ana", 10_000_000)
    assert "$25.00 of $25.00" in world.browser("ana").get("/").plain
    world.ledger.accounts["ana"] = replace(world.ledger.accounts["ana"], individual=True)
    assert "$10.00 of $10.00" in world.browser("ana").get("/").plain
