"""Temporary credentials: what makes them, and which role, session and account a key stands for.

Every session is known in two places: in moto's STS and IAM backends, so that moto resolves the key
as it resolves its own, and in a registry beside them, which carries what IAM needs and moto does
not keep (expiry on the embedded cloud's clock, session policies, session tags). The registry lives
in the STS backend's `__dict__`, so that a reset of moto wipes both.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from infra.offline import patching, runtime

PARTITION = "aws"
#: What AWS takes as RoleSessionName; it becomes part of the session's ARN.
SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")

_REGISTRY = "academy_sessions"


@dataclass(frozen=True)
class Session:
    """A role session, as the holder of one temporary access key has it."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    role_arn: str
    #: The role's unique id: a role deleted and made again under its name is another role.
    role_id: str
    session_name: str
    account: str
    #: None: renewed by a service for as long as what holds it runs.
    expires: dt.datetime | None
    #: Session policies (documents) that AssumeRole was given.
    policies: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def role_name(self) -> str:
        return self.role_arn.rsplit("/", 1)[-1]

    @property
    def arn(self) -> str:
        """The session's own ARN; the role's path is not part of it."""
        return (
            f"arn:{PARTITION}:sts::{self.account}:assumed-role/{self.role_name}/{self.session_name}"
        )

    @property
    def user_id(self) -> str:
        """aws:userid of a role session: role id, colon, session name."""
        return f"{self.role_id}:{self.session_name}"

    def environment(self) -> dict[str, str]:
        """The variables under which every AWS client finds these credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }


def for_role(
    role_arn: str,
    *,
    session_name: str,
    duration: dt.timedelta | None = None,
    policies: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Environment variables with credentials for a process that runs as `role_arn`.

    This is what a service (SageMaker, Lambda, Scheduler) does for what it runs; whether the role
    trusts the service is the caller's question (`enforcement.service_may_assume`).

    Args:
        role_arn: An existing role. Errors name it if it is not there.
        session_name: Shows in the session's ARN and in every denial.
        duration: Lifetime on the cloud's clock. None: the service renews the credentials, as
            Studio and training jobs have it, so they last as long as the role does.

    Raises:
        LookupError: if no such role exists.
        ValueError: if AWS would refuse the session's name.
    """
    if not SESSION_NAME.fullmatch(session_name):
        raise ValueError(f"session name {session_name!r} does not match {SESSION_NAME.pattern}")
    account = _account_of(role_arn)
    backend = sts_backends[account][PARTITION]
    made = backend.assume_role(
        region_name=runtime.current().region,
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=int(duration.total_seconds()) if duration else 3600,
        external_id="",
    )
    session = _register(made, duration=duration, policies=policies, tags=tags or {})
    return session.environment()


def principal_of(access_key: str) -> Session | None:
    """The session behind a temporary access key, expired or not; None if nobody made it."""
    for account in list(sts_backends):
        found = _registry(account).get(access_key)
        if found is not None:
            return found
    return None


def role_of(session: Session) -> Any | None:
    """moto's role behind a session, or None if it was deleted (or deleted and made again)."""
    role = iam_backends[session.account][PARTITION].roles.get(session.role_id)
    return role if role is not None and role.arn == session.role_arn else None


def find_role(role_arn: str) -> Any | None:
    """moto's role with exactly this ARN, path included, or None."""
    account = _account_of(role_arn)
    for role in list(iam_backends[account][PARTITION].roles.values()):
        if role.arn == role_arn:
            return role
    return None


def _account_of(role_arn: str) -> str:
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise LookupError(f"{role_arn!r} is not the ARN of a role")
    return parts[4]


def _registry(account: str) -> dict[str, Session]:
    registry: dict[str, Session] = vars(sts_backends[account][PARTITION]).setdefault(_REGISTRY, {})
    return registry


def _register(
    made: Any,
    *,
    duration: dt.timedelta | None,
    policies: tuple[str, ...],
    tags: Mapping[str, str],
) -> Session:
    role = find_role(made.role_arn)
    if role is None:
        raise LookupError(f"no role {made.role_arn} in the embedded cloud's IAM")
    expires = None if duration is None else runtime.current().clock.now() + duration
    session = Session(
        access_key=made.access_key_id,
        secret_key=made.secret_access_key,
        token=made.session_token,
        role_arn=made.role_arn,
        role_id=role.id,
        session_name=made.session_name,
        account=made.account_id,
        expires=expires,
        policies=policies,
        tags=dict(tags),
    )
    _registry(session.account)[session.access_key] = session
    return session


@patching.replaces(
    "moto.sts.responses:TokenResponse.assume_role",
    because="moto counts a session's expiry on the machine's clock and drops its session tags and "
    "policies; a key that a client asks for must be known to our IAM like one a service makes",
)
def _assume_role(original: Any, response: Any) -> Any:
    # Enforcement has already decided that the caller may; see enforcement.assume_role.
    answer = original(response)
    made = answer.result["Credentials"]
    seconds = response._get_int_param("DurationSeconds", 3600)
    policy = response._get_param("Policy")
    tags = {tag["Key"]: tag["Value"] for tag in response._get_param("Tags") or []}
    session = _register(
        made,
        duration=dt.timedelta(seconds=seconds),
        policies=(policy,) if policy else (),
        tags=tags,
    )
    made.expiration = session.expires
    return answer
