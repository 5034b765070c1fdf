"""A cohort on the academy's images: what its stacks attach, allow and tell the broker; and that
one without them is as it was."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Match

from infra.assurance.iam import Policies, Policy, Principal, Request, decide
from infra.assurance.standing_cost import standing_cost
from infra.assurance.templates import Templates
from infra.cohort.images import FLAVOURS
from infra.cohort.model import Cohort
from infra.constructs import policies as of_roles
from infra.constructs.attached_images import AttachedImages, MissingFlavours
from infra.constructs.statements import document
from infra.services.guard.settings import Settings
from infra.stacks.academy import add_stacks
from tests.stacks.conftest import ACCOUNT, image_version, permissions_of
from tests.stacks.test_every_stack import INLINE_MAX, MANAGED_MAX, MODELLED, policies, size
from tests.stacks.test_review_rules import complaints, findings

SAGEMAKER = "arn:aws:sagemaker:us-east-1:123456789012"
ECR = "arn:aws:ecr:us-east-1:123456789012:repository/academy"
AWS_OWN = "arn:aws:ecr:us-east-1:763104351884:repository/pytorch-training"
READS_SSM = "AWS::SSM::Parameter::Value<String>"


def narrowed(cohort: Cohort, **changes: Any) -> Cohort:
    """The cohort with some of its studio's and its training's instances, and of its projects."""
    document = json.loads(cohort.model_dump_json())
    for part in ("studio", "training"):
        if part in changes:
            document[part]["instances"] = changes.pop(part)
    return Cohort.model_validate({**document, **changes})


@pytest.fixture(scope="module")
def team(imaged):
    return imaged.template(imaged.names.team_stack("falcon"))


@pytest.fixture(scope="module")
def permissions(imaged):
    return permissions_of(imaged)


def arn_of(flavour: str, number: int = 7) -> str:
    return f"{SAGEMAKER}:image-version/academy-{flavour}/{number}"


def deployed_settings(academy) -> str:
    """The settings parameter once CloudFormation has read the image versions' ARNs from SSM."""
    template = academy.templates[academy.names.guard_stack]
    [value] = [
        resource["Properties"]["Value"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter"
    ]
    [separator, parts] = value["Fn::Join"]
    assert separator == ""
    return "".join(
        part
        if isinstance(part, str)
        else arn_of(template["Parameters"][part["Ref"]]["Default"].split("/")[2])
        for part in parts
    )


# --- what is attached ---------------------------------------------------------------------------


def test_every_domain_attaches_the_images_of_its_projects_and_instances(team):
    flavours = {
        "segmentation-cpu": "Imagesegmentationcpuv2",
        "segmentation-gpu": "Imagesegmentationgpuv2",
        "forecasting-cpu": "Imageforecastingcpuv2",
        "forecasting-gpu": "Imageforecastinggpuv2",
    }
    team.all_resources_properties(
        "AWS::SageMaker::Domain",
        {
            "DefaultUserSettings": {
                "JupyterLabAppSettings": {
                    "CustomImages": [
                        {
                            "ImageName": f"academy-{flavour}",
                            "AppImageConfigName": f"academy-{flavour}",
                            # AWS counts: the last part of the ARN that Academy-Images wrote down.
                            "ImageVersionNumber": {
                                "Fn::Select": [2, {"Fn::Split": ["/", {"Ref": parameter}]}]
                            },
                        }
                        for flavour, parameter in flavours.items()
                    ]
                }
            }
        },
    )
    for flavour, parameter in flavours.items():
        found = {"Type": READS_SSM, "Default": f"/academy-images/{flavour}/v2"}
        team.has_parameter(parameter, found)


def test_the_start_script_stays_attached(team, imaged):
    team.all_resources_properties(
        "AWS::SageMaker::Domain",
        {
            "DefaultUserSettings": {
                "JupyterLabAppSettings": {
                    "LifecycleConfigArns": [Match.string_like_regexp("--start-[0-9a-f]{8}$")]
                }
            }
        },
    )


def test_a_domain_attaches_no_more_than_its_spaces_need(cohort, synthesis, tmp_path):
    few = narrowed(cohort, studio=["ml.t3.medium"], projects=["climate-series"])
    academy = synthesis(few, tmp_path, image_version())
    for _, domain in academy.resources("AWS::SageMaker::Domain"):
        lab = domain["Properties"]["DefaultUserSettings"]["JupyterLabAppSettings"]
        assert [each["ImageName"] for each in lab["CustomImages"]] == ["academy-forecasting-cpu"]
    # Its jobs run on GPUs too, and those images are the broker's to name.
    images = Settings.from_json(deployed_settings(academy)).images
    assert set(images) == {("climate-series", "cpu"), ("climate-series", "gpu")}
    start = permissions_of(academy)[academy.names.role("service", "broker")]["StartSpaces"]
    assert start["Condition"]["ForAllValues:StringEquals"]["sagemaker:ImageArns"] == [
        f"{SAGEMAKER}:image/academy-forecasting-cpu"
    ]


def test_another_version_is_read_by_another_parameter(cohort, imaged, synthesis, tmp_path):
    """The CDK CLI keeps the value that a parameter of a deployed stack has, whatever its default:
    under the same name the cohort would stay on the version before."""
    other = synthesis(cohort, tmp_path, image_version(number=3))
    for stack, template in other.templates.items():
        before = imaged.templates[stack].get("Parameters", {})
        for name, parameter in template.get("Parameters", {}).items():
            if parameter.get("Default", "").startswith("/academy-images/"):
                assert parameter["Default"].endswith("/v3")
                assert name not in before
    # What a domain and a space have besides is as it was: neither is replaced.
    stack = imaged.names.team_stack("falcon")
    again = json.dumps(other.templates[stack], sort_keys=True).replace("v3", "v2")
    assert again == json.dumps(imaged.templates[stack], sort_keys=True)


def test_a_cohort_contains_no_images(imaged):
    """They are the account's: destroying a cohort must not touch them."""
    for path, resource in imaged.resources():
        assert resource["Type"] in MODELLED, path
        assert "Image" not in resource["Type"], path
        assert "::ECR::" not in resource["Type"], path


# --- what is missing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "flavours"),
    [
        ({}, FLAVOURS),
        ({"projects": ["land-cover"]}, ("segmentation-cpu", "segmentation-gpu")),
        ({"studio": ["ml.t3.medium"], "training": ["ml.m5.large"]}, FLAVOURS[::2]),
        # One kind of instance for spaces, the other for jobs.
        ({"studio": ["ml.t3.medium"], "training": ["ml.g5.xlarge"]}, FLAVOURS),
    ],
)
def test_a_version_has_to_have_what_the_cohort_needs_and_no_more(cohort, changes, flavours):
    needy = narrowed(cohort, **changes)
    attached = AttachedImages.of(needy, image_version(flavours=flavours), account=ACCOUNT)
    assert attached.all == flavours
    for lacking in flavours:
        version = image_version(flavours=tuple(f for f in flavours if f != lacking))
        with pytest.raises(MissingFlavours) as missing:
            AttachedImages.of(needy, version, account=ACCOUNT)
        said = str(missing.value)
        assert f"version 2 of the images in account {ACCOUNT}, us-east-1, has no {lacking}" in said
        assert "cohort images build" in said
        assert "cohort images use VERSION" in said


def test_a_version_that_lacks_an_image_stops_the_synth(cohort):
    app = App()
    with pytest.raises(MissingFlavours):
        add_stacks(app, cohort, account=ACCOUNT, images=image_version(flavours=FLAVOURS[:1]))
    assert not app.node.children[1:], "before any stack was made"


# --- without images -------------------------------------------------------------------------------


def test_images_add_to_a_teams_stack_and_change_nothing_of_it(academy, imaged):
    """Without a version a cohort is exactly what it is today; taken away again, what a version
    adds leaves that."""
    for team in academy.cohort.teams:
        stack = academy.names.team_stack(team.id)
        stripped = copy.deepcopy(imaged.templates[stack])
        for name in [n for n in stripped["Parameters"] if n.startswith("Image")]:
            del stripped["Parameters"][name]
        for resource in stripped["Resources"].values():
            if resource["Type"] == "AWS::SageMaker::Domain":
                settings = resource["Properties"]["DefaultUserSettings"]
                del settings["JupyterLabAppSettings"]["CustomImages"]
            if resource["Type"] == "AWS::IAM::Role":
                [policy] = resource["Properties"]["Policies"]
                strip_pulls(policy["PolicyDocument"], learner=policy["PolicyName"] == "learner")
        assert stripped == academy.templates[stack]


def strip_pulls(policy: dict[str, Any], *, learner: bool) -> None:
    added = {"PullSpaceImage", "LogInToImages"} if learner else set()
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] not in added]
    for statement in policy["Statement"]:
        if statement["Sid"] == "PullTrainingImage":
            statement["Resource"] = [r for r in statement["Resource"] if not r.startswith(ECR)]


def test_without_images_no_stack_knows_of_any(academy):
    text = json.dumps(academy.templates)
    for word in ("CustomImages", "academy-images", "repository/academy", "image-version"):
        assert word not in text
    template = academy.templates[academy.names.guard_stack]
    [value] = [
        resource["Properties"]["Value"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter"
    ]
    assert json.loads(value)["images"] == {}
    assert not Settings.from_json(value).images


# --- what the broker is told ----------------------------------------------------------------------


def test_the_settings_name_a_spaces_version_and_a_jobs_digest(imaged):
    settings = Settings.from_json(deployed_settings(imaged))
    image = settings.image("land-cover", "ml.g5.xlarge")
    assert image.app == arn_of("segmentation-gpu")
    training = image_version().images["segmentation-gpu"].training
    assert image.job == (
        f"123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/segmentation-gpu@{training}"
    )
    assert len(settings.images) == 4
    assert settings.image("climate-series", "ml.m5.large").app == arn_of("forecasting-cpu")


def test_settings_that_ssm_would_not_take_stop_the_synth(cohort):
    many = {
        "instances": [f"ml.g4dn.{number}xlarge" for number in range(200)],
        "max_hours": 4,
    }
    # Not by way of the file's own checks: none of these types has a price.
    large = cohort.model_copy(
        update={"training": cohort.training.model_copy(update={"instances": many["instances"]})}
    )
    with pytest.raises(ValueError, match=r"settings of earth-2026-fall have \d+ characters"):
        add_stacks(App(), large, account=ACCOUNT, images=image_version())


# --- what roles may do ----------------------------------------------------------------------------


def test_roles_pull_what_the_cohort_runs_on_and_nothing_else(permissions, imaged):
    ours = [f"{ECR}/{flavour}" for flavour in FLAVOURS]
    learner = permissions["earth-2026-fall--learner--ana"]
    assert learner["PullSpaceImage"]["Resource"] == ours
    training = permissions["earth-2026-fall--training--falcon"]
    assert training["PullTrainingImage"]["Resource"] == [AWS_OWN, *ours]
    pulls = {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    for name, statements in permissions.items():
        actions = {a for s in statements.values() for a in s["Action"] if a.startswith("ecr:")}
        may = {*pulls, "ecr:GetAuthorizationToken"} if "--service--" not in name else set()
        assert actions == may, name
    [boundary] = imaged.resources("AWS::IAM::ManagedPolicy")
    [statement] = [
        s for s in policies(boundary[1])[0]["Statement"] if s["Sid"] == "PullTrainingImage"
    ]
    assert statement["Resource"] == [AWS_OWN, *ours]


def start_space(permissions, **resources: str) -> bool:
    """Whether IAM lets the broker start ana's space on these: the keys that CreateApp has."""
    broker = permissions["earth-2026-fall--service--broker"]
    role = "arn:aws:iam::123456789012:role/academy/earth-2026-fall/service/broker"
    session = "arn:aws:sts::123456789012:assumed-role/broker/lambda"
    context = {f"sagemaker:{key}": (value,) for key, value in resources.items()}
    request = Request(
        Principal.session(session, role_arn=role),
        "sagemaker:CreateApp",
        f"{SAGEMAKER}:app/d-0/earth-2026-fall--ana/jupyterlab/default",
        context,
        None,
    )
    policy = Policy.parse({"Version": "2012-10-17", "Statement": list(broker.values())})
    return decide(request, Policies(identity=(policy,))).allowed


SEGMENTATION = {
    "ImageArns": f"{SAGEMAKER}:image/academy-segmentation-cpu",
    "ImageVersionArns": arn_of("segmentation-cpu"),
}


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"ImageVersionArns": arn_of("segmentation-cpu", 12)}, True),
        ({"InstanceTypes": "ml.p5.48xlarge"}, False),
        ({"ImageArns": None}, False),
        ({"ImageVersionArns": None}, False),
        ({"ImageArns": None, "ImageVersionArns": None}, False),
        ({"ImageArns": f"{SAGEMAKER}:image/academy-segmentation-cpu-2"}, False),
        ({"ImageArns": "arn:aws:sagemaker:us-east-1:111122223333:image/mine"}, False),
        ({"ImageVersionArns": f"{SAGEMAKER}:image-version/mine/1"}, False),
        ({"ImageVersionArns": f"{SAGEMAKER}:image-version/academy-segmentation-cpux/1"}, False),
    ],
)
def test_iam_holds_a_space_to_the_attached_images(permissions, change, allowed):
    asked = {"InstanceTypes": "ml.t3.medium", **SEGMENTATION, **change}
    given = {name: value for name, value in asked.items() if value is not None}
    assert start_space(permissions, **given) is allowed


def test_without_images_iam_asks_for_none(academy):
    assert start_space(permissions_of(academy), InstanceTypes="ml.t3.medium")


def test_policies_fit_into_iam(imaged):
    for path, resource in imaged.resources("AWS::IAM::Role"):
        assert sum(size(each) for each in policies(resource)) <= INLINE_MAX, path


def test_the_boundary_fits_into_iam_for_the_longest_names(cohort):
    from infra.cohort import naming
    from infra.constructs.arns import Arns

    arns = Arns(naming.Names("a" * naming.COHORT_MAX), ACCOUNT, "ap-southeast-1")
    attached = AttachedImages.of(cohort, image_version(), account=ACCOUNT)
    assert size(document(of_roles.boundary(arns, cohort, attached))) <= MANAGED_MAX


# --- what AWS and its rules say -------------------------------------------------------------------


def test_aws_review_rules_find_nothing(imaged):
    assert findings(imaged) == []


def test_cloudformations_schemas_accept_every_template(imaged):
    assert complaints(imaged.templates) == []


def test_no_number_of_aws_is_guessed(imaged):
    """Every image version stands behind a parameter: no ARN of one is written out."""
    text = json.dumps(imaged.templates)
    assert re.findall(r"image-version/academy-[a-z-]+/(?!\*)", text) == []


def test_images_cost_a_cohort_nothing_a_month(academy, imaged):
    """What ECR keeps is the account's, whatever the number of cohorts."""

    def month(made) -> object:
        cost = standing_cost(Templates(made.templates), learners=4, days=100, region="us-east-1")
        return cost.services, cost.stored, cost.backstop

    assert month(imaged) == month(academy)
