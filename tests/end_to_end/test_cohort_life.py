"""A cohort's stacks through the unmodified CDK CLI: deploy, deploy again, grow, shrink, destroy."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.cli.demo.leftovers import leftovers
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.offline.server import Cloud
from infra.publishing.land_cover import Plan

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
ANA = {"id": "ana", "email": "ana@example.org"}
#: `make demo` walks the same road for people.
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield cloud


def cdk(*arguments: str) -> str:
    answer = subprocess.run(
        [str(CDK), *arguments],
        cwd=ROOT,
        env=dict(os.environ) | {"CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said[-3000:]
    return said


def cohort_file(folder: Path, **changes: Any) -> Path:
    today = dt.datetime.now(dt.UTC).date()
    document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
    document["starts"] = today - dt.timedelta(days=7)
    document["ends"] = today + dt.timedelta(days=120)
    document["competition"]["closes"] = today + dt.timedelta(days=100)
    document.update(changes)
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_a_cohort_is_deployed_changed_and_destroyed(cloud: Cloud, tmp_path: Path) -> None:
    file = cohort_file(tmp_path)
    everything = ("--all", "-c", f"cohort={file}", "--output", str(tmp_path / "cdk.out"))
    deploy = ("deploy", *everything, "--require-approval", "never")

    cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "")
    cdk(*deploy)
    site = Site.of(file)
    domains = site.client("sagemaker").list_domains()["Domains"]
    assert len(domains) == 4

    again = cdk(*deploy)
    assert again.count("(no changes)") == 6, "a second deploy of the same file changes nothing"
    unchanged = site.client("sagemaker").list_domains()["Domains"]
    assert {d["DomainId"] for d in unchanged} == {d["DomainId"] for d in domains}

    teams = yaml.safe_load(file.read_text(encoding="utf-8"))["teams"]
    teams[1]["learners"].append({"id": "eve", "email": "eve@example.org"})
    cohort_file(tmp_path, teams=teams)
    cdk(*deploy)
    grown = site.client("sagemaker").list_domains()["Domains"]
    assert len(grown) == 5
    assert {d["DomainId"] for d in domains} < {d["DomainId"] for d in grown}, "nobody is replaced"

    cdk("destroy", "--force", *everything)
    assert leftovers(site) == {}


@pytest.mark.exhaustive
def test_a_destroy_before_the_close_can_be_mended_by_close(cloud: Cloud, tmp_path: Path) -> None:
    file = cohort_file(tmp_path, teams=[{"id": "falcon", "learners": [ANA]}])
    everything = ("--all", "-c", f"cohort={file}", "--output", str(tmp_path / "cdk.out"))
    cdk("bootstrap", "-c", f"cohort={file}")
    cdk("deploy", *everything, "--require-approval", "never")
    site = Site.of(file)
    list(publish_cohort(site, plan=Plan(size=192, train=2), slow_rivals=False))
    open_and_wait(site, "ana", hours=1, told=print)

    with pytest.raises(AssertionError, match="DELETE_FAILED"):
        cdk("destroy", "--force", *everything)
    stops = site.client("scheduler").list_schedules(GroupName=site.cohort.names.schedule_group)
    assert len(stops["Schedules"]) == 1, "the space that still runs has its stop"

    list(close_cohort(site))
    apps = site.client("sagemaker").list_apps()["Apps"]
    assert [app["Status"] for app in apps] == ["Deleted"]
    cdk("destroy", "--force", *everything)
    assert leftovers(site) == {}
