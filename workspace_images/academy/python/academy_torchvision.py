"""Lets torchvision be imported beside PyTorch's CPU build.

torchvision's wheel on the package index brings operators that load only beside a CUDA build of
PyTorch. Without them `import torchvision` fails ("operator torchvision::nms does not exist"), and
with it segmentation-models-pytorch, timm, lightning and torchmetrics, although none of them calls
them. So just before torchvision is imported the two operators that it names are declared, without
an implementation. Whoever calls one is told by torchvision itself that it is not there. Beside a
build of PyTorch that torchvision was made for, this does nothing.

The environment's `academy_torchvision.pth` imports this module whenever Python starts: it must stay
small and import nothing large.
"""

import sys

#: Of torchvision/csrc/ops (BSD 3-Clause): non-maximum suppression, and the same on quantized boxes.
_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _BeforeTorchvision:
    """Finds no module; it only learns that torchvision is about to be imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(_BeforeTorchvision)
            declare()


def declare():
    """Declare the operators, unless PyTorch is a CUDA build, whose torchvision brings them."""
    import torch

    if torch.version.cuda is None:
        for operator in _OPERATORS:
            torch.library.define(f"torchvision::{operator}", _SCHEMA)


sys.meta_path.insert(0, _BeforeTorchvision)
