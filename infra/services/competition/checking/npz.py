"""Reads a hostile .npz with the standard library: arrays of uint8, each of a shape known before.

What numpy writes is a zip of ``<name>.npy`` files, each a short header and then the values:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Nothing is trusted: the
number of members is bounded before the directory is read, no two members share bytes of the file,
no member is unpacked beyond the bytes that its shape asks for, and a header is matched, never
evaluated.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO

from infra.services.competition.problems import Fault
from infra.services.competition.submission import show

Shape = tuple[int, ...]

# APPNOTE.TXT 6.3.10 of PKWARE, 4.3.16 and 4.3.15: the record at a zip file's end, and the mark of
# the larger one before it that files beyond 4 GB have.
_END, _END_BYTES = b"PK\x05\x06", 22
_LARGE_END, _LARGE_END_BYTES = b"PK\x06\x07", 20
#: A member's place in the directory: 46 bytes, its name, and a little beside it.
_PLACE_BYTES = 46 + 400
#: What stands before a member's name and data: APPNOTE.TXT, 4.3.7.
_LOCAL_BYTES = 30
_ENCRYPTED = 0x1

#: What zipfile raises for files that are not what they say; RuntimeError is for passwords, and
#: ValueError has names that are not UTF-8 below it.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)

_MAGIC = b"\x93NUMPY"
#: numpy's header of a plain array takes 128 bytes together with what stands before it.
_MAX_HEADER = 512
_HEADER = re.compile(
    rb"\{'descr': '([^'\\]{1,20})', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{0,9}(?:, ?[0-9]{1,9}){0,7}),?\),? ?\} *\n?"
)


def blocks(
    content: bytes, shapes: Mapping[str, Shape], size: int = 1 << 20
) -> Iterator[tuple[str, int, bytes]]:
    """The values of each array of `shapes`, in its order: uint8 in C order.

    They come by blocks of `size` bytes and less, each with the array's name and where in the array
    it begins: no array is ever in memory whole.

    Raises:
        Fault: at the first thing that is wrong, with the array's name.
    """
    _bounded(content, len(shapes))
    with _opened(content) as archive:
        members = _members(archive, shapes)
        _apart(members, len(content))
        for name, shape in shapes.items():
            for at, block in _array(archive, members[name], name, shape, size):
                yield name, at, block


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _UNREADABLE as error:
        raise Fault(f"The file is no .npz: {_words(error)}.") from None


def _words(error: Exception) -> str:
    return show(str(error))


def _bounded(content: bytes, members: int) -> None:
    """A directory of a million names must not be read to find that it is too long."""
    if not content:
        raise Fault("The file is empty.")
    end = content[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or end[-2:] != b"\0\0":
        if not content.startswith(b"PK"):
            raise Fault(
                "The file is no .npz (a zip of .npy files), which np.savez_compressed(path, "
                "**predictions) writes, and no run lengths either (a CSV with the columns "
                "row_id,rle)."
            )
        raise Fault("The file is no whole .npz: its end is missing, or something follows it.")
    before = content[-_END_BYTES - _LARGE_END_BYTES : -_END_BYTES]
    if before.startswith(_LARGE_END):
        raise Fault("The file is a zip of the large kind (zip64), which .npz of this size are not.")
    count = int.from_bytes(end[10:12], "little")
    size = int.from_bytes(end[12:16], "little")
    # Four times as many may be named, one by one, as wrong; more are not worth a look.
    if count > 4 * members + 16 or size > (4 * members + 16) * _PLACE_BYTES:
        raise Fault(f"The file has {count:,} members or more; expected {members}, one a scene.")


def _members(archive: zipfile.ZipFile, shapes: Mapping[str, Shape]) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name not in shapes or name == member.filename:
            raise Fault(
                f"The file has a member {show(member.filename)}; expected <scene>.npy for the "
                f"{len(shapes)} held-out scenes, {next(iter(shapes))}.npy and so on."
            )
        if name in found:
            raise Fault(f"Scene {name} is in the file twice.")
        found[name] = member
    missing = [name for name in shapes if name not in found]
    if missing:
        raise Fault(
            f"{len(missing)} of {len(shapes)} scenes are missing; the first is {missing[0]}."
        )
    return found


def _apart(members: Mapping[str, zipfile.ZipInfo], end: int) -> None:
    """Members lie one after the other, so that to unpack them all reads the file once at most.

    Blocks of deflate may hold no value at all, and members that share millions of them would each
    take the time of the whole file. Python itself looks for it from 3.11.8 on.
    """
    for name, member in sorted(members.items(), key=lambda each: -each[1].header_offset):
        if member.header_offset + _LOCAL_BYTES + member.compress_size > end:
            raise Fault(
                f"Scene {name} cannot be unpacked: its {member.compress_size:,} bytes reach into "
                "the next member or beyond the file; write it with np.savez_compressed."
            )
        end = member.header_offset


def _array(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, shape: Shape, most: int
) -> Iterator[tuple[int, bytes]]:
    if member.flag_bits & _ENCRYPTED:
        raise Fault(f"Scene {name} is encrypted.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Fault(f"Scene {name} is compressed in a way that numpy does not write.")
    size = math.prod(shape)
    with contextlib.ExitStack() as opened:
        with _unpacking(name):
            file = opened.enter_context(archive.open(member))
            _header(file, name, shape)
        at = 0
        while at < size:
            with _unpacking(name):
                block = file.read(min(most, size - at))
            if not block:
                raise Fault(f"Scene {name} has fewer values than its shape {shape} says.")
            yield at, block
            at += len(block)
        # At the end zipfile compares the checksum.
        with _unpacking(name):
            beyond = file.read(1)
        if beyond:
            raise Fault(f"Scene {name} has more values than its shape {shape} says.")


@contextlib.contextmanager
def _unpacking(name: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise Fault(f"Scene {name} cannot be unpacked: {_words(error)}.") from None


def _header(file: IO[bytes], name: str, shape: Shape) -> None:
    """Reads up to the first value, if what follows is of the right type and shape."""
    start = _exactly(file, 8)
    if not start or not start.startswith(_MAGIC):
        raise Fault(f"Scene {name} is no .npy array.")
    wide = 2 if start[6] == 1 else 4
    length = int.from_bytes(_exactly(file, wide), "little")
    text = _exactly(file, length) if length <= _MAX_HEADER else b""
    match = _HEADER.fullmatch(text)
    if start[6] not in (1, 2, 3) or not match:
        raise Fault(f"Scene {name} is no plain array of numbers: its header cannot be read.")
    kind = match[1].decode("ascii", "replace")
    given = tuple(int(length) for length in match[3].split(b",") if length.strip())
    if kind not in ("|u1", "u1"):
        raise Fault(
            f"Scene {name} has the type {show(kind)}; expected uint8 ('|u1'), which "
            ".astype('uint8') makes of whole numbers."
        )
    if given != shape:
        raise Fault(
            f"Scene {name} has the shape {given}; expected {shape}, the scene's label grid, not "
            "its pixels."
        )
    if match[2] == b"True" and len(shape) > 1:
        raise Fault(
            f"Scene {name} is stored by columns (Fortran order); np.ascontiguousarray stores it "
            "by rows."
        )


def _exactly(file: IO[bytes], count: int) -> bytes:
    """The next `count` bytes; none if there are fewer."""
    found = file.read(count)
    return found if len(found) == count else b""
