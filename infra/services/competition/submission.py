"""A submission as it was received: whose it is, and what its sender says.

The sender is known from the key alone, whose prefix IAM lets one team write. The file's name and
metadata are the sender's own words: they are shown, never trusted. What is in the file is read by
the checks of its project.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from infra.cohort.naming import ID_MAX, ID_PATTERN, JobName

MAX_NOTE = 200

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class Sender:
    """Whose submission it is, by its key: submissions/<project>/<team>/<name>."""

    project: str
    team: str
    name: str

    @property
    def receipt(self) -> str:
        """The key of its receipt."""
        return f"receipts/{self.project}/{self.team}/{self.name}.json"

    @property
    def submission(self) -> str:
        """The key of the submission itself."""
        return f"submissions/{self.project}/{self.team}/{self.name}"

    @property
    def checked(self) -> str:
        """The key of its canonical form."""
        return f"checked/{self.project}/{self.team}/{self.name}"


def sender_of(key: str, under: str = "submissions") -> Sender | None:
    """The sender, or None for a key that the library does not make.

    `under` is the first part of the key: "submissions", or "checked" for a canonical form.
    """
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != under:
        return None
    _, project, team, name = parts
    if not (_id(project) and _id(team) and _NAME.fullmatch(name)) or set(name) == {"."}:
        return None
    return Sender(project, team, name)


def _id(text: str) -> bool:
    return len(text) <= ID_MAX and re.fullmatch(ID_PATTERN, text) is not None


@dataclass(frozen=True)
class Upload:
    """A file as it was received, one byte more than the project's limit at most, and what came
    with it. `received` is S3's own time of it, which the sender cannot set."""

    key: str
    content: bytes
    received: dt.datetime
    metadata: Mapping[str, str]
    version: str = ""
    #: Why there is no content to read.
    fault: str = ""
    #: Whether it was uploaded in parts: then `received` may be when that began.
    in_parts: bool = False

    @property
    def note(self) -> str:
        """The sender's note, on one line, without control characters."""
        text = urllib.parse.unquote(self.metadata.get("note", "")[: MAX_NOTE * 12])
        shown = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(shown.split())[:MAX_NOTE]

    @property
    def learner(self) -> str:
        """Who says to have sent it."""
        given = self.metadata.get("learner", "")
        return given if _id(given) else ""

    @property
    def job(self) -> str:
        """The job that is said to have made it."""
        given = self.metadata.get("job", "")
        return given if len(given) <= 63 and JobName.parse(given) else ""


def show(text: str) -> str:
    """`text` as it may stand in a message: short, on one line, in ASCII."""
    shown = ascii(text[:40])
    return shown if len(text) <= 40 else shown[:-1] + "...'"
