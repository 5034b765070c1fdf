"""The CDK's entry: reads the cohort file and adds the cohort's stacks.

npx cdk deploy --all -c cohort=cohorts/example.yaml
"""

from __future__ import annotations

import os
import sys

from infra.stacks.academy import add_stacks  # isort: skip (before the CDK: it silences a banner)

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.cohort.loading import CohortFileError, load


class Unusable(Exception):
    """The command cannot go on; the message says what to do."""


def main() -> None:
    app = App()
    path = app.node.try_get_context("cohort")
    if not path:
        raise Unusable("which cohort? Name its file: -c cohort=cohorts/example.yaml")
    cohort = load(str(path))
    # The CDK CLI asks AWS who the credentials belong to and passes the answer on.
    account = os.environ.get("CDK_DEFAULT_ACCOUNT")
    if not account:
        raise Unusable(
            "which AWS account? The CDK CLI found no credentials. Configure them (aws configure, "
            "AWS_PROFILE), or export what `cohort offline up` prints"
        )
    add_stacks(app, cohort, account=account)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except (CohortFileError, Unusable) as error:
        sys.exit(str(error))
