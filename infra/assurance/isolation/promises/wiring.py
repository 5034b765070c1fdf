"""What no policy says and rights hang on all the same: whose role a space runs under, whose code.

SageMaker and Lambda ask nobody when they start what a template has joined. So a profile with
another's role, a shared space, a function that runs what a learner may write: each of these would
widen rights without one request that a promise could be about. Checked on resolved templates;
members that are not looked at here are an error already (`members`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.assurance.isolation.promises.flaws import Flaw
from infra.assurance.isolation.promises.places import Places
from infra.assurance.isolation.world import Role, World
from infra.assurance.templates import Resource
from infra.cohort import images
from infra.cohort.naming import SEPARATOR, Names

PEOPLE = ("learner", "advisor")


def of_type(world: World, type_: str) -> Iterator[Resource]:
    """The resources of a type, as the templates make them."""
    for each in world.guarded:
        if each.type == type_ and each.source is not None:
            yield each.source


def _workspaces(world: World) -> dict[str, Role]:
    """Whose each profile, space and domain of a person's own is: by the one name of all three."""
    return {Names(role.cohort).workspace(role.owner): role for role in world.of_kind(*PEOPLE)}


# --- spaces ---------------------------------------------------------------------------------------
def spaces(world: World) -> Iterator[Flaw]:
    """Each space is one person's, and runs under their role.

    A space runs under its owner's profile's role, a shared one under its domain's ("Domain user
    profiles" and "Shared spaces" in the SageMaker developer guide).
    """
    people = _workspaces(world)
    shared = {role.arn for role in world.of_kind("domain")}
    domain_of: dict[str, str] = {}
    for profile in of_type(world, "AWS::SageMaker::UserProfile"):
        name = profile.properties["UserProfileName"]
        domain_of[name] = profile.properties["DomainId"]
        yield from _under(profile, name, "UserSettings", _own(people, name))
    for domain in of_type(world, "AWS::SageMaker::Domain"):
        name = domain.properties.get("DomainName", "")
        yield from _under(domain, name, "DefaultUserSettings", _own(people, name) or shared)
    for space in of_type(world, "AWS::SageMaker::Space"):
        yield from _space(space, domain_of)
    yield from _told(world, people, domain_of)


def _own(people: Mapping[str, Role], name: str) -> set[str]:
    return {people[name].arn} if name in people else set()


def _under(resource: Resource, name: str, member: str, roles: set[str]) -> Iterator[Flaw]:
    role = resource.properties.get(member, {}).get("ExecutionRole")
    if role not in roles:
        yield Flaw(f"{name} of SageMaker runs under {role or 'no role of its own'}", resource)


def _space(space: Resource, domain_of: Mapping[str, str]) -> Iterator[Flaw]:
    given, name = space.properties, space.properties["SpaceName"]
    owner = given.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    if owner != name or domain_of.get(name) != given["DomainId"]:
        yield Flaw(f"the space {name} belongs to {owner} in {given['DomainId']}", space)
    sharing = given.get("SpaceSharingSettings", {}).get("SharingType")
    if sharing != "Private":
        yield Flaw(f"the space {name} is {sharing or 'shared'}, and not private", space)


def _told(world: World, people: Mapping[str, Role], domain_of: Mapping[str, str]) -> Iterator[Flaw]:
    """What the broker believes of a person, by the parameter of their workspace."""
    parameters = {each.properties["Name"]: each for each in of_type(world, "AWS::SSM::Parameter")}
    for name, role in people.items():
        names = Names(role.cohort)
        parameter = parameters.get(names.workspace_parameter(role.owner))
        if parameter is None:
            yield Flaw(f"{role} has no workspace config", role.source)
            continue
        account = role.account
        told: dict[str, Any] = json.loads(parameter.properties["Value"])
        right = {
            "domain_id": domain_of.get(name),
            "profile": name,
            "space": name,
            "learner": role.owner,
            "team": role.team or "",
            "training_role": names.role_arn("training", role.team, account=account)
            if role.team
            else "",
        }
        for member, value in right.items():
            if told.get(member) != value:
                yield Flaw(
                    f"the broker is told that {role} has the {member} {told.get(member)}, "
                    f"and not {value}",
                    parameter,
                )


def outside_network(p: Places, world: World) -> Iterator[Flaw]:
    """Every domain of a private cohort stands in its network alone."""
    others = set(world.cohorts) - {p.cohort.name}
    for domain in of_type(world, "AWS::SageMaker::Domain"):
        given = domain.properties
        if any(str(given.get("DomainName")).startswith(f"{o}{SEPARATOR}") for o in others):
            continue
        groups = given.get("DefaultUserSettings", {}).get("SecurityGroups", [])
        placed = (given.get("AppNetworkAccessType"), sorted(given["SubnetIds"]), groups)
        if placed != ("VpcOnly", sorted(p.subnet_ids), p.group_ids):
            yield Flaw(f"the domain {given.get('DomainName')} stands in {placed}", domain)


# --- code -----------------------------------------------------------------------------------------
def code(world: World) -> Iterator[Flaw]:
    """Functions, builds, images and start scripts are what a deploy has brought."""
    bucket = rf"cdk-[a-z0-9]+-assets-{world.account}-{world.region}"
    services = {role.arn: role for role in world.of_kind("service")}
    for function in world.functions:
        if function.source is None:
            continue
        name, given = function.arn.rpartition(":")[2], function.source.properties
        if not re.fullmatch(bucket, str(given["Code"].get("S3Bucket"))):
            yield Flaw(f"{name} runs code from {given['Code']}", function.source)
        role = services.get(function.role)
        if role is None or Names(role.cohort).function(role.owner) != name:
            yield Flaw(f"{name} runs under {function.role}", function.source)
        elif given["Handler"].rpartition(".")[2] != role.owner:
            yield Flaw(f"{name} runs {given['Handler']} as {role}", function.source)
    for project in of_type(world, "AWS::CodeBuild::Project"):
        given, build = project.properties, project.properties["Source"]
        location = str(build.get("Location"))
        if build["Type"] != "S3" or not re.fullmatch(f"{bucket}/.+", location):
            yield Flaw(f"{given['Name']} builds {location}", project)
        if not str(given["Environment"]["Image"]).startswith("aws/codebuild/"):
            yield Flaw(f"{given['Name']} builds in {given['Environment']['Image']}", project)
        if not given["ServiceRole"].endswith(f"{images.ROLE_PATH}{images.BUILD_ROLE}"):
            yield Flaw(f"{given['Name']} builds under {given['ServiceRole']}", project)
    yield from _images(world)
    yield from _scripts(world)


def _images(world: World) -> Iterator[Flaw]:
    ours = f"{images.registry(world.account, world.region)}/{images.repository('')}"
    for version in of_type(world, "AWS::SageMaker::ImageVersion"):
        if not version.properties["BaseImage"].startswith(ours):
            yield Flaw(f"an image of SageMaker is {version.properties['BaseImage']}", version)
    for image in of_type(world, "AWS::SageMaker::Image"):
        if not image.properties["ImageRoleArn"].endswith(f"{images.ROLE_PATH}{images.STUDIO_ROLE}"):
            yield Flaw(f"an image is read under {image.properties['ImageRoleArn']}", image)


def _scripts(world: World) -> Iterator[Flaw]:
    """Spaces start with a script of the templates."""
    made = {each.arn for each in world.guarded if each.type == _SCRIPT}
    for type_ in ("AWS::SageMaker::Domain", "AWS::SageMaker::Space"):
        for resource in of_type(world, type_):
            for script in _named(resource.properties, "LifecycleConfigArn"):
                if script not in made:
                    yield Flaw(f"{resource} starts the script {script}", resource)


_SCRIPT = "AWS::SageMaker::StudioLifecycleConfig"


def _named(value: Any, member: str) -> Iterator[str]:
    """What stands in members of this name, and in those of its plural."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in (member, f"{member}s"):
                yield from [each] if isinstance(each, str) else each
            else:
                yield from _named(each, member)


# --- what stays -----------------------------------------------------------------------------------
def expiring(p: Places, world: World) -> Iterator[Flaw]:
    """Rules by which S3 itself removes what people made: only what the checker handed on passes."""
    buckets = {
        arn for purpose in ("data", "vault", "work", "site") for arn in p.bucket(purpose).any_of
    }
    for bucket in of_type(world, "AWS::S3::Bucket"):
        if f"arn:aws:s3:::{bucket.properties['BucketName']}" not in buckets:
            continue
        for rule in bucket.properties.get("LifecycleConfiguration", {}).get("Rules", ()):
            if "ExpirationInDays" in rule and rule.get("Prefix") != "checked/":
                yield Flaw(
                    f"{bucket.properties['BucketName']} loses {rule.get('Prefix', 'everything')!r} "
                    f"after {rule['ExpirationInDays']} days",
                    bucket,
                )
