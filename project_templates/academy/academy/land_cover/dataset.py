"""Crops as torch wants them: in decibels, normalised by the training scenes, reproducible.

>>> from academy.data.simulator import simulate
>>> scenes = [simulate(seed, height=96, width=96) for seed in (1, 2)]
>>> crops = Crops(scenes, BiasedCrops(scenes, size=32, seed=5), Normalisation.fit(scenes))
>>> batches = loader(crops, range(64), batch_size=16)
>>> next(iter(batches))["image"].shape
torch.Size([16, 2, 32, 32])
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data import Sampler as TorchSampler

from academy.land_cover.augmentation import NONE, Augmentation
from academy.land_cover.sampling import BiasedCrops, Crop, GridCrops, RandomCrops, Sampler
from academy.land_cover.scene import BANDS, Power, Scene, SceneError

__all__ = ["BiasedCrops", "Crop", "Crops", "GridCrops", "Normalisation", "RandomCrops", "loader"]

#: Power below this counts as this much: -50 dB, far below the noise floor.
LEAST_POWER = 1e-5

_DB = 10 / math.log(10)


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation in dB of each band, of the *training* scenes.

    From test scenes they would tell the model about them; from each scene apart they would hide
    the level of a scene, which is information.
    """

    mean_db: tuple[float, ...]
    std_db: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean_db) != len(BANDS) or len(self.std_db) != len(BANDS):
            raise ValueError(f"means and deviations of {len(BANDS)} bands are needed")
        if not all(np.isfinite(self.mean_db)) or not all(each > 0 for each in self.std_db):
            raise ValueError(f"mean {self.mean_db} and deviation {self.std_db} cannot normalise")

    @classmethod
    def fit(cls, scenes: Iterable[Scene]) -> Normalisation:
        """From every valid pixel of the training scenes.

        Raises
        ------
        SceneError
            A scene is held out, there is none, or none has a valid pixel.
        """
        total = np.zeros(2 * len(BANDS))
        count = 0
        for scene in scenes:
            if scene.labels is None or scene.metadata.get("held_out"):
                raise SceneError(
                    f"scene {scene.name} is held out; normalise by the training scenes only"
                )
            strip = max(1, 2_000_000 // scene.shape[1])
            for top in range(0, scene.shape[0], strip):
                part = _decibels(scene.gamma0[:, top : top + strip])
                valid = np.isfinite(part[0] + part[1])
                count += int(valid.sum())
                for band, values in enumerate(part):
                    used = values[valid].astype(np.float64)
                    total[band] += used.sum()
                    total[len(BANDS) + band] += used @ used
        if count == 0:
            raise SceneError("no training scene has a valid pixel")
        mean = total[: len(BANDS)] / count
        variance = total[len(BANDS) :] / count - mean**2
        return cls(tuple(mean.tolist()), tuple(np.sqrt(np.maximum(variance, 1e-6)).tolist()))

    def __call__(self, gamma0: Power) -> npt.NDArray[np.float32]:
        """Linear gamma0 (2, H, W) to normalised decibels, float32; nodata becomes 0, the mean."""
        image = np.maximum(gamma0, np.float32(LEAST_POWER))
        np.log(image, out=image)
        for band in range(len(BANDS)):
            image[band] *= np.float32(_DB / self.std_db[band])
            image[band] -= np.float32(self.mean_db[band] / self.std_db[band])
        if not np.isfinite(image.sum()):
            image[~np.isfinite(image)] = 0
        return image

    def as_json(self) -> dict[str, list[float]]:
        """For a model's settings file; `Normalisation(**...)` takes it back."""
        return {key: list(value) for key, value in asdict(self).items()}


def _decibels(gamma0: Power) -> npt.NDArray[np.float32]:
    return np.asarray(
        np.log(np.maximum(gamma0, np.float32(LEAST_POWER))) * np.float32(_DB), np.float32
    )


class Crops(Dataset[dict[str, Any]]):
    """Numbered crops of scenes, for any `torch.utils.data.DataLoader`.

    Item n is a dictionary:

    - ``image`` float32 (2, size, size), normalised decibels, nodata 0
    - ``label`` int64 (size, size), 255 ignored
    - ``number`` n, ``scene``, ``row``, ``column``, ``aimed``: where it is from
    - ``probability`` float64: of its place in one draw of the sampler

    Item n is the same in every worker and every order: its place hangs on the sampler's seed and
    n, its augmentation on `seed` and n. There are endlessly many (a grid has its own number): an
    epoch is a range of numbers, and the next epoch is the next range.

    Parameters
    ----------
    scenes
        The scenes the sampler was made for, in its order.
    sampler
        `RandomCrops`, `GridCrops` or `BiasedCrops`.
    normalisation
        Of the training scenes.
    augmentation
        None for none.
    seed
        Of the augmentation.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        sampler: Sampler,
        normalisation: Normalisation,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.scenes = list(scenes)
        self.sampler = sampler
        self.normalisation = normalisation
        self.augmentation = augmentation or NONE
        if seed < 0:
            raise ValueError(f"seed is {seed}; it must not be negative")
        self.seed = seed

    def __getitem__(self, number: int) -> dict[str, Any]:
        crop, size = self.sampler.crop(number), self.sampler.size
        gamma0, labels = self.scenes[crop.scene].window(crop.row, crop.column, size, size)
        probability = self.sampler.probability(crop, labels)
        if self.augmentation != NONE:
            # A second word keeps this stream apart from the sampler's own.
            rng = np.random.default_rng([self.seed, 1, number])
            gamma0, labels = self.augmentation(gamma0, labels, rng)
        image = self.normalisation(gamma0)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image)),
            "label": torch.from_numpy(labels.astype(np.int64)),
            "number": number,
            "scene": crop.scene,
            "row": crop.row,
            "column": crop.column,
            "aimed": crop.aimed,
            "probability": probability,
        }


class _Numbers(TorchSampler[int]):
    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def loader(
    crops: Crops, numbers: Sequence[int], batch_size: int = 16, workers: int = 0, **more: Any
) -> DataLoader[dict[str, Any]]:
    """A plain DataLoader over the crops with these numbers, in this order.

    The same numbers give the same batches with any number of workers. For epoch e of n crops ask
    for ``range(e * n, (e + 1) * n)``; of several processes, process r of w takes every w-th:
    ``range(e * n + r, (e + 1) * n, w)``.

    Parameters
    ----------
    more
        Goes to DataLoader.
    """
    return DataLoader(
        crops, batch_size=batch_size, sampler=_Numbers(numbers), num_workers=workers, **more
    )
