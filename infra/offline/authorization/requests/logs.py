"""CloudWatch Logs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization.requests.asking import Question, Unmodelled, arn_of, maps, name_of
from infra.offline.authorization.wire import Call, WireError

_GROUP = r"[.\-_/#A-Za-z0-9]{1,512}"
_STREAM = r"[^:*?]{1,512}"


@maps(
    "logs",
    "CreateLogGroup",
    "CreateLogStream",
    "DescribeLogStreams",
    "FilterLogEvents",
    "GetLogEvents",
    "PutLogEvents",
)
def _logs(call: Call, account: str) -> Iterator[Question]:
    if "logGroupIdentifier" in call.params:
        raise Unmodelled("logGroupIdentifier is not modelled for roles; give logGroupName")
    if call.operation == "CreateLogGroup" and (call.params.keys() - {"logGroupName"}):
        raise Unmodelled("CreateLogGroup with more than a name is not modelled for roles")
    group = name_of(call, "logGroupName", _GROUP)
    # An action on a group is decided on its streams' ARN with an empty stream, so a policy that
    # ends with the group's name does not allow it. Seen in AWS's own denials, for example
    # github.com/prowler-cloud/prowler/pull/37 and hashicorp/terraform-provider-aws issue 8804.
    stream = ""
    if call.operation in ("CreateLogStream", "GetLogEvents", "PutLogEvents"):
        stream = name_of(call, "logStreamName", _STREAM)
    arn = arn_of(call, account, "logs", f"log-group:{group}:log-stream:{stream}")
    yield Question(f"logs:{call.operation}", arn)


@maps("logs", "DescribeLogGroups")
def _log_groups(call: Call, account: str) -> Iterator[Question]:
    prefix = call.params.get("logGroupNamePrefix") or ""
    if not re.fullmatch(_GROUP, prefix) and prefix:
        raise WireError("InvalidParameterException", f"logGroupNamePrefix {prefix!r}")
    if set(call.params) - {"logGroupNamePrefix", "limit", "nextToken"}:
        raise Unmodelled("DescribeLogGroups by anything but a prefix is not modelled for roles")
    yield Question(
        "logs:DescribeLogGroups", arn_of(call, account, "logs", f"log-group:{prefix}:log-stream:")
    )
