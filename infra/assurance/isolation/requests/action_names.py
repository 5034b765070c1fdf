"""Names of actions that the catalogue does not have, and that statements cover all the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from infra.assurance import iam
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.patterns import Language, Machine, split

#: A service that no statement names stands for all of them.
ANOTHER_SERVICE = "another-service"

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-:"
_NAME = re.compile(r"[a-z0-9-]+:[a-z0-9]+")
_MANY = iam.Wild.MANY


def unknown(
    statements: Sequence[iam.Statement], granting: Iterable[iam.Statement], catalogue: Catalogue
) -> Iterator[str]:
    """Names, lower-case, that a statement in `granting` covers and the catalogue does not have: one
    for each class of names that the action patterns of `statements` tell apart.

    Raises:
        UnmodelledPolicy: if no name of a class could be found that the catalogue does not have, and
            yet there may be one.
    """
    patterns = {_language(glob): None for each in statements for glob in _globs(each)}
    languages = tuple(
        sorted((each for each in patterns if each.components != ((_MANY,),)), key=str)
    )
    services = sorted({str(each).split(":", 1)[0] for each in languages} | {ANOTHER_SERVICE})
    seen: set[int] = set()
    for one in sorted(_granted(granting, services, catalogue), key=str):
        machine = Machine((*languages, one))
        for combination, text in split(languages, within=(one,), alphabet=_LETTERS):
            if combination in seen:
                continue
            matching = (one, *(x for i, x in enumerate(languages) if combination >> i & 1))
            if any(_is_literal(each) for each in matching):
                # One name alone is in the class.
                name = None if text in catalogue else text
            else:
                name = _new_name(text, machine, catalogue)
            if name is not None:
                seen.add(combination)
                yield name


def _granted(
    granting: Iterable[iam.Statement], services: Sequence[str], catalogue: Catalogue
) -> set[Language]:
    """The patterns of the names that `granting` cover; names that the catalogue has are none."""
    every = {Language(((f"{service}:", iam.Wild.ONE, _MANY),)) for service in services}
    made: set[Language] = set()
    for statement in granting:
        if statement.not_actions is not None:
            made |= every
            continue
        for glob in statement.actions:
            if glob.parts == (_MANY,):
                made |= every
            elif not _is_name(glob) or str(glob.runs[0]) not in catalogue:
                made.add(_language(glob))
    return made


def _new_name(text: str, machine: Machine, catalogue: Catalogue) -> str:
    """A name that every pattern matches or misses as it does `text`, and that is new."""
    wanted = machine.read(text)
    for candidate in _like(text):
        if (
            _NAME.fullmatch(candidate)
            and candidate not in catalogue
            and machine.read(candidate) == wanted
        ):
            return candidate
    raise iam.UnmodelledPolicy(
        f"actions like {text}: {catalogue.source} has every name that was tried"
    )


def _like(text: str) -> Iterator[str]:
    """`text`, and names that are longer or other by a few letters."""
    yield text
    for place in range(len(text), -1, -1):
        for more in ("new", "x", "xx", "zzz"):
            yield text[:place] + more + text[place:]
    for place in range(len(text)):
        for letter in _LETTERS:
            yield text[:place] + letter + text[place + 1 :]


def _globs(statement: iam.Statement) -> Iterator[iam.Glob]:
    yield from statement.actions
    yield from statement.not_actions or ()


def _is_name(glob: iam.Glob) -> bool:
    return len(glob.runs) == 1 and isinstance(glob.runs[0], str)


def _is_literal(language: Language) -> bool:
    return not any(isinstance(token, iam.Wild) for token in language.components[0])


def _language(glob: iam.Glob) -> Language:
    return Language((glob.parts,))
