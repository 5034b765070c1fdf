"""What is left of a cohort in an account: the demo ends only when the answer is nothing."""

from __future__ import annotations

from infra.cli.account import Site

#: Left by CDK's own bootstrap, for the next cohort.
KEPT_STACKS = ("CDKToolkit",)


def leftovers(site: Site) -> dict[str, list[str]]:
    """Names of all of the cohort that still exists, by kind. Keys pend deletion, as on AWS."""
    names = site.cohort.names
    prefix = site.cohort.name
    found: dict[str, list[str]] = {}

    cloudformation = site.client("cloudformation")
    stacks = cloudformation.get_paginator("describe_stacks").paginate()
    found["stacks"] = [
        stack["StackName"]
        for page in stacks
        for stack in page["Stacks"]
        if stack["StackName"] not in KEPT_STACKS and stack["StackStatus"] != "DELETE_COMPLETE"
    ]
    buckets = site.client("s3").list_buckets()["Buckets"]
    found["buckets"] = [b["Name"] for b in buckets if b["Name"].startswith(f"{prefix}-")]

    sagemaker = site.client("sagemaker")
    domains = sagemaker.get_paginator("list_domains").paginate()
    found["domains"] = [d["DomainName"] for page in domains for d in page["Domains"]]
    profiles = sagemaker.get_paginator("list_user_profiles").paginate()
    found["profiles"] = [p["UserProfileName"] for page in profiles for p in page["UserProfiles"]]
    spaces = sagemaker.get_paginator("list_spaces").paginate()
    found["spaces"] = [s["SpaceName"] for page in spaces for s in page["Spaces"]]
    apps = sagemaker.get_paginator("list_apps").paginate()
    found["apps"] = [a["AppName"] for p in apps for a in p["Apps"] if a["Status"] != "Deleted"]
    jobs = sagemaker.get_paginator("list_training_jobs").paginate(StatusEquals="InProgress")
    found["running jobs"] = [
        j["TrainingJobName"] for page in jobs for j in page["TrainingJobSummaries"]
    ]
    configs = sagemaker.get_paginator("list_studio_lifecycle_configs").paginate()
    found["lifecycle configs"] = [
        c["StudioLifecycleConfigName"] for page in configs for c in page["StudioLifecycleConfigs"]
    ]

    roles = site.client("iam").get_paginator("list_roles").paginate()
    found["roles"] = [
        r["RoleName"] for page in roles for r in page["Roles"] if r["Path"].startswith("/academy/")
    ]
    policies = site.client("iam").get_paginator("list_policies").paginate(Scope="Local")
    found["policies"] = [
        p["PolicyName"]
        for page in policies
        for p in page["Policies"]
        if p["PolicyName"].startswith(f"{prefix}--")
    ]
    tables = site.client("dynamodb").list_tables()["TableNames"]
    found["tables"] = [name for name in tables if name.startswith(prefix)]
    functions = site.client("lambda").get_paginator("list_functions").paginate()
    found["functions"] = [f["FunctionName"] for page in functions for f in page["Functions"]]
    rules = site.client("events").list_rules()["Rules"]
    found["rules"] = [rule["Name"] for rule in rules]
    topics = site.client("sns").get_paginator("list_topics").paginate()
    found["topics"] = [t["TopicArn"] for page in topics for t in page["Topics"]]
    found["queues"] = site.client("sqs").list_queues().get("QueueUrls", [])
    alarms = site.client("cloudwatch").get_paginator("describe_alarms").paginate()
    found["alarms"] = [a["AlarmName"] for page in alarms for a in page["MetricAlarms"]]
    budgets = site.client("budgets").describe_budgets(AccountId=site.account)["Budgets"]
    found["budgets"] = [budget["BudgetName"] for budget in budgets]
    scheduler = site.client("scheduler")
    groups = scheduler.list_schedule_groups()["ScheduleGroups"]
    found["schedule groups"] = [g["Name"] for g in groups if g["Name"] != "default"]
    found["schedules"] = [s["Name"] for s in scheduler.list_schedules()["Schedules"]]
    parameters = site.client("ssm").get_paginator("describe_parameters").paginate()
    found["parameters"] = [
        p["Name"]
        for page in parameters
        for p in page["Parameters"]
        if p["Name"].startswith("/academy/")
    ]
    groups_of_logs = (
        site.client("logs")
        .get_paginator("describe_log_groups")
        .paginate(logGroupNamePrefix=f"/aws/lambda/{prefix}-")
    )
    found["log groups"] = [g["logGroupName"] for page in groups_of_logs for g in page["logGroups"]]

    kms = site.client("kms")
    aliases = kms.get_paginator("list_aliases").paginate()
    found["key aliases"] = [
        alias["AliasName"]
        for page in aliases
        for alias in page["Aliases"]
        if alias["AliasName"].startswith(names.key_alias(""))
    ]
    keys = [
        key["KeyId"] for page in kms.get_paginator("list_keys").paginate() for key in page["Keys"]
    ]
    found["keys not pending deletion"] = [
        key
        for key in keys
        if (about := kms.describe_key(KeyId=key)["KeyMetadata"])["KeyManager"] == "CUSTOMER"
        and about["KeyState"] != "PendingDeletion"
    ]
    vpcs = site.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])
    found["networks"] = [vpc["VpcId"] for vpc in vpcs["Vpcs"]]
    return {kind: left for kind, left in found.items() if left}
