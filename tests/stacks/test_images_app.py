"""The CDK's entry with `-c images=…`: which stacks it adds, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

import app
from infra.cohort.images import FLAVOURS
from tests.stacks.unpacked import UNPACKED

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
COHORT = "cohorts/example.yaml"


def synth(
    outdir: Path, context: dict[str, str], *, region: str | None = REGION
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(outdir),
        **UNPACKED,
        "CDK_OUTDIR": str(outdir / "out"),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        **({"CDK_DEFAULT_REGION": region} if region else {}),
    }
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def stacks(outdir: Path) -> dict[str, dict[str, Any]]:
    """Name -> template of each stack that was synthesized."""
    suffix = ".template.json"
    return {
        path.name.removesuffix(suffix): json.loads(path.read_text())
        for path in (outdir / "out").glob(f"*{suffix}")
    }


def a_record(path: Path, *flavours: str, region: str = REGION) -> str:
    def digest(number: int) -> str:
        return f"sha256:{number:064x}"

    images = {
        flavour: {
            "workspace": digest(2 * number),
            "training": digest(2 * number + 1),
            "bytes": 5_000_000_000,
        }
        for number, flavour in enumerate(flavours)
    }
    version = {"built": "2026-11-28T14:00:00Z", "source": "a" * 64, "images": images}
    path.write_text(json.dumps({f"{ACCOUNT}/{region}": {"use": 1, "versions": {"1": version}}}))
    return str(path)


def test_images_alone_are_the_accounts_stacks_and_no_cohorts(tmp_path: Path) -> None:
    record = a_record(tmp_path / "versions.json", *FLAVOURS)
    done = synth(tmp_path, {"images": record})
    assert done.returncode == 0, done.stderr
    assert set(stacks(tmp_path)) == {"Academy-Images-Build", "Academy-Images"}


def test_the_build_context_that_is_deployed_is_this_checkouts(tmp_path: Path) -> None:
    from infra.publishing import image_context

    (tmp_path / "versions.json").write_text("{}")
    done = synth(tmp_path, {"images": str(tmp_path / "versions.json"), "region": "eu-west-1"})
    assert done.returncode == 0, done.stderr
    made = stacks(tmp_path)
    assert set(made) == {"Academy-Images-Build"}
    [project] = [
        each["Properties"]
        for each in made["Academy-Images-Build"]["Resources"].values()
        if each["Type"] == "AWS::CodeBuild::Project"
    ]
    variables = {x["Name"]: x["Value"] for x in project["Environment"]["EnvironmentVariables"]}
    assert variables["SOURCE"] == image_context.stage(tmp_path / "context")
    bucket, _, key = project["Source"]["Location"].partition("/")
    assert bucket == f"cdk-hnb659fds-assets-{ACCOUNT}-eu-west-1"
    asset = tmp_path / "out" / f"asset.{key.removesuffix('.zip')}"
    assert (asset / "buildspec.yml").is_file()
    assert (asset / "Dockerfile").is_file()


def test_a_cohort_alone_has_none_of_the_images_and_runs_on_the_record_it_names(
    tmp_path: Path,
) -> None:
    record = a_record(tmp_path / "versions.json", *FLAVOURS)
    done = synth(tmp_path, {"cohort": COHORT, "image_record": record})
    assert done.returncode == 0, done.stderr
    made = stacks(tmp_path)
    assert len(made) == 6
    assert not [name for name in made if name.startswith("Academy-Images")]
    assert "academy-segmentation-cpu" in json.dumps(made)


def test_both_are_all_of_them(tmp_path: Path) -> None:
    record = a_record(tmp_path / "versions.json", *FLAVOURS)
    done = synth(tmp_path, {"cohort": COHORT, "images": record}, region=None)
    assert done.returncode == 0, done.stderr
    assert len(stacks(tmp_path)) == 8


def test_a_cohort_that_needs_what_the_version_lacks_is_told_by_name(tmp_path: Path) -> None:
    record = a_record(tmp_path / "versions.json", "segmentation-cpu", "segmentation-gpu")
    done = synth(tmp_path, {"cohort": COHORT, "image_record": record})
    assert done.returncode == 1
    assert "no forecasting-cpu and no forecasting-gpu" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("context", "region", "advice"),
    [
        ({}, REGION, "-c images=workspace_images/versions.json"),
        ({"images": "nowhere/versions.json"}, REGION, "nowhere/versions.json"),
        ({"images": "DAMAGED"}, REGION, "should be a JSON object"),
        ({"cohort": COHORT, "image_record": "DAMAGED"}, REGION, "should be a JSON object"),
        ({"images": "workspace_images/versions.json"}, None, "-c region=us-east-1"),
        ({"images": "workspace_images/versions.json", "region": "us"}, REGION, "-c region="),
    ],
    ids=["nothing", "no record", "damaged", "cohort's is damaged", "no region", "no such region"],
)
def test_what_is_missing_is_said_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    context: dict[str, str],
    region: str | None,
    advice: str,
) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_text("[]")
    context = {key: value.replace("DAMAGED", str(damaged)) for key, value in context.items()}
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", ACCOUNT)
    if region:
        monkeypatch.setenv("CDK_DEFAULT_REGION", region)
    else:
        monkeypatch.delenv("CDK_DEFAULT_REGION", raising=False)
    with pytest.raises(app.TOLD) as told:
        app.main(App(context=context, outdir=str(tmp_path / "out")))
    assert advice in str(told.value)
    assert not stacks(tmp_path)
