"""The academy that an image's notebook connects to: the embedded cloud, a cohort, small data.

The learner's space runs there too, for its credentials and metadata are what Studio would hand to
the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.cli.demo.kernel import Lab
from infra.cli.demo.narrator import Step
from infra.cli.demo.stage import Stage
from infra.cli.publish import publish_cohort
from infra.cli.spaces import open_and_wait
from infra.publishing.land_cover import Plan
from workspace_images.verify.running import document

#: Large enough for every class to occur where the sealing wants it, small enough to be quick.
PLAN = Plan(size=240, train=6)

#: What Studio gives the container of a space, of the space's process here.
_HANDED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
)


@dataclass(frozen=True)
class Seat:
    """A learner's place: what Studio gives to the container of the space."""

    environment: dict[str, str]
    metadata: Path


@contextmanager
def classroom(out: Path) -> Iterator[Stage]:
    """The embedded cloud; everything ends with the block."""
    stage = Stage(out / "image", keep=False)
    try:
        stage.start_cloud()
        yield stage
    finally:
        stage.clear()


def deploy(stage: Stage, step: Step) -> None:
    """Two teams of two, with small data published."""
    step.doing("cdk bootstrap, cdk deploy --all")
    stage.cdk("bootstrap", "aws://123456789012/us-east-1", "--app", "", told=step.doing)
    stage.cdk(
        *("deploy", "--all", "-c", f"cohort={stage.cohort_file}"),
        *("--output", str(stage.logs / "cdk.out"), "--require-approval", "never"),
        *("--progress", "events"),
        told=step.doing,
    )
    for _ in publish_cohort(stage.site, plan=PLAN, told=step.doing):
        pass
    step.check("an academy is deployed and its data published", True, stage.site.cohort.name)


def datasets(stage: Stage, project: str, folder: Path) -> Path:
    """The published data of `project`, as a job's channel has them."""
    s3, bucket = stage.site.client("s3"), stage.site.bucket("data")
    prefix = f"datasets/{project}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page["Contents"]:
            file = folder / item["Key"].removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(file))
    return folder


def seat(stage: Stage, learner: str, folder: Path) -> Seat:
    """Open the learner's space, and take what was handed to it."""
    lab = Lab(open_and_wait(stage.site, learner, hours=2, told=lambda _: None))
    with lab.kernel() as kernel:
        found = document(
            kernel.text(
                "import json, os, pathlib\n"
                "metadata = pathlib.Path(os.environ['ACADEMY_RESOURCE_METADATA']).read_text()\n"
                f"print(json.dumps({{'metadata': json.loads(metadata), 'environment': "
                f"{{n: os.environ[n] for n in {_HANDED!r} if n in os.environ}}}}))"
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    metadata = folder / "resource-metadata.json"
    metadata.write_text(json.dumps(found["metadata"]))
    return Seat(found["environment"], metadata)
