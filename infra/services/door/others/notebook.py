"""A file of a team's folder, notebooks first, as HTML that runs nothing.

It is built by escaping, not by sanitising: every character of theirs is text, and no tag of theirs
becomes one of ours. Of a notebook's outputs text is shown, and pictures that are PNG by their
bytes and not larger than a screen can show; HTML is shown as the text that it is, and what else
there is, is named. Beyond that the door's policy lets no page run a script or fetch a picture.

The page has an end: Lambda answers with 6 MB at most, and a person reads less.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from infra.services.door.others import markdown, shown
from infra.services.door.pages import fill

#: A file that is larger is not read: no notebook that was cleared of its pictures is.
MAX_FILE = 8 * 2**20
#: Of one page as JSON, in which Lambda answers: its limit is 6 MB ("Lambda quotas"), less what the
#: frame and the headers take.
MAX_PAGE = 4_500_000
MAX_CELLS = 1_000
MAX_SOURCE = 60_000
MAX_OUTPUT = 20_000
MAX_OUTPUTS = 100
#: Of a picture, its bytes and its points: a small file may unpack to gigabytes.
MAX_PICTURE = 2 * 2**20
MAX_POINTS = 16_000_000
#: Points of all pictures of a page: four bytes each, in the browser of whoever looks.
MAX_ALL_POINTS = 100_000_000
#: Characters of a line that fit on the smallest phone, and lines that fit before an output scrolls.
WIDE, TALL = 30, 28
#: So many kinds of outputs that are not shown are named.
NAMED = 6

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (".py", ".md", ".txt", ".csv", ".json", ".yaml", ".yml", ".toml", ".log", ".sh", ".cfg")

TEMPLATE = """\
{% for cell in cells %}
{% if cell.kind == "text" %}
<section class="cell words">{{ cell.source }}</section>
{% else %}
<section class="cell ran">
{% if cell.number %}<p class="count" aria-label="Run {{ cell.number }}">[{{ cell.number }}]</p>
{% endif %}
{% if cell.source %}<pre>{{ cell.source }}</pre>{% endif %}

{% for output in cell.outputs %}
{% if output.picture %}
<img src="{{ output.picture }}" alt="{{ output.said }}" width="{{ output.width }}"
 height="{{ output.height }}">
{% elif output.kind == "left" %}
<p class="left">{{ output.said }}</p>
{% else %}
{% if output.note %}<p class="left">{{ output.note }}</p>{% endif %}
<pre class="output{{ " failed" if output.kind == "error" }}"
{%- if output.scrolls %} tabindex="0"{% endif %}>{{ output.said }}</pre>
{% endif %}
{% endfor %}
</section>
{% endif %}
{% endfor %}
{% if end %}<p class="caution" role="note">{{ end }}</p>{% endif %}
"""


class Unreadable(Exception):
    """Nothing of the file can be shown; the message says why."""


@dataclass(frozen=True)
class Output:
    """What a cell left: text, the error that it ended with, a picture, or what is left out."""

    kind: str
    said: str
    note: str = ""
    picture: str = ""
    width: int = 0
    height: int = 0

    @property
    def scrolls(self) -> bool:
        """Whether it may have to be scrolled: then the keyboard must reach it."""
        lines = self.said.split("\n")
        return len(lines) > TALL or any(len(line) > WIDE for line in lines)


@dataclass
class Cell:
    """Words, or code with its outputs."""

    kind: str
    source: str | Markup
    number: int | None = None
    outputs: list[Output] = field(default_factory=list)


@dataclass(frozen=True)
class Sheet:
    """A file as it is shown: its HTML, how many cells it has, and how many ended with an error."""

    body: Markup
    cells: int = 0
    errors: int = 0


def sheet(name: str, content: bytes) -> Sheet:
    """The file `name` with `content`, whatever is in it.

    Raises:
        Unreadable: if it is neither notebook, text nor PNG, or damaged.
    """
    lower = name.lower()
    if lower.endswith(".ipynb"):
        return _notebook(content)
    if content.startswith(_PNG):
        found = _picture(content, name)
        if found is None:
            raise Unreadable("This picture is too large to be shown, or damaged.")
        return _filled([Cell("code", "", outputs=[found])])
    text = _decoded(content) if lower.endswith(_TEXTS) else None
    if text is None:
        raise Unreadable(
            "Only notebooks, text and PNG pictures are shown here. What a program wrote for "
            "itself, such as a saved model, can run code when it is read."
        )
    if lower.endswith(".md"):
        said = Markup(markdown.rendered(text[:MAX_SOURCE]))  # noqa: S704
        return _filled([Cell("text", said)])
    return _filled([Cell("code", shown.lines(text))])


def can_show(name: str) -> bool:
    """Whether there is any hope, by its name.

    >>> can_show("walk.ipynb"), can_show("model.pt")
    (True, False)
    """
    return name.lower().endswith((".ipynb", ".png", *_TEXTS))


def _filled(cells: list[Cell], end: str = "", total: int = 0) -> Sheet:
    errors = sum(any(output.kind == "error" for output in cell.outputs) for cell in cells)
    return Sheet(fill(TEMPLATE, cells=cells, end=end), total, errors)


_NO_ROOM = Output("left", "Not shown: there are more pictures than a page has room for")


# --- a notebook -----------------------------------------------------------------------------------
def _notebook(content: bytes) -> Sheet:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Unreadable("This is no notebook: it cannot be read as JSON.") from None
    given = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise Unreadable("This is no notebook of format 4: it has no cells.")
    cells: list[Cell] = []
    left, points, end = MAX_PAGE, MAX_ALL_POINTS, ""
    for number, each in enumerate(given):
        if not isinstance(each, Mapping):
            continue
        cell = _cell(each, number + 1)
        points -= sum(one.width * one.height for one in cell.outputs)
        if points < 0:
            cell.outputs = [one if not one.picture else _NO_ROOM for one in cell.outputs]
        left -= _size(cell)
        if left < 0 or number >= MAX_CELLS:
            end = f"The notebook is long: the last {len(given) - number} cells are not shown."
            break
        cells.append(cell)
    return _filled(cells, end, len(given))


def _cell(given: Mapping[str, Any], place: int) -> Cell:
    source = _joined(given.get("source"))
    kind = given.get("cell_type")
    if kind == "markdown":
        words = markdown.rendered(source[:MAX_SOURCE])
        return Cell("text", Markup(words))  # noqa: S704
    cell = Cell("code", shown.lines(source, MAX_SOURCE))
    if kind != "code":
        return cell
    count = given.get("execution_count")
    if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 100_000:
        cell.number = count
    outputs = given.get("outputs")
    for output in (outputs if isinstance(outputs, list) else [])[:MAX_OUTPUTS]:
        if isinstance(output, Mapping):
            cell.outputs += _outputs(output, place)
    return cell


def _outputs(output: Mapping[str, Any], place: int) -> Iterator[Output]:
    kind = output.get("output_type")
    if kind == "stream":
        yield from _text("stream", _joined(output.get("text")))
        return
    if kind == "error":
        trace = output.get("traceback")
        lines = [part for part in trace if isinstance(part, str)] if isinstance(trace, list) else []
        said = (
            "\n".join(lines) or f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
        )
        yield Output("error", shown.lines(said, MAX_OUTPUT))
        return
    data = output.get("data")
    bundle: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    yield from _bundle(bundle, place)


def _bundle(bundle: Mapping[str, Any], place: int) -> Iterator[Output]:
    """The best of an output's forms that can be shown, and what the others are."""
    used = "text/plain"
    picture = _embedded(bundle.get("image/png"), f"Picture that cell {place} drew")
    if picture is not None:
        yield picture
        used = "image/png"
    elif plain := _joined(bundle.get("text/plain")):
        yield from _text("text", plain)
    elif text := _joined(bundle.get("text/html")):
        yield from _text("text", text, "HTML, shown as text:")
        used = "text/html"
    # The same in another form is no loss; a picture has its words, a table its letters.
    less = {"text/plain", "text/html", "text/markdown", "text/latex", used}
    rest = [shown.line(name, 60) for name in bundle if name not in less]
    if rest:
        more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
        yield Output("left", f"Not shown: {', '.join(rest[:NAMED])}{more}")


def _text(kind: str, text: str, note: str = "") -> Iterator[Output]:
    if text.strip():
        yield Output(kind, shown.lines(text, MAX_OUTPUT).strip("\n"), note)


def _embedded(value: Any, said: str) -> Output | None:
    """A picture in an output, if it is one by its bytes."""
    text = _joined(value)
    if not 0 < len(text) <= MAX_PICTURE * 3 // 2:
        return None
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _picture(content, said)


def _picture(content: bytes, said: str) -> Output | None:
    """A PNG as an address that holds it; None if it is none, or one that is too large."""
    if len(content) > MAX_PICTURE or not content.startswith(_PNG) or content[12:16] != b"IHDR":
        return None
    if len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    if not (width and height) or width * height > MAX_POINTS:
        return None
    address = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Output("picture", said, picture=address, width=width, height=height)


def _size(cell: Cell) -> int:
    """What the cell takes of Lambda's answer, nearly: letters beyond ASCII take six bytes there."""
    parts = [str(cell.source)]
    parts += [each.said + each.note for each in cell.outputs]
    pictures = sum(len(each.picture) for each in cell.outputs)
    return len(json.dumps(str(Markup.escape("".join(parts))))) + pictures + 200 * len(parts)


def _decoded(content: bytes) -> str | None:
    """The text in `content`, or None if it is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _joined(value: Any) -> str:
    """A text as notebooks have it: one, or a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
