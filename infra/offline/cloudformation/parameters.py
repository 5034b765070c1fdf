"""A stack's parameters: what was given and the defaults, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.offline.cloudformation.errors import TemplateError
from infra.offline.cloudformation.template import Template

SSM_PARAMETER = re.compile(r"^AWS::SSM::Parameter::Value<(?P<inner>.+)>$")


@dataclass(frozen=True)
class Parameters:
    """Parameter values of a stack: as given, as evaluated, and which of them SSM supplied."""

    given: Mapping[str, str]
    values: Mapping[str, Any]
    resolved: Mapping[str, str]
    hidden: frozenset[str] = frozenset()


def resolve_parameters(
    template: Template, given: Mapping[str, str], ssm: Callable[[str], str]
) -> Parameters:
    """`given` and the template's defaults, checked and typed; `ssm` reads an SSM parameter.

    Raises:
        TemplateError: a parameter is missing, unknown or outside what the template allows.
    """
    if unknown := [name for name in given if name not in template.parameters]:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    taken: dict[str, str] = {}
    missing = []
    for name, declared in template.parameters.items():
        if name in given:
            taken[name] = given[name]
        elif "Default" in declared:
            taken[name] = text_of(declared["Default"])
        else:
            missing.append(name)
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    values: dict[str, Any] = {}
    resolved: dict[str, str] = {}
    for name, text in taken.items():
        declared = template.parameters[name]
        kind = str(declared.get("Type", "String"))
        if stored := SSM_PARAMETER.match(kind):
            kind = stored["inner"]
            text = resolved[name] = ssm(text)
        values[name] = _typed(name, kind, text)
        _check_parameter(name, declared, kind, text)
    hidden = frozenset(
        name
        for name, declared in template.parameters.items()
        if str(declared.get("NoEcho", "false")).lower() == "true"
    )
    return Parameters(taken, values, resolved, hidden)


def _typed(name: str, kind: str, text: str) -> Any:
    if kind.startswith("List<") or kind == "CommaDelimitedList":
        return [part.strip() for part in text.split(",")]
    if kind == "Number":
        if not re.match(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$", text):
            raise TemplateError(f"Parameter '{name}' must be a number.")
        return text
    if kind == "String" or kind.startswith("AWS::"):
        return text
    raise TemplateError(f"Template format error: Unrecognized parameter type: {kind}")


def _check_parameter(name: str, declared: Mapping[str, Any], kind: str, text: str) -> None:
    """What the template says of a parameter's value; its own words for it, if it has any."""
    wrong = None
    allowed = [text_of(value) for value in declared.get("AllowedValues", ())]
    items = text.split(",") if kind == "CommaDelimitedList" else [text]
    if allowed and not all(item.strip() in allowed for item in items):
        wrong = f"Parameter '{name}' must be one of AllowedValues"
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, text):
        wrong = f"Parameter '{name}' must match pattern {pattern}"
    if "MinLength" in declared and len(text) < int(declared["MinLength"]):
        wrong = f"Parameter '{name}' must contain at least {declared['MinLength']} characters"
    if "MaxLength" in declared and len(text) > int(declared["MaxLength"]):
        wrong = f"Parameter '{name}' must contain at most {declared['MaxLength']} characters"
    if "MinValue" in declared and float(text) < float(declared["MinValue"]):
        wrong = f"Parameter '{name}' must be a number not less than {declared['MinValue']}"
    if "MaxValue" in declared and float(text) > float(declared["MaxValue"]):
        wrong = f"Parameter '{name}' must be a number not greater than {declared['MaxValue']}"
    if wrong:
        because = declared.get("ConstraintDescription")
        raise TemplateError(f"{wrong}: {because}" if because else wrong)


def text_of(value: Any) -> str:
    """A scalar as CloudFormation writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
