"""Repositories: the one of `cdk bootstrap`, and those of the academy's images."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    Refused,
    ResourceType,
    Scope,
    is_set,
    tag_changes,
)


class Repository(ResourceType):
    """A repository with its lifecycle and policy."""

    type: ClassVar[str] = "AWS::ECR::Repository"
    properties: ClassVar[tuple[str, ...]] = (
        "EmptyOnDelete",
        "EncryptionConfiguration",
        "ImageScanningConfiguration",
        "ImageTagMutability",
        "LifecyclePolicy",
        "RepositoryName",
        "RepositoryPolicyText",
        "Tags",
    )
    replaced_by: ClassVar[tuple[str, ...]] = ("EncryptionConfiguration", "RepositoryName")
    attributes: ClassVar[tuple[str, ...]] = ("Arn", "RepositoryUri")
    named_by: ClassVar[str | None] = "RepositoryName"

    importable: ClassVar[bool] = True

    def existing(self, wanted: Properties, scope: Scope) -> Made | None:
        try:
            return self._made(wanted["RepositoryName"], scope)
        except Refused as error:
            if error.code == "RepositoryNotFoundException":
                return None
            raise

    def create(self, wanted: Properties, scope: Scope) -> Made:
        encryption = wanted.get("EncryptionConfiguration")
        name = wanted.get("RepositoryName") or scope.generated_name(256, lower=True)
        scope.call(
            "ecr",
            "CreateRepository",
            repositoryName=name,
            imageTagMutability=wanted.get("ImageTagMutability"),
            encryptionConfiguration=None
            if encryption is None
            else {_camel(key): value for key, value in encryption.items()},
            tags=list(wanted.get("Tags", ())) or None,
        )
        scope.exists(name)
        self._set(name, {}, wanted, scope)
        return self._made(name, scope)

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        if before.get("ImageTagMutability") != wanted.get("ImageTagMutability"):
            scope.call(
                "ecr",
                "PutImageTagMutability",
                repositoryName=made,
                imageTagMutability=wanted.get("ImageTagMutability", "MUTABLE"),
            )
        self._set(made, before, wanted, scope)
        set_tags, removed = tag_changes(before, wanted)
        described = self._made(made, scope)
        arn = described.attributes["Arn"]
        if removed:
            scope.call("ecr", "UntagResource", resourceArn=arn, tagKeys=removed)
        if set_tags:
            scope.call("ecr", "TagResource", resourceArn=arn, tags=set_tags)
        return described

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        force = is_set(properties.get("EmptyOnDelete", False))
        scope.attempt(
            "ecr",
            "DeleteRepository",
            unless=("RepositoryNotFoundException",),
            repositoryName=made,
            force=force,
        )

    @staticmethod
    def _set(name: str, before: Properties, wanted: Properties, scope: Scope) -> None:
        lifecycle = wanted.get("LifecyclePolicy")
        if lifecycle != before.get("LifecyclePolicy"):
            if lifecycle is None:
                scope.call("ecr", "DeleteLifecyclePolicy", repositoryName=name)
            else:
                scope.call(
                    "ecr",
                    "PutLifecyclePolicy",
                    repositoryName=name,
                    lifecyclePolicyText=lifecycle["LifecyclePolicyText"],
                )
        policy = wanted.get("RepositoryPolicyText")
        if policy != before.get("RepositoryPolicyText"):
            if policy is None:
                scope.call("ecr", "DeleteRepositoryPolicy", repositoryName=name)
            else:
                scope.call(
                    "ecr",
                    "SetRepositoryPolicy",
                    repositoryName=name,
                    policyText=policy if isinstance(policy, str) else json.dumps(policy),
                )
        scanning: Any = wanted.get("ImageScanningConfiguration")
        if scanning != before.get("ImageScanningConfiguration"):
            scope.call(
                "ecr",
                "PutImageScanningConfiguration",
                repositoryName=name,
                imageScanningConfiguration={
                    "scanOnPush": is_set((scanning or {}).get("ScanOnPush", False))
                },
            )

    @staticmethod
    def _made(name: str, scope: Scope) -> Made:
        found = scope.call("ecr", "DescribeRepositories", repositoryNames=[name])
        repository = found["repositories"][0]
        return Made(
            name,
            {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]},
        )


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


TYPES: tuple[ResourceType, ...] = (Repository(),)
