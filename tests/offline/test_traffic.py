"""What the embedded cloud counts of what came over the wire."""

from __future__ import annotations

import json
from collections import Counter

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from infra.offline import patching, traffic
from infra.offline.server import Cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


def _client(cloud, service):
    keys = cloud.client_environment()
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


#: One of each protocol: REST with XML, JSON, query, EC2's, REST with JSON, CBOR or its fallback.
CALLS = [
    ("s3", "ListObjectsV2", {"Bucket": "none"}, 404),
    ("s3", "ListBuckets", {}, 200),
    ("dynamodb", "ListTables", {}, 200),
    ("sagemaker", "DescribeDomain", {"DomainId": "d-none"}, 400),
    ("iam", "ListRoles", {}, 200),
    ("ec2", "DescribeVpcs", {}, 200),
    ("lambda", "GetFunction", {"FunctionName": "none"}, 404),
    ("scheduler", "ListSchedules", {}, 200),
    ("cloudwatch", "DescribeAlarms", {}, 200),
    ("budgets", "DescribeBudgets", {"AccountId": "123456789012"}, 200),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "status"), CALLS)
def test_each_call_is_counted_under_its_name(cloud, service, operation, parameters, status):
    client = _client(cloud, service)
    before = dict(traffic.counts())
    method = client.meta.method_to_api_mapping
    call = getattr(client, next(name for name, api in method.items() if api == operation))
    if status == 200:
        call(**parameters)
    else:
        with pytest.raises(ClientError):
            call(**parameters)
    new = {
        kind: count - before.get(kind, 0)
        for kind, count in traffic.counts().items()
        if count != before.get(kind, 0)
    }
    assert new == {traffic.Kind(service, operation, "boto3", status): 1}


def test_the_control_route_tells_them(cloud):
    told = requests.get(f"{cloud.endpoint}/_academy/traffic", timeout=10).json()["traffic"]
    assert len(told) == len(traffic.counts())
    assert all(set(each) == {"service", "operation", "client", "status", "count"} for each in told)


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("aws-cli/1.46.3 md/Botocore#1.44 ua/2.1 os/linux", "aws-cli"),
        ("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux", "boto3"),
        ("Boto3/1.44.5 md/Botocore#1.44.5 lib/AWS-SageMakerCore#2.27.0", "sagemaker-sdk"),
        ("aws-sdk-js/3.900.0 ua/2.1 os/linux lang/js md/nodejs#20 app/aws-cdk", "cdk"),
        ("curl/8.0", "other"),
        ("", "other"),
    ],
)
def test_clients_are_told_apart_by_what_they_say_of_themselves(agent, client):
    assert traffic.client_of(agent) == client


def test_a_cloud_leaves_its_counts_in_the_file_that_the_environment_names(tmp_path, monkeypatch):
    log = tmp_path / "traffic.jsonl"
    monkeypatch.setenv(patching.LOG_VARIABLE, str(log))
    monkeypatch.setattr(
        traffic, "_counts", Counter({traffic.Kind("s3", "ListBuckets", "cdk", 200): 3})
    )
    traffic.forget()
    traffic.forget()
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        {"service": "s3", "operation": "ListBuckets", "client": "cdk", "status": 200, "count": 3}
    ]
    assert not traffic.counts()
