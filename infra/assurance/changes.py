"""What a deploy would do to each resource: create, update, replace or delete it, and why.

Two sets of templates are compared, those that are deployed and those that would be. A property that
CloudFormation can only give to a new resource replaces it when it changes; and whoever names what
is replaced changes too, through `Ref` and `Fn::GetAtt` in a stack and through SSM parameters from
stack to stack. So a network that changes its address range replaces every domain that stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from infra.assurance.templates import Resource, Templates

Action = Literal["create", "update", "replace", "delete"]

#: With these a resource outlives its removal from a stack.
#: Source: "DeletionPolicy attribute" in the CloudFormation template reference.
STAYS = ("Retain", "RetainExceptOnCreate")


@dataclass(frozen=True)
class Replacing:
    """The properties of a type whose change makes a new resource, as paths from its properties.

    Attributes:
        always: create-only in CloudFormation's schema of the type.
        perhaps: there conditionally create-only: it depends on more than the property.
        reported: in no schema, and reported from practice.
    """

    always: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()


#: Of the types that hold people's work, and of those through which one change reaches another.
#: Source: createOnlyProperties and conditionalCreateOnlyProperties of CloudFormation's schemas; a
#: test holds this table against them. That is how `cohort diff` works where cfn-lint, which carries
#: the schemas and is for development alone, is not installed.
REPLACING: Mapping[str, Replacing] = {
    "AWS::DynamoDB::Table": Replacing(
        ("ImportSourceSpecification", "TableName"), perhaps=("KeySchema",)
    ),
    "AWS::EC2::Subnet": Replacing(
        (
            "AvailabilityZone",
            "AvailabilityZoneId",
            "CidrBlock",
            "Ipv4IpamPoolId",
            "Ipv4NetmaskLength",
            "Ipv6IpamPoolId",
            "Ipv6Native",
            "Ipv6NetmaskLength",
            "OutpostArn",
            "VpcId",
        ),
        perhaps=("Ipv6CidrBlock",),
    ),
    "AWS::EC2::VPC": Replacing(
        ("CidrBlock", "Ipv4IpamPoolId", "Ipv4NetmaskLength", "VpcEncryptionControl"),
        perhaps=("InstanceTenancy",),
    ),
    "AWS::KMS::Alias": Replacing(("AliasName",)),
    "AWS::KMS::Key": Replacing(),
    "AWS::Logs::LogGroup": Replacing(("LogGroupName",)),
    "AWS::S3::Bucket": Replacing(("BucketName", "BucketNamePrefix", "BucketNamespace")),
    "AWS::SSM::Parameter": Replacing(("Name",)),
    "AWS::SageMaker::Domain": Replacing(
        (
            "AuthMode",
            "DomainName",
            "DomainSettings/RStudioServerProDomainSettings/DefaultResourceSpec",
            "KmsKeyId",
        ),
        perhaps=("VpcId",),
        # Not the schema's word; see stacks/base.py.
        reported=("Tags",),
    ),
    "AWS::SageMaker::Space": Replacing(
        ("DomainId", "OwnershipSettings", "SpaceName", "SpaceSharingSettings")
    ),
    "AWS::SageMaker::UserProfile": Replacing(
        (
            "DomainId",
            "SingleSignOnUserIdentifier",
            "SingleSignOnUserValue",
            "UserProfileName",
            "UserSettings/RStudioServerProAppSettings/AccessStatus",
            "UserSettings/RStudioServerProAppSettings/UserGroup",
        )
    ),
}


@dataclass(frozen=True)
class Change:
    """What becomes of one resource.

    Attributes:
        because: paths of the properties that it is updated or replaced for.
        certain: whether CloudFormation replaces for each of them without condition.
        stays: what is replaced or deleted remains in the account, in no stack: its policy says so.
    """

    action: Action
    before: Resource | None
    after: Resource | None
    because: tuple[str, ...] = ()
    certain: bool = True
    stays: bool = False

    @property
    def resource(self) -> Resource:
        """The one there is, or else the one there will be."""
        resource = self.before or self.after
        assert resource is not None
        return resource

    @property
    def gone(self) -> bool:
        """Whether what is there now leaves its stack."""
        return self.action in ("replace", "delete")


def changes(before: Templates, after: Templates) -> list[Change]:
    """What a deploy of the stacks in `after` does, over those in `before`, stack by stack.

    Stacks that only `before` has are left alone by a deploy: `removal` is what deleting one does.
    """
    found = _settled(before, after, doubtful=True)
    sure = {_key(each) for each in _settled(before, after, doubtful=False) if _sure(each)}
    return [
        replace(each, certain=_key(each) in sure) if each.action == "replace" else each
        for each in found
    ]


def _settled(before: Templates, after: Templates, *, doubtful: bool) -> list[Change]:
    """The changes once those that follow from others are among them; from those that CloudFormation
    makes under conditions only if `doubtful`."""
    old, new = _Side(before), _Side(after)
    while True:
        found = list(_compared(old, new))
        fresh = {_key(each) for each in found if each.action == "replace"}
        if not doubtful:
            fresh = {_key(each) for each in found if _sure(each)}
        if fresh == new.fresh:
            return found
        # What names one of these gets another id: it changes, and may be replaced itself.
        new = _Side(after, fresh)


def _sure(change: Change) -> bool:
    return change.action == "replace" and change.certain


def _key(change: Change) -> tuple[str, str]:
    return change.resource.stack, change.resource.logical_id


def leaving(before: Templates, after: Templates) -> list[str]:
    """Stacks that are deployed and in no file any more, which a deploy leaves as they are."""
    return [name for name in before.stacks if name not in after.stacks]


def removal(before: Templates, stacks: Collection[str]) -> list[Change]:
    """What deleting `stacks` does."""
    side = _Side(before)
    return [
        Change("delete", resource, None, stays=side.policy(resource, "DeletionPolicy") in STAYS)
        for resource in before.resources()
        if resource.stack in stacks
    ]


def _compared(old: _Side, new: _Side) -> Iterator[Change]:
    for stack in new.templates.stacks:
        there, wanted = old.of(stack), new.of(stack)
        for logical_id, after in wanted.items():
            before = there.get(logical_id)
            if before is None:
                yield Change("create", None, after)
            elif change := _changed(old, new, before, after):
                yield change
        for logical_id, before in there.items():
            if logical_id not in wanted:
                stays = old.policy(before, "DeletionPolicy") in STAYS
                yield Change("delete", before, None, stays=stays)


def _changed(old: _Side, new: _Side, before: Resource, after: Resource) -> Change | None:
    # Which template's policy counts when both change at once is not documented: both must say so.
    stays = all(
        side.policy(resource, "UpdateReplacePolicy") in STAYS
        for side, resource in ((old, before), (new, after))
    )
    if before.type != after.type:
        return Change("replace", before, after, ("Type",), stays=stays)
    was, will = old.canonical(before), new.canonical(after)
    table = REPLACING.get(after.type, Replacing())
    always = [path for path in table.always if _at(was, path) != _at(will, path)]
    perhaps = [
        path for path in (*table.perhaps, *table.reported) if _at(was, path) != _at(will, path)
    ]
    if always or perhaps:
        because = (*always, *perhaps)
        return Change("replace", before, after, because, certain=bool(always), stays=stays)
    if was != will or old.policies(before) != new.policies(after):
        differ = sorted(name for name in {*was, *will} if was.get(name) != will.get(name))
        return Change("update", before, after, tuple(differ))
    return None


def _at(properties: Any, path: str) -> Any:
    """What stands at `path`; None if nothing does."""
    for name in path.split("/"):
        if not isinstance(properties, Mapping):
            return None
        properties = properties.get(name)
    return properties


@dataclass(frozen=True)
class _Side:
    """One set of templates, with every reference followed to the resource that it means.

    Attributes:
        fresh: resources (stack, logical id) that get a new physical id.
    """

    templates: Templates
    fresh: Set[tuple[str, str]] = frozenset()
    _parameters: dict[str, Resource] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for resource in self.templates.resources("AWS::SSM::Parameter"):
            name = resource.properties.get("Name")
            if isinstance(name, str):
                self._parameters[name] = resource

    def of(self, stack: str) -> dict[str, Resource]:
        template = self.templates.stacks.get(stack, {})
        found = Templates({stack: template}).resources()
        return {resource.logical_id: resource for resource in found}

    def policy(self, resource: Resource, name: str) -> str:
        written = self.templates.stacks[resource.stack]["Resources"][resource.logical_id]
        return str(written.get(name, "Delete"))

    def policies(self, resource: Resource) -> tuple[str, ...]:
        names = ("DeletionPolicy", "UpdateReplacePolicy")
        return tuple(self.policy(resource, name) for name in names)

    def canonical(self, resource: Resource) -> dict[str, Any]:
        """The properties, so that two are equal only if they come to the same."""
        return {
            name: self._value(resource.stack, value) for name, value in resource.properties.items()
        }

    def _value(self, stack: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(stack, each) for each in value]
        if not isinstance(value, Mapping):
            # Templates write numbers and truths as they like: "20" is 20.
            return str(value).lower() if isinstance(value, bool) else str(value)
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self._named(stack, str(argument), "Ref")
            if function == "Fn::GetAtt":
                name, attribute = (
                    argument if isinstance(argument, list) else str(argument).split(".", 1)
                )
                return self._named(stack, str(name), str(attribute))
            if function == "Fn::Sub":
                return {"Fn::Sub": [self._value(stack, argument), self._inside(stack, argument)]}
        return {name: self._value(stack, each) for name, each in value.items()}

    def _inside(self, stack: str, argument: Any) -> list[Any]:
        """What a text of Fn::Sub names between its braces."""
        text = argument[0] if isinstance(argument, list) else argument
        found = re.findall(r"\$\{([A-Za-z0-9:]+)(?:\.([A-Za-z0-9.]+))?\}", str(text))
        return [self._named(stack, name, attribute or "Ref") for name, attribute in found]

    def _named(self, stack: str, name: str, attribute: str) -> Any:
        template = self.templates.stacks[stack]
        if name in template.get("Resources", {}):
            return ["resource", stack, name, attribute, (stack, name) in self.fresh]
        declared = template.get("Parameters", {}).get(name)
        if declared is None:
            return ["pseudo", name]
        given = declared.get("Default")
        if not str(declared.get("Type", "")).startswith("AWS::SSM::Parameter::Value<"):
            return ["given", str(given)]
        stored = self._parameters.get(str(given))
        if stored is None:
            return ["stored", str(given)]
        return self._value(stored.stack, stored.properties.get("Value"))
