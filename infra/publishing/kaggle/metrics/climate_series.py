"""MASE relative to the seasonal naive, the geometric mean over the series.

For one series, MASE is the mean absolute error divided by the in-sample error of the seasonal
naive (Hyndman and Koehler 2006, https://doi.org/10.1016/j.ijforecast.2006.03.001). The score is the
geometric mean over the series of MASE / (MASE of the seasonal naive on the same months): 1 is the
naive forecast. Each ratio counts as at least 0.001 and
at most 2. Smaller is better.

For the host. The solution has a row for each series and step with the columns value, series,
mase_scale and naive_mase; the last two are the series' scale, and the seasonal naive's MASE on the
months of the row's Usage. Rows of the submission that the solution does not have are of the other
part, and are passed over.
"""

import math
import re
from typing import Any

import pandas as pd

LEAST_RATIO = 1e-3
MOST_RATIO = 2.0
MAX_MAGNITUDE = 1e9

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


class ParticipantVisibleError(Exception):
    """What a participant is told; of any other error only the host sees the message."""


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    """The score of complete forecasts.

    >>> solution = pd.DataFrame({"row_id": ["a_1", "a_2"], "value": [10.0, 12.0], "series": "a",
    ...                          "mase_scale": 2.0, "naive_mase": 0.5})
    >>> submission = pd.DataFrame({"row_id": ["a_2", "a_1"], "value": [13.0, 10.0]})
    >>> score(solution, submission, "row_id")
    0.5
    """
    wanted = [str(name) for name in solution[row_id_column_name]]
    given = _values(submission, row_id_column_name, wanted)
    errors: dict[str, list[float]] = {}
    scales: dict[str, tuple[float, float]] = {}
    for name, value, series, scale, naive in zip(
        wanted,
        solution["value"],
        solution["series"],
        solution["mase_scale"],
        solution["naive_mase"],
        strict=True,
    ):
        errors.setdefault(series, []).append(abs(float(value) - given[name]))
        if scales.setdefault(series, (scale, naive)) != (scale, naive):
            raise ValueError(f"the solution has two scales of {series} in one part")
    logs = []
    for series, found in errors.items():
        scale, naive = scales[series]
        mase = math.fsum(found) / len(found) / float(scale)
        logs.append(math.log(min(MOST_RATIO, max(LEAST_RATIO, mase / float(naive)))))
    return math.exp(math.fsum(logs) / len(logs))


def _values(
    submission: pd.DataFrame, row_id_column_name: str, wanted: list[str]
) -> dict[str, float]:
    """The forecast of each row that is scored."""
    for column in (row_id_column_name, "value"):
        if column not in submission.columns:
            raise ParticipantVisibleError(
                f"The column {column} is missing; the columns are {row_id_column_name},value as "
                "in sample_submission.csv."
            )
    asked = set(wanted)
    found: dict[str, float] = {}
    for name, value in zip(submission[row_id_column_name], submission["value"], strict=True):
        name = str(name)
        if name not in asked:
            continue
        if name in found:
            raise ParticipantVisibleError(f"Row {name} is there twice.")
        found[name] = _number(name, value)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ParticipantVisibleError(
            f"{len(missing)} rows are missing, {missing[0]} among them. The rows are those of "
            "sample_submission.csv."
        )
    return found


def _number(row: str, value: Any) -> float:
    # A column with one text in it is all texts.
    if isinstance(value, str):
        if len(value) > 60 or not _NUMBER.fullmatch(value):
            raise ParticipantVisibleError(f"Row {row}: {_show(value)} is not a number.")
    elif str(value) in ("True", "False"):
        raise ParticipantVisibleError(f"Row {row}: {_show(value)} is not a number.")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParticipantVisibleError(f"Row {row}: {_show(value)} is not a number.") from None
    if not math.isfinite(number) or abs(number) > MAX_MAGNITUDE:
        raise ParticipantVisibleError(
            f"Row {row}: {_show(value)} is no finite number up to {MAX_MAGNITUDE:g}."
        )
    return number


def _show(value: Any) -> str:
    """A participant's text as it may stand in a message."""
    text = ascii(value if isinstance(value, str) else str(value)[:40])
    return text if len(text) <= 40 else text[:40] + "..."
