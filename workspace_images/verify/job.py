"""A training job in the training stage: by our entrypoint, and by the SageMaker SDK's own driver.

The folder that is bound to /opt/ml is laid out as SageMaker lays it out for a container.
"""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.cli.demo.narrator import Step
from infra.publishing import templates
from workspace_images.verify.building import Refused, Workshop
from workspace_images.verify.running import Container

#: What the SageMaker SDK v3 brings into a container; its script is made by the SDK's own template.
SDK = "sagemaker-train==1.27.0"

#: So little that it takes seconds.
SHORT: Mapping[str, Mapping[str, str]] = {
    "land-cover": {"steps": "20", "evaluate-every": "20", "validation": "2"},
    "climate-series": {"epochs": "2", "networks": "1"},
}


def by_entrypoint(step: Step, image: Container, folder: Path, project: str, data: Path) -> float:
    """As the broker starts it: the image's entrypoint, the code as a tar.gz."""
    # Imported here: the learners' library is none of the admin's installed packages.
    from academy.packing import pack

    ml = _folder(folder, {**SHORT[project], "academy_script": "train.py"}, ("code", "data"))
    source = templates.TEMPLATES / templates.folder_of(project)
    (ml / "input/data/code/source.tar.gz").write_bytes(pack(source, "train.py").content)
    _bring(data, ml)
    return _run(step, image, ml, "our entrypoint trains", None)


def by_sdk(
    step: Step, image: Container, folder: Path, project: str, data: Path, workshop: Workshop
) -> float:
    """As ModelTrainer(...).train() of the SageMaker SDK starts it."""
    drivers = _drivers(workshop)
    ml = _folder(folder, dict(SHORT[project]), ("code", "data", "sm_drivers"))
    source = templates.TEMPLATES / templates.folder_of(project)
    shutil.copytree(source, ml / "input/data/code", dirs_exist_ok=True)
    _bring(data, ml)
    target = ml / "input/data/sm_drivers"
    shutil.copytree(drivers / "container_drivers", target, dirs_exist_ok=True)
    texts = runpy.run_path(str(drivers / "templates.py"))
    script = texts["TRAIN_SCRIPT_TEMPLATE"].format(
        working_dir="cd /opt/ml/input/data/code \n",
        install_requirements="",
        execute_driver=texts["EXECUTE_BASIC_SCRIPT_DRIVER"],
    )
    (target / "sm_train.sh").write_text(script)
    (target / "sourcecode.json").write_text(
        json.dumps({"source_dir": "code", "entry_script": "train.py"})
    )
    (target / "distributed.json").write_text("{}")
    there = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    command = ["/bin/bash", "-c", f"chmod +x {there} && {there}"]
    return _run(step, image, ml, "the SageMaker SDK's driver trains", command)


def _folder(folder: Path, hyperparameters: Mapping[str, str], channels: tuple[str, ...]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("input/config", "model", "output/data", *(f"input/data/{c}" for c in channels)):
        (folder / name).mkdir(parents=True)
    resources = {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "network_interface_name": "lo",
    }
    documents: dict[str, Any] = {
        "hyperparameters": dict(hyperparameters),
        "resourceconfig": resources,
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in channels},
    }
    for name, document in documents.items():
        (folder / "input/config" / f"{name}.json").write_text(json.dumps(document))
    return folder


def _bring(data: Path, ml: Path) -> None:
    shutil.copytree(data, ml / "input/data/data", dirs_exist_ok=True)


def _run(step: Step, image: Container, ml: Path, what: str, command: list[str] | None) -> float:
    began = time.monotonic()
    ended = image.run(
        *(command or ()),
        binds={ml: "/opt/ml"},
        environment={"OMP_WAIT_POLICY": "PASSIVE", "TRAINING_JOB_NAME": "image-check"},
    )
    seconds = time.monotonic() - began
    model = [path for path in (ml / "model").rglob("*") if path.is_file()]
    metrics = ml / "output/data/metrics.json"
    if ended.returncode or not model:
        step.say(f"{ended.stdout[-1500:]}\n{ended.stderr[-1500:]}".replace("[", "\\["))
    step.check(
        what,
        ended.returncode == 0 and bool(model) and metrics.is_file(),
        f"{', '.join(sorted(path.name for path in model))}; {seconds:.0f} s",
    )
    return round(seconds, 2)


def _drivers(workshop: Workshop) -> Path:
    """The SDK's drivers and script template, from its wheel; none of it is installed."""
    target = workshop.folder / SDK.replace("==", "-")
    if target.is_dir():
        return target
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(part), SDK]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Refused(f"{SDK} could not be downloaded:\n{ended.stderr[-1000:]}")
    inside = "sagemaker/train/"
    with zipfile.ZipFile(next(part.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(f"{inside}container_drivers/") or name == f"{inside}templates.py":
                file = part / name.removeprefix(inside)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(wheel.read(name))
    part.rename(target)
    return target
