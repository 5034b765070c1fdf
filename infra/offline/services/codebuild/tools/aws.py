"""Stands in for the AWS CLI in builds of the embedded cloud: `aws ecr get-login-password`.

It really asks ECR for a password, as the build's role. Every other command is refused.
"""

from __future__ import annotations

import base64
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    words, region = _without_region(arguments)
    if words != ["ecr", "get-login-password"]:
        print(
            f"aws: the embedded cloud's builds do not emulate `aws {' '.join(arguments)}`; they "
            "have `aws ecr get-login-password` alone.",
            file=sys.stderr,
        )
        return 252
    try:
        ecr = boto3.client("ecr", region_name=region)
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    except (ClientError, BotoCoreError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 254
    print(base64.b64decode(token).decode().partition(":")[2])
    return 0


def _without_region(arguments: list[str]) -> tuple[list[str], str | None]:
    words, region = list(arguments), None
    for number, word in enumerate(words):
        if word == "--region" and number + 1 < len(words):
            region = words[number + 1]
            return words[:number] + words[number + 2 :], region
        if word.startswith("--region="):
            return words[:number] + words[number + 1 :], word.partition("=")[2]
    return words, region


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
