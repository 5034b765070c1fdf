"""The CDK's entry: adds a cohort's stacks, or those of the account's workspace images.

npx cdk deploy --all -c cohort=cohorts/example.yaml
npx cdk deploy Academy-Images-Build -c images=workspace_images/versions.json
"""

from __future__ import annotations

import os
import re
import sys

from infra.stacks.academy import add_stacks  # isort: skip (before the CDK: it silences a banner)

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.assurance.isolation.plugin import IsolationProof
from infra.cohort.images import DEFAULT, Record, RecordError, load_record
from infra.cohort.loading import CohortFileError, load
from infra.constructs.attached_images import MissingFlavours
from infra.stacks.images import add_image_stacks


class Unusable(Exception):
    """The command cannot go on; the message says what to do."""


def main(app: App) -> None:
    """Add to `app` what its context asks for, and synthesize it.

    Raises:
        CohortFileError, RecordError, MissingFlavours, Unusable: with what to do.
    """
    cohort_file, record_file = _context(app, "cohort"), _context(app, "images")
    if not (cohort_file or record_file):
        raise Unusable(
            "which stacks? Name a cohort's file: -c cohort=cohorts/example.yaml; or, for the "
            "account's workspace images, their record: -c images=workspace_images/versions.json"
        )
    cohort = load(cohort_file) if cohort_file else None
    # A cohort takes the repository's record, and an organisation that keeps its own names it.
    record = load_record(record_file or _context(app, "image_record") or DEFAULT)
    # The CDK CLI asks AWS who the credentials belong to and passes the answer on.
    account = os.environ.get("CDK_DEFAULT_ACCOUNT")
    if not account:
        raise Unusable(
            "which AWS account? The CDK CLI found no credentials. Configure them (aws configure, "
            "AWS_PROFILE), or export what `cohort offline up` prints"
        )
    if record_file:
        region = _context(app, "region") or (cohort.region if cohort else None)
        _add_image_stacks(
            app, record, account, _region(region or os.environ.get("CDK_DEFAULT_REGION"))
        )
    if cohort:
        images = record.current(account, cohort.region)
        add_stacks(app, cohort, account=account, images=images)
        # First of the two: a breach is told before what reviews have to say.
        Validations.of(app).add_plugins(IsolationProof(cohort, account=account, images=images))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    app.synth()


def _add_image_stacks(app: App, record: Record, account: str, region: str) -> None:
    # Imported here: a cohort's stacks need none of it.
    from infra.publishing import templates, wheel

    try:
        add_image_stacks(
            app,
            record,
            account=account,
            region=region,
            torch_index=_context(app, "torch_index") or "",
        )
    except (wheel.BuildError, templates.TemplateError) as error:
        raise Unusable(str(error)) from None


def _context(app: App, key: str) -> str | None:
    """What the command line gives as -c KEY=…"""
    value = app.node.try_get_context(key)
    return str(value) if value else None


def _region(name: str | None) -> str:
    if not name or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", name):
        raise Unusable(
            f"which region are the images for (got {name!r})? Name it: -c region=us-east-1, or set "
            "AWS_REGION"
        )
    return name


#: What is said in its own words, without a traceback.
TOLD = (CohortFileError, RecordError, MissingFlavours, Unusable)

if __name__ == "__main__":
    try:
        main(App())
    except TOLD as error:
        sys.exit(str(error))
