"""Imports every library of an image and uses it a little: python /opt/academy/check

A library that cannot be imported, or that does nothing right with a handful of numbers, fails the
check and is named, with what it said. `--json FILE` writes what was found; `--list PROJECT` names
the libraries without importing one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

PROJECTS = ("segmentation", "forecasting")

Check = Callable[[], str]


def checks(project: str) -> dict[str, Check]:
    """Library (as the lock's input names it) -> its check, which says in a word what it saw."""
    found: dict[str, Check] = {}
    for module in ("common", project):
        found |= importlib.import_module(module).CHECKS
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="check", description=__doc__.split("\n")[0])
    parser.add_argument("--project", choices=PROJECTS, help="default: what this image is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    parser.add_argument("--list", choices=PROJECTS, metavar="PROJECT", help="name the libraries")
    options = parser.parse_args()
    if options.list:
        print("\n".join(checks(options.list)))
        return 0
    # Some libraries keep a cache in the home, which a check has no business in.
    os.environ.setdefault("MPLBACKEND", "Agg")
    warnings.simplefilter("ignore")
    project = options.project or _image()["project"]
    found = []
    for library, check in checks(project).items():
        started = time.perf_counter()
        try:
            saw, failed = check(), False
        except BaseException:  # also a library that calls exit()
            saw, failed = traceback.format_exc(limit=-3).strip(), True
        seconds = time.perf_counter() - started
        found.append({"library": library, "saw": saw, "failed": failed, "seconds": seconds})
        print(f"{'FAILED' if failed else 'ok':8}{library:30}{seconds:6.1f} s  {saw}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"project": project, "checks": found}, indent=1))
    bad = [str(entry["library"]) for entry in found if entry["failed"]]
    print(f"{project}: {len(found) - len(bad)} of {len(found)} libraries work")
    if bad:
        print(f"check: these do not: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _image() -> dict[str, str]:
    root = Path(os.environ.get("ACADEMY_ROOT", "/opt/academy"))
    return json.loads((root / "image.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
