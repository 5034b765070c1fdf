"""Every policy of the example cohort, as CloudFormation would make it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.assurance.iam import PolicyKind
from infra.assurance.templates import Resource, Templates
from infra.cli.plan import synthesized
from infra.cohort.loading import load

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass(frozen=True)
class Document:
    """One policy. `holder` is what it is attached to: a role's or a resource's ARN."""

    id: str
    kind: PolicyKind
    holder: str
    body: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Role:
    name: str
    arn: str
    identity: tuple[Document, ...]
    boundary: Document | None
    trust: Document

    @property
    def session(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/agreement"


@dataclass(frozen=True)
class Corpus:
    """The roles, and the policies that resources have of their own."""

    roles: tuple[Role, ...]
    resources: tuple[Document, ...]

    def documents(self) -> Iterator[Document]:
        seen = set()
        for role in self.roles:
            boundary = () if role.boundary is None else (role.boundary,)
            for document in (*role.identity, *boundary, role.trust):
                if document.id not in seen:
                    seen.add(document.id)
                    yield document
        yield from self.resources


def corpus() -> Corpus:
    """The policies of cohorts/example.yaml, synthesized and resolved."""
    cohort = load(ROOT / "cohorts" / "example.yaml")
    return _Reader(synthesized(cohort, account=ACCOUNT)).read()


#: Resource types with a policy of their own: the member that holds it, what names the resource.
_POLICIES = {
    "AWS::S3::BucketPolicy": ("PolicyDocument", "Bucket"),
    "AWS::SQS::QueuePolicy": ("PolicyDocument", "Queues"),
    "AWS::SNS::TopicPolicy": ("PolicyDocument", "Topics"),
    "AWS::KMS::Key": ("KeyPolicy", None),
    "AWS::ECR::Repository": ("RepositoryPolicyText", None),
}
#: A resource's ARN from what names it in its properties.
_ARNS = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{name}"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}"),
    "AWS::KMS::Key": (None, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{name}}"),
    "AWS::ECR::Repository": (
        "RepositoryName",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{name}}",
    ),
    "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role{{path}}{{name}}"),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        f"arn:aws:iam::{ACCOUNT}:policy{{path}}{{name}}",
    ),
}
#: Types whose Ref is their ARN.
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::IAM::ManagedPolicy")


class _Reader:
    """Resolves what the templates' policies refer to."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates

    def read(self) -> Corpus:
        managed = {
            self.arn(resource): Document(
                f"boundary:{resource.properties['ManagedPolicyName']}",
                "identity",
                self.arn(resource),
                self.resolved(resource, resource.properties["PolicyDocument"]),
            )
            for resource in self.templates.resources("AWS::IAM::ManagedPolicy")
        }
        roles = tuple(
            self.role(resource, managed) for resource in self.templates.resources("AWS::IAM::Role")
        )
        return Corpus(roles, tuple(self.resource_policies()))

    def role(self, resource: Resource, managed: Mapping[str, Document]) -> Role:
        given, arn = resource.properties, self.arn(resource)
        unread = {"ManagedPolicyArns"} & set(given)
        assert not unread, f"{resource} has {unread}, which this reader does not follow"
        name = str(given["RoleName"])
        identity = tuple(
            Document(
                f"{name}/{policy['PolicyName']}",
                "identity",
                arn,
                self.resolved(resource, policy["PolicyDocument"]),
            )
            for policy in given.get("Policies", ())
        )
        boundary = given.get("PermissionsBoundary")
        trust = self.resolved(resource, given["AssumeRolePolicyDocument"])
        return Role(
            name,
            arn,
            identity,
            None if boundary is None else managed[self.resolved(resource, boundary)],
            Document(f"trust:{name}", "trust", arn, trust),
        )

    def resource_policies(self) -> Iterator[Document]:
        for type_, (member, holder) in _POLICIES.items():
            for resource in self.templates.resources(type_):
                if member not in resource.properties:
                    continue
                owner = resource
                if holder is not None:
                    named = resource.properties[holder]
                    named = named[0] if isinstance(named, list) else named
                    found = self.templates.referred(resource, named)
                    assert found is not None, f"{resource} is of {named}, which is not here"
                    owner = found
                arn = self.arn(owner)
                body = self.resolved(resource, resource.properties[member])
                yield Document(f"resource:{arn}", "resource", arn, body)

    def arn(self, resource: Resource) -> str:
        member, pattern = _ARNS[resource.type]
        name = resource.logical_id if member is None else resource.properties[member]
        return pattern.format(name=name, path=resource.properties.get("Path", "/"))

    def resolved(self, resource: Resource, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolved(resource, each) for each in value]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Fn::Join":
                return argument[0].join(self.resolved(resource, argument[1]))
            if function == "Ref" and argument == "AWS::Partition":
                return "aws"
            if function in ("Ref", "Fn::GetAtt"):
                found = self.templates.referred(resource, value)
                assert found is not None, f"{resource} refers to {value}, which is not here"
                if function == "Ref" and found.type not in _REF_IS_ARN:
                    return found.properties[_ARNS[found.type][0] or ""]
                return self.arn(found)
            assert not function.startswith("Fn::"), f"{resource} uses {function}"
        return {key: self.resolved(resource, each) for key, each in value.items()}


def as_text(body: Mapping[str, Any]) -> str:
    return json.dumps(body)
