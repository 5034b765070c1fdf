"""How often the live board tells two equally good teams apart, and how often its intervals hold.

Two teams and the seasonal naive err on the same months: their errors share a part (what nobody saw
coming) and are autocorrelated, as those of forecasts over several months are. The teams are equally
good. A board that draws single months anew finds a winner among them far too often; blocks of
neighbouring months mend that. Both should be 5 % and 95 %.

    python -m benchmarks.live_round            # 15 minutes on one core
    python -m benchmarks.live_round --rounds 100
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence

from infra.services.competition import ranking
from infra.services.competition.live.scoring import LEAST_BLOCKS, blocks_of, score_of

MONTHS = (9, 12, 18, 24, 36, 60)
#: Autocorrelation from month to month: a new forecast each month; every few months; one for all.
LASTING = (0.3, 0.6, 0.85)
SHARED = 0.6
#: How much more the seasonal naive errs.
NAIVE = 1.2


def lasting(draw: random.Random, months: int, of: float) -> list[float]:
    """An autoregression of first order with unit variance."""
    found = [draw.gauss(0, 1)]
    for _ in range(months - 1):
        found.append(of * found[-1] + math.sqrt(1 - of * of) * draw.gauss(0, 1))
    return found


def one_round(
    seed: int, months: int, of: float, blocks: Sequence[Sequence[int]]
) -> tuple[bool, bool]:
    """Whether the two teams are told apart, and whether the first one's interval holds its true
    score."""
    draw = random.Random(seed)  # noqa: S311
    shared = lasting(draw, months, of)
    errors = [
        [
            abs(math.sqrt(SHARED) * both + math.sqrt(1 - SHARED) * own)
            for both, own in zip(shared, lasting(draw, months, of), strict=True)
        ]
        for _ in range(3)
    ]
    naive = [NAIVE * error for error in errors[2]]
    evidence = {
        name: {
            f"{block[0]:04d}": (
                math.fsum(errors[team][month] for month in block),
                math.fsum(naive[month] for month in block),
            )
            for block in blocks
        }
        for team, name in enumerate(("one", "other"))
    }
    found = ranking.rank(evidence, score_of, "lower", seed=str(seed), scale="ratio")
    own = found.teams["one"]
    return "other" not in own.tied_with, own.score.low <= 1 / NAIVE <= own.score.high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    print(f"{rounds} rounds each; two equally good teams\n")
    print("months  lasting  blocks  | told apart, interval holds  | by single months")
    for months in MONTHS:
        whole = range(months)
        for of in LASTING:
            told = []
            for blocks in (blocks_of(whole), [[month] for month in whole]):
                if len(blocks) < LEAST_BLOCKS:
                    raise SystemExit(f"{months} months are too few")
                found = [one_round(seed, months, of, blocks) for seed in range(rounds)]
                apart, holds = (sum(each) / rounds for each in zip(*found, strict=True))
                told.append(f"{100 * apart:5.1f} %  {100 * holds:5.1f} %")
            count = len(blocks_of(whole))
            print(f"{months:6}  {of:7}  {count:6}  | {told[0]:>26} | {told[1]}", flush=True)


if __name__ == "__main__":
    main()
