"""The loader's parts: areas, seasons, orbits, a STAC API, missing packages, and its command."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pystac
import pytest
from academy.data.deafrica import (
    CatalogueError,
    LoadingError,
    NoScenes,
    OutsideAfrica,
    TooFewDates,
    YearError,
    areas,
    load,
    reading,
)
from academy.data.deafrica.__main__ import main
from academy.data.deafrica.catalogue import S1, Catalogue, choose_passes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.academy import deafrica_archive as archives

NAIROBI = (36.70, -1.40, 36.73, -1.37)
REPOSITORY = Path(__file__).parents[2]


# --- areas and seasons ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "says"),
    [
        ((36.7, -1.4, 36.8), "not four numbers"),
        (("a", 1, 2, 3), "not four numbers"),
        ((36.7, -1.4, float("nan"), -1.3), "not finite"),
        ((36.8, -1.4, 36.7, -1.3), "is empty"),
        ((36.7, -1.3, 36.8, -1.4), "is empty"),
    ],
)
def test_what_is_no_area_is_refused(area: Any, says: str) -> None:
    with pytest.raises(LoadingError, match=says):
        areas.check_areas(area)


def test_outside_africa_is_refused_and_a_swap_is_seen() -> None:
    with pytest.raises(OutsideAfrica, match=r"longitude -26\.36 to 64\.5"):
        areas.check_areas((8.0, 47.0, 8.1, 47.1))
    with pytest.raises(OutsideAfrica, match="swapped"):
        areas.check_areas((-33.9, 18.4, -33.8, 18.5))
    assert areas.check_areas([NAIROBI, [10, 5, 11, 6]]) == [NAIROBI, (10.0, 5.0, 11.0, 6.0)]


@pytest.mark.parametrize(
    ("year", "season", "says"),
    [
        (2017, ("06-01", "09-30"), "year 2017: the radar archive .* starts 2018-07-01"),
        (2020, ("06-01", "09-30"), "year 2020: .*are of 2015 to 2019"),
        (2018, ("06-01", "09-30"), "starts before the radar archive does"),
        (2019, ("11-01", "02-28"), "goes over New Year"),
        (2019, ("02-29", "05-01"), "is not two days"),
        (2019, ("June", "May"), "is not two days"),
        (2019, ("06-01",), "is not two days"),
    ],
)
def test_years_and_seasons_that_do_not_match_are_refused(
    year: int, season: Any, says: str, tmp_path: Path
) -> None:
    with pytest.raises(YearError, match=says):
        load(NAIROBI, year, season, out=tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"orbit": "up"}, "ascending, descending or None"),
        ({"relative_orbit": 176}, "from 1 to 175"),
        ({"speckle": "frost"}, "the filters are lee, kuan"),
        ({"min_dates": 0}, "min_dates is 0"),
        ({"edge": -1}, "edge is -1"),
        ({"scene_size": 8}, "scene_size is 8"),
        ({"area": (36.7, -1.4, 36.705, -1.3)}, "a scene needs 32 x 32"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(LoadingError, match=says):
        load(**{"area": NAIROBI, "out": tmp_path, **changes})


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-25, 60), st.floats(-45, 35), st.floats(0.01, 0.9), st.floats(0.01, 0.9),
    st.integers(64, 900),
)  # fmt: skip
def test_scenes_cover_an_area_once(
    west: float, south: float, wide: float, high: float, size: int
) -> None:
    area = (west, south, west + wide, south + high)
    zones = {int((lon + 180) // 6) for lon in (area[0], area[2])}
    assume(len(zones) == 1)
    grids = areas.tiles(area, size)
    assert all(32 <= length <= size for each in grids for length in (each.height, each.width))
    (crs,) = {each.crs for each in grids}
    assert crs == f"EPSG:{326 if south + high / 2 >= 0 else 327}{zones.pop() + 1:02d}"
    lefts, bottoms, rights, tops = zip(*(each.bounds for each in grids), strict=True)
    whole = (max(rights) - min(lefts)) * (max(tops) - min(bottoms))
    assert whole == sum(each.height * each.width * 400 for each in grids)
    assert len({each.bounds for each in grids}) == len(grids)
    around = areas.Grid(
        crs,
        (20.0, 0.0, min(lefts), 0.0, -20.0, max(tops)),
        int((max(tops) - min(bottoms)) / 20),
        int((max(rights) - min(lefts)) / 20),
    ).lonlat()
    assert around[0] <= area[0] + 1e-6
    assert around[1] <= area[1] + 1e-6
    assert around[2] >= area[2] - 1e-6
    assert around[3] >= area[3] - 1e-6


def test_an_area_over_two_zones_is_cut_at_their_border() -> None:
    grids = areas.tiles((35.9, 0.1, 36.1, 0.2), 600)
    assert [each.crs for each in grids] == ["EPSG:32636", "EPSG:32637"]
    assert abs(grids[0].lonlat()[2] - 36) < 4e-4
    assert abs(grids[1].lonlat()[0] - 36) < 4e-4


def test_the_archives_own_buckets_are_read_without_credentials() -> None:
    assert reading.public("s3://deafrica-sentinel-1/s1_rtc/N00E005/a_VV.tif") == (
        "https://s3.af-south-1.amazonaws.com/deafrica-sentinel-1/s1_rtc/N00E005/a_VV.tif"
    )
    assert reading.public("s3://mine/a.tif") == "s3://mine/a.tif"
    assert reading.public("/disk/a.tif") == "/disk/a.tif"


# --- orbits -----------------------------------------------------------------------------------


def image(
    moment: datetime,
    state: str = "descending",
    relative: int | None = None,
    box: tuple[float, float, float, float] = (36.0, -2.0, 37.0, -1.0),
) -> pystac.Item:
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties: dict[str, Any] = {"sat:orbit_state": state}
    if relative is not None:
        properties["sat:relative_orbit"] = relative
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return pystac.Item(f"{moment:%m%dT%H%M%S}{west}", geometry, list(box), moment, properties)


(GRID,) = areas.tiles(NAIROBI, 600)
START = datetime(2019, 6, 1, 3, 12, 9, tzinfo=UTC)


def days(count: int, step: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(days=step * number) for number in range(count)]


def test_where_the_relative_orbit_is_not_told_the_repeat_cycle_tells_it_apart() -> None:
    # As in the archive: -1, or nothing. Seconds differ from pass to pass.
    one = [image(moment + timedelta(seconds=7 * n), relative=-1) for n, moment in
           enumerate(days(9, 12))]  # fmt: skip
    other = [image(moment) for moment in days(8, 12, START + timedelta(days=5, minutes=8))]
    chosen = choose_passes(one + other, GRID, None, None, "searched")
    assert set(chosen.items) == set(one)
    assert len(chosen.groups) == 9
    assert chosen.relative_orbit is None
    with pytest.raises(NoScenes, match=r"relative orbit not told: 9\.0 passes"):
        choose_passes(one + other, GRID, None, 21, "searched")


def test_an_item_that_does_not_tell_its_orbit_has_that_of_its_phase() -> None:
    told = [image(moment, relative=21) for moment in days(5, 12)]
    silent = [image(moment) for moment in days(4, 12, START + timedelta(days=6, seconds=40))]
    chosen = choose_passes(told + silent, GRID, None, 21, "searched")
    assert len(chosen.groups) == 9


def test_the_cycle_has_no_seam() -> None:
    # Phases just before and just after the cycle's start are one.
    origin = datetime(2019, 6, 1, tzinfo=UTC)
    origin += timedelta(seconds=518_400 - origin.timestamp() % 518_400)
    items = [image(moment + timedelta(seconds=20 * (-1) ** n)) for n, moment in
             enumerate(days(8, 6, origin))]  # fmt: skip
    assert len(choose_passes(items, GRID, None, None, "searched").groups) == 8


def test_a_pass_over_two_tiles_and_midnight_is_one_date() -> None:
    late = datetime(2019, 6, 1, 23, 59, 50, tzinfo=UTC)
    items = [
        image(moment + timedelta(seconds=25 * tile), "ascending", 58, box)
        for moment in days(8, 12, late)
        for tile, box in enumerate([(36.0, -2.0, 36.71, -1.0), (36.71, -2.0, 37.0, -1.0)])
    ]
    chosen = choose_passes(items, GRID, None, None, "searched")
    assert [len(group) for group in chosen.groups] == [2] * 8
    assert len(set(chosen.dates)) == 8


def test_the_orbit_that_sees_the_scene_most_often_is_taken() -> None:
    # More passes, but of a tenth of the scene.
    corner = (36.0, -2.0, 36.703, -1.0)
    often = [image(moment, "ascending", 58, corner) for moment in days(20, 6)]
    seldom = [image(moment, relative=94) for moment in days(9, 12, START + timedelta(days=1))]
    chosen = choose_passes(often + seldom, GRID, None, None, "searched")
    assert (chosen.orbit_state, chosen.relative_orbit) == ("descending", 94)
    # Of equals, descending.
    even = [image(moment, "ascending", 58) for moment in days(9, 12)]
    assert choose_passes(even + seldom, GRID, None, None, "x").relative_orbit == 94
    assert choose_passes(even + seldom, GRID, "ascending", None, "x").relative_orbit == 58


# --- a STAC API -------------------------------------------------------------------------------


class Api(BaseHTTPRequestHandler):
    """The least of a STAC API: a landing page, and a search that answers five items at a time."""

    items: tuple[dict[str, Any], ...] = ()
    broken = False
    asked: tuple[str, ...] = ()

    def do_GET(self) -> None:
        self._answer(parse_qs(urlparse(self.path).query))

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        asked = json.loads(self.rfile.read(length))
        Api.asked = (*Api.asked, json.dumps(asked))
        self._answer({key: [value] for key, value in asked.items()})

    def _answer(self, query: dict[str, Any]) -> None:
        root = f"http://127.0.0.1:{self.server.server_address[1]}/stac"
        path = urlparse(self.path).path
        if self.broken and path.endswith("/search"):
            self._send(500, "text/plain", b"out of order")
        elif path == "/stac":
            search = {"rel": "search", "type": "application/geo+json", "href": f"{root}/search"}
            conforms = ["core", "item-search"]
            page = {
                "type": "Catalog",
                "id": "deafrica",
                "stac_version": "1.0.0",
                "description": "as explorer has it",
                "conformsTo": [f"https://api.stacspec.org/v1.0.0/{each}" for each in conforms],
                "links": [{"rel": "self", "href": root}, search | {"method": "POST"}],
            }
            self._send(200, "application/json", json.dumps(page).encode())
        elif path == "/stac/search":
            start = int(query.get("token", ["0"])[0])
            collections = query["collections"][0]
            fitting = [each for each in self.items if each["collection"] in collections]
            page = {"type": "FeatureCollection", "features": fitting[start : start + 5]}
            if start + 5 < len(fitting):
                body = {"token": str(start + 5), "collections": collections}
                page["links"] = [
                    {"rel": "next", "href": f"{root}/search", "method": "POST", "body": body}
                ]
            self._send(200, "application/geo+json", json.dumps(page).encode())
        else:
            self._send(200, "text/html", b"<html>not found</html>")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    Api.items, Api.broken, Api.asked = (), False, ()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_search_takes_every_page_and_keeps_what_fits(api: str) -> None:
    moments = days(13, 12) + days(1, 1, datetime(2020, 1, 5, tzinfo=UTC))
    found = [image(moment, relative=21) for moment in moments]
    for item in found:
        item.collection_id = S1
        item.add_asset("VV", pystac.Asset("s3://deafrica-sentinel-1/a.tif"))
    away = image(START, box=(10, 10, 11, 11))
    away.collection_id = S1
    Api.items = tuple(item.to_dict() for item in [*found, away])
    start, end = areas.check_season(2019, ("01-01", "12-31"))
    items = Catalogue(f"{api}/stac").search(S1, NAIROBI, start, end)
    # An API that answers too much, such as other places or years, does no harm.
    assert [item.datetime for item in items] == moments[:13]
    assert list(items[0].assets) == ["vv"]
    asked = json.loads(Api.asked[0])
    assert asked["collections"] == [S1]
    assert asked["bbox"] == list(NAIROBI)
    assert asked["datetime"] == "2019-01-01T00:00:00Z/2019-12-31T23:59:59Z"


@pytest.mark.parametrize("path", ["/stac", "/elsewhere"])
def test_an_api_that_fails_says_so(api: str, path: str) -> None:
    Api.broken = True
    with pytest.raises(CatalogueError, match=rf"STAC API at {api}{path} does not answer as it"):
        Catalogue(f"{api}{path}").search(S1, NAIROBI)


def test_an_api_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"does not answer.*can this machine reach it"):
        load(NAIROBI, out=tmp_path, catalogue="http://127.0.0.1:9/stac", progress=False)


def test_what_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"give the path of its catalog\.json"):
        Catalogue(tmp_path / "nowhere")
    (tmp_path / "catalog.json").write_text("{]")
    with pytest.raises(CatalogueError, match="cannot be read as a STAC catalogue"):
        Catalogue(tmp_path)
    image(START).save_object(dest_href=str(tmp_path / "item.json"), include_self_link=False)
    with pytest.raises(CatalogueError, match="is a STAC Item, not a catalogue"):
        Catalogue(tmp_path / "item.json")


# --- without its packages, and as a command ---------------------------------------------------


@pytest.mark.parametrize(
    ("module", "package"), [("odc.stac", "odc-stac"), ("pystac_client", "pystac-client")]
)
def test_a_missing_package_is_named(
    module: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LoadingError, match=rf"needs {package}, .*pip install 'academy\[deafrica\]"):
        load(NAIROBI, out=tmp_path)


def test_a_learner_without_any_of_them_can_import_it() -> None:
    script = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'odc', 'rasterio', 'pystac', 'pystac_client', 'dask',\n"
        "                                  'distributed', 'affine', 'pyproj', 'shapely'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from academy.data import deafrica\n"
        "try:\n"
        "    deafrica.load((36.7, -1.4, 36.8, -1.3), out='nowhere')\n"
        "except deafrica.LoadingError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(REPOSITORY / "project_templates/academy")},
    )
    assert "needs odc-stac, pystac-client, rasterio, distributed" in ran.stdout


def test_its_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for part in ("examples", "--area 36.7 -1.4 37.0 -1.1", "how large", "goes on", "plan.json"):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= 100


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> archives.Archive:
    return archives.make(tmp_path_factory.mktemp("archive"), (archives.OTHER_DAWN,))


def test_a_dry_run_says_what_there_is_and_writes_nothing(
    archive: archives.Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    area = ["--area", *map(str, NAIROBI), "--area", "10", "5", "10.1", "5.1"]
    assert main([*area, "--out", str(out), "--catalogue", str(archive.catalogue), "--dry-run"]) == 0
    first, second, total = capsys.readouterr().out.splitlines()
    assert "167 x 168  descending 94: 3 dates  fewer than 8: left out" in first
    assert "no radar images" in second
    assert total.startswith("2 scenes of 20 m pixels, about 1 MB to read")
    assert not out.exists()


def test_the_command_loads_or_says_why_not(
    archive: archives.Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--area", *map(str, NAIROBI), "--out", str(tmp_path), "--catalogue",
             str(archive.catalogue)]  # fmt: skip
    assert main(given) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{TooFewDates.__name__}: 3 dates of descending, relative orbit 94")
    assert "Traceback" not in error


# --- pixels of one pass -----------------------------------------------------------------------


def test_where_two_items_of_a_pass_overlap_what_is_valid_in_either_is_taken() -> None:
    see, _, _ = reading._tasks()
    shape = (1, 12, 12)
    first, second = np.full(shape, 1, np.float32), np.full(shape, 2, np.float32)
    flags, others = np.ones(shape, np.uint8), np.ones(shape, np.uint8)
    flags[0, 0, 0], flags[0, 0, 1] = 0, 2  # here the first item has nothing, or nothing good
    others[0, 0, 1] = 2
    first[0, 0, 2] = -1
    second[0, 0, 3] = np.nan
    power = see([first, second], [first, second], [flags, others], 0, 5)
    np.testing.assert_array_equal(power[0, 0, :5], [2, np.nan, 2, 1, 1])
    np.testing.assert_array_equal(power[0], power[1])


@pytest.mark.parametrize("wide", [4, 5])
def test_only_gaps_that_hold_a_square_are_edges(wide: int) -> None:
    see, _, _ = reading._tasks()
    image, flags = np.ones((1, 40, 40), np.float32), np.ones((1, 40, 40), np.uint8)
    flags[0, 18 : 18 + wide, 18 : 18 + wide] = 0
    power = see([image], [image], [flags], 3, 5)
    lost = np.isnan(power[0]).sum()
    assert lost == (4**2 if wide == 4 else (5 + 2 * 3) ** 2)
