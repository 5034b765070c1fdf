"""The Deep Learning Academy, for learners: ``import academy`` is the only thing to know.

>>> import academy
>>> academy.connect()                                    # doctest: +SKIP
Hello ana!
>>> data = academy.dataset("land-cover")                 # doctest: +SKIP
>>> job = academy.train("train.py", hours=0.5)           # doctest: +SKIP
>>> academy.submit("land-cover", "predictions.npz")      # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from academy.errors import (
    AcademyError,
    CloudError,
    DatasetError,
    JobFailed,
    NotInAWorkspace,
    Refused,
    SourceError,
    SubmissionError,
)

if TYPE_CHECKING:
    # At run time only when used: a training container needs none of it to start a script.
    from academy.advising import Look, Teams
    from academy.board import Budget, Leaderboard
    from academy.connection import Connection
    from academy.datasets import Dataset
    from academy.jobs import Job
    from academy.land_cover.project import LandCover
    from academy.live import LiveRound
    from academy.live_board import LiveBoard
    from academy.receipts import Entries, Receipt
    from academy.showing import Page

__version__ = "0.1.0"

__all__ = [
    "AcademyError",
    "CloudError",
    "DatasetError",
    "JobFailed",
    "NotInAWorkspace",
    "Refused",
    "SourceError",
    "SubmissionError",
    "attach",
    "budget",
    "connect",
    "dataset",
    "entries",
    "leaderboard",
    "live_round",
    "look",
    "read",
    "sagemaker_session",
    "select",
    "share",
    "stay",
    "submit",
    "teams",
    "train",
]


def connect() -> Connection:
    """Your connection to the academy: who you are, your team, your budget.

    It is made once; the functions below use it.

    Raises
    ------
    NotInAWorkspace
        This is not a space of the academy, and ACADEMY_WORKSPACE names none.
    """
    from academy import connection

    return connection.connect()


@overload
def dataset(project: Literal["land-cover"]) -> LandCover: ...


@overload
def dataset(project: Literal["climate-series"]) -> Dataset: ...


@overload
def dataset(project: str | None = None) -> Dataset | LandCover: ...


def dataset(project: str | None = None) -> Dataset | LandCover:
    """A project's data on this machine; downloaded once, then only what changed.

    Parameters
    ----------
    project
        Such as ``land-cover``. May be left out in the project's own folder, or if the cohort has
        one project.

    Returns
    -------
    LandCover
        For ``land-cover``: with ``.folder``, ``.task``, ``.train``, ``.held_out``, ``.split()``.
    Dataset
        For ``climate-series``: with ``.folder``, ``.task``, ``.history``,
        ``.sample_submission``, ``.practice``, and open records in ``.panel``.

    Raises
    ------
    DatasetError
        There is no such project, or nothing is published for it.
    """
    return connect().dataset(project)


def train(
    script: str | Path,
    *,
    project: str | None = None,
    instance: str | None = None,
    hours: float = 1,
    hyperparameters: Mapping[str, Any] | None = None,
    source: str | Path | None = None,
    where: str = "cloud",
    wait: bool = True,
) -> Job:
    """Runs a training script, on a machine of its own or here.

    The script finds its data in the folder SM_CHANNEL_DATA, gets hyperparameters as
    ``--name=value``, and saves its model to SM_MODEL_DIR and all else to SM_OUTPUT_DATA_DIR;
    these are environment variables. A ``metrics.json`` there becomes ``job.metrics``.

    Parameters
    ----------
    script
        Path of the script.
    project
        Whose data it gets. May be left out in the project's own folder, or if the cohort has one
        project.
    instance
        Machine type, such as ``ml.m5.large``; the cohort's first by default. Not used here.
    hours
        The longest it may run. Your budget reserves what that costs, and gets back the rest.
    hyperparameters
        Numbers, texts, True or False by name.
    source
        The folder that is sent along; the script's own folder by default. If given, `script` is
        relative to it.
    where
        ``cloud`` for a training job; ``here`` to run the same on this machine, at no extra cost.
    wait
        Whether to follow it to its end.

    Raises
    ------
    Refused
        The budget, the dates or the cohort's limits do not allow it.
    SourceError
        The script or its folder cannot be sent.
    JobFailed
        The script failed; only with `wait`.
    """
    return connect().train(
        script,
        project=project,
        instance=instance,
        hours=hours,
        hyperparameters=hyperparameters,
        source=source,
        where=where,
        wait=wait,
    )


def attach(job: str) -> Job:
    """A training job of your team by its name, to follow it, stop it or take its model.

    Advisors attach to any team's, for its status and log.
    """
    return connect().attach(job)


def sagemaker_session(project: str | None = None) -> Any:
    """A session for SageMaker's own Python SDK, version 3, whose jobs are yours.

    Give it to ``ModelTrainer``. What the SDK uploads goes to your team's folder, and its
    training jobs through the academy: on the same machines, within the same budget. A member of
    the SDK's request that the academy does not grant is refused by its name.

    >>> session = academy.sagemaker_session("land-cover")               # doctest: +SKIP
    >>> trainer = ModelTrainer(                                         # doctest: +SKIP
    ...     training_image=session.academy_training_image,
    ...     source_code=SourceCode(source_dir="src", entry_script="train.py"),
    ...     compute=Compute(instance_type="ml.m5.large", instance_count=1),
    ...     sagemaker_session=session,
    ... )
    >>> trainer.train()                                                 # doctest: +SKIP

    The whole example, with its imports, data and how to install the SDK, is in the README of
    this library (project_templates/academy/README.md).

    Parameters
    ----------
    project
        On whose image its jobs run. May be left out in the project's own folder, or if the cohort
        has one project.

    Returns
    -------
    sagemaker.core.helper.session_helper.Session
        With three attributes more: ``academy_training_image`` for ``training_image``,
        ``academy_data``, where the project's data lie, for ``data_source`` of an ``InputData``, and
        ``academy_role``, which the SDK finds by itself.

    Raises
    ------
    AcademyError
        The package ``sagemaker`` is not installed.
    Refused
        By ``train()``: the budget, the dates or the cohort's limits do not allow the job.
    """
    return connect().sagemaker_session(project)


def submit(
    project: str,
    predictions: Any,
    note: str = "",
    *,
    job: Job | str | None = None,
    wait_seconds: float = 120,
    to: str = "academy",
    live: bool = False,
) -> Receipt:
    """Sends predictions to be scored against what nobody has: held-out labels, months to come.

    Parameters
    ----------
    project
        Such as ``land-cover``.
    predictions
        For ``land-cover``: a dictionary scene -> uint8 array of classes 0 to 8 on the scene's
        label grid, for each scene of ``data.held_out``; or the path of an .npz file that
        ``np.savez_compressed(path, **predictions)`` wrote; or runs of cells with the columns row_id
        and rle, as for Kaggle, as the path of a CSV file or a table.

        For ``climate-series``: the path of a CSV or Parquet file with the columns series, step,
        value; or a dictionary series -> values over the horizon; or a table or list of such rows.
        With quantiles, 19 columns more, ``0.05``, ``0.1``, … ``0.95``: value may then be left out,
        and is the median. In a dictionary a series has an array of shape (horizon, 19), or such
        columns by name.
    note
        For the board: what this is, up to 200 characters.
    job
        The job that made it, if one did: receipt and board then show it, and the image it ran on.
    wait_seconds
        How long to wait for the scorer.
    to
        ``academy``; or ``kaggle:<competition>`` to send the same predictions to a competition on
        Kaggle, by the last part of its address, through the package ``kaggle``, which you install
        and log in to. ``kaggle`` alone is the competition that the package is configured with.
    live
        True sends a forecast of the months to come to the project's live round: as for
        ``climate-series``, but with the round's series, its horizon from next month on, and in
        files and tables a column month (``2026-12``) in the place of step. It is sealed: the
        receipt has its hash and salt, and of each month your team's last forecast from before it
        begins counts. `academy.live_round` shows what is forecast.

    Raises
    ------
    SubmissionError
        The predictions are not complete or cannot be scored, or the package ``kaggle`` is missing
        or not logged in; nothing was sent.
    CloudError
        Kaggle could not be reached, or refused.
    """
    return connect().submit(
        project, predictions, note, job=job, wait_seconds=wait_seconds, to=to, live=live
    )


def live_round(project: str | None = None) -> LiveRound | None:
    """The project's live round: which series are forecast, and what is known of them by now.

    None if it has none. ``.known`` has each series' values up to the last that was published,
    ``.months()`` the months that a forecast must have, ``.open`` whether it takes any.

    Parameters
    ----------
    project
        May be left out in the project's own folder, or if the cohort has one project.
    """
    return connect().live_round(project)


def entries(project: str | None = None, *, limit: int = 50) -> Entries:
    """What your team has sent, the newest first, with what became of each; it shows as a table.

    Parameters
    ----------
    project
        May be left out in the project's own folder, or if the cohort has one project.
    limit
        How many of the newest to read.
    """
    return connect().entries(project, limit=limit)


def select(project: str, *entries: Receipt | str, wait_seconds: float = 60) -> Receipt:
    """Chooses the entries of your team that count at the close; until then the last choice holds.

    Without a choice, or beside a choice of one, the best public scores count. Of the two the better
    one on the private part is your team's result.

    Parameters
    ----------
    project
        Such as ``land-cover``.
    entries
        One or two: receipts, names of submissions, or ids as `academy.entries` shows them.
    wait_seconds
        How long to wait for the receipt.

    Raises
    ------
    SubmissionError
        These are no entries of your team that can be chosen; nothing was sent.
    """
    return connect().select(project, *entries, wait_seconds=wait_seconds)


@overload
def leaderboard(project: str | None = None, *, live: Literal[False] = False) -> Leaderboard: ...


@overload
def leaderboard(project: str | None = None, *, live: Literal[True]) -> LiveBoard: ...


def leaderboard(project: str | None = None, *, live: bool = False) -> Leaderboard | LiveBoard:
    """The project's board: each team's shown public score, between fixed lines; after the close
    the result on the private part, too.

    Its ``link`` opens the board's page in a browser, for one hour; in a notebook it stands below
    the table.

    Parameters
    ----------
    project
        May be left out in the project's own folder, or if the cohort has one project.
    live
        True for the board of its live round: scores on the months that have come since.
    """
    return connect().live_board(project) if live else connect().leaderboard(project)


def share(file: str | Path) -> str:
    """Shows a file to your team and your advisors: a notebook that you are stuck in, a figure.

    It is copied as it is saved now; sharing it again replaces it. Gives its path in the team's
    folder, which you can send to whom you ask.

    Raises
    ------
    SourceError
        There is no such file, or it is too large.
    """
    return connect().share(file)


def teams() -> Teams:
    """For advisors: how every team is. Last submissions, the board's scores, jobs and GPU hours.

    It shows as a table; each of its rows is a dictionary.
    """
    return connect().teams()


def look(team: str) -> Look:
    """For advisors: what a team has. Its entries, jobs and files, the newest first.

    Raises
    ------
    SourceError
        There is no such team.
    """
    return connect().look(team)


def read(team: str, path: str) -> Page:
    """For advisors: shows a file of a team's folder, and runs nothing that is in it.

    A notebook is shown as its code, words, texts and pictures. A path may lead into an archive,
    such as the code of a job: ``code/…/source.tar.gz`` lists it, ``code/…/source.tar.gz/train.py``
    shows one of its files. The page is also kept in your folder ``teams``.

    Parameters
    ----------
    team
        Its id, as ``academy.teams()`` shows it.
    path
        As ``academy.look(team)`` shows it.

    Raises
    ------
    SourceError
        There is no such file, or it is not opened: it is neither a notebook nor text nor a
        picture, or too large.
    """
    return connect().read(team, path)


def budget() -> Budget:
    """What you may still spend, what runs, what it may still cost and when it ends.

    In a notebook it shows as a bar. What runs holds the most that it can cost; the rest comes back
    when it ends.
    """
    return connect().budget()


def stay(hours: float) -> str:
    """Keeps your space open for this many hours from now; gives the time it will close, UTC.

    Your budget holds what the longer time can cost. A space that is due later stays as it is.

    Raises
    ------
    Refused
        The budget, the dates or the cohort's limit do not allow it.
    """
    return connect().stay(hours)
