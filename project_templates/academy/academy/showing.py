"""Shows what others wrote, notebooks among it, so that looking at it runs nothing of theirs.

A page is built by escaping, not by sanitising: every character of theirs is text, and no tag of
theirs becomes one of ours. Of a notebook's outputs only text and pictures that are pictures by
their bytes are shown; HTML, SVG, JavaScript, LaTeX and widgets are named and left out. Markdown is
shown as it was written. Beyond that the page forbids itself everything but styles and embedded
pictures (its Content-Security-Policy), and a notebook shows it in a frame that may run no script.

Standard library only: it runs on whatever image a space has.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from academy.errors import SourceError
from academy.tables import plain, untypeset

#: A file that is larger is not read: no notebook or script is.
MAX_FILE_BYTES = 20 * 2**20
#: An archive as it lies in the team's folder, and what may come out of it while it is looked at.
MAX_ARCHIVE_BYTES = 200 * 2**20
MAX_UNPACKED_BYTES = 2 * 2**30
MAX_MEMBERS = 20_000
#: Of one page: what is beyond is cut off, and said so.
MAX_CELLS = 2000
MAX_CHARACTERS = 2_000_000
MAX_PAGE = 40 * 2**20
#: Pages up to this size are shown where they are asked for; larger ones are opened from the file.
MAX_INLINE = 4 * 2**20

ARCHIVES = (".tar.gz", ".tgz")

#: What a picture begins with, by the type that it is shown as. No SVG: it is a program's language.
_PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
}
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem;
 padding: 0 1rem; color: #1d2530; background: #fff }
pre { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
 margin: .3rem 0; padding: .5rem .7rem; border-radius: 4px }
.code { background: #f2f4f7; border-left: 3px solid #33658a }
.text { font: inherit; padding-left: 0 }
.error { background: #fdecea }
.note { opacity: .65; font-size: 85% }
img { max-width: 100% }
""".strip()


@dataclass(frozen=True)
class Page:
    """What is shown of a file: nothing in it runs.

    Attributes
    ----------
    title : str
        Which file of which team.
    text : str
        Its code and words, without pictures; nothing in it moves a terminal's cursor.
    html : str
        The whole page, as a document.
    file : str
        Where the page was kept, to be opened from JupyterLab's file browser; empty if nowhere.
    """

    title: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    file: str = ""

    def __repr__(self) -> str:
        where = f" · {self.file}" if self.file else ""
        return f"{self.title}{where}\n\n{self.text}"

    @untypeset
    def _repr_html_(self) -> str:
        kept = f"<div>Kept as {html.escape(self.file)}</div>" if self.file else ""
        head = f"<div><b>{html.escape(self.title)}</b></div>{kept}"
        if len(self.html) > MAX_INLINE:
            return f"{head}<div>Too large to be shown here: open that file.</div>"
        # An empty sandbox: no scripts, no forms, no windows, and an origin of its own.
        return (
            f'{head}<iframe sandbox="" srcdoc="{html.escape(self.html, quote=True)}" '
            'style="width:100%;height:600px;border:1px solid #8884"></iframe>'
        )


def page(title: str, name: str, content: bytes) -> Page:
    """The page of the file `name` with `content`, whatever is in it.

    Parameters
    ----------
    title
        What stands above it.
    name
        The file's name: by its ending a notebook is known, and an archive.

    Raises
    ------
    SourceError
        It is neither notebook, text nor picture, or damaged: it is not opened.
    """
    if name.lower().endswith(".ipynb"):
        return _page(title, *_notebook(name, content))
    kind = _kind(content)
    if kind is not None:
        return _page(title, [_picture(kind, content)], [])
    text = _decoded(content)
    if text is None:
        raise SourceError(
            f"{plain(name)} is neither a notebook nor text nor a picture, so it is not opened: "
            "what a program wrote for itself, such as a pickled model, can run code when it is "
            "read."
        )
    shown = _lines(text)
    return _page(title, [_pre("code", shown)], [shown])


def listing(title: str, names: Iterable[tuple[str, int]]) -> Page:
    """The page that says what is in an archive: names and bytes."""
    lines = "\n".join(f"{size:>12,}  {plain(name)}" for name, size in names)
    return _page(title, [_pre("code", lines)], [lines])


def members(content: bytes) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """The plain files in a tar.gz, which is read once through and written nowhere.

    As a stream, in which no header can lead back to where it has been. Links, devices and folders
    are passed over.

    Raises
    ------
    SourceError
        It is damaged, or there is too much in it.
    """
    stream: Any = _Limited(gzip.GzipFile(fileobj=io.BytesIO(content)))
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for count, member in enumerate(archive, start=1):
                if count > MAX_MEMBERS:
                    raise SourceError(f"The archive has more than {MAX_MEMBERS:,} files.")
                if member.isreg() and not member.issparse():
                    yield member, archive
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError) as problem:
        raise SourceError(f"The archive cannot be read: {plain(problem)}.") from None


def member(content: bytes, name: str) -> bytes:
    """The bytes of the file `name` in a tar.gz.

    Raises
    ------
    SourceError
        There is no such plain file, it is too large, or the archive is damaged.
    """
    for found, archive in members(content):
        if found.name.removeprefix("./") != name:
            continue
        if found.size > MAX_FILE_BYTES:
            raise too_large(name, found.size)
        opened = archive.extractfile(found)
        assert opened is not None, "a plain file can be read"
        return opened.read()
    raise SourceError(f"There is no plain file {plain(name)} in the archive.")


def too_large(name: str, size: int, limit: int = MAX_FILE_BYTES) -> SourceError:
    """What is said of a file that is not read."""
    return SourceError(
        f"{plain(name)} has {size / 2**20:.0f} MB; what has more than {limit // 2**20} is not "
        "opened here."
    )


class _Limited:
    """A stream that ends in an error where a small archive unpacks to very much."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED_BYTES

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise SourceError("The archive unpacks to too much; it is not looked at.")
        return piece


# --- a page ---------------------------------------------------------------------------------------


def _page(title: str, parts: list[str], texts: list[str]) -> Page:
    body, left = [], MAX_PAGE
    for part in parts:
        left -= len(part)
        if left < 0:
            body.append(_note("The rest is not shown: this is too long."))
            break
        body.append(part)
    name = html.escape(plain(title))
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{name}</title><style>{_STYLE}</style></head><body><h1>{name}</h1>"
        f"{''.join(body)}</body></html>"
    )
    return Page(plain(title), "\n\n".join(texts)[:MAX_CHARACTERS], document)


def _pre(kind: str, text: str) -> str:
    return f'<pre class="{kind}">{html.escape(text)}</pre>'


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(plain(text))}</p>'


def _picture(kind: str, content: bytes) -> str:
    encoded = base64.b64encode(content).decode("ascii")
    return f'<p><img alt="" src="data:{kind};base64,{encoded}"></p>'


def _kind(content: bytes) -> str | None:
    """The type of a picture by its first bytes, or None if it is none that is shown."""
    return next((kind for kind, start in _PICTURES.items() if content.startswith(start)), None)


def _decoded(content: bytes) -> str | None:
    """The text in `content`, or None if it is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _lines(text: str) -> str:
    """The text without what colours a terminal, moves its cursor or turns a line around."""
    text = _ANSI.sub("", text).replace("\t", "    ").replace("\xa0", " ")
    return "\n".join(plain(line) for line in re.split(r"\r\n|\r|\n", text))[:MAX_CHARACTERS]


# --- a notebook -----------------------------------------------------------------------------------


def _notebook(name: str, content: bytes) -> tuple[list[str], list[str]]:
    """The parts of the page, and the texts."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise SourceError(f"{plain(name)} is no notebook: it cannot be read as JSON.") from None
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise SourceError(f"{plain(name)} is no notebook of format 4: it has no cells.")
    parts: list[str] = []
    texts: list[str] = []
    for cell in cells[:MAX_CELLS]:
        if not isinstance(cell, dict):
            continue
        source = _lines(_joined(cell.get("source")))
        texts.append(source)
        if cell.get("cell_type") != "code":
            parts.append(_pre("text", source))
            continue
        parts.append(_pre("code", source))
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, dict):
                parts += _output(output)
    if len(cells) > MAX_CELLS:
        parts.append(_note(f"{len(cells) - MAX_CELLS} more cells are not shown."))
    return parts, texts


def _output(output: dict[str, Any]) -> Iterator[str]:
    kind = output.get("output_type")
    if kind == "stream":
        yield _pre("output", _lines(_joined(output.get("text"))))
        return
    if kind == "error":
        trace = output.get("traceback")
        lines = [part for part in trace if isinstance(part, str)] if isinstance(trace, list) else []
        said = "\n".join(lines) or f"{output.get('ename')}: {output.get('evalue')}"
        yield _pre("error", _lines(said))
        return
    data = output.get("data")
    bundle = data if isinstance(data, dict) else {}
    shown: str | None = None
    for name in _PICTURES:
        shown = shown or _embedded(name, bundle.get(name))
    text = _joined(bundle.get("text/plain"))
    if shown:
        yield shown
    elif text:
        yield _pre("output", _lines(text))
    left = sorted(
        plain(name)[:60] for name in bundle if name not in _PICTURES and name != "text/plain"
    )
    if left:
        yield _note(f"Not shown: {', '.join(left[:10])}")


def _embedded(name: str, value: Any) -> str | None:
    """A picture in an output, if it is one by its bytes."""
    try:
        content = base64.b64decode("".join(_joined(value).split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _picture(name, content) if content and _kind(content) == name else None


def _joined(value: Any) -> str:
    """A multi-line text as notebooks have it: one text, or a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
