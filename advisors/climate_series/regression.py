"""Direct regressions: a linear model for each lead, shrunk, and averaged over drawn pasts.

*Direct* means that the value 24 steps ahead is not made of 24 forecasts of one step, each built on
the one before, but learnt as what it is. Ridge shrinks it towards the frame's anchor. And since few
El Niños have been seen, each model is fitted to many pasts that might have been: years are drawn
with replacement (a block bootstrap; Breiman 1996 calls the average of such fits bagging).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[np.float64]


def fit(
    features: Array,
    targets: Array,
    times: npt.NDArray[np.int64],
    *,
    shrinkage: float,
    bags: int,
    block: int,
    seed: int,
    weights: Array | None = None,
) -> Array:
    """Coefficients for each lead, (horizon, k): the mean over the bags.

    Parameters
    ----------
    features
        Shape (n, k).
    targets
        Shape (n, horizon); NaN where the future is not known.
    times
        Shape (n,), from 0: rows of one block of times are drawn together, over all series.
    shrinkage
        The ridge, in rows: as if so many rows said that a coefficient is 0.
    bags
        How many pasts are drawn; with 0 there is one, the past as it was.
    block
        Steps that are drawn together.
    seed
        Of the draws.
    weights
        Shape (n,): of each row.
    """
    size = torch.from_numpy(features.std(axis=0) + 1e-12)
    x = torch.from_numpy(features) / size
    known = torch.from_numpy(np.isfinite(targets))
    y = torch.from_numpy(np.nan_to_num(targets))
    n, k = x.shape
    blocks = int(times.max()) // block + 1
    counts = torch.ones(max(bags, 1), blocks, dtype=torch.float64)
    if bags:
        draw = torch.Generator().manual_seed(seed)
        drawn = torch.randint(blocks, (bags, blocks), generator=draw)
        counts = torch.zeros(bags, blocks, dtype=torch.float64)
        counts.scatter_add_(1, drawn, torch.ones(bags, blocks, dtype=torch.float64))
    row = counts[:, torch.from_numpy(times // block)]
    if weights is not None:
        row = row * torch.from_numpy(weights)
    products = (x[:, :, None] * x[:, None, :]).reshape(n, k * k)
    found = torch.zeros(targets.shape[1], k, dtype=torch.float64)
    for lead in range(targets.shape[1]):
        # What is not known of the future is not learnt from.
        w = row * known[:, lead]
        left = (w @ products).reshape(-1, k, k) + shrinkage * torch.eye(k, dtype=torch.float64)
        right = (w * y[:, lead]) @ x
        found[lead] = torch.linalg.solve(left, right).mean(dim=0)
    return np.asarray((found / size).numpy())
