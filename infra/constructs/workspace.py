"""A learner's workspace: domain, profile, private space, role, the broker's alias, and the config.

The config is the seam between infrastructure and learners: `academy.connect()` reads it and knows
nothing else. L1 throughout: there is one a learner.
"""

from __future__ import annotations

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
from infra.constructs.network import Network
from infra.constructs.role import LearnersRole

#: Of the document, so that the learners' library can refuse one that it does not understand.
CONFIG_VERSION = 1


def config(
    arns: Arns, cohort: Cohort, team: Team, learner: Person, *, domain_id: str, lifecycle: str
) -> dict[str, Any]:
    """The workspace config: who the learner is, with whom, where things lie, whom to ask.

    Args:
        domain_id: the Studio domain's generated id (a CDK token in a stack).
        lifecycle: the ARN of the start script's lifecycle configuration.
    """
    names = arns.names
    workspace = names.workspace(learner.id)
    return {
        "version": CONFIG_VERSION,
        "cohort": cohort.name,
        "region": arns.region,
        "account": arns.account,
        "learner": learner.id,
        "team": team.id,
        "teammates": [other.id for other in team.learners if other.id != learner.id],
        "domain_id": domain_id,
        "profile": workspace,
        "space": workspace,
        "training_role": arns.role("training", team.id),
        "lifecycle_config": lifecycle,
        "buckets": {purpose: arns.bucket_name(purpose) for purpose in ("data", "work", "site")},
        "prefixes": {
            "team": Names.team_prefix(team.id),
            "datasets": policies.DATASETS,
            "software": policies.SOFTWARE,
            # Filled in by the library, hence the braces.
            "submissions": Names.submission_prefix("{project}", team.id),
            "receipts": Names.receipt_prefix("{project}", team.id),
            "boards": "boards/",
        },
        "broker": arns.broker_alias(learner.id),
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


class Workspace(Construct):
    """Everything that one learner has of their own."""

    def __init__(
        self,
        scope: Construct,
        *,
        arns: Arns,
        cohort: Cohort,
        team: Team,
        learner: Person,
        network: Network,
        lifecycle: str,
        images: AttachedImages | None = None,
    ) -> None:
        super().__init__(scope, f"Learner-{learner.id}")
        name = arns.names.workspace(learner.id)
        role = LearnersRole(
            self,
            "Role",
            arns=arns,
            kind="learner",
            name=learner.id,
            statements=policies.learner(arns, cohort, team, learner.id, images),
        )
        custom_images = images.custom_images(Stack.of(self)) if images else []
        domain = self._domain(name, cohort, role, network, lifecycle, custom_images)
        profile = self._profile(name, domain, role)
        space = self._space(name, cohort, domain, lifecycle)
        space.add_resource_dependency(profile)

        alias = lambda_.CfnAlias(
            self,
            "Alias",
            name=arns.names.alias(learner.id),
            description=f"The broker, for {learner.id} alone: the alias is the identity",
            function_name=arns.names.function("broker"),
            function_version="$LATEST",
        )
        document = config(
            arns,
            cohort,
            team,
            learner,
            domain_id=domain.attr_domain_id,
            lifecycle=lifecycle,
        )
        parameter = ssm.CfnParameter(
            self,
            "Config",
            name=arns.names.workspace_parameter(learner.id),
            description=f"Deep Learning Academy {cohort.name}: the workspace of {learner.id}",
            type="String",
            value=Stack.of(self).to_json_string(document),
        )
        # The broker believes what it finds here, so it appears last and goes first.
        parameter.add_resource_dependency(space)
        parameter.add_resource_dependency(alias)
        if cohort.protect:
            # A home is the space's volume; a space needs its profile and its domain.
            for resource in (domain, profile, space):
                resource.apply_removal_policy(RemovalPolicy.RETAIN)

    def _domain(
        self,
        name: str,
        cohort: Cohort,
        role: LearnersRole,
        network: Network,
        lifecycle: str,
        custom_images: list[dict[str, Any]],
    ) -> sagemaker.CfnDomain:
        storage = cohort.studio.storage_gb
        minutes = cohort.studio.idle_minutes
        return sagemaker.CfnDomain(
            self,
            "Domain",
            domain_name=name,
            auth_mode="IAM",
            app_network_access_type="PublicInternetOnly",
            # The EFS home is what makes domains hard to remove: its mount targets and security
            # groups stay behind. Homes are the spaces' own volumes.
            home_efs_file_system_creation="Disabled",
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            default_user_settings={
                "executionRole": role.role.attr_arn,
                "autoMountHomeEfs": "Disabled",
                "studioWebPortal": "ENABLED",
                "defaultLandingUri": "studio::",
                "jupyterLabAppSettings": {
                    "defaultResourceSpec": _resources(cohort, lifecycle),
                    "lifecycleConfigArns": [lifecycle],
                    # Which of them a space starts on is for the broker to say.
                    **({"customImages": custom_images} if custom_images else {}),
                    "appLifecycleManagement": {
                        "idleSettings": {
                            "lifecycleManagement": "ENABLED",
                            "idleTimeoutInMinutes": minutes,
                            # No room to choose: an idle space ends when the cohort file says.
                            "minIdleTimeoutInMinutes": minutes,
                            "maxIdleTimeoutInMinutes": minutes,
                        }
                    },
                },
                "spaceStorageSettings": {
                    "defaultEbsStorageSettings": {
                        "defaultEbsVolumeSizeInGb": storage,
                        "maximumEbsVolumeSizeInGb": storage,
                    }
                },
            },
        )

    def _profile(
        self, name: str, domain: sagemaker.CfnDomain, role: LearnersRole
    ) -> sagemaker.CfnUserProfile:
        return sagemaker.CfnUserProfile(
            self,
            "Profile",
            user_profile_name=name,
            domain_id=domain.attr_domain_id,
            # The rest is the domain's: a profile's own settings would win over them, and
            # CloudFormation's schema has no idle shutdown here.
            user_settings={"executionRole": role.role.attr_arn},
        )

    def _space(
        self, name: str, cohort: Cohort, domain: sagemaker.CfnDomain, lifecycle: str
    ) -> sagemaker.CfnSpace:
        return sagemaker.CfnSpace(
            self,
            "Space",
            space_name=name,
            domain_id=domain.attr_domain_id,
            ownership_settings={"ownerUserProfileName": name},
            space_sharing_settings={"sharingType": "Private"},
            space_settings={
                "appType": "JupyterLab",
                "jupyterLabAppSettings": {"defaultResourceSpec": _resources(cohort, lifecycle)},
                "spaceStorageSettings": {
                    "ebsStorageSettings": {"ebsVolumeSizeInGb": cohort.studio.storage_gb}
                },
            },
        )


def _resources(cohort: Cohort, lifecycle: str) -> dict[str, str]:
    return {"instanceType": cohort.studio.instances[0], "lifecycleConfigArn": lifecycle}
