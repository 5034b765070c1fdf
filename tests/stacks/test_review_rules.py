"""The stacks against AWS's own review rules (cdk-nag) and CloudFormation's schemas (cfn-lint)."""

from __future__ import annotations

import copy
import json
import re

import pytest
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint

from infra.constructs import acknowledged
from tests.stacks.conftest import with_provider


def findings(academy) -> list[str]:
    report = AwsSolutionsChecks(academy.app).validate_scope(academy.app)
    return sorted(
        f"{violation.rule_name} on {resource.construct_path}"
        for violation in report.violations
        for resource in violation.violating_resources
    )


def test_aws_review_rules_find_nothing(academy):
    assert findings(academy) == []


def test_without_acknowledgements_they_find_what_is_acknowledged(
    cohort, synthesis, tmp_path, monkeypatch
):
    """The rules do run; and no acknowledgement excuses what no rule complains of."""
    given: set[str] = set()
    real = acknowledged.acknowledge

    def record(construct, reasons):
        given.update(f"{rule} on {construct.node.path}" for rule in reasons)

    for module in (
        *("boundary", "function", "network", "notices"),
        *("open_api", "private_bucket", "provider", "role", "sign_in"),
    ):
        monkeypatch.setattr(f"infra.constructs.{module}.acknowledge", record)
    assert real is acknowledged.acknowledge
    found = findings(synthesis(with_provider(cohort), tmp_path))
    assert found

    def place(finding: str) -> tuple[str, str]:
        rule, path = re.match(r"(.*) on (.*)", finding, re.DOTALL).groups()
        return rule, path.removesuffix("/Resource")

    assert {place(each) for each in found} == {place(each) for each in given}


def complaints(templates) -> list[str]:
    return [
        f"{stack}: {match}"
        for stack, template in templates.items()
        for match in lint(json.dumps(template, indent=1), regions=["us-east-1"])
    ]


@pytest.mark.parametrize("kept", ["academy", "protected"])
def test_cloudformations_schemas_accept_every_template(kept, request):
    assert complaints(request.getfixturevalue(kept).templates) == []


def test_the_schemas_do_refuse_a_misspelt_property(academy):
    stack = academy.names.team_stack("falcon")
    template = copy.deepcopy(academy.templates[stack])
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::SageMaker::Domain":
            resource["Properties"]["HomeEfsFilesystemCreation"] = "Disabled"
    assert len([c for c in complaints({stack: template}) if "HomeEfsFilesystemCreation" in c]) == 2
