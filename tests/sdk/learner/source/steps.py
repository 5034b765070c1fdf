"""A module beside the script: the whole folder is sent along."""

from __future__ import annotations


def halved(rate: float, times: int) -> list[float]:
    return [rate / 2**step for step in range(times)]
