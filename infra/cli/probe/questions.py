"""The list of questions, in the order in which they are asked; and what is left to people.

Every line of docs/fidelity.md that says "only AWS can confirm" is here, by its number: items 1 to
15, 20 to 28 and 30 to 40. The others there are about data, a GPU and Kaggle.
"""

from __future__ import annotations

from infra.cli.probe.asking import (
    account,
    alarms,
    codes,
    functions,
    images,
    jobs,
    objects,
    policies,
    registries,
    studio,
)
from infra.cli.probe.budget import Cost, Instance, units
from infra.cli.probe.question import Allowance, ByHand, Question
from infra.cli.probe.shared import DISK_GB, IDLE_MINUTES, INSTANCE
from infra.constructs.arns import DEEP_LEARNING_CONTAINERS_ACCOUNT

#: Lines of docs/fidelity.md that this is about.
ITEMS = (*range(1, 16), *range(20, 29), *range(30, 47))

#: An app ends after 15 minutes by its schedule, after an hour without use by Studio's own idle
#: shutdown. That the schedule works is asked here, so the worst case is that it does not: the idle
#: hour, with as much again for the start and for a last kernel.
_APP = Instance(
    "studio",
    INSTANCE,
    2 * IDLE_MINUTES * 60,
    DISK_GB,
    "its schedule ends it after 15 min, Studio's idle shutdown after 60 min at the latest",
)
_APP_MAKES = ("app", "schedule", "role")
_STOP = (units("scheduler_firing", 4, "its stop, with retries"),)
_ALARM = (
    units("alarm", "0.034", "an alarm for a day"),
    units("custom_metric", "0.034", "a metric for a day"),
    units("metric_request", 40, "data put and alarms read"),
)
_METRICS = (
    Allowance(("cloudwatch:PutMetricData", "cloudwatch:DescribeAlarms")),
    Allowance(("cloudwatch:TagResource",), "arn:aws:cloudwatch:{region}:{account}:alarm:{prefix}*"),
)
_REFUSED = (
    Allowance(("sagemaker:DescribeDomain",), "arn:aws:sagemaker:{region}:{account}:domain/*"),
    Allowance(
        ("sagemaker:DescribeUserProfile", "sagemaker:CreateUserProfile"),
        "arn:aws:sagemaker:{region}:{account}:user-profile/*/{prefix}*",
    ),
    Allowance(
        ("sagemaker:DescribeSpace", "sagemaker:CreateSpace"),
        "arn:aws:sagemaker:{region}:{account}:space/*/{prefix}*",
    ),
    Allowance(
        ("sagemaker:DescribeApp", "sagemaker:CreateApp"),
        "arn:aws:sagemaker:{region}:{account}:app/*/{prefix}*/*/*",
    ),
    Allowance(
        ("sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"),
        "arn:aws:sagemaker:{region}:{account}:training-job/{prefix}*",
    ),
    Allowance(("lambda:GetFunction",), "arn:aws:lambda:{region}:{account}:function:{prefix}*"),
    Allowance(("codebuild:ListProjects", "lambda:ListFunctions")),
)
_IMAGE = (
    Allowance(
        ("sagemaker:DescribeImageVersion",), "arn:aws:sagemaker:{region}:{account}:image-version/*"
    ),
    Allowance(("sagemaker:DescribeImageVersion",), "arn:aws:sagemaker:{region}:{account}:image/*"),
    Allowance(("sagemaker:UpdateDomain",), "arn:aws:sagemaker:{region}:{account}:domain/*"),
)


def _apps(count: int) -> tuple[Cost, ...]:
    return (_APP,) * count + _STOP * count


QUESTIONS: tuple[Question, ...] = (
    # --- free, and quick --------------------------------------------------------------------------
    Question(
        "quotas",
        9,
        "Service Quotas knows the quotas of SageMaker by the names that `cohort plan` looks for.",
        "lists the quotas of SageMaker and looks for seven names",
        account.ask_quotas,
        needs=(
            Allowance(
                ("servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas")
            ),
        ),
    ),
    Question(
        "prices",
        10,
        "Every price in infra/cohort/prices.json is AWS's own.",
        "reads the region's price list of SageMaker, as `cohort prices refresh` does",
        account.ask_prices,
        needs=(Allowance(("pricing:GetProducts",)),),
        minutes=2,
    ),
    Question(
        "container-there",
        6,
        "The deep-learning container that the broker names exists in the region.",
        "asks the registry of AWS's containers for the tag",
        jobs.ask_there,
        needs=(
            Allowance(
                ("ecr:BatchGetImage",),
                f"arn:aws:ecr:{{region}}:{DEEP_LEARNING_CONTAINERS_ACCOUNT}:repository/*",
            ),
        ),
    ),
    Question(
        "alias-identity",
        1,
        "context.invoked_function_arn carries the alias that was invoked.",
        "invokes a function of two lines by an alias, and without one",
        functions.ask_alias,
        makes=("role", "function", "log-group"),
        costs=(
            units("lambda_request", 10, "two calls, with retries"),
            units("lambda_compute", 100, "each for seconds"),
            units("log_ingested", "0.0001", "lines of Lambda's own"),
        ),
    ),
    Question(
        "annual-budget",
        15,
        "A yearly budget counts from the day that it was given.",
        "makes a budget from the first of last month, and reads it back",
        alarms.ask_annual,
        makes=("budget",),
    ),
    Question(
        "refusal-codes",
        34,
        "What is absent, or breaks a model's constraints, is refused by the embedded cloud's "
        "codes.",
        "asks for what there is not, at SageMaker, and wrongly, at Budgets, CodeBuild and Lambda",
        codes.ask_absent,
        makes=("budget",),
        needs=_REFUSED,
    ),
    Question(
        "simulated-conditions",
        35,
        "A * in a variable's value is no wildcard to IAM's simulator.",
        "simulates a policy with a variable, and three conditions that IAM's guide leaves open",
        policies.ask_simulated,
        needs=(Allowance(("iam:SimulateCustomPolicy",)),),
    ),
    # --- S3 ---------------------------------------------------------------------------------------
    Question(
        "everyone-past-boundary",
        35,
        "What a bucket's policy grants to Principal * passes a role's permissions boundary.",
        "reads under a role whose boundary knows nothing of S3, by grants to everyone and to it; "
        "the first is held to the role's own session",
        policies.ask_everyone,
        makes=("policy", "role"),
        uses=("bucket",),
        needs=(
            Allowance(("s3:PutBucketPolicy", "s3:DeleteBucketPolicy"), "arn:aws:s3:::{prefix}*"),
        ),
        minutes=2,
    ),
    Question(
        "if-none-match",
        30,
        "s3:if-none-match is a condition key of PutObject that `Null: false` holds to.",
        "writes under a learner's policy without the header, with it, and with it again",
        objects.ask_new_only,
        makes=("role",),
        uses=("bucket",),
    ),
    Question(
        "storage-class",
        30,
        "s3:x-amz-storage-class holds a write to STANDARD; an archived object is "
        "InvalidObjectState to read.",
        "writes to GLACIER under a learner's policy, and reads an archived byte of its own",
        objects.ask_storage_class,
        makes=("role",),
        uses=("bucket",),
        costs=(
            units("s3_glacier_write", 10, "one archived byte"),
            units("s3_stored", "0.001", "it is billed for 90 days, with 40 kB of its own"),
        ),
    ),
    Question(
        "new-bucket",
        40,
        "A new bucket refuses a customer's key by itself.",
        "reads its new bucket's encryption, and writes with a public key",
        objects.ask_new_bucket,
        uses=("bucket",),
        needs=(Allowance(("s3:GetEncryptionConfiguration",), "arn:aws:s3:::{prefix}*"),),
    ),
    Question(
        "customer-key",
        30,
        "s3:x-amz-server-side-encryption-customer-algorithm denies a key of one's own; such an "
        "object is InvalidRequest to read.",
        "opens its bucket to such keys, writes under a learner's policy with a public one, and "
        "reads such an object",
        objects.ask_customer_key,
        makes=("role",),
        uses=("bucket",),
        needs=(Allowance(("s3:PutEncryptionConfiguration",), "arn:aws:s3:::{prefix}*"),),
    ),
    Question(
        "missing-object",
        32,
        "A missing object is AccessDenied to who may not list the bucket.",
        "reads what is there and what is not, under a role that may only read",
        objects.ask_missing,
        makes=("role",),
        uses=("bucket",),
    ),
    Question(
        "object-events",
        31,
        "EventBridge tells of objects below checked/ as of those below submissions/.",
        "writes one below each, with a rule and a function like the scorer's",
        objects.ask_told,
        makes=("rule",),
        uses=("bucket", "catcher"),
        minutes=4,
    ),
    # --- ECR --------------------------------------------------------------------------------------
    Question(
        "kept-tag",
        28,
        "A tag with the prefix kept- spares an image from a later rule of the life cycle.",
        "pushes three images of a few bytes, and asks for a preview, which expires nothing",
        registries.ask_kept,
        makes=("repository",),
        costs=(units("s3_stored", "0.001", "kilobytes in a registry, should they stay"),),
        needs=(
            Allowance(
                (
                    "ecr:InitiateLayerUpload",
                    "ecr:UploadLayerPart",
                    "ecr:CompleteLayerUpload",
                    "ecr:PutImage",
                    "ecr:StartLifecyclePolicyPreview",
                    "ecr:GetLifecyclePolicyPreview",
                ),
                "arn:aws:ecr:{region}:{account}:repository/{prefix}*",
            ),
        ),
        minutes=3,
    ),
    Question(
        "import-repository",
        28,
        "--import-existing-resources takes a repository that is there already.",
        "asks for a change set that would, and does not execute it",
        registries.ask_import,
        makes=("repository", "stack"),
        needs=(
            Allowance(
                ("ecr:DescribeRepositories", "ecr:ListTagsForResource"),
                "arn:aws:ecr:{region}:{account}:repository/{prefix}*",
            ),
        ),
    ),
    # --- CloudWatch -------------------------------------------------------------------------------
    Question(
        "alarm-silence",
        13,
        "An alarm on two silent periods rings after about four, and says so once.",
        "puts one datum, waits, and counts the minutes until an alarm rings",
        alarms.ask_silence,
        makes=("alarm",),
        costs=_ALARM,
        needs=_METRICS,
        minutes=8,
    ),
    Question(
        "encrypted-topic",
        14,
        "CloudWatch sends aws:SourceAccount to the key of an encrypted topic.",
        "lets an alarm ring into a topic with such a key, and looks whether it arrives",
        alarms.ask_encrypted,
        makes=("key", "topic", "queue", "alarm"),
        costs=(
            units("kms_key", "0.108", "a key for three days; waiting to be deleted it is free"),
            units("kms_request", 100, "messages under it"),
            units("sqs_request", 100, "messages and looks at them"),
            units("sns_request", 100, "messages"),
            *_ALARM,
        ),
        needs=(
            *_METRICS,
            Allowance(("sqs:SetQueueAttributes",), "arn:aws:sqs:{region}:{account}:{prefix}*"),
        ),
        minutes=5,
    ),
    # --- training ---------------------------------------------------------------------------------
    Question(
        "container-shell",
        6,
        "It runs /bin/bash -c with its Python first on the path.",
        "one training job of about a minute on ml.m5.large, which prints two versions",
        jobs.ask_shell,
        makes=("role", "rule", "training-job", "log-streams"),
        uses=("bucket", "catcher"),
        costs=(
            Instance(
                "training",
                jobs.INSTANCE,
                jobs.MAX_SECONDS,
                jobs.DISK_GB,
                "AWS stops it after MaxRuntimeInSeconds, 5 min",
            ),
        ),
        minutes=6,
    ),
    Question(
        "job-events",
        8,
        "SageMaker Training Job State Change carries the job's name and its status.",
        "catches the events of the job of container-shell, with a rule like the settler's",
        jobs.ask_events,
        uses=("bucket", "catcher"),
        minutes=1,
    ),
    Question(
        "job-environment",
        36,
        "DescribeTrainingJob returns Environment while a job is InProgress.",
        "reads what it said of the job of container-shell",
        jobs.ask_environment,
        minutes=0,
    ),
    # --- Studio: one domain for all of them -------------------------------------------------------
    Question(
        "past-schedule",
        12,
        "Scheduler refuses a time in the past in at().",
        "asks for a schedule an hour ago",
        studio.ask_past,
        makes=("schedule",),
        uses=("workspace",),
        costs=_STOP,
    ),
    Question(
        "unborn-app",
        3,
        "A schedule may name an app that does not exist yet.",
        "writes the stop of a space that there is not",
        studio.ask_unborn,
        makes=("schedule",),
        uses=("workspace",),
        costs=_STOP,
    ),
    Question(
        "app-arn",
        4,
        "Our pattern matches an app's ARN for CreateApp.",
        "CreateApp under a role for other spaces' apps, and under one with the broker's pattern",
        studio.ask_arn,
        makes=_APP_MAKES,
        uses=("workspace",),
        costs=_apps(1),
        minutes=5,
    ),
    Question(
        "system-type",
        7,
        "sagemaker:InstanceTypes on CreateApp must admit `system`.",
        "CreateApp under a role with the broker's condition without `system`, and with it",
        studio.ask_system,
        makes=_APP_MAKES,
        uses=("workspace",),
        costs=_apps(1),
        minutes=5,
    ),
    Question(
        "delete-pending",
        11,
        "DeleteApp is allowed while an app is pending.",
        "starts an app and deletes it at once",
        studio.ask_pending,
        makes=_APP_MAKES,
        uses=("workspace",),
        costs=_apps(1),
        minutes=5,
    ),
    Question(
        "default-image",
        5,
        "A JupyterLab app that names no image starts on the region's SageMaker Distribution.",
        "starts an app on ml.t3.medium and waits until it runs",
        studio.ask_image,
        makes=_APP_MAKES,
        uses=("workspace",),
        costs=_apps(1),
        minutes=8,
    ),
    Question(
        "stop",
        3,
        "Scheduler's universal target aws-sdk:sagemaker:deleteApp ends a space's app.",
        "starts an app whose stop is written, brings the stop forward, and waits for it",
        studio.ask_stop,
        makes=_APP_MAKES,
        uses=("workspace",),
        costs=_apps(1),
        minutes=10,
    ),
    Question(
        "image-conditions",
        25,
        "CreateApp carries sagemaker:ImageArns and sagemaker:ImageVersionArns.",
        "CreateApp with an attached image, under a role for another image and for this one",
        images.ask_conditions,
        makes=(*_APP_MAKES, "app-image-config"),
        uses=("workspace",),
        costs=_apps(2),
        needs=_IMAGE,
        minutes=12,
        image=True,
    ),
    Question(
        "older-space",
        26,
        "A space that is older than the attachment of an image starts on it.",
        "attaches the image to the domain, and starts the space that was there before",
        images.ask_older_space,
        makes=(*_APP_MAKES, "app-image-config"),
        uses=("workspace",),
        costs=_apps(1),
        needs=_IMAGE,
        minutes=8,
        image=True,
    ),
    Question(
        "pulling-role",
        24,
        "Studio pulls a custom image under the image's own role.",
        "starts an app on the image in a space whose role may pull nothing",
        images.ask_pull,
        makes=(*_APP_MAKES, "app-image-config"),
        uses=("workspace",),
        costs=_apps(1),
        needs=_IMAGE,
        minutes=8,
        image=True,
    ),
    Question(
        "other-version",
        27,
        "AWS refuses CreateApp for a version other than the domain's number.",
        "CreateApp with the version before the attached",
        images.ask_other_version,
        makes=(*_APP_MAKES, "app-image-config"),
        uses=("workspace",),
        costs=_apps(1),
        needs=_IMAGE,
        minutes=5,
        image=True,
    ),
    Question(
        "wrong-state",
        34,
        "What is in use, ended, or not in a domain is refused by the embedded cloud's codes.",
        "deletes a space with an app, a profile with a space, a domain with a profile, an app and "
        "a job that ended; makes what is there",
        codes.ask_state,
        makes=(*_APP_MAKES, "space"),
        uses=("workspace",),
        costs=_apps(1),
        needs=_REFUSED,
        minutes=5,
    ),
    Question(
        "no-efs-domain",
        2,
        "A domain without EFS starts private spaces and deletes without leftovers.",
        "removes the domain, and looks for security groups and interfaces in its network",
        studio.ask_leftovers,
        uses=("workspace",),
        needs=(Allowance(("ec2:DescribeSecurityGroups", "ec2:DescribeNetworkInterfaces")),),
        minutes=6,
    ),
)

BY_HAND: tuple[ByHand, ...] = (
    ByHand(
        5,
        "an app without an image on GPU types",
        "with a quota for ml.g4dn.xlarge: start a space on it in Studio, run nvidia-smi in a "
        "terminal, stop it",
    ),
    ByHand(
        11,
        "that a space's billing ends when its app is deleted",
        "two days after a run, in Cost Explorer: SageMaker, usage type JupyterLab-ml.t3.medium; "
        "the hours must not exceed the apps' times in the transcripts",
    ),
    ByHand(
        14,
        "that Budgets sends aws:SourceAccount, too",
        "give a cohort a budget below what is spent already, and wait a day for the mail; "
        "nothing asked by a program makes Budgets alert",
    ),
    ByHand(
        20,
        "SageMaker Distribution 4.4.1 as the base of our images",
        "cohort images build segmentation-cpu (CodeBuild, about $0.50), attach it, open a space: "
        "it must come up with the library; then run the probe with --image",
    ),
    ByHand(
        21,
        "CUDA, its driver and the size of the GPU images",
        "build segmentation-gpu, open a space on ml.g4dn.xlarge: nvidia-smi, and python -c "
        "'import academy; print(academy.devices())'",
    ),
    ByHand(
        22,
        "torchvision's operators on a GPU",
        "in the same space: python -c 'import torch, torchvision; torchvision.ops.nms(...)'",
    ),
    ByHand(
        23,
        "where a learner lands, and jupyter-collaboration",
        "open a space from `cohort open`: which page is first, and is it the same after a reload?",
    ),
    ByHand(
        27,
        "that new CustomImages are taken while an app runs",
        "with a space open on our image: cohort images use VERSION, deploy the team's stack",
    ),
    ByHand(
        28,
        "when the life cycle of ECR runs",
        "a day after a build that became no version expired: aws ecr list-images",
    ),
    ByHand(
        33,
        "that a channel of Microsoft Teams shows our messages",
        "deploy a cohort with notify.teams, cohort competition open land-cover, see the channel",
    ),
    ByHand(
        34,
        "operations on a profile, space or domain that is still Pending",
        "too short to be met by a program: CreateSpace and, within a second, CreateApp in it; "
        "ValidationException would confirm it",
    ),
    ByHand(
        35,
        "that CreateTrainingJob carries sagemaker:VolumeKmsKeyArn and OutputKmsKeyArn",
        "under a role that may CreateTrainingJob if Null says both are absent, name a KMS key for "
        "volume, then for output, and a role for the job that it may pass: each AccessDenied on "
        "CreateTrainingJob confirms it; stop the job that is taken",
    ),
    ByHand(
        35,
        "what decides on an empty value, and on one operator for several values",
        "simulated-conditions asks the simulator alone: put the same conditions on a role with an "
        "empty tag, and on sqs:TagQueue with two tags",
    ),
    ByHand(
        37,
        "the SageMaker SDK's driver inside AWS's PyTorch container and the academy's images",
        "in a space of a deployed cohort run the example in project_templates/academy/README.md, "
        "once for each image: the job must be Completed, its log without "
        "'command not found'",
    ),
    ByHand(
        38,
        "the seconds and words of a spot job that is interrupted",
        "no program can have one interrupted: train long ones with spot in a deployed cohort, and "
        "of one whose SecondaryStatusTransitions has Interrupted, or that ends as "
        "MaxWaitTimeExceeded, keep aws sagemaker describe-training-job",
    ),
    ByHand(
        39,
        "EventBridge's pauses between 185 tries, and the codes in its dead letters",
        "it takes a day: a rule with a dead-letter queue on a function of reserved concurrency 0; "
        "one put-events, its FailedInvocations by the minute, and after 24 h the attributes of "
        "the message",
    ),
    ByHand(
        41,
        "a private network: that spaces and jobs start in it, and that it goes away",
        "deploy a cohort with network: private and one team (about $0.14 an hour), publish, open a "
        "space, run its notebook to a job, close, destroy; note what waits for interfaces",
    ),
    ByHand(
        42,
        "that public becomes private in place",
        "with the cohort of item 41 deployed as public first: close the spaces, change network, "
        "deploy; the domains' ids must stay",
    ),
    ByHand(
        43,
        "the condition keys of jobs' network interfaces",
        "CloudTrail of the job of item 41: CreateNetworkInterfacePermission and its request; "
        "DeleteNetworkInterfacePermission must not be denied",
    ),
    ByHand(
        44,
        "EnableRemoteDebug, instance groups, and the path in aws:PrincipalArn",
        "as the broker's role: CreateTrainingJob with EnableRemoteDebug true, and with instance "
        "groups of an unlisted type, must be denied; an advisor's space must list the roster and "
        "be denied a PutObject",
    ),
    ByHand(
        45,
        "what stack policies refuse, and what an import takes over",
        "with a cohort of protect: true: change storage_gb down after cohort publish (refused), "
        "close, destroy, cohort diff, deploy with --import-existing-resources",
    ),
    ByHand(
        46,
        "that an account's policies are all told",
        "cohort prove FILE --account: what it calls undecided, and why; and aws lambda get-policy "
        "of the checker: ArnLike or StringLike on the SourceArn",
    ),
)


def by_id(name: str) -> Question:
    """The question with this id.

    Raises:
        KeyError: if there is none.
    """
    for question in QUESTIONS:
        if question.id == name:
            return question
    raise KeyError(name)
