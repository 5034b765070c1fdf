"""Where a model computes: a GPU if PyTorch can use one, else the CPU; a GPU that lies idle is told.

`gpus` needs the standard library alone: it runs in training containers before anything else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Where NVIDIA's driver shows its GPUs.
FOLDER = Path("/dev")


def gpus(environ: Mapping[str, str] | None = None, folder: Path = FOLDER) -> int:
    """GPUs that a process here may use, as the machine shows them: without asking PyTorch.

    Parameters
    ----------
    environ
        Its CUDA_VISIBLE_DEVICES hides some; the default is this process's.
    """
    visible = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    present = sum(1 for each in folder.glob("nvidia[0-9]*") if each.name[6:].isdigit())
    if visible is None:
        return present
    named = [name for name in visible.split(",") if name.strip() and name.strip() != "-1"]
    return min(present, len(named))


def best() -> torch.device:
    """This process's GPU, if PyTorch can use one: under torchrun each has its own.

    Warns
    -----
    RuntimeWarning
        The machine has a GPU that is paid for and that PyTorch cannot use.
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if idle := gpus():
        build = torch.version.cuda
        why = (
            f"its build for CUDA {build} and the machine's driver do not go together"
            if build
            else "it is a build for CPUs"
        )
        warnings.warn(
            f"This machine has {idle} GPU{'s' if idle > 1 else ''}, and PyTorch "
            f"{torch.__version__} can use none: {why}. The model computes on the CPU, which is "
            "slower at a GPU's price. Stop and tell your advisor.",
            RuntimeWarning,
            stacklevel=2,
        )
    return torch.device("cpu")
