"""`cohort publish`: stages what learners run and read, and seals what they are scored against."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from infra.cli.account import Site
from infra.cli.terminal import Refused, console, size, without_traceback


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@without_traceback
def publish(file: Path) -> None:
    """Upload library, templates and datasets for the cohort in FILE, and seal the competitions.

    May be run again after any change: spaces take the new library and templates at their next
    start, and a competition keeps the key that it was sealed with first.
    """
    for line in publish_cohort(Site.of(file)):
        console.print(line)


def publish_cohort(site: Site) -> Iterator[str]:
    """Do it, a sentence for each part done.

    Raises:
        Refused: if a template or the library is not complete, or the vault's key is damaged.
    """
    # Imported here: they bring pandas, statsmodels and jupytext.
    from infra.publishing import climate_series, templates, wheel

    try:
        library = wheel.build()
        _upload(site, "data", {library.key: library.content}, only="software/")
        yield f"library: {library.name}, {size(len(library.content))}"

        for project in site.cohort.projects:
            files = templates.files(project)
            _upload(site, "data", files, only=f"templates/{project}/")
            yield f"templates of {project}: {len(files)} files"

        fraction = site.cohort.competition.public_fraction
        key = _key(site)
        sealed = climate_series.build(key, public_fraction=fraction)
        _upload(site, "data", sealed.data, only=f"datasets/{climate_series.PROJECT}/")
        _upload(site, "vault", sealed.vault, only=f"answers/{climate_series.PROJECT}/")
        total = sum(len(content) for content in sealed.data.values())
        fingerprint = hashlib.sha256(key).hexdigest()[:8]
        yield f"data of {climate_series.PROJECT}: {size(total)}, sealed with key {fingerprint}"
    except (wheel.BuildError, templates.TemplateError, climate_series.SealingError) as error:
        raise Refused(str(error)) from None


def _upload(site: Site, purpose: str, files: Mapping[str, bytes], *, only: str) -> None:
    """Put `files`, and remove what else lies under `only`: an older wheel must not stay."""
    s3 = site.client("s3")
    bucket = site.bucket(purpose)
    for key, content in files.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=only)
    for item in [item for page in pages for item in page.get("Contents", [])]:
        if item["Key"] not in files:
            s3.delete_object(Bucket=bucket, Key=item["Key"])


def _key(site: Site) -> bytes:
    """The key that the series are sealed with, from the vault; drawn on the first publication."""
    from infra.publishing import climate_series

    s3: Any = site.client("s3")
    where = {"Bucket": site.bucket("vault"), "Key": climate_series.key_name()}
    try:
        return climate_series.parse_key(s3.get_object(**where)["Body"].read())
    except s3.exceptions.NoSuchKey:
        pass
    content = climate_series.format_key(climate_series.new_key())
    try:
        # If another admin publishes at the same moment, one key wins and both must use it.
        s3.put_object(**where, Body=content, IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        content = s3.get_object(**where)["Body"].read()
    return climate_series.parse_key(content)
