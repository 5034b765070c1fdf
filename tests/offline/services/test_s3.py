"""Objects follow the cloud's clock, and nobody overwrites what they may only add."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.offline.authorization import credentials
from infra.offline.server import Cloud
from tests.offline import whole_cloud
from tests.offline.small_cloud import REGION

OURS = "submissions/land-cover/falcon/"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        s3 = whole_cloud.client(running, "s3")
        s3.create_bucket(Bucket="work")
        s3.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
        s3.create_bucket(Bucket="site")
        s3.put_object(Bucket="site", Key="land-cover.html", Body=b"<h1>board</h1>")
        yield running


@pytest.fixture(scope="module")
def learner(cloud: Cloud) -> dict[str, str]:
    """Credentials of a role that may add submissions, and read the site."""
    iam = whole_cloud.client(cloud, "iam")
    arn = whole_cloud.role(
        cloud,
        "ana",
        "sagemaker",
        (["s3:GetObject"], "arn:aws:s3:::site/*"),
        (["s3:GetObject"], "arn:aws:s3:::work/teams/falcon/*"),
    )
    iam.put_role_policy(
        RoleName="ana",
        PolicyName="submit",
        PolicyDocument="""{"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::work/submissions/land-cover/falcon/*",
            "Condition": {
                "Null": {
                    "s3:if-none-match": "false",
                    "s3:x-amz-server-side-encryption-customer-algorithm": "true"
                },
                "StringEqualsIfExists": {"s3:x-amz-storage-class": "STANDARD"}}}]}""",
    )
    return credentials.for_role(arn, session_name="ana")


@pytest.fixture
def s3(cloud: Cloud, learner: dict[str, str]) -> Any:
    return whole_cloud.client(cloud, "s3", learner)


def code(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def body(cloud: Cloud, key: str) -> bytes:
    got = whole_cloud.client(cloud, "s3").get_object(Bucket="work", Key=key)
    return bytes(got["Body"].read())


def test_last_modified_is_the_clouds_time(cloud: Cloud) -> None:
    admin = whole_cloud.client(cloud, "s3")
    cloud.runtime.clock.move(by=timedelta(days=100))
    admin.put_object(Bucket="work", Key="teams/falcon/late", Body=b"x")
    [listed] = admin.list_objects_v2(Bucket="work", Prefix="teams/falcon/late")["Contents"]
    got = admin.get_object(Bucket="work", Key="teams/falcon/late")
    now = cloud.runtime.clock.now()
    for seen in (listed["LastModified"], got["LastModified"]):
        assert timedelta(0) <= now - seen < timedelta(seconds=10)
    cloud.runtime.clock.move(by=timedelta(days=1))
    again = admin.head_object(Bucket="work", Key="teams/falcon/late")["LastModified"]
    assert again == got["LastModified"]


def test_a_submission_is_added_once_and_never_overwritten(cloud: Cloud, s3: Any) -> None:
    new = {"Bucket": "work", "Key": f"{OURS}a.npz"}
    assert code(lambda: s3.put_object(**new, Body=b"x")) == ("AccessDenied", 403)
    s3.put_object(**new, Body=b"first", IfNoneMatch="*")
    assert code(lambda: s3.put_object(**new, Body=b"y", IfNoneMatch="*")) == (
        "PreconditionFailed",
        412,
    )
    assert code(lambda: s3.put_object(**new, Body=b"y")) == ("AccessDenied", 403)
    assert body(cloud, new["Key"]) == b"first"


def test_another_value_of_the_header_is_no_way_around(cloud: Cloud, s3: Any) -> None:
    new = {"Bucket": "work", "Key": f"{OURS}b.npz"}
    s3.put_object(**new, Body=b"first", IfNoneMatch="*")
    for value in ('"0"', "0", "**", "W/*"):
        answer = code(lambda value=value: s3.put_object(**new, Body=b"y", IfNoneMatch=value))
        assert answer == ("NotImplemented", 501), value
    assert body(cloud, new["Key"]) == b"first"


def test_a_submission_is_stored_as_any_reader_can_read_it(cloud: Cloud, s3: Any) -> None:
    new = {"Bucket": "work", "Key": f"{OURS}e.npz", "Body": b"first", "IfNoneMatch": "*"}
    for other in (
        {"StorageClass": "GLACIER"},
        {"StorageClass": "DEEP_ARCHIVE"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
    ):
        answer = code(lambda other=other: s3.put_object(**new, **other))
        assert answer == ("AccessDenied", 403), other
    s3.put_object(**new, StorageClass="STANDARD")
    assert body(cloud, new["Key"]) == b"first"


def test_neither_a_copy_nor_a_large_upload_is_a_way_around(cloud: Cloud, s3: Any) -> None:
    admin = whole_cloud.client(cloud, "s3")
    admin.put_object(Bucket="work", Key="teams/falcon/mine", Body=b"copied")
    new = {"Bucket": "work", "Key": f"{OURS}c.npz"}
    source = {"Bucket": "work", "Key": "teams/falcon/mine"}
    s3.put_object(**new, Body=b"first", IfNoneMatch="*")
    assert code(lambda: s3.copy_object(**new, CopySource=source)) == ("AccessDenied", 403)
    assert code(lambda: s3.copy_object(**new, CopySource=source, IfNoneMatch="*")) == (
        "PreconditionFailed",
        412,
    )
    assert code(lambda: s3.create_multipart_upload(**new)) == ("AccessDenied", 403)
    assert body(cloud, new["Key"]) == b"first"
    s3.copy_object(Bucket="work", Key=f"{OURS}d.npz", CopySource=source, IfNoneMatch="*")
    assert body(cloud, f"{OURS}d.npz") == b"copied"


def test_of_writers_at_once_one_wins(cloud: Cloud, learner: dict[str, str]) -> None:
    clients = [whole_cloud.client(cloud, "s3", learner) for _ in range(8)]
    gate = threading.Barrier(len(clients))
    won: list[bytes] = []

    def write(index: int) -> None:
        gate.wait()
        content = str(index).encode() * 1000
        try:
            clients[index].put_object(
                Bucket="work", Key=f"{OURS}race.npz", Body=content, IfNoneMatch="*"
            )
        except ClientError:
            return
        won.append(content)

    threads = [threading.Thread(target=write, args=(index,)) for index in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [body(cloud, f"{OURS}race.npz")] == won
    admin = whole_cloud.client(cloud, "s3")
    versions = admin.list_object_versions(Bucket="work", Prefix=f"{OURS}race")["Versions"]
    assert len(versions) == 1


def fetch(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_learners_link_to_the_board_opens_and_ends(cloud: Cloud, learner: dict[str, str]) -> None:
    # boto3 signs links of us-east-1 by Signature Version 2 unless told otherwise.
    s3 = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name=REGION,
        aws_access_key_id=learner["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=learner["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=learner["AWS_SESSION_TOKEN"],
        config=Config(signature_version="s3v4"),
    )
    board = {"Bucket": "site", "Key": "land-cover.html"}
    time.sleep(1.1)  # a signature's time is in whole seconds, and a move counts from there
    link = s3.generate_presigned_url("get_object", Params=board, ExpiresIn=3600)
    assert "X-Amz-Security-Token" in link
    assert REGION in link
    foreign = s3.generate_presigned_url("get_object", Params={"Bucket": "work", "Key": OURS + "a"})
    status, page = fetch(link)
    assert (status, fetch(foreign)[0]) == (200, 403)
    assert page == b"<h1>board</h1>"
    time.sleep(1.1)
    cloud.runtime.clock.move(by=timedelta(hours=1, minutes=1))
    status, page = fetch(link)
    assert status == 403
    assert b"expired" in page
