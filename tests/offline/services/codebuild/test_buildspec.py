"""Build specifications: what is read, and what is refused by its name."""

from __future__ import annotations

import pytest

from infra.offline.services.codebuild import buildspec
from infra.offline.services.codebuild.buildspec import BuildSpecError, Phase


def test_phases_are_read_in_their_order() -> None:
    spec = buildspec.parse(
        """
        version: 0.2
        env:
          shell: bash
          variables: {COLOUR: green, NUMBER: 3}
        phases:
          post_build: {commands: [echo last]}
          build:
            commands: [echo one, echo two]
            finally: [echo over]
        """
    )
    assert spec.variables == {"COLOUR": "green", "NUMBER": "3"}
    assert list(spec.phases) == ["build", "post_build"]
    assert spec.phases["build"] == Phase(("echo one", "echo two"), ("echo over",))


@pytest.mark.parametrize(
    ("text", "inline"),
    [
        ("buildspec.yml", False),
        ("ci/build.yml", False),
        ('{"version": "0.2"}', True),
        ("version: 0.2\nphases: {}", True),
    ],
)
def test_a_specification_in_the_project_is_told_from_a_files_name(text: str, inline: bool) -> None:
    assert buildspec.is_inline(text) is inline


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 0.2\nphases: {}\nartifacts: {}", "does not emulate artifacts of a buildspec"),
        ("version: 0.2\nenv: {parameter-store: {}}", "does not emulate env.parameter-store"),
        ("version: 0.2\nenv: {shell: powershell.exe}", "not by powershell.exe"),
        ("version: 0.2\nphases: {deploy: {}}", "does not emulate phases.deploy"),
        (
            "version: 0.2\nphases: {build: {commands: [x], on-failure: CONTINUE}}",
            "does not emulate phases.build.on-failure",
        ),
        ("version: 0.2\nphases: {build: {commands: x}}", "is no list of commands"),
        ("version: 0.1\nphases: {build: {commands: [x]}}", "version 0.2, not 0.1"),
        ("version: 0.2", "has no phases"),
        ("- a", "no mapping"),
        ("a: [", "YAML_FILE_ERROR"),
    ],
)
def test_what_is_not_run_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(BuildSpecError) as error:
        buildspec.parse(text)
    assert says in str(error.value)
