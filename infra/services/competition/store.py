"""The board's table: the only file of the competition that speaks to DynamoDB.

Items: `pk` is `project#<id>`; `sk` is `entry#<team>#<sha256>` (a submission, private score and what
the project records included), `day#<team>#<date>` (how many that day), `team#<team>` (the best so
far), or `board` (`generation` grows with every entry).
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.services.competition.board import TeamLine, order
from infra.services.competition.projects.project import Better

ATTEMPTS = 12
Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Entry:
    """A submission that was scored. The private score leaves the table at the close.

    `job` is the team's training job that made it and `image` what that ran on, in full; empty where
    none is known.
    """

    project: str
    team: str
    digest: str
    key: str
    received: dt.datetime
    public_score: float
    private_score: float
    note: str
    learner: str
    job: str
    record: bytes = b""
    image: str = ""


class Duplicate(Exception):
    """The same content of the same team is there already."""


class DayFull(Exception):
    """The team has used the day's submissions."""


class BoardTable:
    """Entries and the teams' best, in one DynamoDB table."""

    def __init__(
        self, table: str, client: Any = None, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=10)
        self._client = client or boto3.client("dynamodb", config=config)
        self._table = table
        self._pause = pause

    def find(self, project: str, team: str, digest: str) -> Entry | None:
        item = self._get(project, f"entry#{team}#{digest}")
        return _entry(project, team, digest, item) if item else None

    def record(self, entry: Entry, limit: int, better: Better) -> None:
        """Write the entry, count it on its day and keep the team's best: all or nothing.

        `better` says which of two public scores is the best, the higher or the lower.

        Raises:
            Duplicate, DayFull: and then nothing was written.
        """
        for attempt in range(ATTEMPTS):
            line = self._team(entry.project, entry.team)
            try:
                self._client.transact_write_items(
                    TransactItems=self._transaction(entry, limit, line, better),
                    ClientRequestToken=uuid.uuid4().hex,
                )
                return
            except ClientError as error:
                _raise_final(error)
            # Full jitter: at a deadline all teams meet at the one counter of the board.
            self._pause(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311
        raise RuntimeError(f"the board of {entry.project} is too busy")

    def _transaction(
        self, entry: Entry, limit: int, line: TeamLine | None, better: Better
    ) -> list[dict[str, Any]]:
        name = {"TableName": self._table}
        day = f"day#{entry.team}#{entry.received.astimezone(dt.UTC).date()}"
        best = _best(entry, line, better)
        put: dict[str, Any] = {**name, "Item": _team_item(entry.project, best)}
        if line is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "version = :before"
            put["ExpressionAttributeValues"] = {":before": {"N": str(line.version)}}
        return [
            {
                "Put": {
                    **name,
                    "Item": _entry_item(entry),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    **name,
                    "Key": _key(entry.project, day),
                    "UpdateExpression": "ADD used :one",
                    "ConditionExpression": "attribute_not_exists(used) OR used < :limit",
                    "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
                }
            },
            {"Put": put},
            {
                "Update": {
                    **name,
                    "Key": _key(entry.project, "board"),
                    "UpdateExpression": "ADD generation :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
        ]

    def generation(self, project: str) -> int:
        """Grows with every entry: a page made from an earlier one is out of date."""
        item = self._get(project, "board")
        return int(item["generation"]["N"]) if item else 0

    def lines(self, project: str) -> list[TeamLine]:
        """Each team's best. Sees every earlier entry."""
        found: list[TeamLine] = []
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
                ExpressionAttributeValues={
                    ":pk": {"S": f"project#{project}"},
                    ":kind": {"S": "team#"},
                },
                ConsistentRead=True,
                **start,
            )
            found += [_team(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _team(self, project: str, team: str) -> TeamLine | None:
        item = self._get(project, f"team#{team}")
        return _team(item) if item else None

    def _get(self, project: str, sort: str) -> Item | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(project, sort), ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item


def _raise_final(error: ClientError) -> None:
    """Raise what trying again cannot change; return for what it can."""
    code = str(error.response["Error"]["Code"])
    if code in ("TransactionInProgressException", "ThrottlingException"):
        return
    if code != "TransactionCanceledException":
        raise error
    reasons = [str(r.get("Code", "None")) for r in error.response["CancellationReasons"]]
    failed = "ConditionalCheckFailed"
    if reasons[0] == failed:
        raise Duplicate from None
    if reasons[1] == failed:
        raise DayFull from None
    retried = (failed, "TransactionConflict", "ThrottlingError", "None")
    if any(reason not in retried for reason in reasons):
        raise error


def _best(entry: Entry, line: TeamLine | None, better: Better) -> TeamLine:
    submissions = (line.submissions if line else 0) + 1
    version = (line.version if line else 0) + 1
    # The same score again does not take the earlier one's place, whatever order they arrive in.
    new = TeamLine(
        team=entry.team,
        best=entry.public_score,
        best_at=entry.received,
        note=entry.note,
        submissions=submissions,
        version=version,
        job=entry.job,
        image=entry.image,
    )
    if line is None:
        return new
    known = replace(line, submissions=submissions, version=version)
    return min(known, new, key=lambda each: (order(each.best, better), each.best_at))


def _key(project: str, sort: str) -> Item:
    return {"pk": {"S": f"project#{project}"}, "sk": {"S": sort}}


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)


def _team_item(project: str, line: TeamLine) -> Item:
    return _key(project, f"team#{line.team}") | {
        "team": {"S": line.team},
        "best": {"N": repr(line.best)},
        "best_at": {"S": _instant(line.best_at)},
        "note": {"S": line.note},
        "submissions": {"N": str(line.submissions)},
        "version": {"N": str(line.version)},
        **_texts(job=line.job, image=line.image),
    }


def _team(item: Item) -> TeamLine:
    return TeamLine(
        team=item["team"]["S"],
        best=float(item["best"]["N"]),
        best_at=_time(item["best_at"]["S"]),
        note=item["note"]["S"],
        submissions=int(item["submissions"]["N"]),
        version=int(item["version"]["N"]),
        job=_text(item, "job"),
        image=_text(item, "image"),
    )


def _entry_item(entry: Entry) -> Item:
    return _key(entry.project, f"entry#{entry.team}#{entry.digest}") | {
        "key": {"S": entry.key},
        "received": {"S": _instant(entry.received)},
        "public_score": {"N": repr(entry.public_score)},
        "private_score": {"N": repr(entry.private_score)},
        "note": {"S": entry.note},
        "learner": {"S": entry.learner},
        "job": {"S": entry.job},
        **({"record": {"B": entry.record}} if entry.record else {}),
        **_texts(image=entry.image),
    }


def _entry(project: str, team: str, digest: str, item: Item) -> Entry:
    return Entry(
        project=project,
        team=team,
        digest=digest,
        key=item["key"]["S"],
        received=_time(item["received"]["S"]),
        public_score=float(item["public_score"]["N"]),
        private_score=float(item["private_score"]["N"]),
        note=item["note"]["S"],
        learner=item["learner"]["S"],
        job=item["job"]["S"],
        record=bytes(item["record"]["B"]) if "record" in item else b"",
        image=_text(item, "image"),
    )


def _texts(**members: str) -> Item:
    """Members that are left out where they are empty, as they are in items from before them."""
    return {name: {"S": value} for name, value in members.items() if value}


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"]) if name in item else ""
