"""What tests, the demonstration and a person may do to the embedded cloud itself, as JSON.

    GET  /_academy/health      {"ready": true, "now", "endpoint", "account", "region"}
    GET  /_academy/clock       {"now", "ahead_seconds", "alarms": [{"name", "at"}]}
    POST /_academy/clock       {"by_seconds": 3600} or {"to": "2027-01-31T18:00:00Z"}; runs all that
                               falls due before it answers as GET does
    GET  /_academy/mail        {"mail": [{"to", "topic", "subject", "message", "sent"}]}: what SNS
                               would have mailed, and Cognito, which names no topic
    GET  /_academy/chat        {"chat": [{"channel", "topic", "title", "text", "thread", "kind",
                               "message", "sent", "problem"}]}: what channels of Microsoft Teams
                               would have been told, and why one would have shown nothing
    GET  /_academy/faults      {"faults": [{"id", "kind", "service", ..., "happened", "left"}]}
    POST /_academy/faults      a fault, see `faults.Fault`: {"kind": "throttle", "service":
                               "dynamodb", "operation": "PutItem", "count": 2}; or many that happen
                               now and then: {"chaos": {"seed": 7, "probability": 0.02}}
    DELETE /_academy/faults    takes all back; with ?id=f1 that one; these answer as GET does
    GET  /_academy/processes   {"processes": [{"name", "pid", "running"}]}
    GET  /_academy/traffic     {"traffic": [{"service", "operation", "client", "status", "count"}]}:
                               what came over the wire, by the program that sent it

The server mounts `handle`, a WSGI application, for these paths (`serves(path)` says which):

    application = control.handle if control.serves(environ["PATH_INFO"]) else moto

It answers the loopback address alone. The Host header must name it too, and a POST must be JSON:
otherwise any web page that the person at this machine opens could move the clock. (A DELETE of
another origin's page does not pass the browser's own preflight.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.offline import faults, runtime, traffic
from infra.offline.services import chatbot, cognito_idp, sns

PREFIX = "/_academy/"
LARGEST_BODY_BYTES = 10_000

JsonObject = dict[str, Any]
StartResponse = Callable[..., Any]

_STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    415: "415 Unsupported Media Type",
}


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def serves(path: str) -> bool:
    """Whether `path` is one of the control routes."""
    return path.rstrip("/") in _ROUTES


def handle(environ: JsonObject, start_response: StartResponse) -> Iterable[bytes]:
    """The control routes as a WSGI application."""
    try:
        _only_here(environ)
        status, answer = 200, _answer(environ)
    except _Refused as refused:
        status, answer = refused.status, {"error": str(refused)}
    body = json.dumps(answer).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(_STATUS[status], headers)
    return [body]


def _only_here(environ: JsonObject) -> None:
    if not _is_loopback(environ.get("REMOTE_ADDR", "")):
        raise _Refused(403, "control routes answer the loopback address only")
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    if host != "localhost" and not _is_loopback(host):
        raise _Refused(403, f"control routes answer to 127.0.0.1, not to {host!r}")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _answer(environ: JsonObject) -> JsonObject:
    path, method = environ.get("PATH_INFO", "").rstrip("/"), environ["REQUEST_METHOD"]
    methods = _ROUTES.get(path)
    if methods is None:
        raise _Refused(404, f"no control route {path}; there are {', '.join(sorted(_ROUTES))}")
    action = methods.get(method)
    if action is None:
        raise _Refused(405, f"{path} takes {' and '.join(sorted(methods))}, not {method}")
    return action(environ)


def _health(_environ: JsonObject) -> JsonObject:
    here = runtime.current()
    return {
        "ready": True,
        "now": here.clock.now().isoformat(),
        "endpoint": here.endpoint,
        "account": here.account,
        "region": here.region,
    }


def _clock(_environ: JsonObject) -> JsonObject:
    clock = runtime.current().clock
    return {
        "now": clock.now().isoformat(),
        "ahead_seconds": clock.offset.total_seconds(),
        "alarms": [{"name": alarm.name, "at": alarm.when.isoformat()} for alarm in clock.alarms()],
    }


def _move_clock(environ: JsonObject) -> JsonObject:
    request = _body(environ)
    try:
        if set(request) == {"by_seconds"}:
            runtime.current().clock.move(by=timedelta(seconds=float(request["by_seconds"])))
        elif set(request) == {"to"}:
            runtime.current().clock.move(to=_moment(request["to"]))
        else:
            raise _Refused(400, 'give {"by_seconds": number} or {"to": "2027-01-31T18:00:00Z"}')
    except (TypeError, ValueError, OverflowError) as error:
        raise _Refused(400, str(error)) from None
    return _clock(environ)


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _processes(_environ: JsonObject) -> JsonObject:
    return {
        "processes": [
            {"name": process.name, "pid": process.pid, "running": process.running}
            for process in runtime.current().processes.running()
        ]
    }


def _mail(_environ: JsonObject) -> JsonObject:
    return {
        "mail": [
            {
                "to": mail.to,
                "topic": mail.topic,
                "subject": mail.subject,
                "message": mail.message,
                "sent": mail.sent.isoformat(),
            }
            for mail in sorted((*sns.mail(), *cognito_idp.mail()), key=lambda each: each.sent)
        ]
    }


def _chat(_environ: JsonObject) -> JsonObject:
    return {"chat": [{**asdict(each), "sent": each.sent.isoformat()} for each in chatbot.told()]}


def _traffic(_environ: JsonObject) -> JsonObject:
    kinds = [{**asdict(kind), "count": count} for kind, count in traffic.counts().items()]
    return {"traffic": kinds}


def _faults(_environ: JsonObject) -> JsonObject:
    return {"faults": faults.shown()}


def _add_fault(environ: JsonObject) -> JsonObject:
    request = _body(environ)
    try:
        if set(request) == {"chaos"}:
            how = request["chaos"]
            wanted = faults.chaos(int(how["seed"]), float(how["probability"]))
        else:
            wanted = [faults.Fault.from_json(request)]
        for fault in wanted:
            faults.add(fault)
    except (KeyError, TypeError, ValueError) as error:
        raise _Refused(400, str(error)) from None
    return _faults(environ)


def _clear_faults(environ: JsonObject) -> JsonObject:
    named = parse_qs(environ.get("QUERY_STRING", "")).get("id")
    try:
        faults.clear(named[0] if named else None)
    except faults.UnknownFault as error:
        raise _Refused(404, str(error)) from None
    return _faults(environ)


def _body(environ: JsonObject) -> JsonObject:
    kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip()
    if kind != "application/json":
        raise _Refused(415, f"send application/json, not {kind or 'nothing'}")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not 0 < length <= LARGEST_BODY_BYTES:
        raise _Refused(400, f"a body has 1 to {LARGEST_BODY_BYTES} bytes, not {length}")
    try:
        request = json.loads(environ["wsgi.input"].read(length))
    except ValueError as error:
        raise _Refused(400, f"the body is no JSON: {error}") from None
    if not isinstance(request, dict):
        raise _Refused(400, "the body is no JSON object")
    return request


_ROUTES: dict[str, dict[str, Callable[[JsonObject], JsonObject]]] = {
    PREFIX + "health": {"GET": _health},
    PREFIX + "chat": {"GET": _chat},
    PREFIX + "clock": {"GET": _clock, "POST": _move_clock},
    PREFIX + "faults": {"GET": _faults, "POST": _add_fault, "DELETE": _clear_faults},
    PREFIX + "mail": {"GET": _mail},
    PREFIX + "processes": {"GET": _processes},
    PREFIX + "traffic": {"GET": _traffic},
}
