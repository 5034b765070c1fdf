"""``python -m academy.data.deafrica``: real scenes from a terminal, for whoever runs an academy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from academy.data.deafrica import areas, loading
from academy.data.deafrica.catalogue import DEAFRICA, ORBITS
from academy.data.deafrica.loading import FILTERS, LEAST_DATES, SCENE_SIZE, SEASON, load
from academy.errors import AcademyError

_ABOUT = """\
Loads Sentinel-1 scenes with land-cover labels from Digital Earth Africa, as the academy's project
uses them: for each scene the mean of at least 8 dates of one orbit and one season, gamma0 in linear
power on a 20 m UTM grid, and the Copernicus land cover (CGLS-LC100) of the same year on its own
100 m grid. No account is needed; the data are CC BY 4.0.
"""

_MORE = """\
examples
  See what would be loaded around Nairobi, and how much, without loading it:
    python -m academy.data.deafrica --area 36.7 -1.4 37.0 -1.1 --out scenes --dry-run

  Load it:
    python -m academy.data.deafrica --area 36.7 -1.4 37.0 -1.1 --out scenes

  Several areas into one folder, descending passes only, with four processes:
    python -m academy.data.deafrica --out scenes --orbit descending --processes 4 \\
        --area 36.7 -1.4 37.0 -1.1 --area -17.4 14.5 -17.1 14.8

  From your own copy of the archive, on your own Dask cluster:
    python -m academy.data.deafrica --catalogue copy/catalog.json --dask tcp://10.0.0.5:8786 \\
        --area 36.7 -1.4 37.0 -1.1 --out scenes

what you get
  A folder a scene, with gamma0.npy, cells.npy, labels.npy, probability.npy and metadata.json for
  the library, and gamma0.tif, labels.tif and dates.tif (how many dates each pixel is the mean of)
  for QGIS. Names are random, so that what is held out later cannot be found by the gaps. plan.json
  keeps each scene's place: keep it to yourself. `cohort publish --scenes FOLDER` goes on from it.

how large, how long
  A scene of 600 x 600 pixels is 12 x 12 km. With 10 dates it reads about 35 MB of pixels, twice
  that from the files (they come in tiles), and writes about 7 MB. Reading is what takes time: a
  minute a scene at 10 Mbit/s, seconds inside the archive's region (af-south-1). 20 scenes to train
  on and 24 to hold out are 6,300 square km, 3 GB read, 0.3 GB written. Memory: 0.4 GB.

when it stops
  Give the same command again: finished scenes are kept, a half one is made again. A file that
  cannot be read stops it, and is named; with --skip-broken such items are left out. A scene without
  data (sea, too few dates) is left out and noted in plan.json.

which season, which orbit
  Crops and floods change with the season: take one, and the same for all scenes. The radar looks
  sideways, so that passes north (ascending) and south (descending) differ on slopes: without
  --orbit each scene takes the orbit that has the most dates. Over most of Africa a place is seen
  every 12 days from one orbit: 8 dates take three months, and some passes are missing.
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m academy.data.deafrica",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add(
        "--area",
        nargs=4,
        type=float,
        action="append",
        required=True,
        metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help="in degrees; may be given several times",
    )
    add("--out", type=Path, required=True, help="folder for the scenes")
    add("--year", type=int, default=2019, help="of radar and labels (default 2019)")
    add(
        "--season",
        nargs=2,
        default=SEASON,
        metavar=("FIRST", "LAST"),
        help=f"days of the year, MM-DD (default {SEASON[0]} {SEASON[1]})",
    )
    add("--orbit", choices=ORBITS, help="default: the one with the most dates")
    add("--relative-orbit", type=int, metavar="N", help="1 to 175; default likewise")
    add(
        "--scene-size",
        type=int,
        default=SCENE_SIZE,
        metavar="PIXELS",
        help=f"the most rows and columns of a scene (default {SCENE_SIZE})",
    )
    add(
        "--min-dates",
        type=int,
        default=LEAST_DATES,
        metavar="N",
        help=f"dates that a pixel's mean needs (default {LEAST_DATES})",
    )
    add("--speckle", choices=sorted(FILTERS), help="a filter on the mean (default none)")
    add("--skip-broken", action="store_true", help="leave out items that cannot be read")
    add("--catalogue", default=DEAFRICA, help=f"STAC API or catalog.json (default {DEAFRICA})")
    add("--dask", metavar="ADDRESS", help="of a Dask scheduler; default: this machine")
    add("--processes", type=int, metavar="N", help="Dask processes on this machine")
    add("--threads", type=int, default=4, metavar="N", help="of each process (default 4)")
    add("--dry-run", action="store_true", help="say what would be loaded, and stop")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives its exit status."""
    asked = parser().parse_args(arguments)
    try:
        if asked.dry_run:
            print(_told(asked))
            return 0
        scenes = load(
            asked.area,
            asked.year,
            tuple(asked.season),
            asked.orbit,
            asked.relative_orbit,
            out=asked.out,
            catalogue=asked.catalogue,
            dask=asked.dask or ((asked.processes, asked.threads) if asked.processes else None),
            scene_size=asked.scene_size,
            min_dates=asked.min_dates,
            speckle=asked.speckle,
            skip_broken=asked.skip_broken,
        )
    except AcademyError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    for scene in scenes:
        told = scene.metadata
        print(
            f"{scene.name}  {scene.shape[0]} x {scene.shape[1]}  {told['dates_averaged']} dates  "
            f"{told['looks']} looks  {told['orbit_state']} {told['relative_orbit'] or ''}".rstrip()
        )
    print(f"{_scenes(len(scenes))} in {asked.out}")
    return 0


def _scenes(count: int) -> str:
    return "1 scene" if count == 1 else f"{count} scenes"


def _told(asked: argparse.Namespace) -> str:
    """What would be loaded: scenes, passes, size."""
    lines, read = [], 0.0
    for grid, passes in loading.survey(
        asked.area,
        asked.year,
        tuple(asked.season),
        asked.orbit,
        asked.relative_orbit,
        catalogue=asked.catalogue,
        scene_size=asked.scene_size,
    ):
        west, south, east, north = grid.lonlat()
        place = f"{west:.3f} {south:.3f} {east:.3f} {north:.3f}"
        size = f"{grid.height} x {grid.width}"
        if isinstance(passes, Exception):
            lines.append(f"{place}  {size}  {passes}")
            continue
        dates = len(passes.groups)
        megabytes = dates * grid.height * grid.width * loading.BYTES_A_PIXEL / 1e6
        read += megabytes
        orbit = f"{passes.orbit_state} {passes.relative_orbit or ''}".strip()
        few = "" if dates >= asked.min_dates else f"  fewer than {asked.min_dates}: left out"
        lines.append(f"{place}  {size}  {orbit}: {dates} dates{few}")
    number = _scenes(len(lines))
    lines.append(f"{number} of {areas.PIXEL_M} m pixels, about {read:,.0f} MB to read, unpacked")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
