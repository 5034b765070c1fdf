"""Reads a cohort file and says everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from infra.cohort.checks import Finding, findings
from infra.cohort.model import Cohort

#: A cohort of 500 learners is about 60 kB; more than this is not a cohort file.
MAX_BYTES = 1_000_000


class CohortFileError(ValueError):
    """A cohort file that cannot be used; `findings` lists each reason."""

    def __init__(self, path: Path, found: list[Finding]) -> None:
        self.path = path
        self.findings = found
        lines = [f"{f.path}: {f.message} (got {f.value}); expected {f.remedy}" for f in found]
        count = f"{len(found)} problem{'' if len(found) == 1 else 's'}"
        super().__init__(f"{path}: {count}\n  " + "\n  ".join(lines))


def load(path: Path | str) -> Cohort:
    """The cohort in the YAML file at `path`.

    Raises:
        CohortFileError: with every finding, each with path, value and remedy.
    """
    path = Path(path)
    document = _document(path)
    found: list[Finding] = []
    cohort: Cohort | None = None
    try:
        cohort = Cohort.model_validate(document)
    except ValidationError as error:
        found = [_finding(item) for item in error.errors()]
    reported = {finding.path for finding in found}
    found += [finding for finding in findings(document) if finding.path not in reported]
    if found or cohort is None:
        raise CohortFileError(path, found)
    return cohort


class _NoDuplicates(yaml.SafeLoader):
    """YAML without repeated keys, where the last would silently win, and without aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "YAML aliases are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    #: Dates stay text: a wrong one is then reported with its place, by the model.
    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it)
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is not text", key_node.start_mark
                )
            if key in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


def _document(path: Path) -> dict[str, Any]:
    def fail(where: str, value: str, message: str, remedy: str) -> CohortFileError:
        found = Finding(path=where, value=value, message=message, remedy=remedy)
        return CohortFileError(path, [found])

    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise fail("(file)", str(path), reason, "a cohort file; see cohorts/example.yaml") from None
    if len(raw) > MAX_BYTES:
        raise fail("(file)", f"{len(raw)} bytes", "too large", f"at most {MAX_BYTES} bytes")
    try:
        document = yaml.load(raw.decode("utf-8"), Loader=_NoDuplicates)  # noqa: S506 (a SafeLoader)
    except UnicodeDecodeError as error:
        raise fail("(file)", f"byte {error.start}", "not UTF-8 text", "a UTF-8 file") from None
    except RecursionError:
        raise fail(
            "(file)", "...", "nested too deeply", "a file like cohorts/example.yaml"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "(file)"
        text = getattr(error, "problem", None) or str(error)
        raise fail(where, "...", f"not readable as YAML: {text}", "valid YAML") from None
    if not isinstance(document, dict):
        got = type(document).__name__
        raise fail("(file)", got, "not a mapping", "keys and values, as in cohorts/example.yaml")
    return document


def _finding(item: Any) -> Finding:
    return Finding(
        path=_path(item["loc"]) or "(file)",
        value="(missing)" if item["type"] == "missing" else _short(item["input"]),
        message=_message(item),
        remedy=_remedy(item),
    )


def _path(location: Iterable[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _message(item: Any) -> str:
    """Pydantic's sentence, said of the file and not of an input."""
    return (
        str(item["msg"]).replace("Input should be", "should be").replace("String should", "should")
    )


def _remedy(item: Any) -> str:
    context = item.get("ctx", {})
    if "remedy" in context:
        return str(context["remedy"])
    kind = item["type"]
    bounds = {
        "greater_than": "gt",
        "greater_than_equal": "ge",
        "less_than": "lt",
        "less_than_equal": "le",
    }
    if kind in bounds:
        words = kind.replace("_", " ").replace("equal", "or equal to")
        return f"a number {words} {context[bounds[kind]]}"
    remedies = {
        "missing": "this key, as in cohorts/example.yaml",
        "extra_forbidden": "no such key; check its spelling against cohorts/example.yaml",
        "literal_error": f"{context.get('expected')}",
        "string_too_long": f"at most {context.get('max_length')} characters",
        "string_too_short": f"at least {context.get('min_length')} characters",
        "too_short": f"at least {context.get('min_length')} of them",
        "too_long": f"at most {context.get('max_length')} of them",
        "int_parsing": "a whole number",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "decimal_parsing": "an amount: 150 or 99.50",
        "decimal_type": "an amount: 150 or 99.50",
        "decimal_max_places": "an amount in cents at most: 99.50",
        "bool_parsing": "true or false",
        "bool_type": "true or false",
        "list_type": "a list: [a, b]",
        "string_type": "text",
        "model_type": "keys and values",
        "finite_number": "a finite number",
    }
    return remedies.get(kind, "see cohorts/example.yaml")
