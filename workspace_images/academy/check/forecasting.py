"""Checks of the forecasting image: a sine of twelve months, three years of it."""

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


def xarray() -> str:
    import numpy as np
    import xarray as xr

    grid = xr.DataArray(
        np.arange(24.0).reshape(2, 3, 4),
        dims=("time", "lat", "lon"),
        coords={"lat": [-10.0, 0, 10]},
    )
    assert grid.sel(lat=0).mean("lon").to_numpy().tolist() == [5.5, 17.5]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "grid.nc")
        grid.to_netcdf(file, engine="scipy")
        with xr.open_dataarray(file, engine="scipy") as found:
            assert found.equals(grid)
    return xr.__version__


CHECKS = {
    "pandas": pandas,
    "statsmodels": statsmodels,
    "statsforecast": statsforecast,
    "neuralforecast": neuralforecast,
    "xarray": xarray,
}
