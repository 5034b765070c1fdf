"""What a resource type of CloudFormation is, and what it may use to make a resource.

A type names every property it honours. One that it does not name fails the stack: silence would
let pass offline what AWS does otherwise.
"""

from __future__ import annotations

import random
import string
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra.offline import inside
from infra.offline.services.cloudformation.errors import ResourceError

Properties = Mapping[str, Any]

#: CloudFormation ends the names that it makes up with such characters.
_SUFFIX = string.ascii_uppercase + string.digits
_SUFFIX_LENGTH = 12


@dataclass
class Scope:
    """Where a resource stands, and its way to the services."""

    account: str
    region: str
    stack_name: str
    stack_id: str
    logical_id: str
    #: Set by `exists` as soon as there is something that a roll-back would have to delete.
    physical_id: str | None = field(default=None)

    def exists(self, physical_id: str) -> str:
        """Note that the resource is there, though it may not be complete yet."""
        self.physical_id = physical_id
        return physical_id

    def generated_name(self, limit: int, *, lower: bool = False) -> str:
        """A name as CloudFormation makes one up: stack, logical id, random; `limit` characters."""
        suffix = "".join(random.choices(_SUFFIX, k=_SUFFIX_LENGTH))  # noqa: S311 (no secret)
        room = limit - len(suffix) - 2
        logical = self.logical_id[: max(room // 2, room - len(self.stack_name))]
        name = f"{self.stack_name[: room - len(logical)]}-{logical}-{suffix}"
        return name.lower() if lower else name

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """The service's answer; parameters that are None are left out.

        Raises:
            ResourceError: the service refuses, or does not know a parameter. Its words are kept.
        """
        client = inside.client(service, self.region)
        shape = client.meta.service_model.operation_model(operation).input_shape
        given = {name: value for name, value in parameters.items() if value is not None}
        fitted = fit(given, shape) if shape is not None else {}
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**fitted)
        except ClientError as error:
            raise Refused(service, operation, error) from error
        except BotoCoreError as error:
            raise ResourceError(f"Properties validation failed: {error}") from error
        return answer

    def attempt(
        self, service: str, operation: str, *, unless: tuple[str, ...], **parameters: Any
    ) -> bool:
        """Whether the service did it; False if it refuses with a code in `unless`."""
        try:
            self.call(service, operation, **parameters)
        except Refused as error:
            if error.code not in unless:
                raise
            return False
        return True

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class Refused(ResourceError):
    """A service said no. `code` is its error code."""

    def __init__(self, service: str, operation: str, error: ClientError) -> None:
        answer = error.response.get("Error", {})
        self.code = str(answer.get("Code", "Unknown"))
        super().__init__(
            f"{answer.get('Message') or error} (Service: {service}, Operation: {operation}, "
            f"Code: {self.code})"
        )


@dataclass(frozen=True)
class Made:
    """A resource that is there: its physical id, which is what `Ref` gives, and its attributes."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class ResourceType(ABC):
    """A modelled type. Instances hold no state; a type's methods get what they need."""

    #: As the template names it, "AWS::S3::Bucket".
    type: ClassVar[str]
    #: Every property that this type honours.
    properties: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]] = ()
    #: Properties whose change makes a new resource.
    replaced_by: ClassVar[tuple[str, ...]] = ()
    #: What `Fn::GetAtt` gives.
    attributes: ClassVar[tuple[str, ...]] = ()
    #: The property that names the resource, if it has one: a named resource cannot be replaced.
    named_by: ClassVar[str | None] = None
    #: Of what else a resource is known, if the same name may stand in two places.
    named_in: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def create(self, wanted: Properties, scope: Scope) -> Made:
        """Make it. Call `scope.exists` before the first step that may fail half-way."""

    @abstractmethod
    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        """Change the resource with the physical id `made`; nothing of `replaced_by` differs."""

    @abstractmethod
    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        """Remove it. What is gone already is no error."""

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:  # noqa: ARG002 (of some)
        """The resource of the declared name if it is there: what an import takes into a stack.

        Raises:
            ResourceError: unless a type can be imported.
        """
        raise ResourceError(f"Importing {self.type} is not modelled by the embedded cloud.")

    #: Whether `existing` finds resources of this type.
    importable: ClassVar[bool] = False
    #: The property that `existing` finds one by, where that is no name of its own.
    found_by: ClassVar[str | None] = None

    def problems(self, declared: Properties) -> list[str]:
        """What is wrong with the names of the declared properties."""
        return [
            f"Property {name} of {self.type} is not modelled by the embedded cloud "
            f"(modelled: {', '.join(self.properties)})."
            for name in declared
            if name not in self.properties
        ] + [
            f"Property {name} of {self.type} is required."
            for name in self.required
            if name not in declared
        ]

    def with_tags(self, declared: Properties, of_stack: Mapping[str, str]) -> dict[str, Any]:
        """`declared` with the stack's tags, which CloudFormation hands to what can be tagged.

        The resource's own tag of a key wins.
        """
        if not of_stack or "Tags" not in self.properties:
            return dict(declared)
        own = [tag["Key"] for tag in declared.get("Tags", ())]
        handed = [{"Key": key, "Value": value} for key, value in of_stack.items() if key not in own]
        return {**declared, "Tags": [*declared.get("Tags", ()), *handed]}

    def replaces(self, before: Properties, wanted: Properties) -> list[str]:
        """The properties whose change makes a new resource."""
        return [name for name in self.replaced_by if before.get(name) != wanted.get(name)]


def only(value: Mapping[str, Any], allowed: Iterable[str], path: str) -> Mapping[str, Any]:
    """`value`, or a ResourceError that names the first member not in `allowed`."""
    members = tuple(allowed)
    for name in value:
        if name not in members:
            raise ResourceError(
                f"Property {path}/{name} is not modelled by the embedded cloud "
                f"(modelled: {', '.join(members)})."
            )
    return value


def is_set(value: Any) -> bool:
    """A boolean as templates write it: true, "true"."""
    return value is True or str(value).lower() == "true"


def tag_changes(before: Properties, wanted: Properties) -> tuple[list[dict[str, str]], list[str]]:
    """Tags to set and keys of tags to remove, so that the list `Tags` becomes as wanted."""
    old = {tag["Key"]: tag["Value"] for tag in before.get("Tags", ())}
    new = {tag["Key"]: tag["Value"] for tag in wanted.get("Tags", ())}
    return (
        [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value],
        [key for key in old if key not in new],
    )


def fit(value: Any, shape: Shape) -> Any:
    """`value` with its scalars as the operation wants them: templates write numbers as strings."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        # A member that the operation does not know stays, so that botocore names it.
        return {
            name: fit(item, shape.members[name]) if name in shape.members else item
            for name, item in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list | tuple):
        return [fit(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {name: fit(item, shape.value) for name, item in value.items()}
    kind = shape.type_name
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind in ("integer", "long") and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if kind in ("double", "float") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    return value
