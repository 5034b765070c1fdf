"""`cohort images`: builds the workspace images on AWS, and says which version cohorts run on.

The images belong to the account and region that the environment's credentials and `--region` name;
no cohort file is needed. What was built stands in the record, workspace_images/versions.json.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import click

from infra.cli.terminal import Refused, console, size, without_traceback
from infra.cohort import images as names
from infra.cohort.images import (
    DEFAULT,
    Built,
    ImageVersion,
    Record,
    RecordError,
    UnknownVersion,
    load_record,
    save_record,
)

#: How often a running build is asked how far it is. It runs for an hour.
POLL_SECONDS = 5.0
#: The end of a failed build's log that is shown.
LOG_LINES = 40

#: What a manifest may be: one image, in either of the two ways of writing it down.
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
#: A list of images, which SageMaker does not run: asked for too, so that it can be named.
LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)

#: Control characters, which a log may carry to a terminal: none but the tabulator is shown.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0a-\x1f\x7f-\x9f]")

region_option = click.option(
    "--region", help="Default: the environment's (AWS_REGION, or the profile's)."
)
record_option = click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT,
    help="The record of versions. Default: workspace_images/versions.json.",
)


@dataclass(frozen=True)
class Registry:
    """The images of one account and region, as AWS has them and as the record has them."""

    region: str
    path: Path

    @classmethod
    def of(cls, region: str | None, path: Path) -> Registry:
        """Where the environment's credentials and `region` lead.

        Raises:
            Refused: if no region is named, or the record cannot be used.
        """
        region = region or boto3.session.Session().region_name
        if not region:
            raise Refused("which region? Name it: --region us-east-1, or set AWS_REGION")
        found = cls(region, path)
        found.record()  # what is wrong with it is said before anything is done
        return found

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)

    @cached_property
    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def ecr(self) -> Any:
        return self.client("ecr")

    def record(self) -> Record:
        """The record as it stands now: a build is long, and others may have written meanwhile.

        Raises:
            Refused: with everything that is wrong with it.
        """
        try:
            return load_record(self.path)
        except RecordError as error:
            raise Refused(str(error)) from None

    def write(self, record: Record) -> None:
        try:
            save_record(record, self.path)
        except OSError as error:
            raise Refused(f"{self.path} cannot be written: {error.strerror}") from None

    def deploy(self, stack: str) -> str:
        """The command that deploys a stack of the images."""
        return f"npx cdk deploy {stack} -c images={_shown(self.path)} -c region={self.region}"

    # --- what the repositories hold -------------------------------------------------------------
    def tags(self, flavour: str) -> dict[str, str]:
        """Tag -> digest of a flavour's repository.

        Raises:
            Refused: if there is no such repository.
        """
        repository = names.repository(flavour)
        pages = self.ecr.get_paginator("list_images").paginate(
            repositoryName=repository, filter={"tagStatus": "TAGGED"}
        )
        try:
            return {
                image["imageTag"]: image["imageDigest"]
                for page in pages
                for image in page["imageIds"]
                if "imageTag" in image
            }
        except self.ecr.exceptions.RepositoryNotFoundException:
            raise Refused(
                f"account {self.account}, {self.region}, has no repository {repository}: "
                f"{self.deploy(names.BUILD_STACK)}"
            ) from None

    def manifest(self, flavour: str, digest: str) -> tuple[str, str]:
        """The manifest of an image and its media type, exactly as they were pushed."""
        answer = self.ecr.batch_get_image(
            repositoryName=names.repository(flavour),
            imageIds=[{"imageDigest": digest}],
            acceptedMediaTypes=[*MANIFESTS, *LISTS],
        )
        if not answer.get("images"):
            raise Refused(f"{names.repository(flavour)} has no image {digest} any more")
        text = str(answer["images"][0]["imageManifest"])
        kind = answer["images"][0].get("imageManifestMediaType") or json.loads(text)["mediaType"]
        return text, str(kind)

    def untag(self, flavour: str, tags: Iterable[str]) -> None:
        """Take tags away. An image that has no other goes with its last one."""
        found = [{"imageTag": tag} for tag in tags]
        if found:
            self.ecr.batch_delete_image(repositoryName=names.repository(flavour), imageIds=found)


# --- build --------------------------------------------------------------------------------------
@click.group()
def images() -> None:
    """The images that spaces and jobs run in: build, list, use, forget.

    Without images of its own, a cohort runs on AWS's: spaces on SageMaker Distribution, jobs on a
    deep-learning container, and learners see two different environments. With them, what works in
    the notebook works in the job: both start from the same layers.

    \b
    The first time, once an account and region:
      npx cdk deploy Academy-Images-Build -c images=workspace_images/versions.json
      cohort images build                    takes long; writes the record: commit it
      npx cdk deploy Academy-Images -c images=workspace_images/versions.json
      npx cdk deploy --all -c cohort=FILE    spaces have it from their next start
    Afterwards:
      cohort images list                     what there is, and what is used
      cohort images use 1                    go back; `use aws`: to AWS's own images
      cohort images forget 1                 let an old version expire
    """


@images.command()
@region_option
@click.option(
    "--image",
    "image_names",
    multiple=True,
    type=click.Choice(names.IMAGES),
    help="Only this image; may be given again. Default: both.",
)
@click.option(
    "--accelerator",
    "accelerators",
    multiple=True,
    type=click.Choice(names.ACCELERATORS),
    help="Only for this accelerator; may be given again. Default: both.",
)
@record_option
@click.option(
    "--deployed",
    is_flag=True,
    help="Build the context that is deployed, though this checkout's is another.",
)
@without_traceback
def build(
    region: str | None,
    image_names: tuple[str, ...],
    accelerators: tuple[str, ...],
    record: Path,
    deployed: bool,
) -> None:
    """Build the images on AWS CodeBuild and record them as the next version.

    Builds the context that Academy-Images-Build was deployed with. A version has the flavours that
    were asked for and no others: a cohort that needs one more cannot use it, and its deploy says
    so. The same context is never built twice; and when the command is interrupted, the builds go
    on, and running it again waits for them.
    """
    registry = Registry.of(region, record)
    flavours = tuple(
        flavour
        for flavour in names.FLAVOURS
        if flavour.split("-")[0] in (image_names or names.IMAGES)
        and flavour.split("-")[1] in (accelerators or names.ACCELERATORS)
    )
    for line in build_version(registry, flavours, deployed=deployed):
        console.print(line, markup=False, soft_wrap=True)


def build_version(
    registry: Registry, flavours: tuple[str, ...], *, deployed: bool = False
) -> Iterator[str]:
    """Do it, a sentence for each part done.

    Raises:
        Refused: if there is nothing to build with, a build fails, or what it pushed is not usable.
    """
    source, tag = _context(registry)
    if not deployed:
        _same_as_checkout(registry, source)
    for version in reversed(registry.record().versions(registry.account, registry.region)):
        if version.source == source and not version.missing(flavours):
            yield f"Version {version.number} is this very context: nothing to build."
            used = registry.record().current(registry.account, registry.region)
            if used is None or used.number != version.number:
                yield f"To run on it: cohort images use {version.number}"
            return

    yield f"context {source[:16]}, for account {registry.account}, {registry.region}"
    yield from _build(registry, flavours, tag)
    found = {flavour: _checked(registry, flavour, tag) for flavour in flavours}
    number = _keep(registry, found)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    version = ImageVersion(number, built=now, source=source, images=found)
    registry.write(registry.record().with_version(registry.account, registry.region, version))
    for flavour, built in found.items():
        yield f"{flavour}: {size(built.bytes)}, {built.workspace[:19]}, {built.training[:19]}"
    yield f"version {number} is recorded and used: commit {_shown(registry.path)}"
    yield from _next(registry, version)


def _context(registry: Registry) -> tuple[str, str]:
    """The hash of the deployed build context, and what the tags of its builds start with."""
    found = registry.client("codebuild").batch_get_projects(names=[names.BUILD_PROJECT])
    if not found["projects"]:
        raise Refused(
            f"account {registry.account}, {registry.region}, has nothing to build images with: "
            f"{registry.deploy(names.BUILD_STACK)}"
        )
    variables = _variables(found["projects"][0])
    source, tag = variables.get("SOURCE", ""), variables.get("TAG", "")
    if not re.fullmatch("[0-9a-f]{64}", source) or tag != names.build_tag(source):
        raise Refused(
            f"the CodeBuild project {names.BUILD_PROJECT} was changed by hand (SOURCE, TAG): "
            f"deploy it again: {registry.deploy(names.BUILD_STACK)}"
        )
    return source, tag


def _same_as_checkout(registry: Registry, source: str) -> None:
    with console.status("reading this checkout"):
        here = checkout_source()
    if here != source:
        raise Refused(
            f"what is deployed to be built ({source[:16]}) is not this checkout ({here[:16]}). "
            f"Deploy this one first: {registry.deploy(names.BUILD_STACK)}\n"
            "or build what is deployed: cohort images build --deployed"
        )


def checkout_source() -> str:
    """The hash of the build context that this checkout makes.

    Raises:
        Refused: if the library or a template is not complete.
    """
    # Imported here: they build the learners' wheel, and bring jupytext.
    from infra.publishing import image_context, templates, wheel

    with tempfile.TemporaryDirectory(prefix="academy-images-") as folder:
        try:
            return image_context.stage(Path(folder) / "context")
        except (wheel.BuildError, templates.TemplateError) as error:
            raise Refused(str(error)) from None


def _variables(of: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a project or of a build."""
    variables = of.get("environment", {}).get("environmentVariables", ())
    return {each["name"]: each["value"] for each in variables}


def _build(registry: Registry, flavours: tuple[str, ...], tag: str) -> Iterator[str]:
    """Have every flavour built that is not, and wait for it."""
    running = _running(registry, tag)
    watch = _Watch(registry)
    for flavour in flavours:
        tags = registry.tags(flavour)
        wanted = [f"{tag}-{stage}" for stage in names.STAGES]
        there = [each for each in wanted if each in tags]
        if flavour in running:
            yield f"{flavour}: is being built already"
            watch.builds[flavour] = running[flavour]
        elif len(there) == len(wanted):
            yield f"{flavour}: was built from this context before"
        else:
            # Half of a broken build: tags never move, so the next one could not push its own.
            registry.untag(flavour, there)
            watch.start(flavour)
            yield f"{flavour}: build started"
    yield from watch.until_done()
    if watch.failed:
        raise Refused(
            f"{', '.join(watch.failed)}: not built. Nothing was recorded, and what was built "
            "stays: mend the cause and run the same command again."
        )


def _running(registry: Registry, tag: str) -> dict[str, str]:
    """Flavour -> id of its build that goes on, left by a command that was interrupted."""
    client = registry.client("codebuild")
    latest = client.list_builds_for_project(
        projectName=names.BUILD_PROJECT, sortOrder="DESCENDING"
    )["ids"][:100]
    if not latest:
        return {}
    found: dict[str, str] = {}
    for each in client.batch_get_builds(ids=latest)["builds"]:
        variables = _variables(each)
        if each["buildStatus"] != "IN_PROGRESS" or variables.get("TAG") != tag:
            continue
        image, accelerator = variables.get("PROJECT", ""), variables.get("ACCELERATOR", "")
        found.setdefault(f"{image}-{accelerator}", each["id"])
    return found


@dataclass
class _Watch:
    """Starts builds and waits for them, with a line on a terminal that says how far they are."""

    registry: Registry
    builds: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @cached_property
    def client(self) -> Any:
        return self.registry.client("codebuild")

    def start(self, flavour: str) -> None:
        image, accelerator = flavour.split("-")
        registry = names.registry(self.registry.account, self.registry.region)
        overrides = {
            "PROJECT": image,
            "ACCELERATOR": accelerator,
            "REPOSITORY": f"{registry}/{names.repository(flavour)}",
        }
        started = self.client.start_build(
            projectName=names.BUILD_PROJECT,
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"}
                for name, value in overrides.items()
            ],
        )
        self.builds[flavour] = started["build"]["id"]

    def until_done(self) -> Iterator[str]:
        """Wait for all builds. Yields a line for every phase that a build reaches, where no
        terminal shows it, and for every build that ends."""
        phases: dict[str, str] = {}
        waiting = dict(self.builds)
        status = console.status("") if console.is_terminal and waiting else None
        if status:
            status.start()
        try:
            while waiting:
                answer = self.client.batch_get_builds(ids=list(waiting.values()))
                by_id = {each["id"]: each for each in answer["builds"]}
                now = dt.datetime.now(dt.UTC)
                for flavour, build_id in list(waiting.items()):
                    each = by_id.get(build_id, {"buildStatus": "DELETED"})
                    if each["buildStatus"] != "IN_PROGRESS":
                        del waiting[flavour]
                        yield from self._ended(flavour, each)
                    elif not status and phases.get(flavour) != each.get("currentPhase"):
                        yield _progress(flavour, each, now)
                    phases[flavour] = each.get("currentPhase", "")
                if status:
                    status.update(
                        "; ".join(_progress(x, by_id[i], now) for x, i in waiting.items())
                    )
                if waiting:
                    time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            if status:
                status.stop()
            yield "The builds go on in CodeBuild. The same command, run again, waits for them."
            raise
        finally:
            if status:
                status.stop()

    def _ended(self, flavour: str, each: Mapping[str, Any]) -> Iterator[str]:
        minutes = _minutes(each, dt.datetime.now(dt.UTC))
        if each["buildStatus"] == "SUCCEEDED":
            yield f"{flavour}: built in {minutes:.0f} min"
            return
        self.failed.append(flavour)
        phase = next(
            (
                phase["phaseType"]
                for phase in each.get("phases", ())
                if phase.get("phaseStatus") not in (None, "SUCCEEDED")
            ),
            "?",
        )
        yield f"{flavour}: {each['buildStatus']} in {phase} after {minutes:.0f} min"
        for context in (c for p in each.get("phases", ()) for c in p.get("contexts", ())):
            if context.get("message"):
                yield f"  {_printable(context['message'])}"
        yield from self._log(each.get("logs", {}))

    def _log(self, where: Mapping[str, Any]) -> Iterator[str]:
        group, stream = where.get("groupName"), where.get("streamName")
        if not group or not stream:
            yield "  it ended before it wrote a log"
            return
        client = self.registry.client("logs")
        try:
            events = client.get_log_events(
                logGroupName=group, logStreamName=stream, limit=LOG_LINES, startFromHead=False
            )["events"]
        except client.exceptions.ResourceNotFoundException:
            events = []
        for event in events[-LOG_LINES:]:
            yield f"  | {_printable(event['message'].rstrip())}"
        yield (
            f"  the whole log: aws logs tail {group} --log-stream-names {stream} "
            f"--since 1d --region {self.registry.region}"
        )


def _progress(flavour: str, each: Mapping[str, Any], now: dt.datetime) -> str:
    phase = str(each.get("currentPhase", "")).replace("_", " ").lower()
    return f"{flavour}: {phase}, {_minutes(each, now):.0f} min"


def _minutes(each: Mapping[str, Any], now: dt.datetime) -> float:
    begun = each.get("startTime", now)
    seconds = (each.get("endTime", now) - begun).total_seconds()
    return float(max(seconds, 0)) / 60


def _printable(text: str) -> str:
    return _CONTROL.sub("", text)


def _checked(registry: Registry, flavour: str, tag: str) -> Built:
    """What a build pushed, if it can be a version.

    Raises:
        Refused: if a stage is missing or no image, or the stages are not of the same layers.
    """
    repository = names.repository(flavour)
    tags = registry.tags(flavour)
    layers: dict[str, list[tuple[str, int]]] = {}
    for stage in names.STAGES:
        name = f"{tag}-{stage}"
        if name not in tags:
            raise Refused(
                f"{flavour}: the build succeeded and {repository}:{name} is not there. Was "
                f"{names.BUILD_STACK} deployed again meanwhile? Run the same command again."
            )
        text, kind = registry.manifest(flavour, tags[name])
        if kind not in MANIFESTS:
            raise Refused(
                f"{flavour}: {repository}:{name} is not one image but {kind}, which SageMaker "
                "does not run: build without attestations (docker build --provenance=false)."
            )
        layers[stage] = [
            (layer["digest"], int(layer["size"])) for layer in json.loads(text)["layers"]
        ]
    if layers["workspace"] != layers["training"]:
        # They are useless; without their tags the next command builds the pair again.
        registry.untag(flavour, [f"{tag}-{stage}" for stage in names.STAGES])
        raise Refused(
            f"{flavour}: workspace and training are not of the same layers, so what works in the "
            "notebook might fail in the job. Nothing was recorded, and the tags of both are "
            "removed. After the stage `workspace` the Dockerfile may change the image's "
            "configuration (USER, ENTRYPOINT, ENV) and no file; then run the same command again."
        )
    return Built(
        workspace=tags[f"{tag}-workspace"],
        training=tags[f"{tag}-training"],
        bytes=sum(count for _, count in layers["workspace"]),
    )


def _keep(registry: Registry, found: Mapping[str, Built]) -> int:
    """Tag the images as the next version's, so that they do not expire; returns its number."""
    wanted = {
        (flavour, stage): getattr(built, stage)
        for flavour, built in found.items()
        for stage in names.STAGES
    }
    kept: dict[int, dict[tuple[str, str], str]] = {}
    for flavour in names.FLAVOURS:
        for tag, digest in registry.tags(flavour).items():
            number = names.version_of_tag(tag)
            if number:
                kept.setdefault(number, {})[flavour, tag.rpartition("-")[2]] = digest
    recorded = [
        version.number for version in registry.record().versions(registry.account, registry.region)
    ]
    last = max([*recorded, *kept], default=0)
    # A command that broke off here has tagged some of the very same images, and recorded nothing.
    begun = kept.get(last, {})
    same = all(wanted.get(which) == digest for which, digest in begun.items())
    number = last if last and last not in recorded and same else last + 1
    for (flavour, stage), digest in wanted.items():
        if number in kept and (flavour, stage) in kept[number]:
            continue
        text, kind = registry.manifest(flavour, digest)
        registry.ecr.put_image(
            repositoryName=names.repository(flavour),
            imageManifest=text,
            imageManifestMediaType=kind,
            imageDigest=digest,
            imageTag=names.kept_tag(number, stage),
        )
    return number


def _next(registry: Registry, version: ImageVersion | None) -> Iterator[str]:
    """What has to be deployed until cohorts run on `version`."""
    if version is not None and not _deployed(registry, version):
        yield f"next: {registry.deploy(names.IMAGES_STACK)}"
        yield "then each cohort: npx cdk deploy --all -c cohort=FILE" + _override(registry)
    else:
        yield "next, each cohort: npx cdk deploy --all -c cohort=FILE" + _override(registry)
    yield "Jobs take it from then on; a space that runs takes it at its next start."


def _override(registry: Registry) -> str:
    if registry.path.resolve() == DEFAULT:
        return ""
    return f" -c image_record={_shown(registry.path)}"


def _deployed(registry: Registry, version: ImageVersion) -> bool:
    """Whether Studio knows all flavours of `version`."""
    return len(_image_versions(registry, version)) == len(version.images)


def _image_versions(registry: Registry, version: ImageVersion) -> dict[str, str]:
    """Flavour -> ARN of the SageMaker image version, of those flavours that Studio knows."""
    parameters = {names.version_parameter(each, version.number): each for each in version.images}
    answer = registry.client("ssm").get_parameters(Names=list(parameters))
    return {parameters[each["Name"]]: each["Value"] for each in answer["Parameters"]}


# --- list, use, forget --------------------------------------------------------------------------
@images.command("list")
@region_option
@record_option
@without_traceback
def list_versions(region: str | None, record: Path) -> None:
    """Say which versions there are, how large they are, and which one cohorts run on."""
    registry = Registry.of(region, record)
    versions = registry.record().versions(registry.account, registry.region)
    used = registry.record().current(registry.account, registry.region)
    where = f"account {registry.account}, {registry.region}"
    if not versions:
        console.print(
            f"No version is recorded for {where}: cohorts run on AWS's own images. "
            "cohort images --help says how to have your own.",
            markup=False,
            soft_wrap=True,
        )
        return
    here = ""
    try:
        with console.status("reading this checkout"):
            here = checkout_source()
    except Refused as error:
        # What was built can be seen from a checkout that cannot be built.
        console.print(str(error), markup=False, soft_wrap=True)
    lines = [f"Images of {where}; sizes as compressed in ECR."]
    for version in reversed(versions):
        is_used = " (used)" if used is not None and used.number == version.number else ""
        is_here = " (this checkout)" if version.source == here else ""
        lines.append(
            f"version {version.number}{is_used}: built {version.built:%Y-%m-%d %H:%M} UTC, "
            f"context {version.source[:16]}{is_here}"
        )
        for flavour in (each for each in names.FLAVOURS if each in version.images):
            built = version.images[flavour]
            lines.append(
                f"  {flavour:<16} {size(built.bytes):>9}  workspace {built.workspace[7:19]}  "
                f"training {built.training[7:19]}"
            )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if used is None:
        console.print("None is used: cohorts run on AWS's own images.")
    if here and not any(version.source == here for version in versions):
        console.print(
            f"This checkout's context, {here[:16]}, is none of them. To build it: "
            f"{registry.deploy(names.BUILD_STACK)}, then cohort images build",
            markup=False,
            soft_wrap=True,
        )


@images.command()
@click.argument("version")
@region_option
@record_option
@without_traceback
def use(version: str, region: str | None, record: Path) -> None:
    """Run on VERSION from the next deploys on: a number, or `aws` for AWS's own images.

    Only the record changes, until the cohorts are deployed. Going back is the same as going on:
    no image is built, moved or replaced.
    """
    number = None if version == "aws" else _number(version)
    registry = Registry.of(region, record)
    try:
        changed = registry.record().using(registry.account, registry.region, number)
    except UnknownVersion as error:
        raise Refused(f"{error}; or `aws`, for AWS's own images") from None
    registry.write(changed)
    chosen = changed.current(registry.account, registry.region)
    what = f"version {chosen.number}" if chosen else "AWS's own images"
    console.print(
        f"{what} from the next deploys on: commit {_shown(registry.path)}",
        markup=False,
        soft_wrap=True,
    )
    for line in _next(registry, chosen):
        console.print(line, markup=False, soft_wrap=True)


@images.command()
@click.argument("version")
@region_option
@record_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@without_traceback
def forget(version: str, region: str | None, record: Path, yes: bool) -> None:
    """Take VERSION out of the record, and let its images expire.

    Refuses the version that is used, and one that a domain still names. The images lose the tags
    that keep them; ECR's life cycle then removes those older than 14 days within a day.
    """
    number = _number(version)
    registry = Registry.of(region, record)
    try:
        found = registry.record().version(registry.account, registry.region, number)
        changed = registry.record().without(registry.account, registry.region, number)
    except UnknownVersion as error:
        raise Refused(str(error)) from None
    except ValueError:
        raise Refused(
            f"version {number} is the one in use: first `cohort images use` another (or `aws`), "
            "and deploy the cohorts"
        ) from None
    domains = _domains_with(registry, found)
    if domains:
        raise Refused(
            f"version {number} is still attached to {', '.join(domains)}: deploy their cohorts "
            "first, they then have the version in use"
        )
    if not yes:
        click.confirm(
            f"The images of version {number} ({', '.join(found.images)}) will expire: no space "
            "and no job can run on it again. Continue?",
            abort=True,
        )
    # First the tags: if this breaks off, the version is still recorded and can be forgotten again.
    for flavour in found.images:
        kept = {names.kept_tag(number, stage) for stage in names.STAGES}
        registry.untag(flavour, sorted(kept & set(registry.tags(flavour))))
    registry.write(changed)
    console.print(
        f"version {number} is forgotten; its images expire within a day after they are 14 days "
        f"old. Commit {_shown(registry.path)}",
        markup=False,
        soft_wrap=True,
    )
    # Without versions there is no such stack for the CDK to deploy or to destroy.
    left = changed.versions(registry.account, registry.region)
    remove = (
        registry.deploy(names.IMAGES_STACK)
        if left
        else f"aws cloudformation delete-stack --stack-name {names.IMAGES_STACK} "
        f"--region {registry.region}"
    )
    console.print(f"Studio forgets it too: {remove}", markup=False, soft_wrap=True)


def _number(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise Refused(f"{text!r} is no version: give the number that `cohort images list` shows")
    return int(text)


def _domains_with(registry: Registry, version: ImageVersion) -> list[str]:
    """The domains whose spaces can be started on `version`."""
    attached = {
        (names.studio_image(flavour), int(arn.rpartition("/")[2]))
        for flavour, arn in _image_versions(registry, version).items()
    }
    if not attached:
        return []
    client = registry.client("sagemaker")
    pages = client.get_paginator("list_domains").paginate()
    return [
        domain["DomainName"]
        for page in pages
        for domain in page["Domains"]
        if attached & _attached(client.describe_domain(DomainId=domain["DomainId"]))
    ]


def _attached(domain: Mapping[str, Any]) -> set[tuple[str, int]]:
    """(image, version's number) of a domain's own images."""
    lab = domain.get("DefaultUserSettings", {}).get("JupyterLabAppSettings", {})
    return {
        (each["ImageName"], int(each.get("ImageVersionNumber", 0)))
        for each in lab.get("CustomImages", ())
    }


def _shown(path: Path) -> str:
    """A path as it is typed from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
