"""boto3's paginators over every listing that is served: nothing lost, nothing doubled.

For each there is a function that fills the listing with `MANY` things and says which they are. A
page never has more than was asked for; where AWS's API takes no size, what AWS gives at most.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from infra.offline.services import quotas
from tests.offline.clients.filled_site import MANY, NAMES, Site, template
from tests.offline.clients.served import served_operations
from tests.offline.services.sagemaker.studio_cloud import IMAGE
from tests.offline.small_cloud import zipped
from tests.offline.whole_cloud import REGION, role

pytestmark = pytest.mark.clients

SIZES = (1, 2, 50)


@dataclass
class Listing:
    """What a listing is asked and must give."""

    #: JMESPath from a page to the names of its items.
    names: str
    expected: list[str]
    params: dict[str, Any] = field(default_factory=dict)
    #: Whether other things may be listed too.
    among_others: bool = False


Filler = Callable[[Site], Listing]
_fillers: dict[tuple[str, str], Filler] = {}


def lists(service: str, operation: str) -> Callable[[Filler], Filler]:
    def declare(function: Filler) -> Filler:
        _fillers[service, operation] = function
        return function

    return declare


# --- API Gateway ----------------------------------------------------------------------------------
@lists("apigatewayv2", "GetApis")
def _apis(site: Site) -> Listing:
    assert api_of(site)
    return Listing("Items[].Name", NAMES)


@lists("apigatewayv2", "GetIntegrations")
def _integrations(site: Site) -> Listing:
    return Listing("Items[].Description", NAMES, api_of(site))


@lists("apigatewayv2", "GetRoutes")
def _routes(site: Site) -> Listing:
    return Listing("Items[].RouteKey", [f"GET /{name}" for name in NAMES], api_of(site))


@lists("apigatewayv2", "GetStages")
def _stages(site: Site) -> Listing:
    """One is all that there can be."""
    return Listing("Items[].StageName", ["$default"], api_of(site))


def api_of(site: Site) -> dict[str, str]:
    """The first of five APIs; it has five integrations, and a route to each."""

    def make() -> dict[str, str]:
        api = site.client("apigatewayv2")
        made = [api.create_api(Name=name, ProtocolType="HTTP")["ApiId"] for name in NAMES]
        for name in NAMES:
            integration = api.create_integration(
                ApiId=made[0],
                Description=name,
                IntegrationType="AWS_PROXY",
                IntegrationUri="arn:aws:lambda:us-east-1:123456789012:function:door",
                PayloadFormatVersion="2.0",
            )["IntegrationId"]
            target = f"integrations/{integration}"
            api.create_route(ApiId=made[0], RouteKey=f"GET /{name}", Target=target)
        api.create_stage(ApiId=made[0], StageName="$default", AutoDeploy=True)
        return {"ApiId": made[0]}

    return dict(site.once("api", make))


# --- Budgets --------------------------------------------------------------------------------------
@lists("budgets", "DescribeBudgets")
def _budgets(site: Site) -> Listing:
    for name in NAMES:
        budget(site, name)
    return Listing("Budgets[].BudgetName", NAMES, {"AccountId": "123456789012"})


def budget(site: Site, name: str, *notifications: dict[str, Any]) -> None:
    site.client("budgets").create_budget(
        AccountId="123456789012",
        Budget={
            "BudgetName": name,
            "BudgetLimit": {"Amount": "100", "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
        },
        NotificationsWithSubscribers=list(notifications),
    )


@lists("budgets", "DescribeNotificationsForBudget")
def _notifications(site: Site) -> Listing:
    told = [notification(float(number)) for number in range(1, MANY + 1)]
    told_to = [{"SubscriptionType": "EMAIL", "Address": "a@example.org"}]
    budget(site, "told", *({"Notification": each, "Subscribers": told_to} for each in told))
    return Listing(
        "Notifications[].to_string(Threshold)",
        [str(each["Threshold"]) for each in told],
        {"AccountId": "123456789012", "BudgetName": "told"},
    )


def notification(threshold: float) -> dict[str, Any]:
    return {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": threshold,
        "ThresholdType": "PERCENTAGE",
    }


@lists("budgets", "DescribeSubscribersForNotification")
def _subscribers(site: Site) -> Listing:
    addresses = [f"{name}@example.org" for name in NAMES]
    subscribers = [{"SubscriptionType": "EMAIL", "Address": each} for each in addresses]
    budget(site, "heard", {"Notification": notification(80.0), "Subscribers": subscribers})
    params = {
        "AccountId": "123456789012",
        "BudgetName": "heard",
        "Notification": notification(80.0),
    }
    return Listing("Subscribers[].Address", addresses, params)


# --- CloudFormation -------------------------------------------------------------------------------
@lists("cloudformation", "DescribeStacks")
def _stacks(site: Site) -> Listing:
    assert planned(site)  # a stack that is reviewed is listed too
    return Listing("Stacks[].StackName", [site.stack, *NAMES[1:], "planned"])


@lists("cloudformation", "ListStacks")
def _list_stacks(site: Site) -> Listing:
    assert planned(site)
    return Listing("StackSummaries[].StackName", [site.stack, *NAMES[1:], "planned"])


@lists("cloudformation", "ListStackResources")
def _stack_resources(site: Site) -> Listing:
    expected = [f"P{number}" for number in range(MANY)]
    return Listing(
        "StackResourceSummaries[].LogicalResourceId", expected, {"StackName": site.stack}
    )


def stack_events(site: Site) -> list[str]:
    """A resource begins, is initiated and ends; the stack begins and ends."""
    begins, ends = "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
    expected = [f"P{number} {state}" for number in range(MANY) for state in (begins, begins, ends)]
    return [*expected, f"{site.stack} {begins}", f"{site.stack} {ends}"]


@lists("cloudformation", "DescribeStackEvents")
def _stack_events(site: Site) -> Listing:
    return Listing(
        "StackEvents[].join(' ', [LogicalResourceId, ResourceStatus])",
        stack_events(site),
        {"StackName": site.stack},
    )


@lists("cloudformation", "DescribeEvents")
def _findings(site: Site) -> Listing:
    """Of a change set's validation: there are none, since a wrong template makes no change set."""
    return Listing("OperationEvents[].EventId", [], planned(site))


def planned(site: Site) -> dict[str, str]:
    """A change set of five parameters."""
    named = {"StackName": "planned", "ChangeSetName": "first"}

    def make() -> dict[str, str]:
        api = site.client("cloudformation")
        api.create_change_set(
            **named, ChangeSetType="CREATE", TemplateBody=template("planned", MANY)
        )
        api.get_waiter("change_set_create_complete").wait(**named)
        return named

    return dict(site.once("planned", make))


@lists("cloudformation", "DescribeChangeSet")
def _change_set(site: Site) -> Listing:
    expected = [f"P{number}" for number in range(MANY)]
    return Listing("Changes[].ResourceChange.LogicalResourceId", expected, planned(site))


@lists("cloudtrail", "LookupEvents")
def _trail(site: Site) -> Listing:
    return Listing("Events[].EventId", [])


# --- CloudWatch -----------------------------------------------------------------------------------
@lists("cloudwatch", "DescribeAlarms")
def _alarms(site: Site) -> Listing:
    for name in NAMES:
        site.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="Academy",
            MetricName="Ran",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="LessThanThreshold",
            TreatMissingData="notBreaching",
        )
    return Listing("MetricAlarms[].AlarmName", NAMES)


@lists("cloudwatch", "ListMetrics")
def _metrics(site: Site) -> Listing:
    for name in NAMES:
        site.client("cloudwatch").put_metric_data(
            Namespace="Many", MetricData=[{"MetricName": name, "Value": 1}]
        )
    return Listing("Metrics[].MetricName", NAMES, {"Namespace": "Many"})


# --- CodeBuild ------------------------------------------------------------------------------------
@lists("codebuild", "ListProjects")
def _projects(site: Site) -> Listing:
    for name in NAMES:
        project(site, name)
    return Listing("projects", NAMES)


def project(site: Site, name: str) -> str:
    def make() -> str:
        s3 = site.client("s3")
        s3.create_bucket(Bucket=f"source-{name}")
        s3.put_object(
            Bucket=f"source-{name}", Key="context.zip", Body=zipped({"buildspec.yml": BUILDSPEC})
        )
        site.client("codebuild").create_project(
            name=name,
            source={"type": "S3", "location": f"source-{name}/context.zip"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            serviceRole=site.once(
                "builder",
                lambda: role(
                    site.cloud, "builder", "codebuild", (["s3:GetObject"], "arn:aws:s3:::source-*")
                ),
            ),
            timeoutInMinutes=30,
        )
        return name

    return str(site.once(f"project {name}", make))


BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - "true"
"""


def builds(site: Site) -> list[str]:
    def make() -> list[str]:
        name = project(site, NAMES[0])
        start = site.client("codebuild").start_build
        return [str(start(projectName=name)["build"]["id"]) for _ in range(MANY)]

    return list(site.once("builds", make))


@lists("codebuild", "ListBuilds")
def _builds(site: Site) -> Listing:
    return Listing("ids", builds(site))


@lists("codebuild", "ListBuildsForProject")
def _builds_of(site: Site) -> Listing:
    return Listing("ids", builds(site), {"projectName": NAMES[0]})


# --- Cognito --------------------------------------------------------------------------------------
def user_pool(site: Site) -> str:
    """The pool that has five of everything."""

    def make() -> str:
        idp = site.client("cognito-idp")
        settings = {
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True},
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        }
        for name in NAMES:
            pool = str(idp.create_user_pool(PoolName=name, **settings)["UserPool"]["Id"])
        for name in NAMES:
            idp.create_user_pool_client(
                UserPoolId=pool, ClientName=name, ExplicitAuthFlows=["ALLOW_USER_AUTH"]
            )
            idp.create_group(UserPoolId=pool, GroupName=name)
            email = [{"Name": "email", "Value": f"{name}@example.org"}]
            idp.admin_create_user(
                UserPoolId=pool, Username=name, UserAttributes=email, MessageAction="SUPPRESS"
            )
        for user, group in [(name, NAMES[0]) for name in NAMES] + [(NAMES[0], g) for g in NAMES]:
            idp.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
        return pool

    return str(site.once("user pool", make))


@lists("cognito-idp", "ListUserPools")
def _user_pools(site: Site) -> Listing:
    assert user_pool(site)
    return Listing("UserPools[].Name", NAMES, {"MaxResults": 60})


@lists("cognito-idp", "ListUserPoolClients")
def _user_pool_clients(site: Site) -> Listing:
    return Listing("UserPoolClients[].ClientName", NAMES, {"UserPoolId": user_pool(site)})


@lists("cognito-idp", "ListGroups")
def _groups(site: Site) -> Listing:
    return Listing("Groups[].GroupName", NAMES, {"UserPoolId": user_pool(site)})


@lists("cognito-idp", "ListIdentityProviders")
def _identity_providers(site: Site) -> Listing:
    pool, idp = user_pool(site), site.client("cognito-idp")
    details = {
        "attributes_request_method": "GET",
        "authorize_scopes": "openid",
        "client_id": "x",
        "client_secret": "x",
        "oidc_issuer": "https://login.example.org",
    }
    for name in NAMES:
        idp.create_identity_provider(
            UserPoolId=pool, ProviderName=name, ProviderType="OIDC", ProviderDetails=details
        )
    return Listing("Providers[].ProviderName", NAMES, {"UserPoolId": pool})


@lists("cognito-idp", "AdminListGroupsForUser")
def _groups_of_user(site: Site) -> Listing:
    params = {"UserPoolId": user_pool(site), "Username": NAMES[0]}
    return Listing("Groups[].GroupName", NAMES, params)


@lists("cognito-idp", "ListUsers")
def _users(site: Site) -> Listing:
    return Listing("Users[].Username", NAMES, {"UserPoolId": user_pool(site)})


@lists("cognito-idp", "ListUsersInGroup")
def _users_in_group(site: Site) -> Listing:
    params = {"UserPoolId": user_pool(site), "GroupName": NAMES[0]}
    return Listing("Users[].Username", NAMES, params)


# --- DynamoDB -------------------------------------------------------------------------------------
@lists("dynamodb", "ListTables")
def _tables(site: Site) -> Listing:
    return Listing("TableNames", [site.table, *NAMES[1:]])


@lists("dynamodb", "Query")
def _query(site: Site) -> Listing:
    params = {
        "TableName": site.table,
        "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
    }
    return Listing("Items[].sk.S", NAMES, params)


@lists("dynamodb", "Scan")
def _scan(site: Site) -> Listing:
    return Listing("Items[].sk.S", NAMES, {"TableName": site.table})


# --- EC2, ECR -------------------------------------------------------------------------------------
@lists("ec2", "DescribeVpcs")
def _vpcs(site: Site) -> Listing:
    ec2 = site.client("ec2")
    tag = {"ResourceType": "vpc", "Tags": [{"Key": "many", "Value": "yes"}]}
    made = [
        ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=[tag])["Vpc"]["VpcId"]
        for _ in NAMES
    ]
    # A page has at least five.
    made += [ec2.create_vpc(CidrBlock="10.2.0.0/16", TagSpecifications=[tag])["Vpc"]["VpcId"]]
    params = {"Filters": [{"Name": "tag:many", "Values": ["yes"]}]}
    return Listing("Vpcs[].VpcId", made, params)


@lists("ec2", "DescribeSubnets")
def _subnets(site: Site) -> Listing:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.3.{number}.0/24")["Subnet"]["SubnetId"]
        for number in range(MANY + 1)
    ]
    return Listing("Subnets[].SubnetId", made, of_vpc(vpc))


@lists("ec2", "DescribeSecurityGroups")
def _security_groups(site: Site) -> Listing:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    for name in NAMES:
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
    return Listing("SecurityGroups[].GroupName", ["default", *NAMES], of_vpc(vpc))


@lists("ec2", "DescribeNetworkInterfaces")
def _interfaces(site: Site) -> Listing:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.5.0.0/24")["Subnet"]["SubnetId"]
    made = [
        ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        for _ in range(MANY + 1)
    ]
    return Listing("NetworkInterfaces[].NetworkInterfaceId", made, of_vpc(vpc))


def of_vpc(vpc: str) -> dict[str, Any]:
    return {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}


@lists("ecr", "DescribeRepositories")
def _repositories(site: Site) -> Listing:
    return Listing("repositories[].repositoryName", [site.repository, *NAMES[1:]])


@lists("ecr", "DescribeImages")
def _images(site: Site) -> Listing:
    params = {"repositoryName": site.repository}
    return Listing("imageDetails[].imageTags[]", NAMES, params)


@lists("ecr", "ListImages")
def _image_ids(site: Site) -> Listing:
    return Listing("imageIds[].imageTag", NAMES, {"repositoryName": site.repository})


# --- EventBridge, Scheduler -----------------------------------------------------------------------
@lists("events", "ListRules")
def _rules(site: Site) -> Listing:
    for name in NAMES:
        site.client("events").put_rule(Name=name, ScheduleExpression="rate(1 hour)")
    return Listing("Rules[].Name", NAMES)


@lists("events", "ListTargetsByRule")
def _targets(site: Site) -> Listing:
    events = site.client("events")
    events.put_rule(Name="targets", ScheduleExpression="rate(1 day)")
    arn = f"arn:aws:lambda:{REGION}:123456789012:function:{site.function}"
    events.put_targets(Rule="targets", Targets=[{"Id": name, "Arn": arn} for name in NAMES])
    return Listing("Targets[].Id", NAMES, {"Rule": "targets"})


@lists("scheduler", "ListScheduleGroups")
def _groups(site: Site) -> Listing:
    for name in NAMES:
        site.client("scheduler").create_schedule_group(Name=name)
    return Listing("ScheduleGroups[].Name", ["default", *NAMES])


@lists("scheduler", "ListSchedules")
def _schedules(site: Site) -> Listing:
    runner = role(site.cloud, "scheduled", "scheduler")
    for name in NAMES:
        site.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression="at(2099-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:deleteApp",
                "RoleArn": runner,
                "Input": json.dumps(
                    {
                        "DomainId": "d-0",
                        "SpaceName": name,
                        "AppType": "JupyterLab",
                        "AppName": "default",
                    }
                ),
            },
        )
    return Listing("Schedules[].Name", NAMES)


# --- IAM, KMS -------------------------------------------------------------------------------------
@lists("iam", "ListRoles")
def _roles(site: Site) -> Listing:
    for name in NAMES:
        role(site.cloud, name, "lambda")
    return Listing("Roles[].RoleName", NAMES, among_others=True)


def policies(site: Site) -> list[str]:
    iam = site.client("iam")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def make() -> list[str]:
        role(site.cloud, "holder", "lambda")
        arns = []
        for name in NAMES:
            made = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName="holder", PolicyArn=made)
            iam.put_role_policy(RoleName="holder", PolicyName=name, PolicyDocument=document)
            arns.append(str(made))
        return arns

    return list(site.once("policies", make))


@lists("iam", "ListPolicies")
def _policies(site: Site) -> Listing:
    return Listing("Policies[].Arn", policies(site), {"Scope": "Local"})


@lists("iam", "ListAttachedRolePolicies")
def _attached(site: Site) -> Listing:
    return Listing("AttachedPolicies[].PolicyArn", policies(site), {"RoleName": "holder"})


@lists("iam", "ListRolePolicies")
def _inline(site: Site) -> Listing:
    policies(site)
    return Listing("PolicyNames", NAMES, {"RoleName": "holder"})


@lists("iam", "GetAccountAuthorizationDetails")
def _account_details(site: Site) -> Listing:
    """Four lists in one listing, and a page may end in any of them."""
    policies(site)
    for name in NAMES:
        role(site.cloud, f"detailed-{name}", "lambda")
    lists_of_arns = "UserDetailList[].Arn, GroupDetailList[].Arn, RoleDetailList[].Arn"
    expected = [f"arn:aws:iam::123456789012:role/detailed-{name}" for name in NAMES]
    return Listing(
        f"[{lists_of_arns}, Policies[].Arn][]",
        [*expected, *policies(site)],
        among_others=True,
    )


ACTIONS = [f"s3:{name}" for name in ("GetObject", "PutObject", "ListBucket", "DeleteObject")]


@lists("iam", "SimulatePrincipalPolicy")
def _simulated(site: Site) -> Listing:
    policies(site)
    source = "arn:aws:iam::123456789012:role/holder"
    params = {"PolicySourceArn": source, "ActionNames": ACTIONS}
    return Listing("EvaluationResults[].EvalActionName", ACTIONS, params)


@lists("iam", "SimulateCustomPolicy")
def _simulated_custom(site: Site) -> Listing:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    params = {"PolicyInputList": [document], "ActionNames": ACTIONS}
    return Listing("EvaluationResults[].EvalActionName", ACTIONS, params)


def keys(site: Site) -> list[str]:
    def make() -> list[str]:
        kms = site.client("kms")
        made = [str(kms.create_key()["KeyMetadata"]["KeyId"]) for _ in NAMES]
        for name in NAMES:
            kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made[0])
        return made

    return list(site.once("keys", make))


@lists("kms", "ListKeys")
def _keys(site: Site) -> Listing:
    return Listing("Keys[].KeyId", keys(site), among_others=True)


@lists("kms", "ListResourceTags")
def _key_tags(site: Site) -> Listing:
    tags = [{"TagKey": name, "TagValue": "x"} for name in NAMES]
    key = site.client("kms").create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    return Listing("Tags[].TagKey", NAMES, {"KeyId": key})


@lists("kms", "ListAliases")
def _key_aliases(site: Site) -> Listing:
    keys(site)
    expected = [f"alias/{name}" for name in NAMES]
    return Listing("Aliases[].AliasName", expected, among_others=True)


# --- Lambda, Logs ---------------------------------------------------------------------------------
@lists("lambda", "ListFunctions")
def _functions(site: Site) -> Listing:
    return Listing("Functions[].FunctionName", [site.function, *NAMES[1:]])


@lists("lambda", "ListAliases")
def _aliases(site: Site) -> Listing:
    return Listing("Aliases[].Name", NAMES, {"FunctionName": site.function})


@lists("lambda", "ListVersionsByFunction")
def _versions_of_function(site: Site) -> Listing:
    return Listing("Versions[].Version", ["$LATEST", "1"], {"FunctionName": site.function})


@lists("logs", "DescribeLogGroups")
def _log_groups(site: Site) -> Listing:
    assert site.log_group
    expected = [f"/many/{name}" for name in NAMES]
    return Listing("logGroups[].logGroupName", expected, {"logGroupNamePrefix": "/many/"})


@lists("logs", "DescribeLogStreams")
def _log_streams(site: Site) -> Listing:
    return Listing("logStreams[].logStreamName", NAMES, {"logGroupName": site.log_group})


@lists("logs", "FilterLogEvents")
def _log_events(site: Site) -> Listing:
    return Listing("events[].message", NAMES, {"logGroupName": site.log_group})


# --- S3 -------------------------------------------------------------------------------------------
@lists("s3", "ListBuckets")
def _buckets(site: Site) -> Listing:
    for name in NAMES:
        site.client("s3").create_bucket(Bucket=name)
    return Listing("Buckets[].Name", NAMES, among_others=True)


@lists("s3", "ListObjects")
def _objects(site: Site) -> Listing:
    return Listing("Contents[].Key", [f"folder/{name}" for name in NAMES], {"Bucket": site.bucket})


@lists("s3", "ListObjectsV2")
def _objects_v2(site: Site) -> Listing:
    params = {"Bucket": site.bucket, "Prefix": "folder/"}
    return Listing("Contents[].Key", [f"folder/{name}" for name in NAMES], params)


@lists("s3", "ListObjectVersions")
def _versions(site: Site) -> Listing:
    s3 = site.client("s3")
    s3.delete_object(Bucket=site.bucket, Key=f"folder/{NAMES[0]}")
    s3.put_object(Bucket=site.bucket, Key=f"folder/{NAMES[0]}", Body=b"3")
    expected = [f"folder/{name}" for name in NAMES for _ in range(2)]
    expected += [f"folder/{NAMES[0]}"] * 2
    return Listing("[Versions, DeleteMarkers][][].Key", expected, {"Bucket": site.bucket})


def uploads(site: Site) -> list[str]:
    def make() -> list[str]:
        s3 = site.client("s3")
        s3.create_bucket(Bucket="parts")
        made = [
            str(s3.create_multipart_upload(Bucket="parts", Key=name)["UploadId"]) for name in NAMES
        ]
        for number in range(1, MANY + 1):
            s3.upload_part(
                Bucket="parts", Key=NAMES[0], UploadId=made[0], PartNumber=number, Body=b"part"
            )
        return made

    return list(site.once("uploads", make))


@lists("s3", "ListMultipartUploads")
def _uploads(site: Site) -> Listing:
    return Listing("Uploads[].UploadId", uploads(site), {"Bucket": "parts"})


@lists("s3", "ListParts")
def _parts(site: Site) -> Listing:
    params = {"Bucket": "parts", "Key": NAMES[0], "UploadId": uploads(site)[0]}
    expected = [str(number) for number in range(1, MANY + 1)]
    return Listing("Parts[].to_string(PartNumber)", expected, params)


# --- SageMaker ------------------------------------------------------------------------------------
@lists("sagemaker", "ListDomains")
def _domains(site: Site) -> Listing:
    return Listing("Domains[].DomainId", [site.domain(name) for name in NAMES])


@lists("sagemaker", "ListUserProfiles")
def _profiles(site: Site) -> Listing:
    params = {"DomainIdEquals": site.profiles}
    return Listing("UserProfiles[].UserProfileName", NAMES, params)


@lists("sagemaker", "ListSpaces")
def _spaces(site: Site) -> Listing:
    return Listing("Spaces[].SpaceName", NAMES, {"DomainIdEquals": site.spaces})


@lists("sagemaker", "ListApps")
def _apps(site: Site) -> Listing:
    domain = site.spaces
    for name in NAMES:
        site.client("sagemaker").create_app(
            DomainId=domain, SpaceName=name, AppType="JupyterLab", AppName="default"
        )
    for name in NAMES:
        site.client("sagemaker").delete_app(
            DomainId=domain, SpaceName=name, AppType="JupyterLab", AppName="default"
        )
    return Listing("Apps[].SpaceName", NAMES, {"DomainIdEquals": domain})


@lists("sagemaker", "ListStudioLifecycleConfigs")
def _scripts(site: Site) -> Listing:
    for name in NAMES:
        site.client("sagemaker").create_studio_lifecycle_config(
            StudioLifecycleConfigName=name,
            StudioLifecycleConfigAppType="JupyterLab",
            StudioLifecycleConfigContent=base64.b64encode(b"true").decode(),
        )
    return Listing("StudioLifecycleConfigs[].StudioLifecycleConfigName", NAMES)


@lists("sagemaker", "ListTags")
def _tags(site: Site) -> Listing:
    domain = site.domain(NAMES[0])
    arn = f"arn:aws:sagemaker:{REGION}:123456789012:domain/{domain}"
    site.client("sagemaker").add_tags(
        ResourceArn=arn, Tags=[{"Key": name, "Value": "x"} for name in NAMES]
    )
    return Listing("Tags[].Key", NAMES, {"ResourceArn": arn})


@lists("sagemaker", "ListTrainingJobs")
def _jobs(site: Site) -> Listing:
    site.once("jobs bucket", lambda: site.client("s3").create_bucket(Bucket="jobs"))
    for name in NAMES:
        site.client("sagemaker").create_training_job(
            TrainingJobName=name,
            RoleArn=site.studio_role,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/true"],
            },
            OutputDataConfig={"S3OutputPath": "s3://jobs/"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
    return Listing("TrainingJobSummaries[].TrainingJobName", NAMES)


def images(site: Site) -> list[str]:
    def make() -> list[str]:
        for name in NAMES:
            site.client("sagemaker").create_image(ImageName=name, RoleArn=site.studio_role)
        return NAMES

    return list(site.once("images", make))


@lists("sagemaker", "ListImages")
def _studio_images(site: Site) -> Listing:
    return Listing("Images[].ImageName", images(site))


@lists("sagemaker", "ListImageVersions")
def _image_versions(site: Site) -> Listing:
    images(site)
    digest = site.client("ecr").describe_images(repositoryName=site.repository)["imageDetails"][0][
        "imageDigest"
    ]
    base = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/{site.repository}@{digest}"
    for _ in NAMES:
        site.client("sagemaker").create_image_version(ImageName=NAMES[0], BaseImage=base)
    expected = [str(number) for number in range(1, MANY + 1)]
    return Listing("ImageVersions[].to_string(Version)", expected, {"ImageName": NAMES[0]})


@lists("sagemaker", "ListAppImageConfigs")
def _image_configs(site: Site) -> Listing:
    for name in NAMES:
        site.client("sagemaker").create_app_image_config(
            AppImageConfigName=name,
            JupyterLabAppImageConfig={
                "ContainerConfig": {"ContainerEntrypoint": ["/opt/academy/bin/start"]}
            },
        )
    return Listing("AppImageConfigs[].AppImageConfigName", NAMES)


# --- Service Quotas -------------------------------------------------------------------------------
@lists("service-quotas", "ListServiceQuotas")
@lists("service-quotas", "ListAWSDefaultServiceQuotas")
def _quotas(site: Site) -> Listing:
    expected = [
        quotas.DOMAINS,
        quotas.PROFILES,
        quotas.SPACES,
        quotas.APPS,
    ]
    params = {"ServiceCode": "sagemaker"}
    return Listing("Quotas[].QuotaName", expected, params, among_others=True)


# --- SNS, SQS, SSM --------------------------------------------------------------------------------
@lists("sns", "ListTopics")
def _topics(site: Site) -> Listing:
    sns = site.client("sns")
    # AWS gives 100 a page: "ListTopics" in the SNS API reference.
    made = [str(sns.create_topic(Name=f"topic-{n}")["TopicArn"]) for n in range(101)]
    return Listing("Topics[].TopicArn", made)


@lists("sns", "ListSubscriptionsByTopic")
def _subscriptions(site: Site) -> Listing:
    sns = site.client("sns")
    arn = sns.create_topic(Name="heard")["TopicArn"]
    addresses = [f"{number}@example.org" for number in range(101)]
    for address in addresses:
        sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=address)
    return Listing("Subscriptions[].Endpoint", addresses, {"TopicArn": arn})


@lists("sns", "ListSubscriptions")
def _all_subscriptions(site: Site) -> Listing:
    sns = site.client("sns")
    arn = sns.create_topic(Name="heard-anywhere")["TopicArn"]
    addresses = [f"anywhere-{number}@example.org" for number in range(101)]
    for address in addresses:
        sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=address)
    return Listing("Subscriptions[].Endpoint", addresses, among_others=True)


@lists("sqs", "ListQueues")
def _queues(site: Site) -> Listing:
    made = [str(site.client("sqs").create_queue(QueueName=name)["QueueUrl"]) for name in NAMES]
    return Listing("QueueUrls", made)


def parameters(site: Site) -> list[str]:
    def make() -> list[str]:
        names = [f"/many/{name}" for name in NAMES]
        for name in names:
            site.client("ssm").put_parameter(Name=name, Value="x", Type="String")
        for value in NAMES:
            site.client("ssm").put_parameter(
                Name="changed", Value=value, Type="String", Overwrite=True
            )
        return names

    return list(site.once("parameters", make))


@lists("ssm", "DescribeParameters")
def _parameters(site: Site) -> Listing:
    expected = parameters(site)
    filters = [{"Key": "Path", "Option": "Recursive", "Values": ["/many"]}]
    return Listing("Parameters[].Name", expected, {"ParameterFilters": filters})


@lists("ssm", "GetParametersByPath")
def _by_path(site: Site) -> Listing:
    return Listing("Parameters[].Name", parameters(site), {"Path": "/many"})


@lists("ssm", "GetParameterHistory")
def _history(site: Site) -> Listing:
    parameters(site)
    return Listing("Parameters[].Value", NAMES, {"Name": "changed"})


# --- the tests ------------------------------------------------------------------------------------
#: Listings that are refused by name.
REFUSED: dict[tuple[str, str], dict[str, Any]] = {
    ("cloudformation", "DescribeEvents"): {"StackName": "list-0"},
    ("ec2", "DescribeDhcpOptions"): {},
    ("ecr", "GetLifecyclePolicyPreview"): {"repositoryName": "list-0"},
    ("sagemaker", "Search"): {"Resource": "TrainingJob"},
}


def paginated() -> set[tuple[str, str]]:
    """Every operation that is served and that boto3 has a paginator for."""
    found = set()
    for service, operations in served_operations().items():
        api = boto3.client(service, region_name=REGION)
        found |= {(service, each) for each in operations if api.can_paginate(xform_name(each))}
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as cloud:
        yield Site(cloud)


def test_every_paginator_of_what_is_served_is_tried() -> None:
    assert paginated() <= set(_fillers) | set(REFUSED)
    assert set(REFUSED) <= paginated()


@pytest.mark.parametrize(("service", "operation"), _fillers)
def test_pages_lose_nothing_and_double_nothing(site: Site, service: str, operation: str) -> None:
    listing = site.once(f"{service} {operation}", lambda: _fillers[service, operation](site))
    api = site.client(service)
    paginator = api.get_paginator(xform_name(operation))
    sized = "limit_key" in paginator._pagination_cfg
    whole = sorted(items(listing, paginator.paginate(**listing.params)))
    if listing.among_others:
        assert set(listing.expected) <= set(whole)
        assert len(set(whole)) == len(whole)
    else:
        assert whole == sorted(listing.expected)
    for asked in sizes(api, operation) if sized else ():
        pages = list(paginator.paginate(**listing.params, PaginationConfig={"PageSize": asked}))
        assert sorted(items(listing, pages)) == whole, f"in pages of {asked}"
        assert max((len(found(listing, page)) for page in pages), default=0) <= asked
        assert len(pages) >= len(whole) / asked


def sizes(api: Any, operation: str) -> list[int]:
    """The sizes to ask for, within what the service takes."""
    limit = api.get_paginator(xform_name(operation))._pagination_cfg["limit_key"]
    shape = api.meta.service_model.operation_model(operation).input_shape.members[limit]
    bounds = {"min": 1, "max": 1000, **shape.metadata}
    return sorted({min(max(size, bounds["min"]), bounds["max"]) for size in SIZES})


@pytest.mark.parametrize(("service", "operation"), REFUSED)
def test_what_is_not_listed_says_so(site: Site, service: str, operation: str) -> None:
    paginator = site.client(service).get_paginator(xform_name(operation))
    with pytest.raises(ClientError, match="embedded cloud"):
        list(paginator.paginate(**REFUSED[service, operation]))


def found(listing: Listing, page: Any) -> list[str]:
    return [str(name) for name in jmespath.search(listing.names, page) or ()]


def items(listing: Listing, pages: Any) -> list[str]:
    return [name for page in pages for name in found(listing, page)]
