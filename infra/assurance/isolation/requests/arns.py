"""The resources that an action can be asked about: one for each class that patterns tell apart.

A request names an ARN of one of the formats that the reference lists for the action. What stands
before the fifth colon comes from short lists: regions and accounts are those that a pattern names,
the cohort's own, and one that nobody names; where a pattern matches a part of one, any text. What
stands behind it is any text of the format: first as a person would read the format, no slash in
what a slash ends (`app/${DomainId}/…`), then with slashes anywhere, for what else that may find.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infra.assurance import iam
from infra.assurance.isolation.requests.catalogue import Action, Catalogue
from infra.assurance.isolation.requests.patterns import Language, Part, Token, split

#: The first of these that no pattern names stands for all that none names.
REGIONS = ("us-west-2", "eu-west-1", "ap-south-1", "us-east-2", "ca-central-1", "sa-east-1")
#: Numbers of AWS's documentation.
ACCOUNTS = ("111122223333", "123456789012", "444455556666", "777788889999", "999999999999")

ANYTHING = Language.arn("arn:?*:?*:*:*:?*")

Component = tuple[Token, ...]
_FILLED_IN = re.compile(r"\$\{[^}]*\}")
#: Source: "General purpose bucket naming rules", Amazon S3 user guide.
_WITHOUT_SLASH = frozenset({"${BucketName}"})
_STARS: Component = (iam.Wild.MANY,)
_SOME: Component = (iam.Wild.ONE, iam.Wild.MANY)
_SOME_IN_PART: Component = (Part.ONE, Part.MANY)


@dataclass(frozen=True)
class Place:
    """Where a cohort is: what its ARNs say of region and account."""

    region: str
    account: str


@functools.lru_cache(maxsize=4096)
def resources(
    formats: tuple[str, ...], patterns: tuple[Language, ...], place: Place
) -> tuple[str, ...]:
    """ARNs of `formats`: at least one for each combination of `patterns` that one of them has."""
    made: dict[str, None] = {}
    for head, tails in _grouped(formats, patterns, place).items():
        # Each format by itself: walked together, formats with several open parts would multiply.
        if not all(isinstance(token, str) for part in head for token in part):
            for tail in tails:
                whole = (Language((*head, tail)),)
                made |= dict.fromkeys(text for _, text in split(patterns, within=whole))
            continue
        texts = tuple("".join(str(token) for token in part) for part in head)
        alive = tuple(
            dict.fromkeys(
                Language((pattern.components[5],))
                for pattern in patterns
                if _matches(pattern.components[:5], texts)
            )
        )
        before = ":".join(texts)
        for tail in dict.fromkeys(tails):
            found = split(alive, within=(Language((tail,)),))
            made |= dict.fromkeys(f"{before}:{text}" for _, text in found)
    return tuple(made)


@functools.lru_cache(maxsize=4096)
def services(formats: tuple[str, ...]) -> frozenset[str] | None:
    """The services whose ARNs have one of `formats`; None: any."""
    found = frozenset(format_.split(":")[2] for format_ in formats)
    return None if any(_FILLED_IN.search(each) for each in found) else found


def about(formats: tuple[str, ...], pattern: Language) -> bool:
    """Whether `pattern` may match an ARN of one of `formats`, by the service alone."""
    service, found = pattern.components[2], services(formats)
    if found is None or not all(isinstance(token, str) for token in service):
        return True
    return "".join(str(token) for token in service) in found


def unlisted(
    patterns: Iterable[Language], action: Action | None, catalogue: Catalogue, place: Place
) -> tuple[Language, ...]:
    """Those of `patterns` that match no ARN of any format of the action's service: what AWS calls
    by them the reference does not say, so that they stand for themselves."""
    service = None if action is None else catalogue.service(action.service)
    if service is None:
        return tuple(patterns)
    return tuple(
        pattern
        for pattern in dict.fromkeys(patterns)
        if not _is_known(service.arns, pattern, place)
    )


@functools.lru_cache(maxsize=4096)
def _is_known(formats: tuple[str, ...], pattern: Language, place: Place) -> bool:
    return any(
        combination
        for format_ in formats
        for head, tails in _grouped((format_,), (pattern,), place).items()
        for tail in tails
        for combination, _ in split((pattern,), within=(Language((*head, tail)),))
    )


def _matches(components: Sequence[Component], texts: Sequence[str]) -> bool:
    globs = (iam.Glob.of(t for t in part if not isinstance(t, Part)) for part in components)
    return all(glob.matches(text) for glob, text in zip(globs, texts, strict=True))


def _grouped(
    formats: tuple[str, ...], patterns: tuple[Language, ...], place: Place
) -> dict[tuple[Component, ...], list[Component]]:
    """What may stand before the fifth colon, and what behind it."""
    regions = tuple(_choices(3, patterns, place.region, REGIONS, _SOME))
    accounts = tuple(_choices(4, patterns, place.account, ACCOUNTS, (iam.Wild.ONE,) * 12))
    grouped: dict[tuple[Component, ...], list[Component]] = {}
    for format_ in formats:
        _, _, service, region, account, tail = format_.split(":", 5)
        heads = itertools.product(
            (("arn",),),
            (("aws",),),
            (_component(service),),
            regions if _open(region) else (_component(region),),
            accounts if _open(account) else (_component(account),),
        )
        for head in heads:
            tails = grouped.setdefault(head, [])
            tails += _components(tail)
    return grouped


def _open(component: str) -> bool:
    return component == "*" or _FILLED_IN.fullmatch(component) is not None


def _choices(
    number: int,
    patterns: tuple[Language, ...],
    own: str,
    others: tuple[str, ...],
    every: Component,
) -> Iterator[Component]:
    named = {own: None}
    for pattern in patterns:
        component = pattern.components[number]
        if component in (_STARS, ()):
            continue
        if not all(isinstance(token, str) for token in component):
            yield every
            return
        named["".join(str(token) for token in component)] = None
    yield from ((text,) for text in named)
    yield (next(text for text in others if text not in named),)


def _components(format_: str) -> Iterator[Component]:
    """What stands behind the fifth colon, from the most believable to all there is: no slash in any
    part that the reader fills in, none in those that a slash ends, slashes anywhere but in what
    never has one."""
    parts = list(_FILLED_IN.finditer(format_))
    ended = [format_[found.end() :].startswith("/") for found in parts]
    never = [found.group() in _WITHOUT_SLASH for found in parts]
    if any(ended):
        yield _component(format_, [True] * len(parts))
        yield _component(format_, [a or b for a, b in zip(ended, never, strict=True)])
    yield _component(format_, never)


def _component(format_: str, in_part: Sequence[bool] = ()) -> Component:
    """A part of an ARN format: what the reader fills in is any text but none; without a slash where
    `in_part` says so."""
    made: list[Token] = []
    position = 0
    for number, found in enumerate(_FILLED_IN.finditer(format_)):
        made += _literal(format_[position : found.start()])
        made += _SOME_IN_PART if number < len(in_part) and in_part[number] else _SOME
        position = found.end()
    return (*made, *_literal(format_[position:]))


def _literal(text: str) -> Iterator[str | iam.Wild]:
    for part in re.split(r"(\*)", text):
        if part:
            yield iam.Wild.MANY if part == "*" else part
