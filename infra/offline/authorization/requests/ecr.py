"""ECR."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.offline.authorization.requests.asking import Question, Unmodelled, arn_of, maps, name_of
from infra.offline.authorization.wire import Call, WireError

_REPOSITORY = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"


def pulling(repository_arn: str) -> Iterator[Question]:
    """What a service asks of a role before it pulls an image for it.

    Source: "CreateTrainingJob API: execution role permissions", SageMaker developer guide; that
    ecr:GetAuthorizationToken is needed besides is asked there too, of all resources.
    """
    yield Question("ecr:GetAuthorizationToken", "*")
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Question(f"ecr:{action}", repository_arn)


@maps("ecr", "GetAuthorizationToken")
def _registry_token(call: Call, account: str) -> Iterator[Question]:
    if set(call.params.get("registryIds") or ()) - {account}:
        raise Unmodelled("GetAuthorizationToken of other accounts' registries is not modelled")
    yield Question("ecr:GetAuthorizationToken", "*")


@maps(
    "ecr",
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "CompleteLayerUpload",
    "DescribeImages",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "InitiateLayerUpload",
    "ListImages",
    "PutImage",
    "UploadLayerPart",
)
def _repository(call: Call, account: str) -> Iterator[Question]:
    name = name_of(call, "repositoryName", _REPOSITORY)
    yield Question(f"ecr:{call.operation}", _repository_arn(call, account, name))


@maps("ecr", "DescribeRepositories")
def _repositories(call: Call, account: str) -> Iterator[Question]:
    # Without names it is a question about all of them.
    for name in call.params.get("repositoryNames") or ["*"]:
        if name != "*" and not (isinstance(name, str) and re.fullmatch(_REPOSITORY, name)):
            raise WireError("InvalidParameterException", f"repositoryName {name!r}")
        yield Question("ecr:DescribeRepositories", _repository_arn(call, account, name))


def _repository_arn(call: Call, account: str, name: str) -> str:
    if call.params.get("registryId", account) != account:
        raise Unmodelled("registries of other accounts are not modelled")
    return arn_of(call, account, "ecr", f"repository/{name}")
