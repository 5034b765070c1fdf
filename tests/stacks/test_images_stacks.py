"""The account's images: what builds them, what Studio knows, and that nothing is replaced."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint

from infra.cohort import images, naming
from infra.cohort.images import FLAVOURS, Built, ImageVersion, Record
from infra.stacks.images import add_image_stacks

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
SOURCE = "0123456789abcdef" * 4


def digest(number: int, flavour: str, stage: str) -> str:
    return f"sha256:{number:02}{FLAVOURS.index(flavour)}{images.STAGES.index(stage)}" + "a" * 60


def a_version(number: int, *flavours: str) -> ImageVersion:
    return ImageVersion(
        number,
        built=dt.datetime(2026, 11, number, tzinfo=dt.UTC),
        source=f"{number:x}" * 64,
        images={
            flavour: Built(
                workspace=digest(number, flavour, "workspace"),
                training=digest(number, flavour, "training"),
                bytes=5_000_000_000,
            )
            for flavour in flavours or FLAVOURS
        },
    )


def a_record(*versions: ImageVersion) -> Record:
    record = Record()
    for version in versions:
        record = record.with_version(ACCOUNT, REGION, version)
    return record


def a_context(folder: Path) -> str:
    """A build context of two files in place of the real one, which needs the learners' wheel."""
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "buildspec.yml").write_text("version: 0.2\n")
    return SOURCE


@dataclass(frozen=True)
class Stacks:
    app: App
    templates: dict[str, dict[str, Any]]
    tags: dict[str, dict[str, str]]
    dependencies: dict[str, set[str]]

    def of(self, stack: str, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> resource, of one type."""
        resources = self.templates[stack]["Resources"]
        return {key: value for key, value in resources.items() if value["Type"] == kind}

    def only(self, stack: str, kind: str) -> dict[str, Any]:
        [found] = self.of(stack, kind).values()
        properties = found["Properties"]
        assert isinstance(properties, dict)
        return properties

    def resources(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for stack, template in self.templates.items():
            for key, resource in template["Resources"].items():
                yield f"{stack}/{key}", resource


def stacks_of(record: Record, outdir: Path, **more: Any) -> Stacks:
    app = App(outdir=str(outdir), context=CONTEXT)
    made = add_image_stacks(
        app, record, account=ACCOUNT, region=REGION, **{"context": a_context, **more}
    )
    assembly = app.synth(validate_on_synthesis=False)
    return Stacks(
        app=app,
        templates={
            each.stack_name: assembly.get_stack_by_name(each.stack_name).template for each in made
        },
        tags={each.stack_name: assembly.get_stack_by_name(each.stack_name).tags for each in made},
        dependencies={
            each.stack_name: {other.stack_name for other in each.dependencies} for each in made
        },
    )


BUILD, IMAGES = images.BUILD_STACK, images.IMAGES_STACK
RECORD = a_record(a_version(1), a_version(2, "segmentation-cpu", "segmentation-gpu"), a_version(10))


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return stacks_of(RECORD, tmp_path_factory.mktemp("images"))


# --- which stacks there are ---------------------------------------------------------------------
def test_studio_is_told_of_images_once_there_are_some(stacks: Stacks, tmp_path: Path) -> None:
    assert list(stacks.templates) == [BUILD, IMAGES]
    elsewhere = Record().with_version("111122223333", REGION, a_version(1))
    elsewhere = elsewhere.with_version(ACCOUNT, "eu-west-1", a_version(1))
    assert list(stacks_of(elsewhere, tmp_path / "elsewhere").templates) == [BUILD]


def test_neither_stack_waits_for_or_locks_the_other(stacks: Stacks) -> None:
    assert stacks.dependencies == {BUILD: set(), IMAGES: set()}
    for template in stacks.templates.values():
        assert "Outputs" not in template
        assert "Fn::ImportValue" not in json.dumps(template)


def test_a_cohorts_stacks_contain_none_of_the_images(academy) -> None:
    types = {resource["Type"] for _, resource in academy.resources()}
    assert not {each for each in types if "ECR" in each or "CodeBuild" in each or "::Image" in each}


def test_both_say_what_they_are(stacks: Stacks) -> None:
    for stack, template in stacks.templates.items():
        assert template["Description"].startswith("Deep Learning Academy images: ")
        assert stacks.tags[stack] == {"academy": "images"}
        assert naming.illegal("stack", stack) is None


def test_nothing_is_done_by_a_custom_resource_or_allowed_by_a_managed_policy(
    stacks: Stacks,
) -> None:
    for path, resource in stacks.resources():
        assert not resource["Type"].startswith(("Custom::", "AWS::CloudFormation::")), path
        assert "ManagedPolicyArns" not in resource.get("Properties", {}), path
    assert ":aws:policy/" not in json.dumps(stacks.templates)


# --- the build ----------------------------------------------------------------------------------
def test_every_flavour_has_a_repository_whose_tags_never_move_and_that_is_scanned(
    stacks: Stacks,
) -> None:
    repositories = stacks.of(BUILD, "AWS::ECR::Repository").values()
    found = {each["Properties"]["RepositoryName"]: each for each in repositories}
    assert set(found) == {images.repository(flavour) for flavour in FLAVOURS}
    for each in found.values():
        assert each["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert each["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain"


def test_the_life_cycle_spares_what_a_version_keeps_and_expires_the_rest(stacks: Stacks) -> None:
    for each in stacks.of(BUILD, "AWS::ECR::Repository").values():
        text = each["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
        kept, rest = json.loads(text)["rules"]
        assert kept["rulePriority"] < rest["rulePriority"]
        assert kept["selection"]["tagPrefixList"] == ["kept-"]
        assert kept["selection"]["countType"] == "imageCountMoreThan"
        assert images.kept_tag(7, "workspace").startswith("kept-")
        assert not images.build_tag(SOURCE).startswith("kept-")
        assert rest["selection"] == {
            "tagStatus": "any",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": 14,
        }


def test_a_build_reads_the_context_it_was_deployed_with(stacks: Stacks) -> None:
    project = stacks.only(BUILD, "AWS::CodeBuild::Project")
    assert project["Name"] == "academy-images"
    variables = {
        each["Name"]: each["Value"] for each in project["Environment"]["EnvironmentVariables"]
    }
    assert variables == {
        "SOURCE": SOURCE,
        "TAG": "build-0123456789abcdef",
        "TORCH_INDEX": "",
    }
    assert project["Source"]["Type"] == "S3"
    role = stacks.only(BUILD, "AWS::IAM::Role")
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    read = next(each for each in statements if each["Sid"] == "ReadContext")
    assert read["Resource"] == [f"arn:aws:s3:::{project['Source']['Location']}"]


def test_an_index_of_pytorch_builds_can_be_named(tmp_path: Path) -> None:
    index = "https://packages.example.org/torch/cpu"
    made = stacks_of(Record(), tmp_path, torch_index=index)
    variables = made.only(BUILD, "AWS::CodeBuild::Project")["Environment"]["EnvironmentVariables"]
    assert {"Name": "TORCH_INDEX", "Value": index, "Type": "PLAINTEXT"} in variables


def test_a_build_can_run_docker_ends_by_itself_and_logs_where_a_log_expires(
    stacks: Stacks,
) -> None:
    project = stacks.only(BUILD, "AWS::CodeBuild::Project")
    assert project["Environment"]["PrivilegedMode"] is True
    assert 60 < project["TimeoutInMinutes"] < 240
    log = project["LogsConfig"]["CloudWatchLogs"]
    assert log == {"Status": "ENABLED", "GroupName": "/aws/codebuild/academy-images"}
    group = stacks.of(BUILD, "AWS::Logs::LogGroup")["Log"]
    assert group["Properties"]["LogGroupName"] == log["GroupName"]
    assert group["Properties"]["RetentionInDays"] == 90
    assert stacks.of(BUILD, "AWS::CodeBuild::Project")["Project"]["DependsOn"] == ["Log"]


def test_a_build_may_push_to_the_four_repositories_and_do_nothing_else(stacks: Stacks) -> None:
    role = stacks.only(BUILD, "AWS::IAM::Role")
    [policy] = role["Policies"]
    statements = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    assert set(statements) == {"ReadContext", "KnowContextsBucket", "LogIn", "Push", "WriteLog"}
    repositories = {
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{images.repository(flavour)}"
        for flavour in FLAVOURS
    }
    assert set(statements["Push"]["Resource"]) == repositories
    actions = {action for each in statements.values() for action in each["Action"]}
    assert not [action for action in actions if "*" in action or "Delete" in action]
    assert not [action for action in actions if action.startswith(("iam:", "sts:", "sagemaker:"))]
    wild = {sid for sid, each in statements.items() if "*" in json.dumps(each["Resource"])}
    assert wild == {"LogIn", "WriteLog"}


def test_each_role_is_taken_by_its_service_for_this_account_alone(stacks: Stacks) -> None:
    found = {}
    for stack in (BUILD, IMAGES):
        role = stacks.only(stack, "AWS::IAM::Role")
        assert role["Path"] == "/academy/shared/images/"
        assert naming.illegal("role", role["RoleName"]) is None
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        found[role["RoleName"]] = trust["Principal"]["Service"]
    assert found == {
        "academy--images--build": "codebuild.amazonaws.com",
        "academy--images--studio": "sagemaker.amazonaws.com",
    }


# --- what Studio knows ----------------------------------------------------------------------------
def test_every_recorded_version_is_there_by_its_workspaces_digest(stacks: Stacks) -> None:
    found = {
        (each["Properties"]["ImageName"], each["Properties"]["BaseImage"])
        for each in stacks.of(IMAGES, "AWS::SageMaker::ImageVersion").values()
    }
    assert found == {
        (
            images.studio_image(flavour),
            f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/academy/{flavour}"
            f"@{digest(version.number, flavour, 'workspace')}",
        )
        for version in RECORD.versions(ACCOUNT, REGION)
        for flavour in version.images
    }


def test_the_versions_of_a_flavour_are_made_in_the_order_of_their_numbers(stacks: Stacks) -> None:
    made = stacks.of(IMAGES, "AWS::SageMaker::ImageVersion")
    at = {
        each["Properties"]["BaseImage"].partition("@")[2]: (key, each["DependsOn"])
        for key, each in made.items()
    }
    for flavour in FLAVOURS:
        before = [
            key
            for key, each in stacks.of(IMAGES, "AWS::SageMaker::Image").items()
            if each["Properties"]["ImageName"] == images.studio_image(flavour)
        ]
        for version in RECORD.versions(ACCOUNT, REGION):
            if flavour in version.images:
                key, depends = at[digest(version.number, flavour, "workspace")]
                assert depends == before
                before = [key]


def test_cohorts_find_a_version_by_its_parameter(stacks: Stacks) -> None:
    versions = stacks.of(IMAGES, "AWS::SageMaker::ImageVersion")
    found = {}
    for each in stacks.of(IMAGES, "AWS::SSM::Parameter").values():
        name = each["Properties"]["Name"]
        assert naming.illegal("parameter", name) is None
        base = versions[each["Properties"]["Value"]["Ref"]]["Properties"]["BaseImage"]
        found[name] = base.partition("@")[2]
    assert found == {
        images.version_parameter(flavour, version.number): built.workspace
        for version in RECORD.versions(ACCOUNT, REGION)
        for flavour, built in version.images.items()
    }


def test_a_space_starts_an_image_by_our_entrypoint(stacks: Stacks) -> None:
    configs = stacks.of(IMAGES, "AWS::SageMaker::AppImageConfig").values()
    found = {each["Properties"]["AppImageConfigName"]: each["Properties"] for each in configs}
    assert set(found) == {images.studio_image(flavour) for flavour in FLAVOURS}
    for each in found.values():
        lab = each["JupyterLabAppImageConfig"]
        assert lab == {"ContainerConfig": {"ContainerEntrypoint": ["/opt/academy/bin/start"]}}


def test_studio_reads_the_repositories_and_writes_none(stacks: Stacks) -> None:
    [policy] = stacks.only(IMAGES, "AWS::IAM::Role")["Policies"]
    actions = {
        action for each in policy["PolicyDocument"]["Statement"] for action in each["Action"]
    }
    writes = ("ecr:Put", "ecr:Upload", "ecr:Initiate", "ecr:Complete", "ecr:Delete")
    assert {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} <= actions
    assert not [action for action in actions if action.startswith(writes)]


def test_going_back_changes_nothing_of_the_images(stacks: Stacks, tmp_path: Path) -> None:
    for number in (1, None):
        back = RECORD.using(ACCOUNT, REGION, number)
        assert stacks_of(back, tmp_path / f"{number}").templates == stacks.templates


def test_a_further_version_replaces_none(stacks: Stacks, tmp_path: Path) -> None:
    record = RECORD.with_version(ACCOUNT, REGION, a_version(11))
    later = stacks_of(record, tmp_path).templates[IMAGES]["Resources"]
    for key, resource in stacks.templates[IMAGES]["Resources"].items():
        assert later[key] == resource, key


def test_a_number_that_comes_again_with_other_images_makes_new_resources(
    stacks: Stacks, tmp_path: Path
) -> None:
    other = a_version(3)
    again = ImageVersion(10, other.built, other.source, other.images)
    kept = RECORD.using(ACCOUNT, REGION, 1).without(ACCOUNT, REGION, 10)
    later = stacks_of(kept.with_version(ACCOUNT, REGION, again), tmp_path)
    before = stacks.of(IMAGES, "AWS::SageMaker::ImageVersion")
    for key, resource in later.of(IMAGES, "AWS::SageMaker::ImageVersion").items():
        if key in before:
            assert resource["Properties"] == before[key]["Properties"], "none changes in place"


def test_a_forgotten_version_leaves_the_others_as_they_are(stacks: Stacks, tmp_path: Path) -> None:
    later = stacks_of(RECORD.without(ACCOUNT, REGION, 2), tmp_path)
    before = stacks.of(IMAGES, "AWS::SageMaker::ImageVersion")
    after = later.of(IMAGES, "AWS::SageMaker::ImageVersion")
    assert len(after) == len(before) - 2
    for key, resource in after.items():
        assert resource["Properties"] == before[key]["Properties"]


# --- what reviewers ask ---------------------------------------------------------------------------
def complaints(templates: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"{stack}: {match}"
        for stack, template in templates.items()
        for match in lint(json.dumps(template, indent=1), regions=[REGION])
    ]


def findings(app: App) -> set[tuple[str, str]]:
    """(rule, path of the construct) of what cdk-nag complains of."""
    report = AwsSolutionsChecks(app).validate_scope(app)
    return {
        (violation.rule_name, resource.construct_path)
        for violation in report.violations
        for resource in violation.violating_resources
    }


def test_aws_review_rules_find_nothing(stacks: Stacks) -> None:
    assert findings(stacks.app) == set()


def test_without_acknowledgements_they_find_what_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules do run; and no acknowledgement excuses what no rule complains of."""
    given: set[tuple[str, str]] = set()

    def record(construct: Any, reasons: dict[str, str]) -> None:
        given.update((rule, construct.node.path) for rule in reasons)

    monkeypatch.setattr("infra.constructs.shared_role.acknowledge", record)
    found = findings(stacks_of(RECORD, tmp_path).app)
    assert found == given
    assert len(given) == 3


def test_cloudformations_schemas_accept_both_templates(stacks: Stacks) -> None:
    assert complaints(stacks.templates) == []


def test_the_schemas_do_refuse_a_misspelt_property(stacks: Stacks) -> None:
    template = copy.deepcopy(stacks.templates[IMAGES])
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::SageMaker::ImageVersion":
            resource["Properties"]["BaseImages"] = "x"
    assert len([each for each in complaints({IMAGES: template}) if "BaseImages" in each]) == 10


def test_a_second_synth_gives_the_same_templates(stacks: Stacks, tmp_path: Path) -> None:
    assert stacks_of(RECORD, tmp_path).templates == stacks.templates
