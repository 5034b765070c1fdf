"""What a client of the embedded cloud has to find in its environment."""

from __future__ import annotations

#: The account root: everything is allowed to it. AWS's own documentation uses this pair.
ADMIN_ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
ADMIN_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 (a published example)


def client_environment(endpoint: str, region: str) -> dict[str, str]:
    """Variables for the CDK CLI, the AWS CLI and boto3, with the administrator's keys.

    Proxies are switched off for the loopback address, where the endpoint is.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": ADMIN_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMIN_SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "1",
        "CI": "1",
        "NODE_NO_WARNINGS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
