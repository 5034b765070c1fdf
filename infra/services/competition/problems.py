"""What can go wrong in the competition; a `Fault` is what a team reads on its receipt."""

from __future__ import annotations


class Fault(Exception):
    """A submission that is not scored; the message says what is wrong, where, and what to do."""


class Misconfigured(Exception):
    """The deployment, not the team, is at fault; the message says where."""
