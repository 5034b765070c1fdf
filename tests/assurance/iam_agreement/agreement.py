"""Our evaluator against an independent one, over our policies and what a slip would make of them.

Each request goes to both. Where they differ, `adjudicated` says which is right by AWS's
documentation; a difference that it does not know is a failure.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.assurance import iam
from tests.assurance.iam_agreement import adjudicated, mutants
from tests.assurance.iam_agreement.cases import (
    Caller,
    Case,
    Context,
    actions_for,
    callers_of,
    contexts_for,
    owner_of,
    resources_for,
)
from tests.assurance.iam_agreement.corpus import ACCOUNT, REGION, Corpus, Document, corpus
from tests.assurance.iam_agreement.reference import multi_valued, simulated

ALLOW_ALL = Document(
    "allow-all",
    "identity",
    "",
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
)
#: A session policy, and a boundary for those that have none.
NARROW = Document(
    "narrow",
    "identity",
    "",
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"}],
    },
)
#: The policy of a key that hands the decision to the account's policies, as each of ours begins.
ACCOUNT_KEY = Document(
    "account-key",
    "resource",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/",
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "kms:*",
                "Resource": "*",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            }
        ],
    },
)
#: Requests that are put to the simulator in one go.
BATCH = 2000
#: Requests that meet a mutant's changed statement, and as many that miss it.
EACH_WAY = 4
#: How often to try again on what was met only, or missed only.
ROUNDS = 4


@dataclass(frozen=True)
class Difference:
    case: Case
    ours: str
    theirs: str
    #: Its class in `adjudicated`, or None: nobody has looked at it yet.
    kind: str | None


@dataclass
class Report:
    """What came of it."""

    answered: int = 0
    #: Requests that the simulator refused as no request or no policy of AWS, by its reason.
    refused: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    #: (document, statement) -> whether it was met and missed; with a condition's number, that.
    hit: dict[tuple[str, int, int | None], set[bool]] = field(default_factory=dict)
    mutations: Counter[str] = field(default_factory=Counter)

    @property
    def agreement(self) -> float:
        """Part of the requests on which both say the same, in percent."""
        return 100 * (1 - len(self.differences) / max(1, self.answered))

    def kinds(self) -> Counter[str]:
        return Counter(difference.kind or "NOT ADJUDICATED" for difference in self.differences)

    def one_sided(self, of: Sequence[str]) -> list[tuple[str, int, int | None]]:
        """Statements and conditions of the documents `of` that were not both met and missed."""
        return sorted(
            (key for key, seen in self.hit.items() if key[0] in of and len(seen) < 2),
            key=lambda key: (key[0], key[1], -1 if key[2] is None else key[2]),
        )


class Agreement:
    """One run: the corpus, the documents made from it, and the report."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 (a run that can be repeated)
        self.corpus: Corpus = corpus()
        self.documents: dict[str, Document] = {
            document.id: document
            for document in (*self.corpus.documents(), ALLOW_ALL, NARROW, ACCOUNT_KEY)
        }
        self.ours = tuple(document.id for document in self.corpus.documents())
        self.parsed: dict[str, iam.Policy] = {}
        self.report = Report()

    def run(self, requests: int) -> Report:
        """Put at least `requests` requests to both: first about our own policies, until each
        statement and condition was met and missed, then at least half as many about mutants."""
        own = list(self.own_cases())
        for start in range(0, len(own), BATCH):
            self.put(own[start : start + BATCH])
        for _ in range(ROUNDS):
            self.put(list(self.cases_of_one_sided()))
        requests = max(requests, self.report.answered * 3 // 2)
        while self.report.answered < requests:
            cases: list[Case] = []
            while len(cases) < BATCH:
                cases += self.mutant_cases()
            self.put(cases)
        return self.report

    # --- making -----------------------------------------------------------------------------------
    def own_cases(self) -> Iterator[Case]:
        for document in self.corpus.documents():
            for index in range(len(document.body["Statement"])):
                together = list(self.cases_of(document, index, whole=True))
                yield from self.rng.sample(together, min(8, len(together)))
                alone = self.alone(document, index)
                yield from self.cases_of(alone, 0, whole=False, like=document)

    def cases_of_one_sided(self) -> Iterator[Case]:
        """More about what was only met or only missed so far: other actions, other resources."""
        for name, index in sorted({key[:2] for key in self.report.one_sided(self.ours)}):
            document = self.documents[name]
            alone = self.alone(document, index)
            yield from self.cases_of(alone, 0, whole=False, like=document)

    def mutant_cases(self) -> list[Case]:
        document = self.documents[self.rng.choice(self.ours)]
        index = self.rng.randrange(len(document.body["Statement"]))
        name, changed = mutants.mutant(document.body["Statement"][index], document.kind, self.rng)
        self.report.mutations.update(name.split("+"))
        number = len(self.documents)
        statements = list(document.body["Statement"])
        whole = self.rng.random() < 0.3
        statements = (
            [changed if i == index else s for i, s in enumerate(statements)] if whole else [changed]
        )
        mutant = Document(
            f"mutant-{number}:{name}:{document.id}",
            document.kind,
            document.holder,
            {"Version": "2012-10-17", "Statement": statements},
        )
        try:
            self.remember(mutant)
        except iam.UnmodelledPolicy:
            # What we refuse to read is ours to say so; test_iam.py lists it.
            self.report.refused["our evaluator does not read the mutant"] += 1
            return []
        made = list(self.cases_of(mutant, index if whole else 0, whole=whole, like=document))
        statement = self.policy(mutant).statements[index if whole else 0]
        met = [case for case in made if _meets(statement, case)]
        missed = [case for case in made if case not in met]
        return [
            case
            for some in (met, missed)
            for case in self.rng.sample(some, min(EACH_WAY, len(some)))
        ]

    def alone(self, document: Document, index: int) -> Document:
        """One statement of a document by itself, so that no other hides what it does."""
        made = Document(
            f"alone:{document.id}#{index}",
            document.kind,
            document.holder,
            {**document.body, "Statement": [document.body["Statement"][index]]},
        )
        return self.remember(made)

    def remember(self, document: Document) -> Document:
        self.policy(document)
        self.documents[document.id] = document
        return document

    def policy(self, document: Document) -> iam.Policy:
        if document.id not in self.parsed:
            self.parsed[document.id] = iam.Policy.parse(
                json.dumps(document.body), kind=document.kind
            )
        return self.parsed[document.id]

    def cases_of(
        self, document: Document, index: int, *, whole: bool, like: Document | None = None
    ) -> Iterator[Case]:
        """Requests about one statement of `document` (a mutant of `like`)."""
        statement = document.body["Statement"][index]
        parsed = self.policy(document).statements[index]
        for caller in callers_of(like or document, statement, self.corpus):
            for action in actions_for(statement, self.rng):
                resources = [document.holder] if document.kind == "trust" else []
                for resource in resources or resources_for(statement, action, self.rng):
                    if document.holder.startswith(ACCOUNT_KEY.holder) and ":key/" not in resource:
                        continue  # an alias, or no resource at all, has no key's policy

                    asked = (caller, action, resource)

                    def holds(
                        number: int, context: Context, asked: tuple[Caller, str, str] = asked
                    ) -> bool:
                        request = _request(Case(*asked, context))
                        return _holds(parsed.conditions[number], request) is True

                    for context in contexts_for(statement, asked, holds, self.rng):
                        case = Case(*asked, context, about=document.id)
                        yield self.under_policies(case, document, like or document, whole=whole)

    def under_policies(
        self, case: Case, document: Document, like: Document, *, whole: bool
    ) -> Case:
        """The case with the policies that are in force: all of the caller's, or as good as only
        `document`."""
        if document.kind != "identity":
            identity = self.rng.choice([(), (ALLOW_ALL.id,)])
            boundary = self.rng.choice([None, None, NARROW.id])
            session = self.rng.choice([None, None, None, NARROW.id])
            if case.caller.kind == "service":
                identity, boundary, session = (), None, None
            return replace(
                case,
                identity=identity,
                boundary=boundary,
                session=session,
                resource_policy=document.id,
            )
        is_boundary = like.id.startswith("boundary:")
        if not whole or is_boundary:
            session = self.rng.choice([None, None, None, NARROW.id])
            both = is_boundary or document.body["Statement"][0]["Effect"] == "Deny"
            return replace(
                case,
                identity=(ALLOW_ALL.id,)
                if is_boundary
                else (document.id, *([ALLOW_ALL.id] if both else [])),
                boundary=document.id if is_boundary else None,
                session=session,
                resource_policy=self.policy_of(case.resource) if _is_key(case) else None,
            )
        (role,) = [role for role in self.corpus.roles if role.arn == document.holder]
        identity = tuple(document.id if d.id == like.id else d.id for d in role.identity)
        return replace(
            case,
            identity=identity,
            boundary=None if role.boundary is None else role.boundary.id,
            resource_policy=self.policy_of(case.resource),
        )

    def policy_of(self, resource: str) -> str | None:
        for document in self.corpus.resources:
            if resource == document.holder or resource.startswith(f"{document.holder}/"):
                return document.id
        return ACCOUNT_KEY.id if resource.startswith(ACCOUNT_KEY.holder) else None

    # --- comparing --------------------------------------------------------------------------------
    def put(self, cases: Sequence[Case]) -> None:
        used = {
            name
            for case in cases
            for name in (*case.identity, case.boundary, case.session, case.resource_policy)
            if name is not None
        }
        documents = {name: self.documents[name].body for name in used}
        answers = simulated(documents, [_asked(case) for case in cases])
        for case, answer in zip(cases, answers, strict=True):
            if "error" in answer:
                self.report.refused[answer["error"]] += 1
                continue
            # What AWS does not list for an action is in no request of it.
            ignored = {key.lower() for key in answer["ignored"]}
            context = {k: v for k, v in case.context.items() if k.lower() not in ignored}
            self.compare(replace(case, context=context), answer["result"])

    def compare(self, case: Case, theirs: str) -> None:
        ours = self.decided(case)
        self.report.answered += 1
        self.report.decisions[ours.split(":")[0]] += 1
        self.cover(case)
        if ours != theirs:
            kind = adjudicated.kind(case, ours, theirs, self.documents)
            self.report.differences.append(Difference(case, ours, theirs, kind))

    def decided(self, case: Case) -> str:
        def read(name: str | None) -> iam.Policy | None:
            return None if name is None else self.policy(self.documents[name])

        policies = iam.Policies(
            identity=tuple(self.policy(self.documents[name]) for name in case.identity),
            boundary=read(case.boundary),
            session=tuple(filter(None, [read(case.session)])),
            resource=read(case.resource_policy),
            resource_decides=case.decides,
        )
        try:
            decision = iam.decide(_request(case), policies)
        except iam.UnmodelledPolicy as error:
            return f"Unmodelled: {error}"
        if decision.allowed:
            return "Allowed"
        return "ImplicitlyDenied" if decision.statement is None else "ExplicitlyDenied"

    def cover(self, case: Case) -> None:
        request = _request(case)
        name = case.about.removeprefix("alone:").split("#")[0]
        if name not in self.ours:
            name = case.about
        at = int(case.about.split("#")[1]) if case.about.startswith("alone:") else 0
        for index, statement in enumerate(self.policy(self.documents[case.about]).statements):
            self.cover_statement(name, index + at, statement, request)

    def cover_statement(
        self, name: str, index: int, statement: iam.Statement, request: iam.Request
    ) -> None:
        named = statement.principals is None or statement.names(request.principal) is not None
        whole = self.report.hit.setdefault((name, index, None), set())
        covers = named and statement.covers(request)
        met = covers
        for number, condition in enumerate(statement.conditions):
            seen = self.report.hit.setdefault((name, index, number), set())
            holds = _holds(condition, request)
            if covers and holds is not None:
                seen.add(holds)
            met = met and holds is True
        whole.add(met)


def _is_key(case: Case) -> bool:
    """Whether the case is about a KMS key: nothing may use one that its own policy does not let."""
    return case.action.startswith("kms:") and ":key/" in case.resource


def _meets(statement: iam.Statement, case: Case) -> bool:
    request = _request(case)
    named = statement.principals is None or statement.names(request.principal) is not None
    return (
        named
        and statement.covers(request)
        and all(_holds(condition, request) is True for condition in statement.conditions)
    )


def _holds(condition: iam.Condition, request: iam.Request) -> bool | None:
    """Whether a condition holds; None if that is outside the model."""
    try:
        return condition.holds(request)
    except iam.UnmodelledPolicy:
        return None


def _request(case: Case) -> iam.Request:
    caller = case.caller
    principal = (
        iam.Principal.service(caller.arn, account=ACCOUNT)
        if caller.kind == "service"
        else iam.Principal("session", caller.arn, ACCOUNT, caller.role_arn)
    )
    many = multi_valued(case.context)
    context: dict[str, iam.Value] = {
        key: tuple(value) if isinstance(value, list) else (value,) if key in many else value
        for key, value in case.context.items()
    }
    return iam.Request(principal, case.action, case.resource, context)


def _asked(case: Case) -> Mapping[str, Any]:
    return {
        "principal": case.caller.arn,
        "action": case.action,
        "resource": case.resource,
        "account": owner_of(case.resource),
        "context": case.context,
        "identity": case.identity,
        "boundary": case.boundary,
        "session": case.session,
        "resourcePolicy": case.resource_policy,
    }
