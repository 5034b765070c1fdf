"""Losses for maps where some classes are rare and some pixels have no label.

Every loss is made in two steps, so that it can be summed over batches and machines: `sums` gives
numbers that add up over them (numerators and denominators), and `finish` makes the loss of their
total. A weighted mean taken on each machine and then averaged is another loss: its denominator, the
weight of the labels that happened to be there, differs from machine to machine. `across_ranks`
does it right. Libraries of losses give the mean alone, and not all know unlabelled pixels (kornia
0.9.0's Lovász loss does not); what torch itself has, cross-entropy, is torch's here.

All losses take logits of shape (batch, classes, rows, columns) and labels of shape (batch, rows,
columns), int64, 0 to classes - 1 or `ignore`. They compute in float32 at least, also under mixed
precision; a batch without any label has the loss 0 and the gradient 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.nn import functional

from academy.land_cover.metrics import IGNORE


def count_cells(
    labels: npt.ArrayLike,
    classes: int,
    *,
    cells: npt.ArrayLike | None = None,
    ignore: int = IGNORE,
) -> npt.NDArray[np.int64]:
    """How many label cells there are of each class, shape (classes,).

    A label of a 100 m grid says one thing for about 25 pixels of 20 m. Pixels are not 25 pieces of
    evidence; weights by effective number in particular mean something else if they are counted.

    Parameters
    ----------
    labels
        On the label grid itself, any shape; or on pixels, with `cells`.
    cells
        The cell id of each pixel, same shape as `labels`; each id is counted once.

    Raises
    ------
    ValueError
        Shapes differ, a label is no class, or one cell has two labels.
    """
    flat: npt.NDArray[Any] = np.asarray(labels).reshape(-1)
    if cells is not None:
        ids = np.asarray(cells).reshape(-1)
        if ids.shape != flat.shape:
            raise ValueError(f"{flat.size} labels and {ids.size} cell ids; they must match")
        _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        if (flat != flat[first][inverse]).any():
            raise ValueError("a cell has more than one label: these are not the cells of them")
        flat = flat[first]
    flat = flat[flat != ignore]
    if flat.size and (flat.min() < 0 or flat.max() >= classes):
        raise ValueError(f"labels are {flat.min()} to {flat.max()}; classes are 0 to {classes - 1}")
    return np.bincount(flat, minlength=classes).astype(np.int64)


def class_weights(cells: npt.ArrayLike, method: str = "root", *, beta: float = 0.9999) -> Tensor:
    """A weight for each class, from how many label *cells* it has; float32, shape (classes,).

    Parameters
    ----------
    cells
        Label cells of each class, as from `count_cells`, shape (classes,).
    method
        `inverse`, 1 / n: each class pulls alike, however few and noisy its labels.
        `root`, 1 / sqrt n: half way.
        `effective`, (1 - beta) / (1 - beta^n): Y. Cui and others, "Class-balanced loss based on
        effective number of samples", CVPR 2019; as `inverse` for classes far below
        1 / (1 - beta) cells, and equal above it.
    beta
        For `effective`, 0 <= beta < 1.

    Returns
    -------
    Weights whose mean over the cells is 1, so that a learning rate keeps its meaning. A class
    without a cell has the weight 0.

    Raises
    ------
    ValueError
        Another method, negative counts, no cells at all, or beta out of range.

    Examples
    --------
    >>> class_weights([900, 100], "inverse")
    tensor([0.5556, 5.0000])
    """
    counts = np.asarray(cells, np.float64)
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"cells is {counts}; it must be one count, 0 or more, for each class")
    if not counts.sum() > 0:
        raise ValueError("no class has a label cell: there is nothing to weigh")
    seen = np.where(counts > 0, counts, 1)
    if method == "inverse":
        raw = 1 / seen
    elif method == "root":
        raw = seen**-0.5
    elif method == "effective":
        if not 0 <= beta < 1:
            raise ValueError(f"beta is {beta}; it must be at least 0 and below 1")
        # 1 - beta^n without cancellation, for beta close to 1.
        raw = (1 - beta) / -np.expm1(seen * np.log(beta)) if beta else np.ones_like(seen)
    else:
        raise ValueError(f"method is {method!r}; it must be inverse, root or effective")
    raw = np.where(counts > 0, raw, 0)
    return torch.tensor(raw * counts.sum() / (raw * counts).sum(), dtype=torch.float32)


class SegmentationLoss(nn.Module):
    """What all losses here share; a loss of your own defines `sums` and `finish`.

    Examples
    --------
    >>> loss = CrossEntropy(weight=class_weights([900, 100]))
    >>> logits, labels = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    >>> round(loss(logits, labels).item(), 4)
    0.6931
    >>> total = loss.sums(logits, labels) + loss.sums(logits, labels)     # two batches as one
    >>> round(loss.finish(total).item(), 4)
    0.6931
    """

    def __init__(self, *, ignore: int = IGNORE) -> None:
        super().__init__()
        self.ignore = ignore

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Numbers, shape (k,), that add up over batches and ranks."""
        raise NotImplementedError

    def finish(self, sums: Tensor) -> Tensor:
        """The loss, a scalar, of the total of `sums`; a mean, unless a loss says otherwise."""
        return _mean(sums[0], sums[1])

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of this batch, a scalar.

        Raises
        ------
        ValueError
            The shapes do not belong together.
        """
        return self.finish(self.sums(logits, labels))

    def _prepared(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if logits.ndim < 2 or (logits.shape[0], *logits.shape[2:]) != tuple(labels.shape):
            raise ValueError(
                f"logits have the shape {tuple(logits.shape)} and labels {tuple(labels.shape)}; "
                "they must be (batch, classes, ...) and (batch, ...)"
            )
        wide = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(wide), labels.long()


class CrossEntropy(SegmentationLoss):
    """Weighted cross-entropy: sum of w[y] (-log p[y]) over the sum of w[y], over labelled pixels.

    torch's own, with numerator and denominator apart.

    Parameters
    ----------
    weight
        As from `class_weights`, shape (classes,), or None.
    ignore
        The label that does not count.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, ignore: int = IGNORE) -> None:
        super().__init__(ignore=ignore)
        self.register_buffer("weight", weight)

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = self._prepared(logits, labels)
        weight = None if self.weight is None else self.weight.to(logits.dtype)
        numerator = functional.cross_entropy(
            logits, labels, weight, ignore_index=self.ignore, reduction="sum"
        )
        return torch.stack([numerator, self._labelled(labels, logits, weight)])

    def _labelled(self, labels: Tensor, logits: Tensor, weight: Tensor | None) -> Tensor:
        """The weight of all labelled pixels."""
        valid = labels != self.ignore
        if weight is None:
            return valid.sum().to(logits.dtype)
        return torch.where(valid, weight[torch.where(valid, labels, 0)], 0).sum()


class Focal(CrossEntropy):
    """The focal loss: cross-entropy, with each pixel's part times (1 - p[y])^gamma.

    T.-Y. Lin and others, "Focal loss for dense object detection", ICCV 2017, for many classes. What
    is already right weighs little. The denominator is cross-entropy's: with gamma = 0 it is that.

    Parameters
    ----------
    gamma
        0 or more.
    weight, ignore
        As `CrossEntropy`.
    """

    def __init__(
        self, gamma: float = 2.0, weight: Tensor | None = None, *, ignore: int = IGNORE
    ) -> None:
        super().__init__(weight, ignore=ignore)
        if not gamma >= 0:
            raise ValueError(f"gamma is {gamma}; it must be 0 or more")
        self.gamma = gamma

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = self._prepared(logits, labels)
        weight = None if self.weight is None else self.weight.to(logits.dtype)
        surprise = functional.cross_entropy(
            logits, labels, ignore_index=self.ignore, reduction="none"
        )
        # 1 - p = -expm1(-surprise), without cancellation; the floor keeps 0^(gamma - 1) finite.
        doubt = (-torch.expm1(-surprise)).clamp_min(torch.finfo(logits.dtype).tiny)
        part = doubt**self.gamma * surprise
        valid = labels != self.ignore
        if weight is not None:
            part = part * weight[torch.where(valid, labels, 0)]
        numerator = torch.where(valid, part, 0).sum()
        return torch.stack([numerator, self._labelled(labels, logits, weight)])


class LogitAdjusted(CrossEntropy):
    """Cross-entropy of logits + tau log prior: the network learns what the prior does not say.

    A. K. Menon and others, "Long-tail learning via logit adjustment", ICLR 2021, equation 10. Train
    with it, and predict with the plain logits: at tau = 1 they aim at the balanced error. Not to be
    used together with inverse weights, nor with biased crops whose prior is not the one given.

    Parameters
    ----------
    prior
        How frequent each class is, shape (classes,); counts will do (see `count_cells`).
    tau
        How much of it; 0 is plain cross-entropy.
    """

    shift: Tensor

    def __init__(self, prior: npt.ArrayLike, tau: float = 1.0, *, ignore: int = IGNORE) -> None:
        super().__init__(ignore=ignore)
        self.register_buffer("shift", tau * _log_prior(prior))

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = self._prepared(logits, labels)
        return super().sums(logits + _by_class(self.shift, logits), labels)


def adjust_logits(logits: Tensor, prior: npt.ArrayLike, tau: float = 1.0) -> Tensor:
    """The logit shift after training: logits - tau log prior; `tau` is tuned on validation scenes.

    For a network trained with plain cross-entropy (Menon and others, as `LogitAdjusted`, equation
    9). Shapes (batch, classes, ...) and (classes,).
    """
    return logits - _by_class(tau * _log_prior(prior), logits)


def _log_prior(prior: npt.ArrayLike) -> Tensor:
    frequency = np.asarray(prior, np.float64)
    if frequency.ndim != 1 or (frequency < 0).any() or not frequency.sum() > 0:
        raise ValueError(f"prior is {frequency}; it must be a frequency, 0 or more, for each class")
    # A class that was never seen: as if it had half a cell in the smallest of the others.
    seen = frequency[frequency > 0]
    frequency = np.where(frequency > 0, frequency, seen.min() / 2)
    return torch.tensor(np.log(frequency / frequency.sum()), dtype=torch.float32)


def _by_class(vector: Tensor, logits: Tensor) -> Tensor:
    return vector.to(logits).reshape(1, -1, *[1] * (logits.ndim - 2))


class Dice(SegmentationLoss):
    """1 - the mean over classes of 2 sum(p t) / (sum p + sum t), over labelled pixels.

    The soft Dice loss of C. H. Sudre and others, "Generalised Dice overlap as a deep learning loss
    function for highly unbalanced segmentations", DLMIA 2017, with each class alike. Sums are over
    the whole batch, not image by image; the mean is over the classes that its labels show. Its
    sums are vectors by class, so that over ranks it is the loss of all their pixels together.
    """

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = self._prepared(logits, labels)
        probability = logits.softmax(dim=1)
        valid = labels != self.ignore
        common, given, there = [], [], []
        for number in range(logits.shape[1]):
            share, mask = probability[:, number], labels == number
            common.append(torch.where(mask, share, 0).sum())
            given.append(torch.where(valid, share, 0).sum())
            there.append(mask.sum().to(logits.dtype))
        return torch.stack([*common, *given, *there])

    def finish(self, sums: Tensor) -> Tensor:
        common, given, there = sums.reshape(3, -1)
        shown = there > 0
        tiny = torch.finfo(sums.dtype).tiny
        lost = 1 - 2 * common / (given + there).clamp_min(tiny)
        return _mean(torch.where(shown, lost, 0).sum(), shown.sum().to(sums.dtype))


class LovaszSoftmax(SegmentationLoss):
    """The Lovász-softmax loss: a smooth stand-in for 1 - intersection over union.

    M. Berman, A. R. Triki, M. B. Blaschko, "The Lovász-Softmax loss: a tractable surrogate for the
    optimization of the intersection-over-union measure in neural networks", CVPR 2018; the mean
    over the classes that the labels show.

    Parameters
    ----------
    per_image
        True: the mean over images of each one's loss, which adds up over batches and ranks. False:
        of all pixels of the batch at once, better for classes that few images show; this needs a
        sort over all of them, so `across_ranks` refuses it.
    """

    def __init__(self, *, per_image: bool = True, ignore: int = IGNORE) -> None:
        super().__init__(ignore=ignore)
        self.per_image = per_image

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits, labels = self._prepared(logits, labels)
        probability = logits.softmax(dim=1).flatten(2).transpose(1, 2)  # batch, pixels, classes
        labels = labels.flatten(1)
        if not self.per_image:
            probability, labels = probability.flatten(0, 1)[None], labels.reshape(1, -1)
        total = logits.sum() * 0  # tied to the logits: a batch without labels has a gradient, 0
        images = 0
        for shares, truth in zip(probability, labels, strict=True):
            valid = truth != self.ignore
            if valid.any():
                total = total + self._lovasz(shares[valid], truth[valid])
                images += 1
        return torch.stack([total, torch.full_like(total.detach(), images)])

    @staticmethod
    def _lovasz(shares: Tensor, truth: Tensor) -> Tensor:
        """Of pixels x classes; the mean over the classes shown."""
        losses = []
        for number in torch.unique(truth):
            foreground = (truth == number).to(shares.dtype)
            errors = (foreground - shares[:, number]).abs()
            errors, order = errors.sort(descending=True, stable=True)
            foreground = foreground[order]
            size = foreground.sum()
            missed = size - foreground.cumsum(0)
            union = size + (1 - foreground).cumsum(0)
            jaccard = 1 - missed / union
            step = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
            losses.append(errors @ step)
        return torch.stack(losses).mean()


class Combined(SegmentationLoss):
    """A weighted sum of losses, such as cross-entropy and dice; additive as they are.

    `finish` takes sums of the same number of classes as the last call of `sums` had.

    Examples
    --------
    >>> loss = Combined((1.0, CrossEntropy()), (0.5, Dice()))
    """

    def __init__(self, *parts: tuple[float, SegmentationLoss]) -> None:
        if not parts:
            raise ValueError("a combined loss needs at least one (factor, loss)")
        super().__init__(ignore=parts[0][1].ignore)
        self.factors = [factor for factor, _ in parts]
        self.losses = nn.ModuleList([loss for _, loss in parts])
        self._sizes: list[int] = []

    def sums(self, logits: Tensor, labels: Tensor) -> Tensor:
        parts = [loss.sums(logits, labels) for loss in self._members()]
        self._sizes = [len(part) for part in parts]
        return torch.cat(parts)

    def finish(self, sums: Tensor) -> Tensor:
        parts = torch.split(sums, self._sizes)
        terms = [
            factor * loss.finish(part)
            for factor, loss, part in zip(self.factors, self._members(), parts, strict=True)
        ]
        return torch.stack(terms).sum()

    def _members(self) -> list[SegmentationLoss]:
        return [loss for loss in self.losses if isinstance(loss, SegmentationLoss)]


def across_ranks(
    loss: SegmentationLoss, logits: Tensor, labels: Tensor, group: Any = None
) -> Tensor:
    """The loss of all ranks' pixels together, for training under DistributedDataParallel.

    Its value is that of one process with the global batch, the same on every rank. Its gradient is
    scaled so that the mean over ranks, which DistributedDataParallel takes, is that process's
    gradient. Without `torch.distributed` it is `loss(logits, labels)`. Every rank must call it.

    Raises
    ------
    ValueError
        A Lovász loss over the whole batch: it does not add up.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return loss(logits, labels)  # type: ignore[no-any-return]
    for part in loss.modules():
        if isinstance(part, LovaszSoftmax) and not part.per_image:
            raise ValueError("LovaszSoftmax over a batch does not add up: use per_image=True")
    local = loss.sums(logits, labels)
    total = local.detach().clone()
    distributed.all_reduce(total, group=group)
    # The value of the total; the gradient of this rank's own part of it.
    result = loss.finish(total + (local - local.detach()))
    ranks = distributed.get_world_size(group)
    return result.detach() + ranks * (result - result.detach())


def _mean(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Numerator / denominator; 0 of nothing is 0."""
    return numerator / torch.where(denominator > 0, denominator, 1)
