"""Signing in by a code, and signing out, as a browser does it."""

from __future__ import annotations

import logging

import pytest

from infra.services.door import handler
from tests.services.door_world import CODE, HOST, World, event


def test_a_learner_signs_in_by_the_code_that_came_by_mail() -> None:
    world = World()
    browser = world.browser()
    assert "Sign in" in browser.get("/").plain
    browser.send("/sign-in", email="ana@example.org")
    assert world.identity.mail == [("ana@example.org", CODE)]
    page = browser.send("/code", code="3141 5926")
    assert "Your workspace" in page.plain
    assert "__Host-session" in browser.cookies
    assert "__Host-code" not in browser.cookies


def test_an_advisor_signs_in_likewise_and_sees_the_teams() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="shelley@example.org")
    assert "See the teams" in browser.send("/code", code=CODE).plain


def test_a_stranger_sees_what_a_learner_sees_and_gets_nothing() -> None:
    world = World()
    pages = []
    for address in ("ana@example.org", "eve@example.org"):
        browser = world.browser()
        browser.get("/")
        first = browser.send("/sign-in", email=address)
        second = browser.send("/code", code="27182818")
        pages.append((first.status, first.plain, second.status, second.plain, len(first.cookies)))
    assert pages[0] == pages[1]
    assert [to for to, _ in world.identity.mail] == ["ana@example.org"]


def test_a_wrong_code_may_be_tried_again() -> None:
    browser = World().browser()
    browser.get("/")
    browser.send("/sign-in", email="ana@example.org")
    page = browser.send("/code", code="00000000")
    assert page.status == 400
    assert "not the code" in page.plain
    assert "Your workspace" in browser.send("/code", code=CODE).plain


def test_a_code_is_tried_eight_times_and_then_no_more_even_if_it_is_right() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="ana@example.org")
    kept = browser.cookies["__Host-code"]
    for _ in range(8):
        browser.send("/code", code="00000000")
    page = browser.send("/code", code=CODE)
    assert page.status == 429
    assert "tried too often" in page.plain
    # Whoever keeps the cookie is not better off.
    browser.cookies["__Host-code"] = kept
    browser.get("/code")
    assert browser.send("/code", code=CODE).status == 429
    assert "__Host-session" not in browser.cookies


def test_an_address_gets_five_codes_and_then_none_for_a_quarter_of_an_hour() -> None:
    world = World()
    for _ in range(5):
        browser = world.browser()
        browser.get("/")
        browser.send("/sign-in", email="ana@example.org")
    browser = world.browser()
    browser.get("/")
    page = browser.send("/sign-in", email="ANA@example.org")
    assert page.status == 429
    assert len(world.identity.mail) == 5
    world.move(minutes=16)
    browser.send("/sign-in", email="ana@example.org")
    assert len(world.identity.mail) == 6


def from_(source: str, world: World, email: str) -> int:
    """What somebody at the address `source` of the internet hears who asks for a code."""
    sent = event(
        "POST",
        "/sign-in",
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "same-origin",
        },
        body=f"email={email}",
    )
    sent["requestContext"]["http"]["sourceIp"] = source
    return int(world.answer(sent)["statusCode"])


def test_a_stranger_who_asks_for_her_codes_leaves_her_some_to_ask_for() -> None:
    world = World()
    for _ in range(20):
        from_("198.51.100.7", world, "ana@example.org")
    assert len(world.identity.mail) == 5
    assert from_("192.0.2.1", world, "ana@example.org") == 303


def test_a_building_full_of_people_signs_in_from_one_address() -> None:
    world = World()
    for number in range(200):
        assert from_("192.0.2.1", world, f"learner-{number}@example.org") == 303
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="ana@example.org")
    browser.send("/code", code="00000000")
    assert "Your workspace" in browser.send("/code", code=CODE).plain


def test_one_sender_tries_no_thousands() -> None:
    world = World()
    heard = [from_("192.0.2.1", world, f"x-{number}@example.org") for number in range(700)]
    assert heard.count(303) == 600
    assert heard[-1] == 429


def test_many_strangers_together_do_not_fill_a_mailbox() -> None:
    world = World()
    for number in range(60):
        from_(f"198.51.100.{number}", world, "ana@example.org")
    assert len(world.identity.mail) == 20


def test_cognitos_own_limit_is_told() -> None:
    world = World()
    world.identity.often = True
    browser = world.browser()
    browser.get("/")
    page = browser.send("/sign-in", email="ana@example.org")
    assert page.status == 429
    assert 'value="ana@example.org"' in page.text


def test_what_is_no_address_is_told_and_kept_to_be_mended() -> None:
    browser = World().browser()
    browser.get("/")
    page = browser.send("/sign-in", email='"><script>')
    assert page.status == 400
    assert 'value="&#34;&gt;&lt;script&gt;"' in page.text


def test_a_code_counts_only_in_the_browser_that_asked_for_it() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="ana@example.org")
    form = {"csrf": browser.page.csrf("/code"), "code": CODE}
    other = world.browser()
    assert other.ask("POST", "/code", form).status == 400
    other.cookies["__Host-code"] = "bm90aGluZw"
    assert other.ask("POST", "/code", form).status == 400
    assert "__Host-session" not in other.cookies


def test_the_page_for_a_code_is_not_there_without_one() -> None:
    assert World().browser().get("/code").plain.count("Sign in") > 0


def test_a_code_is_not_taken_from_a_page_of_somebody_elses() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="ana@example.org")
    form = {"csrf": browser.page.csrf("/code"), "code": CODE}
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert browser.ask("POST", "/code", form, elsewhere).status == 403
    assert browser.ask("POST", "/code", {"code": CODE}).status == 403
    assert "__Host-session" not in browser.cookies


def test_no_page_elsewhere_can_have_a_code_sent() -> None:
    world = World()
    browser = world.browser()
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    form = {"email": "ana@example.org"}
    assert browser.ask("POST", "/sign-in", form, elsewhere).status == 403
    assert world.identity.mail == []


def test_who_is_in_the_pool_and_not_in_the_cohort_is_told_so() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    browser.send("/sign-in", email="chi@example.org")
    world.people = type(world.people)({"falcon": ("ana", "ben")})
    page = browser.send("/code", code=CODE)
    assert page.status == 403
    assert "__Host-session" not in browser.cookies


def test_while_cognito_does_not_answer_nothing_is_lost() -> None:
    world = World()
    browser = world.browser()
    browser.get("/")
    world.identity.down = True
    assert browser.send("/sign-in", email="ana@example.org").status == 503
    world.identity.down = False
    browser.send("/sign-in", email="ana@example.org")
    world.identity.down = True
    assert browser.send("/code", code=CODE).status == 503
    world.identity.down = False
    assert "Your workspace" in browser.send("/code", code=CODE).plain


def test_who_signs_out_is_out_in_every_browser() -> None:
    world = World()
    here, there = world.browser("ana"), world.browser("ana")
    assert "Your workspace" in there.get("/").plain
    here.get("/")
    page = here.send("/sign-out")
    assert "You are signed out" in page.plain
    assert "__Host-session" not in here.cookies
    assert "Your e-mail address" in there.get("/").plain


def test_a_browser_is_signed_out_though_cognito_does_not_answer() -> None:
    world = World()
    browser = world.browser("ana")
    browser.get("/")
    world.identity.down = True
    page = browser.send("/sign-out")
    assert "twelve hours" in page.plain
    assert "__Host-session" not in browser.cookies


def test_who_is_signed_out_already_can_sign_out() -> None:
    browser = World().browser()
    assert browser.ask("POST", "/sign-out", {}).headers["Location"] == "/?out"


def test_whoever_was_handed_two_sessions_leaves_with_none() -> None:
    world = World()
    two = [
        f"__Host-session={world.browser(who).cookies['__Host-session']}" for who in ("ana", "ben")
    ]
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    answer = world.answer(event("POST", "/sign-out", headers=form, cookies=two, body="csrf=x"))
    assert answer["headers"]["Location"] == "/?out"
    assert [each.split(";")[0] for each in answer["cookies"]] == ["__Host-session=", "__Host-code="]


def test_the_log_says_nothing_that_opens_anything(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    browser = world.browser()
    with caplog.at_level(logging.INFO, logger=handler.log.name):
        browser.get("/")
        browser.send("/sign-in", email="ana@example.org")
        browser.send("/code", code=CODE)
        browser.send("/open", instance="ml.t3.medium")
        world.move(minutes=5)
        browser.get("/")
        assert browser.post("/enter").status == 303
    said = caplog.text
    assert '"route": "/enter"' in said
    for secret in ("ana@example.org", CODE, "secret-1", browser.cookies["__Host-session"], HOST):
        assert secret not in said


@pytest.mark.parametrize("path", ["/sign-in/", "//sign-in", "/sign-in", "/code", "/code/"])
def test_codes_are_asked_for_by_the_throttled_route_alone(path: str) -> None:
    """Under another spelling a request comes by the route of everything, whose limit is wider."""
    world = World()
    headers = {
        "origin": f"https://{HOST}",
        "content-type": "application/x-www-form-urlencoded",
    }
    asked = event("POST", path, body="email=ana%40example.org", headers=headers)
    asked["routeKey"] = asked["requestContext"]["routeKey"] = "$default"
    assert world.answer(asked)["statusCode"] == 404
    assert world.identity.mail == []
