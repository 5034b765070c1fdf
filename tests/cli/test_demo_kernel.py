"""A space's kernel that does not come up is started again, and a space without one says so."""

from __future__ import annotations

from typing import Any

import pytest
import websocket

from infra.cli.demo import kernel as kernels


class Fake:
    """A kernel that answers, or one whose JupyterLab closed the connection."""

    ended = 0

    def __init__(self, answers: bool) -> None:
        self.answers = answers

    def run(self, _code: str) -> list[Any]:
        if not self.answers:
            raise ConnectionResetError("Connection reset by peer")
        return []

    def __exit__(self, *_: object) -> None:
        Fake.ended += 1


def lab(monkeypatch: pytest.MonkeyPatch, *answers: bool) -> kernels.Lab:
    made = iter([Fake(each) for each in answers])
    monkeypatch.setattr(kernels, "Kernel", lambda _lab, _folder: next(made))
    monkeypatch.setattr(Fake, "ended", 0)
    return object.__new__(kernels.Lab)


def test_a_kernel_that_was_given_up_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lab(monkeypatch, False, False, True).kernel()
    assert isinstance(found, Fake)
    assert found.answers
    assert Fake.ended == 2, "what did not come up is not left behind"


def test_a_space_whose_kernels_never_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(kernels.CellFailed, match="3 tries: Connection reset"):
        lab(monkeypatch, False, False, False).kernel()


def test_what_the_socket_says_counts_as_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = lab(monkeypatch, True, True, True)
    monkeypatch.setattr(
        Fake,
        "run",
        lambda *_: (_ for _ in ()).throw(websocket.WebSocketConnectionClosedException("closed")),
    )
    with pytest.raises(kernels.CellFailed, match="closed"):
        broken.kernel()
