"""What people would lose by changes to a cohort's stacks, in their words.

A loss has a name that an admin repeats to accept it: `home:ana`, `bucket:work`, `table:ledger`.
What is kept by a policy to stay is not lost; it is listed, because no stack has it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from infra.assurance.changes import STAYS, Change, changes, removal
from infra.assurance.templates import Resource, Templates
from infra.cohort.naming import EVERYONE, SEPARATOR, Names

#: The types that hold what people have made, or what was recorded of them.
WORK = (
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SageMaker::Domain",
    "AWS::SageMaker::Space",
    "AWS::SageMaker::UserProfile",
)

#: Types that a deploy makes again just as they were: nothing of anybody's is in them. A type that
#: stands in neither list counts as one that holds work.
MADE_AGAIN = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::Budgets::Budget",
        "AWS::CDK::Metadata",
        "AWS::Chatbot::MicrosoftTeamsChannelConfiguration",
        "AWS::CloudWatch::Alarm",
        # Nobody has a password: who may sign in stands in the cohort file.
        "AWS::Cognito::UserPool",
        "AWS::Cognito::UserPoolClient",
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolGroup",
        "AWS::Cognito::UserPoolIdentityProvider",
        "AWS::Cognito::UserPoolUser",
        "AWS::Cognito::UserPoolUserToGroupAttachment",
        "AWS::EC2::FlowLog",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SSM::Parameter",
        "AWS::SageMaker::StudioLifecycleConfig",
        "AWS::Scheduler::ScheduleGroup",
    }
)

BUCKETS = {
    "data": "the bucket data: datasets, library and templates, which cohort publish makes again",
    "vault": "the bucket vault: the held-out answers, and the keys that they were sealed with",
    "work": "the bucket work: every team's folder and notes, every submission and its receipt",
    "site": "the bucket site: boards and reports",
}
TABLES = {
    "ledger": "the ledger: what everybody has spent and holds",
    "board": (
        "the board: every score, the advisors' marks, what admins did to a competition, and live "
        "rounds with all that is sealed"
    ),
}

#: What is done to a thing: for certain, and perhaps.
VERBS = {
    "erase": ("erases", "may erase"),
    "seal": ("makes unreadable", "may make unreadable"),
    "end": ("ends", "may end"),
}

BUCKET_REMARK = (
    "CloudFormation deletes a bucket only when it is empty; one that is not stays behind, in no "
    "stack, and the academy goes on with another"
)
#: Source: "Point-in-time recovery" in the DynamoDB developer guide (system backups).
TABLE_REMARK = "AWS keeps a backup of a deleted table that had point-in-time recovery for 35 days"
#: Source: "Delete an AWS KMS key" in the KMS developer guide.
KEY_REMARK = (
    "until its waiting period ends, aws kms cancel-key-deletion --key-id … and enable-key take "
    "that back"
)


@dataclass(frozen=True)
class Loss:
    """One thing of people's that leaves its stack.

    Attributes:
        name: what `--erase` takes: home:ana.
        what: the thing: "ana's home".
        size: as the template has it: "20 GB volume"; empty where it does not say.
        changes: of the resources that it consists of.
        remark: what softens or explains it.
        verb: what this does to it.
    """

    name: str
    what: str
    size: str
    changes: tuple[Change, ...]
    remark: str = ""
    verb: str = "erase"

    @property
    def kept(self) -> bool:
        """Whether all of it remains in the account, by its policy."""
        return all(change.stays for change in self.changes)

    @property
    def certain(self) -> bool:
        """Whether CloudFormation does it in any case, and not under conditions."""
        return any(change.certain for change in self.changes if not change.stays)

    @property
    def replaced(self) -> bool:
        """Whether another, empty one takes its place."""
        return any(change.action == "replace" for change in self.changes)

    @property
    def stacks(self) -> tuple[str, ...]:
        return tuple(sorted({change.resource.stack for change in self.changes}))

    @property
    def because(self) -> str:
        """The properties whose change it is, or that nothing of it is wanted any more."""
        found = [
            f"{change.resource.type.rsplit('::', 1)[-1]} {path}"
            for change in self.changes
            if change.action == "replace"
            for path in change.because
        ]
        return ", ".join(dict.fromkeys(found))

    def sentence(self, measured: str = "") -> str:
        """What an admin reads; `measured` is what the account says of its size and last use."""
        done, possible = VERBS[self.verb]
        told = f"this {done if self.certain else possible} {self._shown(measured)}"
        if self.replaced:
            told += f", and an empty one takes its place ({self.because})"
        if not self.certain and not self.kept:
            told += ". It depends: CloudFormation replaces for that under conditions"
        return told + (f". {self.remark[0].upper()}{self.remark[1:]}" if self.remark else "")

    def _shown(self, measured: str) -> str:
        detail = measured or self.size
        return self.what + (f" ({detail})" if detail else "")

    def stays(self, measured: str = "") -> str:
        """What an admin reads of what is kept."""
        told = self._shown(measured)
        return told + (": another, empty one takes its place" if self.replaced else "")


def deploying(before: Templates, after: Templates, names: Names) -> list[Loss]:
    """What a deploy of `after` over `before` takes from people, kept or not."""
    found = losses(changes(before, after), before, names)
    if unprotected := _unprotected(before, after):
        found.append(
            Loss(
                "protection",
                "the protection of what a destroy would keep so far: "
                + ", ".join(sorted({thing_of(each, before, names)[0] for each in unprotected})),
                "",
                tuple(Change("update", each, each) for each in unprotected),
                remark="what it protects stays until a destroy, which then erases it",
                verb="end",
            )
        )
    return found


def removing(before: Templates, stacks: Iterable[str], names: Names) -> list[Loss]:
    """What deleting `stacks` takes from people, kept or not."""
    return losses(removal(before, tuple(stacks)), before, names)


def losses(found: Iterable[Change], before: Templates, names: Names) -> list[Loss]:
    """The losses among changes: those of a home's parts are one."""
    groups: dict[str, list[Change]] = {}
    for change in found:
        resource = change.before
        if change.gone and resource is not None and resource.type not in MADE_AGAIN:
            groups.setdefault(thing_of(resource, before, names)[0], []).append(change)
    told = [_loss(name, parts, before, names) for name, parts in groups.items()]
    if any(each.name.startswith("home:") for each in told):
        # What is in a shared domain are homes: where those are told of, it needs no words.
        return [each for each in told if not each.name.startswith("domain:")]
    return told


def _loss(name: str, parts: list[Change], before: Templates, names: Names) -> Loss:
    # The part that says most comes first: of a home, the space.
    order = {"AWS::SageMaker::Space": 0, "AWS::SageMaker::Domain": 1}
    parts.sort(key=lambda each: order.get(each.resource.type, 2))
    _, what, size = thing_of(parts[0].resource, before, names)
    remarks = {
        "AWS::S3::Bucket": BUCKET_REMARK,
        "AWS::DynamoDB::Table": TABLE_REMARK,
        "AWS::KMS::Key": KEY_REMARK,
    }
    kind = parts[0].resource.type
    verb = "seal" if kind == "AWS::KMS::Key" else "erase"
    return Loss(name, what, size, tuple(parts), remarks.get(kind, ""), verb)


def _unprotected(before: Templates, after: Templates) -> list[Resource]:
    """Resources with people's work whose policy to stay is taken back."""
    return [
        resource
        for resource in before.resources(*WORK)
        if _policy(before, resource) in STAYS and _policy(after, resource) not in (*STAYS, None)
    ]


def _policy(templates: Templates, resource: Resource) -> str | None:
    """The DeletionPolicy of the resource with this stack and logical id; None without one."""
    resources = templates.stacks.get(resource.stack, {}).get("Resources", {})
    written = resources.get(resource.logical_id)
    return str(written.get("DeletionPolicy", "Delete")) if written else None


# --- what a resource is to people ----------------------------------------------------------------


def thing_of(resource: Resource, templates: Templates, names: Names) -> tuple[str, str, str]:
    """The name that `--erase` takes, the thing in words, and its size as the template has it."""
    describe = _THINGS.get(resource.type)
    found = describe(resource, templates, names) if describe else None
    if found:
        return found
    return (
        f"other:{resource.stack}/{resource.logical_id}",
        f"{resource}, a resource of which this command does not know what is in it",
        "",
    )


def person_of(resource: Resource, names: Names) -> str | None:
    """Whose profile, space or own domain it is; None if it is nobody's alone."""
    for member in ("SpaceName", "UserProfileName", "DomainName"):
        name = resource.properties.get(member)
        start = names.workspace("")
        if isinstance(name, str) and name.startswith(start):
            person = name.removeprefix(start)
            return None if SEPARATOR in person else person
    return None


def volume_gb(space: Resource) -> int | None:
    """The size of a space's volume, which is its owner's home."""
    value: object = space.properties
    for member in (
        "SpaceSettings",
        "SpaceStorageSettings",
        "EbsStorageSettings",
        "EbsVolumeSizeInGb",
    ):
        value = value.get(member) if isinstance(value, Mapping) else None
    return int(str(value)) if value is not None else None


def _home(resource: Resource, _templates: Templates, names: Names) -> tuple[str, str, str] | None:
    person = person_of(resource, names)
    if person:
        what = f"{person}'s home" if resource.type.endswith("Space") else f"{person}'s workspace"
        gb = volume_gb(resource)
        return f"home:{person}", what, f"{gb} GB volume" if gb else ""
    name = str(resource.properties.get("DomainName", ""))
    shared = names.shared_domain("")
    if name.startswith(shared):
        of = name.removeprefix(shared)
        whose = "all learners" if of == EVERYONE else f"team {of}"
        return f"domain:{of}", f"the Studio domain of {whose}", ""
    return None


def _bucket(resource: Resource, _templates: Templates, names: Names) -> tuple[str, str, str] | None:
    name = resource.properties.get("BucketName")
    if not isinstance(name, str) or not name.startswith(f"{names.cohort}-"):
        return None
    purpose = name.rsplit("-", 1)[-1]
    return f"bucket:{purpose}", BUCKETS.get(purpose, f"the bucket {name}"), ""


def _table(resource: Resource, _templates: Templates, names: Names) -> tuple[str, str, str] | None:
    name = resource.properties.get("TableName")
    if not isinstance(name, str) or not name.startswith(f"{names.cohort}-"):
        return None
    purpose = name.removeprefix(f"{names.cohort}-")
    return f"table:{purpose}", TABLES.get(purpose, f"the table {name}"), ""


def _key(resource: Resource, templates: Templates, names: Names) -> tuple[str, str, str] | None:
    start = names.key_alias("")
    for alias in templates.resources("AWS::KMS::Alias"):
        name = str(alias.properties.get("AliasName", ""))
        if alias.stack == resource.stack and name.startswith(start):
            target = templates.referred(alias, alias.properties.get("TargetKeyId"))
            if target and target.logical_id == resource.logical_id:
                purpose = name.removeprefix(start)
                # Foundation says in a key's description what it encrypts.
                holds = str(resource.properties.get("Description", "?")).rpartition(": ")[2]
                return f"key:{purpose}", f"what the key {purpose} encrypts: {holds}", ""
    return None


def _log(resource: Resource, _templates: Templates, names: Names) -> tuple[str, str, str] | None:
    name = resource.properties.get("LogGroupName")
    days = resource.properties.get("RetentionInDays")
    kept = f"{days} days of it" if days else ""
    if name == names.access_log_group:
        return "log:access", "the log of who asked the door for what", kept
    start = names.log_group("")
    if not isinstance(name, str) or not name.startswith(start):
        return None
    service = name.removeprefix(start)
    return f"log:{service}", f"the log of the {service}", kept


_THINGS: Mapping[str, Callable[[Resource, Templates, Names], tuple[str, str, str] | None]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::KMS::Key": _key,
    "AWS::Logs::LogGroup": _log,
    "AWS::S3::Bucket": _bucket,
    "AWS::SageMaker::Domain": _home,
    "AWS::SageMaker::Space": _home,
    "AWS::SageMaker::UserProfile": _home,
}
