"""The door's Lambda function: which path leads where. What happens there stands in `visits`."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.competition.settings import CompetitionSettings
from infra.services.door import people, requests
from infra.services.door.aws import AwsCloud, AwsLedger
from infra.services.door.context import People, Unavailable
from infra.services.door.entrance.hosted import CognitoHost
from infra.services.door.entrance.identity import Cognito
from infra.services.door.entrance.provider import Provider
from infra.services.door.entrance.sessions import Client
from infra.services.door.pages import advisors, budget, competition, help, home, team
from infra.services.door.requests import BadRequest, Request
from infra.services.door.visits import Door, Reply, Visit
from infra.services.guard.problems import Misconfigured
from infra.services.guard.settings import Settings

# Ours alone: boto3 says much at this level.
logging.getLogger("infra").setLevel(logging.INFO)
log = logging.getLogger(__name__)

T = TypeVar("T")

#: Settings and people are read anew after so long: a new date takes effect without a deploy. Who is
#: signed in is asked on every request.
KEPT_SECONDS = 60.0
#: Characters of an answer that is not worth compressing.
SMALL = 1000

app = APIGatewayHttpResolver()
_door: Door | None = None

#: Method, path and what it leads to; a name in <> is handed on, as it was typed.
ROUTES: tuple[tuple[str, str, Callable[..., Reply]], ...] = (
    ("GET", "/", lambda v: v.start()),
    ("POST", "/sign-in", lambda v: v.sign_in()),
    ("GET", "/code", lambda v: v.code_page()),
    ("POST", "/code", lambda v: v.redeem()),
    ("GET", "/provider", lambda v: v.begin_at_provider()),
    ("GET", "/signed-in", lambda v: v.back_from_provider()),
    ("POST", "/sign-out", lambda v: v.sign_out()),
    ("POST", "/open", lambda v: v.sent(home.open_space)),
    ("POST", "/stay", lambda v: v.sent(home.stay)),
    ("POST", "/close", lambda v: v.sent(home.close)),
    ("POST", "/enter", lambda v: v.enter()),
    ("GET", "/space.json", lambda v: v.space()),
    ("GET", "/budget", lambda v: v.page(budget.budget)),
    ("GET", "/help", lambda v: v.page(help.help_page)),
    ("GET", "/assets/<name>", lambda v, name: v.asset(name)),
    ("GET", "/competition", lambda v: v.page(competition.overview)),
    (
        "GET",
        "/competition/<project>",
        lambda v, project: v.page(lambda ctx: competition.project(ctx, project)),
    ),
    ("GET", "/team", lambda v: v.page(team.team)),
    ("GET", "/team/notebooks/<name>", lambda v, name: v.page(lambda ctx: team.notebook(ctx, name))),
    ("GET", "/team/jobs/<job>", lambda v, job: v.page(lambda ctx: team.job(ctx, job))),
    ("GET", "/advisors", lambda v: v.advisors_page(advisors.overview)),
    (
        "GET",
        "/advisors/<team>",
        lambda v, team: v.advisors_page(lambda ctx: advisors.team(ctx, team)),
    ),
    (
        "GET",
        "/advisors/<team>/notebooks/<name>",
        lambda v, team, name: v.advisors_page(lambda ctx: advisors.notebook(ctx, team, name)),
    ),
    (
        "POST",
        "/advisors/<team>/notes",
        lambda v, team: v.sent(lambda ctx, form: advisors.note(ctx, team, form), advisors=True),
    ),
)
#: What API Gateway throttles apart from pages (the Door stack's routes): under another spelling of
#: the path they would come by the route of everything, which lets ten times as many through.
THROTTLED = (
    ("POST", "/sign-in"),
    ("POST", "/code"),
    ("GET", "/provider"),
    ("GET", "/signed-in"),
)
#: What a browser asks for after it was reloaded on the answer to a form.
FORMS = ("/sign-in", "/sign-out", "/open", "/stay", "/close", "/enter")


def door(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers one request of the HTTP API."""
    method = str(event["requestContext"]["http"]["method"]).upper()
    if method == "HEAD":
        asked = {**event["requestContext"]["http"], "method": "GET"}
        event = {**event, "requestContext": {**event["requestContext"], "http": asked}}
    app.append_context(event=event)  # type: ignore[no-untyped-call]
    answer: dict[str, Any] = app.resolve(event, context)
    if method == "HEAD":
        answer["body"] = ""
    return answer


def _answer(make: Callable[[Visit], Reply]) -> Response[str]:
    """What `make` says of the request at hand, as powertools hands it back to API Gateway."""
    begun = time.monotonic()
    event = app.context["event"]
    visit = Visit(_the_door(), Request("GET", "/"))
    try:
        visit = Visit(visit.door, requests.read(event))
        reply = make(visit)
    except BadRequest as error:
        reply = visit.bad(error)
    except (Unavailable, Misconfigured) as error:
        log.error("unavailable: %s", error)
        reply = visit.unavailable()
    except Exception:
        # Nobody reads a stack trace but the admin, in the log.
        log.exception("a page failed")
        reply = visit.failed()
    _say(
        "visit",
        method=str(event["requestContext"]["http"]["method"]),
        route=_rule_of(str(event["rawPath"])),
        who=reply.who or None,
        status=reply.status,
        milliseconds=round(1000 * (time.monotonic() - begun)),
    )
    return Response(
        reply.status,
        content_type=reply.kind,
        body=reply.body,
        headers=dict(reply.headers),
        cookies=list(reply.cookies),  # type: ignore[arg-type] # it writes them as text, as they are
        compress=len(reply.body) > SMALL,
    )


def _route(method: str, path: str, make: Callable[..., Reply]) -> None:
    def answer(**names: str) -> Response[str]:
        given = {name: unquote(value) for name, value in names.items()}
        if (method, path) in THROTTLED and app.context["event"]["routeKey"] != f"{method} {path}":
            return _answer(lambda visit: visit.not_found())
        return _answer(lambda visit: make(visit, **given))

    app.route(path, method=method)(answer)


for _method, _path, _make in ROUTES:
    _route(_method, _path, _make)


@app.not_found
def _not_found(_error: Exception) -> Response[str]:
    http = app.context["event"]["requestContext"]["http"]
    method, path = str(http["method"]).upper(), str(app.context["event"]["rawPath"])
    allowed = [known for known, rule, _ in ROUTES if _pattern(rule).fullmatch(path)]
    if method == "GET" and path in FORMS:
        return _answer(lambda visit: visit.to_home())
    # By one of these it is a name that no page has, with a sign that powertools takes in none.
    if allowed and method not in allowed:
        return _answer(lambda visit: visit.not_allowed(", ".join(allowed)))
    return _answer(lambda visit: visit.not_found())


def _pattern(rule: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\w+>", "[^/]+", re.escape(rule)))


def _rule_of(path: str) -> str:
    """The rule that a path falls under: what people typed stays out of the log."""
    rules = [rule for _, rule, _ in ROUTES if _pattern(rule).fullmatch(path)]
    return rules[0] if rules else "none"


# --- what the door has at hand -------------------------------------------------------------------


def _the_door() -> Door:
    global _door
    _door = _door or _built()
    return _door


def _built() -> Door:
    variable = os.environ
    names = Names(variable["COHORT"])
    cloud = AwsCloud(
        cohort=names.cohort,
        broker=variable["BROKER"],
        work=variable["WORK_BUCKET"],
        site=variable["SITE_BUCKET"],
    )

    def settings() -> tuple[Settings, CompetitionSettings]:
        text = cloud.parameter(variable["SETTINGS_PARAMETER"])
        found = Settings.from_json(text)
        if found.cohort != names.cohort:
            raise Misconfigured(f"the settings are of cohort {found.cohort}")
        return found, CompetitionSettings.from_json(text)

    def everyone() -> People:
        count = int(variable["PEOPLE_PAGES"])
        return people.read(
            cloud.parameter(names.people_parameter(page)) for page in range(1, count + 1)
        )

    return Door(
        names=names,
        settings=_kept(settings),
        people=_kept(everyone),
        prices=PriceList.snapshot(),
        ledger=AwsLedger(variable["LEDGER_TABLE"]),
        cloud=cloud,
        broker=cloud,
        identity=Cognito(variable["USER_POOL_CLIENT"]),
        client=Client(variable["USER_POOL_CLIENT"], variable.get("USER_POOL", "")),
        now=lambda: dt.datetime.now(dt.UTC),
        offline="AWS_ENDPOINT_URL" in variable,
        provider=(known := _provider(variable)),
        hosted=CognitoHost(known, variable["USER_POOL"]) if known else None,
    )


def _provider(variable: Mapping[str, str]) -> Provider | None:
    """The organisation's provider, if the cohort file names one."""
    if "PROVIDER" not in variable:
        return None
    domain, offline = variable["PROVIDER_DOMAIN"], variable.get("AWS_ENDPOINT_URL")
    return Provider(
        name=variable["PROVIDER"],
        client=variable["PROVIDER_CLIENT"],
        pool=variable["PROVIDER_POOL"],
        # The embedded cloud has one address for all of AWS's.
        host=f"{offline}/_academy/auth/{domain}"
        if offline
        else f"https://{domain}.auth.{variable['AWS_REGION']}.amazoncognito.com",
        address=variable["ADDRESS"],
    )


def _kept(read: Callable[[], T]) -> Callable[[], T]:
    """`read`, asked again after `KEPT_SECONDS`."""
    kept: list[tuple[float, T]] = []

    def current() -> T:
        if not kept or time.monotonic() - kept[0][0] > KEPT_SECONDS:
            kept[:] = [(time.monotonic(), read())]
        return kept[0][1]

    return current


def _say(what: str, **members: Any) -> None:
    log.info(json.dumps({"what": what, **{k: v for k, v in members.items() if v is not None}}))
