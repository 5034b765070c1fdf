"""The values of one context key that a set of conditions can tell apart: one value for each class.

The evaluator reads a key through the conditions on it alone (`iam.Condition.holds`), and, for keys
that policy variables name, through patterns; those are resolved beforehand. So two values for which
every condition gives the same answer are one class, and one of them stands for both. Candidates are
made so that no answer is missed:

text      one string for each combination of patterns (`patterns.split`), and the empty string
numbers   each boundary, one less, one more, and between two boundaries
dates     the same, in seconds
networks  the first address of each network, and the one behind its last
booleans  true and false
several   every set of the classes of one value
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import itertools
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.requests.context import EXAMPLES, Key, may_be_empty
from infra.assurance.isolation.requests.patterns import Language, Machine, split

#: Of one key with several values: so many classes of one value make twice as many sets each.
MOST_OF_SEVERAL = 12

_ANY = (Language.text("?*"),)
_ARNS = (Language.arn("arn:aws:?*:*:*:?*"),)
_FAMILIES = {"Numeric": "number", "Date": "date", "Bool": "boolean", "IPAddress": "address"}
_NOBODY = iam.Principal("service", "nobody", "")
_EMPTY = iam.Request(_NOBODY, "none:None", "*")


def values(
    key: Key,
    conditions: tuple[iam.Condition, ...],
    fixed: iam.Request = _EMPTY,
    *,
    never: frozenset[str] = frozenset(),
) -> tuple[iam.Value | None, ...]:
    """One value of `key` for each class that `conditions`, all of them on this key, tell apart.

    None stands for absence and comes first. `fixed` has the values of policy variables; `never`
    are texts that no request has there.

    Raises:
        UnmodelledPolicy: if the key is compared as two types, or has too many classes.
    """
    patterned = any(getattr(v, "variables", ()) for c in conditions for v in c.values)
    if patterned:
        return _values(key, conditions, fixed, never)
    return _remembered(key, conditions, never)


@functools.lru_cache(maxsize=8192)
def _remembered(
    key: Key, conditions: tuple[iam.Condition, ...], never: frozenset[str]
) -> tuple[iam.Value | None, ...]:
    return _values(key, conditions, _EMPTY, never)


def _values(
    key: Key, conditions: tuple[iam.Condition, ...], fixed: iam.Request, never: frozenset[str]
) -> tuple[iam.Value | None, ...]:
    single = list(dict.fromkeys(_single(key, conditions, fixed, never)))
    made: list[iam.Value | None] = [None] if key.optional else []
    if not key.many:
        return tuple(_distinct(key, conditions, fixed, [*made, *single]))
    # An empty value is a class of its own: a set of nothing else counts as no value at all.
    some = _distinct(key, conditions, fixed, [(each,) for each in single if each])
    ones = [each for value in some for each in value] + ([""] if "" in single else [])
    if len(ones) > MOST_OF_SEVERAL:
        raise iam.UnmodelledPolicy(f"{key.name} has {len(ones)} classes of values, and their sets")
    sets = (s for size in range(1, len(ones) + 1) for s in itertools.combinations(ones, size))
    return tuple(_distinct(key, conditions, fixed, [*made, *sets]))


def _distinct(
    key: Key, conditions: Sequence[iam.Condition], fixed: iam.Request, candidates: Iterable[Any]
) -> list[Any]:
    """The first of `candidates` for each list of answers."""
    found: dict[tuple[object, ...], Any] = {}
    for value in candidates:
        found.setdefault(answers(key.name, value, conditions, fixed), value)
    return list(found.values())


def answers(
    name: str, value: iam.Value | None, conditions: Sequence[iam.Condition], fixed: iam.Request
) -> tuple[object, ...]:
    """What each condition says of the value: true, false, or why it cannot be said."""
    context = dict(fixed.context)
    context.pop(name, None)
    if value is not None:
        context[name] = value
    request = iam.Request(fixed.principal, fixed.action, fixed.resource, context)
    made: list[object] = []
    for condition in conditions:
        try:
            made.append(condition.holds(request))
        except iam.UnmodelledPolicy as error:
            made.append(str(error).replace(repr(value), "the value"))
    return tuple(made)


# --- candidates -----------------------------------------------------------------------------------
def _single(
    key: Key, conditions: Sequence[iam.Condition], fixed: iam.Request, never: frozenset[str]
) -> Iterator[str]:
    families = {_family(each.operator) for each in conditions} - {None}
    if len(families) > 1:
        compared = " and as ".join(sorted(str(each) for each in families))
        raise iam.UnmodelledPolicy(f"{key.name} is compared as {compared}")
    own = _FAMILIES.get(key.of, "text")
    family = families.pop() if families else own
    parsed = [value for each in conditions for value in each.values if _family(each.operator)]
    if family == "number":
        yield from _numbers(parsed)
    elif family == "date":
        yield from _dates(parsed)
    elif family == "boolean":
        yield from ("true", "false")
    elif family == "address":
        yield from _addresses(parsed)
    else:
        yield from _texts(key, conditions, fixed, never)
    if family != "text" and own == "text":
        # A key that is text by the reference may hold what is no number: the evaluator says so.
        yield "other"


def _family(operator: iam.Operator) -> str | None:
    name = operator.name
    if name == "Null":
        return None
    if name.startswith("Numeric"):
        return "number"
    if name.startswith("Date"):
        return "date"
    if name == "Bool":
        return "boolean"
    if name in ("IpAddress", "NotIpAddress"):
        return "address"
    if name.startswith(("String", "Arn")):
        return "text"
    raise iam.UnmodelledPolicy(f"operator {name} compares what these classes do not know")


def _texts(
    key: Key, conditions: Sequence[iam.Condition], fixed: iam.Request, never: frozenset[str]
) -> Iterator[str]:
    languages: dict[Language, None] = {}
    for condition in conditions:
        ignoring_case = "IgnoreCase" in condition.operator.name
        for pattern in condition.values if _family(condition.operator) else ():
            language = Language.of(pattern, fixed, ignoring_case=ignoring_case)
            if language is not None:
                languages[language] = None
    listed = tuple(languages)
    within = _ARNS if key.of == "ARN" else _ANY
    excluded = tuple(Language(((text,),)) for text in sorted(never))
    found = dict(split(listed, within=within, but_not=excluded))
    for example in EXAMPLES.get(key.name, ()):
        combination = Machine(listed).read(example)
        if combination in found and example not in never:
            found[combination] = example
    yield from found.values()
    if may_be_empty(key):
        yield ""


def _numbers(boundaries: Iterable[Decimal]) -> Iterator[str]:
    for value in _around(sorted(set(boundaries)) or [Decimal(0)], Decimal(1)):
        yield f"{value:f}"


def _dates(boundaries: Iterable[dt.datetime]) -> Iterator[str]:
    some = sorted(set(boundaries)) or [dt.datetime(2027, 1, 1, tzinfo=dt.UTC)]
    for value in _around(some, dt.timedelta(seconds=1)):
        yield value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _around(boundaries: list[Any], one: Any) -> Iterator[Any]:
    """Each boundary, one less, one more; and between two that are nearer than that, the middle."""
    for value in boundaries:
        yield value
        yield value - one
        yield value + one
    for low, high in itertools.pairwise(boundaries):
        yield low + (high - low) / 2


def _addresses(networks: Iterable[Any]) -> Iterator[str]:
    """What is in a network changes at its first address and behind its last one alone."""
    yield "203.0.113.1"
    yield "2001:db8::1"
    kinds: dict[int, Any] = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}
    for kind in kinds.values():
        yield str(kind(0))
    for network in networks:
        kind = kinds[network.version]
        yield str(network.network_address)
        behind = int(network.broadcast_address) + 1
        if behind < 1 << network.max_prefixlen:
            yield str(kind(behind))
