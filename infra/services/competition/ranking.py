"""How sure is a rank: intervals of scores and ranks from what was counted on each held-out unit.

A unit is a scene or a series. Of each, an entry has a vector of numbers that add up over units; its
score is a function of their sum. Units are what varies, and a difference is judged on what both
did on the same units.

Ranks (M. Mogstad, J. P. Romano, A. M. Shaikh and D. Wilhelm, "Inference for ranks", Review of
Economic Studies 91, 2024, 476-518): one team is told apart from another if |d| / se is beyond the
95 % quantile of the maximum of |d* - d| / se* over all pairs (max-T), so that all such statements
of a board are right together. The quantile is from a paired bootstrap: units are resampled, the
same ones for all teams.

Units are few, and a rare class is on few of these. The bootstrap's error is then too small, its
quantile too near, and its scores lower than the score itself, because resamples lack rare classes.
So each standard error here is the jackknife's (B. Efron and R. J. Tibshirani, "An Introduction to
the Bootstrap", 1993, chapter 11); the quantile is replaced by that of Student's t at the same
probability, with half as many degrees of freedom as units - 1; and intervals are that t times that
error to both sides. `python -m benchmarks.ranking` simulates what this is worth.

A score that is a ratio, such as an error relative to another forecast's, is judged by its
logarithm: half and double are equally far from one, and no interval reaches below nothing.

Pure, of the standard library alone: Lambda has no numpy. Teams are resampled together: the vectors
of all of them for one unit are one large integer, a lane of 64 bits a number, so that a resample of
24 units is 24 additions.
"""

from __future__ import annotations

import math
import operator
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from infra.services.competition.projects.project import Better, Scale, Units

REPLICATES = 1000
CONFIDENCE = 0.95
#: With fewer, intervals are themselves uncertain, and rather too narrow: a board says so.
ENOUGH_UNITS = 24
#: As near to the expert as makes no matter, in points of the score.
NEAR = 0.02

_LANE = 63
#: Below it a difference of scores is rounding.
_NOTHING = 1e-12

ScoreOf = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Interval:
    """What was found, and where it lies with a confidence of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Standing:
    """Where a team stands: its score, and the best and the worst rank that it may have (1 = best).

    `gap_closed` is (team - baseline) / (expert - baseline); None without both, or where the expert
    is not surely better than the baseline. `tied_with` names, sorted, the teams whose rank
    intervals overlap this one's, `better_than` those that it is told apart from as the better one.
    """

    score: Interval
    rank_low: int
    rank_high: int
    tied_with: tuple[str, ...]
    gap_closed: Interval | None = None
    near_expert: bool = False
    better_than: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """Each team's standing, and on how many units it rests."""

    teams: Mapping[str, Standing]
    units: int
    replicates: int

    @property
    def narrow(self) -> bool:
        return self.units < ENOUGH_UNITS


def rank(
    evidence: Mapping[str, Units],
    score_of: ScoreOf,
    better: Better,
    *,
    replicates: int = REPLICATES,
    seed: str,
    baseline: Units | None = None,
    expert: Units | None = None,
    digits: int | None = None,
    scale: Scale = "difference",
) -> Ranking:
    """The standing of each team.

    Args:
        evidence: for each team its vector on each unit; all teams have the same units, two or more,
            and all vectors are of one length.
        score_of: the score of a sum of vectors.
        seed: the same seed gives the same ranking.
        baseline: what a line of that name has on the same units.
        expert: likewise.
        digits: teams whose scores are equal when rounded to so many are not told apart.
        scale: what two scores are compared by. Of a ratio, gap closed and the nearness to the
            expert are by logarithms, too: 2 per cent instead of 2 points.

    Raises:
        ValueError: if the units differ, or are fewer than two.
    """
    teams = sorted(evidence)
    if not teams:
        return Ranking({}, 0, replicates)
    rows = [evidence[team] for team in teams]
    units = sorted(rows[0])
    if any(set(row) != set(units) for row in (*rows, baseline, expert) if row is not None):
        raise ValueError("the teams' units differ")
    if len(units) < 2:
        raise ValueError(f"{len(units)} units; resampling needs two or more")
    sign = 1 if better == "higher" else -1
    judged = judged_by(score_of, scale)

    def scores_of(row: Units) -> _Scores:
        return _Scores.of([row[unit] for unit in units], lambda sums: sign * judged(sums))

    def shown(judgement: float) -> float:
        return math.exp(sign * judgement) if scale == "ratio" else sign * judgement

    # From here on more is better.
    scores = [scores_of(row) for row in rows]
    marks = None if baseline is None else scores_of(baseline)
    best = None if expert is None else scores_of(expert)
    drawn = [
        [sign * value for value in values]
        for values in _bootstrap(rows, units, judged, replicates, seed)
    ]
    better_than = _told_apart(scores, drawn, [shown(each.value) for each in scores], digits)
    lows = [1 + sum(row[at] for row in better_than) for at in range(len(teams))]
    highs = [len(teams) - sum(row) for row in better_than]
    standings = {}
    for at, team in enumerate(teams):
        own = scores[at].interval()
        standings[team] = Standing(
            score=Interval(shown(own.value), *sorted((shown(own.low), shown(own.high)))),
            rank_low=lows[at],
            rank_high=highs[at],
            tied_with=tuple(
                teams[other]
                for other in range(len(teams))
                if other != at and lows[other] <= highs[at] and lows[at] <= highs[other]
            ),
            gap_closed=_gap_closed(scores[at], marks, best),
            near_expert=best is not None and (scores[at] - best).interval().low > -NEAR,
            better_than=tuple(teams[other] for other, is_it in enumerate(better_than[at]) if is_it),
        )
    return Ranking(standings, len(units), replicates)


@dataclass(frozen=True)
class _Scores:
    """A score, or what is made of scores: on all units, and without each of them."""

    value: float
    without: tuple[float, ...]

    @classmethod
    def of(cls, vectors: Sequence[Sequence[float]], score_of: ScoreOf) -> _Scores:
        sums = summed(vectors)
        without = (
            score_of([total - own for total, own in zip(sums, vector, strict=True)])
            for vector in vectors
        )
        return cls(score_of(sums), tuple(without))

    def __sub__(self, other: _Scores) -> _Scores:
        return _Scores(
            self.value - other.value, tuple(map(operator.sub, self.without, other.without))
        )

    def __truediv__(self, other: _Scores) -> _Scores:
        return _Scores(
            self.value / other.value, tuple(map(operator.truediv, self.without, other.without))
        )

    @property
    def error(self) -> float:
        """The jackknife's standard error."""
        count = len(self.without)
        mean = math.fsum(self.without) / count
        return math.sqrt((count - 1) / count * sum((each - mean) ** 2 for each in self.without))

    def interval(self) -> Interval:
        half = student(1 - CONFIDENCE, _freedom(len(self.without))) * self.error
        return Interval(self.value, self.value - half, self.value + half)


def _freedom(units: int) -> int:
    return max(1, (units - 1) // 2)


def summed(vectors: Sequence[Sequence[float]]) -> list[float]:
    """The sum of `vectors`; of whole numbers it is exact, of others exactly rounded."""
    return [
        sum(column) if all(isinstance(each, int) for each in column) else math.fsum(column)
        for column in zip(*vectors, strict=True)
    ]


def judged_by(score_of: ScoreOf, scale: Scale) -> ScoreOf:
    """What scores are compared by: the scores, or their logarithms where they are ratios."""
    if scale == "ratio":
        return lambda sums: math.log(score_of(sums))
    return score_of


def difference(
    one: Units, other: Units, score_of: ScoreOf, scale: Scale = "difference"
) -> tuple[float, float]:
    """How much more `one` scores than `other`, and the jackknife's standard error of that; of
    ratios the difference of their logarithms.

    Raises:
        ValueError: if their units differ, or are fewer than two.
    """
    units = sorted(one)
    if set(other) != set(units) or len(units) < 2:
        raise ValueError("the two must have the same units, two or more")
    judged = judged_by(score_of, scale)
    first, second = (_Scores.of([row[unit] for unit in units], judged) for row in (one, other))
    apart = first - second
    return apart.value, apart.error


def surely_better(
    one: Units,
    other: Units,
    score_of: ScoreOf,
    better: Better,
    *,
    pairs: int,
    scale: Scale = "difference",
) -> bool:
    """Whether `one` is told apart from `other` as the better one, as one of `pairs` statements that
    are right together (Bonferroni): for teams that have units in common and others besides.

    Raises:
        ValueError: as `difference`.
    """
    apart, error = difference(one, other, score_of, scale)
    gain = apart if better == "higher" else -apart
    limit = student((1 - CONFIDENCE) / max(pairs, 1), _freedom(len(one)))
    return gain > limit * error + _NOTHING


def _bootstrap(
    rows: Sequence[Units],
    units: Sequence[str],
    score_of: ScoreOf,
    replicates: int,
    seed: str,
) -> list[list[float]]:
    """For each of `rows` its score on each of `replicates` resamples of the units."""
    width = len(rows[0][units[0]])
    count = len(units)
    whole = all(isinstance(each, int) for row in rows for unit in units for each in row[unit])
    largest = max(abs(each) for row in rows for unit in units for each in row[unit])
    # A lane holds the sum of as many as there are units, above the least of them.
    room = _LANE - 1 - count.bit_length()
    shift = 0 if whole else room - math.frexp(largest or 1.0)[1]
    if whole and int(largest).bit_length() > room:
        raise ValueError(f"a count of {largest} is too large")
    lanes: list[list[int]] = []
    least: list[int] = []
    for row in rows:
        for column in zip(*(row[unit] for unit in units), strict=True):
            lane = [each if whole else round(math.ldexp(each, shift)) for each in column]
            least.append(min(0, *lane) if whole else min(lane))
            lanes.append([each - least[-1] for each in lane])
    layout = struct.Struct(f"<{len(lanes)}Q")
    packed = [int.from_bytes(layout.pack(*unit), "little") for unit in zip(*lanes, strict=True)]
    plain = whole and not any(least)
    # Not a secret: the same board is the same board again.
    draw = random.Random(seed).random  # noqa: S311
    drawn: list[list[float]] = [[] for _ in rows]
    starts = range(0, len(lanes), width)
    for _ in range(replicates):
        total = 0
        for _ in units:
            total += packed[int(draw() * count)]
        sums: Sequence[float] = layout.unpack(total.to_bytes(layout.size, "little"))
        if not plain:
            sums = [
                math.ldexp(lane + count * low, -shift)
                for lane, low in zip(sums, least, strict=True)
            ]
        for values, start in zip(drawn, starts, strict=True):
            values.append(score_of(sums[start : start + width]))
    return drawn


def _told_apart(
    scores: Sequence[_Scores],
    drawn: Sequence[Sequence[float]],
    shown: Sequence[float],
    digits: int | None,
) -> list[list[bool]]:
    """Of each two teams whether the first is surely the better one, of all pairs together; teams
    whose `shown` scores are equal are not."""
    count = len(scores)
    moved = [
        [value - each.value for value in values] for each, values in zip(scores, drawn, strict=True)
    ]
    replicates = len(moved[0])
    most = [0.0] * replicates
    for one in range(count):
        for other in range(one + 1, count):
            apart = list(map(operator.sub, moved[one], moved[other]))
            mean = sum(apart) / replicates
            variance = sum(map(operator.mul, apart, apart)) / replicates - mean * mean
            if variance <= _NOTHING**2:
                continue
            scale = 1 / math.sqrt(variance)
            most = [
                high if high > (this := abs(each) * scale) else this
                for high, each in zip(most, apart, strict=True)
            ]
    # Of many pairs it is further out than of one, whose own is not left to a resample's chance.
    one_pair = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    quantile = max(one_pair, _quantile(sorted(most), CONFIDENCE))
    limit = _student_of_normal(quantile, _freedom(len(scores[0].without)))
    found = [[False] * count for _ in range(count)]
    for one in range(count):
        for other in range(count):
            gain = scores[one].value - scores[other].value
            if gain > _NOTHING and not _same(shown[one], shown[other], digits):
                error = (scores[one] - scores[other]).error
                found[one][other] = gain > limit * error + _NOTHING
    return found


def _same(one: float, other: float, digits: int | None) -> bool:
    return digits is not None and round(one, digits) == round(other, digits)


def _gap_closed(own: _Scores, baseline: _Scores | None, expert: _Scores | None) -> Interval | None:
    if baseline is None or expert is None:
        return None
    gap = expert - baseline
    # Where the gap may be none, what share of it is closed says nothing.
    if gap.interval().low <= _NOTHING or min(gap.without) <= _NOTHING:
        return None
    return ((own - baseline) / gap).interval()


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the values, as numpy's default."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _student_of_normal(limit: float, freedom: int) -> float:
    """The value that |t| stays within as often as a normal variable stays within `limit`."""
    outside = 2 * NormalDist().cdf(-limit)
    return student(max(outside, 1e-12), freedom)


@lru_cache(maxsize=64)
def student(outside: float, freedom: int) -> float:
    """The value beyond which |t| is with probability `outside`, for whole degrees of freedom.

    By bisection of the closed form of M. Abramowitz and I. A. Stegun, "Handbook of Mathematical
    Functions", 1964, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, 1.0
    while 1 - _within(high, freedom) > outside:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if 1 - _within(middle, freedom) > outside:
            low = middle
        else:
            high = middle
    return high


def _within(limit: float, freedom: int) -> float:
    """The probability that |t| is at most `limit`."""
    angle = math.atan(limit / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for step in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (step - 1) / step * cosine * cosine
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
