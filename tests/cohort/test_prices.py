"""The price snapshot: exact sums, no guesses, and a document that reads back as it was written."""

from __future__ import annotations

import json

import pytest

from infra.cohort.prices import SNAPSHOT, PriceList, Reading, UnknownPrice, micro_usd, usd


def test_the_snapshot_reads_back_as_it_is_written() -> None:
    document = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert PriceList.from_document(document).to_document() == document


def test_every_region_of_the_snapshot_has_spaces_jobs_and_a_source() -> None:
    prices = PriceList.snapshot()
    for region in prices.regions():
        assert prices.types(region, "studio")
        assert prices.types(region, "training")
        assert prices.reading(region).source


def test_types_are_cheapest_first() -> None:
    prices = PriceList.snapshot()
    types = prices.types("us-east-1", "training")
    hourly = [prices.micro_usd_per_hour("us-east-1", "training", name) for name in types]
    assert hourly == sorted(hourly)


def test_an_unknown_region_type_or_component_is_an_error_that_names_what_is_known() -> None:
    prices = PriceList.snapshot()
    with pytest.raises(UnknownPrice, match="us-east-1"):
        prices.micro_usd_per_hour("mars-north-1", "training", "ml.m5.large")
    with pytest.raises(UnknownPrice, match=r"ml\.m5\.large"):
        prices.micro_usd_per_hour("us-east-1", "training", "ml.m5.*")
    with pytest.raises(UnknownPrice):
        prices.micro_usd_per_hour("us-east-1", "studio", "ml.p5.48xlarge")
    with pytest.raises(UnknownPrice, match="us-east-1"):
        prices.reading("mars-north-1")


def test_one_region_is_replaced_and_the_others_stay() -> None:
    prices = PriceList.snapshot()
    reading = Reading("AWS", "2026-11-23", verified=True)
    other = prices.with_region("mars-north-1", {"training": {"ml.m5.large": 128_000}}, reading)
    assert set(other.regions()) == {"mars-north-1", *prices.regions()}
    assert other.table["us-east-1"] == prices.table["us-east-1"]
    assert other.reading("mars-north-1").verified
    assert "mars-north-1" not in prices.regions(), "the list itself is not changed"


@pytest.mark.parametrize("micro", [1, 10, 50_000, 115_000, 1_408_000, 2_000_000, 10_000_000])
def test_dollars_and_micro_dollars_are_the_same_amount(micro: int) -> None:
    assert micro_usd(usd(micro)) == micro
