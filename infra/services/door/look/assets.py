"""The door's style sheet and script, under names that change with what is in them.

So a browser keeps them for a year, and asks for the next ones as soon as a page names them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from infra.services.door.look.script import SCRIPT
from infra.services.door.look.style import STYLE


@dataclass(frozen=True)
class Asset:
    name: str
    kind: str
    text: str


def _named(stem: str, ending: str, kind: str, text: str) -> Asset:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Asset(f"{stem}-{digest[:12]}.{ending}", f"{kind}; charset=utf-8", text)


STYLE_SHEET = _named("door", "css", "text/css", STYLE)
SCRIPT_FILE = _named("door", "js", "text/javascript", SCRIPT)
ALL = {asset.name: asset for asset in (STYLE_SHEET, SCRIPT_FILE)}
#: A year, as long as HTTP's caches are asked to keep anything.
CACHE = "public, max-age=31536000, immutable"
