"""What the radar sees of a land: gamma nought by class and incidence, texture, speckle, resampling.

The chain is that of a Sentinel-1 IW GRD scene on a map grid: the land's gamma nought, times
texture, plus thermal noise, times speckle, on the radar's own grid; then resampled to 20 m.

Where the numbers are from
--------------------------
[ESA]   Sentinel-1 SAR technical guide, performance and GRD resolutions: noise equivalent sigma
        nought -22 dB or better; IW GRD-H resolves 20 m x 22 m, from 5 x 1 looks of which 4.4 are
        equivalent to independent ones; swath 250 km; radiometric accuracy 1 dB (3 sigma).
[OQ]    Oliver, C. and Quegan, S. (1998), Understanding SAR Images, chapters 4 and 5: the product
        model, gamma texture, the K-distribution.
[TU]    doi:10.3390/rs17030361 (2025), for the order of the slopes over incidence only: steep over
        water and wetland, moderate over bare ground, weak over forest.
[prior] Experience, not checked against a publication. The published counterpart to check against
        is the Sentinel-1 Global Backscatter Model, doi:10.1038/s41597-021-01059-7.
[choice] Made for the lesson.

Left out: terrain (products are terrain-corrected), calibration errors at seams, wind streaks,
double bounce by orientation, changes between the dates of one scene.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from academy.data.simulator.fields import Field, blur, fractal
from academy.data.simulator.mosaic import Mosaic
from academy.land_cover.classes import COUNT, CROPS, WATER
from academy.land_cover.gamma_law import gamma_from_normal

#: Incidence that the class means below are for, degrees. S1GBM uses the same.
REFERENCE_INCIDENCE = 38.0
#: Incidence from near to far range of IW, degrees [ESA], over 250 km.
INCIDENCE = (30.5, 45.5)
SWATH_M = 250_000.0
#: Thermal noise in gamma nought, dB: the specification's worst case [ESA], not subtracted [choice].
NOISE_FLOOR_DB = -22.0
#: Pixel of the radar's own grid, m: that of Digital Earth Africa's s1_rtc, 0.0002 degrees.
NATIVE_PIXEL_M = 22.0
#: Angle between the radar's grid and the map's, degrees: Sentinel-1's heading, by inclination.
HEADING = 12.0
#: Correlation of speckle between neighbours before resampling. With the resampling it becomes about
#: the .45 that was measured on processed scenes [choice].
SPECKLE_CORRELATION = 0.25
#: Correlation of texture between VV and VH [choice].
TEXTURE_CORRELATION = 0.8


@dataclass(frozen=True)
class Signature:
    """How a class scatters: gamma nought in dB at 38 degrees, its slope in dB per degree, shape.

    `shape` is that of the gamma texture, so of the K-distribution: small is heavy-tailed.
    `season_db` is the standard deviation of the class's mean from scene to scene.
    """

    vv_db: float
    vh_db: float
    vv_slope: float
    vh_slope: float
    shape: float
    season_db: float


# Means and shapes are [prior], slopes [TU] for their order and [choice] for their value; seasons
# are [prior] for crops (±3 dB) and water's wind (±4 dB), else [choice]. Water's VH is below noise.
SIGNATURES = (
    Signature(-6.7, -12.3, -0.03, -0.03, 12.0, 0.5),  # closed forest
    Signature(-8.3, -14.3, -0.06, -0.05, 8.0, 0.6),  # open forest
    Signature(-11.0, -17.0, -0.08, -0.07, 6.0, 0.8),  # shrub
    Signature(-12.0, -19.0, -0.10, -0.08, 8.0, 0.9),  # herbaceous
    Signature(-10.5, -17.0, -0.10, -0.08, 8.0, 1.5),  # crops
    Signature(-4.0, -11.0, -0.05, -0.05, 1.5, 0.6),  # urban
    Signature(-14.5, -23.0, -0.18, -0.12, 12.0, 1.0),  # bare
    Signature(-19.0, -32.0, -0.35, -0.10, 25.0, 3.0),  # water
    Signature(-10.0, -17.0, -0.15, -0.10, 5.0, 1.0),  # wetland
)
#: A road: asphalt, smooth at 5.6 cm [prior].
ROAD_DB = (-17.0, -25.0)
#: Standard deviations, dB: of a whole scene in both bands [prior, 1 to 2], and of each band apart
#: (calibration [ESA]); of one field against its neighbours in VV and VH [choice]; and of the slow
#: change of a class inside a scene, with soil and biomass [choice].
SCENE_SHIFT_DB, BAND_SHIFT_DB, PARCEL_DB, DRIFT_DB = 1.2, 0.33, (1.8, 1.8), 0.6


def from_db(values: npt.ArrayLike) -> Field:
    """Decibels to linear power."""
    return np.power(10.0, np.asarray(values, np.float32) / 10).astype(np.float32)


def to_db(power: npt.ArrayLike, least: float = 1e-6) -> Field:
    """Linear power to decibels; power below `least` counts as `least`, NaN stays."""
    given = np.maximum(np.asarray(power, np.float32), np.float32(least))
    # float32 log is vectorised where log10 is not.
    return np.asarray(np.log(given) * np.float32(10 / math.log(10)))


def mean_gamma0(rng: np.random.Generator, land: Mosaic, incidence: Field, texture: float) -> Field:
    """The land's gamma nought without texture, speckle or noise: linear, (2, H, W).

    `texture` scales all that makes a class depart from one number: seasons, fields, slow drift.
    """
    shape = land.truth.shape
    angle = incidence - REFERENCE_INCIDENCE
    shift = texture * (SCENE_SHIFT_DB * rng.standard_normal())
    season = texture * rng.standard_normal(COUNT)
    field_of = rng.standard_normal((2, 4096)).astype(np.float32)
    drift = fractal(rng, (shape[0], shape[1]), 3.0)
    crops = land.truth == CROPS
    bands = []
    for band in range(2):
        level = np.array([(s.vv_db, s.vh_db)[band] for s in SIGNATURES])
        # Wind roughens water for VV; its VH stays below the noise.
        calm = [(1.0, 0.3)[band] if number == WATER else 1.0 for number in range(COUNT)]
        level = level + season * [s.season_db for s in SIGNATURES] * np.array(calm)
        slope = np.array([(s.vv_slope, s.vh_slope)[band] for s in SIGNATURES])
        decibels = level.astype(np.float32)[land.truth]
        decibels += slope.astype(np.float32)[land.truth] * angle
        # The two bands of a field rise and fall together, mostly.
        own = field_of[0] * 0.8 + field_of[1] * 0.6 if band else field_of[0]
        of_field = (texture * PARCEL_DB[band]) * own[land.parcel % own.size]
        decibels += np.where(crops, of_field, np.float32(0)).astype(np.float32)
        decibels += np.float32(texture * DRIFT_DB) * drift
        decibels += np.float32(shift + texture * BAND_SHIFT_DB * rng.standard_normal())
        power = from_db(decibels)
        bands.append(power * (1 - land.road) + from_db(ROAD_DB[band]) * land.road)
    return np.stack(bands).astype(np.float32)


def draw_texture(rng: np.random.Generator, land: Mosaic, texture: float) -> Field:
    """Texture of mean 1, (2, H, W): gamma laws by class, correlated in space and between bands.

    The variance is `texture` / shape of the class; at 0 there is none.
    """
    shape = land.truth.shape
    if texture <= 0:
        return np.ones((2, *shape), np.float32)
    common, own = (_standard(blur(rng.standard_normal(shape), 0.6)) for _ in range(2))
    rest = math.sqrt(1 - TEXTURE_CORRELATION**2)
    result = np.empty((2, *shape), np.float32)
    for band, normal in enumerate((common, TEXTURE_CORRELATION * common + rest * own)):
        for number, signature in enumerate(SIGNATURES):
            inside = land.truth == number
            if inside.any():
                values = gamma_from_normal(normal[inside], signature.shape / texture)
                result[band][inside] = values
    return result


def draw_speckle(
    rng: np.random.Generator,
    shape: tuple[int, int],
    looks: float = 4.4,
    correlation: float = SPECKLE_CORRELATION,
) -> Field:
    """Multi-look speckle: mean 1, variance 1 / looks, correlated between neighbours.

    Each look is the squared modulus of complex noise under the instrument's point spread; looks
    overlap, so that of five only 4.4 count.

    Parameters
    ----------
    looks
        Equivalent number of looks, at least 1.
    correlation
        Of the intensity between neighbouring pixels, 0 to .6.
    """
    if looks < 1:
        raise ValueError(f"looks is {looks}; there is at least one")
    count = math.ceil(looks - 1e-9)
    # n looks whose intensities correlate by r count as n / (1 + (n - 1) r); r is the square of the
    # fields' own correlation.
    overlap = math.sqrt((count / looks - 1) / (count - 1)) if count > 1 else 0.0
    point_spread = _point_spread(correlation)
    shared = [_spread(rng, shape, point_spread) for _ in range(2)] if overlap > 0 else []
    total = np.zeros(shape, np.float32)
    for _ in range(count):
        for part in range(2):
            wave = _spread(rng, shape, point_spread)
            if overlap > 0:
                wave = math.sqrt(1 - overlap) * wave + math.sqrt(overlap) * shared[part]
            total += wave * wave
    return np.asarray(total / np.float32(2 * count))


def _point_spread(correlation: float) -> float:
    """The side tap a of (a, 1, a) that makes intensities of neighbours correlate so.

    Fields then correlate by 2a / (1 + 2a²) = sqrt(correlation).
    """
    amplitude = math.sqrt(correlation)
    if not 0 <= amplitude <= math.sqrt(0.5):
        raise ValueError(f"correlation is {correlation}; three taps give 0 to .5")
    if amplitude == 0:
        return 0.0
    return (1 - math.sqrt(max(0.0, 1 - 2 * amplitude**2))) / (2 * amplitude)


def _spread(rng: np.random.Generator, shape: tuple[int, int], side: float) -> Field:
    """Gaussian noise of variance 1 under the taps (side, 1, side) in both directions."""
    noise = rng.standard_normal((shape[0] + 2, shape[1] + 2), dtype=np.float32)
    tap = np.float32(side)
    down = noise[1:-1] + tap * (noise[:-2] + noise[2:])
    both = down[:, 1:-1] + tap * (down[:, :-2] + down[:, 2:])
    return np.asarray(both / np.float32(1 + 2 * side**2))


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of the map lie on the radar's own grid.

    `row`, `column` float32 (H, W), native pixels; `native` the native grid's shape.
    """

    row: Field
    column: Field
    native: tuple[int, int]
    turn: float
    scale: float


def draw_geometry(rng: np.random.Generator, shape: tuple[int, int], pixel_m: float) -> Geometry:
    """A pass, ascending or descending, over a scene of `shape` map pixels."""
    height, width = shape
    turn = math.radians(HEADING) * (1 if rng.random() < 0.5 else -1) + rng.normal(0, 0.01)
    scale = pixel_m / NATIVE_PIXEL_M
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    down = (np.arange(height, dtype=np.float32) - height / 2)[:, None]
    right = (np.arange(width, dtype=np.float32) - width / 2)[None, :]
    row, column = down * cos + right * sin, right * cos - down * sin
    row += 1.5 - row.min() + rng.random(dtype=np.float32)
    column += 1.5 - column.min() + rng.random(dtype=np.float32)
    native = (int(row.max()) + 3, int(column.max()) + 3)
    return Geometry(row.astype(np.float32), column.astype(np.float32), native, turn, scale)


def to_native(image: Field, geometry: Geometry) -> Field:
    """A map (bands, H, W) on the radar's grid, by the nearest pixel; beyond the map its edge."""
    height, width = image.shape[1:]
    cos, sin = math.cos(geometry.turn), math.sin(geometry.turn)
    # The inverse of `draw_geometry`, anchored at its first pixel.
    down = np.arange(geometry.native[0], dtype=np.float32)[:, None] - geometry.row[0, 0]
    right = np.arange(geometry.native[1], dtype=np.float32)[None, :] - geometry.column[0, 0]
    row = np.rint((down * cos - right * sin) / geometry.scale).astype(np.int32)
    column = np.rint((down * sin + right * cos) / geometry.scale).astype(np.int32)
    np.clip(row, 0, height - 1, out=row)
    np.clip(column, 0, width - 1, out=column)
    return np.asarray(image[:, row, column])


def to_map(native: Field, geometry: Geometry) -> Field:
    """A native image (bands, h, w) on the map's grid, by bilinear interpolation of power.

    As the public product does it; the equivalent number of looks then changes from place to place.
    """
    row, column = geometry.row.astype(np.int32), geometry.column.astype(np.int32)
    down, right = geometry.row - row, geometry.column - column
    flat = native.reshape(native.shape[0], -1)
    at = row * np.int32(native.shape[2]) + column
    below = at + np.int32(native.shape[2])
    result = np.empty((native.shape[0], *row.shape), np.float32)
    for band, values in enumerate(flat):
        top = values[at] * (1 - right) + values[at + 1] * right
        bottom = values[below] * (1 - right) + values[below + 1] * right
        result[band] = top * (1 - down) + bottom * down
    return result


def draw_incidence(rng: np.random.Generator, geometry: Geometry) -> Field:
    """Incidence in degrees, (H, W): somewhere in the swath, rising across the track."""
    reach = float(geometry.column.max() - geometry.column.min()) * NATIVE_PIXEL_M
    per_m = (INCIDENCE[1] - INCIDENCE[0]) / SWATH_M
    near = rng.uniform(INCIDENCE[0], max(INCIDENCE[0] + 0.1, INCIDENCE[1] - reach * per_m))
    across = (geometry.column - geometry.column.min()) * np.float32(NATIVE_PIXEL_M * per_m)
    return np.asarray(near + across, np.float32)


def draw_nodata(
    rng: np.random.Generator, geometry: Geometry, share: float
) -> npt.NDArray[np.bool_]:
    """Which pixels lie beyond the swath's edge, (H, W): a slanted border with `share` of them."""
    if share <= 0:
        return np.zeros(geometry.row.shape, bool)
    across = geometry.column if rng.random() < 0.7 else geometry.row
    if rng.random() < 0.5:
        across = -across
    return np.asarray(across < np.quantile(across[::4, ::4], share))


def _standard(values: Field) -> Field:
    return np.asarray((values - values.mean()) / values.std())
