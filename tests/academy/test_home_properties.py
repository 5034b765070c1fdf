"""Whatever a learner does and whenever a start is cut off: what she wrote stays where she left it.

A machine of rules plays the parts: versions of templates that come and go back, a learner who
edits, deletes and puts folders and links in the way, starts that are killed or meet a full disk.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from academy import home
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

#: Paths that templates may have; among them one that is another's beside-file, and a file where
#: another version has a folder.
NAMES = ("welcome.ipynb", "p/a.py", "p/a.new.py", "p/deep/b.md", "p/deep")
#: Paths that a learner may write to: the templates', their beside-files', and her own like them.
PATHS = (
    *NAMES,
    *("welcome.new.ipynb", "welcome.new-2.ipynb", "p/a.new-2.py", "p/deep/b.new.md"),
    *("p/a.py.new", "p/a.py.part", "welcome.ipynb.part", "p/hers.txt"),
)
FOLDERS = ("p", "p/deep", ".academy", ".jupyter")

RECORDS = (
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b"null",
    b'{"files": []}',
    b'{"files": {"p/a.py": {"ours": 3, "given": [null]}}}',
    b"[" * 100_000,
)


class Killed(BaseException):
    """The machine was switched off."""


class Faulty:
    """The module `os` for the code under test, with a fault at its n-th call of what can fail."""

    CALLS = ("open", "lstat", "read", "write", "fsync", "fchmod", "link", "replace", "unlink")
    CALLS = (*CALLS, "mkdir", "close")

    def __init__(self, at: int, fault: int | None, lasting: bool = False) -> None:
        """`fault` is an errno, or None for the end of the machine."""
        self._left = at
        self._fault = fault
        self._lasting = lasting
        self.fired = False

    def __getattr__(self, name: str) -> Any:
        true = getattr(os, name)
        return self._wrapped(name, true) if name in self.CALLS else true

    def _wrapped(self, name: str, true: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left > 0 or (self.fired and not self._lasting and self._fault is not None):
                # Nothing here is lost by a power cut, so there is nothing to wait for.
                return None if name == "fsync" else true(*arguments, **options)
            first, self.fired = not self.fired, True
            if name == "close":
                # Descriptors are closed for the tests' sake, whoever dies.
                true(*arguments, **options)
            if name == "write" and first:
                true(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if self._fault is None:
                raise Killed
            raise OSError(self._fault, os.strerror(self._fault))

        return call


class Home(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="academy-home-"))
        self.home = self.root / "home"
        self.outside = self.root / "outside"
        for folder in (self.home, self.outside):
            folder.mkdir()
        (self.outside / "a.py").write_bytes(b"not of this home")
        self.count = 0
        self.versions: list[dict[str, bytes]] = []
        self.source: dict[str, bytes] = {}
        #: What only she has: files by path, and where her links point to.
        self.hers: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        #: Paths of which the program may have lost the record.
        self.detached: set[str] = set()
        #: Versions that she surely has been given, and that she may have been given.
        self.given: set[bytes] = set()
        self.perhaps_given: set[bytes] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    def new(self, what: str) -> bytes:
        self.count += 1
        return f"{what} {self.count}\n".encode()

    # --- templates ------------------------------------------------------------------------------
    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def first_version(self, names: set[str]) -> None:
        self.next_version({name: "new" for name in NAMES if name in names})

    @rule(how=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["new", "gone"])))
    def next_version(self, how: dict[str, str]) -> None:
        version = {name: text for name, text in self.source.items() if how.get(name) != "gone"}
        version |= {name: self.new(f"version of {name}") for name in how if how[name] == "new"}
        if "p/deep/b.md" in version:
            version.pop("p/deep", None)
        self.versions.append(version)
        self.source = version

    @rule(data=st.data())
    def another_version_comes_back(self, data: st.DataObject) -> None:
        self.source = data.draw(st.sampled_from(self.versions))

    # --- the learner ----------------------------------------------------------------------------
    @rule(path=st.sampled_from(PATHS), in_place=st.booleans(), on_top=st.booleans())
    def she_writes(self, path: str, in_place: bool, on_top: bool) -> None:
        place = self.room_for(path)
        plain = place.is_file() and not place.is_symlink()
        before = place.read_bytes() if plain and on_top else b""
        content = before + self.new("hers")
        if not plain:
            self.remove(path)
        if in_place:
            place.write_bytes(content)
        else:
            other = self.root / "editor"
            other.write_bytes(content)
            other.replace(place)
        self.hers[path] = content

    @rule(path=st.sampled_from((*PATHS, *FOLDERS)))
    def she_deletes(self, path: str) -> None:
        self.remove(path)

    @rule(path=st.sampled_from(PATHS[:9]))
    def she_makes_a_folder(self, path: str) -> None:
        place = self.room_for(path)
        if not place.is_dir():
            self.remove(path)
            place.mkdir()

    @rule(path=st.sampled_from(FOLDERS), inside=st.booleans())
    def she_links_a_folder(self, path: str, inside: bool) -> None:
        self.link(path, self.home / "p/deep" if inside else self.outside)

    @rule(
        path=st.sampled_from((*PATHS, home.RECORD, home.LAYOUT)),
        to=st.sampled_from(["outside/a.py", "outside/nowhere", "home/p/hers.txt"]),
    )
    def she_links_a_file(self, path: str, to: str) -> None:
        self.link(path, self.root / to)

    def link(self, path: str, target: Path) -> None:
        place = self.room_for(path)
        self.remove(path)
        place.symlink_to(target)
        self.links[path] = str(target)

    @rule(path=st.sampled_from(NAMES[:4]), number=st.sampled_from([1, 2]))
    def she_takes_the_new_version(self, path: str, number: int) -> None:
        beside = home.beside(path, number)
        if beside in self.hers or not stat.S_ISREG(self.kind(beside)):
            return
        place = self.room_for(path)
        if stat.S_ISREG(self.kind(beside)):
            self.remove(path)
            (self.home / beside).replace(place)
            self.detached |= {path}

    @rule(content=st.sampled_from(RECORDS))
    def the_record_is_damaged(self, content: bytes) -> None:
        self.room_for(home.RECORD)
        self.remove(home.RECORD)
        (self.home / home.RECORD).write_bytes(content)
        self.forget()

    # --- starts ---------------------------------------------------------------------------------
    @rule()
    def a_start(self) -> None:
        assert not self.start(Faulty(10**9, None)).fired

    @rule(at=st.integers(1, 150))
    def a_start_that_is_killed(self, at: int) -> None:
        self.start(Faulty(at, None))

    @rule(
        at=st.integers(1, 150),
        fault=st.sampled_from([errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO]),
        lasting=st.booleans(),
    )
    def a_start_with_an_error(self, at: int, fault: int, lasting: bool) -> None:
        if self.start(Faulty(at, fault, lasting)).fired:
            self.forget()

    def start(self, system: Faulty) -> Faulty:
        source = self.root / "source"
        shutil.rmtree(source, ignore_errors=True)
        for name, content in self.source.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        source.mkdir(exist_ok=True)
        steps = []
        with mock.patch.object(home, "os", system):
            try:
                steps = home.sync(source, self.home)
            except Killed:
                assert system.fired
        self.nothing_is_lost()
        self.perhaps_given |= set(self.source.values())
        if not system.fired:
            self.all_is_as_it_should_be(steps)
            before = self.tree()
            with mock.patch.object(home, "os", Faulty(10**9, None)):
                again = home.sync(source, self.home)
            assert {step.what for step in again} <= {"passed over"}, again
            assert self.tree() == before
        return system

    # --- what must hold -------------------------------------------------------------------------
    def nothing_is_lost(self) -> None:
        for path, content in self.hers.items():
            assert stat.S_ISREG(self.kind(path)), f"{path} is gone"
            assert (self.home / path).read_bytes() == content, f"{path} is another"
        for path, target in self.links.items():
            assert os.readlink(self.home / path) == target
        assert {file.name: file.read_bytes() for file in self.outside.iterdir()} == {
            "a.py": b"not of this home"
        }

    def all_is_as_it_should_be(self, steps: list[home.Step]) -> None:
        offered = {step.path for step in steps if step.what == "beside"}
        for name, content in self.source.items():
            if self.blocked(name) or not stat.S_ISREG(self.kind(name)):
                continue
            found = (self.home / name).read_bytes()
            if name in self.hers:
                besides = [
                    (self.home / home.beside(name, number)).read_bytes()
                    for number in range(1, home.BESIDE)
                    if stat.S_ISREG(self.kind(home.beside(name, number)))
                ]
                assert content in besides or content in self.perhaps_given
                assert name not in offered or content not in self.given
            elif name not in self.detached:
                assert found == content
            if found == content:
                self.detached.discard(name)
            if not stat.S_ISREG(self.kind(home.RECORD)):
                self.detached.add(name)
            else:
                self.given.add(content)
        for name in set(self.source) - set(self.hers):
            place = self.home / name
            assert self.blocked(name) or os.path.lexists(place)

    # --- helpers --------------------------------------------------------------------------------
    def kind(self, path: str) -> int:
        """The file's mode, following no link in any part of its path; 0 if it is not there."""
        if self.blocked(path):
            return 0
        try:
            return (self.home / path).lstat().st_mode
        except FileNotFoundError:
            return 0

    def blocked(self, path: str) -> bool:
        parents = [self.home / parent for parent in list(Path(path).parents)[:-1]]
        return any(
            os.path.lexists(parent) and not stat.S_ISDIR(parent.lstat().st_mode)
            for parent in reversed(parents)
            if not any(other.is_symlink() for other in parent.parents if other != self.root)
        )

    def room_for(self, path: str) -> Path:
        """The place for a path, in folders that she makes if they are not there."""
        for parent in reversed(list(Path(path).parents)[:-1]):
            if not stat.S_ISDIR(self.kind(parent.as_posix())):
                self.remove(parent.as_posix())
                (self.home / parent).mkdir()
        return self.home / path

    def remove(self, path: str) -> None:
        if self.blocked(path):
            return
        place = self.home / path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        for known in (self.hers, self.links):
            for other in [p for p in known if p == path or p.startswith(f"{path}/")]:
                del known[other]
        if path == home.RECORD or home.RECORD.startswith(f"{path}/"):
            self.forget()

    def forget(self) -> None:
        """The record is lost, or may be."""
        self.detached |= set(NAMES)
        self.given.clear()

    def tree(self) -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, _content(path))
            for path in sorted(self.home.rglob("*"))
        }


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else b""


TestHome = Home.TestCase
TestHome.settings = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def versions(number: int) -> dict[str, bytes]:
    names = ("left.py", "edited.py", "p/deep/left.md", "welcome.ipynb", *["new.py"] * (number > 1))
    return {name: f"{name}, version {number}".encode() for name in names}


def bring(folder: Path, number: int, system: Faulty | None = None) -> list[home.Step]:
    source = folder / f"source {number}"
    for name, content in versions(number).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    with mock.patch.object(home, "os", system or Faulty(10**9, None)):
        return home.sync(source, folder / "home")


@pytest.mark.parametrize("then", [1, 2, 3])
@pytest.mark.parametrize("fault", [None, errno.ENOSPC])
def test_a_start_may_break_off_between_any_two_steps(tmp_path: Path, then: int, fault: int | None):
    """The second version's start breaks off; `then` the next one brings that version."""
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        mine = folder / "home"
        mine.mkdir(parents=True)
        bring(folder, 1)
        (mine / "edited.py").write_bytes(b"hers")
        system = Faulty(at, fault, lasting=True)
        with contextlib.suppress(Killed):
            bring(folder, 2, system)
        if not system.fired:
            break
        for name in ("left.py", "p/deep/left.md", "welcome.ipynb"):
            assert (mine / name).read_bytes() in {versions(n)[name] for n in (1, 2)}
        bring(folder, then)
        for name, content in versions(then).items():
            expected = b"hers" if name == "edited.py" else content
            assert (mine / name).read_bytes() == expected, f"{name}, broken off at {at}"
        if then > 1:
            beside = mine / home.beside("edited.py")
            assert beside.read_bytes() == versions(then)["edited.py"]
        assert bring(folder, then) == []
    assert at > 100, "a start has that many steps"
