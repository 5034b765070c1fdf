"""Does the model wait for data? Images a second and idle share of training, as `fit` runs it.

    python -m benchmarks.training_pipeline [--steps 60] [--rounds 3] [--crop 64] [--batch 16]
    python -m benchmarks.training_pipeline --device cuda --crop 128 --batch 64 --workers 0 4 8

The steps are those of `academy.land_cover.training.fit`; only where it asks for the next batch is
it listened to. Two shares are told, because the first alone can be had by making everything slow:

- *waits*: the part of a step between asking for a batch and having it;
- *idle*: the part of a step that would not be there if batches cost nothing, from the same steps
  over a few batches made beforehand. On a GPU, which works on while Python waits, this is the one
  that counts. On a CPU it includes the cores' time that cutting crops takes from the model.

Beside them stands the processor's time a step, of this process and not of workers: on a machine
that others use, too, it says more than the clock on the wall.

Modes take turns within a round; each is told from the round in which its steps were quickest.
On a GPU each is measured in float32 and in mixed precision.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project_templates" / "academy"))

from academy.data.simulator import simulate
from academy.land_cover import batches, training
from academy.land_cover.models import count_parameters
from academy.land_cover.scene import Scene
from academy.land_cover.training import Settings, fit, silent

#: Steps in which caches fill, kernels are chosen and workers start.
WARM_UP = 10
MADE_BEFOREHAND = 8

Batches = Callable[..., Iterator[Any]]


@dataclass
class Clock:
    """When batches were asked for and given, seconds; on a GPU, when what came before was done."""

    device: torch.device
    asked: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    #: This process's processor time when batches were asked for, all its threads together.
    worked: list[float] = field(default_factory=list)

    def listen(self, made: Iterator[Any]) -> Iterator[Any]:
        while True:
            at_an_end = len(self.asked) in (WARM_UP, self.steps)
            if at_an_end and self.device.type == "cuda":
                # Only here: a wait at every step would make the GPU idle.
                torch.cuda.synchronize(self.device)
            self.asked.append(time.perf_counter())
            self.worked.append(time.process_time())
            try:
                batch = next(made)
            except StopIteration:
                return
            self.given.append(time.perf_counter())
            yield batch

    steps: int = 0

    @property
    def step_seconds(self) -> float:
        """A step's mean, from asking to asking."""
        return (self.asked[self.steps] - self.asked[WARM_UP]) / (self.steps - WARM_UP)

    @property
    def processor_seconds(self) -> float:
        """Of a step, the mean."""
        return (self.worked[self.steps] - self.worked[WARM_UP]) / (self.steps - WARM_UP)

    @property
    def waits(self) -> float:
        """The mean share of a step between asking and having."""
        pairs = zip(self.asked[WARM_UP : self.steps], self.given[WARM_UP : self.steps], strict=True)
        waited = sum(given - asked for asked, given in pairs)
        return waited / (self.asked[self.steps] - self.asked[WARM_UP])


def beforehand(made: Batches) -> Batches:
    """The first few batches, again and again."""

    def again(*given: Any, **named: Any) -> Iterator[Any]:
        kept = list(islice(made(*given, **named), MADE_BEFOREHAND))
        return cycle(kept)

    return again


def measure(
    scenes: list[Scene], settings: Settings, device: torch.device, *, free: bool, thread: bool
) -> Clock:
    """Runs `fit` and listens.

    `free` stands for batches that cost nothing; without `thread`, and without workers, they are cut
    in between.
    """
    clock = Clock(device, steps=settings.steps - 1)
    made = beforehand(batches.training_batches) if free else batches.training_batches

    def heard(*given: Any, **named: Any) -> Iterator[Any]:
        return clock.listen(iter(made(*given, **named)))

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(training, "training_batches", heard))
        if not thread:
            patches.enter_context(mock.patch.object(batches, "ahead", iter))
        fit(scenes, [], settings, report=silent, device=device)
    return clock


def main() -> None:
    """Measures, and prints images a second and shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=60, help="of a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of which the quickest counts")
    parser.add_argument("--crop", type=int, default=Settings().crop)
    parser.add_argument("--batch", type=int, default=Settings().batch)
    parser.add_argument("--width", type=int, default=Settings().width)
    parser.add_argument("--sampler", default="biased", help="random or biased")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, help="of torch; as many as cores by default")
    parser.add_argument("--device", help="cpu or cuda; cuda if there is one")
    options = parser.parse_args()
    if options.steps < 2 * WARM_UP:
        parser.error(f"--steps is at least {2 * WARM_UP}")
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device that this torch can use")

    common = {
        "steps": options.steps + WARM_UP,
        "crop": options.crop,
        "batch": options.batch,
        "width": options.width,
        "sampler": options.sampler,
    }
    precisions = ["float32", "auto"] if device.type == "cuda" else ["float32"]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(f"{where}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        scenes = [
            Scene.read(simulate(seed, height=480, width=480).write(Path(folder, str(seed))))
            for seed in (101, 102, 103, 104)
        ]
        parameters = count_parameters(training.build(Settings(**common), 2))
        print(
            f"batches of {options.batch} crops of {options.crop}², {options.sampler}; "
            f"U-Net of {parameters:,} parameters"
        )
        modes: dict[str, tuple[Settings, bool, bool]] = {}
        for precision in precisions:
            tail = f", {'mixed' if precision == 'auto' else precision}"
            tail = tail if len(precisions) > 1 else ""
            plain = Settings(**common, precision=precision)
            modes[f"made beforehand{tail}"] = plain, True, True
            modes[f"cut in between{tail}"] = plain, False, False
            for workers in options.workers:
                name = f"{workers} workers" if workers else "0 workers (a thread)"
                with_workers = Settings(**common, precision=precision, workers=workers)
                modes[name + tail] = with_workers, False, True
        best: dict[str, Clock] = {}
        for _ in range(options.rounds):
            for name, (settings, free, thread) in modes.items():
                clock = measure(scenes, settings, device, free=free, thread=thread)
                if name not in best or clock.step_seconds < best[name].step_seconds:
                    best[name] = clock
    print(
        f"  {'batches':<32}{'images/s':>10}{'ms a step':>11}{'processor':>11}"
        f"{'waits':>8}{'idle':>8}"
    )
    for name, clock in best.items():
        _, _, tail = name.partition(", ")
        free_clock = best["made beforehand" + (f", {tail}" if tail else "")]
        idle = 1 - free_clock.step_seconds / clock.step_seconds
        print(
            f"  {name:<32}{options.batch / clock.step_seconds:>10.0f}"
            f"{clock.step_seconds * 1000:>11.1f}"
            f"{clock.processor_seconds * 1000:>11.1f}{clock.waits:>8.1%}{idle:>8.1%}"
        )
    if device.type == "cuda":
        for workers in options.workers:
            name = f"{workers} workers" if workers else "0 workers (a thread)"
            ratio = best[f"{name}, float32"].step_seconds / best[f"{name}, mixed"].step_seconds
            print(f"ratio, mixed precision over float32, {name}: {ratio:.2f}x images a second")


if __name__ == "__main__":
    main()
