"""Text of others as it may stand on a page: nothing in it moves, hides or turns what is around it.

It is still text: a template escapes it.
"""

from __future__ import annotations

import re
import unicodedata

#: What a terminal takes for colours, cursor moves and window titles.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)?)")
_ENDS = re.compile(r"\r\n|\n|\x85|\u2028|\u2029")
_TAB = "    "


def line(text: object, limit: int = 200) -> str:
    """`text` on one line, of at most `limit` characters.

    >>> line("a\\tb\\nc"), line("x" * 300, 5), line("safe\\u202etxt.exe")
    ('a b c', 'xxxx…', 'safetxt.exe')
    """
    # Only the head is looked at: a wild name costs no more than a short one.
    said = " ".join(_plain(" ".join(str(text)[: 8 * limit].split())).split())
    return said if len(said) <= limit else f"{said[: limit - 1]}…"


def lines(text: str, limit: int = 200_000) -> str:
    """`text` with its lines, of at most `limit` characters; tabs are spaces.

    Of a line that was written over again and again, as progress bars do, the last is shown.

    >>> lines("a\\r\\nb"), lines("10 %\\r20 %\\rdone\\nnext"), lines("\\x1b[31mred\\x1b[0m")
    ('a\\nb', 'done\\nnext', 'red')
    """
    cut = text[:limit]
    found = [
        _plain(_last(each).replace("\t", _TAB)) for each in _ENDS.split(_TERMINAL.sub("", cut))
    ]
    said = "\n".join(found)
    return said if len(text) <= limit else f"{said}\n…"


def _last(text: str) -> str:
    return text.rstrip("\r").rpartition("\r")[2]


def _plain(text: str) -> str:
    """Without control characters, marks of direction, and what has no look of its own."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each for each in text if _seen(each))


def _seen(character: str) -> bool:
    # Cc control, Cf format (bidirectional marks, zero width), Cs half a pair, Co private, Cn none.
    # The joiners stay: they make letters of Persian and Hindi, and of pictures a family.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
    return not hidden or character in "\u200c\u200d"
