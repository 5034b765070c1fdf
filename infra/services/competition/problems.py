"""What can go wrong in the competition; a `Fault` is what a team reads on its receipt."""

from __future__ import annotations

import binascii
import json
import zlib


class Fault(Exception):
    """A submission that is not scored; the message says what is wrong, where, and what to do."""


class Misconfigured(Exception):
    """The deployment, not the team, is at fault; the message says where."""


class Wrong(ValueError):
    """Something is wrong with the held-out answers; the message holds none of their values."""


def without_values(error: Exception) -> str:
    """`error` as a log may tell it: where reading held-out answers failed, never on what.

    Python's own messages quote what could not be read (`could not convert string to float: …`, and
    a UnicodeDecodeError the whole file). Those that name a member or a place alone are kept.
    """
    names_a_place = (Wrong, KeyError, json.JSONDecodeError, binascii.Error, zlib.error)
    return repr(error) if isinstance(error, names_a_place) else type(error).__name__
