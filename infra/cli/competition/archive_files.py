"""The files of an archive's folder: read without following links, written whole, by one at a time.

A folder may have been handed over by somebody else, and it holds what must stay sealed: what is
written is for its owner alone, unless everybody may see it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.cli.terminal import Refused, size

#: No file of a round comes near to it.
MAX_BYTES = 50_000_000

_LOCK = ".lock"
_OWN, _PUBLIC = 0o600, 0o644


def content(file: Path) -> bytes:
    """
    Raises:
        Refused: if it is a link, too large, or not there.
    """
    try:
        if file.is_symlink() or file.stat().st_size > MAX_BYTES:
            raise Refused(f"{file} is a link, or has more than {size(MAX_BYTES)}")
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None


def put_json(file: Path, document: Any, *, public: bool = False) -> None:
    """`put` of a document as JSON."""
    put(file, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode(), public=public)


def put(file: Path, written: bytes, *, public: bool = False) -> None:
    """Whole or not at all, in the place of what is there; nobody else may read it unless `public`.

    The scratch file's name cannot be foreseen, so that no link lies there in wait.
    """
    descriptor, scratch = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(written)
        os.chmod(scratch, _PUBLIC if public else _OWN)
        os.replace(scratch, file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)
        raise


def folder(place: Path) -> None:
    """Make a folder that its owner alone may look into."""
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)


@contextlib.contextmanager
def alone(place: Path) -> Iterator[None]:
    """While it holds, nobody else changes the archive: what is written was read before.

    Raises:
        Refused: if somebody else does at this moment.
    """
    try:
        lock = os.open(place / _LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, _OWN)
    except OSError as error:
        raise Refused(f"{place / _LOCK} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused(f"somebody else changes {place} at this moment; try again") from None
    finally:
        os.close(lock)
