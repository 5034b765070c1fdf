"""The CreateTrainingJob request of SageMaker's SDK: what is read from it, what is refused by name,
and that it costs and is capped exactly as a job of the academy's own library."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cohort.naming import Names
from infra.services.guard import handler
from infra.services.guard.turns import MemoryTurns
from tests.services.guard_cloud import Academy, Crash, Trouble, images
from tests.services.test_guard_handler import ARN, Context

ROLE = "arn:aws:iam::123456789012:role/academy/earth/training/falcon"
SENT = "s3://earth-work/teams/falcon/sagemaker/ana/climate-series-job/name/input"
RUN = (
    "chmod +x /opt/ml/input/data/sm_drivers/sm_train.sh "
    "&& /opt/ml/input/data/sm_drivers/sm_train.sh"
)
CPU = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    "pytorch-training:2.8.0-cpu-py312-ubuntu22.04-sagemaker"
)
TOKEN = "c" * 32
DEEP = json.loads("[" * 300 + "]" * 300)


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
        "InputMode": "File",
        **more,
    }


def asked() -> dict[str, Any]:
    """What ModelTrainer sends, as sagemaker 3.27.0 was seen to."""
    return {
        "TrainingJobName": "climate-series-job-20261201090000",
        "HyperParameters": {"epochs": "3", "rate": "0.5"},
        "AlgorithmSpecification": {
            "TrainingImage": "academy/climate-series",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", RUN],
        },
        "RoleArn": ROLE,
        "InputDataConfig": [
            channel("train", "s3://earth-data/datasets/climate-series/"),
            channel("code", f"{SENT}/code"),
            channel("sm_drivers", f"{SENT}/sm_drivers"),
        ],
        "OutputDataConfig": {
            "S3OutputPath": "s3://earth-work/teams/falcon/sagemaker/ana/climate-series-job",
            "CompressionType": "GZIP",
        },
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "EnableManagedSpotTraining": False,
        "Environment": {"SEASON": "autumn"},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The request with `value` at a path such as InputDataConfig.0.ChannelName."""
    request: Any = asked()
    whole = request
    *outer, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in outer:
        request = request[part]
    request[last] = value
    return whole


def train(academy: Academy, request: Any = None, learner: str = "ana", **more: Any) -> Any:
    return academy.ask(
        learner,
        **{
            "op": "training_job",
            "token": TOKEN,
            "project": "climate-series",
            "request": asked() if request is None else request,
            **more,
        },
    )


@pytest.fixture
def academy() -> Academy:
    return Academy()


# --- what is started ------------------------------------------------------------------------------
def test_the_broker_writes_a_request_of_its_own(academy: Academy) -> None:
    answer = train(academy)
    assert answer["ok"], answer
    assert academy.cloud.jobs[answer["job"]].request == {
        "TrainingJobName": "earth--falcon--ana--cccccccc",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": CPU,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", RUN],
        },
        "HyperParameters": {"epochs": "3", "rate": "0.5"},
        "InputDataConfig": [
            channel("train", "s3://earth-data/datasets/climate-series/"),
            channel("code", f"{SENT}/code"),
            channel("sm_drivers", f"{SENT}/sm_drivers"),
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://earth-work/teams/falcon/jobs/"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "EnableManagedSpotTraining": False,
        "Environment": {"SEASON": "autumn", "ACADEMY_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        "Tags": [
            {"Key": "academy:cohort", "Value": "earth"},
            {"Key": "academy:team", "Value": "falcon"},
            {"Key": "academy:learner", "Value": "ana"},
        ],
    }


@pytest.mark.parametrize(
    "image", ["academy/climate-series", images()["climate-series"]["cpu"]["job"]]
)
def test_the_cohorts_image_goes_by_its_own_name_or_the_academys(image: str) -> None:
    academy = Academy(images=images())
    answer = train(academy, changed("AlgorithmSpecification.TrainingImage", image))
    assert answer["ok"], answer
    started = academy.cloud.jobs[answer["job"]].request["AlgorithmSpecification"]
    assert started["TrainingImage"] == images()["climate-series"]["cpu"]["job"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        # What says that something is not wanted is let be, and members that are not there.
        ("EnableManagedSpotTraining", None),
        ("EnableNetworkIsolation", False),
        ("ResourceConfig.KeepAlivePeriodInSeconds", 0),
        ("OutputDataConfig.KmsKeyId", ""),
        ("OutputDataConfig.S3OutputPath", "s3://earth-work/teams/falcon/jobs"),
        ("HyperParameters", {}),
        ("Environment", None),
        ("InputDataConfig.0.DataSource.S3DataSource.S3Uri", f"{SENT}/data/part-1.csv"),
        ("InputDataConfig.0.ContentType", "text/csv"),
        ("InputDataConfig.0.CompressionType", "None"),
    ],
)
def test_a_request_that_wants_no_more_is_granted(academy: Academy, path: str, value: Any) -> None:
    assert train(academy, changed(path, value))["ok"]


def test_a_dataset_named_without_its_slash_is_that_folder_and_no_longer_name(
    academy: Academy,
) -> None:
    uri = "s3://earth-data/datasets/climate-series"
    path = "InputDataConfig.0.DataSource.S3DataSource.S3Uri"
    name = train(academy, changed(path, uri))["job"]
    started = academy.cloud.jobs[name].request["InputDataConfig"][0]
    assert started["DataSource"]["S3DataSource"]["S3Uri"] == f"{uri}/"


# --- what is refused ------------------------------------------------------------------------------
URI = "InputDataConfig.0.DataSource.S3DataSource.S3Uri"
CODE = "InputDataConfig.1.DataSource.S3DataSource.S3Uri"
DRIVERS = "InputDataConfig.2.DataSource.S3DataSource.S3Uri"
REFUSED: list[tuple[str, Any, str, str]] = [
    # path, value, code of the refusal, words in it
    ("RoleArn", "arn:aws:iam::123456789012:role/admin", "input", f"expected {ROLE}"),
    ("RoleArn", ROLE.replace("falcon", "heron"), "input", "RoleArn is"),
    ("RoleArn", None, "input", "RoleArn is missing"),
    ("TrainingJobName", "../x", "input", "TrainingJobName is '../x'"),
    ("TrainingJobName", {"a": 1}, "input", "TrainingJobName is {'a': 1}"),
    ("AlgorithmSpecification", None, "input", "AlgorithmSpecification is missing"),
    ("AlgorithmSpecification.TrainingImage", "elsewhere", "input", "academy/climate-series, 763"),
    ("AlgorithmSpecification.TrainingImage", "academy/land-cover", "input", "TrainingImage is"),
    ("AlgorithmSpecification.AlgorithmName", "mine", "input", "AlgorithmName is 'mine'; leave"),
    ("AlgorithmSpecification.TrainingInputMode", "Pipe", "input", "expected File"),
    ("AlgorithmSpecification.ContainerEntrypoint", ["/bin/sh"], "input", "['/bin/sh']"),
    ("AlgorithmSpecification.ContainerArguments", ["-c", "curl x"], "input", "ContainerArguments"),
    ("AlgorithmSpecification.ContainerArguments", ["-c", RUN + " ; x"], "input", "own command"),
    ("AlgorithmSpecification.MetricDefinitions", [{"Name": "x"}], "input", "MetricDefinitions"),
    ("ResourceConfig", [], "input", "ResourceConfig is []; expected a JSON object"),
    ("ResourceConfig.InstanceType", "ml.p5.48xlarge", "instance", "ml.m5.large, ml.g5.xlarge"),
    ("ResourceConfig.InstanceType", ["ml.m5.large"], "instance", "InstanceType is ['ml.m5"),
    ("ResourceConfig.InstanceType", "ml.m5.large\n", "instance", "InstanceType is"),
    ("ResourceConfig.InstanceCount", 3, "count", "between 1 and 2"),
    ("ResourceConfig.InstanceCount", True, "count", "InstanceCount is True"),
    ("ResourceConfig.InstanceCount", 1.0, "count", "InstanceCount is 1.0"),
    ("ResourceConfig.InstanceCount", -1, "count", "InstanceCount is -1"),
    ("ResourceConfig.VolumeSizeInGB", 10**6, "input", "between 1 and 50"),
    ("ResourceConfig.KeepAlivePeriodInSeconds", 3600, "input", "a warm pool bills on"),
    ("ResourceConfig.KeepAlivePeriodInSeconds", 0.5, "input", "KeepAlivePeriodInSeconds"),
    ("ResourceConfig.InstanceGroups", [{"InstanceCount": 8}], "input", "InstanceGroups"),
    ("ResourceConfig.TrainingPlanArn", "arn:aws:x", "input", "TrainingPlanArn"),
    ("ResourceConfig.VolumeKmsKeyId", "alias/x", "input", "VolumeKmsKeyId"),
    ("StoppingCondition.MaxRuntimeInSeconds", 14_401, "hours", "between 1 and 14400"),
    ("StoppingCondition.MaxRuntimeInSeconds", 10**30, "hours", "a very large number"),
    ("StoppingCondition.MaxRuntimeInSeconds", None, "hours", "MaxRuntimeInSeconds is missing"),
    ("StoppingCondition.MaxWaitTimeInSeconds", 3600, "input", "not spot jobs"),
    (
        "OutputDataConfig.S3OutputPath",
        "s3://earth-work/teams/heron/jobs/",
        "input",
        "none: results",
    ),
    ("OutputDataConfig.S3OutputPath", "s3://elsewhere/", "input", "s3://earth-work/teams/falcon/j"),
    ("OutputDataConfig.S3OutputPath", "s3://earth-work/checked/", "input", "S3OutputPath is"),
    ("OutputDataConfig.KmsKeyId", "alias/mine", "input", "KmsKeyId is 'alias/mine'"),
    ("OutputDataConfig.CompressionType", "NONE", "input", "expected GZIP"),
    ("HyperParameters", ["x"], "input", "at most 90"),
    ("HyperParameters", {f"h{n}": "1" for n in range(91)}, "input", "at most 90"),
    ("HyperParameters", {"academy_script": "x"}, "input", "HyperParameters.'academy_script'"),
    ("HyperParameters", {"sagemaker_program": "x"}, "input", "'sagemaker_program'"),
    ("HyperParameters", {"rate": 1}, "input", "HyperParameters.rate is 1"),
    ("HyperParameters", {"rate": "a\nb"}, "input", "printable text"),
    ("Environment", {"AWS_ACCESS_KEY_ID": "x"}, "input", "Environment.'AWS_ACCESS_KEY_ID'"),
    ("Environment", {"ACADEMY_TOKEN": "d" * 32}, "input", "Environment.'ACADEMY_TOKEN'"),
    ("Environment", {"academy_token": "d" * 32}, "input", "Environment.'academy_token'"),
    ("Environment", {"Sm_Model_Dir": "/x"}, "input", "Environment.'Sm_Model_Dir'"),
    ("Environment", {"A=B": "x"}, "input", "Environment.'A=B'"),
    ("Environment", {"SEASON": "a\0b"}, "input", "Environment.SEASON is 'a\\x00b'"),
    ("Environment", {"SEASON": "x" * 513}, "input", "at most 512 characters"),
    ("Environment", {f"V{n}": "1" for n in range(41)}, "input", "at most 40"),
    ("InputDataConfig", None, "input", "a list of 1 to 20 channels"),
    ("InputDataConfig", [], "input", "sm_drivers among them"),
    ("InputDataConfig", [channel("code", f"{SENT}/code")], "input", "has no channel sm_drivers"),
    ("InputDataConfig", [channel(f"c{n}", f"{SENT}/x") for n in range(21)], "input", "1 to 20"),
    ("InputDataConfig.0", "x", "input", "InputDataConfig[0] is 'x'"),
    ("InputDataConfig.0.ChannelName", "sm_drivers", "input", "InputDataConfig[0].DataSource"),
    ("InputDataConfig.0.ChannelName", "../code", "input", "InputDataConfig[0].ChannelName"),
    ("InputDataConfig.1.ChannelName", "train", "input", "train again; expected a name of its own"),
    ("InputDataConfig.0.InputMode", "FastFile", "input", "InputMode is 'FastFile'"),
    ("InputDataConfig.0.CompressionType", "Gzip", "input", "CompressionType is 'Gzip'"),
    ("InputDataConfig.0.ShuffleConfig", {"Seed": 1}, "input", "ShuffleConfig"),
    ("InputDataConfig.0.DataSource.FileSystemDataSource", {}, "input", "FileSystemDataSource"),
    ("InputDataConfig.0.DataSource.S3DataSource.S3DataType", "ManifestFile", "input", "S3Prefix"),
    ("InputDataConfig.0.DataSource.S3DataSource.AttributeNames", ["x"], "input", "AttributeNames"),
    *(
        (URI, uri, "input", "InputDataConfig[0].DataSource.S3DataSource.S3Uri is")
        for uri in (
            "s3://earth-work/teams/heron/x/",
            "s3://earth-work/teams/falcon/../heron/x/",
            "s3://earth-work/teams/falcon/./x/",
            "s3://earth-work/teams/falcon//x/",
            "s3://earth-work/teams/falcon-2/x/",
            "s3://earth-work/teams/falcon",
            "s3://earth-work/teams/falcon/",
            "s3://earth-work/teams/",
            "s3://earth-work/teams/falcon/x?y",
            "s3://earth-work/teams/falcon/x#y",
            "s3://earth-work/teams/falcon/%2e%2e/heron/",
            "s3://earth-work/teams/falcon/x\n",
            "s3://earth-work/teams/falcon/*",
            "s3://earth-work/teams/f\u0430lcon/x/",
            "S3://earth-work/teams/falcon/x/",
            "s3://earth-work@elsewhere/teams/falcon/x/",
            "s3://elsewhere/teams/falcon/x/",
            "s3://earth-vault/answers/",
            "https://s3.amazonaws.com/earth-work/teams/falcon/x",
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/x/teams/falcon/x",
            "s3://earth-data/datasets/",
            "s3://earth-data/datasets/land-cover/",
            "s3://earth-data/datasets/climate-series-2/",
            "s3://earth-data/datasets/climate-series/../../software/",
            "s3://earth-data/software/",
            "",
            7,
            None,
        )
    ),
    # Code comes from the team itself: data that an admin publishes is not run.
    (CODE, "s3://earth-data/datasets/climate-series/", "input", "InputDataConfig[1].DataSource"),
    (DRIVERS, "s3://earth-data/datasets/climate-series/", "input", "InputDataConfig[2].DataSource"),
    (CODE, "s3://earth-work/teams/heron/sagemaker/chi/code", "input", "earth-work/teams/falcon/"),
    ("VpcConfig", {"Subnets": ["subnet-1"]}, "input", "VpcConfig is {'Subnets': ['subnet-1']}; l"),
    ("VpcConfig", {}, "input", "VpcConfig is {}; leave it out"),
    ("EnableManagedSpotTraining", True, "input", "EnableManagedSpotTraining is True; leave it out"),
    ("EnableNetworkIsolation", "no", "input", "EnableNetworkIsolation is 'no'"),
    ("CheckpointConfig", {"S3Uri": "s3://elsewhere/"}, "input", "CheckpointConfig"),
    ("DebugHookConfig", {"S3OutputPath": "s3://x/"}, "input", "DebugHookConfig"),
    ("DebugRuleConfigurations", [{"InstanceType": "ml.p4d.24xlarge"}], "input", "DebugRule"),
    ("ProfilerConfig", {"S3OutputPath": "s3://x/"}, "input", "ProfilerConfig"),
    ("ProfilerRuleConfigurations", [{"InstanceType": "x"}], "input", "ProfilerRule"),
    ("RemoteDebugConfig", {"EnableRemoteDebug": True}, "input", "RemoteDebugConfig"),
    ("RetryStrategy", {"MaximumRetryAttempts": 30}, "input", "a reservation of its own"),
    ("InfraCheckConfig", {"EnableInfraCheck": True}, "input", "InfraCheckConfig"),
    ("SessionChainingConfig", {"EnableSessionTagChaining": True}, "input", "SessionChaining"),
    ("ServerlessJobConfig", {"JobType": "FineTuning"}, "input", "ServerlessJobConfig"),
    ("TensorBoardOutputConfig", {"S3OutputPath": "s3://x/"}, "input", "TensorBoardOutputConfig"),
    ("ExperimentConfig", {"ExperimentName": "x"}, "input", "ExperimentConfig"),
    ("MlflowConfig", {"MlflowResourceArn": "x"}, "input", "MlflowConfig"),
    ("ModelPackageConfig", {"ModelPackageGroupArn": "x"}, "input", "ModelPackageConfig"),
    ("Tags", [{"Key": "academy:team", "Value": "heron"}], "input", "Tags is [{'Key'"),
    ("Tags", DEEP, "input", "Tags is "),
    ("a member of nobody's\n", 1, "input", "member of nobody's\\n"),
    ("\u202egnp-exe", 1, "input", "\\u202e"),
]


@pytest.mark.parametrize(("path", "value", "code", "words"), REFUSED)
def test_a_member_that_is_not_granted_is_refused_by_name(
    academy: Academy, path: str, value: Any, code: str, words: str
) -> None:
    error = train(academy, changed(path, value))["error"]
    assert words in error["message"]
    assert error["code"] == code or error["message"].count("\n- ") > 1
    assert error["message"].isascii()
    assert len(error["message"]) < 1_500
    assert academy.ledger.reservations == {}
    assert academy.cloud.jobs == {}
    assert academy.cloud.trouble.calls == ["workspace"], "nothing but the learner's place was read"


@pytest.mark.parametrize(
    "change",
    [
        {"request": None},
        {"request": "CreateTrainingJob"},
        {"request": []},
        {"token": "x"},
        {"project": "land-cover"},
        {"project": "../climate-series"},
        {"team": "heron"},
        {"instance": "ml.p5.48xlarge"},
        {"request": {"Tags": "x" * 70_000}},
    ],
)
def test_what_is_around_the_request_is_read_as_strictly(
    academy: Academy, change: dict[str, Any]
) -> None:
    document = {"op": "training_job", "token": TOKEN, "project": "climate-series"}
    answer = academy.ask("ana", **{**document, "request": asked(), **change})
    assert answer["error"]["code"] == "input"
    assert academy.cloud.trouble.calls == []


def test_all_that_is_wrong_is_told_at_once(academy: Academy) -> None:
    request = asked() | {"VpcConfig": {"Subnets": ["x"]}, "EnableManagedSpotTraining": True}
    request["ResourceConfig"] |= {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 8}
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 10**6
    message = train(academy, request)["error"]["message"]
    assert message == (
        "CreateTrainingJob asks for what this cohort does not grant:\n"
        "- ResourceConfig.InstanceType is 'ml.p5.48xlarge'; expected one of ml.m5.large, "
        "ml.g5.xlarge.\n"
        "- ResourceConfig.InstanceCount is 8; expected a whole number between 1 and 2 in this "
        "cohort.\n"
        "- StoppingCondition.MaxRuntimeInSeconds is 1000000; expected a whole number between 1 and "
        "14400 in this cohort.\n"
        "- EnableManagedSpotTraining is True; leave it out: the budget counts the price on "
        "demand.\n"
        "- VpcConfig is {'Subnets': ['x']}; leave it out: the cohort's network is the "
        "broker's to name."
    )


def test_a_thousand_wrong_members_are_told_briefly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    academy = Academy(starts=dt.date(2000, 1, 1), ends=dt.date(2999, 12, 31))
    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setattr(handler, "_guard", lambda: academy.guard)
    turns = MemoryTurns()
    monkeypatch.setattr(handler, "_turns", lambda: turns)
    monkeypatch.setattr(handler, "_refused_until", {})
    request = asked() | {f"Member{n}": "x" * 50 for n in range(700)}
    event = {"op": "training_job", "token": TOKEN, "project": "climate-series", "request": request}
    with caplog.at_level(logging.INFO):
        answer = handler.broker(event, Context(f"{ARN}:ana"))
    message = answer["error"]["message"]
    assert message.endswith("- and 680 more.")
    assert len(message) < 4_000
    assert len(caplog.records[-1].message) < 1_000


#: Whatever JSON holds, with the words that a request is made of among its texts.
_WORDS = [
    *("File", "S3Prefix", "GZIP", "None", "ml.m5.large", "ml.p5.48xlarge", "code", "sm_drivers"),
    *(ROLE, f"{SENT}/code", "s3://earth-work/teams/heron/", "s3://earth-data/datasets/x", "../x"),
]
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 10**6)
    | st.floats(allow_nan=True)
    | st.sampled_from(_WORDS)
    | st.text(max_size=8)
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_PATHS = [
    *asked(),
    *(f"AlgorithmSpecification.{name}" for name in asked()["AlgorithmSpecification"]),
    *(f"ResourceConfig.{name}" for name in (*asked()["ResourceConfig"], "InstanceGroups")),
    *(f"StoppingCondition.{name}" for name in ("MaxRuntimeInSeconds", "MaxWaitTimeInSeconds")),
    *("OutputDataConfig.S3OutputPath", "HyperParameters.epochs", "Environment.SEASON"),
    *("InputDataConfig.0", "InputDataConfig.1.ChannelName", URI, CODE, DRIVERS),
    *("VpcConfig", "Tags", "Else"),
]


@given(changes=st.lists(st.tuples(st.sampled_from(_PATHS), _JSON), min_size=1, max_size=3))
def test_whatever_is_sent_only_what_the_cohort_grants_is_started(
    changes: list[tuple[str, Any]],
) -> None:
    request = asked()
    for path, value in changes:
        try:
            one = changed(path, value)
        except (KeyError, IndexError, TypeError):
            continue
        top = path.split(".")[0]
        request[top] = copy.deepcopy(one[top])
    academy = Academy()
    answer = train(academy, request)
    if not answer["ok"]:
        assert answer["error"]["code"] in ("input", "instance", "count", "hours", "budget")
        assert academy.cloud.jobs == {}
        assert academy.ledger.open_of("ana") == []
        return
    made = academy.cloud.jobs[answer["job"]].request
    assert set(made) == set(asked()) | {"Tags"}
    assert made["RoleArn"] == ROLE
    assert made["AlgorithmSpecification"]["ContainerArguments"] == ["-c", RUN]
    assert made["OutputDataConfig"] == {"S3OutputPath": "s3://earth-work/teams/falcon/jobs/"}
    resources = made["ResourceConfig"]
    assert set(resources) == {"InstanceType", "InstanceCount", "VolumeSizeInGB"}
    assert resources["InstanceType"] in ("ml.m5.large", "ml.g5.xlarge")
    assert type(resources["InstanceCount"]) is int
    assert resources["InstanceCount"] in (1, 2)
    assert 60 <= made["StoppingCondition"]["MaxRuntimeInSeconds"] <= 4 * 3600
    for each in made["InputDataConfig"]:
        uri = each["DataSource"]["S3DataSource"]["S3Uri"]
        mine = uri.startswith("s3://earth-work/teams/falcon/")
        published = uri.startswith("s3://earth-data/datasets/climate-series/")
        assert mine or (published and each["ChannelName"] not in ("code", "sm_drivers"))
        assert ".." not in uri.split("/")
    assert academy.money().reserved == answer["reserved_micro_usd"] > 0


_PIECES = st.sampled_from(
    [
        *("s3://", "earth-work", "earth-data", "/", "//", "teams/", "falcon", "heron", "..", "."),
        *("datasets/", "climate-series", "-2", "software", "?", "#", "%2e", "\0", "\n", "@", "a"),
    ]
)


@given(
    uri=st.lists(_PIECES, max_size=12).map("".join)
    | st.lists(_PIECES, max_size=8).map("".join).map("s3://earth-work/teams/falcon/{}".format)
    | st.lists(_PIECES, max_size=8).map("".join).map("s3://earth-data/datasets/{}".format)
)
def test_no_uri_leads_out_of_the_team_and_the_cohorts_data(uri: str) -> None:
    academy = Academy()
    answer = train(academy, changed(URI, uri))
    if answer["ok"]:
        made = academy.cloud.jobs[answer["job"]].request["InputDataConfig"][0]
        found = made["DataSource"]["S3DataSource"]["S3Uri"]
        assert found in (uri, f"{uri}/")
        prefixes = ("s3://earth-work/teams/falcon/", "s3://earth-data/datasets/climate-series/")
        assert found.startswith(prefixes)
        assert not {"..", "."} & set(found.split("/"))
        assert not set(found) & set("?#%@\0\n*")


# --- what it costs --------------------------------------------------------------------------------
@given(
    instance=st.sampled_from(["ml.m5.large", "ml.g5.xlarge"]),
    count=st.integers(1, 2),
    minutes=st.integers(1, 240),
    volume_gb=st.integers(1, 50),
)
def test_a_job_costs_the_same_whoever_asks_for_it(
    instance: str, count: int, minutes: int, volume_gb: int
) -> None:
    theirs, ours = Academy(), Academy()
    request = asked()
    request["ResourceConfig"] = {
        "InstanceType": instance,
        "InstanceCount": count,
        "VolumeSizeInGB": volume_gb,
    }
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 60 * minutes
    mine = train(theirs, request)
    same = ours.train(instance=instance, count=count, hours=minutes / 60, volume_gb=volume_gb)
    assert (mine["ok"], same["ok"]) == (True, True)
    assert abs(mine["reserved_micro_usd"] - same["reserved_micro_usd"]) <= 1_000, "a second's"
    assert mine["price_micro_usd_per_hour"] == same["price_micro_usd_per_hour"]


def test_a_job_beyond_the_cap_is_refused_and_reserves_nothing() -> None:
    academy = Academy(cap_micro_usd=100_000)
    error = train(academy)["error"]
    assert error["code"] == "budget"
    assert error["available_micro_usd"] == 100_000 < error["needed_micro_usd"]
    assert academy.money().reserved == 0
    assert academy.cloud.jobs == {}


def test_it_is_settled_to_what_was_billed(academy: Academy) -> None:
    name = train(academy)["job"]
    academy.cloud.move(dt.timedelta(hours=1))
    academy.sweep()
    assert academy.ask("ana", op="job", job=name)["status"] == "Completed"
    assert academy.money().reserved == 0
    assert academy.money().spent == academy.true_cost("ana") > 0


def test_the_same_name_twice_is_one_job_and_one_charge(academy: Academy) -> None:
    first = train(academy)
    assert train(academy) == first
    assert len(academy.cloud.jobs) == 1


def test_one_name_cannot_stand_for_two_jobs(academy: Academy) -> None:
    held = train(academy)["reserved_micro_usd"]
    error = train(academy, changed("HyperParameters.epochs", "4"))["error"]
    assert error["code"] == "input"
    assert "another job of this TrainingJobName" in error["message"]
    assert academy.money().reserved == held


def test_a_job_of_the_same_name_but_another_token_is_not_mine(academy: Academy) -> None:
    train(academy, token="c" * 8 + "1" * 24)
    academy.ledger.reservations.clear()
    academy.ledger.accounts.clear()
    error = train(academy, token="c" * 8 + "2" * 24)["error"]
    assert error["code"] == "input"
    assert academy.money().reserved == 0


def test_a_frozen_account_and_a_closed_academy_start_none() -> None:
    academy = Academy()
    academy.cloud.move(dt.timedelta(days=200))
    assert train(academy)["error"]["code"] == "dates"


@pytest.mark.parametrize("how", ["before", "after", "lost_before", "lost_after", "down"])
@pytest.mark.parametrize("at", range(8))
def test_whatever_breaks_it_is_one_job_and_its_bill_is_paid(at: int, how: str) -> None:
    academy = Academy(Trouble(at, how))
    for _ in range(3):
        with contextlib.suppress(Crash):
            train(academy)
        academy.check()
        academy.cloud.move(dt.timedelta(minutes=2))
    assert len(academy.cloud.jobs) == 1
    for _ in range(16):
        academy.cloud.move(dt.timedelta(minutes=15))
        with contextlib.suppress(Crash):
            academy.sweep()
    assert academy.money().reserved == 0
    assert academy.money().spent == academy.true_cost("ana") > 0


# --- what AWS may leave out, and teams that change ------------------------------------------------
def test_a_job_whose_variables_are_not_told_keeps_its_money(academy_without_variables):
    academy = academy_without_variables
    answer = academy.ask(
        "ana", op="training_job", token=TOKEN, project="climate-series", request=asked()
    )
    assert answer["ok"]
    academy.cloud.move(dt.timedelta(minutes=3))  # the lease is over
    again = academy.ask(
        "ana", op="training_job", token=TOKEN, project="climate-series", request=asked()
    )
    assert again["ok"]
    assert again["job"] == answer["job"]
    budget = academy.ask("ana", op="budget")
    assert budget["reserved_micro_usd"] == answer["reserved_micro_usd"]
    assert len(academy.cloud.jobs) == 1
    academy.cloud.move(dt.timedelta(hours=5))
    academy.sweep()
    settled = academy.ask("ana", op="budget")
    assert settled["reserved_micro_usd"] == 0
    assert settled["spent_micro_usd"] > 0


@pytest.fixture
def academy_without_variables(monkeypatch):
    """SageMaker as it would be if DescribeTrainingJob left Environment out."""
    academy = Academy()
    told = academy.cloud._job
    monkeypatch.setattr(
        academy.cloud, "_job", lambda name: (job := told(name)) and replace(job, token="")
    )
    academy.cloud.jobs_last = dt.timedelta(hours=4)
    return academy


def test_a_token_does_not_go_along_to_another_team():
    academy = Academy()
    assert academy.train("ana", token="a" * 32)["ok"]
    parameter = Names("earth").workspace_parameter("ana")
    mine = academy.cloud.workspaces[parameter]
    academy.cloud.workspaces[parameter] = {**mine, "team": "heron"}
    academy.cloud.move(dt.timedelta(minutes=3))
    refused = academy.train("ana", token="a" * 32)
    assert not refused["ok"]
    assert len(academy.cloud.jobs) == 1
