"""S3: buckets, objects, and the keys that encrypt them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote

from infra.assurance.iam import Value
from infra.offline.authorization import state
from infra.offline.authorization.requests.asking import (
    Question,
    Unmodelled,
    keys_of,
    maps,
    need,
    some,
)
from infra.offline.authorization.requests.kms import through
from infra.offline.authorization.wire import Call, WireError, check_key

_S3_KEYS = keys_of(
    "s3",
    # Never there: no access points, no access grants, and no attribute-based access control of
    # buckets here.
    "AccessGrantsInstanceArn",
    "AccessPointNetworkOrigin",
    "AccessPointTag/*",
    "BucketTag/*",
    "DataAccessPointAccount",
    "DataAccessPointArn",
    "authType",
    "delimiter",
    "if-match",
    "if-none-match",
    "max-keys",
    "ObjectCreationOperation",
    "prefix",
    "RequestObjectTag/*",
    "RequestObjectTagKeys",
    "ResourceAccount",
    "signatureversion",
    "TlsVersion",
    "versionid",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-website-redirect-location",
    # Never there: a call with such a header is refused, see _S3_REFUSED.
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-retain-until-date",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
)

#: Source: "Actions, resources, and condition keys for Amazon S3": operation -> actions on the
#: object, and the same for a named version.
_S3_OBJECT: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {
    "GetObject": (("GetObject",), ("GetObjectVersion",)),
    "HeadObject": (("GetObject",), ("GetObjectVersion",)),
    "GetObjectAttributes": (
        ("GetObject", "GetObjectAttributes"),
        ("GetObjectVersion", "GetObjectVersionAttributes"),
    ),
    "GetObjectAcl": (("GetObjectAcl",), ("GetObjectVersionAcl",)),
    "GetObjectTagging": (("GetObjectTagging",), ("GetObjectVersionTagging",)),
    "PutObject": (("PutObject",), None),
    "CreateMultipartUpload": (("PutObject",), None),
    "UploadPart": (("PutObject",), None),
    "CompleteMultipartUpload": (("PutObject",), None),
    "AbortMultipartUpload": (("AbortMultipartUpload",), None),
    "ListParts": (("ListMultipartUploadParts",), None),
    "CopyObject": (("PutObject",), None),
    "UploadPartCopy": (("PutObject",), None),
    "DeleteObject": (("DeleteObject",), ("DeleteObjectVersion",)),
    "PutObjectTagging": (("PutObjectTagging",), ("PutObjectVersionTagging",)),
    "DeleteObjectTagging": (("DeleteObjectTagging",), ("DeleteObjectVersionTagging",)),
}

_S3_BUCKET = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketVersioning": "GetBucketVersioning",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketPolicy": "GetBucketPolicy",
    "GetBucketAcl": "GetBucketAcl",
    "GetBucketTagging": "GetBucketTagging",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
}

#: Headers whose meaning for IAM is not modelled.
_S3_REFUSED = (
    "x-amz-bypass-governance-retention",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
)

_CREATES = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
_WRITES = _CREATES | {"CreateMultipartUpload", "UploadPart", "UploadPartCopy"}
_READS = {"GetObject", "HeadObject", "GetObjectAttributes"}


#: Keys of a write that AWS does not list for the tagging and the ACL which it brings along.
_OF_THE_OBJECT = (
    "s3:ObjectCreationOperation",
    "s3:x-amz-acl",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
    "s3:if-match",
    "s3:if-none-match",
)


def bucket_of(arn: str) -> str:
    """The bucket of an S3 ARN."""
    return arn.removeprefix("arn:aws:s3:::").split("/", 1)[0]


def _s3_context(call: Call) -> dict[str, Value]:
    headers, params = call.headers, call.params
    context = some(
        s3__authType="REST-QUERY-STRING" if call.signature.presigned else "REST-HEADER",
        s3__signatureversion="AWS4-HMAC-SHA256",
        s3__versionid=params.get("VersionId"),
    )
    for name in (
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
    ):
        if headers.get(name):
            context[f"s3:{name}"] = headers[name]
    for name in ("if-match", "if-none-match"):
        if headers.get(name) and call.operation in _CREATES | {"DeleteObject"}:
            context[f"s3:{name}"] = headers[name]
    if call.operation in _WRITES:
        context["s3:ObjectCreationOperation"] = "true" if call.operation in _CREATES else "false"
    return context


@maps("s3", *_S3_OBJECT)
def _s3_object(call: Call, account: str) -> Iterator[Question]:
    for header in _S3_REFUSED:
        if header in call.headers:
            raise Unmodelled(f"header {header} of S3 {call.operation} is not modelled")
    bucket, key = need(call, "Bucket"), need(call, "Key")
    arn = f"arn:aws:s3:::{bucket}/{key}"
    upload = call.params.get("UploadId")
    if upload is not None and state.upload_key(account, bucket, upload) != key:
        # moto looks an upload up by its id alone.
        raise WireError("NoSuchUpload", "The specified upload does not exist.", 404)
    plain, versioned = _S3_OBJECT[call.operation]
    actions = versioned if call.params.get("VersionId") and versioned else plain
    context = _s3_context(call)
    if call.operation in ("CopyObject", "UploadPartCopy"):
        source_bucket, source_key, version = copy_source(call)
        context["s3:x-amz-copy-source"] = f"{source_bucket}/{source_key}"
        source = f"arn:aws:s3:::{source_bucket}/{source_key}"
        read = "s3:GetObjectVersion" if version else "s3:GetObject"
        yield Question(read, source, some(s3__versionid=version), _S3_KEYS)
        yield from _reading_key(call, account, source_bucket, source_key, version)
    tags = _tagging(call)
    for action in actions:
        yield Question(f"s3:{action}", arn, {**context, **tags}, _S3_KEYS)
    if tags and call.operation in _WRITES:
        further = {key: v for key, v in context.items() if key not in _OF_THE_OBJECT}
        yield Question("s3:PutObjectTagging", arn, {**further, **tags}, _S3_KEYS)
    if "x-amz-acl" in call.headers:
        further = {key: v for key, v in context.items() if key not in _OF_THE_OBJECT}
        acl = {"s3:x-amz-acl": call.headers["x-amz-acl"]}
        yield Question("s3:PutObjectAcl", arn, further | acl, _S3_KEYS)
    if call.operation in _WRITES:
        yield from _writing_key(call, account, bucket, key)
    if call.operation in _READS:
        yield from _reading_key(call, account, bucket, key, call.params.get("VersionId"))


@maps("s3", *_S3_BUCKET)
def _s3_bucket(call: Call, _account: str) -> Iterator[Question]:
    context = _s3_context(call) | some(
        **{
            "s3__prefix": call.params.get("Prefix"),
            "s3__delimiter": call.params.get("Delimiter"),
            "s3__max-keys": call.params.get("MaxKeys"),
        }
    )
    arn = f"arn:aws:s3:::{need(call, 'Bucket')}"
    yield Question(f"s3:{_S3_BUCKET[call.operation]}", arn, context, _S3_KEYS)


@maps("s3", "ListBuckets")
def _s3_all(call: Call, _account: str) -> Iterator[Question]:
    yield Question("s3:ListAllMyBuckets", "*", _s3_context(call), _S3_KEYS)


@maps("s3", "DeleteObjects")
def _s3_delete(call: Call, _account: str) -> Iterator[Question]:
    bucket = need(call, "Bucket")
    if "x-amz-bypass-governance-retention" in call.headers:
        raise Unmodelled("header x-amz-bypass-governance-retention is not modelled")
    for item in call.params["Delete"]:
        version = item.get("VersionId")
        yield Question(
            "s3:DeleteObjectVersion" if version else "s3:DeleteObject",
            f"arn:aws:s3:::{bucket}/{item['Key']}",
            _s3_context(call) | some(s3__versionid=version),
            _S3_KEYS,
        )


def may_list(bucket: str) -> Question:
    """What decides whether a missing object is 404 (the caller may list) or 403 (may not).

    The request has no prefix, so a permission with a condition on s3:prefix does not count.
    Source: GetObject in the S3 API reference, "Permissions".
    """
    return Question("s3:ListBucket", f"arn:aws:s3:::{bucket}", {}, _S3_KEYS)


def copy_source(call: Call) -> tuple[str, str, str | None]:
    """(bucket, key, version) of x-amz-copy-source."""
    path, _, query = str(call.params["CopySource"]).partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if bucket.startswith("arn:") or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,62}", bucket):
        raise Unmodelled(f"copy source {path!r} is not BUCKET/KEY")
    if not key:
        raise WireError("InvalidArgument", f"copy source {path!r} has no key")
    check_key(key)
    given = parse_qs(query, keep_blank_values=True)
    if set(given) - {"versionId"} or len(given.get("versionId", [])) > 1:
        raise WireError("InvalidArgument", f"copy source has parameters {sorted(given)}")
    return bucket, key, given.get("versionId", [None])[0]


def _tagging(call: Call) -> dict[str, Value]:
    given = parse_qs(call.headers.get("x-amz-tagging", ""), keep_blank_values=True)
    if not given:
        return {}
    made: dict[str, Value] = {
        f"s3:RequestObjectTag/{key}": values[0] for key, values in given.items()
    }
    made["s3:RequestObjectTagKeys"] = tuple(given)
    return made


def _writing_key(call: Call, account: str, bucket: str, key: str) -> Iterator[Question]:
    algorithm, default, bucket_key = state.bucket_encryption(account, bucket)
    algorithm = call.headers.get("x-amz-server-side-encryption") or algorithm
    named = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default
    if algorithm in ("aws:kms", "aws:kms:dsse") and named:
        resource = f"arn:aws:s3:::{bucket}" + ("" if bucket_key else f"/{key}")
        yield from through(call, account, "GenerateDataKey", named, "s3", resource)
        if call.operation in ("CompleteMultipartUpload", "UploadPart", "UploadPartCopy"):
            yield from through(call, account, "Decrypt", named, "s3", resource)


def _reading_key(
    call: Call, account: str, bucket: str, key: str, version: str | None
) -> Iterator[Question]:
    stored = state.stored_object(account, bucket, key, version)
    if stored is None or stored.encryption not in ("aws:kms", "aws:kms:dsse"):
        return
    if not stored.kms_key_id:
        return  # AWS's own key for S3, which lets the account's principals use it
    resource = f"arn:aws:s3:::{bucket}"
    resource += "" if str(stored.bucket_key_enabled).lower() == "true" else f"/{key}"
    yield from through(call, account, "Decrypt", stored.kms_key_id, "s3", resource)
