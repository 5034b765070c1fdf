"""By which code a service refuses: what is absent, in the wrong state, or breaks the model.

AWS's models name the errors of an operation and leave open which of them comes when. The codes that
are expected here are those of the embedded cloud: clients, waiters and our own functions decide by
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from infra.cli.probe.asking import studio
from infra.cli.probe.asking.objects import outcome
from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cli.probe.shared import INSTANCE

#: Of nobody's domain.
NO_DOMAIN = "d-000000000000"

NOT_FOUND, IN_USE, INVALID = "ResourceNotFound", "ResourceInUse", "ValidationException"
#: How a service refuses what breaks its model: infra/offline/conformance.py.
BROKEN = {
    "budgets": "InvalidParameterException",
    "codebuild": "InvalidInputException",
    "lambda": "ValidationException",
}


@dataclass(frozen=True)
class Attempt:
    """A call that is expected to be refused, and how."""

    what: str
    expected: str
    call: Callable[[], Any]


@dataclass(frozen=True)
class Refusal:
    """How it was refused; "ok" if it was not."""

    what: str
    expected: str
    given: str


def _refusal(attempt: Attempt) -> Refusal:
    return Refusal(attempt.what, attempt.expected, outcome(attempt.call))


def _until_accepted(attempts: Iterable[Attempt]) -> list[Refusal]:
    """Of one attempt after the other, up to one that succeeds: the others stand on its refusal."""
    found = []
    for each in attempts:
        found.append(_refusal(each))
        if found[-1].given == "ok":
            break
    return found


def read_codes(refusals: Iterable[Refusal]) -> Answer:
    """Names each that was refused otherwise. What IAM refuses tells nothing of the service."""
    found = list(refusals)
    seen = {each.what: each.given for each in found}
    denied = [each.what for each in found if each.given == "AccessDenied"]
    other = [
        f"{each.what} is {'accepted' if each.given == 'ok' else each.given}, ours {each.expected}"
        for each in found
        if each.given not in (each.expected, "AccessDenied")
    ]
    if other:
        return contradicted("; ".join(other), **seen)
    if denied:
        return untold(f"the credentials may not ask: {', '.join(denied)}", **seen)
    return confirmed(f"{len(found)} refusals have the codes of the embedded cloud", **seen)


# --- free -----------------------------------------------------------------------------------------
def ask_absent(probe: Probe) -> Answer:
    attempts = (*_in_no_domain(probe), *_no_job(probe), *_broken(probe))
    return read_codes([_refusal(each) for each in attempts])


def _in_no_domain(probe: Probe) -> list[Attempt]:
    """Nothing can be made in a domain that there is not, so no record is written of it."""
    sagemaker, name = probe.client("sagemaker"), probe.name("absent")
    profile = {"DomainId": NO_DOMAIN, "UserProfileName": name}
    space = {"DomainId": NO_DOMAIN, "SpaceName": name}
    app = {**space, "AppType": "JupyterLab", "AppName": "default"}
    return [
        Attempt(f"{what} in no domain", NOT_FOUND, call)
        for what, call in (
            ("DescribeDomain", lambda: sagemaker.describe_domain(DomainId=NO_DOMAIN)),
            ("DescribeUserProfile", lambda: sagemaker.describe_user_profile(**profile)),
            ("DescribeSpace", lambda: sagemaker.describe_space(**space)),
            ("DescribeApp", lambda: sagemaker.describe_app(**app)),
            ("CreateUserProfile", lambda: sagemaker.create_user_profile(**profile)),
            ("CreateSpace", lambda: sagemaker.create_space(**space, **_private(name))),
            ("CreateApp", lambda: sagemaker.create_app(**app)),
        )
    ]


def _private(owner: str) -> dict[str, Any]:
    return {
        "OwnershipSettings": {"OwnerUserProfileName": owner},
        "SpaceSharingSettings": {"SharingType": "Private"},
        "SpaceSettings": {"AppType": "JupyterLab"},
    }


def _no_job(probe: Probe) -> list[Attempt]:
    sagemaker, job = probe.client("sagemaker"), {"TrainingJobName": f"{probe.prefix}--absent"}
    return [
        Attempt(
            "DescribeTrainingJob of no job",
            INVALID,
            lambda: sagemaker.describe_training_job(**job),
        ),
        Attempt("StopTrainingJob of no job", INVALID, lambda: sagemaker.stop_training_job(**job)),
    ]


def _broken(probe: Probe) -> list[Attempt]:
    """What breaks a pattern or an enumeration: botocore sends both. Only the budget would be made
    if it were accepted, so it is recorded."""
    budgets, codebuild = probe.client("budgets"), probe.client("codebuild")
    functions, name = probe.client("lambda"), probe.name("broken")
    budget = {
        "BudgetName": name,
        "BudgetType": "COST",
        "TimeUnit": "FORTNIGHTLY",
        "BudgetLimit": {"Amount": "1", "Unit": "USD"},
    }
    return [
        Attempt(
            "budgets: DescribeBudget of a name with a colon",
            BROKEN["budgets"],
            lambda: budgets.describe_budget(AccountId=probe.account, BudgetName=f"{name}:x"),
        ),
        Attempt(
            "budgets: CreateBudget by the fortnight",
            BROKEN["budgets"],
            lambda: probe.make(
                "budget",
                name,
                lambda: budgets.create_budget(AccountId=probe.account, Budget=budget),
                account=probe.account,
            ),
        ),
        Attempt(
            "codebuild: ListProjects by colour",
            BROKEN["codebuild"],
            lambda: codebuild.list_projects(sortBy="COLOUR"),
        ),
        Attempt(
            "lambda: GetFunction of a name with an exclamation mark",
            BROKEN["lambda"],
            lambda: functions.get_function(FunctionName=f"{name}!"),
        ),
        Attempt(
            "lambda: ListFunctions of no version",
            BROKEN["lambda"],
            lambda: functions.list_functions(FunctionVersion="NONE"),
        ),
    ]


# --- in the workspace -----------------------------------------------------------------------------
def ask_state(probe: Probe) -> Answer:
    """Asked before the domain is removed anyway: should AWS delete what we believe it keeps, no
    other question is lost."""
    studio.start(probe)
    try:
        found = _until_accepted(_while_it_runs(probe))
    finally:
        studio.end(probe)
    if found[-1].given != "ok":
        found += _until_accepted([*_after_it(probe), *_there_or_not(probe)])
    return read_codes(found)


def _while_it_runs(probe: Probe) -> list[Attempt]:
    sagemaker, app = probe.client("sagemaker"), studio.app_of(probe)
    spec = {"InstanceType": INSTANCE}
    space = {"DomainId": app["DomainId"], "SpaceName": app["SpaceName"]}
    return [
        Attempt(
            "CreateApp of an app that is there",
            IN_USE,
            lambda: sagemaker.create_app(**app, ResourceSpec=spec),
        ),
        Attempt("DeleteSpace with an app", IN_USE, lambda: sagemaker.delete_space(**space)),
    ]


def _after_it(probe: Probe) -> list[Attempt]:
    sagemaker, job = probe.client("sagemaker"), probe.made.get("job")
    app = studio.app_of(probe)
    attempts = [Attempt("DeleteApp of a deleted app", INVALID, lambda: sagemaker.delete_app(**app))]
    if job is not None:
        named = {"TrainingJobName": job["name"]}
        attempts.append(
            Attempt(
                "StopTrainingJob of an ended job",
                INVALID,
                lambda: sagemaker.stop_training_job(**named),
            )
        )
    return attempts


def _there_or_not(probe: Probe) -> list[Attempt]:
    sagemaker, workspace = probe.client("sagemaker"), probe.made["workspace"]
    within = {"DomainId": workspace["domain"]}
    profile = {**within, "UserProfileName": workspace["profile"]}
    space = {**within, "SpaceName": workspace["space"]}
    absent = f"{workspace['space']}--absent"
    app = {**within, "SpaceName": absent, "AppType": "JupyterLab", "AppName": "default"}
    orphan = {**within, "SpaceName": absent, **_private(absent)}
    return [
        Attempt(
            "CreateUserProfile of a name that is taken",
            IN_USE,
            lambda: sagemaker.create_user_profile(**profile),
        ),
        Attempt(
            "CreateSpace of a name that is taken",
            IN_USE,
            lambda: sagemaker.create_space(**space, **_private(workspace["profile"])),
        ),
        Attempt(
            "CreateSpace of no profile",
            NOT_FOUND,
            lambda: probe.make(
                "space",
                absent,
                lambda: sagemaker.create_space(**orphan),
                domain=workspace["domain"],
            ),
        ),
        Attempt(
            "DescribeUserProfile of no profile",
            NOT_FOUND,
            lambda: sagemaker.describe_user_profile(**within, UserProfileName=absent),
        ),
        Attempt(
            "DescribeSpace of no space",
            NOT_FOUND,
            lambda: sagemaker.describe_space(**within, SpaceName=absent),
        ),
        Attempt("DescribeApp of no app", NOT_FOUND, lambda: sagemaker.describe_app(**app)),
        Attempt(
            "DeleteUserProfile with a space",
            IN_USE,
            lambda: sagemaker.delete_user_profile(**profile),
        ),
        Attempt(
            "DeleteDomain with a profile",
            IN_USE,
            lambda: sagemaker.delete_domain(
                **within, RetentionPolicy={"HomeEfsFileSystem": "Delete"}
            ),
        ),
    ]
