"""What an entry's training took: dollars by the price list, and GPU hours.

Both are for comparing entries, not for the bill: the ledger knows what was paid. What is not known
is None and never guessed at.
"""

from __future__ import annotations

import math
from functools import cache

from infra.cohort.prices import PriceList, UnknownPrice
from infra.services.competition.provenance import Trained

#: GPUs of an instance, by its type without "ml.". Source: "Accelerated computing" in
#: https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html, column "Accelerators".
GPUS = {
    **dict.fromkeys(("p3.2xlarge", "p5.4xlarge"), 1),
    "p3.8xlarge": 4,
    **dict.fromkeys(("p3.16xlarge", "p3dn.24xlarge", "p4d.24xlarge", "p4de.24xlarge"), 8),
    **dict.fromkeys(("p5.48xlarge", "p5e.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge"), 8),
    **{f"g4dn.{size}": 1 for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")},
    "g4dn.12xlarge": 4,
    "g4dn.metal": 8,
    **{
        f"{family}.{size}": 1
        for family in ("g5", "g6", "g6e")
        for size in ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
    },
    **{
        f"{family}.{size}": 4 for family in ("g5", "g6", "g6e") for size in ("12xlarge", "24xlarge")
    },
    **{f"{family}.48xlarge": 8 for family in ("g5", "g6", "g6e")},
}


@cache
def _prices() -> PriceList:
    return PriceList.snapshot()


def cost(trained: Trained, region: str) -> int | None:
    """Micro-dollars of the job's billed time, rounded up; None if time or price is not known."""
    if not (trained.seconds and trained.instances):
        return None
    try:
        price = _prices().micro_usd_per_hour(region, "training", trained.instance)
    except UnknownPrice:
        return None
    return math.ceil(price * trained.instances * trained.seconds / 3600)


def gpu_hours(trained: Trained) -> float | None:
    """GPUs times billed hours: 0 for a job without GPUs, None if that is not known."""
    if not (trained.seconds and trained.instances):
        return None
    kind = trained.instance.removeprefix("ml.")
    # Types of the families g and p have GPUs, all others none that learning is done on.
    gpus = GPUS.get(kind) if kind[:1] in ("g", "p") else 0
    return None if gpus is None else gpus * trained.instances * trained.seconds / 3600
