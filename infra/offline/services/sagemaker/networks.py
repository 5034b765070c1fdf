"""The networks that domains and jobs name: they must be there, and fit together.

Nothing is sent through them: an app or job here reaches what the machine reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.ec2.models import ec2_backends

from infra.offline.authorization import credentials, enforcement
from infra.offline.authorization.requests.asking import GLOBAL_KEYS, Question
from infra.offline.services.sagemaker.operations import invalid


def subnets(backend: Any) -> dict[str, str]:
    """The VPC of each subnet."""
    network: Any = ec2_backends[backend.account_id][backend.region_name]
    return {each.id: each.vpc_id for zone in network.subnets.values() for each in zone.values()}


def require_groups(backend: Any, wanted: Sequence[str], vpc: str | None) -> None:
    """Every security group of `wanted` must be there, and in `vpc`."""
    network: Any = ec2_backends[backend.account_id][backend.region_name]
    there = {
        name: group.vpc_id for of_vpc in network.groups.values() for name, group in of_vpc.items()
    }
    for name in wanted:
        if name not in there or there[name] != vpc:
            raise invalid(f"The security group '{name}' does not exist in VPC {vpc}.")


def require_job_network(backend: Any, role_arn: str, wanted: Mapping[str, Sequence[str]]) -> None:
    """VpcConfig of a training job: one VPC, its groups, and a role that may stand a job in it.

    AWS finds out about the role once the job has started; here the call is refused.
    """
    known = subnets(backend)
    if unknown := [each for each in wanted["Subnets"] if each not in known]:
        raise invalid(f"The subnet ID '{unknown[0]}' does not exist.")
    vpcs = {known[each] for each in wanted["Subnets"]}
    if len(vpcs) > 1:
        raise invalid(f"VpcConfig.Subnets lie in several VPCs: {', '.join(sorted(vpcs))}.")
    require_groups(backend, wanted["SecurityGroupIds"], vpcs.pop())
    keys = credentials.for_role(role_arn, session_name="SageMaker")
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    assert session is not None, f"the session of {role_arn} was just made"
    for question in _standing(backend, wanted):
        decision = enforcement.decide(session, question)
        if not decision.allowed:
            raise invalid(
                f"The role {role_arn} may not stand a job in subnet {wanted['Subnets'][0]}: "
                f"{question.action} on {question.resource}: {decision.reason}"
            )


def _standing(backend: Any, wanted: Mapping[str, Sequence[str]]) -> Iterator[Question]:
    """What SageMaker asks of a job's role to stand it in a VPC.

    Source of the actions: "CreateTrainingJob API: Execution Role Permissions" in the SageMaker
    developer guide; of resources and keys: "Actions, resources, and condition keys for Amazon EC2"
    in the service authorization reference.
    """

    def ec2(kind: str, name: str) -> str:
        return f"arn:aws:ec2:{backend.region_name}:{backend.account_id}:{kind}/{name}"

    for action in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Question(f"ec2:Describe{action}", "*")
    interface = ec2("network-interface", "eni-00000000000000000")
    made = "ec2:CreateNetworkInterface"
    yield Question(made, interface)
    for group in wanted["SecurityGroupIds"]:
        yield Question(made, ec2("security-group", group))
    for subnet in wanted["Subnets"]:
        yield Question(made, ec2("subnet", subnet))
        inside = {"ec2:Subnet": ec2("subnet", subnet)}
        for action in (
            "CreateNetworkInterfacePermission",
            "DeleteNetworkInterface",
            "DeleteNetworkInterfacePermission",
        ):
            yield Question(f"ec2:{action}", interface, inside, GLOBAL_KEYS | {"ec2:subnet"})
