"""What the door must not be talked into: another's deed, a stranger's form, a token that has ended.

Each holds for every route that there is, by the handler's own table: a new one is attacked too.
"""

from __future__ import annotations

import re

import pytest

from infra.services.door import handler
from tests.services.door_world import CODE, World, event, lively

JOB = "earth--falcon--ana--bbbbbbbb"
FILLED = {"name": "x", "project": "land-cover", "job": JOB, "team": "falcon"}
#: Paths that are there for who is not signed in.
PUBLIC = ("/", "/code", "/sign-in", "/assets/x", "/sign-out", "/provider", "/signed-in")


def filled(path: str) -> str:
    return re.sub(r"<(\w+)>", lambda found: FILLED[found[1]], path)


GETS = [filled(path) for method, path, _ in handler.ROUTES if method == "GET"]
POSTS = [filled(path) for method, path, _ in handler.ROUTES if method == "POST"]
PRIVATE_GETS = [path for path in GETS if path not in PUBLIC]
PRIVATE_POSTS = [path for path in POSTS if path not in PUBLIC]
FORM = {
    "instance": "ml.t3.medium",
    "hours": "1",
    "text": "a note",
    "email": "ana@example.org",
    "code": CODE,
}


def deeds(world: World) -> tuple[int, int, int, int]:
    """What a deed would change."""
    return (
        len([each for each in world.asked if each[1]["op"] != "space"]),
        len(world.studio.apps),
        len(world.files.works),
        world.studio.links,
    )


@pytest.mark.parametrize("path", PRIVATE_GETS)
def test_a_page_shows_nothing_to_who_is_not_signed_in(path: str) -> None:
    world = lively()
    seen = world.browser().ask("GET", path)
    assert (seen.status, seen.headers.get("Location")) in {(303, "/"), (401, None)}
    assert "falcon" not in seen.text
    assert world.asked == []


@pytest.mark.parametrize("path", PRIVATE_GETS)
@pytest.mark.parametrize("how", ["ended", "removed", "left", "stranger", "garbage"])
def test_a_token_that_does_not_hold_is_out_at_once_on_every_page(path: str, how: str) -> None:
    world = World()
    browser = world.browser("ana")
    token = browser.cookies["__Host-session"]
    assert "ana" in browser.get("/").plain
    if how == "ended":
        world.identity.end(token)
    elif how == "removed":
        del world.identity.users["ana--0a1b2c3d"]
    elif how == "left":
        world.people = type(world.people)({"falcon": ("ben",)})
    elif how == "stranger":
        browser.cookies["__Host-session"] = world.identity.token(
            "ana--0a1b2c3d", client_id="another", iss="https://x/us-east-1_Stranger"
        )
    else:
        browser.cookies["__Host-session"] = token[:-3] + "AAA"
    seen = browser.ask("GET", path)
    assert seen.status in (303, 401)
    assert seen.headers.get("Location") in ("/", None)


@pytest.mark.parametrize("path", PRIVATE_POSTS)
def test_a_token_that_has_ended_does_nothing(path: str) -> None:
    world = World()
    browser = world.browser("shelley" if "advisors" in path else "ana")
    browser.get("/")
    form = {**FORM, "csrf": browser.page.csrf("/sign-out")}
    world.identity.end(browser.cookies["__Host-session"])
    before = deeds(world)
    assert browser.ask("POST", path, form).headers["Location"] == "/"
    assert deeds(world) == before


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": ""},
        {"origin": "", "sec-fetch-site": ""},
        {"origin": "https://other.example.org", "sec-fetch-site": "same-site"},
    ],
)
def test_a_form_that_was_not_sent_from_here_does_nothing(
    path: str, headers: dict[str, str]
) -> None:
    world = World()
    browser = world.browser("shelley" if "advisors" in path else "ana")
    browser.get("/")
    form = {**FORM, "csrf": browser.page.csrf("/sign-out")}
    before = deeds(world)
    assert browser.ask("POST", path, form, headers).status == 403
    assert deeds(world) == before
    assert world.identity.mail == []
    assert browser.get("/").has_form("/sign-out")


@pytest.mark.parametrize("path", [*PRIVATE_POSTS, "/sign-out"])
@pytest.mark.parametrize("csrf", ["none", "empty", "ben", "cut"])
def test_a_form_without_the_sessions_own_token_does_nothing(path: str, csrf: str) -> None:
    world = World()
    browser = world.browser("shelley" if "advisors" in path else "ana")
    own = browser.get("/").csrf("/sign-out")
    foreign = world.browser("ben").get("/").csrf("/sign-out")
    given = {"empty": "", "ben": foreign, "cut": own[:-1]}
    form = FORM if csrf == "none" else {**FORM, "csrf": given[csrf]}
    before = deeds(world)
    assert browser.ask("POST", path, form).status == 403
    assert deeds(world) == before
    assert browser.get("/").has_form("/sign-out")


def test_one_cookie_cannot_do_anothers_deed() -> None:
    world = World()
    ben = world.browser("ben").cookies["__Host-session"]
    browser = world.browser("ana")
    names = ("learner", "person", "user", "username", "id", "alias", "qualifier", "team", "sub")
    claimed = dict.fromkeys(names, "ben")
    headers = {
        "authorization": f"Bearer {ben}",
        "x-amzn-oidc-data": ben,
        "x-forwarded-user": "ben",
        "x-user": "ben",
        "cookie": f"__Host-session={ben}",
    }
    query = "&".join(f"{name}=ben" for name in names)
    browser.ask("GET", f"/?{query}", headers=headers)
    form = {**claimed, **FORM, "csrf": browser.page.csrf("/sign-out")}
    for path in PRIVATE_POSTS:
        browser.ask("POST", f"{path}?{query}", form, headers)
        world.move(minutes=2)
    for path in PRIVATE_GETS:
        browser.ask("GET", f"{path}?{query}", headers=headers)
    assert world.asked
    assert {person for person, _ in world.asked} == {"ana"}
    assert not any("ben" in str(request) for _, request in world.asked)
    assert set(world.studio.apps) == {("d-ana", "earth--ana")}


def test_two_sessions_in_one_request_are_none() -> None:
    world = World()
    sessions = [
        f"__Host-session={world.browser(who).cookies['__Host-session']}" for who in ("ana", "ben")
    ]
    answer = world.answer(event("GET", "/budget", cookies=sessions))
    assert answer["statusCode"] == 303
    assert world.asked == []


def test_who_signed_in_second_is_who_acts() -> None:
    world = World()
    browser = world.browser("ana")
    form = {"csrf": browser.get("/").csrf("/sign-out"), "instance": "ml.t3.medium"}
    browser.cookies = world.browser("ben").cookies
    assert browser.ask("POST", "/open", form).status == 403
    assert world.studio.apps == {}


@pytest.mark.parametrize("path", [p for p in GETS + POSTS if p.startswith("/advisors")])
def test_a_learner_finds_no_page_of_the_advisors(path: str) -> None:
    world = lively()
    browser = world.browser("ana")
    browser.get("/")
    form = {"text": "x", "csrf": browser.page.csrf("/sign-out")} if path in POSTS else None
    before = deeds(world)
    seen = browser.ask("POST" if path in POSTS else "GET", path, form)
    assert seen.status == 404
    assert deeds(world) == before


def test_a_learner_finds_no_job_of_another_team() -> None:
    world = lively()
    world.files.logs[JOB] = ["a secret of falcon's"]
    assert "a secret of falcon" in world.browser("ben").get(f"/team/jobs/{JOB}").plain
    seen = world.browser("chi").ask("GET", f"/team/jobs/{JOB}")
    assert seen.status == 404
    assert "secret" not in seen.text


def test_what_an_instance_or_a_failure_is_called_is_shown_and_not_run() -> None:
    world = World()
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    world.studio.app_fails = evil
    world.academy.ask("ana", op="open_space")
    page = world.browser("ana").get("/")
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert evil in page.plain


def test_what_is_typed_is_shown_and_not_run() -> None:
    world = World()
    browser = world.browser("ana")
    browser.get("/")
    page = browser.send("/open", instance="<script>alert(1)</script>")
    assert "<script>alert" not in page.text
    for path in ("/<script>alert(1)</script>", "/competition/<script>", "/?x=<script>alert(1)"):
        assert "<script>alert" not in browser.get(path).text


def test_a_path_that_leads_out_of_its_folder_leads_nowhere() -> None:
    world = lively()
    world.files.put("teams/heron/shared/x.ipynb", "a secret of heron's")
    browser = world.browser("ana")
    for path in (
        "/team/notebooks/..%2F..%2Fheron%2Fshared%2Fx.ipynb",
        "/team/notebooks/../../heron/shared/x.ipynb",
        "/team/jobs/earth--heron--chi--0123abcd",
        "/team/jobs/..%2F",
        "/assets/..%2Fhandler.py",
        "/competition/..%2F..%2Fwork",
    ):
        seen = browser.get(path)
        assert seen.status == 404, path
        assert "secret" not in seen.text


def test_a_page_is_not_asked_for_by_another_method() -> None:
    browser = World().browser("ana")
    for method, path, allowed in (
        ("PUT", "/budget", "GET"),
        ("DELETE", "/", "GET"),
        ("POST", "/budget", "GET"),
        ("PATCH", "/code", "GET, POST"),
    ):
        form = {} if method == "POST" else None
        seen = browser.ask(method, path, form)
        assert (seen.status, seen.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ['/competition/a"b', "/team/jobs/#", "/assets/?x", "/advisors/‮"])
def test_a_name_that_no_page_has_is_not_found_whatever_stands_in_it(path: str) -> None:
    seen = World().browser("shelley").ask("GET", path.replace("?", "\\"))
    assert (seen.status, seen.headers.get("Allow")) == (404, None)


def test_every_answer_has_the_headers_that_keep_it_safe() -> None:
    world = lively()
    browser = world.browser("ana")
    for path in [*GETS, "/nothing", "/advisors"]:
        headers = browser.ask("GET", path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["Cache-Control"] == "no-store"
