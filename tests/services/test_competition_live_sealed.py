"""A live forecast from event to receipt, over moto: sealed once, shown when its months are over."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import threading
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.services.competition import handler
from infra.services.competition.aws import AwsFiles
from infra.services.competition.live import months, observing, reading, rounds, submitting
from infra.services.competition.live.publishing import revealed_key
from infra.services.competition.live.scoring import LEAST_RATIO
from infra.services.competition.live.sealing import Seal, counting, hash_of
from infra.services.competition.live.store import LiveTable
from infra.services.competition.problems import Misconfigured
from infra.services.competition.publishing import live_board
from infra.services.competition.store import BoardTable, Changed
from tests.services.live_world import AT as OPENED
from tests.services.live_world import PROJECT, SOURCE, START, a_round, right, truth
from tests.services.test_competition_scorer import RIGHT, World, event
from tests.services.test_competition_scorer import world as world

DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
#: A moment of the same month.
AT = OPENED + DAY


@pytest.fixture
def table(world: World) -> LiveTable:
    """The table of a world in which a round is open."""
    found = LiveTable.of(BoardTable("earth-board"))
    given = a_round()
    act = observing.act("start", at=OPENED, who="me", why="why", before={}, after={})
    found.start(given, None, act)
    publish_task(world, given)
    return found


def publish_task(world: World, given: rounds.Round) -> None:
    key = f"datasets/{PROJECT}/live/task.json"
    world.s3.put_object(Bucket="data", Key=key, Body=json.dumps(given.task()).encode())


def content(at: dt.datetime = AT, off: float = 0.0, wide: bool = False) -> str:
    return reading.canonical(right(at, off, wide)).decode()


def send(world: World, text: str, team: str = "falcon", at: dt.datetime = AT) -> dict[str, Any]:
    found: dict[str, Any] = world.score(world.upload(text, team, "live.csv"), at)
    return found


def observe(table: LiveTable, count: int) -> None:
    given = table.round(PROJECT)
    assert given is not None
    for _ in range(count):
        for name in given.names:
            observed = table.observed(given)
            month = observing.next_month(given, observed, name)
            made, act = observing.observe(
                given,
                observed,
                name,
                month,
                truth(name, month),
                SOURCE,
                at=months.begins(month + 1),
                who="me",
                why="published",
            )
            assert act is not None
            table.observe(given, made, act)


def live(world: World) -> dict[str, Any]:
    key = f"boards/{live_board(PROJECT)}.json"
    found: dict[str, Any] = json.load(world.s3.get_object(Bucket="site", Key=key)["Body"])
    return found


def pages(world: World) -> str:
    """All that everybody can read."""
    listed = world.s3.list_objects_v2(Bucket="site").get("Contents", [])
    return "\n".join(
        world.s3.get_object(Bucket="site", Key=each["Key"])["Body"].read().decode()
        for each in listed
    )


def test_a_live_forecast_is_sealed_and_its_hash_shown_at_once(
    world: World, table: LiveTable
) -> None:
    text = content(off=0.37, wide=True)
    key = world.upload(text, "falcon", "live.csv", note="x", learner="ana")
    receipt = world.score(key, AT)
    assert receipt == world.receipt(key)
    assert receipt["status"] == "sealed"
    assert receipt["months"] == ["2027-01", "2027-06"]
    assert receipt["left_today"] == 1
    assert receipt["public_score"] is None
    assert receipt["message"].startswith(
        f"Sealed {receipt['hash'][:12]}, counts for 2027-01 to 2027-06."
    )
    # The team can compute its own hash from what it sent.
    body = reading.check(text.encode(), json.dumps(a_round().task()).encode(), AT).body
    computed = hash_of(PROJECT, "winter", "falcon", receipt["salt"], body)
    assert receipt["hash"] == computed
    [seal] = live(world)["seals"]
    assert (seal["hash"], seal["team"], seal["received"]) == (
        receipt["hash"],
        "falcon",
        f"{AT:%Y-%m-%dT%H:%M:%SZ}",
    )
    told = pages(world)
    assert receipt["hash"] in told
    assert receipt["salt"] not in told
    assert not any(repr(each.value) in told for each in right(AT, 0.37).values())


def test_the_same_event_again_keeps_hash_salt_and_count(world: World, table: LiveTable) -> None:
    key = world.upload(content(), "falcon", "live.csv")
    first = world.score(key, AT)
    assert world.score(key, AT) == first
    assert handler.scorer(event(key.replace("submissions/", "checked/", 1)), None) == first
    assert len(live(world)["seals"]) == 1
    assert table.live_used(PROJECT, AT.date()) == {"falcon": 1}


def test_events_at_the_same_moment_seal_once(
    world: World, table: LiveTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.upload(content(), "falcon", "live.csv")
    world.check(key, AT)
    checked = event(key.replace("submissions/", "checked/", 1))
    original, both = LiveTable.sealed, threading.Barrier(2, timeout=20)

    def together(self: LiveTable, *arguments: Any) -> Seal | None:
        found = original(self, *arguments)
        both.wait()
        return found

    monkeypatch.setattr(LiveTable, "sealed", together)
    receipts: list[Any] = []
    threads = [
        threading.Thread(target=lambda: receipts.append(handler.scorer(checked, None)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({receipt["hash"] for receipt in receipts}) == 1
    assert len(receipts) == 2
    assert table.live_used(PROJECT, AT.date()) == {"falcon": 1}


def test_a_forecast_sent_twice_counts_once_and_one_taken_back_counts_anew(
    world: World, table: LiveTable
) -> None:
    first = send(world, content())
    again = send(world, content(), at=AT + MINUTE)
    assert "The same forecast" in again["message"]
    assert (again["counted"], again["left_today"]) == (False, 1)
    other = send(world, content(off=1.0), at=AT + DAY)
    # The first one once more is the last word.
    back = send(world, content(), at=AT + DAY + MINUTE)
    assert (back["counted"], back["left_today"]) == (True, 0)
    # Each file has a seal of its own: one that is like another may come to stand apart from it.
    hashes = {receipt["hash"] for receipt in (first, again, other, back)}
    assert len(hashes) == 4
    assert {seal["hash"] for seal in live(world)["seals"]} == hashes
    assert table.live_used(PROJECT, AT.date()) == {"falcon": 1}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_events_come_the_last_word_counts(
    world: World, table: LiveTable, order: tuple[int, ...]
) -> None:
    sent = [
        (world.upload(content(off=off), "falcon", "live.csv"), at)
        for at, off in ((AT, 0.0), (AT + DAY, 5.0), (AT + DAY + MINUTE, 0.0))
    ]
    receipts = {}
    for which in order:
        receipts[which] = world.score(*sent[which])
        assert receipts[which]["status"] == "sealed", receipts[which]["message"]
    found = counting(table.seals(a_round()), START + 1)["falcon"]
    assert (found.received, found.hash) == (sent[2][1], receipts[2]["hash"])
    observe(table, 2)
    handler.scorer({"live": PROJECT}, None)
    [entry] = live(world)["entries"]
    assert entry["score"] == LEAST_RATIO
    # What came round again is told as it was.
    for which in order:
        again = world.score(*sent[which])
        assert again["hash"] == receipts[which]["hash"]
        assert again["counted"] == receipts[which]["counted"]
    counted = sum(receipt["counted"] for receipt in receipts.values())
    used = [table.live_used(PROJECT, (AT + day * DAY).date()).get("falcon", 0) for day in (0, 1)]
    assert counted == sum(used)


def test_the_same_forecast_is_not_sealed_for_ever(
    world: World, table: LiveTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "REPEATS_A_DAY", 2)
    receipts = [send(world, content(), at=AT + at * MINUTE) for at in range(4)]
    assert [receipt["status"] for receipt in receipts] == ["sealed"] * 3 + ["refused"]
    assert "again 2 times" in receipts[3]["message"]
    assert send(world, content(), at=AT + DAY)["status"] == "sealed"


def test_a_file_that_came_in_parts_is_refused(world: World, table: LiveTable) -> None:
    """S3 says of it when it began: that may be a month before its content was known."""
    key = world.upload(content(), "falcon", "live.csv")
    where = {"Bucket": "work", "Key": key}
    upload = world.s3.create_multipart_upload(**where)["UploadId"]
    part = world.s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=content().encode())
    parts = [{"ETag": part["ETag"], "PartNumber": 1}]
    world.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    receipt = world.score(key, AT)
    assert receipt["status"] == "refused"
    assert "uploaded in parts" in receipt["message"]
    assert table.seals(a_round()) == []


def test_what_was_lost_of_an_old_round_is_not_of_the_next(world: World, table: LiveTable) -> None:
    lost = world.upload(content(), "falcon", "live.csv")
    act = observing.act("x", at=AT + DAY, who="me", why="why", before={}, after={})
    stopped = rounds.stop(a_round(), AT + DAY)
    table.stop(stopped, act)
    spring = replace(a_round(id="spring"), opened=AT + 2 * DAY)
    table.start(spring, stopped, act)
    publish_task(world, spring)
    receipt = world.score(lost, AT)
    assert (receipt["status"], "spring opened at" in receipt["message"]) == ("refused", True)
    # Nor if the checker has read the task before, and the scorer the table after.
    publish_task(world, stopped)
    late = world.score(world.upload(content(), "falcon", "live.csv"), AT)
    assert (late["status"], "no longer open" in late["message"]) == ("refused", True)
    assert table.seals(spring) == []


def test_a_team_has_as_many_a_day_as_it_has_entries(world: World, table: LiveTable) -> None:
    for number in range(2):
        assert send(world, content(off=number))["status"] == "sealed"
    full = send(world, content(off=2))
    assert full["status"] == "refused"
    assert "has used its 2 live forecasts" in full["message"]
    assert len(live(world)["seals"]) == 2
    assert send(world, content(off=2), team="heron")["status"] == "sealed"
    # Its entries of the practice board are counted for themselves.
    assert send_entry(world)["status"] == "scored"
    assert send(world, content(off=2), at=AT + DAY)["status"] == "sealed"


def send_entry(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.score(world.upload(RIGHT), AT)
    return found


def test_without_a_round_a_live_file_is_refused_in_words(world: World) -> None:
    receipt = send(world, content())
    assert receipt["status"] == "refused"
    assert "There is no live round" in receipt["message"]


def test_so_it_is_where_s3_says_denied_of_what_is_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    files = AwsFiles(work="work", data="data")
    monkeypatch.setattr(files._s3, "get_object", refuse)
    assert files.live_task(PROJECT) is None
    with pytest.raises(Misconfigured, match="run: cohort publish"):
        files.task(PROJECT)


@pytest.mark.parametrize("project", ["land-cover", "volcanoes"])
def test_of_a_project_without_live_rounds_it_is_refused_too(world: World, project: str) -> None:
    key = f"submissions/{project}/falcon/20261201T090000Z-{1:012x}.live.csv"
    world.s3.put_object(Bucket="work", Key=key, Body=content().encode())
    found = world.check(key, AT)
    assert found["status"] == "refused"
    assert re.search("no live round|no competition", found["message"])


def test_a_stopped_round_takes_what_came_before_and_nothing_after(
    world: World, table: LiveTable
) -> None:
    key = world.upload(content(), "falcon", "live.csv")
    given = table.round(PROJECT)
    assert given is not None
    stopped = rounds.stop(given, AT + DAY)
    act = observing.act("stop", at=AT + DAY, who="me", why="why", before={}, after={})
    table.stop(stopped, act)
    publish_task(world, stopped)
    assert world.score(key, AT)["status"] == "sealed"
    assert send(world, content(off=1), at=AT + DAY)["status"] == "refused"
    # The checker may have read an older task: the table has the word.
    publish_task(world, given)
    late = send(world, content(off=1), at=AT + DAY)
    assert (late["status"], "any more" in late["message"]) == ("refused", True)
    with pytest.raises(Changed):
        table.stop(stopped, act)


def test_what_was_checked_for_another_round_is_refused(world: World, table: LiveTable) -> None:
    key = world.upload(content(), "falcon", "live.csv")
    world.check(key, AT)
    given = table.round(PROJECT)
    assert given is not None
    act = observing.act("start", at=AT, who="me", why="why", before={}, after={})
    table.start(a_round(id="spring"), given, act)
    receipt = handler.scorer(event(key.replace("submissions/", "checked/", 1)), None)
    assert (receipt["status"], receipt["message"]) == (
        "refused",
        "That live round is no longer open.",
    )
    with pytest.raises(Changed):
        table.start(a_round(id="spring"), given, act)


def test_a_disqualified_team_is_refused_and_off_the_live_board(
    world: World, table: LiveTable
) -> None:
    from infra.services.competition import state as acts

    send(world, content())
    before = table.state(PROJECT)
    after, act = acts.disqualify(
        before,
        None,
        at=AT,
        who="me",
        why="shared its code",
        team="falcon",  # type: ignore[arg-type]
    )
    table.act(PROJECT, before, after, act)
    refused = send(world, content(off=1))
    assert refused["message"] == "Your team is disqualified: shared its code"
    observe(table, 2)
    handler.scorer({"live": PROJECT}, None)
    assert live(world)["entries"] == []


def test_neither_a_freeze_nor_the_close_hold_a_live_forecast_up(
    world: World, table: LiveTable
) -> None:
    from infra.services.competition import state as acts
    from infra.services.competition.settings import CompetitionSettings
    from tests.services.test_competition_scorer import parameter

    settings = CompetitionSettings.from_json(parameter())
    before = table.state(PROJECT)
    table.act(PROJECT, before, *acts.freeze(before, settings, at=AT, who="me", why="x"))
    assert send(world, content())["status"] == "sealed"
    late = dt.datetime(2027, 3, 20, tzinfo=dt.UTC)
    assert send(world, content(late), at=late)["status"] == "sealed"


def test_months_that_are_observed_are_scored_and_what_has_passed_is_shown(
    world: World, table: LiveTable
) -> None:
    receipt = send(world, content(off=0.5))
    second = send(world, content(AT + 40 * DAY), "heron", at=AT + 40 * DAY)
    observe(table, 3)
    world.now = months.begins(START + 3)
    answer = handler.scorer({"live": PROJECT}, None)
    assert "seals" not in answer
    assert [each["team"] for each in answer["entries"]] == ["heron", "falcon"]
    assert not any(each["revealed"] for each in live(world)["seals"])
    observe(table, 4)
    handler.scorer({"live": PROJECT}, None)
    shown = {each["hash"]: each["revealed"] for each in live(world)["seals"]}
    assert shown == {receipt["hash"]: True, second["hash"]: False}
    key = revealed_key(PROJECT, receipt["hash"])
    document = json.load(world.s3.get_object(Bucket="site", Key=key)["Body"])
    assert document["salt"] == receipt["salt"]
    body = document["forecast"].encode()
    assert hash_of(PROJECT, "winter", "falcon", document["salt"], body) == receipt["hash"]
    assert second["salt"] not in pages(world)


def test_publishing_the_practice_board_renews_the_live_one(world: World, table: LiveTable) -> None:
    send(world, content())
    observe(table, 2)
    assert live(world)["months"] == []
    handler.scorer({"publish": PROJECT}, None)
    assert live(world)["months"] == ["2026-12", "2027-01"]
    index = world.s3.get_object(Bucket="site", Key="index.html")["Body"].read().decode()
    assert f"{live_board(PROJECT)}.html" in index


def test_without_a_round_there_is_no_live_page(world: World) -> None:
    assert handler.scorer({"live": PROJECT}, None) == {}
    handler.scorer({"publish": PROJECT}, None)
    keys = [each["Key"] for each in world.s3.list_objects_v2(Bucket="site")["Contents"]]
    assert not any("live" in key for key in keys)
    with pytest.raises(Misconfigured):
        handler.scorer({"live": "volcanoes"}, None)


def test_two_admins_do_not_write_over_each_other(table: LiveTable) -> None:
    given = table.round(PROJECT)
    assert given is not None

    def made(value: float) -> Any:
        return observing.observe(
            given,
            table.observed(given),
            "nino12",
            START,
            value,
            SOURCE,
            at=months.begins(START + 1),
            who="me",
            why="published",
        )

    first, second = made(truth("nino12", START)), made(truth("nino12", START) + 0.1)
    table.observe(given, *first)
    with pytest.raises(Changed):
        table.observe(given, *second)
    corrected = made(truth("nino12", START) + 0.1)
    table.observe(given, *corrected)
    with pytest.raises(Changed):
        table.observe(given, *corrected)
    [kept] = table.observed(given).values()
    assert (kept.version, kept.before[0]["value"]) == (2, truth("nino12", START))
    whats = [act.what for act in table.acts(PROJECT)]
    assert [what.split()[0] for what in whats] == ["correct", "observe", "start"]


@pytest.mark.parametrize("member", ["round", "first"])
def test_a_checked_form_that_does_not_fit_is_nobodys_forecast(
    world: World, table: LiveTable, member: str
) -> None:
    key = world.upload(content(), "falcon", "live.csv")
    world.check(key, AT)
    where = {"Bucket": "work", "Key": key.replace("submissions/", "checked/", 1)}
    written = world.s3.get_object(**where)["Body"].read()
    if member == "round":
        world.s3.put_object(**where, Body=written.replace(b'"round":"winter"', b'"round":"x"'))
        assert handler.scorer(event(where["Key"]), None)["status"] == "refused"
    else:
        world.s3.put_object(**where, Body=written.replace(b"2027-06", b"2027-07"))
        with pytest.raises(Misconfigured):
            handler.scorer(event(where["Key"]), None)
    assert table.seals(a_round()) == []
