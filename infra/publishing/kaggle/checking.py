"""Runs a written metric.py over written files as Kaggle does, and compares it with our scorer.

Kaggle scores a part at a time: it takes the solution's rows of one Usage, and passes them without
that column. Whether the submission comes with the same rows alone or whole is not documented, so
that both are tried.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from academy.kaggle import ROW_ID

from infra.publishing.kaggle import KaggleError
from infra.publishing.kaggle.tables import Submission, Vault
from infra.services.competition import checking as checks
from infra.services.competition import projects
from infra.services.competition.projects.project import Result

TOLERANCE = 1e-9
PARTS = ("Public", "Private")


@dataclass(frozen=True)
class Compared:
    """One submission on one part: our score, and that of Kaggle's metric."""

    submission: str
    part: str
    ours: float
    kaggle: float

    @property
    def difference(self) -> float:
        return abs(self.ours - self.kaggle)


def metric_of(file: Path) -> Any:
    """The module in a metric.py, from the file as it is."""
    module = types.ModuleType("academy_kaggle_metric")
    # Not imported: that would leave a cache beside it.
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec")
    exec(code, module.__dict__)  # noqa: S102 (it was copied there from this package)
    return module


def kaggle_scores(metric: Any, solution: pd.DataFrame, submission: pd.DataFrame, part: str) -> Any:
    """What the metric says on a part, as Kaggle would ask it.

    Raises
    ------
    KaggleError
        It depends on whether rows of the other part come along.
    """
    rows = solution[solution["Usage"] == part].drop(columns="Usage").reset_index(drop=True)
    own = submission[submission[ROW_ID].isin(rows[ROW_ID])].reset_index(drop=True)
    whole, alone = (metric.score(rows.copy(), given.copy(), ROW_ID) for given in (submission, own))
    if whole != alone:
        raise KaggleError(f"metric.py gives {alone} on the {part} rows and {whole} on all of them")
    return alone


def our_score(project: str, content: bytes, task: bytes, vault: Vault) -> Result:
    """What our checker and our scorer make of a submission, one after the other.

    `task` is the published task.json.

    Raises
    ------
    Fault
        The checker refuses it.
    """
    checked = checks.check(project, "trial", content, task)
    return projects.of(project).score(checked.members, checked.stream(), vault)


def compare(
    project: str, folder: Path, given: Iterable[Submission], task: bytes, vault: Vault
) -> tuple[Compared, ...]:
    """Score each submission with `folder`'s metric.py and solution.csv, and with our scorer.

    A submission in Kaggle's form that ours reads, too, must be the same entry there.

    Raises
    ------
    KaggleError
        The rows of solution and submission differ, or a score does by more than `TOLERANCE`.
    """
    metric = metric_of(folder / "metric.py")
    solution = pd.read_csv(folder / "solution.csv")
    if sorted(solution["Usage"].unique()) != sorted(PARTS):
        raise KaggleError(f"solution.csv has the parts {sorted(solution['Usage'].unique())}")
    found = []
    for each in given:
        scratch = folder / "trial.csv"
        scratch.write_bytes(each.kaggle)
        try:
            submission = pd.read_csv(scratch)
        finally:
            scratch.unlink()
        if set(submission[ROW_ID]) != set(solution[ROW_ID]) or len(submission) != len(solution):
            raise KaggleError(f"{each.name}: its rows are not those of solution.csv")
        ours = our_score(project, each.ours, task, vault)
        _same_entry(project, each, task)
        for part, score in zip(PARTS, (ours.public, ours.private), strict=True):
            theirs = float(kaggle_scores(metric, solution, submission, part))
            found.append(Compared(each.name, part, score, theirs))
    for one in found:
        # Written so that a score that is no number does not pass.
        if not one.difference <= TOLERANCE:
            raise KaggleError(
                f"metric.py gives {one.kaggle!r} for {one.submission} on the {one.part} rows; our "
                f"scorer gives {one.ours!r}"
            )
    return tuple(found)


def _same_entry(project: str, given: Submission, task: bytes) -> None:
    """Run lengths are read by our checker as they are by Kaggle."""
    if project != "land-cover":
        return
    digests = {checks.check(project, "trial", c, task).digest for c in (given.ours, given.kaggle)}
    if len(digests) != 1:
        raise KaggleError(f"{given.name} is another entry as run lengths than as .npz")
