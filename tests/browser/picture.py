"""Makes docs/images/board.png, the leaderboard as it is shown: python -m tests.browser.picture

Letters are those of the machine; the picture in the documentation was made with Inter (Debian's
fonts-inter).
"""

from __future__ import annotations

from pathlib import Path

from infra.services.competition.page import page
from tests.browser import boards
from tests.browser.chromium import picture

FILE = Path("docs/images/board.png")
WIDTH, HEIGHT = 1280, 1222
#: So few colours suffice, and make a small file.
COLOURS = 64


def main() -> None:
    from PIL import Image

    picture(page(boards.lively(), "earth-2026-fall"), FILE, WIDTH, HEIGHT)
    with Image.open(FILE) as taken:
        few = taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(FILE, optimize=True)
    print(f"{FILE}: {FILE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
