"""The way back from a deployment that failed, kept on the stack until it is gone.

A stack goes back in CloudFormation's two steps. First what was changed takes its old shape, last
change first; if that cannot be, the stack stays in UPDATE_ROLLBACK_FAILED and the rest of the way
waits for ContinueUpdateRollback. Then, while the stack cleans up, what was made is deleted. After
a deployment with rollback disabled the way waits for RollbackStack, or for a deployment that works.

Sources: "Continue rolling back an update" and "Stack failure options" in the CloudFormation user
guide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.offline.services.cloudformation.stack import Definition, Resource, Stack

log = logging.getLogger(__name__)


#: How a resource of a stack is deleted.
Delete = Callable[["Stack", "Resource"], None]


@dataclass(frozen=True)
class Step:
    """One change of a resource, and what takes it back. `undo` writes the stack's events."""

    logical_id: str
    undo: Callable[[], None]
    #: Puts the record of the resource back without touching the resource.
    forget: Callable[[], None]


@dataclass
class Unfinished:
    """What a deployment has done so far, over several attempts if the first ones failed."""

    kind: str
    before: Definition | None
    steps: list[Step] = field(default_factory=list)
    #: Resources that the deployment made, also those that it made half.
    made: list[Resource] = field(default_factory=list)
    #: Resources of the stack before, which a successor has replaced. They go when all is well.
    replaced: list[Resource] = field(default_factory=list)
    #: Resources that were there already and were taken into the stack.
    imported: list[Resource] = field(default_factory=list)
    #: Delete what this deployment made though its policy is Retain (RetainExceptOnCreate).
    retain_nothing_made: bool = False

    @property
    def doing(self) -> str:
        """The status of a stack that goes back, without its end."""
        return "ROLLBACK" if self.kind == "CREATE" else "UPDATE_ROLLBACK"


def roll_back(
    stack: Stack,
    way: Unfinished,
    delete: Delete,
    skip: Iterable[str] = (),
    *,
    force: bool = False,
) -> None:
    """Bring `stack` back to what it was before; its status says how far that went.

    Args:
        delete: deletes a resource of a stack.
        skip: logical ids of resources that stay as they are; the stack's record is put back.
        force: skip whatever cannot be undone.
    """
    skipped = set(skip)
    stack.unfinished = way
    while way.steps:
        step = way.steps[-1]
        try:
            if step.logical_id in skipped:
                step.forget()
            else:
                step.undo()
        except Exception:  # its event says why
            log.warning("rolling back %s of %s", step.logical_id, stack.name, exc_info=True)
            if force:
                step.forget()
                way.steps.pop()
                continue
            stack.enter(
                f"{way.doing}_FAILED",
                f"The following resource(s) failed to update: [{step.logical_id}]. ",
            )
            return
        way.steps.pop()
    for resource in stack.resources.values():
        if resource.status == "UPDATE_FAILED":  # refused before it was touched, or skipped
            stack.note(resource, "UPDATE_COMPLETE")
    stack.definition = way.before if way.kind == "UPDATE" else stack.definition
    if way.kind == "UPDATE":
        stack.enter("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
    _release(stack, way)
    left = _delete_made(stack, way, delete)
    if left and way.kind == "CREATE":
        names = ", ".join(left)
        stack.enter("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{names}]. ")
        return
    stack.unfinished = None
    stack.enter(f"{way.doing}_COMPLETE")


def _release(stack: Stack, way: Unfinished) -> None:
    """Let go of what was taken into the stack; it stays as it is."""
    for resource in reversed(way.imported):
        stack.note(resource, "IMPORT_ROLLBACK_IN_PROGRESS")
        stack.resources.pop(resource.logical_id, None)
        stack.note(resource, "IMPORT_ROLLBACK_COMPLETE")
    way.imported.clear()


def _delete_made(stack: Stack, way: Unfinished, delete: Delete) -> list[str]:
    """Delete what the deployment made, last first; the logical ids of what would not go.

    A policy of Retain holds here too, as on AWS: what a failed deployment made stays behind.
    RetainExceptOnCreate is the policy that does not.
    """
    left = []
    while way.made:
        resource = way.made.pop()
        if resource.deletion_policy == "Retain" and not way.retain_nothing_made:
            stack.note(resource, "DELETE_SKIPPED")
        else:
            try:
                delete(stack, resource)
            except Exception:  # its event says why
                log.warning("rolling back %s", resource.logical_id, exc_info=True)
                left.append(resource.logical_id)
                continue
        if stack.resources.get(resource.logical_id) is resource:
            del stack.resources[resource.logical_id]
    return left
