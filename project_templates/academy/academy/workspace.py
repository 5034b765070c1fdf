"""Where am I: finds and reads the workspace config, which the team's or advisors' stack wrote.

In a Studio space the metadata file names the space, and the parameter
``/academy/workspaces/<space>`` holds the config. Elsewhere the environment variable
ACADEMY_WORKSPACE names the parameter, or a JSON file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from academy.errors import NotInAWorkspace

VERSION = 1
METADATA = "/opt/ml/metadata/resource-metadata.json"
METADATA_VARIABLE = "ACADEMY_RESOURCE_METADATA"
WORKSPACE_VARIABLE = "ACADEMY_WORKSPACE"
PARAMETERS = "/academy/workspaces/"


@dataclass(frozen=True)
class Workspace:
    """A learner's or an advisor's place in a cohort.

    An advisor is `learner` here as well, has an empty `team` and prefixes that take one.
    """

    cohort: str
    region: str
    learner: str
    team: str
    teammates: tuple[str, ...]
    buckets: Mapping[str, str]
    prefixes: Mapping[str, str]
    broker: str
    projects: tuple[str, ...]
    training_instances: tuple[str, ...]
    max_hours: float
    submissions_per_day: int | None
    closes: str | None
    #: The role of the team's jobs; the space itself has another.
    training_role: str = ""
    #: Whether it reaches the cohort's data and AWS alone, and no internet.
    private: bool = False
    #: Whether it is an advisor's, who reads every team's work and writes none.
    advises: bool = False
    #: The parameters that say who is in which team, for advisors.
    roster: tuple[str, ...] = ()
    #: GPUs of the instance types that jobs run on, by type, for advisors.
    gpus: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], source: str) -> Workspace:
        """Reads the config's JSON; `source` says in errors where it came from."""
        try:
            version = document["version"]
            if version != VERSION:
                raise NotInAWorkspace(
                    f"{source} has version {version!r}; this academy library reads version "
                    f"{VERSION}. Restart your space to get the matching library."
                )
            competition = document.get("competition") or {}
            training = document["training"]
            return cls(
                cohort=document["cohort"],
                region=document["region"],
                learner=document["learner"],
                team=document["team"],
                teammates=tuple(document["teammates"]),
                buckets={name: document["buckets"][name] for name in ("data", "work", "site")},
                prefixes={
                    name: document["prefixes"][name]
                    for name in ("team", "datasets", "submissions", "receipts", "boards")
                },
                broker=document["broker"],
                projects=tuple(document["projects"]),
                training_instances=tuple(training["instances"]),
                max_hours=float(training["max_hours"]),
                submissions_per_day=competition.get("submissions_per_day"),
                closes=competition.get("closes"),
                training_role=str(document.get("training_role") or ""),
                private=document.get("network") == "private",
                advises=document.get("kind") == "advisor",
                roster=tuple(map(str, document.get("roster") or ())),
                gpus={name: int(count) for name, count in (document.get("gpus") or {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise NotInAWorkspace(
                f"{source} is not a workspace config ({type(problem).__name__}: {problem}). "
                "Tell your advisor."
            ) from None

    def prefix(self, kind: str, project: str) -> str:
        """The prefix of `kind` (submissions, receipts) for `project`."""
        return self.prefixes[kind].replace("{project}", project)

    def of_team(self, team: str) -> Workspace:
        """The same for one team, as an advisor looks at it."""
        prefixes = {kind: each.replace("{team}", team) for kind, each in self.prefixes.items()}
        return replace(self, team=team, prefixes=prefixes)


def read(
    get_parameter: Callable[[str, str | None], str], environ: Mapping[str, str] | None = None
) -> Workspace:
    """The workspace this process runs in.

    Parameters
    ----------
    get_parameter
        Gives the value of an SSM parameter; called with its name and the region, if known.
    environ
        The environment; `os.environ` by default.
    """
    env = os.environ if environ is None else environ
    named = env.get(WORKSPACE_VARIABLE)
    if named:
        file = Path(named)
        if named.endswith(".json") or file.is_file():
            return Workspace.from_document(_json_file(file), str(file))
        return _from_parameter(named, None, get_parameter)
    metadata = Path(env.get(METADATA_VARIABLE) or METADATA)
    if not metadata.is_file():
        raise NotInAWorkspace(
            "This is not one of the academy's spaces, so I don't know who you are. Open your "
            f"space, or set {WORKSPACE_VARIABLE} to your workspace's parameter or JSON file."
        )
    space = _json_file(metadata)
    name = space.get("SpaceName")
    if not isinstance(name, str) or not name:
        raise NotInAWorkspace(f"{metadata} names no space. Open your private space in Studio.")
    arn = str(space.get("ResourceArn", "")).split(":")
    return _from_parameter(PARAMETERS + name, arn[3] if len(arn) > 3 else None, get_parameter)


def _from_parameter(
    name: str, region: str | None, get_parameter: Callable[[str, str | None], str]
) -> Workspace:
    text = get_parameter(name, region)
    try:
        document = json.loads(text)
    except ValueError:
        raise NotInAWorkspace(f"Parameter {name} is not JSON. Tell your advisor.") from None
    return Workspace.from_document(document, f"Parameter {name}")


def _json_file(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise NotInAWorkspace(f"{path} cannot be read: {problem.strerror}.") from None
    except ValueError:
        raise NotInAWorkspace(f"{path} is not JSON.") from None
    if not isinstance(document, dict):
        raise NotInAWorkspace(f"{path} holds no JSON object.")
    return document
