"""What a run may cost and what it did cost, in whole micro-dollars, and how a person reads that.

Integers throughout, rounded up: a reservation is never a fraction too small.
"""

from __future__ import annotations

MICRO_DOLLARS = 1_000_000

#: SageMaker gives a stopped job up to 120 s after SIGTERM (StopTrainingJob), and a schedule fires
#: within a minute of its time (EventBridge Scheduler, one-time schedules); both are billed.
GRACE_SECONDS = 120
#: A job is billed until its results are uploaded (TrainingEndTime, CreateTrainingJob's
#: documentation), and MaxRuntime does not stop an upload. It packs and uploads at most what its
#: disk holds: allowed at 33 MB a second, which one core of gzip does. What takes longer is billed
#: all the same, and its entry says `overrun`.
UPLOAD_SECONDS_PER_GB = 30
#: Added to every reservation: prices move between two refreshes of the snapshot.
MARGIN_PERCENT = 5
#: AWS bills a disk by the part of a month that it existed; the shortest month costs most an hour.
SECONDS_PER_MONTH = 28 * 24 * 3600


def cost(
    price_micro_usd_per_hour: int,
    count: int,
    seconds: int,
    *,
    disk_gb: int = 0,
    disk_price: int = 0,
) -> int:
    """The bill for `count` instances over `seconds`, in micro-dollars, rounded up.

    Each has a disk of `disk_gb` at `disk_price` micro-dollars a GB and month.
    """
    disk = _ceil(disk_price * disk_gb * count * seconds, SECONDS_PER_MONTH)
    return _ceil(price_micro_usd_per_hour * count * seconds, 3600) + disk


def worst_case(
    price_micro_usd_per_hour: int,
    count: int,
    seconds: int,
    *,
    disk_gb: int = 0,
    disk_price: int = 0,
    upload_seconds: int = 0,
) -> int:
    """What to reserve for a run of at most `seconds`: the stop's grace, the upload of results, the
    disk and the margin included."""
    longest = seconds + GRACE_SECONDS + upload_seconds
    disk = _ceil(
        disk_price * disk_gb * count * longest * (100 + MARGIN_PERCENT), SECONDS_PER_MONTH * 100
    )
    instances = _ceil(
        price_micro_usd_per_hour * count * longest * (100 + MARGIN_PERCENT), 3600 * 100
    )
    return instances + disk


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
