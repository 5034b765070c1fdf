"""Writes a folder with everything that a community competition on Kaggle needs.

::

    data/                        what participants download: the published data, and the sample
    solution.csv                 THE HELD-OUT ANSWERS; readable by its owner alone
    sample_submission.csv        a complete submission
    metric.py                    the score, by Kaggle's contract
    description.md  rules.md     the pages
    competition-metadata.json    for `kaggle competitions create`
    settings.json                for `kaggle competitions settings update`
    README.md                    the commands, one after the other

All or nothing: it is made beside its place, checked, and moved there at the end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from academy import datasets
from academy.errors import DatasetError, SubmissionError

from infra.publishing.kaggle import KaggleError, pages
from infra.publishing.kaggle.checking import Compared, compare
from infra.publishing.kaggle.tables import Vault, build
from infra.publishing.templates import folder_of
from infra.services.competition.problems import Fault, Misconfigured

METRICS = Path(__file__).with_name("metrics")
SOLUTION = "solution.csv"
SAMPLE = "sample_submission.csv"

#: Brings the published data into a folder.
Fetch = Callable[[Path], None]


@dataclass(frozen=True)
class Exported:
    """What was written, and that the metric agrees with our scorer."""

    folder: Path
    solution: Path
    compared: tuple[Compared, ...]


def export(competition: pages.Competition, folder: Path, fetch: Fetch, vault: Vault) -> Exported:
    """Write the competition to `folder`, which must not be there yet or be empty.

    Parameters
    ----------
    fetch
        Brings the project's published data into the folder that it is given.
    vault
        Gives the project's answers, by their names.

    Raises
    ------
    KaggleError
        `folder` has something in it, data and answers do not belong together, or the metric and
        our scorer disagree. Nothing is left behind then.
    """
    folder = folder.absolute()
    taken = folder.is_symlink() or (folder.exists() and not folder.is_dir())
    if taken or (folder.is_dir() and any(folder.iterdir())):
        raise KaggleError(f"{folder} is taken: name a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Of mode 0700, beside its place: answers are never where others could read them.
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        compared = _write(competition, scratch, fetch, vault)
        os.replace(scratch, folder)
    except (DatasetError, SubmissionError, Fault, Misconfigured) as error:
        raise KaggleError(str(error)) from None
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)
    return Exported(folder, folder / SOLUTION, compared)


def _write(
    competition: pages.Competition, folder: Path, fetch: Fetch, vault: Vault
) -> tuple[Compared, ...]:
    data = folder / "data"
    data.mkdir()
    fetch(data)
    if not (data / "task.json").is_file():
        raise KaggleError(f"nothing is published for {competition.project}: run cohort publish")
    opened = datasets.opened(competition.project, data)
    tables = build(opened, vault)
    # git passes over the whole folder: an answer in a history is there for good.
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    _write_secret(folder / SOLUTION, tables.solution)
    # In Kaggle's form, and instead of ours where the project has one.
    for place in (folder / SAMPLE, data / SAMPLE):
        place.write_bytes(tables.sample.kaggle)
    metric = METRICS / f"{folder_of(competition.project)}.py"
    shutil.copyfile(metric, folder / "metric.py")
    compared = compare(
        competition.project,
        folder,
        (tables.sample, tables.trial),
        (data / "task.json").read_bytes(),
        vault,
    )
    for name, text in pages.written(competition, compared).items():
        (folder / name).write_text(text, encoding="utf-8")
    return compared


def _write_secret(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        # The mode above is less whatever the umask takes away.
        os.fchmod(opened.fileno(), 0o600)
        opened.write(content)
