"""What a learner meets in a space that runs an image: checked over an empty home, as user 1000."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from infra.cli.demo.kernel import Lab, as_html, run_notebook
from infra.cli.demo.narrator import Step
from workspace_images.verify.building import Refused
from workspace_images.verify.running import HOME, Container, document

BASE = "/jupyterlab/default"
START_SECONDS = 60
#: The issue's limit of what we add to a space's start.
OWN_SECONDS = 10

#: A browser, where there is one: the page that a learner sees first is worth a look.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Opened:
    """A space's JupyterLab that answers, and how long it took to."""

    lab: Lab
    url: str
    seconds: float


def empty_home(folder: Path) -> Path:
    """A home as a new volume is mounted: empty, and the learner's own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chown(folder, 1000, 100)
    return folder


@contextmanager
def opened(
    image: Container,
    home: Path,
    log: Path,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    binds: Mapping[Path, str] | None = None,
) -> Iterator[Opened]:
    """The image's entrypoint over `home`, once JupyterLab answers on Studio's health path.

    `options` are JupyterLab's.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {"JUPYTER_IP": "127.0.0.1", "JUPYTER_PORT": str(port), **(environment or {})}
    url = f"http://127.0.0.1:{port}{BASE}"
    began = time.monotonic()
    place: dict[str, Any] = {"home": home, "environment": here, "binds": binds}
    with image.started(log, options=options, **place) as process:
        while not _answers(f"{url}/api/status"):
            if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise Refused(f"JupyterLab did not come up. Its log ends:\n{_end(log)}")
            time.sleep(0.05)
        yield Opened(Lab(f"{url}/lab"), url, time.monotonic() - began)


def _answers(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=2).status_code == 200)
    except requests.RequestException:
        return False


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-1500:]


# --- the checks -----------------------------------------------------------------------------------
def start(step: Step, image: Container, home: Path, log: Path, picture: Path) -> dict[str, float]:
    """Start over an empty home, then again over the same: what is there, and in what time."""
    alone = _sync(image, empty_home(home))
    again = _sync(image, home)
    step.check(
        "the templates come to an empty home",
        alone < OWN_SECONDS,
        f"{alone:.1f} s; nothing to do at the next start, {again:.1f} s",
    )
    with opened(image, empty_home(home), log) as space:
        step.check("JupyterLab answers on Studio's health path", True, f"{space.seconds:.1f} s")
        wanted = _templates(image)
        found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
        step.check(
            "every template is in the home",
            wanted <= found,
            f"{len(wanted)} files {sorted(wanted - found) or ''}",
        )
        strangers = [p for p in home.rglob("*") if p.lstat().st_uid != 1000]
        step.check("and belongs to the learner", not strangers, str(strangers[:3] or "UID 1000"))
        landing = requests.get(f"{space.url}/", timeout=20)
        step.check(
            "the learner lands on the welcome notebook",
            landing.url.endswith("/lab/tree/welcome.ipynb"),
            landing.url.partition(BASE)[2],
        )
        _one_kernel(step, space)
        idle = requests.get(f"{space.url}/api/idle", timeout=10)
        step.check(
            "the activity monitor tells Studio when the learner was last active",
            idle.status_code == 200 and "lastActiveTimestamp" in idle.json(),
            idle.text.strip(),
        )
        if _screenshot(f"{space.url}/lab", picture):
            step.say(f"picture: {picture}")
    return {"start_seconds": round(space.seconds, 2), "templates_seconds": round(alone, 2)}


def _sync(image: Container, home: Path) -> float:
    began = time.monotonic()
    ended = image.run(
        *("/opt/academy/venv/bin/python", "-I", "-m", "academy.home", "/opt/academy/templates"),
        home=home,
    )
    if ended.returncode:
        raise Refused(f"the templates could not be brought:\n{ended.stdout}{ended.stderr}")
    return time.monotonic() - began


def _templates(image: Container) -> set[str]:
    folder = image.root / "opt/academy/templates"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _one_kernel(step: Step, space: Opened) -> None:
    specs = requests.get(f"{space.url}/api/kernelspecs", timeout=20).json()
    names = sorted(specs["kernelspecs"])
    step.check("there is one kernel", names == ["python3"], ", ".join(names))
    with space.lab.kernel() as kernel:
        found = document(
            kernel.text(
                "import json, os, shutil, subprocess, sys\n"
                "said = subprocess.run('pip --version', shell=True, capture_output=True,"
                " text=True).stdout\n"
                "shell = subprocess.run(['bash', '-ic', 'command -v python'], text=True,"
                " capture_output=True).stdout.strip()\n"
                "print(json.dumps({'prefix': sys.prefix, 'pip': said, 'terminal': shell,"
                " 'user': os.getuid(), 'writable': os.access(sys.prefix, os.W_OK)}))"
            )
        )
    venv = "/opt/academy/venv"
    step.check("it is the course environment's", found["prefix"] == venv, found["prefix"])
    step.check("so is its pip", venv in found["pip"], found["pip"].strip())
    step.check(
        "and a terminal's python", found["terminal"] == f"{venv}/bin/python", found["terminal"]
    )
    step.check("it runs as user 1000", found["user"] == 1000)
    step.check("who cannot change the environment that jobs share", not found["writable"])


def culling(step: Step, image: Container, home: Path, log: Path) -> None:
    """An idle kernel ends by itself; here one that is given three seconds."""
    settings = image.root / "opt/academy/jupyter/jupyter_server_config.json"
    manager = json.loads(settings.read_text())["MappingKernelManager"]
    step.check(
        "kernels that idle are ended, also with their page open",
        manager["cull_connected"] and not manager["cull_busy"] and manager["cull_idle_timeout"] > 0,
        f"after {manager['cull_idle_timeout'] // 60} minutes",
    )
    quick = ("--MappingKernelManager.cull_idle_timeout=3", "--MappingKernelManager.cull_interval=1")
    with opened(image, empty_home(home), log, options=quick) as space:
        kernel = space.lab.kernel()
        kernel.run("1")
        began = time.monotonic()
        while requests.get(f"{space.url}/api/kernels", timeout=10).json():
            if time.monotonic() - began > 30:
                break
            time.sleep(0.2)
        seconds = time.monotonic() - began
        kernel.socket.close()
    step.check("one with a limit of three seconds is", seconds < 30, f"gone after {seconds:.1f} s")


def libraries(step: Step, image: Container, home: Path) -> dict[str, Any]:
    """Every library imported and used, as the learner."""
    report = empty_home(home) / "check.json"
    ended = image.run(
        *("/opt/academy/venv/bin/python", "/opt/academy/check", "--json", f"{HOME}/check.json"),
        home=home,
    )
    found: dict[str, Any] = json.loads(report.read_text()) if report.is_file() else {"checks": []}
    bad = [check for check in found["checks"] if check["failed"]]
    for check in bad:
        step.say(f"{check['library']}: {check['saw'][-600:]}")
    step.check(
        "every library is imported and used",
        ended.returncode == 0 and bool(found["checks"]),
        f"{len(found['checks'])} libraries"
        + ("" if found["checks"] else f": {ended.stdout[-500:]}{ended.stderr[-1500:]}"),
    )
    declared = [check for check in found["checks"] if "only declared" in check["saw"]]
    for check in declared:
        step.say(f"[dim]{check['library']}: {check['saw']}[/dim]")
    return {check["library"]: round(check["seconds"], 2) for check in found["checks"]}


def walk(
    step: Step,
    image: Container,
    home: Path,
    log: Path,
    *,
    notebook: str,
    environment: Mapping[str, str],
    metadata: Path,
    page: Path,
) -> None:
    """A project's notebook, top to bottom in the image's own JupyterLab, to the leaderboard."""
    began = time.monotonic()
    place = {metadata.parent: "/opt/ml/metadata"}
    with opened(image, empty_home(home), log, environment=environment, binds=place) as space:
        for path in ("welcome.ipynb", notebook):
            executed = run_notebook(
                space.lab,
                path,
                progress=lambda number, count, heading: step.doing(
                    f"{number}/{count}: {heading[:50]}"
                ),
                environment={"ACADEMY_SIZE": "smoke", "OMP_WAIT_POLICY": "PASSIVE"},
            )
            cells = [cell for cell in executed.cells if cell.cell_type == "code"]
            step.check(f"{path} runs from top to bottom", bool(cells), f"{len(cells)} cells")
    page.write_text(as_html(executed), encoding="utf-8")
    step.say(f"{page}, {time.monotonic() - began:.0f} s")


def _screenshot(url: str, picture: Path) -> bool:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        return False
    profile = picture.with_suffix(".profile")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={profile}", "--window-size=1280,900", "--hide-scrollbars"]
    command += ["--virtual-time-budget=20000", f"--screenshot={picture}", url]
    subprocess.run(command, capture_output=True, check=False, timeout=120)
    shutil.rmtree(profile, ignore_errors=True)
    return picture.is_file()
