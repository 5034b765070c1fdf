"""Saved weights, read as numbers alone: a file from elsewhere runs nothing here."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from academy.errors import AcademyError


class ModelError(AcademyError):
    """A saved model cannot be read."""


def read_weights(file: Path) -> dict[str, Any]:
    """What torch.save wrote, as numbers and plain containers alone; nothing in it is run.

    Raises
    ------
    ModelError
        The file is missing, damaged, or holds anything else.
    """
    advice = "copy it again, or train again; do not use models from people you do not know"
    try:
        with zipfile.ZipFile(file) as archive:
            packed = [each for each in archive.infolist() if each.compress_type != 0]
        if packed:
            # torch.save never packs; a packed file may unpack to more than memory holds.
            raise ModelError(f"{file} was not written by torch.save: its parts are compressed")
        value = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{file.parent} holds no model: it has no {file.name}") from None
    except zipfile.BadZipFile:
        raise ModelError(f"{file} is damaged or no model ({advice})") from None
    except pickle.UnpicklingError as problem:
        reason = str(problem).split("\n", 1)[0][:200]
        raise ModelError(f"{file} holds more than numbers: {reason} ({advice})") from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError) as problem:
        reason = str(problem).split("\n", 1)[0][:200]
        raise ModelError(f"{file} cannot be read: {reason} ({advice})") from None
    if not isinstance(value, dict):
        raise ModelError(f"{file} holds something else than a table of weights ({advice})")
    return value
