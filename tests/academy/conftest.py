"""A cohort for the library, in moto, and a connection of its learner ana."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from academy.connection import Connection
from moto import mock_aws

from tests.academy import fake_academy

HISTORY = "series,step,value\n" + "".join(
    f"{name},{step},{10 + (step % 12) + scale * step}\n"
    for name, scale in (("a", 0.1), ("b", 0.5))
    for step in range(36)
)
SAMPLE = "series,step,value\n" + "".join(
    f"{name},{step},1.0\n" for name in ("a", "b") for step in (36, 37)
)
TASK = """{"project": "climate-series", "horizon": 2, "season": 12, "metric": "MASE",
 "series": ["a", "b"], "first_step": {"a": 36, "b": 36}}"""
DATA = {
    "datasets/climate-series/history.csv": HISTORY.encode(),
    "datasets/climate-series/sample_submission.csv": SAMPLE.encode(),
    "datasets/climate-series/task.json": TASK.encode(),
    "datasets/climate-series/practice/p.csv": b"series,month,value\np,1990-01,1.5\n",
}


@pytest.fixture(autouse=True)
def _away_from_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test writes to this machine's cache, or finds its workspace or credentials."""
    for name in ("ACADEMY_WORKSPACE", "ACADEMY_RESOURCE_METADATA", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACADEMY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", fake_academy.REGION)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[fake_academy.FakeAcademy]:
    with mock_aws():
        academy = fake_academy.build(tmp_path / "jobs")
        academy.publish(DATA)
        yield academy


@pytest.fixture
def me(fake: fake_academy.FakeAcademy) -> Connection:
    return Connection.open(
        environ={"ACADEMY_WORKSPACE": fake_academy.PARAMETER}, clients=fake.clients
    )
