"""Fifty teams race at the deadline, on the embedded cloud: is any submission lost, do limits hold?

    python -m benchmarks.deadline [--teams 50] [--each 8] [--limit 5]

A cohort's stacks but its teams' are deployed by the CDK CLI, climate-series is published, and the
cloud's clock is set to just before the end of the competition's last day. Then every team sends
forecasts at once: `each` that differ, one of them again under another name, and one that is
malformed. In the middle of it the scorer is taken away for some seconds, by the setting that Lambda
has for it: what was to be scored then is given up and goes to the queue of dead letters. The race
goes on over the deadline. Afterwards the clock moves on, so that the steward finds what has no
receipt. Last, everything is counted:

- every submission has a receipt, and every receipt says what it must: a malformed one is refused,
  what came after the end is late, the same content counts once;
- no team has more counted entries of a day than the limit, and none has fewer that sent more.

The embedded Lambda has four execution environments a function, and the embedded table takes one
request at a time: submissions a minute compare versions of this code on one machine, and are not
AWS's.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
import requests
import yaml
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from infra.cli.demo.stage import Stage, poll
from infra.cli.publish import publish_cohort

UTC = dt.UTC
PROJECT = "climate-series"
#: Seconds of the cloud's clock before the end of the competition at which the race begins.
BEFORE_THE_END = 12
#: When the scorer is taken away, in seconds from the first submission, and for how long.
GONE_AT, GONE_FOR = 8.0, 6.0
#: The steward looks hourly, at what is older than a quarter of an hour, and lets go after three.
STEWARDS = 4


@dataclass(frozen=True)
class Sent:
    """One submission: when its upload began, by the machine's clock, and what it is."""

    team: str
    name: str
    kind: str
    began: float


@click.command()
@click.option("--teams", default=50, help="Teams, each of one learner.")
@click.option("--each", default=8, help="Different forecasts of each team.")
@click.option("--limit", default=5, help="Submissions that count a day.")
@click.option("--seed", default=1)
def main(teams: int, each: int, limit: int, seed: int) -> None:
    """See the module."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), keep=False)
        try:
            ids = [f"team-{number:02d}" for number in range(teams)]
            stage.__dict__["cohort_file"] = _cohort(Path(folder), ids, limit)
            with console.status("deploying"):
                _deploy(stage)
            with console.status("the race") as status:
                race = Race(stage, ids, each, seed)
                race.run(lambda text: status.update(text))
            found = race.counted(limit)
        finally:
            stage.clear()
    table = Table(title=f"{teams} teams at the deadline, {each + 2} submissions each")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in found.items():
        table.add_row(name, value if isinstance(value, str) else f"{value:,}")
    console.print(table)


def _cohort(folder: Path, teams: Sequence[str], limit: int) -> Path:
    today = dt.datetime.now(UTC).date()
    document = {
        "name": "deadline",
        "region": "us-east-1",
        "starts": today - dt.timedelta(days=1),
        "ends": today + dt.timedelta(days=30),
        "teams": [
            {"id": team, "learners": [{"id": f"l-{team}", "email": f"{team}@example.org"}]}
            for team in teams
        ],
        "projects": [PROJECT],
        "budget": {"per_learner_usd": 5},
        "competition": {
            "closes": today + dt.timedelta(days=7),
            "submissions_per_day": limit,
            "public_fraction": 0.3,
        },
    }
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _deploy(stage: Stage) -> None:
    stage.start_cloud()
    names = stage.site.cohort.names
    stage.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", told=lambda _: None)
    stage.cdk(
        "deploy",
        names.foundation_stack,
        names.guard_stack,
        names.competition_stack,
        *("-c", f"cohort={stage.cohort_file}"),
        *("--output", str(stage.logs / "cdk.out")),
        *("--require-approval", "never"),
        told=lambda _: None,
    )
    for _ in publish_cohort(stage.site, slow_rivals=False):
        pass


class Race:
    """The submissions, and what became of them."""

    def __init__(self, stage: Stage, teams: Sequence[str], each: int, seed: int) -> None:
        self._stage = stage
        self._site = stage.site
        self._teams = teams
        self._each = each
        self._random = random.Random(seed)  # noqa: S311
        self._s3 = boto3.client(
            "s3",
            region_name=self._site.cohort.region,
            config=Config(max_pool_connections=len(teams) + 8),
        )
        self._work = self._site.bucket("work")
        self._sent: list[Sent] = []
        self._lock = threading.Lock()
        self._receipts: dict[str, dict[str, Any]] = {}
        self._waited: list[float] = []
        self._lost = 0
        self._minutes = 0.0
        self._alone = 0.0

    # --- the race -------------------------------------------------------------------------------
    def run(self, told: Any) -> None:
        """Everything, from the first upload to the last receipt."""
        plans = {team: self._plan(team) for team in self._teams}
        closes = dt.datetime.combine(
            self._site.cohort.competition.closes + dt.timedelta(days=1), dt.time(), tzinfo=UTC
        )
        # The first call of a function starts a process, which no race should wait for.
        self._warm()
        self._alone = sorted(self._one_alone(number) for number in range(5))[2]
        self._move(to=closes - dt.timedelta(seconds=BEFORE_THE_END))
        begun = time.perf_counter()
        gone = threading.Thread(target=self._take_the_scorer_away)
        gone.start()
        with ThreadPoolExecutor(len(self._teams)) as pool:
            for done in [pool.submit(self._send_all, team, plans[team]) for team in self._teams]:
                done.result()
        gone.join()
        self._collect(told, begun)
        self._lost = len(self._sent) - len(self._receipts)
        for _ in range(STEWARDS):
            if len(self._receipts) == len(self._sent):
                break
            self._move(by=dt.timedelta(hours=1))
            self._collect(told, None)

    def _plan(self, team: str) -> list[tuple[str, str, bytes]]:
        """(name, kind, content) of a team's submissions, in the order of sending."""
        sample = self._s3.get_object(
            Bucket=self._site.bucket("data"), Key=f"datasets/{PROJECT}/sample_submission.csv"
        )["Body"].read()
        header, *rows = sample.decode().splitlines()
        plans = []
        for number in range(self._each):
            noise = [self._random.gauss(0, 0.2) for _ in rows]
            lines = [header]
            for row, off in zip(rows, noise, strict=True):
                series, step, value = row.split(",")
                lines.append(f"{series},{step},{float(value) + off:.6f}")
            content = ("\n".join(lines) + "\n").encode()
            plans.append((f"{number:02d}-{team}.csv", "forecast", content))
        self._random.shuffle(plans)
        plans.append((f"again-{team}.csv", "again", plans[0][2]))
        malformed = (f"bad-{team}.csv", "malformed", b"a,b\n1,2\n")
        plans.insert(self._random.randrange(1, len(plans)), malformed)
        return plans

    def _send_all(self, team: str, plan: list[tuple[str, str, bytes]]) -> None:
        for name, kind, content in plan:
            began = time.perf_counter()
            self._s3.put_object(
                Bucket=self._work,
                Key=f"submissions/{PROJECT}/{team}/{name}",
                Body=content,
                IfNoneMatch="*",
            )
            with self._lock:
                self._sent.append(Sent(team, name, kind, began))
            # As people do: not all in one second.
            time.sleep(2 * random.Random(f"{team}{name}").random())  # noqa: S311

    def _warm(self) -> None:
        self._s3.put_object(
            Bucket=self._work, Key=f"submissions/{PROJECT}/{self._teams[0]}/warm.csv", Body=b"x\n"
        )
        poll("the first receipt", lambda: self._listed(), seconds=120)
        self._site.client("lambda").invoke(
            FunctionName=self._site.cohort.names.function("scorer"),
            Payload=json.dumps({"publish": PROJECT}).encode(),
        )

    def _one_alone(self, number: int) -> float:
        """Seconds from the upload of a mark, which no limit counts, to its line on the board."""
        name = f"baseline/alone-{number}.csv"
        content = self._plan("baseline")[0][2]
        began = time.perf_counter()
        self._s3.put_object(
            Bucket=self._work, Key=f"submissions/{PROJECT}/{name}", Body=content, IfNoneMatch="*"
        )
        poll("the mark", lambda: name in self._listed(), seconds=60)
        return time.perf_counter() - began

    def _take_the_scorer_away(self) -> None:
        functions = self._site.client("lambda")
        name = self._site.cohort.names.function("scorer")
        time.sleep(GONE_AT)
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        time.sleep(GONE_FOR)
        functions.delete_function_concurrency(FunctionName=name)

    # --- receipts -------------------------------------------------------------------------------
    def _collect(self, told: Any, begun: float | None) -> None:
        """Read receipts as they come, until none has come for a while."""
        quiet = time.perf_counter()
        began_of = {f"{sent.team}/{sent.name}": sent.began for sent in self._sent}
        while len(self._receipts) < len(self._sent) and time.perf_counter() - quiet < 20:
            for name in self._listed() - set(self._receipts):
                if name not in began_of:
                    continue
                key = f"receipts/{PROJECT}/{name}.json"
                body = self._s3.get_object(Bucket=self._work, Key=key)["Body"].read()
                self._receipts[name] = json.loads(body)
                quiet = time.perf_counter()
                if begun is not None:
                    self._waited.append(quiet - began_of[name])
                    self._minutes = (quiet - begun) / 60
            told(f"{len(self._receipts)} of {len(self._sent)} receipts")
            time.sleep(0.2)

    def _listed(self) -> set[str]:
        """<team>/<name> of every receipt."""
        prefix = f"receipts/{PROJECT}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._work, Prefix=prefix)
        return {
            item["Key"].removeprefix(prefix).removesuffix(".json")
            for page in pages
            for item in page.get("Contents", [])
        }

    def _move(self, *, to: dt.datetime | None = None, by: dt.timedelta | None = None) -> None:
        body = {"to": to.strftime("%Y-%m-%dT%H:%M:%SZ")} if to else {"by_seconds": by.seconds}  # type: ignore[union-attr]
        requests.post(
            f"{self._stage.endpoint}/_academy/clock", json=body, timeout=600
        ).raise_for_status()

    # --- counting -------------------------------------------------------------------------------
    def counted(self, limit: int) -> dict[str, Any]:
        """What became of everything.

        Raises:
            RuntimeError: if something was lost, or a limit did not hold.
        """
        missing = [s for s in self._sent if f"{s.team}/{s.name}" not in self._receipts]
        if missing:
            raise RuntimeError(f"{len(missing)} submissions have no receipt: {missing[:3]}")
        closes = self._site.cohort.competition.closes
        statuses: Counter[str] = Counter()
        days: dict[tuple[str, str], Counter[str]] = {}
        late = 0
        in_time: set[str] = set()
        # Who came in time takes the place of the same content that was late and scored first.
        early = {
            (sent.team, receipt["entry"])
            for sent in self._sent
            if (receipt := self._receipts[f"{sent.team}/{sent.name}"])["counted"]
            and not receipt["late"]
        }
        for sent in self._sent:
            receipt = self._receipts[f"{sent.team}/{sent.name}"]
            statuses[f"{sent.kind}: {receipt['status']}"] += 1
            day = receipt["received"][:10]
            if sent.kind == "malformed":
                if receipt["status"] != "refused" or receipt["counted"]:
                    raise RuntimeError(f"a malformed submission: {receipt}")
                continue
            after = day > closes.isoformat()
            # The same content may have been scored as another submission, in time.
            if receipt["late"] > after or (receipt["counted"] and after > receipt["late"]):
                raise RuntimeError(f"late or not: {receipt}")
            if receipt["counted"] and after and (sent.team, receipt["entry"]) in early:
                continue
            late += receipt["status"] == "scored" and receipt["late"]
            if receipt["counted"] and not receipt["late"]:
                in_time.add(sent.team)
            of_day = days.setdefault((sent.team, day), Counter())
            of_day["counted"] += receipt["counted"]
            of_day["over"] += receipt["status"] == "refused"
        for (team, day), of_day in days.items():
            if of_day["counted"] > limit or (of_day["over"] and of_day["counted"] != limit):
                raise RuntimeError(f"{team} on {day}: {dict(of_day)}, the limit is {limit}")
        ordered = sorted(self._waited)
        board = self._s3.get_object(Bucket=self._site.bucket("site"), Key=f"boards/{PROJECT}.json")[
            "Body"
        ].read()
        document = json.loads(board)
        shown = {entry["team"] for entry in document["entries"]}
        if in_time - shown:
            raise RuntimeError(f"the board lacks {sorted(in_time - shown)}")
        return {
            "submissions": len(self._sent),
            "receipts": len(self._receipts),
            "without one when the race was over (the scorer was gone)": self._lost,
            "found by the steward": self._lost,
            "lost": 0,
            "counted": sum(of_day["counted"] for of_day in days.values()),
            "over the limit": sum(of_day["over"] for of_day in days.values()),
            "late": late,
            "one alone, from its upload to the board": f"{self._alone:.1f} s",
            "submissions a minute": f"{len(self._waited) / self._minutes:.0f}",
            "upload to receipt, half within": f"{ordered[len(ordered) // 2]:.1f} s",
            "upload to receipt, 99 % within": f"{ordered[int(0.99 * len(ordered))]:.1f} s",
            **{f"  {name}": count for name, count in sorted(statuses.items())},
        }


if __name__ == "__main__":
    main()
