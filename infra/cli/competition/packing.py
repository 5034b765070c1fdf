"""Predictions on the admin's side: packed as the learners' library packs them, and checked as the
checker checks them, before anything is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infra.cli.competition.arena import Arena
from infra.cli.terminal import Refused, size

#: What is asked for and a sample of it; scenes and practice data lie in folders of their own.
MOST_ASKED_BYTES = 50_000_000


@dataclass(frozen=True)
class Packed:
    """What is sent, the ending of its name, and the digest that its entry will have."""

    content: bytes
    ending: str
    digest: str


@dataclass(frozen=True)
class Packer:
    """What a project asks for, in a folder of its own."""

    project: str
    folder: Path

    @classmethod
    @contextmanager
    def of(cls, arena: Arena) -> Iterator[Packer]:
        """With what is published for the arena's project, as long as it is needed.

        Raises:
            Refused: if nothing is.
        """
        with tempfile.TemporaryDirectory(prefix="academy-asked-") as scratch:
            _download(arena, Path(scratch))
            yield cls(arena.project, Path(scratch))

    def pack(self, predictions: Path) -> Packed:
        """The predictions in a file, as learners submit them.

        Raises:
            Refused: with what the library or the checker says.
        """
        # Imported here: the learners' library brings numpy.
        from academy import submissions
        from academy.datasets import opened
        from academy.errors import AcademyError

        from infra.services.competition import checking
        from infra.services.competition.problems import Fault

        try:
            content, ending = submissions.packed(predictions, opened(self.project, self.folder))
            task = (self.folder / "task.json").read_bytes()
            found = checking.check(self.project, f"x.{ending}", content, task)
        except (AcademyError, Fault) as error:
            raise Refused(f"{predictions}: {error}") from None
        return Packed(content, ending, found.digest)


def _download(arena: Arena, folder: Path) -> None:
    """The published files that say what is asked for: those that lie in no folder."""
    bucket, prefix = arena.site.bucket("data"), f"datasets/{arena.project}/"
    pages = arena.s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    items = [item for page in pages for item in page.get("Contents", ())]
    if not any(item["Key"] == f"{prefix}task.json" for item in items):
        raise Refused(f"nothing is published for {arena.project}: run cohort publish")
    if sum(item["Size"] for item in items) > MOST_ASKED_BYTES:
        raise Refused(f"s3://{bucket}/{prefix} has files of more than {size(MOST_ASKED_BYTES)}")
    for item in items:
        name = PurePosixPath(item["Key"]).name
        if name and not item["Key"].endswith("/"):
            body = arena.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
            (folder / name).write_bytes(body.read())
