"""Figures of radar scenes, maps and scores: one legend, one stretch, one scale, everywhere.

Each function makes a figure or draws into axes that it is given, and gives it back. The style is
`academy.figures`'s; the classes' colours are `academy.land_cover.classes`'s. Needs matplotlib,
which spaces have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from academy.figures import INK, MODEL, MUTED, NAIVE, PAST
from academy.land_cover.classes import CLASSES, COUNT, IGNORE, NAMES, colour_map
from academy.land_cover.metrics import ClassScores
from academy.land_cover.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = npt.NDArray[np.uint8]
Panel = npt.NDArray[Any]

#: What the composite shows as black and as full colour, in dB: red VV, green VH, blue VV over VH.
#: Fixed, so that a colour means the same in every scene; from dark water to bright towns (a choice,
#: made by looking).
STRETCH_DB = ((-18.0, -2.0), (-24.0, -8.0), (-2.0, 14.0))
#: What a single band shows as black and as white, in dB.
VV_DB, VH_DB = (-20.0, -2.0), (-27.0, -8.0)
#: No data, and what is not scored.
EMPTY = "#f1f3f4"
_HATCH = "#cfd5d9"

#: Colours of methods, floors first: they can be told apart with any colour vision, and in grey.
METHOD_COLOURS = (MUTED, NAIVE, PAST, MODEL, "#8c4a6b", INK)
_METHOD_MARKERS = ("o", "s", "D", "^", "v", "P")

#: The four cases of `agreement`: the map against the truth, and the label against the truth.
AGREEMENT = (
    ("both right", "#dfe6e3"),
    ("label wrong, map right", MODEL),
    ("label right, map wrong", NAIVE),
    ("both wrong", "#3f2a56"),
)


# --- pixels ---------------------------------------------------------------------------------------
def decibels(power: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Linear power in dB, float32; below -50 dB counts as that, nodata stays NaN."""
    given = np.maximum(np.asarray(power, np.float32), np.float32(1e-5))
    return np.asarray(np.log(given) * np.float32(10 / math.log(10)), np.float32)


def from_decibels(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """dB to linear power, float32."""
    return np.power(10.0, np.asarray(values, np.float32) / 10).astype(np.float32)


def composite(gamma0: npt.ArrayLike) -> Picture:
    """A radar image as colours: red VV, green VH, blue VV over VH, each in dB.

    Forest is bright in both bands and comes out yellow-green, open water almost black, towns
    white to pink; what sends little back in VH, such as dry grass and bare ground, blue-grey.

    Parameters
    ----------
    gamma0
        Linear power, (2, H, W), VV and VH.

    Returns
    -------
    uint8 (H, W, 4); nodata is transparent.

    Raises
    ------
    ValueError
        Not two bands.
    """
    power = np.asarray(gamma0)
    if power.ndim != 3 or len(power) != 2:
        raise ValueError(f"gamma0 has shape {power.shape}; a composite needs (2, H, W)")
    vv, vh = decibels(power)
    picture = np.empty((*vv.shape, 4), np.uint8)
    with np.errstate(invalid="ignore"):
        for channel, (values, (low, high)) in enumerate(
            zip((vv, vh, vv - vh), STRETCH_DB, strict=True)
        ):
            shown = np.clip((values - low) / (high - low), 0, 1)
            picture[..., channel] = np.rint(255 * np.nan_to_num(shown))
    picture[..., 3] = np.where(np.isfinite(vv + vh), 255, 0)
    return picture


def on_pixels(scene: Scene, values: npt.ArrayLike) -> Panel:
    """Values of label cells, (R, C), at the pixels that lie in them, (H, W).

    This is what places a coarse map exactly over the radar image, wherever its cells begin.
    Pixels outside the label grid get `IGNORE`, or NaN if the values are no whole numbers.

    Raises
    ------
    ValueError
        The values are not on the scene's label grid.
    """
    given = np.asarray(values)
    if given.shape != scene.label_shape:
        raise ValueError(
            f"the values have shape {given.shape}; the label grid of {scene.name} has "
            f"{scene.label_shape}"
        )
    outside = np.nan if np.issubdtype(given.dtype, np.floating) else IGNORE
    return np.append(given.ravel(), np.asarray(outside, given.dtype))[scene.cells]


def _picture(scene: Scene, panel: npt.ArrayLike) -> Picture:
    """What a panel shows, as colours (H, W, 4)."""
    values = np.asarray(panel)
    if values.ndim == 3 and values.shape[0] == 2:
        return composite(values)
    if values.ndim == 3 and values.shape[2] in (3, 4):
        return _with_alpha(np.asarray(values, np.uint8))
    if values.ndim != 2:
        raise ValueError(
            f"a panel has shape {values.shape}; give gamma0 (2, H, W), classes (H, W) or (R, C), "
            "or a picture (H, W, 3)"
        )
    if np.issubdtype(values.dtype, np.floating):
        raise ValueError("a panel of floats has no colours yet; give `composite` or `grey` of it")
    classes = _pixel_classes(scene, values)
    picture = _with_alpha(colour_map(classes))
    picture[classes == IGNORE, 3] = 0
    return picture


def _pixel_classes(scene: Scene, values: Panel) -> Panel:
    """Classes of a panel at each pixel; a map of cells says nothing where there are no data."""
    if values.shape == scene.shape:
        return values
    if values.shape != scene.label_shape:
        raise ValueError(
            f"a panel has shape {values.shape}; {scene.name} has pixels {scene.shape} and label "
            f"cells {scene.label_shape}"
        )
    pixels = on_pixels(scene, values)
    pixels[~np.isfinite(scene.gamma0[0] + scene.gamma0[1])] = IGNORE
    return pixels


def _with_alpha(picture: Picture) -> Picture:
    if picture.shape[2] == 4:
        return picture
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])


def grey(power: npt.ArrayLike, range_db: tuple[float, float] = VV_DB) -> Picture:
    """One band of linear power, (H, W), as greys in dB, uint8 (H, W, 4); nodata is transparent."""
    values = decibels(power)
    low, high = range_db
    shown = np.rint(255 * np.nan_to_num(np.clip((values - low) / (high - low), 0, 1)))
    alpha = np.where(np.isfinite(values), 255, 0)
    return np.dstack([shown, shown, shown, alpha]).astype(np.uint8)


def _classes_in(scene: Scene, panel: npt.ArrayLike, part: tuple[slice, slice]) -> set[int]:
    """Which classes a panel shows in a part of the pixels."""
    values = np.asarray(panel)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        return set()
    found = np.unique(_pixel_classes(scene, values)[part])
    return {int(value) for value in found if value < COUNT}


# --- maps -----------------------------------------------------------------------------------------
def maps(
    scene: Scene,
    panels: Mapping[str, npt.ArrayLike],
    *,
    window: tuple[int, int, int, int] | None = None,
    columns: int = 3,
    size: float = 3.5,
    legend: bool = True,
) -> Figure:
    """Maps of one place side by side, with one scale and one legend.

    Parameters
    ----------
    scene
        Whose pixels, cells and pixel size they have.
    panels
        By title: linear power (2, H, W) is shown as `composite`; classes of pixels (H, W) or of
        label cells (R, C) in their colours; a picture (H, W, 3 or 4) as it is.
    window
        Row, column, height and width in pixels: that part only.
    columns
        Panels in a row.
    size
        A panel's width, inches.
    legend
        Whether the classes' colours are named.

    Raises
    ------
    ValueError
        A panel is of another place or kind.
    """
    import matplotlib.pyplot as plt

    pictures = {title: _picture(scene, panel) for title, panel in panels.items()}
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    row, column, height, width = window or (0, 0, *scene.shape)
    part = (slice(row, row + height), slice(column, column + width))
    classes = set().union(*(_classes_in(scene, panel, part) for panel in panels.values()))
    named = legend and bool(classes)
    tall = size * height / width + 0.3
    figure: Figure = plt.figure(
        figsize=(size * columns, tall * rows + (0.45 if named else 0)), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(pictures) :]:
        axis.remove()
    empty = False
    for at, (axis, (title, picture)) in enumerate(zip(axes.flat, pictures.items(), strict=False)):
        shown = picture[part]
        show(axis, shown, scene, title=title, bar=at == 0)
        empty = empty or bool((shown[..., 3] == 0).any())
    if named:
        class_legend(figure, classes, empty=empty)
    return figure


def show(
    axis: Axes,
    picture: npt.ArrayLike,
    scene: Scene | None = None,
    *,
    title: str = "",
    bar: bool = True,
) -> Axes:
    """Draws a picture (H, W, 3 or 4) as a map: frame, no grid, nodata hatched, a scale bar.

    Axes are in kilometres from the upper left corner if the scene says how large a pixel is, else
    in pixels.
    """
    from matplotlib.patches import Rectangle

    colours = np.asarray(picture)
    pixel_m = scene.metadata.get("pixel_m") if scene is not None else None
    scale = float(pixel_m) / 1000 if pixel_m else 1.0
    height, width = colours.shape[0] * scale, colours.shape[1] * scale
    axis.add_patch(
        Rectangle(
            (0, 0), width, height, facecolor=EMPTY, edgecolor=_HATCH, hatch="////", lw=0, zorder=0.5
        )
    )
    axis.imshow(colours, extent=(0, width, height, 0), zorder=1)
    axis.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set(visible=True, color=MUTED, linewidth=0.8)
    if title:
        axis.set_title(title, loc="left")
    if bar:
        scale_bar(axis, "km" if pixel_m else "px")
    return axis


def scale_bar(axis: Axes, unit: str = "km") -> float:
    """A scale bar in the lower left of a map: a round length of at most a third of its width.

    Gives the length, in the axes' unit.
    """
    from matplotlib.patches import FancyBboxPatch

    left, right = axis.get_xlim()
    bottom, top = axis.get_ylim()
    width, height = right - left, bottom - top
    length = _round_length(width / 3)
    text = f"{length:g} {unit}" if length >= 1 or unit != "km" else f"{1000 * length:g} m"
    x, y = left + 0.045 * width, bottom - 0.055 * height
    axis.add_patch(
        FancyBboxPatch(
            (x - 0.015 * width, y - 0.085 * height),
            length + 0.03 * width,
            0.11 * height,
            boxstyle="round,pad=0,rounding_size=" + str(0.012 * width),
            facecolor="white",
            edgecolor="none",
            alpha=0.85,
            zorder=4,
        )
    )
    axis.plot([x, x + length], [y, y], color=INK, linewidth=2.4, solid_capstyle="butt", zorder=5)
    axis.text(
        x + length / 2, y - 0.018 * height, text, ha="center", va="bottom", fontsize=8, zorder=5
    )
    return length


def _round_length(most: float) -> float:
    """
    >>> _round_length(3.2), _round_length(0.7), _round_length(120)
    (2.0, 0.5, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most)


def class_legend(
    figure: Figure, classes: Iterable[int] | None = None, *, empty: bool = False
) -> Any:
    """The legend of all maps, below the figure: the classes that occur, in their one order.

    `empty` adds the hatched square of what has no data or is not scored.
    """
    from matplotlib.patches import Patch

    shown = range(COUNT) if classes is None else sorted(set(classes))
    handles = [
        Patch(facecolor=CLASSES[number].colour, edgecolor="white", label=NAMES[number])
        for number in shown
    ]
    if empty:
        handles.append(
            Patch(facecolor=EMPTY, edgecolor=_HATCH, hatch="////", label="no data, not scored")
        )
    wide = figure.get_figwidth() >= 9.5
    return figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles) if wide else math.ceil(len(handles) / 2),
        fontsize=9,
        handlelength=1.1,
        handleheight=1.1,
        columnspacing=1.3,
    )


def agreement(scene: Scene, prediction: npt.ArrayLike, truth: npt.ArrayLike) -> Picture:
    """Where a map and its noisy labels are right: colours `AGREEMENT`, uint8 (H, W, 4).

    Parameters
    ----------
    scene
        With labels.
    prediction, truth
        Classes of label cells, (R, C). The truth is 255 where it is not known.
    """
    if scene.labels is None:
        raise ValueError(f"{scene.name} has no labels")
    guess, known, label = np.asarray(prediction), np.asarray(truth), np.asarray(scene.labels)
    case = 2 * (label == known) + (guess == known)
    table = np.array([[*_rgb(AGREEMENT[at][1]), 255] for at in (3, 1, 2, 0)])
    table = np.vstack([table, np.zeros((1, 4))]).astype(np.uint8)
    case = np.where((known == IGNORE) | (label == IGNORE), 4, case).astype(np.uint8)
    cells = on_pixels(scene, case)
    cells[cells == IGNORE] = 4
    return table[cells]


def agreement_legend(figure: Figure) -> Any:
    """Names the colours of `agreement`, to the right of the figure."""
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=colour, label=name) for name, colour in AGREEMENT]
    # The maps keep their size.
    figure.set_figwidth(figure.get_figwidth() + 2.1)
    return figure.legend(handles=handles, loc="outside right center", fontsize=9)


#: What `split` shows, in the order of its numbers.
SPLIT = (
    ("learnt from", "#dbe3e8"),
    ("held out at random", NAIVE),
    ("held out as blocks", PAST),
)


def split(scene: Scene, parts: npt.ArrayLike, results: Mapping[str, float]) -> Figure:
    """Which label cells are held out, and what one model scores on each kind of them.

    Parameters
    ----------
    parts
        (R, C) of 0 learnt from, 1 held out at random, 2 held out as blocks.
    results
        Macro-F1 by where it was measured: random cells, blocks, other scenes, in that order.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    table = np.array([[*_rgb(colour), 255] for _, colour in SPLIT] + [[0, 0, 0, 0]], np.uint8)
    given = np.where(np.asarray(scene.labels) == IGNORE, 3, np.asarray(parts)).astype(np.uint8)
    picture = table[np.minimum(on_pixels(scene, given), 3)]
    figure: Figure = plt.figure(figsize=(10.5, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    show(left, picture, scene, title="one of the scenes")
    handles = [Patch(facecolor=colour, label=name) for name, colour in SPLIT]
    left.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=8.5)
    colours = [SPLIT[1][1], SPLIT[2][1], MODEL][: len(results)]
    bars = right.barh(list(results), list(results.values()), color=colours, height=0.55)
    right.bar_label(bars, fmt="%.2f", padding=4)
    right.set(xlim=(0, max(results.values()) * 1.15), xlabel="macro-F1 of one and the same model")
    right.set_title("what it scores")
    right.invert_yaxis()
    right.grid(axis="y", visible=False)
    right.tick_params(axis="y", length=0)
    return figure


def _rgb(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


# --- speckle --------------------------------------------------------------------------------------
def power_histogram(axis: Axes, power: npt.ArrayLike, looks: float | None = None) -> Axes:
    """How the power of a patch is spread around its mean, beside the gamma law of its looks.

    Parameters
    ----------
    power
        Linear power of even ground, any shape; nodata is left out.
    looks
        The equivalent number of looks whose law is drawn; None for none.
    """
    values = np.asarray(power, np.float64).ravel()
    values = values[np.isfinite(values)]
    values = values / values.mean()
    bins = np.linspace(0, 3, 61).tolist()
    axis.hist(values, bins, density=True, color=PAST, alpha=0.45, label="pixels")
    if looks is not None:
        x = np.linspace(1e-3, 3, 400)
        log_law = looks * math.log(looks) + (looks - 1) * np.log(x) - looks * x - math.lgamma(looks)
        axis.plot(
            x, np.exp(log_law), color=INK, linewidth=1.4, label=f"gamma law, {looks:.1f} looks"
        )
    axis.set(xlim=(0, 3), xlabel="power / mean power", yticks=[])
    axis.spines["left"].set_visible(False)
    axis.grid(visible=False)
    return axis


# --- scores ---------------------------------------------------------------------------------------
def class_bars(
    scores: ClassScores, *, title: str = "", axis: Axes | None = None, accuracy: bool = True
) -> Axes:
    """F1 of each class as a bar in its colour, with precision and recall, and what they average to.

    Classes stand in their one order, with their share of the scored cells; what never occurs is
    told so.
    """
    import matplotlib.pyplot as plt

    if axis is None:
        _, axis = plt.subplots(figsize=(7.4, 3.9), layout="constrained")
    at = np.arange(len(scores.classes))
    colours = [CLASSES[NAMES.index(name)].colour for name in scores.classes]
    axis.barh(
        at,
        scores.f1,
        color=colours,
        height=0.66,
        edgecolor=INK,
        linewidth=0.4,
        zorder=2,
        label="F1",
    )
    axis.hlines(at, scores.precision, scores.recall, color=INK, linewidth=1, zorder=3)
    marker: dict[str, Any] = {"linestyle": "none", "markersize": 6.5, "markeredgecolor": INK}
    marker |= {"zorder": 4, "clip_on": False}
    axis.plot(
        scores.precision, at, marker="D", markerfacecolor="white", label="precision", **marker
    )
    axis.plot(scores.recall, at, marker="o", markerfacecolor=INK, label="recall", **marker)
    axis.axvline(scores.macro_f1, color=INK, linewidth=1.3, linestyle="--", zorder=1)
    marks = [(scores.macro_f1, f"macro-F1 {scores.macro_f1:.2f}")]
    if accuracy:
        axis.axvline(scores.accuracy, color=MUTED, linewidth=1.3, linestyle=":", zorder=1)
        marks.append((scores.accuracy, f"accuracy {scores.accuracy:.2f}"))
    _top_marks(axis, marks, -0.72)
    total = max(int(scores.support.sum()), 1)
    for place, support in enumerate(scores.support):
        text = _share(int(support) / total) if support else "none here"
        axis.text(1.03, place, text, va="center", ha="left", fontsize=8.5, color="#5b6770")
    axis.text(1.03, -0.72, "of cells", va="bottom", ha="left", fontsize=8.5, color="#5b6770")
    axis.set(xlim=(0, 1.01), ylim=(len(at) - 0.45, -0.7))
    axis.set_yticks(at, scores.classes)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    handles, names = axis.get_legend_handles_labels()
    order = [names.index(name) for name in ("F1", "precision", "recall")]
    axis.legend(
        [handles[k] for k in order],
        [names[k] for k in order],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.07),
        ncols=3,
    )
    if title:
        axis.set_title(title, pad=20)
    return axis


def _top_marks(axis: Axes, marks: Sequence[tuple[float, str]], y: float) -> None:
    """Words over vertical lines, away from each other."""
    ordered = sorted(marks)
    close = len(ordered) == 2 and ordered[1][0] - ordered[0][0] < 0.24
    for at, (x, text) in enumerate(ordered):
        side = ("right" if at == 0 else "left") if close else "center"
        if x < 0.1:
            side = "left"
        axis.text(x, y, text, ha=side, va="bottom", fontsize=8.5)


def _share(part: float) -> str:
    """
    >>> _share(0.452), _share(0.0072), _share(0.0003)
    ('45 %', '0.7 %', '< 0.1 %')
    """
    if part >= 0.1:
        return f"{100 * part:.0f} %"
    return f"{100 * part:.1f} %" if part >= 0.001 else "< 0.1 %"


def compare(
    methods: Mapping[str, ClassScores], *, title: str = "", axis: Axes | None = None
) -> Axes:
    """F1 of each class by method, a mark each, and macro-F1 in the last row.

    Methods take colours and marks in the order given, at most six.
    """
    import matplotlib.pyplot as plt

    if not 1 <= len(methods) <= len(METHOD_COLOURS):
        raise ValueError(f"{len(methods)} methods; there are marks for 1 to {len(METHOD_COLOURS)}")
    if axis is None:
        _, axis = plt.subplots(figsize=(8.2, 4.2), layout="constrained")
    classes = next(iter(methods.values())).classes
    rows = [*classes, "macro-F1"]
    values = np.array([[*scores.f1, scores.macro_f1] for scores in methods.values()])
    at = np.arange(len(rows)) + np.array([0] * len(classes) + [0.35])
    axis.hlines(at, values.min(axis=0), values.max(axis=0), color=MUTED, linewidth=1.2, zorder=1)
    axis.axhspan(at[-1] - 0.5, at[-1] + 0.5, color="#f1f3f4", zorder=0)
    for number, (name, line) in enumerate(zip(methods, values, strict=True)):
        axis.plot(
            line,
            at,
            linestyle="none",
            marker=_METHOD_MARKERS[number],
            markersize=7,
            markerfacecolor=METHOD_COLOURS[number],
            markeredgecolor="white",
            markeredgewidth=0.7,
            label=f"{name} ({line[-1]:.2f})",
            zorder=3,
        )
    axis.set(xlim=(-0.02, 1), ylim=(at[-1] + 0.55, -0.6), xlabel="F1")
    axis.set_yticks(at, rows)
    axis.get_yticklabels()[-1].set_fontweight("bold")
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="macro-F1 in brackets")
    if title:
        axis.set_title(title)
    return axis


def ladder(
    results: Mapping[str, float],
    *,
    ceiling: float | None = None,
    mark: str | None = None,
    title: str = "",
    axis: Axes | None = None,
) -> Axes:
    """Scores as bars, first on top; `mark` names the bar that matters, `ceiling` draws a line.

    All scores are macro-F1, 0 to 1.
    """
    import matplotlib.pyplot as plt

    if axis is None:
        _, axis = plt.subplots(figsize=(7.4, 0.42 * len(results) + 1.1), layout="constrained")
    colours = [MODEL if name == mark else PAST for name in results]
    bars = axis.barh(list(results), list(results.values()), color=colours, height=0.62)
    axis.bar_label(bars, fmt="%.3f", padding=4, fontsize=9)
    most = max([*results.values(), ceiling or 0, 0.05])
    if ceiling is not None:
        axis.axvline(ceiling, color=INK, linewidth=1.3, linestyle="--")
        axis.text(ceiling, -0.62, f"ceiling {ceiling:.2f}", ha="center", va="bottom", fontsize=8.5)
    axis.set(xlim=(0, min(1.0, most * 1.16)), xlabel="macro-F1")
    axis.set_ylim(len(results) - 0.5, -0.55)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    if title:
        axis.set_title(title, pad=18 if ceiling is not None else 6)
    return axis


def confusion(counts: npt.ArrayLike, *, title: str = "", axis: Axes | None = None) -> Axes:
    """A confusion matrix of the nine classes: per cent of each true class, and counts.

    Parameters
    ----------
    counts
        (9, 9), rows = what the labels say, columns = what the map says.

    Raises
    ------
    ValueError
        Not of that shape.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    matrix = np.asarray(counts, np.int64)
    if matrix.shape != (COUNT, COUNT):
        raise ValueError(f"the counts have shape {matrix.shape}; there are {COUNT} classes")
    if axis is None:
        _, axis = plt.subplots(figsize=(7.6, 6.6), layout="constrained")
    support = matrix.sum(axis=1)
    share = matrix / np.maximum(support, 1)[:, None]
    shades = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#9fbdd6", PAST, "#16324a"])
    axis.imshow(share, cmap=shades, vmin=0, vmax=1, aspect="equal")
    for row in range(COUNT):
        for column in range(COUNT):
            _confusion_cell(axis, row, column, int(matrix[row, column]), share[row, column])
    for number, each in enumerate(CLASSES):
        axis.add_patch(
            Rectangle((number - 0.5, number - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.2)
        )
        for corner, width, height in (
            ((-0.72, number - 0.42), 0.15, 0.84),
            ((number - 0.42, COUNT - 0.43), 0.84, 0.15),
        ):
            axis.add_patch(
                Rectangle(corner, width, height, facecolor=each.colour, clip_on=False, linewidth=0)
            )
    axis.set_xticks(range(COUNT), NAMES, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_yticks(
        range(COUNT), [f"{n}\n{_short(s)}" for n, s in zip(NAMES, support, strict=True)]
    )
    axis.tick_params(length=0, pad=11, labelsize=8.5)
    axis.set(xlabel="the map says", ylabel="the labels say (cells)")
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if title:
        axis.set_title(title)
    return axis


def _confusion_cell(axis: Axes, row: int, column: int, count: int, share: float) -> None:
    if count == 0:
        return
    # On the middle blues only white can be read.
    dark = share > 0.38
    ink = "white" if dark else INK
    strong = row == column or share >= 0.05
    axis.text(
        column,
        row - 0.1,
        f"{100 * share:.0f}" if share >= 0.005 else "<1",
        ha="center",
        va="center",
        fontsize=9 if strong else 7.5,
        color=ink if strong else "#6b7780",
        fontweight="bold" if row == column else "normal",
    )
    axis.text(
        column,
        row + 0.26,
        _short(count),
        ha="center",
        va="center",
        fontsize=6,
        color="white" if dark else "#5b6770",
    )


def _short(count: int) -> str:
    """
    >>> _short(7), _short(1234), _short(45678), _short(3200000)
    ('7', '1.2k', '46k', '3.2M')
    """
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            part = count / size
            return f"{part:.1f}{letter}" if part < 10 else f"{part:.0f}{letter}"
    return str(int(count))


# --- training -------------------------------------------------------------------------------------
def learning_curves(runs: Mapping[str, Any]) -> Figure:
    """How training went: the loss on a log scale, and the scores on the validation scenes.

    One run also shows each class's F1 in the class's colour; several runs share the panels.

    Parameters
    ----------
    runs
        By name: an `academy.land_cover.training.History`, or the same as a dictionary, such as a
        job's ``metrics["history"]``.
    """
    import matplotlib.pyplot as plt

    if not 1 <= len(runs) <= len(METHOD_COLOURS):
        raise ValueError(f"{len(runs)} runs; there are colours for 1 to {len(METHOD_COLOURS)}")
    figure: Figure = plt.figure(figsize=(10.5, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    alone = len(runs) == 1
    colours = [MODEL] if alone else METHOD_COLOURS
    for (name, run), colour in zip(runs.items(), colours, strict=False):
        history = run if isinstance(run, Mapping) else vars(run)
        loss, at = np.asarray(history["loss"], float), np.asarray(history["evaluated"], int)
        steps = np.arange(1, len(loss) + 1)
        if alone:
            left.plot(steps, loss, color=MUTED, linewidth=0.6, alpha=0.7)
        smooth = f"{name}, training" if not alone else "training, smoothed"
        left.plot(steps, _smoothed(loss), color=colour, linewidth=1.6, label=smooth)
        if len(at):
            style: dict[str, Any] = {"marker": "o", "markersize": 4, "color": colour}
            validation = "validation scenes" if alone else None
            left.plot(
                at,
                history["validation_loss"],
                linestyle="--",
                mfc="white",
                label=validation,
                **style,
            )
            if alone:
                _class_curves(right, at, np.asarray(history["f1"], float))
                right.plot(
                    at,
                    history["accuracy"],
                    color=INK,
                    linestyle=":",
                    linewidth=1.4,
                    label="accuracy",
                )
            score = "macro-F1" if alone else f"{name} ({max(history['macro_f1']):.2f})"
            thick = {**style, "color": INK if alone else colour, "linewidth": 2.2}
            right.plot(at, history["macro_f1"], label=score, **thick)
            best = int(history.get("best_step") or 0)
            if alone and best in at.tolist():
                right.axvline(best, color=MUTED, linewidth=1, linestyle=":")
                late = best > 0.85 * at[-1]
                right.annotate(
                    "kept",
                    (best, 1),
                    (-3 if late else 3, -3),
                    textcoords="offset points",
                    ha="right" if late else "left",
                    va="top",
                    fontsize=8,
                )
    left.set(yscale="log", xlabel="step", title="Loss")
    _plain_log(left)
    left.legend(fontsize=8.5)
    right.set(xlim=(0, None), ylim=(0, 1), xlabel="step", title="Scores on the validation scenes")
    if right.lines:
        right.legend(fontsize=8.5, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _class_curves(axis: Axes, at: npt.NDArray[np.int_], f1: npt.NDArray[np.float64]) -> None:
    for number, each in enumerate(CLASSES):
        axis.plot(at, f1[:, number], color=each.colour, linewidth=1.3, label=each.name, zorder=1)


def _plain_log(axis: Axes) -> None:
    """Numbers, not powers of ten: a loss rarely spans a decade."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())


def _smoothed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean of the neighbouring twentieth; shorter at the ends."""
    reach = max(1, len(values) // 40)
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))
