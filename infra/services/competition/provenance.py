"""Where an entry comes from: the training job that its sender names, what it ran on, what it cost.

The name is the sender's word. It counts only for a job of the sender's own team that SageMaker
knows, and what it ran on is then SageMaker's word. Provenance is shown, never scored: that it
cannot be found out fails nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.cohort.naming import JobName

#: Said where SageMaker could not be asked, or what it answered is no image's name.
UNKNOWN = "unknown"
#: Hexadecimal digits of a digest that are shown: enough to tell builds apart.
DIGITS = 12

_REFERENCE = re.compile(
    r"(?P<registry>[a-z0-9.-]{1,255})/(?P<repository>[a-z0-9][a-z0-9/._-]{0,255})"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|@sha256:(?P<digest>[0-9a-f]{64}))"
)


@dataclass(frozen=True)
class Trained:
    """What SageMaker says of a training job: its image in full, and what it computed on.

    `seconds` are the billed ones of each instance: 0 while the job has not ended.
    """

    image: str = UNKNOWN
    instance: str = ""
    instances: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class Provenance:
    """The job that made an entry, empty where no job of the team's is known, and what is known of
    it."""

    job: str = ""
    trained: Trained = Trained("")


def of_team(job: str, cohort: str, team: str) -> bool:
    """Whether `job` is the name of a job of this team's in this cohort."""
    name = JobName.parse(job) if len(job) <= 63 else None
    return name is not None and (name.cohort, name.team) == (cohort, team)


def short(image: str) -> str:
    """`image` as it may be shown to everybody: without the account, and a digest cut short.

    >>> short("123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/x-cpu@sha256:" + 64 * "a")
    'academy/x-cpu@aaaaaaaaaaaa'
    >>> short("763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312")
    'pytorch-training:2.8.0-cpu-py312'
    >>> short("<b>"), short("")
    ('unknown', '')
    """
    if not image:
        return ""
    found = _REFERENCE.fullmatch(image)
    if found is None:
        return UNKNOWN
    if found["digest"]:
        return f"{found['repository']}@{found['digest'][:DIGITS]}"
    return f"{found['repository']}:{found['tag']}"
