"""What stands for a container of the account's own image: the image's layer, unpacked, and its
library installed into an environment.

Nothing here runs a container. An image of the academy brings /opt/academy (templates, the library's
wheel, image.json); its layer is taken from ECR and unpacked into the folder of the app or job, and
the environment variable ACADEMY_ROOT says where. What else a real image holds (its operating
system, its Python, the locked libraries) is that of the machine that runs the cloud.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

from infra.offline import runtime
from infra.offline.authorization import credentials, enforcement
from infra.offline.authorization.requests import pulling
from infra.offline.fidelity import Part
from infra.offline.services.ecr import Reference, Stored

FIDELITY = Part(
    title="Spaces and jobs on an image",
    emulated=(
        "the image's layer is unpacked, its library installed, its templates brought; only "
        "attached images start, in the attached version; a job's role must be allowed to pull, "
        "by IAM"
    ),
    checked="`tests/end_to_end/test_images_life.py`",
    differences=(
        "stood for: SageMaker Distribution, the locked libraries, user 1000, the entrypoint. All "
        "of that is what `make image` runs"
    ),
)

#: Where the academy's images keep what they bring.
ROOT = "opt/academy"
#: What an image may unpack to: more is no image of the academy.
LARGEST_BYTES = 2 * 1024**3

#: Runs arguments in the container's place until they end; returns exit status and end of the log.
Run = Callable[[list[str]], tuple[int, str]]


class NotOfTheAcademy(Exception):
    """The image is not built as the academy's are; the message says what is missing."""


def own(uri: str) -> Reference | None:
    """The image that `uri` names in this account's registry; None for every other image."""
    here = runtime.current()
    reference = Reference.parse(uri)
    if reference is None or (reference.account, reference.region) != (here.account, here.region):
        return None
    return reference


def refusal(role_arn: str, reference: Reference) -> str | None:
    """Why IAM does not let the role pull from the image's repository; None if it does."""
    keys = credentials.for_role(role_arn, session_name="SageMaker")
    session = credentials.principal_of(keys["AWS_ACCESS_KEY_ID"])
    if session is None:
        return f"the role {role_arn} has no session"
    for question in pulling(reference.repository_arn):
        decision = enforcement.decide(session, question)
        if not decision.allowed:
            return decision.reason
    return None


def check(stored: Stored) -> None:
    """Raise NotOfTheAcademy unless the image's layers hold /opt/academy/image.json."""
    wanted = f"{ROOT}/image.json"
    for layer in stored.layers():
        try:
            with tarfile.open(layer, "r:gz") as archive:
                if wanted in archive.getnames():
                    return
        except (OSError, tarfile.TarError) as error:
            raise NotOfTheAcademy(f"a layer of {stored.uri} cannot be read: {error}") from error
    raise NotOfTheAcademy(
        f"the embedded cloud runs the academy's own images only, and {stored.uri} has no "
        f"/{wanted} in its layers: build it by CodeBuild from the academy's build context."
    )


def unpack(stored: Stored, folder: Path) -> Path:
    """Unpack the image's layers into `folder`; returns where its /opt/academy lies then.

    Raises:
        NotOfTheAcademy: the image has another layout, or its layers hold what no image should.
    """
    check(stored)
    folder.mkdir(parents=True)
    left = LARGEST_BYTES
    for layer in stored.layers():
        try:
            with tarfile.open(layer, "r:gz") as archive:
                members = archive.getmembers()
                left -= sum(member.size for member in members)
                if left < 0:
                    raise NotOfTheAcademy(
                        f"{stored.uri} unpacks to more than {LARGEST_BYTES} bytes"
                    )
                # Refuses links, devices and names that lead out of the folder.
                archive.extractall(folder, members, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise NotOfTheAcademy(f"a layer of {stored.uri} cannot be unpacked: {error}") from error
    return folder / ROOT


def install(root: Path, python: Path, run: Run) -> None:
    """Install the image's wheels into the environment of `python`, from the image alone.

    Raises:
        NotOfTheAcademy: there is no wheel, or pip refuses it.
    """
    wheels = sorted(str(wheel) for wheel in (root / "wheels").glob("*.whl"))
    if not wheels:
        raise NotOfTheAcademy("the image has no wheel in /opt/academy/wheels")
    arguments = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *wheels]
    status, ending = run([str(python), *arguments])
    if status != 0:
        raise NotOfTheAcademy(f"the image's library cannot be installed (exit {status}): {ending}")


def entrypoint(stored: Stored) -> list[str]:
    """The image's own entrypoint, which the embedded cloud stands for and does not run."""
    return list(stored.config().get("config", {}).get("Entrypoint") or ())
