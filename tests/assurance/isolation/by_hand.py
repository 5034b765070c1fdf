"""Small worlds written by hand, and a small catalogue, so that a test can try everything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.requests.catalogue import Action, Catalogue, Service
from infra.assurance.isolation.world import Document, Guarded, Role, World

ACCOUNT = "123456789012"
REGION = "us-east-1"

#: A service that AWS does not have: boxes with letters on them.
BOX_KEYS = {
    "box:label": "String",
    "box:owner": "ARN",
    "box:size": "Numeric",
    "box:sealed": "Bool",
    "box:packed": "Date",
    "box:from": "IPAddress",
    "box:tags": "ArrayOfString",
}
BOX_ARN = "arn:${Partition}:box:${Region}:${Account}:${Name}"
BOXES = f"arn:aws:box:{REGION}:{ACCOUNT}:"


def box_catalogue() -> Catalogue:
    actions = [
        Action("box:Open", (BOX_ARN,), False, BOX_KEYS),
        Action("box:Close", (BOX_ARN,), False, BOX_KEYS),
        Action("box:List", (), True, {"box:label": "String"}),
        Action("sts:AssumeRole", ("arn:${Partition}:iam::${Account}:role/${RoleName}",), False, {}),
    ]
    return Catalogue(
        "a catalogue made by hand",
        {each.name.lower(): each for each in actions},
        {
            "box": Service((BOX_ARN,), BOX_KEYS),
            "sts": Service((), {}),
            "crate": Service((), {"crate:label": "String"}),
        },
    )


def document(
    id_: str, statements: Sequence[Mapping[str, Any]], kind: iam.PolicyKind = "identity"
) -> Document:
    body = {"Version": "2012-10-17", "Statement": list(statements)}
    return Document(id_, body, iam.Policy.parse(json.dumps(body), kind=kind))


def allow(
    actions: str | list[str], resources: str | list[str] = "*", **more: Any
) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {**allow(actions, resources, **more), "Effect": "Deny"}


def role(
    *statements: Mapping[str, Any],
    name: str = "ana",
    path: str = "/academy/earth/learner/",
    boundary: Sequence[Mapping[str, Any]] | None = None,
    trust: Sequence[Mapping[str, Any]] | None = None,
) -> Role:
    trusted = trust or [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    return Role(
        arn=f"arn:aws:iam::{ACCOUNT}:role{path}{name}",
        name=name,
        cohort="earth",
        kind="learner",
        owner=name,
        team=None,
        identity=(document(f"{name}/own", statements),) if statements else (),
        boundary=None if boundary is None else document("boundary", boundary),
        trust=document(f"{name}/trust", trusted, "trust"),
    )


def guarded(
    arn: str,
    *statements: Mapping[str, Any],
    covers: tuple[str, ...] = (),
    decides: bool = False,
    facts: Mapping[str, iam.Value] | None = None,
) -> Guarded:
    return Guarded(
        arn=arn,
        type="Box",
        covers=covers or (arn,),
        document=document(f"of {arn}", statements, "resource") if statements else None,
        decides=decides,
        facts=facts or {},
    )


def world(*roles: Role, guarded: Sequence[Guarded] = ()) -> World:
    return World(ACCOUNT, REGION, ("earth",), tuple(roles), tuple(guarded))
