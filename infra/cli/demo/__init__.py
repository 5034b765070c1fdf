"""`cohort demo`: the whole life of a small academy on the embedded cloud, told and checked."""
