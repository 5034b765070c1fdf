"""Every combination of patterns that some string has is found, by a string that has it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.assurance import iam
from infra.assurance.isolation.requests import patterns
from infra.assurance.isolation.requests.patterns import Language, Machine, Part, split

REQUEST = iam.Request(iam.Principal("service", "nobody", ""), "none:None", "*")
SHORT = ["".join(letters) for size in range(6) for letters in itertools.product("ab:", repeat=size)]

pattern_texts = st.text("ab*?:", max_size=6)


def combination(found: list[iam.Pattern | iam.ArnPattern], text: str) -> int:
    """Bit i: the evaluator says that the i-th matches."""
    return sum(1 << i for i, each in enumerate(found) if each.matches(text, REQUEST))


def language(pattern: iam.Pattern | iam.ArnPattern) -> Language:
    made = Language.of(pattern, REQUEST)
    assert made is not None
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(pattern_texts, max_size=4))
def test_classes_of_patterns_are_those_of_all_short_strings(texts: list[str]) -> None:
    found = [iam.Pattern.of(text) for text in texts]
    made = dict(split(tuple(language(each) for each in found)))
    assert {combination(found, text) for text in SHORT} <= set(made)
    for bits, witness in made.items():
        assert combination(found, witness) == bits


components = st.text("ab*?", max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(components, components, st.text("ab*?:", max_size=4)), min_size=1, max_size=4
    )
)
def test_a_wildcard_of_an_arn_stays_in_its_component(
    drawn: list[tuple[str, str, str]],
) -> None:
    found = [iam.ArnPattern.of(f"arn:aws:s3:{a}:{b}:{c}") for a, b, c in drawn]
    made = dict(split(tuple(language(each) for each in found)))
    parts = ["", "a", "b", "ab", "aab"]
    tails = [*parts, "a:b", "b:a:", ":"]
    some = [f"arn:aws:s3:{a}:{b}:{c}" for a in parts for b in parts for c in tails]
    some += [":".join(each) for each in itertools.product(("arn", "aws:s3", "a"), repeat=3)]
    assert {combination(found, text) for text in some} <= set(made)
    for bits, witness in made.items():
        assert combination(found, witness) == bits


@settings(max_examples=60, deadline=None)
@given(
    st.lists(pattern_texts, max_size=3),
    st.lists(pattern_texts, min_size=1, max_size=2),
    st.lists(pattern_texts, max_size=2),
)
def test_classes_within_and_without(
    texts: list[str], inside: list[str], outside: list[str]
) -> None:
    found, wanted, unwanted = (
        [iam.Pattern.of(text) for text in listed] for listed in (texts, inside, outside)
    )
    made = dict(
        split(
            tuple(language(each) for each in found),
            within=tuple(language(each) for each in wanted),
            but_not=tuple(language(each) for each in unwanted),
        )
    )

    def counts(text: str) -> bool:
        return bool(combination(wanted, text)) and not combination(unwanted, text)

    assert {combination(found, text) for text in SHORT if counts(text)} <= set(made)
    for bits, witness in made.items():
        assert counts(witness)
        assert combination(found, witness) == bits


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("aAbB", max_size=3), min_size=1, max_size=3), st.text("aAbB", max_size=3))
def test_case_is_ignored_where_the_operator_ignores_it(texts: list[str], exact: str) -> None:
    loose = [iam.Pattern.of(text, wildcards=False) for text in texts]
    strict = iam.Pattern.of(exact, wildcards=False)
    languages = [Language.of(each, REQUEST, ignoring_case=True) for each in loose]
    made = dict(split((*(each for each in languages if each), language(strict))))

    def bits(text: str) -> int:
        ignoring = (each.equals_ignoring_case(text, REQUEST) for each in loose)
        both = [*ignoring, strict.matches(text, REQUEST)]
        return sum(1 << i for i, holds in enumerate(both) if holds)

    short = ["".join(x) for size in range(4) for x in itertools.product("aAbBc", repeat=size)]
    assert {bits(text) for text in short} <= set(made)
    assert all(bits(witness) == found for found, witness in made.items())


def test_a_colon_is_like_any_other_letter_in_a_text_and_not_in_an_arn() -> None:
    """No pattern waits for the colon that tells these two apart."""
    text = "arn:aws:s3:?::y"
    made = dict(split((Language.text(text), Language.arn(text))))
    assert made[0b01] == "arn:aws:s3::::y"
    assert set(made) == {0b00, 0b01, 0b11}


def test_a_slash_is_like_any_other_letter_but_in_a_part_of_an_arn() -> None:
    part = Language((("a", Part.ONE, Part.MANY, "b"),))
    made = dict(split((Language.text("a?*b"), part)))
    assert set(made) == {0b00, 0b01, 0b11}
    assert "/" in made[0b01]
    assert "/" not in made[0b11]


def test_witnesses_read_like_names() -> None:
    team = Language.text("earth-work/teams/falcon/*")
    teams = Language.text("earth-work/teams/*")
    made = dict(split((team, teams), within=(Language.text("?*/?*"),)))
    assert made[0b10] == "earth-work/teams/other"
    assert made[0b11] == "earth-work/teams/falcon/other"
    assert made[0b00] == "other/other"


def test_a_word_is_not_put_where_it_leaves_the_class() -> None:
    made = dict(split((Language.text("teams/????"),), within=(Language.text("teams/?*"),)))
    assert len(made[1]) == len("teams/") + 4
    assert made[0] != made[1]


def test_a_variable_brings_no_colon_into_a_component() -> None:
    pattern = iam.ArnPattern.of("arn:aws:s3:::${aws:username}/x")
    with_name = iam.Request(REQUEST.principal, "a:B", "*", {"aws:username": "a:*"})
    made = Language.of(pattern, with_name)
    assert made is not None
    assert Machine((made,)).read("arn:aws:s3:::a:*/x") == 1
    assert Machine((made,)).read("arn:aws:s3:::a:b/x") == 0
    assert Language.of(pattern, REQUEST) is None
    before = iam.ArnPattern.of("arn:aws:s3:${aws:username}::x")
    assert Language.of(before, with_name) is None
    assert not before.matches("arn:aws:s3:a:*::x", with_name)


def test_patterns_that_multiply_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "MOST_STATES", 50)
    many = tuple(Language.text(f"*{letter}?{letter}*") for letter in "abcdefgh")
    with pytest.raises(iam.UnmodelledPolicy, match=r"\*a\?a\*"):
        split(many)


def test_beyond_ascii_case_is_not_ignored() -> None:
    with pytest.raises(iam.UnmodelledPolicy, match="straße"):
        Language.of(iam.Pattern.of("straße"), REQUEST, ignoring_case=True)
