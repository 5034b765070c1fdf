"""Stands in for Docker in builds of the embedded cloud: no engine, but images that ECR can keep.

    docker login --username AWS --password-stdin REGISTRY
    docker build CONTEXT --target STAGE --tag IMAGE [--file DOCKERFILE] [--build-arg NAME=VALUE]...
    docker run --rm [--network none] --entrypoint /opt/academy/venv/bin/python IMAGE PROGRAM
    docker push IMAGE

`build` runs nothing of the Dockerfile. It takes the one thing that the embedded cloud can use of an
image of the academy, the folder that `COPY academy/ /opt/academy/` brings, and makes it the image's
only layer, as the Dockerfile settles it: templates/<PROJECT>/ becomes templates/, and image.json
says what was built. User and entrypoint of the target's stage go into the image's configuration,
and with them a digest of the rest of the context and the build arguments: so the same context gives
the same digests, another lock gives others, and two stages of one Dockerfile share their layer.

`run` starts no container: it imports the image's library, instead of running PROGRAM, and says so.

`push` uploads what ECR lacks by ECR's API, as the build's role, and puts the manifest. Everything
else is refused.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CONFIG = "application/vnd.docker.container.image.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

ROOT = "opt/academy"
PYTHON = f"/{ROOT}/venv/bin/python"

_IMAGE = re.compile(
    r"(?P<registry>\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com)/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})"
)


class Refused(Exception):
    """The command cannot be done; the message says why."""


class Arguments(argparse.ArgumentParser):
    """A command line of which the embedded cloud knows a part."""

    def error(self, message: str) -> NoReturn:
        raise Refused(f"the embedded cloud's stand-in: {message}. It has: {self.format_usage()}")


# --- the engine's own memory --------------------------------------------------------------------
class Engine:
    """What a Docker engine would remember between two commands of a build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("blobs", "images", "logins"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def keep(self, content: bytes) -> str:
        digest = digest_of(content)
        self._blob(digest).write_bytes(content)
        return digest

    def blob(self, digest: str) -> bytes:
        return self._blob(digest).read_bytes()

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / digest.removeprefix("sha256:")

    def tag(self, image: str, manifest: bytes) -> None:
        (self._folder / "images" / quote(image, safe="")).write_bytes(manifest)

    def manifest(self, image: str) -> bytes | None:
        file = self._folder / "images" / quote(image, safe="")
        return file.read_bytes() if file.is_file() else None

    def log_in(self, registry: str) -> None:
        (self._folder / "logins" / quote(registry, safe="")).touch()

    def logged_in(self, registry: str) -> bool:
        return (self._folder / "logins" / quote(registry, safe="")).is_file()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


# --- login --------------------------------------------------------------------------------------
def login(engine: Engine, arguments: list[str]) -> None:
    parser = Arguments(prog="docker login", add_help=False)
    parser.add_argument("--username", "-u", required=True)
    parser.add_argument("--password-stdin", action="store_true", required=True)
    parser.add_argument("registry")
    given = parser.parse_args(arguments)
    if given.username != "AWS" or not sys.stdin.read().strip():
        raise Refused(
            f"Error response from daemon: login attempt to https://{given.registry}/v2/ failed "
            "with status: 400 Bad Request"
        )
    engine.log_in(given.registry)
    print("Login Succeeded")


# --- build --------------------------------------------------------------------------------------
def build(engine: Engine, arguments: list[str]) -> None:
    parser = Arguments(prog="docker build", add_help=False)
    parser.add_argument("--target", required=True)
    parser.add_argument("--tag", "-t", required=True)
    parser.add_argument("--file", "-f")
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("context")
    given = parser.parse_args(arguments)
    context = Path(given.context)
    dockerfile = Path(given.file) if given.file else context / "Dockerfile"
    if not dockerfile.is_file():
        raise Refused(f"ERROR: failed to read dockerfile: open {dockerfile}: no such file")
    if (context / ".dockerignore").exists():
        raise Refused("the embedded cloud's stand-in does not read a .dockerignore")
    if _IMAGE.fullmatch(given.tag) is None:
        raise Refused(f"the embedded cloud's stand-in tags images for ECR only, not {given.tag}")
    values = dict(_argument(text) for text in given.build_arg)
    stage = Stage.of(dockerfile.read_text(encoding="utf-8"), given.target)
    unpacked = layer(context / "academy", values)
    packed = gzip.compress(unpacked, compresslevel=6, mtime=0)
    config = canonical(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": stage.user,
                "Entrypoint": stage.entrypoint,
                "Labels": {
                    "academy.offline.target": given.target,
                    "academy.offline.context": context_digest(context),
                    "academy.offline.arguments": digest_of(canonical(values)),
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(unpacked)]},
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(config), "digest": engine.keep(config)},
            "layers": [{"mediaType": LAYER, "size": len(packed), "digest": engine.keep(packed)}],
        }
    )
    engine.tag(given.tag, manifest)
    print("The embedded cloud has no Docker engine: the Dockerfile's RUN lines were not run.")
    print(f"writing image {digest_of(config)}\nnaming to {given.tag}")


def _argument(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    # Without a value it is the environment's, as Docker has it.
    return (name, value) if sign else (name, os.environ.get(name, ""))


class Stage:
    """User and entrypoint of a stage, with those of the stages below it."""

    def __init__(self, user: str, entrypoint: list[str], brings_academy: bool) -> None:
        self.user = user
        self.entrypoint = entrypoint
        self.brings_academy = brings_academy

    @classmethod
    def of(cls, dockerfile: str, target: str) -> Stage:
        """The stage that is called `target`.

        Raises:
            Refused: there is none, or it is not built as the academy's are.
        """
        stages: dict[str, Stage] = {}
        current = cls("", [], False)
        for word, rest in _instructions(dockerfile):
            if word == "FROM":
                found = re.fullmatch(r"(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", rest, re.IGNORECASE)
                if found is None:
                    raise Refused(f"ERROR: dockerfile parse error: FROM {rest}")
                below = stages.get(found[1].lower()) or cls("", [], False)
                current = cls(below.user, below.entrypoint, below.brings_academy)
                stages[(found[2] or str(len(stages))).lower()] = current
            elif word == "USER":
                current.user = rest
            elif word == "ENTRYPOINT":
                current.entrypoint = _words(rest)
            elif word == "COPY" and re.fullmatch(r"(?:--\S+\s+)*academy/?\s+/opt/academy/?", rest):
                current.brings_academy = True
        stage = stages.get(target.lower())
        if stage is None:
            raise Refused(f'ERROR: target stage "{target}" could not be found')
        if not stage.brings_academy:
            raise Refused(
                "the embedded cloud's stand-in makes images of the academy's layout only: stage "
                f"{target} has no line COPY academy/ /opt/academy/"
            )
        return stage


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def _words(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        words = ["/bin/sh", "-c", text]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Refused(f"ERROR: dockerfile parse error: ENTRYPOINT {text}")
    return words


def layer(academy: Path, values: dict[str, str]) -> bytes:
    """A tar archive of /opt/academy: the same files give the same bytes."""
    project = values.get("PROJECT", "")
    if not academy.is_dir():
        raise Refused(f"ERROR: {academy.name}: not found in the build context")
    if not re.fullmatch(r"[a-z0-9_-]+", project):
        raise Refused("the embedded cloud's stand-in needs --build-arg PROJECT=<image>")
    if not (academy / "templates" / project).is_dir():
        raise Refused(f"ERROR: academy/templates/{project}: not found in the build context")
    content: dict[str, tuple[bytes, int]] = {}
    for relative, file in files_of(academy):
        parts = relative.split("/")
        if parts[0] == "templates":
            if parts[1] != project:
                continue
            del parts[1]
        mode = 0o755 if file.stat().st_mode & 0o111 else 0o644
        content["/".join(parts)] = file.read_bytes(), mode
    image = {
        "project": project,
        "accelerator": values.get("ACCELERATOR", ""),
        "source": values.get("SOURCE", ""),
    }
    content["image.json"] = canonical(image), 0o644
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (data, mode) in sorted(content.items()):
            entry = tarfile.TarInfo(f"{ROOT}/{name}")
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def context_digest(context: Path) -> str:
    """A digest of all of the context that is not in the layer."""
    parts = hashlib.sha256()
    for relative, file in files_of(context):
        if not relative.startswith("academy/"):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            parts.update(f"{relative}\0{content}\n".encode())
    return f"sha256:{parts.hexdigest()}"


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every plain file below `folder`, by its relative path."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink():
            raise Refused(f"the embedded cloud's stand-in takes no links: {file}")
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


# --- run ----------------------------------------------------------------------------------------
def run(engine: Engine, arguments: list[str]) -> None:
    parser = Arguments(prog="docker run", add_help=False)
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("--network", choices=["none"])
    parser.add_argument("--entrypoint", required=True, choices=[PYTHON])
    parser.add_argument("image")
    parser.add_argument("program")
    given = parser.parse_args(arguments)
    manifest = json.loads(_present(engine, given.image))
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = gzip.decompress(engine.blob(manifest["layers"][0]["digest"]))
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
            archive.extractall(scratch, filter="data")
        root = Path(scratch, ROOT)
        if not Path(scratch, given.program.removeprefix("/")).exists():
            raise Refused(f"{PYTHON}: can't open file {given.program!r}: No such file or directory")
        for wheel in sorted((root / "wheels").glob("*.whl")):
            package = wheel.name.split("-")[0]
            code = "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
            code += "importlib.import_module(sys.argv[2])"
            status = subprocess.run(
                [sys.executable, "-I", "-c", code, str(wheel), package], check=False
            ).returncode
            if status != 0:
                raise Refused(f"{wheel.name} cannot be imported (exit status {status})")
            print(f"imported {package} of {wheel.name}")
    print(f"The embedded cloud starts no container: {given.program} was not run.")


def _present(engine: Engine, image: str) -> bytes:
    manifest = engine.manifest(image)
    if manifest is None:
        raise Refused(f"Unable to find image '{image}' locally; the embedded cloud pulls none")
    return manifest


# --- push ---------------------------------------------------------------------------------------
def push(engine: Engine, arguments: list[str]) -> None:
    # Imported here: it takes longer than all that the other commands do.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    parser = Arguments(prog="docker push", add_help=False)
    parser.add_argument("image")
    image = parser.parse_args(arguments).image
    named = _IMAGE.fullmatch(image)
    manifest = engine.manifest(image)
    if named is None or manifest is None:
        raise Refused(f"An image does not exist locally with the tag: {image}")
    if not engine.logged_in(named["registry"]):
        raise Refused("no basic auth credentials")
    print(f"The push refers to repository [{named['registry']}/{named['repository']}]")
    ecr = boto3.client("ecr", region_name=named["region"])
    document = json.loads(manifest)
    try:
        for part in (*document["layers"], document["config"]):
            short = part["digest"].removeprefix("sha256:")[:12]
            pushed = _upload(ecr, named["repository"], part["digest"], engine)
            print(f"{short}: {'Pushed' if pushed else 'Layer already exists'}")
        ecr.put_image(
            repositoryName=named["repository"],
            imageManifest=manifest.decode(),
            imageManifestMediaType=MANIFEST,
            imageTag=named["tag"],
        )
    except ClientError as error:
        raise Refused(
            _explained(error.response["Error"], named["repository"], named["tag"])
        ) from error
    except BotoCoreError as error:
        raise Refused(f"error pushing image: {error}") from error
    print(f"{named['tag']}: digest: {digest_of(manifest)} size: {len(manifest)}")


def _upload(ecr: Any, repository: str, digest: str, engine: Engine) -> bool:
    """Bring a layer to ECR; False if it is there."""
    answer = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])
    if any(one.get("layerAvailability") == "AVAILABLE" for one in answer["layers"]):
        return False
    content = engine.blob(digest)
    upload = ecr.initiate_layer_upload(repositoryName=repository)
    size = int(upload["partSize"])
    for first in range(0, len(content), size):
        part = content[first : first + size]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(
        repositoryName=repository, uploadId=upload["uploadId"], layerDigests=[digest]
    )
    return True


def _explained(error: dict[str, Any], repository: str, tag: str) -> str:
    """What Docker says of ECR's refusals."""
    code, message = error["Code"], error.get("Message", "")
    if code in ("ImageTagAlreadyExistsException", "ImageAlreadyExistsException"):
        # Also of the same image: aws/containers-roadmap, issue 2380.
        return (
            f"tag invalid: The image tag '{tag}' already exists in the '{repository}' repository "
            "and cannot be overwritten because the repository is immutable."
        )
    if code == "AccessDeniedException":
        return f"denied: {message}"
    if code == "RepositoryNotFoundException":
        return f"name unknown: {message}"
    return f"{code}: {message}"


COMMANDS = {"build": build, "login": login, "push": push, "run": run}


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    command, *rest = arguments or [""]
    try:
        if command not in COMMANDS:
            raise Refused(
                f"the embedded cloud's builds do not emulate `docker {command}`; they have "
                f"{', '.join(COMMANDS)}"
            )
        if command != "login" and not os.environ.get("ACADEMY_PRIVILEGED"):
            # The engine needs it: CodeBuild's project has privilegedMode.
            raise Refused(
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
                "daemon running? (The project's environment has no privilegedMode.)"
            )
        COMMANDS[command](Engine(Path(os.environ["ACADEMY_ENGINE"])), rest)
    except Refused as refusal:
        print(f"docker: {refusal}" if command in ("", "run") else refusal, file=sys.stderr)
        return 125 if command == "run" else 1
    return 0


if __name__ == "__main__":
    # What it says and what it complains of share a log, in their order.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
