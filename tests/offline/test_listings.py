"""Pages of the listings that moto gives whole: by key, so that changes in between lose nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError

from infra.offline import listings
from infra.offline.server import Cloud
from tests.offline.whole_cloud import client


def pages(items: list[str], size: int) -> Iterator[list[str]]:
    token = None
    while True:
        given, token = listings.page(items, str, size=size, token=token, refuses=ValueError)
        yield given
        if token is None:
            return


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_every_item_is_on_one_page(size: int) -> None:
    items = ["e", "a", "d", "b", "c"]
    found = list(pages(items, size))
    assert [item for page in found for item in page] == sorted(items)
    assert all(0 < len(page) <= size for page in found)


def test_deleting_what_was_listed_misses_nothing() -> None:
    items = [f"{number:02d}" for number in range(20)]
    seen = []
    for page in pages(items, 3):
        seen += page
        for item in page:
            items.remove(item)
    assert len(seen) == 20
    assert items == []


@pytest.mark.parametrize("token", ["never given", "YWZ0ZXI", "////", "é"])
def test_a_token_that_was_not_given_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="Invalid token"):
        listings.page(["a"], str, size=1, token=token, refuses=ValueError)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


#: Service, call with a token that was not given, and the service's code for it.
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "budgets",
        "describe_budgets",
        {"AccountId": "123456789012", "NextToken": "x"},
        "InvalidNextTokenException",
    ),
    ("cloudwatch", "describe_alarms", {"NextToken": "x"}, "InvalidNextToken"),
    ("ec2", "describe_vpcs", {"NextToken": "x"}, "InvalidParameterValue"),
    ("ecr", "describe_repositories", {"nextToken": "x"}, "InvalidParameterException"),
    ("kms", "list_keys", {"Marker": "x"}, "InvalidMarkerException"),
    ("lambda", "list_functions", {"Marker": "x"}, "InvalidParameterValueException"),
    ("s3", "list_buckets", {"ContinuationToken": "x"}, "InvalidArgument"),
    ("ssm", "describe_parameters", {"NextToken": "x"}, "InvalidNextToken"),
    ("ssm", "get_parameters_by_path", {"Path": "/", "NextToken": "x"}, "InvalidNextToken"),
    ("iam", "list_roles", {"Marker": "x"}, "ValidationError"),
    ("iam", "list_policies", {"Marker": "x"}, "ValidationError"),
    ("sns", "list_topics", {"NextToken": "x"}, "InvalidParameter"),
    ("sns", "list_subscriptions", {"NextToken": "x"}, "InvalidParameter"),
]


@pytest.mark.parametrize(("service", "method", "params", "code"), WRONG)
def test_services_refuse_it_in_their_words(
    cloud: Cloud, service: str, method: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(client(cloud, service), method)(**params)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@dataclass(frozen=True)
class Shrinking:
    """A listing from which things go between two pages."""

    service: str
    method: str
    items: str
    fill: Callable[[Any, str], object]
    delete: Callable[[Any, str], object]
    params: dict[str, Any] = field(default_factory=dict)
    size: str | None = None
    most: int = 2


def trust(principal: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ALLOW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
LOCAL = "arn:aws:iam::123456789012:policy/shrinking/"
SHRINKING = (
    Shrinking(
        "iam",
        "list_roles",
        "Roles[].RoleName",
        lambda iam, name: iam.create_role(
            RoleName=name,
            Path="/shrinking/",
            AssumeRolePolicyDocument=trust("lambda.amazonaws.com"),
        ),
        lambda iam, name: iam.delete_role(RoleName=name),
        {"PathPrefix": "/shrinking/"},
        "MaxItems",
    ),
    Shrinking(
        "iam",
        "list_policies",
        "Policies[].PolicyName",
        lambda iam, name: iam.create_policy(
            PolicyName=name, Path="/shrinking/", PolicyDocument=ALLOW
        ),
        lambda iam, name: iam.delete_policy(PolicyArn=LOCAL + name),
        {"PathPrefix": "/shrinking/"},
        "MaxItems",
    ),
    Shrinking(
        "sns",
        "list_topics",
        "Topics[].TopicArn",
        lambda sns, name: sns.create_topic(Name=name),
        lambda sns, arn: sns.delete_topic(TopicArn=arn),
        most=100,  # AWS's own: nobody may ask for another
    ),
    Shrinking(
        "ssm",
        "get_parameters_by_path",
        "Parameters[].Name",
        lambda ssm, name: ssm.put_parameter(Name=f"/shrinking/{name}", Value="x", Type="String"),
        lambda ssm, name: ssm.delete_parameter(Name=name),
        {"Path": "/shrinking"},
        "MaxResults",
    ),
    Shrinking(
        "ssm",
        "describe_parameters",
        "Parameters[].Name",
        lambda ssm, name: ssm.put_parameter(Name=f"/shrinking/{name}", Value="x", Type="String"),
        lambda ssm, name: ssm.delete_parameter(Name=name),
        {},
        "MaxResults",
    ),
    Shrinking(
        "ecr",
        "describe_repositories",
        "repositories[].repositoryName",
        lambda ecr, name: ecr.create_repository(repositoryName=name),
        lambda ecr, name: ecr.delete_repository(repositoryName=name),
        {},
        "maxResults",
    ),
)


@pytest.mark.parametrize("listing", SHRINKING, ids=lambda each: f"{each.service}-{each.method}")
def test_what_goes_between_two_pages_hides_nothing(cloud: Cloud, listing: Shrinking) -> None:
    api = client(cloud, listing.service)
    for number in range(listing.most * 2 + 1):
        listing.fill(api, f"shrinking-{(number * 7) % (listing.most * 2 + 1):03d}")
    params = {**listing.params, **({listing.size: listing.most} if listing.size else {})}
    pages = []
    for page in api.get_paginator(listing.method).paginate(**params):
        pages.append(jmespath.search(listing.items, page))
        listing.delete(api, pages[-1][0])
    assert [len(each) for each in pages] == [listing.most, listing.most, 1]
    found = [name.rpartition("shrinking-")[2] for each in pages for name in each]
    assert found == [f"{number:03d}" for number in range(listing.most * 2 + 1)]
    for name in (name for each in pages for name in each[1:]):
        listing.delete(api, name)


def test_attached_policies_and_subscriptions_too(cloud: Cloud) -> None:
    iam, sns = client(cloud, "iam"), client(cloud, "sns")
    iam.create_role(RoleName="holder", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    arns = []
    for name in ("c", "a", "b"):
        made = iam.create_policy(PolicyName=f"attached-{name}", PolicyDocument=ALLOW)["Policy"]
        iam.attach_role_policy(RoleName="holder", PolicyArn=made["Arn"])
        arns.append(made["Arn"])
    seen = []
    paginator = iam.get_paginator("list_attached_role_policies")
    for page in paginator.paginate(RoleName="holder", PaginationConfig={"PageSize": 1}):
        seen += [each["PolicyArn"] for each in page["AttachedPolicies"]]
        iam.detach_role_policy(RoleName="holder", PolicyArn=seen[-1])
    assert seen == sorted(arns)
    topic = sns.create_topic(Name="heard")["TopicArn"]
    for number in range(101):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=f"{number}@example.org")
    for method, params in (
        ("list_subscriptions_by_topic", {"TopicArn": topic}),
        ("list_subscriptions", {}),
    ):
        first = getattr(sns, method)(**params)
        rest = getattr(sns, method)(**params, NextToken=first["NextToken"])
        assert len(first["Subscriptions"]) == 100
        assert len(rest["Subscriptions"]) == 1
        assert rest["Subscriptions"][0] not in first["Subscriptions"]


def test_a_key_that_waits_for_its_deletion_is_of_no_use(cloud: Cloud) -> None:
    kms = client(cloud, "kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with pytest.raises(kms.exceptions.KMSInvalidStateException):
        kms.decrypt(CiphertextBlob=sealed)
    kms.cancel_key_deletion(KeyId=key)
    with pytest.raises(kms.exceptions.DisabledException):
        kms.decrypt(CiphertextBlob=sealed)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
