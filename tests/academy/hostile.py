"""What a learner could put before an advisor to have it run: notebooks, pages, names, archives."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import Any

#: Leaves its mark if it runs: on its own window, and on that around it where it may reach it.
RUNS = "document.title='ran';window.ran=true;try{parent.ran=true}catch(_){}"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{RUNS}\"><script>{RUNS}</script></svg>"

#: Markup that runs where anybody takes it for markup.
MARKUP = (
    f"<script>{RUNS}</script>",
    f'<img src=x onerror="{RUNS}">',
    f'</pre></style></title></script><svg onload="{RUNS}">',
    f'<iframe srcdoc="<script>{RUNS}</script>"></iframe>',
    f'"><body onload="{RUNS}">',
    f'<a href="javascript:{RUNS}">click</a>',
    f'<object data="data:text/html,<script>{RUNS}</script>"></object>',
    f'<meta http-equiv="refresh" content="0;url=javascript:{RUNS}">',
    f"<base href='javascript:/'><link rel=import href='data:text/html,{RUNS}'>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUNS}>",
    SVG,
    f"--><!--<img src='--><img src=x onerror={RUNS}//'>",
    f"&#60;script&#62;{RUNS}&#60;/script&#62;",
    "\x00<script>" + RUNS + "</script>",
    f"[click](javascript:{RUNS}) ![x](data:text/html;base64,PHNjcmlwdD4=)",
)

#: An output for each kind that JupyterLab, trusting a notebook, would run or render.
BUNDLES: tuple[dict[str, Any], ...] = (
    {"application/javascript": RUNS},
    {"text/html": MARKUP[0] + MARKUP[1]},
    {"image/svg+xml": SVG},
    {"application/vnd.jupyter.widget-view+json": {"model_id": "evil", "version_major": 2}},
    {"application/vnd.bokehjs_exec.v0+json": "", "application/vnd.plotly.v1+json": {"data": []}},
    {"text/latex": "$\\href{javascript:alert(1)}{x}$", "text/markdown": MARKUP[1]},
    # Called a picture, and none.
    {"image/png": base64.b64encode(SVG.encode()).decode()},
    {"image/png": f'x" onerror="{RUNS}'},
    {"image/jpeg": base64.b64encode(PIXEL).decode()},
    {"image/png": ["not", {"a": "text"}, 7]},
    {f'"><script>{RUNS}</script>': "a type of its own"},
    {"text/plain": MARKUP[2]},
)


def notebook(**changes: Any) -> bytes:
    """A notebook that tries everything at once, and says that it is trusted."""
    outputs: list[Any] = [
        {"output_type": "display_data", "data": bundle, "metadata": {}} for bundle in BUNDLES
    ]
    outputs += [
        {"output_type": "stream", "name": "stdout", "text": list(MARKUP)},
        {"output_type": "stream", "name": "stdout", "text": "\x1b[2J\x1b]0;owned\x07 end"},
        {"output_type": "error", "ename": MARKUP[1], "evalue": "", "traceback": list(MARKUP)},
        {"output_type": "error", "ename": MARKUP[1], "evalue": MARKUP[0], "traceback": 7},
        {"output_type": MARKUP[0], "data": {MARKUP[0]: MARKUP[0]}},
        "no output",
        {"output_type": "display_data", "data": ["no", "bundle"]},
    ]
    png = {"image/png": base64.b64encode(PIXEL).decode(), "text/html": MARKUP[0]}
    outputs.append({"output_type": "execute_result", "data": png, "metadata": {}})
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "trusted": True,
            "signature": "sha256:0",
            "kernelspec": {"name": "evil", "language": MARKUP[0]},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"evil": MARKUP}}},
        },
        "cells": [
            {
                "cell_type": "code",
                "source": list(MARKUP),
                "metadata": {"trusted": True},
                "outputs": outputs,
                "execution_count": 1,
            },
            *(
                {
                    "cell_type": "markdown",
                    "source": each,
                    "metadata": {},
                    "attachments": {"x.svg": {"image/svg+xml": SVG}},
                }
                for each in MARKUP
            ),
            {"cell_type": "raw", "source": MARKUP[0], "metadata": {"format": "text/html"}},
            {"cell_type": "code", "source": {"not": "text"}, "outputs": {"not": "a list"}},
            "no cell",
            {"cell_type": "code", "source": "print('the work itself')", "outputs": []},
        ],
        **changes,
    }
    return json.dumps(document).encode()


#: Names of files that Python, Jupyter, pytest or git would pick up and run.
NAMES = (
    "sitecustomize.py",
    "usercustomize.py",
    "conftest.py",
    "academy.py",
    "numpy/__init__.py",
    ".ipython/profile_default/startup/00.py",
    ".jupyter/jupyter_server_config.py",
    ".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace",
    ".local/share/jupyter/kernels/python3/kernel.json",
    ".git/hooks/post-checkout",
    ".bashrc",
    "setup.py",
    "evil.pth",
)


def tar(*members: tuple[tarfile.TarInfo | str, bytes]) -> bytes:
    """A tar.gz with these members as they are given."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info
