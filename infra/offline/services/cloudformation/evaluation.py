"""The intrinsic functions of a template.

Evaluation is eager and has no side effect: what a `Ref` or `GetAtt` means is asked of a `Lookup`,
which answers with real ids while deploying and with placeholders while comparing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.offline.services.cloudformation.errors import TemplateError
from infra.offline.services.cloudformation.parameters import text_of
from infra.offline.services.cloudformation.template import Declaration, Template

#: `${Name}`, `${Name.Attribute}` or, as a literal, `${!Name}`.
SUBSTITUTION = re.compile(r"\$\{(?P<literal>!?)(?P<name>[^}]*)\}")

#: Stands for a property that is not there: `AWS::NoValue`.
NO_VALUE: Any = object()


class Lookup(Protocol):
    """Where an evaluation learns what resources and other stacks are."""

    def ref(self, logical_id: str) -> Any:
        """What `Ref` gives for a resource."""

    def attribute(self, logical_id: str, name: str) -> Any:
        """What `Fn::GetAtt` gives."""

    def imported(self, export: str) -> Any:
        """What `Fn::ImportValue` gives."""


class Placeholders:
    """Stands for resources that are not there yet: what they will be, by name."""

    def ref(self, logical_id: str) -> str:
        return f"${{{logical_id}}}"

    def attribute(self, logical_id: str, name: str) -> str:
        return f"${{{logical_id}.{name}}}"

    def imported(self, export: str) -> str:
        return f"${{import {export}}}"


#: A dynamic reference to the whole text of a secret, by its name or ARN.
SECRET = re.compile(
    r"\{\{resolve:secretsmanager:"
    r"(?P<id>arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d+:secret:[^:{}]+|[^:{}]+)\}\}"
)
#: Where one may stand. It is read when the resource is made or changed, as on AWS, and is not kept.
#: Source: "Get a secret or secret value from Secrets Manager", CloudFormation user guide.
SECRETS = {"AWS::Cognito::UserPoolIdentityProvider": ("ProviderDetails", "client_secret")}


@dataclass
class Evaluation:
    """The functions of one template, given its parameters and a lookup."""

    template: Template
    values: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    lookup: Lookup = field(default_factory=Placeholders)
    _conditions: dict[str, bool] = field(default_factory=dict)

    def active(self) -> dict[str, Declaration]:
        """The resources whose condition holds."""
        return {
            logical_id: declared
            for logical_id, declared in self.template.resources.items()
            if declared.condition is None or self.condition(declared.condition)
        }

    def condition(self, name: str) -> bool:
        """Whether the condition `name` holds."""
        if name not in self._conditions:
            if name not in self.template.conditions:
                raise TemplateError(f"Template format error: Unresolved condition {name}.")
            self._conditions[name] = self._truth(self.template.conditions[name])
        return self._conditions[name]

    def check_rules(self) -> None:
        """Raise with the rule's own words for the first assertion that does not hold."""
        for name, rule in self.template.rules.items():
            applies = rule.get("RuleCondition")
            if applies is not None and not self._truth(applies):
                continue
            for assertion in rule.get("Assertions", ()):
                if not self._truth(assertion["Assert"]):
                    raise TemplateError(
                        f"Template validation error: Rule {name} is violated: "
                        f"{assertion.get('AssertDescription', assertion['Assert'])}"
                    )

    def properties(self, declared: Declaration) -> dict[str, Any]:
        """The evaluated properties of a resource."""
        place, kept = SECRETS.get(declared.type), None
        written = dict(declared.properties)
        if place is not None and isinstance(written.get(place[0]), dict):
            inner = dict(written[place[0]])
            if SECRET.fullmatch(str(inner.get(place[1]))):
                kept = inner.pop(place[1])
                written[place[0]] = inner
        value = self.value(written)
        found = {} if value is NO_VALUE else dict(value)
        if place is not None and kept is not None:
            found[place[0]] = {**found[place[0]], place[1]: kept}
        return found

    def outputs(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Each output that is shown: OutputKey, OutputValue, Description, ExportName."""
        for key, declared in self.template.outputs.items():
            condition = declared.get("Condition")
            if condition is not None and not self.condition(condition):
                continue
            shown = {"OutputKey": key, "OutputValue": self._scalar(declared.get("Value"), key)}
            if "Description" in declared:
                shown["Description"] = str(declared["Description"])
            if "Export" in declared:
                shown["ExportName"] = self._scalar(declared["Export"].get("Name"), key)
            yield key, shown

    def references(self, declared: Declaration) -> set[str]:
        """Logical ids that a resource needs: by function in the branches taken, or DependsOn."""
        found = set(_references(self._chosen(declared.properties)))
        return (found | set(declared.depends_on)) - set(self.template.parameters)

    def value(self, written: Any) -> Any:
        """`written` with every function replaced by what it gives."""
        if isinstance(written, dict):
            if len(written) == 1:
                (name, argument), *_ = written.items()
                if name == "Ref":
                    return self._ref(argument)
                if name.startswith("Fn::"):
                    return self._call(name, argument)
            evaluated = {key: self.value(item) for key, item in written.items()}
            return {key: item for key, item in evaluated.items() if item is not NO_VALUE}
        if isinstance(written, list):
            return [item for item in map(self.value, written) if item is not NO_VALUE]
        if isinstance(written, str) and "{{resolve:" in written:
            raise TemplateError(
                f"Dynamic reference {written!r} is not modelled by the embedded cloud."
            )
        return written

    def _scalar(self, written: Any, output: str) -> str:
        value = self.value(written)
        if isinstance(value, dict | list) or value is NO_VALUE or value is None:
            raise TemplateError(
                f"Template format error: The Value field of Outputs/{output} must evaluate to a "
                "string."
            )
        return text_of(value)

    def _chosen(self, written: Any) -> Any:
        """`written` with only the branches of `Fn::If` that are taken."""
        if isinstance(written, dict):
            if len(written) == 1 and "Fn::If" in written:
                name, yes, no = written["Fn::If"]
                return self._chosen(yes if self.condition(name) else no)
            return {key: self._chosen(item) for key, item in written.items()}
        if isinstance(written, list):
            return [self._chosen(item) for item in written]
        return written

    # --- conditions ---
    def _truth(self, written: Any) -> bool:
        if isinstance(written, bool):
            return written
        if not isinstance(written, dict) or len(written) != 1:
            raise TemplateError(f"Template format error: {written!r} is not a condition.")
        (name, argument), *_ = written.items()
        if name == "Condition":
            return self.condition(argument)
        if name == "Fn::Equals":
            left, right = (self.value(item) for item in argument)
            return text_of(left) == text_of(right) if _plain(left, right) else bool(left == right)
        if name == "Fn::Not":
            return not self._truth(argument[0])
        if name == "Fn::And":
            return all(self._truth(item) for item in argument)
        if name == "Fn::Or":
            return any(self._truth(item) for item in argument)
        if name == "Fn::Contains":
            members, member = (self.value(item) for item in argument)
            return text_of(member) in [text_of(item) for item in members]
        raise TemplateError(f"Condition function {name} is not modelled by the embedded cloud.")

    # --- functions ---
    def _ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.template.resources:
            return self.lookup.ref(name)
        raise TemplateError(
            f"Template format error: Unresolved resource dependencies [{name}] in the template"
        )

    def _call(self, name: str, argument: Any) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(f"{name} is not modelled by the embedded cloud.")
        try:
            return function(self, argument)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise TemplateError(
                f"Template error: {name} cannot be applied to {argument!r} ({error!r})."
            ) from error

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = (
            argument.split(".", 1)
            if isinstance(argument, str)
            else (argument[0], ".".join(text_of(self.value(part)) for part in argument[1:]))
        )
        if logical_id not in self.template.resources:
            raise TemplateError(
                f"Template error: instance of Fn::GetAtt references undefined resource {logical_id}"
            )
        return self.lookup.attribute(logical_id, attribute)

    def _sub(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        given = {name: self.value(item) for name, item in own.items()}

        def replace(match: re.Match[str]) -> str:
            name = match["name"].strip()
            if match["literal"]:
                return f"${{{match['name']}}}"
            if name in given:
                value = given[name]
            elif "." in name and name not in self.values:
                value = self._get_att(name)
            else:
                value = self._ref(name)
            if not _plain(value):
                raise TypeError(f"${{{name}}} is not a string")
            return text_of(value)

        return SUBSTITUTION.sub(replace, text)

    def _join(self, argument: Any) -> str:
        delimiter, parts = argument
        values = self.value(parts)
        if not isinstance(values, list):
            raise TypeError("not a list")
        return str(delimiter).join(text_of(part) for part in values)

    def _select(self, argument: Any) -> Any:
        index, parts = (self.value(item) for item in argument)
        if int(index) < 0:
            raise IndexError(index)
        if int(index) >= len(parts) and isinstance(self.lookup, Placeholders):
            return f"${{part {index} of {parts}}}"  # of a value that is not known yet
        return parts[int(index)]

    def _split(self, argument: Any) -> list[str]:
        delimiter, text = argument
        return str(self.value(text)).split(delimiter)

    def _find_in_map(self, argument: Any) -> Any:
        found: Any = self.template.mappings
        for key in argument:
            found = found[text_of(self.value(key))]
        return self.value(found)

    def _if(self, argument: Any) -> Any:
        name, yes, no = argument
        return self.value(yes if self.condition(name) else no)

    def _get_azs(self, argument: Any) -> list[str]:
        region = self.value(argument) or self.pseudo["AWS::Region"]
        return [f"{region}{letter}" for letter in "abc"]

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(text_of(self.value(argument)).encode()).decode()

    def _import(self, argument: Any) -> Any:
        return self.lookup.imported(text_of(self.value(argument)))


_FUNCTIONS: dict[str, Callable[[Evaluation, Any], Any]] = {
    "Fn::Base64": Evaluation._base64,
    "Fn::FindInMap": Evaluation._find_in_map,
    "Fn::GetAZs": Evaluation._get_azs,
    "Fn::GetAtt": Evaluation._get_att,
    "Fn::If": Evaluation._if,
    "Fn::ImportValue": Evaluation._import,
    "Fn::Join": Evaluation._join,
    "Fn::Select": Evaluation._select,
    "Fn::Split": Evaluation._split,
    "Fn::Sub": Evaluation._sub,
}


def _plain(*values: Any) -> bool:
    return all(isinstance(value, str | int | float | bool) for value in values)


def _references(written: Any) -> Iterator[str]:
    """Names in `Ref`, `Fn::GetAtt` and `Fn::Sub`, without pseudo parameters."""
    if isinstance(written, list):
        for item in written:
            yield from _references(item)
    elif isinstance(written, dict):
        for key, item in written.items():
            if key == "Ref" and isinstance(item, str):
                names: Iterable[str] = [item]
            elif key == "Fn::GetAtt":
                names = [item.split(".", 1)[0] if isinstance(item, str) else item[0]]
            elif key == "Fn::Sub":
                text, own = item if isinstance(item, list) else (item, {})
                names = [
                    match["name"].strip().split(".", 1)[0]
                    for match in SUBSTITUTION.finditer(text)
                    if not match["literal"] and match["name"].strip() not in own
                ]
                yield from _references(own)
            else:
                yield from _references(item)
                continue
            yield from (name for name in names if not name.startswith("AWS::"))


def creation_order(needs: Mapping[str, set[str]]) -> list[str]:
    """Logical ids so that each comes after what it needs, otherwise in the template's order.

    Raises:
        TemplateError: an id is needed that is not there, or the needs form a circle.
    """
    for logical_id, needed in needs.items():
        if absent := sorted(needed - set(needs)):
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{', '.join(absent)}] "
                f"in the Resources block of the template (needed by {logical_id})"
            )
    order: list[str] = []
    waiting = dict(needs)
    done: set[str] = set()
    while waiting:
        ready = [logical_id for logical_id, needed in waiting.items() if needed <= done]
        if not ready:
            raise TemplateError(
                f"Circular dependency between resources: [{', '.join(sorted(waiting))}]"
            )
        order += ready
        done.update(ready)
        for logical_id in ready:
            del waiting[logical_id]
    return order
