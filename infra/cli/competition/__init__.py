"""`cohort competition`: what an admin does with a project's competition."""

from __future__ import annotations

import click

from infra.cli.competition import acts, kaggle
from infra.cli.competition.listing import entries
from infra.cli.competition.live import live
from infra.cli.competition.marking import mark
from infra.cli.competition.observe import observe
from infra.cli.competition.rerunning import rerun
from infra.cli.competition.rescoring import rescore


@click.group()
def competition() -> None:
    """A project's competition: its course, its entries, its marks; here and elsewhere.

    \b
    Each of these is recorded with your name and your reason (--why); `log` shows it:
      open, close, extend, reopen     its dates, against the cohort file's
      freeze                          the board stands still; submissions are kept
      disqualify, reinstate           a team, or one entry of it
      recompute                       the board anew from the entries
      mark                            the expert's or the baseline's own entry
      rescore                         every entry anew, after a metric was mended
      rerun                           an entry's training job once more, compared
      live start, live stop, observe  a round of months to come, and what they brought
    The board itself: cohort leaderboard PROJECT. What was entered: entries PROJECT.
    """


for command in (
    *(acts.open_now, acts.freeze, acts.close_now, acts.reopen, acts.extend),
    *(acts.disqualify, acts.reinstate, acts.recompute, acts.log),
    *(entries, mark, rescore, rerun, kaggle.export_to, kaggle.import_from),
    *(live, observe),
):
    competition.add_command(command)
