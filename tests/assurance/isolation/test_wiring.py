"""What rights hang on without a policy: unjudged members, others' roles, others' code."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from infra.assurance.isolation.proof import prove
from infra.assurance.isolation.reading import members
from infra.assurance.isolation.reading.reader import Unreadable, read
from infra.assurance.isolation.reading.resource_types import ADDITIONS, SILENT, TYPES
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.templates import Templates
from infra.cohort.images import ImageVersion, Record
from infra.cohort.model import Cohort
from tests.assurance.isolation.made import ACCOUNT, REGION, example, synthesize
from tests.assurance.isolation.test_promises import VERSION
from tests.offline.services.cloudformation import academy_stacks

NAME = "earth-2026-fall"
FOUNDATION, GUARD, COMPETITION = (
    f"{NAME}-{each}" for each in ("Foundation", "Guard", "Competition")
)
FALCON = f"{NAME}-Team-falcon"
DOOR = f"{NAME}-Door"
PROOFS = (
    *("spaces-are-ones-own", "spaces-stay-inside", "code-is-deployed", "nothing-passes-away"),
    *("users-are-the-files", "open-to-all"),
)
WORK = f"{NAME}-{ACCOUNT}-{REGION}-work"
ROLES = f"arn:aws:iam::{ACCOUNT}:role/academy/{NAME}"

Json = dict[str, Any]


class Made(NamedTuple):
    cohort: Cohort
    templates: Templates
    images: ImageVersion | None = None

    def broken(self, stack: str, change: Callable[[Json], None]) -> dict[str, str]:
        """The promises that a change to a stack's resources breaks, with the first breach."""
        template = copy.deepcopy(dict(self.templates.stacks[stack]))
        change(template["Resources"])
        changed = Templates({**self.templates.stacks, stack: template})
        world = read(changed, account=ACCOUNT, region=REGION)
        only = (
            PROOFS if self.cohort.network == "private" else [p for p in PROOFS if "inside" not in p]
        )
        proof = prove(world, (self.cohort,), Catalogue.published(), images=self.images, only=only)
        return {each.promise.id: each.breaches[0].words for each in proof.broken}


@pytest.fixture(scope="module")
def personal(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """With the account's images, each learner in a domain of their own."""
    cohort = example()
    record = Record().with_version(ACCOUNT, REGION, VERSION)
    folder = tmp_path_factory.mktemp("personal")
    return Made(cohort, synthesize(folder, cohort, images=VERSION, record=record), VERSION)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A domain for each team, in a private network."""
    cohort = example(isolation="team", network="private")
    return Made(cohort, synthesize(tmp_path_factory.mktemp("shared"), cohort))


def of(resources: Json, type_: str, part: str = "") -> Json:
    """The properties of the first resource of a type whose logical id begins so."""
    return next(
        each["Properties"]
        for logical_id, each in resources.items()
        if each["Type"] == type_ and logical_id.startswith(part)
    )


def put(type_: str, part: str, path: str, value: Any) -> Callable[[Json], None]:
    """Puts `value` at a path into a resource."""

    def change(resources: Json) -> None:
        inside: Any = of(resources, type_, part)
        *parents, last = path.split(".")
        for each in parents:
            inside = inside[int(each)] if each.isdigit() else inside.setdefault(each, {})
        inside[last] = value

    return change


def expire(resources: Json) -> None:
    rules = of(resources, "AWS::S3::Bucket", "Work")["LifecycleConfiguration"]["Rules"]
    rules.append({"Id": "x", "Prefix": "submissions/", "ExpirationInDays": 1, "Status": "Enabled"})


def tell(resources: Json) -> None:
    """The broker opens the profile that the workspace config names."""
    config = next(
        each["Properties"]
        for logical_id, each in resources.items()
        if each["Type"] == "AWS::SSM::Parameter" and logical_id.startswith("Learnerana")
    )
    written = json.dumps(config["Value"])
    config["Value"] = json.loads(written.replace(f"{NAME}--ana", f"{NAME}--ben"))


# --- made otherwise -------------------------------------------------------------------------------
DOMAIN, PROFILE, SPACE = (f"AWS::SageMaker::{each}" for each in ("Domain", "UserProfile", "Space"))
FUNCTION, BUILD = "AWS::Lambda::Function", "AWS::CodeBuild::Project"
CHI = f"{ROLES}/learner/{NAME}--learner--chi"
SCORER = f"{ROLES}/service/{NAME}--service--scorer"
SCRIPT = "arn:aws:sagemaker:us-east-1:123456789012:studio-lifecycle-config/somebodys"
STARTS = "SpaceSettings.JupyterLabAppSettings.DefaultResourceSpec.LifecycleConfigArn"

USER, IN_GROUP = "AWS::Cognito::UserPoolUser", "AWS::Cognito::UserPoolUserToGroupAttachment"
POOL, CLIENT = "AWS::Cognito::UserPool", "AWS::Cognito::UserPoolClient"
ANSWERED = "AWS::ApiGatewayV2::Integration"


def more(type_: str, like: str, **members: Any) -> Callable[[Json], None]:
    """One more resource of a type, like the first, but for some members."""

    def change(resources: Json) -> None:
        first = of(resources, type_, like)
        resources["OneMore"] = {"Type": type_, "Properties": {**first, **members}}

    return change


WIRED = {
    "another's address": (
        FALCON,
        put(USER, "SignInana", "UserAttributes.0.Value", "mallory@example.com"),
        "users-are-the-files",
        "signs in by mallory@example.com, and not by ana@example.org",
    ),
    "somebody's user": (
        FALCON,
        more(USER, "SignInana", Username="mallory--00000000"),
        "users-are-the-files",
        "mallory--00000000 signs in by ana@example.org, and not by None",
    ),
    "a learner who advises": (
        FALCON,
        put(IN_GROUP, "SignInana", "GroupName", "advisors"),
        "users-are-the-files",
        "is one of the advisors, and not of the learners",
    ),
    "a pool where anybody signs up": (
        DOOR,
        put(POOL, "", "AdminCreateUserConfig.AllowAdminCreateUserOnly", False),
        "users-are-the-files",
        "anybody signs up",
    ),
    "a pool that hands out passwords": (
        DOOR,
        put(POOL, "", "AccountRecoverySetting.RecoveryMechanisms.0.Name", "verified_email"),
        "users-are-the-files",
        "hands out passwords",
    ),
    "another way to sign in": (
        DOOR,
        put(CLIENT, "", "ExplicitAuthFlows", ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH"]),
        "users-are-the-files",
        "ALLOW_USER_PASSWORD_AUTH",
    ),
    "an address that people write": (
        DOOR,
        put(CLIENT, "", "WriteAttributes", ["email"]),
        "users-are-the-files",
        "write email",
    ),
    "attributes that people write, left open": (
        DOOR,
        put(CLIENT, "", "WriteAttributes", []),
        "users-are-the-files",
        "write email",
    ),
    "another provider": (
        DOOR,
        put(CLIENT, "", "SupportedIdentityProviders", ["COGNITO", "Google"]),
        "users-are-the-files",
        "believes other providers",
    ),
    "a client that hands tokens to pages": (
        DOOR,
        put(CLIENT, "", "AllowedOAuthFlows", ["implicit"]),
        "users-are-the-files",
        "hands out codes and tokens to pages",
    ),
    "an address where another function answers": (
        DOOR,
        put(
            ANSWERED,
            "",
            "IntegrationUri",
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-broker",
        ),
        "open-to-all",
        "is answered by",
    ),
    "another's role": (
        FALCON,
        put(PROFILE, "Learnerana", "UserSettings.ExecutionRole", CHI),
        "spaces-are-ones-own",
        f"{NAME}--ana of SageMaker runs under {CHI}",
    ),
    "no role": (
        FALCON,
        put(PROFILE, "Learnerana", "UserSettings", {}),
        "spaces-are-ones-own",
        "runs under no role of its own",
    ),
    "another's role for the domain": (
        FALCON,
        put(DOMAIN, "Learnerana", "DefaultUserSettings.ExecutionRole", CHI),
        "spaces-are-ones-own",
        CHI,
    ),
    "another's space": (
        FALCON,
        put(SPACE, "Learnerana", "OwnershipSettings.OwnerUserProfileName", f"{NAME}--ben"),
        "spaces-are-ones-own",
        f"belongs to {NAME}--ben",
    ),
    "a shared space": (
        FALCON,
        put(SPACE, "Learnerana", "SpaceSharingSettings.SharingType", "Shared"),
        "spaces-are-ones-own",
        "is Shared",
    ),
    "another's workspace": (
        FALCON,
        tell,
        "spaces-are-ones-own",
        f"has the profile {NAME}--ben",
    ),
    "another's script": (
        FALCON,
        put(SPACE, "Learnerana", STARTS, SCRIPT),
        "code-is-deployed",
        SCRIPT,
    ),
    "a team's code": (
        COMPETITION,
        put(FUNCTION, "Scorer", "Code", {"S3Bucket": WORK, "S3Key": "teams/falcon/x.zip"}),
        "code-is-deployed",
        f"{NAME}-scorer runs code from",
    ),
    "another function's role": (
        COMPETITION,
        put(FUNCTION, "Checker", "Role", SCORER),
        "code-is-deployed",
        f"{NAME}-checker runs under {SCORER}",
    ),
    "another service's code": (
        COMPETITION,
        put(FUNCTION, "Scorer", "Handler", "infra.services.competition.handler.checker"),
        "code-is-deployed",
        f"{NAME}-scorer runs infra.services.competition.handler.checker",
    ),
    "a team's build": (
        "Academy-Images-Build",
        put(BUILD, "", "Source.Location", f"{WORK}/teams/falcon/x.zip"),
        "code-is-deployed",
        WORK,
    ),
    "a build in another image": (
        "Academy-Images-Build",
        put(BUILD, "", "Environment.Image", "somebody/image"),
        "code-is-deployed",
        "builds in somebody/image",
    ),
    "somebody's image": (
        "Academy-Images",
        put("AWS::SageMaker::ImageVersion", "", "BaseImage", "somebody/image@sha256:0"),
        "code-is-deployed",
        "an image of SageMaker is somebody/image",
    ),
    "submissions that expire": (
        FOUNDATION,
        expire,
        "nothing-passes-away",
        "'submissions/' after 1",
    ),
}


@pytest.mark.parametrize("name", WIRED)
def test_what_widens_rights_without_a_policy_breaks_a_promise(personal: Made, name: str) -> None:
    stack, change, promise, says = WIRED[name]
    found = personal.broken(stack, change)
    assert says in found[promise], found


def test_nothing_is_told_of_our_own(personal: Made, shared: Made) -> None:
    for made in (personal, shared):
        assert made.broken(FALCON, lambda _: None) == {}


def test_a_space_out_of_a_private_network_is_told(shared: Made) -> None:
    public = put(DOMAIN, "", "AppNetworkAccessType", "PublicInternetOnly")
    assert "PublicInternetOnly" in shared.broken(FALCON, public)["spaces-stay-inside"]
    other = put(DOMAIN, "", "DefaultUserSettings.SecurityGroups", ["sg-0123456789abcdef0"])
    assert "sg-0123456789abcdef0" in shared.broken(FALCON, other)["spaces-stay-inside"]


# --- the organisation's own provider --------------------------------------------------------------
PROVIDER = "AWS::Cognito::UserPoolIdentityProvider"
BY_PROVIDER = {
    "another issuer": (PROVIDER, "ProviderDetails.oidc_issuer", "https://evil.example"),
    "a secret in the template": (PROVIDER, "ProviderDetails.client_secret", "in clear"),
    "another's secret": (
        PROVIDER,
        "ProviderDetails.client_secret",
        "{{resolve:secretsmanager:another}}",
    ),
    "an address that was never checked": (PROVIDER, "AttributeMapping.email_verified", "sub"),
    "a token that changes its owner": (
        CLIENT,
        "AllowedOAuthScopes",
        ["openid", "email", "aws.cognito.signin.user.admin"],
    ),
    "a token in an address": (CLIENT, "AllowedOAuthFlows", ["code", "implicit"]),
    "a code for somebody else's page": (CLIENT, "CallbackURLs", ["https://evil.example/signed-in"]),
    "passwords in the provider's pool": (CLIENT, "ExplicitAuthFlows", ["ALLOW_USER_PASSWORD_AUTH"]),
    "people of the pool itself": (CLIENT, "SupportedIdentityProviders", ["COGNITO", "Agency"]),
    "sign-up by oneself": (POOL, "AdminCreateUserConfig.AllowAdminCreateUserOnly", False),
}


@pytest.fixture(scope="module")
def provided(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """With a provider in the cohort file."""
    cohort = example(door=academy_stacks.DOOR)
    return Made(cohort, synthesize(tmp_path_factory.mktemp("provided"), cohort))


def test_a_cohort_with_a_provider_keeps_what_is_promised(provided: Made) -> None:
    assert provided.broken(DOOR, lambda _: None) == {}


@pytest.mark.parametrize("what", BY_PROVIDER)
def test_what_a_provider_must_not_be_is_found(provided: Made, what: str) -> None:
    type_, path, value = BY_PROVIDER[what]
    found = provided.broken(DOOR, put(type_, "Provider", path, value))
    assert list(found) == ["users-are-the-files"]


def test_a_user_that_a_deploy_makes_among_the_providers_people_is_found(provided: Made) -> None:
    def change(resources: Json) -> None:
        user = of(resources, USER)
        pool = next(each for each in resources if each.startswith("ProviderPool"))
        attributes = [{"Name": "email", "Value": "ana@example.org"}]
        resources["OneMore"] = {
            "Type": USER,
            "Properties": {
                **user,
                "Username": "Agency_mallory",
                "UserPoolId": {"Ref": pool},
                "UserAttributes": attributes,
            },
        }

    assert "vouch for" in provided.broken(DOOR, change)["users-are-the-files"]


def test_a_provider_of_the_pool_of_codes_is_found(provided: Made) -> None:
    def change(resources: Json) -> None:
        pool = next(each for each in resources if each.startswith("SignInPool"))
        of(resources, PROVIDER)["UserPoolId"] = {"Ref": pool}

    assert "believes a provider" in provided.broken(DOOR, change)["users-are-the-files"]


@pytest.mark.parametrize("written", ["{{resolve:ssm:/x}}", "x{{resolve:secretsmanager:x}}"])
def test_another_reference_in_the_place_of_the_secret_is_unreadable(
    provided: Made, written: str
) -> None:
    with pytest.raises(Unreadable, match="dynamic reference"):
        provided.broken(DOOR, put(PROVIDER, "", "ProviderDetails.client_secret", written))


# --- members that nobody has judged ---------------------------------------------------------------
BUCKET, TABLE = "AWS::S3::Bucket", "AWS::DynamoDB::Table"
UNJUDGED = [
    (FOUNDATION, BUCKET, "Vault", "InventoryConfigurations", [{"Id": "x"}]),
    (FOUNDATION, BUCKET, "Vault", "LoggingConfiguration", {"DestinationBucketName": "x"}),
    (FOUNDATION, BUCKET, "Work", "LifecycleConfiguration.Rules.0.Transitions", [{}]),
    (COMPETITION, TABLE, "", "KinesisStreamSpecification", {"StreamArn": "arn:aws:kinesis"}),
    (COMPETITION, TABLE, "", "StreamSpecification", {"StreamViewType": "NEW_IMAGE"}),
    (
        COMPETITION,
        FUNCTION,
        "Scorer",
        "Layers",
        ["arn:aws:lambda:us-east-1:111122223333:layer:x:1"],
    ),
    (COMPETITION, FUNCTION, "Scorer", "Code.ZipFile", "print()"),
    (COMPETITION, FUNCTION, "Scorer", "FileSystemConfigs", [{"Arn": "x"}]),
    (DOOR, POOL, "", "LambdaConfig", {"PreSignUp": "arn:aws:lambda:x"}),
    (DOOR, CLIENT, "", "LogoutURLs", ["https://x.example"]),
    (DOOR, "AWS::Cognito::UserPoolGroup", "", "RoleArn", "anything"),
    (DOOR, "AWS::ApiGatewayV2::Api", "", "CorsConfiguration", {"AllowOrigins": ["*"]}),
    (DOOR, ANSWERED, "", "RequestParameters", {"append:header.x": "y"}),
    (FALCON, "AWS::Lambda::Alias", "Learnerana", "RoutingConfig", {"AdditionalVersionWeights": []}),
    (FALCON, DOMAIN, "Learnerana", "DefaultSpaceSettings", {"ExecutionRole": CHI}),
    (FALCON, DOMAIN, "Learnerana", "DomainSettings", {"DockerSettings": {}}),
    (FALCON, DOMAIN, "Learnerana", "DefaultUserSettings.SharingSettings", {"S3OutputPath": "x"}),
    (FALCON, SPACE, "Learnerana", "SpaceSettings.CustomFileSystems", [{"EFSFileSystem": {}}]),
]


@pytest.mark.parametrize(("stack", "type_", "part", "path", "value"), UNJUDGED)
def test_a_member_that_nobody_has_judged_is_refused_by_name(
    personal: Made, stack: str, type_: str, part: str, path: str, value: Any
) -> None:
    with pytest.raises(Unreadable) as caught:
        personal.broken(stack, put(type_, part, path, value))
    plain = path.replace(".0", "")
    assert f"({type_}) has {plain}, which the proof does not know" in str(caught.value)


def test_acls_and_old_versions_are_refused(personal: Made) -> None:
    acls = put(BUCKET, "Work", "OwnershipControls.Rules.0.ObjectOwnership", "ObjectWriter")
    with pytest.raises(Unreadable, match="ObjectWriter: ACLs are unmodelled"):
        personal.broken(FOUNDATION, acls)
    with pytest.raises(Unreadable, match="runs version 1"):
        personal.broken(FALCON, put("AWS::Lambda::Alias", "Learnerana", "FunctionVersion", "1"))


def test_of_every_type_it_is_said_which_members_are_judged() -> None:
    assert set(members.MEMBERS) == {*TYPES, *SILENT, *ADDITIONS}
    assert all(members.MEMBERS.values())


def test_a_list_of_texts_where_objects_belong_is_unknown() -> None:
    rules: Json = {"LifecycleConfiguration": {"Rules": ["x"]}}
    assert list(members.unknown(BUCKET, rules)) == ["LifecycleConfiguration.Rules"]
    assert list(members.unknown(BUCKET, {"Tags": [{"Key": "a", "Value": "b"}]})) == []
