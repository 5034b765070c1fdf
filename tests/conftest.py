"""What holds in every test. An answer of the embedded cloud that breaks its service's model fails
the call (`infra.offline.conformance`), here and in the programs that tests start; botocore's models
are read once, and the garbage collector passes over what stays."""

from __future__ import annotations

import functools
import gc
import os
from typing import Any

import botocore.session
from botocore.loaders import Loader, create_loader
from hypothesis import HealthCheck, settings

# The name as text: most tests need no cloud, and importing it takes a second.
os.environ.setdefault("ACADEMY_STRICT_ANSWERS", "1")

_MODELS = functools.cache(create_loader)
#: Where services are: half a megabyte that botocore reads and never changes.
_PLACES = ("endpoints", "partitions", "sdk-default-configuration")


def _create_loader(search_path: str | None = None) -> Loader:
    """A loader that reads services' models once in this process.

    Every mocked account begins a session of its own, which would read all of them anew: a third of
    the time of a test that speaks to a few. What the client of S3 changes, the bucket in the paths
    of its operations, is each session's own.
    """
    own, shared = create_loader(search_path), _MODELS(search_path)

    @functools.cache
    def load(service_name: str, type_name: str, api_version: str | None = None) -> Any:
        found = shared.load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) != ("s3", "service-2"):
            return found
        operations = {
            name: {**operation, "http": dict(operation["http"])}
            for name, operation in found["operations"].items()
        }
        return {**found, "operations": operations}

    own_files, shared_files = own.load_data_with_path, shared.load_data_with_path
    own.load_service_model = load
    own.load_data_with_path = lambda name: (
        shared_files(name) if name in _PLACES else own_files(name)
    )
    return own


botocore.session.create_loader = _create_loader

# How long an example takes says something about the machine, not about what it tries.
settings.register_profile("academy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("academy")

# A fifth of the tests' time went into looking through a million objects that stay to the end: of
# modules, and of tests that are collected.
gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
