"""Runs a learner's script in a training container: ``python -m academy.job``.

The folder is SageMaker's ``/opt/ml``, or what ML_ROOT names:

- ``input/data/code/source.tar.gz`` is unpacked, and the script that the hyperparameter
  ``academy_script`` names is run in it;
- the other hyperparameters become ``--name value``;
- SM_CHANNEL_DATA, SM_MODEL_DIR, SM_OUTPUT_DATA_DIR and so on say where things are, as in AWS's
  own containers;
- SIGTERM is passed on; the exit code is the script's; if it fails, ``output/failure`` gets the
  end of what it said, which SageMaker shows as the failure's reason.

Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from academy import devices
from academy.errors import AcademyError, SourceError
from academy.packing import unpack

ROOT_VARIABLE = "ML_ROOT"
DEFAULT_ROOT = "/opt/ml"
SCRIPT = "academy_script"
#: SageMaker keeps 1024 characters of the failure file.
FAILURE_CHARACTERS = 1024
_TAIL_BYTES = 64 * 1024


STOP_WITH_PARENT = "ACADEMY_STOP_WITH_PARENT"
_GRACE_SECONDS = 10


def main(environ: Mapping[str, str] | None = None) -> int:
    """Runs the job of this container and returns its exit code."""
    env = dict(os.environ if environ is None else environ)
    if env.pop(STOP_WITH_PARENT, None):
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    root = Path(env.get(ROOT_VARIABLE) or DEFAULT_ROOT)
    try:
        command, extra, folder = prepare(root, env)
    except AcademyError as problem:
        return _fail(root, str(problem), 1)
    except (OSError, ValueError) as problem:
        return _fail(root, f"The job's folder {root} is not as it should be: {problem}", 1)
    code, said = _run(command, {**env, **extra}, folder)
    if code != 0:
        return _fail(root, reason(said, code), code)
    return 0


def prepare(root: Path, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str], Path]:
    """Unpacks the code; gives the command, the variables to add, and the folder to run it in."""
    hyperparameters = _document(root / "input/config/hyperparameters.json", {})
    script = hyperparameters.pop(SCRIPT, None)
    if not isinstance(script, str) or not script:
        raise SourceError(f"No script is named: the hyperparameter {SCRIPT} is missing.")
    archive = root / "input/data/code/source.tar.gz"
    if not archive.is_file():
        raise SourceError(f"The job has no code: {archive} is missing.")
    folder = root / "code" / "source"
    unpack(archive, folder)
    file = (folder / script).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise SourceError(f"There is no {script} in the code that came with the job.")
    arguments = []
    for name, value in hyperparameters.items():
        # One word each: a value such as -1 must not look like an option.
        arguments.append(f"--{name}={value}")
    extra = variables(root, hyperparameters, environ)
    for name in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"):
        Path(extra[name]).mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-u", str(file), *arguments], extra, folder


def variables(
    root: Path, hyperparameters: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """The SM_ variables, named as AWS's training toolkit names them."""
    resources = _document(root / "input/config/resourceconfig.json", {})
    channels = _document(root / "input/config/inputdataconfig.json", {})
    host = str(resources.get("current_host") or "algo-1")
    hosts = list(resources.get("hosts") or [host])
    found = {
        "SM_MODEL_DIR": str(root / "model"),
        "SM_INPUT_DIR": str(root / "input"),
        "SM_INPUT_CONFIG_DIR": str(root / "input/config"),
        "SM_OUTPUT_DIR": str(root / "output"),
        "SM_OUTPUT_DATA_DIR": str(root / "output/data"),
        "SM_HPS": json.dumps(dict(hyperparameters), sort_keys=True),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_CURRENT_HOST": host,
        "SM_HOSTS": json.dumps(hosts),
        "SM_NUM_CPUS": str(_cpus()),
        "SM_NUM_GPUS": str(devices.gpus(environ)),
        "PYTHONUNBUFFERED": "1",
    }
    interface = resources.get("network_interface_name")
    if interface:
        found["SM_NETWORK_INTERFACE_NAME"] = str(interface)
    instance = resources.get("current_instance_type")
    if instance:
        found["SM_CURRENT_INSTANCE_TYPE"] = str(instance)
    for name in channels:
        variable = "".join(c if c.isalnum() else "_" for c in str(name)).upper()
        found[f"SM_CHANNEL_{variable}"] = str(root / "input/data" / str(name))
    for name, value in hyperparameters.items():
        found[f"SM_HP_{name.upper().replace('-', '_')}"] = str(value)
    return found


def _stop_with_parent() -> None:
    """Ends this process group when the notebook that started it is gone: its pipe then closes."""
    # Not through sys.stdin: a thread that holds its lock would break the interpreter's exit.
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _run(command: list[str], environ: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Runs the command, passing on signals and what it says; gives its exit code and last words."""
    asked_to_stop: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        asked_to_stop.append(number)
        if child is not None and child.poll() is None:
            child.send_signal(number)

    # Before the start: a signal in between must not be lost.
    previous = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if asked_to_stop:
            child.send_signal(asked_to_stop[-1])
        said: deque[bytes] = deque()
        size = 0
        for piece in _pieces(child):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            said.append(piece)
            size += len(piece)
            while size - len(said[0]) > _TAIL_BYTES:
                size -= len(said.popleft())
        code = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    # A shell's convention for a process that a signal ended; exit codes have no minus.
    return (128 - code if code < 0 else code), b"".join(said).decode("utf-8", "replace")


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _pieces(child: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert child.stdout is not None
    with child.stdout as out:
        while piece := out.read1(65536):  # type: ignore[attr-defined]
            yield piece


def reason(said: str, code: int) -> str:
    """The last words that explain an exit code: the error's last line, then its traceback's end.

    At most 1024 characters, which is what SageMaker keeps.
    """
    if code == 128 + signal.SIGKILL:
        return (
            "The script was killed (signal 9): most often it used more memory than the instance "
            "has. Use smaller batches or a larger instance."
        )
    if code == 128 + signal.SIGTERM:
        return "The script was stopped (signal 15)."
    text = said.strip()
    start = text.rfind("Traceback (most recent call last):")
    if start < 0:
        tail = text[-700:] or "It said nothing."
        return f"The script ended with exit code {code}. Its last words:\n{tail}"
    trace = text[start:]
    last = trace.rsplit("\n", 1)[-1][:400]
    return f"{last}\n{trace[-(FAILURE_CHARACTERS - len(last) - 1) :]}"


def _fail(root: Path, text: str, code: int) -> int:
    print(f"academy.job: {text}", file=sys.stderr, flush=True)
    target = root / "output"
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / "failure").write_text(text[:FAILURE_CHARACTERS], encoding="utf-8")
    except OSError as problem:
        print(f"academy.job: no failure file could be written: {problem}", file=sys.stderr)
    return code


def _document(file: Path, otherwise: dict[str, Any]) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return dict(otherwise)
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError(f"{file} holds no JSON object")
    return document


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    raise SystemExit(main())
