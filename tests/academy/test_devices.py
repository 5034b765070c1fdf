"""Where a model computes, and that a GPU which lies idle is not passed over in silence."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from academy import devices


def machine(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "visible", "count"),
    [
        ((), None, 0),
        (("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"), None, 2),
        (("nvidia0", "nvidia1"), "1", 1),
        (("nvidia0", "nvidia1"), "", 0),
        (("nvidia0", "nvidia1"), "-1", 0),
        (("nvidia0",), "0,1,2", 1),
    ],
)
def test_gpus_are_counted_as_the_driver_shows_them(
    tmp_path: Path, names: tuple[str, ...], visible: str | None, count: int
) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert devices.gpus(environ, machine(tmp_path, *names)) == count


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's GPU can be used")
class TestWithoutAUsableGpu:
    def test_a_machine_without_one_computes_on_the_cpu_and_says_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(devices, "gpus", lambda: 0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert devices.best() == torch.device("cpu")

    @pytest.mark.parametrize(
        ("cuda", "why"), [(None, "build for CPUs"), ("13.0", "CUDA 13.0 and the machine's driver")]
    )
    def test_one_that_lies_idle_is_told_with_the_reason(
        self, monkeypatch: pytest.MonkeyPatch, cuda: str | None, why: str
    ) -> None:
        monkeypatch.setattr(devices, "gpus", lambda: 1)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        with pytest.warns(RuntimeWarning, match=f"1 GPU, and PyTorch .* can use none: .*{why}"):
            assert devices.best() == torch.device("cpu")
