"""A consistent renaming of ids in ARNs, policies, requests and asks.

An id occurs in a text where it stands *whole between separators*: a slash, a colon, two hyphens or
more, or an end. Ids hold none of these, and neither begin nor end with a hyphen, so replacing ids
by ids leaves the separators where they are: a permutation of ids is a bijection of texts, and its
inverse permutation undoes it.

`Renaming.keeps` says whether a pattern means the same after a renaming: whether it matches a text
exactly if the renamed pattern matches the renamed text. Let a pattern be literal pieces between
wildcards. A literal piece falls into tokens at its separators. A token with separators (or the
pattern's end) on both sides is a whole token of whatever text the pattern matches, and is renamed
alike in both. What remains are the fragments at a wildcard: the wildcard may fill them up to a
whole token. If no renamed id could be such a token, then whatever token of the text the fragment
lies in is not renamed, and the fragment neither. So the condition is

- a fragment before a wildcard is no beginning of a renamed id with a hyphen behind it (the text may
  follow that hyphen by another, and so make a separator of it);
- after a wildcard: no end of one with a hyphen before it;
- between two wildcards: no part of one with hyphens at both sides;
- a hyphen alone between two wildcards asks for a number of hyphens between its neighbours: no
  renamed id has more or fewer of them than the one that it becomes;
- there is no `?`, which counts characters, and no policy variable, whose value is another text.

An empty fragment (a wildcard right at a separator) is always right. ARN patterns match component by
component, and colons are separators: each component is a pattern of its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.world import Role

_SEPARATOR = re.compile(r"([/:]|-{2,})")

#: Operators that compare texts as they are; the others read numbers, dates, truths and addresses.
_TEXTS = ("stringequals", "stringnotequals", "stringlike", "stringnotlike")
_ANY_CASE = ("stringequalsignorecase", "stringnotequalsignorecase")
_ARNS = ("arnequals", "arnlike", "arnnotequals", "arnnotlike")
#: Elements of a statement that hold ARNs or principals; the rest is words of IAM, or a label.
_RENAMED = ("Resource", "NotResource", "Principal")


def tokens(text: str) -> tuple[str, ...]:
    """The tokens of `text`: what stands between separators."""
    return tuple(_SEPARATOR.split(text)[::2])


@dataclass(frozen=True)
class Fragment:
    """What stands at a wildcard of a pattern, as far as the next separator.

    Attributes:
        wild_before, wild_after: on which sides the wildcard is, or the wildcards are.
    """

    text: str
    wild_before: bool
    wild_after: bool

    def could_be_of(self, id_: str) -> bool:
        """Whether the wildcard could fill it up so that `id_` stands there, or begins or ends."""
        if self.wild_before and self.wild_after:
            return self.text in f"-{id_}-"
        if self.wild_before:
            return f"-{id_}".endswith(self.text)
        return f"{id_}-".startswith(self.text)


_HYPHEN = Fragment("-", True, True)
#: In place of what no renaming keeps: it could be of any id.
_ANYTHING = Fragment("", True, True)


@functools.lru_cache(maxsize=16384)
def fragments(pattern: str, *, arn: bool = False) -> frozenset[Fragment]:
    """What of `pattern` is no whole token of the texts that it matches."""
    parts = pattern.split(":", 5) if arn else [pattern]
    return frozenset(fragment for part in parts for fragment in _fragments(part))


def _fragments(pattern: str) -> Iterator[Fragment]:
    if "?" in pattern or "${" in pattern:
        yield _ANYTHING
        return
    pieces = pattern.split("*")
    for index, piece in enumerate(pieces):
        before, after = index > 0, index < len(pieces) - 1
        listed = tokens(piece)
        if len(listed) == 1:
            ends = [Fragment(piece, before, after)]
        else:
            ends = [Fragment(listed[0], before, False), Fragment(listed[-1], False, after)]
        # Right at a separator it is empty, and whatever the wildcard takes begins there.
        yield from (each for each in ends if each.text and (each.wild_before or each.wild_after))


@dataclass(frozen=True)
class Renaming:
    """A permutation of ids. An id that is not among `ids` stays."""

    ids: Mapping[str, str] = field(hash=False)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Renaming | None:
        """The renaming that takes each first to its second; None if there is none.

        Whoever is only a second goes to the first that it comes from, so that it is a permutation.
        """
        ids: dict[str, str] = {}
        for old, new in pairs:
            if ids.setdefault(old, new) != new:
                return None
        if len(set(ids.values())) != len(ids):
            return None
        for old in [each for each in ids if each not in ids.values()]:
            last = ids[old]
            while last in ids:
                last = ids[last]
            ids[last] = old
        return cls({old: new for old, new in ids.items() if old != new})

    @property
    def inverse(self) -> Renaming:
        return Renaming({new: old for old, new in self.ids.items()})

    def text(self, text: str) -> str:
        """`text` with each id that stands whole in it renamed."""
        pieces = _SEPARATOR.split(text)
        pieces[::2] = [self.ids.get(piece, piece) for piece in pieces[::2]]
        return "".join(pieces)

    def value(self, value: Any) -> Any:
        """Every text in a structure renamed; the keys of objects stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def statement(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """A statement as `iam` reads one, renamed where it can name someone or something."""
        renamed = {
            element: self.value(each) if element in _RENAMED else each
            for element, each in statement.items()
        }
        if "Condition" in statement:
            renamed["Condition"] = self.condition(statement["Condition"])
        return renamed

    def condition(self, condition: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            operator: dict(keys) if _typed(operator) else self.value(keys)
            for operator, keys in condition.items()
        }

    def ask(self, ask: Ask) -> Ask:
        """The same question about what the renaming makes of its resources and conditions."""
        region = Region(
            tuple(self.text(each) for each in ask.on.any_of),
            tuple(self.text(each) for each in ask.on.but_not),
        )
        return Ask(ask.actions, region, self.condition(ask.when), ask.but_not)

    def request(self, request: iam.Request, *, by: Role, typed: frozenset[str]) -> iam.Request:
        """The same request by another role about renamed things.

        Args:
            by: the role that the renaming makes of the caller's.
            typed: keys (lower-case) that are numbers, dates, truths or addresses.
        """
        context = {
            key: value if key in typed else _renamed(self, value)
            for key, value in request.context.items()
        }
        return iam.Request(
            principal=by.session,
            action=request.action,
            resource=self.text(request.resource),
            context=context,
            keys=request.keys,
        )

    # --- does it mean the same? -------------------------------------------------------------------
    def keeps(self, pattern: str, *, arn: bool = False) -> bool:
        """Whether `pattern` matches a text exactly if the renamed one matches the renamed text."""
        return self.keeps_fragments(fragments(pattern, arn=arn))

    def keeps_fragments(self, found: Iterable[Fragment]) -> bool:
        for fragment in found:
            if fragment == _HYPHEN:
                if any(old.count("-") != new.count("-") for old, new in self.ids.items()):
                    return False
            elif any(fragment.could_be_of(id_) for id_ in self.ids):
                return False
        return True

    def keeps_statement(self, statement: Mapping[str, Any]) -> bool:
        """Whether a statement concerns a request exactly if the renamed one does the renamed."""
        for element in ("Resource", "NotResource"):
            for pattern in _listed(statement.get(element, ())):
                if pattern != "*" and not self.keeps(pattern, arn=True):
                    return False
        return self.keeps_condition(statement.get("Condition", {}))

    def keeps_condition(self, condition: Mapping[str, Mapping[str, Any]]) -> bool:
        return all(
            self._keeps_value(_bare(operator), str(value))
            for operator, keys in condition.items()
            for listed in keys.values()
            for value in _listed(listed)
        )

    def _keeps_value(self, operator: str, value: str) -> bool:
        if operator in _ANY_CASE:
            renamed = {id_.lower() for id_ in self.ids}
            return "${" not in value and not renamed & set(tokens(value.lower()))
        if operator in _ARNS:
            return self.keeps(value, arn=True)
        if operator in _TEXTS:
            # Without wildcards it is compared whole.
            return "${" not in value if operator.endswith("equals") else self.keeps(value)
        return self.text(value) == value

    def keeps_ask(self, ask: Ask) -> bool:
        patterns = (*ask.on.any_of, *ask.on.but_not)
        return self.keeps_condition(ask.when) and all(
            each == "*" or self.keeps(each, arn=each.startswith("arn:")) for each in patterns
        )


def typed_keys(statements: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The keys (lower-case) that some statement reads as numbers, dates, truths or addresses."""
    return frozenset(
        key.lower()
        for statement in statements
        for operator, keys in statement.get("Condition", {}).items()
        if _typed(operator) and _bare(operator) != "null"
        for key in keys
    )


def _bare(operator: str) -> str:
    """An operator without its qualifier and IfExists, in lower case."""
    return operator.lower().rpartition(":")[2].removesuffix("ifexists")


def _typed(operator: str) -> bool:
    return _bare(operator) not in (*_TEXTS, *_ANY_CASE, *_ARNS)


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _renamed(renaming: Renaming, value: iam.Value) -> iam.Value:
    if isinstance(value, tuple):
        return tuple(renaming.text(each) for each in value)
    return renaming.text(value)
