"""The keys that projects are sealed with, as the vault stores them: hexadecimal and a line end."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass


class SealingError(ValueError):
    """A project cannot be sealed as asked; the message says why."""


@dataclass(frozen=True)
class KeyKind:
    """A project's key: `size` bytes."""

    project: str
    size: int

    @property
    def name(self) -> str:
        """The key's object in the vault."""
        return f"keys/{self.project}.key"

    def new(self) -> bytes:
        """A key from the operating system's randomness."""
        return secrets.token_bytes(self.size)

    @staticmethod
    def format(key: bytes) -> bytes:
        """The key as the vault stores it."""
        return key.hex().encode() + b"\n"

    def parse(self, content: bytes) -> bytes:
        """The key from the vault's file.

        Raises
        ------
        SealingError
            It is damaged.
        """
        try:
            key = bytes.fromhex(content.decode("ascii").strip())
        except ValueError:
            raise SealingError(f"{self.name} in the vault is not hexadecimal") from None
        if len(key) != self.size:
            raise SealingError(f"{self.name} in the vault has {len(key)} bytes, not {self.size}")
        return key


def fingerprint(key: bytes) -> str:
    """What may be shown of a key: whether two are the same, and nothing else."""
    return hashlib.sha256(key).hexdigest()[:8]
