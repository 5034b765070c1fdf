"""Ranks of a board: seconds beside numpy, and by simulation how often they are right.

    python -m benchmarks.ranking [--teams 100] [--boards 200] [--rounds 3]

Three tables. The time of a board of land-cover, here and by numpy from the same resamples, which
must give the same rank intervals. Simulated boards: how often models that are equally good are not
told apart and have overlapping rank intervals, how often one that is five points better is told
apart, how often the score's interval holds the score on very many scenes. And the attacks: what 500
submissions that carry nothing but chance do to a public score, with the ladder and without it.

numpy and rich are needed, as for the tests.
"""

from __future__ import annotations

import argparse
import platform
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from infra.services.competition import ladder, ranking
from infra.services.competition.projects.land_cover import LandCover
from infra.services.competition.projects.project import Scale

CLASSES = 9
SCORE_OF = LandCover().score_of
#: Label cells of a scene.
CELLS = 9000
Units = dict[str, tuple[int, ...]]


# --- simulated boards -----------------------------------------------------------------------------
@dataclass(frozen=True)
class World:
    """Scenes: cells of each class, few classes having most of them, and how hard each is."""

    cells: Any
    hardness: Any

    @classmethod
    def draw(cls, rng: np.random.Generator, scenes: int) -> World:
        shares = rng.gamma(0.35, 1, (scenes, CLASSES)) + 1e-4
        cells = np.round(CELLS * shares / shares.sum(1, keepdims=True)).astype(int)
        return cls(cells, rng.normal(0, 0.6, cells.shape))

    def model(self, rng: np.random.Generator, skill: float, own: float = 0.5) -> Units:
        """What a model of that skill (log odds of a cell being right) counts; two draws are two
        models that are equally good. `own` is how much they differ in a class of a scene."""
        logit = skill + self.hardness + rng.normal(0, own, self.cells.shape)
        right = rng.binomial(self.cells, 1 / (1 + np.exp(-logit)))
        wrong = self.cells - right
        false = (wrong.sum(1, keepdims=True) - wrong) // (CLASSES - 1)
        counts = np.concatenate([right, right + self.cells + false], axis=1)
        return {f"scene-{at:03}": tuple(map(int, row)) for at, row in enumerate(counts)}


#: Their macro-F1 differs by five points, from about .60 to .65.
SKILL, BETTER_SKILL = 0.5, 0.76


def score(units: Units) -> float:
    return SCORE_OF(ranking.summed(list(units.values())))


def boards(
    count: int,
    scenes: int,
    skills: Sequence[float],
    *,
    replicates: int = ranking.REPLICATES,
    seed: int = 1,
) -> list[dict[str, ranking.Standing]]:
    """The standings of each of `count` boards with one team a skill, `team-0` and so on."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        world = World.draw(rng, scenes)
        teams = {f"team-{at}": world.model(rng, skill) for at, skill in enumerate(skills)}
        ranked = ranking.rank(
            teams, SCORE_OF, "higher", replicates=replicates, seed=str(number), digits=ladder.DIGITS
        )
        found.append(dict(ranked.teams))
    return found


def none_apart(board: Mapping[str, ranking.Standing]) -> bool:
    return all((s.rank_low, s.rank_high) == (1, len(board)) for s in board.values())


def all_tied(board: Mapping[str, ranking.Standing]) -> bool:
    return all(len(standing.tied_with) == len(board) - 1 for standing in board.values())


def told_apart(board: Mapping[str, ranking.Standing]) -> bool:
    """Whether the second of two teams is surely the better one."""
    return (board["team-1"].rank_high, board["team-0"].rank_low) == (1, 2)


def true_score(skill: float, seed: int = 7) -> float:
    rng = np.random.default_rng(seed)
    return score(World.draw(rng, 4000).model(rng, skill))


def share(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


# --- the same by numpy ----------------------------------------------------------------------------
def by_numpy(teams: Mapping[str, Units], seed: str, replicates: int) -> dict[str, tuple[int, int]]:
    """Each team's rank interval, from the resamples that `ranking` draws."""
    names = sorted(teams)
    units = sorted(teams[names[0]])
    counts = np.array([[teams[name][unit] for unit in units] for name in names], float)
    draw = random.Random(seed).random  # noqa: S311
    size = len(units)
    weights = np.zeros((replicates, size))
    for row in weights:
        for _ in range(size):
            row[int(draw() * size)] += 1
    total = counts.sum(1)
    scores = _macro_f1(total)
    moved = _macro_f1(weights @ counts) - scores[:, None]
    without = _macro_f1(total[:, None] - counts)
    most = np.zeros(replicates)
    for at in range(len(names) - 1):
        apart = moved[at + 1 :] - moved[at]
        most = np.maximum(most, (np.abs(apart) / apart.std(1, keepdims=True)).max(0))
    normal = NormalDist()
    quantile = max(normal.inv_cdf(0.975), float(np.quantile(most, 0.95)))
    limit = ranking.student(2 * normal.cdf(-quantile), max(1, (size - 1) // 2))
    apart = without[:, None] - without
    error = np.sqrt((size - 1) / size * ((apart - apart.mean(2, keepdims=True)) ** 2).sum(2))
    shown = np.round(scores, ladder.DIGITS)
    better = (scores[:, None] - scores > limit * error) & (shown[:, None] != shown)
    return {
        name: (1 + int(better[:, at].sum()), len(names) - int(better[at].sum()))
        for at, name in enumerate(names)
    }


def _macro_f1(sums: Any) -> Any:
    right, whole = sums[..., :CLASSES], sums[..., CLASSES:]
    return np.where(whole > 0, 2 * right / np.maximum(whole, 1), 0).mean(-1)


# --- attacks --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Attack:
    """What came of one: gains of the public and of the private score, and moves of the board."""

    public: float
    private: float
    moves: int


class _AsTheyAre:
    """Evidence whose records are the units themselves."""

    unit = "scenes"
    classes: tuple[str, ...] = ()
    bounds = (0.0, 1.0)
    scale: Scale = "difference"

    def units(self, record: Any, part: str) -> Any:
        return record

    def score_of(self, sums: Sequence[float]) -> float:
        return SCORE_OF(sums)

    def classes_of(self, sums: Sequence[float]) -> Mapping[str, float]:
        return {}


def ladder_moves(new: Any, shown: Any) -> bool:
    """Whether an entry with the units `new` takes the place of the one with `shown`."""
    rule = ladder.Ladder("higher", _AsTheyAre())
    return rule.moves(score(new), new, score(shown), shown)


def any_gain_moves(new: Units, shown: Units) -> bool:
    return score(new) > score(shown)


class Maps:
    """Small maps against a simulated truth; a guess is right in three cells of five."""

    def __init__(self, seed: int, *, public: int = 10, private: int = 14, cells: int = 900) -> None:
        self.rng = np.random.default_rng(seed)
        self.public = public
        shares = self.rng.gamma(0.5, 1, (public + private, CLASSES)) + 1e-3
        self.truth = np.stack(
            [self.rng.choice(CLASSES, cells, p=row / row.sum()) for row in shares]
        )

    def guess(self, wrong: float = 0.4) -> Any:
        noise = self.rng.integers(0, CLASSES, self.truth.shape)
        return np.where(self.rng.random(self.truth.shape) < wrong, noise, self.truth)

    def parts(self, maps: Any) -> tuple[Units, Units]:
        units: Units = {}
        for at, (truth, given) in enumerate(zip(self.truth, maps, strict=True)):
            right = np.bincount(truth[truth == given], minlength=CLASSES)
            whole = np.bincount(truth, minlength=CLASSES) + np.bincount(given, minlength=CLASSES)
            units[f"scene-{at:03}"] = (*map(int, right), *map(int, whole))
        names = list(units)
        return (
            {name: units[name] for name in names[: self.public]},
            {name: units[name] for name in names[self.public :]},
        )


def attack(
    seed: int, moves: Callable[[Units, Units], bool], *, climb: bool, tries: int = 500
) -> Attack:
    """So many submissions, of which none is better than the first but by chance.

    Each is a new guess; or, to climb, the best so far with 3 % of its cells guessed anew.
    """
    maps = Maps(seed)
    best = maps.guess()
    first = shown = maps.parts(best)
    moved = 0
    for _ in range(tries):
        new = maps.guess()
        if climb:
            new = np.where(maps.rng.random(new.shape) < 0.03, new, best)
        parts = maps.parts(new)
        if moves(parts[0], shown[0]):
            best, shown, moved = new, parts, moved + 1
    return Attack(
        public=score(shown[0]) - score(first[0]),
        private=score(shown[1]) - score(first[1]),
        moves=moved,
    )


# --- the tables -----------------------------------------------------------------------------------
def speed(console: Console, teams: int, rounds: int) -> None:
    rng = np.random.default_rng(3)
    world = World.draw(rng, 24)
    board = {f"team-{at:03}": world.model(rng, 0.5 + 0.01 * at) for at in range(teams)}
    table = Table(title=f"{teams} teams, {ranking.REPLICATES:,} resamples of 24 scenes")
    for column in ("", "seconds", "times as long as numpy"):
        table.add_column(column, justify="left" if not column else "right")
    ours = numpys = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        ranked = ranking.rank(board, SCORE_OF, "higher", seed="s", digits=ladder.DIGITS)
        ours = min(ours, time.perf_counter() - start)
        start = time.perf_counter()
        expected = by_numpy(board, "s", ranking.REPLICATES)
        numpys = min(numpys, time.perf_counter() - start)
    found = {name: (s.rank_low, s.rank_high) for name, s in ranked.teams.items()}
    table.add_row("standard library", f"{ours:.2f}", f"{ours / numpys:.1f}")
    table.add_row(f"numpy {np.__version__}", f"{numpys:.2f}", "1.0")
    console.print(table)
    console.print("The rank intervals are", "the same." if found == expected else "NOT the same.")


def simulation(console: Console, count: int) -> None:
    table = Table(title="simulated boards")
    for column in (
        "boards",
        "scenes",
        "models",
        "none told apart",
        "all tied",
        "better one told apart",
    ):
        table.add_column(column, justify="right")
    table.add_column("score in its interval", justify="right")
    truth = true_score(SKILL)
    for scenes in (10, 24):
        for models in (2, 10):
            # Small boards are quick, and their shares are those that are promised.
            number = count * 10 // models
            found = boards(number, scenes, [SKILL] * models)
            covered = [s.score.low <= truth <= s.score.high for b in found for s in b.values()]
            figures = [share(list(map(rule, found))) for rule in (none_apart, all_tied)]
            table.add_row(
                str(number),
                str(scenes),
                f"{models} equal",
                *(f"{figure:.3f}" for figure in figures),
                "",
                f"{share(covered):.3f}",
            )
        found = boards(count, scenes, [SKILL, BETTER_SKILL])
        apart = f"{share(list(map(told_apart, found))):.3f}"
        table.add_row(str(count), str(scenes), "2, 5 points apart", "", "", apart, "")
    console.print(table)


def attacks(console: Console, seeds: int = 5) -> None:
    table = Table(title=f"500 submissions, gains in points of macro-F1, mean of {seeds}")
    for column in ("", "", "public", "private", "moves"):
        table.add_column(column, justify="right")
    for climb in (False, True):
        for name, rule in (("any gain", any_gain_moves), ("the ladder", ladder_moves)):
            found = [attack(seed, rule, climb=climb) for seed in range(seeds)]
            table.add_row(
                "hill-climbing" if climb else "random",
                name,
                f"{100 * np.mean([each.public for each in found]):+.2f}",
                f"{100 * np.mean([each.private for each in found]):+.2f}",
                f"{np.mean([each.moves for each in found]):.1f}",
            )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teams", type=int, default=100)
    parser.add_argument("--boards", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    console = Console()
    console.print(f"Python {platform.python_version()}")
    speed(console, settings.teams, settings.rounds)
    simulation(console, settings.boards)
    attacks(console)


if __name__ == "__main__":
    main()
