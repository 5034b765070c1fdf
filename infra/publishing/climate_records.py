"""Public climate records that ship inside Python packages, read without a network.

====================  ============================================  ===========================
record                what it is                                    licence
====================  ============================================  ===========================
``carbon``            CO2 at Mauna Loa, monthly means of weeks,     public domain, in statsmodels
                      1958 to 2001
``ocean``             sea surface temperature of the region Niño    public domain, in statsmodels
                      1+2, monthly, 1950 to 2010
``darwin``            Southern Oscillation Index from Darwin,       Open Government Licence, in
                      monthly, 1866 to 2012                         iris-sample-data
cells of a grid       a climate model's air temperature over        Open Government Licence, in
                      North America, yearly, 1860 to 2099           iris-sample-data
====================  ============================================  ===========================

``ocean`` is called ``elnino`` in statsmodels; it is not the region Niño 3.4. Where ocean and
atmosphere swing together (El Niño), ``darwin`` is low when ``ocean`` is warm: over 1950 to 2010
their monthly anomalies correlate by -.53.

The grid is the scenario A1B of the Met Office's model. iris-sample-data has the scenario E1, too;
until 1999 it is the same run to the last bit. Beside A1B it would be a look-up of the answers of
every origin before 2000, so it is left out. A year of the grid is a mean of December to November.

Two panels are published beside the sealed series: ``monthly``, of each record its longest run
without an absent month, and ``grid``. What needs NetCDF is read by the learners' own
`academy.forecasting.data.reading`. Nothing is interpolated.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.reading import read_grid

Values = npt.NDArray[np.float64]

PUBLIC_DOMAIN = "public domain"
#: As iris-sample-data says of its content.
OPEN_GOVERNMENT = (
    "contains public sector information licensed under the Open Government Licence, British Crown "
    "copyright 2018; https://www.nationalarchives.gov.uk/doc/open-government-licence"
)
#: How many bytes a value of each panel takes. float32 has seven digits: 0.00003 K of 300 K.
WIDTHS: Mapping[str, Any] = {"monthly": "float64", "grid": "float32"}


@dataclass(frozen=True)
class Record:
    """A public monthly record; absent months are not in it."""

    name: str
    months: tuple[str, ...]
    """``YYYY-MM``, ascending."""
    values: Values
    unit: str
    source: str
    licence: str = ""
    title: str = ""

    def longest_run(self) -> tuple[tuple[str, ...], Values]:
        """The longest part without an absent month."""
        numbers = [int(m[:4]) * 12 + int(m[5:]) - 1 for m in self.months]
        best = start = 0
        best_length = 0
        for position in range(1, len(numbers) + 1):
            if position == len(numbers) or numbers[position] != numbers[position - 1] + 1:
                if position - start > best_length:
                    best, best_length = start, position - start
                start = position
        return self.months[best : best + best_length], self.values[best : best + best_length]


def records() -> tuple[Record, Record]:
    """The two records that series are sealed from, carbon and ocean. No network."""
    from statsmodels.datasets import co2, elnino

    weekly = co2.load_pandas().data["co2"].dropna()
    monthly = weekly.groupby(weekly.index.strftime("%Y-%m")).mean().sort_index()
    carbon = Record(
        name="carbon",
        months=tuple(str(month) for month in monthly.index),
        values=np.asarray(monthly, dtype=np.float64),
        unit="ppmv",
        source="Keeling and Whorf (2004), CDIAC; plain means of weekly values",
        licence=PUBLIC_DOMAIN,
        title="CO2 in the air at Mauna Loa",
    )
    table = elnino.load_pandas().data
    years = [int(year) for year in table["YEAR"]]
    ocean = Record(
        name="ocean",
        months=tuple(f"{year}-{month:02}" for year in years for month in range(1, 13)),
        values=np.asarray(table.drop(columns="YEAR"), dtype=np.float64).ravel(),
        unit="degree Celsius",
        source="NOAA, ERSST.V3B",
        licence=PUBLIC_DOMAIN,
        title="Sea surface temperature of the region Nino 1+2 (0-10 S, 90-80 W)",
    )
    return carbon, ocean


def darwin() -> Record:
    """The Southern Oscillation Index from Darwin, as far as it goes: 1866 to 2012."""
    panel = read_grid(_iris_file("SOI_Darwin.nc"), "SOI_Darwin")
    return Record(
        name="darwin",
        months=tuple(panel.times("SOI_Darwin")),
        values=panel["SOI_Darwin"],
        unit="1",
        source=(
            "NCAR, after Trenberth (1984), Signal versus noise in the Southern Oscillation, "
            "Monthly Weather Review 112, 326-332"
        ),
        licence=OPEN_GOVERNMENT,
        title="Southern Oscillation Index from Darwin; low in an El Nino",
    )


def practice_records() -> tuple[Record, ...]:
    """All monthly records, those that are sealed first."""
    return (*records(), darwin())


def monthly_panel() -> Panel:
    """Each monthly record's longest run without an absent month."""
    series, starts, about = {}, {}, {}
    for record in practice_records():
        months, series[record.name] = record.longest_run()
        starts[record.name] = months[0]
        about[record.name] = About(record.unit, record.source, record.licence, record.title)
    return Panel.of(series, frequency="month", starts=starts, about=about)


@functools.cache
def grid_panel() -> Panel:
    """The cells of the climate model's North America: 37 x 49 series of 240 years, in kelvin."""
    return read_grid(
        _iris_file("A1B_north_america.nc"),
        "air_temperature",
        cells=True,
        about=About(
            unit="K",
            source=(
                "Met Office Unified Model 6.05, scenario A1B; simulated, not measured. "
                "A year is the mean of December to November."
            ),
            licence=OPEN_GOVERNMENT,
            title="Air temperature at 1.5 m, yearly mean, North America",
        ),
    )


@functools.cache
def panel_files() -> Mapping[str, bytes]:
    """The files of both panels, by name below the project's folder: ``panel/grid/values.npy``."""
    return {
        f"panel/{name}/{file}": content
        for name, panel in (("monthly", monthly_panel()), ("grid", grid_panel()))
        for file, content in panel.files(WIDTHS[name]).items()
    }


def note(public: Sequence[Record]) -> bytes:
    """The practice folder's README: what each record is, and what one may do with it."""
    grid = grid_panel()
    cell = grid.names[0]
    about, years = grid.about(cell), grid.times(cell)
    lines = [
        "Public records to practise on: columns series, month, value. Absent months are absent.",
        "",
        *(
            f"{record.name}.csv: {record.title}; one value a month, {record.months[0]} to "
            f"{record.months[-1]}; unit {record.unit}. Source: {record.source}. "
            f"Licence: {record.licence}."
            for record in public
        ),
        "",
        "Beside this folder, as panels (academy.dataset('climate-series').panel):",
        "",
        "panel/monthly: of each of these records its longest part without an absent month.",
        f"panel/grid: {about.title}; one value a year, {years[0]} to {years[-1]}, in each of "
        f"{len(grid)} cells; unit {about.unit}. Source: {about.source} Licence: {about.licence}.",
    ]
    return ("\n".join(lines) + "\n").encode()


def _iris_file(name: str) -> Path:
    import iris_sample_data

    return Path(iris_sample_data.path) / name
