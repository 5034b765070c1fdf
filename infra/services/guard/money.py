"""What a run may cost and what it did cost, in whole micro-dollars, and how a person reads that.

Integers throughout, rounded up: a reservation is never a fraction too small.
"""

from __future__ import annotations

MICRO_DOLLARS = 1_000_000

#: SageMaker gives a stopped job up to 120 s after SIGTERM (StopTrainingJob), and a schedule fires
#: within a minute of its time (EventBridge Scheduler, one-time schedules); both are billed.
GRACE_SECONDS = 120
#: Added to every reservation: prices move between two refreshes of the snapshot, and a job's disk
#: is billed beside its instance.
MARGIN_PERCENT = 5


def cost(price_micro_usd_per_hour: int, count: int, seconds: int) -> int:
    """The bill for `count` instances over `seconds`, in micro-dollars, rounded up."""
    return _ceil(price_micro_usd_per_hour * count * seconds, 3600)


def worst_case(price_micro_usd_per_hour: int, count: int, seconds: int) -> int:
    """What to reserve for a run of at most `seconds`: the stop's grace and the margin included."""
    return _ceil(
        price_micro_usd_per_hour * count * (seconds + GRACE_SECONDS) * (100 + MARGIN_PERCENT),
        3600 * 100,
    )


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def dollars(micro_usd: int, *, up: bool = False) -> str:
    """`micro_usd` as a person reads it: whole cents, rounded down, or `up` for what may be asked.

    >>> dollars(3_209_999), dollars(3_200_001, up=True), dollars(-1)
    ('$3.20', '$3.21', '-$0.01')
    """
    cents = _ceil(micro_usd, 10_000) if up else micro_usd // 10_000
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def span(seconds: int) -> str:
    """`seconds` as a person says it: '4 h', '90 min', '45 s'."""
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    if seconds % 60 == 0:
        return f"{seconds // 60} min"
    return f"{seconds} s"
