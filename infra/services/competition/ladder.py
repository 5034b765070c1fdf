"""The public score that a team is shown: it moves only on a gain beyond noise.

Whoever may ask hundreds of times after one held-out set can climb on its noise alone. The Ladder
(A. Blum and M. Hardt, "The Ladder: a reliable leaderboard for machine learning competitions", 2015,
https://arxiv.org/abs/1502.04585) answers only what is new: a submission that is not better than the
best one shown, by more than the standard error of their difference allows, is told just that. Here
the error is the jackknife's over units (scenes or series), which both were scored on, and a gain
must be one that noise reaches in 5 of 100 tries. A gain on one unit alone is never enough: its
error is as large as itself. One on all units alike has no error at all; so that nobody descends in
a thousand small steps and reads the answers off them, a gain must also be worth being told.

Every entry is kept with its true scores, and the final is decided by those.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.services.competition.projects.project import Better, Evidence, Scale
from infra.services.competition.ranking import difference, student

#: Digits that a public score is shown with.
DIGITS = 3
#: How often noise alone moves the shown score, at a try.
BY_CHANCE = 0.05
#: The least gain that is told: half a point of a score, or a ratio better by about a twentieth.
LEAST_GAIN: dict[Scale, float] = {"difference": 0.005, "ratio": 0.05}
#: Below it a difference of scores is rounding.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Ladder:
    """A project's rule for what moves a shown score."""

    better: Better
    evidence: Evidence | None = None

    def moves(self, score: float, record: bytes, shown: float, shown_record: bytes) -> bool:
        """Whether an entry with this public score and record takes the place of the shown one.

        An entry from before records were kept has no error; then any gain that is seen counts.
        """
        gain = round(score, DIGITS) - round(shown, DIGITS)
        if (gain if self.better == "higher" else -gain) <= 0:
            return False
        if self.evidence is None:
            return True
        new, old = (self.evidence.units(each, "public") for each in (record, shown_record))
        if len(new) < 2 or set(new) != set(old):
            return True
        apart, error = difference(new, old, self.evidence.score_of, self.evidence.scale)
        limit = student(2 * BY_CHANCE, len(new) - 1)
        needed = max(limit * error, LEAST_GAIN[self.evidence.scale])
        return (apart if self.better == "higher" else -apart) > needed + _NOTHING
