"""What would change if a stack took a new definition: the list in a change set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from infra.offline.services.cloudformation.evaluation import Evaluation, creation_order
from infra.offline.services.cloudformation.stack import Definition, Stack
from infra.offline.services.cloudformation.template import Declaration
from infra.offline.services.cloudformation.types import find


@dataclass(frozen=True)
class Plan:
    """A definition that holds together: its resources in order of creation, and their needs."""

    evaluation: Evaluation
    order: tuple[str, ...]
    needs: dict[str, frozenset[str]]


def plan(stack: Stack, definition: Definition) -> Plan:
    """Read `definition` as a plan.

    Raises:
        TemplateError: a rule is violated, a name leads nowhere, or needs form a circle.
    """
    evaluation = Evaluation(definition.template, definition.parameters.values, stack.pseudo)
    evaluation.check_rules()
    active = evaluation.active()
    needs: dict[str, set[str]] = {}
    for logical_id, declared in active.items():
        # A dependency on a resource whose condition fails is dropped; a reference is an error.
        dropped = {
            name
            for name in declared.depends_on
            if name not in active and name in definition.template.resources
        }
        needs[logical_id] = evaluation.references(declared) - dropped
    order = tuple(creation_order(needs))
    for logical_id in order:
        evaluation.properties(
            active[logical_id]
        )  # with placeholders: errors show before anything is made
    list(evaluation.outputs())
    return Plan(evaluation, order, {name: frozenset(found) for name, found in needs.items()})


def changes(
    stack: Stack, definition: Definition, imports: frozenset[str] = frozenset()
) -> tuple[list[dict[str, Any]], bool]:
    """The resource changes from the stack's definition to `definition`, and if anything differs.

    Args:
        imports: logical ids of resources that are taken into the stack, not made.
    """
    new = _shown(stack, definition)
    old = _shown(stack, stack.definition) if stack.definition else {}
    listed = []
    for logical_id, after in new.items():
        if logical_id not in old:
            action = "Import" if logical_id in imports else "Add"
            listed.append(_change(action, logical_id, after["Type"], AfterContext=_context(after)))
        elif old[logical_id] != after:
            listed.append(_modification(stack, logical_id, old[logical_id], after))
    for logical_id, before in old.items():
        if logical_id not in new:
            listed.append(_removal(stack, logical_id, before))
    differs = bool(listed) or (
        stack.definition is None
        or stack.definition.tags != definition.tags
        or stack.definition.template.description != definition.template.description
        or _outputs(stack, stack.definition) != _outputs(stack, definition)
    )
    return listed, differs


def _shown(stack: Stack, definition: Definition) -> dict[str, dict[str, Any]]:
    evaluation = Evaluation(definition.template, definition.parameters.values, stack.pseudo)
    return {
        logical_id: {
            "Type": declared.type,
            "Properties": _properties(evaluation, declared, definition.tags),
            "DependsOn": sorted(declared.depends_on),
            "DeletionPolicy": declared.deletion_policy,
            "UpdateReplacePolicy": declared.replace_policy,
            "Metadata": declared.metadata,
        }
        for logical_id, declared in evaluation.active().items()
    }


def _properties(
    evaluation: Evaluation, declared: Declaration, tags: dict[str, str]
) -> dict[str, Any]:
    properties = evaluation.properties(declared)
    model = find(declared.type)
    return model.with_tags(properties, tags) if model else properties


def _outputs(stack: Stack, definition: Definition) -> list[Any]:
    evaluation = Evaluation(definition.template, definition.parameters.values, stack.pseudo)
    return [shown for _, shown in evaluation.outputs()]


def _change(
    action: str, logical_id: str, kind: str, stack: Stack | None = None, **more: Any
) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        **more,
    }
    if stack is not None and logical_id in stack.resources:
        change["PhysicalResourceId"] = stack.resources[logical_id].physical_id
    return {"Type": "Resource", "ResourceChange": change}


def _removal(stack: Stack, logical_id: str, before: dict[str, Any]) -> dict[str, Any]:
    retained = before["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
    return _change(
        "Remove",
        logical_id,
        before["Type"],
        stack,
        PolicyAction="Retain" if retained else "Delete",
        BeforeContext=_context(before),
    )


def _context(shown: dict[str, Any]) -> str:
    """A resource as DescribeChangeSet shows it to who asks for values."""
    return json.dumps({"Properties": shown["Properties"]}, default=str)


def _modification(
    stack: Stack, logical_id: str, before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    scope = [
        part
        for part in ("Properties", "Metadata", "DeletionPolicy", "UpdateReplacePolicy")
        if before[part] != after[part]
    ]
    old, new = before["Properties"], after["Properties"]
    model = find(after["Type"])
    replacing = set(model.replaces(old, new)) if model else set()
    details = [
        {
            "Target": {
                "Attribute": "Properties",
                "Name": name,
                "RequiresRecreation": "Always" if name in replacing else "Never",
                **_values(name, old, new),
            },
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]
    replaced = bool(replacing) or before["Type"] != after["Type"]
    more: dict[str, Any] = {
        "Replacement": "True" if replaced else "False",
        "Scope": scope,
        "Details": details,
        "BeforeContext": _context(before),
        "AfterContext": _context(after),
    }
    if replaced:
        retained = after["UpdateReplacePolicy"] == "Retain"
        more["PolicyAction"] = "ReplaceAndRetain" if retained else "ReplaceAndDelete"
    return _change("Modify", logical_id, after["Type"], stack, **more)


def _values(name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """What a property was and will be, and how that counts."""
    told = {"Path": f"/Properties/{name}"}
    if name in old:
        told["BeforeValue"] = _text(old[name])
    if name in new:
        told["AfterValue"] = _text(new[name])
    told["AttributeChangeType"] = (
        "Modify" if name in old and name in new else "Add" if name in new else "Remove"
    )
    return told


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
