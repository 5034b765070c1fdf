"""Requests that meet a statement and that miss it, by action, resource and each condition."""

from __future__ import annotations

import datetime as dt
import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.assurance.iam_agreement.corpus import ACCOUNT, REGION, Corpus, Document, Role
from tests.assurance.iam_agreement.reference import (
    actions_of,
    detail,
    multi_valued,
    reference,
)

#: The team that `${aws:PrincipalTag/...}` and every other variable stands for.
VALUE = "falcon"

Context = dict[str, str | list[str]]


@dataclass(frozen=True)
class Caller:
    kind: str
    arn: str
    role_arn: str | None = None

    @classmethod
    def session(cls, role: Role) -> Caller:
        return cls("session", role.session, role.arn)


#: A session of a role that no policy names.
STRANGER = Caller(
    "session",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/stranger/agreement",
    f"arn:aws:iam::{ACCOUNT}:role/stranger",
)


@dataclass(frozen=True)
class Case:
    """One request under some policies, which are named by the ids of their documents."""

    caller: Caller
    action: str
    resource: str
    context: Context = field(hash=False)
    identity: tuple[str, ...] = ()
    boundary: str | None = None
    session: str | None = None
    resource_policy: str | None = None
    #: The document that this case was made for.
    about: str = ""

    @property
    def decides(self) -> bool:
        """Whether the resource's own policy must grant or hand on."""
        return self.resource_policy is not None and self.action.startswith(("kms:", "sts:"))


# --- actions --------------------------------------------------------------------------------------
def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _matcher(pattern: str) -> re.Pattern[str]:
    return _compiled(pattern.lower())


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    body = "".join("." if c == "?" else ".*" if c == "*" else re.escape(c) for c in pattern)
    return re.compile(body, re.IGNORECASE)


def actions_for(statement: Mapping[str, Any], rng: random.Random) -> list[str]:
    """Some actions that the statement's Action or NotAction meets, and some that it misses."""
    patterns = listed(statement.get("Action", statement.get("NotAction")))
    services = {p.split(":", 1)[0].lower() for p in patterns if p != "*"} or {"s3", "sqs"}
    known = [a for service in sorted(services & set(reference())) for a in actions_of(service)]
    met = [a for a in known if any(_matcher(p).fullmatch(a) for p in patterns)]
    # Each pattern has its turn, or the many actions of one would hide the others.
    chosen = []
    for pattern in patterns:
        mine = [a for a in met if _matcher(pattern).fullmatch(a)]
        chosen += rng.sample(mine, min(2, len(mine)))
    others = [a for a in known if a not in met]
    chosen += rng.sample(others, min(1, len(others)))
    return chosen


# --- resources ------------------------------------------------------------------------------------
def filled(pattern: str, filler: str) -> str:
    """A resource that a policy's pattern meets."""
    pattern = re.sub(r"\$\{[*?$]\}", "y", pattern)
    pattern = re.sub(r"\$\{[^}]*\}", VALUE, pattern)
    parts = pattern.split(":", 5)
    if len(parts) == 6:
        parts[1] = parts[1].replace("*", "aws")
        parts[3] = parts[3].replace("*", REGION)
        parts[4] = parts[4].replace("*", ACCOUNT)
    return ":".join(parts).replace("*", filler).replace("?", "q")


def _of_type(arn: str, name: str) -> str:
    for written, value in (("Partition", "aws"), ("Region", REGION), ("Account", ACCOUNT)):
        arn = arn.replace(f"${{{written}}}", value)
    return re.sub(r"\$\{[^}]+\}", name, arn)


@functools.cache
def _shape(arn: str) -> re.Pattern[str]:
    """What ARNs of a type look like; the simulator has the last word."""
    pieces = re.split(r"\$\{([^}]+)\}", arn)
    made = ""
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 2 and not pieces[-1]
        made += (
            re.escape(piece)
            if number % 2 == 0
            else {"Partition": "aws", "Region": "[a-z0-9-]*", "Account": "[0-9]*"}.get(
                piece, ".+" if last else "[^:]+"
            )
        )
    return re.compile(made)


def resources_for(statement: Mapping[str, Any], action: str, rng: random.Random) -> list[str]:
    """Resources of `action`'s types: some that the statement's patterns meet, one that they miss.
    An action without types is asked of `*`."""
    types = detail(action)["resources"]
    if not types:
        return ["*"]
    arns = [reference()[action.split(":", 1)[0]]["resources"][t["name"]]["arn"] for t in types]
    patterns = listed(statement.get("Resource", statement.get("NotResource", "*")))
    met = []
    for pattern in patterns:
        for filler in ("x", "x/y", VALUE):
            made = filled(pattern, filler)
            if any(_shape(arn).fullmatch(made) for arn in arns):
                met.append(made)
    others = [_of_type(arn, "elsewhere") for arn in arns]
    met = sorted(set(met))
    chosen = rng.sample(met, min(2, len(met))) + rng.sample(others, min(1, len(others)))
    return [resource for resource in chosen if "*" not in resource]


# --- conditions -----------------------------------------------------------------------------------
NOW = "2026-12-01T12:00:00Z"


def owner_of(resource: str) -> str:
    """The account that an ARN names; S3's ARNs, and no resource, are of our own."""
    parts = resource.split(":")
    return (parts[4] if len(parts) > 4 else "") or ACCOUNT


def base_context(caller: Caller, action: str, resource: str) -> Context:
    """What every request of a caller carries."""
    made: Context = {
        "aws:PrincipalAccount": ACCOUNT,
        "aws:ResourceAccount": owner_of(resource),
        "aws:SecureTransport": "true",
        "aws:SourceIp": "203.0.113.7",
        "aws:CurrentTime": NOW,
        "aws:RequestedRegion": REGION,
        "aws:PrincipalIsAWSService": "true" if caller.kind == "service" else "false",
    }
    if caller.role_arn is not None:
        made["aws:PrincipalArn"] = caller.role_arn
        made["aws:userid"] = "AROAEXAMPLE:agreement"
        made["aws:PrincipalTag/team"] = VALUE
    if action.startswith("kms:"):
        made["kms:CallerAccount"] = ACCOUNT
    return made


def bare(operator: str) -> tuple[str, str | None, bool]:
    """(operator, qualifier, if exists) of a condition operator as written."""
    qualifier = None
    if ":" in operator:
        qualifier, operator = operator.split(":", 1)
    if operator.endswith("IfExists"):
        return operator.removesuffix("IfExists"), qualifier, True
    return operator, qualifier, False


def conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """(operator, key, values) of each condition, in the evaluator's order."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, [str(v).lower() if v in (True, False) else str(v)
                                  for v in listed(values)]  # fmt: skip


def candidates(operator: str, key: str, values: list[str]) -> list[str | list[str] | None]:
    """Values of `key` under which the condition holds, and such under which it does not."""
    base, _, _ = bare(operator)
    singles = [single for value in values for single in _around(base, value)]
    many = bool(multi_valued([key]))
    if base == "Null" and not many:
        return [None, f"arn:aws:iam::{ACCOUNT}:role/x" if key.lower().endswith("arn") else "x"]
    if not many:
        return [None, *singles]
    if base == "Null":
        return [None, ["x"]]
    first, other = singles[0], singles[-1]
    return [None, [first], [other], [first, other], [f"{first}-2", other]]


def _around(base: str, value: str) -> list[str]:
    """Values that are like `value` under the operator, and such that are not."""
    if base.startswith("Numeric"):
        return [value, str(float(value) + 1), str(float(value) - 1)]
    if base.startswith("Date"):
        moment = dt.datetime.fromisoformat(value)
        day = dt.timedelta(days=1)
        return [f"{m:%Y-%m-%dT%H:%M:%SZ}" for m in (moment, moment + day, moment - day)]
    if base == "Bool":
        return ["true", "false"]
    if base in ("IpAddress", "NotIpAddress"):
        return [value.split("/", 1)[0], "198.51.100.9"]
    like = filled(value, "x") if base.startswith("Arn") else filled(value, "x/y")
    if base.startswith("Arn"):
        return [like, re.sub(r":\d{12}:", ":111122223333:", like) + "-2"]
    return [like, like.swapcase() if like.swapcase() != like else f"{like}x", f"{like}-2", "zz"]


def variables(statement: Mapping[str, Any]) -> set[str]:
    """The context keys that the statement uses as variables, as written."""
    text = repr(statement.get("Resource", statement.get("NotResource", "")))
    text += repr(statement.get("Condition", {}))
    return set(re.findall(r"\$\{\s*([A-Za-z0-9-]+:[^,}'\s]+)", text))


def contexts_for(
    statement: Mapping[str, Any],
    asked: tuple[Caller, str, str],
    holds: Callable[[int, Context], bool],
    rng: random.Random,
) -> list[Context]:
    """Contexts in which all conditions hold, and for each condition some in which it alone has
    another value. `holds(index, context)` is the evaluator's opinion of one condition."""
    start = base_context(*asked)
    for key in variables(statement):
        if not any(key.lower() == known.lower() for known in start):
            start[key] = VALUE
    found = [
        (key, candidates(operator, key, values)) for operator, key, values in conditions(statement)
    ]
    met = dict(start)
    for index, (key, values) in enumerate(found):
        good = [v for v in values if holds(index, with_key(met, key, v))]
        if good:
            met = with_key(met, key, good[0])
    made = [met]
    for key, values in found:
        made += [with_key(met, key, value) for value in values]
    for key in sorted(variables(statement)):
        made.append(with_key(met, key, None))
        made.append(with_key(met, key, "other"))
    rng.shuffle(made)
    return made


def with_key(context: Context, key: str, value: str | list[str] | None) -> Context:
    made = {k: v for k, v in context.items() if k.lower() != key.lower()}
    if value is not None:
        made[key] = value
    return made


# --- callers --------------------------------------------------------------------------------------
#: A service that no policy of ours names.
OTHER_SERVICE = Caller("service", "delivery.logs.amazonaws.com")


def callers_of(document: Document, statement: Mapping[str, Any], corpus: Corpus) -> list[Caller]:
    """Whom a policy is about: its role's session; of a resource, whom it names and a stranger."""
    if document.kind == "identity":
        roles = [r for r in corpus.roles if r.arn == document.holder]
        bounded = [r for r in corpus.roles if r.boundary and r.boundary.id == document.id]
        return [Caller.session(role) for role in (*roles, *bounded[:1])]
    principal = statement.get("Principal", "*")
    named = principal if isinstance(principal, Mapping) else {"AWS": principal}
    made = [STRANGER, Caller.session(corpus.roles[0]), OTHER_SERVICE]
    for arn in listed(named.get("AWS", [])):
        made += [Caller.session(role) for role in corpus.roles if role.arn == arn]
    made += [Caller("service", name) for name in listed(named.get("Service", []))]
    return made
