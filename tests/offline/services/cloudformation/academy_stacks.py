"""The academy's own templates, synthesized once, and short ways to deploy them in this process."""

from __future__ import annotations

import copy
import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from infra.offline import inside
from infra.offline.services.cloudformation.engine import Engine, engine_of
from infra.offline.services.cloudformation.stack import Stack

ROOT = Path(__file__).parents[4]
ACCOUNT, REGION = "123456789012", "us-east-1"
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
#: The template that the pinned CDK CLI bootstraps an account with.
BOOTSTRAP = ROOT / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"

#: What the client's secret of the variant `provider` is kept under.
SECRET = "academy/agency"

Template = dict[str, Any]

#: A door with the organisation's own provider.
DOOR = {
    "from": "academy@example.org",
    "provider": {
        "name": "Agency",
        "issuer": "https://login.example.org",
        "client_id": "academy",
        "secret": SECRET,
    },
}

#: Options of the cohort file that add types or properties to the example's.
VARIANTS: dict[str, dict[str, Any]] = {
    "example": {},
    "protected": {"protect": True},
    "teams": {
        # Other types and properties come with it: endpoints, security groups, a provider.
        "door": DOOR,
        "network": "private",
        "notify": {
            "email": "academy@example.org",
            "teams": {
                "tenant": "11111111-1111-4111-8111-111111111111",
                "team": "22222222-2222-4222-8222-222222222222",
                "channel": "19%3Aabc%40thread.tacv2",
            },
        },
    },
    "changed": {
        # Mirrors what an admin changes while a cohort runs: one team less, one more, other limits.
        "teams": [
            {
                "id": "falcon",
                "learners": [
                    {"id": "ana", "email": "ana@example.org"},
                    {"id": "eve", "email": "eve@example.org"},
                ],
            },
            {"id": "osprey", "learners": [{"id": "chi", "email": "chi@example.org"}]},
        ],
        "advisors": [{"id": "robin", "email": "robin@example.org"}],
        "budget": {"per_learner_usd": 40, "alert_percent": [60, 100]},
        "studio": {
            "instances": ["ml.t3.medium"],
            "idle_minutes": 90,
            "storage_gb": 40,
            "max_hours": 6,
        },
        "notify": {"email": "office@example.org"},
    },
}

#: Which domains there are; types and properties are the example's.
ISOLATIONS: dict[str, dict[str, Any]] = {
    isolation: {"isolation": isolation} for isolation in ("learner", "team", "cohort")
}


@functools.cache
def templates(variant: str, *, attached: bool = False) -> dict[str, Template]:
    """Stack -> template of the example cohort, in the order in which they are deployed.

    Args:
        attached: with a version of the academy's images.
    """
    from infra.cohort.loading import load
    from tests.stacks import conftest as synthesis

    example = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "cohort.yaml"
        file.write_text(yaml.safe_dump(example | (VARIANTS | ISOLATIONS)[variant]))
        version = synthesis.image_version() if attached else None
        academy = synthesis.synthesize(load(file), Path(scratch) / "out", version)
    return {name: academy.templates[name] for name in academy.order}


@functools.cache
def image_templates(*versions: int) -> dict[str, Template]:
    """Stack -> template of the account's images, with these recorded versions."""
    from aws_cdk import App

    from infra.stacks.images import add_image_stacks
    from tests.stacks import test_images_stacks as synthesis

    with tempfile.TemporaryDirectory() as scratch:
        app = App(outdir=str(Path(scratch) / "out"), context=synthesis.CONTEXT)
        record = synthesis.a_record(*(synthesis.a_version(number) for number in versions))
        add_image_stacks(app, record, account=ACCOUNT, region=REGION, context=synthesis.a_context)
        stacks = app.synth(validate_on_synthesis=False).stacks
        return {stack.stack_name: copy.deepcopy(stack.template) for stack in stacks}


def bootstrap_template() -> Template:
    """The CDK's bootstrap template, as JSON would have it."""
    from infra.offline.services.cloudformation.template import _parse

    parsed: Template = _parse(BOOTSTRAP.read_text())
    return parsed


def every_template() -> dict[str, Template]:
    """Every template that the project or its tools deploy, by a name of its own."""
    found = {
        f"{variant}/{name}": template
        for variant in VARIANTS
        for name, template in templates(variant).items()
    }
    attached = templates("example", attached=True)
    found |= {f"attached/{name}": template for name, template in attached.items()}
    found |= {f"images/{name}": template for name, template in image_templates(1, 2).items()}
    return found | {"cdk/CDKToolkit": bootstrap_template()}


class Deployer:
    """Deploys templates by the engine itself, without a wire: fast enough to fail everywhere."""

    def __init__(self) -> None:
        self.engine: Engine = engine_of(ACCOUNT, REGION)

    def ready(self, *of: Template) -> None:
        """What stands before a stack is deployed: the CDK's version, and its assets."""
        ssm, s3 = inside.client("ssm", REGION), inside.client("s3", REGION)
        ssm.put_parameter(
            Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
        )
        self.keep_secret()
        s3.create_bucket(Bucket=ASSETS)
        self.assets(*of)

    def keep_secret(self) -> None:
        """What the admin keeps for the provider, before a door that has one."""
        inside.client("secretsmanager", REGION).create_secret(
            Name=SECRET, SecretString="the secret of the client"
        )

    def assets(self, *of: Template) -> None:
        """Something for every asset that the templates name."""
        s3 = inside.client("s3", REGION)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("handler.py", "def handle(event, context):\n    return None\n")
        for key in sorted({key for template in of for key in asset_keys(template)}):
            s3.put_object(Bucket=ASSETS, Key=key, Body=packed.getvalue())

    def deploy(self, name: str, template: Template, **more: Any) -> Stack:
        """Create or update; returns when it is done, however that ends."""
        stack = self.engine.find(name)
        definition = self.engine.define(
            json.dumps(template),
            more.pop("given", {}),
            previous=stack,
            capabilities=CAPABILITIES,
            tags=more.pop("tags", {}),
        )
        if stack is None or stack.status == "DELETE_COMPLETE":
            stack = self.engine.create(name, definition, **more)
        else:
            self.engine.update(stack, definition, **more)
        self.engine.finish(60)
        return stack

    def delete(self, name: str) -> Stack:
        stack = self.engine.stack(name)
        self.engine.delete(stack)
        self.engine.finish(60)
        return stack


def asset_keys(written: Any) -> list[str]:
    """The keys of assets that a template names."""
    if isinstance(written, dict):
        own = [written["S3Key"]] if isinstance(written.get("S3Key"), str) else []
        return own + [key for item in written.values() for key in asset_keys(item)]
    if isinstance(written, list):
        return [key for item in written for key in asset_keys(item)]
    return []
