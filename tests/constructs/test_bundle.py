"""What goes to Lambda: our own modules, and none that would fail there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from infra.constructs import bundle
from infra.constructs.bundle import SOURCE, BundleError, check_handler, stage


@pytest.fixture
def source(tmp_path):
    """A small repository with one service, `guard`."""
    root = tmp_path / "source"
    for name, text in {
        "infra/__init__.py": "",
        "infra/cohort/__init__.py": "",
        "infra/cohort/naming.py": "import re\n",
        "infra/cohort/prices.py": "import json\n",
        "infra/cohort/prices.json": "{}",
        "infra/cohort/model.py": "import pydantic\n",
        "infra/services/__init__.py": "",
        "infra/services/guard/__init__.py": "",
        "infra/services/guard/handler.py": "import boto3\n\ndef broker(event, context): ...\n",
        "infra/services/other/__init__.py": "",
        "infra/services/other/settings.py": "from infra.services.other import deep\nX = 1\n",
        "infra/services/other/deep.py": "import json\n",
        "infra/services/other/unused.py": "",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def write(source: Path, text: str) -> None:
    (source / "infra/services/guard/logic.py").write_text(text)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


SHARED = {
    "infra/__init__.py",
    "infra/cohort/__init__.py",
    "infra/cohort/naming.py",
    "infra/cohort/prices.py",
    "infra/cohort/prices.json",
    "infra/services/__init__.py",
}


def test_a_bundle_is_the_service_and_the_names_and_prices(source, tmp_path):
    stage("guard", tmp_path / "out", source=source)
    assert files(tmp_path / "out") == SHARED | {
        "infra/services/guard/__init__.py",
        "infra/services/guard/handler.py",
    }


def test_caches_do_not_travel(source, tmp_path):
    guard = source / "infra/services/guard"
    (guard / "__pycache__").mkdir()
    (guard / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"x")
    (guard / ".DS_Store").write_bytes(b"x")
    stage("guard", tmp_path / "out", source=source)
    found = {name for name in files(tmp_path / "out") if "guard" in name}
    assert found == {f"infra/services/guard/{x}" for x in ("__init__.py", "handler.py")}


@pytest.mark.parametrize("left", ["answers.csv", "deep/labels.npy", "answers.json", "labels"])
def test_what_was_left_beside_a_service_is_refused_by_name(source, tmp_path, left):
    file = source / "infra/services/guard" / left
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"held out")
    with pytest.raises(BundleError, match=left):
        stage("guard", tmp_path / "out", source=source)


def test_another_services_module_travels_with_what_it_imports(source, tmp_path):
    write(source, "from infra.services.other.settings import X\n")
    stage("guard", tmp_path / "out", source=source)
    others = {name for name in files(tmp_path / "out") if "/other/" in name}
    assert others == {f"infra/services/other/{x}.py" for x in ("__init__", "settings", "deep")}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("import numpy\n", "numpy"),
        ("import numpy.linalg as la\n", "numpy.linalg"),
        ("from pydantic import BaseModel\n", "pydantic.BaseModel"),
        ("def f():\n    import yaml\n", "yaml"),
        ("from infra.cohort.model import Cohort\n", "infra.cohort.model.Cohort"),
        ("from infra.cohort import model\n", "infra.cohort.model"),
        ("import infra.cohort.loading\n", "infra.cohort.loading"),
        ("from infra.stacks import guard\n", "infra.stacks.guard"),
        ("from ...cohort import model\n", "infra.cohort.model"),
        ("from infra.services.nowhere import thing\n", "infra.services.nowhere.thing"),
        ("from infra.services.guard import absent\n", "infra.services.guard.absent"),
    ],
)
def test_what_lambda_lacks_is_refused_by_name(source, tmp_path, text, named):
    write(source, text)
    with pytest.raises(BundleError) as refused:
        stage("guard", tmp_path / "out", source=source)
    assert f"infra/services/guard/logic.py imports {named}," in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "import json, os.path\nfrom botocore.exceptions import ClientError\n",
        "from infra.cohort import naming\nfrom infra.cohort.prices import PriceList\n",
        "from infra.services.guard import handler\n",
        "from infra.services.guard.handler import broker\n",
        "from . import handler\nfrom .handler import broker\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from numpy import array\n",
    ],
)
def test_what_lambda_has_is_accepted(source, tmp_path, text):
    write(source, text)
    stage("guard", tmp_path / "out", source=source)
    assert "infra/services/guard/logic.py" in files(tmp_path / "out")


def test_an_import_behind_else_of_type_checking_counts(source, tmp_path):
    write(
        source,
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    A = 1\nelse:\n    import numpy\n",
    )
    with pytest.raises(BundleError, match="numpy"):
        stage("guard", tmp_path / "out", source=source)


def test_a_service_that_is_no_package_is_refused(source, tmp_path):
    with pytest.raises(BundleError, match="nowhere is no package"):
        stage("nowhere", tmp_path / "out", source=source)


def test_a_handler_must_be_there(source, tmp_path):
    stage("guard", tmp_path / "out", source=source)
    check_handler("infra.services.guard.handler.broker", tmp_path / "out")
    with pytest.raises(BundleError, match="defines no settler"):
        check_handler("infra.services.guard.handler.settler", tmp_path / "out")
    with pytest.raises(BundleError, match="no module"):
        check_handler("infra.services.guard.handlers.broker", tmp_path / "out")


@pytest.mark.parametrize(
    ("package", "handlers"),
    [("guard", ("broker", "settler", "sweep")), ("competition", ("scorer",))],
)
def test_the_real_handlers_import_from_their_bundle_alone(tmp_path, package, handlers):
    """As in Lambda: the bundle and boto3 on the path, this repository not."""
    stage(package, tmp_path)
    import boto3

    libraries = Path(boto3.__file__).parents[1]
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(libraries)!r}]\n"
        f"import infra, infra.services.{package}.handler as h\n"
        f"assert infra.__file__.startswith({str(tmp_path)!r}), infra.__file__\n"
        f"assert all(callable(getattr(h, name)) for name in {handlers!r})\n"
        f"assert not any(name.startswith('pydantic') for name in sys.modules)\n"
    )
    # -S -I: neither this environment's .pth files (one leads to this repository) nor the folder.
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (SOURCE / "infra" / "services" / package).is_dir()


# --- packages of others ---------------------------------------------------------------------------


@pytest.fixture
def granted(source, monkeypatch):
    """The small repository, whose service may import Jinja2."""
    monkeypatch.setattr(bundle, "VENDORED", {"guard": ("Jinja2", "MarkupSafe")})
    return source


def test_a_package_travels_as_it_is_installed_with_its_licence_and_uncompiled(granted, tmp_path):
    write(granted, "from jinja2 import Environment\n")
    stage("guard", tmp_path / "out", source=granted)
    found = {name for name in files(tmp_path / "out") if not name.startswith("infra/")}
    assert {"jinja2/environment.py", "markupsafe/_native.py"} <= found
    assert {Path(name).suffix for name in found} == {".py", ".txt"}
    licences = [name for name in found if not name.endswith(".py")]
    assert sorted(name.split("-")[0] for name in licences) == ["jinja2", "markupsafe"]


def test_a_package_is_granted_to_one_service_and_not_to_another(source, tmp_path):
    write(source, "import jinja2\n")
    with pytest.raises(BundleError, match="imports jinja2, which Lambda does not have"):
        stage("guard", tmp_path / "out", source=source)


def test_a_package_whose_need_is_not_granted_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "VENDORED", {"guard": ("Jinja2",)})
    with pytest.raises(BundleError, match="Jinja2 needs markupsafe"):
        stage("guard", tmp_path / "out", source=source)


def test_a_package_that_is_not_installed_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "VENDORED", {"guard": ("no-such-package",)})
    with pytest.raises(BundleError, match="no-such-package is not installed"):
        stage("guard", tmp_path / "out", source=source)


def test_a_package_that_was_changed_since_it_was_installed_is_refused(
    granted, tmp_path, monkeypatch
):
    real = Path.read_bytes

    def changed(path: Path) -> bytes:
        return real(path) + (b"#" if path.name == "environment.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    with pytest.raises(BundleError, match=r"jinja2/environment\.py of Jinja2 is not as it was"):
        stage("guard", tmp_path / "out", source=granted)


def test_the_doors_packages_run_without_what_is_installed_here(tmp_path):
    """With nothing but the bundle, the standard library and boto3, as in Lambda."""
    bundle._vendor(bundle.VENDORED["door"], tmp_path)
    site = Path(boto3.__file__).parents[1]
    for name in bundle._WITH_BOTO3 | {"dateutil", "six.py", "s3transfer", "urllib3"}:
        (tmp_path / "runtime").mkdir(exist_ok=True)
        (tmp_path / "runtime" / name).symlink_to(site / name)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver\n"
        "from jinja2 import Environment\n"
        "import markupsafe\n"
        "print(Environment(autoescape=True).from_string('{{ x }}').render(x='<'))\n"
        "print(markupsafe._escape_inner.__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path), str(tmp_path / "runtime")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["&lt;", "markupsafe._native"], done.stderr
