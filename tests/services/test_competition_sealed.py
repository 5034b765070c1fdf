"""Held-out answers and private scores before the close: on no receipt, page or line of a log.

The real pipeline over moto, with answers whose digits occur nowhere else: whatever shows them has
them from there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from infra.services.competition import handler, state
from infra.services.competition.problems import Misconfigured
from infra.services.competition.projects import climate_series
from tests.services import test_competition_land_cover as maps
from tests.services.test_competition_scorer import (
    AT,
    World,
    act,
    event,
    map_key,
    select,
    world,
)

__all__ = ["world"]

PROJECT = "climate-series"
HELD_OUT = {
    ("co2", 10): (1.7318291, "public"),
    ("co2", 11): (2.6418727, "public"),
    ("co2", 12): (3.8472913, "private"),
    ("sst", 20): (-1.9273641, "public"),
    ("sst", 21): (0.5729183, "private"),
    ("sst", 22): (0.2694817, "private"),
}
SCALES = {
    "co2": {"mase_scale": 2.1847293, "naive_mase_public": 0.5918273, "naive_mase_private": 1.37264},
    "sst": {"mase_scale": 0.5638291, "naive_mase_public": 2.4829173, "naive_mase_private": 1.91827},
}
#: As they could show: all digits that a float has, or the first five.
DIGITS = tuple(
    f"{abs(value):.4f}"[:-1]
    for value in (
        *(value for value, _ in HELD_OUT.values()),
        *(scale for scales in SCALES.values() for scale in scales.values()),
    )
)


def answers_csv(**changes: str) -> str:
    """The held-out answers; a change is of the row of that number."""
    rows = [f"{name},{step},{value},{part}" for (name, step), (value, part) in HELD_OUT.items()]
    for number, row in changes.items():
        rows[int(number[1:]) - 1] = row
    return "\n".join(["series,step,value,part", *rows]) + "\n"


def forecast(off: float) -> str:
    rows = [
        f"{name},{step},{round(value) + off * (number % 3 + 1)}"
        for number, ((name, step), (value, _)) in enumerate(HELD_OUT.items())
    ]
    return "\n".join(["series,step,value", *rows]) + "\n"


def seal(world: World, csv: str | None = None, scales: str | None = None) -> None:
    for name, text in (
        ("answers.csv", csv or answers_csv()),
        ("scales.json", scales or json.dumps(SCALES)),
    ):
        key = f"answers/{PROJECT}/{name}"
        world.s3.put_object(Bucket="vault", Key=key, Body=text.encode())


@pytest.fixture
def sealed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with these answers, and a topic for news."""
    seal(world)
    import boto3

    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="news")["TopicArn"]
    monkeypatch.setenv("NEWS_TOPIC", topic)
    monkeypatch.setattr(handler, "_files", None)
    return world


def shown(world: World, caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """All that anybody but the scorer could come to see: objects, news, lines of logs."""
    texts: dict[str, str] = {}
    for bucket in ("work", "site"):
        for found in world.s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            key = str(found["Key"])
            # What teams sent, as they sent it and as it was checked, holds their own forecasts.
            if not key.startswith(("submissions/", "checked/")):
                body = world.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                texts[f"{bucket}/{key}"] = body.decode()
    for number, sent in enumerate(
        sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
        .topics[handler.os.environ["NEWS_TOPIC"]]
        .sent_notifications
    ):
        texts[f"news {number}"] = json.dumps(sent, default=str)
    formatter = logging.Formatter()
    for number, record in enumerate(caplog.records):
        # As Lambda writes it: the message, and the trace of an exception.
        texts[f"log line {number}"] = formatter.format(record)
    return texts


def private_scores(world: World) -> tuple[str, ...]:
    """As they could show, of every entry in the table."""
    items = world.dynamodb.scan(TableName="earth-board")["Items"]
    scores = [float(item["private_score"]["N"]) for item in items if "private_score" in item]
    assert scores, "something was scored"
    return tuple(digits for score in scores for digits in (f"{score:.4f}", f"{score:.3f}"))


def play(world: World) -> None:
    """Every kind of outcome before the close, each at least once."""
    good, worse = forecast(0.31), forecast(0.52)
    assert world.submit(good)["status"] == "scored"
    assert world.submit(good)["status"] == "scored", "the same again"
    assert world.submit(worse, team="heron")["status"] == "scored"
    assert world.submit("nonsense")["status"] == "refused"
    assert world.submit(forecast(0.44))["status"] == "scored"
    assert world.submit(forecast(0.45))["status"] == "refused", "beyond the day's limit"
    entry = world.submit(good)["entry"]
    assert select(world, entry)["status"] == "noted"
    assert world.submit(forecast(0.61), team="baseline")["status"] == "scored"
    again = world.upload(good)
    world.check(again, AT)
    rescore = {"submission": {"key": again, "version": None}, "rescore": "r1"}
    assert handler.checker(rescore, None)["status"] == "checked"
    handler.scorer(event(again.replace("submissions/", "checked/", 1)), None)
    act(world, state.disqualify, AT, team="heron")
    assert world.submit(forecast(0.2), team="heron")["status"] == "refused"
    act(world, state.freeze, AT)
    assert world.submit(forecast(0.3))["status"] == "waiting"


def test_receipts_pages_news_and_logs_hold_no_answer_and_no_private_score(
    sealed: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="infra"):
        play(sealed)
        handler.scorer({"publish": PROJECT}, None)
    texts = shown(sealed, caplog)
    kinds = ("work/receipts/", "site/boards/", "site/index", "log line", "news")
    assert all(any(name.startswith(kind) for name in texts) for kind in kinds), sorted(texts)
    for name, text in texts.items():
        found = [digits for digits in (*DIGITS, *private_scores(sealed)) if digits in text]
        assert not found, f"{name} shows {found}: {text[:2000]}"


#: Answers that cannot be used, as a slip of an admin's leaves them: answers.csv and scales.json.
BROKEN: dict[str, tuple[str, str]] = {
    "a value with a letter": (answers_csv(r2="co2,11,2.6418727x,public"), json.dumps(SCALES)),
    "a value that is no number": (answers_csv(r3="co2,12,nan,private"), json.dumps(SCALES)),
    "an unknown part": (answers_csv(r5="sst,21,0.5729183,secret"), json.dumps(SCALES)),
    "a row twice": (answers_csv(r5="sst,20,0.5729183,private"), json.dumps(SCALES)),
    "a value for a step": (answers_csv(r4="sst,-1.9273641,20,public"), json.dumps(SCALES)),
    "a scale of zero": (
        answers_csv(),
        json.dumps({**SCALES, "co2": {**SCALES["co2"], "mase_scale": 0}}),
    ),
    "a scale below zero": (
        answers_csv(),
        json.dumps({**SCALES, "co2": {**SCALES["co2"], "mase_scale": -2.1847293}}),
    ),
    "a scale with a letter": (
        answers_csv(),
        json.dumps({**SCALES, "co2": {**SCALES["co2"], "mase_scale": "2.1847293x"}}),
    ),
    "scales that end early": (answers_csv(), json.dumps(SCALES)[:-9]),
    "a list of scales": (answers_csv(), json.dumps([SCALES])),
}


@pytest.mark.parametrize("slip", BROKEN)
def test_forecasts_answers_that_cannot_be_read_are_not_quoted(slip: str) -> None:
    with pytest.raises(Misconfigured, match="the held-out answers") as failed:
        climate_series.Answers.read(*BROKEN[slip])
    assert [digits for digits in DIGITS if digits in repr(failed.value)] == []
    # A trace, which Lambda logs, shows what an exception was raised from.
    assert failed.value.__suppress_context__


# --- maps -----------------------------------------------------------------------------------------
def traces(labels: np.ndarray[Any, Any]) -> Iterator[str]:
    """How a row of labels could show in a text: a list, an array, bytes, hexadecimal."""
    for row in labels:
        cells = [int(each) for each in row]
        yield from (json.dumps(cells), ",".join(map(str, cells)), " ".join(map(str, cells)))
        yield from (bytes(cells).hex(), repr(bytes(cells))[2:-1])
    yield labels.tobytes().hex()


def secrets_of_maps() -> list[str]:
    packed = [each["labels"] for each in maps.document()["scenes"].values()]
    rows = [trace for labels in maps.LABELS.values() for trace in traces(labels)]
    return [*(text[:24] for text in packed), *rows]


def broken_maps() -> dict[str, bytes]:
    """The sealed labels as a slip of an admin's leaves them."""
    whole = json.dumps(maps.document()).encode()

    def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
        document = json.loads(whole)
        change(document)
        return json.dumps(document).encode()

    def scene(document: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = document["scenes"]["held-out-01"]
        return found

    labels = scene(maps.document())["labels"]
    return {
        "it ends early": whole[:-9],
        "it is no text": whole[:-9] + b"\xff",
        "labels that are damaged": changed(
            lambda d: scene(d).update(labels=f"{labels[:-8]}AAAAAAA=")
        ),
        "labels that are no base64": changed(lambda d: scene(d).update(labels=f"{labels[:-8]}!")),
        "labels for a shape": changed(lambda d: scene(d).update(shape=[labels, 5])),
        "another shape": changed(lambda d: scene(d).update(shape=[6, 5])),
        "a mark beyond 1": changed(lambda d: d["lines"][1].update(private=1.8361927)),
        "a mark with a letter": changed(lambda d: d["lines"][1].update(private="0.8361927x")),
    }


@pytest.mark.parametrize("slip", broken_maps())
def test_maps_answers_that_cannot_be_read_are_not_quoted(slip: str) -> None:
    with pytest.raises(Misconfigured, match="the held-out answers") as failed:
        maps.every_label(broken_maps()[slip])
    secrets = [*secrets_of_maps(), "8361"]
    assert [secret for secret in secrets if secret in repr(failed.value)] == []
    assert failed.value.__suppress_context__


def test_of_a_map_neither_receipt_nor_page_nor_log_holds_a_row_of_labels(
    sealed: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="infra"):
        assert sealed.score(map_key(sealed, maps.RIGHT))["status"] == "scored"
        assert sealed.score(map_key(sealed, b"x", 2))["status"] == "refused"
    texts = shown(sealed, caplog)
    for name, text in texts.items():
        secrets = [*secrets_of_maps(), *private_scores(sealed)]
        assert [secret for secret in secrets if secret in text] == [], name
