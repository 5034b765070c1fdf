"""What `cohort prove` costs as a cohort grows: requests, processor time, memory.

    python -m benchmarks.isolation [--learners 4,50,200]

Each size is synthesized once, and proven in a process of its own, so that memory is the proof's.
Beside it stands what one evaluation for each learner would come to: the same proof without sharing
what roles of one shape have in common, as a ratio of processor time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import click
from rich.console import Console
from rich.table import Table

from benchmarks.cohorts import cohort_of
from infra.assurance.isolation import proof as proof_module
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.shapes import Shape
from infra.assurance.templates import Templates
from infra.cli.plan import NO_ACCOUNT, synthesized
from infra.cohort.loading import load

#: The largest cohort that is also proven role by role: it takes that many times as long.
ALONE_UP_TO = 50


@click.command()
@click.option("--learners", default="4,50,200", help="Sizes of the cohort, with commas.")
@click.option("--worker", hidden=True, type=click.Path(path_type=Path))
@click.option("--alone", is_flag=True, hidden=True)
def main(learners: str, worker: Path | None, alone: bool) -> None:
    """See the module."""
    if worker:
        print(json.dumps(_measured(worker, alone)))
        return
    console = Console(width=132)
    table = Table(title="cohort prove (synthesis not counted)")
    for heading in (
        *("learners", "roles", "decided for", "promises", "requests"),
        *("read, s", "catalogue, s", "prove, s", "peak memory, MB", "role by role"),
    ):
        table.add_column(heading, justify="right")
    for size in (int(text) for text in learners.split(",")):
        with console.status(f"{size} learners"), tempfile.TemporaryDirectory() as folder:
            _synthesize(Path(folder), size)
            shared = _run(Path(folder))
            ratio = "-"
            if size <= ALONE_UP_TO:
                each = _run(Path(folder), "--alone")
                ratio = f"{each['prove'] / shared['prove']:.1f} x"
            table.add_row(
                *(str(size), f"{shared['roles']:.0f}", f"{shared['shapes']:.0f}"),
                *(f"{shared['promises']:.0f}", f"{shared['requests']:,.0f}"),
                *(f"{shared[part]:.2f}" for part in ("read", "catalogue", "prove")),
                *(f"{shared['memory']:.0f}", ratio),
            )
    console.print(table)


def _synthesize(folder: Path, size: int) -> None:
    file = cohort_of(folder, size)
    templates = synthesized(load(file), account=NO_ACCOUNT)
    (folder / "templates.json").write_text(json.dumps(templates.stacks, default=dict))


def _run(folder: Path, *more: str) -> dict[str, float]:
    command = (sys.executable, "-m", "benchmarks.isolation", "--worker", str(folder), *more)
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return dict(json.loads(found.stdout))


def _measured(folder: Path, alone: bool) -> dict[str, float]:
    """Processor seconds of each part, of this process alone."""
    [file] = folder.glob("*.yaml")
    cohort = load(file)
    templates = Templates(json.loads((folder / "templates.json").read_text()))
    started = time.process_time()
    world = read(templates, account=NO_ACCOUNT, region=cohort.region)
    after_read = time.process_time()
    catalogue = Catalogue.published()
    after_catalogue = time.process_time()

    def one_each(world_, *, roles=None, **_asked):  # type: ignore[no-untyped-def]
        return tuple(
            Shape(shape.representative, (member,))
            for role in (world_.roles if roles is None else roles)
            for shape in shapes(world_, roles=[role], **_asked)
            for member in shape.members
        )

    shapes = proof_module.shapes
    with mock.patch.object(proof_module, "shapes", one_each if alone else shapes):
        found = proof_module.prove(world, [cohort], catalogue)
    done = time.process_time()
    assert found.holds, [finding.promise.id for finding in found.broken]
    decided_for = max(finding.shapes for finding in found.findings)
    return {
        "roles": len(world.roles),
        "shapes": decided_for,
        "promises": len(found.findings),
        "requests": found.examined,
        "read": after_read - started,
        "catalogue": after_catalogue - after_read,
        "prove": done - after_catalogue,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
