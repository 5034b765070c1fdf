"""Secrets Manager of the embedded cloud: an admin keeps what a stack reads when it is deployed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="Secrets Manager",
    emulated=(
        "moto's secrets and their versions, for the administrator; CloudFormation reads one for a "
        "provider of a user pool by `{{resolve:secretsmanager:…}}` when it makes or changes that, "
        "and keeps the reference alone"
    ),
    checked="by client: AWS CLI, boto3",
    differences=(
        "no role of a cohort may read a secret, here or at AWS; no rotation, replicas or policies; "
        "times follow the machine's clock; a reference to a part or a version of a secret is "
        "refused"
    ),
)


@replaces(
    "moto.secretsmanager.responses:SecretsManagerResponse.describe_secret",
    because="moto tells of versions a second time, under a name that AWS has not",
)
def _describe(original: Callable[..., Any], response: Any) -> str:
    told = json.loads(original(response))
    return json.dumps({name: each for name, each in told.items() if name != _NOT_AWS})


_NOT_AWS = "SecretVersionsToStages"
