"""Every request that policies and question can tell apart, put to the evaluator."""
