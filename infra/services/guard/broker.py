"""The broker: the only way to a training job or a running space.

For each: check, reserve the worst case, write the stop, start. If it breaks between any two of
these steps, what is left behind is a reservation that the sweep resolves, never a bill without one.

One invocation at a time may start what a reservation pays for: the reservation carries a lease
until after that invocation's own time limit. Who comes meanwhile is told that it is starting; who
comes later takes the lease over. So a start that was turned down can be released without fear that
somebody else's start went through.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.cohort.naming import JobName
from infra.cohort.prices import UnknownPrice
from infra.services.guard import ledger, money, sdk_request
from infra.services.guard.cloud import App, CloudError, InUse, Job, TurnedDown, Unclear, Workspace
from infra.services.guard.ledger import (
    SPACE,
    Account,
    Changed,
    Entry,
    Frozen,
    Insufficient,
    Reservation,
)
from infra.services.guard.problems import Misconfigured, Refusal
from infra.services.guard.reconcile import Guard, app_of, follow_up, job_of, remove_stop
from infra.services.guard.requests import (
    MIN_SECONDS,
    BudgetOf,
    CloseSpace,
    JobStatus,
    OpenSpace,
    Request,
    SdkJob,
    Space,
    Stay,
    StopJob,
    Train,
    TrainingJob,
    parse,
)
from infra.services.guard.settings import image_of_version
from infra.services.guard.storage_prices import storage_prices
from infra.services.guard.training import billed_disk_gb, sdk_training_request, training_request

log = logging.getLogger(__name__)

ENTRIES_SHOWN = 20
Answer = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One invocation: who asks (from the alias), when, until when it can still act, and the token
    of the space's opening that it may begin."""

    learner: str
    now: dt.datetime
    lease_until: dt.datetime
    opening: str


def answer(guard: Guard, call: Call, payload: Any) -> Answer:
    """The broker's answer to `payload`: {"ok": true, …} or {"ok": false, "error": {…}}."""
    try:
        request = parse(payload, guard.settings)
        return {"ok": True, **_serve(guard, call, request)}
    except Refusal as refusal:
        return {"ok": False, "error": refusal.document()}
    except (CloudError, Misconfigured, UnknownPrice) as error:
        # The details are for the admin's log; a learner can do nothing about them.
        log.error("unavailable for %s: %s", call.learner, error)
        return {"ok": False, "error": unavailable().document()}


def unavailable() -> Refusal:
    """What a learner reads when the fault is not the learner's."""
    return Refusal(
        "unavailable",
        "The academy could not do this just now. Nothing is lost: ask again in a few minutes, and "
        "tell your admin if it stays so.",
    )


def _serve(guard: Guard, call: Call, request: Request) -> Answer:
    operations: dict[type, Callable[..., Answer]] = {
        OpenSpace: open_space,
        Space: space,
        Stay: stay,
        CloseSpace: close_space,
        Train: train,
        SdkJob: training_job,
        JobStatus: job,
        StopJob: stop_job,
        BudgetOf: budget,
    }
    operation = operations[type(request)]
    for _ in range(5):
        try:
            return operation(guard, call, request)
        except Changed:
            # Somebody else moved the same reservation: look again and act on what now stands.
            continue
    raise Refusal("busy", "Several requests of yours came at once. Ask again in a moment.")


# --- spaces -----------------------------------------------------------------------------------


def open_space(guard: Guard, call: Call, asked: OpenSpace) -> Answer:
    """Start the learner's space; once it is open, say so again."""
    _within_dates(guard, call)
    workspace = workspace_of(guard, call.learner)
    account = _account(guard, call)
    held = guard.ledger.find(call.learner, SPACE)
    if held is not None and held.is_open:
        app = app_of(held, guard.cloud.app(held.domain, held.name))
        running = app is not None and app.status in ("Pending", "InService")
        if running or (app is None and call.now <= held.lease_until):
            if asked.instance != held.instance:
                raise Refusal(
                    "busy",
                    f"Your space is open on {held.instance}. Close it before you open it on "
                    f"{asked.instance}.",
                )
            _on_its_image(guard, held, asked.project)
            follow_up(guard, held, call.now)
            return _open_answer(held, app.status if app else "Pending")
        if app is not None and app.status == "Deleting":
            raise Refusal("busy", "Your space is closing. Ask again in a minute.")
        if app is None and held.started_at is None:
            return _resume_space(guard, call, workspace, held)
        held = follow_up(guard, held, call.now)
        if held.is_open:
            raise Changed
    if account.frozen:
        raise _frozen()
    seconds = asked.seconds or min(guard.settings.studio_max_hours * 3600, _left(guard, call))
    _ends_in_time(guard, call, seconds)
    price = guard.prices.micro_usd_per_hour(guard.settings.region, "studio", asked.instance)
    project = asked.project or guard.settings.projects[0]
    image = guard.settings.image(project, asked.instance)
    new = Reservation(
        learner=call.learner,
        id=SPACE,
        kind="space",
        token=call.opening,
        request="",
        name=workspace.space,
        domain=workspace.domain,
        team=workspace.team,
        instance=asked.instance,
        count=1,
        price=price,
        seconds=seconds,
        amount=money.worst_case(price, 1, seconds),
        created_at=call.now,
        ends_at=call.now + dt.timedelta(seconds=seconds),
        lease_until=call.lease_until,
        # AWS's own image is that of every project.
        project=project if image else "",
        image=image.app if image else "",
    )
    what = f"this could cost up to {{}} ({asked.instance} for {money.span(seconds)})"
    reserved = _reserve(guard, new, held, what)
    return _start_space(guard, call, workspace, reserved)


def _on_its_image(guard: Guard, held: Reservation, project: str | None) -> None:
    """Refuse who asks for `project` while the space is open on another image than its.

    A later version of the same image is no other: the space moves to it when it starts anew.
    """
    wanted = guard.settings.image(project, held.instance) if project is not None else None
    if wanted is None or (held.image and image_of_version(held.image) == wanted.app_image):
        return
    open_on = f"for {held.project}" if held.project else "on an image of AWS's own"
    raise Refusal(
        "busy",
        f"Your space is open {open_on}. Close it before you open it for {project}; your files "
        "stay.",
    )


def _resume_space(guard: Guard, call: Call, workspace: Workspace, held: Reservation) -> Answer:
    """Go on where an earlier invocation broke off, with what it had reserved.

    On its instance and its image, whatever is asked now: it may have started all the same. The
    answer says which.
    """
    if held.ends_at <= call.now + dt.timedelta(seconds=MIN_SECONDS):
        raise Refusal(
            "busy",
            "An earlier start of your space broke off. It is cleared within half an hour; ask "
            "again then.",
        )
    claimed = guard.ledger.apply(ledger.claim(held, call.lease_until))
    return _start_space(guard, call, workspace, claimed)


def _start_space(guard: Guard, call: Call, workspace: Workspace, held: Reservation) -> Answer:
    settings = guard.settings
    try:
        guard.cloud.put_stop(
            settings.schedule_group,
            guard.stop_of(held),
            settings.stopper_role_arn,
            held.ends_at,
            held.domain,
            held.name,
        )
    except CloudError as error:
        # Nothing starts without its stop; and a stop that was written after all only stops.
        if app_of(held, guard.cloud.app(held.domain, held.name)) is None:
            guard.ledger.apply(ledger.release(held, at=call.now, note=str(error)))
        if isinstance(error, TurnedDown):
            raise _turned_down("space", held, error) from error
        raise
    try:
        guard.cloud.create_app(workspace, held.instance, held.image)
    except (TurnedDown, Unclear) as error:
        app = app_of(held, guard.cloud.app(held.domain, held.name))
        if app is None or app.status not in ("Pending", "InService"):
            if isinstance(error, Unclear):
                raise
            remove_stop(guard, held)
            guard.ledger.apply(ledger.release(held, at=call.now, note=str(error)))
            if isinstance(error, InUse):
                raise Refusal("busy", "Your space is still closing. Ask again in a minute.") from (
                    error
                )
            raise _turned_down("space", held, error) from error
    _note_start(guard, call, held)
    return _open_answer(held, "Pending")


def _note_start(guard: Guard, call: Call, held: Reservation) -> None:
    try:
        guard.ledger.apply(ledger.started(held, call.now))
    except Changed:
        log.info("the start of %s was noted by somebody else", held.name)


def _open_answer(held: Reservation, status: str) -> Answer:
    """How an open space is; `project` where it is open on the image of one."""
    return {
        "status": status,
        "instance": held.instance,
        "ends_at": _instant(held.ends_at),
        "reserved_micro_usd": held.amount,
        **({"project": held.project} if held.project else {}),
    }


def space(guard: Guard, call: Call, asked: Space) -> Answer:
    """How the space is, with a link into it on request."""
    held = guard.ledger.find(call.learner, SPACE)
    if held is None or not held.is_open:
        return _closed(held)
    app = app_of(held, guard.cloud.app(held.domain, held.name))
    after = follow_up(guard, held, call.now)
    if not after.is_open:
        failed = app is not None and app.status == "Failed"
        return {"status": "Failed", "failure": after.note} if failed else _closed(after)
    status = app.status if app is not None else "Pending"
    if app is not None and app.gone:
        raise Changed
    found = _open_answer(after, status)
    if asked.link and status == "InService":
        found["url"] = guard.cloud.presigned_url(workspace_of(guard, call.learner))
    return found


def _closed(held: Reservation | None) -> Answer:
    note = held.note if held is not None else ""
    return {"status": "Closed", **({"failure": note} if note else {})}


def stay(guard: Guard, call: Call, asked: Stay) -> Answer:
    """Keep the space open until `hours` from now: reserve more, then move the stop."""
    _within_dates(guard, call)
    _account(guard, call)
    held, app = _open_app(guard, call)
    if app is None or app.status not in ("Pending", "InService"):
        raise Refusal("not_found", "Your space is not open. Open it first.")
    _ends_in_time(guard, call, asked.seconds)
    ends_at = max(held.ends_at, call.now + dt.timedelta(seconds=asked.seconds))
    change = ledger.renew(held, ends_at)
    try:
        renewed = guard.ledger.apply(change)
    except Insufficient as short:
        what = f"staying that long could cost {{}} more ({held.instance})"
        raise _insufficient(short, change.reserved, what) from short
    except Frozen:
        raise _frozen() from None
    # Also when nothing had to be reserved: an earlier call may have broken off right here.
    guard.cloud.put_stop(
        guard.settings.schedule_group,
        guard.stop_of(renewed),
        guard.settings.stopper_role_arn,
        renewed.ends_at,
        renewed.domain,
        renewed.name,
    )
    return {"ends_at": _instant(renewed.ends_at), "reserved_micro_usd": renewed.amount}


def close_space(guard: Guard, call: Call, _asked: CloseSpace) -> Answer:
    """End the space. What it cost is settled as soon as it is seen gone."""
    held = guard.ledger.find(call.learner, SPACE)
    if held is None or not held.is_open:
        return {"status": "Closed"}
    app = app_of(held, guard.cloud.app(held.domain, held.name))
    if app is None and held.started_at is None and call.now <= held.lease_until:
        raise Refusal("busy", "Your space is just starting. Ask again in a minute.")
    if app is not None and not app.gone:
        guard.cloud.delete_app(held.domain, held.name)
    after = follow_up(guard, held, call.now)
    return {"status": "Deleting" if after.is_open else "Closed"}


def _open_app(guard: Guard, call: Call) -> tuple[Reservation, App | None]:
    held = guard.ledger.find(call.learner, SPACE)
    if held is None or not held.is_open:
        raise Refusal("not_found", "Your space is not open. Open it first.")
    return held, app_of(held, guard.cloud.app(held.domain, held.name))


# --- jobs -------------------------------------------------------------------------------------


def train(guard: Guard, call: Call, asked: Train) -> Answer:
    """Start a training job; the same token again is the same job."""
    _of_a_team(guard, call)
    _within_dates(guard, call)
    workspace = workspace_of(guard, call.learner)
    request = training_request(asked, workspace, guard.settings, guard.names)
    return _run_job(guard, call, workspace, asked, request)


def training_job(guard: Guard, call: Call, raw: SdkJob) -> Answer:
    """Start what SageMaker's own SDK asks for, on the same terms as `train`."""
    _of_a_team(guard, call)
    _within_dates(guard, call)
    workspace = workspace_of(guard, call.learner)
    asked = sdk_request.read(raw, workspace, guard.settings)
    request = sdk_training_request(asked, workspace, guard.settings, guard.names)
    return _run_job(guard, call, workspace, asked, request)


def _of_a_team(guard: Guard, call: Call) -> None:
    """Refuse an advisor: a job runs under the role of a team, and is the team's."""
    if call.learner in guard.settings.advisors:
        raise Refusal(
            "input",
            "A job is a team's own and runs under its role, and an advisor has no team. "
            "academy.look shows you every team's jobs; advisors start and stop none.",
        )


def _run_job(
    guard: Guard,
    call: Call,
    workspace: Workspace,
    asked: Train | TrainingJob,
    request: dict[str, Any],
) -> Answer:
    """Reserve the most that `request` can cost, then start it; at most once a token."""
    name = str(request["TrainingJobName"])
    account = _account(guard, call)
    place = JobName.parse(name)
    if place is None:
        raise Misconfigured(f"{name!r} is not a job's name")
    held = guard.ledger.find(call.learner, place.token)
    if held is not None and held.status != "released":
        # The name has the team in it, and a learner may have come to another one.
        if (held.token, held.request, held.name) != (asked.token, asked.digest, name):
            raise Refusal("input", asked.taken)
        # What has started once never starts again, whatever AWS says of it now.
        begun = held.status == "settled" or held.started_at is not None
        if begun or job_of(guard, held, guard.cloud.job(name)) is not None:
            follow_up(guard, held, call.now)
            return _train_answer(held)
        if call.now <= held.lease_until:
            raise Refusal("busy", "This job is just being started. Ask again in a minute.")
        claimed = guard.ledger.apply(ledger.claim(held, call.lease_until))
        return _start_job(guard, call, claimed, request)
    if account.frozen:
        raise _frozen()
    _ends_in_time(guard, call, asked.seconds)
    price = guard.prices.micro_usd_per_hour(guard.settings.region, "training", asked.instance)
    disk_gb = billed_disk_gb(asked.instance, asked.volume_gb)
    disk_price = storage_prices(guard.settings.region).training_disk
    upload_seconds = money.UPLOAD_SECONDS_PER_GB * asked.volume_gb
    new = Reservation(
        learner=call.learner,
        id=place.token,
        kind="job",
        token=asked.token,
        request=asked.digest,
        name=name,
        domain="",
        team=workspace.team,
        instance=asked.instance,
        count=asked.count,
        price=price,
        seconds=asked.seconds,
        amount=money.worst_case(
            price,
            asked.count,
            asked.seconds,
            disk_gb=disk_gb,
            disk_price=disk_price,
            upload_seconds=upload_seconds,
        ),
        created_at=call.now,
        ends_at=call.now + dt.timedelta(seconds=asked.seconds),
        lease_until=call.lease_until,
        disk_gb=disk_gb,
        disk_price=disk_price,
        upload_seconds=upload_seconds,
    )
    what = (
        f"this job could cost up to {{}} ({asked.count} x {asked.instance} for "
        f"{money.span(asked.seconds)})"
    )
    reserved = _reserve(guard, new, held, what)
    return _start_job(guard, call, reserved, request)


def _start_job(guard: Guard, call: Call, held: Reservation, request: dict[str, Any]) -> Answer:
    try:
        guard.cloud.create_job(request)
    except (TurnedDown, Unclear) as error:
        if job_of(guard, held, guard.cloud.job(held.name)) is None:
            if isinstance(error, Unclear):
                raise
            guard.ledger.apply(ledger.release(held, at=call.now, note=str(error)))
            if isinstance(error, InUse):
                raise Refusal(
                    "input", "This token stands for another job. Use a new one for a new job."
                ) from error
            raise _turned_down("job", held, error) from error
    _note_start(guard, call, held)
    return _train_answer(held)


def _train_answer(held: Reservation) -> Answer:
    return {
        "job": held.name,
        "reserved_micro_usd": held.amount,
        "price_micro_usd_per_hour": held.price,
    }


def job(guard: Guard, call: Call, asked: JobStatus) -> Answer:
    """How a job of the learner's team is, and what it cost once that is settled."""
    found, held = _team_job(guard, call, asked.job)
    if found.ended and held is not None and held.status != "settled":
        held = follow_up(guard, held, call.now)
    answer: Answer = {
        "job": found.name,
        "status": found.status,
        "secondary_status": found.secondary_status,
    }
    if found.image:
        answer["image"] = found.image
    if found.failure:
        answer["failure"] = found.failure
    if found.billable_seconds is not None:
        answer["billable_seconds"] = found.billable_seconds
    if held is not None and held.billed is not None:
        answer["cost_micro_usd"] = held.billed
    return answer


def stop_job(guard: Guard, call: Call, asked: StopJob) -> Answer:
    """Ask a job of the learner's team to stop; it may take two minutes to."""
    found, _ = _team_job(guard, call, asked.job)
    if not found.ended and found.status != "Stopping":
        guard.cloud.stop_job(asked.job)
        found = guard.cloud.job(asked.job) or found
    return {"job": found.name, "status": found.status}


def _team_job(guard: Guard, call: Call, name: str) -> tuple[Job, Reservation | None]:
    _of_a_team(guard, call)
    team = workspace_of(guard, call.learner).team
    parsed = JobName.parse(name)
    found = guard.cloud.job(name) if parsed is not None and parsed.team == team else None
    if parsed is None or found is None:
        # The same words whether it is another team's or nobody's.
        raise Refusal("not_found", f"Your team has no job {name}.")
    held = guard.ledger.find(parsed.learner, parsed.token)
    return found, held if held is not None and job_of(guard, held, found) is not None else None


# --- money ------------------------------------------------------------------------------------


def _account(guard: Guard, call: Call) -> Account:
    """The account of whoever asks, by the cap that the cohort file has for such."""
    return guard.ledger.account(call.learner, guard.settings.cap_of(call.learner))


def budget(guard: Guard, call: Call, _asked: BudgetOf) -> Answer:
    """The learner's account, what is reserved and the latest entries."""
    _account(guard, call)
    for held in guard.ledger.open_of(call.learner):
        try:
            follow_up(guard, held, call.now)
        except CloudError as error:
            log.warning("shown as last known: %s: %s", held.name, error)
    account = _account(guard, call)
    return {
        "cap_micro_usd": account.cap,
        "spent_micro_usd": account.spent,
        "reserved_micro_usd": account.reserved,
        "available_micro_usd": account.available,
        "frozen": account.frozen,
        "individual": account.individual,
        "now": _instant(call.now),
        "open": [_running(held, call.now) for held in guard.ledger.open_of(call.learner)],
        "entries": [_line(e) for e in guard.ledger.entries(call.learner, ENTRIES_SHOWN)],
    }


def _running(held: Reservation, now: dt.datetime) -> Answer:
    """What is open, what it came to so far, and what it may still cost at most."""
    so_far = 0
    if held.started_at is not None:
        so_far = held.cost(max(0, (now - held.started_at) // dt.timedelta(seconds=1)))
    return {
        "kind": held.kind,
        "name": held.name,
        "instance": held.instance,
        "count": held.count,
        "reserved_micro_usd": held.amount,
        "so_far_micro_usd": min(so_far, held.amount),
        "may_still_cost_micro_usd": max(0, held.amount - so_far),
        "ends_at": _instant(held.ends_at),
    }


def _line(entry: Entry) -> Answer:
    return {
        "at": _instant(entry.at),
        "kind": entry.kind,
        "name": entry.name,
        "instance": entry.instance,
        "count": entry.count,
        "seconds": entry.seconds,
        "reserved_micro_usd": entry.reserved,
        "billed_micro_usd": entry.billed,
        "overrun": entry.overrun,
        "note": entry.note,
        **({"image": entry.image} if entry.image else {}),
    }


def _reserve(guard: Guard, new: Reservation, old: Reservation | None, what: str) -> Reservation:
    try:
        return guard.ledger.apply(ledger.reserve(new, old))
    except Insufficient as short:
        raise _insufficient(short, new.amount, what) from short
    except Frozen:
        raise _frozen() from None


def _insufficient(short: Insufficient, needed: int, what: str) -> Refusal:
    account = short.account
    message = (
        f"Your budget has {money.dollars(max(0, account.available))} left; "
        f"{what.format(money.dollars(needed, up=True))}."
    )
    if account.reserved > 0:
        message += f" {money.dollars(account.reserved)} is held for what runs now."
    return Refusal(
        "budget",
        message,
        available_micro_usd=account.available,
        needed_micro_usd=needed,
        reserved_micro_usd=account.reserved,
        cap_micro_usd=account.cap,
    )


def _frozen() -> Refusal:
    return Refusal("frozen", "Your account is frozen. Ask your admin why.")


def _turned_down(kind: str, held: Reservation, error: TurnedDown) -> Refusal:
    log.warning("%s %s was turned down: %s", kind, held.name, error)
    if error.code == "ResourceLimitExceeded":
        return Refusal(
            "unavailable",
            f"AWS lets this account start no further {held.instance}. Nothing was charged. Take "
            "another type, or ask your admin to raise the quota.",
        )
    if "Throttl" in error.code or error.code == "TooManyRequestsException":
        return Refusal("busy", "AWS is busy. Nothing was charged; ask again in a minute.")
    if error.code == "ValidationException" and kind == "job":
        return Refusal(
            "unavailable", f"SageMaker turned the job down, at no charge: {error.message[:300]}"
        )
    return Refusal(
        "unavailable",
        f"AWS did not start your {kind} ({error.code}). Nothing was charged. Tell your admin.",
    )


# --- dates and workspaces -----------------------------------------------------------------------


def _within_dates(guard: Guard, call: Call) -> None:
    settings = guard.settings
    if call.now < settings.opens_at:
        raise Refusal("dates", f"The academy opens on {settings.starts} (UTC).")
    if call.now >= settings.closes_at:
        raise Refusal("dates", f"The academy ended on {settings.ends} (UTC).")


def _left(guard: Guard, call: Call) -> int:
    """Whole seconds until the academy ends."""
    return (guard.settings.closes_at - call.now) // dt.timedelta(seconds=1)


def _ends_in_time(guard: Guard, call: Call, seconds: int) -> None:
    left = _left(guard, call)
    if left < max(seconds, MIN_SECONDS):
        raise Refusal(
            "dates",
            f"The academy ends with {guard.settings.ends} (UTC), in {left // 60} minutes; "
            f"{money.span(seconds)} would go beyond.",
        )


def workspace_of(guard: Guard, learner: str) -> Workspace:
    """What the admin's stack says of the learner or advisor.

    Raises:
        Refusal: if there is no such person.
        Misconfigured: if the parameter is not what the stack writes.
    """
    parameter = guard.names.workspace_parameter(learner)
    document = guard.cloud.workspace(parameter)
    if document is None:
        raise Refusal("not_found", f"{learner} has no workspace in {guard.settings.cohort}.")
    try:
        if (document["cohort"], document["learner"]) != (guard.settings.cohort, learner):
            raise ValueError(f"it is of {document['learner']} in {document['cohort']}")
        advises = learner in guard.settings.advisors
        if advises != (document.get("kind", "learner") == "advisor"):
            # Each cap is of one kind: while a deploy turns one into the other, nothing starts.
            raise ValueError("workspace and settings disagree on who is an advisor")
        if bool(document["team"]) == advises:
            raise ValueError(f"an advisor has no team, a learner has one: {document['team']!r}")
        return Workspace(
            cohort=guard.settings.cohort,
            learner=learner,
            team=str(document["team"]),
            account=str(document["account"]),
            domain=str(document["domain_id"]),
            profile=str(document["profile"]),
            space=str(document["space"]),
            training_role=str(document["training_role"]),
            lifecycle_config=str(document["lifecycle_config"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Misconfigured(f"parameter {parameter}: {error!r}") from None


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
