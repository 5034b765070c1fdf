"""How templates reach a learner's home: each rule by an example, and the command line."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from academy import home

LIBRARY = Path(home.__file__).parents[1]
FILE = "land_cover/train.py"
BESIDE = "land_cover/train.new.py"


class Space:
    """A home and the templates that a start brings to it."""

    def __init__(self, folder: Path) -> None:
        self.source, self.home = folder / "source", folder / "home"
        for each in (self.source, self.home):
            each.mkdir()

    def version(self, text: str, name: str = FILE) -> None:
        file = self.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def start(self) -> list[str]:
        return [str(step) for step in home.sync(self.source, self.home)]

    def write(self, text: str, name: str = FILE) -> None:
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, name: str = FILE) -> str:
        return (self.home / name).read_text()

    def files(self) -> set[str]:
        files = (path for path in self.home.rglob("*") if not path.is_dir())
        return {path.relative_to(self.home).as_posix() for path in files} - {home.RECORD}


@pytest.fixture
def space(tmp_path: Path) -> Space:
    made = Space(tmp_path)
    made.version("one")
    return made


@pytest.fixture
def edited(space: Space) -> Space:
    """She edited the first version, and a second one has come."""
    space.start()
    space.write("hers")
    space.version("two")
    assert space.start() == [
        "~/land_cover/train.py: you edited it; the new one lies beside it as train.new.py"
    ]
    return space


# --- the rules ----------------------------------------------------------------------------------
def test_what_is_absent_is_added(space):
    assert space.start() == ["~/land_cover/train.py: added"]
    assert space.read() == "one"


def test_what_she_left_as_it_was_is_updated(space):
    space.start()
    space.version("two")
    assert space.start() == ["~/land_cover/train.py: updated"]
    assert space.read() == "two"


def test_an_older_version_that_comes_back_is_brought(space):
    space.version("two")
    space.start()
    space.version("one")
    space.start()
    assert space.read() == "one"
    assert space.files() == {FILE}


def test_what_she_edited_stays_and_the_new_version_lies_beside_it(edited):
    assert edited.read() == "hers"
    assert edited.read(BESIDE) == "two"


def test_what_she_had_before_any_template_is_hers(space):
    space.write("hers")
    space.start()
    assert (space.read(), space.read(BESIDE)) == ("hers", "one")


def test_a_beside_file_that_she_edited_is_hers_too(edited):
    edited.write("notes on two", BESIDE)
    edited.version("three")
    edited.start()
    assert edited.read(BESIDE) == "notes on two"
    assert edited.read("land_cover/train.new-2.py") == "three"
    assert edited.read() == "hers"


def test_a_beside_file_that_she_left_as_it_was_is_updated(edited):
    edited.version("three")
    edited.start()
    assert edited.read(BESIDE) == "three"
    assert edited.files() == {FILE, BESIDE}


def test_a_version_is_put_beside_once(edited):
    (edited.home / BESIDE).unlink()
    assert edited.start() == []
    edited.version("three")
    edited.start()
    edited.version("two")
    assert edited.start() == []
    assert edited.read(BESIDE) == "three"


def test_the_version_that_she_edited_is_not_put_beside_it(space):
    space.start()
    space.write("hers")
    assert space.start() == []


def test_a_new_version_that_she_put_in_place_is_kept_up_to_date(edited):
    (edited.home / BESIDE).replace(edited.home / FILE)
    assert edited.start() == []
    edited.version("three")
    assert edited.start() == ["~/land_cover/train.py: updated"]
    assert edited.files() == {FILE}


def test_an_old_version_that_she_brought_back_by_hand_is_hers(space):
    space.start()
    space.version("two")
    space.start()
    space.write("one")
    space.version("three")
    space.start()
    assert (space.read(), space.read(BESIDE)) == ("one", "three")


def test_what_she_removed_comes_back(edited):
    (edited.home / FILE).unlink()
    assert edited.start() == ["~/land_cover/train.py: added"]
    assert edited.read() == "two"


def test_what_no_template_has_any_more_stays(space):
    space.start()
    (space.source / FILE).unlink()
    assert space.start() == []
    assert space.read() == "one"


def test_her_own_files_that_look_like_ours_are_not_touched(edited):
    names = ["train.py.part", "train.py.new", "train.new-2.py", "train.new-3.py.part"]
    for name in names:
        edited.write(f"her {name}", f"land_cover/{name}")
    edited.write("hers", BESIDE)
    edited.version("three")
    edited.start()
    assert [edited.read(f"land_cover/{name}") for name in names] == [f"her {n}" for n in names]
    assert edited.read("land_cover/train.new-3.py") == "three"
    (edited.home / FILE).unlink()
    edited.start()
    assert edited.read() == "three"


def test_a_template_is_nobody_elses_beside_file(edited):
    edited.version("of its own", "land_cover/train.new-2.py")
    edited.write("hers", BESIDE)
    edited.version("three")
    edited.start()
    assert edited.read("land_cover/train.new-2.py") == "of its own"
    assert edited.read("land_cover/train.new-3.py") == "three"


def test_there_is_an_end_to_beside_files(edited):
    for number in range(1, home.BESIDE + 1):
        edited.write("hers", home.beside(FILE, number))
    edited.version("three")
    [said] = edited.start()
    assert "99 files lie beside it already" in said


def test_the_mode_that_she_gave_a_file_stays(space):
    space.start()
    (space.home / FILE).chmod(0o750)
    space.version("two")
    space.start()
    assert space.read() == "two"
    assert stat.S_IMODE((space.home / FILE).stat().st_mode) == 0o750


def test_a_second_start_writes_nothing(edited):
    def tree() -> dict[Path, tuple[int, int]]:
        return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in edited.home.rglob("*")}

    before = tree()
    assert edited.start() == []
    assert tree() == before


# --- what is in the way -------------------------------------------------------------------------
def test_a_folder_in_a_files_place_is_passed_over(space):
    space.write("hers", f"{FILE}/notes.txt")
    space.version("other", "land_cover/other.py")
    assert space.start() == [
        "~/land_cover/train.py: not brought: a folder of that name is in its place",
        "~/land_cover/other.py: added",
    ]
    assert space.read(f"{FILE}/notes.txt") == "hers"


def test_a_file_in_a_folders_place_is_said_once(space):
    space.write("hers", "land_cover")
    space.version("other", "land_cover/other.py")
    space.version("welcome", "README.md")
    assert space.start() == [
        "~/land_cover: not brought: a file is where a folder should be",
        "~/README.md: added",
    ]
    assert (space.read("land_cover"), space.read("README.md")) == ("hers", "welcome")


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_is_written_through_a_linked_folder(space, tmp_path, inside):
    target = (space.home if inside else tmp_path) / "elsewhere"
    target.mkdir()
    (space.home / "land_cover").symlink_to(target)
    assert space.start() == ["~/land_cover: not brought: a link is where a folder should be"]
    assert list(target.iterdir()) == []


def test_a_link_in_a_files_place_is_hers(space, tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("one")
    (space.home / "land_cover").mkdir()
    (space.home / FILE).symlink_to(outside)
    (space.home / BESIDE).symlink_to(tmp_path / "nowhere")
    space.version("two")
    assert "a link of that name is in its place" in space.start()[0]
    assert outside.read_text() == "one"
    assert not (tmp_path / "nowhere").exists()


def test_a_link_in_a_beside_files_place_is_hers(edited, tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("two")
    (edited.home / BESIDE).unlink()
    (edited.home / BESIDE).symlink_to(outside)
    edited.version("three")
    edited.start()
    assert outside.read_text() == "two"
    assert edited.read("land_cover/train.new-2.py") == "three"


def test_a_pipe_does_not_hold_the_start_up(space):
    (space.home / "land_cover").mkdir()
    os.mkfifo(space.home / FILE)
    (space.home / ".academy").mkdir()
    os.mkfifo(space.home / home.RECORD)
    said = space.start()
    assert "something that is no file of that name" in said[0]


def test_a_home_that_is_itself_a_link_is_a_home(space, tmp_path):
    (tmp_path / "link").symlink_to(space.home)
    home.sync(space.source, tmp_path / "link")
    assert space.read() == "one"


def test_names_in_no_encoding_are_brought(space):
    name = os.fsdecode(b"land_cover/caf\xe9.txt")
    space.version("one", name)
    space.start()
    space.version("two", name)
    space.start()
    assert space.read(name) == "two"
    assert space.start() == []


def test_a_name_that_is_too_long_for_a_beside_file_is_passed_over(space):
    name = "x" * 255
    space.version("one", name)
    space.write("hers", name)
    said = space.start()
    assert f"~/{name}: not brought: File name too long" in said
    assert space.read(name) == "hers"


def test_a_large_file_of_hers_is_not_read_at_each_start(space, monkeypatch):
    space.start()
    with (space.home / FILE).open("wb") as file:
        file.truncate(home.LARGEST + 1)
    space.version("two")
    read, asked = home._read, []
    monkeypatch.setattr(home, "_read", lambda path: asked.append(path) or read(path))
    space.start()
    assert space.source / FILE in asked
    assert space.home / FILE not in asked
    assert (space.home / FILE).stat().st_size == home.LARGEST + 1
    assert space.read(BESIDE) == "two"


def test_a_template_that_would_be_the_record_is_passed_over(space):
    space.version("{}", home.RECORD)
    [_, said] = sorted(space.start(), reverse=True)
    assert "for the record" in said
    assert "land_cover" in space.read(home.RECORD)


def test_links_among_the_templates_are_not_followed(space, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (space.source / "link").symlink_to(tmp_path / "secret")
    space.start()
    assert space.files() == {FILE}


@pytest.fixture
def as_nobody(space: Space) -> Iterator[Callable[[], list[str]]]:
    """Starts without root's right to pass over permissions."""
    root = space.home.parent
    if os.geteuid() == 0:
        for folder in (root, *root.parents[:-2]):
            folder.chmod(folder.stat().st_mode | 0o055)

    def start() -> list[str]:
        if os.geteuid() != 0:
            return space.start()
        for path in (space.home, *space.home.rglob("*")):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
        try:
            return space.start()
        finally:
            os.seteuid(0)

    yield start
    for path in space.home.rglob("*"):
        path.chmod(0o755)


def test_a_folder_that_is_read_only_is_passed_over(space, as_nobody):
    as_nobody()
    (space.home / "land_cover").chmod(0o555)
    space.version("two")
    space.version("welcome", "README.md")
    assert as_nobody() == [
        "~/README.md: added",
        "~/land_cover/train.py: not brought: Permission denied",
    ]
    (space.home / "land_cover").chmod(0o755)
    assert as_nobody() == ["~/land_cover/train.py: updated"]


def test_a_file_that_cannot_be_read_is_hers(space, as_nobody):
    as_nobody()
    space.write("hers")
    (space.home / FILE).chmod(0)
    space.version("two")
    assert as_nobody() == ["~/land_cover/train.py: not brought: Permission denied"]
    (space.home / FILE).chmod(0o644)
    assert space.read() == "hers"


# --- what comes in between ----------------------------------------------------------------------
def test_an_edit_at_the_last_moment_is_not_lost(space, monkeypatch):
    space.start()
    space.version("two")
    write = home._write

    def she_is_quicker(path: Path, content: bytes, mode: int | None) -> None:
        write(path, content, mode)
        if content == b"two":
            space.write("hers")

    monkeypatch.setattr(home, "_write", she_is_quicker)
    assert space.start() == [
        "~/land_cover/train.py: not brought: it has just changed; the next start looks again"
    ]
    assert space.read() == "hers"
    space.start()
    assert space.files() == {FILE, BESIDE}


def test_a_file_that_appears_at_the_last_moment_is_not_lost(space, monkeypatch):
    write = home._write

    def she_is_quicker(path: Path, content: bytes, mode: int | None) -> None:
        write(path, content, mode)
        if content == b"one":
            space.write("hers")

    monkeypatch.setattr(home, "_write", she_is_quicker)
    assert space.start() == ["~/land_cover/train.py: not brought: File exists"]
    assert space.files() == {FILE}
    assert space.read() == "hers"


def test_a_version_that_found_no_room_is_brought_at_the_next_start(edited, monkeypatch):
    edited.version("three")
    (edited.home / BESIDE).unlink()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        said = edited.start()
    assert said[0] == "~/land_cover/train.py: not brought: No space left on device"
    assert edited.files() == {FILE}
    edited.start()
    assert edited.read(BESIDE) == "three"


def test_a_start_that_was_killed_leaves_a_file_that_is_still_kept_up_to_date(space, monkeypatch):
    space.start()
    space.version("two")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(home, "land_on_welcome", killed)
        with pytest.raises(KeyboardInterrupt):
            space.start()
    assert space.read() == "two"
    space.version("three")
    assert space.start() == ["~/land_cover/train.py: updated"]


# --- the record ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"\xff", b'{"files": {"land_cover/train.py": 1}}', b"[" * 10**5]
)
def test_without_a_record_nothing_is_lost(edited, content):
    record = edited.home / home.RECORD
    record.unlink() if content is None else record.write_bytes(content)
    edited.version("three")
    edited.start()
    assert edited.read() == "hers"
    assert edited.read(BESIDE) == "two"
    assert edited.read("land_cover/train.new-2.py") == "three"
    assert edited.start() == []


def test_without_a_record_what_is_as_the_version_at_hand_is_ours_again(space):
    space.start()
    (space.home / home.RECORD).unlink()
    space.start()
    space.version("two")
    assert space.start() == ["~/land_cover/train.py: updated"]


def test_a_record_that_cannot_be_written_is_said(space):
    space.write("hers", ".academy")
    assert space.start() == [
        "~/land_cover/train.py: added",
        "~/.academy: not brought: a file is where a folder should be",
    ]
    assert (space.read(), space.read(".academy")) == ("one", "hers")


def test_a_linked_record_is_neither_read_nor_written(space, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    (space.home / ".academy").mkdir()
    (space.home / home.RECORD).symlink_to(other)
    assert "a link of that name is in its place" in space.start()[-1]
    assert other.read_text() == "{}"


def test_a_record_in_a_linked_folder_is_another_homes(space, tmp_path):
    """Believed, it would call her file the program's."""
    space.write("hers")
    record = {"files": {FILE: {"ours": [home._digest(b"hers")]}}}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "templates.json").write_text(json.dumps(record))
    (space.home / ".academy").symlink_to(tmp_path / "other")
    space.start()
    assert space.read() == "hers"


def test_the_flat_record_of_earlier_start_scripts_is_understood(space):
    space.write("one")
    space.write("hers", "land_cover/README.md")
    flat = {FILE: home._digest(b"one"), "land_cover/README.md": home._digest(b"old")}
    space.write(json.dumps(flat), home.RECORD)
    space.version("two")
    space.version("old", "land_cover/README.md")
    assert space.start() == ["~/land_cover/train.py: updated"]
    assert space.read("land_cover/README.md") == "hers"


# --- the welcome notebook -----------------------------------------------------------------------
LAYOUTS = "~/.jupyter/lab/workspaces/default-37a8.jupyterlab-workspace"


def test_a_first_start_lands_on_the_welcome_notebook(space):
    from jupyterlab_server.workspaces_handler import WorkspacesManager  # Takes two seconds.

    space.version("{}", "welcome.ipynb")
    assert space.start()[-1] == f"{LAYOUTS}: added"
    layout = WorkspacesManager(str(space.home / home.LAYOUT.rpartition("/")[0])).load("default")
    assert layout["metadata"]["id"] == "default"
    main = layout["data"]["layout-restorer:data"]["main"]
    assert main["current"] in main["dock"]["widgets"]
    assert layout["data"][main["current"]]["data"] == {
        "path": "welcome.ipynb",
        "factory": "Notebook",
    }


def test_a_layout_of_hers_stays(space):
    space.version("{}", "welcome.ipynb")
    space.write("hers", home.LAYOUT)
    assert [said for said in space.start() if ".jupyter" in said] == []
    assert space.read(home.LAYOUT) == "hers"


def test_without_a_welcome_notebook_there_is_nothing_to_land_on(space):
    (space.home / "welcome.ipynb").mkdir()
    assert space.start() == ["~/land_cover/train.py: added"]


# --- the command line ---------------------------------------------------------------------------
def command(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "academy.home", *map(str, arguments)],
        env={"PYTHONPATH": str(LIBRARY), "PATH": os.environ["PATH"], **options.pop("env", {})},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_the_command_says_what_it_did(space):
    run = command(space.source, "--home", space.home)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "academy: ~/land_cover/train.py: added\n"
    assert command(space.source, "--home", space.home).stdout == ""


def test_the_command_brings_to_the_home_of_who_runs_it(space):
    run = command(space.source, env={"HOME": str(space.home), "LC_ALL": "C"})
    assert run.returncode == 0
    assert space.read() == "one"


def test_the_command_shows_names_in_no_encoding(space):
    space.version("one", os.fsdecode(b"caf\xe9.txt"))
    run = command(space.source, "--home", space.home)
    assert (run.returncode, run.stderr) == (0, "")
    assert r"~/caf\udce9.txt: added" in run.stdout


def test_the_command_without_templates_says_so(space, tmp_path):
    run = command(tmp_path / "nowhere", "--home", space.home)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"academy: {tmp_path / 'nowhere'} is no folder\n"


def test_the_command_explains_itself():
    run = command("--help")
    assert run.returncode == 0
    assert "What its owner edited stays as it is" in " ".join(run.stdout.split())


def test_a_disk_that_really_takes_no_more_keeps_all_that_was_there(space):
    """As a full disk would, the kernel refuses the file half written."""
    space.start()
    space.write("hers", "notes.txt")
    space.version("two" * 10_000)
    space.version("small", "README.md")
    run = command(
        *(space.source, "--home", space.home),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert run.returncode == 0, run.stderr
    assert "train.py: not brought: File too large" in run.stdout
    assert space.files() == {FILE, "README.md", "notes.txt"}
    assert (space.read(), space.read("README.md")) == ("one", "small")


def test_it_needs_only_the_standard_library():
    code = (
        "import sys, academy.home\n"
        "top = {name.partition('.')[0] for name in sys.modules} - set(sys.builtin_module_names)\n"
        "print(sorted(top - sys.stdlib_module_names))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "['__main__', 'academy']\n"
