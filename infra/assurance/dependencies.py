"""`make audit`: what is known to be vulnerable among everything that we pin.

    python -m infra.assurance.dependencies

Asks the Python Packaging Advisory Database through pip-audit and npm's advisories through
`npm audit`, for each file of pinned versions. A vulnerability is exit status 1. What could not be
asked (no network, a registry without advisories) is said and counted, and is no failure: an audit
that nobody could make must not stop a deploy, and must not pass for one either.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: The auditor in an environment of its own, which uv makes and keeps (Apache-2.0).
PIP_AUDIT = "pip-audit==2.9.0"

#: Every file of pinned versions, by what it is for.
PINNED = ("constraints.txt", "tests/sdk/constraints.txt", "workspace_images/locks/*.txt")

#: `name==version` at the start of a line, as pip writes it; a local part (+cpu) is a build, and
#: advisories know none.
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;+\\]+)", re.MULTILINE)

#: Runs a command and returns what it printed.
Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Vulnerable:
    """A package in a version that an advisory names."""

    package: str
    version: str
    advisories: tuple[str, ...]
    fixed_in: tuple[str, ...] = ()

    def __str__(self) -> str:
        mended = f"; mended in {', '.join(self.fixed_in)}" if self.fixed_in else ""
        return f"{self.package} {self.version}: {', '.join(self.advisories)}{mended}"


@dataclass(frozen=True)
class Audit:
    """What one file's packages were found to be."""

    file: str
    asked: int
    vulnerable: tuple[Vulnerable, ...] = ()
    #: What could not be asked, and why.
    unanswered: tuple[str, ...] = field(default=())

    def lines(self) -> Iterator[str]:
        answered = self.asked - len(self.unanswered)
        found = f"{len(self.vulnerable)} vulnerable" if answered else "nothing could be asked"
        yield f"{self.file}: {answered} of {self.asked} packages audited, {found}"
        for each in self.vulnerable:
            yield f"  {each}"
        for reason in self.unanswered[:1]:
            more = len(self.unanswered) - 1
            yield f"  not audited: {reason}" + (f" (and {more} more)" if more else "")


def pins(text: str) -> list[str]:
    """The `name==version` of a constraints file or lock, without hashes and local parts."""
    return [f"{name}=={version}" for name, version in _PIN.findall(text)]


def audit_python(file: str, text: str, run: Run) -> Audit:
    """Ask about every version that `text` pins."""
    pinned = pins(text)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(pinned) + "\n", encoding="utf-8")
        printed = run(
            (
                *("uv", "tool", "run", "--from", PIP_AUDIT, "pip-audit"),
                *("--requirement", str(requirements), "--no-deps", "--disable-pip"),
                *("--format", "json", "--progress-spinner", "off"),
            )
        )
    try:
        answers = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(file, len(pinned), unanswered=("pip-audit gave no answer",) * len(pinned))
    vulnerable, unanswered = [], []
    for answer in answers:
        if "skip_reason" in answer:
            unanswered.append(f"{answer['name']}: {answer['skip_reason']}")
        elif answer.get("vulns"):
            vulnerable.append(
                Vulnerable(
                    answer["name"],
                    answer["version"],
                    tuple(each["id"] for each in answer["vulns"]),
                    tuple(sorted({v for each in answer["vulns"] for v in each["fix_versions"]})),
                )
            )
    missing = len(pinned) - len(answers)
    unanswered += ["a package that the answer does not name"] * max(0, missing)
    return Audit(file, len(pinned), tuple(vulnerable), tuple(unanswered))


def audit_npm(file: str, text: str, run: Run) -> Audit:
    """Ask about every package of the npm lock, which only the CDK CLI and tests come from."""
    count = sum(1 for path in json.loads(text)["packages"] if path)
    try:
        found = json.loads(run(("npm", "audit", "--json")))["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        return Audit(file, count, unanswered=("npm audit gave no answer",) * count)
    vulnerable = tuple(
        Vulnerable(
            name,
            str(each.get("range", "")),
            tuple(
                sorted(str(via.get("url", via["title"])) for via in each["via"] if "title" in via)
            )
            or (f"through {', '.join(via for via in each['via'] if isinstance(via, str))}",),
        )
        for name, each in found.items()
    )
    return Audit(file, count, vulnerable)


def audits(root: Path, run: Run) -> Iterator[Audit]:
    """The audit of each pinned file under `root`."""
    for pattern in PINNED:
        for path in sorted(root.glob(pattern)):
            yield audit_python(str(path.relative_to(root)), path.read_text(encoding="utf-8"), run)
    lock = root / "package-lock.json"
    yield audit_npm(lock.name, lock.read_text(encoding="utf-8"), run)


def _run(command: Sequence[str]) -> str:
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return found.stdout


def main() -> int:
    """Audit everything that is pinned; 1 if an advisory names some of it."""
    asked = unanswered = vulnerable = 0
    for audit in audits(ROOT, _run):
        print("\n".join(audit.lines()), flush=True)
        asked += audit.asked
        unanswered += len(audit.unanswered)
        vulnerable += len(audit.vulnerable)
    print(f"\n{asked - unanswered} of {asked} audited, {vulnerable} vulnerable")
    if unanswered:
        print(
            f"{unanswered} could not be asked about: this is no clean audit. Run it again where "
            "the advisories can be reached"
        )
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
