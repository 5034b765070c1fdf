"""The project's data: scenes to learn from, scenes to predict, and what is asked.

::

    task.json           the classes, the metric, which scenes there are
    train/<scene>/      with labels
    held_out/<scene>/   without: the academy has their labels, and scores what you predict
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from academy.errors import DatasetError
from academy.land_cover.classes import COUNT, NAMES
from academy.land_cover.scene import Scene

PROJECT = "land-cover"
#: A class occurs in a scene that has this many label cells of it, as where scenes are held out.
LEAST_CELLS = 10

_SCENE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DRAWS = 200


@dataclass(frozen=True)
class Task:
    """What is asked: a class for every label cell of every held-out scene.

    Attributes
    ----------
    project, metric, better : str
        `better` is ``higher``.
    classes : tuple of str
        In the order of their numbers, 0 to 8.
    train : tuple of str
        Scenes with labels.
    held_out : dict
        Scene to the shape (rows, columns) of its label grid, which a prediction has, too.
    source : str
        Where the scenes are from.
    """

    project: str
    metric: str
    better: str
    classes: tuple[str, ...]
    train: tuple[str, ...]
    held_out: Mapping[str, tuple[int, int]]
    source: str = ""

    @classmethod
    def read(cls, file: str | Path) -> Task:
        """From ``task.json``.

        Raises
        ------
        DatasetError
            It is not there, or is something else.
        """
        try:
            document = json.loads(Path(file).read_text(encoding="utf-8"))
            task = cls(
                project=str(document["project"]),
                metric=str(document["metric"]),
                better=str(document["better"]),
                classes=tuple(document["classes"]),
                train=tuple(document["train"]),
                held_out={name: _grid(shape) for name, shape in document["held_out"].items()},
                source=str(document.get("source", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise DatasetError(
                f"{file} cannot be read as the task of {PROJECT} ({problem!r})."
            ) from None
        if task.project != PROJECT or task.classes != NAMES:
            raise DatasetError(
                f"{file} is of {task.project} with the classes {', '.join(map(str, task.classes))};"
                f" this library knows {PROJECT} with {', '.join(NAMES)}. Restart your space to get "
                "the library that matches."
            )
        for name in (*task.train, *task.held_out):
            if not isinstance(name, str) or not _SCENE.fullmatch(name):
                raise DatasetError(f"{file} names a scene {name!r}, which is no scene's name.")
        return task


def _grid(shape: Sequence[Any]) -> tuple[int, int]:
    rows, columns = (int(length) for length in shape)
    if rows < 1 or columns < 1:
        raise ValueError(f"a label grid of {rows} x {columns}")
    return rows, columns


@dataclass(frozen=True)
class LandCover:
    """The project's folder, and what is in it.

    A notebook gets one from ``academy.dataset("land-cover")``, a training script from
    ``LandCover(os.environ["SM_CHANNEL_DATA"])``: both see the same. Scenes are opened when they
    are first used, and their arrays are mapped, not read.

    Parameters
    ----------
    folder
        Where ``task.json`` is.

    Raises
    ------
    DatasetError
        The folder is not there, or something in it is missing.
    """

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", Path(folder))
        if not self.folder.is_dir():
            raise DatasetError(f"{self.folder} is no folder.")

    @functools.cached_property
    def task(self) -> Task:
        """What is asked."""
        return Task.read(self.folder / "task.json")

    @functools.cached_property
    def train(self) -> list[Scene]:
        """The scenes with labels, in the task's order."""
        return [self._scene("train", name) for name in self.task.train]

    @functools.cached_property
    def held_out(self) -> list[Scene]:
        """The scenes to predict, in the task's order; they have no labels."""
        scenes = [self._scene("held_out", name) for name in self.task.held_out]
        for scene in scenes:
            asked = self.task.held_out[scene.name]
            if scene.label_shape != asked:
                raise DatasetError(
                    f"Scene {scene.name} has a label grid of {scene.label_shape}, the task says "
                    f"{asked}. Download the data again."
                )
        return scenes

    def _scene(self, part: str, name: str) -> Scene:
        scene = Scene.read(self.folder / part / name)
        if scene.name != name:
            raise DatasetError(
                f"The folder {self.folder / part / name} holds the scene {scene.name}. Download "
                "the data again."
            )
        return scene

    def split(self, validation: int = 4, seed: int = 0) -> tuple[list[Scene], list[Scene]]:
        """Training scenes, and scenes to validate on, which training must not see.

        Whole scenes: pixels of one scene are too much alike to be on both sides. Of 200 splits
        drawn with `seed` it is the first in which every class occurs in both parts, or the one
        that lacks fewest: without a class, its F1 is 0 whatever the model does.

        Parameters
        ----------
        validation
            How many scenes to validate on.
        seed
            Another seed is another split; the same seed is the same split everywhere.

        Returns
        -------
        training, validation : lists of Scene

        Raises
        ------
        ValueError
            There are not as many scenes.

        Examples
        --------
        >>> data = academy.dataset("land-cover")                             # doctest: +SKIP
        >>> training, validation = data.split()                              # doctest: +SKIP
        """
        total = len(self.train)
        if not 1 <= validation < total:
            raise ValueError(
                f"validation is {validation}; of {total} training scenes 1 to {total - 1} can "
                "validate"
            )
        rng = np.random.default_rng(seed)
        occurs = self._occurs
        best, fewest = np.arange(total), 2 * COUNT + 1
        for _ in range(_DRAWS):
            order = rng.permutation(total)
            held, kept = occurs[order[:validation]], occurs[order[validation:]]
            lacking = int((~held.any(axis=0)).sum() + (~kept.any(axis=0)).sum())
            if lacking < fewest:
                best, fewest = order, lacking
            if not lacking:
                break
        chosen = set(best[:validation].tolist())
        parts: tuple[list[Scene], list[Scene]] = ([], [])
        for at, scene in enumerate(self.train):
            parts[at in chosen].append(scene)
        return parts

    @functools.cached_property
    def _occurs(self) -> npt.NDArray[np.bool_]:
        """Which class occurs in which training scene, (scenes, 9)."""
        return np.stack([scene.cell_counts() >= LEAST_CELLS for scene in self.train])

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        if not (self.folder / "task.json").is_file():
            return f"LandCover in {self.folder}"
        rows, columns = self.train[0].shape if self.train else (0, 0)
        return (
            f"{PROJECT}: {len(self.task.train)} scenes to learn from, "
            f"{len(self.task.held_out)} to predict, such as {rows} x {columns} pixels; "
            f"{len(self.task.classes)} classes. In {_short(self.folder)}"
        )


def _short(folder: Path) -> str:
    """The folder as a shell would show it."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
