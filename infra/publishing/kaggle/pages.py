"""The competition's pages, its settings, and the commands that bring it to Kaggle.

The commands are those of the package `kaggle` 2.2.5. What it cannot do, such as making the metric
or the daily limit, is told to be done on the website.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass

from infra.publishing.kaggle.checking import TOLERANCE, Compared
from infra.services.competition import projects

_TITLES = {
    "land-cover": "Land cover from radar",
    "climate-series": "Climate series",
}
_BRIEF = {
    "land-cover": "Nine classes of land from two numbers a pixel, scored on the label grid",
    "climate-series": "Eight monthly records, twenty years each: what do the next two years hold?",
}


@dataclass(frozen=True)
class Competition:
    """What of the cohort shows on Kaggle: nothing of its people."""

    cohort: str
    project: str
    closes: dt.date
    submissions_per_day: int
    team_size: int

    @property
    def slug(self) -> str:
        return f"{self.cohort}-{self.project}"

    @property
    def title(self) -> str:
        return f"{_TITLES[self.project]} ({self.cohort})"

    @property
    def deadline(self) -> str:
        """The first instant after the day `closes`, as in the academy."""
        return f"{self.closes + dt.timedelta(days=1):%Y-%m-%d}T00:00:00Z"


def written(competition: Competition, compared: Iterable[Compared]) -> dict[str, str]:
    """Each file's text by its name."""
    of_project = {"land-cover": _LAND_COVER, "climate-series": _CLIMATE_SERIES}
    scored = projects.of(competition.project)
    words = {
        "title": competition.title,
        "slug": competition.slug,
        "project": competition.project,
        "closes": str(competition.closes),
        "per_day": str(competition.submissions_per_day),
        "team_size": str(competition.team_size),
        "metric": scored.metric,
        "better": scored.better,
        "hint": scored.hint,
        "checked": "\n".join(
            f"| {one.submission} | {one.part} | {one.kaggle:.6f} | {one.difference:.1e} |"
            for one in compared
        ),
        "tolerance": f"{TOLERANCE:.0e}",
    }
    metadata = {
        "title": competition.title,
        "slug": competition.slug,
        "briefDescription": _BRIEF[competition.project],
        # Whoever makes it may open it; nobody can take back what has been seen.
        "privacy": "PRIVATE",
        "disableKernels": False,
        "hackathon": False,
    }
    settings = {"deadline": competition.deadline, "rulesRequired": True}
    return {
        "description.md": of_project[competition.project].format(**words),
        "rules.md": _RULES.format(**words),
        "README.md": _README.format(**words),
        "competition-metadata.json": json.dumps(metadata, indent=2) + "\n",
        "settings.json": json.dumps(settings, indent=2) + "\n",
    }


_LAND_COVER = """\
# {title}

Two numbers a pixel from a radar in space, nine classes of land. Some are nearly everywhere, some
are a few cells in a scene: a map can be right almost everywhere and useless.

## Data

- `train/<scene>/`: `gamma0.npy` (VV and VH, linear power, float32, 2 x rows x columns, NaN where
  there is nothing), `cells.npy` (for each pixel the number of its label cell, by rows, -1 for none)
  and `labels.npy` (the label grid: classes 0 to 8, 255 without a label).
- `held_out/<scene>/`: the same without labels. These are mapped.
- `task.json`: the classes in the order of their numbers, the scenes, the shape of each label grid,
  and where the scenes are from.

## Submission

A row for each held-out scene and class, called `<scene>_<class>`, with the runs of label cells of
that class: start and length of each, cells numbered from 1 by rows (along the first row, then
along the second), runs in ascending order and not overlapping. `-` stands for no cell. Every cell
has one class.

    row_id,rle
    held-out-01_0,1 240 512 3
    held-out-01_1,-

This writes the runs of one class:

    def runs(mask):
        edges = np.flatnonzero(np.diff(np.r_[0, mask.ravel().astype(np.int8), 0]))
        pairs = zip(edges[::2] + 1, edges[1::2] - edges[::2])
        return " ".join(f"{{start}} {{length}}" for start, length in pairs) or "-"

## Evaluation

The score is {metric}; {better} is better, {hint}.

F1 = 2 TP / (2 TP + FP + FN) of each class is counted over the cells of all scenes of a part
together; cells without a label do not count. A class that a map never shows has F1 0. Some scenes
make the public leaderboard, the others the private one.
"""

_CLIMATE_SERIES = """\
# {title}

Eight monthly records, twenty years each. What do the next two years look like?

## Data

- `history.csv`: series, step, value. Steps are months.
- `task.json`: the series, the horizon, the season.
- `practice/`: public records of the same kind, to practise on; `panel/`: the same as arrays, with
  a climate model's field of yearly means.

The series are sealed windows of real records: what they were made from is public, the months that
are asked for are not.

## Submission

A row for each series and step, called `<series>_<step>`, with the forecast. The rows are those of
`sample_submission.csv`, which is the seasonal naive.

    row_id,value
    carbon-1_240,312.704

## Evaluation

The score is {metric}; {better} is better, {hint}.

Blocks of months make the public leaderboard, the others the private one.
"""

_RULES = """\
# Rules of {title}

1. **Who.** One account a person. Teams of up to {team_size}.
2. **How often.** {per_day} submissions a day. Two of them, chosen by the team, count at the end;
   else the two that are best on the public leaderboard.
3. **Until when.** {closes}, the whole day, UTC.
4. **No look-ups.** The held-out answers are to be predicted from the data of this competition and
   what you know. It is not allowed to find out where held-out data are from, to look their answers
   up in any other source, or to infer them from scores by many submissions.
5. **Other data and models.** Public data and pre-trained models are allowed if everyone can get
   them and you name them. What is about the held-out data is not.
6. **Sharing.** No code or predictions between teams during the competition but in public.
7. **At the end.** The best teams show code that makes their submission again.
8. **Licence of the data.** What the file task.json says of their source holds: data that the
   academy simulated may be used freely; observed data keep the terms of whom they are from, named
   there.
"""

_README = """\
# {title}: to Kaggle

**`solution.csv` has the held-out answers. Never show it to learners or participants, and never put
it into `data/`, a notebook, a mail or a repository.** It can be read by you alone (mode 0600). When
Kaggle has it, delete it: `cohort competition export` makes it again.

This file is for the host, too: its table has private scores.

If the academy's own competition over the same data is still open, its board is weakened: Kaggle
shows every score as it is, so that each look there is one more at the academy's public part. Open
it there afterwards, or close the other.

Needed: `pip install kaggle` (2.2.5 or later), then `kaggle auth login`. All commands run in this
folder.

```sh
# 1. An unlaunched competition. privacy is PRIVATE, LIMITED or PUBLIC in the file: read what each
#    means on the website before you change it.
kaggle competitions create -p .

# 2. The pages, staged until they are published.
kaggle competitions pages create {slug} --page-name description -f description.md \\
    --mime-type text/markdown
kaggle competitions pages create {slug} --page-name rules -f rules.md --mime-type text/markdown

# 3. The data: the folder data/ and nothing else.
kaggle competitions data update {slug} -p data -m "first version"
```

4. **The metric, on the website**: the competition's *Host* tab, *Evaluation metric*, a new metric.
   Paste `metric.py` as it is. {better} is better. The row id column is `row_id`.

```sh
# 5. The answers, and whether they are ready.
kaggle competitions solution create {slug} -p solution.csv
kaggle competitions solution status {slug}

# 6. Try it: the score must be that of the table below.
kaggle competitions submit {slug} -f sample_submission.csv -m "sample" --sandbox
kaggle competitions submissions {slug}
```

7. **On the website**: at most {per_day} submissions a day, two final ones, teams of up to
   {team_size}; `sample_submission.csv` as the sample, if it asks for one.

```sh
# 8. The deadline and the rules, and then open it.
kaggle competitions settings update {slug} -f settings.json
kaggle competitions pages update {slug} --page-name description --publish
kaggle competitions pages update {slug} --page-name rules --publish
kaggle competitions launch {slug}
```

Later, Kaggle's leaderboard beside the academy's:

```sh
kaggle competitions leaderboard {slug} --download
unzip {slug}.zip
cohort competition import kaggle {project} *-publicleaderboard-*.csv --file COHORT.yaml
```

## Checked

`metric.py` was run over these files before they were put here, on the public and on the private
rows, and compared with the academy's scorer; the two may differ by {tolerance}.

| submission | part | score | difference |
|---|---|---|---|
{checked}
"""
