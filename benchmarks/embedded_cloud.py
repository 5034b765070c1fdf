"""How long the embedded cloud takes to be there, to take a cohort, and how much memory it needs.

    python -m benchmarks.embedded_cloud [--learners 4,50,200] [--concurrency 4]

For each size a cloud of its own is started as `cohort offline up` does, bootstrapped, and given a
whole cohort (teams of two, a Studio domain each learner) by the pinned, unmodified CDK CLI. Then
the same is deployed again without changes, and destroyed. Synthesis is timed apart from deployment,
because the embedded cloud has no part in it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import click
from rich.console import Console
from rich.table import Table

from benchmarks.cohorts import cohort_of
from infra.cli.demo.stage import Stage


@click.command()
@click.option("--learners", default="4,50,200", help="Sizes of the cohort, with commas.")
@click.option("--concurrency", default=4, help="Stacks that the CDK CLI deploys at once.")
def main(learners: str, concurrency: int) -> None:
    """See the module."""
    console = Console()
    table = Table(title="the embedded cloud, seconds")
    for heading in (
        *("learners", "stacks", "resources", "ready", "synth", "deploy"),
        *("again", "destroy", "peak memory, MiB"),
    ):
        table.add_column(heading, justify="right")
    for size in (int(text) for text in learners.split(",")):
        with console.status(f"{size} learners"):
            table.add_row(str(size), *_measured(size, concurrency))
    console.print(table)


def _measured(size: int, concurrency: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), keep=False)
        try:
            stage.__dict__["cohort_file"] = cohort_of(Path(folder), size)
            return _life(stage, concurrency)
        finally:
            stage.clear()


def _life(stage: Stage, concurrency: int) -> list[str]:
    ready = _seconds(stage.start_cloud)
    stage.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", told=_silent)
    out = str(stage.logs / "cdk.out")
    context = ("-c", f"cohort={stage.cohort_file}")
    synth = _seconds(lambda: stage.cdk("synth", "--quiet", *context, "--output", out, told=_silent))
    assembly = ("--all", "--app", out)
    deploying = ("deploy", *assembly, "--require-approval", "never")
    at_once = ("--concurrency", str(concurrency))
    deploy = _seconds(lambda: stage.cdk(*deploying, *at_once, told=_silent))
    formation = boto3.client("cloudformation")
    stacks = [
        stack["StackName"]
        for page in formation.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if stack["StackName"] != "CDKToolkit"
    ]
    resources = sum(
        len(page["StackResourceSummaries"])
        for name in stacks
        for page in formation.get_paginator("list_stack_resources").paginate(StackName=name)
    )
    again = _seconds(lambda: stage.cdk(*deploying, *at_once, told=_silent))
    destroy = _seconds(lambda: stage.cdk("destroy", *assembly, "--force", *at_once, told=_silent))
    peak = _peak_mib(stage.cloud_pid)
    times = (f"{seconds:.1f}" for seconds in (ready, synth, deploy, again, destroy))
    return [str(len(stacks)), str(resources), *times, f"{peak:.0f}"]


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _peak_mib(pid: int) -> float:
    """The most memory that a process has held, without its children (Linux, proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _silent(_line: str) -> None:
    pass


if __name__ == "__main__":
    main()
