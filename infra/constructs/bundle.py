"""Gathers what a Lambda function needs into a folder: our own modules, and nothing else.

Lambda gets the standard library and boto3 from its runtime. A module that imports more would fail
there, on the first call; here it fails at synth, by name. Knows no CDK.
"""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

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
    for path in sorted((target / "infra" / "services").rglob("*")):
        if path.is_file() and path.suffix not in _TRAVELS:
            raise BundleError(
                f"{path.relative_to(target)} does not travel into Lambda, only "
                f"{', '.join(_TRAVELS)} does"
            )
    for path in _modules(target):
        _check(path, target)


def check_handler(handler: str, target: Path) -> None:
    """Make sure that `handler` ("infra.services.guard.handler.broker") is a function in `target`.

    Raises:
        BundleError: if the module or the function is not there.
    """
    module, _, function = handler.rpartition(".")
    path = target / _module_file(module)
    if not path.is_file():
        raise BundleError(f"handler {handler}: there is no module {module}")
    names = _names(path)
    if function not in names:
        raise BundleError(f"handler {handler}: {module} defines no {function}")


def _add_other_services(source: Path, target: Path) -> None:
    """A service may use another's module (the settings): it travels too, and what it uses."""
    waiting = _modules(target)
    while waiting:
        for name in _imports(waiting.pop(), target):
            found = _found(name, source)
            if not found or not name.startswith(f"{SERVICES}."):
                continue
            packages = [parent / "__init__.py" for parent in found.parents if parent.parts]
            for file in (found, *packages):
                if not (target / file).exists():
                    _copy(file, source, target)
                    waiting.append(target / file)


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
    if (root / package).is_file() and last in _names(root / package):
        return package
    return None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path, root: Path) -> Iterator[str]:
    """Every name that the module at `path` imports, also inside functions; "from a import b" gives
    a.b, because b may be a module. Imports for the type checker alone are passed over."""
    module = ".".join(path.relative_to(root).with_suffix("").parts)
    package = module.rpartition(".")[0]
    waiting: list[ast.AST] = [_tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and _type_checking(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            yield from (
                base if alias.name == "*" else f"{base}.{alias.name}" for alias in node.names
            )


def _type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _check(path: Path, root: Path) -> None:
    for name in _imports(path, root):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in RUNTIME or _found(name, root):
            continue
        raise BundleError(
            f"{path.relative_to(root)} imports {name}, which Lambda does not have: services use "
            f"the standard library, boto3, {', '.join(SHARED)} and {SERVICES}"
        )


def _names(path: Path) -> set[str]:
    """What a module defines or imports at its top."""
    found: set[str] = set()
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found
