"""What the embedded cloud emulates of a request, and the refusal of all that lies beyond.

Whether a request is right at all is asked first, of botocore's model (`shapes`). Then it is held
against a fence: the members, and the values of members, that something here stands for. What lies
outside is refused by name, so that nothing is taken and silently not done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.utils import parse_to_aware_datetime
from moto.sagemaker.exceptions import AWSValidationException

from infra.offline import shapes


@dataclass(frozen=True)
class Only:
    """A member that is emulated for these values alone; `otherwise` says what is missing."""

    values: tuple[Any, ...]
    otherwise: str


#: What is emulated of a request: each member with the members below it, the values that it may
#: take, or None for "all of it". Below a list, the members of its items.
Support = Mapping[str, "Support | Only | None"]


def check(operation: str, request: Mapping[str, Any], support: Support) -> None:
    """Raise a ValidationException if AWS would, or if the request goes beyond `support`."""
    wrong = problem("sagemaker", operation, request, support)
    if wrong is not None:
        raise AWSValidationException(wrong)


def problem(
    service: str, operation: str, request: Mapping[str, Any], support: Support
) -> str | None:
    """What is wrong with a request to any service, in AWS's words or in ours; None if nothing."""
    wrong = shapes.request_problem(service, operation, request)
    if wrong is not None:
        return wrong
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
                yield here, f" as {shapes.shown(value)}: {supported.otherwise}"
        elif supported is not None:
            for item in value if isinstance(value, list | tuple) else (value,):
                yield from _beyond(item, supported, here)
