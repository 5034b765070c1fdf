"""The account and the price list: what quotas are called and are, and what instances cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.assurance.price_list import Change, UnclearPrices, changes, read
from infra.cli.prices import products
from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Answer, confirmed, contradicted, untold
from infra.cohort.prices import MICRO_DOLLARS, PriceList

#: By the names that infra/assurance/quotas.py looks for.
QUOTAS = (
    "Total domains",
    "Maximum number of Studio user profiles allowed per account",
    "Maximum number of Studio spaces allowed per account",
    "Maximum number of running Studio apps allowed per account",
    "Studio JupyterLab Apps running on ml.t3.medium instances",
    "ml.m5.large for training job usage",
    "Number of instances across all training jobs",
)


def ask_quotas(probe: Probe) -> Answer:
    client = probe.client("service-quotas")
    found: dict[str, Mapping[str, Any]] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            found |= {_key(each["QuotaName"]): each for each in page["Quotas"]}
    return read_quotas(found.values())


def read_quotas(found: Iterable[Mapping[str, Any]]) -> Answer:
    known = {_key(str(each["QuotaName"])): each for each in found}
    absent = [name for name in QUOTAS if _key(name) not in known]
    seen = {
        name: {"code": known[_key(name)]["QuotaCode"], "value": known[_key(name)]["Value"]}
        for name in QUOTAS
        if name not in absent
    }
    if absent:
        return contradicted(f"Service Quotas knows no {'; no '.join(absent)}", **seen)
    domains = seen["Total domains"]
    return confirmed(
        f"all names are known; an account may have {domains['value']:.0f} domains "
        f"({domains['code']})",
        **seen,
    )


def _key(name: str) -> str:
    # As quotas.py compares: AWS writes some with "instance", some with "instances".
    return name.lower().removesuffix("s")


def ask_prices(probe: Probe) -> Answer:
    client = probe.client("pricing")
    try:
        found = read(products(client, probe.region), probe.region)
    except UnclearPrices as error:
        return untold(f"the price list is not clear: {'; '.join(error.problems[:5])}")
    return read_prices(changes(PriceList.snapshot(), probe.region, found))


def read_prices(different: list[Change]) -> Answer:
    """New types are no news: only what the snapshot says is asked about."""
    wrong = [each for each in different if each.kind != "new"]
    if not wrong:
        return confirmed("every price of the snapshot is AWS's own")
    shown = ", ".join(
        f"{each.component} {each.instance} {_usd(each.before)} is {_usd(each.after)}"
        for each in wrong
    )
    return contradicted(f"{shown}; cohort prices refresh --write takes them over")


def _usd(price: int | None) -> str:
    return "gone" if price is None else f"${price / MICRO_DOLLARS:.4f}"
