"""What an action makes happen under another role: tables from AWS's documentation, as doors.

A door is: whoever may do this action on that resource makes something run under, or lets something
be believed by, that role. `chains` asks for each whether a role may go through it.

An action is known here as a door, as the start of something under a passed role, as a way to write
what others read, or as harmless in this respect. Reading actions are harmless: what they show is
the promises' matter. Any other that a role is allowed is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from infra.assurance.isolation.asking import Condition, Region
from infra.assurance.isolation.chains.event_patterns import Unfollowed, causes
from infra.assurance.isolation.world import Call, Guarded, Role, World
from infra.cohort.naming import Names

EVERYTHING = Region(("*",))


@dataclass(frozen=True)
class Door:
    """Attributes:
    over: what lies between the action and the role, in order: a rule, a function.
    """

    action: str
    on: Region
    to: str
    over: tuple[str, ...] = ()
    when: Condition = field(default_factory=dict, hash=False)


#: Actions that start something under a role that the caller passes -> the services it is passed to.
#: Those that the catalogue says depend on iam:PassRole, and those of which its source does not:
#: "Granting a user permissions to pass a role to an AWS service" (IAM user guide), and each
#: operation's RoleArn (or Role, ExecutionRole, ServiceRole) in its API reference.
STARTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "sagemaker:CreateAutoMLJob",
            "sagemaker:CreateAutoMLJobV2",
            "sagemaker:CreateCluster",
            "sagemaker:CreateCompilationJob",
            "sagemaker:CreateDataQualityJobDefinition",
            "sagemaker:CreateDomain",
            "sagemaker:CreateEndpointConfig",
            "sagemaker:CreateFeatureGroup",
            "sagemaker:CreateFlowDefinition",
            "sagemaker:CreateHyperParameterTuningJob",
            "sagemaker:CreateImage",
            "sagemaker:CreateInferenceExperiment",
            "sagemaker:CreateInferenceRecommendationsJob",
            "sagemaker:CreateLabelingJob",
            "sagemaker:CreateMlflowTrackingServer",
            "sagemaker:CreateModel",
            "sagemaker:CreateModelBiasJobDefinition",
            "sagemaker:CreateModelExplainabilityJobDefinition",
            "sagemaker:CreateModelQualityJobDefinition",
            "sagemaker:CreateMonitoringSchedule",
            "sagemaker:CreateNotebookInstance",
            "sagemaker:CreateOptimizationJob",
            "sagemaker:CreatePipeline",
            "sagemaker:CreateProcessingJob",
            "sagemaker:CreateTrainingJob",
            "sagemaker:CreateTransformJob",
            "sagemaker:CreateUserProfile",
            "sagemaker:RenderUiTemplate",
            "sagemaker:StartPipelineExecution",
            "sagemaker:UpdateDomain",
            "sagemaker:UpdateImage",
            "sagemaker:UpdateMonitoringSchedule",
            "sagemaker:UpdateNotebookInstance",
            "sagemaker:UpdatePipeline",
            "sagemaker:UpdateUserProfile",
        ),
        ("sagemaker.amazonaws.com",),
    ),
    "lambda:CreateFunction": ("lambda.amazonaws.com",),
    "lambda:UpdateFunctionConfiguration": ("lambda.amazonaws.com",),
    "scheduler:CreateSchedule": ("scheduler.amazonaws.com",),
    "scheduler:UpdateSchedule": ("scheduler.amazonaws.com",),
    "events:PutRule": ("events.amazonaws.com",),
    "events:PutTargets": ("events.amazonaws.com",),
    "pipes:CreatePipe": ("pipes.amazonaws.com",),
    "pipes:UpdatePipe": ("pipes.amazonaws.com",),
    "states:CreateStateMachine": ("states.amazonaws.com",),
    "states:UpdateStateMachine": ("states.amazonaws.com",),
    "codebuild:CreateProject": ("codebuild.amazonaws.com",),
    "codebuild:UpdateProject": ("codebuild.amazonaws.com",),
    "codebuild:StartBuild": ("codebuild.amazonaws.com",),
    "codebuild:StartBuildBatch": ("codebuild.amazonaws.com",),
    "ec2:RunInstances": ("ec2.amazonaws.com",),
    "ec2:AssociateIamInstanceProfile": ("ec2.amazonaws.com",),
    "ecs:RunTask": ("ecs-tasks.amazonaws.com",),
    "ecs:StartTask": ("ecs-tasks.amazonaws.com",),
    "ecs:RegisterTaskDefinition": ("ecs-tasks.amazonaws.com",),
    "cloudformation:CreateStack": ("cloudformation.amazonaws.com",),
    "cloudformation:UpdateStack": ("cloudformation.amazonaws.com",),
    "cloudformation:CreateChangeSet": ("cloudformation.amazonaws.com",),
    "s3:CreateJob": ("batchoperations.s3.amazonaws.com",),
    "s3:PutReplicationConfiguration": ("s3.amazonaws.com",),
    "glue:CreateJob": ("glue.amazonaws.com",),
    "glue:UpdateJob": ("glue.amazonaws.com",),
}

#: Actions that make what is there already run under its role, or open it: no role is passed. By the
#: service that the role trusts. A profile or domain names its role; which one that is stands in no
#: ARN, so each of the service's roles counts as reached.
RUNS: dict[str, tuple[str, ...]] = {
    # "CreateApp", "CreatePresignedDomainUrl", "StartSession", "CreateStudioLifecycleConfig", … in
    # the SageMaker API reference.
    "sagemaker.amazonaws.com": (
        "sagemaker:CreateApp",
        "sagemaker:CreatePresignedDomainUrl",
        "sagemaker:CreatePresignedNotebookInstanceUrl",
        "sagemaker:CreateSpace",
        "sagemaker:UpdateSpace",
        "sagemaker:UpdateDomain",
        "sagemaker:UpdateUserProfile",
        "sagemaker:StartSession",
        "sagemaker:StartNotebookInstance",
        "sagemaker:StartPipelineExecution",
        "sagemaker:CreateStudioLifecycleConfig",
        "sagemaker:UpdateNotebookInstanceLifecycleConfig",
        "sagemaker:CreateImageVersion",
        "sagemaker:UpdateImageVersion",
        "sagemaker:CreateAppImageConfig",
        "sagemaker:UpdateAppImageConfig",
    ),
    "codebuild.amazonaws.com": (
        "codebuild:StartBuild",
        "codebuild:StartBuildBatch",
        "codebuild:RetryBuild",
        "codebuild:RetryBuildBatch",
        "codebuild:UpdateProject",
    ),
    "states.amazonaws.com": ("states:StartExecution", "states:StartSyncExecution"),
    "ec2.amazonaws.com": (
        "ec2:RunInstances",
        "ec2:ModifyInstanceAttribute",
        "ssm:SendCommand",
        "ssm:StartSession",
        "ssm:StartAutomationExecution",
    ),
    "glue.amazonaws.com": ("glue:StartJobRun",),
    # The role's own trust policy decides these two as well; no service stands between.
    "cloudformation.amazonaws.com": (
        "cloudformation:ExecuteChangeSet",
        "cloudformation:UpdateStack",
    ),
}

#: What runs a function, or changes what it runs or who may call it. Sources: "Lambda resources and
#: conditions for Lambda actions" (Lambda developer guide) and the operations' API reference.
OF_FUNCTIONS = (
    "lambda:InvokeFunction",
    "lambda:InvokeAsync",
    "lambda:InvokeFunctionUrl",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
    "lambda:UpdateAlias",
    "lambda:PublishVersion",
    "lambda:AddPermission",
    "lambda:CreateFunctionUrlConfig",
    "lambda:UpdateFunctionUrlConfig",
    "lambda:PutRuntimeManagementConfig",
)
#: These have the mapping or the event bus as their resource, not the function.
TO_ANY_FUNCTION = (
    "lambda:CreateEventSourceMapping",
    "lambda:UpdateEventSourceMapping",
    "events:PutTargets",
)
#: What changes when a rule fires, or fires what is past once more.
OF_RULES = ("events:PutRule", "events:EnableRule", "events:PutTargets", "events:StartReplay")

#: What writes an item of a table, by itself, in a transaction, a batch or by PartiQL: the last two
#: are authorised under names of their own (Service Authorization Reference, Amazon DynamoDB).
WRITES_ITEMS = (
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PartiQLDelete",
)


@dataclass(frozen=True)
class Flow:
    """Who may do one of `writes` on a resource is believed by who may do one of `reads` on it.

    `beside`: suffixes of the resource's ARN under which it is read as well.
    """

    writes: tuple[str, ...]
    reads: tuple[str, ...]
    beside: tuple[str, ...] = ()

    def written(self, pattern: str) -> str:
        """The pattern of what is written where `pattern` is read: a table's for its index."""
        for suffix in self.beside:
            head, found, _ = pattern.partition(suffix.rstrip("*"))
            if found:
                return head
        return pattern


FLOWS = (
    Flow(("s3:PutObject",), ("s3:GetObject", "s3:GetObjectVersion")),
    Flow(
        ("ssm:PutParameter",),
        ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"),
    ),
    Flow(
        WRITES_ITEMS,
        (
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:BatchGetItem",
            "dynamodb:PartiQLSelect",
            "dynamodb:GetRecords",
        ),
        beside=("/index/*", "/stream/*"),
    ),
    Flow(("sqs:SendMessage",), ("sqs:ReceiveMessage",)),
    Flow(("ecr:PutImage",), ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")),
    Flow(("secretsmanager:PutSecretValue",), ("secretsmanager:GetSecretValue",)),
)

#: Actions that write and set nothing off, with the reason.
HARMLESS: dict[str, str] = {
    "s3:AbortMultipartUpload": "it gives up what was not yet an object",
    "s3:DeleteObject": "nothing is believed for being gone; a rule on deletions is a door",
    "logs:CreateLogGroup": "an empty group",
    "logs:CreateLogStream": "an empty stream",
    "logs:PutLogEvents": "lines that people read and no code of the cohort does",
    "sagemaker:AddTags": "no policy of a cohort reads a tag; a promise holds it to that",
    "sagemaker:DeleteApp": "it ends what runs",
    "sagemaker:StopTrainingJob": "it ends what runs; the event that follows is a door",
    "scheduler:DeleteSchedule": "it removes a stop, and starts nothing",
    "kms:Decrypt": "it opens what can be read anyway",
    "kms:Encrypt": "it writes nothing by itself",
    "kms:GenerateDataKey": "it writes nothing by itself",
    "kms:ReEncryptFrom": "it writes nothing by itself",
    "kms:ReEncryptTo": "it writes nothing by itself",
    "ecr:InitiateLayerUpload": "a layer is in no image before PutImage",
    "ecr:UploadLayerPart": "a layer is in no image before PutImage",
    "ecr:CompleteLayerUpload": "a layer is in no image before PutImage",
    "sqs:DeleteMessage": "it removes what was read",
    # "CreateTrainingJob API: Execution Role Permissions" (SageMaker developer guide), with a VPC.
    "ec2:CreateNetworkInterface": "an interface in the cohort's own network runs nothing",
    "ec2:CreateNetworkInterfacePermission": "it lends an interface to the service",
    "ec2:DeleteNetworkInterface": "it removes an interface",
    "ec2:DeleteNetworkInterfacePermission": "it takes an interface back",
}


#: Every action that may be a door, whatever there is in a world.
ACTIONS = frozenset(
    {
        "sts:AssumeRole",
        "iam:PassRole",
        "events:PutEvents",
        "execute-api:Invoke",
        "sns:Publish",
        "cloudwatch:PutMetricData",
        "cloudwatch:SetAlarmState",
        *OF_FUNCTIONS,
        *TO_ANY_FUNCTION,
        *OF_RULES,
        *STARTS,
        *(action for actions in RUNS.values() for action in actions),
        *(action for flow in FLOWS for action in flow.writes),
        *HARMLESS,
    }
)


def doors(world: World) -> Iterator[Door]:
    """Every door of `world`, but those by a passed role and by what others read.

    Raises:
        Unfollowed: for a call whose cause or end is not known here.
    """
    for role in world.roles:
        yield Door("sts:AssumeRole", Region((role.arn,)), role.arn)
        for service, actions in RUNS.items():
            if trusts(role, service):
                for action in actions:
                    yield Door(action, _where_it_runs(world, role), role.arn, (service,))
    for function in world.functions:
        on = Region((function.arn, f"{function.arn}:*"))
        for action in OF_FUNCTIONS:
            yield Door(action, on, function.role, (function.arn,))
        for action in TO_ANY_FUNCTION:
            yield Door(action, EVERYTHING, function.role, (function.arn,))
    for call in world.calls:
        for door in _of_call(world, call):
            for reached, over in ends(world, call):
                yield Door(door.action, door.on, reached, (*door.over, call.by, *over), door.when)


def _where_it_runs(world: World, role: Role) -> Region:
    """Where something may come to run under `role`: anywhere, but in the spaces of another cohort,
    of which no domain and no profile names the role."""
    others = [each for each in world.cohorts if each != role.cohort]
    holes = [
        f"arn:aws:sagemaker:{world.region}:{world.account}:{kind}/*/{Names(other).workspace('*')}"
        for other in others
        if not any(_names(each, other, role.arn) for each in world.guarded)
        for kind in ("app", "space", "user-profile")
    ]
    return Region(EVERYTHING.any_of, tuple(holes))


def _names(guarded: Guarded, cohort: str, arn: str) -> bool:
    """Whether this is a domain or profile of `cohort` that names a role."""
    if guarded.source is None or guarded.type not in (
        "AWS::SageMaker::Domain",
        "AWS::SageMaker::UserProfile",
    ):
        return False
    given = guarded.source.properties
    name = str(given.get("DomainName", given.get("UserProfileName", "")))
    return name.startswith(Names(cohort).workspace("")) and arn in json.dumps(given)


def _of_call(world: World, call: Call) -> Iterator[Door]:
    """What sets off `call`, as doors that lead nowhere yet."""
    service = call.by.split(":")[2]
    if service == "events":
        for action in OF_RULES:
            yield Door(action, Region((call.by,)), "")
        if call.on is not None:
            for cause in causes(call.on, account=world.account, region=world.region):
                for action in cause.actions:
                    yield Door(action, cause.on, "")
    elif service in ("scheduler", "budgets", "chatbot"):
        # By the clock, by the bill, by people who write in a channel; who changes a schedule passes
        # its role anew.
        return
    elif service == "lambda":
        # What a function hands on when it has run or failed.
        for action in ("lambda:InvokeFunction", "lambda:InvokeAsync", "lambda:InvokeFunctionUrl"):
            yield Door(action, Region((call.by, f"{call.by}:*")), "")
    elif service == "codebuild":
        for action in RUNS["codebuild.amazonaws.com"]:
            yield Door(action, Region((call.by,)), "")
    elif service == "execute-api":
        # Where a route asks for IAM. Where it does not, everybody is through: so what answers is
        # the door alone, by a promise, and its contract believes nobody.
        yield Door("execute-api:Invoke", Region((f"{call.by}/*",)), "")
    elif service == "sns":
        yield Door("sns:Publish", Region((call.by,)), "")
    elif service == "sqs":
        yield Door("sqs:SendMessage", Region((call.by,)), "")
    elif service == "dynamodb":
        table = call.by.partition("/stream/")[0]
        for action in WRITES_ITEMS:
            yield Door(action, Region((table,)), "")
    elif service == "s3":
        # The bucket's own notification, told as a rule's pattern.
        for cause in causes(call.on or {}, account=world.account, region=world.region):
            for action in cause.actions:
                yield Door(action, cause.on, "")
    elif service == "cloudwatch":
        # PutMetricData has no resource; whichever metric the alarm watches.
        yield Door("cloudwatch:PutMetricData", EVERYTHING, "")
        yield Door("cloudwatch:SetAlarmState", Region((call.by,)), "")
    else:
        raise Unfollowed(f"{call.by} calls {call.target}: what sets it off is not known here")


def ends(
    world: World, call: Call, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The roles that something runs under when `call` is made, each with what lies between."""
    if call.role is not None:
        yield call.role, (call.target,)
    function = next(
        (f for f in world.functions if call.target == f.arn or call.target.startswith(f"{f.arn}:")),
        None,
    )
    if function is not None:
        yield function.role, (call.target,)
        return
    if call.target.startswith(("arn:aws:sns:", "arn:aws:sqs:")):
        # What a topic or queue hands on is a call of its own.
        for following in world.calls:
            if following.by == call.target and following.target not in seen:
                for role, over in ends(world, following, seen | {call.target}):
                    yield role, (call.target, *over)
        return
    if call.role is None:
        raise Unfollowed(f"{call.by} calls {call.target}: what that runs is not known here")


def trusts(role: Role, service: str) -> bool:
    """Whether the AWS service may take the role in some case."""
    return any(
        statement.allow and statement.principals and service in statement.principals.services
        for statement in role.trust.policy.statements
    )
