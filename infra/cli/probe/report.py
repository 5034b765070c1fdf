"""How the probe speaks: what it would do, what came of it, what is left to people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from infra.cli.probe.budget import Budget, bound
from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Question, Verdict
from infra.cli.probe.questions import BY_HAND
from infra.cli.probe.run import Outcome, wanted_of
from infra.cli.probe.shared import SHARED
from infra.cli.terminal import console, usd
from infra.cohort.prices import UnknownPrice

_COLOURS = {
    Verdict.CONFIRMED: "green",
    Verdict.CONTRADICTED: "red",
    Verdict.UNTOLD: "yellow",
    Verdict.SKIPPED: "dim",
}


def plan(questions: list[Question], *, account: str, region: str, image: str | None) -> None:
    """What a run would do, and that nothing was done."""
    budget = Budget(region)
    minutes, shared = 0, set()
    for question in questions:
        short = _short(budget, question, image)
        minutes += 0 if short else question.minutes
        if not short:
            shared |= set(question.uses)
        price = f"at most {usd(_bound(question.costs, region))}, {question.minutes} min"
        console.print(f"[bold]{question.id}[/bold] (line {question.item}): {short or price}")
        console.print(f"    {escape(question.asks)}")
        console.print(f"    [dim]{escape(question.how)}[/dim]")
        makes = ", ".join((*question.makes, *(f"({each})" for each in question.uses)))
        console.print(f"    [dim]makes: {escape(makes or 'nothing')}[/dim]")
        for cost, count in Counter(question.costs).items():
            times = f"{count} times " if count > 1 else ""
            console.print(f"    [dim]costs: {escape(f'{times}{cost.what}: {cost.why}')}[/dim]")
    for name in (each for each in SHARED if each in shared):
        made = SHARED[name]
        minutes += made.minutes
        console.print(
            f"({name}) is shared: {', '.join(made.makes)}; at most "
            f"{usd(_bound(made.costs, region))}, {made.minutes} min"
        )
    console.print(
        f"\nAt most [bold]{usd(budget.total)}[/bold] of a cap of {usd(budget.cap)}, which is "
        "reserved step by step before anything starts. If all goes as it should, it is some cents."
    )
    console.print(f"About {minutes} minutes. All of it is named academy-probe-… and removed.")
    _by_hand()
    console.print("\nThe credentials need no more than the policy that --policy-only prints.")
    console.print(
        f"Nothing was called. Add --yes to ask account {account}, {region}.", soft_wrap=True
    )


def _short(budget: Budget, question: Question, image: str | None) -> str | None:
    if question.image and image is None:
        return "needs --image"
    short = budget.reserve(wanted_of(question))
    return f"skipped: {short}" if short else None


def _bound(costs: Any, region: str) -> int:
    try:
        return bound(costs, region)
    except UnknownPrice:
        return 0


def _by_hand() -> None:
    console.print("\nBy hand, as no program can ask it for little money:")
    for each in BY_HAND:
        console.print(f"  {each.item:>2}  [bold]{escape(each.what)}[/bold]: {escape(each.how)}")


def result(outcome: Outcome, budget: Budget, probe: Probe, folder: Path) -> None:
    """What came of a run: to the terminal, and as report.json beside the transcripts."""
    table = Table("question", "line", "verdict", "because")
    for each in outcome.asked:
        verdict = each.answer.verdict
        colour = _COLOURS[verdict]
        table.add_row(
            each.question.id,
            str(each.question.item),
            f"[{colour}]{verdict}[/{colour}]",
            escape(each.answer.said),
        )
    console.print(table)
    counts = {verdict: _count(outcome, verdict) for verdict in Verdict}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    spent = "; nothing was spent there" if probe.source == "embedded" else ""
    console.print(f"At most {usd(budget.total)} of {usd(budget.cap)} were reserved{spent}.")
    if outcome.left:
        console.print("[red]This could not be removed:[/red]")
        for line in outcome.left:
            console.print(f"  {escape(line)}", soft_wrap=True)
        console.print("Run `cohort probe --clean` until nothing is left.")
    else:
        console.print("Everything that was made is removed.")
    console.print(
        f"Transcripts: {folder}. Names, addresses and keys are replaced; read them before you "
        "share them.",
        soft_wrap=True,
    )
    _write(outcome, probe, folder)


def _count(outcome: Outcome, verdict: Verdict) -> int:
    return sum(each.answer.verdict == verdict for each in outcome.asked)


def _write(outcome: Outcome, probe: Probe, folder: Path) -> None:
    document = {
        "source": probe.source,
        "region": probe.region,
        "answers": [
            {
                "question": each.question.id,
                "item": each.question.item,
                "asks": each.question.asks,
                "verdict": str(each.answer.verdict),
                "said": each.answer.said,
            }
            for each in outcome.asked
        ],
        "left": outcome.left,
    }
    document = probe.recorder.scrubbed(document)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")


def leftovers(lines: Iterable[tuple[Path, list[str]]]) -> int:
    """What records say may still be there; returns how much that is."""
    total = 0
    for path, standing in lines:
        console.print(f"{path.parent}: {len(standing)} to look for", soft_wrap=True)
        for line in standing:
            console.print(f"  {escape(line)}", soft_wrap=True)
        total += len(standing)
    return total
