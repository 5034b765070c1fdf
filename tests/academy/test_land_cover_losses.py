"""Losses: value and gradient against plain loops, what has no label, and over ranks."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from academy.land_cover import losses
from academy.land_cover.losses import (
    Combined,
    CrossEntropy,
    Dice,
    Focal,
    LogitAdjusted,
    LovaszSoftmax,
    across_ranks,
    adjust_logits,
    class_weights,
    count_cells,
)

CLASSES = 4
WEIGHT = torch.tensor([0.2, 1.0, 3.0, 0.7])
PRIOR = [0.7, 0.2, 0.07, 0.03]


def case(seed: int = 0, batch: int = 3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, CLASSES, 4, 5, dtype=torch.float64, generator=generator) * 2
    labels = torch.randint(0, CLASSES - 1, (batch, 4, 5), generator=generator)  # never the last
    labels[torch.rand(labels.shape, generator=generator) < 0.3] = 255
    return logits, labels


def pixels(logits, labels):
    """(probabilities, label) of each labelled pixel, as plain numbers."""
    for image, truth in zip(logits.tolist(), labels.tolist(), strict=True):
        for row in range(len(truth)):
            for column in range(len(truth[0])):
                if truth[row][column] != 255:
                    powers = [math.exp(plane[row][column]) for plane in image]
                    yield [p / sum(powers) for p in powers], truth[row][column]


def plain_mean(logits, labels, part):
    top = bottom = 0.0
    for shares, label in pixels(logits, labels):
        value, weight = part(shares, label)
        top, bottom = top + value * weight, bottom + weight
    return top / bottom


def plain_dice(logits, labels):
    lost = []
    for number in range(CLASSES):
        found = list(pixels(logits, labels))
        common = sum(shares[number] for shares, label in found if label == number)
        total = sum(shares[number] + (label == number) for shares, label in found)
        if any(label == number for _, label in found):
            lost.append(1 - 2 * common / total)
    return sum(lost) / len(lost)


def plain_lovasz(found):
    """The Lovász extension by its definition: the sum of m_i times the growth of the set loss."""
    found = list(found)
    lost = []
    for number in range(CLASSES):
        there = {i for i, (_, label) in enumerate(found) if label == number}
        if not there:
            continue
        errors = [abs((i in there) - shares[number]) for i, (shares, _) in enumerate(found)]
        order = sorted(range(len(found)), key=lambda i: -errors[i])
        total, wrong, before = 0.0, set(), 0.0
        for i in order:
            wrong.add(i)
            # Jaccard loss if exactly these pixels are wrong about the class.
            loss = len(wrong) / len(there | wrong)
            total += errors[i] * (loss - before)
            before = loss
        lost.append(total)
    return sum(lost) / len(lost)


def plain_lovasz_per_image(logits, labels):
    values = [
        plain_lovasz(pixels(logits[i : i + 1], labels[i : i + 1])) for i in range(len(logits))
    ]
    return sum(values) / len(values)


def plain_adjusted(shares, label):
    lifted = [share * prior for share, prior in zip(shares, PRIOR, strict=True)]
    return -math.log(lifted[label] / sum(lifted)), 1


LOSSES = {
    "cross-entropy": (
        CrossEntropy(),
        lambda z, y: plain_mean(z, y, lambda p, k: (-math.log(p[k]), 1)),
    ),
    "weighted": (
        CrossEntropy(WEIGHT),
        lambda z, y: plain_mean(z, y, lambda p, k: (-math.log(p[k]), WEIGHT[k].item())),
    ),
    "focal": (
        Focal(2),
        lambda z, y: plain_mean(z, y, lambda p, k: (-((1 - p[k]) ** 2) * math.log(p[k]), 1)),
    ),
    "weighted focal": (
        Focal(1.5, WEIGHT),
        lambda z, y: plain_mean(
            z, y, lambda p, k: (-((1 - p[k]) ** 1.5) * math.log(p[k]), WEIGHT[k].item())
        ),
    ),
    "logit-adjusted": (LogitAdjusted(PRIOR), lambda z, y: plain_mean(z, y, plain_adjusted)),
    "dice": (Dice(), plain_dice),
    "lovasz": (LovaszSoftmax(), plain_lovasz_per_image),
    "lovasz of the batch": (
        LovaszSoftmax(per_image=False),
        lambda z, y: plain_lovasz(pixels(z, y)),
    ),
    "combined": (
        Combined((1.0, CrossEntropy(WEIGHT)), (0.5, Dice())),
        lambda z, y: (
            plain_mean(z, y, lambda p, k: (-math.log(p[k]), WEIGHT[k].item()))
            + 0.5 * plain_dice(z, y)
        ),
    ),
}
ADDITIVE = [name for name in LOSSES if name != "lovasz of the batch"]


def test_the_examples_in_the_docstrings_of_the_losses_run():
    result = doctest.testmod(losses)
    assert result.attempted >= 6
    assert result.failed == 0


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_those_of_a_plain_loop(name):
    loss, plain = LOSSES[name]
    logits, labels = case()
    logits.requires_grad_()
    value = loss(logits, labels)
    assert value.item() == pytest.approx(plain(logits, labels), rel=1e-6)
    (gradient,) = torch.autograd.grad(value, logits)
    step = 1e-6
    for place in [(0, 0, 0, 0), (1, 2, 3, 4), (2, 1, 1, 2), (0, 3, 2, 2), (2, 0, 0, 3)]:
        moved = [logits.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        slope = (plain(moved[0], labels) - plain(moved[1], labels)) / (2 * step)
        assert gradient[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_passes_torchs_check(name):
    loss, _ = LOSSES[name]
    logits, labels = (part[..., :2, :3].contiguous() for part in case(1, batch=2))
    assert torch.autograd.gradcheck(lambda z: loss(z, labels), logits.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_ignored_has_no_part_in_it(name):
    loss, _ = LOSSES[name]
    logits, labels = case(2)
    gone = (labels == 255)[:, None].expand_as(logits)
    other = torch.where(gone, 50.0, logits).requires_grad_()
    value = loss(other, labels)
    assert value.item() == pytest.approx(loss(logits, labels).item(), rel=1e-9)
    (gradient,) = torch.autograd.grad(value, other)
    assert (gradient[gone] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_without_any_label_the_loss_and_its_gradient_are_nought(name):
    loss, _ = LOSSES[name]
    logits, labels = case(3)
    logits.requires_grad_()
    value = loss(logits, torch.full_like(labels, 255))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", ADDITIVE)
def test_sums_of_parts_make_the_loss_of_the_whole(name):
    loss, _ = LOSSES[name]
    logits, labels = case(4, batch=5)
    total = loss.sums(logits[:2], labels[:2]) + loss.sums(logits[2:], labels[2:])
    assert loss.finish(total).item() == pytest.approx(loss(logits, labels).item(), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_and_half_precision_stay_finite(name):
    loss, _ = LOSSES[name]
    logits, labels = case(5)
    for factor, kind in [(1e4, torch.float32), (20, torch.bfloat16), (100, torch.float16)]:
        z = (logits * factor).to(kind).requires_grad_()
        value = loss(z, labels)
        value.backward()
        assert value.dtype == torch.float32
        assert math.isfinite(value.item())
        assert torch.isfinite(z.grad).all()


def test_cross_entropy_is_torchs_own():
    logits, labels = case(6)
    expected = torch.nn.functional.cross_entropy(logits, labels, WEIGHT.double(), ignore_index=255)
    assert CrossEntropy(WEIGHT)(logits, labels).item() == pytest.approx(expected.item())
    assert Focal(0, WEIGHT)(logits, labels).item() == pytest.approx(expected.item())


def test_a_perfect_map_has_no_dice_and_no_lovasz_loss():
    _, labels = case(7)
    perfect = torch.nn.functional.one_hot(torch.where(labels == 255, 0, labels), CLASSES)
    logits = perfect.movedim(-1, 1).double() * 100
    for loss in (Dice(), LovaszSoftmax(), LovaszSoftmax(per_image=False)):
        assert loss(logits, labels).item() == pytest.approx(0, abs=1e-9)


def test_lovasz_of_hard_errors_is_one_minus_intersection_over_union():
    labels = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    guess = torch.tensor([[[0, 0, 1, 1, 1, 1]]])
    logits = torch.nn.functional.one_hot(guess, 2).movedim(-1, 1).double() * 100
    expected = 1 - (2 / 3 + 3 / 4) / 2
    assert LovaszSoftmax()(logits, labels).item() == pytest.approx(expected, abs=1e-9)


# ---- weights, priors -------------------------------------------------------------------------


def test_weights_follow_their_formulas_up_to_scale():
    cells = np.array([10_000, 400, 25, 0])
    expected = {
        "inverse": [1 / 10_000, 1 / 400, 1 / 25, 0],
        "root": [1 / 100, 1 / 20, 1 / 5, 0],
        "effective": [(1 - 0.99) / (1 - 0.99**n) if n else 0 for n in cells.tolist()],
    }
    for method, raw in expected.items():
        found = class_weights(cells, method, beta=0.99).double().numpy()
        np.testing.assert_allclose(found / found[0], np.array(raw) / raw[0], rtol=1e-5)
        assert (found * cells).sum() / cells.sum() == pytest.approx(1, rel=1e-6)


def test_effective_numbers_run_from_equal_to_inverse():
    cells = [5000, 50, 3]
    np.testing.assert_allclose(class_weights(cells, "effective", beta=0), [1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(
        class_weights(cells, "effective", beta=1 - 1e-12),
        class_weights(cells, "inverse"),
        rtol=1e-4,
    )


def test_pixels_instead_of_cells_would_give_other_effective_weights():
    cells = np.array([4000, 40])
    by_cells = class_weights(cells, "effective", beta=0.999)
    by_pixels = class_weights(cells * 25, "effective", beta=0.999)
    assert by_cells[1] / by_cells[0] > 1.5 * by_pixels[1] / by_pixels[0]


def test_each_cell_counts_once():
    grid = np.array([[0, 1, 255], [2, 1, 1]], np.uint8)
    ids = np.arange(6).reshape(2, 3)
    pixel_labels, pixel_ids = (a.repeat(5, 0).repeat(4, 1) for a in (grid, ids))
    expected = [1, 3, 1, 0]
    assert count_cells(grid, 4).tolist() == expected
    assert count_cells(pixel_labels, 4, cells=pixel_ids).tolist() == expected
    assert count_cells(pixel_labels, 4).tolist() == [20 * n for n in expected]


def test_wrong_counts_labels_and_shapes_are_refused():
    with pytest.raises(ValueError, match="method is 'square'"):
        class_weights([1, 2], "square")
    with pytest.raises(ValueError, match="beta is 1"):
        class_weights([1, 2], "effective", beta=1)
    with pytest.raises(ValueError, match="nothing to weigh"):
        class_weights([0, 0])
    with pytest.raises(ValueError, match="0 or more"):
        class_weights([1, -1])
    with pytest.raises(ValueError, match="more than one label"):
        count_cells([0, 1], 2, cells=[7, 7])
    with pytest.raises(ValueError, match="classes are 0 to 1"):
        count_cells([0, 2], 2)
    with pytest.raises(ValueError, match="must be"):
        CrossEntropy()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="gamma is -1"):
        Focal(-1)
    with pytest.raises(ValueError, match="prior is"):
        LogitAdjusted([0, 0])
    with pytest.raises(ValueError, match="at least one"):
        Combined()


def test_the_logit_shift_makes_classes_equally_likely_where_nothing_is_seen():
    """Logits that only say the prior say nothing after the shift."""
    logits = torch.tensor(PRIOR).log()[None, :, None, None] + 3
    shifted = adjust_logits(logits, PRIOR)
    assert torch.allclose(shifted, shifted.mean().expand_as(shifted), atol=1e-6)
    assert torch.equal(adjust_logits(logits, PRIOR, 0), logits)
    assert torch.isfinite(adjust_logits(logits, [5, 1, 1, 0])).all()


def test_weights_travel_with_the_module():
    assert "weight" in CrossEntropy(WEIGHT).state_dict()
    assert CrossEntropy(WEIGHT).to(torch.float64).weight.dtype == torch.float64


# ---- over ranks ------------------------------------------------------------------------------


def share(rank: int, results, address: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    logits, labels = case(8, batch=5)
    mine = slice(0, 1) if rank == 0 else slice(1, 5)  # ranks with unequal numbers of labels
    for name in ADDITIVE:
        z = logits[mine].clone().requires_grad_()
        value = across_ranks(LOSSES[name][0], z, labels[mine])
        value.backward()
        results[name, rank] = (value.item(), z.grad.numpy())
    try:
        across_ranks(LOSSES["lovasz of the batch"][0], logits[mine], labels[mine])
    except ValueError as error:
        results["refused", rank] = str(error)
    torch.distributed.destroy_process_group()


def test_two_ranks_have_the_loss_and_gradient_of_one(tmp_path):
    with multiprocessing.Manager() as manager:
        results = manager.dict()
        address = f"file://{tmp_path / 'meeting'}"
        multiprocessing.start_processes(share, (results, address), nprocs=2, start_method="fork")
        found = dict(results)
    logits, labels = case(8, batch=5)
    for name in ADDITIVE:
        z = logits.clone().requires_grad_()
        value = LOSSES[name][0](z, labels)
        value.backward()
        gradients = []
        for rank in range(2):
            of_rank, gradient = found[name, rank]
            assert of_rank == pytest.approx(value.item(), rel=1e-9)
            gradients.append(gradient)
        # DistributedDataParallel averages gradients over ranks: here, divides by two.
        np.testing.assert_allclose(np.concatenate(gradients) / 2, z.grad, rtol=1e-6, atol=1e-12)
    assert "per_image=True" in found["refused", 0]


def test_without_ranks_it_is_the_loss_itself():
    logits, labels = case(9)
    loss = CrossEntropy(WEIGHT)
    assert across_ranks(loss, logits, labels).item() == loss(logits, labels).item()
