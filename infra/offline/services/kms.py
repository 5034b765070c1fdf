"""KMS of the embedded cloud: a key that waits for its deletion is of no use, and then it is gone.

Moto keeps keys, aliases and policies, and encrypts for real. Who may use a key is IAM's to say
(`authorization`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import ValidationException

from infra.offline import runtime
from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="KMS",
    emulated=(
        "moto's keys, aliases and encryption; a key that is disabled or waits for its deletion is "
        "of no use, and it is deleted on the cloud's clock"
    ),
    checked="by client: AWS CLI, boto3",
    differences="no grants, rotation or other regions are tried",
)

#: Days. Source: ScheduleKeyDeletion in the KMS API reference.
SHORTEST_WAIT, LONGEST_WAIT = 7, 30

PENDING = "PendingDeletion"


@replaces(
    "moto.kms.responses:KmsResponse.schedule_key_deletion",
    because="moto tells neither state nor window, goes by the machine's clock and deletes no key",
)
def _schedule_deletion(_original: Callable[..., Any], response: Any) -> str:
    named, days = response._get_param("KeyId"), response._get_param("PendingWindowInDays")
    response._validate_cmk_id(named)
    days = LONGEST_WAIT if days is None else int(days)
    if not SHORTEST_WAIT <= days <= LONGEST_WAIT:
        raise ValidationException(
            f"PendingWindowInDays {days} is not between {SHORTEST_WAIT} and {LONGEST_WAIT}"
        )
    backend = response.kms_backend
    key = backend.keys[backend.get_key_id(named)]
    _require(key, "Enabled", "Disabled")
    clock = runtime.current().clock
    when = clock.now() + timedelta(days=days)
    key.enabled, key.key_state = False, PENDING
    key.deletion_date = when.replace(tzinfo=None)

    def delete() -> None:
        # Unless its deletion was cancelled, perhaps to be scheduled anew.
        if key.key_state == PENDING and key.deletion_date == when.replace(tzinfo=None):
            backend.keys.pop(key.id, None)

    clock.call_at(when, delete, name=f"deletion of key {key.id}")
    return json.dumps(
        {
            "KeyId": key.arn,
            "DeletionDate": when.timestamp(),
            "KeyState": PENDING,
            "PendingWindowInDays": days,
        }
    )


@replaces(
    "moto.kms.models:KmsBackend.encrypt",
    because="moto encrypts by keys that are disabled or wait for their deletion",
)
def _encrypt(
    original: Callable[..., Any], backend: Any, key_id: str, *args: Any, **more: Any
) -> Any:
    key = backend.keys.get(backend.any_id_to_key_id(key_id))
    if key is not None:
        _require(key, "Enabled")
    return original(backend, key_id, *args, **more)


@replaces(
    "moto.kms.models:KmsBackend.decrypt",
    because="the same when it decrypts",
)
def _decrypt(original: Callable[..., Any], backend: Any, *args: Any, **more: Any) -> Any:
    plaintext, arn = original(backend, *args, **more)
    _require(backend.keys[arn.rsplit("/", 1)[-1]], "Enabled")
    return plaintext, arn


def _require(key: Any, *states: str) -> None:
    """Raise what AWS raises unless the key is in one of the states.

    Source: "Key states of AWS KMS keys", KMS developer guide.
    """
    if key.key_state in states:
        return
    if key.key_state == PENDING:
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
