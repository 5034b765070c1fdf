"""Acknowledgements of review rules: each has a reason."""

from __future__ import annotations

import pytest
from aws_cdk import App, Stack, Validations

from infra.constructs.acknowledged import acknowledge


@pytest.mark.parametrize("reason", ["", "needed", "it is fine"])
def test_an_acknowledgement_without_a_reason_is_refused(reason):
    stack = Stack(App(), "S")
    with pytest.raises(ValueError, match="AwsSolutions-S1 on S"):
        acknowledge(stack, {"AwsSolutions-S1": reason})


def test_a_granular_finding_can_be_acknowledged():
    stack = Stack(App(), "S")
    acknowledge(stack, {"AwsSolutions-IAM5[Resource::*]": "It has no resource in IAM."})
    (entry,) = [
        entry.data
        for entry in stack.node.metadata
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
    ]
    assert entry == {"AwsSolutions-IAM5[Resource::*]": "It has no resource in IAM."}
