"""Budget: what it adds up to, by day and line by line."""

from __future__ import annotations

import datetime as dt
import re

from infra.services.door.look.charts import by_day, last_days
from tests.services.door_world import World, lively

TODAY = dt.date(2026, 12, 12)


def test_before_anything_has_cost_anything_it_says_so() -> None:
    page = World().browser("ana").get("/budget")
    assert "$25.00 of $25.00 is left" in page.plain
    assert "Nothing has cost anything yet" in page.plain


def test_what_is_spent_held_and_left_is_what_the_ledger_has() -> None:
    world = lively()
    account = world.ledger.accounts["ana"]
    assert account.spent
    assert account.reserved
    plain = world.browser("ana").get("/budget").plain
    for name, amount in (("Spent", account.spent), ("Held for what runs", account.reserved)):
        assert f"{name} ${amount // 10_000 / 100:.2f}" in plain


def test_the_lines_add_up_to_what_is_spent() -> None:
    world = lively()
    page = world.browser("ana").get("/budget")
    spent = world.ledger.accounts["ana"].spent
    assert f"lines ${spent // 10_000 / 100:.2f}" in page.plain


def test_a_job_leads_to_its_own_page() -> None:
    page = lively().browser("ana").get("/budget")
    assert re.search(r'<a href="/team/jobs/earth--falcon--ana--[0-9a-f]{8}">Job', page.text)


def test_each_sees_the_own_lines_alone() -> None:
    world = lively()
    assert "earth--falcon--ben" not in world.browser("ana").get("/budget").text
    assert "Nothing has cost anything yet" in world.browser("chi").get("/budget").plain


def test_of_many_lines_the_latest_are_shown_and_all_are_counted() -> None:
    world = World(cap_micro_usd=10**9)
    for _ in range(120):
        world.academy.ask("ana", op="open_space", instance="ml.t3.medium", hours=1)
        world.move(minutes=10)
        world.academy.ask("ana", op="close_space")
        world.move(minutes=2)
        world.academy.sweep()
    page = world.browser("ana").get("/budget")
    assert "All 120 lines" in page.plain
    assert "The latest 100 are shown" in page.plain
    assert len(page.text) < 60_000


def test_what_runs_counts_as_todays() -> None:
    world = World()
    world.academy.ask("ana", op="open_space", instance="ml.g4dn.xlarge", hours=2)
    world.move(hours=1)
    page = world.browser("ana").get("/budget")
    assert "Running now" in page.plain
    assert "1 Dec 2026: $0.7" in page.text


def test_the_chart_goes_from_the_first_day_to_today_and_no_further_back_than_it_may() -> None:
    days = last_days({(TODAY - dt.timedelta(days=2), "job"): 5}, TODAY, 42)
    assert [day.total for day in days] == [0, 0, 0, 0, 5, 0, 0]
    assert len(last_days({(TODAY - dt.timedelta(days=99), "job"): 5}, TODAY, 42)) == 42


def test_a_column_stays_within_the_drawing() -> None:
    days = last_days({(TODAY, "space"): 3_000_000, (TODAY, "job"): 9_000_000}, TODAY, 42)
    drawn = by_day(days, 'Spent <b>"by day"</b>')
    tops = [float(y) for y in re.findall(r'<rect class="\w+" x="[\d.]+%" y="([-\d.]+)"', drawn)]
    assert len(tops) == 2
    assert all(0 <= top <= 224 for top in tops)
    assert "<b>" not in drawn
