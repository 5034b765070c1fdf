"""What is left of a cohort outside its stacks: kept by `protect`, it bears the cohort's names.

It goes on billing, and it blocks the names that a next deploy needs. An admin reads here what there
is, how to take it over, and how to remove it for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.account import Site
from infra.cli.deployed import TAG, Deployed
from infra.cohort.naming import SEPARATOR

BUCKETS = ("data", "vault", "work", "site")
TABLES = ("ledger", "board")


@dataclass(frozen=True)
class Kept:
    """One thing that no stack has.

    Attributes:
        what: in words.
        adopted: whether `cdk deploy --import-existing-resources` takes it into a stack again.
        remove: the commands that remove it for good, in their order; none while it is in use.
    """

    what: str
    adopted: bool
    remove: tuple[str, ...]


def kept(site: Site, deployed: Deployed) -> list[Kept]:
    """Everything with a name of the cohort that none of its stacks has."""
    ids = deployed.ids
    return [
        *_homes(site, ids),
        *_buckets(site, ids),
        *_tables(site, ids),
        *_keys(site, ids),
    ]


def _homes(site: Site, ids: set[str]) -> Iterator[Kept]:
    sagemaker = site.client("sagemaker")
    start = f"{site.cohort.name}{SEPARATOR}"
    region = f"--region {site.cohort.region}"
    for page in sagemaker.get_paginator("list_domains").paginate():
        for domain in page["Domains"]:
            name, domain_id = domain["DomainName"], domain["DomainId"]
            if not name.startswith(start) or domain_id in ids:
                continue
            of = f"--domain-id {domain_id}"
            spaces = _named(sagemaker, "list_spaces", "Spaces", "SpaceName", domain_id)
            profiles = _named(
                sagemaker, "list_user_profiles", "UserProfiles", "UserProfileName", domain_id
            )
            whose = ", ".join(space.removeprefix(start) for space in spaces) or "nobody"
            yield Kept(
                f"the domain {name} ({domain_id}) with the home of {whose}",
                adopted=False,
                remove=(
                    *(f"aws sagemaker delete-space {of} --space-name {s} {region}" for s in spaces),
                    *(
                        f"aws sagemaker delete-user-profile {of} --user-profile-name {p} {region}"
                        for p in profiles
                    ),
                    f"aws sagemaker delete-domain {of} --retention-policy HomeEfsFileSystem=Delete "
                    f"{region}",
                ),
            )


def _named(sagemaker: Any, operation: str, members: str, name: str, domain: str) -> list[str]:
    pages = sagemaker.get_paginator(operation).paginate(DomainIdEquals=domain)
    return [str(each[name]) for page in pages for each in page[members]]


def _buckets(site: Site, ids: set[str]) -> Iterator[Kept]:
    s3 = site.client("s3")
    for purpose in BUCKETS:
        name = site.bucket(purpose)
        if name in ids:
            continue
        try:
            s3.head_bucket(Bucket=name)
        except ClientError:
            continue
        yield Kept(
            f"the bucket {name}",
            adopted=True,
            remove=(f"empty it in the S3 console (it has versions); aws s3 rb s3://{name}",),
        )


def _tables(site: Site, ids: set[str]) -> Iterator[Kept]:
    dynamodb = site.client("dynamodb")
    region = f"--region {site.cohort.region}"
    for purpose in TABLES:
        name = f"{site.cohort.name}-{purpose}"
        if name in ids:
            continue
        try:
            dynamodb.describe_table(TableName=name)
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
        table = f"--table-name {name} {region}"
        yield Kept(
            f"the table {name}",
            adopted=True,
            remove=(
                f"aws dynamodb update-table --no-deletion-protection-enabled {table}",
                f"aws dynamodb delete-table {table}",
            ),
        )


def _keys(site: Site, ids: set[str]) -> Iterator[Kept]:
    kms = site.client("kms")
    region = f"--region {site.cohort.region}"
    aliases = {
        alias["TargetKeyId"]: alias["AliasName"]
        for page in kms.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
        if alias["AliasName"].startswith(site.cohort.names.key_alias(""))
    }
    for key in _tagged(kms, site.cohort.name):
        if key in ids:
            continue
        alias = aliases.get(key)
        about = kms.describe_key(KeyId=key)["KeyMetadata"]
        if about["KeyState"] == "PendingDeletion":
            continue
        what = f"the key {key} ({about.get('Description', '')})"
        if alias in ids:
            yield Kept(
                f"{what}: what was taken over is encrypted with it. Leave it until that is gone",
                adopted=True,
                remove=(),
            )
            continue
        named = f"aws kms delete-alias --alias-name {alias} {region}"
        yield Kept(
            what,
            adopted=alias is not None,
            remove=(
                *([named] if alias else []),
                f"aws kms schedule-key-deletion --key-id {key} {region} (last: what it encrypts "
                "cannot be read afterwards)",
            ),
        )


def _tagged(kms: Any, cohort: str) -> Iterator[str]:
    """Keys that bear the cohort's tag. After a destroy an alias may be gone, or be another's."""
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            try:
                tags = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            except ClientError:
                # AWS's own, or one whose policy does not know these credentials: not ours.
                continue
            if {"TagKey": TAG, "TagValue": cohort} in tags:
                yield key["KeyId"]
