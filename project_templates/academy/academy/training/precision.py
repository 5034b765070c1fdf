"""Mixed precision: which numbers a step computes with, on which device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from academy.training.settings import SettingsError


def number_type(precision: str, device: torch.device) -> torch.dtype:
    """What "auto" is here, and whether the device can compute what was asked for.

    Raises
    ------
    SettingsError
        float16 without a GPU: gradients would vanish, and it is slow.
    """
    if precision == "auto":
        if device.type != "cuda":
            return torch.float32
        # Before Ampere (2020), as in g4dn instances, bfloat16 is emulated and slow.
        recent = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if recent else torch.float16
    if precision == "float16" and device.type != "cuda":
        raise SettingsError("precision is 'float16', which needs a GPU; use 'auto' or 'float32'")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[
        precision
    ]


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Where matrix products are taken in half precision, if they are."""
    kind = number_type(precision, device)
    if kind == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=kind)
