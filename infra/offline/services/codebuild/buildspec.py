"""Build specifications: what a build runs, read from YAML and refused where it asks for more.

Source: "Build specification reference for CodeBuild", CodeBuild user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

#: In this order; a buildspec may leave out any.
PHASES = ("install", "pre_build", "build", "post_build")


class BuildSpecError(Exception):
    """The buildspec cannot be run; the message is CodeBuild's, or names what is not emulated."""


@dataclass(frozen=True)
class Phase:
    """The commands of a phase, and those that follow whatever becomes of them."""

    commands: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildSpec:
    """What a build runs."""

    variables: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, Phase] = field(default_factory=dict)


def is_inline(text: str) -> bool:
    """Whether a project's `buildspec` is the specification itself, or else the name of its file."""
    return "\n" in text or text.lstrip().startswith(("{", "version:"))


def parse(text: str) -> BuildSpec:
    """Read a buildspec.

    Raises:
        BuildSpecError: it is malformed, or uses what the embedded cloud does not run.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildSpecError(f"YAML_FILE_ERROR: {error}") from error
    if not isinstance(document, dict):
        raise BuildSpecError("YAML_FILE_ERROR: the buildspec is no mapping")
    _only(document, ("version", "env", "phases"), "")
    if str(document.get("version")) != "0.2":
        raise BuildSpecError(
            f"YAML_FILE_ERROR: the embedded cloud runs version 0.2, not {document.get('version')}"
        )
    env = _mapping(document.get("env"), "env")
    _only(env, ("shell", "variables"), "env.")
    if env.get("shell", "bash") != "bash":
        raise BuildSpecError(f"the embedded cloud runs commands by bash, not by {env['shell']}")
    variables = _mapping(env.get("variables"), "env.variables")
    phases = _mapping(document.get("phases"), "phases")
    _only(phases, PHASES, "phases.")
    if not phases:
        raise BuildSpecError("YAML_FILE_ERROR: the buildspec has no phases")
    return BuildSpec(
        {str(name): str(value) for name, value in variables.items()},
        {name: _phase(phases[name], f"phases.{name}") for name in PHASES if name in phases},
    )


def _phase(given: Any, path: str) -> Phase:
    phase = _mapping(given, path)
    _only(phase, ("commands", "finally"), f"{path}.")
    return Phase(
        *(_commands(phase.get(name), f"{path}.{name}") for name in ("commands", "finally"))
    )


def _commands(given: Any, path: str) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BuildSpecError(f"YAML_FILE_ERROR: {path} is no list of commands")
    return tuple(given)


def _mapping(given: Any, path: str) -> Mapping[Any, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BuildSpecError(f"YAML_FILE_ERROR: {path} is no mapping")
    return given


def _only(given: Mapping[Any, Any], known: tuple[str, ...], path: str) -> None:
    for name in given:
        if name not in known:
            raise BuildSpecError(
                f"the embedded cloud does not emulate {path}{name} of a buildspec "
                f"(emulated: {', '.join(f'{path}{each}' for each in known)})"
            )
