"""The competition on Kaggle: what a community competition there needs, and its leaderboard here.

`export` writes it from what is published and sealed; the metrics in `metrics/` equal our scorers,
which `checking` proves with the files as they were written.
"""

from __future__ import annotations


class KaggleError(ValueError):
    """What was asked cannot be exported or read; the message says why and what to do."""
