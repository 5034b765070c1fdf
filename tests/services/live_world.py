"""A live round for tests: two series with a season, a few teams, and what came of it."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.services.competition.checking.forecast_rows import LEVELS, Forecast, Point
from infra.services.competition.live import board, months, observing, reading, rounds
from infra.services.competition.live.observing import Observation
from infra.services.competition.live.rounds import Round
from infra.services.competition.live.sealing import Seal, hash_of

PROJECT = "climate-series"
HISTORY = 420
FIRST = months.index("1991-12")
#: The first month that is not known.
START = FIRST + HISTORY
AT = months.begins(START) + dt.timedelta(days=2)
SOURCE = "https://example.org/values"


def series(seed: int, level: float, swing: float, count: int = HISTORY + 80) -> list[float]:
    draw, left, found = random.Random(seed), 0.0, []  # noqa: S311
    for month in range(count):
        left = 0.85 * left + draw.gauss(0, 0.4)
        found.append(round(level + swing * math.sin(month / 12 * 2 * math.pi) + left, 2))
    return found


TRUTH = {"nino12": series(1, 23, 3), "co2": series(2, 400, 2)}

DOCUMENT: dict[str, Any] = {
    "id": "winter",
    "title": "Niño 1+2 and CO2, as they come",
    "horizon": 6,
    "series": [
        {
            "id": name,
            "title": title,
            "unit": unit,
            "source": "NOAA",
            "url": "https://example.org/series",
        }
        for name, title, unit in (("nino12", "Niño 1+2", "°C"), ("co2", "CO2", "ppm"))
    ],
}


def known(count: int = HISTORY) -> dict[str, tuple[int, list[float]]]:
    return {name: (FIRST, values[:count]) for name, values in TRUTH.items()}


def a_round(**more: Any) -> Round:
    return rounds.started({**DOCUMENT, **more}, known(), project=PROJECT, at=AT)


def truth(name: str, month: int) -> float:
    return TRUTH[name][month - FIRST]


def right(received: dt.datetime, off: float = 0.0, wide: bool = False) -> dict[Point, Forecast]:
    """A forecast that is `off` everywhere."""
    found = {}
    for name in TRUTH:
        for month in a_round().asked(received):
            value = truth(name, month) + off
            quantiles = tuple(value + level - 0.5 for level in LEVELS) if wide else ()
            found[name, month] = Forecast(value, quantiles)
    return found


@dataclass
class Course:
    """A round as it goes on, without a table."""

    round: Round = field(default_factory=a_round)
    seals: list[Seal] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    observed: dict[Point, Observation] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def send(
        self, team: str, received: dt.datetime, forecast: Mapping[Point, Forecast] | None = None
    ) -> Seal:
        body = reading.canonical(right(received) if forecast is None else forecast)
        salt = f"{len(self.seals):032x}"
        sealed = hash_of(PROJECT, self.round.id, team, salt, body)
        asked = self.round.asked(received)
        name = f"{received:%Y%m%dT%H%M%SZ}-{len(self.seals)}.live.csv"
        seal = Seal(team, name, received, asked[0], asked[-1], sealed, salt, sealed)
        self.seals.append(seal)
        self.bodies[sealed] = body
        return seal

    def pass_months(self, count: int, names: tuple[str, ...] = ("nino12", "co2")) -> None:
        """The next `count` months are published."""
        for _ in range(count):
            for name in names:
                month = observing.next_month(self.round, self.observed, name)
                self.observe(name, month, truth(name, month))

    def observe(self, name: str, month: int, value: float, **more: Any) -> Observation:
        made, _ = observing.observe(
            self.round,
            self.observed,
            name,
            month,
            value,
            SOURCE,
            at=more.pop("at", months.begins(month + 1) + dt.timedelta(days=5)),
            who="admin",
            why="published",
            **more,
        )
        self.observed[made.point] = made
        return made

    @property
    def live(self) -> board.Live:
        return board.Live(self.round, self.seals, self.observed)

    def board(self, **more: Any) -> dict[str, Any]:
        live = board.Live(self.round, self.seals, self.observed, **more)

        def read(seal: Seal) -> Mapping[Point, Forecast]:
            self.asked.append(seal.hash)
            return reading.read(self.bodies[seal.hash])

        return board.document(live, read, AT)
