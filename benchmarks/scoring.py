"""Checking and scoring maps: cells a second and peak memory, beside scikit-learn on the same maps.

    python -m benchmarks.scoring [--cells 100000000] [--steps checker scorer …]

Each step runs in a process of its own: the checker on an .npz and on run lengths, and the scorer
from the checked object, as the two functions run them but for the network; scikit-learn's f1_score
and confusion_matrix on arrays that are in memory already. Their memory is the process's peak.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "project_templates" / "academy"
SCENES = 24
CLASSES = 9


@dataclass(frozen=True)
class Taken:
    """What a step took: CPU seconds, the process's peak in megabytes, and the score."""

    seconds: float
    megabytes: float
    score: float | None


# --- the maps -------------------------------------------------------------------------------------
def draw(cells: int, folder: Path) -> None:
    """Write answers, task and a submission in both forms, of `cells` label cells in all."""
    import numpy as np

    sys.path.insert(0, str(LIBRARY))
    from academy.kaggle import class_rows

    rng = np.random.default_rng(0)
    columns = 1000
    rows = max(1, cells // SCENES // columns)
    shares = 0.6 ** np.arange(CLASSES)
    maps: dict[str, Any] = {}
    patches, answers, shapes = {}, {}, {}
    for number in range(1, SCENES + 1):
        name = f"held-out-{number:02d}"
        # Fields of 25 cells in a row, with labels for nine in ten and a map right in four of five.
        fields = rng.choice(CLASSES, (rows, columns // 25), p=shares / shares.sum())
        truth = np.repeat(fields, 25, axis=1).astype(np.uint8)
        wrong = rng.random(truth.shape) < 0.2
        maps[name] = np.where(wrong, rng.integers(0, CLASSES, truth.shape), truth).astype(np.uint8)
        patches[name] = np.roll(truth, 1, axis=0)
        labels = np.where(rng.random(truth.shape) < 0.1, 255, truth).astype(np.uint8)
        answers[name] = {
            "part": "public" if number % 2 else "private",
            "shape": [rows, columns],
            "labels": base64.b64encode(zlib.compress(labels.tobytes(), 1)).decode(),
        }
        shapes[name] = [rows, columns]
    np.savez_compressed(folder / "maps.npz", **maps)
    with (folder / "runs.csv").open("w") as file:
        file.write("row_id,rle\n")
        for name, given in patches.items():
            file.writelines(f"{row},{runs}\n" for row, runs in class_rows(name, given))
    from infra.services.competition.checking.land_cover import CLASSES as NAMES

    task = {"classes": NAMES, "held_out": shapes}
    (folder / "task.json").write_text(json.dumps(task))
    document = {"version": 1, "classes": NAMES, "lines": [], "scenes": answers}
    (folder / "answers.json").write_text(json.dumps(document))


# --- the steps ------------------------------------------------------------------------------------
def _check(folder: Path, sent: str) -> None:
    import datetime as dt

    from infra.services.competition import checking
    from infra.services.competition.checking.canonical import Header

    content = (folder / sent).read_bytes()
    found = checking.check("land-cover", sent, content, (folder / "task.json").read_bytes())
    key = f"submissions/land-cover/falcon/{sent}"
    at = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    header = Header("predictions", "land-cover", "falcon", sent, key, at)
    # As AwsFiles.put_checked has it.
    body = io.BytesIO()
    body.write(Header(**{**vars(header), "digest": found.digest, "members": found.members}).line())
    body.write(found.body)
    (folder / f"checked-{sent}").write_bytes(body.getbuffer())


def _score(folder: Path) -> float:
    from infra.services.competition import projects
    from infra.services.competition.checking import canonical

    with (folder / "checked-maps.npz").open("rb") as file:
        header, body = canonical.read(file)
        project = projects.of(header.project)
        result = project.score(header.members, body, lambda name: (folder / name).read_bytes())
    return result.public


def _arrays(folder: Path) -> list[Any]:
    """All labelled cells of the public scenes, and all of the private ones: (labels, maps)."""
    import numpy as np

    answers = json.loads((folder / "answers.json").read_bytes())["scenes"]
    with np.load(folder / "maps.npz") as maps:
        parts: dict[str, list[Any]] = {"public": [], "private": []}
        for name, scene in answers.items():
            labels = np.frombuffer(zlib.decompress(base64.b64decode(scene["labels"])), np.uint8)
            scored = labels != 255
            parts[scene["part"]].append((labels[scored], maps[name].ravel()[scored]))
    return [
        [np.concatenate(column) for column in zip(*pairs, strict=True)] for pairs in parts.values()
    ]


def _f1_score(arrays: Any) -> float:
    from sklearn.metrics import f1_score

    scores = [
        f1_score(labels, given, labels=range(CLASSES), average="macro", zero_division=0)
        for labels, given in arrays
    ]
    return float(scores[0])


def _confusion_matrix(arrays: Any) -> float:
    from sklearn.metrics import confusion_matrix

    counts, _ = (confusion_matrix(*pair, labels=range(CLASSES)) for pair in arrays)
    return float((2 * counts.diagonal() / (counts.sum(axis=0) + counts.sum(axis=1))).mean())


STEPS: dict[str, tuple[Callable[[Path], Any] | None, Callable[[Any], float | None]]] = {
    "checker": (None, lambda folder: _check(folder, "maps.npz")),
    "checker, run lengths": (None, lambda folder: _check(folder, "runs.csv")),
    "scorer": (None, _score),
    "scikit-learn confusion_matrix": (_arrays, _confusion_matrix),
    "scikit-learn f1_score": (_arrays, _f1_score),
}
OURS = ("checker", "checker, run lengths", "scorer")


def step(name: str, folder: Path) -> None:
    """Run one step in this process, and say what it took."""
    prepare, run = STEPS[name]
    given = prepare(folder) if prepare else folder
    # Of this process alone, all of it on one core: others' load does not count.
    start = time.process_time()
    score = run(given)
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "megabytes": _peak(), "score": score}))


def _peak() -> float:
    """The most memory this process had. Not ru_maxrss: that has the parent's, from before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("no VmHWM in /proc/self/status")


def run(name: str, folder: Path) -> Taken:
    """One step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--step", name, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def peaks(cells: int) -> dict[str, float]:
    """The peak of each of our steps, in megabytes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw(cells, folder)
        return {name: run(name, folder).megabytes for name in OURS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=100_000_000)
    parser.add_argument("--steps", nargs="*", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step, given.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw(given.cells, folder)
        cells = SCENES * max(1, given.cells // SCENES // 1000) * 1000
        for sent in ("maps.npz", "runs.csv", "answers.json"):
            print(f"{sent:14} {(folder / sent).stat().st_size / 1e6:8.1f} MB")
        found: dict[str, Taken] = {}
        print(f"{cells:,} cells in {SCENES} scenes")
        for name in given.steps:
            found[name] = taken = run(name, folder)
            print(
                f"{name:30} {taken.seconds:7.2f} s {cells / taken.seconds / 1e6:8.1f} M cells/s "
                f"{taken.megabytes:8.0f} MB" + (f"  {taken.score:.12f}" if taken.score else ""),
                flush=True,
            )
    if "scorer" in found:
        for name in found.keys() - set(OURS):
            ratio = found[name].seconds / found["scorer"].seconds
            print(f"scorer is {ratio:.1f} times as fast as {name}")


if __name__ == "__main__":
    main()
