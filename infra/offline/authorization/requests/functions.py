"""Lambda."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization.requests.asking import Question, arn_of, maps
from infra.offline.authorization.wire import Call, WireError

_FUNCTION = re.compile(
    r"^(?:arn:aws:lambda:([a-z0-9-]+):(\d{12}):function:|(\d{12}):function:)?"
    r"([A-Za-z0-9-_]{1,64})(?::(\$LATEST|[A-Za-z0-9-_]+))?$"
)


def function_of(call: Call, account: str) -> tuple[str, str | None]:
    """(name, qualifier) that FunctionName and Qualifier name together."""
    given = str(call.params["FunctionName"])
    found = _FUNCTION.match(given)
    if found is None:
        raise WireError("ValidationException", f"FunctionName {given!r} is malformed")
    region, owner, partial_owner, name, qualifier = found.groups()
    if (region or call.region) != call.region or (owner or partial_owner or account) != account:
        raise WireError(
            "ResourceNotFoundException", f"Functions from {given!r} are not reachable here", 404
        )
    asked_for = call.params.get("Qualifier")
    if asked_for is not None and not re.fullmatch(r"\$LATEST|[A-Za-z0-9-_]+", asked_for):
        raise WireError("ValidationException", f"Qualifier {asked_for!r} is malformed")
    if qualifier and asked_for and qualifier != asked_for:
        raise WireError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    return name, qualifier or asked_for


@maps("lambda", "Invoke")
def _invoke(call: Call, account: str) -> Iterator[Question]:
    name, qualifier = function_of(call, account)
    resource = f"function:{name}" + (f":{qualifier}" if qualifier else "")
    yield Question("lambda:InvokeFunction", arn_of(call, account, "lambda", resource))


@maps("lambda", "GetFunction", "GetFunctionConfiguration", "GetAlias")
def _read_function(call: Call, account: str) -> Iterator[Question]:
    name, qualifier = function_of(call, account)
    resource = f"function:{name}"
    if qualifier and call.operation != "GetAlias":
        resource += f":{qualifier}"
    yield Question(f"lambda:{call.operation}", arn_of(call, account, "lambda", resource))
