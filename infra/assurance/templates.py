"""What a cohort's synthesized templates say will exist: the whole truth, as nothing is added at run
time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AssemblyError(ValueError):
    """The folder holds no usable output of `cdk synth`; the message says what is wrong with it."""


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    stack: str
    logical_id: str
    type: str
    properties: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.stack}/{self.logical_id} ({self.type})"


@dataclass(frozen=True)
class Templates:
    """CloudFormation templates by stack name, in the order of deployment where that is known."""

    stacks: Mapping[str, Mapping[str, Any]]

    @classmethod
    def from_assembly(cls, folder: Path) -> Templates:
        """The templates in a folder that `cdk synth` has written (cdk.out).

        Raises:
            AssemblyError: if it is none, or not all of it can be read.
        """
        manifest = _json(folder / "manifest.json")
        artifacts = manifest.get("artifacts", {})
        stacks: dict[str, Mapping[str, Any]] = {}
        for artifact_id, artifact in artifacts.items():
            if artifact.get("type") != "aws:cloudformation:stack":
                continue
            properties = artifact.get("properties", {})
            name = properties.get("stackName", artifact_id)
            file = properties.get("templateFile")
            if not file:
                raise AssemblyError(f"{folder}/manifest.json names no template for stack {name}")
            stacks[name] = _json(folder / file)
        if not stacks:
            raise AssemblyError(f"{folder} holds no stacks: is it the folder that cdk synth wrote?")
        return cls(stacks)

    def resources(self, *types: str) -> Iterator[Resource]:
        """Every resource, or those of `types`."""
        for stack, template in self.stacks.items():
            for logical_id, resource in template.get("Resources", {}).items():
                if not types or resource["Type"] in types:
                    properties = resource.get("Properties", {})
                    yield Resource(stack, logical_id, resource["Type"], properties)

    def counts(self) -> Counter[str]:
        """How many resources of each type there are."""
        return Counter(resource.type for resource in self.resources())

    def referred(self, resource: Resource, value: object) -> Resource | None:
        """The resource of the same stack that `value` (Ref or Fn::GetAtt) points to, if any."""
        if not isinstance(value, Mapping) or len(value) != 1:
            return None
        [(function, argument)] = value.items()
        logical_id = argument
        if function == "Fn::GetAtt":
            logical_id = argument[0] if isinstance(argument, list) else argument.partition(".")[0]
        elif function != "Ref":
            return None
        found = self.stacks[resource.stack].get("Resources", {}).get(logical_id)
        if found is None:
            return None
        return Resource(resource.stack, logical_id, found["Type"], found.get("Properties", {}))


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AssemblyError(
            f"{path} cannot be read ({error.strerror}): is its folder what cdk synth wrote?"
        ) from None
    except ValueError as error:
        raise AssemblyError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise AssemblyError(f"{path} is not a mapping")
    return document
