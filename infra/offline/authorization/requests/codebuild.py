"""CodeBuild."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from infra.offline.authorization.requests.asking import (
    TAG_KEYS,
    Question,
    Unmodelled,
    arn_of,
    maps,
    pass_role,
    tags_of,
)
from infra.offline.authorization.wire import Call

_PROJECT = r"[A-Za-z0-9][A-Za-z0-9_-]{1,149}"


def _project_arn(call: Call, account: str, given: Any) -> str:
    """The ARN of a project that is named by itself or by one of its builds ("PROJECT:ID")."""
    name = given.split(":", 1)[0] if isinstance(given, str) else ""
    if not re.fullmatch(_PROJECT, name):
        raise Unmodelled(f"CodeBuild project or build {given!r}: only names are modelled, not ARNs")
    return arn_of(call, account, "codebuild", f"project/{name}")


#: Operation -> the member that says which project it is about.
_CODEBUILD = {
    "BatchGetBuilds": "ids",
    "BatchGetProjects": "names",
    "CreateProject": "name",
    "DeleteProject": "name",
    "ListBuildsForProject": "projectName",
    "StartBuild": "projectName",
    "StopBuild": "id",
    "UpdateProject": "name",
}


@maps("codebuild", *_CODEBUILD)
def _codebuild(call: Call, account: str) -> Iterator[Question]:
    given = call.params.get(_CODEBUILD[call.operation])
    context = tags_of(
        [
            {"Key": tag.get("key", ""), "Value": tag.get("value", "")}
            for tag in call.params.get("tags") or ()
        ]
    )
    for name in given if isinstance(given, list) else [given]:
        arn = _project_arn(call, account, name)
        yield Question(f"codebuild:{call.operation}", arn, context, TAG_KEYS)
    yield from pass_role(call.params.get("serviceRole"), "codebuild.amazonaws.com")
    if "serviceRoleOverride" in call.params:
        raise Unmodelled("StartBuild with serviceRoleOverride is not modelled")
