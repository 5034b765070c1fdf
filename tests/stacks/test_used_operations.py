"""What the synthesized policies allow is counted among the operations that the project uses."""

from __future__ import annotations

from tests.offline.clients.used_operations import in_policies, used_operations
from tests.stacks.conftest import Academy


def test_every_operation_that_a_role_may_do_counts_as_used(
    academy: Academy, imaged: Academy
) -> None:
    used = used_operations()
    for synthesized in (academy, imaged):
        allowed = in_policies(synthesized.templates.values())
        assert len(allowed) > 10
        for service, operations in allowed.items():
            assert operations <= used[service], service
