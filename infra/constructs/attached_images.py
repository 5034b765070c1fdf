"""What a cohort takes of a version of the academy's images, and where a stack finds their ARNs.

The images are the account's (`Academy-Images`), made before and outliving any cohort. Their ARNs
hold numbers that AWS generates, so a cohort's stacks read them from SSM when they are deployed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnParameter, Fn, Token
from constructs import Construct

from infra.cohort import images as names
from infra.cohort.images import ImageVersion
from infra.cohort.model import Cohort


class MissingFlavours(ValueError):
    """The version in use lacks images that a cohort needs; the message says what to run."""


@dataclass(frozen=True)
class AttachedImages:
    """The images of one version that a cohort's spaces and jobs start on.

    Attributes:
        spaces: the flavours that its spaces need: those that its domains attach.
        jobs: the flavours that its training jobs need.
    """

    version: ImageVersion
    spaces: tuple[str, ...]
    jobs: tuple[str, ...]

    @classmethod
    def of(cls, cohort: Cohort, version: ImageVersion, *, account: str) -> AttachedImages:
        """What `cohort` needs of `version`.

        Raises:
            MissingFlavours: if `version` does not have all of it.
        """
        attached = cls(
            version,
            spaces=names.flavours_for(cohort.projects, cohort.studio.instances),
            jobs=names.flavours_for(cohort.projects, cohort.training.instances),
        )
        if missing := version.missing(attached.all):
            raise MissingFlavours(
                f"version {version.number} of the images in account {account}, {cohort.region}, "
                f"has no {' and no '.join(missing)}, which {cohort.name} needs for its projects "
                "and instance types. Build a version that has all of them (cohort images build), "
                "or go back to one (cohort images use VERSION)"
            )
        return attached

    @property
    def all(self) -> tuple[str, ...]:
        """Every flavour that the cohort needs."""
        return tuple(each for each in names.FLAVOURS if each in (*self.spaces, *self.jobs))

    def version_arn(self, scope: Construct, flavour: str) -> str:
        """The ARN of the SageMaker image version, read from SSM when `scope`'s stack is deployed.

        The parameter's id holds the version: the CDK CLI keeps the value of a parameter that the
        deployed stack has already, whatever its new default, so another version would never come.
        """
        construct_id = f"Image-{flavour}-v{self.version.number}"
        found = scope.node.try_find_child(construct_id)
        parameter = found or CfnParameter(
            scope,
            construct_id,
            type="AWS::SSM::Parameter::Value<String>",
            default=names.version_parameter(flavour, self.version.number),
            description=f"Where Academy-Images wrote the ARN of its {flavour} image",
        )
        assert isinstance(parameter, CfnParameter)
        return parameter.value_as_string

    def custom_images(self, scope: Construct) -> list[dict[str, Any]]:
        """CustomImages of a Studio domain whose stack is `scope`.

        The number is the last part of ARN:image-version/NAME/NUMBER: AWS counts the versions of an
        image by itself, and the number is not ours.
        """
        return [
            {
                "imageName": names.studio_image(flavour),
                "appImageConfigName": names.studio_image(flavour),
                "imageVersionNumber": Token.as_number(
                    Fn.select(2, Fn.split("/", self.version_arn(scope, flavour)))
                ),
            }
            for flavour in self.spaces
        ]

    def settings(
        self, cohort: Cohort, version_arns: dict[str, str], *, account: str
    ) -> dict[str, dict[str, dict[str, str]]]:
        """The member `images` of the settings document.

        Args:
            version_arns: flavour -> ARN of its SageMaker image version.
        """
        found: dict[str, dict[str, dict[str, str]]] = {}
        for project in cohort.projects:
            of_project = found.setdefault(project, {})
            for accelerator in names.ACCELERATORS:
                flavour = names.flavour(names.image_of(project), accelerator)
                if flavour not in self.all:
                    continue
                digest = self.version.images[flavour].training
                of_project[accelerator] = {
                    "app": version_arns[flavour],
                    "job": names.training_image_uri(account, cohort.region, flavour, digest),
                }
        return found
