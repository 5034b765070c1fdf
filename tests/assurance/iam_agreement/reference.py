"""AWS's Service Authorization Reference, and the simulator: both in a process of their own."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("simulate.mjs")

#: IAM prefixes of what the policies of a cohort speak about.
SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "codebuild",
    "cognito-idp",
    "dynamodb",
    "ecr",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sagemaker",
    "scheduler",
    "sns",
    "sqs",
    "ssm",
    "sts",
)


@functools.cache
def reference() -> dict[str, Any]:
    """Actions, resource types and condition keys, by service."""
    ran = subprocess.run(
        ["node", str(SCRIPT), "reference", *SERVICES],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    made: dict[str, Any] = json.loads(ran.stdout)
    return made


def simulated(
    documents: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The simulator's answers, in order."""
    lines = [{"documents": documents}, *asked]
    ran = subprocess.run(
        ["node", str(SCRIPT), "simulate"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


@functools.cache
def actions_of(service: str) -> tuple[str, ...]:
    """SERVICE:ACTION of every action of a service."""
    return tuple(f"{service}:{name}" for name in sorted(reference()[service]["actions"]))


def detail(action: str) -> dict[str, Any]:
    service, name = action.split(":", 1)
    found: dict[str, Any] = reference()[service]["actions"][name]
    return found


def keys_of(action: str) -> set[str]:
    """The service's own and the tag keys that AWS lists for an action, lower-case, with `*` for
    what the reader fills in."""
    found = detail(action)
    service = action.split(":", 1)[0]
    keys = set(found["keys"])
    for resource in found["resources"]:
        keys |= set(resource["keys"])
        keys |= set(reference()[service]["resources"][resource["name"]]["keys"])
    return {re.sub(r"(\$\{[^}]+\}|<[^>]+>)", "*", key).lower() for key in keys}


def multi_valued(keys: Iterable[str]) -> set[str]:
    """Those of `keys` that may have several values, as the reference types them."""
    many = {"aws:tagkeys", "aws:calledvia", "aws:principalservicenameslist"}
    for service in reference().values():
        many |= {key.lower() for key, kind in service["types"].items() if kind.startswith("Array")}
    return {key for key in keys if key.lower() in many}
