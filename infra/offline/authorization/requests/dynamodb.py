"""DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    Question,
    Unmodelled,
    arn_of,
    keys_of,
    maps,
    name_of,
    some,
)
from infra.offline.authorization.requests.kms import through
from infra.offline.authorization.wire import Call, WireError

_DYNAMODB_KEYS = keys_of("dynamodb", "EnclosingOperation", "LeadingKeys", "Select")
#: Operations on a transaction's items are permitted by these actions.
_TRANSACTED = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _table_question(
    call: Call,
    account: str,
    action: str,
    request: Mapping[str, Any],
    leading: list[str],
    **context: Any,
) -> Iterator[Question]:
    table = request.get("TableName")
    if not isinstance(table, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{3,255}", table):
        raise Unmodelled(f"TableName {table!r}: only names are modelled, not ARNs")
    resource = f"table/{table}"
    index = request.get("IndexName")
    if index is not None:
        if not isinstance(index, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{3,255}", index):
            raise WireError("ValidationException", f"IndexName {index!r}")
        resource += f"/index/{index}"
    given = some(dynamodb__LeadingKeys=leading, **context)
    yield Question(
        f"dynamodb:{action}", arn_of(call, account, "dynamodb", resource), given, _DYNAMODB_KEYS
    )
    found = state.table(account, call.region, table)
    named = None if found is None else state.table_key(found)
    if named is not None:
        yield from through(call, account, "Decrypt", named, "dynamodb", table)


def _leading(call: Call, account: str, table: Any, items: list[Any]) -> list[str]:
    """The partition-key values of `items` (attribute maps), where the table is known."""
    found = state.table(account, call.region, str(table))
    if found is None:
        return []
    values = []
    for item in items:
        attribute = item.get(found.hash_key_attr) if isinstance(item, Mapping) else None
        if isinstance(attribute, Mapping) and len(attribute) == 1:
            values.append(str(next(iter(attribute.values()))))
    return values


@maps("dynamodb", "GetItem", "PutItem", "UpdateItem", "DeleteItem")
def _item(call: Call, account: str) -> Iterator[Question]:
    item = call.params.get("Item" if call.operation == "PutItem" else "Key")
    leading = _leading(call, account, call.params.get("TableName"), [item])
    yield from _table_question(call, account, call.operation, call.params, leading)


@maps("dynamodb", "Query", "Scan")
def _query(call: Call, account: str) -> Iterator[Question]:
    yield from _table_question(
        call,
        account,
        call.operation,
        call.params,
        _queried(call, account),
        dynamodb__Select=call.params.get("Select"),
    )


def _queried(call: Call, account: str) -> list[str]:
    """The partition key that a Query asks for."""
    found = state.table(account, call.region, str(call.params.get("TableName")))
    if found is None or call.operation != "Query":
        return []
    attribute = found.hash_key_attr
    if call.params.get("IndexName"):
        # Of an index the leading key is the index's own.
        indexes = [*(found.global_indexes or []), *(found.indexes or [])]
        schemas = [i.schema for i in indexes if i.name == call.params["IndexName"]]
        hashes = [k["AttributeName"] for s in schemas for k in s if k["KeyType"] == "HASH"]
        if not hashes:
            return []
        attribute = hashes[0]
    names = call.params.get("ExpressionAttributeNames") or {}
    values = call.params.get("ExpressionAttributeValues") or {}
    expression = str(call.params.get("KeyConditionExpression") or "")
    for name, value in re.findall(r"([#A-Za-z0-9_.\-]+)\s*=\s*(:[A-Za-z0-9_]+)", expression):
        if names.get(name, name) == attribute and isinstance(values.get(value), Mapping):
            return [str(next(iter(values[value].values())))]
    condition = (call.params.get("KeyConditions") or {}).get(attribute)
    if isinstance(condition, Mapping) and condition.get("AttributeValueList"):
        return [str(next(iter(condition["AttributeValueList"][0].values())))]
    return []


@maps("dynamodb", "TransactWriteItems", "TransactGetItems")
def _transaction(call: Call, account: str) -> Iterator[Question]:
    for entry in call.params.get("TransactItems") or ():
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise WireError("ValidationException", "a transaction's item is one operation")
        ((kind, request),) = entry.items()
        if kind not in _TRANSACTED or not isinstance(request, Mapping):
            raise WireError("ValidationException", f"{kind!r} in a transaction")
        item = request.get("Item" if kind == "Put" else "Key")
        yield from _table_question(
            call,
            account,
            _TRANSACTED[kind],
            {"TableName": request.get("TableName")},
            _leading(call, account, request.get("TableName"), [item]),
            dynamodb__EnclosingOperation=call.operation,
        )


@maps("dynamodb", "BatchGetItem", "BatchWriteItem")
def _batch(call: Call, account: str) -> Iterator[Question]:
    for table, given in (call.params.get("RequestItems") or {}).items():
        if call.operation == "BatchGetItem":
            items = list(given.get("Keys", []))
        else:
            items = [
                request.get("PutRequest", {}).get("Item")
                or request.get("DeleteRequest", {}).get("Key")
                for request in given
            ]
        leading = _leading(call, account, table, items)
        yield from _table_question(call, account, call.operation, {"TableName": table}, leading)


@maps("dynamodb", "DescribeTable")
def _describe_table(call: Call, account: str) -> Iterator[Question]:
    name = name_of(call, "TableName")
    yield Question("dynamodb:DescribeTable", arn_of(call, account, "dynamodb", f"table/{name}"))
