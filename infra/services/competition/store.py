"""The board's table: the only file of the competition that speaks to DynamoDB.

Items: `pk` is `project#<id>`; `sk` is `entry#<team>#<sha256>` (a submission, private score and what
the project records included), `day#<team>#<date>` (how many that day), `team#<team>` (the entry
that is shown, and what was shown before), or `board` (`generation` grows with every entry).
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.services.competition.board import HISTORY, TeamLine
from infra.services.competition.ladder import Ladder

ATTEMPTS = 12
Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Entry:
    """A submission that was scored. The private score leaves the table at the close.

    `job` is the team's training job that made it and `image` what that ran on, in full; empty where
    none is known. `shown_score` is the team's shown score once this entry was in, and `moved`
    whether it became that by this entry; of an entry from before, its own score.
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
    shown_score: float | None = None
    moved: bool = True

    @property
    def shown(self) -> float:
        return self.public_score if self.shown_score is None else self.shown_score


class Duplicate(Exception):
    """The same content of the same team is there already."""


class DayFull(Exception):
    """The team has used the day's submissions."""


class BoardTable:
    """Entries and what is shown of the teams, in one DynamoDB table."""

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

    def record(self, entry: Entry, limit: int, ladder: Ladder) -> Entry:
        """Write the entry, count it on its day and keep what is shown: all or nothing.

        `ladder` says whether the entry moves what is shown; the entry as it was written says it.

        Raises:
            Duplicate, DayFull: and then nothing was written.
        """
        for attempt in range(ATTEMPTS):
            before = self._team(entry.project, entry.team)
            written, line = _climb(entry, before, ladder)
            try:
                self._client.transact_write_items(
                    TransactItems=self._transaction(written, limit, before, line),
                    ClientRequestToken=uuid.uuid4().hex,
                )
                return written
            except ClientError as error:
                _raise_final(error)
            # Full jitter: at a deadline all teams meet at the one counter of the board.
            self._pause(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311
        raise RuntimeError(f"the board of {entry.project} is too busy")

    def _transaction(
        self, entry: Entry, limit: int, before: TeamLine | None, line: TeamLine
    ) -> list[dict[str, Any]]:
        name = {"TableName": self._table}
        day = f"day#{entry.team}#{entry.received.astimezone(dt.UTC).date()}"
        put: dict[str, Any] = {**name, "Item": _team_item(entry.project, line)}
        if before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "version = :before"
            put["ExpressionAttributeValues"] = {":before": {"N": str(before.version)}}
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
        """What is shown of each team. Sees every earlier entry."""
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


def _climb(entry: Entry, before: TeamLine | None, ladder: Ladder) -> tuple[Entry, TeamLine]:
    """The entry with what it did to the team's line, and the line after it."""
    submissions = (before.submissions if before else 0) + 1
    version = (before.version if before else 0) + 1
    new = TeamLine(
        team=entry.team,
        best=entry.public_score,
        best_at=entry.received,
        note=entry.note,
        submissions=submissions,
        version=version,
        job=entry.job,
        image=entry.image,
        digest=entry.digest,
        record=entry.record,
    )
    at = (entry.received, entry.public_score)
    if before is None:
        return _shown(entry, entry.public_score, moved=True), replace(new, moves=(at,))
    if ladder.moves(entry.public_score, entry.record, before.best, before.record):
        # Of a line from before moves were kept, the shown one is known.
        moves = before.moves or ((before.best_at, before.best),)
        line = replace(new, moves=(*moves, at)[-HISTORY:])
        return _shown(entry, entry.public_score, moved=True), line
    # Of two equal ones the earlier stands, whatever order they arrive in.
    if entry.public_score == before.best and entry.received < before.best_at:
        line = replace(new, moves=before.moves)
    else:
        line = replace(before, submissions=submissions, version=version)
    return _shown(entry, before.best, moved=False), line


def _shown(entry: Entry, score: float, *, moved: bool) -> Entry:
    return replace(entry, shown_score=score, moved=moved)


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
        **_binary(line.record),
        **_texts(job=line.job, image=line.image, digest=line.digest, moves=_moves_text(line.moves)),
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
        digest=_text(item, "digest"),
        record=_bytes(item),
        moves=tuple((_time(at), score) for at, score in json.loads(_text(item, "moves") or "[]")),
    )


def _moves_text(moves: Sequence[tuple[dt.datetime, float]]) -> str:
    """One text for all: an item is written whole with every entry."""
    if not moves:
        return ""
    return json.dumps([(_instant(at), score) for at, score in moves], separators=(",", ":"))


def _entry_item(entry: Entry) -> Item:
    return _key(entry.project, f"entry#{entry.team}#{entry.digest}") | {
        "key": {"S": entry.key},
        "received": {"S": _instant(entry.received)},
        "public_score": {"N": repr(entry.public_score)},
        "private_score": {"N": repr(entry.private_score)},
        "note": {"S": entry.note},
        "learner": {"S": entry.learner},
        "job": {"S": entry.job},
        **({} if entry.shown_score is None else {"shown_score": {"N": repr(entry.shown_score)}}),
        "moved": {"BOOL": entry.moved},
        **_binary(entry.record),
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
        record=_bytes(item),
        image=_text(item, "image"),
        shown_score=float(item["shown_score"]["N"]) if "shown_score" in item else None,
        moved=bool(item["moved"]["BOOL"]) if "moved" in item else True,
    )


def _binary(record: bytes) -> Item:
    return {"record": {"B": record}} if record else {}


def _bytes(item: Item) -> bytes:
    return bytes(item["record"]["B"]) if "record" in item else b""


def _texts(**members: str) -> Item:
    """Members that are left out where they are empty, as they are in items from before them."""
    return {name: {"S": value} for name, value in members.items() if value}


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"]) if name in item else ""
