"""Tells the demo as it happens, and keeps the record: each step, its seconds, what was checked."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.status import Status
from rich.table import Table


class NotAsTold(Exception):
    """A step of the demo did not go as the demo tells it."""


@dataclass
class Check:
    what: str
    passed: bool
    detail: str = ""


@dataclass
class Step:
    """One step of the story; `check` is how it proves itself."""

    title: str
    narrator: Narrator
    status: Status
    seconds: float = 0.0
    passed: bool = False
    checks: list[Check] = field(default_factory=list)

    def doing(self, what: str) -> None:
        """Say what happens just now, on the line that moves."""
        self.status.update(escape(what[:110]))

    def say(self, what: str) -> None:
        self.show(what)

    def show(self, what: RenderableType) -> None:
        self.narrator.console.print(Padding(what, (0, 0, 0, 3)))

    def check(self, what: str, passed: bool, detail: str = "") -> None:
        """Hold `what` against what happened.

        Raises:
            NotAsTold: if it did not; the demo ends with the step's title and the detail.
        """
        self.checks.append(Check(what, passed, detail))
        mark = "[green]✓[/green]" if passed else "[red]✗[/red]"
        tail = f" [dim]{escape(detail)}[/dim]" if detail else ""
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_row(mark, f"{escape(what)}{tail}")
        self.show(line)
        if not passed:
            raise NotAsTold(f"{self.title}: {what} {detail}".rstrip())


class Narrator:
    """The console's story and `demo.json`."""

    def __init__(self, console: Console, record: Path) -> None:
        self.console = console
        self.record = record
        self.steps: list[Step] = []
        self.began = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        number = len(self.steps) + 1
        self.console.print()
        self.console.print(Rule(f"[bold]{number}. {escape(title)}[/bold]", align="left"))
        began = time.monotonic()
        with self.console.status("") as status:
            step = Step(title, self, status)
            self.steps.append(step)
            try:
                yield step
                step.passed = True
            finally:
                step.seconds = round(time.monotonic() - began, 2)
                self.write()
        self.console.print(f"   [dim]{step.seconds:.1f} s[/dim]")

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 2)

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)

    def write(self, *, finished: bool = False) -> None:
        """Write the record so far; a demo that dies leaves what it knew."""
        document = {
            "finished": finished,
            "passed": finished and self.passed,
            "seconds": self.seconds,
            "python": platform.python_version(),
            "system": platform.system(),
            "steps": [
                {
                    "title": step.title,
                    "passed": step.passed,
                    "seconds": step.seconds,
                    "checks": [vars(check) for check in step.checks],
                }
                for step in self.steps
            ],
        }
        self.record.parent.mkdir(parents=True, exist_ok=True)
        self.record.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
