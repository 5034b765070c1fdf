"""A person's workspace: profile, private space, role, the broker's alias, and the config.

The config is the seam between infrastructure and learners: `academy.connect()` reads it and knows
nothing else. L1 throughout: there is one a learner, and one an advisor where they have spaces.
"""

from __future__ import annotations

import json
from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort, Person, Team
from infra.cohort.naming import Names
from infra.constructs import policies
from infra.constructs.arns import Arns
from infra.constructs.attached_images import AttachedImages
from infra.constructs.domain import StudioDomain, space_resources
from infra.constructs.network import Network
from infra.constructs.role import LearnersRole
from infra.services.competition.effort import GPUS

#: Of the document, so that the learners' library can refuse one that it does not understand.
CONFIG_VERSION = 1

#: Characters of a parameter of SSM's standard tier (PutParameter).
PARAMETER_MAX = 4096


def config(
    arns: Arns, cohort: Cohort, team: Team | None, person: Person, *, domain_id: str, lifecycle: str
) -> dict[str, Any]:
    """The workspace config: who it is, with whom, where things lie, whom to ask.

    Args:
        team: the learner's; None for an advisor, who has none and reads every team's.
        domain_id: the Studio domain's generated id (a CDK token in a stack).
        lifecycle: the ARN of the start script's lifecycle configuration.
    """
    names = arns.names
    workspace = names.workspace(person.id)
    # Braces are filled in by the library, whose advisor's side names a team each time.
    folder = team.id if team else "{team}"
    return {
        "version": CONFIG_VERSION,
        "cohort": cohort.name,
        "region": arns.region,
        "account": arns.account,
        **({"network": "private"} if cohort.network == "private" else {}),
        **({} if team else _advising(cohort)),
        "learner": person.id,
        "team": team.id if team else "",
        "teammates": [o.id for o in team.learners if o.id != person.id] if team else [],
        "domain_id": domain_id,
        "profile": workspace,
        "space": workspace,
        "training_role": arns.role("training", team.id) if team else "",
        "lifecycle_config": lifecycle,
        "buckets": {purpose: arns.bucket_name(purpose) for purpose in ("data", "work", "site")},
        "prefixes": {
            "team": Names.team_prefix(folder),
            "datasets": policies.DATASETS,
            "software": policies.SOFTWARE,
            "submissions": Names.submission_prefix("{project}", folder),
            "receipts": Names.receipt_prefix("{project}", folder),
            "boards": "boards/",
        },
        "broker": arns.broker_alias(person.id),
        "projects": list(cohort.projects),
        "training": {
            "instances": list(cohort.training.instances),
            "max_hours": cohort.training.max_hours,
            "max_instances": cohort.training.max_instances,
        },
        "studio": {
            "instances": list(cohort.studio.instances),
            "max_hours": cohort.studio.max_hours,
        },
        "competition": {
            "submissions_per_day": cohort.competition.submissions_per_day,
            "closes": cohort.competition.closes.isoformat(),
        },
    }


def roster(cohort: Cohort) -> list[str]:
    """Who is in which team, as JSON in pages that SSM takes: for advisors, who see them all."""
    pages: list[dict[str, list[str]]] = [{}]
    for team in cohort.teams:
        members = {team.id: [learner.id for learner in team.learners]}
        if len(_compact({**pages[-1], **members})) > PARAMETER_MAX:
            pages.append({})
        pages[-1] |= members
    return [_compact(page) for page in pages]


def _advising(cohort: Cohort) -> dict[str, Any]:
    """What the config of an advisor says beside what every config does."""
    pages = range(1, len(roster(cohort)) + 1)
    types = [instance.removeprefix("ml.") for instance in cohort.training.instances]
    return {
        "kind": "advisor",
        "roster": [cohort.names.roster_parameter(page) for page in pages],
        "gpus": {f"ml.{each}": GPUS[each] for each in types if each in GPUS},
    }


def _compact(page: dict[str, list[str]]) -> str:
    return json.dumps(page, separators=(",", ":"))


class Workspace(Construct):
    """Everything that one learner or advisor has of their own.

    Args:
        team: the learner's; None for an advisor.
        network: where a domain of their own stands; None where they share one.
        domain_id: the domain that is shared with others; None for one of their own.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        arns: Arns,
        cohort: Cohort,
        team: Team | None,
        person: Person,
        network: Network | None,
        lifecycle: str,
        images: AttachedImages | None = None,
        domain_id: str | None = None,
    ) -> None:
        kind = "learner" if team else "advisor"
        super().__init__(scope, f"{kind.title()}-{person.id}")
        name = arns.names.workspace(person.id)
        role = LearnersRole(
            self,
            "Role",
            arns=arns,
            kind=kind,
            name=person.id,
            statements=(
                policies.learner(arns, cohort, team, person.id, images)
                if team
                else policies.advisor(arns, person.id, images)
            ),
        )
        if domain_id is None:
            assert network is not None, "a domain of one's own stands in a network"
            domain_id = StudioDomain(
                self,
                "Domain",
                cohort=cohort,
                name=name,
                execution_role=role.role.attr_arn,
                network=network,
                lifecycle=lifecycle,
                images=images,
            ).domain_id
        profile = self._profile(name, domain_id, role)
        space = self._space(name, cohort, domain_id, lifecycle)
        space.add_resource_dependency(profile)

        alias = lambda_.CfnAlias(
            self,
            "Alias",
            name=arns.names.alias(person.id),
            description=f"The broker, for {person.id} alone: the alias is the identity",
            function_name=arns.names.function("broker"),
            function_version="$LATEST",
        )
        document = config(
            arns,
            cohort,
            team,
            person,
            domain_id=domain_id,
            lifecycle=lifecycle,
        )
        parameter = ssm.CfnParameter(
            self,
            "Config",
            name=arns.names.workspace_parameter(person.id),
            description=f"Deep Learning Academy {cohort.name}: the workspace of {person.id}",
            type="String",
            value=Stack.of(self).to_json_string(document),
        )
        # The broker believes what it finds here, so it appears last and goes first.
        parameter.add_resource_dependency(space)
        parameter.add_resource_dependency(alias)
        if cohort.protect:
            # A home is the space's volume; a space needs its profile. Its domain sees to itself.
            for resource in (profile, space):
                resource.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)

    def _profile(self, name: str, domain_id: str, role: LearnersRole) -> sagemaker.CfnUserProfile:
        return sagemaker.CfnUserProfile(
            self,
            "Profile",
            user_profile_name=name,
            domain_id=domain_id,
            # The rest is the domain's: a profile's own settings would win over them, and
            # CloudFormation's schema has no idle shutdown here.
            user_settings={"executionRole": role.role.attr_arn},
        )

    def _space(
        self, name: str, cohort: Cohort, domain_id: str, lifecycle: str
    ) -> sagemaker.CfnSpace:
        return sagemaker.CfnSpace(
            self,
            "Space",
            space_name=name,
            domain_id=domain_id,
            ownership_settings={"ownerUserProfileName": name},
            space_sharing_settings={"sharingType": "Private"},
            space_settings={
                "appType": "JupyterLab",
                "jupyterLabAppSettings": {
                    "defaultResourceSpec": space_resources(cohort, lifecycle)
                },
                "spaceStorageSettings": {
                    "ebsStorageSettings": {"ebsVolumeSizeInGb": cohort.studio.storage_gb}
                },
            },
        )
