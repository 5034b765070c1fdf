"""A Studio domain: what its spaces may be, and for how long they idle. Profiles bring the people.

A learner has one of their own, a team one, or the whole cohort one: `isolation` in the cohort file.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnParameter, RemovalPolicy, Stack
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.cohort.model import Cohort
from infra.cohort.naming import Names
from infra.constructs import policies
from infra.constructs.arns import Arns
from infra.constructs.attached_images import AttachedImages
from infra.constructs.network import Network
from infra.constructs.role import LearnersRole


class StudioDomain(Construct):
    """A domain called `name`.

    Args:
        execution_role: the ARN of the role of whoever has a profile that names none.
        lifecycle: the ARN of the start script's lifecycle configuration.

    Attributes:
        domain_id: as AWS generates it (a CDK token).
        resource: what profiles and spaces stand on.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cohort: Cohort,
        name: str,
        execution_role: str,
        network: Network,
        lifecycle: str,
        images: AttachedImages | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.resource = sagemaker.CfnDomain(
            self,
            # Of all ids the one that CDK leaves out of the logical id: a domain whose logical id
            # changes is replaced, and people's homes with it.
            "Default",
            domain_name=name,
            auth_mode="IAM",
            app_network_access_type="VpcOnly" if network.inside else "PublicInternetOnly",
            # The EFS home is what makes domains hard to remove: its mount targets and security
            # groups stay behind. Homes are the spaces' own volumes.
            home_efs_file_system_creation="Disabled",
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            default_user_settings=_settings(
                cohort,
                execution_role,
                lifecycle,
                images.custom_images(Stack.of(self)) if images else [],
                network,
            ),
        )
        self.domain_id = self.resource.attr_domain_id
        if cohort.protect:
            # A home is the space's volume; a space needs its profile and its domain.
            self.resource.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


class SharedDomain(StudioDomain):
    """A domain of several people, each with a profile that names a role of their own.

    Whoever had a profile without a role would get the domain's: that one may do nothing at all.

    Args:
        of: a team's id, or EVERYONE.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        arns: Arns,
        cohort: Cohort,
        of: str,
        network: Network,
        lifecycle: str,
        images: AttachedImages | None = None,
    ) -> None:
        role = LearnersRole(
            scope,
            f"{construct_id}Role",
            arns=arns,
            kind="domain",
            name=of,
            statements=policies.nothing(),
        )
        super().__init__(
            scope,
            construct_id,
            cohort=cohort,
            name=arns.names.shared_domain(of),
            execution_role=role.role.attr_arn,
            network=network,
            lifecycle=lifecycle,
            images=images,
        )


def found_domain(scope: Construct, names: Names) -> str:
    """The id of the domain that the whole cohort shares, read from SSM when `scope`'s stack is
    deployed: the stack `Studio` has made it."""
    return CfnParameter(
        scope,
        "Studio-domain",
        type="AWS::SSM::Parameter::Value<String>",
        default=names.domain_parameter,
        description="Where Studio wrote the id of the domain that the cohort shares",
    ).value_as_string


def space_resources(cohort: Cohort, lifecycle: str) -> dict[str, str]:
    """What a space starts on if nobody says otherwise."""
    return {"instanceType": cohort.studio.instances[0], "lifecycleConfigArn": lifecycle}


def _settings(
    cohort: Cohort,
    execution_role: str,
    lifecycle: str,
    custom_images: list[dict[str, Any]],
    network: Network,
) -> dict[str, Any]:
    """What holds for everyone in the domain. A profile's own settings would win over these."""
    storage = cohort.studio.storage_gb
    minutes = cohort.studio.idle_minutes
    return {
        "executionRole": execution_role,
        # AWS adds a profile's groups to these, and never takes one away.
        **({"securityGroups": [network.inside.security_group]} if network.inside else {}),
        "autoMountHomeEfs": "Disabled",
        "studioWebPortal": "ENABLED",
        "defaultLandingUri": "studio::",
        "jupyterLabAppSettings": {
            "defaultResourceSpec": space_resources(cohort, lifecycle),
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
    }
