"""Where an admin acts on a project's competition: its table, its settings, its functions.

An act changes the table with the admin's own credentials, by one conditional write that also
records who did it and why. What learners see follows from the table: the scorer is asked to write
the pages anew.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config

from infra.cli.account import Site
from infra.cli.terminal import Refused, console
from infra.services.competition.ladder import Ladder
from infra.services.competition.problems import Misconfigured
from infra.services.competition.settings import CompetitionSettings
from infra.services.competition.state import Act, State
from infra.services.competition.store import BoardTable, Changed

ATTEMPTS = 5
#: The scorer's own time limit, and some for the network.
ANSWER_SECONDS = 150

_SECOND, _TICK = dt.timedelta(seconds=1), dt.timedelta(microseconds=1)

why_option = click.option("--why", required=True, help="The reason; it is recorded with your name.")

#: The state as it stands, when it is, who acts: gives the state after it, and the act.
Make = Callable[[State, dt.datetime, str], tuple[State, Act]]


@dataclass(frozen=True)
class Arena:
    """One project's competition in the account that the environment's credentials belong to."""

    site: Site
    project: str

    @classmethod
    def of(cls, file: Path, project: str) -> Arena:
        """The competition of `project` in the cohort of `file`.

        Raises:
            Refused: if the cohort has no such project, or is not deployed.
        """
        found = cls(site_of(file, project), project)
        _ = found.settings, found.table
        return found

    @cached_property
    def settings(self) -> CompetitionSettings:
        """What the services go by: the file as it was deployed, not as it is now."""
        ssm, name = self.site.client("ssm"), self.site.cohort.names.settings_parameter
        try:
            text = str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            raise Refused(f"there is no parameter {name}: {self._deployed}") from None
        try:
            settings = CompetitionSettings.from_json(text)
        except Misconfigured as error:
            raise Refused(f"{error}: {self._deployed}") from None
        if self.project not in settings.projects:
            raise Refused(
                f"{self.project} is in the cohort file and not in what is deployed: deploy "
                f"{self.site.cohort.name} again"
            )
        return settings

    @cached_property
    def table(self) -> BoardTable:
        """The board's table."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 4})
        client = boto3.client("dynamodb", region_name=self.site.cohort.region, config=config)
        name = self.site.cohort.names.board_table
        try:
            client.describe_table(TableName=name)
        except client.exceptions.ResourceNotFoundException:
            raise Refused(f"there is no table {name}: {self._deployed}") from None
        return BoardTable(name, client)

    @cached_property
    def s3(self) -> Any:
        return self.site.client("s3")

    @cached_property
    def _identities(self) -> Any:
        return self.site.client("sts")

    def caller(self) -> tuple[str, dt.datetime]:
        """Whose credentials these are, and what time it is by AWS's clock: a close that an admin's
        clock puts into the future would not be one yet."""
        answer = self._identities.get_caller_identity()
        date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
        try:
            at = parsedate_to_datetime(date).astimezone(dt.UTC)
        except (ValueError, TypeError):
            at = dt.datetime.now(dt.UTC)
        return str(answer["Arn"]), at

    def acting(self) -> tuple[str, dt.datetime]:
        """Who acts, and when: by AWS's clock, after whatever was done last."""
        who, at = self.caller()
        return who, self._after_the_last(at)

    def now(self) -> dt.datetime:
        """The time by AWS's clock, after whatever was done last."""
        return self._after_the_last(self.caller()[1])

    @cached_property
    def ladder(self) -> Ladder:
        """By what a new entry moves a team's shown score."""
        # Imported here: the projects' code is not needed to show a command's help.
        from infra.services.competition import projects

        rules = projects.of(self.project)
        return Ladder(rules.better, rules)

    @property
    def _deployed(self) -> str:
        return (
            f"is {self.site.cohort.name} deployed in this account, {self.site.cohort.region}? "
            "(npx cdk deploy --all -c cohort=FILE)"
        )

    def team(self, name: str) -> str:
        """`name`, if it is a team of the cohort.

        Raises:
            Refused: naming the teams that there are.
        """
        teams = [team.id for team in self.site.cohort.teams]
        if name not in teams:
            raise Refused(f"{name!r} is no team of {self.site.cohort.name}: {', '.join(teams)}")
        return name

    # --- acts -----------------------------------------------------------------------------------
    def act(self, make: Make) -> tuple[State, Act]:
        """Carry out and record what `make` gives for the state as it stands, whoever else acts
        meanwhile.

        Raises:
            Refused: if `make` says by ValueError that it cannot be done.
        """
        for _ in range(ATTEMPTS):
            before = self.table.state(self.project)
            who, at = self.caller()
            try:
                after, act = make(before, self._after_the_last(at), who)
            except ValueError as error:
                raise Refused(f"{self.project}: {error}") from None
            try:
                self.table.act(self.project, before, after, act)
                return after, act
            except Changed:
                continue
        raise Refused(f"{self.project}'s competition keeps being changed; try again")

    def _after_the_last(self, at: dt.datetime) -> dt.datetime:
        """`at`, or a little later, so that acts within one second are kept in their order."""
        for last in self.table.acts(self.project, 1):
            if at <= last.at < at + _SECOND:
                return last.at + _TICK
        return at

    def note(self, what: str, why: str) -> Act:
        """Record an act that leaves the competition's state as it is."""
        # Imported here: click's names in this package are those of the verbs.
        from infra.services.competition import state as rules

        def make(state: State, at: dt.datetime, who: str) -> tuple[State, Act]:
            return state, rules.note(state, what, at=at, who=who, why=why)

        return self.act(make)[1]

    # --- functions ------------------------------------------------------------------------------
    @cached_property
    def _functions(self) -> Any:
        config = Config(
            read_timeout=ANSWER_SECONDS,
            max_pool_connections=16,
            retries={"mode": "standard", "total_max_attempts": 4},
        )
        return boto3.client("lambda", region_name=self.site.cohort.region, config=config)

    def ask(self, service: str, payload: dict[str, Any]) -> Any:
        """What the function of `service` answers.

        Raises:
            Refused: if there is no such function, or it failed.
        """
        answer = self._invoke(service, payload, "RequestResponse")
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            said = body.get("errorMessage", body) if isinstance(body, dict) else body
            raise Refused(f"the {service} failed: {plain(said)}")
        return body

    def send(self, service: str, payload: dict[str, Any]) -> None:
        """Hand `payload` to the function of `service`, and do not wait for it."""
        self._invoke(service, payload, "Event")

    def _invoke(self, service: str, payload: dict[str, Any], kind: str) -> Any:
        name = self.site.cohort.names.function(service)
        try:
            return self._functions.invoke(
                FunctionName=name, InvocationType=kind, Payload=json.dumps(payload).encode()
            )
        except self._functions.exceptions.ResourceNotFoundException:
            raise Refused(f"there is no function {name}: {self._deployed}") from None

    # --- the board ------------------------------------------------------------------------------
    def publish(self) -> dict[str, Any] | None:
        """Have the pages written anew; says so, and what to do if that fails: the act stands."""
        try:
            with console.status(f"renewing the board of {self.project}"):
                document = self.ask("scorer", {"publish": self.project})
        except Refused as error:
            console.print(
                f"It is recorded, and holds. The board could not be renewed: {error}. Mend that, "
                f"then: cohort competition recompute {self.project} --why …",
                markup=False,
                soft_wrap=True,
            )
            return None
        console.print(f"The board of {self.project} is renewed.", markup=False)
        return document if isinstance(document, dict) else None


def site_of(file: Path, project: str) -> Site:
    """The cohort of `file`, if it has the project.

    Raises:
        Refused: naming the projects that there are.
    """
    site = Site.of(file)
    if project not in site.cohort.projects:
        raise Refused(
            f"{project!r} is no project of {site.cohort.name}: {', '.join(site.cohort.projects)}"
        )
    return site


def say(*sentences: str) -> None:
    """Sentences as they are: what is in them is never read as markup, nor broken in two."""
    for sentence in sentences:
        console.print(sentence, markup=False, soft_wrap=True)


def plain(text: object) -> str:
    """Without what moves a terminal's cursor or turns a line around.

    >>> plain("a\\x1b[31mb\\u202ec")
    'a[31mbc'
    """
    return "".join(letter for letter in str(text) if letter.isprintable())


def minute(value: dt.datetime) -> str:
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def counted(count: int, what: str, plural: str = "") -> str:
    """
    >>> counted(1, "entry", "entries"), counted(2, "entry", "entries"), counted(0, "team")
    ('1 entry', '2 entries', '0 teams')
    """
    return f"{count} {what if count == 1 else plural or what + _s(count)}"
