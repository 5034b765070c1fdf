"""Projects: what a build is made from, and as whom."""

from __future__ import annotations

import re
from typing import Any

from moto.codebuild.exceptions import ResourceAlreadyExistsException

from infra.offline.authorization import enforcement
from infra.offline.services.codebuild.operations import (
    Project,
    Request,
    Response,
    State,
    arn,
    invalid,
    not_found,
    now,
    operation,
    state,
    tags_of,
)
from infra.offline.services.sagemaker.validation import Only, Support

SERVICE = "codebuild.amazonaws.com"
DEFAULT_TIMEOUT_MINUTES = 60
DEFAULT_QUEUED_MINUTES = 480

#: What is emulated of a project.
PROJECT: Support = {
    "name": None,
    "description": None,
    "source": {
        "type": Only(("S3",), "sources come from S3, as a zip file"),
        "location": None,
        "buildspec": None,
    },
    "sourceVersion": None,
    "artifacts": {"type": Only(("NO_ARTIFACTS",), "builds leave no artifacts in S3")},
    "cache": {"type": Only(("NO_CACHE",), "every build starts from nothing")},
    "environment": {
        "type": Only(("LINUX_CONTAINER",), "builds run on this machine"),
        # Recorded: no container is pulled.
        "image": None,
        "computeType": None,
        "environmentVariables": {
            "name": None,
            "value": None,
            "type": Only(("PLAINTEXT",), "neither parameters nor secrets are fetched"),
        },
        "privilegedMode": None,
        "imagePullCredentialsType": Only(("CODEBUILD",), "no container is pulled"),
    },
    "serviceRole": None,
    "timeoutInMinutes": None,
    "queuedTimeoutInMinutes": None,
    # Recorded: there are no artifacts to encrypt.
    "encryptionKey": None,
    "tags": None,
    "badgeEnabled": Only((False,), "there are no badges"),
    "logsConfig": {
        "cloudWatchLogs": {
            "status": Only(("ENABLED",), "the log always goes to CloudWatch Logs"),
            "groupName": None,
            "streamName": None,
        },
        "s3Logs": {"status": Only(("DISABLED",), "the log goes to CloudWatch Logs")},
    },
}

_LOCATION = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.+\.zip)")


def source_of(project: Request) -> tuple[str, str]:
    """Bucket and key of a project's source."""
    found = _LOCATION.fullmatch(str(project["source"].get("location", "")))
    if found is None:
        raise invalid(
            "Invalid project source: location must be BUCKET/KEY of a .zip file in the embedded "
            f"cloud, not {project['source'].get('location')!r}."
        )
    return found["bucket"], found["key"]


def of_name(kept: State, name: str, backend: Any) -> Project:
    if name not in kept.projects:
        raise not_found(f"Project cannot be found: {arn(backend, f'project/{name}')}")
    return kept.projects[name]


def require_assumable(role: str, project_arn: str) -> None:
    """Raise CodeBuild's InvalidInputException unless it may take the role for the project."""
    if not enforcement.service_may_assume(role, SERVICE, source_arn=project_arn):
        raise invalid(
            f"CodeBuild is not authorized to perform: sts:AssumeRole on service role {role}. "
            "Please verify that: 1) The provided service role exists, 2) The role name is "
            f"case-sensitive and matches exactly, and 3) The role trusts {SERVICE}."
        )


def _check(project: Request, project_arn: str) -> None:
    source_of(project)
    require_assumable(project["serviceRole"], project_arn)
    names = [each["name"] for each in project["environment"].get("environmentVariables", ())]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Environment variable {name} is defined twice.")


def shown(project: Project) -> Response:
    """A project as BatchGetProjects shows it."""
    return {
        "timeoutInMinutes": DEFAULT_TIMEOUT_MINUTES,
        "queuedTimeoutInMinutes": DEFAULT_QUEUED_MINUTES,
        "cache": {"type": "NO_CACHE"},
        **project.request,
        "environment": {
            "environmentVariables": [],
            "privilegedMode": False,
            **project.request["environment"],
        },
        "arn": project.arn,
        "created": project.created,
        "lastModified": project.modified,
        "badge": {"badgeEnabled": False},
        "tags": tags_of(project.request),
    }


@operation("CreateProject", PROJECT)
def create_project(backend: Any, request: Request) -> Response:
    kept = state(backend)
    project_arn = arn(backend, f"project/{request['name']}")
    _check(request, project_arn)
    with kept.lock:
        if request["name"] in kept.projects:
            raise ResourceAlreadyExistsException(f"Project already exists: {project_arn}")
        moment = now()
        project = Project(project_arn, request, moment, moment)
        kept.projects[project.name] = project
        return {"project": shown(project)}


@operation("UpdateProject", PROJECT)
def update_project(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        project = of_name(kept, request["name"], backend)
        changed = {**project.request, **request}
        _check(changed, project.arn)
        project.request, project.modified = changed, now()
        return {"project": shown(project)}


@operation("DeleteProject", {"name": None})
def delete_project(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        kept.projects.pop(request["name"], None)
    return {}


@operation("BatchGetProjects", {"names": None})
def batch_get_projects(backend: Any, request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        names = [each.removeprefix(arn(backend, "project/")) for each in request["names"]]
        return {
            "projects": [shown(kept.projects[name]) for name in names if name in kept.projects],
            "projectsNotFound": [name for name in names if name not in kept.projects],
        }


@operation("ListProjects", {"sortBy": Only(("NAME",), "projects are listed by name")})
def list_projects(backend: Any, _request: Request) -> Response:
    kept = state(backend)
    with kept.lock:
        return {"projects": sorted(kept.projects)}
