"""Which operations the embedded cloud answers for this project: those used, those that roles may be
allowed, and those that it changes in moto."""

from __future__ import annotations

from collections import defaultdict

from infra.offline import fence, server
from infra.offline.authorization import requests
from tests.offline.clients.used_operations import Used, used_operations

#: Where the project is a client of AWS itself, also beside the embedded cloud.
ELSEWHERE = {"pricing"}

assert server.EXTENSIONS  # importing the server declares every change


def served_operations() -> Used:
    """The operations by service, as boto3 names services and AWS operations."""
    served: Used = defaultdict(set)
    for service, used in used_operations().items():
        served[service] |= used
    for service, mapped in requests.mapped().items():
        served[service] |= set(mapped)
    for service, operation in fence.changed():
        served[service].add(operation)
    return {service: served[service] for service in sorted(served) if service not in ELSEWHERE}
