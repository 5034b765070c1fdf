"""What the demo stands on: its folders, its cohort file, the embedded cloud and the CDK CLI."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from infra.cli.account import Site
from infra.cli.demo.kernel import Lab
from infra.cli.terminal import Refused
from infra.offline.environment import client_environment

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "cohorts" / "example.yaml"
CDK = ROOT / "node_modules" / ".bin" / "cdk"

#: So small that a four-hour GPU job is over it, and a small one and a space are not.
CAP_USD = 5

#: A channel as its link in Microsoft Teams names it; the ids are nobody's.
CHANNEL = {
    "tenant": "11111111-2222-3333-4444-555555555555",
    "team": "66666666-7777-8888-9999-000000000000",
    "channel": "19%3aacademy%40thread.tacv2",
}

START_SECONDS = 60


class Stage:
    """Everything of one demo; `clear` ends it, whatever state it is in."""

    def __init__(self, out: Path, *, keep: bool) -> None:
        self.out = out
        self.keep = keep
        self.logs = out / "demo"
        self.products: list[Path] = []
        self.endpoint = ""
        self.labs: dict[str, Lab] = {}
        #: When the reservation of a learner's space ends.
        self.reserved_until: dict[str, dt.datetime] = {}
        self._cloud: subprocess.Popen[bytes] | None = None
        self._cdk: subprocess.Popen[str] | None = None
        self._state = Path(tempfile.mkdtemp(prefix="academy-demo-"))

    # --- the cohort -----------------------------------------------------------------------------
    @cached_property
    def cohort_file(self) -> Path:
        """The example cohort with dates around today and a cap that the demo can reach."""
        document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        today = dt.datetime.now(dt.UTC).date()
        document["starts"] = today - dt.timedelta(days=7)
        document["ends"] = today + dt.timedelta(days=120)
        document["competition"]["closes"] = today + dt.timedelta(days=100)
        document["budget"]["per_learner_usd"] = CAP_USD
        document["notify"]["teams"] = CHANNEL
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / "cohort.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    @cached_property
    def site(self) -> Site:
        return Site.of(self.cohort_file)

    # --- the embedded cloud ---------------------------------------------------------------------
    def start_cloud(self) -> None:
        """Start `cohort offline up` and take its environment as ours.

        Raises:
            Refused: if it does not come up; its log says why.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        ready = self._state / "endpoint"
        command = [sys.executable, "-m", "infra.cli.main", "offline", "up", "--port", "0"]
        command += ["--state", str(self._state / "cloud"), "--ready-file", str(ready)]
        log = self.logs / "cloud.log"
        with log.open("wb") as sink:
            self._cloud = subprocess.Popen(
                [*command, "--until-eof"],
                stdin=subprocess.PIPE,  # held open by us: it ends when we do, however we do
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=_without_aws(os.environ),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self._cloud.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(encoding="utf-8", errors="replace")[-800:]
                raise Refused(f"the embedded cloud did not come up: {tail}")
            time.sleep(0.05)
        self.endpoint = ready.read_text(encoding="utf-8")
        environment = client_environment(self.endpoint, "us-east-1")
        os.environ.update(environment)
        # Nothing of the person's own AWS set-up may reach the demo, nor the demo their account.
        for name in set(os.environ) - set(_without_aws(os.environ)) - set(environment):
            del os.environ[name]

    def stop_cloud(self) -> None:
        """End the embedded cloud as Ctrl-C would, and wait until it is gone."""
        cloud, self._cloud = self._cloud, None
        if cloud is None:
            return
        cloud.send_signal(signal.SIGTERM)
        try:
            cloud.wait(30)
        except subprocess.TimeoutExpired:
            cloud.kill()
            cloud.wait()
        assert cloud.stdin is not None
        cloud.stdin.close()

    @property
    def cloud_pid(self) -> int:
        """The embedded cloud's process."""
        assert self._cloud is not None, "the embedded cloud has not been started"
        return self._cloud.pid

    @property
    def state(self) -> Path:
        return self._state / "cloud"

    # --- the CDK CLI ----------------------------------------------------------------------------
    def cdk(self, *arguments: str, told: Callable[[str], None]) -> str:
        """Run the pinned CDK CLI; `told` hears each line. Returns its output.

        Raises:
            Refused: if it fails; with its last lines.
        """
        if not CDK.exists():
            raise Refused("the CDK CLI is not installed: run `make install`")
        log = self.logs / f"cdk-{arguments[0]}.log"
        # The CLI's own template validation dominates synthesis; `make lint` and the tests do it.
        environment = dict(os.environ) | {"CDK_VALIDATION": "false"}
        lines = []
        with log.open("a", encoding="utf-8") as sink:
            self._cdk = subprocess.Popen(
                [str(CDK), *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            assert self._cdk.stdout is not None
            for line in self._cdk.stdout:
                sink.write(line)
                lines.append(line.rstrip())
                if line.strip():
                    told(line.strip())
            status = self._cdk.wait()
        self._cdk = None
        if status != 0:
            tail = "\n".join(lines[-12:])
            raise Refused(f"cdk {arguments[0]} ended with status {status}:\n{tail}\n(log: {log})")
        return "\n".join(lines)

    # --- the end --------------------------------------------------------------------------------
    def clear(self) -> None:
        """Leave no process and no folder behind."""
        if self._cdk is not None and self._cdk.poll() is None:
            os.killpg(self._cdk.pid, signal.SIGTERM)
            self._cdk.wait()
        self.stop_cloud()
        for log in sorted(self.state.rglob("*.log")) if self.state.exists() else ():
            # What the cloud, its functions, spaces and jobs said outlives them.
            name = "-".join(log.relative_to(self.state).parts)
            shutil.copyfile(log, self.logs / name)
        shutil.rmtree(self._state, ignore_errors=True)

    @property
    def cleared(self) -> bool:
        return self._cloud is None and not self.state.exists()


def _without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def poll(what: str, ask: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Ask until the answer is true, and return it.

    Raises:
        Refused: if it is not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    wait = 0.1
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(wait)
        wait = min(wait * 1.3, 1.0)
    raise Refused(f"{what}: not within {seconds:.0f} seconds")
