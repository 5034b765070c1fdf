"""All stacks of a cohort, in the order in which they are deployed."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.cohort.model import Cohort
from infra.stacks.competition import Competition
from infra.stacks.foundation import Foundation
from infra.stacks.guard import Guard
from infra.stacks.team import TeamStack


def add_stacks(scope: Construct, cohort: Cohort, *, account: str) -> list[Stack]:
    """Add the cohort's stacks to `scope`: Foundation, Guard, Competition, then a stack a team.

    Each knows the others by name alone. The dependencies only give the order: deploys go down the
    list, destroys up; teams go side by side.
    """
    foundation = Foundation(scope, cohort, account=account)
    guard = Guard(scope, cohort, account=account)
    competition = Competition(scope, cohort, account=account)
    teams = [TeamStack(scope, cohort, team, account=account) for team in cohort.teams]
    guard.add_stack_dependency(foundation, "the ledger is there before those who keep it")
    competition.add_stack_dependency(guard, "the scorer reads the settings that Guard writes")
    for team in teams:
        team.add_stack_dependency(competition, "whoever can submit is scored")
    return [foundation, guard, competition, *teams]
