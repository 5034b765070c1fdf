"""What is wrong between the fields of a cohort file, however much is wrong within them.

Works on the file as it was read, not on the models, and passes over what is not well-formed: so one
misspelt date does not hide a learner who stands in two teams, and a check reports all at once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.cohort import naming
from infra.cohort.model import Cohort
from infra.cohort.prices import MICRO_DOLLARS, Component, PriceList


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a cohort file: where, what stands there, why not, and what would do."""

    path: str
    value: str
    message: str
    remedy: str


def findings(document: dict[str, Any]) -> list[Finding]:
    """What is wrong between fields that are each well-formed."""
    return [
        *_dates(document),
        *_doubled_ids(document),
        *_reserved_ids(document),
        *_instances(document),
        *_door(document),
        *_provider(document),
        *_names(document),
    ]


def warnings(cohort: Cohort, *, today: dt.date) -> list[str]:
    """What is right by every rule and is hardly meant."""
    found = []
    if cohort.ends < today:
        found.append(f"the cohort ended on {cohort.ends}: every learner would be refused")
    elif cohort.competition.closes < today:
        found.append(f"the competition closed on {cohort.competition.closes}")
    prices = PriceList.snapshot()
    hour = min(
        prices.micro_usd_per_hour(cohort.region, "studio", instance)
        for instance in cohort.studio.instances
    )
    for member in ("per_learner_usd", "per_advisor_usd"):
        cap = getattr(cohort.budget, member)
        if cap is not None and int(cap * MICRO_DOLLARS) < hour:
            found.append(
                f"budget.{member} ({cap}) does not pay for an hour of the cheapest space "
                f"({hour / MICRO_DOLLARS:.2f})"
            )
    if cohort.budget.per_advisor_usd is not None and not cohort.advisors:
        found.append("budget.per_advisor_usd pays for nobody: the file lists no advisors")
    return found


def _dates(document: dict[str, Any]) -> Iterator[Finding]:
    starts, ends = _date(document.get("starts")), _date(document.get("ends"))
    closes = _date(_mapping(document.get("competition")).get("closes"))
    if starts and ends and ends <= starts:
        yield Finding("ends", str(ends), f"not after starts ({starts})", "a later date")
    if starts and ends and closes and starts < ends and not starts < closes <= ends:
        yield Finding(
            "competition.closes",
            str(closes),
            "outside the cohort's dates",
            f"a date after {starts} and not after {ends}",
        )


def _doubled_ids(document: dict[str, Any]) -> Iterator[Finding]:
    """Ids are unique over advisors, teams and learners: each names roles and folders."""
    first: dict[str, str] = {}
    for path, value in _ids(document):
        if value in first:
            yield Finding(path, value, f"the same id as {first[value]}", "an id of its own")
        else:
            first[value] = path


def _reserved_ids(document: dict[str, Any]) -> Iterator[Finding]:
    """Ids that the academy uses itself: of lines on a board, and of jobs that admins run again."""
    for t, team in enumerate(_list(document.get("teams"))):
        for path, value in _one_id(f"teams[{t}].id", team):
            if value in naming.MARK_TEAMS:
                yield Finding(path, value, "reserved: a line on the board has it", "another id")
            elif value == naming.EVERYONE:
                yield Finding(path, value, "reserved: what all teams share has it", "another id")
        for index, learner in enumerate(_list(_mapping(team).get("learners"))):
            for path, value in _one_id(f"teams[{t}].learners[{index}].id", learner):
                if value == naming.RERUN:
                    yield Finding(path, value, "reserved: jobs that are run again", "another id")


def _instances(document: dict[str, Any]) -> Iterator[Finding]:
    prices = PriceList.snapshot()
    region = document.get("region")
    # With a region that is wrong itself, a type is held against those of any region.
    regions = [str(region)] if region in prices.regions() else prices.regions()
    components: tuple[Component, ...] = ("studio", "training")
    for component in components:
        known = list(dict.fromkeys(t for r in regions for t in prices.types(r, component)))
        instances = _list(_mapping(document.get(component)).get("instances"))
        for index, instance in enumerate(instances):
            path = f"{component}.instances[{index}]"
            if not isinstance(instance, str):
                continue
            if instance not in known:
                remedy = f"one of {', '.join(known)}"
                yield Finding(path, instance, f"no {component} price is known", remedy)
            elif instance in instances[:index]:
                yield Finding(path, instance, "listed twice", "each type once")


def _door(document: dict[str, Any]) -> Iterator[Finding]:
    """Who signs in by an address is who it belongs to: two people cannot have one."""
    door = _mapping(document.get("door"))
    if not door:
        return
    first: dict[str, str] = {}
    for path, email in _addresses(document):
        if email.lower() in first:
            yield Finding(
                path,
                email,
                f"the same address as {first[email.lower()]}: the door tells people apart by it",
                "an address of their own",
            )
        else:
            first[email.lower()] = path
    sender, identity = door.get("from"), door.get("identity")
    if isinstance(sender, str) and isinstance(identity, str) and identity != sender:
        domain = sender.rpartition("@")[2]
        if domain != identity and not domain.endswith(f".{identity}"):
            yield Finding(
                "door.identity",
                identity,
                f"{sender} is no address of it",
                f"what SES has verified: {sender}, or its domain {domain}",
            )


def _provider(document: dict[str, Any]) -> Iterator[Finding]:
    """What a provider asks of the rest of the file.

    Source: "Using the Amazon Cognito domain for managed login", Cognito developer guide: words that
    a domain prefix must not have. It begins with the cohort's name.
    """
    if not _mapping(document.get("door")).get("provider"):
        return
    cohort = document.get("name")
    for word in ("aws", "amazon", "cognito"):
        if isinstance(cohort, str) and word in cohort:
            yield Finding(
                "name",
                cohort,
                f"door.provider needs a domain of Cognito's, which takes no name with {word!r}",
                f"a name without {word!r}",
            )
    for path, email in _addresses(document):
        if not email.isascii():
            yield Finding(
                path,
                email,
                "not in ASCII: what looks the same may be another address, and the door refuses it "
                "from a provider",
                "the address in ASCII, as the provider has it",
            )


def _addresses(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Everyone's address, with its place."""
    for index, advisor in enumerate(_list(document.get("advisors"))):
        yield from _one_member(f"advisors[{index}]", advisor, "email")
    for t, team in enumerate(_list(document.get("teams"))):
        for index, learner in enumerate(_list(_mapping(team).get("learners"))):
            yield from _one_member(f"teams[{t}].learners[{index}]", learner, "email")


def _names(document: dict[str, Any]) -> Iterator[Finding]:
    cohort = document.get("name")
    if not _well_formed(cohort, naming.COHORT_MIN, naming.COHORT_MAX):
        return
    teams: list[tuple[str, list[str]]] = []
    for team in map(_mapping, _list(document.get("teams"))):
        learners = [_mapping(person).get("id") for person in _list(team.get("learners"))]
        if _well_formed(team.get("id"), 1, naming.ID_MAX):
            well_formed = [str(x) for x in learners if _well_formed(x, 1, naming.ID_MAX)]
            teams.append((str(team["id"]), well_formed))
    advisors = [_mapping(person).get("id") for person in _list(document.get("advisors"))]
    if _mapping(document.get("budget")).get("per_advisor_usd") is None:
        advisors = []
    spaced = [str(x) for x in advisors if _well_formed(x, 1, naming.ID_MAX)]
    for kind, name in naming.Names(str(cohort)).every(
        teams,
        advisors=spaced,
        isolation=str(document.get("isolation", "learner")),
        door=bool(document.get("door")),
        provider=bool(_mapping(document.get("door")).get("provider")),
    ):
        if why := naming.illegal(kind, name):
            yield Finding("name", str(cohort), why, "shorter ids of cohort, team or learner")


def _ids(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for index, advisor in enumerate(_list(document.get("advisors"))):
        yield from _one_id(f"advisors[{index}].id", advisor)
    for t, team in enumerate(_list(document.get("teams"))):
        yield from _one_id(f"teams[{t}].id", team)
        for index, learner in enumerate(_list(_mapping(team).get("learners"))):
            yield from _one_id(f"teams[{t}].learners[{index}].id", learner)


def _one_id(path: str, holder: object) -> Iterator[tuple[str, str]]:
    for _, value in _one_member(path, holder, "id"):
        yield path, value


def _one_member(path: str, holder: object, member: str) -> Iterator[tuple[str, str]]:
    value = _mapping(holder).get(member)
    if isinstance(value, str):
        yield f"{path}.{member}", value


def _well_formed(value: object, shortest: int, longest: int) -> bool:
    return (
        isinstance(value, str)
        and shortest <= len(value) <= longest
        and re.fullmatch(naming.ID_PATTERN, value) is not None
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _date(value: object) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
