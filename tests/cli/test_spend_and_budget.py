"""`cohort spend`, `budget`, `freeze`, `unfreeze`: on a ledger with a history."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from infra.cli.main import cohort
from infra.cli.spend import bar, spark
from infra.cohort.loading import load
from infra.services.guard import ledger
from infra.services.guard.journal import Disk, Heartbeat, Objects
from infra.services.guard.ledger import Account, Reservation
from infra.services.guard.store import TableJournal, TableLedger

EXAMPLE = Path(__file__).resolve().parents[2] / "cohorts" / "example.yaml"
HOUR = dt.timedelta(hours=1)
CAP = 150_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The example's cohort, with a cap of $150."""
    text = re.sub(r"per_learner_usd: \d+", "per_learner_usd: 150", EXAMPLE.read_text("utf-8"))
    assert "per_learner_usd: 150" in text
    path = tmp_path / "cohort.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch, file: Path) -> Iterator[TableLedger]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COHORT_FILE", str(file))
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        name = load(EXAMPLE).names.ledger_table
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        yield TableLedger(name, client)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(
        cohort, list(arguments), env={"COLUMNS": "220"}, catch_exceptions=False
    )


def a_job(now: dt.datetime, **changes: Any) -> Reservation:
    job = Reservation(
        learner="ana",
        id="aaaaaaaa",
        kind="job",
        token="a" * 32,
        request="",
        name="earth-2026-fall--falcon--ana--aaaaaaaa",
        domain="",
        team="falcon",
        instance="ml.g5.xlarge",
        count=1,
        price=1_408_000,
        seconds=3600,
        amount=2_000_000,
        created_at=now,
        ends_at=now + HOUR,
        lease_until=now,
    )
    return replace(job, **changes)


def with_a_history(books: TableLedger) -> dt.datetime:
    """ana settled $10 two days ago and $70 a fortnight and more ago, and something runs."""
    now = dt.datetime.now(dt.UTC)
    books.account("ana", CAP)
    for number, (days, usd) in enumerate([(2, 10), (20, 70)]):
        job = a_job(now, id=f"{number:08x}", price=usd * 1_000_000, amount=usd * 1_000_000)
        job = books.apply(ledger.reserve(job, None))
        books.apply(ledger.settle(job, at=now - dt.timedelta(days=days), seconds=3600))
    books.apply(ledger.reserve(a_job(now, id="bbbbbbbb"), None))
    return now


def test_it_shows_what_each_has_spent_and_how_long_it_lasts(books: TableLedger, file: Path) -> None:
    now = with_a_history(books)
    journal = TableJournal(books._table, books._client)
    journal.put_disk(Disk("ana", 20, now))
    journal.put_objects(Objects("falcon", 10**10, 42, 10**9, now))
    journal.beat(Heartbeat(now, now - dt.timedelta(minutes=7), {}))
    result = run("spend", str(file))
    assert result.exit_code == 0, result.output
    [line] = [row for row in result.output.splitlines() if "│ ana" in row]
    for text in ("$150.00", "$80.00", "$2.00", "$68.00", "job ml.g5.xlarge", "███████████▒"):
        assert text in line, text
    # 20 GB of disk, and half of 10 GB of objects: $2.24 + $0.11.
    assert "$2.35 (1 % of the cap)" in line
    assert "team falcon" in result.output
    assert "42 versions" in result.output
    assert "7 min ago" in result.output


def test_the_json_document_adds_up(books: TableLedger, file: Path) -> None:
    with_a_history(books)
    document = json.loads(run("spend", str(file), "--json").output)
    learners = {line["learner"]: line for line in document["learners"]}
    assert set(learners) == {person.id for _, person in load(EXAMPLE).learners}
    for part in ("cap", "spent", "reserved", "available"):
        name = f"{part}_micro_usd"
        total = sum(line[name] for line in learners.values())
        assert document["all"][name] == total == sum(t[name] for t in document["teams"].values())
    assert learners["ana"]["spent_micro_usd"] == 80_000_000
    assert [held["kind"] for held in learners["ana"]["running"]] == ["job"]
    assert learners["ben"]["spent_micro_usd"] == 0
    assert learners["ben"]["lasts_until"] is None
    assert sum(document["settled_micro_usd_by_day"]) == 10_000_000
    assert document["swept_at"] is None


def test_looking_writes_nothing(books: TableLedger) -> None:
    run("spend", str(EXAMPLE))
    run("budget", "ana")
    assert books._client.scan(TableName=books._table)["Count"] == 0


def test_the_pace_of_the_last_week_is_projected(books: TableLedger) -> None:
    from infra.cli.spend import Line

    now = dt.datetime(2026, 12, 20, tzinfo=dt.UTC)
    began = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    account = Account("ana", cap=100, spent=70, available=30)
    job = a_job(now)
    entry = ledger.settle(job, at=now - dt.timedelta(days=1), seconds=3600).entry
    assert entry is not None
    line = Line("ana", "falcon", account, (), (replace(entry, billed=70),), None)
    assert line.pace(now, began) == 10
    assert line.lasts_until(now, began) == dt.date(2026, 12, 23)
    # A cohort that is two days old has two days' pace.
    assert line.pace(now, now - dt.timedelta(days=2)) == 35
    idle = replace(line, entries=())
    assert idle.lasts_until(now, began) is None
    empty = replace(line, account=replace(account, available=0))
    assert empty.lasts_until(now, began) == now.date()


def test_a_cap_of_ones_own_is_set_shown_and_taken_away(books: TableLedger) -> None:
    result = run("budget", "ana", "--usd", "200", "--why", "second project")
    assert result.exit_code == 0, result.output
    assert "cap $150.00 -> $200.00" in result.output
    account = books.account("ana", CAP)
    assert (account.cap, account.individual) == (200_000_000, True)
    shown = run("budget", "ana").output
    assert "cap $200.00, of the learner's own" in shown
    assert "set cap $150.00 -> $200.00, by arn:aws:" in shown
    assert "second project" in shown
    assert run("budget", "ana", "--reset", "--why", "over").exit_code == 0
    assert books.account("ana", CAP).individual is False
    [latest, first] = books.acts("ana", 5)
    assert (latest.what, latest.why, first.why) == ("reset cap", "over", "second project")
    assert first.who.startswith("arn:aws:")


def test_a_cap_below_what_is_committed_says_so(books: TableLedger) -> None:
    with_a_history(books)
    result = run("budget", "ana", "--usd", "50", "--why", "too fast")
    assert result.exit_code == 0
    assert "nothing new starts until" in result.output


@pytest.mark.parametrize("amount", ["-1", "1e99", "nan", "inf", "12.345", "much", "", "$5"])
def test_an_amount_that_is_none_is_refused(books: TableLedger, amount: str) -> None:
    result = run("budget", "ana", f"--usd={amount}", "--why", "x")
    assert result.exit_code == 1
    assert "--usd is" in result.output
    assert books.seen("ana") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["budget", "ana", "--usd", "5"], "add --why"),
        (["budget", "ana", "--usd", "5", "--why", "  "], "who did it and why"),
        (["budget", "ana", "--usd", "5", "--reset", "--why", "x"], "give one of them"),
        (["budget", "ana", "--why", "x"], "goes with"),
        (["budget", "eve", "--usd", "5", "--why", "x"], "no learner of"),
        (["freeze", "eve", "--why", "x"], "no learner of"),
    ],
)
def test_an_act_that_cannot_be_is_refused(
    books: TableLedger, arguments: list[str], words: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.output
    assert books.acts("ana", 5) == []


def test_freezing_names_what_still_runs_and_unfreezing_lifts_it(books: TableLedger) -> None:
    now = with_a_history(books)
    result = run("freeze", "ana", "--why", "lost laptop")
    assert "nothing new starts" in result.output
    assert "earth-2026-fall--falcon--ana--aaaaaaaa" in result.output
    with pytest.raises(ledger.Frozen):
        books.apply(ledger.reserve(a_job(now, id="cccccccc"), None))
    assert "frozen" in run("spend", str(EXAMPLE)).output
    assert run("unfreeze", "ana", "--why", "found").exit_code == 0
    books.apply(ledger.reserve(a_job(now, id="cccccccc"), None))
    assert [act.what for act in books.acts("ana", 5)] == ["unfreeze", "freeze"]


@pytest.fixture
def advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, books: TableLedger) -> Path:
    """The same cohort, whose budget pays for a space of its advisor."""
    path = tmp_path / "advised.yaml"
    text = EXAMPLE.read_text("utf-8").replace("budget:\n", "budget:\n  per_advisor_usd: 12.50\n")
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("COHORT_FILE", str(path))
    return path


def test_an_advisor_with_a_space_has_a_line_and_is_in_no_team(
    books: TableLedger, advised: Path
) -> None:
    now = dt.datetime.now(dt.UTC)
    books.account("shelley", 12_500_000)
    space = a_job(now, learner="shelley", id="space", kind="space", team="", amount=1_000_000)
    books.apply(ledger.reserve(space, None))
    result = run("spend", str(advised))
    [line] = [row for row in result.output.splitlines() if "│ shelley" in row]
    for text in ("advisor", "$12.50", "$1.00", "$11.50", "space ml.g5.xlarge"):
        assert text in line, text
    document = json.loads(run("spend", str(advised), "--json").output)
    [shelley] = document["advisors"]
    assert (shelley["advisor"], shelley["cap_micro_usd"]) == ("shelley", 12_500_000)
    assert "shelley" not in {line["learner"] for line in document["learners"]}
    assert set(document["teams"]) == {"falcon", "heron"}
    assert document["all"]["cap_micro_usd"] == 4 * 25_000_000 + 12_500_000
    assert document["all"]["reserved_micro_usd"] == 1_000_000


def test_acts_on_an_advisors_account_go_by_the_advisors_cap(
    books: TableLedger, advised: Path
) -> None:
    assert "cap $12.50, the cohort file's" in run("budget", "shelley").output
    result = run("budget", "shelley", "--usd", "20", "--why", "a visit")
    assert "cap $12.50 -> $20.00" in result.output
    result = run("budget", "shelley", "--reset", "--why", "over")
    assert "cap $20.00 -> $12.50" in result.output
    assert run("freeze", "shelley", "--why", "a test").exit_code == 0
    assert books.account("shelley", 12_500_000).frozen


@pytest.mark.parametrize("verb", ["budget", "freeze", "open"])
def test_an_advisor_without_a_space_is_told_what_to_write(books: TableLedger, verb: str) -> None:
    result = run(verb, "shelley", *(["--why", "x"] if verb == "freeze" else []))
    assert result.exit_code == 1
    assert "give the cohort file budget.per_advisor_usd" in " ".join(result.output.split())
    assert books.seen("shelley") is None


def test_without_a_ledger_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        result = run("spend", str(EXAMPLE))
    assert result.exit_code == 1
    assert "is earth-2026-fall deployed" in " ".join(result.output.split())


def test_bars_and_columns_are_to_scale() -> None:
    assert bar(Account("a", cap=100, spent=50, reserved=25, available=25), 8) == "████▒▒··"
    assert bar(Account("a", cap=100, spent=500, reserved=1, available=-401), 4) == "████"
    assert bar(Account("a", cap=0), 3) == "···"
    assert spark([0, 1, 4, 8]) == "·▂▅█"
    assert spark([0, 0]) == "··"
