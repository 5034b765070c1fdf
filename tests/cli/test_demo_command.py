"""What a demo before left is out of the next one's way, and nothing else is touched."""

from pathlib import Path

from infra.cli.demo.command import forget


def test_a_second_demo_finds_nothing_that_it_would_not_write_over(tmp_path: Path) -> None:
    for name in ("demo/cloud.log", "door/home.png", "live_climate_series/board.html", "mine/a.txt"):
        file = tmp_path / name
        file.parent.mkdir()
        file.touch()
    for name in ("demo.json", "land_cover.html"):
        (tmp_path / name).touch()
    forget(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "land_cover.html"}
    assert (tmp_path / "mine/a.txt").exists()


def test_a_first_demo_has_nothing_to_forget(tmp_path: Path) -> None:
    forget(tmp_path / "out")
    assert not (tmp_path / "out").exists()
