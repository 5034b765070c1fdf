"""Backtests: what is known at each origin, what is kept of it, its tables, files and words."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
from academy.forecasting import climatology, seasonal_naive
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.evaluation import backtesting, metrics, scores
from academy.forecasting.evaluation.backtesting import (
    Backtest,
    Known,
    Scoreboard,
    Scores,
    backtest,
    one_by_one,
)
from academy.forecasting.evaluation.metrics import LEVELS, MEDIAN
from hypothesis import given
from hypothesis import strategies as st

naive = one_by_one(seasonal_naive)


def walk(count: int = 120, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count).cumsum()


def last_value(history, horizon):
    return {name: np.full(horizon, values[-1]) for name, values in history.items()}


def fan(history, horizon):
    """Quantiles around the last value, wider with every step; the median is a little off."""
    spread = np.arange(1, horizon + 1)[:, None] * (np.array(LEVELS) - 0.45)
    return {name: values[-1] + spread for name, values in history.items()}


@pytest.mark.parametrize("module", [backtesting, scores], ids=lambda each: each.__name__)
def test_the_examples_in_the_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.attempted >= 2
    assert result.failed == 0


# --- origins -------------------------------------------------------------------------------------
@st.composite
def plans(draw):
    """Series of several lengths, and horizon, origins, step and season that just fit or more."""
    horizon, origins = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    step, season = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    least = horizon + step * (origins - 1) + season + 1
    lengths = draw(st.lists(st.integers(least, least + 20), min_size=1, max_size=3))
    series = {f"s{at}": walk(length, at) for at, length in enumerate(lengths)}
    return series, horizon, {"origins": origins, "step": step, "season": season}


@given(plans())
def test_truth_naive_and_scale_are_those_of_plain_loops(plan):
    series, horizon, options = plan
    found = backtest(last_value, series, horizon, **options)
    season = options["season"]
    for (at, name), number in itertools.product(enumerate(series), range(options["origins"])):
        values = series[name]
        left = horizon + options["step"] * (options["origins"] - 1 - number)
        known = values[: values.size - left]
        assert found.origins[at, number] == known.size
        assert found.truth[at, number].tolist() == values[known.size :][:horizon].tolist()
        assert found.point[at, number].tolist() == [known[-1]] * horizon
        assert found.naive[at, number] == pytest.approx(seasonal_naive(known, horizon, season))
        assert found.scale[at, number] == pytest.approx(metrics.mase_scale(known, season))
    assert (np.diff(found.origins, axis=1) == options["step"]).all()
    assert (found.origins[:, -1] + horizon == [values.size for values in series.values()]).all()


@given(plans(), st.booleans())
def test_a_forecaster_gets_what_is_known_and_nothing_behind_it(plan, as_panel):
    series, horizon, options = plan
    seen = []

    def look(history, steps):
        assert steps == horizon
        seen.append({name: values.copy() for name, values in history.items()})
        for name, values in history.items():
            assert not values.flags.writeable
            # Also the memory behind a dict's history ends here.
            assert as_panel or values.base is None or values.base.size <= values.size, name
        return last_value(history, steps)

    found = backtest(look, Panel.of(series) if as_panel else series, horizon, **options)
    assert len(seen) == options["origins"]
    for number, history in enumerate(seen):
        for at, (name, values) in enumerate(series.items()):
            assert history[name].tolist() == values[: found.origins[at, number]].tolist()


@given(plans())
def test_what_comes_later_does_not_change_an_earlier_forecast(plan):
    series, horizon, options = plan
    before = backtest(fan, series, horizon, **options)
    changed = {name: values.copy() for name, values in series.items()}
    for at, name in enumerate(series):
        changed[name][before.origins[at, 0] :] += 100.0
    after = backtest(fan, changed, horizon, **options)
    assert np.array_equal(after.quantiles[:, 0], before.quantiles[:, 0])
    assert np.array_equal(after.naive[:, 0], before.naive[:, 0])
    assert np.array_equal(after.scale[:, 0], before.scale[:, 0])


def test_the_season_is_the_panels_twelve_or_the_one_that_is_given():
    yearly = Panel.of({"a": walk()}, frequency="year")
    assert backtest(naive, yearly, 3, origins=5).season == 1
    assert backtest(naive, {"a": walk()}, 3, origins=5).season == 12
    found = backtest(naive, yearly, 3, origins=5, season=4)
    assert found.season == 4
    assert Known({}, 7).season == 7
    assert one_by_one(seasonal_naive)(Known({"a": np.arange(7.0)}, 7), 2)["a"].tolist() == [0, 1]


def test_of_series_that_end_at_different_dates_none_tells_another_its_future():
    panel = Panel.of(
        {"early": walk(100), "late": walk(140, 1)},
        frequency="month",
        starts={"early": "1990-01", "late": "1990-01"},
    )
    wanted = []

    def look(history, horizon):
        last = {name: history.times(name)[-1] for name in history}
        assert len(set(last.values())) == 1 or set(history.wanted) == {"late"}
        wanted.append((max(last.values()), history.wanted))
        return last_value({name: history[name] for name in history.wanted}, horizon)

    found = backtest(look, panel, 6, origins=20)
    # 20 dates each: of early until 1997-10, of late until 2001-02.
    assert [names for _, names in wanted] == [("early",)] * 20 + [("late",)] * 20
    assert wanted == sorted(wanted)
    assert (wanted[19][0], wanted[-1][0]) == ("1997-10", "2001-02")
    assert found.origins[:, -1].tolist() == [94, 134]
    alone = backtest(last_value, {"early": panel["early"], "late": panel["late"]}, 6, origins=20)
    assert np.array_equal(found.point, alone.point)
    assert np.array_equal(found.truth, alone.truth)


@pytest.mark.parametrize("ends", ["together", "apart"])
def test_forecasters_find_the_season_that_is_tested_with(ends):
    """Also of a panel, which has a season of its own."""
    count = 140 if ends == "together" else 110
    panel = Panel.of(
        {"a": walk(140), "b": walk(count, 1)},
        frequency="day",
        starts={"a": "2000-01-01", "b": "2000-01-01"},
    )
    seen = set()

    def look(history, horizon):
        seen.add(history.season)
        return naive(history, horizon)

    found = backtest(look, panel, 3, origins=5, season=30)
    assert seen == {30}
    assert np.array_equal(found.point, found.naive)
    assert panel.season == 7


def test_progress_is_reported():
    told = []
    backtest(naive, {"a": walk()}, 3, origins=4, report=lambda *each: told.append(each))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


# --- models --------------------------------------------------------------------------------------
class Mean:
    """Fits a mean; tells how much was known then."""

    name = "the mean"

    def __init__(self, told=None) -> None:
        self.told = told
        self.mean: dict[str, float] = {}

    def fit(self, history):
        assert not self.mean, "fit starts on a copy as it was given"
        if self.told:
            self.told(len(history["a"]))
        self.mean = {name: float(values.mean()) for name, values in history.items()}
        return self

    def predict(self, history):
        return {name: np.full(9, self.mean[name]) for name in history}


class Wide(Mean):
    def predict_quantiles(self, history):
        return {name: self.mean[name] + np.tile(np.array(LEVELS), (9, 1)) for name in history}


@pytest.mark.parametrize(
    ("every", "fitted"),
    [(1, [54, 56, 58, 60]), (2, [54, 58]), (3, [54, 60]), (9, [54])],
)
def test_a_model_is_fitted_on_what_was_known_every_so_many_origins(every, fitted):
    known = []
    # A function is not copied with the model: it tells of the copies, too.
    model = Mean(lambda count: known.append(count))
    found = backtest(model, {"a": walk(63)}, 3, origins=4, step=2, refit_every=every)
    assert known == fitted
    assert model.mean == {}
    assert found.name == "the mean"
    # It is made for 9 steps; 3 are asked for.
    assert found.point.shape == (1, 4, 3)
    means = [walk(63)[:at].mean() for at in fitted for _ in range(every)][:4]
    assert found.point[0, :, 0] == pytest.approx(means)


def test_a_model_that_can_be_called_is_a_model_all_the_same():
    """As torch's modules are."""

    class Module(Mean):
        def __call__(self, rows):
            raise AssertionError("not asked for")

    found = backtest(Module(), {"a": walk(63)}, 3, origins=4)
    assert np.array_equal(found.point, backtest(Mean(), {"a": walk(63)}, 3, origins=4).point)


def test_a_models_points_stand_beside_its_quantiles():
    found = backtest(Wide(), {"a": walk(63)}, 3, origins=4)
    assert found.quantiles.shape == (1, 4, 3, 19)
    assert found.quantiles[..., 0] == pytest.approx(found.point + 0.05)


def test_of_quantiles_alone_the_median_is_the_point():
    found = backtest(fan, {"a": walk()}, 3, origins=4)
    assert np.array_equal(found.point, found.quantiles[..., MEDIAN])
    assert "quantiles, 1 series, 4 origins, horizon 3" in repr(found)


# --- measures ------------------------------------------------------------------------------------
def test_the_seasonal_naive_is_one_and_its_skill_zero():
    found = backtest(naive, {"a": walk(), "b": walk(90, 1)}, 6, origins=20)
    assert found.scores()["a"]["relative MASE"] == 1
    assert found.scores().relative_mase == 1
    assert found.by_lead() == pytest.approx(np.zeros(6), abs=1e-12)


def test_scores_are_the_metrics_of_what_was_said():
    found = backtest(fan, {"a": walk(), "b": 50 + walk(90, 1)}, 6, origins=20)
    table = found.scores()
    for at, name in enumerate("ab"):
        truth, said = found.truth[at], found.point[at]
        row = table[name]
        scaled = [
            metrics.mae(t, s) / k for t, s, k in zip(truth, said, found.scale[at], strict=True)
        ]
        floor = [
            metrics.mae(t, s) / k
            for t, s, k in zip(truth, found.naive[at], found.scale[at], strict=True)
        ]
        assert row["MASE"] == pytest.approx(np.mean(scaled))
        assert row["relative MASE"] == pytest.approx(np.mean(scaled) / np.mean(floor))
        assert row["RMSE"] == pytest.approx(metrics.rmse(truth, said))
        assert row["sMAPE"] == pytest.approx(metrics.smape(truth, said))
        assert row["WQL"] == pytest.approx(metrics.wql(truth, found.quantiles[at]))
        assert row["coverage of 80 %"] == metrics.coverage(truth, found.quantiles[at])
    ratios = [table[name]["relative MASE"] for name in "ab"]
    assert table.relative_mase == pytest.approx(metrics.geometric_mean(ratios))
    assert table.summary["WQL"] == pytest.approx(np.mean([table[n]["WQL"] for n in "ab"]))
    assert "RMSE" not in table.summary


def test_scores_of_some_leads_are_those_of_a_shorter_look():
    found = backtest(last_value, {"a": walk()}, 6, origins=20)
    first = found.scores(slice(0, 2))["a"]
    assert first["RMSE"] == pytest.approx(
        metrics.rmse(found.truth[0, :, :2], found.point[0, :, :2])
    )
    assert first["MASE"] < found.scores()["a"]["MASE"]
    with pytest.raises(SeriesError, match="no lead is left: the horizon is 6"):
        found.scores(slice(6, None))


def test_skill_by_lead_is_against_what_it_is_asked():
    series = {"a": np.random.default_rng(5).normal(size=200)}
    mine, theirs = (
        backtest(one_by_one(each), series, 4, origins=60) for each in (climatology, seasonal_naive)
    )
    errors = [np.abs(each.truth - each.point) / each.scale[..., None] for each in (mine, theirs)]
    expected = 1 - errors[0].mean(axis=(0, 1)) / errors[1].mean(axis=(0, 1))
    assert mine.by_lead() == pytest.approx(expected)
    assert mine.by_lead(theirs) == pytest.approx(expected)
    assert mine.by_lead(mine) == pytest.approx(np.zeros(4), abs=1e-12)
    assert theirs.by_lead(mine) == pytest.approx(1 - 1 / (1 - expected))


def test_skill_ends_at_one_and_an_exact_reference_has_none():
    values = walk()
    mine = backtest(
        lambda history, horizon: {"a": values[len(history["a"]) :][:horizon]},
        {"a": values},
        3,
        origins=9,
        name="oracle",
    )
    assert mine.by_lead().tolist() == [1, 1, 1]
    with pytest.raises(SeriesError, match="the reference is exact 1 steps ahead"):
        mine.by_lead(mine)


def test_reliability_counts_what_is_at_or_below():
    found = backtest(fan, {"a": walk()}, 3, origins=30)
    expected = [(found.truth <= found.quantiles[..., at]).mean() for at in range(19)]
    assert found.reliability() == pytest.approx(expected)
    with pytest.raises(SeriesError, match="seasonal_naive gave no quantiles"):
        backtest(naive, {"a": walk()}, 3, origins=9).reliability()


def test_only_takes_some_series():
    found = backtest(fan, {"a": walk(), "b": walk(90, 1), "c": walk(80, 2)}, 3, origins=9)
    some = found.only("c", "a")
    assert some.names == ("c", "a")
    assert some.scores()["a"] == found.scores()["a"]
    assert np.array_equal(some.quantiles[0], found.quantiles[2])
    assert np.array_equal(some.origins[0], found.origins[2])
    for names, message in ((("d",), "'d' was not tested; there is a, b, c"), ((), "no name")):
        with pytest.raises(SeriesError, match=message):
            found.only(*names)


def test_a_series_of_zeros_at_the_end_has_no_wql_but_the_rest():
    values = np.concatenate([walk(100), np.zeros(20)])
    found = backtest(fan, {"a": values, "b": walk()}, 3, origins=9)
    assert "WQL" not in found.scores()["a"]
    assert found.scores().summary["WQL"] == found.scores()["b"]["WQL"]


# --- tables --------------------------------------------------------------------------------------
def test_tables_show_every_series_and_escape_names():
    table = Scores("mine", {"<b>x</b>": {"relative MASE": 0.5, "coverage of 80 %": 0.8125}})
    text, html = repr(table), table._repr_html_()
    assert "mine" in text
    assert "all series" in text
    assert "81.2%" in text
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html


def test_the_board_puts_the_best_first():
    ratios = {"second": 2.0, "first": 1.0}
    table = Scoreboard.of(Scores(name, {"a": {"relative MASE": r}}) for name, r in ratios.items())
    assert [each.name for each in table.rows] == ["first", "second"]
    for text in (repr(table), table._repr_html_()):
        assert text.index("first") < text.index("second")


# --- cache and files -----------------------------------------------------------------------------
def test_a_cache_answers_for_the_same_values_and_settings_alone(tmp_path):
    calls = []

    def counted(history, horizon):
        calls.append(1)
        return fan(history, horizon)

    def run(series=None, horizon=3, name="mine", **options):
        calls.clear()
        given_ = {"a": walk()} if series is None else series
        found = backtest(
            counted, given_, horizon, **({"origins": 4} | options), name=name, cache=tmp_path
        )
        return found, len(calls)

    first, asked = run()
    assert asked == 4
    again, asked = run()
    assert asked == 0
    assert np.array_equal(again.quantiles, first.quantiles)
    assert (again.name, again.names, again.season) == ("mine", ("a",), 12)
    for other in (
        {"series": {"a": walk(seed=1)}},
        {"series": {"b": walk()}},
        {"horizon": 2},
        {"name": "theirs"},
        {"step": 2},
        {"season": 6},
        {"refit_every": 2},
    ):
        assert run(**other)[1] == 4, other
    assert run(origins=5)[1] == 5
    # A forecaster may look at the calendar.
    dated = [
        Panel.of({"a": walk()}, frequency=frequency, starts=start, season=12)
        for frequency, start in (("month", "2000-01"), ("month", "2000-07"), ("year", "1800"))
    ]
    assert [run(series=each)[1] for each in (*dated, *dated)] == [4] * 3 + [0] * 3
    with pytest.raises(SeriesError, match="give name=, too"):
        backtest(counted, {"a": walk()}, 3, cache=tmp_path)


@pytest.mark.parametrize("forecaster", [fan, last_value])
def test_a_file_gives_back_all_of_it(tmp_path, forecaster):
    found = backtest(forecaster, {"a": walk(), "ö": walk(90, 1)}, 3, origins=4, name="mine")
    file = tmp_path / "new" / "folder" / "found.npz"
    found.save(file)
    back = Backtest.load(file)
    assert (back.name, back.names, back.season) == (found.name, found.names, found.season)
    for part in ("truth", "point", "naive", "scale", "origins"):
        assert np.array_equal(getattr(back, part), getattr(found, part))
    assert (back.quantiles is None) == (found.quantiles is None)
    assert back.scores().series == found.scores().series
    assert [each.name for each in file.parent.iterdir()] == ["found.npz"]


def cut_short(file):
    file.write_bytes(file.read_bytes()[:-200])


def flip(file):
    content = bytearray(file.read_bytes())
    for at in range(600, len(content) - 900, 7):
        content[at] ^= 0x5A
    file.write_bytes(bytes(content))


def without(part):
    def change(file):
        with np.load(file) as stored:
            kept = {name: stored[name] for name in stored if name != part}
        np.savez(file, **kept)

    return change


def instead(part, values):
    def change(file):
        with np.load(file) as stored:
            kept = {name: stored[name] for name in stored} | {part: values}
        np.savez(file, **kept)

    return change


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.unlink(), id="absent"),
        pytest.param(lambda file: file.write_bytes(b""), id="empty"),
        pytest.param(lambda file: file.write_text("hello"), id="text"),
        pytest.param(lambda file: np.save(file.open("wb"), np.zeros(3)), id="one array"),
        pytest.param(cut_short, id="cut short"),
        pytest.param(flip, id="bits"),
        pytest.param(without("truth"), id="no truth"),
        pytest.param(without("about"), id="no about"),
        pytest.param(instead("scale", np.zeros((1, 3))), id="shape"),
        pytest.param(instead("truth", np.zeros(3)), id="axes"),
        pytest.param(instead("point", np.full((1, 4, 3), "x")), id="letters"),
        pytest.param(instead("point", np.full((1, 4, 3), None, object)), id="pickle"),
        pytest.param(instead("about", np.frombuffer(b"[1]", np.uint8)), id="about a list"),
        pytest.param(instead("about", np.frombuffer(b'{"format": 9}', np.uint8)), id="format"),
    ],
)
def test_a_damaged_file_is_refused_in_words(tmp_path, damage):
    file = tmp_path / "found.npz"
    backtest(fan, {"a": walk()}, 3, origins=4).save(file)
    damage(file)
    with pytest.raises(SeriesError, match="is no saved backtest"):
        Backtest.load(file)


# --- bad input -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("series", "message"),
    [
        pytest.param({}, "no series to test on", id="none"),
        pytest.param({"a": walk(), "b": walk(70)}, "b has 70 values: 60 origins", id="short"),
        pytest.param({"a": walk(5)}, "leave it out", id="hopeless"),
        pytest.param({"a": np.full(120, 3.0)}, "a repeats exactly", id="constant"),
        pytest.param({"a": np.resize(np.arange(12.0), 120)}, "repeats exactly", id="a season"),
        pytest.param(
            {"a": np.full(120, np.nan)}, "a: all of its 120 values are missing", id="missing"
        ),
        pytest.param({"a": [*walk(), np.inf]}, r"a\[120\] is inf", id="infinite"),
        pytest.param({"a": ["x"] * 120}, "a.*number", id="text"),
    ],
)
def test_bad_series_are_named(series, message):
    with pytest.raises(SeriesError, match=message):
        backtest(naive, series, 3)


@given(st.integers(16, 60), st.integers(1, 4), st.integers(1, 3))
def test_as_many_origins_fit_as_the_advice_says(length, horizon, step):
    series = {"a": walk(length)}
    with pytest.raises(SeriesError) as caught:
        backtest(naive, series, horizon, origins=99, step=step)
    said = str(caught.value)
    if "at most" not in said:
        assert "leave it out" in said
        fits = 0
    else:
        fits = int(said.split("at most ")[1].split()[0])
        assert backtest(naive, series, horizon, origins=fits, step=step).truth.shape[1] == fits
    with pytest.raises(SeriesError, match="before the first"):
        backtest(naive, series, horizon, origins=fits + 1, step=step)


@pytest.mark.parametrize("what", ["horizon", "origins", "step", "refit_every", "season"])
def test_settings_below_one_are_refused(what):
    options = {"horizon": 3, "origins": 4} | {what: 0}
    with pytest.raises(SeriesError, match=f"{what} is 0; it must be at least 1"):
        backtest(naive, {"a": walk()}, **options)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param([1.0, 2.0, 3.0], "a mapping; not list", id="no mapping"),
        pytest.param({"b": [1.0, 2.0, 3.0]}, "there is no forecast for a", id="left out"),
        pytest.param({"a": [1.0, 2.0]}, r"a: the shape is \(2,\)", id="short"),
        pytest.param({"a": 1.0}, r"a: the shape is \(\)", id="scalar"),
        pytest.param(
            {"a": np.zeros(5)}, r"a: the shape is \(5,\).*\[:3\] are the steps", id="long"
        ),
        pytest.param(
            {"a": np.zeros(117)},
            r"117 steps, which are the 114 known ones.*\[-3:\] are the steps that come next",
            id="with the past",
        ),
        pytest.param({"a": np.zeros((3, 9))}, r"expected \(3,\) or \(3, 19\)", id="nine levels"),
        pytest.param({"a": ["x", "y", "z"]}, "not made of numbers", id="text"),
        pytest.param({"a": [1.0, np.nan, 2.0]}, "step 2 ahead is not a finite number", id="nan"),
        pytest.param(
            {"a": np.tile(np.arange(19.0)[::-1], (3, 1))},
            r"step 1 ahead, the quantile 0\.05 is above that of 0\.1; sort",
            id="crossing",
        ),
    ],
)
def test_bad_forecasts_are_named_with_their_origin(said, message):
    with pytest.raises(SeriesError, match=f"mine, origin 0.*{message}"):
        backtest(lambda *_: said, {"a": walk()}, 3, origins=4, name="mine")


def test_points_of_some_and_quantiles_of_others_are_refused():
    def mixed(history, horizon):
        return fan(history, horizon) if len(history["a"]) % 2 else last_value(history, horizon)

    with pytest.raises(SeriesError, match="origin 1: quantiles of some series or origins"):
        backtest(mixed, {"a": walk()}, 3, origins=4)


def test_a_model_whose_points_are_quantiles_is_refused():
    class Confused(Wide):
        def predict(self, history):
            return self.predict_quantiles(history)

    with pytest.raises(SeriesError, match="predict gives quantiles; points expected"):
        backtest(Confused(), {"a": walk()}, 3, origins=4)
