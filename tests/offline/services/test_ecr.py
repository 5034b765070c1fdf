"""ECR's images by the digest of their manifest: pushed, tagged again, refused, expired."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.offline.environment import client_environment
from infra.offline.services import ecr as registry
from infra.offline.services.codebuild.tools import docker as stand_in
from tests.offline import sample_image
from tests.offline.sample_image import REGISTRY, manifest_of
from tests.offline.small_cloud import REGION, SmallCloud, small_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    with small_cloud(tmp_path_factory.mktemp("cloud"), still=True) as running:
        yield running


@pytest.fixture(scope="module")
def ecr(cloud: SmallCloud) -> Any:
    return cloud.client("ecr")


@pytest.fixture(scope="module")
def push(cloud: SmallCloud, ecr: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Push a sample context to a repository (which is made); returns the stages' digests."""

    def do(repository: str, tag: str, **changed: Any) -> dict[str, str]:
        if repository not in _repositories(ecr):
            ecr.create_repository(repositoryName=repository, imageTagMutability="IMMUTABLE")
        stages = changed.pop("stages", ("workspace", "training"))
        return sample_image.pushed(
            sample_image.context(tmp_path_factory.mktemp("context"), **changed),
            repository,
            tag,
            engine=tmp_path_factory.mktemp("engine"),
            variables=client_environment(cloud.here.endpoint, REGION),
            stages=stages,
        )

    return do


def _repositories(ecr: Any) -> list[str]:
    return [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def image(push: Any) -> dict[str, str]:
    return push("academy/segmentation-cpu", "build-1")


def test_two_stages_share_their_layer_and_have_digests_of_their_own(
    ecr: Any, image: dict[str, str]
) -> None:
    assert image["workspace"] != image["training"]
    (text, workspace), (_, training) = (
        manifest_of(ecr, "academy/segmentation-cpu", f"build-1-{stage}") for stage in image
    )
    assert workspace["layers"] == training["layers"]
    assert image["workspace"] == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_the_configuration_is_that_of_the_dockerfiles_stage(image: dict[str, str]) -> None:
    found = {}
    for stage, digest in image.items():
        reference = registry.Reference.parse(f"{REGISTRY}/academy/segmentation-cpu@{digest}")
        assert reference is not None
        stored = registry.find(reference)
        assert stored is not None
        config = stored.config()["config"]
        found[stage] = (config["User"], config["Entrypoint"])
    assert found == {
        "workspace": ("1000:100", ["/opt/academy/bin/start"]),
        "training": ("root", ["python", "-m", "academy.job"]),
    }


def test_the_same_context_gives_the_same_digests_and_another_lock_others(
    push: Any, image: dict[str, str]
) -> None:
    assert push("academy/again", "build-1") == image
    changed = push("academy/other", "build-1", lock="numpy==3")
    assert set(changed.values()).isdisjoint(image.values())


def test_a_size_is_the_sum_of_the_parts(ecr: Any, image: dict[str, str]) -> None:
    _, manifest = manifest_of(ecr, "academy/segmentation-cpu", "build-1-workspace")
    (described,) = ecr.describe_images(
        repositoryName="academy/segmentation-cpu", imageIds=[{"imageDigest": image["workspace"]}]
    )["imageDetails"]
    parts = [*manifest["layers"], manifest["config"]]
    assert described["imageSizeInBytes"] == sum(part["size"] for part in parts)


def test_a_second_tag_keeps_the_digest(ecr: Any, image: dict[str, str]) -> None:
    name = "academy/segmentation-cpu"
    text, manifest = manifest_of(ecr, name, "build-1-training")
    tagged = ecr.put_image(
        repositoryName=name,
        imageManifest=text,
        imageManifestMediaType=manifest["mediaType"],
        imageTag="kept-v1-training",
    )["image"]
    assert tagged["imageId"]["imageDigest"] == image["training"]
    (described,) = ecr.describe_images(
        repositoryName=name, imageIds=[{"imageTag": "kept-v1-training"}]
    )["imageDetails"]
    assert sorted(described["imageTags"]) == ["build-1-training", "kept-v1-training"]


def test_an_immutable_tag_is_not_given_to_another_image(ecr: Any, image: dict[str, str]) -> None:
    name = "academy/segmentation-cpu"
    text, _ = manifest_of(ecr, name, "build-1-training")
    with pytest.raises(ClientError, match="cannot be overwritten") as error:
        ecr.put_image(repositoryName=name, imageManifest=text, imageTag="build-1-workspace")
    assert code(error) == "ImageTagAlreadyExistsException"
    with pytest.raises(ClientError, match="already exists") as error:
        ecr.put_image(repositoryName=name, imageManifest=text, imageTag="build-1-training")
    assert code(error) == "ImageAlreadyExistsException"
    assert {each["imageDigest"] for each in ecr.list_images(repositoryName=name)["imageIds"]} == (
        set(image.values())
    )


def test_a_mutable_tag_moves_and_leaves_the_other_image_without_it(push: Any, ecr: Any) -> None:
    ecr.create_repository(repositoryName="mutable")
    old = push("mutable", "latest", stages=("training",))["training"]
    new = push("mutable", "latest", stages=("training",), lock="numpy==3")["training"]
    found = {
        each["imageDigest"]: each.get("imageTags")
        for each in ecr.describe_images(repositoryName="mutable")["imageDetails"]
    }
    assert found == {old: None, new: ["latest-training"]}


def test_a_manifest_of_layers_that_nobody_pushed_is_refused(ecr: Any, image: Any) -> None:
    text, manifest = manifest_of(ecr, "academy/segmentation-cpu", "build-1-training")
    ecr.create_repository(repositoryName="empty")
    with pytest.raises(ClientError, match="do not exist") as error:
        ecr.put_image(repositoryName="empty", imageManifest=text, imageTag="x")
    assert code(error) == "LayersNotFoundException"
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName="nowhere", imageManifest=text, imageTag="x")
    assert code(error) == "RepositoryNotFoundException"
    with pytest.raises(ClientError, match="image indexes") as error:
        ecr.put_image(
            repositoryName="empty",
            imageManifest=json.dumps({"mediaType": manifest["mediaType"], "manifests": []}),
        )
    assert code(error) == "InvalidParameterException"


def test_a_layer_is_known_by_its_bytes(ecr: Any, image: Any) -> None:
    name = "academy/segmentation-cpu"

    def upload(content: bytes, digest: str) -> Any:
        upload_id = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=name,
            uploadId=upload_id,
            partFirstByte=0,
            partLastByte=len(content) - 1,
            layerPartBlob=content,
        )
        return ecr.complete_layer_upload(
            repositoryName=name, uploadId=upload_id, layerDigests=[digest]
        )

    with pytest.raises(ClientError) as error:
        upload(b"one thing", registry.digest_of(b"another"))
    assert code(error) == "InvalidLayerException"
    upload(b"one thing", registry.digest_of(b"one thing"))
    with pytest.raises(ClientError) as error:
        upload(b"one thing", registry.digest_of(b"one thing"))
    assert code(error) == "LayerAlreadyExistsException"
    assert registry.blob(registry.digest_of(b"one thing")).read_bytes() == b"one thing"


def lifecycle(*rules: dict[str, Any]) -> str:
    return json.dumps(
        {
            "rules": [
                {"rulePriority": number, "selection": rule, "action": {"type": "expire"}}
                for number, rule in enumerate(rules, 1)
            ]
        }
    )


KEEP = {
    "tagStatus": "tagged",
    "tagPrefixList": ["kept-"],
    "countType": "imageCountMoreThan",
    "countNumber": 9999,
}
OLD = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}


def test_the_life_cycle_spares_what_an_earlier_rule_selects(
    cloud: SmallCloud, push: Any, ecr: Any
) -> None:
    name = "academy/cycle"
    kept = push(name, "build-1")
    gone = push(name, "build-2", lock="numpy==3")
    for stage in kept:
        text, manifest = manifest_of(ecr, name, f"build-1-{stage}")
        ecr.put_image(
            repositoryName=name,
            imageManifest=text,
            imageManifestMediaType=manifest["mediaType"],
            imageTag=f"kept-v1-{stage}",
        )
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=lifecycle(KEEP, OLD))

    def there() -> set[str]:
        images = ecr.describe_images(repositoryName=name)["imageDetails"]
        return {each["imageDigest"] for each in images}

    cloud.clock.move(by=timedelta(days=13))
    assert there() == set(kept.values()) | set(gone.values())
    cloud.clock.move(by=timedelta(days=2))
    assert there() == set(kept.values())


def test_the_life_cycle_keeps_the_newest_of_a_count(cloud: SmallCloud, push: Any, ecr: Any) -> None:
    name = "academy/count"
    for number in range(3):
        push(name, f"build-{number}", lock=f"numpy=={number}", stages=("training",))
        cloud.clock.move(by=timedelta(hours=1))
    rule = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2}
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=lifecycle(rule))
    cloud.clock.move(by=timedelta(hours=1))
    tags = [
        tag
        for each in ecr.describe_images(repositoryName=name)["imageDetails"]
        for tag in each["imageTags"]
    ]
    assert sorted(tags) == ["build-1-training", "build-2-training"]


# --- the stand-in for Docker, as far as no registry is needed ------------------------------------
IMAGE = f"{REGISTRY}/academy/x:y"
BUILD = ("--target", "workspace", "--tag", IMAGE, "--build-arg", "PROJECT=segmentation")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("compose", "up"), "do not emulate `docker compose`"),
        (("build", ".", *BUILD, "--squash"), "unrecognized arguments: --squash"),
        (("build", ".", "--target", "last", *BUILD[2:]), 'target stage "last" could not be found'),
        (("build", ".", *BUILD[:4], "--build-arg", "PROJECT=../x"), "PROJECT=<image>"),
        (("build", ".", *BUILD[:4], "--build-arg", "PROJECT=none"), "academy/templates/none"),
        (("build", ".", *BUILD[:2], "--tag", "mine:1", *BUILD[4:]), "tags images for ECR only"),
        (("push", IMAGE), "does not exist locally"),
        (("run", "--rm", "--entrypoint", "bash", IMAGE, "x"), "invalid choice"),
        (("login", "--username", "AWS", "--password-stdin", REGISTRY), "400 Bad Request"),
    ],
)
def test_what_the_stand_in_for_docker_cannot_do_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(sample_image.context(tmp_path / "context"))
    monkeypatch.setenv("ACADEMY_ENGINE", str(tmp_path / "engine"))
    monkeypatch.setenv("ACADEMY_PRIVILEGED", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert stand_in.main(list(arguments)) != 0
    assert says in capsys.readouterr().err


def test_a_build_takes_the_templates_of_its_project_alone(tmp_path: Path) -> None:
    source = sample_image.context(tmp_path / "context")
    values = {"PROJECT": "segmentation", "ACCELERATOR": "gpu", "SOURCE": "0a1b"}
    with tarfile.open(fileobj=io.BytesIO(stand_in.layer(source / "academy", values))) as archive:
        names = archive.getnames()
        start = archive.getmember("opt/academy/bin/start")
        image = json.load(archive.extractfile("opt/academy/image.json"))  # type: ignore[arg-type]
    assert [name for name in names if "/templates/" in name] == [
        "opt/academy/templates/land_cover/land_cover.ipynb",
        "opt/academy/templates/welcome.ipynb",
    ]
    assert (start.mode, start.mtime, start.uid) == (0o755, 0, 0)
    assert image == {"project": "segmentation", "accelerator": "gpu", "source": "0a1b"}


def test_a_build_context_may_not_hold_links(tmp_path: Path) -> None:
    source = sample_image.context(tmp_path / "context")
    (source / "academy" / "secret").symlink_to("/etc/passwd")
    with pytest.raises(stand_in.Refused, match="takes no links"):
        stand_in.layer(source / "academy", {"PROJECT": "segmentation"})


def test_without_privilege_there_is_no_engine(tmp_path: Path) -> None:
    answer = sample_image.tool(
        "docker", ["push", IMAGE], engine=tmp_path, variables={"ACADEMY_PRIVILEGED": ""}
    )
    assert answer.returncode == 1
    assert "Cannot connect to the Docker daemon" in answer.stderr


def test_the_stand_in_for_the_aws_cli_refuses_the_rest(tmp_path: Path) -> None:
    answer = sample_image.tool("aws", ["s3", "ls"], engine=tmp_path, variables={})
    assert answer.returncode == 252
    assert "`aws ecr get-login-password` alone" in answer.stderr
