"""No API outlives its cloud, and none is left to the next."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from infra.offline.server import Cloud
from infra.offline.services.http_api import listener
from tests.offline import whole_cloud
from tests.offline.services.http_api.api_cloud import http_api


def test_listeners_and_their_connections_end_with_the_cloud(tmp_path: Path) -> None:
    with Cloud(state=tmp_path / "first") as cloud:
        api = http_api(cloud, "door")
        kept = http.client.HTTPConnection(*api.address, timeout=10)
        kept.request("GET", "/")
        assert kept.getresponse().read()
        assert kept.sock is not None
    assert listener._listeners == {}
    assert kept.sock.recv(1) == b""
    with pytest.raises(ConnectionError):
        api.get()
    with Cloud(state=tmp_path / "second") as cloud:
        assert whole_cloud.client(cloud, "apigatewayv2").get_apis()["Items"] == []
