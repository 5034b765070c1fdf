"""What a deploy uploads for a cohort: our own sources byte by byte, packages of others as they are
published, and nothing that is held out.

`cdk deploy` puts assets into a bucket that every cohort of the account shares and nobody empties.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from infra.constructs.bundle import VENDORED

ROOT = Path(__file__).resolve().parents[2]

#: What a function's code is made of, beside modules of Python.
DATA = {"infra/cohort/prices.json"}


@pytest.fixture(scope="module")
def others() -> Mapping[str, Path]:
    """Every file of the packages that services are granted, with where it is installed."""
    return {
        file.as_posix(): Path(str(file.locate()))
        for names in VENDORED.values()
        for name in names
        for file in metadata.distribution(name).files or ()
    }


@pytest.fixture(scope="module")
def uploaded(academy: Any) -> dict[str, list[Path]]:
    """Asset -> its files, of everything that the assembly says is uploaded but the templates."""
    folder = Path(academy.app.outdir)
    found: dict[str, list[Path]] = {}
    for manifest in folder.glob("*.assets.json"):
        document = json.loads(manifest.read_text())
        assert not document.get("dockerImages"), "images are built by CodeBuild alone"
        for asset in document["files"].values():
            source = folder / asset["source"]["path"]
            if source.is_dir():
                found[source.name] = [path for path in source.rglob("*") if not path.is_dir()]
            elif not source.name.endswith(".template.json"):
                found[source.name] = [source]
    return found


def test_code_is_uploaded_and_nothing_else(
    uploaded: dict[str, list[Path]], others: Mapping[str, Path], academy: Any
) -> None:
    folder = Path(academy.app.outdir)
    assert uploaded, "the functions' code is an asset"
    for asset, files in uploaded.items():
        assert files, asset
        for file in files:
            assert not file.is_symlink(), file
            path = file.relative_to(folder / asset).as_posix()
            licence = path in others and "/licenses/" in path
            assert path.endswith(".py") or path in DATA or licence, f"{asset} uploads {path}"


def test_every_uploaded_file_is_a_source_of_ours_or_of_a_granted_package_byte_by_byte(
    uploaded: dict[str, list[Path]], others: Mapping[str, Path], academy: Any
) -> None:
    """So no generated file can be among them, whatever it is called."""
    folder = Path(academy.app.outdir)
    for asset, files in uploaded.items():
        for file in files:
            path = file.relative_to(folder / asset)
            if path.as_posix() in others:
                same = file.read_bytes() == others[path.as_posix()].read_bytes()
                assert same, f"{asset} uploads {path}"
                continue
            assert path.parts[:2] in (
                ("infra", "services"),
                ("infra", "cohort"),
                ("infra", "__init__.py"),
            ), f"{asset} uploads {path}"
            assert file.read_bytes() == (ROOT / path).read_bytes(), f"{asset} uploads {path}"


def test_no_template_has_a_stack_upload_what_is_held_out(academy: Any) -> None:
    """Data go into the vault by `cohort publish`, with an admin's own credentials, and no other
    way: no resource of CloudFormation writes an object."""
    writers = ("Custom::", "AWS::CloudFormation::CustomResource")
    for where, resource in academy.resources():
        assert not resource["Type"].startswith(writers), where
    text = json.dumps(academy.templates)
    assert "answers.csv" not in text
    assert "answers.json" not in text


@pytest.mark.parametrize("folder", ["infra/services", "infra/cohort", "infra/constructs"])
def test_nothing_that_could_be_held_out_lies_among_the_sources(folder: str) -> None:
    """Whatever the bundle copies it copies from here."""
    kinds = {".npy", ".npz", ".csv", ".tif", ".tiff", ".parquet", ".zip", ".gz", ".pkl"}
    found = [
        path
        for path, _, names in os.walk(ROOT / folder)
        for name in names
        if Path(name).suffix in kinds
    ]
    assert found == []
