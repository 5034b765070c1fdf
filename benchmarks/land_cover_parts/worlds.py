"""The scenes of one preset and seed, as `cohort publish` lays them out, but with their answers."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from academy.data.simulator import PRESETS, settings_of, simulate
from academy.data.simulator.sealing import LEAST_SCENES, draw_held_out
from academy.land_cover.classes import NAMES
from academy.land_cover.project import PROJECT, LandCover
from academy.land_cover.scene import Scene


@dataclass(frozen=True)
class World:
    """How many scenes, and how large: as what learners get, unless a test wants it small."""

    preset: str
    seed: int
    size: int = 480
    train: int = 20
    validation: int = 4
    held_out: int = LEAST_SCENES

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"there is no preset {self.preset!r}: {', '.join(PRESETS)}")

    def __str__(self) -> str:
        return f"{self.preset}-{self.seed}"


@dataclass(frozen=True)
class Scenes:
    """To learn from, to tune on, and to score on."""

    train: list[Scene]
    validation: list[Scene]
    held_out: list[Scene]


def scenes_of(world: World, folder: Path) -> Scenes:
    """The scenes of `world`, simulated into `folder` where they are not there yet."""
    root = folder / f"{world}-{world.size}-{world.train}-{world.held_out}"
    if not (root / "task.json").is_file():
        _simulate(world, root)
    data = LandCover(root)
    train, validation = data.split(world.validation)
    return Scenes(train, validation, data.held_out)


def _simulate(world: World, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    settings = settings_of(world.preset, height=world.size, width=world.size)
    for at in range(world.train):
        name = f"train-{at + 1:02d}"
        simulate(_seed(world, name), settings, name=name).write(root / "train" / name)
    shapes = {}
    if world.held_out >= LEAST_SCENES:
        drawn = draw_held_out(_seed(world, "held out"), settings, count=world.held_out)
        scenes = (each.scene for each in drawn)
    else:  # for tests: small scenes have no room for every class
        names = [f"held-out-{at + 1:02d}" for at in range(world.held_out)]
        scenes = (simulate(_seed(world, name), settings, name=name) for name in names)
    for scene in scenes:
        scene.write(root / "held_out" / scene.name)
        shapes[scene.name] = list(scene.label_shape)
    task = {
        "project": PROJECT,
        "metric": "macro-F1",
        "better": "higher",
        "classes": list(NAMES),
        "train": [f"train-{at + 1:02d}" for at in range(world.train)],
        "held_out": shapes,
        "source": "simulated for a benchmark",
    }
    # Last: a folder without it was not finished.
    (root / "task.json").write_text(json.dumps(task, indent=2) + "\n", encoding="utf-8")


def _seed(world: World, name: str) -> int:
    """128 bits of its own for everything drawn, so that no two worlds share a scene."""
    text = f"land-cover benchmark/{world}/{name}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
