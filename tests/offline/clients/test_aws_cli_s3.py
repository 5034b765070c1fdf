"""The AWS CLI and objects: its transfers, its presigned links, its conditional writes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import S3_TRANSFER_FAILED, SERVICE_REFUSED, AwsCli
from tests.offline.services.test_s3 import fetch
from tests.offline.whole_cloud import client, role

pytestmark = pytest.mark.clients

#: The CLI transfers in parts from 8 MB on. Source: "multipart_threshold", AWS CLI S3
#: configuration.
LARGE = 8 * 2**20 + 12345


def keys(cloud: Cloud, bucket: str, prefix: str = "") -> list[str]:
    listed = client(cloud, "s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [each["Key"] for each in listed.get("Contents", ())]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def bucket(aws: AwsCli) -> str:
    assert aws.text("s3", "mb", "s3://work") == "make_bucket: work\n"
    aws(
        "s3api",
        "put-bucket-versioning",
        "--bucket=work",
        "--versioning-configuration=Status=Enabled",
    )
    return "work"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    for name, text in {"a.csv": "1", "deep/b.csv": "2", "deep/er/é c.csv": "3"}.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # S3 keeps whole seconds: what was written in the second of its upload would look newer.
        os.utime(path, (time.time() - 60,) * 2)
    return made


def test_sync_goes_up_and_comes_down_as_it_was(
    aws: AwsCli, cloud: Cloud, bucket: str, folder: Path, tmp_path: Path
) -> None:
    there = f"s3://{bucket}/sync/"
    told = aws.text("s3", "sync", str(folder), there)
    assert told.count("upload: ") == 3
    assert keys(cloud, bucket, "sync/") == [
        "sync/a.csv",
        "sync/deep/b.csv",
        "sync/deep/er/é c.csv",
    ]
    back = tmp_path / "back"
    assert aws.text("s3", "sync", there, str(back)).count("download: ") == 3
    assert (back / "deep" / "er" / "é c.csv").read_text() == "3"
    # What is the same on both sides is not sent again, by size and time.
    assert aws.text("s3", "sync", there, str(back)) == ""
    assert aws.text("s3", "sync", str(back), there) == ""


def test_sync_with_delete_removes_what_is_gone(
    aws: AwsCli, cloud: Cloud, bucket: str, folder: Path
) -> None:
    there = f"s3://{bucket}/mirror/"
    aws.text("s3", "sync", str(folder), there)
    (folder / "a.csv").unlink()
    assert aws.text("s3", "sync", str(folder), there) == ""
    assert "delete: " in aws.text("s3", "sync", str(folder), there, "--delete")
    assert keys(cloud, bucket, "mirror/") == ["mirror/deep/b.csv", "mirror/deep/er/é c.csv"]


def test_a_large_file_travels_in_parts(
    aws: AwsCli, cloud: Cloud, bucket: str, tmp_path: Path
) -> None:
    large, back = tmp_path / "large.bin", tmp_path / "back.bin"
    large.write_bytes(random.Random(7).randbytes(LARGE))  # noqa: S311
    aws.text("s3", "cp", str(large), f"s3://{bucket}/large/large.bin")
    head = client(cloud, "s3").head_object(Bucket=bucket, Key="large/large.bin")
    assert head["ContentLength"] == LARGE
    assert head["ETag"].endswith('-2"')
    aws.text("s3", "cp", f"s3://{bucket}/large/large.bin", str(back))
    assert digest(back) == digest(large)
    # Within S3 a large object is copied in parts too.
    aws.text("s3", "cp", f"s3://{bucket}/large/large.bin", f"s3://{bucket}/large/copy.bin")
    aws.text("s3", "cp", f"s3://{bucket}/large/copy.bin", str(back))
    assert digest(back) == digest(large)
    assert client(cloud, "s3").list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_recursive_copies_moves_and_removals(
    aws: AwsCli, cloud: Cloud, bucket: str, folder: Path, tmp_path: Path
) -> None:
    one, two = f"s3://{bucket}/one/", f"s3://{bucket}/two/"
    aws.text("s3", "cp", "--recursive", str(folder), one, "--exclude", "a.csv")
    assert keys(cloud, bucket, "one/") == ["one/deep/b.csv", "one/deep/er/é c.csv"]
    aws.text("s3", "cp", "--recursive", one, two)
    aws.text("s3", "mv", f"{two}deep/b.csv", f"{two}moved.csv")
    assert keys(cloud, bucket, "two/") == ["two/deep/er/é c.csv", "two/moved.csv"]
    listed = aws.text("s3", "ls", "--recursive", "--summarize", two)
    assert "Total Objects: 2" in listed
    assert " PRE deep/" in aws.text("s3", "ls", two)
    aws.text("s3", "rm", "--recursive", two)
    assert keys(cloud, bucket, "two/") == []


def test_a_stream_goes_both_ways(aws: AwsCli, bucket: str) -> None:
    aws.text("s3", "cp", "-", f"s3://{bucket}/stream", given="from a pipe")
    assert aws.text("s3", "cp", f"s3://{bucket}/stream", "-") == "from a pipe"


def test_a_presigned_link_opens_until_it_ends(aws: AwsCli, cloud: Cloud, bucket: str) -> None:
    aws.text("s3", "cp", "-", f"s3://{bucket}/linked", given="linked")
    arn = role(cloud, "reader", "sagemaker", (["s3:GetObject"], f"arn:aws:s3:::{bucket}/linked"))
    reader = aws.as_role(arn)
    words = ("s3", "presign", f"s3://{bucket}/linked", "--expires-in", "600")
    # As AWS asks to: "Specifying the signature version in request authentication".
    aws.text("configure", "set", "default.s3.signature_version", "s3v4")
    for caller in (aws, reader):
        link = caller.text(*words).strip()
        assert fetch(link) == (200, b"linked")
    time.sleep(1.1)  # a signature's time is in whole seconds
    cloud.runtime.clock.move(by=timedelta(minutes=11))
    status, page = fetch(link)
    assert (status, b"expired" in page) == (403, True)


def test_links_by_the_old_signature_do_not_open(
    aws: AwsCli, cloud: Cloud, bucket: str, tmp_path: Path
) -> None:
    """Version 1 of the CLI signs so by itself, and S3 takes it for no bucket made since 2020."""
    unconfigured = AwsCli(cloud, tmp_path)
    status, page = fetch(unconfigured.text("s3", "presign", f"s3://{bucket}/any").strip())
    assert status == 400
    assert b"<Code>InvalidRequest</Code>" in page
    assert b"AWS4-HMAC-SHA256" in page


def test_writes_of_what_is_not_there_yet(aws: AwsCli, bucket: str) -> None:
    body = aws.home / "body"
    body.write_text("first")
    words = (
        "s3api",
        "put-object",
        f"--bucket={bucket}",
        "--key=once",
        f"--body={body}",
        "--if-none-match=*",
    )
    first = aws(*words)
    assert set(first) >= {"ETag", "VersionId"}
    refusal = aws.refused(*words)
    assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "PreconditionFailed")
    assert refusal.operation == "PutObject"


def test_versions_are_kept_listed_and_brought_back(aws: AwsCli, bucket: str) -> None:
    for text in ("one", "two"):
        aws.text("s3", "cp", "-", f"s3://{bucket}/versions/v", given=text)
    aws.text("s3", "rm", f"s3://{bucket}/versions/v")
    here = (f"--bucket={bucket}", "--prefix=versions/")
    listed = aws("s3api", "list-object-versions", *here)
    assert [each["IsLatest"] for each in listed["Versions"]] == [False, False]
    [marker] = listed["DeleteMarkers"]
    assert marker["IsLatest"]
    oldest = listed["Versions"][-1]["VersionId"]
    out = aws.home / "oldest"
    here = (f"--bucket={bucket}", "--key=versions/v")
    got = aws("s3api", "get-object", *here, f"--version-id={oldest}", str(out))
    assert (got["VersionId"], out.read_text()) == (oldest, "one")
    aws("s3api", "delete-object", *here, f"--version-id={marker['VersionId']}")
    assert aws.text("s3", "cp", f"s3://{bucket}/versions/v", "-") == "two"
    everything = {
        "Objects": [
            {"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed["Versions"]
        ]
    }
    gone = aws(
        "s3api", "delete-objects", f"--bucket={bucket}", f"--delete={json.dumps(everything)}"
    )
    assert len(gone["Deleted"]) == 2
    there = aws("s3api", "list-object-versions", f"--bucket={bucket}", "--prefix=versions/")
    assert not there.get("Versions")


def test_pages_of_keys(aws: AwsCli, bucket: str) -> None:
    for number in range(5):
        aws_key = f"pages/{number}"
        client(aws.cloud, "s3").put_object(Bucket=bucket, Key=aws_key, Body=b"")
    listed = aws(
        "s3api",
        "list-objects-v2",
        f"--bucket={bucket}",
        "--prefix=pages/",
        "--page-size=2",
        "--query=Contents[].Key",
    )
    assert listed == [f"pages/{number}" for number in range(5)]
    first = aws(
        "s3api", "list-objects-v2", f"--bucket={bucket}", "--prefix=pages/", "--max-items=3"
    )
    assert len(first["Contents"]) == 3
    rest = aws(
        "s3api",
        "list-objects-v2",
        f"--bucket={bucket}",
        "--prefix=pages/",
        "--starting-token",
        first["NextToken"],
    )
    assert [each["Key"] for each in rest["Contents"]] == ["pages/3", "pages/4"]


def test_waiting_for_objects_and_buckets(aws: AwsCli, bucket: str) -> None:
    aws.text("s3", "cp", "-", f"s3://{bucket}/waited", given="x")
    aws("s3api", "wait", "bucket-exists", f"--bucket={bucket}")
    aws("s3api", "wait", "object-exists", f"--bucket={bucket}", "--key=waited")
    aws("s3api", "wait", "object-not-exists", f"--bucket={bucket}", "--key=never")
    aws("s3api", "wait", "bucket-not-exists", "--bucket=never-made")


def test_what_is_missing_or_forbidden_is_said(aws: AwsCli, cloud: Cloud, bucket: str) -> None:
    missing = aws.refused("s3api", "get-object", f"--bucket={bucket}", "--key=no", "out")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NoSuchKey")
    missing = aws.refused("s3api", "head-object", f"--bucket={bucket}", "--key=no")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "404")
    missing = aws.refused("s3api", "list-objects-v2", "--bucket=never-made")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NoSuchBucket")
    refusal = aws.refused("s3api", "delete-bucket", f"--bucket={bucket}")
    assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "BucketNotEmpty")
    nobody = aws.as_role(role(cloud, "nobody", "sagemaker"))
    denied = nobody.refused("s3api", "get-object", f"--bucket={bucket}", "--key=linked", "out")
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "AccessDenied")
    assert "s3:GetObject" in denied.message
    ended = nobody.run("s3", "cp", f"s3://{bucket}/linked", "-")
    assert ended.status == S3_TRANSFER_FAILED
    assert "(403)" in ended.errors
    ended = nobody.run("s3", "sync", str(aws.home), f"s3://{bucket}/never/")
    assert ended.status == S3_TRANSFER_FAILED
    assert "AccessDenied" in ended.errors


def test_a_bucket_is_set_up_as_ours_are(aws: AwsCli) -> None:
    aws.text("s3", "mb", "s3://set-up")
    named = "--bucket=set-up"
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    encryption = json.dumps({"Rules": [rule]})
    aws(
        "s3api",
        "put-bucket-encryption",
        named,
        f"--server-side-encryption-configuration={encryption}",
    )
    [got] = aws("s3api", "get-bucket-encryption", named)["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert got["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    aws("s3api", "put-bucket-tagging", named, "--tagging=TagSet=[{Key=team,Value=falcon}]")
    tags = aws("s3api", "get-bucket-tagging", named)["TagSet"]
    assert tags == [{"Key": "team", "Value": "falcon"}]
    told = '--notification-configuration={"EventBridgeConfiguration": {}}'
    aws("s3api", "put-bucket-notification-configuration", named, told)
    kept = aws("s3api", "get-bucket-notification-configuration", named)
    assert "EventBridgeConfiguration" in kept
    # us-east-1 has no name for itself: "GetBucketLocation", S3 API reference.
    assert aws("s3api", "get-bucket-location", named) == {"LocationConstraint": None}
    [grant] = aws("s3api", "get-bucket-acl", named)["Grants"]
    assert grant["Permission"] == "FULL_CONTROL"


def test_an_upload_is_begun_and_given_up(aws: AwsCli, cloud: Cloud, bucket: str) -> None:
    named = (f"--bucket={bucket}", "--key=given-up")
    begun = aws("s3api", "create-multipart-upload", *named)["UploadId"]
    [listed] = aws("s3api", "list-multipart-uploads", f"--bucket={bucket}")["Uploads"]
    assert (listed["Key"], listed["UploadId"]) == ("given-up", begun)
    initiated = datetime.fromisoformat(listed["Initiated"])
    assert abs(initiated - cloud.runtime.clock.now()) < timedelta(minutes=5)
    aws("s3api", "abort-multipart-upload", *named, f"--upload-id={begun}")
    missing = aws.refused("s3api", "list-parts", *named, f"--upload-id={begun}")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NoSuchUpload")


def test_a_bucket_is_emptied_and_removed(aws: AwsCli) -> None:
    aws.text("s3", "mb", "s3://brief")
    aws.text("s3", "cp", "-", "s3://brief/x", given="x")
    assert aws.text("s3", "rb", "s3://brief", "--force").endswith("remove_bucket: brief\n")
    assert "brief" not in aws.text("s3", "ls")
