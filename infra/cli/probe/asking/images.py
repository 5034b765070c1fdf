"""An image of the account's in Studio (`--image NAME`): who pulls it, what IAM sees of it, which
spaces take it. The image is used as it is, and stays."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.cli.probe.asking.studio import end, running, start, starting
from infra.cli.probe.probing import Probe, code, denied, message
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cli.probe.shared import INSTANCE

ENTRYPOINT = "/opt/academy/bin/start"


def attach(probe: Probe) -> dict[str, str]:
    """Attach the latest version of `probe.image` to the domain, as `Academy-Images` would."""
    if "image" in probe.made:
        return probe.made["image"]
    sagemaker, config = probe.client("sagemaker"), probe.name("image")
    version = sagemaker.describe_image_version(ImageName=probe.image)
    probe.make(
        "app-image-config",
        config,
        lambda: sagemaker.create_app_image_config(
            AppImageConfigName=config,
            JupyterLabAppImageConfig={"ContainerConfig": {"ContainerEntrypoint": [ENTRYPOINT]}},
            Tags=probe.tags,
        ),
    )
    domain = probe.made["workspace"]["domain"]
    sagemaker.update_domain(
        DomainId=domain,
        DefaultUserSettings={
            "JupyterLabAppSettings": {
                "CustomImages": [
                    {
                        "ImageName": probe.image,
                        "ImageVersionNumber": version["Version"],
                        "AppImageConfigName": config,
                    }
                ]
            }
        },
    )
    probe.until(
        "the domain's update",
        lambda: str(sagemaker.describe_domain(DomainId=domain)["Status"]),
        lambda status: status == "InService",
        seconds=600,
        every=10,
    )
    probe.made["image"] = {
        "image": str(version["ImageArn"]),
        "version": str(version["ImageVersionArn"]),
        "number": str(version["Version"]),
    }
    return probe.made["image"]


def spec(image: dict[str, str]) -> dict[str, str]:
    return {
        "InstanceType": INSTANCE,
        "SageMakerImageArn": image["image"],
        "SageMakerImageVersionArn": image["version"],
    }


def _held_to(image: str, versions: str, resource: str) -> list[dict[str, Any]]:
    """The broker's statements, with its conditions on images."""
    start_it, tag = starting(resource)
    exactly = {
        "sagemaker:InstanceTypes": [INSTANCE, "system"],
        "sagemaker:ImageArns": [image],
    }
    alike = {"sagemaker:ImageVersionArns": [versions]}
    when = {
        "ForAllValues:StringEquals": exactly,
        "ForAllValues:StringLike": alike,
        "Null": dict.fromkeys((*exactly, *alike), "false"),
    }
    return [{**start_it, "Condition": when}, tag]


def ask_conditions(probe: Probe) -> Answer:
    image = attach(probe)
    other = image["image"].rsplit("/", 1)[0] + "/another"
    versions = image["version"].rsplit("/", 1)[0] + "/*"
    outcomes = {}
    for what, named in (("other-image", other), ("this-image", image["image"])):
        role = probe.acting_role(what, _held_to(named, versions, probe.arns.apps))
        try:
            start(probe, role, spec(image))
        except ClientError as error:
            outcomes[what] = "denied" if denied(error) else f"{code(error)}: {message(error)}"
        else:
            outcomes[what] = "ok"
            end(probe)
    return read_conditions(other=outcomes["other-image"], this=outcomes["this-image"])


def read_conditions(*, other: str, this: str) -> Answer:
    seen = {"other": other, "this": this}
    if this == "denied":
        return contradicted(
            "CreateApp does not carry both image keys: no space would start", **seen
        )
    if this != "ok":
        return untold(f"the app was refused for another reason: {this}", **seen)
    if other == "ok":
        return contradicted("an app on an image that the policy does not name is allowed", **seen)
    return confirmed("CreateApp carries ImageArns and ImageVersionArns", **seen)


def ask_older_space(probe: Probe) -> Answer:
    """The workspace's space is older than the attachment."""
    image = attach(probe)
    try:
        start(probe, spec=spec(image))
    except ClientError as error:
        if denied(error):
            raise
        return read_older_space(f"{code(error)}: {message(error)}", None)
    try:
        seen = running(probe)
    finally:
        end(probe)
    failure = None if seen["Status"] == "InService" else str(seen.get("FailureReason", "?"))
    return read_older_space(None, failure)


def read_older_space(refused: str | None, failure: str | None) -> Answer:
    if refused:
        return contradicted(f"a space older than the attachment does not take it: {refused}")
    if failure:
        return contradicted(f"the app on the attached image did not start: {failure}")
    return confirmed(
        "a space that is older than the attachment starts on the image; a space role without any "
        "permission on ECR was enough"
    )


def ask_pull(probe: Probe) -> Answer:
    """The probe's space role may pull nothing; so if the app starts, the image's role pulled."""
    image = attach(probe)
    start(probe, spec=spec(image))
    try:
        seen = running(probe)
    finally:
        end(probe)
    return read_pull(str(seen["Status"]), str(seen.get("FailureReason", "")))


def read_pull(status: str, failure: str) -> Answer:
    if status == "InService":
        return confirmed("Studio pulls under the image's role: the space's role needs nothing")
    words = failure.lower()
    if any(word in words for word in ("pull", "ecr", "access", "authoriz", "permission")):
        return contradicted(f"the image's role is not enough, the space's must pull: {failure}")
    return untold(f"the app did not start, for another reason: {failure}")


def ask_other_version(probe: Probe) -> Answer:
    """CreateApp for version number 1 less, or for the one before the attached."""
    image = attach(probe)
    if image["number"] == "1":
        return untold("the image has one version; this needs two")
    before = image["version"].rsplit("/", 1)[0] + f"/{int(image['number']) - 1}"
    try:
        start(probe, spec={**spec(image), "SageMakerImageVersionArn": before})
    except ClientError as error:
        if denied(error):
            raise
        return read_other_version(f"{code(error)}: {message(error)}")
    end(probe)
    return read_other_version(None)


def read_other_version(refused: str | None) -> Answer:
    if refused:
        return confirmed(f"another version than the attached is refused: {refused}")
    return contradicted("CreateApp takes another version than the domain's number")
