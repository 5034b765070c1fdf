"""S3 objects of the embedded cloud: their time is the cloud's, and conditional writes are kept to.

Who may only write what is not there yet (`If-None-Match: *`) must not overwrite here either: not by
another value of the header, not by a copy, not by two requests at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.s3.exceptions import PreconditionFailed

from infra.offline import runtime
from infra.offline.patching import replaces

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
