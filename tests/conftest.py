"""What holds in every test. An answer of the embedded cloud that breaks its service's model fails
the call (`infra.offline.conformance`), here and in the programs that tests start; botocore's models
are read once."""

from __future__ import annotations

import functools
import os

import botocore.loaders
import botocore.session
from hypothesis import HealthCheck, settings

# The name as text: most tests need no cloud, and importing it takes a second.
os.environ.setdefault("ACADEMY_STRICT_ANSWERS", "1")

# Every mocked account begins a session of its own, which would read the services' models anew:
# a third of the time of a test that speaks to a few of them. The models never change.
botocore.session.create_loader = functools.cache(botocore.loaders.create_loader)

# How long an example takes says something about the machine, not about what it tries.
settings.register_profile("academy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("academy")
