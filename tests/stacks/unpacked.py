"""The CDK's packages, unpacked once for all programs that tests start in a home of their own."""

from __future__ import annotations

import os
from pathlib import Path

#: For such a program's environment: unpacking the CDK anew takes five seconds of a core.
UNPACKED = {
    "JSII_RUNTIME_PACKAGE_CACHE_ROOT": os.environ.get("JSII_RUNTIME_PACKAGE_CACHE_ROOT")
    or str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache")
}
