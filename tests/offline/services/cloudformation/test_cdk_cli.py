"""The pinned, unmodified CDK CLI: bootstrap, deploy, deploy again, change, fail, destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
APP = Path(__file__).parent / "sample" / "sample_app.py"

pytestmark = [
    pytest.mark.clients,
    pytest.mark.end_to_end,
    pytest.mark.skipif(
        not (ROOT / "node_modules" / "aws-cdk").is_dir(), reason="the CDK CLI needs `npm ci`"
    ),
]


@pytest.fixture(scope="module")
def cdk(cloud, tmp_path_factory):
    out = tmp_path_factory.mktemp("cdk")

    def run(*arguments: str, app: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "npx",
                "cdk",
                *arguments,
                "--app",
                f"{sys.executable} {APP}" if app is None else app,
                "--output",
                str(out),
            ],
            cwd=ROOT,
            # The templates' validation by the synthesis is not what is tried here, and takes long.
            env={**os.environ, **cloud.client_environment(), "CDK_VALIDATION": "false"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    return answer.stdout + answer.stderr


def test_a_whole_life(cdk, client):
    api = client("cloudformation")

    bootstrapped = cdk("bootstrap", "aws://123456789012/us-east-1", app="")
    assert bootstrapped.returncode == 0, _said(bootstrapped)
    assert "Environment aws://123456789012/us-east-1 bootstrapped." in _said(bootstrapped)

    deployed = cdk("deploy", "--all", "--require-approval", "never")
    assert deployed.returncode == 0, _said(deployed)
    assert "Sample-Ground.AliasArn = arn:aws:lambda:us-east-1:123456789012:function:" in _said(
        deployed
    )
    # Progress is shown resource by resource.
    assert "CREATE_COMPLETE" in _said(deployed)
    statuses = {
        stack["StackName"]: stack["StackStatus"] for stack in api.describe_stacks()["Stacks"]
    }
    assert statuses == dict.fromkeys(
        ("CDKToolkit", "Sample-Ground", "Sample-Team"), "CREATE_COMPLETE"
    )
    (space,) = client("sagemaker").list_spaces()["Spaces"]
    assert space["SpaceName"] == "sample--ana"

    again = cdk("deploy", "--all", "--require-approval", "never")
    assert again.returncode == 0, _said(again)
    assert "Sample-Ground (no changes)" in _said(again)
    assert "Sample-Team (no changes)" in _said(again)

    longer = cdk("deploy", "--all", "--require-approval", "never", "-c", "retention=ONE_MONTH")
    assert longer.returncode == 0, _said(longer)
    assert "Sample-Ground (no changes)" not in _said(longer)
    (group,) = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/sample-broker")[
        "logGroups"
    ]
    assert group["retentionInDays"] == 30

    broken = cdk("deploy", "Sample-Broken", "--require-approval", "never", "-c", "broken=1")
    assert broken.returncode == 1
    assert "CREATE_FAILED" in _said(broken)
    assert "Resource type AWS::Kinesis::Stream is not modelled by the embedded cloud" in _said(
        broken
    )
    stack = api.describe_stacks(StackName="Sample-Broken")["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"

    destroyed = cdk("destroy", "--all", "--force", "-c", "broken=1")
    assert destroyed.returncode == 0, _said(destroyed)
    assert [stack["StackName"] for stack in api.describe_stacks()["Stacks"]] == ["CDKToolkit"]
    assert client("sagemaker").list_domains()["Domains"] == []
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert buckets == ["cdk-hnb659fds-assets-123456789012-us-east-1"]
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert client("lambda").list_functions()["Functions"] == []
