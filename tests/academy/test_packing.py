"""Source archives: what goes in, what stays behind, and what is never unpacked."""

from __future__ import annotations

import io
import tarfile

import pytest
from academy import packing
from academy.errors import SourceError

from tests.academy.fake_academy import tar_of


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "parts").mkdir(parents=True)
    (folder / "train.py").write_text("print(1)")
    (folder / "parts" / "net.py").write_text("x = 1")
    return folder


def test_what_is_packed_unpacks_to_the_same_files(source, tmp_path):
    packed = packing.pack(source, "train.py")
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(packed.content)
    packing.unpack(archive, tmp_path / "out")
    assert sorted(packed.files) == ["parts/net.py", "train.py"]
    assert (tmp_path / "out/parts/net.py").read_text() == "x = 1"


def test_the_same_files_give_the_same_bytes(source):
    first = packing.pack(source, "train.py").content
    (source / "train.py").touch()
    assert packing.pack(source, "train.py").content == first


def test_caches_notebooks_and_version_control_stay_behind(source):
    for name in (".git/config", ".ipynb_checkpoints/a.py", "__pycache__/a.pyc", "venv/x.py"):
        (source / name).parent.mkdir()
        (source / name).write_text("x")
    (source / "notes.ipynb").write_text("{}")
    assert sorted(packing.pack(source, "train.py").files) == ["parts/net.py", "train.py"]


def test_large_files_and_links_stay_behind_and_are_named(source, tmp_path):
    with (source / "data.bin").open("wb") as file:
        file.truncate(packing.MAX_FILE_BYTES + 1)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (source / "link.txt").symlink_to(secret)
    (source / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    packed = packing.pack(source, "train.py")
    assert sorted(packed.files) == ["parts/net.py", "train.py"]
    told = "; ".join(packed.left_behind)
    assert "data.bin (10 MB; files above 10 MB stay behind)" in told
    assert "link.txt (a link" in told
    assert "elsewhere (a link)" in told


def test_too_much_is_refused_with_advice(source, monkeypatch):
    monkeypatch.setattr(packing, "MAX_TOTAL_BYTES", 5)
    with pytest.raises(SourceError, match="a folder of its own"):
        packing.pack(source, "train.py")


def test_a_script_that_is_not_there_is_named(source):
    with pytest.raises(SourceError, match=r"There is no other\.py"):
        packing.pack(source, "other.py")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        archive.addfile(entry)
    return packed.getvalue()


HOSTILE = {
    "climbs out": tar_of({"../evil.txt": b"x"}),
    "climbs out from inside": tar_of({"a/../../evil.txt": b"x"}),
    "link out": member("link", tarfile.SYMTYPE, "../../evil.txt"),
    "absolute link": member("link", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link out": member("link", tarfile.LNKTYPE, "../evil.txt"),
    "device": member("null", tarfile.CHRTYPE),
    "pipe": member("pipe", tarfile.FIFOTYPE),
    "no archive": b"hello",
    "cut off": tar_of({"a": b"x" * 100_000})[:60],
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_leaves_nothing(content, tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.tar\.gz"):
        packing.unpack(tmp_path / "a.tar.gz", room / "out")
    assert list(room.iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


def test_an_absolute_name_stays_inside(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar_of({"/etc/evil.txt": b"x"}))
    packing.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/etc/evil.txt").read_bytes() == b"x"


def test_a_bomb_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar_of({"zeros": bytes(1_000_000)}))
    with pytest.raises(SourceError, match="unpacks to too much"):
        packing.unpack(tmp_path / "a.tar.gz", tmp_path / "out", limit=10_000)
    assert not (tmp_path / "out").exists()
