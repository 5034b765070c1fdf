"""Forecasting's figures say what they should: numbers, places, labels; not how they look."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from academy.forecasting import figures
from academy.forecasting.data.panel import About, Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation.backtesting import backtest, one_by_one
from academy.forecasting.evaluation.comparing import compare, reliability_intervals
from academy.forecasting.evaluation.metrics import LEVELS
from academy.forecasting.naive import climatology, seasonal_naive
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

HORIZON = 6


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Two monthly series that end at different times; the first begins in a May."""
    rng = np.random.default_rng(0)
    season = 3 * np.cos(2 * np.pi * np.arange(12) / 12)
    long = np.resize(season, 240) + rng.normal(size=240).cumsum() * 0.1
    short = np.resize(season, 180) + rng.normal(size=180)
    return Panel.of(
        {"long": long, "short": short},
        frequency="month",
        starts={"long": "1980-05", "short": "1981-01"},
        about={name: About(unit="degree Celsius", title=f"the {name} one") for name in ("long",)},
    )


def with_quantiles(history, horizon):
    """Climatology with a fan of fixed width."""
    band = np.linspace(-1.5, 1.5, len(LEVELS))
    return {
        name: climatology(values, horizon, history.season)[:, None] + band
        for name, values in history.items()
    }


@pytest.fixture(scope="module")
def tested(panel):
    return {
        "seasonal naive": backtest(
            one_by_one(seasonal_naive), panel, HORIZON, origins=30, name="seasonal naive"
        ),
        "climatology": backtest(with_quantiles, panel, HORIZON, origins=30, name="climatology"),
    }


# --- time -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("frequency", "start", "expected"),
    [
        pytest.param("month", "1999-12", [1999 + 11 / 12, 2000.0], id="month"),
        pytest.param("year", "1999", [1999.0, 2000.0], id="year"),
        pytest.param("day", "1999-01-01", [1999.0, 1999 + 1 / 365.25], id="day"),
        pytest.param("week", "1999-01-01", [1999.0, 1999 + 7 / 365.25], id="week"),
    ],
)
def test_dates_are_in_years(frequency, start, expected) -> None:
    one = Panel.of({"a": [1.0, 2.0]}, frequency=frequency, starts={"a": start})
    np.testing.assert_allclose(figures.dates(one, "a"), expected)


def test_without_dates_steps_are_counted() -> None:
    assert figures.dates({"a": np.zeros(3)}, "a").tolist() == [0, 1, 2]
    assert figures.label({"a": np.zeros(3)}, "a") == ""


def test_units_are_written_as_on_a_thermometer(panel) -> None:
    assert figures.label(panel, "long") == "°C"


def test_series_share_a_time_axis_and_show_every_value(panel) -> None:
    figure = figures.series(panel)
    assert [axis.get_title().split(":")[0] for axis in figure.axes] == ["long", "short"]
    for axis, name in zip(figure.axes, panel, strict=True):
        where, values = axis.lines[0].get_data()
        np.testing.assert_array_equal(values, panel[name])
        np.testing.assert_allclose(where, figures.dates(panel, name))
    assert figures.series(panel, ["short"]).axes[0].get_title() == "short"


# --- decomposition --------------------------------------------------------------------------------
def drawn_season(figure):
    return np.asarray(figure.axes[1].lines[0].get_ydata())


def test_a_line_with_a_season_leaves_nothing() -> None:
    season = np.array([5.0, -1.0, -4.0, 0.0])
    values = 0.5 * np.arange(80) + np.resize(season, 80)
    figure = figures.decomposition(values, 4)
    line, below = figure.axes[0].lines[1].get_ydata(), figure.axes[2]
    np.testing.assert_allclose(np.diff(line), np.diff(line)[0], atol=1e-9)
    heights = np.concatenate(
        [path.vertices[:, 1] for found in below.collections for path in found.get_paths()]
    )
    assert np.abs(heights).max(initial=0) < 1e-6
    assert np.argmax(drawn_season(figure)) == 0
    assert np.argmin(drawn_season(figure)) == 2


@pytest.mark.parametrize("start", ["1980-01", "1980-05", "1980-12"])
def test_the_season_begins_in_january_whenever_the_series_does(start) -> None:
    months = np.arange(int(start[5:]) - 1, int(start[5:]) - 1 + 240) % 12
    one = Panel.of({"a": (months == 2).astype(float)}, frequency="month", starts={"a": start})
    figure = figures.decomposition(one["a"], times=figures.dates(one, "a"))
    assert np.argmax(drawn_season(figure)) == 2, "it is high in March"
    assert figure.axes[1].get_xlabel() == "month of the year"


def test_what_is_shorter_than_two_seasons_is_refused_by_name() -> None:
    with pytest.raises(SeriesError, match="lake"):
        figures.decomposition(np.arange(20.0), 12, title="lake")


# --- autocorrelation ------------------------------------------------------------------------------
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=10, max_size=60),
    st.floats(-1e3, 1e3),
    st.floats(0.1, 100),
)
def test_autocorrelation_knows_neither_level_nor_scale(values, level, scale) -> None:
    series = np.array(values)
    if series.std() < 1e-3:
        return
    found = figures.autocorrelation(series, 5)
    assert found[0] == pytest.approx(1)
    assert (np.abs(found) <= 1 + 1e-9).all()
    np.testing.assert_allclose(figures.autocorrelation(scale * series + level, 5), found, atol=1e-5)


def test_autocorrelation_of_an_ar1_falls_as_its_power() -> None:
    noise = np.random.default_rng(1).normal(size=40_000)
    values = np.zeros(noise.size)
    for step in range(1, noise.size):
        values[step] = 0.8 * values[step - 1] + noise[step]
    np.testing.assert_allclose(figures.autocorrelation(values, 4), 0.8 ** np.arange(5), atol=0.03)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.full(50, 0.1), id="constant"),
        pytest.param(np.arange(5.0), id="shorter than its lags"),
        pytest.param(np.array([1.0, np.nan] * 30), id="missing"),
        pytest.param(np.array([1.0, np.inf] * 30), id="infinite"),
    ],
)
def test_no_autocorrelation_is_a_message(values) -> None:
    with pytest.raises(SeriesError):
        figures.autocorrelation(values, 12)


def test_the_band_without_memory_is_the_shortest_ones(panel) -> None:
    axis = figures.acf({name: panel[name] for name in panel}, 12)
    box = axis.patches[0].get_extents().transformed(axis.transData.inverted())
    low, high = box.y0, box.y1
    assert high == pytest.approx(1.96 / np.sqrt(180))
    assert low == pytest.approx(-high)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "no memory",
        "long",
        "short",
    ]


# --- fans -----------------------------------------------------------------------------------------
def test_a_fan_begins_at_the_last_known_value_and_its_bands_lie_in_each_other() -> None:
    past, ahead = np.arange(30.0), 30 + np.linspace(-3, 3, 19) + np.zeros((5, 1))
    axis = figures.fan(plt.figure().add_subplot(), past, ahead, truth=np.full(5, 31.0), shown=10)
    known, median, came = (line.get_data() for line in axis.lines[:3])
    assert known[1].tolist() == past[-10:].tolist()
    assert (median[0][0], median[1][0]) == (29, 29)
    assert median[1][1:].tolist() == pytest.approx([30] * 5)
    assert came[1][1:].tolist() == [31] * 5
    heights = [np.ptp(each.get_paths()[0].vertices[:, 1]) for each in axis.collections]
    assert heights == sorted(heights, reverse=True), "90 %, 80 %, 50 %"
    # From the last value, 29, to the upper end of each band.
    assert heights[0] == pytest.approx(6)


def test_a_fan_of_points_is_refused() -> None:
    with pytest.raises(SeriesError, match="19"):
        figures.fan(plt.figure().add_subplot(), np.arange(9.0), np.zeros(5))


def test_reliability_draws_the_observed_shares_and_their_intervals(tested) -> None:
    one = tested["climatology"]
    axis = figures.reliability([one])
    line = axis.containers[0].lines[0]
    shares = reliability_intervals(one)
    np.testing.assert_allclose(line.get_ydata(), [share.share for share in shares])
    np.testing.assert_allclose(line.get_xdata(), LEVELS)
    bars = axis.containers[0].lines[2][0].get_segments()
    for bar, share in zip(bars, shares, strict=True):
        assert bar[:, 1].tolist() == pytest.approx([share.low, share.high])


# --- methods --------------------------------------------------------------------------------------
def test_a_method_keeps_its_colour_and_its_variants_have_it_too() -> None:
    assert figures.colour("LSTM, own scale") == figures.colour("LSTM")
    assert figures.colour("climatology 30 years") != figures.colour("climatology")
    assert len({to_hex(shade) for shade in figures.COLOURS.values()}) == len(figures.COLOURS)
    assert figures.colour("a", ["a", "b"]) != figures.colour("b", ["a", "b"])


def test_ratios_stand_where_the_scores_are(tested) -> None:
    scores = [each.scores() for each in tested.values()]
    figure = figures.ratios(scores)
    assert [axis.get_title() for axis in figure.axes] == ["long", "short", "all series"]
    for axis, column in zip(figure.axes, ("long", "short", None), strict=True):
        points = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"]
        expected = [
            s.relative_mase if column is None else s[column]["relative MASE"] for s in scores
        ]
        assert points == pytest.approx(expected)
        low, high = axis.get_xlim()
        assert all(low < point < high for point in points)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(tested)


def test_numbers_beside_points_stay_inside_their_panel(tested) -> None:
    # One method a tenth, another ten times the reference: the widest axis that there is.
    naive = tested["seasonal naive"]
    off = naive.point - naive.truth
    scores = [
        replace(naive, name=f"{factor:g}", point=naive.truth + factor * off).scores()
        for factor in (1, 0.1, 10)
    ]
    figure = figures.ratios(scores)
    figure.canvas.draw()
    for axis in figure.axes:
        frame = axis.get_window_extent()
        for text in axis.texts:
            box = text.get_window_extent()
            assert frame.x0 <= box.x0, text.get_text()
            assert box.x1 <= frame.x1, text.get_text()


def test_errors_by_origin_are_those_of_the_backtest(tested, panel) -> None:
    one = tested["climatology"]
    axis = figures.by_origin([one], "short", times=figures.dates(panel, "short"))
    where, error = axis.lines[0].get_data()
    at = one.names.index("short")
    assert error.mean() == pytest.approx(one.scores()["short"]["MASE"])
    np.testing.assert_allclose(where, figures.dates(panel, "short")[one.origins[at]])


@pytest.mark.parametrize("name", [None, "short"])
def test_skill_by_lead_is_one_minus_the_ratio_of_errors(tested, name) -> None:
    better, reference = tested["climatology"], tested["seasonal naive"]
    axis = figures.skill_by_lead([better], reference, name=name, interval="climatology")
    drawn = next(line for line in axis.lines if line.get_label() == "climatology").get_ydata()
    if name:
        better, reference = better.only(name), reference.only(name)
    # Each origin's error is scaled by what was known then, as in the MASE.
    errors = [
        (np.abs(e.truth - e.point) / e.scale[..., None]).mean(axis=1) for e in (better, reference)
    ]
    np.testing.assert_allclose(drawn, 1 - np.exp(np.log(errors[0] / errors[1]).mean(axis=0)))
    [band] = axis.collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    assert low < drawn.min()
    assert high > drawn.max()


def test_skill_of_an_unknown_series_is_a_message(tested) -> None:
    with pytest.raises(SeriesError, match="lake"):
        figures.skill_by_lead([tested["climatology"]], tested["seasonal naive"], name="lake")


def test_a_forest_says_ratio_interval_and_verdict(tested) -> None:
    pair = compare(tested["climatology"], tested["seasonal naive"])
    figure = figures.forest([pair], naive=[0.05])
    axis = figure.axes[0]
    lines = [np.asarray(line.get_xdata()) for line in axis.lines]
    assert any(np.allclose(line, [pair.low, pair.high]) for line in lines if line.size == 2)
    assert any(np.allclose(line, pair.ratio) for line in lines if line.size == 1)
    thin = pair.ratio * np.exp([-0.05, 0.05])
    assert any(np.allclose(line, thin) for line in lines if line.size == 2)
    [text] = axis.texts
    assert text.get_text().startswith(pair.verdict)
    assert axis.get_yticklabels()[0].get_text() == "climatology / seasonal naive"
