"""Every isolation, on a public and on a private network, through the CDK CLI: deployed, every
learner's space opened, a job run, closed, destroyed."""

from __future__ import annotations

import datetime as dt
import json
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
from infra.cli.demo.kernel import Lab
from infra.cli.demo.leftovers import leftovers
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.cohort.naming import EVERYONE
from infra.offline.server import Cloud
from infra.publishing.land_cover import Plan

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
LEARNERS = ("ana", "ben", "chi")
TEAMS = [
    {
        "id": "falcon",
        "learners": [{"id": name, "email": f"{name}@example.org"} for name in LEARNERS[:2]],
    },
    {"id": "heron", "learners": [{"id": "chi", "email": "chi@example.org"}]},
]
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

WHOSE = "import boto3\nprint(boto3.client('sts').get_caller_identity()['Arn'])"
TRAIN = (
    "import academy\n"
    "job = academy.train('climate_series/train.py', project='climate-series', hours=0.2,\n"
    "    hyperparameters={'epochs': 1, 'networks': 1})\n"
    "job.wait()\n"
    "print(job.name)"
)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield cloud


def cdk(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        [str(CDK), *arguments, "--output", str(folder / "cdk.out")],
        cwd=ROOT,
        env=dict(os.environ) | {"CDK_VALIDATION": "false"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said[-3000:]
    return said


def cohort_file(folder: Path, **changes: Any) -> Path:
    today = dt.datetime.now(dt.UTC).date()
    document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
    document |= {
        "starts": today - dt.timedelta(days=7),
        "ends": today + dt.timedelta(days=120),
        "teams": TEAMS,
        **changes,
    }
    document["competition"]["closes"] = today + dt.timedelta(days=100)
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def domains_of(site: Site) -> dict[str, str]:
    """name -> id of every Studio domain."""
    found = site.client("sagemaker").list_domains()["Domains"]
    return {each["DomainName"]: each["DomainId"] for each in found}


@pytest.mark.parametrize(
    ("isolation", "network"),
    [
        pytest.param("learner", "private", marks=pytest.mark.exhaustive),
        pytest.param("team", "public", marks=pytest.mark.exhaustive),
        ("cohort", "private"),
    ],
)
def test_a_cohort_lives_and_leaves_nothing(
    cloud: Cloud, tmp_path: Path, isolation: str, network: str
) -> None:
    file = cohort_file(tmp_path, isolation=isolation, network=network)
    everything = ("--all", "-c", f"cohort={file}")
    cdk(tmp_path, "bootstrap", "aws://123456789012/us-east-1", "--app", "")
    cdk(tmp_path, "deploy", *everything, "--require-approval", "never")
    site = Site.of(file)
    list(publish_cohort(site, plan=Plan(size=192, train=2), slow_rivals=False))

    names = site.cohort.names
    expected = {
        learner.id: {
            "learner": names.workspace(learner.id),
            "team": names.shared_domain(team.id),
            "cohort": names.shared_domain(EVERYONE),
        }[isolation]
        for team, learner in site.cohort.learners
    }
    domains = domains_of(site)
    assert set(domains) == set(expected.values()), "no domain but those of the learners"
    for learner, domain in expected.items():
        assert (site.workspace(learner) or {})["domain_id"] == domains[domain]

    sagemaker = site.client("sagemaker")
    for learner in LEARNERS:
        lab = Lab(open_and_wait(site, learner, hours=1, told=lambda _: None))
        with lab.kernel() as kernel:
            who = kernel.text(WHOSE).strip().splitlines()[-1]
            assert f"assumed-role/{names.role('learner', learner)}/" in who
            if learner == "ben":
                job = sagemaker.describe_training_job(
                    TrainingJobName=kernel.text(TRAIN).strip().splitlines()[-1]
                )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert ("VpcConfig" in job) == (network == "private")
    apps = [a for a in sagemaker.list_apps()["Apps"] if a["Status"] == "InService"]
    assert sorted(a["SpaceName"] for a in apps) == [names.workspace(each) for each in LEARNERS]

    # The sweep knows its own by the names of their domains, and ends none that is paid for.
    swept = site.client("lambda").invoke(FunctionName=names.function("sweep"), Payload=b"{}")
    assert "FunctionError" not in swept, swept["Payload"].read()
    live = [a for a in sagemaker.list_apps()["Apps"] if a["Status"] == "InService"]
    assert len(live) == len(LEARNERS)

    list(close_cohort(site))
    cdk(tmp_path, "destroy", "--force", *everything)
    assert leftovers(site) == {}


@pytest.mark.exhaustive
def test_a_network_becomes_private_and_nobody_moves(cloud: Cloud, tmp_path: Path) -> None:
    """No domain, profile or space is replaced; jobs and spaces stand inside from then on."""
    teams = [{"id": "falcon", "learners": TEAMS[0]["learners"][:1]}]
    file = cohort_file(tmp_path, teams=teams)
    everything = ("--all", "-c", f"cohort={file}")
    cdk(tmp_path, "bootstrap", "aws://123456789012/us-east-1", "--app", "")
    cdk(tmp_path, "deploy", *everything, "--require-approval", "never")
    site = Site.of(file)
    list(publish_cohort(site, plan=Plan(size=192, train=2), slow_rivals=False))
    before = domains_of(site)

    cohort_file(tmp_path, teams=teams, network="private")
    cdk(tmp_path, "deploy", *everything, "--require-approval", "never")
    assert domains_of(site) == before
    (domain,) = before.values()
    described = site.client("sagemaker").describe_domain(DomainId=domain)
    assert described["AppNetworkAccessType"] == "VpcOnly"
    (group,) = described["DefaultUserSettings"]["SecurityGroups"]

    settings = site.client("ssm").get_parameter(Name=site.cohort.names.settings_parameter)
    network = json.loads(settings["Parameter"]["Value"])["network"]
    assert network == {"subnets": described["SubnetIds"], "security_groups": [group]}
    lab = Lab(open_and_wait(site, "ana", hours=1, told=lambda _: None))
    with lab.kernel() as kernel:
        name = kernel.text(TRAIN).strip().splitlines()[-1]
    job = site.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["VpcConfig"] == {"Subnets": network["subnets"], "SecurityGroupIds": [group]}
