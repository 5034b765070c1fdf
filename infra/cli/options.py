"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

cohort_file = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    default=Path("cohorts/example.yaml"),
    show_default=True,
    envvar="COHORT_FILE",
    help="The cohort file (or set COHORT_FILE).",
)
