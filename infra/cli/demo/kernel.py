"""Runs code and notebooks in a space's own JupyterLab, through its HTTP and WebSocket interface.

What a learner's browser does, without the browser: the code runs in the space, with the space's
libraries and the learner's credentials, not in the process that asks.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import nbformat
import requests
import websocket

#: One cell may take this long; a notebook that trains on two slow cores takes tens of seconds.
CELL_SECONDS = 300
#: Kernels that are started until one answers.
STARTS = 3


class CellFailed(Exception):
    """A cell raised; the message is its traceback's last lines."""


class Lab:
    """A JupyterLab that a presigned link opened."""

    def __init__(self, url: str) -> None:
        """Follow a presigned link, as a browser does.

        Raises:
            requests.HTTPError: if the link or the JupyterLab behind it does not answer 200.
        """
        self.http = requests.Session()
        self.http.trust_env = False
        page = self.http.get(url, timeout=30)
        page.raise_for_status()
        self.status = page.status_code
        parts = urlsplit(page.url)
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/lab')}"
        self.token = parse_qs(parts.query).get("token", [""])[0]
        self.http.headers["Authorization"] = f"token {self.token}"
        # Where no token proves who asks, JupyterLab wants its cookie back, as from its own page.
        if xsrf := self.http.cookies.get("_xsrf"):
            self.http.headers["X-XSRFToken"] = xsrf

    def contents(self, path: str) -> dict[str, Any] | None:
        """A file or folder of the home as Jupyter's contents API describes it, or None."""
        answer = self.http.get(f"{self.base}/api/contents/{quote(path)}", timeout=30)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        document = answer.json()
        assert isinstance(document, dict)
        return document

    def save_notebook(self, path: str, notebook: Any) -> None:
        body = {"type": "notebook", "format": "json", "content": notebook}
        url = f"{self.base}/api/contents/{quote(path)}"
        self.http.put(url, json=body, timeout=30).raise_for_status()

    def kernel(self, folder: str = "") -> Kernel:
        """A kernel that answers.

        Raises:
            CellFailed: if none does. A kernel's ports are chosen before it takes them, and another
                program may have been quicker: JupyterLab then gives the kernel up.
        """
        trouble: Exception | None = None
        for _ in range(STARTS):
            kernel = Kernel(self, folder)
            try:
                kernel.run("")
            except (OSError, websocket.WebSocketException) as error:
                trouble = error
                kernel.__exit__(None, None, None)
            else:
                return kernel
        raise CellFailed(f"no kernel started in {STARTS} tries: {trouble}")


class Kernel:
    """A kernel of the space; a context manager that shuts it down."""

    def __init__(self, lab: Lab, folder: str) -> None:
        self.lab = lab
        body = {"name": "python3", "path": f"{folder}/" if folder else ""}
        answer = lab.http.post(f"{lab.base}/api/kernels", json=body, timeout=60)
        answer.raise_for_status()
        self.id = answer.json()["id"]
        self.session = uuid.uuid4().hex
        address = lab.base.replace("http", "ws", 1)
        self.socket = websocket.create_connection(
            f"{address}/api/kernels/{self.id}/channels?session_id={self.session}",
            header=[f"Authorization: token {lab.token}"],
            timeout=CELL_SECONDS,
            http_no_proxy=["*"],
        )

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()
        self.lab.http.delete(f"{self.lab.base}/api/kernels/{self.id}", timeout=30)

    def run(self, code: str) -> list[Any]:
        """Execute `code` and return its outputs as notebook output nodes.

        Raises:
            CellFailed: if it raised.
        """
        request = uuid.uuid4().hex
        message = {
            "header": {
                "msg_id": request,
                "msg_type": "execute_request",
                "username": "",
                "session": self.session,
                "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "allow_stdin": False},
            "channel": "shell",
        }
        self.socket.send(json.dumps(message))
        outputs: list[Any] = []
        replied = idle = False
        deadline = time.monotonic() + CELL_SECONDS
        while not (replied and idle):
            if time.monotonic() > deadline:
                raise CellFailed(f"no answer after {CELL_SECONDS} s")
            answer = json.loads(self.socket.recv())
            if answer.get("parent_header", {}).get("msg_id") != request:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "execute_reply":
                replied = True
            elif kind == "status":
                idle = content["execution_state"] == "idle"
            elif kind == "clear_output":
                outputs.clear()
            elif kind == "update_display_data":
                _update(outputs, content)
            elif kind in ("stream", "display_data", "execute_result", "error"):
                _append(outputs, answer)
        for output in outputs:
            if output["output_type"] == "error":
                raise CellFailed(f"{output['ename']}: {output['evalue']}")
        return outputs

    def text(self, code: str) -> str:
        """What `code` prints."""
        return "".join(o["text"] for o in self.run(code) if o["output_type"] == "stream")


def _append(outputs: list[Any], message: dict[str, Any]) -> None:
    node = nbformat.v4.output_from_msg(message)
    if display := message["content"].get("transient", {}).get("display_id"):
        node["metadata"]["display_id"] = display
    if (
        node["output_type"] == "stream"
        and outputs
        and outputs[-1].get("name") == node["name"]
        and outputs[-1]["output_type"] == "stream"
    ):
        outputs[-1]["text"] += node["text"]
    else:
        outputs.append(node)


def _update(outputs: list[Any], content: dict[str, Any]) -> None:
    display = content.get("transient", {}).get("display_id")
    for output in outputs:
        if display and output.get("metadata", {}).get("display_id") == display:
            output["data"] = nbformat.from_dict(content["data"])


def run_notebook(
    lab: Lab,
    path: str,
    *,
    progress: Callable[[int, int, str], None],
    environment: Mapping[str, str] | None = None,
) -> nbformat.NotebookNode:
    """Run the notebook at `path` of the space top to bottom, save it there, and return it.

    `progress` is told the cell's number, how many there are, and the heading it stands under.
    `environment` is set in its kernel before the first cell.

    Raises:
        CellFailed: by the first cell that raises; the cells before it are saved.
    """
    document = lab.contents(path)
    if document is None:
        raise CellFailed(f"no {path} in the space")
    notebook = nbformat.from_dict(document["content"])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    heading, number = "", 0
    with lab.kernel(path.rpartition("/")[0]) as kernel:
        try:
            if environment:
                kernel.run(f"import os\nos.environ.update({dict(environment)!r})")
            for cell in notebook.cells:
                if cell.cell_type == "markdown":
                    heading = next(
                        (x.lstrip("# ") for x in cell.source.splitlines() if x.startswith("#")),
                        heading,
                    )
                    continue
                if cell.cell_type != "code":
                    continue
                number += 1
                progress(number, len(code), heading)
                cell.outputs = kernel.run(cell.source)
                cell.execution_count = number
        finally:
            lab.save_notebook(path, notebook)
    return notebook


def as_html(notebook: nbformat.NotebookNode) -> str:
    """The notebook as one HTML page that loads nothing from elsewhere."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab", mathjax_url="", require_js_url="")
    body, _ = exporter.from_notebook_node(notebook)
    return str(body)
