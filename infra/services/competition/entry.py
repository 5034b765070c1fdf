"""What the table keeps of a submission that was scored, and of a team."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """A submission that was scored. The private score leaves the table at the close.

    `digest` is that of its content, `key` and `version_id` where the file is that it came in.
    `job` is the team's training job that made it and `image` what that ran on, in full; empty where
    none is known. `instances` machines of the type `instance` trained for `seconds` that were
    billed; `cost` is in micro-dollars. What is not known is None, or empty.

    `shown_score` is the team's shown score once this entry was in, and `moved` whether it became
    that by this entry; of an entry from before, its own score. `late` entries came after the close.
    `rescored` names the re-scoring that its scores are from; `fault` says why that refused it: such
    an entry counts no more.
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
    late: bool = False
    version_id: str = ""
    also: Mapping[str, float] = field(default_factory=dict)
    instance: str = ""
    instances: int = 0
    seconds: int = 0
    cost: int | None = None
    gpu_hours: float | None = None
    rescored: str = ""
    fault: str = ""

    @property
    def shown(self) -> float:
        return self.public_score if self.shown_score is None else self.shown_score


@dataclass(frozen=True)
class TeamLine:
    """A team's shown entry in a project: its public score, where it comes from and, in `record`,
    what the score rests on.

    `version` grows with every change; `moves` are the shown scores so far, with their time.
    """

    team: str
    best: float
    best_at: dt.datetime
    note: str
    submissions: int
    version: int
    job: str = ""
    image: str = ""
    digest: str = ""
    record: bytes = b""
    moves: tuple[tuple[dt.datetime, float], ...] = ()
    also: Mapping[str, float] = field(default_factory=dict)
    instance: str = ""
    instances: int = 0
    cost: int | None = None
    gpu_hours: float | None = None
