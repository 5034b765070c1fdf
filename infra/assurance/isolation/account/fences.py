"""The fence around cohorts, as somebody outside the templates would cross it: what to ask of them.

Written from names alone. Each is a region of resources and the actions by which it is crossed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.assurance.isolation.asking import Region
from infra.assurance.isolation.world import World
from infra.cohort.images import FLAVOURS, repository, studio_image
from infra.cohort.naming import Names


@dataclass(frozen=True)
class Fence:
    """Attributes:
    says: what whoever crosses it can do, after their name.
    """

    id: str
    says: str
    actions: tuple[str, ...]
    on: Region


_READ = ("s3:GetObject", "s3:GetObjectVersion")
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateObject")
_READ_TABLE = (
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:BatchGetItem",
    "dynamodb:PartiQLSelect",
    "dynamodb:ExportTableToPointInTime",
)
_WRITE_TABLE = (
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PartiQLDelete",
)


def fences(world: World) -> tuple[Fence, ...]:
    """The fences of every cohort of `world`, and of the account that they are in."""
    made = [each for cohort in world.cohorts for each in _of_cohort(world, cohort)]
    return (*made, *_of_images(world), _of_account(world))


def _of_cohort(world: World, cohort: str) -> Iterator[Fence]:
    names = Names(cohort)

    def fence(id_: str, says: str, actions: tuple[str, ...], *on: str) -> Fence:
        return Fence(f"{cohort}/{id_}", f"{says} of {cohort}", actions, Region(on))

    def bucket(purpose: str, *prefixes: str) -> tuple[str, ...]:
        arn = f"arn:aws:s3:::{names.bucket(purpose, account=world.account, region=world.region)}"
        return tuple(f"{arn}/{prefix}*" for prefix in prefixes or ("",))

    def of(service: str, *resources: str) -> tuple[str, ...]:
        place = f"arn:aws:{service}:{world.region}:{world.account}"
        return tuple(f"{place}:{resource}" for resource in resources)

    buckets = tuple(
        each[: -len("/*")] for p in ("data", "vault", "work", "site") for each in bucket(p)
    )
    keys = tuple(each.arn for each in world.guarded if each.type == "AWS::KMS::Key")
    broker = f"function:{names.function('broker')}"
    roles = f"arn:aws:iam::{world.account}:role/academy/{cohort}/*"
    policies = f"arn:aws:iam::{world.account}:policy/{cohort}--*"

    yield fence("answers-read", "can read the held-out answers", _READ, *bucket("vault"))
    yield fence("answers-written", "can change the held-out answers", _WRITE, *bucket("vault"))
    yield fence("work-read", "can read the teams' work and submissions", _READ, *bucket("work"))
    yield fence(
        "work-written", "can change the teams' work or its receipts", _WRITE, *bucket("work")
    )
    yield fence(
        "executed",
        "can write what learners execute or the checker believes",
        _WRITE,
        *bucket("data"),
    )
    yield fence("site", "can write the boards", _WRITE, *bucket("site"))
    yield fence(
        "bucket-policies",
        "can change who may use the buckets",
        (
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketAcl",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutReplicationConfiguration",
            "s3:PutBucketNotification",
            "s3:CreateAccessPoint",
        ),
        *buckets,
    )
    yield fence(
        "keys",
        "can change who may use the keys",
        ("kms:PutKeyPolicy", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey"),
        *keys,
    )
    yield fence(
        "scores-read",
        "can read private scores",
        _READ_TABLE,
        *of("dynamodb", f"table/{names.board_table}"),
    )
    yield fence(
        "tables-written",
        "can write the ledger or the board",
        _WRITE_TABLE,
        *of("dynamodb", f"table/{names.board_table}", f"table/{names.ledger_table}"),
    )
    yield fence(
        "settings",
        "can write what the services believe",
        ("ssm:PutParameter", "ssm:DeleteParameter", "ssm:DeleteParameters"),
        *of("ssm", f"parameter/academy/{cohort}/*", f"parameter/academy/workspaces/{cohort}--*"),
    )
    # Those that there are: a role's trust policy decides, and of others nothing is known.
    made = tuple(role.arn for role in world.roles if role.cohort == cohort)
    yield fence("roles-taken", "can take a role", ("sts:AssumeRole",), *made)
    yield fence("roles-passed", "can pass a role", ("iam:PassRole",), roles)
    yield fence(
        "roles-changed",
        "can change what a role may do",
        (
            "iam:AttachRolePolicy",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:UpdateAssumeRolePolicy",
        ),
        roles,
    )
    yield fence(
        "policies-changed",
        "can change the boundary",
        ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion"),
        policies,
    )
    yield fence(
        "functions-changed",
        "can change the code, settings or callers of a function",
        (
            "lambda:AddPermission",
            "lambda:CreateAlias",
            "lambda:CreateEventSourceMapping",
            "lambda:CreateFunctionUrlConfig",
            "lambda:DeleteFunction",
            "lambda:UpdateAlias",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ),
        *of("lambda", f"function:{cohort}-*"),
        *of("lambda", "event-source-mapping:*"),
    )
    yield fence(
        "learners-spoken-for",
        "can speak to the broker for a learner",
        ("lambda:InvokeFunction", "lambda:InvokeAsync"),
        *of("lambda", broker, f"{broker}:*"),
    )
    yield fence(
        "spaces-opened",
        "can open a learner's space",
        ("sagemaker:CreatePresignedDomainUrl", "sagemaker:StartSession"),
        *of("sagemaker", f"user-profile/*/{cohort}--*", f"space/*/{cohort}--*"),
    )
    yield fence(
        "spaces-changed",
        "can change under which role or script a space starts",
        (
            "sagemaker:UpdateDomain",
            "sagemaker:UpdateSpace",
            "sagemaker:UpdateUserProfile",
            "sagemaker:CreateUserProfile",
            "sagemaker:CreateStudioLifecycleConfig",
            "sagemaker:DeleteStudioLifecycleConfig",
        ),
        *of(
            "sagemaker",
            "domain/*",
            f"space/*/{cohort}--*",
            f"user-profile/*/{cohort}--*",
            f"studio-lifecycle-config/{cohort}--*",
        ),
    )
    yield fence(
        "rules-changed",
        "can change what calls the services",
        ("events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DisableRule"),
        *of("events", f"rule/{cohort}-*"),
    )
    yield fence(
        "stops",
        "can remove or move a stop",
        ("scheduler:DeleteSchedule", "scheduler:UpdateSchedule"),
        *of("scheduler", f"schedule/{names.schedule_group}/*"),
    )
    if any(role.cohort == cohort and role.owner == "door" for role in world.roles):
        # Ids are generated, and no ARN says which pool or address is the cohort's.
        yield fence(
            "signed-in-for",
            "can sign in as somebody, or say who may",
            (
                "cognito-idp:AdminAddUserToGroup",
                "cognito-idp:AdminCreateUser",
                "cognito-idp:AdminEnableUser",
                "cognito-idp:AdminInitiateAuth",
                "cognito-idp:AdminLinkProviderForUser",
                "cognito-idp:AdminSetUserPassword",
                "cognito-idp:AdminUpdateUserAttributes",
                "cognito-idp:CreateIdentityProvider",
                "cognito-idp:UpdateIdentityProvider",
                "cognito-idp:CreateUserPoolClient",
                "cognito-idp:UpdateUserPool",
                "cognito-idp:UpdateUserPoolClient",
            ),
            *of("cognito-idp", "userpool/*"),
        )
        yield fence(
            "address",
            "can change what answers at the door",
            ("apigateway:PATCH", "apigateway:POST", "apigateway:PUT"),
            f"arn:aws:apigateway:{world.region}::/apis/*",
        )
    yield fence(
        "deploys",
        "can deploy a stack",
        (
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteStack",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:SetStackPolicy",
            "cloudformation:UpdateStack",
        ),
        *of("cloudformation", f"stack/{cohort}-*/*"),
    )


def _of_images(world: World) -> Iterator[Fence]:
    place = f"{world.region}:{world.account}"
    yield Fence(
        "images",
        "can write the images that learners' code runs on",
        (
            "ecr:PutImage",
            "ecr:SetRepositoryPolicy",
            "sagemaker:CreateImageVersion",
            "sagemaker:UpdateImageVersion",
            "codebuild:StartBuild",
            "codebuild:UpdateProject",
        ),
        Region(
            (
                *(f"arn:aws:ecr:{place}:repository/{repository(each)}" for each in FLAVOURS),
                *(f"arn:aws:sagemaker:{place}:image/{studio_image(each)}" for each in FLAVOURS),
                *(
                    f"arn:aws:sagemaker:{place}:image-version/{studio_image(each)}/*"
                    for each in FLAVOURS
                ),
                f"arn:aws:codebuild:{place}:project/academy-*",
            )
        ),
    )


def _of_account(world: World) -> Fence:
    """Whoever may give rights away can give them to themselves, and be over every fence.

    Source: "Grant access to update permissions" and "Policies and permissions: privilege
    escalation" in the IAM user guide's description of these actions' access level, Permissions
    management.
    """
    iam = f"arn:aws:iam::{world.account}"
    return Fence(
        "rights",
        "can give rights to themselves or to others of the account",
        (
            "iam:AddUserToGroup",
            "iam:AttachGroupPolicy",
            "iam:AttachRolePolicy",
            "iam:AttachUserPolicy",
            "iam:CreateAccessKey",
            "iam:CreateLoginProfile",
            "iam:CreatePolicyVersion",
            "iam:PutGroupPolicy",
            "iam:PutRolePolicy",
            "iam:PutUserPolicy",
            "iam:SetDefaultPolicyVersion",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateLoginProfile",
        ),
        Region((f"{iam}:user/*", f"{iam}:group/*", f"{iam}:role/*", f"{iam}:policy/*")),
    )
