"""Checkpoints that survive an interruption, and the signal that announces one.

A spot instance, and a job that is stopped, get SIGTERM and two minutes. A training run saves at
that moment, and every minute or so before it; the next one goes on where it stopped. A file is
written under another name first and then renamed: there is always a whole one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from academy.errors import AcademyError
from academy.training.weights import ModelError, read_weights

_FILE = "checkpoint.pt"
FORMAT = 1
#: Of a script that was stopped: 128 + SIGTERM, as a shell has it.
EXIT_CODE = 143


class CheckpointError(AcademyError):
    """A checkpoint is there, and training cannot go on from it."""


class Interrupted(AcademyError):
    """Training was asked to stop before its end; a checkpoint was written if there was a place."""


def checkpoint_folder() -> Path | None:
    """Where a training job's checkpoints outlive it: /opt/ml/checkpoints, if it is there.

    SageMaker makes it for jobs with a checkpoint configuration, and copies what is in it to S3
    while the job runs and back before it goes on. ML_ROOT names another root than /opt/ml.
    """
    folder = Path(os.environ.get("ML_ROOT") or "/opt/ml") / "checkpoints"
    return folder if folder.is_dir() else None


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> Path:
    """Writes tensors and plain values into `folder`: whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target, draft = folder / _FILE, folder / f".{_FILE}.draft"
    with draft.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    return target


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote; None if there is none.

    Raises
    ------
    CheckpointError
        The file is damaged, or of another version of the library.
    """
    file = folder / _FILE
    if not file.exists():
        return None
    try:
        state = read_weights(file)
    except ModelError as problem:
        raise CheckpointError(f"{problem}; delete {file} to start over") from None
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{file} was written by another version of the library; delete it to start over"
        )
    return state


class Bell:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.rang = False


@contextmanager
def listening() -> Iterator[Bell]:
    """Notes SIGTERM instead of dying of it; only in the main thread, elsewhere it does nothing."""
    bell = Bell()
    if threading.current_thread() is not threading.main_thread():
        yield bell
        return

    def ring(number: int, frame: FrameType | None) -> None:
        bell.rang = True

    before = signal.signal(signal.SIGTERM, ring)
    try:
        yield bell
    finally:
        signal.signal(signal.SIGTERM, before)
