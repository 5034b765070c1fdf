"""Submitting to Kaggle: the same predictions, through a stand-in of the package `kaggle` 2.2."""

from __future__ import annotations

import csv
import enum
import io
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from academy import kaggle, submissions
from academy.errors import CloudError, SubmissionError
from academy.land_cover.project import LandCover

GOOD = {"a": [1.25, 2.5], "b": [0.1, 0.2]}
NOTE = "größer,\n 50 %"


class Status(enum.Enum):
    """kagglesdk's SubmissionStatus."""

    PENDING = 0
    COMPLETE = 1
    ERROR = 2


class HTTPError(Exception):
    """requests' error, as far as it is looked at."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} Client Error: \x1b[31mfor url: https://api.kaggle.com/v1")
        self.response = types.SimpleNamespace(status_code=status)


@dataclass
class Submission:
    """kagglesdk's ApiSubmission."""

    ref: int
    file_name: str
    status: Status = Status.PENDING
    public_score: str = ""
    error_description: str = ""


@dataclass
class Kaggle:
    """What Kaggle has, and what it will do next."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    listed: list[Submission] = field(default_factory=list)
    looks: list[Any] = field(default_factory=list)
    configured: str | None = None
    known: bool = True
    gives_ref: bool = True
    failure: BaseException | None = None
    message: str = "Successfully submitted"


class KaggleApi:
    """The package's client: what the library calls of it, by the names that 2.2 has."""

    kaggle: Kaggle

    def authenticate(self) -> None:
        if not self.kaggle.known:
            print("Authentication required to call the Kaggle API.")
            raise SystemExit(1)

    def get_config_value(self, name: str) -> str | None:
        assert name == "competition"
        return self.kaggle.configured

    def competition_submit(
        self,
        file_name: str,
        message: str,
        competition: str,
        quiet: bool = False,
        sandbox: bool = False,
    ) -> Any:
        if self.kaggle.failure:
            raise self.kaggle.failure
        file = Path(file_name)
        self.kaggle.sent.append(
            {
                "name": file.name,
                "content": file.read_bytes(),
                "message": message,
                "competition": competition,
                "file": file,
            }
        )
        answer = types.SimpleNamespace(message=self.kaggle.message, ref=None)
        if self.kaggle.gives_ref:
            answer.ref = 42
        self.kaggle.listed.insert(0, Submission(42, file.name))
        return answer

    def competition_submissions(self, competition: str) -> list[Submission]:
        assert competition == self.kaggle.sent[-1]["competition"]
        if self.kaggle.looks:
            change = self.kaggle.looks.pop(0)
            if isinstance(change, Exception):
                raise change
            for name, value in change.items():
                setattr(self.kaggle.listed[0], name, value)
        return self.kaggle.listed


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Kaggle:
    """The stand-in as the installed package, and a clock that only sleeping moves."""
    KaggleApi.kaggle = Kaggle(listed=[Submission(7, "older.csv", Status.COMPLETE, "0.9")])
    package, inner = types.ModuleType("kaggle"), types.ModuleType("kaggle.api")
    extended = types.ModuleType("kaggle.api.kaggle_api_extended")
    package.__path__, inner.__path__ = [], []
    extended.KaggleApi = KaggleApi  # type: ignore[attr-defined]
    for module in (package, inner, extended):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    clock = [0.0]
    monkeypatch.setattr(
        kaggle,
        "time",
        types.SimpleNamespace(
            monotonic=lambda: clock[0],
            sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds),
        ),
    )
    return KaggleApi.kaggle


def submit(me, **given):
    options = {"to": "kaggle:earth-series", "wait_seconds": 0} | given
    return me.submit("climate-series", options.pop("predictions", GOOD), NOTE, **options)


# --- what is sent ---------------------------------------------------------------------------------
def test_the_same_predictions_go_to_kaggle_and_not_to_the_academy(me, fake, site):
    receipt = submit(me, job="earth--falcon--ana--1")
    [sent] = site.sent
    assert sent["competition"] == "earth-series"
    assert sent["message"] == "größer, 50 % (earth--falcon--ana--1)"
    assert sent["content"] == b"row_id,value\na_36,1.25\na_37,2.5\nb_36,0.1\nb_37,0.2\n"
    assert sent["name"].endswith(".csv")
    # The file was for the way only.
    assert not sent["file"].exists()
    assert fake.submissions() == []
    assert receipt.status == "waiting"
    assert receipt.submission == "earth-series/42"
    assert "https://www.kaggle.com/competitions/earth-series/submissions" in receipt.message


def test_without_to_nothing_goes_to_kaggle(me, fake, site):
    me.submit("climate-series", GOOD, wait_seconds=0)
    assert site.sent == []
    assert len(fake.submissions()) == 1


@dataclass(frozen=True)
class Scenes(LandCover):
    """Scenes without files: the task is all that is looked at."""

    held_out_shapes: Any = None

    def __init__(self, shapes: dict[str, tuple[int, int]]) -> None:
        object.__setattr__(self, "task", types.SimpleNamespace(held_out=shapes))


def test_maps_become_run_lengths_of_each_scene_and_class():
    shapes = {"held-out-01": (9, 8), "held_out_2": (3, 14)}
    data = Scenes(shapes)
    rng = np.random.default_rng(3)
    maps = {name: rng.integers(0, 9, shape).astype(np.uint8) for name, shape in shapes.items()}
    content, _ = submissions.packed(maps, data)
    rows = list(csv.reader(io.StringIO(kaggle.converted(content, data).decode())))
    assert rows[0] == ["row_id", "rle"]
    assert [row for row, _ in rows[1:]] == [f"{n}_{c}" for n in shapes for c in range(9)]
    painted = {name: np.full(maps[name].size, 255, np.uint8) for name in shapes}
    for row, runs in rows[1:]:
        name, number = row.rsplit("_", 1)
        numbers = [] if runs == "-" else [int(each) for each in runs.split(" ")]
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            painted[name][start - 1 : start - 1 + length] = int(number)
    for name, array in maps.items():
        assert (painted[name].reshape(array.shape) == array).all()


@pytest.mark.parametrize("to", ["kaggle:", "kaggle:A B", "kaggle:../x", "kaggle:-x", "kaggle:é"])
def test_what_is_no_competition_is_refused(me, site, to):
    with pytest.raises(SubmissionError, match="is no competition of Kaggle"):
        submit(me, to=to)
    assert site.sent == []


@pytest.mark.parametrize("to", ["Kaggle", "", "academy:x", None, "kaggles"])
def test_another_place_is_refused(me, site, fake, to):
    with pytest.raises(SubmissionError, match='expected "academy", "kaggle" or "kaggle:<comp'):
        submit(me, to=to)
    assert site.sent == []
    assert fake.submissions() == []


def test_incomplete_predictions_are_not_sent(me, site):
    with pytest.raises(SubmissionError, match="The forecast of b is missing"):
        submit(me, predictions={"a": [1, 2]})
    assert site.sent == []


# --- the package ----------------------------------------------------------------------------------
def test_the_competition_may_be_the_one_that_the_package_is_set_to(me, site):
    with pytest.raises(SubmissionError, match="Which competition"):
        submit(me, to="kaggle")
    site.configured = "earth-series"
    submit(me, to="kaggle")
    assert site.sent[0]["competition"] == "earth-series"


def installed(monkeypatch, folder, content):
    """A package of that name, for as long as the test lasts; without the real one, if there is."""
    (folder / "kaggle").mkdir()
    (folder / "kaggle" / "__init__.py").write_text(content)
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)


def test_a_missing_package_is_told_with_what_to_do(me, monkeypatch):
    # None makes an import fail as if there were no such package.
    monkeypatch.setitem(sys.modules, "kaggle", None)
    with pytest.raises(SubmissionError, match=r"is not installed\. Run %pip install kaggle here"):
        submit(me)


def test_a_package_without_its_own_needs_is_told(me, monkeypatch, tmp_path):
    installed(monkeypatch, tmp_path, "import no_such_six.moves")
    with pytest.raises(SubmissionError, match=r"lacks no_such_six\. Run %pip install no_such_six"):
        submit(me)


def test_a_package_that_ends_the_process_when_imported_does_not(me, monkeypatch, tmp_path):
    # So does 2.2.3 where nobody is logged in.
    installed(monkeypatch, tmp_path, "raise SystemExit(1)")
    with pytest.raises(SubmissionError, match="does not know who you are"):
        submit(me)


def test_a_package_that_knows_nobody_does_not_end_the_notebook(me, site, capsys):
    site.known = False
    with pytest.raises(SubmissionError, match=r"who you are\. Run kaggle auth login"):
        submit(me)
    # What it prints is for a terminal.
    assert capsys.readouterr().out == ""


def test_an_old_package_that_finds_no_file_is_told(me, site, monkeypatch):
    problem = OSError("Could not find kaggle.json.\nMake sure it is in /x")
    monkeypatch.setattr(KaggleApi, "authenticate", lambda _: (_ for _ in ()).throw(problem))
    with pytest.raises(SubmissionError, match=r"who you are \(Could not find kaggle\.json\. Make"):
        submit(me)


# --- what Kaggle says -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (HTTPError(401), "Kaggle does not take your token"),
        (HTTPError(403), "join it and accept its rules at https://www.kaggle.com/competitions/e"),
        (HTTPError(404), "Kaggle has no open competition earth-series"),
        (HTTPError(429), "today's submissions are used up"),
        (HTTPError(500), "Kaggle did not take it: 500 Client Error: [31mfor url"),
        (ValueError("no\nway"), "Kaggle did not take it: no way"),
        (ConnectionError("no route"), "Kaggle did not take it: no route"),
        (SystemExit(1), "The package kaggle gave up"),
    ],
)
def test_a_refusal_is_told_in_a_sentence(me, site, failure, message):
    site.failure = failure
    with pytest.raises(CloudError) as caught:
        submit(me)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_failed_upload_is_no_submission(me, site):
    site.message = "Could not submit to competition"
    with pytest.raises(CloudError, match="did not take the file"):
        submit(me)


@pytest.mark.parametrize("gives_ref", [True, False])
def test_the_score_is_waited_for(me, site, gives_ref):
    site.gives_ref = gives_ref
    site.looks = [{}, HTTPError(500), {"status": Status.COMPLETE, "public_score": "0.61230"}]
    receipt = submit(me, wait_seconds=60)
    assert (receipt.status, receipt.public_score, receipt.counted) == ("scored", 0.6123, True)
    assert site.looks == []


def test_what_the_metric_refuses_is_on_the_receipt(me, site):
    error = "Row lake_0: the run\n7 1 ends \x1b[31mat cell 7 <b>"
    site.looks = [{"status": Status.ERROR, "error_description": error}]
    receipt = submit(me, wait_seconds=60)
    assert (receipt.status, receipt.public_score, receipt.counted) == ("refused", None, False)
    assert receipt.message == "Kaggle: Row lake_0: the run 7 1 ends [31mat cell 7 <b>"
    assert "<b>" not in receipt._repr_html_().replace("<b>refused</b>", "")


def test_waiting_ends(me, site):
    receipt = submit(me, wait_seconds=100)
    assert receipt.status == "waiting"
    assert kaggle.time.monotonic() <= 100


def test_a_score_that_is_not_shown_is_no_score(me, site):
    site.looks = [{"status": Status.COMPLETE, "public_score": ""}]
    receipt = submit(me, wait_seconds=60)
    assert (receipt.status, receipt.public_score) == ("waiting", None)
