"""What an admin seems to have meant by a change of the cohort file, what follows, and what to do.

Read from the templates, deployed and new: who has a home in which team's stack, in whose domain,
on what network. And what CloudFormation or SageMaker would refuse half-way, before they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.assurance.changes import Change
from infra.assurance.losses import person_of, volume_gb
from infra.assurance.templates import Resource, Templates
from infra.cohort.naming import Names

#: Names that are free in an account and region only once, and the property that gives them.
#: A domain's: SageMaker's CreateDomain refuses one that is in use.
NAMED: Mapping[str, str] = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SageMaker::Domain": "DomainName",
}


@dataclass(frozen=True)
class Intention:
    """Something that an admin seems to want.

    Attributes:
        kind: moved, left, joined, renamed, team-left, team-joined, isolation, network, storage.
        who: the people, teams or nothing that it is about.
        says: what it means.
        do: what to do before or after the deploy, a sentence each.
    """

    kind: str
    who: tuple[str, ...]
    says: str
    do: tuple[str, ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """Why a deploy would fail half-way, and what to do about it."""

    says: str
    do: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Home:
    """A person's home as templates have it."""

    person: str
    #: A team's id, or the name of the stack that is no team's.
    team: str
    volume_gb: int | None
    #: Who shares its domain: learner, team or cohort; and how that reaches the world.
    isolation: str
    network: str


def intentions(before: Templates, after: Templates, names: Names) -> list[Intention]:
    """What seems to be meant by the way from `before` to `after`."""
    old, new = _homes(before, names), _homes(after, names)
    return [
        *_movers(old, new, names, before, after),
        *_comers(old, new, after, names),
        *_teams(before, after, names),
        *_isolation(old, new),
        *_network(old, new),
        *_storage(old, new),
    ]


def _movers(
    old: Mapping[str, _Home],
    new: Mapping[str, _Home],
    names: Names,
    before: Templates,
    after: Templates,
) -> Iterator[Intention]:
    for person in sorted(old.keys() & new.keys()):
        origin, target = old[person].team, new[person].team
        if origin == target:
            continue
        stays = _team_stack(names, origin) in after.stacks
        first = (
            f"Deploy the team that {person} leaves first: npx cdk deploy "
            f"{_team_stack(names, origin)} -c cohort=FILE, then --all. The other way round "
            f"{person}'s role, alias and workspace exist already, and {target}'s deploy fails"
            if stays
            else f"Run cohort reconcile FILE before the deploy: {origin} has left the file, and "
            f"{person}'s role, alias and workspace are still in its stack"
        )
        work = _work(before)
        kept = f"s3://{work}/{names.team_prefix(origin)}{person}/"
        yield Intention(
            "moved",
            (person,),
            f"{person} moves from {origin} to {target}. A home does not move with its learner: the "
            f"one in {origin}'s stack goes, and {target}'s stack makes an empty one. What {person} "
            "has spent stays in the ledger",
            (
                f"To keep what is in it, {person} copies it into {origin}'s folder before the "
                f"deploy, in a terminal of the space: aws s3 cp --recursive ~ {kept}",
                f"And you copy it on, for {target} cannot read there: aws s3 cp --recursive "
                f"{kept} s3://{work}/{names.team_prefix(target)}{person}/",
                first,
            ),
        )


def _comers(
    old: Mapping[str, _Home], new: Mapping[str, _Home], after: Templates, names: Names
) -> Iterator[Intention]:
    """Who comes and goes in teams that stay; of the others their stacks are told."""
    left, joined = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    teams = sorted({home.team for home in old.values()})
    for team in [each for each in teams if _team_stack(names, each) in after.stacks]:
        went = [person for person in left if old[person].team == team]
        came = [person for person in joined if new[person].team == team]
        if len(went) == len(came) == 1:
            yield Intention(
                "renamed",
                (went[0], came[0]),
                f"{went[0]} leaves {team} and {came[0]} joins it. If that is one person with a new "
                "id: an id is who somebody is, so home, spending and cap do not follow it",
                (f"To keep home and spending, leave the id {went[0]} as it is",),
            )
            continue
        for person in went:
            yield Intention(
                "left", (person,), f"{person} leaves {team}, and the home goes with the workspace"
            )
        if came:
            joins = "join" if len(came) > 1 else "joins"
            yield Intention("joined", tuple(came), f"{' and '.join(came)} {joins} {team}")


def _teams(before: Templates, after: Templates, names: Names) -> Iterator[Intention]:
    start = names.team_stack("")
    for stack in before.stacks:
        if stack not in after.stacks:
            what = f"team {stack.removeprefix(start)}" if stack.startswith(start) else stack
            yield Intention(
                "team-left",
                (stack,),
                f"{what} is in the file no more. A deploy leaves its stack as it is, with its "
                "homes, and what runs there goes on",
                ("cohort reconcile FILE ends what runs, says what is lost, and removes it",),
            )
    for stack in after.stacks:
        if stack not in before.stacks and before.stacks:
            what = "team " if stack.startswith(start) else "the stack "
            yield Intention("team-joined", (stack,), f"{what}{stack.removeprefix(start)} is new")


def _isolation(old: Mapping[str, _Home], new: Mapping[str, _Home]) -> Iterator[Intention]:
    was = {old[person].isolation for person in old.keys() & new.keys()}
    will = {new[person].isolation for person in old.keys() & new.keys()}
    if was != will:
        yield Intention(
            "isolation",
            tuple(sorted(old.keys() & new.keys())),
            f"isolation changes from {' and '.join(sorted(was))} to {' and '.join(sorted(will))}. "
            "A home belongs to a domain and cannot go to another: everybody gets a new, empty one",
            (
                "To keep what is in them, have everybody copy it into their team's folder first",
                "It is free only before the first learner works: better for the next cohort",
            ),
        )


def _network(old: Mapping[str, _Home], new: Mapping[str, _Home]) -> Iterator[Intention]:
    people = sorted(
        person for person in old.keys() & new.keys() if old[person].network != new[person].network
    )
    if people:
        was, will = old[people[0]].network, new[people[0]].network
        # Source: AppNetworkAccessType of UpdateDomain in botocore's model of sagemaker.
        yield Intention(
            "network",
            tuple(people),
            f"the network of the Studio domains changes from {was} to {will}. Homes stay, but "
            "SageMaker changes that only while no app of the domain runs, starts or ends",
            ("Deploy when every space is closed: cohort spend FILE shows what runs",),
        )


def _storage(old: Mapping[str, _Home], new: Mapping[str, _Home]) -> Iterator[Intention]:
    for larger, word in ((True, "grow"), (False, "shrink")):
        people = [
            person
            for person in sorted(old.keys() & new.keys())
            if (was := old[person].volume_gb)
            and (will := new[person].volume_gb)
            and was != will
            and (will > was) is larger
        ]
        if people:
            yield Intention(
                "storage",
                tuple(people),
                f"homes {word} from {old[people[0]].volume_gb} to {new[people[0]].volume_gb} GB",
            )


# --- what would be refused -----------------------------------------------------------------------


def obstacles(
    found: list[Change], before: Templates, after: Templates, names: Names
) -> list[Obstacle]:
    """What a deploy with these changes would fail on."""
    return [
        *_clashes(found, before, after),
        *_unrenamed(found),
        *_shrinking(found, names),
    ]


def _clashes(found: list[Change], before: Templates, after: Templates) -> Iterator[Obstacle]:
    """Names that one resource is to get while another still has them."""
    holders: dict[tuple[str, str], Resource] = {
        (each.type, name): each for each in before.resources(*NAMED) if (name := _name(each))
    }
    going = {
        (change.before.stack, change.before.logical_id): change
        for change in found
        if change.gone and change.before
    }
    told: set[tuple[str, str]] = set()
    for change in found:
        made = change.after
        if made is None or change.action not in ("create", "replace"):
            continue
        name = _name(made)
        holder = holders.get((made.type, name)) if name else None
        if holder is None or (holder.logical_id == made.logical_id and holder.stack == made.stack):
            continue
        leaves = going.get((holder.stack, holder.logical_id))
        if leaves and leaves.stays:
            yield Obstacle(
                f"{made.stack} makes {_told(made)}, and the one there is would be kept "
                "(protect: true) under that name",
                (f"Remove the kept one by hand, or give the new one another name: {_told(made)}",),
            )
        elif (holder.stack, made.stack) not in told:
            told.add((holder.stack, made.stack))
            yield _out_of_order(holder, made, after)


def _out_of_order(holder: Resource, made: Resource, after: Templates) -> Obstacle:
    says = f"{made.stack} makes {_told(made)}, which {holder.stack} still has"
    if holder.stack == made.stack:
        return Obstacle(
            f"{made.stack} makes {_told(made)} anew under another logical id, and CloudFormation "
            "makes the new one before it deletes the old",
            ("Keep the logical id (a construct was moved or renamed), or deploy without it first",),
        )
    if holder.stack in after.stacks:
        first = f"npx cdk deploy {holder.stack} -c cohort=FILE, then npx cdk deploy --all"
        return Obstacle(says, (f"Deploy in this order: {first}",))
    return Obstacle(says, ("Run cohort reconcile FILE first: it removes what left the file",))


def _unrenamed(found: list[Change]) -> Iterator[Obstacle]:
    """CloudFormation replaces nothing whose name it would need for both at once."""
    for change in found:
        before, after = change.before, change.after
        if change.action != "replace" or before is None or after is None:
            continue
        if NAMED.get(after.type) and _name(before) == _name(after) is not None:
            yield Obstacle(
                f"{after.stack} would replace {_told(after)} for its {', '.join(change.because)}, "
                "and CloudFormation cannot: the name is in use until the old one is deleted",
                ("Take the change back, or deploy the resource under another name",),
            )


def _shrinking(found: list[Change], names: Names) -> Iterator[Obstacle]:
    spaces = [
        (person_of(change.before, names), was, will)
        for change in found
        if change.action == "update" and change.before and change.after
        if change.before.type == "AWS::SageMaker::Space"
        if (was := volume_gb(change.before)) and (will := volume_gb(change.after)) and will < was
    ]
    if spaces:
        people = ", ".join(str(person) for person, _, _ in spaces)
        _, was, will = spaces[0]
        # Source: "Amazon EBS Elastic Volumes" in the EBS user guide: volumes grow, never shrink.
        yield Obstacle(
            f"a home cannot shrink from {was} to {will} GB: no volume of EBS can ({people})",
            (f"Leave studio.storage_gb at {was} or more",),
        )


def _name(resource: Resource) -> str | None:
    name = resource.properties.get(NAMED.get(resource.type, ""))
    return name if isinstance(name, str) else None


def _told(resource: Resource) -> str:
    return f"{resource.type.rsplit('::', 1)[-1]} {_name(resource)}"


# --- homes ---------------------------------------------------------------------------------------


def _homes(templates: Templates, names: Names) -> dict[str, _Home]:
    homes = {}
    for space in templates.resources("AWS::SageMaker::Space"):
        person = person_of(space, names)
        if person is None:
            continue
        domain = _domain(templates, space)
        start = names.team_stack("")
        homes[person] = _Home(
            person=person,
            team=space.stack.removeprefix(start),
            volume_gb=volume_gb(space),
            isolation=_isolation_of(space, domain, names),
            network=str(domain.properties.get("AppNetworkAccessType")) if domain else "unknown",
        )
    return homes


def _domain(templates: Templates, space: Resource) -> Resource | None:
    """The domain that a space stands in: of its own stack, or named by an SSM parameter."""
    value: Any = space.properties.get("DomainId")
    found = templates.referred(space, value)
    if found or not isinstance(value, Mapping):
        return found
    declared = templates.stacks[space.stack].get("Parameters", {}).get(value.get("Ref"), {})
    for parameter in templates.resources("AWS::SSM::Parameter"):
        if parameter.properties.get("Name") == declared.get("Default"):
            return templates.referred(parameter, parameter.properties.get("Value"))
    return None


def _isolation_of(space: Resource, domain: Resource | None, names: Names) -> str:
    if domain is None or domain.stack != space.stack:
        return "cohort"
    return "learner" if person_of(domain, names) else "team"


def _team_stack(names: Names, team: str) -> str:
    return team if team.startswith(f"{names.cohort}-") else names.team_stack(team)


def _work(templates: Templates) -> str:
    for bucket in templates.resources("AWS::S3::Bucket"):
        name = str(bucket.properties.get("BucketName", ""))
        if name.endswith("-work"):
            return name
    return "WORK-BUCKET"
