"""`cohort competition mark`: the expert's or the baseline's own entry, a line on the board.

It takes the learners' own way: their library checks and packs it, the checker and the scorer read
it like any submission. So a mark is scored by the very code that scores the teams.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from botocore.exceptions import ClientError

from infra.cli.competition.acts import ENTRY_DIGITS, project_argument
from infra.cli.competition.arena import Arena, plain, say, why_option
from infra.cli.competition.packing import Packer
from infra.cli.options import cohort_file
from infra.cli.terminal import Refused, console, size, without_traceback
from infra.cohort.naming import MARK_TEAMS, Names
from infra.services.competition.submission import MAX_NOTE

#: The steward looks again after a quarter of an hour; nobody should wait here so long.
PATIENCE_SECONDS = 5 * 60.0
PAUSE_SECONDS = 1.0


@click.command()
@project_argument
@click.argument("kind", type=click.Choice(MARK_TEAMS))
@click.argument("predictions", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@cohort_file
@click.option("--note", default="", help="What stands on the board beside it.")
@why_option
@without_traceback
def mark(project: str, kind: str, predictions: Path, file: Path, note: str, why: str) -> None:
    """Set PROJECT's expert or baseline to PREDICTIONS, a file such as learners submit.

    It is a line on the board, on the public and, at the close, on the private part; how far a team
    is from one to the other is measured by it. A later one takes its place.
    """
    arena = Arena.of(file, project)
    if len(note) > MAX_NOTE:
        raise Refused(f"--note has {len(note)} characters; at most {MAX_NOTE}")
    with console.status("checking the predictions"), Packer.of(arena) as packer:
        packed = packer.pack(predictions)
    hashed = hashlib.sha256(packed.content).hexdigest()[:12]
    name = f"{arena.now():%Y%m%dT%H%M%SZ}-{hashed}.{packed.ending}"
    arena.note(f"set {kind}: {packed.digest[:ENTRY_DIGITS]}, {name}", why)
    say(f"{kind}: {size(len(packed.content))} are sent as {name}")
    _send(arena, Names.submission_prefix(project, kind) + name, packed.content, note)
    receipt = _await(arena, f"{Names.receipt_prefix(project, kind)}{name}.json")
    if receipt is None:
        raise Refused(
            f"no receipt after {PATIENCE_SECONDS / 60:.0f} minutes. Nothing is lost: it will be "
            f"scored. cohort leaderboard {project} shows when it was; the checker's and the "
            "scorer's logs say what keeps it."
        )
    say(f"{plain(receipt.get('status', '?'))}: {plain(receipt.get('message', ''))}")
    if receipt.get("status") not in ("scored", "waiting"):
        raise Refused(f"the {kind} of {project} is what it was before")


def _send(arena: Arena, key: str, content: bytes, note: str) -> None:
    try:
        arena.s3.put_object(
            Bucket=arena.site.bucket("work"),
            Key=key,
            Body=content,
            Metadata={"note": quote(note)},
            IfNoneMatch="*",
        )
    except ClientError as error:
        # The same predictions in the same second: their receipt is ours.
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise


def _await(arena: Arena, key: str) -> dict[str, Any] | None:
    """The receipt, or None if there is none in time."""
    bucket, began = arena.site.bucket("work"), time.monotonic()
    with console.status("waiting for the score") as status:
        while time.monotonic() - began < PATIENCE_SECONDS:
            try:
                found = arena.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
                    raise
            else:
                document = json.loads(found)
                return document if isinstance(document, dict) else {}
            waited = dt.timedelta(seconds=int(time.monotonic() - began))
            status.update(f"waiting for the score ({waited})")
            time.sleep(PAUSE_SECONDS)
    return None
