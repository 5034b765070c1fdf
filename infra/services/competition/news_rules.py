"""News as data: which kinds there are, how often each may come, and in what words.

Words in braces are filled in by `news`, which has made them inert before. Money is never among
them: it is between a learner, the advisors and the admin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "final",
    "closing",
    "opened",
    "extended",
    "frozen",
    "near-expert",
    "leader",
    "baseline",
    "digest",
]

#: Of a project in one day (UTC), all kinds together.
A_DAY = 5
#: The digest comes with the first board after this hour (UTC).
DIGEST_HOUR = 7
#: So many days before the close it is told that it comes; each once.
CLOSING_DAYS = (7, 1)


@dataclass(frozen=True)
class Rule:
    """One piece of news.

    `up_to` is the day's place that it may still take, of `A_DAY`: what must get through has places
    that nothing else takes. `a_day` limits its kind. Lower `priority` goes first.
    """

    kind: Kind
    priority: int
    a_day: int
    up_to: int
    title: str
    lines: tuple[str, ...]
    steps: tuple[str, ...] = ()


_BOARD = 'See the board: academy.leaderboard("{project}") in your notebook'
_SELECT = (
    'Choose the two entries that count: academy.select("{project}", …); without a choice your '
    "best two public scores count"
)

RULES: dict[str, Rule] = {
    "final": Rule(
        "final",
        0,
        2,
        A_DAY,
        "{project}: the final result",
        ("{winner} with {score} on the private part{tied}.", "{others}", "{explained}"),
        (_BOARD,),
    ),
    "final-changed": Rule(
        "final",
        0,
        2,
        A_DAY,
        "{project}: the final result has changed",
        ("{winner} with {score} on the private part{tied}.", "{others}", "The board says why."),
        (_BOARD,),
    ),
    "final-empty": Rule(
        "final",
        0,
        2,
        A_DAY,
        "{project} is closed",
        ("It closed on {closes}, without an entry that counts.",),
    ),
    "closing": Rule(
        "closing",
        1,
        1,
        A_DAY - 1,
        "{project} closes in {left}",
        ("Submissions that arrive before {closes} count.", "{standing}"),
        (_SELECT, _BOARD),
    ),
    "opened": Rule(
        "opened",
        2,
        2,
        A_DAY - 2,
        "{project} is open",
        ("Submissions count from now until {closes}. Each team has {limit} a day (UTC).",),
        ('Send predictions: academy.submit("{project}", predictions, note="…")',),
    ),
    "resumed": Rule(
        "opened",
        2,
        2,
        A_DAY - 1,
        "{project} goes on",
        ("What was sent meanwhile was kept and is being scored. It closes on {closes}.",),
        (_BOARD,),
    ),
    "reopened": Rule(
        "opened",
        2,
        2,
        A_DAY - 1,
        "{project} is open again",
        ("Submissions count again until {closes}.",),
        (_BOARD,),
    ),
    "extended": Rule(
        "extended",
        2,
        1,
        A_DAY - 1,
        "{project} closes later",
        ("It now closes on {closes}, not on {before}.",),
        (_BOARD,),
    ),
    "shortened": Rule(
        "extended",
        2,
        1,
        A_DAY - 1,
        "{project} closes earlier",
        ("It now closes on {closes}, not on {before}.",),
        (_SELECT,),
    ),
    "frozen": Rule(
        "frozen",
        2,
        2,
        A_DAY - 2,
        "{project} is paused",
        (
            "Submissions are kept and scored when it goes on; the board stands still until then.",
            "{reason}",
        ),
    ),
    "near-expert": Rule(
        "near-expert",
        3,
        2,
        A_DAY - 2,
        "{project}: as good as the expert",
        ("{teams} came near the expert, or equal to it ({expert}).",),
        (_BOARD,),
    ),
    "leader": Rule(
        "leader",
        4,
        2,
        A_DAY - 2,
        "{project}: {team} leads",
        ("{team} leads with {score}{tied}{after}.", "{note}"),
        (_BOARD,),
    ),
    "first": Rule(
        "leader",
        4,
        2,
        A_DAY - 2,
        "{project}: the first entry",
        ("{team} is the first on the board, with {score}.", "{note}"),
        (_BOARD,),
    ),
    "baseline": Rule(
        "baseline",
        5,
        2,
        A_DAY - 2,
        "{project}: past the baseline",
        ("{teams} passed the baseline ({baseline}).",),
        (_BOARD,),
    ),
    "digest": Rule(
        "digest",
        6,
        1,
        A_DAY - 2,
        "{project} since {since}",
        ("{entries} by {teams}.", "{moved}", "{standing}", "{course}"),
        (_BOARD,),
    ),
}
