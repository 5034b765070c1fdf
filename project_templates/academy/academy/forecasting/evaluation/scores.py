"""The table of a forecaster's measures, series by series, and their summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from academy.forecasting.evaluation.metrics import geometric_mean
from academy.tables import html_table, text_table, untypeset

#: Ratios are summarised by their geometric mean, all else by the mean over the series.
RATIOS = ("relative MASE",)
_ALL = "all series"


@dataclass(frozen=True)
class Scores:
    """Measures of one forecaster; shown as a table.

    Attributes
    ----------
    name : str
        The forecaster's.
    series : dict
        For each series its measures: "relative MASE", "MASE", "sMAPE", "RMSE" and, of quantiles,
        "WQL" and "coverage of 80 %". A series that is 0 throughout has no WQL.

    Examples
    --------
    >>> scores = Scores("mine", {"a": {"relative MASE": 0.5}, "b": {"relative MASE": 2.0}})
    >>> scores["a"]["relative MASE"], scores.relative_mase
    (0.5, 1.0)
    """

    name: str
    series: Mapping[str, Mapping[str, float]]

    def __getitem__(self, name: str) -> Mapping[str, float]:
        return self.series[name]

    @property
    def measures(self) -> list[str]:
        """The measures that any series has, in the table's order."""
        return list(dict.fromkeys(name for row in self.series.values() for name in row))

    @property
    def summary(self) -> dict[str, float]:
        """Over all series: the geometric mean of ratios, the mean of all else.

        The RMSE has none: units differ from series to series.
        """
        found = {}
        for measure in self.measures:
            values = [row[measure] for row in self.series.values() if measure in row]
            if measure in RATIOS:
                found[measure] = geometric_mean(values)
            elif measure != "RMSE":
                found[measure] = float(np.mean(values))
        return found

    @property
    def relative_mase(self) -> float:
        """Geometric mean of the ratios to the seasonal naive: 1 is the naive, lower is better."""
        return self.summary["relative MASE"]

    def _rows(self) -> list[dict[str, str]]:
        rows = [{"series": name, **_written(row)} for name, row in self.series.items()]
        return [*rows, {"series": _ALL, **_written(self.summary)}]

    def __repr__(self) -> str:
        return f"{self.name}\n{text_table(['series', *self.measures], self._rows())}"

    @untypeset
    def _repr_html_(self) -> str:
        styles = [""] * len(self.series) + ["font-weight:bold"]
        return html_table(["series", *self.measures], self._rows(), styles=styles)


@dataclass(frozen=True)
class Scoreboard:
    """Several forecasters' summaries, best first; shown as a table."""

    rows: tuple[Scores, ...]

    @classmethod
    def of(cls, scores: Iterable[Scores]) -> Scoreboard:
        """Sorted by the relative MASE."""
        return cls(tuple(sorted(scores, key=lambda each: each.relative_mase)))

    def _table(self) -> tuple[list[str], list[dict[str, str]]]:
        summaries = [(each.name, each.summary) for each in self.rows]
        measures = dict.fromkeys(measure for _, summary in summaries for measure in summary)
        return ["forecaster", *measures], [
            {"forecaster": name, **_written(summary)} for name, summary in summaries
        ]

    def __repr__(self) -> str:
        return text_table(*self._table())

    @untypeset
    def _repr_html_(self) -> str:
        return html_table(*self._table())


def _written(values: Mapping[str, float]) -> dict[str, str]:
    return {
        name: f"{value:.1%}" if name.startswith("coverage") else f"{value:.4g}"
        for name, value in values.items()
    }
