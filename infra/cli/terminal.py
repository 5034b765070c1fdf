"""How the command speaks: one console, money and time in people's forms, errors without traces."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from infra.cohort.images import RecordError
from infra.cohort.loading import CohortFileError
from infra.cohort.prices import MICRO_DOLLARS

P = ParamSpec("P")
R = TypeVar("R")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Refused(Exception):
    """Something a person can mend: what was wrong, where, and what to do."""


def usd(micro_usd: int) -> str:
    """Micro-dollars as people write them: 3200000 is $3.20; small sums keep two digits."""
    dollars = micro_usd / MICRO_DOLLARS
    return f"${dollars:,.2f}" if micro_usd == 0 or abs(dollars) >= 0.1 else f"${dollars:.2g}"


def size(count: int) -> str:
    """Bytes as people write them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def without_traceback(function: Callable[P, R]) -> Callable[P, R]:
    """A command that ends with a sentence and exit status 1 where it would end with a trace."""

    @functools.wraps(function)
    def run(*args: P.args, **kw: P.kwargs) -> R:
        try:
            return function(*args, **kw)
        except CohortFileError as error:
            print_findings(error)
        except (Refused, RecordError) as error:
            _say(str(error))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "?")
            message = error.response.get("Error", {}).get("Message", "")
            _say(f"AWS refused {error.operation_name}: {code}: {message}")
        except BotoCoreError as error:
            _say(f"AWS could not be asked: {error}")
            _say("Check the credentials, the region and the network.")
        sys.exit(1)

    return run


def _say(sentence: str) -> None:
    # What AWS or a file said is shown, never read as markup; and no name in it is broken in two.
    errors.print(f"[red]{escape(sentence)}[/red]", soft_wrap=True)


def print_findings(error: CohortFileError) -> None:
    """Every finding of a cohort file, with path, value and remedy."""
    count = len(error.findings)
    errors.print(f"[red]{error.path}: {count} problem{'s' if count > 1 else ''}[/red]")
    for finding in error.findings:
        # File content is shown, never read as markup; and a place is never broken over two lines.
        errors.print(f"\n  [bold]{escape(finding.path)}[/bold]", soft_wrap=True)
        for label, text in (
            ("got", finding.value),
            ("wrong", finding.message),
            ("expected", finding.remedy),
        ):
            errors.print(f"    {label:<9} {escape(text)}", soft_wrap=True)
