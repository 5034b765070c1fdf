"""Cost budgets with the notifications that they send."""

# ruff: noqa: ARG002 (the methods of all types have the same arguments)
from __future__ import annotations

from typing import ClassVar

from infra.offline.services import budgets
from infra.offline.services.cloudformation.resource import (
    Made,
    Properties,
    ResourceType,
    Scope,
    only,
)


class Budget(ResourceType):
    """A budget. Notifications cannot change, and a budget's name is its own: a change of either
    makes a new one."""

    type: ClassVar[str] = "AWS::Budgets::Budget"
    properties: ClassVar[tuple[str, ...]] = ("Budget", "NotificationsWithSubscribers")
    required: ClassVar[tuple[str, ...]] = ("Budget",)
    replaced_by: ClassVar[tuple[str, ...]] = ("NotificationsWithSubscribers",)

    def replaces(self, before: Properties, wanted: Properties) -> list[str]:
        names = super().replaces(before, wanted)
        if before["Budget"].get("BudgetName") != wanted["Budget"].get("BudgetName"):
            names.append("Budget")
        return names

    def create(self, wanted: Properties, scope: Scope) -> Made:
        name = wanted["Budget"].get("BudgetName") or scope.generated_name(100)
        for told in wanted.get("NotificationsWithSubscribers", ()):
            only(told, ("Notification", "Subscribers"), "NotificationsWithSubscribers")
        scope.call(
            "budgets",
            "CreateBudget",
            AccountId=scope.account,
            Budget=self._budget(name, wanted),
            NotificationsWithSubscribers=list(wanted.get("NotificationsWithSubscribers", ())),
        )
        return Made(scope.exists(name))

    def update(self, made: str, before: Properties, wanted: Properties, scope: Scope) -> Made:
        scope.call(
            "budgets",
            "UpdateBudget",
            AccountId=scope.account,
            NewBudget=self._budget(made, wanted),
        )
        return Made(made)

    def delete(self, made: str, properties: Properties, scope: Scope) -> None:
        scope.attempt(
            "budgets",
            "DeleteBudget",
            unless=("NotFoundException",),
            AccountId=scope.account,
            BudgetName=made,
        )

    @staticmethod
    def _budget(name: str, wanted: Properties) -> dict[str, object]:
        declared = only(wanted["Budget"], budgets.MEMBERS, "Budget")
        return {**declared, "BudgetName": name}


TYPES: tuple[ResourceType, ...] = (Budget(),)
