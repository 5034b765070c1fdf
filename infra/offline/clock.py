"""The embedded cloud's time: real time plus an offset that only grows, and alarms that hang on it.

What ends, expires or repeats in the cloud asks this clock, so a test or a demonstration moves a
whole semester in a second. Work that falls due runs in order of time: in a background thread while
time passes by itself, in the caller's thread while `move` makes it pass.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

#: A periodic alarm runs at most this often within one move, the last times that it fell due:
#: moving four months past a rule of every fifteen minutes must not run it twelve thousand times.
OCCURRENCES_PER_MOVE = 24

#: The longest sleep between two looks at the clock. A condition waits on the monotonic clock, which
#: stands still while a laptop sleeps.
LONGEST_SLEEP_SECONDS = 30.0


def _real_time() -> datetime:
    return datetime.now(UTC)


class Alarm:
    """Work that is due at a moment; `cancel` takes it off the clock."""

    def __init__(
        self,
        when: datetime,
        action: Callable[[], None],
        name: str,
        period: timedelta | None,
        order: int,
        forget: Callable[[Alarm], None],
    ) -> None:
        self.when = when
        self.name = name
        self.period = period
        self._action = action
        self._order = order
        self._forget = forget
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Never run again. An action that is running now runs to its end."""
        self._cancelled = True
        self._forget(self)

    def __lt__(self, other: Alarm) -> bool:
        return (self.when, self._order) < (other.when, other._order)

    def __repr__(self) -> str:
        every = f", every {self.period}" if self.period else ""
        return f"Alarm({self.name!r}, {self.when.isoformat()}{every})"


class Clock:
    """A movable UTC clock with alarms. All methods may be called from any thread.

    `real` gives the real time (aware, UTC); tests pass their own.
    """

    def __init__(self, real: Callable[[], datetime] = _real_time) -> None:
        self._real = real
        self._offset = timedelta(0)
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._alarms: list[Alarm] = []
        self._orders = itertools.count()
        self._changed = threading.Condition()
        # Due work runs one at a time and in order, whoever makes time pass.
        self._running = threading.RLock()
        self._running_thread: int | None = None
        self._after_step: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._stopping = False

    # --- reading ------------------------------------------------------------------------------
    def now(self) -> datetime:
        """The cloud's time, aware, in UTC. It never goes backwards."""
        with self._changed:
            return self._now()

    @property
    def offset(self) -> timedelta:
        """How far the cloud's time runs ahead of real time."""
        with self._changed:
            return self._offset

    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are set, in the order in which they will run."""
        with self._changed:
            return tuple(sorted(alarm for alarm in self._alarms if not alarm.cancelled))

    # --- alarms -------------------------------------------------------------------------------
    def call_at(self, when: datetime, action: Callable[[], None], *, name: str) -> Alarm:
        """Run `action` once at `when` (aware), or at once if that has passed."""
        return self._set(_utc(when), action, name, None)

    def call_every(self, period: timedelta, action: Callable[[], None], *, name: str) -> Alarm:
        """Run `action` after one `period`, then after each further one.

        Raises:
            ValueError: if `period` is not positive.
        """
        if period <= timedelta(0):
            raise ValueError(f"a period must be positive, not {period}")
        return self._set(self.now() + period, action, name, period)

    def after_each_step(self, hook: Callable[[], None]) -> None:
        """Have `move` call `hook` before time moves, after each alarm that it ran, and at its end.

        So asynchronous consequences of one moment are over before the next moment comes.
        """
        with self._changed:
            self._after_step.append(hook)

    # --- time passes --------------------------------------------------------------------------
    def move(self, *, by: timedelta | None = None, to: datetime | None = None) -> datetime:
        """Move forward by a duration or to a moment; give exactly one. Returns the new time.

        Everything that falls due on the way runs first, in order, each at its own time.

        Raises:
            ValueError: if the move goes backwards, or neither or both arguments are given.
            RuntimeError: if called by an alarm's action.
        """
        if (by is None) == (to is None):
            raise ValueError("give the clock either a duration (by) or a moment (to)")
        if self._running_thread == threading.get_ident():
            raise RuntimeError("an alarm's action may not move the clock")
        with self._running:
            # What has begun belongs to the present.
            self._settle()
            now = self.now()
            target = now + by if by is not None else _utc(to or now)
            if target < now:
                raise ValueError(
                    f"the clock only moves forward: it is {now.isoformat()}, "
                    f"{target.isoformat()} has passed"
                )
            self._skip_occurrences(target)
            while (alarm := self._take_due(target)) is not None:
                self._advance(alarm.when)
                self._run(alarm)
                self._settle()
            self._advance(target)
            self._settle()
            return self.now()

    def start(self) -> None:
        """Start the thread that runs alarms while real time passes."""
        with self._changed:
            if self._thread is not None:
                return
            self._stopping = False
            self._thread = threading.Thread(target=self._watch, name="academy-clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop that thread; alarms stay set, and `move` still runs them."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # --- within -------------------------------------------------------------------------------
    def _now(self) -> datetime:
        self._latest = max(self._latest, self._real() + self._offset)
        return self._latest

    def _advance(self, moment: datetime) -> None:
        with self._changed:
            behind = moment - self._now()
            if behind > timedelta(0):
                self._offset += behind
            self._changed.notify_all()

    def _set(
        self, when: datetime, action: Callable[[], None], name: str, period: timedelta | None
    ) -> Alarm:
        with self._changed:
            alarm = Alarm(when, action, name, period, next(self._orders), self._forget)
            heapq.heappush(self._alarms, alarm)
            self._changed.notify_all()
            return alarm

    def _forget(self, alarm: Alarm) -> None:
        with self._changed:
            if alarm in self._alarms:
                self._alarms.remove(alarm)
                heapq.heapify(self._alarms)
                self._changed.notify_all()

    def _skip_occurrences(self, target: datetime) -> None:
        with self._changed:
            for alarm in self._alarms:
                if alarm.period is None or alarm.when > target:
                    continue
                due = (target - alarm.when) // alarm.period + 1
                if due > OCCURRENCES_PER_MOVE:
                    alarm.when += (due - OCCURRENCES_PER_MOVE) * alarm.period
            heapq.heapify(self._alarms)

    def _take_due(self, moment: datetime) -> Alarm | None:
        with self._changed:
            if not self._alarms or self._alarms[0].when > moment:
                return None
            return heapq.heappop(self._alarms)

    def _run(self, alarm: Alarm) -> None:
        """Run one alarm's action, with `_running` held; set a periodic one again."""
        self._running_thread = threading.get_ident()
        try:
            if not alarm.cancelled:
                alarm._action()
        except Exception:
            # One service's mistake must not stop the time of all others.
            log.exception("the alarm %r failed", alarm.name)
        finally:
            self._running_thread = None
        with self._changed:
            if alarm.period is not None and not alarm.cancelled:
                alarm.when += alarm.period
                heapq.heappush(self._alarms, alarm)
                self._changed.notify_all()

    def _settle(self) -> None:
        for hook in tuple(self._after_step):
            try:
                hook()
            except Exception:
                log.exception("waiting for the consequences of a moment failed")

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                pause = LONGEST_SLEEP_SECONDS
                if self._alarms:
                    pause = min(pause, (self._alarms[0].when - self._now()).total_seconds())
                if pause > 0:
                    self._changed.wait(pause)
                    continue
            with self._running:
                alarm = self._take_due(self.now())
                if alarm is not None:
                    self._run(alarm)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; the clock counts in UTC")
    return moment.astimezone(UTC)
