"""Makes one step of a deployment fail, at a place that the test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.offline.services.cloudformation import removal, rollback
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import ResourceType, Scope

SAYS = "failed as the test wanted"


@dataclass
class Fault:
    """Fails the `place`th creation or update, counted from 0, before or after its work is done.

    After: the resource is there, as when a later step of its making fails.
    """

    place: int
    after: bool = False
    #: What has been tried: (verb, logical id).
    steps: list[tuple[str, str]] = field(default_factory=list)
    fired: bool = False
    #: The way back has begun, and is left alone.
    over: bool = False

    def strikes(self, verb: str, scope: Scope) -> bool:
        """Whether this step is the one. Nothing counts that comes after it."""
        if self.fired or self.over:
            return False
        self.steps.append((verb, scope.logical_id))
        self.fired = len(self.steps) == self.place + 1
        return self.fired


class _Struck:
    """A resource type whose steps a fault may strike."""

    def __init__(self, model: ResourceType, fault: Fault) -> None:
        self._model = model
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def create(self, wanted: Any, scope: Scope) -> Any:
        struck = self._fault.strikes("create", scope)
        if struck and not self._fault.after:
            raise ResourceError(SAYS)
        made = self._model.create(wanted, scope)
        if struck:
            scope.exists(made.physical_id)
            raise ResourceError(SAYS)
        return made

    def update(self, made: str, before: Any, wanted: Any, scope: Scope) -> Any:
        struck = self._fault.strikes("update", scope)
        if struck and not self._fault.after:
            raise ResourceError(SAYS)
        changed = self._model.update(made, before, wanted, scope)
        if struck:
            raise ResourceError(SAYS)
        return changed


@contextmanager
def failing(fault: Fault) -> Iterator[Fault]:
    """Deployments meet `fault` while this is open."""
    model_of, roll_back = removal.model_of, rollback.roll_back

    def struck(kind: str) -> Any:
        return _Struck(model_of(kind), fault)

    def undisturbed(*arguments: Any, **more: Any) -> None:
        fault.over = True
        roll_back(*arguments, **more)

    removal.model_of, rollback.roll_back = struck, undisturbed
    try:
        yield fault
    finally:
        removal.model_of, rollback.roll_back = model_of, roll_back
