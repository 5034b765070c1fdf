"""The leaderboard's page as text: what it says, to whom, and what it never holds."""

from __future__ import annotations

import copy
import datetime as dt
import html.parser
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.competition import board
from infra.services.competition.entry import Entry, TeamLine
from infra.services.competition.final import final, finalists
from infra.services.competition.page import index, page
from infra.services.competition.plots import Axis, Mark
from infra.services.competition.projects.climate_series import ClimateSeries, record
from tests.browser import boards

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """A page's tags and texts; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.texts_with_spaces: list[str] = []
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
        self.texts_with_spaces.append(data)
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
    text = page(boards.forecast(), "earth")
    body = text[text.index("<tbody") :]
    names = ['class="name">kestrel<', "expert: one net", "floor: seasonal", 'class="name">owl<']
    places = [body.index(name) for name in [*names, 'class="name">tern<']]
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
    board = boards.lively()
    board["entries"] = board["entries"][:2]
    job = "earth--falcon--ana--aaaaaaaa"
    board["entries"][0] |= {"job": job, "image": "academy/x-cpu@aaaaaaaaaaaa"}
    found = Page(page(board, "earth"))
    assert found.texts.count("academy/x-cpu@aaaaaaaaaaaa") == 1
    assert ("small", {"class": "image", "title": job}) in found.tags
    assert found.texts.count(job) == 1


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


# --- whether it goes on ---------------------------------------------------------------------------


def state(board: dict[str, Any]) -> str:
    """The line that says whether the competition goes on, as text."""
    text = page(board, "earth")
    if 'class="phase' not in text:
        return ""
    part = text[text.index('<p class="phase') :]
    return " ".join("".join(Page(part[: part.index("</p>") + 4]).texts_with_spaces).split())


def test_an_open_board_says_until_when() -> None:
    assert state(boards.lively()) == "Open Until the end of 15 Mar 2027 (UTC); 87 days left."
    soon = lively(closes="2026-12-19T12:30:00Z")
    assert state(soon) == "Open Until 19 Dec 2026, 12:30 UTC; 18 hours left."
    assert '<time datetime="2026-12-19T12:30:00Z">' in page(soon, "earth")
    assert state(lively(closes="2026-12-18T12:30:00Z")) == "Open Until 18 Dec 2026, 12:30 UTC."


def test_a_board_before_its_start_says_when_it_opens_and_asks_for_nothing() -> None:
    assert state(boards.soon()) == "Not open yet Opens 1 Dec 2026, 08:00 UTC, in 38 hours."
    assert "academy.submit" not in page(boards.soon(), "earth")
    assert "academy.submit" in page(boards.empty(), "earth")


def test_a_frozen_board_says_why_and_that_nothing_is_lost() -> None:
    text = page(boards.frozen(), "earth")
    assert state(boards.frozen()).startswith("Frozen This board stands still. Submissions are kept")
    assert f"<strong>Why:</strong> <bdi>{boards.frozen()['reason']}</bdi>" in text
    assert "Why:" not in page(boards.frozen() | {"reason": "  "}, "earth")
    assert "Two scenes" not in page(boards.frozen() | {"phase": "open"}, "earth")


@pytest.mark.parametrize("value", [None, "", "soon", "9" * 40, 17, "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("phase", ["before", "open", "frozen", "closed", "other", None])
def test_no_instant_and_no_phase_breaks_the_page(value: Any, phase: Any) -> None:
    text = page(lively(opens=value, closes=value, day=value, phase=phase), "earth")
    assert "kestrel" in text
    assert ('class="phase' in text) is (phase in ("before", "open", "frozen", "closed"))
    assert "None" not in text


# --- what an entry took, and what else it scored --------------------------------------------------


def test_a_row_tells_cost_gpu_hours_and_what_is_left_today() -> None:
    text = page(boards.lively(), "earth")
    cost = 'data-name="Cost">$4.79<small>3.4 GPU h</small><small><bdi>ml.g5.xlarge</bdi></small>'
    assert cost in row(text, "kestrel")
    assert "$0.05<small>no GPU</small>" in row(text, "curlew")
    assert '<td role="cell" class="cost number"></td>' in row(text, "avocet")
    assert "<small>0 left today</small>" in row(text, "kestrel")
    assert "<small>4 left today</small>" in row(text, "ibis")
    assert "had left on 18 Dec (UTC)" in words(text)


@pytest.mark.parametrize("phase", ["closed", "before"])
def test_nothing_is_left_where_nothing_may_be_sent(phase: str) -> None:
    text = page(lively(phase=phase), "earth")
    assert "left today" not in text
    assert "Left today" not in text


def test_a_board_where_nobody_had_a_job_has_no_column_of_costs() -> None:
    found = boards.lively()
    for entry in found["entries"]:
        entry |= {"cost_micro_usd": None, "gpu_hours": None}
    text = page(found, "earth")
    assert 'class="cost' not in text
    assert "Cost</dt>" not in text


def test_other_measures_have_columns_where_there_is_room() -> None:
    text = page(boards.forecast(), "earth")
    assert '<th role="columnheader" scope="col" class="also number">WQL</th>' in text
    assert '<td role="cell" class="also number" data-name="WQL">0.104</td>' in row(text, "kestrel")
    assert 'data-name="Coverage of the 80\xa0% interval">0.820</td>' in row(text, "kestrel")
    assert row(text, "falcon").count('<td role="cell" class="also number"></td>') == 1
    assert row(text, "sandpiper").count('<td role="cell" class="also number"></td>') == 2
    assert "do not count for the rank" in text


def test_lines_have_the_other_measures_that_are_known_of_them() -> None:
    text = page(boards.forecast(), "earth")

    def measures(name: str) -> list[str]:
        start = text.index(f">{name}<", text.index("<tbody"))
        of_line = text[start : text.index("</tr>", start)]
        return re.findall(r'class="also number"[^>]*>([^<]*)</td>', of_line)

    assert measures("rival: AutoARIMA") == ["0.114", "0.833"]
    assert measures("baseline: ridge on lags") == ["0.119", ""]
    assert measures("expert: one net for all series") == ["", ""]


def test_measures_of_lines_alone_have_columns_too() -> None:
    found = boards.forecast()
    for entry in found["entries"]:
        entry["also"] = {}
    text = page(found, "earth")
    assert '<th role="columnheader" scope="col" class="also number">WQL</th>' in text
    rows_ = re.findall(r"<tr role=\"row\".*?</tr>", text[text.index("<thead") :], re.DOTALL)
    board = [each for each in rows_ if "also number" in each]
    assert len({len(re.findall(r"<t[hd] ", each)) for each in board}) == 1


def test_other_measures_stand_below_where_there_is_none() -> None:
    found = boards.lively()
    for entry in found["entries"][:3]:
        entry["also"] = {"accuracy": 0.912}
    text = page(found, "earth")
    assert 'class="also' not in text
    table = text[text.index("<summary>Other measures in numbers") :]
    table = table[: table.index("</details>")]
    assert '<bdi>ibis</bdi></th><td class="number">0.912</td>' in table
    assert '<bdi>wren</bdi></th><td class="number">&ndash;</td>' in table


# --- the end --------------------------------------------------------------------------------------


def final_row(text: str, team: str) -> str:
    return row(text[: text.index('<details class="last">')], team)


def ended(**changes: Any) -> dict[str, Any]:
    """The closed board with changes of its final part."""
    board = boards.closed()
    return board | {"final": board["final"] | changes}


def test_the_final_standings_come_first_and_the_public_board_is_folded_in() -> None:
    text = page(boards.closed(), "earth")
    Page(text)
    first, last = text.index("Final leaderboard of"), text.index("Last public leaderboard of")
    assert first < text.index('<details class="last"><summary>The last public board') < last
    order = [text.index(f'class="name">{t}<') for t in ("avocet", "ibis", "kestrel", "wren")]
    assert order == sorted(order)
    assert "<dt>Private part</dt><dd>56 scenes</dd>" in text
    assert "0.631" in row(text[last:], "kestrel")


def test_the_end_in_a_sentence() -> None:
    lead = '<p class="news"><strong><bdi>avocet</bdi></strong>'
    tied = f"{lead} stands first with 0.609 on the private part, and 3 other teams are tied with it"
    assert tied in words(page(boards.closed(), "earth"))
    alone = ended()
    alone["final"]["entries"][0]["tied_with"] = []
    assert f"{lead} wins with 0.609 on the private part.</p>" in words(page(alone, "earth"))
    assert state(boards.closed()) == "Closed Since 18 Dec 2026, 12:00 UTC."


def test_a_final_row_tells_the_move_and_whether_chance_explains_it() -> None:
    text = page(boards.closed(), "earth")
    assert (
        'data-name="Public rank">1 <span class="way down beyond"><span aria-hidden="true">&#9660;'
        '</span><span class="unseen">, down </span>4</span><small>0.631</small>'
        "<small>beyond chance</small>" in final_row(text, "kestrel")
    )
    assert 'class="way up">' in final_row(text, "avocet")
    assert "within chance" in final_row(text, "avocet")
    still = final_row(text, "ibis")
    assert 'data-name="Public rank">2<small>0.618</small></td>' in still


def test_a_move_without_intervals_is_not_held_against_chance() -> None:
    board = boards.closed()
    board["final"]["entries"][4] |= {"judged": False, "within_noise": True}
    text = page(board, "earth")
    assert "&#9660;" in final_row(text, "kestrel")
    assert "chance" not in final_row(text, "kestrel")
    assert text.count('<g class="strong"><line') == 1


def test_a_final_row_tells_who_chose_and_what_was_left_behind() -> None:
    text = page(boards.closed(), "earth")
    assert "<small>entries chosen by the team</small>" in final_row(text, "avocet")
    assert "<small>none chosen: its best public entries</small>" in final_row(text, "heron")
    assert "another entry, not chosen, has 0.603" in final_row(text, "heron")
    assert "another entry" not in final_row(text, "avocet")


def test_the_shake_up_is_explained_and_drawn_with_a_text_of_its_own() -> None:
    text = page(boards.closed(), "earth")
    for sentence in boards.closed()["final"]["explained"]:
        assert f"<li><bdi>{sentence}</bdi></li>" in text
    drawn = next(attrs for tag, attrs in Page(text).tags if attrs.get("role") == "img")
    assert str(drawn["aria-label"]).startswith(
        "From public to final rank: avocet 3 to 1; ibis 2 to 2; heron 4 to 3;"
    )
    assert text.count('<g class="strong"><line') == 2


def test_few_private_units_are_cautioned_of() -> None:
    text = words(page(ended(narrow=True, units={"count": 9, "name": "scenes"}), "earth"))
    assert "Only 9 scenes are held out in the private part." in text


def test_who_is_disqualified_is_told_with_the_reason() -> None:
    text = page(lively(out=[{"team": "shrike", "reason": "sent another team's maps"}]), "earth")
    said = "<dt><bdi>shrike</bdi></dt><dd><bdi>sent another team&#x27;s maps</bdi></dd>"
    assert said in text
    assert "Disqualified" not in page(boards.lively(), "earth")


def test_a_closed_board_without_its_final_part_shows_the_public_one() -> None:
    for end in ({}, None):
        text = page(boards.closed() | {"final": end}, "earth")
        assert "Scores are still those on the public part." in text
        assert "led with 0.631" in text
        assert "Private" not in text


def test_a_final_part_before_the_close_is_not_shown() -> None:
    """What is sealed stays so, even if a document held it too early."""
    text = page(boards.closed() | {"phase": "open"}, "earth")
    assert "0.609" not in text
    assert "rivate" not in text


FINAL_OPTIONAL = set(boards.closed()["final"]["entries"][0]) - {"rank", "team", "score"}


@pytest.mark.parametrize("name", sorted(FINAL_OPTIONAL))
@pytest.mark.parametrize("how", ["lacks", "null"])
def test_each_member_of_a_final_entry_may_lack(name: str, how: str) -> None:
    found = boards.closed()
    for entry in found["final"]["entries"][::2]:
        if how == "lacks":
            del entry[name]
        else:
            entry[name] = None
    text = page(found, "earth")
    Page(text)
    assert 'class="name">avocet<' in text
    assert "None" not in text


@pytest.mark.parametrize("name", sorted(boards.closed()["final"]))
@pytest.mark.parametrize("how", ["lacks", "null"])
def test_each_member_of_the_final_part_may_lack(name: str, how: str) -> None:
    found = boards.closed()
    if how == "lacks":
        del found["final"][name]
    else:
        found["final"][name] = None
    text = page(found, "earth")
    Page(text)
    assert "The last public board" in text
    assert "None" not in text


def test_the_document_that_the_table_gives_is_rendered() -> None:
    """The boards above are made by hand; this one as publishing makes it."""
    at, series = dt.datetime(2027, 3, 1, 9, tzinfo=dt.UTC), ClimateSeries()
    rules = board.Rules("m", "lower", "h", "months", (), 5, evidence=series)
    lines, entries = [], []
    for place, (team, public, private) in enumerate(
        [("owl", -0.5, 0.4), ("jay", -0.3, -0.9), ("kite", 0.0, -0.3)]
    ):
        logs = {
            part: {f"s{k}": of + k % 5 / 10 + k * 7 % 3 / 500 for k in range(12)}
            for part, of in (("public", public), ("private", private))
        }
        kept = record(logs)
        scores = [
            series.score_of([sum(column) for column in zip(*units.values(), strict=True)])
            for units in (series.units(kept, "public"), series.units(kept, "private"))
        ]
        digest = str(place) * 64
        key = f"submissions/climate-series/{team}/{place}.csv"
        lines.append(TeamLine(team, scores[0], at, "", 1, 1, digest=digest, record=kept))
        entries.append(
            Entry("climate-series", team, digest, key, at, *scores, "", "ana", "", record=kept)
        )
    course = board.Course("closed", at, at, out={"shrike": "copied"})
    found = board.document("climate-series", rules, lines, at, course)
    found["final"] = final(rules, finalists(entries, {}, "lower"), found["entries"])
    text = page(found, "earth")
    Page(text)
    assert "<strong><bdi>jay</bdi></strong> wins with" in text
    assert "&#9660;</span>" in final_row(text, "owl")
    assert "beyond chance" in final_row(text, "owl")
    assert "none chosen: its best public entries" in final_row(text, "kite")
    assert "went down from rank 1 to 3, further than chance explains." in text
    assert "<dt><bdi>shrike</bdi></dt>" in text


def test_nobody_in_the_end() -> None:
    text = page(boards.empty() | {"phase": "closed", "final": {"entries": []}}, "earth")
    Page(text)
    assert "No team submitted." in text
    assert "academy.submit" not in text


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


@pytest.mark.parametrize("make", [boards.hostile, boards.hostile_end])
def test_hostile_words_become_text(make: Callable[[], dict[str, Any]]) -> None:
    text = page(make(), boards.HOSTILE[1])
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
    found |= {"phase": "frozen", "reason": word, "out": [{"team": word, "reason": word}]}
    tags = [tag for tag, _ in Page(page(found, word)).tags]
    plain = copy.deepcopy(found)
    for entry in plain["entries"]:
        entry |= {"team": "x", "note": "x" if word else "", "job": "x" if word else ""}
        entry |= {"image": "x" if word else "", "tied_with": ["x"] * 5}
    plain["lines"] = [{"name": "x", "score": 0.5}]
    plain |= {"reason": "x" if word.strip() else "", "out": [{"team": "x", "reason": "x"}]}
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


def test_a_final_board_of_a_hundred_teams_is_no_large_page() -> None:
    board = boards.closed()
    found = board["final"]["entries"]
    entries = [
        copy.deepcopy(found[n % 11]) | {"team": f"team-{n}", "rank": n + 1, "public_rank": 100 - n}
        for n in range(100)
    ]
    text = page(board | {"final": board["final"] | {"entries": entries}}, "earth")
    assert text.count('<span class="row') == 200
    assert 'class="drawn dense"' in text
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
