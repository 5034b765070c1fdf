"""The record of what a run makes: a line is on the disk before the thing exists.

If the process dies between the line and the thing, or before it learns the thing's id, the line
still says by which name to look for it. `cohort probe --clean` reads the records of earlier runs.
A run holds a lock on its record, so that no other cleans up behind its back.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "made.jsonl"


@dataclass
class Entry:
    """One thing: `name` is what was known before it was made, `known` what its making told."""

    number: int
    kind: str
    group: str
    name: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)
    gone: bool = False

    @property
    def at(self) -> dict[str, str]:
        return {**self.name, **self.known}

    def __str__(self) -> str:
        return f"{self.kind} {self.name.get('name', '')}".strip()


class Busy(Exception):
    """Another process works on this record."""


class Ledger:
    """The record of one run, open for writing.

    Args:
        path: a file, made if it is not there.
        header: of a new record: run, account, region, source.

    Raises:
        Busy: if another process has it open.
    """

    def __init__(self, path: Path, header: Mapping[str, str] | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Busy(f"{path} belongs to a run that is still going") from None
        self.header: dict[str, str] = {}
        self.entries: list[Entry] = []
        self._file.seek(0)
        text = self._file.read()
        for line in _lines(text):
            self._take(line)
        # What follows a line within which a process died must not be glued to it.
        self._lead = "\n" if text and not text.endswith("\n") else ""
        if not self.header and header is not None:
            self._write({"record": dict(header)})

    def intend(self, kind: str, group: str, **name: str) -> Entry:
        """Write down that a thing is about to be made; returns its entry."""
        number = len(self.entries)
        self._write({"intend": number, "kind": kind, "group": group, "name": name})
        return self.entries[number]

    def learn(self, entry: Entry, **known: str) -> None:
        """Write down what the thing is called by AWS."""
        self._write({"known": entry.number, "as": known})

    def strike(self, entry: Entry) -> None:
        """Write down that the thing is gone."""
        self._write({"gone": entry.number})

    def standing(self, group: str | None = None) -> list[Entry]:
        """What may still be there, the youngest first: the order in which to remove it."""
        return [
            entry
            for entry in reversed(self.entries)
            if not entry.gone and group in (None, entry.group)
        ]

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(f"{self._lead}{json.dumps(line)}\n")
        self._lead = ""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "record" in line:
            self.header = line["record"]
        elif "intend" in line:
            self.entries.append(Entry(line["intend"], line["kind"], line["group"], line["name"]))
        elif "known" in line:
            self.entries[line["known"]].known |= line["as"]
        elif "gone" in line:
            self.entries[line["gone"]].gone = True


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue  # the process died within this line, before the thing was made
        if isinstance(found, dict):
            yield found


def records(folder: Path) -> list[Path]:
    """The records of all runs below `folder`, the oldest first."""
    return sorted(folder.glob(f"*/{FILE}"))
