"""`cohort prove` inside the CDK: a broken promise is an error of `cdk synth` and `cdk deploy`.

What the pinned CDK (2.275.0, its CLI 2.1148.1) makes of a plugin, tried out, decides how this one
speaks:

- A plugin that raises is passed over by the CLI, which then deploys. So nothing is raised here:
  what could not be decided is a violation too.
- The CLI leaves out violations at constructs of stacks that are not deployed. A policy of one
  stack opens what stands in another, so ours name no construct: the sentence says where it is.
- A violation can be acknowledged in the app, unless its severity is `fatal`.

It is passed by with `cdk deploy --ignore-errors`, by taking validation-report.json out of an
assembly before `--app cdk.out`, and by handing templates to CloudFormation without the CDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

from infra.assurance.isolation.proof import Breach, Finding, prove
from infra.assurance.isolation.reading.reader import read
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.templates import Templates
from infra.cohort.images import ImageVersion
from infra.cohort.model import Cohort

#: Of one promise's breaches, how many are told; `cohort prove --json` has all of them.
TOLD = 5

UNDECIDED = "undecided"


@jsii.implements(IPolicyValidationPlugin)
class IsolationProof:
    """Proves the stacks of `cohort`, and of the account's images where they are in the same app.

    Args:
        images: the version of the academy's images that the cohort is on; None for AWS's own.
    """

    def __init__(self, cohort: Cohort, *, account: str, images: ImageVersion | None) -> None:
        self._cohort = cohort
        self._account = account
        self._images = images

    # The CDK sees properties alone, no attributes of a class.
    @property
    def name(self) -> str:
        return "cohort-prove"

    @property
    def version(self) -> str:
        return "1.0.0"

    @property
    def rule_ids(self) -> list[str] | None:
        return None

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        try:
            [folder] = {Path(path).parent for path in context.template_paths}
            violations = list(self._violations(Templates.from_assembly(folder)))
        except Exception as error:
            violations = [_undecided(error)]
        return PolicyValidationPluginReport(success=not violations, violations=violations)

    def _violations(self, templates: Templates) -> Iterator[PolicyViolation]:
        world = read(templates, account=self._account, region=self._cohort.region)
        proof = prove(world, [self._cohort], Catalogue.published(), images=self._images)
        for finding in proof.broken:
            for breach in finding.told(TOLD):
                yield _violation(finding, breach)


def _violation(finding: Finding, breach: Breach) -> PolicyViolation:
    source = breach.source
    also = f" And so may {', '.join(breach.also)}." if breach.also else ""
    return PolicyViolation(
        rule_name=finding.promise.id,
        description=f"Broken: {finding.promise.says} {breach.words}.{also}",
        severity="fatal",
        # Without the template's path the CDK finds no construct, and the CLI leaves nothing out.
        violating_resources=[
            PolicyViolatingResource(
                resource_logical_id=source.logical_id if source else "", locations=[]
            )
        ],
        rule_metadata={
            "stack": source.stack if source else "",
            "template": f"{source.stack}.template.json" if source else "",
        },
    )


def _undecided(error: Exception) -> PolicyViolation:
    return PolicyViolation(
        rule_name=UNDECIDED,
        description=f"Nothing is proven of these stacks: {type(error).__name__}: {error}",
        severity="fatal",
        violating_resources=[PolicyViolatingResource(resource_logical_id="", locations=[])],
    )
