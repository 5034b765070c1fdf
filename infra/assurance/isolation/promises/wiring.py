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
from infra.cohort.model import Provider
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


# --- the door -------------------------------------------------------------------------------------
def users(p: Places, world: World) -> Iterator[Flaw]:
    """Who may sign in is who stands in the cohort file, by the address that stands there.

    Whoever reads the address of a user gets their codes, and is then asked for nothing more.
    """
    pools = {
        each.arn.rpartition("/")[2]: each.source
        for each in world.guarded
        if each.type == "AWS::Cognito::UserPool" and each.source is not None
    }
    others = {
        name
        for names in map(Names, world.cohorts)
        if names.cohort != p.names.cohort
        for name in (names.user_pool, names.provider_pool)
    }
    all_ours = {
        id_: pool
        for id_, pool in pools.items()
        if pool.properties.get("UserPoolName") not in others
    }
    foreign = {
        id_: pool
        for id_, pool in all_ours.items()
        if pool.properties.get("UserPoolName") == p.names.provider_pool
    }
    ours = {id_: pool for id_, pool in all_ours.items() if id_ not in foreign}
    provider = p.cohort.door.provider if p.cohort.door else None
    if len(ours) != (1 if p.cohort.door else 0) or len(foreign) != (1 if provider else 0):
        yield Flaw(f"{p.cohort.name} has {len(all_ours)} pools of users")
    for pool in all_ours.values():
        yield from _pool(pool)
    for client in of_type(world, "AWS::Cognito::UserPoolClient"):
        if client.properties["UserPoolId"] in ours:
            yield from _client(client)
        elif client.properties["UserPoolId"] in foreign and provider:
            yield from _client_of(client, provider, _address(p, world))
    for believed in of_type(world, "AWS::Cognito::UserPoolIdentityProvider"):
        if believed.properties["UserPoolId"] in ours:
            yield Flaw("the pool of codes believes a provider", believed)
        elif believed.properties["UserPoolId"] in foreign and provider:
            yield from _believed(believed, provider)
    of_kind = {"learners": [each for _, each in p.cohort.learners], "advisors": p.cohort.advisors}
    expected = {
        Names.user(person.id, person.email): (person.email, group)
        for group, people in of_kind.items()
        for person in people
    }
    for user in of_type(world, "AWS::Cognito::UserPoolUser"):
        if user.properties["UserPoolId"] in foreign:
            yield Flaw("a deploy makes somebody whom the provider should vouch for", user)
        if user.properties["UserPoolId"] in ours:
            name = user.properties["Username"]
            email, _ = expected.get(name, (None, None))
            given = {each["Name"]: each["Value"] for each in user.properties["UserAttributes"]}
            if email is None or given != {"email": email, "email_verified": "true"}:
                yield Flaw(f"{name} signs in by {given.get('email')}, and not by {email}", user)
    for one in of_type(world, "AWS::Cognito::UserPoolUserToGroupAttachment"):
        if one.properties["UserPoolId"] in ours:
            name, given = one.properties["Username"], one.properties["GroupName"]
            _, group = expected.get(name, (None, None))
            if given != group:
                yield Flaw(f"{name} is one of the {given}, and not of the {group}", one)


def _pool(pool: Resource) -> Iterator[Flaw]:
    given = pool.properties
    if given.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly") is not True:
        yield Flaw(f"anybody signs up in {given.get('UserPoolName')}", pool)
    recovery = given.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", [])
    if [each.get("Name") for each in recovery] != ["admin_only"]:
        yield Flaw(f"{given.get('UserPoolName')} hands out passwords by {recovery}", pool)


def _client(client: Resource) -> Iterator[Flaw]:
    given = client.properties
    flows = given.get("ExplicitAuthFlows")
    if flows != ["ALLOW_USER_AUTH"]:
        yield Flaw(f"{given.get('ClientName')} signs people in by {flows}", client)
    # Without the member, every attribute can be written.
    written = given.get("WriteAttributes") or ["email"]
    if {"email", "email_verified"} & set(written):
        yield Flaw(f"people of {given.get('ClientName')} write {', '.join(written)}", client)
    if given.get("SupportedIdentityProviders") != ["COGNITO"]:
        yield Flaw(f"{given.get('ClientName')} believes other providers", client)
    if given.get("AllowedOAuthFlows") or given.get("AllowedOAuthScopes"):
        yield Flaw(f"{given.get('ClientName')} hands out codes and tokens to pages", client)


def _client_of(client: Resource, provider: Provider, address: str) -> Iterator[Flaw]:
    """What comes of the provider's word is a code for the door, and a token that says who it is.

    With the scope aws.cognito.signin.user.admin people could write the address that the door knows
    them by: it must be writable, because Cognito writes it through the client.
    """
    given = client.properties
    expected = {
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email"],
        "CallbackURLs": [f"{address}/signed-in"],
        # It takes functions that a pool of ours cannot have (`members`): so nobody begins by it.
        "ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"],
        "SupportedIdentityProviders": [provider.name],
        "WriteAttributes": ["email"],
    }
    for member, value in expected.items():
        if given.get(member) != value:
            yield Flaw(f"{given.get('ClientName')} has {member} {given.get(member)}", client)


def _believed(resource: Resource, provider: Provider) -> Iterator[Flaw]:
    """The provider that is believed is the file's, and its secret stands in no template."""
    given = resource.properties
    details = given.get("ProviderDetails", {})
    found = (given.get("ProviderName"), given.get("ProviderType"), details.get("oidc_issuer"))
    if found != (provider.name, "OIDC", provider.issuer):
        yield Flaw(f"people come in by the word of {found}", resource)
    if details.get("client_secret") != f"{{{{resolve:secretsmanager:{provider.secret}}}}}":
        yield Flaw(f"the secret of {provider.name} is not the one of Secrets Manager", resource)
    if given.get("AttributeMapping") != {"email": "email", "email_verified": provider.verified}:
        yield Flaw(
            f"{provider.name} says who people are by {given.get('AttributeMapping')}", resource
        )


def _address(p: Places, world: World) -> str:
    """Where the cohort's door answers."""
    for each in world.guarded:
        source = each.source
        if each.type != "AWS::ApiGatewayV2::Api" or source is None:
            continue
        if source.properties.get("Name") == p.names.api:
            id_ = each.arn.rpartition(":")[2]
            return f"https://{id_}.execute-api.{world.region}.amazonaws.com"
    return ""


def addresses(world: World) -> Iterator[Flaw]:
    """What answers to everybody is the door of a cohort, which asks who they are."""
    doors = {
        function.arn: Names(role.cohort).api
        for function in world.functions
        for role in world.of_kind("service")
        if role.arn == function.role and role.owner == "door"
    }
    names = {
        each.arn.rpartition(":")[2]: each.source.properties.get("Name")
        for each in world.guarded
        if each.type == "AWS::ApiGatewayV2::Api" and each.source is not None
    }
    for each in of_type(world, "AWS::ApiGatewayV2::Integration"):
        given = each.properties
        name, called = names.get(given["ApiId"]), given.get("IntegrationUri")
        if given["IntegrationType"] != "AWS_PROXY" or doors.get(str(called)) != name:
            yield Flaw(f"whoever asks {name} is answered by {called}", each)


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
