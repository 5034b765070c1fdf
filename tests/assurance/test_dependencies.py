"""What `make audit` makes of advisories, and of their absence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from infra.assurance import dependencies
from infra.assurance.dependencies import ROOT, audit_npm, audit_python, audits, pins

LOCK = """# made by make lock
torch==2.13.0+cpu \\
    --hash=sha256:00
click==8.1.0 ; python_version > "3"
    # via rich==1.0
"""


def answering(document: object) -> dependencies.Run:
    text = document if isinstance(document, str) else json.dumps(document)
    return lambda _command: text


def test_pins_have_neither_hashes_nor_local_parts_nor_comments() -> None:
    assert pins(LOCK) == ["torch==2.13.0", "click==8.1.0"]


def test_an_advisory_is_told_with_what_mends_it() -> None:
    vuln = {"id": "PYSEC-1", "fix_versions": ["8.1.4"], "aliases": [], "description": ""}
    found = audit_python(
        "lock",
        LOCK,
        answering(
            {
                "dependencies": [
                    {"name": "torch", "version": "2.13.0", "vulns": []},
                    {"name": "click", "version": "8.1.0", "vulns": [vuln]},
                ]
            }
        ),
    )
    assert [str(each) for each in found.vulnerable] == ["click 8.1.0: PYSEC-1; mended in 8.1.4"]
    assert next(found.lines()) == "lock: 2 of 2 packages audited, 1 vulnerable"


def test_what_is_not_known_is_not_called_clean() -> None:
    skipped = {"dependencies": [{"name": "torch", "skip_reason": "not found"}]}
    found = audit_python("lock", LOCK, answering(skipped))
    assert len(found.unanswered) == 2
    assert next(found.lines()) == "lock: 0 of 2 packages audited, nothing could be asked"
    # Neither is an auditor that could not run at all.
    assert len(audit_python("lock", LOCK, answering("")).unanswered) == 2


def test_npm_names_the_advisory_or_whom_it_came_through() -> None:
    lock = json.dumps({"packages": {"": {}, "node_modules/a": {}, "node_modules/b": {}}})
    answer = {
        "vulnerabilities": {
            "a": {"range": "<2", "via": [{"title": "Bad", "url": "https://example.org/1"}]},
            "b": {"range": "*", "via": ["a"]},
        }
    }
    found = audit_npm("package-lock.json", lock, answering(answer))
    assert [str(each) for each in found.vulnerable] == [
        "a <2: https://example.org/1",
        "b *: through a",
    ]
    assert len(audit_npm("lock", lock, answering({"error": "405"})).unanswered) == 2


def test_every_pinned_file_of_the_repository_is_asked_about() -> None:
    seen: list[str] = []

    def run(command: Sequence[str]) -> str:
        if "--requirement" in command:
            seen.append(Path(command[command.index("--requirement") + 1]).read_text())
        return ""

    found = {audit.file: audit.asked for audit in audits(ROOT, run)}
    assert set(found) >= {
        "constraints.txt",
        "tests/sdk/constraints.txt",
        "workspace_images/locks/segmentation.txt",
        "workspace_images/locks/torch-gpu.txt",
        "package-lock.json",
    }
    assert all(found.values())
    assert any("moto==5.2.5" in text for text in seen)
