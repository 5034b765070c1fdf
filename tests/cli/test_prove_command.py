"""`cohort prove`: tables for people, a document for programs, an exit status for pipelines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from click.testing import CliRunner, Result

from infra.assurance.isolation.account import examining as account
from infra.cli import prove as command
from infra.cli.main import cohort
from infra.cohort.loading import load
from infra.stacks.academy import add_stacks

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "cohorts" / "example.yaml"
#: Quickly decided.
FEW = ("--promise", "teams-apart", "--promise", "vault-has-its-key")


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cdk synth` writes for the example cohort."""
    folder = tmp_path_factory.mktemp("assembly")
    patch = pytest.MonkeyPatch()
    patch.setenv("CDK_VALIDATION", "false")
    app = App(outdir=str(folder))
    add_stacks(app, load(FILE), account="123456789012")
    app.synth(validate_on_synthesis=False)
    patch.undo()
    return folder


@pytest.fixture
def mutated(assembly: Path, tmp_path: Path) -> Callable[[str, str, str], Path]:
    """The assembly with a text replaced in one stack's template."""

    def change(stack: str, old: str, new: str) -> Path:
        folder = shutil.copytree(assembly, tmp_path / "mutated")
        template = folder / f"earth-2026-fall-{stack}.template.json"
        text = template.read_text()
        assert old in text
        template.write_text(text.replace(old, new))
        return folder

    return change


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        cohort, ["prove", *map(str, arguments)], env={"COLUMNS": "160"}, catch_exceptions=False
    )


def test_what_holds_is_a_table(assembly: Path) -> None:
    result = run(FILE, "--assembly", assembly, *FEW)
    assert result.exit_code == 0, result.output
    rows = [line for line in result.output.splitlines() if "│ holds │" in line]
    assert [row.split("│")[1].strip() for row in rows] == ["vault-has-its-key", "teams-apart"]
    # Six roles, of learners and jobs; two of them decide for all.
    assert [cell.strip() for cell in rows[1].split("│")[3:5]] == ["6", "2"]
    assert "classes of requests decided" in result.output


def test_a_breach_is_told_in_words_and_ends_with_one(
    mutated: Callable[[str, str, str], Path],
) -> None:
    folder = mutated("Team-falcon", "teams/falcon/*", "teams/fal*")
    result = run(FILE, "--assembly", folder, *FEW)
    assert result.exit_code == 1
    assert "broken teams-apart: A team's folder is its own" in result.output
    # Of each who may, the first.
    assert "falcon (training) may s3:" in result.output
    assert "ana (learner, team falcon) may s3:" in result.output
    assert "because statement TeamFolder of policy training in earth-2026-fall-Team-falcon/" in (
        result.output
    )
    assert "more (--json has all)" in result.output


def test_the_document_says_the_same(mutated: Callable[[str, str, str], Path]) -> None:
    folder = mutated("Team-falcon", "teams/falcon/*", "teams/fal*")
    result = run(FILE, "--assembly", folder, *FEW, "--json")
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert (document["version"], document["holds"]) == (1, False)
    assert {each["id"]: each["holds"] for each in document["promises"]} == {
        "teams-apart": False,
        "vault-has-its-key": True,
    }
    assert document["account_examined"] is None


def test_what_cannot_be_decided_is_neither_proven_nor_broken(
    mutated: Callable[[str, str, str], Path],
) -> None:
    folder = mutated("Team-falcon", '"StringLike"', '"StringAlike"')
    result = run(FILE, "--assembly", folder, *FEW)
    assert result.exit_code == 2
    assert "not decided: earth-2026-fall-Team-falcon/" in result.output
    assert "StringAlike" in result.output


def test_the_list_says_what_is_promised_and_decides_nothing(
    assembly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decided")

    monkeypatch.setattr(command, "prove", never)
    result = run(FILE, "--assembly", assembly, "--list")
    assert result.exit_code == 0
    assert "vault-sealed: Nobody but the scorer reads" in result.output
    assert len([line for line in result.output.splitlines() if ": " in line]) > 40


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--promise", "vault-seald"), "no promise is called vault-seald: vault-sealed, "),
        ((FILE,), "earth-2026-fall is named twice"),
    ],
    ids=["an unknown promise", "a file twice"],
)
def test_what_makes_no_sense_is_said(assembly: Path, arguments: tuple[str, ...], says: str) -> None:
    result = run(FILE, "--assembly", assembly, *arguments)
    assert result.exit_code == 1
    assert says in result.output


def test_cohorts_of_two_regions_are_two_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    here = load(FILE)
    there = here.model_copy(update={"name": "earth-2027", "region": "eu-west-1"})
    made = iter((here, there))
    monkeypatch.setattr(command, "load", lambda _: next(made))
    result = run("here.yaml", "there.yaml")
    assert result.exit_code == 1
    assert "these cohorts are in eu-west-1 and us-east-1" in result.output


def test_an_assembly_of_another_cohort_is_refused(assembly: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(FILE.read_text().replace("earth-2026-fall", "earth-2027"))
    result = run(other, "--assembly", assembly)
    assert result.exit_code == 1
    assert "holds no stacks of earth-2027" in result.output


def test_an_assembly_says_for_which_account_it_is(assembly: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(assembly, tmp_path / "nowhere")
    manifest = json.loads((folder / "manifest.json").read_text())
    for artifact in manifest["artifacts"].values():
        if "environment" in artifact:
            artifact["environment"] = "aws://unknown-account/us-east-1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    result = run(FILE, "--assembly", folder)
    assert result.exit_code == 1
    assert "names no account for earth-2026-fall-Foundation" in result.output


def test_somebody_else_in_the_account_who_can_cross_ends_with_one(
    assembly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def examine(client: Callable[[str], Any], world: Any, _catalogue: Any) -> account.Found:
        asked.append((client, world))
        changed = account.Changed("earth-2026-fall--learner--ana", "the boundary is gone")
        return account.Found(account=world.account, examined=3, changed=(changed,))

    monkeypatch.setattr(account, "examine", examine)
    monkeypatch.setattr(command.Site, "account", "123456789012")
    result = run(FILE, "--assembly", assembly, *FEW, "--account")
    assert result.exit_code == 1
    assert "Who else is in the account" in result.output
    assert "the boundary is gone in the account, other than in the templates" in result.output
    [(_, world)] = asked
    assert world.account == "123456789012"
    document = json.loads(run(FILE, "--assembly", assembly, *FEW, "--account", "--json").output)
    assert document["holds"] is True
    assert document["account_examined"]["in_order"] is False


@pytest.mark.slow
def test_without_an_assembly_it_synthesizes_and_proves_all() -> None:
    result = run(FILE)
    assert result.exit_code == 0, result.output
    assert "│ broken │" not in result.output
    assert "chains-end-at-deputies" in result.output
