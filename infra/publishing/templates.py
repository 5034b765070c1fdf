"""Which files a learner finds in her space: a project's notebook, script and README.

Notebooks are kept as py:percent, which can be read and reviewed, and published as .ipynb.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import jupytext
import nbformat

TEMPLATES = Path(__file__).resolve().parents[2] / "project_templates"

_PYTHON = {"display_name": "Python 3", "language": "python", "name": "python3"}


class TemplateError(ValueError):
    """A project's template is not complete; the message says what is missing."""


def folder_of(project: str) -> str:
    """The template's folder: ids have hyphens, Python's names underscores."""
    return project.replace("-", "_")


def files(project: str, templates: Path = TEMPLATES) -> dict[str, bytes]:
    """Object keys in the data bucket and bytes of `project`'s template.

    The notebook is the file that is named like the folder; everything else goes as it is, without
    hidden files and caches.

    Raises
    ------
    TemplateError
        There is no such template, or it has no notebook.
    """
    name = folder_of(project)
    folder = templates / name
    if not (folder / f"{name}.py").is_file():
        raise TemplateError(f"project {project!r} has no notebook {folder / f'{name}.py'}")
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if hidden or not file.is_file():
            continue
        if relative == Path(f"{name}.py"):
            relative = Path(f"{name}.ipynb")
            content = notebook(file.read_text(encoding="utf-8"))
        else:
            content = file.read_bytes()
        found[f"templates/{project}/{relative.as_posix()}"] = content
    return found


def notebook(percent: str) -> bytes:
    """A py:percent script as .ipynb, the same bytes for the same script."""
    document = jupytext.reads(percent, fmt="py:percent")
    document.metadata = nbformat.from_dict(
        {"kernelspec": _PYTHON, "language_info": {"name": "python"}}
    )
    for number, cell in enumerate(document.cells):
        # Ids are drawn at random otherwise.
        cell.id = hashlib.sha256(f"{number}\n{cell.source}".encode()).hexdigest()[:8]
        cell.metadata = nbformat.from_dict({})
    document.nbformat, document.nbformat_minor = 4, 5
    nbformat.validate(document)
    text: str = nbformat.writes(document, indent=1)
    return (text + "\n").encode()
