"""Service Quotas over the wire: what `cohort plan` reads of an account, and an increase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.assurance.quotas import Need, in_account
from infra.offline.server import Cloud
from infra.offline.services import quotas
from tests.offline.whole_cloud import client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return client(cloud, "service-quotas")


def listed(api: Any, operation: str, service: str, **more: Any) -> dict[str, Any]:
    pages = api.get_paginator(operation).paginate(ServiceCode=service, **more)
    return {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}


def test_every_page_of_a_listing_is_given(api: Any) -> None:
    first = api.list_service_quotas(ServiceCode="sagemaker", MaxResults=7)
    assert len(first["Quotas"]) == 7
    found = listed(api, "list_service_quotas", "sagemaker")
    assert len(found) == sum(service == "sagemaker" for service, _ in quotas.known())
    assert found[quotas.DOMAINS]["Value"] == quotas.value(quotas.DOMAINS)


def test_codes_do_not_repeat() -> None:
    named = {(quota.service, quota.name) for quota in quotas.known().values()}
    assert len(named) == len(quotas.known())


def test_an_increase_holds_at_once_and_the_default_stays(api: Any) -> None:
    quota = listed(api, "list_service_quotas", "vpc")["VPCs per Region"]
    named = {"ServiceCode": "vpc", "QuotaCode": quota["QuotaCode"]}
    asked = api.request_service_quota_increase(**named, DesiredValue=9)["RequestedQuota"]
    assert asked["Status"] == "APPROVED"
    assert api.get_service_quota(**named)["Quota"]["Value"] == 9
    assert api.get_aws_default_service_quota(**named)["Quota"]["Value"] == 5
    assert listed(api, "list_aws_default_service_quotas", "vpc")["VPCs per Region"]["Value"] == 5
    with pytest.raises(ClientError, match="must be greater") as error:
        api.request_service_quota_increase(**named, DesiredValue=9)
    assert error.value.response["Error"]["Code"] == "IllegalArgumentException"


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("sagemaker", quotas.DOMAINS),
        ("sagemaker", quotas.PROFILES),
        ("sagemaker", quotas.SPACES),
        ("sagemaker", quotas.APPS),
        ("sagemaker", quotas.TRAINING_INSTANCES),
        ("sagemaker", quotas.apps_on("ml.t3.medium")),
        ("sagemaker", quotas.training_on("ml.g5.xlarge")),
        ("vpc", "VPCs per Region"),
        ("iam", "Roles per account"),
        ("lambda", "Concurrent executions"),
    ],
)
def test_the_plan_finds_what_it_asks_for(cloud: Cloud, service: str, name: str) -> None:
    need = Need(service, name, "us-east-1", least=1, full=2, why="a test")
    found = in_account(
        [need],
        None,  # type: ignore[arg-type]  (no quota here is counted by what a cohort has)
        lambda wanted, _region: client(cloud, wanted),
        account="123456789012",
    )
    assert not found.unread
    assert found.findings[0].verdict == "enough"


def test_a_quota_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ValueError, match="has no quota"):
        quotas.set_value("Total unicorns", 1)
