"""The stacks of one account and region: what each operation of CloudFormation does to them."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.offline import inside
from infra.offline.cloudformation import deployment
from infra.offline.cloudformation.changes import changes, plan
from infra.offline.cloudformation.errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InvalidChangeSetStatus,
    StackValidationError,
    TemplateError,
    TerminationProtected,
)
from infra.offline.cloudformation.parameters import resolve_parameters
from infra.offline.cloudformation.stack import ChangeSet, Definition, Stack
from infra.offline.cloudformation.template import Template

log = logging.getLogger(__name__)

#: A request that starts work returns when the work is done, or after so many seconds. The CLI asks
#: every five seconds after that; most stacks are done before it would ask once.
PATIENCE_SECONDS = 20.0

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)


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

    def _ssm(self, name: str) -> str:
        ssm = inside.client("ssm", self.region)
        try:
            answer = ssm.get_parameter(Name=name)
        except ssm.exceptions.ParameterNotFound as error:
            raise TemplateError(
                f"Unable to fetch parameters [{name}] from parameter store for this account."
            ) from error
        return str(answer["Parameter"]["Value"])

    # --- stacks -------------------------------------------------------------------------------
    def create(
        self,
        name: str,
        definition: Definition,
        *,
        roll_back: bool,
        protected: bool,
        token: str | None,
    ) -> Stack:
        if self.find(name) is not None:
            raise AlreadyExists(f"Stack [{name}] already exists")
        stack = self._new(name, "CREATE_IN_PROGRESS")
        self._check(stack, definition)
        stack.protected, stack.token = protected, token
        self.stacks[stack.stack_id] = stack
        self._deploy(stack, definition, "CREATE_IN_PROGRESS", roll_back=roll_back)
        return stack

    def update(
        self, stack: Stack, definition: Definition, *, roll_back: bool, token: str | None
    ) -> None:
        self._check(stack, definition)
        if not changes(stack, definition)[1]:
            raise StackValidationError("No updates are to be performed.")
        self._must_rest(stack, "updated")
        stack.token = token
        self._deploy(stack, definition, "UPDATE_IN_PROGRESS", roll_back=roll_back)

    def delete(self, stack: Stack, *, retain: Iterable[str] = (), token: str | None) -> None:
        if stack.status == "DELETE_COMPLETE":
            return
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
        stack.token = token
        self._must_rest(stack, "deleted")
        for change_set in list(self.change_sets.values()):
            if change_set.stack_id == stack.stack_id:
                del self.change_sets[change_set.change_set_id]
        kept = list(retain)
        stack.status = "DELETE_IN_PROGRESS"
        self._work(stack, "DELETE_FAILED", lambda: deployment.delete(stack, kept))

    # --- change sets --------------------------------------------------------------------------
    def propose(
        self,
        stack_name: str,
        name: str,
        definition: Definition,
        *,
        kind: str,
        description: str | None,
    ) -> ChangeSet:
        stack = self.find(stack_name)
        if kind == "UPDATE":
            if stack is None or stack.definition is None:
                raise StackValidationError(f"Stack [{stack_name}] does not exist")
        elif stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise StackValidationError(
                f"Stack [{stack_name}] already exists and cannot be created again with the "
                f"changeSet [{name}]."
            )
        if stack is None:
            stack = self._new(stack_name, "REVIEW_IN_PROGRESS")
        self._check(stack, definition)
        if any(
            known.name == name and known.stack_id == stack.stack_id
            for known in self.change_sets.values()
        ):
            raise AlreadyExists(f"ChangeSet {name} already exists")
        if stack.stack_id not in self.stacks:
            self.stacks[stack.stack_id] = stack
            stack.enter("REVIEW_IN_PROGRESS", "User Initiated")
        listed, differs = changes(stack, definition)
        change_set = ChangeSet(
            change_set_id=self._arn(f"changeSet/{name}"),
            name=name,
            stack_id=stack.stack_id,
            kind=kind,
            definition=definition,
            changes=listed,
            description=description,
        )
        if not differs:
            change_set.status, change_set.execution = "FAILED", "UNAVAILABLE"
            change_set.reason = NO_CHANGES
        self.change_sets[change_set.change_set_id] = change_set
        return change_set

    def execute(self, change_set: ChangeSet, *, roll_back: bool, token: str | None) -> None:
        if change_set.execution != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current status "
                f"of [{change_set.status}]"
            )
        stack = self.stack(change_set.stack_id)
        self._must_rest(stack, "updated")
        stack.change_set_id, stack.token = change_set.change_set_id, token
        change_set.execution = "EXECUTE_IN_PROGRESS"
        verb = "CREATE" if stack.definition is None else "UPDATE"
        # Once one is executed the others no longer fit, and CloudFormation deletes them all.
        for other in list(self.change_sets.values()):
            if other.stack_id == stack.stack_id and other is not change_set:
                del self.change_sets[other.change_set_id]
        self._deploy(stack, change_set.definition, f"{verb}_IN_PROGRESS", roll_back=roll_back)
        change_set.execution = "EXECUTE_COMPLETE"

    # --- work ---------------------------------------------------------------------------------
    def _deploy(
        self, stack: Stack, definition: Definition, status: str, *, roll_back: bool
    ) -> None:
        stack.enter(status, "User Initiated")

        def deploy() -> None:
            deployment.Deployment(
                stack, definition, exports=self.exports(beside=stack), roll_back=roll_back
            ).run()

        self._work(stack, status.replace("IN_PROGRESS", "FAILED"), deploy)

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

    def _check(self, stack: Stack, definition: Definition) -> None:
        try:
            plan(stack, definition)
        except TemplateError as error:
            raise StackValidationError(str(error)) from error

    def _new(self, name: str, status: str) -> Stack:
        return Stack(self._arn(f"stack/{name}"), name, self.account, self.region, status)

    def _arn(self, resource: str) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:{resource}/{uuid.uuid4()}"
