"""The shift of log-probabilities: as good as a search by hand, and never worse than none."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
from academy.land_cover import calibration
from academy.land_cover.calibration import LIMIT, tune_prior, tune_shift
from academy.land_cover.inference import decide
from academy.land_cover.metrics import macro_f1


def case(seed: int, classes: int = 3, cells: int = 300):
    """Probabilities that know the class a little and the frequent class too well."""
    rng = np.random.default_rng(seed)
    prior = np.array([0.8, 0.15, 0.05, 0.03, 0.02])[:classes]
    labels = rng.choice(classes, cells, p=prior / prior.sum())
    logits = rng.normal(0, 1, (classes, cells)) + 1.5 * np.eye(classes)[:, labels]
    logits += np.log(prior)[:, None]
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    return shares.astype(np.float32), labels.astype(np.uint8)


def value(shares, labels, shift) -> float:
    return macro_f1(labels, decide(shares, shift), len(shares))


def test_examples_in_the_documentation_are_right():
    assert doctest.testmod(calibration).failed == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_search_over_a_fine_grid_finds_no_better_shift(seed):
    shares, labels = case(seed)
    found = value(shares, labels, tune_shift(shares, labels))
    grid = np.linspace(-5, 5, 41)
    best = max(value(shares, labels, [0, b, c]) for b, c in itertools.product(grid, grid))
    assert found > best - 0.01


def test_a_line_search_over_one_class_is_exact():
    shares, labels = case(7)
    log = np.log(shares.astype(float))
    found, at = calibration._best_shift(log, labels.astype(np.int64), np.zeros(3), 1)
    tried = [value(shares, labels, [0, s, 0]) for s in np.linspace(-LIMIT, LIMIT, 3001)]
    assert found == pytest.approx(max(tried), abs=1e-9)
    assert value(shares, labels, [0, at, 0]) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_none_on_what_it_was_tuned_on(seed):
    shares, labels = case(seed, classes=5)
    assert value(shares, labels, tune_shift(shares, labels)) >= value(shares, labels, None)


def test_it_helps_on_cells_it_was_not_tuned_on():
    shares, labels = case(1, cells=4000)
    fresh, truth = case(2, cells=4000)
    shift = tune_shift(shares, labels)
    assert value(fresh, truth, shift) > value(fresh, truth, None) + 0.03


def test_probabilities_that_are_right_already_are_left_right():
    labels = np.array([0, 1, 2] * 10, np.uint8)
    shares = np.where(np.arange(3)[:, None] == labels, 0.8, 0.1).astype(np.float32)
    assert value(shares, labels, tune_shift(shares, labels)) == 1.0


def test_cells_without_label_or_prediction_do_not_count():
    shares, labels = case(3)
    more = np.concatenate([shares, np.full((3, 4), np.nan, np.float32), shares[:, :5]], axis=1)
    beyond = np.concatenate([labels, [0, 1, 2, 0], [255] * 5]).astype(np.uint8)
    np.testing.assert_array_equal(tune_shift(more, beyond), tune_shift(shares, labels))


def test_a_grid_of_cells_is_as_good_as_a_list():
    shares, labels = case(4)
    grid = tune_shift(shares.reshape(3, 20, 15), labels.reshape(20, 15))
    np.testing.assert_array_equal(grid, tune_shift(shares, labels))


def test_a_class_that_never_occurs_and_one_without_probability_are_no_trouble():
    shares, labels = case(5)
    shares[2] = 0
    found = tune_shift(shares, labels)
    assert np.isfinite(found).all()
    assert value(shares, labels, found) >= value(shares, labels, None)


def test_shifts_have_mean_zero_and_stay_small():
    shift = tune_shift(*case(6))
    assert shift.mean() == pytest.approx(0, abs=1e-12)
    assert np.abs(shift).max() <= 2 * LIMIT


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], "3 cells have probabilities and 2 labels"),
        ([255] * 3, "nothing to tune on"),
        ([0, 1, 9], "labels are 0 to 9"),
    ],
)
def test_what_does_not_fit_is_refused(labels, said):
    with pytest.raises(ValueError, match=said):
        tune_shift(np.full((2, 3), 0.5), labels)


def test_one_number_takes_out_as_much_of_the_prior_as_is_best():
    rng = np.random.default_rng(3)
    prior = np.array([0.9, 0.08, 0.02])
    labels = rng.choice(3, 20_000, p=prior)
    # What a class looks like without the prior, and the posterior that plain training learns.
    evidence = rng.normal(0, 1, (3, labels.size)) + 1.5 * (np.arange(3)[:, None] == labels)
    log = evidence + np.log(prior)[:, None]
    shares = np.exp(log - log.max(axis=0))
    shares /= shares.sum(axis=0)
    shift = tune_prior(shares, labels, prior)
    assert shift.sum() == pytest.approx(0)
    part = np.diff(shift) / -np.diff(np.log(prior))
    assert part[0] == pytest.approx(part[1])  # one number: what each class gets is tau times it
    tried = [
        macro_f1(labels, np.argmax(np.log(shares) - tau * np.log(prior)[:, None], axis=0), 3)
        for tau in np.arange(31) / 20
    ]
    found = macro_f1(labels, np.argmax(np.log(shares) + shift[:, None], axis=0), 3)
    assert found == pytest.approx(max(tried))
    assert found > tried[0]


@pytest.mark.parametrize("prior", [[1, 2], [0, 0, 0], [1, -1, 1]])
def test_a_prior_that_is_none_is_refused(prior):
    with pytest.raises(ValueError, match="frequencies"):
        tune_prior(np.full((3, 4), 1 / 3), [0, 1, 2, 0], prior)
