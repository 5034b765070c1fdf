"""The modelled resource types, a module a service. `find` has every one by its template name."""

from __future__ import annotations

from infra.offline.services.cloudformation.resource import ResourceType
from infra.offline.services.cloudformation.types import (
    apigateway,
    budgets,
    cdk,
    chatbot,
    cloudwatch,
    codebuild,
    cognito,
    dynamodb,
    ec2,
    ecr,
    event_invoke,
    events,
    functions,
    iam,
    kms,
    logs,
    s3,
    sagemaker,
    scheduler,
    sns,
    sqs,
    ssm,
)

_MODELS: dict[str, ResourceType] = {
    model.type: model
    for module in (
        apigateway,
        budgets,
        cdk,
        chatbot,
        cloudwatch,
        codebuild,
        cognito,
        dynamodb,
        ec2,
        ecr,
        event_invoke,
        events,
        functions,
        iam,
        kms,
        logs,
        s3,
        sagemaker,
        scheduler,
        sns,
        sqs,
        ssm,
    )
    for model in module.TYPES
}


def find(kind: str) -> ResourceType | None:
    """The model of a type, or None if the embedded cloud has none."""
    return _MODELS.get(kind)


def modelled() -> tuple[str, ...]:
    """The names of the modelled types."""
    return tuple(sorted(_MODELS))
