"""The first thing that a reader of infra/offline tries: its README's example, as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "infra" / "offline" / "README.md"


def test_the_readmes_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.S | re.M)
    # Nothing but what a reader has: no variables of an account, nobody's configuration.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    run = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    app, link = run.stdout.splitlines()
    assert app == "the app is InService"
    assert re.search(r"http://127\.0\.0\.1:\d+/_academy/studio/auth\?token=\S+$", link)
