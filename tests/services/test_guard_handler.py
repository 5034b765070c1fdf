"""The guard's Lambda entry points: who is served, what is logged, what a failure shows."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from infra.services.guard import handler
from infra.services.guard.settings import MAX_CHARACTERS, settings_document
from infra.services.guard.turns import MemoryTurns
from tests.services.guard_cloud import TRAIN, Academy, settings, settings_text

ARN = "arn:aws:lambda:us-east-1:123456789012:function:earth-broker"


@dataclass
class Context:
    invoked_function_arn: str
    remaining: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@pytest.fixture
def academy(monkeypatch: pytest.MonkeyPatch) -> Academy:
    import datetime as dt

    academy = Academy(starts=dt.date(2000, 1, 1), ends=dt.date(2999, 12, 31))
    academy.cloud.now = dt.datetime.now(dt.UTC)
    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setattr(handler, "_guard", lambda: academy.guard)
    monkeypatch.setattr(handler, "_survey", lambda: academy.cloud)
    monkeypatch.setattr(handler, "_journal", lambda: academy.journal)
    turns = MemoryTurns()
    monkeypatch.setattr(handler, "_turns", lambda: turns)
    monkeypatch.setattr(handler, "_refused_until", {})
    return academy


def test_each_learner_is_served_by_the_own_alias(
    academy: Academy, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        answer = handler.broker({**TRAIN, "token": "a" * 32}, Context(f"{ARN}:ben"))
    assert answer["job"] == "earth--falcon--ben--aaaaaaaa"
    assert json.dumps(answer)
    line = json.loads(caplog.records[-1].message)
    assert (line["learner"], line["op"], line["ok"]) == ("ben", "train", True)


@pytest.mark.parametrize("qualifier", ["", ":$LATEST", ":12"])
def test_a_call_without_an_alias_is_refused(academy: Academy, qualifier: str) -> None:
    answer = handler.broker({"op": "budget", "learner": "ana"}, Context(ARN + qualifier))
    assert answer["ok"] is False
    assert answer["error"]["code"] == "input"
    assert academy.cloud.trouble.calls == []


def test_the_lease_outlasts_the_invocation(academy: Academy) -> None:
    handler.broker({**TRAIN, "token": "a" * 32}, Context(f"{ARN}:ana", remaining=200_000))
    held = academy.ledger.find("ana", "aaaaaaaa")
    assert held is not None
    assert (held.lease_until - held.created_at).total_seconds() == 230


def test_a_fault_of_ours_shows_no_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise KeyError("secret")

    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setattr(handler, "_guard", broken)
    monkeypatch.setattr(handler, "_turns", MemoryTurns)
    answer = handler.broker({"op": "budget"}, Context(f"{ARN}:ana"))
    assert answer["error"]["code"] == "unavailable"
    assert "secret" not in json.dumps(answer)
    assert "secret" in caplog.text


@pytest.mark.parametrize("payload", [None, [], "x", {"op": ["budget"]}])
def test_a_payload_of_any_kind_gets_an_answer(academy: Academy, payload: Any) -> None:
    assert handler.broker(payload, Context(f"{ARN}:ana"))["error"]["code"] == "input"


def test_an_event_settles_and_a_foreign_one_does_not(academy: Academy) -> None:
    import datetime as dt

    name = handler.broker({**TRAIN, "token": "a" * 32}, Context(f"{ARN}:ana"))["job"]
    academy.cloud.move(dt.timedelta(hours=1))
    event = {"detail": {"TrainingJobName": name, "TrainingJobStatus": "Completed"}}
    assert handler.settler(event, Context(ARN)) == {"settled": True}
    for other in ("mars--falcon--ana--aaaaaaaa", "x", None):
        foreign = {"detail": {"TrainingJobName": other}}
        assert handler.settler(foreign, Context(ARN)) == {"settled": False}
    assert handler.settler({}, Context(ARN)) == {"settled": False}


def test_the_sweep_stops_in_time(academy: Academy) -> None:
    handler.broker({**TRAIN, "token": "a" * 32}, Context(f"{ARN}:ana"))
    assert handler.sweep({}, Context(ARN, remaining=5_000))["left"] == 1
    assert handler.sweep({}, Context(ARN))["open"] == 1


def test_settings_are_read_once_a_minute_and_outlive_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datetime as dt

    from infra.services.guard.cloud import Unclear
    from infra.services.guard.problems import Misconfigured

    monkeypatch.setenv("COHORT", "earth")
    monkeypatch.setenv("SETTINGS_PARAMETER", "/academy/earth/settings")
    monkeypatch.setattr(handler, "_settings", None)
    document = json.loads(
        settings_document(
            cohort="earth",
            region="us-east-1",
            starts=dt.date(2026, 11, 30),
            ends=dt.date(2027, 3, 31),
            cap_micro_usd=1,
            studio_instances=["ml.t3.medium"],
            studio_max_hours=4,
            training_instances=["ml.m5.large"],
            training_max_hours=4,
            training_max_instances=1,
            projects=["climate-series"],
            data_bucket="d",
            work_bucket="w",
            schedule_group="g",
            stopper_role_arn="r",
            submissions_per_day=5,
            closes=dt.date(2027, 3, 15),
        )
    )

    class Parameters:
        value: str | None = json.dumps(document)
        reads = 0

        def parameter(self, name: str) -> str | None:
            assert name == "/academy/earth/settings"
            self.reads += 1
            if self.reads == 2:
                raise Unclear("no answer")
            return self.value

    clock = [0.0]
    monkeypatch.setattr(handler.time, "monotonic", lambda: clock[0])
    parameters: Any = Parameters()
    first = handler._current_settings(parameters)
    assert first.cap_micro_usd == 1
    assert handler._current_settings(parameters) is first
    assert parameters.reads == 1
    clock[0] = 61
    assert handler._current_settings(parameters) is first
    parameters.value = json.dumps({**document, "cap_micro_usd": 2})
    assert handler._current_settings(parameters).cap_micro_usd == 2
    clock[0] = 200
    parameters.value = json.dumps({**document, "cohort": "mars"})
    with pytest.raises(Misconfigured, match="cohort mars"):
        handler._current_settings(parameters)
    parameters.value = None
    with pytest.raises(Misconfigured, match="deploy the Guard stack"):
        handler._current_settings(parameters)


def test_settings_fit_the_parameter_with_room_to_spare() -> None:
    assert settings().studio_instances[0] == "ml.t3.medium"
    text = settings_document(
        cohort="c" * 24,
        region="ap-southeast-1",
        starts=settings().starts,
        ends=settings().ends,
        cap_micro_usd=10**13,
        studio_instances=[f"ml.g4dn.{i:02d}xlarge" for i in range(40)],
        studio_max_hours=12,
        training_instances=[f"ml.g4dn.{i:02d}xlarge" for i in range(40)],
        training_max_hours=672,
        training_max_instances=8,
        projects=["climate-series", "land-cover"],
        data_bucket="d" * 63,
        work_bucket="w" * 63,
        schedule_group="g" * 64,
        stopper_role_arn="r" * 200,
        submissions_per_day=100,
        closes=settings().starts,
    )
    assert len(text) < MAX_CHARACTERS


def test_settings_with_images_fit_too_for_the_longest_names_and_more_projects() -> None:
    """Today's most are two projects; four, each on both kinds of instances, fit as well."""
    image = {
        "app": "arn:aws:sagemaker:ap-southeast-1:123456789012:image-version/"
        f"academy-{'x' * 12}-cpu/999999",
        "job": "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/"
        f"academy/{'x' * 12}-cpu@sha256:{'0' * 64}",
    }
    projects = [f"project-{number}" for number in range(4)]
    text = settings_text(
        cohort="c" * 24,
        region="ap-southeast-1",
        studio_instances=[f"ml.g4dn.{i:02d}xlarge" for i in range(10)],
        training_instances=[f"ml.g4dn.{i:02d}xlarge" for i in range(10)],
        projects=projects,
        data_bucket="d" * 63,
        work_bucket="w" * 63,
        schedule_group="g" * 64,
        stopper_role_arn="r" * 200,
        images={project: {"cpu": image, "gpu": image} for project in projects},
    )
    assert len(text) < MAX_CHARACTERS
