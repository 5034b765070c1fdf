"""API Gateway: its actions are the verbs of its interface, its resources the paths.

Source: "Actions, resources, and condition keys for Amazon API Gateway Management V2", Service
Authorization Reference. Its own condition keys, of what a request would make, are not modelled: a
policy that asks for one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization.requests.asking import (
    GLOBAL_KEYS,
    TAG_KEYS,
    Question,
    Unmodelled,
    maps,
    name_of,
    tags_of,
)
from infra.offline.authorization.wire import Call

_VERBS = {"Create": "POST", "Delete": "DELETE", "Get": "GET", "Update": "PATCH"}
_ID = r"[A-Za-z0-9_$-]{1,128}"
#: What stands below an API, and the member that names one.
_PARTS = {"Integration": "IntegrationId", "Route": "RouteId", "Stage": "StageName"}


@maps("apigatewayv2", "CreateApi", "GetApis")
def _apis(call: Call, _account: str) -> Iterator[Question]:
    yield _question(call, "/apis")


@maps("apigatewayv2", "DeleteApi", "GetApi", "UpdateApi")
def _api(call: Call, _account: str) -> Iterator[Question]:
    yield _question(call, f"/apis/{name_of(call, 'ApiId', _ID)}")


@maps(
    "apigatewayv2",
    *(f"{verb}{part}" for part in _PARTS for verb in ("Create", "Delete", "Get", "Update")),
    *(f"Get{part}s" for part in _PARTS),
)
def _parts(call: Call, _account: str) -> Iterator[Question]:
    verb = next(each for each in _VERBS if call.operation.startswith(each))
    kind = call.operation.removeprefix(verb)
    part = kind.removesuffix("s")
    path = f"/apis/{name_of(call, 'ApiId', _ID)}/{part.lower()}s"
    if verb != "Create" and kind == part:
        path += f"/{name_of(call, _PARTS[part], _ID)}"
    yield _question(call, path)


@maps("apigatewayv2", "GetTags")
def _tags(call: Call, _account: str) -> Iterator[Question]:
    arn = str(call.params.get("ResourceArn", ""))
    found = re.fullmatch(rf"arn:aws:apigateway:{re.escape(call.region)}::(/apis/{_ID})", arn)
    if found is None:
        raise Unmodelled(f"the tags of {arn!r} are not modelled for roles")
    yield _question(call, f"/tags/{arn.replace('/', '%2F')}")


def _question(call: Call, path: str) -> Question:
    verb = next(_VERBS[each] for each in _VERBS if call.operation.startswith(each))
    given = call.params.get("tags") if call.operation.startswith("Create") else None
    tags = [{"Key": key, "Value": value} for key, value in (given or {}).items()]
    return Question(
        f"apigateway:{verb}",
        f"arn:aws:apigateway:{call.region}::{path}",
        tags_of(tags),
        GLOBAL_KEYS | TAG_KEYS,
    )
