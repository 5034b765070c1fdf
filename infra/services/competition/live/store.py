"""The live rounds in the board's table: with `competition.store` all that speaks to DynamoDB.

Items: `pk` is `project#<id>.live`, which no project is called; `sk` is one of

    now                             the id of the project's round, and how many there were
    round#<id>                      a round: its two files, packed, and its version
    seal#<id>#<team>#<name>         a sealed forecast: hash, salt, months, when it came
    body#<id>#<hash>                its content, packed
    day#<date>#<team>               how many forecasts the team has sealed that day
    again#<date>#<team>             how often it has sent one again, which is none of the day's
    observed#<id>#<series>#<month>  a month's value, and what it was before it was corrected
    board                           as of the practice board

Acts are kept with the project's others, under `project#<id>`.
"""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infra.services.competition.live import months
from infra.services.competition.live.observing import Observation, Observed
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import Seal
from infra.services.competition.problems import Misconfigured
from infra.services.competition.publishing import live_board
from infra.services.competition.state import Act
from infra.services.competition.store import BoardTable, Changed, DayFull, Item, Write

#: DynamoDB's items hold 400 KB.
MAX_PACKED = 350_000


class LiveTable(BoardTable):
    """The board's table, and what it keeps of live rounds."""

    @classmethod
    def of(cls, table: BoardTable) -> LiveTable:
        """The same table."""
        return cls(table._table, table._client, pause=table._pause)

    # --- rounds -----------------------------------------------------------------------------------
    def round(self, project: str) -> Round | None:
        """The project's latest round, stopped or not; None if it never had one."""
        now = self._get(live_board(project), "now")
        return None if now is None else self._round(project, now["round"]["S"])

    def _round(self, project: str, name: str) -> Round:
        item = self._get(live_board(project), f"round#{name}")
        if item is None:
            raise Misconfigured(f"the table has no live round {name} of {project}")
        return _unpacked(item)

    def start(self, given: Round, before: Round | None, act: Act) -> None:
        """Write the round, as the one after `before`.

        Raises:
            Changed: if there is a round of that name, or `before` is no longer the latest.
        """
        name = live_board(given.project)
        there: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if before is not None:
            there = {
                "ConditionExpression": "#round = :before",
                "ExpressionAttributeNames": {"#round": "round"},
                "ExpressionAttributeValues": {":before": {"S": before.id}},
            }
        self._all(
            given.project,
            [
                self._write_item(name, f"round#{given.id}", _packed(given), new=True),
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": self._item(name, "now", {"round": {"S": given.id}}),
                        **there,
                    }
                },
            ],
            act,
        )

    def stop(self, given: Round, act: Act) -> None:
        """Write the round that was stopped.

        Raises:
            Changed: if it was stopped by somebody else meanwhile.
        """
        put = self._write_item(live_board(given.project), f"round#{given.id}", _packed(given))
        put["Put"] |= {
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(stopped)"
        }
        self._all(given.project, [put], act)

    # --- sealed forecasts -------------------------------------------------------------------------
    def seal(self, given: Round, seal: Seal, body: bytes, limit: int) -> Seal:
        """Keep the forecast, and count it on its day; the seal that is there if it came before.

        One that is the same again is counted for itself.

        Raises:
            DayFull: if the team has sealed `limit` of its kind on that day.
        """
        name = live_board(given.project)
        sort = f"seal#{given.id}#{seal.team}#{seal.name}"
        kind = "again" if seal.again else "day"
        day = seal.received.astimezone(dt.UTC).date().isoformat()
        writes: list[Write] = [
            self._write_item(name, sort, _seal_members(seal), new=True),
            self._write_item(name, f"body#{given.id}#{seal.hash}", {"body": {"B": _pack(body)}}),
            {
                "Update": {
                    "TableName": self._table,
                    "Key": self._item(name, f"{kind}#{day}#{seal.team}", {}),
                    "UpdateExpression": "ADD used :one",
                    "ConditionExpression": "attribute_not_exists(used) OR used < :limit",
                    "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": str(limit)}},
                }
            },
            self._grown(name),
        ]

        def judge(failed: Sequence[bool]) -> None:
            if failed[0]:
                raise Changed
            if failed[2]:
                raise DayFull

        try:
            self._write(name, lambda: writes, judge)
        except Changed:
            item = self._get(name, sort)
            if item is None:
                raise
            return _seal(item)
        return seal

    def sealed(self, given: Round, team: str, name: str) -> Seal | None:
        """The seal of the file `name`, if it has one."""
        item = self._get(live_board(given.project), f"seal#{given.id}#{team}#{name}")
        return None if item is None else _seal(item)

    def seals(self, given: Round, team: str | None = None) -> list[Seal]:
        """Every seal of the round, or the team's."""
        kind = f"seal#{given.id}#" + ("" if team is None else f"{team}#")
        return [_seal(item) for item in self._items(live_board(given.project), kind)]

    def body(self, given: Round, seal: Seal) -> bytes:
        """The canonical forecast that `seal` seals."""
        item = self._get(live_board(given.project), f"body#{given.id}#{seal.hash}")
        if item is None:
            raise Misconfigured(f"the table has no forecast of the seal {seal.hash}")
        return zlib.decompress(bytes(item["body"]["B"]))

    def live_used(self, project: str, day: dt.date) -> dict[str, int]:
        """How many forecasts each team has sealed on that day (UTC)."""
        return self.used(live_board(project), day)

    def note_revealed(self, given: Round, seal: Seal) -> Seal:
        """Note that everybody can read the forecast."""
        self._update(
            live_board(given.project),
            f"seal#{given.id}#{seal.team}#{seal.name}",
            "SET revealed = :yes",
            "attribute_exists(pk)",
            {":yes": {"BOOL": True}},
        )
        return replace(seal, revealed=True)

    # --- observations -----------------------------------------------------------------------------
    def observed(self, given: Round) -> Observed:
        """By series and month."""
        found = (
            Observation.from_document(json.loads(item["document"]["S"]))
            for item in self._items(live_board(given.project), f"observed#{given.id}#")
        )
        return {each.point: each for each in found}

    def observe(self, given: Round, made: Observation, act: Act) -> None:
        """Keep the observation in the place of the one that it corrects.

        Raises:
            Changed: if another is there by now.
        """
        item = self._item(
            live_board(given.project),
            f"observed#{given.id}#{made.series}#{months.name(made.month)}",
            {
                "document": {"S": json.dumps(made.to_document(), separators=(",", ":"))},
                "version": {"N": str(made.version)},
            },
        )
        put: Write = {"TableName": self._table, "Item": item}
        if made.version == 1:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "version = :before"
            put["ExpressionAttributeValues"] = {":before": {"N": str(made.version - 1)}}
        self._all(given.project, [{"Put": put}], act)

    # --- writing ----------------------------------------------------------------------------------
    def _all(self, project: str, writes: Sequence[Write], act: Act) -> None:
        """`writes` and the act that they are of, all or none."""

        def judge(failed: Sequence[bool]) -> None:
            if any(failed):
                raise Changed

        whole = [*writes, self._act(project, act), self._grown(live_board(project))]
        self._write(project, lambda: whole, judge)

    def _write_item(self, name: str, sort: str, members: Item, *, new: bool = False) -> Write:
        put: Write = {"TableName": self._table, "Item": self._item(name, sort, members)}
        if new:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        return {"Put": put}

    @staticmethod
    def _item(name: str, sort: str, members: Item) -> Item:
        return {"pk": {"S": f"project#{name}"}, "sk": {"S": sort}, **members}


def _packed(given: Round) -> Item:
    packed = _pack(json.dumps([json.dumps(given.task()), given.history()]).encode())
    members: Item = {"files": {"B": packed}}
    if given.stopped is not None:
        members["stopped"] = {"S": given.stopped.astimezone(dt.UTC).isoformat()}
    return members


def _unpacked(item: Item) -> Round:
    task, history = json.loads(zlib.decompress(bytes(item["files"]["B"])))
    return Round.read(task, history)


def _pack(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    if len(packed) > MAX_PACKED:
        raise ValueError(
            f"{len(packed):,} bytes when packed; the table holds {MAX_PACKED:,}. Begin with fewer "
            "series, or a shorter history."
        )
    return packed


def _seal_members(seal: Seal) -> Item:
    texts = {
        "team": seal.team,
        "name": seal.name,
        "received": seal.received.astimezone(dt.UTC).isoformat(),
        "first": months.name(seal.first),
        "last": months.name(seal.last),
        "hash": seal.hash,
        "salt": seal.salt,
        "digest": seal.digest,
    }
    made: dict[str, Any] = {name: {"S": text} for name, text in texts.items()}
    return {**made, "revealed": {"BOOL": seal.revealed}, "again": {"BOOL": seal.again}}


def _seal(item: Item) -> Seal:
    texts = {name: str(item[name]["S"]) for name in ("team", "name", "hash", "salt", "digest")}
    return Seal(
        **texts,
        received=dt.datetime.fromisoformat(item["received"]["S"]),
        first=months.index(item["first"]["S"]),
        last=months.index(item["last"]["S"]),
        revealed=bool(item["revealed"]["BOOL"]),
        # Seals from before have none.
        again="again" in item and bool(item["again"]["BOOL"]),
    )
