"""`cohort prices refresh`: shows what differs, and changes the snapshot only when told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result

from infra.cli import prices as command
from infra.cli.main import cohort
from infra.cohort import prices as snapshots
from infra.cohort.prices import PriceList
from tests.assurance.price_rows import REGION, product

STUDIO = product("USE1-Studio:JupyterLab-ml.t3.medium", "Studio-JupyterLab", "0.05", sku="STUDIO")
TRAINING = product("USE1-Train:ml.m5.large", "Training", "0.1150000000")
DEARER = product("USE1-Train:ml.c5.xlarge", "Training", "0.3060000000", sku="C5")
NEW = product("USE1-Train:ml.g7e.2xlarge", "Training", "4.2", sku="NEW")


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot of our own to refresh: what the real one says does not matter here."""
    path = tmp_path / "prices.json"
    usd = {
        "studio": {"ml.t3.medium": "0.05"},
        "training": {"ml.m5.large": "0.115", "ml.c5.xlarge": "0.204", "ml.m4.xlarge": "0.24"},
    }
    entry = {"source": "hearsay", "read": "2026-11", "verified": False, "usd_per_hour": usd}
    path.write_text(json.dumps({"regions": {REGION: entry}}))
    monkeypatch.setattr(snapshots, "SNAPSHOT", path)
    return path


@pytest.fixture
def price_list(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answers GetProducts with pages of our own; a request that is not the expected one fails."""
    client = boto3.client(
        "pricing", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    stubber = Stubber(client)

    def answer(*pages: list[str], region: str = REGION) -> None:
        for index, rows in enumerate(pages):
            expected: dict[str, Any] = {
                "ServiceCode": "AmazonSageMaker",
                "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
                "FormatVersion": "aws_v1",
            }
            if index:
                expected["NextToken"] = f"page-{index}"
            body: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": rows}
            if index + 1 < len(pages):
                body["NextToken"] = f"page-{index + 1}"
            stubber.add_response("get_products", body, expected)

    def made(service: str, *, region_name: str) -> Any:
        assert (service, region_name) == ("pricing", "us-east-1")
        return client

    monkeypatch.setattr(command.boto3, "client", made)
    with stubber:
        answer.stubber = stubber  # type: ignore[attr-defined]
        yield answer


def refresh(*options: str) -> Result:
    return CliRunner().invoke(
        cohort, ["prices", "refresh", *options], env={"COLUMNS": "200"}, catch_exceptions=False
    )


def cells(output: str, kind: str) -> list[list[str]]:
    """The table's rows of one kind, cell by cell."""
    rows = [line.split("│")[1:-1] for line in output.splitlines() if "│" in line]
    return [[cell.strip() for cell in row] for row in rows if row[0].strip() == kind]


def test_it_shows_what_is_new_changed_and_gone_over_all_pages(
    snapshot: Path, price_list: Any
) -> None:
    price_list([STUDIO, TRAINING], [DEARER, NEW])
    before = snapshot.read_text()
    result = refresh()
    assert result.exit_code == 0, result.output
    assert cells(result.output, "new") == [["new", "training", "ml.g7e.2xlarge", "", "$4.2000", ""]]
    assert cells(result.output, "changed") == [
        ["changed", "training", "ml.c5.xlarge", "$0.2040", "$0.3060", "+50.0%"]
    ]
    assert cells(result.output, "gone") == [["gone", "training", "ml.m4.xlarge", "$0.2400", "", ""]]
    assert "4 prices in 4 products, 2 as in the snapshot" in result.output
    assert "hearsay" in result.output
    assert snapshot.read_text() == before, "nothing is written unless asked for"
    price_list.stubber.assert_no_pending_responses()


def test_write_replaces_the_region_and_says_where_the_prices_come_from(
    snapshot: Path, price_list: Any
) -> None:
    price_list([STUDIO, TRAINING, DEARER, NEW])
    assert refresh("--write").exit_code == 0
    renewed = PriceList.snapshot()
    assert renewed.types(REGION, "training") == ["ml.m5.large", "ml.c5.xlarge", "ml.g7e.2xlarge"]
    assert renewed.micro_usd_per_hour(REGION, "training", "ml.c5.xlarge") == 306_000
    reading = renewed.reading(REGION)
    assert reading.verified
    assert "GetProducts AmazonSageMaker" in reading.source
    assert len(reading.read) == len("2026-11-23")
    assert [path.name for path in snapshot.parent.iterdir()] == ["prices.json"]


def test_another_region_comes_beside_those_of_the_snapshot(snapshot: Path, price_list: Any) -> None:
    rows = [json.loads(row) for row in (STUDIO, TRAINING)]
    for row in rows:
        row["product"]["attributes"]["regionCode"] = "eu-west-1"
    price_list([json.dumps(row) for row in rows], region="eu-west-1")
    assert refresh("--region", "eu-west-1", "--write").exit_code == 0
    renewed = PriceList.snapshot()
    assert renewed.regions() == ["eu-west-1", REGION]
    assert not renewed.reading(REGION).verified, "only what was read is verified"


def test_an_unclear_price_list_changes_nothing_and_names_its_rows(
    snapshot: Path, price_list: Any
) -> None:
    odd = product("USE1-TrainWarmPool:ml.m5.large", "Training", sku="ODD")
    before = snapshot.read_text()
    price_list([STUDIO, TRAINING, odd])
    result = refresh("--write")
    assert result.exit_code == 1
    assert "ODD (USE1-TrainWarmPool:ml.m5.large)" in result.output
    assert "--ignore SKU" in result.output
    assert snapshot.read_text() == before
    price_list([STUDIO, TRAINING, odd])
    assert refresh("--write", "--ignore", "ODD").exit_code == 0
    assert snapshot.read_text() != before


def test_an_unknown_region_is_refused_before_aws_is_asked(snapshot: Path, price_list: Any) -> None:
    result = refresh("--region", "us-east-7")
    assert result.exit_code == 1
    assert "us-east-7" in result.output
    assert "us-east-1" in result.output


def test_aws_refusing_is_a_sentence_and_no_traceback(snapshot: Path, price_list: Any) -> None:
    price_list.stubber.add_client_error("get_products", "AccessDeniedException", "not allowed")
    result = refresh("--write")
    assert result.exit_code == 1
    assert "AWS refused GetProducts: AccessDeniedException: not allowed" in result.output


def test_a_folder_that_cannot_be_written_is_named(
    snapshot: Path, price_list: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command.os, "replace", full)
    price_list([STUDIO, TRAINING])
    result = refresh("--write")
    assert result.exit_code == 1
    assert "prices.json cannot be written: No space left on device" in result.output.replace(
        "\n", ""
    )
    assert [path.name for path in snapshot.parent.iterdir()] == ["prices.json"]
