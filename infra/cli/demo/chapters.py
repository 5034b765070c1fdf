"""The demo's chapters, in the order of an academy's life; each does something and proves it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests
from rich.markup import escape
from rich.table import Table

from infra.assurance.plan import ISOLATION
from infra.cli.close import close_cohort
from infra.cli.demo.contest import choice, close_the_competition, marks_and_rival, news
from infra.cli.demo.dead_guard import guard_dies
from infra.cli.demo.front_door import address_of, codes_told, comes_in, sees
from infra.cli.demo.kernel import Lab, as_html, run_notebook
from infra.cli.demo.leftovers import leftovers
from infra.cli.demo.live import live_observed, live_opens, near_the_end_of_the_month
from infra.cli.demo.narrator import Narrator, Step
from infra.cli.demo.stage import Stage, poll
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.cli.terminal import size, usd
from infra.cohort.loading import load
from infra.offline.environment import client_environment


@dataclass(frozen=True)
class Walk:
    """A learner who walks through a project's notebook in her or his space."""

    learner: str
    project: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return self.project.replace("-", "_")

    @property
    def notebook(self) -> str:
        return f"{self.folder}/{self.folder}.ipynb"


TEAM = "falcon"
#: At the same time. A full land-cover walk takes minutes: its notebook has a smoke size, too.
WALKS = (
    Walk("ana", "climate-series"),
    Walk("ben", "land-cover", {"ACADEMY_SIZE": "smoke"}),
)


def cohort_file(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("One file describes the cohort") as step:
        cohort = load(stage.cohort_file)
        step.say(f"{cohort.name}: {cohort.starts} to {cohort.ends}, {cohort.region}")
        for team in cohort.teams:
            step.say(f"team {team.id}: {', '.join(person.id for person in team.learners)}")
        step.say(f"at most ${cohort.budget.per_learner_usd} for a learner")
        sizes = [len(team.learners) for team in cohort.teams]
        step.check("it is good, and describes two teams of two", sizes == [2, 2])


def embedded_cloud(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The embedded cloud comes up") as step:
        step.doing("cohort offline up")
        stage.start_cloud()
        identity = stage.site.client("sts").get_caller_identity()
        step.check("it answers as an AWS account", identity["Account"] == "123456789012")
        step.check(
            "and only on this machine",
            urlsplit(stage.endpoint).hostname == "127.0.0.1",
            stage.endpoint,
        )
        step.say(f"its clock says {near_the_end_of_the_month(stage):%Y-%m-%d}")


def deploy(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The unmodified CDK CLI provisions the academy") as step:
        step.doing("cdk bootstrap")
        stage.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", told=step.doing)
        step.doing("cdk deploy --all")
        stage.cdk(
            "deploy",
            "--all",
            "-c",
            f"cohort={stage.cohort_file}",
            "--output",
            str(stage.logs / "cdk.out"),
            "--require-approval",
            "never",
            "--progress",
            "events",
            told=step.doing,
        )
        cloudformation = stage.site.client("cloudformation")
        table = Table("stack", "resources", "what exists", box=None, padding=(0, 2, 0, 0))
        stacks = [
            s for s in cloudformation.describe_stacks()["Stacks"] if s["StackName"] != "CDKToolkit"
        ]
        for stack in sorted(stacks, key=lambda s: s["CreationTime"]):
            pages = cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=stack["StackName"]
            )
            counts: dict[str, int] = {}
            for page in pages:
                for resource in page["StackResourceSummaries"]:
                    kind = resource["ResourceType"].removeprefix("AWS::")
                    counts[kind] = counts.get(kind, 0) + 1
            what = ", ".join(
                f"{count} {kind}" if count > 1 else kind for kind, count in sorted(counts.items())
            )
            table.add_row(stack["StackName"], str(sum(counts.values())), what)
        step.show(table)
        statuses = {s["StackName"]: s["StackStatus"] for s in stacks}
        cohort = stage.site.cohort
        teams = [(team.id, [learner.id for learner in team.learners]) for team in cohort.teams]
        advisors = [advisor.id for advisor in cohort.advisors_with_spaces]
        names = list(
            cohort.names.every(
                teams,
                advisors=advisors,
                isolation=cohort.isolation,
                door=cohort.door is not None,
            )
        )
        expected = {name for kind, name in names if kind == "stack"}
        step.check("the stacks are the cohort's", set(statuses) == expected, ", ".join(statuses))
        step.check("all are complete", set(statuses.values()) == {"CREATE_COMPLETE"})
        domains = stage.site.client("sagemaker").list_domains()["Domains"]
        step.check(
            ISOLATION[cohort.isolation].partition(";")[0],
            {domain["DomainName"] for domain in domains}
            == {name for kind, name in names if kind == "domain"}
            and all(domain["Status"] == "InService" for domain in domains),
            f"{len(domains)} domains",
        )


def published(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The admin publishes library, templates and data") as step:
        for line in publish_cohort(stage.site, told=step.doing):
            step.say(escape(line))
        s3 = stage.site.client("s3")
        # Something for the neighbours to want.
        s3.put_object(
            Bucket=stage.site.bucket("work"), Key="teams/heron/ideas.txt", Body=b"our best idea"
        )
        answers = s3.list_objects_v2(Bucket=stage.site.bucket("vault"), Prefix="answers/")
        sealed = {item["Key"].split("/")[1] for item in answers.get("Contents", [])}
        step.check(
            "held-out answers of each project are in the vault",
            sealed == set(stage.site.cohort.projects),
            ", ".join(sorted(sealed)),
        )
        listing = s3.list_objects_v2(Bucket=stage.site.bucket("data"))
        step.check(
            "and nowhere among the data that learners read",
            not any("answers" in item["Key"] for item in listing["Contents"]),
            f"{listing['KeyCount']} objects",
        )


def spaces(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("ben's space opens by the command line, and ana's has a link, too") as step:
        step.doing("a space runs its start script, then JupyterLab")
        with ThreadPoolExecutor(2) as pool:
            links = {
                learner: pool.submit(open_and_wait, stage.site, learner, hours=2, told=step.say)
                for learner in ("ana", "ben")
            }
            for learner, link in links.items():
                stage.labs[learner] = Lab(link.result())
        lab = stage.labs["ana"]
        step.check(
            "the presigned link opens ana's JupyterLab", lab.status == 200, f"HTTP {lab.status}"
        )
        for walk in WALKS:
            step.check(
                f"{walk.project}'s notebook is in {walk.learner}'s home",
                stage.labs[walk.learner].contents(walk.notebook) is not None,
                walk.notebook,
            )
        scheduler = stage.site.client("scheduler")
        names = stage.site.cohort.names
        group = names.schedule_group
        prefix = names.stop_schedule("ana")
        listed = scheduler.list_schedules(GroupName=group, NamePrefix=prefix)["Schedules"]
        stop = scheduler.get_schedule(GroupName=group, Name=listed[0]["Name"]) if listed else {}
        step.check(
            "the stop was written before the start",
            stop.get("Target", {}).get("Arn", "").endswith(":sagemaker:deleteApp"),
            f"{stop.get('ScheduleExpression')} UTC",
        )


def notebooks(stage: Stage, narrator: Narrator) -> None:
    told = " and ".join(f"{walk.learner}'s" for walk in WALKS)
    with narrator.step(f"{told} notebooks run in their spaces, at the same time") as step:
        for walk, executed, seconds in _walk_all(stage, step):
            page = stage.out / f"{walk.folder}.html"
            page.write_text(as_html(executed), encoding="utf-8")
            stage.products.append(page)
            cells = [cell for cell in executed.cells if cell.cell_type == "code"]
            figures = sum(
                "image/png" in output.get("data", {}) for cell in cells for output in cell.outputs
            )
            step.check(
                f"every cell of {walk.learner}'s {walk.project} ran",
                bool(cells),
                f"{len(cells)} cells, {figures} figures, {seconds:.0f} s",
            )
            _trained(stage, step, walk)


def _walk_all(stage: Stage, step: Step) -> list[tuple[Walk, Any, float]]:
    """Each walk, its executed notebook and its seconds; all at once, each in a space's kernel."""
    heard: dict[str, str] = {}
    turn = Lock()

    def run(walk: Walk) -> tuple[Walk, Any, float]:
        def progress(number: int, count: int, heading: str) -> None:
            with turn:
                heard[walk.learner] = f"{walk.learner} {number}/{count}: {heading[:36]}"
                step.doing("   ".join(heard[name] for name in sorted(heard)))

        began = time.monotonic()
        executed = run_notebook(
            stage.labs[walk.learner],
            walk.notebook,
            progress=progress,
            environment=walk.environment,
        )
        with turn:
            heard[walk.learner] = f"{walk.learner} is through"
        return walk, executed, time.monotonic() - began

    pool = ThreadPoolExecutor(len(WALKS))
    try:
        walks = [pool.submit(run, walk) for walk in WALKS]
        wait(walks, return_when=FIRST_EXCEPTION)
        # Of one that failed, at once; the other ends with its space when the stage is cleared.
        for walk in walks:
            if walk.done():
                walk.result()
        return [walk.result() for walk in walks]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _trained(stage: Stage, step: Step, walk: Walk) -> None:
    """Check that the walk's job was the broker's, is completed, and left its model."""
    sagemaker = stage.site.client("sagemaker")
    names = _jobs(stage, walk.learner)
    step.check("it trained by a job that the broker started", len(names) >= 1, ", ".join(names))
    job = sagemaker.describe_training_job(TrainingJobName=names[0])
    step.check(
        "the job is completed",
        job["TrainingJobStatus"] == "Completed",
        f"{job['ResourceConfig']['InstanceType']}, {job['BillableTimeInSeconds']} s billable",
    )
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, key = urlsplit(model).netloc, urlsplit(model).path.lstrip("/")
    head = stage.site.client("s3").head_object(Bucket=bucket, Key=key)
    step.check(
        "its model is in the team's folder",
        key.startswith(f"teams/{TEAM}/"),
        f"{key}, {size(head['ContentLength'])}",
    )


def boards(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The submissions are scored on held-out data") as step:
        for walk in WALKS:
            _board(stage, step, walk.project)


def _board(stage: Stage, step: Step, project: str) -> None:
    s3, site = stage.site.client("s3"), stage.site.bucket("site")
    document: dict[str, Any] = poll(
        f"the board of {project}", lambda: _json(s3, site, f"boards/{project}.json")
    )
    table = Table("rank", "team", "score", "note", box=None, padding=(0, 2, 0, 0))
    for entry in document["entries"]:
        table.add_row(
            str(entry["rank"]), entry["team"], f"{entry['score']:.3f}", entry.get("note", "")
        )
    for line in document["lines"]:
        table.add_row("", f"[dim]{line['name']}[/dim]", f"[dim]{line['score']:.3f}[/dim]", "")
    step.say(f"[bold]{project}[/bold]: {document['metric']}; {document['better']} is better")
    step.show(table)
    entries = {entry["team"]: entry for entry in document["entries"]}
    step.check(f"{TEAM} is on the board of {project}", TEAM in entries)
    score = entries[TEAM]["score"]
    lines = {line["name"].partition(":")[0]: line["score"] for line in document["lines"]}
    if document["better"] == "lower":
        step.check("and beats the floor", score < lines["floor"], f"{score:.3f} of its error")
    else:
        step.check(
            "and is between the floor and the ceiling",
            lines["floor"] < score < lines["ceiling"],
            f"{lines['floor']:.3f} < {score:.3f} < {lines['ceiling']:.3f}",
        )
    path = stage.out / f"board_{project.replace('-', '_')}.html"
    path.write_bytes(s3.get_object(Bucket=site, Key=f"{project}.html")["Body"].read())
    stage.products.append(path)


def over_budget(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("ben asks for a job over his budget") as step:
        # What a job held is given back when it is settled, a moment after it ended.
        poll("ben's job is settled", lambda: _open(stage, "ben") == ["space"])
        before = _job_count(stage)
        with stage.labs["ben"].kernel("climate_series") as kernel:
            said = kernel.text(
                "import academy\n"
                "try:\n"
                f"    academy.train('train.py', project='{WALKS[0].project}',\n"
                "                  instance='ml.g5.xlarge', hours=4)\n"
                "    print('started')\n"
                "except academy.Refused as error:\n"
                "    print(error)\n"
            ).strip()
        step.check(
            "he is refused, with the figures", "$" in said and "budget" in said.lower(), said
        )
        step.check("nothing was started", _job_count(stage) == before)
        reserved = _open(stage, "ben")
        step.check("nothing was reserved for it", reserved == ["space"], ", ".join(reserved))


#: Each attempt runs in ana's kernel under her own role. A door must answer AccessDenied: anything
#: else, an error of another kind included, is not a shut door.
ATTEMPTS = """
import json, boto3
from botocore.exceptions import ClientError
w = json.loads(%(workspace)r)
work, vault = w["buckets"]["work"], w["buckets"]["work"].removesuffix("work") + "vault"
other = w["broker"].rsplit(":", 1)[0] + ":ben"
s3, sm, lam = (boto3.client(n, region_name=w["region"]) for n in ("s3", "sagemaker", "lambda"))
job = dict(
    TrainingJobName=%(prefix)r + "ana--00000000", RoleArn=w["training_role"],
    AlgorithmSpecification=dict(TrainingImage=%(image)r, TrainingInputMode="File"),
    OutputDataConfig=dict(S3OutputPath=f"s3://{work}/teams/falcon/jobs/"),
    ResourceConfig=dict(InstanceType="ml.m5.large", InstanceCount=1, VolumeSizeInGB=5),
    StoppingCondition=dict(MaxRuntimeInSeconds=3600),
)
app = dict(
    DomainId=w["domain_id"], SpaceName=w["space"], AppType="JupyterLab", AppName="default",
    ResourceSpec=dict(InstanceType="ml.p4d.24xlarge"),
)
attempts = {
    "read her own team's folder": lambda: s3.list_objects_v2(Bucket=work, Prefix="teams/falcon/"),
    "read the held-out answers": lambda: s3.get_object(Bucket=vault, Key=%(answers)r),
    "read another team's folder": lambda: s3.get_object(Bucket=work, Key="teams/heron/ideas.txt"),
    "start a job past the broker": lambda: sm.create_training_job(**job),
    "speak to the broker as ben": lambda: lam.invoke(FunctionName=other, Payload=b"{}"),
    "start an instance that is not listed": lambda: sm.create_app(**app),
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


def doors(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("Five doors that IAM keeps shut for ana") as step:
        site = stage.site
        objects = site.client("s3").list_objects_v2(Bucket=site.bucket("vault"), Prefix="answers/")
        code = ATTEMPTS % {
            "workspace": json.dumps(site.workspace("ana")),
            "prefix": site.cohort.names.job_prefix("falcon"),
            "image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:latest",
            "answers": objects["Contents"][0]["Key"],
        }
        with stage.labs["ana"].kernel() as kernel:
            answers: dict[str, str] = json.loads(kernel.text(code))
        for name, answer in answers.items():
            if name == "read her own team's folder":
                step.check(f"she may {name}", answer == "done", answer)
            else:
                shut = answer in ("AccessDenied", "AccessDeniedException")
                step.check(f"she may not {name}", shut, answer)
        step.check("five doors were tried", len(answers) == 6)


def ledger(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The ledger adds up") as step:
        for walk in WALKS:
            poll(f"{walk.learner}'s job is settled", partial(_no_job, stage, walk.learner))
        table = Table("learner", "cap", "spent", "reserved", "left", box=None, padding=(0, 2, 0, 0))
        budgets = {}
        for _, learner in stage.site.cohort.learners:
            budget = budgets[learner.id] = stage.site.broker(learner.id, {"op": "budget"})
            keys = ("cap", "spent", "reserved", "available")
            table.add_row(learner.id, *(f"${budget[f'{k}_micro_usd'] / 1e6:.4f}" for k in keys))
        step.show(table)
        step.check(
            "spent and reserved never exceed the cap",
            all(
                b["spent_micro_usd"] + b["reserved_micro_usd"] <= b["cap_micro_usd"]
                for b in budgets.values()
            ),
        )
        for walk in WALKS:
            budget, jobs = budgets[walk.learner], _jobs(stage, walk.learner)
            entries = [e["name"] for e in budget["entries"] if e["kind"] == "job"]
            step.check(f"{walk.learner}'s job was settled once", sorted(entries) == sorted(jobs))
            step.check(
                "to what it was billed, not to what was reserved",
                0 < budget["spent_micro_usd"] < 50_000,
                usd(budget["spent_micro_usd"]),
            )


def pause(stage: Stage, narrator: Narrator) -> None:
    """With --keep: the academy stays open until Enter."""
    if not stage.keep:
        return
    with narrator.step("The academy is open") as step:
        step.doing("ana opens her space again")
        lab = stage.labs["ana"] = Lab(open_and_wait(stage.site, "ana", hours=2, told=step.say))
        step.status.stop()
        # Whole, to be copied.
        link = f"{lab.base}/lab?token={lab.token}"
        narrator.console.print(f"   ana's JupyterLab: {link}", soft_wrap=True)
        narrator.console.print(f"   the door: {address_of(stage)}", soft_wrap=True)
        step.say("sign in as ana@example.org or shelley@example.org; the code is told here")
        step.say("for other clients, in another terminal:")
        for name, value in client_environment(stage.endpoint, stage.site.cohort.region).items():
            if name.startswith("AWS_"):
                narrator.console.print(f"   export {name}={value}", soft_wrap=True)
        with codes_told(stage, step.say):
            narrator.console.input("   Enter closes it. ")


def close_and_destroy(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The cohort is closed and destroyed") as step:
        for line in close_cohort(stage.site):
            step.say(line)
        step.doing("cdk destroy --all")
        stage.cdk(
            "destroy",
            "--all",
            "--force",
            "-c",
            f"cohort={stage.cohort_file}",
            "--output",
            str(stage.logs / "cdk.out"),
            told=step.doing,
        )
        left = leftovers(stage.site)
        step.check(
            "nothing of it is left in the account",
            not left,
            json.dumps(left) if left else "keys pend deletion, as on AWS",
        )
        running = requests.get(f"{stage.endpoint}/_academy/processes", timeout=10).json()
        alive = [
            p for p in running["processes"] if p["running"] and not p["name"].startswith("lambda")
        ]
        step.check("no process of a space or a job runs", not alive, str(alive) if alive else "")
        for learner, lab in stage.labs.items():
            port = urlsplit(lab.base).port
            assert port is not None
            step.check(f"{learner}'s JupyterLab is gone", not _listens(port), f"port {port}")


def cloud_down(stage: Stage, narrator: Narrator) -> None:
    with narrator.step("The embedded cloud goes down") as step:
        running = requests.get(f"{stage.endpoint}/_academy/processes", timeout=10).json()
        port = urlsplit(stage.endpoint).port
        assert port is not None
        stage.stop_cloud()
        step.check("its port is free", not _listens(port), f"port {port}")
        alive = [p for p in running["processes"] if p["running"] and _alive(p["pid"])]
        step.check("no process of it runs", not alive, str(alive) if alive else "")
        stage.clear()
        step.check("no file of it is left", stage.cleared)


CHAPTERS = (
    cohort_file,
    embedded_cloud,
    deploy,
    published,
    comes_in,
    spaces,
    notebooks,
    boards,
    marks_and_rival,
    choice,
    sees,
    live_opens,
    over_budget,
    doors,
    ledger,
    guard_dies,
    close_the_competition,
    news,
    live_observed,
    pause,
    close_and_destroy,
    cloud_down,
)


def _json(s3: Any, bucket: str, key: str) -> dict[str, Any] | None:
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    document = json.loads(body)
    return document if isinstance(document, dict) else None


def _open(stage: Stage, learner: str) -> list[str]:
    """What of the learner's holds money: kinds."""
    return [item["kind"] for item in stage.site.broker(learner, {"op": "budget"})["open"]]


def _no_job(stage: Stage, learner: str) -> bool:
    return "job" not in _open(stage, learner)


def _jobs(stage: Stage, learner: str) -> list[str]:
    """Names of the learner's jobs."""
    prefix = f"{stage.site.cohort.names.job_prefix(TEAM)}{learner}--"
    answer = stage.site.client("sagemaker").list_training_jobs(NameContains=prefix)
    return [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]


def _job_count(stage: Stage) -> int:
    sagemaker = stage.site.client("sagemaker")
    prefix = f"{stage.site.cohort.name}--"
    return len(sagemaker.list_training_jobs(NameContains=prefix)["TrainingJobSummaries"])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _alive(pid: int) -> bool:
    for _ in range(20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
