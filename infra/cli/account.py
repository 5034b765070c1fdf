"""Where the command works: the cohort, the AWS account and region, and the clients to speak to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from infra.cli.terminal import Refused
from infra.cohort.loading import load
from infra.cohort.model import Cohort


@dataclass(frozen=True)
class Site:
    """A cohort in the account that the environment's credentials belong to."""

    cohort: Cohort

    @classmethod
    def of(cls, file: Path) -> Site:
        return cls(load(file))

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.cohort.region)

    @cached_property
    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def bucket(self, purpose: str) -> str:
        return self.cohort.names.bucket(purpose, account=self.account, region=self.cohort.region)

    def workspace(self, learner: str) -> dict[str, Any] | None:
        """The learner's workspace config as deployed, or None if it is not."""
        ssm = self.client("ssm")
        name = self.cohort.names.workspace_parameter(learner)
        try:
            value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            return None
        document = json.loads(value)
        assert isinstance(document, dict)
        return document

    def known(self, person: str) -> None:
        """Refuse an id that is nobody's who has a workspace."""
        people = [each.id for each in self.cohort.people]
        if person in people:
            return
        if any(advisor.id == person for advisor in self.cohort.advisors):
            raise Refused(
                f"{person} advises {self.cohort.name} and has no space: give the cohort file "
                "budget.per_advisor_usd, and deploy it"
            )
        raise Refused(f"{person!r} is no learner of {self.cohort.name}: {', '.join(people)}")

    def broker(self, learner: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the broker on behalf of a learner, or of an advisor who has a space, through the
        alias that is their identity.

        Raises:
            Refused: with the broker's sentence, or what the file should name.
        """
        self.known(learner)
        client = self.client("lambda")
        function = self.cohort.names.function("broker")
        try:
            answer = client.invoke(
                FunctionName=f"{function}:{self.cohort.names.alias(learner)}",
                Payload=json.dumps(request).encode(),
            )
        except client.exceptions.ResourceNotFoundException:
            raise Refused(
                f"{self.cohort.name} has no broker for {learner}: is the cohort deployed in "
                f"account {self.account}, {self.cohort.region}?"
            ) from None
        body = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Refused(f"the broker failed: {body.get('errorMessage', body)}")
        if not body.get("ok"):
            raise Refused(str(body.get("error", {}).get("message", body)))
        assert isinstance(body, dict)
        return body
