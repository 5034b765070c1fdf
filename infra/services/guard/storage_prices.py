"""What stored gigabytes cost, for the reservation of a job's disk and for the storage report.

A second copy of three lines of infra/assurance/standing_prices.json, which does not travel into
Lambda; a test holds the two together. Unverified, as they are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.cohort.prices import UnknownPrice


@dataclass(frozen=True)
class StoragePrices:
    """Micro-dollars for a GB and month: of a job's disk, of a space's disk, of objects in S3."""

    training_disk: int
    space_disk: int
    objects: int


#: region -> prices. Read 2026-11: https://aws.amazon.com/sagemaker/ai/pricing/ (disks),
#: https://aws.amazon.com/s3/pricing/.
_REGIONS = {"us-east-1": StoragePrices(training_disk=140_000, space_disk=112_000, objects=23_000)}


def storage_prices(region: str) -> StoragePrices:
    """The prices of `region`.

    Raises:
        UnknownPrice: if there are none.
    """
    if region not in _REGIONS:
        raise UnknownPrice(
            f"no storage prices for region {region!r}; there are prices for {sorted(_REGIONS)}"
        )
    return _REGIONS[region]
