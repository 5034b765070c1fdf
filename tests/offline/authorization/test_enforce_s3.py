"""S3 behind enforcement: every operation both ways, and every way to spell it otherwise."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

WORK = "arn:aws:s3:::work"
ACCOUNT = "123456789012"


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def deny(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return allow(action, resource, **condition) | {"Effect": "Deny"}


@pytest.fixture
def work(cloud: Any) -> Any:
    """A versioned bucket with an object, a tagged one, and a started upload."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="work")
    s3.put_bucket_versioning(Bucket="work", VersioningConfiguration={"Status": "Enabled"})
    cloud.version = s3.put_object(Bucket="work", Key="teams/falcon/a", Body=b"abc")["VersionId"]
    s3.put_object(Bucket="work", Key="teams/eagle/secret", Body=b"secret")
    cloud.upload = s3.create_multipart_upload(Bucket="work", Key="teams/falcon/big")["UploadId"]
    return cloud


A = {"Bucket": "work", "Key": "teams/falcon/a"}
BIG = {"Bucket": "work", "Key": "teams/falcon/big"}
OBJECT = f"{WORK}/teams/falcon/a"
UPLOAD = f"{WORK}/teams/falcon/big"

#: (call, the permissions that AWS asks for)
OPERATIONS: dict[str, tuple[Callable[[Any, Any], Any], list[tuple[str, str]]]] = {
    "get": (lambda s3, _: s3.get_object(**A), [("s3:GetObject", OBJECT)]),
    "get version": (
        lambda s3, c: s3.get_object(**A, VersionId=c.version),
        [("s3:GetObjectVersion", OBJECT)],
    ),
    "head": (lambda s3, _: s3.head_object(**A), [("s3:GetObject", OBJECT)]),
    "attributes": (
        lambda s3, _: s3.get_object_attributes(**A, ObjectAttributes=["ETag"]),
        [("s3:GetObject", OBJECT), ("s3:GetObjectAttributes", OBJECT)],
    ),
    "acl": (lambda s3, _: s3.get_object_acl(**A), [("s3:GetObjectAcl", OBJECT)]),
    "get tags": (lambda s3, _: s3.get_object_tagging(**A), [("s3:GetObjectTagging", OBJECT)]),
    "put tags": (
        lambda s3, _: s3.put_object_tagging(**A, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]}),
        [("s3:PutObjectTagging", OBJECT)],
    ),
    "delete tags": (
        lambda s3, _: s3.delete_object_tagging(**A),
        [("s3:DeleteObjectTagging", OBJECT)],
    ),
    "put": (
        lambda s3, _: s3.put_object(**A, Body=b"x", Metadata={"note": "hi"}, ContentType="text/x"),
        [("s3:PutObject", OBJECT)],
    ),
    "put with tags": (
        lambda s3, _: s3.put_object(**A, Body=b"x", Tagging="k=v"),
        [("s3:PutObject", OBJECT), ("s3:PutObjectTagging", OBJECT)],
    ),
    "put with acl": (
        lambda s3, _: s3.put_object(**A, Body=b"x", ACL="private"),
        [("s3:PutObject", OBJECT), ("s3:PutObjectAcl", OBJECT)],
    ),
    "start upload": (
        lambda s3, _: s3.create_multipart_upload(**BIG),
        [("s3:PutObject", UPLOAD)],
    ),
    "upload part": (
        lambda s3, c: s3.upload_part(**BIG, UploadId=c.upload, PartNumber=1, Body=b"x"),
        [("s3:PutObject", UPLOAD)],
    ),
    "copy part": (
        lambda s3, c: s3.upload_part_copy(
            **BIG, UploadId=c.upload, PartNumber=1, CopySource=A, CopySourceRange="bytes=0-1"
        ),
        [("s3:GetObject", OBJECT), ("s3:PutObject", UPLOAD)],
    ),
    "list parts": (
        lambda s3, c: s3.list_parts(**BIG, UploadId=c.upload),
        [("s3:ListMultipartUploadParts", UPLOAD)],
    ),
    "abort upload": (
        lambda s3, c: s3.abort_multipart_upload(**BIG, UploadId=c.upload),
        [("s3:AbortMultipartUpload", UPLOAD)],
    ),
    "delete": (lambda s3, _: s3.delete_object(**A), [("s3:DeleteObject", OBJECT)]),
    "delete version": (
        lambda s3, c: s3.delete_object(**A, VersionId=c.version),
        [("s3:DeleteObjectVersion", OBJECT)],
    ),
    "copy": (
        lambda s3, _: s3.copy_object(**BIG, CopySource=A),
        [("s3:GetObject", OBJECT), ("s3:PutObject", UPLOAD)],
    ),
    "copy version": (
        lambda s3, c: s3.copy_object(**BIG, CopySource={**A, "VersionId": c.version}),
        [("s3:GetObjectVersion", OBJECT), ("s3:PutObject", UPLOAD)],
    ),
    "list v1": (lambda s3, _: s3.list_objects(Bucket="work"), [("s3:ListBucket", WORK)]),
    "list v2": (
        lambda s3, _: s3.list_objects_v2(Bucket="work", Prefix="teams/", Delimiter="/"),
        [("s3:ListBucket", WORK)],
    ),
    "head bucket": (lambda s3, _: s3.head_bucket(Bucket="work"), [("s3:ListBucket", WORK)]),
    "list versions": (
        lambda s3, _: s3.list_object_versions(Bucket="work"),
        [("s3:ListBucketVersions", WORK)],
    ),
    "list uploads": (
        lambda s3, _: s3.list_multipart_uploads(Bucket="work"),
        [("s3:ListBucketMultipartUploads", WORK)],
    ),
    "location": (
        lambda s3, _: s3.get_bucket_location(Bucket="work"),
        [("s3:GetBucketLocation", WORK)],
    ),
    "versioning": (
        lambda s3, _: s3.get_bucket_versioning(Bucket="work"),
        [("s3:GetBucketVersioning", WORK)],
    ),
    "list buckets": (lambda s3, _: s3.list_buckets(), [("s3:ListAllMyBuckets", "*")]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_needs_exactly_its_permissions(work: Any, refused: Any, name: str) -> None:
    call, needs = OPERATIONS[name]
    full = work.client("s3", work.role(*(allow(action, on) for action, on in needs)))
    for missing in needs:
        rest = [allow(action, on) for action, on in needs if (action, on) != missing]
        keys = work.role(*rest, allow("sqs:*"))
        poor = work.client("s3", keys)
        code = "403" if name in ("head", "head bucket") else "AccessDenied"
        message = refused(lambda poor=poor: call(poor, work), code, 403)
        if code == "AccessDenied":
            on = "" if missing[1] == "*" else f' on resource: "{missing[1]}"'
            assert message == (
                f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{_role(keys)}/ana is not authorized to "
                f"perform: {missing[0]}{on} because no identity-based policy allows the "
                f"{missing[0]} action"
            )
    assert call(full, work)["ResponseMetadata"]["HTTPStatusCode"] in (200, 204)


def _role(keys: dict[str, str]) -> str:
    from infra.offline.authorization import credentials

    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    assert session is not None
    return session.role_name


def test_what_passes_arrives_whole(work: Any) -> None:
    keys = work.role(allow("s3:*", [WORK, f"{WORK}/*"]))
    s3 = work.client("s3", keys)
    key = "teams/falcon/a b+c&d=é?#;,'\"~!/é/"
    body = bytes(range(256)) * 5000
    s3.put_object(
        Bucket="work", Key=key, Body=body, Metadata={"note": "x%20y"}, ContentType="text/csv"
    )
    got = s3.get_object(Bucket="work", Key=key)
    assert got["Body"].read() == body
    assert got["Metadata"] == {"note": "x%20y"}
    assert got["ContentType"] == "text/csv"
    assert s3.get_object(Bucket="work", Key=key, Range="bytes=1-3")["Body"].read() == body[1:4]
    listed = s3.list_objects_v2(Bucket="work", Prefix="teams/falcon/a b+c&")["Contents"]
    assert [item["Key"] for item in listed] == [key]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="work", Key=key, Body=b"", IfNoneMatch="*")
    s3.upload_part(**BIG, UploadId=work.upload, PartNumber=1, Body=b"z" * 5)
    part = s3.list_parts(**BIG, UploadId=work.upload)["Parts"][0]
    s3.complete_multipart_upload(
        **BIG,
        UploadId=work.upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    assert s3.get_object(**BIG)["Body"].read() == b"zzzzz"
    s3.copy_object(
        Bucket="work", Key="teams/falcon/copy", CopySource={"Bucket": "work", "Key": key}
    )
    assert s3.get_object(Bucket="work", Key="teams/falcon/copy")["Body"].read() == body


def test_streamed_and_chunked_bodies_arrive_whole(work: Any) -> None:
    s3 = work.client("s3", work.role(allow("s3:*")))
    # botocore sends a seekable stream as aws-chunked with a trailing checksum.
    import io

    s3.put_object(**A, Body=io.BytesIO(b"streamed" * 1000), ChecksumAlgorithm="CRC32")
    assert s3.get_object(**A)["Body"].read() == b"streamed" * 1000


# --- conditions -----------------------------------------------------------------------------------
def test_listing_is_held_to_its_prefix(work: Any, refused: Any) -> None:
    keys = work.role(allow("s3:ListBucket", WORK, StringLike={"s3:prefix": ["teams/falcon/*"]}))
    s3 = work.client("s3", keys)
    listed = s3.list_objects_v2(Bucket="work", Prefix="teams/falcon/")
    assert [item["Key"] for item in listed["Contents"]] == ["teams/falcon/a"]
    refused(lambda: s3.list_objects_v2(Bucket="work"))
    refused(lambda: s3.list_objects_v2(Bucket="work", Prefix=""))
    refused(lambda: s3.list_objects_v2(Bucket="work", Prefix="teams/eagle/"))
    refused(lambda: s3.list_objects_v2(Bucket="work", Prefix="teams/falcon"))
    refused(lambda: s3.list_objects(Bucket="work", Prefix="teams/"))
    refused(lambda: s3.list_object_versions(Bucket="work", Prefix="teams/falcon/"))
    # A continuation is of the same listing.
    refused(lambda: s3.list_objects_v2(Bucket="work", StartAfter="teams/falcon/"))


def test_submissions_can_be_added_but_not_overwritten(work: Any, refused: Any) -> None:
    keys = work.role(
        allow("s3:PutObject", f"{WORK}/submissions/*", StringEquals={"s3:if-none-match": "*"})
    )
    s3 = work.client("s3", keys)
    new = {"Bucket": "work", "Key": "submissions/p/falcon/1.csv"}
    refused(lambda: s3.put_object(**new, Body=b"x"))
    refused(lambda: s3.put_object(**new, Body=b"x", IfNoneMatch="abc"))
    s3.put_object(**new, Body=b"x", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**new, Body=b"y", IfNoneMatch="*")


def test_plain_http_rules_count_loopback_as_tls(work: Any, refused: Any) -> None:
    only_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [WORK, f"{WORK}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    admin = work.client("s3")
    admin.put_bucket_policy(Bucket="work", Policy=_document(only_tls))
    s3 = work.client("s3", work.role(allow("s3:*")))
    assert s3.get_object(**A)["Body"].read() == b"abc"
    assert admin.get_object(**A)["Body"].read() == b"abc"
    always = {**only_tls, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    admin.put_bucket_policy(Bucket="work", Policy=_document(always))
    message = refused(lambda: s3.get_object(**A))
    assert message.endswith("with an explicit deny in a resource-based policy")
    assert admin.get_object(**A)["Body"].read() == b"abc"


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_bucket_policy_grants_and_the_boundary_holds_the_grant(work: Any, refused: Any) -> None:
    grant = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/guest"},
        "Action": "s3:GetObject",
        "Resource": f"{WORK}/*",
    }
    work.client("s3").put_bucket_policy(Bucket="work", Policy=_document(grant))
    guest = work.role(name="guest")
    assert work.client("s3", guest).get_object(**A)["Body"].read() == b"abc"
    refused(lambda: work.client("s3", guest).put_object(**A, Body=b""))
    held = work.role(name="held", boundary=_document(allow("sqs:*")))
    work.client("s3").put_bucket_policy(
        Bucket="work",
        Policy=_document(
            {
                **grant,
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/held"},
            }
        ),
    )
    message = refused(lambda: work.client("s3", held).get_object(**A))
    assert "no permissions boundary allows" in message


def test_a_policy_outside_the_model_denies_and_says_so(work: Any, refused: Any) -> None:
    keys = work.role(allow("s3:GetObject", f"{WORK}/*", StringLike={"s3:prefx": "x"}))
    message = refused(lambda: work.client("s3", keys).get_object(**A))
    assert "s3:prefx" in message
    keys = work.role(allow("s3:*"), deny("s3:*", "*", BinaryEquals={"s3:prefix": "eA=="}))
    assert "BinaryEquals" in refused(lambda: work.client("s3", keys).get_object(**A))


def test_a_missing_object_is_hidden_from_who_may_not_list(work: Any, refused: Any) -> None:
    reader = work.client("s3", work.role(allow("s3:GetObject", f"{WORK}/*")))
    missing = {"Bucket": "work", "Key": "teams/falcon/none"}
    assert "s3:ListBucket" in refused(lambda: reader.get_object(**missing))
    refused(lambda: reader.head_object(**missing), "403", 403)
    conditional = allow("s3:ListBucket", WORK, StringLike={"s3:prefix": "teams/falcon/*"})
    keys = work.role(allow("s3:GetObject", f"{WORK}/*"), conditional)
    refused(lambda: work.client("s3", keys).get_object(**missing))
    keys = work.role(allow("s3:GetObject", f"{WORK}/*"), allow("s3:ListBucket", WORK))
    refused(lambda: work.client("s3", keys).get_object(**missing), "NoSuchKey", 404)
    refused(lambda: work.client("s3", keys).head_object(**missing), "404", 404)


# --- DeleteObjects --------------------------------------------------------------------------------
def test_a_batch_is_deleted_key_by_key(work: Any) -> None:
    s3 = work.client("s3", work.role(allow("s3:DeleteObject", f"{WORK}/teams/falcon/*")))
    answer = s3.delete_objects(
        Bucket="work",
        Delete={"Objects": [{"Key": "teams/falcon/a"}, {"Key": "teams/eagle/secret"}]},
    )
    assert [item["Key"] for item in answer["Deleted"]] == ["teams/falcon/a"]
    (error,) = answer["Errors"]
    assert (error["Key"], error["Code"]) == ("teams/eagle/secret", "AccessDenied")
    admin = work.client("s3")
    assert admin.get_object(Bucket="work", Key="teams/eagle/secret")["Body"].read() == b"secret"
    with pytest.raises(ClientError, match="NoSuchKey"):
        admin.get_object(**A)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_batch_of_which_nothing_may_go_deletes_nothing(work: Any, quiet: bool) -> None:
    s3 = work.client("s3", work.role(allow("s3:GetObject")))
    answer = s3.delete_objects(
        Bucket="work", Delete={"Objects": [{"Key": A["Key"]}], "Quiet": quiet}
    )
    assert [item["Code"] for item in answer["Errors"]] == ["AccessDenied"]
    assert work.client("s3").get_object(**A)["Body"].read() == b"abc"


def test_a_batch_of_versions_needs_the_versions_permission(work: Any) -> None:
    batch = {"Objects": [{"Key": A["Key"], "VersionId": work.version}], "Quiet": True}
    s3 = work.client("s3", work.role(allow("s3:DeleteObject")))
    assert s3.delete_objects(Bucket="work", Delete=batch)["Errors"][0]["VersionId"] == work.version
    s3 = work.client("s3", work.role(allow("s3:DeleteObjectVersion")))
    assert "Errors" not in s3.delete_objects(Bucket="work", Delete=batch)
    with pytest.raises(ClientError):
        work.client("s3").get_object(**A, VersionId=work.version)


# --- keys of buckets ------------------------------------------------------------------------------
@pytest.fixture
def encrypted(cloud: Any) -> Any:
    """A bucket whose default is a customer key, with one object."""
    key = cloud.client("kms").create_key(
        Policy=_document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        )
    )["KeyMetadata"]
    cloud.client("kms").create_alias(AliasName="alias/vault", TargetKeyId=key["KeyId"])
    cloud.key = key["Arn"]
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="work")
    rule = {
        "ApplyServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": key["Arn"],
        }
    }
    s3.put_bucket_encryption(Bucket="work", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(**A, Body=b"abc")
    return cloud


def test_reading_and_writing_under_a_customer_key_needs_the_key(
    encrypted: Any, refused: Any
) -> None:
    poor = encrypted.client("s3", encrypted.role(allow("s3:*")))
    assert "kms:Decrypt" in refused(lambda: poor.get_object(**A))
    assert "kms:GenerateDataKey" in refused(lambda: poor.put_object(**A, Body=b""))
    via = {
        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/vault"},
    }
    keys = encrypted.role(allow("s3:*"), allow("kms:Decrypt", encrypted.key, **via))
    assert encrypted.client("s3", keys).get_object(**A)["Body"].read() == b"abc"
    refused(lambda: encrypted.client("s3", keys).put_object(**A, Body=b""))
    # Only through S3: the key itself may not be used.
    direct = encrypted.client("kms", keys)
    refused(
        lambda: direct.decrypt(KeyId=encrypted.key, CiphertextBlob=b"x"), "AccessDeniedException"
    )
    keys = encrypted.role(allow("s3:*"), allow("kms:GenerateDataKey", encrypted.key))
    encrypted.client("s3", keys).put_object(**A, Body=b"new")


def test_a_keys_policy_that_does_not_hand_on_shuts_the_account_out(
    encrypted: Any, refused: Any
) -> None:
    encrypted.client("kms").put_key_policy(
        KeyId=encrypted.key,
        PolicyName="default",
        Policy=_document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/academy/earth/learner/scorer"},
                "Action": "kms:Decrypt",
                "Resource": "*",
            }
        ),
    )
    keys = encrypted.role(allow("*"), name="curious")
    assert "no resource-based policy" in refused(
        lambda: encrypted.client("s3", keys).get_object(**A)
    )
    scorer = encrypted.role(allow("s3:GetObject"), name="scorer")
    assert encrypted.client("s3", scorer).get_object(**A)["Body"].read() == b"abc"


def test_a_write_cannot_choose_another_key_without_it(encrypted: Any, refused: Any) -> None:
    other = encrypted.client("kms").create_key()["KeyMetadata"]["Arn"]
    keys = encrypted.role(allow("s3:*"), allow("kms:GenerateDataKey", encrypted.key))
    s3 = encrypted.client("s3", keys)
    message = refused(
        lambda: s3.put_object(**A, Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=other)
    )
    assert other in message


# --- spelt otherwise ------------------------------------------------------------------------------
def raw(
    cloud: Any,
    keys: dict[str, str],
    method: str,
    target: str,
    *,
    host: str | None = None,
    headers: dict[str, str] | None = None,
    extra: dict[str, str] | None = None,
    body: bytes = b"",
) -> tuple[int, bytes]:
    """A request that is signed as it is sent: no client library tidies it. `extra` is unsigned."""
    address = urlsplit(cloud.endpoint).netloc
    given = {"Host": host or address, **(headers or {})}
    request = AWSRequest(method=method, url=f"http://{host or address}{target}", data=body)
    for name, value in given.items():
        request.headers[name] = value
    secret = Credentials(
        keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]
    )
    S3SigV4Auth(secret, "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(address)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in {**dict(request.headers.items()), **(extra or {})}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture
def ana(work: Any) -> dict[str, str]:
    return work.role(
        allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"{WORK}/teams/falcon/*"),
        allow("s3:ListBucket", WORK, StringLike={"s3:prefix": "teams/falcon/*"}),
    )


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/work/teams/falcon/a", 200),
        ("/work/teams%2Ffalcon%2Fa", 200),
        ("/work/%74eams/falcon/a", 200),
        ("/%77ork/teams/falcon/a", 200),
        ("/work/teams/eagle/secret", 403),
        ("/work/teams%2Feagle%2Fsecret", 403),
        ("/work/teams/falcon/%2e%2e/eagle/secret", 403),
        ("/work/teams/falcon/../eagle/secret", 403),
        ("/work/teams/falcon/..%2Feagle%2Fsecret", 403),
        ("/work/teams%252Feagle%252Fsecret", 400),
        ("/work/teams/falcon/%252e%252e/eagle/secret", 400),
        ("/work%2Fteams/falcon/a", 400),
        ("//work/teams/eagle/secret", 403),
        ("/work//teams/eagle/secret", 403),
        ("/work/teams/falcon/a?versions", 400),
        ("/work/teams/falcon/a?acl", 403),
        ("/work/teams/falcon/a?acl&tagging", 405),
        ("/work/teams/falcon/a?versionId=1&versionId=2", 400),
        ("/work?prefix=teams%2Ffalcon%2F&prefix=teams%2Feagle%2F", 400),
        ("/work?list-type=2&prefix=teams%2Ffalcon%2F", 200),
        ("/work?list-type=2&prefix=teams%2Feagle%2F", 403),
        ("/work?list-type=2", 403),
        ("/work?list-type=2&prefix=teams%252Feagle%252F", 400),
        ("/work?list-type=2&prefix=teams%2Ffalcon%2F&policy", 405),
        ("/work?policy", 403),
        ("/work?prefix=teams%2Ffalcon%2F&Action=ListBucket", 400),
        ("/moto-api/data.json", 403),
        ("/latest/meta-data/iam", 403),
    ],
)
def test_an_object_has_one_name_however_it_is_spelt(
    work: Any, ana: dict[str, str], target: str, status: int
) -> None:
    got, body = raw(work, ana, "GET", target)
    assert got == status, body
    assert b"secret" not in body or b"<Error>" in body


@pytest.mark.parametrize(
    ("host", "target", "status"),
    [
        ("work.s3.us-east-1.amazonaws.com", "/teams/falcon/a", 200),
        ("work.s3.amazonaws.com", "/teams/falcon/a", 200),
        ("work.s3.amazonaws.com", "/teams/eagle/secret", 403),
        ("other.s3.amazonaws.com", "/work/teams/falcon/a", 403),
        ("work.localhost", "/teams/eagle/secret", 403),
        ("work.localhost", "/teams/falcon/a", 200),
        ("work.example.com", "/teams/falcon/a", 400),
        ("s3.us-east-1.amazonaws.com", "/work/teams/falcon/a", 200),
        ("s3-control.us-east-1.amazonaws.com", "/work/teams/falcon/a", 400),
    ],
)
def test_a_bucket_in_the_host_is_the_bucket_that_is_asked_about(
    work: Any, ana: dict[str, str], host: str, target: str, status: int
) -> None:
    got, body = raw(work, ana, "GET", target, host=host)
    assert got == status, body


@pytest.mark.parametrize("bucket", ["moto-api", "v20180820", "latest", "favicon.ico"])
def test_a_bucket_that_moto_takes_for_its_own_path_is_refused(work: Any, bucket: str) -> None:
    keys = work.role(allow("s3:*"))
    host = f"{bucket}.s3.amazonaws.com"
    for target in ("/", "/reset", "/configuration/publicAccessBlock", "/meta-data/x"):
        status, body = raw(work, keys, "POST" if target == "/reset" else "GET", target, host=host)
        assert status in (400, 403, 405), body
    assert work.client("s3").get_object(**A)["Body"].read() == b"abc"


def test_headers_do_not_stand_in_for_parameters(work: Any, ana: dict[str, str]) -> None:
    # moto reads parameters out of headers when there is no query string.
    lists = ("/work?prefix=teams%2Ffalcon%2F", {"list-type": "2", "prefix": "teams/eagle/"})
    for headers in ({"versionId": work.version}, {"acl": ""}, {"tagging": ""}, {"uploads": ""}):
        status, body = raw(work, ana, "GET", "/work/teams/falcon/a", extra=headers)
        assert (status, body) == (200, b"abc")
    status, body = raw(work, ana, "GET", lists[0], extra=lists[1])
    assert status == 200
    assert b"eagle" not in body
    status, _ = raw(work, ana, "DELETE", "/work/teams/falcon/a", extra={"versionId": work.version})
    assert status == 204
    # The version is still there: only a marker was set.
    admin = work.client("s3")
    assert admin.get_object(**A, VersionId=work.version)["Body"].read() == b"abc"


def test_another_account_cannot_be_named_in_a_header(work: Any, ana: dict[str, str]) -> None:
    status, body = raw(
        work, ana, "GET", "/work/teams/falcon/a", extra={"x-moto-account-id": "111122223333"}
    )
    assert (status, body) == (200, b"abc")


@pytest.mark.parametrize(
    "source",
    [
        "work/teams/eagle/secret",
        "/work/teams/eagle/secret",
        "work/teams%2Feagle%2Fsecret",
        "%2Fwork%2Fteams%2Feagle%2Fsecret",
        "work/teams/eagle/secret?versionId=null",
        "work/teams/eagle/secret#/teams/falcon/a",
        "work/teams/falcon/../eagle/secret",
        "work/teams%252Feagle%252Fsecret",
        "//work/teams/eagle/secret",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/x/object/teams/falcon/a",
    ],
)
def test_a_copy_reads_its_source(work: Any, ana: dict[str, str], source: str) -> None:
    status, body = raw(
        work,
        ana,
        "PUT",
        "/work/teams/falcon/stolen",
        headers={"x-amz-copy-source": source},
    )
    assert status in (400, 403, 404), body
    with pytest.raises(ClientError):
        work.client("s3").get_object(Bucket="work", Key="teams/falcon/stolen")


def test_a_foreign_upload_cannot_be_completed_under_ones_own_key(work: Any, refused: Any) -> None:
    admin = work.client("s3")
    foreign = admin.create_multipart_upload(Bucket="work", Key="teams/eagle/big")["UploadId"]
    s3 = work.client("s3", work.role(allow("s3:*", f"{WORK}/teams/falcon/*")))
    own = {"Bucket": "work", "Key": "teams/falcon/x", "UploadId": foreign}
    refused(lambda: s3.upload_part(**own, PartNumber=1, Body=b"x"), "NoSuchUpload")
    refused(
        lambda: s3.complete_multipart_upload(
            **own, MultipartUpload={"Parts": [{"ETag": "x", "PartNumber": 1}]}
        ),
        "NoSuchUpload",
    )
    refused(lambda: s3.abort_multipart_upload(**own), "NoSuchUpload")


def test_a_neighbours_prefix_is_not_ones_own(work: Any, refused: Any) -> None:
    admin = work.client("s3")
    admin.put_object(Bucket="work", Key="teams/anabel/x", Body=b"x")
    wide = work.client("s3", work.role(allow("s3:GetObject", f"{WORK}/teams/ana*")))
    assert wide.get_object(Bucket="work", Key="teams/anabel/x")["Body"].read() == b"x"
    exact = work.client("s3", work.role(allow("s3:GetObject", f"{WORK}/teams/ana/*")))
    refused(lambda: exact.get_object(Bucket="work", Key="teams/anabel/x"))


@pytest.mark.parametrize(
    "operation",
    [
        lambda s3: s3.put_bucket_policy(Bucket="work", Policy="{}"),
        lambda s3: s3.delete_bucket_policy(Bucket="work"),
        lambda s3: s3.create_bucket(Bucket="mine"),
        lambda s3: s3.delete_bucket(Bucket="work"),
        lambda s3: s3.put_object_acl(**A, ACL="public-read"),
        lambda s3: s3.restore_object(**A, RestoreRequest={"Days": 1}),
        lambda s3: s3.select_object_content(
            **A,
            Expression="select * from s3object",
            ExpressionType="SQL",
            InputSerialization={"CSV": {}},
            OutputSerialization={"CSV": {}},
        ),
        lambda s3: s3.put_object(**A, GrantRead="id=1"),
        lambda s3: s3.delete_object(**A, BypassGovernanceRetention=True),
    ],
)
def test_what_is_not_modelled_is_refused_even_to_who_may_all(
    work: Any, refused: Any, operation: Any
) -> None:
    s3 = work.client("s3", work.role(allow("*")))
    assert "not modelled" in refused(lambda: operation(s3))


# --- presigned URLs -------------------------------------------------------------------------------
def fetch(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request(method, f"{parts.path}?{parts.query}", body=body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_presigned_url_carries_its_makers_rights(work: Any, ana: dict[str, str]) -> None:
    s3 = work.client("s3", ana, signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params=A, ExpiresIn=60)
    assert fetch(url) == (200, b"abc")
    foreign = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "work", "Key": "teams/eagle/secret"}
    )
    assert fetch(foreign)[0] == 403
    put = s3.generate_presigned_url("put_object", Params={**A, "Key": "teams/falcon/new"})
    assert fetch(put, "PUT", b"new")[0] == 200
    assert work.client("s3").get_object(Bucket="work", Key="teams/falcon/new")["Body"].read() == (
        b"new"
    )


def test_a_presigned_url_cannot_be_altered(work: Any, ana: dict[str, str]) -> None:
    s3 = work.client("s3", ana, signature_version="s3v4")
    work.client("s3").put_object(Bucket="work", Key="teams/falcon/b", Body=b"other")
    url = s3.generate_presigned_url("get_object", Params=A, ExpiresIn=60)
    assert fetch(url.replace("falcon/a", "falcon/b"))[0] == 403
    assert fetch(url.replace("Expires=60", "Expires=600"))[0] == 403
    assert fetch(url, "DELETE")[0] == 403
    assert fetch(url + "&versionId=null")[0] == 403
    assert fetch(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))[0] in (400, 403)


def test_a_presigned_url_ends_on_the_clouds_clock(
    work: Any, ana: dict[str, str], in_hours: Any
) -> None:
    s3 = work.client("s3", ana, signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params=A, ExpiresIn=3600)
    time.sleep(1.1)  # a signature's time is in whole seconds, and the move counts from there
    work.clock.move(by=in_hours(0.9))
    assert fetch(url)[0] == 200
    later = s3.generate_presigned_url("get_object", Params=A, ExpiresIn=3600)
    time.sleep(1.1)
    work.clock.move(by=in_hours(0.2))
    status, body = fetch(url)
    assert status == 403
    assert b"Request has expired" in body
    assert fetch(later)[0] == 200


def test_a_presigned_url_of_a_wildcard_region_or_service_is_refused(
    work: Any, ana: dict[str, str]
) -> None:
    s3 = work.client("s3", ana, signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params=A, ExpiresIn=60)
    assert fetch(url.replace(quote("/s3/", safe=""), quote("/sagemaker/", safe="")))[0] == 400
