"""Cohorts of any size, for the benchmarks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import yaml

from infra.cli.demo.stage import EXAMPLE


def cohort_of(folder: Path, size: int) -> Path:
    """A cohort of `size` learners in teams of two."""
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    today = dt.datetime.now(dt.UTC).date()
    ids = [f"learner-{number:03d}" for number in range(size)]
    document |= {
        "name": "many",
        "starts": today,
        "ends": today + dt.timedelta(days=90),
        "teams": [
            {
                "id": f"team-{number // 2:03d}",
                "learners": [
                    {"id": each, "email": f"{each}@example.org"}
                    for each in ids[number : number + 2]
                ],
            }
            for number in range(0, size, 2)
        ],
    }
    document["competition"]["closes"] = today + dt.timedelta(days=60)
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
