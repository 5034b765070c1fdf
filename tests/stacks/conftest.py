"""Synthesizes the example cohort once, and once protected, for every test of the stacks."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The CDK's built-in validation is most of a synth, and cfn-lint and cdk-nag have tests here. The
# CDK's Node process takes its environment from the first import.
os.environ.setdefault("CDK_VALIDATION", "false")

from aws_cdk import App
from aws_cdk.assertions import Template

from infra.cohort.images import FLAVOURS, Built, ImageVersion
from infra.cohort.loading import load
from infra.cohort.model import Cohort, Provider
from infra.cohort.naming import Names
from infra.constructs.arns import Arns
from infra.stacks.academy import add_stacks

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
#: As cdk.json gives it to app.py.
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]


@dataclass(frozen=True)
class Academy:
    """A cohort's synthesized stacks."""

    cohort: Cohort
    app: App
    order: list[str]
    dependencies: dict[str, set[str]]
    templates: dict[str, dict[str, Any]]
    #: What the synth would have asked AWS for.
    missing: list[str]

    @property
    def names(self) -> Names:
        return self.cohort.names

    @property
    def arns(self) -> Arns:
        return Arns(self.names, ACCOUNT, self.cohort.region)

    def template(self, stack: str) -> Template:
        return Template.from_string(json.dumps(self.templates[stack]))

    def resources(self, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(stack/logical id, resource) of every resource, or of those of `types`."""
        for stack, template in self.templates.items():
            for logical_id, resource in template["Resources"].items():
                if not types or resource["Type"] in types:
                    yield f"{stack}/{logical_id}", resource


def image_version(number: int = 2, flavours: tuple[str, ...] = FLAVOURS) -> ImageVersion:
    """A version of the images, whose digests tell number, flavour and stage."""

    def digest(flavour: str, stage: int) -> str:
        return f"sha256:{number:02d}{FLAVOURS.index(flavour)}{stage}{'0' * 60}"

    return ImageVersion(
        number=number,
        built=dt.datetime(2026, 11, 28, 14, tzinfo=dt.UTC),
        source="0" * 64,
        images={
            flavour: Built(
                workspace=digest(flavour, 0), training=digest(flavour, 1), bytes=5_000_000_000
            )
            for flavour in flavours
        },
    )


def with_provider(cohort: Cohort) -> Cohort:
    """The cohort, whose people may also sign in by the organisation's own provider."""
    assert cohort.door is not None
    provider = Provider(
        name="Agency",
        issuer="https://login.example.org",
        client_id="academy",
        secret="academy/agency",
    )
    door = cohort.door.model_copy(update={"provider": provider})
    return cohort.model_copy(update={"door": door})


def synthesize(cohort: Cohort, outdir: Path, images: ImageVersion | None = None) -> Academy:
    app = App(outdir=str(outdir), context=CONTEXT)
    stacks = add_stacks(app, cohort, account=ACCOUNT, images=images)
    assembly = app.synth(validate_on_synthesis=False)
    manifest = json.loads((outdir / "manifest.json").read_text())
    return Academy(
        cohort=cohort,
        app=app,
        order=[stack.stack_name for stack in stacks],
        dependencies={
            stack.stack_name: {other.stack_name for other in stack.dependencies} for stack in stacks
        },
        templates={
            stack.stack_name: assembly.get_stack_by_name(stack.stack_name).template
            for stack in stacks
        },
        missing=[each["key"] for each in manifest.get("missing", [])],
    )


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return load(ROOT / "cohorts" / "example.yaml")


@pytest.fixture(scope="session")
def synthesis() -> Callable[..., Academy]:
    """Synthesizes a cohort into a folder, on a version of the images if one is given."""
    return synthesize


@pytest.fixture(scope="session")
def academy(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Academy:
    return synthesize(cohort, tmp_path_factory.mktemp("academy"))


@pytest.fixture(scope="session")
def protected(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Academy:
    return synthesize(
        cohort.model_copy(update={"protect": True}), tmp_path_factory.mktemp("protected")
    )


@pytest.fixture(scope="session")
def imaged(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Academy:
    """The example cohort on version 2 of the academy's images."""
    return synthesize(cohort, tmp_path_factory.mktemp("imaged"), image_version())


@pytest.fixture(scope="session")
def permissions(academy: Academy) -> dict[str, dict[str, dict[str, Any]]]:
    """Role name -> Sid -> statement, with actions and resources always as lists."""
    return permissions_of(academy)


def permissions_of(academy: Academy) -> dict[str, dict[str, dict[str, Any]]]:
    def listed(value: str | list[str]) -> list[str]:
        return value if isinstance(value, list) else [value]

    return {
        role["Properties"]["RoleName"]: {
            statement["Sid"]: {
                **statement,
                "Action": listed(statement["Action"]),
                "Resource": listed(statement["Resource"]),
            }
            for policy in role["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        }
        for _, role in academy.resources("AWS::IAM::Role")
    }
