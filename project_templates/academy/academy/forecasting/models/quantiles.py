"""A last layer that gives quantiles which never cross, and the loss that makes them true.

A network that gives 19 free numbers a step may put the 60 % quantile below the 50 % one. Here it
gives a middle and the distances between neighbours, and distances are made positive: whatever the
weights are, the quantiles ascend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn

from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN

#: The levels of the quantiles, 0.05 to 0.95.
levels = LEVELS


def ascending(raw: Tensor, middle: int = MEDIAN) -> Tensor:
    """Free numbers (..., k) as ascending ones, the one at `middle` unchanged.

    The others are its neighbour's plus, or minus, ``softplus`` of themselves.

    Examples
    --------
    >>> ascending(torch.tensor([5.0, 1.0, -5.0]), middle=1).tolist()[1]
    1.0
    """
    steps = nn.functional.softplus(raw)
    above = torch.cumsum(steps[..., middle + 1 :], dim=-1)
    below = torch.cumsum(steps[..., :middle].flip(-1), dim=-1).flip(-1)
    centre = raw[..., middle : middle + 1]
    return torch.cat([centre - below, centre, centre + above], dim=-1)


class QuantileHead(nn.Module):
    """A last layer: features (..., width) to quantiles (..., horizon, 19), ascending.

    Untrained it gives those of the standard normal distribution, whatever its input: the right
    answer for a standardised series of which nothing is known.

    Parameters
    ----------
    width
        Of its input.
    horizon
        Steps to forecast.
    levels
        Ascending, each above 0 and below 1, with 0.5 among them.

    Raises
    ------
    SeriesError
        The levels are not as they must be, or a length is not positive.

    Examples
    --------
    >>> head = QuantileHead(width=8, horizon=3)
    >>> quantiles = head(torch.randn(5, 8))
    >>> quantiles.shape
    torch.Size([5, 3, 19])
    >>> bool((quantiles.diff(dim=-1) > 0).all())
    True
    """

    def __init__(self, width: int, horizon: int, levels: Sequence[float] = LEVELS) -> None:
        super().__init__()
        if width < 1 or horizon < 1:
            raise SeriesError(f"width is {width} and horizon {horizon}; both must be at least 1")
        self.levels = checked_levels(levels)
        self.horizon = horizon
        self.middle = self.levels.index(0.5)
        self.layer = nn.Linear(width, horizon * len(self.levels))
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.bias.copy_(normal_start(self.levels).repeat(horizon))

    def forward(self, features: Tensor) -> Tensor:
        raw = self.layer(features).unflatten(-1, (self.horizon, len(self.levels)))
        return ascending(raw, self.middle)

    def median(self, quantiles: Tensor) -> Tensor:
        """The point forecast (..., horizon): it has the least mean absolute error."""
        return quantiles[..., self.middle]


def normal_start(levels: Sequence[float] = LEVELS, spread: float = 1.0) -> Tensor:
    """What `ascending` turns into the normal distribution's quantiles, shape (k,)."""
    normal, middle = NormalDist(0, spread), list(levels).index(0.5)
    points = [normal.inv_cdf(level) for level in levels]
    gaps = [
        abs(points[place] - points[place + (1 if place < middle else -1)])
        if place != middle
        else 0.0
        for place in range(len(points))
    ]
    # The inverse of softplus; expm1 keeps the digits of small gaps.
    return torch.tensor(
        [math.log(math.expm1(gap)) if place != middle else 0.0 for place, gap in enumerate(gaps)]
    )


def pinball_loss(quantiles: Tensor, target: Tensor, levels: Sequence[float] = LEVELS) -> Tensor:
    """Twice the mean pinball loss: of one quantile, the median, it is the mean absolute error.

    Parameters
    ----------
    quantiles
        Shape (..., horizon, k).
    target
        Shape (..., horizon).
    levels
        The k levels.

    Returns
    -------
    A scalar: the mean over everything of ``2 max(q e, (q - 1) e)``, e = target - quantile (Koenker
    and Bassett 1978); `academy.forecasting.evaluation.metrics.wql` without its division.

    Raises
    ------
    SeriesError
        The shapes do not fit.

    Examples
    --------
    >>> pinball_loss(torch.tensor([[1.0]]), torch.tensor([3.0]), levels=(0.5,)).item()
    2.0
    """
    if quantiles.shape != (*target.shape, len(levels)):
        raise SeriesError(
            f"quantiles have the shape {tuple(quantiles.shape)}; for targets "
            f"{tuple(target.shape)} at {len(levels)} levels it must be "
            f"{(*target.shape, len(levels))}"
        )
    return pinball(quantiles, target, levels).mean()


def pinball(quantiles: Tensor, target: Tensor, levels: Sequence[float] = LEVELS) -> Tensor:
    """`pinball_loss` before its mean: shape (..., horizon, k)."""
    error = target.unsqueeze(-1) - quantiles
    level = torch.as_tensor(levels, dtype=error.dtype, device=error.device)
    return 2 * torch.maximum(level * error, (level - 1) * error)


def checked_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """`levels`, if they ascend between 0 and 1 and have 0.5 among them."""
    found = tuple(float(level) for level in levels)
    if 0.5 not in found:
        raise SeriesError("levels must have 0.5 among them: the median is the point forecast")
    if not all(a < b for a, b in zip((0.0, *found), (*found, 1.0), strict=True)):
        raise SeriesError(f"levels are {found}; they must ascend, above 0 and below 1")
    return found
