"""Whom a promise is about: roles of the templates, strangers, and roles that are only imagined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from infra.assurance import iam
from infra.assurance.isolation.asking import Region
from infra.assurance.isolation.promises.places import Places
from infra.assurance.isolation.requests.deciding import Actor, strangers
from infra.assurance.isolation.world import Document, Role, World
from infra.cohort import naming

About = Callable[[World], Iterable[Actor]]

AWS_SERVICE = ".amazonaws.com"


def roles(
    p: Places, *kinds: str, owners: tuple[str, ...] = (), but_not: tuple[str, ...] = ()
) -> Callable[[World], tuple[Role, ...]]:
    """The cohort's roles, of `kinds` and `owners` (none: all), but for some services'."""

    def pick(world: World) -> tuple[Role, ...]:
        return tuple(
            role
            for role in world.roles
            if role.cohort == p.cohort.name
            and (not kinds or role.kind in kinds)
            and (not owners or role.owner in owners)
            and not (role.kind == "service" and role.owner in but_not)
        )

    return pick


def everyone_but(*arns: str) -> About:
    """Every role of the templates, of whatever cohort, and every stranger; but for some roles."""
    return lambda world: (
        *(role for role in world.roles if role.arn not in arns),
        *strangers(world),
    )


def named(name: str) -> About:
    return lambda world: (role for role in world.roles if not role.cohort and role.name == name)


def aws_service(name: str) -> About:
    return lambda world: (
        each
        for each in strangers(world)
        if each.kind == "service" and each.name == f"{name}{AWS_SERVICE}"
    )


def one_of_each(found: Iterable[Role]) -> tuple[Role, ...]:
    """One role for each kind and boundary: with everything allowed, nothing else is left of it."""
    first: dict[tuple[str, str], Role] = {}
    for role in found:
        first.setdefault((role.kind, role.boundary.id if role.boundary else ""), role)
    return tuple(first.values())


_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": {"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"},
}
_NOBODY = {
    "Version": "2012-10-17",
    "Statement": {
        "Sid": "Lambda",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


#: A policy that allows everything.
EVERYTHING = Document("everything", _EVERYTHING, iam.Policy.parse(_EVERYTHING))


def with_everything(role: Role) -> Role:
    """`role`, were it allowed everything: what is left is what its boundary leaves."""
    return dataclasses.replace(role, identity=(EVERYTHING,))


def imagined(at: Region) -> Role:
    """A role that no template makes, allowed everything, without a boundary."""
    [arn] = at.any_of
    _, _, cohort, kind, name = arn.split(":", 5)[5].split("/")
    return with_everything(
        Role(
            arn=arn,
            name=name,
            cohort=cohort,
            kind=kind,
            owner=name.rpartition(naming.SEPARATOR)[2],
            team=None,
            identity=(),
            boundary=None,
            trust=Document("nobody's", _NOBODY, iam.Policy.parse(_NOBODY, kind="trust")),
        )
    )


def of_another_cohort(p: Places, kind: str, name: str) -> Region:
    other = "another" if p.cohort.name != "another" else "yet-another"
    return Region((naming.Names(other).role_arn(kind, name, account=p.account),))
