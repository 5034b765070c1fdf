"""All stacks of a cohort, in the order in which they are deployed."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.cohort.images import ImageVersion
from infra.cohort.model import Cohort
from infra.constructs.attached_images import AttachedImages
from infra.stacks.advisors import Advisors
from infra.stacks.competition import Competition
from infra.stacks.door import DoorStack
from infra.stacks.foundation import Foundation
from infra.stacks.guard import Guard
from infra.stacks.studio import Studio
from infra.stacks.team import TeamStack


def add_stacks(
    scope: Construct, cohort: Cohort, *, account: str, images: ImageVersion | None = None
) -> list[Stack]:
    """Add the cohort's stacks to `scope`: Foundation, Studio where all learners share a domain,
    Guard, Competition, the door if there is one, then a stack a team, and one of advisors with
    spaces.

    Each knows the others by name alone. The dependencies only give the order: deploys go down the
    list, destroys up; teams go side by side.

    Args:
        images: the version of the academy's images that is in use in the account and region; None
            for spaces and jobs on AWS's own.

    Raises:
        MissingFlavours: if `images` lacks one that the cohort needs.
    """
    attached = AttachedImages.of(cohort, images, account=account) if images else None
    foundation = Foundation(scope, cohort, account=account, images=attached)
    studio = (
        [Studio(scope, cohort, account=account, images=attached)]
        if cohort.isolation == "cohort"
        else []
    )
    guard = Guard(scope, cohort, account=account, images=attached)
    competition = Competition(scope, cohort, account=account)
    doors = [DoorStack(scope, cohort, cohort.door, account=account)] if cohort.door else []
    teams = [
        TeamStack(scope, cohort, team, account=account, images=attached) for team in cohort.teams
    ]
    advisors = (
        [Advisors(scope, cohort, account=account, images=attached)]
        if cohort.advisors_with_spaces
        else []
    )
    guard.add_stack_dependency(foundation, "the ledger is there before those who keep it")
    competition.add_stack_dependency(guard, "the scorer reads the settings that Guard writes")
    for shared in studio:
        shared.add_stack_dependency(foundation, "a domain stands in the network, on the script")
    for door in doors:
        door.add_stack_dependency(competition, "it shows what is billed and scored")
    for stack in (*teams, *advisors):
        for shared in studio:
            stack.add_stack_dependency(shared, "profiles and spaces are made in its domain")
        for door in doors if stack in teams else ():
            stack.add_stack_dependency(door, "users are made in its pool")
        stack.add_stack_dependency(competition, "whoever can submit is scored")
    return [foundation, *studio, guard, competition, *doors, *teams, *advisors]
