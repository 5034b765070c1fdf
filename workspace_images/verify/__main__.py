"""Builds the images and proves that they work, without AWS and without a Docker engine.

    make image [PROJECT=segmentation]

The real Dockerfile is built with buildah on a base made from Debian's packages; what comes out is
run with bubblewrap: JupyterLab as user 1000 over an empty home, every library, the project's
notebook against an academy on the embedded cloud, and training jobs by our entrypoint and by the
SageMaker SDK's driver. The record is OUT/image.json. The first run downloads about 700 MB; later
ones need no network.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from infra.cli.demo.kernel import CellFailed
from infra.cli.demo.narrator import Narrator, NotAsTold, Step
from infra.cli.terminal import Refused as CommandRefused
from infra.cli.terminal import console, errors, size
from infra.cohort.images import IMAGE_OF_PROJECT, IMAGES
from workspace_images.verify import classroom, job, space
from workspace_images.verify.building import STAGES, Image, Refused, Workshop
from workspace_images.verify.running import Container, container

#: How many of the largest packages are told.
LARGEST = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make image",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--project", choices=IMAGES, help="only this one; default: both")
    parser.add_argument(
        "--storage",
        choices=("overlay", "vfs"),
        default="",
        help="buildah's; default: overlay where it works, else vfs, which needs tens of gigabytes",
    )
    parser.add_argument("--folder", type=Path, default=Path("build/images"), help="%(default)s")
    parser.add_argument("--out", type=Path, default=Path("out"), help="%(default)s")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    narrator = Narrator(console, options.out / "image.json")
    projects = [options.project] if options.project else list(IMAGES)
    measured: dict[str, Any] = {}
    try:
        verify(
            narrator,
            Workshop(options.folder.resolve(), options.storage),
            projects,
            options.out.resolve(),
            measured,
        )
        failure = ""
    except (NotAsTold, Refused, CommandRefused, CellFailed) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted"
    narrator.write(finished=not failure)
    _keep(narrator.record, measured)
    if failure:
        errors.print(f"The images are not as they should be: {failure}", style="red", markup=False)
        return 1
    console.print(f"\n[green]All of it works, in {narrator.seconds:.0f} seconds.[/green]")
    return 0


def verify(
    narrator: Narrator,
    workshop: Workshop,
    projects: list[str],
    out: Path,
    measured: dict[str, Any],
) -> None:
    workshop.require_tools()
    with narrator.step("A base stands in for SageMaker Distribution") as step:
        step.doing("Debian's packages, JupyterLab")
        base = workshop.base()
        step.check("it is built", True, f"{size(base.bytes)}, {base.seconds:.0f} s")
    built = {}
    for project in projects:
        with narrator.step(f"The image of {project} is built") as step:
            built[project] = _build(step, workshop, project, base)
            measured[project] = {
                "bytes": built[project]["workspace"].bytes,
                "build_seconds": round(sum(i.seconds for i in built[project].values()), 1),
            }
    with classroom.classroom(out) as stage:
        with narrator.step("An academy on the embedded cloud, for its notebook to connect to") as s:
            classroom.deploy(stage, s)
        for project in projects:
            images, found = built[project], measured[project]
            (taught,) = [each for each, image in IMAGE_OF_PROJECT.items() if image == project]
            scratch = workshop.folder / f"run-{project}"
            home, log = scratch / "home", out / f"image-{project}.log"
            log.unlink(missing_ok=True)
            with container(workshop, images["workspace"]) as box:
                with narrator.step(f"{project}: a learner opens a space") as step:
                    picture = out / f"image-{project}.png"
                    found |= space.start(step, box, home, log, picture)
                    space.culling(step, box, home, log)
                with narrator.step(f"{project}: its libraries") as step:
                    found["check_seconds"] = space.libraries(step, box, home)
                    found["largest"] = _largest(box)
                    told = ", ".join(f"{name} {mb} MB" for name, mb in found["largest"].items())
                    step.say(f"[dim]largest: {told}[/dim]")
                with narrator.step(f"{project}: the notebook of {taught}, in the image") as step:
                    _, learner = stage.site.cohort.learners[projects.index(project)]
                    seat = classroom.seat(stage, learner.id, scratch / "metadata")
                    folder = taught.replace("-", "_")
                    space.walk(
                        step,
                        box,
                        home,
                        log,
                        notebook=f"{folder}/{folder}.ipynb",
                        environment=seat.environment,
                        metadata=seat.metadata,
                        page=out / f"image-{project}.html",
                    )
            with (
                container(workshop, images["training"]) as box,
                narrator.step(f"{project}: a training job in the same layers") as step,
            ):
                data = classroom.datasets(stage, taught, scratch / "data")
                found["job_seconds"] = job.by_entrypoint(step, box, scratch / "ml", taught, data)
                found["sdk_job_seconds"] = job.by_sdk(
                    step, box, scratch / "ml", taught, data, workshop
                )
    for project in projects:
        with narrator.step(f"{project}: a changed notebook, built again") as step:
            found = measured[project]
            found["rebuild_seconds"] = _rebuild(step, workshop, project, base)


def _build(step: Step, workshop: Workshop, project: str, base: Image) -> dict[str, Image]:
    step.doing("packages by lock and hash")
    context, source = workshop.context(project)
    images = {}
    for stage in STAGES:
        step.doing(f"stage {stage}")
        images[stage] = workshop.image(context, project, stage, base, source)
    workspace, training = (images[stage] for stage in STAGES)
    step.check(
        "both stages are built",
        workspace.digest != training.digest or workspace.name != training.name,
        f"{size(workspace.bytes)}; {workspace.seconds:.0f} s and {training.seconds:.0f} s",
    )
    # Where buildah keeps no layers of its own it adds one to whatever it builds.
    shared = training.layers[: len(workspace.layers)]
    added = len(training.layers) - len(shared)
    step.check(
        "they have the same layers: what works in the notebook works in the job",
        shared == workspace.layers and added == (0 if workshop.layered else 1),
        f"{len(shared)} layers" + (f", and {added} that buildah adds on vfs" if added else ""),
    )
    return images


def _rebuild(step: Step, workshop: Workshop, project: str, base: Image) -> float:
    context, source = workshop.context(project)
    notebook = context / "academy/templates" / project / "welcome.ipynb"
    text = notebook.read_text(encoding="utf-8")
    notebook.write_text(text.replace("\n}\n", f',\n "changed": {time.time()}\n}}\n'))
    began = time.monotonic()
    for stage in STAGES:
        workshop.image(context, project, stage, base, source)
    seconds = round(time.monotonic() - began, 1)
    step.check("both stages", True, f"{seconds} s")
    # What stays in the storage is what the checkout says.
    context, source = workshop.context(project)
    for stage in STAGES:
        workshop.image(context, project, stage, base, source)
    return seconds


def _largest(box: Container) -> dict[str, int]:
    """Megabytes of the largest packages of the environment, with the libraries they bring."""
    site = next((box.root / "opt/academy/venv/lib").glob("python3*/site-packages"))
    sizes: dict[str, int] = {}
    for entry in site.iterdir():
        if entry.name.endswith((".dist-info", ".pth")) or entry.name == "__pycache__":
            continue
        name = entry.name.removesuffix(".libs")
        files = [entry] if entry.is_file() else [p for p in entry.rglob("*") if p.is_file()]
        sizes[name] = sizes.get(name, 0) + sum(path.lstat().st_size for path in files)
    order = sorted(sizes, key=lambda name: -sizes[name])[:LARGEST]
    return {name: round(sizes[name] / 1e6) for name in order}


def _keep(record: Path, measured: dict[str, Any]) -> None:
    if record.is_file():
        document = json.loads(record.read_text(encoding="utf-8"))
        document["measured"] = measured
        record.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
