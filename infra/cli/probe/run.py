"""Asks the questions one after the other, within the cap, and cleans up whatever happens."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.probe.budget import Budget, Cost
from infra.cli.probe.probing import Probe, TookTooLong, code, message
from infra.cli.probe.question import Answer, Question, Verdict, untold
from infra.cli.probe.shared import SHARED, NotMade, require

#: Words by which the embedded cloud says that it does not model something.
_NOT_MODELLED = ("not modelled", "not emulate", "not emulated", "embedded cloud", "has not been")


@dataclass
class Asked:
    """A question and what came of it."""

    question: Question
    answer: Answer


@dataclass
class Outcome:
    """What came of a run."""

    asked: list[Asked] = field(default_factory=list)
    #: What did not go, and why.
    left: list[str] = field(default_factory=list)
    interrupted: bool = False
    began: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


def wanted_of(question: Question) -> dict[str, tuple[Cost, ...]]:
    """What a question costs at most, by what it is reserved under."""
    return {question.id: question.costs, **{name: SHARED[name].costs for name in question.uses}}


def minutes(questions: Iterable[Question], *, image: str | None) -> int:
    """How long these take on AWS, roughly, with what they share."""
    asked = [each for each in questions if image or not each.image]
    shared = {name for each in asked for name in each.uses}
    return sum(each.minutes for each in asked) + sum(SHARED[name].minutes for name in shared)


def ask_all(
    probe: Probe,
    budget: Budget,
    questions: Iterable[Question],
    *,
    progress: Callable[[str, Answer | None], None] = lambda *_: None,
) -> Outcome:
    """Ask all of them and remove everything, also after an error or Ctrl-C.

    Args:
        progress: told of a question when it begins (None) and when it is answered.
    """
    outcome = Outcome()
    try:
        for question in questions:
            progress(question.id, None)
            answer = _ask(probe, budget, question)
            outcome.asked.append(Asked(question, answer))
            progress(question.id, answer)
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        probe.recorder.about("cleanup")
        outcome.left = probe.remove()
    return outcome


def _ask(probe: Probe, budget: Budget, question: Question) -> Answer:
    if question.image and probe.image is None:
        return Answer(Verdict.SKIPPED, "it needs an image of the account: --image NAME")
    short = budget.reserve(wanted_of(question))
    if short:
        return Answer(Verdict.SKIPPED, short)
    probe.group = question.id
    try:
        for name in question.uses:
            require(probe, name)
        probe.recorder.about(question.id)
        return question.ask(probe)
    except NotMade as error:
        return untold(_reason(probe, error.__cause__ or error, str(error)))
    except Exception as error:
        # One question that goes wrong must not keep the others from being asked.
        return untold(_reason(probe, error, f"{type(error).__name__}: {error}"))
    finally:
        probe.recorder.about(None)
        probe.group = "shared"


def _reason(probe: Probe, error: BaseException, said: str) -> str:
    if isinstance(error, ClientError):
        where = f"{error.operation_name}: {code(error)}: {message(error)}"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        here = probe.source == "embedded"
        if here and (status in (500, 501) or any(word in where for word in _NOT_MODELLED)):
            return f"not modelled here: {where}"
        return f"AWS refused {where}"
    if isinstance(error, BotoCoreError) and probe.source == "embedded":
        return f"not modelled here: {said}"
    return said if isinstance(error, TookTooLong) else f"it could not be asked: {said}"
