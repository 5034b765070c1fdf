"""Service Quotas of the embedded cloud: what an account may have at once, kept and read back, and
ResourceLimitExceeded beyond it.

The names are those that Service Quotas lists (infra/assurance/quotas.py asks for them by name); the
codes are this cloud's own. What AWS gives a new account is not known for SageMaker, so its values
here are those of an account whose owner asked for enough; `set_value` and, over the wire,
RequestServiceQuotaIncrease change them, the latter at once (at AWS a person may decide).

SageMaker holds itself to its quotas. Those of other services are told and not held to.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.sagemaker.exceptions import SagemakerClientError
from moto.servicequotas.models import servicequotas_backends

from infra.offline import runtime, shapes
from infra.offline.fidelity import Part
from infra.offline.patching import adds, replaces

FIDELITY = Part(
    title="Service Quotas",
    emulated=(
        "SageMaker's quotas that the plan asks for, and those that are kept: domains, profiles, "
        "spaces, apps, training instances"
    ),
    checked="by client: AWS CLI, boto3; `cohort plan` reads them",
    differences=(
        "values and codes are invented and generous; an increase is approved at once; quotas of "
        "VPC, IAM and Lambda are told, not kept"
    ),
)

_API = "moto.servicequotas.responses:ServiceQuotasResponse"
_VALUES = "academy_values"
_REQUESTS = "academy_requests"

DOMAINS = "Total domains"
PROFILES = "Maximum number of Studio user profiles allowed per account"
SPACES = "Maximum number of Studio spaces allowed per account"
APPS = "Maximum number of running Studio apps allowed per account"
TRAINING_INSTANCES = "Number of instances across all training jobs"

#: A page where a listing is not told how many results to give, and the most it gives.
PAGE = 100


def apps_on(instance: str) -> str:
    """The quota on running JupyterLab apps of one instance type."""
    return f"Studio JupyterLab Apps running on {instance} instances"


def training_on(instance: str) -> str:
    """The quota on training jobs' instances of one type."""
    return f"{instance} for training job usage"


@dataclass(frozen=True)
class Quota:
    """One quota as an account begins with it."""

    service: str
    name: str
    value: float

    @property
    def code(self) -> str:
        digest = hashlib.sha256(f"{self.service}/{self.name}".encode()).hexdigest()
        return f"L-{digest[:8].upper()}"


@functools.cache
def known() -> Mapping[tuple[str, str], Quota]:
    """Every quota of this cloud, by service and code."""
    sagemaker = shapes.model("sagemaker")
    apps = sagemaker.shape_for("AppInstanceType").metadata["enum"]
    training = sagemaker.shape_for("TrainingInstanceType").metadata["enum"]
    quotas = [
        # Sources: "Amazon VPC quotas"; "IAM and AWS STS quotas"; "Lambda quotas".
        Quota("vpc", "VPCs per Region", 5),
        Quota("iam", "Roles per account", 1000),
        Quota("lambda", "Concurrent executions", 1000),
        Quota("sagemaker", DOMAINS, 1000),
        Quota("sagemaker", PROFILES, 10_000),
        Quota("sagemaker", SPACES, 10_000),
        Quota("sagemaker", APPS, 1000),
        Quota("sagemaker", TRAINING_INSTANCES, 1000),
        *(Quota("sagemaker", apps_on(name), 500) for name in apps),
        *(Quota("sagemaker", training_on(name), 500) for name in training),
    ]
    return {(quota.service, quota.code): quota for quota in quotas}


class ResourceLimitExceeded(SagemakerClientError):  # type: ignore[misc]
    code = "ResourceLimitExceeded"


# --- what SageMaker asks ----------------------------------------------------------------------
def value(name: str, *, service: str = "sagemaker") -> float:
    """The applied value of the quota `name`; a type that has none is not held to any."""
    quota = _named(service, name)
    return float("inf") if quota is None else _applied().get(_key(quota), quota.value)


def set_value(name: str, wanted: float, *, service: str = "sagemaker") -> None:
    """Apply another value, as AWS does once a request is granted.

    Raises:
        ValueError: if there is no such quota here.
    """
    quota = _named(service, name)
    if quota is None:
        raise ValueError(f"{service} has no quota {name!r} here")
    _applied()[_key(quota)] = wanted


def require(name: str, *, in_use: int, unit: str, more: int = 1) -> None:
    """Raise ResourceLimitExceeded if `more` beside what is in use would exceed the quota.

    Worded as in aws/amazon-sagemaker-examples issue 1564.
    """
    limit = value(name)
    if in_use + more > limit:
        raise ResourceLimitExceeded(
            f"The account-level service limit '{name}' is {limit:g} {unit}, with current "
            f"utilization of {in_use} {unit} and a request delta of {more} {unit}. Please use AWS "
            "Service Quotas to request an increase for this quota.",
        )


def _named(service: str, name: str) -> Quota | None:
    return known().get((service, Quota(service, name, 0).code))


def _key(quota: Quota) -> str:
    return f"{quota.service}/{quota.code}"


def _state(name: str) -> dict[str, Any]:
    # In the backend's own state, so that it goes when that is reset.
    here = runtime.current()
    backend = servicequotas_backends[here.account][here.region]
    return vars(backend).setdefault(name, {})  # type: ignore[no-any-return]


def _applied() -> dict[str, Any]:
    return _state(_VALUES)


# --- operations -------------------------------------------------------------------------------
def _missing(message: str) -> JsonRESTError:
    return JsonRESTError("NoSuchResourceException", message)


def _shown(quota: Quota, amount: float) -> dict[str, Any]:
    here = runtime.current()
    arn = f"arn:aws:servicequotas:{here.region}:{here.account}:{quota.service}/{quota.code}"
    return {
        "ServiceCode": quota.service,
        "ServiceName": quota.service,
        "QuotaArn": arn,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": amount,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": quota.service == "iam",
    }


def _asked(request: Mapping[str, Any]) -> Quota:
    quota = known().get((request["ServiceCode"], request["QuotaCode"]))
    if quota is None:
        raise _missing(
            f"The embedded cloud has no quota {request['QuotaCode']} of {request['ServiceCode']}."
        )
    return quota


def _page(request: Mapping[str, Any], amount: Callable[[Quota], float]) -> str:
    service = request["ServiceCode"]
    found = sorted(
        (quota for quota in known().values() if quota.service == service),
        key=lambda quota: quota.name,
    )
    if not found:
        raise _missing(f"The embedded cloud has no quotas of {service}.")
    token = request.get("NextToken", "0")
    if not token.isdecimal() or int(token) >= len(found):
        raise JsonRESTError("InvalidPaginationTokenException", f"Invalid pagination token: {token}")
    start, size = int(token), request.get("MaxResults", PAGE)
    shown = [_shown(quota, amount(quota)) for quota in found[start : start + size]]
    page: dict[str, Any] = {"Quotas": shown}
    if start + size < len(found):
        page["NextToken"] = str(start + size)
    return json.dumps(page)


def _default(quota: Quota) -> float:
    return quota.value


def _now(quota: Quota) -> float:
    return float(_applied().get(_key(quota), quota.value))


_ONE_QUOTA = "moto knows the quotas of VPC alone, and no SageMaker"


@replaces(f"{_API}.list_aws_default_service_quotas", because=_ONE_QUOTA)
def _list_defaults(_original: Callable[..., Any], response: Any) -> str:
    return _page(json.loads(response.body), _default)


@adds(f"{_API}.list_service_quotas", because=_ONE_QUOTA)
def _list_applied(response: Any) -> str:
    return _page(json.loads(response.body), _now)


@adds(f"{_API}.get_aws_default_service_quota", because=_ONE_QUOTA)
def _get_default(response: Any) -> str:
    quota = _asked(json.loads(response.body))
    return json.dumps({"Quota": _shown(quota, quota.value)})


@replaces(f"{_API}.get_service_quota", because=_ONE_QUOTA)
def _get_applied(_original: Callable[..., Any], response: Any) -> str:
    quota = _asked(json.loads(response.body))
    return json.dumps({"Quota": _shown(quota, _now(quota))})


@adds(f"{_API}.request_service_quota_increase", because=_ONE_QUOTA)
def _request_increase(response: Any) -> str:
    request = json.loads(response.body)
    quota, wanted = _asked(request), float(request["DesiredValue"])
    if wanted <= _now(quota):
        raise JsonRESTError(
            "IllegalArgumentException",
            f"The desired value {wanted:g} must be greater than the quota's value {_now(quota):g}.",
        )
    _applied()[_key(quota)] = wanted
    requests = _state(_REQUESTS)
    requested: dict[str, Any] = {
        "Id": f"{len(requests) + 1:032x}",
        "ServiceCode": quota.service,
        "ServiceName": quota.service,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "DesiredValue": wanted,
        "Status": "APPROVED",
        "Created": runtime.current().clock.now().timestamp(),
        "QuotaArn": _shown(quota, wanted)["QuotaArn"],
        "GlobalQuota": quota.service == "iam",
        "Unit": "None",
    }
    requests[requested["Id"]] = requested
    return json.dumps({"RequestedQuota": requested})
