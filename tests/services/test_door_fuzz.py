"""The door asked for everything that its description allows, and for much that it does not, over
the embedded cloud's own HTTP API: no answer may fail, lack a header, hand out a cookie or an
address of others, repeat what was sent as HTML, or show a learner another team's things."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET

from infra.services.door.entrance import security
from infra.services.door.entrance.sessions import Pace, Waiting, no_session
from infra.services.door.visits import OF_A_SENDER, WINDOW
from tests.services import door_openapi
from tests.services.door_html import problems
from tests.services.door_openapi import CSRF, FORM, WAITING
from tests.services.door_whole import SECRET, whole
from tests.services.door_wire import listening
from tests.services.door_world import World

#: Examples of each operation, for each kind of person: as described, and not as described.
FEW, MANY = 8, 60
PEOPLE = ("", "ana", "shelley")
COOKIES = {security.SESSION, security.CODE}
#: What each answer comes with.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'( https: http://127.0.0.1:\\*)?; "
    "base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "same-origin|no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000",
    "permissions-policy": "camera=\\(\\), .*",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

SCHEMA: Any = schemathesis.openapi.from_dict(door_openapi.document())
OPERATIONS = {
    f"{each.ok().method.upper()} {each.ok().path}": each.ok()
    for each in SCHEMA.get_all_operations()
}


@dataclass
class Asked:
    """A request as it is sent."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None


@dataclass
class Got:
    """An answer over the wire."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name]

    def one(self, name: str) -> str:
        found = self.all(name)
        assert len(found) == 1, f"{name}: {found}"
        return found[0]


@dataclass
class Site:
    """A door that listens, and who may be signed in at it."""

    world: World
    address: str
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, who: str) -> str:
        """A token of theirs that holds, whatever was signed out before."""
        if self.tokens.get(who) not in self.world.identity.holds:
            self.tokens[who] = self.world.identity.token(f"{who}--0a1b2c3d")
        return self.tokens[who]

    def send(self, asked: Asked, who: str, cookies: list[str] | None = None) -> Got:
        given = [f"{security.SESSION}={self.token(who)}"] if who else []
        given += cookies or []
        headers = [*asked.headers, *([("Cookie", "; ".join(given))] if given else [])]
        there = urlsplit(self.address)
        connection = http.client.HTTPConnection(str(there.hostname), there.port, timeout=30)
        try:
            connection.putrequest(asked.method, asked.target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value.encode())
            if asked.body is not None:
                connection.putheader("Content-Length", str(len(asked.body)))
            connection.endheaders(asked.body)
            answer = connection.getresponse()
            return Got(answer.status, answer.getheaders(), answer.read().decode())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    world = whole()
    with listening(world) as address:
        world.door = replace(world.door, offline=True)
        world.studio.base = f"{address}/lab?token={{domain}}-{{number}}"
        yield Site(world, address)


def _asked(case: Any, site: Site, who: str) -> tuple[Asked, list[str]]:
    """A case as bytes, with what only this session has in the place of what stands for it."""
    secret = Waiting("ana@example.org", no_session()).text()
    kept = [
        f"{name}={secret if value == WAITING else value}"
        for name, value in (case.cookies or {}).items()
    ]
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        # Texts come ready for an address; what is none does not.
        said = value if isinstance(value, str) else quote(json.dumps(value), safe="")
        path = path.replace(f"{{{name}}}", said or "x")
    query = urlencode({k: str(v) for k, v in (case.query or {}).items()})
    asked = Asked(case.method.upper(), path + (f"?{query}" if query else ""))
    if case.body is not NOT_SET and case.method.upper() == "POST":
        form = case.body if isinstance(case.body, dict) else {"x": case.body}
        owner = secret if case.path == "/code" else site.token(who) if who else "nobody"
        sent = {
            name: security.csrf(owner) if value == CSRF else _told(value)
            for name, value in form.items()
        }
        asked.body = urlencode(sent).encode()
        asked.headers = [("Content-Type", FORM), *_from(site.address)]
    return asked, kept


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _from(address: str) -> list[tuple[str, str]]:
    return [("Origin", address), ("Sec-Fetch-Site", "same-origin")]


def judge(got: Got, asked: Asked, who: str, site: Site) -> None:
    """Whether the answer is one that a door may give, whatever it was asked."""
    said = f"{asked.method} {asked.target} of {who or 'nobody'}: {got.status}"
    assert got.status in {200, 303, 400, 401, 403, 404, 405, 409, 413, 414, 415, 429}, said
    for name, value in HEADERS.items():
        assert re.fullmatch(value, got.one(name)), said
    kept = got.one("cache-control")
    assert kept == "no-store" or (asked.target.startswith("/assets/") and got.status == 200)
    kind = got.one("content-type")
    assert kind in {"text/html; charset=utf-8", "application/json"} or "/assets/" in asked.target
    for each in got.all("set-cookie"):
        name, _, rest = each.partition("=")
        assert name in COOKIES, said
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in rest.split(";")}
        assert "Domain" not in each
    for to in got.all("location"):
        own = re.fullmatch(r"/(?![/\\])[a-z0-9/#?-]*", to)
        assert own or (to.startswith(f"{site.address}/lab?") and asked.target == "/enter"), to
    assert "<xss" not in got.text, said
    if kind.startswith("text/html") and got.text and asked.method != "HEAD":
        assert problems(got.text) == [], said
    if who != "shelley":
        assert SECRET not in got.text, said
        if "/competition" not in asked.target and asked.target != "/":
            # Boards name every team. What somebody typed comes back in the field it was typed in.
            typed = str(asked.body) + asked.target
            assert "heron" not in got.text or "heron" in typed, said
    if not who:
        assert "falcon" not in got.text or "falcon" in str(asked.body) + asked.target, said


def _try(site: Site, name: str, who: str, mode: GenerationMode, examples: int) -> None:
    operation = OPERATIONS[name]

    @settings(
        derandomize=True,
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        # A sender's own count would turn everything into "too often".
        fresh = replace(site.world.door, senders=Pace(OF_A_SENDER, WINDOW))
        site.world.door = fresh
        asked, cookies = _asked(case, site, who)
        got = site.send(asked, who, cookies)
        judge(got, asked, who, site)
        described = operation.definition.raw["responses"]
        # A name with a "?" in it ends the path, which is then another one.
        odd = {405} if "{" in name else set()
        assert str(got.status) in described or got.status in odd, f"{name}: {got.status}"

    one()


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_to_what_is_described_is_one_that_a_door_gives(
    site: Site, name: str, who: str
) -> None:
    _try(site, name, who, GenerationMode.POSITIVE, FEW)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", [n for n in OPERATIONS if OPERATIONS[n].body or "{" in n])
def test_an_answer_to_what_is_not_described_is_one_that_a_door_gives(
    site: Site, name: str, who: str
) -> None:
    _try(site, name, who, GenerationMode.NEGATIVE, FEW)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST", "GET"])
def test_another_method_and_headers_that_proxies_believe_lead_nowhere_else(
    site: Site, method: str, who: str
) -> None:
    """Each page is asked for by every method, as if by another one, and as if of another path."""
    here = urlsplit(site.address)
    headers = [
        ("X-HTTP-Method-Override", "POST"),
        ("X-Original-URL", "/advisors/heron"),
        ("X-Rewrite-URL", "/advisors/heron"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Forwarded-User", "shelley"),
        ("Accept-Encoding", "identity"),
        ("Content-Type", FORM),
        ("Origin", "https://evil.example"),
        ("Referer", f"http://{here.netloc}/"),
    ]
    known = len(site.world.asked)
    for path in sorted({each.path for each in OPERATIONS.values()}):
        target = re.sub(r"\{(\w+)\}", lambda found: door_openapi.NAMES[found[1]][0], path)
        body = None if method in ("GET", "HEAD") else b"_method=POST&email=ana%40example.org"
        asked = Asked(method, target, headers, body)
        got = site.send(asked, who)
        judge(got, asked, who, site)
        assert "evil.example" not in got.text + str(got.headers)
        if method not in ("GET", "HEAD"):
            assert got.status in (403, 404, 405), f"{method} {target}: {got.status}"
    assert {request["op"] for _, request in site.world.asked[known:]} <= {"space"}
    assert not [request for _, request in site.world.asked[known:] if "link" in request]


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_for_many_more(site: Site, name: str, who: str, mode: GenerationMode) -> None:
    if mode is GenerationMode.NEGATIVE and not (OPERATIONS[name].body or "{" in name):
        pytest.skip("nothing of it can be said wrongly")
    _try(site, name, who, mode, MANY)
