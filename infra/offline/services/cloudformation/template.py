"""A CloudFormation template as it is written: JSON or YAML, its sections and declarations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infra.offline.services.cloudformation.errors import TemplateError

SECTIONS = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
)
RESOURCE_KEYS = (
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
)
#: attribute of a resource: its values. None of the modelled types can be kept as a snapshot.
POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}


@dataclass(frozen=True)
class Declaration:
    """A resource as the template declares it, before anything is evaluated."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]
    condition: str | None
    deletion_policy: str
    replace_policy: str
    metadata: Any


@dataclass(frozen=True)
class Template:
    """A template that has been read: every section a mapping, every resource well formed."""

    text: str
    description: str | None
    metadata: Any
    parameters: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Any]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Declaration]
    outputs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, text: str) -> Template:
        """The template in `text`, JSON or YAML.

        Raises:
            TemplateError: it is neither, or has a section or key that is not modelled.
        """
        body = _parse(text)
        if not isinstance(body, dict):
            raise TemplateError("Template format error: the template is not a mapping.")
        if "Transform" in body:
            raise TemplateError(
                f"Transform {body['Transform']!r} is not modelled by the embedded cloud."
            )
        if unknown := [key for key in body if key not in SECTIONS]:
            raise TemplateError(f"Invalid template property or properties {unknown}")
        sections = {name: _mapping(body, name) for name in SECTIONS[3:]}
        if not sections["Resources"]:
            raise TemplateError(
                "Template format error: At least one Resources member must be defined."
            )
        return cls(
            text=text,
            description=body.get("Description"),
            metadata=body.get("Metadata"),
            parameters=sections["Parameters"],
            rules=sections["Rules"],
            mappings=sections["Mappings"],
            conditions=sections["Conditions"],
            resources={
                logical_id: _declaration(logical_id, written)
                for logical_id, written in sections["Resources"].items()
            },
            outputs=sections["Outputs"],
        )


def _mapping(body: Mapping[str, Any], section: str) -> dict[str, Any]:
    value = body.get(section, {})
    if not isinstance(value, dict):
        raise TemplateError(f"Template format error: [/{section}] is not a mapping.")
    return value


def _declaration(logical_id: str, written: Any) -> Declaration:
    if not isinstance(written, dict) or not isinstance(written.get("Type"), str):
        raise TemplateError(
            f"Template format error: [/Resources/{logical_id}] Every Resources object must "
            "contain a Type member."
        )
    if unknown := [key for key in written if key not in RESOURCE_KEYS]:
        raise TemplateError(
            f"Resource attribute {unknown[0]} of {logical_id} is not modelled by the embedded "
            "cloud."
        )
    depends_on = written.get("DependsOn", ())
    policies = {name: written.get(name, "Delete") for name in POLICIES}
    for name, policy in policies.items():
        if policy == "Snapshot":
            raise TemplateError(
                f"Template error: resource {logical_id} of type {written['Type']} does not "
                f"support {name} Snapshot"
            )
        if policy not in POLICIES[name]:
            raise TemplateError(
                f"Template error: {name} of resource {logical_id} is {policy!r}; it can be "
                f"{', '.join(POLICIES[name])}"
            )
    return Declaration(
        logical_id=logical_id,
        type=written["Type"],
        properties=written.get("Properties") or {},
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        condition=written.get("Condition"),
        deletion_policy=policies["DeletionPolicy"],
        replace_policy=policies["UpdateReplacePolicy"],
        metadata=written.get("Metadata"),
    )


# --- syntax -------------------------------------------------------------------------------------


class _Loader(yaml.CSafeLoader):
    """YAML as CloudFormation reads it: short forms of the functions, and dates as strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the shape PyYAML gives it)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _short_form(loader: Any, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def _parse(text: str) -> Any:
    # JSON first: PyYAML needs hundreds of times as long for the templates that the CDK writes.
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            pass  # a YAML flow mapping also starts like this
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (derived from the safe loader)
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: {error}") from error
