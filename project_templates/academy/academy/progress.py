"""Shows how a job goes on: one tidy block in a notebook, lines in a terminal or a log file."""

from __future__ import annotations

import html
import sys
import time
from collections import deque
from typing import Any, TextIO

#: Log lines that a notebook shows under the state.
TAIL = 8
_WIDTH = 160
_MARKS = {
    "Completed": "done",
    "Failed": "failed",
    "Stopped": "stopped",
    # Of a submission.
    "scored": "done",
    "noted": "done",
    "sealed": "done",
    "refused": "failed",
    "failed": "failed",
    "waiting": "stopped",
}


class Progress:
    """The state of one job or of one submission, shown while it changes.

    Parameters
    ----------
    title
        What goes on, such as a job's name.
    stream
        Where to write outside notebooks; standard output by default.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._started = time.monotonic()
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._stream = stream
        self._handle: Any = None
        self._state = ""
        self._line_open = False
        self._notebook = stream is None and _in_notebook()

    def update(self, state: str, lines: list[str], note: str = "") -> None:
        """Shows `state`, a short note, and new lines of the log."""
        self._tail.extend(line.rstrip()[:_WIDTH] for line in lines if line.strip())
        elapsed = _duration(time.monotonic() - self._started)
        mark = _MARKS.get(state.split(" ")[0], "")
        head = " · ".join(part for part in (self._title, state, elapsed, note) if part)
        if self._notebook:
            self._show(head, mark)
        else:
            self._write(head, state, lines)
        self._state = state

    def _show(self, head: str, mark: str) -> None:
        from IPython.display import display

        body = "\n".join(self._tail)
        color = {"done": "#1a7f5a", "failed": "#b3261e", "stopped": "#8a6d00"}.get(mark, "#33658a")
        page = (
            '<div class="mathjax_ignore tex2jax_ignore" '
            f'style="border-left:3px solid {color};padding:2px 10px">'
            f"<div>{html.escape(head)}</div>"
            '<pre style="margin:4px 0 0;font-size:85%;opacity:.75;background:none">'
            f"{html.escape(body)}</pre></div>"
        )
        plain = head + ("\n" + body if body else "")
        bundle = {"text/plain": plain, "text/html": page}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)

    def _write(self, head: str, state: str, lines: list[str]) -> None:
        out = self._stream or sys.stdout
        live = out.isatty()
        if self._line_open:
            out.write("\r\x1b[K")
            self._line_open = False
        for line in lines:
            if line.strip():
                out.write(f"  | {line.rstrip()}\n")
        if live and state not in _MARKS:
            out.write(head[:_WIDTH])
            self._line_open = True
        elif state != self._state:
            out.write(head + "\n")
        out.flush()


def _in_notebook() -> bool:
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02} h"
