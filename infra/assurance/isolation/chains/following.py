"""What a role can set off beyond itself, followed to a fixed point.

A step leads from a role to another that something then runs under, or that believes what was
written: an assumed role, a passed one, a function that is invoked or called by an event, code and
data that others read. Whether a role may take a step is decided like everything else, by
`deciding`; what the step leads to stands in `doors`. The way ends at trusted deputies, whose
contracts stand in `deputies`.

Each step is held against the contract of the role that it leads to. One that is listed nowhere is
a breach, whether a learner takes it or a service: so contracts say of everyone who believes whom.

Two things are taken as wider than they are, so that a step may be found that cannot be taken, and
none is missed. Who is granted to read counts as reading, also where a deny or boundary forbids it.
And of a role that is passed it is asked whether something may be started, not on which resource.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from infra.assurance import iam
from infra.assurance.isolation.asking import Ask, Region
from infra.assurance.isolation.chains import deputies
from infra.assurance.isolation.chains.doors import ACTIONS, FLOWS, STARTS, Door, Flow, doors, trusts
from infra.assurance.isolation.chains.event_patterns import Unfollowed
from infra.assurance.isolation.chains.overlapping import Overlaps, overlap
from infra.assurance.isolation.promises.flaws import Flaw
from infra.assurance.isolation.requests.catalogue import Catalogue
from infra.assurance.isolation.requests.deciding import decide_action
from infra.assurance.isolation.shapes import shapes
from infra.assurance.isolation.world import Role, World
from infra.cohort.naming import Names

__all__ = ["Chains", "Reached", "Step", "Unfollowed", "unlisted"]


class Met(Protocol):
    """A class of requests that is allowed, as `deciding.Allowed`."""

    @property
    def request(self) -> iam.Request: ...

    @property
    def asks(self) -> tuple[int, ...]: ...


#: What of an action a role is allowed, with the asks that each allowed class meets.
Decide = Callable[[Role, str, Sequence[Ask]], Sequence[Met]]


@dataclass(frozen=True)
class Step:
    """One step: who takes it, by which request, over what, and whose role it reaches.

    Attributes:
        on: the resource of `request`; of a listed step, a pattern of the resources.
        way: the contract's way that lists it; None: it is a breach.
        request: of a breach that is a request: one that takes the step.
    """

    by: Role = field(repr=False)
    to: Role = field(repr=False)
    action: str
    on: str
    over: tuple[str, ...]
    way: deputies.Way | None
    request: iam.Request | None = field(default=None, repr=False)

    def __str__(self) -> str:
        over = "".join(f" -> {each}" for each in self.over)
        return f"{self.by}: {self.action} on {self.on}{over} -> {self.to}"


@dataclass(frozen=True)
class Reached:
    """All that a role can set off: each step on the way, in the order in which it was found."""

    start: Role
    steps: tuple[Step, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that are reached, each once."""
        return tuple(dict.fromkeys(step.to for step in self.steps))

    @property
    def breaches(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.way is None)

    def path(self, to: Role) -> tuple[Step, ...]:
        """A shortest way from the start to a reached role."""
        found: list[Step] = []
        while to != self.start:
            step = next(each for each in self.steps if each.to == to)
            found.insert(0, step)
            to = step.by
        return tuple(found)


@dataclass(frozen=True)
class _Question:
    """Whether a role may go through a door, and whether on a listed way alone."""

    door: Door
    ways: tuple[tuple[deputies.Way, Region], ...]

    @property
    def through(self) -> Ask:
        return Ask((self.door.action,), self.door.on, self.door.when)

    @property
    def unlisted(self) -> Ask:
        """The same where no way covers it. If nothing of this is allowed, what is allowed of
        `through` lies in the ways."""
        listed = tuple(pattern for _, region in self.ways for pattern in region.any_of)
        on = Region(self.door.on.any_of, (*self.door.on.but_not, *listed))
        return Ask((self.door.action,), on, self.door.when)


class Chains:
    """The steps of a world's roles.

    Args:
        decide: in place of `decide_action`, in tests; then no role decides for another.
    """

    def __init__(self, world: World, catalogue: Catalogue, decide: Decide | None = None) -> None:
        self.world = world
        self.catalogue = catalogue
        self._decide = decide or self._by_proof
        self._shared = decide is None
        self._roles = {role.arn: role for role in world.roles}
        self._doors: dict[str, list[Door]] = defaultdict(list)
        for door in doors(world):
            self._doors[door.action].append(door)
        self._of_resources = tuple(_of_resources(world))
        self._statements: dict[str, tuple[iam.Statement, ...]] = {}
        self._asked: dict[str, dict[str, list[_Question]]] = {}
        self._readers = {flow: self._who_reads(flow) for flow in FLOWS}
        self._steps: dict[str, tuple[Step, ...]] = {}

    def _by_proof(self, role: Role, action: str, asks: Sequence[Ask]) -> Sequence[Met]:
        decided = decide_action(self.world, role, action, asks=asks, catalogue=self.catalogue)
        return decided.allowed

    # --- the fixed point --------------------------------------------------------------------------
    def closure(self, start: Role) -> Reached:
        """Every step that `start` can take or set off, up to the deputies.

        Raises:
            Unfollowed: for a right of which `doors` does not know what it sets off.
            UnmodelledPolicy: for a request that cannot be decided.
        """
        steps: list[Step] = []
        waiting, seen = [start], {start.arn}
        while waiting:
            for step in self.steps(waiting.pop(0)):
                steps.append(step)
                if step.to.arn in seen:
                    continue
                seen.add(step.to.arn)
                if not isinstance(deputies.contract_of(step.to), deputies.Deputy):
                    waiting.append(step.to)
        return Reached(start, tuple(steps))

    def breaches(self) -> tuple[Step, ...]:
        """The steps of any role, deputies too, that no contract lists."""
        if self._shared:
            self._decide_by_shape()
        return tuple(
            step for role in self.world.roles for step in self.steps(role) if step.way is None
        )

    def steps(self, role: Role) -> tuple[Step, ...]:
        """The steps that `role` can take by itself, each way to each role once."""
        if role.arn not in self._steps:
            self._refuse_unknown(role)
            met = {
                action: self._met(role, action, questions)
                for action, questions in self._questions(role).items()
            }
            self._steps[role.arn] = tuple(self._taken(role, met))
        return self._steps[role.arn]

    def _decide_by_shape(self) -> None:
        """Roles that are equal but for their ids, and are asked equal questions, share the answer:
        `shapes` has the argument, and checks it."""
        for shape in shapes(self.world, asks=self._asks, catalogue=self.catalogue):
            one = shape.representative
            self._refuse_unknown(one)
            met = {
                action: self._met(one, action, questions)
                for action, questions in self._questions(one).items()
            }
            for role in shape.roles:
                self._steps[role.arn] = tuple(self._taken(role, met))

    # --- what is asked of a role ------------------------------------------------------------------
    def _asks(self, role: Role) -> list[Ask]:
        return [
            ask
            for questions in self._questions(role).values()
            for question in questions
            for ask in (question.through, question.unlisted)
        ]

    def _questions(self, role: Role) -> dict[str, list[_Question]]:
        """By action. Only about actions that some Allow names: of others nothing is allowed."""
        if role.arn not in self._asked:
            found: dict[str, list[_Question]] = defaultdict(list)
            for door in (*self._open_to(role), *self._passes(role), *self._writes(role)):
                if door.to != role.arn:
                    ways = tuple(self._ways(role, self._roles[door.to], door.action))
                    found[door.action].append(_Question(door, ways))
            self._asked[role.arn] = dict(found)
        return self._asked[role.arn]

    def _open_to(self, role: Role) -> Iterator[Door]:
        covered = self._allows(role)
        for action, listed in self._doors.items():
            by_itself = action == deputies.END_OF_JOB and role.kind == "training"
            if by_itself or action.lower() in covered:
                yield from listed

    def _passes(self, role: Role) -> Iterator[Door]:
        """The roles that `role` may be able to pass, each with what is started under it."""
        covered = self._allows(role)
        if "iam:passrole" not in covered:
            return
        passing = [entry.name for entry in self.catalogue if entry.passes_role]
        for action in dict.fromkeys((*STARTS, *passing)):
            if action.lower() not in covered or not self._decide(role, action, ()):
                continue
            if action not in STARTS:
                raise Unfollowed(
                    f"{role} may pass a role and {action}: to whom that hands it is not known here"
                )
            for service in STARTS[action]:
                # Absent where a service does not tell: "iam:PassedToService" in "IAM and AWS STS
                # condition context keys" (IAM user guide).
                when = {"StringEqualsIfExists": {"iam:PassedToService": service}}
                for to in self.world.roles:
                    if trusts(to, service):
                        yield Door("iam:PassRole", Region((to.arn,)), to.arn, (action,), when)

    def _writes(self, role: Role) -> Iterator[Door]:
        """Who reads what `role` may be able to write."""
        covered = self._allows(role)
        for flow in FLOWS:
            for action in flow.writes:
                if action.lower() not in covered:
                    continue
                found: dict[tuple[str, str], None] = {}
                for pattern in self._granted(role, action):
                    found |= dict.fromkeys(self._readers[flow].with_any_of(pattern))
                for reader, on in found:
                    yield Door(action, Region((on,)), reader, (flow.reads[0],))

    def _who_reads(self, flow: Flow) -> Overlaps[tuple[str, str]]:
        """By the patterns of what is read: the reader's ARN, and the pattern of what is written."""
        made: Overlaps[tuple[str, str]] = Overlaps()
        for role in self.world.roles:
            patterns: dict[str, None] = {}
            for read in flow.reads:
                if read.lower() in self._allows(role):
                    patterns |= dict.fromkeys(map(flow.written, self._granted(role, read)))
            for pattern in patterns:
                made.add(pattern, (role.arn, pattern))
        return made

    def _ways(self, role: Role, to: Role, action: str) -> Iterator[tuple[deputies.Way, Region]]:
        contract = deputies.contract_of(to)
        for way in contract.ways if contract is not None else ():
            region = way.region(self.world, role, to) if action in way.actions else None
            if region is not None:
                yield way, region

    # --- what statements say ----------------------------------------------------------------------
    def _allowing(self, role: Role) -> tuple[iam.Statement, ...]:
        """The statements that may allow `role` something: its own, and those of resources."""
        if role.arn not in self._statements:
            own = (s for document in role.identity for s in document.policy.statements if s.allow)
            # One that names the account hands the decision on, to the role's own statements.
            grants = ("directly", "as role")
            by_others = (s for s in self._of_resources if s.names(role.session) in grants)
            self._statements[role.arn] = (*own, *by_others)
        return self._statements[role.arn]

    def _allows(self, role: Role) -> frozenset[str]:
        """The catalogue's actions, lower-case, that some Allow names for `role`."""
        return frozenset().union(*(self.catalogue.covered(each) for each in self._allowing(role)))

    def _granted(self, role: Role, action: str) -> tuple[str, ...]:
        """The resource patterns of what allows `role` the action."""
        found: dict[str, None] = {}
        for statement in self._allowing(role):
            if not statement.covers_action(action.lower()):
                continue
            if statement.resources is None:
                found["*"] = None
            for pattern in statement.resources or ():
                found[pattern.text] = None
        return tuple(found)

    # --- decided ----------------------------------------------------------------------------------
    def _met(self, role: Role, action: str, questions: Sequence[_Question]) -> list[int]:
        """Of each question: 0 if nothing is allowed, 1 if listed ways alone, 2 if more."""
        if action == deputies.END_OF_JOB:
            return [
                0 if not self._ends_there(role, q.door) else 1 if q.ways else 2 for q in questions
            ]
        asks = list(dict.fromkeys(a for q in questions for a in (q.through, q.unlisted)))
        at = {ask: index for index, ask in enumerate(asks)}
        met = {index for each in self._decide(role, action, asks) for index in each.asks}
        return [2 if at[q.unlisted] in met else 1 if at[q.through] in met else 0 for q in questions]

    def _ends_there(self, role: Role, door: Door) -> bool:
        """Whether jobs under the role may be those whose end this is: jobs have their cohort's
        name, and no broker passes another cohort's roles (both are promised)."""
        own = (
            f"arn:aws:sagemaker:{self.world.region}:{self.world.account}:training-job/"
            f"{Names(role.cohort).job_prefix('*')}*"
        )
        return any(overlap(own, pattern) for pattern in door.on.any_of)

    def _taken(self, role: Role, met: dict[str, list[int]]) -> Iterator[Step]:
        seen = set()
        for action, questions in self._questions(role).items():
            for question, how in zip(questions, met[action], strict=True):
                if how == 2:
                    yield from self._unlisted(role, question)
                elif how == 1:
                    way, region = question.ways[0]
                    step = Step(
                        role,
                        self._roles[question.door.to],
                        action,
                        region.any_of[0],
                        question.door.over,
                        way,
                    )
                    if (step.to.arn, action, way, step.over) not in seen:
                        seen.add((step.to.arn, action, way, step.over))
                        yield step

    def _unlisted(self, role: Role, question: _Question) -> Iterator[Step]:
        """The unlisted step, with a request that takes it."""
        door, to = question.door, self._roles[question.door.to]
        step = Step(role, to, door.action, door.on.any_of[0], door.over, None)
        if door.action == deputies.END_OF_JOB:
            yield step
            return
        for each in self._decide(role, door.action, (question.unlisted,)):
            if each.asks:
                yield replace(step, on=each.request.resource, request=each.request)
                return

    def _refuse_unknown(self, role: Role) -> None:
        """Raises Unfollowed if `role` is allowed an action of which nothing stands in `doors`."""
        for name in sorted(self._allows(role)):
            entry = self.catalogue.action(name)
            if entry is None or entry.name in ACTIONS or entry.level in ("Read", "List"):
                continue
            if self._decide(role, entry.name, ()):
                raise Unfollowed(f"{role} may {entry.name}: what that sets off is not known here")


def _of_resources(world: World) -> Iterator[iam.Statement]:
    """What policies of resources, trust policies too, allow whomever they name."""
    documents = [each.document for each in world.guarded if each.document is not None]
    for document in (*documents, *(role.trust for role in world.roles)):
        yield from (statement for statement in document.policy.statements if statement.allow)


def unlisted(world: World) -> Iterator[Flaw]:
    """The steps of any role of `world` that no contract lists, as flaws for a promise.

    Raises:
        Unfollowed: for a right of which it is not known here what it sets off.
    """
    for step in Chains(world, Catalogue.published()).breaches():
        yield Flaw(f"no contract lists this step. {step}", step.by.source)
