"""What the parts of Cognito share: requests held to what is emulated, and the cloud's time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from moto.cognitoidp.exceptions import InvalidParameterException

from infra.offline import runtime

#: Members of a request by name: None for a value, else what is below.
Members = Mapping[str, "Members | None"]


def values(*names: str) -> Members:
    return dict.fromkeys(names)


def hold(request: Mapping[str, Any], members: Members, path: str = "") -> None:
    """Refuse by name what is not emulated of a request.

    Raises:
        InvalidParameterException: names the first such member.
    """
    for name, value in request.items():
        if name not in members:
            raise not_modelled(f"{path}{name}", members)
        below = members[name]
        if below is None:
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                hold(item, below, f"{path}{name}.")


def not_modelled(what: str, modelled: Iterable[str]) -> Exception:
    """The refusal of something that AWS may do and the embedded cloud does not."""
    return InvalidParameterException(  # type: ignore[no-any-return]
        f"{what} is not modelled by the embedded cloud (modelled: {', '.join(modelled)})."
    )


def hold_value(what: str, value: Any, *modelled: Any) -> None:
    """Refuse a value other than those that are emulated."""
    if value not in modelled:
        raise not_modelled(f"{what} {value}", map(str, modelled))


def now() -> datetime:
    return runtime.current().clock.now()
