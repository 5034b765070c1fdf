"""The network of the spaces: a VPC without a way out but its endpoints, and who talks to whom."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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
    "InvalidGroup.NotFound",
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


class SecurityGroup(ResourceType):
    """Who may talk to whom. Rules are held by EC2, and nothing here sends what they would stop."""

    type: ClassVar[str] = "AWS::EC2::SecurityGroup"
    properties: ClassVar[tuple[str, ...]] = (
        "GroupDescription",
        "GroupName",
        "SecurityGroupEgress",
        "SecurityGroupIngress",
        "Tags",
        "VpcId",
    )
    # CloudFormation takes one without a VPC too, in the account's default VPC: there is none here.
    required: ClassVar[tuple[str, ...]] = ("GroupDescription", "VpcId")
    replaced_by: ClassVar[tuple[str, ...]] = ("GroupDescription", "GroupName", "VpcId")
    attributes: ClassVar[tuple[str, ...]] = ("GroupId", "Id")
    named_by: ClassVar[str | None] = "GroupName"
    named_in: ClassVar[tuple[str, ...]] = ("VpcId",)

    def create(self, wanted: Properties, scope: Scope) -> Made:
        # A rule that is not modelled is found before there is a group.
        self._rules(wanted)
        group = scope.call(
            "ec2",
            "CreateSecurityGroup",
            GroupName=wanted.get("GroupName") or scope.generated_name(255),
            Description=wanted["GroupDescription"],
            VpcId=wanted["VpcId"],
            TagSpecifications=_tagged("security-group", wanted),
        )["GroupId"]
        made = scope.exists(group)
        self._set_rules(made, wanted, scope)
        return self._made(made)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        self._set_rules(made, wanted, scope)
        _change_tags(made, before, wanted, scope)
        return self._made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        _delete(scope, "DeleteSecurityGroup", GroupId=made)

    def _set_rules(self, made: str, wanted: Properties, scope: Scope) -> None:
        (group,) = scope.call("ec2", "DescribeSecurityGroups", GroupIds=[made])["SecurityGroups"]
        for way, rules in self._rules(wanted).items():
            told = "IpPermissionsEgress" if way == "SecurityGroupEgress" else "IpPermissions"
            there = list(_single(group[told]))
            for operation, changed in (
                (f"Revoke{way}", [rule for rule in there if rule not in rules]),
                (f"Authorize{way}", [rule for rule in rules if rule not in there]),
            ):
                if changed:
                    scope.call("ec2", operation, GroupId=made, IpPermissions=changed)

    @staticmethod
    def _rules(wanted: Properties) -> dict[str, list[dict[str, Any]]]:
        # Until it is told otherwise, EC2 lets everything go out of a new group.
        silent = {
            "SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}],
            "SecurityGroupIngress": [],
        }
        return {
            way: [_permission(rule, way) for rule in wanted.get(way) or default]
            for way, default in silent.items()
        }

    @staticmethod
    def _made(made: str) -> Made:
        return Made(made, {"GroupId": made, "Id": made})


#: What a rule of CloudFormation may say, with the part of EC2's that it becomes.
_ENDS = {
    "CidrIp": ("IpRanges", "CidrIp"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}


def _permission(rule: Properties, where: str) -> dict[str, Any]:
    """A rule of CloudFormation's, of the property `where`, as EC2 takes it."""
    known = ("IpProtocol", "FromPort", "ToPort", "Description", *_ENDS)
    for name in rule:
        if name not in known:
            raise ResourceError(
                f"Property {where}/{name} is not modelled by the embedded cloud (modelled: "
                f"{', '.join(known)})."
            )
    ends = [name for name in _ENDS if name in rule]
    if len(ends) != 1 or "IpProtocol" not in rule:
        raise ResourceError(
            f"A rule in {where} names one of {', '.join(_ENDS)}, and its IpProtocol."
        )
    kind, member = _ENDS[ends[0]]
    end = {member: rule[ends[0]]}
    if "Description" in rule:
        end["Description"] = rule["Description"]
    ports = {name: int(rule[name]) for name in ("FromPort", "ToPort") if name in rule}
    return {"IpProtocol": str(rule["IpProtocol"]), **ports, kind: [end]}


def _single(told: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rules as EC2 tells them, taken apart into those of one end each."""
    for rule in told:
        ports = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule}
        for kind, members in (
            ("IpRanges", ("CidrIp", "Description")),
            ("UserIdGroupPairs", ("GroupId", "Description")),
        ):
            for end in rule.get(kind, ()):
                yield {**ports, kind: [{name: end[name] for name in members if name in end}]}


class VpcEndpoint(ResourceType):
    """A gateway endpoint, or an interface endpoint with an interface in each subnet."""

    type: ClassVar[str] = "AWS::EC2::VPCEndpoint"
    properties: ClassVar[tuple[str, ...]] = (
        "PolicyDocument",
        "PrivateDnsEnabled",
        "RouteTableIds",
        "SecurityGroupIds",
        "ServiceName",
        "SubnetIds",
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
        if kind not in _ONLY_OF:
            raise ResourceError(
                f"{self.type} with VpcEndpointType {kind} is not modelled by the embedded cloud "
                f"(modelled: {', '.join(_ONLY_OF)})."
            )
        for other, members in _ONLY_OF.items():
            wrong = [name for name in members if other != kind and wanted.get(name)]
            if wrong:
                raise ResourceError(f"{', '.join(wrong)}: only of an endpoint of type {other}.")
        endpoint = scope.call(
            "ec2",
            "CreateVpcEndpoint",
            VpcId=wanted["VpcId"],
            ServiceName=wanted["ServiceName"],
            VpcEndpointType=kind,
            RouteTableIds=wanted.get("RouteTableIds"),
            SubnetIds=wanted.get("SubnetIds"),
            SecurityGroupIds=wanted.get("SecurityGroupIds"),
            PrivateDnsEnabled=(
                is_set(wanted["PrivateDnsEnabled"]) if "PrivateDnsEnabled" in wanted else None
            ),
            PolicyDocument=self._policy(wanted),
            TagSpecifications=_tagged("vpc-endpoint", wanted),
        )["VpcEndpoint"]
        return self._made(scope.exists(endpoint["VpcEndpointId"]), scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        for name in ("PrivateDnsEnabled", "SubnetIds"):
            if before.get(name) != wanted.get(name):
                raise ResourceError(
                    f"Changing {name} of {self.type} is not modelled by the embedded cloud."
                )
        changes: dict[str, list[str] | None] = {}
        for name in ("RouteTableIds", "SecurityGroupIds"):
            old, new = (set(each.get(name, ())) for each in (before, wanted))
            changes |= {f"Add{name}": sorted(new - old) or None}
            changes |= {f"Remove{name}": sorted(old - new) or None}
        scope.call(
            "ec2",
            "ModifyVpcEndpoint",
            VpcEndpointId=made,
            **changes,
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
                "DnsEntries": [
                    f"{each['HostedZoneId']}:{each['DnsName']}"
                    for each in endpoint.get("DnsEntries", ())
                ],
                "Id": made,
                "NetworkInterfaceIds": list(endpoint.get("NetworkInterfaceIds", ())),
            },
        )


#: Of each type of endpoint, what no other has.
_ONLY_OF = {
    "Gateway": ("RouteTableIds",),
    "Interface": ("PrivateDnsEnabled", "SecurityGroupIds", "SubnetIds"),
}

TYPES: tuple[ResourceType, ...] = (
    Vpc(),
    SecurityGroup(),
    Subnet(),
    RouteTable(),
    SubnetRouteTableAssociation(),
    VpcEndpoint(),
)
