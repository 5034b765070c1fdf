"""Puts a file of a learner's home where the team and the advisors can read it."""

from __future__ import annotations

import re
from pathlib import Path

from academy.cloud import Cloud
from academy.errors import SourceError
from academy.showing import MAX_FILE_BYTES
from academy.workspace import Workspace

FOLDER = "shared/"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,199}")


def share(cloud: Cloud, workspace: Workspace, file: Path) -> str:
    """See `academy.share`."""
    if file.is_symlink() or not file.is_file():
        raise SourceError(f"{file} is no file here.")
    if not _NAME.fullmatch(file.name):
        raise SourceError(
            f"{file.name!r} cannot be shared under this name: letters, digits, spaces, dots, _ and "
            "- are fine, and it does not begin with a dot."
        )
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise SourceError(
            f"{file.name} has {size / 2**20:.0f} MB; at most {MAX_FILE_BYTES // 2**20} MB are "
            "shared. A notebook becomes small by Edit, Clear Outputs of All Cells."
        )
    path = f"{FOLDER}{file.name}"
    key = f"{workspace.prefixes['team']}{path}"
    cloud.write(workspace.buckets["work"], key, file.read_bytes())
    print(f"Your team and your advisors can read {file.name} now: as it was just saved.")
    return path
