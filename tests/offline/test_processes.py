"""Real children of the embedded cloud: they start, they log, and none is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.offline.processes import MARK, Process, Processes, minimal_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.stop_all(grace_seconds=0)


@pytest.fixture
def start(processes: Processes, tmp_path: Path) -> Callable[..., Process]:
    def run(script: str, **more: str) -> Process:
        return processes.start(
            "child",
            ["sh", "-c", script],
            env={**minimal_environment(tmp_path), **more},
            cwd=tmp_path,
            log=tmp_path / "logs" / "child.log",
        )

    return run


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with contextlib.suppress(FileNotFoundError):
        if Path("/proc/self").is_dir():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.strip()
        return bool(state) and not state.startswith("Z")
    return False


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def pids_in(file: Path, count: int) -> list[int]:
    assert eventually(lambda: file.exists() and len(file.read_text().split()) == count)
    return [int(pid) for pid in file.read_text().split()]


def test_a_child_logs_what_it_prints_and_its_status_is_known(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    child = start("echo out; echo err >&2; exit 7")
    assert child.wait(10) == 7
    assert not child.running
    assert child.poll() == 7
    assert (tmp_path / "logs" / "child.log").read_text() == "out\nerr\n"


def test_a_child_has_the_environment_it_is_given_and_nothing_else(
    start: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the administrator's")
    assert start("env", COLOUR="blue").wait(10) == 0
    lines = (tmp_path / "logs" / "child.log").read_text().splitlines()
    names = {line.split("=")[0] for line in lines}
    assert "COLOUR=blue" in lines
    assert f"HOME={tmp_path}" in lines
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert names <= {"COLOUR", "HOME", "PATH", "LANG", "LC_ALL", "TMPDIR", "PWD", "OLDPWD", "_",
                     "SHLVL", MARK}  # fmt: skip


def test_a_child_reads_an_empty_input(start: Callable[..., Process]) -> None:
    assert start("read line && exit 1; exit 0").wait(10) == 0


def test_a_missing_program_is_named(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no program 'no-such-program'"):
        processes.start("x", ["no-such-program"], env={}, cwd=tmp_path, log=tmp_path / "log")


def test_terminate_lets_a_child_finish(start: Callable[..., Process], tmp_path: Path) -> None:
    child = start("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    log = tmp_path / "logs" / "child.log"
    assert eventually(lambda: "ready" in log.read_text())
    assert child.terminate(10) == 0
    assert "saved" in log.read_text()


def test_terminate_kills_what_does_not_listen(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    child = start("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    assert eventually(lambda: "ready" in (tmp_path / "logs" / "child.log").read_text())
    assert child.terminate(0.1) == -signal.SIGKILL


def test_what_a_child_started_ends_with_it(start: Callable[..., Process], tmp_path: Path) -> None:
    child = start("sleep 60 & echo $! >> pids; wait")
    [grandchild] = pids_in(tmp_path / "pids", 1)
    child.kill()
    assert eventually(lambda: not alive(grandchild))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="marks are read from /proc")
@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_what_left_the_group_ends_too(
    start: Callable[..., Process], tmp_path: Path, ending: str
) -> None:
    # A Jupyter kernel is such: it leads a session of its own.
    child = start(
        "setsid sh -c 'echo $$ >> pids; sleep 60' & while [ ! -e go ]; do sleep .01; done"
    )
    [stray] = pids_in(tmp_path / "pids", 1)
    if ending == "kill":
        child.kill()
    else:
        (tmp_path / "go").touch()
        assert child.wait(10) == 0
    assert eventually(lambda: not alive(stray))


def test_running_lists_children_until_they_end(
    processes: Processes, start: Callable[..., Process]
) -> None:
    first, second = start("sleep 60"), start("sleep 60")
    assert [child.pid for child in processes.running()] == [first.pid, second.pid]
    first.kill()
    assert [child.pid for child in processes.running()] == [second.pid]


def test_after_stop_all_nothing_runs_and_nothing_starts(
    processes: Processes, start: Callable[..., Process]
) -> None:
    children = [start("sleep 60") for _ in range(3)]
    processes.stop_all(grace_seconds=5)
    assert [child.poll() for child in children] == [-signal.SIGTERM] * 3
    assert processes.running() == ()
    with pytest.raises(RuntimeError, match="stopping"):
        start("true")


def test_a_killed_warden_is_replaced(
    processes: Processes, start: Callable[..., Process], tmp_path: Path
) -> None:
    first = start("sleep 60")
    warden = processes._warden
    assert warden is not None
    warden.kill()
    warden.wait()
    second = start("sleep 60")
    assert first.running
    assert second.running
    assert processes._warden is not warden


CLOUD = """
import sys, time
from pathlib import Path
from infra.offline.processes import Processes, minimal_environment

folder = Path(sys.argv[1])
processes = Processes()
for script in (
    "echo $$ >> pids; sleep 60 & echo $! >> pids; wait",
    "trap '' TERM HUP INT; echo $$ >> pids; while :; do sleep 0.05; done",
    "setsid sh -c 'echo $$ >> pids; sleep 60' & wait",
):
    processes.start("child", ["sh", "-c", script], env=minimal_environment(folder), cwd=folder,
                    log=folder / "log")
(folder / "pids").open("a").write(str(processes._warden.pid) + "\\n")
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="marks are read from /proc")
def test_even_a_killed_cloud_leaves_no_process(tmp_path: Path) -> None:
    cloud = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CLOUD), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        pids = pids_in(tmp_path / "pids", 5)
        assert all(alive(pid) for pid in pids)
    finally:
        cloud.kill()
        cloud.wait()
    try:
        assert eventually(lambda: not any(alive(pid) for pid in pids))
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
