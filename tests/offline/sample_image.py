"""A small build context of the academy's layout, and images from it in a cloud's ECR.

The library in it is not the learners': it has just what shows that an image's library was used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import boto3

from infra.offline.services.codebuild.builds import TOOLS
from infra.offline.services.codebuild.tools import docker

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS workspace
ARG PROJECT
COPY locks/ /opt/academy/locks/
COPY academy/ /opt/academy/
RUN bash /opt/academy/settle.sh \\
    "${PROJECT}"
USER 1000:100
ENTRYPOINT ["/opt/academy/bin/start"]

FROM workspace AS training
USER root
ENTRYPOINT ["python", "-m", "academy.job"]
"""

BUILDSPEC = """\
version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password --region "$AWS_REGION" | docker login --username AWS \
--password-stdin "${REPOSITORY%%/*}"
  build:
    commands:
      - bash build.sh
"""

BUILD = """\
set -euo pipefail
for stage in workspace training; do
  docker build . --target "$stage" --tag "$REPOSITORY:$TAG-$stage" \\
    --build-arg "BASE_IMAGE=base" --build-arg "PROJECT=$PROJECT" \\
    --build-arg "ACCELERATOR=$ACCELERATOR" --build-arg "SOURCE=${SOURCE:-}"
done
docker run --rm --network none --entrypoint /opt/academy/venv/bin/python \\
  "$REPOSITORY:$TAG-training" /opt/academy/check
for stage in workspace training; do
  docker push "$REPOSITORY:$TAG-$stage"
done
"""

#: The library's modules: what an image's entrypoint and a job's command run.
LIBRARY = {
    "__init__.py": "WORDS = {words!r}\n",
    "home.py": """\
import os, pathlib, sys
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    target = pathlib.Path.home() / file.relative_to(sys.argv[1])
    if file.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
print("brought the templates of", sys.argv[1])
""",
    "job.py": """\
import json, os, pathlib
import academy
root = pathlib.Path(os.environ["ACADEMY_ROOT"])
image = json.loads((root / "image.json").read_text())
print(academy.WORDS, image["project"], image["accelerator"], academy.__file__.startswith("/"))
""",
}


def wheel(words: str = "of the image") -> bytes:
    """A wheel of a package `academy` whose WORDS are `words`; the same words, the same bytes."""
    files = {f"academy/{name}": text for name, text in LIBRARY.items()}
    files["academy/__init__.py"] = LIBRARY["__init__.py"].format(words=words)
    info = "academy-9.0.dist-info"
    files[f"{info}/METADATA"] = "Metadata-Version: 2.1\nName: academy\nVersion: 9.0\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for name, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return made.getvalue()


def context(folder: Path, *, words: str = "of the image", lock: str = "numpy==2") -> Path:
    """Write the build context into `folder`."""
    plain = {
        "Dockerfile": DOCKERFILE,
        "buildspec.yml": BUILDSPEC,
        "build.sh": BUILD,
        "locks/segmentation.txt": lock,
        "academy/bin/start": "#!/bin/bash\nexit 1\n",
        "academy/jupyter/jupyter_lab_config.json": json.dumps(
            {"LabApp": {"default_url": "/lab/tree/welcome.ipynb"}}
        ),
        "academy/check/__main__.py": "raise SystemExit(1)\n",
        "academy/templates/segmentation/welcome.ipynb": "welcome",
        "academy/templates/segmentation/land_cover/land_cover.ipynb": "maps",
        "academy/templates/forecasting/welcome.ipynb": "elsewhere",
    }
    for name, text in plain.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "academy/bin/start").chmod(0o755)
    (folder / "academy/wheels").mkdir()
    (folder / "academy/wheels/academy-9.0-py3-none-any.whl").write_bytes(wheel(words))
    return folder


def zipped(folder: Path) -> bytes:
    """The folder as the CDK packs an asset: plain files with their permissions."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return made.getvalue()


def tool(
    name: str,
    arguments: list[str],
    *,
    engine: Path,
    variables: Mapping[str, str],
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a stand-in as a build does."""
    return subprocess.run(
        [sys.executable, "-I", str(TOOLS / f"{name}.py"), *arguments],
        env={
            "PATH": os.environ["PATH"],
            "ACADEMY_ENGINE": str(engine),
            "ACADEMY_PRIVILEGED": "1",
            **variables,
        },
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def pushed(
    source: Path,
    repository: str,
    tag: str,
    *,
    engine: Path,
    variables: Mapping[str, str],
    stages: tuple[str, ...] = ("workspace", "training"),
) -> dict[str, str]:
    """Build and push both stages of a context; returns the digest of each."""
    there = docker.Engine(engine)
    there.log_in(REGISTRY)
    digests = {}
    values = ["--build-arg", "PROJECT=segmentation", "--build-arg", "ACCELERATOR=cpu"]
    # A default session that another test made remembers the keys of then.
    with mock.patch.dict(os.environ, variables), mock.patch.object(boto3, "DEFAULT_SESSION", None):
        for stage in stages:
            image = f"{REGISTRY}/{repository}:{tag}-{stage}"
            docker.build(there, [str(source), "--target", stage, "--tag", image, *values])
            docker.push(there, [image])
            manifest = there.manifest(image)
            assert manifest is not None
            digests[stage] = docker.digest_of(manifest)
    return digests


def manifest_of(ecr: Any, repository: str, tag: str) -> tuple[str, dict[str, Any]]:
    """The text of an image's manifest in ECR, and what it says."""
    (image,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])[
        "images"
    ]
    return image["imageManifest"], json.loads(image["imageManifest"])
