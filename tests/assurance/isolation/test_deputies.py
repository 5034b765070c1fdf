"""The deputies' contracts: who they are about is there, and what attacks them is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from infra.assurance.isolation.chains.deputies import DEPUTIES, KINDS, PEERS, Deputy
from infra.assurance.isolation.chains.doors import ACTIONS
from infra.cohort import images
from infra.cohort.naming import SERVICES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("test", sorted({t for deputy in DEPUTIES.values() for t in deputy.tests}))
def test_a_test_that_a_contract_names_is_there(test: str) -> None:
    """As pytest would collect it: a function of that name at the module's top."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name.startswith("test_")
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("deputy", DEPUTIES.values(), ids=lambda each: each.name)
def test_a_contract_says_everything_that_a_contract_says(deputy: Deputy) -> None:
    assert deputy.says.endswith(".")
    assert deputy.ways
    assert deputy.believes
    assert deputy.never
    assert deputy.tests, "nothing attacks it"
    assert all(way.says.endswith(".") for way in deputy.ways)


def test_every_service_has_a_contract_and_every_contract_a_role() -> None:
    """The stopper and the chat are roles without a function."""
    services = {name for name in DEPUTIES if name not in KINDS}
    assert services == {*SERVICES, "stopper", "chat"}
    of_account = {images.BUILD_ROLE, images.STUDIO_ROLE}
    assert {*KINDS} == {*PEERS, *(name for name in DEPUTIES if name in KINDS)} - of_account


def test_a_way_is_by_actions_that_are_followed_and_for_parties_that_there_are() -> None:
    for contract in (*DEPUTIES.values(), *PEERS.values()):
        for way in contract.ways:
            assert set(way.by) <= {*DEPUTIES, *PEERS}, way
            asked = {action for action in way.actions if not action.startswith("(")}
            assert asked <= ACTIONS, way
