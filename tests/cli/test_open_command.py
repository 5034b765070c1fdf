"""`cohort open`: what it asks of the broker, and what it says."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.cli import spaces
from infra.cli.terminal import Refused
from infra.services.guard.broker import Answer
from tests.services.guard_cloud import PROJECTS, Academy, images

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """A cohort whose broker works over a simulated cloud, in which each question takes a minute."""

    def __init__(self, academy: Academy) -> None:
        self.academy = academy
        self.asked: list[dict[str, Any]] = []

    def broker(self, learner: str, request: dict[str, Any]) -> Answer:
        self.asked.append(request)
        answer = self.academy.ask(learner, **request)
        self.academy.cloud.move(dt.timedelta(minutes=1))
        if not answer["ok"]:
            raise Refused(answer["error"]["message"])
        return answer


def opened(monkeypatch: pytest.MonkeyPatch, site: Site, *options: str) -> Any:
    monkeypatch.setattr(spaces.Site, "of", lambda _file: site)
    monkeypatch.setattr(spaces.time, "sleep", lambda _seconds: None)
    file = str(ROOT / "cohorts" / "example.yaml")
    return CliRunner().invoke(spaces.open_space, ["ana", "--file", file, *options])


@pytest.fixture
def imaged() -> Site:
    return Site(Academy(projects=PROJECTS, images=images()))


def test_a_space_is_opened_for_a_project(monkeypatch: pytest.MonkeyPatch, imaged: Site) -> None:
    done = opened(monkeypatch, imaged, "--project", "climate-series")
    assert done.exit_code == 0, done.output
    assert imaged.asked[0] == {"op": "open_space", "project": "climate-series"}
    assert "ana's space for climate-series: ml.t3.medium, open until" in done.stderr
    assert done.stdout == "https://d-ana/auth\n", "the link alone"


def test_without_a_project_it_is_the_cohorts_first(
    monkeypatch: pytest.MonkeyPatch, imaged: Site
) -> None:
    done = opened(monkeypatch, imaged)
    assert imaged.asked[0] == {"op": "open_space"}
    assert "ana's space for land-cover: " in done.stderr


def test_a_space_on_aws_own_image_is_of_no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    done = opened(monkeypatch, Site(Academy(projects=PROJECTS)), "--project", "climate-series")
    assert done.exit_code == 0, done.output
    assert "ana's space: ml.t3.medium" in done.stderr


def test_another_projects_image_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, imaged: Site
) -> None:
    opened(monkeypatch, imaged, "--project", "climate-series")
    done = opened(monkeypatch, imaged, "--project", "land-cover")
    assert done.exit_code != 0
    assert "open for climate-series. Close it before" in " ".join(done.stderr.split())


def test_an_unknown_project_is_refused(monkeypatch: pytest.MonkeyPatch, imaged: Site) -> None:
    done = opened(monkeypatch, imaged, "--project", "poetry")
    assert done.exit_code != 0
    assert "one of land-cover, climate-series" in " ".join(done.stderr.split())
