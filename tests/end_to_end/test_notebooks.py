"""Every notebook that learners get runs from top to bottom, in a Jupyter kernel, in smoke size."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from infra.cohort.model import PROJECTS
from infra.publishing import climate_series, land_cover, templates

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

#: Large enough for every class to occur where the sealing wants it, small enough to be quick.
PLAN = land_cover.Plan(size=240, train=6)
FRACTION = 0.5
#: The same scenes in each run: what is tested are the notebooks.
KEY = b"a key of a test."


def published_notebooks() -> list[tuple[str, str]]:
    """Project and path, within the project's folder, of each notebook."""
    found = []
    for project in PROJECTS:
        prefix = f"templates/{project}/"
        keys = [key for key in templates.files(project) if key.endswith(".ipynb")]
        found += [(project, key.removeprefix(prefix)) for key in sorted(keys)]
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cohort publish` brings to the buckets, by bucket and key; small scenes."""
    folder = tmp_path_factory.mktemp("published")
    scenes = land_cover.simulated(
        KEY, tmp_path_factory.mktemp("scratch"), fraction=FRACTION, plan=PLAN, workers=1
    )
    series = climate_series.build(2 * KEY, public_fraction=FRACTION)
    data = {key: file.read_bytes() for key, file in scenes.files.items()} | dict(series.data)
    vault = {land_cover.ANSWERS: scenes.answers} | dict(series.vault)
    for bucket, files in (("data", data), ("vault", vault)):
        for key, content in files.items():
            file = folder / bucket / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder


def run(project: str, path: str, published: Path, home: Path) -> tuple[Any, dict[str, Any] | None]:
    """The executed notebook, and the board as it is at the end, if there is one."""
    for key, content in templates.files(project).items():
        file = home / templates.folder_of(project) / key.removeprefix(f"templates/{project}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    place = home / templates.folder_of(project) / path
    notebook = nbformat.read(place, as_version=4)
    enter = nbformat.v4.new_code_cell(
        "import sys, pathlib\n"
        f"sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'project_templates' / 'academy')!r}]\n"
        "from tests.end_to_end import classroom\n"
        f"classroom.enter(pathlib.Path({str(published)!r}), pathlib.Path({str(home / 'jobs')!r}))"
    )
    leave = nbformat.v4.new_code_cell(
        "import json\n"
        "try:\n"
        f"    print(json.dumps(classroom.board({project!r})))\n"
        "except Exception as error:\n"
        "    print('null')"
    )
    notebook.cells = [enter, *notebook.cells, leave]
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    environment |= {
        "HOME": str(home),
        "ACADEMY_SIZE": "smoke",
        "ACADEMY_CACHE": str(home / "cache"),
        # The tests run on every core already, and torch's threads wait for each other.
        "OMP_NUM_THREADS": "1",
        # In a space the library is installed; a script that a notebook starts must find it here.
        "PYTHONPATH": str(ROOT / "project_templates" / "academy"),
    }
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(place.parent)}},
    )
    client.execute(env=environment)
    board = json.loads(notebook.cells[-1].outputs[0].text)
    notebook.cells = notebook.cells[1:-1]
    return notebook, board


@pytest.mark.parametrize(("project", "path"), published_notebooks())
def test_a_notebook_runs_from_top_to_bottom(
    project: str, path: str, published: Path, tmp_path: Path
) -> None:
    notebook, board = run(project, path, published, tmp_path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    said = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stderr")
    assert "Warning" not in said
    assert any("image/png" in output.get("data", {}) for output in outputs), "it shows something"
    assert not [cell.source for cell in code if cell.execution_count is None]

    if path == f"{templates.folder_of(project)}.ipynb":
        assert board is not None, "the project's walk submits"
        [entry] = board["entries"]
        marks = {line["name"].partition(":")[0]: line["score"] for line in board["lines"]}
        if board["better"] == "higher":
            assert marks["floor"] < entry["score"] < marks["ceiling"]
        else:
            assert entry["score"] < marks["floor"]
