"""Reads instance prices from products of the AWS Price List API, and compares them with a snapshot.

A product says twice what it is: `platoinstancetype` (Training, Studio-JupyterLab) and `usagetype`
(USE1-Train:ml.m5.large, USE1-Studio:JupyterLab-ml.t3.medium). Both must agree, and so must every
row for one type: what is unclear is an error that names the row, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.cohort.prices import COMPONENTS, Component, PriceList, micro_usd, usd

SERVICE_CODE = "AmazonSageMaker"

#: Attribute `platoinstancetype`, in lower case. Others: Hosting, SpotTraining, Studio-Notebook, ...
_KINDS: dict[str, Component] = {"training": "training", "studio-jupyterlab": "studio"}
#: Attribute `usagetype` after its region, which old rows of us-east-1 lack.
_USAGE: dict[Component, re.Pattern[str]] = {
    "training": re.compile(r"(?:[A-Z]+\d*-)?Train:(ml\.[a-z0-9-]+\.[a-z0-9-]+)"),
    "studio": re.compile(r"(?:[A-Z]+\d*-)?Studio:JupyterLab-(ml\.[a-z0-9-]+\.[a-z0-9-]+)"),
}
_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
#: What stands in `instanceType` and `instanceName` when they say nothing.
_NOTHING = ("", "na", "n/a")


class UnclearPrices(ValueError):
    """Rows that cannot be read in one way only; `problems` names each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True)
class Prices:
    """What the price list says for one region."""

    #: component -> type -> micro-dollars an hour
    table: dict[str, dict[str, int]]
    #: Products read, those for free, and the priced types that no container of the academy runs on.
    rows: int
    free: int
    unusable: list[str]


@dataclass(frozen=True)
class Change:
    """One price that differs: `before` is None for a new type, `after` for one that is gone."""

    component: Component
    instance: str
    before: int | None
    after: int | None

    @property
    def kind(self) -> str:
        if self.before is None:
            return "new"
        return "gone" if self.after is None else "changed"


@dataclass(frozen=True)
class _Row:
    sku: str
    usage: str
    component: Component
    instance: str
    price: int

    def __str__(self) -> str:
        return f"{self.sku} ({self.usage}): ${usd(self.price)}"


def read(products: Iterable[str], region: str, *, ignore: Collection[str] = ()) -> Prices:
    """The prices of spaces and training jobs in `region`.

    Args:
        products: what GetProducts of the Price List API returns in PriceList: JSON texts.
        ignore: SKUs that a person has looked at and wants left out.

    Raises:
        UnclearPrices: naming every row that contradicts itself or another, and every component
            without a price.
    """
    problems: list[str] = []
    found: dict[tuple[Component, str], _Row] = {}
    rows = free = 0
    unusable: set[str] = set()
    for text in products:
        rows += 1
        try:
            row = _row(text, region, ignore)
        except _Free:
            free += 1
            continue
        except UnclearPrices as error:
            problems += error.problems
            continue
        if row is None:
            continue
        if not _runs_our_containers(row.instance):
            unusable.add(row.instance)
            continue
        known = found.setdefault((row.component, row.instance), row)
        if known.price != row.price:
            problems.append(f"two {row.component} prices for {row.instance}: {known}, {row}")
    table: dict[str, dict[str, int]] = {component: {} for component in COMPONENTS}
    for (component, instance), row in found.items():
        table[component][instance] = row.price
    problems += [
        f"no {component} price among {rows} products of {SERVICE_CODE} in {region}"
        for component in COMPONENTS
        if not table[component]
    ]
    if problems:
        raise UnclearPrices(problems)
    return Prices(table, rows, free, sorted(unusable))


def changes(snapshot: PriceList, region: str, prices: Prices) -> list[Change]:
    """What `prices` changes in `snapshot` for `region`, by component and type."""
    found = []
    for component in COMPONENTS:
        before = snapshot.table.get(region, {}).get(component, {})
        after = prices.table[component]
        found += [
            Change(component, instance, before.get(instance), after.get(instance))
            for instance in sorted({*before, *after})
            if before.get(instance) != after.get(instance)
        ]
    return found


class _Free(Exception):
    """A row of the free tier or a placeholder: its price is zero."""


def _row(text: str, region: str, ignore: Collection[str]) -> _Row | None:
    """The row in `text`, or None if it is for something that the academy does not start."""
    product = _parsed(text)
    sku = str(product["product"].get("sku", "?"))
    if sku in ignore:
        return None
    attributes = product["product"]["attributes"]
    usage = str(attributes.get("usagetype", ""))
    kind = str(attributes.get("platoinstancetype", ""))
    by_kind = _KINDS.get(kind.lower())
    by_usage = next((c for c, pattern in _USAGE.items() if pattern.fullmatch(usage)), None)
    if by_kind is None and by_usage is None:
        return None
    if attributes.get("locationType", "AWS Region") != "AWS Region":
        # An outpost or a local zone: its price is not the region's.
        return None

    def unclear(why: str) -> UnclearPrices:
        return UnclearPrices([f"{sku} ({usage or 'no usagetype'}): {why}"])

    price = _price(product, unclear)
    if by_kind and by_usage and by_kind != by_usage:
        raise unclear(f"is priced as {by_kind} by platoinstancetype and as {by_usage} by usagetype")
    if (kind and not by_kind) or (usage and not by_usage):
        raise unclear(f"platoinstancetype {kind!r} and usagetype do not say the same")
    component = by_kind or by_usage
    assert component is not None
    if attributes.get("regionCode", region) != region:
        raise unclear(f"belongs to region {attributes['regionCode']}, asked for was {region}")
    names = set(_instances(attributes, usage, component))
    if len(names) != 1:
        raise unclear(
            f"names the instance types {', '.join(sorted(names))}"
            if names
            else "names no instance type"
        )
    return _Row(sku, usage, component, names.pop(), price)


def _parsed(text: str) -> dict[str, Any]:
    try:
        product = json.loads(text)
        assert isinstance(product["product"]["attributes"], dict)
    except (ValueError, KeyError, TypeError, AssertionError):
        start = text if len(text) <= 60 else text[:57] + "..."
        raise UnclearPrices([f"not a product of the price list: {start}"]) from None
    assert isinstance(product, dict)
    return product


def _instances(attributes: Mapping[str, Any], usage: str, component: Component) -> Iterator[str]:
    """The instance types that the row names, in each place where it does."""
    match = _USAGE[component].fullmatch(usage)
    if match:
        yield match[1]
    for attribute in ("instanceName", "instanceType"):
        value = str(attributes.get(attribute, "")).strip()
        if value.lower() in _NOTHING:
            continue
        # Rows of before 2021 carry the component too: ml.m4.xlarge-Training.
        name = re.sub(r"-[A-Z]\w*$", "", value)
        yield name if _TYPE.fullmatch(name) else value


def _price(product: Mapping[str, Any], unclear: Any) -> int:
    """The one on-demand price an hour, in micro-dollars."""
    offers = product.get("terms", {}).get("OnDemand", {}).values()
    dimensions = [
        dimension for offer in offers for dimension in offer.get("priceDimensions", {}).values()
    ]
    prices: set[int] = set()
    units: set[str] = set()
    for dimension in dimensions:
        text = dimension.get("pricePerUnit", {}).get("USD")
        try:
            value = Decimal(str(text))
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or value < 0:
            raise unclear(f"its price in USD is {text!r}")
        if value:
            prices.add(micro_usd(value))
            units.add(str(dimension.get("unit")))
    if not dimensions:
        raise unclear("has no on-demand price")
    if not prices:
        raise _Free
    if units != {"Hrs"}:
        raise unclear(f"is priced by {', '.join(sorted(units))}, not by Hrs")
    if len(prices) > 1:
        raise unclear(f"has the prices {', '.join('$' + usd(each) for each in sorted(prices))}")
    return prices.pop()


def _runs_our_containers(instance: str) -> bool:
    """False for AWS's accelerators (trn, inf) and for Arm: the academy's images are for x86."""
    family = instance.split(".")[1]
    match = re.match(r"([a-z]+)\d*(.*)", family)
    letters, attributes = (match[1], match[2]) if match else (family, "")
    return letters not in ("trn", "inf") and "g" not in attributes
