"""What the questions of every service are made of: `Question`, `maps`, and readers of a call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.assurance.iam import Value
from infra.offline.authorization.wire import Call, WireError

#: Keys that every request has or lacks as on AWS; enforcement fills them in.
#: aws:SourceArn and aws:SourceAccount are absent from what a role itself calls.
GLOBAL_KEYS = frozenset(
    {
        "aws:calledvia",
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principaltag/*",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:userid",
        "aws:username",
        "aws:viaawsservice",
    }
)
TAG_KEYS = frozenset({"aws:requesttag/*", "aws:tagkeys"})


@dataclass(frozen=True)
class Question:
    """One permission that a call needs."""

    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    keys: frozenset[str] = GLOBAL_KEYS


@dataclass(frozen=True)
class Asked:
    """A call, as it will be passed on, and every permission that it needs."""

    call: Call
    questions: tuple[Question, ...]
    #: A permission for each object of DeleteObjects, which AWS decides one by one.
    each: tuple[Question, ...] = ()


class Unmodelled(Exception):
    """The call is outside what the embedded cloud decides for roles; the message names it."""


Mapper = Callable[[Call, str], Iterator[Question]]
mappers: dict[tuple[str, str], Mapper] = {}


def maps(service: str, *operations: str) -> Callable[[Mapper], Mapper]:
    """Declare the function that asks for `operations` of `service`, given call and account."""

    def declare(function: Mapper) -> Mapper:
        for operation in operations:
            if (service, operation) in mappers:
                raise ValueError(f"two functions ask for {service} {operation}")
            mappers[service, operation] = function
        return function

    return declare


def arn_of(call: Call, account: str, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{call.region}:{account}:{resource}"


def need(call: Call, name: str) -> str:
    value = call.params.get(name)
    if not isinstance(value, str) or not value:
        raise WireError("ValidationException", f"{call.operation} needs {name}")
    return value


def name_of(call: Call, member: str, pattern: str = r"[A-Za-z0-9_.\-]+") -> str:
    """A name that goes into an ARN: letters that no policy reads as a wildcard."""
    value = need(call, member)
    if not re.fullmatch(pattern, value):
        raise WireError("ValidationException", f"{member} {value!r} does not match {pattern}")
    return value


def member_of(call: Call, *path: str) -> Any:
    """The member at `path`, or None."""
    value: Any = call.params
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def some(**given: Any) -> dict[str, Value]:
    """Context entries without the missing ones; `__` in a name stands for the colon."""
    made: dict[str, Value] = {}
    for name, value in given.items():
        key = name.replace("__", ":")
        if value is None or value == () or value == []:
            continue
        if isinstance(value, bool):
            made[key] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            made[key] = tuple(str(item) for item in value)
        else:
            made[key] = str(value)
    return made


def tags_of(given: Any) -> dict[str, Value]:
    """aws:RequestTag/... and aws:TagKeys of a list of Key/Value."""
    if not given:
        return {}
    tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in given}
    made: dict[str, Value] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    made["aws:TagKeys"] = tuple(tags)
    return made


def form_tags(params: Mapping[str, Any]) -> dict[str, Value]:
    """The same of the flat fields of a query service: Tags.member.1.Key."""
    return tags_of(
        [
            {"Key": value, "Value": params.get(name.removesuffix("Key") + "Value", "")}
            for name, value in params.items()
            if re.fullmatch(r"Tags\.member\.\d+\.Key", name)
        ]
    )


def keys_of(service: str, *names: str) -> frozenset[str]:
    return GLOBAL_KEYS | {f"{service}:{name}".lower() for name in names}


def pass_role(role: Any, service: str) -> Iterator[Question]:
    if not isinstance(role, str) or not role:
        return
    yield Question(
        "iam:PassRole",
        role,
        {"iam:PassedToService": service},
        keys_of("iam", "PassedToService"),
    )


def mapping_at(value: Any, *path: str) -> dict[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}
