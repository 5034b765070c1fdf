"""Policies where templates put them: in roles, beside roles, on resources, beside resources.

Each kind of resource with a policy of its own has one reader here, which says what CloudFormation
makes of the member that holds it. What has a statement in it and no reader is an error
(`unread_policies`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.assurance.isolation.reading.members import unknown
from infra.assurance.isolation.reading.resolving import Resolver, Unreadable, qualified, reading
from infra.assurance.templates import Resource

#: A policy as it is written, references resolved.
Body = Mapping[str, Any]

VERSION = "2012-10-17"

#: The version of a function that has the code of the template.
LATEST = "$LATEST"

#: Where policies stand: type -> members. A statement in another member is an error.
_PLACES: Mapping[str, frozenset[str]] = {
    "AWS::DynamoDB::Table": frozenset({"ResourcePolicy"}),
    "AWS::EC2::VPCEndpoint": frozenset({"PolicyDocument"}),
    "AWS::ECR::Repository": frozenset({"RepositoryPolicyText"}),
    "AWS::Events::EventBus": frozenset({"Policy"}),
    "AWS::Events::EventBusPolicy": frozenset({"Statement"}),
    "AWS::IAM::ManagedPolicy": frozenset({"PolicyDocument"}),
    "AWS::IAM::Policy": frozenset({"PolicyDocument"}),
    "AWS::IAM::Role": frozenset({"AssumeRolePolicyDocument", "Policies"}),
    "AWS::IAM::RolePolicy": frozenset({"PolicyDocument"}),
    "AWS::KMS::Key": frozenset({"KeyPolicy"}),
    "AWS::S3::BucketPolicy": frozenset({"PolicyDocument"}),
    "AWS::SNS::TopicPolicy": frozenset({"PolicyDocument"}),
    "AWS::SQS::QueuePolicy": frozenset({"PolicyDocument"}),
    "AWS::SecretsManager::ResourcePolicy": frozenset({"ResourcePolicy"}),
}

#: Where roles are handed over: type -> members. A role's ARN in another member is an error.
_HANDED: Mapping[str, frozenset[str]] = {
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": frozenset({"IamRoleArn"}),
    "AWS::CodeBuild::Project": frozenset({"ServiceRole"}),
    "AWS::Events::Rule": frozenset({"Targets"}),
    # What a function is told is no right of its own: it runs under its role alone.
    "AWS::Lambda::Function": frozenset({"Role", "Environment"}),
    "AWS::SNS::Subscription": frozenset({"SubscriptionRoleArn"}),
    "AWS::SageMaker::Domain": frozenset({"DefaultUserSettings", "DefaultSpaceSettings"}),
    "AWS::SageMaker::Image": frozenset({"ImageRoleArn"}),
    "AWS::SageMaker::UserProfile": frozenset({"UserSettings"}),
    "AWS::Scheduler::Schedule": frozenset({"Target"}),
    # A text that someone reads.
    "AWS::SSM::Parameter": frozenset({"Value"}),
}
_ROLE_ARN = re.compile(r"^arn:[a-z-]+:iam::[0-9]*:role/")

#: Members by which AWS itself would give rights, in ways that are not modelled.
_REFUSED: Mapping[str, Mapping[str, str]] = {
    "AWS::DynamoDB::Table": {"ImportSourceSpecification": "reads a bucket"},
    "AWS::IAM::ManagedPolicy": {"Users": "users are unmodelled", "Groups": "so are groups"},
    "AWS::IAM::Policy": {"Users": "users are unmodelled", "Groups": "so are groups"},
    "AWS::S3::Bucket": {
        "AccessControl": "ACLs are unmodelled",
        "ReplicationConfiguration": "replication copies objects under a role",
    },
    "AWS::Lambda::Permission": {
        "EventSourceToken": "an Alexa skill",
        "PrincipalOrgID": "organizations are unmodelled",
        "FunctionUrlAuthType": "function URLs are unmodelled",
        "InvokedViaFunctionUrl": "function URLs are unmodelled",
    },
}


def check_members(resource: Resource) -> None:
    """Refuse what could carry rights and has no reader.

    Raises:
        Unreadable: naming resource and member.
    """
    for member, why in _REFUSED.get(resource.type, {}).items():
        if member in resource.properties:
            raise Unreadable(f"{resource} has {member}, which the proof does not read: {why}")
    places = _PLACES.get(resource.type, frozenset())
    handed = _HANDED.get(resource.type, frozenset())
    for member, value in resource.properties.items():
        if member not in places:
            for path in _statements(value, member):
                raise Unreadable(
                    f"{resource} has a policy in {path}, which the proof does not read"
                )
        if member not in (*handed, *places):
            for path in _roles(value, member):
                raise Unreadable(f"{resource} is handed a role in {path}, unknown to the proof")
    for path in unknown(resource.type, resource.properties):
        raise Unreadable(f"{resource} has {path}, which the proof does not know")
    if resource.type == "AWS::S3::Bucket":
        _check_owner(resource)
    version = resource.properties.get("FunctionVersion", LATEST)
    if version != LATEST:
        raise Unreadable(f"{resource} runs version {version}, whose code no template holds")


def _check_owner(resource: Resource) -> None:
    """With another ownership of objects than the default, S3 asks ACLs, which are unmodelled.

    Source: "Controlling ownership of objects and disabling ACLs for your bucket" (S3 user guide).
    """
    for rule in resource.properties.get("OwnershipControls", {}).get("Rules", ()):
        owner = rule.get("ObjectOwnership")
        if owner != "BucketOwnerEnforced":
            raise Unreadable(f"{resource} has the ObjectOwnership {owner}: ACLs are unmodelled")


def _statements(value: Any, path: str) -> Iterator[str]:
    """Where something looks like a policy: an object with statements, or one as a text."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if str(key).lower() in ("statement", "notprincipal"):
                yield f"{path}.{key}"
            yield from _statements(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _statements(each, f"{path}[{index}]")
    elif isinstance(value, str) and re.search(r'"statement"\s*:', value, re.IGNORECASE):
        yield path


def _roles(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _roles(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _roles(each, f"{path}[{index}]")
    elif isinstance(value, str) and _ROLE_ARN.match(value):
        yield path


# --- resources' policies --------------------------------------------------------------------------


class Attached:
    """The policies that stand beside a resource, by the resource's ARN."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._beside: dict[str, list[tuple[Resource, Body]]] = {}
        for type_, read in _BESIDE.items():
            for resource in resolver.resources(type_):
                with reading(resource):
                    for arn, body in read(resource, resolver):
                        self._beside.setdefault(arn, []).append((resource, body))

    def of(self, resource: Resource, arn: str) -> tuple[Resource, Body] | None:
        """The policy of `resource`, and the resource of the template that brings it.

        Raises:
            Unreadable: if there are two, of which CloudFormation would keep one.
        """
        read = _INSIDE.get(resource.type)
        inside = read(resource, arn) if read else None
        found = [] if inside is None else [(resource, inside)]
        found += self._beside.pop(arn, [])
        if not found:
            if resource.type == "AWS::SNS::Topic":
                raise Unreadable(
                    f"{resource} has no policy: SNS then gives it one that is not modelled"
                )
            return None
        if resource.type in _GATHERED:
            statements = [each for _, body in found for each in body["Statement"]]
            return found[0][0], {"Version": VERSION, "Statement": statements}
        if len(found) > 1:
            listed = " and ".join(str(each) for each, _ in found)
            raise Unreadable(f"{arn} has two policies, by {listed}: one overwrites the other")
        return found[0]

    def check_all_taken(self) -> None:
        """Raise for a policy of something that no template makes."""
        for arn, listed in self._beside.items():
            raise Unreadable(f"{listed[0][0]} is the policy of {arn}, which no template makes")


#: Several of these add up to one policy.
_GATHERED = ("AWS::Lambda::Function", "AWS::Events::EventBus")


def _document(resource: Resource, member: str) -> Body:
    """A policy document; some types take it as a text, too."""
    body = resource.properties[member]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError as error:
            raise Unreadable(f"{resource}: {member} is not JSON ({error})") from None
    if not isinstance(body, Mapping):
        raise Unreadable(f"{resource}: {member} is no policy but {body!r}")
    return body


def _bucket_policy(resource: Resource, _resolver: Resolver) -> Iterator[tuple[str, Body]]:
    yield f"arn:aws:s3:::{resource.properties['Bucket']}", _document(resource, "PolicyDocument")


def _queue_policy(resource: Resource, resolver: Resolver) -> Iterator[tuple[str, Body]]:
    for url in resource.properties["Queues"]:
        _, account, name = url.rsplit("/", 2)
        arn = f"arn:aws:sqs:{resolver.region}:{account}:{name}"
        yield arn, _document(resource, "PolicyDocument")


def _topic_policy(resource: Resource, _resolver: Resolver) -> Iterator[tuple[str, Body]]:
    for arn in resource.properties["Topics"]:
        yield arn, _document(resource, "PolicyDocument")


def _secret_policy(resource: Resource, _resolver: Resolver) -> Iterator[tuple[str, Body]]:
    yield resource.properties["SecretId"], _document(resource, "ResourcePolicy")


def _bus_policy(resource: Resource, resolver: Resolver) -> Iterator[tuple[str, Body]]:
    given = resource.properties
    unread = sorted(set(given) - {"EventBusName", "Statement", "StatementId"})
    if unread or "Statement" not in given:
        raise Unreadable(f"{resource} says who may by {', '.join(unread)}: use Statement")
    bus = given.get("EventBusName", "default").rpartition("/")[2]
    statement = {"Sid": given["StatementId"], **given["Statement"]}
    arn = f"arn:aws:events:{resolver.region}:{resolver.account}:event-bus/{bus}"
    yield arn, {"Version": VERSION, "Statement": [statement]}


def _permission(resource: Resource, resolver: Resolver) -> Iterator[tuple[str, Body]]:
    """The statement that Lambda's AddPermission writes.

    It holds for the very ARN that is named, with or without a qualifier ("Versioning, Aliases, and
    Resource Policies" in the Lambda developer guide).
    """
    given = resource.properties
    name, qualifier = qualified(given["FunctionName"])
    arn = f"arn:aws:lambda:{resolver.region}:{resolver.account}:function:{name}"
    conditions: dict[str, dict[str, str]] = {}
    if "SourceArn" in given:
        conditions["ArnLike"] = {"AWS:SourceArn": given["SourceArn"]}
    if "SourceAccount" in given:
        conditions["StringEquals"] = {"AWS:SourceAccount": str(given["SourceAccount"])}
    statement = {
        "Sid": resource.logical_id,
        "Effect": "Allow",
        "Principal": _principal(str(given["Principal"])),
        "Action": given["Action"],
        "Resource": f"{arn}:{qualifier}" if qualifier else arn,
        **({"Condition": conditions} if conditions else {}),
    }
    yield arn, {"Version": VERSION, "Statement": [statement]}


def _principal(written: str) -> Any:
    if written == "*":
        return written
    if written.endswith(".amazonaws.com"):
        return {"Service": written}
    if re.fullmatch(r"[0-9]{12}", written):
        return {"AWS": f"arn:aws:iam::{written}:root"}
    return {"AWS": written}


_BESIDE: Mapping[str, Callable[[Resource, Resolver], Iterator[tuple[str, Body]]]] = {
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::Lambda::Permission": _permission,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SecretsManager::ResourcePolicy": _secret_policy,
}


def _key_policy(resource: Resource, _arn: str) -> Body:
    """Without one, KMS writes one that hands everything on to the account ("Default key policy" in
    the KMS developer guide)."""
    if "KeyPolicy" in resource.properties:
        return _document(resource, "KeyPolicy")
    raise Unreadable(f"{resource} has no KeyPolicy: say what it should be")


def _table_policy(resource: Resource, _arn: str) -> Body | None:
    policy = resource.properties.get("ResourcePolicy")
    return None if policy is None else _document_in(resource, policy, "PolicyDocument")


def _document_in(resource: Resource, holder: Mapping[str, Any], member: str) -> Body:
    body = holder[member]
    if not isinstance(body, Mapping):
        raise Unreadable(f"{resource}: {member} is no policy but {body!r}")
    return body


def _repository_policy(resource: Resource, arn: str) -> Body | None:
    """ECR's statements name no resource: it is the repository."""
    if "RepositoryPolicyText" not in resource.properties:
        return None
    body = _document(resource, "RepositoryPolicyText")
    listed = body["Statement"]
    statements = [listed] if isinstance(listed, Mapping) else listed
    return {**body, "Statement": [{"Resource": arn, **each} for each in statements]}


def _bus_policy_inside(resource: Resource, _arn: str) -> Body | None:
    return _document(resource, "Policy") if "Policy" in resource.properties else None


_INSIDE: Mapping[str, Callable[[Resource, str], Body | None]] = {
    "AWS::DynamoDB::Table": _table_policy,
    "AWS::ECR::Repository": _repository_policy,
    "AWS::Events::EventBus": _bus_policy_inside,
    "AWS::KMS::Key": _key_policy,
}
