"""The list of scenes to load and what became of each: what a stopped download goes on from.

Scenes get random names. Numbered along rows, the numbers that are missing from the training data
would tell where the held-out scenes lie; a random name tells nothing, and neither does its gap.
The plan itself has every place in it: it stays with whoever loads the data.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from academy.data.deafrica.areas import Grid
from academy.data.deafrica.errors import LoadingError
from academy.land_cover.scene import Scene, SceneError

FILE = "plan.json"
FORMAT = 1


@dataclass(frozen=True)
class Planned:
    """A scene of the plan.

    Attributes
    ----------
    name
        Random; its folder's name.
    grid
        Its place.
    skipped
        Why there was nothing to load the last time; it is tried again. "" otherwise.
    """

    name: str
    grid: Grid
    skipped: str = ""


class Plan:
    """The plan in a folder: read if there is one, else new.

    Parameters
    ----------
    folder
        Where scenes are written.
    settings
        What they are made with; must be what the folder was begun with.

    Raises
    ------
    LoadingError
        The folder was begun with other settings, or its plan cannot be read.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.scenes: list[Planned] = []
        path = folder / FILE
        if path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            begun = told["settings"]
            self.scenes = [
                Planned(each["name"], _grid(each["grid"]), each["skipped"])
                for each in told["scenes"]
            ]
            known = told["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise LoadingError(
                f"{path} cannot be read ({type(error).__name__}: {error}); "
                "remove it to begin again, or give another folder"
            ) from None
        if not known:
            raise LoadingError(f"{path} is of another version; give another folder")
        for name in sorted({*begun, *self.settings}):
            if begun.get(name) != self.settings.get(name):
                raise LoadingError(
                    f"{self.folder} was begun with {name} = {begun.get(name)!r}, and now it is "
                    f"{self.settings.get(name)!r}: scenes of one folder are made alike. "
                    "Give the first again, or another folder"
                )

    def add(self, grids: Iterable[Grid]) -> list[Planned]:
        """The plan's scenes with these grids, in this order; new ones get names."""
        known = {each.grid: each for each in self.scenes}
        wanted = []
        for grid in grids:
            if grid not in known:
                known[grid] = Planned(f"scene-{secrets.token_hex(4)}", grid)
                self.scenes.append(known[grid])
            wanted.append(known[grid])
        self.write()
        return wanted

    def skip(self, scene: Planned, why: str) -> None:
        """Notes why there is nothing to load for a scene."""
        if scene.skipped == why:
            return
        self.scenes = [
            replace(each, skipped=why) if each.name == scene.name else each for each in self.scenes
        ]
        self.write()

    def finished(self, scene: Planned) -> Scene | None:
        """The scene, if it is there and whole."""
        try:
            return Scene.read(self.folder / scene.name)
        except SceneError:
            return None

    def write(self) -> None:
        """Writes the plan; a stop midway leaves the one before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {
            "format": FORMAT,
            "note": "keeps every scene's place: not for learners",
            "settings": self.settings,
            "scenes": [asdict(each) for each in self.scenes],
        }
        path = self.folder / FILE
        new = path.with_suffix(".part")
        new.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)


def _grid(told: Any) -> Grid:
    a, b, c, d, e, f = (float(value) for value in told["transform"])
    return Grid(str(told["crs"]), (a, b, c, d, e, f), int(told["height"]), int(told["width"]))
