"""The notebook that a learner lands on: it runs in any space, and its links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from infra.cohort.model import PROJECTS
from infra.publishing import templates

ROOT = Path(__file__).parents[2]

#: The same cohort as in the other notebooks' tests, without any data.
ENTER = """
import sys, pathlib
sys.path[:0] = [{root!r}, {library!r}]
from tests.end_to_end import classroom
classroom.enter(pathlib.Path({published!r}), pathlib.Path({jobs!r}))
"""


def source() -> Any:
    [content] = templates.welcome_files().values()
    return nbformat.reads(content.decode(), as_version=4)


def opened(folder: Path, cohort: tuple[str, ...], here: tuple[str, ...]) -> tuple[Any, Path]:
    """The executed notebook and its home, in a cohort with some projects and a space with some."""
    published, home = folder / "published", folder / "home"
    (published / "vault").mkdir(parents=True)
    for project in cohort:
        (published / "data" / "datasets" / project).mkdir(parents=True)
    for path, content in templates.home_files(here).items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)
    notebook = nbformat.read(home / "welcome.ipynb", as_version=4)
    where = {
        "root": str(ROOT),
        "library": str(ROOT / "project_templates" / "academy"),
        "published": str(published),
        "jobs": str(folder / "jobs"),
    }
    notebook.cells.insert(0, nbformat.v4.new_code_cell(ENTER.format(**where)))
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(home)}}
    )
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    client.execute(env=environment | {"HOME": str(home)})
    del notebook.cells[0]
    return notebook, home


def said(notebook: Any) -> dict[str, list[str]]:
    """What the code cells gave, by kind of output."""
    found: dict[str, list[str]] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data") or {output.get("name"): output.get("text")}
            for kind, content in data.items():
                found.setdefault(kind, []).append(content)
    return found


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("cohort", "here"),
    [
        (PROJECTS, PROJECTS),
        (("climate-series",), ("climate-series",)),
        (PROJECTS, ("land-cover",)),
    ],
    ids=["a whole cohort", "a cohort with one project", "an image for one project"],
)
def test_it_runs_wherever_a_learner_opens_it(tmp_path, cohort, here):
    notebook, home = opened(tmp_path, cohort, here)
    outputs = said(notebook)
    assert set(outputs) == {"text/plain", "text/html", "text/markdown"}, "and no warnings"
    greeting = outputs["text/html"][0]
    for fact in ("Hello ana!", "falcon (with ben)", "$17.50 left", "ends 2026-12-01 12:30 UTC"):
        assert fact in greeting

    [projects] = outputs["text/markdown"]
    linked = re.findall(r"\[\*\*([a-z-]+)\*\*\]\(([^)]+)\)", projects)
    assert {project for project, _ in linked} == set(here)
    for _, path in linked:
        assert (home / path).is_file()
    assert set(re.findall(r"^- \[?\*\*([a-z-]+)", projects, re.MULTILINE)) == set(cohort)
    assert projects.count("ask your advisors") == len(set(cohort) - set(here))

    boards = outputs["text/html"][1:]
    named = [re.findall(r"<div>([a-z-]+) · ", board)[0] for board in boards]
    assert named == sorted(cohort)


def test_every_project_has_its_sentence():
    [cell] = [cell for cell in source().cells if "QUESTIONS = " in cell.source]
    for project in PROJECTS:
        assert f'"{project}": "' in cell.source


def test_it_speaks_the_learners_language():
    words = " ".join(cell.source for cell in source().cells)
    assert not re.findall(r"AWS|Amazon|SageMaker|\bS3\b|\bIAM\b|bucket|Studio|instance", words)


def test_it_names_functions_that_there_are():
    import academy

    words = " ".join(cell.source for cell in source().cells)
    named = set(re.findall(r"academy\.([a-z_]+)", words))
    assert {"connect", "stay", "train", "submit", "leaderboard"} <= named
    assert named <= set(academy.__all__)
