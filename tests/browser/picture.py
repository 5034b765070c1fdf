"""Makes the pictures of the leaderboard's page in docs/images: python -m tests.browser.picture

board.png is the upper part of an open board, final.png what a closed one tells of the moves from
the public board to the final one. Letters are those of the machine; the pictures in the
documentation were made with Inter (Debian's fonts-inter).
"""

from __future__ import annotations

from pathlib import Path

from infra.services.competition.page import page
from tests.browser import boards
from tests.browser.chromium import measured, picture

FOLDER = Path("docs/images")
WIDTH, HEIGHT = 1280, 1222
#: So few colours suffice, and make a small file.
COLOURS = 64
_EDGE = 32

#: From where to where the part on the moves reaches, in the whole page.
MOVES = """
 const part = document.querySelector(".shake");
 return {from: part.previousElementSibling.getBoundingClientRect().top,
         to: part.getBoundingClientRect().bottom};
"""


def main() -> None:
    board, final = FOLDER / "board.png", FOLDER / "final.png"
    picture(page(boards.lively(), "earth-2026-fall"), board, WIDTH, HEIGHT)
    _few_colours(board, 0, HEIGHT)
    text = page(boards.closed(), "earth-2026-fall")
    moves = measured(text, MOVES, WIDTH)
    upper, lower = int(moves["from"]) - _EDGE, int(moves["to"]) + _EDGE
    picture(text, final, WIDTH, lower)
    _few_colours(final, upper, lower)


def _few_colours(file: Path, upper: int, lower: int) -> None:
    from PIL import Image

    with Image.open(file) as taken:
        part = taken.convert("RGB").crop((0, upper, taken.width, lower))
    part.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {part.width} x {part.height}, {file.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
