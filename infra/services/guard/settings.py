"""The cohort's settings as the services read them: one SSM parameter, `/academy/<cohort>/settings`.

The Guard stack writes `settings_document(...)` into it; broker, settler, sweep and scorer read it.
It is small at any number of learners (SSM's standard tier holds 4 KB): who belongs to which team
stands in the workspace parameters instead. Advisors are few, and stand in it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.services.guard.problems import Misconfigured

#: A member that is new and may be missing leaves it as it is: function and parameter change in one
#: deploy, one after the other, and each must be able to live with the other's last state.
VERSION = 1
#: Characters of a parameter of SSM's standard tier (PutParameter).
MAX_CHARACTERS = 4096

_APP_IMAGE = re.compile(
    r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:[0-9]{12}:image-version/[a-z0-9-]{1,63}/[0-9]{1,9}"
)
_JOB_IMAGE = re.compile(
    r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com[a-z.]*/[a-z0-9/._-]+@sha256:[0-9a-f]{64}"
)
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_SECURITY_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")


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
    images: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
    advisors: Sequence[str] = (),
    advisor_cap_micro_usd: int = 0,
    network: Mapping[str, list[str]] | None = None,
) -> str:
    """The parameter's value: JSON text. Values may hold CDK tokens; this module knows no CDK.

    Args:
        cap_micro_usd: each learner's cap in micro-dollars, `int(budget.per_learner_usd * 10**6)`.
        starts, ends, closes: dates of the cohort file; the last day counts in full, in UTC.
        schedule_group, stopper_role_arn: where the one-time stops of spaces are written, and the
            role under which EventBridge Scheduler carries them out.
        images: project -> accelerator (cpu, gpu) -> {"app": the ARN of the SageMaker image version
            that a space starts on, "job": the URI of a training job's image, by digest}. None
            where spaces and jobs start on AWS's own images.
        advisors, advisor_cap_micro_usd: who has a space and no team, and what each may spend.
        network: {"subnets": […], "security_groups": […]} of a private network, which every job
            stands in. None where jobs run in SageMaker's own.
    """
    document: dict[str, Any] = {
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
        "images": {
            project: {accelerator: dict(image) for accelerator, image in by_accelerator.items()}
            for project, by_accelerator in (images or {}).items()
        },
    }
    if advisors:
        document["advisors"] = {"ids": list(advisors), "cap_micro_usd": advisor_cap_micro_usd}
    if network is not None:
        document["network"] = {name: list(ids) for name, ids in network.items()}
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def accelerator(instance: str) -> str:
    """What an instance type computes on: families g and p carry GPUs."""
    return "gpu" if instance.split(".")[1][0] in "gp" else "cpu"


@dataclass(frozen=True)
class Image:
    """One of the academy's images: `app` is the ARN of the image version that a space starts on,
    `job` the URI of the same layers for a training job."""

    app: str
    job: str

    @property
    def app_image(self) -> str:
        """The ARN of the SageMaker image that `app` is a version of."""
        return image_of_version(self.app)


def image_of_version(arn: str) -> str:
    """
    >>> image_of_version("arn:aws:sagemaker:us-east-1:123456789012:image-version/academy-x-cpu/3")
    'arn:aws:sagemaker:us-east-1:123456789012:image/academy-x-cpu'
    """
    prefix, name, _ = arn.rsplit("/", 2)
    return f"{prefix.removesuffix('image-version')}image/{name}"


@dataclass(frozen=True)
class JobNetwork:
    """The subnets and security groups of a private network, which every job stands in."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]


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
    #: By project and accelerator; empty where spaces and jobs start on AWS's own images.
    images: Mapping[tuple[str, str], Image] = field(default_factory=dict)
    #: Who has a space, a cap of `advisor_cap_micro_usd`, and no team.
    advisors: frozenset[str] = frozenset()
    advisor_cap_micro_usd: int = 0
    #: None where jobs run in SageMaker's own network.
    network: JobNetwork | None = None

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
            cap = _cap(document)
            advisors = document.get("advisors") or {"ids": [], "cap_micro_usd": 0}
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
                images=_images(document.get("images") or {}),
                network=_network(document["network"]) if "network" in document else None,
                advisors=frozenset(str(advisor) for advisor in advisors["ids"]),
                advisor_cap_micro_usd=_cap(advisors),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Misconfigured(f"the cohort's settings: {error!r}") from None

    def image(self, project: str, instance: str) -> Image | None:
        """The academy's image for `project` on `instance`, or None where AWS's own are used.

        Raises:
            Misconfigured: if the cohort has images, but none for these: never AWS's own by chance.
        """
        if not self.images:
            return None
        found = self.images.get((project, accelerator(instance)))
        if found is None:
            raise Misconfigured(f"the cohort's settings have no image for {project} on {instance}")
        return found

    def cap_of(self, person: str) -> int:
        """What the cohort file lets this learner or advisor spend, in micro-dollars."""
        return self.advisor_cap_micro_usd if person in self.advisors else self.cap_micro_usd

    @property
    def opens_at(self) -> dt.datetime:
        """The first instant of `starts`, UTC."""
        return dt.datetime.combine(self.starts, dt.time(), tzinfo=dt.UTC)

    @property
    def closes_at(self) -> dt.datetime:
        """The first instant after the day `ends`, UTC: from here on nothing may run."""
        return dt.datetime.combine(self.ends + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)


def _cap(document: Mapping[str, Any]) -> int:
    cap = document["cap_micro_usd"]
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 0:
        raise ValueError(f"cap_micro_usd {cap!r} is not a whole number of micro-dollars")
    return cap


def _network(document: Mapping[str, list[str]]) -> JobNetwork:
    """Never a job outside by chance: what is there must name both, or nothing starts."""
    found = {}
    for name, pattern in (("subnets", _SUBNET), ("security_groups", _SECURITY_GROUP)):
        ids = document[name]
        if not ids or not all(pattern.fullmatch(each) for each in ids):
            raise ValueError(f"network {name} {ids!r}")
        found[name] = tuple(ids)
    return JobNetwork(**found)


def _images(document: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Image]:
    found = {}
    for project, by_accelerator in document.items():
        for kind, members in by_accelerator.items():
            image = Image(app=str(members["app"]), job=str(members["job"]))
            for value, pattern in ((image.app, _APP_IMAGE), (image.job, _JOB_IMAGE)):
                if not pattern.fullmatch(value):
                    raise ValueError(f"image {value!r} of {project}, {kind}")
            found[project, kind] = image
    return found
