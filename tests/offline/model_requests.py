"""Requests made from botocore's models: right ones, and ones that are broken in one place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from hypothesis import strategies as st

from infra.offline import patching, shapes
from infra.offline.services.cloudformation.api import Operations

#: moto's packages whose name is not botocore's.
_SERVICES = {
    "awslambda": "lambda",
    "cognitoidp": "cognito-idp",
    "servicequotas": "service-quotas",
}


def ours() -> list[tuple[str, str]]:
    """(service, operation) of every operation that the embedded cloud adds, replaces or is."""
    found = set()
    for change in patching.changes():
        package, method = change.target.split(".")[1], change.target.rsplit(".", 1)[-1]
        service = _SERVICES.get(package, package)
        try:
            names = shapes.model(service).operation_names
        except Exception:  # noqa: S112 (moto.core and the like are no services)
            continue
        found |= {(service, name) for name in names if xform_name(name) == method}
    own = shapes.model("cloudformation").operation_names
    found |= {("cloudformation", name) for name in own if hasattr(Operations, xform_name(name))}
    return sorted(found)


# --- right ----------------------------------------------------------------------------------------
def requests(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that fit the model."""
    return _values(shape, 0)  # type: ignore[return-value]


def _values(shape: Any, depth: int) -> st.SearchStrategy[Any]:
    kind, rules = shape.type_name, shape.metadata
    if kind == "structure":
        return _structures(shape, depth)
    if kind == "list":
        least = rules.get("min", 0)
        most = max(least, min(rules.get("max", 2), 2)) if depth < 6 else least
        return st.lists(_values(shape.member, depth + 1), min_size=least, max_size=most)
    if kind == "map":
        least = rules.get("min", 0)
        return st.dictionaries(
            _values(shape.key, depth + 1),
            _values(shape.value, depth + 1),
            min_size=least,
            max_size=max(least, min(rules.get("max", 1), 1)),
        )
    if kind == "string":
        return _strings(rules)
    if kind in ("integer", "long"):
        least = rules.get("min", 0)
        return st.integers(least, max(least, rules.get("max", least + 100)))
    if kind in ("float", "double"):
        least = rules.get("min", 0)
        return st.floats(least, rules.get("max", least + 100), allow_nan=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.just(1_800_000_000)
    assert kind == "blob", kind
    return st.just(b"content")


def _structures(shape: Any, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    required = {name: _values(shape.members[name], depth + 1) for name in shape.required_members}
    optional = (
        {}
        if depth > 4
        else {
            name: _values(member, depth + 1)
            for name, member in shape.members.items()
            if name not in required
        }
    )
    if getattr(shape, "is_tagged_union", False):
        return st.sampled_from(sorted(shape.members)).flatmap(
            lambda name: st.fixed_dictionaries({name: _values(shape.members[name], depth + 1)})
        )
    few = st.lists(st.sampled_from(sorted(optional)), max_size=2, unique=True)
    if not optional:
        return st.fixed_dictionaries(required)
    return few.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {**required, **{name: optional[name] for name in chosen}}
        )
    )


def _strings(rules: dict[str, Any]) -> st.SearchStrategy[str]:
    if "enum" in rules:
        return st.sampled_from(rules["enum"])
    least, most = rules.get("min", 0), rules.get("max", 200)
    if "pattern" in rules:
        pattern = shapes.pattern(rules["pattern"])
        plain = [text for text in _PLAIN if least <= len(text) <= most and pattern.fullmatch(text)]
        if plain:
            return st.sampled_from(plain)
        return st.from_regex(pattern, fullmatch=True, alphabet=_ALPHABET).filter(
            lambda text: least <= len(text) <= most
        )
    return st.text(
        st.characters(codec="ascii", categories=["L", "N"]),
        min_size=max(least, 1),
        max_size=min(most, max(least, 1) + 8),
    )


_ALPHABET = st.characters(codec="ascii", exclude_categories=["Cc"])
#: Words that fit most patterns, so that few must be searched for.
_PLAIN = (
    "abc-1",
    "abcdefghijkl",
    "d-abcdefghijkl",
    "123456789012",
    "12",
    "/abc",
    "ml.t3.medium",
    "s3://abc/def",
    "arn:aws:iam::123456789012:role/abc",
    "arn:aws:sagemaker:us-east-1:123456789012:image/abc",
    "arn:aws:sagemaker:us-east-1:123456789012:image-version/abc/1",
    "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/abc",
    "arn:aws:lambda:us-east-1:123456789012:function:abc",
    "arn:aws:kms:us-east-1:123456789012:key/abc",
    "arn:aws:sns:us-east-1:123456789012:abc",
    "sg-0123456789abcdef0",
    "https://abc.example/def",
)


# --- broken in one place --------------------------------------------------------------------------
@dataclass(frozen=True)
class Broken:
    """A request with one mistake, at `path` as AWS writes it."""

    request: dict[str, Any]
    path: str
    how: str


def broken(shape: Any, request: dict[str, Any]) -> Iterator[Broken]:
    """Every way to break `request` in one place that the wire can carry."""
    for keys, path, wrong, how in _mistakes(shape, request, (), ""):
        changed = copy.deepcopy(request)
        holder: Any = changed
        for key in keys[:-1]:
            holder = holder[key]
        if wrong is _GONE:
            del holder[keys[-1]]
        else:
            holder[keys[-1]] = wrong
        yield Broken(changed, path, how)


_GONE = object()


def _mistakes(
    shape: Any, value: Any, keys: tuple[Any, ...], path: str
) -> Iterator[tuple[tuple[Any, ...], str, Any, str]]:
    kind, rules = shape.type_name, shape.metadata
    if kind == "structure":
        for name, member in value.items():
            here = f"{path}.{name[:1].lower()}{name[1:]}".lstrip(".")
            below = shape.members[name]
            given = "idempotencyToken" in below.metadata  # botocore puts it in
            if (
                name in shape.required_members
                and not given
                and below.serialization.get("location") != "uri"
            ):
                yield (*keys, name), here, _GONE, "absent"
            yield from _mistakes(below, member, (*keys, name), here)
    elif kind == "list":
        if "max" in rules and rules["max"] < 100 and value:
            yield keys, path, [value[0]] * (rules["max"] + 1), "too many"
        for number, item in enumerate(value):
            at = f"{path}.{number + 1}.member"
            yield from _mistakes(shape.member, item, (*keys, number), at)
    elif kind == "map":
        for key, item in value.items():
            yield from _mistakes(shape.value, item, (*keys, key), f"{path}.{key}.member")
    elif kind == "string" and shape.serialization.get("location") != "uri":
        if "enum" in rules:
            yield keys, path, "nothing-like-it", "not listed"
        elif "pattern" in rules and not shapes.pattern(rules["pattern"]).fullmatch("\u2603 \u2603"):
            yield keys, path, "\u2603 \u2603", "pattern"
        if "max" in rules and rules["max"] < 5000:
            yield keys, path, "x" * (rules["max"] + 1), "too long"
    elif kind in ("integer", "long"):
        if "max" in rules:
            yield keys, path, rules["max"] + 1, "too large"
        if rules.get("min", 0) > 0:
            yield keys, path, rules["min"] - 1, "too small"
