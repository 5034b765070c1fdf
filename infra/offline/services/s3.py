"""S3 objects of the embedded cloud: their time is the cloud's, and conditional writes are kept to.

Who may only write what is not there yet (`If-None-Match: *`) must not overwrite here either: not by
another value of the header, not by a copy, not by two requests at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from moto.core.responses import ActionResult
from moto.s3 import models
from moto.s3.exceptions import (
    InvalidArgumentError,
    InvalidContinuationToken,
    NoSuchUpload,
    PreconditionFailed,
    S3ClientError,
)

from infra.assurance import iam
from infra.offline import listings, runtime
from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="S3",
    emulated="moto; conditional writes, times and paging of ours",
    checked="by client: AWS CLI (`s3 sync`, multipart, presigned), CDK CLI, boto3",
    differences=(
        "a write takes `If-None-Match: *` and nothing else, for put, copy and multipart "
        "completion, also between concurrent writers; an object with a customer's key is read "
        "without it (AWS: InvalidRequest), and new buckets take such keys (AWS: not since April "
        "2026)"
    ),
)

#: Items a page at most. Source: ListBuckets and ListMultipartUploads in the S3 API reference.
MOST_BUCKETS, MOST_UPLOADS = 10_000, 1_000

LONGEST_KEY = 1024
LARGEST_INTEGER = 2**31 - 1

#: Who owns everything here: the canonical user of AWS's examples.
OWNER = {
    "ID": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    "DisplayName": "academy",
}

#: Held while a request looks whether an object is there and writes it.
_writing = threading.RLock()


@replaces(
    "moto.s3.models:utcnow",
    because="an object's LastModified follows the cloud's clock, by which its receipt is judged",
)
def _utcnow(original: Callable[[], datetime]) -> datetime:
    try:
        here = runtime.current()
    except RuntimeError:
        return original()
    return here.clock.now().replace(tzinfo=None)


@replaces(
    "moto.s3.responses:S3Response.put_object",
    because="moto takes any If-None-Match for none, and of two writers at once lets both win",
)
def _put_object(original: Callable[..., Any], response: Any) -> Any:
    _key_fits(response)
    _as_sent(response)
    with _writing:
        _only_star(response)
        return original(response)


@replaces(
    "moto.s3.responses:S3Response.copy_object",
    because="moto's copies overwrite what they must not",
)
def _copy_object(original: Callable[..., Any], response: Any) -> Any:
    _key_fits(response)
    _copy_source(response)
    with _writing:
        key = response.parse_key_name()
        if _only_star(response) and response.backend.get_object(response.bucket_name, key):
            raise PreconditionFailed("If-None-Match")
        return original(response)


@replaces(
    "moto.s3.responses:S3Response._key_response_post",
    because="the same when a multipart upload is completed",
)
def _complete(
    original: Callable[..., Any],
    response: Any,
    request: Any,
    body: bytes,
    bucket_name: str,
    query: dict[str, Any],
    key_name: str,
) -> Any:
    with _writing:
        if "uploads" in query:
            _key_fits(response)
        if query.get("uploadId"):
            _only_star(response)
            _known(response.backend, bucket_name, query["uploadId"][0])
        return original(response, request, body, bucket_name, query, key_name)


@replaces(
    "moto.s3.responses:S3Response.all_buckets",
    because="moto gives the first MaxBuckets and no way to the rest",
)
def _all_buckets(_original: Callable[..., Any], response: Any) -> Any:
    response.data["Action"] = "ListAllMyBuckets"
    response._authenticate_and_authorize_s3_action()
    member = response._get_param
    buckets, following = listings.page(
        response.backend.list_buckets(
            prefix=member("prefix"), bucket_region=member("bucket-region"), max_buckets=None
        ),
        lambda bucket: str(bucket.name),
        size=int(member("max-buckets") or MOST_BUCKETS),
        token=member("continuation-token"),
        refuses=lambda message: S3ClientError("InvalidArgument", message),
    )
    answer: dict[str, Any] = {
        "Owner": OWNER,
        "Buckets": [
            {"Name": bucket.name, "CreationDate": bucket.creation_date_ISO8601}
            for bucket in buckets
        ],
    }
    for name, value in (("ContinuationToken", following), ("Prefix", member("prefix"))):
        if value:
            answer[name] = value
    response.data["Action"] = "ListBuckets"
    return response.serialized(ActionResult(answer))


@replaces(
    "moto.s3.models:FakeMultipart.__init__",
    because="moto does not know when an upload began",
)
def _begin_upload(original: Callable[..., Any], upload: Any, *args: Any, **settings: Any) -> None:
    original(upload, *args, **settings)
    upload.academy_initiated = models.utcnow()


@replaces(
    "moto.s3.responses:S3Response.list_multipart_uploads",
    because="moto gives everything on one page, and says that all began in 2010",
)
def _list_multipart_uploads(_original: Callable[..., Any], response: Any) -> Any:
    """Source: ListMultipartUploads in the S3 API reference, for the markers' meaning."""
    query = {name: values[0] for name, values in response.querystring.items()}
    for unmodelled in ("delimiter", "encoding-type"):
        if query.get(unmodelled):
            raise NotImplementedError(
                f"s3:ListMultipartUploads with {unmodelled} is not modelled by the embedded cloud."
            )
    after = (query.get("key-marker") or "", query.get("upload-id-marker") or "")
    if not after[1]:
        after = (after[0], "\U0010ffff" if after[0] else "")  # beyond every upload of that key
    size = min(int(query.get("max-uploads") or MOST_UPLOADS), MOST_UPLOADS)
    uploads = sorted(
        (
            upload
            for upload in response.backend.list_multipart_uploads(response.bucket_name).values()
            if upload.key_name.startswith(query.get("prefix") or "")
            and (upload.key_name, upload.id) > after
        ),
        key=lambda upload: (upload.key_name, upload.id),
    )
    page = uploads[:size]
    answer: dict[str, Any] = {
        "Bucket": response.bucket_name,
        "KeyMarker": query.get("key-marker") or "",
        "UploadIdMarker": query.get("upload-id-marker") or "",
        "MaxUploads": size,
        "IsTruncated": len(uploads) > size,
        "Uploads": [
            {
                "Key": upload.key_name,
                "UploadId": upload.id,
                "Initiator": OWNER,
                "Owner": OWNER,
                "StorageClass": "STANDARD",
                "Initiated": upload.academy_initiated,
                "ChecksumAlgorithm": upload.metadata.get("x-amz-checksum-algorithm"),
                "ChecksumType": upload.metadata.get("x-amz-checksum-type"),
            }
            for upload in page
        ],
    }
    if query.get("prefix"):
        answer["Prefix"] = query["prefix"]
    if answer["IsTruncated"]:
        answer |= {"NextKeyMarker": page[-1].key_name, "NextUploadIdMarker": page[-1].id}
    response.data["Action"] = "ListMultipartUploads"
    return response.serialized(ActionResult(answer))


# --- what S3 refuses ------------------------------------------------------------------------------
@replaces(
    "moto.s3.models:S3Backend.put_bucket_policy",
    because="moto keeps what is no policy, and policies for other buckets",
)
def _put_bucket_policy(
    original: Callable[..., Any], backend: Any, bucket_name: str, policy: bytes
) -> Any:
    backend.get_bucket(bucket_name)
    try:
        text = policy.decode() if isinstance(policy, bytes) else str(policy)
        iam.Policy.parse(text, kind="resource")
    except (iam.UnmodelledPolicy, UnicodeError) as error:
        raise S3ClientError("MalformedPolicy", f"{error}") from None
    if not all(_of_bucket(each, bucket_name) for each in _resources(json.loads(text))):
        raise S3ClientError("MalformedPolicy", "Policy has invalid resource")
    return original(backend, bucket_name, policy)


def _resources(document: dict[str, Any]) -> Iterator[str]:
    listed = document["Statement"]
    for statement in [listed] if isinstance(listed, dict) else listed:
        named: str | list[str] = statement.get("Resource") or statement["NotResource"]
        yield from [named] if isinstance(named, str) else named


def _of_bucket(resource: str, bucket: str) -> bool:
    named, _, _ = resource.partition("/")
    return named in (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}*")


def _refuses_pages(method: str) -> None:
    """A listing of objects refuses sizes that are none, and tokens that it did not give."""

    @replaces(
        f"moto.s3.responses:S3Response.{method}",
        because="moto fails on a max-keys that is no number, and on a token that it did not give",
    )
    def listed(original: Callable[..., Any], response: Any) -> Any:
        size = response.querystring.get("max-keys", ["0"])[0]
        if not re.fullmatch(r"-?\d+", size):
            raise _invalid(
                "max-keys", size, "Provided max-keys not an integer or within integer range"
            )
        if not 0 <= int(size) <= LARGEST_INTEGER:
            raise _invalid(
                "maxKeys",
                size,
                f"Argument maxKeys must be an integer between 0 and {LARGEST_INTEGER}",
            )
        token = response.querystring.get("continuation-token", [None])[0]
        if token and token not in response.backend._pagination_tokens:
            raise InvalidContinuationToken
        return original(response)


for _method in ("list_objects", "list_objects_v2", "list_object_versions"):
    _refuses_pages(_method)


def _knows_upload(method: str) -> None:
    @replaces(
        f"moto.s3.models:S3Backend.{method}",
        because="moto fails on an upload that it does not know",
    )
    def of_upload(
        original: Callable[..., Any], backend: Any, bucket: str, upload: str, *args: Any, **kw: Any
    ) -> Any:
        _known(backend, bucket, upload)
        return original(backend, bucket, upload, *args, **kw)


for _method in ("upload_part", "upload_part_copy"):
    _knows_upload(_method)


def _known(backend: Any, bucket: str, upload: str) -> None:
    if upload not in backend.get_bucket(bucket).multiparts:
        raise _NoSuchUpload(upload)


class _NoSuchUpload(NoSuchUpload):  # type: ignore[misc]
    status = 404


@replaces(
    "moto.s3.responses:S3Response.upload_part",
    because="moto keeps what is not what the client meant to send",
)
def _upload_part(original: Callable[..., Any], response: Any) -> Any:
    _as_sent(response)
    return original(response)


@replaces(
    "moto.s3.responses:S3Response.upload_part_copy",
    because="moto fails on a source that is none",
)
def _upload_part_copy(original: Callable[..., Any], response: Any) -> Any:
    _copy_source(response)
    return original(response)


def _copy_source(response: Any) -> None:
    source = str(response.headers.get("x-amz-copy-source"))
    bucket, _, key = unquote(urlsplit(source).path).lstrip("/").partition("/")
    if not bucket or not key:
        raise _invalid(
            "x-amz-copy-source",
            source,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )


def _key_fits(response: Any) -> None:
    """Source: Amazon S3 User Guide, "Naming Amazon S3 objects": 1,024 bytes of UTF-8."""
    if len(str(response.parse_key_name()).encode()) > LONGEST_KEY:
        raise S3ClientError("KeyTooLongError", "Your key is too long")


#: The digests that a client may send with an object's bytes: header, name, how it is made.
_DIGESTS: tuple[tuple[str, str, Callable[[bytes], bytes]], ...] = (
    ("Content-MD5", "Content-MD5", lambda body: hashlib.md5(body, usedforsecurity=False).digest()),
    ("x-amz-checksum-crc32", "CRC32", lambda body: zlib.crc32(body).to_bytes(4, "big")),
    (
        "x-amz-checksum-sha1",
        "SHA1",
        lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    ),
    ("x-amz-checksum-sha256", "SHA256", lambda body: hashlib.sha256(body).digest()),
)


def _as_sent(response: Any) -> None:
    """Whether the bytes are those whose digest came with them, in a header."""
    body = response.body or b""
    body = body.encode() if isinstance(body, str) else body
    for header, name, made in _DIGESTS:
        given = response.headers.get(header)
        if given and given != base64.b64encode(made(body)).decode():
            raise S3ClientError(
                "BadDigest", f"The {name} you specified did not match the calculated checksum."
            )


def _invalid(name: str, value: str, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(message, name, value)


def _only_star(response: Any) -> bool:
    """Whether the request writes only what is not there yet.

    Source: If-None-Match of PutObject, CopyObject and CompleteMultipartUpload in the S3 API
    reference, "Expects the '*' (asterisk) character".
    """
    given = response.headers.get("If-None-Match")
    if given is None:
        return False
    if given != "*":
        raise NotImplementedError(
            "A header you provided implies functionality that is not implemented: If-None-Match "
            f"{str(given)[:40]!r} of a write, which takes only *"
        )
    return True
