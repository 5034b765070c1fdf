"""The stacks of one account and region: what each operation of CloudFormation does to them."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.offline import inside
from infra.offline.services.cloudformation import deployment, removal, rollback
from infra.offline.services.cloudformation.changes import changes, plan
from infra.offline.services.cloudformation.errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InsufficientCapabilities,
    InvalidChangeSetStatus,
    StackValidationError,
    TemplateError,
    TerminationProtected,
)
from infra.offline.services.cloudformation.parameters import resolve_parameters
from infra.offline.services.cloudformation.stack import ChangeSet, Definition, Stack
from infra.offline.services.cloudformation.template import Template
from infra.offline.services.cloudformation.types import find

log = logging.getLogger(__name__)

#: A request that starts work returns when the work is done, or after so many seconds. The CLI asks
#: every five seconds after that; most stacks are done before it would ask once.
PATIENCE_SECONDS = 20.0

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)

#: Statuses from which a stack can be updated. From the last two only with rollback disabled.
UPDATABLE = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_FAILED",
)
#: A deployment without rollback failed, and the stack waits where it stopped.
PAUSED = ("CREATE_FAILED", "UPDATE_FAILED")
PAUSED_SAYS = (
    "This stack is currently in a non-terminal [{status}] state. To update the stack from this "
    "state, please use the disable-rollback parameter with update-stack API. To rollback to the "
    "last known good state, use the rollback-stack API"
)
#: Types that grant rights, and the property by which one has a name of its own.
#: Source: "Acknowledging IAM resources in CloudFormation templates" in the CloudFormation guide.
GRANTING = {
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
}


_engines: dict[tuple[str, str], Engine] = {}


def engine_of(account: str, region: str) -> Engine:
    """The engine of an account and region, from its first use until `forget`."""
    return _engines.setdefault((account, region), Engine(account, region))


def forget(timeout: float = 30.0) -> None:
    """Wait for the work under way, and forget every stack."""
    for engine in _engines.values():
        engine.finish(timeout)
    _engines.clear()


class Engine:
    """Stacks and change sets, and the work on them: one deployment at a time."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        #: Held while a request decides whether a stack may be worked on and puts it to work.
        self._deciding = threading.Lock()
        self._busy = threading.Lock()
        self._workers: set[threading.Thread] = set()

    # --- reading ------------------------------------------------------------------------------
    def live(self) -> list[Stack]:
        """Every stack that is not deleted."""
        return [stack for stack in self.stacks.values() if stack.status != "DELETE_COMPLETE"]

    def stack(self, name_or_id: str) -> Stack:
        """A live stack by name or id, or a deleted one by id."""
        found = self.find(name_or_id)
        if found is None:
            raise StackValidationError(f"Stack with id {name_or_id} does not exist")
        return found

    def find(self, name_or_id: str) -> Stack | None:
        if name_or_id in self.stacks:
            return self.stacks[name_or_id]
        return next((stack for stack in self.live() if stack.name == name_or_id), None)

    def exports(self, *, beside: Stack | None = None) -> dict[str, str]:
        """Exported values by name, of every live stack except `beside`."""
        return {
            name: value
            for stack in self.live()
            if stack is not beside
            for name, value in stack.exports.items()
        }

    def change_set(self, name: str, stack: str | None) -> ChangeSet:
        """A change set by id, or by name on its stack."""
        found = self.change_sets.get(name)
        owner = self.find(stack) if stack else None
        if found is None and owner is not None:
            found = next(
                (
                    candidate
                    for candidate in self.change_sets.values()
                    if candidate.name == name and candidate.stack_id == owner.stack_id
                ),
                None,
            )
        if found is None:
            raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")
        return found

    def define(
        self,
        text: str,
        given: Mapping[str, str],
        *,
        previous: Stack | None = None,
        kept: Iterable[str] = (),
        **more: Any,
    ) -> Definition:
        """A definition from a template's text and parameters; `kept` take their previous values."""
        values = dict(given)
        for name in kept:
            before = previous.definition if previous else None
            if before is None or name not in before.parameters.given:
                raise StackValidationError(f"Parameters: [{name}] must have values")
            values[name] = before.parameters.given[name]
        try:
            template = Template.read(text)
            parameters = resolve_parameters(template, values, self._ssm)
        except TemplateError as error:
            raise StackValidationError(str(error)) from error
        return Definition(template, parameters, **more)

    def _ssm(self, names: list[str]) -> dict[str, str]:
        """Parameters that SSM has, as plain text, by the names that were asked for."""
        ssm = inside.client("ssm", self.region)
        found: dict[str, str] = {}
        for name in names:
            try:
                parameter = ssm.get_parameter(Name=name)["Parameter"]
            except ssm.exceptions.ParameterNotFound:
                continue
            if parameter["Type"] == "SecureString":
                raise TemplateError(
                    f"Parameters [{name}] referenced by template have types not supported by "
                    "CloudFormation."
                )
            found[name] = str(parameter["Value"])
        return found

    # --- stacks -------------------------------------------------------------------------------
    def create(
        self,
        name: str,
        definition: Definition,
        *,
        roll_back: bool = True,
        protected: bool = False,
        token: str | None = None,
        delete_on_failure: bool = False,
        retain_nothing_made: bool = False,
    ) -> Stack:
        with self._deciding:
            if self.find(name) is not None:
                raise AlreadyExists(f"Stack [{name}] already exists")
            stack = self._new(name, "CREATE_IN_PROGRESS")
            self._check(stack, definition)
            stack.protected, stack.token = protected, token
            self.stacks[stack.stack_id] = stack
            stack.enter("CREATE_IN_PROGRESS", "User Initiated")
        self._deploy(
            stack,
            definition,
            roll_back=roll_back,
            delete_on_failure=delete_on_failure,
            retain_nothing_made=retain_nothing_made,
        )
        return stack

    def update(
        self,
        stack: Stack,
        definition: Definition,
        *,
        roll_back: bool = True,
        token: str | None = None,
        retain_nothing_made: bool = False,
    ) -> None:
        with self._deciding:
            self._check(stack, definition)
            self._may_update(stack, roll_back=roll_back)
            if stack.status not in PAUSED and not changes(stack, definition)[1]:
                raise StackValidationError("No updates are to be performed.")
            stack.token = token
            stack.enter("UPDATE_IN_PROGRESS", "User Initiated")
        self._deploy(
            stack, definition, roll_back=roll_back, retain_nothing_made=retain_nothing_made
        )

    def delete(
        self,
        stack: Stack,
        *,
        retain: Iterable[str] = (),
        token: str | None = None,
        force: bool = False,
    ) -> None:
        kept = list(retain)
        with self._deciding:
            if stack.status == "DELETE_COMPLETE":
                return
            self._may_delete(stack, kept)
            stack.token = token
            for change_set in list(self.change_sets.values()):
                if change_set.stack_id == stack.stack_id:
                    del self.change_sets[change_set.change_set_id]
            stack.status = "DELETE_IN_PROGRESS"
        self._work(stack, "DELETE_FAILED", lambda: removal.delete_stack(stack, kept, force=force))

    def _may_delete(self, stack: Stack, kept: list[str]) -> None:
        if stack.protected:
            raise TerminationProtected(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        for name in stack.exports:
            users = [other.name for other in self.live() if name in other.imports]
            if users:
                raise StackValidationError(
                    f"Export {name} cannot be deleted as it is in use by {', '.join(users)}"
                )
        if kept and stack.status != "DELETE_FAILED":
            raise StackValidationError(
                f"Invalid operation on stack [{stack.stack_id}]. You can specify RetainResources "
                "only when the stack is in the DELETE_FAILED state"
            )
        self._must_rest(stack, "deleted")

    def roll_back(
        self, stack: Stack, *, token: str | None = None, retain_nothing_made: bool = False
    ) -> None:
        """Bring a stack that was left where it failed back to what it was before."""
        with self._deciding:
            way = stack.unfinished
            if stack.status not in PAUSED or way is None:
                raise StackValidationError(
                    f"Stack:{stack.stack_id} is in {stack.status} state and can not be rolled back."
                )
            stack.token = token
            way.retain_nothing_made = retain_nothing_made
            stack.enter(f"{way.doing}_IN_PROGRESS", "User Initiated")
        self._go_back(stack, way)

    def continue_roll_back(
        self,
        stack: Stack,
        *,
        skip: Iterable[str] = (),
        force: bool = False,
        token: str | None = None,
    ) -> None:
        """Go on with a roll-back that stopped at a resource; `skip` some, or all that resist."""
        skipped = list(skip)
        with self._deciding:
            way = stack.unfinished
            if stack.status != "UPDATE_ROLLBACK_FAILED" or way is None:
                raise StackValidationError(
                    f"Stack:{stack.stack_id} is in {stack.status} state and can not be rolled back."
                )
            failed = {
                name
                for name, resource in stack.resources.items()
                if resource.status == "UPDATE_FAILED"
            }
            if wrong := [name for name in skipped if name not in failed]:
                raise StackValidationError(
                    f"The following resource(s) could not be skipped: [{', '.join(wrong)}]. They "
                    "are not in the UPDATE_FAILED state."
                )
            stack.token = token
            stack.enter("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        self._go_back(stack, way, skipped, force=force)

    def _go_back(
        self,
        stack: Stack,
        way: rollback.Unfinished,
        skip: Iterable[str] = (),
        *,
        force: bool = False,
    ) -> None:
        self._work(
            stack,
            f"{way.doing}_FAILED",
            lambda: rollback.roll_back(stack, way, removal.delete, skip, force=force),
        )

    # --- change sets --------------------------------------------------------------------------
    def propose(
        self,
        stack_name: str,
        name: str,
        definition: Definition,
        *,
        kind: str,
        description: str | None = None,
        importing: bool = False,
        on_failure: str | None = None,
    ) -> ChangeSet:
        """A change set: what a stack would become.

        Args:
            importing: take resources into the stack that are there already (by their names).
        """
        stack = self._reviewed(stack_name, name, kind)
        self._check(stack, definition)
        if any(
            known.name == name and known.stack_id == stack.stack_id
            for known in self.change_sets.values()
        ):
            raise AlreadyExists(f"ChangeSet {name} already exists")
        imports = self._imports(stack, definition) if importing else frozenset()
        if stack.stack_id not in self.stacks:
            self.stacks[stack.stack_id] = stack
            stack.enter("REVIEW_IN_PROGRESS", "User Initiated")
        listed, differs = changes(stack, definition, imports)
        change_set = ChangeSet(
            change_set_id=self._arn(f"changeSet/{name}"),
            name=name,
            stack_id=stack.stack_id,
            kind=kind,
            definition=definition,
            changes=listed,
            description=description,
            imports=imports,
            importing=importing,
            on_failure=on_failure,
        )
        if not differs and stack.status not in PAUSED:
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = NO_CHANGES
        self.change_sets[change_set.change_set_id] = change_set
        return change_set

    def _reviewed(self, stack_name: str, name: str, kind: str) -> Stack:
        """The stack that a change set is for; a new one is not kept yet."""
        stack = self.find(stack_name)
        if kind == "UPDATE":
            if stack is None or stack.definition is None:
                raise StackValidationError(f"Stack [{stack_name}] does not exist")
            self._may_update(stack, roll_back=False)
        elif stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise StackValidationError(
                f"Stack [{stack_name}] already exists and cannot be created again with the "
                f"changeSet [{name}]."
            )
        return stack or self._new(stack_name, "REVIEW_IN_PROGRESS")

    def _imports(self, stack: Stack, definition: Definition) -> frozenset[str]:
        """New resources of the definition that are there already and can be taken.

        They have a name that is written in the template, a policy to stay, and no other stack.
        Source: "Import AWS resources into a CloudFormation stack automatically" in the guide.
        """
        evaluation = plan(stack, definition).evaluation
        found = set()
        for logical_id, declared in evaluation.active().items():
            model = find(declared.type)
            if logical_id in stack.resources or model is None or not model.importable:
                continue
            name = declared.properties.get(model.found_by or model.named_by or "")
            if not isinstance(name, str) or declared.deletion_policy not in removal.STAYS:
                continue
            scope = removal.scope_of(stack, logical_id)
            there = model.existing(declared.properties, scope)
            if there is None:
                continue
            for other in self.live():
                if any(
                    known.type == declared.type and known.physical_id == there.physical_id
                    for known in other.resources.values()
                ):
                    raise StackValidationError(
                        f"{declared.type} {name} of {logical_id} cannot be imported: it belongs to "
                        f"stack {other.name}."
                    )
            found.add(logical_id)
        return frozenset(found)

    def execute(
        self,
        change_set: ChangeSet,
        *,
        roll_back: bool = True,
        token: str | None = None,
        retain_nothing_made: bool = False,
    ) -> None:
        with self._deciding:
            if change_set.execution != "AVAILABLE":
                raise InvalidChangeSetStatus(
                    f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current "
                    f"status of [{change_set.status}]"
                )
            stack = self.stack(change_set.stack_id)
            verb = "CREATE" if stack.definition is None else "UPDATE"
            stay = change_set.on_failure == "DO_NOTHING"
            if verb == "UPDATE":
                self._may_update(stack, roll_back=roll_back and not stay)
            else:
                self._must_rest(stack, "updated")
            stack.change_set_id, stack.token = change_set.change_set_id, token
            change_set.execution = "EXECUTE_IN_PROGRESS"
            # Once one is executed the others no longer fit, and CloudFormation deletes them all.
            for other in list(self.change_sets.values()):
                if other.stack_id == stack.stack_id and other is not change_set:
                    del self.change_sets[other.change_set_id]
            stack.enter(f"{verb}_IN_PROGRESS", "User Initiated")
        self._deploy(
            stack,
            change_set.definition,
            roll_back=roll_back and not stay,
            delete_on_failure=change_set.on_failure == "DELETE" and verb == "CREATE",
            retain_nothing_made=retain_nothing_made,
            imports=change_set.imports,
            change_set=change_set,
        )

    # --- work ---------------------------------------------------------------------------------
    def _deploy(
        self,
        stack: Stack,
        definition: Definition,
        *,
        roll_back: bool,
        delete_on_failure: bool = False,
        retain_nothing_made: bool = False,
        imports: frozenset[str] = frozenset(),
        change_set: ChangeSet | None = None,
    ) -> None:
        failed = stack.status.replace("IN_PROGRESS", "FAILED")
        stack.rollback_disabled = not roll_back

        def deploy() -> None:
            deployment.Deployment(
                stack,
                definition,
                exports=self.exports(beside=stack),
                roll_back=roll_back,
                retain_nothing_made=retain_nothing_made,
                imports=imports,
            ).run()
            done = not stack.status.endswith("FAILED") and "ROLLBACK" not in stack.status
            if change_set is not None:
                change_set.execution = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"
            if delete_on_failure and stack.status == "ROLLBACK_COMPLETE":
                removal.delete_stack(stack)

        self._work(stack, failed, deploy)

    def _work(self, stack: Stack, failed: str, work: Callable[[], None]) -> None:
        """Do `work` in a thread of its own; wait for it, but not for ever."""

        def run() -> None:
            try:
                with self._busy:
                    work()
            except Exception as error:
                log.exception("working on stack %s", stack.name)
                stack.enter(failed, f"Internal failure of the embedded cloud: {error!r}")
            finally:
                self._workers.discard(threading.current_thread())

        worker = threading.Thread(target=run, name=f"stack {stack.name}", daemon=True)
        self._workers.add(worker)
        worker.start()
        worker.join(PATIENCE_SECONDS)

    def finish(self, timeout: float) -> None:
        """Wait for the work under way, up to `timeout` seconds for each stack."""
        for worker in list(self._workers):
            worker.join(timeout)

    def _must_rest(self, stack: Stack, done: str) -> None:
        if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
            raise StackValidationError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be {done}."
            )

    def _may_update(self, stack: Stack, *, roll_back: bool) -> None:
        if stack.status not in UPDATABLE:
            raise StackValidationError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )
        if stack.status in PAUSED and roll_back:
            raise StackValidationError(PAUSED_SAYS.format(status=stack.status))

    def _check(self, stack: Stack, definition: Definition) -> None:
        try:
            planned = plan(stack, definition)
        except TemplateError as error:
            raise StackValidationError(str(error)) from error
        granting = [
            declared
            for declared in planned.evaluation.active().values()
            if declared.type in GRANTING
        ]
        named = any(GRANTING[each.type] in each.properties for each in granting)
        enough = ("CAPABILITY_NAMED_IAM",) if named else ("CAPABILITY_NAMED_IAM", "CAPABILITY_IAM")
        if granting and not set(enough) & set(definition.capabilities):
            raise InsufficientCapabilities(f"Requires capabilities : [{enough[-1]}]")

    def _new(self, name: str, status: str) -> Stack:
        return Stack(self._arn(f"stack/{name}"), name, self.account, self.region, status)

    def _arn(self, resource: str) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:{resource}/{uuid.uuid4()}"
