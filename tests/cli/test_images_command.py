"""`cohort images`: on a real registry, with a CodeBuild that pushes what a test says.

The registry, its tags and manifests are the embedded cloud's ECR. CodeBuild is a stand-in here, so
that a build can fail, hang or push nonsense; the end-to-end test has a real one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto.moto_api._internal.models import moto_api_backend
from rich.console import Console
from rich.status import Status

from infra.cli import images as command
from infra.cli.main import cohort
from infra.cohort import images
from infra.cohort.images import FLAVOURS, Record, load_record
from infra.offline.environment import client_environment
from infra.offline.services import ecr  # noqa: F401 (what the registry has beyond moto's)
from tests.offline.small_cloud import ACCOUNT, REGION, SmallCloud, small_cloud

SOURCE = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
TAG = images.build_tag(SOURCE)
LAYERS = "application/vnd.docker.image.rootfs.diff.tar.gzip"
NEXT = {"QUEUED": "PROVISIONING", "PROVISIONING": "BUILD"}
CPU = ("segmentation-cpu", "forecasting-cpu")

Push = Callable[["Registry", str, str], str]


class Registry:
    """What a build does to ECR, by its own API."""

    def __init__(self, cloud: SmallCloud) -> None:
        self.ecr = cloud.client("ecr")

    def blob(self, flavour: str, content: bytes) -> dict[str, Any]:
        where = {"repositoryName": images.repository(flavour)}
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        upload = self.ecr.initiate_layer_upload(**where)["uploadId"]
        self.ecr.upload_layer_part(
            **where,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(content) - 1,
            layerPartBlob=content,
        )
        with contextlib.suppress(self.ecr.exceptions.LayerAlreadyExistsException):
            self.ecr.complete_layer_upload(**where, uploadId=upload, layerDigests=[digest])
        return {"digest": digest, "size": len(content)}

    def push(self, flavour: str, tag: str, layer: str, config: str) -> str:
        """Push an image of one layer; returns its digest."""
        kind = command.MANIFESTS[0]
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                **self.blob(flavour, json.dumps({"config": {"User": config}}).encode()),
            },
            "layers": [
                {"mediaType": LAYERS, **self.blob(flavour, gzip.compress(layer.encode(), mtime=0))}
            ],
        }
        pushed = self.ecr.put_image(
            repositoryName=images.repository(flavour),
            imageManifest=json.dumps(manifest),
            imageManifestMediaType=kind,
            imageTag=tag,
        )
        return str(pushed["image"]["imageId"]["imageDigest"])

    def tags(self, flavour: str) -> dict[str, str]:
        answer = self.ecr.list_images(repositoryName=images.repository(flavour))
        return {i["imageTag"]: i["imageDigest"] for i in answer["imageIds"] if "imageTag" in i}


def good(registry: Registry, flavour: str, tag: str) -> str:
    registry.push(flavour, f"{tag}-workspace", f"{flavour} {tag}", "1000:100")
    registry.push(flavour, f"{tag}-training", f"{flavour} {tag}", "root")
    return "SUCCEEDED"


def unequal(registry: Registry, flavour: str, tag: str) -> str:
    registry.push(flavour, f"{tag}-workspace", "one", "1000:100")
    registry.push(flavour, f"{tag}-training", "another", "root")
    return "SUCCEEDED"


def half(registry: Registry, flavour: str, tag: str) -> str:
    registry.push(flavour, f"{tag}-workspace", "of a build that broke off", "1000:100")
    return "FAILED"


def silent(registry: Registry, flavour: str, tag: str) -> str:
    return "SUCCEEDED"


def broken(registry: Registry, flavour: str, tag: str) -> str:
    return "FAILED"


@dataclass
class CodeBuild:
    """Builds that take three looks: the last finds them done, and pushed what `does` says."""

    registry: Registry
    source: str = SOURCE
    does: dict[str, Push] = field(default_factory=dict)
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployed: bool = True

    @property
    def variables(self) -> list[dict[str, str]]:
        pairs = {"SOURCE": self.source, "TAG": images.build_tag(self.source), "TORCH_INDEX": ""}
        return [{"name": n, "value": v, "type": "PLAINTEXT"} for n, v in pairs.items()]

    @property
    def started(self) -> list[str]:
        """The flavours that a build was started for, in order."""
        return [
            command._variables(each)["REPOSITORY"].partition("academy/")[2]
            for each in self.builds.values()
        ]

    def batch_get_projects(self, names: list[str]) -> dict[str, Any]:
        assert names == ["academy-images"]
        project = {"name": names[0], "environment": {"environmentVariables": self.variables}}
        return {"projects": [project] if self.deployed else []}

    def list_builds_for_project(self, projectName: str, sortOrder: str) -> dict[str, Any]:  # noqa: N803
        assert sortOrder == "DESCENDING"
        return {"ids": list(reversed(self.builds))}

    def start_build(
        self,
        projectName: str,  # noqa: N803
        environmentVariablesOverride: list[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        build_id = f"academy-images:{len(self.builds)}"
        self.builds[build_id] = {
            "id": build_id,
            "buildStatus": "IN_PROGRESS",
            "currentPhase": "QUEUED",
            "startTime": dt.datetime.now(dt.UTC) - dt.timedelta(minutes=42),
            "environment": {
                "environmentVariables": [*self.variables, *environmentVariablesOverride]
            },
            "logs": {"groupName": images.BUILD_LOGS, "streamName": build_id.rpartition(":")[2]},
            "phases": [],
        }
        return {"build": self.builds[build_id]}

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        for each in (self.builds[build_id] for build_id in ids):
            if each["buildStatus"] != "IN_PROGRESS":
                continue
            if each["currentPhase"] in NEXT:
                each["currentPhase"] = NEXT[each["currentPhase"]]
                continue
            variables = command._variables(each)
            flavour = f"{variables['PROJECT']}-{variables['ACCELERATOR']}"
            status = self.does.get(flavour, good)(self.registry, flavour, variables["TAG"])
            each["buildStatus"] = status
            each["endTime"] = each["startTime"] + dt.timedelta(minutes=42)
            if status == "FAILED":
                contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 1"}]
                each["phases"] = [
                    {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED"},
                    {"phaseType": "BUILD", "phaseStatus": status, "contexts": contexts},
                ]
        # A copy, as an answer is: what is looked at again may have gone on.
        return {"builds": [dict(self.builds[build_id]) for build_id in ids]}


class SageMaker:
    """Domains that name images."""

    def __init__(self, **attached: tuple[str, int]) -> None:
        self.attached = attached

    def get_paginator(self, operation: str) -> SageMaker:
        assert operation == "list_domains"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"Domains": [{"DomainId": n, "DomainName": n} for n in self.attached]}]

    def describe_domain(self, DomainId: str) -> dict[str, Any]:  # noqa: N803
        image, number = self.attached[DomainId]
        custom = [{"ImageName": image, "ImageVersionNumber": number, "AppImageConfigName": image}]
        lab = {"JupyterLabAppSettings": {"CustomImages": custom}}
        return {"DefaultUserSettings": lab}


@dataclass
class World:
    cloud: SmallCloud
    registry: Registry
    codebuild: CodeBuild
    record_path: Path
    instead: dict[str, Any]

    @property
    def record(self) -> Record:
        return load_record(self.record_path)

    @property
    def numbers(self) -> list[int]:
        return [each.number for each in self.record.versions(ACCOUNT, REGION)]

    def run(self, *arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(
            cohort,
            ["images", *arguments, "--record", str(self.record_path)],
            input=text,
            catch_exceptions=False,
        )

    def deploy(self, number: int) -> None:
        """What `npx cdk deploy Academy-Images` writes for cohorts to find."""
        ssm = self.cloud.client("ssm")
        for flavour in self.record.version(ACCOUNT, REGION, number).images:
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:image-version/academy-{flavour}/{number}"
            ssm.put_parameter(
                Name=images.version_parameter(flavour, number), Value=arn, Type="String"
            )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def world(cloud: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    moto_api_backend.reset()
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    monkeypatch.setattr(command, "checkout_source", lambda: SOURCE)
    for name, value in client_environment(cloud.here.endpoint, REGION).items():
        monkeypatch.setenv(name, value)
    registry = Registry(cloud)
    for flavour in FLAVOURS:
        registry.ecr.create_repository(
            repositoryName=images.repository(flavour), imageTagMutability="IMMUTABLE"
        )
    codebuild = CodeBuild(registry)
    instead: dict[str, Any] = {"codebuild": codebuild, "sagemaker": SageMaker()}
    real = command.Registry.client

    def client(self: command.Registry, service: str) -> Any:
        return instead.get(service) or real(self, service)

    monkeypatch.setattr(command.Registry, "client", client)
    path = tmp_path / "versions.json"
    path.write_text("{}\n")
    return World(cloud, registry, codebuild, path, instead)


# --- build --------------------------------------------------------------------------------------
def test_a_build_makes_all_flavours_keeps_them_and_records_them(world: World) -> None:
    result = world.run("build")
    assert result.exit_code == 0, result.output
    assert world.codebuild.started == list(FLAVOURS)
    version = world.record.current(ACCOUNT, REGION)
    assert version is not None
    assert (version.number, version.source, set(version.images)) == (1, SOURCE, set(FLAVOURS))
    for flavour, built in version.images.items():
        tags = world.registry.tags(flavour)
        assert tags[f"{TAG}-workspace"] == tags["kept-v1-workspace"] == built.workspace
        assert tags[f"{TAG}-training"] == tags["kept-v1-training"] == built.training
        assert built.bytes > 0
    assert "segmentation-gpu: build, 42 min" in result.output
    assert "forecasting-cpu: built in 42 min" in result.output
    assert f"npx cdk deploy Academy-Images -c images={world.record_path} -c region={REGION}" in (
        result.output
    )
    assert f"-c cohort=FILE -c image_record={world.record_path}" in result.output


def test_a_terminal_shows_how_far_each_build_is_on_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    terminal = Console(force_terminal=True, width=200, highlight=False, file=io.StringIO())
    monkeypatch.setattr(command, "console", terminal)
    real = Status.update

    def update(self: Status, status: str) -> None:
        shown.append(status)
        real(self, status)

    monkeypatch.setattr(Status, "update", update)
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert "segmentation-cpu: build, 42 min; forecasting-cpu: build, 42 min" in shown
    output = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "segmentation-cpu: built in 42 min" in output
    assert "version 1 is recorded and used" in output


def test_each_build_gets_its_image_accelerator_and_repository(world: World) -> None:
    world.run("build", "--image", "forecasting", "--accelerator", "gpu")
    [build] = world.codebuild.builds.values()
    variables = command._variables(build)
    assert variables["PROJECT"] == "forecasting"
    assert variables["ACCELERATOR"] == "gpu"
    assert variables["REPOSITORY"] == (
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/academy/forecasting-gpu"
    )


def test_a_version_has_the_flavours_that_were_asked_for_and_no_others(world: World) -> None:
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert set(world.record.version(ACCOUNT, REGION, 1).images) == set(CPU)
    # Asked for all of the same context: what is there is not built again.
    assert world.run("build").exit_code == 0
    assert world.codebuild.started == [*CPU, "segmentation-gpu", "forecasting-gpu"]
    assert set(world.record.version(ACCOUNT, REGION, 2).images) == set(FLAVOURS)


def test_the_same_context_is_not_built_again(world: World) -> None:
    world.run("build")
    before = world.record_path.read_bytes()
    result = world.run("build", "--image", "segmentation")
    assert result.exit_code == 0
    assert "Version 1 is this very context: nothing to build" in result.output
    assert "cohort images use" not in result.output
    world.run("use", "aws")
    assert "To run on it: cohort images use 1" in world.run("build").output
    world.run("use", "1")
    assert world.record_path.read_bytes() == before
    assert len(world.codebuild.builds) == 4


def test_another_context_is_the_next_version_and_the_first_stays_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("build", "--accelerator", "cpu")
    first = world.record.version(ACCOUNT, REGION, 1)
    world.codebuild.source = OTHER
    monkeypatch.setattr(command, "checkout_source", lambda: OTHER)
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert world.numbers == [1, 2]
    assert world.record.version(ACCOUNT, REGION, 1) == first
    second = world.record.current(ACCOUNT, REGION)
    assert second is not None
    assert (second.number, second.source) == (2, OTHER)
    tags = world.registry.tags("segmentation-cpu")
    assert tags["kept-v1-workspace"] == first.images["segmentation-cpu"].workspace
    assert tags["kept-v2-workspace"] == second.images["segmentation-cpu"].workspace


def test_what_this_checkout_does_not_make_is_not_built_by_mistake(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "checkout_source", lambda: OTHER)
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "npx cdk deploy Academy-Images-Build" in result.output
    assert not world.codebuild.builds
    assert world.run("build", "--accelerator", "cpu", "--deployed").exit_code == 0
    assert world.record.version(ACCOUNT, REGION, 1).source == SOURCE


@pytest.mark.parametrize("outcome", [broken, half], ids=["pushed nothing", "pushed one stage"])
def test_a_failed_build_shows_its_log_records_nothing_and_can_be_run_again(
    world: World, outcome: Push
) -> None:
    logs = world.cloud.client("logs")
    logs.create_log_group(logGroupName=images.BUILD_LOGS)
    logs.create_log_stream(logGroupName=images.BUILD_LOGS, logStreamName="0")
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    lines = [f"line {number}" for number in range(60)]
    lines[-1] = "\x1b[31mno space left\x1b[0m [red]on device\x07"
    logs.put_log_events(
        logGroupName=images.BUILD_LOGS,
        logStreamName="0",
        logEvents=[{"timestamp": now + i, "message": f"{line}\n"} for i, line in enumerate(lines)],
    )
    world.codebuild.does["segmentation-cpu"] = outcome
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "segmentation-cpu: FAILED in BUILD after 42 min" in result.output
    assert "exit status 1" in result.output
    assert "| no space left [red]on device\n" in result.output
    assert "| line 58" in result.output
    assert "| line 2\n" not in result.output
    assert f"aws logs tail {images.BUILD_LOGS} --log-stream-names 0" in result.output
    assert "forecasting-cpu: built" in result.output, "the others go on"
    assert world.numbers == []

    world.codebuild.does.clear()
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert world.codebuild.started == [*CPU, "segmentation-cpu"], "what was built stays"
    assert world.numbers == [1]
    assert set(world.record.version(ACCOUNT, REGION, 1).images) == set(CPU)


def test_a_build_that_ended_before_it_had_a_log_says_so(world: World) -> None:
    world.codebuild.does["segmentation-cpu"] = broken
    before = world.codebuild.start_build

    def no_log(**request: Any) -> dict[str, Any]:
        answer = before(**request)
        answer["build"]["logs"] = {}
        return answer

    world.codebuild.start_build = no_log  # type: ignore[method-assign]
    result = world.run("build", "--image", "segmentation", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "it ended before it wrote a log" in result.output


def test_a_build_whose_record_was_deleted_counts_as_failed(world: World) -> None:
    world.codebuild.batch_get_builds = lambda **_: {"builds": []}  # type: ignore[method-assign]
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "segmentation-cpu: DELETED" in result.output
    assert world.numbers == []


def test_an_interrupted_command_finds_its_builds_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command.time, "sleep", interrupt)
        result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "The builds go on in CodeBuild" in result.output
    assert world.numbers == []
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 0, result.output
    assert "segmentation-cpu: is being built already" in result.output
    assert world.codebuild.started == list(CPU)
    assert world.numbers == [1]


def test_a_running_build_of_another_context_is_not_waited_for(world: World) -> None:
    world.codebuild.source = OTHER
    registry = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/academy/segmentation-cpu"
    pairs = {"PROJECT": "segmentation", "ACCELERATOR": "cpu", "REPOSITORY": registry}
    world.codebuild.start_build(
        "academy-images", [{"name": n, "value": v} for n, v in pairs.items()]
    )
    world.codebuild.source = SOURCE
    assert world.run("build", "--image", "segmentation", "--accelerator", "cpu").exit_code == 0
    assert world.codebuild.started == ["segmentation-cpu"] * 2
    assert world.record.version(ACCOUNT, REGION, 1).source == SOURCE


@pytest.mark.parametrize("after", [0, 1, 3, 4], ids=lambda n: f"{n} tags set")
def test_a_command_that_broke_off_while_keeping_its_images_goes_on_with_the_same_number(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    done: list[str] = []
    real = command.names.kept_tag

    def break_off(number: int, stage: str) -> str:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(stage)
        return real(number, stage)

    def no_write(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command.names, "kept_tag", break_off)
        patch.setattr(command.Registry, "write", no_write)
        assert world.run("build", "--accelerator", "cpu").exit_code == 1
    assert world.numbers == []
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert world.codebuild.started == list(CPU)
    assert world.numbers == [1]
    for flavour in CPU:
        kept = [tag for tag in world.registry.tags(flavour) if tag.startswith("kept-")]
        assert sorted(kept) == ["kept-v1-training", "kept-v1-workspace"]


def test_a_number_that_another_record_has_given_is_not_given_again(world: World) -> None:
    world.run("build", "--accelerator", "cpu")
    world.record_path.write_text("{}")
    world.codebuild.source = OTHER
    assert world.run("build", "--image", "segmentation", "--deployed").exit_code == 0
    assert world.numbers == [2]


def test_what_others_recorded_during_a_build_stays(world: World) -> None:
    def meanwhile(registry: Registry, flavour: str, tag: str) -> str:
        place = f"111122223333/{REGION}"
        world.record_path.write_text(json.dumps({place: {"use": None, "versions": {}}}))
        return good(registry, flavour, tag)

    world.codebuild.does["segmentation-cpu"] = meanwhile
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert set(world.record.to_document()) == {f"111122223333/{REGION}", f"{ACCOUNT}/{REGION}"}


def test_stages_of_unequal_layers_are_refused_and_built_again_once_mended(world: World) -> None:
    world.codebuild.does["forecasting-cpu"] = unequal
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "forecasting-cpu: workspace and training are not of the same layers" in result.output
    assert "what works in the notebook might fail in the job" in result.output
    assert world.numbers == []
    for flavour in CPU:
        assert not [tag for tag in world.registry.tags(flavour) if tag.startswith("kept-")]
    world.codebuild.does.clear()
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert world.codebuild.started == [*CPU, "forecasting-cpu"]


def test_a_build_that_pushed_nothing_is_refused(world: World) -> None:
    world.codebuild.does["segmentation-cpu"] = silent
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert f"academy/segmentation-cpu:{TAG}-workspace is not there" in result.output
    assert world.numbers == []


def test_a_list_of_images_is_refused_with_the_option_that_avoids_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command.Registry, "manifest", lambda *_: ('{"manifests": []}', command.LISTS[1])
    )
    result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "--provenance=false" in result.output
    assert world.numbers == []


def test_without_the_build_stack_it_says_how_to_deploy_it(world: World) -> None:
    world.codebuild.deployed = False
    result = world.run("build")
    assert result.exit_code == 1
    assert "npx cdk deploy Academy-Images-Build -c images=" in result.output
    world.codebuild.deployed = True
    world.registry.ecr.delete_repository(repositoryName="academy/forecasting-gpu")
    result = world.run("build", "--accelerator", "gpu", "--image", "forecasting")
    assert result.exit_code == 1
    assert "has no repository academy/forecasting-gpu" in result.output


def test_a_project_that_was_changed_by_hand_is_refused(world: World) -> None:
    world.codebuild.source = "latest"
    result = world.run("build")
    assert result.exit_code == 1
    assert "changed by hand" in result.output
    assert not world.codebuild.builds


@pytest.mark.parametrize("verb", [("build",), ("list",), ("use", "1"), ("forget", "1")])
def test_a_damaged_record_is_refused_before_anything_is_done(
    world: World, verb: tuple[str, ...]
) -> None:
    world.record_path.write_text('{"123456789012/us-east-1": {"use": 3, "versions": {}}}')
    before = world.record_path.read_bytes()
    result = world.run(*verb)
    assert result.exit_code == 1
    assert "none of its versions" in result.output
    assert "Traceback" not in result.output
    assert world.record_path.read_bytes() == before
    assert not world.codebuild.builds


def test_without_a_region_it_asks_for_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    result = world.run("list")
    assert result.exit_code == 1
    assert "--region us-east-1" in result.output
    assert world.run("list", "--region", REGION).exit_code == 0


def test_a_record_that_cannot_be_written_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(images.os, "replace", full)
        result = world.run("build", "--accelerator", "cpu")
    assert result.exit_code == 1
    assert "cannot be written: No space left on device" in result.output
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    assert world.numbers == [1]
    assert len(world.codebuild.builds) == 2


# --- list ---------------------------------------------------------------------------------------
def two_versions(world: World) -> None:
    assert world.run("build", "--accelerator", "cpu").exit_code == 0
    world.codebuild.source = OTHER
    assert world.run("build", "--image", "segmentation", "--deployed").exit_code == 0
    assert world.numbers == [1, 2]


def test_list_shows_versions_flavours_and_which_is_used(world: World) -> None:
    two_versions(world)
    result = world.run("list")
    assert result.exit_code == 0
    lines = result.output.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        *("version", "segmentation-cpu", "segmentation-gpu"),
        *("version", "segmentation-cpu", "forecasting-cpu"),
    ]
    assert lines[0].startswith("version 2 (used): built 20")
    assert lines[0].endswith(f"context {OTHER[:16]}")
    assert lines[3].startswith("version 1: built 20")
    assert lines[3].endswith(f"context {SOURCE[:16]} (this checkout)")
    built = world.record.version(ACCOUNT, REGION, 1).images["forecasting-cpu"]
    assert f"workspace {built.workspace[7:19]}  training {built.training[7:19]}" in lines[5]
    assert max(len(line) for line in lines) <= 80


def test_list_says_when_this_checkout_is_none_of_the_versions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(world)
    world.run("use", "aws")
    monkeypatch.setattr(command, "checkout_source", lambda: "9" * 64)
    output = world.run("list").output
    assert "9999999999999999, is none of them" in output
    assert "None is used: cohorts run on AWS's own images." in output


def test_list_shows_what_there_is_though_this_checkout_cannot_be_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unbuildable() -> str:
        raise command.Refused("the library has no version")

    two_versions(world)
    monkeypatch.setattr(command, "checkout_source", unbuildable)
    result = world.run("list")
    assert result.exit_code == 0
    assert "the library has no version" in result.output
    assert result.output.count("workspace ") == 4
    assert "is none of them" not in result.output


def test_list_without_a_version_says_what_cohorts_run_on(world: World) -> None:
    output = world.run("list").output
    assert "cohorts run on AWS's own images" in output
    assert ACCOUNT in output


# --- use ----------------------------------------------------------------------------------------
def test_use_goes_back_and_forth_and_says_what_to_deploy(world: World) -> None:
    two_versions(world)
    world.deploy(1)
    result = world.run("use", "1")
    assert result.exit_code == 0
    used = world.record.current(ACCOUNT, REGION)
    assert used is not None
    assert used.number == 1
    assert "next, each cohort: npx cdk deploy --all -c cohort=FILE" in result.output
    assert "Academy-Images " not in result.output
    result = world.run("use", "2")
    assert "next: npx cdk deploy Academy-Images -c images=" in result.output
    result = world.run("use", "aws")
    assert "AWS's own images from the next deploys on" in result.output
    assert world.record.current(ACCOUNT, REGION) is None
    assert world.numbers == [1, 2]


@pytest.mark.parametrize("asked", ["3", "0", "01", "-1", "latest", "", "1\n", "²"])
def test_an_unknown_version_is_refused_and_the_record_stays(world: World, asked: str) -> None:
    two_versions(world)
    before = world.record_path.read_bytes()
    for verb in ("use", "forget"):
        result = world.run(verb, "--", asked) if asked == "-1" else world.run(verb, asked)
        assert result.exit_code != 0
        assert world.record_path.read_bytes() == before
    assert "there are: 1, 2" in world.run("use", "3").output


# --- forget -------------------------------------------------------------------------------------
def test_forget_takes_a_version_out_of_the_record_and_lets_its_images_expire(
    world: World,
) -> None:
    two_versions(world)
    digests = world.registry.tags("segmentation-cpu")
    result = world.run("forget", "1", text="y\n")
    assert result.exit_code == 0, result.output
    assert world.numbers == [2]
    for flavour in CPU:
        assert not [tag for tag in world.registry.tags(flavour) if tag.startswith("kept-v1-")]
    after = world.registry.tags("segmentation-cpu")
    assert after["kept-v2-workspace"] == digests["kept-v2-workspace"]
    assert after[f"{TAG}-workspace"] == digests[f"{TAG}-workspace"], "not gone yet: it expires"
    assert "expire within a day after they are 14 days old" in result.output
    assert "npx cdk deploy Academy-Images" in result.output


def test_forget_asks_first(world: World) -> None:
    two_versions(world)
    before = world.record_path.read_bytes()
    assert world.run("forget", "1", text="n\n").exit_code == 1
    assert world.record_path.read_bytes() == before
    assert "kept-v1-workspace" in world.registry.tags("segmentation-cpu")
    assert world.run("forget", "1", "--yes").exit_code == 0


def test_forget_refuses_the_version_in_use(world: World) -> None:
    two_versions(world)
    result = world.run("forget", "2", "--yes")
    assert result.exit_code == 1
    assert "version 2 is the one in use" in result.output
    assert world.numbers == [1, 2]


def test_forget_refuses_a_version_that_a_domain_still_names(world: World) -> None:
    two_versions(world)
    world.deploy(1)
    world.instead["sagemaker"] = SageMaker(ana=("academy-forecasting-cpu", 1))
    result = world.run("forget", "1", "--yes")
    assert result.exit_code == 1
    assert "still attached to ana" in result.output
    assert "kept-v1-workspace" in world.registry.tags("segmentation-cpu")
    world.instead["sagemaker"] = SageMaker(ana=("academy-forecasting-cpu", 2), ben=("other", 1))
    assert world.run("forget", "1", "--yes").exit_code == 0


def test_forgetting_the_last_version_says_how_its_stack_goes(world: World) -> None:
    world.run("build", "--accelerator", "cpu")
    world.run("use", "aws")
    result = world.run("forget", "1", "--yes")
    assert result.exit_code == 0
    assert "aws cloudformation delete-stack --stack-name Academy-Images" in result.output
    assert world.numbers == []


def test_an_interrupted_forget_can_be_run_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_versions(world)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command.Registry, "write", interrupt)
        assert world.run("forget", "1", "--yes").exit_code == 1
    assert world.numbers == [1, 2]
    assert world.run("forget", "1", "--yes").exit_code == 0
    assert world.numbers == [2]


# --- help ---------------------------------------------------------------------------------------
def test_help_teaches_the_way_from_nothing_to_images() -> None:
    output = CliRunner().invoke(cohort, ["images", "--help"]).output
    order = ["Academy-Images-Build", "cohort images build", "deploy Academy-Images ", "-c cohort="]
    places = [output.index(each) for each in order]
    assert places == sorted(places)
    assert "images" in CliRunner().invoke(cohort, ["--help"]).output
