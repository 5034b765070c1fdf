"""Builds as real processes in the whole cloud: the source, the role, the phases, the image."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.server import Cloud
from tests.offline import sample_image
from tests.offline.sample_image import REGISTRY
from tests.offline.services.sagemaker.studio_cloud import until
from tests.offline.whole_cloud import PULL, as_role, client, role

PROJECT = "academy-images"
GROUP = "/aws/codebuild/academy-images"
PUSH = (
    ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"],
    "arn:aws:ecr:us-east-1:123456789012:repository/academy/*",
)
LOGS = (
    ["logs:CreateLogStream", "logs:PutLogEvents"],
    f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}:log-stream:*",
)
SOURCE = (["s3:GetObject"], "arn:aws:s3:::assets/*")


class Builds:
    """Makes projects in one cloud, starts builds and waits for them."""

    def __init__(self, cloud: Cloud, source: bytes) -> None:
        self.cloud = cloud
        self.api = client(cloud, "codebuild")
        self.ecr = client(cloud, "ecr")
        s3 = client(cloud, "s3")
        s3.create_bucket(Bucket="assets")
        s3.put_object(Bucket="assets", Key="context.zip", Body=source)
        client(cloud, "logs").create_log_group(logGroupName=GROUP)
        self.ecr.create_repository(
            repositoryName="academy/segmentation-cpu", imageTagMutability="IMMUTABLE"
        )
        self.role = role(cloud, "builder", "codebuild", SOURCE, LOGS, *PULL, PUSH)
        self.api.create_project(**self.project(PROJECT))

    def project(self, name: str, **changed: Any) -> dict[str, Any]:
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
            "computeType": "BUILD_GENERAL1_LARGE",
            "privilegedMode": True,
            "environmentVariables": [{"name": "TAG", "value": "build-1"}],
            **changed.pop("environment", {}),
        }
        source = {"type": "S3", "location": "assets/context.zip", **changed.pop("source", {})}
        return {
            "name": name,
            "source": source,
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": environment,
            "serviceRole": self.role,
            "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": GROUP}},
            "timeoutInMinutes": 30,
            **changed,
        }

    def start(self, project: str = PROJECT, **variables: str) -> str:
        """Start a build with environment variables; returns its id."""
        override = [{"name": name, "value": value} for name, value in variables.items()]
        started = self.api.start_build(projectName=project, environmentVariablesOverride=override)[
            "build"
        ]
        assert started["buildStatus"] == "IN_PROGRESS"
        return str(started["id"])

    def get(self, build: str) -> dict[str, Any]:
        (found,) = self.api.batch_get_builds(ids=[build])["builds"]
        return dict(found)

    def ended(self, build: str) -> dict[str, Any]:
        def over() -> Any:
            found = self.get(build)
            return found if found["buildComplete"] else None

        found: dict[str, Any] = until(over)
        return found

    def runs(self, spec: str, name: str, **changed: Any) -> dict[str, Any]:
        """Run a buildspec to its end, in a project of its own."""
        self.api.create_project(**self.project(name, source={"buildspec": spec}, **changed))
        return self.ended(self.start(name))

    def log(self, build: dict[str, Any]) -> list[str]:
        logs = client(self.cloud, "logs")
        told = logs.get_log_events(
            logGroupName=build["logs"]["groupName"],
            logStreamName=build["logs"]["streamName"],
            startFromHead=True,
        )
        return [event["message"] for event in told["events"]]

    def output(self, build: dict[str, Any]) -> list[str]:
        """What the commands themselves printed."""
        return [line for line in self.log(build) if not line.startswith("[Container] ")]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builds]:
    source = sample_image.zipped(sample_image.context(tmp_path_factory.mktemp("context")))
    with Cloud(state=tmp_path_factory.mktemp("a cloud")) as cloud:
        yield Builds(cloud, source)


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {each["phaseType"]: each.get("phaseStatus", "") for each in build["phases"]}


def message(build: dict[str, Any]) -> str:
    return " ".join(
        context.get("message", "")
        for each in build["phases"]
        for context in each.get("contexts", ())
    )


VARIABLES = {
    "PROJECT": "segmentation",
    "ACCELERATOR": "cpu",
    "REPOSITORY": f"{REGISTRY}/academy/segmentation-cpu",
}


@pytest.fixture(scope="module")
def image(builds: Builds) -> dict[str, Any]:
    """A build of the sample context, as `cohort images build` starts it."""
    return builds.ended(builds.start(**VARIABLES))


def test_a_build_makes_an_image_and_pushes_both_stages(
    builds: Builds, image: dict[str, Any]
) -> None:
    assert image["buildStatus"] == "SUCCEEDED", builds.log(image)
    assert phases(image) == {
        **dict.fromkeys(
            (
                *("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL"),
                *("PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS", "FINALIZING"),
            ),
            "SUCCEEDED",
        ),
        "COMPLETED": "",
    }
    details = builds.ecr.describe_images(repositoryName="academy/segmentation-cpu")["imageDetails"]
    tags = {tag: each["imageDigest"] for each in details for tag in each["imageTags"]}
    assert sorted(tags) == ["build-1-training", "build-1-workspace"]
    assert f"build-1-training: digest: {tags['build-1-training']}" in " ".join(builds.output(image))


def test_what_is_only_stood_for_is_said_in_the_log(builds: Builds, image: dict[str, Any]) -> None:
    output = builds.output(image)
    assert "imported academy of academy-9.0-py3-none-any.whl" in output
    assert "The embedded cloud starts no container: /opt/academy/check was not run." in output


def test_the_folder_of_a_build_is_gone_when_it_has_ended(
    builds: Builds, image: dict[str, Any]
) -> None:
    folder = builds.cloud.runtime.state / "builds" / image["id"].replace(":", "-")
    until(lambda: not folder.exists())


def test_an_immutable_tag_fails_the_second_build(builds: Builds, image: dict[str, Any]) -> None:
    again = builds.ended(builds.start(**VARIABLES))
    assert again["buildStatus"] == "FAILED"
    assert "Error while executing command: bash build.sh. Reason: exit status 1" in message(again)
    output = builds.output(again)
    assert "cannot be overwritten because the repository is immutable" in output[-1]


def test_a_build_runs_as_the_service_role_with_codebuilds_variables(builds: Builds) -> None:
    build = builds.runs(
        """
        version: 0.2
        env: {variables: {TAG: of-the-buildspec, OWN: green}}
        phases:
          install:
            commands:
              - echo "$CODEBUILD_BUILD_ID $CODEBUILD_BUILD_NUMBER $AWS_REGION $AWS_DEFAULT_REGION"
              - test "$PWD" = "$CODEBUILD_SRC_DIR" && echo "$TAG $OWN $CODEBUILD_BUILD_ARN"
              - test "$HOME" != "REAL" && echo "${AWS_ACCESS_KEY_ID:0:4} ${AWS_PROFILE:-none}"
              - case "$(command -v docker)" in */builds/*) echo stand-in;; esac
        """.replace("REAL", os.path.expanduser("~")),
        "variables",
    )
    assert build["buildStatus"] == "SUCCEEDED", builds.log(build)
    assert builds.output(build) == [
        f"{build['id']} 1 us-east-1 us-east-1",
        f"build-1 green {build['arn']}",
        "ASIA none",
        "stand-in",
    ]


def test_folder_and_environment_go_on_from_one_command_to_the_next(builds: Builds) -> None:
    build = builds.runs(
        """
        version: 0.2
        phases:
          pre_build: {commands: [cd locks, export COLOUR="light green"]}
          build: {commands: [ls, 'echo "$COLOUR"']}
        """,
        "one-shell",
    )
    assert builds.output(build) == ["segmentation.txt", "light green"]


def test_after_a_failed_build_post_build_runs_and_knows(builds: Builds) -> None:
    build = builds.runs(
        """
        version: 0.2
        phases:
          build:
            commands: ["exit 3", echo never]
            finally: [echo at last]
          post_build: {commands: ['echo "succeeding: $CODEBUILD_BUILD_SUCCEEDING"']}
        """,
        "failing",
    )
    assert build["buildStatus"] == "FAILED"
    found = phases(build)
    assert (found["BUILD"], found["POST_BUILD"]) == ("FAILED", "SUCCEEDED")
    assert "Error while executing command: exit 3. Reason: exit status 3" in message(build)
    assert builds.output(build) == ["at last", "succeeding: 0"]


def test_after_a_failed_pre_build_nothing_runs(builds: Builds) -> None:
    build = builds.runs(
        """
        version: 0.2
        phases:
          pre_build: {commands: ["false"]}
          build: {commands: [echo never]}
          post_build: {commands: [echo never]}
        """,
        "early",
    )
    assert build["buildStatus"] == "FAILED"
    assert list(phases(build))[-2:] == ["PRE_BUILD", "COMPLETED"]
    assert builds.output(build) == []


WAITS = "version: 0.2\nphases: {build: {commands: [echo up, sleep 600]}}"


def test_a_build_can_be_stopped(builds: Builds) -> None:
    builds.api.create_project(**builds.project("stopped", source={"buildspec": WAITS}))
    build = builds.start("stopped")
    until(lambda: "up" in _so_far(builds, build))
    builds.api.stop_build(id=build)
    ended = builds.ended(build)
    assert (ended["buildStatus"], phases(ended)["BUILD"]) == ("STOPPED", "STOPPED")
    assert not [each for each in builds.cloud.runtime.processes.running() if build in each.name]


def test_a_build_ends_when_its_time_is_up(builds: Builds) -> None:
    builds.api.create_project(
        **builds.project("late", source={"buildspec": WAITS}, timeoutInMinutes=5)
    )
    build = builds.start("late")
    until(lambda: "up" in _so_far(builds, build))
    builds.cloud.runtime.clock.move(by=timedelta(minutes=6))
    assert builds.ended(build)["buildStatus"] == "TIMED_OUT"


def _so_far(builds: Builds, build: str) -> list[str]:
    try:
        return builds.output(builds.get(build))
    except ClientError:
        return []


def test_a_token_starts_one_build(builds: Builds) -> None:
    builds.api.create_project(
        **builds.project("once", source={"buildspec": "version: 0.2\nphases: {build: {}}"})
    )
    first, second = (
        builds.api.start_build(projectName="once", idempotencyToken="t-1")["build"]["id"]
        for _ in range(2)
    )
    assert first == second
    with pytest.raises(ClientError, match="with other parameters"):
        builds.api.start_build(
            projectName="once", idempotencyToken="t-1", timeoutInMinutesOverride=9
        )
    other = builds.start("once")
    listed = builds.api.list_builds_for_project(projectName="once")["ids"]
    assert listed == [other, first]
    assert {builds.ended(each)["buildStatus"] for each in listed} == {"SUCCEEDED"}


# --- what IAM says --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "allowed", "phase", "says"),
    [
        ("no-log", (SOURCE,), "PROVISIONING", "logs:CreateLogStream"),
        ("no-source", (LOGS,), "DOWNLOAD_SOURCE", "assets/context.zip"),
        ("no-login", (SOURCE, LOGS), "PRE_BUILD", "ecr:GetAuthorizationToken"),
        ("no-push", (SOURCE, LOGS, *PULL), "BUILD", "denied: User"),
    ],
)
def test_a_build_may_do_what_its_role_may(
    builds: Builds, name: str, allowed: tuple[Any, ...], phase: str, says: str
) -> None:
    poor = role(builds.cloud, name, "codebuild", *allowed)
    spec = sample_image.BUILDSPEC.replace("aws ecr", "set -o pipefail; aws ecr")
    builds.api.create_project(**builds.project(name, serviceRole=poor, source={"buildspec": spec}))
    build = builds.ended(builds.start(name, **{**VARIABLES, "TAG": name}))
    assert build["buildStatus"] == "FAILED"
    assert phases(build)[phase] == "FAILED"
    told = [message(build), *([] if phase == "PROVISIONING" else builds.log(build))]
    assert says in " ".join(told)


def test_a_role_that_does_not_trust_codebuild_is_refused(builds: Builds) -> None:
    stranger = role(builds.cloud, "stranger", "lambda")
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        builds.api.create_project(**builds.project("strange", serviceRole=stranger))


def test_a_caller_starts_and_reads_builds_of_the_projects_that_it_may(builds: Builds) -> None:
    mine = f"arn:aws:codebuild:us-east-1:123456789012:project/{PROJECT}"
    caller = role(
        builds.cloud,
        "caller",
        "lambda",
        (["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject"], mine),
    )
    api = as_role(builds.cloud, caller, "codebuild")
    ids = api.list_builds_for_project(projectName=PROJECT)["ids"]
    assert api.batch_get_builds(ids=ids[:1])["builds"][0]["projectName"] == PROJECT
    for refused in (
        lambda: api.start_build(projectName=PROJECT),
        lambda: api.list_builds_for_project(projectName="other"),
        lambda: api.create_project(**builds.project("mine")),
    ):
        with pytest.raises(ClientError) as error:
            refused()
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"


# --- what cannot be -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"source": {"type": "GITHUB"}}, "source.type of CreateProject as 'GITHUB'"),
        ({"source": {"location": "assets/folder/"}}, "location must be BUCKET/KEY"),
        ({"artifacts": {"type": "S3"}}, "artifacts.type of CreateProject as 'S3'"),
        ({"vpcConfig": {"vpcId": "vpc-1"}}, "vpcConfig of CreateProject"),
        (
            {"environment": {"environmentVariables": [
                {"name": "A", "value": "b", "type": "SECRETS_MANAGER"}]}},
            "environment.environmentVariables.type of CreateProject as 'SECRETS_MANAGER'",
        ),
        ({"environment": {"computeType": "HUGE"}}, "Member must satisfy enum value set"),
        ({"name": "two words"}, "Member must satisfy regular expression pattern"),
    ],
)  # fmt: skip
def test_what_a_project_cannot_be_is_refused_by_name(
    builds: Builds, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError) as error:
        builds.api.create_project(**builds.project(**{"name": "wrong", **changed}))
    assert error.value.response["Error"]["Code"] == "InvalidInputException"
    assert says in error.value.response["Error"]["Message"]


def test_a_project_that_is_not_there_is_not_found(builds: Builds) -> None:
    calls: tuple[Callable[[], Any], ...] = (
        lambda: builds.api.start_build(projectName="nothing"),
        lambda: builds.api.list_builds_for_project(projectName="nothing"),
        lambda: builds.api.stop_build(id=f"nothing:{'0' * 8}"),
    )
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_buildspec_beyond_the_emulation_fails_the_build_by_name(builds: Builds) -> None:
    build = builds.runs("version: 0.2\nphases: {}\nartifacts: {}", "beyond")
    assert build["buildStatus"] == "FAILED"
    assert "does not emulate artifacts of a buildspec" in message(build)


@pytest.mark.parametrize(
    ("name", "mode"), [("../escaped", 0o100644), ("/etc/escaped", 0o100644), ("link", 0o120777)]
)
def test_a_source_that_leads_out_of_its_folder_fails_the_build(
    builds: Builds, tmp_path: Path, name: str, mode: int
) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, "x")
    key = f"evil-{mode}-{len(name)}.zip"
    client(builds.cloud, "s3").put_object(Bucket="assets", Key=key, Body=made.getvalue())
    project = f"evil-{mode}-{len(name)}"
    builds.api.create_project(**builds.project(project, source={"location": f"assets/{key}"}))
    build = builds.ended(builds.start(project))
    assert phases(build)["DOWNLOAD_SOURCE"] == "FAILED"
    assert "cannot be unpacked" in message(build)


def test_what_runs_ends_with_the_cloud(tmp_path: Path, builds: Builds) -> None:
    # The last of this file: it takes the shared cloud's place.
    builds.cloud.stop()
    with Cloud(state=tmp_path / "second") as cloud:
        second = Builds(cloud, sample_image.zipped(sample_image.context(tmp_path / "context")))
        second.api.create_project(**second.project("long", source={"buildspec": WAITS}))
        build = second.start("long")
        until(lambda: "up" in _so_far(second, build))
        (process,) = [each for each in cloud.runtime.processes.running() if build in each.name]
    assert not process.running
