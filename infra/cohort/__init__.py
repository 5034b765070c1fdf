"""The cohort file and the names that follow from it: the vocabulary of everything else.

Nothing here knows AWS. `naming` and `prices` use the standard library alone, because they travel
into Lambda; `model` and `loading` need pydantic and stay on the admin's machine.
"""
