"""Pages of the listings that moto gives whole, or by numbers that a deletion makes wrong.

A page has at most the size that was asked for, else AWS's own; it is in the order of the items'
keys, and the token holds the last key that was given. So who deletes what a page listed, before
asking for the next, misses nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.exceptions import ValidationError as CloudWatchInvalid
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidParameterValueError
from moto.iam.exceptions import ValidationError as IamInvalid
from moto.sns.exceptions import SNSInvalidParameter

from infra.offline.fidelity import Part
from infra.offline.patching import replaces

FIDELITY = Part(
    title="Pages of listings",
    emulated="pages of the size that was asked for, by key: what changes in between loses nothing",
    checked="by client: boto3's paginators over every listing that is served, in three sizes",
    differences="items are in the order of their keys; tokens are this cloud's own",
)


class _WrongCloudWatchToken(CloudWatchInvalid):  # type: ignore[misc]
    code = "InvalidNextToken"


#: From the account of an invalid token to the service's exception.
Refuses = Callable[[str], Exception]


@dataclass(frozen=True)
class Members:
    """What a service calls the parts of a page, and how it refuses a token that it did not give.

    `size` is None where nobody may ask for one.
    """

    size: str | None
    token: str
    next_token: str
    refuses: Refuses
    #: The member that says whether there is more, if there is one.
    more: str | None = None


@dataclass(frozen=True)
class Listing:
    """An operation's answer: where its items are and what each is known by."""

    method: str
    items: str
    key: Callable[[Any], str]
    members: Members
    #: Items a page if no size is asked for.
    default: int = 100
    #: Items a page whatever is asked for.
    most: int = 10_000
    #: Whether moto has pages, whose tokens count items.
    counted: bool = False


def _json(code: str) -> Refuses:
    return lambda message: JsonRESTError(code, message)


_API_GATEWAY = Members("maxResults", "nextToken", "nextToken", _json("BadRequestException"))
_BUDGETS = Members("MaxResults", "NextToken", "NextToken", _json("InvalidNextTokenException"))
_CLOUDWATCH = Members("MaxRecords", "NextToken", "NextToken", _WrongCloudWatchToken)
_EC2 = Members("MaxResults", "NextToken", "NextToken", InvalidParameterValueError)
_ECR = Members("maxResults", "nextToken", "nextToken", _json("InvalidParameterException"))
_IAM = Members("MaxItems", "Marker", "Marker", IamInvalid, "IsTruncated")
_KMS = Members("Limit", "Marker", "NextMarker", _json("InvalidMarkerException"), "Truncated")
_LAMBDA = Members("MaxItems", "Marker", "NextMarker", _json("InvalidParameterValueException"))
_SNS = Members(None, "NextToken", "NextToken", SNSInvalidParameter)
_SSM = Members("MaxResults", "NextToken", "NextToken", _json("InvalidNextToken"))


def _member(*names: str) -> Callable[[Any], str]:
    """The key made of these members of an item, which is moto's object or a mapping."""

    def key(item: Any) -> str:
        if isinstance(item, Mapping):
            return "\n".join(str(item.get(name, "")) for name in names)
        return "\n".join(str(getattr(item, name)) for name in names)

    return key


def _itself(item: Any) -> str:
    return str(item)


#: Source of the sizes: the operation's page in the service's API reference.
LISTINGS = (
    *(
        Listing(
            f"moto.apigatewayv2.responses:ApiGatewayV2Response.{method}",
            "items",
            _member(key),
            _API_GATEWAY,
        )
        for method, key in (
            ("get_apis", "apiId"),
            ("get_integrations", "integrationId"),
            ("get_routes", "routeId"),
            ("get_stages", "stageName"),
        )
    ),
    Listing(
        "moto.budgets.responses:BudgetsResponse.describe_budgets",
        "Budgets",
        _member("BudgetName"),
        _BUDGETS,
    ),
    Listing(
        "moto.budgets.responses:BudgetsResponse.describe_notifications_for_budget",
        "Notifications",
        _member("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType"),
        _BUDGETS,
    ),
    Listing(
        "moto.cloudwatch.responses:CloudWatchResponse.describe_alarms",
        "MetricAlarms",
        _member("name"),
        _CLOUDWATCH,
        default=50,
    ),
    Listing(
        "moto.ec2.responses.vpcs:VPCs.describe_vpcs", "Vpcs", _member("id"), _EC2, default=1000
    ),
    Listing(
        "moto.ec2.responses.subnets:Subnets.describe_subnets",
        "Subnets",
        _member("id"),
        _EC2,
        default=1000,
    ),
    Listing(
        "moto.ec2.responses.security_groups:SecurityGroups.describe_security_groups",
        "SecurityGroups",
        _member("id"),
        _EC2,
        default=1000,
    ),
    Listing(
        "moto.ec2.responses.elastic_network_interfaces:ElasticNetworkInterfaces"
        ".describe_network_interfaces",
        "NetworkInterfaces",
        _member("id"),
        _EC2,
        default=1000,
    ),
    Listing(
        "moto.ecr.responses:ECRResponse.describe_repositories",
        "repositories",
        _member("name"),
        _ECR,
    ),
    Listing(
        "moto.ecr.responses:ECRResponse.describe_images",
        "imageDetails",
        lambda image: str(image.get_image_digest()),
        _ECR,
    ),
    Listing(
        "moto.ecr.responses:ECRResponse.list_images",
        "imageIds",
        _member("imageDigest", "imageTag"),
        _ECR,
    ),
    Listing("moto.iam.responses:IamResponse.list_role_policies", "PolicyNames", _itself, _IAM),
    Listing(
        "moto.iam.responses:IamResponse.list_roles", "Roles", _member("name"), _IAM, counted=True
    ),
    Listing(
        "moto.iam.responses:IamResponse.list_policies",
        "Policies",
        _member("name", "arn"),
        _IAM,
        counted=True,
    ),
    Listing(
        "moto.iam.responses:IamResponse.list_attached_role_policies",
        "AttachedPolicies",
        _member("PolicyName", "PolicyArn"),
        _IAM,
        counted=True,
    ),
    Listing("moto.kms.responses:KmsResponse.list_keys", "Keys", _member("KeyId"), _KMS),
    Listing(
        "moto.kms.responses:KmsResponse.list_resource_tags",
        "Tags",
        _member("TagKey"),
        _KMS,
        default=50,
        most=50,
    ),
    Listing(
        "moto.kms.responses:KmsResponse.list_aliases",
        "Aliases",
        _member("AliasName"),
        _KMS,
        default=50,
        most=100,
    ),
    Listing(
        "moto.awslambda.responses:LambdaResponse.list_functions",
        "Functions",
        _member("FunctionArn"),
        _LAMBDA,
        default=50,
        most=50,
    ),
    Listing(
        "moto.awslambda.responses:LambdaResponse.list_aliases",
        "Aliases",
        _member("Name"),
        _LAMBDA,
        default=50,
    ),
    Listing(
        "moto.awslambda.responses:LambdaResponse.list_versions_by_function",
        "Versions",
        # Numbers in their order, $LATEST first.
        lambda version: str(version["Version"]).zfill(20),
        _LAMBDA,
        default=50,
        most=50,
    ),
    Listing(
        "moto.sns.responses:SNSResponse.list_topics", "Topics", _member("arn"), _SNS, counted=True
    ),
    Listing(
        "moto.sns.responses:SNSResponse.list_subscriptions",
        "Subscriptions",
        _member("arn"),
        _SNS,
        counted=True,
    ),
    Listing(
        "moto.sns.responses:SNSResponse.list_subscriptions_by_topic",
        "Subscriptions",
        _member("arn"),
        _SNS,
        counted=True,
    ),
)


def page(
    items: Sequence[Any],
    key: Callable[[Any], str],
    *,
    size: int,
    token: str | None,
    refuses: Refuses,
) -> tuple[list[Any], str | None]:
    """The page after `token`, and the token of the next, or None if there is none."""
    ordered = sorted(items, key=key)
    if token:
        last = _last(token, refuses)
        ordered = [item for item in ordered if key(item) > last]
    given = ordered[:size]
    if len(ordered) <= size:
        return given, None
    return given, base64.urlsafe_b64encode(f"after {key(given[-1])}".encode()).decode()


def _last(token: str, refuses: Refuses) -> str:
    try:
        word, _, key = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
    except (binascii.Error, UnicodeError):
        word, key = "", ""
    if word != "after":
        raise refuses(f"Invalid token: {token[:100]}")
    return key


def _paged(listing: Listing) -> Callable[..., Any]:
    members = listing.members

    def answer(original: Callable[..., Any], response: Any, *args: Any) -> Any:
        asked = members.size and response._get_param(members.size)
        if asked and (not str(asked).isdecimal() or int(asked) < 1):
            # Where a model has no number, but a text.
            raise members.refuses(f"Invalid {members.size}: {str(asked)[:100]}")
        size = min(int(asked or listing.default), listing.most)
        token = response._get_param(members.token)

        def cut(body: dict[str, Any]) -> dict[str, Any]:
            given, following = page(
                list(body[listing.items]),
                listing.key,
                size=size,
                token=token,
                refuses=members.refuses,
            )
            made = {**body, listing.items: given, members.next_token: following}
            if members.more is not None:
                made[members.more] = following is not None
            return {name: value for name, value in made.items() if value is not None}

        if listing.counted:
            return ActionResult(cut(_all_pages(listing, original, response)))
        whole = original(response, *args)
        if isinstance(whole, ActionResult):
            return ActionResult(cut(whole.result))
        if isinstance(whole, str):
            return json.dumps(cut(json.loads(whole)))
        *before, text = whole
        return (*before, json.dumps(cut(json.loads(text))))

    return answer


def _all_pages(listing: Listing, original: Callable[..., Any], response: Any) -> dict[str, Any]:
    """The answer with the items of all of moto's pages, which nothing changes in between."""
    members = listing.members
    asked = {name: each for name, each in response.params.items() if name != members.size}
    asked.pop(members.token, None)
    items: list[Any] = []
    following = None
    while True:
        response.params = asked | ({members.token: str(following)} if following else {})
        answer: dict[str, Any] = original(response).result
        items += answer[listing.items]
        following = answer.get(members.next_token)
        if not following:
            return {**answer, listing.items: items}


for _listing in LISTINGS:
    replaces(
        _listing.method,
        because="moto's tokens count items, so a deletion between two pages hides others"
        if _listing.counted
        else "moto gives everything on one page, whatever size was asked for",
    )(_paged(_listing))


#: The four lists of an account's details, in the order in which they come.
_DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


@replaces(
    "moto.iam.responses:IamResponse.get_account_authorization_details",
    because="moto gives everything on one page, with the documents of 1500 policies of AWS's own "
    "that nobody has",
)
def _account_details(original: Callable[..., Any], response: Any) -> ActionResult:
    whole = original(response).result
    whole["Policies"] = [each for each in whole["Policies"] if _in_use(each, response.backend)]
    items = [(member, each) for member in _DETAILS for each in whole[member]]
    given, following = page(
        items,
        lambda item: f"{_DETAILS.index(item[0])} {item[1].arn}",
        size=int(response._get_param("MaxItems") or 100),
        token=response._get_param("Marker"),
        refuses=_IAM.refuses,
    )
    made: dict[str, Any] = {
        member: [each for of, each in given if of == member] for member in _DETAILS
    }
    return ActionResult(
        made | {"IsTruncated": bool(following)} | ({"Marker": following} if following else {})
    )


def _in_use(policy: Any, backend: Any) -> bool:
    """Whether a managed policy is the account's own, or attached to somebody, or a boundary."""
    if not policy.arn.startswith("arn:aws:iam::aws:"):
        return True
    holders = [*backend.users.values(), *backend.groups.values(), *backend.roles.values()]
    return any(
        policy.arn in holder.managed_policies
        or policy.arn == getattr(holder, "permissions_boundary_arn", None)
        for holder in holders
    )


@replaces(
    "moto.ssm.responses:SimpleSystemManagerResponse.describe_parameters",
    because="moto's pages have 10 whatever was asked for, and miss what follows a deletion",
)
def _describe_parameters(_original: Callable[..., Any], response: Any) -> ActionResult:
    member = response._get_param
    found = response.ssm_backend.describe_parameters(member("Filters"), member("ParameterFilters"))
    given, following = page(
        found,
        _member("name"),
        size=int(member("MaxResults") or 10),
        token=member("NextToken"),
        refuses=_SSM.refuses,
    )
    shown = {"Parameters": [each.describe_response_object(False) for each in given]}
    return ActionResult(shown | ({"NextToken": following} if following else {}))


@replaces(
    "moto.ssm.models:SimpleSystemManagerBackend._get_values_nexttoken",
    because="moto's tokens count parameters by path, and versions: a deletion hides others",
)
def _parameters_by_path_and_versions(
    _original: Callable[..., Any],
    _backend: Any,
    values: list[Any],
    max_results: int,
    token: str | None = None,
) -> tuple[list[Any], str | None]:
    return page(
        values,
        lambda parameter: f"{parameter.name}\n{int(parameter.version):020d}",
        size=int(max_results),
        token=token,
        refuses=_SSM.refuses,
    )


@replaces(
    "moto.events.models:EventsBackend.list_targets_by_rule",
    because="moto tells targets of one function apart by the function, and repeats its token",
)
def _list_targets(
    original: Any,
    backend: Any,
    rule_id: str,
    event_bus_arn: str | None,
    next_token: str | None = None,
    limit: int | None = None,
) -> tuple[list[Any], str | None]:
    return page(
        original.__wrapped__(backend, rule_id, event_bus_arn),
        _member("Id"),
        size=limit or 100,
        token=next_token,
        refuses=_json("ValidationException"),
    )


@replaces(
    "moto.events.responses:EventsHandler.list_rules",
    because="moto lists who made a rule, which only DescribeRule gives",
)
def _list_rules(original: Callable[..., Any], response: Any) -> tuple[str, dict[str, Any]]:
    text, headers = original(response)
    found = json.loads(text)
    for rule in found["Rules"]:
        rule.pop("CreatedBy", None)
    return json.dumps({name: value for name, value in found.items() if value is not None}), headers
