"""Tables that a notebook and a terminal can show; nothing in them moves a cursor or runs."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def plain(text: object) -> str:
    """Without what moves a terminal's cursor or turns a line around.

    >>> plain("a\x1b[31mb\u202ec")
    'a[31mbc'
    """
    return "".join(letter for letter in str(text) if letter.isprintable())


def untypeset(show: Callable[[T], str]) -> Callable[[T], str]:
    """For a `_repr_html_`: what stands between two dollars is money there, and no mathematics.

    JupyterLab and nbconvert hand HTML to MathJax, which typesets ``$4.79 left of $5.00`` unless an
    element of this class is around it (versions 3 and 2; MathJax's options ``ignoreHtmlClass`` and
    ``ignoreClass``).
    """

    @functools.wraps(show)
    def shown(self: T) -> str:
        return f'<div class="mathjax_ignore tex2jax_ignore">{show(self)}</div>'

    return shown


def text_table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """The table in lines, a line under its head; a row may lack columns."""
    cells = [list(columns), *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def html_table(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    *,
    styles: Sequence[str] = (),
    wrapped: Sequence[str] = ("note",),
) -> str:
    """The table for a notebook: `styles` are the rows' own, `wrapped` columns may break lines."""
    cell = "text-align:left;vertical-align:top;white-space:{}"
    space = {column: "normal" if column in wrapped else "nowrap" for column in columns}
    head = "".join(
        f"<th scope='col' style='{cell.format(space[column])}'>{html.escape(column)}</th>"
        for column in columns
    )
    out = [
        f"<table style='font-variant-numeric:tabular-nums'><thead><tr>{head}</tr></thead><tbody>"
    ]
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        cells = "".join(
            f"<td style='{cell.format(space[column])}'>"
            f"<bdi>{html.escape(row.get(column, ''))}</bdi></td>"
            for column in columns
        )
        out.append(f"<tr style='{style}'>{cells}</tr>")
    out.append("</tbody></table>")
    return "".join(out)
