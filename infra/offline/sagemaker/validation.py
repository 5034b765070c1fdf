"""Checks a SageMaker request: first as AWS would, then against what the embedded cloud emulates.

The first check walks botocore's service model, which carries AWS's own constraints: required
members, types, lengths, ranges, patterns and enumerations. botocore itself checks few of them, so
on AWS they come back as a ValidationException, worded as here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel
from botocore.utils import parse_to_aware_datetime
from moto.sagemaker.exceptions import AWSValidationException


@dataclass(frozen=True)
class Only:
    """A member that is emulated for these values alone; `otherwise` says what is missing."""

    values: tuple[Any, ...]
    otherwise: str


#: What is emulated of a request: each member with the members below it, the values that it may
#: take, or None for "all of it". Below a list, the members of its items.
Support = Mapping[str, "Support | Only | None"]

#: Types of the model as Python has them once JSON is read.
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (str, int, float, datetime),
}


@functools.cache
def service_model() -> ServiceModel:
    """botocore's model of SageMaker."""
    loader = botocore.loaders.Loader()
    return ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")


def check(operation: str, request: Mapping[str, Any], support: Support) -> None:
    """Raise a ValidationException if AWS would, or if the request goes beyond `support`."""
    wrong = problem(service_model(), operation, request, support)
    if wrong is not None:
        raise AWSValidationException(wrong)


def problem(
    model: ServiceModel, operation: str, request: Mapping[str, Any], support: Support
) -> str | None:
    """What is wrong with a request to any service, in AWS's words or in ours; None if nothing."""
    shape = model.operation_model(operation).input_shape
    found = list(_violations(shape, request, ""))
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        return f"{count}: {'; '.join(found)}"
    for path, detail in _beyond(request, support, ""):
        return (
            f"The embedded cloud does not emulate {path} of {operation}{detail}. "
            "Leave it out, or try it on AWS."
        )
    return None


def moment(value: datetime | str | float) -> datetime:
    """A timestamp of a request as an aware datetime, whether it came over the wire or not."""
    parsed: datetime = parse_to_aware_datetime(value)
    return parsed


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if not _has_type(value, kind):
        yield f"Value {_shown(value)} at '{path}' failed to satisfy constraint: " + (
            f"Member must be of type {kind}"
        )
        return
    if kind == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield (
                    f"Value null at '{_below(path, name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, member in value.items():
            if name not in shape.members:
                yield f"Value at '{_below(path, name)}': AWS knows no such member"
            elif member is not None:
                yield from _violations(shape.members[name], member, _below(path, name))
        return
    for constraint in _broken(shape, value):
        yield f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {constraint}"
    if kind == "list":
        for number, item in enumerate(value, 1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    elif kind == "map":
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}.key")
            yield from _violations(shape.value, item, f"{path}.{key}.member")


def _has_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PYTHON_TYPES[kind])


def _broken(shape: Any, value: Any) -> Iterator[str]:
    rules, kind = shape.metadata, shape.type_name
    if kind in ("string", "list", "map"):
        size, measure = len(value), "length"
    elif kind in ("integer", "long", "float", "double"):
        size, measure = value, "value"
    else:
        return
    if "min" in rules and size < rules["min"]:
        yield f"Member must have {measure} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"Member must have {measure} less than or equal to {rules['max']}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"
    if kind == "string" and "pattern" in rules and not pattern(rules["pattern"]).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"


@functools.cache
def pattern(java: str) -> re.Pattern[str]:
    """One of the model's patterns, which are Java's, as a Python pattern."""
    for class_name, members in ((r"\p{L}\p{Z}\p{N}", r"\w\s"), (r"\p{Alnum}", "a-zA-Z0-9")):
        java = java.replace(class_name, members)
    return re.compile(java)


def _beyond(request: Mapping[str, Any], support: Support, path: str) -> Iterator[tuple[str, str]]:
    for name, value in request.items():
        if value is None:
            continue
        here = f"{path}.{name}" if path else name
        if name not in support:
            yield here, ""
            continue
        supported = support[name]
        if isinstance(supported, Only):
            if value not in supported.values:
                yield here, f" as {_shown(value)}: {supported.otherwise}"
        elif supported is not None:
            for item in value if isinstance(value, list | tuple) else (value,):
                yield from _beyond(item, supported, here)


def _below(path: str, name: str) -> str:
    """AWS writes members in its messages with a small initial."""
    small = name[:1].lower() + name[1:]
    return f"{path}.{small}" if path else small


def _shown(value: Any) -> str:
    return f"'{str(value)[:100]}'"
