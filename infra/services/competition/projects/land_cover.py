"""The project land-cover: scores maps that were checked.

The score is macro-F1: the mean over the nine classes of F1 = 2 TP / (2 TP + FP + FN), where TP, FP
and FN are counted over the cells of all scenes of a part together; a class of which there is
nothing and that is shown nowhere has 0. Cells without a label do not count.

Lambda has no numpy, and the standard library counts fast enough: both classes of a cell go into one
byte, and C counts bytes. Maps and labels pass by blocks, so that 10^8 cells need little memory.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.services.competition.checking.canonical import Body
from infra.services.competition.checking.land_cover import (
    BLOCK,
    CLASSES,
    MAX_CELLS,
    MAX_SCENES,
    scenes_of,
    unpacked,
)
from infra.services.competition.problems import Misconfigured, Wrong, without_values
from infra.services.competition.projects.project import Answers as VaultAnswers
from infra.services.competition.projects.project import Better, Line, Part, Result, Scale, Units

METRIC = "macro-F1 over nine classes, pooled over scenes, on label cells"
IGNORE = 255
PARTS = ("public", "private")
ANSWERS = "answers.json"
VERSION = 1

_COUNT = len(CLASSES)
_VALID = bytes(range(_COUNT))
_LABELS = _VALID + bytes([IGNORE])
#: A truth that is not scored becomes 15, which is no class in four bits.
_FOUR_BITS = bytes(value if value < _COUNT else 15 for value in range(256))

#: For each true class, the joint bytes of the others.
_OTHERS = tuple(bytes(v for v in range(256) if v >> 4 != true) for true in range(_COUNT))
#: Characters of base64 that are unpacked at once: whole groups of four.
_PIECE = 1 << 18

#: Cells by true class (rows) and given class (columns).
Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Scene:
    """A held-out scene: its part, the shape of its label grid, and its labels as they are sealed,
    in base64 of a zlib stream."""

    part: str
    shape: tuple[int, int]
    packed: str

    @property
    def labels(self) -> bytes:
        """A byte a cell, by rows.

        Raises:
            Misconfigured: as `blocks`.
        """
        return b"".join(self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """The labels, `BLOCK` at once and less.

        Raises:
            Misconfigured: at the first thing that is wrong with them.
        """
        count, unpacker = 0, zlib.decompressobj()
        try:
            for at in range(0, len(self.packed), _PIECE):
                more = base64.b64decode(self.packed[at : at + _PIECE], validate=True)
                while more:
                    block = unpacker.decompress(more, BLOCK)
                    more = unpacker.unconsumed_tail
                    count += len(block)
                    if count > math.prod(self.shape) or unpacker.unused_data:
                        raise Wrong(f"more labels than {self.shape}")
                    if block.translate(None, _LABELS):
                        raise Wrong("a label is no class")
                    if block:
                        yield block
            if count != math.prod(self.shape) or not unpacker.eof:
                raise Wrong(f"{count} labels for {self.shape} cells")
        except (ValueError, zlib.error) as error:
            raise Misconfigured(
                f"the held-out answers, {ANSWERS}: {without_values(error)}"
            ) from None


@dataclass(frozen=True)
class Answers:
    """The held-out scenes by name, in the task's order, and the board's fixed marks."""

    scenes: Mapping[str, Scene]
    lines: tuple[Line, ...]

    @classmethod
    def read(cls, content: bytes) -> Answers:
        """The answers as `cohort publish` sealed them.

        Raises:
            Misconfigured: if they cannot be used, with the place.
        """
        try:
            document: Any = json.loads(content)
            if document["version"] != VERSION:
                raise Wrong(f"version {document['version']!r:.20}, this code reads {VERSION}")
            if tuple(document["classes"]) != CLASSES:
                raise Wrong("other classes than this code's")
            scenes = {name: _scene(name, given) for name, given in document["scenes"].items()}
            lines = tuple(_line(line) for line in document["lines"])
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise Misconfigured(
                f"the held-out answers, {ANSWERS}: {without_values(error)}"
            ) from None
        if len(scenes) > MAX_SCENES:
            raise Misconfigured(f"the held-out answers, {ANSWERS}: {len(scenes)} scenes")
        parts = {scene.part for scene in scenes.values()}
        if parts != set(PARTS):
            raise Misconfigured(f"the held-out answers, {ANSWERS}: parts are {sorted(parts)}")
        return cls(scenes, lines)


def _scene(name: str, given: Mapping[str, Any]) -> Scene:
    rows, columns = (int(length) for length in given["shape"])
    part = str(given["part"])
    if rows < 1 or columns < 1 or rows * columns > MAX_CELLS or part not in PARTS:
        raise Wrong(f"{name}: its shape or its part")
    if not isinstance(given["labels"], str):
        raise Wrong(f"{name}: labels are no text")
    return Scene(part, (rows, columns), given["labels"])


def _line(given: Mapping[str, Any]) -> Line:
    public = float(given["public"])
    private = None if given.get("private") is None else float(given["private"])
    if not all(0 <= score <= 1 for score in (public, private or 0)):
        raise Wrong(f"line {given['name']}: a score is not from 0 to 1")
    units, private_units = (_units(given, name) for name in ("units", "private_units"))
    return Line(str(given["name"]), public, units, private, private_units)


def _units(given: Mapping[str, Any], member: str) -> Units:
    units = {str(name): tuple(map(int, counts)) for name, counts in given.get(member, {}).items()}
    if any(len(counts) != 2 * _COUNT or min(counts) < 0 for counts in units.values()):
        raise Wrong(f"line {given['name']}: {member}")
    return units


class Counts:
    """How often each true class was given each class, counted by blocks."""

    def __init__(self) -> None:
        self._counts = [[0] * _COUNT for _ in range(_COUNT)]

    def add(self, labels: bytes, prediction: bytes) -> None:
        """Count cells: classes from 0 to 8, and `IGNORE` where `labels` has none.

        Raises:
            Misconfigured: if a prediction is no class.
        """
        if prediction.translate(None, _VALID):
            raise Misconfigured("a checked map has a value that is no class")
        # One number as long as the block: shifted by four bits, a label and a class share a byte.
        joint = int.from_bytes(labels.translate(_FOUR_BITS), "big") << 4
        joint |= int.from_bytes(prediction, "big")
        cells = joint.to_bytes(len(labels), "big")
        for row, others in zip(self._counts, _OTHERS, strict=True):
            # Of a class that is not here, nothing is left to count.
            of_class = cells.translate(None, others)
            if of_class:
                first = of_class[0] & 0xF0
                for given in range(_COUNT):
                    row[given] += of_class.count(first | given)

    @property
    def confusion(self) -> Confusion:
        return tuple(map(tuple, self._counts))


def confusion(labels: bytes, prediction: bytes) -> Confusion:
    """How often each class of `labels` was given each class of `prediction`.

    Both have a byte a cell: classes from 0 to 8, and `IGNORE` where `labels` has none.
    """
    counts = Counts()
    counts.add(labels, prediction)
    return counts.confusion


def confusions(scenes: Mapping[str, Scene], cells: Iterator[bytes]) -> dict[str, Confusion]:
    """Each scene's confusion with its part of `cells`, which have the scenes one after another.

    Raises:
        Misconfigured: if there are more or fewer cells than labels.
    """
    found, rest = {}, b""
    for name, scene in scenes.items():
        counts = Counts()
        for labels in scene.blocks():
            while len(rest) < len(labels):
                more = next(cells, b"")
                if not more:
                    raise Misconfigured(f"a checked map ends in scene {name}")
                rest += more
            counts.add(labels, rest[: len(labels)])
            rest = rest[len(labels) :]
        found[name] = counts.confusion
    if rest or next(cells, b""):
        raise Misconfigured("a checked map has more cells than there are labels")
    return found


def pooled(confusions: Iterable[Confusion]) -> Confusion:
    """The sum, over scenes."""
    total = [[0] * _COUNT for _ in range(_COUNT)]
    for one in confusions:
        for into, row in zip(total, one, strict=True):
            for given, count in enumerate(row):
                into[given] += count
    return tuple(map(tuple, total))


def counted(counts: Confusion) -> tuple[int, ...]:
    """For each class TP, then for each class 2 TP + FP + FN: what there is of the class, and what
    was called it. Macro-F1 is a function of these, and they add up over scenes."""
    right = (counts[number][number] for number in range(_COUNT))
    whole = (sum(counts[number]) + sum(row[number] for row in counts) for number in range(_COUNT))
    return (*right, *whole)


def _f1(sums: Sequence[float]) -> list[float]:
    return [
        2 * right / whole if whole else 0.0
        for right, whole in zip(sums[:_COUNT], sums[_COUNT:], strict=True)
    ]


def f1_of_classes(counts: Confusion) -> tuple[float, ...]:
    """F1 of each class: one division of whole numbers."""
    return tuple(_f1(counted(counts)))


def macro_f1(counts: Confusion) -> float:
    """The mean F1 over the nine classes, whether or not they occur."""
    return math.fsum(f1_of_classes(counts)) / _COUNT


class LandCover:
    """The project as the scorer sees it."""

    metric = METRIC
    better: Better = "higher"
    hint = "1 is a map without error"
    scored_on = "scenes"
    unit = "scenes"
    classes = CLASSES
    bounds = (0.0, 1.0)
    scale: Scale = "difference"

    def score(self, members: Mapping[str, Any], body: Body, answers: VaultAnswers) -> Result:
        held_out = Answers.read(answers(ANSWERS))
        checked = scenes_of(members)
        if checked != {name: scene.shape for name, scene in held_out.scenes.items()}:
            raise Misconfigured(
                "the published task has other scenes than are held out; run: cohort publish"
            )
        counts = confusions({name: held_out.scenes[name] for name in checked}, unpacked(body))
        of_part = {
            part: pooled(
                counts[name] for name, scene in held_out.scenes.items() if scene.part == part
            )
            for part in PARTS
        }
        return Result(
            public=macro_f1(of_part["public"]),
            private=macro_f1(of_part["private"]),
            classes=dict(zip(CLASSES, f1_of_classes(of_part["public"]), strict=True)),
            record=record(counts, {name: scene.part for name, scene in held_out.scenes.items()}),
        )

    def units(self, record: bytes, part: Part) -> Units:
        document: Any = json.loads(zlib.decompress(record)) if record else {}
        # Records from before tell no parts.
        parts: Mapping[str, str] = document.get("parts", {})
        return {
            name: counted(counts)
            for name, counts in document.get("scenes", {}).items()
            if parts.get(name) == part
        }

    def score_of(self, sums: Sequence[float]) -> float:
        return math.fsum(_f1(sums)) / _COUNT

    def classes_of(self, sums: Sequence[float]) -> Mapping[str, float]:
        return dict(zip(CLASSES, _f1(sums), strict=True))

    def lines(self, answers: VaultAnswers) -> tuple[Line, ...]:
        return Answers.read(answers(ANSWERS)).lines


def record(counts: Mapping[str, Confusion], parts: Mapping[str, str]) -> bytes:
    """Each scene's confusion and part, packed: about 2 KB for 24 scenes.

    Unpacked it is what `academy.land_cover.metrics.SceneConfusions.from_json` reads, so that
    intervals can be drawn by resampling scenes.
    """
    document = {"classes": CLASSES, "ignore": IGNORE, "scenes": counts, "parts": parts}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
