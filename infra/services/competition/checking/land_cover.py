"""Reads maps of land cover, hostile until checked: .npz, or run lengths as Kaggle has them.

A submission has a class for every label cell of every held-out scene. Its canonical form is the
maps one after the other in the task's order, a byte a cell, by rows, in one zlib stream. Neither
the file's maps nor the canonical form are ever in memory unpacked: 10^8 cells pass by blocks.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.services.competition.checking import npz, rle
from infra.services.competition.checking.canonical import Body, Content
from infra.services.competition.problems import Fault, Misconfigured

#: In the order of their numbers, which is part of the project and of every map.
CLASSES = (
    "closed forest",
    "open forest",
    "shrub",
    "herbaceous",
    "crops",
    "urban",
    "bare",
    "water",
    "wetland",
)
TASK = "task.json"

#: A submission of more is refused.
MAX_BYTES = 64_000_000
#: Label cells of all held-out scenes: so many fit into `MAX_BYTES` even where nothing can be
#: compressed (nine classes at random are 3.2 bits a cell, 40 MB), and are counted in seconds.
MAX_CELLS = 100_000_000
MAX_SCENES = 500
#: Cells that are looked at at once.
BLOCK = 1 << 20

_COUNT = len(CLASSES)
_VALID = bytes(range(_COUNT))
#: 1 where a byte is no class.
_WRONG = bytes(value >= _COUNT for value in range(256))

Shapes = Mapping[str, tuple[int, int]]


def shapes_of(task: bytes) -> dict[str, tuple[int, int]]:
    """The held-out scenes of the published task, and the shape (rows, columns) of each.

    Raises:
        Misconfigured: if it cannot be used.
    """
    try:
        document: Any = json.loads(task)
        if tuple(document["classes"]) != CLASSES:
            raise ValueError(f"classes {document['classes']}")
        return _shapes(list(document["held_out"].items()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured(f"the published task of land-cover: {error!r}") from None


def scenes_of(members: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """The scenes of a checked submission, in the order of its body.

    Raises:
        Misconfigured: if its header does not say them.
    """
    try:
        return _shapes(members["scenes"])
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"a checked map's header: {error!r}") from None


def _shapes(given: Sequence[Any]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, (rows, columns) in given:
        if not isinstance(name, str) or type(rows) is not int or type(columns) is not int:
            raise TypeError(f"scene {name!r:.40} with {rows!r:.40}, {columns!r:.40}")
        if name in found or rows < 1 or columns < 1:
            raise ValueError(f"scene {name:.40} with {rows} x {columns}")
        found[name] = (rows, columns)
    cells = sum(map(math.prod, found.values()))
    if not 1 <= len(found) <= MAX_SCENES or cells > MAX_CELLS:
        raise ValueError(f"{len(found)} scenes with {cells} cells")
    return found


def check(content: bytes, task: bytes) -> Content:
    """The maps in canonical form.

    Raises:
        Fault: at the first thing that is wrong, with scene, row and column.
        Misconfigured: if the task cannot be used.
    """
    shapes = shapes_of(task)
    packer, packed = zlib.compressobj(1), bytearray()
    digest = hashlib.sha256(json.dumps(["land-cover", list(shapes.items())]).encode())
    for _, block in maps(content, shapes):
        digest.update(block)
        packed += packer.compress(block)
    packed += packer.flush()
    members = {"scenes": [[name, list(shape)] for name, shape in shapes.items()]}
    return Content(digest.hexdigest(), members, bytes(packed))


def maps(content: bytes, shapes: Shapes) -> Iterator[tuple[str, bytes]]:
    """Each scene's map by blocks, all of them classes, in the order of `shapes`.

    Raises:
        Fault: at the first thing that is wrong.
    """
    if len(content) > MAX_BYTES:
        raise Fault(f"The file is larger than {MAX_BYTES:,} bytes.")
    if rle.begins(content):
        yield from rle.blocks(content, {n: math.prod(s) for n, s in shapes.items()}, _COUNT, BLOCK)
        return
    for name, start, block in npz.blocks(content, shapes, BLOCK):
        if block.translate(None, _VALID):
            at = block.translate(_WRONG).index(1)
            row, column = divmod(start + at, shapes[name][1])
            raise Fault(
                f"Scene {name} has {block[at]} at row {row}, column {column}; classes are 0 to "
                f"{_COUNT - 1}, in every cell."
            )
        yield name, block


def unpacked(body: Body) -> Iterator[bytes]:
    """A canonical body's cells by blocks, one after the other.

    Raises:
        Misconfigured: if it is none.
    """
    unpacker = zlib.decompressobj()
    try:
        while not unpacker.eof:
            more = unpacker.unconsumed_tail or body.read(1 << 18)
            if not more:
                raise Misconfigured("a checked map ends before its end")
            block = unpacker.decompress(more, BLOCK)
            if block:
                yield block
    except zlib.error as error:
        raise Misconfigured(f"a checked map cannot be unpacked: {error}") from None
    if unpacker.unused_data or body.read(1):
        raise Misconfigured("a checked map has more than a map")
