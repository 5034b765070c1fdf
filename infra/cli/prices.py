"""`cohort prices`: renews the snapshot of instance prices from AWS's own price list."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
from rich.table import Table

from infra.assurance.price_list import SERVICE_CODE, Change, Prices, UnclearPrices, changes, read
from infra.cli.terminal import Refused, console, without_traceback
from infra.cohort import prices as snapshots
from infra.cohort.prices import MICRO_DOLLARS, PriceList, Reading

#: The Price List API answers for all regions, from three: ap-south-1, eu-central-1 and this one.
API_REGION = "us-east-1"
SOURCE = f"AWS Price List API, GetProducts {SERVICE_CODE}, on demand, before tax"


@click.group()
def prices() -> None:
    """What instances cost: the snapshot that budgets are kept by."""


@prices.command()
@click.option(
    "--region", "regions", multiple=True, help="May be given again. Default: the snapshot's."
)
@click.option("--write", is_flag=True, help="Replace the snapshot.")
@click.option(
    "--ignore", multiple=True, metavar="SKU", help="Leave out a row that was found unclear."
)
@without_traceback
def refresh(regions: tuple[str, ...], write: bool, ignore: tuple[str, ...]) -> None:
    """Read the prices of spaces and training jobs from the AWS Price List API.

    Prints what differs from the snapshot, and changes it with --write only. Needs credentials that
    may call pricing:GetProducts; the call is free.
    """
    snapshot = PriceList.snapshot()
    asked = list(dict.fromkeys(regions)) or snapshot.regions()
    known = boto3.session.Session().get_available_regions("sagemaker")
    for region in asked:
        if region not in known:
            raise Refused(f"{region!r} is no region with SageMaker: one of {', '.join(known)}")
    today = dt.datetime.now(dt.UTC).date()
    client = boto3.client("pricing", region_name=API_REGION)
    renewed = snapshot
    for region in asked:
        with console.status(f"reading the price list of {region}"):
            found = _read(client, region, ignore)
        _print(region, found, changes(snapshot, region, found), snapshot)
        renewed = renewed.with_region(
            region, found.table, Reading(SOURCE, today.isoformat(), verified=True)
        )
    if not write:
        console.print("Nothing was written; --write replaces the snapshot.")
        return
    save(renewed, snapshots.SNAPSHOT)
    console.print(
        f"{snapshots.SNAPSHOT} is renewed. The functions carry a copy of it: deploy the cohorts "
        "again."
    )


def products(client: Any, region: str) -> Iterator[str]:
    """Every product of SageMaker in `region`, page by page, as the API's JSON texts."""
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=SERVICE_CODE,
        Filters=[{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
        FormatVersion="aws_v1",
    )
    for page in pages:
        yield from page["PriceList"]


def save(price_list: PriceList, path: Path) -> None:
    """Replace the snapshot at `path` in one step: no reader sees half of it.

    Raises:
        Refused: if the folder cannot be written.
    """
    text = json.dumps(price_list.to_document(), indent=2) + "\n"
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(text, encoding="utf-8")
        os.replace(half, path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from None
    finally:
        half.unlink(missing_ok=True)


def _read(client: Any, region: str, ignore: tuple[str, ...]) -> Prices:
    try:
        return read(products(client, region), region, ignore=ignore)
    except UnclearPrices as error:
        rows = "\n  ".join(error.problems)
        raise Refused(
            f"the price list of {region} is not clear, so nothing was taken from it:\n  {rows}\n"
            "Look at the rows (aws pricing get-products); --ignore SKU leaves one out."
        ) from None


def _print(region: str, found: Prices, different: list[Change], snapshot: PriceList) -> None:
    total = sum(len(types) for types in found.table.values())
    changed = sum(change.kind != "gone" for change in different)
    console.print(
        f"[bold]{region}[/bold]: {total} prices in {found.rows} products, {total - changed} as in "
        "the snapshot"
    )
    if region in snapshot.readings and not snapshot.reading(region).verified:
        console.print(f"  the snapshot is unverified: {snapshot.reading(region).source}")
    if found.unusable:
        console.print(
            f"  {len(found.unusable)} types left out, as the academy's containers do not run on "
            f"them: {', '.join(found.unusable)}"
        )
    if not different:
        return
    table = Table("", "component", "type")
    for heading in ("snapshot", "price list", "change"):
        table.add_column(heading, justify="right")
    for change in different:
        table.add_row(
            change.kind,
            change.component,
            change.instance,
            _hourly(change.before),
            _hourly(change.after),
            _percent(change),
        )
    console.print(table)


def _hourly(price: int | None) -> str:
    # Cents are too coarse: types differ by a tenth of one.
    return "" if price is None else f"${price / MICRO_DOLLARS:,.4f}"


def _percent(change: Change) -> str:
    if change.before is None or change.after is None:
        return ""
    return f"{(change.after - change.before) / change.before:+.1%}"
