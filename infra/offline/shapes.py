"""Requests and answers of any AWS service, held against botocore's model of it.

The models carry AWS's own constraints: required members, types, enumerations, patterns, lengths and
ranges. botocore itself checks few of them, so on AWS they come back from the service, all at once
and worded as here. What a service answers fits its model too; an answer of the embedded cloud that
does not is a mistake of the cloud's (`conformance` looks for them on the wire).

A value is read in one of two forms: as it stands in JSON on the wire (`JSON`), or as boto3 gives
and takes it (`PYTHON`).
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import botocore.session
from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp


@dataclass(frozen=True)
class Wording:
    """How a service says what is wrong with a value at a path."""

    absent: str
    broken: str
    #: The same of a member whose value must not be repeated.
    hidden: str
    unknown: str
    regular: str


#: How most services say it, as people quote their messages: hashicorp/terraform-provider-aws issue
#: 27990 (SageMaker), grafana/grafana issue 79155 (Logs), widdix/aws-cf-templates pull request 136
#: (CloudWatch).
COMMON = Wording(
    absent="Value null at '{path}' failed to satisfy constraint: Member must not be null",
    broken="Value {value} at '{path}' failed to satisfy constraint: Member must {rule}",
    hidden="Value at '{path}' failed to satisfy constraint: Member must {rule}",
    unknown="Value at '{path}': AWS knows no such member",
    regular="satisfy regular expression pattern: {rule}",
)
#: ECR's words: jenkins-x/jx issue 1344 and aws/aws-dotnet-deploy issue 549.
ECR = Wording(
    absent="Invalid parameter at '{path}' failed to satisfy constraint: 'must not be null'",
    broken="Invalid parameter at '{path}' failed to satisfy constraint: 'must {rule}'",
    hidden="Invalid parameter at '{path}' failed to satisfy constraint: 'must {rule}'",
    unknown="Invalid parameter at '{path}': AWS knows no such member",
    regular="satisfy regular expression '{rule}'",
)


class Form(Protocol):
    """How the types of a model look in one form."""

    def named(self, member: Any, name: str) -> str:
        """The key under which a structure holds the member `name`."""

    def fits(self, shape: Any, value: Any) -> bool:
        """Whether `value` is of the shape's type."""

    def __hash__(self) -> int: ...


_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "byte": (int,),
    "short": (int,),
    "integer": (int,),
    "long": (int,),
    "bigdecimal": (int, float),
    "float": (int, float),
    "double": (int, float),
}
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")


def _plain(shape: Any, value: Any) -> bool:
    kind = shape.type_name
    if isinstance(value, bool):
        return bool(kind == "boolean")
    if kind in ("float", "double") and value in _NOT_NUMBERS:
        return True
    return isinstance(value, _TYPES[kind])


class _Json:
    def named(self, member: Any, name: str) -> str:
        return str(member.serialization.get("name", name))

    def fits(self, shape: Any, value: Any) -> bool:
        if shape.type_name == "timestamp":
            return isinstance(value, str | int | float) and _is_moment(value)
        if shape.type_name == "blob":
            return isinstance(value, str) and _is_base64(value)
        if shape.serialization.get("jsonvalue"):
            return True
        return _plain(shape, value)


class _Python:
    def named(self, member: Any, name: str) -> str:  # noqa: ARG002 (the form needs no more)
        return name

    def fits(self, shape: Any, value: Any) -> bool:
        if shape.type_name == "timestamp":
            return isinstance(value, datetime) or (
                isinstance(value, str | int | float) and _is_moment(value)
            )
        if shape.type_name == "blob":
            return isinstance(value, bytes | bytearray | str) or hasattr(value, "read")
        if shape.serialization.get("jsonvalue"):
            return True
        return _plain(shape, value)


#: The bodies of the protocols json and rest-json.
JSON: Form = _Json()
#: Parameters and answers of boto3's methods.
PYTHON: Form = _Python()


def _is_moment(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        parse_timestamp(value)
    except (ValueError, OverflowError, OSError):
        return False
    return True


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


# --- models -----------------------------------------------------------------------------------
@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.cache
def model(service: str) -> ServiceModel:
    """botocore's model of `service`, by botocore's name for it."""
    return _session().get_service_model(service)


@functools.cache
def operation_model(service: str, operation: str) -> OperationModel | None:
    """The model of an operation, or None if the service has no such operation."""
    of_service = model(service)
    if operation not in of_service.operation_names:
        return None
    return of_service.operation_model(operation)


@functools.cache
def pattern(java: str) -> re.Pattern[str]:
    """One of the models' patterns, which are Java's, as a Python pattern.

    Raises:
        re.error: if nothing here translates it.
    """
    for theirs, ours in _TRANSLATED:
        java = java.replace(theirs, ours)
    return re.compile(java)


_PUNCTUATION = r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e"
#: What Java's patterns have and Python's lack. Unicode's categories are wider here by a few marks.
_TRANSLATED = (
    (r"\p{Alnum}", "a-zA-Z0-9"),
    (r"\p{Print}", r"[\x20-\x7e]"),
    (r"\p{L}", r"\w"),
    (r"\p{M}", r"\u0300-\u036f"),
    (r"\p{N}", r"\d"),
    (r"\p{Zs}", " "),
    (r"\p{Z}", r"\s"),
    (r"\p{P}", _PUNCTUATION),
    (r"\p{S}", r"$+<=>^`|~\u20a0-\u20bf\u2100-\u2bff"),
    # A range of surrogate pairs.
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff"),
    # A class, or a literal dash after one, in a range.
    (r"\w-_", r"\w\-_"),
    (r"\w-\/", r"\w\-/"),
    # A flag in the middle of a pattern.
    (r"(?i).*<script>.*</script>.*", r"(?i:.*<script>.*</script>.*)"),
    # The end of the text, repeated.
    ("${", "{"),
)


# --- what is wrong ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Reading:
    """How a value is looked at. `constraints`: also at lengths, ranges, patterns and enumerations;
    `unknown`: also for members that the model has not."""

    form: Form = PYTHON
    wording: Wording = COMMON
    constraints: bool = True
    unknown: bool = True
    #: Members that are not looked at, at the top: a stream, or what stands in headers.
    without: frozenset[str] = frozenset()


def problems(shape: Any, value: Any, reading: Reading) -> list[str]:
    """Everything that is wrong with `value`, in AWS's words."""
    return list(_violations(shape, value, "", reading))


def message(found: Iterable[str]) -> str:
    """All problems of one request as one message."""
    each = list(found)
    return f"{len(each)} validation error{'s' if len(each) > 1 else ''} detected: {'; '.join(each)}"


def request_problem(service: str, operation: str, request: Mapping[str, Any]) -> str | None:
    """What AWS says of a request as boto3 takes it; None if nothing is wrong."""
    of_operation = operation_model(service, operation)
    assert of_operation is not None, f"{service} has no {operation}"
    found = problems(of_operation.input_shape, request, Reading())
    return message(found) if found else None


def _violations(shape: Any, value: Any, path: str, reading: Reading) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    kind = shape.type_name
    if not reading.form.fits(shape, value):
        yield _broken(shape, value, path, reading, f"be of type {kind}")
        return
    if kind == "structure":
        yield from _of_structure(shape, value, path, reading)
        return
    if reading.constraints:
        for rule in _rules_broken(shape, value, reading.wording):
            yield _broken(shape, value, path, reading, rule)
    if kind == "list":
        for number, item in enumerate(value, 1):
            yield from _of_item(shape.member, item, f"{path}.{number}.member", reading)
    elif kind == "map":
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}.key", reading)
            yield from _of_item(shape.value, item, f"{path}.{key}.member", reading)


def _of_structure(shape: Any, value: Any, path: str, reading: Reading) -> Iterator[str]:
    top = reading.without if not path else frozenset()
    named = _names(reading.form, shape)
    for name in shape.required_members:
        if name in top:
            continue
        if value.get(reading.form.named(shape.members[name], name)) is None:
            yield reading.wording.absent.format(path=_below(path, name))
    for key, member in value.items():
        name = named.get(key)
        if name is None or name in top:
            if reading.unknown and key != "__type":
                yield reading.wording.unknown.format(path=_below(path, key))
        elif member is not None:
            yield from _violations(shape.members[name], member, _below(path, name), reading)


@functools.cache
def _names(form: Form, shape: Any) -> Mapping[str, str]:
    """What a structure's members are called in this form -> what the model calls them."""
    return {form.named(member, name): name for name, member in shape.members.items()}


def _of_item(shape: Any, value: Any, path: str, reading: Reading) -> Iterator[str]:
    # Sparse lists and maps hold nulls.
    if value is not None:
        yield from _violations(shape, value, path, reading)


def _broken(shape: Any, value: Any, path: str, reading: Reading, rule: str) -> str:
    words = reading.wording
    said = words.hidden if shape.metadata.get("sensitive") else words.broken
    return said.format(value=shown(value), path=path, rule=rule)


def _rules_broken(shape: Any, value: Any, wording: Wording) -> Iterator[str]:
    rules, kind = shape.metadata, shape.type_name
    if not rules:
        return
    sized = kind in ("string", "list", "map") or isinstance(value, bytes | bytearray)
    if sized:
        size, measure = len(value), "length"
    elif kind in ("integer", "long", "float", "double") and value not in _NOT_NUMBERS:
        size, measure = value, "value"
    else:
        return
    if "min" in rules and size < rules["min"]:
        yield f"have {measure} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"have {measure} less than or equal to {rules['max']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"satisfy enum value set: [{', '.join(rules['enum'])}]"
    if kind == "string" and "pattern" in rules and not pattern(rules["pattern"]).fullmatch(value):
        yield wording.regular.format(rule=rules["pattern"])


def _below(path: str, name: str) -> str:
    """AWS writes members in its messages with a small initial."""
    small = name[:1].lower() + name[1:]
    return f"{path}.{small}" if path else small


def shown(value: Any) -> str:
    """A value in a message, not longer than a person reads."""
    return f"'{str(value)[:100]}'"
