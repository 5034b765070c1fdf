"""Domains and jobs in a network of the account's own: what is checked of it, over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.offline.services.sagemaker.studio_cloud import (
    Workspace,
    domain_request,
    gone,
    in_service,
    workspace,
)
from tests.offline.services.sagemaker.test_training_jobs import Jobs
from tests.offline.small_cloud import SmallCloud


@dataclass(frozen=True)
class Net:
    """A VPC with two subnets and a security group."""

    vpc: str
    subnets: list[str]
    group: str

    @classmethod
    def made(cls, cloud: SmallCloud, name: str) -> Net:
        ec2 = cloud.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"]
            for n in range(2)
        ]
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
        return cls(vpc, subnets, group["GroupId"])

    @property
    def config(self) -> dict[str, list[str]]:
        return {"Subnets": self.subnets, "SecurityGroupIds": [self.group]}


@pytest.fixture(scope="module")
def net(cloud: SmallCloud) -> Net:
    return Net.made(cloud, "ours")


@pytest.fixture(scope="module")
def other(cloud: SmallCloud) -> Net:
    return Net.made(cloud, "theirs")


@pytest.fixture(scope="module")
def ana(cloud: SmallCloud) -> Workspace:
    return workspace(cloud, "true")


def inside(
    cloud: SmallCloud, ana: Workspace, net: Net, name: str, *groups: str, **more: Any
) -> dict[str, Any]:
    request = domain_request(cloud, f"{ana.name}-{name}", ana.role)
    if groups:
        request["DefaultUserSettings"]["SecurityGroups"] = list(groups)
    return {
        **request,
        "VpcId": net.vpc,
        "SubnetIds": net.subnets,
        "AppNetworkAccessType": "VpcOnly",
        **more,
    }


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return str(error.value.response["Error"]["Message"])


# --- domains --------------------------------------------------------------------------------------
def test_a_domain_stands_in_the_network_that_it_names(
    cloud: SmallCloud, ana: Workspace, net: Net
) -> None:
    api = ana.sagemaker
    made = api.create_domain(**inside(cloud, ana, net, "inside", net.group))
    domain_id = made["DomainArn"].rsplit("/", 1)[1]
    described = in_service(api, domain_id)
    assert described["AppNetworkAccessType"] == "VpcOnly"
    assert described["VpcId"] == net.vpc
    assert described["SubnetIds"] == net.subnets
    assert described["DefaultUserSettings"]["SecurityGroups"] == [net.group]
    profile = {"DomainId": domain_id, "UserProfileName": ana.name}
    api.create_user_profile(**profile, UserSettings={"ExecutionRole": ana.role})
    in_service(api, domain_id, UserProfileName=ana.name)
    api.delete_user_profile(**profile)
    gone(api.describe_user_profile, **profile)
    api.delete_domain(DomainId=domain_id)
    gone(api.describe_domain, DomainId=domain_id)


def test_a_group_of_another_network_is_refused(
    cloud: SmallCloud, ana: Workspace, net: Net, other: Net
) -> None:
    with pytest.raises(ClientError) as error:
        ana.sagemaker.create_domain(**inside(cloud, ana, net, "foreign", other.group))
    assert f"{other.group}' does not exist in VPC {net.vpc}" in refused(error)


def test_a_profile_needs_a_group_where_the_domain_names_none(
    cloud: SmallCloud, ana: Workspace, net: Net, other: Net
) -> None:
    api = ana.sagemaker
    domain_id = api.create_domain(**inside(cloud, ana, net, "bare"))["DomainArn"].rsplit("/", 1)[1]
    in_service(api, domain_id)
    profile = {"DomainId": domain_id, "UserProfileName": ana.name}
    for groups, says in (([], "is required"), ([other.group], "does not exist in VPC")):
        with pytest.raises(ClientError) as error:
            api.create_user_profile(**profile, UserSettings={"SecurityGroups": groups})
        assert says in refused(error)
    api.create_user_profile(**profile, UserSettings={"SecurityGroups": [net.group]})
    in_service(api, domain_id, UserProfileName=ana.name)


def test_a_domain_moves_inside_once_its_apps_have_ended(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "true")
    api, where = ben.sagemaker, {"DomainId": ben.domain_id}
    network = api.describe_domain(**where)
    place = {name: network[name] for name in ("VpcId", "SubnetIds")}
    group = cloud.client("ec2").create_security_group(
        GroupName="bens", Description="bens", VpcId=network["VpcId"]
    )["GroupId"]
    moved = {
        **where,
        "AppNetworkAccessType": "VpcOnly",
        "DefaultUserSettings": {"SecurityGroups": [group]},
    }
    with pytest.raises(ClientError) as error:
        api.update_domain(**moved)
    assert "VpcId and Subnet IDs are required" in refused(error)

    api.create_app(**ben.app)
    ben.ended("InService")
    with pytest.raises(ClientError) as error:
        api.update_domain(**moved, **place)
    assert f"while there are apps that are InService, Pending or Deleting: {ben.name}" in refused(
        error
    )
    api.delete_app(**ben.app)
    ben.ended("Deleted")
    api.update_domain(**moved, **place)
    described = in_service(api, ben.domain_id)
    assert described["AppNetworkAccessType"] == "VpcOnly"
    assert described["DefaultUserSettings"]["SecurityGroups"] == [group]
    assert described["DefaultUserSettings"]["ExecutionRole"] == ben.role, "the rest is kept"
    # What it is already, it may be told again while apps run.
    api.create_app(**ben.app)
    ben.ended("InService")
    api.update_domain(**moved, **place)


# --- jobs -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def jobs(cloud: SmallCloud) -> Jobs:
    return Jobs(cloud)


def may_stand(cloud: SmallCloud, net: Net, *, without: str = "") -> None:
    """Give the role of the tests' jobs what the academy's have in a private network."""
    ec2 = "arn:aws:ec2:us-east-1:123456789012"
    subnets = [f"{ec2}:subnet/{each}" for each in net.subnets]
    made = {
        "Effect": "Allow",
        "Action": "ec2:CreateNetworkInterface",
        "Resource": [f"{ec2}:network-interface/*", *subnets, f"{ec2}:security-group/{net.group}"],
    }
    handed = {
        "Effect": "Allow",
        "Action": [
            f"ec2:{action}"
            for action in (
                "CreateNetworkInterfacePermission",
                "DeleteNetworkInterface",
                "DeleteNetworkInterfacePermission",
            )
            if action != without
        ],
        "Resource": f"{ec2}:network-interface/*",
        "Condition": {"ArnEquals": {"ec2:Subnet": subnets}},
    }
    seen = {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}
    data = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    cloud.client("iam").put_role_policy(
        RoleName="trainer",
        PolicyName="network",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [made, handed, seen, data]}
        ),
    )


def test_a_job_runs_inside_if_its_role_may_stand_there(
    cloud: SmallCloud, jobs: Jobs, net: Net
) -> None:
    may_stand(cloud, net)
    job = jobs.ended(jobs.start("true", VpcConfig=net.config))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["VpcConfig"] == net.config


@pytest.mark.parametrize("action", ["CreateNetworkInterfacePermission", "DeleteNetworkInterface"])
def test_a_role_that_may_not_is_told_what_it_lacks(
    cloud: SmallCloud, jobs: Jobs, net: Net, action: str
) -> None:
    may_stand(cloud, net, without=action)
    with pytest.raises(ClientError) as error:
        jobs.start("true", VpcConfig=net.config)
    assert f"ec2:{action} on arn:aws:ec2:us-east-1:123456789012:network-inter" in refused(error)


def test_a_role_may_stand_in_the_subnets_that_it_names_alone(
    cloud: SmallCloud, jobs: Jobs, net: Net, other: Net
) -> None:
    may_stand(cloud, net)
    with pytest.raises(ClientError) as error:
        jobs.start("true", VpcConfig=other.config)
    assert "ec2:CreateNetworkInterface on arn:aws:ec2:us-east-1:123456789012:security-group/" in (
        refused(error)
    )


def test_what_does_not_fit_together_is_refused(
    cloud: SmallCloud, jobs: Jobs, net: Net, other: Net
) -> None:
    may_stand(cloud, net)
    for wanted, says in (
        ({**net.config, "Subnets": ["subnet-nowhere"]}, "'subnet-nowhere' does not exist"),
        ({**net.config, "SecurityGroupIds": [other.group]}, "does not exist in VPC"),
        ({**net.config, "Subnets": [net.subnets[0], other.subnets[0]]}, "lie in several VPCs"),
    ):
        with pytest.raises(ClientError) as error:
            jobs.start("true", VpcConfig=wanted)
        assert says in refused(error)
