"""Exercises for notebooks: predict first, then look; checks on properties, hints when asked for.

>>> from academy.exercises import Exercise
>>> looks = Exercise(
...     "looks",
...     "Sixteen independent dates of 4 looks are averaged. How many looks has the mean?",
...     unit="looks",
...     hints=("What falls when you average?", "Looks are mean² / variance.", "It adds up."),
... )
>>> looks.predict(...)                         # three dots: not yet
looks: no prediction yet. Write one in place of the three dots, or go on without.
  Sixteen independent dates of 4 looks are averaged. How many looks has the mean?
  (hints, one after another: .hint())
>>> looks.predict(8)
looks: you predict 8 looks. Run on to see.
>>> looks.reveal(64)
looks: you said 8 looks, it is 64 looks; off by 56.
>>> looks.hint()
looks, a nudge: What falls when you average?

What a learner makes is checked by what it *does*, never against a stored answer:

>>> half = Exercise("half", "Write a function that halves a number.")
>>> @half.property("doubling takes it back")
... def _(function):
...     return all(2 * function(x) == x for x in (1.0, 8.0)), f"1.0 became {function(1.0)}"
>>> def my_half(x): ...
>>> half.check(my_half)
half: not done yet. Write a function that halves a number.
>>> half.check(lambda x: x - 1)
half: 0 of 1 hold.
  - doubling takes it back: not yet; 1.0 became 0.0
>>> half.check(lambda x: x / 2)
half: all 1 hold.
  + doubling takes it back

No call raises because of what a learner wrote or left out: a notebook runs from top to bottom.
Predictions are kept in ``~/.academy/predictions.json`` (ACADEMY_JOURNAL names another file), so
that the first one stands after a restart; `journal` lists them all.
"""

from __future__ import annotations

import dis
import html
import json
import math
import os
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import CodeType
from typing import Any

from academy import figures
from academy.progress import _in_notebook
from academy.tables import untypeset

__all__ = ["Exercise", "Journal", "Property", "journal"]

#: What the three hints are called.
LEVELS = ("a nudge", "a direction", "nearly there")

_DONE, _OPEN, _NOT = figures.MODEL, figures.MUTED, figures.NAIVE
_LONGEST = 300


@dataclass(frozen=True)
class Property:
    """Something that what a learner made must do.

    Parameters
    ----------
    says
        The property in words, such as "keeps the mean within 2 %".
    holds
        Gets what the learner made. Gives True or False, or a pair of that and what was seen.
    """

    says: str
    holds: Callable[..., Any]


@dataclass(frozen=True)
class _Result:
    says: str
    holds: bool
    seen: str


class Exercise:
    """A question to predict, or a thing to make, with hints in three levels.

    Parameters
    ----------
    name
        Short and unique in a notebook; predictions are kept under it.
    task
        The question or the task, one or two sentences.
    choices
        What a prediction may be, if it is one of a few. For a ranking, the things to rank.
    unit
        Of a predicted number, such as ``%`` or ``looks``.
    hints
        Up to three, from a nudge to nearly there.
    checks
        Properties of what the learner makes; `property` adds to them.

    Raises
    ------
    ValueError
        More hints than levels, or no name. (Who writes a notebook is told; who takes it is not.)
    """

    def __init__(
        self,
        name: str,
        task: str,
        *,
        choices: Sequence[Any] | None = None,
        unit: str = "",
        hints: Sequence[str] = (),
        checks: Sequence[Property] = (),
    ) -> None:
        if not name.strip():
            raise ValueError("an exercise needs a name: predictions are kept under it")
        if isinstance(hints, str) or len(hints) > len(LEVELS):
            raise ValueError(f"hints are a list of up to {len(LEVELS)} texts: {', '.join(LEVELS)}")
        self.name = name
        self.task = task
        self.choices = None if choices is None else tuple(_plain(each) for each in choices)
        self.unit = unit
        self.hints = tuple(hints)
        self.checks = list(checks)
        self.passed = False
        """Whether the last `check` found that every property holds."""
        self._shown = 0

    # --- predict, then run ------------------------------------------------------------------

    @property
    def prediction(self) -> Any:
        """What was predicted; None if nothing was."""
        return Journal.read().of(self.name).get("predicted")

    def predict(self, answer: Any = ..., because: str = "") -> None:
        """Writes a prediction down, before the outcome is shown.

        Parameters
        ----------
        answer
            A number, a text, True or False, a list from best to worst, or numbers by name. Three
            dots are a blank that is still to be filled.
        because
            The reason, in a few words. Looking back, it teaches more than the number.
        """
        answer = _plain(answer)
        if _blank(answer):
            self._say(
                "no prediction yet. Write one in place of the three dots, or go on without.",
                _OPEN,
                task=True,
                hints=True,
            )
            return
        wrong = self._wrong(answer)
        if wrong:
            self._say(wrong, _NOT, task=True)
            return
        known = Journal.read()
        entry = known.of(self.name)
        if "outcome" in entry and "predicted" in entry:
            first = self._value(entry["predicted"])
            if entry["predicted"] == answer:
                self._say(f"you predicted {first}.", figures.PAST)
            else:
                self._say(
                    f"you have seen how it comes out, so your first prediction stands: {first}. "
                    "(.start_over() forgets both.)",
                    figures.PAST,
                )
            return
        entry |= {"predicted": answer, "unit": self.unit}
        entry["because"] = str(because)[:_LONGEST]
        entry["when"] = datetime.now(UTC).isoformat(timespec="seconds")
        if "outcome" in entry:
            entry["late"] = True
        known.put(self.name, entry)
        late = " (The outcome was shown before.)" if "outcome" in entry else ""
        self._say(f"you predict {self._value(answer)}. Run on to see.{late}", figures.PAST)

    def reveal(self, outcome: Any, note: str = "") -> None:
        """Shows the outcome beside the prediction.

        Parameters
        ----------
        outcome
            Of the kind that was to be predicted.
        note
            What to make of it, a sentence.
        """
        outcome = _plain(outcome)
        known = Journal.read()
        entry = known.of(self.name)
        if "predicted" not in entry:
            entry |= {"outcome": outcome, "unit": self.unit}
            known.put(self.name, entry)
            self._say(
                f"it is {self._value(outcome)}. You made no prediction; the next one is yours.",
                _OPEN,
                note=note,
                folded=f"it is {self._value(outcome)}",
            )
            return
        # The first outcome was the one predicted; another run may differ a little and is shown.
        entry["outcome"] = outcome
        known.put(self.name, entry)
        predicted = entry["predicted"]
        near, remark = _compare(predicted, outcome, self.unit)
        text = f"you said {self._value(predicted)}, it is {self._value(outcome)}; {remark}."
        rows = [("you said", self._value(predicted)), ("it is", self._value(outcome))]
        if entry.get("because"):
            text += f"\n  Because: {entry['because']}"
            rows.append(("because", entry["because"]))
        self._say(
            text, _DONE if near else _NOT, note=note, columns=(rows, remark, predicted, outcome)
        )

    def start_over(self) -> None:
        """Forgets this exercise's prediction, outcome and hints."""
        known = Journal.read()
        known.put(self.name, None)
        self._shown = 0
        self.passed = False

    def _wrong(self, answer: Any) -> str:
        """Why `answer` is no prediction here; empty if it is one."""
        if self.choices is None:
            return ""
        allowed = ", ".join(str(each) for each in self.choices)
        if isinstance(answer, list):
            strange = [each for each in answer if each not in self.choices]
            if strange or len(set(map(str, answer))) != len(answer):
                what = f"{strange[0]!r} is none of them" if strange else "one is named twice"
                return f"a ranking has each of {allowed} once; {what}."
            return ""
        if isinstance(answer, dict):
            strange = [each for each in answer if each not in self.choices]
            return f"{strange[0]!r} is none of {allowed}." if strange else ""
        return "" if answer in self.choices else f"{answer!r} is none of {allowed}."

    # --- make, then check -------------------------------------------------------------------

    def property(self, says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Adds a check: a decorator of the function that tells whether the property holds."""

        def add(holds: Callable[..., Any]) -> Callable[..., Any]:
            self.checks.append(Property(says, holds))
            return holds

        return add

    def check(self, *made: Any, **named: Any) -> None:
        """Tries each property on what the learner made, and shows which hold.

        Three dots, None, and a function whose body is three dots count as not done yet. An error
        in a learner's function is shown, not raised.
        """
        self.passed = False
        if all(_unwritten(each) for each in (*made, *named.values())):
            self._say(f"not done yet. {self.task}", _OPEN, hints=True)
            return
        results = [_try(each, made, named) for each in self.checks]
        right = sum(each.holds for each in results)
        self.passed = right == len(results)
        head = f"all {right} hold." if self.passed else f"{right} of {len(results)} hold."
        self._say(head, _DONE if self.passed else _NOT, results=results, hints=not self.passed)

    # --- hints ------------------------------------------------------------------------------

    def hint(self) -> None:
        """Shows the next hint: a nudge, then a direction, then nearly there."""
        if not self.hints:
            self._say("there is no hint; your team may know more.", _OPEN)
            return
        if self._shown >= len(self.hints):
            self._say("these were all the hints. Talk it over with your team?", _OPEN)
            return
        level = self._shown
        self._shown += 1
        _display(
            f"{self.name}, {LEVELS[level]}: {self.hints[level]}",
            _card(
                figures.PAST,
                f"<b>{_text(self.name)}</b>, {LEVELS[level]}: {_text(self.hints[level])}",
            ),
        )

    # --- showing ----------------------------------------------------------------------------

    def _value(self, value: Any) -> str:
        return _show(value, self.unit)

    def _say(
        self,
        text: str,
        colour: str,
        *,
        task: bool = False,
        hints: bool = False,
        note: str = "",
        folded: str = "",
        results: Sequence[_Result] = (),
        columns: tuple[list[tuple[str, str]], str, Any, Any] | None = None,
    ) -> None:
        plain = [f"{self.name}: {text}"]
        page = [f"<div><b>{_text(self.name)}</b>: {_text(text)}</div>"]
        if folded:
            page = [
                f"<details><summary><b>{_text(self.name)}</b>: you made no prediction; "
                f"look anyway</summary><div>{_text(folded)}</div></details>"
            ]
        if columns is not None:
            page = [f"<div><b>{_text(self.name)}</b>: {_text(columns[1])}</div>", _beside(columns)]
        if task:
            plain.append(f"  {self.task}")
            page.append(f"<div>{_text(self.task)}</div>")
        for each in results:
            seen = "" if each.holds else f": not yet{'; ' + each.seen if each.seen else ''}"
            plain.append(f"  {'+' if each.holds else '-'} {each.says}{seen}")
            mark = f'<span style="color:{_DONE if each.holds else _NOT}">'
            mark += f"{'✓' if each.holds else '○'}</span>"
            page.append(f"<div>{mark} {_text(each.says + seen)}</div>")
        if note:
            plain.append(f"  {note}")
            page.append(f"<div>{_text(note)}</div>")
        if hints and self.hints:
            plain.append("  (hints, one after another: .hint())")
            page.append(_folded_hints(self.hints))
        _display("\n".join(plain), _card(colour, "".join(page)))

    def __repr__(self) -> str:
        return f"{self.name}: {self.task}"

    @untypeset
    def _repr_html_(self) -> str:
        hints = _folded_hints(self.hints) if self.hints else ""
        head = f"<div><b>{_text(self.name)}</b>: {_text(self.task)}</div>"
        return _card(figures.PAST, head + hints)


# --- what was predicted ---------------------------------------------------------------------


@dataclass
class Journal:
    """All predictions beside what came out; shows itself as a table.

    `entries` by exercise: predicted, because, outcome, unit, when; late if the outcome came first.
    """

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def path() -> Path:
        """Where predictions are kept."""
        named = os.environ.get("ACADEMY_JOURNAL")
        return Path(named) if named else Path.home() / ".academy" / "predictions.json"

    @classmethod
    def read(cls) -> Journal:
        """What is kept; nothing if there is no file, or it holds something else."""
        try:
            found = json.loads(cls.path().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls(dict(_unwritten_entries))
        kept = found if isinstance(found, dict) else {}
        entries = {str(name): entry for name, entry in kept.items() if isinstance(entry, dict)}
        return cls({**entries, **_unwritten_entries})

    def of(self, name: str) -> dict[str, Any]:
        """A copy of one exercise's entry; empty if there is none."""
        return dict(self.entries.get(name, {}))

    def put(self, name: str, entry: dict[str, Any] | None) -> None:
        """Keeps an entry, or forgets it; in memory where the file cannot be written."""
        if entry is None:
            self.entries.pop(name, None)
            _unwritten_entries.pop(name, None)
        else:
            self.entries[name] = entry
        path = self.path()
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self.entries, indent=1, ensure_ascii=False) + "\n", "utf-8")
            os.replace(part, path)
        except OSError:
            if entry is not None:
                _unwritten_entries[name] = entry

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for name, entry in self.entries.items():
            said, found = (
                _show(entry[key], str(entry.get("unit") or "")) if key in entry else "-"
                for key in ("predicted", "outcome")
            )
            late = " (late)" if entry.get("late") else ""
            rows.append((name, said + late, found, str(entry.get("because") or "")))
        return rows

    def __str__(self) -> str:
        rows = [("exercise", "you said", "it is", "because"), *self._rows()]
        if len(rows) == 1:
            return "No predictions yet."
        widths = [max(len(row[at]) for row in rows) for at in range(3)]
        return "\n".join(
            "  ".join(
                [*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]
            ).rstrip()
            for row in rows
        )

    __repr__ = __str__

    @untypeset
    def _repr_html_(self) -> str:
        if not self.entries:
            return _card(_OPEN, "No predictions yet.")
        head = "".join(
            f'<th style="text-align:left;padding:2px 14px 2px 0">{each}</th>'
            for each in ("exercise", "you said", "it is", "because")
        )
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:left;padding:2px 14px 2px 0">{_text(cell)}</td>'
                for cell in row
            )
            + "</tr>"
            for row in self._rows()
        )
        return _card(figures.PAST, f"<table><tr>{head}</tr>{body}</table>")


#: Entries that no file takes: a home that is full or read-only must not cost a lesson.
_unwritten_entries: dict[str, dict[str, Any]] = {}


def journal() -> Journal:
    """All your predictions so far, beside what came out."""
    return Journal.read()


# --- values ---------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """`value` as JSON has it: numpy's numbers and arrays too; what is strange as text."""
    if value is ... or value is None or isinstance(value, (bool, str)):
        return value[:_LONGEST] if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in list(value.items())[:50]}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value[:50]]
    if hasattr(value, "tolist"):  # numpy and torch
        return _plain(value.tolist())
    return repr(value)[:_LONGEST]


def _blank(value: Any) -> bool:
    if isinstance(value, dict):
        return not value or any(_blank(each) for each in value.values())
    if isinstance(value, list):
        return not value or any(_blank(each) for each in value)
    if isinstance(value, str):
        return not value.strip(" .…")
    return value is ... or value is None or (isinstance(value, float) and math.isnan(value))


def _unwritten(made: Any) -> bool:
    """Whether it is a blank, or a function with nothing in it but words and three dots."""
    if made is ... or made is None:
        return True
    code = getattr(made, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    # Nothing is called and nothing given back that a learner could have meant.
    work = [each for each in dis.get_instructions(code) if each.opname not in _IDLE]
    return not any(each.opname not in _CONSTANTS or each.argval not in _BLANKS for each in work)


_IDLE = frozenset({"RESUME", "NOP", "CACHE", "RETURN_VALUE"})
_CONSTANTS = frozenset({"LOAD_CONST", "RETURN_CONST"})
_BLANKS = (None, ...)


def _try(check: Property, made: tuple[Any, ...], named: dict[str, Any]) -> _Result:
    try:
        found = check.holds(*made, **named)
    except Exception as error:
        return _Result(check.says, False, _told(error))
    holds, seen = found if isinstance(found, tuple) else (found, "")
    return _Result(check.says, bool(holds), str(seen)[:_LONGEST])


def _told(error: Exception) -> str:
    """An error in a line: what, and where in the learner's own code."""
    where = ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        # A notebook's cells are no files of the library.
        if "ipykernel" in frame.filename or frame.filename.startswith("<"):
            where = f", line {frame.lineno} of {frame.name}"
            break
    told = " ".join(str(error).split())[:_LONGEST]
    return f"it stopped with {type(error).__name__}{': ' + told if told else ''}{where}"


def _compare(predicted: Any, outcome: Any, unit: str) -> tuple[bool, str]:
    """Whether the prediction was near, and what to say of it."""
    if _number(predicted) and _number(outcome):
        apart = abs(outcome - predicted)
        if apart <= 0.05 * abs(outcome):
            return True, "close" if apart else "as you said"
        points = " points" if unit == "%" else ""
        return False, f"off by {_show(apart)}{points}"
    if isinstance(predicted, list) and isinstance(outcome, list):
        place = {str(each): at for at, each in enumerate(outcome)}
        ranked = [str(each) for each in predicted if str(each) in place]
        pairs = list(combinations(ranked, 2))
        right = sum(place[one] < place[other] for one, other in pairs)
        if not pairs:
            return (
                predicted == outcome,
                "as you said" if predicted == outcome else "not as you said",
            )
        return right == len(pairs), f"{right} of {len(pairs)} pairs in the right order"
    if isinstance(predicted, dict) and isinstance(outcome, dict):
        shared = [name for name in predicted if name in outcome]
        apart = [
            abs(outcome[name] - predicted[name])
            for name in shared
            if _number(outcome[name]) and _number(predicted[name])
        ]
        if apart:
            return False, f"off by {_show(sum(apart) / len(apart))} on average"
    same = str(predicted).strip().lower() == str(outcome).strip().lower()
    return same, "as you said" if same else "not as you said"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _show(value: Any, unit: str = "") -> str:
    """A value for people: three digits or so, lists as rankings."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _number(value):
        if isinstance(value, float) and not value.is_integer():
            digits = f"{value:.3g}"
            text = f"{value:,.0f}" if "e" in digits and abs(value) >= 1 else digits
        else:
            text = f"{value:,.0f}" if math.isfinite(value) else str(value)
        return f"{text} {unit}".rstrip()
    if isinstance(value, list):
        return ", ".join(_show(each, unit) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_show(each, unit)}" for name, each in value.items())
    return str(value)


# --- pages ----------------------------------------------------------------------------------


def _text(text: str) -> str:
    """Escaped, with `code` and **bold** as in Markdown."""
    safe = html.escape(text).replace("\n", "<br>")
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe)


def _card(colour: str, body: str) -> str:
    return f'<div style="border-left:3px solid {colour};padding:2px 10px;margin:4px 0">{body}</div>'


def _folded_hints(hints: Sequence[str]) -> str:
    """Each hint inside the one before it: nobody sees the last without the first."""
    page = ""
    for level, each in reversed(list(zip(LEVELS, hints, strict=False))):
        page = (
            f'<details style="margin-left:10px"><summary>{level}</summary>'
            f"<div>{_text(each)}</div>{page}</details>"
        )
    return f'<div style="opacity:.8">Hints, if you want them:{page}</div>'


def _beside(columns: tuple[list[tuple[str, str]], str, Any, Any]) -> str:
    rows, _, predicted, outcome = columns
    cell = '<td style="text-align:left;vertical-align:top;padding:0 18px 0 0">'
    if isinstance(predicted, list) and isinstance(outcome, list):
        lists = [
            (name, _ranked(value))
            for name, value in zip(("you said", "it is"), (predicted, outcome), strict=True)
        ]
        rest = [(name, _text(value)) for name, value in rows[2:]]
        shown = [*lists, *rest]
    else:
        shown = [
            (name, f'<span style="font-size:130%">{_text(value)}</span>')
            if name != "because"
            else (name, _text(value))
            for name, value in rows
        ]
    inner = "".join(
        f'{cell}<div style="opacity:.7">{name}</div>{value}</td>' for name, value in shown
    )
    return f"<table><tr>{inner}</tr></table>"


def _ranked(values: list[Any]) -> str:
    return "<br>".join(f"{at}. {_text(_show(each))}" for at, each in enumerate(values, 1))


def _display(plain: str, page: str) -> None:
    if not _in_notebook():
        print(plain)
        return
    from IPython.display import display

    display({"text/plain": plain, "text/html": page}, raw=True)  # type: ignore[no-untyped-call]
