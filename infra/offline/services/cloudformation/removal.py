"""Deletes resources, one or a whole stack's, and says so in the stack's events."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from infra.offline.services.cloudformation.errors import ResourceError, TemplateError
from infra.offline.services.cloudformation.resource import ResourceType, Scope
from infra.offline.services.cloudformation.stack import Resource, Stack, timestamp
from infra.offline.services.cloudformation.types import find

log = logging.getLogger(__name__)

#: With these a resource outlives its removal from a stack.
STAYS = ("Retain", "RetainExceptOnCreate")


def delete_stack(stack: Stack, retain: Iterable[str] = (), *, force: bool = False) -> None:
    """Delete the stack's resources, dependants first, except those with a policy to stay.

    Args:
        retain: logical ids that stay, whatever their policy.
        force: what cannot be deleted is left behind (DeletionMode FORCE_DELETE_STACK).
    """
    stack.enter("DELETE_IN_PROGRESS", "User Initiated")
    kept = set(retain)
    failed: list[Resource] = []
    for resource in reversed(in_order(stack.resources.values())):
        # What a remaining resource stands on cannot go either.
        if any(resource.logical_id in other.needs for other in failed):
            failed.append(resource)
            continue
        if resource.deletion_policy in STAYS or resource.logical_id in kept:
            stack.note(resource, "DELETE_SKIPPED")
            del stack.resources[resource.logical_id]
            continue
        try:
            delete(stack, resource)
        except Exception:  # its event says why
            log.warning("deleting %s", resource.logical_id, exc_info=True)
            failed.append(resource)
        else:
            del stack.resources[resource.logical_id]
    if failed and not force:
        names = ", ".join(resource.logical_id for resource in failed)
        stack.enter("DELETE_FAILED", f"The following resource(s) failed to delete: [{names}]. ")
        return
    for resource in failed:
        stack.note(resource, "DELETE_SKIPPED")
    stack.resources, stack.outputs, stack.imports = {}, [], set()
    stack.unfinished = None
    stack.deleted = timestamp()
    stack.enter("DELETE_COMPLETE")


def delete(stack: Stack, resource: Resource) -> None:
    """Delete one resource; what was never made counts as deleted."""
    stack.note(resource, "DELETE_IN_PROGRESS")
    try:
        if resource.physical_id:
            model_of(resource.type).delete(
                resource.physical_id, resource.properties, scope_of(stack, resource.logical_id)
            )
    except Exception as error:
        stack.note(resource, "DELETE_FAILED", reason_of(error))
        raise
    stack.note(resource, "DELETE_COMPLETE")


def in_order(resources: Iterable[Resource]) -> list[Resource]:
    """`resources` so that each comes after those it needs."""
    waiting = list(resources)
    ordered: list[Resource] = []
    while waiting:
        names = {resource.logical_id for resource in waiting}
        ready = [resource for resource in waiting if not resource.needs & names] or waiting
        ordered += ready
        waiting = [resource for resource in waiting if resource not in ready]
    return ordered


def scope_of(stack: Stack, logical_id: str) -> Scope:
    return Scope(stack.account, stack.region, stack.name, stack.stack_id, logical_id)


def model_of(kind: str) -> ResourceType:
    """The type's model.

    Raises:
        ResourceError: there is none.
    """
    model = find(kind)
    if model is None:
        raise ResourceError(f"Resource type {kind} is not modelled by the embedded cloud.")
    return model


def reason_of(error: Exception) -> str:
    """What a stack's event says of an error: the service's words, or that it is our mistake."""
    if isinstance(error, ResourceError | TemplateError):
        return str(error)
    return f"Internal failure of the embedded cloud: {error!r}"
