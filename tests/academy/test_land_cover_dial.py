"""The dial: every method is measured on one world, quietly, and the panel changes live."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
import torch
from academy.figures import use_style
from academy.land_cover import dial_panel
from academy.land_cover.classes import COUNT, IGNORE
from academy.land_cover.dial import (
    CEILING,
    MAJORITY,
    METHODS,
    SMOKE,
    Dials,
    Outcome,
    Size,
    Stopped,
    measure,
)
from academy.land_cover.dial_panel import COLOURS, POSITIONS, Panel, draw, ranks, size_of

SMALL = Size(side=128, train=2, tuning=1, checks=2, steps=4, trees=4)
TINY = Size(side=80, train=1, tuning=1, checks=1, steps=2, trees=2)


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with matplotlib.rc_context():
        use_style()
        yield


@pytest.fixture(scope="module")
def clean() -> Outcome:
    return measure(Dials(label_noise=0, texture=0.5, imbalance=0.5), SMALL)


@pytest.fixture(scope="module")
def noisy() -> Outcome:
    return measure(Dials(label_noise=0.3, texture=0.5, imbalance=0.5), SMALL)


def test_each_method_maps_the_same_place_and_is_scored_on_the_same_cells(clean):
    assert tuple(clean.scores) == tuple(clean.real) == tuple(clean.maps) == METHODS
    supports = {tuple(scores.support) for scores in clean.scores.values()}
    assert len(supports) == 1
    for found in clean.maps.values():
        assert found.shape == clean.shown.labels.shape
        assert found.dtype == np.uint8
        assert found.max() < COUNT


def test_a_perfect_map_is_perfect_until_labels_are_wrong(clean, noisy):
    # Only classes that occur can be found: with all nine there it would be 1.
    most = np.count_nonzero(clean.scores[CEILING].support) / COUNT
    assert clean.scores[CEILING].macro_f1 == most
    assert noisy.scores[CEILING].macro_f1 < 0.85
    assert noisy.real[CEILING].accuracy == 1
    assert CEILING not in noisy.ranking()


def test_the_labels_are_as_wrong_as_the_dial_says(noisy):
    scored = noisy.shown.truth != IGNORE
    wrong = (noisy.shown.labels != noisy.shown.truth)[scored].mean()
    assert 0.2 < wrong < 0.4


def test_turning_label_noise_leaves_land_and_radar_as_they_are(clean, noisy):
    assert np.array_equal(clean.shown.truth, noisy.shown.truth)
    assert np.array_equal(clean.shown.scene.gamma0, noisy.shown.scene.gamma0)


def test_the_ranking_is_by_macro_f1(noisy):
    order = noisy.ranking()
    values = [noisy.scores[name].macro_f1 for name in order]
    assert values == sorted(values, reverse=True)
    assert set(order) == set(METHODS) - {CEILING}


def test_the_same_seed_gives_the_same_and_leaves_others_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    one, same = measure(Dials(), TINY, seed=2), measure(Dials(), TINY, seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    for name in METHODS:
        assert np.array_equal(one.maps[name], same.maps[name]), name
    other = measure(Dials(), TINY, seed=3)
    assert not np.array_equal(one.shown.truth, other.shown.truth)


def test_progress_rises_to_the_end_and_partial_outcomes_come_in_between():
    shares, counts = [], []
    measure(
        Dials(),
        TINY,
        report=lambda share, _: shares.append(share),
        so_far=lambda outcome: counts.append(len(outcome.scores)),
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert max(shares[:-1]) < 1
    assert counts == list(range(1, len(METHODS) + 1))


def test_it_can_be_stopped_on_the_way():
    stop = threading.Event()
    told = []

    def report(share: float, what: str) -> None:
        told.append(what)
        if what.startswith("training"):
            stop.set()

    with pytest.raises(Stopped):
        measure(Dials(), TINY, report=report, stop=stop)
    assert sum(what.startswith("training") for what in told) == 1


def test_a_dial_out_of_its_range_is_named():
    with pytest.raises(ValueError, match="imbalance is 2"):
        measure(Dials(imbalance=2), TINY)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        measure(Dials(), TINY)


def test_the_figure_has_each_method_once_best_on_top(noisy):
    figure = draw(noisy, before=list(reversed(noisy.ranking())), title="noisy")
    bars = next(axis for axis in figure.get_axes() if axis.get_xlabel().startswith("macro-F1"))
    assert [text.get_text() for text in bars.get_yticklabels()] == noisy.ranking()
    widths = [patch.get_width() for patch in bars.patches]
    assert widths == sorted(widths, reverse=True)
    arrows = [text.get_text() for text in bars.texts if text.get_text()[0] in "▲▼"]
    # Turned round, all but the middle one of seven have moved, and those on top have risen.
    assert len(arrows) == 6
    assert arrows[0] == "▲ 6"
    assert arrows[-1] == "▼ 6"
    assert noisy.dials.__str__() in bars.get_title(loc="left")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_map_of_any_method_can_be_drawn(noisy):
    titles = [axis.get_title(loc="left") for axis in draw(noisy, method=MAJORITY).get_axes()]
    assert MAJORITY in titles
    with pytest.raises(ValueError, match="no map of 'oracle'"):
        draw(noisy, method="oracle")


def test_places_of_all_methods_are_lines_between_worlds(clean, noisy):
    figure = ranks({"clean": clean, "noisy": noisy})
    (axis,) = figure.get_axes()
    assert len(axis.lines) == len(COLOURS) == len(METHODS) - 1
    for at, outcome in enumerate((clean, noisy)):
        assert sorted(line.get_ydata()[at] for line in axis.lines) == list(range(1, 8))
        for line, name in zip(axis.lines, COLOURS, strict=True):
            assert outcome.ranking().index(name) + 1 == line.get_ydata()[at]


def test_the_size_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv("ACADEMY_SIZE", "smoke")
    assert size_of() == SMOKE
    monkeypatch.delenv("ACADEMY_SIZE")
    assert size_of() != SMOKE


class TestThePanel:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch, clean: Outcome, noisy: Outcome) -> None:
        """Measures at once: which of the two comes out hangs on the noise. Counts how often."""
        self.asked: list[Dials] = []
        self.hold = threading.Event()
        self.hold.set()

        def measured(dials, size, *, seed=0, report=None, stop=None, so_far=None):
            self.asked.append(dials)
            while not self.hold.wait(0.01):
                if stop.is_set():
                    raise Stopped
            if dials.texture == 2:
                raise RuntimeError("no such world")
            outcome = noisy if dials.label_noise else clean
            so_far(outcome)
            report(1.0, "done")
            return outcome

        monkeypatch.setattr(dial_panel, "measure", measured)
        # Figures are tested above; here it is enough that another one is another.
        monkeypatch.setattr(dial_panel, "png", lambda page: repr(page).encode())
        monkeypatch.setattr(
            dial_panel,
            "draw",
            lambda outcome, before, method: (outcome.dials, tuple(before), method),
        )

    def test_a_slider_measures_anew_and_what_is_known_is_shown_at_once(self):
        panel = Panel(Dials(0.1, 0.5, 0.5))
        assert panel.wait(10)
        first = panel.image.value
        panel.label_noise.value = 0
        assert panel.wait(10)
        assert panel.image.value != first
        panel.label_noise.value = 0.1
        assert panel.status.value == "known already"
        assert self.asked == [Dials(0.1, 0.5, 0.5), Dials(0, 0.5, 0.5)]

    def test_what_the_notebook_has_measured_is_not_measured_again(self, clean):
        panel = Panel(clean.dials, known=[clean])
        assert self.asked == []
        assert panel.outcome is clean
        assert bytes(panel.image.value) == repr((clean.dials, (), None)).encode()

    def test_a_preset_turns_three_dials_and_measures_once(self, clean):
        panel = Panel(clean.dials, known=[clean])
        panel.presets["hard"].click()
        assert panel.wait(10)
        assert self.asked == [POSITIONS["hard"]] == [panel.dials]

    def test_moving_on_stops_what_goes_on(self, clean, noisy):
        self.hold.clear()
        panel = Panel(Dials(0.1, 0.5, 0.5))
        panel.label_noise.value = 0
        self.hold.set()
        assert panel.wait(10)
        assert panel.outcome is clean

    def test_the_button_stops_it_and_says_how_to_go_on(self):
        self.hold.clear()
        panel = Panel(Dials(0.1, 0.5, 0.5))
        panel.stop.click()
        assert panel.wait(10)
        assert "stopped" in panel.status.value
        assert panel.outcome is None
        assert panel.stop.disabled

    def test_another_map_is_drawn_without_measuring(self, clean):
        panel = Panel(clean.dials, known=[clean])
        first = panel.image.value
        panel.map_of.value = MAJORITY
        assert panel.image.value != first
        assert self.asked == []

    def test_an_error_is_told_and_the_panel_lives_on(self, clean):
        panel = Panel(clean.dials, known=[clean])
        panel.texture.value = 2
        assert panel.wait(10)
        assert panel.status.value == "RuntimeError: no such world"
        panel.label_noise.value = 0.2
        panel.texture.value = 0.5
        assert panel.wait(10)
        assert panel.status.value == "done"

    def test_a_page_without_sliders_still_has_the_figure(self, clean, monkeypatch):
        shown = []
        monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
        Panel(clean.dials, known=[clean])._ipython_display_()
        assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(
            shown[0]
        )

    def test_without_ipywidgets_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        with pytest.raises(ImportError, match="pip install ipywidgets"):
            Panel()
