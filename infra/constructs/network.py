"""The cohort's network: made once in Foundation, found by other stacks through SSM.

It is the same VPC for either `network` of the cohort file, so that a cohort can change its mind and
nobody's home is replaced. `private` adds endpoints, and stands spaces and jobs inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnParameter, CfnResource, Fn, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns

#: Zones that the network stands in, with a subnet each.
ZONES = 2
#: A private network gives every open space two to four addresses ("Connect Studio in a VPC to
#: External Resources", SageMaker developer guide) and every instance of a job two ("Give SageMaker
#: Training Jobs Access to Resources in Your Amazon VPC"): 4,091 in each zone.
CIDR, MASK = "10.0.0.0/16", 20
HTTPS = 443

#: What spaces ask of AWS besides S3, by name of the endpoint's service. The first three are those
#: without which a domain with VpcOnly runs no space, the next two those that SageMaker's own SDK
#: needs ("Connect Studio in a VPC to External Resources"); then come the workspace config and the
#: broker. Jobs need S3 alone: SageMaker pulls their images, and writes their logs, from outside.
SERVICES = (
    "com.amazonaws.{region}.sagemaker.api",
    "com.amazonaws.{region}.sagemaker.runtime",
    "aws.sagemaker.{region}.studio",
    "com.amazonaws.{region}.sts",
    "com.amazonaws.{region}.logs",
    "com.amazonaws.{region}.ssm",
    "com.amazonaws.{region}.lambda",
)
#: What a space on an image of one's own needs besides, to pull it.
IMAGE_SERVICES = ("com.amazonaws.{region}.ecr.api", "com.amazonaws.{region}.ecr.dkr")
#: Where ECR keeps the layers of every image, in a bucket that is not the account's.
#: Source: "Minimum Amazon S3 bucket permissions for Amazon ECR" in the ECR user guide.
LAYERS = "arn:aws:s3:::prod-{region}-starport-layer-bucket/*"


@dataclass(frozen=True)
class Inside:
    """Where the spaces and jobs of a private network stand: generated ids."""

    subnets: tuple[str, ...]
    security_group: str

    @classmethod
    def found(cls, stack: Stack, cohort: Cohort) -> Inside | None:
        """As Foundation wrote it down, read from SSM when `stack` is deployed; None for a public
        network, where spaces and jobs run in SageMaker's own."""
        if cohort.network == "public":
            return None
        subnets = _subnets(stack, cohort)
        return cls(
            tuple(Fn.select(index, subnets) for index in range(ZONES)),
            _read(stack, cohort, "security-group"),
        )


@dataclass(frozen=True)
class Network:
    """Where domains stand: generated ids, known only when the stack is deployed."""

    vpc_id: str
    subnet_ids: list[str]
    inside: Inside | None

    @classmethod
    def found(cls, stack: Stack, cohort: Cohort) -> Network:
        """The network that Foundation made, read from SSM when `stack` is deployed."""
        return cls(
            _read(stack, cohort, "vpc"), _subnets(stack, cohort), Inside.found(stack, cohort)
        )


def _subnets(stack: Stack, cohort: Cohort) -> list[str]:
    return Fn.split(",", _read(stack, cohort, "subnets"))


def _read(stack: Stack, cohort: Cohort, part: str) -> str:
    construct_id = f"Network-{part}"
    parameter = stack.node.try_find_child(construct_id) or CfnParameter(
        stack,
        construct_id,
        type="AWS::SSM::Parameter::Value<String>",
        default=cohort.names.network_parameter(part),
        description=f"Where Foundation wrote the {part} of the cohort's network",
    )
    assert isinstance(parameter, CfnParameter)
    return parameter.value_as_string


class IsolatedNetwork(Construct):
    """Two subnets without a way out but to S3: no NAT, no standing cost.

    In a public network spaces and jobs run in SageMaker's own; a domain only has to name a VPC.

    Attributes:
        inside: where the spaces and jobs of a private network stand; None for a public one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        cohort: Cohort,
        removal: RemovalPolicy,
        images: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        private = cohort.network == "private"
        self._arns = arns
        self._vpc = vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=arns.names.cohort,
            ip_addresses=ec2.IpAddresses.cidr(CIDR),
            max_azs=ZONES,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=MASK
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
                "AwsSolutions-VPC7": "What leaves this VPC leaves by endpoints, and CloudTrail "
                "names each call and its caller: a flow log would know addresses alone."
                if private
                else "Nothing runs in this VPC: spaces and jobs use SageMaker's "
                "own network, so a flow log would bill and stay empty."
            },
        )
        # What a domain names stays as long as it does; neither costs anything.
        for named in (vpc, *vpc.isolated_subnets):
            resource = named.node.default_child
            assert isinstance(resource, CfnResource)
            resource.apply_removal_policy(removal)
        subnets = tuple(subnet.subnet_id for subnet in vpc.isolated_subnets)
        written = {"vpc": vpc.vpc_id, "subnets": ",".join(subnets)}
        self.inside: Inside | None = None
        if private:
            workloads = self._closed(removal, (*SERVICES, *(IMAGE_SERVICES if images else ())))
            self.inside = Inside(subnets, workloads)
            written["security-group"] = workloads
        for part, value in written.items():
            ssm.CfnParameter(
                self,
                f"Parameter-{part}",
                name=arns.names.network_parameter(part),
                type="String",
                value=value,
            )

    def _closed(self, removal: RemovalPolicy, services: tuple[str, ...]) -> str:
        """Make the endpoints to `services`; returns the security group of spaces and jobs.

        Two groups, and nothing comes in to the first: whoever shares a group that admits itself
        could talk to the JupyterLab of another, without a password (the warning in "Connect Studio
        in a VPC to External Resources").
        """
        workloads = self._group(
            "Workloads",
            "spaces and jobs: nothing comes in",
            # To wherever there is a route, and those there are lead to the endpoints and to S3.
            outward="0.0.0.0/0",
        )
        # A domain that stays names it.
        workloads.apply_removal_policy(removal)
        endpoints = self._group(
            "Endpoints",
            "endpoints: what spaces and jobs ask of AWS",
            outward=CIDR,
            inward=[
                {
                    "ipProtocol": "tcp",
                    "fromPort": HTTPS,
                    "toPort": HTTPS,
                    "sourceSecurityGroupId": workloads.attr_group_id,
                    "description": "What spaces and jobs ask of AWS",
                }
            ],
        )
        for service in services:
            ec2.CfnVPCEndpoint(
                self,
                f"To-{service.format(region='').replace('..', '.')}",
                service_name=service.format(region=self._arns.region),
                vpc_endpoint_type="Interface",
                vpc_id=self._vpc.vpc_id,
                subnet_ids=[subnet.subnet_id for subnet in self._vpc.isolated_subnets],
                security_group_ids=[endpoints.attr_group_id],
                # AWS's own addresses then lead here, so that no client needs to be told.
                private_dns_enabled=True,
                policy_document=_policy(self._from_this_account("*")),
            )
        s3 = self._vpc.node.find_child("S3")
        assert isinstance(s3, ec2.GatewayVpcEndpoint)
        for statement in (
            self._from_this_account("s3:*", to_this_account=True),
            {
                "Sid": "LayersOfImages",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": LAYERS.format(region=self._arns.region),
            },
        ):
            s3.add_to_policy(iam.PolicyStatement.from_json(statement))
        return workloads.attr_group_id

    def _group(
        self,
        construct_id: str,
        says: str,
        *,
        outward: str,
        inward: list[dict[str, Any]] | None = None,
    ) -> ec2.CfnSecurityGroup:
        return ec2.CfnSecurityGroup(
            self,
            construct_id,
            group_description=f"Deep Learning Academy {self._arns.names.cohort}: {says}",
            vpc_id=self._vpc.vpc_id,
            security_group_ingress=inward,
            security_group_egress=[
                {
                    "ipProtocol": "tcp",
                    "fromPort": HTTPS,
                    "toPort": HTTPS,
                    "cidrIp": outward,
                    "description": "HTTPS, as far as there is a route",
                }
            ],
        )

    def _from_this_account(self, action: str, *, to_this_account: bool = False) -> dict[str, Any]:
        """Nobody carries data out with credentials of another account, nor into one."""
        account = {"aws:PrincipalAccount": self._arns.account}
        if to_this_account:
            account["aws:ResourceAccount"] = self._arns.account
        return {
            "Sid": "ThisAccount",
            "Effect": "Allow",
            "Principal": "*",
            "Action": action,
            "Resource": "*",
            "Condition": {"StringEquals": account},
        }


def _policy(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}
