"""`cohort probe`: asks AWS what only AWS can confirm."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import os
import re
import secrets
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import click
from botocore.config import Config
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infra.cli.prices import API_REGION
from infra.cli.probe import golden, ledger, report
from infra.cli.probe.budget import Budget
from infra.cli.probe.ledger import Busy, Ledger
from infra.cli.probe.pace import MovedPace, Pace, RealPace
from infra.cli.probe.permissions import policy
from infra.cli.probe.probing import Probe
from infra.cli.probe.question import Answer, Question, Verdict
from infra.cli.probe.questions import QUESTIONS, by_id
from infra.cli.probe.recording import TRANSCRIPTS, Recorder
from infra.cli.probe.run import Outcome, ask_all, minutes
from infra.cli.probe.scrubbing import Scrubber
from infra.cli.terminal import Refused, console, without_traceback

AWS, EMBEDDED = "aws", "embedded"

OUT = Path(".academy/probe")

#: A question is asked again by a person, not by botocore behind our back.
_CONFIG: dict[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 70,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}
_ONCE = {"mode": "standard", "total_max_attempts": 1}


@click.command()
@click.option("--account", metavar="NUMBER", help="The account that may be asked. Required.")
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--yes", is_flag=True, help="Do it. Without it nothing is called.")
@click.option("--only", metavar="ID,…", help="Ask these questions alone.")
@click.option("--image", metavar="NAME", help="A SageMaker image of the account, for lines 24-27.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=OUT,
    show_default=True,
    help="Where records and transcripts of runs lie.",
)
@click.option("--endpoint-url", metavar="URL", help="The embedded cloud, on this machine alone.")
@click.option("--clean", is_flag=True, help="Remove what earlier runs left, by their records.")
@click.option("--policy-only", is_flag=True, help="Print the IAM policy that a run needs, alone.")
@click.option(
    "--check",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Hold the embedded cloud to the transcripts in this folder.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --check: write them here without repetitions, as tests/offline/golden keeps them.",
)
@without_traceback
def probe(
    account: str | None,
    region: str,
    yes: bool,
    only: str | None,
    image: str | None,
    out: Path,
    endpoint_url: str | None,
    clean: bool,
    policy_only: bool,
    check: Path | None,
    keep: Path | None,
) -> None:
    """Ask AWS what only AWS can confirm: one run, at most $2, dry unless --yes is given.

    Nothing of the academy was run on AWS by its authors; docs/fidelity.md says what that leaves
    open. This asks those lines of your account: each question makes a few small things, named
    academy-probe-…, looks at what AWS does, and removes them.

    \b
      cohort probe --account 123456789012                 what it would do, and cost; no call
      cohort probe --account 123456789012 --yes           do it (about an hour and a half)
      cohort probe --account … --yes --only app-arn,stop  these alone
      cohort probe --account … --clean --yes              remove what a run left that died
      cohort probe --check .academy/probe/<run>           is the embedded cloud as AWS was?

    What went over the wire is kept below --out, with accounts, ids, addresses and keys replaced:
    read it, and share it, and the embedded cloud is held to it. docs/probe.md says more.
    """
    if check is not None:
        _check(check, keep)
        return
    if account is None or not re.fullmatch(r"\d{12}", account):
        raise Refused("name the account that may be asked: --account and its twelve digits")
    questions = _chosen(only)
    if policy_only:
        click.echo(json.dumps(policy(questions, account=account, region=region), indent=2))
        return
    if clean:
        _clean(account, region, out, endpoint_url, yes=yes)
        return
    if not yes:
        report.plan(questions, account=account, region=region, image=image)
        return
    _run(account, region, out, endpoint_url, questions, image)


def _chosen(only: str | None) -> list[Question]:
    if only is None:
        return list(QUESTIONS)
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in {each.id for each in QUESTIONS}]
    if unknown or not names:
        known = ", ".join(each.id for each in QUESTIONS)
        raise Refused(f"there is no question {', '.join(unknown) or '…'}; there are {known}")
    wanted = {by_id(name).id for name in names}
    if {"job-events", "job-environment"} & wanted:
        wanted.add("container-shell")  # whose job it is about
    return [each for each in QUESTIONS if each.id in wanted]


# --- where ----------------------------------------------------------------------------------------
class _Place:
    """AWS, or the embedded cloud on this machine; makes sessions and clients for it."""

    def __init__(self, region: str, endpoint: str | None) -> None:
        self.region = region
        self.endpoint = endpoint
        self.source = EMBEDDED if endpoint else AWS
        self.pace: Pace = RealPace()
        if endpoint:
            _require_loopback(endpoint)
            moved = MovedPace(endpoint)
            if not (moved.health() or {}).get("ready"):
                raise Refused(
                    f"no embedded cloud answers at {endpoint}: start one with `cohort offline up`"
                )
            self.pace = moved

    def session(self, keys: Mapping[str, str] | None) -> Any:
        if keys is None and self.endpoint:
            # The embedded cloud's own key, and no other: a real one never goes there.
            from infra.offline.environment import ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY

            keys = {"AccessKeyId": ADMIN_ACCESS_KEY, "SecretAccessKey": ADMIN_SECRET_KEY}
        if keys is None:
            return _owners_session(self.region)
        return boto3.Session(
            region_name=self.region,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
        )

    def client(self, session: Any, service: str) -> Any:
        region = API_REGION if service == "pricing" and not self.endpoint else self.region
        more: dict[str, Any] = {"proxies": {}} if self.endpoint else {}
        # On AWS an endpoint from the environment or a profile is none of ours.
        more["ignore_configured_endpoint_urls"] = True

        def of(config: dict[str, Any]) -> Any:
            return session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                config=Config(**config, **more),
            )

        return _Careful(of(_CONFIG), of({**_CONFIG, "retries": _ONCE}))

    def caller(self, account: str) -> Mapping[str, str]:
        """Who asks; only if the account is the one that was named."""
        client = self.client(self.session(None), "sts")
        found: Mapping[str, str] = client.get_caller_identity()
        if found["Account"] != account:
            raise Refused(
                f"the credentials are of account {found['Account']}, not of {account}: nothing was "
                "started"
            )
        return found


def _owners_session(region: str) -> Any:
    """A session of the usual credential chain, if that leads to AWS."""
    from infra.offline.environment import ADMIN_ACCESS_KEY

    elsewhere = os.environ.get("AWS_ENDPOINT_URL")
    if elsewhere:
        raise Refused(
            f"AWS_ENDPOINT_URL is {elsewhere}: say --endpoint-url {elsewhere} to ask the embedded "
            "cloud, or unset it to ask AWS"
        )
    session = boto3.Session(region_name=region)
    found = session.get_credentials()
    if found is None:
        raise Refused("no credentials were found: choose a profile (AWS_PROFILE), or sign in")
    if found.access_key == ADMIN_ACCESS_KEY:
        raise Refused(
            "the credentials are the embedded cloud's example key, which is no key of AWS: choose "
            "a profile (AWS_PROFILE), or say --endpoint-url"
        )
    return session


class _Careful:
    """A client that repeats what may be repeated, and asks for a thing to be made once only.

    botocore repeats a request whose answer was lost; of a key, a network or a domain that would
    make a second one, of which the record knows nothing.
    """

    def __init__(self, repeating: Any, once: Any) -> None:
        self._repeating, self._once = repeating, once

    def __getattr__(self, name: str) -> Any:
        return getattr(self._once if name.startswith("create_") else self._repeating, name)


def _require_loopback(endpoint: str) -> None:
    host = urlsplit(endpoint).hostname or ""
    with contextlib.suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return
    raise Refused(
        f"--endpoint-url is for the embedded cloud on this machine, not for {endpoint}; leave it "
        "out to ask AWS"
    )


# --- a run ----------------------------------------------------------------------------------------
#: Credentials that botocore renews by itself for as long as the machine has them.
_RENEWED = ("iam-role", "container-role", "assume-role-with-web-identity")


def _require_lasting(credentials: Any, planned: int) -> None:
    """Refuse credentials that end before the run does: nothing could be removed with them.

    Those of a sign-in (SSO, a role behind MFA, a process) botocore renews only as long as that
    lasts, and of a bare session token the end is not known: that is said.
    """
    frozen = credentials.get_frozen_credentials()  # of some the end is known only then
    method = getattr(credentials, "method", "")
    # botocore has no public name for it (botocore.credentials.RefreshableCredentials).
    expiry = getattr(credentials, "_expiry_time", None)
    if method in _RENEWED or (expiry is None and not frozen.token):
        return
    if expiry is None:
        console.print(
            f"[yellow]When these credentials end is not known; the run takes {planned} minutes, "
            "and what they cannot remove waits for --clean.[/yellow]"
        )
        return
    if expiry >= dt.datetime.now(dt.UTC) + dt.timedelta(minutes=planned):
        return
    ends = f"the credentials end {expiry:%H:%M} UTC, and the run takes {planned} minutes"
    if method == "env":
        raise Refused(f"{ends}: nothing was started; take longer ones, or fewer questions (--only)")
    console.print(
        f"[yellow]{ends}: they are renewed only while your sign-in lasts. If it does not, sign in "
        "again and run --clean.[/yellow]"
    )


def _run(
    account: str,
    region: str,
    out: Path,
    endpoint: str | None,
    questions: list[Question],
    image: str | None,
) -> None:
    place = _Place(region, endpoint)
    caller = place.caller(account)
    if place.source == AWS:
        _require_lasting(place.session(None).get_credentials(), minutes(questions, image=image))
    run = secrets.token_hex(4)
    folder = out / run
    made = Ledger(
        folder / ledger.FILE,
        {"run": run, "account": account, "region": region, "source": place.source},
    )
    subject = _probe(place, made, folder, caller, image)
    budget = Budget(region)
    console.print(f"run {run} in account {account}, {region} ({place.source}): {folder}")
    try:
        with _terminable(), _progress(questions, subject) as told:
            outcome = ask_all(subject, budget, questions, progress=told)
    except KeyboardInterrupt:
        again = f"cohort probe --account {account} --region {region} --out {out} --clean --yes"
        raise Refused(f"interrupted while removing; what is left is on record: {again}") from None
    finally:
        made.close()
    report.result(outcome, budget, subject, folder / TRANSCRIPTS)
    _finish(outcome, "AWS" if place.source == AWS else "the embedded cloud")


def _finish(outcome: Outcome, who: str) -> None:
    if outcome.interrupted:
        raise Refused("interrupted; what was made is removed, as far as it says above")
    if outcome.left:
        raise Refused(f"{len(outcome.left)} things could not be removed")
    contradicted = [
        each.question.id for each in outcome.asked if each.answer.verdict == Verdict.CONTRADICTED
    ]
    if contradicted:
        raise Refused(f"{who} contradicts us: {', '.join(contradicted)}")


def _probe(
    place: _Place, made: Ledger, folder: Path, caller: Mapping[str, str], image: str | None = None
) -> Probe:
    header = made.header
    person = str(caller["Arn"]).split(":", 5)[-1].rsplit("/", 1)[-1]
    owners = [caller["Arn"], caller["UserId"], person if person != "root" else ""]
    if caller["UserId"] == header["account"]:  # the root user's
        owners.remove(caller["UserId"])
    scrubber = Scrubber(header["account"], header["run"], place.endpoint or "", owners)
    recorder = Recorder(folder / TRANSCRIPTS, scrubber, source=place.source, region=place.region)
    return Probe(
        run=header["run"],
        account=header["account"],
        region=place.region,
        source=place.source,
        ledger=made,
        recorder=recorder,
        pace=place.pace,
        session=place.session,
        client_of=place.client,
        image=image,
    )


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """A polite request to end, and the end of the terminal, are as Ctrl-C: it cleans up."""

    def interrupt(number: int, _: Any) -> None:
        if number == signal.SIGHUP:
            # A terminal that is closed says so more than once, and must not end the removal.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Under nohup the end of the terminal is ignored, and stays so.
    numbers = [
        each
        for each in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(each) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(questions: list[Question], subject: Probe) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description:<60}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(questions))
        subject.say = lambda words: bar.update(task, description=words)

        def told(name: str, answer: Answer | None) -> None:
            if answer is None:
                bar.update(task, description=name)
            else:
                bar.advance(task)
                bar.console.print(f"  {name}: {answer.verdict}", soft_wrap=True)

        yield told


# --- what earlier runs left -----------------------------------------------------------------------
def _clean(account: str, region: str, out: Path, endpoint: str | None, *, yes: bool) -> None:
    source = EMBEDDED if endpoint else AWS
    mine = {"account": account, "region": region, "source": source}
    with contextlib.ExitStack() as open_records:
        records: list[Ledger] = []
        for path in ledger.records(out):
            try:
                record = Ledger(path)
            except Busy as error:
                console.print(f"left alone: {error}", soft_wrap=True)
                continue
            open_records.callback(record.close)
            if mine.items() <= record.header.items() and record.standing():
                records.append(record)
        lines = [(each.path, [str(entry) for entry in each.standing()]) for each in records]
        if not report.leftovers(lines):
            console.print(f"No record below {out} names anything in {account}, {region}.")
            return
        if not yes:
            console.print("Nothing was called. Add --yes to remove them.")
            return
        place = _Place(region, endpoint)
        caller = place.caller(account)
        left: list[str] = []
        for record in records:
            left += _probe(place, record, record.path.parent, caller).remove()
    for line in left:
        console.print(f"[red]still there:[/red] {escape(line)}", soft_wrap=True)
    if left:
        raise Refused(f"{len(left)} things could not be removed; run it again later")
    console.print("Everything is removed.")


# --- golden transcripts ---------------------------------------------------------------------------
def _check(folder: Path, keep: Path | None) -> None:
    try:
        found = check(folder)
        if keep is not None:
            golden.condense(folder, keep)
    except golden.NoTranscript as error:
        raise Refused(str(error)) from None
    console.print(f"{found.calls} calls of a transcript from {found.source} were replayed.")
    for name in sorted(set(found.unmodelled)):
        console.print(f"  not modelled: {name} ({found.unmodelled.count(name)})")
    for each in found.differences:
        console.print(f"  {each}", soft_wrap=True, markup=False)
    if found.differences:
        raise Refused(f"the embedded cloud answers otherwise in {len(found.differences)} places")
    console.print("The embedded cloud answers alike.")


def check(folder: Path) -> golden.Replay:
    """Replay the transcripts in `folder` against an embedded cloud of its own.

    Raises:
        NoTranscript: if there are none.
    """
    # Imported here: moto takes a second.
    from infra.offline.server import Cloud

    golden.read(folder)
    with (
        tempfile.TemporaryDirectory(prefix="academy-golden-") as state,
        Cloud(state=Path(state)) as cloud,
    ):
        place = _Place("us-east-1", cloud.endpoint)

        def clients(service: str, keys: dict[str, str] | None) -> Any:
            return place.client(place.session(keys), service)

        return golden.replay(
            folder, clients, pass_seconds=place.pace.pass_seconds, now=place.pace.now
        )
