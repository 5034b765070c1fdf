"""The dial's figure, and the panel with sliders around it; needs matplotlib, ipywidgets if live."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from academy.data.simulator import PRESETS
from academy.figures import INK, MODEL, MUTED, NAIVE, PAST, use_style
from academy.land_cover import figures
from academy.land_cover.classes import COUNT, colour_map
from academy.land_cover.dial import (
    BIASED,
    BY_PIXEL,
    BY_WINDOW,
    CEILING,
    FULL,
    MAJORITY,
    METHODS,
    PLAIN,
    SHIFTED,
    SMOKE,
    WEIGHTED,
    Dials,
    Outcome,
    Report,
    Size,
    Stopped,
    measure,
)
from academy.progress import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A method keeps its colour wherever it stands: grey, forests in ochre, networks in cool colours.
COLOURS = {
    MAJORITY: MUTED,
    BY_PIXEL: "#e3b685",
    BY_WINDOW: NAIVE,
    PLAIN: "#7d97b3",
    SHIFTED: PAST,
    WEIGHTED: "#8c4a6b",
    BIASED: MODEL,
}
#: The three positions that the simulator's presets are.
POSITIONS = {
    name: Dials(each.label_noise, each.texture, each.imbalance) for name, each in PRESETS.items()
}


def size_of(word: str | None = None) -> Size:
    """How large the dial's world is: by the word, else by ACADEMY_SIZE, "full" or "smoke"."""
    word = word or os.environ.get("ACADEMY_SIZE", "full")
    return SMOKE if word == "smoke" else FULL


def follow(title: str) -> Report:
    """A report for `measure` that shows how far it is, in a notebook or a terminal."""
    progress = Progress(title)
    tenths = -1

    def report(share: float, what: str) -> None:
        nonlocal tenths
        if share >= 1:
            progress.update("Completed", [])
        elif int(10 * share) > tenths:
            tenths = int(10 * share)
            progress.update(f"{what} ({10 * tenths} %)", [])

    return report


def draw(
    outcome: Outcome, *, before: Sequence[str] = (), method: str | None = None, title: str = ""
) -> Figure:
    """All methods as bars, best first, and one place as it is, as labelled and as mapped.

    Bars are macro-F1 against the labels of unseen scenes; a diamond is the same map against the
    truth, which nobody has outside a simulator; the dashed line is the perfect map.

    Parameters
    ----------
    before
        Methods, best first, at an earlier position: arrows tell who has risen and fallen.
    method
        Whose map is shown; the best one's by default.

    Raises
    ------
    ValueError
        There is no map of this method.
    """
    order = outcome.ranking()
    chosen = method or (order[0] if order else CEILING)
    if chosen not in outcome.maps:
        raise ValueError(f"there is no map of {chosen!r}; there are {', '.join(outcome.maps)}")
    figure = _page(11, 5.9)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.12))
    axis = parts[0].subplots()
    _bars(axis, outcome, order, list(before))
    axis.set_title(f"{title}: {outcome.dials}" if title else str(outcome.dials), pad=8)
    scene = outcome.shown.scene
    assert outcome.shown.scene.truth is not None
    maps = {
        "truth": outcome.shown.scene.truth,
        "labels": figures.on_pixels(scene, outcome.shown.labels),
        chosen: figures.on_pixels(scene, outcome.maps[chosen]),
    }
    first, *others = parts[1].subplots(1, 1 + len(maps))
    figures.show(first, figures.composite(scene.gamma0), scene, title="radar")
    for axis, (name, classes) in zip(others, maps.items(), strict=True):
        figures.show(axis, colour_map(classes), scene, title=name, bar=False)
    shown = {int(each) for panel in maps.values() for each in np.unique(panel) if each < COUNT}
    figures.class_legend(figure, shown)
    return figure


def _bars(axis: Axes, outcome: Outcome, order: list[str], before: list[str]) -> None:
    at = np.arange(len(order))
    values = np.array([outcome.scores[name].macro_f1 for name in order])
    real = np.array([outcome.real[name].macro_f1 for name in order])
    axis.barh(at, values, color=[COLOURS[name] for name in order], height=0.68, zorder=2)
    axis.plot(
        real,
        at,
        linestyle="none",
        marker="D",
        markersize=6,
        markerfacecolor="white",
        markeredgecolor=INK,
        zorder=3,
        label="the same map against the truth",
    )
    for place, name in enumerate(order):
        value, true = float(values[place]), float(real[place])
        axis.text(max(value, true) + 0.018, place, f"{value:.2f}", va="center", fontsize=9)
        moved = before.index(name) - place if name in before else 0
        if moved:
            arrow, colour = ("▲", MODEL) if moved > 0 else ("▼", NAIVE)
            axis.text(
                max(value, true) + 0.07,
                place,
                f"{arrow} {abs(moved)}",
                va="center",
                fontsize=9,
                color=colour,
            )
    if CEILING in outcome.scores:
        best = outcome.scores[CEILING].macro_f1
        axis.axvline(
            best, color=INK, linewidth=1.3, linestyle="--", zorder=1, label=f"{CEILING} {best:.2f}"
        )
    rivals = len(METHODS) - 1
    axis.set(xlim=(0, 1.02), ylim=(rivals - 0.4, -0.6), xlabel="macro-F1 against the labels")
    axis.set_yticks(at, order)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8.5)


def ranks(outcomes: Mapping[str, Outcome]) -> Figure:
    """Who is first, second, third … at each position: a line for each method, best on top.

    Parameters
    ----------
    outcomes
        By the position's name, at least two, in the order to be shown.
    """
    figure = _page(8.6, 3.9)
    axis = figure.subplots()
    places = {name: outcome.ranking() for name, outcome in outcomes.items()}
    last = len(outcomes) - 1
    for method, colour in COLOURS.items():
        at = [ranking.index(method) + 1 for ranking in places.values()]
        axis.plot(at, color=colour, linewidth=3, marker="o", markersize=21, zorder=2)
        for x, (y, outcome) in enumerate(zip(at, outcomes.values(), strict=True)):
            axis.text(
                x,
                y,
                f"{100 * outcome.scores[method].macro_f1:.0f}",
                ha="center",
                va="center",
                color="white",
                fontsize=8.5,
                fontweight="bold",
                zorder=3,
            )
        axis.text(last + 0.12, at[-1], method, va="center", color=INK)
    axis.set_xticks(range(len(outcomes)), list(outcomes))
    axis.xaxis.tick_top()
    axis.set(xlim=(-0.25, last + 0.9), ylim=(len(COLOURS) + 0.6, 0.4))
    axis.set_yticks(range(1, len(COLOURS) + 1))
    axis.set_ylabel("place")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure


def _page(width: float, height: float) -> Figure:
    """A figure that a notebook shows, and that a thread may draw: pyplot knows nothing of it."""
    from matplotlib.figure import Figure

    class Page(Figure):
        def _repr_png_(self) -> bytes:
            return png(self)

    return Page(figsize=(width, height), layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as a picture file."""
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=100)
    return page.getvalue()


class Panel:
    """Three sliders, a progress bar, a button to stop, and the figure, which changes live.

    What was measured once is shown at once when the sliders come back to it. Moving a slider while
    something is measured stops that and measures anew.

    Parameters
    ----------
    dials
        Where the sliders stand at first.
    size
        Of the world; see `size_of`.
    known
        Outcomes that need not be measured again.

    Raises
    ------
    ImportError
        ipywidgets is not installed.
    """

    def __init__(
        self,
        dials: Dials | None = None,
        size: Size | None = None,
        known: Sequence[Outcome] = (),
        seed: int = 0,
    ) -> None:
        try:
            import ipywidgets as widgets
        except ImportError as error:
            raise ImportError(
                "the panel needs ipywidgets: run `pip install ipywidgets`; without it, "
                "draw(measure(Dials(...))) gives the same figure"
            ) from error
        use_style()
        self.size = size or size_of()
        self.seed = seed
        self.kept = {each.dials: each for each in known}
        #: What is shown; None before the first measurement.
        self.outcome: Outcome | None = None
        self._before: list[str] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()
        self._drawing = threading.Lock()
        self._quiet = False

        start = dials or POSITIONS["realistic"]
        wide = {"style": {"description_width": "90px"}, "layout": {"width": "330px"}}

        def slider(name: str, value: float, most: float, step: float, form: str) -> Any:
            return widgets.FloatSlider(
                value,
                min=0,
                max=most,
                step=step,
                description=name,
                readout_format=form,
                continuous_update=False,
                **wide,
            )

        self.label_noise = slider("label noise", start.label_noise, 0.4, 0.01, ".0%")
        self.texture = slider("texture", start.texture, 2.0, 0.1, ".1f")
        self.imbalance = slider("imbalance", start.imbalance, 1.0, 0.05, ".2f")
        self.presets = {
            name: widgets.Button(description=name, layout={"width": "100px"}) for name in POSITIONS
        }
        self.map_of = widgets.Dropdown(
            options=["the best", *METHODS], value="the best", description="map of", **wide
        )
        self.bar = widgets.FloatProgress(0, min=0, max=1, layout={"width": "330px"})
        self.stop = widgets.Button(description="stop", layout={"width": "100px"}, disabled=True)
        self.status = widgets.Label("")
        self.image = widgets.Image(format="png", layout={"max_width": "100%"})
        left = widgets.VBox([self.label_noise, self.texture, self.imbalance])
        right = widgets.VBox(
            [
                widgets.HBox([*self.presets.values(), self.stop]),
                self.map_of,
                widgets.HBox([self.bar, self.status]),
            ]
        )
        self.box = widgets.VBox([widgets.HBox([left, right]), self.image])
        for each in (self.label_noise, self.texture, self.imbalance):
            each.observe(self._moved, "value")
        self.map_of.observe(lambda _: self._show(), "value")
        for name, button in self.presets.items():
            button.on_click(lambda _, name=name: self.go_to(POSITIONS[name]))
        self.stop.on_click(lambda _: self._stop.set())
        self._moved()

    @property
    def dials(self) -> Dials:
        """Where the sliders stand."""
        values = (self.label_noise.value, self.texture.value, self.imbalance.value)
        # Sliders count in binary; 0.1 and three times a third of it are one position.
        return Dials(*(round(value, 3) for value in values))

    def go_to(self, dials: Dials) -> None:
        """Turns all three dials, and measures once."""
        self._quiet = True
        self.label_noise.value = dials.label_noise
        self.texture.value = dials.texture
        self.imbalance.value = dials.imbalance
        self._quiet = False
        self._moved()

    def at(self, dials: Dials) -> Outcome:
        """The outcome there, measured now unless it is known."""
        if dials not in self.kept:
            self.kept[dials] = measure(dials, self.size, seed=self.seed, report=follow(str(dials)))
        return self.kept[dials]

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for a measurement that goes on; whether it is at its end."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _moved(self, _: Any = None) -> None:
        if self._quiet:
            return
        self._stop.set()
        dials = self.dials
        if dials in self.kept:
            self._turn_to(self.kept[dials])
            self.bar.value, self.status.value = 1, "known already"
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure, args=(dials, self._stop), daemon=True)
        self._thread.start()

    def _measure(self, dials: Dials, stop: threading.Event) -> None:
        with self._one_at_a_time:
            if stop.is_set():
                return
            self.stop.disabled = False
            before = self.outcome.ranking() if self.outcome is not None else []

            def report(share: float, what: str) -> None:
                if not stop.is_set():
                    self.bar.value, self.status.value = share, what

            def so_far(partly: Outcome) -> None:
                # Not after each: a figure takes half a second.
                if not stop.is_set() and len(partly.scores) in (4, 6):
                    self._draw(partly, before, stop)

            try:
                outcome = measure(
                    dials, self.size, seed=self.seed, report=report, stop=stop, so_far=so_far
                )
            except Stopped:
                self.status.value = "stopped; move a slider to go on"
            except Exception as error:
                self.status.value = f"{type(error).__name__}: {error}"
            else:
                self.kept[dials] = outcome
                if not stop.is_set():
                    self._before = before
                    self.outcome = outcome
                    self._show()
            finally:
                self.stop.disabled = True

    def _turn_to(self, outcome: Outcome) -> None:
        if outcome is not self.outcome:
            self._before = self.outcome.ranking() if self.outcome is not None else []
        self.outcome = outcome
        self._show()

    def _show(self) -> None:
        if self.outcome is not None:
            self._draw(self.outcome, self._before)

    def _draw(
        self, outcome: Outcome, before: Sequence[str], stop: threading.Event | None = None
    ) -> None:
        with self._drawing:
            wanted = self.map_of.value
            method = wanted if wanted in outcome.maps else None
            page = png(draw(outcome, before=before, method=method))
            # The sliders may have moved on meanwhile.
            if stop is None or not stop.is_set():
                self.image.value = page

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = dict(self.box._repr_mimebundle_())
        bundle["text/plain"] = f"Three dials: {self.dials} (live in a notebook only)"
        if self.image.value:
            import base64

            # Where no sliders can be shown, such as in an exported page, the figure is.
            bundle["image/png"] = base64.b64encode(self.image.value).decode()
        display(bundle, raw=True)  # type: ignore[no-untyped-call]
