"""The network of the spaces: a VPC without a way out but the S3 gateway endpoint."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from typing import Any, ClassVar

from infra.offline import patching
from infra.offline.services.cloudformation.errors import ResourceError
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    is_set,
    tag_changes,
)


@patching.replaces(
    "moto.ec2.models.vpcs:VPCBackend.modify_vpc_endpoint",
    because="moto notes a gateway endpoint's new route tables but not their routes, and then "
    "cannot delete the endpoint",
)
def _modify_endpoint(original: Any, backend: Any, **changes: Any) -> None:
    original(backend, **changes)
    (endpoint,) = backend.describe_vpc_endpoints(vpc_end_point_ids=[changes["vpc_id"]])
    prefixes = endpoint.destination_prefix_list_id
    for table in changes.get("add_route_tables") or ():
        backend.create_route(
            table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefixes
        )
    for table in changes.get("remove_route_tables") or ():
        backend.delete_route(table, prefixes)


_GONE = (
    "InvalidAssociationID.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidVpcEndpointId.NotFound",
    "InvalidVpcID.NotFound",
)


def _tagged(kind: str, wanted: Properties) -> list[dict[str, Any]] | None:
    tags = list(wanted.get("Tags", ()))
    return [{"ResourceType": kind, "Tags": tags}] if tags else None


def _change_tags(made: str, before: Properties, wanted: Properties, scope: Scope) -> None:
    set_tags, removed = tag_changes(before, wanted)
    if removed:
        scope.call("ec2", "DeleteTags", Resources=[made], Tags=[{"Key": key} for key in removed])
    if set_tags:
        scope.call("ec2", "CreateTags", Resources=[made], Tags=set_tags)


def _delete(scope: Scope, operation: str, **parameters: Any) -> None:
    scope.attempt("ec2", operation, unless=_GONE, **parameters)


class Vpc(ResourceType):
    """A virtual private cloud."""

    type: ClassVar[str] = "AWS::EC2::VPC"
    properties: ClassVar[tuple[str, ...]] = (
        "CidrBlock",
        "EnableDnsHostnames",
        "EnableDnsSupport",
        "InstanceTenancy",
        "Tags",
    )
    required: ClassVar[tuple[str, ...]] = ("CidrBlock",)
    replaced_by: ClassVar[tuple[str, ...]] = ("CidrBlock", "InstanceTenancy")
    attributes: ClassVar[tuple[str, ...]] = (
        "CidrBlock",
        "CidrBlockAssociations",
        "DefaultNetworkAcl",
        "DefaultSecurityGroup",
        "Ipv6CidrBlocks",
        "VpcId",
    )

    def create(self, wanted: Properties, scope: Scope) -> Made:
        vpc = scope.call(
            "ec2",
            "CreateVpc",
            CidrBlock=wanted["CidrBlock"],
            InstanceTenancy=wanted.get("InstanceTenancy"),
            TagSpecifications=_tagged("vpc", wanted),
        )["Vpc"]
        made = scope.exists(vpc["VpcId"])
        self._set_dns(made, wanted, scope)
        return self._made(made, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._set_dns(made, wanted, scope)
        _change_tags(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteVpc", VpcId=made)

    @staticmethod
    def _set_dns(made: str, wanted: Properties, scope: Scope) -> None:
        for name, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
            value = is_set(wanted.get(name, default))
            scope.call("ec2", "ModifyVpcAttribute", VpcId=made, **{name: {"Value": value}})

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        vpc = scope.call("ec2", "DescribeVpcs", VpcIds=[made])["Vpcs"][0]
        of_vpc = [{"Name": "vpc-id", "Values": [made]}]
        groups = scope.call(
            "ec2",
            "DescribeSecurityGroups",
            Filters=[*of_vpc, {"Name": "group-name", "Values": ["default"]}],
        )["SecurityGroups"]
        acls = scope.call("ec2", "DescribeNetworkAcls", Filters=of_vpc)["NetworkAcls"]
        return Made(
            made,
            {
                "CidrBlock": vpc["CidrBlock"],
                "CidrBlockAssociations": [
                    each["AssociationId"] for each in vpc.get("CidrBlockAssociationSet", ())
                ],
                "DefaultNetworkAcl": next(
                    (each["NetworkAclId"] for each in acls if each["IsDefault"]), ""
                ),
                "DefaultSecurityGroup": groups[0]["GroupId"],
                "Ipv6CidrBlocks": [],
                "VpcId": made,
            },
        )


class Subnet(ResourceType):
    """A subnet in one availability zone."""

    type: ClassVar[str] = "AWS::EC2::Subnet"
    properties: ClassVar[tuple[str, ...]] = (
        "AvailabilityZone",
        "CidrBlock",
        "MapPublicIpOnLaunch",
        "Tags",
        "VpcId",
    )
    required: ClassVar[tuple[str, ...]] = ("VpcId", "CidrBlock")
    replaced_by: ClassVar[tuple[str, ...]] = ("AvailabilityZone", "CidrBlock", "VpcId")
    attributes: ClassVar[tuple[str, ...]] = (
        "AvailabilityZone",
        "AvailabilityZoneId",
        "CidrBlock",
        "Ipv6CidrBlocks",
        "NetworkAclAssociationId",
        "SubnetId",
        "VpcId",
    )

    def create(self, wanted: Properties, scope: Scope) -> Made:
        subnet = scope.call(
            "ec2",
            "CreateSubnet",
            VpcId=wanted["VpcId"],
            CidrBlock=wanted["CidrBlock"],
            AvailabilityZone=wanted.get("AvailabilityZone"),
            TagSpecifications=_tagged("subnet", wanted),
        )["Subnet"]
        made = scope.exists(subnet["SubnetId"])
        self._set_public(made, wanted, scope)
        return self._made(made, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._set_public(made, wanted, scope)
        _change_tags(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteSubnet", SubnetId=made)

    @staticmethod
    def _set_public(made: str, wanted: Properties, scope: Scope) -> None:
        public = is_set(wanted.get("MapPublicIpOnLaunch", False))
        scope.call(
            "ec2", "ModifySubnetAttribute", SubnetId=made, MapPublicIpOnLaunch={"Value": public}
        )

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        subnet = scope.call("ec2", "DescribeSubnets", SubnetIds=[made])["Subnets"][0]
        acls = scope.call(
            "ec2",
            "DescribeNetworkAcls",
            Filters=[{"Name": "association.subnet-id", "Values": [made]}],
        )["NetworkAcls"]
        associations = [
            each["NetworkAclAssociationId"]
            for acl in acls
            for each in acl["Associations"]
            if each["SubnetId"] == made
        ]
        return Made(
            made,
            {
                "AvailabilityZone": subnet["AvailabilityZone"],
                "AvailabilityZoneId": subnet.get("AvailabilityZoneId", ""),
                "CidrBlock": subnet["CidrBlock"],
                "Ipv6CidrBlocks": [],
                "NetworkAclAssociationId": associations[0] if associations else "",
                "SubnetId": made,
                "VpcId": subnet["VpcId"],
            },
        )


class RouteTable(ResourceType):
    """A route table; its only routes are the local one and the gateway endpoint's."""

    type: ClassVar[str] = "AWS::EC2::RouteTable"
    properties: ClassVar[tuple[str, ...]] = ("Tags", "VpcId")
    required: ClassVar[tuple[str, ...]] = ("VpcId",)
    replaced_by: ClassVar[tuple[str, ...]] = ("VpcId",)
    attributes: ClassVar[tuple[str, ...]] = ("RouteTableId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        table = scope.call(
            "ec2",
            "CreateRouteTable",
            VpcId=wanted["VpcId"],
            TagSpecifications=_tagged("route-table", wanted),
        )["RouteTable"]["RouteTableId"]
        return Made(table, {"RouteTableId": table})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        _change_tags(made, before, wanted, scope)
        return Made(made, {"RouteTableId": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteRouteTable", RouteTableId=made)


class SubnetRouteTableAssociation(ResourceType):
    """Which route table a subnet uses."""

    type: ClassVar[str] = "AWS::EC2::SubnetRouteTableAssociation"
    properties: ClassVar[tuple[str, ...]] = ("RouteTableId", "SubnetId")
    required: ClassVar[tuple[str, ...]] = ("RouteTableId", "SubnetId")
    replaced_by: ClassVar[tuple[str, ...]] = ("RouteTableId", "SubnetId")
    attributes: ClassVar[tuple[str, ...]] = ("Id",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        made = scope.call(
            "ec2",
            "AssociateRouteTable",
            RouteTableId=wanted["RouteTableId"],
            SubnetId=wanted["SubnetId"],
        )["AssociationId"]
        return Made(made, {"Id": made})

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        return Made(made, {"Id": made})

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DisassociateRouteTable", AssociationId=made)


class VpcEndpoint(ResourceType):
    """A gateway endpoint. Interface endpoints cost by the hour and are not modelled yet."""

    type: ClassVar[str] = "AWS::EC2::VPCEndpoint"
    properties: ClassVar[tuple[str, ...]] = (
        "PolicyDocument",
        "RouteTableIds",
        "ServiceName",
        "Tags",
        "VpcEndpointType",
        "VpcId",
    )
    required: ClassVar[tuple[str, ...]] = ("ServiceName", "VpcId")
    replaced_by: ClassVar[tuple[str, ...]] = ("ServiceName", "VpcEndpointType", "VpcId")
    attributes: ClassVar[tuple[str, ...]] = (
        "CreationTimestamp",
        "DnsEntries",
        "Id",
        "NetworkInterfaceIds",
    )

    def create(self, wanted: Properties, scope: Scope) -> Made:
        kind = wanted.get("VpcEndpointType", "Gateway")
        if kind != "Gateway":
            raise ResourceError(
                f"{self.type} with VpcEndpointType {kind} is not modelled by the embedded cloud "
                "(modelled: Gateway)."
            )
        endpoint = scope.call(
            "ec2",
            "CreateVpcEndpoint",
            VpcId=wanted["VpcId"],
            ServiceName=wanted["ServiceName"],
            VpcEndpointType=kind,
            RouteTableIds=wanted.get("RouteTableIds"),
            PolicyDocument=self._policy(wanted),
            TagSpecifications=_tagged("vpc-endpoint", wanted),
        )["VpcEndpoint"]
        return self._made(scope.exists(endpoint["VpcEndpointId"]), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        old, new = (set(each.get("RouteTableIds", ())) for each in (before, wanted))
        scope.call(
            "ec2",
            "ModifyVpcEndpoint",
            VpcEndpointId=made,
            AddRouteTableIds=sorted(new - old) or None,
            RemoveRouteTableIds=sorted(old - new) or None,
            PolicyDocument=self._policy(wanted),
            ResetPolicy=True if self._policy(wanted) is None and self._policy(before) else None,
        )
        _change_tags(made, before, wanted, scope)
        return self._made(made, scope)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteVpcEndpoints", VpcEndpointIds=[made])

    @staticmethod
    def _policy(wanted: Properties) -> str | None:
        policy = wanted.get("PolicyDocument")
        return policy if policy is None or isinstance(policy, str) else json.dumps(policy)

    @staticmethod
    def _made(made: str, scope: Scope) -> Made:
        found = scope.call("ec2", "DescribeVpcEndpoints", VpcEndpointIds=[made])
        endpoint = found["VpcEndpoints"][0]
        return Made(
            made,
            {
                "CreationTimestamp": str(endpoint.get("CreationTimestamp", "")),
                "DnsEntries": [],
                "Id": made,
                "NetworkInterfaceIds": list(endpoint.get("NetworkInterfaceIds", ())),
            },
        )


TYPES: tuple[ResourceType, ...] = (
    Vpc(),
    Subnet(),
    RouteTable(),
    SubnetRouteTableAssociation(),
    VpcEndpoint(),
)
