"""Teams as they may be, for tests of the door's pages: a lively cohort over fakes, and hostile work
in every place that a learner writes to."""

from __future__ import annotations

import base64
import datetime as dt
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.cohort.naming import Names
from infra.cohort.prices import PriceList
from infra.services.competition.settings import CompetitionSettings
from infra.services.door.context import (
    Listed,
    PageContext,
    People,
    Person,
    Stored,
    TrainingJob,
    Unavailable,
)
from infra.services.guard.ledger import SPACE, Account, Entry, Reservation
from infra.services.guard.memory import MemoryLedger
from infra.services.guard.settings import Settings, settings_document
from tests.browser import boards

NOW = dt.datetime(2026, 12, 19, 9, 30, tzinfo=dt.UTC)
COHORT = "earth"
NAMES = Names(COHORT)
TEAMS = {
    "falcon": ("ana", "ben"),
    "owl": ("cy", "di"),
    "kestrel": ("eva", "finn"),
    "plover": ("gus",),
    "wren": ("hal", "ivy"),
}
CAP = 150_000_000


def settings_text() -> str:
    return settings_document(
        cohort=COHORT,
        region="us-east-1",
        starts=dt.date(2026, 12, 1),
        ends=dt.date(2027, 3, 31),
        cap_micro_usd=CAP,
        studio_instances=["ml.t3.medium", "ml.g4dn.xlarge"],
        studio_max_hours=8,
        training_instances=["ml.m5.large", "ml.g5.xlarge"],
        training_max_hours=4,
        training_max_instances=1,
        projects=["land-cover", "climate-series"],
        data_bucket="data",
        work_bucket="work",
        schedule_group="stops",
        stopper_role_arn="arn:aws:iam::123456789012:role/stopper",
        submissions_per_day=5,
        closes=dt.date(2027, 3, 15),
        advisors=["shelley"],
        advisor_cap_micro_usd=CAP,
    )


def token(number: int) -> str:
    return f"{number:02x}" * 8


def job_name(team: str, learner: str, number: int) -> str:
    return NAMES.job(team, learner, token(number))


@dataclass
class FakeCloud:
    """AWS in dictionaries. `down` names what does not answer."""

    sites: dict[str, bytes] = field(default_factory=dict)
    works: dict[str, tuple[bytes, dt.datetime]] = field(default_factory=dict)
    jobs: dict[str, TrainingJob] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    asked: list[tuple[str, str]] = field(default_factory=list)

    def _asked(self, what: str, name: str) -> None:
        self.asked.append((what, name))
        if what in self.down:
            raise Unavailable(f"{what} {name}")

    def site(self, key: str, limit: int = 1_000_000) -> Stored | None:
        self._asked("site", key)
        found = self.sites.get(key)
        return None if found is None else Stored(found[:limit], NOW, len(found) <= limit)

    def work(self, key: str, limit: int = 1_000_000) -> Stored | None:
        self._asked("work", key)
        if key not in self.works:
            return None
        content, modified = self.works[key]
        return Stored(content[:limit], modified, len(content) <= limit)

    def listing(self, prefix: str, limit: int = 200) -> list[Listed]:
        self._asked("listing", prefix)
        keys = sorted(key for key in self.works if key.startswith(prefix))[:limit]
        return [Listed(key, len(self.works[key][0]), self.works[key][1]) for key in keys]

    def job(self, name: str) -> TrainingJob | None:
        self._asked("job", name)
        return self.jobs.get(name)

    def log_tail(self, job: str, lines: int = 100) -> list[str]:
        self._asked("log_tail", job)
        return self.logs.get(job, [])[-lines:]

    def put_note(self, key: str, content: bytes) -> None:
        self._asked("put_note", key)
        assert key.startswith("notes/")
        self.works[key] = (content, NOW)


class FakeLedger(MemoryLedger):
    """With what the door asks beside."""

    def seen(self, learner: str) -> Account | None:
        return self.accounts.get(learner)

    def entries_since(self, learner: str, since: dt.datetime) -> list[Entry]:
        mine = [line for line in self.lines if line.learner == learner and line.at >= since]
        return sorted(mine, key=lambda line: (line.at, line.id))


@dataclass
class World:
    """A cohort, what it has done, and whoever looks at it."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    people: People = field(default_factory=lambda: People(TEAMS, frozenset({"shelley"})))
    now: dt.datetime = NOW

    def context(self, person: str, query: Mapping[str, str] | None = None) -> PageContext:
        found = self.people.person(person)
        assert found is not None
        return context(found, self, query or {})

    # --- what people do -------------------------------------------------------------------------
    def account(self, learner: str, spent: float, held: float = 0, **changes: Any) -> None:
        spent_, held_ = int(spent * 1e6), int(held * 1e6)
        self.ledger.accounts[learner] = Account(
            learner, CAP, spent_, held_, CAP - spent_ - held_, **changes
        )

    def opened(self, learner: str, team: str, hours: float, instance: str) -> None:
        self._hold(learner, SPACE, "space", NAMES.workspace(learner), team, instance, hours)

    def starts(self, learner: str, team: str, number: int, doing: str = "Training") -> str:
        name = job_name(team, learner, number)
        self._hold(learner, token(number), "job", name, team, "ml.g5.xlarge", 3.0)
        self.cloud.jobs[name] = TrainingJob(
            name,
            "InProgress",
            doing,
            NOW - dt.timedelta(hours=1),
            NOW - dt.timedelta(minutes=47) if doing == "Training" else None,
            instance="ml.g5.xlarge",
        )
        return name

    def _hold(
        self,
        learner: str,
        id: str,
        kind: Any,
        name: str,
        team: str,
        instance: str,
        hours: float,
    ) -> None:
        began = NOW - dt.timedelta(hours=1)
        self.ledger.reservations[learner, id] = Reservation(
            learner=learner,
            id=id,
            kind=kind,
            token=id,
            request="",
            name=name,
            domain="d-1",
            team=team,
            instance=instance,
            count=1,
            price=1_408_000,
            seconds=4 * 3600,
            amount=5_632_000,
            created_at=began,
            ends_at=NOW + dt.timedelta(hours=hours),
            lease_until=began,
            started_at=began,
        )

    def ran(
        self,
        learner: str,
        team: str,
        number: int,
        ago: dt.timedelta,
        *,
        note: str = "",
        usd: float = 1.27,
        began: bool = True,
        kind: Any = "job",
    ) -> str:
        name = job_name(team, learner, number)
        self.ledger.lines.append(
            Entry(
                learner=learner,
                id=token(number),
                kind=kind,
                name=name if kind == "job" else NAMES.workspace(learner),
                instance="ml.g5.xlarge" if kind == "job" else "ml.t3.medium",
                count=1,
                at=NOW - ago,
                seconds=3_240 if began else 0,
                reserved=6_000_000,
                billed=int(usd * 1e6),
                overrun=False,
                note=note,
                began_at=NOW - ago - dt.timedelta(seconds=3_300) if began else None,
            )
        )
        return name

    def sends(
        self,
        team: str,
        project: str,
        name: str,
        at: dt.datetime,
        receipt: Mapping[str, Any] | bytes | None,
    ) -> None:
        self.cloud.works[f"submissions/{project}/{team}/{name}"] = (b"npz", at)
        if receipt is not None:
            content = receipt if isinstance(receipt, bytes) else json.dumps(receipt).encode()
            key = f"receipts/{project}/{team}/{name}.json"
            self.cloud.works[key] = (content, at + dt.timedelta(seconds=40))

    def shares(self, team: str, name: str, content: bytes, at: dt.datetime = NOW) -> None:
        self.cloud.works[f"teams/{team}/shared/{name}"] = (content, at)


def context(person: Person, world: World, query: Mapping[str, str]) -> PageContext:
    def ask(request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(f"no page of these asks the broker: {request}")

    text = settings_text()
    return PageContext(
        person=person,
        now=world.now,
        settings=Settings.from_json(text),
        competition=CompetitionSettings.from_json(text),
        names=NAMES,
        people=world.people,
        prices=PriceList.snapshot(),
        ledger=world.ledger,
        cloud=world.cloud,
        ask=ask,
        csrf="c3JmLXRva2Vu",
        query=query,
    )


# --- a lively cohort ------------------------------------------------------------------------------
TRACE = """Traceback (most recent call last):
  File "/opt/ml/input/data/code/train.py", line 212, in <module>
    main()
  File "/opt/ml/input/data/code/train.py", line 188, in main
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.25 GiB. GPU 0 has a total capacity \
of 21.99 GiB of which 512.00 MiB is free."""


def lively() -> World:
    """Five teams: one at work, one with a failed job, one quiet, one that never began."""
    world = World()
    cloud = world.cloud
    cloud.sites["boards/land-cover.json"] = json.dumps(boards.lively()).encode()
    cloud.sites["boards/climate-series.json"] = json.dumps(boards.forecast()).encode()
    hour, day = dt.timedelta(hours=1), dt.timedelta(days=1)
    world.account("ana", 41.2, 6.1)
    world.account("ben", 12.0, 5.7)
    world.account("cy", 3.4)
    world.account("di", 149.2, frozen=True)
    world.account("eva", 88.1)
    world.account("hal", 0.8)
    world.opened("ana", "falcon", 2.5, "ml.g4dn.xlarge")
    world.starts("ana", "falcon", 17)
    world.starts("ben", "falcon", 18, "Downloading")
    world.ran("ana", "falcon", 16, 3 * hour, note=TRACE, usd=0.31)
    world.ran("ben", "falcon", 15, 26 * hour, note="the job never started", usd=0, began=False)
    world.ran("ben", "falcon", 14, 2 * day)
    world.ran("ana", "falcon", 13, 3 * day, usd=0.004)
    world.ran("cy", "owl", 21, 12 * day, kind="space")
    world.ran("di", "owl", 22, 13 * day)
    world.ran("eva", "kestrel", 23, 5 * hour)
    world.ran("hal", "wren", 24, 2 * day, note="ClientError: no space left on device")
    name = job_name("falcon", "ana", 17)
    cloud.logs[name] = [
        "epoch  1/40  loss 1.913  macro F1 0.211  (31 s)",
        *(
            f"epoch {n:2}/40  loss {1.9 / n**0.4:.3f}  macro F1 {0.2 + 0.01 * n:.3f}  (30 s)"
            for n in range(2, 28)
        ),
        "\r".join(f"{p} %|{'#' * (p // 10)}" for p in range(0, 101, 10)),
    ]
    at = NOW - 3 * hour
    world.sends("falcon", "land-cover", "20261219T063000Z-aaaaaaaaaaaa.npz", at, None)
    world.sends(
        "falcon",
        "land-cover",
        "20261218T153000Z-bbbbbbbbbbbb.npz",
        NOW - 18 * hour,
        {
            "status": "scored",
            "message": "Scored 0.561 on the public part (macro F1, 1 is best; higher is better).",
            "public_score": 0.561,
            "received": "2026-12-18T15:30:00Z",
            "counted": True,
            "entry": "b1946ac92492",
            "left_today": 3,
            "also": {"accuracy": 0.771},
            "classes": {"closed forest": 0.83, "wetland": 0.21},
            "job": job_name("falcon", "ben", 14),
            "image": "academy-land-cover-gpu@0f1e2d3c4b5a",
        },
    )
    world.sends(
        "falcon",
        "land-cover",
        "20261218T120000Z-cccccccccccc.npz",
        NOW - 21 * hour,
        {
            "status": "refused",
            "message": "The file has 11 tiles; the task asks for 12: test-07 is missing.",
            "received": "2026-12-18T12:00:00Z",
        },
    )
    world.sends(
        "falcon",
        "land-cover",
        "20261217T120000Z-dddddddddddd.selection.json",
        NOW - 45 * hour,
        {
            "status": "noted",
            "message": "Entry b1946ac92492 counts at the close, and with it the best other one. "
            "A later selection replaces this one.",
            "received": "2026-12-17T12:00:00Z",
        },
    )
    world.shares("falcon", "01-first-map.ipynb", notebook(), NOW - 4 * hour)
    world.shares("falcon", "train.py", b"import academy\n\nprint('hello')\n", NOW - 2 * day)
    world.shares("falcon", "model.pt", b"\x80\x04pickle", NOW - 3 * day)
    world.cloud.works["notes/falcon/20261216T101500Z-0123456789ab.json"] = (
        json.dumps(
            {
                "schema_version": 1,
                "author": "shelley",
                "at": "2026-12-16T10:15:00+00:00",
                "text": "The borders between crops and grass are where you lose most.\n\nLook at "
                "the confusion matrix of fold 2 before you train again.",
            }
        ).encode(),
        NOW - 3 * day,
    )
    return world


def png(width: int = 320, height: int = 180) -> bytes:
    """A small picture: a gradient."""
    rows = b"".join(
        b"\0"
        + bytes(
            (x * 255 // width, y * 255 // height, 120)[c] for x in range(width) for c in range(3)
        )
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def notebook() -> bytes:
    """A notebook as a learner leaves one."""
    table = """       class     f1  support
0    forest  0.831    41233
1     shrub  0.402     9120
2     crops  0.655    22871
3   wetland  0.214     1022"""

    def output(**data: Any) -> dict[str, Any]:
        named = {name.replace("_", "/"): value for name, value in data.items()}
        return {"output_type": "display_data", "data": named, "metadata": {}}

    def code(number: int, source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "cell_type": "code",
            "execution_count": number,
            "source": source.splitlines(keepends=True),
            "outputs": list(outputs),
            "metadata": {},
        }

    def words(source: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "source": source, "metadata": {}}

    cells = [
        words(
            "# A first map\n\nWe train a *small* U-Net on **one** scene, as in [the paper]"
            "(https://arxiv.org/abs/1505.04597). What we know so far:\n\n- `gamma0_db` is noisy\n"
            "- wetland is rare\n  - 1.4 % of the pixels\n  - all of them in two tiles\n\n"
            "| model | macro F1 |\n|---|---|\n| forest | 0.451 |\n| U-Net | **0.561** |"
        ),
        code(
            1,
            "import academy\n\nacademy.connect()\ndata = academy.dataset('land-cover')",
            {
                "output_type": "stream",
                "name": "stdout",
                "text": ["falcon, ana · land-cover · 12 scenes\n"],
            },
        ),
        words(
            "## What the classes are\n\n> Most of the land is forest. A model that says *forest*"
            " everywhere is 61 % right.\n\nThe loss is $-\\sum_k w_k \\log p_k$ with weights:"
            "\n\n```python\nweights = 1 / np.sqrt(counts)\n```"
        ),
        code(
            2,
            "report(model, data.validation)",
            output(text_plain=table, text_html="<table><tr><td>never shown</td></tr></table>"),
        ),
        code(
            3,
            "figure, axes = plt.subplots(1, 2)\naxes[0].imshow(predicted)",
            output(
                image_png=base64.b64encode(png()).decode(),
                text_plain="<Figure size 640x480 with 2 Axes>",
            ),
        ),
        code(
            4,
            "model.fit(data.train, epochs=400)",
            {
                "output_type": "error",
                "ename": "OutOfMemoryError",
                "evalue": "CUDA out of memory.",
                "traceback": [f"\x1b[0;31m{line}\x1b[0m" for line in TRACE.split("\n")],
            },
        ),
        code(5, "display(HTML('<b>hello</b>'))", output(text_html="<b>hello</b>")),
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    return json.dumps(document).encode()


# --- hostile work ---------------------------------------------------------------------------------
def hostile() -> World:
    """The lively cohort, where every place that a learner writes to holds something hostile."""
    from tests.academy import hostile as tricks

    world = lively()
    text = " ".join(boards.HOSTILE) + "\n" + "\n".join(tricks.MARKUP)
    world.cloud.sites["boards/land-cover.json"] = json.dumps(boards.hostile()).encode()
    world.shares("falcon", "evil.ipynb", tricks.notebook())
    for place, each in enumerate((*boards.HOSTILE, *tricks.MARKUP)):
        world.shares("falcon", each, each.encode())
        world.sends(
            "falcon",
            "land-cover",
            each,
            NOW - dt.timedelta(minutes=place),
            {
                "status": each,
                "message": text,
                "public_score": each,
                "entry": each,
                "job": each,
                "image": each,
                "hash": each,
                "also": {each: 1e99, "x": each},
                "classes": [each],
                "left_today": each,
                "received": each,
            },
        )
        world.cloud.works[f"notes/falcon/2026121{place % 10}T0000{place:02}Z-{place:012x}.json"] = (
            json.dumps({"author": each, "at": "2026-12-16T10:15:00+00:00", "text": each}).encode(),
            NOW,
        )
    world.ran("ana", "falcon", 66, dt.timedelta(hours=1), note=text)
    name = world.starts("ana", "falcon", 17, text)
    world.cloud.logs[name] = [
        *boards.HOSTILE,
        *tricks.MARKUP,
        "x" * 100_000,
        "\x1b[2J\x1b]0;owned\x07",
    ]
    return world
