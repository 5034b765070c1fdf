"""Windows over ragged panels: views without copies, none lost, none from beyond a series' end."""

from __future__ import annotations

import doctest
import importlib
import tracemalloc

import numpy as np
import pytest
from academy.forecasting.data.panel import Panel
from academy.forecasting.data.series import SeriesError
from academy.forecasting.data.windows import Windows, collate, holdout, windows
from hypothesis import given
from hypothesis import strategies as st

# Every value tells whose it is and where it stands: 1000 times the series, plus the step.
LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def marked(lengths: list[int]) -> Panel:
    return Panel.of({f"s{k}": 1000.0 * k + np.arange(n) for k, n in enumerate(lengths)})


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(importlib.import_module("academy.forecasting.data.windows")).failed == 0


@given(LENGTHS, st.integers(1, 8), st.integers(1, 8), st.integers(1, 5))
def test_the_windows_are_those_of_each_series_by_itself(lengths, context, horizon, step):
    panel = marked(lengths)
    fits = {name: values for name, values in panel.items() if values.size >= context + horizon}
    if not fits:
        with pytest.raises(SeriesError, match="No series is long enough"):
            Windows(panel, context, horizon, step)
        return
    found = Windows(panel, context, horizon, step)
    expected = []
    for name, values in fits.items():
        # Counted from the end: the newest window is never left out.
        last = values.size - context - horizon
        expected += [(name, start) for start in sorted(range(last, -1, -step))]
    assert [(each.name, each.position) for each in found] == expected
    for each in found:
        whole = np.concatenate([each.past, each.future])
        assert np.array_equal(whole, panel[each.name][each.position :][: context + horizon])
    assert found.left_out == {n: v.size for n, v in panel.items() if n not in fits}


@given(LENGTHS, st.data())
def test_many_at_once_are_the_same_as_one_by_one(lengths, data):
    found = Windows(marked([*lengths, 9]), 3, 2)
    indices = data.draw(st.lists(st.integers(-len(found), len(found) - 1), max_size=8))
    past, future = found.gather(np.array(indices, dtype=int))
    assert past.shape == (len(indices), 3)
    assert future.shape == (len(indices), 2)
    for row, index in enumerate(indices):
        assert np.array_equal(past[row], found[index].past)
        assert np.array_equal(future[row], found[index].future)


def test_a_window_is_a_read_only_view_into_the_panel():
    panel = marked([20, 5, 30])
    for each in Windows(panel, 4, 2):
        assert np.shares_memory(each.past, panel.buffer)
        assert np.shares_memory(each.future, panel.buffer)
        with pytest.raises(ValueError, match="read-only"):
            each.past[0] = 0


def test_windows_of_a_cut_never_reach_behind_it():
    panel = marked([40, 50])
    known = Windows(panel.until(10), 6, 3)
    assert max(each.future.max() for each in known if each.name == "s0") == 29
    assert max(each.future.max() for each in known if each.name == "s1") == 1039
    assert np.shares_memory(known[0].past, panel.buffer)


def test_a_panel_on_disk_is_not_read_into_memory(tmp_path):
    rows = 2_000_000
    Panel.of({"a": np.arange(rows, dtype=float), "b": np.ones(9)}).save(tmp_path)
    panel = Panel.open(tmp_path)
    tracemalloc.start()
    found = Windows(panel, 24, 12)
    samples = [found[number] for number in range(0, len(found), 100_000)]
    batch, _ = found.gather(np.arange(64) * 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == rows - 35
    assert found.left_out == {"b": 9}
    assert isinstance(samples[3].past.base, np.ndarray)
    assert np.shares_memory(samples[3].past, panel.buffer)
    assert batch[1, 0] == 1000
    # 16 MB are on disk; a mask or an index over all windows would have as many.
    assert peak < 1_000_000


def test_they_are_a_dataset_for_pytorch():
    torch = pytest.importorskip("torch")
    found = Windows(marked([12, 4, 15]), 4, 2)
    loader = torch.utils.data.DataLoader(found, batch_size=5, collate_fn=collate)
    batches = list(loader)
    assert sum(len(batch["name"]) for batch in batches) == len(found)
    assert batches[0]["past"].shape == (5, 4)
    assert batches[0]["past"].dtype == torch.float64
    assert batches[0]["future"][0].tolist() == found[0].future.tolist()
    assert batches[0]["position"].tolist() == [0, 1, 2, 3, 4]


def test_it_is_a_sequence():
    found = Windows(marked([8]), 3, 1)
    assert [each.position for each in found[1:4]] == [1, 2, 3]
    assert found[-1].position == found[len(found) - 1].position == 4
    assert found[np.int64(2)].position == 2
    assert "5 of 1 series" in repr(found)
    places, positions = found.where([4, 0])
    assert (places.tolist(), positions.tolist()) == ([0, 0], [4, 0])


@pytest.mark.parametrize("index", [5, -6], ids=["past the end", "before the beginning"])
def test_a_window_that_is_not_there_is_an_index_error(index):
    found = Windows(marked([8]), 3, 1)
    with pytest.raises(IndexError, match=f"window {index} of 5"):
        found[index]
    with pytest.raises(IndexError, match=f"window {index} of 5"):
        found.gather([0, index])


def test_windows_are_counted_in_whole_numbers():
    with pytest.raises(IndexError, match="whole numbers, not in float64"):
        Windows(marked([8]), 3, 1).gather([0.5])


@pytest.mark.parametrize("name", ["context", "horizon", "step"])
def test_a_length_that_is_not_positive_is_named(name):
    lengths = {"context": 3, "horizon": 1, "step": 1, name: 0}
    with pytest.raises(SeriesError, match=f"{name} is 0; it must be at least 1"):
        Windows(marked([8]), **lengths)
    with pytest.raises(SeriesError, match=f"{name} is 0; it must be at least 1"):
        windows(np.arange(8.0), **lengths)


def test_bad_values_are_named_as_everywhere():
    with pytest.raises(SeriesError, match=r"b\[1\] is nan"):
        Windows({"a": [1.0, 2.0], "b": [1.0, np.nan]}, 1, 1)
    with pytest.raises(SeriesError, match="horizon is 0"):
        holdout({"a": [1.0, 2.0]}, 0)
