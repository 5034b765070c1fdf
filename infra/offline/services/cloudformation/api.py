"""CloudFormation's operations on the wire: request to engine, engine to answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError
from moto.core.responses import ActionResult, BaseResponse, EmptyResult

from infra.offline import inside
from infra.offline.services.cloudformation import answers
from infra.offline.services.cloudformation.engine import Engine, engine_of
from infra.offline.services.cloudformation.errors import NotModelled, StackValidationError
from infra.offline.services.cloudformation.stack import ChangeSet, Definition, Resource, Stack
from infra.offline.services.cloudformation.stack_policy import StackPolicy
from infra.offline.services.cloudformation.template import Template

_OF_STACKS = (
    "DisableValidation",
    "ResourceTypes",
    "RollbackConfiguration",
    "StackPolicyBody",
    "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL",
    "StackPolicyURL",
    "TimeoutInMinutes",
)
#: operation: members of its request that nothing here stands for.
UNMODELLED = {
    "CreateChangeSet": (*_OF_STACKS, "DeploymentMode", "ResourcesToImport"),
    "CreateStack": _OF_STACKS,
    "SetStackPolicy": ("StackPolicyURL",),
    "UpdateStack": _OF_STACKS,
}


class Operations(BaseResponse):  # type: ignore[misc]
    """A method an operation, by moto's rule: CreateStack is `create_stack`."""

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def engine(self) -> Engine:
        return engine_of(self.current_account, self.region)

    def call_action(self) -> Any:
        operation = self._get_action()
        if _method(operation) not in _OPERATIONS:
            raise NotModelled(f"cloudformation:{operation} is not modelled by the embedded cloud.")
        self._refuse_members(operation)
        return super().call_action()

    def _refuse_members(self, operation: str) -> None:
        """Refuse what would be taken and not done, by name."""
        for member in {name.split(".", 1)[0] for name in self.querystring}:
            if member in UNMODELLED.get(operation, ()):
                raise NotModelled(
                    f"{member} of cloudformation:{operation} is not modelled by the embedded cloud."
                )
        mode = self._get_param("DeploymentConfig", {}).get("Mode", "STANDARD")
        if mode != "STANDARD":
            raise NotModelled(
                f"DeploymentConfig.Mode {mode} is not modelled by the embedded cloud (modelled: "
                "STANDARD)."
            )

    # --- stacks -------------------------------------------------------------------------------
    def create_stack(self) -> ActionResult:
        definition = self._definition(None)
        on_failure = self._get_param("OnFailure", "ROLLBACK")
        stack = self.engine.create(
            self._get_param("StackName"),
            definition,
            roll_back=not self._get_bool_param("DisableRollback", on_failure == "DO_NOTHING"),
            protected=bool(self._get_bool_param("EnableTerminationProtection", False)),
            token=self._get_param("ClientRequestToken"),
            delete_on_failure=on_failure == "DELETE",
            retain_nothing_made=self._retain_nothing_made,
        )
        return ActionResult({"StackId": stack.stack_id})

    def update_stack(self) -> ActionResult:
        stack = self._live(self._get_param("StackName"))
        self.engine.update(
            stack,
            self._definition(stack),
            roll_back=not self._get_bool_param("DisableRollback", False),
            token=self._get_param("ClientRequestToken"),
            retain_nothing_made=self._retain_nothing_made,
        )
        return ActionResult({"StackId": stack.stack_id})

    def rollback_stack(self) -> ActionResult:
        stack = self._live(self._get_param("StackName"))
        self.engine.roll_back(
            stack,
            token=self._get_param("ClientRequestToken"),
            retain_nothing_made=self._retain_nothing_made,
        )
        return ActionResult({"StackId": stack.stack_id})

    def continue_update_rollback(self) -> ActionResult:
        self.engine.continue_roll_back(
            self._live(self._get_param("StackName")),
            skip=self._get_param("ResourcesToSkip", []),
            force=bool(self._get_bool_param("ForceRollback", False)),
            token=self._get_param("ClientRequestToken"),
        )
        return EmptyResult()

    def delete_stack(self) -> ActionResult:
        # Deleting what is not there succeeds.
        stack = self.engine.find(self._get_param("StackName"))
        if stack is not None:
            self.engine.delete(
                stack,
                retain=self._get_param("RetainResources", []),
                token=self._get_param("ClientRequestToken"),
                force=self._get_param("DeletionMode") == "FORCE_DELETE_STACK",
            )
        return EmptyResult()

    def describe_stacks(self) -> ActionResult:
        name = self._get_param("StackName")
        stacks = [self.engine.stack(name)] if name else self.engine.live()
        return ActionResult({"Stacks": [answers.description_of(stack) for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        wanted = self._get_param("StackStatusFilter", [])
        return ActionResult(
            {
                "StackSummaries": [
                    answers.summary_of(stack)
                    for stack in self.engine.stacks.values()
                    if not wanted or stack.status in wanted
                ]
            }
        )

    def update_termination_protection(self) -> ActionResult:
        stack = self._live(self._get_param("StackName"))
        stack.protected = bool(self._get_bool_param("EnableTerminationProtection"))
        return ActionResult({"StackId": stack.stack_id})

    def set_stack_policy(self) -> ActionResult:
        stack = self._live(self._get_param("StackName"))
        body = self._get_param("StackPolicyBody")
        stack.policy = StackPolicy.read(body) if body else None
        return EmptyResult()

    def get_stack_policy(self) -> ActionResult:
        policy = self._live(self._get_param("StackName")).policy
        return ActionResult({"StackPolicyBody": policy.text} if policy else {})

    def describe_stack_events(self) -> ActionResult:
        events = self.engine.stack(self._get_param("StackName")).events[::-1]
        page, token = answers.page_of(events, self._get_param("NextToken"))
        stack = self.engine.stack(self._get_param("StackName"))
        return ActionResult(
            {
                "StackEvents": [answers.event_of(stack, event) for event in page],
                "NextToken": token,
            }
        )

    def describe_events(self) -> ActionResult:
        """Validation findings of a change set. A wrong template is refused before there is one."""
        if not self._get_param("ChangeSetName"):
            raise NotImplementedError(
                "cloudformation:DescribeEvents of anything but a change set is not modelled by the "
                "embedded cloud; DescribeStackEvents tells a stack's."
            )
        return ActionResult({"OperationEvents": []})

    def describe_stack_resource(self) -> ActionResult:
        stack = self.engine.stack(self._get_param("StackName"))
        resource = self._resource(stack, self._get_param("LogicalResourceId"))
        detail = answers.resource_of(stack, resource)
        detail["LastUpdatedTimestamp"] = detail.pop("Timestamp")
        return ActionResult({"StackResourceDetail": detail})

    def describe_stack_resources(self) -> ActionResult:
        stack = self.engine.stack(self._get_param("StackName"))
        wanted = self._get_param("LogicalResourceId")
        found: Iterable[Resource] = (
            [self._resource(stack, wanted)] if wanted else stack.resources.values()
        )
        return ActionResult(
            {"StackResources": [answers.resource_of(stack, each) for each in found]}
        )

    def list_stack_resources(self) -> ActionResult:
        stack = self.engine.stack(self._get_param("StackName"))
        return ActionResult(
            {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": resource.logical_id,
                        "PhysicalResourceId": resource.physical_id,
                        "ResourceType": resource.type,
                        "ResourceStatus": resource.status,
                        "ResourceStatusReason": resource.reason,
                        "LastUpdatedTimestamp": resource.changed,
                    }
                    for resource in stack.resources.values()
                ]
            }
        )

    def list_exports(self) -> ActionResult:
        return ActionResult(
            {
                "Exports": [
                    {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
                    for stack in self.engine.live()
                    for name, value in stack.exports.items()
                ]
            }
        )

    def list_imports(self) -> ActionResult:
        name = self._get_param("ExportName")
        users = [stack.name for stack in self.engine.live() if name in stack.imports]
        if not users:
            raise StackValidationError(f"Export '{name}' is not imported by any stack.")
        return ActionResult({"Imports": users})

    # --- templates ----------------------------------------------------------------------------
    def get_template(self) -> ActionResult:
        named = self._get_param("ChangeSetName")
        stack_name = self._get_param("StackName")
        definition = (
            self.engine.change_set(named, stack_name).definition
            if named
            else self.engine.stack(stack_name).definition
        )
        # A stack that was only ever reviewed has none; CloudFormation answers with an empty one.
        text = definition.template.text if definition else "{}"
        return ActionResult({"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]})

    def get_template_summary(self) -> ActionResult:
        name = self._get_param("StackName")
        if name:
            definition = self._live(name).definition
            template = definition.template if definition else None
        else:
            template = self._read(self._text(None))
        if template is None:
            raise StackValidationError(f"Stack [{name}] has no template")
        return ActionResult(
            {
                "Parameters": answers.declared_parameters(template),
                "Description": template.description,
                "ResourceTypes": sorted({each.type for each in template.resources.values()}),
                "Capabilities": [],
                "ResourceIdentifierSummaries": [],
            }
        )

    def validate_template(self) -> ActionResult:
        template = self._read(self._text(None))
        return ActionResult(
            {
                "Parameters": [
                    {
                        "ParameterKey": each["ParameterKey"],
                        "DefaultValue": each["DefaultValue"],
                        "NoEcho": each["NoEcho"],
                        "Description": each["Description"],
                    }
                    for each in answers.declared_parameters(template)
                ],
                "Description": template.description,
            }
        )

    # --- change sets --------------------------------------------------------------------------
    def create_change_set(self) -> ActionResult:
        kind = self._get_param("ChangeSetType", "UPDATE")
        if kind not in ("CREATE", "UPDATE"):
            raise NotModelled(f"ChangeSetType={kind} is not modelled by the embedded cloud.")
        name = self._get_param("StackName")
        change_set = self.engine.propose(
            name,
            self._get_param("ChangeSetName"),
            self._definition(self.engine.find(name)),
            kind=kind,
            description=self._get_param("Description"),
            importing=bool(self._get_bool_param("ImportExistingResources", False)),
            on_failure=self._get_param("OnStackFailure"),
        )
        return ActionResult({"Id": change_set.change_set_id, "StackId": change_set.stack_id})

    def describe_change_set(self) -> ActionResult:
        change_set = self._change_set()
        return ActionResult(
            answers.change_set_of(
                self.engine.stack(change_set.stack_id),
                change_set,
                with_values=bool(self._get_bool_param("IncludePropertyValues", False)),
            )
        )

    def execute_change_set(self) -> ActionResult:
        self.engine.execute(
            self._change_set(),
            roll_back=not self._get_bool_param("DisableRollback", False),
            token=self._get_param("ClientRequestToken"),
            retain_nothing_made=self._retain_nothing_made,
        )
        return EmptyResult()

    def delete_change_set(self) -> ActionResult:
        # By a name that is not there this succeeds, as on AWS.
        name = self._get_param("ChangeSetName")
        stack = self.engine.find(self._get_param("StackName") or "")
        for known in list(self.engine.change_sets.values()):
            if known.change_set_id == name or (
                stack is not None and known.name == name and known.stack_id == stack.stack_id
            ):
                del self.engine.change_sets[known.change_set_id]
        return EmptyResult()

    def list_change_sets(self) -> ActionResult:
        stack = self._live(self._get_param("StackName"))
        return ActionResult(
            {
                "Summaries": [
                    answers.change_set_summary_of(stack, known)
                    for known in self.engine.change_sets.values()
                    if known.stack_id == stack.stack_id
                ]
            }
        )

    # --- parts of a request -------------------------------------------------------------------
    @property
    def _retain_nothing_made(self) -> bool:
        return bool(self._get_bool_param("RetainExceptOnCreate", False))

    def _live(self, name: str) -> Stack:
        stack = self.engine.find(name)
        if stack is None or stack.status == "DELETE_COMPLETE":
            raise StackValidationError(f"Stack [{name}] does not exist")
        return stack

    def _change_set(self) -> ChangeSet:
        return self.engine.change_set(
            self._get_param("ChangeSetName"), self._get_param("StackName")
        )

    @staticmethod
    def _resource(stack: Stack, logical_id: str) -> Resource:
        if logical_id not in stack.resources:
            raise StackValidationError(
                f"Resource {logical_id} does not exist for stack {stack.name}"
            )
        return stack.resources[logical_id]

    def _definition(self, previous: Stack | None) -> Definition:
        given: dict[str, str] = {}
        kept: list[str] = []
        for parameter in self._get_param("Parameters", []):
            name = parameter["ParameterKey"]
            if str(parameter.get("UsePreviousValue", "")).lower() == "true":
                kept.append(name)
            else:
                given[name] = parameter.get("ParameterValue", "")
        return self.engine.define(
            self._text(previous),
            given,
            previous=previous,
            kept=kept,
            tags={tag["Key"]: tag["Value"] for tag in self._get_param("Tags", [])},
            role_arn=self._get_param("RoleARN"),
            capabilities=list(self._get_param("Capabilities", [])),
            notification_arns=list(self._get_param("NotificationARNs", [])),
        )

    def _text(self, previous: Stack | None) -> str:
        body = self._get_param("TemplateBody")
        if body:
            return str(body)
        url = self._get_param("TemplateURL")
        if url:
            return _download(url, self.region)
        if self._get_bool_param("UsePreviousTemplate", False) and previous is not None:
            if previous.definition is not None:
                return previous.definition.template.text
            raise StackValidationError(f"Stack [{previous.name}] has no template")
        raise StackValidationError("Either Template URL or Template Body must be specified.")

    def _read(self, text: str) -> Template:
        return self.engine.define(text, _placeholders(text)).template


#: The operations that are modelled; BaseResponse's own methods are none.
_OPERATIONS = frozenset(
    name
    for name, value in vars(Operations).items()
    if callable(value) and not name.startswith("_") and name != "call_action"
)


def _method(operation: str) -> str:
    return "".join(
        f"_{letter.lower()}" if letter.isupper() and place else letter.lower()
        for place, letter in enumerate(operation or "")
    )


def _placeholders(text: str) -> dict[str, str]:
    """Values for the parameters without a default, for reading a template without deploying it."""
    try:
        declared = Template.read(text).parameters
    except Exception:  # read again, and refused, by the caller
        return {}
    return {
        name: "0" if each.get("Type") == "Number" else ""
        for name, each in declared.items()
        if "Default" not in each
    }


def _download(url: str, region: str) -> str:
    """The object that a template URL names: path style, as the CLI writes it for an IP endpoint."""
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    host = parts.hostname or ""
    if ".s3." in host or host.endswith(".s3.amazonaws.com"):
        bucket, key = host.split(".s3", 1)[0], path
    else:
        bucket, _, key = path.partition("/")
    if not (bucket and key):
        raise StackValidationError("TemplateURL must be a supported URL.")
    try:
        answer = inside.client("s3", region).get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise StackValidationError(
            f"S3 error: {error.response['Error'].get('Message')} (template s3://{bucket}/{key})"
        ) from error
    text: bytes = answer["Body"].read()
    return text.decode()
