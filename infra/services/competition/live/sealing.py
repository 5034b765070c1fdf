"""Seals: the hash that is shown at once, of a forecast that is shown later.

The hash is SHA-256 over round, team, a salt and the canonical forecast. Who has forecast and salt
can compute it anew; who has the hash alone learns nothing: the salt has 128 bits by chance, so that
no guess at the forecast can be tried out against the hash. Nobody, neither the team nor the
academy, can put another forecast in its place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.services.competition.live import months

#: Hexadecimal digits of a salt.
SALT_DIGITS = 32
#: So many digits of a hash name it where people read it.
SHORT = 12

_SALT = re.compile(rf"[0-9a-f]{{{SALT_DIGITS}}}")


@dataclass(frozen=True)
class Seal:
    """A sealed forecast: whose it is, when S3 had it, the months it is of, and its hash.

    `name` is that of the file it came in, `digest` that of its content, `revealed` whether its
    content is shown to everybody. `again` says that it is the same as the team's forecast next to
    it, and so not one of its day's.
    """

    team: str
    name: str
    received: dt.datetime
    first: int
    last: int
    hash: str
    salt: str
    digest: str
    revealed: bool = False
    again: bool = False

    @property
    def place(self) -> tuple[dt.datetime, str]:
        """What orders a team's forecasts."""
        return (self.received, self.name)


def hash_of(project: str, round_id: str, team: str, salt: str, body: bytes) -> str:
    """The hash that seals the canonical forecast `body`, 64 hexadecimal digits.

    >>> hash_of("climate-series", "winter", "falcon", "0" * 32, b"series,month,value\\n")[:12]
    '8e6ea60bb025'

    Raises:
        ValueError: if the salt is none.
    """
    if not _SALT.fullmatch(salt):
        raise ValueError(f"a salt has {SALT_DIGITS} hexadecimal digits")
    head = f"academy live forecast\n{project}\n{round_id}\n{team}\n{salt}\n"
    return hashlib.sha256(head.encode() + body).hexdigest()


def counting(seals: Iterable[Seal], month: int) -> dict[str, Seal]:
    """For each team the forecast of `month` that counts: the last that came before it began."""
    found: dict[str, Seal] = {}
    for seal in sorted(seals, key=lambda each: each.place):
        if seal.first <= month <= seal.last and seal.received < months.begins(month):
            found[seal.team] = seal
    return found


def next_to(seals: Iterable[Seal], place: tuple[dt.datetime, str]) -> list[Seal]:
    """The last of `seals` before `place` and the first after it, where there are such."""
    ordered = sorted(seals, key=lambda each: each.place)
    before = [each for each in ordered if each.place < place]
    after = [each for each in ordered if each.place > place]
    return [*before[-1:], *after[:1]]


def unobserved(
    seals: Iterable[Seal], names: Iterable[str], observed: Mapping[tuple[str, int], object]
) -> list[int]:
    """The months that `seals` are forecasts of and of which some value is not known, in order."""
    wanted = {month for seal in seals for month in range(seal.first, seal.last + 1)}
    return sorted(m for m in wanted if any((name, m) not in observed for name in names))


def all_observed(
    seal: Seal, names: Iterable[str], observed: Mapping[tuple[str, int], object]
) -> bool:
    """Whether every value that `seal` is a forecast of is known: nothing is left to hide."""
    return not unobserved([seal], names, observed)
