"""The front door, in a real browser: from ana's bookmark to her notebook's first cell, and what she
and her advisor see later.

Where there is no Chromium, ana's workspace is opened by `cohort open` and the pages are left out.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from infra.cli.demo.browser import BrowserError, Tab, browser, tab
from infra.cli.demo.narrator import Narrator, Step
from infra.cli.demo.stage import Stage, poll
from infra.cli.spaces import START_MINUTES

NOTEBOOK = "welcome.ipynb"
#: What ben shows his team and its advisors, and what one of them says to it.
SHARED, NOTE = "land_cover.ipynb", "Well done! <b>Look</b> at the rare classes next."
#: Width and height of the windows that pictures are taken of.
DESKTOP, PHONE = (1280, 860), (390, 860)

_MONEY = re.compile(r"\$[0-9.]+ left of \$[0-9.]+")
_CODE = re.compile(r"\b[0-9]{8}\b")
#: JupyterLab loads megabytes of script and starts a kernel, on as slow a machine as a test's.
LAB_SECONDS = 120
_CODE_CELL = ".jp-Notebook .jp-CodeCell .cm-content"
_TAB = ".lm-DockPanel-tabBar .lm-mod-current"
_PROMPT = ".jp-Notebook .jp-CodeCell .jp-InputPrompt"
_OUTPUT = ".jp-Notebook .jp-CodeCell .jp-OutputArea-output"
_IDLE = "!!document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=\"idle\"]')"
_IN = "document.readyState === 'complete' && !!document.querySelector('form[action=\"/sign-out\"]')"
_HERE = "document.title.startsWith('{}') && document.readyState === 'complete'"


def comes_in(stage: Stage, narrator: Narrator) -> None:
    """ana signs in, opens her workspace and runs a cell: three clicks and a code."""
    with narrator.step("ana comes in by the front door") as step:
        address = address_of(stage)
        step.say(f"her bookmark: {address}")
        closed = requests.get(address, timeout=30)
        step.check(
            "to a stranger the door shows nothing but the sign-in",
            closed.status_code == 200 and "Sign in" in closed.text and "falcon" not in closed.text,
        )
        if browser() is None:
            step.say("no Chromium here (apt-get install chromium): her pages are left out")
            return
        with tab(TZ="UTC") as opened:
            page = opened()
            _signs_in(stage, step, page, "ana@example.org")
            step.check("she is in with the code alone", page.run(_HERE.format("Home")) is True)
            _picture(stage, page, "home")
            _press(page, "/open")
            page.wait(_HERE.format("Starting"))
            _picture(stage, page, "starting")
            step.doing("her space starts; the page follows it and goes in by itself")
            page.wait("location.pathname.endsWith('/lab')", 60 * START_MINUTES)
            step.check("the page took her into her JupyterLab", True, "clicks: Sign in, code, Open")
            _first_cell(step, page)
            _picture(stage, page, "first_cell")
            told = [each for each in page.log if "Content Security Policy" in each]
            step.check("no page broke its own policy", not told, "; ".join(told))


def sees(stage: Stage, narrator: Narrator) -> None:
    """After the boards: ben shares his notebook, shelley answers by a note, ana sees it all."""
    if browser() is None:
        return
    with narrator.step("shelley, who advises, and ana look at it all at the door") as step:
        with stage.labs["ben"].kernel("land_cover") as kernel:
            step.say(kernel.text(f"import academy; academy.share('{SHARED}')").strip())
        with tab(TZ="UTC") as opened:
            page = opened()
            address = _signs_in(stage, step, page, "shelley@example.org")
            text = _goes(page, f"{address}/advisors")
            step.check("shelley sees both teams at a glance", "falcon" in text and "heron" in text)
            _picture(stage, page, "advisors")
            text = _goes(page, f"{address}/advisors/falcon/notebooks/{SHARED}")
            step.check("she reads ben's notebook, and nothing in it runs", "Lee" in text, SHARED)
            _picture(stage, page, "notebook")
            _goes(page, f"{address}/advisors/falcon")
            page.run(f"document.querySelector('textarea').value = {json.dumps(NOTE)}")
            _press(page, "/advisors/falcon/notes")
            page.wait(f"document.body?.innerText.includes({json.dumps(NOTE)})")
        with tab(TZ="UTC") as opened:
            page = opened()
            address = _signs_in(stage, step, page, "ana@example.org")
            step.check("ana's Home has the note, as text", NOTE in _goes(page, address))
            _picture(stage, page, "home_later")
            text = _goes(page, f"{address}/team")
            step.check("her team's two jobs have ended", text.count("ended") == 2)
            _picture(stage, page, "team")
            job = str(page.run("document.querySelector('a[href^=\"/team/jobs/\"]').href"))
            _goes(page, job)
            lines = str(page.run("document.querySelector('.log.tail')?.innerText ?? ''"))
            step.check("and the end of a log can be read", len(lines) > 100, lines.split("\n")[-1])
            _picture(stage, page, "job")
            for path, wanted in (
                ("/competition/climate-series", "seasonal naive"),
                ("/competition", "land-cover"),
                ("/budget", "of $5.00 is left"),
            ):
                step.check(f"{path} is there", wanted in _goes(page, f"{address}{path}"))
                _picture(stage, page, path.rpartition("/")[2])
            text = _goes(page, f"{address}/advisors")
            step.check("the advisors' pages are not hers", "heron" not in text)
            _press(page, "/sign-out")
            page.wait(_HERE.format("Sign in"))


def _goes(page: Tab, address: str) -> str:
    """What a page says, once it is there."""
    page.go(address)
    path = urlsplit(address).path or "/"
    page.wait(f"location.pathname === '{path}' && document.readyState === 'complete'")
    return str(page.run("document.body.innerText"))


@contextlib.contextmanager
def codes_told(stage: Stage, tell: Callable[[str], object]) -> Iterator[None]:
    """Tell each code that is mailed meanwhile: nobody's mailbox is here to look into."""
    over = threading.Event()
    seen = len(_mail(stage))

    def watch() -> None:
        nonlocal seen
        while not over.wait(1):
            with contextlib.suppress(requests.RequestException):
                new = _mail(stage)[seen:]
                seen += len(new)
                for mail in new:
                    tell(f"the code for {mail['to']}: {' '.join(_CODE.findall(mail['message']))}")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def address_of(stage: Stage) -> str:
    parameter = stage.site.cohort.names.door_url_parameter
    found = stage.site.client("ssm").get_parameter(Name=parameter)
    return str(found["Parameter"]["Value"]).rstrip("/")


def _signs_in(stage: Stage, step: Step, page: Tab, email: str) -> str:
    """The door's address, behind which somebody is signed in."""
    address = address_of(stage)
    before = len(_codes(stage, email))
    page.go(address)
    page.wait(_HERE.format("Sign in"))
    _picture(stage, page, "sign_in")
    page.run(f"document.querySelector('#email').value = '{email}'")
    _press(page, "/sign-in")
    page.wait(_HERE.format("Your code"))
    codes = poll(f"the code for {email}", lambda: _new(_codes(stage, email), before))
    step.say(f"the code that {email} gets: {codes[-1]}")
    page.run(f"document.querySelector('#code').value = '{codes[-1]}'")
    _press(page, "/code")
    page.wait(_IN)
    return address


def _new(codes: list[str], before: int) -> list[str] | None:
    return codes[before:] or None


def _codes(stage: Stage, email: str) -> list[str]:
    """The codes that were mailed to somebody, oldest first."""
    letters = [mail for mail in _mail(stage) if mail["to"] == email]
    return [code for mail in letters for code in _CODE.findall(mail["message"])]


def _mail(stage: Stage) -> list[dict[str, Any]]:
    answer: dict[str, Any] = requests.get(f"{stage.endpoint}/_academy/mail", timeout=10).json()
    return list(answer["mail"])


def _press(page: Tab, action: str) -> None:
    page.run(f"document.querySelector('form[action=\"{action}\"]').requestSubmit()")


def _first_cell(step: Step, page: Tab) -> None:
    """JupyterLab opens the welcome notebook by itself; what is left is a click and Shift+Enter."""
    page.wait(f"!!document.querySelector('{_CODE_CELL}')", LAB_SECONDS)
    page.wait(_IDLE, LAB_SECONDS)
    page.wait(f"document.querySelector('{_TAB}')?.innerText.includes('{NOTEBOOK}')", LAB_SECONDS)
    step.check("her welcome notebook is open", True, NOTEBOOK)
    # A cell takes keys once the notebook has settled, which nothing on the page says.
    poll("the first cell to run", lambda: _runs(page), seconds=LAB_SECONDS)
    shown = str(page.run(f"document.querySelector('{_OUTPUT}')?.innerText"))
    step.check("its first cell ran, in the browser", "Hello ana" in shown, "Hello ana!")
    step.check("and says in dollars what she may spend", bool(_MONEY.search(shown)))


def _runs(page: Tab) -> bool:
    try:
        page.click(_CODE_CELL)
        page.press("Enter", 13, shift=True)
        page.wait(f"/^\\[[0-9]+\\]:$/.test(document.querySelector('{_PROMPT}').innerText)", 5)
    except BrowserError:
        return False
    return True


def _picture(stage: Stage, page: Tab, name: str) -> None:
    """The page as a telephone and a desk show it; the window stays as large as the desk's."""
    folder = stage.out / "door"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, size in (("_phone", PHONE), ("", DESKTOP)):
        file = Path(folder, f"{name}{kind}.png")
        page.picture(file, *size)
        if file not in stage.products and not kind:
            stage.products.append(file)
