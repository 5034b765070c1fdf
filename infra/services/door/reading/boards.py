"""The competition's boards as the scorer wrote them: a team's place on one, in words and drawn."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from infra.services.competition import wording
from infra.services.competition.plots import Axis, Mark, mark, whisker
from infra.services.competition.projects.project import Better
from infra.services.competition.standings import interval, kind, ranks
from infra.services.door.context import PageContext

#: A board of a hundred teams has some 400 KB.
MAX_BOARD = 5_000_000

#: How the name of a live board ends: as `competition.publishing.live_board` makes it, which would
#: bring the scorer's table along.
LIVE = ".live"

#: What the words about a board that is of no use may fail with.
BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True)
class Place:
    """Where a team stands: the places that chance cannot rule out, and its score."""

    rank: str
    score: str
    first: bool
    tied: int = 0
    #: How far it has come from the baseline to the expert, such as "63 %"; empty if nobody knows.
    gap: str = ""
    #: Among the lines, in words: "past the baseline".
    among: str = ""
    #: The score with its interval, between the lines.
    drawn: Markup = Markup("")  # noqa: RUF009
    submitted: dt.datetime | None = None


@dataclass(frozen=True)
class Line:
    """A fixed line, such as the baseline, drawn where it stands."""

    name: str
    kind: str
    score: str


class Board:
    """A board's document, looked at with care: an earlier version may lack what this asks for."""

    def __init__(self, document: Mapping[str, Any], now: dt.datetime) -> None:
        self.document = dict(document)
        self._now = now
        self.better: Better = document["better"]
        self._final = document.get("final") if document.get("phase") == "closed" else None
        part: Mapping[str, Any] = self._final or document
        self.entries: list[dict[str, Any]] = list(part.get("entries") or ())
        self._lines: list[dict[str, Any]] = list(part.get("lines") or ())
        self._marks = [Mark(float(line["score"]), kind(line)) for line in self._lines]
        self._axis = Axis.over(
            [float(entry["score"]) for entry in self.entries],
            self._marks,
            self.better,
            [end for entry in self.entries for end in interval(entry) or ()],
        )

    @property
    def is_final(self) -> bool:
        return bool(self._final)

    @property
    def phase(self) -> str:
        """before, open, frozen or closed; a board that was written before the close is not asked
        whether it is over."""
        found = str(self.document.get("phase") or "open")
        over = self.closes is not None and self._now >= self.closes
        begun = self.opens is not None and self._now >= self.opens
        if found == "open" and over:
            return "closed"
        return "open" if found == "before" and begun and not over else found

    @property
    def opens(self) -> dt.datetime | None:
        return wording.instant(self.document.get("opens") or None)

    @property
    def closes(self) -> dt.datetime | None:
        return wording.instant(self.document.get("closes") or None)

    @property
    def lines(self) -> list[Line]:
        """The fixed lines, the worst first."""
        found = sorted(self._lines, key=lambda line: self._sign * float(line["score"]))
        return [
            Line(str(each["name"]), kind(each), wording.score(float(each["score"])))
            for each in found
        ]

    @property
    def leaders(self) -> list[str]:
        """The teams that stand first by their score."""
        return [str(entry["team"]) for entry in self.entries if int(entry["rank"]) == 1]

    def place(self, team: str) -> Place | None:
        """Where `team` stands; None if it is not on the board."""
        entry = next((each for each in self.entries if each["team"] == team), None)
        if entry is None:
            return None
        low, high = ranks(entry)
        score = float(entry["score"])
        gap = wording.number((entry.get("gap_closed") or {}).get("value"))
        drawn = whisker(self._axis, self._marks, score, *(interval(entry) or (None, None)))
        return Place(
            rank=f"{low}" if low == high else f"{low}–{high}",
            score=wording.score(score),
            first=low == 1,
            tied=len(entry.get("tied_with") or ()),
            gap="" if gap is None else f"{round(100 * gap)} %",
            among=self._among(score, near=bool(entry.get("near_expert"))),
            drawn=Markup(drawn),  # noqa: S704
            submitted=wording.instant(entry.get("submitted")),
        )

    def rules(self) -> Markup:
        """The lines alone, for a team that is not on the board."""
        if not self._marks:
            return Markup("")
        parts = (mark(self._axis, [], each) for each in self._marks)
        return Markup("".join(parts))  # noqa: S704

    def left_today(self, team: str, limit: int) -> int | None:
        """What `team` may send today still; None where the board does not say."""
        if self.phase != "open":
            return None
        today = self._now.astimezone(dt.UTC).date().isoformat()
        if self.document.get("day") != today:
            return limit
        entry = next((each for each in self.entries if each["team"] == team), None)
        # Who has an entry stands on the board.
        return limit if entry is None else wording.whole(entry.get("left_today"))

    @property
    def _sign(self) -> float:
        return 1.0 if self.better == "higher" else -1.0

    def _among(self, score: float, *, near: bool) -> str:
        """Which of the baseline and the expert it has passed."""
        passed = {
            each.kind for each in self._marks if self._sign * score >= self._sign * each.score
        }
        known = {each.kind for each in self._marks}
        if "expert" in passed:
            return "at or past the expert"
        if near:
            return "near or equal to the expert"
        if "baseline" in passed:
            return "past the baseline"
        return "below the baseline" if "baseline" in known else ""


def read(ctx: PageContext, name: str) -> Board | None:
    """The board of a project, or its live one by its name with LIVE; None if there is none yet."""
    stored = ctx.cloud.site(f"boards/{name}.json", MAX_BOARD)
    if stored is None or not stored.whole:
        return None
    try:
        document = json.loads(stored.content)
        return Board(document, ctx.now)
    except BROKEN:
        return None


def project_of(ctx: PageContext, name: str) -> tuple[str, bool] | None:
    """The project that a board's name is of, and whether it is the live one; None if it is none of
    this cohort's."""
    for project in ctx.competition.projects:
        if name == project:
            return project, False
        if name == f"{project}{LIVE}":
            return project, True
    return None
