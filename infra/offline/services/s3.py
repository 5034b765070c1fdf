"""S3 objects of the embedded cloud: their time is the cloud's, and conditional writes are kept to.

Who may only write what is not there yet (`If-None-Match: *`) must not overwrite here either: not by
another value of the header, not by a copy, not by two requests at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.s3 import models
from moto.s3.exceptions import PreconditionFailed, S3ClientError

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
    with _writing:
        _only_star(response)
        return original(response)


@replaces(
    "moto.s3.responses:S3Response.copy_object",
    because="moto's copies overwrite what they must not",
)
def _copy_object(original: Callable[..., Any], response: Any) -> Any:
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
        if query.get("uploadId"):
            _only_star(response)
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
