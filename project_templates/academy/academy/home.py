"""Brings project templates to a learner's home, and never loses a byte of hers.

``python -m academy.home SOURCE`` runs when a space starts, before JupyterLab does. Each file in
SOURCE belongs at the same path in the home:

- It is absent there: it is written.
- It is as this program last left it: the version at hand replaces it, be it newer or older.
- It equals the version at hand: it counts as this program's from now on.
- It is anything else: it is the learner's and stays. The version at hand is put beside it, once:
  ``land_cover.new.ipynb`` beside ``land_cover.ipynb``, so that JupyterLab opens it as what it is.
  A beside-file that she edited is hers too; then the next is ``land_cover.new-2.ipynb``.

What no template has any more stays. Nothing is written through a symbolic link. What is in the way
or cannot be read or written is said and passed over: a space starts in any case.

What this program wrote is known by digests in ``~/.academy/templates.json``. A digest is noted
before its file is written, so a crash at any moment leaves a record that allows no more than the
rules above. Without the record, every file that is not the version at hand counts as the learner's.

Standard library only: this runs before anything else in a space.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import posixpath
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

RECORD = ".academy/templates.json"
WELCOME = "welcome.ipynb"
#: Where JupyterLab keeps the layout that its plain address opens. The name is that of
#: jupyterlab_server's `slugify("default")`: the end is the start of the name's SHA-256.
LAYOUT = ".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace"

#: No template is larger, so a larger file in a home is the learner's and need not be read.
LARGEST = 100 * 2**20
#: How many numbers are tried for a beside-file.
BESIDE = 99

_ABOUT = "Kept by academy.home: digests of what it wrote, by which it knows what you edited."


@dataclass(frozen=True)
class Step:
    """What was done with a path in the home, or why nothing was.

    Attributes
    ----------
    path : str
        Relative to the home.
    what : str
        ``added``, ``updated``, ``beside`` or ``passed over``; only the last wrote nothing.
    note : str
        For a beside-file its path; for what was passed over the reason.
    """

    path: str
    what: Literal["added", "updated", "beside", "passed over"]
    note: str = ""

    def __str__(self) -> str:
        if self.what == "beside":
            beside = posixpath.basename(self.note)
            return f"~/{self.path}: you edited it; the new one lies beside it as {beside}"
        if self.what == "passed over":
            return f"~/{self.path}: not brought: {self.note}"
        return f"~/{self.path}: {self.what}"


def sync(source: Path, home: Path) -> list[Step]:
    """Brings each file below `source` to the same path below `home`, by the rules above.

    Raises
    ------
    NotADirectoryError
        `source` or `home` is no folder. Nothing else is raised: the rest is a step.
    """
    for folder in (source, home):
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
    return list(_Sync(source, Path(os.path.realpath(home))).steps())


class _InTheWay(Exception):
    """Something that is not ours lies at `path`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass
class _Entry:
    """What is known of a path."""

    #: Digests of what this program left there; two only if it may have been stopped in between.
    ours: list[str] = field(default_factory=list)
    #: Digests of the versions that the learner was given, there or beside it.
    given: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """What lies at a path in the home."""

    status: os.stat_result
    #: None if it is no plain file, or larger than any template.
    digest: str | None


@dataclass(frozen=True)
class _Write:
    """A file to be written: `template`'s content to `target`, in place of `instead_of`."""

    template: str
    target: str
    content: bytes
    instead_of: _Found | None

    @property
    def step(self) -> Step:
        if self.target != self.template:
            return Step(self.template, "beside", self.target)
        return Step(self.template, "updated" if self.instead_of else "added")


class _Sync:
    """One run: decides on everything, notes what it is about to do, and then does it."""

    def __init__(self, source: Path, home: Path) -> None:
        self._source = source
        self._home = _Home(home)
        self._record = _Record(self._home)
        self._templates = sorted(_files(source))
        self._blocked: set[str] = set()

    def steps(self) -> Iterator[Step]:
        writes: list[_Write] = []
        for name in self._templates:
            with self._passing_over(name) as trouble:
                write = self._decide(name)
                if write:
                    _add(self._record.of(write.target).ours, _digest(write.content))
                    writes.append(write)
            yield from trouble
        # If this cannot be saved, going on is safe: what is written then may only count as hers.
        with contextlib.suppress(OSError, _InTheWay):
            self._record.save()
        for write in writes:
            with self._passing_over(write.template) as trouble:
                self._home.put(write.target, write.content, write.instead_of)
                self._record.of(write.target).ours[:] = [_digest(write.content)]
                _add(self._record.of(write.template).given, _digest(write.content))
                yield write.step
            yield from trouble
        with self._passing_over(LAYOUT) as trouble:
            if land_on_welcome(self._home):
                yield Step(LAYOUT, "added")
        yield from trouble
        with self._passing_over(RECORD) as trouble:
            self._record.save()
        yield from trouble

    @contextlib.contextmanager
    def _passing_over(self, name: str) -> Iterator[list[Step]]:
        """Makes what cannot be done a step in the list that it gives."""
        trouble: list[Step] = []
        try:
            yield trouble
        except _InTheWay as problem:
            # A folder in the way of many files is said once.
            if problem.path not in self._blocked:
                self._blocked.add(problem.path)
                trouble.append(Step(problem.path, "passed over", str(problem)))
        except OSError as problem:
            trouble.append(Step(name, "passed over", problem.strerror or str(problem)))

    def _decide(self, name: str) -> _Write | None:
        """What is to be written for a template, if anything."""
        if name.split("/")[0] == posixpath.dirname(RECORD):
            raise _InTheWay(name, "this folder is for the record of the templates")
        content = _read(self._source / name)
        new = _digest(content)
        entry = self._record.of(name)
        found = self._home.look(name)
        if found is None:
            return _Write(name, name, content, None)
        if not stat.S_ISREG(found.status.st_mode):
            raise _InTheWay(name, f"{_kind(found.status)} of that name is in its place")
        if found.digest == new:
            entry.ours[:] = [new]
            _add(entry.given, new)
            return None
        if found.digest in entry.ours:
            return _Write(name, name, content, found)
        if new in entry.given:
            return None
        return self._beside(name, content)

    def _beside(self, name: str, content: bytes) -> _Write | None:
        new = _digest(content)
        for number in range(1, BESIDE + 1):
            target = beside(name, number)
            if target in self._templates:
                continue
            found = self._home.look(target)
            if found is not None and found.digest == new:
                _add(self._record.of(name).given, new)
                return None
            if found is None or found.digest in self._record.of(target).ours:
                return _Write(name, target, content, found)
        raise _InTheWay(name, f"{BESIDE} files lie beside it already: remove some")


def beside(name: str, number: int = 1) -> str:
    """The path of the `number`-th beside-file.

    >>> beside("land_cover/land_cover.ipynb"), beside("README", 2)
    ('land_cover/land_cover.new.ipynb', 'README.new-2')
    """
    root, ending = posixpath.splitext(name)
    return f"{root}.new{ending}" if number == 1 else f"{root}.new-{number}{ending}"


def land_on_welcome(home: _Home) -> bool:
    """Lets JupyterLab open the welcome notebook, with the files beside it; whether it was done.

    Otherwise a learner's first sight is a launcher with a dozen kinds of file. JupyterLab opens at
    its plain address what the default workspace lists, and writes there itself what she leaves
    open: so this is done only while there is none, which is at the first start.
    """
    welcome = home.look(WELCOME)
    if welcome is None or not stat.S_ISREG(welcome.status.st_mode) or home.look(LAYOUT):
        return False
    tab = f"notebook:{WELCOME}"
    layout = {
        "data": {
            "layout-restorer:data": {
                "main": {
                    "dock": {"type": "tab-area", "currentIndex": 0, "widgets": [tab]},
                    "current": tab,
                },
                "left": {
                    "collapsed": False,
                    "visible": True,
                    "current": "filebrowser",
                    "widgets": ["filebrowser"],
                },
            },
            tab: {"data": {"path": WELCOME, "factory": "Notebook"}},
        },
        "metadata": {"id": "default"},
    }
    home.put(LAYOUT, json.dumps(layout).encode(), None)
    return True


class _Home:
    """The home's files, by paths relative to it; never through a symbolic link."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def look(self, name: str) -> _Found | None:
        """What lies at a path, or None.

        Raises
        ------
        _InTheWay
            What should be a folder on the way there is none.
        """
        self._way(name, make=False)
        path = self._root / name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return _Found(status, None)
        return _Found(status, _digest(_read(path)))

    def read(self, name: str) -> bytes:
        self._way(name, make=False)
        return _read(self._root / name)

    def put(self, name: str, content: bytes, instead_of: _Found | None) -> None:
        """Writes a file, all or nothing, if its place is still as it was found.

        A kill on the way may leave its hidden part behind, never half a file in its place.
        """
        self._way(name, make=True)
        path = self._root / name
        part = path.with_name(f".academy-{secrets.token_hex(8)}.part")
        mode = stat.S_IMODE(instead_of.status.st_mode) if instead_of else None
        _write(part, content, mode)
        try:
            if instead_of is None:
                # Unlike a rename, a link never takes the place of what has come meanwhile.
                os.link(part, path)
            elif _same(os.lstat(path), instead_of.status):
                os.replace(part, path)
                return
            else:
                raise OSError(0, "it has just changed; the next start looks again")
        except OSError:
            _discard(part)
            raise
        _discard(part)

    def _way(self, name: str, *, make: bool) -> None:
        """Makes sure that what leads to `name` are folders, as far as it is there."""
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            try:
                status = os.lstat(self._root / folder)
            except FileNotFoundError:
                if not make:
                    return
                os.mkdir(self._root / folder)
                continue
            if not stat.S_ISDIR(status.st_mode):
                raise _InTheWay(folder, f"{_kind(status)} is where a folder should be")


class _Record:
    """What this program wrote, in ~/.academy/templates.json. Damaged, it says nothing."""

    def __init__(self, home: _Home) -> None:
        self._home = home
        self._entries: dict[str, _Entry] = {}
        self._saved: bytes | None = None
        try:
            self._saved = home.read(RECORD)
            self._entries = _entries(json.loads(self._saved))
        except (OSError, _InTheWay, ValueError, RecursionError):
            pass

    def of(self, name: str) -> _Entry:
        return self._entries.setdefault(name, _Entry())

    def save(self) -> None:
        """Writes the record, if it changed."""
        files = {
            name: {"ours": entry.ours, "given": entry.given}
            for name, entry in self._entries.items()
            if entry.ours or entry.given
        }
        document = {"about": _ABOUT, "files": files}
        content = json.dumps(document, indent=1, sort_keys=True).encode()
        if content == self._saved:
            return
        found = self._home.look(RECORD)
        if found and not stat.S_ISREG(found.status.st_mode):
            raise _InTheWay(RECORD, f"{_kind(found.status)} of that name is in its place")
        self._home.put(RECORD, content, found)
        self._saved = content


def _entries(document: Any) -> dict[str, _Entry]:
    """The entries of a record that anybody may have written.

    Before this program there was a flat one: the digest of what was last put at, or beside, a path.
    """
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, dict):
        flat = document if isinstance(document, dict) else {}
        files = {name: {"ours": [digest], "given": [digest]} for name, digest in flat.items()}
    found: dict[str, _Entry] = {}
    for name, entry in files.items():
        if isinstance(entry, dict):
            found[name] = _Entry(_texts(entry.get("ours")), _texts(entry.get("given")))
    return found


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _add(digests: list[str], new: str) -> None:
    if new not in digests:
        digests.append(new)


def _files(source: Path) -> Iterator[str]:
    """Plain files below a folder, by their relative paths with ``/``."""
    for folder, _, names in os.walk(source):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(source).as_posix()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a file was neither written nor exchanged between two looks."""
    return all(
        getattr(one, part) == getattr(other, part)
        for part in ("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
    )


def _kind(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return "a link"
    if stat.S_ISDIR(status.st_mode):
        return "a folder"
    return "a file" if stat.S_ISREG(status.st_mode) else "something that is no file"


def _read(path: Path) -> bytes:
    # Without O_NONBLOCK a pipe that has just taken the file's place would hold the start up.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = bytearray()
        while piece := os.read(file, 2**20):
            content += piece
            if len(content) > LARGEST:
                raise OSError(0, f"it has more than {LARGEST // 2**20} MB")
        return bytes(content)
    finally:
        os.close(file)


def _write(path: Path, content: bytes, mode: int | None) -> None:
    """A new file that is on the disk when this returns; if it cannot be, there is none."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if mode is not None:
                os.fchmod(file, mode)
            written = 0
            while written < len(content):
                written += os.write(file, content[written:])
            os.fsync(file)
        finally:
            os.close(file)
    except OSError:
        _discard(path)
        raise


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m academy.home",
        description="Bring project templates to a home. What its owner edited stays as it is, and "
        "the new version is put beside it.",
    )
    parser.add_argument("source", type=Path, help="a folder with files as they shall lie there")
    parser.add_argument("--home", type=Path, help="the home; default: yours")
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A name in another encoding is shown with escapes, in place of ending the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        for step in sync(given.source, given.home or Path.home()):
            print(f"academy: {step}", flush=True)
    except NotADirectoryError as problem:
        print(f"academy: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
