"""Workspace images: their names in an account, and the record of the versions that were built.

What a cohort runs on follows from three words. An *image* is made for a kind of project
(`segmentation`, `forecasting`), an *accelerator* is what its instances compute on (`cpu`, `gpu`),
and a *flavour* is both: `segmentation-gpu`. Each flavour is pushed in two *stages* of the same
layers: `workspace` is what a space starts, `training` what a job runs.

Images belong to the account and not to a cohort, so these names carry no cohort. The record says,
for each account and region, which versions there are and which one is used; it is committed, so
that a deploy from another checkout of the same commit gives the same spaces.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from infra.cohort.model import Cohort

# --- vocabulary ---------------------------------------------------------------------------------
IMAGES = ("segmentation", "forecasting")
ACCELERATORS = ("cpu", "gpu")
STAGES = ("workspace", "training")

#: The image that has a project's libraries.
IMAGE_OF_PROJECT = {"land-cover": "segmentation", "climate-series": "forecasting"}


def flavour(image: str, accelerator: str) -> str:
    """The flavour of `image` for `accelerator`.

    Raises:
        ValueError: if either is none of ours.
    """
    if image not in IMAGES:
        raise ValueError(f"no image is called {image!r}: one of {', '.join(IMAGES)}")
    if accelerator not in ACCELERATORS:
        raise ValueError(f"no accelerator is called {accelerator!r}: one of cpu, gpu")
    return f"{image}-{accelerator}"


FLAVOURS = tuple(flavour(image, accelerator) for image in IMAGES for accelerator in ACCELERATORS)


def image_of(project: str) -> str:
    """The image that `project` runs in.

    Raises:
        ValueError: if there is none.
    """
    if project not in IMAGE_OF_PROJECT:
        known = ", ".join(IMAGE_OF_PROJECT)
        raise ValueError(f"no image is made for project {project!r}; there are ones for {known}")
    return IMAGE_OF_PROJECT[project]


def projects_of(image: str) -> tuple[str, ...]:
    """The projects that run in `image`."""
    return tuple(project for project, of in IMAGE_OF_PROJECT.items() if of == image)


def accelerator_of(instance: str) -> str:
    """What an instance type computes on: families g and p carry GPUs.

    >>> accelerator_of("ml.g5.xlarge"), accelerator_of("ml.m5.large")
    ('gpu', 'cpu')

    Raises:
        ValueError: if it is no instance type of SageMaker.
    """
    if not re.fullmatch(r"ml\.[a-z][a-z0-9-]*\.[a-z0-9-]+", instance):
        raise ValueError(f"{instance!r} is no instance type of SageMaker, like ml.g5.xlarge")
    return "gpu" if instance.split(".")[1][0] in "gp" else "cpu"


def flavours_for(projects: Iterable[str], instances: Iterable[str]) -> tuple[str, ...]:
    """The flavours that these projects need on these instance types, in the order of FLAVOURS."""
    accelerators = {accelerator_of(instance) for instance in instances}
    wanted = {flavour(image_of(project), each) for project in projects for each in accelerators}
    return tuple(each for each in FLAVOURS if each in wanted)


def flavours_of(cohort: Cohort) -> tuple[str, ...]:
    """The flavours that `cohort` needs: for its spaces and for its jobs."""
    instances = [*cohort.studio.instances, *cohort.training.instances]
    return flavours_for(cohort.projects, instances)


# --- names in an account ------------------------------------------------------------------------
BUILD_STACK = "Academy-Images-Build"
IMAGES_STACK = "Academy-Images"

#: The CodeBuild project, and where its builds write.
BUILD_PROJECT = "academy-images"
BUILD_LOGS = f"/aws/codebuild/{BUILD_PROJECT}"

ROLE_PATH = "/academy/shared/images/"
#: What CodeBuild builds under, and what SageMaker reads the repositories under.
BUILD_ROLE = "academy--images--build"
STUDIO_ROLE = "academy--images--studio"

#: ECR's life cycle spares what carries such a tag.
KEPT = "kept-"


def repository(flavour: str) -> str:
    """The ECR repository of a flavour."""
    return f"academy/{flavour}"


def registry(account: str, region: str) -> str:
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def image_uri(account: str, region: str, flavour: str, digest: str) -> str:
    """An image by what it contains: no push can change what this names."""
    return f"{registry(account, region)}/{repository(flavour)}@{digest}"


def training_image_uri(account: str, region: str, flavour: str, digest: str) -> str:
    """A job's TrainingImage, from the digest of the flavour's training stage."""
    return image_uri(account, region, flavour, digest)


def build_tag(source: str) -> str:
    """What the tags of a build of the context `source` start with; `-workspace` or `-training`
    follows."""
    return f"build-{source[:16]}"


def kept_tag(version: int, stage: str) -> str:
    """The tag that keeps a version's image from expiring."""
    return f"{KEPT}v{version}-{stage}"


def version_of_tag(tag: str) -> int | None:
    """The version that `tag` keeps, or None if it keeps none."""
    match = re.fullmatch(rf"{KEPT}v([1-9][0-9]*)-(?:{'|'.join(STAGES)})", tag)
    return int(match.group(1)) if match else None


def studio_image(flavour: str) -> str:
    """The name of the SageMaker Image, and of its AppImageConfig."""
    return f"academy-{flavour}"


def version_parameter(flavour: str, version: int) -> str:
    """The SSM parameter with the ARN of the SageMaker image version of `version`."""
    return f"/academy-images/{flavour}/v{version}"


# --- the record ---------------------------------------------------------------------------------
#: The record of this repository. Another organisation keeps its own, and names it.
DEFAULT = Path(__file__).resolve().parents[2] / "workspace_images" / "versions.json"

#: A version has about 1.5 kB; more than this is no record.
MAX_BYTES = 10_000_000


class RecordError(ValueError):
    """A record that cannot be used: the message says where it is wrong and what to do."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        super().__init__(f"{path}: {count}\n  " + "\n  ".join(problems))


class UnknownVersion(LookupError):
    """A version that the record does not have; the message names those that it has."""


#: How the record writes an instant.
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def _text(pattern: str, like: str) -> AfterValidator:
    """Text that is wholly `pattern`; what is not is told what it should be `like`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("text", "should be {like}", {"like": like})
        return value

    return AfterValidator(check)


def _instant(value: str) -> str:
    try:
        dt.datetime.strptime(value, INSTANT)
    except ValueError:
        raise PydanticCustomError(
            "instant", "should be an instant in UTC, like 2026-11-28T14:00:00Z"
        ) from None
    return value


Digest = Annotated[str, _text("sha256:[0-9a-f]{64}", "a digest: sha256: and 64 hexadecimal digits")]
Source = Annotated[str, _text("[0-9a-f]{64}", "the context's hash: 64 hexadecimal digits")]
Instant = Annotated[
    str, _text("[0-9-]{10}T[0-9:]{8}Z", "an instant in UTC"), AfterValidator(_instant)
]
Number = Annotated[str, _text("[1-9][0-9]{0,5}", "the number of a version: 1, 2, ...")]
Place = Annotated[
    str,
    _text("[0-9]{12}/[a-z]{2}(-[a-z]+)+-[0-9]", "an account and a region: 123456789012/us-east-1"),
]
Flavour = Annotated[str, _text("|".join(FLAVOURS), f"a flavour: one of {', '.join(FLAVOURS)}")]


class _Strict(BaseModel):
    """An unknown member is an error, and so is text where a number belongs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Built(_Strict):
    """One flavour of a version: the digests of its two stages, and its compressed size."""

    workspace: Digest
    training: Digest
    bytes: Annotated[int, Field(gt=0)]

    @model_validator(mode="after")
    def _two_stages(self) -> Built:
        # Their layers are the same, their configuration is not: equal digests are a slip.
        if self.workspace == self.training:
            raise PydanticCustomError("stages", "both stages have the same digest: one is wrong")
        return self


class _Version(_Strict):
    built: Instant
    source: Source
    images: Annotated[dict[Flavour, Built], Field(min_length=1)]


class _Versions(_Strict):
    use: int | None
    versions: dict[Number, _Version]

    @model_validator(mode="after")
    def _used_is_known(self) -> _Versions:
        if self.use is not None and str(self.use) not in self.versions:
            raise PydanticCustomError(
                "use",
                '"use" is {use}, which is none of its versions ({known}); null means AWS\'s own '
                "images",
                {"use": self.use, "known": ", ".join(self.versions) or "there are none"},
            )
        return self


_DOCUMENT: TypeAdapter[dict[str, _Versions]] = TypeAdapter(dict[Place, _Versions])


@dataclass(frozen=True)
class ImageVersion:
    """One version of the images of an account and region.

    `source` is the hash of the build context that it was made from; `images` has a flavour that
    was built, and no other.
    """

    number: int
    built: dt.datetime
    source: str
    images: Mapping[str, Built]

    def missing(self, flavours: Iterable[str]) -> tuple[str, ...]:
        """Those of `flavours` that this version does not have."""
        return tuple(each for each in flavours if each not in self.images)


@dataclass(frozen=True)
class Record:
    """The versions that were built, by account and region. Every change makes a new record."""

    _places: Mapping[str, _Versions] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: object, path: Path = DEFAULT) -> Record:
        """The record in `document`, which was read from `path`.

        Raises:
            RecordError: with everything that is wrong with it.
        """
        try:
            return cls(_DOCUMENT.validate_python(document))
        except ValidationError as error:
            problems = [_problem(item) for item in error.errors()]
            raise RecordError(path, problems) from None

    def to_document(self) -> dict[str, Any]:
        """The document that `from_document` reads, always in the same order."""
        return {
            place: {
                "use": entry.use,
                "versions": {
                    number: {
                        "built": entry.versions[number].built,
                        "source": entry.versions[number].source,
                        "images": {
                            flavour: entry.versions[number].images[flavour].model_dump()
                            for flavour in FLAVOURS
                            if flavour in entry.versions[number].images
                        },
                    }
                    for number in sorted(entry.versions, key=int)
                },
            }
            for place, entry in sorted(self._places.items())
        }

    def versions(self, account: str, region: str) -> list[ImageVersion]:
        """The versions of an account and region, oldest first."""
        entry = self._places.get(f"{account}/{region}")
        return (
            [_version(number, entry) for number in sorted(entry.versions, key=int)] if entry else []
        )

    def version(self, account: str, region: str, number: int) -> ImageVersion:
        """The version called `number`.

        Raises:
            UnknownVersion: if the record does not have it.
        """
        entry = self._places.get(f"{account}/{region}")
        if entry is None or str(number) not in entry.versions:
            known = ", ".join(sorted(entry.versions, key=int)) if entry else ""
            raise UnknownVersion(
                f"there is no version {number} of the images in account {account}, {region}; "
                + (f"there are: {known}" if known else "none was built yet (cohort images build)")
            )
        return _version(str(number), entry)

    def current(self, account: str, region: str) -> ImageVersion | None:
        """The version that cohorts of this account and region run on, or None: AWS's own images."""
        entry = self._places.get(f"{account}/{region}")
        if entry is None or entry.use is None:
            return None
        return _version(str(entry.use), entry)

    def with_version(self, account: str, region: str, version: ImageVersion) -> Record:
        """This record with `version` added, and used.

        Raises:
            ValueError: if another one has its number: what a number means never changes.
        """
        entry = self._places.get(f"{account}/{region}", _Versions(use=None, versions={}))
        number = str(version.number)
        if number in entry.versions and _version(number, entry) != version:
            raise ValueError(f"version {number} is recorded already, with other images")
        added = {
            "built": version.built.astimezone(dt.UTC).strftime(INSTANT),
            "source": version.source,
            "images": {name: built.model_dump() for name, built in version.images.items()},
        }
        document = entry.model_dump()
        document["versions"][number] = added
        return self._with(account, region, {**document, "use": version.number})

    def using(self, account: str, region: str, number: int | None) -> Record:
        """This record with version `number` used; None: AWS's own images.

        Raises:
            UnknownVersion: if the record does not have it.
        """
        if number is not None:
            self.version(account, region, number)
        elif f"{account}/{region}" not in self._places:
            return self
        entry = self._places[f"{account}/{region}"]
        return self._with(account, region, {**entry.model_dump(), "use": number})

    def without(self, account: str, region: str, number: int) -> Record:
        """This record without version `number`.

        Raises:
            UnknownVersion: if the record does not have it.
            ValueError: if it is used.
        """
        self.version(account, region, number)
        entry = self._places[f"{account}/{region}"]
        if entry.use == number:
            raise ValueError(f"version {number} is the one in use")
        document = entry.model_dump()
        del document["versions"][str(number)]
        return self._with(account, region, document)

    def _with(self, account: str, region: str, entry: dict[str, Any]) -> Record:
        others = {
            place: other
            for place, other in self.to_document().items()
            if place != f"{account}/{region}"
        }
        return Record.from_document({**others, f"{account}/{region}": entry})


def load_record(path: Path | str = DEFAULT) -> Record:
    """The record in the file at `path`.

    Raises:
        RecordError: with everything that is wrong with it.
    """
    path = Path(path)

    def fail(problem: str) -> NoReturn:
        raise RecordError(path, [problem]) from None

    try:
        raw = path.read_bytes()
    except OSError as error:
        fail(f"(file): {error.strerror or error}; start one that contains {{}}")
    if len(raw) > MAX_BYTES:
        fail(f"(file): has {len(raw)} bytes; a record has at most {MAX_BYTES}")
    try:
        text = raw.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        fail(f"(file): byte {error.start} is not UTF-8 text")
    except RecursionError:
        fail("(file): nested too deeply")
    except json.JSONDecodeError as error:
        conflict = re.search(r"^(<{7}|={7}|>{7})", text, re.MULTILINE)
        advice = (
            "two branches changed it: keep the versions of both"
            if conflict
            else "take it back from version control (git checkout)"
        )
        fail(f"line {error.lineno}: not readable as JSON: {error.msg}; {advice}")
    except ValueError as error:  # of our own hooks, and of numbers too long to be read
        fail(f"(file): {error}")
    return Record.from_document(document, path)


def save_record(record: Record, path: Path | str = DEFAULT) -> None:
    """Replace the file at `path` in one step: whoever reads it meanwhile sees the old one whole.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(json.dumps(record.to_document(), indent=2) + "\n", encoding="utf-8")
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


def _version(number: str, entry: _Versions) -> ImageVersion:
    version = entry.versions[number]
    return ImageVersion(
        number=int(number),
        built=dt.datetime.strptime(version.built, INSTANT).replace(tzinfo=dt.UTC),
        source=version.source,
        images=dict(version.images),
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            # Where two branches were merged by hand, the last would silently win.
            raise ValueError(f"{_short(key)} stands twice")
        document[key] = value
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of a record")


def _problem(item: Any) -> str:
    location = [str(part) for part in item["loc"] if part != "[key]"]
    where = ".".join(location) or "(file)"
    kind = item["type"]
    if kind == "missing":
        return f"{where}: is missing"
    if kind == "extra_forbidden":
        return f"{where}: no such member; check its spelling"
    if kind in ("dict_type", "model_type"):
        return f"{where}: should be a JSON object (got {_short(item['input'])})"
    message = str(item["msg"]).replace("Input should be", "should be")
    message = message.replace("String should", "should").replace("Dictionary", "it")
    return f"{where}: {message} (got {_short(item['input'])})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
