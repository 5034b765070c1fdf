"""The door: the web page where people of the cohort sign in, and open their spaces.

There is such a stack only where the cohort file asks for it (`door`).
"""

from __future__ import annotations

import hashlib

from aws_cdk import Duration
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort.model import Cohort, Door
from infra.constructs import policies
from infra.constructs.function import ServiceFunction
from infra.constructs.notices import errors_alarm
from infra.constructs.open_api import OpenApi
from infra.constructs.provider import ProviderSignIn
from infra.constructs.sign_in import Member, SignIn, people_pages
from infra.stacks.base import CohortStack
from infra.stacks.competition import ONE_CORE_MB


class DoorStack(CohortStack):
    """Who may sign in, the page, and its address."""

    def __init__(self, scope: Construct, cohort: Cohort, door: Door, *, account: str) -> None:
        super().__init__(
            scope,
            cohort.names.door_stack,
            cohort=cohort,
            account=account,
            description="the web page where people sign in",
        )
        sign_in = SignIn(self, "SignIn", arns=self.arns, cohort=cohort, door=door)
        for advisor in cohort.advisors:
            Member(self, person=advisor, kind="advisor", pool_id=sign_in.pool_id)
        pages = people_pages(cohort)
        people = [
            ssm.CfnParameter(
                self,
                f"People{number}",
                name=self.names.people_parameter(number),
                description=f"Deep Learning Academy {cohort.name}: who may sign in",
                type="String",
                value=page,
            )
            for number, page in enumerate(pages, start=1)
        ]
        api = OpenApi(self, "Address", arns=self.arns)
        provider = (
            ProviderSignIn(
                self,
                "Provider",
                arns=self.arns,
                provider=door.provider,
                address=api.url,
            )
            if door.provider
            else None
        )
        function = ServiceFunction(
            self,
            "door",
            package="door",
            arns=self.arns,
            statements=policies.door(self.arns, sign_in.pool_arn if provider else None),
            environment={
                "COHORT": cohort.name,
                "SETTINGS_PARAMETER": self.names.settings_parameter,
                "LEDGER_TABLE": self.names.ledger_table,
                "BROKER": self.names.function("broker"),
                "USER_POOL": sign_in.pool_id,
                "USER_POOL_CLIENT": sign_in.client.ref,
                "WORK_BUCKET": self.arns.bucket_name("work"),
                "SITE_BUCKET": self.arns.bucket_name("site"),
                "PEOPLE_PAGES": str(len(pages)),
                # A changed list starts the function anew: who was removed is out at once.
                "PEOPLE_VERSION": hashlib.sha256("".join(pages).encode()).hexdigest()[:16],
                **(provider.environment if provider else {}),
            },
            # Below API Gateway's own limit, so that the function can say what took so long.
            timeout=Duration.seconds(25),
            # Somebody waits for its first answer after a rest, too.
            memory_mb=ONE_CORE_MB,
            after=people,
        ).function
        api.answered_by(function, provider=provider is not None)
        ssm.CfnParameter(
            self,
            "Url",
            name=self.names.door_url_parameter,
            description=f"Deep Learning Academy {cohort.name}: the address to keep",
            type="String",
            value=api.url,
        )
        errors_alarm(self, "door", arns=self.arns)
