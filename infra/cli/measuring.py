"""How much is in what an admin may be about to lose, and when it was last used.

Asked of the account with the admin's credentials: the volume of a space and the app that runs in
it of SageMaker, its last opening and the weighed folders of the ledger, tables of DynamoDB. What
cannot be read is left out: the templates' own figures stand then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from infra.assurance.losses import Loss
from infra.cli.account import Site
from infra.cli.terminal import size
from infra.services.guard.journal import Objects
from infra.services.guard.store import TableJournal, TableLedger

#: A bucket that the sweep does not weigh is counted so far: a page has a thousand objects.
PAGES = 20


def measure(site: Site, losses: Iterable[Loss]) -> dict[str, str]:
    """What the account says of each loss, by its name; nothing of those that it says nothing of."""
    found = {}
    for loss in losses:
        kind, _, name = loss.name.partition(":")
        asked = {"home": home, "bucket": bucket, "table": table}.get(kind)
        if asked:
            try:
                told = asked(site, name)
            except ClientError:
                # It is not there any more, or these credentials may not look: no figure, then.
                continue
            if told:
                found[loss.name] = told
    return found


def home(site: Site, person: str) -> str:
    """The volume of a person's space, and when it was last open."""
    sagemaker = site.client("sagemaker")
    name = site.cohort.names.workspace(person)
    spaces = sagemaker.list_spaces(SpaceNameContains=name)["Spaces"]
    mine = [space for space in spaces if space["SpaceName"] == name]
    if not mine:
        return ""
    domain = mine[0]["DomainId"]
    space = sagemaker.describe_space(DomainId=domain, SpaceName=name)
    storage = space["SpaceSettings"].get("SpaceStorageSettings", {})
    gb = storage.get("EbsStorageSettings", {}).get("EbsVolumeSizeInGb")
    told = [f"{gb} GB volume"] if gb else []
    apps = sagemaker.list_apps(DomainIdEquals=domain, SpaceNameEquals=name)["Apps"]
    if any(app["Status"] in ("InService", "Pending") for app in apps):
        return ", ".join([*told, "open now"])
    try:
        last = _last_open(site, person)
    except ClientError:
        # The ledger may be what is gone already.
        return ", ".join(told)
    return ", ".join([*told, f"last used {last}" if last else "never opened"])


def _last_open(site: Site, person: str) -> dt.date | None:
    """The day on which the person's space was last settled in the ledger."""
    table = site.cohort.names.ledger_table
    ledger = TableLedger(table, site.client("dynamodb"))
    since = dt.datetime.combine(site.cohort.starts, dt.time(), tzinfo=dt.UTC)
    opened = [
        entry.at
        for entry in ledger.entries_since(person, since)
        if entry.kind == "space" and entry.began_at
    ]
    return max(opened).date() if opened else None


def bucket(site: Site, purpose: str) -> str:
    """Objects and bytes: of `work` as the sweep has weighed it, of others counted."""
    if purpose == "work" and (weighed := _weighed(site)):
        versions, total = sum(each.versions for each in weighed), sum(each.size for each in weighed)
        day = max(each.at for each in weighed).date()
        return f"{versions:,} objects, {size(total)}, weighed {day}"
    count, total, more = _counted(site.client("s3"), site.bucket(purpose))
    return f"{'more than ' if more else ''}{_objects(count)}, {size(total)}"


def _weighed(site: Site) -> list[Objects]:
    journal = TableJournal(site.cohort.names.ledger_table, site.client("dynamodb"))
    try:
        return journal.objects()
    except ClientError:
        # The ledger may be what is gone already.
        return []


def _counted(s3: Any, name: str) -> tuple[int, int, bool]:
    """Object versions and bytes of the first pages, and whether there are more."""
    count = total = 0
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
    for place, page in enumerate(pages, start=1):
        versions = page.get("Versions", [])
        count += len(versions)
        total += sum(version["Size"] for version in versions)
        if place == PAGES:
            return count, total, bool(page["IsTruncated"])
    return count, total, False


def table(site: Site, purpose: str) -> str:
    """Items and bytes, which DynamoDB counts every six hours."""
    # Source: ItemCount of DescribeTable, Amazon DynamoDB API Reference.
    found = site.client("dynamodb").describe_table(TableName=f"{site.cohort.name}-{purpose}")
    about = found["Table"]
    return f"about {about['ItemCount']:,} items, {size(about['TableSizeBytes'])}"


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count:,} objects"
