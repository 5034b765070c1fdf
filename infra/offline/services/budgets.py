"""AWS Budgets of the embedded cloud: budgets are kept and read back, and never alert.

There is no bill here, so no budget is ever used up. What moto would accept and not keep is refused
by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError

from infra.offline import listings
from infra.offline.fidelity import Part
from infra.offline.patching import adds, replaces

FIDELITY = Part(
    title="AWS Budgets",
    emulated="kept and read back",
    checked="by client: AWS CLI, CDK CLI",
    differences="never alert: there is no bill",
)

MEMBERS = (
    "BudgetLimit",
    "BudgetName",
    "BudgetType",
    "CostFilters",
    "CostTypes",
    "TimePeriod",
    "TimeUnit",
)
TYPES = ("COST",)
#: Of a notification.
NOTIFICATION = ("ComparisonOperator", "NotificationType", "Threshold", "ThresholdType")
SUBSCRIBERS = ("EMAIL", "SNS")
#: Source: "Quotas and restrictions", AWS Cost Management user guide.
NOTIFICATIONS_MAX, EMAILS_MAX, TOPICS_MAX = 10, 10, 1


def _refused(message: str) -> JsonRESTError:
    return JsonRESTError("InvalidParameterException", message)


def _check_budget(budget: Mapping[str, Any]) -> None:
    name = budget.get("BudgetName")
    for member in budget:
        if member not in MEMBERS:
            raise _refused(
                f"{member} of budget {name} is not modelled by the embedded cloud "
                f"(modelled: {', '.join(MEMBERS)})."
            )
    if budget.get("BudgetType") not in TYPES:
        raise _refused(
            f"BudgetType {budget.get('BudgetType')} of budget {name} is not modelled by the "
            f"embedded cloud (modelled: {', '.join(TYPES)})."
        )


def _check_notification(name: str, told: Mapping[str, Any]) -> None:
    for member in told.get("Notification", {}):
        if member not in NOTIFICATION:
            raise _refused(
                f"{member} of a notification of budget {name} is not modelled by the embedded "
                f"cloud (modelled: {', '.join(NOTIFICATION)})."
            )
    kinds = [each.get("SubscriptionType") for each in told.get("Subscribers", ())]
    for kind in kinds:
        if kind not in SUBSCRIBERS:
            raise _refused(f"SubscriptionType {kind} of budget {name}: EMAIL or SNS")
    if kinds.count("EMAIL") > EMAILS_MAX or kinds.count("SNS") > TOPICS_MAX or not kinds:
        raise _refused(
            f"a notification of budget {name} takes 1 to {EMAILS_MAX} addresses and "
            f"{TOPICS_MAX} topic"
        )


# --- changes to moto ----------------------------------------------------------------------------
@replaces(
    "moto.budgets.models:BudgetsBackend.create_budget",
    because="what moto takes and ignores is refused by name",
)
def _create_budget(
    original: Callable[..., Any],
    backend: Any,
    account_id: str,
    budget: dict[str, Any],
    notifications: list[dict[str, Any]],
) -> None:
    _check_budget(budget)
    if len(notifications) > NOTIFICATIONS_MAX:
        raise _refused(f"a budget takes {NOTIFICATIONS_MAX} notifications, not more")
    for told in notifications:
        _check_notification(str(budget.get("BudgetName")), told)
    original(backend, account_id, budget, notifications)


@adds(
    "moto.budgets.responses:BudgetsResponse.update_budget",
    because="moto cannot change a budget, and CloudFormation does",
)
def _update_budget(response: Any) -> str:
    account, wanted = response._get_param("AccountId"), response._get_param("NewBudget")
    _check_budget(wanted)
    # Raises what AWS raises if there is none.
    response.backend.describe_budget(account, wanted["BudgetName"])
    held = response.backend.budgets[account][wanted["BudgetName"]]
    kept = {"TimePeriod": held.budget["TimePeriod"]}
    held.budget = {**kept, **wanted, "LastUpdatedTime": held.budget["LastUpdatedTime"]}
    return "{}"


@adds(
    "moto.budgets.responses:BudgetsResponse.describe_subscribers_for_notification",
    because="moto keeps the subscribers and cannot tell them",
)
def _describe_subscribers(response: Any) -> str:
    account, name = response._get_param("AccountId"), response._get_param("BudgetName")
    response.backend.describe_budget(account, name)
    wanted = response._get_param("Notification")
    for held in response.backend.budgets[account][name].notifications:
        if all(held.details.get(member) == value for member, value in wanted.items()):
            subscribers, following = listings.page(
                held.subscribers,
                lambda subscriber: str(subscriber["Address"]),
                size=int(response._get_param("MaxResults") or 100),
                token=response._get_param("NextToken"),
                refuses=lambda message: JsonRESTError("InvalidNextTokenException", message),
            )
            return json.dumps(
                {"Subscribers": subscribers, **({"NextToken": following} if following else {})}
            )
    raise JsonRESTError("NotFoundException", f"budget {name} has no such notification")


@replaces(
    "moto.budgets.models:BudgetsBackend.describe_notifications_for_budget",
    because="moto answers HTTP 500 for a budget that does not exist",
)
def _notifications_of(
    original: Callable[..., Any], backend: Any, account_id: str, budget_name: str
) -> Any:
    # Raises what AWS raises if there is none.
    backend.describe_budget(account_id, budget_name)
    return original(backend, account_id, budget_name)
