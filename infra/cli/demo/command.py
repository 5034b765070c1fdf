"""`cohort demo`: sets the stage, tells the chapters in order, and always clears the stage."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.markup import escape

from infra.cli.demo.narrator import Narrator, NotAsTold
from infra.cli.terminal import Refused, console, errors


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Folder for the record, the executed notebook, the board and the logs.",
)
@click.option(
    "--keep", is_flag=True, help="Leave the academy open, to be tried by hand, until Enter."
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw it as an SVG file.",
)
def demo(out: Path, keep: bool, picture: Path | None) -> None:
    """A small academy, whole: deployed, learned in, scored, closed, destroyed. Some four minutes.

    Runs on the embedded cloud: no AWS account, no Docker, no network. What happens is real: the
    unmodified CDK CLI deploys, a JupyterLab opens, a notebook runs in it, a model trains as a job,
    its forecasts are scored on held-out data, and IAM refuses what it must. Every step is checked;
    exit status 0 only if all was as told. The record is OUT/demo.json.
    """
    # Imported here: these bring moto's and Jupyter's clients, which `cohort check` does not need.
    from infra.cli.demo.chapters import CHAPTERS
    from infra.cli.demo.stage import Stage

    signal.signal(signal.SIGTERM, _interrupt)
    forget(out)
    told = _recording() if picture else console
    narrator = Narrator(told, out / "demo.json")
    stage = Stage(out.resolve(), keep=keep)
    failure: str | None = None
    try:
        for chapter in CHAPTERS:
            chapter(stage, narrator)
    except (NotAsTold, Refused) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted"
    except Exception as error:
        errors.print_exception(show_locals=False)
        failure = f"{type(error).__name__}: {error}"
    finally:
        # A second Ctrl-C must not leave processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stage.clear()
    narrator.write(finished=failure is None)
    told.print()
    if failure:
        errors.print(f"[red]The demo did not go as told: {escape(failure)}[/red]")
        errors.print(f"The record is {narrator.record}; logs are in {stage.logs}.")
        sys.exit(130 if failure == "interrupted" else 1)
    told.print(f"[green]All of it as told, in {narrator.seconds:.0f} seconds.[/green]")
    for path in (*stage.products, narrator.record.resolve()):
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        told.print(f"   {shown}")
    if picture:
        drawn = told.export_svg(title="make demo")
        # The fonts that rich names are on another host; the reader's own will do.
        picture.write_text(re.sub(r"@font-face {.*?}", "", drawn, flags=re.S), encoding="utf-8")


def forget(out: Path) -> None:
    """Remove what a demo before left in `out`, as far as the next would not write over it."""
    for path in (out / "demo.json", out / "demo", out / "door", *out.glob("live_*/")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _recording() -> Console:
    """A console that shows as usual and remembers, without the line that moves."""
    return Console(record=True, width=104, highlight=False, force_interactive=False)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
