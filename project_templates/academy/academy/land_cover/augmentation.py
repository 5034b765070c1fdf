"""Changes to a crop that a radar could have seen itself: mirrored, turned, with other speckle.

Not here: colour jitter. Brightness and contrast in decibels *are* the measurement, and the two
bands' difference tells a forest from a field; an augmentation that changes them teaches that it
does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from academy.land_cover.classes import Labels
from academy.land_cover.gamma_law import draw_gamma
from academy.land_cover.scene import Power


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training crop, each with a probability of its own.

    Parameters
    ----------
    flips
        Mirror up-down and left-right, each in half of the crops.
    turns
        Turn by 0, 90, 180 or 270 degrees. Right for terrain-corrected images of land; on steep
        terrain layover and shadow have a direction, and this should be off.
    speckle_looks
        Multiply by speckle of this many looks, of mean 1, new for each crop; None for none. The
        image then has 1 / (1/L + 1/looks) looks or so: choose it several times the scene's own.
    """

    flips: bool = True
    turns: bool = True
    speckle_looks: float | None = 32.0

    def __post_init__(self) -> None:
        if self.speckle_looks is not None and self.speckle_looks < 1:
            raise ValueError(f"speckle_looks is {self.speckle_looks}; it must be at least 1")

    def __call__(
        self, gamma0: Power, labels: Labels, rng: np.random.Generator
    ) -> tuple[Power, Labels]:
        """A changed crop: gamma0 (2, h, w) in linear power, labels (h, w); both square.

        Pixels and labels move together. What is given is not written to.
        """
        # All numbers are drawn whatever is switched on: switches do not change the rest.
        flip, turn = rng.random(2) < 0.5, int(rng.integers(4))
        if self.flips:
            if flip[0]:
                gamma0, labels = gamma0[:, ::-1], labels[::-1]
            if flip[1]:
                gamma0, labels = gamma0[:, :, ::-1], labels[:, ::-1]
        if self.turns and turn:
            gamma0 = np.rot90(gamma0, turn, axes=(1, 2))
            labels = np.rot90(labels, turn)
        if self.speckle_looks is not None:
            gamma0 = gamma0 * draw_gamma(rng, gamma0.shape, self.speckle_looks)
        return gamma0, labels


#: For validation: crops as they are.
NONE = Augmentation(flips=False, turns=False, speckle_looks=None)
