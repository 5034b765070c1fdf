"""iam:SimulatePrincipalPolicy and iam:SimulateCustomPolicy, answered by what also enforces.

What is simulated is policies alone, as on AWS: no call is made, no resource's own policy is looked
up, and a context key that the caller does not give counts as absent and is told.

Where the API reference leaves a detail open, answers of AWS that people have published decide:
what a SourcePolicyId looks like (aws-cli's example of simulate-custom-policy; inline policies are
role_ROLE_POLICY), that SourcePolicyType says "IAM Policy" where the model lists other words, and
that a statement's position begins where the token before it ends.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from infra.assurance import iam
from infra.offline import patching
from infra.offline.authorization import credentials, state


class _Refused(ServiceException):  # type: ignore[misc]
    """An error of the two operations, with the code that IAM gives it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _invalid(message: str) -> _Refused:
    return _Refused("InvalidInput", message)


# --------------------------------------------------------------------------------------------------
# Policies and where they stand


@dataclass(frozen=True)
class Source:
    """A policy of a simulation, with the text whose lines and columns the answer names."""

    id: str
    text: str
    policy: iam.Policy
    type: str = "IAM Policy"

    @classmethod
    def read(cls, name: str, text: str, **more: Any) -> Source:
        """A policy from the request's input.

        Raises:
            _Refused: InvalidInput for what is no policy, and for what is outside the model, by
                name.
        """
        kind = more.pop("kind", "identity")
        try:
            return cls(name, text, iam.Policy.parse(text, kind=kind), **more)
        except iam.UnmodelledPolicy as error:
            raise _invalid(f"Invalid Input {name}: {error}") from None

    def matched(self, statement: iam.Statement) -> dict[str, Any]:
        start, end = spans(self.text)[self.policy.statements.index(statement)]
        return {
            "SourcePolicyId": self.id,
            "SourcePolicyType": self.type,
            "StartPosition": _position(self.text, start),
            "EndPosition": _position(self.text, end),
        }


def spans(text: str) -> list[tuple[int, int]]:
    """Where each statement of a document begins and ends, as AWS counts.

    A statement begins where the token before it ends: the bracket of the list, or the statement
    before. One that stands alone, without a list, begins after its own brace.
    """
    decoder = json.JSONDecoder()
    at = _value_of(text, "Statement")
    if text[at] == "{":
        return [(at + 1, decoder.raw_decode(text, at)[1])]
    made: list[tuple[int, int]] = []
    at += 1
    while True:
        opening = re.compile(r"[\s,]*").match(text, at)
        assert opening is not None  # the pattern matches nothing at all, too
        if text[opening.end()] == "]":
            return made
        end = decoder.raw_decode(text, opening.end())[1]
        made.append((at, end))
        at = end


def _value_of(text: str, member: str) -> int:
    """Where the value of a member of the outermost object begins."""
    decoder = json.JSONDecoder()
    blank = re.compile(r"[\s,:]*")

    def skip(position: int) -> int:
        found = blank.match(text, position)
        return position if found is None else found.end()

    at = skip(text.index("{") + 1)
    while True:
        name, at = decoder.raw_decode(text, at)
        at = skip(at)
        if name == member:
            return at
        at = skip(decoder.raw_decode(text, at)[1])


def _position(text: str, offset: int) -> dict[str, int]:
    """Lines and columns count from 1."""
    before = text[:offset]
    return {"Line": before.count("\n") + 1, "Column": offset - (before.rfind("\n") + 1) + 1}


@dataclass(frozen=True)
class Simulated:
    """Whose policies, with what in force."""

    caller: iam.Principal
    identity: tuple[Source, ...]
    boundary: Source | None
    resource: Source | None

    def policies(self) -> iam.Policies:
        return iam.Policies(
            identity=tuple(source.policy for source in self.identity),
            boundary=None if self.boundary is None else self.boundary.policy,
            resource=None if self.resource is None else self.resource.policy,
        )

    def sources(self) -> tuple[Source, ...]:
        further = (self.boundary, self.resource)
        return (*self.identity, *(source for source in further if source is not None))


# --------------------------------------------------------------------------------------------------
# One action on one resource


@dataclass(frozen=True)
class Outcome:
    decision: str
    matched: list[dict[str, Any]]
    missing: list[str]
    #: None if there is no boundary.
    within_boundary: bool | None


def outcome(simulated: Simulated, request: iam.Request) -> Outcome:
    """What the policies say of one request.

    Raises:
        _Refused: PolicyEvaluation, if that is outside the model.
    """
    try:
        decision = iam.decide(request, simulated.policies())
        boundary = simulated.boundary
        return Outcome(
            decision=_word(decision),
            matched=_matched(simulated, request, decision),
            missing=_missing(simulated, request),
            within_boundary=None if boundary is None else _allows(boundary, request),
        )
    except iam.UnmodelledPolicy as error:
        raise _Refused("PolicyEvaluation", f"outside the embedded cloud's IAM: {error}") from None


def _word(decision: iam.Decision) -> str:
    if decision.allowed:
        return "allowed"
    return "explicitDeny" if decision.statement is not None else "implicitDeny"


def _allows(source: Source, request: iam.Request) -> bool:
    matching = [each for each in source.policy.statements if each.concerns(request)]
    return bool(matching) and all(statement.allow for statement in matching)


def _matched(
    simulated: Simulated, request: iam.Request, decision: iam.Decision
) -> list[dict[str, Any]]:
    """The statements that decided: all that deny if one does, all that allow if it is allowed."""
    if not decision.allowed and decision.statement is None:
        return []
    found = []
    for source in simulated.sources():
        if decision.allowed and source is simulated.boundary:
            continue  # it limits, and grants nothing
        for statement in source.policy.statements:
            named = statement.principals is None or statement.names(request.principal) is not None
            if statement.allow is decision.allowed and named and statement.concerns(request):
                found.append(source.matched(statement))
    return found


def _missing(simulated: Simulated, request: iam.Request) -> list[str]:
    """The keys that statements about this action and resource read and the caller did not give."""
    missing: dict[str, str] = {}
    for source in simulated.sources():
        for statement in source.policy.statements:
            if statement.covers(request):
                for key in statement.context_keys():
                    if key.lower() not in request.context:
                        missing.setdefault(key.lower(), key)
    return list(missing.values())


# --------------------------------------------------------------------------------------------------
# The operations

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
_TYPES = {"string", "numeric", "boolean", "ip", "binary", "date"}
#: Default and maximum of MaxItems (API reference).
_PAGE, _LARGEST_PAGE = 100, 1000


def results(params: Mapping[str, Any], simulated: Simulated) -> list[dict[str, Any]]:
    """An EvaluationResult for each action, in which each resource has its own decision."""
    context = context_of(params.get("ContextEntries") or ())
    resources = list(params.get("ResourceArns") or ())
    owner = params.get("ResourceOwner")
    if owner:
        found = re.fullmatch(r"(?:arn:aws:iam::)?(\d{12})(?::root)?", str(owner))
        if found is None:
            raise _invalid(f"Invalid Input ResourceOwner: {owner!r} is no account")
        context.setdefault("aws:ResourceAccount", found.group(1))
    if params.get("ResourceHandlingOption"):
        raise _invalid("ResourceHandlingOption is for EC2, which the embedded cloud does not serve")
    made = []
    for action in params.get("ActionNames") or ():
        if not _ACTION.fullmatch(str(action)):
            raise _invalid(f"Invalid Input ActionNames: {action!r} is not SERVICE:ACTION")
        each = [
            (resource, outcome(simulated, _request(simulated.caller, action, resource, context)))
            for resource in resources or ["*"]
        ]
        made.append(_result(action, each, listed=bool(resources)))
    return made


def _request(
    caller: iam.Principal, action: str, resource: str, context: Mapping[str, iam.Value]
) -> iam.Request:
    if resource != "*" and len(resource.split(":", 5)) != 6:
        raise _invalid(f"Invalid Input ResourceArns: {resource!r} is no ARN")
    return iam.Request(caller, action, resource, context)


#: The result over several resources is that of the one with the worst.
_WORST = ("explicitDeny", "implicitDeny", "allowed")


def _result(action: str, each: Sequence[tuple[str, Outcome]], *, listed: bool) -> dict[str, Any]:
    decision = min((found.decision for _, found in each), key=_WORST.index)
    made: dict[str, Any] = {
        "EvalActionName": action,
        # AWS names the type of the resources if there are several; here they are "*".
        "EvalResourceName": each[0][0] if len(each) == 1 else "*",
        "EvalDecision": decision,
        "MatchedStatements": each[0][1].matched if len(each) == 1 else [],
        "MissingContextValues": [] if listed else each[0][1].missing,
    }
    limits = [found.within_boundary for _, found in each if found.within_boundary is not None]
    if limits:
        made["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": all(limits)}
    if listed:
        made["ResourceSpecificResults"] = [_specific(name, found) for name, found in each]
    return made


def _specific(resource: str, found: Outcome) -> dict[str, Any]:
    made: dict[str, Any] = {
        "EvalResourceName": resource,
        "EvalResourceDecision": found.decision,
        "MatchedStatements": found.matched,
        "MissingContextValues": found.missing,
    }
    if found.within_boundary is not None:
        made["PermissionsBoundaryDecisionDetail"] = {
            "AllowedByPermissionsBoundary": found.within_boundary
        }
    return made


def context_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, iam.Value]:
    """The context keys of a simulation. A type that ends in List makes the key multi-valued."""
    made: dict[str, iam.Value] = {}
    for entry in entries:
        name = str(entry.get("ContextKeyName") or "")
        type_ = str(entry.get("ContextKeyType") or "string")
        values = tuple(str(value) for value in entry.get("ContextKeyValues") or ())
        if not name or type_.removesuffix("List") not in _TYPES:
            raise _invalid(f"Invalid Input ContextEntries: {name!r} of type {type_!r}")
        if type_.startswith("binary"):
            raise _invalid(f"{name}: binary context keys are not modelled")
        if not values:
            continue
        if not type_.endswith("List") and len(values) > 1:
            raise _invalid(f"Invalid Input ContextEntries: {name} has {len(values)} values")
        made[name] = values if type_.endswith("List") else values[0]
    return made


def page_of(
    found: Sequence[dict[str, Any]], params: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str | None]:
    """The page that MaxItems and Marker ask for, and the marker of the next one.

    A marker stands for the request that it came from; with another one it is refused.
    """
    size = int(params.get("MaxItems") or _PAGE)
    if not 1 <= size <= _LARGEST_PAGE:
        raise _invalid(f"Invalid Input MaxItems: {size} is not between 1 and {_LARGEST_PAGE}")
    asked = {key: value for key, value in params.items() if key not in ("MaxItems", "Marker")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    start = 0
    if params.get("Marker"):
        try:
            number, of = json.loads(base64.urlsafe_b64decode(str(params["Marker"])))
            start = int(number)
        except (ValueError, TypeError):
            of = None
        if of != digest[:16] or not 0 < start < len(found):
            raise _invalid("Invalid Marker")
    end = start + size
    if end >= len(found):
        return list(found[start:]), None
    marker = base64.urlsafe_b64encode(json.dumps([end, digest[:16]]).encode()).decode()
    return list(found[start:end]), marker


def _answer(found: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> ActionResult:
    page, marker = page_of(found, params)
    body: dict[str, Any] = {"EvaluationResults": page, "IsTruncated": marker is not None}
    if marker is not None:
        body["Marker"] = marker
    return ActionResult(body)


# --- whose policies -------------------------------------------------------------------------------
_ROLE = re.compile(r"arn:aws:iam::\d{12}:role/.+")
_USER = re.compile(r"arn:aws:iam::\d{12}:user/.+")


def _caller(arn: str) -> iam.Principal:
    if _USER.fullmatch(arn):
        return iam.Principal.user(arn)
    if _ROLE.fullmatch(arn):
        # A role acts through sessions; this one's name stands for any.
        account, name = arn.split(":")[4], arn.rsplit("/", 1)[-1]
        session = f"arn:aws:sts::{account}:assumed-role/{name}/simulation"
        return iam.Principal.session(session, role_arn=arn)
    raise _invalid(f"Invalid Input CallerArn: {arn!r} is not the ARN of a user or a role")


def _role_sources(arn: str) -> tuple[tuple[Source, ...], Source | None]:
    """The policies of a role, and its boundary."""
    try:
        role = credentials.find_role(arn)
    except LookupError:
        raise _invalid(f"Invalid Input PolicySourceArn: {arn!r} is not a role's ARN") from None
    if role is None:
        raise _Refused("NoSuchEntity", f"Role with arn {arn} does not exist.")
    account = arn.split(":")[4]
    own = [
        Source.read(f"role_{role.name}_{name}", state.text_of(text))
        for name, text in list(role.policies.items())
    ]
    own += [
        Source.read(policy.name, state.document_of(policy))
        for policy in list(role.managed_policies.values())
    ]
    boundary = None
    if role.permissions_boundary_arn:
        text = state.managed_policy(account, role.permissions_boundary_arn)
        if text is None:
            raise _Refused(
                "PolicyEvaluation", f"boundary {role.permissions_boundary_arn} does not exist"
            )
        boundary = Source.read(role.permissions_boundary_arn.rsplit("/", 1)[-1], text)
    return tuple(own), boundary


def _given(params: Mapping[str, Any], member: str) -> Iterator[Source]:
    for number, text in enumerate(params.get(member) or (), start=1):
        yield Source.read(f"{member}.{number}", str(text))


def _with_input(params: Mapping[str, Any], simulated: Simulated) -> Simulated:
    """The simulation with the policies that the request brings along."""
    boundaries = tuple(_given(params, "PermissionsBoundaryPolicyInputList"))
    if len(boundaries) > 1:
        raise _invalid("Invalid Input PermissionsBoundaryPolicyInputList: only one is possible")
    resource = params.get("ResourcePolicy")
    if resource and simulated.caller.kind != "user":
        # "Simulation of resource-based policies isn't supported for IAM roles" (API reference,
        # SimulatePrincipalPolicy, ResourcePolicy).
        raise _invalid(
            "ResourcePolicy is simulated for IAM users only; give a user as the CallerArn"
        )
    return replace(
        simulated,
        identity=(*simulated.identity, *_given(params, "PolicyInputList")),
        boundary=boundaries[0] if boundaries else simulated.boundary,
        resource=Source.read(
            "ResourcePolicy", str(resource), kind="resource", type="Resource Policy"
        )
        if resource
        else None,
    )


def simulate_principal(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The EvaluationResults of SimulatePrincipalPolicy."""
    if params.get("PolicyExclusionList"):
        raise _invalid("PolicyExclusionList is not modelled")
    arn = str(params.get("PolicySourceArn") or "")
    caller = _caller(str(params.get("CallerArn") or arn))
    identity, boundary = _role_sources(arn)
    return results(params, _with_input(params, Simulated(caller, identity, boundary, None)))


def simulate_custom(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The EvaluationResults of SimulateCustomPolicy. Without a CallerArn somebody calls who is
    named in no policy."""
    if params.get("OrderedOrganizationPolicyInputList"):
        raise _invalid("OrderedOrganizationPolicyInputList: organizations are not modelled")
    if params.get("ResourcePolicy") and not params.get("CallerArn"):
        raise _invalid("CallerArn is required with a ResourcePolicy")
    nobody = f"arn:aws:iam::{params.get('ResourceOwner') or '000000000000'}:user/simulation"
    caller = _caller(str(params.get("CallerArn") or nobody))
    return results(params, _with_input(params, Simulated(caller, (), None, None)))


_BECAUSE = (
    "moto does not have it; the SageMaker Python SDK asks it about a job's role, and an admin "
    "checks policies with it"
)


@patching.adds("moto.iam.responses:IamResponse.simulate_principal_policy", because=_BECAUSE)
def _simulate_principal_policy(self: Any) -> ActionResult:
    params = self._get_params()
    return _answer(simulate_principal(params), params)


@patching.adds("moto.iam.responses:IamResponse.simulate_custom_policy", because=_BECAUSE)
def _simulate_custom_policy(self: Any) -> ActionResult:
    params = self._get_params()
    return _answer(simulate_custom(params), params)
