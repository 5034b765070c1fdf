"""The cohort's network: made once in Foundation, found by every team stack through SSM."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import CfnParameter, CfnResource, Fn, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.naming import Names
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns


@dataclass(frozen=True)
class Network:
    """Where domains stand: generated ids, known only when the stack is deployed."""

    vpc_id: str
    subnet_ids: list[str]

    @classmethod
    def found(cls, scope: Construct, names: Names) -> Network:
        """The network that Foundation made, read from SSM when `scope`'s stack is deployed."""

        def read(part: str) -> str:
            return CfnParameter(
                scope,
                f"Network-{part}",
                type="AWS::SSM::Parameter::Value<String>",
                default=names.network_parameter(part),
                description=f"Where Foundation wrote the {part} of the cohort's network",
            ).value_as_string

        return cls(read("vpc"), Fn.split(",", read("subnets")))


class IsolatedNetwork(Construct):
    """Two subnets without a way out but to S3: no NAT, no standing cost.

    Spaces and jobs run in SageMaker's own network; a domain only has to name a VPC.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, arns: Arns, removal: RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=arns.names.cohort,
            ip_addresses=ec2.IpAddresses.cidr("10.0.0.0/24"),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=26
                )
            ],
            # The L2's way of closing it is a custom resource; nothing uses that group.
            restrict_default_security_group=False,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        acknowledge(
            vpc,
            {
                "AwsSolutions-VPC7": "Nothing runs in this VPC: spaces and jobs use SageMaker's "
                "own network, so a flow log would bill and stay empty."
            },
        )
        # What a domain names stays as long as it does; neither costs anything.
        for named in (vpc, *vpc.isolated_subnets):
            resource = named.node.default_child
            assert isinstance(resource, CfnResource)
            resource.apply_removal_policy(removal)
        subnets = ",".join(subnet.subnet_id for subnet in vpc.isolated_subnets)
        for part, value in (("vpc", vpc.vpc_id), ("subnets", subnets)):
            ssm.CfnParameter(
                self,
                f"Parameter-{part}",
                name=arns.names.network_parameter(part),
                type="String",
                value=value,
            )
