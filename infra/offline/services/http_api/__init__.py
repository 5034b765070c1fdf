"""API Gateway's HTTP APIs, as far as one function stands behind the stage $default.

`control` has the operations. What a client of an API meets is its `listener` on loopback, whose
address is the API's endpoint, and then its `gateway`. `events`, `routes`, `throttle` and
`access_log` are pure.
"""

from __future__ import annotations

from infra.offline.fidelity import Part
from infra.offline.services.http_api import control
from infra.offline.services.http_api.listener import close

FIDELITY = Part(
    title="API Gateway (HTTP APIs)",
    emulated=(
        "moto's state; a listener on loopback for each API, whose address is its endpoint; Lambda "
        "behind it by payload format 2.0, both ways; routes by AWS's precedence; throttling, "
        "quotas of size and time, access logs, metrics; the function's policy is asked for the "
        "route's own ARN"
    ),
    checked=(
        "by client: AWS CLI, boto3; by documentation: AWS's example of an event, generated "
        "requests; what the documentation leaves open by what others measured on AWS"
    ),
    differences=(
        "HTTP/1.1 without TLS, so `x-forwarded-proto` is `http` and the port is part of "
        "`domainName`; one stage, `$default`, with automatic deployment; no authorizers, domains "
        "of one's own, CORS by the API, parameter mappings, WebSocket and REST APIs: refused by "
        "name. Throttles count exactly, where AWS's are a best effort; values in access logs are "
        "escaped, and their stream's name is ours; that a head of more than 10,240 bytes is 431 "
        "is not documented"
    ),
)

__all__ = ["FIDELITY", "close", "control"]
