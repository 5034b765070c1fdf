"""Templates for tests of the isolation proof: synthesized ones, and small ones made by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("CDK_VALIDATION", "false")

from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.world import World
from infra.assurance.templates import Templates
from infra.cohort.images import ImageVersion, Record
from infra.cohort.loading import load
from infra.cohort.model import Cohort

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT, REGION = "123456789012", "us-east-1"


def example(**changes: Any) -> Cohort:
    """cohorts/example.yaml, with other members."""
    cohort = load(ROOT / "cohorts" / "example.yaml")
    return Cohort.model_validate({**cohort.model_dump(), **changes})


def synthesize(
    outdir: Path, *cohorts: Cohort, images: ImageVersion | None = None, record: Record | None = None
) -> Templates:
    """The templates of cohorts, and of the image stacks of `record`."""
    from aws_cdk import App

    from infra.stacks.academy import add_stacks
    from infra.stacks.images import add_image_stacks

    app = App(outdir=str(outdir))
    stacks = []
    for cohort in cohorts:
        stacks += add_stacks(app, cohort, account=ACCOUNT, images=images)
    if record is not None:
        stacks += add_image_stacks(
            app, record, account=ACCOUNT, region=REGION, context=_empty_context
        )
    assembly = app.synth(validate_on_synthesis=False)
    return Templates(
        {
            stack.stack_name: assembly.get_stack_by_name(stack.stack_name).template
            for stack in stacks
        }
    )


def _empty_context(folder: Path) -> str:
    """In place of the real build context, which needs the learners' wheel."""
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return "0" * 64


Resources = Mapping[str, Mapping[str, Any]]


def template(resources: Resources, **members: Any) -> dict[str, Any]:
    """A template by hand: logical id -> Type and properties in one."""
    return {
        "Resources": {
            logical_id: {
                "Type": given["Type"],
                "Properties": {key: value for key, value in given.items() if key != "Type"},
            }
            for logical_id, given in resources.items()
        },
        **members,
    }


def world_of(*stacks: Resources, **named: Mapping[str, Any]) -> World:
    """The world of stacks by hand: of resources (called S0, S1, …), or of whole templates."""
    made = {f"S{number}": template(each) for number, each in enumerate(stacks)}
    return read(Templates({**made, **named}), account=ACCOUNT, region=REGION)


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


TRUST = policy(
    {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
)


def role(name: str = "r", *statements: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "RoleName": name,
        "AssumeRolePolicyDocument": TRUST,
        "Policies": [{"PolicyName": "p", "PolicyDocument": policy(*statements)}]
        if statements
        else [],
        **more,
    }
