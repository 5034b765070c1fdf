"""What became of what a team sent: receipts, and all of a team's entries as a table."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from academy.errors import CloudError
from academy.tables import html_table, plain, text_table, untypeset

#: How the name of a selection ends.
SELECTION = ".selection.json"

_COLORS = {
    **dict.fromkeys(("scored", "noted", "sealed"), "#1a7f5a"),
    **dict.fromkeys(("refused", "failed"), "#b3261e"),
}


@dataclass(frozen=True)
class Receipt:
    """What became of one submission.

    Attributes
    ----------
    submission : str
        Its name.
    status : str
        ``scored``; ``refused``; ``noted``, of a choice of entries; ``sealed``, of a live forecast,
        until its months have come; ``waiting`` while it is kept and
        not scored yet; ``failed`` if it could not be scored: it is kept, and your advisor knows.
    message : str
        In words.
    public_score : float or None
        What the board now shows of your team on the public part, to three digits: this entry's, if
        it was better beyond noise. The board says whether higher or lower is better.
    received : str
        When it arrived, UTC, ISO 8601.
    counted : bool
        Whether it counts against the day's limit.
    classes : dict
        The F1 of each class on the public part, where the project has classes; else empty.
    job : str
        Your team's training job that made it; empty if you named none that there is.
    image : str
        What that job ran on: a name, and what tells this build from others.
    entry : str
        The entry's id: the same predictions have the same. Empty if it is none.
    late : bool
        Whether it came after the close: it is scored, and does not count.
    left_today : int or None
        How many submissions your team had left on the day it arrived (UTC), this one used.
    also : dict
        Further metrics on the public part, by name.
    private_score : float or None
        On the private part; of late entries, once the competition is closed.
    hash, salt : str
        Of a live forecast: the hash that seals it, which stands on the live board at once, and
        what it is computed with. Keep the salt to your team until all months have come.
    months : tuple of str
        The first and the last month that a live forecast counts for.
    """

    submission: str
    status: str
    message: str
    public_score: float | None
    received: str
    counted: bool
    classes: Mapping[str, float] = field(default_factory=dict)
    job: str = ""
    image: str = ""
    entry: str = ""
    late: bool = False
    left_today: int | None = None
    also: Mapping[str, float] = field(default_factory=dict)
    private_score: float | None = None
    hash: str = ""
    salt: str = field(default="", repr=False)
    months: tuple[str, ...] = ()

    def __repr__(self) -> str:
        score = "" if self.public_score is None else f" {self.public_score:.3f}"
        width = max(map(len, self.classes), default=0)
        lines = [f"  {name:{width}} {value:.3f}" for name, value in self.classes.items()]
        lines += [f"  {line}" for line in self._more()]
        late = " late" if self.late else ""
        return "\n".join([f"Receipt {self.status}{late}{score} · {self.message}", *lines])

    def _more(self) -> list[str]:
        """What else there is to say, a line each."""
        lines = [f"{name} {value:.3f}" for name, value in self.also.items()]
        if self.private_score is not None:
            lines.append(f"{self.private_score:.3f} on the private part")
        if self.job:
            lines.append(self._origin())
        if self.entry:
            lines.append(f"entry {self.entry}")
        if self.hash:
            lines.append(f"sealed by {self.hash}")
        if self.left_today is not None:
            lines.append(f"{self.left_today} left today (UTC)")
        return lines

    def _origin(self) -> str:
        return f"made by {self.job} on {self.image or 'an unknown image'}"

    @untypeset
    def _repr_html_(self) -> str:
        color = _COLORS.get(self.status, "#8a6d00")
        score = (
            f'<div style="font-size:200%">{self.public_score:.3f}</div>'
            if self.public_score is not None
            else ""
        )
        more = "".join(f"<div>{html.escape(line)}</div>" for line in self._more())
        late = " late" if self.late else ""
        return (
            f'<div style="border-left:3px solid {color};padding:2px 10px">'
            f"<b>{html.escape(self.status + late)}</b>{score}"
            f"<div>{html.escape(self.message)}</div>{self._bars()}{more}"
            f'<div style="opacity:.6;font-size:85%">{html.escape(self.submission)}</div></div>'
        )

    def _bars(self) -> str:
        """A bar for each class, as long as its F1."""
        rows = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td style='width:160px'>"
            f"<div style='height:9px;width:{100 * min(max(value, 0.0), 1.0):.0f}%;"
            f"background:#33658a'></div></td><td>{value:.3f}</td></tr>"
            for name, value in self.classes.items()
        )
        return f"<table><caption>F1 of each class</caption>{rows}</table>" if rows else ""


def read(name: str, content: bytes) -> Receipt:
    """The receipt of the submission `name` from its JSON."""
    try:
        document = json.loads(content)
        return Receipt(
            submission=name,
            status=str(document["status"]),
            message=str(document["message"]),
            public_score=_number(document["public_score"]),
            received=str(document["received"]),
            counted=bool(document["counted"]),
            classes={n: float(f1) for n, f1 in (document.get("classes") or {}).items()},
            job=str(document.get("job") or ""),
            image=str(document.get("image") or ""),
            entry=str(document.get("entry") or ""),
            late=bool(document.get("late", False)),
            left_today=None if document.get("left_today") is None else int(document["left_today"]),
            also={n: float(value) for n, value in (document.get("also") or {}).items()},
            private_score=_number(document.get("private_score")),
            hash=str(document.get("hash") or ""),
            salt=str(document.get("salt") or ""),
            months=tuple(map(str, document.get("months") or ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CloudError(
            f"The receipt of {name} cannot be read. Your submission was received; ask your advisor."
        ) from None


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]


def waiting(name: str, received: str) -> Receipt:
    """Of a submission that has no receipt yet."""
    message = "Received, not scored yet. The board will show it; there is no need to send it again."
    return Receipt(name, "waiting", message, None, received, False)


def stamped(name: str) -> str:
    """The instant in the name of a submission, ISO 8601; empty if there is none.

    >>> stamped("20261201T100203Z-0123456789ab.npz")
    '2026-12-01T10:02:03Z'
    """
    found = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-", name)
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups()) if found else ""


@dataclass(frozen=True)
class Entries(Sequence[Receipt]):
    """What a team sent, the newest first.

    Attributes
    ----------
    project : str
    receipts : tuple of Receipt
        The newest of them.
    selected : tuple of str
        The ids of the entries that the team chose for the close; empty if it chose none.
    total : int
        How many there are in all.
    """

    project: str
    receipts: tuple[Receipt, ...]
    selected: tuple[str, ...] = ()
    total: int = 0

    @overload
    def __getitem__(self, at: int) -> Receipt: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Receipt, ...]: ...

    def __getitem__(self, at: int | slice) -> Receipt | tuple[Receipt, ...]:
        return self.receipts[at]

    def __len__(self) -> int:
        return len(self.receipts)

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self.receipts)

    def is_selected(self, receipt: Receipt) -> bool:
        """Whether the team chose this entry for the close."""
        return bool(receipt.entry) and any(
            each[:12] == receipt.entry[:12] for each in self.selected
        )

    def _columns(self) -> list[str]:
        extra = {
            "private": any(each.private_score is not None for each in self),
            "job": any(each.job for each in self),
        }
        private, job = ([name] if there else [] for name, there in extra.items())
        return ["sent (UTC)", "entry", "status", "score", *private, "chosen", *job, "submission"]

    def _rows(self) -> list[dict[str, str]]:
        return [
            {
                "sent (UTC)": each.received[:16].replace("T", " "),
                "entry": each.entry,
                "status": each.status + (" late" if each.late else ""),
                "score": _score(each.public_score),
                "private": _score(each.private_score),
                "chosen": "yes" if self.is_selected(each) else "",
                "job": plain(each.job),
                "submission": plain(each.submission),
            }
            for each in self
        ]

    def _head(self) -> str:
        return f"{self.project} · {self.total} sent"

    def _feet(self) -> list[str]:
        if not self.receipts:
            return ["Your team has sent nothing yet."]
        feet = []
        if self.total > len(self):
            feet.append(f"The newest {len(self)} are shown; limit=… shows more.")
        feet.append(
            "Those that you chose count at the close."
            if self.selected
            else "At the close your best two public scores count; "
            f"academy.select({self.project!r}, …) chooses others."
        )
        return feet

    def __repr__(self) -> str:
        table = [text_table(self._columns(), self._rows())] if self.receipts else []
        return "\n".join([self._head(), *table, *self._feet()])

    @untypeset
    def _repr_html_(self) -> str:
        table = html_table(self._columns(), self._rows()) if self.receipts else ""
        feet = "".join(
            f"<div style='opacity:.75'>{html.escape(foot)}</div>" for foot in self._feet()
        )
        return f"<div>{html.escape(self._head())}</div>{table}{feet}"


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"
