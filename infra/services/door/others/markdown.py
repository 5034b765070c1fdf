"""A notebook's Markdown as HTML: its common part, made by escaping.

Every character of the text is escaped before it stands between tags of ours, and no tag of the text
becomes one: HTML is shown as it was written. Links lead nowhere and pictures are not fetched; their
addresses are shown. Whatever is no Markdown that is known here stays as it was written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence

from infra.services.door.others import shown

#: A paragraph that is longer has no bold and no links; nobody writes one.
MAX_INLINE = 20_000
#: Lists in lists, and quotes in quotes: what is deeper stands beside the last.
MAX_DEPTH = 5
MAX_COLUMNS = 60
#: The first heading of a notebook stands below the page's own.
TOP = 2

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"([ ]*)([-*+]|\d{1,9}[.)])[ ]+(\S.*)$")
_QUOTE = re.compile(r" {0,3}> ?(.*)$")
# No two runs of blanks stand side by side: such a line is tried in every division of them.
_TABLE = re.compile(r" {0,3}(?:\|[ ]*)?:?-+:?[ ]*(?:\|[ ]*:?-+:?[ ]*)*(?:\|[ ]*)?$")
_MATH = re.compile(r" {0,3}\$\$")

#: Each alternative ends at the next sign of its own kind: no text takes long.
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`"
    r"|\$(?P<math>[^$\s](?:[^$\n]{0,500}[^$\s])?)\$(?!\d)"
    r"|\*\*(?P<bold>[^*\n]+)\*\*"
    r"|(?<!\w)__(?P<strong>[^_\n]+)__(?!\w)"
    r"|\*(?P<italic>[^*\s][^*\n]*)\*"
    r"|(?<!\w)_(?P<stress>[^_\s][^_\n]*)_(?!\w)"
    r"|(?P<picture>!?)\[(?P<text>[^\[\]\n]*)\]\((?P<to>[^()\s]*)(?:[^\S\n][^()\n]*)?\)"
    r"|\\(?P<meant>[\\`*_{}\[\]()#+.!|$-])"
)


def rendered(text: str) -> str:
    """`text` as HTML of ours."""
    return "".join(_blocks(shown.lines(text).split("\n"), 0))


# --- blocks ---------------------------------------------------------------------------------------
def _blocks(lines: Sequence[str], depth: int) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := _FENCE.match(line):
            end = _fenced(lines, at + 1, fence.group(1))
            yield _code("\n".join(lines[at + 1 : end]))
            at = end + 1
        elif _MATH.match(line):
            end = _math(lines, at)
            yield _code("\n".join(lines[at:end]))
            at = end
        elif heading := _HEADING.match(line):
            level = min(6, TOP - 1 + len(heading.group(1)))
            yield f"<h{level}>{inline(heading.group(2).rstrip(' #'))}</h{level}>"
            at += 1
        elif _RULE.match(line):
            yield "<hr>"
            at += 1
        elif _QUOTE.match(line) and depth < MAX_DEPTH:
            end = _while(lines, at, lambda each: bool(_QUOTE.match(each)))
            inner = [found.group(1) for each in lines[at:end] if (found := _QUOTE.match(each))]
            yield f"<blockquote>{''.join(_blocks(inner, depth + 1))}</blockquote>"
            at = end
        elif _ITEM.match(line):
            end = _while(lines, at, lambda each: bool(_ITEM.match(each)) or each.startswith("  "))
            yield _list(lines[at:end])
            at = end
        elif _begins_table(lines, at):
            end = _while(lines, at + 2, lambda each: "|" in each)
            yield _table(lines[at], lines[at + 2 : end])
            at = end
        else:
            end = _while(lines, at + 1, _continues)
            yield f"<p>{inline(_flowing(lines[at:end]))}</p>"
            at = end


def _flowing(lines: Sequence[str]) -> str:
    """Lines as one; a line that ends with two spaces or a backslash is broken there.

    >>> _flowing(["one", "line", "two  ", "lines"])
    'one line two\\nlines'
    """
    out = ""
    for line in lines[:-1]:
        broken = line.endswith(("  ", "\\"))
        out += line.strip().removesuffix("\\") + ("\n" if broken else " ")
    return out + lines[-1].strip()


def _continues(line: str) -> bool:
    """Whether a paragraph goes on with this line."""
    begins = (_FENCE, _HEADING, _RULE, _ITEM, _QUOTE, _MATH)
    return bool(line.strip()) and not any(each.match(line) for each in begins)


def _while(lines: Sequence[str], at: int, holds: Callable[[str], bool]) -> int:
    """The first line from `at` on for which it does not hold."""
    while at < len(lines) and lines[at].strip() and holds(lines[at]):
        at += 1
    return at


def _fenced(lines: Sequence[str], at: int, fence: str) -> int:
    """The line that ends a fence; the end of the text if none does."""
    while at < len(lines):
        line = lines[at].strip()
        if len(line) >= len(fence) and set(line) == {fence[0]}:
            return at
        at += 1
    return at


def _math(lines: Sequence[str], at: int) -> int:
    """The line after a formula that $$ begins and ends."""
    if lines[at].strip().count("$$") >= 2:
        return at + 1
    end = at + 1
    while end < len(lines) and "$$" not in lines[end]:
        end += 1
    return min(end + 1, len(lines))


def _code(text: str) -> str:
    return f"<pre><code>{html.escape(text)}</code></pre>"


def _list(lines: Sequence[str]) -> str:
    """Items, each with the lines that continue it; what is indented further lies within."""
    items: list[tuple[int, bool, str]] = []
    for line in lines:
        if found := _ITEM.match(line):
            indent, sign, text = found.groups()
            items.append((len(indent), sign[0].isdigit(), text))
        else:
            indent_, ordered, text = items[-1]
            items[-1] = (indent_, ordered, _flowing([text, line]))
    out: list[str] = []
    open_: list[tuple[int, str]] = []
    for indent, ordered, text in items:
        while len(open_) > 1 and indent < open_[-1][0]:
            out.append(f"</li></{open_.pop()[1]}>")
        tag = "ol" if ordered else "ul"
        deeper = bool(open_) and indent >= open_[-1][0] + 2 and len(open_) < MAX_DEPTH
        if open_ and not deeper:
            out.append("</li>")
            if open_[-1][1] != tag:
                out.append(f"</{open_.pop()[1]}>")
                deeper = True
        if deeper or not open_:
            open_.append((indent, tag))
            out.append(f"<{tag}>")
        out.append(f"<li>{inline(text)}")
    while open_:
        out.append(f"</li></{open_.pop()[1]}>")
    return "".join(out)


def _begins_table(lines: Sequence[str], at: int) -> bool:
    return "|" in lines[at] and at + 1 < len(lines) and bool(_TABLE.match(lines[at + 1]))


def _table(head: str, rows: Sequence[str]) -> str:
    names = _cells(head)
    top = "".join(f'<th scope="col">{inline(name)}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in _cells(row)[: len(names)]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="plain"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: str) -> list[str]:
    plain = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in plain.split("|", MAX_COLUMNS)[:MAX_COLUMNS]]


# --- within a line --------------------------------------------------------------------------------
def inline(text: str, depth: int = 0) -> str:
    """A paragraph's text: code, bold, italic, and addresses that lead nowhere.

    >>> inline("**bold** and `a < b`")
    '<strong>bold</strong> and <code>a &lt; b</code>'
    >>> inline("[here](javascript:alert(1)) <b>")
    '[here](javascript:alert(1)) &lt;b&gt;'
    >>> inline("[the paper](https://example.org/a)")
    'the paper (<bdi>https://example.org/a</bdi>)'
    """
    if len(text) > MAX_INLINE or depth > 2:
        return html.escape(text)
    out, done = [], 0
    for found in _INLINE.finditer(text):
        out.append(html.escape(text[done : found.start()]))
        out.append(_said(found, depth))
        done = found.end()
    out.append(html.escape(text[done:]))
    return "".join(out)


def _said(found: re.Match[str], depth: int) -> str:
    kind, group = found.lastgroup, found.groupdict()
    if kind in ("code", "math"):
        return f"<code>{html.escape(group[kind])}</code>"
    if kind in ("bold", "strong"):
        return f"<strong>{inline(group[kind], depth + 1)}</strong>"
    if kind in ("italic", "stress"):
        return f"<em>{inline(group[kind], depth + 1)}</em>"
    if kind == "meant":
        return html.escape(group["meant"])
    text, to = group["text"], html.escape(shown.line(group["to"], 300))
    if group["picture"]:
        return f"[picture: {html.escape(text or 'without a name')}]"
    if not text or text == group["to"]:
        return f"<bdi>{to}</bdi>"
    return f"{inline(text, depth + 1)} (<bdi>{to}</bdi>)" if to else inline(text, depth + 1)
