"""Reads who is in the cohort, from the pages of a roster that the Door stack wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from infra.cohort.naming import ID_MAX, ID_PATTERN
from infra.services.door.context import People
from infra.services.guard.problems import Misconfigured

SCHEMA_VERSION = 1


def read(pages: Iterable[str]) -> People:
    """The people of all `pages`, JSON texts.

    Raises:
        Misconfigured: if a page is not what the stack writes: rather nobody than somebody wrong.
    """
    teams: dict[str, tuple[str, ...]] = {}
    advisors: set[str] = set()
    addresses: dict[str, str] = {}
    try:
        for text in pages:
            page = json.loads(text)
            if page["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version {page['schema_version']}")
            for team, learners in page["teams"].items():
                teams[_id(team)] = teams.get(team, ()) + tuple(_id(each) for each in learners)
            advisors |= {_id(each) for each in page["advisors"]}
            for person, address in page.get("addresses", {}).items():
                addresses[_id(person)] = _hash(address)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misconfigured(f"the door's people: {error!r}") from None
    everyone = [*advisors, *(each for learners in teams.values() for each in learners)]
    if len(set(everyone)) != len(everyone):
        raise Misconfigured("the door's people: somebody is there twice")
    if addresses and set(addresses) != set(everyone):
        raise Misconfigured("the door's people: some have no address, or some address nobody")
    if len(set(addresses.values())) != len(addresses):
        raise Misconfigured("the door's people: two have the same address")
    return People(teams, frozenset(advisors), addresses)


def _hash(given: object) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[0-9a-f]{64}", given):
        raise ValueError("an address is no hash")
    return given


def _id(given: object) -> str:
    if not isinstance(given, str) or len(given) > ID_MAX or not re.fullmatch(ID_PATTERN, given):
        raise ValueError(f"id {given!r}")
    return given
