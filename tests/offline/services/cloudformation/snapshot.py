"""The whole embedded cloud as its services tell it: object by object, to compare before and after.

Every reading goes through the services' own describe, list and get operations. What AWS counts up
with every change and never takes back is left out (times of change, revisions, versions of
policies and parameters), and so is what is on its way out (a key that pends deletion, an endpoint
that is shown for a while).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from infra.offline import inside
from infra.offline.services import chatbot

REGION = "us-east-1"
ACCOUNT = "123456789012"

#: Counted up or noted at every change, on AWS too, also by a change that takes another one back.
VOLATILE = frozenset(
    {
        "AlarmConfigurationUpdatedTimestamp",
        "DefaultVersionId",
        "EarliestRestorableDateTime",
        "LastModificationDate",
        "LastModified",
        "LastModifiedDate",
        "LastModifiedTime",
        "LastModifiedUser",
        "LastUpdatedDate",
        "LastUpdatedTime",
        "LatestRestorableDateTime",
        "LastUpdateToPayPerRequestDateTime",
        "ResponseMetadata",
        "RevisionId",
        "StateUpdatedTimestamp",
        "UpdateDate",
        "lastModified",
    }
)

Objects = Iterator[tuple[str, Any]]

#: Where a service wants a page's size to be given.
SIXTY = {"PageSize": 60}


def snapshot() -> dict[str, Any]:
    """Object -> what its service says of it."""
    found: dict[str, Any] = {}
    for read in READERS:
        for name, described in read():
            key = f"{read.__name__.lstrip('_')}: {name}"
            assert key not in found, key
            found[key] = _plain(described)
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs between two snapshots: object -> (before, after)."""
    return {
        name: (before.get(name, "nothing"), after.get(name, "nothing"))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _plain(value: Any) -> Any:
    """`value` without what is volatile; lists whose order means nothing in one order."""
    if isinstance(value, dict):
        return {name: _document(name, item) for name, item in value.items() if name not in VOLATILE}
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value


def _document(name: str, value: Any) -> Any:
    """Policies as what they say, not as they are spelled."""
    if isinstance(value, str) and name.lower().endswith(("policy", "policytext", "pattern")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return _plain(value)


def _client(service: str) -> Any:
    return inside.client(service, REGION)


def _pages(service: str, operation: str, member: str, **parameters: Any) -> list[Any]:
    pages = _client(service).get_paginator(operation).paginate(**parameters)
    return [item for page in pages for item in page.get(member) or ()]


def _or_none(call: Callable[..., Any], **parameters: Any) -> Any:
    """The answer, or None where the service says that there is no such thing."""
    try:
        answer = call(**parameters)
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if "NotFound" in code or code.startswith("NoSuch"):
            return None
        raise
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


# --- storage --------------------------------------------------------------------------------------
def _bucket() -> Objects:
    s3 = _client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        read = {
            operation: _or_none(getattr(s3, operation), Bucket=name)
            for operation in (
                "get_bucket_encryption",
                "get_bucket_lifecycle_configuration",
                "get_bucket_notification_configuration",
                "get_bucket_ownership_controls",
                "get_bucket_policy",
                "get_bucket_tagging",
                "get_bucket_versioning",
                "get_public_access_block",
            )
        }
        # AWS has no way back from Suspended to a bucket that was never versioned.
        if read["get_bucket_versioning"].get("Status") == "Suspended":
            read["get_bucket_versioning"] = {}
        objects = [
            (each["Key"], each["ETag"])
            for each in _pages("s3", "list_objects_v2", "Contents", Bucket=name)
        ]
        yield name, {**bucket, **read, "objects": objects}


def _table() -> Objects:
    api = _client("dynamodb")
    for name in _pages("dynamodb", "list_tables", "TableNames"):
        table = api.describe_table(TableName=name)["Table"]
        yield (
            name,
            {
                "table": table,
                "backups": api.describe_continuous_backups(TableName=name)[
                    "ContinuousBackupsDescription"
                ],
                "expiry": api.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
                "tags": api.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"],
                "items": _pages("dynamodb", "scan", "Items", TableName=name),
            },
        )


def _parameter() -> Objects:
    ssm = _client("ssm")
    for described in _pages("ssm", "describe_parameters", "Parameters"):
        name = described["Name"]
        described.pop("Version")
        value = ssm.get_parameter(Name=name)["Parameter"]
        value.pop("Version")
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        yield name, {**described, "value": value, "tags": tags}


def _repository() -> Objects:
    ecr = _client("ecr")
    for found in _pages("ecr", "describe_repositories", "repositories"):
        name = found["repositoryName"]
        policy = _or_none(ecr.get_repository_policy, repositoryName=name)
        lifecycle = _or_none(ecr.get_lifecycle_policy, repositoryName=name)
        yield (
            name,
            {
                **found,
                "policy": policy,
                "lifecycle": lifecycle and lifecycle["lifecyclePolicyText"],
                "images": ecr.list_images(repositoryName=name)["imageIds"],
                "tags": ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"],
            },
        )


# --- rights ---------------------------------------------------------------------------------------
def _role() -> Objects:
    iam = _client("iam")
    for listed in _pages("iam", "list_roles", "Roles"):
        name = listed["RoleName"]
        role = iam.get_role(RoleName=name)["Role"]
        role.pop("RoleLastUsed", None)
        inline = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        tags = iam.list_role_tags(RoleName=name)["Tags"]
        yield name, {**role, "Tags": tags, "inline": inline, "attached": attached}


def _managed_policy() -> Objects:
    iam = _client("iam")
    for listed in _pages("iam", "list_policies", "Policies", Scope="Local"):
        arn = listed["Arn"]
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
        version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
        yield arn, {**policy, "document": version["PolicyVersion"]["Document"]}


def _key() -> Objects:
    kms = _client("kms")
    for listed in _pages("kms", "list_keys", "Keys"):
        key = listed["KeyId"]
        described = kms.describe_key(KeyId=key)["KeyMetadata"]
        if described["KeyState"] == "PendingDeletion":
            continue
        yield (
            key,
            {
                **described,
                "policy": kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
                "rotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
                "tags": kms.list_resource_tags(KeyId=key)["Tags"],
            },
        )


def _key_alias() -> Objects:
    for alias in _pages("kms", "list_aliases", "Aliases"):
        # AWS's own aliases come into being when somebody looks for them.
        if not alias["AliasName"].startswith("alias/aws/"):
            yield alias["AliasName"], alias


# --- functions and events -------------------------------------------------------------------------
def _function() -> Objects:
    api = _client("lambda")
    for listed in _pages("lambda", "list_functions", "Functions"):
        name = listed["FunctionName"]
        aliases = {
            alias["Name"]: {
                **alias,
                "policy": _or_none(api.get_policy, FunctionName=name, Qualifier=alias["Name"]),
            }
            for alias in _pages("lambda", "list_aliases", "Aliases", FunctionName=name)
        }
        got = api.get_function(FunctionName=name)
        concurrency = api.get_function_concurrency(FunctionName=name)
        concurrency.pop("ResponseMetadata")
        yield (
            name,
            {
                "configuration": got["Configuration"],
                "tags": got.get("Tags", {}),
                "concurrency": concurrency,
                "aliases": aliases,
                "policy": _or_none(api.get_policy, FunctionName=name),
                "asynchronous": _or_none(api.get_function_event_invoke_config, FunctionName=name),
            },
        )


def _http_api() -> Objects:
    api = _client("apigatewayv2")
    for found in _pages("apigatewayv2", "get_apis", "Items"):
        named = {"ApiId": found["ApiId"]}
        yield (
            found["Name"],
            {
                **found,
                "integrations": _pages("apigatewayv2", "get_integrations", "Items", **named),
                "routes": _pages("apigatewayv2", "get_routes", "Items", **named),
                "stages": api.get_stages(**named)["Items"],
            },
        )


def _rule() -> Objects:
    api = _client("events")
    for rule in _pages("events", "list_rules", "Rules"):
        name = rule["Name"]
        yield (
            name,
            {
                **rule,
                "targets": api.list_targets_by_rule(Rule=name)["Targets"],
                "tags": api.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"],
            },
        )


def _schedule_group() -> Objects:
    api = _client("scheduler")
    for group in _pages("scheduler", "list_schedule_groups", "ScheduleGroups"):
        name = group["Name"]
        schedules = _pages("scheduler", "list_schedules", "Schedules", GroupName=name)
        tags = api.list_tags_for_resource(ResourceArn=group["Arn"])["Tags"]
        yield name, {**group, "schedules": schedules, "tags": tags}


def _log_group() -> Objects:
    api = _client("logs")
    for group in _pages("logs", "describe_log_groups", "logGroups"):
        group.pop("storedBytes", None)
        arn = group["arn"].removesuffix(":*")
        yield (
            group["logGroupName"],
            {**group, "tags": api.list_tags_for_resource(resourceArn=arn)["tags"]},
        )


def _alarm() -> Objects:
    api = _client("cloudwatch")
    for alarm in _pages("cloudwatch", "describe_alarms", "MetricAlarms"):
        # Its state is a matter of time, not of what it is.
        kept = {name: value for name, value in alarm.items() if not name.startswith("State")}
        tags = api.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        yield alarm["AlarmName"], {**kept, "tags": tags}


def _user_pool() -> Objects:
    api = _client("cognito-idp")
    for pool in _pages("cognito-idp", "list_user_pools", "UserPools", PaginationConfig=SIXTY):
        here = {"UserPoolId": pool["Id"]}
        clients = _pages("cognito-idp", "list_user_pool_clients", "UserPoolClients", **here)
        yield (
            pool["Name"],
            {
                **api.describe_user_pool(**here)["UserPool"],
                "mail": _or_none(api.get_user_pool_mfa_config, **here),
                "clients": [
                    api.describe_user_pool_client(**here, ClientId=each["ClientId"])
                    for each in clients
                ],
                "groups": [
                    {**group, "users": _in_group(pool["Id"], group["GroupName"])}
                    for group in _pages("cognito-idp", "list_groups", "Groups", **here)
                ],
                "users": _pages("cognito-idp", "list_users", "Users", **here),
                "providers": [
                    api.describe_identity_provider(**here, ProviderName=each["ProviderName"])[
                        "IdentityProvider"
                    ]
                    for each in _pages(
                        "cognito-idp", "list_identity_providers", "Providers", **here
                    )
                ],
            },
        )


def _in_group(pool: str, group: str) -> list[Any]:
    named = {"UserPoolId": pool, "GroupName": group}
    return _pages("cognito-idp", "list_users_in_group", "Users", **named)


def _topic() -> Objects:
    api = _client("sns")
    for topic in _pages("sns", "list_topics", "Topics"):
        arn = topic["TopicArn"]
        subscriptions = {}
        for each in _pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn):
            own = each["SubscriptionArn"]
            attributes = api.get_subscription_attributes(SubscriptionArn=own)["Attributes"]
            if each["Protocol"] == chatbot.PROTOCOL and chatbot.hears(each["Endpoint"]):
                # The chat service subscribes by itself, each time anew, as on AWS.
                own = each["Endpoint"]
                attributes.pop("SubscriptionArn")
            subscriptions[own] = attributes
        yield (
            arn,
            {
                "attributes": api.get_topic_attributes(TopicArn=arn)["Attributes"],
                "subscriptions": subscriptions,
                "tags": api.list_tags_for_resource(ResourceArn=arn)["Tags"],
            },
        )


def _queue() -> Objects:
    api = _client("sqs")
    for url in _pages("sqs", "list_queues", "QueueUrls"):
        attributes = api.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        attributes.pop("LastModifiedTimestamp", None)
        tags = api.list_queue_tags(QueueUrl=url).get("Tags", {})
        yield url, {**attributes, "tags": tags}


def _budget() -> Objects:
    api = _client("budgets")
    for budget in api.describe_budgets(AccountId=ACCOUNT).get("Budgets", ()):
        name = budget["BudgetName"]
        notifications = api.describe_notifications_for_budget(
            AccountId=ACCOUNT, BudgetName=name
        ).get("Notifications", ())
        told = [
            {
                **notification,
                "subscribers": api.describe_subscribers_for_notification(
                    AccountId=ACCOUNT, BudgetName=name, Notification=notification
                ).get("Subscribers", ()),
            }
            for notification in notifications
        ]
        yield name, {**budget, "told": told}


def _channel() -> Objects:
    for name, channel in chatbot.channels().items():
        yield name, vars(channel).copy()


def _project() -> Objects:
    api = _client("codebuild")
    names = _pages("codebuild", "list_projects", "projects")
    for project in api.batch_get_projects(names=names)["projects"] if names else ():
        yield project["name"], project


# --- network --------------------------------------------------------------------------------------
def _network() -> Objects:
    ec2 = _client("ec2")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        names = {
            name: ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)
            for name in ("enableDnsHostnames", "enableDnsSupport")
        }
        yield vpc["VpcId"], {**vpc, "names": names}
    for subnet in ec2.describe_subnets()["Subnets"]:
        yield subnet["SubnetId"], subnet
    for table in ec2.describe_route_tables()["RouteTables"]:
        yield table["RouteTableId"], table
    for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]:
        if endpoint["State"] != "deleted":
            yield endpoint["VpcEndpointId"], endpoint
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        yield group["GroupId"], group


# --- Studio ---------------------------------------------------------------------------------------
def _tagged(described: dict[str, Any], arn: str) -> dict[str, Any]:
    return {**described, "tags": _client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}


def _studio() -> Objects:
    api = _client("sagemaker")
    for domain in _pages("sagemaker", "list_domains", "Domains"):
        described = api.describe_domain(DomainId=domain["DomainId"])
        yield domain["DomainArn"], _tagged(described, domain["DomainArn"])
    for listed in _pages("sagemaker", "list_user_profiles", "UserProfiles"):
        identity = {name: listed[name] for name in ("DomainId", "UserProfileName")}
        profile = api.describe_user_profile(**identity)
        yield profile["UserProfileArn"], _tagged(profile, profile["UserProfileArn"])
    for listed in _pages("sagemaker", "list_spaces", "Spaces"):
        identity = {name: listed[name] for name in ("DomainId", "SpaceName")}
        space = api.describe_space(**identity)
        yield space["SpaceArn"], _tagged(space, space["SpaceArn"])
    for app in _pages("sagemaker", "list_apps", "Apps"):
        yield f"{app['DomainId']}/{app.get('SpaceName')}/{app['AppName']}", app
    for config in _pages("sagemaker", "list_studio_lifecycle_configs", "StudioLifecycleConfigs"):
        name = config["StudioLifecycleConfigName"]
        described = api.describe_studio_lifecycle_config(StudioLifecycleConfigName=name)
        yield name, _tagged(described, config["StudioLifecycleConfigArn"])


def _studio_image() -> Objects:
    api = _client("sagemaker")
    for image in _pages("sagemaker", "list_images", "Images"):
        name = image["ImageName"]
        yield name, _tagged(api.describe_image(ImageName=name), image["ImageArn"])
        for version in _pages("sagemaker", "list_image_versions", "ImageVersions", ImageName=name):
            number = version["Version"]
            yield (
                f"{name}/{number}",
                api.describe_image_version(ImageName=name, Version=number),
            )
    for config in _pages("sagemaker", "list_app_image_configs", "AppImageConfigs"):
        name = config["AppImageConfigName"]
        described = api.describe_app_image_config(AppImageConfigName=name)
        yield f"config {name}", _tagged(described, config["AppImageConfigArn"])


READERS: tuple[Callable[[], Objects], ...] = (
    _alarm,
    _bucket,
    _budget,
    _channel,
    _function,
    _http_api,
    _key,
    _key_alias,
    _log_group,
    _managed_policy,
    _network,
    _parameter,
    _project,
    _queue,
    _repository,
    _role,
    _rule,
    _schedule_group,
    _studio,
    _studio_image,
    _table,
    _topic,
    _user_pool,
)
