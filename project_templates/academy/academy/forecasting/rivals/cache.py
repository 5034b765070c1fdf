"""Keeps what the slow rivals said, on the disk, and computes many of them on several cores.

A forecast is found again by what it depends on: the values themselves, the method, horizon and
season, and the packages' versions. So nothing has to be told when something changes, and two
programs that fill the same folder at the same time do no harm.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from academy.errors import AcademyError
from academy.forecasting.evaluation.metrics import LEVELS
from academy.forecasting.rivals import statsforecast_models

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Task:
    """A forecast that a slow rival is asked for."""

    rival: str
    past: Array
    horizon: int
    season: int

    @property
    def key(self) -> str:
        """What it is kept by."""
        about = [self.rival, self.horizon, self.season, statsforecast_models.versions()]
        digest = hashlib.sha256(json.dumps(about).encode())
        digest.update(np.ascontiguousarray(self.past, dtype="<f8").tobytes())
        return digest.hexdigest()


def folder() -> Path:
    """Where forecasts are kept: ``rivals`` in ACADEMY_CACHE or ``~/.cache/academy``."""
    from academy.downloads import cache_folder

    return cache_folder() / "rivals"


def _path(task: Task) -> Path:
    key = task.key
    return folder() / key[:2] / f"{key[2:]}.npy"


def find(task: Task) -> Array | None:
    """The kept quantiles, (horizon, 19); None if there are none, or what is there is damaged."""
    try:
        content = _path(task).read_bytes()
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    good = found.shape == (task.horizon, len(LEVELS)) and found.dtype == np.float64
    return found if good and bool(np.isfinite(found).all()) else None


def keep(task: Task, quantiles: Array) -> None:
    """Keep them, if the disk lets us: without a cache everything works, only slower."""
    target = _path(task)
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".tmp", delete=False) as file:
            try:
                np.save(file, quantiles, allow_pickle=False)
                file.close()
                os.replace(file.name, target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


def fill(
    tasks: Sequence[Task],
    *,
    processes: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Computes the tasks whose forecasts are not kept yet, and keeps them. Gives their number.

    The processes are fresh ones of this Python, so that a script needs no ``if __name__``, and a
    notebook's threads are no danger.

    Raises
    ------
    AcademyError
        A process ended before its work.
    """
    missing = list({task.key: task for task in tasks if find(task) is None}.values())
    # The longest first: at the end no core waits for another's.
    missing.sort(key=lambda task: (task.rival == "AutoARIMA", task.past.size), reverse=True)
    at_once = min(processes or len(os.sched_getaffinity(0)), len(missing))
    if report:
        report(0, len(missing))
    todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in missing:
        todo.put(task)
    done, lock, problems = 0, threading.Lock(), list[str]()

    def count() -> None:
        nonlocal done
        with lock:
            done += 1
            if report:
                report(done, len(missing))

    workers = [
        threading.Thread(target=_serve, args=(todo, count, problems)) for _ in range(at_once)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    finally:
        # Interrupted: what is being computed is finished, and nothing more begun.
        with suppress(queue.Empty):
            while True:
                todo.get_nowait()
    if problems:
        raise AcademyError(f"A rival could not be computed: {problems[0]}")
    return len(missing)


def _serve(todo: queue.SimpleQueue[Task], count: Callable[[], None], problems: list[str]) -> None:
    """Has one process compute tasks until there are no more."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import work; work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(queue.Empty):
            while not problems:
                task = todo.get_nowait()
                asked = [task.rival, task.past.tolist(), task.horizon, task.season]
                answer = ""
                with suppress(BrokenPipeError):
                    process.stdin.write(json.dumps(asked) + "\n")
                    process.stdin.flush()
                    answer = process.stdout.readline()
                if not answer.startswith("["):
                    problems.append(answer.strip() or f"{task.rival}: its process ended")
                    break
                keep(task, np.array(json.loads(answer), dtype=np.float64))
                count()
        # What could not be written to one that ended is tried once more here.
        with suppress(BrokenPipeError):
            process.stdin.close()


def work() -> None:
    """What such a process does: a task a line, an answer a line."""
    for line in sys.stdin:
        rival, past, horizon, season = json.loads(line)
        try:
            found = statsforecast_models.forecast(rival, np.array(past), horizon, season)
            answer = json.dumps(found.tolist())
        except Exception as error:
            answer = f"{rival}: {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)
