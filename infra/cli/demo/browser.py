"""A real Chromium that is driven over the DevTools protocol: it navigates, types, runs what it is
told to, and takes pictures. What pages and policies forbid stays forbidden to their own scripts."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import websocket

_SECONDS = 30
#: A picture is tried so often.
TRIES = 4
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BrowserError(RuntimeError):
    """The browser did not start, or a page did not become what was waited for."""


def browser() -> str | None:
    """The path of a browser, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Tab:
    """A tab of the browser."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_SECONDS)
        self._number = 0
        #: What the browser's log says: refusals of a policy, loads that failed.
        self.log: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            got = json.loads(self._socket.recv())
            if got.get("method") == "Log.entryAdded":
                self.log.append(got["params"]["entry"]["text"])
            elif got.get("method") == "Runtime.exceptionThrown":
                self.log.append(str(got["params"]["exceptionDetails"]))
            elif got.get("id") == self._number:
                if "error" in got:
                    raise BrowserError(f"{method}: {got['error'].get('message')}")
                result: dict[str, Any] = got["result"]
                return result

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of an expression; None while a page is being replaced by the next."""
        try:
            found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        except BrowserError:
            return None
        return found.get("result", {}).get("value")

    def wait(self, script: str, seconds: float = _SECONDS) -> None:
        """Until the expression is true.

        Raises:
            BrowserError: if it does not become true in time; with what the page shows.
        """
        end = time.monotonic() + seconds
        while self.run(script) is not True:
            if time.monotonic() > end:
                shown = str(self.run("document.body?.innerText"))[:400]
                raise BrowserError(f"{script} at {self.run('location.href')}: {shown} {self.log}")
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first element of a CSS selector.

        Raises:
            BrowserError: if the page has none.
        """
        script = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            if (!found) return null;
            found.scrollIntoView({{block: "center"}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        where = self.run(script)
        if where is None:
            raise BrowserError(f"there is no {selector} at {self.run('location.href')}")
        at = {"x": where[0], "y": where[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def press(self, key: str, code: int, *, shift: bool = False) -> None:
        """Press a key, such as Enter, 13, where the page's focus is."""
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        # Enter alone is a sign, too: it is that which sends a form.
        down = {"type": "keyDown", "text": "\r"} if key == "Enter" and not shift else {}
        for event in ({"type": "rawKeyDown", **down}, {"type": "keyUp"}):
            held = 8 if shift else 0
            self.call("Input.dispatchKeyEvent", **event, modifiers=held, **pressed)

    def picture(self, file: Path, width: int, height: int, *, scheme: str = "light") -> None:
        """What a window of this size shows, as PNG."""
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=preferred)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        file.write_bytes(base64.b64decode(self._shot()))

    def _shot(self) -> str:
        """The window as PNG in base64: of the next page, if one comes meanwhile."""
        for _ in range(TRIES - 1):
            try:
                return str(self.call("Page.captureScreenshot", format="png")["data"])
            except BrowserError:
                time.sleep(0.5)
        return str(self.call("Page.captureScreenshot", format="png")["data"])

    def addresses(self) -> list[str]:
        """Where the tab has been, as its history has it."""
        entries = self.call("Page.getNavigationHistory")["entries"]
        return [str(entry["url"]) for entry in entries]


@contextlib.contextmanager
def tab(**environment: str) -> Iterator[Callable[[], Tab]]:
    """A browser of its own, with no window; gives what opens a tab in it."""
    path = browser()
    if path is None:
        raise BrowserError("there is no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--lang=en"]
        command += [f"--user-data-dir={folder}", "--remote-debugging-port=0"]
        command += ["--remote-allow-origins=*", "about:blank"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        try:
            port = _port(Path(folder, "DevToolsActivePort"))

            def opened() -> Tab:
                asked = urllib.request.Request(
                    f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT"
                )
                with urllib.request.urlopen(asked) as answer:  # noqa: S310
                    return Tab(json.load(answer)["webSocketDebuggerUrl"])

            yield opened
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _port(file: Path) -> int:
    end = time.monotonic() + _SECONDS
    while not (file.exists() and file.read_text()):
        if time.monotonic() > end:
            raise BrowserError("the browser did not start")
        time.sleep(0.1)
    return int(file.read_text().split()[0])
