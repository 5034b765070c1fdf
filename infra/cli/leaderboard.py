"""`cohort leaderboard`: a project's board in the terminal, as everybody sees it, and a link to its
page. With --acts, what was done to the competition besides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config
from rich.markup import escape
from rich.table import Table

from infra.cli.account import Site
from infra.cli.competition.acts import print_acts
from infra.cli.competition.arena import Arena, plain, say, site_of
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, usd, without_traceback

LINK_SECONDS = 3600
#: Characters that words have at least.
_NARROWEST = {"team": 7, "note": 4}
_TWO_LINES = ("gap closed", "left today", "GPU hours")


@click.command()
@click.argument("project")
@cohort_file
@click.option("--json", "as_json", is_flag=True, help="The board's own document, as it is.")
@click.option("--acts", is_flag=True, help="Also what was done to the competition, and by whom.")
@without_traceback
def leaderboard(project: str, file: Path, as_json: bool, acts: bool) -> None:
    """Show PROJECT's board: ranks with their intervals, scores, what is left today, what it cost.

    The link opens the page for an hour, for whoever has it.
    """
    site = site_of(file, project)
    if as_json and acts:
        raise Refused("--json is the board's own document: ask for --acts without it")
    document = read(site, project)
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    if document is None:
        say(f"{project} has no board yet: it is written with the first submission.")
    else:
        show(document)
        say(link(site, project))
    if acts:
        print_acts(Arena.of(file, project))


def read(site: Site, project: str) -> dict[str, Any] | None:
    """The board as it stands; None if there is none yet.

    Raises:
        Refused: if it is no board.
    """
    s3 = site.client("s3")
    bucket, key = site.bucket("site"), f"boards/{project}.json"
    try:
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    except s3.exceptions.NoSuchBucket:
        raise Refused(
            f"there is no bucket {bucket}: is {site.cohort.name} deployed in account "
            f"{site.account}, {site.cohort.region}?"
        ) from None
    try:
        document = json.loads(content)
        if not isinstance(document["entries"], list) or not isinstance(document["lines"], list):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"s3://{bucket}/{key} is not a board as the scorer writes it: "
            f"cohort competition recompute {project} --why …"
        ) from None
    assert isinstance(document, dict)
    return document


def link(site: Site, project: str) -> str:
    """The page, for an hour."""
    # Regions since 2014, and objects under a key of KMS, take no older signature.
    config = Config(signature_version="s3v4")
    s3 = boto3.client("s3", region_name=site.cohort.region, config=config)
    url = s3.generate_presigned_url(
        "get_object",
        Params={"Bucket": site.bucket("site"), "Key": f"{project}.html"},
        ExpiresIn=LINK_SECONDS,
    )
    return str(url)


def show(document: Mapping[str, Any]) -> None:
    """The board as tables and sentences."""
    final = document.get("final") or {}
    if final.get("entries"):
        console.print(_final(document, final))
        for sentence in final.get("explained", ()):
            say(plain(sentence))
        title = "the public part, as it stood last"
    else:
        title = str(document.get("metric", ""))
    console.print(_table(document, title))
    for sentence in _feet(document):
        say(sentence)


def _table(document: Mapping[str, Any], title: str) -> Table:
    entries, also = document["entries"], _also(document["entries"])
    money = any(each.get("cost_micro_usd") is not None for each in entries)
    hours = any(each.get("gpu_hours") is not None for each in entries)
    left = any(each.get("left_today") is not None for each in entries)
    gap = any(each.get("gap_closed") for each in entries)
    columns = [
        ("rank", "right"),
        ("team", "left"),
        ("score", "right"),
        ("95 %", "left"),
        *([("gap closed", "right")] if gap else []),
        *((name, "right") for name in also),
        ("entries", "right"),
        *([("left today", "right")] if left else []),
        *([("cost", "right")] if money else []),
        *([("GPU hours", "right")] if hours else []),
        ("note", "left"),
    ]
    table = Table(title=escape(f"{plain(document.get('project', ''))}: {plain(title)}"))
    for name, side in columns:
        # Words are folded where the terminal is narrow; a figure is never cut short.
        table.add_column(
            escape(plain(name)).replace(" ", "\n") if name in _TWO_LINES else escape(plain(name)),
            justify="left" if side == "left" else "right",
            no_wrap=name not in _NARROWEST,
            overflow="fold",
            min_width=_NARROWEST.get(name),
        )
    for kind, each in _in_order(document):
        if kind == "line":
            cells = {"team": each["name"], "score": _score(each["score"])}
        else:
            cells = {
                "rank": _interval(each["rank_low"], each["rank_high"], "{}")
                if each.get("rank_low")
                else str(each["rank"]),
                "team": each["team"] + (" ≈ expert" if each.get("near_expert") else ""),
                "score": _score(each["score"]),
                "95 %": _interval(each.get("score_low"), each.get("score_high"), "{:.3f}"),
                "gap closed": _share(each.get("gap_closed")),
                **{name: _score((each.get("also") or {}).get(name)) for name in also},
                "entries": str(each.get("submissions", "")),
                "left today": _text(each.get("left_today")),
                "cost": "" if each.get("cost_micro_usd") is None else usd(each["cost_micro_usd"]),
                "GPU hours": "" if each.get("gpu_hours") is None else f"{each['gpu_hours']:.2f}",
                "note": each.get("note", ""),
            }
        table.add_row(
            *(escape(plain(cells.get(name, ""))) for name, _ in columns),
            style="dim" if kind == "line" else "",
        )
    return table


def _final(document: Mapping[str, Any], final: Mapping[str, Any]) -> Table:
    units = final.get("units") or {}
    table = Table(
        title=escape(
            plain(
                f"{document.get('project', '')}: the final ranks, on {units.get('count', '?')} "
                f"{units.get('name', 'units')} that nobody saw"
            )
        )
    )
    columns = ("rank", "team", "score", "95 %", "public rank", "move", "entry", "chosen by")
    for name in columns:
        table.add_column(
            name, justify="left" if name in ("team", "95 %", "entry", "chosen by") else "right"
        )
    for each in final["entries"]:
        change = int(each.get("change") or 0)
        noise = " (noise)" if change and each.get("within_noise") else ""
        chosen = {"team": "the team", "auto": "best public", "mixed": "one each"}
        table.add_row(
            *(
                escape(plain(cell))
                for cell in (
                    _interval(each["rank_low"], each["rank_high"], "{}")
                    if each.get("rank_low")
                    else each["rank"],
                    each["team"],
                    _score(each.get("score")),
                    _interval(each.get("score_low"), each.get("score_high"), "{:.3f}"),
                    _text(each.get("public_rank")),
                    (f"{change:+d}" if change else "0") + noise,
                    each.get("entry", ""),
                    chosen.get(each.get("chosen", ""), ""),
                )
            )
        )
    return table


def _in_order(document: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Entries and lines, each where its score puts it; a line below the teams that equal it."""
    sign = -1 if document.get("better") == "higher" else 1
    entries = [(sign * each["score"], 0, n, each) for n, each in enumerate(document["entries"])]
    lines = [(sign * each["score"], 1, n, each) for n, each in enumerate(document["lines"])]
    for _, kind, _, each in sorted(entries + lines, key=lambda one: one[:3]):
        yield ("line" if kind else "entry"), each


def _also(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of secondary metrics, in the order that they are met."""
    return list(dict.fromkeys(name for each in entries for name in each.get("also") or {}))


def _feet(document: Mapping[str, Any]) -> list[str]:
    phase = {
        "before": f"It opens {document.get('opens', '')}.",
        "open": f"It closes {document.get('closes', '')}.",
        "frozen": f"It is frozen: {document.get('reason', '')}",
        "closed": f"It closed {document.get('closes', '')}.",
    }.get(str(document.get("phase", "")), "")
    units = document.get("units") or {}
    narrow = (
        f"Only {units.get('count')} {units.get('name')} are held out in the public part; with "
        "fewer than 24 the intervals are too narrow."
        if document.get("narrow")
        else ""
    )
    out = [
        f"{each.get('team', '')} is off the board: {each.get('reason', '')}"
        for each in document.get("out") or ()
    ]
    hint = f"{document.get('hint', '')}; {document.get('better', '')} is better".strip("; ")
    written = f"Written {document.get('updated', '')}."
    return [plain(foot) for foot in (f"{hint}.", phase, narrow, *out, written) if foot]


def _interval(low: Any, high: Any, form: str) -> str:
    """
    >>> _interval(1, 3, "{}"), _interval(2, 2, "{}"), _interval(None, None, "{}")
    ('1–3', '2', '')
    """
    if low is None or high is None:
        return ""
    return form.format(low) if low == high else f"{form.format(low)}–{form.format(high)}"


def _score(score: float | None) -> str:
    if score is None:
        return ""
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:.3g}"


def _share(gap: Any) -> str:
    if not gap:
        return ""
    value = gap["value"] if isinstance(gap, Mapping) else gap
    return f"{100 * value:.0f} %"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
