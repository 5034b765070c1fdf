"""Would another mind let it pass? Every witness of the proof is put to an independent simulator.

Witnesses are the requests that break a promise in mutants of our templates, and those that our own
templates allow, one for each class. The simulator must allow each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from infra.assurance import iam
from infra.assurance.isolation.requests.actors import held
from infra.assurance.isolation.requests.deciding import decide_every
from infra.assurance.isolation.world import Document, Role, World
from tests.assurance.iam_agreement.reference import SERVICES, simulated
from tests.assurance.isolation.mutants import ACCOUNT, Bench, catalogue, sample

pytestmark = pytest.mark.clients

#: Mutants of each operator whose witnesses are compared.
EACH = 1


@dataclass(frozen=True)
class Witness:
    """An allowed request, and the world that allows it."""

    world: World
    request: iam.Request
    about: str
    who: object


def _of_mutants(bench: Bench) -> Iterator[Witness]:
    for mutant in sample(list(bench.mutants()), EACH):
        verdict = bench.judge(mutant)
        if verdict.request is not None:
            world = bench.read(mutant.applied(bench.templates))
            yield Witness(world, verdict.request, mutant.id, verdict.who)


def _of_ours(bench: Bench) -> Iterator[Witness]:
    for role in bench.world.roles:
        for decided in decide_every(bench.world, role, catalogue=catalogue()):
            for each in decided.allowed:
                yield Witness(bench.world, each.request, str(role), role)


def _compared(witness: Witness) -> str | None:
    """Why a witness is not one for the simulator; None if it is."""
    request = witness.request
    if request.action.split(":")[0] not in SERVICES or request.action.lower() == request.action:
        return "an action that no reference has"
    if request.principal.kind not in ("session", "service"):
        return "a stranger who is no session"
    if request.principal.kind == "session" and _role(witness) is None:
        return "a stranger, whose own policies nobody knows"
    if _owner(request.resource) not in ("", ACCOUNT):
        return "another account's resource, whose policy is not ours to read"
    if request.action.startswith("kms:") and request.resource not in {
        each.arn for each in witness.world.guarded
    }:
        return "a key that no template makes, whose policy nobody knows"
    if request.action.startswith("sns:") and request.resource.count(":") > 5:
        return "no topic: AWS's format of the ARN leaves room for a colon that no name can have"
    return None


def _owner(arn: str) -> str:
    """The account in an ARN; empty where there is none."""
    found = arn.split(":")[4] if arn.count(":") > 4 else ""
    return found if found.isdigit() else ""


def _role(witness: Witness) -> Role | None:
    """Whose request it is; also a role that is imagined, with more than the templates give it."""
    return witness.who if isinstance(witness.who, Role) else None


def _asked(witness: Witness, documents: dict[str, Any]) -> dict[str, Any]:
    """The witness in the simulator's words; its policies are added to `documents`."""
    request, role = witness.request, _role(witness)

    def named(document: Document) -> str:
        name = f"{id(witness.world)}/{document.id}"
        documents[name] = dict(document.body)
        return name

    service = request.action.split(":")[0].lower()
    guarding = [
        each.arn
        for each in held(witness.world)
        if each.only in (None, service)
        and each.policy is not None
        and any(cover.matches(request.resource, request) for cover in each.covers)
    ]
    policies = {each.arn: each.document for each in witness.world.guarded if each.document}
    if service == "sts":
        policies = {each.arn: each.trust for each in witness.world.roles}
    on_it = next((policies[arn] for arn in guarding if arn in policies), None)
    return {
        "principal": request.principal.arn,
        "action": request.action,
        "resource": request.resource,
        "account": ACCOUNT,
        "context": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in request.context.items()
        },
        "identity": [named(each) for each in (role.identity if role else ())],
        "boundary": named(role.boundary) if role and role.boundary else None,
        "session": None,
        "resourcePolicy": None if on_it is None else named(on_it),
    }


def _answers(witnesses: Sequence[Witness]) -> list[dict[str, Any]]:
    documents: dict[str, Any] = {}
    asked = [_asked(witness, documents) for witness in witnesses]
    return simulated(documents, asked)


def test_the_simulator_allows_every_witness() -> None:
    bench = Bench.of_the_example()
    found = [*_of_mutants(bench), *_of_ours(bench)]
    left_out = Counter(why for witness in found if (why := _compared(witness)) is not None)
    put = [witness for witness in found if _compared(witness) is None]
    answers = _answers(put)
    differing = [
        f"{witness.about}: {witness.request}: {answer}"
        for witness, answer in zip(put, answers, strict=True)
        if answer.get("result") != "Allowed"
    ]
    print(f"{len(put)} witnesses compared, {len(differing)} differ; left out: {dict(left_out)}")
    assert not differing
    assert len(put) > 200
