"""ECR of the embedded cloud: images as a registry keeps them, by the digest of what they are.

moto has ECR's operations, but derives an image's digest from its layers alone, forgets the layers'
bytes and lets a manifest name layers that are not there. Here an image's digest is its manifest's,
layers and configs are kept as files named by their digest, PutImage refuses what ECR refuses, and
lifecycle rules expire images whenever the clock is moved.

Layers arrive by ECR's own API (InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload); the
registry's HTTP interface, which Docker speaks, is not there. Nothing is scanned.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ecr.exceptions import (
    ImageAlreadyExistsException,
    InvalidParameterException,
    UploadNotFoundException,
)
from moto.ecr.models import Image, ecr_backends

from infra.offline import patching, runtime
from infra.offline.fidelity import Part

FIDELITY = Part(
    title="ECR",
    emulated=(
        "moto's repositories and tags; layers by ECR's own operations, kept as files by digest; "
        "manifests by the digest of the manifest; immutable tags; repository policies; life "
        "cycle when the clock moves"
    ),
    checked="by client: AWS CLI, boto3; by documentation: refusals",
    differences=(
        "the registry's HTTP interface (`docker push`), scanning, image indexes, pulls of single "
        "layers and life-cycle previews are not there"
    ),
)

_BACKEND = "moto.ecr.models:ECRBackend"
_IMAGE = "moto.ecr.models:Image"
_HOOKED = "academy_expires"

# Pushes of two builds, and the clock that expires, look at the same lists.
_one_at_a_time = threading.RLock()

#: "123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/x:tag" or "...@sha256:...".
_REFERENCE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
)


class LayersNotFound(ServiceException):  # type: ignore[misc]
    code = "LayersNotFoundException"


class ImageTagAlreadyExists(ServiceException):  # type: ignore[misc]
    code = "ImageTagAlreadyExistsException"


class ImageDigestDoesNotMatch(ServiceException):  # type: ignore[misc]
    code = "ImageDigestDoesNotMatchException"


class InvalidLayer(ServiceException):  # type: ignore[misc]
    code = "InvalidLayerException"


class LayerAlreadyExists(ServiceException):  # type: ignore[misc]
    code = "LayerAlreadyExistsException"


class EmptyUpload(ServiceException):  # type: ignore[misc]
    code = "EmptyUploadException"


class RepositoryNotFound(ServiceException):  # type: ignore[misc]
    code = "RepositoryNotFoundException"


# --- what others ask ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Reference:
    """The name of an image in a private registry; without tag and digest it means `latest`."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, uri: str) -> Reference | None:
        """The parts of `uri`, or None if it names no image in a private registry."""
        found = _REFERENCE.fullmatch(uri)
        if found is None:
            return None
        tag, digest = found["tag"], found["digest"]
        if tag is None and digest is None:
            tag = "latest"
        return cls(found["account"], found["region"], found["repository"], tag, digest)

    @property
    def repository_arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.repository}"

    @property
    def registry(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"


@dataclass(frozen=True)
class Stored:
    """An image that is in ECR."""

    uri: str
    digest: str
    manifest: Mapping[str, Any]

    def config(self) -> dict[str, Any]:
        """Its configuration: user, entrypoint, environment, labels."""
        config: dict[str, Any] = json.loads(blob(self.manifest["config"]["digest"]).read_bytes())
        return config

    def layers(self) -> list[Path]:
        """The files of its layers, lowest first, gzipped tar archives."""
        return [blob(layer["digest"]) for layer in self.manifest["layers"]]


def find(reference: Reference) -> Stored | None:
    """The image that `reference` names in the embedded cloud, or None."""
    backend = ecr_backends[reference.account][reference.region]
    repository = backend.repositories.get(reference.repository)
    if repository is None:
        return None
    with _one_at_a_time:
        for image in repository.images:
            if reference.digest in (None, image.image_digest) and (
                reference.tag is None or reference.tag in image.image_tags
            ):
                return Stored(
                    f"{reference.registry}/{reference.repository}@{image.image_digest}",
                    image.image_digest,
                    json.loads(image.image_manifest),
                )
    return None


def blob(digest: str) -> Path:
    """The file of a layer or config; its name is its digest."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"{digest!r} is not the digest of a layer")
    return runtime.current().state / "registry" / value


def repository_policy(account: str, arn: str) -> str | None:
    """The policy of the repository `arn`, with the Resource that ECR's policies leave out."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[4] != account:
        return None
    repository = ecr_backends[account][parts[3]].repositories.get(
        parts[5].removeprefix("repository/")
    )
    if repository is None or not repository.policy:
        return None
    document = json.loads(repository.policy)
    given = document.get("Statement", [])
    statements = [given] if isinstance(given, dict) else given
    document["Statement"] = [{"Resource": arn, **statement} for statement in statements]
    return json.dumps(document)


# --- digests and sizes ----------------------------------------------------------------------------
@patching.replaces(
    f"{_IMAGE}.get_image_digest",
    because="moto takes the digest of the layers, so two images of the same layers were one",
)
def _digest(_original: Any, image: Any) -> str:
    return digest_of(image.image_manifest.encode())


def digest_of(content: bytes) -> str:
    """The digest by which a registry knows `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@patching.replaces(
    f"{_IMAGE}.get_image_size_in_bytes",
    because="moto gives the config's size; an image is as large as what it is made of",
)
def _size(_original: Any, image: Any) -> int:
    parts = _parts_of(json.loads(image.image_manifest))
    return sum(int(part.get("size", 0)) for part in parts)


def _parts_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    config = manifest.get("config")
    return [*manifest.get("layers", ()), *([config] if config else ())]


# --- layers ---------------------------------------------------------------------------------------
@patching.replaces(
    f"{_BACKEND}.complete_layer_upload",
    because="moto forgets a layer's bytes and compares no digest; images are unpacked from them",
)
def _complete_layer_upload(
    _original: Any,
    backend: Any,
    repository_name: str,
    upload_id: str,
    layer_digests: list[str],
    registry_id: str | None = None,
) -> dict[str, Any]:
    repository = backend._get_repository(repository_name, registry_id)
    where = (
        f"in the repository with name '{repository_name}' in the registry with id "
        f"'{repository.registry_id}'"
    )
    with _one_at_a_time:
        upload = repository.uploads.get(upload_id)
        if upload is None:
            raise UploadNotFoundException(upload_id, repository_name, repository.registry_id)
        content = bytes(upload.layer_parts)
        if not content:
            raise EmptyUpload(f"The upload with id '{upload_id}' {where} has no layer parts.")
        digest = digest_of(content)
        if layer_digests and digest not in layer_digests:
            raise InvalidLayer(
                f"The layer digest '{digest}' of the upload with id '{upload_id}' {where} does not "
                f"match the digests given: {', '.join(layer_digests)}."
            )
        if digest in repository.layers:
            raise LayerAlreadyExists(f"The layer with digest '{digest}' already exists {where}.")
        file = blob(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        repository.layers[digest] = len(content)
        del repository.uploads[upload_id]
    return {
        "registryId": repository.registry_id,
        "repositoryName": repository_name,
        "uploadId": upload_id,
        "layerDigest": digest,
    }


# --- images ---------------------------------------------------------------------------------------
@patching.replaces(
    f"{_BACKEND}.put_image",
    because="moto takes manifests of layers that nobody pushed, fails with HTTP 500 on an unknown "
    "repository, takes the tag of a moved image from its registry and words an immutable tag wrong",
)
def _put_image(
    _original: Any,
    backend: Any,
    repository_name: str,
    image_manifest: str,
    image_tag: str | None,
    image_manifest_mediatype: str | None = None,
    digest: str | None = None,
) -> Any:
    repository = backend.repositories.get(repository_name)
    if repository is None:
        raise RepositoryNotFound(
            f"The repository with name '{repository_name}' does not exist in the registry with id "
            f"'{backend.account_id}'"
        )
    manifest = _checked_manifest(image_manifest, image_manifest_mediatype)
    found = digest_of(image_manifest.encode())
    if digest not in (None, found):
        raise ImageDigestDoesNotMatch(
            f"The image digest '{digest}' does not match the digest '{found}' of the manifest."
        )
    with _one_at_a_time:
        lacking = sorted(
            part["digest"]
            for part in _parts_of(manifest)
            if part["digest"] not in repository.layers
        )
        if lacking:
            raise LayersNotFound(
                f"Layers with digests '[{', '.join(lacking)}]' required for pushing image into "
                f"repository with name '{repository_name}' in the registry with id "
                f"'{repository.registry_id}' do not exist"
            )
        same = next((image for image in repository.images if image.image_digest == found), None)
        if same is not None and (image_tag is None or image_tag in same.image_tags):
            raise ImageAlreadyExistsException(
                registry_id=repository.registry_id,
                image_tag=image_tag or "null",
                digest=found,
                repository_name=repository_name,
            )
        _take_tag(repository, image_tag)
        if same is not None:
            same.update_tag(image_tag)
            return same
        image = Image(
            backend.account_id,
            image_tag,
            image_manifest,
            repository_name,
            image_manifest_mediatype or manifest["mediaType"],
            found,
        )
        image.image_pushed_at = int(runtime.current().clock.now().timestamp())
        repository.images.append(image)
        return image


def _checked_manifest(text: str, media_type: str | None) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise InvalidParameterException(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: "
            "'Invalid JSON syntax'"
        )
    if media_type is None and "mediaType" not in manifest:
        raise InvalidParameterException(
            "image manifest mediatype not provided in manifest or parameter"
        )
    if "manifests" in manifest:
        raise InvalidParameterException(
            "The embedded cloud does not emulate image indexes (a manifest with 'manifests'); push "
            "an image of one platform."
        )
    if not isinstance(manifest.get("config"), dict) or not manifest.get("layers"):
        raise InvalidParameterException("The manifest needs a config and layers.")
    return manifest


def _take_tag(repository: Any, tag: str | None) -> None:
    """Make `tag` free for another image: refused where tags are immutable."""
    bearer = next((image for image in repository.images if tag in image.image_tags), None)
    if tag is None or bearer is None:
        return
    if repository.image_tag_mutability_exclusion_filters:
        raise InvalidParameterException(
            "The embedded cloud does not emulate tags excluded from a repository's mutability."
        )
    if repository.is_tag_immutable():
        raise ImageTagAlreadyExists(
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
            "cannot be overwritten because the repository is immutable."
        )
    bearer.remove_tag(tag)


# --- life cycle -----------------------------------------------------------------------------------
_SELECTIONS = ("imageCountMoreThan", "sinceImagePushed")


@patching.replaces(
    f"{_BACKEND}.put_lifecycle_policy",
    because="moto keeps a lifecycle policy and never applies it",
)
def _put_lifecycle_policy(
    original: Any,
    backend: Any,
    registry_id: str,
    repository_name: str,
    lifecycle_policy_text: str,
) -> Any:
    answer = original(
        backend,
        registry_id=registry_id,
        repository_name=repository_name,
        lifecycle_policy_text=lifecycle_policy_text,
    )
    for rule in json.loads(lifecycle_policy_text)["rules"]:
        kind = rule["selection"].get("countType")
        if kind not in _SELECTIONS or rule["action"].get("type") != "expire":
            backend.repositories[repository_name].lifecycle_policy = None
            raise InvalidParameterException(
                f"The embedded cloud does not emulate lifecycle rules with countType {kind} and "
                f"action {rule['action']}; it has {' and '.join(_SELECTIONS)}, to expire."
            )
    clock = runtime.current().clock
    if vars(backend).get(_HOOKED) is not clock:
        vars(backend)[_HOOKED] = clock
        clock.after_each_step(lambda: expire(backend))
    return answer


def expire(backend: Any) -> None:
    """Delete what the lifecycle policies of a registry's repositories select, as ECR does daily.

    Every rule is evaluated on all images, then applied from the lowest priority on: an image that
    a rule's tags select cannot be expired by a rule after it. Source: "Automate the cleanup of
    images by using lifecycle policies", ECR user guide, "Lifecycle policy evaluation rules".
    """
    with _one_at_a_time:
        for repository in list(backend.repositories.values()):
            if not repository.lifecycle_policy:
                continue
            rules = json.loads(repository.lifecycle_policy)["rules"]
            spoken_for: set[str] = set()
            gone: set[str] = set()
            for rule in sorted(rules, key=lambda each: int(each["rulePriority"])):
                selected = [
                    image
                    for image in repository.images
                    if image.image_digest not in spoken_for and _selects(rule["selection"], image)
                ]
                spoken_for |= {image.image_digest for image in selected}
                gone |= {image.image_digest for image in _expired(rule["selection"], selected)}
            repository.images = [
                image for image in repository.images if image.image_digest not in gone
            ]


def _selects(selection: Mapping[str, Any], image: Any) -> bool:
    status = selection["tagStatus"]
    if status != "tagged":
        return status == "any" or not image.image_tags
    patterns = [
        *(f"{prefix}*" for prefix in selection.get("tagPrefixList", ())),
        *selection.get("tagPatternList", ()),
    ]
    # Each of a list's entries must match one of the tags.
    return bool(patterns) and all(
        any(fnmatch.fnmatchcase(tag, pattern) for tag in image.image_tags) for pattern in patterns
    )


def _expired(selection: Mapping[str, Any], images: list[Any]) -> Iterable[Any]:
    number = int(selection["countNumber"])
    newest_first = sorted(images, key=lambda image: image.image_pushed_at, reverse=True)
    if selection["countType"] == "imageCountMoreThan":
        return newest_first[number:]
    limit = runtime.current().clock.now() - timedelta(days=number)
    return [image for image in images if image.image_pushed_at < limit.timestamp()]
