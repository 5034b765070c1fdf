"""What a page of the door may consist of, asked of a real parser of HTML: html5lib reads as
browsers do, so that what it finds is what a browser would make of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import html5lib

from infra.services.door import handler

#: Attributes that any tag of ours may have.
_COMMON = {"class", "id", "role", "title", "tabindex", "lang"}
#: Tags that need nothing else.
_PLAIN = """
abbr article aside b bdi blockquote body br caption code dd details div dl dt em fieldset figcaption
figure footer h1 h2 h3 h4 h5 h6 head header hr html i kbd legend li main nav noscript ol p pre
section small span strong sub summary sup table tbody tfoot thead title tr ul
"""
#: Tags of ours, with what else each may have. What names an address is looked at apart.
TAGS: dict[str, set[str]] = {
    **{tag: set() for tag in _PLAIN.split()},
    "a": {"href"},
    "button": set(),
    "form": {"method", "action", "data-opens", "data-enters"},
    "img": {"src", "alt", "width", "height"},
    "input": {"type", "name", "value", "autocomplete", "required", "maxlength", "autofocus"}
    | {"inputmode", "pattern", "checked", "disabled"},
    "label": {"for"},
    "link": {"rel", "href"},
    "meta": {"charset", "name", "content", "http-equiv"},
    "option": {"value", "selected"},
    "script": {"src", "defer"},
    "select": {"name"},
    "td": {"colspan", "headers"},
    "use": {"href", "x", "y"},
    "textarea": {"name", "rows", "maxlength", "required"},
    "th": {"scope", "colspan"},
    "time": {"datetime"},
    "svg": {"viewbox", "width", "height", "preserveaspectratio", "focusable"},
    **{
        tag: {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "d"}
        | {"points", "transform", "text-anchor", "dx", "dy", "rx"}
        for tag in (
            "g",
            "line",
            "rect",
            "circle",
            "text",
            "tspan",
            "path",
            "polygon",
            "polyline",
            "defs",
        )
    },
}
_DATA = re.compile(r"data-(name|words|elapsed|trouble|live)")
_ARIA = re.compile(r"aria-[a-z]+")
_PNG = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
_HERE = re.compile(r"(/(?![/\\])[^\\\x00-\x20]*|#[^\\\x00-\x20]*|)")
_ACTIONS = re.compile(
    "|".join(
        re.sub(r"<\w+>", "[a-z][a-z0-9-]*", path)
        for method, path, _ in handler.ROUTES
        if method == "POST"
    )
)


def problems(text: str, *, part: bool = False) -> list[str]:
    """What stands in `text`, a page or a `part` of one, that no page of the door has."""
    if part:
        root = html5lib.parseFragment(text, namespaceHTMLElements=False)
    else:
        root = html5lib.parse(text, namespaceHTMLElements=False)
    return list(_problems(root))


def _problems(root: Any) -> Iterator[str]:
    for each in root.iter():
        if not isinstance(each.tag, str):
            yield f"a comment: {each.text!r}"
            continue
        tag = each.tag.rpartition("}")[2].lower()
        if tag == "document_fragment":
            continue
        if tag not in TAGS:
            yield f"<{tag}>"
            continue
        for name, value in each.attrib.items():
            plain = str(name).rpartition("}")[2].lower()
            known = plain in _COMMON | TAGS[tag] or _DATA.fullmatch(plain) or _ARIA.fullmatch(plain)
            if not (known and _may_be(tag, plain, value)):
                yield f"<{tag} {plain}={value!r}>"
        if tag == "script" and (each.text or not each.get("src")):
            yield "a script in the page"
        if tag == "style":
            yield "a style in the page"


def _may_be(tag: str, name: str, value: str) -> bool:
    if name == "href" and tag == "link":
        return value == "data:," or value.startswith("/assets/door-")
    if name == "href":
        return bool(_HERE.fullmatch(value))
    if name == "src" and tag == "script":
        return value.startswith("/assets/door-")
    if name == "src":
        return bool(_PNG.fullmatch(value))
    if name == "action":
        return bool(_ACTIONS.fullmatch(value))
    if name == "method":
        return value == "post"
    if name == "http-equiv":
        return value == "refresh"
    if tag == "meta" and name == "content":
        return bool(re.fullmatch(r"\d+|light dark|width=device-width, initial-scale=1", value))
    return True
