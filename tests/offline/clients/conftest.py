from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.offline.server import Cloud
from tests.offline.clients.aws_cli import AwsCli


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="module")
def aws(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> AwsCli:
    """The AWS CLI as the account's administrator."""
    return AwsCli(cloud, tmp_path_factory.mktemp("home"))
