"""The AWS CLI as a program of its own, pointed at a cloud by its environment alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.offline.authorization import credentials
from infra.offline.server import Cloud

#: The version that is installed beside Python; it brings its own botocore.
PROGRAM = Path(sys.executable).with_name("aws")

#: What the process returns. Source: "AWS CLI return codes", AWS CLI version 1 user guide; version 2
#: returns 254 for what the service refused.
S3_TRANSFER_FAILED = 1
SERVICE_REFUSED = WAITER_FAILED = 255

_REFUSAL = re.compile(
    r"An error occurred \((?P<code>[^)]+)\) when calling the (?P<operation>\w+) operation"
    r"(?: \(reached max retries: \d+\))?: (?P<message>.*)",
    re.S,
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    output: str
    errors: str


@dataclass(frozen=True)
class Refusal:
    """What the CLI said that the service had said."""

    status: int
    code: str
    operation: str
    message: str


class AwsCli:
    """The CLI as one caller: the administrator, or who holds `keys`."""

    def __init__(self, cloud: Cloud, home: Path, keys: Mapping[str, str] | None = None) -> None:
        self.cloud = cloud
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": os.environ["PATH"],
            # Where it would look for somebody's profile.
            "HOME": str(home),
            **cloud.client_environment(),
            **(keys or {}),
        }

    def as_role(self, role_arn: str, session_name: str = "ana") -> AwsCli:
        keys = credentials.for_role(role_arn, session_name=session_name)
        return AwsCli(self.cloud, self.home, keys)

    def run(self, *words: str, given: str | None = None) -> Ended:
        if words[0] == "sqs":
            # Version 1 asks its own, old address of SQS unless the command names another.
            words = (*words, "--endpoint-url", self.cloud.endpoint)
        done = subprocess.run(
            [PROGRAM, *words],
            env=self._environment,
            cwd=self.home,
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def text(self, *words: str, given: str | None = None) -> str:
        """What a command that succeeds prints."""
        ended = self.run(*words, given=given)
        assert ended.status == 0, ended.errors
        assert ended.errors == ""
        return ended.output

    def __call__(self, *words: str) -> Any:
        """The JSON that a command that succeeds prints, or None if it prints nothing."""
        printed = self.text(*words, "--output", "json")
        return json.loads(printed) if printed.strip() else None

    def refused(self, *words: str) -> Refusal:
        """What a command says of the service's refusal."""
        ended = self.run(*words)
        said = _REFUSAL.search(ended.errors)
        assert said is not None, ended
        return Refusal(ended.status, said["code"], said["operation"], said["message"].strip())

    def file(self, name: str, content: object) -> str:
        """A file beside the command, as an argument: text or JSON."""
        path = self.home / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return f"file://{path}"
