"""Policies that differ in one place from ours: what a mistake of ours could be, or an admin's."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

from infra.assurance.iam import PolicyKind
from tests.assurance.iam_agreement.cases import bare, listed
from tests.assurance.iam_agreement.corpus import ACCOUNT

Statement = dict[str, Any]
Mutation = Callable[[Statement, PolicyKind, random.Random], Statement | None]

_FAMILIES = (
    ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike",
     "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
    ("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
     "NumericGreaterThan", "NumericGreaterThanEquals"),
    ("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals",
     "DateGreaterThan", "DateGreaterThanEquals"),
    ("IpAddress", "NotIpAddress"),
)  # fmt: skip

#: Conditions to add: (operator, key, value).
_MORE: tuple[tuple[str, str, Any], ...] = (
    ("StringEquals", "aws:PrincipalTag/team", "falcon"),
    ("StringNotEquals", "aws:PrincipalTag/team", "eagle"),
    ("StringEquals", "aws:PrincipalTag/team", "${aws:PrincipalTag/team}"),
    ("StringEqualsIgnoreCase", "aws:PrincipalTag/team", "FALCON"),
    ("StringLike", "aws:userid", "AROA*:${aws:PrincipalTag/nobody, 'agreement'}"),
    ("StringNotLike", "aws:userid", "AROA*:${aws:PrincipalTag/nobody}"),
    ("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "2001:db8::/32"]),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
    ("DateGreaterThan", "aws:CurrentTime", "2026-11-01T00:00:00Z"),
    ("DateLessThan", "aws:CurrentTime", "2026-11-01T00:00:00Z"),
    ("Null", "aws:PrincipalTag/nobody", "true"),
    ("Null", "aws:PrincipalTag/team", "false"),
    ("Bool", "aws:SecureTransport", "true"),
    ("BoolIfExists", "aws:ViaAWSService", "false"),
    ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/*/learner/*"),
    ("ArnNotEquals", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/*"),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["team", "purpose"]),
    ("ForAnyValue:StringLike", "aws:TagKeys", ["te*"]),
    ("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", ["team"]),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ["secret"]),
    ("NumericLessThanEquals", "s3:max-keys", "10"),
    ("NumericNotEqualsIfExists", "s3:max-keys", "10"),
)


def flip_effect(s: Statement, _kind: PolicyKind, _rng: random.Random) -> Statement | None:
    return {**s, "Effect": "Deny" if s["Effect"] == "Allow" else "Allow"}


def _swap(s: Statement, one: str, other: str) -> Statement | None:
    if one not in s and other not in s:
        return None
    return {(other if k == one else one if k == other else k): v for k, v in s.items()}


def negate_action(s: Statement, _kind: PolicyKind, _rng: random.Random) -> Statement | None:
    return _swap(s, "Action", "NotAction")


def negate_resource(s: Statement, _kind: PolicyKind, _rng: random.Random) -> Statement | None:
    return _swap(s, "Resource", "NotResource")


def _condition(s: Statement, rng: random.Random) -> tuple[str, str] | None:
    pairs = [(op, key) for op, keys in s.get("Condition", {}).items() for key in keys]
    return rng.choice(pairs) if pairs else None


def _rewritten(
    s: Statement, at: tuple[str, str], operator: str, key: str, values: Any
) -> Statement:
    """`s` with the condition `at` replaced."""
    made = copy.deepcopy(s)
    keys = made["Condition"][at[0]]
    del keys[at[1]]
    if not keys:
        del made["Condition"][at[0]]
    made["Condition"].setdefault(operator, {})[key] = values
    return made


def drop_condition(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None:
        return None
    made = _rewritten(s, at, *at, None)
    del made["Condition"][at[0]][at[1]]
    if not made["Condition"][at[0]]:
        del made["Condition"][at[0]]
    if not made["Condition"]:
        del made["Condition"]
    return made


def add_condition(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    operator, key, value = rng.choice(_MORE)
    made = copy.deepcopy(s)
    keys = made.setdefault("Condition", {}).setdefault(operator, {})
    if any(key.lower() == known.lower() for known in keys):
        return None
    keys[key] = value
    return made


def change_operator(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None:
        return None
    base, qualifier, if_exists = bare(at[0])
    family = next((f for f in _FAMILIES if base in f), None)
    if family is None:
        return None
    other = rng.choice([name for name in family if name != base])
    prefix = f"{qualifier}:" if qualifier else ""
    written = f"{prefix}{other}{'IfExists' if if_exists else ''}"
    return _rewritten(s, at, written, at[1], s["Condition"][at[0]][at[1]])


def change_qualifier(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None or bare(at[0])[0] == "Null":
        return None
    rest = at[0].split(":", 1)[-1]
    options = [f"ForAllValues:{rest}", f"ForAnyValue:{rest}", rest]
    written = rng.choice([option for option in options if option != at[0]])
    return _rewritten(s, at, written, at[1], s["Condition"][at[0]][at[1]])


def toggle_if_exists(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None or bare(at[0])[0] == "Null":
        return None
    written = at[0].removesuffix("IfExists") if at[0].endswith("IfExists") else f"{at[0]}IfExists"
    return _rewritten(s, at, written, at[1], s["Condition"][at[0]][at[1]])


def toggle_null(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None:
        return None
    return _rewritten(s, at, "Null", at[1], rng.choice(["true", "false"]))


def change_value(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None:
        return None
    values = listed(s["Condition"][at[0]][at[1]])
    base = bare(at[0])[0]
    if base.startswith("Numeric"):
        values = [str(int(float(values[0])) + rng.choice([-1, 1, 60]))]
    elif base in ("Bool", "Null"):
        values = ["false" if str(values[0]).lower() == "true" else "true"]
    elif base.startswith(("String", "Arn")):
        index = rng.randrange(len(values))
        change = rng.choice([
            lambda v: f"{v}*", lambda v: v[:-1] + "?" if v else "?", lambda v: v.swapcase(),
            lambda v: f"{v}-2", lambda v: v[: len(v) // 2] + "*",
        ])  # fmt: skip
        values = [change(str(v)) if i == index else v for i, v in enumerate(values)]
        if base.startswith("Arn") and any(str(v).count(":") < 5 for v in values):
            return None
    else:
        return None
    return _rewritten(s, at, *at, values)


def variable_in_value(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None or not bare(at[0])[0].startswith("String"):
        return None
    value = str(listed(s["Condition"][at[0]][at[1]])[0])
    piece = rng.choice([
        "${aws:PrincipalTag/team}", "${aws:PrincipalTag/nobody}",
        "${aws:PrincipalTag/nobody, 'falcon'}", "${AWS:principaltag/TEAM}", "${*}", "${$}",
    ])  # fmt: skip
    return _rewritten(s, at, *at, [value[: len(value) // 2] + piece, "other"])


def key_case(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    at = _condition(s, rng)
    if at is None:
        return None
    service, name = at[1].split(":", 1)
    return _rewritten(
        s, at, at[0], f"{service.upper()}:{name.upper()}", s["Condition"][at[0]][at[1]]
    )


def _resource(s: Statement, rng: random.Random, change: Callable[[str], str]) -> Statement | None:
    element = "Resource" if "Resource" in s else "NotResource"
    values = listed(s.get(element, "*"))
    index = rng.randrange(len(values))
    if values[index] == "*":
        return None
    head, _, tail = values[index].rpartition(":")
    changed = f"{head}:{change(tail)}"
    return {**s, element: [changed if i == index else v for i, v in enumerate(values)]}


def move_wildcard(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    def change(tail: str) -> str:
        at = rng.randrange(len(tail) + 1)
        wild = rng.choice("*?*")
        return tail[:at] + wild + tail[at + (wild == "?") :]

    return _resource(s, rng, change)


def trim_resource(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    return _resource(s, rng, lambda tail: tail[: rng.randrange(1, len(tail) + 1)] + "*")


def resource_case(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    return _resource(s, rng, lambda tail: tail.swapcase())


def variable_in_resource(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    piece = rng.choice([
        "${aws:PrincipalTag/team}", "${aws:PrincipalTag/nobody}",
        "${aws:PrincipalTag/nobody, 'falcon'}", "${aws:userid}", "${*}",
    ])  # fmt: skip
    return _resource(s, rng, lambda tail: tail[: max(1, tail.find("/") + 1)] + piece)


def everything(s: Statement, kind: PolicyKind, _rng: random.Random) -> Statement | None:
    return None if kind == "trust" else {**s, "Resource": "*"} if "Resource" in s else None


def wild_action(s: Statement, _kind: PolicyKind, rng: random.Random) -> Statement | None:
    element = "Action" if "Action" in s else "NotAction"
    values = listed(s[element])
    index = rng.randrange(len(values))
    service, _, name = values[index].partition(":")
    if not name or name == "*":
        return None
    at = rng.randrange(1, len(name) + 1)
    changed = rng.choice([
        f"{service}:{name[:at]}*", f"{service}:{name[: at - 1]}?{name[at:]}",
        f"{service}:{name.swapcase()}", f"{service}:*{name[at - 1 :]}",
    ])  # fmt: skip
    return {**s, element: [changed if i == index else v for i, v in enumerate(values)]}


def change_principal(s: Statement, kind: PolicyKind, rng: random.Random) -> Statement | None:
    if kind == "identity":
        return None
    role = f"arn:aws:iam::{ACCOUNT}:role/stranger"
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/stranger/agreement"
    options: list[Any] = [
        {"AWS": role}, {"AWS": session}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"AWS": ACCOUNT}, {"AWS": [role, session]}, {"AWS": "*"}, "*",
        {"Service": "sagemaker.amazonaws.com"}, {"AWS": "111122223333"},
    ]  # fmt: skip
    if kind == "trust":
        options = [option for option in options if option != "*"]
    return {**s, "Principal": rng.choice(options)}


MUTATIONS: tuple[Mutation, ...] = (
    flip_effect, negate_action, negate_resource, drop_condition, add_condition, add_condition,
    change_operator, change_operator, change_qualifier, toggle_if_exists, toggle_null,
    change_value, change_value, variable_in_value, key_case, move_wildcard, trim_resource,
    resource_case, variable_in_resource, everything, wild_action, change_principal,
    change_principal,
)  # fmt: skip


def mutant(
    statement: Mapping[str, Any], kind: PolicyKind, rng: random.Random
) -> tuple[str, Statement]:
    """(name of the change, changed statement); the name says which, or which two."""
    made, names = dict(statement), []
    wanted = rng.choice([1, 1, 2])
    while len(names) < wanted:
        mutation = rng.choice(MUTATIONS)
        changed = mutation(made, kind, rng)
        if changed is not None and changed != made:
            made = changed
            names.append(mutation.__name__)
    return "+".join(names), made
