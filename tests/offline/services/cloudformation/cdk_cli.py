"""The pinned, unmodified CDK CLI, and small apps for it that are synthesized in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.offline.server import Cloud

ROOT = Path(__file__).parents[4]
CLI = ROOT / "node_modules" / ".bin" / "cdk"
ENVIRONMENT = "aws://123456789012/us-east-1"


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    text: str


@dataclass
class Cdk:
    """Runs the CLI against a cloud, on an app that the test has synthesized last."""

    cloud: Cloud
    folder: Path
    _count: int = 0
    _assembly: Path | None = field(default=None)

    def app(self, stacks: Mapping[str, Mapping[str, Any]], **options: Any) -> None:
        """Synthesize an app: stack -> {logical id: (type, properties)}."""
        self._count += 1
        self._assembly = self.folder / f"app-{self._count}"
        synthesize(stacks, self._assembly, **options)

    def start(self, *arguments: str, app: bool = True) -> subprocess.Popen[str]:
        """The CLI's process, with its output in one pipe."""
        given = ["--app", str(self._assembly)] if app else []
        return subprocess.Popen(
            [str(CLI), *arguments, *given],
            cwd=self.folder,
            env={**os.environ, **self.cloud.client_environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *arguments: str, app: bool = True, timeout: float = 120) -> Said:
        process = self.start(*arguments, app=app)
        text, _ = process.communicate(timeout=timeout)
        return Said(process.returncode, text)

    def deploy(self, *arguments: str) -> Said:
        return self.run("deploy", "--require-approval", "never", *arguments)


def synthesize(
    stacks: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    outputs: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    protected: bool = False,
) -> None:
    """Write a cloud assembly.

    Args:
        parameters: names and defaults of parameters of every stack.
        outputs: outputs of every stack, as CloudFormation writes their values.
    """
    os.environ.setdefault("CDK_VALIDATION", "false")
    import aws_cdk

    app = aws_cdk.App(outdir=str(folder))
    where = aws_cdk.Environment(account="123456789012", region="us-east-1")
    for name, resources in stacks.items():
        stack = aws_cdk.Stack(
            app, name, env=where, tags=dict(tags or {}), termination_protection=protected
        )
        for parameter, default in (parameters or {}).items():
            aws_cdk.CfnParameter(stack, parameter, default=default)
        made = {}
        for logical_id, (kind, properties, *more) in resources.items():
            made[logical_id] = aws_cdk.CfnResource(
                stack, logical_id, type=kind, properties=properties
            )
            made[logical_id].override_logical_id(logical_id)
            for needed in more:
                if needed == "Retain":
                    made[logical_id].apply_removal_policy(aws_cdk.RemovalPolicy.RETAIN)
                else:
                    made[logical_id].add_resource_dependency(made[needed])
        for key, value in (outputs or {}).items():
            aws_cdk.CfnOutput(stack, key, value=aws_cdk.Token.as_string(value))
    app.synth(validate_on_synthesis=False)


def parameter(name: str, value: Any, *needs: str, **more: Any) -> tuple[Any, ...]:
    """An SSM parameter, after the resources that it needs."""
    properties = {"Name": name, "Type": "String", "Value": value, **more}
    return ("AWS::SSM::Parameter", properties, *needs)
