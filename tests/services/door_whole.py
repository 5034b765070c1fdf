"""A door with something on every page: work of two teams, each of which keeps a secret from the
other, and every page that there is, with who looks at it and what happened before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser import boards
from tests.services.door_teams import notebook, png
from tests.services.door_world import World, lively

#: What stands in heron's things, and in no page of a learner of falcon's.
SECRET = "only-herons-may-read-this"
OURS, THEIRS = "earth--falcon--ana--bbbbbbbb", "earth--heron--chi--cccccccc"
NOTE = {"author": "shelley", "at": "2026-12-01T09:00:00+00:00"}


def whole() -> World:
    """The world."""
    world = lively()
    files = world.files
    files.put("teams/falcon/shared/walk.ipynb", notebook())
    files.put("teams/falcon/shared/map.png", png())
    files.put("teams/falcon/shared/train.py", "import academy\n" + "x = 1\n" * 40)
    files.put("teams/falcon/shared/model.pt", b"\x80\x04")
    text = "Look at the borders.\n\nThen train again."
    files.put("notes/falcon/20261201T090000Z-0123456789ab.json", json.dumps({**NOTE, "text": text}))
    files.logs[OURS] = [f"epoch {n}/40  loss {1.9 / (n + 1):.3f}" for n in range(60)]
    for project in ("land-cover", "climate-series"):
        files.put(f"submissions/{project}/falcon/20261201T090000Z-a.npz", b"x")
        files.put(
            f"receipts/{project}/falcon/20261201T090000Z-a.npz.json",
            json.dumps(
                {
                    "status": "scored",
                    "message": "Scored 0.561 on the public part.",
                    "public_score": 0.561,
                    "classes": {"wetland": 0.21},
                }
            ),
        )
        files.put(f"submissions/{project}/falcon/20261201T100000Z-b.npz", b"x")
    files.put_site("boards/land-cover.json", json.dumps(boards.lively()))
    files.put_site("boards/climate-series.json", json.dumps(boards.forecast()))
    _of_heron(world)
    return world


def _of_heron(world: World) -> None:
    files = world.files
    for name, text in (
        ("teams/heron/shared/walk.ipynb", json.dumps({"cells": [], "metadata": {"x": SECRET}})),
        ("teams/heron/shared/x", SECRET),
        (f"teams/heron/shared/{SECRET}.py", SECRET),
        (f"submissions/land-cover/heron/{SECRET}.npz", SECRET),
        (f"receipts/land-cover/heron/{SECRET}.npz.json", json.dumps({"message": SECRET})),
        (
            "notes/heron/20261201T090000Z-0123456789ab.json",
            json.dumps({**NOTE, "text": SECRET}),
        ),
    ):
        files.put(name, text)
    world.academy.train("chi", "c" * 32)
    files.logs[THEIRS] = [SECRET]


@dataclass(frozen=True)
class Look:
    """A page: who looks, at what, after what has happened; or what a form there answers."""

    who: str
    path: str
    before: Callable[[World], object] | None = None
    #: Sent from the page at `path`: where to, and the fields.
    form: tuple[str, dict[str, str]] | None = None


def _failed(world: World) -> None:
    world.studio.app_fails = "InternalServerError: no machine was found"
    world.academy.ask("ana", op="open_space")
    world.move(minutes=3)


def _opened(world: World) -> None:
    world.academy.ask("ana", op="open_space")
    world.move(minutes=5)


def _closing(world: World) -> None:
    _opened(world)
    world.academy.ask("ana", op="close_space")


def _job_failed(world: World) -> None:
    world.studio.jobs[OURS].fails = "AlgorithmError: out of memory"
    world.move(hours=5)
    world.academy.sweep()


#: Every page, by what it shows.
LOOKS: dict[str, Look] = {
    "sign in": Look("", "/"),
    "signed out": Look("", "/?out"),
    "no address": Look("", "/", form=("/sign-in", {"email": "nobody"})),
    "code": Look("", "/", form=("/sign-in", {"email": "ana@example.org"})),
    "home, closed": Look("ana", "/"),
    "home, starting": Look("ana", "/", lambda world: world.academy.ask("ana", op="open_space")),
    "home, open": Look("ana", "/", _opened),
    "home, closing": Look("ana", "/", _closing),
    "home, failed": Look("ana", "/", _failed),
    "home, unknown": Look("ana", "/", lambda world: setattr(world, "broker_down", True)),
    "home, refused": Look("ana", "/", form=("/open", {"instance": "ml.p5.48xlarge"})),
    "budget": Look("ana", "/budget"),
    "help": Look("ana", "/help"),
    "competition": Look("ana", "/competition"),
    "board": Look("ana", "/competition/land-cover"),
    "board of forecasts": Look("ana", "/competition/climate-series"),
    "team": Look("ana", "/team"),
    "notebook": Look("ana", "/team/notebooks/walk.ipynb"),
    "picture": Look("ana", "/team/notebooks/map.png"),
    "script": Look("ana", "/team/notebooks/train.py"),
    "job": Look("ana", f"/team/jobs/{OURS}"),
    "failed job": Look("ana", f"/team/jobs/{OURS}", _job_failed),
    "not found": Look("ana", "/nothing"),
    "home of an advisor": Look("shelley", "/"),
    "teams": Look("shelley", "/advisors"),
    "a team": Look("shelley", "/advisors/falcon"),
    "a team that began nothing": Look("shelley", "/advisors/heron"),
    "a note that is empty": Look(
        "shelley", "/advisors/falcon", form=("/advisors/falcon/notes", {"text": " "})
    ),
    "a team's notebook": Look("shelley", "/advisors/falcon/notebooks/walk.ipynb"),
}
