"""The project land-cover: reads maps, hostile until checked, and scores them.

A submission is an .npz with a class for every label cell of every held-out scene. The score is
macro-F1: the mean over the nine classes of F1 = 2 TP / (2 TP + FP + FN), where TP, FP and FN are
counted over the cells of all scenes of a part together; a class of which there is nothing and that
is shown nowhere has 0. Cells without a label do not count.

Lambda has no numpy. A map of 100 m cells has so few that the standard library counts them: both
classes of a cell go into one byte, and `collections.Counter` counts bytes in C.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects import npz
from infra.services.competition.projects.project import Answers as VaultAnswers
from infra.services.competition.projects.project import Better, Line, Part, Result, Units

METRIC = "macro-F1 over nine classes, pooled over scenes, on label cells"
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
IGNORE = 255
PARTS = ("public", "private")
ANSWERS = "answers.json"
VERSION = 1

#: A submission of more is refused.
MAX_BYTES = 10_000_000
#: Label cells of all held-out scenes: so many fit into `MAX_BYTES` even where nothing can be
#: compressed, and are counted in seconds on a function of 256 MB.
MAX_CELLS = 8_000_000
MAX_SCENES = 500

_COUNT = len(CLASSES)
_VALID = bytes(range(_COUNT))
#: 1 where a byte is no class.
_WRONG = bytes(value >= _COUNT for value in range(256))
#: A truth that is not scored becomes 15, which is no class in four bits.
_FOUR_BITS = bytes(value if value < _COUNT else 15 for value in range(256))

#: Cells by true class (rows) and given class (columns).
Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Scene:
    """A held-out scene: its part, the shape of its label grid, and its labels, by rows."""

    part: str
    shape: tuple[int, int]
    labels: bytes


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
                raise ValueError(f"version {document['version']}, this code reads {VERSION}")
            if tuple(document["classes"]) != CLASSES:
                raise ValueError(f"classes {document['classes']}")
            scenes = {name: _scene(name, given) for name, given in document["scenes"].items()}
            lines = tuple(_line(line) for line in document["lines"])
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise Misconfigured(f"the held-out answers, {ANSWERS}: {error!r}") from None
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
        raise ValueError(f"{name}: shape {rows} x {columns}, part {part}")
    unpacker = zlib.decompressobj()
    labels = unpacker.decompress(base64.b64decode(given["labels"], validate=True), MAX_CELLS + 1)
    if len(labels) != rows * columns:
        raise ValueError(f"{name}: {len(labels)} labels for {rows} x {columns} cells")
    if labels.translate(None, _VALID + bytes([IGNORE])):
        raise ValueError(f"{name}: a label is no class")
    return Scene(part, (rows, columns), labels)


def _line(given: Mapping[str, Any]) -> Line:
    score = float(given["public"])
    if not 0 <= score <= 1:
        raise ValueError(f"line {given['name']}: {score}")
    units = {str(name): tuple(map(int, counts)) for name, counts in given.get("units", {}).items()}
    if any(len(counts) != 2 * _COUNT or min(counts) < 0 for counts in units.values()):
        raise ValueError(f"line {given['name']}: units")
    return Line(str(given["name"]), score, units)


def confusion(labels: bytes, prediction: bytes) -> Confusion:
    """How often each class of `labels` was given each class of `prediction`.

    Both have a byte a cell: classes from 0 to 8, and `IGNORE` where `labels` has none.
    """
    # One number as long as the map: shifted by four bits, a label and a class share a byte.
    joint = int.from_bytes(labels.translate(_FOUR_BITS), "big") << 4
    joint |= int.from_bytes(prediction, "big")
    counts = Counter(joint.to_bytes(len(labels), "big"))
    return tuple(
        tuple(counts[true << 4 | given] for given in range(_COUNT)) for true in range(_COUNT)
    )


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


def maps(content: bytes, answers: Answers) -> Iterable[tuple[str, bytes]]:
    """Each scene's map, one after the other.

    Raises:
        Fault: at the first thing that is wrong, with scene, row and column.
    """
    if len(content) > MAX_BYTES:
        raise Fault(f"The file is larger than {MAX_BYTES:,} bytes.")
    shapes = {name: scene.shape for name, scene in answers.scenes.items()}
    for name, values in npz.arrays(content, shapes):
        wrong = len(values.translate(None, _VALID))
        if wrong:
            at = values.translate(_WRONG).index(1)
            row, column = divmod(at, shapes[name][1])
            more = f" and in {wrong - 1:,} more cells" if wrong > 1 else ""
            raise Fault(
                f"Scene {name} has {values[at]} at row {row}, column {column}{more}; classes are "
                f"0 to {_COUNT - 1}, in every cell."
            )
        yield name, values


class LandCover:
    """The project as the scorer sees it."""

    metric = METRIC
    better: Better = "higher"
    max_bytes = MAX_BYTES
    hint = "1 is a map without error"
    scored_on = "scenes"
    unit = "scenes"
    classes = CLASSES
    bounds = (0.0, 1.0)

    def score(self, content: bytes, answers: VaultAnswers) -> Result:
        held_out = Answers.read(answers(ANSWERS))
        counts = {
            name: confusion(held_out.scenes[name].labels, values)
            for name, values in maps(content, held_out)
        }
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
