"""Brings a stack's resources to a definition; the way back is noted step by step."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from infra.offline.services.cloudformation import removal, rollback
from infra.offline.services.cloudformation.changes import Plan, plan
from infra.offline.services.cloudformation.errors import ResourceError, TemplateError
from infra.offline.services.cloudformation.evaluation import Evaluation
from infra.offline.services.cloudformation.members import unmodelled
from infra.offline.services.cloudformation.resource import Made, ResourceType
from infra.offline.services.cloudformation.rollback import Step, Unfinished
from infra.offline.services.cloudformation.stack import Definition, Resource, Stack, timestamp
from infra.offline.services.cloudformation.template import Declaration
from infra.offline.services.cloudformation.types import find, modelled

log = logging.getLogger(__name__)

#: CloudFormation tries so often to delete what an update has replaced or removed.
#: Source: "Monitor the progress of a stack update" in the CloudFormation user guide.
CLEANUP_ATTEMPTS = 3

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
NO_REPLACEMENT = "Replacement type updates not supported on stack with disable-rollback."
LEFT_BEHIND = "Update successful. One or more resources could not be deleted."
TAGS_OF_IMPORTED = "Apply stack-level tags to imported resource if applicable."


class Failed(Exception):
    """A resource could not be made or changed; the stack's events say which and why."""


class Deployment:
    """One attempt to bring `stack` to `definition`.

    Args:
        exports: exported values of the other stacks, by name.
        roll_back: go back when it fails; else the stack stays where it failed.
        retain_nothing_made: roll back also what has the policy Retain.
        imports: logical ids of resources that are there already and come into the stack.
    """

    def __init__(
        self,
        stack: Stack,
        definition: Definition,
        *,
        exports: Mapping[str, str],
        roll_back: bool,
        retain_nothing_made: bool = False,
        imports: Collection[str] = (),
    ) -> None:
        self._stack = stack
        self._definition = definition
        self._exports = exports
        self._roll_back = roll_back
        self._imports = frozenset(imports)
        self._imported_values: set[str] = set()
        kind = "CREATE" if not stack.resources and stack.definition is None else "UPDATE"
        self._kind = kind
        # An attempt after one that was left where it failed goes on from there.
        self._way = stack.unfinished or Unfinished(kind, stack.definition)
        self._way.retain_nothing_made = retain_nothing_made

    def run(self) -> None:
        """Deploy, and leave the stack in the status that CloudFormation would."""
        stack = self._stack
        stack.definition = self._definition
        try:
            made = self._make()
            self._show_outputs()
        except (Failed, TemplateError) as failure:
            self._fail(str(failure))
            return
        stack.imports = self._imported_values
        stack.unfinished = None
        removed = [resource for name, resource in stack.resources.items() if name not in made.needs]
        left = False
        if self._kind == "UPDATE":
            stack.updated = timestamp()
            stack.enter("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            left = self._clean_up(removed)
        stack.resources = {name: stack.resources[name] for name in made.order}
        stack.enter(f"{self._kind}_COMPLETE", LEFT_BEHIND if left else None)

    def _fail(self, reason: str) -> None:
        stack = self._stack
        if not self._roll_back:
            stack.unfinished = self._way
            stack.enter(f"{self._kind}_FAILED", reason)
            return
        if self._kind == "CREATE":
            reason = f"{reason}Rollback requested by user."
        stack.enter(f"{self._way.doing}_IN_PROGRESS", reason)
        rollback.roll_back(stack, self._way, removal.delete)

    # --- forward ------------------------------------------------------------------------------
    def _make(self) -> Plan:
        made = plan(self._stack, self._definition)
        active = made.evaluation.active()
        self._refuse_unmodelled(made, active)
        self._refuse_removals(active)
        evaluation = self._evaluation()
        for logical_id in made.order:
            self._bring(evaluation, active[logical_id], made.needs[logical_id])
        return made

    def _evaluation(self) -> Evaluation:
        return Evaluation(
            self._definition.template,
            self._definition.parameters.values,
            self._stack.pseudo,
            self,
        )

    def _refuse_unmodelled(self, made: Plan, active: Mapping[str, Declaration]) -> None:
        """Fail before anything is made, and name all that is not modelled."""
        failed = []
        for logical_id in made.order:
            declared = active[logical_id]
            problems = _problems(declared, made.evaluation.properties(declared))
            if problems:
                known = self._stack.resources.get(logical_id)
                resource = known or _resource(declared, Made(""), {}, frozenset())
                verb = "UPDATE" if known else "CREATE"
                self._stack.note(resource, f"{verb}_FAILED", " ".join(problems))
                failed.append(logical_id)
        if failed:
            raise Failed(f"The following resource(s) failed to create: [{', '.join(failed)}]. ")

    def _refuse_removals(self, active: Mapping[str, Declaration]) -> None:
        """Fail before anything is made if the stack policy lets a resource not go.

        When CloudFormation finds out is not documented; that the update fails is.
        """
        for logical_id, known in self._stack.resources.items():
            if logical_id not in active:
                self._may("Update:Delete", known)

    def _may(self, action: str, known: Resource) -> None:
        """Hold an action of an update against the stack policy."""
        policy = self._stack.policy
        refused = policy.refuses(action, known.logical_id, known.type) if policy else None
        if refused:
            self._failed(known, "UPDATE", ResourceError(refused))

    def _bring(self, evaluation: Evaluation, declared: Declaration, needs: frozenset[str]) -> None:
        known = self._stack.resources.get(declared.logical_id)
        if known is not None and known.status == "CREATE_FAILED":
            self._clear_away(known)
            known = None
        if known is not None and known.status == "UPDATE_FAILED":
            known = self._take_back(known)
        try:
            wanted = evaluation.properties(declared)
        except (TemplateError, ResourceError) as error:
            failed = known or _resource(declared, Made(""), {}, needs)
            self._failed(failed, "UPDATE" if known else "CREATE", error)
        model = removal.model_of(declared.type)
        untagged = wanted
        wanted = model.with_tags(wanted, self._definition.tags)
        if known is None:
            if declared.logical_id in self._imports:
                self._import(model, declared, untagged, wanted, needs)
            else:
                self._create(model, declared, wanted, needs)
            return
        replacing = model.replaces(known.properties, wanted)
        if known.type != declared.type or replacing:
            self._may("Update:Replace", known)
            self._replace(model, known, declared, wanted, needs, replacing)
        elif known.properties != wanted:
            self._may("Update:Modify", known)
            self._update(model, known, declared, wanted, needs)
        else:
            self._keep(known, declared, needs)

    def _keep(self, known: Resource, declared: Declaration, needs: frozenset[str]) -> None:
        """Take over what is no property of the resource itself."""
        before = known.deletion_policy, known.replace_policy, known.needs
        after = declared.deletion_policy, declared.replace_policy, needs
        if before == after:
            return

        def forget() -> None:
            known.deletion_policy, known.replace_policy, known.needs = before

        known.deletion_policy, known.replace_policy, known.needs = after
        self._way.steps.append(Step(known.logical_id, forget, forget))

    def _create(
        self,
        model: ResourceType,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
    ) -> None:
        resource = _resource(declared, Made(""), wanted, needs)
        self._stack.note(resource, "CREATE_IN_PROGRESS")
        # In the stack even if it fails: who deletes the stack then deletes what there is of it.
        self._stack.resources[declared.logical_id] = resource
        self._made(model, resource, "CREATE")
        self._stack.note(resource, "CREATE_COMPLETE")

    def _made(self, model: ResourceType, resource: Resource, verb: str) -> None:
        """Make `resource`, or note what there is of it and fail."""
        scope = removal.scope_of(self._stack, resource.logical_id)
        try:
            made = model.create(resource.properties, scope)
        except Exception as error:
            resource.physical_id = scope.physical_id or ""
            if resource.physical_id:
                self._way.made.append(resource)
            elif not self._roll_back and verb == "CREATE":
                self._way.made.append(resource)  # deleting it says so, and touches nothing
            else:
                self._drop(resource)
            self._failed(resource, verb, error)
        resource.physical_id, resource.attributes = made.physical_id, made.attributes
        self._way.made.append(resource)
        self._stack.note(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated")

    def _drop(self, resource: Resource) -> None:
        if self._stack.resources.get(resource.logical_id) is resource:
            del self._stack.resources[resource.logical_id]

    def _clear_away(self, wreck: Resource) -> None:
        """Delete what an attempt before this one left of a resource that it could not make."""
        if wreck in self._way.made:
            self._way.made.remove(wreck)
        try:
            removal.delete(self._stack, wreck)
        except Exception as error:
            self._way.made.append(wreck)
            self._failed(wreck, "CREATE", error)
        self._drop(wreck)

    def _take_back(self, known: Resource) -> Resource:
        """Undo what an attempt before this one did to a resource before it failed."""
        for step in reversed(self._way.steps):
            if step.logical_id == known.logical_id:
                self._way.steps.remove(step)
                try:
                    step.undo()
                except Exception as error:
                    self._way.steps.append(step)
                    self._failed(known, "UPDATE", error)
                break
        return self._stack.resources[known.logical_id]

    def _import(
        self,
        model: ResourceType,
        declared: Declaration,
        untagged: dict[str, Any],
        wanted: dict[str, Any],
        needs: frozenset[str],
    ) -> None:
        """Take what is there into the stack as it is; of the stack it gets the tags alone."""
        found_by = str(untagged[model.found_by or model.named_by or ""])
        resource = _resource(declared, Made(found_by), untagged, needs)
        self._stack.note(resource, "IMPORT_IN_PROGRESS")
        scope = removal.scope_of(self._stack, resource.logical_id)
        try:
            found = model.existing(untagged, scope)
        except Exception as error:
            self._failed(resource, "IMPORT", error)
        if found is None:
            gone = ResourceError(f"{resource.physical_id} is gone.")
            self._failed(resource, "IMPORT", gone)
        resource.physical_id, resource.attributes = found.physical_id, found.attributes
        self._stack.resources[declared.logical_id] = resource
        self._way.imported.append(resource)
        self._stack.note(resource, "IMPORT_COMPLETE")
        if "Tags" in model.replaced_by:
            # Such a type's tags cannot be changed: the stack's are taken to be there.
            resource.properties = wanted
        elif wanted != untagged:
            self._update(model, resource, declared, wanted, needs, TAGS_OF_IMPORTED)

    def _replace(
        self,
        model: ResourceType,
        known: Resource,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
        replacing: list[str],
    ) -> None:
        self._stack.note(known, "UPDATE_IN_PROGRESS", REPLACING)
        if not self._roll_back:
            self._failed(known, "UPDATE", ResourceError(NO_REPLACEMENT))
        name = model.named_by
        elsewhere = {name, *model.named_in} & set(replacing)
        if known.type == declared.type and name in wanted and not elsewhere:
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

        def forget() -> None:
            self._stack.resources[declared.logical_id] = known

        def undo() -> None:
            forget()
            self._stack.note(known, "UPDATE_COMPLETE")

        self._way.steps.append(Step(declared.logical_id, undo, forget))
        self._way.replaced.append(known)
        self._stack.note(successor, "UPDATE_COMPLETE")

    def _update(
        self,
        model: ResourceType,
        known: Resource,
        declared: Declaration,
        wanted: dict[str, Any],
        needs: frozenset[str],
        reason: str | None = None,
    ) -> None:
        stack = self._stack
        stack.note(known, "UPDATE_IN_PROGRESS", reason)

        updated = _resource(declared, Made(known.physical_id, known.attributes), wanted, needs)

        def forget() -> None:
            self._exchange(updated, known)

        def undo() -> None:
            stack.note(known, "UPDATE_IN_PROGRESS")
            scope = removal.scope_of(stack, known.logical_id)
            try:
                made = model.update(known.physical_id, wanted, known.properties, scope)
            except Exception as error:
                there = stack.resources.get(declared.logical_id, known)
                stack.note(there, "UPDATE_FAILED", removal.reason_of(error))
                raise
            known.attributes = made.attributes
            forget()
            stack.note(known, "UPDATE_COMPLETE")

        # Undone even if it fails itself: an update may stop half-way.
        self._way.steps.append(Step(declared.logical_id, undo, forget))
        scope = removal.scope_of(stack, known.logical_id)
        try:
            made = model.update(known.physical_id, known.properties, wanted, scope)
        except Exception as error:
            self._failed(known, "UPDATE", error)
        updated.attributes = made.attributes
        self._exchange(known, updated)
        stack.note(updated, "UPDATE_COMPLETE")

    def _exchange(self, old: Resource, new: Resource) -> None:
        """Let `new` be the record of the resource, also where it is noted for its deletion."""
        self._stack.resources[new.logical_id] = new
        for group in (self._way.made, self._way.imported):
            group[:] = [new if each is old else each for each in group]

    def _failed(self, resource: Resource, verb: str, error: Exception) -> NoReturn:
        if not isinstance(error, ResourceError | TemplateError):
            log.exception("%s of %s", verb, resource.logical_id)
        self._stack.note(resource, f"{verb}_FAILED", removal.reason_of(error))
        raise Failed(
            f"The following resource(s) failed to {verb.lower()}: [{resource.logical_id}]. "
        ) from error

    def _show_outputs(self) -> None:
        outputs = [shown for _, shown in self._evaluation().outputs()]
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
        self._imported_values.add(export)
        return self._exports[export]

    def _there(self, logical_id: str) -> Resource:
        if logical_id not in self._stack.resources:
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{logical_id}] in the "
                "template"
            )
        return self._stack.resources[logical_id]

    # --- afterwards ---------------------------------------------------------------------------
    def _clean_up(self, removed: list[Resource]) -> bool:
        """Delete what the new definition has no more, dependants first.

        Whether something would not go: it is left behind, and the update counts as done.
        """
        left = False
        replaced = self._way.replaced
        for resource in [*reversed(replaced), *reversed(removal.in_order(removed))]:
            policy = (
                resource.replace_policy
                if any(resource is each for each in replaced)
                else resource.deletion_policy
            )
            if policy in removal.STAYS:
                self._stack.note(resource, "DELETE_SKIPPED")
            elif not self._deleted(resource):
                left = True
        return left

    def _deleted(self, resource: Resource) -> bool:
        for _ in range(CLEANUP_ATTEMPTS):
            try:
                removal.delete(self._stack, resource)
            except Exception:  # its event says why
                log.warning("cleaning up %s", resource.logical_id, exc_info=True)
            else:
                return True
        return False


def _problems(declared: Declaration, properties: dict[str, Any]) -> list[str]:
    """What of a declaration is outside the model."""
    model = find(declared.type)
    if model is None:
        return [
            f"Resource type {declared.type} is not modelled by the embedded cloud "
            f"(modelled: {', '.join(modelled())})."
        ]
    return [*model.problems(properties), *unmodelled(declared.type, properties)]


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
