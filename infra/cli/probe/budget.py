"""The cap of a run: the worst case of a question is reserved before it starts, or it does not.

Nothing is ever given back within a run, so what was started can never cost more than was reserved,
and that is never more than the cap. Prices come from the two snapshots that the academy plans with,
infra/cohort/prices.json and infra/assurance/standing_prices.json; what has no price there is
refused. No free tier is counted on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from infra.assurance.standing_cost import PriceTable, Unpriced
from infra.cohort.prices import MICRO_DOLLARS, Component, PriceList, UnknownPrice, micro_usd
from infra.services.guard.money import MARGIN_PERCENT, worst_case

#: The most that one run may cost, whatever happens.
CAP_MICRO_USD = 2 * MICRO_DOLLARS


@dataclass(frozen=True)
class Instance:
    """An instance that runs for at most `seconds`, with its disk; `why` it ends then at last."""

    component: Component
    instance: str
    seconds: int
    disk_gb: int
    why: str

    @property
    def what(self) -> str:
        return f"{self.component} {self.instance}, at most {self.seconds / 60:.0f} min"

    def micro_usd(self, region: str) -> int:
        """Rounded up, with the guard's own grace and margin.

        Raises:
            UnknownPrice: if its price is not known.
        """
        disk = "space_disk" if self.component == "studio" else "training_disk"
        return worst_case(
            PriceList.snapshot().micro_usd_per_hour(region, self.component, self.instance),
            1,
            self.seconds,
            disk_gb=self.disk_gb,
            disk_price=micro_usd(_price(region, disk)),
        )


@dataclass(frozen=True)
class Units:
    """So many units of something with a standing price."""

    price: str
    quantity: Decimal
    why: str

    @property
    def what(self) -> str:
        return f"{self.quantity.normalize():f} x {self.price}"

    def micro_usd(self, region: str) -> int:
        """Rounded up, with the same margin.

        Raises:
            UnknownPrice: if its price is not known.
        """
        dollars = _price(region, self.price) * self.quantity * (100 + MARGIN_PERCENT) / 100
        return math.ceil(dollars * MICRO_DOLLARS)


Cost = Instance | Units


def units(price: str, quantity: int | str, why: str) -> Units:
    return Units(price, Decimal(quantity), why)


def _price(region: str, name: str) -> Decimal:
    try:
        table = PriceTable.of(region).prices
    except Unpriced as error:
        raise UnknownPrice(str(error)) from None
    if name not in table:
        raise UnknownPrice(
            f"no standing price {name!r} for {region}: add it to "
            "infra/assurance/standing_prices.json with its source"
        )
    return table[name].usd


def bound(costs: Iterable[Cost], region: str) -> int:
    """The most that all of `costs` come to, in micro-dollars.

    Raises:
        UnknownPrice: if one of them has no price.
    """
    return sum(cost.micro_usd(region) for cost in costs)


@dataclass
class Budget:
    """What a run has reserved of its cap."""

    region: str
    cap: int = CAP_MICRO_USD
    reserved: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.reserved.values())

    @property
    def left(self) -> int:
        return self.cap - self.total

    def reserve(self, wanted: dict[str, tuple[Cost, ...]]) -> str | None:
        """Reserve the worst case of each (by name; once a name) or of none of them.

        Returns None, or why nothing was reserved.
        """
        try:
            new = {
                name: bound(costs, self.region)
                for name, costs in wanted.items()
                if name not in self.reserved
            }
        except UnknownPrice as error:
            return f"its cost is not known: {error}"
        worst = sum(new.values())
        if worst > self.left:
            return (
                f"it could cost ${worst / MICRO_DOLLARS:.4f}, and ${self.left / MICRO_DOLLARS:.4f} "
                f"of the cap of ${self.cap / MICRO_DOLLARS:.2f} are left"
            )
        self.reserved |= new
        return None
