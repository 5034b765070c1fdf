"""The ledger's promises, on any sequence of steps: in memory and on the table alike."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from moto import mock_aws

from infra.services.guard import ledger, money
from infra.services.guard.ledger import (
    Changed,
    Frozen,
    Insufficient,
    Ledger,
    Reservation,
    reserve,
)
from infra.services.guard.memory import MemoryLedger
from infra.services.guard.store import TableLedger

NOW = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def held(**changes: Any) -> Reservation:
    seconds, price = changes.pop("seconds", 3600), changes.pop("price", 1_000_000)
    whole: dict[str, Any] = {
        "learner": "ana",
        "id": "aaaaaaaa",
        "kind": "job",
        "token": "a" * 32,
        "request": "digest",
        "name": "earth--falcon--ana--aaaaaaaa",
        "domain": "",
        "team": "falcon",
        "instance": "ml.m5.large",
        "count": 1,
        "price": price,
        "seconds": seconds,
        "amount": money.worst_case(price, 1, seconds),
        "created_at": NOW,
        "ends_at": NOW + dt.timedelta(seconds=seconds),
        "lease_until": NOW,
        **changes,
    }
    return Reservation(**whole)


def make_table(client: Any) -> TableLedger:
    client.create_table(
        TableName="earth-ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "open")
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return TableLedger("earth-ledger", client, pause=lambda _: None)


@pytest.fixture(params=["memory", "table"])
def books(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield make_table(boto3.client("dynamodb", "us-east-1"))


def test_the_ledger_keeps_what_something_ran_on(books: Ledger) -> None:
    books.account("ana", 50_000_000)
    version = "arn:aws:sagemaker:us-east-1:123456789012:image-version/academy-forecasting-cpu/3"
    space = held(id="space", kind="space", project="climate-series", image=version)
    mine = books.apply(reserve(space, None))
    assert books.find("ana", "space") == mine
    assert (mine.project, mine.image) == ("climate-series", version)
    books.apply(ledger.settle(mine, at=NOW + HOUR, seconds=60))
    job = books.apply(reserve(held(), None))
    assert books.find("ana", job.id) == job, "a job's reservation has neither"
    books.apply(ledger.settle(job, at=NOW + 2 * HOUR, seconds=60, image="x@sha256:0"))
    never = books.apply(reserve(held(id="bbbbbbbb", token="b" * 32), None))
    books.apply(ledger.release(never, at=NOW + 3 * HOUR, note="never started"))
    assert [line.image for line in books.entries("ana", 20)] == ["", "x@sha256:0", version]


def test_reserving_moves_money_and_settling_spends_it(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    account = books.account("ana", 5_000_000)
    assert (account.reserved, account.available) == (mine.amount, 5_000_000 - mine.amount)
    books.apply(ledger.settle(mine, at=NOW + HOUR, seconds=1800))
    account = books.account("ana", 5_000_000)
    assert (account.spent, account.reserved, account.available) == (500_000, 0, 4_500_000)
    [line] = books.entries("ana", 20)
    assert (line.billed, line.seconds, line.overrun) == (500_000, 1800, False)
    assert books.open_of("ana") == list(books.all_open()) == []


def test_what_is_written_is_what_is_read(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(note="ü\u202e", created_at=NOW.replace(microsecond=7)), None))
    assert books.find("ana", "aaaaaaaa") == mine
    assert books.open_of("ana") == list(books.all_open()) == [mine]
    started = books.apply(ledger.started(mine, NOW + HOUR))
    assert books.find("ana", "aaaaaaaa") == started
    ended = books.apply(ledger.settle(started, at=NOW, seconds=1, note="x" * 1000))
    assert books.find("ana", "aaaaaaaa") == ended
    assert books.find("ana", "bbbbbbbb") is None
    assert books.find("ben", "aaaaaaaa") is None


def test_too_little_money_writes_nothing(books: Ledger) -> None:
    books.account("ana", 1_000_000)
    with pytest.raises(Insufficient) as short:
        books.apply(reserve(held(), None))
    assert short.value.account.available == 1_000_000
    assert books.find("ana", "aaaaaaaa") is None
    assert books.account("ana", 1_000_000).reserved == 0


def test_the_last_micro_dollar_can_be_reserved(books: Ledger) -> None:
    amount = held().amount
    books.account("ana", amount)
    books.apply(reserve(held(), None))
    assert books.account("ana", amount).available == 0


def test_a_frozen_account_reserves_nothing(books: Ledger) -> None:
    account = books.account("ana", 5_000_000)
    account = books.record(ledger.freeze(account, at=NOW, who="arn:admin", why="lost laptop"))
    assert account.frozen
    with pytest.raises(Frozen):
        books.apply(reserve(held(), None))
    books.record(ledger.unfreeze(account, at=NOW + HOUR, who="arn:admin", why="found"))
    mine = books.apply(reserve(held(), None))
    books.apply(ledger.settle(mine, at=NOW, seconds=1))
    assert [(act.what, act.why) for act in books.acts("ana", 5)] == [
        ("unfreeze", "found"),
        ("freeze", "lost laptop"),
    ]


def test_a_cap_of_ones_own_outlives_the_files(books: Ledger) -> None:
    account = books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    account = books.account("ana", 5_000_000)
    more = ledger.set_cap(account, 9_000_000, at=NOW, who="arn:admin", why="second project")
    account = books.record(more)
    assert (account.cap, account.individual) == (9_000_000, True)
    assert account.available == 9_000_000 - mine.amount
    for of_the_file in (5_000_000, 1, 20_000_000):
        assert books.account("ana", of_the_file) == account
    back = ledger.reset_cap(account, 5_000_000, at=NOW + HOUR, who="arn:admin", why="done")
    account = books.record(back)
    assert (account.cap, account.individual) == (5_000_000, False)
    assert books.account("ana", 6_000_000).cap == 6_000_000
    assert books.acts("ana", 9) == [back, more]
    assert books.acts("ben", 9) == []


def test_a_cap_below_what_is_committed_lets_nothing_start(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    less = ledger.set_cap(books.account("ana", 5_000_000), 100, at=NOW, who="a", why="b")
    assert books.record(less).available == 100 - mine.amount
    with pytest.raises(Insufficient):
        books.apply(reserve(held(id="bbbbbbbb", price=1), None))
    with pytest.raises(Insufficient):
        books.apply(ledger.renew(mine, NOW + 2 * HOUR))
    books.apply(ledger.settle(mine, at=NOW, seconds=0))
    books.apply(reserve(held(id="bbbbbbbb", price=1), None))


def test_an_act_from_a_reading_that_has_moved_on_is_not_written(books: Ledger) -> None:
    account = books.account("ana", 5_000_000)
    told: dict[str, Any] = {"at": NOW, "who": "arn:admin", "why": "because"}
    books.record(ledger.set_cap(account, 7_000_000, **told))
    for stale in (
        ledger.set_cap(account, 1, **told),
        ledger.reset_cap(account, 5_000_000, **told),
        ledger.freeze(account, **told),
    ):
        with pytest.raises(Changed):
            books.record(stale)
    assert books.account("ana", 5_000_000).cap == 7_000_000
    assert len(books.acts("ana", 9)) == 1


def test_money_that_moves_meanwhile_does_not_stand_against_an_act(books: Ledger) -> None:
    account = books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    frozen = books.record(ledger.freeze(account, at=NOW, who="arn:admin", why="because"))
    assert (frozen.reserved, frozen.available) == (mine.amount, 5_000_000 - mine.amount)
    with pytest.raises(Frozen):
        books.apply(ledger.renew(mine, NOW + 5 * HOUR))


@pytest.mark.parametrize(("who", "why", "cap"), [("", "x", 1), ("x", " ", 1), ("x", "x", -1)])
def test_an_act_says_who_and_why_and_is_possible(who: str, why: str, cap: int) -> None:
    account = ledger.Account.new("ana", 5)
    with pytest.raises(ValueError, match=r"who did it and why|less than nothing"):
        ledger.set_cap(account, cap, at=NOW, who=who, why=why)


def test_a_reservation_of_a_job_covers_its_disk_and_its_upload(books: Ledger) -> None:
    books.account("ana", 50_000_000)
    disk = {"disk_gb": 50, "disk_price": 140_000, "upload_seconds": 1500}
    amount = money.worst_case(1_000_000, 2, 3600, **disk)
    mine = books.apply(reserve(held(count=2, amount=amount, **disk), None))
    assert mine.worst_case(3600) == mine.amount == amount
    assert books.find("ana", "aaaaaaaa") == mine
    # It runs to its limit, takes the grace and the whole upload, in the month that costs most.
    longest = 3600 + money.GRACE_SECONDS + 1500
    ended = books.apply(ledger.settle(mine, at=NOW, seconds=longest))
    assert ended.billed is not None
    assert ended.billed * 105 // 100 <= amount <= ended.billed * 105 // 100 + 3
    disk_alone = ended.billed - -(-2 * 1_000_000 * longest // 3600)
    assert disk_alone == -(-140_000 * 50 * 2 * longest // money.SECONDS_PER_MONTH) > 0
    assert books.entries("ana", 1)[0].began_at == NOW


def test_a_step_from_a_reading_that_has_moved_on_is_not_taken(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    first = books.apply(reserve(held(), None))
    with pytest.raises(Changed):
        books.apply(reserve(held(), None))
    moved = books.apply(ledger.claim(first, NOW + HOUR))
    for change in (
        ledger.settle(first, at=NOW, seconds=1),
        ledger.release(first, at=NOW, note=""),
        ledger.renew(first, NOW + 3 * HOUR),
        ledger.started(first, NOW),
    ):
        with pytest.raises(Changed):
            books.apply(change)
    books.apply(ledger.settle(moved, at=NOW, seconds=1))
    with pytest.raises(Changed):
        books.apply(ledger.settle(moved, at=NOW, seconds=1))
    assert len(books.entries("ana", 20)) == 1


def test_a_cap_that_changed_moves_what_is_available(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    assert books.account("ana", 9_000_000).available == 9_000_000 - mine.amount
    assert books.account("ana", 1_000_000).available == 1_000_000 - mine.amount < 0
    books.apply(ledger.settle(mine, at=NOW, seconds=0))
    assert books.account("ana", 1_000_000).available == 1_000_000


def test_what_was_released_may_be_reserved_again_and_charged_late(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    gone = books.apply(
        ledger.release(books.apply(reserve(held(), None)), at=NOW, note="never started")
    )
    again = books.apply(reserve(held(), gone))
    assert again.version == gone.version + 1
    gone = books.apply(ledger.release(again, at=NOW + HOUR, note="never started"))
    books.apply(ledger.settle(gone, at=NOW + HOUR, seconds=3600))
    account = books.account("ana", 5_000_000)
    assert (account.spent, account.reserved, account.available) == (1_000_000, 0, 4_000_000)
    newest = books.entries("ana", 1)[0]
    assert newest.at == NOW + HOUR
    assert sum(line.billed for line in books.entries("ana", 20)) == 1_000_000


def test_renewing_reserves_the_difference(books: Ledger) -> None:
    books.account("ana", 5_000_000)
    mine = books.apply(reserve(held(), None))
    longer = books.apply(ledger.renew(mine, NOW + 2 * HOUR))
    assert longer.amount == money.worst_case(1_000_000, 1, 7200)
    assert books.account("ana", 5_000_000).reserved == longer.amount
    same = ledger.renew(longer, NOW + HOUR)
    assert same.reserved == 0
    with pytest.raises(Insufficient):
        books.apply(ledger.renew(longer, NOW + 20 * HOUR))


def test_many_reservations_are_all_found(books: Ledger) -> None:
    books.account("ana", 10**12)
    note = "x" * 300
    for number in range(30):
        new = held(id=f"{number:08x}", token=f"{number:032x}", note=note)
        mine = books.apply(reserve(new, None))
        if number % 2:
            books.apply(ledger.settle(mine, at=NOW + number * HOUR, seconds=1))
    assert len(books.open_of("ana")) == len(list(books.all_open())) == 15
    assert [e.at for e in books.entries("ana", 3)] == [NOW + n * HOUR for n in (29, 27, 25)]


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_a_collision_on_the_table_is_tried_again_under_the_same_token(reason: str) -> None:
    from botocore.exceptions import ClientError

    class Client:
        tokens: list[str]

        def transact_write_items(self, **request: Any) -> None:
            self.tokens.append(request["ClientRequestToken"])
            if len(self.tokens) < 4:
                raise ClientError(
                    {
                        "Error": {"Code": "TransactionCanceledException"},
                        "CancellationReasons": [{"Code": "None"}, {"Code": reason}],
                    },
                    "TransactWriteItems",
                )

    client = Client()
    client.tokens = []
    pauses: list[float] = []
    TableLedger("earth-ledger", client, pause=pauses.append).apply(reserve(held(), None))
    assert len(client.tokens) == 4
    assert len(set(client.tokens)) == 1
    assert len(pauses) == 3


def test_the_price_of_a_run_is_rounded_up_and_the_reservation_covers_it() -> None:
    assert money.cost(1, 1, 1) == 1
    assert money.cost(1_408_000, 1, 4 * 3600) == 5_632_000
    assert money.worst_case(1_408_000, 1, 4 * 3600) == 5_962_880
    assert money.worst_case(3_600, 2, 3600) == -(-2 * 3720 * 105 // 100)


@pytest.mark.parametrize(
    ("amount", "down", "up"),
    [(0, "$0.00", "$0.00"), (1, "$0.00", "$0.01"), (5_630_001, "$5.63", "$5.64")],
)
def test_money_left_is_rounded_down_and_money_asked_up(amount: int, down: str, up: str) -> None:
    assert money.dollars(amount) == down
    assert money.dollars(amount, up=True) == up
    assert money.dollars(-20_000) == "-$0.02"
    assert money.dollars(10**10) == "$10,000.00"


class Books(RuleBasedStateMachine):
    """Any learner, any step, any order; steps are often taken twice, or from old readings."""

    open = Bundle("open")
    seen = Bundle("seen")

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.caps = {"ana": 10_000_000, "ben": 3_000_000}
        #: While caps stay, and AWS bills no more than was reserved, no account is overdrawn.
        self.overdrawn_allowed = False

    def make(self) -> Ledger:
        return MemoryLedger()

    @initialize()
    def begin(self) -> None:
        self.books = self.make()
        for learner, cap in self.caps.items():
            self.books.account(learner, cap)

    @rule(
        target=open,
        learner=st.sampled_from(["ana", "ben"]),
        seconds=st.integers(60, 20_000),
        price=st.integers(1, 3_000_000),
        place=st.sampled_from(["space", "00000001", "00000002"]),
    )
    def reserve(self, learner: str, seconds: int, price: int, place: str) -> Reservation | None:
        self.tokens += 1
        new = held(
            learner=learner, id=place, token=f"{self.tokens:032x}", seconds=seconds, price=price
        )
        before = self.books.find(learner, place)
        account = self.books.account(learner, self.caps[learner])
        if before is not None and before.is_open:
            with pytest.raises(ValueError, match="still open"):
                reserve(new, before)
            return before
        try:
            made = self.books.apply(reserve(new, before))
        except Insufficient:
            assert account.available < new.amount
            return before
        assert account.available >= new.amount
        return made

    @rule(mine=open, hours=st.integers(0, 5))
    def renew(self, mine: Reservation | None, hours: int) -> None:
        if mine is None or not mine.is_open:
            return
        with contextlib.suppress(Changed, Insufficient):
            self.books.apply(ledger.renew(mine, NOW + hours * HOUR))

    @rule(mine=open, share=st.floats(0, 1))
    def settle(self, mine: Reservation | None, share: float) -> None:
        if mine is None or mine.status == "settled":
            return
        self.end(mine, ledger.settle(mine, at=NOW, seconds=int(share * (mine.seconds + 120))))

    @rule(mine=open)
    def overrun(self, mine: Reservation | None) -> None:
        if mine is None or not mine.is_open:
            return
        self.overdrawn_allowed = True
        self.end(mine, ledger.settle(mine, at=NOW, seconds=3 * mine.seconds))

    @rule(mine=consumes(open))
    def release(self, mine: Reservation | None) -> None:
        if mine is None or not mine.is_open:
            return
        self.end(mine, ledger.release(mine, at=NOW, note="never started"))

    def end(self, mine: Reservation, change: ledger.Change) -> None:
        if mine.status == "released":
            self.overdrawn_allowed = True
        standing = self.books.find(mine.learner, mine.id)
        stale = standing is None or standing.version != mine.version
        lines = len(self.books.entries(mine.learner, 10_000))
        try:
            self.books.apply(change)
        except Changed:
            assert stale
        else:
            assert not stale
            lines += 1
        assert len(self.books.entries(mine.learner, 10_000)) == lines

    @rule(learner=st.sampled_from(["ana", "ben"]), cap=st.integers(0, 12_000_000))
    def change_cap(self, learner: str, cap: int) -> None:
        self.overdrawn_allowed |= cap < self.caps[learner]
        self.caps[learner] = cap
        assert self.books.account(learner, cap).cap == cap

    @invariant()
    def the_books_add_up(self) -> None:
        for learner, cap in self.caps.items():
            account = self.books.account(learner, cap)
            assert account.available == account.cap - account.spent - account.reserved
            assert account.reserved == sum(r.amount for r in self.books.open_of(learner)) >= 0
            lines = self.books.entries(learner, 10_000)
            assert account.spent == sum(line.billed for line in lines) >= 0
            if not self.overdrawn_allowed:
                assert account.spent + account.reserved <= account.cap


class TableBooks(Books):
    """The same, on the table."""

    def __init__(self) -> None:
        super().__init__()
        self.mock = mock_aws()
        self.mock.start()

    def make(self) -> Ledger:
        return make_table(boto3.client("dynamodb", "us-east-1"))

    def teardown(self) -> None:
        self.mock.stop()


def test_the_books_add_up_in_memory_whatever_happens() -> None:
    run_state_machine_as_test(
        Books, settings=hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
    )


def test_the_books_add_up_on_the_table_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    run_state_machine_as_test(
        TableBooks,
        settings=hypothesis_settings(
            max_examples=5,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_reservation_that_is_over_cannot_end_again() -> None:
    over = replace(held(), status="settled")
    with pytest.raises(ValueError, match="settled already"):
        ledger.settle(over, at=NOW, seconds=1)
    with pytest.raises(ValueError, match="settled already"):
        ledger.release(over, at=NOW, note="")
    with pytest.raises(ValueError, match="settled already"):
        ledger.started(over, NOW)
