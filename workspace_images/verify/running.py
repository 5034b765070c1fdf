"""Runs an image with bubblewrap: its files, user, environment and entrypoint, and nothing of ours.

Processes see the image's file system, a home of their own and what is bound into it. They share
this machine's network, where the embedded cloud listens.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workspace_images.verify.building import Image, Workshop

HOME = "/home/sagemaker-user"
GRACE_SECONDS = 10


@dataclass(frozen=True)
class Container:
    """An image's files, ready to run; `config` is the image's own (Env, User, Entrypoint …)."""

    root: Path
    config: Mapping[str, Any]

    def command(
        self,
        arguments: Sequence[str] | None = None,
        *,
        home: Path | None = None,
        binds: Mapping[Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> list[str]:
        """The command that runs `arguments` (default: the image's entrypoint) in the container.

        Args:
            options: Added to the image's entrypoint.
            home: Mounted where a space's volume is.
            binds: What else is mounted, writable: path here -> path there.
        """
        own = dict(entry.split("=", 1) for entry in self.config.get("Env") or ())
        variables = {"HOME": HOME, **own, **(environment or {})}
        mounts = ["--bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc"]
        mounts += ["--tmpfs", "/tmp"]  # noqa: S108
        if home is not None:
            mounts += ["--bind", str(home), HOME]
        for here, there in (binds or {}).items():
            # Else bubblewrap makes folders on the way that only root may enter.
            mounts += ["--perms", "0755", "--dir", str(PurePosixPath(there).parent)]
            mounts += ["--bind", str(here), there]
        settings = [part for pair in variables.items() for part in ("--setenv", *pair)]
        if arguments is None:
            arguments = [*self.config["Entrypoint"], *(self.config.get("Cmd") or ()), *options]
        return [
            *("bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
            # To become the image's user; setpriv gives them up for good.
            *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"),
            *mounts,
            *("--chdir", self.config.get("WorkingDir") or "/"),
            *("--clearenv", *settings),
            *("setpriv", *self._user(), "--no-new-privs", "--"),
            *arguments,
        ]

    def _user(self) -> list[str]:
        user, _, group = str(self.config.get("User") or "0").partition(":")
        # Group 100, as Debian and SageMaker Distribution have it for user 1000.
        group = group or ("100" if user == "1000" else "0")
        return [f"--reuid={user}", f"--regid={group}", "--clear-groups"]

    def run(self, *arguments: str, **where: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end; output and exit code are in the answer."""
        return subprocess.run(
            self.command(arguments or None, **where), capture_output=True, text=True, check=False
        )

    @contextmanager
    def started(self, log: Path, **where: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The image's entrypoint as a process, ended with the block."""
        with log.open("ab") as sink:
            process = subprocess.Popen(
                self.command(**where),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def container(workshop: Workshop, image: Image) -> Iterator[Container]:
    """A working container of `image`, removed with the block: what it writes changes no image."""
    name, root = workshop.mounted(image.name)
    try:
        yield Container(root, workshop.config(image.name))
    finally:
        workshop.remove(name)


def document(text: str) -> Any:
    """The last line of what a program said, as JSON."""
    return json.loads(text.strip().splitlines()[-1])
