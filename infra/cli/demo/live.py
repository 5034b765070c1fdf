"""The demo's live round: a forecast is sealed before its month begins, and scored when it is over.

The series is a replay: the real record of Niño 1+2, its years shifted so that it ends last month.
So there is something to observe, once the cloud's clock has moved on.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from infra.cli.demo.contest import PROJECT, TEAM, cohort_command
from infra.cli.demo.dead_guard import move, now
from infra.cli.demo.narrator import Narrator, Step
from infra.cli.demo.stage import Stage, poll
from infra.cli.terminal import Refused
from infra.services.competition.live import months

SERIES = "nino12"
HORIZON = 3
NOTE = "A replay of the real record, 1950 to 2010, its years shifted so that it ends last month."
SOURCE = "https://www.cpc.ncep.noaa.gov/data/indices/"
BOARD = f"boards/{PROJECT}.live.json"

#: Runs in ben's kernel: the mean of the last 30 years of each month, and how these years differed.
FORECAST = f"""
import json, academy, numpy as np
round_ = academy.live_round("{PROJECT}")
levels = np.arange(1, 20) / 20
forecast = {{}}
for name in round_.names:
    known, ahead = round_.known[name], round_.steps_ahead(name)
    asked = range(len(known) + ahead - round_.horizon, len(known) + ahead)
    years = [[at - 12 * back for back in range(1, 32) if at - 12 * back < len(known)][:30]
             for at in asked]
    forecast[name] = np.array([np.quantile(known[year], levels) for year in years])
receipt = academy.submit("{PROJECT}", forecast, "30 years' quantiles", live=True)
print(json.dumps({{"status": receipt.status, "message": receipt.message, "hash": receipt.hash,
                  "salt": receipt.salt, "months": receipt.months,
                  "sent": receipt.submission}}))
"""


def near_the_end_of_the_month(stage: Stage) -> dt.datetime:
    """Move the clock of a cloud that is still empty to a month's last two days; gives the time.

    From there a month passes in three days. Later, with an academy in it, each day costs seconds:
    all that runs every quarter of an hour runs.
    """
    this_month = months.of(now(stage))
    eve = months.begins(this_month + 1) - dt.timedelta(days=2)
    if (left := eve - now(stage)) > dt.timedelta():
        move(stage, left)
    return now(stage)


def live_opens(stage: Stage, narrator: Narrator) -> None:
    """An admin begins a round, and a team seals a forecast."""
    with narrator.step("A live round: months that nobody knows yet") as step:
        record = _replay(stage)
        step.doing(f"cohort competition live start {PROJECT}")
        _start(stage, record)
        step.say(f"A replay: Niño 1+2 as it was, shifted to end in {record.last}.")
        step.doing("ben forecasts from his space")
        with stage.labs["ben"].kernel() as kernel:
            said: dict[str, Any] = json.loads(kernel.text(FORECAST).strip().splitlines()[-1])
        step.check("his forecast is sealed", said["status"] == "sealed", said["message"])
        document = poll("the live board", lambda: _board(stage), seconds=60)
        hashes = {each["hash"]: each["team"] for each in document["seals"]}
        step.check(
            "its hash stands on the public board at once",
            hashes.get(said["hash"]) == TEAM,
            f"{said['hash'][:12]}, months {' to '.join(said['months'])}",
        )
        shown = json.dumps(document) + _read(stage, f"{PROJECT}.live.html").decode()
        step.check("and neither the forecast nor its salt", said["salt"] not in shown)


def live_observed(stage: Stage, narrator: Narrator) -> None:
    """The month passes, the admin observes it, and the board tells who was right."""
    with narrator.step("The month passes; what was sealed is scored") as step:
        record = _replay(stage)
        sealed = [each for each in _board(stage)["seals"] if each["team"] == TEAM]
        first = months.index(min(each["first"] for each in sealed))
        early = _observe(stage, record, first, expected=False)
        step.check("a month that is not over cannot be observed", "is not over" in early, early)
        over = months.begins(first + 1) + dt.timedelta(days=2)
        step.doing(f"the clock moves to {over:%Y-%m-%d}")
        # Spaces that still run end on the first day, with their reservations.
        move(stage, min(dt.timedelta(days=1), over - now(stage)))
        move(stage, over - now(stage))
        step.check("S3 and the command see it", now(stage) >= over, f"{now(stage):%Y-%m-%d}")
        _too_late(stage, step)
        month = months.index(record.last) + 1
        while month <= first:
            step.doing(f"cohort competition observe {SERIES} {months.name(month)}")
            _observe(stage, record, month)
            month += 1
        document = _board(stage)
        [entry] = [each for each in document["entries"] if each["team"] == TEAM]
        lines = {line["name"]: line["score"] for line in document["lines"]}
        step.check(
            f"{TEAM}'s forecast of {months.name(first)} is scored",
            entry["months"] == 1,
            f"{entry['score']:.3f}; " + ", ".join(f"{n} {s:.3f}" for n, s in lines.items()),
        )
        step.check("with one month all are tied, and it is said", bool(document["few"]))
        said = cohort_command(stage, "competition", "live", "verify", PROJECT)
        step.check("each forecast gives its hash", "each gives the hash" in said, said.strip())
        _without_the_cloud(stage, step)


def _too_late(stage: Stage, step: Step) -> None:
    """What was a forecast when it was sent is none any more, once its months have begun."""
    s3, work = stage.site.client("s3"), stage.site.bucket("work")
    folder = f"submissions/{PROJECT}/{TEAM}/"
    listed = s3.list_objects_v2(Bucket=work, Prefix=folder)["Contents"]
    before = max(each["Key"] for each in listed if each["Key"].endswith(".live.csv"))
    name = "20991231T000000Z-000000000000.live.csv"
    content = s3.get_object(Bucket=work, Key=before)["Body"].read()
    s3.put_object(Bucket=work, Key=folder + name, Body=content, IfNoneMatch="*")
    key = f"receipts/{PROJECT}/{TEAM}/{name}.json"
    receipt = poll("the late forecast's receipt", lambda: _json_of(stage, "work", key))
    step.check(
        "the same file, sent now, is refused",
        receipt["status"] == "refused" and "has begun" in receipt["message"],
        receipt["message"],
    )


def _without_the_cloud(stage: Stage, step: Step) -> None:
    """The board lives on from plain files."""
    folder = stage.out / "live_climate_series"
    step.doing("cohort competition live export")
    cohort_command(stage, "competition", "live", "export", PROJECT, str(folder))
    same = {**json.loads((folder / "board.json").read_text()), "updated": ""}
    step.check("an export makes the same board", same == {**_board(stage), "updated": ""})
    file = min((folder / "forecasts").glob("*.csv"))
    content = file.read_bytes()
    last = content[-2:-1]
    file.write_bytes(content[:-2] + (b"8" if last == b"9" else b"9") + content[-1:])
    try:
        cohort_command(stage, "competition", "live", "verify", "--archive", str(folder))
        found = ""
    except Refused as error:
        found = str(error).splitlines()[-1]
    file.write_bytes(content)
    step.check("and refuses a forecast that was changed", "not what was sealed" in found, found)
    stage.products += [_page(stage), folder / "board.html"]


# --- the replay -----------------------------------------------------------------------------------
class _Replay:
    """The real record with its years shifted: what is history, and what is still to come."""

    def __init__(self, names: list[str], values: list[float], last: int) -> None:
        # The same month of the year, as late in the record as leaves enough of it.
        at = len(names) - HORIZON - 3
        while (months.index(names[at]) - last) % 12:
            at -= 1
        self._first = last - at
        self._values = values
        self._known = at + 1
        self.last = months.name(last)

    def value(self, month: int) -> float:
        return self._values[month - self._first]

    def history(self) -> str:
        rows = [
            f"{months.name(self._first + at)},{value!r}"
            for at, value in enumerate(self._values[: self._known])
        ]
        return "\n".join(["month,value", *rows]) + "\n"


def _replay(stage: Stage) -> _Replay:
    """As it was first made, whatever the clock says by now."""
    # Imported here: it brings pandas and statsmodels.
    from infra.publishing.climate_records import records

    [ocean] = [record for record in records() if record.name == "ocean"]
    kept = stage.logs / "live" / "last.txt"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(months.name(months.of(now(stage)) - 1), encoding="utf-8")
    last = months.index(kept.read_text(encoding="utf-8"))
    return _Replay(list(ocean.months), ocean.values.tolist(), last)


def _start(stage: Stage, record: _Replay) -> None:
    folder = stage.logs / "live"
    (folder / "nino12.csv").write_text(record.history(), encoding="utf-8")
    document = {
        "id": "demo",
        "title": "Niño 1+2, month by month",
        "note": NOTE,
        "horizon": HORIZON,
        "series": [
            {
                "id": SERIES,
                "title": "Sea surface temperature of the region Niño 1+2",
                "unit": "°C",
                "source": "NOAA, ERSST.V3B",
                "url": SOURCE,
                "history": "nino12.csv",
            }
        ],
    }
    file = folder / "round.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    line = ("competition", "live", "start", PROJECT, "--round", str(file))
    cohort_command(stage, *line, "--why", "the demo's live round")


def _observe(stage: Stage, record: _Replay, month: int, *, expected: bool = True) -> str:
    """What the command says; its refusal where none is expected to come."""
    line = ["competition", "observe", PROJECT, SERIES, months.name(month)]
    line += [repr(record.value(month)), "--source", SOURCE, "--why", "published"]
    try:
        return cohort_command(stage, *line)
    except Refused as error:
        if expected:
            raise
        return str(error).splitlines()[-1]


# --- what everybody sees --------------------------------------------------------------------------
def _board(stage: Stage) -> dict[str, Any]:
    return _json_of(stage, "site", BOARD) or {}


def _json_of(stage: Stage, purpose: str, key: str) -> dict[str, Any] | None:
    s3 = stage.site.client("s3")
    with contextlib.suppress(s3.exceptions.NoSuchKey, ClientError):
        body = s3.get_object(Bucket=stage.site.bucket(purpose), Key=key)["Body"].read()
        document = json.loads(body)
        return document if isinstance(document, dict) else None
    return None


def _read(stage: Stage, key: str) -> bytes:
    found = stage.site.client("s3").get_object(Bucket=stage.site.bucket("site"), Key=key)
    return bytes(found["Body"].read())


def _page(stage: Stage) -> Path:
    """The live board's page, kept among the demo's products."""
    path = stage.out / "live_climate_series.html"
    path.write_bytes(_read(stage, f"{PROJECT}.live.html"))
    return path
