"""What `make image` runs containers with: the image's own user, environment and entrypoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspace_images.verify import building
from workspace_images.verify.running import HOME, Container

CONFIG = {
    "Env": ["PATH=/opt/conda/bin:/usr/bin", "A=b=c"],
    "User": "1000:100",
    "Entrypoint": ["/opt/academy/bin/start"],
    "WorkingDir": HOME,
}


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_container_runs_as_the_images_user_and_cannot_become_another() -> None:
    command = Container(Path("/root-of-image"), CONFIG).command()
    inner = command[command.index("setpriv") :]
    assert inner == [
        *("setpriv", "--reuid=1000", "--regid=100", "--clear-groups", "--no-new-privs"),
        *("--", "/opt/academy/bin/start"),
    ]
    assert after(command, "--chdir") == HOME


def test_the_training_stages_root_is_root() -> None:
    command = Container(Path("/r"), {**CONFIG, "User": "0"}).command(["true"])
    assert "--reuid=0" in command
    assert "--regid=0" in command


def test_nothing_of_this_machines_environment_reaches_it() -> None:
    command = Container(Path("/r"), CONFIG).command(["true"], environment={"A": "mine"})
    set_here = {
        command[i + 1]: command[i + 2] for i, part in enumerate(command) if part == "--setenv"
    }
    assert "--clearenv" in command
    assert set_here == {"HOME": HOME, "PATH": "/opt/conda/bin:/usr/bin", "A": "mine"}


def test_options_follow_the_entrypoint(tmp_path: Path) -> None:
    command = Container(Path("/r"), CONFIG).command(home=tmp_path, options=["--x"])
    assert command[-2:] == ["/opt/academy/bin/start", "--x"]
    assert command[command.index(str(tmp_path)) + 1] == HOME


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building.shutil, "which", lambda tool: None if tool == "bwrap" else tool)
    with pytest.raises(building.Refused, match=r"apt-get install .*bubblewrap.*missing: bwrap"):
        building.Workshop(tmp_path).require_tools()


@pytest.mark.parametrize(("told", "count"), [("2.43 GB", 2_430_000_000), ("488 MB", 488_000_000)])
def test_sizes_are_read_as_buildah_tells_them(told: str, count: int) -> None:
    assert building._bytes(told) == count
