"""What a STAC catalogue has of a place and season, and which orbit of it to take.

A pass of the satellite is one date. Two orbits may pass a place on one day, dusk and dawn: grouped
by day they would be mixed in one image, seen from two sides. So items are filtered to one orbit
state and one relative orbit first, and grouped to passes after.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from academy.data.deafrica.areas import Area, Grid
from academy.data.deafrica.errors import CatalogueError, NoScenes, YearError

DEAFRICA = "https://explorer.digitalearth.africa/stac"
S1 = "s1_rtc"
LABELS = "cgls_landcover"
S1_BANDS = ("vv", "vh", "mask")
LABEL_BANDS = ("classification", "classification_probability")

ORBITS = ("ascending", "descending")

#: Sentinel-1 repeats its ground track every 12 days with one satellite, 6 with two, to within
#: seconds (ESA, Sentinel-1 User Guide): passes at one phase of 6 days are of one relative orbit.
REPEAT = timedelta(days=6)
#: Items of one pass lie seconds to minutes apart, passes of one relative orbit days.
SAME_PASS = timedelta(hours=1)
SAME_TRACK = timedelta(minutes=5)
RELATIVE_ORBITS = range(1, 176)


class Catalogue:
    """A STAC API, or a static catalogue on disk or on the web.

    Parameters
    ----------
    address
        The API's root, or a path or address that ends in ``.json``; a folder with catalog.json.

    Raises
    ------
    CatalogueError
        It does not answer, or is none.
    """

    def __init__(self, address: str | Path = DEAFRICA) -> None:
        self.address = str(address)
        path = Path(self.address)
        if path.is_dir():
            path = path / "catalog.json"
        static = path.is_file() or self.address.endswith(".json")
        self._static: list[Any] | None = None
        self._client: Any = None
        if static or "://" not in self.address:
            self._static = self._read_static(str(path) if path.is_file() else self.address)
        else:
            self._client = self._open_api()

    def _read_static(self, address: str) -> list[Any]:
        import pystac

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other versions' extensions
                read = pystac.read_file(address)
                if not isinstance(read, pystac.Catalog):
                    raise CatalogueError(
                        f"{address} is a STAC {type(read).__name__}, not a catalogue"
                    )
                items = list(read.get_items(recursive=True))
                for item in items:
                    item.make_asset_hrefs_absolute()
                return items
        except (OSError, ValueError, KeyError, pystac.STACError) as error:
            raise CatalogueError(
                f"{address} cannot be read as a STAC catalogue ({_first_line(error)}); "
                "give the path of its catalog.json, or the address of a STAC API"
            ) from None

    def _open_api(self) -> Any:
        import pystac_client

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return pystac_client.Client.open(self.address, timeout=60)
        except _api_errors() as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> CatalogueError:
        return CatalogueError(
            f"the STAC API at {self.address} does not answer as it should "
            f"({_first_line(error)}). Is it up, and can this machine reach it? A network without "
            "a way out cannot: load where there is one, and copy the scenes"
        )

    def search(
        self,
        collection: str,
        area: Area,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[Any]:
        """Items of a collection that touch an area, in order of time.

        Raises
        ------
        CatalogueError
            It stopped answering.
        """
        if self._static is None:
            found = self._search_api(collection, area, start, end)
        else:
            found = [item for item in self._static if item.collection_id == collection]
        kept = [
            item
            for item in found
            if _touches(item, area)
            and (start is None or _time(item) >= start)
            and (end is None or _time(item) <= end)
        ]
        for item in kept:
            item.assets = {name.lower(): asset for name, asset in item.assets.items()}
        return sorted(kept, key=lambda item: (_time(item), item.id))

    def _search_api(
        self, collection: str, area: Area, start: datetime | None, end: datetime | None
    ) -> list[Any]:
        when = None if start is None or end is None else (start, end)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                search = self._client.search(
                    collections=[collection], bbox=area, datetime=when, limit=100
                )
                return list(search.items())
        except _api_errors() as error:
            raise self._silent(error) from None


def _api_errors() -> tuple[type[Exception], ...]:
    """What pystac-client raises if an API is not there, is broken, or is none."""
    import pystac
    import requests
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError

    return (
        APIError,
        ClientTypeError,
        NotImplementedError,
        requests.RequestException,
        pystac.STACError,
        ValueError,
        KeyError,
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _touches(item: Any, area: Area) -> bool:
    if item.bbox is None:
        return True
    half = len(item.bbox) // 2  # of boxes with heights: west, south, low, east, north, high
    west, south, east, north = (float(item.bbox[at]) for at in (0, 1, half, half + 1))
    return bool(west < area[2] and east > area[0] and south < area[3] and north > area[1])


def _time(item: Any) -> datetime:
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        raise CatalogueError(f"item {item.id} has no date; the catalogue is not as STAC has it")
    return moment  # type: ignore[no-any-return]


def labels_of(items: Sequence[Any], year: int, catalogue: str) -> list[Any]:
    """The land-cover items of a year.

    Raises
    ------
    YearError
        There are only items of other years.
    NoScenes
        There is none at all.
    """
    if not items:
        raise NoScenes(
            f"no labels: collection {LABELS} of {catalogue} has nothing here; "
            "the catalogue needs it beside the radar images"
        )
    found = [item for item in items if _time(item).year == year]
    if not found:
        years = sorted({_time(item).year for item in items})
        raise YearError(
            f"no labels of {year}: collection {LABELS} of {catalogue} has "
            f"{', '.join(map(str, years))} here. Radar of one year is not trained on labels of "
            "another: change the year, or the catalogue"
        )
    return found


@dataclass(frozen=True)
class Passes:
    """The dates of one orbit over a scene.

    Attributes
    ----------
    items
        In order of time.
    groups
        Numbers of `items`, a tuple a pass.
    orbit_state, relative_orbit
        The latter None where the catalogue does not tell it.
    """

    items: tuple[Any, ...]
    groups: tuple[tuple[int, ...], ...]
    orbit_state: str
    relative_orbit: int | None

    @property
    def dates(self) -> list[str]:
        """Of each pass, such as ``2019-06-03``."""
        return [_time(self.items[group[0]]).date().isoformat() for group in self.groups]

    def without(self, identity: str) -> Passes:
        """The same, less one item."""
        return _passes([each for each in self.items if each.id != identity], *self._track)

    @property
    def _track(self) -> tuple[str, int | None]:
        return self.orbit_state, self.relative_orbit


def choose_passes(
    items: Iterable[Any], grid: Grid, orbit: str | None, relative_orbit: int | None, searched: str
) -> Passes:
    """The passes of one orbit: the one asked for, or the one that sees the scene most often.

    A pass that covers half the scene counts half. Equal ones: descending first, then by number.

    Raises
    ------
    NoScenes
        There are no items, or none of that orbit; the message says which there are.
    """
    import shapely

    given = list(items)
    if not given:
        raise NoScenes(
            f"no radar images: {searched}. Try a longer season, 2019 instead of 2018, and look "
            "at explorer.digitalearth.africa whether s1_rtc has this place"
        )
    tracks = _tracks(given)
    scene = shapely.box(*grid.lonlat())
    seen = {}
    for track, members in tracks.items():
        passes = _passes(members, *track[:2])
        cover = sum(
            shapely.union_all([_footprint(passes.items[at]) for at in group])
            .intersection(scene)
            .area
            for group in passes.groups
        )
        seen[track] = (passes, cover / scene.area)
    fitting = {
        track: found
        for track, found in seen.items()
        if orbit in (None, track[0]) and relative_orbit in (None, track[1]) and found[1] > 0
    }
    if not fitting:
        there = "; ".join(
            f"{state}, relative orbit {number or 'not told'}: {cover:.1f} passes"
            for (state, number, _), (_, cover) in sorted(seen.items(), key=lambda each: -each[1][1])
        )
        asked = orbit or "any orbit state"
        asked += f", relative orbit {relative_orbit}" if relative_orbit else ""
        raise NoScenes(f"no radar images of {asked}: {searched}. There are: {there}")

    def rank(track: _Track) -> tuple[float, bool, int, int]:
        return round(fitting[track][1], 6), track[0] == "descending", -(track[1] or 0), -track[2]

    return fitting[max(fitting, key=rank)][0]


def _footprint(item: Any) -> Any:
    import shapely

    if item.geometry is None:
        return shapely.box(*item.bbox) if item.bbox else shapely.box(-180, -90, 180, 90)
    return shapely.make_valid(shapely.geometry.shape(item.geometry))


#: Orbit state, relative orbit or None if not told, and which of those that are not told.
_Track = tuple[str, int | None, int]


def _tracks(items: Sequence[Any]) -> dict[_Track, list[Any]]:
    """Items by orbit. Where the relative orbit is not told, by the phase of the repeat cycle."""
    tracks: dict[_Track, list[Any]] = defaultdict(list)
    for state in (*ORBITS, "unknown"):
        members = [item for item in items if _state(item) == state]
        for number, phase in enumerate(_phases(members)):
            told = {_relative_orbit(item) for item in phase} - {None}
            for item in phase:
                # -1 or nothing is how some of the archive's items say that they do not know.
                own = _relative_orbit(item) or (min(told) if len(told) == 1 else None)
                tracks[state, own, 0 if own else number].append(item)
    return tracks


def _state(item: Any) -> str:
    state = str(item.properties.get("sat:orbit_state", "")).lower()
    return state if state in ORBITS else "unknown"


def _relative_orbit(item: Any) -> Any:
    number = item.properties.get("sat:relative_orbit")
    return number if number in RELATIVE_ORBITS else None


def _phases(items: Sequence[Any]) -> list[list[Any]]:
    """Items of one phase of the repeat cycle, in groups."""
    cycle = REPEAT.total_seconds()
    phased = sorted(((_time(item).timestamp() % cycle, n) for n, item in enumerate(items)))
    groups: list[list[Any]] = []
    last = None
    for phase, number in phased:
        if last is None or phase - last > SAME_TRACK.total_seconds():
            groups.append([])
        groups[-1].append(items[number])
        last = phase
    wraps = phased and phased[0][0] + cycle - phased[-1][0] <= SAME_TRACK.total_seconds()
    if wraps and len(groups) > 1:
        groups[0].extend(groups.pop())
    return groups


def _passes(items: Sequence[Any], orbit_state: str, relative_orbit: int | None) -> Passes:
    ordered = tuple(sorted(items, key=lambda item: (_time(item), item.id)))
    groups: list[list[int]] = []
    for at, item in enumerate(ordered):
        if at == 0 or _time(item) - _time(ordered[at - 1]) > SAME_PASS:
            groups.append([])
        groups[-1].append(at)
    return Passes(ordered, tuple(map(tuple, groups)), orbit_state, relative_orbit)
