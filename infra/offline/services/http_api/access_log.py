"""Lines of a stage's access log: the stage's format with each $context variable filled in.

Sources: "Customize HTTP API access logs" and "Quotas for configuring and running an HTTP API", API
Gateway developer guide; AccessLogSettings of the API Gateway v2 reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

#: Of the format, in bytes.
LARGEST_FORMAT = 3 * 1024

#: The variables of HTTP APIs that have a value here.
VARIABLES = frozenset(
    {
        "accountId",
        "apiId",
        "dataProcessed",
        "domainName",
        "domainPrefix",
        "error.message",
        "error.messageString",
        "error.responseType",
        "extendedRequestId",
        "httpMethod",
        "identity.sourceIp",
        "identity.userAgent",
        "integration.error",
        "integration.integrationStatus",
        "integration.latency",
        "integration.requestId",
        "integration.status",
        "integrationErrorMessage",
        "integrationLatency",
        "integrationStatus",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "responseLatency",
        "responseLength",
        "routeKey",
        "stage",
        "status",
    }
)
#: The beginnings of those that never have one here: no authorizer, no domain of one's own.
ABSENT = (
    "authorizer.",
    "awsEndpointRequestId",
    "customDomain.",
    "identity.",
)

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)")


def problem(given: str) -> str:
    """Why a format is refused, or ""."""
    if len(given.encode()) > LARGEST_FORMAT:
        return f"Access log format is larger than {LARGEST_FORMAT} bytes"
    if "\n" in given or "\r" in given:
        return "Access log format must be a single line"
    names = _VARIABLE.findall(given)
    if not {"requestId", "extendedRequestId"} & set(names):
        return "Access log format must include at least $context.requestId"
    for name in names:
        if name not in VARIABLES and not name.startswith(ABSENT):
            return f"$context.{name} is no variable of HTTP APIs' access logs"
    return ""


def line(given: str, values: Mapping[str, object]) -> str:
    """One line. A variable without a value is "-", as on AWS.

    Values are escaped as in JSON's texts, so that nothing a client sends is read as a line or a
    member of its own.
    """

    def filled(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if value is None or value == "":
            return "-"
        if found[1] == "error.messageString":
            return json.dumps(str(value))
        return json.dumps(str(value))[1:-1]

    return _VARIABLE.sub(filled, given)
