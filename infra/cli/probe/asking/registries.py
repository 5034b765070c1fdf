"""ECR: what a life cycle spares, and whether a stack takes a repository that is there already."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cohort.images import KEPT

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

#: The rules of infra/stacks/images.py, by count where those go by days: there is no waiting here.
LIFE_CYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "tagged",
                "tagPrefixList": [KEPT],
                "countType": "imageCountMoreThan",
                "countNumber": 9_999,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        },
    ]
}


def _repository(probe: Probe, what: str) -> str:
    name = probe.name(what)
    probe.make(
        "repository",
        name,
        lambda: probe.client("ecr").create_repository(repositoryName=name, tags=probe.tags),
    )
    return name


def push(probe: Probe, repository: str, tag: str) -> None:
    """The smallest image there can be: a configuration and one layer, both of them the tag."""
    ecr = probe.client("ecr")
    config = _layer(ecr, repository, json.dumps({"architecture": "amd64", "tag": tag}).encode())
    layer = _layer(ecr, repository, f"layer of {tag}".encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", **layer}],
    }
    ecr.put_image(
        repositoryName=repository,
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=MANIFEST,
        imageTag=tag,
    )


def _layer(ecr: Any, repository: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=upload,
        partFirstByte=0,
        partLastByte=len(content) - 1,
        layerPartBlob=content,
    )
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    return {"size": len(content), "digest": digest}


def ask_kept(probe: Probe) -> Answer:
    ecr, repository = probe.client("ecr"), _repository(probe, "kept")
    # The kept one is the oldest: a rule that went by age alone would take it first.
    for tag in (f"{KEPT}1", "build-1", "build-2"):
        push(probe, repository, tag)
    ecr.start_lifecycle_policy_preview(
        repositoryName=repository, lifecyclePolicyText=json.dumps(LIFE_CYCLE)
    )
    preview = probe.until(
        "the preview of the life cycle",
        lambda: ecr.get_lifecycle_policy_preview(repositoryName=repository),
        lambda seen: seen["status"] != "IN_PROGRESS",
        seconds=600,
        every=10,
    )
    if preview["status"] != "COMPLETE":
        return untold(f"the preview of the life cycle is {preview['status']}")
    tags = [tag for each in preview["previewResults"] for tag in each.get("imageTags", ())]
    return read_kept(tags)


def read_kept(expiring: list[str]) -> Answer:
    spared = [tag for tag in expiring if tag.startswith(KEPT)]
    if spared:
        return contradicted(f"a later rule takes images with the tag {spared[0]}", tags=expiring)
    if not expiring:
        return untold("the preview would expire nothing: the later rule was not applied")
    return confirmed(f"a later rule takes {', '.join(expiring)} and spares {KEPT}1", tags=expiring)


def ask_import(probe: Probe) -> Answer:
    """A change set that is never executed says whether it would import the repository."""
    repository, name = _repository(probe, "import"), probe.name("import")
    template = {
        "Resources": {
            "Repository": {
                "Type": "AWS::ECR::Repository",
                "DeletionPolicy": "Retain",
                "Properties": {"RepositoryName": repository},
            }
        }
    }
    client = probe.client("cloudformation")
    named = {"StackName": name, "ChangeSetName": "import"}
    probe.make(
        "stack",
        name,
        lambda: client.create_change_set(
            **named,
            ChangeSetType="CREATE",
            ImportExistingResources=True,
            TemplateBody=json.dumps(template),
            Tags=probe.tags,
        ),
    )
    seen = probe.until(
        "the change set",
        lambda: client.describe_change_set(**named),
        lambda each: each["Status"] in ("CREATE_COMPLETE", "FAILED"),
        seconds=120,
    )
    actions = [each["ResourceChange"]["Action"] for each in seen.get("Changes", ())]
    return read_import(seen["Status"], actions, str(seen.get("StatusReason", "")))


def read_import(status: str, actions: list[str], reason: str) -> Answer:
    if status == "FAILED":
        return contradicted(f"the change set failed: {reason}", reason=reason)
    if actions != ["Import"]:
        return contradicted(f"it would {', '.join(actions)} the repository", actions=actions)
    return confirmed("a stack takes a repository that is there already", actions=actions)
