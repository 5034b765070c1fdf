"""Checks of the forecasting image: a sine of twelve months, and a grid as NetCDF and Zarr."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def _frame() -> Any:
    """Three years of a monthly sine, as the forecasting libraries want their tables."""
    import numpy as np
    import pandas as pd

    months = pd.date_range("2020-01-01", periods=48, freq="MS")
    value = np.sin(np.arange(48) * np.pi / 6)
    return pd.DataFrame({"unique_id": "sine", "ds": months, "y": value})


def pandas() -> str:
    import pandas as pd

    yearly = _frame().set_index("ds")["y"].resample("YS").mean()
    assert abs(yearly).max() < 1e-9
    return pd.__version__


def statsmodels() -> str:
    import statsmodels
    from statsmodels.tsa.seasonal import STL

    parts = STL(_frame()["y"], period=12).fit()
    assert parts.resid.abs().max() < 0.05
    return statsmodels.__version__


def statsforecast() -> str:
    import numpy as np
    import statsforecast
    from statsforecast.models import SeasonalNaive

    frame = _frame()
    model = statsforecast.StatsForecast([SeasonalNaive(12)], freq="MS")
    made = model.forecast(df=frame, h=12)["SeasonalNaive"].to_numpy()
    assert np.allclose(made, frame["y"].to_numpy()[-12:])
    return statsforecast.__version__


def neuralforecast() -> str:
    """A real, if tiny, training: it learns the sine, whose mean would err by 0.62."""
    import logging

    import numpy as np
    import neuralforecast  # isort: skip (first party of nobody)
    from neuralforecast.models import MLP

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    frame = _frame()
    with tempfile.TemporaryDirectory() as scratch:
        model = MLP(
            h=6,
            input_size=12,
            max_steps=100,
            learning_rate=0.01,
            hidden_size=32,
            num_layers=2,
            random_seed=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=scratch,
        )
        forecast = neuralforecast.NeuralForecast([model], freq="MS")
        forecast.fit(frame.iloc[:-6])
        made = forecast.predict()["MLP"].to_numpy()
    error = np.abs(made - frame["y"].to_numpy()[-6:]).mean()
    assert error < 0.3, error
    return f"{neuralforecast.__version__}, error {error:.2f} of a sine"


def _grid() -> Any:
    """Three years of months in a climate model's calendar, over three latitudes."""
    import cftime
    import numpy as np
    import xarray as xr

    months = [cftime.Datetime360Day(2000 + n // 12, n % 12 + 1, 16) for n in range(36)]
    axes = {"time": months, "lat": [-10.0, 0, 10], "lon": [5.0]}
    values = np.arange(108.0).reshape(36, 3, 1)
    return xr.DataArray(values, dims=tuple(axes), coords=axes, name="t")


def xarray() -> str:
    import xarray as xr

    assert _grid().sel(lat=0).mean("time").to_numpy().tolist() == [53.5]
    return xr.__version__


def cftime() -> str:
    import cftime

    assert str(_grid().indexes["time"][1] - _grid().indexes["time"][0]) == "30 days, 0:00:00"
    return cftime.__version__


def h5py() -> str:
    import h5py
    import numpy as np

    with tempfile.TemporaryDirectory() as scratch:
        with h5py.File(Path(scratch, "numbers.h5"), "w") as file:
            file["numbers"] = np.arange(3)
        with h5py.File(Path(scratch, "numbers.h5")) as file:
            assert file["numbers"][1:].tolist() == [1, 2]
    return h5py.__version__


def h5netcdf() -> str:
    """A NetCDF file, by the learners' reader."""
    import h5netcdf

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "grid.nc")
        _grid().to_netcdf(file, engine="h5netcdf")
        _is_read(file)
    return h5netcdf.__version__


def zarr() -> str:
    """A Zarr store, by the learners' reader."""
    import zarr

    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch, "grid.zarr")
        _grid().to_dataset().to_zarr(store, consolidated=False)
        _is_read(store)
    return zarr.__version__


def _is_read(file: Path) -> None:
    """Holds what `academy` reads at a point of the grid against the grid."""
    from academy.forecasting.data.reading import read_grid

    panel = read_grid(file, point=(0, 5))
    assert panel["t"].tolist() == [3.0 * n + 1 for n in range(36)]


CHECKS = {
    "pandas": pandas,
    "statsmodels": statsmodels,
    "statsforecast": statsforecast,
    "neuralforecast": neuralforecast,
    "xarray": xarray,
    "cftime": cftime,
    "h5py": h5py,
    "h5netcdf": h5netcdf,
    "zarr": zarr,
}
