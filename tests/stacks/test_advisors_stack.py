"""The advisors' stack: each sees every team's work and changes nobody's, and no more than that."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint

from infra.assurance import iam
from infra.cohort import naming
from infra.cohort.model import Cohort, Person, Team
from infra.constructs import policies, workspace
from infra.constructs.arns import Arns
from infra.constructs.attached_images import AttachedImages
from infra.constructs.network import Inside
from infra.constructs.statements import document
from infra.services.guard.settings import Settings
from tests.stacks.conftest import ACCOUNT, Academy, image_version, permissions_of, synthesize

#: Source: "IAM and AWS STS quotas", managed policy size.
MANAGED_MAX = 6144
NOON = "2026-12-01T12:00:00Z"


def advised(cohort: Cohort, **changes: Any) -> Cohort:
    """The example's cohort, whose budget pays for a space of its advisor."""
    budget = cohort.budget.model_copy(update={"per_advisor_usd": Decimal("12.50")})
    return cohort.model_copy(update={"budget": budget, **changes})


@pytest.fixture(scope="module")
def made(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Academy:
    return synthesize(advised(cohort), tmp_path_factory.mktemp("advised"))


@pytest.fixture(scope="module")
def shared(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Academy:
    """One team of one, whose learner shares a domain with two advisors, on the academy's images."""
    ana, ben, chi = (Person(id=each, email="a@example.org") for each in ("ana", "ben", "chi"))
    teams = [Team(id="falcon", learners=[ana])]
    small = advised(cohort, isolation="cohort", teams=teams, advisors=[ben, chi])
    return synthesize(small, tmp_path_factory.mktemp("shared"), image_version())


@pytest.fixture(scope="module")
def template(made: Academy) -> Any:
    return made.template(made.names.advisors_stack)


def config_of(made: Academy, person: str) -> dict[str, Any]:
    name = made.names.workspace_parameter(person)
    parameters = made.template(made.names.advisors_stack).find_resources(
        "AWS::SSM::Parameter", {"Properties": {"Name": name}}
    )
    [parameter] = parameters.values()
    value = parameter["Properties"]["Value"]
    parts = value["Fn::Join"][1] if isinstance(value, dict) else [value]
    text = "".join(part if isinstance(part, str) else "d-0123456789ab" for part in parts)
    assert len(text) <= 4096, "the standard tier of SSM parameters"
    found: dict[str, Any] = json.loads(text)
    return found


# --- what there is --------------------------------------------------------------------------------
def test_without_a_budget_there_is_nothing_of_advisors(academy: Academy, made: Academy) -> None:
    names = academy.names
    assert names.advisors_stack not in academy.order
    assert names.advisors_stack in made.order
    own = {name: each for name, each in academy.templates.items() if name != names.door_stack}
    assert "advisor" not in json.dumps(own)
    assert academy.cohort.advisors, "the example has an advisor, who may sign in at the door"


def test_it_is_deployed_when_whoever_can_submit_is_scored(made: Academy) -> None:
    names = made.names
    assert made.dependencies[names.advisors_stack] == {names.competition_stack}


@pytest.mark.parametrize(
    "kind", ["Domain", "UserProfile", "Space"], ids=["a domain", "a profile", "a space"]
)
def test_an_advisor_has_what_a_learner_has(template: Any, kind: str) -> None:
    template.resource_count_is(f"AWS::SageMaker::{kind}", 1)


def test_the_alias_is_the_advisors_identity(template: Any) -> None:
    template.has_resource_properties(
        "AWS::Lambda::Alias",
        {"Name": "shelley", "FunctionName": "earth-2026-fall-broker", "FunctionVersion": "$LATEST"},
    )


@pytest.mark.slow
def test_where_the_cohort_shares_a_domain_advisors_have_none_of_their_own(shared: Academy) -> None:
    stack = shared.template(shared.names.advisors_stack)
    stack.resource_count_is("AWS::SageMaker::Domain", 0)
    stack.resource_count_is("AWS::SageMaker::Space", 2)
    stack.has_parameter("Studiodomain", {"Default": shared.names.domain_parameter})


def test_every_name_is_promised_to_the_check_of_cohort_files(made: Academy) -> None:
    teams = [(team.id, [x.id for x in team.learners]) for team in made.cohort.teams]
    promised = set(made.names.every(teams, advisors=["shelley"], door=True, account=ACCOUNT))
    kinds = {
        "AWS::SageMaker::Domain": ("domain", "DomainName"),
        "AWS::SageMaker::UserProfile": ("profile", "UserProfileName"),
        "AWS::SageMaker::Space": ("space", "SpaceName"),
        "AWS::IAM::Role": ("role", "RoleName"),
        "AWS::Lambda::Alias": ("alias", "Name"),
        "AWS::SSM::Parameter": ("parameter", "Name"),
    }
    resources = made.templates[made.names.advisors_stack]["Resources"].values()
    found = {
        (kinds[each["Type"]][0], each["Properties"][kinds[each["Type"]][1]])
        for each in resources
        if each["Type"] in kinds
    }
    assert len(found) == len(kinds) + 1, "two parameters: the config and the roster"
    assert found <= promised
    assert all(naming.illegal(kind, name) is None for kind, name in found)


def test_the_config_says_who_she_is_and_gives_prefixes_that_take_a_team(made: Academy) -> None:
    config = config_of(made, "shelley")
    assert (config["kind"], config["learner"], config["team"]) == ("advisor", "shelley", "")
    assert config["training_role"] == ""
    assert config["prefixes"]["team"] == "teams/{team}/"
    assert config["prefixes"]["receipts"] == "receipts/{project}/{team}/"
    assert config["roster"] == ["/academy/earth-2026-fall/roster/1"]
    assert config["gpus"] == {"ml.g5.xlarge": 1}
    assert config["broker"].endswith(":function:earth-2026-fall-broker:shelley")


def test_the_roster_names_every_team_in_pages_that_ssm_takes(cohort: Cohort) -> None:
    def team(number: int) -> Team:
        ids = (f"learner-{number:04}-{x}" for x in "abcd")
        learners = [Person(id=each, email="a@example.org") for each in ids]
        return Team(id=f"team-{number:04}", learners=learners)

    many = cohort.model_copy(update={"teams": [team(number) for number in range(125)]})
    pages = workspace.roster(many)
    assert len(pages) > 1
    assert max(map(len, pages)) <= workspace.PARAMETER_MAX
    found: dict[str, list[str]] = {}
    for page in pages:
        found |= json.loads(page)
    assert found == {t.id: [each.id for each in t.learners] for t in many.teams}
    assert list(found) == [t.id for t in many.teams], "in the file's order"


# --- money ----------------------------------------------------------------------------------------
def test_the_broker_knows_the_advisors_and_their_cap(made: Academy) -> None:
    [text] = [
        each["Properties"]["Value"]
        for _, each in made.resources("AWS::SSM::Parameter")
        if each["Properties"]["Name"] == made.names.settings_parameter
    ]
    settings = Settings.from_json(text)
    assert settings.advisors == {"shelley"}
    assert settings.cap_of("shelley") == 12_500_000
    assert settings.cap_of("ana") == 25_000_000


def test_the_back_stop_covers_the_advisors_too(academy: Academy, made: Academy) -> None:
    def limit(of: Academy) -> float:
        [(_, budget)] = of.resources("AWS::Budgets::Budget")
        return float(budget["Properties"]["Budget"]["BudgetLimit"]["Amount"])

    assert limit(academy) == 4 * 25
    assert limit(made) == 4 * 25 + 12.5


# --- what she may ---------------------------------------------------------------------------------
def may(made: Academy, kind: str, name: str, action: str, resource: str, **context: str) -> bool:
    """IAM's answer by the role's own policies and the boundary."""
    names, arns = made.names, made.arns
    [role] = [
        each["Properties"]
        for _, each in made.resources("AWS::IAM::Role")
        if each["Properties"]["RoleName"] == names.role(kind, name)
    ]
    assert role["PermissionsBoundary"] == arns.boundary
    assert role["Path"] == f"/academy/earth-2026-fall/{kind}/"
    [boundary] = [
        each["Properties"]["PolicyDocument"]
        for _, each in made.resources("AWS::IAM::ManagedPolicy")
        if each["Properties"]["ManagedPolicyName"] == names.boundary_policy
    ]
    arn = arns.role(kind, name)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{names.role(kind, name)}/SageMaker"
    own = [each["PolicyDocument"] for each in role["Policies"]]
    return iam.decide(
        iam.Request(
            iam.Principal.session(session, role_arn=arn),
            action,
            resource,
            {"aws:PrincipalArn": arn, "aws:CurrentTime": NOON, **context},
        ),
        iam.Policies(
            identity=tuple(iam.Policy.parse(each) for each in own),
            boundary=iam.Policy.parse(boundary),
        ),
    ).allowed


def shelley(made: Academy, action: str, resource: str, **context: str) -> bool:
    return may(made, "advisor", "shelley", action, resource, **context)


@pytest.mark.parametrize("team", ["falcon", "heron"])
@pytest.mark.parametrize("prefix", ["teams", "submissions/land-cover", "receipts/land-cover"])
def test_she_reads_every_teams_work_and_writes_none(made: Academy, prefix: str, team: str) -> None:
    work = made.arns.bucket("work")
    key = f"{work}/{prefix}/{team}/x"
    assert shelley(made, "s3:GetObject", key)
    assert shelley(made, "s3:ListBucket", work, **{"s3:prefix": f"{prefix}/{team}/"})
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        assert not shelley(made, action, key, **{"s3:if-none-match": "*"}), action


def test_beside_it_she_reads_what_learners_read(made: Academy) -> None:
    arns = made.arns
    for bucket, key in (
        ("data", "datasets/land-cover/x"),
        ("data", "software/academy.whl"),
        ("data", "templates/welcome/welcome.ipynb"),
        ("site", "boards/land-cover.json"),
    ):
        assert shelley(made, "s3:GetObject", f"{arns.bucket(bucket)}/{key}"), key
    for bucket, key in (
        ("vault", "answers/land-cover/answers.json"),
        ("work", "checked/land-cover/falcon/x"),
        ("data", "elsewhere"),
    ):
        assert not shelley(made, "s3:GetObject", f"{arns.bucket(bucket)}/{key}"), key
    assert not shelley(made, "s3:ListBucket", arns.bucket("work"), **{"s3:prefix": ""})


def test_she_sees_every_teams_jobs_and_starts_and_stops_none(made: Academy) -> None:
    arns = made.arns
    job = (
        f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/earth-2026-fall--heron--chi--0123abcd"
    )
    assert shelley(made, "sagemaker:DescribeTrainingJob", job)
    for action in ("CreateTrainingJob", "StopTrainingJob", "AddTags", "UpdateTrainingJob"):
        assert not shelley(made, f"sagemaker:{action}", job), action
    other = job.replace("earth-2026-fall--", "earth-2026-spring--")
    assert not shelley(made, "sagemaker:DescribeTrainingJob", other)
    stream = arns.log_streams("/aws/sagemaker/TrainingJobs", "earth-2026-fall--heron--chi--01")
    assert shelley(made, "logs:GetLogEvents", stream.replace("*", "23abcd/algo-1"))
    assert not shelley(made, "logs:PutLogEvents", stream.replace("*", "23abcd/algo-1"))


def test_she_asks_the_broker_by_her_own_alias_alone(made: Academy) -> None:
    arns = made.arns
    assert shelley(made, "lambda:InvokeFunction", arns.broker_alias("shelley"))
    for other in (arns.broker_alias("ana"), arns.function("broker"), arns.function("scorer")):
        assert not shelley(made, "lambda:InvokeFunction", other)


def test_the_roster_is_for_advisors_and_configs_are_their_owners(made: Academy) -> None:
    names, arns = made.names, made.arns
    roster = arns.parameter(names.roster_parameter(1))
    assert shelley(made, "ssm:GetParameter", roster)
    assert not may(made, "learner", "ana", "ssm:GetParameter", roster)
    assert shelley(made, "ssm:GetParameter", arns.parameter(names.workspace_parameter("shelley")))
    ana = arns.parameter(names.workspace_parameter("ana"))
    assert not shelley(made, "ssm:GetParameter", ana)
    assert not shelley(made, "ssm:GetParameter", arns.parameter(names.settings_parameter))


def test_outside_the_dates_she_may_nothing(made: Academy) -> None:
    key = f"{made.arns.bucket('site')}/boards/land-cover.json"
    assert shelley(made, "s3:GetObject", key)
    for time in ("2026-11-15T23:59:59Z", "2027-04-01T00:00:00Z"):
        assert not shelley(made, "s3:GetObject", key, **{"aws:CurrentTime": time}), time


def test_the_boundary_holds_whatever_an_advisors_own_policy_says(made: Academy) -> None:
    """And it grants learners nothing that they did not have."""
    arns, names = made.arns, made.names
    everything = iam.Policy.parse(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        },
    )
    limits = iam.Policy.parse(document(policies.boundary(arns, made.cohort)))

    def most(kind: str, name: str, action: str, resource: str) -> bool:
        arn = arns.role(kind, name)
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{names.role(kind, name)}/SageMaker"
        request = iam.Request(
            iam.Principal.session(session, role_arn=arn),
            action,
            resource,
            {"aws:PrincipalArn": arn, "aws:CurrentTime": NOON},
        )
        return iam.decide(request, iam.Policies(identity=(everything,), boundary=limits)).allowed

    folder = f"{arns.bucket('work')}/teams/falcon/x"
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        assert most("learner", "ana", action, folder)
        assert not most("advisor", "shelley", action, folder)
    roster = arns.parameter(names.roster_parameter(1))
    assert most("advisor", "shelley", "ssm:GetParameter", roster)
    assert not most("learner", "ana", "ssm:GetParameter", roster)
    assert not most("training", "falcon", "ssm:GetParameter", roster)


def test_her_policy_lists_what_it_allows_and_no_more(made: Academy) -> None:
    allowed = permissions_of(made)["earth-2026-fall--advisor--shelley"].values()
    assert {action for statement in allowed for action in statement["Action"]} == {
        *("s3:ListBucket", "s3:GetObject", "ssm:GetParameter", "lambda:InvokeFunction"),
        *("sagemaker:DescribeTrainingJob", "logs:GetLogEvents", "logs:DescribeLogStreams"),
        *("logs:CreateLogStream", "logs:PutLogEvents", "logs:CreateLogGroup"),
    }


@pytest.mark.parametrize(
    "inside", [None, Inside(("subnet-0123456789abcdef0",) * 2, "sg-0123456789abcdef0")]
)
def test_the_boundary_fits_with_advisors_images_and_the_longest_names(
    cohort: Cohort, inside: Inside | None
) -> None:
    arns = Arns(naming.Names("a" * naming.COHORT_MAX), ACCOUNT, "ap-southeast-1")
    longest = advised(cohort, name="a" * naming.COHORT_MAX)
    images = AttachedImages.of(longest, image_version(), account=ACCOUNT)
    text = json.dumps(
        document(policies.boundary(arns, longest, images, inside)), separators=(",", ":")
    )
    assert len(text) <= MANAGED_MAX


@pytest.mark.slow
def test_with_images_her_space_pulls_what_it_starts_on(shared: Academy) -> None:
    pulls = permissions_of(shared)["earth-2026-fall--advisor--ben"]["PullSpaceImage"]["Resource"]
    assert pulls
    assert all(":repository/academy/" in each for each in pulls)


def test_aws_review_rules_find_nothing(made: Academy) -> None:
    report = AwsSolutionsChecks(made.app).validate_scope(made.app)
    assert [each.rule_name for each in report.violations] == []


def test_cloudformations_schemas_accept_the_stack(made: Academy) -> None:
    template = made.templates[made.names.advisors_stack]
    assert lint(json.dumps(template, indent=1), regions=["us-east-1"]) == []
