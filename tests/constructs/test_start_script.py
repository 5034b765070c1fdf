"""The script that starts a space, run for real: bash, pip, and a moto server for S3 and SSM."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from infra.cohort.model import PROJECTS
from infra.publishing import LIBRARY, templates

pytestmark = pytest.mark.end_to_end

SCRIPT = Path(__file__).resolve().parents[2] / "workspace_images" / "start.sh"
SPACE = "earth--ana"
BUCKET = "earth-data"
NOTEBOOK = "templates/climate-series/notebook.py"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A plain moto server in a process of its own: extensions of this process do not touch it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment like a space's image: python with boto3 and pip, without the library."""
    folder = tmp_path_factory.mktemp("image") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    inner = sysconfig.get_path("purelib", vars={"base": str(folder)})
    outer = sysconfig.get_path("purelib")
    Path(inner, "image.pth").write_text(f"{outer}\n")
    return folder


def wheel(version: str, path: Path, modules: tuple[str, ...] = ("home.py",)) -> Path:
    """A wheel of a package `academy` of that version, by hand: no build tools, no network."""
    name = path / f"academy-{version}-py3-none-any.whl"
    info = f"academy-{version}.dist-info"
    with zipfile.ZipFile(name, "w") as archive:
        archive.writestr("academy/__init__.py", f"__version__ = {version!r}\n")
        for module in modules:
            archive.write(LIBRARY / "academy" / module, f"academy/{module}")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: academy\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return name


@dataclass
class Space:
    home: Path
    environment: dict[str, str]
    s3: Any
    ssm: Any

    def start(self, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(SCRIPT)],
            cwd=self.home,
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def put(self, key: str, content: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode())

    def configure(self, **changes: Any) -> None:
        """Write the workspace config."""
        config = {
            "cohort": "earth",
            "learner": "ana",
            "team": "falcon",
            "buckets": {"data": BUCKET},
            "prefixes": {"software": "software/"},
            "projects": ["climate-series"],
            **changes,
        }
        self.ssm.put_parameter(
            Name=f"/academy/workspaces/{SPACE}",
            Type="String",
            Value=json.dumps(config),
            Overwrite=True,
        )

    @property
    def notebook(self) -> Path:
        return self.home / "climate_series" / "notebook.py"


@pytest.fixture
def space(endpoint: str, image: Path, tmp_path: Path) -> Space:
    keys = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()
    session = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="us-east-1")
    s3 = session.client("s3", endpoint_url=endpoint)
    s3.create_bucket(Bucket=BUCKET)
    built = wheel("0.1.0", tmp_path)
    s3.upload_file(str(built), BUCKET, f"software/{built.name}")
    home = tmp_path / "home"
    home.mkdir()
    metadata = tmp_path / "resource-metadata.json"
    metadata.write_text(
        json.dumps(
            {
                "AppType": "JupyterLab",
                "SpaceName": SPACE,
                "ResourceName": "default",
                "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:"
                "app/d-0123456789ab/earth--ana/JupyterLab/default",
            }
        )
    )
    made = Space(
        home,
        {
            "PATH": f"{image / 'bin'}:{os.environ['PATH']}",
            "HOME": str(home),
            "ACADEMY_RESOURCE_METADATA": str(metadata),
            **keys,
        },
        s3,
        session.client("ssm", endpoint_url=endpoint),
    )
    made.configure()
    made.put(NOTEBOOK, "# first\n")
    made.put("templates/climate-series/deep/er.txt", "deep\n")
    made.put("templates/land-cover/other.txt", "not this cohort's\n")
    return made


def installed(image: Path) -> str:
    return subprocess.run(
        [image / "bin" / "python", "-c", "import academy; print(academy.__version__)"],
        capture_output=True,
        text=True,
        cwd=image,
        check=True,
    ).stdout.strip()


def test_a_first_start_installs_the_library_and_brings_the_templates(space, image):
    done = space.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(image) == "0.1.0"
    assert space.notebook.read_text() == "# first\n"
    assert (space.home / "climate_series/deep/er.txt").read_text() == "deep\n"
    assert not (space.home / "land_cover").exists()
    assert "space earth--ana: ana of team falcon" in done.stdout
    assert "~/climate_series/notebook.py: added" in done.stdout
    assert done.stdout.endswith("academy: ready\n")


def test_a_second_start_changes_nothing(space):
    space.start()
    again = space.start()
    assert again.returncode == 0, again.stderr
    assert "notebook.py" not in again.stdout
    assert sorted(p.name for p in space.notebook.parent.iterdir()) == ["deep", "notebook.py"]


def test_the_library_that_was_published_last_is_installed(space, image, tmp_path):
    space.start()
    newer = wheel("0.2.0", tmp_path)
    time.sleep(1.1)  # S3 tells LastModified in whole seconds
    space.s3.upload_file(str(newer), BUCKET, f"software/{newer.name}")
    space.start()
    assert installed(image) == "0.2.0"


def test_an_edited_file_is_never_overwritten(space):
    space.start()
    space.notebook.write_text("# mine\n")
    space.put(NOTEBOOK, "# second\n")
    done = space.start()
    assert space.notebook.read_text() == "# mine\n"
    assert space.notebook.with_name("notebook.new.py").read_text() == "# second\n"
    assert "you edited it" in done.stdout


def test_a_file_that_was_not_edited_is_brought_up_to_date(space):
    space.start()
    space.put(NOTEBOOK, "# second\n")
    done = space.start()
    assert space.notebook.read_text() == "# second\n"
    assert "notebook.py: updated" in done.stdout


def test_the_welcome_notebook_lies_in_the_home_and_is_what_opens_first(space):
    space.put("templates/welcome/welcome.ipynb", "{}")
    done = space.start()
    assert "~/welcome.ipynb: added" in done.stdout
    assert (space.home / "welcome.ipynb").read_text() == "{}"
    [layout] = (space.home / ".jupyter/lab/workspaces").iterdir()
    assert "notebook:welcome.ipynb" in layout.read_text()


def test_a_home_is_laid_out_as_by_an_image(space):
    for project in PROJECTS:
        for key, content in (templates.files(project) | templates.welcome_files()).items():
            space.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    space.s3.delete_object(Bucket=BUCKET, Key=NOTEBOOK)
    for name in ("climate-series/deep/er.txt", "land-cover/other.txt"):
        space.s3.delete_object(Bucket=BUCKET, Key=f"templates/{name}")
    space.configure(projects=list(PROJECTS))
    assert space.start().returncode == 0
    brought = {
        path.relative_to(space.home).as_posix(): path.read_bytes()
        for path in space.home.rglob("*")
        if path.is_file() and not path.relative_to(space.home).parts[0].startswith(".")
    }
    assert brought == templates.home_files(PROJECTS)


def test_in_a_space_with_an_image_of_the_academy_it_has_nothing_to_do(space, tmp_path):
    (tmp_path / "image.json").write_text("{}")
    done = space.start(ACADEMY_ROOT=str(tmp_path), ACADEMY_RESOURCE_METADATA="/nowhere.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "academy: this space runs an image of the academy, which brings everything\n"
    )
    assert list(space.home.iterdir()) == []


def test_a_home_in_the_way_does_not_keep_the_space_from_starting(space):
    (space.home / "climate_series").write_text("a file where the folder should be")
    (space.home / ".academy").write_text("and another")
    done = space.start()
    assert done.returncode == 0, done.stderr
    assert "not brought" in done.stdout


@pytest.mark.parametrize("name", ["boto3.py", "academy.py", "json.py", "academy/home.py"])
def test_a_module_in_the_home_does_not_stand_in_for_the_clouds_or_ours(space, name):
    mine = space.home / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("raise SystemExit('mine')")
    done = space.start(PYTHONPATH=str(space.home))
    assert done.returncode == 0, done.stderr
    assert "~/climate_series/notebook.py: added" in done.stdout


def test_with_an_older_library_the_space_starts_and_says_what_to_do(space, tmp_path):
    space.s3.delete_object(Bucket=BUCKET, Key="software/academy-0.1.0-py3-none-any.whl")
    older = wheel("0.0.9", tmp_path, modules=())
    space.s3.upload_file(str(older), BUCKET, f"software/{older.name}")
    done = space.start()
    assert done.returncode == 0, done.stderr
    assert "no templates were brought" in done.stdout
    assert "cohort publish" in done.stdout


def test_it_leaves_nothing_in_the_scratch_folder(space, tmp_path):
    (tmp_path / "scratch").mkdir()
    assert space.start(TMPDIR=str(tmp_path / "scratch")).returncode == 0
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_template_that_leaves_its_folder_is_refused(space):
    space.put("templates/climate-series/../../escape.txt", "x")
    done = space.start()
    assert done.returncode != 0
    assert "leaves its folder" in done.stderr
    assert not (space.home.parent / "escape.txt").exists()


def test_without_a_published_library_it_says_what_to_do(space):
    for item in space.s3.list_objects_v2(Bucket=BUCKET, Prefix="software/")["Contents"]:
        space.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    done = space.start()
    assert done.returncode != 0
    assert "cohort publish" in done.stderr


def test_outside_a_space_it_says_so(space):
    done = space.start(ACADEMY_RESOURCE_METADATA="/nowhere.json")
    assert done.returncode == 1
    assert "no metadata at /nowhere.json" in done.stderr
