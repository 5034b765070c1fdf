"""Who may sign in at the door: the pool of people, its one client, and a user for each of them.

Nobody has a password: Cognito sends a code to the address that the cohort file has. A user stands
in the stack of the person's team, and goes with it; what the pool holds, a deploy makes again.

Source of what the members mean: "Authentication flows" and "Email settings for Amazon Cognito user
pools" in the Cognito developer guide, and the API reference of CreateUserPool, CreateUserPoolClient
and AdminCreateUser.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import CfnParameter
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.cohort import naming
from infra.cohort.model import Cohort, Door, Person
from infra.cohort.naming import Names
from infra.constructs.acknowledged import acknowledge
from infra.constructs.arns import Arns
from infra.constructs.workspace import PARAMETER_MAX

#: The group of each kind of person.
GROUPS = {"learner": "learners", "advisor": "advisors"}

#: How long a sign-in lasts. The door asks Cognito at each request all the same, so that a removed
#: learner is out at once.
SESSION_HOURS = 12
#: How long a code may take to be read and typed. Cognito allows 3 to 15 minutes
#: (CreateUserPoolClient, AuthSessionValidity).
CODE_MINUTES = 10

#: Longer than anybody's, for pools in which nobody has a password: who gave somebody one would need
#: as many characters as Cognito can ask for.
NOBODYS_PASSWORD = {
    "minimumLength": 99,
    "requireLowercase": True,
    "requireUppercase": True,
    "requireNumbers": True,
    "requireSymbols": True,
}
#: Of each pool: nobody signs up or gets a way in back by themselves, and it holds nothing that the
#: next deploy would not make again.
CLOSED: dict[str, Any] = {
    "admin_create_user_config": {"allowAdminCreateUserOnly": True},
    "mfa_configuration": "OFF",
    "account_recovery_setting": {"recoveryMechanisms": [{"name": "admin_only", "priority": 1}]},
    "deletion_protection": "INACTIVE",
}
#: Of each client: who is not there is answered as who is, and sessions can be ended.
SESSIONS: dict[str, Any] = {
    "prevent_user_existence_errors": "ENABLED",
    "enable_token_revocation": True,
    "access_token_validity": SESSION_HOURS,
    "id_token_validity": 1,
    "refresh_token_validity": SESSION_HOURS,
    "token_validity_units": dict.fromkeys(("accessToken", "idToken", "refreshToken"), "hours"),
}

#: Of the pages of people, so that the door can refuse what it does not understand.
PEOPLE_VERSION = 1


class SignIn(Construct):
    """The user pool of a cohort, its groups, and the client that the door signs people in with."""

    def __init__(
        self, scope: Construct, construct_id: str, *, arns: Arns, cohort: Cohort, door: Door
    ) -> None:
        super().__init__(scope, construct_id)
        names = arns.names
        pool = cognito.CfnUserPool(
            self,
            "Pool",
            **CLOSED,
            user_pool_name=names.user_pool,
            # Codes by e-mail are not in the cheaper plan; beyond 10,000 people a month it bills.
            user_pool_tier="ESSENTIALS",
            alias_attributes=["email"],
            username_configuration={"caseSensitive": False},
            policies={
                # PASSWORD has to be listed. Nobody has one, the door asks for none, and whoever
                # gives themselves one needs as many characters as Cognito can ask for.
                "signInPolicy": {"allowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
                "passwordPolicy": NOBODYS_PASSWORD,
            },
            email_configuration={
                # Cognito's own sender allows a few messages a day, from an address of its own.
                "emailSendingAccount": "DEVELOPER",
                "sourceArn": arns.sender(door.identity or door.sender),
                "from": door.sender,
            },
            email_authentication_subject=f"Your code for {cohort.name}",
            email_authentication_message=(
                f"Your code to sign in to {cohort.name}: {{####}}\n"
                f"It is good for {CODE_MINUTES} minutes. If you did not ask for it, do nothing: "
                "without it nobody comes in."
            ),
        )
        acknowledge(
            pool,
            {
                "AwsSolutions-COG2": "The code goes to the address of the cohort file: there is no "
                "password that a second factor could stand beside.",
                "AwsSolutions-COG8": "The plan watches passwords, and nobody has one; it costs "
                "more than the whole door.",
            },
        )
        self.client = cognito.CfnUserPoolClient(
            self,
            "Client",
            client_name=names.user_pool,
            user_pool_id=pool.ref,
            generate_secret=False,
            # By a code and in no other way; what is signed in is not renewed.
            explicit_auth_flows=["ALLOW_USER_AUTH"],
            supported_identity_providers=["COGNITO"],
            auth_session_validity=CODE_MINUTES,
            **SESSIONS,
            read_attributes=["email"],
            # One has to be listed, or all are. It is read by nobody; an address is not among them.
            write_attributes=["locale"],
        )
        for kind, group in GROUPS.items():
            cognito.CfnUserPoolGroup(
                self,
                group.title(),
                user_pool_id=pool.ref,
                group_name=group,
                description=f"Deep Learning Academy {cohort.name}: every {kind}",
            )
        ssm.CfnParameter(
            self,
            "PoolId",
            name=names.user_pool_parameter,
            description=f"Deep Learning Academy {cohort.name}: the pool of who may sign in",
            type="String",
            value=pool.ref,
        )
        self.pool_id = pool.ref
        self.pool_arn = pool.attr_arn


class Member(Construct):
    """One person's user, in the group of their kind: learner or advisor."""

    def __init__(self, scope: Construct, *, person: Person, kind: str, pool_id: str) -> None:
        super().__init__(scope, f"SignIn-{person.id}")
        username = Names.user(person.id, person.email)
        user = cognito.CfnUserPoolUser(
            self,
            # A changed address is another user, which is there before the old one goes.
            f"User-{username}",
            user_pool_id=pool_id,
            username=username,
            user_attributes=[
                {"name": "email", "value": person.email},
                {"name": "email_verified", "value": "true"},
            ],
            # No message but the codes that the person asks for.
            message_action="SUPPRESS",
        )
        group = cognito.CfnUserPoolUserToGroupAttachment(
            self,
            f"Group-{username}",
            user_pool_id=pool_id,
            username=username,
            group_name=GROUPS[kind],
        )
        group.add_resource_dependency(user)


def found_pool(scope: Construct, names: Names) -> str:
    """The id of the cohort's user pool, read from SSM when `scope`'s stack is deployed."""
    return CfnParameter(
        scope,
        "Door-pool",
        type="AWS::SSM::Parameter::Value<String>",
        default=names.user_pool_parameter,
        description="Where the door's stack wrote the id of the pool of who may sign in",
    ).value_as_string


def people_pages(cohort: Cohort) -> list[str]:
    """Who may sign in, as JSON in pages that SSM takes: teams with their learners, and advisors.

    Each page has schema_version, teams and advisors; together they are everybody. It says who is a
    learner of which team: that somebody signed in is Cognito's word. Where a provider vouches for
    addresses, each page has those of its people, as hashes: it is no list of mailboxes.
    """
    hashed = bool(cohort.door and cohort.door.provider)
    pages = [_Page(hashed)]
    for team in cohort.teams:
        if not pages[-1].takes(team.learners, team.id):
            pages.append(_Page(hashed))
        pages[-1].add(team.learners, team.id)
    for advisor in cohort.advisors:
        if not pages[-1].takes([advisor]):
            pages.append(_Page(hashed))
        pages[-1].add([advisor])
    return [page.text for page in pages]


@dataclass
class _Page:
    hashed: bool
    teams: dict[str, list[str]] = field(default_factory=dict)
    advisors: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)

    def add(self, people: list[Person], team: str | None = None) -> None:
        if team is None:
            self.advisors += [each.id for each in people]
        else:
            self.teams[team] = [each.id for each in people]
        if self.hashed:
            self.addresses |= {each.id: naming.address_hash(each.email) for each in people}

    def takes(self, people: list[Person], team: str | None = None) -> bool:
        more = copy.deepcopy(self)
        more.add(people, team)
        return len(more.text) <= PARAMETER_MAX

    @property
    def text(self) -> str:
        document: dict[str, Any] = {
            "schema_version": PEOPLE_VERSION,
            "teams": self.teams,
            "advisors": self.advisors,
        }
        if self.hashed:
            document["addresses"] = self.addresses
        return json.dumps(document, separators=(",", ":"))
