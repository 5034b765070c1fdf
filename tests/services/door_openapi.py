"""The door as an OpenAPI document, made from the handler's own table of routes.

It describes what a browser may send, so that schemathesis can send that and everything beside it.
Values that begin with "@" stand for what only a session has; who sends them puts it in their place.
"""

from __future__ import annotations

import re
from typing import Any

from infra.services.door import handler
from tests.services.door_world import CODE

#: Would be a tag, were it ever shown as it was sent.
MARKER = "\"'><xss-marker onload=alert(1)>&lt;"
#: The token of the page that a form stands on, and the cookie of a sign-in that waits.
CSRF, WAITING = "@csrf", "@waiting"
FORM = "application/x-www-form-urlencoded"

#: Fields of each form, with values that lead somewhere.
FIELDS: dict[str, dict[str, list[str]]] = {
    "/sign-in": {"email": ["ana@example.org", "nobody@example.org", "ANA@EXAMPLE.ORG"]},
    "/code": {"code": [CODE, "0000 0000"]},
    "/sign-out": {},
    "/open": {
        "instance": ["ml.t3.medium", "ml.p5.48xlarge"],
        "project": ["land-cover"],
        "hours": ["1", "-1", "99999999999"],
    },
    "/stay": {"hours": ["2", "1e3"]},
    "/close": {},
    "/enter": {},
    "/advisors/<team>/notes": {"text": ["Well done."]},
}
#: What a name in a path may be.
NAMES = {
    "name": ["walk.ipynb", "x", "..%2F..%2Fheron%2Fshared%2Fwalk.ipynb"],
    "project": ["land-cover", "climate-series.live"],
    "job": ["earth--falcon--ana--bbbbbbbb", "earth--heron--chi--cccccccc"],
    "team": ["falcon", "heron"],
}
QUERIES = {"/": ["out", "again"], "/advisors": ["from"]}


def document() -> dict[str, Any]:
    """The whole of it."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, _ in handler.ROUTES:
        known = re.sub(r"<(\w+)>", r"{\1}", path)
        paths.setdefault(known, {})[method.lower()] = _operation(method, path)
    return {"openapi": "3.1.0", "info": {"title": "The door", "version": "1"}, "paths": paths}


def _operation(method: str, path: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _text(NAMES[name], minLength=1)}
        for name in re.findall(r"<(\w+)>", path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": _text(["", "0", "25", "9" * 30])}
        for name in QUERIES.get(path, [])
    ]
    if path == "/code":
        parameters.append({"name": "__Host-code", "in": "cookie", "schema": _cookie()})
    made: dict[str, Any] = {"parameters": parameters, "responses": _responses(method, path)}
    if method == "POST":
        fields = {"csrf": _text([CSRF, CSRF, CSRF])}
        fields |= {name: _text(values) for name, values in FIELDS[path].items()}
        form = {
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": False,
        }
        made["requestBody"] = {"required": True, "content": {FORM: {"schema": form}}}
    return made


def _text(values: list[str], **limits: int) -> dict[str, Any]:
    return {"anyOf": [{"enum": [*values, MARKER]}, {"type": "string", "maxLength": 300, **limits}]}


def _cookie() -> dict[str, Any]:
    return {"anyOf": [{"enum": [WAITING, WAITING]}, {"type": "string", "pattern": "^[!-:<-~]+$"}]}


def _responses(method: str, path: str) -> dict[str, Any]:
    """Every status that is meant, and as what each answer comes."""
    page = {"text/html": {}}
    here: dict[str, dict[str, Any]] = {
        status: {"description": "a page", "content": page} for status in ("400", "404", "414")
    }
    here["303"] = {"description": "elsewhere"}
    if path == "/space.json":
        data = {"application/json": {}}
        here = {s: {"description": "", "content": data} for s in ("200", "401", "404")}
        here |= {s: {"description": "", "content": page} for s in ("400", "414")}
    elif path.startswith("/assets/"):
        here["200"] = {"description": "", "content": {"text/css": {}, "text/javascript": {}}}
    elif method == "GET":
        here["200"] = {"description": "", "content": page}
    else:
        here |= {s: {"description": "", "content": page} for s in ("403", "409", "413", "415")}
    if path in ("/sign-in", "/code"):
        here["429"] = {"description": "too often", "content": page}
    return here
