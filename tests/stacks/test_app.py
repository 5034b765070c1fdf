"""The CDK's entry as the CDK CLI calls it: what it says when it cannot go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App

import app
from tests.stacks.unpacked import UNPACKED

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]


def synth(outdir: Path, *, context: dict[str, str], account: str | None = "123456789012"):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(outdir),
        **UNPACKED,
        "CDK_OUTDIR": str(outdir),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",
        **({"CDK_DEFAULT_ACCOUNT": account} if account else {}),
    }
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_good_cohort_is_synthesized_and_reviewed(tmp_path):
    done = synth(tmp_path, context={"cohort": "cohorts/example.yaml"})
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.template.json"))) == 6


def test_every_mistake_of_a_cohort_file_is_told_without_a_traceback(tmp_path):
    text = (ROOT / "cohorts" / "example.yaml").read_text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        text.replace("ends: 2027-03-31", "ends: 2026-01-01").replace("id: falcon", "id: Falcon")
    )
    done = synth(tmp_path, context={"cohort": str(wrong)})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "teams[0].id" in done.stderr
    assert "ends" in done.stderr


@pytest.mark.parametrize(
    ("context", "account", "advice"),
    [
        ({}, "123456789012", "-c cohort=cohorts/example.yaml"),
        ({"cohort": "cohorts/nowhere.yaml"}, "123456789012", "cohorts/nowhere.yaml"),
        ({"cohort": "cohorts/example.yaml"}, None, "credentials"),
    ],
    ids=["no cohort named", "no such file", "no credentials"],
)
def test_what_is_missing_is_said_with_what_to_do(tmp_path, monkeypatch, context, account, advice):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
    if account:
        monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", account)
    with pytest.raises(app.TOLD) as told:
        app.main(App(context=context, outdir=str(tmp_path)))
    assert advice in str(told.value)
    assert not list(tmp_path.glob("*.template.json"))
