"""DynamoDB of the embedded cloud: one request after the other, as its transactions need.

moto carries a transaction out on the live table and, if one of its conditions fails, puts a copy of
the table back that it took before. Whatever another request wrote meanwhile is gone. The ledger's
promises rest on that not happening.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from infra.offline import patching

# Streams, which could call back into DynamoDB from another thread, are not modelled.
_one_at_a_time = threading.RLock()


@patching.replaces(
    "moto.dynamodb.responses:DynamoHandler.call_action",
    because="a transaction that fails restores a copy of the table and loses concurrent writes",
)
def call_action(original: Callable[[Any], Any], handler: Any) -> Any:
    with _one_at_a_time:
        return original(handler)
