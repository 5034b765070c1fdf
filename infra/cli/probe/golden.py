"""Holds the embedded cloud to transcripts: the same calls, with their names re-bound, must be
answered alike.

A transcript's calls are replayed in the order in which they were made. What AWS generates (ids,
tokens, versions, times) is bound from each answer to what the embedded cloud gave in its place, and
put into the calls that follow. Alike means: the same status, the same error code, and an answer of
the same shape: the same members, lists that are empty or not, values of enumerations, truth, and
the form of texts (an ARN of the same kind, a time, JSON with the same shape, …). What AWS says in
words, numbers, and what `ALLOWED` lists may differ.

Calls that only look are repeated until it is so: what is on its way may take longer here. Of calls
that were repeated there, one after the other, the last counts.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import ClientError, ParamValidationError

from infra.cli.probe.recording import FORMAT, TRANSCRIPTS, fancy, plain
from infra.cli.probe.scrubbing import ENDPOINT, PLACEHOLDER, REDACTED, RUN

#: How long a call that only looks is repeated until its answer is as it was there.
WAIT_SECONDS = 30
LOOK_SECONDS = 0.2

#: service, operation ("*": any), member ("*" for an item or a key): what may be there or not, and
#: be whatever it is, with the reason.
ALLOWED: dict[tuple[str, str, str], str] = {
    ("*", "*", "NextToken"): "a page may end elsewhere",
    ("*", "*", "nextToken"): "a page may end elsewhere",
    ("*", "*", "ResponseMetadata"): "request ids and headers",
    ("sts", "AssumeRole", "PackedPolicySize"): "AWS gives it with session policies",
    ("sqs", "ReceiveMessage", "Messages.*.Attributes"): "given only when asked for",
}


@dataclass(frozen=True)
class Difference:
    """One thing that was answered otherwise."""

    file: str
    number: int
    call: str
    path: str
    what: str

    def __str__(self) -> str:
        where = f" {self.path}" if self.path else ""
        return f"{self.file} line {self.number} {self.call}{where}: {self.what}"


@dataclass
class Replay:
    """What came of replaying a folder."""

    calls: int = 0
    differences: list[Difference] = field(default_factory=list)
    #: Calls that the embedded cloud does not model at all, by name.
    unmodelled: list[str] = field(default_factory=list)
    #: Where the transcripts come from.
    source: str = ""


class NoTranscript(ValueError):
    """A folder or a file that is no transcript; the message says which."""


@dataclass(frozen=True)
class Line:
    """A line of a transcript, with the file that it stands in."""

    file: str
    content: dict[str, Any]

    @property
    def number(self) -> int:
        return int(self.content["n"])

    @property
    def call(self) -> str:
        return f"{self.content['service']}:{self.content['operation']}"

    def same_call(self, other: Line) -> bool:
        members = ("as", "service", "operation", "params")
        return "service" in self.content and all(
            self.content.get(name) == other.content.get(name) for name in members
        )


#: Makes a client: of the owner (None), or of the keys of an assumed role.
Clients = Callable[[str, dict[str, str] | None], Any]


def transcripts(folder: Path) -> list[Path]:
    """The files of transcripts in `folder`, or in the one of a run."""
    within = folder / TRANSCRIPTS
    return sorted((within if within.is_dir() else folder).glob("*.jsonl"))


def read(folder: Path) -> tuple[str, list[Line]]:
    """The source ("aws" or "embedded") and the lines of all transcripts in `folder`, in order.

    Raises:
        NoTranscript: if there are none, or one cannot be read.
    """
    sources: set[str] = set()
    lines: list[Line] = []
    for path in transcripts(folder):
        try:
            header, *calls = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
        except ValueError as error:
            raise NoTranscript(f"{path} is no transcript: {error}") from None
        if not isinstance(header, dict) or header.get("transcript") != FORMAT:
            raise NoTranscript(f"{path} is no transcript of format {FORMAT}")
        sources.add(str(header["source"]))
        lines += [Line(path.name, call) for call in calls]
    if len(sources) != 1:
        raise NoTranscript(f"{folder} has transcripts of {sorted(sources) or 'no source'}")
    return sources.pop(), sorted(lines, key=lambda line: line.number)


def replay(
    folder: Path,
    clients: Clients,
    *,
    pass_seconds: Callable[[float], None],
    now: Callable[[], dt.datetime],
    run: str = RUN,
) -> Replay:
    """Replay all transcripts in `folder` and compare.

    Args:
        pass_seconds: lets time pass at the cloud. now: its time.
        run: stands in names for the run of the transcript.

    Raises:
        NoTranscript: if there is nothing to replay.
    """
    source, lines = read(folder)
    player = _Player(clients, pass_seconds, now, run, Replay(source=source))
    for line in collapsed(lines):
        player.play(line)
    return player.result


def collapsed(lines: list[Line]) -> Iterator[Line]:
    """All lines, but of a call that was repeated, one after the other, the last alone."""
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        if after is None or not line.same_call(after):
            yield line


@dataclass
class _Player:
    clients: Clients
    pass_seconds: Callable[[float], None]
    now: Callable[[], dt.datetime]
    run: str
    result: Replay
    #: What stood in the transcript -> what stands here.
    bound: dict[str, str] = field(default_factory=dict)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    made: dict[tuple[str, str], Any] = field(default_factory=dict)
    messages: dict[str, list[Any]] = field(default_factory=dict)
    #: Here minus there.
    shift: dt.timedelta = dt.timedelta(0)

    def play(self, line: Line) -> None:
        if "wait" in line.content:
            self.pass_seconds(float(line.content["wait"]))
            return
        if line.content["response"] is None:
            return  # the network failed there
        self.result.calls += 1
        self._set_clock(line)
        looks = line.content["operation"].startswith(_LOOKS)
        deadline = time.monotonic() + (WAIT_SECONDS if looks else 0)
        while True:
            status, error, answer = self._call(line)
            if status == 501:
                self.result.unmodelled.append(line.call)
                return
            self._collect(line, answer)
            found = list(self._compare(line, status, error, answer))
            if not found or time.monotonic() >= deadline:
                break
            time.sleep(LOOK_SECONDS)
        self.result.differences += found
        self._bind(line.content["response"]["parsed"], answer)
        self._remember_keys(line, answer)

    # --- the call -------------------------------------------------------------------------------
    def _call(self, line: Line) -> tuple[int, str | None, Any]:
        client = self._client(line)
        method = botocore.xform_name(line.content["operation"])
        params = fancy(self._here(line.content["params"]))
        try:
            answer = getattr(client, method)(**params)
        except ClientError as error:
            metadata = error.response.get("ResponseMetadata", {})
            status = int(metadata.get("HTTPStatusCode", 0))
            shown = {
                k: v for k, v in error.response.items() if k not in ("Error", "ResponseMetadata")
            }
            return status, str(error.response["Error"]["Code"]), plain(shown)
        except ParamValidationError as error:
            return 0, f"unbound: {error}", {}
        metadata = answer.pop("ResponseMetadata")
        streamed = {k: v.read() if hasattr(v, "read") else v for k, v in answer.items()}
        return int(metadata["HTTPStatusCode"]), None, plain(streamed)

    def _client(self, line: Line) -> Any:
        who, service = line.content["as"], line.content["service"]
        if (who, service) not in self.made:
            keys = None if who == "owner" else self.keys.get(who, {})
            self.made[who, service] = self.clients(service, keys)
        return self.made[who, service]

    def _remember_keys(self, line: Line, answer: Any) -> None:
        if line.call == "sts:AssumeRole" and "Credentials" in answer:
            role = str(line.content["params"]["RoleArn"]).rsplit(f"probe-{RUN}-", 1)[-1]
            self.keys[role] = answer["Credentials"]

    def _collect(self, line: Line, answer: Any) -> None:
        """A queue gives its messages in any order and portions: all that came so far count."""
        if line.call == "sqs:ReceiveMessage" and isinstance(answer, dict):
            so_far = self.messages.setdefault(str(line.content["params"]["QueueUrl"]), [])
            so_far += answer.get("Messages", [])
            if so_far:
                answer["Messages"] = list(so_far)

    def _set_clock(self, line: Line) -> None:
        """Learn how far this cloud's time is from that of the transcript."""
        date = line.content["response"]["headers"].get("date")
        if date:
            there = dt.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.UTC)
            self.shift = self.now() - there

    # --- binding --------------------------------------------------------------------------------
    def _here(self, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"$time"}:
                moved = dt.datetime.fromisoformat(value["$time"]) + self.shift
                return {"$time": moved.isoformat()}
            return {self._here(name): self._here(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._here(item) for item in value]
        return self._text_here(value) if isinstance(value, str) else value

    def _text_here(self, text: str) -> str:
        if text in self.bound:
            return self.bound[text]
        text = PLACEHOLDER.sub(lambda found: self.bound.get(found[0], found[0]), text)
        if ENDPOINT in self.bound:
            text = text.replace(ENDPOINT, self.bound[ENDPOINT])
        return _AT.sub(self._moved, text).replace(f"probe-{RUN}", f"probe-{self.run}")

    def _moved(self, found: re.Match[str]) -> str:
        moment = dt.datetime.fromisoformat(found[1]).replace(tzinfo=dt.UTC) + self.shift
        return f"at({moment:%Y-%m-%dT%H:%M:%S})"

    def _there(self, text: str) -> str:
        return text.replace(f"probe-{self.run}", f"probe-{RUN}")

    def _bind(self, there: Any, here: Any) -> None:
        if isinstance(there, dict) and isinstance(here, dict):
            for name in there.keys() & here.keys():
                self._bind(there[name], here[name])
        elif isinstance(there, list) and isinstance(here, list):
            for one, other in zip(there, here, strict=False):
                self._bind(one, other)
        elif isinstance(there, str) and isinstance(here, str) and there != REDACTED:
            self._bind_text(there, self._there(here))

    def _bind_text(self, there: str, here: str) -> None:
        if there == here:
            return
        for stands, found in _bindings(there, here):
            self.bound.setdefault(stands, found)
        # A token that AWS made up: as a whole, where a later call gives it back.
        if len(there) >= 8 and " " not in there and not PLACEHOLDER.search(there):
            self.bound.setdefault(there, here)

    # --- comparing ------------------------------------------------------------------------------
    def _compare(
        self, line: Line, status: int, error: str | None, answer: Any
    ) -> Iterator[Difference]:
        def differs(path: str, what: str) -> Difference:
            return Difference(line.file, line.number, line.call, path, what)

        response = line.content["response"]
        there = (line.content["error"] or {}).get("code")
        if error and error.startswith("unbound: "):
            yield differs("", f"cannot be replayed, {error}")
            return
        if (status, error) != (response["status"], there):
            was = f"{response['status']} {there or ''}".strip()
            yield differs("", f"{status} {error or ''}".strip() + f", was {was}")
            return
        model = _model(line.content["service"]).operation_model(line.content["operation"])
        if error is None and isinstance(response["parsed"], dict):
            allowed = _allowed(line.content["service"], line.content["operation"])
            for path, what in _shapes(model.output_shape, response["parsed"], answer, "", allowed):
                yield differs(path, what)


_LOOKS = ("Describe", "Get", "Head", "List", "Receive")
#: Of a longer list, so many items are compared.
_ITEMS = 10

_AT = re.compile(r"\bat\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")


def _bindings(there: str, here: str) -> Iterator[tuple[str, str]]:
    """What placeholders in `there` stand for, if `here` is the same text around them."""
    parts, stands, last = [], [], 0
    for found in re.finditer(f"{PLACEHOLDER.pattern}|{re.escape(ENDPOINT)}", there):
        parts.append(re.escape(there[last : found.start()]))
        parts.append(r"([A-Za-z]+://[^/]+)" if found[0] == ENDPOINT else r"([A-Za-z0-9-]+)")
        stands.append(found[0])
        last = found.end()
    if not stands:
        return
    match = re.fullmatch("".join([*parts, re.escape(there[last:])]), here)
    if match:
        yield from zip(stands, match.groups(), strict=True)


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _allowed(service: str, operation: str) -> frozenset[str]:
    return frozenset(
        path for (of, what, path) in ALLOWED if of in (service, "*") and what in (operation, "*")
    )


def _shapes(
    shape: Any, there: Any, here: Any, path: str, allowed: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Where two values of one shape (None: unknown, as within JSON) are not alike."""
    if _plain_path(path) in allowed or there == REDACTED or _omitted(there):
        return
    if isinstance(there, dict) and not _marked(there) and isinstance(here, dict):
        yield from _members(shape, there, here, path, allowed)
    elif isinstance(there, list) and isinstance(here, list):
        if bool(there) != bool(here):
            yield path, f"has {len(here)} items, had {len(there)}"
        elif there:
            item = getattr(shape, "member", None)
            for number, one in enumerate(there[:_ITEMS]):
                below = f"{path}.{number}"
                yield from _nearest(
                    list(_shapes(item, one, other, below, allowed)) for other in here
                )
    elif getattr(shape, "enum", None) or isinstance(there, bool) or isinstance(here, bool):
        if there != here:
            yield path, f"is {here!r}, was {there!r}"
    else:
        yield from _forms(there, here, path, allowed)


def _nearest(found: Iterator[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """The differences from the item that is most alike: order is no part of a shape."""
    best: list[tuple[str, str]] | None = None
    for each in found:
        if best is None or len(each) < len(best):
            best = each
        if not best:
            break
    return best or []


def _members(
    shape: Any, there: dict[str, Any], here: dict[str, Any], path: str, allowed: frozenset[str]
) -> Iterator[tuple[str, str]]:
    of_map = getattr(shape, "type_name", "structure") == "map"
    for name in sorted(there.keys() | here.keys()):
        below = f"{path}.{name}" if path else name
        if _plain_path(below) in allowed or (of_map and (name not in there or name not in here)):
            continue
        if name not in here:
            yield below, "is not there"
        elif name not in there:
            yield below, "was not there"
        else:
            member = shape.value if of_map else getattr(shape, "members", {}).get(name)
            yield from _shapes(member, there[name], here[name], below, allowed)


def _forms(there: Any, here: Any, path: str, allowed: frozenset[str]) -> Iterator[tuple[str, str]]:
    one, other = _form(there), _form(here)
    if one != other:
        yield path, f"is {other}, was {one}"
    elif one == "JSON":
        yield from _shapes(None, json.loads(_text(there)), json.loads(_text(here)), path, allowed)


def _form(value: Any) -> str:
    """What a value looks like, beyond its type."""
    if isinstance(value, dict) and set(value) == {"$time"}:
        return "a time"
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int | float):
        return "a number"
    text = _text(value)
    if isinstance(value, dict | list) and text == "":
        return f"a {type(value).__name__}"
    if text == "":
        return "empty"
    if arn := _ARN.match(text):
        return f"an ARN of {arn[1]}{arn[2] and ' ' + arn[2]}"
    for form, pattern in _FORMS.items():
        if pattern.fullmatch(text):
            return form
    if text[:1] in "{[" and _is_json(text):
        return "JSON"
    return "a text"


_ARN = re.compile(r"^arn:aws[a-z-]*:([a-z0-9-]+):[^:]*:[^:]*:(?:([a-z-]+)[/:])?")
_FORMS = {
    "a time": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?"),
    "a UUID": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "a URL": re.compile(r"https?://\S+"),
    "a digest": re.compile(r"sha256:[0-9a-f]{64}"),
    "an account": re.compile(r"\d{12}"),
}


def _text(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"$utf8"}:
        return str(value["$utf8"])
    if isinstance(value, dict) and set(value) == {"$base64"}:
        return "bytes"
    return value if isinstance(value, str) else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _marked(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def _omitted(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"$omitted"}


def _plain_path(path: str) -> str:
    """The path with a star for the number of an item."""
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", path)


def condense(folder: Path, target: Path) -> None:
    """Write the transcripts in `folder` to `target` as tests keep them: without repetitions, raw
    bodies (what botocore read in them stays) and requests (their parameters stay)."""
    _, lines = read(folder)
    target.mkdir(parents=True, exist_ok=True)
    for path in transcripts(folder):
        header = path.read_text("utf-8").splitlines()[0]
        kept = [header]
        for line in collapsed(lines):
            if line.file == path.name:
                content = {k: v for k, v in line.content.items() if k not in _DROPPED}
                if content.get("response"):
                    content["response"] = {
                        k: v for k, v in content["response"].items() if k != "body"
                    }
                kept.append(json.dumps(content, ensure_ascii=False))
        (target / path.name).write_text("\n".join(kept) + "\n", encoding="utf-8")


_DROPPED = ("request", "attempts", "seconds")
