"""Boards as they may come: a lively one, a hostile one, an empty one, and one of old."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

CLASSES = [
    "closed forest",
    "open forest",
    "shrub",
    "herbaceous",
    "crops",
    "urban",
    "bare",
    "water",
    "wetland",
]
LINES = [
    {"name": "floor: closed forest everywhere", "score": 0.055, "kind": "floor"},
    {"name": "baseline: multi-window forest", "score": 0.451, "kind": "baseline"},
    {"name": "expert: U-Net with a logit shift", "score": 0.623, "kind": "expert"},
    {"name": "ceiling: the true map, noisy labels", "score": 0.787, "kind": "ceiling"},
]

#: team, rank interval, score, half the interval, days of its moves with the scores before, note
_TEAMS: list[tuple[str, tuple[int, int], float, float, list[tuple[float, float]], str]] = [
    (
        "kestrel",
        (1, 3),
        0.631,
        0.031,
        [(2.2, 0.402), (6.1, 0.488), (9.4, 0.553), (15.3, 0.604)],
        "U-Net, gamma-map filter, biased crops; mean of three seeds",
    ),
    (
        "ibis",
        (1, 4),
        0.618,
        0.034,
        [(1.3, 0.441), (5.0, 0.512), (13.1, 0.571)],
        "wider net, dB inputs, flips at test time",
    ),
    ("avocet", (1, 5), 0.597, 0.036, [(3.6, 0.36), (8.2, 0.533)], "logit shift tuned on fold 2"),
    ("heron", (2, 6), 0.588, 0.03, [(1.1, 0.287), (4.7, 0.451), (11.8, 0.54)], ""),
    (
        "sandpiper",
        (3, 7),
        0.566,
        0.038,
        [(6.3, 0.49)],
        "dice and cross-entropy, half each; wetland is still lost, see the notebook",
    ),
    ("falcon", (4, 7), 0.561, 0.029, [(2.9, 0.404), (7.7, 0.5)], "cosine schedule"),
    ("النورس", (5, 8), 0.534, 0.035, [(4.4, 0.47)], "شبكة أعمق مع وزن للفئات النادرة"),
    ("owl", (7, 9), 0.497, 0.033, [(9.9, 0.39)], "GroupNorm, no augmentation"),
    ("plover", (8, 10), 0.478, 0.04, [], "first net that beats our forest!"),
    ("tern", (9, 11), 0.446, 0.037, [(3.3, 0.21)], "a forest on texture, 400 trees"),
    ("curlew", (10, 11), 0.431, 0.036, [], ""),
    ("wren", (12, 12), 0.238, 0.0, [], "per-pixel forest, just to see the wall"),
]
_OPENED = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)


def lively() -> dict[str, Any]:
    """A land-cover board of twelve teams: ties, one near the expert, one without evidence."""
    intervals = {team: ranks for team, ranks, *_ in _TEAMS}
    entries: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for place, (team, ranks, score, half, before, note) in enumerate(_TEAMS, start=1):
        known = half > 0
        last = _OPENED + dt.timedelta(days=17.6 - place * 0.83 % 7)
        history += [
            {"team": team, "at": _instant(_OPENED + dt.timedelta(days=day)), "score": value}
            for day, value in before
        ]
        history.append({"team": team, "at": _instant(last), "score": score})
        tied = [
            other
            for other, (low, high) in intervals.items()
            if other != team and low <= ranks[1] and ranks[0] <= high
        ]
        entries.append(
            {
                "rank": place,
                "team": team,
                "score": score,
                "submissions": 3 + (place * 7) % 31,
                "submitted": _instant(last),
                "note": note,
                "job": f"earth-2026-fall--{team}--ana--{place:08x}" if place % 3 else "",
                "image": f"academy/segmentation-gpu@{place * 0x1F3A5C7D9B2E % 16**12:012x}"
                if place % 3
                else "",
                "score_low": round(score - half, 3) if known else None,
                "score_high": round(score + half * 0.9, 3) if known else None,
                "rank_low": ranks[0],
                "rank_high": ranks[1],
                "tied_with": tied,
                "classes": _f1(score, place) if known else {},
                "gap_closed": _gap(score, half) if known else None,
                "near_expert": place == 1,
            }
        )
    return {
        "project": "land-cover",
        "metric": "macro-F1 over nine classes, pooled over scenes, on label cells",
        "better": "higher",
        "hint": "1 is a map without error",
        "scored_on": "scenes",
        "updated": "2026-12-18T17:42:10Z",
        "lines": copy.deepcopy(LINES),
        "entries": entries,
        "units": {"count": 24, "name": "scenes"},
        "narrow": False,
        "replicates": 1000,
        "history": sorted(history, key=lambda move: str(move["at"])),
        "limit_per_day": 5,
        "classes": CLASSES,
    }


def _f1(score: float, place: int) -> dict[str, float]:
    """Water is easy and wetland is not."""
    eases = (1.22, 0.86, 0.72, 0.93, 1.04, 1.12, 1.1, 1.45, 0.56)
    return {
        name: round(min(0.97, score * ease + 0.02 * ((place * (k + 3)) % 5 - 2)), 2)
        for k, (name, ease) in enumerate(zip(CLASSES, eases, strict=True))
    }


def _gap(score: float, half: float) -> dict[str, float]:
    share = (score - 0.451) / (0.623 - 0.451)
    spread = half / (0.623 - 0.451)
    return {"value": share, "low": share - spread, "high": share + spread * 0.9}


def _instant(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


#: What a team may call itself and write beside its entry, though most would be refused earlier.
HOSTILE = (
    "<script>window.pwned=1;document.title='pwned'</script>",
    '"><img src=x onerror="window.pwned=1;document.title=\'pwned\'">',
    "'><svg onload=\"window.pwned=1;document.title='pwned'\"><a xlink:href='javascript:pwned=1'>",
    "</title></style></table></main><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "&lt;b&gt;&amp;#60;script&amp;#62; javascript:alert(1) {{7*7}} ${7*7} <!-- ]]> -->",
    "<style>*{display:none!important}</style><base href='https://example.org/'>",
    "\u202eright to left override \u2066\u2067 never closed",
    "unbroken" * 25,
    "Z\u0351\u036b\u0343\u036a\u0302\u0352" * 28,
    "\U0001f9ea\U0001f1ea \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u4f60 " * 6,
    "tab\tand\x0bothers\x00\x1b[31mred",
    "   ",
)


def hostile() -> dict[str, Any]:
    """The lively board with hostile words wherever a word may stand."""
    board = lively()
    names = {entry["team"]: text for entry, text in zip(board["entries"], HOSTILE, strict=True)}
    for entry in board["entries"]:
        entry["tied_with"] = [names[team] for team in entry["tied_with"]]
        entry["team"] = entry["note"] = entry["job"] = entry["image"] = names[entry["team"]]
        entry["classes"] = {HOSTILE[0]: 0.5, HOSTILE[1]: 7.0, HOSTILE[7]: -1.0}
    for move in board["history"]:
        move["team"] = names[move["team"]]
    for line, text in zip(board["lines"], HOSTILE, strict=False):
        line["name"] = line["kind"] = text
    board["entries"][-1] |= {"score": -1e9, "score_low": -2e9, "score_high": 1e9}
    board["history"].append({"team": "nobody", "at": HOSTILE[0], "score": 0.1})
    words = ("project", "metric", "hint", "scored_on", "updated")
    return board | {
        **{word: HOSTILE[k] for k, word in enumerate(words)},
        "units": {"count": 5, "name": HOSTILE[1]},
        "narrow": True,
        "classes": [HOSTILE[0], HOSTILE[1], HOSTILE[7]],
    }


def empty() -> dict[str, Any]:
    """Nobody has submitted; the lines are there."""
    return lively() | {"entries": [], "history": []}


def narrow() -> dict[str, Any]:
    """Few scenes are held out."""
    return lively() | {"units": {"count": 12, "name": "scenes"}, "narrow": True}


def of_old() -> dict[str, Any]:
    """A board as it was written before intervals were kept: a forecast's, where less is better."""
    kept = ("rank", "team", "score", "submissions", "submitted", "note", "job", "image")
    entries = [{key: entry[key] for key in kept} for entry in lively()["entries"]]
    for entry in entries:
        entry["score"] = round(1.5 - entry["score"], 4)
    entries[-1]["score"] = 48_213.7
    return {
        "project": "climate-series",
        "metric": "MASE relative to the seasonal naive, geometric mean over series",
        "better": "lower",
        "hint": "1 is the seasonal naive",
        "scored_on": "months",
        "updated": "2026-12-18T17:42:10Z",
        "lines": [{"name": "floor: seasonal naive", "score": 1.0}],
        "entries": entries,
    }
