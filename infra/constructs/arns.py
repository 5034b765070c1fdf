"""The ARNs of a cohort's resources, as strings: how stacks and policies point at each other."""

from __future__ import annotations

from dataclasses import dataclass

from infra.cohort import images
from infra.cohort.naming import ALARMS, RULED, SEPARATOR, Names

#: SageMaker makes this group itself and puts every job's log there.
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
#: The same for Studio's apps and their lifecycle scripts.
STUDIO_LOGS = "/aws/sagemaker/studio"

#: The accounts that AWS publishes its deep-learning containers from, by region.
#: Source: "Available Deep Learning Containers images" in the AWS documentation.
DEEP_LEARNING_CONTAINERS_ACCOUNT = "763104351884"


@dataclass(frozen=True)
class Arns:
    """One cohort's ARNs in one account and region. Names come from `infra.cohort.naming` alone."""

    names: Names
    account: str
    region: str

    def _of(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    # --- storage ------------------------------------------------------------------------------
    def bucket_name(self, purpose: str) -> str:
        return self.names.bucket(purpose, account=self.account, region=self.region)

    def bucket(self, purpose: str) -> str:
        return f"arn:aws:s3:::{self.bucket_name(purpose)}"

    def objects(self, purpose: str, prefix: str) -> str:
        """The objects of a bucket under `prefix`, which ends in a slash (or is one object's key).

        A prefix without the slash would match a neighbour too: teams/ana* also means teams/anabel.
        """
        return f"{self.bucket(purpose)}/{prefix}{'*' if prefix.endswith('/') else ''}"

    def table(self, name: str) -> str:
        return self._of("dynamodb", f"table/{name}")

    def parameter(self, name: str) -> str:
        return self._of("ssm", f"parameter{name}")

    @property
    def keys(self) -> str:
        """Any KMS key: policies narrow it by kms:ResourceAliases, because ids are generated."""
        return self._of("kms", "key/*")

    # --- functions ----------------------------------------------------------------------------
    def function(self, service: str) -> str:
        return self._of("lambda", f"function:{self.names.function(service)}")

    def broker_alias(self, learner: str) -> str:
        return f"{self.function('broker')}:{self.names.alias(learner)}"

    def log_group(self, group: str) -> str:
        return self._of("logs", f"log-group:{group}")

    def log_group_itself(self, group: str) -> tuple[str, ...]:
        """The group as IAM sees it: some operations are authorised against a bare ARN, some
        against one that ends in an empty stream."""
        return self.log_group(group), f"{self.log_group(group)}:*"

    def log_streams(self, group: str, prefix: str = "") -> str:
        return f"{self.log_group(group)}:log-stream:{prefix}*"

    # --- SageMaker: shapes from the service authorization reference ----------------------------
    def jobs(self, prefix: str | None = None) -> str:
        """Training jobs whose names start with `prefix` (default: all of the cohort's)."""
        return self._of("sagemaker", f"training-job/{prefix or self.names.cohort + SEPARATOR}*")

    @property
    def apps(self) -> str:
        """The cohort's apps: app/DOMAIN/SPACE/TYPE/NAME. Domain ids are generated; the space's
        name carries the cohort."""
        return self._of("sagemaker", f"app/*/{self.names.cohort}{SEPARATOR}*/*/*")

    @property
    def spaces(self) -> str:
        return self._of("sagemaker", f"space/*/{self.names.cohort}{SEPARATOR}*")

    @property
    def profiles(self) -> str:
        return self._of("sagemaker", f"user-profile/*/{self.names.cohort}{SEPARATOR}*")

    def lifecycle_config(self, content_hash: str) -> str:
        name = self.names.lifecycle_config(content_hash)
        return self._of("sagemaker", f"studio-lifecycle-config/{name}")

    # --- the door ---------------------------------------------------------------------------------
    def api(self, api_id: str) -> str:
        """Every stage, method and path of an HTTP API, whose id is generated."""
        return self._of("execute-api", f"{api_id}/*")

    def sender(self, identity: str) -> str:
        """An address or a domain that SES may send from. An admin has verified it."""
        return self._of("ses", f"identity/{identity}")

    # --- the network ----------------------------------------------------------------------------
    def subnet(self, subnet_id: str) -> str:
        return self._of("ec2", f"subnet/{subnet_id}")

    def security_group(self, group_id: str) -> str:
        return self._of("ec2", f"security-group/{group_id}")

    @property
    def interfaces(self) -> str:
        """Any network interface: policies narrow it by ec2:Subnet, because ids are generated."""
        return self._of("ec2", "network-interface/*")

    # --- what the admin is told ---------------------------------------------------------------
    def topic(self, purpose: str) -> str:
        return self._of("sns", self.names.topic(purpose))

    @property
    def dead_letters(self) -> str:
        return self._of("sqs", self.names.dead_letters)

    @property
    def alarms(self) -> list[str]:
        """Every alarm of the cohort, by name: `earth-*` would be those of a cohort earth-2 too."""
        return [self._of("cloudwatch", f"alarm:{self.names.alarm(each)}") for each in ALARMS]

    @property
    def rules(self) -> list[str]:
        """Every EventBridge rule of the cohort. Each has the name of the service that it calls."""
        return [self._of("events", f"rule/{self.names.rule(each)}") for each in RULED]

    @property
    def budgets(self) -> str:
        """Every budget of the account: what AWS Budgets says it acts for."""
        return f"arn:aws:budgets::{self.account}:*"

    # --- scheduler ----------------------------------------------------------------------------
    @property
    def schedules(self) -> str:
        return self._of("scheduler", f"schedule/{self.names.schedule_group}/*")

    @property
    def schedule_group(self) -> str:
        return self._of("scheduler", f"schedule-group/{self.names.schedule_group}")

    # --- IAM ----------------------------------------------------------------------------------
    def role(self, kind: str, name: str) -> str:
        return self.names.role_arn(kind, name, account=self.account)

    def roles(self, kind: str) -> str:
        """Every role of one kind: the path makes this one short line at any number of learners."""
        return f"arn:aws:iam::{self.account}:role{self.names.role_path(kind)}*"

    @property
    def every_academy_role(self) -> str:
        """The roles of every cohort in the account, this one's included."""
        return f"arn:aws:iam::{self.account}:role/academy/*"

    @property
    def boundary(self) -> str:
        return f"arn:aws:iam::{self.account}:policy/{self.names.boundary_policy}"

    # --- images: the account's, of no cohort ----------------------------------------------------
    def image(self, flavour: str) -> str:
        """The SageMaker image of a flavour."""
        return self._of("sagemaker", f"image/{images.studio_image(flavour)}")

    def image_versions(self, flavour: str) -> str:
        """Every version of a flavour's image: AWS counts them, so the number is a wildcard."""
        return self._of("sagemaker", f"image-version/{images.studio_image(flavour)}/*")

    def image_repository(self, flavour: str) -> str:
        return self._of("ecr", f"repository/{images.repository(flavour)}")

    @property
    def training_images(self) -> str:
        """AWS's own containers for training jobs."""
        account = DEEP_LEARNING_CONTAINERS_ACCOUNT
        return f"arn:aws:ecr:{self.region}:{account}:repository/pytorch-training"
