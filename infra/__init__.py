"""The cloud side of the academy: what is deployed, what runs there, and what checks it."""
