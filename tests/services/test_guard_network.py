"""A private network: every job is started inside it, whoever asks for it and however."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.services.guard.problems import Misconfigured
from infra.services.guard.settings import JobNetwork, Settings
from tests.services.guard_cloud import Academy, settings, settings_text
from tests.services.test_guard_sdk import asked, train

NETWORK = {
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "security_groups": ["sg-0123456789abcdef0"],
}
INSIDE = {"Subnets": NETWORK["subnets"], "SecurityGroupIds": NETWORK["security_groups"]}


def test_a_job_stands_in_the_cohorts_subnets_and_group() -> None:
    academy = Academy(network=NETWORK)
    request = academy.cloud.jobs[academy.train()["job"]].request
    assert request["VpcConfig"] == INSIDE


def test_so_does_a_job_of_sagemakers_own_sdk() -> None:
    academy = Academy(network=NETWORK)
    answer = train(academy)
    assert answer["ok"], answer
    assert academy.cloud.jobs[answer["job"]].request["VpcConfig"] == INSIDE


@pytest.mark.parametrize(
    "wanted", [INSIDE, {"Subnets": ["subnet-elsewhere"], "SecurityGroupIds": []}, {}]
)
def test_where_a_job_stands_is_not_for_a_learner_to_say(wanted: dict[str, Any]) -> None:
    answer = train(Academy(network=NETWORK), asked() | {"VpcConfig": wanted})
    assert (
        "leave it out: the cohort's network is the broker's to name" in answer["error"]["message"]
    )


def test_without_a_private_network_a_job_stands_in_none() -> None:
    academy = Academy()
    assert "VpcConfig" not in academy.cloud.jobs[academy.train()["job"]].request


def test_settings_from_before_there_were_networks_are_read() -> None:
    assert "network" not in json.loads(settings_text())
    assert settings().network is None


def test_the_network_of_the_settings_is_read() -> None:
    assert settings(network=NETWORK).network == JobNetwork(
        tuple(NETWORK["subnets"]), tuple(NETWORK["security_groups"])
    )


@pytest.mark.parametrize(
    "network",
    [
        None,
        {},
        {"subnets": NETWORK["subnets"]},
        {**NETWORK, "subnets": []},
        {**NETWORK, "security_groups": []},
        {**NETWORK, "subnets": ["vpc-0123456789abcdef0"]},
        {**NETWORK, "security_groups": "sg-0123456789abcdef0"},
        {**NETWORK, "subnets": [7]},
    ],
)
def test_settings_with_half_a_network_start_nothing(network: Any) -> None:
    document = json.loads(settings_text()) | {"network": network}
    with pytest.raises(Misconfigured, match="settings"):
        Settings.from_json(json.dumps(document))
