"""The demo's competition: marks to be beaten, a rival, a choice of entries, the close, the news.

What an admin does is done by the admin's own command, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from rich.markup import escape
from rich.table import Table

from infra.cli.demo.narrator import Narrator, Step
from infra.cli.demo.stage import ROOT, Stage, poll
from infra.cli.terminal import Refused

PROJECT = "climate-series"
TEAM, RIVAL = "falcon", "heron"

#: Runs in ben's kernel: his team chooses what counts, and takes the board's link.
CHOOSE = f"""
import json, academy
entries = [receipt for receipt in academy.entries("{PROJECT}") if receipt.status == "scored"]
chosen = academy.select("{PROJECT}", *entries[:2])
board = academy.leaderboard("{PROJECT}")
print(json.dumps({{"status": chosen.status, "message": chosen.message, "link": board.link}}))
"""


def marks_and_rival(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The advisors set their marks, and a second team comes") as step:
        forecasts = _forecasts(stage)
        for mark, name in (("baseline", "climatology"), ("expert", "damped anomaly")):
            step.doing(f"cohort competition mark {PROJECT} {mark}")
            cohort_command(
                stage,
                *("competition", "mark", PROJECT, mark, str(forecasts[name])),
                *("--note", name, "--why", "what the notebook ends with"),
            )
        # heron's learners have no space open: its forecast comes to the bucket by the admin.
        stage.site.client("s3").put_object(
            Bucket=stage.site.bucket("work"),
            Key=f"submissions/{PROJECT}/{RIVAL}/drift.csv",
            Body=forecasts["seasonal naive with drift"].read_bytes(),
            Metadata={"note": "last%20year%20and%20the%20trend"},
            IfNoneMatch="*",
        )
        document = poll(f"{RIVAL} on the board", lambda: _with_rival(_board(stage)), seconds=60)
        kinds = {line["kind"]: line for line in document["lines"]}
        step.check(
            "both marks are lines on the board",
            {"baseline", "expert"} <= set(kinds),
            ", ".join(f"{line['name']} {line['score']:.3f}" for line in document["lines"]),
        )
        table = Table("rank", "team", "score", "95 % interval", "gap closed", box=None)
        for entry in document["entries"]:
            gap = entry["gap_closed"]
            table.add_row(
                f"{entry['rank_low']}-{entry['rank_high']}",
                entry["team"],
                f"{entry['score']:.3f}",
                f"{entry['score_low']:.3f} to {entry['score_high']:.3f}",
                "" if gap is None else f"{100 * gap['value']:.0f} %",
            )
        step.show(table)
        entries = {entry["team"]: entry for entry in document["entries"]}
        step.check(
            "the board says what each entry's training cost",
            (entries[TEAM]["cost_micro_usd"] or 0) > 0,
            f"${(entries[TEAM]['cost_micro_usd'] or 0) / 1e6:.4f} for {TEAM}'s",
        )


def choice(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("ben chooses what counts, and opens the board from his space") as step:
        with stage.labs["ben"].kernel() as kernel:
            said: dict[str, str] = json.loads(kernel.text(CHOOSE).strip().splitlines()[-1])
        step.check("his choice is noted", said["status"] == "noted", said["message"])
        page = requests.get(said["link"], timeout=10)
        step.check(
            "the board's link opens in a browser, without an AWS identity",
            page.status_code == 200 and TEAM in page.text,
            f"HTTP {page.status_code}, {len(page.content):,} bytes",
        )
        bare = requests.get(said["link"].partition("?")[0], timeout=10)
        step.check("and not without the link's signature", bare.status_code == 403)


def close_the_competition(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The competition closes, and private scores decide") as step:
        step.doing(f"cohort competition close {PROJECT}")
        cohort_command(stage, "competition", "close", PROJECT, "--why", "the demo ends")
        final = poll("the final board", lambda: (_board(stage) or {}).get("final"), seconds=60)
        table = Table("final", "team", "private score", "public rank", "chosen", box=None)
        for entry in final["entries"]:
            table.add_row(
                f"{entry['rank_low']}-{entry['rank_high']}",
                entry["team"],
                f"{entry['score']:.3f}",
                str(entry["public_rank"]),
                {"team": "by the team", "mixed": "by the team, and the best"}.get(
                    entry["chosen"], "its best on the public part"
                ),
            )
        step.show(table)
        for sentence in final["explained"]:
            step.say(escape(sentence))
        chosen = {entry["team"]: entry["chosen"] for entry in final["entries"]}
        step.check(
            f"{TEAM}'s choice holds, {RIVAL}'s was made for it",
            chosen[TEAM] != "auto" and chosen[RIVAL] == "auto",
        )
        path = stage.out / "final_climate_series.html"
        site = stage.site.bucket("site")
        found = stage.site.client("s3").get_object(Bucket=site, Key=f"{PROJECT}.html")
        path.write_bytes(found["Body"].read())
        stage.products.append(path)


def news(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("What the channel heard of it") as step:
        told = requests.get(f"{stage.endpoint}/_academy/chat", timeout=10).json()["chat"]
        for message in told:
            step.say(f"[bold]{escape(message['title'])}[/bold]")
            for line in message["text"].splitlines():
                if line.strip():
                    step.say(f"  {escape(line.strip())}")
        titles = [message["title"] for message in told]
        step.check("each once", len({(m["title"], m["text"]) for m in told}) == len(told))
        step.check(
            "a leader and the final result among them",
            any("final" in title for title in titles) and any("first" in title for title in titles),
            f"{len(told)} messages",
        )
        step.check("each as the channel can show it", not any(m["problem"] for m in told))
        step.check("nothing of money", not any("$" in json.dumps(m) for m in told))
        _log(stage, step)


def _log(stage: Stage, step: Step) -> None:
    said = cohort_command(stage, "competition", "log", PROJECT)
    step.check(
        "and what the admin did is recorded, with who and why",
        all(word in said for word in ("expert", "close", "the demo ends")),
    )


def _with_rival(document: dict[str, Any] | None) -> dict[str, Any] | None:
    teams = {entry["team"] for entry in (document or {}).get("entries", ())}
    return document if {TEAM, RIVAL} <= teams else None


def _board(stage: Stage) -> dict[str, Any] | None:
    s3 = stage.site.client("s3")
    try:
        found = s3.get_object(Bucket=stage.site.bucket("site"), Key=f"boards/{PROJECT}.json")
    except s3.exceptions.NoSuchKey:
        return None
    document = json.loads(found["Body"].read())
    return document if isinstance(document, dict) else None


def _forecasts(stage: Stage) -> dict[str, Path]:
    """Forecasts from what is published, by the library's own methods, as files."""
    # Imported here: they bring numpy.
    from academy.datasets import Dataset
    from academy.forecasting import naive

    folder = stage.logs / "climate"
    folder.mkdir(parents=True, exist_ok=True)
    s3 = stage.site.client("s3")
    for name in ("task.json", "history.csv"):
        key = f"datasets/{PROJECT}/{name}"
        body = s3.get_object(Bucket=stage.site.bucket("data"), Key=key)["Body"].read()
        (folder / name).write_bytes(body)
    data = Dataset(folder)
    methods = {
        "climatology": naive.climatology,
        "damped anomaly": naive.damped_anomaly,
        "seasonal naive with drift": naive.seasonal_naive_drift,
    }
    found = {}
    for name, method in methods.items():
        lines = ["series,step,value"]
        for series, history in data.history.items():
            first = data.task.first_step[series]
            values = method(history, data.task.horizon, data.task.season)
            lines += [
                f"{series},{first + lead},{value!r}" for lead, value in enumerate(values.tolist())
            ]
        found[name] = folder / f"{name.replace(' ', '_')}.csv"
        found[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found


def cohort_command(stage: Stage, *arguments: str) -> str:
    """Run the admin's command; what it printed.

    Raises:
        Refused: if it fails; with its last lines.
    """
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", *arguments, "--file", str(stage.cohort_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise Refused(f"cohort {' '.join(arguments[:3])} ended with {done.returncode}:\n{tail}")
    return done.stdout
