"""Which files a learner finds in her space: a welcome, and each project's notebooks and script.

Notebooks are kept as py:percent, which can be read and reviewed, and published as .ipynb; by the
header that jupytext writes they are told from scripts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import jupytext
import nbformat

TEMPLATES = Path(__file__).resolve().parents[2] / "project_templates"

#: The kinds of files that a template is made of. What else lies in its folder a run has left there:
#: maps, labels and tables must reach neither learners nor an image.
KINDS = (".py", ".ipynb", ".md")

#: The notebook that a learner sees first. It lies in the home itself, for whatever projects.
WELCOME = "welcome"

# The first comment of a notebook: YAML between two lines of dashes, with its format.
_HEADER = re.compile(r"# ---\n(?:#.*\n)*?#\s+format_name: percent\n(?:#.*\n)*?# ---\n")

_PYTHON = {"display_name": "Python 3", "language": "python", "name": "python3"}


class TemplateError(ValueError):
    """A project's template is not complete; the message says what is missing."""


def folder_of(project: str) -> str:
    """The template's folder: ids have hyphens, Python's names underscores."""
    return project.replace("-", "_")


def files(project: str, templates: Path = TEMPLATES) -> dict[str, bytes]:
    """Object keys in the data bucket and bytes of `project`'s template.

    The notebook that is named like the folder is the one a learner opens first. It and every other
    notebook, in whatever folder, go as .ipynb; everything else goes as it is, without hidden files
    and caches.

    Raises
    ------
    TemplateError
        There is no such template, it has no notebook, two of its files would get one name, or
        something lies there that is none of `KINDS`.
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
        if file.suffix not in KINDS:
            raise TemplateError(
                f"{file} is none of {', '.join(KINDS)}: what a run has left behind is not published"
            )
        content = file.read_bytes()
        if relative == Path(f"{name}.py") or is_notebook(file):
            relative = relative.with_suffix(".ipynb")
            content = notebook(content.decode())
        key = f"templates/{project}/{relative.as_posix()}"
        if key in found:
            raise TemplateError(f"{folder} has {relative.with_suffix('')} as .py and as .ipynb")
        found[key] = content
    return found


def welcome_files(templates: Path = TEMPLATES) -> dict[str, bytes]:
    """Object key and bytes of the notebook that learners land on.

    Raises
    ------
    TemplateError
        There is none.
    """
    file = templates / WELCOME / f"{WELCOME}.py"
    if not file.is_file():
        raise TemplateError(f"the welcome notebook {file} is missing")
    content = notebook(file.read_text(encoding="utf-8"))
    return {f"templates/{WELCOME}/{WELCOME}.ipynb": content}


def home_files(projects: Iterable[str], templates: Path = TEMPLATES) -> dict[str, bytes]:
    """Paths in the home and bytes of the welcome and of the `projects`' templates.

    This is what an image brings; where there is none, start.sh makes the same of the objects.

    Raises
    ------
    TemplateError
        As `files` and `welcome_files`.
    """
    found = _below(f"templates/{WELCOME}/", "", welcome_files(templates))
    for project in projects:
        folder = f"{folder_of(project)}/"
        found |= _below(f"templates/{project}/", folder, files(project, templates))
    return found


def _below(prefix: str, folder: str, objects: dict[str, bytes]) -> dict[str, bytes]:
    return {folder + key.removeprefix(prefix): content for key, content in objects.items()}


def is_notebook(file: Path) -> bool:
    """Whether a file is a notebook kept as py:percent, by the header that jupytext writes."""
    if file.suffix != ".py":
        return False
    text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
    return _HEADER.match(text) is not None


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
