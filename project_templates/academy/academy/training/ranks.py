"""The processes that train one model together: one, or several under torchrun."""

from __future__ import annotations

import atexit
import os
import sys
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor

from academy import devices


@dataclass(frozen=True)
class Ranks:
    """Which of the processes this one is, and where it computes."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True for the one that prints and writes files."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """The sum of `value` over all processes, on each of them; on its own device."""
        if self.count == 1:
            return value
        total = value.to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.to(value.device)

    def any(self, value: bool) -> bool:
        """True on all if it is on one."""
        return bool(self.sum(torch.tensor(int(value))).item()) if self.count > 1 else value

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()


def is_first() -> bool:
    """True for a process alone, and for the one of several that prints and writes files."""
    return os.environ.get("RANK", "0") == "0"


def one_process_per_gpu() -> None:
    """Starts this script anew under torchrun if the machine has several GPUs; else does nothing.

    The process is replaced: what comes after this line is run by each of the new ones.
    """
    gpus = torch.cuda.device_count()
    if gpus > 1 and "WORLD_SIZE" not in os.environ:
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *launch, *sys.argv])  # noqa: S606


def join(device: torch.device | str | None = None) -> Ranks:
    """Joins the processes that torchrun started, if it did; they part when the script ends.

    Several on GPUs talk over NCCL, several on CPUs over gloo. Called again it is the same.
    """
    where = devices.best() if device is None else torch.device(device)
    joined = distributed.is_available() and distributed.is_initialized()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and not joined:
        return Ranks(0, 1, where)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    if not joined:
        distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
        # Not sooner: processes that part cannot meet again at the same address.
        atexit.register(_part)
    return Ranks(distributed.get_rank(), distributed.get_world_size(), where)


def _part() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()
