"""`cohort publish` for land-cover: sealed once, sent once, and real scenes stay until told."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from academy.land_cover.classes import COUNT
from academy.land_cover.scene import Scene
from click.testing import CliRunner
from moto import mock_aws

from infra.cli import publish, staging
from infra.cli.account import Site
from infra.cli.main import cohort as command
from infra.cli.terminal import Refused
from infra.cohort.images import Record
from infra.cohort.loading import load
from infra.publishing import land_cover
from infra.publishing.keys import SealingError
from infra.publishing.land_cover import Plan
from infra.services.competition.projects.land_cover import Answers

ROOT = Path(__file__).resolve().parents[2]
SMALL = Plan(size=160, train=1)
DATA, ANSWERS = "datasets/land-cover/", "answers/land-cover/answers.json"


def cohort_file(folder: Path, **changes: Any) -> Path:
    document = yaml.safe_load((ROOT / "cohorts" / "example.yaml").read_text(encoding="utf-8"))
    file = folder / "cohort.yaml"
    file.write_text(yaml.safe_dump(document | changes), encoding="utf-8")
    return file


class Store:
    """The cohort's buckets, and every write to them since the last look."""

    def __init__(self, file: Path) -> None:
        self.site = Site(load(file))
        self.s3 = self.site.client("s3")
        for purpose in ("data", "vault"):
            self.s3.create_bucket(Bucket=self.site.bucket(purpose))
        self.written: list[str] = []

    def publish(self, **given: Any) -> list[str]:
        self.written.clear()
        options = {"scenes": None, "simulated": False, "plan": SMALL} | given
        quiet = functools.partial(publish._Line, False, None)
        return list(publish._land_cover(self.site, progress=quiet, **options))

    def there(self, purpose: str = "data") -> set[str]:
        found = self.s3.list_objects_v2(Bucket=self.site.bucket(purpose))
        return {item["Key"] for item in found.get("Contents", [])}

    def read(self, key: str, purpose: str = "vault") -> bytes:
        return bytes(self.s3.get_object(Bucket=self.site.bucket(purpose), Key=key)["Body"].read())


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = Store(cohort_file(tmp_path))
        client = Site.client

        def noted(site: Site, service: str) -> Any:
            found = client(site, service)
            if service == "s3":
                found.meta.events.register(
                    "before-parameter-build.s3.PutObject",
                    lambda params, **_: made.written.append(params["Key"]),
                )
            return found

        monkeypatch.setattr(Site, "client", noted)
        yield made


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> land_cover.Staged:
    """Simulated scenes, drawn once: a module's tests need not wait for others."""
    scratch = tmp_path_factory.mktemp("drawn")
    return land_cover.simulated(bytes(16), scratch, fraction=0.3, plan=SMALL)


@pytest.fixture
def prepared(store: Store, drawn: land_cover.Staged, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that gets these scenes, whatever its key."""
    monkeypatch.setattr(land_cover, "simulated", lambda *_, **__: drawn)
    return store


def scenes(folder: Path, count: int = 30) -> Path:
    """Real scenes, as small as they can be: every class in each."""
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = rng.permutation(np.resize(np.arange(COUNT, dtype=np.uint8), 100)).reshape(10, 10)
        cells = np.arange(100, dtype=np.int32).reshape(10, 10)
        gamma0 = rng.gamma(4, 0.02, (2, 10, 10)).astype(np.float32)
        scene = Scene(f"lake-{number:02d}", gamma0, cells, labels, metadata={"crs": "EPSG:32736"})
        scene.write(folder / scene.name)
    return folder


def test_what_is_published_once_is_neither_made_nor_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.publish()
    assert "sealed with key" in first[0]
    assert "10 of 24 held-out scenes are public" in first[1]
    assert len(store.written) == len(store.there()) + 4, "key, answers, and the manifest twice"
    assert f"{DATA}task.json" == [key for key in store.written if key.startswith(DATA)][-1]
    answers = store.read(ANSWERS)
    assert len(Answers.read(answers).scenes) == 24
    key = store.read("keys/land-cover.key")

    monkeypatch.setattr(land_cover, "simulated", None)
    again = store.publish()
    assert "unchanged" in again[0]
    assert store.written == []
    assert (store.read(ANSWERS), store.read("keys/land-cover.key")) == (answers, key)


def test_what_was_lost_or_changed_is_sent_again_and_what_is_strange_goes(prepared: Store) -> None:
    prepared.publish()
    lost, changed = f"{DATA}train/train-01/labels.npy", f"{DATA}held_out/held-out-07/cells.npy"
    bucket = prepared.site.bucket("data")
    content = prepared.read(changed, "data")
    prepared.s3.delete_object(Bucket=bucket, Key=lost)
    prepared.s3.put_object(Bucket=bucket, Key=changed, Body=b"damaged")
    prepared.s3.put_object(Bucket=bucket, Key=f"{DATA}train/train-99/gamma0.npy", Body=b"old")
    [line, *_] = prepared.publish()
    assert "2 files sent" in line
    assert sorted(key for key in prepared.written if key.startswith(DATA)) == [changed, lost]
    assert f"{DATA}train/train-99/gamma0.npy" not in prepared.there()
    assert prepared.read(changed, "data") == content
    assert "unchanged" in prepared.publish()[0]


def test_an_upload_that_broke_off_goes_on_where_it_was(
    prepared: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    digest = staging._sha256

    def breaks(file: Path) -> str:
        sent.append(file.name)
        if len(sent) > 20:
            raise ConnectionError("the line is dead")
        return digest(file)

    with monkeypatch.context() as patch:
        patch.setattr(staging, "_sha256", breaks)
        with pytest.raises(ConnectionError):
            prepared.publish()
    there = {key for key in prepared.there() if key.startswith(DATA)}
    assert 0 < len(there) <= 20
    assert f"{DATA}task.json" not in there
    assert ANSWERS not in prepared.there("vault")
    prepared.publish()
    assert not there & set(prepared.written)
    assert f"{DATA}task.json" in prepared.there()


def test_real_scenes_stay_until_simulated_ones_are_asked_for(
    prepared: Store, tmp_path: Path
) -> None:
    folder = scenes(tmp_path / "scenes")
    told = prepared.publish(scenes=folder)
    assert any("can be found again" in line for line in told)
    assert json.loads(prepared.read(ANSWERS))["source"] == "observed"
    assert f"{DATA}held_out/held-out-24/gamma0.npy" in prepared.there()
    assert not any(key.startswith(f"{DATA}held_out/lake") for key in prepared.there())

    assert "unchanged" in prepared.publish(scenes=folder)[0]
    assert "the real scenes published before" in prepared.publish()[0]
    assert prepared.written == []

    prepared.s3.delete_object(Bucket=prepared.site.bucket("data"), Key=f"{DATA}task.json")
    with pytest.raises(Refused, match=r"not all there any more: publish with --scenes"):
        prepared.publish()

    back = prepared.publish(simulated=True)
    assert "others than before" in back[-1]
    assert json.loads(prepared.read(ANSWERS))["source"] == "simulated by the academy"
    assert not any("lake" in key for key in prepared.there())
    assert "unchanged" in prepared.publish()[0]


def test_scenes_that_cannot_be_sealed_leave_all_as_it_was(prepared: Store, tmp_path: Path) -> None:
    prepared.publish()
    before = prepared.there(), prepared.read(ANSWERS)
    with pytest.raises(SealingError, match="27 scenes; at least 24"):
        prepared.publish(scenes=scenes(tmp_path / "few", 27))
    assert (prepared.there(), prepared.read(ANSWERS)) == before
    assert "unchanged" in prepared.publish()[0]


def test_a_damaged_key_is_not_replaced(prepared: Store) -> None:
    bucket = prepared.site.bucket("vault")
    prepared.s3.put_object(Bucket=bucket, Key="keys/land-cover.key", Body=b"zz")
    with pytest.raises(SealingError, match=r"keys/land-cover\.key in the vault is not hexadecimal"):
        prepared.publish()
    assert prepared.there() == set()


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({}, ["--simulated", "--scenes", "."], "exclude each other"),
        ({"projects": ["climate-series"]}, ["--simulated"], "has no project land-cover"),
        ({}, ["--scenes", "nowhere"], "nowhere"),
    ],
)
def test_options_that_do_not_fit_are_told(
    tmp_path: Path, changes: dict[str, Any], options: list[str], words: str
) -> None:
    result = CliRunner().invoke(
        command, ["publish", str(cohort_file(tmp_path, **changes)), *options]
    )
    assert result.exit_code != 0
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_who_publishes_for_spaces_on_images_is_told_what_they_take_from_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(load(cohort_file(tmp_path, projects=["climate-series"])))
    told = list(publish.publish_cohort(site, slow_rivals=False))
    assert not [line for line in told if "images" in line], "no version is recorded"

    digests = {stage: f"sha256:{n * 64}" for stage, n in (("workspace", "a"), ("training", "b"))}
    version = {
        "built": "2026-11-28T14:00:00Z",
        "source": "c" * 64,
        "images": {"forecasting-cpu": {**digests, "bytes": 1}},
    }
    place = {f"{site.account}/{site.cohort.region}": {"use": 7, "versions": {"7": version}}}
    record = Record.from_document(place)
    monkeypatch.setattr(publish, "load_record", lambda: record)
    told = list(publish.publish_cohort(site, slow_rivals=False))
    assert [line for line in told if "version 7 of the images" in line]
