"""Dollars as people read them, from the integer micro-dollars of the ledger."""

from __future__ import annotations

MICRO = 1_000_000


def dollars(micro_usd: int) -> str:
    """Rounded to the cent; what is more than nothing never reads as nothing.

    Examples
    --------
    >>> dollars(5_630_000)
    '$5.63'
    >>> dollars(-10_000)
    '-$0.01'
    >>> dollars(700)
    'under $0.01'
    """
    if 0 < micro_usd < 10_000:
        return "under $0.01"
    cents = (abs(micro_usd) + 5_000) // 10_000
    return f"{'-' if micro_usd < 0 else ''}${cents // 100}.{cents % 100:02}"
