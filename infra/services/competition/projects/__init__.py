"""The competitions' projects: for each, how what was checked is scored and shown."""

from __future__ import annotations

from infra.services.competition.problems import Misconfigured
from infra.services.competition.projects import climate_series, land_cover
from infra.services.competition.projects.project import Project

_PROJECTS: dict[str, Project] = {
    "climate-series": climate_series.ClimateSeries(),
    "land-cover": land_cover.LandCover(),
}


def of(name: str) -> Project:
    """The project called `name`.

    Raises:
        Misconfigured: if this version of the scorer does not know it.
    """
    if name not in _PROJECTS:
        raise Misconfigured(f"the scorer knows no project {name[:40]!r}; deploy the cohort again")
    return _PROJECTS[name]
