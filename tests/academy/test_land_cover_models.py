"""The U-Net: its shapes, its size, and that no image hangs on another."""

from __future__ import annotations

import doctest

import pytest
import torch
from academy.land_cover import models
from academy.land_cover.models import UNet, count_parameters

torch.set_num_threads(1)


def small(**more) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"width": 8, "depth": 2, **more}).eval()


def test_examples_in_the_documentation_are_right():
    assert doctest.testmod(models).failed == 0


def test_the_default_has_about_a_quarter_of_a_million_parameters():
    assert 0.24e6 < count_parameters(UNet()) < 0.30e6


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (7, 5), (1, 1)])
def test_logits_have_the_images_size_whatever_it_is(shape):
    assert small()(torch.zeros(2, 2, *shape)).shape == (2, 9, *shape)


def test_a_size_that_does_not_fit_is_filled_up_by_repeating_the_edge():
    model = small()
    image = torch.randn(1, 2, 32, 33)
    filled = torch.cat([image, image[..., -1:].expand(-1, -1, -1, 3)], dim=3)
    assert filled.shape[3] % model.multiple == 0
    torch.testing.assert_close(model(image), model(filled)[..., :33])


@pytest.mark.parametrize("multilook", [2, 3])
def test_logits_of_averaged_squares_come_back_to_all_pixels(multilook):
    assert small(multilook=multilook)(torch.randn(1, 2, 47, 33)).shape == (1, 9, 47, 33)


def test_an_image_is_not_changed_by_the_others_in_its_batch():
    model = small().train()
    images = torch.randn(3, 2, 32, 32)
    alone = model(images[1:2])
    torch.testing.assert_close(model(images)[1:2], alone, rtol=1e-4, atol=1e-5)


def test_every_level_and_both_bands_are_used():
    model = small(depth=4).train()
    image = torch.randn(1, 2, 32, 32, requires_grad=True)
    model(image)[:, :, 16, 16].square().sum().backward()
    assert (image.grad.abs().amax(dim=(0, 2, 3)) > 0).all()
    assert all(each.grad.abs().max() > 0 for each in model.parameters())


def test_memory_order_changes_no_result():
    model = small()
    image = torch.randn(2, 2, 32, 32)
    plain = model(image)
    ordered = model.to(memory_format=torch.channels_last)(
        image.contiguous(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(ordered, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 12}, "multiple of 8"),
        ({"depth": 0}, "depth is 0"),
        ({"classes": 1}, "1 classes"),
        ({"multilook": 0}, "multilook is 0"),
    ],
)
def test_impossible_sizes_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        UNet(**wrong)


def test_an_image_with_other_channels_is_refused():
    with pytest.raises(ValueError, match=r"\(batch, 2, rows, columns\)"):
        small()(torch.zeros(1, 3, 32, 32))


def test_multilooking_sees_mean_and_variance_of_squares_and_nothing_else():
    model = small(multilook=2)
    image = torch.randn(1, 2, 24, 32)
    squares = image.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    moved = (
        squares[..., [2, 0, 3, 1]].unflatten(4, (2, 2)).permute(0, 1, 2, 4, 3, 5).reshape_as(image)
    )
    assert not torch.equal(moved, image)
    with torch.no_grad():
        assert torch.allclose(model(moved), model(image), atol=1e-5)
        assert not torch.allclose(model(2 * image), model(image), atol=1e-2)
        assert model(torch.zeros(1, 2, 21, 33)).shape == (1, 9, 21, 33)
    assert model.multiple == 2 * small().multiple
