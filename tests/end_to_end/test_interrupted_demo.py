"""A demo that is interrupted leaves no process, no port and no file behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def processes_that_name(text: str) -> list[str]:
    listing = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listing.splitlines() if text in line]


def steps_told(record: Path) -> int:
    try:
        return len(json.loads(record.read_text(encoding="utf-8"))["steps"])
    except (OSError, ValueError):
        return 0


def gone(text: str, seconds: float) -> list[str]:
    """What still names `text` after waiting up to `seconds` for it to end."""
    deadline = time.monotonic() + seconds
    while (left := processes_that_name(text)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


@pytest.mark.parametrize(
    ("number", "after_steps", "further_seconds"),
    [
        pytest.param(
            signal.SIGINT, 2, 4.0, id="Ctrl-C while it deploys", marks=pytest.mark.exhaustive
        ),
        pytest.param(
            signal.SIGTERM, 4, 4.0, id="terminated while spaces start", marks=pytest.mark.exhaustive
        ),
        pytest.param(signal.SIGKILL, 2, 2.0, id="killed while it deploys"),
    ],
)
def test_nothing_is_left(
    tmp_path: Path, number: signal.Signals, after_steps: int, further_seconds: float
) -> None:
    # All of the demo's state lies under the temporary folder, so its path marks its processes.
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cli.main", "demo", "--out", str(out)],
        cwd=ROOT,
        env=dict(os.environ) | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while steps_told(out / "demo.json") < after_steps:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline, "the demo did not get that far"
            time.sleep(0.1)
        time.sleep(further_seconds)
        assert process.poll() is None
        assert processes_that_name(str(tmp_path)), "there is something to leave behind"
    finally:
        process.send_signal(number)
        status = process.wait(60)

    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert gone(str(tmp_path), seconds=20) == []
    if number != signal.SIGKILL:
        assert list(temporary.glob("academy-*")) == []
        record = json.loads((out / "demo.json").read_text(encoding="utf-8"))
        assert not record["passed"]
