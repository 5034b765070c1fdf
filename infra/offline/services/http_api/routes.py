"""Route keys of an HTTP API, and which of them a request takes.

Source: "Create routes for HTTP APIs in API Gateway", developer guide: a route that matches whole
comes before one that ends in {proxy+}, and that before $default. An exact method before ANY, and
the longest literal beginning, are as people saw it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT = "$default"
METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_PARAMETER = re.compile(r"\{([A-Za-z0-9._-]+)(\+?)\}")
_LITERAL = re.compile(r"[^{}\s/]*")


@dataclass(frozen=True)
class RouteKey:
    """A route key that was read: "GET /pets/{id}" or $default."""

    text: str
    method: str
    segments: tuple[str, ...]

    @property
    def is_default(self) -> bool:
        return self.text == DEFAULT

    @property
    def greedy(self) -> bool:
        return bool(self.segments) and self.segments[-1].endswith("+}")

    @property
    def identity(self) -> tuple[str, ...]:
        """Two keys of one identity are the same route: parameters' names do not count."""
        return (self.method, *(_PARAMETER.sub(r"{\2}", each) for each in self.segments))

    def matched(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters if the route serves the request, else None."""
        if self.is_default:
            return {}
        if self.method not in ("ANY", method):
            return None
        given = path.removeprefix("/").split("/")
        if len(given) < len(self.segments) if self.greedy else len(given) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for number, segment in enumerate(self.segments):
            parameter = _PARAMETER.fullmatch(segment)
            if parameter is None:
                if segment != given[number]:
                    return None
            elif parameter[2]:
                found[parameter[1]] = "/".join(given[number:])
            else:
                found[parameter[1]] = given[number]
        return found if all(found.values()) else None

    @property
    def _rank(self) -> tuple[bool, bool, bool, tuple[int, ...]]:
        kinds = []
        for segment in self.segments:
            parameter = _PARAMETER.fullmatch(segment)
            kinds.append(0 if parameter is None else 2 if parameter[2] else 1)
        return self.is_default, self.greedy, self.method == "ANY", tuple(kinds)


def read(text: str) -> RouteKey:
    """
    Raises:
        ValueError: if `text` is no route key of an HTTP API.
    """
    if text == DEFAULT:
        return RouteKey(text, "", ())
    method, space, path = text.partition(" ")
    segments = tuple(path.removeprefix("/").split("/"))
    wrong = not space or method not in METHODS or not path.startswith("/")
    parameters = [_PARAMETER.fullmatch(segment) for segment in segments]
    for segment, parameter in zip(segments, parameters, strict=True):
        wrong |= parameter is None and not _LITERAL.fullmatch(segment)
    wrong |= any(each is not None and each[2] for each in parameters[:-1])
    names = [each[1] for each in parameters if each is not None]
    if wrong or len(set(names)) != len(names):
        raise ValueError(
            f"The provided route key {text!r} is not formatted properly for HTTP protocol. "
            'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    return RouteKey(text, method, segments)


def chosen(keys: Iterable[str], method: str, path: str) -> tuple[RouteKey, dict[str, str]] | None:
    """The route that serves a request, with its path parameters; None if none does."""
    fitting = [
        (key, found) for key in map(read, keys) if (found := key.matched(method, path)) is not None
    ]
    return min(fitting, key=lambda item: item[0]._rank, default=None)
