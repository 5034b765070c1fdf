"""Random numbers for the simulator: streams by name from one secret seed, and fractal surfaces."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]

SEED_BITS = 128


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """The random stream called `path`, from a seed of up to 128 bits.

    Streams are split by keyed BLAKE2b, not by counting up: who could learn one stream's state, say
    that of the speckle in a published image, would know nothing of another, say that of the noise
    in its held-out labels, nor of the seed.

    Raises
    ------
    ValueError
        The seed is negative or has more than 128 bits.

    Examples
    --------
    >>> one, same = stream(7, "speckle", 0), stream(7, "speckle", 0)
    >>> one.random() == same.random()
    True
    """
    if not 0 <= seed < 2**SEED_BITS:
        raise ValueError(f"a seed is a number from 0 to 2**{SEED_BITS} - 1")
    key = seed.to_bytes(SEED_BITS // 8, "little")
    message = "/".join(f"{type(part).__name__}:{part}" for part in path).encode()
    digest = hashlib.blake2b(message, key=key, digest_size=32).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def fractal(rng: np.random.Generator, shape: tuple[int, int], exponent: float) -> Field:
    """A Gaussian surface with power spectrum k**-exponent, mean 0 and variance 1.

    Around 2 it is ragged, around 3 like terrain, around 4 like clouds (spectral synthesis: Saupe in
    Peitgen and Saupe (1988), The Science of Fractal Images, chapter 2).

    Returns
    -------
    float32 of `shape`.
    """
    # A quarter more than asked is made: the surface repeats, and its two ends would look alike.
    rows, columns = (_smooth_length(length + length // 4 + 2) for length in shape)
    down = np.fft.fftfreq(rows)[:, None] * rows
    right = np.fft.rfftfreq(columns)[None, :] * columns
    # Frequencies in cycles per longest side, so that patches are round on a scene that is not.
    longest = max(rows, columns)
    frequency = np.hypot(down / rows, right / columns) * longest
    frequency[0, 0] = np.inf
    amplitude = (frequency ** (-exponent / 2)).astype(np.float32)
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32)) * amplitude
    surface = np.fft.irfft2(spectrum, s=(rows, columns))[: shape[0], : shape[1]]
    surface = surface - surface.mean()
    return np.asarray(surface / max(float(surface.std()), 1e-12), np.float32)


def blur(surface: npt.ArrayLike, pixels: float) -> Field:
    """`surface` under a Gaussian of standard deviation `pixels`; beyond the edge it is mirrored."""
    values = np.asarray(surface, np.float32)
    reach = min(int(3 * pixels) + 1, min(values.shape) - 1)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / pixels) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if axis == each else (0, 0) for each in (0, 1)]
        padded = np.pad(values, pad, mode="reflect")
        length = values.shape[axis]
        values = np.zeros_like(values)
        for at, tap in enumerate(taps):
            part = slice(at, at + length)
            values += tap * (padded[part] if axis == 0 else padded[:, part])
    return values


def _smooth_length(length: int) -> int:
    """The next length that a Fourier transform is fast for: 2^a 3^b 5^c."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
