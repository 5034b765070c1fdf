"""DynamoDB of the embedded cloud: one request after the other, as its transactions need.

moto carries a transaction out on the live table and, if one of its conditions fails, puts a copy of
the table back that it took before. Whatever another request wrote meanwhile is gone. The ledger's
promises rest on that not happening.
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType

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


#: Partition keys that the transaction under way writes or checks; None outside of one.
_in_transaction: list[dict[str, str]] | None = None


@patching.replaces(
    "moto.dynamodb.models:DynamoDBBackend.transact_write_items",
    because="a transaction copies the whole table for each of its items: seconds at 500 learners",
)
def transact_write_items(original: Callable[..., None], backend: Any, transact_items: Any) -> None:
    global _in_transaction
    # Every value of what names an item: the partition key is among them, whatever it is called.
    _in_transaction = [
        value
        for item in transact_items
        for operation in item.values()
        for value in (operation.get("Item") or operation.get("Key") or {}).values()
        if isinstance(value, dict) and value.keys() <= {"S", "N", "B"}
    ]
    try:
        original(backend, transact_items)
    finally:
        _in_transaction = None


@patching.adds(
    "moto.dynamodb.models.table:Table.__deepcopy__",
    because="the copy that a failed transaction restores needs its own partitions only",
)
def copied(table: Any, memo: dict[int, Any]) -> Any:
    clone = copy.copy(table)
    memo[id(table)] = clone
    if _in_transaction is None:
        vars(clone).update(copy.deepcopy(vars(table), memo))
        return clone
    touched = {DynamoType(value) for value in _in_transaction}
    # What it does not touch nobody else does either, meanwhile: one request at a time.
    clone.items = defaultdict(
        dict,
        {
            key: copy.deepcopy(part, memo) if key in touched else part
            for key, part in table.items.items()
        },
    )
    return clone
