"""What tests of the whole embedded cloud share: clients, roles that IAM holds, and waiting."""

from __future__ import annotations

import json
from typing import Any

import boto3

from infra.offline.authorization import credentials
from infra.offline.server import Cloud

REGION = "us-east-1"


def client(cloud: Cloud, service: str, keys: dict[str, str] | None = None) -> Any:
    """A client on the wire: the administrator's, or that of the given keys."""
    given = keys or cloud.client_environment()
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=REGION,
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=given.get("AWS_SESSION_TOKEN"),
    )


def as_role(cloud: Cloud, role_arn: str, service: str) -> Any:
    return client(cloud, service, credentials.for_role(role_arn, session_name="ana"))


def role(cloud: Cloud, name: str, service: str, *allowed: tuple[list[str], str]) -> str:
    """A role that `service` may assume, allowed these (actions, resource); returns its ARN."""
    iam = client(cloud, "iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    made = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": resource}
        for actions, resource in allowed
    ]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=document)
    return str(made["Role"]["Arn"])


#: What a role needs of ECR to pull from the academy's repositories.
PULL = (
    (["ecr:GetAuthorizationToken"], "*"),
    (
        [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ],
        "arn:aws:ecr:us-east-1:123456789012:repository/academy/*",
    ),
)
