"""The pinned, unmodified CDK CLI, command by command and option by option."""

from __future__ import annotations

import json
import time

import pytest

from tests.offline.services.cloudformation.cdk_cli import CLI, ENVIRONMENT, Cdk, parameter

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not CLI.exists(), reason="the CDK CLI needs `npm ci`"),
]

#: A type that the embedded cloud does not model.
BEYOND = ("AWS::Kinesis::Stream", {})
OTHER = "Resources: {A: {Type: 'AWS::SSM::Parameter', Properties: {Type: String, Value: x}}}"
#: Refused when it is made, after everything that it needs.
WRONG = {"Type": "SecureString", "Value": "x"}


@pytest.fixture(scope="module")
def booted(cloud, tmp_path_factory):
    cdk = Cdk(cloud, tmp_path_factory.mktemp("cdk"))
    done = cdk.run("bootstrap", ENVIRONMENT, app=False)
    assert done.code == 0, done.text
    return cdk


@pytest.fixture
def cdk(booted, client):
    """The CLI, and a cloud with the CDK's own stack alone."""
    yield booted
    api = client("cloudformation")
    for stack in api.describe_stacks()["Stacks"]:
        if stack["StackName"] != "CDKToolkit":
            api.update_termination_protection(
                StackName=stack["StackName"], EnableTerminationProtection=False
            )
            api.delete_stack(StackName=stack["StackName"])


@pytest.fixture
def api(client):
    return client("cloudformation")


@pytest.fixture
def value(client):
    """The value of an SSM parameter, or None."""
    ssm = client("ssm")

    def read(name: str) -> str | None:
        try:
            return ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            return None

    return read


def status(api, name: str) -> str:
    return api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


# --- deploy ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["change-set", "direct"])
def test_deploy_again_changes_adds_and_removes(cdk, api, value, method):
    cdk.app({"S": {"A": parameter("/s/a", "1"), "B": parameter("/s/b", "1")}})
    first = cdk.deploy("--method", method)
    assert first.code == 0, first.text
    assert "S | 2/4" in first.text or "CREATE_COMPLETE" in first.text

    again = cdk.deploy("--method", method)
    assert again.code == 0, again.text
    assert "S (no changes)" in again.text

    cdk.app({"S": {"A": parameter("/s/a", "2"), "C": parameter("/s/c", "1")}})
    second = cdk.deploy("--method", method)
    assert second.code == 0, second.text
    assert (value("/s/a"), value("/s/b"), value("/s/c")) == ("2", None, "1")
    assert status(api, "S") == "UPDATE_COMPLETE"
    events = api.describe_stack_events(StackName="S")["StackEvents"][::-1]
    tail = [(each["LogicalResourceId"], each["ResourceStatus"]) for each in events][-9:]
    assert tail == [
        ("A", "UPDATE_IN_PROGRESS"),
        ("A", "UPDATE_COMPLETE"),
        ("C", "CREATE_IN_PROGRESS"),
        ("C", "CREATE_IN_PROGRESS"),
        ("C", "CREATE_COMPLETE"),
        ("S", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("B", "DELETE_IN_PROGRESS"),
        ("B", "DELETE_COMPLETE"),
        ("S", "UPDATE_COMPLETE"),
    ]


def test_deploy_of_four_stacks_side_by_side(cdk, api, value):
    cdk.app({f"S{each}": {"P": parameter(f"/many/{each}", str(each))} for each in range(4)})
    done = cdk.deploy("--all", "--concurrency", "4")
    assert done.code == 0, done.text
    assert [value(f"/many/{each}") for each in range(4)] == ["0", "1", "2", "3"]
    assert {status(api, f"S{each}") for each in range(4)} == {"CREATE_COMPLETE"}


def test_a_prepared_change_set_waits_for_who_executes_it(cdk, api, value):
    cdk.app({"S": {"A": parameter("/prepared/a", "1")}})
    prepared = cdk.deploy("--method", "prepare-change-set", "--change-set-name", "reviewed")
    assert prepared.code == 0, prepared.text
    assert "waiting in review for manual execution" in prepared.text
    assert status(api, "S") == "REVIEW_IN_PROGRESS"
    assert value("/prepared/a") is None
    api.execute_change_set(StackName="S", ChangeSetName="reviewed")
    api.get_waiter("stack_create_complete").wait(StackName="S", WaiterConfig={"Delay": 1})
    assert value("/prepared/a") == "1"


def test_parameters_outputs_and_tags(cdk, api, value, client, tmp_path):
    cdk.app(
        {"S": {"A": parameter("/given/a", {"Ref": "Word"})}},
        parameters={"Word": "unset"},
        outputs={"Name": {"Ref": "A"}, "Value": {"Fn::GetAtt": ["A", "Value"]}},
        tags={"cohort": "earth"},
    )
    file = tmp_path / "outputs.json"
    done = cdk.deploy("--parameters", "S:Word=hello", "--outputs-file", str(file))
    assert done.code == 0, done.text
    assert value("/given/a") == "hello"
    assert json.loads(file.read_text()) == {"S": {"Name": "/given/a", "Value": "hello"}}
    assert "S.Value = hello" in done.text
    (stack,) = api.describe_stacks(StackName="S")["Stacks"]
    assert stack["Tags"] == [{"Key": "cohort", "Value": "earth"}]
    tags = client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/given/a")
    assert tags["TagList"] == [{"Key": "cohort", "Value": "earth"}]

    # A parameter keeps its value until another one is given.
    kept = cdk.deploy()
    assert "S (no changes)" in kept.text
    changed = cdk.deploy("--parameters", "S:Word=bye")
    assert changed.code == 0, changed.text
    assert value("/given/a") == "bye"


def test_termination_protection_is_set_and_holds(cdk, api):
    cdk.app({"S": {"A": parameter("/protected/a", "1")}}, protected=True)
    assert cdk.deploy().code == 0
    (stack,) = api.describe_stacks(StackName="S")["Stacks"]
    assert stack["EnableTerminationProtection"]
    refused = cdk.run("destroy", "--force")
    assert refused.code == 1
    assert "TerminationProtection is enabled" in refused.text
    assert status(api, "S") == "CREATE_COMPLETE"


def test_an_existing_resource_is_imported_if_it_may_stay(cdk, api, client):
    repository = ("AWS::ECR::Repository", {"RepositoryName": "kept"}, "Retain")
    cdk.app({"S": {"R": repository}}, tags={"academy": "images"})
    assert cdk.deploy().code == 0
    assert cdk.run("destroy", "--force").code == 0
    named = {"repositoryNames": ["kept"]}
    (before,) = client("ecr").describe_repositories(**named)["repositories"]

    taken = cdk.deploy()
    assert taken.code == 1
    assert "already exists" in taken.text
    assert status(api, "S") == "ROLLBACK_COMPLETE"

    imported = cdk.deploy("--import-existing-resources")
    assert imported.code == 0, imported.text
    assert status(api, "S") == "CREATE_COMPLETE"
    (after,) = client("ecr").describe_repositories(**named)["repositories"]
    assert after["createdAt"] == before["createdAt"]
    events = api.describe_stack_events(StackName="S")["StackEvents"][::-1]
    assert [each["ResourceStatus"] for each in events if each["LogicalResourceId"] == "R"] == [
        "IMPORT_IN_PROGRESS",
        "IMPORT_COMPLETE",
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]
    client("ecr").delete_repository(repositoryName="kept")


# --- failure --------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["change-set", "direct"])
def test_a_failure_half_way_is_named_at_once_and_undone(cdk, api, value, method):
    cdk.app({"S": {"A": parameter("/half/a", "1"), "B": parameter("/half/b", "x", "A", **WRONG)}})
    begun = time.monotonic()
    failed = cdk.deploy("--method", method)
    assert time.monotonic() - begun < 45  # no retries of what is not there
    assert failed.code == 1
    assert "CREATE_FAILED" in failed.text
    assert "AWS::SSM::Parameter" in failed.text
    assert "SecureString is not one that CloudFormation makes" in failed.text
    assert status(api, "S") == "ROLLBACK_COMPLETE"
    assert value("/half/a") is None

    # The CLI itself takes the wreck away before it makes the stack anew.
    cdk.app({"S": {"A": parameter("/half/a", "1")}})
    mended = cdk.deploy("--method", method)
    assert mended.code == 0, mended.text
    assert status(api, "S") == "CREATE_COMPLETE"


def test_a_failed_update_is_named_and_undone(cdk, api, value):
    cdk.app({"S": {"A": parameter("/undone/a", "1")}})
    assert cdk.deploy().code == 0
    cdk.app(
        {"S": {"A": parameter("/undone/a", "2"), "B": parameter("/undone/b", "x", "A", **WRONG)}}
    )
    failed = cdk.deploy()
    assert failed.code == 1
    assert "SecureString is not one that CloudFormation makes" in failed.text
    assert status(api, "S") == "UPDATE_ROLLBACK_COMPLETE"
    assert value("/undone/a") == "1"


def test_an_unmodelled_type_is_named(cdk, api):
    cdk.app({"S": {"Stream": BEYOND}})
    failed = cdk.deploy()
    assert failed.code == 1
    assert "Resource type AWS::Kinesis::Stream is not modelled by the embedded cloud" in failed.text
    assert "Stream" in failed.text


def test_without_rollback_a_failure_stays_and_can_be_rolled_back(cdk, api, value):
    cdk.app({"S": {"A": parameter("/paused/a", "1")}})
    assert cdk.deploy().code == 0
    cdk.app(
        {"S": {"A": parameter("/paused/a", "2"), "B": parameter("/paused/b", "x", "A", **WRONG)}}
    )
    failed = cdk.deploy("--no-rollback")
    assert failed.code == 1
    assert status(api, "S") == "UPDATE_FAILED"
    assert value("/paused/a") == "2"

    back = cdk.run("rollback", "S")
    assert back.code == 0, back.text
    assert status(api, "S") == "UPDATE_ROLLBACK_COMPLETE"
    assert value("/paused/a") == "1"

    idle = cdk.run("rollback", "S")
    assert "does not need a rollback" in idle.text


def test_without_rollback_a_failure_can_be_mended(cdk, api, value):
    cdk.app(
        {"S": {"A": parameter("/mended/a", "1"), "B": parameter("/mended/b", "x", "A", **WRONG)}}
    )
    failed = cdk.deploy("--no-rollback")
    assert failed.code == 1
    assert status(api, "S") == "CREATE_FAILED"
    assert value("/mended/a") == "1"
    cdk.app({"S": {"A": parameter("/mended/a", "1"), "B": parameter("/mended/b", "x", "A")}})
    mended = cdk.deploy("--no-rollback")
    assert mended.code == 0, mended.text
    assert status(api, "S") == "UPDATE_COMPLETE"
    assert value("/mended/b") == "x"


def test_destroy_tells_what_does_not_go(cdk, api, client):
    bucket = ("AWS::S3::Bucket", {"BucketName": "full-of-work"})
    cdk.app({"S": {"Work": bucket, "A": parameter("/full/a", "1")}})
    assert cdk.deploy().code == 0
    client("s3").put_object(Bucket="full-of-work", Key="k", Body=b"x")
    failed = cdk.run("destroy", "--force")
    assert failed.code == 1
    assert status(api, "S") == "DELETE_FAILED"
    assert "Work" in failed.text
    assert "not empty" in failed.text
    client("s3").delete_object(Bucket="full-of-work", Key="k")
    assert cdk.run("destroy", "--force").code == 0


def test_a_deploy_waits_for_the_one_before_it(cdk, api, value, monkeypatch):
    from infra.offline.services.cloudformation.types import find

    model = find("AWS::SSM::Parameter")
    make = type(model).create

    def slowly(self, wanted, scope):
        time.sleep(3 if wanted["Value"] == "slow" else 0)
        return make(self, wanted, scope)

    monkeypatch.setattr(type(model), "create", slowly)
    cdk.app({"S": {"A": parameter("/busy/a", "slow"), "B": parameter("/busy/b", "slow", "A")}})
    first = cdk.start("deploy", "--require-approval", "never", "--method", "direct")
    while not api.list_stacks()["StackSummaries"] or not any(
        each["StackName"] == "S" for each in api.describe_stacks()["Stacks"]
    ):
        time.sleep(0.2)
    with pytest.raises(Exception, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        api.update_stack(StackName="S", TemplateBody=OTHER)
    second = cdk.deploy()
    text, _ = first.communicate(timeout=60)
    assert first.returncode == 0, text
    assert second.code in (0, 1), second.text
    assert (value("/busy/a"), value("/busy/b")) == ("slow", "slow")
    assert status(api, "S") in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


# --- reading --------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["--change-set", "--no-change-set"])
def test_diff_shows_the_change_and_nothing_else(cdk, way):
    cdk.app({"S": {"A": parameter("/diff/a", "1"), "B": parameter("/diff/b", "1")}})
    assert cdk.deploy().code == 0
    same = cdk.run("diff", "--fail", way)
    assert same.code == 0, same.text
    assert "There were no differences" in same.text

    cdk.app({"S": {"A": parameter("/diff/a", "2"), "C": parameter("/diff/c", "1")}})
    differs = cdk.run("diff", "--fail", way)
    assert differs.code == 1, differs.text
    lines = [line for line in differs.text.splitlines() if line.startswith("[")]
    assert lines == [
        "[-] AWS::SSM::Parameter B destroy",
        "[+] AWS::SSM::Parameter C C",
        "[~] AWS::SSM::Parameter A A",
    ]
    assert "[-] 1" in differs.text
    assert "[+] 2" in differs.text


@pytest.mark.parametrize("way", ["--change-set", "--no-change-set"])
def test_diff_announces_a_replacement(cdk, way):
    cdk.app({"S": {"A": parameter("/diff/old", "1")}})
    assert cdk.deploy().code == 0
    cdk.app({"S": {"A": parameter("/diff/new", "1")}})
    differs = cdk.run("diff", way)
    assert "replace" in differs.text, differs.text


def test_list_and_synth_ask_nothing_of_the_cloud(cdk):
    cdk.app({"S": {"A": parameter("/l/a", "1")}, "T": {"A": parameter("/l/b", "1")}})
    assert cdk.run("list").text.split()[-2:] == ["S", "T"]


# --- bootstrap and what is refused ----------------------------------------------------------------
def test_bootstrap_again_and_with_other_options(cdk, api, client):
    again = cdk.run("bootstrap", ENVIRONMENT, app=False)
    assert again.code == 0, again.text
    assert "bootstrapped (no changes)" in again.text
    changed = cdk.run("bootstrap", ENVIRONMENT, "--bootstrap-customer-key", app=False)
    assert changed.code == 0, changed.text
    assert status(api, "CDKToolkit") == "UPDATE_COMPLETE"
    aliases = [each["AliasName"] for each in client("kms").list_aliases()["Aliases"]]
    assert "alias/cdk-hnb659fds-assets-key" in aliases
    back = cdk.run("bootstrap", ENVIRONMENT, "--bootstrap-customer-key=false", app=False)
    assert back.code == 0, back.text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("drift",), "DetectStackDrift"),
        (("deploy", "--express", "--require-approval", "never"), "DeploymentConfig"),
        (("deploy", "--revert-drift", "--require-approval", "never"), "DeploymentMode"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(cdk, arguments, named):
    cdk.app({"S": {"A": parameter("/refused/a", "1")}})
    assert cdk.deploy().code == 0
    cdk.app({"S": {"A": parameter("/refused/a", "2")}})
    refused = cdk.run(*arguments)
    assert refused.code == 1, refused.text
    assert named in refused.text
    assert "not modelled by the embedded cloud" in refused.text


def test_an_import_by_hand_is_refused_by_name(cdk, client, tmp_path):
    client("ssm").put_parameter(Name="/hand/b", Value="1", Type="String")
    cdk.app({"S": {"A": parameter("/hand/a", "1")}})
    assert cdk.deploy().code == 0
    cdk.app({"S": {"A": parameter("/hand/a", "1"), "B": parameter("/hand/b", "1", "Retain")}})
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"B": {"Name": "/hand/b"}}))
    refused = cdk.run("import", "S", "--resource-mapping", str(mapping))
    assert refused.code == 1, refused.text
    assert "not modelled by the embedded cloud" in refused.text
    client("ssm").delete_parameter(Name="/hand/b")


def test_a_hotswap_falls_back_to_a_deployment(cdk, value):
    """Nothing of this stack can be swapped past CloudFormation, and the CLI says so."""
    cdk.app({"S": {"A": parameter("/hot/a", "1")}})
    assert cdk.deploy().code == 0
    cdk.app({"S": {"A": parameter("/hot/a", "2")}})
    swapped = cdk.deploy("--hotswap-fallback")
    assert swapped.code == 0, swapped.text
    assert value("/hot/a") == "2"


def test_garbage_collection(cdk, client):
    cdk.app({"S": {"A": parameter("/gc/a", "1")}})
    assert cdk.deploy().code == 0
    collected = cdk.run("gc", ENVIRONMENT, "--unstable=gc", "--confirm=false", "--type=s3")
    assert collected.code == 0, collected.text
