"""What goes to `software/` and `templates/`: a wheel that installs, notebooks that open."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import academy
import nbformat
import pytest
import yaml
from moto import mock_aws

from infra.cli.account import Site
from infra.cli.publish import publish_cohort
from infra.cohort.loading import load
from infra.cohort.model import PROJECTS
from infra.publishing import templates, wheel


@pytest.fixture(scope="module")
def built():
    return wheel.build()


def test_the_wheel_holds_the_library_and_nothing_else(built):
    assert built.key == f"software/academy-{academy.__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(io.BytesIO(built.content)).namelist()
    assert {"academy/job.py", "academy/home.py"} <= set(names)
    assert "academy/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"academy"}
    sources = {
        file.relative_to(wheel.LIBRARY).as_posix()
        for file in (wheel.LIBRARY / "academy").rglob("*.py")
    }
    assert sources <= set(names)


def test_the_same_source_gives_the_same_wheel(built, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/nowhere")
    before = os.umask(0o077)
    try:
        assert wheel.build() == built
    finally:
        os.umask(before)


def test_building_leaves_nothing_in_the_source(built):
    assert sorted(path.name for path in wheel.LIBRARY.iterdir() if path.name[0] != ".") == [
        *("README.md", "academy", "pyproject.toml")
    ]


def test_a_library_that_is_not_complete_is_named(tmp_path):
    with pytest.raises(wheel.BuildError, match=r"pyproject\.toml is missing"):
        wheel.build(tmp_path)


def test_the_wheel_installs_as_a_container_installs_it_and_runs(built, tmp_path):
    """In an environment of its own, without an index, without the repository on its path."""
    (tmp_path / built.name).write_bytes(built.content)
    site = tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"),
            *("--disable-pip-version-check", "--target", str(site), str(tmp_path / built.name)),
        ],
        check=True,
        capture_output=True,
    )
    code = f"""
import sys
sys.path.insert(0, {str(site)!r})
import academy.job
print(academy.job.__file__)
"""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(site / "academy" / "job.py")


def test_the_library_imports_nothing_of_the_infrastructure():
    for file in (wheel.LIBRARY / "academy").rglob("*.py"):
        for line in file.read_text().splitlines():
            assert not line.strip().startswith(("import infra", "from infra")), file


#: The files of a project in a learner's home.
CLIMATE_SERIES = (
    "README.md",
    "appendices/neuralforecast_nhits.ipynb",
    "appendices/statsforecast_rivals.ipynb",
    "climate_series.ipynb",
    "train.py",
)


def test_a_projects_template_is_notebooks_script_and_readme():
    found = templates.files("climate-series")
    assert set(found) == {f"templates/climate-series/{name}" for name in CLIMATE_SERIES}
    assert templates.files("climate-series") == found
    notebook = nbformat.reads(found["templates/climate-series/climate_series.ipynb"].decode(), 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_caches_are_no_part_of_a_template(tmp_path):
    folder = tmp_path / "a_project"
    for name in ("a_project.py", "__pycache__/x.pyc", ".ipynb_checkpoints/x", "parts/deep.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# %%\n1\n")
    assert set(templates.files("a-project", Path(tmp_path))) == {
        "templates/a-project/a_project.ipynb",
        "templates/a-project/parts/deep.md",
    }


@pytest.mark.parametrize("left", ["labels.npy", "parts/answers.csv", "maps.npz", "answers"])
def test_what_a_run_has_left_in_a_template_is_refused_by_name(tmp_path, left):
    for name in ("a_project.py", left):
        file = tmp_path / "a_project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# %%\n1\n")
    with pytest.raises(templates.TemplateError, match=left):
        templates.files("a-project", tmp_path)


HEADER = """# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

"""


def test_every_notebook_of_a_template_is_published_as_one(tmp_path):
    """The header decides, in any folder; a script that only looks a little like it stays one."""
    folder = tmp_path / "a_project"
    written = {
        "a_project.py": HEADER + "# %%\n1\n",
        "second.py": HEADER + "# %% [markdown]\n# # Words\n\n# %%\n2\n",
        "tours/third.py": HEADER.replace("\n", "\r\n") + "# %%\n3\n",
        "train.py": '"""A script."""\n# %%\nprint(1)\n',
        "light.py": HEADER.replace("percent", "light") + "print(1)\n",
        "late.py": "import sys\n" + HEADER + "# %%\nsys\n",
        "table.md": HEADER,
    }
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    found = templates.files("a-project", tmp_path)
    assert set(found) == {
        f"templates/a-project/{name}"
        for name in (
            *("a_project.ipynb", "second.ipynb", "tours/third.ipynb"),
            *("train.py", "light.py", "late.py", "table.md"),
        )
    }
    second = nbformat.reads(found["templates/a-project/second.ipynb"].decode(), 4)
    assert [(cell.cell_type, cell.source) for cell in second.cells] == [
        ("markdown", "# Words"),
        ("code", "2"),
    ]
    for name in ("train.py", "light.py", "late.py", "table.md"):
        assert found[f"templates/a-project/{name}"].decode() == written[name]


def test_two_files_that_would_get_one_name_are_refused(tmp_path):
    folder = tmp_path / "a_project"
    folder.mkdir()
    (folder / "a_project.py").write_text(HEADER + "# %%\n1\n")
    (folder / "a_project.ipynb").write_text("{}")
    with pytest.raises(templates.TemplateError, match=r"a_project as \.py and as \.ipynb"):
        templates.files("a-project", tmp_path)


def test_every_notebook_in_the_repository_is_recognised():
    """A notebook whose header was lost would reach a learner as a script."""
    for file in templates.TEMPLATES.rglob("*.py"):
        if file.relative_to(templates.TEMPLATES).parts[0] == "academy":
            continue
        assert templates.is_notebook(file) == ("\n# %%" in file.read_text()), file


def test_a_project_without_a_template_is_named(tmp_path):
    with pytest.raises(templates.TemplateError, match=r"'land-cover' has no notebook"):
        templates.files("land-cover", tmp_path)


def test_the_welcome_is_one_notebook():
    [(key, content)] = templates.welcome_files().items()
    assert key == "templates/welcome/welcome.ipynb"
    assert templates.welcome_files() == {key: content}
    notebook = nbformat.reads(content.decode(), 4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# Welcome")
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_a_missing_welcome_is_named(tmp_path):
    with pytest.raises(templates.TemplateError, match=r"welcome\.py is missing"):
        templates.welcome_files(tmp_path)


def test_a_home_has_the_welcome_and_a_folder_for_each_project():
    welcome = {"welcome.ipynb": templates.welcome_files()["templates/welcome/welcome.ipynb"]}
    assert templates.home_files(()) == welcome
    assert templates.home_files(["climate-series"]) == welcome | {
        f"climate_series/{name}": templates.files("climate-series")[
            f"templates/climate-series/{name}"
        ]
        for name in CLIMATE_SERIES
    }
    both = templates.home_files(PROJECTS)
    assert len(both) == 1 + sum(len(templates.files(project)) for project in PROJECTS)
    assert "land_cover/land_cover.ipynb" in both


def test_publishing_brings_the_welcome_to_the_bucket_and_nothing_beside_it(tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    example = templates.TEMPLATES.parent / "cohorts" / "example.yaml"
    document = yaml.safe_load(example.read_text()) | {"projects": ["climate-series"]}
    (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(document))
    with mock_aws():
        site = Site(load(tmp_path / "cohort.yaml"))
        s3 = site.client("s3")
        for purpose in ("data", "vault"):
            s3.create_bucket(Bucket=site.bucket(purpose))
        data = site.bucket("data")
        s3.put_object(Bucket=data, Key="templates/welcome/of-before.ipynb", Body=b"{}")
        list(publish_cohort(site, slow_rivals=False))
        found = s3.list_objects_v2(Bucket=data, Prefix="templates/")["Contents"]
        assert {item["Key"] for item in found} == {
            *templates.welcome_files(),
            *templates.files("climate-series"),
        }


def test_the_training_script_says_what_it_takes():
    script = templates.TEMPLATES / "climate_series" / "train.py"
    run = subprocess.run(
        [sys.executable, str(script), "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(wheel.LIBRARY)},
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--epochs", "--networks", "--seed"):
        assert option in run.stdout
