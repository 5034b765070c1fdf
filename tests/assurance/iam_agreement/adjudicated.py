"""Where the simulator and we differ, and who is right by AWS's documentation.

A difference of no kind listed here fails the check: somebody must look at it, find AWS's word on
it, and either mend `infra.assurance.iam` or add the kind here and to docs/iam.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.assurance.iam_agreement.cases import Case, bare, conditions, listed
from tests.assurance.iam_agreement.corpus import Document

Documents = Mapping[str, Document]


@dataclass(frozen=True)
class Kind:
    """A kind of difference. `because` is AWS's word on it, with the page where it stands."""

    name: str
    #: Whether a case with these two answers can be of this kind.
    fits: Callable[[Case, str, str, Documents], bool]
    because: str


def _policies(case: Case, documents: Documents) -> Iterator[Document]:
    for name in (*case.identity, case.boundary, case.session, case.resource_policy):
        if name is not None:
            yield documents[name]


def _statements(case: Case, documents: Documents) -> Iterator[Mapping[str, Any]]:
    for document in _policies(case, documents):
        yield from document.body["Statement"]


def _has(case: Case, key: str) -> bool:
    return any(key.lower() == known.lower() for known in case.context)


def _any_value_if_exists(case: Case, _ours: str, _theirs: str, documents: Documents) -> bool:
    return any(
        operator.startswith("ForAnyValue:") and bare(operator)[2] and not _has(case, key)
        for statement in _statements(case, documents)
        for operator, key, _ in conditions(statement)
    )


def _session_and_direct_grant(case: Case, ours: str, theirs: str, documents: Documents) -> bool:
    """The session policy does not allow; the resource's policy grants directly."""
    if case.session is None or case.resource_policy is None:
        return False
    if (ours, theirs) != ("Allowed", "ImplicitlyDenied"):
        return False
    named = [
        arn
        for statement in documents[case.resource_policy].body["Statement"]
        if statement["Effect"] == "Allow"
        for arn in _principals(statement)
    ]
    return "*" in named or case.caller.arn in named


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement.get("Principal", {})
    return ["*"] if principal == "*" else [str(arn) for arn in listed(principal.get("AWS", []))]


def _resources(case: Case, documents: Documents) -> Iterator[str]:
    for statement in _statements(case, documents):
        yield from listed(statement.get("Resource", statement.get("NotResource", [])))


def _wild_type(case: Case, _ours: str, _theirs: str, documents: Documents) -> bool:
    """A wildcard or a variable stands before the separator that ends the resource's type."""
    for pattern in _resources(case, documents):
        last = pattern.split(":", 5)[-1]
        if re.match(r"^[^/:]*(\*|\?|\$\{)[^/:]*[/:]", last) and not pattern.startswith(
            "arn:aws:s3:"
        ):
            return True
    return False


def _null_variable(case: Case, _ours: str, _theirs: str, documents: Documents) -> bool:
    """A variable without a value, under a negated operator or in a NotResource."""
    for statement in _statements(case, documents):
        for operator, _, values in conditions(statement):
            if "Not" in bare(operator)[0] and any(_unresolved(case, v) for v in values):
                return True
        if any(_unresolved(case, pattern) for pattern in listed(statement.get("NotResource", []))):
            return True
    return False


def _unresolved(case: Case, text: str) -> bool:
    found = re.findall(r"\$\{\s*([A-Za-z0-9-]+:[^,}'\s]+)\s*\}", text)
    return any(not _has(case, key) for key in found)


def _refused(*words: str) -> Callable[[Case, str, str, Documents], bool]:
    """We refuse by name (and so deny) what begins or ends with these words."""

    def fits(_case: Case, ours: str, _theirs: str, _documents: Documents) -> bool:
        return ours.startswith("Unmodelled: ") and any(word in ours for word in words)

    return fits


KINDS: tuple[Kind, ...] = (
    Kind(
        "a multi-valued key without a set operator",
        _refused("without ForAllValues or ForAnyValue", "as a policy variable"),
        "Single-valued vs. multivalued context keys: a multivalued key requires a set operator, "
        "and is no policy variable. What a policy without one does, no page says; we refuse it by "
        "name, the simulator takes it for no match.",
    ),
    Kind(
        "a request value of another type",
        _refused("is not a number", "is not a date", "neither true nor false", "not an IP address"),
        "Condition operators: says what each type compares, and not what it makes of a value that "
        "is none. We refuse it by name, the simulator takes it for no match, negated or not.",
    ),
    Kind(
        "ForAnyValue with IfExists",
        _any_value_if_exists,
        "IAM JSON policy elements: Condition operators, ...IfExists: if the key is not present, "
        "the condition element is true. The simulator takes the absence for no match.",
    ),
    Kind(
        "a session policy and a direct grant",
        _session_and_direct_grant,
        "Determining whether a request is allowed or denied within an account: what a "
        "resource-based policy grants to a role session is not limited by an implicit deny in a "
        "session policy; AWS JSON policy elements: Principal: nor is what it grants with a "
        "wildcard. The simulator stops at the session policy.",
    ),
    Kind(
        "a wildcard or variable in the resource's type",
        _wild_type,
        "IAM ARNs: a wildcard cannot stand in the part that says the resource's type. AWS stores "
        "such a policy all the same and does not say what it matches; we match it as text, the "
        "simulator takes it literally.",
    ),
    Kind(
        "a variable without a value",
        _null_variable,
        "IAM policy elements: Variables and tags, Policy variables with no value: inverted "
        "operators match a null value; in a NotResource it matches no resource. The simulator "
        "takes it for no match in both.",
    ),
)


def kind(case: Case, ours: str, theirs: str, documents: Documents) -> str | None:
    """The kind of a difference, or None: nobody has looked at it yet."""
    for each in KINDS:
        if each.fits(case, ours, theirs, documents):
            return each.name
    return None
