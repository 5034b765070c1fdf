"""The cohort's settings as the services read them: one SSM parameter, `/academy/<cohort>/settings`.

The Guard stack writes `settings_document(...)` into it; broker, settler, sweep and scorer read it.
It is small at any number of learners (SSM's standard tier holds 4 KB): who belongs to which team
stands in the workspace parameters instead.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from infra.services.guard.problems import Misconfigured

VERSION = 1


def settings_document(
    *,
    cohort: str,
    region: str,
    starts: dt.date,
    ends: dt.date,
    cap_micro_usd: int,
    studio_instances: list[str],
    studio_max_hours: int,
    training_instances: list[str],
    training_max_hours: int,
    training_max_instances: int,
    projects: list[str],
    data_bucket: str,
    work_bucket: str,
    schedule_group: str,
    stopper_role_arn: str,
    submissions_per_day: int,
    closes: dt.date,
) -> str:
    """The parameter's value: JSON text. Values may hold CDK tokens; this module knows no CDK.

    Args:
        cap_micro_usd: each learner's cap in micro-dollars, `int(budget.per_learner_usd * 10**6)`.
        starts, ends, closes: dates of the cohort file; the last day counts in full, in UTC.
        schedule_group, stopper_role_arn: where the one-time stops of spaces are written, and the
            role under which EventBridge Scheduler carries them out.
    """
    document = {
        "version": VERSION,
        "cohort": cohort,
        "region": region,
        "starts": starts.isoformat(),
        "ends": ends.isoformat(),
        "cap_micro_usd": cap_micro_usd,
        "studio": {"instances": studio_instances, "max_hours": studio_max_hours},
        "training": {
            "instances": training_instances,
            "max_hours": training_max_hours,
            "max_instances": training_max_instances,
        },
        "projects": projects,
        "buckets": {"data": data_bucket, "work": work_bucket},
        "schedule_group": schedule_group,
        "stopper_role_arn": stopper_role_arn,
        "competition": {
            "submissions_per_day": submissions_per_day,
            "closes": closes.isoformat(),
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Settings:
    """What the broker holds every request against. Money in micro-dollars, dates in UTC."""

    cohort: str
    region: str
    starts: dt.date
    ends: dt.date
    cap_micro_usd: int
    studio_instances: tuple[str, ...]
    studio_max_hours: int
    training_instances: tuple[str, ...]
    training_max_hours: int
    training_max_instances: int
    projects: tuple[str, ...]
    data_bucket: str
    work_bucket: str
    schedule_group: str
    stopper_role_arn: str

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The settings in the parameter's value.

        Raises:
            Misconfigured: naming what is missing or malformed.
        """
        try:
            document: Any = json.loads(text)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}, this code reads {VERSION}")
            cap = document["cap_micro_usd"]
            if isinstance(cap, bool) or not isinstance(cap, int) or cap < 0:
                raise ValueError(f"cap_micro_usd {cap!r} is not a whole number of micro-dollars")
            return cls(
                cohort=str(document["cohort"]),
                region=str(document["region"]),
                starts=dt.date.fromisoformat(document["starts"]),
                ends=dt.date.fromisoformat(document["ends"]),
                cap_micro_usd=cap,
                studio_instances=tuple(document["studio"]["instances"]),
                studio_max_hours=int(document["studio"]["max_hours"]),
                training_instances=tuple(document["training"]["instances"]),
                training_max_hours=int(document["training"]["max_hours"]),
                training_max_instances=int(document["training"]["max_instances"]),
                projects=tuple(document["projects"]),
                data_bucket=str(document["buckets"]["data"]),
                work_bucket=str(document["buckets"]["work"]),
                schedule_group=str(document["schedule_group"]),
                stopper_role_arn=str(document["stopper_role_arn"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise Misconfigured(f"the cohort's settings: {error!r}") from None

    @property
    def opens_at(self) -> dt.datetime:
        """The first instant of `starts`, UTC."""
        return dt.datetime.combine(self.starts, dt.time(), tzinfo=dt.UTC)

    @property
    def closes_at(self) -> dt.datetime:
        """The first instant after the day `ends`, UTC: from here on nothing may run."""
        return dt.datetime.combine(self.ends + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)
