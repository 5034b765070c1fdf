"""Bad input, through the Lambda entry point as it would come: refused, logged, nothing reserved.

Whatever a learner's role may invoke, the payload is the learner's own to write.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import pytest

from infra.services.guard import handler
from infra.services.guard.turns import MemoryTurns
from tests.services.guard_cloud import TRAIN, Academy
from tests.services.test_guard_handler import ARN, Context

ASKED = {**TRAIN, "token": "a" * 32}
#: Members of CreateTrainingJob that bill, or reach beyond the team, outside what the broker counts.
#: Source: CreateTrainingJob in the SageMaker API reference, botocore 1.44.5.
UNLISTED: dict[str, Any] = {
    "ResourceConfig": {
        "InstanceGroups": [
            {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 8, "InstanceGroupName": "g"}
        ]
    },
    "InstanceGroups": [{"InstanceType": "ml.p5.48xlarge", "InstanceCount": 8}],
    "DebugRuleConfigurations": [{"RuleConfigurationName": "r", "InstanceType": "ml.p4d.24xlarge"}],
    "DebugHookConfig": {"S3OutputPath": "s3://elsewhere/"},
    "ProfilerConfig": {"S3OutputPath": "s3://elsewhere/"},
    "ProfilerRuleConfigurations": [
        {"RuleConfigurationName": "r", "InstanceType": "ml.p4d.24xlarge"}
    ],
    "KeepAlivePeriodInSeconds": 3600,
    "TrainingPlanArn": "arn:aws:sagemaker:us-east-1:123456789012:training-plan/p",
    "OutputDataConfig": {"S3OutputPath": "s3://elsewhere/"},
    "CheckpointConfig": {"S3Uri": "s3://elsewhere/"},
    "TensorBoardOutputConfig": {"S3OutputPath": "s3://elsewhere/"},
    "InputDataConfig": [{"ChannelName": "x", "DataSource": {}}],
    "RoleArn": "arn:aws:iam::123456789012:role/admin",
    "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 2_419_200},
    "MaxRuntimeInSeconds": 2_419_200,
    "RetryStrategy": {"MaximumRetryAttempts": 30},
    "RemoteDebugConfig": {"EnableRemoteDebug": True},
    "Environment": {"AWS_ACCESS_KEY_ID": "x"},
    "AlgorithmSpecification": {"TrainingImage": "elsewhere"},
    "ServerlessJobConfig": {"JobType": "FineTuning"},
    "ExperimentConfig": {"ExperimentName": "x"},
    "spot": True,
    "image": "elsewhere",
    "price": 0,
    "amount": 0,
    "learner": "ben",
    "team": "heron",
    "identity": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJiZW4ifQ.",
    "authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJiZW4ifQ.",
}

BAD: dict[str, dict[str, Any]] = {
    # A token is the learner's own name for a job, and opens nothing: but it is a part of names.
    "a token of another alphabet": {"token": "g" * 32},
    "a token in full-width digits": {"token": "\uff10" * 32},
    "a token that is a path": {"token": "../../teams/heron/code/x"},
    "a token with a wildcard": {"token": "a" * 31 + "*"},
    "a token of a megabyte": {"token": "a" * 2**20},
    "negative hours": {"hours": -1},
    "almost no hours": {"hours": -1e-300},
    "absurd hours": {"hours": 1e308},
    "a century": {"hours": 876_000},
    "hours that overflow": {"hours": 10**5000},
    "not a number": {"hours": float("nan")},
    "endless": {"hours": float("inf")},
    "hours as text": {"hours": "4"},
    "hours in a list": {"hours": [1]},
    "a negative count": {"count": -1},
    "half an instance": {"count": 0.5},
    "no instances": {"count": 0},
    "many instances": {"count": 10**9},
    "a negative disk": {"volume_gb": -1},
    "a petabyte": {"volume_gb": 10**6},
    "a wildcard type": {"instance": "ml.*"},
    "any type": {"instance": "*"},
    "a type with a question mark": {"instance": "ml.m5.l?rge"},
    "an unlisted type": {"instance": "ml.p5.48xlarge"},
    "a type in capitals": {"instance": "ML.M5.LARGE"},
    "a type and a line break": {"instance": "ml.m5.large\n"},
    "a type and a null": {"instance": "ml.m5.large\0"},
    "a type in look-alike letters": {"instance": "ml.m5.l\u0430rge"},
    "two types": {"instance": ["ml.m5.large", "ml.p5.48xlarge"]},
    "a script elsewhere": {"script": "/etc/passwd.py"},
    "a script above": {"script": "../../heron/train.py"},
    "a script that is a command": {"script": "$(curl elsewhere).py"},
    "a script from right to left": {"script": "\u202eyp.niart"},
    "a foreign project": {"project": "climate-series/../../vault"},
    "a hyperparameter of ours": {"hyperparameters": {"academy_script": "x.py"}},
    "a hyperparameter in emoji": {"hyperparameters": {"\U0001f4a3": "1"}},
    "a lone surrogate": {"hyperparameters": {"rate": "\ud800"}},
    "five megabytes": {"hyperparameters": {"rate": "x" * 5 * 2**20}},
    "five megabytes of names": {"hyperparameters": {f"h{n}": "1" for n in range(400_000)}},
    "five megabytes beside": {"comment": "x" * 5 * 2**20},
    **{f"member {name}": {name: value} for name, value in UNLISTED.items()},
}


@pytest.fixture
def academy(monkeypatch: pytest.MonkeyPatch) -> Academy:
    academy = Academy(starts=dt.date(2000, 1, 1), ends=dt.date(2999, 12, 31))
    academy.cloud.now = dt.datetime.now(dt.UTC)
    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setattr(handler, "_guard", lambda: academy.guard)
    turns = MemoryTurns()
    monkeypatch.setattr(handler, "_turns", lambda: turns)
    monkeypatch.setattr(handler, "_refused_until", {})
    return academy


def logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(caplog.records[-1].message)
    return line


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_and_logged_and_nothing_is_reserved(
    academy: Academy, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    with caplog.at_level(logging.INFO):
        answer = handler.broker({**ASKED, **BAD[what]}, Context(f"{ARN}:ana"))
    assert answer["ok"] is False
    assert answer["error"]["code"] in ("input", "hours", "count", "instance")
    assert academy.ledger.reservations == {}
    assert academy.ledger.lines == []
    assert academy.cloud.jobs == {}
    assert academy.cloud.trouble.calls == [], "neither ledger nor cloud was asked"
    line = logged(caplog)
    assert (line["learner"], line["ok"], line["code"]) == ("ana", False, answer["error"]["code"])
    assert len(caplog.records[-1].message) < 1_000, "a log line stays short whatever was sent"
    assert caplog.records[-1].message.isascii()
    assert json.dumps(answer)


@pytest.mark.parametrize("hours", [-1, 0, 1e308, float("nan"), "2", True, [2], 10**400])
@pytest.mark.parametrize("operation", ["open_space", "stay"])
def test_absurd_hours_of_a_space_are_refused(
    academy: Academy, operation: str, hours: object
) -> None:
    answer = handler.broker({"op": operation, "hours": hours}, Context(f"{ARN}:ana"))
    assert answer["error"]["code"] == "hours"
    assert academy.ledger.reservations == {}
    assert academy.cloud.stops == {}


@pytest.mark.parametrize(
    "change",
    [
        {"project": "climate-series/../../vault"},
        {"project": "*"},
        {"project": "\u202eseires-etamilc"},
        {"project": ["climate-series"]},
        {"project": "x" * 2**20},
        {"image": "arn:aws:sagemaker:us-east-1:123456789012:image-version/mine/1"},
        {"SageMakerImageVersionArn": "arn:aws:sagemaker:us-east-1:123456789012:image-version/m/1"},
        {"LifecycleConfigArn": "None"},
    ],
)
def test_no_image_of_a_learners_own_can_be_asked_for(
    academy: Academy, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    with caplog.at_level(logging.INFO):
        answer = handler.broker({"op": "open_space", **change}, Context(f"{ARN}:ana"))
    assert answer["error"]["code"] == "input"
    assert academy.ledger.reservations == {}
    assert academy.cloud.trouble.calls == []
    assert len(caplog.records[-1].message) < 1_000


@pytest.mark.parametrize("instance", ["ml.*", "*", "system", "ml.p5.48xlarge", "ml.g5.xlarge", ""])
def test_an_unlisted_type_of_a_space_is_refused(academy: Academy, instance: str) -> None:
    answer = handler.broker({"op": "open_space", "instance": instance}, Context(f"{ARN}:ana"))
    assert answer["error"]["code"] == "instance"
    assert academy.ledger.reservations == {}


def test_a_token_of_anothers_opens_nothing_of_theirs(academy: Academy) -> None:
    mine = handler.broker(ASKED, Context(f"{ARN}:ana"))["job"]
    theirs = handler.broker(ASKED, Context(f"{ARN}:chi"))["job"]
    assert mine != theirs
    code = [
        job.request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
        for job in academy.cloud.jobs.values()
    ]
    assert code == [
        f"s3://earth-work/teams/falcon/code/{'a' * 32}/",
        f"s3://earth-work/teams/heron/code/{'a' * 32}/",
    ]


@pytest.mark.parametrize("operation", ["job", "stop_job"])
def test_another_teams_job_is_neither_seen_nor_stopped(
    academy: Academy, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    name = handler.broker(ASKED, Context(f"{ARN}:ana"))["job"]
    with caplog.at_level(logging.INFO):
        answer = handler.broker({"op": operation, "job": name}, Context(f"{ARN}:chi"))
    assert answer["error"]["code"] == "not_found"
    assert academy.cloud.jobs[name].stopped is None
    assert (logged(caplog)["learner"], logged(caplog)["code"]) == ("chi", "not_found")
    nobodys = handler.broker(
        {"op": operation, "job": "earth--falcon--ana--00000000"}, Context(f"{ARN}:chi")
    )
    # The same words but for the name: whether it exists is not told.
    assert (
        nobodys["error"]["message"].replace("00000000", "aaaaaaaa") == (answer["error"]["message"])
    )


@pytest.mark.parametrize(
    "alias", ["", ":$LATEST", ":7", ":ANA", ":*", ":ana*", ":ana--ben", ":\u0430na", ":ana:ben"]
)
def test_a_forged_identity_is_nobodys(academy: Academy, alias: str) -> None:
    answer = handler.broker({**ASKED, "learner": "ana"}, Context(ARN + alias))
    assert answer["error"]["code"] == "input"
    assert academy.ledger.reservations == {}


def test_the_request_that_is_made_has_no_member_but_the_listed_ones(academy: Academy) -> None:
    name = handler.broker(ASKED, Context(f"{ARN}:ana"))["job"]
    request = academy.cloud.jobs[name].request
    assert set(request) == {
        "TrainingJobName",
        "RoleArn",
        "AlgorithmSpecification",
        "HyperParameters",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "StoppingCondition",
        "EnableManagedSpotTraining",
        "Environment",
        "Tags",
    }
    assert set(request["ResourceConfig"]) == {"InstanceType", "InstanceCount", "VolumeSizeInGB"}
    assert set(request["StoppingCondition"]) == {"MaxRuntimeInSeconds"}
    assert set(request["OutputDataConfig"]) == {"S3OutputPath"}


#: An operation each, with what its honest caller sends beside `op`.
OPERATIONS: dict[str, dict[str, Any]] = {
    "open_space": {},
    "space": {"link": True},
    "stay": {"hours": 1},
    "close_space": {},
    "train": {name: value for name, value in ASKED.items() if name != "op"},
    "job": {"job": "earth--falcon--ana--aaaaaaaa"},
    "stop_job": {"job": "earth--falcon--ana--aaaaaaaa"},
    "budget": {},
}
#: What would speak for somebody else, if anything believed it.
SOMEBODY_ELSES: dict[str, Any] = {
    "learner": "chi",
    "team": "heron",
    "alias": "chi",
    "profile": "earth--chi",
    "UserProfileName": "earth--chi",
    "space": "earth--chi",
    "SpaceName": "earth--chi",
    "domain": "d-chi",
    "DomainId": "d-chi",
    "workspace": {"team": "heron", "domain": "d-chi"},
    "context": {"invoked_function_arn": f"{ARN}:chi"},
    "requestContext": {"authorizer": {"learner": "chi"}},
    "role": "arn:aws:iam::123456789012:role/academy/earth/training/earth--training--heron",
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("member", SOMEBODY_ELSES)
def test_nobody_speaks_for_another_in_any_operation(
    academy: Academy, operation: str, member: str
) -> None:
    """Whatever names somebody else is refused by name, before ledger and cloud are asked."""
    payload = {"op": operation, **OPERATIONS[operation], member: SOMEBODY_ELSES[member]}
    answer = handler.broker(payload, Context(f"{ARN}:ana"))
    assert answer["error"]["code"] == "input"
    assert repr(member) in answer["error"]["message"]
    assert academy.cloud.trouble.calls == []


def test_a_link_leads_into_ones_own_profile_whatever_is_asked_for(
    academy: Academy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for learner in ("ana", "chi"):
        handler.broker({"op": "open_space"}, Context(f"{ARN}:{learner}"))
    academy.cloud.move(dt.timedelta(minutes=5))
    linked: list[tuple[str, str]] = []

    def link(workspace: Any) -> str:
        linked.append((workspace.profile, workspace.space))
        return "https://x"

    monkeypatch.setattr(academy.cloud, "presigned_url", link)
    for learner in ("ana", "chi"):
        answer = handler.broker({"op": "space", "link": True}, Context(f"{ARN}:{learner}"))
        assert answer["url"] == "https://x"
    assert linked == [("earth--ana", "earth--ana"), ("earth--chi", "earth--chi")]


def test_an_event_is_believed_for_its_jobs_name_alone(
    academy: Academy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever could forge an event could not settle a job that runs, nor say what it cost."""
    monkeypatch.setattr(handler, "_survey", lambda: academy.cloud)
    name = handler.broker(ASKED, Context(f"{ARN}:ana"))["job"]
    forged = {
        "source": "aws.sagemaker",
        "detail": {
            "TrainingJobName": name,
            "TrainingJobStatus": "Completed",
            "BillableTimeInSeconds": 1,
            "TrainingEndTime": 0,
            "Environment": {},
        },
    }
    assert handler.settler(forged, Context(ARN)) == {"settled": False}
    held = academy.ledger.find("ana", "a" * 8)
    assert held is not None
    assert held.is_open
    academy.cloud.move(dt.timedelta(hours=1))
    assert handler.settler(forged, Context(ARN)) == {"settled": True}
    settled = academy.ledger.find("ana", "a" * 8)
    assert settled is not None
    assert settled.billed == academy.true_cost("ana")
    assert (settled.billed or 0) > 1000
