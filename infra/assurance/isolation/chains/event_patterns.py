"""What sets off a rule of EventBridge, as requests: which action, on which resources.

A pattern is taken as wider than it is where that is simpler (a member that narrows it further is
passed over), never as narrower. What is not understood is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.asking import Region
from infra.assurance.isolation.chains.deputies import END_OF_JOB


class Unfollowed(iam.UnmodelledPolicy):
    """A step that `chains` cannot follow; the message says whose and which. Never a pass."""


@dataclass(frozen=True)
class Cause:
    """What makes AWS send an event that a pattern matches."""

    actions: tuple[str, ...]
    on: Region


def causes(pattern: Mapping[str, Any], *, account: str, region: str) -> Iterator[Cause]:
    """Everything that can set off a rule with this `pattern`.

    Raises:
        Unfollowed: for a source, a type of event or a matcher that is not known here.
    """
    for source in _exact(pattern, "source"):
        if not source.startswith("aws."):
            # No caller may use a source of AWS's own: PutEvents answers
            # NotAuthorizedForSourceException ("Error codes" of its result in the API reference).
            yield Cause(
                ("events:PutEvents",), Region((f"arn:aws:events:{region}:{account}:event-bus/*",))
            )
            continue
        for kind in _exact(pattern, "detail-type"):
            detail = pattern.get("detail", {})
            if source == "aws.s3" and kind in _S3:
                for on in _objects(detail):
                    yield Cause(_S3[kind], on)
            elif source == "aws.sagemaker" and kind in _JOBS:
                jobs = f"arn:aws:sagemaker:{region}:{account}:training-job/"
                for names in _strings(detail.get("TrainingJobName", [{"prefix": ""}])):
                    yield Cause(_JOBS[kind], _under(jobs, names))
            else:
                raise Unfollowed(f"a rule on {source}'s {kind!r}: what causes it is not known here")


#: Source: "Amazon S3 event notifications: EventBridge events" (S3 user guide): an object is created
#: by PutObject, POST, CopyObject and CompleteMultipartUpload, each of which IAM sees as PutObject.
_S3 = {
    "Object Created": ("s3:PutObject", "s3:ReplicateObject"),
    "Object Deleted": (
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutLifecycleConfiguration",
    ),
}
#: Source: "Automating Amazon SageMaker AI with EventBridge" (SageMaker developer guide).
_JOBS = {
    "SageMaker Training Job State Change": (
        "sagemaker:CreateTrainingJob",
        "sagemaker:StopTrainingJob",
        END_OF_JOB,
    )
}


def _objects(detail: Mapping[str, Any]) -> Iterator[Region]:
    buckets = _strings(detail.get("bucket", {}).get("name", [{"prefix": ""}]))
    for bucket in buckets:
        for key in _strings(detail.get("object", {}).get("key", [{"prefix": ""}])):
            yield Region(
                tuple(
                    f"arn:aws:s3:::{each}/{rest}" for each in bucket.any_of for rest in key.any_of
                ),
                (
                    *(f"arn:aws:s3:::{each}/*" for each in bucket.but_not),
                    *(
                        f"arn:aws:s3:::{each}/{rest}"
                        for each in bucket.any_of
                        for rest in key.but_not
                    ),
                ),
            )


def _under(prefix: str, names: Region) -> Region:
    return Region(
        tuple(f"{prefix}{name}" for name in names.any_of),
        tuple(f"{prefix}{name}" for name in names.but_not),
    )


def _exact(pattern: Mapping[str, Any], member: str) -> list[str]:
    listed = pattern.get(member)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Unfollowed(f"a rule whose {member} is {listed!r}: only a list of names is followed")
    return listed


def _strings(matchers: Sequence[Any]) -> list[Region]:
    """The strings that each of `matchers` matches, as patterns of IAM's.

    Source: "Comparison operators for use in event patterns" in the EventBridge user guide.
    """
    return [_string(each) for each in matchers]


def _string(matcher: Any) -> Region:
    if isinstance(matcher, str):
        return Region((_literal(matcher),))
    if isinstance(matcher, Mapping) and len(matcher) == 1:
        [(operator, operand)] = matcher.items()
        found = _operator(operator, operand)
        if found is not None:
            return Region(found)
        if operator == "anything-but":
            return Region(("*",), tuple(_but_not(operand)))
    raise Unfollowed(f"an event pattern's matcher {matcher!r} is not known here")


def _operator(operator: str, operand: Any) -> tuple[str, ...] | None:
    if not isinstance(operand, str):
        return None
    if operator == "prefix":
        return (f"{_literal(operand)}*",)
    if operator == "suffix":
        return (f"*{_literal(operand)}",)
    if operator == "wildcard" and "\\" not in operand:
        return ("*".join(_literal(part) for part in operand.split("*")),)
    return None


def _but_not(operand: Any) -> Iterator[str]:
    """What `anything-but` leaves out."""
    if isinstance(operand, Mapping) and len(operand) == 1:
        [(operator, inner)] = operand.items()
        for each in inner if isinstance(inner, list) else [inner]:
            found = _operator(operator, each)
            if found is None:
                raise Unfollowed(f"an event pattern's matcher anything-but {operand!r}")
            yield from found
        return
    for each in operand if isinstance(operand, list) else [operand]:
        if not isinstance(each, str):
            raise Unfollowed(f"an event pattern's matcher anything-but {operand!r}")
        yield _literal(each)


def _literal(text: str) -> str:
    """`text` as a part of an ARN pattern, in which no letter may look like a wildcard."""
    if {"*", "?"} & set(text):
        raise Unfollowed(f"an event pattern's matcher with a wildcard as a letter: {text!r}")
    return text
