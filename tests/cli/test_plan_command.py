"""`cohort plan`: tables for people, one document for programs, sentences where it cannot go on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_cdk import App
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from infra.cli import account as accounts
from infra.cli import plan as command
from infra.cli.main import cohort
from infra.cohort.loading import load
from infra.stacks.academy import add_stacks

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "cohorts" / "example.yaml"


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cdk synth` writes for the example cohort."""
    folder = tmp_path_factory.mktemp("assembly")
    app = App(outdir=str(folder))
    add_stacks(app, load(FILE), account="123456789012")
    patch = pytest.MonkeyPatch()
    patch.setenv("CDK_VALIDATION", "false")
    app.synth(validate_on_synthesis=False)
    patch.undo()
    return folder


def run(*arguments: str | Path) -> Result:
    # Wide, so that no cell is broken over two lines.
    return CliRunner().invoke(
        cohort, ["plan", *map(str, arguments)], env={"COLUMNS": "220"}, catch_exceptions=False
    )


def test_it_shows_each_part(assembly: Path) -> None:
    result = run(FILE, "--assembly", assembly)
    assert result.exit_code == 0, result.output
    for text in (
        "4 learners",
        "earth-2026-fall-Foundation",
        "2 stacks earth-2026-fall-Team-*",
        "4 SageMaker::Domain",
        "Total domains",
        "ml.g5.xlarge for training job usage",
        "No account was asked",
        "A month with nobody working",
        "customer-managed keys",
        "Stored gigabytes",
        "Worst case",
        "every learner's cap",
        "Likely case",
        "5 h for each learner and week",
        "Unverified prices",
    ):
        assert text in " ".join(result.output.split()), text


def test_the_document_is_all_that_json_prints_and_a_fresh_synth_says_the_same(
    assembly: Path,
) -> None:
    counted = run(FILE, "--assembly", assembly, "--json")
    assert counted.exit_code == 0, counted.output
    document = json.loads(counted.stdout)
    assert document["cohort"] == "earth-2026-fall"
    assert document["quotas"]["account"] is None
    fresh = run(FILE, "--json")
    assert fresh.exit_code == 0, fresh.output
    assert json.loads(fresh.stdout) == document


def test_a_wrong_file_is_refused_with_its_findings() -> None:
    wrong = ROOT / "tests" / "cohort" / "files" / "budget.error.missing.yaml"
    result = run(wrong)
    assert result.exit_code == 1
    assert "budget" in result.output


def test_a_folder_that_cdk_did_not_write_is_refused(tmp_path: Path) -> None:
    result = run(FILE, "--assembly", tmp_path)
    assert result.exit_code == 1
    assert "manifest.json cannot be read" in result.output
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}')
    assert "holds no stacks" in run(FILE, "--assembly", tmp_path).output
    (tmp_path / "manifest.json").write_text("{")
    assert "is not JSON" in run(FILE, "--assembly", tmp_path).output


def test_an_assembly_of_another_cohort_is_refused_by_name(assembly: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(FILE.read_text().replace("id: heron", "id: osprey"))
    result = run(other, "--assembly", assembly)
    assert result.exit_code == 1
    assert "earth-2026-fall-Team-osprey is missing" in result.output
    assert "earth-2026-fall-Team-heron is not of this cohort" in result.output


def test_something_without_a_price_is_named(assembly: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cdk.out"
    shutil.copytree(assembly, folder)
    path = folder / "earth-2026-fall-Foundation.template.json"
    template = json.loads(path.read_text())
    template["Resources"]["Nat"] = {"Type": "AWS::EC2::NatGateway", "Properties": {}}
    path.write_text(json.dumps(template))
    result = run(FILE, "--assembly", folder)
    assert result.exit_code == 1
    assert "earth-2026-fall-Foundation/Nat (AWS::EC2::NatGateway)" in result.output


@pytest.fixture
def quotas(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An account in which everything but Service Quotas refuses. Returns what sets its quotas."""
    quotas: dict[str, float] = {}

    def made(service: str, *, region_name: str, **_: Any) -> Any:
        client = boto3.session.Session().client(
            service, region_name=region_name, aws_access_key_id="x", aws_secret_access_key="x"
        )
        stubber = Stubber(client)
        if service == "sts":
            stubber.add_response("get_caller_identity", {"Account": "111122223333"})
        elif service == "service-quotas":
            listed = [
                {"QuotaName": name, "QuotaCode": "L-B683BCB0", "Value": value}
                for name, value in quotas.items()
            ]
            for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
                stubber.add_response(operation, {"Quotas": listed})
        else:
            stubber.add_client_error("any", "AccessDeniedException", "not for you")
        stubber.activate()
        return client

    monkeypatch.setattr(accounts.boto3, "client", made)
    monkeypatch.setattr(command.boto3, "client", made)
    return quotas


def test_an_account_with_too_few_domains_is_told_what_to_ask_for(
    assembly: Path, quotas: dict[str, float]
) -> None:
    quotas["Total domains"] = 1
    result = run(FILE, "--assembly", assembly, "--account")
    assert result.exit_code == 1, "a deploy would fail"
    assert "account 111122223333 has" in result.output
    assert "too little" in result.output
    assert (
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-B683BCB0 --desired-value 4 --region us-east-1"
    ) in result.output
    assert "Not read" in result.output


def test_an_account_with_room_is_fine(assembly: Path, quotas: dict[str, float]) -> None:
    quotas["Total domains"] = 4
    result = run(FILE, "--assembly", assembly, "--account")
    assert result.exit_code == 0
    assert "enough" in result.output
    assert "request-service-quota-increase" not in result.output


def test_an_account_without_credentials_is_a_sentence(
    assembly: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    result = run(FILE, "--assembly", assembly, "--account")
    assert result.exit_code == 1
    assert "AWS could not be asked" in result.output
