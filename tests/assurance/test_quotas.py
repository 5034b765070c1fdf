"""The quotas a cohort needs, held against accounts that have them, lack them, or do not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.assurance.quotas import Finding, Need, Quota, Quotas, in_account, needs, without_account
from infra.assurance.templates import Templates
from infra.cohort.loading import load
from infra.cohort.model import Cohort
from infra.cohort.naming import EVERYONE

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Four learners; spaces on two types, jobs on two types, an instance each."""
    return load(ROOT / "cohorts" / "example.yaml")


def templates(learners: int = 4, **function: Any) -> Templates:
    """Just what quotas count."""
    found: dict[str, Any] = {"Vpc": {"Type": "AWS::EC2::VPC"}, "Role": {"Type": "AWS::IAM::Role"}}
    if function:
        found["Function"] = {"Type": "AWS::Lambda::Function", "Properties": function}
    for index in range(learners):
        for kind in ("Domain", "UserProfile", "Space"):
            found[f"{kind}{index}"] = {"Type": f"AWS::SageMaker::{kind}"}
    return Templates({"S": {"Resources": found}})


def need(name: str, found: list[Need]) -> Need:
    [match] = [each for each in found if each.name == name]
    return match


def test_what_stands_is_needed_whole_and_what_runs_at_least_once(cohort: Cohort) -> None:
    found = needs(cohort, templates())
    domains = need("Total domains", found)
    assert (domains.least, domains.full) == (4, 4)
    gpu = need("Studio JupyterLab Apps running on ml.g4dn.xlarge instances", found)
    assert (gpu.least, gpu.full) == (1, 4)


def test_every_listed_type_is_asked_for_by_its_own_quota(cohort: Cohort) -> None:
    names = {each.name for each in needs(cohort, templates())}
    for instance in cohort.studio.instances:
        assert f"Studio JupyterLab Apps running on {instance} instances" in names
    for instance in cohort.training.instances:
        assert f"{instance} for training job usage" in names


def test_jobs_of_several_instances_need_several(cohort: Cohort) -> None:
    training = cohort.training.model_copy(update={"max_instances": 3})
    found = needs(cohort.model_copy(update={"training": training}), templates())
    jobs = need("ml.g5.xlarge for training job usage", found)
    assert (jobs.least, jobs.full) == (3, 12)


def test_reserved_executions_need_lambdas_own_remainder_too(cohort: Cohort) -> None:
    names = {each.name for each in needs(cohort, templates())}
    assert "Concurrent executions" not in names
    found = needs(cohort, templates(ReservedConcurrentExecutions=5))
    assert need("Concurrent executions", found).full == 105


def test_without_an_account_nothing_is_known_and_nothing_is_blocked(cohort: Cohort) -> None:
    quotas = without_account(needs(cohort, templates()))
    assert quotas.account is None
    assert {finding.verdict for finding in quotas.findings} == {"unknown"}
    assert not quotas.blocked


@pytest.mark.parametrize(
    ("has", "in_use", "verdict"),
    [
        (0, 0, "blocked"),
        (1, 0, "short"),
        (4, 0, "enough"),
        (4, 1, "short"),
        (5, 1, "enough"),
        (4, 4, "blocked"),
        (4, None, "enough"),
        (3, 7, "blocked"),
        (None, 3, "unknown"),
    ],
)
def test_a_quota_counts_by_what_others_leave_of_it(
    has: int | None, in_use: int | None, verdict: str
) -> None:
    asked = Need("sagemaker", "GPUs", "us-east-1", least=1, full=4, why="")
    assert Finding(asked, Quota("L-1", has, in_use)).verdict == verdict


def test_the_request_asks_for_the_cohort_beside_what_is_in_use() -> None:
    asked = Need("sagemaker", "GPUs", "us-east-1", least=1, full=4, why="")
    assert Finding(asked, Quota("L-3F53BF0F", 2, 2)).request == (
        "aws service-quotas request-service-quota-increase --service-code sagemaker "
        "--quota-code L-3F53BF0F --desired-value 6 --region us-east-1"
    )
    assert Finding(asked, Quota("L-3F53BF0F", 9, 2)).request is None
    assert Finding(asked, Quota(None, 0, 0)).request is None


class Account:
    """Clients whose answers were written beforehand; an unexpected call fails."""

    def __init__(self) -> None:
        self.stubs: dict[tuple[str, str], tuple[Any, Stubber]] = {}

    def _get(self, service: str, region: str) -> tuple[Any, Stubber]:
        if (service, region) not in self.stubs:
            client = boto3.client(
                service, region_name=region, aws_access_key_id="x", aws_secret_access_key="x"
            )
            stubber = Stubber(client)
            stubber.activate()
            self.stubs[service, region] = client, stubber
        return self.stubs[service, region]

    def clients(self, service: str, region: str) -> Any:
        return self._get(service, region)[0]

    def answers(self, service: str, operation: str, body: dict[str, Any], **request: Any) -> None:
        self._get(service, "us-east-1")[1].add_response(operation, body, request)

    def refuses(self, service: str, operation: str) -> None:
        self._get(service, "us-east-1")[1].add_client_error(
            operation, "AccessDeniedException", "not for you"
        )

    def has(self, service: str, applied: dict[str, float], default: dict[str, float]) -> None:
        """Quotas by name; codes are L- and the name's length."""

        def listed(quotas: dict[str, float]) -> list[dict[str, Any]]:
            return [
                {"QuotaName": name, "QuotaCode": f"L-{len(name)}", "Value": value}
                for name, value in quotas.items()
            ]

        # The defaults over two pages.
        pages = [listed(default)[:1], listed(default)[1:]]
        operation = "list_aws_default_service_quotas"
        more = {"Quotas": pages[0], "NextToken": "2"}
        self.answers("service-quotas", operation, more, ServiceCode=service)
        rest = {"Quotas": pages[1]}
        self.answers("service-quotas", operation, rest, ServiceCode=service, NextToken="2")
        body = {"Quotas": listed(applied)}
        self.answers("service-quotas", "list_service_quotas", body, ServiceCode=service)


def checked(cohort: Cohort, account: Account, names: set[str]) -> Quotas:
    found = [each for each in needs(cohort, templates()) if each.name in names]
    assert len(found) == len(names)
    return in_account(found, cohort, account.clients, account=ACCOUNT)


def test_an_applied_value_wins_over_the_default_and_names_differ_by_an_s(cohort: Cohort) -> None:
    app = "Studio JupyterLab Apps running on ml.g4dn.xlarge instances"
    job = "ml.g5.xlarge for training job usage"
    account = Account()
    account.has(
        "sagemaker",
        applied={"Studio JupyterLab apps running on ml.g4dn.xlarge instance": 6},
        default={app: 0, job: 0},
    )
    quotas = checked(cohort, account, {app, job})
    by_name = {finding.need.name: finding for finding in quotas.findings}
    assert by_name[app].verdict == "enough"
    assert by_name[job].verdict == "blocked"
    assert quotas.blocked
    assert quotas.unread == ()


def test_a_cohort_that_is_deployed_already_does_not_count_against_itself(cohort: Cohort) -> None:
    account = Account()
    account.has("sagemaker", applied={"Total domains": 5}, default={})
    ours = cohort.names.workspace("ana")
    domains = [{"DomainName": name} for name in (ours, "somebody-elses", "another")]
    account.answers("sagemaker", "list_domains", {"Domains": domains})
    [finding] = checked(cohort, account, {"Total domains"}).findings
    assert finding.quota == Quota("L-13", 5, 2)
    assert finding.verdict == "blocked", "three are left, four are needed"
    assert finding.request is not None
    assert "--desired-value 6 " in finding.request


def test_networks_and_roles_of_the_cohort_itself_are_left_out(cohort: Cohort) -> None:
    account = Account()
    account.has("vpc", applied={"VPCs per Region": 5}, default={})
    tag = {"Key": "academy:cohort", "Value": cohort.name}
    vpcs = [{"VpcId": "vpc-1", "Tags": [tag]}, {"VpcId": "vpc-2"}, {"VpcId": "vpc-3", "Tags": []}]
    account.answers("ec2", "describe_vpcs", {"Vpcs": vpcs})
    account.has("iam", applied={"Roles per account": 1000}, default={})
    account.answers("iam", "get_account_summary", {"SummaryMap": {"Roles": 40}})
    role = {
        "Path": "/",
        "RoleName": "r",
        "RoleId": "AROAEXAMPLEEXAMPLE12",
        "Arn": "arn:aws:iam::123456789012:role/r",
        "CreateDate": "2026-11-01T00:00:00Z",
    }
    path = f"/academy/{cohort.name}/"
    account.answers("iam", "list_roles", {"Roles": [role] * 11}, PathPrefix=path)
    quotas = checked(cohort, account, {"VPCs per Region", "Roles per account"})
    in_use = {
        finding.need.name: finding.quota.in_use for finding in quotas.findings if finding.quota
    }
    assert in_use == {"VPCs per Region": 2, "Roles per account": 29}


def test_what_may_not_be_read_is_said_once_and_stops_nothing(cohort: Cohort) -> None:
    account = Account()
    account.refuses("service-quotas", "list_aws_default_service_quotas")
    account.answers("sagemaker", "list_domains", {"Domains": []})
    account.refuses("sagemaker", "list_user_profiles")
    profiles = "Maximum number of Studio user profiles allowed per account"
    quotas = checked(cohort, account, {"Total domains", profiles})
    assert [finding.verdict for finding in quotas.findings] == ["unknown", "unknown"]
    assert not quotas.blocked
    assert len(quotas.unread) == 2
    assert "the quotas of sagemaker in us-east-1" in quotas.unread[0]
    assert "AccessDeniedException" in quotas.unread[0]
    assert "ListUserProfiles" in quotas.unread[1]


def test_a_quota_that_the_account_does_not_list_is_said(cohort: Cohort) -> None:
    account = Account()
    account.has("sagemaker", applied={"Something else": 5}, default={})
    account.answers("sagemaker", "list_domains", {"Domains": []})
    quotas = checked(cohort, account, {"Total domains"})
    assert "lists no such quota" in quotas.unread[0]
    assert "Total domains" in quotas.unread[0]
    assert quotas.findings[0].verdict == "unknown"


def test_domains_count_by_the_isolation_and_those_of_another_stand_beside(cohort: Cohort) -> None:
    """While the isolation of a deployed cohort changes, its old domains still stand."""
    shared = cohort.model_copy(update={"isolation": "cohort"})
    account = Account()
    account.has("sagemaker", applied={"Total domains": 5}, default={})
    names = [cohort.names.shared_domain(EVERYONE), cohort.names.workspace("ana")]
    account.answers("sagemaker", "list_domains", {"Domains": [{"DomainName": n} for n in names]})
    [finding] = checked(shared, account, {"Total domains"}).findings
    assert finding.quota == Quota("L-13", 5, 1)
