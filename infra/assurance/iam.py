"""IAM's decision as a pure function: policies and a request in, allowed or denied and why out.

The embedded cloud asks it on every request; the isolation proof asks it on every class of requests.
Both must agree, so there is one of it. It reads no clock, no network and no state.

What it decides, for one account (IAM User Guide, "Policy evaluation logic"):

1. A Deny that matches, in any policy (identity, boundary, session or resource), denies.
2. A resource policy that allows *the role session's ARN*, an IAM user's ARN or *everyone* (`*`)
   allows by itself. The guide: permissions granted directly to a session are not limited by an
   implicit deny in an identity policy, a boundary or a session policy; nor are those granted with
   a wildcard in the Principal element ("AWS JSON policy elements: Principal", IAM role principals).
3. Otherwise the request must be allowed by an identity policy or by a resource policy that names
   the role's ARN; and by the permissions boundary, if there is one; and by the session policies,
   if there are any.
4. A resource policy that allows *the account* (`arn:aws:iam::ACCOUNT:root` or its id) grants
   nothing by itself within that account: it hands the decision to the identity policies. For most
   resources these decide anyway; a KMS key and a role's trust policy (`resource_decides`) deny
   what their own policy neither grants nor hands on.

Service control policies, resource control policies, endpoint policies and callers from another
account are outside the model; a request that names another account's resource is denied.

What the model does not know is refused with `UnmodelledPolicy`, never skipped: an element, an
operator, a principal, a condition key that the request's maker does not vouch for, a value on whose
meaning the guide is silent. docs/iam.md says for each rule where it comes from.

Standard library only.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

#: What a document is attached to; it decides which elements are legal in it.
PolicyKind = Literal["identity", "resource", "trust"]

Value = str | tuple[str, ...]


class UnmodelledPolicy(Exception):
    """A policy uses something that this model of IAM does not decide; the message names it."""


# --------------------------------------------------------------------------------------------------
# Patterns


class Wild(Enum):
    """The two wildcards of a policy's strings."""

    MANY = "*"
    ONE = "?"


@dataclass(frozen=True)
class Variable:
    """A policy variable, `${key}` or `${key, 'default'}`; `key` is lower-case."""

    key: str
    default: str | None = None
    #: The key as the policy spells it.
    written: str = field(default="", compare=False)


#: A pattern's parts: literal text, wildcards, variables.
Token = str | Wild | Variable

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE_BODY = re.compile(r"^\s*([A-Za-z0-9-]+:[^,'\s]+)\s*(?:,\s*'([^']*)')?\s*$")


def tokens(text: str, *, wildcards: bool, variables: bool) -> tuple[Token, ...]:
    """Take a policy's string apart. `${*}`, `${?}` and `${$}` are those characters themselves.

    Raises:
        UnmodelledPolicy: for a `${...}` that is neither a variable nor an escape.
    """
    made: list[Token] = []

    def literal(piece: str) -> None:
        if not piece:
            return
        if made and isinstance(made[-1], str):
            made[-1] += piece
        else:
            made.append(piece)

    def plain(piece: str) -> None:
        if not wildcards:
            literal(piece)
            return
        for part in re.split(r"([*?])", piece):
            if part == "*":
                if not (made and made[-1] is Wild.MANY):
                    made.append(Wild.MANY)
            elif part == "?":
                made.append(Wild.ONE)
            else:
                literal(part)

    if not variables:
        plain(text)
        return tuple(made)
    position = 0
    for found in _VARIABLE.finditer(text):
        plain(text[position : found.start()])
        body = found.group(1)
        if body in ("*", "?", "$"):
            literal(body)
        else:
            parsed = _VARIABLE_BODY.match(body)
            if parsed is None:
                raise UnmodelledPolicy(f"policy variable {found.group(0)!r} in {text!r}")
            written, default = parsed.groups()
            made.append(Variable(written.lower(), default, written))
        position = found.end()
    plain(text[position:])
    return tuple(made)


@dataclass(frozen=True)
class Glob:
    """A pattern without variables, ready to match: a whole string, in linear time a star.

    `runs` are the pieces between stars; each is text, or a compiled expression if it has a `?`.
    """

    runs: tuple[str | re.Pattern[str], ...]
    lengths: tuple[int, ...]
    #: What it was made of.
    parts: tuple[str | Wild, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, parts: Iterable[Token]) -> Glob:
        runs: list[list[str | Wild]] = [[]]
        given: list[str | Wild] = []
        for part in parts:
            if isinstance(part, Variable):
                raise ValueError(f"unresolved variable {part.key}")
            given.append(part)
            if part is Wild.MANY:
                runs.append([])
            else:
                runs[-1].append(part)
        made: list[str | re.Pattern[str]] = []
        lengths: list[int] = []
        for run in runs:
            lengths.append(sum(1 if piece is Wild.ONE else len(str(piece)) for piece in run))
            if Wild.ONE in run:
                body = "".join("." if p is Wild.ONE else re.escape(str(p)) for p in run)
                made.append(re.compile(body, re.DOTALL))
            else:
                made.append("".join(str(piece) for piece in run))
        return cls(tuple(made), tuple(lengths), tuple(given))

    def matches(self, text: str) -> bool:
        first, last = self.runs[0], self.runs[-1]
        if len(self.runs) == 1:
            if isinstance(first, str):
                return text == first
            return len(text) == self.lengths[0] and _at(first, text, 0)
        start, stop = self.lengths[0], len(text) - self.lengths[-1]
        if start > stop or not _at(first, text, 0) or not _at(last, text, stop):
            return False
        # Between the ends, the leftmost place of each run leaves most room for the next.
        for run, length in zip(self.runs[1:-1], self.lengths[1:-1], strict=True):
            at = _find(run, text, start, stop)
            if at < 0:
                return False
            start = at + length
        return True


def _at(run: str | re.Pattern[str], text: str, position: int) -> bool:
    if isinstance(run, str):
        return text.startswith(run, position)
    return run.match(text, position) is not None


def _find(run: str | re.Pattern[str], text: str, start: int, stop: int) -> int:
    if isinstance(run, str):
        return text.find(run, start, stop)
    found = run.search(text, start, stop)
    return -1 if found is None else found.start()


@dataclass(frozen=True)
class Pattern:
    """A policy's string with its wildcards and variables, matched against whole strings."""

    text: str
    parts: tuple[Token, ...]
    glob: Glob | None

    @classmethod
    def of(cls, text: str, *, wildcards: bool = True, variables: bool = True) -> Pattern:
        parts = tokens(text, wildcards=wildcards, variables=variables)
        fixed = not any(isinstance(part, Variable) for part in parts)
        return cls(text, parts, Glob.of(parts) if fixed else None)

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(part for part in self.parts if isinstance(part, Variable))

    def matches(self, text: str, request: Request) -> bool:
        """Whether `text` matches. A variable without a value is like nothing, so nothing matches.

        A variable's value stands for itself: a `*` in it is no wildcard.
        """
        if self.glob is not None:
            return self.glob.matches(text)
        resolved = resolve(self.parts, request)
        return resolved is not None and Glob.of(resolved).matches(text)

    def equals_ignoring_case(self, text: str, request: Request) -> bool:
        """Whether `text` is this pattern, which has no wildcards, but for upper and lower case."""
        resolved = resolve(self.parts, request)
        return resolved is not None and "".join(map(str, resolved)).lower() == text.lower()


def resolve(parts: tuple[Token, ...], request: Request) -> tuple[str | Wild, ...] | None:
    """`parts` with the request's values for variables; None if one has neither value nor default.

    Raises:
        UnmodelledPolicy: for a multi-valued key, which IAM does not allow as a variable.
    """
    made: list[str | Wild] = []
    for part in parts:
        if not isinstance(part, Variable):
            made.append(part)
            continue
        value = request.get(part.key)
        if isinstance(value, tuple):
            raise UnmodelledPolicy(f"multi-valued key {part.key} as a policy variable")
        if value is None:
            value = part.default
        if value is None:
            return None
        made.append(value)
    return tuple(made)


@dataclass(frozen=True)
class ArnPattern:
    """An ARN pattern: its six components match one by one, and a wildcard stays in its own."""

    text: str
    parts: tuple[tuple[Token, ...], ...]
    globs: tuple[Glob, ...] | None

    @classmethod
    def of(cls, text: str, *, variables: bool = True) -> ArnPattern:
        components: list[list[Token]] = [[]]
        for part in tokens(text, wildcards=True, variables=variables):
            if not isinstance(part, str):
                components[-1].append(part)
                continue
            pieces = part.split(":", 6 - len(components))
            for index, piece in enumerate(pieces):
                if index:
                    components.append([])
                if piece:
                    components[-1].append(piece)
        if len(components) != 6:
            raise UnmodelledPolicy(f"{text!r} is compared as an ARN but lacks its six components")
        parts = tuple(tuple(component) for component in components)
        fixed = not any(isinstance(token, Variable) for part in parts for token in part)
        return cls(text, parts, tuple(Glob.of(part) for part in parts) if fixed else None)

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(token for part in self.parts for token in part if isinstance(token, Variable))

    def matches(self, text: str, request: Request) -> bool:
        components = text.split(":", 5)
        if len(components) != 6:
            return False
        globs = self.globs
        if globs is None:
            resolved = [resolve(part, request) for part in self.parts]
            if any(part is None for part in resolved):
                return False
            globs = tuple(Glob.of(part) for part in resolved if part is not None)
        # The last one first: by it most ARNs differ.
        return globs[5].matches(components[5]) and all(
            glob.matches(part) for glob, part in zip(globs[:5], components[:5], strict=True)
        )


# --------------------------------------------------------------------------------------------------
# Requests


@dataclass(frozen=True)
class Principal:
    """Who asks.

    `arn` is a role session's ARN (arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION), an IAM user's
    ARN (only simulations have users), the account's root ARN, or, for an AWS service, its name
    (events.amazonaws.com).
    """

    kind: Literal["session", "user", "root", "service"]
    arn: str
    account: str
    #: The role's ARN, path included: aws:PrincipalArn of a session.
    role_arn: str | None = None

    @classmethod
    def session(cls, arn: str, *, role_arn: str) -> Principal:
        return cls("session", arn, arn.split(":")[4], role_arn)

    @classmethod
    def user(cls, arn: str) -> Principal:
        return cls("user", arn, arn.split(":")[4])

    @classmethod
    def root(cls, account: str) -> Principal:
        return cls("root", f"arn:aws:iam::{account}:root", account)

    @classmethod
    def service(cls, name: str, *, account: str) -> Principal:
        """`account` is the one on whose behalf the service acts."""
        return cls("service", name, account)

    def __str__(self) -> str:
        return self.arn if self.kind == "service" else f"User: {self.arn}"


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the context keys that AWS gives it.

    A key's value is a string, or a tuple of strings for a multi-valued key. A key without a value
    is left out. Keys are case-insensitive. `action` is `service:Action`. `resource` is an ARN, or
    `*` for actions without one.

    `keys` lists (lower-case) the keys for which absence here means absence on AWS; one that ends in
    `*` stands for a family. A condition on another absent key is unmodelled. None vouches for all.
    """

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    keys: frozenset[str] | None = None

    def __post_init__(self) -> None:
        lowered = {key.lower(): value for key, value in self.context.items() if value != ()}
        object.__setattr__(self, "context", lowered)

    def get(self, key: str) -> Value | None:
        """The value of `key` (lower-case), or None if the request does not have it."""
        value = self.context.get(key)
        if value is None and self.keys is not None and key not in self.keys:
            families = (name[:-1] for name in self.keys if name.endswith("*"))
            if not any(key.startswith(family) and key != family for family in families):
                raise UnmodelledPolicy(
                    f"condition key {key} is not modelled for {self.action} (or is misspelt)"
                )
        return value


# --------------------------------------------------------------------------------------------------
# Conditions


@dataclass(frozen=True)
class Operator:
    """A condition operator: how one request value compares to one policy value."""

    name: str
    #: Prepares a policy value; raises UnmodelledPolicy if it is not one for this operator.
    parse: Callable[[str, bool], Any]
    compare: Callable[[str, Any, Request], bool]
    negated: bool = False


def _string(wildcards: bool) -> Callable[[str, bool], Pattern]:
    return lambda text, variables: Pattern.of(text, wildcards=wildcards, variables=variables)


def _like(value: str, pattern: Pattern | ArnPattern, request: Request) -> bool:
    return pattern.matches(value, request)


def _ignoring_case(value: str, pattern: Pattern, request: Request) -> bool:
    return pattern.equals_ignoring_case(value, request)


def _arn(text: str, variables: bool) -> ArnPattern:
    return ArnPattern.of(text, variables=variables)


def _no_variable(text: str) -> str:
    if "${" in text:
        raise UnmodelledPolicy(f"variable where IAM allows none: {text!r}")
    return text


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def _number(text: str, _variables: bool = False) -> Decimal:
    """An integer or decimal, as the guide has it; what else Python reads as one is none."""
    if not _NUMBER.fullmatch(_no_variable(text)):
        raise UnmodelledPolicy(f"{text!r} is not a number")
    return Decimal(text)


_DATE = re.compile(
    r"^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d))?$"
)


def _date(text: str, _variables: bool = False) -> dt.datetime:
    """A W3C date (ISO 8601 profile) or seconds since 1970. A bare day begins at 00:00 UTC."""
    text = _no_variable(text)
    if re.match(r"^\d{1,11}(\.\d+)?$", text):
        return dt.datetime.fromtimestamp(float(text), dt.UTC)
    if not _DATE.match(text):
        raise UnmodelledPolicy(f"{text!r} is not a date like 2027-03-31T00:00:00Z")
    try:
        made = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UnmodelledPolicy(f"{text!r} is not a date like 2027-03-31T00:00:00Z") from None
    return made if made.tzinfo else made.replace(tzinfo=dt.UTC)


def _bool(text: str, _variables: bool = False) -> bool:
    if text.lower() not in ("true", "false"):
        raise UnmodelledPolicy(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _network(text: str, _variables: bool = False) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(_no_variable(text), strict=False)
    except ValueError:
        raise UnmodelledPolicy(f"{text!r} is not an IP address or range") from None


def _typed(
    parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]
) -> Callable[[str, Any, Request], bool]:
    """Compare as what the operator is for. The guide does not say what NumericLessThan makes of a
    request value that is no number, so that is refused and not taken for a mismatch."""

    def run(value: str, wanted: Any, _request: Request) -> bool:
        return compare(parse(value), wanted)

    return run


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise UnmodelledPolicy(f"the request's {text!r} is not an IP address") from None


def _in_network(address: Any, network: Any) -> bool:
    return bool(address in network)


_same: Callable[[Any, Any], bool] = lambda a, b: bool(a == b)  # noqa: E731
_less: Callable[[Any, Any], bool] = lambda a, b: bool(a < b)  # noqa: E731
_at_most: Callable[[Any, Any], bool] = lambda a, b: bool(a <= b)  # noqa: E731
_more: Callable[[Any, Any], bool] = lambda a, b: bool(a > b)  # noqa: E731
_at_least: Callable[[Any, Any], bool] = lambda a, b: bool(a >= b)  # noqa: E731

#: Every operator of IAM but BinaryEquals: no condition key of a service that the embedded cloud
#: serves is binary (Service Authorization Reference). Names are compared lower-case.
OPERATORS: dict[str, Operator] = {
    operator.name.lower(): operator
    for operator in (
        Operator("StringEquals", _string(False), _like),
        Operator("StringNotEquals", _string(False), _like, negated=True),
        Operator("StringEqualsIgnoreCase", _string(False), _ignoring_case),
        Operator("StringNotEqualsIgnoreCase", _string(False), _ignoring_case, negated=True),
        Operator("StringLike", _string(True), _like),
        Operator("StringNotLike", _string(True), _like, negated=True),
        # ArnEquals and ArnLike behave identically (IAM User Guide, condition operators).
        Operator("ArnEquals", _arn, _like),
        Operator("ArnLike", _arn, _like),
        Operator("ArnNotEquals", _arn, _like, negated=True),
        Operator("ArnNotLike", _arn, _like, negated=True),
        Operator("NumericEquals", _number, _typed(_number, _same)),
        Operator("NumericNotEquals", _number, _typed(_number, _same), negated=True),
        Operator("NumericLessThan", _number, _typed(_number, _less)),
        Operator("NumericLessThanEquals", _number, _typed(_number, _at_most)),
        Operator("NumericGreaterThan", _number, _typed(_number, _more)),
        Operator("NumericGreaterThanEquals", _number, _typed(_number, _at_least)),
        Operator("DateEquals", _date, _typed(_date, _same)),
        Operator("DateNotEquals", _date, _typed(_date, _same), negated=True),
        Operator("DateLessThan", _date, _typed(_date, _less)),
        Operator("DateLessThanEquals", _date, _typed(_date, _at_most)),
        Operator("DateGreaterThan", _date, _typed(_date, _more)),
        Operator("DateGreaterThanEquals", _date, _typed(_date, _at_least)),
        Operator("Bool", _bool, _typed(_bool, _same)),
        Operator("IpAddress", _network, _typed(_address, _in_network)),
        Operator("NotIpAddress", _network, _typed(_address, _in_network), negated=True),
        # Null asks for presence; Condition.holds decides it without comparing.
        Operator("Null", _bool, lambda _v, _p, _r: False),
    )
}

Qualifier = Literal["ForAllValues", "ForAnyValue"]


@dataclass(frozen=True)
class Condition:
    """One operator on one key, with the policy's values for it."""

    operator: Operator
    qualifier: Qualifier | None
    if_exists: bool
    #: Lower-case.
    key: str
    values: tuple[Any, ...]
    #: The key as the policy spells it.
    written: str = field(default="", compare=False)

    def holds(self, request: Request) -> bool:
        """Whether the request meets this condition.

        Source: IAM User Guide, "Condition operators" and "Multivalued context keys".

        Raises:
            UnmodelledPolicy: for a multi-valued key without ForAllValues or ForAnyValue, and for
                Null on an empty value: the guide is silent on the one and calls the other null,
                though the key is there ("The request context", element Condition).
        """
        value = request.get(self.key)
        if self.operator.name == "Null":
            if value is not None and not any(value):
                raise UnmodelledPolicy(f"Null on {self.key}, which the request gives empty")
            return any(wanted is (value is None) for wanted in self.values)
        if self.qualifier is None:
            if value is None:
                return self.if_exists or self.operator.negated
            if isinstance(value, tuple):
                raise UnmodelledPolicy(
                    f"{self.operator.name} on the multi-valued key {self.key} "
                    "without ForAllValues or ForAnyValue"
                )
            return self._meets(value, request)
        present = () if value is None else (value,) if isinstance(value, str) else value
        # "no keys in the request, or values that resolve to a null data set, such as an empty
        # string": ForAllValues holds, ForAnyValue does not.
        if not any(present):
            return self.qualifier == "ForAllValues" or (self.if_exists and value is None)
        check = all if self.qualifier == "ForAllValues" else any
        return check(self._meets(item, request) for item in present)

    def _meets(self, value: str, request: Request) -> bool:
        compare = self.operator.compare
        hit = any(compare(value, wanted, request) for wanted in self.values)
        return hit is not self.operator.negated


# --------------------------------------------------------------------------------------------------
# Policies


def _every(conditions: tuple[Condition, ...], request: Request) -> bool:
    """Whether all conditions hold. One that fails settles it, before or after an unmodelled one."""
    unmodelled: UnmodelledPolicy | None = None
    for condition in conditions:
        try:
            if not condition.holds(request):
                return False
        except UnmodelledPolicy as error:
            unmodelled = unmodelled or error
    if unmodelled is not None:
        raise unmodelled
    return True


@dataclass(frozen=True)
class PrincipalSet:
    """The Principal element, taken apart. Empty sets match nobody."""

    everyone: bool = False
    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


#: How a statement's Principal names the caller: it decides what an Allow is worth.
Named = Literal["directly", "as role", "as account"]


@dataclass(frozen=True)
class Statement:
    """One statement, ready to be matched."""

    label: str
    allow: bool
    actions: tuple[Glob, ...]
    not_actions: tuple[Glob, ...] | None
    resources: tuple[Pattern | ArnPattern, ...] | None
    not_resources: tuple[Pattern | ArnPattern, ...] | None
    conditions: tuple[Condition, ...]
    principals: PrincipalSet | None

    def concerns(self, request: Request) -> bool:
        """Whether action, resource and conditions match; the principal is `names`' business."""
        return self.covers(request) and _every(self.conditions, request)

    def covers(self, request: Request) -> bool:
        """Whether action and resource match, whatever the conditions say."""
        return self.covers_action(request.action) and self.covers_resource(request)

    def covers_action(self, name: str) -> bool:
        """Whether this statement speaks about the action of this name, on some resource."""
        action = name.lower()
        if self.not_actions is not None:
            return not any(glob.matches(action) for glob in self.not_actions)
        return any(glob.matches(action) for glob in self.actions)

    def covers_resource(self, request: Request) -> bool:
        """Whether this statement speaks about the request's resource."""
        resource = request.resource
        if self.not_resources is not None:
            return not any(pattern.matches(resource, request) for pattern in self.not_resources)
        return self.resources is None or any(
            pattern.matches(resource, request) for pattern in self.resources
        )

    def context_keys(self) -> tuple[str, ...]:
        """The context keys that this statement reads, as the policy spells them, each once."""
        patterns = [*(self.resources or ()), *(self.not_resources or ())]
        patterns += [v for c in self.conditions for v in c.values if hasattr(v, "variables")]
        found: dict[str, str] = {}
        for name in [c.written for c in self.conditions]:
            found.setdefault(name.lower(), name)
        for pattern in patterns:
            for variable in pattern.variables:
                found.setdefault(variable.key, variable.written)
        return tuple(found.values())

    def names(self, principal: Principal) -> Named | None:
        """How the Principal element names the caller, or None if it does not."""
        listed = self.principals
        if listed is None:
            return None
        if principal.kind == "service":
            return "directly" if listed.everyone or principal.arn in listed.services else None
        if listed.everyone or principal.arn in listed.arns:
            return "directly"
        if principal.role_arn in listed.arns:
            return "as role"
        if principal.account in listed.accounts:
            # The root user is the account.
            return "directly" if principal.kind == "root" else "as account"
        return None


@dataclass(frozen=True)
class Policy:
    """A parsed document."""

    kind: PolicyKind
    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, document: str | Mapping[str, Any], *, kind: PolicyKind = "identity") -> Policy:
        """Read a document (JSON text or its object). Text is parsed once and remembered.

        Raises:
            UnmodelledPolicy: for anything in it that this model does not decide.
        """
        if isinstance(document, str):
            return _parse_text(document, kind)
        return _parse(document, kind)


@functools.lru_cache(maxsize=4096)
def _parse_text(text: str, kind: PolicyKind) -> Policy:
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise UnmodelledPolicy(f"the policy is not JSON: {error}") from error
    return _parse(document, kind)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise UnmodelledPolicy(f"element {name!r} stands twice in one object")
    return dict(pairs)


def _parse(document: Any, kind: PolicyKind) -> Policy:
    if not isinstance(document, Mapping):
        raise UnmodelledPolicy("the policy is not an object")
    _only(document, {"Version", "Id", "Statement"}, "policy")
    version = document.get("Version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        raise UnmodelledPolicy(f"policy Version {version!r}")
    listed = document.get("Statement")
    statements = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(statements, Sequence) or isinstance(statements, str) or not statements:
        raise UnmodelledPolicy("the policy has no Statement")
    variables = version == "2012-10-17"
    return Policy(
        kind,
        tuple(
            _statement(item, kind, number, variables=variables)
            for number, item in enumerate(statements, start=1)
        ),
    )


def _only(given: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for name in given:
        if name not in allowed:
            raise UnmodelledPolicy(f"element {name!r} in a {where}")


def _strings(value: Any, where: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not items:
        raise UnmodelledPolicy(f"{where} is neither a string nor a list of strings")
    for item in items:
        if not isinstance(item, str):
            raise UnmodelledPolicy(f"{where} holds {item!r}, which is not a string")
    return tuple(items)


_ACTION = re.compile(r"^(\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+)$")


def _statement(item: Any, kind: PolicyKind, number: int, *, variables: bool) -> Statement:
    if not isinstance(item, Mapping):
        raise UnmodelledPolicy(f"statement {number} is not an object")
    elements = {"Sid", "Effect", "Action", "NotAction", "Condition"}
    if kind != "trust":
        elements |= {"Resource", "NotResource"}
    if kind != "identity":
        elements |= {"Principal"}
    if "NotPrincipal" in item:
        raise UnmodelledPolicy(
            "NotPrincipal: it denies every principal that has a permissions boundary, whomever it "
            "excepts, and account, role and session must each be named (IAM User Guide, "
            "NotPrincipal); use Principal * with a condition on aws:PrincipalArn"
        )
    _only(item, elements, f"statement of a {kind} policy")
    sid = item.get("Sid")
    label = sid if isinstance(sid, str) and sid else f"statement {number}"
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise UnmodelledPolicy(f"Effect {effect!r} in {label}")
    if ("Action" in item) == ("NotAction" in item):
        raise UnmodelledPolicy(f"{label} needs either Action or NotAction")
    if kind != "trust" and ("Resource" in item) == ("NotResource" in item):
        raise UnmodelledPolicy(f"{label} needs either Resource or NotResource")
    if kind != "identity" and "Principal" not in item:
        raise UnmodelledPolicy(f"{label} of a {kind} policy has no Principal")
    return Statement(
        label=label,
        allow=effect == "Allow",
        actions=_actions(item.get("Action"), label) or (),
        not_actions=_actions(item.get("NotAction"), label),
        resources=_resources(item.get("Resource"), label, variables),
        not_resources=_resources(item.get("NotResource"), label, variables),
        conditions=_conditions(item.get("Condition", {}), label, variables),
        principals=_principals(item["Principal"], label) if "Principal" in item else None,
    )


def _actions(value: Any, label: str) -> tuple[Glob, ...] | None:
    if value is None:
        return None
    made = []
    for text in _strings(value, f"Action of {label}"):
        if not _ACTION.match(text):
            raise UnmodelledPolicy(f"action {text!r} in {label}")
        made.append(Glob.of(tokens(text.lower(), wildcards=True, variables=False)))
    return tuple(made)


def _resources(value: Any, label: str, variables: bool) -> tuple[Pattern | ArnPattern, ...] | None:
    """`*`, or ARN patterns, which match component by component: a `*` stays in its own, and in the
    last one crosses slashes and colons (IAM User Guide, "IAM JSON policy elements: Resource")."""
    if value is None:
        return None
    return tuple(
        _resource(text, label, variables) for text in _strings(value, f"Resource of {label}")
    )


def _resource(text: str, label: str, variables: bool) -> Pattern | ArnPattern:
    if text == "*":
        return Pattern.of(text, variables=False)
    if not text.startswith("arn:") or text.count(":") < 5:
        raise UnmodelledPolicy(f"resource {text!r} in {label} is not an ARN")
    pattern = ArnPattern.of(text, variables=variables)
    if any(isinstance(token, Variable) for part in pattern.parts[:5] for token in part):
        raise UnmodelledPolicy(f"variable before the fifth colon of resource {text!r} in {label}")
    if any(isinstance(token, Wild) for token in pattern.parts[2]):
        raise UnmodelledPolicy(f"wildcard in the service of resource {text!r} in {label}")
    return pattern


def _principals(value: Any, label: str) -> PrincipalSet:
    if value == "*":
        return PrincipalSet(everyone=True)
    if not isinstance(value, Mapping) or not value:
        raise UnmodelledPolicy(f"Principal {value!r} in {label}")
    everyone = False
    accounts: set[str] = set()
    arns: set[str] = set()
    services: set[str] = set()
    for kind, listed in value.items():
        for text in _strings(listed, f"Principal of {label}"):
            if kind == "Service" and re.match(r"^[a-z0-9.-]+\.amazonaws\.com$", text):
                services.add(text)
            elif kind == "AWS" and text == "*":
                everyone = True
            elif kind == "AWS" and re.match(r"^\d{12}$", text):
                accounts.add(text)
            elif kind == "AWS" and (root := re.match(r"^arn:aws:iam::(\d{12}):root$", text)):
                accounts.add(root.group(1))
            elif kind == "AWS" and re.match(
                r"^arn:aws:(iam::\d{12}:(?:role|user)|sts::\d{12}:assumed-role)/[^*?$]+$", text
            ):
                arns.add(text)
            else:
                raise UnmodelledPolicy(f"principal {kind}: {text!r} in {label}")
    return PrincipalSet(everyone, frozenset(accounts), frozenset(arns), frozenset(services))


_CONDITION_KEY = re.compile(r"^[A-Za-z0-9-]+:\S(?:.*\S)?$")


def _conditions(value: Any, label: str, variables: bool) -> tuple[Condition, ...]:
    if not isinstance(value, Mapping):
        raise UnmodelledPolicy(f"Condition of {label} is not an object")
    made = []
    for written, keys in value.items():
        name, qualifier, if_exists = written, None, False
        for candidate in ("ForAllValues", "ForAnyValue"):
            if written.lower().startswith(candidate.lower() + ":"):
                qualifier, name = candidate, written[len(candidate) + 1 :]
        if name.lower().endswith("ifexists"):
            name, if_exists = name[: -len("IfExists")], True
        operator = OPERATORS.get(name.lower())
        if operator is None or (operator.name == "Null" and (qualifier or if_exists)):
            raise UnmodelledPolicy(f"condition operator {written!r} in {label}")
        if not isinstance(keys, Mapping):
            raise UnmodelledPolicy(f"{written} of {label} is not an object")
        for key, listed in keys.items():
            if not _CONDITION_KEY.match(key):
                raise UnmodelledPolicy(f"condition key {key!r} in {label}")
            items = listed if isinstance(listed, list | tuple) else [listed]
            texts = tuple(_scalar(item, f"{written} {key} of {label}") for item in items)
            made.append(
                Condition(
                    operator=operator,
                    qualifier=qualifier,  # type: ignore[arg-type]
                    if_exists=if_exists,
                    key=key.lower(),
                    values=tuple(operator.parse(text, variables) for text in texts),
                    written=key,
                )
            )
    return tuple(made)


def _scalar(item: Any, where: str) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str | int | Decimal):
        return str(item)
    if isinstance(item, float):
        return repr(item)
    raise UnmodelledPolicy(f"{where} holds {item!r}")


# --------------------------------------------------------------------------------------------------
# Decisions


@dataclass(frozen=True)
class Policies:
    """All policies that speak about one caller and one resource.

    `boundary` None: the role has none. `session` empty: the session was made without policies.
    `resource_decides`: the resource's own policy must grant or hand on (KMS key, trust policy).
    `across`: caller and resource are known to belong to different accounts, and what is asked is
    whether these policies allow it, not whether the other account's do, too.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()
    resource: Policy | None = None
    resource_decides: bool = False
    across: bool = False


@dataclass(frozen=True)
class Decision:
    """The answer. `reason` is a sentence in AWS's words; `statement` names what decided."""

    allowed: bool
    reason: str
    #: The Sid (or number) of the deciding statement, if one statement decided.
    statement: str | None = None
    #: Where it stands: "identity-based policy", "permissions boundary", ...
    layer: str | None = None


IDENTITY = "identity-based policy"
BOUNDARY = "permissions boundary"
SESSION = "session policy"
RESOURCE = "resource-based policy"


def decide(request: Request, policies: Policies) -> Decision:
    """Whether `request` is allowed under `policies`. The rules stand in the module's docstring.

    Raises:
        UnmodelledPolicy: if a statement that concerns the request cannot be decided.
    """
    principal = request.principal
    own: list[tuple[str, Policy]] = []
    if principal.kind in ("session", "user"):
        own += [(IDENTITY, policy) for policy in policies.identity]
        own += [(BOUNDARY, policies.boundary)] if policies.boundary else []
        own += [(SESSION, policy) for policy in policies.session]

    # 1. An explicit deny, anywhere. One that is certain settles it, whatever else is unmodelled.
    unmodelled: UnmodelledPolicy | None = None
    for layer, policy in own:
        for statement in policy.statements:
            try:
                if not statement.allow and statement.concerns(request):
                    return _explicit(request, statement, layer)
            except UnmodelledPolicy as error:
                unmodelled = unmodelled or error
    granted: dict[Named, Statement] = {}
    unmodelled_grant: UnmodelledPolicy | None = None
    for statement in policies.resource.statements if policies.resource else ():
        named = statement.names(principal)
        try:
            if named is None or not statement.concerns(request):
                continue
        except UnmodelledPolicy as error:
            if statement.allow:
                unmodelled_grant = unmodelled_grant or error
            else:
                unmodelled = unmodelled or error
            continue
        if not statement.allow:
            return _explicit(request, statement, RESOURCE)
        granted.setdefault(named, statement)
    owner = request.get("aws:resourceaccount") if "aws:resourceaccount" in request.context else None
    if owner is not None and owner != principal.account and not policies.across:
        return _denied(request, f"because access to account {owner} is not modelled", None, None)

    if unmodelled is not None:
        raise unmodelled
    if unmodelled_grant is not None and not granted:
        raise unmodelled_grant

    # 2. The resource grants it to this very caller.
    if "directly" in granted and principal.kind != "root":
        return _allowed(granted["directly"], RESOURCE)
    if principal.kind == "service":
        return _implicit(request, RESOURCE)
    if principal.kind == "root":
        if policies.resource_decides and not granted:
            return _implicit(request, RESOURCE)
        return Decision(True, "the account's root user may", None, None)

    # 3. The role grants it, and nothing that limits the role stands in the way.
    identity_grant = _granting(policies.identity, request)
    if policies.resource_decides and not granted:
        return _implicit(request, RESOURCE if identity_grant else IDENTITY)
    if "as role" not in granted and identity_grant is None:
        return _implicit(request, IDENTITY)
    if policies.boundary is not None and _granting((policies.boundary,), request) is None:
        return _implicit(request, BOUNDARY)
    if policies.session and _granting(policies.session, request) is None:
        return _implicit(request, SESSION)
    if identity_grant is not None:
        return _allowed(identity_grant, IDENTITY)
    return _allowed(granted["as role"], RESOURCE)


def _granting(policies: Iterable[Policy], request: Request) -> Statement | None:
    """The first statement that allows. An unmodelled one matters only if none does."""
    unmodelled: UnmodelledPolicy | None = None
    for policy in policies:
        for statement in policy.statements:
            try:
                if statement.allow and statement.concerns(request):
                    return statement
            except UnmodelledPolicy as error:
                unmodelled = unmodelled or error
    if unmodelled is not None:
        raise unmodelled
    return None


def _allowed(statement: Statement, layer: str) -> Decision:
    return Decision(True, f"allowed by {statement.label} of the {layer}", statement.label, layer)


def _explicit(request: Request, statement: Statement, layer: str) -> Decision:
    article = "an" if layer[0] in "aeiou" else "a"
    return _denied(request, f"with an explicit deny in {article} {layer}", statement.label, layer)


def _implicit(request: Request, layer: str) -> Decision:
    return _denied(request, f"because no {layer} allows the {request.action} action", None, layer)


def _denied(request: Request, because: str, statement: str | None, layer: str | None) -> Decision:
    return Decision(False, denial(request, because), statement, layer)


def denial(request: Request, because: str) -> str:
    """AWS's sentence for a refused request; S3 alone puts the resource in quotes."""
    on = ""
    if request.resource != "*":
        quote = '"' if request.action.lower().startswith("s3:") else ""
        on = f" on resource: {quote}{request.resource}{quote}"
    return f"{request.principal} is not authorized to perform: {request.action}{on} {because}"
