"""A probe in the hands of tests: without a cloud, answering from scripts; or on a whole cloud."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

from infra.cli.probe.ledger import FILE, Ledger
from infra.cli.probe.probing import Probe
from infra.cli.probe.recording import TRANSCRIPTS, Recorder
from infra.cli.probe.scrubbing import Scrubber

ACCOUNT = "123456789012"
REGION = "us-east-1"
RUN = "0a1b2c3d"
NOW = dt.datetime(2027, 3, 15, 12, tzinfo=dt.UTC)


class StillPace:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def look(self, seconds: float) -> None:
        self.passed += seconds

    def pass_seconds(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.passed)


class Scripted:
    """A probe whose clients answer what a test tells them, as botocore's models have it.

    `stub("ecr")` gives the Stubber of the service; it refuses a request or an answer that AWS's own
    model does not know.
    """

    def __init__(self, folder: Path) -> None:
        self._stubs: dict[str, Stubber] = {}
        self._clients: dict[str, Any] = {}
        self.pace = StillPace()
        self.probe = Probe(
            run=RUN,
            account=ACCOUNT,
            region=REGION,
            source="aws",
            ledger=Ledger(folder / FILE, {"run": RUN, "account": ACCOUNT, "region": REGION}),
            recorder=Recorder(
                folder / TRANSCRIPTS, Scrubber(ACCOUNT, RUN), source="aws", region=REGION
            ),
            pace=self.pace,
            session=lambda _: boto3.Session(
                aws_access_key_id="a", aws_secret_access_key="b", region_name=REGION
            ),
            client_of=lambda session, service: self._client(session, service),
        )

    def _client(self, session: Any, service: str) -> Any:
        self.stub(service)
        return self._clients[service]

    def stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            client = boto3.client(
                service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
            )
            self._clients[service] = client
            self._stubs[service] = Stubber(client)
            self._stubs[service].activate()
        return self._stubs[service]

    def all_asked(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()
