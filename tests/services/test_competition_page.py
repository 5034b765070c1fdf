"""The leaderboard's page as text: what it says, to whom, and what it never holds."""

from __future__ import annotations

import copy
import html.parser
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board
from infra.services.competition.page import index, page
from infra.services.competition.plots import Axis, Mark
from tests.browser import boards
from tests.services.test_competition_scoring import AT, RULES, line

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """A page's tags and texts; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.setdefault((dict(attrs).get("class") or "").split(" ")[0], []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def names(self) -> list[str]:
        return [str(attrs.get("class")) for _, attrs in self.tags]


def row(text: str, team: str) -> str:
    """A team's row of the board."""
    start = text.index(f'<bdi class="name">{team}</bdi>')
    return text[text.rindex("<tr", 0, start) : text.index("</tr>", start)]


def lively(**changes: Any) -> dict[str, Any]:
    return boards.lively() | changes


def words(text: str) -> str:
    return " ".join(text.split())


# --- what it says ---------------------------------------------------------------------------------


def test_teams_and_lines_stand_by_score_in_a_real_table() -> None:
    found = Page(page(boards.lively(), "earth"))
    assert {"caption", "main", "h1", "h2"} <= {tag for tag, _ in found.tags}
    text = page(boards.lively(), "earth")
    names = ["ceiling: the true map, noisy labels", "kestrel", "expert: U-Net with a logit shift"]
    names += ["ibis", "plover", "baseline: multi-window forest", "tern", "wren"]
    names += ["floor: closed forest everywhere"]
    body = text[text.index("<tbody") :]
    # A team is named in others' rows, too: where it is tied with them.
    places = [
        body.index(f'class="name">{name}<' if ":" not in name else f">{name}<") for name in names
    ]
    assert places == sorted(places)


def test_where_less_is_better_the_lowest_stands_first() -> None:
    found = board.document("climate-series", RULES, [line("falcon", 0.8), line("jay", 1.5)], AT)
    text = page(found, "earth")
    body = text[text.index("<tbody") :]
    places = [body.index(name) for name in ("falcon", "floor: seasonal naive", "jay")]
    assert places == sorted(places)
    assert "&larr; better" in text
    assert "better &rarr;" in page(boards.lively(), "earth")


def test_a_row_has_rank_interval_score_interval_ties_and_gap() -> None:
    text = row(page(boards.lively(), "earth"), "ibis")
    assert '<span aria-hidden="true">1&ndash;4</span><span class="unseen">1 to 4</span>' in text
    assert "0.618<small>0.584 to 0.649</small>" in text
    assert "tied with <bdi>kestrel</bdi>, <bdi>avocet</bdi> and 3 more" in text
    assert "97&nbsp;%<small>77&nbsp;% to 115&nbsp;%</small>" in text
    assert "17 Dec 06:33<small>17 submissions</small>" in text
    assert "near or equal" not in text


def test_the_board_in_a_sentence() -> None:
    def first(**changes: Any) -> str:
        found = boards.lively()
        found["entries"][0] |= changes
        return words(page(found, "earth"))

    lead = '<p class="news"><strong><bdi>kestrel</bdi></strong> leads with 0.631'
    assert f"{lead}, and 4 other teams are tied with it.</p>" in first()
    assert f"{lead}, and one other team is tied with it.</p>" in first(tied_with=["ibis"])
    assert f"{lead}.</p>" in first(tied_with=[])


def test_who_may_be_first_is_marked_and_nobody_else() -> None:
    text = page(boards.lively(), "earth")
    assert [
        team
        for team in ("kestrel", "ibis", "avocet", "heron", "wren")
        if "first" in row(text, team)[:40]
    ] == ["kestrel", "ibis", "avocet"]


def test_near_the_expert_is_said_in_words() -> None:
    text = page(boards.lively(), "earth")
    assert "near or equal to the expert</span>" in row(text, "kestrel")
    assert text.count("near or equal to the expert</span>") == 1
    assert "less than 2 points (0.02) below the expert" in words(text)


def test_an_entry_without_evidence_has_no_interval_and_no_bars() -> None:
    text = row(page(boards.lively(), "earth"), "wren")
    assert "0.238<small>no interval</small>" in text
    assert 'class="span"' not in text
    assert 'class="bar"' not in text
    assert "1 to" not in text


def test_f1_by_class_is_said_to_who_does_not_see_the_bars() -> None:
    text = page(boards.lively(), "earth")
    said = ", ".join(f"{n} {f1:.2f}" for n, f1 in boards.lively()["entries"][1]["classes"].items())
    assert f'<span class="unseen">{said}</span>' in row(text, "ibis")
    assert "F1 by class, from left to right: closed forest, open forest, shrub" in text
    found = Page(text)
    assert found.names().count("bar") == 9 * 11


def test_where_a_score_stands_is_said_to_who_does_not_see_the_plot() -> None:
    text = page(boards.lively(), "earth")
    assert (
        "as good as or better than baseline: multi-window forest, "
        "worse than expert: U-Net with a logit shift</span>" in row(text, "ibis")
    )
    assert "worse than baseline" in row(text, "wren")


def test_provenance_is_the_image_and_for_a_pointer_or_a_screen_reader_the_job() -> None:
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/academy/x-cpu@sha256:{'a' * 64}"
    mine = replace(line("falcon", 0.8), job="earth--falcon--ana--aaaaaaaa", image=image)
    found = Page(page(board.document("x", RULES, [mine, line("owl", 0.9)], AT), "earth"))
    assert found.texts.count("academy/x-cpu@aaaaaaaaaaaa") == 1
    assert ("small", {"class": "image", "title": "earth--falcon--ana--aaaaaaaa"}) in found.tags
    assert found.texts.count("earth--falcon--ana--aaaaaaaa") == 1


def test_narrow_intervals_are_cautioned_of() -> None:
    said = "Only 12 scenes are held out in the public part."
    assert said in page(boards.narrow(), "earth")
    assert "the intervals are too narrow" in words(page(boards.narrow(), "earth"))
    assert "held out in the public part." not in page(boards.lively(), "earth")


def test_limit_units_and_resamples_are_told() -> None:
    text = page(lively(limit_per_day=3, replicates=2000), "earth")
    assert "<dd>3 a day for each team</dd>" in text
    assert "<dd>24 scenes</dd>" in text
    assert "scenes are drawn anew 2,000 times" in words(text)


def test_progress_is_drawn_for_each_team_and_told_in_a_table() -> None:
    found = boards.lively()
    text = page(found, "earth")
    plots = text[text.index('<ul class="plots">') : text.index("<summary>Progress")]
    assert plots.count("<svg") == 12
    assert "<bdi>ibis</bdi></span><small>0.441 &rarr; 0.618, 3 steps</small>" in plots
    assert "<bdi>wren</bdi></span><small>0.238 so far</small>" in plots
    table = text[text.index("<summary>Progress") :]
    assert table.count("<tr>") == 1 + len(found["history"])
    assert '2026-12-02 10:24</td><th scope="row"><bdi>heron</bdi></th>' in words(table)


def test_each_step_is_drawn_where_it_was() -> None:
    history = [
        {"team": "owl", "at": "2026-12-01T00:00:00Z", "score": 0.2},
        {"team": "owl", "at": "2026-12-03T00:00:00Z", "score": 0.4},
    ]
    entries = [boards.lively()["entries"][0] | {"team": "owl"}]
    text = page(
        lively(history=history, entries=entries, lines=[], updated="2026-12-05T00:00:00Z"), "earth"
    )
    plot = text[text.index('<g class="own">') :]
    plot = plot[: plot.index("</g>")]
    # From the left edge, at half of the time, a step from low to high, and on to the right edge.
    dots = [part.split('"') for part in plot.split("<circle ")[1:]]
    (x1, y1), (x2, y2) = ((float(part[1]), float(part[3])) for part in dots)
    assert (x1, x2) == (6.0, 120.0)
    assert y1 > y2, "better is higher up"
    assert f'd="M{x1} {y1}H{x2}V{y2}H234"' in plot


# --- what may lack --------------------------------------------------------------------------------


def test_a_board_of_old_is_shown_as_far_as_it_goes() -> None:
    text = page(boards.of_old(), "earth")
    Page(text)
    for word in ("interval", "Gap closed", "F1 by class", "Progress", "tied", "None", "nan"):
        assert word not in text[text.index("<main>") :], word
    assert "Equal scores share a rank" not in boards.of_old()
    assert "Equal scores share a rank" in text
    assert "4.82e+04" in text


@pytest.mark.parametrize("name", sorted(set(boards.lively()) - set(boards.of_old())))
def test_each_new_member_may_lack(name: str) -> None:
    found = boards.lively()
    del found[name]
    assert "kestrel" in page(found, "earth")


OLD = {"rank", "team", "score", "submissions", "submitted", "note", "job", "image"}


@pytest.mark.parametrize("name", sorted(set(boards.lively()["entries"][0]) - OLD))
@pytest.mark.parametrize("how", ["lacks", "null"])
def test_each_new_member_of_an_entry_may_lack(name: str, how: str) -> None:
    found = boards.lively()
    for entry in found["entries"][::2]:
        if how == "lacks":
            del entry[name]
        else:
            entry[name] = None
    text = page(found, "earth")
    Page(text)
    assert text.count('class="name"') >= 12
    assert "None" not in text


def test_an_empty_board_says_so_and_shows_the_lines() -> None:
    text = page(boards.empty(), "earth")
    assert "No team has submitted yet." in text
    assert 'academy.submit("land-cover", predictions)' in text
    assert "expert: U-Net with a logit shift" in text
    assert "leads with" not in text
    bare = page(boards.empty() | {"lines": []}, "earth")
    assert "No team has submitted yet." in bare
    assert "<table" not in bare


# --- what it never holds --------------------------------------------------------------------------


def test_hostile_words_become_text() -> None:
    text = page(boards.hostile(), boards.HOSTILE[1])
    found = Page(text)
    assert not {"script", "img", "iframe", "base"} & {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)
    assert [tag for tag, _ in found.tags].count("style") == 1
    shown = "".join(found.texts)
    assert boards.HOSTILE[0] in shown
    assert boards.HOSTILE[1] in shown


def test_what_should_be_a_time_becomes_text_too() -> None:
    found = lively(updated="<i>1</i><b>now")
    found["entries"][0]["submitted"] = "<s>2</s>-<u>1</u>"
    found["entries"][1]["submitted"] = "2026-12-01T<u>12"
    found["history"][0]["at"] = "2026-12-01 <u>12"
    tags = {tag for tag, _ in Page(page(found, "earth")).tags}
    assert not {"i", "b", "s", "u"} & tags


@given(st.text(max_size=40))
def test_no_name_or_note_breaks_the_page(word: str) -> None:
    found = boards.lively()
    found["entries"] = copy.deepcopy(found["entries"][:2])
    found["history"] = found["history"][:4]
    for entry in found["entries"]:
        entry |= {"team": word, "note": word, "job": word, "image": word, "tied_with": [word] * 5}
    found["lines"] = [{"name": word, "score": 0.5}]
    tags = [tag for tag, _ in Page(page(found, word)).tags]
    plain = copy.deepcopy(found)
    for entry in plain["entries"]:
        entry |= {"team": "x", "note": "x" if word else "", "job": "x" if word else ""}
        entry |= {"image": "x" if word else "", "tied_with": ["x"] * 5}
    plain["lines"] = [{"name": "x", "score": 0.5}]
    assert tags == [tag for tag, _ in Page(page(plain, "x")).tags]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = page(boards.lively(), "earth")
    links = {v for _, attrs in Page(text).tags for n, v in attrs.items() if n in ("href", "src")}
    assert links == {"index.html", "#everyone"}
    for word in ("url(", "@import", "<script", "http"):
        assert word not in text.replace("http-equiv", ""), word
    assert "default-src 'none'; style-src 'unsafe-inline'" in text


def test_a_board_of_a_hundred_teams_is_no_large_page() -> None:
    found = boards.lively()
    entries = []
    for number in range(100):
        entry = copy.deepcopy(found["entries"][number % 11])
        entries.append(entry | {"team": f"team-{number}", "rank": number + 1, "note": "x" * 200})
    history = [
        {"team": f"team-{k % 100}", "at": f"2026-12-{1 + k // 20:02d}T00:00:00Z", "score": 0.3}
        for k in range(200)
    ]
    text = page(found | {"entries": entries, "history": history}, "earth")
    assert text.count('<li class="panel">') == 100
    assert len(text.encode()) < 600_000


def test_the_index_leads_to_every_board() -> None:
    found = Page(index(["climate-series", "land-cover"], "earth"))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links == ["climate-series.html", "land-cover.html"]
    bad = boards.HOSTILE[1]
    hostile = Page(index([bad], bad))
    assert [attrs["href"] for tag, attrs in hostile.tags if tag == "a"] == [f"{bad}.html"]
    assert "img" not in {tag for tag, _ in hostile.tags}
    assert hostile.texts.count(bad) == 2


# --- the axis -------------------------------------------------------------------------------------

FINITE = st.floats(-1e6, 1e6)


def test_one_wild_entry_does_not_press_the_others_into_a_line() -> None:
    marks = [Mark(1.0, "floor"), Mark(0.6, "expert")]
    axis = Axis.over([0.7, 0.8, 48_000.0], marks, "lower")
    assert axis.high < 2
    assert axis.beyond(48_000.0)
    assert not any(axis.beyond(score) for score in (0.7, 0.8, 0.6))
    assert axis.at(48_000.0) == 100


def test_teams_that_are_all_behind_a_lone_floor_are_shown() -> None:
    axis = Axis.over([1.2, 1.3, 9.0], [Mark(1.0, "floor")], "lower")
    assert [axis.beyond(score) for score in (1.0, 1.2, 1.3, 9.0)] == [False, False, False, True]
    assert not Axis.over([48_000.0], [Mark(1.0, "floor")], "lower").beyond(48_000.0)


def test_a_floor_far_below_does_not_either() -> None:
    marks = [Mark(0.05, "floor"), Mark(0.45, "baseline"), Mark(0.62, "expert")]
    assert Axis.over([0.5], marks, "higher").beyond(0.05)
    assert not Axis.over([0.5, 0.3], [Mark(0.05, "floor")], "higher").beyond(0.05)
    assert not Axis.over([], marks, "higher").beyond(0.05), "with nothing else to show, it is shown"


@given(st.lists(FINITE), st.lists(FINITE), st.sampled_from(["higher", "lower"]), st.lists(FINITE))
def test_every_axis_has_a_width_and_shows_marks_and_the_best(
    scores: list[float], marks: list[float], better: Any, ends: list[float]
) -> None:
    axis = Axis.over(scores, [Mark(value, "other") for value in marks], better, ends)
    assert axis.low < axis.high
    assert not any(axis.beyond(value) for value in marks)
    if scores:
        assert not axis.beyond(max(scores) if better == "higher" else min(scores))
    ticks = axis.ticks()
    assert len(ticks) <= 15
    assert all(0 <= axis.at(score) <= 100 for score, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)
