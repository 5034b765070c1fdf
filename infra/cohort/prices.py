"""What an instance costs an hour: a snapshot keyed by region, component and instance type.

An unknown region, component or type is an error, never a guess. Each region says where its prices
were read, when, and whether that was AWS's own price list: `cohort prices refresh` renews them.
Standard library only: this module travels into Lambda.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, Literal

Component = Literal["studio", "training"]
COMPONENTS: tuple[Component, ...] = ("studio", "training")

MICRO_DOLLARS = 1_000_000

#: Where the snapshot lies; `cohort prices refresh --write` rewrites it.
SNAPSHOT = Path(__file__).with_name("prices.json")


class UnknownPrice(LookupError):
    """No price is known; the message names what is."""


@dataclass(frozen=True)
class Reading:
    """Where one region's prices come from.

    `read` is the date, as precisely as it is known (2026-11, or 2026-11-23); `verified` says that
    they were read from AWS's own price list.
    """

    source: str
    read: str
    verified: bool


@dataclass(frozen=True)
class PriceList:
    """Prices in micro-dollars an hour (integers, so that sums are exact)."""

    #: region -> component -> instance type -> micro-dollars an hour
    table: Mapping[str, Mapping[str, Mapping[str, int]]]
    readings: Mapping[str, Reading]

    @classmethod
    def snapshot(cls) -> PriceList:
        """The snapshot that ships with the academy."""
        return cls.from_document(json.loads(SNAPSHOT.read_text(encoding="utf-8")))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> PriceList:
        """The price list in `document`, shaped like prices.json."""
        regions = document["regions"]
        return cls(
            table={
                region: {
                    component: {name: micro_usd(price) for name, price in types.items()}
                    for component, types in entry["usd_per_hour"].items()
                }
                for region, entry in regions.items()
            },
            readings={
                region: Reading(entry["source"], entry["read"], bool(entry["verified"]))
                for region, entry in regions.items()
            },
        )

    def to_document(self) -> dict[str, Any]:
        """The document that `from_document` reads: regions by name, types cheapest first."""
        return {
            "regions": {
                region: {
                    "source": self.readings[region].source,
                    "read": self.readings[region].read,
                    "verified": self.readings[region].verified,
                    "usd_per_hour": {
                        component: {
                            name: usd(self.table[region][component][name])
                            for name in self.types(region, component)
                        }
                        for component in COMPONENTS
                        if component in self.table[region]
                    },
                }
                for region in self.regions()
            }
        }

    def with_region(
        self, region: str, prices: Mapping[str, Mapping[str, int]], reading: Reading
    ) -> PriceList:
        """This list with `region`'s prices (component -> type -> micro-dollars) replaced."""
        return PriceList({**self.table, region: prices}, {**self.readings, region: reading})

    def regions(self) -> list[str]:
        return sorted(self.table)

    def types(self, region: str, component: Component) -> list[str]:
        """Instance types with a price, cheapest first."""
        prices = self.table.get(region, {}).get(component, {})
        return sorted(prices, key=lambda name: (prices[name], name))

    def reading(self, region: str) -> Reading:
        """Where the prices of `region` come from.

        Raises:
            UnknownPrice: if there are none.
        """
        if region not in self.readings:
            raise UnknownPrice(
                f"no prices for region {region!r}; there are prices for {self.regions()}"
            )
        return self.readings[region]

    def micro_usd_per_hour(self, region: str, component: Component, instance: str) -> int:
        """The price of one instance for one hour, in micro-dollars.

        Raises:
            UnknownPrice: if there is none.
        """
        self.reading(region)
        prices = self.table[region].get(component, {})
        if instance not in prices:
            raise UnknownPrice(
                f"no {component} price for {instance!r} in {region}; "
                f"there are prices for {self.types(region, component)}"
            )
        return prices[instance]


def micro_usd(price: str | Decimal) -> int:
    """A price in dollars as whole micro-dollars, rounded up: a guard must not charge too little.

    >>> micro_usd("1.408"), micro_usd("0.00000001")
    (1408000, 1)
    """
    return int((Decimal(price) * MICRO_DOLLARS).to_integral_value(rounding=ROUND_CEILING))


def usd(price: int) -> str:
    """Micro-dollars as a decimal number of dollars, without needless zeros.

    >>> usd(1_408_000), usd(50_000), usd(2_000_000)
    ('1.408', '0.05', '2')
    """
    whole, part = divmod(price, MICRO_DOLLARS)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")
