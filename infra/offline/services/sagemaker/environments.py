"""What stands in for an image: a Python environment of its own on top of the cloud's packages.

The environment reads the packages of the Python that runs the cloud, as an image would bring them,
and installs into itself. The cloud's own code is not among them: a `.pth` file names the cloud's
site-packages as a plain path, so the `.pth` files in there (editable installs) are not read.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

from infra.offline import runtime
from infra.offline.authorization import credentials
from infra.offline.environment import client_environment
from infra.offline.processes import minimal_environment

#: What JupyterLab finds in `share/jupyter` of its environment; kernels are not among it, so that
#: the one kernel is that of the environment itself.
_JUPYTER_SHARE = ("lab", "labextensions", "nbconvert")

#: Commands that must mean this environment, where PATH might find a person's own.
_COMMANDS = {"pip": "pip", "pip3": "pip", "jupyter": "jupyter"}

#: Of the clients' environment, what a process may know; the administrator's keys are not here.
CLIENT = (
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "NO_PROXY",
    "no_proxy",
)


def build(folder: Path) -> Path:
    """Make a Python environment in `folder`; returns its interpreter. Takes milliseconds."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    own = Path(sysconfig.get_path("purelib", scheme="venv", vars={"base": str(folder)}))
    own.mkdir(parents=True, exist_ok=True)
    shared = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "image.pth").write_text("".join(f"{path}\n" for path in shared))
    share = folder / "share" / "jupyter"
    share.mkdir(parents=True)
    for name in _JUPYTER_SHARE:
        source = Path(sys.prefix, "share", "jupyter", name)
        if source.is_dir():
            (share / name).symlink_to(source)
    python = folder / "bin" / "python"
    for command, module in _COMMANDS.items():
        script = folder / "bin" / command
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} -m {module} "$@"\n')
        script.chmod(0o755)
    return python


def variables(home: Path, environment: Path, *, role_arn: str, session: str) -> dict[str, str]:
    """The whole environment of a process that runs as `role_arn` in `environment`.

    Args:
        home: Its home.
        environment: A folder that `build` made; its `bin` comes first on PATH.
        session: The role session's name, as it shows in the caller's ARN.
    """
    current = runtime.current()
    client = client_environment(current.endpoint, current.region)
    base = minimal_environment(home)
    own_tools = {str(Path(sys.prefix, "bin")), str(Path(sys.executable).parent)}
    path = [entry for entry in base["PATH"].split(os.pathsep) if entry not in own_tools]
    return {
        **base,
        **{name: client[name] for name in CLIENT if name in client},
        **credentials.for_role(role_arn, session_name=session),
        "PATH": os.pathsep.join([str(environment / "bin"), *path]),
        "SHELL": shutil.which("bash") or "/bin/sh",
        "VIRTUAL_ENV": str(environment),
        "PYTHONNOUSERSITE": "1",
        # Spaces and jobs share this machine's cores. Threads of OpenMP (torch's) that spin while
        # they wait for each other take the cores from the threads that they wait for: two jobs at
        # once then run tens of times slower than one after the other.
        "OMP_WAIT_POLICY": "PASSIVE",
        # pip's cache and version check would leave the home and ask the network.
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def tail(log: Path, characters: int = 800) -> str:
    """The last lines of a log, whole where they fit."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 4 * characters))
        text = file.read().decode("utf-8", "replace").strip()
    if len(text) <= characters:
        return text
    text = text[-characters:]
    return text.split("\n", 1)[1] if "\n" in text else text
