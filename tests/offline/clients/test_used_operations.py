"""Every operation that the project uses has been done here for a client that nobody here wrote."""

from __future__ import annotations

import json
from pathlib import Path

from tests.offline.clients.served import ELSEWHERE
from tests.offline.clients.used_operations import NAMESAKES, operations_of, used_operations

#: What runs of the tests tried; `make fidelity` says how it is renewed.
TRIED = Path(__file__).with_name("tried.json")

#: Used, and not done here for an official client, each with why.
UNTRIED = {
    ("ecr", "GetDownloadUrlForLayer"): "asked of roles that pull; single layers are not served",
    ("ecr", "GetLifecyclePolicyPreview"): "refused: the probe asks AWS alone",
    ("ecr", "StartLifecyclePolicyPreview"): "refused: the probe asks AWS alone",
    ("cloudformation", "ContinueUpdateRollback"): "allowed to the CDK CLI, for stacks that stick",
    ("cloudformation", "RollbackStack"): "allowed to the CDK CLI, for deploys without rollback",
    # A job's role must be allowed to, and SageMaker does it; IAM is asked, no interface is made.
    ("ec2", "CreateNetworkInterfacePermission"): "SageMaker's, for a job in a private network",
    ("ec2", "DeleteNetworkInterfacePermission"): "SageMaker's, for a job in a private network",
    ("ec2", "DeleteNetworkInterface"): "SageMaker's, for a job in a private network",
    ("ec2", "DescribeDhcpOptions"): "SageMaker's, for a job in a private network",
    ("sagemaker", "DeleteTrainingJob"): "the probe's own clearing up; not modelled here",
}


def test_what_is_used_was_tried_by_an_official_client() -> None:
    tried = json.loads(TRIED.read_text())["operations"]
    untried = {
        (service, operation)
        for service, operations in used_operations().items()
        if service not in ELSEWHERE
        for operation in operations
        if operation not in tried.get(service, {})
    }
    assert untried <= set(UNTRIED), untried - set(UNTRIED)


def test_the_reading_finds_what_the_code_says() -> None:
    used = used_operations()
    assert {"CreateTrainingJob", "CreateApp", "ListApps"} <= used["sagemaker"]
    assert "TransactWriteItems" in used["dynamodb"]
    assert sum(map(len, used.values())) > 150
    for service, operations in used.items():
        assert operations <= set(operations_of(service).values()), service


def test_namesakes_are_operations() -> None:
    """A name that AWS has given up needs no excuse."""
    for service, operation in NAMESAKES:
        assert operation in operations_of(service).values()
