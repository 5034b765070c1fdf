"""Reading AWS's price list: what is one price is taken, what could be two is an error by name."""

from __future__ import annotations

import json

import pytest

from infra.assurance.price_list import Change, UnclearPrices, changes, read
from infra.cohort.prices import PriceList, Reading
from tests.assurance.price_rows import REGION, product

TRAINING = product("USE1-Train:ml.m5.large", "Training", instanceName="ml.m5.large")
STUDIO = product(
    "USE1-Studio:JupyterLab-ml.t3.medium", "Studio-JupyterLab", "0.05", sku="STUDIO0000000001"
)


def problems(*rows: str, ignore: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(UnclearPrices) as caught:
        read([TRAINING, STUDIO, *rows], REGION, ignore=ignore)
    return caught.value.problems


def test_spaces_and_jobs_are_priced_apart() -> None:
    dear = product(
        "USE1-Studio:JupyterLab-ml.m5.large", "Studio-JupyterLab", "0.1160000000", sku="STUDIO2"
    )
    found = read([TRAINING, STUDIO, dear], REGION)
    assert found.table == {
        "training": {"ml.m5.large": 115_000},
        "studio": {"ml.t3.medium": 50_000, "ml.m5.large": 116_000},
    }


@pytest.mark.parametrize(
    ("usage", "kind"),
    [
        ("USE1-Host:ml.m5.large", "Hosting"),
        ("USE1-Notebk:ml.m5.large", "Notebook"),
        ("USE1-Studio:KernelGateway-ml.m5.large", "Studio-Notebook"),
        ("USE1-Studio:CodeEditor-ml.m5.large", "studio-codeeditor"),
        ("USE1-SpotTrain:ml.m5.large", "SpotTraining"),
        ("USE1-Studio:VolumeUsage.gp3", ""),
        ("USE1-Cluster:ml.m5.large", "Cluster"),
    ],
)
def test_what_the_academy_does_not_start_is_passed_over(usage: str, kind: str) -> None:
    other = product(usage, kind, "9.99", sku="OTHER")
    assert read([TRAINING, STUDIO, other], REGION).table["training"] == {"ml.m5.large": 115_000}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"instanceType": "NA"},
        {"instanceType": ""},
        {"instanceType": "ml.c5.xlarge-Training"},
        {"instanceName": "ml.c5.xlarge", "instanceType": "ml.c5.xlarge"},
    ],
)
def test_a_type_is_found_wherever_the_row_names_it(attributes: dict[str, str]) -> None:
    row = product("USE1-Train:ml.c5.xlarge", "Training", "0.204", sku="C5", **attributes)
    assert read([STUDIO, row], REGION).table["training"] == {"ml.c5.xlarge": 204_000}


def test_old_usage_types_without_a_region_are_understood() -> None:
    row = product("Train:ml.m4.xlarge", "Training", "0.24", sku="M4")
    assert read([STUDIO, row], REGION).table["training"] == {"ml.m4.xlarge": 240_000}


def test_either_of_both_attributes_is_enough_if_the_other_is_missing() -> None:
    by_kind = product("", "Training", "0.204", sku="C5", instanceName="ml.c5.xlarge")
    by_usage = product("USE1-Train:ml.c5.large", "", "0.102", sku="C5L")
    found = read([TRAINING, STUDIO, by_kind, by_usage], REGION)
    assert found.table["training"] == {
        "ml.m5.large": 115_000,
        "ml.c5.xlarge": 204_000,
        "ml.c5.large": 102_000,
    }


def test_rows_for_free_are_counted_and_never_a_price() -> None:
    free = product("USE1-Train:ml.m4.xlarge", "Training", "0.0000000000", sku="FREE")
    placeholder = product("USE1-Train:ml.m5.large", "Training-Free", "0", sku="FREE2")
    found = read([TRAINING, STUDIO, free, placeholder], REGION)
    assert found.table["training"] == {"ml.m5.large": 115_000}
    assert found.free == 2


def test_a_price_finer_than_a_micro_dollar_is_rounded_up() -> None:
    row = product("USE1-Train:ml.c5.large", "Training", "0.1020000001", sku="C5L")
    assert read([TRAINING, STUDIO, row], REGION).table["training"]["ml.c5.large"] == 102_001


def test_the_same_price_twice_is_one_price() -> None:
    again = product("USE1-Train:ml.m5.large", "Training", "0.115", sku="AGAIN")
    assert read([TRAINING, STUDIO, again], REGION).table["training"] == {"ml.m5.large": 115_000}


def test_two_prices_for_one_type_name_both_rows() -> None:
    [problem] = problems(product("USE1-Train:ml.m5.large", "Training", "0.2", sku="OTHER"))
    for part in ("ml.m5.large", "JMCWJEAPVJNFJ5P4", "$0.115", "OTHER", "$0.2"):
        assert part in problem


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            product("USE1-Train:ml.m5.large", "Studio-JupyterLab", sku="ODD"),
            "studio by platoinstancetype and as training by usagetype",
        ),
        (product("USE1-TrainWarmPool:ml.m5.large", "Training", sku="ODD"), "do not say the same"),
        (product("USE1-Train:ml.m5.large", "SpotTraining", sku="ODD"), "do not say the same"),
        (
            product("USE1-Train:ml.m5.large", "Training", sku="ODD", instanceName="ml.m5.xlarge"),
            "ml.m5.large, ml.m5.xlarge",
        ),
        (product("", "Training", sku="ODD"), "names no instance type"),
        (product("USE1-Train:ml.m5.large", "Training", sku="ODD", unit="Seconds"), "by Seconds"),
        (product("USE1-Train:ml.m5.large", "Training", sku="ODD", terms={}), "no on-demand price"),
        (product("USE1-Train:ml.m5.large", "Training", "-1", sku="ODD"), "price in USD is '-1'"),
        (product("USE1-Train:ml.m5.large", "Training", "dear", sku="ODD"), "'dear'"),
        (product("USE1-Train:ml.m5.large", "Training", "NaN", sku="ODD"), "'NaN'"),
        (
            product("USE1-Train:ml.m5.large", "Training", sku="ODD", regionCode="us-west-2"),
            "us-west-2",
        ),
    ],
)
def test_a_row_that_contradicts_itself_is_named(row: str, why: str) -> None:
    [problem] = problems(row)
    assert "ODD" in problem
    assert why in problem


def test_a_row_with_two_tiers_of_price_is_named() -> None:
    row = json.loads(product("USE1-Train:ml.c5.large", "Training", "0.102", sku="TIERS"))
    [offer] = row["terms"]["OnDemand"].values()
    [(code, first)] = offer["priceDimensions"].items()
    offer["priceDimensions"][f"{code}.2"] = {**first, "pricePerUnit": {"USD": "0.09"}}
    [problem] = problems(json.dumps(row))
    assert "has the prices $0.09, $0.102" in problem


def test_all_unclear_rows_are_named_at_once() -> None:
    rows = [product("USE1-TrainX:ml.m5.large", "Training", sku=f"ODD{i}") for i in range(3)]
    assert len(problems(*rows)) == 3


def test_a_row_that_a_person_has_looked_at_can_be_ignored() -> None:
    odd = product("USE1-TrainWarmPool:ml.m5.large", "Training", sku="ODD")
    assert read([TRAINING, STUDIO, odd], REGION, ignore=("ODD",)).table["training"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"product": {}}', '{"product": 3}'])
def test_what_is_no_product_is_an_error(text: str) -> None:
    assert "not a product" in problems(text)[0]


def test_a_region_without_a_component_is_an_error() -> None:
    with pytest.raises(UnclearPrices, match="no studio price among 1 products"):
        read([TRAINING], REGION)


def test_types_on_which_no_container_of_ours_runs_are_left_out_and_named() -> None:
    rows = [
        product(f"USE1-Train:{instance}", "Training", "1.5", sku=instance)
        for instance in ("ml.trn1.2xlarge", "ml.inf2.xlarge", "ml.c7g.large", "ml.g5g.xlarge")
    ]
    rows.append(product("USE1-Train:ml.g4dn.xlarge", "Training", "0.736", sku="G4"))
    rows.append(product("USE1-Train:ml.g6e.xlarge", "Training", "2.5", sku="G6E"))
    found = read([TRAINING, STUDIO, *rows], REGION)
    assert set(found.table["training"]) == {"ml.m5.large", "ml.g4dn.xlarge", "ml.g6e.xlarge"}
    assert len(found.unusable) == 4


def test_changes_are_new_changed_and_gone() -> None:
    snapshot = PriceList(
        {REGION: {"training": {"ml.m5.large": 100_000, "ml.m4.xlarge": 240_000}, "studio": {}}},
        {REGION: Reading("elsewhere", "2026-11", verified=False)},
    )
    found = changes(snapshot, REGION, read([TRAINING, STUDIO], REGION))
    assert found == [
        Change("studio", "ml.t3.medium", None, 50_000),
        Change("training", "ml.m4.xlarge", 240_000, None),
        Change("training", "ml.m5.large", 100_000, 115_000),
    ]
    assert [change.kind for change in found] == ["new", "gone", "changed"]
