"""Who is calling: what Lambda tells a function of how it was invoked."""

from __future__ import annotations

import json

from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Answer, confirmed, contradicted
from infra.cli.probe.shared import function

ALIAS = "ana"

ECHO = """\
def handler(event, context):
    return {"invoked": context.invoked_function_arn}
"""


def ask_alias(probe: Probe) -> Answer:
    role = probe.role("echo", "lambda.amazonaws.com")
    arn = function(probe, "echo", ECHO, role)
    client, name = probe.client("lambda"), probe.name("echo")
    client.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion="$LATEST")

    def invoked(function_name: str) -> str:
        answer = client.invoke(FunctionName=function_name, Payload=b"{}")
        return str(json.loads(answer["Payload"].read())["invoked"])

    return read_alias(arn, by_alias=invoked(f"{name}:{ALIAS}"), unqualified=invoked(name))


def read_alias(arn: str, *, by_alias: str, unqualified: str) -> Answer:
    """The broker takes its caller's name from the alias in the ARN, and refuses a call without."""
    seen = {"by_alias": by_alias, "unqualified": unqualified}
    if by_alias != f"{arn}:{ALIAS}":
        return contradicted(f"invoked by its alias, the function saw {by_alias}", **seen)
    if unqualified != arn:
        return contradicted(f"invoked without a qualifier, the function saw {unqualified}", **seen)
    return confirmed("the ARN ends in the alias that was invoked, and in none without", **seen)
