"""Brings a stack's resources to a definition, back again if that fails, and to nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.offline.cloudformation.changes import Plan, plan
from infra.offline.cloudformation.errors import ResourceError, TemplateError
from infra.offline.cloudformation.evaluation import Evaluation
from infra.offline.cloudformation.resource import Made, ResourceType, Scope
from infra.offline.cloudformation.stack import Definition, Resource, Stack, timestamp
from infra.offline.cloudformation.template import Declaration
from infra.offline.cloudformation.types import find, modelled

log = logging.getLogger(__name__)

#: Undoes one step; it says what it does in the stack's events.
Undo = Callable[[], None]


class Failed(Exception):
    """A resource could not be made or changed; the stack's events say which and why."""


class Deployment:
    """One attempt to bring `stack` to `definition`."""

    def __init__(
        self, stack: Stack, definition: Definition, *, exports: Mapping[str, str], roll_back: bool
    ) -> None:
        self._stack = stack
        self._definition = definition
        self._exports = exports
        self._roll_back = roll_back
        self._undo: list[Undo] = []
        self._old: list[Resource] = []
        self._imports: set[str] = set()

    def run(self) -> None:
        """Deploy, and leave the stack in the status that CloudFormation would."""
        stack = self._stack
        kind = "CREATE" if not stack.resources and stack.definition is None else "UPDATE"
        before = stack.definition
        stack.definition = self._definition
        try:
            made = self._make()
            self._show_outputs()
        except Failed as failure:
            self._fail(kind, before, str(failure))
            return
        except TemplateError as error:
            self._fail(kind, before, str(error))
            return
        stack.imports = self._imports
        removed = [resource for name, resource in stack.resources.items() if name not in made.needs]
        if kind == "UPDATE":
            stack.updated = timestamp()
            if removed or self._old:
                stack.enter("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(removed)
        stack.resources = {name: stack.resources[name] for name in made.order}
        stack.enter(f"{kind}_COMPLETE")

    # --- forward ------------------------------------------------------------------------------
    def _make(self) -> Plan:
        made = plan(self._stack, self._definition)
        active = made.evaluation.active()
        self._refuse_unmodelled(made, active)
        evaluation = Evaluation(
            self._definition.template,
            self._definition.parameters.values,
            self._stack.pseudo,
            self,
        )
        for logical_id in made.order:
            self._bring(evaluation, active[logical_id], made.needs[logical_id])
        return made

    def _refuse_unmodelled(self, made: Plan, active: Mapping[str, Declaration]) -> None:
        """Fail before anything is made, and name all that is not modelled."""
        first = None
        for logical_id in made.order:
            declared = active[logical_id]
            model = find(declared.type)
            problems = (
                model.problems(made.evaluation.properties(declared))
                if model
                else [
                    f"Resource type {declared.type} is not modelled by the embedded cloud "
                    f"(modelled: {', '.join(modelled())})."
                ]
            )
            if problems:
                known = self._stack.resources.get(logical_id)
                resource = known or _resource(declared, Made(""), {}, frozenset())
                reason = " ".join(problems)
                verb = "UPDATE" if known else "CREATE"
                self._stack.note(resource, f"{verb}_FAILED", reason)
                first = first or f"The following resource(s) failed to create: [{logical_id}]."
        if first:
            raise Failed(first)

    def _bring(self, evaluation: Evaluation, declared: Declaration, needs: frozenset[str]) -> None:
        known = self._stack.resources.get(declared.logical_id)
        try:
            wanted = evaluation.properties(declared)
        except (TemplateError, ResourceError) as error:
            failed = known or _resource(declared, Made(""), {}, needs)
            self._failed(failed, "UPDATE" if known else "CREATE", error)
        model = _model(declared.type)
        wanted = model.with_tags(wanted, self._definition.tags)
        if known is None:
            self._create(model, declared, wanted, needs)
            return
        replacing = model.replaces(known.properties, wanted)
        if known.type != declared.type or replacing:
            self._replace(model, known, declared, wanted, needs, replacing)
        elif known.properties != wanted:
            self._update(model, known, declared, wanted, needs)
        else:
            known.deletion_policy = declared.deletion_policy
            known.replace_policy = declared.replace_policy
            known.needs = needs

    def _create(
        self,
        model: ResourceType,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
    ) -> None:
        resource = _resource(declared, Made(""), wanted, needs)
        self._stack.note(resource, "CREATE_IN_PROGRESS")
        self._made(model, resource, "CREATE")
        self._stack.resources[declared.logical_id] = resource
        self._undo.append(lambda: self._remove_made(resource))
        self._stack.note(resource, "CREATE_COMPLETE")

    def _made(self, model: ResourceType, resource: Resource, verb: str) -> None:
        """Make `resource`, or delete what there is of it and fail."""
        scope = _scope(self._stack, resource.logical_id)
        try:
            made = model.create(resource.properties, scope)
        except Exception as error:
            if scope.physical_id is not None:
                resource.physical_id = scope.physical_id
                self._undo.append(lambda: self._remove_made(resource))
            self._failed(resource, verb, error)
        resource.physical_id, resource.attributes = made.physical_id, made.attributes
        self._stack.note(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated")

    def _replace(
        self,
        model: ResourceType,
        known: Resource,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
        replacing: list[str],
    ) -> None:
        self._stack.note(
            known,
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating "
            "one.",
        )
        name = model.named_by
        if known.type == declared.type and name in wanted and name not in replacing:
            self._failed(
                known,
                "UPDATE",
                ResourceError(
                    "CloudFormation cannot update a stack when a custom-named resource requires "
                    f"replacing. Rename {wanted[name]} and update the stack again."
                ),
            )
        successor = _resource(declared, Made(known.physical_id), wanted, needs)
        self._made(model, successor, "UPDATE")
        self._stack.resources[declared.logical_id] = successor

        def undo() -> None:
            self._remove_made(successor)
            self._stack.resources[declared.logical_id] = known
            self._stack.note(known, "UPDATE_COMPLETE")

        self._undo.append(undo)
        self._old.append(known)
        self._stack.note(successor, "UPDATE_COMPLETE")

    def _update(
        self,
        model: ResourceType,
        known: Resource,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
    ) -> None:
        before = _resource(declared, Made(known.physical_id, known.attributes), {}, known.needs)
        before.properties = known.properties
        before.deletion_policy, before.replace_policy = known.deletion_policy, known.replace_policy
        self._stack.note(known, "UPDATE_IN_PROGRESS")

        def undo() -> None:
            self._stack.note(before, "UPDATE_IN_PROGRESS")
            scope = _scope(self._stack, before.logical_id)
            try:
                made = model.update(known.physical_id, wanted, before.properties, scope)
            except Exception as error:
                self._stack.note(before, "UPDATE_FAILED", _reason(error))
                raise
            before.attributes = made.attributes
            self._stack.resources[declared.logical_id] = before
            self._stack.note(before, "UPDATE_COMPLETE")

        # Undone even if it fails itself: an update may stop half-way.
        self._undo.append(undo)
        scope = _scope(self._stack, known.logical_id)
        try:
            made = model.update(known.physical_id, known.properties, wanted, scope)
        except Exception as error:
            self._failed(known, "UPDATE", error)
        updated = _resource(declared, made, wanted, needs)
        self._stack.resources[declared.logical_id] = updated
        self._stack.note(updated, "UPDATE_COMPLETE")

    def _failed(self, resource: Resource, verb: str, error: Exception) -> Any:
        if not isinstance(error, ResourceError | TemplateError):
            log.exception("%s of %s", verb, resource.logical_id)
        self._stack.note(resource, f"{verb}_FAILED", _reason(error))
        action = "create" if verb == "CREATE" else "update"
        raise Failed(
            f"The following resource(s) failed to {action}: [{resource.logical_id}]."
        ) from error

    def _show_outputs(self) -> None:
        evaluation = Evaluation(
            self._definition.template,
            self._definition.parameters.values,
            self._stack.pseudo,
            self,
        )
        outputs = [shown for _, shown in evaluation.outputs()]
        for shown in outputs:
            name = shown.get("ExportName")
            if name in self._exports:
                raise TemplateError(f"Export with name {name} is already exported by another stack")
        self._stack.outputs = outputs

    # --- the lookup of what is there ----------------------------------------------------------
    def ref(self, logical_id: str) -> Any:
        """The physical id."""
        return self._there(logical_id).physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        """An attribute that the resource's type documents."""
        resource = self._there(logical_id)
        if name not in resource.attributes:
            raise TemplateError(
                f"Template error: resource {logical_id} of type {resource.type} does not support "
                f"attribute {name} in Fn::GetAtt (it has: {', '.join(resource.attributes)})"
            )
        return resource.attributes[name]

    def imported(self, export: str) -> Any:
        """The value that another stack exports."""
        if export not in self._exports:
            raise TemplateError(f"No export named {export} found.")
        self._imports.add(export)
        return self._exports[export]

    def _there(self, logical_id: str) -> Resource:
        if logical_id not in self._stack.resources:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{logical_id}] in the "
                "template"
            )
        return self._stack.resources[logical_id]

    # --- backward -----------------------------------------------------------------------------
    def _fail(self, kind: str, before: Definition | None, reason: str) -> None:
        stack = self._stack
        if not self._roll_back:
            stack.enter(f"{kind}_FAILED", reason)
            return
        doing = "ROLLBACK" if kind == "CREATE" else "UPDATE_ROLLBACK"
        stack.enter(f"{doing}_IN_PROGRESS", f"{reason} Rollback requested by user.")
        for undo in reversed(self._undo):
            try:
                undo()
            except Exception as error:
                log.warning("rolling back %s", stack.name, exc_info=True)
                stack.enter(f"{doing}_FAILED", _reason(error))
                return
        if kind == "UPDATE":
            stack.definition = before
            stack.enter("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        stack.enter(f"{doing}_COMPLETE")

    def _remove_made(self, resource: Resource) -> None:
        """Delete what this deployment made, whatever its policy: Retain protects what was there."""
        if resource.deletion_policy == "Retain":
            self._stack.note(resource, "DELETE_SKIPPED")
        else:
            _delete(self._stack, resource)
        self._stack.resources.pop(resource.logical_id, None)

    def _clean_up(self, removed: list[Resource]) -> None:
        """Delete what the new definition has no more, dependants first; failures do not undo it."""
        replaced = {id(resource) for resource in self._old}
        for resource in [*reversed(self._old), *reversed(_in_order(removed))]:
            policy = (
                resource.replace_policy if id(resource) in replaced else resource.deletion_policy
            )
            if policy in ("Retain", "RetainExceptOnCreate"):
                self._stack.note(resource, "DELETE_SKIPPED")
                continue
            try:
                _delete(self._stack, resource)
            except Exception:  # its event says why; CloudFormation leaves it behind
                log.warning("cleaning up %s", resource.logical_id, exc_info=True)


def delete(stack: Stack, retain: Iterable[str] = ()) -> None:
    """Delete the stack's resources, dependants first, except those with a policy to stay."""
    stack.enter("DELETE_IN_PROGRESS", "User Initiated")
    kept = set(retain)
    failed: list[Resource] = []
    for resource in reversed(_in_order(stack.resources.values())):
        # What a remaining resource stands on cannot go either.
        if any(resource.logical_id in other.needs for other in failed):
            failed.append(resource)
            continue
        if (
            resource.deletion_policy in ("Retain", "RetainExceptOnCreate")
            or resource.logical_id in kept
        ):
            stack.note(resource, "DELETE_SKIPPED")
            del stack.resources[resource.logical_id]
            continue
        try:
            _delete(stack, resource)
        except Exception:  # its event says why
            log.warning("deleting %s", resource.logical_id, exc_info=True)
            failed.append(resource)
        else:
            del stack.resources[resource.logical_id]
    if failed:
        names = ", ".join(resource.logical_id for resource in failed)
        stack.enter("DELETE_FAILED", f"The following resource(s) failed to delete: [{names}]. ")
        return
    stack.outputs, stack.imports = [], set()
    stack.deleted = timestamp()
    stack.enter("DELETE_COMPLETE")


def _delete(stack: Stack, resource: Resource) -> None:
    stack.note(resource, "DELETE_IN_PROGRESS")
    try:
        _model(resource.type).delete(
            resource.physical_id, resource.properties, _scope(stack, resource.logical_id)
        )
    except Exception as error:
        stack.note(resource, "DELETE_FAILED", _reason(error))
        raise
    stack.note(resource, "DELETE_COMPLETE")


def _in_order(resources: Iterable[Resource]) -> list[Resource]:
    """`resources` so that each comes after those it needs."""
    waiting = list(resources)
    ordered: list[Resource] = []
    while waiting:
        names = {resource.logical_id for resource in waiting}
        ready = [resource for resource in waiting if not resource.needs & names] or waiting
        ordered += ready
        waiting = [resource for resource in waiting if resource not in ready]
    return ordered


def _resource(
    declared: Declaration, made: Made, properties: dict[str, Any], needs: frozenset[str]
) -> Resource:
    return Resource(
        logical_id=declared.logical_id,
        type=declared.type,
        physical_id=made.physical_id,
        properties=properties,
        attributes=made.attributes,
        deletion_policy=declared.deletion_policy,
        replace_policy=declared.replace_policy,
        needs=needs,
    )


def _scope(stack: Stack, logical_id: str) -> Scope:
    return Scope(stack.account, stack.region, stack.name, stack.stack_id, logical_id)


def _model(kind: str) -> ResourceType:
    model = find(kind)
    if model is None:
        raise ResourceError(f"Resource type {kind} is not modelled by the embedded cloud.")
    return model


def _reason(error: Exception) -> str:
    if isinstance(error, ResourceError | TemplateError):
        return str(error)
    return f"Internal failure of the embedded cloud: {error!r}"
