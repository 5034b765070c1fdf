"""Kaggle's tables of a project: the solution from the answers, the sample from what is published.

And a second prediction, made as a participant would from public data alone, so that the metric is
tried on more than the sample.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from academy import kaggle as form
from academy import submissions
from academy.datasets import Dataset
from academy.land_cover.classes import COUNT, Labels
from academy.land_cover.floors import cell_features
from academy.land_cover.project import LandCover
from academy.land_cover.scene import Scene

from infra.publishing.kaggle import KaggleError
from infra.services.competition.projects import climate_series, land_cover

#: Gives a file of the project's answers in the vault by its name.
Vault = Callable[[str], bytes]
Data = Dataset | LandCover

_USAGE = {"public": "Public", "private": "Private"}
#: Scenes that the second prediction learns from, and cells of each.
_SCENES, _CELLS = 12, 400
_SEASONS = 3


@dataclass(frozen=True)
class Submission:
    """A prediction in both forms: what our scorer reads, and what Kaggle's metric does."""

    name: str
    ours: bytes
    kaggle: bytes

    @classmethod
    def of(cls, name: str, predictions: Any, data: Data) -> Submission:
        content, _ = submissions.packed(predictions, data)
        return cls(name, content, form.converted(content, data))


@dataclass(frozen=True)
class Tables:
    """`solution` holds the held-out answers; everything else may be seen by everyone."""

    solution: bytes
    sample: Submission
    trial: Submission


def build(data: Data, vault: Vault) -> Tables:
    """The tables of the project whose published data are `data`.

    Raises
    ------
    KaggleError
        Answers and data are not of one publication.
    """
    if isinstance(data, LandCover):
        return _land_cover(data, vault)
    return _climate_series(data, vault)


# --- land-cover -----------------------------------------------------------------------------------
def _land_cover(data: LandCover, vault: Vault) -> Tables:
    answers = land_cover.Answers.read(vault(land_cover.ANSWERS))
    shapes = {name: scene.shape for name, scene in answers.scenes.items()}
    _same(shapes, dict(data.task.held_out), "held-out scenes")
    for scene in data.held_out:
        if scene.labels is not None:
            raise KaggleError(
                f"the published scene {scene.name} has labels, and is held out: publish again, and "
                "tell nobody of this scene"
            )
    rows = []
    for name, held_out in answers.scenes.items():
        labels = np.frombuffer(held_out.labels, np.uint8)
        for row, runs in form.class_rows(name, labels):
            rows.append((row, runs, labels.size, _USAGE[held_out.part]))
    classifier = _Centroids(data.train)
    floor = {
        name: np.full(shape, classifier.commonest, np.uint8)
        for name, shape in data.task.held_out.items()
    }
    guess = {scene.name: classifier.map(scene) for scene in data.held_out}
    return Tables(
        _csv((form.ROW_ID, "rle", "cells", "Usage"), rows),
        Submission.of("the sample: the commonest class everywhere", floor, data),
        Submission.of("a map by the nearest class mean", guess, data),
    )


class _Centroids:
    """The simplest map that looks at the radar: each cell gets the class of the nearest mean."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        features, labels = [], []
        counts = np.zeros(COUNT, np.int64)
        for number, scene in enumerate(scenes):
            assert scene.labels is not None
            truth = np.asarray(scene.labels).ravel()
            counts += np.bincount(truth, minlength=256)[:COUNT]
            if number >= _SCENES:
                continue
            known = np.flatnonzero(truth < COUNT)
            draw = np.random.default_rng(number)
            chosen = draw.permutation(known)[:_CELLS]
            features.append(_features(scene)[chosen])
            labels.append(truth[chosen])
        seen, of = np.concatenate(features), np.concatenate(labels)
        self.commonest = int(np.argmax(counts))
        self._spread = np.maximum(seen.std(axis=0), 1e-6)
        self._classes = np.flatnonzero(np.bincount(of, minlength=COUNT))
        self._means = np.stack([seen[of == number].mean(axis=0) for number in self._classes])

    def map(self, scene: Scene) -> Labels:
        difference = (_features(scene)[:, None, :] - self._means[None]) / self._spread
        nearest = np.argmin((difference**2).sum(axis=2), axis=1)
        found: Labels = self._classes[nearest].astype(np.uint8).reshape(scene.label_shape)
        return found


def _features(scene: Scene) -> npt.NDArray[np.float64]:
    found = cell_features(scene, windows=(1, 5)).astype(np.float64)
    return np.nan_to_num(found, nan=-20.0)


# --- climate-series -------------------------------------------------------------------------------
def _climate_series(data: Dataset, vault: Vault) -> Tables:
    answers = climate_series.Answers.read(
        vault("answers.csv").decode("utf-8"), vault("scales.json").decode("utf-8")
    )
    asked = dict.fromkeys(((name, step) for name, step, _ in data.sample_submission), ())
    _same(dict.fromkeys(answers.points, ()), asked, "rows")
    rows = []
    for (name, step), (value, part) in answers.points.items():
        scale = answers.scales[name]
        rows.append(
            (
                f"{name}_{step}",
                repr(value),
                name,
                repr(scale.mase_scale),
                repr(scale.naive_mase[part]),
                _USAGE[part],
            )
        )
    season, horizon = data.task.season, data.task.horizon
    guess = {}
    for name, history in data.history.items():
        years = min(_SEASONS, len(history) // season)
        guess[name] = np.resize(
            history[-years * season :].reshape(years, season).mean(axis=0), horizon
        )
    return Tables(
        _csv((form.ROW_ID, "value", "series", "mase_scale", "naive_mase", "Usage"), rows),
        Submission.of("the sample: the seasonal naive", data.sample_submission, data),
        Submission.of(f"the mean of the last {_SEASONS} years", guess, data),
    )


# --- both -----------------------------------------------------------------------------------------
def _same(sealed: Mapping[Any, Any], published: Mapping[Any, Any], what: str) -> None:
    if sealed != published:
        raise KaggleError(
            f"the {what} that are published are not those of the sealed answers: run cohort "
            "publish again"
        )


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
