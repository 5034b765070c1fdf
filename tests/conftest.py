"""What holds in every test: an answer of the embedded cloud that breaks its service's model fails
the call (`infra.offline.conformance`), here and in the programs that tests start."""

from __future__ import annotations

import os

# The name as text: most tests need no cloud, and importing it takes a second.
os.environ.setdefault("ACADEMY_STRICT_ANSWERS", "1")
