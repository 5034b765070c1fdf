"""Boto3 clients by which a service of the embedded cloud acts as a role: on the wire, so that IAM
has its say."""

from __future__ import annotations

import functools
import threading
from typing import Any

import boto3
from botocore.config import Config

from infra.offline import runtime
from infra.offline.authorization import credentials

#: A session reads the services' models once; it is not thread-safe while it makes a client.
_making_client = threading.Lock()


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()


def client(service: str, role_arn: str, *, session_name: str, attempts: int = 2) -> Any:
    """A client of `service` under a new session of the role.

    Raises:
        LookupError: if there is no such role.
    """
    here = runtime.current()
    keys = credentials.for_role(role_arn, session_name=session_name)
    with _making_client:
        return _session().client(
            service,
            region_name=here.region,
            endpoint_url=here.endpoint,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
            config=Config(
                s3={"addressing_style": "path"}, retries={"max_attempts": attempts}, proxies={}
            ),
        )
