"""The canonical form: a line of JSON that says what was checked, then the checked content.

Only the checker can write it, so what does not fit is a fault of the deployment and never a team's.
It is read as strictly as if it were hostile all the same.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from infra.services.competition.problems import Misconfigured

VERSION = 1
#: Characters of a digest that name an entry where people read it.
SHORT = 12
#: A header names each scene; five hundred of them take a tenth of this.
MAX_HEADER = 1_000_000

Kind = Literal["predictions", "selection", "live", "fault"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TEXTS = (
    *("kind", "project", "team", "name", "key", "version_id", "note", "learner", "job", "digest"),
    *("rescore", "message"),
)
_OURS = (*_TEXTS, "version", "received")


class Body(Protocol):
    """Bytes that are read one after the other."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes more; none at the end."""
        ...


@dataclass(frozen=True)
class Content:
    """What a submission says, whatever form it came in.

    `digest` is of the content and not of the file: the same maps as .npz and as run lengths are
    one entry. `members` is what the project needs to read `body`.
    """

    digest: str
    members: Mapping[str, Any]
    body: bytes = b""

    def stream(self) -> Body:
        return io.BytesIO(self.body)


@dataclass(frozen=True)
class Header:
    """What is known of a submission beside its content.

    Attributes:
        received: When S3 had it, by S3's clock.
        note, learner, job: The sender's own words, cut to what can be shown.
        digest: Of the content; empty where the kind is "fault".
        rescore: The id of the rescoring that asked for it; empty for a new submission.
        message: What is wrong, where the kind is "fault": an entry that a rescoring refuses.
        members: The project's own.
    """

    kind: Kind
    project: str
    team: str
    name: str
    key: str
    received: dt.datetime
    version_id: str = ""
    note: str = ""
    learner: str = ""
    job: str = ""
    digest: str = ""
    rescore: str = ""
    message: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """The header as it is written, with its line end."""
        document = {
            "version": VERSION,
            **{name: getattr(self, name) for name in _TEXTS},
            "received": self.received.astimezone(dt.UTC).isoformat(),
            **self.members,
        }
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """The header in a checked object's first line.

        Raises:
            Misconfigured: if it is none.
        """
        try:
            document: Any = json.loads(line)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}, this code reads {VERSION}")
            texts = {name: document[name] for name in _TEXTS}
            wrong = [name for name, text in texts.items() if not isinstance(text, str)]
            received = dt.datetime.fromisoformat(document["received"])
            if wrong or texts["kind"] not in get_args(Kind) or received.tzinfo is None:
                raise ValueError(f"{texts['kind']!r:.40}, {received}, not text: {wrong}")
            if bool(texts["digest"]) == (texts["kind"] == "fault") or (
                texts["digest"] and not _DIGEST.fullmatch(texts["digest"])
            ):
                raise ValueError(f"the digest {texts['digest']!r:.80}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Misconfigured(f"a checked object's header: {error!r}") from None
        members = {name: value for name, value in document.items() if name not in _OURS}
        return cls(**texts, received=received, members=members)


def read(body: Body) -> tuple[Header, Body]:
    """A checked object's header, and the rest of it.

    Raises:
        Misconfigured: if it has no header.
    """
    found = b""
    while b"\n" not in found:
        more = body.read(1 << 16)
        found += more
        if not more or len(found) > MAX_HEADER:
            raise Misconfigured("a checked object has no header")
    line, _, rest = found.partition(b"\n")
    return Header.parse(line), _Rest(rest, body)


class _Rest:
    """What was read too far, then what follows."""

    def __init__(self, first: bytes, body: Body) -> None:
        self._first, self._body = first, body

    def read(self, size: int, /) -> bytes:
        if self._first:
            found, self._first = self._first[:size], self._first[size:]
            return found
        return self._body.read(size)
