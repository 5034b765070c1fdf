"""Numbers, instants and names of the leaderboard's page as people read them, as HTML.

What comes from elsewhere may be anything: a wild number is said short, what is no number is left
out, a name is escaped and kept from turning the text around it.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Sequence
from typing import Any

from infra.services.competition.ladder import DIGITS

#: So many of the teams that one is tied with are named; the rest are counted.
NAMED = 2

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MICRO = 1_000_000


def name(text: Any) -> str:
    """A name that is shown, never run, and turns no text but its own."""
    return f"<bdi>{html.escape(str(text))}</bdi>"


def names(teams: Sequence[str]) -> str:
    """
    >>> names(["owl"]), names(["owl", "jay"])
    ('<bdi>owl</bdi>', '<bdi>owl</bdi> and <bdi>jay</bdi>')
    >>> names(["owl", "jay", "kite", "a", "b"])
    '<bdi>owl</bdi>, <bdi>jay</bdi> and 3 more'
    """
    said = [name(team) for team in teams]
    if len(said) > NAMED + 1:
        said[NAMED:] = [f"{len(said) - NAMED} more"]
    *most, last = said
    return f"{', '.join(most)} and {last}" if most else last


def number(value: Any) -> float | None:
    """`value`, if it is a number that can be shown."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            return None
        return value if math.isfinite(value) else None
    return None


def whole(value: Any) -> int | None:
    """`value`, if it is a whole number.

    >>> whole(3), whole(None), whole("3"), whole(True)
    (3, None, None, None)
    """
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def score(value: float) -> str:
    """Wild ones are shown short: no column grows with what a team sends.

    >>> score(0.5), score(-123456.7)
    ('0.500', '-1.23e+05')
    """
    return f"{value:.{DIGITS}f}" if abs(value) < 1000 else f"{value:.3g}"


def measure(value: float) -> str:
    """Another measure than the score: nobody knows its size beforehand.

    >>> measure(0.81), measure(12.34567), measure(0.0312345), measure(-1e-12)
    ('0.810', '12.3', '0.0312', '-1e-12')
    """
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 or not value else f"{value:.3g}"


def percent(value: float) -> str:
    """
    >>> percent(0.634), percent(-0.001), percent(-123.4)
    ('63&nbsp;%', '0&nbsp;%', '-1e+04&nbsp;%')
    """
    share = round(100 * value)
    return f"{share if abs(share) < 10_000 else format(float(share), '.0e')}&nbsp;%"


def dollars(micro_usd: float) -> str:
    """
    >>> dollars(1_234_000), dollars(999_600_000), dollars(4_300), dollars(0), dollars(3e15)
    ('$1.23', '$1,000', '&lt;&nbsp;$0.01', '$0.00', '$3e+09')
    """
    usd = micro_usd / _MICRO
    if 0 < usd < 0.005:
        return "&lt;&nbsp;$0.01"
    if abs(usd) >= 999.5:
        return f"${usd:,.0f}" if abs(usd) < 1e6 else f"${usd:.0e}"
    return f"${usd:.2f}"


def gpu_hours(hours: float) -> str:
    """
    >>> gpu_hours(0.0), gpu_hours(0.02), gpu_hours(1.04), gpu_hours(123.4)
    ('no GPU', '&lt;&nbsp;0.1 GPU h', '1.0 GPU h', '123 GPU h')
    """
    if hours <= 0:
        return "no GPU"
    if hours < 0.05:
        return "&lt;&nbsp;0.1 GPU h"
    return f"{hours:.1f} GPU h" if hours < 99.95 else f"{hours:.3g} GPU h"


def many(count: int, noun: str) -> str:
    """
    >>> many(1, "team"), many(2, "team")
    ('1 team', '2 teams')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


# --- time -----------------------------------------------------------------------------------------


def instant(text: Any) -> dt.datetime | None:
    """An instant in UTC, if `text` is one."""
    try:
        found = dt.datetime.fromisoformat(str(text))
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def seconds(text: Any) -> float | None:
    found = instant(text)
    return None if found is None else found.timestamp()


def moment(text: str) -> str:
    return html.escape(f"{text[:10]} {text[11:16]}")


def day(text: str) -> str:
    """As short as a column asks; a cohort is shorter than a year.

    >>> day("2026-12-01T09:05:07Z"), day("<soon>")
    ('1 Dec 09:05', '&lt;soon&gt; ')
    """
    try:
        number_of_day, month = int(text[8:10]), MONTHS[int(text[5:7]) - 1]
    except (ValueError, IndexError):
        return moment(text)
    return html.escape(f"{number_of_day} {month} {text[11:16]}")


def at(when: dt.datetime) -> str:
    """An instant in full.

    >>> at(dt.datetime(2027, 3, 16, 8, 5, tzinfo=dt.UTC))
    '<time datetime="2027-03-16T08:05:00Z">16 Mar 2027, 08:05 UTC</time>'
    """
    said = f"{when.day} {MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{said}</time>'


def until(when: dt.datetime) -> str:
    """An instant that something lasts until; midnight ends the day before it.

    >>> until(dt.datetime(2027, 3, 16, tzinfo=dt.UTC))
    '<time datetime="2027-03-16T00:00:00Z">the end of 15 Mar 2027 (UTC)</time>'
    """
    if (when.hour, when.minute, when.second) != (0, 0, 0) or when.year < 2:
        return at(when)
    last = when - dt.timedelta(days=1)
    said = f"the end of {last.day} {MONTHS[last.month - 1]} {last.year} (UTC)"
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{said}</time>'


def span(length: dt.timedelta) -> str:
    """A length of time as people say it, never more than there is.

    >>> span(dt.timedelta(days=86, hours=20)), span(dt.timedelta(hours=30))
    ('86 days', '30 hours')
    >>> span(dt.timedelta(minutes=90)), span(dt.timedelta(seconds=20))
    ('90 minutes', 'less than a minute')
    """
    minutes = int(length.total_seconds() // 60)
    if minutes >= 48 * 60:
        return many(minutes // (24 * 60), "day")
    if minutes >= 120:
        return many(minutes // 60, "hour")
    return many(minutes, "minute") if minutes > 0 else "less than a minute"


def lower_first(text: str) -> str:
    """Leaves an acronym as it is: MASE stays MASE."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def title(text: str) -> str:
    """The name of a column; a number stays with its unit.

    >>> title("coverage of the 80 % interval")
    'Coverage of the 80\\xa0% interval'
    """
    return (text[:1].upper() + text[1:]).replace(" %", "\u00a0%")
