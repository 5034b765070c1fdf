"""A real Chromium without a window, by its command line.

Its window is at least 500 px wide. So a page is looked at in a frame as wide as is asked for, which
decides what the page's media queries see; a frame from the same disk may also be measured from
outside, with the page's own text and policy unchanged.
"""

from __future__ import annotations

import html
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from infra.cli.demo.browser import browser

Scheme = Literal["light", "dark"]

_SECONDS = 90


def picture(page: str, file: Path, width: int, height: int, scheme: Scheme = "light") -> None:
    """A picture of the upper `height` of `page`, as PNG."""
    with tempfile.TemporaryDirectory() as folder:
        frame = _framed(Path(folder), [(page, width)], height, "")
        _run(frame, scheme, f"--window-size={max(width, 500)},{height}", f"--screenshot={file}")
    if width < 500:
        _cut(file, width)


def measured(page: str, script: str, width: int, scheme: Scheme = "light") -> Any:
    """What the body of a function of `page`'s window and document returns, as JSON.

    It runs outside the page: whatever the page's policy forbids stays forbidden there.
    """
    return measured_each([(page, width)], script, scheme)[0]


def measured_each(
    pages: Sequence[tuple[str, int]], script: str, scheme: Scheme = "light"
) -> list[Any]:
    """The same of several pages, each with its width, by one browser."""
    with tempfile.TemporaryDirectory() as folder:
        frame = _framed(Path(folder), pages, 900, script)
        text = _run(frame, scheme, "--window-size=1600,900", "--dump-dom")
    start = text.index('<pre id="found">') + len('<pre id="found">')
    found = json.loads(html.unescape(text[start : text.index("</pre>", start)]))
    assert isinstance(found, list)
    assert len(found) == len(pages)
    for each in found:
        if isinstance(each, dict) and "failed" in each:
            raise AssertionError(each["failed"])
    return found


def _framed(folder: Path, pages: Sequence[tuple[str, int]], height: int, script: str) -> Path:
    frames = ""
    for number, (page, width) in enumerate(pages):
        (folder / f"{number}.html").write_text(page, encoding="utf-8")
        frames += f'<iframe src="{number}.html" style="width: {width}px"></iframe>'
    outer = folder / "outer.html"
    outer.write_text(
        f"""<!doctype html><meta charset="utf-8">
<style>:root {{ color-scheme: light dark }} body {{ margin: 0 }}
iframe {{ border: 0; height: {height}px; display: block }}
pre {{ display: none }}</style>
{frames}<pre id="found"></pre>
<script>
const measure = (window, document) => {{ {script} }};
addEventListener("load", () => {{
 const found = [...document.querySelectorAll("iframe")].map((frame) => {{
  try {{ return measure(frame.contentWindow, frame.contentDocument) ?? null; }}
  catch (error) {{ return {{failed: `${{error}}`}}; }}
 }});
 document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>""",
        encoding="utf-8",
    )
    return outer


def _run(file: Path, scheme: Scheme, *options: str) -> str:
    path = browser()
    assert path is not None, "no Chromium here"
    command = [path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += ["--allow-file-access-from-files", "--hide-scrollbars", "--lang=en"]
    command += [f"--user-data-dir={file.parent / 'profile'}", "--virtual-time-budget=5000"]
    command += [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"]
    ended = subprocess.run(
        [*command, *options, file.as_uri()],
        capture_output=True,
        check=True,
        timeout=_SECONDS,
        encoding="utf-8",
    )
    return ended.stdout


def _cut(file: Path, width: int) -> None:
    from PIL import Image

    with Image.open(file) as whole:
        whole.crop((0, 0, width, whole.height)).save(file)
