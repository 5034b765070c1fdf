"""The ledger's table: the only file of the guard that speaks to DynamoDB.

Items: `pk` is `learner#<id>`; `sk` is `account`, `reservation#<id>`, or
`entry#<instant>#<token>#<version>`, `act#<instant>#<id>`, `notice#<key>` or `turn`. What the sweep
keeps for itself lies under `pk` = `sweep` and `storage`.
An open reservation also carries `open` = "open", the partition key of the sparse index `open` that
the sweep reads.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.services.guard import turns
from infra.services.guard.journal import Cursor, Disk, Heartbeat, Notice, Objects
from infra.services.guard.ledger import (
    Account,
    Act,
    Change,
    Changed,
    Entry,
    Frozen,
    Insufficient,
    Reservation,
    Standing,
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
            if account.cap == cap or account.individual:
                return account
            self._move_cap(account, cap)
        raise RuntimeError(f"the cap of {learner} keeps changing under us")

    def seen(self, learner: str) -> Account | None:
        """The learner's account as it stands; None if there has never been a reason for one."""
        item = self._get(learner, "account")
        return _account(learner, item) if item else None

    def entries_since(self, learner: str, since: dt.datetime) -> list[Entry]:
        """The learner's entries settled at `since` or later, oldest first."""
        found = self._query(
            KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :end",
            ExpressionAttributeValues={
                ":pk": {"S": f"learner#{learner}"},
                ":since": {"S": f"entry#{_instant(since)}"},
                ":end": {"S": "entry#~"},
            },
            ConsistentRead=True,
        )
        return [_entry(learner, item) for item in found]

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
                ConditionExpression="cap = :old AND "
                "(attribute_not_exists(individual) OR individual = :no)",
                ExpressionAttributeValues={
                    ":no": {"BOOL": False},
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
        reasons = _reasons(error)
        if reasons and reasons[0] == "ConditionalCheckFailed":
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
        return _collided(error)

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
        return [_entry(learner, item) for item in self._latest(learner, "entry#", limit)]

    def record(self, act: Act) -> Account:
        values = {
            ":cap": _n(act.after.cap),
            ":more": _n(act.after.cap - act.before.cap),
            ":individual": {"BOOL": act.after.individual},
            ":frozen": {"BOOL": act.after.frozen},
            ":before": _n(act.before.cap),
            ":was_individual": {"BOOL": act.before.individual},
            ":was_frozen": {"BOOL": act.before.frozen},
        }
        individual = "individual = :was_individual"
        if not act.before.individual:
            # An account that was made before there were caps of one's own does not say.
            individual = f"(attribute_not_exists(individual) OR {individual})"
        update = {
            "TableName": self._table,
            "Key": _key(act.learner, "account"),
            "UpdateExpression": "SET cap = :cap, available = available + :more, "
            "individual = :individual, frozen = :frozen",
            "ConditionExpression": f"cap = :before AND frozen = :was_frozen AND {individual}",
            "ExpressionAttributeValues": values,
        }
        put = {"TableName": self._table, "Item": _act_item(act)}
        for attempt in range(ATTEMPTS):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"Update": update}, {"Put": put}], ClientRequestToken=act.id
                )
                return self.account(act.learner, act.after.cap)
            except ClientError as error:
                if not _collided(error):
                    raise
            self._pause(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
        raise RuntimeError(f"the ledger is too busy for {act.learner}")

    def acts(self, learner: str, limit: int) -> list[Act]:
        return [_act(item) for item in self._latest(learner, "act#", limit)]

    def _get(self, learner: str, sort: str) -> Item | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(learner, sort), ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item

    def _latest(self, learner: str, kind: str, limit: int) -> list[Item]:
        """The learner's items whose sort key begins with `kind`, newest first."""
        found = self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
            ExpressionAttributeValues={":pk": {"S": f"learner#{learner}"}, ":kind": {"S": kind}},
            ScanIndexForward=False,
            Limit=limit,
            ConsistentRead=True,
        )
        return list(itertools.islice(found, limit))

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


def _reasons(error: ClientError) -> list[str]:
    """Why each part of a transaction failed; empty if that is not what happened."""
    if _code(error) != "TransactionCanceledException":
        return []
    return [str(reason.get("Code", "None")) for reason in error.response["CancellationReasons"]]


def _collided(error: ClientError) -> bool:
    """Whether a transaction failed because of others at the same time: it may be repeated.

    Raises:
        Changed: if it failed because what it was made from has moved on.
    """
    if _code(error) in ("TransactionInProgressException", "ThrottlingException"):
        return True
    reasons = _reasons(error)
    if "ConditionalCheckFailed" in reasons:
        raise Changed from None
    return any(reason in ("TransactionConflict", "ThrottlingError") for reason in reasons)


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
        individual=bool(item.get("individual", {}).get("BOOL", False)),
    )


def _standing(s: Standing) -> dict[str, Any]:
    return {
        "M": {
            "cap": _n(s.cap),
            "individual": {"BOOL": s.individual},
            "frozen": {"BOOL": s.frozen},
        }
    }


def _read_standing(value: dict[str, Any]) -> Standing:
    members = value["M"]
    return Standing(
        cap=int(members["cap"]["N"]),
        individual=bool(members["individual"]["BOOL"]),
        frozen=bool(members["frozen"]["BOOL"]),
    )


def _act_item(act: Act) -> Item:
    return _key(act.learner, f"act#{_instant(act.at)}#{act.id}") | {
        "id": {"S": act.id},
        "learner": {"S": act.learner},
        "at": {"S": _instant(act.at)},
        "what": {"S": act.what},
        "who": {"S": act.who},
        "why": {"S": act.why},
        "before": _standing(act.before),
        "after": _standing(act.after),
    }


def _act(item: Item) -> Act:
    members = {name: str(item[name]["S"]) for name in ("learner", "id", "what", "who", "why")}
    return Act(
        **members,
        at=_time(item["at"]["S"]),
        before=_read_standing(item["before"]),
        after=_read_standing(item["after"]),
    )


_TEXTS = ("learner", "id", "kind", "token", "request", "name", "domain", "team", "instance", "note")
_NUMBERS = ("count", "price", "seconds", "amount", "version")
_TIMES = ("created_at", "ends_at", "lease_until")
#: Absent from reservations that were made before these were counted.
_LATER = ("disk_gb", "disk_price", "upload_seconds")
#: Absent where it is empty, and from reservations that were made before there were images.
_IMAGE = ("project", "image")


def _reservation_item(r: Reservation) -> Item:
    item = _key(r.learner, f"reservation#{r.id}") | {"status": {"S": r.status}}
    item |= {name: {"S": getattr(r, name)} for name in _TEXTS}
    item |= {name: _n(getattr(r, name)) for name in _NUMBERS}
    item |= {name: {"S": _instant(getattr(r, name))} for name in _TIMES}
    item |= {name: _n(getattr(r, name)) for name in _LATER}
    item["outlived"] = {"BOOL": r.outlived}
    item |= {name: {"S": getattr(r, name)} for name in _IMAGE if getattr(r, name)}
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
    members |= {name: int(item[name]["N"]) for name in _LATER if name in item}
    members |= {name: item[name]["S"] for name in _IMAGE if name in item}
    return Reservation(
        **members,
        started_at=_time(item["started_at"]["S"]) if "started_at" in item else None,
        billed=int(item["billed"]["N"]) if "billed" in item else None,
        outlived=bool(item.get("outlived", {}).get("BOOL", False)),
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
        **({"began_at": {"S": _instant(e.began_at)}} if e.began_at else {}),
        **({"image": {"S": e.image}} if e.image else {}),
    }


def _entry(learner: str, item: Item) -> Entry:
    members: dict[str, Any] = {n: item[n]["S"] for n in ("id", "kind", "name", "instance", "note")}
    members |= {n: int(item[n]["N"]) for n in ("count", "seconds", "reserved", "billed")}
    return Entry(
        learner=learner,
        at=_time(item["at"]["S"]),
        overrun=bool(item["overrun"]["BOOL"]),
        began_at=_time(item["began_at"]["S"]) if "began_at" in item else None,
        image=item["image"]["S"] if "image" in item else "",
        **members,
    )


class TableTurns:
    """`Turns` in the ledger's table: one item a learner, one conditional write a request."""

    def __init__(self, table: str, client: Any = None) -> None:
        # A flood must fail fast: no retries that hold the function.
        config = Config(retries={"mode": "standard", "total_max_attempts": 2}, read_timeout=5)
        self._client = client or boto3.client("dynamodb", config=config)
        self._table = table

    def take(self, learner: str, now: dt.datetime) -> dt.timedelta:
        step, at = _milliseconds(turns.INTERVAL), _milliseconds(now - EPOCH)
        # After a pause, which is the rule, one write; within a burst a second one.
        before = self._move(
            learner,
            "SET arrival = :next",
            "attribute_not_exists(arrival) OR arrival <= :now",
            {":next": _n(at + step), ":now": _n(at)},
        )
        if before is None:
            return dt.timedelta(0)
        latest = at + (turns.BURST - 1) * step
        before = self._move(
            learner,
            "SET arrival = arrival + :step",
            "arrival <= :latest",
            {":step": _n(step), ":latest": _n(latest)},
        )
        return dt.timedelta(milliseconds=max(1, before - latest) if before is not None else 0)

    def _move(
        self, learner: str, update: str, condition: str, values: dict[str, Any]
    ) -> int | None:
        """Returns None if it was written; else the arrival that stood against it."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(learner, "turn"),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            item = error.response.get("Item", {})
            return int(item["arrival"]["N"]) if "arrival" in item else 0
        return None


class TableJournal:
    """A `Journal` in the ledger's table."""

    def __init__(self, table: str, client: Any = None) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=10)
        self._client = client or boto3.client("dynamodb", config=config)
        self._table = table

    def _get(self, pk: str, sk: str) -> Item | None:
        answer = self._client.get_item(
            TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item

    def _put(self, pk: str, sk: str, members: Item, **condition: Any) -> None:
        item = {"pk": {"S": pk}, "sk": {"S": sk}, **members}
        self._client.put_item(TableName=self._table, Item=item, **condition)

    def _all(self, pk: str, sk: str, **how: Any) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": pk}, ":sk": {"S": sk}},
                ConsistentRead=True,
                **how,
                **start,
            )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def cursor(self) -> Cursor | None:
        item = self._get("sweep", "cursor")
        if item is None or not item["phase"]["S"]:
            return None
        return Cursor(item["phase"]["S"], item["position"]["S"], _time(item["began"]["S"]))

    def keep(self, cursor: Cursor | None) -> None:
        # An empty phase, rather than no item: the sweep needs no right to delete from the ledger.
        kept = cursor or Cursor("", "", EPOCH)
        self._put(
            "sweep",
            "cursor",
            {
                "phase": {"S": kept.phase},
                "position": {"S": kept.position},
                "began": {"S": _instant(kept.began)},
            },
        )

    def heartbeat(self) -> Heartbeat | None:
        item = self._get("sweep", "heartbeat")
        if item is None:
            return None
        return Heartbeat(
            at=_time(item["at"]["S"]),
            whole_at=_time(item["whole_at"]["S"]) if "whole_at" in item else None,
            counts={name: int(value["N"]) for name, value in item["counts"]["M"].items()},
        )

    def beat(self, heartbeat: Heartbeat) -> None:
        whole = heartbeat.whole_at
        self._put(
            "sweep",
            "heartbeat",
            {
                "at": {"S": _instant(heartbeat.at)},
                "counts": {"M": {name: _n(value) for name, value in heartbeat.counts.items()}},
                **({"whole_at": {"S": _instant(whole)}} if whole else {}),
            },
        )

    def note(self, notice: Notice) -> Notice:
        pk, sk = _notice_key(notice)
        try:
            self._put(pk, sk, _notice_item(notice), ConditionExpression="attribute_not_exists(pk)")
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            item = self._get(pk, sk)
            return _notice(item) if item else notice
        return notice

    def sent(self, notice: Notice) -> None:
        pk, sk = _notice_key(notice)
        self._put(pk, sk, _notice_item(replace(notice, sent=True)))

    def notices(self, learner: str, limit: int) -> list[Notice]:
        pk = f"learner#{learner}" if learner else "sweep"
        found = self._all(pk, "notice#", ScanIndexForward=False, Limit=limit)
        return [_notice(item) for item in itertools.islice(found, limit)]

    def measured_on(self) -> dt.date | None:
        item = self._get("storage", "day")
        return dt.date.fromisoformat(item["day"]["S"]) if item else None

    def measured(self, day: dt.date) -> None:
        self._put("storage", "day", {"day": {"S": day.isoformat()}})

    def put_disk(self, disk: Disk) -> None:
        self._put(
            "storage",
            f"learner#{disk.learner}",
            {
                "learner": {"S": disk.learner},
                "gb": _n(disk.gb),
                "at": {"S": _instant(disk.at)},
            },
        )

    def put_objects(self, objects: Objects) -> None:
        numbers = {name: _n(getattr(objects, name)) for name in ("size", "versions", "old_size")}
        self._put(
            "storage",
            f"team#{objects.team}",
            {"team": {"S": objects.team}, "at": {"S": _instant(objects.at)}, **numbers},
        )

    def disks(self) -> list[Disk]:
        return [
            Disk(item["learner"]["S"], int(item["gb"]["N"]), _time(item["at"]["S"]))
            for item in self._all("storage", "learner#")
        ]

    def objects(self) -> list[Objects]:
        return [
            Objects(
                team=item["team"]["S"],
                size=int(item["size"]["N"]),
                versions=int(item["versions"]["N"]),
                old_size=int(item["old_size"]["N"]),
                at=_time(item["at"]["S"]),
            )
            for item in self._all("storage", "team#")
        ]


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NOTICE_TEXTS = ("learner", "key", "kind", "title", "text")


def _milliseconds(span: dt.timedelta) -> int:
    return span // dt.timedelta(milliseconds=1)


def _notice_key(notice: Notice) -> tuple[str, str]:
    return (f"learner#{notice.learner}" if notice.learner else "sweep"), f"notice#{notice.key}"


def _notice_item(notice: Notice) -> Item:
    item: Item = {name: {"S": getattr(notice, name)} for name in _NOTICE_TEXTS}
    return item | {"at": {"S": _instant(notice.at)}, "sent": {"BOOL": notice.sent}}


def _notice(item: Item) -> Notice:
    members: dict[str, Any] = {name: item[name]["S"] for name in _NOTICE_TEXTS}
    return Notice(**members, at=_time(item["at"]["S"]), sent=bool(item["sent"]["BOOL"]))
