"""Held-out scenes that nobody can look up: drawn with a secret seed, each class in enough of them.

The simulator is public, so what is held out must hang on a number that is not: 128 random bits that
lie in the vault and nowhere else. Real scenes can be sealed too (`Scene.sealed` takes place and
date off them), but less well: their pixels can be found again in the public archive.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from academy.data.simulator.fields import SEED_BITS, stream
from academy.data.simulator.label_noise import cell_majority
from academy.data.simulator.simulating import Settings, draw_ground, observe, settings_of
from academy.land_cover.classes import COUNT, IGNORE, NAMES, Labels
from academy.land_cover.scene import Scene

PARTS = ("public", "private")
#: Fewer scenes than this give intervals that do not hold what they say (coverage .75 for 12).
LEAST_SCENES = 24
#: In how many scenes of each part every class occurs.
LEAST_OCCURRENCES = 10
#: A class occurs in a scene that has this many cells of it whose label is right.
LEAST_CELLS = 10

_ATTEMPTS = 60


@dataclass(frozen=True)
class HeldOut:
    """A held-out scene with its answers, and the part of the score it counts in."""

    scene: Scene
    part: str


def new_seed() -> int:
    """A secret seed: 128 bits of the operating system's randomness."""
    return secrets.randbits(SEED_BITS)


def occurring(scene: Scene) -> npt.NDArray[np.bool_]:
    """Which classes occur in a simulated scene, bool (9,): `LEAST_CELLS` cells rightly labelled.

    Wrong labels do not count: a class that is only there by mistake could not be found.
    """
    if scene.labels is None or scene.truth is None:
        raise ValueError(f"scene {scene.name} has no labels or no truth")
    valid = np.isfinite(scene.gamma0[0])
    majority, _ = cell_majority(scene.truth, scene.cells, scene.label_shape, valid)
    return _right(scene.labels, majority)


def _right(labels: Labels, majority: Labels) -> npt.NDArray[np.bool_]:
    right = labels[(labels == majority) & (labels != IGNORE)]
    return np.asarray(np.bincount(right, minlength=COUNT) >= LEAST_CELLS)


def draw_schedule(
    seed: int, count: int, public: int, classes: Iterable[int], least: int = LEAST_OCCURRENCES
) -> list[tuple[str, frozenset[int]]]:
    """For each of `count` scenes its part, and the classes that it must have.

    Parts are shuffled over the scenes. In each part each class is asked for in `least` scenes,
    chosen at random for each class; in the others it may occur or not.

    Raises
    ------
    ValueError
        A part has fewer than `least` scenes, or `count` is below `LEAST_SCENES`.
    """
    sizes = {"public": public, "private": count - public}
    if count < LEAST_SCENES:
        raise ValueError(f"{count} scenes; hold out at least {LEAST_SCENES}")
    for part, size in sizes.items():
        if size < least:
            raise ValueError(
                f"the {part} part would have {size} scenes; each class must occur in {least}"
            )
    rng = stream(seed, "schedule")
    order = rng.permutation(count)
    part_of = {int(at): ("public" if rank < public else "private") for rank, at in enumerate(order)}
    needed: list[set[int]] = [set() for _ in range(count)]
    for part in PARTS:
        members = np.flatnonzero([part_of[at] == part for at in range(count)])
        for number in sorted(set(classes)):
            for at in rng.choice(members, least, replace=False):
                needed[at].add(number)
    return [(part_of[at], frozenset(needed[at])) for at in range(count)]


def draw_held_out(
    seed: int,
    preset: str | Settings = "realistic",
    *,
    count: int = LEAST_SCENES,
    public: int | None = None,
    classes: Iterable[int] = range(COUNT),
    least: int = LEAST_OCCURRENCES,
) -> Iterator[HeldOut]:
    """Held-out scenes, one after the other, such that each class occurs in `least` of each part.

    Each scene gets a seed of its own from the secret one. A scene in which a class that it must
    have does not occur (its patch lies beyond the swath, or noise took its labels) is drawn again
    with the next seed; which scenes need that depends on the secret seed alone.

    Parameters
    ----------
    seed
        128 bits, from `new_seed`.
    count
        Scenes, at least 24.
    public
        How many of them the public score is from; half by default.
    classes
        What is scored.

    Raises
    ------
    ValueError
        The numbers do not allow it, or scenes of these settings are too small for so many classes.
    """
    settings = settings_of(preset)
    schedule = draw_schedule(seed, count, count // 2 if public is None else public, classes, least)
    for at, (part, needed) in enumerate(schedule):
        yield HeldOut(draw_scene(seed, at, settings, needed), part)


def draw_scene(seed: int, at: int, settings: Settings, needed: frozenset[int]) -> Scene:
    """The scene at place `at` of a schedule: what `draw_held_out` draws one after the other.

    Raises
    ------
    ValueError
        Scenes of these settings are too small for the classes that are needed.
    """
    missing: list[int] = []
    for attempt in range(_ATTEMPTS):
        message = f"held-out/{at}/{attempt}".encode()
        key = seed.to_bytes(SEED_BITS // 8, "little")
        own = hashlib.blake2b(message, key=key, digest_size=SEED_BITS // 8).digest()
        ground = draw_ground(int.from_bytes(own, "little"), settings, needed)
        found = _right(ground.labels.labels, ground.labels.majority)
        missing = [number for number in sorted(needed) if not found[number]]
        if not missing:
            return observe(ground, f"held-out-{at + 1:02d}")
    lacking = ", ".join(NAMES[number] for number in missing)
    raise ValueError(
        f"in {_ATTEMPTS} scenes of {settings.height} x {settings.width} pixels not one had "
        f"{len(needed)} classes with {LEAST_CELLS} cells each (last missing: {lacking}); "
        "make scenes larger, or imbalance or label_noise smaller"
    )


def publish(held_out: Iterable[HeldOut], public: str | Path, vault: str | Path) -> dict[str, str]:
    """Writes images to the folder `public` and answers to the folder `vault`.

    ``public/<name>/`` is a scene without labels, place, date or seed. ``vault/<name>/`` has
    ``labels.npy`` and, if known, ``truth.npy``; ``vault/parts.json`` the part of each scene.

    Returns
    -------
    Scene's name to its part.
    """
    answers = Path(vault)
    parts = {}
    for each in held_out:
        scene = each.scene
        if scene.labels is None:
            raise ValueError(f"scene {scene.name} has no labels to score against")
        scene.sealed(scene.name).write(Path(public) / scene.name)
        (answers / scene.name).mkdir(parents=True, exist_ok=True)
        np.save(answers / scene.name / "labels.npy", scene.labels)
        if scene.truth is not None:
            np.save(answers / scene.name / "truth.npy", scene.truth)
        parts[scene.name] = each.part
    answers.mkdir(parents=True, exist_ok=True)
    (answers / "parts.json").write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    return parts
