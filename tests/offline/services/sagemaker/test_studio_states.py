"""Domains, profiles and spaces come, change and go by themselves; what must wait is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.sagemaker.models import sagemaker_backends

from infra.offline import shapes
from infra.offline.services.sagemaker import operations
from tests.offline.services.sagemaker.studio_cloud import (
    Workspace,
    domain_request,
    in_service,
    space_request,
    workspace,
)
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    told = error.value.response["Error"]
    return str(told["Code"]), str(told["Message"])


@pytest.fixture
def ana(cloud: SmallCloud) -> Workspace:
    return workspace(cloud)


@pytest.fixture
def settle(ana: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on nothing settles by itself; the call lets everything settle."""
    monkeypatch.setattr(operations, "SETTLING_SECONDS", 3600.0)
    kept = operations.state(sagemaker_backends[ACCOUNT][REGION])

    def let() -> None:
        with kept.lock:
            kept.settling = [operations.Settling(0.0, each.finish) for each in kept.settling]
        kept.settle()

    return let


def status(describe: Callable[..., Any], **identity: str) -> str:
    return str(describe(**identity)["Status"])


def test_a_domain_is_pending_then_in_service(
    cloud: SmallCloud, ana: Workspace, settle: Callable[[], None]
) -> None:
    api, name = ana.sagemaker, f"{ana.name}-2"
    domain = api.create_domain(**domain_request(cloud, name, ana.role))["DomainId"]
    assert status(api.describe_domain, DomainId=domain) == "Pending"
    listed = {
        each["DomainId"]: each["Status"] for each in api.list_domains(MaxResults=100)["Domains"]
    }
    assert listed[domain] == "Pending"
    settle()
    assert status(api.describe_domain, DomainId=domain) == "InService"


def test_nothing_is_made_in_a_pending_domain(
    cloud: SmallCloud, ana: Workspace, settle: Callable[[], None]
) -> None:
    api = ana.sagemaker
    request = domain_request(cloud, f"{ana.name}-3", ana.role)
    domain = api.create_domain(**request)["DomainId"]
    for call in (
        lambda: api.create_user_profile(DomainId=domain, UserProfileName="ben"),
        lambda: api.update_domain(DomainId=domain, DefaultUserSettings={}),
        lambda: api.delete_domain(DomainId=domain),
    ):
        code, message = refusal(call)
        assert code == "ValidationException"
        assert f"domain/{domain}] is not in InService state (it is Pending)" in message
    settle()
    api.delete_domain(DomainId=domain)


def test_profile_and_space_are_pending_then_in_service(
    ana: Workspace, settle: Callable[[], None]
) -> None:
    api, where = ana.sagemaker, {"DomainId": ana.domain_id}
    api.create_user_profile(**where, UserProfileName="ben")
    assert status(api.describe_user_profile, **where, UserProfileName="ben") == "Pending"
    request = space_request(ana.domain_id, "ben")
    assert refusal(lambda: api.create_space(**request))[0] == "ValidationException"
    settle()
    api.create_space(**request)
    assert status(api.describe_space, **where, SpaceName="ben") == "Pending"
    app = {**ana.app, "SpaceName": "ben"}
    code, message = refusal(lambda: api.create_app(**app))
    assert code == "ValidationException"
    assert message.startswith("Unable to create app [arn:aws:sagemaker:")
    assert f"because space [arn:aws:sagemaker:{REGION}:{ACCOUNT}:space/{ana.domain_id}/ben]" in (
        message
    )
    # Seen on AWS: DeleteSpace of a Pending space is a ValidationException.
    assert refusal(lambda: api.delete_space(**where, SpaceName="ben"))[0] == "ValidationException"
    settle()
    assert status(api.describe_space, **where, SpaceName="ben") == "InService"


def test_what_is_updated_is_updating_first(ana: Workspace, settle: Callable[[], None]) -> None:
    api, where = ana.sagemaker, {"DomainId": ana.domain_id}
    space = {**where, "SpaceName": ana.name}
    api.update_domain(**where, DefaultUserSettings={"StudioWebPortal": "ENABLED"})
    api.update_user_profile(**where, UserProfileName=ana.name, UserSettings={})
    api.update_space(**space, SpaceDisplayName="Ana's")
    assert status(api.describe_domain, **where) == "Updating"
    assert status(api.describe_user_profile, **where, UserProfileName=ana.name) == "Updating"
    assert status(api.describe_space, **space) == "Updating"
    for call in (
        lambda: api.update_space(**space, SpaceDisplayName="Ben's"),
        lambda: api.delete_space(**space),
        lambda: api.create_app(**ana.app),
    ):
        code, message = refusal(call)
        assert (code, "(it is Updating)" in message) == ("ValidationException", True)
    settle()
    assert api.describe_space(**space)["SpaceDisplayName"] == "Ana's"
    assert status(api.describe_space, **space) == "InService"


def test_what_is_deleted_is_deleting_first_and_still_counts(
    ana: Workspace, settle: Callable[[], None]
) -> None:
    api, where = ana.sagemaker, {"DomainId": ana.domain_id}
    api.delete_space(**where, SpaceName=ana.name)
    assert status(api.describe_space, **where, SpaceName=ana.name) == "Deleting"
    code, message = refusal(lambda: api.delete_user_profile(**where, UserProfileName=ana.name))
    assert code == "ResourceInUse"
    assert "because Space(s) are associated with it" in message
    assert refusal(lambda: api.create_space(**space_request(ana.domain_id, ana.name)))[0] == (
        "ResourceInUse"
    )
    settle()
    assert refusal(lambda: api.describe_space(**where, SpaceName=ana.name))[0] == "ResourceNotFound"
    api.delete_user_profile(**where, UserProfileName=ana.name)
    assert refusal(lambda: api.delete_domain(**where))[0] == "ResourceInUse"
    settle()
    api.delete_domain(**where)
    assert status(api.describe_domain, **where) == "Deleting"
    settle()
    assert refusal(lambda: api.describe_domain(**where))[0] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"VpcId": "vpc-0123456789abcdef0"}, "The VPC ID 'vpc-0123456789abcdef0' could not be"),
        (
            {"KmsKeyId": "11112222-3333-4444-5555-666677778888"},
            "KMS key '11112222-3333-4444-5555-666677778888' does not exist",
        ),
    ],
)
def test_a_domain_that_cannot_come_up_fails_and_says_why(
    cloud: SmallCloud,
    ana: Workspace,
    settle: Callable[[], None],
    change: dict[str, str],
    reason: str,
) -> None:
    api = ana.sagemaker
    request = {**domain_request(cloud, f"f-{uuid.uuid4().hex[:8]}", ana.role), **change}
    domain = api.create_domain(**request)["DomainId"]
    settle()
    described = api.describe_domain(DomainId=domain)
    assert described["Status"] == "Failed"
    assert reason in described["FailureReason"]
    code, _ = refusal(lambda: api.create_user_profile(DomainId=domain, UserProfileName="ben"))
    assert code == "ValidationException"
    api.delete_domain(DomainId=domain)
    settle()
    assert refusal(lambda: api.describe_domain(DomainId=domain))[0] == "ResourceNotFound"


def test_by_default_it_takes_a_moment(cloud: SmallCloud, ana: Workspace) -> None:
    domain = ana.sagemaker.create_domain(**domain_request(cloud, f"{ana.name}-9", ana.role))[
        "DomainId"
    ]
    assert in_service(ana.sagemaker, domain)["Status"] == "InService"
    assert operations.SETTLING_SECONDS < 0.01


def test_what_only_creation_may_set_is_no_member_of_an_update(ana: Workspace) -> None:
    where = {"DomainId": ana.domain_id}
    fixed = {
        "UpdateDomain": ("AuthMode", "DomainName", "KmsKeyId"),
        "UpdateSpace": ("OwnershipSettings", "SpaceSharingSettings"),
        "UpdateImageVersion": ("BaseImage",),
    }
    for operation, members in fixed.items():
        model = shapes.operation_model("sagemaker", operation)
        assert model is not None
        assert not set(members) & set(model.input_shape.members)
    backend = sagemaker_backends[ACCOUNT][REGION]
    with pytest.raises(Exception, match="'ownershipSettings': AWS knows no such member"):
        backend.update_space(
            {**where, "SpaceName": ana.name, "OwnershipSettings": {"OwnerUserProfileName": "ben"}}
        )
