"""Mistakes that could be made in our templates, each made in one place: the proof must see them.

An operator takes a template's resource and yields changed copies of it. Nothing here knows what the
proof looks at.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.assurance.templates import Templates

Json = dict[str, Any]


@dataclass(frozen=True)
class Mutant:
    """The templates with one mistake in them.

    Attributes:
        operator: what kind of mistake.
        where: stack/logical id, and the statement by its Sid or number.
        detail: what was changed, in a few words.
    """

    operator: str
    where: str
    detail: str
    stack: str
    logical_id: str
    resource: Json | None

    @property
    def id(self) -> str:
        return f"{self.operator}: {self.where}: {self.detail}"

    def applied(self, templates: Templates) -> Templates:
        """The templates with this mistake; None for a resource takes it out."""
        template = dict(templates.stacks[self.stack])
        resources = dict(template["Resources"])
        if self.resource is None:
            del resources[self.logical_id]
        else:
            resources[self.logical_id] = self.resource
        template["Resources"] = resources
        return Templates({**templates.stacks, self.stack: template})


#: A statement as the template has it -> changed statements (None: taken out), each with a word.
StatementOperator = Callable[[Json], Iterator[tuple[str, Json | None]]]
#: A resource's properties -> changed resources.
ResourceOperator = Callable[[str, Json], Iterator[tuple[str, Json | None]]]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _with(statement: Json, **members: Any) -> Json:
    made = copy.deepcopy(statement)
    for name, value in members.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = value
    return made


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# --- statements -----------------------------------------------------------------------------------
def drop_a_deny(statement: Json) -> Iterator[tuple[str, Json | None]]:
    if statement["Effect"] == "Deny":
        yield "the whole statement", None


def deny_becomes_allow(statement: Json) -> Iterator[tuple[str, Json | None]]:
    if statement["Effect"] == "Deny":
        yield "Effect", _with(statement, Effect="Allow")


def drop_a_condition(statement: Json) -> Iterator[tuple[str, Json | None]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key in keys:
            made = copy.deepcopy(statement)
            del made["Condition"][operator][key]
            if not made["Condition"][operator]:
                del made["Condition"][operator]
            if not made["Condition"]:
                del made["Condition"]
            yield f"{operator} on {key}", made


def all_values_without_null(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """`ForAllValues` is true of a missing key: without `Null` it allows leaving the key out."""
    conditions = statement.get("Condition", {})
    for operator, keys in conditions.items():
        if operator.startswith("ForAllValues:"):
            for key in keys:
                if key in conditions.get("Null", {}):
                    made = copy.deepcopy(statement)
                    del made["Condition"]["Null"][key]
                    if not made["Condition"]["Null"]:
                        del made["Condition"]["Null"]
                    yield key, made


def one_more_value(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """A value beyond what the condition lists: a dearer instance, another service, a later date."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            more = _beyond(operator, key, values)
            if more is not None:
                made = copy.deepcopy(statement)
                made["Condition"][operator][key] = more
                yield f"{operator} on {key}: {_text(more)[:60]}", made


def _beyond(operator: str, key: str, values: Any) -> Any:
    if operator == "Null":
        return "false" if values == "true" else "true"
    if operator.startswith("Numeric"):
        return str(int(_list(values)[0]) * 10)
    if operator == "DateLessThan":
        return "2020-01-01T00:00:00Z"
    if operator.startswith("Date"):
        return "2099-01-01T00:00:00Z"
    if operator.startswith(("Bool", "ArnNot")):
        return None
    more = {
        "sagemaker:InstanceTypes": "ml.p5.48xlarge",
        "iam:PassedToService": "lambda.amazonaws.com",
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
    }.get(key, "anything")
    if operator.startswith("Arn"):
        more = "arn:aws:*:*:*:*"
    return [*_list(values), more]


def looser_operator(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """The operator's weaker brother: `IfExists`, `StringNotEquals`, another qualifier."""
    swaps = {
        "StringEquals": ("StringEqualsIfExists", "StringNotEquals"),
        "StringLike": ("StringLikeIfExists", "StringNotLike"),
        "ArnLike": ("ArnLikeIfExists", "ArnNotLike"),
        "ArnEquals": ("ArnEqualsIfExists", "ArnNotEquals"),
        "ArnNotEquals": ("ArnEquals",),
        "NumericLessThanEquals": ("NumericLessThanEqualsIfExists", "NumericGreaterThan"),
        "ForAnyValue:StringEquals": ("ForAllValues:StringEquals",),
        "ForAllValues:StringEquals": ("ForAnyValue:StringEquals",),
        "ForAllValues:StringLike": ("ForAnyValue:StringLike",),
        "DateLessThan": ("DateGreaterThan",),
        "DateGreaterThanEquals": ("DateLessThan",),
    }
    for operator, keys in statement.get("Condition", {}).items():
        for other in swaps.get(operator, ()):
            made = copy.deepcopy(statement)
            del made["Condition"][operator]
            made["Condition"].setdefault(other, {}).update(keys)
            yield f"{operator} -> {other}", made


def wider_glob(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """A pattern that ends a character earlier than it should: `teams/falco*`."""
    yield from _each_resource(statement, lambda text: re.sub(r"[^*:/]?(/?)\*$", "*", text))


def without_the_slash(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """`teams/ana*` also means `teams/anabel`."""
    yield from _each_resource(statement, lambda text: re.sub(r"/\*$", "*", text))


def open_end(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """An exact name that becomes a prefix."""
    yield from _each_resource(statement, lambda text: text if "*" in text else f"{text}*")


def any_resource(statement: Json) -> Iterator[tuple[str, Json | None]]:
    if statement["Effect"] == "Allow" and statement.get("Resource", "*") != "*":
        yield "*", _with(statement, Resource="*")


def whole_path(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """The folder above the one that was meant."""
    yield from _each_resource(
        statement, lambda text: re.sub(r"/[^/*]+/\*$", "/*", text) if "*" in text else text
    )


def _each_resource(
    statement: Json, change: Callable[[str], str]
) -> Iterator[tuple[str, Json | None]]:
    if statement["Effect"] != "Allow" or "Resource" not in statement:
        return
    listed = _list(statement["Resource"])
    for index, resource in enumerate(listed):
        if not isinstance(resource, str) or resource == "*":
            continue
        changed = change(resource)
        if changed != resource:
            yield (
                changed,
                _with(
                    statement, Resource=[changed if i == index else r for i, r in enumerate(listed)]
                ),
            )


def any_action(statement: Json) -> Iterator[tuple[str, Json | None]]:
    if statement["Effect"] == "Allow" and statement["Action"] != "*":
        yield "*", _with(statement, Action="*")
        services = sorted({_text(each).split(":")[0] for each in _list(statement["Action"])})
        for service in services:
            if service != "*":
                yield f"{service}:*", _with(statement, Action=f"{service}:*")


#: One action a service that its statement must not have.
_ALSO = {
    "s3": "s3:DeleteObjectVersion",
    "sagemaker": "sagemaker:CreateProcessingJob",
    "lambda": "lambda:UpdateFunctionCode",
    "logs": "logs:FilterLogEvents",
    "ssm": "ssm:PutParameter",
    "iam": "iam:PutRolePolicy",
    "kms": "kms:CreateGrant",
    "dynamodb": "dynamodb:DeleteTable",
    "scheduler": "scheduler:TagResource",
    "sns": "sns:AddPermission",
    "sqs": "sqs:PurgeQueue",
    "ecr": "ecr:PutImage",
    "cloudwatch": "cloudwatch:DeleteAlarms",
    "sts": "sts:TagSession",
    "ec2": "ec2:RunInstances",
}


def one_more_action(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """An action of the catalogue that was not meant."""
    if statement["Effect"] != "Allow":
        return
    actions = _list(statement["Action"])
    for service in sorted({_text(each).split(":")[0] for each in actions}):
        more = _ALSO.get(service)
        if more and more not in actions:
            yield more, _with(statement, Action=[*actions, more])


def other_principal(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """Somebody else than who was meant: everyone, the account, another service."""
    if "Principal" not in statement or statement["Effect"] != "Allow":
        return
    root = "arn:aws:iam::123456789012:root"
    for other in ("*", {"AWS": root}, {"AWS": "111122223333"}, {"Service": "ec2.amazonaws.com"}):
        if json.dumps(statement["Principal"], sort_keys=True) != json.dumps(other):
            yield _text(other), _with(statement, Principal=other)


def narrower_denial(statement: Json) -> Iterator[tuple[str, Json | None]]:
    """A denial of less than it should: one action, the bucket without its objects, one caller."""
    if statement["Effect"] != "Deny":
        return
    if statement["Action"] in ("s3:*", "kms:*", ["s3:*"], ["kms:*"], "*", ["*"]):
        service = _text(_list(statement["Action"])[0]).split(":")[0]
        some = {"s3": "s3:PutObject", "kms": "kms:Encrypt"}.get(service, "s3:GetObject")
        yield some, _with(statement, Action=some)
    resources = statement.get("Resource")
    if isinstance(resources, list) and len(resources) > 1:
        for resource in resources:
            yield f"only {_text(resource)[:60]}", _with(statement, Resource=[resource])
    if statement.get("Principal") in ("*", {"AWS": "*"}):
        yield (
            "only for the account",
            _with(statement, Principal={"AWS": "arn:aws:iam::123456789012:root"}),
        )


STATEMENT_OPERATORS: Mapping[str, StatementOperator] = {
    "drop a deny": drop_a_deny,
    "deny becomes allow": deny_becomes_allow,
    "drop a condition": drop_a_condition,
    "ForAllValues without Null": all_values_without_null,
    "one more value": one_more_value,
    "looser operator": looser_operator,
    "wider glob": wider_glob,
    "without the slash": without_the_slash,
    "open end": open_end,
    "whole path": whole_path,
    "any resource": any_resource,
    "any action": any_action,
    "one more action": one_more_action,
    "other principal": other_principal,
    "narrower denial": narrower_denial,
}


# --- resources ------------------------------------------------------------------------------------
def remove_a_boundary(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    if kind == "AWS::IAM::Role" and "PermissionsBoundary" in properties:
        yield "PermissionsBoundary", _with(properties, PermissionsBoundary=None)


def out_of_the_academy(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A role whose path the vault's denial does not know, or knows as the scorer's kind."""
    if kind == "AWS::IAM::Role":
        yield "Path /", _with(properties, Path="/")


def remove_a_policy(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    if kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        yield "the whole policy", None


def move_a_policy(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A bucket's policy that hangs on another bucket."""
    if kind == "AWS::S3::BucketPolicy":
        for other in ("a-bucket-of-somebody",):
            yield f"to {other}", _with(properties, Bucket=other)


def open_a_function(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    if kind == "AWS::Lambda::Permission":
        yield "principal *", _with(properties, Principal="*", SourceArn=None)
        yield "any rule of anybody", _with(properties, SourceArn=None)
        yield "principal s3", _with(properties, Principal="s3.amazonaws.com")
        yield "the whole service", _with(properties, Action="lambda:*")


def wider_event(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A rule that hears more than it should: another folder sets its function off."""
    if kind != "AWS::Events::Rule" or "EventPattern" not in properties:
        return
    pattern = properties["EventPattern"]
    for path in (("detail", "object"), ("detail", "bucket"), ("detail",)):
        made = copy.deepcopy(pattern)
        inside = made
        for part in path[:-1]:
            inside = inside.get(part, {})
        if path[-1] in inside:
            del inside[path[-1]]
            yield f"without {'.'.join(path)}", _with(properties, EventPattern=made)


def other_alias(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    if kind == "AWS::Lambda::Alias":
        yield "a learner's name on another", _with(properties, Name="dov")


def other_role(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A function or profile under somebody else's role."""
    scorer = (
        "arn:aws:iam::123456789012:role/academy/earth-2026-fall/service/"
        "earth-2026-fall--service--scorer"
    )
    if kind == "AWS::Lambda::Function" and "scorer" not in json.dumps(properties["FunctionName"]):
        yield "the scorer's role", _with(properties, Role=scorer)
    if kind == "AWS::SageMaker::UserProfile":
        settings = {**properties["UserSettings"], "ExecutionRole": scorer}
        yield "the scorer's role", _with(properties, UserSettings=settings)


def other_key(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """The vault without a key of its own."""
    encryption = json.dumps(properties.get("BucketEncryption", {}))
    if kind == "AWS::S3::Bucket" and "aws:kms" in encryption:
        plain = {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]
        }
        yield "S3's own key", _with(properties, BucketEncryption=plain)


def other_owner(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A space that is somebody else's, or everybody's."""
    if kind == "AWS::SageMaker::Space":
        other = {"OwnerUserProfileName": "earth-2026-fall--dov"}
        yield "dov's", _with(properties, OwnershipSettings=other)
        yield "shared", _with(properties, SpaceSharingSettings={"SharingType": "Shared"})


def other_code(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    """A function whose code lies where learners write."""
    if kind == "AWS::Lambda::Function":
        code = {"S3Bucket": "earth-2026-fall-123456789012-us-east-1-work", "S3Key": "teams/a.zip"}
        yield "from the bucket work", _with(properties, Code=code)


def rule_that_deletes(kind: str, properties: Json) -> Iterator[tuple[str, Json | None]]:
    if kind == "AWS::S3::Bucket" and "LifecycleConfiguration" in properties:
        rules = [
            {"Id": "room", "Status": "Enabled", "Prefix": "submissions/", "ExpirationInDays": 1}
        ]
        changed = _with(properties, LifecycleConfiguration={"Rules": rules})
        yield "of submissions", changed


RESOURCE_OPERATORS: Mapping[str, ResourceOperator] = {
    "remove a boundary": remove_a_boundary,
    "out of the academy": out_of_the_academy,
    "remove a policy": remove_a_policy,
    "move a policy": move_a_policy,
    "open a function": open_a_function,
    "wider event": wider_event,
    "other alias": other_alias,
    "other role": other_role,
    "other key": other_key,
    "other owner": other_owner,
    "other code": other_code,
    "rule that deletes": rule_that_deletes,
}

#: Where a policy's statements stand in a resource's properties.
_DOCUMENTS = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument", "RepositoryPolicyText")


def _documents(properties: Json) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    for name in _DOCUMENTS:
        if isinstance(properties.get(name), dict):
            yield (name,), properties[name]
    inline = properties.get("Policies", ())
    # A user pool's are no list, and not of IAM.
    for index, policy in enumerate(inline if isinstance(inline, list) else ()):
        yield ("Policies", index, "PolicyDocument"), policy["PolicyDocument"]


def mutants(templates: Templates, concerns: Callable[[str, str], bool]) -> Iterator[Mutant]:
    """Every mistake of every operator at every place.

    Args:
        concerns: whether to mutate a resource, by its stack and logical id: roles that are alike
            need it only once.
    """
    for stack, template in templates.stacks.items():
        for logical_id, resource in template["Resources"].items():
            if not concerns(stack, logical_id):
                continue
            properties = resource.get("Properties", {})
            kind = resource["Type"]
            where = f"{stack}/{logical_id}"
            for path, document in _documents(properties):
                for index, statement in enumerate(document["Statement"]):
                    place = f"{where} {path[0]} {statement.get('Sid', index + 1)}"
                    for name, changes in STATEMENT_OPERATORS.items():
                        for detail, changed in changes(statement):
                            made = _put(properties, path, index, changed)
                            if made is None:
                                continue  # the same as taking the policy away, which is another's
                            yield Mutant(
                                name,
                                place,
                                detail,
                                stack,
                                logical_id,
                                {**resource, "Properties": made},
                            )
            for name, alters in RESOURCE_OPERATORS.items():
                for detail, altered in alters(kind, properties):
                    changed_resource = (
                        None if altered is None else {**resource, "Properties": altered}
                    )
                    yield Mutant(name, where, detail, stack, logical_id, changed_resource)


def _put(
    properties: Json, path: tuple[str | int, ...], index: int, statement: Json | None
) -> Json | None:
    """`properties` with one statement changed or, for None, taken out; None if none would be left:
    IAM takes no policy without statements."""
    made = copy.deepcopy(properties)
    inside: Any = made
    for part in path:
        inside = inside[part]
    if statement is not None:
        inside["Statement"][index] = statement
        return made
    del inside["Statement"][index]
    return made if inside["Statement"] else None
