"""What SECURITY.md names as shown exists, and every promise stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

#: Promises that are one a service or role: SECURITY.md names some of them as examples.
ONE_EACH = re.compile(r".*-only$|.*-of-aws-only$")


def promised() -> set[str]:
    """The ids in promises.py, read as text: a promise is made only where a world is at hand."""
    (source,) = (ROOT / "infra/assurance/isolation").rglob("promise[sd].py")
    return set(re.findall(r'Promise\(\s*"([a-z-]+)"', source.read_text(encoding="utf-8")))


def rows() -> list[str]:
    return [line for line in SECURITY.splitlines() if line.startswith("| ")]


def test_every_promise_that_is_named_is_made_and_every_one_that_is_made_is_named() -> None:
    named = {word for row in rows() for word in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", row)}
    made = promised()
    assert len(made) > 25
    unknown = {each for each in named - made if "-" in each and not ONE_EACH.match(each)}
    assert not unknown, "SECURITY.md names promises that are not made"
    assert not made - named, "promises that SECURITY.md does not name"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"tests/[\w/]+\.py", SECURITY))))
def test_every_test_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", SECURITY))))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
