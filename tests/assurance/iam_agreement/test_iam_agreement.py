"""Our evaluator and an independent one decide alike, but where AWS says otherwise."""

from __future__ import annotations

import pytest

from tests.assurance.iam_agreement.adjudicated import KINDS
from tests.assurance.iam_agreement.agreement import Agreement, Report

pytestmark = pytest.mark.clients

REQUESTS, SEED = 12_000, 20261128


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    made = Agreement(SEED)
    made.run(REQUESTS)
    return made


@pytest.fixture(scope="module")
def report(agreement: Agreement) -> Report:
    return agreement.report


def test_thousands_of_requests_are_put_to_both(report: Report) -> None:
    assert report.answered >= REQUESTS
    # Decisions of every kind, or the agreement would be about nothing.
    for decision in ("Allowed", "ImplicitlyDenied", "ExplicitlyDenied"):
        assert report.decisions[decision] > 200, report.decisions


def test_no_difference_is_new(report: Report) -> None:
    unknown = [each for each in report.differences if each.kind is None]
    assert unknown == []


def test_differences_are_few(report: Report) -> None:
    assert report.agreement > 99, report.kinds()


def test_each_statement_and_each_condition_of_ours_is_met_and_missed(
    agreement: Agreement, report: Report
) -> None:
    statements = sum(len(agreement.documents[name].body["Statement"]) for name in agreement.ours)
    covered = {key[:2] for key in report.hit if key[0] in agreement.ours}
    assert len(covered) == statements
    assert report.one_sided(agreement.ours) == []


def test_every_kind_of_mutant_is_tried(report: Report) -> None:
    from tests.assurance.iam_agreement.mutants import MUTATIONS

    assert {mutation.__name__ for mutation in MUTATIONS} == set(report.mutations)


def test_what_the_simulator_does_not_take_is_no_request_of_aws(report: Report) -> None:
    """An action without resources asked of one, or of a resource that is not the action's."""
    assert set(report.refused) <= {
        "must.use.wildcard",
        "no.resource.types",
        "multiple.resource.types",
        "policy.errors",
        "our evaluator does not read the mutant",
    }


def test_every_adjudication_says_where_aws_says_so() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert ":" in kind.because, kind.name
