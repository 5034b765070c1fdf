"""What an instance costs an hour: a snapshot keyed by region, component and instance type.

An unknown region, component or type is an error, never a guess. Standard library only: this module
travels into Lambda.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Component = Literal["studio", "training"]

MICRO_DOLLARS = 1_000_000


class UnknownPrice(LookupError):
    """No price is known; the message names what is."""


@dataclass(frozen=True)
class PriceList:
    """Prices in micro-dollars an hour (integers, so that sums are exact)."""

    table: dict[str, dict[str, dict[str, int]]]
    source: str
    verified: bool

    @classmethod
    def snapshot(cls) -> PriceList:
        """The snapshot that ships with the academy."""
        text = Path(__file__).with_name("prices.json").read_text(encoding="utf-8")
        return cls.from_document(json.loads(text))

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> PriceList:
        table = {
            region: {
                component: {
                    name: int(Decimal(price) * MICRO_DOLLARS) for name, price in types.items()
                }
                for component, types in components.items()
            }
            for region, components in document["usd_per_hour"].items()
        }
        return cls(table, document["source"], bool(document["verified"]))

    def regions(self) -> list[str]:
        return sorted(self.table)

    def types(self, region: str, component: Component) -> list[str]:
        """Instance types with a price, cheapest first."""
        prices = self.table.get(region, {}).get(component, {})
        return sorted(prices, key=lambda name: (prices[name], name))

    def micro_usd_per_hour(self, region: str, component: Component, instance: str) -> int:
        """The price of one instance for one hour, in micro-dollars."""
        if region not in self.table:
            raise UnknownPrice(
                f"no prices for region {region!r}; there are prices for {self.regions()}"
            )
        prices = self.table[region].get(component, {})
        if instance not in prices:
            raise UnknownPrice(
                f"no {component} price for {instance!r} in {region}; "
                f"there are prices for {self.types(region, component)}"
            )
        return prices[instance]
