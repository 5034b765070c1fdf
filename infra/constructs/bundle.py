"""Gathers what a Lambda function needs into a folder: our own modules, and the packages of others
that its service is granted by name.

Lambda gets the standard library and boto3 from its runtime. A module that imports more would fail
there, on the first call; here it fails at synth, by name. Knows no CDK.
"""

from __future__ import annotations

import ast
import base64
import functools
import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath

#: The folder that holds the package `infra`.
SOURCE = Path(__file__).resolve().parents[2]

#: What Lambda's Python runtime brings beside the standard library.
RUNTIME = frozenset({"boto3", "botocore"})

#: What travels beside the service itself. `model` and `loading` need pydantic and stay behind.
SHARED = ("infra.cohort.naming", "infra.cohort.prices")
SERVICES = "infra.services"

#: The kinds of files that travel. What else lies in a service's folder has been left there: a table
#: of answers that was tried on must not go to an account's asset bucket.
_TRAVELS = (".py",)

#: The packages of others that a service may import, by their names on PyPI, with all that these
#: need. They are copied as they are installed here, so constraints.txt pins what runs in Lambda.
VENDORED: Mapping[str, tuple[str, ...]] = {
    "door": ("aws-lambda-powertools", "Jinja2", "MarkupSafe", "typing_extensions"),
}
#: What boto3 brings along to Lambda's runtime, and another package may need.
_WITH_BOTO3 = frozenset({"boto3", "botocore", "jmespath"})

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "README.md")


class BundleError(Exception):
    """A service cannot be bundled; the message names the module and what is wrong with it."""


def stage(package: str, target: Path, *, source: Path = SOURCE) -> None:
    """Copy the service `package` (guard, competition) with what it imports into `target`.

    The content depends on the sources alone, so that an unchanged service is not deployed again.

    Raises:
        BundleError: if a module imports what Lambda does not have, or what is no module lies there.
    """
    service = source / "infra" / "services" / package
    if not (service / "__init__.py").is_file():
        raise BundleError(f"{service} is no package: it needs an __init__.py")
    shutil.copytree(service, target / "infra" / "services" / package, ignore=_IGNORED)
    for name in ("infra", "infra.cohort", SERVICES):
        _copy(_package_file(name), source, target)
    for name in SHARED:
        _copy(_module_file(name), source, target)
    _copy(Path("infra", "cohort", "prices.json"), source, target)
    _add_other_services(source, target)
    others = _vendor(VENDORED.get(package, ()), target)
    for path in sorted((target / "infra" / "services").rglob("*")):
        if path.is_file() and path.suffix not in _TRAVELS:
            raise BundleError(
                f"{path.relative_to(target)} does not travel into Lambda, only "
                f"{', '.join(_TRAVELS)} does"
            )
    for path in _modules(target / "infra"):
        _check(path, target, others)


def check_handler(handler: str, target: Path) -> None:
    """Make sure that `handler` ("infra.services.guard.handler.broker") is a function in `target`.

    Raises:
        BundleError: if the module or the function is not there.
    """
    module, _, function = handler.rpartition(".")
    path = target / _module_file(module)
    if not path.is_file():
        raise BundleError(f"handler {handler}: there is no module {module}")
    names = _read(path).names
    if function not in names:
        raise BundleError(f"handler {handler}: {module} defines no {function}")


def _add_other_services(source: Path, target: Path) -> None:
    """A service may use another's module (the settings): it travels too, and what it uses."""
    waiting = _modules(target)
    while waiting:
        for name in _imports(waiting.pop(), target):
            found = _found(name, source) if name.startswith(f"{SERVICES}.") else None
            if not found:
                continue
            packages = [parent / "__init__.py" for parent in found.parents if parent.parts]
            for file in (found, *packages):
                if not (target / file).exists():
                    _copy(file, source, target)
                    waiting.append(target / file)


# --- packages of others ---------------------------------------------------------------------------


def _vendor(names: Iterable[str], target: Path) -> frozenset[str]:
    """Copy installed distributions into `target`: their modules and licences, and nothing that is
    compiled. Returns what can be imported of them.

    Raises:
        BundleError: if one is not installed, has been changed since, or needs another.
    """
    known = {_plain(name) for name in (*names, *_WITH_BOTO3)}
    tops: set[str] = set()
    for name in names:
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise BundleError(f"{name} is not installed: run make install") from None
        for needed in _needed(found):
            if needed not in known:
                raise BundleError(f"{name} needs {needed}, which the bundle does not have")
        for file in found.files or ():
            if ".." in file.parts or not (file.suffix == ".py" or _is_licence(file)):
                continue
            content = Path(str(found.locate_file(file))).read_bytes()
            if not _as_recorded(file, content):
                raise BundleError(f"{file} of {name} is not as it was installed: install it anew")
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            (target / file).write_bytes(content)
            if file.suffix == ".py":
                tops.add(file.parts[0].removesuffix(".py"))
    return frozenset(tops)


def _needed(found: metadata.Distribution) -> Iterator[str]:
    """What a distribution cannot do without: extras are passed over."""
    for requirement in found.requires or ():
        wanted, _, marker = requirement.partition(";")
        name = re.match(r"[A-Za-z0-9._-]+", wanted)
        if name and "extra" not in marker:
            yield _plain(name[0])


def _plain(name: str) -> str:
    """A project's name as the Python packaging guide normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_licence(file: PurePath) -> bool:
    return file.parts[0].endswith(".dist-info") and file.name.upper().startswith(
        ("LICENSE", "LICENCE", "NOTICE", "COPYING")
    )


def _as_recorded(file: metadata.PackagePath, content: bytes) -> bool:
    """Whether the file has the hash that the installer recorded."""
    if file.hash is None:
        return False
    digest = hashlib.new(file.hash.mode, content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


# --- our own modules ------------------------------------------------------------------------------


def _module_file(name: str) -> Path:
    return Path(*name.split(".")).with_suffix(".py")


def _package_file(name: str) -> Path:
    return Path(*name.split("."), "__init__.py")


def _copy(file: Path, source: Path, target: Path) -> None:
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / file, target / file)


def _modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def _found(name: str, root: Path) -> Path | None:
    """The file below `root` that importing `name` needs: the module or package `name`, or the one
    that defines its last part. None if there is none."""
    for file in (_module_file(name), _package_file(name)):
        if (root / file).is_file():
            return file
    parent, _, last = name.rpartition(".")
    if not parent:
        return None
    if (root / _module_file(parent)).is_file():
        return _module_file(parent)
    package = _package_file(parent)
    if (root / package).is_file() and last in _read(root / package).names:
        return package
    return None


@dataclass(frozen=True)
class _Module:
    """What a module's text says: what it imports anywhere but for the type checker alone, and what
    it defines or imports at its top."""

    imports: tuple[ast.Import | ast.ImportFrom, ...]
    names: frozenset[str]


def _read(path: Path) -> _Module:
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except SyntaxError as wrong:
        wrong.filename = str(path)
        raise


@functools.cache
def _parsed(text: str) -> _Module:
    """By the text alone: a synth bundles a service once for each of its functions."""
    tree = ast.parse(text)
    imports: list[ast.Import | ast.ImportFrom] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, ast.If) and _type_checking(node.test):
            waiting += node.orelse
        else:  # No expression imports.
            waiting += (
                child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)
            )
    return _Module(tuple(imports), frozenset(_names(tree)))


def _imports(path: Path, root: Path) -> Iterator[str]:
    """Every name that the module at `path` imports, also inside functions; "from a import b" gives
    a.b, because b may be a module. Imports for the type checker alone are passed over."""
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    package = module.rpartition(".")[0]
    for node in _read(path).imports:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        base = node.module or ""
        if node.level:
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parts, base] if base else parts)
        yield from (base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names)


def _type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _check(path: Path, root: Path, others: frozenset[str]) -> None:
    for name in _imports(path, root):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in RUNTIME | others or _found(name, root):
            continue
        raise BundleError(
            f"{path.relative_to(root)} imports {name}, which Lambda does not have: services use "
            f"the standard library, boto3, {', '.join((*SHARED, *sorted(others)))} and {SERVICES}"
        )


def _names(tree: ast.Module) -> set[str]:
    """What a module defines or imports at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found
