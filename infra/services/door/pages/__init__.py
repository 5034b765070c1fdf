"""Fills the door's templates: all that is put into one is escaped, but for `Markup`.

Templates are text in Python modules, each beside the page that it belongs to, because only modules
travel into Lambda. A name that nothing was given for is an error, never an empty place. What pages
share stands in `parts`: `{% import "parts" as parts %}`, and then `{{ parts.csrf(csrf) }}`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from infra.services.door.pages import frame, parts
from infra.services.door.pages.words import FILTERS

_ENVIRONMENT = Environment(
    loader=DictLoader({"parts": parts.TEMPLATE, "frame": frame.TEMPLATE}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.filters.update(FILTERS)


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


def fill(template: str, **values: Any) -> Markup:
    """The text of `template` with `values` in it, escaped."""
    return Markup(_template(template).render(**values))  # noqa: S704


def framed(**values: Any) -> str:
    """A whole page: `frame.TEMPLATE` with its values."""
    return _ENVIRONMENT.get_template("frame").render(**values)
