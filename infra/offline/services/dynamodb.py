"""DynamoDB of the embedded cloud: one request after the other, and transactions written once.

moto carries a transaction out on the live table and, if one of its conditions fails, puts a copy of
the table back that it took before. Whatever another request wrote meanwhile is gone. The ledger's
promises rest on that not happening; and on a transaction that is repeated under its token, because
its answer was lost, being the same one.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.exceptions import DynamodbException, MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType

from infra.offline import patching, runtime
from infra.offline.fidelity import Part

FIDELITY = Part(
    title="DynamoDB",
    emulated=(
        "moto; one request at a time, because moto's transactions lose concurrent writes; a "
        "transaction's ClientRequestToken holds for ten minutes"
    ),
    checked="by client: AWS CLI, boto3",
    differences="tables' times follow the machine's clock",
)

#: How long a transaction's token stands for it. Source: TransactWriteItems, DynamoDB API reference.
TOKEN_LASTS = timedelta(minutes=10)

# Streams, which could call back into DynamoDB from another thread, are not modelled.
_one_at_a_time = threading.RLock()


@patching.replaces(
    "moto.dynamodb.responses:DynamoHandler.call_action",
    because="a transaction that fails restores a copy of the table and loses concurrent writes",
)
def call_action(original: Callable[[Any], Any], handler: Any) -> Any:
    with _one_at_a_time:
        return original(handler)


class IdempotentParameterMismatch(DynamodbException):  # type: ignore[misc]
    error_type = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"

    def __init__(self) -> None:
        super().__init__(
            self.error_type,
            "The request uses the same client token as a previous, but non-identical request. "
            "Do not reuse a client token with different requests, unless the requests are "
            "identical",
        )


@patching.replaces(
    "moto.dynamodb.responses:DynamoHandler.transact_write_items",
    because="moto ignores ClientRequestToken: a transaction whose answer was lost is refused, or "
    "done twice, when the client repeats it",
)
def once(original: Callable[[Any], ActionResult], handler: Any) -> ActionResult:
    if any(len(item) != 1 for item in handler.body["TransactItems"]):
        # moto takes the first and answers HTTP 500 where there is none.
        raise MockValidationException(
            "TransactItems can only contain one of Check, Put, Update or Delete"
        )
    token = handler.body.get("ClientRequestToken")
    if not token:
        return original(handler)
    now = _now()
    # With the tables, so that a reset of moto forgets it too.
    done: dict[str, tuple[datetime, str]]
    done = vars(handler.dynamodb_backend).setdefault("academy_transactions", {})
    for old in [each for each, (at, _) in done.items() if now - at > TOKEN_LASTS]:
        del done[old]
    # Binary values are bytes here.
    request = json.dumps(handler.body["TransactItems"], sort_keys=True, default=repr)
    if token in done:
        if done[token][1] != request:
            raise IdempotentParameterMismatch
        return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})
    answer = original(handler)
    # One that was cancelled changed nothing: repeated, it is tried anew.
    done[token] = (_now(), request)
    return answer


def _now() -> datetime:
    try:
        return runtime.current().clock.now()
    except RuntimeError:  # moto on its own, in a process where a cloud ran before
        return datetime.now(UTC)


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
