"""Which strings a set of patterns can tell apart: one string for each combination that exists.

Every pattern becomes a chain of places: a character that must come, any character, or the end; a
`*` lets a place stay as it is. A set of places (bits of an integer) says where all patterns are
after the same text. Walking breadth first over the sets that can be reached meets every
combination of "matches" and "does not match" that any string has, and meets it by its shortest
string first. Nothing is sampled: there are finitely many sets, and each is walked once.

Matching is `iam.Glob`'s and `iam.ArnPattern`'s: the same tokens, and in an ARN a wildcard that
stands before the fifth colon does not match a colon.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from infra.assurance import iam

#: A set of places larger than this is refused by name: the patterns are not those of a policy.
MOST_STATES = 200_000

#: What stands where a pattern leaves a character open, the first that no pattern asks for.
FILLERS = "xyzwvutsrqponmlkjihgfedcba0123456789-_XYZWVUTSRQPONMLKJIHGFEDCBA"
#: What is put in a filler's place, so that a person can read it.
WORDS = ("other", "another", "thing", "something")
_SEPARATORS = "/:-"


class Part(Enum):
    """Wildcards that no policy has: what stands between two slashes of an ARN."""

    MANY = "[^/]*"
    ONE = "[^/]"


Token = str | iam.Wild | Part


@dataclass(frozen=True)
class Language:
    """The strings that one pattern of a policy matches, once its variables have values.

    Attributes:
        components: one token list for a plain string, six for an ARN.
        ignoring_case: whether letters match in either case.
    """

    components: tuple[tuple[Token, ...], ...]
    ignoring_case: bool = False

    @classmethod
    def of(
        cls,
        pattern: iam.Pattern | iam.ArnPattern,
        request: iam.Request,
        *,
        ignoring_case: bool = False,
    ) -> Language | None:
        """The strings that `pattern` matches for `request`; None if it matches none.

        Raises:
            UnmodelledPolicy: for letters outside ASCII where case does not count.
        """
        arn = isinstance(pattern, iam.ArnPattern)
        parts = pattern.parts if isinstance(pattern, iam.ArnPattern) else (pattern.parts,)
        resolved = [iam.resolve(part, request) for part in parts]
        made = tuple(part for part in resolved if part is not None)
        if len(made) < len(parts):
            return None
        if arn and any(
            ":" in token
            for part in made[:5]
            for token in part
            if token != "" and isinstance(token, str)
        ):
            return None
        if ignoring_case and not all(
            token.isascii() for part in made for token in part if isinstance(token, str)
        ):
            raise iam.UnmodelledPolicy(f"{pattern.text!r} compared without case, beyond ASCII")
        return cls(made, ignoring_case)

    @classmethod
    def text(cls, pattern: str) -> Language:
        """A plain pattern with `*` and `?`."""
        parts = iam.tokens(pattern, wildcards=True, variables=False)
        return cls((tuple(p for p in parts if not isinstance(p, iam.Variable)),))

    @classmethod
    def arn(cls, pattern: str) -> Language:
        """An ARN pattern with `*` and `?`."""
        made = iam.ArnPattern.of(pattern, variables=False).parts
        return cls(
            tuple(tuple(p for p in part if not isinstance(p, iam.Variable)) for part in made)
        )

    def __str__(self) -> str:
        return ":".join(
            "".join(token if isinstance(token, str) else token.value for token in part)
            for part in self.components
        )


@dataclass(frozen=True)
class Classes:
    """What `split` finds: for each combination of languages that some string is in (bit i: the
    i-th), one string."""

    witnesses: tuple[tuple[int, str], ...]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self.witnesses)

    def __len__(self) -> int:
        return len(self.witnesses)


@functools.lru_cache(maxsize=4096)
def split(
    languages: tuple[Language, ...],
    *,
    within: tuple[Language, ...] = (Language(((iam.Wild.MANY,),)),),
    but_not: tuple[Language, ...] = (),
    alphabet: str | None = None,
) -> Classes:
    """One string for each combination of `languages` that a string has which is in one of `within`
    and in none of `but_not`; of characters in `alphabet`, if given.

    Raises:
        UnmodelledPolicy: if there are too many combinations to walk.
    """
    machine = Machine((*languages, *within, *but_not), alphabet)
    asked = (1 << len(languages)) - 1
    inside = ((1 << len(within)) - 1) << len(languages)
    outside = ((1 << len(but_not)) - 1) << (len(languages) + len(within))
    found: dict[int, str] = {}
    for state, accepted in machine.walk(inside):
        if accepted & inside and not accepted & outside and accepted & asked not in found:
            found[accepted & asked] = machine.readable(state, accepted, inside, outside, asked)
    return Classes(tuple(found.items()))


class Machine:
    """All patterns at once."""

    def __init__(self, languages: Sequence[Language], alphabet: str | None = None) -> None:
        self.languages = languages
        self.alphabet = alphabet
        #: Per place: the characters that lead on, or None for any.
        self._chars: list[str | None] = []
        self._next: dict[str, int] = {}
        self._any = self._any_in_component = 0
        self._stay = self._stay_in_component = 0
        self._any_in_part = self._stay_in_part = 0
        self._start = self._literal = 0
        #: Per language: its places, and the one that is its end.
        self._places: list[int] = []
        self._ends: list[int] = []
        for language in languages:
            self._add(language)
        #: Places where a colon, or a slash, is not like any other character.
        self._without = {
            ":": self._any_in_component | self._stay_in_component,
            "/": self._any_in_part | self._stay_in_part,
        }
        self._came: dict[int, tuple[int, str, bool] | None] = {}
        self._all_ends = sum(self._ends)

    # --- building ---------------------------------------------------------------------------------
    def _add(self, language: Language) -> None:
        first = len(self._chars)
        self._start |= 1 << first
        last = len(language.components) - 1
        for number, component in enumerate(language.components):
            if number:
                self._letter(":", ignoring_case=False)
            for token in component:
                if isinstance(token, str):
                    for letter in token:
                        self._letter(letter, language.ignoring_case)
                else:
                    self._wildcard(token, in_component=number < last)
        end = 1 << len(self._chars)
        self._chars.append(None)
        self._ends.append(end)
        self._places.append((end << 1) - (1 << first))

    def _wildcard(self, token: iam.Wild | Part, *, in_component: bool) -> None:
        bit = 1 << len(self._chars)
        if token in (iam.Wild.MANY, Part.MANY):
            if token is Part.MANY:
                self._stay_in_part |= bit
            elif in_component:
                self._stay_in_component |= bit
            else:
                self._stay |= bit
            return
        if token is Part.ONE:
            self._any_in_part |= bit
        elif in_component:
            self._any_in_component |= bit
        else:
            self._any |= bit
        self._chars.append(None)

    def _letter(self, letter: str, ignoring_case: bool) -> None:
        bit = 1 << len(self._chars)
        both = dict.fromkeys((letter.lower(), letter.upper()) if ignoring_case else (letter,))
        for each in both:
            self._next[each] = self._next.get(each, 0) | bit
        self._literal |= bit
        self._chars.append("".join(both))

    # --- walking ----------------------------------------------------------------------------------
    def step(self, state: int, letter: str) -> int:
        going = self._next.get(letter, 0) | self._any
        staying = self._stay
        if letter != ":":
            going |= self._any_in_component
            staying |= self._stay_in_component
        if letter != "/":
            going |= self._any_in_part
            staying |= self._stay_in_part
        return ((state & going) << 1) | (state & staying)

    def accepted(self, state: int) -> int:
        """Bit i: the text so far is in the i-th language."""
        if not state & self._all_ends:
            return 0
        return sum(1 << i for i, end in enumerate(self._ends) if state & end)

    def read(self, text: str) -> int:
        state = self._start
        for letter in text:
            state = self.step(state, letter)
        return self.accepted(state)

    def walk(self, inside: int) -> Iterator[tuple[int, int]]:
        """Every set of places that a text leads to which one of the languages in the bit set
        `inside` may still accept, with what it accepts; those of shortest texts first."""
        alive = sum(place for i, place in enumerate(self._places) if inside >> i & 1)
        self._came = {self._start: None}
        level = [self._start]
        while level:
            following = []
            for state in level:
                yield state, self.accepted(state)
                for letter, filler in self._letters(state):
                    reached = self.step(state, letter)
                    if reached & alive and reached not in self._came:
                        self._came[reached] = (state, letter, filler)
                        following.append(reached)
            if len(self._came) > MOST_STATES:
                named = ", ".join(sorted(str(language) for language in self.languages)[:8])
                raise iam.UnmodelledPolicy(f"patterns that cannot be told apart in time: {named}")
            level = following

    def _letters(self, state: int) -> Iterator[tuple[str, bool]]:
        """The letters that lead from `state` to different sets: those that a pattern waits for,
        and one that stands for all others."""
        waiting: set[str] = set()
        rest = state & self._literal
        while rest:
            low = rest & -rest
            waiting.update(self._chars[low.bit_length() - 1] or "")
            rest ^= low
        waiting.update(letter for letter, places in self._without.items() if state & places)
        # The filler first: of texts that are equally short, the one that says least.
        for letter in self._fillers():
            if letter not in waiting:
                yield letter, True
                break
        for letter in sorted(waiting):
            if self.alphabet is None or letter in self.alphabet:
                yield letter, False

    def _fillers(self) -> Iterable[str]:
        if self.alphabet is not None:
            return sorted(self.alphabet, key=lambda letter: FILLERS.find(letter) % 1000)
        return itertools.chain(FILLERS, map(chr, range(0x4E00, 0x9FFF)))

    # --- reading aloud ----------------------------------------------------------------------------
    def readable(self, state: int, accepted: int, inside: int, outside: int, asked: int) -> str:
        """The text that led to `state`, with words for its fillers where that changes nothing."""
        text, runs = self._text(state)
        if self.alphabet is not None:
            return text

        def same(candidate: str) -> bool:
            read = self.read(candidate)
            return bool(read & asked == accepted & asked and read & inside and not read & outside)

        for first, stop in reversed(runs):
            if first and text[first - 1] not in _SEPARATORS:
                continue
            for word in WORDS:
                candidate = text[:first] + word + text[stop:]
                if same(candidate):
                    text = candidate
                    break
        if text and text[-1] in _SEPARATORS and same(text + WORDS[0]):
            text += WORDS[0]
        return text

    def _text(self, state: int) -> tuple[str, list[tuple[int, int]]]:
        """The shortest text that leads to `state`, and where its runs of fillers begin and end."""
        letters: list[tuple[str, bool]] = []
        came = self._came[state]
        while came is not None:
            state, letter, filler = came
            letters.append((letter, filler))
            came = self._came[state]
        letters.reverse()
        runs = []
        for filler, group in itertools.groupby(range(len(letters)), key=lambda i: letters[i][1]):
            places = list(group)
            if filler:
                runs.append((places[0], places[-1] + 1))
        return "".join(letter for letter, _ in letters), runs
