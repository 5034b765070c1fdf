"""The baseline network: a small U-Net that is quick on two CPU cores and the same on many GPUs.

>>> model = UNet()
>>> model(torch.zeros(1, 2, 64, 64)).shape
torch.Size([1, 9, 64, 64])
>>> count_parameters(model)
255321
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from academy.land_cover.classes import COUNT

#: Groups of a GroupNorm; Wu and He (ECCV 2018, arXiv 1803.08494) find 8 to 32 alike.
GROUPS = 8
#: Channels of the coarsest levels, times the finest's.
WIDEST = 4


class UNet(nn.Module):
    """A U-Net (Ronneberger and others, 2015, arXiv 1505.04597) with a stem of stride 2.

    Labels are 5 x 5 pixels large, so the finest level can be half the image's: four times cheaper,
    and the logits are interpolated back. Each level down halves the image and doubles the
    channels, up to four times the finest's: most weights are far down, where pixels are few, and
    most time goes to the finest level, so the way down has two convolutions a level and the way up
    has one. GroupNorm in place of BatchNorm: an image's result does not hang on the others in its
    batch, so a model trained on two machines is the one trained on one.

    Parameters
    ----------
    channels
        Of the images; 2 are VV and VH.
    classes
        Of the logits.
    width
        Channels at the finest level, a multiple of 8. Cost and parameters grow with its square.
    depth
        Levels, the finest included. Each one more doubles how far a pixel sees.
    multilook
        Squares of so many pixels a side are averaged before the network looks: what it gets is the
        mean and the variance in each. 2 makes it four times cheaper for the same land, and speckle
        half as strong; logits are interpolated back to all pixels.

    Raises
    ------
    ValueError
        A number is out of range.
    """

    def __init__(
        self,
        channels: int = 2,
        classes: int = COUNT,
        width: int = 16,
        depth: int = 4,
        multilook: int = 1,
    ) -> None:
        super().__init__()
        if width < GROUPS or width % GROUPS:
            raise ValueError(f"width is {width}; it must be a multiple of {GROUPS}")
        if depth < 1:
            raise ValueError(f"depth is {depth}; it must be at least 1")
        if channels < 1 or classes < 2:
            raise ValueError(f"{channels} channels and {classes} classes: 1 and 2 are the least")
        if not 1 <= multilook <= 16:
            raise ValueError(f"multilook is {multilook}; it must be 1 to 16")
        self.channels, self.classes, self.width, self.depth = channels, classes, width, depth
        self.multilook = multilook
        widths = [width * min(2**level, WIDEST) for level in range(depth)]
        self.stem = nn.Sequential(
            nn.Conv2d(channels * (1 + (multilook > 1)), width, 5, stride=2, padding=2, bias=False),
            nn.GroupNorm(GROUPS, width),
            nn.ReLU(inplace=True),
        )
        self.first = _convolutions(width, width, 1)
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), _convolutions(above, below, 2))
            for above, below in pairwise(widths)
        )
        self.up = nn.ModuleList(
            _convolutions(below + above, above, 1)
            for above, below in reversed(list(pairwise(widths)))
        )
        self.head = nn.Conv2d(width, classes, 1)

    @property
    def multiple(self) -> int:
        """Sides that are multiples of this need no padding."""
        return int(2**self.depth * self.multilook)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (batch, classes, H, W) of images (batch, channels, H, W), any H and W.

        Raises
        ------
        ValueError
            The shape is another.
        """
        if image.ndim != 4 or image.shape[1] != self.channels:
            raise ValueError(
                f"the images have the shape {tuple(image.shape)}; "
                f"they must be (batch, {self.channels}, rows, columns)"
            )
        height, width = image.shape[2:]
        below, right = -height % self.multiple, -width % self.multiple
        if below or right:
            image = functional.pad(image, (0, right, 0, below), mode="replicate")
        if self.multilook > 1:
            mean = functional.avg_pool2d(image, self.multilook)
            square = functional.avg_pool2d(image * image, self.multilook)
            image = torch.cat([mean, square - mean * mean], dim=1)
        value = self.first(self.stem(image))
        skips = []
        for block in self.down:
            skips.append(value)
            value = block(value)
        for block in self.up:
            value = functional.interpolate(value, scale_factor=2.0, mode="nearest")
            value = block(torch.cat([value, skips.pop()], dim=1))
        logits = functional.interpolate(
            self.head(value),
            scale_factor=2.0 * self.multilook,
            mode="bilinear",
            align_corners=False,
        )
        return logits[:, :, :height, :width]


def _convolutions(given: int, made: int, count: int) -> nn.Sequential:
    """Convolutions of 3 x 3, each with its norm."""
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [
            nn.Conv2d(made if number else given, made, 3, padding=1, bias=False),
            nn.GroupNorm(GROUPS, made),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(each.numel() for each in model.parameters() if each.requires_grad)
