"""Makes a transcript fit to be shown: what names the account or its people becomes a placeholder.

Deterministic: the same thing has the same placeholder throughout a run, numbered by order of
appearance, so that a reader and a replay can follow it from call to call. A human should read a
transcript all the same before it leaves the house.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.constructs.arns import DEEP_LEARNING_CONTAINERS_ACCOUNT

ACCOUNT = "123456789012"
#: In the place of any other account's number.
OTHER_ACCOUNT = "111122223333"
#: Not replaced: the placeholders, and the account of AWS's containers, which the broker names.
_KNOWN_ACCOUNTS = frozenset({ACCOUNT, OTHER_ACCOUNT, DEEP_LEARNING_CONTAINERS_ACCOUNT})
RUN = "00000000"
ENDPOINT = "http://cloud.invalid"
REDACTED = "REDACTED"

#: Members of an answer or a request whose content is a secret, or names a person.
SECRET_MEMBERS = frozenset(
    {
        "AccessKeyId",
        "accessKeyId",
        "AuthorizedUrl",
        "authorizationToken",
        "DisplayName",
        "Location",  # of a function's code: a presigned URL
        "ReceiptHandle",
        "SecretAccessKey",
        "secretAccessKey",
        "SessionToken",
        "sessionToken",
    }
)

#: Identifiers that AWS generates: what each looks like, and how its placeholder is written.
_IDS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "uuid"),
    (re.compile(r"\bd-[a-z0-9]{8,20}\b"), "d-{:012d}"),
    (re.compile(r"\b(?:vpc)-[0-9a-f]{8,17}\b"), "vpc-{:017d}"),
    (re.compile(r"\b(?:subnet)-[0-9a-f]{8,17}\b"), "subnet-{:017d}"),
    (re.compile(r"\b(?:sg)-[0-9a-f]{8,17}\b"), "sg-{:017d}"),
    (re.compile(r"\b(?:eni)-[0-9a-f]{8,17}\b"), "eni-{:017d}"),
    (re.compile(r"\b(?:fs)-[0-9a-f]{8,17}\b"), "fs-{:017d}"),
    (re.compile(r"\b(?:acl|rtb|dopt|sgr)-[0-9a-f]{8,17}\b"), "net-{:017d}"),
    (re.compile(r"\bA(?:ROA|IDA|KIA|SIA|GPA|NPA)[A-Z0-9]{12,}\b"), "AXXAEXAMPLE{:010d}"),
)
_UUID = "00000000-0000-4000-8000-{:012d}"

#: Members whose content is AWS's own business, and is given back to it by a later call.
TOKEN_MEMBERS = frozenset({"NextToken", "nextToken"})

#: What a placeholder looks like: a replay binds each to what it finds in its place.
PLACEHOLDER = re.compile(
    r"00000000-0000-4000-8000-\d{12}|d-0{6}\d{6}|(?:vpc|subnet|sg|eni|fs|net)-0{9}\d{8}"
    r"|AXXAEXAMPLE\d{10}|TOKEN\d{9}"
)

#: A name as a word of its own, also behind an encoded character; not "ops" within "stops".
_WHOLE = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=\\[nrt])){}(?![A-Za-z0-9])"
#: Also percent-encoded, once or more often, as in a path.
_EMAIL = re.compile(r"[\w.+%-]+(?:@|%(?:25)*40)[\w-]+(?:\.[\w-]+)+")
_IN_ARN = re.compile(r"(?i)(arn(:|%3A)aws[\w-]*\2[\w-]*\2[\w-]*\2)(\d{12})(?!\d)")
#: The role of a person who signed in with IAM Identity Center.
_SSO_ROLE = re.compile(r"AWSReservedSSO_[\w+=.@-]+")
_ADDRESS_6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]|/)")
_SIGNED = re.compile(
    r"(?i)\b(X-Amz-(?:Signature|Credential|Security-Token|SignedHeaders)|AWSAccessKeyId|Signature)="
    r"[^&\s\"'<]+"
)
_HIDDEN = "|".join(sorted(SECRET_MEMBERS | TOKEN_MEMBERS))
_IN_XML = re.compile(rf"<(?P<tag>{_HIDDEN})>[^<]*</(?P=tag)>|<Owner>.*?</Owner>", re.DOTALL)
_IN_JSON = re.compile(rf'"(?P<key>{_HIDDEN})"\s*:\s*"(?:[^"\\]|\\.)*"')
#: The same within a JSON text that is a text of another.
_IN_ESCAPED_JSON = re.compile(
    rf'(?P<quote>\\+")(?P<key>{_HIDDEN})(?P=quote)\s*:\s*(?P=quote).*?(?<!\\)(?P=quote)'
)
_REQUEST_ID = re.compile(r"<(RequestId|HostId)>[^<]*</\1>")
#: A page of an S3 event, "request-id": sixteen hexadecimal digits in capitals.
_S3_REQUEST = re.compile(r"\b[A-F0-9]*\d[A-F0-9]*(?<=\b[A-F0-9]{16})\b")


@dataclass
class Scrubber:
    """Replaces what must not be shown.

    Args:
        account: the account's number. run: this run's. endpoint: of the embedded cloud, or "".
        owners: names of the person who runs it: the caller's ARN, user id and session name.
    """

    account: str
    run: str
    endpoint: str = ""
    owners: Iterable[str] = ()
    _seen: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """`text` with placeholders in the place of all that names account or people."""
        for owner in sorted(filter(None, self.owners), key=len, reverse=True):
            text = re.sub(_WHOLE.format(re.escape(owner)), _owner(owner), text)
        if self.endpoint:
            text = text.replace(self.endpoint, ENDPOINT)
        text = text.replace(f"academy-probe-{self.run}", f"academy-probe-{RUN}")
        text = text.replace(self.run, RUN).replace(self.account, ACCOUNT)
        text = _IN_ARN.sub(_account, text)
        text = _SSO_ROLE.sub(f"AWSReservedSSO_{REDACTED}", text)
        text = _IN_XML.sub(_redacted_element, text)
        text = _IN_JSON.sub(lambda found: f'"{found["key"]}":"{REDACTED}"', text)
        text = _IN_ESCAPED_JSON.sub(
            lambda found: "{0}{1}{0}:{0}{2}{0}".format(found["quote"], found["key"], REDACTED), text
        )
        text = _REQUEST_ID.sub(lambda found: f"<{found[1]}>{REDACTED}</{found[1]}>", text)
        text = _SIGNED.sub(lambda found: f"{found[1]}={REDACTED}", text)
        text = _EMAIL.sub("someone@example.com", text)
        text = _ADDRESS.sub(_address, text)
        text = _ADDRESS_6.sub(_address_6, text)
        text = _S3_REQUEST.sub("0123456789ABCDEF", text)
        for pattern, form in _IDS:
            text = pattern.sub(functools.partial(self._replaced, form), text)
        return text

    def value(self, value: Any, member: str = "") -> Any:
        """The same for a JSON document, in which whole members are secret."""
        if isinstance(value, dict):
            return {self.text(name): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, member) for item in value]
        if isinstance(value, str):
            if member in TOKEN_MEMBERS:
                return self._placeholder(value, "TOKEN{:09d}")
            return REDACTED if member in SECRET_MEMBERS else self.text(value)
        return value

    def _replaced(self, form: str, found: re.Match[str]) -> str:
        return self._placeholder(found[0], form)

    def _placeholder(self, found: str, form: str) -> str:
        if PLACEHOLDER.fullmatch(found) or found == _UUID.format(0):
            return found
        if found not in self._seen:
            self._counts[form] = self._counts.get(form, 0) + 1
            self._seen[found] = (_UUID if form == "uuid" else form).format(self._counts[form])
        return self._seen[found]


def _owner(name: str) -> str:
    if name.startswith("arn:"):
        return f"arn:aws:iam::{ACCOUNT}:user/owner"
    return "owner"


def _redacted_element(found: re.Match[str]) -> str:
    tag = found["tag"] or "Owner"
    return f"<{tag}>{REDACTED}</{tag}>"


def _account(found: re.Match[str]) -> str:
    return found[1] + (found[3] if found[3] in _KNOWN_ACCOUNTS else OTHER_ACCOUNT)


def _address_6(found: re.Match[str]) -> str:
    try:
        return "2001:db8::1" if ipaddress.ip_address(found[0]).is_global else found[0]
    except ValueError:
        return found[0]


def _address(found: re.Match[str]) -> str:
    try:
        return "192.0.2.1" if ipaddress.ip_address(found[0]).is_global else found[0]
    except ValueError:
        return found[0]
