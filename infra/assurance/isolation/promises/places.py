"""Where a cohort's things are, as regions of ARNs: what promises speak about.

Written from the names and the cohort file alone. It shares nothing with what writes the policies,
because a promise that came from what it judges would hold whatever that says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infra.assurance.isolation.asking import Region
from infra.assurance.isolation.world import World
from infra.cohort import images
from infra.cohort.images import ImageVersion
from infra.cohort.model import Cohort
from infra.cohort.naming import ALARMS, SEPARATOR, SERVICES, Names

#: Stand in a region for whom a promise is about: the role's owner and the owner's team.
OWNER, TEAM = "{owner}", "{team}"

#: Source: "Available Deep Learning Containers images" in the AWS documentation.
AWS_CONTAINERS_ACCOUNT = "763104351884"

#: SageMaker writes every job's and every space's log to these two groups of the account.
JOBS_LOG, SPACES_LOG = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/studio"

#: Buckets of each cohort, by purpose.
BUCKETS = ("data", "vault", "work", "site")


class NoSuchKey(ValueError):
    """The templates make no key with an alias that a promise is about."""


def all_of(*regions: Region) -> Region:
    """What lies in any of `regions`, none of which leaves something out."""
    assert not any(region.but_not for region in regions), "a hole in one may be in another"
    return Region(tuple(pattern for region in regions for pattern in region.any_of))


def but(region: Region, *without: Region) -> Region:
    """`region` without what lies in any of `without`."""
    assert not any(hole.but_not for hole in without), "a hole in a hole"
    holes = tuple(pattern for hole in without for pattern in hole.any_of)
    return Region(region.any_of, (*region.but_not, *holes))


@dataclass(frozen=True)
class Places:
    """The places of one cohort in one account and region.

    Attributes:
        world: only for the ids that AWS generates: of keys, subnets and the security group.
        images: the version of the academy's images that the cohort is on; None for AWS's own.
    """

    cohort: Cohort
    world: World
    images: ImageVersion | None = None

    @property
    def account(self) -> str:
        return self.world.account

    @property
    def region(self) -> str:
        return self.world.region

    @property
    def names(self) -> Names:
        return self.cohort.names

    def _of(self, service: str, *resources: str) -> Region:
        return Region(
            tuple(f"arn:aws:{service}:{self.region}:{self.account}:{name}" for name in resources)
        )

    # --- buckets ----------------------------------------------------------------------------------
    def bucket(self, purpose: str) -> Region:
        """The bucket itself: what is listed, and what its settings belong to."""
        return Region((self._bucket(purpose),))

    def objects(self, purpose: str, *prefixes: str) -> Region:
        """The objects under any of `prefixes`, each with its slash; without one: all."""
        return Region(tuple(f"{self._bucket(purpose)}/{prefix}*" for prefix in prefixes or ("",)))

    def whole(self, purpose: str) -> Region:
        """The bucket and everything in it."""
        return all_of(self.bucket(purpose), self.objects(purpose))

    def _bucket(self, purpose: str) -> str:
        return (
            f"arn:aws:s3:::{self.names.bucket(purpose, account=self.account, region=self.region)}"
        )

    def per_project(self, stage: str, team: str) -> tuple[str, ...]:
        """The prefixes of a stage (submissions, checked, receipts) of each project, for a team."""
        return tuple(f"{stage}/{project}/{team}/" for project in self.cohort.projects)

    @property
    def deployed_code(self) -> Region:
        """What `cdk deploy` uploads: functions' code and the images' build context.

        Source: "Bootstrap your environment for use with the AWS CDK", staging resources."""
        return Region(("arn:aws:s3:::cdk-*", "arn:aws:s3:::cdk-*/*"))

    # --- tables and keys --------------------------------------------------------------------------
    @property
    def ledger(self) -> Region:
        return self._of("dynamodb", f"table/{self.names.ledger_table}")

    @property
    def open_reservations(self) -> Region:
        """The ledger's index of what is still reserved."""
        return self._of("dynamodb", f"table/{self.names.ledger_table}/index/open")

    @property
    def board(self) -> Region:
        return self._of("dynamodb", f"table/{self.names.board_table}")

    @property
    def ledger_whole(self) -> Region:
        """The ledger with its indexes, streams, backups and exports."""
        return Region((*self.ledger.any_of, *(f"{each}/*" for each in self.ledger.any_of)))

    @property
    def tables(self) -> Region:
        """Both tables, with their indexes, streams, backups and exports."""
        board = self.board.any_of
        return all_of(self.ledger_whole, Region((*board, *(f"{each}/*" for each in board))))

    @property
    def any_key(self) -> Region:
        return self._of("kms", "key/*")

    def key(self, purpose: str) -> Region:
        """The key that the alias `purpose` names, as the templates make it.

        Raises:
            NoSuchKey: if they make none, or several.
        """
        alias = self.names.key_alias(purpose)
        found = [
            each.arn
            for each in self.world.guarded
            if each.type == "AWS::KMS::Key" and alias in _several(each.facts, "kms:ResourceAliases")
        ]
        if len(found) != 1:
            raise NoSuchKey(f"the templates make {len(found)} keys with the alias {alias}, not one")
        return Region((found[0],))

    def alias_of_key(self, purpose: str) -> Region:
        return self._of("kms", self.names.key_alias(purpose))

    # --- functions, what calls them, what is told -------------------------------------------------
    def function(self, *services: str) -> Region:
        """Functions by their bare names."""
        return self._of("lambda", *(f"function:{self.names.function(each)}" for each in services))

    def function_whole(self, *services: str) -> Region:
        """Functions under any name: bare, a version, an alias."""
        bare = self.function(*services).any_of
        return Region((*bare, *(f"{each}:*" for each in bare)))

    @property
    def any_function(self) -> Region:
        return self._of("lambda", "function:*")

    def broker_for(self, owner: str) -> Region:
        """The broker's alias of one person: it is that person's identity."""
        return self._of("lambda", f"function:{self.names.function('broker')}:{owner}")

    def topic(self, *purposes: str) -> Region:
        return self._of("sns", *(self.names.topic(each) for each in purposes))

    @property
    def dead_letters(self) -> Region:
        return self._of("sqs", self.names.dead_letters)

    @property
    def stops(self) -> Region:
        """The one-time schedules that end spaces."""
        return self._of("scheduler", f"schedule/{self.names.schedule_group}/*")

    @property
    def stops_group(self) -> str:
        [group] = self._of("scheduler", f"schedule-group/{self.names.schedule_group}").any_of
        return group

    def rule(self, service: str) -> str:
        """The ARN of the EventBridge rule that calls a service."""
        [rule] = self._of("events", f"rule/{self.names.rule(service)}").any_of
        return rule

    @property
    def alarms(self) -> tuple[str, ...]:
        return self._of(
            "cloudwatch", *(f"alarm:{self.names.alarm(each)}" for each in ALARMS)
        ).any_of

    # --- the door ---------------------------------------------------------------------------------
    @property
    def people(self) -> Region:
        """The pages of who may sign in."""
        return self._of("ssm", f"parameter{self.names.people_parameter('*')}")

    @property
    def addresses(self) -> list[str]:
        """Whatever is asked of the cohort's HTTP API, as the templates make it."""
        return [
            f"{each.arn}/*"
            for each in self.world.guarded
            if each.type == "AWS::ApiGatewayV2::Api"
            and each.source
            and each.source.properties.get("Name") == self.names.api
        ]

    @property
    def pools(self) -> Region:
        """The pool in which each person has a user, as the templates make it."""
        return Region(
            tuple(
                each.arn
                for each in self.world.guarded
                if each.type == "AWS::Cognito::UserPool"
                and each.source
                and each.source.properties.get("UserPoolName") == self.names.user_pool
            )
        )

    @property
    def believes_a_provider(self) -> bool:
        return bool(self.cohort.door and self.cohort.door.provider)

    @property
    def broker_for_nobody(self) -> Region:
        """The broker by its bare name, its latest version, and versions that have a number."""
        [bare] = self.function("broker").any_of
        return Region((bare, f"{bare}:$LATEST", *(f"{bare}:{digit}*" for digit in range(10))))

    # --- parameters and logs ----------------------------------------------------------------------
    @property
    def settings(self) -> Region:
        return self._of("ssm", f"parameter{self.names.settings_parameter}")

    @property
    def any_parameter(self) -> Region:
        return self._of("ssm", "parameter/*")

    def workspace_config(self, owner: str) -> Region:
        return self._of("ssm", f"parameter{self.names.workspace_parameter(owner)}")

    @property
    def roster(self) -> Region:
        return self._of("ssm", f"parameter{self.names.roster_parameter('*')}")

    def service_log(self, *services: str) -> Region:
        """The streams of services' logs."""
        return self._streams(*((self.names.log_group(each), "*") for each in services))

    @property
    def service_log_groups(self) -> Region:
        """The logs of the cohort's functions, whole."""
        return all_of(*(self.log_group(self.names.log_group(each)) for each in SERVICES))

    @property
    def service_logs(self) -> Region:
        """The logs of every function of every cohort, and the groups themselves."""
        return self._of("logs", "log-group:/aws/lambda/*")

    def job_log(self, team: str) -> Region:
        """The logs of a team's jobs; `*`: of the cohort's."""
        return self._streams((JOBS_LOG, f"{self._job(team)}*"))

    def space_log(self, owner: str) -> Region:
        """The logs of a person's space: streams are called DOMAIN/SPACE/APP/…"""
        return self._streams((SPACES_LOG, f"*/{self.names.workspace(owner)}/*"))

    def log_group(self, group: str) -> Region:
        """The group, as IAM writes it for one operation and for another."""
        return self._of("logs", f"log-group:{group}", f"log-group:{group}:*")

    def _streams(self, *named: tuple[str, str]) -> Region:
        return self._of("logs", *(f"log-group:{g}:log-stream:{s}" for g, s in named))

    # --- SageMaker --------------------------------------------------------------------------------
    def jobs(self, team: str = "*") -> Region:
        """A team's training jobs, by the prefix of their names; `*`: the cohort's."""
        return self._of("sagemaker", f"training-job/{self._job(team)}*")

    @property
    def all_jobs(self) -> Region:
        """Training jobs of anyone in the account."""
        return self._of("sagemaker", "training-job/*")

    def _job(self, team: str) -> str:
        return f"{self.cohort.name}{SEPARATOR}" + ("" if team == "*" else f"{team}{SEPARATOR}")

    @property
    def apps(self) -> Region:
        """The apps of the cohort's spaces: DOMAIN/SPACE/TYPE/NAME."""
        return self._of("sagemaker", f"app/*/{self.names.workspace('*')}/*/*")

    @property
    def profiles(self) -> Region:
        return self._of("sagemaker", f"user-profile/*/{self.names.workspace('*')}")

    # --- a private network ------------------------------------------------------------------------
    @property
    def is_private(self) -> bool:
        return self.cohort.network == "private"

    @property
    def subnets(self) -> Region:
        """The cohort's subnets."""
        stack = self.names.foundation_stack
        return Region(
            tuple(
                each.arn
                for each in self.world.guarded
                if each.type == "AWS::EC2::Subnet" and each.source and each.source.stack == stack
            )
        )

    @property
    def subnet_ids(self) -> list[str]:
        return [arn.rpartition("/")[2] for arn in self.subnets.any_of]

    @property
    def group_ids(self) -> list[str]:
        """The security group of spaces and jobs, as Foundation tells it to other stacks."""
        name = self.names.network_parameter("security-group")
        [parameter] = self._of("ssm", f"parameter{name}").any_of
        return [
            str(each.source.properties["Value"])
            for each in self.world.guarded
            if each.arn == parameter and each.source
        ]

    @property
    def network(self) -> Region:
        """What a job's interface is made of, beside itself."""
        groups = self._of("ec2", *(f"security-group/{each}" for each in self.group_ids))
        return all_of(self.subnets, groups)

    @property
    def interfaces(self) -> Region:
        """Interfaces of whatever network: their ids are generated, a condition says which."""
        return self._of("ec2", "network-interface/*")

    # --- roles ------------------------------------------------------------------------------------
    def role(self, kind: str, name: str) -> Region:
        return Region((self.names.role_arn(kind, name, account=self.account),))

    def roles(self, kind: str) -> Region:
        return Region((f"arn:aws:iam::{self.account}:role{self.names.role_path(kind)}*",))

    @property
    def every_role(self) -> Region:
        """Every role of the academy, of whatever cohort."""
        return Region((f"arn:aws:iam::{self.account}:role/academy/*",))

    # --- images -----------------------------------------------------------------------------------
    @property
    def space_flavours(self) -> tuple[str, ...]:
        return self._flavours(self.cohort.studio.instances)

    @property
    def job_flavours(self) -> tuple[str, ...]:
        return self._flavours(self.cohort.training.instances)

    def _flavours(self, instances: Iterable[str]) -> tuple[str, ...]:
        if self.images is None:
            return ()
        return images.flavours_for(self.cohort.projects, instances)

    def repositories(self, flavours: Iterable[str]) -> Region:
        """The academy's images in ECR."""
        return self._of("ecr", *(f"repository/{images.repository(each)}" for each in flavours))

    @property
    def aws_containers(self) -> Region:
        """AWS's own container for training jobs."""
        name = f"{self.region}:{AWS_CONTAINERS_ACCOUNT}:repository/pytorch-training"
        return Region((f"arn:aws:ecr:{name}",))

    def studio_images(self, flavours: Iterable[str]) -> list[str]:
        found = (f"image/{images.studio_image(each)}" for each in flavours)
        return list(self._of("sagemaker", *found).any_of)

    def studio_image_versions(self, flavours: Iterable[str]) -> list[str]:
        found = (f"image-version/{images.studio_image(each)}/*" for each in flavours)
        return list(self._of("sagemaker", *found).any_of)

    # --- the cohort as a whole --------------------------------------------------------------------
    @property
    def of_the_cohort(self) -> Region:
        """Everything that is this cohort's and nobody else's."""
        name = self.cohort.name
        return all_of(
            *(self.whole(purpose) for purpose in BUCKETS),
            self.tables,
            *(self.key(purpose) for purpose in ("records", "vault")),
            *(self.alias_of_key(purpose) for purpose in ("records", "vault")),
            self.function_whole(*SERVICES),
            self.topic("notices", "news"),
            self.dead_letters,
            self.stops,
            self._of("ssm", f"parameter/academy/{name}/*"),
            self.workspace_config("*"),
            self.service_log_groups,
            self.job_log("*"),
            self.space_log("*"),
            self.jobs(),
            self.apps,
            self.profiles,
            *((self.network, self.interfaces) if self.is_private else ()),
            *((self.pools,) if self.believes_a_provider else ()),
            *(self.roles(kind) for kind in ("learner", "training", "advisor", "domain", "service")),
        )

    @property
    def nobodys(self) -> Region:
        """Names that no app, profile or space's log has, though patterns match them: with a slash
        too many, or of two spaces at once."""
        streams = f"log-group:{SPACES_LOG}:log-stream:*/*--*/*--*/*"
        return all_of(
            self._of("sagemaker", "app/*/*/*/*/*", "user-profile/*/*/*"),
            self._of("logs", streams),
        )

    @property
    def of_the_account(self) -> Region:
        """What all cohorts of an account share: the groups that SageMaker writes logs to, and
        images, AWS's and the academy's. Of the groups, each stream is one cohort's."""
        return all_of(
            self.log_group(JOBS_LOG),
            self.log_group(SPACES_LOG),
            self.repositories(images.FLAVOURS),
            self.aws_containers,
        )

    @property
    def shared_streams(self) -> Region:
        """The streams in the groups that all cohorts of an account share."""
        return all_of(self.log_streams_of_jobs, self.log_streams_of_spaces)

    @property
    def log_streams_of_jobs(self) -> Region:
        return self._streams((JOBS_LOG, "*"))

    @property
    def log_streams_of_spaces(self) -> Region:
        return self._streams((SPACES_LOG, "*"))


def _several(facts: object, key: str) -> tuple[str, ...]:
    value = facts.get(key, ()) if hasattr(facts, "get") else ()
    return (value,) if isinstance(value, str) else tuple(value)
