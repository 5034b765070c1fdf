"""What a question has in its hands: clients that are recorded, names, roles, and waiting."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from infra.cli.probe import removal
from infra.cli.probe.ledger import Entry, Ledger
from infra.cli.probe.pace import Pace
from infra.cli.probe.recording import Recorder
from infra.cohort.naming import Names
from infra.constructs.arns import Arns
from infra.constructs.statements import trust

T = TypeVar("T")

PREFIX = "academy-probe-"
TAG = "academy-probe"

#: New roles and policies take effect within seconds, sometimes a minute.
IAM_SECONDS = 90
LOOK_SECONDS = 5

#: Nobody's job: to ask for it shows whether a role's policy is in force, and tells nothing.
CANARY = "{prefix}--canary"

_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "AccessDenied403",
    "AuthorizationError",
    "UnauthorizedOperation",
)


#: What ends an app whose removal failed: its schedule, in its group, under its role.
_ENDS_APPS = ("schedule", "schedule-group", "role")


class TookTooLong(Exception):
    """Something that was waited for did not come."""


def denied(error: ClientError) -> bool:
    """Whether IAM said no."""
    return str(error.response["Error"]["Code"]) in _DENIED


def code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", ""))


@dataclass
class Probe:
    """One run: where it works, and what it works with.

    Args:
        session: makes a boto3 session from keys, or the owner's own where there are none.
        client_of: makes a client of a session; knows endpoint and settings.
    """

    run: str
    account: str
    region: str
    source: str
    ledger: Ledger
    recorder: Recorder
    pace: Pace
    session: Callable[[Mapping[str, str] | None], Any]
    client_of: Callable[[Any, str], Any]
    image: str | None = None
    #: Words for the person who watches.
    say: Callable[[str], None] = lambda _: None
    #: The group of what is made now; a question's id, or a shared thing's name.
    group: str = "shared"
    #: Shared things: what is known of each, or why it could not be made.
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _sessions: dict[str, Any] = field(default_factory=dict)

    # --- names ------------------------------------------------------------------------------------
    @property
    def prefix(self) -> str:
        """What every name begins with. It is the name of a cohort that does not exist, so that our
        own names, ARNs and policies are asked about as they are."""
        return f"{PREFIX}{self.run}"

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    @property
    def arns(self) -> Arns:
        return Arns(self.names, self.account, self.region)

    def name(self, what: str) -> str:
        return f"{self.prefix}-{what}"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    @property
    def tags(self) -> list[dict[str, str]]:
        return [{"Key": TAG, "Value": self.run}]

    @property
    def tag_map(self) -> dict[str, str]:
        return {TAG: self.run}

    # --- clients ----------------------------------------------------------------------------------
    def client(self, service: str, role: str | None = None) -> Any:
        """A client of the owner's, or of the role of that short name."""
        who = role or "owner"
        if (who, service) not in self._clients:
            if who not in self._sessions:
                self._sessions[who] = self._open(role)
            self._clients[who, service] = self.client_of(self._sessions[who], service)
        return self._clients[who, service]

    def _open(self, role: str | None) -> Any:
        keys = None if role is None else self._assumed(role)
        session = self.session(keys)
        self.recorder.listen(session, role or "owner")
        return session

    def _assumed(self, role: str) -> dict[str, str]:
        arn = f"arn:aws:iam::{self.account}:role/{self.name(role)}"
        answer = self.in_force(
            lambda: self.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")
        )
        keys: dict[str, str] = answer["Credentials"]
        return keys

    # --- making -----------------------------------------------------------------------------------
    def make(
        self, kind: str, name: str, create: Callable[[], T], *, learn: str = "", **more: str
    ) -> T:
        """Make a thing. The record says so before it is made.

        Args:
            create: the call that makes it.
            learn: the member of its answer that is the thing's id, with dots.
            more: what else its removal needs to know.
        """
        entry = self.ledger.intend(kind, self.group, name=name, **more)
        answer = create()
        if learn:
            found: Any = answer
            for member in learn.split("."):
                found = found[member]
            self.ledger.learn(entry, id=str(found))
        return answer

    def note(self, kind: str, name: str, **more: str) -> Entry:
        """The record of something that AWS makes by itself, such as a function's log."""
        return self.ledger.intend(kind, self.group, name=name, **more)

    def role(
        self,
        what: str,
        principal: str,
        statements: Iterable[Mapping[str, Any]] = (),
        *,
        when: Mapping[str, Mapping[str, Any]] | None = None,
        boundary: str | None = None,
    ) -> str:
        """A role that a service, or the account itself ("owner"), may take; returns its ARN.

        Args:
            boundary: the ARN of its permissions boundary.
        """
        name = self.name(what)
        iam = self.client("iam")
        document = trust(principal, when)
        if principal == "owner":
            root = {"AWS": f"arn:aws:iam::{self.account}:root"}
            document["Statement"][0]["Principal"] = root
        held = {} if boundary is None else {"PermissionsBoundary": boundary}
        answer = self.make(
            "role",
            name,
            lambda: iam.create_role(
                RoleName=name, AssumeRolePolicyDocument=json.dumps(document), Tags=self.tags, **held
            ),
        )
        policy = [*statements, *([self._canary_grant] if principal == "owner" else [])]
        if policy:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="may",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": policy}),
            )
        return str(answer["Role"]["Arn"])

    @property
    def canary(self) -> str:
        return CANARY.format(prefix=self.prefix)

    @property
    def _canary_grant(self) -> dict[str, Any]:
        return {
            "Effect": "Allow",
            "Action": "sagemaker:DescribeTrainingJob",
            "Resource": self.arn("sagemaker", f"training-job/{self.canary}"),
        }

    def boundary(self, what: str) -> str:
        """A managed policy that allows to ask for the canary and nothing else; returns its ARN."""
        name = self.name(what)
        document = {"Version": "2012-10-17", "Statement": [self._canary_grant]}
        answer = self.make(
            "policy",
            name,
            lambda: self.client("iam").create_policy(
                PolicyName=name, PolicyDocument=json.dumps(document), Tags=self.tags
            ),
            arn=f"arn:aws:iam::{self.account}:policy/{name}",
        )
        return str(answer["Policy"]["Arn"])

    def acting_role(
        self,
        what: str,
        statements: Iterable[Mapping[str, Any]],
        *,
        boundary: str | None = None,
    ) -> str:
        """A role that the probe takes itself, once its policy is in force; returns its short name.

        A new policy is not in force at once: what is refused in the meantime says nothing about it.
        """
        self.role(what, "owner", statements, boundary=boundary)
        client = self.client("sagemaker", what)

        def look() -> None:
            try:
                client.describe_training_job(TrainingJobName=self.canary)
            except ClientError as error:
                if denied(error):
                    raise

        self.in_force(look)
        return what

    # --- waiting ----------------------------------------------------------------------------------
    def in_force(self, call: Callable[[], T]) -> T:
        """`call`, again as long as IAM does not know yet what it was told."""
        for _ in range(IAM_SECONDS // LOOK_SECONDS):
            try:
                return call()
            except ClientError as error:
                if not (denied(error) or "assume" in message(error).lower()):
                    raise
                self.pace.look(LOOK_SECONDS)
                if self.source == "embedded":
                    break  # nothing is late there
        return call()

    def until(
        self,
        what: str,
        look: Callable[[], T],
        done: Callable[[T], bool],
        *,
        seconds: int,
        every: int = LOOK_SECONDS,
    ) -> T:
        """Look until `done`.

        Raises:
            TookTooLong: naming `what`, after `seconds`.
        """
        for _ in range(max(1, seconds // every)):
            found = look()
            if done(found):
                return found
            self.pace.look(every)
        raise TookTooLong(f"{what} took longer than {seconds} s")

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass that has to."""
        self.recorder.waited(seconds)
        self.pace.pass_seconds(seconds)

    def now(self) -> dt.datetime:
        return self.pace.now()

    # --- removing ---------------------------------------------------------------------------------
    def remove(self, kinds: Collection[str] | None = None) -> list[str]:
        """Remove what stands (of `kinds`), apps first, then the youngest first; returns what did
        not go, and why.

        An app that does not go bills until its schedule ends it, so then schedules, their groups
        and roles are kept.
        """
        failures = []
        app_stands = False
        for entry in sorted(self.ledger.standing(), key=lambda each: each.kind != "app"):
            if kinds is not None and entry.kind not in kinds:
                continue
            if app_stands and entry.kind in _ENDS_APPS:
                failures.append(f"{entry}: kept, since it may have to end an app that did not go")
                continue
            self.say(f"removing {entry}")
            try:
                self.remove_thing(entry.kind, entry.at)
            except Exception as error:
                failures.append(f"{entry}: {error}")
                app_stands = app_stands or entry.kind == "app"
            else:
                self.ledger.strike(entry)
        return failures

    def remove_thing(self, kind: str, at: dict[str, str]) -> None:
        """Remove one thing of this run; raises as `removal.remove`."""
        removal.remove(
            self.client,
            kind,
            at,
            self.pace,
            prefix=self.prefix,
            unrecorded=self.recorder.silent,
        )
