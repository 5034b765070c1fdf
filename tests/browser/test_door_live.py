"""The door in a real Chromium, over the wire: from the sign-in into the workspace, with its script
and under its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from infra.cli.demo.browser import Tab, browser, tab
from tests.services.door_world import CODE, World, served

pytestmark = pytest.mark.skipif(
    browser() is None, reason="no Chromium here: apt-get install chromium"
)

TITLE = "document.title.startsWith('{}') && document.readyState === 'complete'"


@dataclass
class Desk:
    """A served door, and what opens a tab."""

    world: World
    address: str
    open: Callable[[], Tab]

    def at_home(self, who: str = "ana") -> Tab:
        opened = self.open()
        opened.go(f"{self.address}/_as?{who}")
        opened.wait(TITLE.format("Home"))
        return opened


@pytest.fixture(scope="module")
def tabs() -> Iterator[Callable[[], Tab]]:
    with tab(TZ="Europe/Berlin") as opened:
        yield opened


@pytest.fixture
def desk(tabs: Callable[[], Tab]) -> Iterator[Desk]:
    world = World()
    with served(world) as address:
        yield Desk(world, address, tabs)


def press(tab: Tab, action: str) -> None:
    tab.run(f"document.querySelector('form[action=\"{action}\"]').requestSubmit()")


def test_three_clicks_and_the_code_lead_from_the_bookmark_into_the_workspace(desk: Desk) -> None:
    tab = desk.open()
    tab.go(desk.address)
    tab.wait(TITLE.format("Sign in"))
    tab.run("document.querySelector('#email').value = 'ana@example.org'")
    press(tab, "/sign-in")
    tab.wait(TITLE.format("Your code"))
    tab.run(f"document.querySelector('#code').value = '{CODE}'")
    press(tab, "/code")
    tab.wait(TITLE.format("Home"))
    press(tab, "/open")
    tab.wait(TITLE.format("Starting"))
    desk.world.move(minutes=2)
    tab.wait("location.pathname === '/lab'")
    assert tab.log == []
    assert [each for each in tab.addresses() if "token" in each] == tab.addresses()[-1:]


def test_a_start_is_followed_live_and_over_a_reload(desk: Desk) -> None:
    tab = desk.at_home()
    press(tab, "/open")
    tab.wait(TITLE.format("Starting"))
    desk.world.move(seconds=20)
    tab.wait("document.querySelector('[data-elapsed]')?.textContent === '20 s so far'")
    tab.call("Page.reload")
    tab.wait(TITLE.format("Starting"))
    desk.world.move(minutes=2)
    tab.wait("location.pathname === '/lab'")


def test_a_tab_in_which_nobody_pressed_open_enters_nothing(desk: Desk) -> None:
    desk.world.academy.ask("ana", op="open_space")
    tab = desk.open()
    tab.go(f"{desk.address}/_as?ana")
    tab.wait(TITLE.format("Starting"))
    desk.world.move(minutes=2)
    tab.wait(TITLE.format("Home"))
    tab.wait("document.querySelector('form[data-enters]') !== null")
    assert desk.world.studio.links == 0
    press(tab, "/enter")
    tab.wait("location.pathname === '/lab'")


def test_who_comes_back_from_the_workspace_is_not_sent_in_again(desk: Desk) -> None:
    tab = desk.at_home()
    press(tab, "/open")
    tab.wait(TITLE.format("Starting"))
    desk.world.move(minutes=2)
    tab.wait("location.pathname === '/lab'")
    tab.run("history.back()")
    tab.wait(TITLE.format("Home"))
    tab.wait("document.querySelector('h2').textContent === 'Open'")
    assert desk.world.studio.links == 1


def test_times_are_told_in_the_readers_zone(desk: Desk) -> None:
    desk.world.academy.ask("ana", op="open_space", hours=2)
    desk.world.move(minutes=5)
    tab = desk.at_home()
    # It ends at 11:00 UTC, which is noon in Berlin.
    tab.wait("document.querySelector('time').textContent.endsWith('12:00 your time')")
    tab.wait("document.querySelector('time').title.endsWith('11:00 UTC')")


def test_a_page_says_when_no_answer_comes_and_goes_on_asking(desk: Desk) -> None:
    tab = desk.at_home()
    press(tab, "/open")
    tab.wait(TITLE.format("Starting"))
    desk.world.identity.down = True
    tab.wait("document.querySelector('[data-trouble]').textContent.startsWith('No answer')")
    desk.world.identity.down = False
    tab.wait("document.querySelector('[data-trouble]').textContent === ''")


def test_who_is_removed_while_the_page_is_open_is_out(desk: Desk) -> None:
    tab = desk.at_home()
    press(tab, "/open")
    tab.wait(TITLE.format("Starting"))
    del desk.world.identity.users["ana--0a1b2c3d"]
    tab.wait(TITLE.format("Sign in"))
