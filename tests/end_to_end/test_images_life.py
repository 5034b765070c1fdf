"""A cohort on images of its own, through the CDK CLI: built, attached, renewed, gone back from.

What is built is this checkout's real context; on the embedded cloud its build runs no RUN line, so
what the libraries are is for `make image` to show. Here it is which image starts, and what of it
reaches space, job and board.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra.cli.account import Site
from infra.cli.demo.kernel import Lab
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.offline.server import Cloud

ROOT = Path(__file__).parents[2]
PROJECT = "climate-series"
FLAVOUR = "forecasting-cpu"
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

TRAIN = (
    "import academy\n"
    f"job = academy.train('climate_series/train.py', project='{PROJECT}', hours=0.2,\n"
    "    hyperparameters={'epochs': 1, 'networks': 1})\n"
    "print(job.name)"
)
SUBMIT = (
    "from academy.forecasting import seasonal_naive\n"
    f"data = academy.dataset('{PROJECT}')\n"
    "task = data.task\n"
    "made = {name: seasonal_naive(data.history[name], task.horizon, task.season)"
    " for name in task.series}\n"
    f"print(academy.submit('{PROJECT}', made, job=job).image)"
)


class Checkout:
    """A copy of the repository that may be changed, with this one's tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("infra", "project_templates", "workspace_images"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        for name in ("app.py", "cdk.json"):
            shutil.copy(ROOT / name, folder)
        for name in (".venv", "node_modules"):
            (folder / name).symlink_to(ROOT / name)
        self.record = folder / "workspace_images" / "versions.json"
        self.cohort = folder / "cohort.yaml"

    def cdk(self, *arguments: str) -> str:
        out = str(self.folder / "cdk.out")
        return self._run("node_modules/.bin/cdk", *arguments, "--output", out)

    def deploy(self, *stacks: str) -> None:
        which = ("-c", f"images={self.record}", "-c", "region=us-east-1")
        if stacks == ("--all",):
            which = ("-c", f"cohort={self.cohort}")
        self.cdk("deploy", *stacks, *which, "--require-approval", "never")

    def images(self, *arguments: str) -> str:
        return self._run(sys.executable, "-m", "infra.cli.main", "images", *arguments)

    def build(self) -> None:
        """What an admin does to bring this checkout to an account."""
        self.deploy("Academy-Images-Build")
        self.images("build", "--image", "forecasting", "--accelerator", "cpu")
        self.deploy("Academy-Images")

    def _run(self, *command: str) -> str:
        answer = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(os.environ) | {"CDK_VALIDATION": "false"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = answer.stdout + answer.stderr
        assert answer.returncode == 0, said[-3000:]
        return said


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield cloud


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    today = dt.datetime.now(dt.UTC).date()
    document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
    document |= {"starts": today - dt.timedelta(days=7), "ends": today + dt.timedelta(days=120)}
    document["competition"]["closes"] = today + dt.timedelta(days=100)
    document["projects"] = [PROJECT]
    document["teams"] = [{"id": "falcon", "learners": [{"id": "ana", "email": "ana@example.org"}]}]
    for part in ("studio", "training"):
        instances = document[part]["instances"]
        document[part]["instances"] = [name for name in instances if ".g" not in name]
    made.cohort.write_text(yaml.safe_dump(document), encoding="utf-8")
    return made


class Space:
    """ana's space: opened, asked, closed."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __enter__(self) -> Space:
        self.lab = Lab(open_and_wait(self.site, "ana", hours=1, told=lambda _: None))
        return self

    def __exit__(self, *_: object) -> None:
        self.site.broker("ana", {"op": "close_space"})
        waited = 0
        while self.site.broker("ana", {"op": "space"})["status"] != "Closed":
            waited += 1
            assert waited < 200
        del self.lab

    @property
    def image(self) -> str:
        """The image version that the app says it runs on."""
        sagemaker = self.site.client("sagemaker")
        (app,) = [a for a in sagemaker.list_apps()["Apps"] if a["Status"] == "InService"]
        found = sagemaker.describe_app(
            **{name: app[name] for name in ("DomainId", "SpaceName", "AppType", "AppName")}
        )
        return str(found["ResourceSpec"].get("SageMakerImageVersionArn", ""))

    def welcome(self) -> str:
        document = self.lab.contents("welcome.ipynb")
        assert document is not None
        return json.dumps(document["content"])


def test_a_cohorts_images(cloud: Cloud, checkout: Checkout) -> None:
    checkout.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "")

    # Before there are images, spaces start on AWS's own.
    checkout.deploy("--all")
    site = Site.of(checkout.cohort)
    list(publish_cohort(site, slow_rivals=False))
    with Space(site) as space:
        assert space.image == ""

    # Built and attached, the same space moves at its next start.
    checkout.build()
    checkout.deploy("--all")
    version = json.loads(checkout.record.read_text())["123456789012/us-east-1"]["versions"]["1"]
    training = version["images"][FLAVOUR]["training"]
    with Space(site) as space, space.lab.kernel() as kernel:
        assert space.image.endswith(f":image-version/academy-{FLAVOUR}/1")
        name = kernel.text(TRAIN).strip().splitlines()[-1]
        shown = kernel.text(SUBMIT).strip().splitlines()[-1]
        first = space.welcome()
    job = site.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["AlgorithmSpecification"]["TrainingImage"].endswith(f"@{training}")
    channels = {channel["ChannelName"] for channel in job["InputDataConfig"]}
    assert channels == {"code", "data"}, "the library comes with the image"
    assert shown == f"academy/{FLAVOUR}@{training.removeprefix('sha256:')[:12]}"
    (entry,) = _board(site)["entries"]
    assert shown in json.dumps(entry), "an entry's provenance shows the image"

    # A changed notebook is another version; the domain moves, nothing is replaced.
    domains = {d["DomainId"] for d in site.client("sagemaker").list_domains()["Domains"]}
    notebook = checkout.folder / "project_templates/welcome/welcome.py"
    text = notebook.read_text(encoding="utf-8")
    notebook.write_text(f"{text}\n# %% [markdown]\n# A second version.\n", encoding="utf-8")
    checkout.build()
    checkout.deploy("--all")
    with Space(site) as space:
        assert space.image.endswith("/2")
        assert "A second version." in space.welcome()

    # And back.
    checkout.images("use", "1")
    checkout.deploy("--all")
    with Space(site) as space:
        assert space.image.endswith("/1")
        assert space.welcome() == first
    assert {d["DomainId"] for d in site.client("sagemaker").list_domains()["Domains"]} == domains


def _board(site: Site) -> dict[str, Any]:
    page = site.client("s3").get_object(Bucket=site.bucket("site"), Key=f"boards/{PROJECT}.json")
    found: dict[str, Any] = json.loads(page["Body"].read())
    return found
