"""Rows of a price list for tests: the shape is AmazonSageMaker's, the numbers are ours."""

from __future__ import annotations

import json
from typing import Any

REGION = "us-east-1"


def product(
    usage: str,
    kind: str,
    usd: str = "0.1150000000",
    *,
    sku: str = "JMCWJEAPVJNFJ5P4",
    unit: str = "Hrs",
    terms: dict[str, Any] | None = None,
    **attributes: str,
) -> str:
    """A product as GetProducts gives it: shaped after AmazonSageMaker's, with numbers of ours."""
    offer = f"{sku}.JRTCKXETXF"
    rate = f"{offer}.6YS6EN2CT7"
    on_demand = {
        "OnDemand": {
            offer: {
                "sku": sku,
                "offerTermCode": "JRTCKXETXF",
                "effectiveDate": "2026-11-01T00:00:00Z",
                "termAttributes": {},
                "priceDimensions": {
                    rate: {
                        "rateCode": rate,
                        "unit": unit,
                        "beginRange": "0",
                        "endRange": "Inf",
                        "appliesTo": [],
                        "description": f"${usd} per hour for {usage}",
                        "pricePerUnit": {"USD": usd},
                    }
                },
            }
        }
    }
    return json.dumps(
        {
            "product": {
                "sku": sku,
                "productFamily": "ML Instance",
                "attributes": {
                    "servicecode": "AmazonSageMaker",
                    "servicename": "Amazon SageMaker",
                    "regionCode": REGION,
                    "location": "US East (N. Virginia)",
                    "locationType": "AWS Region",
                    "usagetype": usage,
                    "operation": "RunInstance",
                    "platoinstancetype": kind,
                    **attributes,
                },
            },
            "serviceCode": "AmazonSageMaker",
            "terms": on_demand if terms is None else terms,
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )
