"""The board's table: with `live.store` the only file of the competition that speaks to DynamoDB.

Items: `pk` is `project#<id>`; `sk` is one of

    entry#<team>#<sha256>    a submission that was scored, private score and record included
    key#<key>                the sha256 of the entry that came as this object
    day#<date>#<team>        how many entries the team has of that day
    team#<team>              the entry that is shown, and what was shown before
    mark#<team>              the latest entry of a reserved team
    selection#<team>         the entries that a team wants to be judged by
    board                    `generation`, which grows with all that a board shows; `published`,
                             the one that its pages show; `turn`, whose it is to write them
    state, act#<instant>#<id>    what admins decided, and each thing that they did
    held#<key>, tried#<key>  submissions that wait for a freeze's end; hand-overs of lost ones
    told, news#<key>, news-day#<date>    what was told of the board, and how often a day
    public#<instant>         that the last public board before this close is kept
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.cohort.naming import MARK_TEAMS
from infra.services.competition.board import HISTORY
from infra.services.competition.entry import Entry as Entry
from infra.services.competition.entry import TeamLine
from infra.services.competition.final import Selection
from infra.services.competition.ladder import Ladder
from infra.services.competition.state import Act, State

ATTEMPTS = 12
Item = dict[str, dict[str, Any]]
Write = dict[str, Any]

_FAILED = "ConditionalCheckFailed"


class Duplicate(Exception):
    """The same content of the same team is there already."""


class DayFull(Exception):
    """The team has used the day's submissions."""


class Changed(Exception):
    """Somebody else changed it meanwhile. Nothing was written: read it again, and decide again."""


@dataclass(frozen=True)
class Held:
    """A submission that came while the competition was frozen; `version` is of its object."""

    key: str
    version: str | None
    received: dt.datetime


@dataclass(frozen=True)
class _Team:
    """What a team's item says; `line` is None where nothing of the team can be shown."""

    line: TeamLine | None = None
    submissions: int = 0
    version: int = 0


class BoardTable:
    """All that is kept of the competitions, in one DynamoDB table."""

    def __init__(
        self, table: str, client: Any = None, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, read_timeout=10)
        self._client = client or boto3.client("dynamodb", config=config)
        self._table = table
        self._pause = pause

    # --- entries ----------------------------------------------------------------------------------
    def find(self, project: str, team: str, digest: str) -> Entry | None:
        item = self._get(project, f"entry#{team}#{digest}")
        return _entry(project, item) if item else None

    def record(
        self, entry: Entry, limit: int, ladder: Ladder, *, instead: Entry | None = None
    ) -> Entry:
        """Write the entry, count it on its day and keep what is shown: all or nothing.

        `ladder` says whether the entry moves what is shown; the entry as it was written says it.
        A late one is counted on its day and leaves the team's line as it is.

        Args:
            instead: the late entry of the same content, where this one came in time and is scored
                after it. It takes the other's place, and the other's day gets its count back.

        Raises:
            Duplicate, DayFull: and then nothing was written.
        """
        written = _shown(entry, entry.public_score, moved=True)
        # Within one day the count stays as it is.
        counts = instead is None or _day(entry) != _day(instead)

        def writes() -> list[Write]:
            nonlocal written
            line: list[Write] = []
            if not entry.late:
                before = self._team(entry.project, entry.team)
                written, shown = _climb(entry, before.line, ladder)
                submissions = before.submissions + 1
                line = [self._put_team(entry.project, entry.team, before, shown, submissions)]
            return [
                self._new_entry(written, instead),
                *([self._used(entry, limit)] if counts else []),
                *([self._given_back(instead)] if counts and instead else []),
                *line,
                self._pointer(entry),
                self._grown(entry.project),
            ]

        def judge(failed: Sequence[bool]) -> None:
            if failed[0]:
                raise Duplicate
            if counts and failed[1]:
                raise DayFull

        self._write(entry.project, writes, judge)
        return written

    def entries(
        self, project: str, team: str | None = None, *, records: bool = True
    ) -> list[Entry]:
        """Every entry, or the team's, late ones included; marks are none.

        Without `records` these are left out: with thousands of entries they are most of it.
        """
        kind = "entry#" if team is None else f"entry#{team}#"
        return [_entry(project, item) for item in self._items(project, kind, records=records)]

    def entry_of_key(self, project: str, team: str, key: str) -> Entry | None:
        """The entry, or the mark, that came as the object `key`."""
        if team in MARK_TEAMS:
            mark = self.marks(project).get(team)
            return mark if mark and mark.key == key else None
        item = self._get(project, f"key#{key}")
        found = self.find(project, team, item["digest"]["S"]) if item else None
        return found if found and found.key == key else None

    def used(self, project: str, day: dt.date) -> dict[str, int]:
        """How many entries each team has of that day (UTC); teams without one are left out."""
        return {
            item["sk"]["S"].rpartition("#")[2]: int(item["used"]["N"])
            for item in self._items(project, f"day#{day.isoformat()}#")
        }

    def rescore(
        self,
        entry: Entry,
        public: float,
        private: float,
        record: bytes,
        also: Mapping[str, float],
        *,
        rescored: str,
        fault: str = "",
    ) -> Entry:
        """Overwrite what the entry, or the mark, scored; whose and what it is stays.

        With `fault` it counts no more, whatever its scores are. Team lines follow by `rebuild`.
        A mark that another took the place of meanwhile is left alone.

        Raises:
            LookupError: if there is no such entry.
        """
        mark = entry.team in MARK_TEAMS
        new = replace(
            entry,
            public_score=public,
            private_score=private,
            record=record,
            also=also,
            rescored=rescored,
            fault=fault,
            # Of others `rebuild` says it.
            shown_score=public if mark or entry.late else entry.shown_score,
        )
        members = {
            name: value
            for name, value in _entry_members(new).items()
            if name
            in (
                "public_score",
                "private_score",
                "record",
                "also",
                "rescored",
                "fault",
                "shown_score",
            )
        }
        gone = [name for name in ("record", "also", "fault") if name not in members]
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in members)
        if gone:
            change += " REMOVE " + ", ".join(f"#{name}" for name in gone)
        sort = f"mark#{entry.team}" if mark else f"entry#{entry.team}#{entry.digest}"
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(entry.project, sort),
                UpdateExpression=change,
                ConditionExpression="digest = :digest" if mark else "attribute_exists(pk)",
                ExpressionAttributeNames={f"#{name}": name for name in (*members, *gone)},
                ExpressionAttributeValues={
                    **({":digest": {"S": entry.digest}} if mark else {}),
                    **{f":{name}": value for name, value in members.items()},
                },
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            if not mark:
                raise LookupError(f"there is no entry {entry.team}/{entry.digest[:12]}") from None
        return new

    def rebuild(self, project: str, ladder: Ladder) -> None:
        """Find anew what is shown of each team: as if its entries came one after the other.

        Late, disqualified and faulty entries do not count. If it breaks off, call it again.
        """
        out = self.state(project).out
        for item in list(self._items(project, "team#")):
            self._rebuild(project, item["sk"]["S"].partition("#")[2], ladder, out)
        self._write(project, lambda: [self._grown(project)], _nothing)

    def _rebuild(self, project: str, team: str, ladder: Ladder, out: Collection[str]) -> None:
        replayed: list[tuple[Entry, Entry]] = []

        def writes() -> list[Write]:
            # The line first: an entry that comes after it makes the write fail.
            before = self._team(project, team)
            entries = sorted(self.entries(project, team), key=lambda e: (e.received, e.key))
            in_time = [entry for entry in entries if not entry.late]
            line: TeamLine | None = None
            replayed.clear()
            for entry in in_time:
                if not entry.fault and f"{team}/{entry.digest}" not in out:
                    again, line = _climb(entry, line, ladder)
                    replayed.append((entry, again))
            return [
                self._put_team(project, team, before, line, len(in_time)),
                self._grown(project),
            ]

        self._write(project, writes, _nothing)
        for entry, again in replayed:
            if (entry.shown_score, entry.moved) != (again.shown_score, again.moved):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(project, f"entry#{team}#{entry.digest}"),
                    UpdateExpression="SET shown_score = :score, moved = :moved",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeValues={
                        ":score": {"N": repr(again.shown)},
                        ":moved": {"BOOL": again.moved},
                    },
                )

    # --- the board --------------------------------------------------------------------------------
    def generation(self, project: str) -> int:
        """Grows with all that a board shows: a page made from an earlier one is out of date."""
        return self._board(project, "generation")

    def published(self, project: str) -> int:
        """The generation that the pages show, at least."""
        return self._board(project, "published")

    def _board(self, project: str, count: str) -> int:
        item = self._get(project, "board") or {}
        return int(item[count]["N"]) if count in item else 0

    def take_turn(self, project: str, now: dt.datetime, seconds: float) -> str | None:
        """The turn to write the project's pages, for so long at most; None while another has it."""
        turn = uuid.uuid4().hex
        return (
            turn
            if self._update(
                project,
                "board",
                "SET turn = :turn, turn_ends = :ends",
                "attribute_not_exists(turn) OR turn_ends <= :now",
                {
                    ":turn": {"S": turn},
                    ":ends": {"S": _instant(now + dt.timedelta(seconds=seconds))},
                    ":now": {"S": _instant(now)},
                },
            )
            else None
        )

    def end_turn(self, project: str, turn: str, generation: int | None) -> bool:
        """Give the turn back, and note the generation that was written, if one was.

        False if the turn was over already: another may have written meanwhile, or be about to."""
        wrote = "" if generation is None else "SET published = :generation "
        values = {":turn": {"S": turn}}
        if generation is not None:
            values[":generation"] = {"N": str(generation)}
        return self._update(
            project, "board", f"{wrote}REMOVE turn, turn_ends", "turn = :turn", values
        )

    def lines(self, project: str) -> list[TeamLine]:
        """What is shown of each team. Sees every earlier entry."""
        found = (_team(item).line for item in self._items(project, "team#"))
        return [line for line in found if line is not None]

    def kept(self, project: str, closes: dt.datetime) -> bool:
        """Whether the last public board before that close is kept."""
        return self._get(project, f"public#{_instant(closes)}") is not None

    def keep(self, project: str, closes: dt.datetime) -> None:
        """Note that it is."""
        self._put(_key(project, f"public#{_instant(closes)}"))

    # --- marks and selections ---------------------------------------------------------------------
    def record_mark(self, entry: Entry) -> Entry:
        """Keep the entry as its reserved team's mark, unless a later one is there; the one that
        holds. A mark has no daily limit."""
        if entry.team not in MARK_TEAMS:
            raise ValueError(f"{entry.team} is no reserved team")
        entry = _shown(entry, entry.public_score, moved=True)
        item = {
            **_key(entry.project, f"mark#{entry.team}"),
            **_entry_members(entry),
            "place": {"S": f"{_instant(entry.received)} {entry.digest}"},
        }
        if self._put_latest(entry.project, item):
            return entry
        return self.marks(entry.project)[entry.team]

    def marks(self, project: str) -> dict[str, Entry]:
        """The mark of each reserved team that has one."""
        found = (_entry(project, item) for item in self._items(project, "mark#"))
        return {entry.team: entry for entry in found}

    def select(self, project: str, team: str, selection: Selection) -> Selection:
        """Keep the team's selection, unless a later one is there; the one that holds."""
        entries = json.dumps(list(selection.entries))
        item = {
            **_key(project, f"selection#{team}"),
            "entries": {"S": entries},
            "received": {"S": _instant(selection.received)},
            "learner": {"S": selection.learner},
            "place": {"S": f"{_instant(selection.received)} {entries}"},
        }
        return selection if self._put_latest(project, item) else self.selections(project)[team]

    def selections(self, project: str) -> dict[str, Selection]:
        """By team."""
        return {
            item["sk"]["S"].partition("#")[2]: Selection(
                entries=tuple(json.loads(item["entries"]["S"])),
                received=_time(item["received"]["S"]),
                learner=item["learner"]["S"],
            )
            for item in self._items(project, "selection#")
        }

    def _put_latest(self, project: str, item: Item) -> bool:
        """Write what is later than what is there; of the same instant always the same one holds."""
        put = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk) OR place <= :place",
            "ExpressionAttributeValues": {":place": item["place"]},
        }
        try:
            self._write(project, lambda: [{"Put": put}, self._grown(project)], _raise_changed)
        except Changed:
            return False
        return True

    # --- what admins do ---------------------------------------------------------------------------
    def state(self, project: str) -> State:
        item = self._get(project, "state")
        return State.from_json(item["state"]["S"], int(item["version"]["N"])) if item else State()

    def act(self, project: str, before: State, after: State, act: Act) -> None:
        """Write the act and what it leads to, both or neither. An act that changes no state is
        written whatever the state is by now.

        Raises:
            Changed: if the state is no longer `before`.
        """
        name = {"TableName": self._table}
        writes: list[Write] = []
        if after != before:
            item = {
                **_key(project, "state"),
                "state": {"S": after.to_json()},
                "version": {"N": str(after.version)},
            }
            writes.append({"Put": {**name, "Item": item, **_still(before.version)}})
        writes += [self._act(project, act), self._grown(project)]
        self._write(project, lambda: writes, _raise_changed)

    def _act(self, project: str, act: Act) -> Write:
        item = {
            **_key(project, f"act#{_instant(act.at)}#{act.id}"),
            "id": {"S": act.id},
            "at": {"S": _instant(act.at)},
            "what": {"S": act.what},
            "who": {"S": act.who},
            "why": {"S": act.why},
            "before": {"S": act.before},
            "after": {"S": act.after},
        }
        return {"Put": {"TableName": self._table, "Item": item}}

    def acts(self, project: str, limit: int = 50) -> list[Act]:
        """The newest acts, newest first."""
        found: list[Act] = []
        for item in self._items(project, "act#", newest_first=True):
            if len(found) == limit:
                break
            texts = {name: item[name]["S"] for name in ("id", "what", "who", "why")}
            states = {name: item[name]["S"] for name in ("before", "after")}
            found.append(Act(at=_time(item["at"]["S"]), **texts, **states))
        return found

    # --- submissions that wait, and lost ones -----------------------------------------------------
    def hold(self, project: str, key: str, version: str | None, received: dt.datetime) -> None:
        """Keep in mind a submission that waits for a freeze's end."""
        self._put(
            _key(project, f"held#{key}")
            | {"key": {"S": key}, "received": {"S": _instant(received)}}
            | _texts(version=version or "")
        )

    def held(self, project: str) -> list[Held]:
        """What waits, in the order in which it came."""
        found = [
            Held(item["key"]["S"], _text(item, "version") or None, _time(item["received"]["S"]))
            for item in self._items(project, "held#")
        ]
        return sorted(found, key=lambda held: (held.received, held.key))

    def release(self, project: str, key: str) -> None:
        """It waits no more."""
        self._client.delete_item(TableName=self._table, Key=_key(project, f"held#{key}"))

    def tried(self, project: str, key: str) -> int:
        """Count a hand-over of a lost submission: how many that makes."""
        answer = self._client.update_item(
            TableName=self._table,
            Key=_key(project, f"tried#{key}"),
            UpdateExpression="ADD times :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["times"]["N"])

    def asked(self, project: str, team: str, what: str, day: dt.date) -> int:
        """Count what a team asks for on a day: how often that makes."""
        return self.tried(project, f"{day.isoformat()}#{team}#{what}")

    # --- news -------------------------------------------------------------------------------------
    def told(self, project: str) -> tuple[dict[str, Any], int]:
        """What was told of the board, and its version; ({}, 0) at first."""
        item = self._get(project, "told")
        if item is None:
            return {}, 0
        document: dict[str, Any] = json.loads(item["document"]["S"])
        return document, int(item["version"]["N"])

    def tell(self, project: str, document: Mapping[str, Any], before: int) -> bool:
        """Keep what is told now; False if it is no longer version `before`."""
        item = _key(project, "told") | {
            "document": {"S": json.dumps(document, separators=(",", ":"))},
            "version": {"N": str(before + 1)},
        }
        return self._put(item, **_still(before))

    def claim_news(self, project: str, key: str, day: dt.date, limit: int) -> bool:
        """Whether the caller may tell `key`: once for ever, and as one of `limit` on that day."""
        if limit < 1:
            return False
        name = {"TableName": self._table}
        writes: list[Write] = [
            {
                "Put": {
                    **name,
                    "Item": _key(project, f"news#{key}") | {"day": {"S": day.isoformat()}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    **name,
                    "Key": _key(project, f"news-day#{day.isoformat()}"),
                    **_one_more("sent", limit),
                }
            },
        ]

        try:
            self._write(project, lambda: writes, _raise_changed)
        except Changed:
            return False
        return True

    # --- writing ----------------------------------------------------------------------------------
    def _write(
        self,
        project: str,
        writes: Callable[[], list[Write]],
        judge: Callable[[Sequence[bool]], None],
    ) -> None:
        """All of `writes` or none. They are asked for anew after a conflict, until `judge` raises:
        it is told of which of them the condition failed."""
        for attempt in range(ATTEMPTS):
            asked = writes()
            try:
                self._client.transact_write_items(
                    TransactItems=asked, ClientRequestToken=uuid.uuid4().hex
                )
                return
            except ClientError as error:
                failed = _conditions(error, len(asked))
            judge(failed)
            # Full jitter: at a deadline all teams meet at the one counter of the board.
            self._pause(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311
        raise RuntimeError(f"the board of {project} is too busy")

    def _new_entry(self, entry: Entry, instead: Entry | None) -> Write:
        item = _key(entry.project, f"entry#{entry.team}#{entry.digest}") | _entry_members(entry)
        put: Write = {"TableName": self._table, "Item": item}
        if instead is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "#key = :key AND late = :late"
            put["ExpressionAttributeNames"] = {"#key": "key"}
            put["ExpressionAttributeValues"] = {
                ":key": {"S": instead.key},
                ":late": {"BOOL": True},
            }
        return {"Put": put}

    def _used(self, entry: Entry, limit: int) -> Write:
        key = _key(entry.project, f"day#{_day(entry)}#{entry.team}")
        return {"Update": {"TableName": self._table, "Key": key, **_one_more("used", limit)}}

    def _given_back(self, entry: Entry) -> Write:
        return {
            "Update": {
                "TableName": self._table,
                "Key": _key(entry.project, f"day#{_day(entry)}#{entry.team}"),
                "UpdateExpression": "ADD used :less",
                "ExpressionAttributeValues": {":less": {"N": "-1"}},
            }
        }

    def _pointer(self, entry: Entry) -> Write:
        item = _key(entry.project, f"key#{entry.key}") | {"digest": {"S": entry.digest}}
        return {"Put": {"TableName": self._table, "Item": item}}

    def _put_team(
        self, project: str, team: str, before: _Team, line: TeamLine | None, submissions: int
    ) -> Write:
        # Never removed: its version must not begin anew.
        item = {
            **_key(project, f"team#{team}"),
            "submissions": {"N": str(submissions)},
            "version": {"N": str(before.version + 1)},
            **({} if line is None else _line_members(line)),
        }
        return {"Put": {"TableName": self._table, "Item": item, **_still(before.version)}}

    def _grown(self, project: str) -> Write:
        return {
            "Update": {
                "TableName": self._table,
                "Key": _key(project, "board"),
                "UpdateExpression": "ADD generation :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }

    def _update(
        self, project: str, sort: str, expression: str, condition: str, values: Item
    ) -> bool:
        """Whether the condition held, and so the update was made."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(project, sort),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if _condition_failed(error):
                return False
            raise
        return True

    def _put(self, item: Item, **condition: Any) -> bool:
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if _condition_failed(error):
                return False
            raise
        return True

    # --- reading ----------------------------------------------------------------------------------
    def _team(self, project: str, team: str) -> _Team:
        item = self._get(project, f"team#{team}")
        return _team(item) if item else _Team()

    def _get(self, project: str, sort: str) -> Item | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(project, sort), ConsistentRead=True
        )
        item: Item | None = answer.get("Item")
        return item

    def _items(
        self, project: str, kind: str, *, records: bool = True, newest_first: bool = False
    ) -> Iterator[Item]:
        names = {f"#{number}": name for number, name in enumerate(_LIGHT)}
        what: dict[str, Any] = {}
        if not records:
            what = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        start: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
                ExpressionAttributeValues={
                    ":pk": {"S": f"project#{project}"},
                    ":kind": {"S": kind},
                },
                ConsistentRead=True,
                ScanIndexForward=not newest_first,
                **what,
                **start,
            )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _nothing(failed: Sequence[bool]) -> None:
    """No condition's failure is final."""


def _raise_changed(failed: Sequence[bool]) -> None:
    if any(failed):
        raise Changed


def _conditions(error: ClientError, count: int) -> list[bool]:
    """Of which of the transaction's writes the condition failed.

    Raises:
        ClientError: `error`, where neither that nor trying again explains it.
    """
    code = str(error.response["Error"]["Code"])
    if code in ("TransactionInProgressException", "ThrottlingException"):
        return [False] * count
    if code != "TransactionCanceledException":
        raise error
    reasons = [str(r.get("Code", "None")) for r in error.response["CancellationReasons"]]
    retried = (_FAILED, "TransactionConflict", "ThrottlingError", "None")
    if any(reason not in retried for reason in reasons):
        raise error
    return [reason == _FAILED for reason in reasons]


def _condition_failed(error: ClientError) -> bool:
    return str(error.response["Error"]["Code"]) == "ConditionalCheckFailedException"


def _still(version: int) -> dict[str, Any]:
    """The condition that what is there has this version; 0 where nothing is."""
    if version == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "version = :before",
        "ExpressionAttributeValues": {":before": {"N": str(version)}},
    }


def _one_more(counter: str, limit: int) -> dict[str, Any]:
    return {
        "UpdateExpression": f"ADD {counter} :one",
        "ConditionExpression": f"attribute_not_exists({counter}) OR {counter} < :limit",
        "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
    }


def _climb(entry: Entry, before: TeamLine | None, ladder: Ladder) -> tuple[Entry, TeamLine]:
    """The entry with what it did to the team's line, and the line after it."""
    new = TeamLine(
        team=entry.team,
        best=entry.public_score,
        best_at=entry.received,
        note=entry.note,
        submissions=0,
        version=0,
        job=entry.job,
        image=entry.image,
        digest=entry.digest,
        record=entry.record,
        also=entry.also,
        instance=entry.instance,
        instances=entry.instances,
        cost=entry.cost,
        gpu_hours=entry.gpu_hours,
    )
    at = (entry.received, entry.public_score)
    if before is None:
        return _shown(entry, entry.public_score, moved=True), replace(new, moves=(at,))
    if ladder.moves(entry.public_score, entry.record, before.best, before.record):
        # Of a line from before moves were kept, the shown one is known.
        moves = before.moves or ((before.best_at, before.best),)
        line = replace(new, moves=(*moves, at)[-HISTORY:])
        return _shown(entry, entry.public_score, moved=True), line
    line = before
    # Of two equal ones the earlier stands, whatever order they arrive in.
    if entry.public_score == before.best and entry.received < before.best_at:
        # What a score that moved nothing is not told of, it is not told of here.
        line = replace(new, moves=before.moves, also=before.also)
    return _shown(entry, before.best, moved=False), line


def _shown(entry: Entry, score: float, *, moved: bool) -> Entry:
    return replace(entry, shown_score=score, moved=moved)


def _day(entry: Entry) -> str:
    """The day that an entry is counted on, UTC."""
    return entry.received.astimezone(dt.UTC).date().isoformat()


def _key(project: str, sort: str) -> Item:
    return {"pk": {"S": f"project#{project}"}, "sk": {"S": sort}}


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)


def _line_members(line: TeamLine) -> Item:
    return {
        "team": {"S": line.team},
        "best": {"N": repr(line.best)},
        "best_at": {"S": _instant(line.best_at)},
        "note": {"S": line.note},
        **_binary(line.record),
        **_texts(job=line.job, image=line.image, digest=line.digest, moves=_moves_text(line.moves)),
        **_texts(instance=line.instance, also=_also_text(line.also)),
        **_numbers(instances=line.instances or None, cost=line.cost, gpu_hours=line.gpu_hours),
    }


def _team(item: Item) -> _Team:
    submissions, version = int(item["submissions"]["N"]), int(item["version"]["N"])
    if "best" not in item:
        return _Team(None, submissions, version)
    line = TeamLine(
        team=item["team"]["S"],
        best=float(item["best"]["N"]),
        best_at=_time(item["best_at"]["S"]),
        note=item["note"]["S"],
        submissions=submissions,
        version=version,
        job=_text(item, "job"),
        image=_text(item, "image"),
        digest=_text(item, "digest"),
        record=_bytes(item),
        moves=tuple((_time(at), score) for at, score in json.loads(_text(item, "moves") or "[]")),
        also=json.loads(_text(item, "also") or "{}"),
        instance=_text(item, "instance"),
        instances=int(_number(item, "instances") or 0),
        cost=_whole(item, "cost"),
        gpu_hours=_number(item, "gpu_hours"),
    )
    return _Team(line, submissions, version)


def _moves_text(moves: Sequence[tuple[dt.datetime, float]]) -> str:
    """One text for all: an item is written whole with every entry."""
    if not moves:
        return ""
    return json.dumps([(_instant(at), score) for at, score in moves], separators=(",", ":"))


def _also_text(also: Mapping[str, float]) -> str:
    return json.dumps(dict(also), separators=(",", ":")) if also else ""


def _entry_members(entry: Entry) -> Item:
    return {
        "team": {"S": entry.team},
        "digest": {"S": entry.digest},
        "key": {"S": entry.key},
        "received": {"S": _instant(entry.received)},
        "public_score": {"N": repr(entry.public_score)},
        "private_score": {"N": repr(entry.private_score)},
        "note": {"S": entry.note},
        "learner": {"S": entry.learner},
        "job": {"S": entry.job},
        "moved": {"BOOL": entry.moved},
        "late": {"BOOL": entry.late},
        **_binary(entry.record),
        **_texts(image=entry.image, version_id=entry.version_id, instance=entry.instance),
        **_texts(also=_also_text(entry.also), rescored=entry.rescored, fault=entry.fault),
        **_numbers(
            shown_score=entry.shown_score,
            instances=entry.instances or None,
            seconds=entry.seconds or None,
            cost=entry.cost,
            gpu_hours=entry.gpu_hours,
        ),
    }


#: What an entry's item has beside its record.
_LIGHT = (
    *("sk", "key", "received", "public_score", "private_score", "note", "learner", "job", "moved"),
    *("late", "image", "version_id", "instance", "also", "rescored", "fault", "shown_score"),
    *("instances", "seconds", "cost", "gpu_hours", "team", "digest"),
)


def _entry(project: str, item: Item) -> Entry:
    # Items from before say team and digest in their sort key alone.
    kind, team, *digest = item["sk"]["S"].split("#")
    return Entry(
        project=project,
        team=team,
        digest=digest[0] if kind == "entry" else item["digest"]["S"],
        key=item["key"]["S"],
        received=_time(item["received"]["S"]),
        public_score=float(item["public_score"]["N"]),
        private_score=float(item["private_score"]["N"]),
        note=item["note"]["S"],
        learner=item["learner"]["S"],
        job=item["job"]["S"],
        record=_bytes(item),
        image=_text(item, "image"),
        shown_score=_number(item, "shown_score"),
        moved=bool(item["moved"]["BOOL"]) if "moved" in item else True,
        late=bool(item["late"]["BOOL"]) if "late" in item else False,
        version_id=_text(item, "version_id"),
        also=json.loads(_text(item, "also") or "{}"),
        instance=_text(item, "instance"),
        instances=_whole(item, "instances") or 0,
        seconds=_whole(item, "seconds") or 0,
        cost=_whole(item, "cost"),
        gpu_hours=_number(item, "gpu_hours"),
        rescored=_text(item, "rescored"),
        fault=_text(item, "fault"),
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


def _numbers(**members: float | None) -> Item:
    return {name: {"N": repr(value)} for name, value in members.items() if value is not None}


def _number(item: Item, name: str) -> float | None:
    return float(item[name]["N"]) if name in item else None


def _whole(item: Item, name: str) -> int | None:
    return int(item[name]["N"]) if name in item else None
