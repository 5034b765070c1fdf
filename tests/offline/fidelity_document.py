"""The generated sections of docs/fidelity.md: `make fidelity` writes them, a test compares them.

    python -m tests.offline.fidelity_document        writes the sections
    python -m tests.offline.fidelity_document LOG    renews `tried.json` first, from the log that
                                                     tests leave under ACADEMY_CLOUD_LOG=LOG
    python -m tests.offline.fidelity_document --add LOG    adds what LOG saw to what is known: for
                                                     a run of some of the tests

What each part says of itself comes from its module (infra.offline.fidelity), operations from the
code that uses them, types and their properties from their models, changes to moto from their
declarations. `tried.json` keeps what a run of the tests tried: which official client called which
operation, and which changes to moto were called.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from infra.offline import fidelity, patching, server
from infra.offline.services.cloudformation import types
from tests.offline.clients.served import ELSEWHERE
from tests.offline.clients.used_operations import used_operations

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "fidelity.md"
TRIED = Path(__file__).parent / "clients" / "tried.json"

#: The clients that nobody here wrote, as `infra.offline.traffic` names them.
OFFICIAL = {
    "aws-cli": "AWS CLI",
    "cdk": "CDK CLI",
    "sagemaker-sdk": "SageMaker SDK",
    "boto3": "boto3",
}

assert server.EXTENSIONS  # importing the server declares every change to moto


def renewed(text: str) -> str:
    """The document with its generated sections as the code has them now.

    Raises:
        ValueError: if a section's marks are not there.
    """
    for name, lines in (
        ("parts", _parts()),
        ("operations", _operations()),
        ("types", _types()),
        ("changes", _changes()),
    ):
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{DOCUMENT.name} has no section between {begin} and {end}")
        text = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"
    return text


def tried(log: Iterable[str]) -> dict[str, Any]:
    """What a log's lines tell: the official clients that had an operation done, by service and
    operation; and the changes to moto that were called."""
    operations: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    changes = set()
    for line in log:
        told = json.loads(line)
        if "change" in told:
            changes.add(told["change"])
        elif told["client"] in OFFICIAL and told["status"] < 400:
            operations[told["service"]][told["operation"]].add(told["client"])
    return {
        "operations": {
            service: {name: sorted(clients) for name, clients in sorted(found.items())}
            for service, found in sorted(operations.items())
        },
        "changes": sorted(changes),
    }


def added(known: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """Both together."""
    operations = {
        service: {
            name: sorted(
                {
                    *known["operations"].get(service, {}).get(name, ()),
                    *seen["operations"].get(service, {}).get(name, ()),
                }
            )
            for name in sorted(
                {*known["operations"].get(service, {}), *seen["operations"].get(service, {})}
            )
        }
        for service in sorted({*known["operations"], *seen["operations"]})
    }
    return {
        "operations": operations,
        "changes": sorted({*known["changes"], *seen["changes"]}),
    }


def figures() -> tuple[int, int, int]:
    """Operations that the project uses; of these called by an official client; by the AWS CLI, the
    CDK CLI or the SageMaker SDK."""
    rows = [clients for used in _coverage().values() for clients in used.values()]
    return len(rows), sum(map(bool, rows)), sum(bool(set(row) - {"boto3"}) for row in rows)


def _parts() -> Iterator[str]:
    yield "| part | emulated by | checked | known differences |"
    yield "|---|---|---|---|"
    for part in fidelity.parts().values():
        yield f"| {part.title} | {part.emulated} | {part.checked} | {part.differences} |"


def _coverage() -> dict[str, dict[str, list[str]]]:
    seen = json.loads(TRIED.read_text(encoding="utf-8"))["operations"]
    return {
        service: {name: seen.get(service, {}).get(name, []) for name in sorted(operations)}
        for service, operations in used_operations().items()
        if service not in ELSEWHERE
    }


def _operations() -> Iterator[str]:
    total, covered, strict = figures()
    yield (
        f"{total} operations are used; an official client has had {covered} of them done here, "
        f"{strict} of them another than boto3."
    )
    yield ""
    yield "| service | operations, by the official clients that have called them |"
    yield "|---|---|"
    for service, used in _coverage().items():
        by_clients: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name, clients in used.items():
            by_clients[tuple(OFFICIAL[each] for each in OFFICIAL if each in clients)].append(name)
        cells = [
            f"*{', '.join(clients) or 'none yet'}*: {', '.join(names)}"
            for clients, names in sorted(by_clients.items(), key=lambda item: -len(item[0]))
        ]
        yield f"| {service} | {'; '.join(cells)} |"


def _types() -> Iterator[str]:
    yield "| type | properties | attributes of `GetAtt` | makes a new one |"
    yield "|---|---|---|---|"
    for kind in types.modelled():
        model = types.find(kind)
        assert model is not None
        cells = (
            ", ".join(values) or "-"
            for values in (model.properties, model.attributes, model.replaced_by)
        )
        yield f"| {kind.removeprefix('AWS::')} | {' | '.join(cells)} |"


def _changes() -> Iterator[str]:
    by_module: dict[str, list[patching.Change]] = defaultdict(list)
    for change in patching.changes():
        by_module[change.function.__module__].append(change)
    yield f"{len(patching.changes())} changes to moto {patching.MOTO_VERSION}:"
    yield ""
    yield "| declared in | adds | replaces, and why |"
    yield "|---|---|---|"
    for module, changes in sorted(by_module.items()):
        added = [_short(each.target) for each in changes if each.kind == "adds"]
        reasons: dict[str, list[str]] = defaultdict(list)
        for each in changes:
            if each.kind == "replaces":
                reasons[each.because].append(_short(each.target))
        replaced = "; ".join(
            f"{', '.join(sorted(set(names)))}: {why}" for why, names in reasons.items()
        )
        yield (
            f"| {module.removeprefix('infra.offline.')} | {', '.join(sorted(set(added))) or '-'} "
            f"| {replaced or '-'} |"
        )


def _short(target: str) -> str:
    """A target without its package and class: what a reader looks for."""
    return f"`{target.rsplit(':', 1)[-1].rsplit('.', 1)[-1]}`"


def main() -> None:
    """See the module."""
    if len(sys.argv) > 1:
        seen = tried(Path(sys.argv[-1]).read_text(encoding="utf-8").splitlines())
        if sys.argv[1] == "--add":
            seen = added(json.loads(TRIED.read_text(encoding="utf-8")), seen)
        TRIED.write_text(f"{json.dumps(seen, indent=1)}\n", encoding="utf-8")
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    total, covered, strict = figures()
    print(f"operations used: {total}; by an official client: {covered}; but boto3: {strict}")


if __name__ == "__main__":
    main()
