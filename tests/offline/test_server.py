"""The embedded cloud as one thing: where it listens, what it refuses, what it leaves behind."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from datetime import timedelta
from email.utils import parsedate_to_datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.offline import runtime
from infra.offline.server import Cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


def client(cloud, service, **config):
    environment = cloud.client_environment()
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 0}, **config),
    )


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (loopback)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_listens_on_the_loopback_address_alone(cloud):
    assert cloud.endpoint.startswith("http://127.0.0.1:")
    port = int(cloud.endpoint.rsplit(":", 1)[1])
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", port))


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("ses", "list_identities", {}),
        ("kinesis", "list_streams", {}),
        ("ce", "list_cost_category_definitions", {}),
        ("route53", "list_hosted_zones", {}),
        ("apigateway", "get_rest_apis", {}),
        ("rds", "describe_db_instances", {}),
    ],
)
def test_a_service_that_is_not_modelled_is_refused_by_name(cloud, service, operation, parameters):
    with pytest.raises(ClientError) as refused:
        getattr(client(cloud, service), operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert "is not modelled by the embedded cloud" in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "named"),
    [
        ("sagemaker", "list_workforces", {}, "sagemaker:ListWorkforces"),
        ("ec2", "describe_verified_access_groups", {}, "ec2:DescribeVerifiedAccessGroups"),
        ("lambda", "list_capacity_providers", {}, "lambda:ListCapacityProviders"),
        ("cloudtrail", "list_trails", {}, "cloudtrail:ListTrails"),
    ],
)
def test_an_operation_that_moto_lacks_is_refused_by_name(
    cloud, service, operation, parameters, named
):
    with pytest.raises(ClientError) as refused:
        getattr(client(cloud, service), operation)(**parameters)
    assert refused.value.response["Error"]["Message"].startswith(named)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_cloudtrail_knows_of_no_events(cloud):
    assert client(cloud, "cloudtrail").lookup_events()["Events"] == []


def test_motos_own_pages_are_closed(cloud):
    for path in ("/moto-api/", "/moto-api/reset", "/latest/meta-data/"):
        assert get(cloud.endpoint + path)[0] == 501


def test_control_routes_answer_and_unknown_ones_are_not_found(cloud):
    assert get(f"{cloud.endpoint}/_academy/health")[0] == 200
    assert get(f"{cloud.endpoint}/_academy/nothing")[0] == 404
    assert get(f"{cloud.endpoint}/_academy/studio/auth?token=guessed")[0] == 403


def test_a_port_that_is_taken_is_said_so(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(OSError, match="choose another, or 0"):
            Cloud(holder.getsockname()[1], state=tmp_path).start()


def test_only_one_cloud_runs_at_a_time(cloud, tmp_path):
    with pytest.raises(RuntimeError, match="a cloud is already active"):
        Cloud(state=tmp_path).start()
    assert runtime.current().endpoint == cloud.endpoint


def test_another_account_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has one account, 123456789012"):
        Cloud(state=tmp_path, account="111122223333")


def test_answers_carry_the_clouds_time(cloud):
    sts = client(cloud, "sts")
    moved = runtime.current().clock.move(by=timedelta(days=40))
    answer = sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
    assert abs(parsedate_to_datetime(answer["date"]) - moved) < timedelta(minutes=1)
