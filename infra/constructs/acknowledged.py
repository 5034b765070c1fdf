"""Records why a review rule does not apply, on the resource that breaks it."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge cdk-nag findings on `construct`: rule or finding id -> reason.

    Written as node metadata, where cdk-nag reads it: `Validations.acknowledge` takes the `::` of
    "AwsSolutions-IAM5[Resource::*]" for a separator and refuses the id.

    Raises:
        ValueError: if a reason is too short to be one.
    """
    for rule, reason in reasons.items():
        if len(reason.split()) < 4:
            raise ValueError(f"{rule} on {construct.node.path}: {reason!r} is not a reason")
    if reasons:
        construct.node.add_metadata(Validations.ACKNOWLEDGED_RULES_METADATA_KEY, dict(reasons))
