"""Real child processes of the embedded cloud, none of which outlives it, however it ends.

Each child leads a session and process group of its own. A *warden*, one tiny process per cloud,
holds the read end of a pipe whose only write end is in the cloud: when the pipe closes, be it by
SIGKILL of the cloud, the warden kills what is registered. A child is registered before it runs a
single instruction of its own: a shell waits at a gate for the cloud's go.

What leaves its group (a Jupyter kernel, a terminal) is found by a mark in its environment (Linux)
or by descent (elsewhere).
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from infra.offline.fidelity import Part

FIDELITY = Part(
    title="Isolation of processes",
    emulated=(
        "none: all learners' processes run under one operating-system user, and the admin's key "
        "is AWS's published example with any secret"
    ),
    checked="-",
    differences="the embedded cloud shows IAM's isolation, not the container's",
)

log = logging.getLogger(__name__)

#: The environment variable that carries a child's mark, inherited by all that it starts.
MARK = "ACADEMY_OFFLINE_PROCESS"

# The child waits here until the cloud has registered it; without the cloud it never starts.
_GATE = 'IFS= read -r go || exit 125; exec "$@" </dev/null'

# Lines on standard input: "+ PID MARK" and "- PID MARK". End of input: the cloud is gone.
_WARDEN = """
import os, signal, subprocess, sys, time

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
kept = {}
for line in sys.stdin.buffer:
    sign, pid, mark = line.decode().split()
    if sign == "+":
        kept[int(pid)] = mark
    else:
        kept.pop(int(pid), None)

def strays():
    if not os.path.isdir("/proc/self"):
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=False).stdout
        pairs = [tuple(map(int, row.split())) for row in listing.splitlines()]
        found = set(kept)
        grown = True
        while grown:
            more = {pid for pid, parent in pairs if parent in found} - found
            found |= more
            grown = bool(more)
        return found - set(kept)
    marks = [("\\0ACADEMY_OFFLINE_PROCESS=" + mark + "\\0").encode() for mark in kept.values()]
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/" + entry + "/environ", "rb") as file:
                    environment = b"\\0" + file.read() + b"\\0"
            except OSError:
                continue
            if any(mark in environment for mark in marks):
                found.add(int(entry))
    return found

for attempt in range(50 if kept else 0):
    left = strays()
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    for pid in kept:
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
    if attempt and not left:
        break
    time.sleep(0.02)
"""


def minimal_environment(home: Path) -> dict[str, str]:
    """What any child may inherit of the cloud's own environment, with `home` as its home."""
    inherited = {
        name: os.environ[name]
        for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
        if name in os.environ
    }
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **inherited, "HOME": str(home)}


class Process:
    """One child with all that it starts."""

    def __init__(
        self, name: str, popen: subprocess.Popen[bytes], mark: str, owner: Processes, log_file: Path
    ) -> None:
        self.name = name
        self.pid = popen.pid
        self.log = log_file
        self._popen = popen
        self._mark = mark
        self._owner = owner
        self._ended = threading.Event()
        self._returncode = 0
        threading.Thread(target=self._reap, name=f"reap-{name}", daemon=True).start()

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def poll(self) -> int | None:
        """The exit status (negative: the signal that ended it), or None while it runs."""
        return self._returncode if self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status, or None if it still runs after `timeout` seconds."""
        self._ended.wait(timeout)
        return self.poll()

    def signal(self, number: int) -> None:
        """Send a signal to the child's whole process group. Nothing happens if it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def terminate(self, grace_seconds: float = 5) -> int:
        """SIGTERM to the group, then after the grace SIGKILL to all that is left.

        Returns the exit status.
        """
        self.signal(signal.SIGTERM)
        self._ended.wait(grace_seconds)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the child and all that it started. Returns the exit status."""
        if self.running:
            strays = set(_members(self._mark, self.pid))
            self.signal(signal.SIGKILL)
            _kill(strays)
        self._ended.wait()
        return self._returncode

    def _reap(self) -> None:
        """Wait for the child; whatever it left behind ends with it, as in a container."""
        if hasattr(os, "waitid"):
            # The zombie is kept (WNOWAIT), so that its number cannot name another group yet.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS, whose Python lacks waitid before 3.13
            self._popen.wait()
        for _ in range(50):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            strays = set(_members(self._mark, self.pid)) - {self.pid}
            if not strays:
                break
            _kill(strays)
            time.sleep(0.02)
        else:
            log.error("%s left processes that do not die: %s", self.name, sorted(strays))
        self._returncode = self._popen.wait()
        self._owner._forget(self)
        self._ended.set()


class Processes:
    """All child processes of one cloud."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, Process] = {}
        self._warden: subprocess.Popen[bytes] | None = None
        self._run = uuid.uuid4().hex
        self._count = 0
        self._closed = False

    def start(
        self,
        name: str,
        args: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Start `args` in a session of its own.

        `env` is its whole environment (see `minimal_environment`); standard output and error are
        appended to the file `log`; standard input is empty. `pass_fds` stay open in the child.

        Raises:
            FileNotFoundError: if the program is not found on the child's PATH.
            RuntimeError: after `stop_all`.
        """
        if shutil.which(args[0], path=env.get("PATH", os.defpath)) is None:
            raise FileNotFoundError(f"{name}: no program {args[0]!r} on the process's PATH")
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{name} cannot start: the cloud is stopping")
            self._count += 1
            mark = f"{self._run}.{self._count}"
            with log.open("ab") as output:
                popen = subprocess.Popen(
                    ["/bin/sh", "-c", _GATE, "sh", *args],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env={**env, MARK: mark},
                    start_new_session=True,
                    pass_fds=tuple(pass_fds),
                )
            self._tell(f"+ {popen.pid} {mark}\n")
            process = Process(name, popen, mark, self, log)
            self._kept[popen.pid] = process
            gate = _input_of(popen)
            with contextlib.suppress(BrokenPipeError):
                gate.write(b"\n")
                gate.close()
        return process

    def running(self) -> tuple[Process, ...]:
        """The children that run now, oldest first."""
        with self._lock:
            return tuple(self._kept.values())

    def stop_all(self, grace_seconds: float = 5) -> None:
        """End every child, all at once: SIGTERM, the grace, SIGKILL. None may start after."""
        with self._lock:
            self._closed = True
        left = self.running()
        for process in left:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        for process in left:
            process.wait(max(0.0, deadline - time.monotonic()))
        for process in left:
            process.kill()
        with self._lock:
            warden, self._warden = self._warden, None
        if warden is not None:
            with contextlib.suppress(BrokenPipeError):
                _input_of(warden).close()
            warden.wait()

    # --- within -------------------------------------------------------------------------------
    def _forget(self, process: Process) -> None:
        with self._lock:
            self._kept.pop(process.pid, None)
            if self._warden is not None:
                self._tell(f"- {process.pid} {process._mark}\n")

    def _tell(self, line: str) -> None:
        """Tell the warden, with the lock held; put a new one in place of one that was killed."""
        for _ in range(2):
            warden = self._warden or self._new_warden()
            try:
                _input_of(warden).write(line.encode())
                _input_of(warden).flush()
            except BrokenPipeError:
                warden.wait()
                self._warden = None
            else:
                return
        raise RuntimeError("the warden of the cloud's processes does not stay alive")

    def _new_warden(self) -> subprocess.Popen[bytes]:
        self._warden = warden = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WARDEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        for process in self._kept.values():
            _input_of(warden).write(f"+ {process.pid} {process._mark}\n".encode())
        _input_of(warden).flush()
        return warden


def _input_of(popen: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", popen.stdin)


def _members(mark: str, root: int) -> Iterator[int]:
    """Every process that carries `mark`, or, where that cannot be read, descends from `root`."""
    if Path("/proc/self").is_dir():
        wanted = f"\0{MARK}={mark}\0".encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    environment = Path("/proc", entry, "environ").read_bytes()
                    if wanted in b"\0" + environment + b"\0":
                        yield int(entry)
        return
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False
    ).stdout
    children: dict[int, list[int]] = {}
    for row in listing.splitlines():
        pid, parent = map(int, row.split())
        children.setdefault(parent, []).append(pid)
    queue = [root]
    while queue:
        pid = queue.pop()
        yield pid
        queue.extend(children.get(pid, ()))


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
