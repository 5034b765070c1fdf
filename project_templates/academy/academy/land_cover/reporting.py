"""How a training run shows itself: a bar in notebooks and terminals, lines in a job's log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from academy.progress import Progress

_BAR = 24
_REDRAW_SECONDS = 0.2


@dataclass(frozen=True)
class Moment:
    """Where a training run is. `macro_f1` and `f1` are there when the validation was looked at."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float
    macro_f1: float | None = None
    f1: tuple[float, ...] | None = None
    best: bool = False
    finished: bool = False


def silent(moment: Moment) -> None:
    """Shows nothing."""


class Display:
    """Shows moments: a line for each look at the validation scenes, and a bar where one can move.

    Parameters
    ----------
    steps
        Of the whole run.
    done
        Of them before this: a run that goes on says so.
    clock
        Seconds, for tests.
    """

    def __init__(
        self, steps: int, done: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress = Progress("training")
        self._width = len(str(steps))
        self._clock = clock
        self._drawn = -1.0
        self._begun: tuple[int, float] | None = None
        if done:
            self._progress.update("running", [f"going on after step {done} of {steps}"])

    def __call__(self, moment: Moment) -> None:
        if self._begun is None:
            self._begun = (moment.step, moment.seconds)
        lines = [self._line(moment)] if moment.macro_f1 is not None or moment.finished else []
        now = self._clock()
        if not lines and now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        state = "Completed" if moment.finished else "running"
        self._progress.update(state, lines, "" if moment.finished else self._note(moment))

    def _line(self, moment: Moment) -> str:
        text = f"step {moment.step:{self._width}d} of {moment.steps}: loss {moment.loss:.4f}"
        if moment.macro_f1 is not None:
            text += f", validation macro-F1 {moment.macro_f1:.4f}" + (" *" if moment.best else "")
        return text + f"  ({moment.seconds:.0f} s)"

    def _note(self, moment: Moment) -> str:
        share = moment.step / moment.steps
        full = round(share * _BAR)
        bar = "█" * full + "░" * (_BAR - full)
        text = f"{bar} {moment.step}/{moment.steps} · loss {moment.loss:.3f}"
        assert self._begun is not None
        steps, seconds = moment.step - self._begun[0], moment.seconds - self._begun[1]
        if steps > 0 and seconds > 0:
            left = (moment.steps - moment.step) * seconds / steps
            text += f" · {steps / seconds:.1f} steps/s · {left:.0f} s left"
        return text
