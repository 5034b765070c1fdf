"""What the sweep keeps for itself and for people: where it stopped, when it last ran, what it has
told, and what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

NoticeKind = Literal["ends", "orphan"]


@dataclass(frozen=True)
class Notice:
    """Something that a person is told once.

    Attributes:
        learner: whom it concerns; empty if nobody is known.
        key: the same for the same fact, so that it is told once; sorts by time.
        sent: whether it went to the topic.
    """

    learner: str
    key: str
    kind: NoticeKind
    at: dt.datetime
    title: str
    text: str
    sent: bool = False


@dataclass(frozen=True)
class Cursor:
    """Where a sweep that ran out of time stopped: the next one goes on there.

    `began` is when the whole round began, `position` what its phase makes of it.
    """

    phase: str
    position: str
    began: dt.datetime


@dataclass(frozen=True)
class Heartbeat:
    """The latest sweep: when it ended, when one last went through everything, and its counts."""

    at: dt.datetime
    whole_at: dt.datetime | None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Disk:
    """The disk of a learner's space, in GB, as it was on a day."""

    learner: str
    gb: int
    at: dt.datetime


@dataclass(frozen=True)
class Objects:
    """What a team keeps in the bucket `work`: all bytes, how many versions, and the bytes of those
    versions that are no longer the latest."""

    team: str
    size: int
    versions: int
    old_size: int
    at: dt.datetime


class Journal(Protocol):
    """Where these are kept."""

    def cursor(self) -> Cursor | None: ...

    def keep(self, cursor: Cursor | None) -> None: ...

    def heartbeat(self) -> Heartbeat | None: ...

    def beat(self, heartbeat: Heartbeat) -> None: ...

    def note(self, notice: Notice) -> Notice:
        """Keep the notice if there is none of its key. Returns the one that is kept."""

    def sent(self, notice: Notice) -> None:
        """Note that it went to the topic."""

    def notices(self, learner: str, limit: int) -> list[Notice]:
        """The learner's latest notices, newest first."""

    def measured_on(self) -> dt.date | None:
        """The day of the last whole storage report."""

    def measured(self, day: dt.date) -> None: ...

    def put_disk(self, disk: Disk) -> None: ...

    def put_objects(self, objects: Objects) -> None: ...

    def disks(self) -> list[Disk]: ...

    def objects(self) -> list[Objects]: ...


class MemoryJournal:
    """A `Journal` of dictionaries, by the same contract as the table."""

    def __init__(self) -> None:
        self.place: Cursor | None = None
        self.pulse: Heartbeat | None = None
        self.told: dict[tuple[str, str], Notice] = {}
        self.day: dt.date | None = None
        self.by_learner: dict[str, Disk] = {}
        self.by_team: dict[str, Objects] = {}

    def cursor(self) -> Cursor | None:
        return self.place

    def keep(self, cursor: Cursor | None) -> None:
        self.place = cursor

    def heartbeat(self) -> Heartbeat | None:
        return self.pulse

    def beat(self, heartbeat: Heartbeat) -> None:
        self.pulse = heartbeat

    def note(self, notice: Notice) -> Notice:
        return self.told.setdefault((notice.learner, notice.key), notice)

    def sent(self, notice: Notice) -> None:
        self.told[notice.learner, notice.key] = replace(notice, sent=True)

    def notices(self, learner: str, limit: int) -> list[Notice]:
        mine = [notice for notice in self.told.values() if notice.learner == learner]
        return sorted(mine, key=lambda notice: notice.key, reverse=True)[:limit]

    def measured_on(self) -> dt.date | None:
        return self.day

    def measured(self, day: dt.date) -> None:
        self.day = day

    def put_disk(self, disk: Disk) -> None:
        self.by_learner[disk.learner] = disk

    def put_objects(self, objects: Objects) -> None:
        self.by_team[objects.team] = objects

    def disks(self) -> list[Disk]:
        return sorted(self.by_learner.values(), key=lambda disk: disk.learner)

    def objects(self) -> list[Objects]:
        return sorted(self.by_team.values(), key=lambda objects: objects.team)
