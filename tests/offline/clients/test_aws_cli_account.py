"""The AWS CLI and what an account holds: roles, keys, parameters, tables, alarms, budgets, images,
builds, stacks."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import timedelta

import pytest

from infra.offline.server import Cloud
from infra.offline.services import quotas
from tests.offline.clients.aws_cli import SERVICE_REFUSED, WAITER_FAILED, AwsCli, Ended
from tests.offline.clients.filled_site import push_image
from tests.offline.services.sagemaker.studio_cloud import until
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import client, role

pytestmark = pytest.mark.clients

ACCOUNT = "123456789012"


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*") -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


TRUST = document(
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
)


# --- IAM and STS ----------------------------------------------------------------------------------
def test_a_role_is_made_given_policies_and_assumed(aws: AwsCli, cloud: Cloud) -> None:
    made = aws(
        "iam",
        "create-role",
        "--role-name=reader",
        "--path=/academy/",
        f"--assume-role-policy-document={TRUST}",
        "--tags=Key=academy:team,Value=falcon",
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/academy/reader"
    aws("iam", "wait", "role-exists", "--role-name=reader")
    named = "--role-name=reader"
    words = ("--policy-name=reads", f"--policy-document={document(allow('s3:ListAllMyBuckets'))}")
    aws("iam", "put-role-policy", named, *words)
    managed = aws(
        "iam",
        "create-policy",
        "--policy-name=parameters",
        f"--policy-document={document(allow('ssm:GetParameter'))}",
    )["Policy"]["Arn"]
    aws("iam", "attach-role-policy", named, f"--policy-arn={managed}")
    assert aws("iam", "list-role-policies", named)["PolicyNames"] == ["reads"]
    got = aws("iam", "get-role-policy", named, "--policy-name=reads")
    assert got["PolicyDocument"]["Statement"] == [allow("s3:ListAllMyBuckets")]
    [attached] = aws("iam", "list-attached-role-policies", named)["AttachedPolicies"]
    assert attached == {"PolicyName": "parameters", "PolicyArn": managed}
    listed = aws("iam", "list-policies", "--scope=Local", "--query=Policies[].PolicyName")
    assert listed == ["parameters"]
    roles = aws("iam", "list-roles", "--path-prefix=/academy/", "--query=Roles[].RoleName")
    assert roles == ["reader"]

    keys = aws("sts", "assume-role", f"--role-arn={made['Arn']}", "--role-session-name=ana")[
        "Credentials"
    ]
    reader = AwsCli(
        cloud,
        aws.home,
        {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        },
    )
    who = reader("sts", "get-caller-identity")
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/ana"
    assert reader("s3api", "list-buckets")["Buckets"] == []
    denied = reader.refused("ssm", "get-parameters-by-path", "--path=/")
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "AccessDeniedException")
    denied = reader.refused("sts", "assume-role", f"--role-arn={made['Arn']}", *SESSION)
    assert (denied.status, denied.code) == (SERVICE_REFUSED, "AccessDenied")
    cloud.runtime.clock.move(by=timedelta(hours=2))
    expired = reader.refused("sts", "get-caller-identity")
    assert (expired.status, expired.code) == (SERVICE_REFUSED, "ExpiredToken")

    busy = aws.refused("iam", "delete-role", named)
    assert (busy.status, busy.code) == (SERVICE_REFUSED, "DeleteConflict")
    aws("iam", "detach-role-policy", named, f"--policy-arn={managed}")
    aws("iam", "delete-role-policy", named, "--policy-name=reads")
    aws("iam", "delete-role", named)
    aws("iam", "delete-policy", f"--policy-arn={managed}")
    missing = aws.refused("iam", "get-role", named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NoSuchEntity")


SESSION = ("--role-session-name=again",)


def test_wrong_roles_are_refused(aws: AwsCli) -> None:
    words = ("iam", "create-role", "--role-name=twice", f"--assume-role-policy-document={TRUST}")
    aws(*words)
    again = aws.refused(*words)
    assert (again.status, again.code) == (SERVICE_REFUSED, "EntityAlreadyExists")
    wrong = aws.refused(
        "iam", "put-role-policy", "--role-name=twice", "--policy-name=p", "--policy-document={}"
    )
    assert (wrong.status, wrong.code) == (SERVICE_REFUSED, "MalformedPolicyDocument")


def test_who_the_administrator_is(aws: AwsCli) -> None:
    assert aws("sts", "get-caller-identity")["Account"] == ACCOUNT


def test_a_policy_is_simulated(aws: AwsCli, cloud: Cloud) -> None:
    arn = role(cloud, "simulated", "lambda", (["s3:GetObject"], "arn:aws:s3:::work/teams/*"))
    results = aws(
        "iam",
        "simulate-principal-policy",
        f"--policy-source-arn={arn}",
        "--action-names",
        "s3:GetObject",
        "s3:PutObject",
        "--resource-arns=arn:aws:s3:::work/teams/falcon",
    )["EvaluationResults"]
    decisions = {each["EvalActionName"]: each["EvalDecision"] for each in results}
    assert decisions == {"s3:GetObject": "allowed", "s3:PutObject": "implicitDeny"}


# --- KMS and SSM ----------------------------------------------------------------------------------
def test_a_key_encrypts_and_decrypts(aws: AwsCli, cloud: Cloud) -> None:
    key = aws("kms", "create-key", "--description=work")["KeyMetadata"]["KeyId"]
    aws("kms", "create-alias", "--alias-name=alias/work", f"--target-key-id={key}")
    plain = base64.b64encode(b"hidden").decode()
    sealed = aws("kms", "encrypt", "--key-id=alias/work", f"--plaintext={plain}")["CiphertextBlob"]
    path = aws.home / "sealed"
    path.write_bytes(base64.b64decode(sealed))
    opened = aws("kms", "decrypt", f"--ciphertext-blob=fileb://{path}")
    assert base64.b64decode(opened["Plaintext"]).strip() in (b"hidden", plain.encode())
    data = aws("kms", "generate-data-key", "--key-id=alias/work", "--key-spec=AES_256")
    assert len(base64.b64decode(data["Plaintext"])) == 32
    again = aws(
        "kms",
        "re-encrypt",
        f"--ciphertext-blob=fileb://{path}",
        f"--destination-key-id={key}",
    )
    assert again["KeyId"].endswith(key)
    assert aws("kms", "describe-key", "--key-id=alias/work")["KeyMetadata"]["KeyId"] == key
    aliases = aws("kms", "list-aliases", f"--key-id={key}", "--query=Aliases[].AliasName")
    assert aliases == ["alias/work"]
    assert key in aws("kms", "list-keys", "--query=Keys[].KeyId")
    ends = aws("kms", "schedule-key-deletion", f"--key-id={key}", "--pending-window-in-days=7")
    assert (ends["KeyState"], ends["PendingWindowInDays"]) == ("PendingDeletion", 7)
    for words in (
        ("encrypt", f"--key-id={key}", f"--plaintext={plain}"),
        ("decrypt", f"--ciphertext-blob=fileb://{path}"),
        ("schedule-key-deletion", f"--key-id={key}"),
    ):
        unusable = aws.refused("kms", *words)
        assert (unusable.status, unusable.code) == (SERVICE_REFUSED, "KMSInvalidStateException")
    cloud.runtime.clock.move(by=timedelta(days=8))
    until(lambda: key not in aws("kms", "list-keys", "--query=Keys[].KeyId"))
    missing = aws.refused("kms", "describe-key", "--key-id=alias/never")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NotFoundException")


def test_parameters_are_put_and_got(aws: AwsCli) -> None:
    for name in ("config", "deep/settings"):
        aws("ssm", "put-parameter", f"--name=/earth/{name}", "--value=1", "--type=String")
    again = ("ssm", "put-parameter", "--name=/earth/config", "--value=2", "--type=String")
    refusal = aws.refused(*again)
    assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ParameterAlreadyExists")
    aws(*again, "--overwrite")
    got = aws("ssm", "get-parameter", "--name=/earth/config")["Parameter"]
    assert (got["Value"], got["Version"]) == ("2", 2)
    words = ("ssm", "get-parameters-by-path", "--path=/earth", "--query=Parameters[].Name")
    assert aws(*words) == ["/earth/config"]
    assert sorted(aws(*words, "--recursive")) == ["/earth/config", "/earth/deep/settings"]
    many = aws("ssm", "get-parameters", "--names", "/earth/config", "/never")
    assert [each["Name"] for each in many["Parameters"]] == ["/earth/config"]
    assert many["InvalidParameters"] == ["/never"]
    history = aws("ssm", "get-parameter-history", "--name=/earth/config")["Parameters"]
    assert [each["Value"] for each in history] == ["1", "2"]
    described = aws("ssm", "describe-parameters", "--query=Parameters[].Name")
    assert "/earth/config" in described
    aws("ssm", "delete-parameter", "--name=/earth/config")
    missing = aws.refused("ssm", "get-parameter", "--name=/earth/config")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ParameterNotFound")


# --- DynamoDB -------------------------------------------------------------------------------------
def test_a_table_and_its_items(aws: AwsCli) -> None:
    named = "--table-name=ledger"
    aws(
        "dynamodb",
        "create-table",
        named,
        "--key-schema",
        "AttributeName=pk,KeyType=HASH",
        "AttributeName=sk,KeyType=RANGE",
        "--attribute-definitions",
        "AttributeName=pk,AttributeType=S",
        "AttributeName=sk,AttributeType=S",
        "--billing-mode=PAY_PER_REQUEST",
    )
    aws("dynamodb", "wait", "table-exists", named)
    assert aws("dynamodb", "describe-table", named)["Table"]["TableStatus"] == "ACTIVE"
    assert aws("dynamodb", "list-tables")["TableNames"] == ["ledger"]

    def key(sk: str) -> dict[str, dict[str, str]]:
        return {"pk": {"S": "falcon"}, "sk": {"S": sk}}

    for sk in ("a", "b", "c"):
        item = json.dumps({**key(sk), "usd": {"N": "1"}})
        aws("dynamodb", "put-item", named, f"--item={item}")
    once = ("--condition-expression=attribute_not_exists(pk)",)
    item = f"--item={json.dumps(key('a'))}"
    refusal = aws.refused("dynamodb", "put-item", named, item, *once)
    assert (refusal.status, refusal.code) == (SERVICE_REFUSED, "ConditionalCheckFailedException")
    found = aws(
        "dynamodb",
        "query",
        named,
        "--key-condition-expression=pk = :pk",
        '--expression-attribute-values={":pk": {"S": "falcon"}}',
        "--page-size=1",
        "--query=Items[].sk.S",
    )
    assert found == ["a", "b", "c"]
    updated = aws(
        "dynamodb",
        "update-item",
        named,
        f"--key={json.dumps(key('a'))}",
        "--update-expression=ADD usd :more",
        '--expression-attribute-values={":more": {"N": "2"}}',
        "--return-values=ALL_NEW",
    )
    assert updated["Attributes"]["usd"] == {"N": "3"}
    put = {"Put": {"TableName": "ledger", "Item": key("d")}}
    taken = {
        "ConditionCheck": {
            "TableName": "ledger",
            "Key": key("a"),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    words = ("dynamodb", "transact-write-items", "--transact-items")
    cancelled = aws.refused(*words, json.dumps([put, taken]))
    assert (cancelled.status, cancelled.code) == (SERVICE_REFUSED, "TransactionCanceledException")
    assert "[None, ConditionalCheckFailed]" in cancelled.message
    assert aws("dynamodb", "get-item", named, f"--key={json.dumps(key('d'))}") is None
    aws(*words, json.dumps([put]))
    got = aws("dynamodb", "get-item", named, f"--key={json.dumps(key('d'))}", "--consistent-read")
    assert got == {"Item": key("d")}
    aws("dynamodb", "delete-item", named, f"--key={json.dumps(key('d'))}")
    assert aws("dynamodb", "scan", named, "--select=COUNT")["Count"] == 3
    aws("dynamodb", "delete-table", named)
    aws("dynamodb", "wait", "table-not-exists", named)
    missing = aws.refused("dynamodb", "describe-table", named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFoundException")


# --- CloudWatch and Budgets -----------------------------------------------------------------------
def test_metrics_are_put_and_watched(aws: AwsCli, cloud: Cloud) -> None:
    metric = ("--namespace=Academy", "--metric-name=Ran")
    aws("cloudwatch", "put-metric-data", *metric, "--value=3")
    listed = aws("cloudwatch", "list-metrics", "--namespace=Academy")["Metrics"]
    assert [each["MetricName"] for each in listed] == ["Ran"]
    now = cloud.runtime.clock.now()
    span = (
        f"--start-time={now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        f"--end-time={now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    )
    words = ("--period=300", "--statistics=Sum")
    statistics = aws("cloudwatch", "get-metric-statistics", *metric, *span, *words)
    assert [each["Sum"] for each in statistics["Datapoints"]] == [3.0]
    query = {
        "Id": "ran",
        "MetricStat": {
            "Metric": {"Namespace": "Academy", "MetricName": "Ran"},
            "Period": 300,
            "Stat": "Sum",
        },
    }
    data = aws(
        "cloudwatch", "get-metric-data", *span, f"--metric-data-queries={json.dumps([query])}"
    )
    assert data["MetricDataResults"][0]["Values"] == [3.0]
    aws(
        "cloudwatch",
        "put-metric-alarm",
        "--alarm-name=silent",
        *metric,
        "--statistic=Sum",
        "--period=300",
        "--evaluation-periods=1",
        "--threshold=1",
        "--comparison-operator=LessThanThreshold",
        "--treat-missing-data=breaching",
    )
    aws("cloudwatch", "wait", "alarm-exists", "--alarm-names=silent")
    cloud.runtime.clock.move(by=timedelta(hours=1))
    state = "--query=MetricAlarms[].StateValue"
    until(lambda: aws("cloudwatch", "describe-alarms", state) == ["ALARM"])
    aws("cloudwatch", "delete-alarms", "--alarm-names=silent")
    assert aws("cloudwatch", "describe-alarms")["MetricAlarms"] == []


def test_a_budget_and_its_notifications(aws: AwsCli) -> None:
    owner, named = f"--account-id={ACCOUNT}", "--budget-name=earth"
    notification = {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80,
        "ThresholdType": "PERCENTAGE",
    }
    told = [{"SubscriptionType": "EMAIL", "Address": "owner@example.org"}]
    budget = {
        "BudgetName": "earth",
        "BudgetLimit": {"Amount": "500", "Unit": "USD"},
        "BudgetType": "COST",
        "TimeUnit": "ANNUALLY",
    }
    words = (
        "budgets",
        "create-budget",
        owner,
        f"--budget={json.dumps(budget)}",
        "--notifications-with-subscribers",
        json.dumps([{"Notification": notification, "Subscribers": told}]),
    )
    aws(*words)
    again = aws.refused(*words)
    assert (again.status, again.code) == (SERVICE_REFUSED, "DuplicateRecordException")
    assert aws("budgets", "describe-budgets", owner, "--query=Budgets[].BudgetName") == ["earth"]
    got = aws("budgets", "describe-budget", owner, named)["Budget"]
    assert got["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    [kept] = aws("budgets", "describe-notifications-for-budget", owner, named)["Notifications"]
    assert (kept["Threshold"], kept["NotificationType"]) == (80.0, "ACTUAL")
    heard = aws(
        "budgets",
        "describe-subscribers-for-notification",
        owner,
        named,
        f"--notification={json.dumps(notification)}",
    )
    assert heard["Subscribers"] == told
    budget["BudgetLimit"] = {"Amount": "600", "Unit": "USD"}
    aws("budgets", "update-budget", owner, f"--new-budget={json.dumps(budget)}")
    got = aws("budgets", "describe-budget", owner, named)["Budget"]
    assert got["BudgetLimit"]["Amount"] == "600"
    aws("budgets", "delete-budget", owner, named)
    missing = aws.refused("budgets", "describe-budget", owner, named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "NotFoundException")


# --- ECR and CodeBuild ----------------------------------------------------------------------------
def test_repositories_and_their_images(aws: AwsCli, cloud: Cloud) -> None:
    named = "--repository-name=academy/cpu"
    made = aws("ecr", "create-repository", named, "--image-tag-mutability=IMMUTABLE")["repository"]
    assert made["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/academy/cpu"
    for tag in ("one", "two"):
        push_image(client(cloud, "ecr"), "academy/cpu", tag)
    layer = aws.home / "layer"
    layer.write_bytes(b"a layer")
    upload = aws("ecr", "initiate-layer-upload", named)["uploadId"]
    here = (named, f"--upload-id={upload}")
    part = ("--part-first-byte=0", f"--part-last-byte={len(b'a layer') - 1}")
    aws("ecr", "upload-layer-part", *here, *part, f"--layer-part-blob=fileb://{layer}")
    digest = f"sha256:{hashlib.sha256(b'a layer').hexdigest()}"
    done = aws("ecr", "complete-layer-upload", *here, f"--layer-digests={digest}")
    assert done["layerDigest"] == digest
    assert len(aws.text("ecr", "get-login-password").strip()) > 10
    listed = aws("ecr", "describe-repositories", "--query=repositories[].repositoryName")
    assert listed == ["academy/cpu"]
    tags = aws("ecr", "list-images", named, "--query=imageIds[].imageTag")
    assert sorted(tags) == ["one", "two"]
    words = ("--image-ids=imageTag=one",)
    [image] = aws("ecr", "describe-images", named, *words)["imageDetails"]
    [got] = aws("ecr", "batch-get-image", named, *words)["images"]
    assert got["imageId"] == {"imageDigest": image["imageDigest"], "imageTag": "one"}
    [kept] = json.loads(got["imageManifest"])["layers"]
    digests = f"--layer-digests={kept['digest']}"
    known = aws("ecr", "batch-check-layer-availability", named, digests)["layers"]
    assert known[0]["layerAvailability"] == "AVAILABLE"
    aws("ecr", "put-image", named, "--image-tag=kept-one", "--image-manifest", got["imageManifest"])
    busy = aws.refused("ecr", "delete-repository", named)
    assert (busy.status, busy.code) == (SERVICE_REFUSED, "RepositoryNotEmptyException")
    gone = aws("ecr", "batch-delete-image", named, "--image-ids=imageTag=two")
    assert gone["failures"] == []
    aws("ecr", "delete-repository", named, "--force")
    missing = aws.refused("ecr", "describe-images", named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "RepositoryNotFoundException")


def test_a_build_runs_to_its_end(aws: AwsCli, cloud: Cloud) -> None:
    buildspec = "version: 0.2\nphases:\n  build:\n    commands:\n      - echo built $WHAT\n"
    bundle = aws.home / "context.zip"
    bundle.write_bytes(zipped({"buildspec.yml": buildspec}))
    aws.text("s3", "mb", "s3://source")
    aws.text("s3", "cp", str(bundle), "s3://source/context.zip")
    aws("logs", "create-log-group", "--log-group-name=/aws/codebuild/images")
    streams = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/codebuild/images:log-stream:*"
    builder = role(
        cloud,
        "builder",
        "codebuild",
        (["s3:GetObject"], "arn:aws:s3:::source/*"),
        (["logs:CreateLogStream", "logs:PutLogEvents"], streams),
    )
    aws(
        "codebuild",
        "create-project",
        "--name=images",
        "--source=type=S3,location=source/context.zip",
        "--artifacts=type=NO_ARTIFACTS",
        "--environment=type=LINUX_CONTAINER,computeType=BUILD_GENERAL1_SMALL,"
        "image=aws/codebuild/amazonlinux-x86_64-standard:5.0",
        f"--service-role={builder}",
    )
    [project] = aws("codebuild", "batch-get-projects", "--names=images")["projects"]
    assert project["serviceRole"] == builder
    assert aws("codebuild", "list-projects")["projects"] == ["images"]
    variables = "--environment-variables-override=name=WHAT,value=it"
    build = aws("codebuild", "start-build", "--project-name=images", variables)["build"]

    def ended() -> object:
        [seen] = aws("codebuild", "batch-get-builds", f"--ids={build['id']}")["builds"]
        return seen if seen["buildStatus"] != "IN_PROGRESS" else None

    over = until(ended)
    assert over["buildStatus"] == "SUCCEEDED", over["phases"]
    of_project = aws("codebuild", "list-builds-for-project", "--project-name=images")["ids"]
    assert of_project == [build["id"]]
    late = aws("codebuild", "stop-build", f"--id={build['id']}")["build"]
    assert late["buildStatus"] == "SUCCEEDED"
    missing = aws.refused("codebuild", "start-build", "--project-name=never")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ResourceNotFoundException")
    none = aws("codebuild", "batch-get-projects", "--names=never")
    assert none["projectsNotFound"] == ["never"]


# --- CloudFormation -------------------------------------------------------------------------------
def template(*values: str) -> str:
    return json.dumps(
        {
            "Parameters": {"Cohort": {"Type": "String"}},
            "Resources": {
                f"P{number}": {
                    "Type": "AWS::SSM::Parameter",
                    "Properties": {
                        "Type": "String",
                        "Name": {"Fn::Sub": f"/${{Cohort}}/{number}"},
                        "Value": value,
                    },
                }
                for number, value in enumerate(values)
            },
            "Outputs": {"First": {"Value": {"Ref": "P0"}}},
        }
    )


def test_a_stack_is_deployed_changed_and_deleted(aws: AwsCli) -> None:
    path = aws.home / "stack.json"

    def deploy(*more: str) -> Ended:
        time.sleep(1.1)  # the CLI names its change sets by the second
        return aws.run(
            "cloudformation",
            "deploy",
            "--stack-name=parameters",
            f"--template-file={path}",
            "--parameter-overrides",
            "Cohort=earth",
            *more,
        )

    path.write_text(template("one"))
    made = deploy()
    assert "Successfully created/updated stack - parameters" in made.output, made.errors
    named = "--stack-name=parameters"
    aws("cloudformation", "wait", "stack-create-complete", named)
    [stack] = aws("cloudformation", "describe-stacks", named)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"] == [{"OutputKey": "First", "OutputValue": "/earth/0"}]
    same = deploy("--no-fail-on-empty-changeset")
    assert same.status == 0
    assert "No changes to deploy" in same.output
    failed = deploy()
    assert failed.status == WAITER_FAILED
    assert "No changes to deploy" in failed.errors
    path.write_text(template("two", "three"))
    assert deploy().status == 0
    aws("cloudformation", "wait", "stack-update-complete", named)
    assert aws("ssm", "get-parameter", "--name=/earth/1")["Parameter"]["Value"] == "three"
    resources = aws("cloudformation", "list-stack-resources", named)["StackResourceSummaries"]
    assert [each["LogicalResourceId"] for each in resources] == ["P0", "P1"]
    events = aws("cloudformation", "describe-stack-events", named)["StackEvents"]
    assert events[0]["ResourceStatus"] == "UPDATE_COMPLETE"
    got = aws("cloudformation", "get-template", named)["TemplateBody"]
    assert got == json.loads(template("two", "three"))
    summary = aws("cloudformation", "get-template-summary", named)
    assert summary["ResourceTypes"] == ["AWS::SSM::Parameter"]
    listed = aws("cloudformation", "list-stacks", "--query=StackSummaries[].StackStatus")
    assert listed == ["UPDATE_COMPLETE"]
    [one] = aws("cloudformation", "describe-stack-resources", named, "--logical-resource-id=P1")[
        "StackResources"
    ]
    detail = aws("cloudformation", "describe-stack-resource", named, "--logical-resource-id=P1")[
        "StackResourceDetail"
    ]
    assert one["PhysicalResourceId"] == detail["PhysicalResourceId"] == "/earth/1"
    aws("cloudformation", "update-termination-protection", named, *PROTECT)
    kept = aws.refused("cloudformation", "delete-stack", named)
    assert (kept.status, kept.code) == (SERVICE_REFUSED, "ValidationError")
    aws("cloudformation", "update-termination-protection", named, *UNPROTECT)
    aws("cloudformation", "delete-stack", named)
    aws("cloudformation", "wait", "stack-delete-complete", named)
    missing = aws.refused("cloudformation", "describe-stacks", named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ValidationError")
    assert missing.message == "Stack with id parameters does not exist"


PROTECT, UNPROTECT = (
    ("--enable-termination-protection",),
    ("--no-enable-termination-protection",),
)


def test_a_change_set_is_looked_at_and_thrown_away(aws: AwsCli) -> None:
    path = aws.home / "planned.json"
    path.write_text(template("one"))
    named = ("--stack-name=planned", "--change-set-name=first")
    aws(
        "cloudformation",
        "create-change-set",
        *named,
        "--change-set-type=CREATE",
        f"--template-body=file://{path}",
        "--parameters=ParameterKey=Cohort,ParameterValue=earth",
    )
    aws("cloudformation", "wait", "change-set-create-complete", *named)
    [change] = aws("cloudformation", "describe-change-set", *named)["Changes"]
    assert change["ResourceChange"]["Action"] == "Add"
    aws("cloudformation", "delete-change-set", *named)
    missing = aws.refused("cloudformation", "describe-change-set", *named)
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "ChangeSetNotFound")


def test_a_stack_that_cannot_be_made_says_why(aws: AwsCli) -> None:
    path = aws.home / "wrong.json"
    path.write_text(json.dumps({"Resources": {"Q": {"Type": "AWS::Nothing::Known"}}}))
    deploy = ("cloudformation", "deploy", "--stack-name=wrong", f"--template-file={path}")
    ended = aws.run(*deploy)
    assert ended.status == WAITER_FAILED
    assert "Failed to create/update the stack" in ended.errors
    reasons = aws(
        "cloudformation",
        "describe-stack-events",
        "--stack-name=wrong",
        "--query=StackEvents[].ResourceStatusReason",
    )
    assert any("AWS::Nothing::Known" in reason for reason in reasons)


def test_a_stack_without_a_change_set(aws: AwsCli) -> None:
    path = aws.home / "direct.json"
    named, body = "--stack-name=direct", f"--template-body=file://{path}"
    given = "--parameters=ParameterKey=Cohort,ParameterValue=direct"
    path.write_text(template("one"))
    aws("cloudformation", "create-stack", named, body, given)
    aws("cloudformation", "wait", "stack-create-complete", named)
    path.write_text(template("two"))
    aws("cloudformation", "update-stack", named, body, given)
    aws("cloudformation", "wait", "stack-update-complete", named)
    same = aws.refused("cloudformation", "update-stack", named, body, given)
    assert (same.status, same.code) == (SERVICE_REFUSED, "ValidationError")
    assert same.message == "No updates are to be performed."
    aws("cloudformation", "delete-stack", named)
    aws("cloudformation", "wait", "stack-delete-complete", named)


# --- the network and quotas -----------------------------------------------------------------------
def test_a_network_is_made_seen_and_removed(aws: AwsCli) -> None:
    vpc = aws("ec2", "create-vpc", "--cidr-block=10.9.0.0/16")["Vpc"]["VpcId"]
    aws("ec2", "wait", "vpc-available", f"--vpc-ids={vpc}")
    made = aws("ec2", "create-subnet", f"--vpc-id={vpc}", "--cidr-block=10.9.0.0/24")["Subnet"]
    of_vpc = f"--filters=Name=vpc-id,Values={vpc}"
    [subnet] = aws("ec2", "describe-subnets", of_vpc)["Subnets"]
    assert subnet["SubnetId"] == made["SubnetId"]
    groups = aws("ec2", "describe-security-groups", of_vpc, "--query=SecurityGroups[].GroupName")
    assert groups == ["default"]
    assert aws("ec2", "describe-network-interfaces", of_vpc)["NetworkInterfaces"] == []
    used = aws.refused("ec2", "delete-vpc", f"--vpc-id={vpc}")
    assert (used.status, used.code) == (SERVICE_REFUSED, "DependencyViolation")
    aws("ec2", "delete-subnet", f"--subnet-id={made['SubnetId']}")
    aws("ec2", "delete-vpc", f"--vpc-id={vpc}")
    missing = aws.refused("ec2", "describe-vpcs", f"--vpc-ids={vpc}")
    assert (missing.status, missing.code) == (SERVICE_REFUSED, "InvalidVpcID.NotFound")


def test_quotas_are_told(aws: AwsCli) -> None:
    words = ("--service-code=sagemaker", "--query=Quotas[].QuotaName")
    for operation in ("list-service-quotas", "list-aws-default-service-quotas"):
        assert quotas.DOMAINS in aws("service-quotas", operation, *words)


# --- the rest -------------------------------------------------------------------------------------
def test_the_trail_is_empty(aws: AwsCli) -> None:
    assert aws("cloudtrail", "lookup-events", "--max-results=5")["Events"] == []


def test_services_that_are_not_modelled_say_so_by_name(aws: AwsCli) -> None:
    for words in (
        ("chatbot", "describe-slack-workspaces"),
        ("rds", "describe-db-instances"),
        ("sagemaker", "list-hubs"),
    ):
        ended = aws.run(*words)
        assert ended.status == SERVICE_REFUSED
        assert words[0] in ended.errors.lower() or "ListHubs" in ended.errors
