"""The project land-cover: hostile .npz files, exact counts, and scores from checked maps."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import io
import json
import struct
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from academy.land_cover import classes, metrics
from academy.land_cover.metrics import SceneConfusions
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.services.competition import board, checking, projects
from infra.services.competition.board import TeamLine
from infra.services.competition.checking import npz
from infra.services.competition.checking.land_cover import MAX_BYTES, maps
from infra.services.competition.problems import Fault, Misconfigured
from infra.services.competition.projects import land_cover
from infra.services.competition.projects.land_cover import (
    CLASSES,
    Answers,
    LandCover,
    confusion,
    f1_of_classes,
    macro_f1,
    pooled,
)
from infra.services.competition.projects.project import Result

AT = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
GENERATOR = np.random.default_rng(5)
SHAPES = {
    "held-out-01": (7, 5),
    "held-out-02": (4, 9),
    "held-out-03": (6, 6),
    "held-out-04": (3, 3),
}
PARTS = dict(zip(SHAPES, ("public", "private", "private", "public"), strict=True))
LABELS = {
    name: GENERATOR.choice([*range(9), 255], shape).astype(np.uint8)
    for name, shape in SHAPES.items()
}
LINES = [
    {"name": "floor: closed forest everywhere", "public": 0.058, "private": 0.054},
    {"name": "ceiling", "public": 0.79, "private": 0.8},
]


def document(**changes: Any) -> dict[str, Any]:
    scenes = {
        name: {
            "part": PARTS[name],
            "shape": list(labels.shape),
            "labels": base64.b64encode(zlib.compress(labels.tobytes())).decode(),
        }
        for name, labels in LABELS.items()
    }
    return {"version": 1, "classes": CLASSES, "lines": LINES, "scenes": scenes} | changes


def vault(name: str) -> bytes:
    assert name == "answers.json"
    return json.dumps(document()).encode()


ANSWERS = Answers.read(vault("answers.json"))
TASK = json.dumps({"classes": CLASSES, "held_out": SHAPES}).encode()


def guesses(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    right = {n: rng.integers(0, 9, shape, dtype=np.uint8) for n, shape in SHAPES.items()}
    return right | {name.replace("_", "-"): value for name, value in changes.items()}


def saved(arrays: dict[str, Any], save: Any = np.savez_compressed) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


RIGHT = saved(guesses())


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def zipped(
    changes: dict[str, bytes] | None = None, more: list[tuple[str, bytes]] | None = None
) -> bytes:
    """A right file with some members, by their scene, replaced, and more at its end."""
    members = {f"{name}.npy": npy(array) for name, array in guesses().items()}
    members |= {f"{name}.npy": content for name, content in (changes or {}).items()}
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in [*members.items(), *(more or [])]:
            archive.writestr(name, content)
    return file.getvalue()


def read(content: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, block in maps(content, SHAPES):
        found[name] = found.get(name, b"") + block
    return found


def scored(content: bytes) -> Result:
    checked = checking.check("land-cover", "x", content, TASK)
    return LandCover().score(checked.members, checked.stream(), vault)


# --- the file -------------------------------------------------------------------------------------
@pytest.mark.parametrize("save", [np.savez_compressed, np.savez])
def test_what_numpy_writes_is_read(save: Any) -> None:
    found = read(saved(guesses(), save))
    assert found == {name: array.tobytes() for name, array in guesses().items()}


def test_members_may_stand_in_any_order() -> None:
    assert list(read(saved(dict(reversed(guesses().items()))))) == list(SHAPES)


def set_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def flagged(content: bytes) -> bytes:
    """The first member's directory entry says that it is encrypted."""
    at = content.index(b"PK\x01\x02")
    return set_bytes(content, at + 8, b"\1")


def with_method(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, array in guesses().items():
            archive.writestr(f"{name}.npy", npy(array))
    return file.getvalue()


def header(text: bytes, start: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    return start + struct.pack("<H", len(text)) + text + bytes(35)


def with_header(text: bytes) -> bytes:
    return zipped({"held-out-01": header(text)})


def shared() -> bytes:
    """Members of one compressed stream: what stands beside each one's name spans the next ones."""
    raw = npy(np.zeros((3, 3), np.uint8))
    pack = zlib.compressobj(wbits=-15)
    # Blocks of no values take time and give nothing.
    stream = b"\0\0\0\xff\xff" * 1000 + pack.compress(raw) + pack.flush()
    names = [f"{name}.npy".encode() for name in SHAPES]
    sizes = (0, 0x21, zlib.crc32(raw), len(stream), len(raw))
    step = 30 + len(names[0])
    local = directory = b""
    for number, name in enumerate(names):
        spanned = step * (len(names) - 1 - number)
        plain = struct.pack("<HHH", 20, 0, 8)
        start = struct.pack("<HHLLL", *sizes) + struct.pack("<H", len(name))
        directory += b"PK\1\2\x14\3" + plain + start
        directory += struct.pack("<HHHHLL", 0, 0, 0, 0, 0, step * number) + name
        local += b"PK\3\4" + plain + start + struct.pack("<H", spanned) + name
    data, count = local + stream, len(names)
    places = (0, 0, count, count, len(directory), len(data), 0)
    return data + directory + b"PK\5\6" + struct.pack("<HHHHLLH", *places)


def with_size(size: int) -> bytes:
    """Its first member says to have so many compressed bytes."""
    return set_bytes(RIGHT, RIGHT.index(b"PK\1\2") + 20, struct.pack("<L", size))


MANY = [(f"x{number}.npy", b"") for number in range(3000)]
FEW = [(f"x{number}.npy", b"") for number in range(3)]
UNFILLED = np.ones((4, 9), np.uint8)
UNFILLED[2, 4] = 255
OBJECTS = np.empty((7, 5), object)

WRONG = {
    "nothing": (b"", "The file is empty."),
    "a forecast": (b"series,step,value\nco2,1,2\n", "no .npz (a zip of .npy files)"),
    "one array alone": (npy(guesses()["held-out-01"]), "no .npz (a zip of .npy files)"),
    "a pickle": (b"\x80\x04\x95" + bytes(100), "no .npz"),
    "too large": (bytes(MAX_BYTES + 1), "larger than 64,000,000 bytes"),
    "cut short": (RIGHT[:-5], "no whole .npz"),
    "cut in the middle": (RIGHT[: len(RIGHT) // 2], "no whole .npz"),
    "only an end": (b"PK\5\6" + bytes(18), "4 of 4 scenes are missing"),
    "a comment": (RIGHT[:-2] + b"\5\0hello", "no whole .npz"),
    "the large kind": (
        RIGHT[:-22] + b"PK\6\7" + bytes(16) + RIGHT[-22:],
        "the large kind (zip64)",
    ),
    "its directory elsewhere": (
        set_bytes(RIGHT, len(RIGHT) - 6, b"\xff" * 4),
        "cannot be unpacked",
    ),
    "a directory of nonsense": (
        set_bytes(RIGHT, RIGHT.index(b"PK\1\2"), b"XXXX"),
        "The file is no .npz",
    ),
    "thousands of members": (zipped(more=MANY), "3,004 members or more; expected 4"),
    "a few more members": (zipped(more=FEW), "a member 'x0.npy'; expected <scene>.npy"),
    "a nested path": (
        zipped(more=[("maps/held-out-01.npy", b"")]),
        "a member 'maps/held-out-01.npy'",
    ),
    "a way out": (zipped(more=[("../../etc/passwd", b"")]), "a member '../../etc/passwd'"),
    "a folder": (zipped(more=[("held-out-01/", b"")]), "a member 'held-out-01/'"),
    "no ending": (zipped(more=[("held-out-01", b"")]), "a member 'held-out-01';"),
    "markup": (zipped(more=[("<b>\n.npy", b"")]), r"a member '<b>\n.npy'"),
    "no English": (zipped(more=[("naïve😀.npy", b"")]), r"a member 'na\xefve\U0001f600.npy'"),
    "a scene twice": (
        zipped(more=[("held-out-01.npy", npy(guesses()["held-out-01"]))]),
        "Scene held-out-01 is in the file twice.",
    ),
    "scenes missing": (
        saved({"held-out-01": guesses()["held-out-01"]}),
        "3 of 4 scenes are missing; the first is held-out-02.",
    ),
    "encrypted": (flagged(RIGHT), "Scene held-out-01 is encrypted."),
    "bzip2": (with_method(zipfile.ZIP_BZIP2), "compressed in a way that numpy does not write"),
    "lzma": (with_method(zipfile.ZIP_LZMA), "compressed in a way that numpy does not write"),
    "members that share bytes": (shared(), "reach into the next member or beyond the file"),
    "more bytes than are between members": (with_size(400), "its 400 bytes reach into the next"),
    "more bytes than the file": (with_size(2_000_000_000), "Scene held-out-01 cannot be unpacked"),
    "content damaged": (
        set_bytes(RIGHT, RIGHT.index(b"held-out-01.npy") + 80, bytes(30)),
        "Scene held-out-01 cannot be unpacked",
    ),
    "no array": (zipped({"held-out-01": b"hello world, hello"}), "is no .npy array"),
    "an empty member": (zipped({"held-out-01": b""}), "Scene held-out-01 is no .npy array."),
    "an array's beginning": (zipped({"held-out-01": b"\x93NUMPY\1"}), "is no .npy array"),
    "pickled objects": (
        zipped({"held-out-01": npy(OBJECTS, allow_pickle=True)}),
        "has the type '|O'; expected uint8",
    ),
    "a record type": (
        zipped({"held-out-01": npy(np.zeros((7, 5), [("a", "u1")]))}),
        "no plain array of numbers",
    ),
    "floats": (saved(guesses(held_out_01=np.zeros((7, 5)))), "has the type '<f8'"),
    "wide integers": (saved(guesses(held_out_01=np.zeros((7, 5), int))), "has the type '<i8'"),
    "big-endian": (saved(guesses(held_out_01=np.zeros((7, 5), ">u2"))), "has the type '>u2'"),
    "signed": (saved(guesses(held_out_01=np.zeros((7, 5), np.int8))), "has the type '|i1'"),
    "truth values": (saved(guesses(held_out_01=np.zeros((7, 5), bool))), "has the type '|b1'"),
    "columns first": (
        saved(guesses(held_out_01=np.asfortranarray(guesses()["held-out-01"]))),
        "stored by columns (Fortran order); np.ascontiguousarray",
    ),
    "transposed": (
        saved(guesses(held_out_01=np.zeros((5, 7), np.uint8))),
        "Scene held-out-01 has the shape (5, 7); expected (7, 5), the scene's label grid",
    ),
    "pixels": (saved(guesses(held_out_02=np.zeros((20, 45), np.uint8))), "not its pixels"),
    "flat": (saved(guesses(held_out_01=np.zeros(35, np.uint8))), "has the shape (35,)"),
    "a number": (saved(guesses(held_out_01=np.uint8(3))), "has the shape ()"),
    "a header of code": (
        with_header(b"{'descr': __import__('os').system('x'), 'shape': (7, 5), }\n"),
        "its header cannot be read",
    ),
    "a deep header": (with_header(b"(" * 60_000), "its header cannot be read"),
    "a header of nonsense": (with_header(b"\xff" * 100), "its header cannot be read"),
    "a shape of a thousand digits": (
        with_header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (" + b"9" * 300 + b",), }"),
        "its header cannot be read",
    ),
    "a version to come": (
        zipped({"held-out-01": b"\x93NUMPY\x09\x00" + npy(guesses()["held-out-01"])[8:]}),
        "its header cannot be read",
    ),
    "values missing": (
        zipped({"held-out-03": npy(guesses()["held-out-03"])[:-1]}),
        "Scene held-out-03 has fewer values than its shape (6, 6) says.",
    ),
    "values beside": (
        zipped({"held-out-03": npy(guesses()["held-out-03"]) + b"\1"}),
        "Scene held-out-03 has more values than its shape (6, 6) says.",
    ),
    "a cell unfilled": (
        saved(
            guesses(held_out_02=np.where(np.arange(36).reshape(4, 9) == 22, 255, 1).astype("u1"))
        ),
        "Scene held-out-02 has 255 at row 2, column 4; classes are 0 to 8, in every cell.",
    ),
    "a tenth class": (
        saved(guesses(held_out_04=np.full((3, 3), 9, np.uint8))),
        "Scene held-out-04 has 9 at row 0, column 0; classes are 0 to 8",
    ),
}


@pytest.mark.parametrize(("content", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_the_place(content: bytes, words: str) -> None:
    with pytest.raises(Fault) as fault:
        read(content)
    assert words in str(fault.value)
    assert len(str(fault.value)) < 300
    assert str(fault.value).isascii()


def test_a_bomb_is_not_unpacked_beyond_its_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = npy(np.zeros((7, 5), np.uint8)) + bytes(20_000_000)
    content = zipped({"held-out-01": bomb})
    assert len(content) < 30_000
    unpacked = 0
    original = zipfile.ZipExtFile.read

    def counted(self: Any, n: int | None = -1) -> bytes:
        nonlocal unpacked
        found = original(self, n)
        unpacked += len(found)
        return found

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    with pytest.raises(Fault, match="more values"):
        read(content)
    assert unpacked < 1000


def test_of_members_that_share_bytes_none_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = shared()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # It is well formed but for that: together they are larger than the file.
        assert sum(member.compress_size for member in archive.infolist()) > 3 * len(content)

    def opened(*_: Any) -> None:
        raise AssertionError("a member was opened")

    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    with pytest.raises(Fault, match="reach into the next member"):
        read(content)


def test_a_directory_of_a_hundred_thousand_names_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = zipped(more=[(f"{number}.npy", b"") for number in range(2000)])
    # Its end says that there are few members; the directory's size gives it away.
    lying = set_bytes(content, len(content) - 14, struct.pack("<HH", 4, 4))

    def opened(*_: Any) -> None:
        raise AssertionError("the directory was read")

    monkeypatch.setattr(npz, "_opened", opened)
    for each in (content, lying):
        with pytest.raises(Fault, match="members or more"):
            read(each)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(RIGHT) - 1), st.binary(min_size=1, max_size=12))
@example(RIGHT.index(b"PK\1\2") + 28, b"\xff\xff")
@example(RIGHT.index(b"PK\1\2") + 24, b"\xff\xff\xff\x7f")
def test_no_damage_takes_the_scorer_down(at: int, new: bytes) -> None:
    damaged = set_bytes(RIGHT, at, new)
    # What the damage did not touch, such as a date, may be read; nothing else may be raised.
    with contextlib.suppress(Fault):
        assert read(damaged) == read(RIGHT)


@given(st.binary(max_size=400))
def test_no_noise_takes_the_scorer_down(content: bytes) -> None:
    for start in (b"", b"PK\3\4", RIGHT[:200]):
        for end in (b"", RIGHT[-22:]):
            with pytest.raises(Fault):
                read(start + content + end)


# --- the metric -----------------------------------------------------------------------------------
def test_the_scorer_and_the_library_mean_the_same_classes_and_limits() -> None:
    from academy.land_cover import submission

    assert classes.NAMES == CLASSES
    assert classes.IGNORE == land_cover.IGNORE
    assert submission.MAX_BYTES == MAX_BYTES


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_counts_and_scores_equal_the_librarys(cells: int, seed: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice([*range(kinds), 255], cells).astype(np.uint8)
    guess = rng.integers(0, 9, cells, dtype=np.uint8)
    counts = confusion(labels.tobytes(), guess.tobytes())
    np.testing.assert_array_equal(counts, metrics.confusion(labels, guess, 9))
    expected = metrics.scores(counts)
    assert f1_of_classes(counts) == tuple(expected.f1)
    assert macro_f1(counts) == pytest.approx(expected.macro_f1, rel=1e-14)


def test_a_map_of_a_million_cells_is_counted_exactly() -> None:
    rng = np.random.default_rng(1)
    labels = rng.choice([0, 8, 255], 1_000_000, p=[0.9, 0.05, 0.05]).astype(np.uint8)
    guess = rng.integers(0, 9, labels.shape, dtype=np.uint8)
    counts = confusion(labels.tobytes(), guess.tobytes())
    np.testing.assert_array_equal(counts, metrics.confusion(labels, guess, 9))


def test_a_class_that_is_nowhere_counts_as_zero() -> None:
    assert macro_f1(confusion(bytes(10), bytes(10))) == pytest.approx(1 / 9)
    assert macro_f1(pooled([])) == 0


def test_scores_are_pooled_over_the_scenes_of_each_part() -> None:
    result = scored(RIGHT)
    every = SceneConfusions(CLASSES)
    for name, labels in LABELS.items():
        every.add(name, labels, guesses()[name])
    for part, score in (("public", result.public), ("private", result.private)):
        expected = every.scores([name for name in SHAPES if PARTS[name] == part])
        assert score == pytest.approx(expected.macro_f1, rel=1e-14)
    public = every.scores([name for name in SHAPES if PARTS[name] == "public"])
    assert list(result.classes.values()) == public.f1.tolist()


def test_a_perfect_map_scores_one_if_every_class_is_there() -> None:
    labels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert macro_f1(confusion(labels.tobytes(), labels.tobytes())) == 1


def test_each_scenes_counts_are_kept_as_the_library_reads_them() -> None:
    result = scored(RIGHT)
    kept = SceneConfusions.from_json(zlib.decompress(result.record).decode())
    assert kept.scenes == tuple(SHAPES)
    for name, labels in LABELS.items():
        expected = metrics.confusion(labels, guesses()[name], 9)
        np.testing.assert_array_equal(kept.of(name), expected)


@pytest.mark.parametrize("part", land_cover.PARTS)
def test_the_scenes_of_a_part_add_up_to_its_score(part: Any) -> None:
    result, project = scored(RIGHT), LandCover()
    units = project.units(result.record, part)
    assert set(units) == {name for name in SHAPES if PARTS[name] == part}
    sums = [sum(column) for column in zip(*units.values(), strict=True)]
    assert project.score_of(sums) == getattr(result, part)
    if part == "public":
        assert project.classes_of(sums) == result.classes


def test_a_record_from_before_parts_were_kept_says_nothing_of_scenes() -> None:
    document = json.loads(zlib.decompress(scored(RIGHT).record))
    del document["parts"]
    assert LandCover().units(zlib.compress(json.dumps(document).encode()), "public") == {}
    assert LandCover().units(b"", "public") == {}


def test_a_line_may_say_what_it_has_on_each_scene() -> None:
    units = {"held-out-01": list(range(18))}
    found = Answers.read(json.dumps(document(lines=[LINES[0] | {"units": units}])).encode())
    assert found.lines[0].units == {"held-out-01": tuple(range(18))}
    assert (found.lines[0].private, found.lines[0].private_units) == (0.054, {})


# --- the answers ----------------------------------------------------------------------------------
def changed(**change: Any) -> dict[str, Any]:
    whole = document()
    whole["scenes"]["held-out-01"] |= change
    return whole


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([], "held-out answers"),
        (document(version=2), "version 2"),
        (document(classes=["forest"]), "classes"),
        (document(lines=[{"name": "x"}]), "public"),
        (document(lines=[{"name": "x", "public": 1.5}]), "line x"),
        (document(lines=[LINES[0] | {"units": {"a": [1] * 17}}]), "units"),
        (document(lines=[LINES[0] | {"units": {"a": [-1] * 18}}]), "units"),
        (document(lines=[LINES[0] | {"private_units": {"a": [1] * 17}}]), "private_units"),
        (document(lines=[LINES[0] | {"private": 1.5}]), "line floor"),
        (document(scenes={}), "parts are"),
        ({**document(), "scenes": {"a": document()["scenes"]["held-out-01"]}}, "parts are"),
        (changed(part="secret"), "held-out-01"),
        (changed(shape=[7, 6]), "35 labels for \\(7, 6\\) cells"),
        (changed(shape=[10**9, 10**9]), "held-out-01"),
        (changed(shape=[7, 4]), "more labels"),
        (changed(labels=4), "no text"),
        (changed(labels="!"), "held-out answers"),
        (changed(labels=base64.b64encode(b"no").decode()), "held-out answers"),
        (changed(labels=base64.b64encode(zlib.compress(bytes([9] * 35))).decode()), "no class"),
    ],
)
def test_answers_that_cannot_score_are_a_fault_of_the_deployment(answers: Any, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        every_label(json.dumps(answers).encode())


def every_label(content: bytes) -> list[bytes]:
    return [scene.labels for scene in Answers.read(content).scenes.values()]


def test_answers_that_are_not_json_are_a_fault_of_the_deployment() -> None:
    with pytest.raises(Misconfigured):
        Answers.read(b"\xff")


# --- the board ------------------------------------------------------------------------------------
def test_equal_scores_share_a_rank_on_a_board_where_more_is_better() -> None:
    rules = board.Rules("macro-F1", "higher", "", "scenes", ())
    lines = [
        TeamLine("owl", 0.41, AT, "", 1, 1),
        TeamLine("kite", 0.50001, AT, "", 1, 1),
        TeamLine("jay", 0.5, AT - dt.timedelta(hours=1), "", 1, 1),
    ]
    places = [
        (e["rank"], e["team"]) for e in board.document("land-cover", rules, lines, AT)["entries"]
    ]
    assert places == [(1, "jay"), (1, "kite"), (3, "owl")]


def test_every_project_of_a_cohort_file_has_a_scorer() -> None:
    from infra.cohort.model import PROJECTS

    for name in PROJECTS:
        assert projects.of(name).better in ("higher", "lower")
    with pytest.raises(Misconfigured, match="poetry"):
        projects.of("poetry")


def test_of_a_submission_to_no_project_little_is_read() -> None:
    assert checking.max_bytes("poetry", "x.npz") == 1000
    assert checking.max_bytes("land-cover", "x.npz") == MAX_BYTES
    assert checking.max_bytes("land-cover", "x.selection.json") == 10_000
