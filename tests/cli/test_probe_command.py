"""`cohort probe`: dry by default, in one account alone, on the embedded cloud from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint import Endpoint
from click.testing import CliRunner, Result

from infra.cli.main import cohort
from infra.cli.probe import golden
from infra.cli.probe.asking import alarms, studio
from infra.cli.probe.ledger import Ledger
from infra.cli.probe.permissions import policy
from infra.cli.probe.question import Question
from infra.cli.probe.questions import QUESTIONS, by_id
from infra.cli.probe.shared import SHARED
from infra.offline.server import Cloud
from tests.offline import sample_image
from tests.offline.whole_cloud import PULL, client, role

HERE = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"


def cohort_probe(*arguments: str) -> Result:
    return CliRunner().invoke(cohort, ["probe", *arguments])


# --- without a cloud ------------------------------------------------------------------------------
@pytest.fixture
def no_calls(monkeypatch):
    def refuse(*_: Any) -> None:
        raise AssertionError("a call was made")

    monkeypatch.setattr(Endpoint, "make_request", refuse)


def test_a_dry_run_says_everything_and_calls_nothing(no_calls, tmp_path):
    shown = cohort_probe("--account", ACCOUNT, "--out", str(tmp_path / "out"))
    assert shown.exit_code == 0, shown.output
    for question in QUESTIONS:
        assert f"{question.id} (line {question.item})" in shown.output
    assert "of a cap of $2.00" in shown.output
    assert "Nothing was called" in shown.output
    assert "By hand" in shown.output
    assert "--policy-only" in shown.output
    assert '"Action"' not in shown.output, "the policy is asked for by itself"
    assert not (tmp_path / "out").exists()


def test_the_policy_alone_is_json(no_calls):
    shown = cohort_probe("--account", ACCOUNT, "--policy-only", "--only", "missing-object")
    document = json.loads(shown.output)
    actions = {action for each in document["Statement"] for action in each["Action"]}
    assert "s3:CreateBucket" in actions
    assert "sagemaker:CreateDomain" not in actions


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--account and its twelve digits"),
        (["--account", "12345"], "--account and its twelve digits"),
        (["--account", ACCOUNT, "--only", "weather"], "there is no question weather"),
        (
            ["--account", ACCOUNT, "--yes", "--endpoint-url", "https://example.com"],
            "on this machine",
        ),
        (
            ["--account", ACCOUNT, "--yes", "--endpoint-url", "http://127.0.0.1:9"],
            "no embedded cloud answers",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_called(no_calls, arguments, said):
    shown = cohort_probe(*arguments)
    assert shown.exit_code == 1
    assert said in shown.output


def test_the_embedded_clouds_key_never_goes_to_aws(no_calls, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    shown = cohort_probe("--account", ACCOUNT, "--yes", "--out", str(tmp_path))
    assert shown.exit_code == 1
    assert "the embedded cloud's example key" in shown.output
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_in_the_environment_is_no_consent(no_calls, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4599")
    shown = cohort_probe("--account", ACCOUNT, "--yes", "--out", str(tmp_path))
    assert shown.exit_code == 1
    assert "AWS_ENDPOINT_URL" in shown.output
    assert "--endpoint-url" in shown.output


@pytest.mark.parametrize("name", ["job-events", "job-environment"])
def test_what_is_asked_about_a_job_brings_the_job_with_it(no_calls, name):
    shown = cohort_probe("--account", ACCOUNT, "--only", name)
    assert "container-shell (line 6)" in shown.output


def test_there_is_nothing_to_clean_without_records(no_calls, tmp_path):
    shown = cohort_probe("--account", ACCOUNT, "--clean", "--yes", "--out", str(tmp_path))
    assert shown.exit_code == 0
    assert "No record" in shown.output


# --- on the embedded cloud ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


def on(cloud: Cloud, out: Path, *arguments: str) -> Result:
    where = ("--endpoint-url", cloud.endpoint, "--out", str(out))
    return cohort_probe("--account", ACCOUNT, *where, *arguments)


def standing(cloud: Cloud) -> dict[str, list[str]]:
    """What there is in a cloud, by kind. Records of jobs and of deleted keys stay, as on AWS."""

    def of(service: str, operation: str, member: str, name: str, **given: Any) -> list[str]:
        answer = getattr(client(cloud, service), operation)(**given)
        found = answer.get(member, [])
        return sorted(each if isinstance(each, str) else str(each[name]) for each in found)

    kms = client(cloud, "kms")
    keys = [each["KeyId"] for each in kms.list_keys()["Keys"]]
    enabled = [
        key for key in keys if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    ]
    return {
        "alarms": of("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "domains": of("sagemaker", "list_domains", "Domains", "DomainId"),
        "buckets": of("s3", "list_buckets", "Buckets", "Name"),
        "budgets": of("budgets", "describe_budgets", "Budgets", "BudgetName", AccountId=ACCOUNT),
        "configs": of(
            "sagemaker", "list_app_image_configs", "AppImageConfigs", "AppImageConfigName"
        ),
        "functions": of("lambda", "list_functions", "Functions", "FunctionName"),
        "groups": of("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
        "keys": enabled,
        "logs": [
            name
            for name in of("logs", "describe_log_groups", "logGroups", "logGroupName")
            if not name.startswith("/aws/sagemaker/")
        ],
        "policies": of("iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
        "queues": of("sqs", "list_queues", "QueueUrls", ""),
        "repositories": of("ecr", "describe_repositories", "repositories", "repositoryName"),
        "roles": of("iam", "list_roles", "Roles", "RoleName"),
        "rules": of("events", "list_rules", "Rules", "Name"),
        "stacks": of("cloudformation", "describe_stacks", "Stacks", "StackName"),
        "subnets": of("ec2", "describe_subnets", "Subnets", "SubnetId"),
        "topics": of("sns", "list_topics", "Topics", "TopicArn"),
        "vpcs": of("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    }


def only_run(out: Path) -> Path:
    [run] = out.iterdir()
    return run


def verdicts(out: Path) -> dict[str, str]:
    report = json.loads((only_run(out) / "transcripts" / "report.json").read_text())
    return {each["question"]: each["verdict"] for each in report["answers"]}


def test_another_account_than_the_credentials_is_refused(cloud, tmp_path):
    shown = cohort_probe(
        *("--account", "111122223333", "--yes", "--endpoint-url", cloud.endpoint),
        *("--out", str(tmp_path)),
    )
    assert shown.exit_code == 1
    assert f"of account {ACCOUNT}, not of 111122223333" in shown.output
    assert list(tmp_path.iterdir()) == []


def test_some_questions_are_asked_and_nothing_stays(cloud, tmp_path):
    before = standing(cloud)
    names = "annual-budget,missing-object,prices"
    shown = on(cloud, tmp_path, "--yes", "--only", names)
    assert shown.exit_code == 0, shown.output
    assert verdicts(tmp_path) == {
        "annual-budget": "confirmed",
        "missing-object": "confirmed",
        "prices": "could not tell",
    }
    assert "not modelled here" in shown.output
    assert standing(cloud) == before


def test_a_step_that_fails_leaves_nothing(cloud, tmp_path, monkeypatch):
    before = standing(cloud)

    def fails(*_: Any) -> None:
        raise RuntimeError("bang")

    monkeypatch.setattr(alarms, "_put", fails)
    shown = on(cloud, tmp_path, "--yes", "--only", "encrypted-topic,annual-budget")
    assert verdicts(tmp_path) == {"annual-budget": "confirmed", "encrypted-topic": "could not tell"}
    assert "bang" in shown.output
    assert standing(cloud) == before


def test_what_was_made_before_its_id_was_known_is_found_and_removed(cloud, tmp_path):
    """The process died between the making and the answer: the record has names alone."""
    before = standing(cloud)
    prefix = "academy-probe-cafecafe"
    ec2, kms = client(cloud, "ec2"), client(cloud, "kms")
    name = [{"Key": "Name", "Value": f"{prefix}-net"}]
    vpc = ec2.create_vpc(
        CidrBlock="10.9.0.0/24", TagSpecifications=[{"ResourceType": "vpc", "Tags": name}]
    )["Vpc"]["VpcId"]
    ec2.create_subnet(
        VpcId=vpc,
        CidrBlock="10.9.0.0/26",
        TagSpecifications=[{"ResourceType": "subnet", "Tags": name}],
    )
    kms.create_key(Tags=[{"TagKey": "Name", "TagValue": f"{prefix}-notices"}])
    header = {
        "run": "cafecafe",
        "account": ACCOUNT,
        "region": "us-east-1",
        "source": "embedded",
    }
    record = Ledger(tmp_path / "cafecafe" / "made.jsonl", header)
    record.intend("vpc", "w", name=f"{prefix}-net")
    record.intend("subnet", "w", name=f"{prefix}-net")
    record.intend("key", "q", name=f"{prefix}-notices")
    record.intend("bucket", "q", name=f"{prefix}-never-made")
    record.close()
    dry = on(cloud, tmp_path, "--clean")
    assert "4 to look for" in dry.output
    assert standing(cloud) != before
    done = on(cloud, tmp_path, "--clean", "--yes")
    assert done.exit_code == 0, done.output
    assert standing(cloud) == before
    assert "No record" in on(cloud, tmp_path, "--clean", "--yes").output


def test_records_of_another_place_are_left_alone(cloud, tmp_path):
    header = {"run": "1", "account": ACCOUNT, "region": "us-east-1", "source": "aws"}
    record = Ledger(tmp_path / "1" / "made.jsonl", header)
    record.intend("role", "q", name="academy-probe-1-r")
    record.close()
    assert "No record" in on(cloud, tmp_path, "--clean", "--yes").output


def test_a_forged_record_removes_nothing_of_others(cloud, tmp_path):
    s3, kms = client(cloud, "s3"), client(cloud, "kms")
    s3.create_bucket(Bucket="earth-vault")
    s3.put_object(Bucket="earth-vault", Key="kept", Body=b"x")
    key = kms.create_key(Tags=[{"TagKey": "Name", "TagValue": "vault"}])["KeyMetadata"]["KeyId"]
    before = standing(cloud)
    header = {"run": "cafecafe", "account": ACCOUNT, "region": "us-east-1", "source": "embedded"}
    record = Ledger(tmp_path / "cafecafe" / "made.jsonl", header)
    record.intend("bucket", "q", name="earth-vault")
    entry = record.intend("key", "q", name="academy-probe-cafecafe-notices")
    record.learn(entry, id=key)
    record.close()
    shown = on(cloud, tmp_path, "--clean", "--yes")
    assert shown.exit_code == 1
    assert "bucket earth-vault: refused" in shown.output
    assert f"refused: {key} is named vault on AWS" in shown.output
    assert standing(cloud) == before
    assert s3.list_objects_v2(Bucket="earth-vault")["KeyCount"] == 1
    s3.delete_object(Bucket="earth-vault", Key="kept")
    s3.delete_bucket(Bucket="earth-vault")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)


#: The command, whose app comes to nothing but waiting: it cannot be over before it is told to end.
WAITS = """
import os, pathlib, time
from infra.cli.main import cohort
from infra.cli.probe.asking import studio

def waits(*_):
    pathlib.Path(os.environ["WAITS"]).touch()
    time.sleep(600)

studio.running = waits
cohort()
"""


def started(cloud: Cloud, out: Path) -> subprocess.Popen[str]:
    """A run as a process of its own, that has asked for an app and waits for it."""
    waits = out.with_name(f"{out.name}-waits")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", WAITS, "probe", "--account", ACCOUNT, "--yes"),
            *("--only", "default-image", "--endpoint-url", cloud.endpoint, "--out", str(out)),
        ],
        cwd=HERE,
        env={**os.environ, "COLUMNS": "200", "WAITS": str(waits)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not waits.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the run asked for no app: {process.communicate()[0]}")
        time.sleep(0.05)
    return process


@pytest.mark.clients
def test_a_run_that_is_killed_half_way_is_cleaned_up_by_the_next(cloud, tmp_path):
    before = standing(cloud)
    process = started(cloud, tmp_path)
    process.kill()
    process.communicate()
    left = standing(cloud)
    assert left["domains"] != before["domains"]
    assert left["vpcs"] != before["vpcs"]
    cleaned = on(cloud, tmp_path, "--clean", "--yes")
    assert cleaned.exit_code == 0, cleaned.output
    assert standing(cloud) == before


@pytest.mark.clients
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_cleans_up_itself(cloud, tmp_path, number):
    before = standing(cloud)
    process = started(cloud, tmp_path)
    process.send_signal(number)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "interrupted" in output
    assert standing(cloud) == before


@pytest.fixture(scope="module")
def image(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SageMaker image of two versions, as the account's owner may have one."""
    folder, name = tmp_path_factory.mktemp("image"), "academy-segmentation-cpu"
    repository, sagemaker = "academy/segmentation-cpu", client(cloud, "sagemaker")
    client(cloud, "ecr").create_repository(repositoryName=repository)
    digests = sample_image.pushed(
        sample_image.context(folder / "context"),
        repository,
        "build-1",
        engine=folder / "engine",
        variables=cloud.client_environment(),
    )
    sagemaker.create_image(ImageName=name, RoleArn=role(cloud, "puller", "sagemaker", *PULL))
    for number in ("1", "2"):
        sagemaker.create_image_version(
            ImageName=name,
            BaseImage=f"{sample_image.REGISTRY}/{repository}@{digests['workspace']}",
            ClientToken=number,
        )
    return name


#: What the embedded cloud says to our own lines; where it does not confirm one, and why.
EMBEDDED = {
    "prices": "could not tell",  # there is no price list
    "kept-tag": "could not tell",  # no previews of life cycles
    "container-there": "contradicted",  # no registry of AWS's
    "customer-key": "contradicted",  # moto keeps an object under the customer's key in the open
    "new-bucket": "contradicted",  # moto's take any key
    "system-type": "contradicted",  # it sends the instance type alone
}


@pytest.mark.clients
def test_every_question_is_asked_of_the_embedded_cloud_and_nothing_stays(cloud, image, tmp_path):
    before = standing(cloud)
    shown = on(cloud, tmp_path, "--yes", "--image", image)
    found = verdicts(tmp_path)
    assert set(found) == {each.id for each in QUESTIONS}
    assert "could not be removed" not in shown.output
    unexpected = {
        name: verdict
        for name, verdict in found.items()
        if verdict != EMBEDDED.get(name, "confirmed")
    }
    assert unexpected == {}, shown.output
    assert standing(cloud) == before
    _is_fit_to_share(only_run(tmp_path) / "transcripts", cloud)
    _is_within_the_policy(only_run(tmp_path))


def _is_fit_to_share(folder: Path, cloud: Cloud) -> None:
    run = folder.parent.name
    for path in folder.iterdir():
        text = path.read_text("utf-8")
        assert run not in text, path.name
        assert cloud.endpoint not in text, path.name
        assert "wJalr" not in text, path.name
        if path.suffix == ".jsonl":
            header = json.loads(text.splitlines()[0])
            assert header["source"] == "embedded"
    source, lines = golden.read(folder)
    assert source == "embedded"
    for line in lines:
        if line.content.get("operation") == "AssumeRole" and line.content["error"] is None:
            keys = line.content["response"]["parsed"]["Credentials"]
            assert {keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]} == {
                "REDACTED"
            }


#: Operations whose permission has another name. Source: "Service Authorization Reference".
ACTIONS = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
}
SERVICES = {"service-quotas": "servicequotas"}


def _is_within_the_policy(run: Path) -> None:
    """Every operation that the owner's credentials called has its action in the policy."""
    document = policy(QUESTIONS, account=ACCOUNT, region="us-east-1")
    allowed = {action for each in document["Statement"] for action in each["Action"]}
    _, lines = golden.read(run)
    called = {
        f"{SERVICES.get(line.content['service'], line.content['service'])}:"
        f"{line.content['operation']}"
        for line in lines
        if line.content.get("as") == "owner"
    }
    assert len(called) > 60
    assert {ACTIONS.get(each, each) for each in called} - allowed == set()


def test_a_question_needs_what_its_shared_things_need():
    question: Question = by_id("app-arn")
    document = policy([question], account=ACCOUNT, region="us-east-1")
    actions = {action for each in document["Statement"] for action in each["Action"]}
    assert {"sagemaker:CreateDomain", "ec2:CreateVpc", "sagemaker:CreateApp"} <= actions
    assert "workspace" in SHARED
    assert studio.END_SECONDS < 3600
