"""Uploads a project's files: from disk, several at a time, and only what is not there already.

What was uploaded is kept in a manifest in the vault: for each key the content's SHA-256 and the
ETag that S3 gave it. S3's own ETag is no digest where a bucket is encrypted with a key, but it
changes when the object does: as long as it is what the manifest says, so is the content.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.account import Site

#: Uploads at a time; one connection does not fill a line.
AT_ONCE = 4

#: Told how many bytes are there, of how many.
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Uploaded:
    """How many files were sent, and how many were there already; and the bytes of all."""

    sent: int
    kept: int
    size: int


class Shelf:
    """What is published of one project.

    Parameters
    ----------
    site
        The cohort.
    project
        Its data lie under ``datasets/<project>/`` of the data bucket.
    """

    def __init__(self, site: Site, project: str) -> None:
        self._s3: Any = site.client("s3")
        self._data, self._vault = site.bucket("data"), site.bucket("vault")
        self._prefix = f"datasets/{project}/"
        self._manifest = f"publishing/{project}.json"
        document = json.loads(self.vault(self._manifest) or b"{}")
        self._files: dict[str, dict[str, str]] = document.get("files", {})
        self.recipe: dict[str, Any] | None = document.get("recipe")

    def vault(self, key: str) -> bytes | None:
        """An object of the vault; None if there is none."""
        try:
            return bytes(self._s3.get_object(Bucket=self._vault, Key=key)["Body"].read())
        except self._s3.exceptions.NoSuchKey:
            return None

    def put_vault(self, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self._vault, Key=key, Body=content)

    def complete(self) -> bool:
        """Whether everything of the last publication is there as it was uploaded."""
        there = self._there()
        return self.recipe is not None and {
            key: entry["etag"] for key, entry in self._files.items()
        } == {key: etag for key, (etag, _) in there.items()}

    def size(self) -> int:
        """Bytes that are published."""
        return sum(size for _, size in self._there().values())

    def put(self, files: Mapping[str, Path], report: Report | None = None) -> Uploaded:
        """Bring the published data to `files`, the last of them last; others are removed.

        The manifest is written whatever happens, so that what was sent is not sent again.
        """
        there = self._there()
        known = {
            key: entry
            for key, entry in self._files.items()
            if key in there and entry["etag"] == there[key][0]
        }
        # Until all is there, what is there follows from no recipe.
        self._files, self.recipe = dict(known), None
        sizes = {key: path.stat().st_size for key, path in files.items()}
        total, done, sent = sum(sizes.values()), 0, 0
        *most, last = files
        stopping, counting = threading.Event(), threading.Lock()

        def one(key: str) -> None:
            nonlocal done, sent
            if stopping.is_set():
                return
            digest = _sha256(files[key])
            entry, new = known.get(key), 0
            if entry is None or entry["sha256"] != digest:
                with files[key].open("rb") as body:
                    answer = self._s3.put_object(Bucket=self._data, Key=key, Body=body)
                entry, new = {"sha256": digest, "etag": answer["ETag"]}, 1
            with counting:
                self._files[key] = entry
                done, sent = done + sizes[key], sent + new
                if report:
                    report(done, total)

        try:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload") as pool:
                try:
                    for future in as_completed([pool.submit(one, key) for key in most]):
                        future.result()
                except BaseException:
                    # Cancelling reaches only what has not begun, and a thread begins the next.
                    stopping.set()
                    raise
            one(last)
            self._remove(set(there) - set(files))
        finally:
            self._write()
        return Uploaded(sent, len(files) - sent, total)

    def finish(self, recipe: Mapping[str, Any]) -> None:
        """Note that all of `recipe` is published."""
        self.recipe = dict(recipe)
        self._write()

    def _write(self) -> None:
        document = {"recipe": self.recipe, "files": self._files}
        self.put_vault(self._manifest, json.dumps(document, indent=1).encode())

    def _there(self) -> dict[str, tuple[str, int]]:
        """ETag and size of what the data bucket has of the project."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._data, Prefix=self._prefix
        )
        items = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"]: (item["ETag"], int(item["Size"])) for item in items}

    def _remove(self, keys: Iterable[str]) -> None:
        for key in sorted(keys):
            self._s3.delete_object(Bucket=self._data, Key=key)
            self._files.pop(key, None)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
