"""Reads what API Gateway passes on: hostile to the last byte.

Source: "Create AWS Lambda proxy integrations for HTTP APIs" (payload format 2.0), API Gateway
developer guide.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from infra.services.door.entrance.security import CODE, PROVIDER, REFRESH, SESSION

#: Bytes of a form; a note of an advisor fits, however it is encoded.
MAX_FORM = 64 * 1024
MAX_FIELDS = 20
MAX_PATH = 300
#: Characters of a query, and of a cookie's value (a browser keeps 4096 bytes of one).
MAX_QUERY = 1000
MAX_COOKIE = 4096

_FORM_TYPE = "application/x-www-form-urlencoded"
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9._-]+")
#: An address of a mailbox, as HTML's input takes them.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")
_CODE = re.compile(r"[0-9]{4,12}")


class BadRequest(Exception):
    """A request that no page of the door makes: a status, and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Request:
    """A request, its parts of the right kind and size; what they say is hostile still.

    Attributes:
        cookies: of the door's own names, those that came once and have a value it could have set.
        source: the address that it came from.
    """

    method: str
    path: str
    host: str = ""
    origin: str = ""
    fetch_site: str = ""
    source: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


def read(event: Mapping[str, Any]) -> Request:
    """The request in `event`.

    Raises:
        BadRequest: if it is too large, or no form that a browser sends.
    """
    http = event["requestContext"]["http"]
    method, path = str(http["method"]).upper(), str(event["rawPath"])
    if len(path) > MAX_PATH:
        raise BadRequest(414, "This address is too long.")
    headers = {str(k).lower(): str(v) for k, v in (event.get("headers") or {}).items()}
    return Request(
        method=method,
        path=path,
        host=headers.get("host", "").lower(),
        origin=headers.get("origin", "").lower(),
        fetch_site=headers.get("sec-fetch-site", ""),
        source=str(http.get("sourceIp", "")),
        query=_query(str(event.get("rawQueryString") or "")),
        cookies=_cookies([str(each) for each in event.get("cookies") or ()]),
        form=_form(event, headers.get("content-type", "")) if method == "POST" else {},
    )


def address(form: Mapping[str, str]) -> str | None:
    """The e-mail address that somebody wants to sign in by; None if it can be none."""
    given = form.get("email", "")[:300].strip().lower()
    return given if _ADDRESS.fullmatch(given) else None


def code(form: Mapping[str, str]) -> str | None:
    """The code that somebody typed, with the spaces and hyphens that people put in; None if it can
    be none."""
    given = re.sub(r"[\s-]", "", form.get("code", "")[:40])
    return given if _CODE.fullmatch(given) and given.isascii() else None


def _query(text: str) -> dict[str, str]:
    if len(text) > MAX_QUERY:
        raise BadRequest(414, "This address is too long.")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise BadRequest(400, "This address could not be read.") from None


def _cookies(given: list[str]) -> dict[str, str]:
    """A cookie that came twice counts as none: one of the two is somebody else's."""
    found: dict[str, list[str]] = {}
    for each in given:
        name, _, value = each.strip().partition("=")
        if name in (SESSION, CODE, PROVIDER, REFRESH):
            found.setdefault(name, []).append(value)
    return {
        name: values[0]
        for name, values in found.items()
        if len(values) == 1 and len(values[0]) <= MAX_COOKIE and _COOKIE_VALUE.fullmatch(values[0])
    }


def _form(event: Mapping[str, Any], kind: str) -> dict[str, str]:
    body = str(event.get("body") or "")
    if len(body) > 2 * MAX_FORM:
        raise BadRequest(413, "That was more than this page takes.")
    if kind.partition(";")[0].strip().lower() != _FORM_TYPE:
        raise BadRequest(415, "This page takes only what its own form sends.")
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else None
        text = body if raw is None else raw.decode("ascii")
        if len(text) > MAX_FORM:
            raise BadRequest(413, "That was more than this page takes.")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except (ValueError, binascii.Error):
        raise BadRequest(400, "This form could not be read.") from None
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names) or any("\0" in value for _, value in pairs):
        raise BadRequest(400, "This form could not be read.")
    return dict(pairs)
