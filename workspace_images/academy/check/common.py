"""Checks of what every image has."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def academy() -> str:
    """The learners' library: scores a forecast, packs and unpacks a job's code."""
    import academy.job
    import numpy as np
    from academy.forecasting.evaluation import metrics
    from academy.packing import pack, unpack

    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "train.py").write_text("print(1)\n")
        archive = Path(scratch, "source.tar.gz")
        archive.write_bytes(pack(Path(scratch), "train.py").content)
        unpack(archive, Path(scratch, "unpacked"))
        assert Path(scratch, "unpacked", "train.py").read_text() == "print(1)\n"
    history = np.arange(36.0)
    error = metrics.mase(history[-12:] + 1, history[-12:], history[:-12])
    assert np.isfinite(error)
    assert Path(academy.job.__file__).is_relative_to(sys.prefix), academy.job.__file__
    return "the environment's own"


def torch() -> str:
    """A gradient by hand, and one step of an optimiser."""
    import torch

    weight = torch.tensor([2.0], requires_grad=True)
    (3 * weight**2).sum().backward()
    assert weight.grad is not None
    assert weight.grad.item() == 12.0
    torch.optim.SGD([weight], lr=0.5).step()
    assert weight.item() == -4.0
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"{torch.__version__}, GPUs here: {gpus}"


def torchvision() -> str:
    """Imports; says whether its own operators are there, or only declared."""
    import torch
    import torchvision
    from torchvision.transforms import v2

    image = torch.arange(12, dtype=torch.float32).reshape(1, 3, 4)
    assert torch.equal(v2.functional.hflip(image), image.flip(-1))
    if torchvision.extension._has_ops():
        boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1.1]])
        kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
        assert kept.tolist() == [0]
        return f"{torchvision.__version__}, with its operators"
    # academy_torchvision registered the two operators that an import needs.
    return f"{torchvision.__version__}; nms and qnms only declared: PyTorch is a CPU build"


def boto3() -> str:
    import boto3
    import botocore

    client = boto3.client("sagemaker", region_name="us-east-1")
    request = client.meta.service_model.shape_for("CreateTrainingJobRequest")
    assert "TrainingJobName" in request.members
    return botocore.__version__


def numpy() -> str:
    import numpy as np

    assert np.linalg.solve([[2.0, 0], [0, 4]], [2.0, 8]).tolist() == [1.0, 2.0]
    return np.__version__


def matplotlib() -> str:
    import matplotlib
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1])
    out = io.BytesIO()
    figure.savefig(out, format="png")
    plt.close(figure)
    assert out.getvalue().startswith(b"\x89PNG")
    return matplotlib.__version__


def ipykernel() -> str:
    """A kernel of this environment answers."""
    import ipykernel
    from jupyter_client.manager import start_new_kernel

    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        os.environ.setdefault("IPYTHONDIR", scratch)
        os.environ.setdefault("JUPYTER_RUNTIME_DIR", scratch)
        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60)
        stack.callback(manager.shutdown_kernel, now=True)
        stack.callback(client.stop_channels)
        answer = client.execute_interactive(
            "1",
            user_expressions={"prefix": "__import__('sys').prefix"},
            output_hook=lambda _message: None,
            timeout=60,
        )
        shown = answer["content"]["user_expressions"]["prefix"]["data"]["text/plain"]
    assert shown.strip("'") == sys.prefix, shown
    return ipykernel.__version__


def ipywidgets() -> str:
    import ipywidgets

    slider = ipywidgets.FloatSlider(value=0.3)
    slider.value = 0.4
    assert slider.get_state()["value"] == 0.4
    return ipywidgets.__version__


def pip() -> str:
    """A training job of the SageMaker SDK installs requirements with it."""
    command = [sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {package["name"] for package in json.loads(said.stdout)}
    assert "academy" in names
    return f"{len(names)} packages"


CHECKS = {
    "academy": academy,
    "pip": pip,
    "torch": torch,
    "torchvision": torchvision,
    "boto3": boto3,
    "numpy": numpy,
    "matplotlib": matplotlib,
    "ipykernel": ipykernel,
    "ipywidgets": ipywidgets,
}
