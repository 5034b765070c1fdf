"""In a private network there are no packages: that is said, and no hint given that would fail."""

from __future__ import annotations

import os
import sys

import pytest
from academy import connection, sagemaker_sdk
from academy.connection import Connection
from academy.errors import NO_INDEX, AcademyError, install
from academy.workspace import Workspace

from tests.academy import fake_academy

PRIVATE = {**fake_academy.WORKSPACE, "network": "private"}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no trace in the environment of other tests."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop(NO_INDEX, None)
    monkeypatch.setattr(connection, "_default", None)


def connected(monkeypatch: pytest.MonkeyPatch, document: dict[str, object]) -> Connection:
    workspace = Workspace.from_document(document, "test")
    opened = Connection(workspace, cloud=None)  # type: ignore[arg-type]
    monkeypatch.setattr(Connection, "open", lambda: opened)
    return connection.connect()


def test_pip_does_not_try_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    me = connected(monkeypatch, PRIVATE)
    assert os.environ[NO_INDEX] == "1"
    assert ("network", "private: no internet, and no packages for pip") in me._facts()


def test_with_internet_pip_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    me = connected(monkeypatch, dict(fake_academy.WORKSPACE))
    assert NO_INDEX not in os.environ
    assert "network" not in dict(me._facts())


def test_a_missing_package_is_for_an_admin_to_bring() -> None:
    assert install("%pip install kaggle") == "Run %pip install kaggle here"
    os.environ[NO_INDEX] = "1"
    said = install("%pip install kaggle")
    assert "there is no internet" in said
    assert said.endswith("run %pip install kaggle --find-links .")


def test_so_is_sagemakers_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker", None)
    os.environ[NO_INDEX] = "1"
    with pytest.raises(AcademyError, match="an admin can put their wheels"):
        sagemaker_sdk._session_class()
