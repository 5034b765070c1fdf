"""A stack's parameters: what was given and the defaults, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.offline.services.cloudformation.errors import TemplateError
from infra.offline.services.cloudformation.template import Template

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
SSM_PARAMETER = re.compile(r"^AWS::SSM::Parameter::Value<(?P<inner>.+)>$")


@dataclass(frozen=True)
class Parameters:
    """Parameter values of a stack: as given, as evaluated, and which of them SSM supplied."""

    given: Mapping[str, str]
    values: Mapping[str, Any]
    resolved: Mapping[str, str]
    hidden: frozenset[str] = frozenset()


#: Reads plain parameters of SSM: name -> value, without those that are not there.
Store = Callable[[list[str]], Mapping[str, str]]


def resolve_parameters(template: Template, given: Mapping[str, str], ssm: Store) -> Parameters:
    """`given` and the template's defaults, checked and typed; `ssm` reads SSM parameters.

    Raises:
        TemplateError: a parameter is missing, unknown or outside what the template allows.
    """
    if unknown := [name for name in given if name not in template.parameters]:
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    taken = {
        name: given[name] if name in given else text_of(declared["Default"])
        for name, declared in template.parameters.items()
        if name in given or "Default" in declared
    }
    if missing := [name for name in template.parameters if name not in taken]:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    kinds = {
        name: str(declared.get("Type", "String")) for name, declared in template.parameters.items()
    }
    resolved = _stored(kinds, taken, ssm)
    values: dict[str, Any] = {}
    for name, text in taken.items():
        stored = SSM_PARAMETER.match(kinds[name])
        kind = stored["inner"] if stored else kinds[name]
        values[name] = _typed(name, kind, resolved.get(name, text))
        # Constraints hold the name of a stored parameter, not what is stored.
        _check_parameter(name, template.parameters[name], "String" if stored else kind, text)
    hidden = frozenset(
        name
        for name, declared in template.parameters.items()
        if text_of(declared.get("NoEcho", "false")).lower() == "true"
    )
    return Parameters(taken, values, resolved, hidden)


def _stored(kinds: Mapping[str, str], taken: Mapping[str, str], ssm: Store) -> dict[str, str]:
    """What SSM has for the parameters that are kept there."""
    wanted = {name: text for name, text in taken.items() if SSM_PARAMETER.match(kinds[name])}
    if not wanted:
        return {}
    found = ssm(sorted(set(wanted.values())))
    if absent := sorted({text for text in wanted.values() if text not in found}):
        raise TemplateError(
            f"Unable to fetch parameters [{','.join(absent)}] from parameter store for this "
            "account."
        )
    return {name: found[text] for name, text in wanted.items()}


def _typed(name: str, kind: str, text: str) -> Any:
    if kind.startswith("List<") or kind == "CommaDelimitedList":
        items = [part.strip() for part in text.split(",")]
        if kind == "List<Number>" and not all(NUMBER.fullmatch(item) for item in items):
            raise TemplateError(f"Parameter '{name}' must be a list of numbers.")
        return items
    if kind == "Number":
        if not NUMBER.fullmatch(text):
            raise TemplateError(f"Parameter '{name}' must be a number.")
        return text
    if kind == "String" or kind.startswith("AWS::"):
        return text
    raise TemplateError(f"Template format error: Unrecognized parameter type: {kind}")


def _check_parameter(name: str, declared: Mapping[str, Any], kind: str, text: str) -> None:
    """What the template says of a parameter's value; its own words for it, if it has any.

    AWS's words, as reports quote them: "Parameter 'P' must be one of AllowedValues", "Parameter P
    failed to satisfy constraint: …" where the template describes the constraint.
    """
    listed = kind.startswith("List<") or kind == "CommaDelimitedList"
    for item in (part.strip() for part in text.split(",")) if listed else (text,):
        wrong = _wrong(declared, item)
        if wrong is None:
            continue
        because = declared.get("ConstraintDescription")
        if because:
            raise TemplateError(f"Parameter {name} failed to satisfy constraint: {because}")
        raise TemplateError(f"Parameter '{name}' must {wrong}")


def _wrong(declared: Mapping[str, Any], text: str) -> str | None:
    """The first constraint that a value breaks, as what it must be."""
    allowed = [text_of(value) for value in declared.get("AllowedValues", ())]
    if allowed and text not in allowed:
        return "be one of AllowedValues"
    pattern = declared.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, text):
        return f"match pattern {pattern}"
    if "MinLength" in declared and len(text) < int(declared["MinLength"]):
        return f"contain at least {declared['MinLength']} characters"
    if "MaxLength" in declared and len(text) > int(declared["MaxLength"]):
        return f"contain at most {declared['MaxLength']} characters"
    if "MinValue" in declared and float(text) < float(declared["MinValue"]):
        return f"be a number not less than {declared['MinValue']}"
    if "MaxValue" in declared and float(text) > float(declared["MaxValue"]):
        return f"be a number not greater than {declared['MaxValue']}"
    return None


def text_of(value: Any) -> str:
    """A scalar as CloudFormation writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
