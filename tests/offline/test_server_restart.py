"""After a cloud has stopped another starts in the same process, and finds nothing of it."""

from __future__ import annotations

import socket

import boto3
import pytest

from infra.offline import runtime
from infra.offline.server import Cloud


def test_a_second_cloud_starts_from_nothing(tmp_path):
    with Cloud(state=tmp_path / "one") as first:
        environment = first.client_environment()
        port = int(first.endpoint.rsplit(":", 1)[1])
        session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        session.client("s3", endpoint_url=first.endpoint).create_bucket(Bucket="left-behind")
        session.client("cloudformation", endpoint_url=first.endpoint).create_stack(
            StackName="left",
            TemplateBody="Resources: {P: {Type: 'AWS::SSM::Parameter', "
            "Properties: {Type: String, Name: /left, Value: x}}}",
        )
    with pytest.raises(RuntimeError, match="no embedded cloud runs"):
        runtime.current()
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))
    with Cloud(port, state=tmp_path / "two") as second:
        assert second.endpoint.endswith(f":{port}")
        s3 = session.client("s3", endpoint_url=second.endpoint)
        stacks = session.client("cloudformation", endpoint_url=second.endpoint)
        parameters = session.client("ssm", endpoint_url=second.endpoint)
        assert s3.list_buckets()["Buckets"] == []
        assert stacks.list_stacks()["StackSummaries"] == []
        assert parameters.describe_parameters()["Parameters"] == []


def test_stopping_twice_is_no_error(tmp_path):
    cloud = Cloud(state=tmp_path).start()
    cloud.stop()
    cloud.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = cloud.endpoint
