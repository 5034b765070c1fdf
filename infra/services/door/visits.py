"""One request from end to end: who asks, whether it counts, the page, and what goes out with it.

Nothing of it knows AWS or a framework. What a page needs is handed to it with the person that
Cognito named, and with a way to the broker that asks as that person and as nobody else.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.competition.settings import CompetitionSettings
from infra.services.door.context import (
    Answer,
    Cloud,
    Form,
    Here,
    Ledger,
    NotFound,
    Page,
    PageContext,
    People,
    Person,
    Redirect,
    Refusal,
    Unavailable,
)
from infra.services.door.entrance import provider, security, sessions, signing_in
from infra.services.door.entrance.provider import Hosted, Provider
from infra.services.door.entrance.sessions import (
    Client,
    Identity,
    Pace,
    SignedOut,
    TooOften,
    WrongCode,
)
from infra.services.door.look import assets
from infra.services.door.pages import fill, framed, home
from infra.services.door.reading import workspaces
from infra.services.door.requests import BadRequest, Request, address, code
from infra.services.guard.settings import Settings

log = logging.getLogger(__name__)

#: Within so long an address gets so many codes that one sender asks for, and so many that all do:
#: a stranger who asks for hers leaves her some to ask for. A code has so many tries, and a sender
#: so many of either: two hundred people in a building share one, and some mistype.
WINDOW = dt.timedelta(minutes=15)
CODES, OF_A_MAILBOX, TRIES, OF_A_SENDER = 5, 20, 8, 600

_MENU: tuple[tuple[Here, str], ...] = (
    ("/", "Home"),
    ("/budget", "Budget"),
    ("/competition", "Competition"),
    ("/team", "Team"),
    ("/advisors", "Teams"),
    ("/help", "Help"),
)
_SORRY = "The academy could not do this just now. Nothing is lost: try again in a minute."
_ELSEWHERE = (
    "This form was not sent from a page of this door, or that page is too old. Go back, load it "
    "anew, and try again."
)
_OFTEN = "There were too many sign-ins from where you are. Try again in some minutes."
_WRONG = "That is not the code, or it counts no more. Try again, or ask for a new one."

_MESSAGE = """\
<h1>{{ title }}</h1>
<p>{{ message }}</p>
<p><a class="button" href="/">Home</a></p>
"""


class Asks(Protocol):
    """The way to the broker: `guard.broker` says what it answers."""

    def ask(self, person: str, request: dict[str, Any]) -> Answer: ...


@dataclass(frozen=True)
class Door:
    """What a deployed door has at hand.

    Attributes:
        offline: whether it stands on the machine of whoever uses it, where Studio does too.
        provider: the organisation's own, if the cohort file names one; then `hosted`, too.
    """

    names: Names
    settings: Callable[[], tuple[Settings, CompetitionSettings]]
    people: Callable[[], People]
    prices: PriceList
    ledger: Ledger
    cloud: Cloud
    broker: Asks
    identity: Identity
    client: Client
    now: Callable[[], dt.datetime]
    offline: bool = False
    provider: Provider | None = None
    hosted: Hosted | None = None
    codes: Pace = field(default_factory=lambda: Pace(CODES, WINDOW))
    mailboxes: Pace = field(default_factory=lambda: Pace(OF_A_MAILBOX, WINDOW))
    tries: Pace = field(default_factory=lambda: Pace(TRIES, WINDOW))
    senders: Pace = field(default_factory=lambda: Pace(OF_A_SENDER, WINDOW))


@dataclass(frozen=True)
class Reply:
    """An answer of HTTP. `who` is for the log."""

    status: int
    body: str = ""
    kind: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    who: str = ""


@dataclass(frozen=True)
class Visit:
    """A request to a door."""

    door: Door
    request: Request

    # --- pages ------------------------------------------------------------------------------------
    def page(self, make: Callable[[PageContext], Page]) -> Reply:
        """A page for who is signed in; for who is not, the way to the sign-in."""
        try:
            ctx = self._context()
        except SignedOut:
            return self._to_sign_in()
        return self._guarded(ctx, lambda: make(ctx))

    def advisors_page(self, make: Callable[[PageContext], Page]) -> Reply:
        """A page that is there for advisors alone."""

        def only(ctx: PageContext) -> Page:
            if not ctx.person.advises:
                raise NotFound
            return make(ctx)

        return self.page(only)

    def sent(
        self, make: Callable[[PageContext, Form], Page | Redirect], *, advisors: bool = False
    ) -> Reply:
        """What a form asks for, if it was sent from here by who is signed in."""
        if not self._from_here():
            return self._refused(403, _ELSEWHERE)
        try:
            ctx = self._context()
        except SignedOut:
            return self._to_sign_in()
        if not self._has_csrf(security.SESSION):
            return self._refused(403, _ELSEWHERE)

        def act() -> Page | Redirect:
            if advisors and not ctx.person.advises:
                raise NotFound
            return make(ctx, self.request.form)

        return self._guarded(ctx, act)

    def start(self) -> Reply:
        """Home, or for who is not signed in the page that asks for an address."""
        try:
            ctx = self._context()
        except SignedOut:
            told = "You are signed out." if "out" in self.request.query else ""
            dropped = self._dropped(security.SESSION)
            return self._shown(self._sign_in_page(told=told), cookies=dropped)
        return self._guarded(ctx, lambda: home.home(ctx))

    def space(self) -> Reply:
        """How the workspace is, for the page's script."""
        try:
            ctx = self._context()
        except SignedOut:
            return self._data(401, {"error": "signed out"})
        if not ctx.has_space:
            return self._data(404, {"error": "no workspace"}, ctx.person.id)
        return self._data(200, workspaces.look(ctx).document(), ctx.person.id)

    def enter(self) -> Reply:
        """Into Studio: the address stands in this one answer, and nowhere else."""

        def into(ctx: PageContext) -> Redirect:
            url = home.into_studio(ctx, offline=self.door.offline)
            return Redirect(url or "/")

        return self.sent(lambda ctx, _form: _refusal_on_home(ctx, into))

    def to_home(self) -> Reply:
        """Home, by its own address."""
        return self._redirected("/")

    def asset(self, name: str) -> Reply:
        """The style sheet or the script."""
        found = assets.ALL.get(name)
        if found is None:
            return self.not_found()
        headers = {**security.headers(cache=assets.CACHE), "Vary": "Accept-Encoding"}
        return Reply(200, found.text, found.kind, headers)

    # --- signing in and out -----------------------------------------------------------------------
    def sign_in(self) -> Reply:
        """Send a code to the address, and say the same whether there is such a person or not."""
        if not self._from_here():
            return self._refused(403, _ELSEWHERE)
        given = address(self.request.form)
        if given is None:
            page = self._sign_in_page(
                problem="That is no e-mail address. Type it as name@example.org.",
                email=self.request.form.get("email", "")[:254],
                status=400,
            )
            return self._shown(page)
        now = self.door.now()
        try:
            self.door.senders.take(self.request.source, now)
            self.door.codes.take(f"{given} {self.request.source}", now)
            self.door.mailboxes.take(given, now)
            waiting = self.door.identity.send_code(given)
        except TooOften:
            page = self._sign_in_page(
                problem="So many codes were asked for that there are no more for now. Use the "
                "latest, or wait a quarter of an hour.",
                email=given,
                status=429,
            )
            return self._shown(page)
        except Unavailable as error:
            log.error("no code: %s", error)
            page = self._sign_in_page(problem=_SORRY, email=given, status=503)
            return self._shown(page)
        kept = security.cookie(security.CODE, waiting.text(), security.CODE_SECONDS, "Strict")
        return self._redirected("/code", (kept,))

    def code_page(self) -> Reply:
        """The page that asks for the code that was sent."""
        secret = self.request.cookies.get(security.CODE, "")
        if sessions.Waiting.read(secret) is None:
            return self._redirected("/")
        return self._shown(signing_in.code(self._cohort, security.csrf(secret)))

    def redeem(self) -> Reply:
        """Sign in by the code."""
        if not self._from_here():
            return self._refused(403, _ELSEWHERE)
        secret = self.request.cookies.get(security.CODE, "")
        waiting = sessions.Waiting.read(secret)
        if waiting is None:
            page = self._sign_in_page(
                problem="The code counts in the browser in which it was asked for, for ten "
                "minutes. Ask for a new one.",
                status=400,
            )
            return self._shown(page, cookies=self._dropped(security.CODE))
        if not self._has_csrf(security.CODE):
            return self._refused(403, _ELSEWHERE)

        def again(problem: str, status: int) -> Reply:
            page = signing_in.code(
                self._cohort, security.csrf(secret), problem=problem, status=status
            )
            return self._shown(page)

        given = code(self.request.form)
        if given is None:
            return again("A code is a number of eight digits. Type it as it stands there.", 400)
        now = self.door.now()
        try:
            self.door.senders.take(self.request.source, now)
            self.door.tries.take(waiting.counted, now)
            token = self.door.identity.redeem(waiting, given)
            person = self._person(token)
        except WrongCode:
            return again(_WRONG, 400)
        except TooOften:
            page = self._sign_in_page(
                problem="That code was tried too often. Ask for a new one in some minutes.",
                status=429,
            )
            return self._shown(page, cookies=self._dropped(security.CODE))
        except SignedOut:
            page = self._sign_in_page(
                problem="You are known, but not in this cohort any more, or not yet. Ask your "
                "admin.",
                status=403,
            )
            return self._shown(page, cookies=self._dropped(security.CODE))
        except Unavailable as error:
            log.error("no sign-in: %s", error)
            return again(_SORRY, 503)
        kept = security.cookie(security.SESSION, token, security.SESSION_SECONDS, "Lax")
        return self._redirected("/", (kept, security.no_cookie(security.CODE)), who=person.id)

    def begin_at_provider(self) -> Reply:
        """To the organisation's own provider, if there is one."""
        if self.door.provider is None:
            return self.not_found()
        try:
            self.door.senders.take(self.request.source, self.door.now())
        except TooOften:
            return self._shown(self._sign_in_page(problem=_OFTEN, status=429))
        begun = provider.Begun.new()
        # Lax: it comes back from another site.
        kept = security.cookie(security.PROVIDER, begun.text(), security.PROVIDER_SECONDS, "Lax")
        return self._redirected(self.door.provider.begins(begun), (kept,))

    def back_from_provider(self) -> Reply:
        """Sign in by what the provider says, if this browser had begun it."""
        known, hosted = self.door.provider, self.door.hosted
        if known is None or hosted is None:
            return self.not_found()
        dropped = self._dropped(security.PROVIDER)
        name = known.name

        def refused(problem: str, status: int) -> Reply:
            return self._shown(self._sign_in_page(problem=problem, status=status), cookies=dropped)

        begun = provider.Begun.read(self.request.cookies.get(security.PROVIDER))
        tokens = None
        try:
            self.door.senders.take(self.request.source, self.door.now())
            if begun is None:
                raise provider.NotBegun
            tokens = hosted.exchange(begun.code(self.request.query), begun.verifier)
            person = self._person(tokens.access)
        except provider.NotBegun:
            return refused(
                "This sign-in was not begun in this browser, or more than ten minutes ago. Begin "
                "again.",
                400,
            )
        except provider.NotSignedIn as error:
            log.info("no sign-in by the provider: %s", error)
            return refused(
                f"{name} did not sign you in. Try again, or ask for a code by mail.", 403
            )
        except provider.NoGood:
            return refused("This sign-in has been used, or took too long. Begin again.", 400)
        except SignedOut:
            self._end(tokens.refresh if tokens else "")
            return refused(
                f"{name} knows you, but this cohort does not, by the address that {name} has "
                "checked for you. Ask your admin.",
                403,
            )
        except TooOften:
            return refused(_OFTEN, 429)
        except Unavailable as error:
            log.error("no sign-in by the provider: %s", error)
            return refused(_SORRY, 503)
        kept = (
            security.cookie(security.SESSION, tokens.access, security.SESSION_SECONDS, "Lax"),
            security.cookie(security.REFRESH, tokens.refresh, security.SESSION_SECONDS, "Strict"),
        )
        return self._redirected("/", (*kept, *dropped), who=person.id)

    def _end(self, refresh: str) -> None:
        """End what somebody got who is nobody here: a token of theirs is of no use to anybody."""
        try:
            if self.door.hosted is not None:
                self.door.hosted.revoke(refresh)
        except Unavailable as error:
            log.error("a token was not ended: %s", error)

    def sign_out(self) -> Reply:
        """End this person's sessions: by a code, in every browser; by the provider, in this one."""
        if not self._from_here():
            return self._refused(403, _ELSEWHERE)
        token = self.request.cookies.get(security.SESSION)
        mine = (security.SESSION, security.CODE)
        dropped = (*map(security.no_cookie, mine), *self._dropped(security.REFRESH))
        if token is None:
            # There may be some all the same: two of a name count as none.
            return self._redirected("/?out", dropped)
        if not self._has_csrf(security.SESSION):
            return self._refused(403, _ELSEWHERE)
        try:
            if self.door.provider is not None and self.door.provider.made(token):
                if self.door.hosted is not None:
                    self.door.hosted.revoke(self.request.cookies.get(security.REFRESH, ""))
            else:
                self.door.identity.end(token)
        except Unavailable as error:
            log.error("no sign-out: %s", error)
            page = self._message(
                "Signed out in this browser",
                "Other browsers could not be signed out just now; their session ends after twelve "
                "hours at the latest.",
                status=503,
            )
            return self._shown(page, cookies=dropped)
        return self._redirected("/?out", dropped)

    # --- what goes wrong --------------------------------------------------------------------------
    def not_found(self) -> Reply:
        """There is no such page."""
        return self._refused(404, "There is no such page, or it is not yours to see.", "Not found")

    def not_allowed(self, allowed: str) -> Reply:
        """There is one, but it is not asked for like this."""
        reply = self._refused(405, "This page is not asked for like this.", "Not possible")
        return Reply(
            reply.status, reply.body, headers={**reply.headers, "Allow": allowed}, who=reply.who
        )

    def bad(self, error: BadRequest) -> Reply:
        """No page of the door asks like this."""
        return self._refused(error.status, error.message)

    def unavailable(self) -> Reply:
        """What the door stands on does not answer; the admin's log says what."""
        return self._refused(503, _SORRY, "Not just now")

    def failed(self) -> Reply:
        """Something broke; the admin's log says what."""
        return self._refused(500, _SORRY)

    # --- parts ------------------------------------------------------------------------------------
    @property
    def _cohort(self) -> str:
        return self.door.names.cohort

    def _person(self, token: str | None) -> Person:
        known, hosted = self.door.provider, self.door.hosted
        if known is not None and hosted is not None and known.made(token):
            return provider.person_of(token, hosted, self.door.people(), known)
        return sessions.person_of(token, self.door.identity, self.door.people(), self.door.client)

    def _sign_in_page(self, **members: Any) -> Page:
        name = self.door.provider.name if self.door.provider else ""
        return signing_in.sign_in(self._cohort, provider=name, **members)

    def _context(self) -> PageContext:
        token = self.request.cookies.get(security.SESSION)
        person = self._person(token)
        settings, competition = self.door.settings()
        return PageContext(
            person=person,
            now=self.door.now(),
            settings=settings,
            competition=competition,
            names=self.door.names,
            people=self.door.people(),
            prices=self.door.prices,
            ledger=self.door.ledger,
            cloud=self.door.cloud,
            ask=lambda request: self.door.broker.ask(person.id, request),
            csrf=security.csrf(token or ""),
            query=self.request.query,
        )

    def _guarded(self, ctx: PageContext, make: Callable[[], Page | Redirect]) -> Reply:
        """What `make` gives, or why there is nothing, with the person's menu around it."""
        try:
            made = make()
        except NotFound:
            made = self._message(
                "Not found", "There is no such page, or it is not yours to see.", status=404
            )
        except Refusal as refusal:
            made = self._message("That did not work", refusal.message, status=409)
        except Unavailable as error:
            log.error("unavailable for %s: %s", ctx.person.id, error)
            made = self._message("Not just now", _SORRY, status=503)
        if isinstance(made, Redirect):
            return self._redirected(made.to, who=ctx.person.id)
        return self._shown(made, ctx)

    def _from_here(self) -> bool:
        asked = self.request
        return security.from_here(asked.host, asked.origin, asked.fetch_site)

    def _has_csrf(self, cookie: str) -> bool:
        given = self.request.form.get("csrf", "")
        return security.is_csrf(given, self.request.cookies.get(cookie, ""))

    def _dropped(self, cookie: str) -> tuple[str, ...]:
        return (security.no_cookie(cookie),) if cookie in self.request.cookies else ()

    def _to_sign_in(self) -> Reply:
        return self._redirected("/", self._dropped(security.SESSION))

    def _message(self, title: str, message: str, *, status: int) -> Page:
        return Page(title, fill(_MESSAGE, title=title, message=message), status=status)

    def _refused(self, status: int, message: str, title: str = "That did not work") -> Reply:
        return self._shown(self._message(title, message, status=status))

    def _redirected(self, to: str, cookies: tuple[str, ...] = (), *, who: str = "") -> Reply:
        headers = {**security.headers(), "Location": to}
        if not to.startswith("/"):
            headers["Referrer-Policy"] = "no-referrer"
        return Reply(303, headers=headers, cookies=cookies, who=who)

    def _data(self, status: int, document: dict[str, Any], who: str = "") -> Reply:
        text = json.dumps(document, separators=(",", ":"))
        return Reply(status, text, "application/json", security.headers(), who=who)

    def _shown(
        self, page: Page, ctx: PageContext | None = None, cookies: tuple[str, ...] = ()
    ) -> Reply:
        text = framed(
            title=page.title,
            cohort=self._cohort,
            style=assets.STYLE_SHEET.name,
            script=assets.SCRIPT_FILE.name if page.script else "",
            refresh=page.refresh,
            person=ctx.person.id if ctx else "",
            menu=_menu(ctx) if ctx else (),
            here=page.here,
            csrf=ctx.csrf if ctx else "",
            body=page.body,
        )
        studio = ("https:", "http://127.0.0.1:*") if self.door.offline else ("https:",)
        headers = security.headers(form_action=studio if page.enters else ())
        who = ctx.person.id if ctx else ""
        return Reply(page.status, text, headers=headers, cookies=cookies, who=who)


def _refusal_on_home(ctx: PageContext, act: Callable[[PageContext], Redirect]) -> Page | Redirect:
    try:
        return act(ctx)
    except Refusal as refusal:
        return home.home(ctx, refusal.message, 503 if refusal.code == "unavailable" else 409)


def _menu(ctx: PageContext) -> tuple[tuple[Here, str], ...]:
    hidden: set[Here] = {"/team" if ctx.person.advises else "/advisors"}
    if not ctx.has_space:
        hidden.add("/budget")
    return tuple(entry for entry in _MENU if entry[0] not in hidden)
