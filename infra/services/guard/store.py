"""The ledger's table: the only file of the guard that speaks to DynamoDB.

Items: `pk` is `learner#<id>`; `sk` is `account`, `reservation#<id>`, or
`entry#<instant>#<token>#<version>`.
An open reservation also carries `open` = "open", the partition key of the sparse index `open` that
the sweep reads.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.services.guard.ledger import (
    Account,
    Change,
    Changed,
    Entry,
    Frozen,
    Insufficient,
    Reservation,
)

OPEN_INDEX = "open"
ATTEMPTS = 8

Item = dict[str, dict[str, Any]]


class TableLedger:
    """A `Ledger` in one DynamoDB table."""

    def __init__(
        self, table: str, client: Any = None, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=10)
        self._client = client or boto3.client("dynamodb", config=config)
        self._table = table
        self._pause = pause

    def account(self, learner: str, cap: int) -> Account:
        for _ in range(ATTEMPTS):
            item = self._get(learner, "account")
            if item is None:
                self._create(Account.new(learner, cap))
                continue
            account = _account(learner, item)
            if account.cap == cap:
                return account
            self._move_cap(account, cap)
        raise RuntimeError(f"the cap of {learner} keeps changing under us")

    def _create(self, account: Account) -> None:
        item = _key(account.learner, "account") | {
            "cap": _n(account.cap),
            "available": _n(account.available),
            "reserved": _n(0),
            "spent": _n(0),
            "frozen": {"BOOL": False},
        }
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise

    def _move_cap(self, account: Account, cap: int) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(account.learner, "account"),
                UpdateExpression="SET cap = :new, available = available + :more",
                ConditionExpression="cap = :old",
                ExpressionAttributeValues={
                    ":new": _n(cap),
                    ":old": _n(account.cap),
                    ":more": _n(cap - account.cap),
                },
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise

    def find(self, learner: str, reservation: str) -> Reservation | None:
        item = self._get(learner, f"reservation#{reservation}")
        return _reservation(item) if item else None

    def apply(self, change: Change) -> Reservation:
        # One token for all attempts: a write whose answer was lost is not taken for another's.
        token = uuid.uuid4().hex
        for attempt in range(ATTEMPTS):
            try:
                self._client.transact_write_items(
                    TransactItems=self._transaction(change), ClientRequestToken=token
                )
                return change.after
            except ClientError as error:
                if not self._try_again(change, error):
                    raise
            # Full jitter: what collided should not collide again.
            self._pause(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
        raise RuntimeError(f"the ledger is too busy for {change.after.learner}")

    def _try_again(self, change: Change, error: ClientError) -> bool:
        """Whether to repeat a transaction that failed; a refusal is raised as what it is."""
        if _code(error) in ("TransactionInProgressException", "ThrottlingException"):
            return True
        if _code(error) != "TransactionCanceledException":
            return False
        reasons = [str(r.get("Code", "None")) for r in error.response["CancellationReasons"]]
        if reasons[0] == "ConditionalCheckFailed":
            raise Changed from None
        if len(reasons) > 1 and reasons[1] == "ConditionalCheckFailed":
            item = self._get(change.after.learner, "account")
            if item is None:
                raise RuntimeError(f"{change.after.learner} has no account") from None
            account = _account(change.after.learner, item)
            if account.frozen:
                raise Frozen from None
            # Money that came back between the write and this read does not make it succeed: the
            # learner asks again.
            raise Insufficient(account) from None
        return any(r in ("TransactionConflict", "ThrottlingError") for r in reasons)

    def _transaction(self, change: Change) -> list[dict[str, Any]]:
        after = change.after
        put: dict[str, Any] = {"TableName": self._table, "Item": _reservation_item(after)}
        if change.before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "version = :before"
            put["ExpressionAttributeValues"] = {":before": _n(change.before)}
        items: list[dict[str, Any]] = [{"Put": put}]
        held = change.reserved + change.spent
        if change.reserved or change.spent:
            values: dict[str, Any] = {
                ":held": _n(held),
                ":reserved": _n(change.reserved),
                ":spent": _n(change.spent),
            }
            condition = "attribute_exists(pk)"
            if change.needs_funds:
                condition = "available >= :held AND frozen = :false"
                values[":false"] = {"BOOL": False}
            items.append(
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": _key(after.learner, "account"),
                        "UpdateExpression": "SET available = available - :held, "
                        "reserved = reserved + :reserved, spent = spent + :spent",
                        "ConditionExpression": condition,
                        "ExpressionAttributeValues": values,
                    }
                }
            )
        if change.entry:
            entry = _entry_item(change.entry, after.version)
            items.append({"Put": {"TableName": self._table, "Item": entry}})
        return items

    def open_of(self, learner: str) -> list[Reservation]:
        found = self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
            FilterExpression="attribute_exists(#open)",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={
                ":pk": {"S": f"learner#{learner}"},
                ":kind": {"S": "reservation#"},
            },
            ConsistentRead=True,
        )
        return sorted(map(_reservation, found), key=lambda r: (r.created_at, r.id))

    def all_open(self) -> Iterator[Reservation]:
        found = self._query(
            IndexName=OPEN_INDEX,
            KeyConditionExpression="#open = :open",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":open": {"S": "open"}},
        )
        return map(_reservation, found)

    def entries(self, learner: str, limit: int) -> list[Entry]:
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
            ExpressionAttributeValues={
                ":pk": {"S": f"learner#{learner}"},
                ":kind": {"S": "entry#"},
            },
            ScanIndexForward=False,
            Limit=limit,
            ConsistentRead=True,
        )
        return [_entry(learner, item) for item in answer["Items"]]

    def freeze(self, learner: str, cap: int, frozen: bool) -> None:
        self.account(learner, cap)
        self._client.update_item(
            TableName=self._table,
            Key=_key(learner, "account"),
            UpdateExpression="SET frozen = :frozen",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":frozen": {"BOOL": frozen}},
        )

    def _get(self, learner: str, sort: str) -> Item | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(learner, sort), ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item

    def _query(self, **arguments: Any) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(TableName=self._table, **arguments, **start)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _key(learner: str, sort: str) -> Item:
    return {"pk": {"S": f"learner#{learner}"}, "sk": {"S": sort}}


def _n(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _instant(value: dt.datetime) -> str:
    """Fixed width, so that text order is time order."""
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)


def _account(learner: str, item: Item) -> Account:
    return Account(
        learner=learner,
        cap=int(item["cap"]["N"]),
        spent=int(item["spent"]["N"]),
        reserved=int(item["reserved"]["N"]),
        available=int(item["available"]["N"]),
        frozen=bool(item["frozen"]["BOOL"]),
    )


_TEXTS = ("learner", "id", "kind", "token", "request", "name", "domain", "team", "instance", "note")
_NUMBERS = ("count", "price", "seconds", "amount", "version")
_TIMES = ("created_at", "ends_at", "lease_until")


def _reservation_item(r: Reservation) -> Item:
    item = _key(r.learner, f"reservation#{r.id}") | {"status": {"S": r.status}}
    item |= {name: {"S": getattr(r, name)} for name in _TEXTS}
    item |= {name: _n(getattr(r, name)) for name in _NUMBERS}
    item |= {name: {"S": _instant(getattr(r, name))} for name in _TIMES}
    if r.started_at is not None:
        item["started_at"] = {"S": _instant(r.started_at)}
    if r.billed is not None:
        item["billed"] = _n(r.billed)
    if r.is_open:
        item["open"] = {"S": "open"}
    return item


def _reservation(item: Item) -> Reservation:
    members: dict[str, Any] = {name: item[name]["S"] for name in (*_TEXTS, "status")}
    members |= {name: int(item[name]["N"]) for name in _NUMBERS}
    members |= {name: _time(item[name]["S"]) for name in _TIMES}
    return Reservation(
        **members,
        started_at=_time(item["started_at"]["S"]) if "started_at" in item else None,
        billed=int(item["billed"]["N"]) if "billed" in item else None,
    )


def _entry_item(e: Entry, version: int) -> Item:
    return _key(e.learner, f"entry#{_instant(e.at)}#{e.id}#{version}") | {
        "id": {"S": e.id},
        "kind": {"S": e.kind},
        "name": {"S": e.name},
        "instance": {"S": e.instance},
        "count": _n(e.count),
        "at": {"S": _instant(e.at)},
        "seconds": _n(e.seconds),
        "reserved": _n(e.reserved),
        "billed": _n(e.billed),
        "overrun": {"BOOL": e.overrun},
        "note": {"S": e.note},
    }


def _entry(learner: str, item: Item) -> Entry:
    members: dict[str, Any] = {n: item[n]["S"] for n in ("id", "kind", "name", "instance", "note")}
    members |= {n: int(item[n]["N"]) for n in ("count", "seconds", "reserved", "billed")}
    return Entry(
        learner=learner,
        at=_time(item["at"]["S"]),
        overrun=bool(item["overrun"]["BOOL"]),
        **members,
    )
