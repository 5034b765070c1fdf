"""A panel: views without copies, cuts that never show the future, files that are read warily."""

from __future__ import annotations

import copy
import doctest
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from academy.forecasting.data import panel as panel_module
from academy.forecasting.data import panel_files
from academy.forecasting.data.panel import About, MissingSeries, Panel
from academy.forecasting.data.series import SEASONS, SeriesError, as_series, times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ABOUT = About("K", "a buoy", "public domain", "Sea surface temperature")
STARTS = {"month": "1999-11", "year": "1999", "week": "1999-12-27", "day": "1999-12-31", None: None}
names = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF).filter(str.isprintable), min_size=1
).filter(lambda name: name.strip())
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@st.composite
def panels(draw):
    series = draw(
        st.dictionaries(
            names, st.lists(finite, min_size=1, max_size=30).map(np.array), min_size=1, max_size=6
        )
    )
    frequency = draw(st.sampled_from([*SEASONS, None]))
    about = {name: About(title=name, unit=draw(st.sampled_from(["K", "m"]))) for name in series}
    made = Panel.of(series, frequency=frequency, starts=STARTS[frequency], about=about)
    return series, made


def small() -> Panel:
    return Panel.of(
        {"a": [1.0, 2.0, 3.0, 4.0], "b": [5.0, 6.0]},
        frequency="month",
        starts={"a": "1999-11", "b": "2000-01"},
        about={"a": ABOUT},
    )


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(panel_module)
    assert result.attempted >= 8
    assert result.failed == 0


# --- a mapping -----------------------------------------------------------------------------------
@given(panels())
def test_a_panel_is_the_mapping_that_it_was_made_of(made):
    series, panel = made
    assert list(panel) == list(panel.names) == list(series)
    assert len(panel) == len(series)
    for name, values in series.items():
        assert name in panel
        assert panel[name].tolist() == values.tolist()
        assert panel[name].dtype == np.float64
        assert panel.about(name).title == name
    flat, offsets = panel.flat, panel.offsets
    for place, name in enumerate(panel):
        assert flat[offsets[place] : offsets[place + 1]].tolist() == panel[name].tolist()
    assert panel.lengths.tolist() == [len(values) for values in series.values()]
    assert Panel.of(panel) is panel
    assert Panel.of(dict(panel), frequency=panel.frequency) != small()


def test_a_series_is_a_view_that_nobody_can_write_into():
    panel = small()
    assert np.shares_memory(panel["a"], panel.flat)
    assert as_series(panel["a"]) is not None
    for array in (panel["a"], panel.flat, panel.bounds, panel.buffer):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9
    assert "c" not in panel
    assert 5 not in panel


def test_what_it_was_made_of_can_change_without_changing_it():
    values = np.array([1.0, 2.0])
    panel = Panel.of({"a": values})
    values[0] = 9
    assert panel["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("frequency", [*SEASONS, None])
def test_every_frequency_has_its_season_and_times(frequency):
    panel = Panel.of({"a": [1, 2, 3]}, frequency=frequency, starts=STARTS[frequency])
    expected = {"month": 12, "year": 1, "week": 52, "day": 7, None: 1}
    assert panel.season == expected[frequency]
    assert panel.start("a") == STARTS[frequency]
    if frequency is None:
        assert panel.times("a") == ["0", "1", "2"]
    else:
        assert panel.times("a") == times(STARTS[frequency], 3, frequency)
    assert Panel.of({"a": [1.0]}, frequency=frequency, season=365).until(0).season == 365


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"series": {}}, "at least one", id="none"),
        pytest.param({"series": {"a": []}}, "a is empty", id="empty"),
        pytest.param({"series": {"a": [1, np.nan]}}, r"a\[1\] is nan", id="missing"),
        pytest.param({"series": {"": [1]}}, "called ''", id="no-name"),
        pytest.param({"series": {"a\nb": [1]}}, "one line", id="two-lines"),
        pytest.param({"series": {5: [1]}}, "called 5; a name must be text", id="number-as-name"),
        pytest.param({"frequency": "hour"}, "'hour'; it must be one of", id="frequency"),
        pytest.param({"starts": "1999-11"}, "starts without a frequency", id="no-frequency"),
        pytest.param(
            {"frequency": "month", "starts": "1999"}, "start of a: '1999' is no month", id="start"
        ),
        pytest.param(
            {"frequency": "year", "starts": "9999"}, "start of a: .*0001 to 9999", id="far-future"
        ),
        pytest.param(
            {"frequency": "year", "starts": {"b": "1999"}}, "There is no series 'b'", id="stranger"
        ),
        pytest.param(
            {"series": {"a": [1], "b": [1]}, "frequency": "year", "starts": {"a": "1999"}},
            "starts says nothing of b",
            id="half-of-the-starts",
        ),
        pytest.param({"about": {"b": ABOUT}}, "There is no series 'b'", id="about-a-stranger"),
        pytest.param({"season": 0}, "season is 0", id="season-0"),
        pytest.param({"season": 1.5}, "season is 1.5", id="season-1.5"),
        pytest.param({"season": True}, "season is True", id="season-true"),
    ],
)
def test_what_is_no_panel_is_told(arguments, message):
    with pytest.raises(SeriesError, match=message):
        Panel.of(**{"series": {"a": [1, 2]}} | arguments)


@pytest.mark.parametrize("text", ["x" * 5001, 5], ids=["too-long", "no-text"])
def test_a_description_that_could_not_be_saved_is_told(text):
    with pytest.raises(SeriesError, match="About's source is"):
        About(source=text)


def test_a_name_that_is_not_there_is_told_with_those_near_it():
    panel = Panel.of({"ocean": [1], "carbon": [1]})
    with pytest.raises(MissingSeries, match=r"no series 'ocaen'; did you mean ocean\?") as caught:
        panel["ocaen"]
    assert isinstance(caught.value, KeyError)
    assert not str(caught.value).startswith('"')
    assert panel.get("ocaen") is None
    sent = pickle.dumps(caught.value)
    assert str(pickle.loads(sent)) == str(caught.value)  # noqa: S301 (our own)
    for call in (panel.start, panel.times, panel.about, panel.select):
        with pytest.raises(SeriesError, match="there is ocean, carbon"):
            call("zzz")


# --- cuts ----------------------------------------------------------------------------------------
@given(panels(), st.integers(0, 12))
def test_steps_back_is_what_was_known_then(made, back):
    series, panel = made
    short = [name for name, values in series.items() if len(values) <= back]
    if short:
        with pytest.raises(SeriesError, match=f"{back} steps back: it has"):
            panel.until(back)
        return
    cut = panel.until(back)
    for name, values in series.items():
        assert cut[name].tolist() == values[: len(values) - back].tolist()
        assert np.shares_memory(cut[name], panel.buffer)
        assert cut.start(name) == panel.start(name)
        assert cut.about(name) == panel.about(name)
    assert cut.until(0) == cut


@given(panels(), st.integers(1, 12))
def test_a_cut_never_holds_what_was_cut_away_in_its_flat_values(made, back):
    _, panel = made
    long = [name for name in panel if len(panel[name]) > back]
    if not long:
        return
    cut = panel.select(long).until(back)
    assert cut.flat.size == cut.lengths.sum() == cut.offsets[-1]
    assert cut.flat.tolist() == [value for name in cut for value in cut[name]]


def test_the_flat_values_of_a_whole_panel_are_no_copy_and_of_neighbours_neither():
    panel = Panel.of({name: [1, 2] for name in "abcd"})
    assert np.shares_memory(panel.flat, panel.buffer)
    assert np.shares_memory(panel.select(["b", "c"]).flat, panel.buffer)
    assert not np.shares_memory(panel.select(["b", "d"]).flat, panel.buffer)


def test_going_back_a_thousand_times_copies_nothing():
    panel = Panel.of({"a": np.arange(100_000.0)})
    cuts = [panel.until(back) for back in range(1000)]
    assert all(cut["a"].base is not None and cut.buffer.base is not None for cut in cuts)
    assert all(np.shares_memory(cut["a"], panel.buffer) for cut in cuts[::100])


@given(panels(), st.randoms())
def test_selecting_keeps_the_order_asked_for(made, random):
    _, panel = made
    chosen = random.sample(list(panel), random.randint(1, len(panel)))
    cut = panel.select(chosen)
    assert list(cut) == chosen
    assert all(cut[name].tolist() == panel[name].tolist() for name in chosen)
    assert list(panel.select(lambda name: name in chosen)) == [n for n in panel if n in chosen]
    assert list(panel.select(chosen[0])) == chosen[:1]


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        pytest.param(lambda p: p.until(-1), "must not be negative", id="forward"),
        pytest.param(lambda p: p.until(2), "Nothing is left of b 2 steps back", id="too-far-back"),
        pytest.param(lambda p: p.select([]), "No series is left", id="none"),
        pytest.param(lambda p: p.select(lambda _: False), "No series is left", id="no-to-all"),
        pytest.param(lambda p: p.select(["a", "a"]), "'a' is chosen twice", id="twice"),
        pytest.param(lambda p: p.between("2001-01"), "1999-11 to 2000-02", id="after-all"),
        pytest.param(lambda p: p.between("1999", None), "is no month", id="a-year"),
        pytest.param(lambda p: p.between("2000-02", "2000-01"), "comes after", id="backwards"),
        pytest.param(lambda p: Panel.of(dict(p)).between(), "no dates", id="no-dates"),
    ],
)
def test_a_cut_that_leaves_nothing_is_told(cut, message):
    with pytest.raises(SeriesError, match=message):
        cut(small())


def test_between_keeps_both_ends_and_leaves_out_who_has_no_step_there():
    cut = small().between("1999-12", "2000-01")
    assert {name: cut.times(name) for name in cut} == {
        "a": ["1999-12", "2000-01"],
        "b": ["2000-01"],
    }
    assert {name: cut[name].tolist() for name in cut} == {"a": [2.0, 3.0], "b": [5.0]}
    early = small().between(last="1999-12")
    assert list(early) == ["a"]
    assert early.about("a") == ABOUT
    assert small().between() == small()


@given(st.sampled_from(list(SEASONS)), st.integers(1, 20), st.integers(0, 25), st.integers(0, 25))
def test_between_agrees_with_comparing_labels(frequency, count, first, last):
    panel = Panel.of({"a": np.arange(count)}, frequency=frequency, starts=STARTS[frequency])
    labels = times(STARTS[frequency], 26, frequency)
    low, high = labels[first], labels[last]
    kept = [label for label in panel.times("a") if low <= label <= high]
    if not kept:
        with pytest.raises(SeriesError):
            panel.between(low, high)
        return
    assert panel.between(low, high).times("a") == kept


def test_a_week_counts_where_it_begins():
    panel = Panel.of({"a": [1, 2, 3]}, frequency="week", starts="2024-01-01")
    assert panel.between("2024-01-02", "2024-01-15").times("a") == ["2024-01-08", "2024-01-15"]
    assert panel.between("2024-01-01", "2024-01-14").times("a") == ["2024-01-01", "2024-01-08"]


# --- shown ---------------------------------------------------------------------------------------
def test_it_shows_what_it_holds_and_escapes_a_strangers_names():
    panel = Panel.of({f"<b>{number}": [1.0, 2.0] for number in range(20)}, about=ABOUT)
    text, page = repr(panel), panel._repr_html_()
    assert "20 series, 40 values in all" in text
    assert "… and 8 more" in text
    assert "… and 8 more" in page
    assert "<b>" in text
    assert "<b>" not in page
    assert "1999-11 to 2000-02" in repr(small())
    assert len(repr(panel).splitlines()) == 15


# --- on disk -------------------------------------------------------------------------------------
@given(panels(), st.sampled_from(["float32", "float64", None]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_panel_that_was_saved_comes_back_the_same(tmp_path, made, dtype):
    _, panel = made
    panel.save(tmp_path / "p", dtype)
    found = Panel.open(tmp_path / "p")
    assert found == panel
    assert found._description() == panel._description()
    assert panel.files(dtype) == {
        name: (tmp_path / "p" / name).read_bytes() for name in ("values.npy", "panel.json")
    }


def test_an_opened_panel_stays_on_disk(tmp_path):
    small().save(tmp_path)
    found = Panel.open(tmp_path)
    assert isinstance(found.buffer.base, np.memmap) or isinstance(found.buffer, np.memmap)
    assert np.shares_memory(found["a"], found.buffer)
    assert not found["a"].flags.writeable
    assert copy.deepcopy(found) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 (our own)


def test_a_panel_can_be_saved_over_the_one_that_it_is_a_view_of(tmp_path):
    small().save(tmp_path)
    found = Panel.open(tmp_path)
    found.until(1).save(tmp_path)
    assert found["a"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert Panel.open(tmp_path)["a"].tolist() == [1.0, 2.0, 3.0]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["panel.json", "values.npy"]


def test_a_disk_that_is_full_leaves_the_old_panel(tmp_path, monkeypatch):
    small().save(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(panel_files.np, "save", full)
    with pytest.raises(OSError, match="No space"):
        small().until(1).save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["panel.json", "values.npy"]
    assert Panel.open(tmp_path) == small()


@pytest.mark.parametrize("dtype", ["int64", "float16", "object"])
def test_another_width_is_told(tmp_path, dtype):
    with pytest.raises(SeriesError, match="must be float32 or float64"):
        small().save(tmp_path, dtype)


# --- hostile files -------------------------------------------------------------------------------
class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.target),)


def saved(array: object, **options: bool) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def archive() -> bytes:
    content = io.BytesIO()
    np.savez(content, a=np.ones(6))
    return content.getvalue()


HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"


def claimed(shape: bytes) -> bytes:
    header = HEADER % shape
    header += b" " * (118 - len(header) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(48)


VALUES = {
    "empty": b"",
    "text": b"1,2,3,4,5,6\n",
    "cut-off": saved(np.ones(6))[:-8],
    "archive": archive(),
    "table": saved(np.ones((2, 3))),
    "one-number": saved(np.float64(1)),
    "integers": saved(np.ones(6, np.int64)),
    "big-endian": saved(np.ones(6, ">f8")),
    "half": saved(np.ones(6, np.float16)),
    "complex": saved(np.ones(6, complex)),
    "structured": saved(np.ones(6, [("a", "f8")])),
    "too-many": saved(np.ones(7)),
    "too-few": saved(np.ones(5)),
    "missing": saved(np.array([1, 2, 3, np.nan, 5, 6])),
    "infinite": saved(np.array([1, 2, 3, 4, 5, -np.inf])),
    "a-petabyte": claimed(b"1" + b"0" * 15),
    "more-than-memory-has-addresses": claimed(b"9" * 30),
    "negative": claimed(b"-6"),
    "code-in-the-header": claimed(b"__import__('os')"),
}


@pytest.mark.parametrize("name", list(VALUES))
def test_values_that_are_not_what_they_should_be_are_refused(tmp_path, name):
    small().save(tmp_path)
    (tmp_path / "values.npy").write_bytes(VALUES[name])
    with pytest.raises(SeriesError, match=r"values\.npy"):
        Panel.open(tmp_path)


def test_a_pickle_is_never_opened(tmp_path):
    small().save(tmp_path)
    bomb = Bomb(tmp_path / "gone off")
    for content in (saved(np.array([bomb] * 6), allow_pickle=True), pickle.dumps(bomb)):
        (tmp_path / "values.npy").write_bytes(content)
        with pytest.raises(SeriesError, match=r"values\.npy"):
            Panel.open(tmp_path)
    assert not bomb.target.exists()


def table(**changes: object) -> dict[str, object]:
    document = json.loads(small().files()["panel.json"])
    return document | changes


ROW = ["a", 4, "1999-11", 0]
TABLES = {
    "a-list": [],
    "nothing": None,
    "another-format": table(format=2),
    "no-series": table(series=[]),
    "series-as-text": table(series="ab"),
    "series-as-numbers": table(series=[5]),
    "short-row": table(series=[ROW[:3]]),
    "twice": table(series=[ROW, ["a", 2, "1999-11", 0]]),
    "nameless": table(series=[["", 6, None, 0]]),
    "two-lines": table(series=[["a\n", 6, None, 0]]),
    "long-name": table(series=[["a" * 300, 6, None, 0]]),
    "no-steps": table(series=[["a", 0, None, 0], ["b", 6, None, 0]]),
    "negative-steps": table(series=[["a", 8, None, 0], ["b", -2, None, 0]]),
    "steps-as-text": table(series=[["a", "6", None, 0]]),
    "steps-as-yes": table(series=[["a", True, None, 0], ["b", 5, None, 0]]),
    "more-steps-than-numbers": table(series=[["a", 10**13, None, 0]]),
    "start-as-number": table(series=[["a", 6, 1999, 0]]),
    "start-is-none": table(series=[["a", 6, "1999-13", 0]]),
    "about-out-of-range": table(series=[["a", 6, None, 9]]),
    "about-negative": table(series=[["a", 6, None, -1]]),
    "about-incomplete": table(about=[{"unit": "K"}]),
    "about-not-text": table(about=[{"unit": 5, "source": "", "licence": "", "title": ""}]),
    "about-long": table(about=[{"unit": "K" * 6000, "source": "", "licence": "", "title": ""}]),
    "unknown-frequency": table(frequency="hour"),
    "frequency-as-list": table(frequency=["month"]),
    "no-season": table(season=0),
    "season-as-text": table(season="12"),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_that_is_not_what_it_should_be_is_refused(tmp_path, name):
    small().save(tmp_path)
    (tmp_path / "panel.json").write_text(json.dumps(TABLES[name]))
    with pytest.raises(SeriesError):
        Panel.open(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": 1' + b" " * 20, b"9" * 5000],
    ids=["empty", "cut-off", "no-utf8", "deep", "unclosed", "long-number"],
)
def test_a_table_that_is_no_json_is_refused(tmp_path, content):
    small().save(tmp_path)
    (tmp_path / "panel.json").write_bytes(content)
    with pytest.raises(SeriesError, match=r"panel\.json"):
        Panel.open(tmp_path)


def test_a_table_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    small().save(tmp_path)
    monkeypatch.setattr(panel_files, "MOST_TABLE_BYTES", 2**20)
    with (tmp_path / "panel.json").open("r+b") as file:
        file.truncate(2**21)
    with pytest.raises(SeriesError, match="larger than 1 MB"):
        Panel.open(tmp_path)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@given(st.binary(max_size=300), st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_bytes_thrown_into_either_file_give_a_panel_or_words(tmp_path, noise, place):
    for name, content in small().files().items():
        small().save(tmp_path)
        place_here = min(place, len(content))
        spoilt = content[:place_here] + noise + content[place_here + len(noise) :]
        (tmp_path / name).write_bytes(spoilt)
        try:
            found = Panel.open(tmp_path)
        except SeriesError:
            continue
        assert all(np.isfinite(values).all() for values in found.values())
        assert found.offsets[-1] == found.flat.size


@pytest.mark.parametrize("name", ["values.npy", "panel.json"])
def test_a_folder_without_a_panel_is_told(tmp_path, name):
    small().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SeriesError, match=f"{name} is not there"):
        Panel.open(tmp_path)
    with pytest.raises(SeriesError, match="There is no panel in"):
        Panel.open(tmp_path / "nowhere")
