"""Seals the land-cover project: scenes to learn from in `data`, held-out labels in the vault.

Two sources. By default all scenes are simulated: those to learn from with public seeds, those held
out with a 128-bit seed that lies in the vault alone, so that no copy of the answers exists
elsewhere. Or an admin gives a folder of real scenes (`academy.data.deafrica` makes one), from which
the key chooses what is held out; see decision 10 for what that seal is worth.

Scenes are made in processes, one at a time in each, and staged on disk: memory does not grow with
their number.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import multiprocessing
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from academy.data.simulator import sealing
from academy.data.simulator.label_noise import cell_majority
from academy.data.simulator.simulating import settings_of, simulate
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.metrics import SceneConfusions
from academy.land_cover.scene import Scene, SceneError, read_scenes

from infra.publishing.keys import KeyKind, SealingError, fingerprint
from infra.services.competition.checking.land_cover import MAX_CELLS, MAX_SCENES
from infra.services.competition.projects import land_cover as scorer

PROJECT = "land-cover"
KEY = KeyKind(PROJECT, 16)
DATA = f"datasets/{PROJECT}/"
ANSWERS = f"answers/{PROJECT}/{scorer.ANSWERS}"
#: Part of what published data are known by: a change of the method must draw them anew.
VERSION = 1

#: Scenes that must be left to learn from, and of how many of these every class must be part: one
#: to learn it from, one to validate it on.
LEAST_TRAIN = 4
LEAST_TRAIN_OCCURRENCES = 2

#: What a real scene that is held out still tells about itself. Not a list of what to take away: a
#: loader that learns to write one thing more must not unseal scenes.
KEPT = ("pixel_m", "label_m", "classes", "label_shape", "looks", "dates_averaged")

#: Choices of real scenes that are tried; each takes about a millisecond.
_CHOICES = 3000
#: Of these so many after the best one so far.
_MORE_CHOICES = 200
#: As the library's task has it, and safe as a folder's name everywhere.
_SCENE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")

#: Told how many scenes are ready, of how many.
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """Which scenes are simulated, if no real ones are given."""

    preset: str = "realistic"
    size: int = 480
    train: int = 20
    held_out: int = sealing.LEAST_SCENES


@dataclass(frozen=True)
class Staged:
    """What is to be published: files by their key in the data bucket, and the vault's answers."""

    files: Mapping[str, Path]
    answers: bytes
    #: What an admin should know, a sentence each.
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """What the published data follow from; the same recipe need not be followed again."""

    source: str
    details: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        return {"version": VERSION, "source": self.source, **self.details}


def public_scenes(fraction: Decimal | float, count: int) -> int:
    """How many of `count` held-out scenes are public: as near to the fraction as sealing allows.

    Every class must occur in `sealing.LEAST_OCCURRENCES` scenes of each part, so that no part has
    fewer scenes than that.
    """
    least = sealing.LEAST_OCCURRENCES
    return min(max(round(float(fraction) * count), least), count - least)


def _parts_remark(fraction: Decimal | float, count: int, public: int) -> str:
    wanted = round(float(fraction) * count)
    told = f"{public} of {count} held-out scenes are public"
    if public == wanted:
        return told
    return (
        f"{told}, not the {wanted} of public_fraction {fraction}: every class must occur in "
        f"{sealing.LEAST_OCCURRENCES} scenes of each part"
    )


# --- simulated ------------------------------------------------------------------------------------
def simulated_recipe(key: bytes, plan: Plan, fraction: Decimal | float) -> Recipe:
    """What simulated data follow from."""
    public = public_scenes(fraction, plan.held_out)
    return Recipe("simulator", {**asdict(plan), "public": public, "key": fingerprint(key)})


def simulated(
    key: bytes,
    scratch: Path,
    *,
    fraction: Decimal | float,
    plan: Plan | None = None,
    report: Report | None = None,
    workers: int | None = None,
) -> Staged:
    """Draws all scenes into the folder `scratch`.

    Parameters
    ----------
    key
        16 bytes that never leave the vault.
    fraction
        Share of the held-out scenes that the public board scores; see `public_scenes`.
    plan
        How many scenes of what kind.
    workers
        Processes; as many as there are cores by default.

    Raises
    ------
    SealingError
        The plan does not allow what is asked of held-out scenes.
    """
    if len(key) != KEY.size:
        raise SealingError(f"the key has {len(key)} bytes; it must have {KEY.size}")
    plan = plan or Plan()
    public = public_scenes(fraction, plan.held_out)
    seed = int.from_bytes(key, "big")
    try:
        schedule = sealing.draw_schedule(seed, plan.held_out, public, range(COUNT))
    except ValueError as error:
        raise SealingError(str(error)) from None
    wanted: list[_Train | _HeldOut] = [
        _Train(plan, number, str(scratch)) for number in range(1, plan.train + 1)
    ]
    wanted += [
        _HeldOut(plan, seed, at, part, needed, str(scratch))
        for at, (part, needed) in enumerate(schedule)
    ]
    made = _in_processes(wanted, report, workers)
    held_out = [scene for scene in made if scene.part]
    train = [scene for scene in made if not scene.part]
    lines = [_floor(train, held_out), _ceiling(held_out)]
    return _staged(
        scratch,
        {scene.name: None for scene in train},
        held_out,
        lines,
        source="simulated by the academy",
        remarks=(_parts_remark(fraction, plan.held_out, public),),
    )


@dataclass(frozen=True)
class Made:
    """A scene that lies on disk, and what scoring and its fixed marks need of it.

    `part` is empty for a scene to learn from; `perfect` is the map that the truth makes, None
    where there is no truth.
    """

    name: str
    part: str
    labels: Labels
    perfect: Labels | None = None
    origin: str = ""


@dataclass(frozen=True)
class _Train:
    plan: Plan
    number: int
    scratch: str

    def make(self) -> Made:
        name = f"train-{self.number:02d}"
        size = self.plan.size
        # 128 bits as those of held-out scenes have, so that neither can be told by its seed.
        digest = hashlib.sha256(f"academy/{PROJECT}/{VERSION}/{name}".encode()).digest()
        seed = int.from_bytes(digest[:16], "big")
        scene = simulate(seed, self.plan.preset, name=name, height=size, width=size)
        # The truth at 20 m is nobody's but the simulator's.
        replace(scene, truth=None).write(Path(self.scratch, "train", name))
        return Made(name, "", _labels(scene))


@dataclass(frozen=True)
class _HeldOut:
    plan: Plan
    seed: int
    at: int
    part: str
    needed: frozenset[int]
    scratch: str

    def make(self) -> Made:
        size = self.plan.size
        settings = settings_of(self.plan.preset, height=size, width=size)
        try:
            scene = sealing.draw_scene(self.seed, self.at, settings, self.needed)
        except ValueError as error:
            raise SealingError(str(error)) from None
        scene.sealed(scene.name).write(Path(self.scratch, "held_out", scene.name))
        return Made(scene.name, self.part, _labels(scene), _perfect(scene))


def _labels(scene: Scene) -> Labels:
    assert scene.labels is not None
    return np.ascontiguousarray(scene.labels)


def _perfect(scene: Scene) -> Labels:
    """The map without error, on the label grid."""
    assert scene.truth is not None
    valid = np.isfinite(scene.gamma0[0])
    majority, _ = cell_majority(scene.truth, scene.cells, scene.label_shape, valid)
    # A cell of which too little is in the image has no majority; it has no label either.
    return np.where(majority == IGNORE, 0, majority).astype(np.uint8)


def _make(wanted: _Train | _HeldOut) -> Made:
    return wanted.make()


def _in_processes(
    wanted: Sequence[_Train | _HeldOut], report: Report | None, workers: int | None
) -> list[Made]:
    """Every scene, in the order of `wanted`."""
    count = min(workers or _cores(), len(wanted))
    made: dict[int, Made] = {}
    if count == 1:
        for at, each in enumerate(wanted):
            made[at] = _make(each)
            _tell(report, len(made), len(wanted))
        return [made[at] for at in range(len(wanted))]
    # Not forked: the embedded cloud, which publishes too, has threads and open sockets.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        futures = {pool.submit(_make, each): at for at, each in enumerate(wanted)}
        try:
            for future in as_completed(futures):
                made[futures[future]] = future.result()
                _tell(report, len(made), len(wanted))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [made[at] for at in range(len(wanted))]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tell(report: Report | None, done: int, total: int) -> None:
    if report:
        report(done, total)


# --- real -----------------------------------------------------------------------------------------
def scenes_recipe(key: bytes, folder: Path, fraction: Decimal | float) -> Recipe:
    """What data from the real scenes in `folder` follow from: sizes and times stand for pixels.

    Raises
    ------
    SealingError
        The folder has no scenes.
    """
    digest = hashlib.sha256()
    for scene in _read(folder):
        assert scene.folder is not None
        for file in sorted(scene.folder.glob("*")):
            stat = file.stat()
            digest.update(
                f"{scene.folder.name}/{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode()
            )
    details = {"scenes": digest.hexdigest(), "fraction": str(fraction), "key": fingerprint(key)}
    return Recipe("scenes", details)


def from_scenes(
    key: bytes,
    folder: Path,
    scratch: Path,
    *,
    fraction: Decimal | float,
    report: Report | None = None,
) -> Staged:
    """Seals real scenes: the key chooses which are held out, the rest are to learn from.

    Parameters
    ----------
    key
        16 bytes that never leave the vault.
    folder
        Scenes with labels, a folder each. They are published from where they lie.
    scratch
        For what is written anew: the metadata of held-out scenes, ``task.json``.
    fraction
        Share of the held-out scenes that the public board scores.

    Raises
    ------
    SealingError
        There are too few scenes, or too few with some class; the message names the classes.
    """
    scenes = _read(folder)
    for number, scene in enumerate(scenes, start=1):
        if scene.labels is None:
            raise SealingError(f"{scene.folder} has no labels; only scenes with labels can be used")
        try:
            scene.check()
        except SceneError as error:
            raise SealingError(f"{scene.folder}: {error}") from None
        _tell(report, number, len(scenes))
    occurs = np.stack([scene.cell_counts() >= sealing.LEAST_CELLS for scene in scenes])
    chosen = choose(key, [scene.name for scene in scenes], occurs, fraction)
    order = [at for at in _permutation(key, "names", len(scenes)) if at in chosen]
    held_out: list[Made] = []
    files: dict[str, Path] = {}
    for number, at in enumerate(order, start=1):
        scene = scenes[at]
        name = f"held-out-{number:02d}"
        kept = {what: scene.metadata[what] for what in KEPT if what in scene.metadata}
        sealed = Scene(name, scene.gamma0, scene.cells, metadata={**kept, "held_out": True})
        files |= _sealed_files(sealed, scene, scratch)
        held_out.append(Made(name, chosen[at], _labels(scene), origin=scene.name))
    learnt = {scene.name: scene for at, scene in enumerate(scenes) if at not in chosen}
    train = [Made(scene.name, "", _labels(scene)) for scene in learnt.values()]
    public = sum(part == "public" for part in chosen.values())
    return _staged(
        scratch,
        {name: scene.folder for name, scene in learnt.items()},
        held_out,
        [_floor(train, held_out)],
        source="observed",
        files=files,
        remarks=(
            _parts_remark(fraction, len(chosen), public),
            "real scenes can be found again: who searches the public archive for their pixels "
            "finds place and date, and with them the labels. The seal is a rule of the game here, "
            "not a lock (docs/decisions/0010-sealed-scenes.md)",
        ),
    )


def _read(folder: Path) -> list[Scene]:
    try:
        scenes = read_scenes(folder)
    except SceneError as error:
        raise SealingError(f"{error}. python -m academy.data.deafrica --help tells how") from None
    names = [scene.name for scene in scenes]
    for scene in scenes:
        if names.count(scene.name) > 1:
            raise SealingError(f"{folder} has the scene {scene.name} twice")
        if scene.folder is not None and scene.name != scene.folder.name:
            raise SealingError(
                f"{scene.folder} holds a scene called {scene.name}; the two must be the same"
            )
        if not _SCENE.fullmatch(scene.name):
            raise SealingError(
                f"{scene.folder}: a scene's name has a-z, 0-9, '.', '_' and '-', at most 64 of them"
            )
        if scene.name.startswith("held-out-"):
            raise SealingError(f"{scene.folder}: names that begin with held-out- are taken")
    return scenes


def choose(
    key: bytes, names: Sequence[str], occurs: Any, fraction: Decimal | float
) -> dict[int, str]:
    """Which scenes are held out, and the part of each: few, by the rules for classes.

    A keyed draw is repeated until every class occurs often enough in each part and in what is
    left; of the draws that do, the first with fewest scenes held out is taken.

    Parameters
    ----------
    names
        Of the scenes; the same scenes in another order are the same choice.
    occurs
        bool (scenes, classes): which class occurs in which scene.

    Raises
    ------
    SealingError
        No choice will do; classes that lack scenes are named, with how many.
    """
    least = sealing.LEAST_OCCURRENCES
    needed = {"public": least, "private": least, "train": LEAST_TRAIN_OCCURRENCES}
    _enough(occurs, sum(needed.values()))
    order = np.argsort(np.array(names))
    table = np.asarray(occurs)[order]
    rng = _generator(key, "choice")
    best: dict[int, str] = {}
    last = _CHOICES
    for attempt in range(_CHOICES):
        found = _draw_choice(rng, table, float(fraction), needed)
        if found and (not best or len(found) < len(best)):
            best, last = found, attempt + _MORE_CHOICES
        if len(best) == sealing.LEAST_SCENES or attempt >= last:
            break
    if not best:
        counts = ", ".join(f"{n} in {c}" for n, c in zip(NAMES, table.sum(axis=0), strict=True))
        raise SealingError(
            f"of {len(names)} scenes none of {_CHOICES:,} choices has every class in {least} "
            f"scenes of each part and in {LEAST_TRAIN_OCCURRENCES} to learn from. Classes occur: "
            f"{counts}. Load more scenes that have the rarest of these"
        )
    return {int(order[at]): part for at, part in best.items()}


def _enough(occurs: Any, needed: int) -> None:
    count = len(occurs)
    if count < sealing.LEAST_SCENES + LEAST_TRAIN:
        raise SealingError(
            f"{count} scenes; at least {sealing.LEAST_SCENES} are held out and {LEAST_TRAIN} are "
            "left to learn from: load more"
        )
    lacking = [
        f"{name} ({int(found)})"
        for name, found in zip(NAMES, occurs.sum(axis=0), strict=True)
        if found < needed
    ]
    if lacking:
        raise SealingError(
            f"too few scenes have {', '.join(lacking)}. A class must occur, with "
            f"{sealing.LEAST_CELLS} cells, in {sealing.LEAST_OCCURRENCES} scenes of each part and "
            f"in {LEAST_TRAIN_OCCURRENCES} to learn from: {needed} scenes. Load scenes of places "
            "that have these classes, and publish all together"
        )


def _draw_choice(
    rng: np.random.Generator, table: Any, fraction: float, needed: Mapping[str, int]
) -> dict[int, str]:
    """One keyed attempt: scenes are taken in a drawn order, each by the part that lacks most of
    what it has. Empty if it fails."""
    lacking = {
        part: np.full(table.shape[1], needed[part], np.int64) for part in ("public", "private")
    }
    found: dict[int, str] = {}
    waiting = rng.permutation(len(table)).tolist()
    while any((lack > 0).any() for lack in lacking.values()):
        if not waiting:
            return {}
        part = max(lacking, key=lambda name: int(lacking[name].clip(0).sum()))
        # Of a dozen that are next, the one that helps most.
        gain = (table[waiting[:12]] & (lacking[part] > 0)).sum(axis=1)
        at = waiting.pop(int(np.argmax(gain)))
        found[at] = part
        lacking[part] = lacking[part] - table[at]
    public = sum(part == "public" for part in found.values())
    while len(found) < sealing.LEAST_SCENES and waiting:
        more_public = public < round(fraction * sealing.LEAST_SCENES)
        found[waiting.pop()] = "public" if more_public else "private"
        public += more_public
    left = table[waiting].sum(axis=0)
    if len(waiting) < LEAST_TRAIN or (left < needed["train"]).any():
        return {}
    return found


def _sealed_files(sealed: Scene, scene: Scene, scratch: Path) -> dict[str, Path]:
    """A held-out scene's files: its pixels from where they lie, its metadata written anew."""
    assert scene.folder is not None
    folder = scratch / "held_out" / sealed.name
    folder.mkdir(parents=True)
    file = folder / "metadata.json"
    file.write_text(sealed.described(), encoding="utf-8")
    key = f"{DATA}held_out/{sealed.name}/"
    pixels = {f"{key}{name}.npy": scene.folder / f"{name}.npy" for name in ("gamma0", "cells")}
    return {**pixels, f"{key}metadata.json": file}


def _generator(key: bytes, purpose: str) -> np.random.Generator:
    """Random numbers that only the key's holder can draw; two purposes are unrelated."""
    name = f"academy/{PROJECT}/{VERSION}/{purpose}"
    seed = hmac.new(key, name.encode(), hashlib.sha256).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))


def _permutation(key: bytes, purpose: str, count: int) -> list[int]:
    return [int(at) for at in _generator(key, purpose).permutation(count)]


# --- both -----------------------------------------------------------------------------------------
def _floor(train: Sequence[Made], held_out: Sequence[Made]) -> dict[str, Any]:
    """The class that is commonest where learners can see it, everywhere."""
    counts = sum(np.bincount(made.labels.ravel(), minlength=256)[:COUNT] for made in train)
    commonest = int(np.argmax(counts))
    maps = {made.name: np.full_like(made.labels, commonest) for made in held_out}
    return {"name": f"floor: {NAMES[commonest]} everywhere", **_scores(held_out, maps)}


def _ceiling(held_out: Sequence[Made]) -> dict[str, Any]:
    """Labels are wrong in places, so that a map without error does not score 1."""
    maps = {made.name: made.perfect for made in held_out if made.perfect is not None}
    return {
        "name": "ceiling: a perfect map, against labels that err",
        **_scores(held_out, maps),
    }


def _scores(held_out: Sequence[Made], maps: Mapping[str, Labels]) -> dict[str, float]:
    confusions = SceneConfusions(NAMES)
    for made in held_out:
        confusions.add(made.name, made.labels, maps[made.name])
    return {
        part: confusions.scores([made.name for made in held_out if made.part == part]).macro_f1
        for part in scorer.PARTS
    }


def _staged(
    scratch: Path,
    train: Mapping[str, Path | None],
    held_out: Sequence[Made],
    lines: Sequence[Mapping[str, Any]],
    *,
    source: str,
    remarks: tuple[str, ...],
    files: Mapping[str, Path] | None = None,
) -> Staged:
    """`train` has each scene's folder, None for one in `scratch`; `files` those of held-out ones
    that lie elsewhere."""
    cells = sum(made.labels.size for made in held_out)
    if cells > MAX_CELLS or len(held_out) > MAX_SCENES:
        raise SealingError(
            f"{len(held_out)} held-out scenes have {cells:,} label cells; the scorer takes "
            f"{MAX_SCENES} scenes and {MAX_CELLS:,} cells. Cut them into smaller "
            "scenes, and hold out fewer"
        )
    staged: dict[str, Path] = {}
    for name, folder in train.items():
        place = folder or scratch / "train" / name
        for file in ("gamma0.npy", "cells.npy", "labels.npy", "probability.npy", "metadata.json"):
            if (place / file).is_file():
                staged[f"{DATA}train/{name}/{file}"] = place / file
    if files is not None:
        staged |= files
    else:
        for made in held_out:
            for path in sorted((scratch / "held_out" / made.name).iterdir()):
                staged[f"{DATA}held_out/{made.name}/{path.name}"] = path
    task = {
        "project": PROJECT,
        "metric": scorer.METRIC,
        "better": scorer.LandCover.better,
        "classes": NAMES,
        "ignore": IGNORE,
        "source": source,
        "train": list(train),
        "held_out": {made.name: list(made.labels.shape) for made in held_out},
    }
    described = scratch / "task.json"
    described.write_text(json.dumps(task, indent=2) + "\n", encoding="utf-8")
    # Last: a task that is there names scenes that are there.
    staged[f"{DATA}task.json"] = described
    return Staged(staged, _answers(held_out, lines, source), remarks)


def _answers(held_out: Sequence[Made], lines: Sequence[Mapping[str, Any]], source: str) -> bytes:
    """What the scorer reads, in one object: it is never half of one edition and half of another."""
    scenes = {
        made.name: {
            "part": made.part,
            "shape": list(made.labels.shape),
            "labels": base64.b64encode(zlib.compress(made.labels.tobytes(), 9)).decode(),
            **({"origin": made.origin} if made.origin else {}),
        }
        for made in held_out
    }
    document = {
        "version": scorer.VERSION,
        "project": PROJECT,
        "source": source,
        "classes": NAMES,
        "lines": list(lines),
        "scenes": scenes,
    }
    return (json.dumps(document, indent=1) + "\n").encode()
