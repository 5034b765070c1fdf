"""A door over fakes: the real broker on a simulated cloud, an identity that keeps its codes, files
in memory. `python tests/services/door_world.py` serves it on loopback, to be looked at.

A `Browser` asks it as a browser does: it keeps cookies, sends forms with what their page held, and
follows where it is led, except out of the door.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import gzip
import html
import json
import re
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.competition.settings import CompetitionSettings
from infra.services.door import aws, handler
from infra.services.door.context import Answer, Listed, People, Stored, TrainingJob, Unavailable
from infra.services.door.entrance.sessions import (
    Client,
    SignedOut,
    TooOften,
    Waiting,
    WrongCode,
    no_session,
)
from infra.services.door.visits import Door
from infra.services.guard.cloud import Workspace
from infra.services.guard.ledger import Account, Entry
from infra.services.guard.memory import MemoryLedger
from infra.services.guard.settings import Settings
from tests.services import guard_cloud
from tests.services.guard_cloud import Academy, SimulatedCloud, settings_text

HOST = "door.example.org"
CLIENT = Client("client-of-this-door", "us-east-1_Door")
PEOPLE = People(
    {"falcon": ("ana", "ben"), "heron": ("chi",)},
    frozenset({"shelley"}),
)
CODE = "31415926"
#: What stands for Studio.
LAB = b'<title>Lab</title><link rel="icon" href="data:,"><h1>Lab</h1>'


@dataclass
class User:
    """A user of the pool."""

    name: str
    email: str
    groups: tuple[str, ...]


class FakeIdentity:
    """An `Identity` of dictionaries: its mails can be read, and its tokens be made to end."""

    def __init__(self, users: list[User]) -> None:
        self.users = {user.name: user for user in users}
        self.mail: list[tuple[str, str]] = []
        self.waiting: dict[str, tuple[str, str]] = {}
        self.holds: dict[str, str] = {}
        self.down = False
        self.often = False

    def send_code(self, name: str) -> Waiting:
        self._up()
        if self.often:
            raise TooOften
        session = no_session()
        user = next((user for user in self.users.values() if user.email == name), None)
        if user is not None:
            self.mail.append((user.email, CODE))
            self.waiting[session] = (user.name, CODE)
        return Waiting(name, session)

    def redeem(self, waiting: Waiting, code: str) -> str:
        self._up()
        name, wanted = self.waiting.get(waiting.session, ("", ""))
        if not name or code != wanted:
            raise WrongCode
        del self.waiting[waiting.session]
        return self.token(name)

    def token(self, name: str, **claims: Any) -> str:
        """A token of the pool's, valid until it is ended."""
        user = self.users[name]
        made = token(
            {
                "iss": f"https://cognito-idp.us-east-1.amazonaws.com/{CLIENT.pool}",
                "client_id": CLIENT.id,
                "token_use": "access",
                "username": name,
                "cognito:groups": list(user.groups),
                "jti": secrets.token_hex(8),
                **claims,
            }
        )
        self.holds[made] = name
        return made

    def username(self, token: str) -> str:
        self._up()
        name = self.holds.get(token)
        if name is None or name not in self.users:
            raise SignedOut
        return name

    def end(self, token: str) -> None:
        self._up()
        name = self.holds.get(token)
        self.holds = {each: of for each, of in self.holds.items() if of != name}

    def _up(self) -> None:
        if self.down:
            raise Unavailable("Cognito does not answer")


def token(claims: Mapping[str, Any]) -> str:
    """A JSON Web Token with these claims, and a signature that only a fake takes."""
    parts = ({"alg": "RS256"}, claims, "signature")
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )


class ReadLedger(MemoryLedger):
    """The ledger in memory, with what the door reads of the table beside."""

    def seen(self, learner: str) -> Account | None:
        return self.accounts.get(learner)

    def entries_since(self, learner: str, since: dt.datetime) -> list[Entry]:
        mine = [line for line in self.lines if line.learner == learner and line.at >= since]
        return sorted(mine, key=lambda line: (line.at, line.id))


class Studio(SimulatedCloud):
    """A simulated cloud whose links look as Studio's do."""

    links = 0
    base = "https://studio-{domain}.studio.us-east-1.sagemaker.aws/auth?token=secret-{number}"

    def presigned_url(self, workspace: Workspace) -> str:
        self.links += 1
        return self.base.format(domain=workspace.domain, number=self.links)


class Files:
    """A `Cloud` of dictionaries."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sites: dict[str, Stored] = {}
        self.works: dict[str, Stored] = {}
        self.logs: dict[str, list[str]] = {}
        self.jobs: dict[str, TrainingJob] = {}

    def put(self, key: str, content: str | bytes, at: dt.datetime | None = None) -> None:
        """Have a file in `work`."""
        raw = content.encode() if isinstance(content, str) else content
        self.works[key] = Stored(raw, at or self._world.now)

    def put_site(self, key: str, content: str) -> None:
        self.sites[key] = Stored(content.encode(), self._world.now)

    def site(self, key: str, limit: int = aws.READ) -> Stored | None:
        return _cut(self.sites.get(key), limit)

    def work(self, key: str, limit: int = aws.READ) -> Stored | None:
        return _cut(self.works.get(key), limit)

    def listing(self, prefix: str, limit: int = aws.LISTED) -> list[Listed]:
        found = [
            Listed(key, len(stored.content), stored.modified)
            for key, stored in sorted(self.works.items())
            if key.startswith(prefix)
        ]
        return found[:limit]

    def job(self, name: str) -> TrainingJob | None:
        if name in self.jobs:
            return self.jobs[name]
        found = self._world.academy.cloud._job(name)
        if found is None:
            return None
        resources = self._world.academy.cloud.jobs[name].request["ResourceConfig"]
        return TrainingJob(
            name=name,
            status=found.status,
            secondary_status=found.secondary_status,
            created_at=found.created_at,
            started_at=found.started_at,
            ended_at=found.ended_at,
            billable_seconds=found.billable_seconds,
            instance=resources["InstanceType"],
            count=resources["InstanceCount"],
            failure=found.failure,
        )

    def log_tail(self, job: str, lines: int = aws.LINES) -> list[str]:
        return self.logs.get(job, [])[-lines:]

    def put_note(self, key: str, content: bytes) -> None:
        assert key.startswith("notes/"), "the door's role writes nowhere else"
        self.put(key, content)


def _cut(stored: Stored | None, limit: int) -> Stored | None:
    if stored is None or len(stored.content) <= limit:
        return stored
    return replace(stored, content=stored.content[:limit], whole=False)


class World:
    """An academy with a door: everyone of `PEOPLE` is in the pool, at <id>@example.org."""

    def __init__(self, **changes: Any) -> None:
        self.changes: dict[str, Any] = {
            "projects": ["land-cover", "climate-series"],
            "images": guard_cloud.images(),
            **changes,
        }
        self.academy = Academy(**self.changes)
        self.studio = Studio()
        self.ledger = ReadLedger()
        self.academy.cloud = self.studio
        self.academy.ledger = self.ledger
        self.academy.guard = replace(
            self.academy.guard,
            cloud=self.studio,
            ledger=guard_cloud.TroubledLedger(self.ledger, self.studio.trouble),
        )
        self.people = PEOPLE
        self.identity = FakeIdentity(
            [
                User(f"{person}--0a1b2c3d", f"{person}@example.org", (group,))
                for group, everyone in (
                    ("learners", ("ana", "ben", "chi")),
                    ("advisors", ("shelley",)),
                )
                for person in everyone
            ]
        )
        self.files = Files(self)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.broker_down = False
        self.door = Door(
            names=Names("earth"),
            settings=self._settings,
            people=lambda: self.people,
            prices=PriceList.snapshot(),
            ledger=self.ledger,
            cloud=self.files,
            broker=self,
            identity=self.identity,
            client=CLIENT,
            now=lambda: self.now,
        )

    @property
    def now(self) -> dt.datetime:
        return self.studio.now

    def _settings(self) -> tuple[Settings, CompetitionSettings]:
        text = settings_text(**self.changes)
        return Settings.from_json(text), CompetitionSettings.from_json(text)

    def ask(self, person: str, request: dict[str, Any]) -> Answer:
        """The broker, as the door's function reaches it: by an alias, in JSON."""
        if self.broker_down:
            raise Unavailable("the broker does not answer")
        sent = json.loads(json.dumps(request))
        self.asked.append((person, sent))
        return aws.understood(json.dumps(self.academy.ask(person, **sent)).encode())

    def move(self, **span: float) -> None:
        """Let time pass."""
        self.studio.move(dt.timedelta(**span))

    # --- HTTP -------------------------------------------------------------------------------------
    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the function answers to an event of the HTTP API."""
        before = handler._door
        handler._door = self.door
        try:
            return handler.door(event, None)
        finally:
            handler._door = before

    def browser(self, who: str = "") -> Browser:
        """A browser, in which `who` has signed in."""
        browser = Browser(self)
        if who:
            browser.cookies["__Host-session"] = self.identity.token(f"{who}--0a1b2c3d")
        return browser


def event(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    cookies: list[str] | None = None,
    body: str | None = None,
    encoded: bool = False,
) -> dict[str, Any]:
    """An event of payload format 2.0, as API Gateway makes it of a request."""
    path, _, query = path.partition("?")
    throttled = (method, path) in handler.THROTTLED
    route = f"{method} {path}" if throttled else "$default"
    given = {"host": HOST, **{k.lower(): v for k, v in (headers or {}).items()}}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": given,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "domainName": HOST,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "id",
            "routeKey": route,
            "stage": "$default",
            "time": "01/Dec/2026:09:00:00 +0000",
            "timeEpoch": 1796115600000,
        },
        "isBase64Encoded": encoded,
    }
    if cookies:
        made["cookies"] = cookies
    if query:
        made["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    if body is not None:
        made["body"] = body
    return made


@dataclass
class Seen:
    """An answer, as a browser has it."""

    status: int
    text: str
    headers: dict[str, str]
    cookies: list[str] = field(default_factory=list)

    @property
    def plain(self) -> str:
        """What can be read on the page, on one line."""
        body = re.sub(r"<(script|style|head)\b.*?</\1>", " ", self.text, flags=re.S)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    def csrf(self, action: str) -> str:
        """The hidden token of the form that is sent to `action`."""
        form = re.search(
            rf'<form[^>]*action="{re.escape(action)}".*?name="csrf" value="([^"]*)"',
            self.text,
            re.S,
        )
        assert form is not None, f"there is no form for {action}"
        return form[1]

    def has_form(self, action: str) -> bool:
        return f'action="{action}"' in self.text


class Browser:
    """Asks a world's door, and keeps its cookies."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.cookies: dict[str, str] = {}
        self.page = Seen(0, "", {})

    def ask(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        """One request, with no redirect followed."""
        sent = dict(headers or {})
        body = None
        if form is not None:
            body = urlencode(form)
            sent = {
                "content-type": "application/x-www-form-urlencoded",
                "origin": f"https://{HOST}",
                "sec-fetch-site": "same-origin",
                **sent,
            }
        sent = {name: value for name, value in sent.items() if value}
        cookies = [f"{name}={value}" for name, value in self.cookies.items()]
        answer = self._world.answer(event(method, path, headers=sent, cookies=cookies, body=body))
        for line in answer.get("cookies") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value
        text = str(answer.get("body") or "")
        if answer.get("isBase64Encoded"):
            raw = base64.b64decode(text)
            zipped = answer["headers"].get("Content-Encoding") == "gzip"
            text = (gzip.decompress(raw) if zipped else raw).decode()
        self.page = Seen(
            answer["statusCode"], text, dict(answer["headers"]), list(answer.get("cookies") or [])
        )
        return self.page

    def get(self, path: str) -> Seen:
        """A page, after the redirects within the door."""
        return self._follow(self.ask("GET", path))

    def send(self, action: str, **fields: str) -> Seen:
        """Send the form that the page at hand has for `action`, and follow."""
        return self._follow(self.post(action, **fields))

    def post(self, action: str, **fields: str) -> Seen:
        """Send it, and do not follow."""
        form = dict(fields)
        if action != "/sign-in":
            form = {"csrf": self.page.csrf(action), **form}
        return self.ask("POST", action, form)

    def _follow(self, seen: Seen) -> Seen:
        for _ in range(5):
            to = seen.headers.get("Location", "")
            if seen.status != 303 or not to.startswith("/"):
                return seen
            seen = self.ask("GET", to.partition("#")[0])
        raise AssertionError("it leads in a circle")


# --- to be looked at -----------------------------------------------------------------------------


def lively() -> World:
    """A world in which something has happened: spending, jobs, an open workspace, notes."""
    world = World()
    for day in range(12):
        instance = ("ml.t3.medium", "ml.g4dn.xlarge")[day % 3 == 2]
        world.academy.ask("ana", op="open_space", instance=instance)
        world.move(hours=1 + day % 3)
        world.academy.ask("ana", op="close_space")
        world.move(minutes=2)
        world.academy.sweep()
        if day % 2:
            world.academy.train("ana", f"{day:08x}" * 4)
            world.academy.train("ben", f"{day + 64:08x}" * 4, instance="ml.g5.xlarge")
        world.move(hours=5)
        world.academy.sweep()
        world.move(hours=15)
    world.academy.train("ana", "b" * 32)
    return world


@contextlib.contextmanager
def served(world: World, port: int = 0) -> Iterator[str]:
    """Serve the door on loopback; its address. Studio is there too, at /lab.

    /_as?ana signs in without a code, /_move?60 lets time pass.
    """
    # A browser keeps connections that it may never use: each has a thread.
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(world))
    address = f"http://127.0.0.1:{server.server_port}"
    world.door = replace(world.door, offline=True)
    world.studio.base = f"{address}/lab?token={{domain}}-{{number}}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length).decode() if length else None
            with one_at_a_time:
                self._serve(path, query, body)

        def _serve(self, path: str, query: str, body: str | None) -> None:
            if path == "/lab":
                self._send(200, [("Content-Type", "text/html")], LAB)
            elif path == "/_as":
                who, _, to = query.partition("&")
                given = world.identity.token(f"{who}--0a1b2c3d")
                cookie = f"__Host-session={given}; Path=/; Secure; HttpOnly; SameSite=Lax"
                self._send(303, [("Location", to or "/"), ("Set-Cookie", cookie)], b"")
            elif path == "/_move":
                world.move(seconds=float(query))
                self._send(200, [], b"")
            else:
                self._door(body)

        def _door(self, body: str | None) -> None:
            given = (self.headers.get("cookie") or "").split(";")
            headers = {k: v for k, v in self.headers.items() if k.lower() != "cookie"}
            answer = world.answer(
                event(
                    self.command,
                    self.path,
                    headers=headers,
                    cookies=[each.strip() for each in given if each.strip()],
                    body=body,
                )
            )
            raw = str(answer.get("body") or "").encode()
            if answer.get("isBase64Encoded"):
                raw = base64.b64decode(raw)
            sent = list(answer["headers"].items())
            sent += [("Set-Cookie", cookie) for cookie in answer.get("cookies") or []]
            self._send(answer["statusCode"], sent, raw)

        def _send(self, status: int, headers: list[tuple[str, str]], raw: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_HEAD = _do  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


if __name__ == "__main__":
    with served(lively(), int(sys.argv[1]) if len(sys.argv) > 1 else 4630) as at:
        print(f"{at}/_as?ana")
        threading.Event().wait()
