"""Quantile heads: they never cross, and the loss finds the true quantiles."""

from __future__ import annotations

import doctest
from statistics import NormalDist

import numpy as np
import pytest
import torch
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import metrics
from academy.forecasting.models import quantiles as module
from academy.forecasting.models.quantiles import (
    LEVELS,
    QuantileHead,
    ascending,
    pinball,
    pinball_loss,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

numbers = st.floats(-50, 50, width=32)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0


@given(arrays(np.float32, (3, 19), elements=numbers))
def test_whatever_the_numbers_are_the_quantiles_ascend(raw):
    found = ascending(torch.from_numpy(raw))
    assert bool((found.diff(dim=-1) >= 0).all())
    assert torch.equal(found[:, 9], torch.from_numpy(raw)[:, 9])


@given(arrays(np.float32, (4, 6), elements=numbers), st.integers(0, 99))
@settings(max_examples=30)
def test_heads_with_wild_weights_do_not_cross_either(features, seed):
    head = QuantileHead(6, 5)
    with torch.no_grad():
        head.layer.weight.normal_(0, 3, generator=torch.Generator().manual_seed(seed))
    found = head(torch.from_numpy(features))
    assert found.shape == (4, 5, 19)
    assert bool((found.diff(dim=-1) >= 0).all())
    assert torch.equal(head.median(found), found[..., 9])


def test_an_untrained_head_gives_the_normal_distribution():
    found = QuantileHead(4, 2)(torch.randn(3, 4))
    expected = torch.tensor([NormalDist().inv_cdf(level) for level in LEVELS])
    assert torch.allclose(found, expected.expand(3, 2, 19), atol=1e-5)


@given(
    arrays(np.float64, (2, 3), elements=st.floats(-9, 9)),
    arrays(np.float64, (2, 3, 19), elements=st.floats(-9, 9)),
)
def test_the_loss_is_twice_the_metrics_pinball(target, quantiles):
    found = pinball(torch.from_numpy(quantiles), torch.from_numpy(target))
    assert found.numpy() == pytest.approx(2 * metrics.pinball(target, quantiles), abs=1e-12)
    mean = pinball_loss(torch.from_numpy(quantiles), torch.from_numpy(target)).item()
    assert mean == pytest.approx(found.mean().item())


def test_minimising_the_loss_finds_the_quantiles_of_what_was_seen():
    """Of a skewed distribution, where a mean and a spread would not do."""
    sample = np.random.default_rng(0).exponential(size=4000)
    head = QuantileHead(1, 1)
    optimiser = torch.optim.Adam(head.parameters(), 0.02)
    seen, target = torch.ones(4000, 1), torch.as_tensor(sample[:, None], dtype=torch.float32)
    for _ in range(400):
        optimiser.zero_grad()
        pinball_loss(head(seen), target).backward()
        optimiser.step()
    found = head(seen[:1])[0, 0].detach().numpy()
    assert found == pytest.approx(np.quantile(sample, LEVELS), abs=0.06)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: QuantileHead(4, 2, (0.1, 0.9)), "0.5 among them"),
        (lambda: QuantileHead(4, 2, (0.5, 0.4)), "must ascend"),
        (lambda: QuantileHead(4, 2, (0.5, 1.0)), "below 1"),
        (lambda: QuantileHead(0, 2), "width is 0"),
        (lambda: pinball_loss(torch.zeros(2, 3, 18), torch.zeros(2, 3)), r"\(2, 3, 18\)"),
    ],
    ids=["no median", "descending", "certainty", "no width", "wrong shape"],
)
def test_what_cannot_be_is_said(call, said):
    with pytest.raises(SeriesError, match=said):
        call()
