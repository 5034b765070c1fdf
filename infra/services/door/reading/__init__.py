"""What pages are made of, as the ledger, the broker, buckets and boards have it."""
