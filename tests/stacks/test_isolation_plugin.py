"""`cohort prove` inside the CDK: a broken promise, or an undecided one, stops synth and deploy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_cdk import PolicyValidationPluginReport

from infra.assurance.isolation import plugin
from infra.assurance.isolation.plugin import IsolationProof
from infra.assurance.isolation.proof import prove
from infra.cohort.loading import load
from tests.stacks.unpacked import UNPACKED

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "cohorts" / "example.yaml"
ACCOUNT = "123456789012"

Validate = Callable[..., PolicyValidationPluginReport]


@pytest.fixture
def validate(academy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validate:
    """Validates the example's assembly after a text in one stack's template was replaced."""
    # One promise is enough here; the whole proof runs in the tests of app.py.
    monkeypatch.setattr(plugin, "prove", lambda *a, **k: prove(*a, **k, only=["teams-apart"]))

    def run(stack: str, old: str, new: str) -> PolicyValidationPluginReport:
        folder = shutil.copytree(academy.app.outdir, tmp_path / "assembly")
        template = folder / f"earth-2026-fall-{stack}.template.json"
        text = template.read_text()
        assert old in text
        template.write_text(text.replace(old, new))
        paths = [str(each) for each in folder.glob("*.template.json")]
        proof = IsolationProof(load(FILE), account=ACCOUNT, images=None)
        return proof.validate(SimpleNamespace(template_paths=paths))  # type: ignore[arg-type]

    return run


def test_what_holds_is_reported_as_a_success(validate: Validate) -> None:
    report = validate("Team-falcon", "teams/falcon/*", "teams/falcon/*")
    assert report.success
    assert list(report.violations) == []


def test_a_breach_names_promise_request_and_place(validate: Validate) -> None:
    report = validate("Team-falcon", "teams/falcon/*", "teams/fal*")
    assert not report.success
    violations = [each for each in report.violations if "ana (learner" in each.description]
    first = violations[0]
    assert first.rule_name == "teams-apart"
    assert first.description.startswith("Broken: A team's folder is its own")
    assert "ana (learner, team falcon) may s3:" in first.description
    assert "in earth-2026-fall-Team-falcon/LearneranaRole" in first.description
    assert first.rule_metadata == {
        "stack": "earth-2026-fall-Team-falcon",
        "template": "earth-2026-fall-Team-falcon.template.json",
    }
    [resource] = first.violating_resources
    assert resource.resource_logical_id
    assert resource.resource_logical_id.startswith("LearneranaRole")


def test_no_acknowledgement_and_no_choice_of_stacks_hides_a_breach(validate: Validate) -> None:
    """The CDK lets an app acknowledge what is not fatal, and its CLI leaves out what stands at a
    construct of a stack that is not deployed; it finds constructs by their template's path."""
    report = validate("Team-falcon", "teams/falcon/*", "teams/fal*")
    for violation in report.violations:
        assert violation.severity == "fatal"
        for resource in violation.violating_resources:
            assert resource.template_path is None
            assert resource.construct_path is None


def test_what_cannot_be_decided_is_a_breach(validate: Validate) -> None:
    """The CLI passes over a plugin that raises, and deploys."""
    report = validate("Team-falcon", '"StringLike"', '"StringAlike"')
    assert not report.success
    [violation] = report.violations
    assert (violation.rule_name, violation.severity) == ("undecided", "fatal")
    assert "StringAlike" in violation.description


# --- the CDK's own CLI ----------------------------------------------------------------------------
#: app.py, were a learner's policy without the slash of its folder.
MUTATED = """
import sys
sys.path.insert(0, {root!r})
import app
from aws_cdk import App
from infra.constructs import policies

right = policies._team_folder
policies._team_folder = lambda arns, folder: right(arns, "teams/")
app.main(App())
"""


def cdk(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    cli = ROOT / "node_modules" / ".bin" / "cdk"
    return subprocess.run(
        [cli, *arguments, "--quiet", "--no-notices", "-c", f"cohort={FILE}"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **UNPACKED,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder from which the CDK synthesizes the mutated app."""
    (tmp_path / "mutated.py").write_text(MUTATED.format(root=str(ROOT)))
    # The CLI asks AWS for the account; without one it leaves the variable out, so the app is told.
    command = f"CDK_DEFAULT_ACCOUNT={ACCOUNT} {sys.executable} mutated.py"
    (tmp_path / "cdk.json").write_text(json.dumps({"app": command, "versionReporting": False}))
    return tmp_path


@pytest.mark.slow
@pytest.mark.end_to_end
def test_the_cli_shows_a_breach_as_an_error_and_what_passes_it_by(broken: Path) -> None:
    done = cdk(broken, "synth", CDK_VALIDATION="false")
    assert done.returncode == 1, done.stderr
    assert "cohort-prove::teams-apart" in done.stderr
    assert "may s3:" in done.stderr

    # Another stack alone, and the assembly that is left behind: shown as well.
    report = broken / "cdk.out" / "validation-report.json"
    assert "teams-apart" in report.read_text()
    for arguments in (
        ("synth", "earth-2026-fall-Guard", "--exclusively", "--app", "cdk.out"),
        ("deploy", "earth-2026-fall-Guard", "--exclusively", "--app", "cdk.out"),
        ("synth", "--no-validation", "--app", "cdk.out"),
    ):
        done = cdk(broken, *arguments)
        assert done.returncode == 1, arguments
        assert "cohort-prove::teams-apart" in done.stderr, arguments

    # What passes it by, as documented.
    done = cdk(broken, "synth", "--ignore-errors", "--app", "cdk.out")
    assert done.returncode == 0
    assert "cohort-prove::teams-apart" in done.stderr
    report.unlink()
    assert cdk(broken, "synth", "--app", "cdk.out").returncode == 0
