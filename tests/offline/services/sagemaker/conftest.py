from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.offline.services import sagemaker
from tests.offline.small_cloud import SmallCloud, small_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCloud]:
    # A name that a shell would split: people's folders have such.
    with small_cloud(tmp_path_factory.mktemp("a cloud's state")) as running:
        yield running
        sagemaker.close()
