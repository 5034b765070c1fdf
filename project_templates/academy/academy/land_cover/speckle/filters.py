"""The adaptive speckle filters: Lee, Kuan, refined Lee and Gamma-MAP.

Speckle multiplies: an observed power is z = x v, with x what the ground sends back and v of mean 1
and variance Cu² = 1 / looks. Each filter compares the window's own variation Ci² = var z / mean² z
with Cu². Where they agree the window is one surface and its mean is the answer; where Ci² is
larger, something is there, and the pixel keeps a part of what it shows.

All take linear power (gamma0, sigma0 or intensity; not decibels, not amplitude), as a numpy array
or a torch tensor of shape (..., rows, columns); what is not finite is nodata. Windows are cut at
the border of the image and at nodata: means and variances are over the pixels that exist. Nodata
stays nodata. Variances are the window's own (divided by n, not n - 1), as the sources have them.

numpy computes in float64 (the refined Lee filter as the image is); torch in the tensor's type, on
its device, with its leading axes as a batch (half precision in float32). Filter before
reprojection: that makes neighbours alike, and a window's variance then says too little.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from academy.land_cover.speckle.windows import box_sum, cut, module_of, over_tiles, run_sum

Image = TypeVar("Image")
"""A numpy array or a torch tensor; what goes in comes out."""

_REFINED = 7  # the refined Lee filter is defined on a window of seven by seven


def lee(power: Image, looks: float, window: int = 7) -> Image:
    """Lee's filter: mean + w (z - mean), with the weight w = 1 - Cu² / Ci², not below 0.

    J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE
    PAMI 2(2), 1980, for multiplicative noise, where the product x v is linearised; in this form in
    A. Lopes, R. Touzi, E. Nezry, "Adaptive speckle filters and scene heterogeneity", IEEE TGRS
    28(6), 1990.

    Parameters
    ----------
    power
        Linear power, shape (..., rows, columns), floating, numpy or torch; not finite is nodata.
    looks
        The equivalent number of looks; Cu² is its inverse. `estimate_looks` measures it.
    window
        Odd, in pixels.

    Returns
    -------
    Filtered power: same kind, shape, type and unit.

    Raises
    ------
    ValueError
        Looks that are not positive, an even window, or an image that looks like decibels.
    TypeError
        Not a floating image.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.random.default_rng(0).gamma(4, 1 / 4, (64, 64))
    >>> round(1 / float(np.var(field))), round(1 / float(np.var(lee(field, looks=4)))) > 50
    (4, True)
    """

    def estimate(z: Any, mean: Any, variance: Any) -> Any:
        return mean + _signal_share(mean, variance, looks) * (z - mean)

    return _by_window(power, looks, window, estimate)


def kuan(power: Image, looks: float, window: int = 7) -> Image:
    """Kuan's filter: as Lee's, with the weight (1 - Cu² / Ci²) / (1 + Cu²).

    D. T. Kuan, A. A. Sawchuk, T. C. Strand, P. Chavel, "Adaptive noise smoothing filter for images
    with signal-dependent noise", IEEE PAMI 7(2), 1985: the linear estimate with the least mean
    squared error, without Lee's linearisation. Often found under Lee's name.

    Parameters, returns and errors as `lee`.
    """

    def estimate(z: Any, mean: Any, variance: Any) -> Any:
        weight = _signal_share(mean, variance, looks) * (looks / (looks + 1))
        return mean + weight * (z - mean)

    return _by_window(power, looks, window, estimate)


def gamma_map(power: Image, looks: float, window: int = 7) -> Image:
    """The Gamma-MAP filter: the most probable x, if ground and speckle are gamma distributed.

    A. Lopes, E. Nezry, R. Touzi, H. Laur, "Maximum a posteriori speckle filtering and first order
    texture models in SAR images", IGARSS 1990. Three cases by the window's variation: Ci² <= Cu²,
    the mean; Ci² >= 2 Cu², a target, left as it is; between them the root of the MAP equation

        a x² + (L + 1 - a) mean x - L z mean = 0,   a = (1 + Cu²) / (Ci² - Cu²).

    A maximum, not a mean: it is biased low, by about 2 % at 4.4 looks.

    Parameters, returns and errors as `lee`.
    """
    power = _checked(power, looks, window)
    cu2 = 1 / looks

    def estimate(z: Any, mean: Any, variance: Any) -> Any:
        xp = module_of(z)
        mean2 = mean * mean
        # Multiplied out by (Ci² - Cu²) / a, so that the first case (-> mean) is also its limit.
        excess = xp.clip(variance / _positive(mean2) - cu2, 0, None)
        share = excess / (1 + cu2)  # 1 / a
        linear = (1 - (looks + 1) * share) * mean
        root = xp.sqrt(linear * linear + 4 * looks * share * mean * z)
        return xp.where(excess < cu2, (linear + root) / 2, z)

    return _by_window(power, looks, window, estimate)


def refined_lee(power: Image, looks: float) -> Image:
    """The refined Lee filter: statistics from the half window on the pixel's side of an edge.

    J.-S. Lee, "Refined filtering of image noise using local statistics", Computer Graphics and
    Image Processing 15(4), 1981; as in J.-S. Lee, E. Pottier, "Polarimetric Radar Imaging", CRC
    Press 2009, section 5.3: without a threshold, every window has its edge.

    1. Nine means of 3x3 pixels, centred 2 pixels apart.
    2. The largest of four gradients between them (across columns, rows and both diagonals; the
       first of equals) gives the edge's direction.
    3. Of the two outer means across that edge, the one nearer to the middle mean gives the side
       (the first if equal): one of 8 masks of 28 pixels, each with the pixel itself on its rim.
    4. Kuan's estimate with the mask's mean and variance (the weight var x / var z of the sources).

    A float32 image is summed in float32, within 1e-5 for up to some hundred looks; give float64 for
    means of more dates.

    At borders and nodata: a 3x3 mean without any pixel is taken to be the middle one.

    Parameters, returns and errors as `lee`; the window is always seven.
    """
    power = _checked(power, looks, _REFINED)

    def tile(block: Any, valid: Any) -> Any:
        xp = module_of(block)
        reach = _REFINED // 2
        shape = (block.shape[-2] - 2 * reach, block.shape[-1] - 2 * reach)
        runs = _runs(block)
        counts = None if valid is None else _runs(valid)
        chosen = _side_of_the_edge(runs, counts, shape)
        total = _chosen(_half_sums(runs, shape), chosen)
        squares = _chosen(_half_sums(_runs(block * block), shape), chosen)
        scale: Any = 1 / 28
        if counts is not None:
            # The pixel itself is in every mask: only nodata pixels count less than one.
            scale = 1 / xp.clip(_chosen(_half_sums(counts, shape), chosen), 1, None)
        z = cut(block, reach, reach, shape)
        mean = total * scale
        variance = squares * scale - mean * mean
        weight = _signal_share(mean, variance, looks) * (looks / (looks + 1))
        return mean + weight * (z - mean)

    return over_tiles(power, _REFINED // 2, tile, wide=False)  # type: ignore[no-any-return]


def _by_window(power: Image, looks: float, window: int, estimate: Any) -> Image:
    """A filter that needs each pixel, its window's mean and its window's variance."""
    power = _checked(power, looks, window)
    reach = window // 2

    def tile(block: Any, valid: Any) -> Any:
        xp = module_of(block)
        shape = (block.shape[-2] - 2 * reach, block.shape[-1] - 2 * reach)
        scale: Any = 1 / window**2
        if valid is not None:
            scale = 1 / xp.clip(box_sum(valid, window, window), 1, None)
        mean = box_sum(block, window, window) * scale
        variance = box_sum(block * block, window, window) * scale - mean * mean
        return estimate(cut(block, reach, reach, shape), mean, variance)

    return over_tiles(power, reach, tile)  # type: ignore[no-any-return]


def _signal_share(mean: Any, variance: Any, looks: float) -> Any:
    """1 - Cu² / Ci², not below 0: the share of the window's variance that is not speckle."""
    # Without variance there is nothing but the mean; the floor keeps 0 / 0 out.
    signal = module_of(mean).clip(variance - mean * mean * (1 / looks), 0, None)
    return signal / _positive(variance)


def _positive(values: Any) -> Any:
    xp = module_of(values)
    return xp.clip(values, xp.finfo(values.dtype).tiny, None)


def _side_of_the_edge(runs: list[Any], counts: Any, shape: tuple[int, int]) -> Any:
    """Which of the 8 masks each pixel takes: 2 x direction + (0 or 1), in `_half_sums`' order."""
    xp = module_of(runs[0])
    means = run_sum(runs[2], 3, -2)  # sums of nine order as their means do
    nine = [[cut(means, row, column, shape) for column in (0, 2, 4)] for row in (0, 2, 4)]
    if counts is not None:
        count = run_sum(counts[2], 3, -2)
        means = means * (9 / xp.clip(count, 1, None))  # as if of nine: where full, exactly
        middle = cut(means, 2, 2, shape)
        nine = [
            [
                xp.where(cut(count, row, column, shape) > 0, cut(means, row, column, shape), middle)
                for column in (0, 2, 4)
            ]
            for row in (0, 2, 4)
        ]
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = nine
    rows, columns = m01 - m21, m10 - m12
    falling, rising = m00 - m22, m02 - m20
    across_columns = _size((falling - rising) + columns)  # (m00 + m10 + m20) - (m02 + m12 + m22)
    across_rows = _size((falling + rising) + rows)  # (m00 + m01 + m02) - (m20 + m21 + m22)
    across_rising = _size(falling + (rows + columns))  # (m00 + m01 + m10) - (m22 + m21 + m12)
    across_falling = _size(rising + (rows - columns))  # (m02 + m01 + m12) - (m20 + m10 + m21)
    second_straight = across_rows > across_columns
    second_diagonal = across_falling > across_rising
    straight = xp.maximum(across_rows, across_columns)
    diagonal = xp.maximum(across_falling, across_rising) > straight
    # Three bits. On single bytes, logic is far cheaper than choosing between numbers.
    second = _either(diagonal, second_diagonal, second_straight)
    far_side = _either(
        diagonal,
        _either(second_diagonal, _nearer(m20, m02, m11), _nearer(m22, m00, m11)),
        _either(second_straight, _nearer(m21, m01, m11), _nearer(m12, m10, m11)),
    )
    if xp.__name__ == "torch":
        return diagonal * 4 + second * 2 + far_side
    return diagonal.view(xp.uint8) << 2 | second.view(xp.uint8) << 1 | far_side.view(xp.uint8)


def _size(values: Any) -> Any:
    return module_of(values).abs(values, out=values)


def _nearer(one: Any, other: Any, to: Any) -> Any:
    return _size(one - to) < _size(other - to)


def _either(condition: Any, yes: Any, no: Any) -> Any:
    return (condition & yes) | (~condition & no)


def _runs(array: Any) -> list[Any]:
    """Sums of 1 to 7 neighbours along rows; entry j starts at column j."""
    runs = [array]
    for length in range(1, _REFINED):
        columns = array.shape[-1] - length
        runs.append(runs[-1][..., :columns] + array[..., length:])
    return runs


def _half_sums(runs: list[Any], shape: tuple[int, int]) -> Any:
    """Sums over half windows, shape (..., 6, rows + 3, columns + 3), for `_chosen`.

    Each half has the window's middle line. The left half of one window is the right half of
    another, three columns on, so that one plane serves both; so for top and bottom. The triangles
    (upper left, lower right, upper right, lower left) have a plane each.
    """
    xp = module_of(runs[0])
    rows, columns = shape
    size = (*runs[0].shape[:-2], 6, rows + 3, columns + 3)
    sums = xp.empty(size, dtype=runs[0].dtype, **_place(runs[0]))
    _add_all([runs[3][..., row : row + rows, :] for row in range(_REFINED)], sums[..., 0, :rows, :])
    _add_all([runs[6][..., row : row + rows + 3, :] for row in range(4)], sums[..., 1, :, :columns])
    for plane, grows, right in _TRIANGLES:
        pieces = []
        for row in range(_REFINED):
            length = row + 1 if grows else _REFINED - row
            left = _REFINED - length if right else 0
            pieces.append(cut(runs[length - 1], row, left, shape))
        _add_all(pieces, sums[..., plane, :rows, :columns])
    return sums


#: Plane of the sums, whether rows grow downwards, whether they end (or start) together.
_TRIANGLES = ((2, False, False), (3, True, True), (4, False, True), (5, True, False))


def _add_all(pieces: list[Any], out: Any) -> None:
    module_of(out).add(pieces[0], pieces[1], out=out)
    for piece in pieces[2:]:
        out += piece


def _place(array: Any) -> dict[str, Any]:
    return {} if module_of(array).__name__ == "numpy" else {"device": array.device}


def _chosen(sums: Any, chosen: Any) -> Any:
    """The sum over each pixel's mask, out of `_half_sums`; `chosen` is 0 to 7."""
    xp = module_of(sums)
    plane, stride = sums.shape[-2] * sums.shape[-1], sums.shape[-1]
    # Where each mask's sum lies from its pixel's own place in the first plane.
    table = [0, 3, plane, plane + 3 * stride, 2 * plane, 3 * plane, 4 * plane, 5 * plane]
    offsets = xp.asarray(table, **_place(sums))
    rows, columns = chosen.shape[-2:]
    lines = xp.arange(rows, **_place(sums)) * stride
    places = offsets[chosen] if xp.__name__ == "torch" else offsets.take(chosen)
    places += lines[:, None] + xp.arange(columns, **_place(sums))
    if xp.__name__ == "torch":
        flat = sums.reshape(*sums.shape[:-3], -1)
        found = flat.gather(-1, places.reshape(*places.shape[:-2], -1))
        return found.reshape(chosen.shape)
    return sums.reshape(-1).take(places)


def _checked(power: Any, looks: float, window: int) -> Any:
    power = check_power(power)
    if not looks > 0 or math.isinf(looks):
        raise ValueError(f"looks is {looks}; it must be a positive number")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window is {window}; it must be odd, so that it has a middle pixel")
    return power


def check_power(power: Any) -> Any:
    """An image of linear power as it was given, or an error that says why it is none.

    Raises
    ------
    ValueError
        Fewer than two axes, or most of the finite pixels are negative.
    TypeError
        Not floating.
    """
    xp = module_of(power)
    if xp.__name__ == "numpy":
        power = xp.asanyarray(power)
        floating = xp.issubdtype(power.dtype, xp.floating)
    else:
        floating = power.is_floating_point()
    if not floating:
        raise TypeError(f"the image is {power.dtype}; linear power is floating, nodata is NaN")
    if power.ndim < 2:
        raise ValueError(f"the image has the shape {tuple(power.shape)}, not (..., rows, columns)")
    # A sample will do: decibels of land are nearly all negative. Speckle-free noise floors that
    # were subtracted leave some negative powers, which are kept.
    some = power[..., :: max(1, power.shape[-2] // 64), :: max(1, power.shape[-1] // 64)]
    if 2 * int((some < 0).sum()) > int(xp.isfinite(some).sum()):
        raise ValueError(
            "most of the image is negative: it seems to be in decibels; "
            "these filters need linear power, 10 ** (decibels / 10)"
        )
    return power
