"""The door's stack: who may sign in, what answers, and what it may do."""

from __future__ import annotations

import json

import pytest

from infra.cohort import naming
from infra.cohort.model import Door, Person, Team
from infra.cohort.naming import Names
from infra.constructs import open_api, sign_in
from infra.constructs.workspace import PARAMETER_MAX
from infra.services.door import handler, people
from tests.stacks import conftest


def only(academy, stack, type_):
    found = [
        resource["Properties"]
        for resource in academy.templates[stack]["Resources"].values()
        if resource["Type"] == type_
    ]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def door(academy):
    return academy.names.door_stack


@pytest.fixture
def statements(academy, permissions):
    return permissions[academy.names.role("service", "door")]


def users(academy):
    """(username, stack) -> the address, of every user that the stacks make."""
    return {
        (user["Username"], path.split("/")[0]): {
            each["Name"]: each["Value"] for each in user["UserAttributes"]
        }["email"]
        for path, resource in academy.resources("AWS::Cognito::UserPoolUser")
        for user in [resource["Properties"]]
    }


# --- who may sign in ------------------------------------------------------------------------------


def test_everybody_of_the_file_has_a_user_by_their_address_in_the_stack_of_their_team(academy):
    names, cohort = academy.names, academy.cohort
    assert users(academy) == {
        **{
            (names.user(each.id, each.email), names.team_stack(team.id)): each.email
            for team, each in cohort.learners
        },
        **{
            (names.user(each.id, each.email), names.door_stack): each.email
            for each in cohort.advisors
        },
    }


def test_learners_and_advisors_are_told_apart_by_group(academy):
    found = {
        naming.person_of_user(resource["Properties"]["Username"]): resource["Properties"][
            "GroupName"
        ]
        for _, resource in academy.resources("AWS::Cognito::UserPoolUserToGroupAttachment")
    }
    assert found == {
        **dict.fromkeys(["ana", "ben", "chi", "dov"], "learners"),
        "shelley": "advisors",
    }


def test_another_address_is_another_user_and_everyone_elses_stay(
    academy, cohort, synthesis, tmp_path
):
    document = cohort.model_dump()
    document["teams"][0]["learners"][0]["email"] = "new@example.org"
    changed = synthesis(type(cohort).model_validate(document), tmp_path)
    before, after = ({each.logical: each for each in _made(a)} for a in (academy, changed))
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    assert {before[each].person for each in gone} == {"ana"}
    assert {after[each].person for each in come} == {"ana"}
    # Both names are taken while CloudFormation has made the one and not yet removed the other.
    assert {before[each].user for each in gone}.isdisjoint({after[each].user for each in come})


class _Made:
    def __init__(self, logical, resource):
        self.logical = logical
        self.user = resource["Properties"]["Username"]
        self.person = naming.person_of_user(self.user)


def _made(academy):
    return [_Made(path, each) for path, each in academy.resources("AWS::Cognito::UserPoolUser")]


def test_nobody_signs_up_or_gets_a_password_back(academy, door):
    pool = only(academy, door, "AWS::Cognito::UserPool")
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["AccountRecoverySetting"] == {
        "RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]
    }
    assert "LambdaConfig" not in pool


def test_codes_come_from_the_cohorts_own_address(academy, door):
    pool = only(academy, door, "AWS::Cognito::UserPool")
    assert pool["EmailConfiguration"] == {
        "EmailSendingAccount": "DEVELOPER",
        "From": "academy@example.org",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/academy@example.org",
    }
    assert "{####}" in pool["EmailAuthenticationMessage"]


def test_a_verified_domain_speaks_for_its_addresses(cohort, synthesis, tmp_path):
    by_domain = Door.model_validate({"from": "a@mail.example.org", "identity": "example.org"})
    made = synthesis(cohort.model_copy(update={"door": by_domain}), tmp_path)
    pool = only(made, made.names.door_stack, "AWS::Cognito::UserPool")
    assert pool["EmailConfiguration"]["SourceArn"].endswith(":identity/example.org")
    assert pool["EmailConfiguration"]["From"] == "a@mail.example.org"


def test_the_client_signs_in_by_code_alone_and_writes_no_address(academy, door):
    client = only(academy, door, "AWS::Cognito::UserPoolClient")
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_AUTH"]
    assert client["GenerateSecret"] is False
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["EnableTokenRevocation"] is True
    assert client["WriteAttributes"] == ["locale"]
    assert client["TokenValidityUnits"]["AccessToken"] == "hours"
    assert client["AccessTokenValidity"] == sign_in.SESSION_HOURS


# --- what answers ---------------------------------------------------------------------------------


def test_what_is_throttled_apart_is_what_the_door_takes_by_that_route_alone(academy, door):
    # Where the two differ, a form comes by the route of everything, or by none.
    stage = only(academy, door, "AWS::ApiGatewayV2::Stage")
    apart = set(stage["RouteSettings"])
    known = {f"{method} {path}" for method, path in handler.THROTTLED}
    assert {"POST /sign-in", "POST /code"} <= apart <= known


def test_every_request_is_handed_to_the_door_and_none_is_believed(academy, door):
    resources = academy.templates[door]["Resources"]
    routes = [r["Properties"] for r in resources.values() if r["Type"].endswith("::Route")]
    assert {each["RouteKey"] for each in routes} == {"$default", *open_api.CODES.values()}
    assert {each["AuthorizationType"] for each in routes} == {"NONE"}
    integration = only(academy, door, "AWS::ApiGatewayV2::Integration")
    assert integration["IntegrationType"] == "AWS_PROXY"
    assert integration["PayloadFormatVersion"] == "2.0"
    function, _ = integration["IntegrationUri"]["Fn::GetAtt"]
    assert resources[function]["Properties"]["FunctionName"] == academy.names.function("door")


def test_codes_are_throttled_apart_from_pages(academy, door):
    stage = only(academy, door, "AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": open_api.RATE,
        "ThrottlingBurstLimit": open_api.BURST,
    }
    assert stage["RouteSettings"].keys() == {"POST /sign-in", "POST /code"}
    for settings in stage["RouteSettings"].values():
        assert settings["ThrottlingRateLimit"] < open_api.RATE


def test_the_access_log_has_neither_query_nor_header_nor_body(academy, door):
    settings = only(academy, door, "AWS::ApiGatewayV2::Stage")["AccessLogSettings"]
    assert settings["DestinationArn"].endswith(f":log-group:{academy.names.access_log_group}")
    logged = json.loads(settings["Format"])
    assert set(logged.values()) == {
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.sourceIp",
        "$context.httpMethod",
        # Without the query string: "Variables for access logging for HTTP APIs".
        "$context.path",
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.integrationErrorMessage",
    }
    # A path with a quotation mark in it, were it not escaped, could say nothing that stays said.
    forged = settings["Format"].replace("$context.path", '/x","ip":"192.0.2.1","status":"200')
    assert json.loads(forged) == {**logged, "path": "/x"}


def test_the_api_alone_may_call_the_door(academy, door):
    permission = only(academy, door, "AWS::Lambda::Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    text = json.dumps(permission["SourceArn"])
    assert "arn:aws:execute-api:us-east-1:123456789012:" in text


def test_the_function_says_what_took_long_before_the_api_gives_up(academy, door):
    function = only(academy, door, "AWS::Lambda::Function")
    integration = only(academy, door, "AWS::ApiGatewayV2::Integration")
    assert function["Timeout"] * 1000 < integration["TimeoutInMillis"] <= 30_000


def test_the_address_is_told_by_a_parameter(academy, door):
    [url] = [
        resource["Properties"]
        for resource in academy.templates[door]["Resources"].values()
        if resource["Properties"].get("Name") == academy.names.door_url_parameter
    ]
    assert url["Value"]["Fn::GetAtt"][1] == "ApiEndpoint"


# --- what it is told ------------------------------------------------------------------------------


def test_a_changed_list_of_people_starts_the_function_anew(academy, cohort, synthesis, tmp_path):
    def version(made):
        function = only(made, made.names.door_stack, "AWS::Lambda::Function")
        return function["Environment"]["Variables"]["PEOPLE_VERSION"]

    without = cohort.model_copy(update={"teams": cohort.teams[:1]})
    assert version(synthesis(without, tmp_path)) != version(academy)


def test_the_pages_of_people_are_everybody_and_fit_into_ssm(cohort):
    document = cohort.model_dump()
    document["teams"] = [
        {
            "id": f"team-{number:03}",
            "learners": [
                {"id": f"learner-{number:03}-{i}", "email": f"l{number}-{i}@example.org"}
                for i in range(2)
            ],
        }
        for number in range(250)
    ]
    document["advisors"] = [
        {"id": f"advisor-{i:03}", "email": f"a{i}@example.org"} for i in range(100)
    ]
    large = type(cohort).model_validate(document)
    pages = sign_in.people_pages(large)
    assert len(pages) > 1
    assert max(map(len, pages)) <= PARAMETER_MAX
    read = [json.loads(page) for page in pages]
    assert {page["schema_version"] for page in read} == {sign_in.PEOPLE_VERSION}
    assert [each for page in read for each in page["teams"].items()] == [
        (team.id, [each.id for each in team.learners]) for team in large.teams
    ]
    assert [id for page in read for id in page["advisors"]] == [each.id for each in large.advisors]


def test_five_hundred_learners_fit_into_stacks(academy):
    """Users stand with their team: in one stack there would be more than CloudFormation takes."""
    stack = academy.templates[academy.names.door_stack]["Resources"]
    assert not [
        each
        for each in stack.values()
        if each["Type"] == "AWS::Cognito::UserPoolUser"
        and naming.person_of_user(each["Properties"]["Username"])
        in {learner.id for _, learner in academy.cohort.learners}
    ]


# --- what it may do -------------------------------------------------------------------------------


def test_the_door_asks_the_broker_and_calls_nothing_else(academy, statements):
    broker = academy.arns.function("broker")
    invoking = {
        sid: (statement["Effect"], statement["Resource"])
        for sid, statement in statements.items()
        if any(action.startswith("lambda:") for action in statement["Action"])
    }
    assert invoking == {
        "AskTheBroker": ("Allow", [f"{broker}:*"]),
        "AlwaysAsSomebody": (
            "Deny",
            [f"{broker}:$LATEST", *(f"{broker}:{digit}*" for digit in range(10))],
        ),
    }


def test_the_door_writes_notes_and_nothing_else(academy, statements):
    writing = {
        action: statement["Resource"]
        for statement in statements.values()
        for action in statement["Action"]
        if not action.split(":")[1].startswith(("Get", "List", "Describe", "Query", "Decrypt"))
        and not action.startswith(("lambda:", "logs:"))
    }
    work = f"arn:aws:s3:::{academy.arns.bucket_name('work')}"
    assert writing == {"s3:PutObject": [f"{work}/notes/*"]}
    # And what an advisor said stays said, whoever has taken the function over.
    assert statements["WriteNotes"]["Condition"] == {"Null": {"s3:if-none-match": "false"}}


def test_the_door_reads_neither_answers_nor_scores_nor_submissions_nor_homes(academy, statements):
    resources = json.dumps([each["Resource"] for each in statements.values()])
    for purpose in ("vault", "data"):
        assert academy.arns.bucket_name(purpose) not in resources
    assert academy.names.board_table not in resources
    assert "submissions/" not in resources
    # Of a team's folder, what the team shares.
    assert "teams/*/shared/*" in resources
    assert 'teams/*"' not in resources
    assert not any("cognito" in a for each in statements.values() for a in each["Action"])


# --- without it -----------------------------------------------------------------------------------


def test_a_cohort_without_a_door_has_nothing_of_it(cohort, synthesis, tmp_path):
    made = synthesis(cohort.model_copy(update={"door": None}), tmp_path)
    assert made.names.door_stack not in made.templates
    text = json.dumps(made.templates)
    assert "Cognito" not in text
    assert "ApiGateway" not in text
    assert made.dependencies[made.names.team_stack("falcon")] == {made.names.competition_stack}


@pytest.mark.parametrize(
    "user", ["ana", "ana--", "ana--12345678x", "ana--1234567", "--12345678", "Ana--12345678", ""]
)
def test_a_user_that_no_deploy_has_made_is_nobody(user):
    assert naming.person_of_user(user) is None


def test_a_users_name_gives_back_the_person():
    assert naming.person_of_user(Names.user("ana-2", "Ana@Example.org")) == "ana-2"
    assert Names.user("ana", "Ana@Example.org") == Names.user("ana", "ana@example.org")


# --- the organisation's own provider --------------------------------------------------------------
@pytest.fixture(scope="module")
def provided(cohort, tmp_path_factory):
    return conftest.synthesize(conftest.with_provider(cohort), tmp_path_factory.mktemp("provided"))


def of(academy, type_):
    stack = academy.templates[academy.names.door_stack]["Resources"]
    return [each["Properties"] for each in stack.values() if each["Type"] == type_]


def test_without_a_provider_nothing_of_it_is_there(academy):
    kinds = {resource["Type"] for _, resource in academy.resources()}
    assert not {kind for kind in kinds if kind.endswith(("IdentityProvider", "PoolDomain"))}
    assert len(of(academy, "AWS::Cognito::UserPool")) == 1
    assert "addresses" not in json.loads(sign_in.people_pages(academy.cohort)[0])


def test_a_provider_has_a_pool_of_its_own_in_which_a_deploy_makes_nobody(provided):
    stack = provided.templates[provided.names.door_stack]["Resources"]
    [pool] = [name for name in stack if name.startswith("ProviderPool")]
    assert stack[pool]["Properties"]["UserPoolName"] == provided.names.provider_pool
    assert "AliasAttributes" not in stack[pool]["Properties"]
    assert stack[pool]["Properties"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    for user in of(provided, "AWS::Cognito::UserPoolUser"):
        assert user["UserPoolId"] != {"Ref": pool}
    [believed] = of(provided, "AWS::Cognito::UserPoolIdentityProvider")
    assert believed["UserPoolId"] == {"Ref": pool}
    assert believed["AttributeMapping"] == {"email": "email", "email_verified": "email_verified"}


def test_the_clients_secret_is_read_by_the_deploy_and_stands_in_no_template(provided):
    reference = "{{resolve:secretsmanager:academy/agency}}"
    [believed] = of(provided, "AWS::Cognito::UserPoolIdentityProvider")
    assert believed["ProviderDetails"]["client_secret"] == reference
    written = json.dumps(provided.templates)
    assert written.count("resolve:") == 1


def test_tokens_by_the_provider_say_who_it_is_and_do_nothing(provided):
    [client] = [
        each
        for each in of(provided, "AWS::Cognito::UserPoolClient")
        if each["SupportedIdentityProviders"] == ["Agency"]
    ]
    assert client["AllowedOAuthScopes"] == ["openid", "email"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["ExplicitAuthFlows"] == ["ALLOW_CUSTOM_AUTH"]
    [callback] = client["CallbackURLs"]
    assert callback["Fn::Join"][1][1] == "/signed-in"
    assert "LogoutURLs" not in client


def test_ways_by_the_provider_are_throttled_as_codes_are(provided):
    [stage] = of(provided, "AWS::ApiGatewayV2::Stage")
    assert stage["RouteSettings"].keys() == {
        f"{method} {path}" for method, path in handler.THROTTLED
    }
    keys = {each["RouteKey"] for each in of(provided, "AWS::ApiGatewayV2::Route")}
    assert keys == {"$default", *stage["RouteSettings"]}


def test_the_door_may_see_whether_a_person_may_sign_in_and_nothing_else_of_cognito(provided):
    [role] = [
        each
        for each in of(provided, "AWS::IAM::Role")
        if each["RoleName"] == provided.names.role("service", "door")
    ]
    written = [
        statement
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "cognito" in json.dumps(statement["Action"])
    ]
    [statement] = written
    assert statement["Action"] == "cognito-idp:AdminGetUser"
    assert statement["Resource"]["Fn::GetAtt"][0].startswith("SignInPool")


def test_a_page_of_people_has_hashes_of_all_addresses_and_fits(cohort):
    teams = [
        Team(
            id=f"team-{number}",
            learners=[
                Person(id=f"learner-{number}-{each}", email=f"Person.{number}.{each}@example.org")
                for each in range(4)
            ],
        )
        for number in range(60)
    ]
    large = conftest.with_provider(cohort).model_copy(update={"teams": teams})
    pages = sign_in.people_pages(large)
    assert len(pages) > 1
    assert all(len(page) <= PARAMETER_MAX for page in pages)
    assert "@" not in "".join(pages)
    found = people.read(pages)
    assert found.by_address("person.7.2@EXAMPLE.org").id == "learner-7-2"
    for _, learner in large.learners:
        user = naming.user_of(learner.id, found.addresses[learner.id])
        assert user == Names.user(learner.id, learner.email)
