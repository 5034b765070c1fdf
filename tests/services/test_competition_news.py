"""News of a competition: what is told, in which words, how often, and that nothing comes twice."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.services.competition import news
from infra.services.competition.news import Message, Told, happened, inert
from infra.services.competition.news_rules import A_DAY, RULES
from infra.services.competition.store import BoardTable
from tests.browser import boards

OPENS, CLOSES = "2026-12-01T00:00:00Z", "2027-03-16T00:00:00Z"
Board = dict[str, Any]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def board(updated: str = "2026-12-18T17:42:10Z", **changed: Any) -> Board:
    """The lively board, open."""
    dates = {"phase": "open", "opens": OPENS, "closes": CLOSES, "reason": "", "out": []}
    return boards.lively() | dates | {"updated": updated} | changed


def small(updated: str, *teams: tuple[str, float], **changed: Any) -> Board:
    """A board of teams without intervals, the best first."""
    entries = [
        {
            "rank": place,
            "team": team,
            "score": score,
            "submissions": place,
            "submitted": updated,
            "note": "",
        }
        for place, (team, score) in enumerate(teams, start=1)
    ]
    return board(updated, entries=entries, **changed)


def events(messages: tuple[Message, ...]) -> list[str]:
    return [message.event for message in messages]


def after(*given: Board, told: Told = Told()) -> Told:  # noqa: B008 - it is frozen
    """What is told once these boards have been looked at, each at its own time."""
    for serial, each in enumerate(given):
        told, _ = happened(each, told, at(each["updated"]), serial=serial)
    return told


def look(told: Told, given: Board) -> tuple[Message, ...]:
    return happened(given, told, at(given["updated"]), serial=99)[1]


@pytest.fixture
def opened() -> Told:
    """A competition that is known to be open, with nothing on its board."""
    return after(small("2026-12-01T08:00:00Z"))


# --- kinds ----------------------------------------------------------------------------------------
def test_an_open_competition_is_told_with_its_close_and_limit() -> None:
    [message] = look(Told(), small("2026-12-01T00:05:00Z"))
    assert message.title == "land-cover is open"
    assert message.lines == (
        "Submissions count from now until Monday 15 March 2027, 24:00 UTC. Each team has 5 a day "
        "(UTC).",
    )
    assert message.steps == (
        'Send predictions: academy.submit("land-cover", predictions, note="…")',
    )


def test_before_it_opens_nothing_is_told() -> None:
    assert look(Told(), small("2026-11-20T00:05:00Z", phase="before")) == ()
    told = after(small("2026-11-20T00:05:00Z", phase="before"))
    assert events(look(told, small("2026-12-01T00:05:00Z"))) == ["opened"]


def test_the_first_entry_and_a_new_leader_are_told_once(opened: Told) -> None:
    first = small("2026-12-02T06:00:00Z", ("falcon", 0.3))
    assert [m.lines for m in look(opened, first)] == [
        ("falcon is the first on the board, with 0.300.",)
    ]
    second = small("2026-12-02T06:10:00Z", ("heron", 0.31), ("falcon", 0.3))
    told = after(first, told=opened)
    assert [m.lines for m in look(told, second)] == [("heron leads with 0.310, before falcon.",)]
    assert look(after(second, told=told), second | {"updated": "2026-12-02T06:20:00Z"}) == ()


def test_a_leader_that_is_tied_is_told_as_tied(opened: Told) -> None:
    told = after(small("2026-12-17T08:00:00Z", ("owl", 0.5)), told=opened)
    [message] = [m for m in look(told, board()) if m.event == "leader"]
    assert message.lines == (
        "kestrel leads with 0.631, tied with ibis, avocet, heron and sandpiper, before owl.",
        "How: U-Net, gamma-map filter, biased crops; mean of three seeds.",
    )


def test_passing_the_baseline_takes_the_whole_interval(opened: Told) -> None:
    entries = [
        {"rank": n, "team": team, "score": score, "score_low": low, "score_high": score + 0.02}
        for n, (team, score, low) in enumerate(
            [("sure", 0.47, 0.452), ("lucky", 0.46, 0.44), ("bare", 0.4511, None)], start=1
        )
    ]
    [message] = [
        m
        for m in look(opened, board("2026-12-02T06:00:00Z", entries=entries))
        if m.event == "baseline"
    ]
    assert message.lines == ("sure and bare passed the baseline (multi-window forest, 0.451).",)


def test_where_less_is_better_passing_is_below(opened: Told) -> None:
    lines = [{"name": "baseline: ridge", "score": 0.8, "kind": "baseline"}]
    entries = [
        {"rank": 1, "team": "low", "score": 0.7, "score_low": 0.6, "score_high": 0.79},
        {"rank": 2, "team": "wide", "score": 0.75, "score_low": 0.6, "score_high": 0.81},
    ]
    given = board("2026-12-02T06:00:00Z", better="lower", lines=lines, entries=entries)
    [message] = [m for m in look(opened, given) if m.event == "baseline"]
    assert message.lines == ("low passed the baseline (ridge, 0.800).",)


def test_who_comes_near_the_expert_is_told_once_and_not_of_the_baseline_too(opened: Told) -> None:
    messages = look(opened, board("2026-12-02T06:00:00Z"))
    [near] = [m for m in messages if m.event == "near-expert"]
    assert near.lines == (
        "kestrel came near the expert, or equal to it (U-Net with a logit shift, 0.623).",
    )
    [baseline] = [m for m in messages if m.event == "baseline"]
    assert "kestrel" not in baseline.text
    # A score that falls back below and comes again is no news.
    told = after(
        board("2026-12-02T06:00:00Z"),
        small("2026-12-02T07:00:00Z", ("kestrel", 0.2)),
        told=opened,
    )
    again = events(look(told, board("2026-12-02T06:59:59Z") | {"updated": "2026-12-02T08:00:00Z"}))
    assert "near-expert" not in again
    assert "baseline" not in again


def test_the_digest_comes_after_seven_and_only_if_something_happened(opened: Told) -> None:
    night = small("2026-12-02T06:59:00Z", ("falcon", 0.3), ("heron", 0.2))
    told = after(night, told=opened)
    assert look(told, night | {"updated": "2026-12-02T06:59:59Z"}) == ()
    [message] = look(told, night | {"updated": "2026-12-02T07:00:00Z"})
    assert message.event == "digest"
    assert message.title == "land-cover since 1 December"
    assert message.lines == (
        "3 new submissions by 2 teams.",
        "falcon is first with 0.300.",
        "It closes in 104 days, on Monday 15 March 2027, 24:00 UTC.",
    )
    told = after(night | {"updated": "2026-12-02T07:00:00Z"}, told=told)
    quiet = night | {"updated": "2026-12-03T07:10:00Z"}
    assert look(told, quiet) == ()
    # That day is over, though something happens on it.
    told = after(quiet, told=told)
    busy = small("2026-12-03T09:00:00Z", ("falcon", 0.35), ("heron", 0.2))
    busy["entries"][0]["submissions"] = 4
    assert look(told, busy) == ()
    [message] = look(after(busy, told=told), busy | {"updated": "2026-12-04T07:05:00Z"})
    assert message.lines[:2] == ("3 new submissions by 1 team.", "Moved: falcon 0.300 → 0.350.")


def test_the_close_is_told_a_week_and_a_day_before_and_each_once(opened: Told) -> None:
    def told_at(told: Told, updated: str, closes: str = CLOSES) -> tuple[Told, list[str]]:
        given = small(updated, closes=closes)
        after_, messages = happened(given, told, at(updated))
        return after_, [m.title for m in messages]

    told, titles = told_at(opened, "2027-03-08T23:59:59Z")
    assert titles == []
    told, titles = told_at(told, "2027-03-09T00:30:00Z")
    assert titles == ["land-cover closes in 7 days"]
    told, titles = told_at(told, "2027-03-10T00:30:00Z")
    assert titles == []
    told, titles = told_at(told, "2027-03-15T00:30:00Z")
    assert titles == ["land-cover closes in 24 hours"]
    told, titles = told_at(told, "2027-03-15T23:30:00Z")
    assert titles == []
    # Extended: its new close is told, and comes near once more.
    later = "2027-03-20T00:00:00Z"
    told, titles = told_at(told, "2027-03-15T23:40:00Z", later)
    assert titles == ["land-cover closes later"]
    told, titles = told_at(told, "2027-03-16T00:40:00Z", later)
    assert titles == []
    told, titles = told_at(told, "2027-03-19T00:40:00Z", later)
    assert titles == ["land-cover closes in 23 hours"]


def test_a_close_on_the_last_day_tells_once_of_it() -> None:
    told = after(small("2026-12-01T08:00:00Z"))
    [message] = look(told, small("2027-03-15T12:00:00Z"))
    assert message.title == "land-cover closes in 12 hours"
    assert message.steps[0].startswith("Choose the two entries that count: academy.select(")


def test_what_opens_in_its_last_week_says_once_when_it_closes() -> None:
    told = after(small("2027-03-10T08:00:00Z", phase="before"))
    given = small("2027-03-10T09:00:00Z")
    assert events(look(told, given)) == ["opened"]
    assert look(after(given, told=told), given | {"updated": "2027-03-10T10:00:00Z"}) == ()


def test_a_pause_is_told_with_its_reason_and_so_is_its_end(opened: Told) -> None:
    frozen = small("2026-12-05T08:00:00Z", phase="frozen", reason="a fault in the metric")
    [message] = look(opened, frozen)
    assert message.title == "land-cover is paused"
    assert message.lines[1] == "Why: a fault in the metric."
    [message] = look(after(frozen, told=opened), small("2026-12-05T09:00:00Z"))
    assert message.title == "land-cover goes on"


def test_an_earlier_close_and_an_open_again_are_told(opened: Told) -> None:
    sooner = small("2026-12-05T08:00:00Z", closes="2027-03-01T00:00:00Z")
    [message] = look(opened, sooner)
    assert message.lines == (
        "It now closes on Sunday 28 February 2027, 24:00 UTC, not on Monday 15 March 2027, "
        "24:00 UTC.",
    )
    closed = after(small("2027-03-16T00:10:00Z", phase="closed"), told=opened)
    again = small("2027-03-17T08:00:00Z", closes="2027-04-16T00:00:00Z")
    assert events(look(closed, again)) == ["reopened"]


FINAL = {
    "units": {"count": 24, "name": "scenes"},
    "narrow": False,
    "lines": [],
    "entries": [
        {"rank": 1, "rank_low": 1, "rank_high": 2, "team": "ibis", "score": 0.604,
         "tied_with": ["kestrel"]},
        {"rank": 2, "rank_low": 1, "rank_high": 3, "team": "kestrel", "score": 0.598},
        {"rank": 3, "rank_low": 2, "rank_high": 4, "team": "avocet", "score": 0.577},
    ],
    "explained": ["2 of 12 teams moved.", "Chance alone explains both."],
}  # fmt: skip


def closed(updated: str = "2027-03-16T00:10:00Z", **changed: Any) -> Board:
    return board(updated, phase="closed", final=copy.deepcopy(FINAL), **changed)


def test_the_result_is_told_with_ties_and_what_explains_the_moves(opened: Told) -> None:
    [message] = look(opened, closed())
    assert message.title == "land-cover: the final result"
    assert message.lines == (
        "ibis is first with 0.604 on the private part, tied with kestrel.",
        "Then 1–3: kestrel (0.598), 2–4: avocet (0.577).",
        "2 of 12 teams moved. Chance alone explains both.",
    )
    told = after(closed(), told=opened)
    assert look(told, closed("2027-03-16T01:10:00Z")) == ()
    changed = closed("2027-03-16T02:10:00Z")
    del changed["final"]["entries"][0]
    changed["final"]["entries"][0]["tied_with"] = []
    [message] = look(told, changed)
    assert message.title == "land-cover: the final result has changed"
    assert message.lines[0] == "kestrel wins with 0.598 on the private part."


def test_private_scores_are_not_told_while_it_is_open(opened: Told) -> None:
    leaking = closed() | {"phase": "open", "updated": "2027-03-15T23:00:00Z"}
    for message in look(opened, leaking):
        assert "0.604" not in json.dumps(message.lines)
    assert "final" not in events(look(opened, leaking))


def test_a_close_without_entries_is_told_as_such(opened: Told) -> None:
    empty = board("2027-03-16T00:10:00Z", phase="closed", entries=[], final={"entries": []})
    [message] = look(opened, empty)
    assert message.title == "land-cover is closed"


# --- how often ------------------------------------------------------------------------------------
def test_leaders_that_alternate_are_told_twice_a_day() -> None:
    told, said = after(small("2026-12-02T08:00:00Z")), []
    for minute in range(10, 60):
        teams = [("owl", 0.4 + minute / 1e4), ("jay", 0.4)]
        given = small(f"2026-12-02T09:{minute}:00Z", *teams[:: 1 if minute % 2 else -1])
        told, messages = happened(given, told, at(given["updated"]), serial=minute)
        said += [m for m in messages if m.rule.kind == "leader"]
    assert len(said) == 2
    assert len({m.key for m in said}) == 2


def test_the_most_important_is_told_first(opened: Told) -> None:
    given = board("2027-03-15T12:00:00Z")
    assert events(look(opened, given)) == [
        "closing",
        "near-expert",
        "first",
    ], "what the day has no room for waits"
    tomorrow = after(given, told=opened)
    assert "baseline" in events(look(tomorrow, board("2027-03-16T07:01:00Z")))


def test_an_older_board_is_passed_over(opened: Told) -> None:
    told = after(small("2026-12-02T06:10:00Z", ("heron", 0.31), ("falcon", 0.3)), told=opened)
    late = small("2026-12-02T06:00:00Z", ("falcon", 0.3))
    assert happened(late, told, at("2026-12-02T06:11:00Z")) == (told, ())


def test_what_is_told_survives_the_table() -> None:
    told = after(board("2026-12-02T06:00:00Z"), board("2026-12-18T17:42:10Z"))
    told = Told.read(told.document() | {"pending": [vars(m) for m in look(Told(), board())]})
    assert Told.read(json.loads(json.dumps(told.document()))) == told
    assert Told.read({}) == Told()


def test_a_result_that_the_day_has_no_room_for_is_told_the_next(opened: Told) -> None:
    """Else the channel's last word would be a winner who is none."""
    other = closed("2027-03-16T00:20:00Z")
    other["final"]["entries"] = other["final"]["entries"][1:]
    told = after(closed(), other, told=opened)
    back = closed("2027-03-16T00:30:00Z")
    assert look(told, back) == (), "two results were told today"
    told = after(back, told=told)
    [message] = look(told, closed("2027-03-17T00:10:00Z"))
    assert message.title == "land-cover: the final result has changed"
    assert "ibis" in message.text
    assert (
        look(after(closed("2027-03-17T00:10:00Z"), told=told), closed("2027-03-17T01:00:00Z")) == ()
    )


def test_what_is_over_by_then_is_not(opened: Told) -> None:
    other = closed("2027-03-16T00:20:00Z")
    other["final"]["entries"] = other["final"]["entries"][1:]
    told = after(closed(), other, closed("2027-03-16T00:30:00Z"), told=opened)
    assert look(told, other | {"updated": "2027-03-17T00:10:00Z"}) == ()


def test_nothing_closes_soon_while_it_is_frozen(opened: Told) -> None:
    frozen = small("2027-03-15T07:30:00Z", ("owl", 0.4), phase="frozen", reason="a fault")
    told = after(small("2027-03-14T08:00:00Z"), frozen, told=opened)
    assert "closing" not in events(look(told, frozen | {"updated": "2027-03-15T12:00:00Z"}))
    more = small("2027-03-16T08:00:00Z", ("owl", 0.4), ("jay", 0.3), phase="frozen")
    digests = [m for m in look(told, more) if m.event == "digest"]
    assert "It is paused" in digests[0].text
    assert "closes" not in digests[0].text


def test_every_rule_leaves_a_place_for_the_final() -> None:
    for name, rule in RULES.items():
        if rule.kind != "final":
            assert rule.up_to < A_DAY, name
        if rule.kind not in ("final", "closing", "opened", "extended"):
            assert rule.up_to < A_DAY - 1, name


# --- words ----------------------------------------------------------------------------------------
ACTIVE = "<>[]*_~`|#@&\\:"


@pytest.mark.parametrize("text", boards.HOSTILE)
def test_hostile_words_are_nothing_but_text(text: str) -> None:
    shown = inert(text)
    assert shown.isprintable()
    assert len(shown) <= 40
    assert not set(shown) & set(ACTIVE)


@pytest.mark.parametrize(
    "text",
    ["https://example.org/x", "www.example.org", "<!channel>", "<at>all</at>", "[a](b)", ":boom:"],
)
def test_nothing_becomes_a_link_a_mention_or_an_emoji(text: str) -> None:
    shown = inert(text)
    assert not set(shown) & set(ACTIVE)
    assert "www." not in shown
    assert ".org" not in shown


def test_a_hostile_board_is_told_in_inert_words() -> None:
    given = boards.hostile() | {"phase": "open", "closes": CLOSES, "updated": boards.HOSTILE[0]}
    told, messages = happened(given, Told(), at("2026-12-02T06:00:00Z"))
    said = [message for message in messages if message.rule.kind == "leader"]
    assert len(said) == 1
    for message in messages:
        # Our own words have colons and a function's name.
        for line in message.lines:
            assert not set(line) & set(ACTIVE) - {":"}
            assert line.isprintable()
        document = json.loads(message.chat(inert(given["project"]), "earth"))
        assert document["content"]["description"] == message.text
    assert happened(given, told, at("2026-12-02T06:01:00Z"))[1] == ()


def test_a_message_has_the_form_that_a_chat_takes() -> None:
    [message] = look(Told(), small("2026-12-01T00:05:00Z"))
    document = json.loads(message.chat("land-cover", "earth-2026-fall"))
    assert document == {
        "version": "1.0",
        "source": "custom",
        "id": message.key,
        "content": {
            "textType": "client-markdown",
            "title": "land-cover is open",
            "description": message.lines[0],
            "nextSteps": list(message.steps),
            "keywords": ["land-cover", "opened"],
        },
        "metadata": {
            "threadId": "earth-2026-fall--land-cover",
            "summary": "land-cover is open",
            "eventType": "opened",
            "relatedResources": ["competition land-cover of earth-2026-fall"],
        },
    }


def test_a_mail_has_an_ascii_subject_and_no_markup() -> None:
    message = Message("leader", "k", "land-cover: Zürich\u2019s النورس leads" + "x" * 200, ("a",))
    subject = message.subject("earth")
    assert subject.startswith("earth: land-cover: Zurichs  leads")
    assert len(subject) == 99
    assert subject.isascii()
    assert message.plain("land-cover", "earth").endswith("The competition land-cover of earth.")


def test_no_news_speak_of_money(opened: Told) -> None:
    rich = board("2027-03-15T12:00:00Z")
    for entry in rich["entries"]:
        entry |= {"cost_micro_usd": 7_770_000, "gpu_hours": 7.77}
    said = "".join(m.chat("land-cover", "earth") for m in look(opened, rich))
    assert said
    for word in ("$", "7.77", "777", "usd", "cost", "hours billed", "budget"):
        assert word not in said.lower()


# --- telling --------------------------------------------------------------------------------------
@dataclass
class Outbox:
    """What is sent; `fails` breaks the next one off."""

    sent: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    fails: bool = False

    def send_news(self, subject: str, chat: str, plain: str, attributes: dict[str, str]) -> None:
        if self.fails:
            self.fails = False
            raise OSError("the topic does not answer")
        self.sent.append((subject, chat, plain, attributes))

    @property
    def kinds(self) -> list[str]:
        return [attributes["kind"] for *_, attributes in self.sent]


@dataclass(frozen=True)
class Settings:
    cohort: str = "earth"


@pytest.fixture
def table() -> Iterator[BoardTable]:
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        client.create_table(
            TableName="board",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield BoardTable("board", client)


def tell(table: BoardTable, outbox: Outbox, given: Board) -> list[str]:
    told = news.tell("land-cover", given, Settings(), outbox, table, lambda: at(given["updated"]))
    return events(told)


def test_what_is_told_is_sent_once(table: BoardTable) -> None:
    outbox = Outbox()
    given = small("2026-12-01T00:05:00Z", ("falcon", 0.3))
    assert tell(table, outbox, given) == ["opened", "first"]
    assert tell(table, outbox, given | {"updated": "2026-12-01T00:06:00Z"}) == []
    assert outbox.kinds == ["opened", "leader"]
    subject, chat, plain, attributes = outbox.sent[0]
    assert subject == "earth: land-cover is open"
    assert json.loads(chat)["source"] == "custom"
    assert plain.startswith("land-cover is open\n\nSubmissions count from now")
    assert attributes == {"cohort": "earth", "project": "land-cover", "kind": "opened"}


def test_a_day_has_five_at_most_and_the_final_gets_through(table: BoardTable) -> None:
    outbox = Outbox()
    lines = [
        {"name": "baseline: x", "score": 0.2, "kind": "baseline"},
        {"name": "expert: y", "score": 0.5, "kind": "expert"},
    ]
    # The last day begins at 20:00, when others have had their places.
    day, closes = "2027-03-15", "2027-03-16T20:00:00Z"
    assert tell(table, outbox, small("2027-03-14T05:00:00Z", phase="before", closes=closes)) == []
    for hour in range(23):
        teams = [(f"team-{hour}", 0.25 + hour / 100), ("falcon", 0.1)]
        given = small(f"{day}T{hour:02}:00:00Z", *teams, lines=lines, closes=closes)
        given["entries"][0]["near_expert"] = hour > 20
        tell(table, outbox, given)
    assert outbox.kinds == ["opened", "leader", "baseline", "closing"]
    tell(table, outbox, closed(f"{day}T23:30:00Z", closes=f"{day}T23:20:00Z"))
    assert len(outbox.sent) == A_DAY
    assert outbox.kinds[-1] == "final"
    assert tell(table, outbox, small("2027-03-16T08:00:00Z", ("owl", 0.5)))[0] == "reopened"


def test_one_that_fails_on_its_way_is_not_sent_again_and_the_rest_is(table: BoardTable) -> None:
    outbox = Outbox(fails=True)
    given = small("2026-12-01T00:05:00Z", ("falcon", 0.3))
    with pytest.raises(OSError, match="does not answer"):
        tell(table, outbox, given)
    assert outbox.sent == []
    assert tell(table, outbox, given | {"updated": "2026-12-01T00:06:00Z"}) == ["first"]
    assert tell(table, outbox, given | {"updated": "2026-12-01T00:07:00Z"}) == []


class Slow:
    """The table to one between whose reading and writing something else happens, once."""

    def __init__(self, table: BoardTable, meanwhile: Callable[[], object]) -> None:
        self._table = table
        self._meanwhile: Callable[[], object] | None = meanwhile

    def told(self, project: str) -> tuple[dict[str, Any], int]:
        found = self._table.told(project)
        if self._meanwhile:
            happens, self._meanwhile = self._meanwhile, None
            happens()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def test_of_scorers_at_the_same_time_one_tells(table: BoardTable) -> None:
    outbox = Outbox()
    given = small("2026-12-01T00:05:00Z", ("falcon", 0.3))
    slow: Any = Slow(table, lambda: tell(table, outbox, given))
    assert tell(slow, outbox, given) == []
    assert outbox.kinds == ["opened", "leader"]


def test_a_scorer_that_is_overtaken_does_not_tell_of_its_older_board(table: BoardTable) -> None:
    outbox = Outbox()
    tell(table, outbox, small("2026-12-01T08:05:00Z", ("owl", 0.1)))
    older = small("2026-12-02T00:06:00Z", ("falcon", 0.3), ("owl", 0.1))
    newer = small("2026-12-02T00:07:00Z", ("heron", 0.4), ("falcon", 0.3), ("owl", 0.1))
    slow: Any = Slow(table, lambda: tell(table, outbox, newer))
    assert tell(slow, outbox, older) == []
    assert outbox.kinds == ["opened", "leader", "leader"]
    assert "heron leads" in outbox.sent[-1][2]
    assert Told.read(table.told("land-cover")[0]).leader == "heron"


def test_what_a_sender_left_behind_is_sent_with_the_next_board(table: BoardTable) -> None:
    given = small("2026-12-01T00:05:00Z", ("falcon", 0.3))
    told, messages = happened(given, Told(), at(given["updated"]))
    left = Told.read(told.document() | {"pending": [vars(m) for m in messages]})
    assert table.tell("land-cover", left.document(), 0)
    outbox = Outbox()
    quiet = given | {"updated": "2026-12-01T01:00:00Z"}
    assert tell(table, outbox, quiet) == ["opened", "first"]
    assert tell(table, outbox, quiet) == []
    assert Told.read(table.told("land-cover")[0]).pending == ()
