"""An advisor's space on the embedded cloud: every team's work to look at, and every other door
shut by IAM."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.cli.account import Site
from infra.cli.close import close_cohort
from infra.cli.demo.kernel import Lab
from infra.cli.demo.leftovers import leftovers
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.cli.spend import read
from infra.cli.terminal import Refused
from infra.offline.server import Cloud
from infra.publishing.land_cover import Plan
from tests.academy import hostile
from tests.end_to_end.test_cohort_life import cdk, cohort_file

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

TEAMS = [
    {"id": "falcon", "learners": [{"id": "ana", "email": "ana@example.org"}]},
    {"id": "heron", "learners": [{"id": "chi", "email": "chi@example.org"}]},
]
BUDGET = {"per_learner_usd": 25, "per_advisor_usd": 3}

SHARES = """
import academy, base64, json, pathlib
pathlib.Path("mine.ipynb").write_bytes(base64.b64decode(%(notebook)r))
print(academy.share("mine.ipynb"))
"""

LOOKS = """
import academy, json
page = academy.read("falcon", "shared/mine.ipynb")
teams = academy.teams()
print(json.dumps({
    "kind": academy.connect().workspace.advises,
    "teams": [row["team"] for row in teams],
    "files": [each.key for each in academy.look("falcon").files],
    "text": "the work itself" in page.text,
    "html": page.html,
    "kept": page.file,
    "cap": academy.budget().cap_micro_usd,
}))
"""

#: Each is refused by AWS in these words; anything else, an error of another kind included, is a
#: door that is not shut.
DOORS = """
import json, boto3
from botocore.exceptions import ClientError
w = json.loads(%(workspace)r)
work = w["buckets"]["work"]
vault = work.removesuffix("work") + "vault"
broker = w["broker"].rsplit(":", 1)[0]
clients = {n: boto3.client(n, region_name=w["region"]) for n in (
    "s3", "sagemaker", "lambda", "ssm", "dynamodb", "iam", "sts", "scheduler", "sns", "events")}
s3, sm, lam = clients["s3"], clients["sagemaker"], clients["lambda"]
roles = "arn:aws:iam::" + w["account"] + ":role/academy/" + w["cohort"]
key = "teams/falcon/shared/mine.ipynb"
job = dict(
    TrainingJobName=w["cohort"] + "--falcon--shelley--00000000",
    RoleArn=roles + "/training/" + w["cohort"] + "--training--falcon",
    AlgorithmSpecification=dict(TrainingImage="image", TrainingInputMode="File"),
    OutputDataConfig=dict(S3OutputPath="s3://" + work + "/teams/falcon/jobs/"),
    ResourceConfig=dict(InstanceType="ml.m5.large", InstanceCount=1, VolumeSizeInGB=5),
    StoppingCondition=dict(MaxRuntimeInSeconds=3600),
)
app = dict(DomainId=w["domain_id"], SpaceName=w["space"], AppType="JupyterLab", AppName="default")
attempts = {
    "write into a team's folder": lambda: s3.put_object(
        Bucket=work, Key="teams/falcon/x", Body=b""),
    "replace a learner's file": lambda: s3.put_object(Bucket=work, Key=key, Body=b""),
    "delete a learner's file": lambda: s3.delete_object(Bucket=work, Key=key),
    "submit for a team": lambda: s3.put_object(
        Bucket=work, Key="submissions/climate-series/falcon/x.csv", Body=b"", IfNoneMatch="*"),
    "write a receipt": lambda: s3.put_object(
        Bucket=work, Key="receipts/climate-series/falcon/x.json", Body=b""),
    "read what the checker made": lambda: s3.list_objects_v2(Bucket=work, Prefix="checked/"),
    "list all of work": lambda: s3.list_objects_v2(Bucket=work),
    "read the held-out answers": lambda: s3.get_object(Bucket=vault, Key=%(answers)r),
    "list the vault": lambda: s3.list_objects_v2(Bucket=vault),
    "publish data": lambda: s3.put_object(
        Bucket=w["buckets"]["data"], Key="software/academy-9.whl", Body=b""),
    "write a board": lambda: s3.put_object(
        Bucket=w["buckets"]["site"], Key="boards/climate-series.json", Body=b""),
    "start a job": lambda: sm.create_training_job(**job),
    "start her own app again": lambda: sm.create_app(**app),
    "end her own app": lambda: sm.delete_app(**app),
    "list training jobs": lambda: sm.list_training_jobs(),
    "ask the broker as ana": lambda: lam.invoke(FunctionName=broker + ":ana", Payload=b"{}"),
    "ask the broker as nobody": lambda: lam.invoke(FunctionName=broker, Payload=b"{}"),
    "call the scorer": lambda: lam.invoke(
        FunctionName=broker.replace("broker", "scorer"), Payload=b"{}"),
    "read ana's config": lambda: clients["ssm"].get_parameter(
        Name="/academy/workspaces/" + w["cohort"] + "--ana"),
    "read the settings": lambda: clients["ssm"].get_parameter(
        Name="/academy/" + w["cohort"] + "/settings"),
    "read the ledger": lambda: clients["dynamodb"].scan(TableName=w["cohort"] + "-ledger"),
    "read the board's table": lambda: clients["dynamodb"].scan(TableName=w["cohort"] + "-board"),
    "become a learner": lambda: clients["sts"].assume_role(
        RoleArn=roles + "/learner/" + w["cohort"] + "--learner--ana", RoleSessionName="shelley"),
    "see her own role": lambda: clients["iam"].get_role(
        RoleName=w["cohort"] + "--advisor--shelley"),
}
answers = {}
for name, attempt in attempts.items():
    try:
        attempt()
        answers[name] = "done"
    except ClientError as error:
        answers[name] = error.response["Error"]["Code"]
print(json.dumps(answers))
"""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Cloud(state=tmp_path / "cloud") as cloud:
        for name, value in cloud.client_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield cloud


def said(lab: Lab, code: str) -> Any:
    with lab.kernel() as kernel:
        return json.loads(kernel.text(code).strip().splitlines()[-1])


def test_an_advisor_reads_every_teams_work_and_may_do_nothing_else(
    cloud: Cloud, tmp_path: Path
) -> None:
    file = cohort_file(tmp_path, teams=TEAMS, budget=BUDGET, projects=["climate-series"])
    everything = ("--all", "-c", f"cohort={file}", "--output", str(tmp_path / "cdk.out"))
    cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "")
    cdk("deploy", *everything, "--require-approval", "never")
    site = Site.of(file)
    list(publish_cohort(site, plan=Plan(size=192, train=2), slow_rivals=False))

    ana = Lab(open_and_wait(site, "ana", hours=1, told=print))
    shelley = Lab(open_and_wait(site, "shelley", hours=1, told=print))
    stops = site.client("scheduler").list_schedules(GroupName=site.cohort.names.schedule_group)
    assert len(stops["Schedules"]) == 2, "each space has its stop"

    notebook = base64.b64encode(hostile.notebook()).decode()
    with ana.kernel() as kernel:
        assert "shared/mine.ipynb" in kernel.text(SHARES % {"notebook": notebook})

    looked = said(shelley, LOOKS)
    assert looked["kind"] is True
    assert looked["teams"] == ["falcon", "heron"]
    assert looked["files"] == ["shared/mine.ipynb"]
    assert looked["text"]
    assert "<script" not in looked["html"]
    assert looked["kept"].startswith("teams/falcon/shared-mine-ipynb-")
    assert looked["cap"] == 3_000_000

    answers = site.client("s3").list_objects_v2(Bucket=site.bucket("vault"), Prefix="answers/")
    doors = said(
        shelley,
        DOORS
        % {
            "workspace": json.dumps(site.workspace("shelley")),
            "answers": answers["Contents"][0]["Key"],
        },
    )
    shut = {"AccessDenied", "AccessDeniedException"}
    assert {name: answer for name, answer in doors.items() if answer not in shut} == {}
    assert len(doors) == 24

    with pytest.raises(Refused, match="an advisor has no team"):
        site.broker("shelley", {"op": "job", "job": f"{site.cohort.name}--falcon--ana--0123abcd"})

    lines = {line.learner: line for line in read(site, dt.datetime.now(dt.UTC)).lines}
    assert lines["shelley"].account.cap == 3_000_000
    assert [held.kind for held in lines["shelley"].running] == ["space"]

    list(close_cohort(site))
    cdk("destroy", "--force", *everything)
    assert leftovers(site) == {}
