"""Domains, profiles, spaces and lifecycle configurations, as boto3 sees them over the wire."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.offline.services.sagemaker.studio_cloud import (
    Workspace,
    domain_request,
    gone,
    in_service,
    network,
    space_request,
    workspace,
)
from tests.offline.small_cloud import SmallCloud


@pytest.fixture(scope="module")
def ana(cloud: SmallCloud) -> Workspace:
    return workspace(cloud, "true")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def message(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Message"])


def test_names_of_resources_are_those_of_aws(ana: Workspace) -> None:
    prefix = "arn:aws:sagemaker:us-east-1:123456789012"
    where = {"DomainId": ana.domain_id}
    domain = ana.sagemaker.describe_domain(**where)
    profile = ana.sagemaker.describe_user_profile(**where, UserProfileName=ana.name)
    space = ana.sagemaker.describe_space(**where, SpaceName=ana.name)
    assert domain["DomainArn"] == f"{prefix}:domain/{ana.domain_id}"
    assert profile["UserProfileArn"] == f"{prefix}:user-profile/{ana.domain_id}/{ana.name}"
    assert space["SpaceArn"] == f"{prefix}:space/{ana.domain_id}/{ana.name}"
    assert {domain["Status"], profile["Status"], space["Status"]} == {"InService"}


def test_describe_gives_back_what_was_asked_for(ana: Workspace) -> None:
    space = ana.sagemaker.describe_space(DomainId=ana.domain_id, SpaceName=ana.name)
    asked = space_request(ana.domain_id, ana.name)
    for member in ("OwnershipSettings", "SpaceSharingSettings", "SpaceSettings"):
        assert space[member] == asked[member]


def test_a_domain_with_a_profile_is_in_use(ana: Workspace) -> None:
    with pytest.raises(ClientError, match="UserProfile") as error:
        ana.sagemaker.delete_domain(DomainId=ana.domain_id)
    assert code(error) == "ResourceInUse"


def test_a_profile_that_owns_a_space_is_in_use(ana: Workspace) -> None:
    with pytest.raises(ClientError, match=r"Space\(s\) are associated") as error:
        ana.sagemaker.delete_user_profile(DomainId=ana.domain_id, UserProfileName=ana.name)
    assert code(error) == "ResourceInUse"


def test_a_lifecycle_configuration_that_a_domain_names_is_in_use(ana: Workspace) -> None:
    with pytest.raises(ClientError, match="Detach it first") as error:
        ana.sagemaker.delete_studio_lifecycle_config(StudioLifecycleConfigName=f"{ana.name}-start")
    assert code(error) == "ResourceInUse"


def test_all_of_it_can_be_deleted_from_the_inside_out(cloud: SmallCloud) -> None:
    ben = workspace(cloud, "true")
    api = ben.sagemaker
    space = {"DomainId": ben.domain_id, "SpaceName": ben.name}
    profile = {"DomainId": ben.domain_id, "UserProfileName": ben.name}
    api.delete_space(**space)
    gone(api.describe_space, **space)
    api.delete_user_profile(**profile)
    gone(api.describe_user_profile, **profile)
    api.delete_domain(DomainId=ben.domain_id)
    gone(api.describe_domain, DomainId=ben.domain_id)
    api.delete_studio_lifecycle_config(StudioLifecycleConfigName=f"{ben.name}-start")
    with pytest.raises(ClientError) as error:
        api.describe_domain(DomainId=ben.domain_id)
    assert code(error) == "ResourceNotFound"
    assert ben.domain_id not in {one["DomainId"] for one in api.list_domains()["Domains"]}


def test_a_second_domain_of_one_name_is_refused(ana: Workspace, cloud: SmallCloud) -> None:
    with pytest.raises(ClientError, match="already exists") as error:
        ana.sagemaker.create_domain(**domain_request(cloud, ana.name, ana.role))
    assert code(error) == "ResourceInUse"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"AuthMode": "SSO"}, "AuthMode of CreateDomain as 'SSO'"),
        ({"AppNetworkAccessType": "Public"}, "enum value set"),
        ({"HomeEfsFileSystemCreation": "Enabled"}, "HomeEfsFileSystemCreation"),
        ({"DomainName": "two_words"}, "regular expression pattern"),
        ({"SubnetIds": ["subnet-0123"]}, "subnet-0123 does not exist"),
        ({"DefaultUserSettings": {}}, "ExecutionRole is required"),
        (
            {"DefaultUserSettings": {"ExecutionRole": "arn:aws:iam::123456789012:role/nobody"}},
            "Could not assume role",
        ),
        (
            {"DefaultUserSettings": {"CanvasAppSettings": {}}},
            "DefaultUserSettings.CanvasAppSettings of CreateDomain",
        ),
        (
            {"DefaultUserSettings": {"CustomPosixUserConfig": {"Uid": 10000, "Gid": 1001}}},
            "DefaultUserSettings.CustomPosixUserConfig",
        ),
    ],
)
def test_what_a_domain_cannot_be_here_is_refused_by_name(
    cloud: SmallCloud, ana: Workspace, change: dict[str, Any], says: str
) -> None:
    request = {**domain_request(cloud, f"{ana.name}-x", ana.role), **change}
    with pytest.raises(ClientError) as error:
        ana.sagemaker.create_domain(**request)
    assert code(error) == "ValidationException"
    assert says in message(error)


def test_a_role_that_does_not_trust_sagemaker_is_refused(cloud: SmallCloud, ana: Workspace) -> None:
    stranger = cloud.role(f"{ana.name}-lambda", "lambda.amazonaws.com")
    with pytest.raises(ClientError, match=r"principal 'sagemaker\.amazonaws\.com'"):
        ana.sagemaker.create_domain(**domain_request(cloud, f"{ana.name}-y", stranger))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"SpaceSharingSettings": {"SharingType": "Shared"}}, "SharingType of CreateSpace"),
        ({"SpaceSettings": {"AppType": "CodeEditor"}}, "AppType of CreateSpace as 'CodeEditor'"),
        (
            {"SpaceSettings": {"AppType": "JupyterLab", "CustomFileSystems": []}},
            "SpaceSettings.CustomFileSystems",
        ),
        (
            {
                "SpaceSettings": {
                    "AppType": "JupyterLab",
                    "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 21}},
                }
            },
            "exceeds the domain's maximum of 20",
        ),
    ],
)
def test_what_a_space_cannot_be_here_is_refused_by_name(
    ana: Workspace, change: dict[str, Any], says: str
) -> None:
    request = {**space_request(ana.domain_id, ana.name), "SpaceName": "other", **change}
    with pytest.raises(ClientError) as error:
        ana.sagemaker.create_space(**request)
    assert code(error) == "ValidationException"
    assert says in message(error)


def test_the_owner_of_a_space_must_exist(ana: Workspace) -> None:
    request = {**space_request(ana.domain_id, "nobody")}
    with pytest.raises(ClientError, match=r"UserProfile \[nobody\]") as error:
        ana.sagemaker.create_space(**request)
    assert code(error) == "ResourceNotFound"


def test_updates_overwrite_what_they_name_and_keep_the_rest(cloud: SmallCloud) -> None:
    cleo = workspace(cloud)
    api, where = cleo.sagemaker, {"DomainId": cleo.domain_id}
    api.update_domain(**where, DefaultUserSettings={"StudioWebPortal": "ENABLED"})
    settings = api.describe_domain(**where)["DefaultUserSettings"]
    assert settings["StudioWebPortal"] == "ENABLED"
    assert settings["ExecutionRole"] == cleo.role
    api.update_user_profile(
        **where,
        UserProfileName=cleo.name,
        UserSettings={"DefaultLandingUri": "studio::"},
    )
    profile = in_service(api, cleo.domain_id, UserProfileName=cleo.name)
    assert profile["UserSettings"] == {"DefaultLandingUri": "studio::"}
    api.update_space(**where, SpaceName=cleo.name, SpaceDisplayName="Cleo's space")
    space = api.describe_space(**where, SpaceName=cleo.name)
    assert space["SpaceDisplayName"] == "Cleo's space"
    assert space["SpaceSettings"]["AppType"] == "JupyterLab"


def test_a_script_that_is_not_base64_is_refused(ana: Workspace) -> None:
    with pytest.raises(ClientError, match="base64") as error:
        ana.sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName="plain",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent="#!/bin/bash",
        )
    assert code(error) == "ValidationException"


def test_a_script_beyond_aws_limit_is_refused(ana: Workspace) -> None:
    with pytest.raises(ClientError, match="length less than or equal to 16384"):
        ana.sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName="long",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(b"#" * 12_300).decode(),
        )


def test_a_listing_gives_ten_and_a_token_for_the_rest(ana: Workspace) -> None:
    content = base64.b64encode(b"true").decode()
    for number in range(12):
        ana.sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName=f"page-{number:02}",
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=content,
        )
    first = ana.sagemaker.list_studio_lifecycle_configs(
        NameContains="page", SortBy="Name", SortOrder="Ascending"
    )
    rest = ana.sagemaker.list_studio_lifecycle_configs(
        NameContains="page", SortBy="Name", SortOrder="Ascending", NextToken=first["NextToken"]
    )
    names = [
        config["StudioLifecycleConfigName"]
        for page in (first, rest)
        for config in page["StudioLifecycleConfigs"]
    ]
    assert len(first["StudioLifecycleConfigs"]) == 10
    assert names == [f"page-{number:02}" for number in range(12)]
    assert "NextToken" not in rest


def test_profiles_and_spaces_are_listed_by_domain(ana: Workspace) -> None:
    profiles = ana.sagemaker.list_user_profiles(DomainIdEquals=ana.domain_id)["UserProfiles"]
    spaces = ana.sagemaker.list_spaces(DomainIdEquals=ana.domain_id)["Spaces"]
    assert [one["UserProfileName"] for one in profiles] == [ana.name]
    assert [one["SpaceName"] for one in spaces] == [ana.name]
    assert spaces[0]["OwnershipSettingsSummary"]["OwnerUserProfileName"] == ana.name


def test_tags_overwrite_by_key(ana: Workspace) -> None:
    arn = ana.sagemaker.describe_space(DomainId=ana.domain_id, SpaceName=ana.name)["SpaceArn"]
    ana.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "falcon"}])
    ana.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "heron"}])
    assert ana.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "heron"}]


def test_a_tag_of_what_is_not_there_is_refused(ana: Workspace) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:space/{ana.domain_id}/nobody"
    with pytest.raises(ClientError) as error:
        ana.sagemaker.list_tags(ResourceArn=arn)
    assert code(error) == "ResourceNotFound"


def test_a_subnet_of_another_network_is_refused(cloud: SmallCloud, ana: Workspace) -> None:
    request = domain_request(cloud, f"{ana.name}-z", ana.role)
    request["SubnetIds"] = network(cloud)["SubnetIds"]
    with pytest.raises(ClientError, match="does not exist in VPC"):
        ana.sagemaker.create_domain(**request)
