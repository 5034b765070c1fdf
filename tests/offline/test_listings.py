"""Pages of the listings that moto gives whole: by key, so that changes in between lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
]


@pytest.mark.parametrize(("service", "method", "params", "code"), WRONG)
def test_services_refuse_it_in_their_words(
    cloud: Cloud, service: str, method: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(client(cloud, service), method)(**params)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


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
