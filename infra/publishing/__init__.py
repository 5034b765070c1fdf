"""What the admin publishes for learners: sealed data, the library's wheel, project templates."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

#: The learners' library, which imports nothing of infra.
LIBRARY = Path(__file__).resolve().parents[2] / "project_templates" / "academy"

# On the admin's machine it is not installed, and the sealing of scenes uses it.
if importlib.util.find_spec("academy") is None:
    sys.path.append(str(LIBRARY))
