"""What a job's role may do of EC2 in a private network, decided as IAM decides it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from infra.assurance import iam
from infra.cohort.loading import load
from infra.constructs import policies
from infra.constructs.arns import Arns
from infra.constructs.network import Inside
from infra.constructs.statements import document

EC2 = "arn:aws:ec2:us-east-1:123456789012:"
INTERFACE = f"{EC2}network-interface/eni-0123456789abcdef0"
INSIDE = Inside(("subnet-0a", "subnet-0b"), "sg-0a")
KEYS = frozenset({"ec2:subnet", "ec2:vpc", "aws:currenttime"})
COHORT = load(Path(__file__).parents[2] / "cohorts" / "example.yaml")
ARNS = Arns(COHORT.names, "123456789012", "us-east-1")


def allowed(action: str, resource: str, inside: Inside | None = INSIDE, **context: Any) -> bool:
    """Of the training role of team falcon, under the cohort's boundary, while the cohort lasts."""
    team = COHORT.teams[0]
    role = ARNS.role("training", team.id)
    session = iam.Principal.session(
        "arn:aws:sts::123456789012:assumed-role/earth--training--falcon/SageMaker", role_arn=role
    )
    moment = dt.datetime.combine(COHORT.starts, dt.time(12), tzinfo=dt.UTC)
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    request = iam.Request(
        session,
        action,
        resource,
        {"aws:CurrentTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), **keys},
        KEYS,
    )
    return iam.decide(
        request,
        iam.Policies(
            identity=(iam.Policy.parse(document(policies.training(ARNS, team, None, inside))),),
            boundary=iam.Policy.parse(document(policies.boundary(ARNS, COHORT, None, inside))),
        ),
    ).allowed


@pytest.mark.parametrize(
    "resource",
    [INTERFACE, f"{EC2}subnet/subnet-0a", f"{EC2}subnet/subnet-0b", f"{EC2}security-group/sg-0a"],
)
def test_sagemaker_may_make_a_jobs_interface_in_the_cohorts_network(resource: str) -> None:
    assert allowed("ec2:CreateNetworkInterface", resource)


@pytest.mark.parametrize("resource", [f"{EC2}subnet/subnet-0c", f"{EC2}security-group/sg-0b"])
def test_nobody_makes_one_elsewhere_or_in_another_group(resource: str) -> None:
    assert not allowed("ec2:CreateNetworkInterface", resource)


@pytest.mark.parametrize(
    "action",
    [
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
    ],
)
def test_interfaces_of_other_subnets_are_not_touched(action: str) -> None:
    assert allowed(action, INTERFACE, ec2__Subnet=f"{EC2}subnet/subnet-0b")
    assert not allowed(action, INTERFACE, ec2__Subnet=f"{EC2}subnet/subnet-0c")
    assert not allowed(action, INTERFACE)


@pytest.mark.parametrize(
    "kind", ["DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"]
)
def test_sagemaker_may_look(kind: str) -> None:
    assert allowed(f"ec2:Describe{kind}", "*")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ec2:RunInstances", f"{EC2}instance/*"),
        ("ec2:AttachNetworkInterface", INTERFACE),
        ("ec2:ModifyNetworkInterfaceAttribute", INTERFACE),
        ("ec2:AuthorizeSecurityGroupIngress", f"{EC2}security-group/sg-0a"),
        ("ec2:CreateVpcEndpoint", f"{EC2}vpc-endpoint/*"),
        ("ec2:CreateRoute", f"{EC2}route-table/rtb-0a"),
    ],
)
def test_the_way_out_stays_shut(action: str, resource: str) -> None:
    assert not allowed(action, resource, ec2__Subnet=f"{EC2}subnet/subnet-0a")


def test_in_a_public_network_a_job_has_no_business_with_ec2() -> None:
    assert not allowed("ec2:CreateNetworkInterface", INTERFACE, inside=None)
    assert not allowed("ec2:DescribeSubnets", "*", inside=None)
