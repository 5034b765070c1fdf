"""Workspace images: the stack that builds them, and the stack that hands them to Studio.

Both belong to the account and region, and to no cohort: destroying a cohort touches neither.

`Academy-Images-Build` has the repositories and the CodeBuild project. Its repositories outlive it:
what spaces and jobs run on must not go by a slip. To remove one for good:
`aws ecr delete-repository --force --repository-name academy/<flavour>`. To deploy the stack again
over repositories that stayed: `npx cdk deploy Academy-Images-Build --import-existing-resources`.

`Academy-Images` has what Studio knows of each recorded version. `npx cdk destroy Academy-Images`
works when no domain names the images any more; SageMaker refuses to delete one that is in use, so
before that: `cohort images use aws`, and deploy each cohort.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from aws_cdk import CfnResource, Environment, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort import images
from infra.cohort.images import ImageVersion, Record
from infra.constructs.shared_role import SharedRole
from infra.constructs.statements import Statement

#: Writes the build context into a folder, which it makes, and returns the hash of it.
Context = Callable[[Path], str]

#: A count that is never reached: ECR keeps fewer images of a repository by its own quota.
KEPT_MAX = 9_999
#: How long a build that became no version can still become one.
EXPIRES_DAYS = 14

#: CodeBuild's own image with a Docker engine; a major version's name follows its updates.
BUILDER = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
#: 8 CPUs, 15 GB, 128 GB of disk: the base with CUDA, the GPU locks and the layers that are packed
#: for the push lie there side by side, and packing is what the CPUs are for.
#: Source: "Build environment compute modes and types" in the CodeBuild user guide.
COMPUTE = "BUILD_GENERAL1_LARGE"
#: A GPU image moves tens of gigabytes: longer than the hour that is CodeBuild's default. What
#: hangs for longer than this does not end by itself, and is billed by the minute.
TIMEOUT_MINUTES = 150
#: New accounts may run one build at a time: the others of the four wait their turn.
QUEUED_MINUTES = 480

ENTRYPOINT = "/opt/academy/bin/start"

NO_RESOURCE = "The token is the registry's, which is no resource: AWS knows only the wildcard."
STREAMS_OF_GROUP = "CloudWatch Logs names streams below a group; the group is exact."


class ImagesStack(Stack):
    """A stack of the account's images."""

    def __init__(
        self, scope: Construct, name: str, *, account: str, region: str, description: str
    ) -> None:
        super().__init__(
            scope,
            name,
            stack_name=name,
            env=Environment(account=account, region=region),
            description=f"Deep Learning Academy images: {description}",
            tags={"academy": "images"},
        )

    def arn_of(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    @property
    def repositories(self) -> tuple[str, ...]:
        """The ARNs of the four repositories."""
        return tuple(
            self.arn_of("ecr", f"repository/{images.repository(flavour)}")
            for flavour in images.FLAVOURS
        )

    @property
    def from_this_account(self) -> dict[str, str]:
        return {"aws:SourceAccount": self.account}


class ImagesBuild(ImagesStack):
    """Where images are built and kept: a repository a flavour, and the CodeBuild project.

    Args:
        context: writes the build context.
        torch_index: the address of an index that has PyTorch's CPU builds; empty: the default of
            the build itself.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        account: str,
        region: str,
        context: Context,
        torch_index: str = "",
    ) -> None:
        super().__init__(
            scope,
            images.BUILD_STACK,
            account=account,
            region=region,
            description="their repositories, and what builds them",
        )
        for flavour in images.FLAVOURS:
            self._repository(flavour)
        log = logs.CfnLogGroup(self, "Log", log_group_name=images.BUILD_LOGS, retention_in_days=90)
        log.apply_removal_policy(RemovalPolicy.DESTROY)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "context"
            source = context(folder)
            asset = s3_assets.Asset(self, "Context", path=str(folder))
        self._project(asset, source, torch_index).add_resource_dependency(log)

    def _repository(self, flavour: str) -> None:
        repository = ecr.CfnRepository(
            self,
            _camel(flavour),
            repository_name=images.repository(flavour),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=ecr.CfnRepository.ImageScanningConfigurationProperty(
                scan_on_push=True
            ),
            lifecycle_policy=ecr.CfnRepository.LifecyclePolicyProperty(
                lifecycle_policy_text=json.dumps(LIFE_CYCLE)
            ),
        )
        # The images that spaces and jobs run on must survive a destroy by mistake: to build them
        # takes long, and the very same bytes do not come back.
        repository.apply_removal_policy(RemovalPolicy.RETAIN)

    def _project(
        self, asset: s3_assets.Asset, source: str, torch_index: str
    ) -> codebuild.CfnProject:
        role = SharedRole(
            self,
            "Builder",
            name=images.BUILD_ROLE,
            path=images.ROLE_PATH,
            principal="codebuild.amazonaws.com",
            # Source: "Cross-service confused deputy prevention" in the CodeBuild user guide.
            when={"StringEquals": self.from_this_account},
            description="Deep Learning Academy images: what a build may do",
            statements=self._builds(asset),
        )
        variables = {
            "SOURCE": source,
            "TAG": images.build_tag(source),
            "TORCH_INDEX": torch_index,
        }
        return codebuild.CfnProject(
            self,
            "Project",
            name=images.BUILD_PROJECT,
            description="Builds one flavour of the academy's images: cohort images build",
            service_role=role.arn,
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            # The key that CodeBuild takes if none is named: there are no artifacts to encrypt.
            encryption_key=self.arn_of("kms", "alias/aws/s3"),
            environment=codebuild.CfnProject.EnvironmentProperty(
                type="LINUX_CONTAINER",
                image=BUILDER,
                compute_type=COMPUTE,
                # A Docker engine needs it. What it builds is this repository's own context, in a
                # machine that is thrown away afterwards.
                privileged_mode=True,
                environment_variables=[
                    codebuild.CfnProject.EnvironmentVariableProperty(
                        name=name, value=value, type="PLAINTEXT"
                    )
                    for name, value in variables.items()
                ],
            ),
            source=codebuild.CfnProject.SourceProperty(
                type="S3", location=f"{asset.s3_bucket_name}/{asset.s3_object_key}"
            ),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=images.BUILD_LOGS
                )
            ),
            timeout_in_minutes=TIMEOUT_MINUTES,
            queued_timeout_in_minutes=QUEUED_MINUTES,
        )

    def _builds(self, asset: s3_assets.Asset) -> list[Statement]:
        bucket = f"arn:aws:s3:::{asset.s3_bucket_name}"
        group = self.arn_of("logs", f"log-group:{images.BUILD_LOGS}")
        return [
            Statement(
                "ReadContext",
                ("s3:GetObject", "s3:GetObjectVersion"),
                (f"{bucket}/{asset.s3_object_key}",),
            ),
            # Source: the statement S3BucketIdentity in "Create a CodeBuild service role".
            Statement("KnowContextsBucket", ("s3:GetBucketAcl", "s3:GetBucketLocation"), (bucket,)),
            Statement("LogIn", ("ecr:GetAuthorizationToken",), ("*",), why=NO_RESOURCE),
            # Source: "IAM permissions for pushing an image" in the ECR user guide.
            Statement(
                "Push",
                (
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ),
                self.repositories,
            ),
            Statement(
                "WriteLog",
                ("logs:CreateLogStream", "logs:PutLogEvents"),
                (f"{group}:log-stream:*",),
                why=STREAMS_OF_GROUP,
            ),
        ]


#: Source: "How lifecycle policies work" in the ECR user guide: an image that matches a rule's tags
#: is expired by no rule of lower priority, whether that rule expires it or not. So whatever carries
#: a kept- tag stays, and the rest goes.
LIFE_CYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "Images of a version stay: nothing ever reaches this count",
            "selection": {
                "tagStatus": "tagged",
                "tagPrefixList": [images.KEPT],
                "countType": "imageCountMoreThan",
                "countNumber": KEPT_MAX,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": "Builds that became no version, and versions that were forgotten",
            "selection": {
                "tagStatus": "any",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": EXPIRES_DAYS,
            },
            "action": {"type": "expire"},
        },
    ]
}


class Images(ImagesStack):
    """What Studio knows: an image a flavour, and in it every recorded version by its digest.

    Nothing here says which version is used: to go back changes nothing of this stack, it is the
    cohorts that name another version.
    """

    def __init__(
        self, scope: Construct, *, account: str, region: str, versions: list[ImageVersion]
    ) -> None:
        super().__init__(
            scope,
            images.IMAGES_STACK,
            account=account,
            region=region,
            description="the recorded versions, for Studio",
        )
        puller = SharedRole(
            self,
            "Puller",
            name=images.STUDIO_ROLE,
            path=images.ROLE_PATH,
            principal="sagemaker.amazonaws.com",
            # Source: "SageMaker Images" in "Cross-service confused deputy prevention" of the
            # SageMaker developer guide.
            when={"StringEquals": self.from_this_account},
            description="Deep Learning Academy images: SageMaker reads the repositories",
            statements=[
                Statement("LogIn", ("ecr:GetAuthorizationToken",), ("*",), why=NO_RESOURCE),
                Statement(
                    "Pull",
                    (
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:BatchGetImage",
                        "ecr:DescribeImages",
                        "ecr:GetDownloadUrlForLayer",
                    ),
                    self.repositories,
                ),
            ],
        )
        for flavour in images.FLAVOURS:
            having = [version for version in versions if flavour in version.images]
            if having:
                self._flavour(flavour, having, puller.arn)

    def _flavour(self, flavour: str, versions: list[ImageVersion], role: str) -> None:
        name = images.studio_image(flavour)
        image = sagemaker.CfnImage(
            self,
            _camel(flavour),
            image_name=name,
            image_role_arn=role,
            image_description=f"Deep Learning Academy: {flavour}",
        )
        sagemaker.CfnAppImageConfig(
            self,
            f"{_camel(flavour)}Config",
            app_image_config_name=name,
            jupyter_lab_app_image_config=sagemaker.CfnAppImageConfig.JupyterLabAppImageConfigProperty(
                # AWS takes one entrypoint at most. It knows the arguments that Studio expects.
                container_config=sagemaker.CfnAppImageConfig.ContainerConfigProperty(
                    container_entrypoint=[ENTRYPOINT]
                )
            ),
        )
        before: CfnResource = image
        for version in sorted(versions, key=lambda each: each.number):
            before = self._version(flavour, version, before)

    def _version(self, flavour: str, version: ImageVersion, before: CfnResource) -> CfnResource:
        digest = version.images[flavour].workspace
        # A resource of its own for each version, so that none is ever replaced. The digest is in
        # its id too: a number whose version was forgotten may come again with other bytes.
        at = f"{_camel(flavour)}V{version.number}x{digest.removeprefix('sha256:')[:8]}"
        made = sagemaker.CfnImageVersion(
            self,
            at,
            image_name=images.studio_image(flavour),
            base_image=images.image_uri(self.account, self.region, flavour, digest),
        )
        # One after the other, for SageMaker counts them: its numbers go up with ours.
        made.add_resource_dependency(before)
        ssm.CfnParameter(
            self,
            f"{_camel(flavour)}V{version.number}Parameter",
            name=images.version_parameter(flavour, version.number),
            description=f"The image version of {flavour}, version {version.number}",
            type="String",
            value=made.ref,
        )
        return made


def add_image_stacks(
    scope: Construct,
    record: Record,
    *,
    account: str,
    region: str,
    torch_index: str = "",
    context: Context | None = None,
) -> list[Stack]:
    """Add `Academy-Images-Build` to `scope`, and `Academy-Images` once a version is recorded.

    Neither depends on the other: a new version is handed to Studio without touching what builds
    the next.
    """
    if context is None:
        # Imported here: it builds the learners' wheel.
        from infra.publishing.image_context import stage

        context = stage
    stacks: list[Stack] = [
        ImagesBuild(scope, account=account, region=region, context=context, torch_index=torch_index)
    ]
    versions = record.versions(account, region)
    if versions:
        stacks.append(Images(scope, account=account, region=region, versions=versions))
    return stacks


def _camel(flavour: str) -> str:
    """A flavour as a part of a logical id: SegmentationCpu."""
    return "".join(part.title() for part in flavour.split("-"))
