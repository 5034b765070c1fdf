"""Templates with their references resolved, across stacks, to what CloudFormation would put there.

What AWS generates (a domain's id, a key's, a network's) becomes an *atom*: made from the resource's
place in the templates, so that it is the same every time, and another for each resource. A
parameter of SSM that no stack here writes becomes an `Opaque` text that names it: it equals nothing
but itself.

Everything else that is not known raises `Unreadable`: a value that a deploy chooses, a condition, a
macro, a function or an attribute that is not listed.

Source of what the functions mean: "Intrinsic function reference" and "Pseudo parameters reference"
in the CloudFormation template reference.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.assurance.isolation.reading.resource_types import ADDITIONS, SILENT, TYPES, ResourceType
from infra.assurance.templates import Resource, Templates

#: Where a secret may stand by reference: what it holds, the deploy alone knows, and no policy can
#: speak of.
_KEPT_ELSEWHERE = "ProviderDetails client_secret"
_SECRET = re.compile(r"\{\{resolve:secretsmanager:[^{}]+\}\}")


class Unreadable(ValueError):
    """A template holds what the proof does not understand; the message names where and what."""


class Opaque(str):
    """A text that only a deploy will know. It names where it comes from, and is like no other."""

    __slots__ = ()


#: Members of a template. A macro (Transform) could put anything anywhere.
_TEMPLATE = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
    }
)
#: Members of a resource beside its properties: none of them changes what it may do.
_RESOURCE = frozenset(
    {
        "CreationPolicy",
        "DeletionPolicy",
        "DependsOn",
        "Metadata",
        "Properties",
        "Type",
        "UpdatePolicy",
        "UpdateReplacePolicy",
    }
)
_FROM_SSM = re.compile(r"^AWS::SSM::Parameter::Value<(?P<type>.+)>$")
_SUBSTITUTION = re.compile(r"\$\{(?P<literal>!?)(?P<name>[^}]*)\}")
#: Stands for a property that is not there: `AWS::NoValue`.
_NOTHING: Any = object()


@dataclass(frozen=True)
class Physical:
    """A resource as AWS will know it."""

    type: ResourceType
    facts: Mapping[str, str]

    @property
    def arn(self) -> str:
        """The ARN; empty for what IAM cannot speak of."""
        return self.facts["arn"]

    @property
    def covers(self) -> tuple[str, ...]:
        return tuple(pattern.format_map(self.facts) for pattern in self.type.covers)


class Resolver:
    """Resolves what the templates of one account and region refer to.

    Raises:
        Unreadable: if a template holds what cannot be resolved.
    """

    def __init__(self, templates: Templates, *, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self._stacks = templates.stacks
        self._resources: list[Resource] | None = None
        self._physical: dict[tuple[str, str], Physical] = {}
        self._being_resolved: list[tuple[str, str, str]] = []
        self._parameters: dict[str, tuple[str, str]] | None = None
        for stack, template in self._stacks.items():
            _only(template, _TEMPLATE, f"template of {stack}")
            for logical_id, resource in template.get("Resources", {}).items():
                where = f"{stack}/{logical_id} ({resource.get('Type')})"
                _only(resource, _RESOURCE, where)
                known = (TYPES, SILENT, ADDITIONS)
                if not any(resource["Type"] in types for types in known):
                    raise Unreadable(f"{where} is of a type that the proof does not know")

    def resources(self, *types: str) -> Iterator[Resource]:
        """Every resource, or those of `types`, with properties resolved."""
        if self._resources is None:
            self._resources = [
                Resource(stack, logical_id, written["Type"], self._properties(stack, logical_id))
                for stack, template in self._stacks.items()
                for logical_id, written in template.get("Resources", {}).items()
            ]
        return (each for each in self._resources if not types or each.type in types)

    def _properties(self, stack: str, logical_id: str) -> Mapping[str, Any]:
        written = self._stacks[stack]["Resources"][logical_id]
        where = f"{stack}/{logical_id} ({written['Type']})"
        properties = self.value(stack, written.get("Properties", {}), where)
        if not isinstance(properties, Mapping):
            raise Unreadable(f"{where}: its properties are {properties!r}")
        return properties

    def physical(self, stack: str, logical_id: str) -> Physical:
        """The name, id and ARN of a resource."""
        key = (stack, logical_id)
        if key not in self._physical:
            with self._resolving(stack, logical_id, "name"):
                self._physical[key] = self._made(stack, logical_id)
        return self._physical[key]

    # --- resources --------------------------------------------------------------------------------
    def _made(self, stack: str, logical_id: str) -> Physical:
        written = self._stacks[stack]["Resources"][logical_id]
        where = f"{stack}/{logical_id} ({written['Type']})"
        type_ = TYPES.get(written["Type"])
        if type_ is None:
            raise Unreadable(f"{where} is referred to, and the proof knows no name of its type")
        facts = {"account": self.account, "region": self.region}
        for member, default in type_.members.items():
            facts[member] = _member(member, self._property(stack, logical_id, member, default))
        if type_.id:
            facts["id"] = generated(type_.id, f"{self.account}/{self.region}/{stack}/{logical_id}")
        if type_.name:
            made = f"{stack}-{logical_id}-{generated('suffix', f'{stack}/{logical_id}')}"
            name = self._property(stack, logical_id, type_.name, made)
            facts["name"], facts["path"] = name, name.removeprefix("/")
        facts["arn"] = (type_.arn or "").format_map(facts)
        return Physical(type_, facts)

    def _property(self, stack: str, logical_id: str, member: str, default: str | None) -> str:
        """A property that is one text. `member` may go down: Budget.BudgetName."""
        where = f"{stack}/{logical_id}"
        found: Any = self._stacks[stack]["Resources"][logical_id].get("Properties", {})
        for part in member.split("."):
            found = found.get(part, _NOTHING) if isinstance(found, Mapping) else _NOTHING
        value = self.value(stack, found, f"{where} {member}") if found is not _NOTHING else found
        if value is _NOTHING:
            value = default
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Unreadable(f"{where}: {member} is {value!r}, where the proof needs one text")
        # An Opaque stays one.
        return value if isinstance(value, str) else str(value)

    @contextmanager
    def _resolving(self, stack: str, logical_id: str, what: str) -> Iterator[None]:
        """Refuses circles."""
        key = (stack, logical_id, what)
        if key in self._being_resolved:
            raise Unreadable(f"{stack}/{logical_id}: its {what} refers to itself")
        self._being_resolved.append(key)
        try:
            yield
        finally:
            self._being_resolved.pop()

    # --- values -----------------------------------------------------------------------------------
    def value(self, stack: str, written: Any, where: str) -> Any:
        """`written` with every function replaced by what it gives; `where` is for messages."""
        if isinstance(written, Mapping):
            if len(written) == 1:
                [(name, argument)] = written.items()
                if name == "Ref":
                    return self._ref(stack, argument, where)
                if name.startswith("Fn::"):
                    return self._call(stack, name, argument, where)
                if name == "Condition" and isinstance(argument, str):
                    raise Unreadable(f"{where} depends on the condition {argument}")
            made = {key: self.value(stack, each, f"{where} {key}") for key, each in written.items()}
            return {key: each for key, each in made.items() if each is not _NOTHING}
        if isinstance(written, list | tuple):
            listed = [self.value(stack, each, where) for each in written]
            return [each for each in listed if each is not _NOTHING]
        if isinstance(written, str) and "{{resolve:" in written:
            if where.endswith(_KEPT_ELSEWHERE) and _SECRET.fullmatch(written):
                return written
            raise Unreadable(f"{where} holds the dynamic reference {written!r}")
        return written

    def _text(self, stack: str, written: Any, where: str) -> str:
        value = self.value(stack, written, where)
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise Unreadable(f"{where}: {written!r} is no text")
        return value if isinstance(value, str) else str(value)

    def _ref(self, stack: str, name: str, where: str) -> Any:
        if name in self._stacks[stack].get("Resources", {}):
            made = self.physical(stack, name)
            if made.type.ref is None:
                raise Unreadable(f"{where} takes the Ref of {name}, which the proof does not know")
            return made.type.ref.format_map(made.facts)
        if name in self._stacks[stack].get("Parameters", {}):
            return self._parameter(stack, name, where)
        if name == "AWS::NoValue":
            return _NOTHING
        if name == "AWS::StackId":
            at = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{stack}"
            return f"{at}/{generated('uuid', stack)}"
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name not in pseudo:
            raise Unreadable(f"{where} refers to {name}, which is not in {stack}")
        return pseudo[name]

    def _parameter(self, stack: str, name: str, where: str) -> Any:
        """A template's parameter: the one that SSM holds under the name that is its default."""
        declared = self._stacks[stack]["Parameters"][name]
        from_ssm = _FROM_SSM.match(declared.get("Type", ""))
        if from_ssm is None or not isinstance(declared.get("Default"), str):
            raise Unreadable(f"{where} refers to the parameter {name}, which a deploy fills")
        value = self._stored(declared["Default"])
        if from_ssm["type"].startswith(("List<", "CommaDelimitedList")):
            return [value] if isinstance(value, Opaque) else value.split(",")
        return value

    def _stored(self, name: str) -> str:
        """What the SSM parameter `name` will hold."""
        if self._parameters is None:
            self._parameters = {}
            for stack, template in self._stacks.items():
                for logical_id, resource in template.get("Resources", {}).items():
                    if resource["Type"] == "AWS::SSM::Parameter":
                        at = (stack, logical_id)
                        written = self.physical(*at).facts["name"]
                        if written in self._parameters:
                            other = "/".join(self._parameters[written])
                            raise Unreadable(f"{'/'.join(at)} and {other} are both {written}")
                        self._parameters[written] = at
        if name not in self._parameters:
            return Opaque(f"<ssm:{name}>")
        stack, logical_id = self._parameters[name]
        with self._resolving(stack, logical_id, "value"):
            return self._property(stack, logical_id, "Value", None)

    # --- functions --------------------------------------------------------------------------------
    def _call(self, stack: str, name: str, argument: Any, where: str) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise Unreadable(f"{where} uses {name}, which the proof does not follow")
        try:
            return function(self, stack, argument, f"{where} {name}")
        except Unreadable:
            raise
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise Unreadable(f"{where}: {name} of {argument!r} cannot be read ({error})") from error

    def _get_att(self, stack: str, argument: Any, where: str) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        if logical_id not in self._stacks[stack].get("Resources", {}):
            raise Unreadable(f"{where} refers to {logical_id}, which is not in {stack}")
        made = self.physical(stack, logical_id)
        pattern = made.type.attributes.get(attribute)
        if pattern is None:
            raise Unreadable(f"{where} asks {logical_id} for {attribute}, which is not listed")
        if made.facts.keys() & {attribute} or not re.fullmatch(r"\{[A-Z]\w*\}", pattern):
            return pattern.format_map(made.facts)
        # A property, handed on as it is written.
        with self._resolving(stack, logical_id, attribute):
            return self._property(stack, logical_id, pattern[1:-1], None)

    def _join(self, stack: str, argument: Any, where: str) -> str:
        delimiter, parts = argument
        listed = self.value(stack, parts, where)
        if not isinstance(listed, list):
            raise Unreadable(f"{where} joins {listed!r}, which is no list")
        return str(delimiter).join(self._text(stack, part, where) for part in listed)

    def _sub(self, stack: str, argument: Any, where: str) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def replace(match: re.Match[str]) -> str:
            name = match["name"].strip()
            if match["literal"]:
                return f"${{{match['name']}}}"
            if name in own:
                return self._text(stack, own[name], where)
            written = {"Fn::GetAtt": name} if "." in name else {"Ref": name}
            return self._text(stack, written, where)

        return _SUBSTITUTION.sub(replace, text)

    def _split(self, stack: str, argument: Any, where: str) -> list[str]:
        delimiter, written = argument
        text = self._text(stack, written, where)
        return [text] if isinstance(text, Opaque) else text.split(delimiter)

    def _select(self, stack: str, argument: Any, where: str) -> Any:
        index = int(self._text(stack, argument[0], where))
        listed = self.value(stack, argument[1], where)
        if not isinstance(listed, list) or index < 0:
            raise Unreadable(f"{where} selects {index} of {listed!r}")
        if len(listed) == 1 and isinstance(listed[0], Opaque):
            return Opaque(f"{listed[0]}[{index}]")
        return listed[index]

    def _get_azs(self, stack: str, argument: Any, where: str) -> list[str]:
        """The zones of a region: which letters an account has, AWS alone knows."""
        region = self._text(stack, argument, where) or self.region
        return [f"{region}{letter}" for letter in "abcdef"]

    def _base64(self, stack: str, argument: Any, where: str) -> str:
        return base64.b64encode(self._text(stack, argument, where).encode()).decode("ascii")


_FUNCTIONS: Mapping[str, Callable[[Resolver, str, Any, str], Any]] = {
    "Fn::Base64": Resolver._base64,
    "Fn::GetAZs": Resolver._get_azs,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::Join": Resolver._join,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::Sub": Resolver._sub,
}


def generated(kind: str, key: str) -> str:
    """An id as AWS would generate it, from `key`: the same for the same, another for another."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    if kind == "uuid":
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
    if kind == "domain":
        return f"d-{digest[:12]}"
    if kind == "role":
        return f"AROA{digest[:17].upper()}"
    if kind == "number":
        return str(int(digest[:12], 16) + 1)
    if kind == "secret":
        return digest[:6]
    if kind == "suffix":
        return digest[:12].upper()
    return f"{kind}-{digest[:17]}"


def _member(member: str, value: str) -> str:
    """A property as an ARN has it."""
    if member == "FunctionName":
        return function_name(value)
    if member == "EventBusName":
        bus = value.rpartition("/")[2]
        return "" if bus in ("", "default") else f"{bus}/"
    return value


def function_name(written: str) -> str:
    """A function's name from its name or its ARN, whole or partial, with or without a qualifier."""
    return qualified(written)[0]


def qualified(written: str) -> tuple[str, str]:
    """The function's name and the qualifier (or "") in what a template may call a function."""
    _, found, rest = f":{written}".rpartition(":function:")
    name, _, qualifier = (rest if found else written).partition(":")
    return name, qualifier


@contextmanager
def reading(resource: Resource) -> Iterator[None]:
    """What of `resource` is missing, or of another form than AWS takes, is told with its name."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise Unreadable(f"{resource} cannot be read: {error!r}") from error


def _only(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(given.keys() - known)
    if unknown:
        raise Unreadable(f"{where} has {', '.join(unknown)}, which the proof does not follow")
