"""Which operations of AWS this project uses, read from its code and from its roles' policies.

Not a list kept by hand: what a module calls on its clients, which actions the constructs write into
policies, and what the CDK CLI does by IAM's map. Reading over-approximates: a name counts for every
service in its module that has such an operation.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from infra.offline.authorization import requests

ROOT = Path(__file__).resolve().parents[3]
#: Where the project itself is AWS's client; the embedded cloud is none.
SOURCES = (
    ROOT / "infra" / "services",
    ROOT / "infra" / "cli",
    ROOT / "project_templates" / "academy" / "academy",
)

#: Where roles and resources get their policies.
POLICIES = (ROOT / "infra" / "constructs", ROOT / "infra" / "stacks")

#: Actions that are no operation of their name. Source: the Service Authorization Reference's page
#: of each service.
ACTIONS = {
    "cloudwatch:PutMetricData": ("PutMetricData",),
    "dynamodb:ConditionCheckItem": ("TransactWriteItems",),
    "iam:PassRole": (),
    "kms:GenerateDataKey*": ("GenerateDataKey",),
    "kms:ReEncryptFrom": ("ReEncrypt",),
    "kms:ReEncryptTo": ("ReEncrypt",),
    "lambda:InvokeFunction": ("Invoke",),
    "s3:GetObject": ("GetObject", "HeadObject"),
    "s3:GetObjectVersion": ("GetObject",),
    "s3:DeleteObject": ("DeleteObject", "DeleteObjects"),
    "s3:ListBucket": ("ListObjectsV2", "HeadBucket"),
    "s3:ListBucketVersions": ("ListObjectVersions",),
}

#: Functions of the project's own whose names are also operations of AWS.
NAMESAKES = {
    ("events", "CreateConnection"): "websocket.create_connection",
    ("sagemaker", "CreateJob"): "the guard's create_job",
    ("sagemaker", "ListAliases"): "of KMS, and of Lambda",
    ("sagemaker", "ListProjects"): "of CodeBuild",
    ("sagemaker", "Search"): "of regular expressions",
    ("sagemaker", "StopJob"): "the guard's stop_job",
    ("sqs", "AddPermission"): "of Lambda",
}

_ACTION = r"[a-z0-9-]+:[A-Z][A-Za-z]*\*?"
#: What a paginator or waiter is named by.
_METHOD = r"[a-z0-9]+(_[a-z0-9]+)+"

Used = dict[str, set[str]]


def used_operations() -> Used:
    """The operations by service, as boto3 names services and AWS operations."""
    return {service: set(operations) for service, operations in _everywhere().items()}


@functools.cache
def _everywhere() -> Used:
    used: Used = defaultdict(set)
    for part in (in_sources(), in_constructs(), by_the_cdk_cli()):
        for service, operations in part.items():
            used[service] |= operations
    return {service: operations for service, operations in sorted(used.items()) if operations}


@functools.cache
def operations_of(service: str) -> dict[str, str]:
    """A service's operations: the method's name in boto3 -> AWS's name. Empty if there is none."""
    session = _session()
    if service not in session.get_available_services():
        return {}
    return {xform_name(name): name for name in session.get_service_model(service).operation_names}


@functools.cache
def _session() -> Any:
    return botocore.session.get_session()


# --- the sources ----------------------------------------------------------------------------------
def in_sources(folders: Iterable[Path] = SOURCES) -> Used:
    """What modules call. A module without a client of its own is given one by its package."""
    used: Used = defaultdict(set)
    for folder in folders:
        trees = {path: ast.parse(path.read_text()) for path in sorted(folder.rglob("*.py"))}
        clients = {path: set(_clients(tree)) for path, tree in trees.items()}
        for path, tree in trees.items():
            own = clients[path]
            near = {
                service
                for other, services in clients.items()
                if path.parent in (other.parent, *other.parent.parents)
                or other.parent in path.parents
                for service in services
            }
            for name in _names(tree):
                found = _having(name, own) or _having(name, near)
                for service, operation in found.items():
                    if (service, operation) not in NAMESAKES:
                        used[service].add(operation)
    return used


def _having(name: str, services: Iterable[str]) -> dict[str, str]:
    return {
        service: operations_of(service)[name]
        for service in services
        if name in operations_of(service)
    }


def _clients(tree: ast.AST) -> Iterator[str]:
    """The services of which a module makes clients, by any function whose name ends in client."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name.endswith("client"):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def _names(tree: ast.AST) -> Iterator[str]:
    """Every attribute's name, and the operations that are named to paginators and waiters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and re.fullmatch(_METHOD, str(node.value)):
            yield str(node.value)


# --- the policies ---------------------------------------------------------------------------------
def in_constructs(folders: Iterable[Path] = POLICIES) -> Used:
    """What the actions permit that the constructs write into policies.

    Condition keys look like actions (sagemaker:InstanceTypes); what is no action is passed over. A
    test compares with what is synthesized (tests/stacks/test_used_operations.py).
    """
    used: Used = defaultdict(set)
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and re.fullmatch(_ACTION, str(node.value)):
                    action = str(node.value)
                    service, _, name = action.partition(":")
                    with contextlib.suppress(LookupError):
                        used[service] |= set(operations_for(action, name))
    return used


def in_policies(templates: Iterable[Mapping[str, Any]]) -> Used:
    """What the templates' policies allow, as operations."""
    used: Used = defaultdict(set)
    for template in templates:
        for action in _allowed(template):
            service, _, name = action.partition(":")
            for operation in operations_for(action, name):
                used[service].add(operation)
    return used


def operations_for(action: str, name: str) -> tuple[str, ...]:
    """The operations that an action permits.

    Raises:
        LookupError: for an action that is no operation and not in `ACTIONS`.
    """
    if action in ACTIONS:
        return ACTIONS[action]
    if name == "*":
        return ()  # of a key's policy, for the account's administrators
    service = action.split(":")[0]
    if name in operations_of(service).values():
        return (name,)
    raise LookupError(f"which operations {action} permits is not known here")


def _allowed(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if node.get("Effect") == "Allow" and "Action" in node:
            actions = node["Action"]
            yield from [actions] if isinstance(actions, str) else actions
        for value in node.values():
            yield from _allowed(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _allowed(value)


# --- the CDK CLI ----------------------------------------------------------------------------------
def by_the_cdk_cli() -> Used:
    """What is mapped for the CDK CLI's own roles; they do nothing else with CloudFormation."""
    return {
        service: set(operations)
        for service, operations in requests.mapped().items()
        if service in ("cloudformation", "cloudtrail")
    }
